//! The one shape of every error (contract §3).

use std::borrow::Cow;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;

use crate::push::Denied;
use crate::push::socket::NoUpgrade;
use crate::records::RecordsError;
use crate::sessions::SessionsError;

/// An answer that is none: a stable code, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// A sentence for people. Never a value from the request: it may be personal.
    pub message: Cow<'static, str>,
    /// A stable word for why, where a code has several.
    pub reason: Option<&'static str>,
    /// Seconds to wait before the next try, as `Retry-After`.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// Any error.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, message: message.into(), reason: None, retry_after: None }
    }

    /// 400: something in the request is not as it must be.
    pub fn bad(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404.
    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 403 `forbidden`.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 503 `unavailable`.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let message = match denied {
            Denied::Unavailable => {
                return Self::unavailable(format!("{denied}; try again in a few seconds"));
            }
            Denied::Missing => "send a bearer token in the Authorization header",
            Denied::Expired => "the token has expired; sign in again",
            Denied::NotValid => {
                "the token is not valid here; sign in again, or mint one with `countersign token`"
            }
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }
}

impl From<NoUpgrade> for ApiError {
    fn from(why: NoUpgrade) -> Self {
        Self::new(why.status(), why.code(), why.to_string())
    }
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Unavailable(_) => {
                Self::unavailable("the record store cannot be reached; try again in a few seconds")
            }
            RecordsError::Refused => Self::unavailable("this account may not be changed now"),
            RecordsError::NotSo(why) => Self::new(StatusCode::CONFLICT, "not_now", why.to_string()),
            RecordsError::NoSuch(_) => Self::not_found("not_found", "there is no such record"),
            RecordsError::Corrupt(what) => {
                tracing::error!(%what, "corrupt record");
                let message = "a record cannot be read; ask the operator to look at the log";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt_record", message)
            }
        }
    }
}

impl From<SessionsError> for ApiError {
    fn from(_: SessionsError) -> Self {
        Self::unavailable("the session store cannot take this now; try again in a few seconds")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Shape<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let inner = Inner { code: self.code, message: &self.message, reason: self.reason };
        let shape = Shape { error: inner };
        let mut response = json(self.status, serde_json::to_string(&shape).unwrap_or_default());
        if self.status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// An answer with JSON that is text already.
#[must_use]
pub fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
