//! Past calls, the audit chain and the probe.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use tokio_postgres::Row;

use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AuditEntry;
use crate::records::CallRecord;
use crate::records::RecordsError;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::audit::Stored;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;
use crate::records::subjects;
use crate::records::subjects::Person;

/// Who acts where no person does.
pub(super) const SYSTEM: &str = "system";

pub(super) async fn probe(tx: &Tx) -> Result<(), RecordsError> {
    let count = tx.execute("UPDATE probes SET count = count + 1", &[]).await?;
    if count == 1 { Ok(()) } else { Err(RecordsError::Corrupt("probe".into())) }
}

pub(super) async fn save_call(tx: &Tx, call: &CallRecord) -> Result<(), RecordsError> {
    let CallRecord { id, started_at, ended_at, customer, view } = call;
    let ended_at = ended_at.map(|at| signed(at.0));
    let customer = customer.as_ref().map(CustomerId::as_str);
    let replace = "INSERT INTO calls (id, started_at, ended_at, customer, view)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id)
        DO UPDATE SET started_at = $2, ended_at = $3, customer = $4, view = $5";
    let (started_at, view) = (signed(started_at.0), json(view)?);
    tx.execute(replace, &[&id.as_str(), &started_at, &ended_at, &customer, &view]).await?;
    Ok(())
}

pub(super) async fn call(tx: &Tx, call: &CallId) -> Result<Option<CallRecord>, RecordsError> {
    let select = "SELECT started_at, ended_at, customer, view FROM calls WHERE id = $1";
    let Some(row) = tx.row(select, &[&call.as_str()]).await? else { return Ok(None) };
    Ok(Some(CallRecord {
        id: call.clone(),
        started_at: time(column(&row, "started_at")?),
        ended_at: column::<Option<i64>>(&row, "ended_at")?.map(time),
        customer: column::<Option<String>>(&row, "customer")?.map(id).transpose()?,
        view: from_json(&column::<String>(&row, "view")?, &format!("call {call}"))?,
    }))
}

/// Appends what an account's change means for the chain, in the transaction of the change.
pub(super) fn note(
    tx: &mut Tx,
    at: Timestamp,
    what: &str,
    call: Option<&CallId>,
    customer: &CustomerId,
    body: Value,
) {
    let (call, customer) = (call.cloned(), Some(customer.clone()));
    tx.note(AuditEntry { at, actor: SYSTEM.into(), what: what.into(), call, customer, body });
}

/// Locks the end of the chain and appends lines to it: the last thing before a commit.
pub(super) async fn append(tx: &Tx, entries: Vec<AuditEntry>) -> Result<(), RecordsError> {
    if entries.is_empty() {
        return Ok(());
    }
    let (mut head, mut persons) = ends(tx, &entries).await?;
    add_persons(tx, &entries, &mut persons).await?;
    let (mut numbers, mut texts, mut hashes) = (vec![], vec![], vec![]);
    for entry in entries {
        let person = entry.customer.as_ref().and_then(|customer| persons.get(customer.as_str()));
        let line = subjects::append(head, entry, person)?;
        head = Head { number: line.number, hash: line.hash };
        numbers.push(signed(line.number));
        texts.push(line.text());
        hashes.push(line.hash.0.to_vec());
    }
    let insert = "WITH head AS (UPDATE audit_head SET number = $4, hash = $5)
                  INSERT INTO audit SELECT number, entry::json, hash
                  FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS line (number, entry, hash)";
    let (number, hash) = (signed(head.number), head.hash.0.to_vec());
    tx.execute(insert, &[&numbers, &texts, &hashes, &number, &hash]).await?;
    Ok(())
}

/// Whom lines are about, by customer.
type Persons = BTreeMap<String, Person>;

/// Where the chain ends, locked, and those whom lines are about already: in one question.
async fn ends(tx: &Tx, entries: &[AuditEntry]) -> Result<(Head, Persons), RecordsError> {
    let select = "SELECT h.number, h.hash, s.customer, s.subject, s.key FROM audit_head h
                  LEFT JOIN subjects s ON s.customer = ANY($1) FOR UPDATE OF h";
    let rows = tx.rows(select, &[&customers(entries)]).await?;
    let first = rows.first();
    let first = first.ok_or_else(|| RecordsError::Corrupt("end of the audit chain".into()))?;
    let mut persons = Persons::new();
    for row in &rows {
        take_person(row, &mut persons)?;
    }
    Ok((end(first)?, persons))
}

/// Those whom no line was about before. Made while the end of the chain is locked: one node at a time.
async fn add_persons(
    tx: &Tx,
    entries: &[AuditEntry],
    persons: &mut Persons,
) -> Result<(), RecordsError> {
    let mut new = customers(entries);
    new.retain(|customer| !persons.contains_key(*customer));
    if new.is_empty() {
        return Ok(());
    }
    let made: Vec<_> = new.iter().map(|_| Person::new()).collect();
    let subjects: Vec<_> = made.iter().map(Person::subject).collect();
    let keys: Vec<_> = made.iter().map(Person::key).collect();
    let insert = "INSERT INTO subjects (customer, subject, key)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT (customer) DO NOTHING";
    tx.execute(insert, &[&new, &subjects, &keys]).await?;
    // Another node may have made one after we asked, and before we held the end of the chain.
    let select = "SELECT customer, subject, key FROM subjects WHERE customer = ANY($1)";
    for row in tx.rows(select, &[&new]).await? {
        take_person(&row, persons)?;
    }
    Ok(())
}

/// Each once.
fn customers(entries: &[AuditEntry]) -> Vec<&str> {
    let customers = entries.iter().filter_map(|entry| entry.customer.as_ref());
    let customers: BTreeSet<_> = customers.map(CustomerId::as_str).collect();
    customers.into_iter().collect()
}

fn take_person(row: &Row, persons: &mut Persons) -> Result<(), RecordsError> {
    if let Some(customer) = column::<Option<String>>(row, "customer")? {
        let person = Person::stored(column(row, "subject")?, column(row, "key")?)?;
        persons.insert(customer, person);
    }
    Ok(())
}

/// Where the chain ends.
pub(super) async fn head(tx: &Tx) -> Result<Head, RecordsError> {
    let head = tx.row("SELECT number, hash FROM audit_head", &[]).await?;
    end(&head.ok_or_else(|| RecordsError::Corrupt("end of the audit chain".into()))?)
}

fn end(row: &Row) -> Result<Head, RecordsError> {
    Ok(Head {
        number: u64::try_from(column::<i64>(row, "number")?).unwrap_or_default(),
        hash: hash(column(row, "hash")?)?,
    })
}

/// Lines with the key of whom they are about.
const LINES: &str = "SELECT a.number, a.entry::text AS entry, a.hash, s.key FROM audit a
    LEFT JOIN subjects s ON s.subject = a.entry ->> 'subject'";

pub(super) async fn audit_of_call(
    tx: &Tx,
    call: &CallId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let select = format!("{LINES} WHERE a.entry ->> 'call' = $1 ORDER BY a.number LIMIT $2");
    tx.rows(&select, &[&call.as_str(), &rows(limit)]).await?.iter().map(line).collect()
}

/// The newest first; also lines from before they were sealed.
pub(super) async fn audit_of_customer(
    tx: &Tx,
    customer: &CustomerId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let mut found = vec![];
    for of in ["s.customer", "a.entry ->> 'customer'"] {
        let select = format!("{LINES} WHERE {of} = $1 ORDER BY a.number DESC LIMIT $2");
        let lines = tx.rows(&select, &[&customer.as_str(), &rows(limit)]).await?;
        found.extend(lines.iter().map(line).collect::<Result<Vec<_>, _>>()?);
    }
    found.truncate(limit);
    Ok(found)
}

pub(super) async fn audit_from(
    tx: &Tx,
    from: u64,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let select = format!("{LINES} WHERE a.number >= $1 ORDER BY a.number LIMIT $2");
    tx.rows(&select, &[&signed(from), &rows(limit)]).await?.iter().map(line).collect()
}

pub(super) async fn audit_stored(
    tx: &Tx,
    from: u64,
    limit: usize,
) -> Result<Vec<Stored>, RecordsError> {
    let select = "SELECT number, entry::text AS entry, hash FROM audit WHERE number >= $1
        ORDER BY number LIMIT $2";
    let stored = |row: &Row| {
        let number = number::<i64, u64>(row, "number")?;
        Ok(Stored { number, text: column(row, "entry")?, hash: hash(column(row, "hash")?)? })
    };
    tx.rows(select, &[&signed(from), &rows(limit)]).await?.iter().map(stored).collect()
}

fn line(row: &Row) -> Result<Chained, RecordsError> {
    let number = number::<i64, u64>(row, "number")?;
    let (text, hash) = (column::<String>(row, "entry")?, hash(column(row, "hash")?)?);
    subjects::read(number, &text, hash, column(row, "key")?)
}

fn hash(stored: Vec<u8>) -> Result<AuditHash, RecordsError> {
    let corrupt = |_| RecordsError::Corrupt("hash of an audit line".into());
    stored.try_into().map(AuditHash).map_err(corrupt)
}
