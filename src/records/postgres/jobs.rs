//! Jobs and the machine that opens and changes them, each in one transaction with its items.
//!
//! Several nodes find the same job due: the account's row is locked first, so that the second one
//! sees what the first one did, and is told that nothing is due.

use serde_json::Value;
use serde_json::json;
use tokio_postgres::Row;

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
use crate::records::postgres::db::Param;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;
use crate::records::postgres::outbox;
use crate::records::postgres::pin_files;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::json as to_json;
use crate::records::stored::rows;
use crate::records::stored::signed;
use crate::records::stored::time;

/// Locks the row on which everything about a customer meets; nothing for somebody we do not know.
pub(super) async fn lock(tx: &Tx, customer: &CustomerId) -> Result<(), RecordsError> {
    let lock = "SELECT 1 AS there FROM accounts WHERE customer = $1 FOR UPDATE";
    tx.execute(lock, &[&customer.as_str()]).await.map(drop)
}

/// Whether this kind of thing is heard of for the first time in this call.
pub(super) async fn first(
    tx: &Tx,
    call: &CallId,
    kind: &str,
    customer: &CustomerId,
    at: Timestamp,
) -> Result<bool, RecordsError> {
    let insert = "INSERT INTO occasions (call, kind, customer, at) VALUES ($1, $2, $3, $4)
                  ON CONFLICT DO NOTHING";
    let params: [Param<'_>; 4] = [&call.as_str(), &kind, &customer.as_str(), &signed(at.0)];
    Ok(tx.execute(insert, &params).await? > 0)
}

pub(super) async fn follow_up(
    tx: &mut Tx,
    occurred: &Occurred,
) -> Result<Vec<JobLine>, RecordsError> {
    let Occurred { call, customer, profile, rules, at, what } = occurred;
    let word = what.word();
    lock(tx, customer).await?;
    let first = first(tx, call, word, customer, *at).await?;
    let steps = around(tx, customer).await?.steps(occurred, first);
    let source = Source::of(occurred);
    if first {
        tx.note(source.entry("follow_up", json!({ "occasion": word })));
    } else {
        // Jobs that were opened before the profile was known take its rules.
        let adopt = "UPDATE jobs SET profile = $3, rules = $4
                     WHERE call = $1 AND occasion = $2 AND profile = ''";
        let params: [Param<'_>; 4] = [&call.as_str(), &word, profile, &to_json(rules)?];
        tx.execute(adopt, &params).await?;
    }
    carry_out(tx, steps, &source).await?;
    let select =
        "SELECT * FROM jobs WHERE call = $1 AND occasion = $2 AND customer = $3 ORDER BY id";
    lines(&tx.rows(select, &[&call.as_str(), &word, &customer.as_str()]).await?)
}

/// The unblock job of an account that a call has just blocked (C71).
pub(super) async fn became_blocked(
    tx: &mut Tx,
    call: &CallId,
    customer: &CustomerId,
    at: Timestamp,
) -> Result<(), RecordsError> {
    follow_up(tx, &machine::blocked_by(call, customer, at)).await.map(drop)
}

/// Ends the jobs that were to lift a block which is no more, and what one person asked for.
pub(super) async fn unblocked(
    tx: &mut Tx,
    customer: &CustomerId,
    by: &str,
    at: Timestamp,
) -> Result<(), RecordsError> {
    pin_files::asked_no_more(tx, customer).await?;
    let steps = around(tx, customer).await?.ended();
    carry_out(tx, steps, &Source::lifted(customer, &Rules::default(), by, at)).await
}

pub(super) async fn event(
    tx: &mut Tx,
    job: JobId,
    event: JobEvent,
    by: &str,
    now: Timestamp,
) -> Result<JobLine, RecordsError> {
    let now = high_water(tx).await?.observe(now);
    let whose = tx.row("SELECT customer FROM jobs WHERE id = $1", &[&job.0]).await?;
    let whose = whose.ok_or(RecordsError::NoSuch("job"))?;
    lock(tx, &id(column(&whose, "customer")?)?).await?;
    // As it is now that nobody else changes it.
    let found = tx.row("SELECT * FROM jobs WHERE id = $1", &[&job.0]).await?;
    let found = found.ok_or(RecordsError::NoSuch("job"))?;
    let before = line(&found)?;
    let rules: Rules = from_json(&column::<String>(&found, "rules")?, &format!("job {}", job.0))?;
    let around = around(tx, &before.customer).await?;
    let steps = follow_up::happened(&before, &rules, event, &around.context(), now)
        .map_err(RecordsError::NotSo)?;
    let source = Source::job(&before, &rules, by, now);
    let body = json!({ "job": job, "kind": before.kind, "event": event });
    tx.note(source.entry("job_event", body));
    carry_out(tx, steps, &source).await?;
    one(tx, job).await?.ok_or(RecordsError::NoSuch("job"))
}

pub(super) async fn due(tx: &Tx, now: Timestamp, limit: usize) -> Result<Vec<JobId>, RecordsError> {
    let stored = high_water(tx).await?;
    let mut high = stored;
    let now = high.observe(now);
    let select = "SELECT id FROM jobs WHERE due <= $1 ORDER BY due, id LIMIT $2";
    let found = tx.rows(select, &[&signed(now.0), &rows(limit)]).await?;
    let found = found.iter().map(|row| Ok(JobId(column(row, "id")?)));
    let found: Vec<_> = found.collect::<Result<_, RecordsError>>()?;
    let moved = now < stored.0 || now.since(stored.0) >= MARK_EVERY;
    // What was found due once stays due. Another node may have seen a later time meanwhile.
    if now != stored.0 && (moved || !found.is_empty()) {
        let believed = i64::try_from(HighWater::BELIEVED_FOR.as_millis()).unwrap_or(i64::MAX);
        let update = "UPDATE high_water SET at = $1 WHERE at < $1 OR at - $1 > $2";
        tx.execute(update, &[&signed(now.0), &believed]).await?;
    }
    Ok(found)
}

pub(super) async fn list(
    tx: &Tx,
    filter: &JobFilter,
    limit: usize,
) -> Result<Vec<JobLine>, RecordsError> {
    let after = filter.after.map_or(0, |after| after.0);
    let (kind, limit) = (filter.kind.map(JobKind::word), rows(limit));
    let Some(customer) = &filter.customer else {
        let select = "SELECT * FROM jobs WHERE id > $1 AND ($2::text IS NULL OR kind = $2)
             AND ($3::boolean IS NULL OR (state IN ('open', 'waiting', 'reminded')) = $3)
             ORDER BY id LIMIT $4";
        return lines(&tx.rows(select, &[&after, &kind, &filter.open, &limit]).await?);
    };
    let select = "SELECT * FROM jobs WHERE id > $1 AND ($2::text IS NULL OR kind = $2)
         AND ($3::boolean IS NULL OR (state IN ('open', 'waiting', 'reminded')) = $3)
         AND customer = $5 ORDER BY id LIMIT $4";
    let params: [Param<'_>; 5] = [&after, &kind, &filter.open, &limit, &customer.as_str()];
    lines(&tx.rows(select, &params).await?)
}

pub(super) async fn one(tx: &Tx, job: JobId) -> Result<Option<JobLine>, RecordsError> {
    tx.row("SELECT * FROM jobs WHERE id = $1", &[&job.0]).await?.as_ref().map(line).transpose()
}

async fn around(tx: &Tx, customer: &CustomerId) -> Result<Around, RecordsError> {
    let flags = tx.row("SELECT flags FROM customers WHERE id = $1", &[&customer.as_str()]).await?;
    // None of somebody we do not know.
    let flags: Vec<String> = match flags {
        Some(row) => from_json(&column::<String>(&row, "flags")?, &format!("customer {customer}"))?,
        None => vec![],
    };
    Ok(Around::new(list(tx, &Around::filter(customer), OPEN_MAX).await?, &flags))
}

async fn carry_out(tx: &mut Tx, steps: Vec<Step>, source: &Source<'_>) -> Result<(), RecordsError> {
    for step in steps {
        match step {
            Step::Open(job) => open(tx, &job, source).await?,
            Step::Change { job, state, due } => change(tx, job, state, due, source).await?,
            Step::Send(item) => outbox::enqueue(tx, &item, source.at).await?,
        }
    }
    Ok(())
}

async fn open(tx: &mut Tx, job: &NewJob, source: &Source<'_>) -> Result<(), RecordsError> {
    let insert =
        "INSERT INTO jobs (kind, state, customer, call, occasion, profile, rules, opened, due,
                  changed, changed_by, detail)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10, $11) RETURNING id";
    let params: [Param<'_>; 11] = [
        &job.kind.word(),
        &job.state.word(),
        &source.customer.as_str(),
        &source.call.map(CallId::as_str),
        &source.occasion,
        &source.profile,
        &to_json(source.rules)?,
        &signed(source.at.0),
        &job.due.map(|due| signed(due.0)),
        &source.by,
        &to_json(&job.detail)?,
    ];
    let made = tx.row(insert, &params).await?.ok_or(RecordsError::NoSuch("job"))?;
    let number: i64 = column(&made, "id")?;
    note(tx, source, "job_opened", json!({ "job": number, "kind": job.kind }));
    Ok(())
}

async fn change(
    tx: &mut Tx,
    job: JobId,
    state: JobState,
    due: Option<Timestamp>,
    source: &Source<'_>,
) -> Result<(), RecordsError> {
    let update =
        "UPDATE jobs SET state = $2, due = $3, changed = $4, changed_by = $5 WHERE id = $1";
    let (due, at) = (due.map(|due| signed(due.0)), signed(source.at.0));
    tx.execute(update, &[&job.0, &state.word(), &due, &at, &source.by]).await?;
    note(tx, source, "job_changed", json!({ "job": job, "state": state }));
    Ok(())
}

fn note(tx: &mut Tx, source: &Source<'_>, what: &str, body: Value) {
    tx.note(source.entry(what, body));
}

async fn high_water(tx: &Tx) -> Result<HighWater, RecordsError> {
    let found = tx.row("SELECT at FROM high_water", &[]).await?;
    let at = found.map(|row| column(&row, "at")).transpose()?.unwrap_or_default();
    Ok(HighWater(time(at)))
}

fn lines(found: &[Row]) -> Result<Vec<JobLine>, RecordsError> {
    found.iter().map(line).collect()
}

fn line(row: &Row) -> Result<JobLine, RecordsError> {
    let stored = JobRow {
        id: column(row, "id")?,
        kind: column(row, "kind")?,
        state: column(row, "state")?,
        customer: column(row, "customer")?,
        call: column(row, "call")?,
        profile: column(row, "profile")?,
        opened: column(row, "opened")?,
        due: column(row, "due")?,
        changed: column(row, "changed")?,
        changed_by: column(row, "changed_by")?,
        detail: column(row, "detail")?,
    };
    stored.line()
}
