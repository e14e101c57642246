//! `GET /v1/calls`, `GET /v1/calls/{id}`: calls as watchers see them, under the desktop's rule of visibility.

use axum::extract::Path;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::ids::CallId;
use crate::push::audience::Audience;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::records::CallRecord;
use crate::wire::identity::TokenRole;

const MAY_SEE: &[TokenRole] = &[TokenRole::Agent, TokenRole::Supervisor];

/// The live calls this token may see, the oldest first.
pub async fn list(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let view = View::new(&who(&state, &headers, MAY_SEE).await?, None);
    let calls = state.desktops.hub().calls(&view).join(",");
    Ok(json(StatusCode::OK, format!(r#"{{"calls":[{calls}]}}"#)))
}

/// One call, live or past. One that this token may not see is not there for it.
pub async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = View::new(&who(&state, &headers, MAY_SEE).await?, None);
    let unknown =
        || ApiError::not_found("no_such_call", "there is no such call, or it is not yours to see");
    match state.desktops.hub().call(&view, &id) {
        Found::Seen(call) => Ok(json(StatusCode::OK, call)),
        Found::Hidden => Err(unknown()),
        Found::Unknown => {
            let id: CallId = id.parse().map_err(|_| unknown())?;
            let record = state.records.call(&id).await?.filter(|record| may_see(&view, record));
            record.map(|record| json(StatusCode::OK, record.view.to_string())).ok_or_else(unknown)
        }
    }
}

/// A past call is seen by those who saw its last state.
fn may_see(view: &View, record: &CallRecord) -> bool {
    let text = |field: &str| record.view.get(field).and_then(Value::as_str);
    let Some(queue) = text("queue").and_then(|queue| queue.parse().ok()) else { return false };
    let agent = match record.view.get("agent") {
        None | Some(Value::Null) => None,
        Some(agent) => match agent.as_str().and_then(|agent| agent.parse().ok()) {
            Some(agent) => Some(agent),
            None => return false,
        },
    };
    let platform = text("platform_call_id").and_then(|id| id.parse().ok());
    platform.is_some_and(|platform| view.sees(&Audience { agent, queue }, &record.id, &platform))
}
