//! The life of a PIN: reset, registration, another address, unblocking by two, and the estate.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use serde_json::json;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::machine::Order;
use crate::records::machine::apply;
use crate::records::pin_machine;
use crate::records::pin_machine::Address;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::Estate;
use crate::records::pins::INITIAL_TRIES;
use crate::records::pins::Issuing;
use crate::records::pins::NewLink;
use crate::records::pins::PinFile;
use crate::records::pins::UnblockAsked;
use crate::records::sqlite::accounts;
use crate::records::sqlite::customers;
use crate::records::sqlite::initials;
use crate::records::sqlite::journal;
use crate::records::sqlite::links;
use crate::records::sqlite::security;
use crate::records::stored::id;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) fn reset(
    db: &Connection,
    customer: &CustomerId,
    issuing: &Issuing,
    by: &By,
) -> Result<(), RecordsError> {
    let order = pin_machine::order(customer, by);
    take_away(db, &order)?;
    journal::append(db, order.entry("pin_reset", json!({ "reason": order.reason })))?;
    let version = initials::issue(db, customer, issuing)?;
    let body = pin_machine::issued_one(issuing, version);
    journal::append(db, order.entry("initial_pin_issued", body))
}

/// Flags No/No, and everything that belonged to the PIN is void at once (P14).
fn take_away(db: &Connection, order: &Order) -> Result<(), RecordsError> {
    let mut account = load(db, &order.customer)?;
    apply(&mut account, AccountEvent::PinReset, order.at);
    accounts::store(db, &order.customer, &account)?;
    db.prepare_cached(
        "UPDATE secrets SET pin_version = NULL, salt = NULL, pepper_id = NULL, memory_kib = NULL,
         iterations = NULL, nonce = NULL, pair_table = NULL WHERE customer = ?1",
    )?
    .execute([order.customer.as_str()])?;
    forget(db, &order.customer, order.at)
}

/// Beside the PIN itself: initial PIN, links, web PIN, hint and dates of a PIN that was reset.
pub(super) fn forget(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    links::void(db, customer)?;
    initials::spend(db, customer, now)?;
    file(db, customer)?;
    db.prepare_cached(
        "UPDATE pin_files SET hint = NULL, web_pin = NULL, registered = NULL, activated = NULL,
         tried_early = NULL, reset = ?2 WHERE customer = ?1",
    )?
    .execute((customer.as_str(), signed(now.0)))?;
    Ok(())
}

/// A PIN that was enrolled by import: what was on its way to another one is void.
pub(super) fn enrolled(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    links::void(db, customer)?;
    initials::spend(db, customer, now)?;
    db.prepare_cached(
        "UPDATE pin_files SET hint = NULL, registered = NULL, activated = NULL, tried_early = NULL
         WHERE customer = ?1",
    )?
    .execute([customer.as_str()])?;
    Ok(())
}

pub(super) fn register(
    db: &Connection,
    customer: &CustomerId,
    initial: u32,
    chosen: &Chosen,
    (email, link): (&SecretText, &NewLink),
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let living = initials::living(db, customer, now)?;
    if living.is_none_or(|living| living.initial.version != initial) {
        return Ok(false);
    }
    let mut account = load(db, customer)?;
    apply(&mut account, AccountEvent::PinChosen, now);
    links::void(db, customer)?;
    // The try that was right is no wrong one.
    db.prepare_cached("UPDATE initial_pins SET tries = max(tries - 1, 0) WHERE customer = ?1")?
        .execute([customer.as_str()])?;
    initials::spend(db, customer, now)?;
    self::chosen(db, customer, &account, chosen, now)?;
    let own = pin_machine::own(customer, now);
    let body = pin_machine::what_was_chosen(&account, chosen);
    journal::append(db, own.entry("pin_registered", body))?;
    let before = customers::load(db, customer)?.and_then(|customer| customer.email);
    put_email(db, customer, Some(email))?;
    if Address::of(before.as_ref(), Some(email)) != Address::Same {
        journal::append(db, own.entry("email_changed", json!({ "removed": false })))?;
    }
    let by = By { actor: pin_machine::CUSTOMER.into(), reason: String::new(), now };
    links::make(db, customer, &account, link, &by)?;
    Ok(true)
}

/// Stores a PIN that its customer chose, with the account as it is from now on.
pub(super) fn chosen(
    db: &Connection,
    customer: &CustomerId,
    account: &Account,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<(), RecordsError> {
    pin_machine::sealed_for(account, &chosen.pin)?;
    accounts::store(db, customer, account)?;
    customers::put_pin(db, customer, &chosen.pin)?;
    file(db, customer)?;
    db.prepare_cached(
        "UPDATE pin_files SET hint = ?2, web_pin = coalesce(?3, web_pin), registered = ?4,
         activated = NULL, tried_early = NULL WHERE customer = ?1",
    )?
    .execute((
        customer.as_str(),
        chosen.hint.as_ref().map(SecretText::expose),
        &chosen.web_pin,
        signed(now.0),
    ))?;
    Ok(())
}

pub(super) fn activated(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    file(db, customer)?;
    db.prepare_cached("UPDATE pin_files SET activated = ?2 WHERE customer = ?1")?
        .execute((customer.as_str(), signed(now.0)))?;
    Ok(())
}

pub(super) fn tried_early(
    db: &Connection,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let account = load(db, customer)?;
    if !account.initialized || account.enabled {
        return Ok(());
    }
    file(db, customer)?;
    let mut update = db.prepare_cached(
        "UPDATE pin_files SET tried_early = ?2 WHERE customer = ?1 AND tried_early IS NULL",
    )?;
    if update.execute((customer.as_str(), signed(now.0)))? == 0 {
        return Ok(());
    }
    journal::append(db, pin_machine::own(customer, now).entry("pin_tried_early", json!({})))
}

pub(super) fn set_email(
    db: &Connection,
    customer: &CustomerId,
    email: Option<&SecretText>,
    by: &By,
) -> Result<(), RecordsError> {
    let known = customers::load(db, customer)?.ok_or(RecordsError::NoSuch("account"))?;
    put_email(db, customer, email)?;
    let address = Address::of(known.email.as_ref(), email);
    another_address(db, address, false, &pin_machine::order(customer, by))
}

/// What follows from another address: links are void, and where it has to be validated the PIN is
/// reset (P17), unless a PIN is enrolled in the same breath.
pub(super) fn another_address(
    db: &Connection,
    address: Address,
    enrols: bool,
    order: &Order,
) -> Result<(), RecordsError> {
    if address == Address::Same {
        return Ok(());
    }
    links::void(db, &order.customer)?;
    let removed = address == Address::Gone;
    let body = json!({ "removed": removed, "reason": order.reason });
    journal::append(db, order.entry("email_changed", body))?;
    if removed || enrols || !load(db, &order.customer)?.initialized {
        return Ok(());
    }
    take_away(db, order)?;
    let body = json!({ "reason": order.reason, "cause": "email_changed" });
    journal::append(db, order.entry("pin_reset", body))
}

fn put_email(
    db: &Connection,
    customer: &CustomerId,
    email: Option<&SecretText>,
) -> Result<(), RecordsError> {
    db.prepare_cached("UPDATE customers SET email = ?2 WHERE id = ?1")?
        .execute((customer.as_str(), email.map(SecretText::expose)))?;
    Ok(())
}

pub(super) fn with_email(
    db: &Connection,
    email: &SecretText,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT id FROM customers WHERE email IS NOT NULL AND lower(email) = lower(?1)
         ORDER BY id LIMIT ?2",
    )?;
    let found = select.query_map((email.expose(), rows(limit)), |row| row.get::<_, String>(0))?;
    found.map(|found| id(found?)).collect()
}

pub(super) fn web_pin(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let mut select = db.prepare_cached("SELECT web_pin FROM pin_files WHERE customer = ?1")?;
    Ok(select.query_row([customer.as_str()], |row| row.get(0)).optional()?.flatten())
}

pub(super) fn ask_unblock(
    db: &Connection,
    customer: &CustomerId,
    second_person: bool,
    by: &By,
) -> Result<UnblockAsked, RecordsError> {
    let order = pin_machine::order(customer, by);
    if !load(db, customer)?.blocked {
        asked_no_more(db, customer)?;
        return Ok(UnblockAsked::NotBlocked);
    }
    if second_person {
        let asked = pin_machine::still_asked(asked(db, customer)?, by.now);
        match asked {
            Some(first) if first != by.actor => {}
            Some(first) => return Ok(UnblockAsked::Waiting(first)),
            None => {
                file(db, customer)?;
                let update =
                    "UPDATE pin_files SET unblock_by = ?2, unblock_asked = ?3 WHERE customer = ?1";
                db.prepare_cached(update)?.execute((
                    customer.as_str(),
                    &by.actor,
                    signed(by.now.0),
                ))?;
                let body = json!({ "reason": order.reason });
                journal::append(db, order.entry("unblock_asked", body))?;
                return Ok(UnblockAsked::Waiting(by.actor.clone()));
            }
        }
    }
    let _ = security::unblock(db, &order)?;
    Ok(UnblockAsked::Unblocked)
}

fn asked(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<(String, Timestamp)>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT unblock_by, unblock_asked FROM pin_files
         WHERE customer = ?1 AND unblock_by IS NOT NULL AND unblock_asked IS NOT NULL",
    )?;
    let found = select.query_row([customer.as_str()], |row| Ok((row.get(0)?, time(row.get(1)?))));
    Ok(found.optional()?)
}

/// The block is no more, so that nobody's word to lift it counts for the next one.
pub(super) fn asked_no_more(db: &Connection, customer: &CustomerId) -> Result<(), RecordsError> {
    db.prepare_cached(
        "UPDATE pin_files SET unblock_by = NULL, unblock_asked = NULL
         WHERE customer = ?1 AND unblock_by IS NOT NULL",
    )?
    .execute([customer.as_str()])?;
    Ok(())
}

pub(super) fn pin_file(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<PinFile>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT f.hint, f.web_pin IS NOT NULL AS has_web_pin, f.registered, f.activated, f.reset,
         f.tried_early, f.unblock_by, f.unblock_asked, i.issued, i.expires, i.tries, b.printed,
         i.spent IS NOT NULL AND NOT a.initialized AS void
         FROM accounts a LEFT JOIN pin_files f ON f.customer = a.customer
         LEFT JOIN initial_pins i ON i.customer = a.customer
         LEFT JOIN pin_batches b ON b.id = i.batch WHERE a.customer = ?1",
    )?;
    let mut found = select.query([customer.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let mut file = read(row)?;
    file.link = links::newest(db, customer)?;
    Ok(Some(file))
}

fn read(row: &Row<'_>) -> Result<PinFile, RecordsError> {
    let at = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(name)?.map(time));
    let void: bool = row.get("void")?;
    let of_initial = |name: &str| if void { Ok(None) } else { at(name) };
    Ok(PinFile {
        hint: row.get::<_, Option<String>>("hint")?.map(SecretText::new),
        has_web_pin: row.get("has_web_pin")?,
        issued: of_initial("issued")?,
        expires: of_initial("expires")?,
        printed: of_initial("printed")?,
        initial_tries: row.get::<_, Option<u8>>("tries")?.filter(|_| !void).unwrap_or_default(),
        registered: at("registered")?,
        activated: at("activated")?,
        reset: at("reset")?,
        tried_early: at("tried_early")?,
        link: None,
        unblock_asked: row.get::<_, Option<String>>("unblock_by")?.zip(at("unblock_asked")?),
    })
}

pub(super) fn estate(
    db: &Connection,
    now: Timestamp,
    stuck_before: Timestamp,
) -> Result<Estate, RecordsError> {
    // One statement: one look at everything.
    let mut select = db.prepare_cached(
        "SELECT (SELECT count(*) FROM accounts WHERE initialized = 0) AS no_no,
         (SELECT count(*) FROM accounts WHERE initialized = 1 AND enabled = 0) AS yes_no,
         (SELECT count(*) FROM accounts WHERE initialized = 1 AND enabled = 1) AS yes_yes,
         (SELECT count(*) FROM initial_pins WHERE spent IS NULL AND expires > ?1 AND tries < ?3) AS waiting,
         (SELECT count(*) FROM initial_pins WHERE spent IS NULL
            AND NOT (expires > ?1 AND tries < ?3)) AS expired,
         (SELECT count(*) FROM accounts WHERE blocked) AS blocked,
         (SELECT count(*) FROM accounts WHERE reset_required) AS reset_required,
         (SELECT count(*) FROM repairs) AS repaired, count(mail) AS stuck,
         count(*) FILTER (WHERE mail = 'refused') AS refused,
         count(*) FILTER (WHERE mail = 'waiting') AS waiting_mails
         FROM (SELECT coalesce((SELECT l.mail FROM pin_links l WHERE l.customer = f.customer
                 ORDER BY l.created DESC, l.void LIMIT 1), 'none') AS mail
               FROM pin_files f JOIN accounts a ON a.customer = f.customer
               WHERE f.registered < ?2 AND f.activated IS NULL AND a.initialized AND NOT a.enabled)",
    )?;
    let (now, before) = (signed(now.0), signed(stuck_before.0));
    Ok(select.query_row((now, before, INITIAL_TRIES), |row| {
        let count = |name: &str| row.get(name).map(|count: i64| u64::try_from(count).unwrap_or(0));
        let (no_no, waiting, expired) = (count("no_no")?, count("waiting")?, count("expired")?);
        let (yes_no, yes_yes) = (count("yes_no")?, count("yes_yes")?);
        Ok(Estate {
            total: no_no + yes_no + yes_yes,
            without_initial: no_no.saturating_sub(waiting + expired),
            waiting,
            expired,
            yes_no,
            yes_yes,
            no_yes_repaired: count("repaired")?,
            blocked: count("blocked")?,
            reset_required: count("reset_required")?,
            stuck: count("stuck")?,
            stuck_refused: count("refused")?,
            stuck_waiting: count("waiting_mails")?,
        })
    })?)
}

pub(super) fn stuck(
    db: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT f.customer FROM pin_files f JOIN accounts a ON a.customer = f.customer
         WHERE f.registered < ?1 AND f.activated IS NULL AND a.initialized AND NOT a.enabled
         ORDER BY f.registered, f.customer LIMIT ?2",
    )?;
    let found = select.query_map((signed(before.0), rows(limit)), |row| row.get::<_, String>(0))?;
    found.map(|found| id(found?)).collect()
}

pub(super) fn repaired(
    db: &Connection,
    customer: &CustomerId,
    by: &By,
) -> Result<u64, RecordsError> {
    let order = pin_machine::order(customer, by);
    take_away(db, &order)?;
    db.prepare_cached("INSERT INTO repairs (customer, at) VALUES (?1, ?2)")?
        .execute((customer.as_str(), signed(by.now.0)))?;
    journal::append(db, order.entry("flags_repaired", json!({ "reason": order.reason })))?;
    let mut select = db.prepare_cached("SELECT count(*) FROM repairs")?;
    let count: i64 = select.query_row((), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Makes the PIN file of an account that has none.
fn file(db: &Connection, customer: &CustomerId) -> Result<(), RecordsError> {
    db.prepare_cached("INSERT OR IGNORE INTO pin_files (customer) VALUES (?1)")?
        .execute([customer.as_str()])?;
    Ok(())
}

fn load(db: &Connection, customer: &CustomerId) -> Result<Account, RecordsError> {
    accounts::load(db, customer)?.ok_or(RecordsError::NoSuch("account"))
}
