//! The second half of the trait, each method on its thread.

use async_trait::async_trait;

use crate::follow_up::JobEvent;
use crate::follow_up::JobId;
use crate::follow_up::JobLine;
use crate::follow_up::Mark;
use crate::follow_up::Occurred;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::FollowUps;
use crate::records::RecordsError;
use crate::records::audit::Chained;
use crate::records::follow_ups::ArchivedProfile;
use crate::records::follow_ups::CodePair;
use crate::records::follow_ups::JobFilter;
use crate::records::follow_ups::Marking;
use crate::records::follow_ups::OutboxCounts;
use crate::records::follow_ups::OutboxItem;
use crate::records::follow_ups::PendingContact;
use crate::records::follow_ups::Registry;
use crate::records::machine::Order;
use crate::records::sqlite::SqliteRecords;
use crate::records::sqlite::jobs;
use crate::records::sqlite::journal;
use crate::records::sqlite::outbox;
use crate::records::sqlite::registry;
use crate::records::sqlite::security;

type Answer<T> = Result<T, RecordsError>;

#[async_trait]
impl FollowUps for SqliteRecords {
    async fn asked(
        &self,
        customer: &CustomerId,
        call: &CallId,
        keys: &[FactKey],
        now: Timestamp,
    ) -> Answer<()> {
        let (customer, call, keys) = (customer.clone(), call.clone(), keys.to_vec());
        self.threads.write(move |db| security::asked(db, &customer, call, keys, now)).await
    }

    async fn disclosed(
        &self,
        customer: &CustomerId,
        key: &FactKey,
        by: &AgentId,
        call: &CallId,
        now: Timestamp,
    ) -> Answer<()> {
        let (customer, key, by, call) = (customer.clone(), key.clone(), by.clone(), call.clone());
        self.threads
            .write(move |db| security::disclosed(db, &customer, key, by.as_str(), call, now))
            .await
    }

    async fn reset_security(
        &self,
        customer: &CustomerId,
        by: &str,
        reason: &str,
        call: Option<&CallId>,
        now: Timestamp,
    ) -> Answer<AccountAfter> {
        let order = Order::new(customer, by, reason, call, now);
        self.threads.write(move |db| security::reset(db, &order)).await
    }

    async fn unblock(
        &self,
        customer: &CustomerId,
        by: &str,
        reason: &str,
        call: Option<&CallId>,
        now: Timestamp,
    ) -> Answer<AccountAfter> {
        let order = Order::new(customer, by, reason, call, now);
        self.threads.write(move |db| security::unblock(db, &order)).await
    }

    async fn follow_up(&self, occurred: Occurred) -> Answer<Vec<JobLine>> {
        self.threads.write(move |db| jobs::follow_up(db, &occurred)).await
    }

    async fn jobs(&self, filter: JobFilter, limit: usize) -> Answer<Vec<JobLine>> {
        self.threads.read(move |db| jobs::list(db, &filter, limit)).await
    }

    async fn job(&self, id: JobId) -> Answer<Option<JobLine>> {
        self.threads.read(move |db| jobs::one(db, id)).await
    }

    async fn job_event(
        &self,
        id: JobId,
        event: JobEvent,
        by: &str,
        now: Timestamp,
    ) -> Answer<JobLine> {
        let by = by.to_owned();
        self.threads.write(move |db| jobs::event(db, id, event, &by, now)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Answer<Vec<JobId>> {
        self.threads.write(move |db| jobs::due(db, now, limit)).await
    }

    async fn outbox_due(&self, now: Timestamp, limit: usize) -> Answer<Vec<OutboxItem>> {
        self.threads.read(move |db| outbox::due(db, now, limit)).await
    }

    async fn outbox_delivered(
        &self,
        id: &str,
        sink: &str,
        last: bool,
        now: Timestamp,
    ) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.threads.write(move |db| outbox::delivered(db, &id, &sink, last, now)).await
    }

    async fn outbox_failed(&self, id: &str, sink: &str, retry_at: Timestamp) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.threads.write(move |db| outbox::failed(db, &id, &sink, retry_at)).await
    }

    async fn outbox_conflict(&self, id: &str, sink: &str, now: Timestamp) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.threads.write(move |db| outbox::conflict(db, &id, &sink, now)).await
    }

    async fn outbox_counts(&self) -> Answer<OutboxCounts> {
        self.threads.read(outbox::counts).await
    }

    async fn put_mark(
        &self,
        registry: Registry,
        call: &CallId,
        customer: &CustomerId,
        mark: Mark,
        at: Timestamp,
    ) -> Answer<Marking> {
        let (call, customer) = (call.clone(), customer.clone());
        self.threads
            .write(move |db| registry::put_mark(db, registry, &call, &customer, mark, at))
            .await
    }

    async fn mark(&self, registry: Registry, call: &CallId) -> Answer<Option<Mark>> {
        let call = call.clone();
        self.threads.read(move |db| registry::mark(db, registry, &call)).await
    }

    async fn archive_profile(&self, hash: &str, name: &str, text: &str) -> Answer<()> {
        let (hash, name, text) = (hash.to_owned(), name.to_owned(), text.to_owned());
        self.threads.write(move |db| registry::archive_profile(db, &hash, &name, &text)).await
    }

    async fn profile_text(&self, hash: &str) -> Answer<Option<ArchivedProfile>> {
        let hash = hash.to_owned();
        self.threads.read(move |db| registry::profile(db, &hash)).await
    }

    async fn audit_of_call(&self, call: &CallId, limit: usize) -> Answer<Vec<Chained>> {
        let call = call.clone();
        self.threads.read(move |db| journal::audit_of_call(db, &call, limit)).await
    }

    async fn issue_codes(&self, customer: &CustomerId, now: Timestamp) -> Answer<CodePair> {
        let customer = customer.clone();
        self.threads.write(move |db| registry::issue_codes(db, &customer, now)).await
    }

    async fn take_codes(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
    ) -> Answer<Option<CodePair>> {
        let (customer, call) = (customer.clone(), call.clone());
        self.threads.write(move |db| registry::take_codes(db, &customer, &call, now)).await
    }

    async fn call_back_reference(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Answer<String> {
        let (customer, call) = (customer.clone(), call.clone());
        self.threads.write(move |db| registry::refer(db, &customer, &call, now, until)).await
    }

    async fn redeem_reference(
        &self,
        reference: &str,
        now: Timestamp,
    ) -> Answer<Option<PendingContact>> {
        let reference = reference.to_owned();
        self.threads.write(move |db| registry::redeem(db, &reference, now)).await
    }
}
