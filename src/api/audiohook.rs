//! `GET /v1/audiohook/{connector}`: Genesys Cloud's Audio Connector.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;

use crate::api::error::ApiError;
use crate::api::pin_public::forwarded;
use crate::api::server::Peer;
use crate::platform::audiohook::AudioHooks;
use crate::platform::audiohook::NoSession;
use crate::push::socket::NoUpgrade;

/// What the route needs.
#[derive(Clone)]
pub struct AudioHookParts {
    /// The connectors.
    pub hooks: Arc<AudioHooks>,
    /// Whether an address is a proxy of ours.
    pub proxies: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// The route of all connectors.
pub fn routes(parts: AudioHookParts) -> Router {
    Router::new().route("/v1/audiohook/{connector}", get(connect)).with_state(parts)
}

async fn connect(
    State(parts): State<AudioHookParts>,
    Path(connector): Path<String>,
    request: Request,
) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let behind = (parts.proxies)(peer).then(|| forwarded(request.headers())).flatten();
    let upgraded = parts.hooks.upgrade(&connector, behind.unwrap_or(peer), request).await;
    upgraded.unwrap_or_else(|why| {
        let (status, code) = match why {
            NoSession::NotWebSocket => {
                return ApiError::from(NoUpgrade::NotWebSocket).into_response();
            }
            NoSession::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            NoSession::Full => (StatusCode::SERVICE_UNAVAILABLE, "too_many_sessions"),
            NoSession::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        };
        ApiError::new(status, code, why.to_string()).into_response()
    })
}
