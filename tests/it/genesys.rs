//! Genesys Cloud: flows that ask by data actions.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::genesys_actions::Architect;
use crate::platforms::genesys_actions::InFlow;

const ONE: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n1002,Customer Two,+442079460002,5028361\n";
const RIGHT: &str = "9081726";
/// Wrong at every position of both PINs.
const WRONG: &str = "3333333";

fn daemon() -> Daemon {
    Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{}", Architect::settings()), CUSTOMERS)
}

/// Presses the digits of this PIN that are asked, to the end; what was said and asked on the way.
fn presses_pin(caller: &mut InFlow, pin: &str) -> String {
    let mut heard = vec![];
    while let Notices::Position(position) = caller.notices() {
        heard.push(format!("{}{position}", caller.told["say"].as_str().unwrap_or_default()));
        let key = pin.chars().nth(usize::from(position) - 1).expect("a digit");
        caller.presses(key);
    }
    heard.push(caller.told["say"].as_str().unwrap_or_default().to_owned());
    heard.join(" ")
}

#[test]
fn d04_contract_8_a_flow_learns_class_and_verdict_of_every_caller() {
    let daemon = daemon();
    let (architect, desktop) = (Architect::beside(&daemon), Desktop::agent(&daemon, "agent-1"));
    let app = daemon.token("app", "phone-app");
    let body = json!({ "customer_id": "1001", "number": ONE });
    let handle = daemon.ask("POST", "/v1/intents", &app, Some(&body)).1["intent"].clone();
    let handle = handle.as_str().expect("a handle");
    let uui = countersign::model::ids::hex(handle.as_bytes());
    let known = json!({ "ani": format!("tel:{ONE}"), "uui": format!("{uui};encoding=hex") });
    let of_the_app = architect.rings_with(&known);
    assert_eq!(
        (&of_the_app.told["class"], &of_the_app.told["authentication"]),
        (&json!("app_authenticated"), &json!("authenticated"))
    );
    assert_eq!(
        (&of_the_app.told["collectPin"], &of_the_app.told["next"]),
        (&json!(false), &json!("route"))
    );
    assert_eq!(
        (&of_the_app.told["queue"], &of_the_app.told["customerId"]),
        (&json!("general"), &json!("1001"))
    );

    let mut verified = architect.rings_with(&json!({ "ani": ONE }));
    assert_eq!(
        (&verified.told["class"], &verified.told["collectPin"]),
        (&json!("verified_number"), &json!(true))
    );
    presses_pin(&mut verified, RIGHT);
    assert_eq!(
        (&verified.told["authentication"], &verified.told["say"], &verified.told["result"]),
        (&json!("authenticated"), &json!("thanks"), &json!("done"))
    );
    let shown = desktop.wait_for(&verified.name(), "the verdict", |call| {
        call["authentication"] == "authenticated" && call["media"] == "handed_over"
    });
    assert_eq!((&shown["platform"], &shown["id"]), (&json!("genesys"), &verified.told["call"]));
    let actions = shown["actions"].as_array().expect("a list");
    assert!(!actions.contains(&json!("collect_pin")), "Architect's flow is over: {actions:?}");
    assert_eq!(positions(&desktop.states_of(&verified.name())).len(), 2);

    // A number that nobody has: the customer number first, as Architect collects it, in one go.
    let mut stranger = architect.rings_with(&json!({ "ani": "anonymous" }));
    assert_eq!(
        (stranger.notices(), &stranger.told["class"]),
        (Notices::CustomerNumber, &json!("unverified"))
    );
    stranger.keys("1001");
    let heard = presses_pin(&mut stranger, RIGHT);
    assert!(heard.ends_with(" thanks") && heard.split(' ').count() == 3, "{heard}");
    assert_eq!(
        (&stranger.told["customerId"], &stranger.told["next"]),
        (&json!("1001"), &json!("route"))
    );
}

#[test]
fn d04_c34_x03_a_wrong_pin_is_asked_once_more_and_a_customer_number_may_come_key_by_key() {
    let daemon = daemon();
    let architect = Architect::beside(&daemon);
    let mut caller = architect.rings_with(&json!({}));
    assert_eq!(caller.notices(), Notices::CustomerNumber);
    for (key, taken) in [('1', 1), ('0', 2), ('0', 3), ('2', 4)] {
        caller.presses(key);
        assert_eq!(
            (&caller.told["ask"], &caller.told["keys"]),
            (&json!("customer_number"), &json!(taken))
        );
    }
    caller.presses('#');
    let heard = presses_pin(&mut caller, WRONG);
    let heard: Vec<_> = heard.split(' ').collect();
    let [first, second, again, last, thanks] = heard[..] else { panic!("{heard:?}") };
    assert_eq!((again, last), (format!("pin.again{first}").as_str(), second));
    assert_eq!((thanks, &caller.told["authentication"]), ("thanks", &json!("in_progress")));
}

#[test]
fn d02_f5_13_what_a_flow_sends_twice_counts_once() {
    let daemon = daemon();
    let architect = Architect::beside(&daemon);
    let mut caller = architect.rings_with(&json!({ "ani": ONE }));
    let first = caller.told.clone();
    assert_eq!(*caller.asks("classify", &json!({ "ani": ONE })), first, "a flow that runs again");
    assert_eq!(*caller.asks("challenge", &json!({})), first);
    assert_eq!(*caller.keys(""), first, "silence is no key");
    // Every answer gets lost once: Architect tries again with the same key.
    for _ in 0..2 {
        let Notices::Position(position) = caller.notices() else { panic!("{}", caller.told) };
        let key = RIGHT.chars().nth(usize::from(position) - 1).expect("a digit");
        architect.line_breaks(&mut caller);
        let before = json!({ "version": caller.told["version"], "keys": 0, "digit": "0" });
        caller.presses(key);
        let after = caller.told.clone();
        // Another key under a version that has its key already is late, and counts for nothing.
        assert_eq!(*caller.asks("verify-digit", &before), after);
    }
    assert_eq!(
        (caller.notices(), &caller.told["authentication"]),
        (Notices::Routed, &json!("authenticated"))
    );
    assert!(
        daemon.metrics().contains("countersign_digits_total{via=\"http\"} 2"),
        "two keys, not more"
    );
    caller.hangs_up();
    assert_eq!(caller.asks("challenge", &json!({}))["next"], "hang_up");
}

#[test]
fn contract_8_a_data_action_signs_in_by_key_or_token_and_hears_what_is_wrong() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("action.key");
    fs::write(&file, "an-action-key-of-ours\n").expect("written");
    let settings = format!(
        "{OFFICE}{CHEAP_PINS}[genesys]\ntrunk = \"office\"\naction_key_file = \"{}\"\n",
        file.display()
    );
    let daemon = Daemon::with(&settings, CUSTOMERS);
    let asks = |header: &str, path: &str, body: &Value| {
        let body = body.to_string();
        let head = format!(
            "POST /v1/genesys/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&daemon, &head)
    };
    let basic = |user: &str| format!("Authorization: Basic {}", STANDARD.encode(user));
    let ours = json!({ "conversationId": "c-1", "ani": ONE });
    for (header, status) in [
        ("X-API-Key: an-action-key-of-ours".to_owned(), 200),
        (basic("countersign:an-action-key-of-ours"), 200),
        (format!("Authorization: Bearer {}", daemon.token("platform", "architect")), 200),
        (format!("Authorization: Bearer {}", daemon.token("agent", "alice")), 403),
        ("X-API-Key: an-action-key-of-other".to_owned(), 401),
        (basic("an-action-key-of-ours:"), 401),
        ("X-Nothing: 1".to_owned(), 401),
    ] {
        assert_eq!(asks(&header, "classify", &ours).0, status, "{header}");
    }
    let key = "X-API-Key: an-action-key-of-ours";
    for (path, body, status, code) in [
        ("classify", json!({ "ani": ONE }), 400, "invalid_conversation_id"),
        ("challenge", json!({ "conversationId": "c-9" }), 404, "no_such_call"),
        (
            "verify-digit",
            json!({ "conversationId": "c-9", "version": 1, "digit": "7" }),
            404,
            "no_such_call",
        ),
        ("verify-digit", json!({ "conversationId": "c-1", "digit": "7" }), 400, "invalid_version"),
        (
            "verify-digit",
            json!({ "conversationId": "c-1", "version": 1, "digit": "7x" }),
            400,
            "invalid_digit",
        ),
    ] {
        let (found, answer) = asks(key, path, &body);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(
            (found, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{path} {body}"
        );
    }
    let log = daemon.log();
    assert!(!log.contains("an-action-key") && !log.contains("7946"), "{log}");
}

fn raw(daemon: &Daemon, request: &str) -> (u16, String) {
    use std::io::Read;
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(daemon.http).expect("the daemon listens");
    stream.write_all(request.as_bytes()).expect("the daemon reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

#[test]
fn c51_a_flow_is_answered_in_three_seconds_while_the_records_hang_and_nobody_passes() {
    let daemon = daemon();
    let architect = Architect::beside(&daemon);
    let mut caller = architect.rings(&Rings { ani: Some(ONE.into()), intent: None });
    let Notices::Position(first) = caller.notices() else { panic!("a digit is asked") };
    let key = |position: u8| RIGHT.chars().nth(usize::from(position) - 1).expect("a digit");
    caller.presses(key(first));
    let Notices::Position(second) = caller.notices() else { panic!("another is asked") };
    let held = Connection::open(daemon.path("records.db")).expect("the records");
    held.execute_batch("BEGIN IMMEDIATE").expect("held by somebody else");
    let pressed = Instant::now();
    caller.presses(key(second));
    let took = pressed.elapsed();
    assert!(took < Duration::from_secs(3), "Architect would have given up: {took:?}");
    assert_eq!(caller.notices(), Notices::Routed);
    held.execute_batch("ROLLBACK").expect("let go");
    let path = format!("/v1/calls/{}", caller.name());
    let (_, shown) = daemon.ask("GET", &path, &daemon.token("supervisor", "s"), None);
    assert_ne!(shown["authentication"], "authenticated", "{shown}");
}
