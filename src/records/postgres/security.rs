//! Changes to an account that are no entry and no end of a call: resets, unblocks, what was asked
//! and what was disclosed.

use serde_json::json;

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
use crate::records::postgres::accounts;
use crate::records::postgres::db::Tx;
use crate::records::postgres::jobs;
use crate::records::postgres::journal;
use crate::records::postgres::pin_files;

pub(super) async fn reset(tx: &mut Tx, order: &Order) -> Result<AccountAfter, RecordsError> {
    let mut account = accounts::lock(tx, &order.customer).await?;
    if let Some(call) = &order.call
        && !jobs::first(tx, call, "reset", &order.customer, order.at).await?
    {
        return Ok(after(&account));
    }
    apply(&mut account, AccountEvent::SecurityReset, order.at);
    accounts::store(tx, &order.customer, &account).await?;
    let update =
        "UPDATE secrets SET pin_version = NULL, salt = NULL, pepper_id = NULL, memory_kib = NULL,
         iterations = NULL, nonce = NULL, pair_table = NULL, password = NULL WHERE customer = $1";
    tx.execute(update, &[&order.customer.as_str()]).await?;
    pin_files::forget(tx, &order.customer, order.at).await?;
    tx.note(order.entry("security_reset", json!({ "reason": order.reason })));
    if account.blocked { unblock(tx, order).await } else { Ok(after(&account)) }
}

pub(super) async fn unblock(tx: &mut Tx, order: &Order) -> Result<AccountAfter, RecordsError> {
    let mut account = accounts::lock(tx, &order.customer).await?;
    let was_blocked = account.blocked;
    apply(&mut account, AccountEvent::Unblocked, order.at);
    accounts::store(tx, &order.customer, &account).await?;
    if was_blocked {
        tx.note(order.entry("account_unblocked", json!({ "reason": order.reason })));
    }
    jobs::unblocked(tx, &order.customer, &order.by, order.at).await?;
    Ok(after(&account))
}

pub(super) async fn asked(
    tx: &mut Tx,
    customer: &CustomerId,
    call: &CallId,
    keys: &[FactKey],
    now: Timestamp,
) -> Result<(), RecordsError> {
    let mut account = accounts::lock(tx, customer).await?;
    journal::note(tx, now, "questions_asked", Some(call), customer, json!({ "questions": keys }));
    let (call, keys) = (call.clone(), keys.to_vec());
    apply(&mut account, AccountEvent::Asked { call, keys }, now);
    accounts::store(tx, customer, &account).await
}

pub(super) async fn disclosed(
    tx: &mut Tx,
    order: &Order,
    key: &FactKey,
) -> Result<(), RecordsError> {
    let mut account = accounts::lock(tx, &order.customer).await?;
    tx.note(order.entry("datum_disclosed", json!({ "datum": key })));
    apply(&mut account, AccountEvent::Disclosed(key.clone()), order.at);
    accounts::store(tx, &order.customer, &account).await
}
