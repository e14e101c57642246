//! A second platform beside SIP: whole calls by HTTP events, digit by digit.

use std::fs;
use std::thread;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::harness::platform::Platform;

const ONE: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n1002,Customer Two,+442079460002,5028361\n";
/// Wrong at every position of both PINs.
const WRONG: &str = "3333333";

#[test]
fn d02_b04_b05_a_call_of_the_app_is_routed_at_once_with_its_mark() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let token = daemon.token("app", "phone-app");
    let body = json!({ "customer_id": "1001", "number": ONE });
    let (_, made) = daemon.ask("POST", "/v1/intents", &token, Some(&body));
    let fields = json!({ "ani": ONE, "trunk": "office", "intent": made["intent"] });
    let answer = platform.send("delivered", "app-1", &fields);
    assert_eq!(
        (&answer["class"], &answer["authentication"]),
        (&json!("app_authenticated"), &json!("authenticated"))
    );
    let directive = &answer["directive"];
    assert_eq!((&directive["do"], &directive["before"]), (&json!("route"), &json!([])));
    assert_eq!(directive["to"], "sip:queue@127.0.0.1:5070");
    assert_eq!((&directive["queue"], &directive["call"]), (&json!("general"), &answer["call"]));
    let shown =
        desktop.wait_for("app-1", "the call is passed on", |call| call["media"] == "handed_over");
    assert_eq!((&shown["platform"], &shown["id"]), (&json!("pbx"), &answer["call"]));
}

#[test]
fn d04_c33_x13_the_right_pin_is_keyed_digit_by_digit_and_passes() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let begun = platform.delivered("c-1", ONE);
    assert_eq!(begun["class"], "verified_number");
    let first = begun["directive"].clone();
    assert_eq!((&first["do"], &first["digit_timeout_ms"]), (&json!("collect_digit"), &json!(8000)));
    assert_eq!(first["prompt"], format!("pin.position.{}", first["position"]));
    assert_eq!(platform.send("established", "c-1", &json!({}))["directive"], first);
    let (heard, last) = platform.keys_pin("c-1", begun, "9081726");
    assert_eq!((heard.len(), heard.last().map(String::as_str)), (3, Some("thanks")), "{heard:?}");
    assert_eq!(
        (&last["directive"]["do"], &last["authentication"]),
        (&json!("route"), &json!("authenticated")),
        "the answer to the second digit says what follows from it"
    );
    let states = desktop.states_of("c-1");
    assert_eq!(positions(&states).len(), 2);
    platform.send("agent_joined", "c-1", &json!({ "agent": "agent-1" }));
    platform.send("held", "c-1", &json!({}));
    platform.send("retrieved", "c-1", &json!({}));
    let over = platform.send("connection_cleared", "c-1", &json!({ "cause": 16 }));
    assert_eq!(over["directive"]["do"], "hang_up");
    let ended = desktop.wait_for("c-1", "the call ends", |call| !call["ended_at"].is_null());
    assert_eq!(ended["authentication"], "authenticated");
    assert!(daemon.metrics().contains(r#"countersign_digits_total{via="http"} 2"#));
}

#[test]
fn d04_c34_x03_a_wrong_pair_is_asked_once_more_at_the_same_positions() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let begun = platform.delivered("c-1", ONE);
    let (heard, last) = platform.keys_pin("c-1", begun, WRONG);
    let (one, two) = (heard[0].clone(), heard[1].clone());
    assert_eq!(heard, [&one, &two, "pin.again", &one, &two, "thanks"].map(ToString::to_string));
    assert_ne!(one, two);
    assert_eq!(last["authentication"], "in_progress", "the questions are still open");
    let shown =
        desktop.wait_for("c-1", "the end of the PIN", |call| !call["pin"]["result"].is_null());
    assert_eq!(
        (&shown["pin"]["result"], &shown["pin"]["attempt"]),
        (&json!("incorrect"), &json!(2))
    );
}

#[test]
fn d04_b11_an_unknown_caller_keys_the_customer_number_first() {
    let daemon = Daemon::start(CUSTOMERS);
    let platform = Platform::new(&daemon);
    for (call, number, pin) in [("known", "1001#", "9081726"), ("unknown", "4711#", "9081726")] {
        let mut answer = platform.send("delivered", call, &json!({ "dnis": "+448000000000" }));
        let asked = json!({
            "do": "collect_digit", "position": null, "digit_timeout_ms": 20_000,
            "prompt": "customer.number", "before": [], "version": 1,
        });
        assert_eq!(answer["directive"], asked);
        for key in number.chars() {
            answer = platform.key(call, key);
        }
        let (heard, last) = platform.keys_pin(call, answer, pin);
        let expected = if call == "known" { 3 } else { 6 };
        assert_eq!(heard.len(), expected, "5.1: as after a wrong PIN: {heard:?}");
        assert_eq!(
            (&last["class"], &last["directive"]["do"]),
            (&json!("unverified"), &json!("route"))
        );
    }
}

#[test]
fn x16_a_number_from_a_trunk_that_is_not_trusted_is_a_hint_and_no_evidence() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    for (call, trunk) in [("c-1", json!("elsewhere")), ("c-2", Value::Null)] {
        let fields = json!({ "ani": ONE, "attestation": "A", "trunk": trunk });
        let answer = platform.send("delivered", call, &fields);
        assert_eq!(
            (&answer["class"], &answer["directive"]["do"]),
            (&json!("unverified"), &json!("collect_digit"))
        );
        let shown = desktop.wait_for(call, "the class", |call| !call["class"].is_null());
        assert_eq!(shown["customer"]["id"], "1001");
    }
}

#[test]
fn d02_f5_13_an_event_that_comes_again_changes_nothing() {
    let daemon = Daemon::start(CUSTOMERS);
    let platform = Platform::new(&daemon);
    let begun = platform.delivered("c-1", ONE);
    let again = platform.delivered("c-1", ONE);
    assert_eq!((&again["call"], &again["directive"]), (&begun["call"], &begun["directive"]));
    let press = platform.event("digit_generated", "c-1", &json!({ "digit": "3" }));
    let second = platform.publish(&press).1["calls"][0]["directive"].clone();
    assert_eq!(second["version"], 2, "the second digit is asked");
    // Sent again by a platform in a hurry, by eight connections at once.
    thread::scope(|scope| {
        let send = || assert_eq!(platform.publish(&press).1["accepted"], 1);
        (0..8).for_each(|_| drop(scope.spawn(send)));
    });
    let (status, now) = platform.directive("c-1", 0, 0);
    assert_eq!((status, &now["directive"]), (200, &second));
    // The whole history at once: only what is new counts.
    let older = platform.event("held", "c-1", &json!({ "at": "2026-11-22T09:00:00Z" }));
    let (status, answer) = platform.publish(&json!([press, older, press]));
    let counts = (&answer["accepted"], &answer["out_of_order"]);
    assert_eq!((status, counts), (200, (&json!(3), &json!(1))), "{answer}");
    assert_eq!(answer["calls"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["calls"][0]["directive"], second);
}

#[test]
fn x03_a_key_for_an_older_directive_does_not_count() {
    let daemon = Daemon::start(CUSTOMERS);
    let platform = Platform::new(&daemon);
    platform.delivered("c-1", ONE);
    let press = json!({ "digit": "3", "directive": 1 });
    let second = platform.send("digit_generated", "c-1", &press)["directive"].clone();
    assert_eq!(second["version"], 2);
    assert_eq!(platform.send("digit_generated", "c-1", &press)["directive"], second);
    let press = json!({ "digit": "3", "directive": 2 });
    let again = platform.send("digit_generated", "c-1", &press)["directive"].clone();
    assert_eq!((&again["version"], &again["before"]), (&json!(3), &json!(["pin.again"])));
}

#[test]
fn d02_events_of_many_calls_in_one_request_are_answered_one_by_one() {
    let mut daemon = Daemon::start(CUSTOMERS);
    let platform = Platform::new(&daemon);
    let mut events: Vec<_> = (0..50)
        .map(|nth| {
            platform.event(
                "delivered",
                &format!("c-{nth}"),
                &json!({ "ani": ONE, "trunk": "office" }),
            )
        })
        .collect();
    events.insert(7, platform.event("held", "nobody", &json!({})));
    events.insert(9, platform.event("digit_generated", "c-1", &json!({ "digit": "x" })));
    let (status, answer) = platform.publish(&json!(events));
    assert_eq!((status, &answer["accepted"]), (200, &json!(50)));
    let calls = answer["calls"].as_array().expect("calls");
    assert!(calls.iter().all(|call| call["directive"]["do"] == "collect_digit"), "{answer}");
    let rejected: Vec<_> = answer["rejected"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rejected| (rejected["index"].clone(), rejected["code"].clone()))
        .collect();
    assert_eq!(rejected, [(json!(7), json!("no_such_call")), (json!(9), json!("invalid_event"))]);
    assert_eq!(platform.publish(&platform.event("held", "nobody", &json!({}))).0, 404);
    daemon.kill9();
    daemon.restart();
    let platform = Platform::new(&daemon);
    assert_eq!(platform.publish(&platform.event("established", "c-1", &json!({}))).0, 404);
    assert_eq!(platform.delivered("c-1", ONE)["directive"]["do"], "collect_digit");
}

#[test]
fn c34_silence_is_answered_with_the_prompt_once_more_for_a_platform_that_waits() {
    let policies = TempDir::new().expect("a temporary folder");
    let retail = include_str!("../../config/policies/retail.toml");
    let quick = retail.replace("\"retail\"", "\"quick\"").replace("= 8000", "= 2000");
    fs::write(policies.path().join("quick.toml"), quick).expect("the folder is writable");
    let directory = policies.path().display();
    let policy = format!("[policy]\ndefault = \"quick\"\ndirectory = \"{directory}\"\n");
    let daemon = Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{policy}"), CUSTOMERS);
    let platform = Platform::new(&daemon);
    let begun = platform.delivered("c-1", ONE);
    let asked = begun["directive"].clone();
    let ours = begun["call"].as_str().expect("an id");
    let seen = asked["version"].as_u64().expect("a number");
    let (_, newer) = platform.directive(ours, seen, 25);
    let newer = &newer["directive"];
    let version = newer["version"].as_u64().expect("a number");
    assert!(version > seen, "{newer}");
    assert_eq!(newer["before"], json!(["pin.reprompt"]));
    assert_eq!((&newer["position"], &newer["prompt"]), (&asked["position"], &asked["prompt"]));
    platform.send("connection_cleared", "c-1", &json!({ "cause": "normal_clearing" }));
    let (_, over) = platform.directive("c-1", version, 25);
    assert_eq!(over["directive"]["do"], "hang_up");
}

#[test]
fn d04_c33_an_agent_asks_for_the_pin_while_the_caller_talks() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let begun = platform.delivered("c-1", ONE);
    let call = begun["call"].as_str().expect("an id");
    assert_eq!(desktop.request("claim", call, &json!({})), "ok");
    assert_eq!(desktop.request("cancel_pin", call, &json!({})), "ok");
    let (_, routed) = platform.directive("c-1", 1, 25);
    let directive = &routed["directive"];
    assert_eq!((&directive["do"], &directive["version"]), (&json!("route"), &json!(2)));
    let asked = thread::scope(|scope| {
        let waits = scope.spawn(|| platform.directive("c-1", 2, 25).1);
        assert_eq!(desktop.request("collect_pin", call, &json!({})), "ok");
        waits.join().expect("an answer")
    });
    assert_eq!(asked["directive"]["do"], "collect_digit", "{asked}");
    let (heard, last) = platform.keys_pin("c-1", asked, "9081726");
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert_eq!(
        (&last["directive"]["do"], &last["authentication"]),
        (&json!("route"), &json!("authenticated"))
    );
}

#[test]
fn d02_o01_a_call_of_ours_is_shown_as_outbound() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let fields = json!({ "direction": "outbound", "customer_id": "1001", "dnis": ONE });
    let answer = platform.send("delivered", "c-1", &fields);
    let directive = &answer["directive"];
    assert_eq!((&directive["do"], &directive["to"]), (&json!("route"), &Value::Null));
    let shown = desktop.wait_for("c-1", "the class", |call| !call["class"].is_null());
    assert_eq!(shown["direction"], "outbound");
}

#[test]
fn d02_c83_contract_6_a_call_that_was_handed_over_hears_what_its_platform_says_of_it() {
    let daemon = Daemon::start(CUSTOMERS);
    let (platform, desktop) = (Platform::new(&daemon), Desktop::agent(&daemon, "agent-1"));
    let report = call::place(&daemon, &["--from", ONE, "--pin", "9081726"]);
    let id = report["call_id"].as_str().expect("an id");
    let shown = desktop.wait_for(id, "it is handed over", |call| call["media"] == "handed_over");
    let says = |kind: &str, fields: Value| {
        let mut event = platform.event(kind, id, &fields);
        event["platform"] = json!("sip");
        let (status, answer) = platform.publish(&event);
        assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
        assert_eq!(platform.publish(&event).1["accepted"], 1, "a repeat changes nothing");
        answer["calls"][0].clone()
    };
    let joined = says("agent_joined", json!({ "agent": "agent-1" }));
    assert_eq!(
        (&joined["call"], &joined["authentication"]),
        (&shown["id"], &json!("authenticated"))
    );
    assert_eq!(joined["directive"]["do"], "wait", "its orders go by SIP");
    desktop.wait_for(id, "the agent is on it", |call| call["agent"] == "agent-1");
    let key = platform.event("digit_generated", id, &json!({ "digit": "1", "platform": "sip" }));
    assert_eq!(platform.publish(&key).0, 200, "keys come by the caller's media alone");
    says("connection_cleared", json!({ "cause": 16 }));
    let ended = desktop.wait_for(id, "the call ends", |call| !call["ended_at"].is_null());
    assert_eq!(ended["pin"]["attempt"], 1);
    let joins = ended["timeline"].to_string().matches("agent-1 joined").count();
    assert_eq!(joins, 1, "{}", ended["timeline"]);
}
