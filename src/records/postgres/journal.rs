//! Past calls, the audit chain and the probe.

use serde_json::Value;

use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::stored::json;
use crate::records::stored::signed;

/// Who acts where no person does.
pub(super) const SYSTEM: &str = "system";

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

pub(super) fn hash(stored: Vec<u8>) -> Result<AuditHash, RecordsError> {
    let corrupt = |_| RecordsError::Corrupt("hash of an audit line".into());
    stored.try_into().map(AuditHash).map_err(corrupt)
}
