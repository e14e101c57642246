//! The eight rows of the child-maintenance table (requirements §2) with whole calls: a caller keys, an agent asks, and both platforms tell the same story.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::platform::Platform;
use crate::promises::Disk;
use crate::promises::metric;

const PIN: &str = "9081726";
/// Wrong at every position.
const WRONG: &str = "3333333";
const PASSWORD: &str = "blue heron";
/// Our half of a letter's code pair, and the customer's.
const LETTER: (&str, &str) = ("135790", "482915");
const FACTS: [(&str, &str); 6] = [
    ("qc_date_of_birth", "2011-02-03"),
    ("employer", "Harbour Bakery"),
    ("payment_method", "direct debit"),
    ("bank_last4", "4711"),
    ("last_contact", "a change of address"),
    ("other_party_first_name", "Robin"),
];

/// One row of the table: what the caller knows, and what comes of it.
#[derive(Clone, Copy, Debug)]
struct Row {
    pin: bool,
    password: bool,
    /// `None`: no question may be asked.
    question: Option<bool>,
    /// Whether an earlier call passed with an additional question.
    noted: bool,
    outcome: &'static str,
}

const fn row(
    pin: bool,
    password: bool,
    question: Option<bool>,
    noted: bool,
    outcome: &'static str,
) -> Row {
    Row { pin, password, question, noted, outcome }
}

const TABLE: [Row; 8] = [
    row(true, true, None, false, "authenticated"),
    row(true, false, None, true, "reset_required"),
    row(false, true, None, true, "reset_required"),
    row(true, false, Some(true), false, "authenticated"),
    row(true, false, Some(false), false, "failed"),
    row(false, true, Some(true), false, "authenticated"),
    row(false, true, Some(false), false, "failed"),
    row(false, false, None, false, "failed"),
];

/// What brings a call in and its keys.
#[derive(Clone, Copy, Debug)]
enum Over {
    Sip,
    Http,
}

/// A daemon under profile `cmg` with one customer for each row.
fn daemon() -> Daemon {
    let head: String = FACTS.map(|(key, _)| format!(",fact.{key}")).concat();
    let facts: String = FACTS.map(|(_, answer)| format!(",{answer}")).concat();
    let rows: Vec<String> = (1..=TABLE.len())
        .map(|n| format!("200{n},Customer {n},{},{PIN},{PASSWORD}{facts}\n", number(n)))
        .collect();
    let rows = rows.concat();
    let settings = format!("{OFFICE}{CHEAP_PINS}[policy]\ndefault = \"cmg\"\n");
    Daemon::with(&settings, &format!("customer_id,name,numbers,pin,password{head}\n{rows}"))
}

fn number(row: usize) -> String {
    format!("+44207946010{row}")
}

impl Over {
    /// Brings in a call that keys this PIN, until the machine has nothing more to ask; the platform's id.
    fn places(self, daemon: &Daemon, from: &str, pin: &str, nth: usize) -> String {
        match self {
            Self::Sip => {
                let report = call::place(daemon, &["--from", from, "--pin", pin]);
                report["call_id"].as_str().expect("an id").to_owned()
            }
            Self::Http => {
                let (platform, call) = (Platform::new(daemon), format!("http-{from}-{nth}"));
                let begun = platform.delivered(&call, from);
                let _ = platform.keys_pin(&call, begun, pin);
                call
            }
        }
    }
}

/// The agent takes an inbound call that the machine has done with.
fn takes(agent: &Desktop, platform_call: &str) -> String {
    let with_agent =
        |call: &Value| call["media"] == "handed_over" && call["pin"]["result"] != Value::Null;
    let state = agent.wait_for(platform_call, "the call is with an agent", with_agent);
    let call = state["id"].as_str().expect("an id").to_owned();
    assert_eq!(agent.request("claim", &call, &json!({})), "ok");
    assert_eq!(
        agent.request("password", &call, &json!({ "value": PASSWORD })),
        "not_now",
        "c11: nobody is asked whose role is unknown"
    );
    assert_eq!(agent.request("set_party", &call, &json!({ "role": "client" })), "ok");
    call
}

/// A call of ours that the platform reports: our proof by letter, the role, and the PIN while agent and client talk.
fn places_outbound(daemon: &Daemon, agent: &Desktop, nth: usize, pin: &str) -> String {
    let (platform, id) = (Platform::new(daemon), format!("out-{nth}"));
    let fields = json!({
        "direction": "outbound", "ani": "+448000000000", "dnis": number(nth),
        "customer_id": format!("200{nth}"), "trunk": "office",
    });
    let begun = platform.send("delivered", &id, &fields);
    let state = agent.wait_for(&id, "the call is there", |call| call["direction"] == "outbound");
    let call = state["id"].as_str().expect("an id").to_owned();
    let asks = |word: &str, fields: Value| agent.request(word, &call, &fields);
    assert_eq!(asks("claim", json!({})), "ok");
    assert_eq!(asks("set_party", json!({ "role": "client" })), "ok");
    for word in ["collect_pin", "finish"] {
        assert_eq!(asks(word, json!({})), "not_now", "o01: {word} before our proof");
    }
    assert_eq!(asks("prove", json!({ "method": "letter" })), "ok");
    assert_eq!(asks("proof", json!({ "result": "accepted" })), "ok");
    let theirs = json!({ "question": "letter_code", "value": LETTER.1 });
    assert_eq!(asks("answer", theirs), "ok");
    let before = begun["directive"]["version"].as_u64().unwrap_or_default();
    assert_eq!(asks("collect_pin", json!({})), "ok");
    let (_, asked) = platform.directive(&id, before, 20);
    let asked = if asked["directive"].is_object() { asked } else { json!({ "directive": asked }) };
    assert_eq!(asked["directive"]["do"], "collect_digit", "{asked}");
    let _ = platform.keys_pin(&id, asked, pin);
    let keyed = |call: &Value| !call["pin"]["result"].is_null();
    agent.wait_for(&id, "the end of the PIN", keyed);
    id
}

/// Puts a letter with a code pair into every customer's hands, as the records keep it.
fn writes_letters(daemon: &mut Daemon) {
    daemon.kill9();
    let db = Connection::open(daemon.path("records.db")).expect("the records open");
    for n in 1..=TABLE.len() {
        let pair = (format!("200{n}"), LETTER.0, LETTER.1);
        db.execute("INSERT INTO letter_codes VALUES (?1, ?2, ?3, 0)", pair).expect("a pair");
    }
    drop(db);
    daemon.restart();
}

/// The agent's part of the check behind role and PIN; the last state.
fn checks(agent: &Desktop, platform_call: &str, call: &str, row: Row) -> Value {
    let asks = |word: &str, fields: Value| agent.request(word, call, &fields);
    let said = if row.password { " Blue  Heron" } else { "grey heron" };
    assert_eq!(asks("password", json!({ "value": said })), "ok");
    if let Some(right) = row.question {
        let due = |call: &Value| !call["questions"].is_null();
        let asked = agent.wait_for(platform_call, "the questions", due);
        let items = asked["questions"]["items"].as_array().expect("a list").clone();
        for item in &items {
            let key = item["key"].as_str().expect("a key");
            let answer = FACTS.iter().find(|(fact, _)| *fact == key).expect("one of the six").1;
            let value = if right { answer } else { "something else" };
            assert!(item["blind"] == true && item["answer"].is_null(), "c26 to c32: {item}");
            assert_eq!(asks("answer", json!({ "question": key, "value": value })), "ok");
        }
        assert_eq!(asks("finish", json!({})), "ok");
    }
    let told = |call: &Value| {
        ["authenticated", "failed", "reset_required", "blocked"]
            .iter()
            .any(|word| call["authentication"] == *word)
    };
    let last = agent.wait_for(platform_call, "the verdict", told);
    assert_eq!(last["authentication"], row.outcome, "{row:?}: {last}");
    if row.question.is_none() {
        let asked = agent
            .states_of(platform_call)
            .iter()
            .any(|call| !call["questions"].is_null() && call["authentication"] == "in_progress");
        assert!(!asked, "{row:?}: no question is asked");
    }
    last
}

/// Plays a row, with the earlier call that it needs.
fn plays(daemon: &Daemon, agent: &Desktop, platform: Over, nth: usize) -> Vec<String> {
    let row = TABLE[nth - 1];
    let mut calls = vec![];
    let mut play = |row: Row| {
        let pin = if row.pin { PIN } else { WRONG };
        let id = platform.places(daemon, &number(nth), pin, calls.len());
        let call = takes(agent, &id);
        let last = checks(agent, &id, &call, row);
        if last["reminder"].is_string() {
            assert_eq!(agent.request("acknowledge", &call, &json!({})), "ok");
        }
        assert_eq!(agent.request("wrap_up", &call, &json!({ "outcome": "done" })), "ok");
        calls.push(call);
        last
    };
    if row.noted {
        let first = play(TABLE[3]);
        assert!(first["reminder"].is_string(), "c43: {first}");
    }
    let last = play(row);
    let flagged = last["customer"]["flags"].to_string().contains("additional_security_used");
    assert_eq!(flagged, row.noted || row.question == Some(true), "c41: {last}");
    calls
}

/// What the audit says of a call, without what no two calls share.
fn trail(daemon: &Daemon, calls: &[String]) -> Vec<String> {
    let disk = Disk::read(&daemon.path("records.db"));
    let of_these = disk.audit.iter().filter(|line| {
        line.entry.call.as_ref().is_some_and(|id| calls.iter().any(|call| id.as_str() == call))
    });
    let told = of_these.map(|line| {
        let mut body = line.entry.body.clone();
        without_ids_and_times(&mut body);
        format!("{} {} {body}", line.entry.actor, line.entry.what)
    });
    told.collect()
}

fn without_ids_and_times(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let passing = [
                    "at",
                    "call",
                    "attempt",
                    "since",
                    "until",
                    "due",
                    "job",
                    "jobs",
                    "item",
                    "positions",
                    // Drawn with the daemon's own pepper.
                    "question",
                    "questions",
                ];
                let times = name.ends_with("_ms") || name.ends_with("_at");
                if times || passing.contains(&name.as_str()) {
                    *value = Value::Null;
                } else {
                    without_ids_and_times(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_ids_and_times),
        _ => {}
    }
}

#[test]
fn c35_to_c40_c44_x04_the_eight_rows_by_sip_calls() {
    let daemon = daemon();
    let agent = Desktop::agent(&daemon, "alice");
    for nth in 1..=TABLE.len() {
        plays(&daemon, &agent, Over::Sip, nth);
    }
}

#[test]
fn c35_to_c40_d02_the_same_script_over_both_platforms_leaves_the_same_trail() {
    let daemon = daemon();
    let other = self::daemon();
    let (agent, peer) = (Desktop::agent(&daemon, "alice"), Desktop::agent(&other, "alice"));
    for nth in 1..=TABLE.len() {
        let by_sip = plays(&daemon, &agent, Over::Sip, nth);
        let by_http = plays(&other, &peer, Over::Http, nth);
        let trails = || {
            let mut trails = (trail(&daemon, &by_sip), trail(&other, &by_http));
            // What follows a call is written beside what comes next in it.
            trails.0.sort();
            trails.1.sort();
            trails
        };
        let mut told = trails();
        for _ in 0..100 {
            if told.0 == told.1 {
                break;
            }
            thread::sleep(Duration::from_millis(50));
            told = trails();
        }
        assert_eq!(told.0, told.1, "row {nth}");
    }
}

#[test]
fn c58_to_c64_o01_o03_x32_the_eight_rows_by_outbound_calls_of_an_http_platform() {
    let mut daemon = daemon();
    writes_letters(&mut daemon);
    let agent = Desktop::agent(&daemon, "alice");
    for nth in 1..=TABLE.len() {
        let row = TABLE[nth - 1];
        if row.noted {
            let id = Over::Http.places(&daemon, &number(nth), PIN, 0);
            let call = takes(&agent, &id);
            checks(&agent, &id, &call, TABLE[3]);
            assert_eq!(agent.request("wrap_up", &call, &json!({ "outcome": "done" })), "ok");
        }
        let pin = if row.pin { PIN } else { WRONG };
        let id = places_outbound(&daemon, &agent, nth, pin);
        let call = agent.states_of(&id)[0]["id"].as_str().expect("an id").to_owned();
        let last = checks(&agent, &id, &call, row);
        let recovery = last["questions"]["kind"] == "call_back";
        assert_eq!(recovery, row.outcome == "failed", "c65: {last}");
        let offered = last["actions"].to_string().contains("offer_callback");
        assert!(!offered, "c65: no call-back on a call of ours");
        assert_eq!(agent.request("wrap_up", &call, &json!({ "outcome": "done" })), "ok");
    }
}

#[test]
fn b01_the_agent_sees_a_defined_state_within_a_second_of_every_event() {
    const STATES: [&str; 8] = [
        "not_authenticated",
        "partially_verified",
        "in_progress",
        "authenticated",
        "failed",
        "reset_required",
        "blocked",
        "system_unavailable",
    ];
    let daemon = daemon();
    let agent = Desktop::agent(&daemon, "alice");
    let id = Over::Sip.places(&daemon, &number(1), PIN, 0);
    agent.wait_for(&id, "the call is with an agent", |call| call["media"] == "handed_over");
    for state in agent.states_of(&id) {
        let word = state["authentication"].as_str().expect("a state");
        assert!(STATES.contains(&word), "{word}");
    }
    let metrics = daemon.metrics();
    let bucket = metrics.lines().find(|line| {
        line.starts_with("countersign_push_seconds_bucket") && line.contains("le=\"1\"")
    });
    let within = bucket.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    let within = within.expect("a bucket of one second");
    let all = metric(&metrics, "countersign_push_seconds_count");
    assert!(all > 0.0 && (within - all).abs() < 0.5, "{within} of {all} within a second");
}
