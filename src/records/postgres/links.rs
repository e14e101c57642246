//! Mailed links: made, followed once, void, and what became of their mails (P22, P25, X18).

use serde_json::json;
use tokio_postgres::Row;

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
use crate::records::postgres::accounts;
use crate::records::postgres::customers;
use crate::records::postgres::db::Param;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::postgres::journal;
use crate::records::postgres::outbox;
use crate::records::postgres::pin_files;
use crate::records::stored::signed;

pub(super) async fn one(tx: &Tx, link: &str) -> Result<Option<KeptLink>, RecordsError> {
    let found = tx.row("SELECT * FROM pin_links WHERE id = $1", &[&link]).await?;
    found.map(|row| read(&row)).transpose()
}

/// The newest link of an account: of several, the one that is not void.
pub(super) async fn newest(tx: &Tx, customer: &CustomerId) -> Result<Option<Link>, RecordsError> {
    let select = "SELECT * FROM pin_links WHERE customer = $1 ORDER BY created DESC, void LIMIT 1";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    Ok(found.map(|row| read(&row)).transpose()?.map(|kept| kept.link))
}

fn read(row: &Row) -> Result<KeptLink, RecordsError> {
    let stored = LinkRow {
        id: column(row, "id")?,
        customer: column(row, "customer")?,
        purpose: column(row, "purpose")?,
        pin_version: number::<i64, _>(row, "pin_version")?,
        created: column(row, "created")?,
        expires: column(row, "expires")?,
        used: column(row, "used")?,
        void: column(row, "void")?,
        mail: column(row, "mail")?,
        mail_at: column(row, "mail_at")?,
    };
    stored.kept()
}

pub(super) async fn mail(
    tx: &mut Tx,
    customer: &CustomerId,
    link: &NewLink,
    by: &By,
) -> Result<bool, RecordsError> {
    let account = accounts::lock(tx, customer).await?;
    let known = customers::load(tx, customer).await?.and_then(|customer| customer.email);
    if known.is_none() || !pin_machine::of_use(link.purpose, &account) {
        return Ok(false);
    }
    make(tx, customer, &account, link, by).await?;
    Ok(true)
}

/// Stores a link and the mail that carries it; older ones of its purpose are void.
pub(super) async fn make(
    tx: &mut Tx,
    customer: &CustomerId,
    account: &Account,
    link: &NewLink,
    by: &By,
) -> Result<(), RecordsError> {
    let NewLink { id, purpose, expires } = link;
    let void = "UPDATE pin_links SET void = TRUE
        WHERE customer = $1 AND purpose = $2 AND used IS NULL";
    tx.execute(void, &[&customer.as_str(), &purpose.word()]).await?;
    let insert = "INSERT INTO pin_links (id, customer, purpose, pin_version, created, expires)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let (version, made) = (i64::from(account.pin_version), signed(by.now.0));
    let params: [Param<'_>; 6] =
        [id, &customer.as_str(), &purpose.word(), &version, &made, &signed(expires.0)];
    tx.execute(insert, &params).await?;
    let language = customers::language(tx, customer).await?;
    outbox::enqueue(tx, &pin_machine::mail(link, customer, language.as_deref()), by.now).await?;
    let order = pin_machine::order(customer, by);
    let body = json!({ "purpose": purpose, "reason": order.reason });
    tx.note(order.entry("pin_mail_queued", body));
    Ok(())
}

/// Makes every link of a customer void that was not followed.
pub(super) async fn void(tx: &Tx, customer: &CustomerId) -> Result<(), RecordsError> {
    let update = "UPDATE pin_links SET void = TRUE WHERE customer = $1 AND used IS NULL";
    tx.execute(update, &[&customer.as_str()]).await.map(drop)
}

/// A link that works for this purpose now, with its account. What does not is audited. The account
/// is locked before the link is judged: of two who follow it at once, one does.
async fn follow(
    tx: &mut Tx,
    link: &str,
    purpose: LinkPurpose,
    now: Timestamp,
) -> Result<Result<(CustomerId, Account), LinkRefused>, RecordsError> {
    let Some(seen) = one(tx, link).await? else {
        tx.note(pin_machine::no_such_link(now));
        return Ok(Err(LinkRefused::Unknown));
    };
    let customer = seen.link.customer;
    let account = accounts::lock(tx, &customer).await?;
    let kept = one(tx, link).await?.ok_or(RecordsError::NoSuch("link"))?;
    if let Err(why) = kept.judge(purpose, &account, now) {
        let body = json!({ "purpose": purpose, "why": why });
        tx.note(pin_machine::own(&customer, now).entry("link_refused", body));
        return Ok(Err(why));
    }
    void(tx, &customer).await?;
    let update = "UPDATE pin_links SET used = $2, void = FALSE WHERE id = $1";
    tx.execute(update, &[&link, &signed(now.0)]).await?;
    Ok(Ok((customer, account)))
}

pub(super) async fn activate(
    tx: &mut Tx,
    link: &str,
    now: Timestamp,
) -> Result<Result<CustomerId, LinkRefused>, RecordsError> {
    let (customer, mut account) = match follow(tx, link, LinkPurpose::Activate, now).await? {
        Ok(followed) => followed,
        Err(why) => return Ok(Err(why)),
    };
    apply(&mut account, AccountEvent::PinActivated, now);
    accounts::store(tx, &customer, &account).await?;
    pin_files::activated(tx, &customer, now).await?;
    let body = json!({ "pin_version": account.pin_version });
    tx.note(pin_machine::own(&customer, now).entry("pin_activated", body));
    Ok(Ok(customer))
}

pub(super) async fn choose_anew(
    tx: &mut Tx,
    link: &str,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<Result<CustomerId, LinkRefused>, RecordsError> {
    let (customer, mut account) = match follow(tx, link, LinkPurpose::Reset, now).await? {
        Ok(followed) => followed,
        Err(why) => return Ok(Err(why)),
    };
    apply(&mut account, AccountEvent::PinChosen, now);
    apply(&mut account, AccountEvent::PinActivated, now);
    pin_files::chosen(tx, &customer, &account, chosen, now).await?;
    pin_files::activated(tx, &customer, now).await?;
    let body = pin_machine::what_was_chosen(&account, chosen);
    tx.note(pin_machine::own(&customer, now).entry("pin_chosen_anew", body));
    Ok(Ok(customer))
}

pub(super) async fn mailed(
    tx: &mut Tx,
    link: &str,
    outcome: MailOutcome,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let select = "SELECT * FROM pin_links WHERE id = $1 FOR UPDATE";
    // Erased meanwhile: nobody asks any more.
    let Some(found) = tx.row(select, &[&link]).await? else { return Ok(()) };
    let before = read(&found)?.link;
    // What the server said counts more than that it cannot be reached now.
    let word = pin_machine::mail_word(outcome);
    if before.mail != MailOutcome::Waiting && word.is_none() {
        return Ok(());
    }
    let update = "UPDATE pin_links SET mail = $2, mail_at = $3 WHERE id = $1";
    tx.execute(update, &[&link, &outcome.word(), &signed(now.0)]).await?;
    if let Some(word) = word.filter(|_| before.mail != outcome) {
        let body = json!({ "purpose": before.purpose });
        journal::note(tx, now, word, None, &before.customer, body);
    }
    Ok(())
}
