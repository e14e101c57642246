//! Changes to an account that are no entry and no end of a call: resets, unblocks, what was asked
//! and what was disclosed.

use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::RecordsError;
use crate::records::machine::Order;
use crate::records::machine::after;
use crate::records::machine::apply;
use crate::records::sqlite::accounts;
use crate::records::sqlite::jobs;
use crate::records::sqlite::journal;
use crate::records::sqlite::pin_files;

pub(super) fn reset(db: &Connection, order: &Order) -> Result<AccountAfter, RecordsError> {
    let mut account = load(db, &order.customer)?;
    if let Some(call) = &order.call
        && !jobs::first(db, call, "reset", &order.customer, order.at)?
    {
        return Ok(after(&account));
    }
    apply(&mut account, AccountEvent::SecurityReset, order.at);
    accounts::store(db, &order.customer, &account)?;
    db.prepare_cached(
        "UPDATE secrets SET pin_version = NULL, salt = NULL, pepper_id = NULL, memory_kib = NULL,
         iterations = NULL, nonce = NULL, pair_table = NULL, password = NULL WHERE customer = ?1",
    )?
    .execute([order.customer.as_str()])?;
    pin_files::forget(db, &order.customer, order.at)?;
    note(db, order, "security_reset", json!({ "reason": order.reason }))?;
    if account.blocked { unblock(db, order) } else { Ok(after(&account)) }
}

pub(super) fn unblock(db: &Connection, order: &Order) -> Result<AccountAfter, RecordsError> {
    let mut account = load(db, &order.customer)?;
    let was_blocked = account.blocked;
    apply(&mut account, AccountEvent::Unblocked, order.at);
    accounts::store(db, &order.customer, &account)?;
    if was_blocked {
        note(db, order, "account_unblocked", json!({ "reason": order.reason }))?;
    }
    jobs::unblocked(db, &order.customer, &order.by, order.at)?;
    Ok(after(&account))
}

pub(super) fn asked(
    db: &Connection,
    customer: &CustomerId,
    call: CallId,
    keys: Vec<FactKey>,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let mut account = load(db, customer)?;
    let body = json!({ "questions": keys });
    journal::note(db, now, "questions_asked", Some(&call), customer, body)?;
    apply(&mut account, AccountEvent::Asked { call, keys }, now);
    accounts::store(db, customer, &account)
}

pub(super) fn disclosed(
    db: &Connection,
    customer: &CustomerId,
    key: FactKey,
    by: &str,
    call: CallId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let mut account = load(db, customer)?;
    let order = Order::new(customer, by, "", Some(&call), now);
    note(db, &order, "datum_disclosed", json!({ "datum": key }))?;
    apply(&mut account, AccountEvent::Disclosed(key), now);
    accounts::store(db, customer, &account)
}

fn load(db: &Connection, customer: &CustomerId) -> Result<Account, RecordsError> {
    accounts::load(db, customer)?.ok_or(RecordsError::NoSuch("account"))
}

fn note(db: &Connection, order: &Order, what: &str, body: Value) -> Result<(), RecordsError> {
    journal::append(db, order.entry(what, body))
}
