//! Agents at work: a call is claimed, questions are marked, and every desktop shows the same.
#![expect(clippy::expect_used, reason = "a test may panic")]

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::http;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin,fact.last_transaction_amount,fact.place_of_birth,fact.main_balance\n1001,Ann,+442079460001,9081726,£42.10,Ghent,£900\n";

#[test]
fn b07_b13_two_right_answers_after_a_wrong_pin_authenticate() {
    let daemon = Daemon::start(CUSTOMERS);
    let (agent, supervisor) = (
        Desktop::agent(&daemon, "ann"),
        Desktop::connect(&daemon, &daemon.token("supervisor", "sue")),
    );
    let (id, call) = without_pin(&daemon, &agent);
    let birth = json!({ "question": "place_of_birth" });
    assert_eq!(
        agent.request("reveal", &call, &birth),
        "not_now",
        "x11: only the agent who has the call may look"
    );
    assert_eq!(agent.request("claim", &call, &json!({})), "ok");
    assert_eq!(agent.request("reveal", &call, &birth), "ok");
    let shown = agent.wait_for(&id, "the answer shows", |call| {
        !call["questions"]["items"][1]["answer"].is_null()
    });
    assert_eq!(shown["questions"]["items"][1]["answer"], "Ghent");
    for (question, correct) in
        [("last_transaction_amount", true), ("place_of_birth", false), ("main_balance", true)]
    {
        assert_eq!(
            agent.request("mark", &call, &json!({ "question": question, "correct": correct })),
            "ok"
        );
    }
    assert_eq!(agent.request("finish", &call, &json!({})), "ok");
    let passed = |call: &Value| call["authentication"] == "authenticated";
    let mine = agent.wait_for(&id, "the verdict", passed);
    assert_eq!(mine["message"], "Congratulations - Customer is fully authenticated");
    let theirs = supervisor.wait_for(&id, "the verdict", passed);
    assert_eq!(
        (&mine["version"], &mine["message"]),
        (&theirs["version"], &theirs["message"]),
        "all desktops agree"
    );
    assert!(!supervisor.text().contains("Ghent"), "x11: an answer shows to its agent alone");
    assert_eq!(
        agent.request("mark", &call, &json!({ "question": "main_balance", "correct": true })),
        "not_now"
    );
    assert_eq!(agent.request("wrap_up", &call, &json!({ "outcome": "helped" })), "ok");
    for desktop in [&agent, &supervisor] {
        desktop
            .frame("the call goes", |frame| frame["type"] == "call_gone" && frame["call"] == call);
    }
    assert_eq!(agent.request("claim", &call, &json!({})), "no_such_call");
}

#[test]
fn b15_one_right_answer_fails_with_the_words_of_the_policy() {
    let daemon = Daemon::start(CUSTOMERS);
    let agent = Desktop::agent(&daemon, "ann");
    let (id, call) = without_pin(&daemon, &agent);
    assert_eq!(agent.request("claim", &call, &json!({})), "ok");
    assert_eq!(
        agent.request(
            "answer",
            &call,
            &json!({ "question": "place_of_birth", "value": " ghent " })
        ),
        "ok"
    );
    assert_eq!(
        agent.request("mark", &call, &json!({ "question": "main_balance", "correct": false })),
        "ok"
    );
    assert_eq!(agent.request("finish", &call, &json!({})), "ok");
    let failed = agent.wait_for(&id, "the verdict", |call| call["authentication"] == "failed");
    assert_eq!(failed["questions"]["correct"], 1, "a right answer counts, however it is written");
    assert_eq!(
        failed["message"],
        "Unfortunately we cannot proceed further any account related queries/requests - please ask the customer to \
         contact us directly via the app if he/she has access to it at the moment."
    );
    assert_eq!(failed["ani_display"], Value::Null, "c52");
}

#[test]
fn an_agent_takes_over_in_mid_prompt_and_others_lose_sight_of_the_call() {
    let daemon = Daemon::start(CUSTOMERS);
    let (ann, bob) = (Desktop::agent(&daemon, "ann"), Desktop::agent(&daemon, "bob"));
    let caller = call::start(&daemon, &["--from", ANN]);
    let (id, call) = in_capture(&ann);
    assert_eq!(ann.request("cancel_pin", &call, &json!({})), "not_now", "not before it is claimed");
    assert_eq!(ann.request("claim", &call, &json!({})), "ok");
    bob.frame("the call is Ann's now", |frame| {
        frame["type"] == "call_gone" && frame["call"] == call
    });
    assert_ne!(bob.request("claim", &call, &json!({})), "ok");
    assert_eq!(ann.request("cancel_pin", &call, &json!({})), "ok");
    let handed =
        ann.wait_for(&id, "the call is handed over", |call| call["media"] == "handed_over");
    assert_eq!((&handed["pin"]["result"], &handed["agent"]), (&"abandoned".into(), &"ann".into()));
    assert_eq!(caller.report()["outcome"]["ended"], "transferred");
}

#[test]
fn p7_a_desktop_that_was_away_gets_what_it_missed_and_no_more() {
    let daemon = Daemon::start(CUSTOMERS);
    let (stays, token) = (Desktop::agent(&daemon, "bob"), daemon.token("agent", "ann"));
    let leaves = Desktop::connect(&daemon, &token);
    let old = call::place(&daemon, &["--from", ANN, "--hangup-after", "0.6"]);
    let old = old["call_id"].as_str().expect("an id");
    leaves.wait_for(old, "the first call ends", |call| !call["ended_at"].is_null());
    let welcome = leaves.frame("welcome", |frame| frame["type"] == "welcome");
    let resume = json!({ "epoch": welcome["epoch"], "seq": leaves.seq() });
    drop(leaves);
    let (id, _) = without_pin(&daemon, &stays);
    let back =
        Desktop::open(&daemon, &json!({ "type": "hello", "token": token, "resume": resume }));
    let newest = stays.states_of(&id).pop().expect("a state");
    let missed = back.wait_for(&id, "what was missed", |call| call["version"] == newest["version"]);
    assert_eq!(missed, newest, "the same state on every desktop");
    assert!(back.states_of(old).is_empty(), "what was seen is not sent again");
    assert!(back.frames().iter().all(|frame| frame["type"] != "snapshot"));
    let fresh = Desktop::open(
        &daemon,
        &json!({ "type": "hello", "token": token, "resume": { "epoch": "elsewhere", "seq": 1 } }),
    );
    fresh.frame("another epoch gets it all", |frame| frame["type"] == "snapshot");
}

#[test]
fn p12_a_desktop_needs_a_good_token_of_a_role_that_has_one() {
    let daemon = Daemon::start(CUSTOMERS);
    let code =
        |token: &str| Desktop::open(&daemon, &json!({ "type": "hello", "token": token })).closed();
    assert_eq!(code("nonsense"), 4401);
    assert_eq!(code(&daemon.token("app", "phone-app")), 4403);
    assert_eq!(
        Desktop::open(&daemon, &json!({ "type": "ping" })).closed(),
        4400,
        "hello comes first"
    );
    let (status, body) = http::request(daemon.http, "GET", "/v1/calls", None, None);
    assert_eq!((status, body.contains("unauthenticated")), (401, true), "{body}");
}

#[test]
fn p18_the_daemon_says_goodbye_and_ends_by_itself() {
    let mut daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    assert_eq!(http::request(daemon.http, "GET", "/readyz", None, None).0, 200);
    let caller = call::start(&daemon, &["--from", ANN]);
    let _ = in_capture(&desktop);
    daemon.stop();
    desktop.frame("bye", |frame| frame["type"] == "bye" && frame["retry_ms"].is_u64());
    assert_eq!(desktop.closed(), 1001);
    let report = caller.report();
    assert_eq!(
        report["outcome"]["ended"], "bye_from_daemon",
        "the caller is not left on a dead line: {report}"
    );
}

/// A call whose caller keys a wrong PIN; its ids, once it is with the agents and owes questions.
fn without_pin(daemon: &Daemon, desktop: &Desktop) -> (String, String) {
    let report = call::place(daemon, &["--from", ANN, "--pin", "3333333"]);
    let id = report["call_id"].as_str().expect("an id").to_owned();
    let handed =
        desktop.wait_for(&id, "the call is handed over", |call| call["media"] == "handed_over");
    assert_eq!(handed["questions"]["required"], 2, "{handed}");
    (id, handed["id"].as_str().expect("an id").to_owned())
}

/// The ids of the call that is asked its first digit.
fn in_capture(desktop: &Desktop) -> (String, String) {
    let asked = desktop.frame("a digit is asked", |frame| !frame["call"]["pin"].is_null());
    let text = |name: &str| asked["call"][name].as_str().expect("an id").to_owned();
    (text("platform_call_id"), text("id"))
}
