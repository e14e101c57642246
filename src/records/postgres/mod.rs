//! Records in PostgreSQL: several nodes write to one database at the same time.
//!
//! Locks are taken in one order: the account's row first (`FOR UPDATE`), the end of the audit chain last.

mod accounts;
pub(super) mod copy;
mod customers;
mod db;
mod erase;
mod follow_ups;
mod initials;
mod jobs;
mod journal;
mod links;
mod outbox;
mod pin_files;
mod pins;
mod registry;
mod schema;
mod security;
#[cfg(test)]
mod stories;
mod tls;
mod url;

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use crate::account::Account;
use crate::account::BlockRule;
use crate::model::customer::Customer;
use crate::model::digits::Positions;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::number::PhoneNumber;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::AttemptId;
use crate::records::AttemptsOfCall;
use crate::records::AuditEntry;
use crate::records::CallRecord;
use crate::records::CallResult;
use crate::records::CustomerLine;
use crate::records::Enrolment;
use crate::records::Imported;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::audit::Stored;
use crate::records::postgres::accounts::Settled;
use crate::records::postgres::db::Db;
use crate::records::stored::left_open;

/// Records of several nodes.
#[derive(Debug)]
pub struct PostgresRecords {
    db: Db,
    /// Changes go on when whoever asked has left, as with a file.
    tasks: TaskTracker,
}

impl PostgresRecords {
    /// Opens the records at this URL with so many connections at most, and brings the schema up to
    /// date. Attempts stay open: other nodes may be judging them.
    pub async fn open(url: &str, connections: usize) -> Result<Self, RecordsError> {
        let db = Db::new(url::pool(url, connections)?);
        db.migrate(async |tx| schema::migrate(tx).await).await?;
        Ok(Self { db, tasks: TaskTracker::new() })
    }

    /// Lets a change go on when whoever asked has left.
    async fn kept<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RecordsError>> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let stopped = |_| RecordsError::Unavailable("the record store has stopped".into());
        self.tasks.spawn(work).await.map_err(stopped)?
    }

    /// Settles attempts as wrong, each in a transaction of its own, and says how many were still open.
    async fn settle_open(
        &self,
        attempts: Vec<AttemptId>,
        now: Option<Timestamp>,
    ) -> Result<u32, RecordsError> {
        let mut settled = 0;
        for attempt in attempts {
            let work = self
                .db
                .write(async move |tx| accounts::settle(tx, attempt, Settlement::Wrong, now).await);
            let Settled { after, counted } = self.kept(work).await?;
            if counted {
                left_open(attempt, &after);
                settled += 1;
            }
        }
        Ok(settled)
    }
}

#[async_trait]
impl Records for PostgresRecords {
    async fn probe(&self) -> Result<(), RecordsError> {
        self.db.write(async |tx| journal::probe(tx).await).await
    }

    async fn customers_with_number(
        &self,
        number: &PhoneNumber,
        limit: usize,
    ) -> Result<Vec<CustomerId>, RecordsError> {
        let number = number.clone();
        self.db.read(async move |tx| customers::with_number(tx, &number, limit).await).await
    }

    async fn customer(&self, id: &CustomerId) -> Result<Option<Customer>, RecordsError> {
        let id = id.clone();
        self.db.read(async move |tx| customers::load(tx, &id).await).await
    }

    async fn customer_by_keypad(
        &self,
        keypad_id: &str,
    ) -> Result<Option<CustomerId>, RecordsError> {
        let keypad_id = keypad_id.to_owned();
        self.db.read(async move |tx| customers::by_keypad(tx, &keypad_id).await).await
    }

    async fn customers(
        &self,
        after: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<CustomerLine>, RecordsError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.db.read(async move |tx| customers::list(tx, &after, limit).await).await
    }

    async fn import(
        &self,
        rows: Vec<Enrolment>,
        now: Timestamp,
    ) -> Result<Vec<Imported>, RecordsError> {
        let work = self.db.write_much(async move |tx| customers::import(tx, &rows, now).await);
        self.kept(work).await
    }

    async fn account(&self, id: &CustomerId) -> Result<Option<Account>, RecordsError> {
        let id = id.clone();
        self.db.read(async move |tx| accounts::load(tx, &id).await).await
    }

    async fn next_pin_version(&self, id: &CustomerId) -> Result<u32, RecordsError> {
        let account = self.account(id).await?.unwrap_or_default();
        Ok(account.pin_version.saturating_add(1))
    }

    async fn sealed_pin(&self, id: &CustomerId) -> Result<Option<SealedPin>, RecordsError> {
        let id = id.clone();
        self.db.read(async move |tx| customers::sealed_pin(tx, &id).await).await
    }

    async fn password_verifier(&self, id: &CustomerId) -> Result<Option<String>, RecordsError> {
        let id = id.clone();
        self.db.read(async move |tx| customers::password(tx, &id).await).await
    }

    async fn challenge(
        &self,
        id: &CustomerId,
        random: u64,
        now: Timestamp,
    ) -> Result<Positions, RecordsError> {
        let id = id.clone();
        let work = self.db.write(async move |tx| accounts::challenge(tx, &id, random, now).await);
        self.kept(work).await
    }

    async fn reserve(&self, reservation: Reservation) -> Result<AttemptId, RecordsError> {
        // A reservation nobody waits for would be counted as a wrong entry one day: when whoever
        // asked leaves, it is taken back.
        self.db.write(async move |tx| accounts::reserve(tx, &reservation).await).await
    }

    async fn settle(
        &self,
        attempt: AttemptId,
        how: Settlement,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError> {
        let work =
            self.db.write(async move |tx| accounts::settle(tx, attempt, how, Some(now)).await);
        Ok(self.kept(work).await?.after)
    }

    async fn settle_abandoned(
        &self,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Option<AttemptsOfCall>, RecordsError> {
        let of = call.clone();
        let open = self.db.read(async move |tx| accounts::open_of(tx, &of).await).await?;
        self.settle_open(open, Some(now)).await?;
        let of = call.clone();
        self.db.read(async move |tx| accounts::of_call(tx, &of).await).await
    }

    async fn settle_older_than(&self, at: Timestamp, limit: usize) -> Result<u32, RecordsError> {
        let open = self.db.read(async move |tx| accounts::open_before(tx, at, limit).await).await?;
        self.settle_open(open, None).await
    }

    async fn call_result(
        &self,
        call: &CallId,
        customer: &CustomerId,
        result: CallResult,
        rule: BlockRule,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError> {
        let event =
            accounts::Ended { call: call.clone(), customer: customer.clone(), rule, at: now };
        let work = self.db.write(async move |tx| accounts::call_result(tx, &event, result).await);
        self.kept(work).await
    }

    async fn save_call(&self, call: CallRecord) -> Result<(), RecordsError> {
        self.kept(self.db.write(async move |tx| journal::save_call(tx, &call).await)).await
    }

    async fn call(&self, id: &CallId) -> Result<Option<CallRecord>, RecordsError> {
        let id = id.clone();
        self.db.read(async move |tx| journal::call(tx, &id).await).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), RecordsError> {
        let work = self.db.write(async move |tx| {
            tx.note(entry.clone());
            Ok(())
        });
        self.kept(work).await
    }

    async fn audit_from(&self, from: u64, limit: usize) -> Result<Vec<Chained>, RecordsError> {
        self.db.read(async move |tx| journal::audit_from(tx, from, limit).await).await
    }

    async fn audit_stored(&self, from: u64, limit: usize) -> Result<Vec<Stored>, RecordsError> {
        self.db.read(async move |tx| journal::audit_stored(tx, from, limit).await).await
    }

    async fn audit_head(&self) -> Result<Head, RecordsError> {
        self.db.read(async |tx| journal::head(tx).await).await
    }

    async fn compact(&self) -> Result<(), RecordsError> {
        erase::compact(&self.db).await
    }
}
