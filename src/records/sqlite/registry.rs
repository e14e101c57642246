//! The small registries: marks, archived profiles, events seen, letter codes, call-back references.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
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
use crate::records::sqlite::journal;
use crate::records::stored::id;
use crate::records::stored::signed;

pub(super) fn put_mark(
    db: &Connection,
    registry: Registry,
    call: &CallId,
    customer: &CustomerId,
    mark: Mark,
    at: Timestamp,
) -> Result<Marking, RecordsError> {
    if let Some(before) = self::mark(db, registry, call)? {
        if before == mark {
            return Ok(Marking::Stored);
        }
        // A later result of the same call replaces an earlier one (C65, X31).
        let mut update = db.prepare_cached(
            "UPDATE marks SET mark = ?3, at = ?4 WHERE registry = ?1 AND call = ?2 AND at < ?4",
        )?;
        let changed =
            update.execute((word(registry), call.as_str(), mark.label(), signed(at.0)))?;
        if changed == 0 {
            return Ok(Marking::Conflict(before));
        }
        let body = json!({ "registry": word(registry), "mark": mark, "before": before });
        journal::note(db, at, "marked", Some(call), customer, body)?;
        return Ok(Marking::Stored);
    }
    let mut known = db.prepare_cached("SELECT 1 FROM customers WHERE id = ?1")?;
    if !known.exists([customer.as_str()])? {
        return Err(RecordsError::NoSuch("customer"));
    }
    db.prepare_cached("INSERT INTO marks VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        word(registry),
        call.as_str(),
        customer.as_str(),
        mark.label(),
        signed(at.0),
    ))?;
    let body = json!({ "registry": word(registry), "mark": mark });
    journal::note(db, at, "marked", Some(call), customer, body)?;
    Ok(Marking::Stored)
}

pub(super) fn mark(
    db: &Connection,
    registry: Registry,
    call: &CallId,
) -> Result<Option<Mark>, RecordsError> {
    let mut select =
        db.prepare_cached("SELECT mark FROM marks WHERE registry = ?1 AND call = ?2")?;
    let found = select.query_row((word(registry), call.as_str()), |row| row.get::<_, String>(0));
    let Some(label) = found.optional()? else { return Ok(None) };
    let corrupt = || RecordsError::Corrupt(format!("mark of {call}"));
    Mark::from_label(&label).map(Some).ok_or_else(corrupt)
}

pub(super) fn archive_profile(
    db: &Connection,
    hash: &str,
    name: &str,
    text: &str,
) -> Result<(), RecordsError> {
    db.prepare_cached("INSERT OR IGNORE INTO profiles VALUES (?1, ?2, ?3)")?
        .execute((hash, name, text))?;
    Ok(())
}

pub(super) fn profile(
    db: &Connection,
    hash: &str,
) -> Result<Option<ArchivedProfile>, RecordsError> {
    let mut select = db.prepare_cached("SELECT name, text FROM profiles WHERE hash = ?1")?;
    let found = select
        .query_row([hash], |row| Ok(ArchivedProfile { name: row.get(0)?, text: row.get(1)? }));
    Ok(found.optional()?)
}

/// The codes lie here as they are: they are spoken, so they cannot be hashed. The file is its owner's alone.
pub(super) fn issue_codes(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<CodePair, RecordsError> {
    let (ours, theirs) = (six_digits(), six_digits());
    let mut replace =
        db.prepare_cached("INSERT OR REPLACE INTO letter_codes VALUES (?1, ?2, ?3, ?4)")?;
    replace.execute((customer.as_str(), &ours, &theirs, signed(now.0)))?;
    journal::note(db, now, "letter_codes_issued", None, customer, json!({}))?;
    Ok(CodePair { ours: SecretText::new(ours), theirs: SecretText::new(theirs) })
}

pub(super) fn take_codes(
    db: &Connection,
    customer: &CustomerId,
    call: &CallId,
    now: Timestamp,
) -> Result<Option<CodePair>, RecordsError> {
    let mut delete =
        db.prepare_cached("DELETE FROM letter_codes WHERE customer = ?1 RETURNING ours, theirs")?;
    let found = delete.query_row([customer.as_str()], |row| {
        Ok(CodePair { ours: SecretText::new(row.get(0)?), theirs: SecretText::new(row.get(1)?) })
    });
    let found = found.optional()?;
    if found.is_some() {
        journal::note(db, now, "letter_codes_taken", Some(call), customer, json!({}))?;
    }
    Ok(found)
}

pub(super) fn refer(
    db: &Connection,
    customer: &CustomerId,
    call: &CallId,
    now: Timestamp,
    until: Timestamp,
) -> Result<String, RecordsError> {
    db.prepare_cached("DELETE FROM call_references WHERE expires <= ?1")?
        .execute([signed(now.0)])?;
    // One call has one reference; a newer one voids it.
    db.prepare_cached("DELETE FROM call_references WHERE call = ?1")?.execute([call.as_str()])?;
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO call_references VALUES (?1, ?2, ?3, ?4)")?;
    let mut keypad = db.prepare_cached("SELECT 1 FROM customers WHERE keypad_id = ?1")?;
    for _ in 0..DRAWS {
        let reference = six_digits();
        if keypad.exists([&reference])? {
            continue;
        }
        let expires = signed(until.0);
        if insert.execute((&reference, customer.as_str(), call.as_str(), expires))? > 0 {
            journal::note(db, now, "call_back_reference_issued", Some(call), customer, json!({}))?;
            return Ok(reference);
        }
    }
    Err(RecordsError::Unavailable("all call-back references are taken".into()))
}

pub(super) fn redeem(
    db: &Connection,
    reference: &str,
    now: Timestamp,
) -> Result<Option<PendingContact>, RecordsError> {
    let mut delete = db.prepare_cached(
        "DELETE FROM call_references WHERE reference = ?1 AND expires > ?2 RETURNING customer, call",
    )?;
    let found = delete.query_row((reference, signed(now.0)), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    let Some((customer, call)) = found.optional()? else { return Ok(None) };
    let contact = PendingContact { customer: id(customer)?, call: id(call)? };
    let (call, customer) = (Some(&contact.call), &contact.customer);
    journal::note(db, now, "call_back_reference_redeemed", call, customer, json!({}))?;
    Ok(Some(contact))
}
