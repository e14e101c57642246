//! Initial PINs: print runs, the bulk generation, letters, tries (P03–P08).
//!
//! Locks in the order of the house: accounts, then the print run, then the end of the audit chain.

use serde_json::json;
use tokio_postgres::Row;

use crate::account::Account;
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
use crate::records::postgres::accounts;
use crate::records::postgres::db::Param;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::stored::id;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) async fn accounts(tx: &Tx) -> Result<u64, RecordsError> {
    let found = tx.row("SELECT count(*) AS count FROM accounts", &[]).await?;
    found.map_or(Ok(0), |row| number::<i64, u64>(&row, "count"))
}

/// Where two nodes begin one at once, the second is refused and finds the first one's when it looks
/// again.
pub(super) async fn batch(tx: &Tx, key: &[u8], now: Timestamp) -> Result<Batch, RecordsError> {
    let insert = "INSERT INTO pin_batches (key, opened) SELECT $1, $2
        WHERE NOT EXISTS (SELECT 1 FROM pin_batches WHERE closed IS NULL)";
    tx.execute(insert, &[&key, &signed(now.0)]).await?;
    let found = tx.row("SELECT * FROM pin_batches WHERE closed IS NULL", &[]).await?;
    read_batch(&found.ok_or(RecordsError::NoSuch(pin_machine::OPEN_BATCH))?)
}

pub(super) async fn unprinted(tx: &Tx) -> Result<Vec<Batch>, RecordsError> {
    let select = "SELECT * FROM pin_batches WHERE key IS NOT NULL ORDER BY id";
    tx.rows(select, &[]).await?.iter().map(read_batch).collect()
}

fn read_batch(row: &Row) -> Result<Batch, RecordsError> {
    Ok(Batch {
        id: BatchId(column(row, "id")?),
        key: column(row, "key")?,
        opened: time(column(row, "opened")?),
        closed: column::<Option<i64>>(row, "closed")?.map(time),
        printed: column::<Option<i64>>(row, "printed")?.map(time),
    })
}

/// Waits for the steps that still add to it.
pub(super) async fn close(tx: &Tx, batch: BatchId, now: Timestamp) -> Result<(), RecordsError> {
    let update = "UPDATE pin_batches SET closed = coalesce(closed, $2) WHERE id = $1";
    let found = tx.execute(update, &[&batch.0, &signed(now.0)]).await?;
    if found == 1 { Ok(()) } else { Err(RecordsError::NoSuch("print run")) }
}

pub(super) async fn printed(
    tx: &mut Tx,
    batch: BatchId,
    letters: u64,
    by: &By,
) -> Result<(), RecordsError> {
    close(tx, batch, by.now).await?;
    let update =
        "UPDATE pin_batches SET key = NULL, printed = $2 WHERE id = $1 AND key IS NOT NULL";
    if tx.execute(update, &[&batch.0, &signed(by.now.0)]).await? > 0 {
        tx.note(pin_machine::printed(batch.0, letters, by));
    }
    Ok(())
}

pub(super) async fn issue_missing(
    tx: &mut Tx,
    issuing: &Issuing,
    after: Option<&CustomerId>,
    limit: usize,
) -> Result<Issued, RecordsError> {
    let select = "SELECT a.customer, a.initialized, i.version, i.expires, i.tries,
        i.spent IS NOT NULL AS spent
        FROM accounts a LEFT JOIN initial_pins i ON i.customer = a.customer
        WHERE a.customer > $1 ORDER BY a.customer LIMIT $2";
    let after = after.map_or("", CustomerId::as_str);
    let found = tx.rows(select, &[&after, &rows(limit)]).await?;
    let last = found.last().filter(|_| found.len() >= limit);
    let mut issued = Issued {
        examined: u64::try_from(found.len()).unwrap_or_default(),
        created: 0,
        last: last.map(|row| id(column(row, "customer")?)).transpose()?,
    };
    let (mut customers, mut versions) = (vec![], vec![]);
    for row in &found {
        let one = examined(row)?;
        if let Some(version) = one.lacks(issuing.now) {
            customers.push(one.customer);
            versions.push(i64::from(version));
        }
    }
    // Those that still lack one once they are ours: a PIN may have been enrolled since we looked.
    let lock = "SELECT a.customer, w.version FROM accounts a
        JOIN unnest($1::text[], $2::bigint[]) AS w (customer, version) ON w.customer = a.customer
        WHERE NOT a.initialized ORDER BY a.customer FOR UPDATE OF a";
    let ours = tx.rows(lock, &[&customers, &versions]).await?;
    takes(tx, issuing.batch).await?;
    if !ours.is_empty() {
        issued.created = put_many(tx, issuing, &ours).await?;
    }
    if issued.created > 0 {
        tx.note(pin_machine::issued_many(issuing, issued.created));
    }
    Ok(issued)
}

fn examined(row: &Row) -> Result<Examined, RecordsError> {
    let initial = match column::<Option<i64>>(row, "version")? {
        None => None,
        Some(_) => Some((
            number::<i64, u32>(row, "version")?,
            time(column(row, "expires")?),
            number::<i16, u8>(row, "tries")?,
            column(row, "spent")?,
        )),
    };
    let (customer, initialized) = (column(row, "customer")?, column(row, "initialized")?);
    Ok(Examined { customer, initialized, initial })
}

/// An initial PIN of another node, issued since we looked, stays.
async fn put_many(tx: &Tx, issuing: &Issuing, ours: &[Row]) -> Result<u64, RecordsError> {
    let (mut customers, mut versions) = (vec![], vec![]);
    let (mut envelopes, mut verifiers) = (vec![], vec![]);
    for row in ours {
        let (text, version): (String, u32) =
            (column(row, "customer")?, number::<i64, u32>(row, "version")?);
        let sealed = pin_machine::seal(issuing, &id(text.clone())?, version)?;
        customers.push(text);
        versions.push(i64::from(version));
        envelopes.push(sealed.envelope);
        verifiers.push(sealed.verifier);
    }
    let insert = "INSERT INTO initial_pins
        (customer, version, batch, envelope, verifier, issued, expires)
        SELECT customer, version, $5, envelope, verifier, $6, $7
        FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[])
            AS line (customer, version, envelope, verifier)
        ON CONFLICT (customer) DO UPDATE SET version = excluded.version, batch = excluded.batch,
        envelope = excluded.envelope, verifier = excluded.verifier, issued = excluded.issued,
        expires = excluded.expires, tries = 0, spent = NULL
        WHERE initial_pins.version = excluded.version - 1";
    let (issued, expires) = (signed(issuing.now.0), signed(issuing.expires.0));
    let params: [Param<'_>; 7] =
        [&customers, &versions, &envelopes, &verifiers, &issuing.batch.0, &issued, &expires];
    tx.execute(insert, &params).await
}

/// Issues the next initial PIN of one account, which is locked; the one before is void.
pub(super) async fn issue(
    tx: &Tx,
    customer: &CustomerId,
    issuing: &Issuing,
) -> Result<u32, RecordsError> {
    takes(tx, issuing.batch).await?;
    let select = "SELECT $1::text AS customer, coalesce(max(version), 0) + 1 AS version
        FROM initial_pins WHERE customer = $1";
    let ours = tx.rows(select, &[&customer.as_str()]).await?;
    put_many(tx, issuing, &ours).await?;
    ours.first().map_or(Ok(0), |row| number::<i64, u32>(row, "version"))
}

/// Nothing is added to a print run that is being printed: its letter would never be. It stays open
/// until this transaction ends.
async fn takes(tx: &Tx, batch: BatchId) -> Result<(), RecordsError> {
    let select = "SELECT id FROM pin_batches WHERE id = $1 AND closed IS NULL FOR SHARE";
    let found = tx.row(select, &[&batch.0]).await?;
    found.map(drop).ok_or(RecordsError::NoSuch(pin_machine::OPEN_BATCH))
}

pub(super) async fn letters(
    tx: &Tx,
    batch: BatchId,
    after: Option<&CustomerId>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Letter>, RecordsError> {
    let select = "SELECT i.customer, c.name, c.language, i.version, i.envelope, i.expires
        FROM initial_pins i JOIN customers c ON c.id = i.customer
        WHERE i.batch = $1 AND i.customer > $2 AND i.spent IS NULL AND i.expires > $3 AND i.tries < $4
        ORDER BY i.customer LIMIT $5";
    let after = after.map_or("", CustomerId::as_str);
    let params: [Param<'_>; 5] =
        [&batch.0, &after, &signed(now.0), &i16::from(INITIAL_TRIES), &rows(limit)];
    let letter = |row: &Row| {
        Ok(Letter {
            customer: id(column(row, "customer")?)?,
            name: column(row, "name")?,
            language: column(row, "language")?,
            version: number::<i64, u32>(row, "version")?,
            envelope: column(row, "envelope")?,
            expires: time(column(row, "expires")?),
        })
    };
    tx.rows(select, &params).await?.iter().map(letter).collect()
}

pub(super) async fn try_one(
    tx: &mut Tx,
    customer: &CustomerId,
    limit: u8,
    now: Timestamp,
) -> Result<Option<Initial>, RecordsError> {
    let account = match accounts::lock(tx, customer).await {
        Ok(account) => account,
        Err(RecordsError::NoSuch(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    let living = living(tx, customer, &account, now).await?;
    let Some(living) = living.filter(|living| living.tries < limit) else { return Ok(None) };
    let update = "UPDATE initial_pins SET tries = tries + 1 WHERE customer = $1";
    tx.execute(update, &[&customer.as_str()]).await?;
    let body = json!({ "version": living.initial.version, "try": living.tries.saturating_add(1) });
    tx.note(pin_machine::own(customer, now).entry("initial_pin_tried", body));
    Ok(Some(living.initial))
}

/// The initial PIN of an account without a PIN of its own, unless it is too old.
pub(super) async fn living(
    tx: &Tx,
    customer: &CustomerId,
    account: &Account,
    now: Timestamp,
) -> Result<Option<Living>, RecordsError> {
    if account.initialized {
        return Ok(None);
    }
    let select = "SELECT version, verifier, tries FROM initial_pins
        WHERE customer = $1 AND spent IS NULL AND expires > $2";
    let Some(row) = tx.row(select, &[&customer.as_str(), &signed(now.0)]).await? else {
        return Ok(None);
    };
    let (version, verifier) = (number::<i64, u32>(&row, "version")?, column(&row, "verifier")?);
    let tries = number::<i16, u8>(&row, "tries")?;
    Ok(Some(Living { initial: Initial { version, verifier }, tries }))
}

/// Spends an initial PIN: what could open or verify it is gone. The version stays, so that the next
/// one has another.
pub(super) async fn spend(
    tx: &Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let update = "UPDATE initial_pins SET spent = $2, envelope = '', verifier = ''
        WHERE customer = $1 AND spent IS NULL";
    tx.execute(update, &[&customer.as_str(), &signed(now.0)]).await.map(drop)
}
