//! Erasure of a person, and of what is left of them in unused parts of the file.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use serde_json::json;

use crate::model::ids::CustomerId;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::machine::erasure;
use crate::records::pins::By;
use crate::records::sqlite::journal;
use crate::records::stored::json;

/// A file of this size is written anew after every erasure: that takes a fraction of a second.
const SMALL_BYTES: i64 = 64 << 20;

/// Calls that are about the person, or about somebody who speaks for them and names them.
const CALLS: &str = "UPDATE calls SET customer = NULL, view = ?2 WHERE customer = ?1 OR id IN (
        SELECT call FROM attempts WHERE customer = ?1
        UNION SELECT call FROM call_results WHERE customer = ?1
        UNION SELECT call FROM occasions WHERE customer = ?1
        UNION SELECT call FROM jobs WHERE customer = ?1
        UNION SELECT call FROM marks WHERE customer = ?1
        UNION SELECT call FROM call_references WHERE customer = ?1
        UNION SELECT json_extract(entry, '$.call') FROM audit
            WHERE json_extract(entry, '$.subject') = ?3
        UNION SELECT calls.id FROM calls JOIN customers ON customers.id = calls.customer
            WHERE EXISTS (SELECT 1 FROM json_each(customers.represents) WHERE value = ?1)
            AND EXISTS (SELECT 1 FROM json_tree(calls.view) WHERE atom = ?1))";

const ITEMS: &str =
    "DELETE FROM outbox WHERE EXISTS (SELECT 1 FROM json_tree(payload) WHERE atom = ?1)";

const REPRESENTED: &str = "UPDATE customers SET represents =
        (SELECT json_group_array(value) FROM json_each(represents) WHERE value <> ?1)
    WHERE represents <> '[]' AND EXISTS (SELECT 1 FROM json_each(represents) WHERE value = ?1)";

/// Removes a person. The rows that hang on the record go with it.
pub(super) fn erase(db: &Connection, customer: &CustomerId, by: &By) -> Result<bool, RecordsError> {
    let id = customer.as_str();
    let subject = "SELECT subject FROM subjects WHERE customer = ?1";
    let subject: Option<String> = db.query_row(subject, [id], |row| row.get(0)).optional()?;
    let known = "SELECT EXISTS (SELECT 1 FROM customers WHERE id = ?1)";
    if subject.is_none() && !db.query_row(known, [id], |row| row.get::<_, bool>(0))? {
        return Ok(false);
    }
    let before = "SELECT count(*) FROM audit WHERE json_extract(entry, '$.customer') = ?1";
    let in_the_clear: i64 = db.query_row(before, [id], |row| row.get(0))?;
    let calls = db.execute(CALLS, (id, json(&audit::erased())?, &subject))?;
    let items = db.execute(ITEMS, [id])?;
    db.execute(REPRESENTED, [id])?;
    for table in ["occasions", "repairs", "subjects"] {
        db.execute(&format!("DELETE FROM {table} WHERE customer = ?1"), [id])?;
    }
    db.execute("DELETE FROM customers WHERE id = ?1", [id])?;
    let body = json!({ "calls": calls, "items": items, "lines_in_the_clear": in_the_clear });
    journal::append(db, erasure(by, subject.as_deref(), body))?;
    Ok(true)
}

/// Takes what was removed out of the log, and a small file's unused parts with it.
pub(super) fn clean(db: &Connection) -> Result<(), RecordsError> {
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let small = db.query_row(size, (), |row| row.get::<_, i64>(0))? <= SMALL_BYTES;
    if small { compact(db) } else { empty_log(db) }
}

/// Writes the file anew: pages that were split may hold copies of rows that moved.
pub(super) fn compact(db: &Connection) -> Result<(), RecordsError> {
    db.execute_batch("VACUUM")?;
    empty_log(db)
}

fn empty_log(db: &Connection) -> Result<(), RecordsError> {
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
    if busy == 0 {
        return Ok(());
    }
    Err(RecordsError::Unavailable(
        "what was removed is gone, and still stands in the file's log, because somebody is reading it: run `countersign records compact`".into(),
    ))
}
