//! Records in PostgreSQL: several nodes write to one database at the same time.
//!
//! Locks are taken in one order: the account's row first (`FOR UPDATE`), the end of the audit chain last.

pub(super) mod copy;
mod db;
mod jobs;
mod journal;
mod outbox;
mod registry;
mod schema;

use std::time::Duration;

use deadpool_postgres::Manager;
use deadpool_postgres::ManagerConfig;
use deadpool_postgres::Pool;
use deadpool_postgres::RecyclingMethod;
use deadpool_postgres::Runtime;
use deadpool_postgres::Timeouts;
use tokio_postgres::Config;
use tokio_postgres::NoTls;
use tokio_util::task::TaskTracker;

use crate::records::RecordsError;
use crate::records::postgres::db::Db;

/// How long a connection may take to come up, and how long one waits for a free one.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const WAIT_MAX: Duration = Duration::from_secs(3);
/// A peer that is silently gone is noticed after about half a minute, in the middle of work sooner.
const KEEPALIVE: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// What every connection asks of the server, beside what the URL says: limits on a statement, on
/// waiting for a lock and on a transaction that nobody goes on with; and that told means on disk (P1, P3).
const SETTINGS: &str = "-c statement_timeout=3s -c lock_timeout=2500ms \
    -c idle_in_transaction_session_timeout=10s -c synchronous_commit=on";

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
        let mut config: Config = url.parse().map_err(RecordsError::from)?;
        let asked = config.get_options().unwrap_or_default();
        let options = format!("{asked} {SETTINGS}");
        config
            .options(options.trim())
            .connect_timeout(CONNECT_MAX)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE_MAX);
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let timeouts = Timeouts {
            wait: Some(WAIT_MAX),
            create: Some(CONNECT_MAX + CONNECT_MAX),
            recycle: Some(WAIT_MAX),
        };
        let pool = Pool::builder(Manager::from_config(config, NoTls, manager))
            .max_size(connections.max(1))
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| RecordsError::Unavailable(error.to_string()))?;
        let db = Db::new(pool);
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
}
