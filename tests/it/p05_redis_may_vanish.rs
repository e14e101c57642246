//! P5: Redis may vanish, hang, or come back empty: no call is dropped, no counter is wrong, desktops on
//! the owner's node stay live, the others say that they may be behind, and catch up by themselves.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::ready;
use crate::harness::desktop::Desktop;
use crate::harness::platform::Platform;
use crate::harness::poll;
use crate::promises::Person;
use crate::promises::csv;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::redis_server::Cluster as Ring;
use crate::redis_server::Trio;

/// Everything is as before so long after Redis is back.
const HEALED_WITHIN: Duration = Duration::from_secs(5);
/// Everybody is told so long after Redis went.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// No caller hears that Redis is gone.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

fn away_for() -> Duration {
    Duration::from_secs(if full() { 30 } else { 8 })
}

#[test]
fn p05_redis_may_vanish_and_come_back_empty() {
    story(
        "stopped",
        |cluster| cluster.sessions.shut(),
        |cluster| {
            cluster.redis.ask::<String>(&["FLUSHALL"]);
            cluster.sessions.open();
        },
    );
}

#[test]
fn p05_redis_may_hang() {
    story("hanging", |cluster| cluster.sessions.hang(), |cluster| cluster.sessions.open());
}

#[test]
fn p05_redis_may_fill_up() {
    story(
        "full",
        |cluster| {
            cluster.redis.ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
            cluster.redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "1mb"]);
        },
        |cluster| {
            cluster.redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
        },
    );
}

#[test]
fn p05_redis_may_fail_over_to_a_replica() {
    let people = people(20);
    let mut redis = Trio::start();
    let cluster = Cluster::over(Some(&redis.url()), 2, "", &csv(&people));
    goes_on(&cluster, &people, || redis.failover());
}

#[test]
fn p05_a_slot_of_the_cluster_may_move_while_calls_are_told() {
    let people = people(20);
    let redis = Ring::start();
    let cluster = Cluster::over(Some(&redis.url()), 2, "", &csv(&people));
    let platform = Platform::new(cluster.a());
    let begun = platform.delivered("moves", &people[0].number);
    let call = begun["call"].as_str().expect("an id");
    let key = format!("countersign:{{c:{call}}}");
    goes_on(&cluster, &people, || {
        redis.move_slot(&key, || {
            let (_, last) = platform.keys_pin("moves", begun.clone(), &people[0].pin);
            assert_eq!(last["authentication"], "authenticated", "{last}");
        });
    });
}

/// Calls go on on both nodes while something happens to Redis, and a moment later each node shows what
/// the other has.
fn goes_on(cluster: &Cluster, people: &[Person], happens: impl FnOnce()) {
    let (a, b) = (cluster.a(), cluster.b());
    let away = Desktop::connect(b, &b.token("supervisor", "sue"));
    let platform = Platform::new(a);
    let begun = platform.delivered("stays", &people[1].number);
    away.wait_for("stays", "the call is shown", |call| call["pin"].is_object());
    let (done, slowest) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    let counted = Counted::default();
    thread::scope(|scope| {
        let _stop = Stop(&done);
        for (node, callers) in [a, b].into_iter().zip(people[2..].chunks(9)) {
            scope.spawn(|| traffic(node, callers, &done, &counted, &slowest));
        }
        happens();
        let (_, last) = platform.keys_pin("stays", begun, &people[1].wrong_pin());
        assert_eq!(last["authentication"], "in_progress", "{last}");
        let back = Instant::now();
        let truth = |call: &Value| call["questions"].is_object() && call["stale"] != true;
        away.wait_for("stays", "the truth", truth);
        figure(&format!(
            "Redis changed under two nodes: the truth was shown {:?} after",
            back.elapsed()
        ));
        assert!(back.elapsed() <= HEALED_WITHIN, "{:?}", back.elapsed());
    });
    let slowest = slowest.into_inner().expect("no thread panicked");
    assert!(slowest <= ANSWERED_WITHIN, "{slowest:?}");
    for (customer, failed) in &counted.into_inner().expect("no thread panicked") {
        assert_eq!(cluster.account(customer)["failed_calls"], json!(failed), "{customer}");
    }
}

fn story(name: &str, goes: impl Fn(&Cluster), comes_back: impl Fn(&Cluster)) {
    let people = people(40);
    let cluster = Cluster::start(2, &csv(&people));
    let (a, b) = (cluster.a(), cluster.b());
    let sue = |node: &Daemon| Desktop::connect(node, &node.token("supervisor", "sue"));
    let (home, away) = (sue(a), sue(b));
    let platform = Platform::new(a);
    let begun = platform.delivered("stays", &people[0].number);
    let known = away.wait_for("stays", "the call is shown", |call| call["pin"].is_object());
    assert_ne!(known["stale"], true);
    let (done, slowest) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    let counted = Counted::default();
    thread::scope(|scope| {
        // The callers stop, also when a wish does not come true.
        let _stop = Stop(&done);
        for (node, callers) in [a, b].into_iter().zip(people[1..].chunks(19)) {
            scope.spawn(|| traffic(node, callers, &done, &counted, &slowest));
        }
        goes(&cluster);
        let gone = Instant::now();
        for node in [a, b] {
            poll("the node says so", || (ready(node, "sessions").1["ok"] == false).then_some(()));
            let (status, check) = ready(node, "sessions");
            assert_eq!(status, 200, "degraded, and no more: {check}");
            assert!(!check["since"].is_null(), "{check}");
        }
        away.wait_for("stays", "that this may be old", |call| call["stale"] == true);
        assert!(gone.elapsed() <= TOLD_WITHIN, "told after {:?}", gone.elapsed());
        // On the call's own node nothing has changed.
        let (_, last) = platform.keys_pin("stays", begun, &people[0].wrong_pin());
        assert_eq!(last["authentication"], "in_progress", "{last}");
        home.wait_for("stays", "the questions", |call| call["questions"].is_object());
        thread::sleep(away_for().saturating_sub(gone.elapsed()));
        let truth = home.states_of("stays").pop().expect("it was shown");
        assert_ne!(truth["stale"], true, "its own node knows");

        comes_back(&cluster);
        let back = Instant::now();
        let same = |call: &Value| call["version"] == truth["version"] && call["stale"] != true;
        away.wait_for("stays", "the truth", same);
        for node in [a, b] {
            poll("the node says so", || (ready(node, "sessions").1["ok"] == true).then_some(()));
        }
        let healed = back.elapsed();
        figure(&format!("Redis {name} for {:?}: all is as before {healed:?} after", away_for()));
        assert!(healed <= HEALED_WITHIN, "{healed:?}");
    });
    let slowest = slowest.into_inner().expect("no thread panicked");
    figure(&format!("Redis {name}: the slowest answer to a platform took {slowest:?}"));
    assert!(slowest <= ANSWERED_WITHIN, "{slowest:?}");
    let counted = counted.into_inner().expect("no thread panicked");
    for (customer, failed) in &counted {
        let found = cluster.account(customer)["failed_calls"].clone();
        assert_eq!(found, json!(failed), "{customer} of {counted:?}");
    }
    assert_eq!(cluster.account(&people[0].id)["failed_calls"], 1, "the call that stayed");
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What came of the calls of each customer: how many failed since the last that passed.
type Counted = Mutex<BTreeMap<String, u64>>;

/// Calls one after the other, until told to stop.
fn traffic(
    node: &Daemon,
    callers: &[Person],
    done: &AtomicBool,
    counted: &Counted,
    slowest: &Mutex<Duration>,
) {
    let platform = Platform::new(node);
    for round in 0_usize.. {
        for (nth, person) in callers.iter().enumerate() {
            if done.load(Ordering::Relaxed) && round > 0 {
                return;
            }
            // Every third call fails, and no customer fails twice in a row.
            let right = (nth + round) % 3 != 0;
            let took = one_call(&platform, &format!("t-{}-{round}", person.id), person, right);
            let failed = u8::from(!right).into();
            counted.lock().expect("no thread panics here").insert(person.id.clone(), failed);
            let mut slowest = slowest.lock().expect("no thread panics here");
            *slowest = took.max(*slowest);
            drop(slowest);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A whole call; the longest that its platform waited for an answer, on an average of the keys.
fn one_call(platform: &Platform<'_>, call: &str, person: &Person, right: bool) -> Duration {
    let begun = Instant::now();
    let answer = platform.delivered(call, &person.number);
    let first = begun.elapsed();
    let pin = if right { person.pin.clone() } else { person.wrong_pin() };
    let begun = Instant::now();
    let (heard, last) = platform.keys_pin(call, answer, &pin);
    let each = begun.elapsed() / u32::try_from(heard.len()).expect("few");
    let expected = if right { "authenticated" } else { "in_progress" };
    assert_eq!(last["authentication"], expected, "{call}: {last}");
    platform.send("connection_cleared", call, &json!({ "cause": 16 }));
    first.max(each)
}
