//! `/v1/outbound`: an agent announces a call to a customer; the app shows it and reports the tap (OB-1).
//!
//! | route | role | answer |
//! | --- | --- | --- |
//! | `POST /v1/outbound` | agent | 201 `{"call","proof","say"}` |
//! | `GET /v1/outbound?customer_id=` | app | 200 `{"calls":[…]}`: who rings this customer now |
//! | `GET /v1/outbound/{call}/status?customer_id=` | app | 200, one of them |
//! | `POST /v1/outbound/{call}/tap` | app | 200 `{"result":"proved"}` or `"not_proved"` |

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::FromRequest;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use serde::Deserialize;
use serde::Serialize;

use crate::api::body::Json;
use crate::api::body::holder;
use crate::api::elsewhere::Others;
use crate::api::elsewhere::pass_on;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::push::Doorkeeper;
use crate::wire::identity::TokenRole;
use crate::wire::outbound::Announced;
use crate::wire::outbound::AnnouncedCall;
use crate::wire::outbound::BadField;
use crate::wire::outbound::CallStatus;
use crate::wire::outbound::NewCall;
use crate::wire::outbound::NewTap;
use crate::wire::outbound::Tap;
use crate::wire::outbound::Tapped;

/// Runs outbound calls.
#[async_trait]
pub trait OutboundDesk: Send + Sync + 'static {
    /// Makes a call of direction `outbound`, owned by its agent, or joins the platform's.
    async fn announce(&self, call: AnnouncedCall) -> Result<Announced, OutboundRefused>;
    /// The outbound calls that are going on with this customer: none or a few.
    async fn calls_with(&self, customer: &CustomerId) -> Result<Vec<CallStatus>, OutboundRefused>;
    /// Hands a tap to its call; a call with another customer is `NoSuchCall`.
    async fn tap(&self, tap: Tap) -> Result<Tapped, OutboundRefused>;
}

/// Why an outbound call was not made, or not tapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OutboundRefused {
    /// The queue's profile rings nobody (O06).
    #[error("the profile of this queue makes no outbound calls; use another queue")]
    NotEnabled,
    /// No such customer.
    #[error("there is no customer with this customer_id")]
    NoSuchCustomer,
    /// Customers are rung on a number held for them, on no other (C71).
    #[error("ring a number that is on file for this customer, or leave number out")]
    NotOnFile,
    /// There is none (C53).
    #[error("no number is on file for this customer; have one traced first")]
    NoNumber,
    /// No such queue, or not one of this agent's.
    #[error("there is no such queue, or it is not yours")]
    NoSuchQueue,
    /// No call of this platform id, or not with this customer.
    #[error("there is no such call")]
    NoSuchCall,
    /// Somebody else's call has this platform id.
    #[error("another agent has this call; ask them to release it")]
    NotYours,
    /// The agent has as many calls as one may have.
    #[error("you have too many open calls; wrap one up first")]
    TooMany,
    /// The app's number is not to be tapped now.
    #[error("no number is to be tapped in this call now")]
    NotNow,
    /// Its time is over.
    #[error("the number has expired")]
    Expired,
    /// The node is full, or stops, or a store is down.
    #[error("no call can be taken at the moment; try again in a few seconds")]
    Unavailable,
}

impl From<OutboundRefused> for ApiError {
    fn from(refused: OutboundRefused) -> Self {
        let (status, code) = match refused {
            OutboundRefused::NotEnabled => (StatusCode::CONFLICT, "outbound_not_enabled"),
            OutboundRefused::NoSuchCustomer => (StatusCode::NOT_FOUND, "no_such_customer"),
            OutboundRefused::NotOnFile => (StatusCode::BAD_REQUEST, "number_not_on_file"),
            OutboundRefused::NoNumber => (StatusCode::CONFLICT, "no_number_on_file"),
            OutboundRefused::NoSuchQueue => (StatusCode::NOT_FOUND, "no_such_queue"),
            OutboundRefused::NoSuchCall => (StatusCode::NOT_FOUND, "no_such_call"),
            OutboundRefused::NotYours => (StatusCode::CONFLICT, "not_yours"),
            OutboundRefused::TooMany => (StatusCode::TOO_MANY_REQUESTS, "quota"),
            OutboundRefused::NotNow => (StatusCode::CONFLICT, "not_now"),
            OutboundRefused::Expired => (StatusCode::CONFLICT, "expired"),
            OutboundRefused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, code, refused.to_string())
    }
}

impl From<BadField> for ApiError {
    fn from(bad: BadField) -> Self {
        let code = match bad.field {
            "customer_id" => "invalid_customer_id",
            "number" => "invalid_number",
            "platform_call_id" => "invalid_platform_call_id",
            "queue" => "invalid_queue",
            _ => "invalid_job",
        };
        Self::bad(code, bad.to_string())
    }
}

/// What these routes need.
#[derive(Clone)]
pub struct OutboundParts {
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// Runs the calls.
    pub desk: Arc<dyn OutboundDesk>,
    /// The calls of other nodes, where there are any.
    pub elsewhere: Others,
}

/// The routes, to be merged with the others.
pub fn routes(parts: OutboundParts) -> Router {
    let passed_on = middleware::from_fn_with_state(parts.elsewhere.clone(), pass_on);
    Router::new()
        .route("/v1/outbound", post(announce).layer(passed_on.clone()).get(ringing))
        .route("/v1/outbound/{call}/status", get(status).layer(passed_on.clone()))
        .route("/v1/outbound/{call}/tap", post(tap).layer(passed_on))
        .with_state(parts)
}

/// 201 with the call and its proof.
async fn announce(
    State(parts): State<OutboundParts>,
    request: Request,
) -> Result<Response, ApiError> {
    let agent = holder(&*parts.tokens, request.headers(), &[TokenRole::Agent]).await?;
    let Json(new) = Json::<NewCall>::from_request(request, &parts).await?;
    let call = new.read(agent.agent.clone())?;
    let queue = call.queue.as_ref();
    if queue.is_some_and(|queue| !agent.queues.is_empty() && !agent.queues.contains(queue)) {
        return Err(OutboundRefused::NoSuchQueue.into());
    }
    let announced = parts.desk.announce(call).await?;
    Ok(answer(StatusCode::CREATED, &announced))
}

/// The customer whose app asks.
#[derive(Deserialize)]
struct Asking {
    customer_id: Option<String>,
}

impl Asking {
    fn customer(self) -> Result<CustomerId, ApiError> {
        self.customer_id.and_then(|id| CustomerId::try_from(id).ok()).ok_or_else(|| {
            let expected = "must be 1 to 128 bytes, in the query: ?customer_id=…";
            BadField { field: "customer_id", expected }.into()
        })
    }
}

/// 200: who of us is ringing this customer now. Nobody: an empty list, and the app says "do not answer".
async fn ringing(
    State(parts): State<OutboundParts>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Calls {
        calls: Vec<CallStatus>,
    }
    holder(&*parts.tokens, &headers, &[TokenRole::App]).await?;
    let calls = parts.desk.calls_with(&asking.customer()?).await?;
    Ok(answer(StatusCode::OK, &Calls { calls }))
}

/// 200: one call as the app shows it; 404 when it is not with this customer.
async fn status(
    State(parts): State<OutboundParts>,
    Path(call): Path<String>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    holder(&*parts.tokens, &headers, &[TokenRole::App]).await?;
    let calls = parts.desk.calls_with(&asking.customer()?).await?;
    let shown = calls.iter().find(|status| status.call.as_str() == call);
    let shown = shown.ok_or(OutboundRefused::NoSuchCall)?;
    Ok(answer(StatusCode::OK, shown))
}

/// 200 with what came of the tap. A number is tapped once.
async fn tap(
    State(parts): State<OutboundParts>,
    Path(call): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Outcome {
        result: Tapped,
    }
    holder(&*parts.tokens, request.headers(), &[TokenRole::App]).await?;
    let call = CallId::try_from(call).map_err(|_| OutboundRefused::NoSuchCall)?;
    let Json(new) = Json::<NewTap>::from_request(request, &parts).await?;
    let result = parts.desk.tap(new.read(call)?).await?;
    Ok(answer(StatusCode::OK, &Outcome { result }))
}

/// Plain structs of texts and numbers always become JSON.
fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    json(status, serde_json::to_string(body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::http::header;
    use axum::response::IntoResponse;
    use serde_json::Value;

    use crate::model::ids::QueueName;
    use crate::model::time::Now;
    use crate::outbound::BeforeDialling;
    use crate::outbound::codes::three_numbers;
    use crate::outbound::proof::Proof;
    use crate::outbound::rules::Rules;
    use crate::push::Denied;
    use crate::push::fixture;
    use crate::wire::identity::Identity;

    type Answered = Result<Response, ApiError>;

    /// Tokens are `role` or `role:queue`.
    struct Door;

    #[async_trait]
    impl Doorkeeper for Door {
        async fn admit(&self, token: &str) -> Result<Identity, Denied> {
            let (role, queue) = token.split_once(':').unwrap_or((token, ""));
            let role = TokenRole::from_word(role).ok_or(Denied::NotValid)?;
            let queue = Some(queue).filter(|queue| !queue.is_empty());
            Ok(fixture::identity("alice", role, queue.as_slice()))
        }
    }

    /// One call with `c1`, who is to tap the right one of three numbers.
    struct OneCall;

    fn rules() -> Rules {
        let published_number = Some("+44 20 7946 0123".to_owned());
        Rules { enabled: true, published_number, ..Rules::default() }
    }

    #[async_trait]
    impl OutboundDesk for OneCall {
        async fn announce(&self, call: AnnouncedCall) -> Result<Announced, OutboundRefused> {
            let queue = call.queue.as_ref().map(QueueName::as_str);
            match (call.customer.as_ref().map(CustomerId::as_str), queue) {
                (Some("c9"), _) => return Err(OutboundRefused::NoSuchCustomer),
                (_, Some("silent")) => return Err(OutboundRefused::NotEnabled),
                _ => {}
            }
            let unknown =
                BeforeDialling { number_age_ok: true, sim_swapped: None, forwarded: None };
            let proof = Proof::new(rules(), call.purpose, unknown);
            let say = Some(proof.words(call.agent.as_str()));
            Ok(Announced { call: "01J".parse().unwrap(), proof: proof.view(), say })
        }

        async fn calls_with(
            &self,
            customer: &CustomerId,
        ) -> Result<Vec<CallStatus>, OutboundRefused> {
            let call = CallStatus {
                call: "01J".parse().unwrap(),
                agent_alias: "alice".into(),
                started: Now::default().wall.rfc3339(),
                numbers: Some(three_numbers(7).0),
                expires_at: None,
            };
            Ok((customer.as_str() == "c1").then_some(call).into_iter().collect())
        }

        async fn tap(&self, tap: Tap) -> Result<Tapped, OutboundRefused> {
            if (tap.call.as_str(), tap.customer.as_str()) != ("01J", "c1") {
                return Err(OutboundRefused::NoSuchCall);
            }
            let right = tap.number == three_numbers(7).1;
            Ok(if right { Tapped::Proved } else { Tapped::NotProved })
        }
    }

    fn parts() -> State<OutboundParts> {
        State(OutboundParts { tokens: Arc::new(Door), desk: Arc::new(OneCall), elsewhere: None })
    }

    fn request(token: &str, body: &str) -> Request {
        let builder = Request::builder()
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        builder.body(Body::from(body.to_owned())).unwrap()
    }

    async fn read(answered: Answered) -> (u16, Value) {
        let response = answered.unwrap_or_else(IntoResponse::into_response);
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn announced(token: &str, body: &str) -> (u16, Value) {
        read(announce(parts(), request(token, body)).await).await
    }

    #[tokio::test]
    async fn o01_an_announced_call_begins_with_our_proof() {
        let (status, body) = announced("agent", r#"{"customer_id":"c1"}"#).await;
        assert_eq!((status, &body["call"]), (201, &Value::from("01J")));
        assert_eq!(body["proof"]["stage"], "intro");
        let methods = serde_json::json!(["app", "call_back", "letter", "waive"]);
        assert_eq!(body["proof"]["methods"], methods);
        assert!(body["say"].as_str().is_some_and(|say| say.starts_with("Hello, my name is alice")));
    }

    #[tokio::test]
    async fn c08_an_announced_call_to_an_employer_has_no_proof() {
        let (status, body) = announced("agent", r#"{"purpose":"employer"}"#).await;
        assert_eq!((status, &body["proof"]), (201, &Value::Null));
    }

    #[tokio::test]
    async fn contract_3_errors_of_outbound_have_the_one_shape() {
        for (token, body, expected) in [
            ("nobody", r#"{"customer_id":"c1"}"#, "401 unauthenticated"),
            ("app", r#"{"customer_id":"c1"}"#, "403 forbidden"),
            ("supervisor", r#"{"customer_id":"c1"}"#, "403 forbidden"),
            ("agent", "{", "400 invalid_json"),
            ("agent", "{}", "400 invalid_customer_id"),
            ("agent", r#"{"customer_id":"c1","number":"1"}"#, "400 invalid_number"),
            ("agent", r#"{"customer_id":"c9"}"#, "404 no_such_customer"),
            ("agent", r#"{"customer_id":"c1","queue":"silent"}"#, "409 outbound_not_enabled"),
            ("agent:general", r#"{"customer_id":"c1","queue":"other"}"#, "404 no_such_queue"),
        ] {
            let (status, answer) = announced(token, body).await;
            let code = answer["error"]["code"].as_str().unwrap();
            assert_eq!(format!("{status} {code}"), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn o09_the_app_shows_the_call_to_its_own_customer_and_taps_once_for_them() {
        let headers = |token| request(token, "").headers().clone();
        let of = |customer: &str| Query(Asking { customer_id: Some(customer.to_owned()) });
        let (status_code, shown) = read(ringing(parts(), of("c1"), headers("app")).await).await;
        assert_eq!((status_code, &shown["calls"][0]["agent_alias"]), (200, &Value::from("alice")));
        assert_eq!(shown["calls"][0]["numbers"].as_array().map(Vec::len), Some(3));
        let (_, none) = read(ringing(parts(), of("c2"), headers("app")).await).await;
        assert_eq!(none["calls"], serde_json::json!([]));
        for (call, customer, token, expected) in [
            ("01J", "c1", "app", 200),
            ("01J", "c2", "app", 404),
            ("01K", "c1", "app", 404),
            ("01J", "c1", "agent", 403),
        ] {
            let path = Path(call.to_owned());
            let answered = status(parts(), path, of(customer), headers(token)).await;
            assert_eq!(read(answered).await.0, expected, "{call} {customer} {token}");
        }
        let right = three_numbers(7).1;
        for (call, customer, number, expected) in [
            ("01J", "c1", right, (200, "proved")),
            ("01J", "c1", if right == 10 { 11 } else { 10 }, (200, "not_proved")),
            ("01J", "c2", right, (404, "no_such_call")),
            ("01K", "c1", right, (404, "no_such_call")),
            ("01J", "c1", 9, (400, "invalid_number")),
        ] {
            let body = format!(r#"{{"customer_id":"{customer}","number":{number}}}"#);
            let path = Path(call.to_owned());
            let (status, answer) = read(tap(parts(), path, request("app", &body)).await).await;
            let word = answer["result"].as_str().or(answer["error"]["code"].as_str()).unwrap();
            assert_eq!((status, word), expected);
        }
    }
}
