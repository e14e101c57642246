//! Records in SQLite: one file, one writing thread with group commit, readers beside it.

mod accounts;
pub(super) mod copy;
mod customers;
mod erase;
mod file;
mod follow_ups;
mod initials;
mod jobs;
mod journal;
mod links;
mod outbox;
mod pin_files;
mod pins;
mod registry;
mod security;
mod threads;

use std::path::Path;
use std::path::PathBuf;

use async_trait::async_trait;
use rusqlite::ErrorCode;

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
use crate::records::sqlite::threads::Threads;

/// Two for calls, and one for what takes its time.
const READERS: usize = 3;

/// The default store of records.
#[derive(Debug)]
pub struct SqliteRecords {
    // Before the lock: fields drop in this order, and the writer ends before the file is free.
    threads: Threads,
    path: PathBuf,
    _owner: Option<file::Owner>,
}

impl SqliteRecords {
    /// Opens a daemon's records, which no other daemon may have open, and settles what a crash left.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let owner = file::Owner::of(path)?;
        let records = Self::start(path, accounts::recover)?;
        Ok(Self { _owner: Some(owner), ..records })
    }

    /// Opens the records of a daemon that may be running, for a command beside it. Its attempts stay open.
    pub fn open_beside(path: &Path) -> Result<Self, RecordsError> {
        Self::start(path, |_| Ok(()))
    }

    /// Leaves nothing behind in the log of what was destroyed. What stays is overwritten in time.
    async fn cut_log(&self) {
        let path = self.path.clone();
        let cut = tokio::task::spawn_blocking(move || file::cut_log(&path)).await;
        if !matches!(cut, Ok(Ok(()))) {
            tracing::warn!("the log of the record file could not be cut off; it will be in time");
        }
    }

    fn start(
        path: &Path,
        first: impl FnOnce(&rusqlite::Connection) -> Result<(), RecordsError>,
    ) -> Result<Self, RecordsError> {
        let writer = file::writer(path)?;
        writer.execute_batch("BEGIN IMMEDIATE")?;
        first(&writer)?;
        writer.execute_batch("COMMIT")?;
        let readers = (0..READERS).map(|_| file::reader(path)).collect::<Result<_, _>>()?;
        let threads = Threads::start(writer, readers)?;
        Ok(Self { threads, path: path.to_owned(), _owner: None })
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn probe(&self) -> Result<(), RecordsError> {
        self.threads.write(journal::probe).await?;
        self.threads.read(journal::probed).await
    }

    async fn customers_with_number(
        &self,
        number: &PhoneNumber,
        limit: usize,
    ) -> Result<Vec<CustomerId>, RecordsError> {
        let number = number.clone();
        self.threads.read(move |db| customers::with_number(db, &number, limit)).await
    }

    async fn customer(&self, id: &CustomerId) -> Result<Option<Customer>, RecordsError> {
        let id = id.clone();
        self.threads.read(move |db| customers::load(db, &id)).await
    }

    async fn customer_by_keypad(
        &self,
        keypad_id: &str,
    ) -> Result<Option<CustomerId>, RecordsError> {
        let keypad_id = keypad_id.to_owned();
        self.threads.read(move |db| customers::by_keypad(db, &keypad_id)).await
    }

    async fn customers(
        &self,
        after: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<CustomerLine>, RecordsError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.threads.read(move |db| customers::list(db, &after, limit)).await
    }

    async fn import(
        &self,
        rows: Vec<Enrolment>,
        now: Timestamp,
    ) -> Result<Vec<Imported>, RecordsError> {
        self.threads.write(move |db| customers::import(db, &rows, now)).await
    }

    async fn account(&self, id: &CustomerId) -> Result<Option<Account>, RecordsError> {
        let id = id.clone();
        self.threads.read(move |db| accounts::load(db, &id)).await
    }

    async fn next_pin_version(&self, id: &CustomerId) -> Result<u32, RecordsError> {
        let account = self.account(id).await?.unwrap_or_default();
        Ok(account.pin_version.saturating_add(1))
    }

    async fn sealed_pin(&self, id: &CustomerId) -> Result<Option<SealedPin>, RecordsError> {
        let id = id.clone();
        self.threads.read(move |db| customers::sealed_pin(db, &id)).await
    }

    async fn password_verifier(&self, id: &CustomerId) -> Result<Option<String>, RecordsError> {
        let id = id.clone();
        self.threads.read(move |db| customers::password(db, &id)).await
    }

    async fn challenge(
        &self,
        id: &CustomerId,
        random: u64,
        now: Timestamp,
    ) -> Result<Positions, RecordsError> {
        let id = id.clone();
        self.threads.write(move |db| accounts::challenge(db, &id, random, now)).await
    }

    async fn reserve(&self, reservation: Reservation) -> Result<AttemptId, RecordsError> {
        // A reservation nobody waits for would be counted as a wrong entry one day.
        self.threads.write_if_awaited(move |db| accounts::reserve(db, &reservation)).await
    }

    async fn settle(
        &self,
        attempt: AttemptId,
        how: Settlement,
        now: Timestamp,
    ) -> Result<AccountAfter, RecordsError> {
        self.threads.write(move |db| accounts::settle(db, attempt, how, now)).await
    }

    async fn settle_abandoned(
        &self,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Option<AttemptsOfCall>, RecordsError> {
        let call = call.clone();
        self.threads.write(move |db| accounts::settle_abandoned(db, &call, now)).await
    }

    async fn settle_older_than(&self, at: Timestamp, limit: usize) -> Result<u32, RecordsError> {
        self.threads.write(move |db| accounts::settle_older_than(db, at, limit)).await
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
        self.threads.write(move |db| accounts::call_result(db, &event, result)).await
    }

    async fn save_call(&self, call: CallRecord) -> Result<(), RecordsError> {
        self.threads.write(move |db| journal::save_call(db, &call)).await
    }

    async fn call(&self, id: &CallId) -> Result<Option<CallRecord>, RecordsError> {
        let id = id.clone();
        self.threads.read(move |db| journal::call(db, &id)).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), RecordsError> {
        self.threads.write(move |db| journal::append(db, entry)).await
    }

    async fn audit_from(&self, from: u64, limit: usize) -> Result<Vec<Chained>, RecordsError> {
        self.threads.read(move |db| journal::audit_from(db, from, limit)).await
    }

    async fn audit_stored(&self, from: u64, limit: usize) -> Result<Vec<Stored>, RecordsError> {
        self.threads.read(move |db| journal::audit_stored(db, from, limit)).await
    }

    async fn audit_head(&self) -> Result<Head, RecordsError> {
        self.threads.read(journal::head).await
    }

    async fn compact(&self) -> Result<(), RecordsError> {
        self.threads.alone(erase::compact).await
    }
}

impl From<rusqlite::Error> for RecordsError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
            {
                Self::Corrupt(format!("file: {error}"))
            }
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
