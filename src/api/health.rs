//! `GET /healthz`, `/readyz`, `/metrics`: for operators and their machines.

use async_trait::async_trait;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use serde::Serialize;

use crate::api::ApiState;
use crate::api::error::json;
use crate::model::time::Timestamp;

/// One backend's state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// Which: `records`, `sessions`, `sip` …
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// Whether new calls should go elsewhere while it does not.
    pub vital: bool,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// What it means for calls and agents.
    pub effect: String,
}

/// Knows how the backends are.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// All checks, in a fixed order.
    async fn checks(&self) -> Vec<Check>;
}

/// The process runs.
pub async fn alive() -> Response {
    json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
}

/// Whether new calls should come here, with a reason for each backend.
pub async fn ready(State(state): State<ApiState>) -> Response {
    #[derive(Serialize)]
    struct Ready<'a> {
        status: &'static str,
        checks: Vec<Line<'a>>,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        ok: bool,
        vital: bool,
        since: Option<String>,
        effect: &'a str,
    }
    let checks = state.readiness.checks().await;
    let (status, code) = verdict(&checks, state.draining.is_cancelled());
    let lines = checks.iter().map(|Check { name, ok, vital, since, effect }| Line {
        name,
        ok: *ok,
        vital: *vital,
        since: since.map(Timestamp::rfc3339),
        effect,
    });
    let ready = Ready { status, checks: lines.collect() };
    json(code, serde_json::to_string(&ready).unwrap_or_default())
}

/// Whether new calls should come here.
pub async fn serving(readiness: &dyn Readiness, draining: bool) -> bool {
    verdict(&readiness.checks().await, draining).1.is_success()
}

fn verdict(checks: &[Check], draining: bool) -> (&'static str, StatusCode) {
    if draining {
        ("draining", StatusCode::SERVICE_UNAVAILABLE)
    } else if checks.iter().any(|check| check.vital && !check.ok) {
        ("failing", StatusCode::SERVICE_UNAVAILABLE)
    } else if checks.iter().any(|check| !check.ok) {
        ("degraded", StatusCode::OK)
    } else {
        ("ok", StatusCode::OK)
    }
}

/// Everything counted, for Prometheus.
pub async fn metrics(State(state): State<ApiState>) -> Response {
    (state.counted)();
    let mut response = Response::new(state.metrics.render().into());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_ok_degraded_failing_or_draining() {
        let check =
            |ok, vital| Check { name: "x".into(), ok, vital, since: None, effect: String::new() };
        for (checks, draining, status, code) in [
            (vec![], false, "ok", 200),
            (vec![check(true, true)], false, "ok", 200),
            (vec![check(true, true), check(false, false)], false, "degraded", 200),
            (vec![check(false, true), check(false, false)], false, "failing", 503),
            (vec![check(true, true)], true, "draining", 503),
        ] {
            let (said, with) = verdict(&checks, draining);
            assert_eq!((said, with.as_u16()), (status, code));
        }
    }
}
