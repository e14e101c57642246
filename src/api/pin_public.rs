//! What customers do without a token: register, follow a link, ask for one, choose anew (P15, P25, X18).
//! Limited by address and account; who guesses hears one answer (5.1).
//!
//! | route | answer |
//! | --- | --- |
//! | `POST /v1/pins/register` | 200 `{"registered":true,"activation":"mailed","hint_kept"}` |
//! | `POST /v1/pins/activate` | 200 `{"activated":true}` |
//! | `POST /v1/pins/forgot` | 202 `{"accepted":true}`, whatever was asked |
//! | `POST /v1/pins/renew` | 200 `{"renewed":true,"hint_kept"}` |

use std::net::IpAddr;
use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::body::Json;
use crate::api::error::ApiError;
use crate::api::pins::PinParts;
use crate::api::pins::answer;
use crate::api::server::Peer;
use crate::maintenance::customers::Forgot;
use crate::maintenance::customers::Registration;
use crate::maintenance::customers::Wanted;
use crate::model::digits::SecretText;
use crate::model::email;

/// Set by a proxy that stands in front of us: the last address in it is the one it saw.
const FORWARDED: &str = "x-forwarded-for";

pub(super) fn routes() -> Router<PinParts> {
    Router::new()
        .route("/v1/pins/register", post(register))
        .route("/v1/pins/activate", post(activate))
        .route("/v1/pins/forgot", post(forgot))
        .route("/v1/pins/renew", post(renew))
}

/// A registration.
#[derive(Deserialize)]
struct Registering {
    customer_id: String,
    initial_pin: SecretText,
    pin: SecretText,
    hint: Option<SecretText>,
    email: SecretText,
    web_pin: Option<SecretText>,
}

async fn register(State(parts): State<PinParts>, request: Request) -> Result<Response, ApiError> {
    let (source, body) = read::<Registering>(&parts, request).await?;
    let registration = Registration {
        customer: body.customer_id,
        initial: body.initial_pin,
        wanted: wanted(body.pin, body.hint, body.web_pin),
        email: email::parse(body.email.expose()),
    };
    let hint_kept = parts.desk.register(registration, source).await?;
    let told = json!({ "registered": true, "activation": "mailed", "hint_kept": hint_kept });
    Ok(answer(StatusCode::OK, &told))
}

/// A link that is followed.
#[derive(Deserialize)]
struct Following {
    token: SecretText,
}

async fn activate(State(parts): State<PinParts>, request: Request) -> Result<Response, ApiError> {
    let (source, body) = read::<Following>(&parts, request).await?;
    parts.desk.activate(body.token.expose(), source).await?;
    Ok(answer(StatusCode::OK, &json!({ "activated": true })))
}

/// Who forgot their PIN.
#[derive(Deserialize)]
struct Forgetting {
    customer_id: Option<String>,
    email: Option<SecretText>,
}

async fn forgot(State(parts): State<PinParts>, request: Request) -> Result<Response, ApiError> {
    let (source, body) = read::<Forgetting>(&parts, request).await?;
    let whom = match (body.customer_id, body.email) {
        (Some(id), _) => Forgot::Customer(id),
        (None, typed) => Forgot::Email(typed.and_then(|typed| email::parse(typed.expose()))),
    };
    parts.desk.forgot(whom, source).await?;
    Ok(answer(StatusCode::ACCEPTED, &json!({ "accepted": true })))
}

/// A PIN that is chosen anew.
#[derive(Deserialize)]
struct Renewing {
    token: SecretText,
    pin: SecretText,
    hint: Option<SecretText>,
    web_pin: Option<SecretText>,
}

async fn renew(State(parts): State<PinParts>, request: Request) -> Result<Response, ApiError> {
    let (source, body) = read::<Renewing>(&parts, request).await?;
    let wanted = wanted(body.pin, body.hint, body.web_pin);
    let hint_kept = parts.desk.renew(body.token.expose(), wanted, source).await?;
    Ok(answer(StatusCode::OK, &json!({ "renewed": true, "hint_kept": hint_kept })))
}

/// A field that was left empty in a form was not filled in.
fn wanted(pin: SecretText, hint: Option<SecretText>, web_pin: Option<SecretText>) -> Wanted {
    let filled = |field: &SecretText| !field.expose().trim().is_empty();
    Wanted { pin, hint: hint.filter(filled), web_pin: web_pin.filter(filled) }
}

async fn read<T: DeserializeOwned>(
    parts: &PinParts,
    request: Request,
) -> Result<(IpAddr, T), ApiError> {
    let source = source(parts, &request);
    let Json(body) = Json::<T>::from_request(request, parts).await?;
    Ok((source, body))
}

/// Who asks: the other end, or whom a proxy of ours saw there.
fn source(parts: &PinParts, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let Some(peer) = peer else { return Ipv4Addr::UNSPECIFIED.into() };
    if !(parts.proxies)(peer) {
        return peer;
    }
    forwarded(request.headers()).unwrap_or(peer)
}

/// The client behind a proxy of ours, by the last entry of its header.
pub(crate) fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED).iter().next_back()?.to_str().ok()?;
    let address: IpAddr = last.rsplit(',').next()?.trim().parse().ok()?;
    Some(address.to_canonical())
}
