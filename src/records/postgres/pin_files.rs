//! The life of a PIN: reset, registration, another address, unblocking by two, and the estate.

use serde_json::json;
use tokio_postgres::Row;

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
use crate::records::postgres::accounts;
use crate::records::postgres::customers;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::postgres::initials;
use crate::records::postgres::links;
use crate::records::postgres::security;
use crate::records::stored::id;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

pub(super) async fn reset(
    tx: &mut Tx,
    customer: &CustomerId,
    issuing: &Issuing,
    by: &By,
) -> Result<(), RecordsError> {
    let order = pin_machine::order(customer, by);
    take_away(tx, &order).await?;
    tx.note(order.entry("pin_reset", json!({ "reason": order.reason })));
    let version = initials::issue(tx, customer, issuing).await?;
    tx.note(order.entry("initial_pin_issued", pin_machine::issued_one(issuing, version)));
    Ok(())
}

/// Flags No/No, and everything that belonged to the PIN is void at once (P14).
async fn take_away(tx: &mut Tx, order: &Order) -> Result<(), RecordsError> {
    let mut account = accounts::lock(tx, &order.customer).await?;
    apply(&mut account, AccountEvent::PinReset, order.at);
    accounts::store(tx, &order.customer, &account).await?;
    let update =
        "UPDATE secrets SET pin_version = NULL, salt = NULL, pepper_id = NULL, memory_kib = NULL,
         iterations = NULL, nonce = NULL, pair_table = NULL WHERE customer = $1";
    tx.execute(update, &[&order.customer.as_str()]).await?;
    forget(tx, &order.customer, order.at).await
}

/// Beside the PIN itself: initial PIN, links, web PIN, hint and dates of a PIN that was reset.
pub(super) async fn forget(
    tx: &Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    links::void(tx, customer).await?;
    initials::spend(tx, customer, now).await?;
    file(tx, customer).await?;
    let update =
        "UPDATE pin_files SET hint = NULL, web_pin = NULL, registered = NULL, activated = NULL,
         tried_early = NULL, reset = $2 WHERE customer = $1";
    tx.execute(update, &[&customer.as_str(), &signed(now.0)]).await.map(drop)
}

/// A PIN that was enrolled by import: what was on its way to another one is void.
pub(super) async fn enrolled(
    tx: &Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    links::void(tx, customer).await?;
    initials::spend(tx, customer, now).await?;
    let update =
        "UPDATE pin_files SET hint = NULL, registered = NULL, activated = NULL, tried_early = NULL
         WHERE customer = $1";
    tx.execute(update, &[&customer.as_str()]).await.map(drop)
}

pub(super) async fn register(
    tx: &mut Tx,
    customer: &CustomerId,
    initial: u32,
    chosen: &Chosen,
    (email, link): (&SecretText, &NewLink),
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let mut account = accounts::lock(tx, customer).await?;
    let living = initials::living(tx, customer, &account, now).await?;
    if living.is_none_or(|living| living.initial.version != initial) {
        return Ok(false);
    }
    apply(&mut account, AccountEvent::PinChosen, now);
    links::void(tx, customer).await?;
    // The try that was right is no wrong one.
    let update = "UPDATE initial_pins SET tries = greatest(tries - 1, 0) WHERE customer = $1";
    tx.execute(update, &[&customer.as_str()]).await?;
    initials::spend(tx, customer, now).await?;
    self::chosen(tx, customer, &account, chosen, now).await?;
    let own = pin_machine::own(customer, now);
    tx.note(own.entry("pin_registered", pin_machine::what_was_chosen(&account, chosen)));
    let before = customers::load(tx, customer).await?.and_then(|customer| customer.email);
    put_email(tx, customer, Some(email)).await?;
    if Address::of(before.as_ref(), Some(email)) != Address::Same {
        tx.note(own.entry("email_changed", json!({ "removed": false })));
    }
    let by = By { actor: pin_machine::CUSTOMER.into(), reason: String::new(), now };
    links::make(tx, customer, &account, link, &by).await?;
    Ok(true)
}

/// Stores a PIN that its customer chose, with the account as it is from now on.
pub(super) async fn chosen(
    tx: &Tx,
    customer: &CustomerId,
    account: &Account,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<(), RecordsError> {
    pin_machine::sealed_for(account, &chosen.pin)?;
    accounts::store(tx, customer, account).await?;
    customers::put_pin(tx, customer, &chosen.pin).await?;
    file(tx, customer).await?;
    let update = "UPDATE pin_files SET hint = $2, web_pin = coalesce($3, web_pin), registered = $4,
         activated = NULL, tried_early = NULL WHERE customer = $1";
    let hint = chosen.hint.as_ref().map(SecretText::expose);
    let at = signed(now.0);
    tx.execute(update, &[&customer.as_str(), &hint, &chosen.web_pin, &at]).await.map(drop)
}

pub(super) async fn activated(
    tx: &Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    file(tx, customer).await?;
    let update = "UPDATE pin_files SET activated = $2 WHERE customer = $1";
    tx.execute(update, &[&customer.as_str(), &signed(now.0)]).await.map(drop)
}

pub(super) async fn tried_early(
    tx: &mut Tx,
    customer: &CustomerId,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let account = accounts::lock(tx, customer).await?;
    if !account.initialized || account.enabled {
        return Ok(());
    }
    file(tx, customer).await?;
    let update =
        "UPDATE pin_files SET tried_early = $2 WHERE customer = $1 AND tried_early IS NULL";
    if tx.execute(update, &[&customer.as_str(), &signed(now.0)]).await? > 0 {
        tx.note(pin_machine::own(customer, now).entry("pin_tried_early", json!({})));
    }
    Ok(())
}

pub(super) async fn set_email(
    tx: &mut Tx,
    customer: &CustomerId,
    email: Option<&SecretText>,
    by: &By,
) -> Result<(), RecordsError> {
    accounts::lock(tx, customer).await?;
    let known = customers::load(tx, customer).await?.ok_or(RecordsError::NoSuch("account"))?;
    put_email(tx, customer, email).await?;
    let address = Address::of(known.email.as_ref(), email);
    another_address(tx, address, false, &pin_machine::order(customer, by)).await
}

/// What follows from another address: links are void, and where it has to be validated the PIN is
/// reset (P17), unless a PIN is enrolled in the same breath.
pub(super) async fn another_address(
    tx: &mut Tx,
    address: Address,
    enrols: bool,
    order: &Order,
) -> Result<(), RecordsError> {
    if address == Address::Same {
        return Ok(());
    }
    links::void(tx, &order.customer).await?;
    let removed = address == Address::Gone;
    let body = json!({ "removed": removed, "reason": order.reason });
    tx.note(order.entry("email_changed", body));
    if removed || enrols || !accounts::lock(tx, &order.customer).await?.initialized {
        return Ok(());
    }
    take_away(tx, order).await?;
    let body = json!({ "reason": order.reason, "cause": "email_changed" });
    tx.note(order.entry("pin_reset", body));
    Ok(())
}

async fn put_email(
    tx: &Tx,
    customer: &CustomerId,
    email: Option<&SecretText>,
) -> Result<(), RecordsError> {
    let update = "UPDATE customers SET email = $2 WHERE id = $1";
    let email = email.map(SecretText::expose);
    tx.execute(update, &[&customer.as_str(), &email]).await.map(drop)
}

pub(super) async fn with_email(
    tx: &Tx,
    email: &SecretText,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let select = "SELECT id FROM customers WHERE email IS NOT NULL AND lower(email) = lower($1)
        ORDER BY id LIMIT $2";
    let found = tx.rows(select, &[&email.expose(), &rows(limit)]).await?;
    found.iter().map(|row| id(column(row, "id")?)).collect()
}

pub(super) async fn web_pin(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<String>, RecordsError> {
    let select = "SELECT web_pin FROM pin_files WHERE customer = $1";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    Ok(found.map(|row| column(&row, "web_pin")).transpose()?.flatten())
}

pub(super) async fn ask_unblock(
    tx: &mut Tx,
    customer: &CustomerId,
    second_person: bool,
    by: &By,
) -> Result<UnblockAsked, RecordsError> {
    let order = pin_machine::order(customer, by);
    if !accounts::lock(tx, customer).await?.blocked {
        asked_no_more(tx, customer).await?;
        return Ok(UnblockAsked::NotBlocked);
    }
    if second_person {
        match pin_machine::still_asked(asked(tx, customer).await?, by.now) {
            Some(first) if first != by.actor => {}
            Some(first) => return Ok(UnblockAsked::Waiting(first)),
            None => {
                file(tx, customer).await?;
                let update =
                    "UPDATE pin_files SET unblock_by = $2, unblock_asked = $3 WHERE customer = $1";
                tx.execute(update, &[&customer.as_str(), &by.actor, &signed(by.now.0)]).await?;
                tx.note(order.entry("unblock_asked", json!({ "reason": order.reason })));
                return Ok(UnblockAsked::Waiting(by.actor.clone()));
            }
        }
    }
    let _ = security::unblock(tx, &order).await?;
    Ok(UnblockAsked::Unblocked)
}

async fn asked(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<(String, Timestamp)>, RecordsError> {
    let select = "SELECT unblock_by, unblock_asked FROM pin_files
        WHERE customer = $1 AND unblock_by IS NOT NULL AND unblock_asked IS NOT NULL";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    let asked = |row: Row| Ok((column(&row, "unblock_by")?, time(column(&row, "unblock_asked")?)));
    found.map(asked).transpose()
}

/// The block is no more, so that nobody's word to lift it counts for the next one.
pub(super) async fn asked_no_more(tx: &Tx, customer: &CustomerId) -> Result<(), RecordsError> {
    let update = "UPDATE pin_files SET unblock_by = NULL, unblock_asked = NULL
        WHERE customer = $1 AND unblock_by IS NOT NULL";
    tx.execute(update, &[&customer.as_str()]).await.map(drop)
}

pub(super) async fn pin_file(
    tx: &Tx,
    customer: &CustomerId,
) -> Result<Option<PinFile>, RecordsError> {
    let select = "SELECT f.hint, f.web_pin IS NOT NULL AS has_web_pin, f.registered, f.activated,
         f.reset, f.tried_early, f.unblock_by, f.unblock_asked, i.issued, i.expires, i.tries,
         b.printed, i.spent IS NOT NULL AND NOT a.initialized AS void
         FROM accounts a LEFT JOIN pin_files f ON f.customer = a.customer
         LEFT JOIN initial_pins i ON i.customer = a.customer
         LEFT JOIN pin_batches b ON b.id = i.batch WHERE a.customer = $1";
    let Some(row) = tx.row(select, &[&customer.as_str()]).await? else { return Ok(None) };
    let mut file = read(&row)?;
    file.link = links::newest(tx, customer).await?;
    Ok(Some(file))
}

fn read(row: &Row) -> Result<PinFile, RecordsError> {
    let at = |name: &str| Ok::<_, RecordsError>(column::<Option<i64>>(row, name)?.map(time));
    let void: bool = column(row, "void")?;
    let of_initial = |name: &str| if void { Ok(None) } else { at(name) };
    let tries = column::<Option<i16>>(row, "tries")?.filter(|_| !void).unwrap_or_default();
    Ok(PinFile {
        hint: column::<Option<String>>(row, "hint")?.map(SecretText::new),
        has_web_pin: column(row, "has_web_pin")?,
        issued: of_initial("issued")?,
        expires: of_initial("expires")?,
        printed: of_initial("printed")?,
        initial_tries: u8::try_from(tries).unwrap_or_default(),
        registered: at("registered")?,
        activated: at("activated")?,
        reset: at("reset")?,
        tried_early: at("tried_early")?,
        link: None,
        unblock_asked: column::<Option<String>>(row, "unblock_by")?.zip(at("unblock_asked")?),
    })
}

pub(super) async fn estate(
    tx: &Tx,
    now: Timestamp,
    stuck_before: Timestamp,
) -> Result<Estate, RecordsError> {
    // One statement: one look at everything.
    let select = "SELECT (SELECT count(*) FROM accounts WHERE NOT initialized) AS no_no,
         (SELECT count(*) FROM accounts WHERE initialized AND NOT enabled) AS yes_no,
         (SELECT count(*) FROM accounts WHERE initialized AND enabled) AS yes_yes,
         (SELECT count(*) FROM initial_pins WHERE spent IS NULL AND expires > $1 AND tries < $3) AS waiting,
         (SELECT count(*) FROM initial_pins WHERE spent IS NULL
            AND NOT (expires > $1 AND tries < $3)) AS expired,
         (SELECT count(*) FROM accounts WHERE blocked) AS blocked,
         (SELECT count(*) FROM accounts WHERE reset_required) AS reset_required,
         (SELECT count(*) FROM repairs) AS repaired, count(mail) AS stuck,
         count(*) FILTER (WHERE mail = 'refused') AS refused,
         count(*) FILTER (WHERE mail = 'waiting') AS waiting_mails
         FROM (SELECT coalesce((SELECT l.mail FROM pin_links l WHERE l.customer = f.customer
                 ORDER BY l.created DESC, l.void LIMIT 1), 'none') AS mail
               FROM pin_files f JOIN accounts a ON a.customer = f.customer
               WHERE f.registered < $2 AND f.activated IS NULL AND a.initialized
               AND NOT a.enabled) AS stuck";
    let (now, before) = (signed(now.0), signed(stuck_before.0));
    let found = tx.row(select, &[&now, &before, &i16::from(INITIAL_TRIES)]).await?;
    let row = found.ok_or(RecordsError::NoSuch("estate"))?;
    let count = |name: &str| number::<i64, u64>(&row, name);
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
}

pub(super) async fn stuck(
    tx: &Tx,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<CustomerId>, RecordsError> {
    let select = "SELECT f.customer FROM pin_files f JOIN accounts a ON a.customer = f.customer
         WHERE f.registered < $1 AND f.activated IS NULL AND a.initialized AND NOT a.enabled
         ORDER BY f.registered, f.customer LIMIT $2";
    let found = tx.rows(select, &[&signed(before.0), &rows(limit)]).await?;
    found.iter().map(|row| id(column(row, "customer")?)).collect()
}

pub(super) async fn repaired(
    tx: &mut Tx,
    customer: &CustomerId,
    by: &By,
) -> Result<u64, RecordsError> {
    let order = pin_machine::order(customer, by);
    take_away(tx, &order).await?;
    let insert = "INSERT INTO repairs (customer, at) VALUES ($1, $2)";
    tx.execute(insert, &[&customer.as_str(), &signed(by.now.0)]).await?;
    tx.note(order.entry("flags_repaired", json!({ "reason": order.reason })));
    let found = tx.row("SELECT count(*) AS count FROM repairs", &[]).await?;
    found.map_or(Ok(0), |row| number::<i64, u64>(&row, "count"))
}

/// Makes the PIN file of an account that has none.
async fn file(tx: &Tx, customer: &CustomerId) -> Result<(), RecordsError> {
    let insert = "INSERT INTO pin_files (customer) VALUES ($1) ON CONFLICT DO NOTHING";
    tx.execute(insert, &[&customer.as_str()]).await.map(drop)
}
