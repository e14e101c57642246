//! `/v1/genesys/*`: data actions of Genesys Cloud's Architect (contract §8).
//!
//! | route | a flow calls it |
//! | --- | --- |
//! | `POST /v1/genesys/classify` | once, when a call comes |
//! | `POST /v1/genesys/challenge` | to learn what is asked now |
//! | `POST /v1/genesys/verify-digit` | with each key, or none |
//!
//! All three answer alike, and within three seconds whatever our stores do: Architect gives up later.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

use crate::api::body::Json;
use crate::api::body::holder;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::api::intake::Intake;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::TrunkName;
use crate::model::time::Timestamp;
use crate::platform::genesys::actions::BadInput;
use crate::platform::genesys::actions::Challenge;
use crate::platform::genesys::actions::Classify;
use crate::platform::genesys::actions::Told;
use crate::platform::genesys::actions::VerifyDigit;
use crate::push::Doorkeeper;
use crate::wire::events::CallAnswer;
use crate::wire::identity::TokenRole;

/// A data action of ours is answered before Architect's own prompt is over.
const ANSWER_WITHIN: Duration = Duration::from_millis(2500);

/// Says whom a call is about, where that is known.
pub type CustomerOf = Arc<dyn Fn(&CallId) -> Option<String> + Send + Sync>;

/// What these routes need.
#[derive(Clone)]
pub struct ActionParts {
    /// Where events go.
    pub intake: Intake,
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// The key of "User Defined" credentials, where there is one.
    pub key: Option<ActionKey>,
    /// How far the numbers of this platform are believed.
    pub trunk: Option<TrunkName>,
    /// Says whom a call is about.
    pub customer: CustomerOf,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A key that a data action sends with every request. Kept as its hash; prints nothing.
#[derive(Clone)]
pub struct ActionKey([u8; 32]);

impl ActionKey {
    /// Keeps a key.
    #[must_use]
    pub fn new(key: &SecretText) -> Self {
        Self(Sha256::digest(key.expose().as_bytes()).into())
    }

    /// Whether it is this one. Takes as long for a wrong key as for the right one.
    fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }

    /// Whether a request carries it: in `X-API-Key`, or as the password of `Basic`.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let in_header = headers.get("x-api-key").is_some_and(|given| self.is(given.as_bytes()));
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic = basic.and_then(|value| value.split_once(' '));
        let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let basic = basic.and_then(|(_, given)| STANDARD.decode(given.trim()).ok());
        let password = basic.as_deref().and_then(|given| {
            let colon = given.iter().position(|byte| *byte == b':')?;
            given.get(colon + 1..)
        });
        in_header || password.is_some_and(|given| self.is(given))
    }
}

impl std::fmt::Debug for ActionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActionKey(•)")
    }
}

/// The routes, to be merged with the others.
pub fn routes(parts: ActionParts) -> Router {
    Router::new()
        .route("/v1/genesys/classify", post(classify))
        .route("/v1/genesys/challenge", post(challenge))
        .route("/v1/genesys/verify-digit", post(verify_digit))
        .with_state(parts)
}

impl From<BadInput> for ApiError {
    fn from(bad: BadInput) -> Self {
        let code = match bad.field {
            "conversationId" => "invalid_conversation_id",
            "digit" => "invalid_digit",
            _ => "invalid_version",
        };
        Self::bad(code, bad.to_string())
    }
}

async fn classify(
    State(parts): State<ActionParts>,
    request: Request,
) -> Result<Response, ApiError> {
    let asked: Classify = read(&parts, request).await?;
    let event = asked.event(parts.trunk.as_ref(), (parts.clock)())?;
    parts.told(vec![event], None).await
}

async fn challenge(
    State(parts): State<ActionParts>,
    request: Request,
) -> Result<Response, ApiError> {
    let asked: Challenge = read(&parts, request).await?;
    let event = asked.event((parts.clock)())?;
    parts.told(vec![event], None).await
}

async fn verify_digit(
    State(parts): State<ActionParts>,
    request: Request,
) -> Result<Response, ApiError> {
    let asked: VerifyDigit = read(&parts, request).await?;
    let events = asked.events((parts.clock)())?;
    let before = asked.version.map(|version| (version, asked.keys_after()));
    parts.told(events, before).await
}

/// Who asks is checked before anything is read.
async fn read<T: DeserializeOwned>(parts: &ActionParts, request: Request) -> Result<T, ApiError> {
    let known = parts.key.as_ref().is_some_and(|key| key.opens(request.headers()));
    if !known {
        holder(&*parts.tokens, request.headers(), &[TokenRole::Platform]).await?;
    }
    let Json(body) = Json::from_request(request, parts).await?;
    Ok(body)
}

impl ActionParts {
    /// Hands events in, and says where their call stands.
    async fn told(
        &self,
        events: Vec<Value>,
        before: Option<(u64, u64)>,
    ) -> Result<Response, ApiError> {
        let published = self.intake.publish(Value::Array(events), false);
        let told = match timeout(ANSWER_WITHIN, published).await {
            Ok(published) => self.found(published.ok(), before)?,
            // What was handed in stays so: the flow asks again and hears what came of it.
            Err(_) => Told::wait(),
        };
        Ok(json(StatusCode::OK, serde_json::to_string(&told).unwrap_or_default()))
    }

    fn found(
        &self,
        answer: Option<crate::wire::events::Answer>,
        before: Option<(u64, u64)>,
    ) -> Result<Told, ApiError> {
        let nowhere = || {
            let message = "no live call has this conversationId; a call begins with classify";
            ApiError::not_found("no_such_call", message)
        };
        let answer = answer.ok_or_else(nowhere)?;
        if let Some(call) = answer.calls.last() {
            return Ok(self.of(call, before));
        }
        match answer.rejected.first() {
            None => Err(nowhere()),
            Some(rejected) if rejected.code == "no_such_call" => Err(nowhere()),
            Some(rejected) if rejected.code == "unavailable" => {
                Err(ApiError::unavailable(rejected.message.clone()))
            }
            Some(rejected) => Err(ApiError::bad("invalid_event", rejected.message.clone())),
        }
    }

    fn of(&self, call: &CallAnswer, before: Option<(u64, u64)>) -> Told {
        Told::of(call, (self.customer)(&call.call), before)
    }
}
