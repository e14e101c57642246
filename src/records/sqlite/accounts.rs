//! Accounts and the attempt protocol: reserve, then hash, then settle (facts/reliability §6).
//!
//! ```text
//!           ┌─ settle correct ─► streak ends, next positions
//! reserve ──┼─ settle wrong ───► streak grows; the last entry also fails the call
//! (on disk) ├─ settle void ────► nothing is counted
//!           └─ crash ──────────► settled wrong when the records are opened again
//! ```

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use serde_json::Value;
use serde_json::json;

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
use crate::records::sqlite::jobs;
use crate::records::sqlite::journal;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json as to_json;
use crate::records::stored::left_open;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

/// A call that ends, or a part of it, for an account.
pub(super) struct Ended {
    pub(super) call: CallId,
    pub(super) customer: CustomerId,
    pub(super) rule: BlockRule,
    pub(super) at: Timestamp,
}

pub(super) fn load(
    db: &Connection,
    customer: &CustomerId,
) -> Result<Option<Account>, RecordsError> {
    let mut select = db.prepare_cached("SELECT * FROM accounts WHERE customer = ?1")?;
    let mut found = select.query([customer.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let record = format!("account {customer}");
    Ok(Some(Account {
        initialized: row.get("initialized")?,
        enabled: row.get("enabled")?,
        pin_version: row.get("pin_version")?,
        failed_calls: row.get("failed_calls")?,
        pin_wrong_streak: row.get("pin_wrong_streak")?,
        blocked: row.get("blocked")?,
        reset_required: row.get("reset_required")?,
        deck: from_json(&row.get::<_, String>("deck")?, &record)?,
        abandoned: from_json(&row.get::<_, String>("abandoned")?, &record)?,
        compensated: row.get("compensated")?,
        asked: from_json(&row.get::<_, String>("asked")?, &record)?,
        round: u64::try_from(row.get::<_, i64>("round")?).unwrap_or_default(),
        disclosed: from_json(&row.get::<_, String>("disclosed")?, &record)?,
    }))
}

pub(super) fn store(
    db: &Connection,
    customer: &CustomerId,
    account: &Account,
) -> Result<(), RecordsError> {
    let mut replace = db.prepare_cached(
        "INSERT OR REPLACE INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    replace.execute((
        customer.as_str(),
        account.initialized,
        account.enabled,
        account.pin_version,
        account.failed_calls,
        account.pin_wrong_streak,
        account.blocked,
        account.reset_required,
        to_json(&account.deck)?,
        to_json(&account.abandoned)?,
        account.compensated,
        to_json(&account.asked)?,
        signed(account.round),
        to_json(&account.disclosed)?,
    ))?;
    Ok(())
}

fn existing(db: &Connection, customer: &CustomerId) -> Result<Account, RecordsError> {
    load(db, customer)?.ok_or(RecordsError::NoSuch("account"))
}

pub(super) fn challenge(
    db: &Connection,
    customer: &CustomerId,
    random: u64,
    now: Timestamp,
) -> Result<Positions, RecordsError> {
    let mut account = existing(db, customer)?;
    let before = account.deck.clone();
    let positions = account.deck.challenge(random, now);
    if account.deck != before {
        store(db, customer, &account)?;
        journal::note(
            db,
            now,
            "positions_drawn",
            None,
            customer,
            json!({ "positions": positions }),
        )?;
    }
    Ok(positions)
}

/// Refuses what would be a guess too many: attempts of other calls that are still being judged
/// count as wrong until they are settled, so that calling in parallel buys no guesses (P4).
pub(super) fn reserve(db: &Connection, wanted: &Reservation) -> Result<AttemptId, RecordsError> {
    let account = existing(db, &wanted.customer)?;
    let open = "SELECT count(*) FROM attempts WHERE customer = ?1 AND settled IS NULL";
    let open: u32 =
        db.prepare_cached(open)?.query_row([wanted.customer.as_str()], |row| row.get(0))?;
    let at_stake = open + u32::from(account.pin_wrong_streak);
    let spent = open > 0 && at_stake >= u32::from(wanted.rule.wrong_entries);
    if account.standing() != Standing::Open || spent {
        return Err(RecordsError::Refused);
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO attempts (call, customer, entry, last, first, second, pin_version, failed_calls,
         wrong_entries, reserved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let attempt = AttemptId(insert.insert((
        wanted.call.as_str(),
        wanted.customer.as_str(),
        wanted.entry,
        wanted.last,
        wanted.positions.first().number(),
        wanted.positions.second().number(),
        account.pin_version,
        wanted.rule.failed_calls,
        wanted.rule.wrong_entries,
        signed(wanted.at.0),
    ))?);
    let body =
        json!({ "attempt": attempt.0, "entry": wanted.entry, "positions": wanted.positions });
    journal::note(db, wanted.at, "attempt_reserved", Some(&wanted.call), &wanted.customer, body)?;
    Ok(attempt)
}

struct Attempt {
    ended: Ended,
    last: bool,
    pin_version: u32,
    settled: bool,
}

fn attempt(db: &Connection, attempt: AttemptId) -> Result<Attempt, RecordsError> {
    let mut select = db.prepare_cached("SELECT * FROM attempts WHERE id = ?1")?;
    let mut found = select.query([attempt.0])?;
    let row = found.next()?.ok_or(RecordsError::NoSuch("attempt"))?;
    let rule = BlockRule {
        failed_calls: row.get("failed_calls")?,
        wrong_entries: row.get("wrong_entries")?,
    };
    Ok(Attempt {
        ended: Ended {
            call: id(row.get("call")?)?,
            customer: id(row.get("customer")?)?,
            rule,
            at: time(row.get("reserved_at")?),
        },
        last: row.get("last")?,
        pin_version: row.get("pin_version")?,
        settled: row.get::<_, Option<String>>("settled")?.is_some(),
    })
}

pub(super) fn settle(
    db: &Connection,
    id: AttemptId,
    how: Settlement,
    now: Timestamp,
) -> Result<AccountAfter, RecordsError> {
    let Attempt { ended, last, pin_version, settled } = attempt(db, id)?;
    let ended = Ended { at: now, ..ended };
    let mut account = existing(db, &ended.customer)?;
    let mut marks = Marks::load(db, &ended)?;
    if settled {
        return Ok(after(&account, vec![], marks));
    }
    let word = how.word();
    let mut update =
        db.prepare_cached("UPDATE attempts SET settled = ?2, settled_at = ?3 WHERE id = ?1")?;
    update.execute((id.0, word, signed(now.0)))?;
    note(db, &ended, "attempt_settled", json!({ "attempt": id.0, "result": word }))?;
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
                facts.extend(marks.fail(db, &ended, &mut account)?);
            }
        }
        Settlement::Void => {}
    }
    finish(db, &ended, &account, facts, marks)
}

pub(super) fn call_result(
    db: &Connection,
    ended: &Ended,
    result: CallResult,
) -> Result<AccountAfter, RecordsError> {
    let mut account = existing(db, &ended.customer)?;
    let mut marks = Marks::load(db, ended)?;
    let facts = match result {
        CallResult::Passed => marks.pass(db, ended, &mut account)?,
        CallResult::PassedCompensated => marks.pass_compensated(db, ended, &mut account)?,
        CallResult::Failed => marks.fail(db, ended, &mut account)?,
        CallResult::ResetRequired => {
            let mut facts = marks.fail(db, ended, &mut account)?;
            facts.extend(account.apply(AccountEvent::ResetDemanded, ended.rule, ended.at));
            facts
        }
        CallResult::Abandoned => marks.abandon(db, ended, &mut account)?,
    };
    if result != CallResult::Abandoned {
        let _ = account.apply(AccountEvent::Concluded, ended.rule, ended.at);
    }
    finish(db, ended, &account, facts, marks)
}

/// Settles as wrong what was reserved when the process died: whoever could crash us would have free guesses (5.15).
pub(super) fn recover(db: &Connection) -> Result<(), RecordsError> {
    settle_older_than(db, Timestamp(u64::MAX), usize::MAX).map(drop)
}

pub(super) fn settle_older_than(
    db: &Connection,
    at: Timestamp,
    limit: usize,
) -> Result<u32, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT id, reserved_at FROM attempts WHERE settled IS NULL AND reserved_at < ?1 ORDER BY id LIMIT ?2",
    )?;
    let open = select
        .query_map((signed(at.0), rows(limit)), |row| Ok((AttemptId(row.get(0)?), row.get(1)?)))?;
    let mut settled = 0;
    for (attempt, reserved_at) in open.collect::<Result<Vec<_>, _>>()? {
        let after = settle(db, attempt, Settlement::Wrong, time(reserved_at))?;
        left_open(attempt, &after);
        settled += 1;
    }
    Ok(settled)
}

pub(super) fn settle_abandoned(
    db: &Connection,
    call: &CallId,
    now: Timestamp,
) -> Result<Option<AttemptsOfCall>, RecordsError> {
    let mut select = db.prepare_cached(
        "SELECT id FROM attempts WHERE call = ?1 AND settled IS NULL ORDER BY id",
    )?;
    let open = select.query_map([call.as_str()], |row| Ok(AttemptId(row.get(0)?)))?;
    for attempt in open.collect::<Result<Vec<_>, _>>()? {
        left_open(attempt, &settle(db, attempt, Settlement::Wrong, now)?);
    }
    let mut select =
        db.prepare_cached("SELECT settled FROM attempts WHERE call = ?1 ORDER BY id")?;
    let settled = select.query_map([call.as_str()], |row| row.get(0))?;
    let settled = settled.collect::<Result<Vec<Option<String>>, _>>()?;
    let mut select =
        db.prepare_cached("SELECT failed, passed FROM call_results WHERE call = ?1")?;
    let results = select.query_map([call.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(AttemptsOfCall::of(&settled, &results.collect::<Result<Vec<_>, _>>()?))
}

/// What a call already counted for, so that nothing counts twice.
#[derive(Clone, Copy)]
struct Marks {
    failed: bool,
    passed: bool,
    abandoned: bool,
}

impl Marks {
    fn load(db: &Connection, ended: &Ended) -> Result<Self, RecordsError> {
        let select =
            "SELECT failed, passed, abandoned FROM call_results WHERE call = ?1 AND customer = ?2";
        let mut select = db.prepare_cached(select)?;
        let found = select.query_row((ended.call.as_str(), ended.customer.as_str()), |row| {
            Ok(Self { failed: row.get(0)?, passed: row.get(1)?, abandoned: row.get(2)? })
        });
        Ok(found.optional()?.unwrap_or(Self { failed: false, passed: false, abandoned: false }))
    }

    fn store(self, db: &Connection, ended: &Ended) -> Result<(), RecordsError> {
        let mut replace =
            db.prepare_cached("INSERT OR REPLACE INTO call_results VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let (call, customer) = (ended.call.as_str(), ended.customer.as_str());
        replace.execute((call, customer, self.failed, self.passed, self.abandoned))?;
        Ok(())
    }

    fn fail(
        &mut self,
        db: &Connection,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        if self.failed {
            return Ok(vec![]);
        }
        self.failed = true;
        note(db, ended, "call_failed", json!({}))?;
        Ok(account.apply(AccountEvent::CallFailed, ended.rule, ended.at))
    }

    fn pass(
        &mut self,
        db: &Connection,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        if self.passed {
            return Ok(vec![]);
        }
        self.passed = true;
        note(db, ended, "call_passed", json!({ "was_failed": self.failed }))?;
        let was_blocked = account.blocked;
        let event = AccountEvent::CallPassed { was_failed: self.failed };
        let facts = account.apply(event, ended.rule, ended.at);
        if was_blocked && !account.blocked {
            jobs::unblocked(db, &ended.customer, journal::SYSTEM, ended.at)?;
        }
        Ok(facts)
    }

    /// The records are the arbiter: of two calls at once only one passes by an additional question (C44).
    fn pass_compensated(
        &mut self,
        db: &Connection,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        if self.passed {
            return Ok(vec![]);
        }
        if account.compensated {
            return Err(RecordsError::Refused);
        }
        let mut facts = self.pass(db, ended, account)?;
        facts.extend(account.apply(AccountEvent::CompensatedPass, ended.rule, ended.at));
        note(db, ended, "additional_security_used", json!({}))?;
        Ok(facts)
    }

    fn abandon(
        &mut self,
        db: &Connection,
        ended: &Ended,
        account: &mut Account,
    ) -> Result<Vec<AccountFact>, RecordsError> {
        let attempts = "SELECT EXISTS (SELECT 1 FROM attempts WHERE call = ?1 AND customer = ?2)";
        let mut attempts = db.prepare_cached(attempts)?;
        let attempted =
            attempts.query_row((ended.call.as_str(), ended.customer.as_str()), |row| row.get(0))?;
        if self.abandoned || attempted {
            return Ok(vec![]);
        }
        self.abandoned = true;
        note(db, ended, "positions_abandoned", json!({}))?;
        Ok(account.apply(AccountEvent::Abandoned, ended.rule, ended.at))
    }
}

fn finish(
    db: &Connection,
    ended: &Ended,
    account: &Account,
    facts: Vec<AccountFact>,
    marks: Marks,
) -> Result<AccountAfter, RecordsError> {
    store(db, &ended.customer, account)?;
    marks.store(db, ended)?;
    for fact in &facts {
        let what = match fact {
            AccountFact::BecameBlocked => "account_blocked",
            AccountFact::BecameResetRequired => "pin_reset_required",
            AccountFact::FishingSuspected => "fishing_suspected",
        };
        note(
            db,
            ended,
            what,
            json!({ "failed_calls": account.failed_calls, "wrong_entries": account.pin_wrong_streak }),
        )?;
    }
    if facts.contains(&AccountFact::BecameBlocked) {
        jobs::became_blocked(db, &ended.call, &ended.customer, ended.at)?;
    }
    Ok(after(account, facts, marks))
}

fn after(account: &Account, facts: Vec<AccountFact>, marks: Marks) -> AccountAfter {
    AccountAfter { standing: account.standing(), facts, call_failed: marks.failed && !marks.passed }
}

fn note(db: &Connection, ended: &Ended, what: &str, body: Value) -> Result<(), RecordsError> {
    journal::note(db, ended.at, what, Some(&ended.call), &ended.customer, body)
}
