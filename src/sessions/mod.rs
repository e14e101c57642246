//! Live state that several nodes share (D06): the app's call intents, and the calls as other nodes
//! may know them.

#[cfg(test)]
mod conformance;
mod listeners;
pub mod memory;
mod memory_calls;
pub mod redis;
#[cfg(test)]
mod redis_faults;
pub mod shared;

use std::time::Duration;

use async_trait::async_trait;

use crate::model::ids::CustomerId;
use crate::model::ids::IntentHandle;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;

/// An intent is remembered this long after its end, so that its caller is told `Expired` or `Used`.
const INTENT_REMEMBERED: Duration = Duration::from_mins(10);

/// The app's promise that its customer is about to call (B04, facts/caller-auth §4.4).
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who will call.
    pub customer: CustomerId,
    /// From which number.
    pub number: PhoneNumber,
    /// Which number will be dialled, if promised.
    pub dnis: Option<String>,
    /// Why, in the app's words.
    pub purpose: Option<String>,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
}

/// What came of a redemption. Every answer but `Unknown` uses the intent up.
#[derive(Clone, Debug)]
#[must_use]
pub enum Redeemed {
    /// It was good, and is now used.
    Good(Box<Intent>),
    /// Its time is over.
    Expired,
    /// Somebody redeemed it before.
    Used,
    /// There is none, or it was cancelled.
    Unknown,
}

/// The store of live state cannot be reached, or is full.
#[derive(Debug, thiserror::Error)]
#[error("the session store cannot take this now ({0})")]
pub struct SessionsError(pub String);

/// The store of live state.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Keeps an intent until it is redeemed, cancelled or over. Bounded.
    async fn put_intent(&self, handle: IntentHandle, intent: Intent) -> Result<(), SessionsError>;
    /// Redeems it, atomically: of any number of callers exactly one gets `Good`.
    async fn redeem_intent(
        &self,
        handle: &IntentHandle,
        now: Timestamp,
    ) -> Result<Redeemed, SessionsError>;
    /// Takes it back; says whether there was one to take back.
    async fn cancel_intent(&self, handle: &IntentHandle) -> Result<bool, SessionsError>;
    /// Notes a word that may come once, for as long as it could come again; says whether it is new.
    /// Of any number of askers exactly one is told so. Bounded.
    async fn once(&self, word: &str, ttl: Duration) -> Result<bool, SessionsError>;
}
