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
use crate::records::audit;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

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
    let mut last =
        db.prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")?;
    let head = last.query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)));
    let head = head.optional()?.map_or_else(Head::default, |(number, hash)| Head {
        number: u64::try_from(number).unwrap_or_default(),
        hash: AuditHash(hash),
    });
    let Chained { number, entry, hash } = audit::append(head, entry);
    let mut insert = db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3)")?;
    insert.execute((signed(number), json(&entry)?, hash.0))?;
    Ok(())
}

pub(super) fn audit_of_call(
    db: &Connection,
    call: &CallId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT number, entry, hash FROM audit WHERE json_extract(entry, '$.call') = ?1
         ORDER BY number LIMIT ?2",
    )?;
    lines(&mut select.query((call.as_str(), rows(limit)))?)
}

pub(super) fn audit_from(
    db: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let select =
        "SELECT number, entry, hash FROM audit WHERE number >= ?1 ORDER BY number LIMIT ?2";
    let mut select = db.prepare_cached(select)?;
    lines(&mut select.query((signed(from), rows(limit)))?)
}

fn lines(found: &mut Rows<'_>) -> Result<Vec<Chained>, RecordsError> {
    let mut lines = vec![];
    while let Some(row) = found.next()? {
        let number = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        let entry = from_json(&row.get::<_, String>(1)?, &format!("audit line {number}"))?;
        lines.push(Chained { number, entry, hash: AuditHash(row.get(2)?) });
    }
    Ok(lines)
}
