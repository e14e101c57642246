//! What a request brings: its token and its JSON.

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::push::Denied;
use crate::push::Doorkeeper;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// The identity behind the request's bearer token, if it carries one of these roles.
pub async fn who(
    state: &ApiState,
    headers: &HeaderMap,
    roles: &[TokenRole],
) -> Result<Identity, ApiError> {
    holder(&*state.tokens, headers, roles).await
}

/// The same for routes that bring their own state.
pub async fn holder(
    tokens: &dyn Doorkeeper,
    headers: &HeaderMap,
    roles: &[TokenRole],
) -> Result<Identity, ApiError> {
    let identity = tokens.admit(bearer(headers)?).await?;
    if roles.iter().any(|role| identity.is(*role)) {
        return Ok(identity);
    }
    let words: Vec<_> = roles.iter().map(|role| role.word()).collect();
    Err(ApiError::forbidden(format!("this needs a token with the role {}", words.join(" or "))))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return Err(Denied::Missing) };
    let (scheme, token) =
        value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or(Denied::Missing)?;
    let token = token.trim();
    let given = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    if given { Ok(token) } else { Err(Denied::Missing) }
}

/// A JSON body. Errors name the place, never the value.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let message = "send the body as Content-Type: application/json";
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                message,
            ));
        }
        let body = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                let message = "the body is larger than this address takes";
                return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
            }
            ApiError::bad("unreadable_body", "the body ended before its announced length")
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = format!(
                "the body is not the JSON this address takes, at line {line} column {column}"
            );
            ApiError::bad("invalid_json", message)
        })
    }
}
