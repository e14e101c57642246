//! Past calls, the audit chain and the probe.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Rows;
use serde_json::Value;

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

pub(super) fn probe(db: &Connection) -> Result<(), RecordsError> {
    db.prepare_cached("UPDATE probes SET count = count + 1")?.execute(())?;
    Ok(())
}

pub(super) fn probed(db: &Connection) -> Result<(), RecordsError> {
    let count: i64 =
        db.prepare_cached("SELECT count FROM probes")?.query_row((), |row| row.get(0))?;
    if count > 0 { Ok(()) } else { Err(RecordsError::Corrupt("probe".into())) }
}

pub(super) fn save_call(db: &Connection, call: &CallRecord) -> Result<(), RecordsError> {
    let CallRecord { id, started_at, ended_at, customer, view } = call;
    let ended_at = ended_at.map(|at| signed(at.0));
    let customer = customer.as_ref().map(CustomerId::as_str);
    db.prepare_cached("INSERT OR REPLACE INTO calls VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        id.as_str(),
        signed(started_at.0),
        ended_at,
        customer,
        json(view)?,
    ))?;
    Ok(())
}

pub(super) fn call(db: &Connection, call: &CallId) -> Result<Option<CallRecord>, RecordsError> {
    let mut select =
        db.prepare_cached("SELECT started_at, ended_at, customer, view FROM calls WHERE id = ?1")?;
    let found = select.query_row([call.as_str()], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, Option<i64>>(1)?,
            row.get::<_, Option<String>>(2)?,
            row.get::<_, String>(3)?,
        ))
    });
    let Some((started_at, ended_at, customer, view)) = found.optional()? else { return Ok(None) };
    Ok(Some(CallRecord {
        id: call.clone(),
        started_at: time(started_at),
        ended_at: ended_at.map(time),
        customer: customer.map(id).transpose()?,
        view: from_json(&view, &format!("call {call}"))?,
    }))
}

/// Appends what an account's change means for the chain, in the transaction of the change.
pub(super) fn note(
    db: &Connection,
    at: Timestamp,
    what: &str,
    call: Option<&CallId>,
    customer: &CustomerId,
    body: Value,
) -> Result<(), RecordsError> {
    let (call, customer) = (call.cloned(), Some(customer.clone()));
    append(db, AuditEntry { at, actor: SYSTEM.into(), what: what.into(), call, customer, body })
}

pub(super) fn append(db: &Connection, entry: AuditEntry) -> Result<(), RecordsError> {
    let person = match &entry.customer {
        Some(customer) => Some(person(db, customer)?),
        None => None,
    };
    let line = subjects::append(head(db)?, entry, person.as_ref())?;
    let mut insert = db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3)")?;
    insert.execute((signed(line.number), line.text(), line.hash.0))?;
    Ok(())
}

/// Where the chain ends.
pub(super) fn head(db: &Connection) -> Result<Head, RecordsError> {
    let mut last =
        db.prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")?;
    let head = last.query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)));
    Ok(head.optional()?.map_or_else(Head::default, |(number, hash)| Head {
        number: u64::try_from(number).unwrap_or_default(),
        hash: AuditHash(hash),
    }))
}

/// The person behind a customer; made for the first line about them.
fn person(db: &Connection, customer: &CustomerId) -> Result<Person, RecordsError> {
    let mut select = db.prepare_cached("SELECT subject, key FROM subjects WHERE customer = ?1")?;
    let known = select.query_row([customer.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
    if let Some((subject, key)) = known.optional()? {
        return Person::stored(subject, key);
    }
    let person = Person::new();
    let mut insert = db.prepare_cached("INSERT INTO subjects VALUES (?1, ?2, ?3)")?;
    insert.execute((customer.as_str(), person.subject(), person.key()))?;
    Ok(person)
}

/// Lines with the key of whom they are about.
const LINES: &str = "SELECT a.number, a.entry, a.hash, s.key FROM audit a
    LEFT JOIN subjects s ON s.subject = json_extract(a.entry, '$.subject')";

pub(super) fn audit_of_call(
    db: &Connection,
    call: &CallId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let mut select = db.prepare_cached(&format!(
        "{LINES} WHERE json_extract(a.entry, '$.call') = ?1 ORDER BY a.number LIMIT ?2"
    ))?;
    lines(&mut select.query((call.as_str(), rows(limit)))?)
}

/// The newest first; also lines from before they were sealed.
pub(super) fn audit_of_customer(
    db: &Connection,
    customer: &CustomerId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let (customer, rows) = (customer.as_str(), rows(limit));
    let of = |found: &str| -> Result<Vec<Chained>, RecordsError> {
        let select = format!("{LINES} WHERE {found} = ?1 ORDER BY a.number DESC LIMIT ?2");
        let mut select = db.prepare_cached(&select)?;
        lines(&mut select.query((customer, rows))?)
    };
    let mut found = of("s.customer")?;
    found.append(&mut of("json_extract(a.entry, '$.customer')")?);
    found.truncate(limit);
    Ok(found)
}

pub(super) fn audit_from(
    db: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let mut select =
        db.prepare_cached(&format!("{LINES} WHERE a.number >= ?1 ORDER BY a.number LIMIT ?2"))?;
    lines(&mut select.query((signed(from), rows(limit)))?)
}

pub(super) fn audit_stored(
    db: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<Stored>, RecordsError> {
    let select =
        "SELECT number, entry, hash FROM audit WHERE number >= ?1 ORDER BY number LIMIT ?2";
    let mut select = db.prepare_cached(select)?;
    let mut found = select.query((signed(from), rows(limit)))?;
    let mut lines = vec![];
    while let Some(row) = found.next()? {
        let number = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        lines.push(Stored { number, text: row.get(1)?, hash: AuditHash(row.get(2)?) });
    }
    Ok(lines)
}

fn lines(found: &mut Rows<'_>) -> Result<Vec<Chained>, RecordsError> {
    let mut lines = vec![];
    while let Some(row) = found.next()? {
        let number = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        let (text, hash) = (row.get::<_, String>(1)?, AuditHash(row.get(2)?));
        lines.push(subjects::read(number, &text, hash, row.get(3)?)?);
    }
    Ok(lines)
}
