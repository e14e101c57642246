//! HEARS AND SPEAKS. One folder per platform: its dialect ↔ call events and telephony commands.

pub(crate) mod arrival;
pub mod asterisk;
pub mod audiohook;
pub(crate) mod claims;
pub mod genesys;
pub mod http;
pub mod sip;
pub mod webhook;

use std::time::Duration;

use serde_json::Value;

use crate::call::effect::Prompt;
use crate::call::input::Delivered;
use crate::call::view::CallView;
use crate::engine::CallHandle;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;

/// What a call can do with its caller's leg. Nothing here waits; what comes of it is an event.
pub trait Leg: Send + 'static {
    /// Answers, and connects the caller to the machine. → `Established`
    fn answer(&mut self);
    /// Plays a phrase; whatever plays is cut. → `PromptEnded`
    fn play(&mut self, prompt: Prompt);
    /// Cuts the phrase that plays.
    fn stop_playing(&mut self);
    /// Hands the caller over. → `HandedOver`
    fn hand_over(&mut self, to: &str, answered: bool, call: &CallId);
    /// Hangs up.
    fn clear(&mut self, cause: Cause);
    /// The call's newest state, as desktops see it: some platforms give it to their own.
    fn shows(&mut self, _view: &CallView) {}
    /// What another node needs to go on with the leg; holds no key.
    fn saved(&self) -> Value {
        Value::Null
    }
}

/// No call can be taken now: the platform says so to its peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused;

/// How long a platform that collects keys by itself waits for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyTimes {
    /// For a PIN digit, after its prompt.
    pub digit: Duration,
    /// For each key of a customer number.
    pub customer_number: Duration,
}

/// Where platforms hand in new calls.
pub trait Entry: Send + Sync + 'static {
    /// How long the profile of a queue waits for keys; `policy` as in [`Self::delivered`].
    fn key_times(&self, policy: Option<&str>) -> KeyTimes;

    /// A call was delivered; `policy` names the queue's own profile, if it has one.
    fn delivered(
        &self,
        delivered: Delivered,
        policy: Option<&str>,
        leg: Box<dyn Leg>,
    ) -> Result<CallHandle, Refused>;

    /// The live call that this platform names so, where it is this node's.
    fn find(&self, platform: &PlatformName, call: &PlatformCallId) -> Option<CallHandle>;
}
