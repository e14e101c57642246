//! Mailed links: made, followed once, void, and what became of their mails (P22, P25, X18).

use rusqlite::Connection;
use rusqlite::Row;
use serde_json::json;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::machine::apply;
use crate::records::pin_machine;
use crate::records::pin_machine::KeptLink;
use crate::records::pin_machine::LinkRow;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::Link;
use crate::records::pins::LinkPurpose;
use crate::records::pins::LinkRefused;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::sqlite::accounts;
use crate::records::sqlite::customers;
use crate::records::sqlite::journal;
use crate::records::sqlite::outbox;
use crate::records::sqlite::pin_files;
use crate::records::stored::signed;

pub(super) fn one(db: &Connection, link: &str) -> Result<Option<KeptLink>, RecordsError> {
    let mut select = db.prepare_cached("SELECT * FROM pin_links WHERE id = ?1")?;
    let mut found = select.query([link])?;
    found.next()?.map(read).transpose()
}

/// The newest link of an account: of several, the one that is not void.
pub(super) fn newest(db: &Connection, customer: &CustomerId) -> Result<Option<Link>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT * FROM pin_links WHERE customer = ?1 ORDER BY created DESC, void LIMIT 1",
    )?;
    let mut found = select.query([customer.as_str()])?;
    let newest = found.next()?.map(read).transpose()?;
    Ok(newest.map(|kept| kept.link))
}

fn read(row: &Row<'_>) -> Result<KeptLink, RecordsError> {
    let stored = LinkRow {
        id: row.get("id")?,
        customer: row.get("customer")?,
        purpose: row.get("purpose")?,
        pin_version: row.get("pin_version")?,
        created: row.get("created")?,
        expires: row.get("expires")?,
        used: row.get("used")?,
        void: row.get("void")?,
        mail: row.get("mail")?,
        mail_at: row.get("mail_at")?,
    };
    stored.kept()
}

pub(super) fn mail(
    db: &Connection,
    customer: &CustomerId,
    link: &NewLink,
    by: &By,
) -> Result<bool, RecordsError> {
    let account = accounts::load(db, customer)?.ok_or(RecordsError::NoSuch("account"))?;
    let known = customers::load(db, customer)?.and_then(|customer| customer.email);
    if known.is_none() || !pin_machine::of_use(link.purpose, &account) {
        return Ok(false);
    }
    make(db, customer, &account, link, by)?;
    Ok(true)
}

/// Stores a link and the mail that carries it; older ones of its purpose are void.
pub(super) fn make(
    db: &Connection,
    customer: &CustomerId,
    account: &Account,
    link: &NewLink,
    by: &By,
) -> Result<(), RecordsError> {
    let NewLink { id, purpose, expires } = link;
    db.prepare_cached(
        "UPDATE pin_links SET void = 1 WHERE customer = ?1 AND purpose = ?2 AND used IS NULL",
    )?
    .execute((customer.as_str(), purpose.word()))?;
    db.prepare_cached(
        "INSERT INTO pin_links (id, customer, purpose, pin_version, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        id,
        customer.as_str(),
        purpose.word(),
        account.pin_version,
        signed(by.now.0),
        signed(expires.0),
    ))?;
    let language = customers::language(db, customer)?;
    outbox::enqueue(db, &pin_machine::mail(link, customer, language.as_deref()), by.now)?;
    let order = pin_machine::order(customer, by);
    let body = json!({ "purpose": purpose, "reason": order.reason });
    journal::append(db, order.entry("pin_mail_queued", body))
}

/// Makes every link of a customer void that was not followed.
pub(super) fn void(db: &Connection, customer: &CustomerId) -> Result<(), RecordsError> {
    db.prepare_cached("UPDATE pin_links SET void = 1 WHERE customer = ?1 AND used IS NULL")?
        .execute([customer.as_str()])?;
    Ok(())
}

/// A link that works for this purpose now, with its account. What does not is audited.
fn follow(
    db: &Connection,
    link: &str,
    purpose: LinkPurpose,
    now: Timestamp,
) -> Result<Result<(CustomerId, Account), LinkRefused>, RecordsError> {
    let Some(kept) = one(db, link)? else {
        journal::append(db, pin_machine::no_such_link(now))?;
        return Ok(Err(LinkRefused::Unknown));
    };
    let customer = kept.link.customer.clone();
    let account = accounts::load(db, &customer)?.ok_or(RecordsError::NoSuch("account"))?;
    if let Err(why) = kept.judge(purpose, &account, now) {
        let body = json!({ "purpose": purpose, "why": why });
        let entry = pin_machine::own(&customer, now).entry("link_refused", body);
        journal::append(db, entry)?;
        return Ok(Err(why));
    }
    void(db, &customer)?;
    db.prepare_cached("UPDATE pin_links SET used = ?2, void = 0 WHERE id = ?1")?
        .execute((link, signed(now.0)))?;
    Ok(Ok((customer, account)))
}

pub(super) fn activate(
    db: &Connection,
    link: &str,
    now: Timestamp,
) -> Result<Result<CustomerId, LinkRefused>, RecordsError> {
    let (customer, mut account) = match follow(db, link, LinkPurpose::Activate, now)? {
        Ok(followed) => followed,
        Err(why) => return Ok(Err(why)),
    };
    apply(&mut account, AccountEvent::PinActivated, now);
    accounts::store(db, &customer, &account)?;
    pin_files::activated(db, &customer, now)?;
    let body = json!({ "pin_version": account.pin_version });
    journal::append(db, pin_machine::own(&customer, now).entry("pin_activated", body))?;
    Ok(Ok(customer))
}

pub(super) fn choose_anew(
    db: &Connection,
    link: &str,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<Result<CustomerId, LinkRefused>, RecordsError> {
    let (customer, mut account) = match follow(db, link, LinkPurpose::Reset, now)? {
        Ok(followed) => followed,
        Err(why) => return Ok(Err(why)),
    };
    apply(&mut account, AccountEvent::PinChosen, now);
    apply(&mut account, AccountEvent::PinActivated, now);
    pin_files::chosen(db, &customer, &account, chosen, now)?;
    pin_files::activated(db, &customer, now)?;
    let body = pin_machine::what_was_chosen(&account, chosen);
    journal::append(db, pin_machine::own(&customer, now).entry("pin_chosen_anew", body))?;
    Ok(Ok(customer))
}

pub(super) fn mailed(
    db: &Connection,
    link: &str,
    outcome: MailOutcome,
    now: Timestamp,
) -> Result<(), RecordsError> {
    // Erased meanwhile: nobody asks any more.
    let Some(KeptLink { link: before, .. }) = one(db, link)? else { return Ok(()) };
    // What the server said counts more than that it cannot be reached now.
    let word = pin_machine::mail_word(outcome);
    if before.mail != MailOutcome::Waiting && word.is_none() {
        return Ok(());
    }
    db.prepare_cached("UPDATE pin_links SET mail = ?2, mail_at = ?3 WHERE id = ?1")?.execute((
        link,
        outcome.word(),
        signed(now.0),
    ))?;
    let Some(word) = word.filter(|_| before.mail != outcome) else { return Ok(()) };
    let body = json!({ "purpose": before.purpose });
    journal::note(db, now, word, None, &before.customer, body)
}
