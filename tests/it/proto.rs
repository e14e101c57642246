//! What `proto/` tells integrators, held against what the daemon reads, writes and answers.
#![expect(clippy::expect_used, reason = "a test may panic")]

mod samples;
mod schema;
mod source;

use std::collections::BTreeSet;
use std::fs;

use countersign::push::session::Close;
use countersign::push::socket::NoUpgrade;
use countersign::wire::desktop::ClientFrame;
use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::http;
use crate::harness::platform::Platform;
use crate::proto::samples::frames_written;
use crate::proto::schema::Schema;
use crate::proto::schema::Values;
use crate::proto::source::between;
use crate::proto::source::fields_of;
use crate::proto::source::here;
use crate::proto::source::literals;
use crate::proto::source::literals_after;
use crate::proto::source::production;
use crate::proto::source::routes;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n";

#[test]
fn contract_6_every_frame_of_the_daemon_is_described_as_it_is_written() {
    let document = document("asyncapi");
    let written = frames_written();
    let described = messages(&document, "send");
    assert_eq!(described, written.keys().cloned().collect::<BTreeSet<_>>());
    let source = production("src/wire/server.rs");
    let in_source = literals_after(&source, "\"type\":").chain(literals_after(&source, "r#type: "));
    assert_eq!(in_source.collect::<BTreeSet<_>>(), described, "a frame that no sample here writes");
    for (word, frames) in &written {
        let frames: Vec<_> = frames.iter().collect();
        payload(&document, word).holds(word, &frames, Values::All);
    }
}

#[test]
fn contract_6_every_word_of_a_desktop_is_described_as_it_is_read() {
    let document = document("asyncapi");
    let words = messages(&document, "receive");
    let source = production("src/wire/desktop.rs");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    assert_eq!(arms.map(|(word, _)| word.to_owned()).collect::<BTreeSet<_>>(), words);

    let mut fields = BTreeSet::new();
    for word in &words {
        let (schema, example) = (payload(&document, word), example(&document, word));
        fields.extend(schema.properties().into_iter().map(str::to_owned));
        assert_eq!(keys(&example), schema.properties(), "{word}: the example shows every field");
        assert_eq!(read(&example), *word);
        for name in schema.properties() {
            let mut without = example.clone();
            without.as_object_mut().and_then(|frame| frame.remove(name));
            let refused = ClientFrame::parse(&without.to_string()).is_err();
            assert_eq!(refused, schema.requires(name), "{word} without {name}");
        }
    }
    assert_eq!(fields, fields_of(&source, "struct Fields"));
    let unknown = json!({ "type": "fly", "id": 1, "call": "c" });
    assert_eq!(read(&unknown), "not_now", "as the description of `ask` says");
}

#[test]
fn contract_6_every_example_fits_its_own_schema() {
    let document = document("asyncapi");
    let described = document["components"]["messages"].as_object().into_iter().flatten();
    for (word, message) in described {
        let shown: Vec<_> = message["examples"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|shown| &shown["payload"])
            .collect();
        assert!(!shown.is_empty(), "{word} has no example");
        payload(&document, word).holds(word, &shown, Values::Some);
    }
}

#[test]
fn contract_6_every_close_code_is_described_with_its_reason() {
    let document = document("asyncapi");
    let described: BTreeSet<_> = document["channels"]["desktop"]["x-close-codes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|close| (close["code"].as_u64().unwrap_or_default(), text(&close["reason"])))
        .collect();
    let closes = [
        Close::Protocol,
        Close::Unauthenticated,
        Close::Forbidden,
        Close::NoHello,
        Close::HeartbeatLost,
        Close::TooSlow,
        Close::TooBig,
        Close::TooMany,
        Close::Drain,
        Close::TryLater,
    ];
    let session = production("src/push/session.rs");
    let reasons = literals(between(&session, "fn reason", "\n    }\n"));
    let known: BTreeSet<_> = closes.iter().map(|close| close.reason().to_owned()).collect();
    assert_eq!(reasons, known, "all of them are here");
    let mut sent: BTreeSet<_> =
        closes.iter().map(|close| (u64::from(close.code()), close.reason().to_owned())).collect();
    let socket = production("src/push/conversation.rs");
    for with in socket.split("CloseWith { code: ").skip(1) {
        let code = with.split(',').next().and_then(|code| code.parse().ok());
        // What is closed with a session's own reason is among those above.
        sent.extend(code.zip(literals(with.split('}').next().unwrap_or_default()).pop_first()));
    }
    assert_eq!(sent, described);
}

#[test]
fn both_descriptions_are_of_this_version_and_say_the_same_of_a_call() {
    let (rest, socket) = (document("openapi"), document("asyncapi"));
    for description in [&rest, &socket] {
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(description["components"]["securitySchemes"]["bearer"]["bearerFormat"], "JWT");
    }
    let schemas = |document: &Value| document["components"]["schemas"].clone();
    let (rest, socket) = (schemas(&rest), schemas(&socket));
    let shared: Vec<_> = rest
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !socket[*name].is_null())
        .collect();
    assert!(shared.len() > 7, "the call and its parts");
    for (name, schema) in shared {
        assert_eq!(*schema, socket[name], "{name}");
    }
}

#[test]
fn contract_3_every_error_code_is_described() {
    let document = document("openapi");
    let listed =
        &document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"];
    let described: BTreeSet<_> =
        listed["x-extensible-enum"].as_array().into_iter().flatten().map(text).collect();
    let doors = [
        NoUpgrade::NotWebSocket,
        NoUpgrade::NoProtocol,
        NoUpgrade::ForeignOrigin,
        NoUpgrade::Full,
        NoUpgrade::Draining,
    ];
    let mut answered: BTreeSet<_> = doors.iter().map(|why| why.code().to_owned()).collect();
    for file in
        fs::read_dir(here("src/api")).expect("a folder").map(|file| file.expect("a file").path())
    {
        let source = production(&file.display().to_string());
        // Refusals with a table of their own: a status and its code, or a field and its code.
        answered.extend(source.split("StatusCode::").skip(1).filter_map(|rest| {
            let (status, rest) = rest.split_once(", \"")?;
            let plain = status.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            plain.then_some(rest.split_once('"')?.0.to_owned())
        }));
        answered.extend(literals_after(&source, "=> ").filter(|word| word.starts_with("invalid_")));
        for made in ["ApiError::bad(", "::not_found(", "ApiError::new(", "Self::new(", "Self::bad("]
        {
            for call in source.split(made).skip(1) {
                answered.extend(
                    literals(call.split(')').next().unwrap_or_default())
                        .into_iter()
                        .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')),
                );
            }
        }
    }
    assert_eq!(answered, described);
}

#[test]
fn contract_10_every_route_is_described_and_answers_so() {
    let document = document("openapi");
    let described: BTreeSet<_> =
        operations(&document).map(|(path, method, _)| (path, method)).collect();
    let sources = [
        "src/api/audiohook.rs",
        "src/api/mod.rs",
        "src/api/genesys.rs",
        "src/api/outbound.rs",
        "src/api/pins.rs",
        "src/api/pin_public.rs",
        "src/api/webhooks.rs",
        "src/web/mod.rs",
    ];
    let served: BTreeSet<_> =
        sources.iter().flat_map(|source| routes(&production(source))).collect();
    // Pages are for people.
    let pages = BTreeSet::from(
        ["/", "/supervisor", "/admin", "/activate", "/assets/{*path}"]
            .map(|path| (path.to_owned(), "get".to_owned())),
    );
    assert_eq!(served.difference(&pages).cloned().collect::<BTreeSet<_>>(), described);

    let daemon = Daemon::start(CUSTOMERS);
    // Tokens without the role: apps may do what platforms may not, and the other way round.
    let (platform, app) = (daemon.token("platform", "pbx"), daemon.token("app", "phone-app"));
    for path in document["paths"].as_object().into_iter().flatten().map(|(path, _)| path) {
        let at = path.replace(['{', '}'], "");
        for method in ["get", "post", "put", "patch", "delete"] {
            let asked = |token: Option<&str>| {
                let (status, body) =
                    http::request(daemon.http, &method.to_uppercase(), &at, token, None);
                (status, serde_json::from_str(&body).unwrap_or(Value::Null))
            };
            let operation = &document["paths"][path][method];
            if operation.is_null() {
                assert_eq!(asked(None).0, 405, "{method} {path} is not described");
                continue;
            }
            let (status, body) = asked(None);
            answers(&document, path, method, status, &body);
            let guarded = operation["security"].as_array().is_some_and(|roles| !roles.is_empty());
            assert_eq!(status == 401, guarded, "{method} {path}");
            if guarded {
                let platforms = operation["security"].to_string().contains("platform");
                let (status, body) = asked(Some(if platforms { &app } else { &platform }));
                answers(&document, path, method, status, &body);
                assert_eq!(status, 403, "{method} {path}");
            }
        }
    }
    for name in ["openapi", "asyncapi"] {
        let (_, served) = http::request(daemon.http, "GET", &format!("/{name}.json"), None, None);
        let same =
            serde_json::from_str(&served).is_ok_and(|served: Value| served == self::document(name));
        assert!(same, "the daemon serves another {name}.json than proto/ has");
    }
}

#[test]
fn contract_10_a_whole_call_reads_as_described() {
    let (rest, socket) = (document("openapi"), document("asyncapi"));
    let mut daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::connect(&daemon, &daemon.token("supervisor", "sue"));
    let report = call::place(&daemon, &["--from", ANN, "--pin", "9081726"]);
    let platform_id = report["call_id"].as_str().expect("an id");
    let call = desktop
        .wait_for(platform_id, "the call is passed on", |call| call["media"] == "handed_over");
    let id = call["id"].as_str().expect("an id");
    assert_eq!(desktop.request("finish", id, &json!({})), "not_now");
    assert_eq!(desktop.request("claim", id, &json!({})), "ok");
    for (path, at) in
        [("/v1/calls", "/v1/calls"), ("/v1/calls/{id}", format!("/v1/calls/{id}").as_str())]
    {
        for role in ["agent", "supervisor"] {
            let (status, body) = daemon.ask("GET", at, &daemon.token(role, "sue"), None);
            answers(&rest, path, "get", status, &body);
            assert_eq!(status, 200, "{at}");
        }
    }
    assert_eq!(desktop.request("wrap_up", id, &json!({ "outcome": "helped" })), "ok");
    desktop.frame("the call goes", |frame| frame["type"] == "call_gone");
    daemon.stop();
    desktop.frame("the goodbye", |frame| frame["type"] == "bye");
    let frames = desktop.frames();
    for frame in &frames {
        payload(&socket, &text(&frame["type"])).holds("a frame", &[frame], Values::Some);
    }
    let seen: BTreeSet<_> = frames.iter().map(|frame| text(&frame["type"])).collect();
    let needed =
        ["welcome", "snapshot", "call", "call_gone", "ok", "error", "bye"].map(str::to_owned);
    assert!(seen.is_superset(&BTreeSet::from(needed)), "{seen:?}");
}

#[test]
fn contract_4_an_intent_is_read_and_answered_as_described() {
    let document = document("openapi");
    let daemon = Daemon::start(CUSTOMERS);
    let token = daemon.token("app", "phone-app");
    let (path, one) = ("/v1/intents", "/v1/intents/{intent}");
    let described = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
    let (new, example) = (Schema::new(&document, &described["schema"]), &described["example"]);
    let source = production("src/api/intents.rs");
    assert_eq!(
        new.properties().into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
        fields_of(&source, "struct NewIntent")
    );
    assert_eq!(keys(example), new.properties(), "the example shows every field");
    for name in new.properties() {
        let mut body = example.clone();
        body.as_object_mut().and_then(|body| body.remove(name));
        let (status, answer) = daemon.ask("POST", path, &token, Some(&body));
        answers(&document, path, "post", status, &answer);
        assert_eq!(status == 400, new.requires(name), "without {name}: {answer}");
        if status == 400 {
            assert_eq!(answer["error"]["code"], format!("invalid_{name}"));
            continue;
        }
        let at = format!("{path}/{}", text(&answer["intent"]));
        for expected in [204, 404] {
            let (status, answer) = daemon.ask("DELETE", &at, &token, None);
            answers(&document, one, "delete", status, &answer);
            assert_eq!(status, expected);
        }
    }
}

#[test]
fn contract_10_an_outbound_call_is_read_and_answered_as_described() {
    let document = document("openapi");
    let source = production("src/wire/outbound.rs");
    let (path, one, tap) =
        ("/v1/outbound", "/v1/outbound/{call}/status", "/v1/outbound/{call}/tap");
    for (path, name) in [(path, "struct NewCall"), (tap, "struct NewTap")] {
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let new = Schema::new(&document, &body["schema"]);
        let properties: BTreeSet<_> = new.properties().into_iter().map(str::to_owned).collect();
        assert_eq!(properties, fields_of(&source, name));
        assert_eq!(keys(&body["example"]), new.properties(), "the example shows every field");
    }

    let daemon = Daemon::start(CUSTOMERS);
    let (agent, app) = (daemon.token("agent", "alice"), daemon.token("app", "phone-app"));
    for (body, expected) in [
        (json!({}), Some(400)),
        (json!({ "customer_id": "1001", "number": "1" }), Some(400)),
        (json!({ "customer_id": "1001", "queue": "nowhere" }), Some(404)),
        (json!({ "customer_id": "1001" }), None),
        (json!({ "purpose": "employer" }), Some(201)),
    ] {
        let (status, answer) = daemon.ask("POST", path, &agent, Some(&body));
        answers(&document, path, "post", status, &answer);
        assert!(expected.is_none_or(|expected| status == expected), "{body}: {status} {answer}");
    }
    for (described, at, expected) in [
        (path, "/v1/outbound?customer_id=1001", 200),
        (path, "/v1/outbound", 400),
        (one, "/v1/outbound/01M8/status?customer_id=1001", 404),
    ] {
        let (status, answer) = daemon.ask("GET", at, &app, None);
        answers(&document, described, "get", status, &answer);
        assert_eq!(status, expected, "{at}: {answer}");
    }
    for (number, expected) in [(9, 400), (47, 404)] {
        let body = json!({ "customer_id": "1001", "number": number });
        let (status, answer) = daemon.ask("POST", "/v1/outbound/01M8/tap", &app, Some(&body));
        answers(&document, tap, "post", status, &answer);
        assert_eq!(status, expected, "{answer}");
    }
}

#[test]
fn contract_4_events_are_read_and_answered_as_described() {
    let document = document("openapi");
    let (path, awaited) = ("/v1/events", "/v1/calls/{id}/directive");
    let event = Schema::new(&document, &document["components"]["schemas"]["CallEvent"]);
    let source = production("src/wire/events.rs");
    let listed = |schema: &str, field: &str| -> BTreeSet<String> {
        let field = &document["components"]["schemas"][schema]["properties"][field];
        field["x-extensible-enum"].as_array().into_iter().flatten().map(text).collect()
    };
    let arms = between(&source, "fn what(", "_ => {");
    let arms = arms.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let arms: BTreeSet<_> = arms.map(|(word, _)| word.to_owned()).collect();
    assert_eq!(arms, listed("CallEvent", "type"));
    let read: BTreeSet<_> = [
        "self.needed(",
        "self.text(",
        "self.named(",
        "self.named_needed(",
        "self.flag(",
        "self.count(",
        "self.field(",
    ]
    .iter()
    .flat_map(|before| literals_after(&source, before))
    .collect();
    assert_eq!(read, event.properties().into_iter().map(str::to_owned).collect());
    let directives = production("src/wire/directive.rs");
    assert_eq!(
        literals_after(&directives, "\"do\", ").collect::<BTreeSet<_>>(),
        listed("Directive", "do")
    );

    let daemon = Daemon::start(CUSTOMERS);
    let platform = Platform::new(&daemon);
    let example = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
    event.holds("the example", &[&example["example"]], Values::Some);
    let unknown = platform.event("held", "nobody", &json!({}));
    for (body, expected) in [
        (example["example"].clone(), 200),
        (json!([example["example"], unknown, 7]), 200),
        (unknown.clone(), 404),
        (json!("delivered"), 400),
        (platform.event("ringing", "nobody", &json!({})), 400),
    ] {
        let (status, answer) = platform.publish(&body);
        assert_eq!(status, expected, "{answer}");
        answers(&document, path, "post", status, &answer);
    }
    let begun = platform.delivered("c-1", ANN);
    let (_, passed) = platform.keys_pin("c-1", begun, "9081726");
    answers(&document, awaited, "get", 200, &passed);
    for (call, expected) in [("c-1", 200), ("nobody", 404)] {
        let (status, answer) = platform.directive(call, 0, 0);
        assert_eq!(status, expected, "{answer}");
        answers(&document, awaited, "get", status, &answer);
    }
}

// --- reading the descriptions ---

fn document(name: &str) -> Value {
    let text = fs::read_to_string(here(&format!("proto/{name}.json"))).expect("a description");
    serde_json::from_str(&text).expect("descriptions are JSON")
}

/// What the daemon receives, or what it sends: on its own or in reply.
fn messages(document: &Value, way: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (_, operation) in document["operations"].as_object().into_iter().flatten() {
        let own = if operation["action"] == way { &operation["messages"] } else { &Value::Null };
        let reply = if way == "send" { &operation["reply"]["messages"] } else { &Value::Null };
        let named = [own, reply].into_iter().filter_map(Value::as_array).flatten();
        words.extend(
            named.filter_map(|to| Some(to["$ref"].as_str()?.rsplit_once('/')?.1.to_owned())),
        );
    }
    words
}

fn payload<'a>(document: &'a Value, word: &str) -> Schema<'a> {
    Schema::new(document, &document["components"]["messages"][word]["payload"])
}

fn example(document: &Value, word: &str) -> Value {
    document["components"]["messages"][word]["examples"][0]["payload"].clone()
}

/// The word a frame is read as; `not_now` for one that no call can carry out.
fn read(frame: &Value) -> &'static str {
    match ClientFrame::parse(&frame.to_string()) {
        Ok(ClientFrame::Hello(_)) => "hello",
        Ok(ClientFrame::Ping) => "ping",
        Ok(ClientFrame::Token(_)) => "token",
        Ok(ClientFrame::Ask(ask)) => ask.request.map_or("not_now", |request| request.word()),
        Err(bad) => panic!("{frame}: {bad}"),
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods =
            item.as_object().into_iter().flatten().filter(|(name, _)| *name != "parameters");
        methods.map(move |(method, operation)| (path.clone(), method.clone(), operation))
    })
}

/// Panics unless the description has this answer to this request.
#[track_caller]
fn answers(document: &Value, path: &str, method: &str, status: u16, body: &Value) {
    let answer = &document["paths"][path][method]["responses"][status.to_string()];
    assert!(!answer.is_null(), "{method} {path}: {status} is not described: {body}");
    let answer = answer["$ref"]
        .as_str()
        .map_or(Some(answer), |to| document.pointer(to.trim_start_matches('#')));
    if let Some(content) = answer.and_then(|answer| answer["content"].get("application/json")) {
        let schema = Schema::new(document, &content["schema"]);
        schema.holds(&format!("{method} {path} {status}"), &[body], Values::Some);
        schema.holds(
            &format!("{method} {path} {status}, example"),
            &[&content["example"]],
            Values::Some,
        );
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flat_map(|object| object.keys()).map(String::as_str).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
