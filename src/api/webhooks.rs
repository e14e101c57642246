//! Platforms that ask by HTTP what to do next: each request becomes events of contract §4, and what their
//! call wants becomes the vendor's script.
//!
//! | route | from |
//! | --- | --- |
//! | `POST /v1/twilio/{connector}`, `…/{step}` | Twilio's voice URL and what we give it; Telnyx's TeXML |
//! | `POST /v1/jambonz/{connector}`, `…/{step}` | jambonz's webhooks |
//! | `GET /v1/jambonz/{connector}` | jambonz's WebSocket |
//! | `GET /v1/prompts/{file}` | whoever plays our recordings |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts as Head;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use metrics::counter;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::api::error::ApiError;
use crate::api::error::json;
use crate::api::intake::Intake;
use crate::api::webhook_socket;
use crate::api::webhook_socket::Sockets;
use crate::model::digits::Key;
use crate::model::time::Timestamp;
use crate::platform::webhook::Asked;
use crate::platform::webhook::Connector;
use crate::platform::webhook::Hook;
use crate::platform::webhook::Said;
use crate::platform::webhook::Step;
use crate::platform::webhook::form::Form;
use crate::platform::webhook::jambonz;
use crate::platform::webhook::jambonz::Way;
use crate::platform::webhook::signed::Keys;
use crate::platform::webhook::signed::Signed;
use crate::platform::webhook::twilio;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// The largest body; the headers of an INVITE are in it.
const BODY_MAX: usize = 64 * 1024;
/// How long an answer waits for something newer than silence. Platforms give up after 10 s.
const NEWER_WITHIN: Duration = Duration::from_secs(4);
/// How often a call of another node is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// WebSockets of platforms at once.
const SOCKETS_MAX: usize = 4096;

/// What the routes need.
pub struct WebhookParts {
    /// Where events go.
    pub intake: Intake,
    /// `/v1/twilio/{name}`.
    pub twilio: BTreeMap<String, Connector>,
    /// `/v1/jambonz/{name}`, and who may open a WebSocket there.
    pub jambonz: BTreeMap<String, (Connector, Option<Login>)>,
    /// The recordings as WAV files, by id.
    pub recordings: BTreeMap<String, Bytes>,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where sockets run.
    pub tasks: TaskTracker,
    /// Says that sockets are to go.
    pub stop: CancellationToken,
}

/// `name:password` in base64, as HTTP Basic authentication sends it.
#[derive(Clone)]
pub struct Login(pub Zeroizing<String>);

/// What all requests share.
pub(crate) struct Doors {
    pub(crate) parts: WebhookParts,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) sockets: Sockets,
    /// Stands in for a connector that is not there: whoever guesses names learns nothing from the time.
    nobody: Option<Keys>,
}

type Shared = Arc<Doors>;

/// The routes.
pub fn routes(parts: WebhookParts) -> Router {
    let nobody = Keys::jambonz(&rand::random::<u128>().to_string()).ok();
    let places = Arc::new(Semaphore::new(SOCKETS_MAX));
    Router::new()
        .route("/v1/twilio/{connector}", post(from_twilio))
        .route("/v1/twilio/{connector}/{step}", post(from_twilio))
        .route("/v1/jambonz/{connector}", post(from_jambonz).get(socket))
        .route("/v1/jambonz/{connector}/{step}", post(from_jambonz))
        .route("/v1/prompts/{file}", get(recording))
        .with_state(Arc::new(Doors { parts, places, sockets: Sockets::default(), nobody }))
}

/// The names in a path.
#[derive(serde::Deserialize)]
struct Named {
    connector: String,
    step: Option<String>,
}

async fn from_twilio(
    State(doors): State<Shared>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, ApiError> {
    let connector = doors.parts.twilio.get(&named.connector);
    let (head, body) = whole(request).await?;
    let connector = doors.proven(connector, &head, &body)?;
    let step = step(&named)?;
    let form = Form::read(&body).ok_or_else(unreadable)?;
    let hook = twilio::hook(connector, step, &form, asked(&head)).ok_or_else(unreadable)?;
    let repeated = head.headers.get("i-twilio-idempotency-token").and_then(|v| v.to_str().ok());
    let call = doors.told(connector, &hook, repeated).await?;
    if step == Step::Status {
        return Ok(nothing());
    }
    let mut response = Response::new(Body::from(twilio::answer(connector, &hook, call.as_ref())));
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

async fn from_jambonz(
    State(doors): State<Shared>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, ApiError> {
    let connector = doors.parts.jambonz.get(&named.connector).map(|(connector, _)| connector);
    let (head, body) = whole(request).await?;
    let connector = doors.proven(connector, &head, &body)?;
    let step = step(&named)?;
    let data: Value = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let hook = jambonz::hook(connector, step, &data, asked(&head)).ok_or_else(unreadable)?;
    let call = doors.told(connector, &hook, None).await?;
    if step == Step::Status {
        return Ok(nothing());
    }
    let verbs = jambonz::verbs(connector, Way::Http, &hook, call.as_ref());
    Ok(json(StatusCode::OK, verbs.to_string()))
}

async fn socket(
    State(doors): State<Shared>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, ApiError> {
    let found = doors.parts.jambonz.get(&named.connector);
    let login = found.and_then(|(_, login)| login.as_ref());
    let admitted = webhook_socket::admitted(login, request.headers());
    match found {
        Some((connector, _)) if admitted => {
            webhook_socket::upgrade(&doors, connector.clone(), request)
        }
        _ => Err(refused()),
    }
}

async fn recording(
    State(doors): State<Shared>,
    Path(file): Path<String>,
) -> Result<Response, ApiError> {
    let found = file.strip_suffix(".wav").and_then(|id| doors.parts.recordings.get(id));
    let wav =
        found.ok_or_else(|| ApiError::not_found("not_found", "there is no such recording"))?;
    let mut response = Response::new(Body::from(wav.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

async fn whole(request: Request) -> Result<(Head, Bytes), ApiError> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX)
        .await
        .map_err(|_| ApiError::bad("unreadable_body", "the body is too large or was cut off"))?;
    Ok((head, body))
}

fn step(named: &Named) -> Result<Step, ApiError> {
    let word = named.step.as_deref().unwrap_or(Step::Begin.word());
    Step::read(word)
        .ok_or_else(|| ApiError::not_found("not_found", "there is nothing at this address"))
}

fn asked(head: &Head) -> Asked {
    Asked::read(head.uri.query().unwrap_or_default())
}

fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn refused() -> ApiError {
    ApiError::forbidden(
        "no connector of this name has signed this request so; see docs/webhooks.md",
    )
}

fn unreadable() -> ApiError {
    ApiError::bad("invalid_event", "this is no request of this platform about a call")
}

/// What came of an event.
enum Taken {
    /// Where its call stands.
    Stands(CallAnswer),
    /// Its call is over.
    Over,
    /// Nobody knows its call.
    Unknown,
}

impl Doors {
    /// The connector, if it has signed the request.
    fn proven<'a>(
        &self,
        connector: Option<&'a Connector>,
        head: &Head,
        body: &[u8],
    ) -> Result<&'a Connector, ApiError> {
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let keys = connector.map(|connector| &connector.keys).or(self.nobody.as_ref());
        let (signature, time) = match keys {
            Some(Keys::Twilio(_)) => (text("x-twilio-signature"), None),
            Some(Keys::Telnyx(_)) => (text("telnyx-signature-ed25519"), text("telnyx-timestamp")),
            _ => (text("jambonz-signature"), None),
        };
        let request = Signed {
            base_url: connector.map_or("https://nobody", |connector| &connector.base_url),
            path_and_query: head.uri.path_and_query().map_or("/", |path| path.as_str()),
            signature,
            time,
            json: is_json(&head.headers),
            body,
            now: (self.parts.clock)(),
        };
        let good = keys.is_some_and(|keys| keys.signed(&request));
        match connector {
            Some(connector) if good => Ok(connector),
            _ => {
                counter!("countersign_webhooks_refused_total").increment(1);
                Err(refused())
            }
        }
    }

    /// Hands in what a request says, and finds out where its call stands then; `None`: it is over.
    pub(crate) async fn told(
        &self,
        connector: &Connector,
        hook: &Hook,
        repeated: Option<&str>,
    ) -> Result<Option<CallAnswer>, ApiError> {
        let taken = match hook.said {
            Said::Nothing => return Ok(None),
            Said::Over(cause) => {
                let event = json!({ "type": "connection_cleared", "cause": cause });
                // A call that nobody knows is as over as it can be.
                let _ = self.publish(connector, hook, format!("{}:over", hook.call), event).await?;
                return Ok(None);
            }
            Said::Begins => Taken::Unknown,
            Said::Key(key) => self.key(connector, hook, key).await?,
            Said::Again => {
                let id = repeated.map_or_else(|| self.moment(), str::to_owned);
                let id = format!("{}:again:{id}", hook.call);
                self.publish(connector, hook, id, json!({ "type": "resumed" })).await?
            }
            Said::Silence | Said::Waits => {
                return self.newer(connector, hook, NEWER_WITHIN).await;
            }
        };
        match taken {
            Taken::Stands(answer) => Ok(Some(answer)),
            Taken::Over => Ok(None),
            Taken::Unknown => self.stands(connector, hook).await,
        }
    }

    /// A key counts once for what was asked when it was pressed, whoever sends it how often.
    async fn key(&self, connector: &Connector, hook: &Hook, key: Key) -> Result<Taken, ApiError> {
        let Asked { call, version, nth } = &hook.asked;
        let Some(call) = call else { return Err(unreadable()) };
        let digit = match (key, key.digit()) {
            (_, Some(digit)) => char::from(b'0'.saturating_add(digit)),
            (Key::STAR, _) => '*',
            (Key::POUND, _) => '#',
            _ => char::from(b'A'.saturating_add(key.event().saturating_sub(12))),
        };
        let event = json!({
            "type": "digit_generated", "digit": digit.to_string(), "directive": version,
        });
        self.publish(connector, hook, format!("{call}:key:{version}:{nth}"), event).await
    }

    /// Where the call stands, begun anew where nobody knows it; `None`: it is over.
    async fn stands(
        &self,
        connector: &Connector,
        hook: &Hook,
    ) -> Result<Option<CallAnswer>, ApiError> {
        let mut event = hook.arrival.clone();
        event.insert("type".to_owned(), "delivered".into());
        match self.publish(connector, hook, format!("{}:begins", hook.call), event.into()).await? {
            Taken::Stands(answer) => Ok(Some(answer)),
            Taken::Over | Taken::Unknown => Ok(None),
        }
    }

    /// As [`Self::stands`], as soon as it is newer than what was asked, or after this time.
    pub(crate) async fn newer(
        &self,
        connector: &Connector,
        hook: &Hook,
        within: Duration,
    ) -> Result<Option<CallAnswer>, ApiError> {
        let until = Instant::now() + within;
        loop {
            let Some(answer) = self.stands(connector, hook).await? else { return Ok(None) };
            let asked = &hook.asked;
            let other = asked.call.as_ref() != Some(&answer.call)
                || answer.directive.version != asked.version;
            let left = until.saturating_duration_since(Instant::now());
            if (other && answer.directive.order != Order::Wait) || left.is_zero() {
                return Ok(Some(answer));
            }
            let platforms = self.parts.intake.platforms();
            if platforms.has(&answer.call_id, &connector.platform) {
                let call = answer.call.as_str();
                let newer = platforms.directive(call, asked.version, left).await;
                return Ok(newer.or(Some(answer)));
            }
            sleep(LOOK_AGAIN.min(left)).await;
        }
    }

    /// Hands an event in.
    async fn publish(
        &self,
        connector: &Connector,
        hook: &Hook,
        id: String,
        mut event: Value,
    ) -> Result<Taken, ApiError> {
        if let Some(fields) = event.as_object_mut() {
            self.address(fields, connector, hook, &id);
        }
        let answer = self.parts.intake.publish(event, false).await.map_err(|_| unreadable())?;
        let rejected = answer.rejected.first().map(|rejected| rejected.code);
        match (answer.calls.into_iter().next(), rejected) {
            (Some(answer), _) => Ok(Taken::Stands(answer)),
            (None, None) => Ok(Taken::Over),
            (None, Some("no_such_call")) => Ok(Taken::Unknown),
            (None, Some("unavailable")) => {
                Err(ApiError::unavailable("no further call can be taken now; ask another node"))
            }
            (None, Some(_)) => Err(unreadable()),
        }
    }

    fn address(
        &self,
        fields: &mut Map<String, Value>,
        connector: &Connector,
        hook: &Hook,
        id: &str,
    ) {
        for (name, value) in [
            ("event_id", id),
            ("call_id", &hook.call),
            ("platform", connector.platform.as_str()),
            ("at", &(self.parts.clock)().rfc3339()),
        ] {
            fields.insert(name.to_owned(), value.into());
        }
    }

    /// The way to the platform broke: the call asks nothing until it is back.
    pub(crate) async fn lost(&self, connector: &Connector, hook: &Hook) {
        let id = format!("{}:lost:{}", hook.call, self.moment());
        let event = json!({ "type": "interrupted" });
        // A call that is over need not know.
        let _ = self.publish(connector, hook, id, event).await;
    }

    fn moment(&self) -> String {
        format!("{}:{:016x}", (self.parts.clock)().0, rand::random::<u64>())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
