//! `GET /v1/audit`: the audit chain, page by page or of one call. Read only; nothing can be changed here.

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
/// Lines of one call at the most; no honest call writes a tenth of them.
const OF_CALL_MAX: usize = 5000;

/// The lines of one call.
#[derive(Debug, Default)]
pub(crate) struct OfCall {
    /// The oldest first.
    pub(crate) lines: Vec<Chained>,
    /// Whether these are all.
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
            let mut found = of_call(&*state.records, &call).await?;
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

/// The lines about one call.
pub(crate) async fn of_call(records: &dyn Records, call: &CallId) -> Result<OfCall, RecordsError> {
    let lines = records.audit_of_call(call, OF_CALL_MAX).await?;
    let complete = lines.len() < OF_CALL_MAX;
    Ok(OfCall { lines, complete })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::records::AuditEntry;
    use crate::records::audit::Head;
    use crate::records::audit::append;
    use serde_json::json;

    #[test]
    fn a_page_shows_times_as_people_read_them() {
        let entry = AuditEntry {
            at: Timestamp(1_800_000_000_000),
            actor: "alice".into(),
            what: "call_claimed".into(),
            call: Some("c1".parse().unwrap()),
            customer: None,
            body: json!({}),
        };
        let line = append(Head::default(), entry);
        let shown: Value = serde_json::from_str(&page(&[line], Some(2), true)).unwrap();
        assert_eq!(shown["lines"][0]["at"], "2027-01-15T08:00:00.000Z");
        assert_eq!((&shown["lines"][0]["number"], &shown["next"]), (&json!(1), &json!(2)));
        assert_eq!(shown["lines"][0]["hash"].as_str().map(str::len), Some(64));
    }
}
