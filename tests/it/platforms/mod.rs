//! The same call on every platform: a script knows a caller, and each platform has callers that follow
//! its vendor's rules.
#![expect(clippy::expect_used, reason = "a test may panic")]

pub(crate) mod asterisk;
pub(crate) mod audiohook;
pub(crate) mod genesys_actions;
mod grpc;
mod http;
pub(crate) mod jambonz_http;
pub(crate) mod jambonz_ws;
pub(crate) mod script;
mod scripts;
mod secrets;
mod sip;
mod stories;
pub(crate) mod twilio;

use crate::harness::Daemon;

/// What a caller notices next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Notices {
    /// This PIN position is asked.
    Position(u8),
    /// The customer number is asked.
    CustomerNumber,
    /// The platform was told to send the caller on, or did.
    Routed,
    /// The machine hung up.
    HungUp,
}

/// How a caller comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rings {
    /// The number, as a trunk asserts it that is trusted (`None`: withheld).
    pub(crate) ani: Option<String>,
    /// The handle of the app.
    pub(crate) intent: Option<String>,
}

/// What becomes of an entry in which the line between platform and daemon broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Breaks {
    /// Keys may be lost: it is void and asked again.
    Void,
    /// Nothing: the platform keeps the caller and sends again what may not have come.
    SendsAgain,
    /// There is no such line: the daemon holds the media itself.
    Never,
}

/// A platform, set up beside a daemon.
pub(crate) trait Platform {
    /// The settings it needs, on top of a trusted trunk `office` and cheap PIN checks.
    fn settings() -> String;
    /// Connects to a daemon that has them.
    fn beside(daemon: &Daemon) -> Self;
    /// A caller rings; comes back once the daemon has the call.
    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_>;
    /// The line between platform and daemon breaks, with the calls that are on it, and comes back.
    fn line_breaks(&self, caller: &mut dyn Caller);
    /// What such a break does to an entry.
    fn breaks() -> Breaks {
        Breaks::Void
    }
    /// Whether it tells when a caller hangs up who was given back to it.
    fn tells_the_end() -> bool {
        true
    }
    /// Whether the keypad has `A` to `D`.
    fn has_letters() -> bool {
        true
    }
}

/// Somebody on the phone.
pub(crate) trait Caller {
    /// The platform's id of the call.
    fn name(&self) -> String;
    /// Waits for what comes next; phrases that ask nothing are passed over.
    fn notices(&mut self) -> Notices;
    /// Presses a key.
    fn presses(&mut self, key: char);
    /// Hangs up.
    fn hangs_up(&mut self);
}
