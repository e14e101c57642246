//! The second half of the trait. A change goes on when whoever asked has left.

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
use crate::records::postgres::PostgresRecords;
use crate::records::postgres::jobs;
use crate::records::postgres::journal;
use crate::records::postgres::outbox;
use crate::records::postgres::registry;
use crate::records::postgres::security;

type Answer<T> = Result<T, RecordsError>;

#[async_trait]
impl FollowUps for PostgresRecords {
    async fn asked(
        &self,
        customer: &CustomerId,
        call: &CallId,
        keys: &[FactKey],
        now: Timestamp,
    ) -> Answer<()> {
        let (customer, call, keys) = (customer.clone(), call.clone(), keys.to_vec());
        self.kept(
            self.db.write(async move |tx| security::asked(tx, &customer, &call, &keys, now).await),
        )
        .await
    }

    async fn disclosed(
        &self,
        customer: &CustomerId,
        key: &FactKey,
        by: &AgentId,
        call: &CallId,
        now: Timestamp,
    ) -> Answer<()> {
        let (order, key) = (Order::new(customer, by.as_str(), "", Some(call), now), key.clone());
        self.kept(self.db.write(async move |tx| security::disclosed(tx, &order, &key).await)).await
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
        self.kept(self.db.write(async move |tx| security::reset(tx, &order).await)).await
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
        self.kept(self.db.write(async move |tx| security::unblock(tx, &order).await)).await
    }

    async fn follow_up(&self, occurred: Occurred) -> Answer<Vec<JobLine>> {
        self.kept(self.db.write(async move |tx| jobs::follow_up(tx, &occurred).await)).await
    }

    async fn jobs(&self, filter: JobFilter, limit: usize) -> Answer<Vec<JobLine>> {
        self.db.read(async move |tx| jobs::list(tx, &filter, limit).await).await
    }

    async fn job(&self, id: JobId) -> Answer<Option<JobLine>> {
        self.db.read(async move |tx| jobs::one(tx, id).await).await
    }

    async fn job_event(
        &self,
        id: JobId,
        event: JobEvent,
        by: &str,
        now: Timestamp,
    ) -> Answer<JobLine> {
        let by = by.to_owned();
        self.kept(self.db.write(async move |tx| jobs::event(tx, id, event, &by, now).await)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Answer<Vec<JobId>> {
        self.kept(self.db.write(async move |tx| jobs::due(tx, now, limit).await)).await
    }

    async fn outbox_due(&self, now: Timestamp, limit: usize) -> Answer<Vec<OutboxItem>> {
        self.kept(self.db.write(async move |tx| outbox::due(tx, now, limit).await)).await
    }

    async fn outbox_delivered(
        &self,
        id: &str,
        sink: &str,
        last: bool,
        now: Timestamp,
    ) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.kept(self.db.write(async move |tx| outbox::delivered(tx, &id, &sink, last, now).await))
            .await
    }

    async fn outbox_failed(&self, id: &str, sink: &str, retry_at: Timestamp) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.kept(self.db.write(async move |tx| outbox::failed(tx, &id, &sink, retry_at).await))
            .await
    }

    async fn outbox_conflict(&self, id: &str, sink: &str, now: Timestamp) -> Answer<()> {
        let (id, sink) = (id.to_owned(), sink.to_owned());
        self.kept(self.db.write(async move |tx| outbox::conflict(tx, &id, &sink, now).await)).await
    }

    async fn outbox_counts(&self) -> Answer<OutboxCounts> {
        self.db.read(async move |tx| outbox::counts(tx).await).await
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
        self.kept(self.db.write(async move |tx| {
            registry::put_mark(tx, registry, &call, &customer, mark, at).await
        }))
        .await
    }

    async fn mark(&self, registry: Registry, call: &CallId) -> Answer<Option<Mark>> {
        let call = call.clone();
        self.db.read(async move |tx| registry::mark(tx, registry, &call).await).await
    }

    async fn archive_profile(&self, hash: &str, name: &str, text: &str) -> Answer<()> {
        let (hash, name, text) = (hash.to_owned(), name.to_owned(), text.to_owned());
        self.kept(
            self.db.write(async move |tx| registry::archive_profile(tx, &hash, &name, &text).await),
        )
        .await
    }

    async fn profile_text(&self, hash: &str) -> Answer<Option<ArchivedProfile>> {
        let hash = hash.to_owned();
        self.db.read(async move |tx| registry::profile(tx, &hash).await).await
    }

    async fn audit_of_call(&self, call: &CallId, limit: usize) -> Answer<Vec<Chained>> {
        let call = call.clone();
        self.db.read(async move |tx| journal::audit_of_call(tx, &call, limit).await).await
    }

    async fn issue_codes(&self, customer: &CustomerId, now: Timestamp) -> Answer<CodePair> {
        let customer = customer.clone();
        self.kept(self.db.write(async move |tx| registry::issue_codes(tx, &customer, now).await))
            .await
    }

    async fn take_codes(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
    ) -> Answer<Option<CodePair>> {
        let (customer, call) = (customer.clone(), call.clone());
        self.kept(
            self.db.write(async move |tx| registry::take_codes(tx, &customer, &call, now).await),
        )
        .await
    }

    async fn call_back_reference(
        &self,
        customer: &CustomerId,
        call: &CallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Answer<String> {
        let (customer, call) = (customer.clone(), call.clone());
        self.kept(
            self.db.write(async move |tx| registry::refer(tx, &customer, &call, now, until).await),
        )
        .await
    }

    async fn redeem_reference(
        &self,
        reference: &str,
        now: Timestamp,
    ) -> Answer<Option<PendingContact>> {
        let reference = reference.to_owned();
        self.kept(self.db.write(async move |tx| registry::redeem(tx, &reference, now).await)).await
    }
}
