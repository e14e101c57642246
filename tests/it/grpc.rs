//! Call events over gRPC: the same calls as over HTTP, by clients of their own kind.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use futures_util::stream;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Certificate;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Asks;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Told;

use crate::certificates;
use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::cluster::Cluster;
use crate::harness::desktop::Desktop;
use crate::harness::grpc::Client;
use crate::harness::grpc::event;
use crate::harness::grpc::proto::CallAnswer;
use crate::harness::grpc::proto::CallEvent;
use crate::harness::grpc::proto::Directive;
use crate::harness::grpc::proto::DirectivesRequest;
use crate::harness::grpc::proto::EventAnswer;
use crate::harness::platform::Platform;
use crate::harness::poll;

const ONE: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n";
const PIN: &str = "9081726";

#[test]
fn d02_d04_a_call_over_one_exchange_from_delivered_to_its_end() {
    let daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let desktop = Desktop::agent(&daemon, "agent-1");
    let mut exchange = client.exchange();
    let mut answer = exchange.ask(delivered(&http, "c-1"));
    let begun = call(&answer).clone();
    assert_eq!(begun.class.as_deref(), Some("verified_number"));
    assert_eq!((begun.call_id.as_str(), begun.authentication.as_str()), ("c-1", "in_progress"));
    let mut heard = vec![];
    while directive(&answer).r#do == "collect_digit" {
        let asked = directive(&answer).clone();
        assert_eq!(asked.digit_timeout_ms, Some(8000));
        heard.extend(asked.prompt.clone());
        answer = exchange.ask(key(&http, "c-1", &asked));
    }
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(
        (directive(&answer).r#do.as_str(), &*call(&answer).authentication),
        ("route", "authenticated")
    );
    assert_eq!(directive(&answer).before, ["thanks"]);
    assert_eq!(directive(&answer).to.as_deref(), Some("sip:queue@127.0.0.1:5070"));
    assert_eq!(directive(&answer).call.as_deref(), Some(begun.call.as_str()));
    for (kind, fields) in [
        ("agent_joined", json!({ "agent": "agent-1" })),
        ("held", json!({})),
        ("retrieved", json!({})),
        ("connection_cleared", json!({ "cause": 16 })),
    ] {
        answer = exchange.ask(event(&http.event(kind, "c-1", &fields)));
        assert!(answer.accepted && answer.rejected.is_none(), "{kind}: {answer:?}");
    }
    assert_eq!(directive(&answer).reason.as_deref(), Some("normal_clearing"));
    let ended = desktop.wait_for("c-1", "the call ends", |call| !call["ended_at"].is_null());
    assert_eq!(
        (&ended["id"], &ended["authentication"]),
        (&json!(begun.call), &json!("authenticated"))
    );
}

#[test]
fn contract_4_grpc_and_http_answer_alike_and_know_each_others_events() {
    let daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let begin = http.event("delivered", "c-1", &number());
    let (_, over_http) = http.publish(&begin);
    let over_grpc = client.one(event(&begin)).expect("a repeat is taken");
    assert!(over_grpc.accepted && !over_grpc.out_of_order);
    assert_eq!(json_of(call(&over_grpc)), over_http["calls"][0], "and no second call has begun");

    let press = http.event("digit_generated", "c-1", &json!({ "digit": "3", "directive": 1 }));
    let pressed = client.one(event(&press)).expect("taken");
    let (_, again) = http.publish(&press);
    assert_eq!(json_of(call(&pressed)), again["calls"][0], "counted once, over either");
    assert_eq!(again["calls"][0]["directive"]["version"], 2);
    let late = http.event("held", "c-1", &json!({ "at": "2026-11-22T09:00:00Z" }));
    assert!(client.one(event(&late)).expect("taken").out_of_order);
}

#[test]
fn contract_4_a_published_stream_ends_in_one_summary() {
    let daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let mut events = vec![];
    for nth in 0..40 {
        let call = format!("c-{nth}");
        let begin = delivered(&http, &call);
        events.push(begin.clone());
        events.push(event(&http.event("established", &call, &json!({}))));
        events.push(begin);
        events.push(event(&http.event(
            "connection_cleared",
            &call,
            &json!({ "cause": "user_busy" }),
        )));
    }
    events.push(CallEvent {
        event_id: "odd".into(),
        r#type: "ringing".into(),
        ..events[0].clone()
    });
    events.push(CallEvent { event_id: "timeless".into(), at: None, ..events[1].clone() });
    events.push(event(&http.event("held", "nobody", &json!({}))));
    let summary = client.wait(client.events().publish(client.request(stream::iter(events))));
    let summary = summary.expect("a summary").into_inner();
    assert_eq!((summary.accepted, summary.out_of_order, summary.rejected_count), (160, 0, 3));
    assert_eq!(summary.calls.len(), 40);
    assert!(
        summary
            .calls
            .iter()
            .all(|call| call.directive.as_ref().is_some_and(|d| d.r#do == "hang_up"))
    );
    let mut rejected = summary.rejected;
    rejected.sort_by_key(|rejected| rejected.index);
    let rejected: Vec<_> = rejected
        .iter()
        .map(|rejected| (rejected.index, &*rejected.event_id, &*rejected.code))
        .collect();
    assert_eq!(rejected[0], (160, "odd", "unknown_type"));
    assert_eq!(rejected[1], (161, "timeless", "invalid_event"));
    assert_eq!((rejected[2].0, rejected[2].2), (162, "no_such_call"));
    assert!(daemon.metrics().contains(r#"countersign_call_events_total{result="taken"} 120"#));
}

#[test]
fn d04_what_a_call_wants_without_an_event_is_told_to_those_who_listen() {
    let daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let mut exchange = client.exchange();
    let begun = exchange.ask(delivered(&http, "c-1"));
    let first = directive(&begun).version;
    let follow = DirectivesRequest { call_id: "c-1".into(), after: first };
    let followed = client.wait(client.events().directives(client.request(follow)));
    let mut followed = followed.expect("the call lives").into_inner();
    assert!(client.silent(followed.message(), Duration::from_millis(200)), "nothing is new");
    // Somebody else presses the key, over HTTP.
    http.key("c-1", '3');
    let told = exchange.next().expect("a push");
    assert_eq!((told.event_id.as_str(), directive(&told).version), ("", first + 1));
    let also = client.wait(followed.message()).expect("it goes on").expect("a directive");
    assert_eq!(Some(&also), told.call.as_ref());
    http.send("connection_cleared", "c-1", &json!({ "cause": 16 }));
    let last = exchange.next().expect("a push");
    assert_eq!(directive(&last).r#do, "hang_up");
    assert_eq!(client.wait(followed.message()).expect("it goes on"), last.call);
    assert_eq!(client.wait(followed.message()).expect("an end without an error"), None);
    let over = client.wait(
        client
            .events()
            .directives(client.request(DirectivesRequest { call_id: "nobody".into(), after: 0 })),
    );
    let over = client.wait(over.expect("a stream").into_inner().message());
    assert_eq!(over.expect_err("no such call").code(), Code::NotFound);
}

#[test]
fn contract_3_nobody_reports_events_without_a_platforms_token() {
    let daemon = Daemon::start(CUSTOMERS);
    let http = Platform::new(&daemon);
    for (token, code) in [
        (String::new(), Code::Unauthenticated),
        ("nonsense".to_owned(), Code::Unauthenticated),
        (daemon.token("agent", "alice"), Code::PermissionDenied),
    ] {
        let client = Client::with(&daemon, &token);
        let refused = client.one(delivered(&http, "c-1")).expect_err("no token of a platform");
        assert_eq!(refused.code(), code);
        let nothing = || stream::iter(Vec::<CallEvent>::new());
        let refused = client.wait(client.events().publish(client.request(nothing())));
        assert_eq!(refused.expect_err("no stream").code(), code);
        let refused = client.wait(client.events().exchange(client.request(nothing())));
        assert_eq!(refused.expect_err("no stream").code(), code);
        let asked = DirectivesRequest { call_id: "c-1".into(), after: 0 };
        let refused = client.wait(client.events().directives(client.request(asked)));
        assert_eq!(refused.expect_err("no stream").code(), code);
    }
    assert!(!daemon.metrics().contains(r#"result="taken"} 1"#));
}

#[test]
fn contract_4_what_cannot_be_taken_is_a_status() {
    let daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let good = delivered(&http, "c-1");
    for (event, code, said) in [
        (CallEvent { call_id: String::new(), ..good.clone() }, Code::InvalidArgument, "call_id"),
        (
            CallEvent { attestation: "D".into(), ..good.clone() },
            Code::InvalidArgument,
            "attestation",
        ),
        (
            CallEvent { r#type: "ringing".into(), ..good.clone() },
            Code::InvalidArgument,
            "type must be",
        ),
        (event(&http.event("held", "nobody", &json!({}))), Code::NotFound, "begins with delivered"),
    ] {
        let refused = client.one(event).expect_err("not taken");
        assert_eq!(refused.code(), code);
        assert!(refused.message().contains(said), "{refused}");
    }
    let long = CallEvent { ani: "1".repeat(100_000), ..good };
    assert_eq!(client.one(long).expect_err("too large").code(), Code::OutOfRange);
}

#[test]
fn contract_10_health_follows_readiness_and_streams_end_with_the_daemon() {
    let mut daemon = Daemon::start(CUSTOMERS);
    let (http, client) = (Platform::new(&daemon), Client::new(&daemon));
    let mut health = HealthClient::new(client.channel());
    let asked = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", "countersign.v1.CallEvents"] {
        let answer = client.wait(health.check(asked(service))).expect("no token is needed");
        assert_eq!(answer.into_inner().status, 1, "SERVING");
    }
    let unknown = client.wait(health.check(asked("other"))).expect_err("no such service");
    assert_eq!(unknown.code(), Code::NotFound);
    let watched = client.wait(health.watch(asked(""))).expect("a stream");
    let mut watched = watched.into_inner();
    assert_eq!(client.wait(watched.message()).expect("open").expect("a word").status, 1);
    let mut exchange = client.exchange();
    exchange.ask(delivered(&http, "c-1"));
    // The call is with the machine: the daemon waits a second for it before it ends.
    let stopping = std::thread::spawn(move || {
        daemon.stop();
        daemon
    });
    let next = client.wait(watched.message()).expect("open").expect("a word");
    assert_eq!(next.status, 2, "NOT_SERVING while it drains");
    while let Ok(Some(told)) = exchange.next_or_end() {
        assert_eq!(directive(&told).r#do, "hang_up", "the call ends with the daemon");
    }
    drop(stopping.join().expect("it ends by itself"));
}

#[test]
fn contract_2_without_an_address_of_its_own_a_second_daemon_goes_without_grpc() {
    let daemon = Daemon::with("[log]\nlevel = \"info\"\n", CUSTOMERS);
    let base = fs::read_to_string(daemon.path("base.toml")).expect("the file");
    let without = base.replace("[grpc]\n            listen = \"127.0.0.1:0\"", "");
    assert_ne!(base, without);
    fs::write(daemon.path("base.toml"), without).expect("the folder is writable");
    let mut daemon = daemon;
    // Whoever holds the default address: this test, or a daemon that may end at any time.
    let _held = poll("somebody holds the default address", || {
        let held = TcpListener::bind("127.0.0.1:50051");
        daemon.restart();
        daemon.grpc.is_none().then_some(held)
    });
    assert!(daemon.log().contains("no gRPC: its default address is taken; set grpc.listen"));
    daemon.stop();
    fs::write(daemon.path("settings.toml"), "[grpc]\nlisten = \"127.0.0.1:50051\"\n")
        .expect("written");
    let refused = daemon.command(&["serve"]).output().expect("the program runs");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("grpc.listen: 127.0.0.1:50051"));
}

#[test]
fn d02_a_tool_reads_the_service_from_the_daemon_itself() {
    let daemon = Daemon::start(CUSTOMERS);
    let client = Client::with(&daemon, "");
    let mut reflection = ServerReflectionClient::new(client.channel());
    let mut ask = |request: Asks| {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let answers = client.wait(reflection.server_reflection_info(stream::iter([request])));
        let mut answers = answers.expect("no token is needed").into_inner();
        let answer = client.wait(answers.message()).expect("an answer").expect("one");
        answer.message_response.expect("a response")
    };
    let Told::ListServicesResponse(listed) = ask(Asks::ListServices(String::new())) else {
        panic!("a list")
    };
    let listed: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    for service in ["countersign.v1.CallEvents", "grpc.health.v1.Health"] {
        assert!(listed.iter().any(|name| name == service), "{listed:?}");
    }
    let symbol = "countersign.v1.CallEvents".to_owned();
    let Told::FileDescriptorResponse(files) = ask(Asks::FileContainingSymbol(symbol)) else {
        panic!("a file")
    };
    let file = files.file_descriptor_proto.first().expect("a file");
    let words = String::from_utf8_lossy(file);
    for word in ["events.proto", "Exchange", "PublishOne", "digit_timeout_ms"] {
        assert!(words.contains(word), "{word}");
    }
}

#[test]
fn d02_with_a_certificate_the_port_speaks_tls_alone() {
    let folder = TempDir::new().expect("a temporary folder");
    let files = certificates::nodes(folder.path(), 1).remove(0);
    let settings = format!(
        "{OFFICE}{CHEAP_PINS}[grpc]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        files.certificate.display(),
        files.key.display()
    );
    let mut daemon = Daemon::with(&settings, CUSTOMERS);
    let http = Platform::new(&daemon);
    let ca = Certificate::from_pem(fs::read(&files.ca).expect("the CA"));
    let client = Client::over_tls(&daemon, &daemon.token("platform", "pbx"), ca);
    let answer = client.one(delivered(&http, "c-1")).expect("taken");
    assert_eq!(directive(&answer).r#do, "collect_digit");
    assert!(Client::new(&daemon).one(delivered(&http, "c-2")).is_err(), "no plain text");
    daemon.kill9();
    fs::write(&files.key, "no key").expect("written");
    let refused = daemon.command(&["serve"]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("grpc.tls_certificate, grpc.tls_key"),
        "{said}"
    );
}

#[test]
fn d02_d06_a_call_is_told_and_followed_through_whichever_node() {
    let cluster = Cluster::start(2, CUSTOMERS);
    let (http, away) = (Platform::new(cluster.a()), Client::new(cluster.b()));
    let begun = http.delivered("c-1", ONE);
    let follow = DirectivesRequest { call_id: "c-1".into(), after: 0 };
    let followed = away.wait(away.events().directives(away.request(follow)));
    let mut followed = followed.expect("a stream").into_inner();
    let mut exchange = away.exchange();
    for version in 1..=2 {
        let told = away.wait(followed.message()).expect("it goes on").expect("a directive");
        let asked = told.directive.expect("a directive");
        assert_eq!(
            (asked.version, told.call),
            (version, begun["call"].as_str().expect("an id").to_owned())
        );
        let answer = exchange.ask(key(&http, "c-1", &asked));
        assert!(answer.accepted, "{answer:?}");
    }
    let told = away.wait(followed.message()).expect("it goes on").expect("a directive");
    assert_eq!(
        (told.directive.expect("one").r#do.as_str(), &*told.authentication),
        ("route", "authenticated")
    );
}

// --- what these stories need ---

fn number() -> Value {
    json!({
        "direction": "inbound", "ani": ONE, "cli": ONE, "dnis": "+448000000000", "trunk": "office",
    })
}

fn delivered(platform: &Platform<'_>, call: &str) -> CallEvent {
    event(&platform.event("delivered", call, &number()))
}

/// The key of the PIN's digit that a directive asks for.
fn key(platform: &Platform<'_>, call: &str, asked: &Directive) -> CallEvent {
    let at = usize::try_from(asked.position.expect("a position")).expect("a place") - 1;
    let digit = PIN.chars().nth(at).expect("a digit").to_string();
    let fields = json!({ "digit": digit, "duration_ms": 90, "directive": asked.version });
    event(&platform.event("digit_generated", call, &fields))
}

#[track_caller]
fn call(answer: &EventAnswer) -> &CallAnswer {
    answer.call.as_ref().unwrap_or_else(|| panic!("{answer:?}"))
}

#[track_caller]
fn directive(answer: &EventAnswer) -> &Directive {
    call(answer).directive.as_ref().expect("a directive")
}

/// As HTTP writes it.
fn json_of(call: &CallAnswer) -> Value {
    let directive = call.directive.as_ref().expect("a directive");
    let mut told = json!({
        "do": directive.r#do, "before": directive.before, "version": directive.version,
    });
    match directive.r#do.as_str() {
        "route" => {
            told["to"] = json!(directive.to);
            told["queue"] = json!(directive.queue);
            told["call"] = json!(directive.call);
        }
        "collect_digit" => {
            told["position"] = json!(directive.position);
            told["digit_timeout_ms"] = json!(directive.digit_timeout_ms);
            told["prompt"] = json!(directive.prompt);
        }
        "play" => told["prompt"] = json!(directive.prompt),
        "hang_up" => told["reason"] = json!(directive.reason),
        _ => {}
    }
    json!({
        "call_id": call.call_id, "call": call.call, "class": call.class,
        "authentication": call.authentication, "directive": told,
    })
}
