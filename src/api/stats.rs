//! `GET /v1/stats`: what supervisors watch.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::time::Timestamp;
use crate::stats::Alarm;
use crate::wire::identity::TokenRole;

/// Says what is alarming at this time.
pub type Alarms = Arc<dyn Fn(Timestamp) -> Vec<Alarm> + Send + Sync>;

/// More alarms than these are more than anybody reads.
const ALARMS_MAX: usize = 50;

/// The counts now.
pub async fn now(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, ApiError> {
    who(&state, &headers, &[TokenRole::Supervisor]).await?;
    let now = (state.clock)();
    let mut alarms = (state.alarms)(now);
    alarms.truncate(ALARMS_MAX);
    let report = state.stats.report(state.desktops.hub().desktops(), alarms, now);
    Ok(json(StatusCode::OK, serde_json::to_string(&report).unwrap_or_default()))
}
