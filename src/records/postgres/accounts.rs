//! Accounts and the attempt protocol: reserve, then hash, then settle (facts/reliability §6).
//!
//! The account's row is locked before anything of it is read that decides, so that of two nodes the
//! second sees what the first did. Attempts that a dead node left are settled by whoever takes its
//! calls over, or by the sweep.

use serde_json::Value;
use serde_json::json;
use tokio_postgres::Row;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::account::AccountFact;
use crate::account::BlockRule;
use crate::account::Standing;
use crate::model::digits::Positions;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::AttemptId;
use crate::records::AttemptsOfCall;
use crate::records::CallResult;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::db::number;
use crate::records::postgres::jobs;
use crate::records::postgres::journal;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

/// A call that ends, or a part of it, for an account.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) call: CallId,
    pub(super) customer: CustomerId,
    pub(super) rule: BlockRule,
    pub(super) at: Timestamp,
}

pub(super) async fn load(tx: &Tx, customer: &CustomerId) -> Result<Option<Account>, RecordsError> {
    let found = tx.row("SELECT * FROM accounts WHERE customer = $1", &[&customer.as_str()]).await?;
    found.map(|row| from_row(&row)).transpose()
}

/// Loads an account and keeps everybody else from changing it until the transaction ends: the first
/// lock of every transaction that takes one.
pub(super) async fn lock(tx: &Tx, customer: &CustomerId) -> Result<Account, RecordsError> {
    let select = "SELECT * FROM accounts WHERE customer = $1 FOR UPDATE";
    let found = tx.row(select, &[&customer.as_str()]).await?;
    from_row(&found.ok_or(RecordsError::NoSuch("account"))?)
}

fn from_row(row: &Row) -> Result<Account, RecordsError> {
    let record = format!("account {}", column::<String>(row, "customer")?);
    Ok(Account {
        initialized: column(row, "initialized")?,
        enabled: column(row, "enabled")?,
        pin_version: number::<i64, _>(row, "pin_version")?,
        failed_calls: number::<i16, _>(row, "failed_calls")?,
        pin_wrong_streak: number::<i16, _>(row, "pin_wrong_streak")?,
        blocked: column(row, "blocked")?,
        reset_required: column(row, "reset_required")?,
        deck: from_json(&column::<String>(row, "deck")?, &record)?,
        abandoned: from_json(&column::<String>(row, "abandoned")?, &record)?,
        compensated: column(row, "compensated")?,
        asked: from_json(&column::<String>(row, "asked")?, &record)?,
        round: number::<i64, _>(row, "round")?,
        disclosed: from_json(&column::<String>(row, "disclosed")?, &record)?,
    })
}

/// Stores what an account says; its row is there and locked.
pub(super) async fn store(
    tx: &Tx,
    customer: &CustomerId,
    account: &Account,
) -> Result<(), RecordsError> {
    let update =
        "UPDATE accounts SET initialized = $2, enabled = $3, pin_version = $4, failed_calls = $5,
        pin_wrong_streak = $6, blocked = $7, reset_required = $8, deck = $9, abandoned = $10,
        compensated = $11, asked = $12, round = $13, disclosed = $14 WHERE customer = $1";
    put(tx, update, customer, account).await
}

/// Makes the account of a new customer.
pub(super) async fn create(tx: &Tx, customer: &CustomerId) -> Result<(), RecordsError> {
    let insert = "INSERT INTO accounts (customer, initialized, enabled, pin_version, failed_calls,
        pin_wrong_streak, blocked, reset_required, deck, abandoned, compensated, asked, round, disclosed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    put(tx, insert, customer, &Account::default()).await
}

async fn put(
    tx: &Tx,
    statement: &str,
    customer: &CustomerId,
    account: &Account,
) -> Result<(), RecordsError> {
    let touched = tx
        .execute(
            statement,
            &[
                &customer.as_str(),
                &account.initialized,
                &account.enabled,
                &i64::from(account.pin_version),
                &i16::from(account.failed_calls),
                &i16::from(account.pin_wrong_streak),
                &account.blocked,
                &account.reset_required,
                &to_json(&account.deck)?,
                &to_json(&account.abandoned)?,
                &account.compensated,
                &to_json(&account.asked)?,
                &signed(account.round),
                &to_json(&account.disclosed)?,
            ],
        )
        .await?;
    if touched == 1 { Ok(()) } else { Err(RecordsError::NoSuch("account")) }
}

pub(super) async fn challenge(
    tx: &mut Tx,
    customer: &CustomerId,
    random: u64,
    now: Timestamp,
) -> Result<Positions, RecordsError> {
    let mut account = lock(tx, customer).await?;
    let before = account.deck.clone();
    let positions = account.deck.challenge(random, now);
    if account.deck != before {
        store(tx, customer, &account).await?;
        let body = json!({ "positions": positions });
        journal::note(tx, now, "positions_drawn", None, customer, body);
    }
    Ok(positions)
}

/// Refuses what would be a guess too many: attempts of other calls that are still being judged, on
/// whatever node, count as wrong until they are settled: calling in parallel buys no guesses (P4).
pub(super) async fn reserve(tx: &mut Tx, wanted: &Reservation) -> Result<AttemptId, RecordsError> {
    let account = lock(tx, &wanted.customer).await?;
    let open = "SELECT count(*) AS open FROM attempts WHERE customer = $1 AND settled IS NULL";
    let open = tx.row(open, &[&wanted.customer.as_str()]).await?;
    let open: i64 = open.map(|row| column(&row, "open")).transpose()?.unwrap_or_default();
    let at_stake = open + i64::from(account.pin_wrong_streak);
    let spent = open > 0 && at_stake >= i64::from(wanted.rule.wrong_entries);
    if account.standing() != Standing::Open || spent {
        return Err(RecordsError::Refused);
    }
    let insert = "INSERT INTO attempts (call, customer, entry, last, first, second, pin_version,
        failed_calls, wrong_entries, reserved_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        RETURNING id";
    let made = tx
        .row(
            insert,
            &[
                &wanted.call.as_str(),
                &wanted.customer.as_str(),
                &i16::from(wanted.entry),
                &wanted.last,
                &i16::from(wanted.positions.first().number()),
                &i16::from(wanted.positions.second().number()),
                &i64::from(account.pin_version),
                &i16::from(wanted.rule.failed_calls),
                &i16::from(wanted.rule.wrong_entries),
                &signed(wanted.at.0),
            ],
        )
        .await?;
    let made = made.ok_or(RecordsError::NoSuch("attempt"))?;
    let attempt = AttemptId(column(&made, "id")?);
    let body =
        json!({ "attempt": attempt.0, "entry": wanted.entry, "positions": wanted.positions });
    let call = Some(&wanted.call);
    journal::note(tx, wanted.at, "attempt_reserved", call, &wanted.customer, body);
    Ok(attempt)
}

struct Attempt {
    ended: Ended,
    last: bool,
    pin_version: u32,
    settled: bool,
}

/// The account of an attempt, locked, and then the attempt as it is now.
async fn lock_attempt(tx: &Tx, attempt: AttemptId) -> Result<(Account, Attempt), RecordsError> {
    let account = "SELECT * FROM accounts
        WHERE customer = (SELECT customer FROM attempts WHERE id = $1) FOR UPDATE";
    let account = tx.row(account, &[&attempt.0]).await?.ok_or(RecordsError::NoSuch("attempt"))?;
    let select =
        "SELECT call, customer, last, pin_version, failed_calls, wrong_entries, reserved_at,
        settled IS NOT NULL AS settled FROM attempts WHERE id = $1";
    let row = tx.row(select, &[&attempt.0]).await?.ok_or(RecordsError::NoSuch("attempt"))?;
    let rule = BlockRule {
        failed_calls: number::<i16, _>(&row, "failed_calls")?,
        wrong_entries: number::<i16, _>(&row, "wrong_entries")?,
    };
    let ended = Ended {
        call: id(column(&row, "call")?)?,
        customer: id(column(&row, "customer")?)?,
        rule,
        at: time(column(&row, "reserved_at")?),
    };
    let attempt = Attempt {
        ended,
        last: column(&row, "last")?,
        pin_version: number::<i64, _>(&row, "pin_version")?,
        settled: column(&row, "settled")?,
    };
    Ok((from_row(&account)?, attempt))
}

/// What a settlement did: the account after it, and whether it was this one that counted.
pub(super) struct Settled {
    pub(super) after: AccountAfter,
    pub(super) counted: bool,
}

/// Settles an attempt; `None` for the time means that of its reservation.
pub(super) async fn settle(
    tx: &mut Tx,
    id: AttemptId,
    how: Settlement,
    now: Option<Timestamp>,
) -> Result<Settled, RecordsError> {
    let (mut account, Attempt { ended, last, pin_version, settled }) = lock_attempt(tx, id).await?;
    let now = now.unwrap_or(ended.at);
    let ended = Ended { at: now, ..ended };
    let mut marks = Marks::load(tx, &ended).await?;
    if settled {
        return Ok(Settled { after: after(&account, vec![], marks), counted: false });
    }
    let word = how.word();
    let update = "UPDATE attempts SET settled = $2, settled_at = $3 WHERE id = $1";
    tx.execute(update, &[&id.0, &word, &signed(now.0)]).await?;
    note(tx, &ended, "attempt_settled", json!({ "attempt": id.0, "result": word }));
    let mut facts = vec![];
    match how {
        // The new PIN's positions are not used up by an answer to the old one's.
        Settlement::Correct if account.pin_version != pin_version => {}
        Settlement::Correct => {
            facts.extend(account.apply(AccountEvent::EntryCorrect, ended.rule, now));
        }
        Settlement::Wrong => {
            facts.extend(account.apply(AccountEvent::EntryWrong, ended.rule, now));
            if last {
                facts.extend(marks.fail(tx, &ended, &mut account));
            }
        }
        Settlement::Void => {}
    }
    let after = finish(tx, &ended, &account, facts, marks).await?;
    Ok(Settled { after, counted: true })
}

pub(super) async fn call_result(
    tx: &mut Tx,
    ended: &Ended,
    result: CallResult,
) -> Result<AccountAfter, RecordsError> {
    let mut account = lock(tx, &ended.customer).await?;
    let mut marks = Marks::load(tx, ended).await?;
    let facts = match result {
        CallResult::Passed => marks.pass(tx, ended, &mut account).await?,
        CallResult::PassedCompensated => marks.pass_compensated(tx, ended, &mut account).await?,
        CallResult::Failed => marks.fail(tx, ended, &mut account),
        CallResult::ResetRequired => {
            let mut facts = marks.fail(tx, ended, &mut account);
            facts.extend(account.apply(AccountEvent::ResetDemanded, ended.rule, ended.at));
            facts
        }
        CallResult::Abandoned => marks.abandon(tx, ended, &mut account).await?,
    };
    if result != CallResult::Abandoned {
        let _ = account.apply(AccountEvent::Concluded, ended.rule, ended.at);
    }
    finish(tx, ended, &account, facts, marks).await
}

/// Attempts reserved before that time and still open, the oldest first.
pub(super) async fn open_before(
    tx: &Tx,
    at: Timestamp,
    limit: usize,
) -> Result<Vec<AttemptId>, RecordsError> {
    let select = "SELECT id FROM attempts WHERE settled IS NULL AND reserved_at < $1
        ORDER BY id LIMIT $2";
    attempts(&tx.rows(select, &[&signed(at.0), &rows(limit)]).await?)
}

/// The open attempts of a call.
pub(super) async fn open_of(tx: &Tx, call: &CallId) -> Result<Vec<AttemptId>, RecordsError> {
    let select = "SELECT id FROM attempts WHERE call = $1 AND settled IS NULL ORDER BY id";
    attempts(&tx.rows(select, &[&call.as_str()]).await?)
}

fn attempts(found: &[Row]) -> Result<Vec<AttemptId>, RecordsError> {
    found.iter().map(|row| Ok(AttemptId(column(row, "id")?))).collect()
}

/// What is on record about a call, in one look.
pub(super) async fn of_call(
    tx: &Tx,
    call: &CallId,
) -> Result<Option<AttemptsOfCall>, RecordsError> {
    let select =
        "SELECT ARRAY(SELECT settled FROM attempts WHERE call = $1 ORDER BY id) AS settled,
        ARRAY(SELECT failed FROM call_results WHERE call = $1 ORDER BY customer) AS failed,
        ARRAY(SELECT passed FROM call_results WHERE call = $1 ORDER BY customer) AS passed";
    let Some(row) = tx.row(select, &[&call.as_str()]).await? else { return Ok(None) };
    let settled: Vec<Option<String>> = column(&row, "settled")?;
    let (failed, passed): (Vec<bool>, Vec<bool>) =
        (column(&row, "failed")?, column(&row, "passed")?);
    let results: Vec<_> = failed.into_iter().zip(passed).collect();
    Ok(AttemptsOfCall::of(&settled, &results))
}

/// What a call already counted for, so that nothing counts twice.
#[derive(Clone, Copy)]
struct Marks {
    failed: bool,
    passed: bool,
    abandoned: bool,
}

impl Marks {
    async fn load(tx: &Tx, ended: &Ended) -> Result<Self, RecordsError> {
        let select =
            "SELECT failed, passed, abandoned FROM call_results WHERE call = $1 AND customer = $2";
        let found = tx.row(select, &[&ended.call.as_str(), &ended.customer.as_str()]).await?;
        let Some(row) = found else {
            return Ok(Self { failed: false, passed: false, abandoned: false });
        };
        Ok(Self {
            failed: column(&row, "failed")?,
            passed: column(&row, "passed")?,
            abandoned: column(&row, "abandoned")?,
        })
    }

    async fn store(self, tx: &Tx, ended: &Ended) -> Result<(), RecordsError> {
        let replace = "INSERT INTO call_results (call, customer, failed, passed, abandoned)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (call, customer)
            DO UPDATE SET failed = $3, passed = $4, abandoned = $5";
        let (call, customer) = (ended.call.as_str(), ended.customer.as_str());
        let Self { failed, passed, abandoned } = self;
        tx.execute(replace, &[&call, &customer, &failed, &passed, &abandoned]).await?;
        Ok(())
    }

    fn fail(&mut self, tx: &mut Tx, ended: &Ended, account: &mut Account) -> Vec<AccountFact> {
        if self.failed {
            return vec![];
        }
        self.failed = true;
        note(tx, ended, "call_failed", json!({}));
        account.apply(AccountEvent::CallFailed, ended.rule, ended.at)
    }

    async fn pass(
        &mut self,
        tx: &mut Tx,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        if self.passed {
            return Ok(vec![]);
        }
        self.passed = true;
        note(tx, ended, "call_passed", json!({ "was_failed": self.failed }));
        let was_blocked = account.blocked;
        let event = AccountEvent::CallPassed { was_failed: self.failed };
        let facts = account.apply(event, ended.rule, ended.at);
        if was_blocked && !account.blocked {
            jobs::unblocked(tx, &ended.customer, journal::SYSTEM, ended.at).await?;
        }
        Ok(facts)
    }

    /// The records are the arbiter: of two calls at once only one passes by an additional question (C44).
    async fn pass_compensated(
        &mut self,
        tx: &mut Tx,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        if self.passed {
            return Ok(vec![]);
        }
        if account.compensated {
            return Err(RecordsError::Refused);
        }
        let mut facts = self.pass(tx, ended, account).await?;
        facts.extend(account.apply(AccountEvent::CompensatedPass, ended.rule, ended.at));
        note(tx, ended, "additional_security_used", json!({}));
        Ok(facts)
    }

    async fn abandon(
        &mut self,
        tx: &mut Tx,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        let attempt = "SELECT id FROM attempts WHERE call = $1 AND customer = $2 LIMIT 1";
        let attempt = tx.row(attempt, &[&ended.call.as_str(), &ended.customer.as_str()]).await?;
        if self.abandoned || attempt.is_some() {
            return Ok(vec![]);
        }
        self.abandoned = true;
        note(tx, ended, "positions_abandoned", json!({}));
        Ok(account.apply(AccountEvent::Abandoned, ended.rule, ended.at))
    }
}

async fn finish(
    tx: &mut Tx,
    ended: &Ended,
    account: &Account,
    facts: Vec<AccountFact>,
    marks: Marks,
) -> Result<AccountAfter, RecordsError> {
    store(tx, &ended.customer, account).await?;
    marks.store(tx, ended).await?;
    for fact in &facts {
        let what = match fact {
            AccountFact::BecameBlocked => "account_blocked",
            AccountFact::BecameResetRequired => "pin_reset_required",
            AccountFact::FishingSuspected => "fishing_suspected",
        };
        let (failed_calls, wrong_entries) = (account.failed_calls, account.pin_wrong_streak);
        let body = json!({ "failed_calls": failed_calls, "wrong_entries": wrong_entries });
        note(tx, ended, what, body);
    }
    if facts.contains(&AccountFact::BecameBlocked) {
        jobs::became_blocked(tx, &ended.call, &ended.customer, ended.at).await?;
    }
    Ok(after(account, facts, marks))
}

fn after(account: &Account, facts: Vec<AccountFact>, marks: Marks) -> AccountAfter {
    AccountAfter { standing: account.standing(), facts, call_failed: marks.failed && !marks.passed }
}

fn note(tx: &mut Tx, ended: &Ended, what: &str, body: Value) {
    journal::note(tx, ended.at, what, Some(&ended.call), &ended.customer, body);
}
