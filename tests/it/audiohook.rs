//! Genesys' Audio Connector with whole calls: a client that follows the vendor's rules rings, listens, keys
//! and leaves in every way there is (D02, contract §8).
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::harness::Daemon;
use crate::harness::desktop::Desktop;
use crate::harness::platform::Platform as Reports;
use crate::harness::poll;
use crate::platforms::audiohook::Handshake;
use crate::platforms::audiohook::Heard;
use crate::platforms::audiohook::NULL_UUID;
use crate::platforms::audiohook::Opening;
use crate::platforms::audiohook::Session;
use crate::platforms::audiohook::settings;
use crate::promises::cpu_seconds;
use crate::promises::csv;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::metric;
use crate::promises::people;
use crate::promises::percentile;
use crate::promises::pid_of;
use crate::promises::resident_kib;

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

/// What a flow gets, without the id of the call.
fn without_call(mut told: Value) -> Value {
    let call = told.as_object_mut().and_then(|all| all.remove("call"));
    assert_eq!(call.and_then(|id| id.as_str().map(str::len)), Some(26), "our id: {told}");
    told
}

fn outputs(class: &str, authentication: &str) -> Value {
    json!({ "class": class, "authentication": authentication, "customer_id": "1000" })
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
    assert_eq!(without_call(told), outputs("verified_number", "authenticated"));
    let state = agent.wait_for(&right.conversation, "handed over", |call| {
        call["media"] == "handed_over" && call["pin"]["result"] == "correct"
    });
    assert_eq!((&state["platform"], &state["ended_at"]), (&json!("genesys"), &Value::Null));
    let state = agent.wait_for(&wrong.conversation, "handed over", |call| {
        call["media"] == "handed_over" && call["pin"]["result"] == "incorrect"
    });
    assert_eq!(without_call(other)["authentication"], state["authentication"]);
    assert_eq!(state["pin"]["attempt"], 2, "both entries: {state}");
    let keys = metric(&daemon.metrics(), "countersign_digits_total");
    assert!((keys - 6.0).abs() < 0.5, "each key once: {keys}");
    assert!(daemon.metrics().contains("countersign_digits_total{via=\"audiohook\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_b04_b18_the_apps_caller_is_passed_on_at_once_and_a_stranger_keys_a_number() {
    let daemon = daemon(1);
    let body = json!({ "customer_id": "1000", "number": number(0) });
    let (_, answer) =
        daemon.ask("POST", "/v1/intents", &daemon.token("app", "phone-app"), Some(&body));
    let mut of_app = Opening::from(&number(0));
    of_app.inputs = json!({ "intent": answer["intent"], "attestation": "A", "new": "x" });
    let mut session = Session::dial(daemon.http, &of_app).await;
    let (reason, told) = session.ends().await;
    assert_eq!(reason, "completed");
    assert_eq!(without_call(told), outputs("app_authenticated", "authenticated"));

    let mut stranger = Session::dial(daemon.http, &Opening::from("")).await;
    assert_eq!(stranger.asked().await.as_deref(), Some("customer.number"));
    for key in "1000#".chars() {
        stranger.presses(key).await;
    }
    let (_, told) = stranger.keys_pin(PIN).await;
    let told = without_call(told);
    assert_eq!((&told["class"], &told["customer_id"]), (&json!("unverified"), &json!("1000")));
    assert_eq!(told["authentication"], "in_progress", "questions are owed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_d02_a_caller_may_leave_in_any_state_and_the_call_ends_once() {
    let daemon = daemon(5);
    let agent = Desktop::agent(&daemon, "alice");
    let mut callers = JoinSet::new();
    for nth in 0..5 {
        let (http, opening) = (daemon.http, Opening::from(&number(nth)));
        callers.spawn(leaves(http, opening, nth));
    }
    for (nth, conversation) in callers.join_all().await {
        let state = agent.wait_for(&conversation, "the call ends", |call| {
            let settled = nth < 3 || call["pin"]["result"] == "correct";
            !call["ended_at"].is_null() && settled
        });
        let result = &state["pin"]["result"];
        match nth {
            0 => assert!(result.is_null() || result == "abandoned", "{state}"),
            1 | 2 => assert_eq!(result, "abandoned", "{state}"),
            _ => assert_eq!(result, "correct", "{state}"),
        }
    }
    let ended = || metric(&daemon.metrics(), "countersign_calls_total");
    poll("each call is counted", || (ended() >= 5.0).then_some(()));
    assert!(ended() < 5.5, "once");
}

/// 0: at once; 1: asked for the first key; 2: asked for the second; 3: both keyed; 4: thanked.
async fn leaves(http: SocketAddr, opening: Opening, nth: usize) -> (usize, String) {
    let mut session = Session::dial(http, &opening).await;
    session.until(|heard| matches!(heard, Heard::Opened(..)).then_some(())).await;
    let keys = [0, 0, 1, 2, 2][nth];
    for _ in 0..keys {
        let asked = session.asked().await.expect("a position");
        let at: usize = asked.rsplit('.').next().and_then(|at| at.parse().ok()).expect("a number");
        session.presses(PIN.chars().nth(at - 1).expect("a digit")).await;
    }
    match nth {
        1 | 2 => drop(session.asked().await),
        4 => {
            let thanked = |heard: &Heard| matches!(heard, Heard::Phrase(id) if id == "thanks");
            session.until(|heard| thanked(heard).then_some(())).await;
        }
        _ => {}
    }
    session.hangs_up().await;
    session.until(|heard| matches!(heard, Heard::Closed).then_some(())).await;
    (nth, opening.conversation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c51_d02_a_connection_that_breaks_in_mid_capture_voids_the_entry_and_asks_again() {
    let daemon = daemon(2);
    let agent = Desktop::agent(&daemon, "alice");
    let opening = Opening::from(&number(0));
    let mut session = Session::dial(daemon.http, &opening).await;
    session.asked().await.expect("a position");
    session.presses('3').await;
    session.asked().await.expect("the second one");
    session.breaks().await;
    agent.wait_for(&opening.conversation, "the entry is void", |call| {
        call["pin"]["entered"] == 0
            && call["pin"]["positions"] == json!([])
            && call["media"] == "ivr"
    });
    let mut again = Session::dial(daemon.http, &opening).await;
    let (_, told) = again.keys_pin(PIN).await;
    assert_eq!(without_call(told), outputs("verified_number", "authenticated"));
    let state = agent.wait_for(&opening.conversation, "passed on", |call| {
        call["media"] == "handed_over" && call["pin"]["result"] == "correct"
    });
    assert_eq!(state["pin"]["attempt"], 1, "the wrong key before the break counts for nobody");

    // A flow that calls the connector again hears the same, and nobody is asked twice.
    let mut later = Session::dial(daemon.http, &opening).await;
    let (reason, told) = later.ends().await;
    assert_eq!((reason.as_str(), &told["authentication"]), ("completed", &json!("authenticated")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_of_two_sockets_the_newer_has_the_word_and_a_broken_order_costs_only_the_socket() {
    let daemon = daemon(2);
    let opening = Opening::from(&number(0));
    let mut older = Session::dial(daemon.http, &opening).await;
    older.asked().await.expect("a position");
    let mut newer = Session::dial(daemon.http, &opening).await;
    assert_eq!(older.ends().await.0, "completed");
    newer.asked().await.expect("asked again");
    newer.skips_a_number().await;
    let (reason, _) = newer.ends().await;
    assert_eq!(reason, "error");
    let mut third = Session::dial(daemon.http, &opening).await;
    let (_, told) = third.keys_pin(PIN).await;
    assert_eq!(without_call(told), outputs("verified_number", "authenticated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_a_conversation_that_began_by_event_goes_on_over_the_audio_connector() {
    let daemon = daemon(1);
    let agent = Desktop::agent(&daemon, "alice");
    let reports = Reports::new(&daemon);
    let opening = Opening::from("");
    let fields = json!({
        "platform": "genesys", "direction": "inbound", "ani": number(0), "trunk": "office",
        "collects": "until_handed_over",
    });
    let answer = reports.send("delivered", &opening.conversation, &fields);
    assert_eq!(answer["directive"]["do"], "collect_digit", "{answer}");
    let mut session = Session::dial(daemon.http, &opening).await;
    let (_, told) = session.keys_pin(PIN).await;
    assert_eq!(without_call(told), outputs("verified_number", "authenticated"));
    agent.wait_for(&opening.conversation, "passed on", |call| call["media"] == "handed_over");
    let fields = json!({ "platform": "genesys", "agent": "alice" });
    reports.send("agent_joined", &opening.conversation, &fields);
    agent.wait_for(&opening.conversation, "alice has it", |call| call["agent"] == "alice");
    let fields = json!({ "platform": "genesys", "cause": 16 });
    reports.send("connection_cleared", &opening.conversation, &fields);
    agent.wait_for(&opening.conversation, "it ends", |call| !call["ended_at"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_8_the_probe_succeeds_and_what_cannot_be_played_is_sent_away() {
    let daemon = daemon(1);
    let agent = Desktop::agent(&daemon, "alice");
    let mut probe = Opening::from("");
    probe.conversation = NULL_UUID.into();
    probe.participant = NULL_UUID.into();
    let mut session = Session::dial(daemon.http, &probe).await;
    session
        .until(|heard| {
            matches!(heard, Heard::Opened(media, _) if *media == json!([])).then_some(())
        })
        .await;
    session.until(|heard| matches!(heard, Heard::Pong).then_some(())).await;
    session.hangs_up().await;
    session.until(|heard| matches!(heard, Heard::Closed).then_some(())).await;

    let mut linear = Opening::from(&number(0));
    linear.media =
        json!([{ "type": "audio", "format": "L16", "channels": ["external"], "rate": 8000 }]);
    let mut session = Session::dial(daemon.http, &linear).await;
    assert_eq!(session.ends().await.0, "error");

    let mut talkative = Session::dial(daemon.http, &Opening::from(&number(0))).await;
    for word in ["paused", "resumed", "discarded", "unheard_of"] {
        talkative.says(word, json!({ "start": "PT1S", "discarded": "PT0.5S" })).await;
    }
    talkative.says("update", json!({ "language": "de-DE" })).await;
    let updated = |heard: &Heard| matches!(heard, Heard::Other(kind) if kind == "updated");
    talkative.until(|heard| updated(heard).then_some(())).await;
    let (_, told) = talkative.keys_pin(PIN).await;
    assert_eq!(told["authentication"], "authenticated");
    assert!(!agent.text().contains(NULL_UUID) && !agent.text().contains(&linear.conversation));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_8_wrong_stale_replayed_unsigned_and_truncated_handshakes_are_refused_alike() {
    let daemon = daemon(1);
    let good = Handshake::new();
    let socket = good.connect(daemon.http).await;
    assert!(socket.is_ok(), "a good one is let in");
    let wrong_secret = Handshake { secret: vec![7; 32], ..Handshake::new() };
    let wrong_key = Handshake { api_key: "c29tZXRoaW5n".into(), ..Handshake::new() };
    let nobody = Handshake { path: "/v1/audiohook/nobody".into(), ..Handshake::new() };
    let stale = Handshake { created: -30, ..Handshake::new() };
    let early = Handshake { created: 60, ..Handshake::new() };
    let unsigned = Handshake { signed: false, ..Handshake::new() };
    let truncated = Handshake { cut: Some(40), ..Handshake::new() };
    let mut asking = JoinSet::new();
    for (why, handshake) in [
        ("wrong secret", wrong_secret),
        ("wrong key", wrong_key),
        ("no such connector", nobody),
        ("stale", stale),
        ("from the future", early),
        ("unsigned", unsigned),
        ("truncated", truncated),
        ("replayed", good),
    ] {
        let to = daemon.http;
        asking.spawn(async move {
            let asked = Instant::now();
            let refused = handshake.connect(to).await.err();
            (why, refused, asked.elapsed())
        });
    }
    let refusals = asking.join_all().await;
    let mut times = vec![];
    for (why, refused, took) in &refusals {
        let (status, body) = refused.as_ref().unwrap_or_else(|| panic!("{why} was let in"));
        assert_eq!(*status, 401, "{why}");
        assert_eq!(Some(body), refusals[0].1.as_ref().map(|(_, body)| body), "{why}");
        assert!(*took >= Duration::from_millis(500), "{why} took {took:?}");
        times.push(took.as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let (first, last) = (times[0], times[times.len() - 1]);
    figure(&format!("audiohook refusals of eight kinds after {first:.1} to {last:.1} ms"));
    assert!(last - first < 400.0, "timed alike: {times:?}");
    let metrics = daemon.metrics();
    for reason in ["forged", "unknown_key", "stale", "unsigned", "malformed", "replayed"] {
        let line = format!("countersign_audiohook_refused_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&line), "{reason}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_a_daemon_that_stops_lets_its_callers_finish_and_takes_nobody_new() {
    let mut daemon = daemon(1);
    let opening = Opening::from(&number(0));
    let mut session = Session::dial(daemon.http, &opening).await;
    session.asked().await.expect("a position");
    let stopping = tokio::task::spawn_blocking(move || {
        daemon.stop();
        daemon
    });
    let (reason, told) = session.ends().await;
    assert_eq!((reason.as_str(), told["class"].as_str()), ("error", Some("verified_number")));
    drop(stopping.await.expect("it stops"));
}

/// Who calls in the load.
const CUSTOMERS: u32 = 50;

/// How long every caller takes to find a key: within the wait for it, and all of them not at once.
fn reaction(nth: usize) -> Duration {
    let most = if full() { 6000 } else { 1500 };
    Duration::from_millis(200 + (nth as u64 * 37) % most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_concurrent_audiohook_sessions_each_with_a_whole_dialogue() {
    let sessions: u32 = if full() { 1000 } else { 50 };
    // A customer may call from several telephones at once: to enrol a PIN is what takes long.
    let people = people(CUSTOMERS);
    let settings = settings().replace("iterations = 1\n", "iterations = 1\nqueue = 2000\n");
    let mut daemon = Daemon::with(&settings, &csv(&people));
    let pid = pid_of(&daemon).expect("the daemon runs");
    let (http, cpu, rss) = (daemon.http, cpu_seconds(pid), resident_kib(pid));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for (nth, person) in people.into_iter().cycle().take(sessions as usize).enumerate() {
        callers.spawn(async move {
            let opening = Opening::from(&person.number);
            let mut session = Session::dial(http, &opening).await;
            let opened = |heard: &Heard| match heard {
                Heard::Opened(_, took) => Some(*took),
                _ => None,
            };
            let opened = session.until(opened).await;
            while let Some(asked) = session.asked().await {
                sleep(reaction(nth)).await;
                let at = asked.rsplit('.').next().and_then(|at| at.parse::<usize>().ok());
                let key = person.pin.chars().nth(at.expect("a position") - 1).expect("a digit");
                session.presses(key).await;
            }
            session.until(|heard| matches!(heard, Heard::Closed).then_some(())).await;
            opened.as_secs_f64() * 1000.0
        });
    }
    let (mut opened, mut peak, mut at_once) = (vec![], rss, 0.0_f64);
    while !callers.is_empty() {
        tokio::select! {
            Some(ended) = callers.join_next() => opened.push(ended.expect("no caller panics")),
            () = sleep(Duration::from_millis(500)) => {
                peak = peak.max(resident_kib(pid));
                let metrics = tokio::task::block_in_place(|| daemon.metrics());
                at_once = at_once.max(metric(&metrics, "countersign_audiohook_sessions"));
            }
        }
    }
    opened.sort_by(f64::total_cmp);
    let (keys, seconds) = (f64::from(sessions) * 2.0, started.elapsed().as_secs_f64());
    let counted = metric(&daemon.metrics(), "countersign_digits_total");
    figure(&format!(
        "audiohook {sessions} sessions, {at_once:.0} at once, {counted:.0} of {keys:.0} keys; opened p50 {:.1} ms, p99 \
         {:.1} ms; {seconds:.1} s, {:.2} CPU seconds of the daemon, {} KiB resident a session",
        percentile(&opened, 0.5),
        percentile(&opened, 0.99),
        cpu_seconds(pid) - cpu,
        peak.saturating_sub(rss) / u64::from(sessions),
    ));
    assert!((counted - keys).abs() < 0.5, "every key is counted once");
    assert!(percentile(&opened, 0.99) < 5000.0, "the client gives up after 5 s");
    daemon.stop();
}
