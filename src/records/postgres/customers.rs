//! Customers, their numbers and answers, and the sealed secrets beside them.

use std::collections::BTreeMap;

use serde_json::json;
use tokio_postgres::Row;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::account::BlockRule;
use crate::model::customer::Customer;
use crate::model::customer::NumberOnFile;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::number::PhoneNumber;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::records::CustomerLine;
use crate::records::Enrolment;
use crate::records::Imported;
use crate::records::RecordsError;
use crate::records::machine::Order;
use crate::records::pin_machine;
use crate::records::pin_machine::Address;
use crate::records::postgres::accounts;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::postgres::journal;
use crate::records::postgres::pin_files;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::same;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) async fn with_number(
    tx: &Tx,
    number: &PhoneNumber,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let select =
        "SELECT DISTINCT customer FROM numbers WHERE number = $1 ORDER BY customer LIMIT $2";
    let found = tx.rows(select, &[&number.as_e164(), &rows(limit)]).await?;
    found.iter().map(|row| id(column(row, "customer")?)).collect()
}

/// Nobody, if two customers share the keypad id: better to know nobody than the wrong one.
pub(super) async fn by_keypad(
    tx: &Tx,
    keypad_id: &str,
) -> Result<Option<CustomerId>, RecordsError> {
    let select = "SELECT id FROM customers WHERE keypad_id = $1 LIMIT 2";
    match tx.rows(select, &[&keypad_id]).await?.as_slice() {
        [only] => Ok(Some(id(column(only, "id")?)?)),
        _ => Ok(None),
    }
}

pub(super) async fn list(
    tx: &Tx,
    after: &str,
    limit: usize,
) -> Result<Vec<CustomerLine>, RecordsError> {
    let select = "SELECT id, name, pin_version > 0 AND enabled AS has_pin, blocked, reset_required
        FROM customers JOIN accounts ON customer = id WHERE id > $1 ORDER BY id LIMIT $2";
    let found = tx.rows(select, &[&after, &rows(limit)]).await?;
    let line = |row: &Row| {
        let (blocked, reset_required) = (column(row, "blocked")?, column(row, "reset_required")?);
        let standing = Account { blocked, reset_required, ..Account::default() }.standing();
        let (id, name) = (id(column(row, "id")?)?, column(row, "name")?);
        Ok(CustomerLine { id, name, has_pin: column(row, "has_pin")?, standing })
    };
    found.iter().map(line).collect()
}

/// A customer with numbers and answers, in one look: nobody sees half of a change.
pub(super) async fn load(tx: &Tx, customer: &CustomerId) -> Result<Option<Customer>, RecordsError> {
    let select = "SELECT keypad_id, name, role, represents, email, language, flags,
        ARRAY(SELECT number FROM numbers WHERE customer = $1 ORDER BY place) AS numbers,
        ARRAY(SELECT since FROM numbers WHERE customer = $1 ORDER BY place) AS since,
        ARRAY(SELECT key FROM facts WHERE customer = $1 ORDER BY key) AS keys,
        ARRAY(SELECT answer FROM facts WHERE customer = $1 ORDER BY key) AS answers
        FROM customers WHERE id = $1";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    found.map(|row| from_row(&row, customer)).transpose()
}

fn from_row(row: &Row, customer: &CustomerId) -> Result<Customer, RecordsError> {
    let record = format!("customer {customer}");
    let role: String = column(row, "role")?;
    Ok(Customer {
        id: customer.clone(),
        keypad_id: column(row, "keypad_id")?,
        name: column(row, "name")?,
        role: match role.as_str() {
            "client" => Role::Client,
            "representative" => Role::Representative,
            _ => return Err(RecordsError::Corrupt(record)),
        },
        represents: from_json(&column::<String>(row, "represents")?, &record)?,
        numbers: numbers(row)?,
        email: column::<Option<String>>(row, "email")?.map(SecretText::new),
        language: column(row, "language")?,
        flags: from_json(&column::<String>(row, "flags")?, &record)?,
        facts: facts(row)?,
    })
}

/// In which language a customer is written to.
pub(super) async fn language(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let select = "SELECT language FROM customers WHERE id = $1";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    Ok(found.map(|row| column(&row, "language")).transpose()?.flatten())
}

fn numbers(row: &Row) -> Result<Vec<NumberOnFile>, RecordsError> {
    let (numbers, since): (Vec<String>, Vec<Option<i64>>) =
        (column(row, "numbers")?, column(row, "since")?);
    let both = numbers.into_iter().zip(since);
    both.map(|(number, since)| {
        Ok(NumberOnFile { number: id::<PhoneNumber>(number)?, since: since.map(time) })
    })
    .collect()
}

fn facts(row: &Row) -> Result<BTreeMap<FactKey, SecretText>, RecordsError> {
    let (keys, answers): (Vec<String>, Vec<String>) =
        (column(row, "keys")?, column(row, "answers")?);
    let both = keys.into_iter().zip(answers);
    both.map(|(key, answer)| Ok((id::<FactKey>(key)?, SecretText::new(answer)))).collect()
}

pub(super) async fn sealed_pin(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<SealedPin>, RecordsError> {
    let select = "SELECT pin_version, salt, pepper_id, memory_kib, iterations, nonce, pair_table
        FROM secrets WHERE customer = $1 AND pin_version IS NOT NULL";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    let sealed = |row: Row| {
        Ok(SealedPin {
            pin_version: number::<i64, _>(&row, "pin_version")?,
            salt: column(&row, "salt")?,
            pepper_id: column(&row, "pepper_id")?,
            memory_kib: number::<i64, _>(&row, "memory_kib")?,
            iterations: number::<i64, _>(&row, "iterations")?,
            nonce: column(&row, "nonce")?,
            table: column(&row, "pair_table")?,
        })
    };
    found.map(sealed).transpose()
}

pub(super) async fn password(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let select = "SELECT password FROM secrets WHERE customer = $1";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    Ok(found.map(|row| column(&row, "password")).transpose()?.flatten())
}

pub(super) async fn import(
    tx: &mut Tx,
    rows: &[Enrolment],
    now: Timestamp,
) -> Result<Vec<Imported>, RecordsError> {
    // All at once and in one order: imports that meet wait for each other and do not lock each other up.
    let ids: Vec<&str> = rows.iter().map(|row| row.customer.id.as_str()).collect();
    let lock =
        "SELECT customer FROM accounts WHERE customer = ANY($1) ORDER BY customer FOR UPDATE";
    tx.rows(lock, &[&ids]).await?;
    let mut imported = vec![];
    for row in rows {
        imported.push(import_one(tx, row, now).await?);
    }
    Ok(imported)
}

async fn import_one(
    tx: &mut Tx,
    row: &Enrolment,
    now: Timestamp,
) -> Result<Imported, RecordsError> {
    let customer = &row.customer.id;
    let before = load(tx, customer).await?;
    let changed = !before.as_ref().is_some_and(|before| same(before, &row.customer));
    if changed {
        store(tx, &row.customer, before.is_none()).await?;
    }
    if before.is_none() {
        accounts::create(tx, customer).await?;
        tx.execute("INSERT INTO secrets (customer) VALUES ($1)", &[&customer.as_str()]).await?;
    }
    if changed {
        let what = if before.is_some() { "customer_changed" } else { "customer_created" };
        journal::note(tx, now, what, None, customer, json!({}));
    }
    if let Some(before) = &before {
        let address = Address::of(before.email.as_ref(), row.customer.email.as_ref());
        let enrols = address != Address::Same
            && row.pin.is_some()
            && row.pin != sealed_pin(tx, customer).await?;
        let order = Order::new(customer, journal::SYSTEM, "import", None, now);
        pin_files::another_address(tx, address, enrols, &order).await?;
    }
    let new_pin = store_pin(tx, customer, row.pin.as_ref(), now).await?;
    let new_password = store_password(tx, customer, row.password.as_deref(), now).await?;
    Ok(match before {
        None => Imported::Created,
        Some(_) if changed || new_pin || new_password => Imported::Changed,
        Some(_) => Imported::Equal,
    })
}

async fn store_pin(
    tx: &mut Tx,
    customer: &CustomerId,
    pin: Option<&SealedPin>,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let Some(pin) = pin else { return Ok(false) };
    if sealed_pin(tx, customer).await?.as_ref() == Some(pin) {
        return Ok(false);
    }
    let mut account = accounts::lock(tx, customer).await?;
    let _ = account.apply(AccountEvent::PinEnrolled, BlockRule::default(), now);
    pin_machine::sealed_for(&account, pin)?;
    accounts::store(tx, customer, &account).await?;
    put_pin(tx, customer, pin).await?;
    pin_files::enrolled(tx, customer, now).await?;
    let body = json!({ "pin_version": pin.pin_version });
    journal::note(tx, now, "pin_enrolled", None, customer, body);
    Ok(true)
}

/// Stores the tags of a PIN; its account is the caller's business.
pub(super) async fn put_pin(
    tx: &Tx,
    customer: &CustomerId,
    pin: &SealedPin,
) -> Result<(), RecordsError> {
    let update = "UPDATE secrets SET pin_version = $2, salt = $3, pepper_id = $4, memory_kib = $5,
        iterations = $6, nonce = $7, pair_table = $8 WHERE customer = $1";
    let SealedPin { pin_version, salt, pepper_id, memory_kib, iterations, nonce, table } = pin;
    let (version, memory_kib) = (i64::from(*pin_version), i64::from(*memory_kib));
    let iterations = i64::from(*iterations);
    let id = customer.as_str();
    tx.execute(update, &[&id, &version, salt, pepper_id, &memory_kib, &iterations, nonce, table])
        .await
        .map(drop)
}

async fn store_password(
    tx: &mut Tx,
    customer: &CustomerId,
    verifier: Option<&str>,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    if verifier.is_none() || password(tx, customer).await?.as_deref() == verifier {
        return Ok(false);
    }
    let update = "UPDATE secrets SET password = $2 WHERE customer = $1";
    tx.execute(update, &[&customer.as_str(), &verifier]).await?;
    journal::note(tx, now, "password_enrolled", None, customer, json!({}));
    Ok(true)
}

/// A customer that another node makes at this moment is refused here, and found when this is repeated.
async fn store(tx: &Tx, customer: &Customer, new: bool) -> Result<(), RecordsError> {
    let id = customer.id.as_str();
    let role = match customer.role {
        Role::Client => "client",
        Role::Representative => "representative",
    };
    let put = if new {
        "INSERT INTO customers (id, keypad_id, name, role, represents, email, language, flags)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    } else {
        "UPDATE customers SET keypad_id = $2, name = $3, role = $4, represents = $5, email = $6,
         language = $7, flags = $8 WHERE id = $1"
    };
    let email = customer.email.as_ref().map(SecretText::expose);
    let (represents, flags) = (to_json(&customer.represents)?, to_json(&customer.flags)?);
    let Customer { keypad_id, name, language, .. } = customer;
    tx.execute(put, &[&id, keypad_id, name, &role, &represents, &email, language, &flags]).await?;
    let on_file = customer.numbers.iter();
    let numbers: Vec<_> = on_file.clone().map(|on_file| on_file.number.as_e164()).collect();
    let since: Vec<_> = on_file.map(|on_file| on_file.since.map(|at| signed(at.0))).collect();
    tx.execute("DELETE FROM numbers WHERE customer = $1", &[&id]).await?;
    let insert =
        "INSERT INTO numbers (customer, place, number, since) SELECT $1, place - 1, number, since
        FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS line (number, since, place)";
    tx.execute(insert, &[&id, &numbers, &since]).await?;
    tx.execute("DELETE FROM facts WHERE customer = $1", &[&id]).await?;
    let keys: Vec<_> = customer.facts.keys().map(FactKey::as_str).collect();
    let answers: Vec<_> = customer.facts.values().map(SecretText::expose).collect();
    let insert = "INSERT INTO facts (customer, key, answer) SELECT $1, key, answer
        FROM unnest($2::text[], $3::text[]) AS line (key, answer)";
    tx.execute(insert, &[&id, &keys, &answers]).await?;
    Ok(())
}
