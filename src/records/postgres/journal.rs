//! Past calls, the audit chain and the probe.

use serde_json::Value;
use tokio_postgres::Row;

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
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

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
    let head = tx.row("SELECT number, hash FROM audit_head FOR UPDATE", &[]).await?;
    let head = head.ok_or_else(|| RecordsError::Corrupt("end of the audit chain".into()))?;
    let mut head = Head {
        number: u64::try_from(column::<i64>(&head, "number")?).unwrap_or_default(),
        hash: hash(column(&head, "hash")?)?,
    };
    let (mut numbers, mut texts, mut hashes) = (vec![], vec![], vec![]);
    for entry in entries {
        let Chained { number, entry, hash } = audit::append(head, entry);
        head = Head { number, hash };
        numbers.push(signed(number));
        texts.push(json(&entry)?);
        hashes.push(hash.0.to_vec());
    }
    let insert = "WITH head AS (UPDATE audit_head SET number = $4, hash = $5)
                  INSERT INTO audit SELECT number, entry::json, hash
                  FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS line (number, entry, hash)";
    let (number, hash) = (signed(head.number), head.hash.0.to_vec());
    tx.execute(insert, &[&numbers, &texts, &hashes, &number, &hash]).await?;
    Ok(())
}

pub(super) async fn audit_of_call(
    tx: &Tx,
    call: &CallId,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let select = "SELECT number, entry::text AS entry, hash FROM audit WHERE entry ->> 'call' = $1
        ORDER BY number LIMIT $2";
    tx.rows(select, &[&call.as_str(), &rows(limit)]).await?.iter().map(line).collect()
}

pub(super) async fn audit_from(
    tx: &Tx,
    from: u64,
    limit: usize,
) -> Result<Vec<Chained>, RecordsError> {
    let select = "SELECT number, entry::text AS entry, hash FROM audit WHERE number >= $1
        ORDER BY number LIMIT $2";
    tx.rows(select, &[&signed(from), &rows(limit)]).await?.iter().map(line).collect()
}

fn line(row: &Row) -> Result<Chained, RecordsError> {
    let number = number::<i64, u64>(row, "number")?;
    let entry = from_json(&column::<String>(row, "entry")?, &format!("audit line {number}"))?;
    Ok(Chained { number, entry, hash: hash(column(row, "hash")?)? })
}

fn hash(stored: Vec<u8>) -> Result<AuditHash, RecordsError> {
    let corrupt = |_| RecordsError::Corrupt("hash of an audit line".into());
    stored.try_into().map(AuditHash).map_err(corrupt)
}
