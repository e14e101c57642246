//! P11: no PIN, password, token or handle in any output, at the most talkative log level.

use std::fs;

use serde_json::json;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::sipp::Sipp;

const ANN: &str = "+442079460001";
const PIN: &str = "9081726";
const WRONG: &str = "3604153";
const PASSWORD: &str = "correct-horse-canary";
const ANSWER: &str = "Ghent-canary";

#[test]
fn p11_x10_x18_secrets_are_in_no_log_metric_frame_or_file() {
    let settings = format!("{OFFICE}{CHEAP_PINS}[log]\nlevel = \"trace\"\n");
    let row = format!("1001,Ann,{ANN},{PIN},{PASSWORD},{ANSWER}");
    let customers = format!("customer_id,name,numbers,pin,password,fact.place_of_birth\n{row}\n");
    let mut daemon = Daemon::with(&settings, &customers);
    let token = daemon.token("agent", "ann");
    let desktop = Desktop::connect(&daemon, &token);
    // Keys as events, by INFO, in both ways, right and wrong; the letters can be nothing but keys.
    let _ = call::place(&daemon, &["--from", ANN, "--pin", WRONG]);
    let _ = call::place(&daemon, &["--from", ANN, "--pin", PIN, "--both"]);
    Sipp::call(&daemon, "leaves_in_prompt_2", ANN).presses('B', 'D').run();
    let _ = call::place(
        &daemon,
        &["--from", "+442079460077", "--customer", "1001#", "--pin", PIN, "--info"],
    );
    let call =
        desktop.frame("a call with an agent", |frame| frame["call"]["media"] == "handed_over");
    let call = call["call"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(desktop.request("claim", &call, &json!({})), "ok");
    let said = json!({ "question": "place_of_birth", "value": ANSWER });
    assert_eq!(desktop.request("answer", &call, &said), "ok");
    let metrics = daemon.metrics();
    daemon.stop();

    let log = daemon.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is talkative");
    for secret in [PIN, WRONG, PASSWORD, &token, ANSWER] {
        for (place, text) in
            [("the log", &log), ("the metrics", &metrics), ("the desktop", &desktop.text())]
        {
            assert!(!text.contains(secret), "a secret is in {place}");
        }
    }
    for telling in ["Signal=", "Key(B", "Key(11", "Key(13"] {
        assert!(!log.contains(telling), "a key is in the log: {telling}");
    }
    for file in ["records.db", "records.db-wal"] {
        let bytes = fs::read(daemon.path(file)).unwrap_or_default();
        let holds =
            |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(
            ![PIN, WRONG, PASSWORD, token.as_str()].into_iter().any(holds),
            "a secret is in {file}"
        );
    }
}

#[test]
fn x19_no_desktop_has_a_hint_to_give() {
    let daemon = Daemon::start(&format!("customer_id,name,numbers,pin\n1001,Ann,{ANN},{PIN}\n"));
    let token = daemon.token("supervisor", "sue");
    for path in ["/v1/calls", "/asyncapi.json"] {
        let (status, answer) = daemon.ask("GET", path, &token, None);
        assert_eq!(status, 200, "{path}");
        assert!(!answer.to_string().to_lowercase().contains("hint"), "{path} gives a hint");
    }
}
