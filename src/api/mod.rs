//! HTTP: REST, health, metrics, and the way to the desktop's WebSocket.

pub mod audiohook;
pub mod audit;
pub mod auth;
pub mod body;
pub mod calls;
pub mod customer;
mod customers;
pub mod elsewhere;
pub mod error;
pub mod events;
pub mod genesys;
pub mod guard;
pub mod health;
pub mod intake;
pub mod intents;
pub mod jobs;
pub mod keys;
pub mod ladder;
pub mod outbound;
pub(crate) mod pin_public;
pub mod pins;
pub mod replay;
pub mod server;
pub mod stats;
mod webhook_socket;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::delete;
use axum::routing::get;
use axum::routing::post;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::api::error::ApiError;
use crate::api::health::Readiness;
use crate::model::time::Timestamp;
use crate::platform::http::Platforms;
use crate::push::Doorkeeper;
use crate::push::socket::Desktops;
use crate::records::Records;
use crate::sessions::Sessions;

/// Everything the routes need.
#[derive(Clone)]
pub struct ApiState {
    /// The desktops' sockets, and the hub behind them.
    pub desktops: Arc<Desktops>,
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// Intents.
    pub sessions: Arc<dyn Sessions>,
    /// Platforms that report by HTTP.
    pub platforms: Arc<Platforms>,
    /// Customers and past calls.
    pub records: Arc<dyn Records>,
    /// The backends' state.
    pub readiness: Arc<dyn Readiness>,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Cancelled when no new calls are taken: `/readyz` says 503 from then on.
    pub draining: CancellationToken,
    /// The limits.
    pub limits: ApiLimits,
    /// What supervisors watch.
    pub stats: Arc<crate::stats::Shared>,
    /// What is alarming now.
    pub alarms: stats::Alarms,
    /// The calls of other nodes, where there are any.
    pub elsewhere: elsewhere::Others,
    /// Told when somebody asks for metrics: some are counted only then.
    pub counted: Arc<dyn Fn() + Send + Sync>,
    /// Routes of others: the pages, the platforms' own.
    pub pages: Router,
}

/// Limits of the HTTP side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ApiLimits {
    /// Connections at once that are not desktops.
    pub connections: usize,
    /// The largest body.
    pub body_max: usize,
    /// How long a request may take, its body included.
    pub request_within: Duration,
    /// How long the headers of a request may take, and a connection may idle.
    pub headers_within: Duration,
    /// How long an intent is good when the app does not say.
    pub intent_ttl: Duration,
    /// The longest an app may ask for.
    pub intent_ttl_max: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            body_max: 64 * 1024,
            request_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(10),
            intent_ttl: Duration::from_mins(2),
            intent_ttl_max: Duration::from_mins(10),
        }
    }
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    let (pages, limits) = (state.pages.clone(), state.limits);
    let passed_on = middleware::from_fn_with_state(state.elsewhere.clone(), elsewhere::pass_on);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/desktop", get(desktop))
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/{id}", get(calls::one))
        .route("/v1/calls/{id}/replay", get(replay::one))
        .route("/v1/calls/{id}/ladder", get(ladder::of_call))
        .route("/v1/calls/{id}/customer", get(customer::of_call))
        .route("/v1/audit", get(audit::lines))
        .route("/v1/stats", get(stats::now))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::one))
        .route("/v1/jobs/{id}", post(jobs::event))
        .route("/v1/calls/{id}/directive", get(events::directive).layer(passed_on))
        .route("/v1/events", post(events::publish).layer(DefaultBodyLimit::max(events::BODY_MAX)))
        .route("/v1/intents", post(intents::register))
        .route("/v1/intents/{intent}", delete(intents::cancel))
        .with_state(state)
        .merge(pages)
        .fallback(|| async { ApiError::not_found("not_found", "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            let message = "this address does not take this method; see the Allow header";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(DefaultBodyLimit::max(limits.body_max))
        .layer(middleware::from_fn_with_state(limits, guard::guard))
}

async fn desktop(State(state): State<ApiState>, request: Request) -> Response {
    state.desktops.upgrade(request).unwrap_or_else(|why| ApiError::from(why).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    use crate::account::Account;
    use crate::account::BlockRule;
    use crate::api::auth::Grant;
    use crate::api::auth::TokenRules;
    use crate::api::auth::Tokens;
    use crate::api::auth::mint;
    use crate::api::health::Check;
    use crate::api::server::serve;
    use crate::call::input::Delivered;
    use crate::call::request::Asker;
    use crate::call::request::Refusal;
    use crate::call::request::Request as Asked;
    use crate::call::view::CustomerView;
    use crate::call::view::PartyView;
    use crate::engine::CallHandle;
    use crate::engine::clock::Clock;
    use crate::follow_up::JobEvent;
    use crate::follow_up::JobId;
    use crate::follow_up::JobKind;
    use crate::follow_up::JobLine;
    use crate::follow_up::JobState;
    use crate::follow_up::Mark;
    use crate::follow_up::Occurred;
    use crate::follow_up::Refused as JobRefused;
    use crate::follow_up::job::Detail;
    use crate::model::auth::Authentication;
    use crate::model::customer::Customer;
    use crate::model::customer::Role;
    use crate::model::digits::Positions;
    use crate::model::digits::SecretText;
    use crate::model::ids::AgentId;
    use crate::model::ids::CallId;
    use crate::model::ids::CustomerId;
    use crate::model::ids::FactKey;
    use crate::model::ids::PlatformCallId;
    use crate::model::ids::PlatformName;
    use crate::model::number::PhoneNumber;
    use crate::model::party::PartyRole;
    use crate::model::sealed_pin::SealedPin;
    use crate::platform::Entry;
    use crate::platform::KeyTimes;
    use crate::platform::Leg;
    use crate::platform::Refused;
    use crate::platform::http::Rules;
    use crate::push::Desk;
    use crate::push::fixture;
    use crate::push::hub::Hub;
    use crate::push::hub::Published;
    use crate::push::socket::DesktopLimits;
    use crate::push::socket::DesktopParts;
    use crate::records::AccountAfter;
    use crate::records::AttemptId;
    use crate::records::AttemptsOfCall;
    use crate::records::AuditEntry;
    use crate::records::CallRecord;
    use crate::records::CallResult;
    use crate::records::CustomerLine;
    use crate::records::Enrolment;
    use crate::records::FollowUps;
    use crate::records::Imported;
    use crate::records::PinRecords;
    use crate::records::RecordsError;
    use crate::records::Reservation;
    use crate::records::Settlement;
    use crate::records::audit::Chained;
    use crate::records::audit::Head;
    use crate::records::audit::Stored;
    use crate::records::follow_ups::ArchivedProfile;
    use crate::records::follow_ups::CodePair;
    use crate::records::follow_ups::JobFilter;
    use crate::records::follow_ups::Marking;
    use crate::records::follow_ups::OutboxCounts;
    use crate::records::follow_ups::OutboxItem;
    use crate::records::follow_ups::PendingContact;
    use crate::records::follow_ups::Registry;
    use crate::records::pins::Batch;
    use crate::records::pins::BatchId;
    use crate::records::pins::By;
    use crate::records::pins::Chosen;
    use crate::records::pins::Estate;
    use crate::records::pins::Initial;
    use crate::records::pins::Issued;
    use crate::records::pins::Issuing;
    use crate::records::pins::Letter;
    use crate::records::pins::Link;
    use crate::records::pins::LinkRefused;
    use crate::records::pins::MailOutcome;
    use crate::records::pins::NewLink;
    use crate::records::pins::PinFile;
    use crate::records::pins::UnblockAsked;
    use crate::sessions::memory::MemorySessions;
    use crate::wire::identity::TokenRole;
    use futures_util::SinkExt;
    use futures_util::StreamExt;
    use serde_json::Value;
    use serde_json::json;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_util::task::TaskTracker;

    const KEY: &[u8] = &[3; 32];
    const GOOD: &str = r#"{"customer_id":"c1","number":"+447700900123"}"#;

    #[tokio::test]
    async fn b04_an_app_registers_an_intent_and_takes_it_back_once() {
        let house = House::open().await;
        let (app, agent) =
            (House::token("app", TokenRole::App), House::token("alice", TokenRole::Agent));
        let made = house.asks("POST /v1/intents", &app, GOOD).await;
        assert_eq!(made.status, 201);
        let intent = made.json()["intent"].as_str().unwrap().to_owned();
        assert!(intent.len() <= 64 && made.json()["expires_at"].as_str().unwrap().ends_with('Z'));
        let path = format!("DELETE /v1/intents/{intent}");
        assert_eq!(house.asks(&path, &agent, "").await.error(), "403 forbidden");
        assert_eq!(house.asks(&path, &app, "").await.status, 204);
        assert_eq!(house.asks(&path, &app, "").await.error(), "404 no_such_intent");
        assert_eq!(
            house.asks("DELETE /v1/intents/x", &app, "").await.error(),
            "404 no_such_intent"
        );
    }

    #[tokio::test]
    async fn contract_3_every_error_has_the_one_shape() {
        let house = House::open().await;
        let app = House::token("app", TokenRole::App);
        let stranger = GOOD.replace("c1", "c9");
        let large = format!(r#"{{"purpose":"{}"}}"#, "x".repeat(70_000));
        for (asked, token, body, expected) in [
            ("GET /v1/calls", "", "", "401 unauthenticated"),
            ("GET /v1/calls", "nonsense", "", "401 unauthenticated"),
            ("GET /v1/calls", &app, "", "403 forbidden"),
            ("POST /v1/intents", "", GOOD, "401 unauthenticated"),
            ("POST /v1/intents", &app, "{", "400 invalid_json"),
            ("POST /v1/intents", &app, "{}", "400 invalid_customer_id"),
            ("POST /v1/intents", &app, &stranger, "404 no_such_customer"),
            ("POST /v1/intents", &app, &large, "413 body_too_large"),
            ("PUT /v1/intents", &app, "", "405 method_not_allowed"),
            ("GET /v1/nothing", "", "", "404 not_found"),
            ("GET /v1/desktop", "", "", "426 websocket_required"),
            ("GET /v1/calls/%00", &House::token("a", TokenRole::Agent), "", "404 no_such_call"),
        ] {
            let answer = house.asks(asked, token, body).await;
            assert_eq!(answer.error(), expected, "{asked} {body:.20}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        let plain = house.raw("POST /v1/intents", &app, GOOD, "text/plain").await;
        assert_eq!(plain.error(), "415 unsupported_media_type");
    }

    #[tokio::test]
    async fn contract_10_calls_are_shown_as_on_the_desktop_and_without_answers() {
        let house = House::open().await;
        let (alice, chief) =
            (House::token("alice", TokenRole::Agent), House::token("chief", TokenRole::Supervisor));
        house.publish("live1", Some("alice"));
        house.publish("live2", Some("bob"));
        let seen = house.asks("GET /v1/calls", &alice, "").await;
        assert_eq!(seen.json()["calls"].as_array().unwrap().len(), 1);
        assert!(!seen.body.contains("THE-ANSWER"));
        assert_eq!(
            house.asks("GET /v1/calls", &chief, "").await.json()["calls"].as_array().unwrap().len(),
            2
        );
        assert_eq!(house.asks("GET /v1/calls/live1@trunk", &alice, "").await.json()["id"], "live1");
        for (id, token, status) in [
            ("live2", &alice, 404),
            ("live2", &chief, 200),
            ("past-of-bob", &alice, 404),
            ("past-of-bob", &chief, 200),
            ("none", &chief, 404),
        ] {
            assert_eq!(
                house.asks(&format!("GET /v1/calls/{id}"), token, "").await.status,
                status,
                "{id}"
            );
        }
    }

    #[tokio::test]
    async fn c71_x25_jobs_are_listed_and_an_unblock_job_is_not_ticked_off() {
        let house = House::open().await;
        let (alice, app) =
            (House::token("alice", TokenRole::Agent), House::token("app", TokenRole::App));
        let listed = house.asks("GET /v1/jobs?kind=unblock&open=true", &alice, "").await.json();
        assert_eq!(listed["jobs"][0]["kind"], "unblock");
        assert_eq!(listed["jobs"][0]["opened"], "1970-01-01T00:00:00.000Z");
        assert_eq!(house.asks("GET /v1/jobs/7", &alice, "").await.json()["id"], 7);
        for (asked, token, expected) in [
            ("GET /v1/jobs", &app, "403 forbidden"),
            ("GET /v1/jobs?kind=holiday", &alice, "400 invalid_kind"),
            ("GET /v1/jobs/8", &alice, "404 no_such_job"),
            ("POST /v1/jobs/7:done", &alice, "409 not_now"),
            ("POST /v1/jobs/7:time_come", &alice, "404 not_found"),
            ("POST /v1/jobs/8:done", &alice, "404 no_such_job"),
            ("POST /v1/jobs/7", &alice, "404 not_found"),
        ] {
            assert_eq!(house.asks(asked, token, "").await.error(), expected, "{asked}");
        }
        let tried = house.asks("POST /v1/jobs/7:unreachable", &alice, "").await;
        assert_eq!((tried.status, tried.json()["state"].as_str()), (200, Some("unreachable")));
    }

    #[tokio::test]
    async fn contract_10_what_supervisors_read_is_for_supervisors() {
        let house = House::open().await;
        let (alice, chief) =
            (House::token("alice", TokenRole::Agent), House::token("chief", TokenRole::Supervisor));
        house.publish("live1", Some("alice"));
        for path in ["/v1/stats", "/v1/audit", "/v1/calls/live1/ladder"] {
            let asked = format!("GET {path}");
            assert_eq!(house.asks(&asked, &alice, "").await.error(), "403 forbidden", "{path}");
            assert_eq!(house.asks(&asked, "", "").await.error(), "401 unauthenticated", "{path}");
        }
        let stats = house.asks("GET /v1/stats", &chief, "").await.json();
        assert_eq!((&stats["desktops"], &stats["checks"]["pass_rate"]), (&json!(0), &json!(null)));
        for wrong in ["from=0", "limit=0", "limit=1001", "limit=x", "call="] {
            let asked = format!("GET /v1/audit?{wrong}");
            assert_eq!(
                house.asks(&asked, &chief, "").await.error(),
                "400 invalid_query",
                "{wrong}"
            );
        }
        assert_eq!(house.asks("GET /v1/audit", &chief, "").await.error(), "503 unavailable");
        let ladder = house.asks("GET /v1/calls/live1@trunk/ladder", &chief, "").await.json();
        assert_eq!((&ladder["call"], &ladder["complete"]), (&json!("live1"), &json!(false)));
        let past = house.asks("GET /v1/calls/past-of-bob/ladder", &chief, "").await;
        assert_eq!(past.json()["lanes"].as_array().map(Vec::len), Some(6));
        let none = house.asks("GET /v1/calls/none/ladder", &chief, "").await;
        assert_eq!(none.error(), "404 no_such_call");
    }

    #[tokio::test]
    async fn c01_an_account_is_refused_until_the_call_has_passed() {
        let house = House::open().await;
        let (alice, bob) =
            (House::token("alice", TokenRole::Agent), House::token("bob", TokenRole::Agent));
        let chief = House::token("chief", TokenRole::Supervisor);
        house.publish("live1", Some("alice"));
        house.publish("waiting", None);
        for (asked, token, expected) in [
            ("live1/customer", &alice, "403 not_passed"),
            ("live1/customer?show=bank_last4", &alice, "403 not_passed"),
            ("live1/customer", &chief, "403 not_passed"),
            ("live1/customer", &bob, "404 no_such_call"),
            ("waiting/customer", &alice, "403 not_yours"),
            ("live1/customer?show=nino", &alice, "400 invalid_query"),
            ("past-of-bob/customer", &bob, "404 no_such_call"),
        ] {
            let answer = house.asks(&format!("GET /v1/calls/{asked}"), token, "").await;
            assert_eq!(answer.error(), expected, "{asked}");
        }
    }

    #[tokio::test]
    async fn c01_c82_an_account_is_told_once_identity_and_role_are_certain() {
        let house = House::open().await;
        let alice = House::token("alice", TokenRole::Agent);
        let mut call = fixture::call("passed", 1, Some("alice"));
        call.authentication = Authentication::Authenticated;
        call.customer = Some(CustomerView {
            id: "c1".parse().unwrap(),
            name: "C".into(),
            role: Role::Client,
            speaks_for: None,
            flags: vec![],
        });
        house.hub.publish(Published {
            call: call.clone(),
            term: 0,
            taken_in: tokio::time::Instant::now(),
        });
        let path = "GET /v1/calls/passed/customer";
        assert_eq!(house.asks(path, &alice, "").await.error(), "403 not_passed");
        let (role, set_by) = (PartyRole::Client, "record");
        call.party = Some(PartyView { role, set_by, client_present: None, permission: None });
        call.version = 2;
        house.hub.publish(Published { call, term: 0, taken_in: tokio::time::Instant::now() });
        let told = house.asks(path, &alice, "").await;
        assert_eq!((told.status, told.json()["id"].as_str()), (200, Some("c1")), "{}", told.body);
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }

    #[tokio::test]
    async fn operators_read_health_and_metrics_and_see_a_drain() {
        let house = House::open().await;
        assert_eq!(house.asks("GET /healthz", "", "").await.json()["status"], "ok");
        let ready = house.asks("GET /readyz", "", "").await;
        assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("degraded")));
        assert_eq!(ready.json()["checks"][0]["effect"], "no PIN is checked");
        assert_eq!(house.asks("GET /metrics", "", "").await.status, 200);
        house.draining.cancel();
        assert_eq!(house.asks("GET /readyz", "", "").await.status, 503);
    }

    #[tokio::test]
    async fn contract_6_a_desktop_opens_over_http_and_the_listener_drains() {
        let house = House::open().await;
        let mut request =
            format!("ws://{}/v1/desktop", house.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "countersign.v1".parse().unwrap());
        let stream = TcpStream::connect(house.address).await.unwrap();
        let (mut ws, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "countersign.v1");
        let hello = json!({"type": "hello", "token": House::token("alice", TokenRole::Agent)});
        ws.send(Message::text(hello.to_string())).await.unwrap();
        for kind in ["welcome", "snapshot"] {
            let frame = ws.next().await.unwrap().unwrap();
            assert!(frame.to_text().unwrap().contains(kind));
        }
        house.stop.cancel();
        assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().contains("bye"));
        assert!(
            matches!(ws.next().await, Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) == 1001)
        );
        drop(ws);
        house.tasks.close();
        tokio::time::timeout(Duration::from_secs(5), house.tasks.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_ends_its_headers_is_let_go() {
        let limits =
            ApiLimits { headers_within: Duration::from_millis(100), ..ApiLimits::default() };
        let house = House::with(limits).await;
        let mut slow = TcpStream::connect(house.address).await.unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection is closed");
    }

    #[tokio::test]
    async fn contract_4_events_are_taken_from_platforms_alone_and_bad_ones_are_named() {
        let house = House::open().await;
        let (app, pbx) =
            (House::token("app", TokenRole::App), House::token("pbx", TokenRole::Platform));
        let event = |kind: &str| {
            json!({
                "event_id": "e1", "call_id": "c1", "at": "2026-11-22T10:00:00Z",
                "platform": "pbx", "type": kind,
            })
        };
        let many = json!(vec![event("held"); 1001]).to_string();
        let large = json!([event("held"), "x".repeat(1024 * 1024)]).to_string();
        for (token, body, expected) in [
            ("", event("held").to_string(), "401 unauthenticated"),
            (app.as_str(), event("held").to_string(), "403 forbidden"),
            (&pbx, "{".to_owned(), "400 invalid_json"),
            (&pbx, "7".to_owned(), "400 invalid_event"),
            (&pbx, "{}".to_owned(), "400 invalid_event"),
            (&pbx, event("ringing").to_string(), "400 unknown_type"),
            (&pbx, event("held").to_string(), "404 no_such_call"),
            (&pbx, event("delivered").to_string(), "503 unavailable"),
            (&pbx, many, "400 too_many_events"),
            (&pbx, large, "413 body_too_large"),
        ] {
            let answer = house.asks("POST /v1/events", token, &body).await;
            assert_eq!(answer.error(), expected, "{body:.80}");
        }
        let events = json!([event("held"), event("ringing"), 5]).to_string();
        let answer = house.asks("POST /v1/events", &pbx, &events).await.json();
        assert_eq!((&answer["accepted"], &answer["calls"]), (&json!(0), &json!([])));
        let codes: Vec<_> = answer["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rejected| &rejected["code"])
            .collect();
        assert_eq!(codes, ["no_such_call", "unknown_type", "invalid_event"]);
        for (asked, expected) in [
            ("GET /v1/calls/c1/directive?wait_s=9", "404 no_such_call"),
            ("GET /v1/calls/c1/directive?after=x", "400 invalid_query"),
        ] {
            assert_eq!(house.asks(asked, &pbx, "").await.error(), expected);
        }
    }

    /// Platforms whose calls nobody takes.
    fn platforms(tasks: &TaskTracker, draining: &CancellationToken) -> Platforms {
        let rules = Rules {
            trunks: std::collections::BTreeMap::new(),
            queues: crate::config::parse("c.toml", "").unwrap().queues,
            queue_uri: "sip:queue@127.0.0.1".into(),
            handed_over_max: Duration::from_hours(4),
        };
        let (tasks, draining) = (tasks.clone(), draining.clone());
        Platforms::new(Arc::new(Fake), rules, Clock::start(), tasks, draining)
    }

    // --- the house ---

    struct House {
        address: std::net::SocketAddr,
        hub: Arc<Hub>,
        draining: CancellationToken,
        stop: CancellationToken,
        tasks: TaskTracker,
    }

    struct Answer {
        status: u16,
        head: String,
        body: String,
    }

    impl Answer {
        fn json(&self) -> Value {
            serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
        }

        fn error(&self) -> String {
            let json = self.json();
            assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
            format!("{} {}", self.status, json["error"]["code"].as_str().unwrap())
        }

        fn header(&self, name: &str) -> Option<&str> {
            let line = |line: &'_ str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
            self.head
                .lines()
                .find(|text| line(text))
                .and_then(|text| text.split_once(": "))
                .map(|(_, value)| value)
        }
    }

    impl House {
        async fn open() -> Self {
            Self::with(ApiLimits::default()).await
        }

        async fn with(limits: ApiLimits) -> Self {
            let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(|| Timestamp(1_000_000));
            let tokens: Arc<dyn Doorkeeper> = Arc::new(
                Tokens::new(Some(KEY), None, TokenRules::default(), Arc::clone(&clock)).unwrap(),
            );
            let (hub, tasks, stop) = (Hub::new(1, 8), TaskTracker::new(), CancellationToken::new());
            let desktops = Desktops::new(DesktopParts {
                hub: Arc::clone(&hub),
                doorkeeper: Arc::clone(&tokens),
                desk: Arc::new(Fake),
                origins: vec![],
                limits: DesktopLimits::default(),
                clock: Arc::clone(&clock),
                tasks: tasks.clone(),
                stop: stop.clone(),
            });
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
            let draining = CancellationToken::new();
            let state = ApiState {
                desktops,
                tokens,
                sessions: Arc::new(MemorySessions::new(10, Arc::clone(&clock))),
                platforms: Arc::new(platforms(&tasks, &draining)),
                records: Arc::new(Fake),
                readiness: Arc::new(Fake),
                metrics: recorder.handle(),
                clock,
                draining: draining.clone(),
                limits,
                stats: Arc::new(crate::stats::Shared::new(Timestamp(0))),
                alarms: Arc::new(|_| vec![]),
                elsewhere: None,
                counted: Arc::new(|| {}),
                pages: Router::new(),
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (app, limits) = (router(state.clone()), state.limits);
            tasks.spawn(serve(listener, app, limits, tasks.clone(), stop.clone()));
            Self { address, hub, draining, stop, tasks }
        }

        fn token(name: &str, role: TokenRole) -> String {
            let (sub, ttl) = (name.parse().unwrap(), Duration::from_mins(1));
            let grant = Grant { sub, roles: vec![role], name: None, queues: vec![], ttl };
            mint(KEY, &grant, &TokenRules::default(), Timestamp(1_000_000)).unwrap()
        }

        fn publish(&self, id: &str, agent: Option<&str>) {
            let call = fixture::call(id, 1, agent);
            self.hub.publish(Published { call, term: 0, taken_in: tokio::time::Instant::now() });
        }

        async fn asks(&self, line: &str, token: &str, body: &str) -> Answer {
            self.raw(line, token, body, "application/json").await
        }

        async fn raw(&self, line: &str, token: &str, body: &str, kind: &str) -> Answer {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let bearer = if token.is_empty() {
                String::new()
            } else {
                format!("Authorization: Bearer {token}\r\n")
            };
            let length = body.len();
            let request = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status =
                head.split(' ').nth(1).and_then(|status| u16::from_str(status).ok()).unwrap();
            Answer { status, head: head.to_owned(), body: body.to_owned() }
        }
    }

    /// Knows the customer `c1` and a past call of bob's.
    struct Fake;

    impl Entry for Fake {
        fn find(&self, _: &PlatformName, _: &PlatformCallId) -> Option<CallHandle> {
            None
        }

        fn key_times(&self, _: Option<&str>) -> KeyTimes {
            KeyTimes { digit: Duration::ZERO, customer_number: Duration::ZERO }
        }

        fn delivered(
            &self,
            _: Delivered,
            _: Option<&str>,
            _: Box<dyn Leg>,
        ) -> Result<CallHandle, Refused> {
            Err(Refused)
        }
    }

    #[async_trait::async_trait]
    impl Desk for Fake {
        async fn request(&self, _: Asker, _: &str, _: Asked) -> Result<(), Refusal> {
            Ok(())
        }
    }

    #[async_trait::async_trait]
    impl Readiness for Fake {
        async fn checks(&self) -> Vec<Check> {
            let (name, effect) = ("records".to_owned(), "no PIN is checked".to_owned());
            vec![Check { name, ok: false, vital: false, since: Some(Timestamp(0)), effect }]
        }
    }

    type Answered<T> = Result<T, RecordsError>;

    fn never<T>() -> Answered<T> {
        Err(RecordsError::Unavailable("not part of these tests".into()))
    }

    #[rustfmt::skip]
    #[async_trait::async_trait]
    impl FollowUps for Fake {
        async fn asked(&self, _: &CustomerId, _: &CallId, _: &[FactKey], _: Timestamp) -> Answered<()> { never() }
        async fn disclosed(&self, _: &CustomerId, _: &FactKey, _: &AgentId, _: &CallId, _: Timestamp) -> Answered<()> { never() }
        async fn reset_security(&self, _: &CustomerId, _: &str, _: &str, _: Option<&CallId>, _: Timestamp) -> Answered<AccountAfter> { never() }
        async fn unblock(&self, _: &CustomerId, _: &str, _: &str, _: Option<&CallId>, _: Timestamp) -> Answered<AccountAfter> { never() }
        async fn follow_up(&self, _: Occurred) -> Answered<Vec<JobLine>> { never() }
        async fn jobs(&self, _: JobFilter, _: usize) -> Answered<Vec<JobLine>> { Ok(vec![job(7)]) }
        async fn job(&self, id: JobId) -> Answered<Option<JobLine>> { Ok((id.0 == 7).then(|| job(7))) }
        async fn job_event(&self, id: JobId, event: JobEvent, _: &str, _: Timestamp) -> Answered<JobLine> {
            match (id.0, event) {
                (7, JobEvent::Unreachable) => Ok(JobLine { state: JobState::Unreachable, ..job(7) }),
                (7, _) => Err(RecordsError::NotSo(JobRefused::ByCheckOnly)),
                _ => Err(RecordsError::NoSuch("job")),
            }
        }
        async fn due(&self, _: Timestamp, _: usize) -> Answered<Vec<JobId>> { never() }
        async fn outbox_due(&self, _: Timestamp, _: usize) -> Answered<Vec<OutboxItem>> { never() }
        async fn outbox_delivered(&self, _: &str, _: &str, _: bool, _: Timestamp) -> Answered<()> { never() }
        async fn outbox_failed(&self, _: &str, _: &str, _: Timestamp) -> Answered<()> { never() }
        async fn outbox_conflict(&self, _: &str, _: &str, _: Timestamp) -> Answered<()> { never() }
        async fn outbox_counts(&self) -> Answered<OutboxCounts> { never() }
        async fn put_mark(&self, _: Registry, _: &CallId, _: &CustomerId, _: Mark, _: Timestamp) -> Answered<Marking> { never() }
        async fn mark(&self, _: Registry, _: &CallId) -> Answered<Option<Mark>> { never() }
        async fn archive_profile(&self, _: &str, _: &str, _: &str) -> Answered<()> { never() }
        async fn profile_text(&self, _: &str) -> Answered<Option<ArchivedProfile>> { never() }
        async fn audit_of_call(&self, _: &CallId, _: usize) -> Answered<Vec<Chained>> { never() }
        async fn issue_codes(&self, _: &CustomerId, _: Timestamp) -> Answered<CodePair> { never() }
        async fn take_codes(&self, _: &CustomerId, _: &CallId, _: Timestamp) -> Answered<Option<CodePair>> { never() }
        async fn call_back_reference(&self, _: &CustomerId, _: &CallId, _: Timestamp, _: Timestamp) -> Answered<String> { never() }
        async fn redeem_reference(&self, _: &str, _: Timestamp) -> Answered<Option<PendingContact>> { never() }
    }

    fn job(number: i64) -> JobLine {
        JobLine {
            id: JobId(number),
            kind: JobKind::Unblock,
            state: JobState::Open,
            customer: "c1".parse().unwrap(),
            call: None,
            profile: "cmg".into(),
            opened: Timestamp(0),
            due: None,
            changed: Timestamp(0),
            changed_by: "system".into(),
            detail: Detail::unblock(),
        }
    }

    #[rustfmt::skip]
    #[async_trait::async_trait]
    impl PinRecords for Fake {
        async fn accounts(&self) -> Answered<u64> { never() }
        async fn batch(&self, _: Vec<u8>, _: Timestamp) -> Answered<Batch> { never() }
        async fn issue_missing(&self, _: Issuing, _: Option<CustomerId>, _: usize) -> Answered<Issued> { never() }
        async fn reset_pin(&self, _: &CustomerId, _: Issuing, _: By) -> Answered<()> { never() }
        async fn unprinted(&self) -> Answered<Vec<Batch>> { never() }
        async fn close_batch(&self, _: BatchId, _: Timestamp) -> Answered<()> { never() }
        async fn letters(&self, _: BatchId, _: Option<CustomerId>, _: usize, _: Timestamp) -> Answered<Vec<Letter>> { never() }
        async fn printed(&self, _: BatchId, _: u64, _: By) -> Answered<()> { never() }
        async fn try_initial(&self, _: &CustomerId, _: u8, _: Timestamp) -> Answered<Option<Initial>> { never() }
        async fn register(&self, _: &CustomerId, _: u32, _: Chosen, _: SecretText, _: NewLink, _: Timestamp) -> Answered<bool> { never() }
        async fn mail_link(&self, _: &CustomerId, _: NewLink, _: By) -> Answered<bool> { never() }
        async fn link(&self, _: &str) -> Answered<Option<Link>> { never() }
        async fn activate(&self, _: &str, _: Timestamp) -> Answered<Result<CustomerId, LinkRefused>> { never() }
        async fn choose_anew(&self, _: &str, _: Chosen, _: Timestamp) -> Answered<Result<CustomerId, LinkRefused>> { never() }
        async fn mailed(&self, _: &str, _: MailOutcome, _: Timestamp) -> Answered<()> { never() }
        async fn tried_early(&self, _: &CustomerId, _: Timestamp) -> Answered<()> { never() }
        async fn set_email(&self, _: &CustomerId, _: Option<SecretText>, _: By) -> Answered<()> { never() }
        async fn customers_with_email(&self, _: &SecretText, _: usize) -> Answered<Vec<CustomerId>> { never() }
        async fn web_pin(&self, _: &CustomerId) -> Answered<Option<String>> { never() }
        async fn ask_unblock(&self, _: &CustomerId, _: bool, _: By) -> Answered<UnblockAsked> { never() }
        async fn pin_file(&self, _: &CustomerId) -> Answered<Option<PinFile>> { never() }
        async fn estate(&self, _: Timestamp, _: Timestamp) -> Answered<Estate> { never() }
        async fn stuck(&self, _: Timestamp, _: usize) -> Answered<Vec<CustomerId>> { never() }
        async fn repaired(&self, _: &CustomerId, _: By) -> Answered<u64> { never() }
        async fn audit_of_customer(&self, _: &CustomerId, _: usize) -> Answered<Vec<Chained>> { never() }
        async fn erase(&self, _: &CustomerId, _: By) -> Answered<bool> { never() }
    }

    #[rustfmt::skip]
    #[async_trait::async_trait]
    impl Records for Fake {
        async fn customer(&self, id: &CustomerId) -> Answered<Option<Customer>> {
            Ok((id.as_str() == "c1").then(|| Customer {
                id: id.clone(), keypad_id: None, name: "C".into(), role: Role::Client, represents: vec![], numbers: vec![],
                email: None, language: None, flags: vec![], facts: std::collections::BTreeMap::new(),
            }))
        }
        async fn call(&self, id: &CallId) -> Answered<Option<CallRecord>> {
            let view = serde_json::to_value(fixture::call(id.as_str(), 1, Some("bob")).for_watchers()).unwrap();
            let (started_at, ended_at) = (Timestamp(0), None);
            Ok((id.as_str() == "past-of-bob").then(|| CallRecord { id: id.clone(), started_at, ended_at, customer: None, view }))
        }
        async fn probe(&self) -> Answered<()> { never() }
        async fn customers_with_number(&self, _: &PhoneNumber, _: usize) -> Answered<Vec<CustomerId>> { never() }
        async fn customer_by_keypad(&self, _: &str) -> Answered<Option<CustomerId>> { never() }
        async fn customers(&self, _: Option<&CustomerId>, _: usize) -> Answered<Vec<CustomerLine>> { never() }
        async fn import(&self, _: Vec<Enrolment>, _: Timestamp) -> Answered<Vec<Imported>> { never() }
        async fn account(&self, _: &CustomerId) -> Answered<Option<Account>> { never() }
        async fn next_pin_version(&self, _: &CustomerId) -> Answered<u32> { never() }
        async fn sealed_pin(&self, _: &CustomerId) -> Answered<Option<SealedPin>> { never() }
        async fn password_verifier(&self, _: &CustomerId) -> Answered<Option<String>> { never() }
        async fn challenge(&self, _: &CustomerId, _: u64, _: Timestamp) -> Answered<Positions> { never() }
        async fn reserve(&self, _: Reservation) -> Answered<AttemptId> { never() }
        async fn settle(&self, _: AttemptId, _: Settlement, _: Timestamp) -> Answered<AccountAfter> { never() }
        async fn settle_abandoned(&self, _: &CallId, _: Timestamp) -> Answered<Option<AttemptsOfCall>> { never() }
        async fn settle_older_than(&self, _: Timestamp, _: usize) -> Answered<u32> { never() }
        async fn call_result(&self, _: &CallId, _: &CustomerId, _: CallResult, _: BlockRule, _: Timestamp) -> Answered<AccountAfter> { never() }
        async fn save_call(&self, _: CallRecord) -> Answered<()> { never() }
        async fn audit(&self, _: AuditEntry) -> Answered<()> { Ok(()) }
        async fn audit_from(&self, _: u64, _: usize) -> Answered<Vec<Chained>> { never() }
        async fn audit_stored(&self, _: u64, _: usize) -> Answered<Vec<Stored>> { never() }
        async fn audit_head(&self) -> Answered<Head> { never() }
        async fn compact(&self) -> Answered<()> { never() }
    }
}
