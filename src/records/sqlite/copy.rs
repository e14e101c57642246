//! A file as the source or the target of a copy.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::ToSql;
use rusqlite::params_from_iter;
use rusqlite::types::ToSqlOutput;
use rusqlite::types::Value;
use rusqlite::types::ValueRef;
use tokio::sync::mpsc;

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
use crate::records::sqlite::file;

/// A file that nobody else has open, in a transaction.
pub(in crate::records) struct Open {
    db: Connection,
    side: &'static str,
    _owner: file::Owner,
}

impl Open {
    /// The records of a daemon that does not run.
    pub(in crate::records) fn source(path: &Path) -> Result<Self, CopyError> {
        if !path.is_file() {
            return Err(CopyError::NoSource);
        }
        Self::begun(path, "source")
    }

    /// A file that is made, or one without records.
    pub(in crate::records) fn target(path: &Path) -> Result<Self, CopyError> {
        let open = Self::begun(path, "target")?;
        for table in &TABLES {
            if open.number(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.name))? != 0 {
                return Err(CopyError::NotEmpty(table.name));
            }
        }
        Ok(open)
    }

    fn begun(path: &Path, side: &'static str) -> Result<Self, CopyError> {
        let failed = |error| CopyError::Store(side, error);
        let owner = file::Owner::of(path).map_err(failed)?;
        let db = file::writer(path).map_err(failed)?;
        let begin = db.execute_batch("BEGIN IMMEDIATE").map_err(RecordsError::from);
        begin.map_err(failed)?;
        Ok(Self { db, side, _owner: owner })
    }

    /// Sends everything. A target that is gone has its own reasons.
    pub(in crate::records) fn read(self, pieces: &mpsc::Sender<Piece>) -> Result<(), CopyError> {
        let mut all = 0;
        for table in &TABLES {
            all += self.count(table)?;
        }
        if all == 0 {
            return Err(CopyError::NoSource);
        }
        let high_water = self.number("SELECT at FROM high_water")?;
        let mut gone = pieces.blocking_send(Piece::Begin { all, high_water }).is_err();
        for table in &TABLES {
            gone = gone || self.send(table, pieces)?;
        }
        if !gone {
            // As above.
            let _ = pieces.blocking_send(Piece::End);
        }
        Ok(())
    }

    fn send(&self, table: &'static Table, pieces: &mpsc::Sender<Piece>) -> Result<bool, CopyError> {
        let (columns, last) = (self.columns(table)?, self.last(table)?);
        let Table { name, order, .. } = table;
        let select = format!("SELECT {} FROM {name} ORDER BY {order}", quoted(&columns));
        let width = columns.len();
        if pieces.blocking_send(Piece::Table { table, columns, last }).is_err() {
            return Ok(true);
        }
        let mut select = self.told(self.db.prepare(&select))?;
        let mut found = self.told(select.query(()))?;
        let mut batch = vec![];
        while let Some(row) = self.told(found.next())? {
            let cells = (0..width).map(|place| Ok(cell(row.get_ref(place)?)));
            batch.push(self.told(cells.collect::<Result<Vec<_>, rusqlite::Error>>())?);
            if batch.len() >= BATCH
                && pieces.blocking_send(Piece::Rows(std::mem::take(&mut batch))).is_err()
            {
                return Ok(true);
            }
        }
        Ok(!batch.is_empty() && pieces.blocking_send(Piece::Rows(batch)).is_err())
    }

    /// Takes everything in, and keeps it when it is all there.
    pub(in crate::records) fn write(
        self,
        mut pieces: mpsc::Receiver<Piece>,
        told: &Told,
    ) -> Result<Copied, CopyError> {
        let mut tally = Tally::new(told);
        let mut insert: Option<(&'static Table, String)> = None;
        loop {
            match pieces.blocking_recv().ok_or(CopyError::CutShort)? {
                Piece::Begin { all, high_water } => {
                    tally.begin(all);
                    self.told(self.db.execute("UPDATE high_water SET at = ?1", [high_water]))?;
                }
                Piece::Table { table, columns, last } => {
                    tally.table(table);
                    self.go_on_after(table, last)?;
                    let marks = vec!["?"; columns.len()].join(", ");
                    let (name, columns) = (table.name, quoted(&columns));
                    insert =
                        Some((table, format!("INSERT INTO {name} ({columns}) VALUES ({marks})")));
                }
                Piece::Rows(rows) => {
                    let (table, insert) = insert.as_ref().ok_or(CopyError::CutShort)?;
                    let refused = |error: rusqlite::Error| {
                        let why =
                            format!("the file refuses a row ({:?})", error.sqlite_error_code());
                        CopyError::Table { table: table.name, why }
                    };
                    let mut insert = self.db.prepare_cached(insert).map_err(refused)?;
                    for row in &rows {
                        insert.execute(params_from_iter(row)).map_err(refused)?;
                    }
                    tally.rows(rows.len());
                }
                Piece::End => break,
            }
        }
        let copied = tally.check(&self.counts()?, self.verified()?)?;
        self.told(self.db.execute_batch("COMMIT"))?;
        Ok(copied)
    }

    fn counts(&self) -> Result<Vec<u64>, CopyError> {
        TABLES.iter().map(|table| self.count(table)).collect()
    }

    fn count(&self, table: &Table) -> Result<u64, CopyError> {
        let count = self.number(&format!("SELECT count(*) FROM {}", table.name))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn verified(&self) -> Result<Head, CopyError> {
        let lines = "SELECT number, entry, hash FROM audit ORDER BY number";
        let mut select = self.told(self.db.prepare(lines))?;
        let mut found = self.told(select.query(()))?;
        let mut head = Head::default();
        while let Some(row) = self.told(found.next())? {
            let (number, entry): (i64, String) = (self.told(row.get(0))?, self.told(row.get(1))?);
            head = chained(head, number, &entry, self.told(row.get(2))?)?;
        }
        Ok(head)
    }

    fn columns(&self, table: &Table) -> Result<Vec<String>, CopyError> {
        let mut select = self.told(self.db.prepare("SELECT name FROM pragma_table_info(?1)"))?;
        let names = self.told(select.query_map([table.name], |row| row.get(0)))?;
        self.told(names.collect())
    }

    /// The last number a table has given out, also where its row is gone.
    fn last(&self, table: &Table) -> Result<i64, CopyError> {
        let Some(column) = table.numbered else { return Ok(0) };
        let highest = format!("SELECT coalesce(max({column}), 0) FROM {}", table.name);
        let given = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        let given = self.db.query_row(given, [table.name], |row| row.get(0)).optional();
        Ok(self.number(&highest)?.max(self.told(given)?.unwrap_or_default()))
    }

    /// No number is given out twice, also where the rows that had them are gone.
    fn go_on_after(&self, table: &Table, last: i64) -> Result<(), CopyError> {
        // Places in the outbox are counted from the rows themselves.
        if table.numbered != Some("id") || last == 0 {
            return Ok(());
        }
        let given = (table.name, last);
        let update = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if self.told(self.db.execute(update, given))? == 0 {
            let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
            self.told(self.db.execute(insert, given))?;
        }
        Ok(())
    }

    fn number(&self, select: &str) -> Result<i64, CopyError> {
        self.told(self.db.query_row(select, (), |row| row.get(0)))
    }

    fn told<T>(&self, result: Result<T, rusqlite::Error>) -> Result<T, CopyError> {
        result.map_err(|error| CopyError::Store(self.side, error.into()))
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        // No column holds one: tables are strict.
        ValueRef::Real(number) => Cell::Text(number.to_string()),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
