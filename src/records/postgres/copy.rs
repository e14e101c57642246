//! A database as the source or the target of a copy.

use std::fmt::Write;
use std::io::Cursor;
use std::pin::Pin;
use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use futures_util::SinkExt;
use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_postgres::CopyInSink;
use tokio_postgres::types::FromSql;
use tokio_postgres::types::Type;

use crate::records::RecordsError;
use crate::records::audit::Head;
use crate::records::copy::BATCH;
use crate::records::copy::Cell;
use crate::records::copy::Copied;
use crate::records::copy::CopyError;
use crate::records::copy::Piece;
use crate::records::copy::TABLES;
use crate::records::copy::Table;
use crate::records::copy::Tally;
use crate::records::copy::Told;
use crate::records::copy::chained;
use crate::records::copy::quoted;
use crate::records::postgres::PostgresRecords;

/// A copy takes as long as it takes; locks are there at once or somebody else is at work.
const PATIENCE: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
                        SET lock_timeout = '5s'; SET bytea_output = 'hex'";

/// Nodes that are connected to this database.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                      AND application_name = 'countersign' AND pid <> pg_backend_pid()";

/// How often, and how long apart, one looks for them.
const LOOKS: u32 = 30;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A database in which nobody else writes, in a transaction.
pub(in crate::records) struct Open {
    client: ClientWrapper,
    side: &'static str,
}

type Sink = CopyInSink<Cursor<Vec<u8>>>;

impl Open {
    /// The records of nodes that do not run.
    pub(in crate::records) async fn source(url: &str) -> Result<Self, CopyError> {
        // One snapshot, taken when nobody writes any more.
        Self::open(url, "source", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SHARE").await
    }

    /// A database or schema without records.
    pub(in crate::records) async fn target(url: &str) -> Result<Self, CopyError> {
        let open = Self::open(url, "target", "BEGIN", "EXCLUSIVE").await?;
        for table in &TABLES {
            let rows = format!("SELECT EXISTS (SELECT 1 FROM {})::int::bigint", table.name);
            if open.number(&rows).await? != 0 {
                return Err(CopyError::NotEmpty(table.name));
            }
        }
        Ok(open)
    }

    async fn open(
        url: &str,
        side: &'static str,
        begin: &str,
        mode: &str,
    ) -> Result<Self, CopyError> {
        let failed = |error| CopyError::Store(side, error);
        let records = PostgresRecords::open(url, 1).await.map_err(failed)?;
        let client = records.db.taken().await.map_err(failed)?;
        let open = Self { client, side };
        open.script(PATIENCE).await?;
        open.alone().await?;
        open.script(begin).await?;
        let tables: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        open.script(&format!("LOCK TABLE {} IN {mode} MODE", tables.join(", "))).await?;
        Ok(open)
    }

    /// Nobody else is connected; the server may take a moment to see that somebody has left.
    async fn alone(&self) -> Result<(), CopyError> {
        for _ in 0..LOOKS {
            if self.number(OTHERS).await? == 0 {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        match self.number(OTHERS).await? {
            0 => Ok(()),
            others => Err(CopyError::InUse(others, self.side)),
        }
    }

    /// Sends everything. A target that is gone has its own reasons.
    pub(in crate::records) async fn read(
        self,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), CopyError> {
        let all = self.counts().await?.into_iter().sum();
        if all == 0 {
            return Err(CopyError::NoSource);
        }
        let high_water = self.number("SELECT at FROM high_water").await?;
        let mut gone = pieces.send(Piece::Begin { all, high_water }).await.is_err();
        for table in &TABLES {
            gone = gone || self.send(table, pieces).await?;
        }
        if !gone {
            // As above.
            let _ = pieces.send(Piece::End).await;
        }
        Ok(())
    }

    async fn send(
        &self,
        table: &'static Table,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<bool, CopyError> {
        let Table { name, order, numbered } = table;
        let select = format!("SELECT * FROM {name} ORDER BY {order}");
        let statement = self.told(self.client.prepare(&select).await)?;
        let columns: Vec<_> =
            statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let last = match numbered {
            Some(column) => self.number(&given_out(name, column)).await?,
            None => 0,
        };
        if pieces.send(Piece::Table { table, columns, last }).await.is_err() {
            return Ok(true);
        }
        let parameters: [&str; 0] = [];
        let mut found = pin!(self.told(self.client.query_raw(&statement, parameters).await)?);
        let mut batch = vec![];
        while let Some(row) = self.told(found.try_next().await)? {
            let cells = (0..row.len()).map(|place| row.try_get::<_, Cell>(place));
            batch.push(self.told(cells.collect::<Result<Vec<_>, _>>())?);
            if batch.len() >= BATCH
                && pieces.send(Piece::Rows(std::mem::take(&mut batch))).await.is_err()
            {
                return Ok(true);
            }
        }
        Ok(!batch.is_empty() && pieces.send(Piece::Rows(batch)).await.is_err())
    }

    /// Takes everything in, and keeps it when it is all there.
    pub(in crate::records) async fn write(
        self,
        mut pieces: mpsc::Receiver<Piece>,
        told: &Told,
    ) -> Result<Copied, CopyError> {
        let mut tally = Tally::new(told);
        let mut into: Option<(&'static Table, Pin<Box<Sink>>)> = None;
        loop {
            match pieces.recv().await.ok_or(CopyError::CutShort)? {
                Piece::Begin { all, high_water } => {
                    tally.begin(all);
                    self.script(&format!("UPDATE high_water SET at = {high_water}")).await?;
                }
                Piece::Table { table, columns, last } => {
                    finish(into.take()).await?;
                    tally.table(table);
                    if let Some(column) = table.numbered.filter(|_| last > 0) {
                        let go_on =
                            format!("SELECT setval({}, {last})", sequence(table.name, column));
                        self.number(&go_on).await?;
                    }
                    let copy = format!("COPY {} ({}) FROM STDIN", table.name, quoted(&columns));
                    into = Some((table, Box::pin(self.told(self.client.copy_in(&copy).await)?)));
                }
                Piece::Rows(rows) => {
                    let (table, sink) = into.as_mut().ok_or(CopyError::CutShort)?;
                    let count = rows.len();
                    let sent = sink.send(Cursor::new(lines(rows))).await;
                    sent.map_err(|error| refused(table, error))?;
                    tally.rows(count);
                }
                Piece::End => break,
            }
        }
        finish(into.take()).await?;
        self.keep(&tally).await
    }

    async fn keep(&self, tally: &Tally) -> Result<Copied, CopyError> {
        let head = "UPDATE audit_head SET (number, hash) =
            (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1)
            WHERE EXISTS (SELECT 1 FROM audit)";
        self.script(head).await?;
        let copied = tally.check(&self.counts().await?, self.verified().await?)?;
        self.script("COMMIT").await?;
        // Only the plans of the first queries would suffer.
        let _ = self.script("ANALYZE").await;
        Ok(copied)
    }

    async fn counts(&self) -> Result<Vec<u64>, CopyError> {
        let mut counts = vec![];
        for table in &TABLES {
            let count = self.number(&format!("SELECT count(*) FROM {}", table.name)).await?;
            counts.push(u64::try_from(count).unwrap_or_default());
        }
        Ok(counts)
    }

    async fn verified(&self) -> Result<Head, CopyError> {
        let lines = "SELECT number, entry::text AS entry, hash FROM audit ORDER BY number";
        let parameters: [&str; 0] = [];
        let mut found = pin!(self.told(self.client.query_raw(lines, parameters).await)?);
        let mut head = Head::default();
        while let Some(row) = self.told(found.try_next().await)? {
            let (number, entry): (i64, String) =
                (self.told(row.try_get(0))?, self.told(row.try_get(1))?);
            head = chained(head, number, &entry, self.told(row.try_get(2))?)?;
        }
        Ok(head)
    }

    async fn number(&self, select: &str) -> Result<i64, CopyError> {
        let row = self.told(self.client.query_one(select, &[]).await)?;
        self.told(row.try_get(0))
    }

    async fn script(&self, sql: &str) -> Result<(), CopyError> {
        self.told(self.client.batch_execute(sql).await)
    }

    fn told<T>(&self, result: Result<T, tokio_postgres::Error>) -> Result<T, CopyError> {
        result.map_err(|error| CopyError::Store(self.side, RecordsError::from(error)))
    }
}

async fn finish(sink: Option<(&'static Table, Pin<Box<Sink>>)>) -> Result<(), CopyError> {
    let Some((table, mut sink)) = sink else { return Ok(()) };
    sink.as_mut().finish().await.map(drop).map_err(|error| refused(table, error))
}

fn refused(table: &Table, error: tokio_postgres::Error) -> CopyError {
    CopyError::Table { table: table.name, why: RecordsError::from(error).to_string() }
}

fn sequence(table: &str, column: &str) -> String {
    format!("pg_get_serial_sequence('{table}', '{column}')")
}

/// The last number a table has given out, also where its row is gone.
fn given_out(table: &str, column: &str) -> String {
    let sequence = sequence(table, column);
    format!(
        "SELECT greatest(coalesce(pg_sequence_last_value({sequence}::regclass), 0),
                         (SELECT coalesce(max({column}), 0) FROM {table}))"
    )
}

/// Rows in the text form of COPY: the server reads every value as its column's type.
fn lines(rows: Vec<Vec<Cell>>) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        for (place, cell) in row.into_iter().enumerate() {
            if place > 0 {
                text.push('\t');
            }
            push(&mut text, cell);
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn push(text: &mut String, cell: Cell) {
    match cell {
        Cell::Null => text.push_str("\\N"),
        Cell::Int(number) => text.push_str(&number.to_string()),
        Cell::Bytes(bytes) => {
            text.push_str("\\\\x");
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
        }
        Cell::Text(value) => {
            for character in value.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    '\t' => text.push_str("\\t"),
                    other => text.push(other),
                }
            }
        }
    }
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(
        of: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *of {
            Type::INT8 => Self::Int(i64::from_sql(of, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(of, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(of, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(of, raw)?.into()),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => Self::Text(String::from_utf8(raw.to_vec())?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::INT2, Type::BOOL, Type::BYTEA, Type::TEXT, Type::JSON]
            .contains(of)
    }
}
