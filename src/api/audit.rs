//! `GET /v1/audit`: the audit chain, page by page or of one call. Read only; nothing can be changed here.

use std::time::Duration;

use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::wire::identity::TokenRole;

/// What may be asked for.
#[derive(Deserialize)]
pub struct Asked {
    from: Option<u64>,
    limit: Option<usize>,
    call: Option<String>,
}

/// The largest page.
const LIMIT_MAX: usize = 1000;
/// The page when none is asked for.
const LIMIT: usize = 100;
/// Lines that are looked through for one call.
const SCAN_MAX: usize = 50_000;
/// Lines that are looked through at once.
const SCAN_PAGE: usize = 1000;
/// Clocks of threads that write may differ by this much.
const BEFORE: Duration = Duration::from_mins(1);
/// How long after its end something may still be written about a call.
const AFTER: Duration = Duration::from_mins(30);

/// The lines of one call.
#[derive(Debug, Default)]
pub(crate) struct OfCall {
    /// The oldest first.
    pub(crate) lines: Vec<Chained>,
    /// Whether the whole time of the call was looked through.
    pub(crate) complete: bool,
}

/// A page of the chain; `next` is where to go on.
pub async fn lines(
    State(state): State<ApiState>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, &[TokenRole::Supervisor]).await?;
    let message = format!(
        "from is a line number from 1, limit is 1 to {LIMIT_MAX}, call is a call's id; nothing else is read"
    );
    let Query(asked) = asked.map_err(|_| ApiError::bad("invalid_query", message.clone()))?;
    let (from, limit) = (asked.from.unwrap_or(1), asked.limit.unwrap_or(LIMIT));
    if from == 0 || !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::bad("invalid_query", message));
    }
    let page = match asked.call {
        None => {
            let lines = state.records.audit_from(from, limit).await?;
            let next = lines.last().filter(|_| lines.len() == limit).map(|line| line.number + 1);
            page(&lines, next, true)
        }
        Some(call) => {
            let call: CallId =
                call.parse().map_err(|_| ApiError::bad("invalid_query", message.clone()))?;
            let record = state.records.call(&call).await?;
            let started = record.as_ref().map(|record| record.started_at);
            let ended = record.and_then(|record| record.ended_at);
            let mut found = of_call(&*state.records, &call, started, ended).await?;
            found.lines.retain(|line| line.number >= from);
            let rest = found.lines.split_off(limit.min(found.lines.len()));
            page(&found.lines, rest.first().map(|line| line.number), found.complete)
        }
    };
    Ok(json(StatusCode::OK, page))
}

fn page<'a>(lines: &'a [Chained], next: Option<u64>, complete: bool) -> String {
    #[derive(Serialize)]
    struct Page<'a> {
        lines: Vec<Line<'a>>,
        next: Option<u64>,
        complete: bool,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        number: u64,
        at: String,
        actor: &'a str,
        what: &'a str,
        call: Option<&'a CallId>,
        customer: Option<&'a CustomerId>,
        body: &'a Value,
        hash: AuditHash,
    }
    let line = |line: &'a Chained| Line {
        number: line.number,
        at: line.entry.at.rfc3339(),
        actor: &line.entry.actor,
        what: &line.entry.what,
        call: line.entry.call.as_ref(),
        customer: line.entry.customer.as_ref(),
        body: &line.entry.body,
        hash: line.hash,
    };
    let page = Page { lines: lines.iter().map(line).collect(), next, complete };
    serde_json::to_string(&page).unwrap_or_default()
}

/// The lines about one call. The chain has no index by call: its beginning is found by time, halving, and
/// from there a bounded number of lines is looked through.
pub(crate) async fn of_call(
    records: &dyn Records,
    call: &CallId,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
) -> Result<OfCall, RecordsError> {
    let Some(started) = started.or_else(|| time_of(call)) else { return Ok(OfCall::default()) };
    let since = Timestamp(started.0.saturating_sub(millis(BEFORE)));
    let until = ended.map(|ended| ended.after(AFTER));
    let mut from = first_since(records, since).await?;
    let mut found = OfCall::default();
    for _ in 0..SCAN_MAX / SCAN_PAGE {
        let page = records.audit_from(from, SCAN_PAGE).await?;
        let over = page.len() < SCAN_PAGE
            || page.last().zip(until).is_some_and(|(line, until)| line.entry.at > until);
        from = page.last().map_or(from, |line| line.number + 1);
        found.lines.extend(page.into_iter().filter(|line| line.entry.call.as_ref() == Some(call)));
        if over {
            found.complete = true;
            break;
        }
    }
    Ok(found)
}

/// The number of the first line that is not older than this; one after the last when all are.
async fn first_since(records: &dyn Records, since: Timestamp) -> Result<u64, RecordsError> {
    let older = |number: u64| async move {
        let line = records.audit_from(number, 1).await?;
        Ok::<_, RecordsError>(line.first().is_some_and(|line| line.entry.at < since))
    };
    let (mut low, mut high) = (0, 1_u64);
    while older(high).await? {
        (low, high) = (high, high.saturating_mul(2));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if older(middle).await? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

/// When a call with this id began: our ids are ULIDs, which start with their time.
pub(crate) fn time_of(call: &CallId) -> Option<Timestamp> {
    const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let id = call.as_str();
    let time = id.get(..10).filter(|_| id.len() == 26)?;
    let digits = time.chars().map(|letter| ALPHABET.find(letter));
    digits
        .into_iter()
        .try_fold(0_u64, |time, digit| Some(time * 32 + u64::try_from(digit?).ok()?))
        .map(Timestamp)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::AuditEntry;
    use crate::records::sqlite::SqliteRecords;
    use serde_json::json;

    /// A busy hour: a line every second, each of another call than the one before.
    async fn busy_hour(folder: &std::path::Path, calls: &[CallId]) -> SqliteRecords {
        let records = SqliteRecords::open(&folder.join("records.db")).unwrap();
        for (second, call) in (0..3600).step_by(12).zip(calls.iter().cycle()) {
            let (what, call) = ("attempt_reserved".to_owned(), Some(call.clone()));
            let at = Timestamp(START.0 + second * 1000);
            let (actor, customer, body) = ("system".to_owned(), None, json!({}));
            let entry = AuditEntry { at, actor, what, call, customer, body };
            records.audit(entry).await.unwrap();
        }
        records
    }

    const START: Timestamp = Timestamp(1_800_000_000_000);

    #[tokio::test]
    async fn the_lines_of_one_call_are_found_by_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let begins = |minute: u64| CallId::new(START.after(Duration::from_mins(minute)), [7; 10]);
        let (early, late) = (begins(0), begins(50));
        let records = busy_hour(folder.path(), &[early.clone(), late.clone()]).await;
        assert_eq!(time_of(&late), Some(START.after(Duration::from_mins(50))));
        let found = of_call(&records, &early, None, None).await.unwrap();
        assert_eq!((found.lines.len(), found.complete), (150, true));
        assert!(found.lines.iter().all(|line| line.entry.call.as_ref() == Some(&early)));
        let found = of_call(&records, &late, None, None).await.unwrap();
        assert_eq!(found.lines.len(), 27, "from a minute before it began");
        assert_eq!(found.lines.first().map(|line| line.number), Some(248));
        let stranger: CallId = "another-id".parse().unwrap();
        let found = of_call(&records, &stranger, None, None).await.unwrap();
        assert!(found.lines.is_empty() && !found.complete, "nobody knows when it was");
    }

    #[tokio::test]
    async fn the_first_line_since_a_time_is_found_by_halving() {
        let folder = tempfile::tempdir().unwrap();
        let records = busy_hour(folder.path(), &["c1".parse().unwrap()]).await;
        for (second, number) in [(0, 1), (1, 2), (12, 2), (13, 3), (3588, 300), (9999, 301)] {
            let since = Timestamp(START.0 + second * 1000);
            assert_eq!(first_since(&records, since).await.unwrap(), number, "{second} s");
        }
        let empty = tempfile::tempdir().unwrap();
        let records = SqliteRecords::open(&empty.path().join("records.db")).unwrap();
        assert_eq!(first_since(&records, START).await.unwrap(), 1);
    }

    #[test]
    fn a_page_shows_times_as_people_read_them() {
        let call = Some("c1".parse().unwrap());
        let (actor, what) = ("alice".to_owned(), "call_claimed".to_owned());
        let entry = AuditEntry { at: START, actor, what, call, customer: None, body: json!({}) };
        let line = crate::records::audit::append(crate::records::audit::Head::default(), entry);
        let shown: Value = serde_json::from_str(&page(&[line], Some(2), true)).unwrap();
        assert_eq!(shown["lines"][0]["at"], "2027-01-15T08:00:00.000Z");
        assert_eq!((&shown["lines"][0]["number"], &shown["next"]), (&json!(1), &json!(2)));
        assert_eq!(shown["lines"][0]["hash"].as_str().map(str::len), Some(64));
    }
}
