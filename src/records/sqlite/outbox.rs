//! Items on their way out: enqueued once, delivered at least once.

use rusqlite::Connection;

use crate::follow_up::NewItem;
use crate::model::ids::CallId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::follow_ups::Delivery;
use crate::records::follow_ups::OutboxCounts;
use crate::records::follow_ups::OutboxItem;
use crate::records::machine::KEPT;
use crate::records::machine::contradicted;
use crate::records::machine::item;
use crate::records::sqlite::journal;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) fn enqueue(db: &Connection, item: &NewItem, at: Timestamp) -> Result<(), RecordsError> {
    let NewItem { kind, key, payload } = item;
    let mut insert = db.prepare_cached(
        "INSERT INTO outbox (id, place, key, kind, payload, enqueued, next, state)
         SELECT ?1, (SELECT coalesce(max(place), 0) + 1 FROM outbox), ?2, ?3, ?4, ?5, 0, 'pending'
         WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE key = ?2)",
    )?;
    // Sorts by time and is nobody else's, as a call's id is.
    let id = CallId::new(at, rand::random());
    insert.execute((id.as_str(), key, kind.word(), to_json(payload)?, signed(at.0)))?;
    Ok(())
}

pub(super) fn due(
    db: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<OutboxItem>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT id, kind, payload, enqueued FROM outbox WHERE state = 'pending' AND next <= ?1
         ORDER BY next, place LIMIT ?2",
    )?;
    let mut found = select.query((signed(now.0), rows(limit)))?;
    let mut items = vec![];
    while let Some(row) = found.next()? {
        let id: String = row.get(0)?;
        let deliveries = deliveries(db, &id)?;
        let (kind, payload): (String, String) = (row.get(1)?, row.get(2)?);
        items.push(item(id, &kind, &payload, row.get(3)?, deliveries)?);
    }
    Ok(items)
}

fn deliveries(db: &Connection, id: &str) -> Result<Vec<Delivery>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT sink, attempts, delivered IS NOT NULL FROM deliveries WHERE item = ?1",
    )?;
    let found = select.query_map([id], |row| {
        Ok(Delivery { sink: row.get(0)?, attempts: row.get(1)?, delivered: row.get(2)? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn delivered(
    db: &Connection,
    id: &str,
    sink: &str,
    last: bool,
    now: Timestamp,
) -> Result<(), RecordsError> {
    db.prepare_cached(
        "INSERT INTO deliveries (item, sink, attempts, delivered) VALUES (?1, ?2, 0, ?3)
         ON CONFLICT DO UPDATE SET delivered = coalesce(delivered, excluded.delivered)",
    )?
    .execute((id, sink, signed(now.0)))?;
    if last {
        db.prepare_cached(
            "UPDATE outbox SET state = 'delivered' WHERE id = ?1 AND state = 'pending'",
        )?
        .execute([id])?;
        db.prepare_cached("DELETE FROM outbox WHERE state = 'delivered' AND enqueued < ?1")?
            .execute([signed(now.0.saturating_sub(KEPT))])?;
    }
    Ok(())
}

pub(super) fn failed(
    db: &Connection,
    id: &str,
    sink: &str,
    retry_at: Timestamp,
) -> Result<(), RecordsError> {
    db.prepare_cached(
        "INSERT INTO deliveries (item, sink, attempts) VALUES (?1, ?2, 1)
         ON CONFLICT DO UPDATE SET attempts = attempts + 1",
    )?
    .execute((id, sink))?;
    db.prepare_cached("UPDATE outbox SET next = ?2 WHERE id = ?1")?
        .execute((id, signed(retry_at.0)))?;
    Ok(())
}

pub(super) fn conflict(
    db: &Connection,
    id: &str,
    sink: &str,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let changed = db
        .prepare_cached("UPDATE outbox SET state = 'conflict' WHERE id = ?1 AND state = 'pending'")?
        .execute([id])?;
    if changed == 0 {
        return Ok(());
    }
    let payload: String = db
        .prepare_cached("SELECT payload FROM outbox WHERE id = ?1")?
        .query_row([id], |row| row.get(0))?;
    journal::append(db, contradicted(id, sink, &payload, now)?)
}

pub(super) fn counts(db: &Connection) -> Result<OutboxCounts, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT (SELECT count(*) FROM outbox WHERE state = 'pending'),
                (SELECT count(*) FROM outbox WHERE state = 'conflict'),
                (SELECT min(enqueued) FROM outbox WHERE state = 'pending')",
    )?;
    Ok(select.query_row((), |row| {
        Ok(OutboxCounts {
            pending: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
            conflicts: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            oldest: row.get::<_, Option<i64>>(2)?.map(time),
        })
    })?)
}
