//! Customers, their numbers and answers, and the sealed secrets beside them.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use serde_json::json;

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
use crate::records::sqlite::accounts;
use crate::records::sqlite::journal;
use crate::records::sqlite::pin_files;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::same;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) fn with_number(
    db: &Connection,
    number: &PhoneNumber,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let select =
        "SELECT DISTINCT customer FROM numbers WHERE number = ?1 ORDER BY customer LIMIT ?2";
    let mut select = db.prepare_cached(select)?;
    let found = select.query_map((number.as_e164(), rows(limit)), |row| row.get::<_, String>(0))?;
    found.map(|found| id(found?)).collect()
}

/// Nobody, if two customers share the keypad id: better to know nobody than the wrong one.
pub(super) fn by_keypad(
    db: &Connection,
    keypad_id: &str,
) -> Result<Option<CustomerId>, RecordsError> {
    let mut select = db.prepare_cached("SELECT id FROM customers WHERE keypad_id = ?1 LIMIT 2")?;
    let found = select.query_map([keypad_id], |row| row.get::<_, String>(0))?;
    let mut found: Vec<CustomerId> = found.map(|found| id(found?)).collect::<Result<_, _>>()?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

pub(super) fn list(
    db: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<CustomerLine>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT id, name, pin_version > 0 AND enabled, blocked, reset_required
         FROM customers JOIN accounts ON customer = id WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut found = select.query((after, rows(limit)))?;
    let mut lines = vec![];
    while let Some(row) = found.next()? {
        let (blocked, reset_required) = (row.get(3)?, row.get(4)?);
        let standing = Account { blocked, reset_required, ..Account::default() }.standing();
        lines.push(CustomerLine {
            id: id(row.get(0)?)?,
            name: row.get(1)?,
            has_pin: row.get(2)?,
            standing,
        });
    }
    Ok(lines)
}

pub(super) fn load(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<Customer>, RecordsError> {
    let mut select = db.prepare_cached("SELECT * FROM customers WHERE id = ?1")?;
    let mut found = select.query([customer.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let mut loaded = from_row(row, customer)?;
    loaded.numbers = numbers(db, customer)?;
    loaded.facts = facts(db, customer)?;
    Ok(Some(loaded))
}

/// A customer's flags; none of somebody we do not know.
pub(super) fn flags(db: &Connection, customer: &CustomerId) -> Result<Vec<String>, RecordsError> {
    let mut select = db.prepare_cached("SELECT flags FROM customers WHERE id = ?1")?;
    let found = select.query_row([customer.as_str()], |row| row.get::<_, String>(0)).optional()?;
    let Some(flags) = found else { return Ok(vec![]) };
    from_json(&flags, &format!("customer {customer}"))
}

/// In which language a customer is written to.
pub(super) fn language(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let mut select = db.prepare_cached("SELECT language FROM customers WHERE id = ?1")?;
    Ok(select.query_row([customer.as_str()], |row| row.get(0)).optional()?.flatten())
}

fn from_row(row: &Row<'_>, customer: &CustomerId) -> Result<Customer, RecordsError> {
    let record = format!("customer {customer}");
    let role: String = row.get("role")?;
    Ok(Customer {
        id: customer.clone(),
        keypad_id: row.get("keypad_id")?,
        name: row.get("name")?,
        role: match role.as_str() {
            "client" => Role::Client,
            "representative" => Role::Representative,
            _ => return Err(RecordsError::Corrupt(record)),
        },
        represents: from_json(&row.get::<_, String>("represents")?, &record)?,
        numbers: vec![],
        email: row.get::<_, Option<String>>("email")?.map(SecretText::new),
        language: row.get("language")?,
        flags: from_json(&row.get::<_, String>("flags")?, &record)?,
        facts: BTreeMap::new(),
    })
}

fn numbers(db: &Connection, customer: &CustomerId) -> Result<Vec<NumberOnFile>, RecordsError> {
    let mut select =
        db.prepare_cached("SELECT number, since FROM numbers WHERE customer = ?1 ORDER BY place")?;
    let found = select
        .query_map([customer.as_str()], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))?;
    found
        .map(|found| {
            found.map_err(RecordsError::from).and_then(|(number, since)| {
                Ok(NumberOnFile { number: id::<PhoneNumber>(number)?, since: since.map(time) })
            })
        })
        .collect()
}

fn facts(
    db: &Connection,
    customer: &CustomerId,
) -> Result<BTreeMap<FactKey, SecretText>, RecordsError> {
    let mut select = db.prepare_cached("SELECT key, answer FROM facts WHERE customer = ?1")?;
    let found = select.query_map([customer.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found
        .map(|found| {
            found
                .map_err(RecordsError::from)
                .and_then(|(key, answer)| Ok((id::<FactKey>(key)?, SecretText::new(answer))))
        })
        .collect()
}

pub(super) fn sealed_pin(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<SealedPin>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT pin_version, salt, pepper_id, memory_kib, iterations, nonce, pair_table
         FROM secrets WHERE customer = ?1 AND pin_version IS NOT NULL",
    )?;
    let found = select.query_row([customer.as_str()], |row| {
        Ok(SealedPin {
            pin_version: row.get(0)?,
            salt: row.get(1)?,
            pepper_id: row.get(2)?,
            memory_kib: row.get(3)?,
            iterations: row.get(4)?,
            nonce: row.get(5)?,
            table: row.get(6)?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn password(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let mut select = db.prepare_cached("SELECT password FROM secrets WHERE customer = ?1")?;
    Ok(select.query_row([customer.as_str()], |row| row.get(0)).optional()?.flatten())
}

pub(super) fn import(
    db: &Connection,
    rows: &[Enrolment],
    now: Timestamp,
) -> Result<Vec<Imported>, RecordsError> {
    rows.iter().map(|row| import_one(db, row, now)).collect()
}

fn import_one(db: &Connection, row: &Enrolment, now: Timestamp) -> Result<Imported, RecordsError> {
    let customer = &row.customer.id;
    let before = load(db, customer)?;
    let changed = !before.as_ref().is_some_and(|before| same(before, &row.customer));
    if changed {
        store(db, &row.customer)?;
    }
    if before.is_none() {
        accounts::store(db, customer, &Account::default())?;
        db.prepare_cached("INSERT INTO secrets (customer) VALUES (?1)")?
            .execute([customer.as_str()])?;
    }
    if changed {
        let what = if before.is_some() { "customer_changed" } else { "customer_created" };
        journal::note(db, now, what, None, customer, json!({}))?;
    }
    if let Some(before) = &before {
        let address = Address::of(before.email.as_ref(), row.customer.email.as_ref());
        let enrols =
            address != Address::Same && row.pin.is_some() && row.pin != sealed_pin(db, customer)?;
        let order = Order::new(customer, journal::SYSTEM, "import", None, now);
        pin_files::another_address(db, address, enrols, &order)?;
    }
    let new_pin = store_pin(db, customer, row.pin.as_ref(), now)?;
    let new_password = store_password(db, customer, row.password.as_deref(), now)?;
    Ok(match before {
        None => Imported::Created,
        Some(_) if changed || new_pin || new_password => Imported::Changed,
        Some(_) => Imported::Equal,
    })
}

fn store_pin(
    db: &Connection,
    customer: &CustomerId,
    pin: Option<&SealedPin>,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let Some(pin) = pin else { return Ok(false) };
    if sealed_pin(db, customer)?.as_ref() == Some(pin) {
        return Ok(false);
    }
    let mut account = accounts::load(db, customer)?.ok_or(RecordsError::NoSuch("account"))?;
    // The rule is not read for this event.
    let _ = account.apply(AccountEvent::PinEnrolled, BlockRule::default(), now);
    pin_machine::sealed_for(&account, pin)?;
    accounts::store(db, customer, &account)?;
    put_pin(db, customer, pin)?;
    pin_files::enrolled(db, customer, now)?;
    let body = json!({ "pin_version": pin.pin_version });
    journal::note(db, now, "pin_enrolled", None, customer, body)?;
    Ok(true)
}

/// Stores the tags of a PIN; its account is the caller's business.
pub(super) fn put_pin(
    db: &Connection,
    customer: &CustomerId,
    pin: &SealedPin,
) -> Result<(), RecordsError> {
    let mut update = db.prepare_cached(
        "UPDATE secrets SET pin_version = ?2, salt = ?3, pepper_id = ?4, memory_kib = ?5, iterations = ?6,
         nonce = ?7, pair_table = ?8 WHERE customer = ?1",
    )?;
    let SealedPin { pin_version, salt, pepper_id, memory_kib, iterations, nonce, table } = pin;
    update.execute((
        customer.as_str(),
        pin_version,
        salt,
        pepper_id,
        memory_kib,
        iterations,
        nonce,
        table,
    ))?;
    Ok(())
}

fn store_password(
    db: &Connection,
    customer: &CustomerId,
    verifier: Option<&str>,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    if verifier.is_none() || password(db, customer)?.as_deref() == verifier {
        return Ok(false);
    }
    let mut update = db.prepare_cached("UPDATE secrets SET password = ?2 WHERE customer = ?1")?;
    update.execute((customer.as_str(), verifier))?;
    journal::note(db, now, "password_enrolled", None, customer, json!({}))?;
    Ok(true)
}

fn store(db: &Connection, customer: &Customer) -> Result<(), RecordsError> {
    let id = customer.id.as_str();
    let role = match customer.role {
        Role::Client => "client",
        Role::Representative => "representative",
    };
    db.prepare_cached(
        "INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET keypad_id = ?2, name = ?3, role = ?4, represents = ?5, email = ?6,
         language = ?7, flags = ?8",
    )?
    .execute((
        id,
        &customer.keypad_id,
        &customer.name,
        role,
        to_json(&customer.represents)?,
        customer.email.as_ref().map(SecretText::expose),
        &customer.language,
        to_json(&customer.flags)?,
    ))?;
    db.prepare_cached("DELETE FROM numbers WHERE customer = ?1")?.execute([id])?;
    let mut insert = db.prepare_cached("INSERT INTO numbers VALUES (?1, ?2, ?3, ?4)")?;
    for (place, on_file) in (0_u32..).zip(&customer.numbers) {
        insert.execute((
            id,
            place,
            on_file.number.as_e164(),
            on_file.since.map(|at| signed(at.0)),
        ))?;
    }
    db.prepare_cached("DELETE FROM facts WHERE customer = ?1")?.execute([id])?;
    let mut insert = db.prepare_cached("INSERT INTO facts VALUES (?1, ?2, ?3)")?;
    for (key, answer) in &customer.facts {
        insert.execute((id, key.as_str(), answer.expose()))?;
    }
    Ok(())
}
