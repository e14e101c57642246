//! `GET /v1/jobs`, `GET /v1/jobs/{id}`, `POST /v1/jobs/{id}:done|failed|unreachable`: what somebody
//! still has to do after a call.

use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::follow_up::JobEvent;
use crate::follow_up::JobId;
use crate::follow_up::JobKind;
use crate::follow_up::JobLine;
use crate::follow_up::job::Detail;
use crate::records::RecordsError;
use crate::records::follow_ups::JobFilter;
use crate::wire::identity::TokenRole;

const MAY: &[TokenRole] = &[TokenRole::Agent, TokenRole::Supervisor];
/// Jobs in one answer, unless asked for fewer.
const PAGE: usize = 200;

/// What to list.
#[derive(Debug, Deserialize)]
pub struct Asked {
    kind: Option<String>,
    customer: Option<String>,
    open: Option<bool>,
    after: Option<i64>,
    limit: Option<usize>,
}

/// A job as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    id: JobId,
    kind: JobKind,
    state: &'static str,
    customer: &'a str,
    call: Option<&'a str>,
    profile: &'a str,
    opened: String,
    due: Option<String>,
    changed: String,
    changed_by: &'a str,
    detail: &'a Detail,
}

/// Jobs in order of number; the next page starts after the last one's `id`.
pub async fn list(
    State(state): State<ApiState>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, MAY).await?;
    let Query(asked) = query.map_err(|_| {
        ApiError::bad("invalid_query", "write kind, customer, open=true|false, after, limit")
    })?;
    let kind = asked.kind.as_deref().map(kind).transpose()?;
    let customer = asked.customer.map(TryInto::try_into).transpose().map_err(|_| {
        ApiError::bad("invalid_customer_id", "a customer id has 1 to 128 printable characters")
    })?;
    let filter = JobFilter { customer, kind, open: asked.open, after: asked.after.map(JobId) };
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = state.records.jobs(filter, limit).await?;
    let shown: Vec<_> = found.iter().map(Shown::of).collect();
    Ok(json(StatusCode::OK, serde_json::json!({ "jobs": shown }).to_string()))
}

/// One job.
pub async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, MAY).await?;
    let id = id.parse().map(JobId).map_err(|_| unknown())?;
    let found = state.records.job(id).await?.ok_or_else(unknown)?;
    Ok(shown(&found))
}

/// Somebody did a job, or tried to.
pub async fn event(
    State(state): State<ApiState>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let by = who(&state, &headers, MAY).await?;
    let nothing =
        || ApiError::not_found("not_found", "write /v1/jobs/ID:done, :failed or :unreachable");
    let (id, word) = path.split_once(':').ok_or_else(nothing)?;
    let event = match word {
        "done" => JobEvent::Done,
        "failed" => JobEvent::Failed,
        "unreachable" => JobEvent::Unreachable,
        _ => return Err(nothing()),
    };
    let id = id.parse().map(JobId).map_err(|_| unknown())?;
    let now = (state.clock)();
    match state.records.job_event(id, event, by.agent.as_str(), now).await {
        Ok(job) => Ok(shown(&job)),
        Err(RecordsError::NoSuch(_)) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

fn kind(word: &str) -> Result<JobKind, ApiError> {
    JobKind::from_word(word).ok_or_else(|| {
        let words: Vec<_> = JobKind::ALL.iter().map(|kind| kind.word()).collect();
        ApiError::bad("invalid_kind", format!("a kind is one of {}", words.join(", ")))
    })
}

fn unknown() -> ApiError {
    ApiError::not_found("no_such_job", "there is no such job")
}

fn shown(job: &JobLine) -> Response {
    json(StatusCode::OK, serde_json::to_string(&Shown::of(job)).unwrap_or_default())
}

impl<'a> Shown<'a> {
    fn of(job: &'a JobLine) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state.word(),
            customer: job.customer.as_str(),
            call: job.call.as_ref().map(crate::model::ids::CallId::as_str),
            profile: &job.profile,
            opened: job.opened.rfc3339(),
            due: job.due.map(crate::model::time::Timestamp::rfc3339),
            changed: job.changed.rfc3339(),
            changed_by: &job.changed_by,
            detail: &job.detail,
        }
    }
}
