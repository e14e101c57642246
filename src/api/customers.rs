//! `GET` and `PUT /v1/customers/{id}`: the customer record for PIN administrators. Another address is a
//! reset of the PIN (P17). `POST /v1/customers:import`: a customer file as the command takes it.

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde::Deserializer;
use serde_json::json;

use crate::api::body::Json;
use crate::api::body::holder;
use crate::api::error::ApiError;
use crate::api::pins::MAY_CHANGE;
use crate::api::pins::PinParts;
use crate::api::pins::answer;
use crate::api::pins::customer;
use crate::maintenance::customer_file::RowError;
use crate::maintenance::desk::Refused;
use crate::maintenance::import::ImportError;
use crate::maintenance::import::Tally;
use crate::maintenance::record::Change;
use crate::maintenance::record::ImportRefused;
use crate::model::digits::SecretText;
use crate::model::email;

/// The largest file of one request.
pub(super) const FILE_MAX: usize = 4 * 1024 * 1024;
/// The longest name.
const NAME_MAX: usize = 256;
/// The longest language tag.
const LANGUAGE_MAX: usize = 35;

/// What is to change; a field that is left out stays, an address of `null` is removed.
#[derive(Deserialize)]
#[expect(clippy::option_option, reason = "left out, removed, or another: JSON says all three")]
struct Changing {
    reason: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "some")]
    email: Option<Option<SecretText>>,
    language: Option<String>,
}

pub(super) async fn show(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let identity = holder(&*parts.tokens, &headers, MAY_CHANGE).await?;
    let record = parts.desk.record(&customer(id)?, identity.agent.as_str()).await?;
    Ok(answer(StatusCode::OK, &record))
}

pub(super) async fn change(
    State(parts): State<PinParts>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let identity = holder(&*parts.tokens, request.headers(), MAY_CHANGE).await?;
    let Json(asked) = Json::<Changing>::from_request(request, &parts).await?;
    let change = Change {
        name: asked.name.map(name).transpose()?,
        email: asked.email.map(address).transpose()?,
        language: asked.language.map(language).transpose()?,
    };
    let reason = asked.reason.unwrap_or_default();
    let actor = identity.agent.as_str();
    let record = parts.desk.change(&customer(id)?, change, actor, &reason).await?;
    Ok(answer(StatusCode::OK, &record))
}

/// 200: what the import did; bad rows are told with their line and column, never with a cell.
pub(super) async fn import(
    State(parts): State<PinParts>,
    request: Request,
) -> Result<Response, ApiError> {
    let identity = holder(&*parts.tokens, request.headers(), MAY_CHANGE).await?;
    let file = Bytes::from_request(request, &parts).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = "the file is larger than 4 MiB; send it in parts";
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
        }
        ApiError::bad("unreadable_body", "the body ended before its announced length")
    })?;
    let (tally, bad) = parts.desk.import(&file, identity.agent.as_str()).await.map_err(refused)?;
    let told =
        |row: &RowError| json!({ "line": row.line, "column": row.column, "message": row.message });
    let rows: Vec<_> = bad.iter().map(told).collect();
    let Tally { created, changed, equal, bad } = tally;
    let shown = json!({
        "created": created, "changed": changed, "equal": equal, "bad": bad, "rows": rows,
    });
    Ok(answer(StatusCode::OK, &shown))
}

fn refused(refused: ImportRefused) -> ApiError {
    let message = refused.to_string();
    match refused {
        ImportRefused::TooLarge => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        ImportRefused::Failed(ImportError::Header(_)) => ApiError::bad("invalid_file", message),
        ImportRefused::Failed(ImportError::Records(error)) => error.into(),
        ImportRefused::Failed(ImportError::Pin(_)) => Refused::Busy.into(),
    }
}

fn name(name: String) -> Result<String, ApiError> {
    let usable = (1..=NAME_MAX).contains(&name.trim().chars().count())
        && !name.chars().any(char::is_control);
    let message = "a name has 1 to 256 characters";
    if usable { Ok(name) } else { Err(ApiError::bad("invalid_name", message)) }
}

fn language(tag: String) -> Result<String, ApiError> {
    let usable = (2..=LANGUAGE_MAX).contains(&tag.len())
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    let message = "write a language tag such as en or en-GB";
    if usable { Ok(tag) } else { Err(ApiError::bad("invalid_language", message)) }
}

fn address(typed: Option<SecretText>) -> Result<Option<SecretText>, ApiError> {
    let read = |typed: SecretText| email::parse(typed.expose()).ok_or(Refused::InvalidEmail);
    Ok(typed.map(read).transpose()?)
}

/// A field that is there is `Some`, `null` too.
#[expect(clippy::option_option, reason = "left out, removed, or another: JSON says all three")]
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<SecretText>>, D::Error> {
    Option::deserialize(from).map(Some)
}
