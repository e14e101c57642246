//! What records keep beside calls and counters: what follows a call, what is on its way out, and the
//! small registries (marks, references, codes, profiles).

use async_trait::async_trait;
use serde_json::Value;

use crate::follow_up::ItemKind;
use crate::follow_up::JobEvent;
use crate::follow_up::JobId;
use crate::follow_up::JobKind;
use crate::follow_up::JobLine;
use crate::follow_up::Mark;
use crate::follow_up::Occurred;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::RecordsError;
use crate::records::audit::Chained;

/// Which jobs to list. What is not set fits all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JobFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// Those that are still open, or those that are over.
    pub open: Option<bool>,
    /// After this job, in order of number.
    pub after: Option<JobId>,
}

/// An item on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxItem {
    /// The idempotency key that receivers see: 26 characters.
    pub id: String,
    /// What it is.
    pub kind: ItemKind,
    /// What it says.
    pub payload: Value,
    /// Since when it waits.
    pub enqueued: Timestamp,
    /// What became of it at each sink that was tried.
    pub deliveries: Vec<Delivery>,
}

/// An item at one sink.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// The sink.
    pub sink: String,
    /// Failed attempts.
    pub attempts: u32,
    /// Whether the sink has it.
    pub delivered: bool,
}

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutboxCounts {
    /// Items that wait for a sink.
    pub pending: u64,
    /// Items that a sink contradicts; somebody has to look.
    pub conflicts: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
}

/// A registry of marks that is ours: the two sides that have to agree (B14, B16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registry {
    /// Our desktop's record, which plays BOFE's part.
    Bofe,
    /// The embedded iam-manager.
    IamManager,
}

/// What became of a mark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Marking {
    /// It is there.
    Stored,
    /// The call carries another mark.
    Conflict(Mark),
}

/// A one-time pair of codes from a letter: we say ours first, the customer answers with theirs (OB-1).
#[derive(Clone, Debug)]
pub struct CodePair {
    /// What we say.
    pub ours: SecretText,
    /// What the customer answers.
    pub theirs: SecretText,
}

/// The contact that a customer who rings back with a reference lands on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingContact {
    /// Whom we had called.
    pub customer: CustomerId,
    /// In which call.
    pub call: CallId,
}

/// A profile as it was when it decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ArchivedProfile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The second half of [`crate::records::Records`].
#[async_trait]
pub trait FollowUps: Send + Sync + 'static {
    /// Notes which questions a call puts, so that the next calls ask others (X34).
    async fn asked(
        &self,
        customer: &CustomerId,
        call: &CallId,
        keys: &[FactKey],
        now: Timestamp,
    ) -> Result<(), RecordsError>;
    /// Notes that a datum was disclosed: it is not asked for a year (X08). Audited.
    async fn disclosed(
        &self,
        customer: &CustomerId,
        key: &FactKey,
        by: &AgentId,
        call: &CallId,
        now: Timestamp,
    ) -> Result<(), RecordsError>;
    /// Takes PIN and password away, clears the flag of C41, and lifts a block (C46, C56, X05). Once a call.
    async fn reset_security(
        &self,
        customer: &CustomerId,
        by: &str,
        reason: &str,
        call: Option<&CallId>,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError>;
    /// Lifts a block and ends the jobs that were to (C72).
    async fn unblock(
        &self,
        customer: &CustomerId,
        by: &str,
        reason: &str,
        call: Option<&CallId>,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError>;

    /// Runs the follow-up machine and stores its jobs and items in one transaction. Each kind counts
    /// once a call. Answers the jobs that came of it.
    async fn follow_up(&self, occurred: Occurred) -> Result<Vec<JobLine>, RecordsError>;
    /// Jobs in order of number, at most `limit`.
    async fn jobs(&self, filter: JobFilter, limit: usize) -> Result<Vec<JobLine>, RecordsError>;
    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<JobLine>, RecordsError>;
    /// Something happened to a job; what follows is stored in the same transaction.
    async fn job_event(
        &self,
        id: JobId,
        event: JobEvent,
        by: &str,
        now: Timestamp,
    ) -> Result<JobLine, RecordsError>;
    /// Jobs whose time has come, at most `limit`; a clock that is set back undoes none (5.16).
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<JobId>, RecordsError>;

    /// Items to try now, the longest waiting first, at most `limit`.
    async fn outbox_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OutboxItem>, RecordsError>;
    /// A sink has an item; `last`: and it was the last one that was to have it.
    async fn outbox_delivered(
        &self,
        id: &str,
        sink: &str,
        last: bool,
        now: Timestamp,
    ) -> Result<(), RecordsError>;
    /// A sink does not have it yet; the item is tried again at that time.
    async fn outbox_failed(
        &self,
        id: &str,
        sink: &str,
        retry_at: Timestamp,
    ) -> Result<(), RecordsError>;
    /// A sink says otherwise. The item is not tried again; audited.
    async fn outbox_conflict(
        &self,
        id: &str,
        sink: &str,
        now: Timestamp,
    ) -> Result<(), RecordsError>;
    /// How full the outbox is.
    async fn outbox_counts(&self) -> Result<OutboxCounts, RecordsError>;

    /// Marks a call in one of our registries. Repeating it changes nothing (B14, B16).
    async fn put_mark(
        &self,
        registry: Registry,
        call: &CallId,
        customer: &CustomerId,
        mark: Mark,
        at: Timestamp,
    ) -> Result<Marking, RecordsError>;
    /// A call's mark in one of our registries.
    async fn mark(&self, registry: Registry, call: &CallId) -> Result<Option<Mark>, RecordsError>;

    /// Keeps the text of a profile, so that what it decided can be evaluated again.
    async fn archive_profile(&self, hash: &str, name: &str, text: &str)
    -> Result<(), RecordsError>;
    /// The profile with this hash.
    async fn profile_text(&self, hash: &str) -> Result<Option<ArchivedProfile>, RecordsError>;
    /// The audit lines of one call, in order, at most `limit`.
    async fn audit_of_call(
        &self,
        call: &CallId,
        limit: usize,
    ) -> Result<Vec<Chained>, RecordsError>;

    /// Makes a new pair of letter codes; an older one of this customer is void.
    async fn issue_codes(
        &self,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<CodePair, RecordsError>;
    /// Takes the pair out to speak it: it is gone whatever comes of the call.
    async fn take_codes(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Option<CodePair>, RecordsError>;
    /// A reference of six digits for a customer who prefers to ring us; works once, until then. No
    /// customer can be keyed by the same digits.
    async fn call_back_reference(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<String, RecordsError>;
    /// Redeems a reference.
    async fn redeem_reference(
        &self,
        reference: &str,
        now: Timestamp,
    ) -> Result<Option<PendingContact>, RecordsError>;
}
