//! Who is it? What a caller writes about itself proves nothing.

use serde_json::Value;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::harness::sipp::Sipp;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002;+442079460009,5028361\n1003,Eve,+442079460009,7394615\n";

#[test]
fn no_display_name_can_forge_an_identity() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    for name in [
        r#""<sip:+442079460001@bank.example>""#,
        r#""Ann \" <sip:+442079460001@bank.example>""#,
        r#""+442079460001""#,
        "+442079460001",
        r#""a;tag=1, <tel:+442079460001>""#,
    ] {
        let call = Sipp::call(&daemon, "leaves_in_prompt_1", "mallory").key("name", name).run();
        let last = desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
        assert_eq!(
            (&last["class"], &last["customer"]),
            (&"unverified".into(), &Value::Null),
            "{name}"
        );
        assert_eq!(last["ani_display"], Value::Null, "{name}");
    }
    assert!(!desktop.text().contains("9460001"), "the number is nowhere on the desktop");
}

#[test]
fn x16_with_no_trunk_this_machine_is_served_and_nothing_it_asserts_is_believed() {
    let daemon = Daemon::with(CHEAP_PINS, CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let call = Sipp::call(&daemon, "leaves_in_prompt_1", ANN).run();
    let last = desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
    assert_eq!((&last["class"], &last["customer"]["id"]), (&"unverified".into(), &"1001".into()));
}

#[test]
fn an_asserted_identity_counts_only_from_a_trunk_that_is_believed() {
    let settings = format!("[sip.trunks.office]\naddresses = [\"127.0.0.1\"]\n{CHEAP_PINS}");
    let daemon = Daemon::with(&settings, CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let asserted = format!("P-Asserted-Identity: <sip:{ANN}@127.0.0.1>");
    let report = call::place(
        &daemon,
        &["--from", "anonymous", "--no-identity", "--header", &asserted, "--hangup-after", "1"],
    );
    let id = report["call_id"].as_str().expect("an id");
    let last = desktop.wait_for(id, "the call ends", |call| !call["ended_at"].is_null());
    assert_eq!((&last["class"], &last["customer"]), (&"unverified".into(), &Value::Null));
}

#[test]
fn b11_an_unknown_caller_keys_the_customer_number_and_owes_pin_and_questions() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    // Nobody's number, and a number that two customers share.
    for number in ["+442079460077", "+442079460009"] {
        let report =
            call::place(&daemon, &["--from", number, "--customer", "1001#", "--pin", "9081726"]);
        let id = report["call_id"].as_str().expect("an id");
        let last =
            desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
        assert_eq!(
            (&last["class"], &last["customer"]["id"]),
            (&"unverified".into(), &"1001".into()),
            "{number}"
        );
        assert_eq!(
            (&last["pin"]["result"], &last["questions"]["required"]),
            (&"correct".into(), &2.into())
        );
        assert_eq!(report["prompts"][0]["prompt"], "customer.number");
    }
}

#[test]
fn c77_an_unknown_customer_number_sounds_like_a_wrong_pin_and_asks_stable_positions() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let place = |customer: &str| {
        let report = call::place(
            &daemon,
            &["--from", "+442079460077", "--customer", customer, "--pin", "3333333"],
        );
        let id = report["call_id"].as_str().expect("an id").to_owned();
        let last =
            desktop.wait_for(&id, "the call is handed over", |call| call["media"] == "handed_over");
        // Which digit was asked is the customer's own; the sort of prompt is what all hear.
        let heard = report["prompts"].as_array().into_iter().flatten();
        let heard = heard.map(|heard| heard["prompt"].to_string().replace(char::is_numeric, "N"));
        let heard = heard.collect::<Vec<_>>().join(" ");
        let transcript = format!("{} {heard} {}", report["status"], report["outcome"]);
        (transcript, positions(&desktop.states_of(&id)), last)
    };
    let (known, ..) = place("1002#");
    let (unknown, made_up, last) = place("8888#");
    let (_, again, _) = place("8888#");
    assert_eq!(unknown, known);
    assert_eq!(made_up, again, "a second try must not tell that nobody is there");
    assert_eq!((&last["authentication"], &last["customer"]), (&"failed".into(), &Value::Null));
}
