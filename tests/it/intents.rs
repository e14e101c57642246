//! The app says that its customer is about to call, and the call is passed on without a question.
#![expect(clippy::expect_used, reason = "a test may panic")]

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::sipp::Sipp;

const ANN: &str = "+442079460001";
const BOB: &str = "+442079460002";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002,5028361\n";

#[test]
fn b04_b05_b18_the_app_registers_a_call_which_is_redirected_with_its_mark() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let intent = register(&daemon, &json!({ "customer_id": "1001", "number": ANN }));
    let call = Sipp::call(&daemon, "app", ANN).key("intent", &intent).run();
    let last =
        desktop.wait_for(&call, "the call is handed over", |call| call["media"] == "handed_over");
    assert_eq!(last["class"], "app_authenticated");
    assert_eq!(last["authentication"], "authenticated");
    assert_eq!(last["message"], "Congratulations - Customer is fully authenticated");
    assert_eq!(
        (&last["pin"], &last["questions"]),
        (&Value::Null, &Value::Null),
        "no further action"
    );
    assert!(
        !desktop.text().contains(&intent) && !daemon.log().contains(&intent),
        "a handle is a secret"
    );
}

#[test]
fn b04_an_intent_is_good_once_in_time_and_for_its_number() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let short = register(&daemon, &json!({ "customer_id": "1001", "number": ANN, "ttl_s": 1 }));
    let used = register(&daemon, &json!({ "customer_id": "1001", "number": ANN }));
    let cancelled = register(&daemon, &json!({ "customer_id": "1001", "number": ANN }));
    let token = daemon.token("app", "phone-app");
    assert_eq!(daemon.ask("DELETE", &format!("/v1/intents/{cancelled}"), &token, None).0, 204);
    Sipp::call(&daemon, "app", ANN).key("intent", &used).run();
    let other = register(&daemon, &json!({ "customer_id": "1001", "number": ANN }));
    let elsewhere = register(
        &daemon,
        &json!({ "customer_id": "1001", "number": ANN, "dnis": "+448001111111" }),
    );
    // The short one comes last: by then its second is over.
    for (story, intent, number, class, evidence) in [
        ("used", used.as_str(), ANN, "verified_number", "used"),
        ("cancelled", &cancelled, ANN, "verified_number", "unknown"),
        ("no handle at all", "nonsense", ANN, "verified_number", "unreadable"),
        ("another number", &other, BOB, "unverified", "intent_number_mismatch"),
        ("another dialled number", &elsewhere, ANN, "verified_number", "intent_dnis_mismatch"),
        ("too late", &short, ANN, "verified_number", "expired"),
    ] {
        let header = format!("X-Countersign-Intent: {intent}");
        let report =
            call::place(&daemon, &["--from", number, "--header", &header, "--hangup-after", "0.6"]);
        let id = report["call_id"].as_str().expect("an id");
        let last = desktop.wait_for(id, "the call ends", |call| !call["ended_at"].is_null());
        assert_eq!(last["class"], class, "{story}");
        assert!(last["evidence"].to_string().contains(evidence), "{story}: {}", last["evidence"]);
    }
}

#[test]
fn contract_3_only_an_app_may_register() {
    let daemon = Daemon::start(CUSTOMERS);
    let body = json!({ "customer_id": "1001", "number": ANN });
    let ask = |token: &str| {
        let (status, answer) = daemon.ask("POST", "/v1/intents", token, Some(&body));
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask("nonsense"), (401, "unauthenticated".to_owned()));
    assert_eq!(ask(&daemon.token("agent", "ann")), (403, "forbidden".to_owned()));
    assert_eq!(ask(&daemon.token("app", "phone-app")).0, 201);
}

fn register(daemon: &Daemon, body: &Value) -> String {
    let token = daemon.token("app", "phone-app");
    let (status, answer) = daemon.ask("POST", "/v1/intents", &token, Some(body));
    assert_eq!(status, 201, "{answer}");
    answer["intent"].as_str().expect("a handle").to_owned()
}
