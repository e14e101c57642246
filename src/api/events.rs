//! `POST /v1/events`, `GET /v1/calls/{id}/directive`: platforms that report by HTTP (contract §4).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequest;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::Request;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::api::ApiState;
use crate::api::body::Json;
use crate::api::body::who;
use crate::api::elsewhere::PassedOn;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::api::intake::Intake;
pub use crate::wire::events::BODY_MAX;
use crate::wire::events::NoBatch;
use crate::wire::events::Rejected;
use crate::wire::identity::TokenRole;

/// The longest wait for a directive.
pub const WAIT_MAX: Duration = Duration::from_secs(25);

/// Which directive is waited for.
#[derive(Deserialize)]
pub struct Awaited {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_s: u64,
}

/// Takes events in: 200 with what their calls want, and what was wrong with those of an array that
/// were not taken. A single event that is not taken is an error of its own.
pub async fn publish(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    who(&state, request.headers(), &[TokenRole::Platform]).await?;
    let passed_on = request.extensions().get::<PassedOn>().is_some();
    let Json(body) = Json::<Value>::from_request(request, &state).await?;
    let alone = body.is_object();
    let intake = Intake::new(Arc::clone(&state.platforms), state.elsewhere.clone());
    let mut answer = match intake.publish(body, passed_on).await {
        Ok(answer) => answer,
        Err(NoBatch::Form) => {
            let message = "send one event, a JSON object, or an array of them";
            return Err(ApiError::bad("invalid_event", message));
        }
        Err(NoBatch::TooMany) => {
            let message = "send at most 1000 events in one request";
            return Err(ApiError::bad("too_many_events", message));
        }
    };
    match answer.rejected.pop() {
        Some(rejected) if alone => return Err(alone_rejected(rejected)),
        last => answer.rejected.extend(last),
    }
    Ok(json(StatusCode::OK, serde_json::to_string(&answer).unwrap_or_default()))
}

fn alone_rejected(rejected: Rejected) -> ApiError {
    match rejected.code {
        "unknown_type" => ApiError::bad("unknown_type", rejected.message),
        "no_such_call" => ApiError::new(StatusCode::NOT_FOUND, "no_such_call", rejected.message),
        "unavailable" => ApiError::unavailable(rejected.message),
        _ => ApiError::bad("invalid_event", rejected.message),
    }
}

/// A call's directive, at once or as soon as there is a newer one.
pub async fn directive(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    awaited: Result<Query<Awaited>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, &[TokenRole::Platform]).await?;
    let Query(Awaited { after, wait_s }) = awaited.map_err(|_| {
        ApiError::bad("invalid_query", "after and wait_s must be whole numbers from 0")
    })?;
    let wait = Duration::from_secs(wait_s).min(WAIT_MAX);
    let found = state.platforms.directive(&id, after, wait).await;
    let answer = found.ok_or_else(|| {
        ApiError::not_found("no_such_call", "no live call of an HTTP platform has this id")
    })?;
    Ok(json(StatusCode::OK, serde_json::to_string(&answer).unwrap_or_default()))
}
