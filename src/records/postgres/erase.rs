//! Erasure of a person, and of what is left of them in unused parts of the tables.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::model::ids::CustomerId;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::Chained;
use crate::records::machine::erasure;
use crate::records::pins::By;
use crate::records::postgres::PostgresRecords;
use crate::records::postgres::db::Db;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::journal;
use crate::records::stored::json;

/// How long the tables may take after an erasure, and when they are written anew.
const VACUUM_MAX: Duration = Duration::from_mins(10);
const COMPACT_MAX: Duration = Duration::from_hours(4);

/// Looking through all calls and items takes longer than a statement of a call may.
const PATIENCE: &str = "SET LOCAL statement_timeout = '100s'";

/// Whatever a person's data lies in.
const TABLES: &str = "customers, numbers, facts, secrets, accounts, attempts, call_results, calls, \
    occasions, jobs, outbox, deliveries, marks, letter_codes, call_references, initial_pins, \
    pin_files, pin_links, repairs, subjects";

/// Calls that are about the person, or about somebody who speaks for them and names them.
const CALLS: &str = "UPDATE calls SET customer = NULL, view = $2 WHERE customer = $1 OR id IN (
        SELECT call FROM attempts WHERE customer = $1
        UNION SELECT call FROM call_results WHERE customer = $1
        UNION SELECT call FROM occasions WHERE customer = $1
        UNION SELECT call FROM jobs WHERE customer = $1
        UNION SELECT call FROM marks WHERE customer = $1
        UNION SELECT call FROM call_references WHERE customer = $1
        UNION SELECT entry ->> 'call' FROM audit WHERE entry ->> 'subject' = $3
        UNION SELECT calls.id FROM calls JOIN customers ON customers.id = calls.customer
            WHERE customers.represents::jsonb ? $1::text
            AND strpos(calls.view, to_json($1::text)::text) > 0)";

const ITEMS: &str = "DELETE FROM outbox WHERE strpos(payload, to_json($1::text)::text) > 0";

const REPRESENTED: &str = "UPDATE customers SET represents = (represents::jsonb - $1::text)::text
    WHERE represents <> '[]' AND represents::jsonb ? $1::text";

impl PostgresRecords {
    /// The newest audit lines of a customer.
    pub(super) async fn history(
        &self,
        customer: &CustomerId,
        limit: usize,
    ) -> Result<Vec<Chained>, RecordsError> {
        let of = customer.clone();
        self.db.read(async move |tx| journal::audit_of_customer(tx, &of, limit).await).await
    }

    /// Removes a person, and frees what they took.
    pub(super) async fn erase_person(
        &self,
        customer: &CustomerId,
        by: By,
    ) -> Result<bool, RecordsError> {
        let of = customer.clone();
        let work = self.db.write_much(async move |tx| erase(tx, &of, &by).await);
        let erased = self.kept(work).await?;
        if erased {
            clean(&self.db).await?;
        }
        Ok(erased)
    }
}

/// Removes a person. The rows that hang on the record go with it.
async fn erase(tx: &mut Tx, customer: &CustomerId, by: &By) -> Result<bool, RecordsError> {
    tx.script(PATIENCE).await?;
    let id = customer.as_str();
    // As everywhere: the account's row first.
    tx.row("SELECT 1 FROM accounts WHERE customer = $1 FOR UPDATE", &[&id]).await?;
    let known = tx.row("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", &[&id]).await?.is_some();
    let subject = tx.row("SELECT subject FROM subjects WHERE customer = $1", &[&id]).await?;
    let subject: Option<String> = subject.map(|row| column(&row, "subject")).transpose()?;
    if subject.is_none() && !known {
        return Ok(false);
    }
    let before = "SELECT count(*) AS lines FROM audit WHERE entry ->> 'customer' = $1";
    let in_the_clear = tx.row(before, &[&id]).await?;
    let in_the_clear: Option<i64> = in_the_clear.map(|row| column(&row, "lines")).transpose()?;
    let view = json(&audit::erased())?;
    let calls = tx.execute(CALLS, &[&id, &view, &subject]).await?;
    let items = tx.execute(ITEMS, &[&id]).await?;
    tx.execute(REPRESENTED, &[&id]).await?;
    for table in ["occasions", "repairs", "subjects"] {
        tx.execute(&format!("DELETE FROM {table} WHERE customer = $1"), &[&id]).await?;
    }
    tx.execute("DELETE FROM customers WHERE id = $1", &[&id]).await?;
    let body = json!({ "calls": calls, "items": items, "lines_in_the_clear": in_the_clear });
    tx.note(erasure(by, subject.as_deref(), body));
    Ok(true)
}

/// Frees the rows that were removed.
async fn clean(db: &Db) -> Result<(), RecordsError> {
    vacuum(db, &format!("VACUUM {TABLES}"), VACUUM_MAX).await
}

/// Writes the tables anew: nothing of a removed row is left in their files.
pub(super) async fn compact(db: &Db) -> Result<(), RecordsError> {
    vacuum(db, &format!("VACUUM (FULL) {TABLES}"), COMPACT_MAX).await
}

async fn vacuum(db: &Db, statement: &str, limit: Duration) -> Result<(), RecordsError> {
    let client = db.taken().await?;
    let work = async {
        // Each by itself: a vacuum is no part of a transaction.
        client.batch_execute("SET statement_timeout = 0").await?;
        client.batch_execute("SET lock_timeout = 0").await?;
        client.batch_execute(statement).await
    };
    let late = |_| RecordsError::Unavailable("the tables could not be vacuumed in time".into());
    Ok(timeout(limit, work).await.map_err(late)??)
}
