//! Initial PINs: print runs, the bulk generation, letters, tries (P03–P08).

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use serde_json::json;

use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::pin_machine;
use crate::records::pin_machine::Examined;
use crate::records::pin_machine::Living;
use crate::records::pins::Batch;
use crate::records::pins::BatchId;
use crate::records::pins::By;
use crate::records::pins::INITIAL_TRIES;
use crate::records::pins::Initial;
use crate::records::pins::Issued;
use crate::records::pins::Issuing;
use crate::records::pins::Letter;
use crate::records::sqlite::accounts;
use crate::records::sqlite::journal;
use crate::records::stored::id;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) fn accounts(db: &Connection) -> Result<u64, RecordsError> {
    let mut select = db.prepare_cached("SELECT count(*) FROM accounts")?;
    let count: i64 = select.query_row((), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

pub(super) fn batch(db: &Connection, key: &[u8], now: Timestamp) -> Result<Batch, RecordsError> {
    db.prepare_cached(
        "INSERT INTO pin_batches (key, opened) SELECT ?1, ?2
         WHERE NOT EXISTS (SELECT 1 FROM pin_batches WHERE closed IS NULL)",
    )?
    .execute((key, signed(now.0)))?;
    let mut select = db.prepare_cached("SELECT * FROM pin_batches WHERE closed IS NULL")?;
    Ok(select.query_row((), read_batch)?)
}

pub(super) fn unprinted(db: &Connection) -> Result<Vec<Batch>, RecordsError> {
    let mut select =
        db.prepare_cached("SELECT * FROM pin_batches WHERE key IS NOT NULL ORDER BY id")?;
    let found = select.query_map((), read_batch)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn read_batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        id: BatchId(row.get("id")?),
        key: row.get("key")?,
        opened: time(row.get("opened")?),
        closed: row.get::<_, Option<i64>>("closed")?.map(time),
        printed: row.get::<_, Option<i64>>("printed")?.map(time),
    })
}

pub(super) fn close(db: &Connection, batch: BatchId, now: Timestamp) -> Result<(), RecordsError> {
    let mut update =
        db.prepare_cached("UPDATE pin_batches SET closed = coalesce(closed, ?2) WHERE id = ?1")?;
    let found = update.execute((batch.0, signed(now.0)))?;
    if found == 1 { Ok(()) } else { Err(RecordsError::NoSuch("print run")) }
}

pub(super) fn printed(
    db: &Connection,
    batch: BatchId,
    letters: u64,
    by: &By,
) -> Result<(), RecordsError> {
    close(db, batch, by.now)?;
    let mut update = db.prepare_cached(
        "UPDATE pin_batches SET key = NULL, printed = ?2 WHERE id = ?1 AND key IS NOT NULL",
    )?;
    if update.execute((batch.0, signed(by.now.0)))? == 0 {
        return Ok(());
    }
    journal::append(db, pin_machine::printed(batch.0, letters, by))
}

pub(super) fn issue_missing(
    db: &Connection,
    issuing: &Issuing,
    after: Option<&CustomerId>,
    limit: usize,
) -> Result<Issued, RecordsError> {
    takes(db, issuing.batch)?;
    let mut issued = Issued::default();
    let mut select = db.prepare_cached(
        "SELECT a.customer, a.initialized, i.version, i.expires, i.tries, i.spent IS NOT NULL
         FROM accounts a LEFT JOIN initial_pins i ON i.customer = a.customer
         WHERE a.customer > ?1 ORDER BY a.customer LIMIT ?2",
    )?;
    let after = after.map_or("", CustomerId::as_str);
    let mut found = select.query((after, rows(limit)))?;
    let mut lacking: Vec<(CustomerId, u32)> = vec![];
    while let Some(row) = found.next()? {
        let one = examined(row)?;
        issued.examined += 1;
        let lacks = one.lacks(issuing.now);
        let last = issued.examined >= u64::try_from(limit).unwrap_or(u64::MAX);
        if lacks.is_none() && !last {
            continue;
        }
        let customer: CustomerId = id(one.customer)?;
        if last {
            issued.last = Some(customer.clone());
        }
        lacking.extend(lacks.map(|version| (customer, version)));
    }
    drop(found);
    for (customer, version) in &lacking {
        put(db, customer, *version, issuing)?;
        issued.created += 1;
    }
    if issued.created > 0 {
        journal::append(db, pin_machine::issued_many(issuing, issued.created))?;
    }
    Ok(issued)
}

fn examined(row: &Row<'_>) -> Result<Examined, RecordsError> {
    let initial = match row.get::<_, Option<u32>>(2)? {
        None => None,
        Some(version) => Some((version, time(row.get(3)?), row.get(4)?, row.get(5)?)),
    };
    Ok(Examined { customer: row.get(0)?, initialized: row.get(1)?, initial })
}

/// Issues the next initial PIN of one account; the one before is void.
pub(super) fn issue(
    db: &Connection,
    customer: &CustomerId,
    issuing: &Issuing,
) -> Result<u32, RecordsError> {
    takes(db, issuing.batch)?;
    let mut select = db.prepare_cached("SELECT version FROM initial_pins WHERE customer = ?1")?;
    let last = select.query_row([customer.as_str()], |row| row.get::<_, u32>(0)).optional()?;
    let version = last.unwrap_or_default().saturating_add(1);
    put(db, customer, version, issuing)?;
    Ok(version)
}

/// Nothing is added to a print run that is being printed: its letter would never be.
fn takes(db: &Connection, batch: BatchId) -> Result<(), RecordsError> {
    let mut select =
        db.prepare_cached("SELECT 1 FROM pin_batches WHERE id = ?1 AND closed IS NULL")?;
    if select.exists([batch.0])? {
        return Ok(());
    }
    Err(RecordsError::NoSuch(pin_machine::OPEN_BATCH))
}

fn put(
    db: &Connection,
    customer: &CustomerId,
    version: u32,
    issuing: &Issuing,
) -> Result<(), RecordsError> {
    let sealed = pin_machine::seal(issuing, customer, version)?;
    let mut put = db.prepare_cached(
        "INSERT INTO initial_pins (customer, version, batch, envelope, verifier, issued, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (customer) DO UPDATE SET version = ?2, batch = ?3, envelope = ?4, verifier = ?5,
         issued = ?6, expires = ?7, tries = 0, spent = NULL",
    )?;
    put.execute((
        customer.as_str(),
        version,
        issuing.batch.0,
        &sealed.envelope,
        &sealed.verifier,
        signed(issuing.now.0),
        signed(issuing.expires.0),
    ))?;
    Ok(())
}

pub(super) fn letters(
    db: &Connection,
    batch: BatchId,
    after: Option<&CustomerId>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Letter>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT i.customer, c.name, c.language, i.version, i.envelope, i.expires
         FROM initial_pins i JOIN customers c ON c.id = i.customer
         WHERE i.batch = ?1 AND i.customer > ?2 AND i.spent IS NULL AND i.expires > ?3 AND i.tries < ?4
         ORDER BY i.customer LIMIT ?5",
    )?;
    let after = after.map_or("", CustomerId::as_str);
    let mut found = select.query((batch.0, after, signed(now.0), INITIAL_TRIES, rows(limit)))?;
    let mut letters = vec![];
    while let Some(row) = found.next()? {
        letters.push(Letter {
            customer: id(row.get(0)?)?,
            name: row.get(1)?,
            language: row.get(2)?,
            version: row.get(3)?,
            envelope: row.get(4)?,
            expires: time(row.get(5)?),
        });
    }
    Ok(letters)
}

pub(super) fn try_one(
    db: &Connection,
    customer: &CustomerId,
    limit: u8,
    now: Timestamp,
) -> Result<Option<Initial>, RecordsError> {
    let Some(living) = living(db, customer, now)?.filter(|living| living.tries < limit) else {
        return Ok(None);
    };
    let mut update =
        db.prepare_cached("UPDATE initial_pins SET tries = tries + 1 WHERE customer = ?1")?;
    update.execute([customer.as_str()])?;
    let body = json!({ "version": living.initial.version, "try": living.tries.saturating_add(1) });
    let entry = pin_machine::own(customer, now).entry("initial_pin_tried", body);
    journal::append(db, entry)?;
    Ok(Some(living.initial))
}

/// The initial PIN of an account without a PIN of its own, unless it is too old.
pub(super) fn living(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<Option<Living>, RecordsError> {
    let initialized = accounts::load(db, customer)?.is_none_or(|account| account.initialized);
    if initialized {
        return Ok(None);
    }
    let mut select = db.prepare_cached(
        "SELECT version, verifier, tries FROM initial_pins
         WHERE customer = ?1 AND spent IS NULL AND expires > ?2",
    )?;
    let found = select.query_row((customer.as_str(), signed(now.0)), |row| {
        let initial = Initial { version: row.get(0)?, verifier: row.get(1)? };
        Ok(Living { initial, tries: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// Spends an initial PIN: what could open or verify it is gone. The version stays, so that the next
/// one has another.
pub(super) fn spend(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    db.prepare_cached(
        "UPDATE initial_pins SET spent = ?2, envelope = x'', verifier = x''
         WHERE customer = ?1 AND spent IS NULL",
    )?
    .execute((customer.as_str(), signed(now.0)))?;
    Ok(())
}
