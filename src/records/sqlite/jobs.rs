//! Jobs and the machine that opens and changes them, each in one transaction with its items.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::Rows;
use serde_json::json;

use crate::follow_up;
use crate::follow_up::JobEvent;
use crate::follow_up::JobId;
use crate::follow_up::JobKind;
use crate::follow_up::JobLine;
use crate::follow_up::JobState;
use crate::follow_up::NewJob;
use crate::follow_up::Occurred;
use crate::follow_up::Rules;
use crate::follow_up::Step;
use crate::follow_up::retry::HighWater;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::follow_ups::JobFilter;
use crate::records::machine;
use crate::records::machine::Around;
use crate::records::machine::JobRow;
use crate::records::machine::MARK_EVERY;
use crate::records::machine::OPEN_MAX;
use crate::records::machine::Source;
use crate::records::sqlite::customers;
use crate::records::sqlite::journal;
use crate::records::sqlite::outbox;
use crate::records::sqlite::pin_files;
use crate::records::stored::from_json;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

/// Whether this kind of thing is heard of for the first time in this call.
pub(super) fn first(
    db: &Connection,
    call: &CallId,
    kind: &str,
    customer: &CustomerId,
    at: Timestamp,
) -> Result<bool, RecordsError> {
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO occasions VALUES (?1, ?2, ?3, ?4)")?;
    Ok(insert.execute((call.as_str(), kind, customer.as_str(), signed(at.0)))? > 0)
}

pub(super) fn follow_up(
    db: &Connection,
    occurred: &Occurred,
) -> Result<Vec<JobLine>, RecordsError> {
    let Occurred { call, customer, profile, rules, at, what } = occurred;
    let word = what.word();
    let first = first(db, call, word, customer, *at)?;
    let steps = around(db, customer)?.steps(occurred, first);
    let source = Source::of(occurred);
    if first {
        note(db, &source, "follow_up", json!({ "occasion": word }))?;
    } else {
        // Jobs that were opened before the profile was known take its rules.
        adopt(db, call, word, profile, rules)?;
    }
    carry_out(db, steps, &source)?;
    let mut select = db.prepare_cached(
        "SELECT * FROM jobs WHERE call = ?1 AND occasion = ?2 AND customer = ?3 ORDER BY id",
    )?;
    lines(&mut select.query((call.as_str(), word, customer.as_str()))?)
}

/// The unblock job of an account that a call has just blocked (C71).
pub(super) fn became_blocked(
    db: &Connection,
    call: &CallId,
    customer: &CustomerId,
    at: Timestamp,
) -> Result<(), RecordsError> {
    follow_up(db, &machine::blocked_by(call, customer, at)).map(drop)
}

/// Ends the jobs that were to lift a block which is no more, and what one person asked for.
pub(super) fn unblocked(
    db: &Connection,
    customer: &CustomerId,
    by: &str,
    at: Timestamp,
) -> Result<(), RecordsError> {
    pin_files::asked_no_more(db, customer)?;
    let steps = around(db, customer)?.ended();
    carry_out(db, steps, &Source::lifted(customer, &Rules::default(), by, at))
}

pub(super) fn event(
    db: &Connection,
    job: JobId,
    event: JobEvent,
    by: &str,
    now: Timestamp,
) -> Result<JobLine, RecordsError> {
    let now = high_water(db)?.observe(now);
    let mut select = db.prepare_cached("SELECT * FROM jobs WHERE id = ?1")?;
    let mut found = select.query([job.0])?;
    let row = found.next()?.ok_or(RecordsError::NoSuch("job"))?;
    let before = line(row)?;
    let rules: Rules = from_json(&row.get::<_, String>("rules")?, &format!("job {}", job.0))?;
    let around = around(db, &before.customer)?;
    let steps = follow_up::happened(&before, &rules, event, &around.context(), now)
        .map_err(RecordsError::NotSo)?;
    let source = Source::job(&before, &rules, by, now);
    let body = json!({ "job": job, "kind": before.kind, "event": event });
    note(db, &source, "job_event", body)?;
    carry_out(db, steps, &source)?;
    one(db, job)?.ok_or(RecordsError::NoSuch("job"))
}

pub(super) fn due(
    db: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<JobId>, RecordsError> {
    let stored = high_water(db)?;
    let mut high = stored;
    let now = high.observe(now);
    let mut select =
        db.prepare_cached("SELECT id FROM jobs WHERE due <= ?1 ORDER BY due, id LIMIT ?2")?;
    let found = select.query_map((signed(now.0), rows(limit)), |row| Ok(JobId(row.get(0)?)))?;
    let found: Vec<_> = found.collect::<Result<_, _>>()?;
    let moved = now < stored.0 || now.since(stored.0) >= MARK_EVERY;
    // What was found due once stays due.
    if moved || !found.is_empty() {
        db.prepare_cached("UPDATE high_water SET at = ?1")?.execute([signed(now.0)])?;
    }
    Ok(found)
}

pub(super) fn list(
    db: &Connection,
    filter: &JobFilter,
    limit: usize,
) -> Result<Vec<JobLine>, RecordsError> {
    let after = filter.after.map_or(0, |after| after.0);
    let kind = filter.kind.map(JobKind::word);
    let Some(customer) = &filter.customer else {
        let mut select = db.prepare_cached(concat!(
            "SELECT * FROM jobs WHERE id > ?1 AND (?2 IS NULL OR kind = ?2)",
            " AND (?3 IS NULL OR (state IN ('open', 'waiting', 'reminded')) = ?3)",
            " ORDER BY id LIMIT ?4"
        ))?;
        return lines(&mut select.query((after, kind, filter.open, rows(limit)))?);
    };
    let mut select = db.prepare_cached(concat!(
        "SELECT * FROM jobs WHERE id > ?1 AND (?2 IS NULL OR kind = ?2)",
        " AND (?3 IS NULL OR (state IN ('open', 'waiting', 'reminded')) = ?3)",
        " AND customer = ?5 ORDER BY id LIMIT ?4"
    ))?;
    lines(&mut select.query((after, kind, filter.open, rows(limit), customer.as_str()))?)
}

fn lines(found: &mut Rows<'_>) -> Result<Vec<JobLine>, RecordsError> {
    let mut lines = vec![];
    while let Some(row) = found.next()? {
        lines.push(line(row)?);
    }
    Ok(lines)
}

pub(super) fn one(db: &Connection, job: JobId) -> Result<Option<JobLine>, RecordsError> {
    let mut select = db.prepare_cached("SELECT * FROM jobs WHERE id = ?1")?;
    let mut found = select.query([job.0])?;
    found.next()?.map(line).transpose()
}

fn around(db: &Connection, customer: &CustomerId) -> Result<Around, RecordsError> {
    let flags = customers::flags(db, customer)?;
    Ok(Around::new(list(db, &Around::filter(customer), OPEN_MAX)?, &flags))
}

fn carry_out(db: &Connection, steps: Vec<Step>, source: &Source<'_>) -> Result<(), RecordsError> {
    for step in steps {
        match step {
            Step::Open(job) => open(db, &job, source)?,
            Step::Change { job, state, due } => change(db, job, state, due, source)?,
            Step::Send(item) => outbox::enqueue(db, &item, source.at)?,
        }
    }
    Ok(())
}

fn open(db: &Connection, job: &NewJob, source: &Source<'_>) -> Result<(), RecordsError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO jobs (kind, state, customer, call, occasion, profile, rules, opened, due, changed,
         changed_by, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8, ?10, ?11)",
    )?;
    let number = insert.insert((
        job.kind.word(),
        job.state.word(),
        source.customer.as_str(),
        source.call.map(CallId::as_str),
        source.occasion,
        source.profile,
        to_json(source.rules)?,
        signed(source.at.0),
        job.due.map(|due| signed(due.0)),
        source.by,
        to_json(&job.detail)?,
    ))?;
    note(db, source, "job_opened", json!({ "job": number, "kind": job.kind }))
}

fn change(
    db: &Connection,
    job: JobId,
    state: JobState,
    due: Option<Timestamp>,
    source: &Source<'_>,
) -> Result<(), RecordsError> {
    let mut update = db.prepare_cached(
        "UPDATE jobs SET state = ?2, due = ?3, changed = ?4, changed_by = ?5 WHERE id = ?1",
    )?;
    let (due, at) = (due.map(|due| signed(due.0)), signed(source.at.0));
    update.execute((job.0, state.word(), due, at, source.by))?;
    note(db, source, "job_changed", json!({ "job": job, "state": state }))
}

fn adopt(
    db: &Connection,
    call: &CallId,
    occasion: &str,
    profile: &str,
    rules: &Rules,
) -> Result<(), RecordsError> {
    let mut update = db.prepare_cached(
        "UPDATE jobs SET profile = ?3, rules = ?4 WHERE call = ?1 AND occasion = ?2 AND profile = ''",
    )?;
    update.execute((call.as_str(), occasion, profile, to_json(rules)?))?;
    Ok(())
}

fn note(
    db: &Connection,
    source: &Source<'_>,
    what: &str,
    body: serde_json::Value,
) -> Result<(), RecordsError> {
    journal::append(db, source.entry(what, body))
}

fn high_water(db: &Connection) -> Result<HighWater, RecordsError> {
    let mut select = db.prepare_cached("SELECT at FROM high_water")?;
    let at = select.query_row((), |row| row.get(0)).optional()?.unwrap_or_default();
    Ok(HighWater(time(at)))
}

fn line(row: &Row<'_>) -> Result<JobLine, RecordsError> {
    let stored = JobRow {
        id: row.get("id")?,
        kind: row.get("kind")?,
        state: row.get("state")?,
        customer: row.get("customer")?,
        call: row.get("call")?,
        profile: row.get("profile")?,
        opened: row.get("opened")?,
        due: row.get("due")?,
        changed: row.get("changed")?,
        changed_by: row.get("changed_by")?,
        detail: row.get("detail")?,
    };
    stored.line()
}
