//! Durable truth: customers, PIN tags, counters, attempts, calls, the audit chain.
//!
//! Whatever an answer here says was done is on disk before the answer is given (P1, P3).

pub mod audit;
pub mod checkpoint;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_audit;
#[cfg(test)]
mod conformance_follow_ups;
#[cfg(test)]
mod conformance_pins;
pub mod copy;
#[cfg(test)]
mod copy_stories;
pub mod follow_ups;
mod machine;
mod pin_machine;
pub mod pins;
pub mod postgres;
#[cfg(test)]
#[path = "../../tests/servers/postgres.rs"]
mod server;
pub mod sqlite;
mod stored;
pub mod subjects;
#[cfg(test)]
mod two_nodes;
pub mod verify;
#[cfg(test)]
mod verify_stories;

use async_trait::async_trait;
use serde::Deserialize;
use serde::Serialize;

use crate::account::Account;
use crate::account::AccountFact;
use crate::account::BlockRule;
use crate::account::Standing;
use crate::follow_up;
use crate::model::customer::Customer;
use crate::model::digits::Positions;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::number::PhoneNumber;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
pub use crate::records::follow_ups::FollowUps;
pub use crate::records::pins::PinRecords;

/// What can go wrong, sorted by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// Try again later; nothing was written.
    #[error("the record store is busy or not reachable ({0})")]
    Unavailable(String),
    /// The account may not be tried now: blocked, to be reset, or its guesses are all at stake.
    #[error("this account may not be tried now")]
    Refused,
    /// What was asked for does not exist (any more).
    #[error("no such {0}")]
    NoSuch(&'static str),
    /// A job does not take what was said about it.
    #[error("{0}")]
    NotSo(follow_up::Refused),
    /// The bytes on disk are not ours. Stop; a human has to look.
    #[error("record {0} is corrupt")]
    Corrupt(String),
}

/// A customer with the sealed secrets to store beside it. `None` leaves what is there.
#[derive(Debug)]
pub struct Enrolment {
    /// The record.
    pub customer: Customer,
    /// A new PIN's sealed pair tags, made by `pin/` for the version [`Records::next_pin_version`] said.
    pub pin: Option<SealedPin>,
    /// A new password verifier (PHC string).
    pub password: Option<String>,
}

/// What an import did with one row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Imported {
    /// The customer is new.
    Created,
    /// Something differed.
    Changed,
    /// Nothing to do.
    Equal,
}

/// One entry of a PIN pair, about to be judged.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The call.
    pub call: CallId,
    /// The account.
    pub customer: CustomerId,
    /// Which entry of this call, from 1.
    pub entry: u8,
    /// Whether a wrong verdict on this entry fails the call.
    pub last: bool,
    /// What was asked.
    pub positions: Positions,
    /// The limits of the call's policy.
    pub rule: BlockRule,
    /// When.
    pub at: Timestamp,
}

/// A reserved attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttemptId(pub i64);

/// How a reserved attempt ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The pair was right.
    Correct,
    /// The pair was wrong, or nobody came back to say (5.15).
    Wrong,
    /// We could not judge it: nothing is counted (C51).
    Void,
}

/// What is on record about one call's entries, when nothing of it is open any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttemptsOfCall {
    /// Entries that were written down; void ones do not count (C51).
    pub entries: u8,
    /// How the last of them ended.
    pub last: Option<Settlement>,
    /// Whether the call is durably marked as failed.
    pub call_failed: bool,
    /// Whether a pass was recorded.
    pub passed: bool,
}

/// Where the account stands after an event.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct AccountAfter {
    /// Its standing now.
    pub standing: Standing,
    /// What this event did.
    pub facts: Vec<AccountFact>,
    /// Whether this call is durably marked as failed.
    pub call_failed: bool,
}

/// How a whole call ended for the account, beside PIN entries. Each counts once a call, however often it is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallResult {
    /// The check was passed.
    Passed,
    /// It was passed with an additional question in the place of PIN or password (C41). Refused where
    /// the account carries that flag already (C44).
    PassedCompensated,
    /// The check was failed.
    Failed,
    /// A factor failed on an account that was compensated before: failed, and a reset comes first (C44).
    ResetRequired,
    /// Positions were given, and no attempt was made.
    Abandoned,
}

/// A call as it is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CallRecord {
    /// Our id.
    pub id: CallId,
    /// When it came in.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Whom it was about.
    pub customer: Option<CustomerId>,
    /// The whole call as watchers saw it last (JSON, no answers).
    pub view: serde_json::Value,
}

/// One line of the audit chain. `body` holds no secret and no answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: an agent, `system`, an administrator.
    pub actor: String,
    /// What: a stable word.
    pub what: String,
    /// The call, if one.
    pub call: Option<CallId>,
    /// The customer, if one.
    pub customer: Option<CustomerId>,
    /// The details.
    pub body: serde_json::Value,
}

/// One customer in a list.
#[derive(Clone, Debug, Serialize)]
pub struct CustomerLine {
    /// Identity.
    pub id: CustomerId,
    /// Name.
    pub name: String,
    /// Whether a PIN is enrolled.
    pub has_pin: bool,
    /// Its standing.
    pub standing: Standing,
}

/// The store of records. One implementation per engine, all held by one conformance suite.
#[async_trait]
pub trait Records: FollowUps + PinRecords {
    /// Writes and reads something small: whether verification can be trusted now.
    async fn probe(&self) -> Result<(), RecordsError>;

    /// The customers with this number on file, at most `limit`.
    async fn customers_with_number(
        &self,
        number: &PhoneNumber,
        limit: usize,
    ) -> Result<Vec<CustomerId>, RecordsError>;
    /// One customer.
    async fn customer(&self, id: &CustomerId) -> Result<Option<Customer>, RecordsError>;
    /// The customer with this keypad id.
    async fn customer_by_keypad(&self, keypad_id: &str)
    -> Result<Option<CustomerId>, RecordsError>;
    /// Customers after this id, in order of id.
    async fn customers(
        &self,
        after: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<CustomerLine>, RecordsError>;
    /// Stores customers, all in one transaction; equal rows change nothing. One answer a row.
    async fn import(
        &self,
        rows: Vec<Enrolment>,
        now: Timestamp,
    ) -> Result<Vec<Imported>, RecordsError>;

    /// The security state of an account.
    async fn account(&self, id: &CustomerId) -> Result<Option<Account>, RecordsError>;
    /// The version the next enrolled PIN of this account will have.
    async fn next_pin_version(&self, id: &CustomerId) -> Result<u32, RecordsError>;
    /// The sealed PIN, if one is enrolled.
    async fn sealed_pin(&self, id: &CustomerId) -> Result<Option<SealedPin>, RecordsError>;
    /// The password verifier, if one is enrolled.
    async fn password_verifier(&self, id: &CustomerId) -> Result<Option<String>, RecordsError>;

    /// The positions to ask: the sticky pair, or a draw with `random`, stored before it is answered (§3.4).
    async fn challenge(
        &self,
        id: &CustomerId,
        random: u64,
        now: Timestamp,
    ) -> Result<Positions, RecordsError>;
    /// Writes an attempt down before its hash is computed (5.15).
    async fn reserve(&self, reservation: Reservation) -> Result<AttemptId, RecordsError>;
    /// Ends a reserved attempt, with counters and audit in the same transaction. Repeating it changes nothing.
    async fn settle(
        &self,
        attempt: AttemptId,
        how: Settlement,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError>;
    /// Settles as wrong what nobody came back for in this call (5.15), and says what is on record
    /// about it; nothing for a call without attempt and result. For a node that takes a call over.
    async fn settle_abandoned(
        &self,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Option<AttemptsOfCall>, RecordsError>;
    /// Settles as wrong what was reserved before that time and is still open, at most `limit`
    /// attempts, and says how many they were. Any node may do it at any time (5.15).
    async fn settle_older_than(&self, at: Timestamp, limit: usize) -> Result<u32, RecordsError>;
    /// Records how a call ended for the account.
    async fn call_result(
        &self,
        call: &CallId,
        customer: &CustomerId,
        result: CallResult,
        rule: BlockRule,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError>;

    /// Stores a call's last state.
    async fn save_call(&self, call: CallRecord) -> Result<(), RecordsError>;
    /// One past call.
    async fn call(&self, id: &CallId) -> Result<Option<CallRecord>, RecordsError>;

    /// Appends to the audit chain.
    async fn audit(&self, entry: AuditEntry) -> Result<(), RecordsError>;
    /// The audit chain from entry number `from`, at most `limit` lines, with numbers and hashes.
    async fn audit_from(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<audit::Chained>, RecordsError>;
    /// The same lines as they lie in the store, whatever they say: for whoever verifies the chain.
    async fn audit_stored(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<audit::Stored>, RecordsError>;
    /// Where the chain ends.
    async fn audit_head(&self) -> Result<audit::Head, RecordsError>;
    /// Writes the whole store anew, so that no unused part of a page holds what was removed from it.
    /// Others wait meanwhile; it takes as long as a copy.
    async fn compact(&self) -> Result<(), RecordsError>;
}
