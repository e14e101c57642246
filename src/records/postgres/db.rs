//! The pool, one transaction of ours, and what an error of the database means.
//!
//! ```text
//! connection ─► BEGIN ─► work (account row FOR UPDATE first) ─► audit head FOR UPDATE, lines ─► COMMIT
//!                  ▲                │ deadlock, serialization
//!                  └──── ROLLBACK ◄─┘
//! ```
//! The audit lines of a transaction wait in memory until its work is done: the head of the chain, on
//! which all nodes meet, is locked last and for the shortest time.

use std::error::Error as _;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use deadpool_postgres::Object;
use deadpool_postgres::Pool;
use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::error::DbError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::types::ToSql;

use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::postgres::journal;

/// How long one piece of work may take with everything: connection, repeats, commit.
const WORK_MAX: Duration = Duration::from_secs(10);
/// How long a batch of many rows may take.
const MUCH_WORK_MAX: Duration = Duration::from_secs(120);
/// How long a migration may take.
const MIGRATION_MAX: Duration = Duration::from_secs(1200);
/// How often work is repeated that the database undid because of others.
const AGAIN_MAX: u32 = 6;

/// A parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// Where connections come from.
#[derive(Clone, Debug)]
pub(super) struct Db {
    pool: Pool,
}

impl Db {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Runs `work` in a transaction, and again where the database undid it because of others. The
    /// answer comes after it is on disk; an error undoes it.
    pub(super) fn write<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, RecordsError>> + use<T, F>
    where
        F: AsyncFn(&mut Tx) -> Result<T, RecordsError>,
    {
        within(WORK_MAX, self.clone().repeated(work))
    }

    /// As [`Db::write`], for many rows at once.
    pub(super) fn write_much<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, RecordsError>> + use<T, F>
    where
        F: AsyncFn(&mut Tx) -> Result<T, RecordsError>,
    {
        within(MUCH_WORK_MAX, self.clone().repeated(work))
    }

    /// As [`Db::write`], for what takes its time at the start.
    pub(super) fn migrate<F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<(), RecordsError>> + use<F>
    where
        F: AsyncFn(&mut Tx) -> Result<(), RecordsError>,
    {
        within(MIGRATION_MAX, self.clone().repeated(work))
    }

    /// Runs `work`, each statement by itself. It changes nothing.
    pub(super) fn read<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, RecordsError>> + use<T, F>
    where
        F: AsyncFn(&Tx) -> Result<T, RecordsError>,
    {
        let db = self.clone();
        within(WORK_MAX, async move {
            let (outcome, died) = db.looked(&work).await?;
            // A connection that died in the pool is noticed when it is used.
            if outcome.is_err() && died { db.looked(&work).await?.0 } else { outcome }
        })
    }

    /// A connection for work that takes its time. It does not come back.
    pub(super) async fn taken(&self) -> Result<ClientWrapper, RecordsError> {
        Ok(Object::take(self.pool.get().await?))
    }

    async fn looked<T>(
        &self,
        work: &impl AsyncFn(&Tx) -> Result<T, RecordsError>,
    ) -> Result<(Result<T, RecordsError>, bool), RecordsError> {
        let mut tx = self.connect().await?;
        let outcome = work(&tx).await;
        tx.client_is_clean = true;
        let died = tx.client()?.is_closed();
        Ok((outcome, died))
    }

    async fn repeated<T>(
        self,
        work: impl AsyncFn(&mut Tx) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        let mut again: u32 = 0;
        loop {
            let mut tx = self.connect().await?;
            let outcome = tx.run(&work).await;
            let repeat = outcome.is_err() && tx.undone.load(Ordering::Relaxed);
            if !repeat || again >= AGAIN_MAX {
                return outcome;
            }
            drop(tx);
            again += 1;
            sleep(Duration::from_millis(u64::from(4 * again * again))).await;
        }
    }

    async fn connect(&self) -> Result<Tx, RecordsError> {
        let client = self.pool.get().await?;
        Ok(Tx {
            client: Some(client),
            client_is_clean: false,
            undone: AtomicBool::new(false),
            elsewhere: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            notes: vec![],
        })
    }
}

/// A connection at work: in a transaction, where it came from [`Db::write`].
pub(super) struct Tx {
    client: Option<Object>,
    /// No transaction is open on it: it may go back into the pool.
    client_is_clean: bool,
    /// The database undid the work because of others: repeat it.
    undone: AtomicBool,
    /// The server is no longer the one that takes writes: the next connection may find it.
    elsewhere: AtomicBool,
    /// A statement failed: nothing of this transaction can be kept.
    failed: AtomicBool,
    notes: Vec<AuditEntry>,
}

impl Tx {
    /// All rows of a statement.
    pub(super) async fn rows(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, RecordsError> {
        let client = self.client()?;
        let statement = self.checked(client.prepare_cached(sql).await)?;
        self.checked(client.query(&statement, params).await)
    }

    /// The only row of a statement, or none.
    pub(super) async fn row(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, RecordsError> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// Runs a statement and says how many rows it touched.
    pub(super) async fn execute(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, RecordsError> {
        let client = self.client()?;
        let statement = self.checked(client.prepare_cached(sql).await)?;
        self.checked(client.execute(&statement, params).await)
    }

    /// Runs statements without parameters.
    pub(super) async fn script(&self, sql: &str) -> Result<(), RecordsError> {
        self.checked(self.client()?.batch_execute(sql).await)
    }

    /// Appends to the audit chain, at the end of the transaction.
    pub(super) fn note(&mut self, entry: AuditEntry) {
        self.notes.push(entry);
    }

    async fn run<T>(
        &mut self,
        work: &impl AsyncFn(&mut Self) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        if let Err(error) = self.script("BEGIN").await {
            // Nothing was done yet: a connection that died in the pool makes room for a new one.
            self.undone.store(true, Ordering::Relaxed);
            return Err(error);
        }
        let outcome = match work(self).await {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => Err(error),
        };
        // A rollback that fails leaves a connection that is not used again.
        let clean = outcome.is_ok() || self.script("ROLLBACK").await.is_ok();
        self.client_is_clean = clean && !self.elsewhere.load(Ordering::Relaxed);
        outcome
    }

    async fn commit(&mut self) -> Result<(), RecordsError> {
        let notes = std::mem::take(&mut self.notes);
        journal::append(self, notes).await?;
        // PostgreSQL answers COMMIT after a failed statement with a rollback and without an error.
        if self.failed.load(Ordering::Relaxed) {
            return Err(RecordsError::Unavailable("a statement of the transaction failed".into()));
        }
        self.script("COMMIT").await
    }

    fn client(&self) -> Result<&Object, RecordsError> {
        let gone = || RecordsError::Unavailable("the connection is gone".into());
        self.client.as_ref().ok_or_else(gone)
    }

    fn checked<T>(&self, result: Result<T, tokio_postgres::Error>) -> Result<T, RecordsError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        self.failed.store(true, Ordering::Relaxed);
        // Two that make the same thing at once: the second one finds it when it looks again.
        let of_others = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        if error.code().is_some_and(|code| of_others.contains(code)) {
            self.undone.store(true, Ordering::Relaxed);
        }
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            self.elsewhere.store(true, Ordering::Relaxed);
            self.undone.store(true, Ordering::Relaxed);
        }
        Err(error.into())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        // Whoever asked left in the middle: the server undoes what the closed connection began.
        if let Some(client) = self.client.take().filter(|_| !self.client_is_clean) {
            drop(Object::take(client));
        }
    }
}

/// One column of a row; a value that cannot be ours is corrupt, and its name is told, not the value.
pub(super) fn column<T: FromSqlOwned>(row: &Row, name: &str) -> Result<T, RecordsError> {
    row.try_get(name).map_err(|_| RecordsError::Corrupt(format!("column {name}")))
}

/// One column that holds a number: stored as `S`, which the database knows.
pub(super) fn number<S: FromSqlOwned, T: TryFrom<S>>(
    row: &Row,
    name: &str,
) -> Result<T, RecordsError> {
    let corrupt = |_| RecordsError::Corrupt(format!("column {name}"));
    T::try_from(column::<S>(row, name)?).map_err(corrupt)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RecordsError>>,
) -> Result<T, RecordsError> {
    let late = |_| RecordsError::Unavailable("the database did not answer in time".into());
    timeout(limit, work).await.map_err(late)?
}

impl From<PoolError> for RecordsError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::Unavailable("all connections to the database are in use".into())
            }
            PoolError::Timeout(_) => {
                Self::Unavailable("no connection to the database in time".into())
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for RecordsError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refused) = error.as_db_error() else {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            return Self::Unavailable(format!("{error}{cause}"));
        };
        let code = refused.code();
        if [&SqlState::DATA_CORRUPTED, &SqlState::INDEX_CORRUPTED].contains(&code) {
            return Self::Corrupt(format!("database: SQLSTATE {}", code.code()));
        }
        Self::Unavailable(told(refused))
    }
}

/// What an operator may read of a refusal. Other messages can hold values of rows.
fn told(refused: &DbError) -> String {
    // Connection, log-in, catalogue, rights, resources, operator, system: they speak of the server.
    const OF_THE_SERVER: [&str; 9] = ["08", "25", "28", "3D", "3F", "53", "55", "57", "58"];
    let code = refused.code().code();
    let of_the_server =
        OF_THE_SERVER.iter().any(|class| code.starts_with(class)) || code == "42501";
    if of_the_server {
        return format!("{} (SQLSTATE {code})", refused.message());
    }
    let place = refused.constraint().or(refused.table()).unwrap_or("a statement");
    format!("the database refused {place} (SQLSTATE {code})")
}
