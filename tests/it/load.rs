//! 200 callers at once, each hears its prompts and keys two digits: every key is counted, every call ends as
//! planned. With the PIN cost of the default configuration.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign::sim::CallPlan;
use countersign::sim::CallReport;
use countersign::sim::Outcome;
use countersign::sim::place;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::promises::PATIENCE;
use crate::promises::Person;
use crate::promises::Seen;
use crate::promises::Watcher;
use crate::promises::cpu_seconds;
use crate::promises::csv;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::get;
use crate::promises::metric;
use crate::promises::people;
use crate::promises::percentile;
use crate::promises::pid_of;
use crate::promises::resident_kib;
use crate::promises::states;

const CALLS: u32 = 200;
/// To enrol a PIN takes 21 times the work of checking a pair, so a customer calls from several telephones at
/// once: some with the right PIN, at the most two with a wrong one, which is as much as blocks nobody.
const RIGHT_CUSTOMERS: u32 = 20;
const WRONG_CUSTOMERS: u32 = 13;
/// One call in so many keys a wrong PIN.
const WRONG_EVERY: u32 = 8;

/// One caller, and what should come of the call.
struct Caller {
    plan: Arc<CallPlan>,
    result: &'static str,
    keys: u32,
}

/// A call that is over.
struct Done {
    caller: Caller,
    report: CallReport,
    placed: Instant,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_200_concurrent_calls_every_digit_counted() {
    for _ in 0..if full() { 5 } else { 1 } {
        one_round().await;
    }
}

async fn one_round() {
    let people = people(RIGHT_CUSTOMERS + WRONG_CUSTOMERS);
    let mut daemon =
        Daemon::with(&format!("{OFFICE}[sip]\nmax_calls_per_second = 1000\n"), &csv(&people));
    let mut watcher = Watcher::connect(daemon.http, &daemon.token("supervisor", "watcher")).await;
    let pid = pid_of(&daemon).expect("the daemon runs");
    // The first call pays for what is set up once.
    let first = people[0].calls(daemon.sip, &people[0].pin);
    let warm = place(Arc::new(first), ears(), CancellationToken::new()).await;
    assert!(matches!(warm.outcome, Outcome::Transferred { .. }), "{warm}");

    let callers = callers(&people, daemon.sip);
    let planned: u32 = callers.iter().map(|caller| caller.keys).sum::<u32>() + warm.keys_pressed;
    let (rss_before, cpu_before, started) = (resident_kib(pid), cpu_seconds(pid), Instant::now());
    let mut calls = JoinSet::new();
    for caller in callers {
        calls.spawn(async move {
            let placed = Instant::now();
            let report = place(Arc::clone(&caller.plan), ears(), CancellationToken::new()).await;
            Done { caller, report, placed }
        });
    }
    let (mut done, mut at_once, mut rss_peak) = (vec![], 0.0_f64, rss_before);
    let mut look = interval(Duration::from_millis(100));
    while !calls.is_empty() {
        tokio::select! {
            Some(ended) = calls.join_next() => done.push(ended.expect("a caller does not panic")),
            _ = look.tick() => {
                let active = metric(&get(daemon.http, "/metrics").await, "countersign_active_calls");
                // The call that came first was handed over and lives on.
                at_once = at_once.max(active - 1.0);
                rss_peak = rss_peak.max(resident_kib(pid));
            }
        }
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu_before);
    let told = told(&mut watcher, &done).await;
    let pressed = done.iter().map(|done| done.report.keys_pressed).sum::<u32>() + warm.keys_pressed;
    let counted = metric(&get(daemon.http, "/metrics").await, "countersign_digits_total");
    let mut latencies = key_to_desktop_ms(&watcher, &done);
    latencies.sort_by(f64::total_cmp);
    figure(&format!(
        "load {CALLS} calls, {at_once:.0} at once, {pressed} keys pressed, {counted:.0} counted; {seconds:.1} s, {cpu:.2} CPU \
         seconds of the daemon, {:.1} ms a call; {} KiB resident a call ({rss_before} to {rss_peak} KiB); key to \
         desktop p50 {:.1} ms, p99 {:.1} ms of {}",
        cpu * 1000.0 / f64::from(CALLS),
        (rss_peak - rss_before) / u64::from(CALLS),
        percentile(&latencies, 0.5),
        percentile(&latencies, 0.99),
        latencies.len(),
    ));
    let astray: Vec<_> = done
        .iter()
        .filter(|done| {
            told.get(&done.report.call_id).map(String::as_str) != Some(done.caller.result)
        })
        .collect();
    let astray: Vec<_> =
        astray.iter().map(|done| format!("{}: {}", done.caller.result, done.report)).collect();
    assert!(
        astray.is_empty(),
        "{} calls did not end as planned:\n{}",
        astray.len(),
        astray.join("\n")
    );
    assert_eq!((pressed, f64::from(pressed)), (planned, counted), "every key is counted once");
    assert!(at_once >= f64::from(CALLS), "all calls were there at once");
    daemon.stop();
}

/// All call in the same moment. Then people are people: some key at once, some look for the key, so that pairs
/// come to be judged one after the other and not all in the same half second.
fn callers(people: &[Person], sip: SocketAddr) -> Vec<Caller> {
    let (right, wrong) = people.split_at(RIGHT_CUSTOMERS as usize);
    let caller = |nth: u32| {
        let mut caller = if nth.is_multiple_of(WRONG_EVERY) {
            let person = &wrong[(nth / WRONG_EVERY % WRONG_CUSTOMERS) as usize];
            Caller {
                plan: Arc::new(person.calls(sip, &person.wrong_pin())),
                result: "incorrect",
                keys: 4,
            }
        } else {
            let person = &right[(nth % RIGHT_CUSTOMERS) as usize];
            Caller { plan: Arc::new(person.calls(sip, &person.pin)), result: "correct", keys: 2 }
        };
        let reaction = Duration::from_millis(300 + u64::from(nth * 37 % CALLS) * 45);
        Arc::make_mut(&mut caller.plan).reaction = reaction;
        caller
    };
    (0..CALLS).map(caller).collect()
}

/// The PIN result that the desktop saw of each call, by the platform's id.
async fn told(watcher: &mut Watcher, done: &[Done]) -> BTreeMap<String, String> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut next = 0;
    // A call that came to nothing has no result; the one who asks will say which.
    let all = |told: &BTreeMap<String, String>| {
        done.iter().all(|done| told.contains_key(&done.report.call_id))
    };
    let patience = if done.iter().all(|done| done.report.keys_pressed > 0) {
        PATIENCE
    } else {
        Duration::ZERO
    };
    let complete = watcher.within(patience, |seen| {
        for state in seen[next..].iter().flat_map(|seen| states(&seen.text)) {
            if let (Some(call), Some(result)) =
                (state["platform_call_id"].as_str(), state["pin"]["result"].as_str())
            {
                told.insert(call.to_owned(), result.to_owned());
            }
        }
        next = seen.len();
        all(&told).then_some(())
    });
    complete.await;
    told
}

/// From each key press to the frame that shows it. A key is pressed when the reaction to its prompt is over,
/// and leaves with the next beat of the telephone's clock, up to 20 ms later, which is counted in.
fn key_to_desktop_ms(watcher: &Watcher, done: &[Done]) -> Vec<f64> {
    let mut shown: BTreeMap<(String, u64, u64), Instant> = BTreeMap::new();
    for Seen { at, text } in watcher.seen() {
        for state in states(&text) {
            let pin = &state["pin"];
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            let call = state["platform_call_id"].as_str().unwrap_or_default().to_owned();
            shown.entry((call, number(&pin["attempt"]), number(&pin["entered"]))).or_insert(at);
        }
    }
    let mut latencies = vec![];
    for Done { caller, report, placed } in done {
        let asked = report.prompts.iter().filter(|heard| heard.prompt.starts_with("pin.position."));
        let asked: Vec<_> = asked
            .map(|heard| *placed + Duration::from_millis(heard.at_ms) + caller.plan.reaction)
            .collect();
        if asked.len() != caller.keys as usize {
            continue;
        }
        for (pressed, key) in asked.into_iter().zip(0_u64..) {
            let frame = (report.call_id.clone(), key / 2 + 1, key % 2 + 1);
            let seen = shown.get(&frame).map(|at| at.saturating_duration_since(pressed));
            latencies.extend(seen.map(|late| late.as_secs_f64() * 1000.0));
        }
    }
    latencies
}
