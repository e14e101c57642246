//! Around every request: a time limit, and the headers that every answer carries (P13).

use std::time::Duration;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use tokio::time::timeout;

use crate::api::ApiLimits;
use crate::api::error::ApiError;
use crate::api::events::WAIT_MAX;

/// The middleware.
pub async fn guard(State(limits): State<ApiLimits>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // The one kind of request that waits because it was asked to.
    let waits = path.starts_with("/v1/calls/") && path.ends_with("/directive");
    let within = limits.request_within + if waits { WAIT_MAX } else { Duration::ZERO };
    let mut response = timeout(within, next.run(request)).await.unwrap_or_else(|_| {
        let message = "the request took too long; send it again";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message).into_response()
    });
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
