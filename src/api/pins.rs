//! PIN maintenance for administrators (P02, P10–P29). No answer holds a PIN (P13).
//!
//! | route | role | answer |
//! | --- | --- | --- |
//! | `GET`, `PUT /v1/customers/{id}` | `pin_admin` | 200, the record; another address is a reset (P17) |
//! | `POST /v1/customers:import` | `pin_admin` | 200, what the customer file changed |
//! | `GET /v1/customers/{id}/pin?reason=` | all four | 200, the PIN file; the look is audited first |
//! | `POST /v1/customers/{id}/pin:reset`, `:generate`, `:unblock` | `pin_admin` | 200, the PIN file; 202 where an unblock waits |
//! | `POST /v1/customers/{id}/pin:resend` | all four | 200, the PIN file |
//! | `POST /v1/customers/{id}/pin:hint` | `pin_admin` | 200 `{"hint"}` (X19) |
//! | `POST /v1/customers/{id}/web-pin:verify` | app | 200 `{"result"}` |
//! | `GET /v1/pins` | all but `support` | 200, the estate, alerts, generation |
//! | `GET /v1/pins/stuck` | all but `support` | 200, activations that wait |
//! | `POST /v1/pins:generate`, `:stop` | `pin_admin` | 202, the generation |
//!
//! All four: `pin_admin`, `admin`, `webmaster`, `support` (P29).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::FromRequest;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::Request;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::body::Json;
use crate::api::body::holder;
use crate::api::customers;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::api::pin_public;
use crate::maintenance::admin::Channel;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::maintenance::estate::Alert;
use crate::maintenance::estate::STUCK_MAX;
use crate::maintenance::estate::Stuck;
use crate::maintenance::generate::Progress;
use crate::maintenance::view::Shown;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::push::Doorkeeper;
use crate::records::pins::Estate;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// Who may do everything about PINs.
pub(super) const MAY_CHANGE: &[TokenRole] = &[TokenRole::PinAdmin, TokenRole::Admin];
/// Who may look, and send a link again (P29).
const MAY_LOOK: &[TokenRole] =
    &[TokenRole::PinAdmin, TokenRole::Admin, TokenRole::Webmaster, TokenRole::Support];
/// Who may look at the estate: not support, who answers one customer at a time (P29).
const MAY_WATCH: &[TokenRole] = &[TokenRole::PinAdmin, TokenRole::Admin, TokenRole::Webmaster];
/// What those may do who may not change.
const ACTIONS_OF_LOOKERS: &[&str] = &["resend"];

/// What these routes need.
#[derive(Clone)]
pub struct PinParts {
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// Does the work.
    pub desk: Arc<Desk>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// The routes, to be merged with the others.
pub fn routes(parts: PinParts) -> Router {
    Router::new()
        .route("/v1/customers/{id}", get(customers::show).put(customers::change))
        .route(
            "/v1/customers:import",
            post(customers::import).layer(DefaultBodyLimit::max(customers::FILE_MAX)),
        )
        .route("/v1/customers/{id}/pin", get(look))
        .route("/v1/customers/{id}/pin:reset", post(reset))
        .route("/v1/customers/{id}/pin:generate", post(generate_one))
        .route("/v1/customers/{id}/pin:resend", post(resend))
        .route("/v1/customers/{id}/pin:unblock", post(unblock))
        .route("/v1/customers/{id}/pin:hint", post(hint))
        .route("/v1/customers/{id}/web-pin:verify", post(verify_web_pin))
        .route("/v1/pins", get(estate))
        .route("/v1/pins/stuck", get(stuck))
        .route("/v1/pins:generate", post(generate))
        .route("/v1/pins:stop", post(stop))
        .merge(pin_public::routes())
        .with_state(parts)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let (reason, message) = (refused.reason(), refused.to_string());
        let (status, code) = match &refused {
            Refused::NoSuchCustomer => (StatusCode::NOT_FOUND, "no_such_customer"),
            Refused::NoReason => (StatusCode::BAD_REQUEST, "invalid_reason"),
            Refused::HasPin => (StatusCode::CONFLICT, "has_pin"),
            Refused::NotBlocked => (StatusCode::CONFLICT, "not_blocked"),
            Refused::SamePerson => (StatusCode::CONFLICT, "same_person"),
            Refused::NothingToResend => (StatusCode::CONFLICT, "nothing_to_resend"),
            Refused::HintNotAllowed => (StatusCode::CONFLICT, "hint_not_allowed"),
            Refused::GenerationRuns => (StatusCode::CONFLICT, "generation_runs"),
            Refused::NotRegistered => (StatusCode::FORBIDDEN, "not_registered"),
            Refused::LinkInvalid => (StatusCode::FORBIDDEN, "link_invalid"),
            Refused::WeakPin(_) => (StatusCode::UNPROCESSABLE_ENTITY, "weak_pin"),
            Refused::WeakWebPin(_) => (StatusCode::UNPROCESSABLE_ENTITY, "weak_web_pin"),
            Refused::Hint(_) => (StatusCode::UNPROCESSABLE_ENTITY, "hint_gives_away"),
            Refused::InvalidEmail => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_email"),
            Refused::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_tries"),
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Refused::Records(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let retry_after = match refused {
            Refused::Records(error) => return error.into(),
            Refused::TooMany(wait) => Some(wait.as_secs().saturating_add(1)),
            Refused::Busy => Some(5),
            _ => None,
        };
        Self { reason, retry_after, ..Self::new(status, code, message) }
    }
}

/// Why somebody looks.
#[derive(Deserialize)]
struct Why {
    reason: Option<String>,
}

async fn look(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    why: Result<Query<Why>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let identity = holder(&*parts.tokens, &headers, MAY_LOOK).await?;
    let reason = why.ok().and_then(|Query(why)| why.reason).unwrap_or_default();
    let shown = parts.desk.look(&customer(id)?, identity.agent.as_str(), &reason).await?;
    Ok(file(StatusCode::OK, shown, &identity))
}

/// Why somebody acts.
#[derive(Deserialize)]
struct Acting {
    reason: Option<String>,
}

/// Who acts on which account, and why: the token before anything else.
async fn acting(
    parts: &PinParts,
    id: String,
    request: Request,
    roles: &[TokenRole],
) -> Result<(Identity, CustomerId, String), ApiError> {
    let identity = holder(&*parts.tokens, request.headers(), roles).await?;
    let Json(Acting { reason }) = Json::from_request(request, parts).await?;
    Ok((identity, customer(id)?, reason.unwrap_or_default()))
}

async fn reset(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (identity, id, reason) = acting(&parts, id, request, MAY_CHANGE).await?;
    let shown = parts.desk.reset(&id, identity.agent.as_str(), &reason).await?;
    Ok(file(StatusCode::OK, shown, &identity))
}

async fn generate_one(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (identity, id, reason) = acting(&parts, id, request, MAY_CHANGE).await?;
    let shown = parts.desk.generate_one(&id, identity.agent.as_str(), &reason).await?;
    Ok(file(StatusCode::OK, shown, &identity))
}

async fn resend(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (identity, id, reason) = acting(&parts, id, request, MAY_LOOK).await?;
    let shown = parts.desk.resend(&id, identity.agent.as_str(), &reason).await?;
    Ok(file(StatusCode::OK, shown, &identity))
}

/// 200 when it is done, 202 while it waits for a second person.
async fn unblock(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (identity, id, reason) = acting(&parts, id, request, MAY_CHANGE).await?;
    let unblocked = parts.desk.unblock(&id, identity.agent.as_str(), &reason).await?;
    let status = if unblocked.waits { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(file(status, unblocked.shown, &identity))
}

/// Over what a hint is told, and why.
#[derive(Deserialize)]
struct Telling {
    reason: Option<String>,
    channel: Channel,
}

async fn hint(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Told<'a> {
        hint: &'a str,
    }
    let identity = holder(&*parts.tokens, request.headers(), MAY_CHANGE).await?;
    let Json(Telling { reason, channel }) = Json::from_request(request, &parts).await?;
    let reason = reason.unwrap_or_default();
    let actor = identity.agent.as_str();
    let hint = parts.desk.hint(&customer(id)?, channel, actor, &reason).await?;
    Ok(answer(StatusCode::OK, &Told { hint: hint.expose() }))
}

/// A web PIN as the app's customer typed it.
#[derive(Deserialize)]
struct Typed {
    value: SecretText,
}

async fn verify_web_pin(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Judged {
        result: &'static str,
    }
    let identity = holder(&*parts.tokens, request.headers(), &[TokenRole::App]).await?;
    let Json(Typed { value }) = Json::from_request(request, &parts).await?;
    let actor = identity.agent.as_str();
    let result = parts.desk.verify_web_pin(&customer(id)?, value, actor).await?;
    Ok(answer(StatusCode::OK, &Judged { result: result.word() }))
}

async fn estate(State(parts): State<PinParts>, headers: HeaderMap) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Shown {
        estate: Estate,
        stuck_after_h: u64,
        alerts: Vec<Alert>,
        generation: Option<Progress>,
    }
    holder(&*parts.tokens, &headers, MAY_WATCH).await?;
    let estate = parts.desk.estate().await?;
    let shown = Shown {
        estate,
        stuck_after_h: parts.desk.rules().stuck_after.as_secs() / 3600,
        alerts: parts.desk.alerts(),
        generation: parts.desk.generation().progress(),
    };
    Ok(answer(StatusCode::OK, &shown))
}

/// How many stuck activations.
#[derive(Deserialize)]
struct HowMany {
    limit: Option<usize>,
}

async fn stuck(
    State(parts): State<PinParts>,
    asked: Result<Query<HowMany>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Shown {
        stuck: Vec<Stuck>,
    }
    let identity = holder(&*parts.tokens, &headers, MAY_WATCH).await?;
    let limit = asked.ok().map(|Query(asked)| asked.limit.unwrap_or(50));
    let limit = limit.filter(|limit| (1..=STUCK_MAX).contains(limit)).ok_or_else(|| {
        ApiError::bad("invalid_query", format!("limit is 1 to {STUCK_MAX}; nothing else is read"))
    })?;
    let mut stuck = parts.desk.stuck(limit).await?;
    for one in &mut stuck {
        allowed(&mut one.situation.actions, &identity);
    }
    Ok(answer(StatusCode::OK, &Shown { stuck }))
}

/// What a generation answers with.
#[derive(Serialize)]
struct Generating {
    generation: Option<Progress>,
}

async fn generate(State(parts): State<PinParts>, request: Request) -> Result<Response, ApiError> {
    let identity = holder(&*parts.tokens, request.headers(), MAY_CHANGE).await?;
    let Json(_) = Json::<Value>::from_request(request, &parts).await?;
    let begun = parts.desk.generation().start(identity.agent.as_str());
    let generation = Some(begun.map_err(|_| Refused::GenerationRuns)?);
    Ok(answer(StatusCode::ACCEPTED, &Generating { generation }))
}

async fn stop(State(parts): State<PinParts>, headers: HeaderMap) -> Result<Response, ApiError> {
    holder(&*parts.tokens, &headers, MAY_CHANGE).await?;
    let _ = parts.desk.generation().stop();
    let generation = parts.desk.generation().progress();
    Ok(answer(StatusCode::ACCEPTED, &Generating { generation }))
}

pub(super) fn customer(id: String) -> Result<CustomerId, ApiError> {
    CustomerId::try_from(id).map_err(|_| Refused::NoSuchCustomer.into())
}

/// A PIN file with what this role may do (P29).
fn file(status: StatusCode, mut shown: Shown, identity: &Identity) -> Response {
    allowed(&mut shown.situation.actions, identity);
    answer(status, &shown)
}

fn allowed(actions: &mut Vec<&'static str>, identity: &Identity) {
    if !MAY_CHANGE.iter().any(|role| identity.is(*role)) {
        actions.retain(|action| ACTIONS_OF_LOOKERS.contains(action));
    }
}

/// JSON out of something that always is.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    json(status, serde_json::to_string(body).unwrap_or_default())
}
