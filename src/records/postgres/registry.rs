//! The small registries: marks, archived profiles, letter codes, call-back references.

use serde_json::json;

use crate::follow_up::Mark;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::follow_ups::ArchivedProfile;
use crate::records::follow_ups::CodePair;
use crate::records::follow_ups::Marking;
use crate::records::follow_ups::PendingContact;
use crate::records::follow_ups::Registry;
use crate::records::machine::DRAWS;
use crate::records::machine::registry_word as word;
use crate::records::machine::six_digits;
use crate::records::postgres::db::Param;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::jobs;
use crate::records::postgres::journal;
use crate::records::stored::id;
use crate::records::stored::rows;
use crate::records::stored::signed;

/// References that have run out, taken away at a time.
const SWEPT: usize = 100;

pub(super) async fn put_mark(
    tx: &mut Tx,
    registry: Registry,
    call: &CallId,
    customer: &CustomerId,
    mark: Mark,
    at: Timestamp,
) -> Result<Marking, RecordsError> {
    jobs::lock(tx, customer).await?;
    if let Some(before) = self::mark(tx, registry, call).await? {
        return replace(tx, (registry, call, customer), before, mark, at).await;
    }
    let known = tx.row("SELECT id FROM customers WHERE id = $1", &[&customer.as_str()]).await?;
    known.ok_or(RecordsError::NoSuch("customer"))?;
    let insert = "INSERT INTO marks (registry, call, customer, mark, at)
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let params: [Param<'_>; 5] =
        [&word(registry), &call.as_str(), &customer.as_str(), &mark.label(), &signed(at.0)];
    if tx.execute(insert, &params).await? == 0 {
        // For another customer, so that their account's lock did not keep us apart.
        let before = self::mark(tx, registry, call).await?;
        let before = before.ok_or_else(|| RecordsError::Unavailable("mark: try again".into()))?;
        return replace(tx, (registry, call, customer), before, mark, at).await;
    }
    let body = json!({ "registry": word(registry), "mark": mark });
    journal::note(tx, at, "marked", Some(call), customer, body);
    Ok(Marking::Stored)
}

/// A later result of the same call replaces an earlier one (C65, X31).
async fn replace(
    tx: &mut Tx,
    (registry, call, customer): (Registry, &CallId, &CustomerId),
    before: Mark,
    mark: Mark,
    at: Timestamp,
) -> Result<Marking, RecordsError> {
    if before == mark {
        return Ok(Marking::Stored);
    }
    let update =
        "UPDATE marks SET mark = $3, at = $4 WHERE registry = $1 AND call = $2 AND at < $4";
    let params: [Param<'_>; 4] = [&word(registry), &call.as_str(), &mark.label(), &signed(at.0)];
    if tx.execute(update, &params).await? == 0 {
        return Ok(Marking::Conflict(before));
    }
    let body = json!({ "registry": word(registry), "mark": mark, "before": before });
    journal::note(tx, at, "marked", Some(call), customer, body);
    Ok(Marking::Stored)
}

pub(super) async fn mark(
    tx: &Tx,
    registry: Registry,
    call: &CallId,
) -> Result<Option<Mark>, RecordsError> {
    let select = "SELECT mark FROM marks WHERE registry = $1 AND call = $2";
    let Some(found) = tx.row(select, &[&word(registry), &call.as_str()]).await? else {
        return Ok(None);
    };
    let corrupt = || RecordsError::Corrupt(format!("mark of {call}"));
    Mark::from_label(&column::<String>(&found, "mark")?).map(Some).ok_or_else(corrupt)
}

pub(super) async fn archive_profile(
    tx: &Tx,
    hash: &str,
    name: &str,
    text: &str,
) -> Result<(), RecordsError> {
    let insert =
        "INSERT INTO profiles (hash, name, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(insert, &[&hash, &name, &text]).await.map(drop)
}

pub(super) async fn profile(tx: &Tx, hash: &str) -> Result<Option<ArchivedProfile>, RecordsError> {
    let found = tx.row("SELECT name, text FROM profiles WHERE hash = $1", &[&hash]).await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(ArchivedProfile { name: column(&row, "name")?, text: column(&row, "text")? }))
}

/// The codes lie here as they are: they are spoken, so they cannot be hashed.
pub(super) async fn issue_codes(
    tx: &mut Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<CodePair, RecordsError> {
    let (ours, theirs) = (six_digits(), six_digits());
    let replace =
        "INSERT INTO letter_codes (customer, ours, theirs, issued) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (customer) DO UPDATE SET ours = $2, theirs = $3, issued = $4";
    tx.execute(replace, &[&customer.as_str(), &ours, &theirs, &signed(now.0)]).await?;
    journal::note(tx, now, "letter_codes_issued", None, customer, json!({}));
    Ok(CodePair { ours: SecretText::new(ours), theirs: SecretText::new(theirs) })
}

pub(super) async fn take_codes(
    tx: &mut Tx,
    customer: &CustomerId,
    call: &CallId,
    now: Timestamp,
) -> Result<Option<CodePair>, RecordsError> {
    let delete = "DELETE FROM letter_codes WHERE customer = $1 RETURNING ours, theirs";
    let Some(found) = tx.row(delete, &[&customer.as_str()]).await? else { return Ok(None) };
    journal::note(tx, now, "letter_codes_taken", Some(call), customer, json!({}));
    let (ours, theirs) = (column(&found, "ours")?, column(&found, "theirs")?);
    Ok(Some(CodePair { ours: SecretText::new(ours), theirs: SecretText::new(theirs) }))
}

pub(super) async fn refer(
    tx: &mut Tx,
    customer: &CustomerId,
    call: &CallId,
    now: Timestamp,
    until: Timestamp,
) -> Result<String, RecordsError> {
    let sweep = "DELETE FROM call_references WHERE reference IN (
            SELECT reference FROM call_references WHERE expires <= $1
            LIMIT $2 FOR UPDATE SKIP LOCKED
        )";
    tx.execute(sweep, &[&signed(now.0), &rows(SWEPT)]).await?;
    // One call has one reference; a newer one voids it.
    tx.execute("DELETE FROM call_references WHERE call = $1", &[&call.as_str()]).await?;
    let insert = "INSERT INTO call_references (reference, customer, call, expires)
                  SELECT $1, $2, $3, $4
                  WHERE NOT EXISTS (SELECT 1 FROM customers WHERE keypad_id = $1)
                  ON CONFLICT DO NOTHING";
    for _ in 0..DRAWS {
        let reference = six_digits();
        let params: [Param<'_>; 4] =
            [&reference, &customer.as_str(), &call.as_str(), &signed(until.0)];
        if tx.execute(insert, &params).await? > 0 {
            journal::note(tx, now, "call_back_reference_issued", Some(call), customer, json!({}));
            return Ok(reference);
        }
    }
    Err(RecordsError::Unavailable("all call-back references are taken".into()))
}

pub(super) async fn redeem(
    tx: &mut Tx,
    reference: &str,
    now: Timestamp,
) -> Result<Option<PendingContact>, RecordsError> {
    let delete = "DELETE FROM call_references WHERE reference = $1 AND expires > $2
                  RETURNING customer, call";
    let found = tx.row(delete, &[&reference, &signed(now.0)]).await?;
    let Some(found) = found else { return Ok(None) };
    let (customer, call) = (id(column(&found, "customer")?)?, id(column(&found, "call")?)?);
    let contact = PendingContact { customer, call };
    let (call, customer) = (Some(&contact.call), &contact.customer);
    journal::note(tx, now, "call_back_reference_redeemed", call, customer, json!({}));
    Ok(Some(contact))
}
