//! `POST /v1/intents`, `DELETE /v1/intents/{intent}`: the app says that its customer is about to call (B04).

use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequest;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;

use crate::api::ApiLimits;
use crate::api::ApiState;
use crate::api::body::Json;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::ids::CustomerId;
use crate::model::ids::IntentHandle;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;
use crate::sessions::Intent;
use crate::wire::identity::TokenRole;

/// What the app sends.
#[derive(Deserialize)]
pub struct NewIntent {
    customer_id: Option<String>,
    number: Option<String>,
    dnis: Option<String>,
    purpose: Option<String>,
    ttl_s: Option<u64>,
}

/// The longest dialled number and purpose.
const TEXT_MAX: usize = 128;

/// 201 with the one-time handle.
pub async fn register(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Created<'a> {
        intent: &'a str,
        expires_at: String,
    }
    who(&state, request.headers(), &[TokenRole::App]).await?;
    let Json(new) = Json::<NewIntent>::from_request(request, &state).await?;
    let intent = new.read(&state.limits, (state.clock)())?;
    if state.records.customer(&intent.customer).await?.is_none() {
        return Err(ApiError::not_found(
            "no_such_customer",
            "there is no customer with this customer_id",
        ));
    }
    let (handle, expires_at) = (IntentHandle::new(rand::random()), intent.expires_at.rfc3339());
    let created = serde_json::to_string(&Created { intent: handle.expose(), expires_at });
    state.sessions.put_intent(handle, intent).await?;
    Ok(json(StatusCode::CREATED, created.unwrap_or_default()))
}

/// 204, or 404 when there was none to take back.
pub async fn cancel(
    State(state): State<ApiState>,
    Path(intent): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, &[TokenRole::App]).await?;
    let taken_back = match IntentHandle::parse(&intent) {
        Some(handle) => state.sessions.cancel_intent(&handle).await?,
        None => false,
    };
    if taken_back {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(ApiError::not_found(
        "no_such_intent",
        "there is no open intent of this name; it was used, cancelled or is over",
    ))
}

impl NewIntent {
    fn read(self, limits: &ApiLimits, now: Timestamp) -> Result<Intent, ApiError> {
        let customer =
            self.customer_id.and_then(|id| CustomerId::try_from(id).ok()).ok_or_else(|| {
                ApiError::bad(
                    "invalid_customer_id",
                    "customer_id is missing, empty or longer than 128 bytes",
                )
            })?;
        let number =
            self.number.and_then(|number| PhoneNumber::from_str(&number).ok()).ok_or_else(
                || ApiError::bad("invalid_number", "number must be E.164: + and 7 to 15 digits"),
            )?;
        if !self.dnis.as_deref().is_none_or(is_short_text) {
            return Err(ApiError::bad(
                "invalid_dnis",
                "dnis must be 1 to 128 bytes without control characters",
            ));
        }
        if !self.purpose.as_deref().is_none_or(is_short_text) {
            return Err(ApiError::bad(
                "invalid_purpose",
                "purpose must be 1 to 128 bytes without control characters",
            ));
        }
        let longest = limits.intent_ttl_max.max(limits.intent_ttl);
        let ttl = self.ttl_s.map_or(limits.intent_ttl, Duration::from_secs);
        if ttl < Duration::from_secs(1) || ttl > longest {
            let message = format!("ttl_s must be 1 to {}", longest.as_secs());
            return Err(ApiError::bad("invalid_ttl", message));
        }
        let Self { dnis, purpose, .. } = self;
        Ok(Intent { customer, number, dnis, purpose, expires_at: now.after(ttl) })
    }
}

fn is_short_text(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_4_an_intent_is_read_or_the_field_is_named() {
        for (body, expected) in [
            (r#"{"customer_id":"c1","number":"+447700900123"}"#, "expires 120"),
            (
                r#"{"customer_id":"c1","number":"+447700900123","ttl_s":600,"dnis":"+44800","purpose":"p","new":1}"#,
                "expires 600",
            ),
            (r#"{"number":"+447700900123"}"#, "invalid_customer_id"),
            (r#"{"customer_id":"","number":"+447700900123"}"#, "invalid_customer_id"),
            (r#"{"customer_id":"c1"}"#, "invalid_number"),
            (r#"{"customer_id":"c1","number":"07700900123"}"#, "invalid_number"),
            (r#"{"customer_id":"c1","number":"+447700900123","ttl_s":0}"#, "invalid_ttl"),
            (r#"{"customer_id":"c1","number":"+447700900123","ttl_s":601}"#, "invalid_ttl"),
            (r#"{"customer_id":"c1","number":"+447700900123","dnis":""}"#, "invalid_dnis"),
            (
                r#"{"customer_id":"c1","number":"+447700900123","purpose":"a\nb"}"#,
                "invalid_purpose",
            ),
        ] {
            let new: NewIntent = serde_json::from_str(body).unwrap();
            let read = match new.read(&ApiLimits::default(), Timestamp(0)) {
                Ok(intent) => format!("expires {}", intent.expires_at.0 / 1000),
                Err(error) => error.code.to_owned(),
            };
            assert_eq!(read, expected, "{body}");
        }
    }
}
