//! Genesys' Audio Connector with whole calls: a client that follows the vendor's rules rings, listens, keys
//! and leaves in every way there is (D02, contract §8).
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::Daemon;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::told;
use crate::platforms::audiohook::Handshake;
use crate::platforms::audiohook::Heard;
use crate::platforms::audiohook::NULL_UUID;
use crate::platforms::audiohook::Opening;
use crate::platforms::audiohook::Session;
use crate::platforms::audiohook::settings;

const PIN: &str = "9081726";
/// Wrong at every position.
const WRONG: &str = "3333333";

fn number(nth: usize) -> String {
    format!("+4420794600{nth:02}")
}

/// A daemon with so many customers.
fn daemon(customers: usize) -> Daemon {
    let rows: Vec<String> =
        (0..customers).map(|nth| format!("10{nth:02},{},{PIN}\n", number(nth))).collect();
    Daemon::with(&settings(), &format!("customer_id,numbers,pin\n{}", rows.concat()))
}

fn outputs(class: &str, authentication: &str, customer: Option<&str>) -> Value {
    let mut outputs = json!({ "class": class, "authentication": authentication });
    if let Some(customer) = customer {
        outputs["customer_id"] = json!(customer);
    }
    outputs
}

/// What a flow gets, without the id of the call.
fn without_call(mut told: Value) -> Value {
    let call = told.as_object_mut().and_then(|all| all.remove("call"));
    assert_eq!(call.and_then(|id| id.as_str().map(str::len)), Some(26), "our id: {told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_b17_a_verified_number_keys_its_pin_right_and_wrong() {
    let daemon = daemon(2);
    let agent = Desktop::agent(&daemon, "alice");
    let right = Opening::from(&format!("tel:{}", number(0)));
    let wrong = Opening::from(&number(1));
    let (mut one, mut two) =
        (Session::dial(daemon.http, &right).await, Session::dial(daemon.http, &wrong).await);
    let ((reason, told), (_, other)) = tokio::join!(one.keys_pin(PIN), two.keys_pin(WRONG));
    assert_eq!(reason, "completed");
    let expected = outputs("verified_number", "authenticated", Some("1000"));
    assert_eq!(without_call(told), expected);
    let state = agent.wait_for(&right.conversation, "handed over", |call| {
        call["media"] == "handed_over" && call["pin"]["result"] == "correct"
    });
    assert_eq!((&state["platform"], &state["ended_at"]), (&json!("genesys"), &Value::Null));
    let state = agent.wait_for(&wrong.conversation, "handed over", |call| {
        call["media"] == "handed_over" && call["pin"]["result"] == "incorrect"
    });
    assert_eq!(without_call(other)["authentication"], state["authentication"]);
    assert_eq!(state["pin"]["attempt"], 2, "both entries: {state}");
    let keys = daemon.metrics();
    let keys =
        keys.lines().find(|line| line.starts_with("countersign_digits_total{via=\"audiohook\"}"));
    assert_eq!(keys.and_then(|line| line.rsplit(' ').next()), Some("6"), "each key once");
}
