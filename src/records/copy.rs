//! Moves everything from one store into another, empty one: all of it or nothing.
//!
//! ```text
//! source (alone, one snapshot) ─► tables in order, batches of rows ─► target (alone, one transaction)
//!                                                                     counts, audit chain ─► COMMIT
//! ```
//! Whoever interrupts it leaves the target empty and the source as it was: start again.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::digits::SecretText;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::postgres;
use crate::records::sqlite;

/// Rows that go together.
pub(super) const BATCH: usize = 500;
/// Batches between source and target.
const AHEAD: usize = 4;

/// A store, by its address.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A database; the URL holds a password and is not shown.
    Postgres(SecretText),
}

impl Place {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(other)) => one == other,
            (Self::Postgres(one), Self::Postgres(other)) => one.expose() == other.expose(),
            _ => false,
        }
    }
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Both are one.
    #[error("source and target are the same store")]
    Same,
    /// There is nothing to copy.
    #[error("there are no records at the source: look at the address after --from")]
    NoSource,
    /// The target holds records.
    #[error(
        "the target is not empty (it has rows in {0}): name a new file, or an empty database or schema"
    )]
    NotEmpty(&'static str),
    /// A daemon is connected.
    #[error(
        "{0} daemon connection(s) are open at the {1}: stop every node that uses it, then copy"
    )]
    InUse(i64, &'static str),
    /// A store does not do its part.
    #[error("{0}: {1}")]
    Store(&'static str, RecordsError),
    /// Something cannot be kept on the other side.
    #[error("table {table}: {why}")]
    Table {
        /// Which.
        table: &'static str,
        /// What is wrong, without values.
        why: String,
    },
    /// What arrived is not what left.
    #[error("table {table}: {left} rows left, {arrived} arrived; nothing was kept")]
    Lost {
        /// Which.
        table: &'static str,
        /// Read at the source.
        left: u64,
        /// Counted at the target.
        arrived: u64,
    },
    /// The chain does not hold.
    #[error("{0}; nothing was kept, because a copy would hide where it broke")]
    Broken(#[from] audit::Broken),
    /// The other side ended.
    #[error("the copy was cut short; nothing was kept")]
    CutShort,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Rows written.
    pub done: u64,
    /// Rows there are.
    pub all: u64,
}

/// Who hears how far it is.
pub type Told = Arc<dyn Fn(Progress) + Send + Sync>;

/// What was copied, counted and verified at the target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Copied {
    /// Rows of each table.
    pub tables: Vec<(&'static str, u64)>,
    /// Where the audit chain ends, at both.
    pub audit: Head,
}

/// Copies everything. The target is committed when all rows are counted there and its audit chain holds.
pub async fn copy(from: &Place, to: &Place, told: Told) -> Result<Copied, CopyError> {
    if from.same(to) {
        return Err(CopyError::Same);
    }
    let source = Store::source(from).await?;
    let target = Store::target(to).await?;
    let (sending, receiving) = mpsc::channel(AHEAD);
    let (read, written) = tokio::join!(source.read(sending), target.write(receiving, told));
    // A target without an end is told why by its source; a source without a target has nothing to say.
    read?;
    written
}

enum Store {
    Sqlite(sqlite::copy::Open),
    Postgres(postgres::copy::Open),
}

impl Store {
    async fn source(place: &Place) -> Result<Self, CopyError> {
        Ok(match place {
            Place::Sqlite(path) => Self::Sqlite(sqlite::copy::Open::source(path)?),
            Place::Postgres(url) => {
                Self::Postgres(postgres::copy::Open::source(url.expose()).await?)
            }
        })
    }

    async fn target(place: &Place) -> Result<Self, CopyError> {
        Ok(match place {
            Place::Sqlite(path) => Self::Sqlite(sqlite::copy::Open::target(path)?),
            Place::Postgres(url) => {
                Self::Postgres(postgres::copy::Open::target(url.expose()).await?)
            }
        })
    }

    async fn read(self, pieces: mpsc::Sender<Piece>) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(open) => blocking(move || open.read(&pieces)).await,
            Self::Postgres(open) => open.read(&pieces).await,
        }
    }

    async fn write(self, pieces: mpsc::Receiver<Piece>, told: Told) -> Result<Copied, CopyError> {
        match self {
            Self::Sqlite(open) => blocking(move || open.write(pieces, &told)).await,
            Self::Postgres(open) => open.write(pieces, &told).await,
        }
    }
}

/// A file is read and written by a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| CopyError::CutShort)?
}

/// A table that is copied.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Its rows go in this order.
    pub(super) order: &'static str,
    /// The column whose numbers the store gives out, each once.
    pub(super) numbered: Option<&'static str>,
}

const fn table(name: &'static str, order: &'static str) -> Table {
    Table { name, order, numbered: None }
}

const fn numbered(name: &'static str, column: &'static str) -> Table {
    Table { name, order: column, numbered: Some(column) }
}

/// Everything that is a record, whatever is referred to first.
pub(super) static TABLES: [Table; 23] = [
    table("customers", "id"),
    table("numbers", "customer, place"),
    table("facts", "customer, key"),
    table("secrets", "customer"),
    table("accounts", "customer"),
    numbered("attempts", "id"),
    table("call_results", "call, customer"),
    table("calls", "id"),
    table("audit", "number"),
    table("subjects", "customer"),
    table("occasions", "call, kind"),
    numbered("jobs", "id"),
    numbered("outbox", "place"),
    table("deliveries", "item, sink"),
    table("marks", "registry, call"),
    table("profiles", "hash"),
    table("letter_codes", "customer"),
    table("call_references", "reference"),
    numbered("pin_batches", "id"),
    table("initial_pins", "customer"),
    table("pin_files", "customer"),
    table("pin_links", "id"),
    numbered("repairs", "id"),
];

/// What goes from source to target.
pub(super) enum Piece {
    /// How many rows there are, and how far the clock was, said first.
    Begin { all: u64, high_water: i64 },
    /// The rows that follow are of this table and have these columns; the last number it gave out.
    Table { table: &'static Table, columns: Vec<String>, last: i64 },
    /// Rows.
    Rows(Vec<Vec<Cell>>),
    /// That was all.
    End,
}

/// One value. It may be a secret and is never shown.
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What was written so far.
pub(super) struct Tally {
    told: Told,
    all: u64,
    done: u64,
    tables: Vec<(&'static str, u64)>,
}

impl Tally {
    pub(super) fn new(told: &Told) -> Self {
        Self { told: Arc::clone(told), all: 0, done: 0, tables: vec![] }
    }

    pub(super) fn begin(&mut self, all: u64) {
        self.all = all;
    }

    pub(super) fn table(&mut self, table: &'static Table) {
        self.tables.push((table.name, 0));
    }

    pub(super) fn rows(&mut self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or_default();
        if let Some((_, count)) = self.tables.last_mut() {
            *count += rows;
        }
        self.done += rows;
        (self.told)(Progress { done: self.done, all: self.all });
    }

    /// What is at the target now, against what went in.
    pub(super) fn check(&self, arrived: &[u64], audit: Head) -> Result<Copied, CopyError> {
        if self.tables.len() != TABLES.len() || arrived.len() != TABLES.len() {
            return Err(CopyError::CutShort);
        }
        for (&(table, left), &arrived) in self.tables.iter().zip(arrived) {
            let chained = table != "audit" || audit.number == left;
            if left != arrived || !chained {
                return Err(CopyError::Lost { table, left, arrived });
            }
        }
        if self.done != self.all {
            let (left, arrived) = (self.all, self.done);
            return Err(CopyError::Lost { table: "all", left, arrived });
        }
        Ok(Copied { tables: self.tables.clone(), audit })
    }
}

/// Goes on verifying a chain with one more line as it is stored.
pub(super) fn chained(
    head: Head,
    number: i64,
    entry: &str,
    hash: Vec<u8>,
) -> Result<Head, CopyError> {
    let number = u64::try_from(number).unwrap_or_default();
    let unreadable = audit::Broken { number, why: "it cannot be read" };
    let hash = hash.try_into().map_err(|_| unreadable.clone())?;
    let line = Chained::from_text(number, entry, audit::AuditHash(hash)).ok_or(unreadable)?;
    Ok(audit::verify(head, [line])?)
}

/// Names in double quotes, as both engines take them.
pub(super) fn quoted(columns: &[String]) -> String {
    let quoted: Vec<_> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    quoted.join(", ")
}
