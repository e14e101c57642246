//! HTTP: REST, health, metrics, and the way to the desktop's WebSocket.

pub mod auth;
pub mod body;
pub mod calls;
pub mod error;
pub mod guard;
pub mod health;
pub mod intents;
pub mod keys;
pub mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::delete;
use axum::routing::get;
use axum::routing::post;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::api::error::ApiError;
use crate::api::health::Readiness;
use crate::model::time::Timestamp;
use crate::push::Doorkeeper;
use crate::push::socket::Desktops;
use crate::records::Records;
use crate::sessions::Sessions;

/// Everything the routes need.
#[derive(Clone)]
pub struct ApiState {
    /// The desktops' sockets, and the hub behind them.
    pub desktops: Arc<Desktops>,
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// Intents.
    pub sessions: Arc<dyn Sessions>,
    /// Customers and past calls.
    pub records: Arc<dyn Records>,
    /// The backends' state.
    pub readiness: Arc<dyn Readiness>,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Cancelled when no new calls are taken: `/readyz` says 503 from then on.
    pub draining: CancellationToken,
    /// The limits.
    pub limits: ApiLimits,
    /// Routes of others: the pages, the platforms' own.
    pub pages: Router,
}

/// Limits of the HTTP side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ApiLimits {
    /// Connections at once that are not desktops.
    pub connections: usize,
    /// The largest body.
    pub body_max: usize,
    /// How long a request may take, its body included.
    pub request_within: Duration,
    /// How long the headers of a request may take, and a connection may idle.
    pub headers_within: Duration,
    /// How long an intent is good when the app does not say.
    pub intent_ttl: Duration,
    /// The longest an app may ask for.
    pub intent_ttl_max: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            body_max: 64 * 1024,
            request_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(10),
            intent_ttl: Duration::from_mins(2),
            intent_ttl_max: Duration::from_mins(10),
        }
    }
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    let (pages, limits) = (state.pages.clone(), state.limits);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/desktop", get(desktop))
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/{id}", get(calls::one))
        .route("/v1/intents", post(intents::register))
        .route("/v1/intents/{intent}", delete(intents::cancel))
        .with_state(state)
        .merge(pages)
        .fallback(|| async { ApiError::not_found("not_found", "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            let message = "this address does not take this method; see the Allow header";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(DefaultBodyLimit::max(limits.body_max))
        .layer(middleware::from_fn_with_state(limits, guard::guard))
}

async fn desktop(State(state): State<ApiState>, request: Request) -> Response {
    state.desktops.upgrade(request).unwrap_or_else(|why| ApiError::from(why).into_response())
}
