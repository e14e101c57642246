//! Items on their way out: enqueued once, delivered at least once, by one node at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::follow_up::NewItem;
use crate::model::ids::CallId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::follow_ups::Delivery;
use crate::records::follow_ups::OutboxCounts;
use crate::records::follow_ups::OutboxItem;
use crate::records::machine;
use crate::records::machine::KEPT;
use crate::records::postgres::db::Param;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

/// So long an item is the node's that took it: longer than its sinks may take for a turn. The claim of
/// a node that died lapses by itself.
const CLAIMED: Duration = Duration::from_secs(90);
/// Old items taken away at a time.
const SWEPT: usize = 100;

pub(super) async fn enqueue(tx: &Tx, item: &NewItem, at: Timestamp) -> Result<(), RecordsError> {
    let NewItem { kind, key, payload } = item;
    // Sorts by time and is nobody else's, as a call's id is.
    let id = CallId::new(at, rand::random());
    let insert = "INSERT INTO outbox (id, key, kind, payload, enqueued, next, state)
                  VALUES ($1, $2, $3, $4, $5, 0, 'pending') ON CONFLICT (key) DO NOTHING";
    let params: [Param<'_>; 5] =
        [&id.as_str(), key, &kind.word(), &to_json(payload)?, &signed(at.0)];
    tx.execute(insert, &params).await.map(drop)
}

/// Takes items for this node: for everybody else they are due again when the claim has lapsed.
pub(super) async fn due(
    tx: &Tx,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<OutboxItem>, RecordsError> {
    let claim = "WITH due AS (
            SELECT id, next, place FROM outbox WHERE state = 'pending' AND next <= $1
            ORDER BY next, place LIMIT $2 FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outbox SET next = $3 FROM due WHERE outbox.id = due.id
            RETURNING outbox.id, outbox.kind, outbox.payload, outbox.enqueued, due.next, due.place
        )
        SELECT id, kind, payload, enqueued FROM claimed ORDER BY next, place";
    let until = signed(now.after(CLAIMED).0);
    let found = tx.rows(claim, &[&signed(now.0), &rows(limit), &until]).await?;
    if found.is_empty() {
        return Ok(vec![]);
    }
    let ids = found.iter().map(|row| column(row, "id")).collect::<Result<Vec<String>, _>>()?;
    let mut deliveries = deliveries(tx, &ids).await?;
    let mut items = vec![];
    for (row, id) in found.iter().zip(ids) {
        let deliveries = deliveries.remove(&id).unwrap_or_default();
        let (kind, payload): (String, String) = (column(row, "kind")?, column(row, "payload")?);
        items.push(machine::item(id, &kind, &payload, column(row, "enqueued")?, deliveries)?);
    }
    Ok(items)
}

async fn deliveries(
    tx: &Tx,
    ids: &[String],
) -> Result<BTreeMap<String, Vec<Delivery>>, RecordsError> {
    let select = "SELECT item, sink, attempts, delivered IS NOT NULL AS delivered FROM deliveries
                  WHERE item = ANY($1) ORDER BY item, sink";
    let mut found: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for row in tx.rows(select, &[&ids]).await? {
        let attempts = u32::try_from(column::<i64>(&row, "attempts")?).unwrap_or(u32::MAX);
        let (sink, delivered) = (column(&row, "sink")?, column(&row, "delivered")?);
        let delivery = Delivery { sink, attempts, delivered };
        found.entry(column(&row, "item")?).or_default().push(delivery);
    }
    Ok(found)
}

pub(super) async fn delivered(
    tx: &Tx,
    id: &str,
    sink: &str,
    last: bool,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let insert = "INSERT INTO deliveries (item, sink, attempts, delivered) VALUES ($1, $2, 0, $3)
         ON CONFLICT (item, sink)
         DO UPDATE SET delivered = coalesce(deliveries.delivered, excluded.delivered)";
    tx.execute(insert, &[&id, &sink, &signed(now.0)]).await?;
    if last {
        let done = "UPDATE outbox SET state = 'delivered' WHERE id = $1 AND state = 'pending'";
        tx.execute(done, &[&id]).await?;
        let sweep = "DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE state = 'delivered' AND enqueued < $1
                LIMIT $2 FOR UPDATE SKIP LOCKED
            )";
        tx.execute(sweep, &[&signed(now.0.saturating_sub(KEPT)), &rows(SWEPT)]).await?;
    }
    Ok(())
}

pub(super) async fn failed(
    tx: &Tx,
    id: &str,
    sink: &str,
    retry_at: Timestamp,
) -> Result<(), RecordsError> {
    let insert = "INSERT INTO deliveries (item, sink, attempts) VALUES ($1, $2, 1)
         ON CONFLICT (item, sink) DO UPDATE SET attempts = deliveries.attempts + 1";
    tx.execute(insert, &[&id, &sink]).await?;
    let later = "UPDATE outbox SET next = $2 WHERE id = $1";
    tx.execute(later, &[&id, &signed(retry_at.0)]).await.map(drop)
}

pub(super) async fn conflict(
    tx: &mut Tx,
    id: &str,
    sink: &str,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let update = "UPDATE outbox SET state = 'conflict' WHERE id = $1 AND state = 'pending'
                  RETURNING payload";
    let Some(changed) = tx.row(update, &[&id]).await? else { return Ok(()) };
    let payload: String = column(&changed, "payload")?;
    tx.note(machine::contradicted(id, sink, &payload, now)?);
    Ok(())
}

pub(super) async fn counts(tx: &Tx) -> Result<OutboxCounts, RecordsError> {
    let select = "SELECT (SELECT count(*) FROM outbox WHERE state = 'pending') AS pending,
                (SELECT count(*) FROM outbox WHERE state = 'conflict') AS conflicts,
                (SELECT min(enqueued) FROM outbox WHERE state = 'pending') AS oldest";
    let Some(row) = tx.row(select, &[]).await? else { return Ok(OutboxCounts::default()) };
    Ok(OutboxCounts {
        pending: u64::try_from(column::<i64>(&row, "pending")?).unwrap_or_default(),
        conflicts: u64::try_from(column::<i64>(&row, "conflicts")?).unwrap_or_default(),
        oldest: column::<Option<i64>>(&row, "oldest")?.map(time),
    })
}
