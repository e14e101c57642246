//! P1: no verdict, failed attempt, lock-out or audit line is lost once somebody was told, whenever the
//! daemon is killed. And what was not told is whole or was never made.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use countersign::model::digits::SecretText;
use countersign::records::audit::Head;
use countersign::sim::CallPlan;
use countersign::sim::CallReport;
use countersign::sim::place;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::promises::Counters;
use crate::promises::Disk;
use crate::promises::PATIENCE;
use crate::promises::Person;
use crate::promises::Seen;
use crate::promises::Watcher;
use crate::promises::csv;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::promises::percentile;
use crate::promises::states;

/// Kills that one set of customers lives through before most of them are blocked.
const KILLS_A_CAMPAIGN: u32 = 10;
const CUSTOMERS: u32 = 250;
const CALLS_PER_SECOND: u32 = 50;

/// Something that a person was told about a call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Told {
    AskedAgain,
    Correct,
    Incorrect,
    Authenticated,
    Failed,
    Blocked,
    ResetRequired,
}

/// Told what, about which call of which customer.
pub(crate) type Fact = (Told, String, String);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_told_means_kept() {
    let campaigns = if full() { 100 } else { 1 };
    let mut sum = Sum::default();
    for _ in 0..campaigns {
        campaign(&mut sum).await;
    }
    sum.ready_ms.sort_by(f64::total_cmp);
    figure(&format!(
        "P1 {} kills, {} facts told ({}), {} lost; {} attempts caught open, {} calls ended; ready again p50 {:.0} ms, \
         worst {:.0} ms",
        sum.kills,
        sum.facts,
        sum.by_word
            .iter()
            .map(|(told, count)| format!("{count} {told:?}"))
            .collect::<Vec<_>>()
            .join(", "),
        sum.lost.len(),
        sum.caught_open,
        sum.ended,
        percentile(&sum.ready_ms, 0.5),
        percentile(&sum.ready_ms, 1.0),
    ));
    assert_eq!(sum.lost, Vec::<Fact>::new(), "told, and not kept");
    for told in [Told::AskedAgain, Told::Correct, Told::Incorrect, Told::Authenticated] {
        assert!(sum.by_word.contains_key(&told), "nobody was told {told:?}");
    }
}

#[derive(Default)]
struct Sum {
    kills: u32,
    facts: usize,
    by_word: BTreeMap<Told, usize>,
    lost: Vec<Fact>,
    caught_open: usize,
    ended: usize,
    ready_ms: Vec<f64>,
}

/// One set of customers, killed again and again.
async fn campaign(sum: &mut Sum) {
    let people = Arc::new(people(CUSTOMERS));
    let mut daemon = Daemon::start(&csv(&people));
    let token = daemon.token("supervisor", "watcher");
    let mut told: BTreeSet<Fact> = BTreeSet::new();
    let mut before = Head::default();
    for kill in 0..KILLS_A_CAMPAIGN {
        let mut watcher = Watcher::connect(daemon.http, &token).await;
        let traffic = Traffic::start(daemon.sip, &people);
        right_moment(kill, &mut watcher).await;
        daemon.kill9();
        let reports = traffic.stop();
        // What was on its way to the desktop when the process died was told as well.
        let seen = watcher.into_end().await;
        told.extend(
            seen.iter().flat_map(|seen| states(&seen.text)).flat_map(|state| facts(&state)),
        );
        told.extend(reports.iter().filter_map(heard_again));
        sum.ended += reports.len();

        let dead = Disk::read(&daemon.path("records.db"));
        let open = dead.attempts.iter().filter(|attempt| attempt.settled.is_none()).count();
        sum.caught_open += open;
        let started = Instant::now();
        daemon.restart();
        sum.ready_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        let alive = Disk::read(&daemon.path("records.db"));
        is_whole(&alive);
        follows(&dead, &alive, before);
        before = alive.head();
        sum.kills += 1;
        sum.lost.extend(told.iter().filter(|fact| !kept(fact, &alive)).cloned());
    }
    agrees_with_the_command_line(&mut daemon);
    sum.facts += told.len();
    for (word, _, _) in &told {
        *sum.by_word.entry(*word).or_default() += 1;
    }
}

/// People who call at a steady pace, every third of them with a wrong PIN.
struct Traffic {
    _callers: JoinSet<()>,
    reports: Arc<Mutex<Vec<CallReport>>>,
}

impl Traffic {
    fn start(sip: SocketAddr, people: &Arc<Vec<Person>>) -> Self {
        let reports: Arc<Mutex<Vec<CallReport>>> = Arc::default();
        let (people, ended) = (Arc::clone(people), Arc::clone(&reports));
        let mut callers = JoinSet::new();
        callers.spawn(async move {
            let mut calls = JoinSet::new();
            let mut pace = interval(Duration::from_secs(1) / CALLS_PER_SECOND);
            // Nobody calls twice at a time: two calls would answer the same positions.
            let mut idle: Vec<usize> = (0..people.len()).collect();
            loop {
                tokio::select! {
                    _ = pace.tick(), if !idle.is_empty() => {
                        let nth = idle.swap_remove(rand::random::<u32>() as usize % idle.len());
                        // A tenth of them never knows it, and is blocked before long.
                        let wrong = nth.is_multiple_of(10) || rand::random::<u32>().is_multiple_of(3);
                        let person = &people[nth];
                        let pin = if wrong { person.wrong_pin() } else { person.pin.clone() };
                        let call = place(Arc::new(person.calls(sip, &pin)), ears(), CancellationToken::new());
                        calls.spawn(async move { (nth, call.await) });
                    }
                    Some(Ok((nth, report))) = calls.join_next() => {
                        idle.push(nth);
                        ended.lock().expect("no panic").push(report);
                    }
                }
            }
        });
        Self { _callers: callers, reports }
    }

    /// Everybody drops the telephone; the calls that ended before.
    fn stop(self) -> Vec<CallReport> {
        std::mem::take(&mut *self.reports.lock().expect("no panic"))
    }
}

/// Kills come at any time, while a pair is being judged, and right behind a verdict; some when calls have just
/// begun, some when the first ones have come to their end.
async fn right_moment(kill: u32, watcher: &mut Watcher) {
    let (word, up_to) = match kill % 3 {
        0 => (r#""type":"#, 3000),
        1 => (r#""entered":2,"#, 300),
        // Evidence has results as well; this word is the PIN's alone, and a second wrong pair takes longest.
        _ => (r#""result":"incorrect""#, 20),
    };
    let mut left = 1 + rand::random::<u32>() % up_to;
    let mut next = 0;
    watcher
        .within(PATIENCE, |seen: &[Seen]| {
            for fresh in &seen[next..] {
                left = left.saturating_sub(u32::from(fresh.text.contains(word)));
            }
            next = seen.len();
            (left == 0).then_some(())
        })
        .await
        .expect("calls make frames");
}

/// What this state tells about its call.
pub(crate) fn facts(state: &Value) -> Vec<Fact> {
    let mut told = vec![];
    if state["pin"]["attempt"] == 2 {
        told.push(Told::AskedAgain);
    }
    told.extend(match state["pin"]["result"].as_str() {
        Some("correct") => Some(Told::Correct),
        Some("incorrect") => Some(Told::Incorrect),
        _ => None,
    });
    told.extend(match state["authentication"].as_str() {
        Some("authenticated") => Some(Told::Authenticated),
        Some("failed") => Some(Told::Failed),
        Some("blocked") => Some(Told::Blocked),
        Some("reset_required") => Some(Told::ResetRequired),
        _ => None,
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (call, customer) = (text(&state["id"]), text(&state["customer"]["id"]));
    told.into_iter().map(|told| (told, call.clone(), customer.clone())).collect()
}

/// A caller who was asked again was told that the first pair was wrong.
fn heard_again(report: &CallReport) -> Option<Fact> {
    let call = report.countersign_call.clone()?;
    let again = report.prompts.iter().any(|heard| heard.prompt == "pin.again");
    again.then_some((Told::AskedAgain, call, String::new()))
}

/// Whether the records still know what was told.
pub(crate) fn kept((told, call, customer): &Fact, disk: &Disk) -> bool {
    let settled = |word: &str| {
        let mut attempts = disk.attempts.iter().filter(|attempt| attempt.call == *call);
        attempts.any(|attempt| attempt.settled.as_deref() == Some(word))
    };
    // Who may not pass anyhow is asked in the same way, and every entry is noted.
    let refused = || disk.noted("pin_entry_refused", call);
    let account = disk.accounts.get(customer).copied().unwrap_or_default();
    match told {
        Told::AskedAgain => settled("wrong") || refused(),
        Told::Correct => settled("correct"),
        Told::Incorrect => disk.noted("call_failed", call) || refused(),
        Told::Authenticated => disk.noted("call_passed", call),
        Told::Failed => disk.noted("call_failed", call),
        Told::Blocked => account.blocked,
        Told::ResetRequired => account.reset_required,
    }
}

/// No attempt is half, every counter is what the audit chain says, and positions stay until they are answered.
fn is_whole(disk: &Disk) {
    let attempt_of = |what: &str| {
        let lines = disk.audit.iter().filter(|line| line.entry.what == what);
        let mut counts: BTreeMap<i64, u32> = BTreeMap::new();
        lines
            .filter_map(|line| line.entry.body["attempt"].as_i64())
            .for_each(|id| *counts.entry(id).or_default() += 1);
        counts
    };
    let (reserved, settled) = (attempt_of("attempt_reserved"), attempt_of("attempt_settled"));
    let once: BTreeMap<i64, u32> = disk.attempts.iter().map(|attempt| (attempt.id, 1)).collect();
    assert_eq!(reserved, once, "an attempt is reserved once");
    assert_eq!(settled, once, "an attempt is settled once, and none is open after a start");
    let open: Vec<_> = disk.attempts.iter().filter(|attempt| attempt.settled.is_none()).collect();
    assert!(open.is_empty(), "{open:?}");

    let replayed = disk.replayed();
    for (customer, counters) in &disk.accounts {
        let expected = replayed.get(customer).copied().unwrap_or_default();
        assert_eq!(*counters, expected, "the counters of {customer}");
    }
    let mut asked: BTreeMap<&str, (u8, u8)> = BTreeMap::new();
    for attempt in &disk.attempts {
        let pair = asked.entry(&attempt.customer).or_insert(attempt.positions);
        assert_eq!(*pair, attempt.positions, "new positions without a right answer: {attempt:?}");
        if attempt.settled.as_deref() == Some("correct") {
            asked.remove(attempt.customer.as_str());
        }
    }
}

/// Nothing that was on disk is gone, and what was open at the death is counted as wrong.
fn follows(dead: &Disk, alive: &Disk, before: Head) {
    for head in [before, dead.head()] {
        let last = usize::try_from(head.number).expect("a short chain");
        let kept = alive.audit.get(..last).and_then(|lines| lines.last()).map(|line| line.hash);
        assert_eq!(
            kept,
            (last > 0).then_some(head.hash),
            "the audit chain goes on from where it was"
        );
    }
    for was in &dead.attempts {
        let is = alive.attempts.iter().find(|attempt| attempt.id == was.id).expect("attempts stay");
        let expected = was.settled.as_deref().unwrap_or("wrong");
        assert_eq!(is.settled.as_deref(), Some(expected), "{was:?}");
    }
    assert!(alive.attempts.len() == dead.attempts.len(), "a start makes no attempts");
}

/// What `customer show` says is what lies on disk.
fn agrees_with_the_command_line(daemon: &mut Daemon) {
    daemon.stop();
    let disk = Disk::read(&daemon.path("records.db"));
    let interesting = disk.accounts.iter().filter(|(_, counters)| counters.failed_calls > 0);
    for (customer, counters) in interesting.take(5) {
        let shown: Value =
            serde_json::from_str(&daemon.run(&["customer", "show", customer, "--json"]))
                .expect("JSON");
        let standing = match (counters.blocked, counters.reset_required) {
            (true, _) => "blocked",
            (false, true) => "reset_required",
            (false, false) => "open",
        };
        assert_eq!(shown["standing"], standing, "{customer}");
        assert_eq!(shown["failed_calls"], counters.failed_calls, "{customer}");
        assert_eq!(shown["pin_wrong_streak"], counters.wrong_streak, "{customer}");
    }
}

/// One call of one customer, cut off by a kill at the moment when its state fits.
async fn killed_when(
    daemon: &mut Daemon,
    plan: CallPlan,
    person: &Person,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let token = daemon.token("supervisor", "watcher");
    let mut watcher = Watcher::connect(daemon.http, &token).await;
    let mut call = JoinSet::new();
    call.spawn(place(Arc::new(plan), ears(), CancellationToken::new()));
    let state = watcher
        .until(|seen| {
            let mut all = seen.iter().flat_map(|seen| states(&seen.text));
            all.find(|state| state["customer"]["id"] == person.id.as_str() && fits(state))
        })
        .await;
    daemon.kill9();
    state
}

fn positions(state: &Value) -> Vec<u64> {
    state["pin"]["positions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_killed_between_the_digits_nothing_was_attempted_and_the_same_is_asked() {
    let people = people(1);
    let mut daemon = Daemon::start(&csv(&people));
    let between = |state: &Value| state["pin"]["entered"] == 1 && positions(state).len() == 2;
    let mut asked = BTreeSet::new();
    for _ in 0..if full() { 50 } else { 3 } {
        let mut plan = people[0].calls(daemon.sip, &people[0].pin);
        plan.press = Some(SecretText::new("7".to_owned()));
        let state = killed_when(&mut daemon, plan, &people[0], between).await;
        asked.insert(positions(&state));
        daemon.restart();
        let disk = Disk::read(&daemon.path("records.db"));
        assert_eq!(disk.attempts, vec![], "one digit is no attempt");
        assert_eq!(disk.accounts[&people[0].id], Counters::default());
        disk.head();
    }
    assert_eq!(asked.len(), 1, "the same positions each time: {asked:?}");

    let report = place(
        Arc::new(people[0].calls(daemon.sip, &people[0].pin)),
        ears(),
        CancellationToken::new(),
    )
    .await;
    let disk = Disk::read(&daemon.path("records.db"));
    let attempt = &disk.attempts[0];
    let pair = vec![u64::from(attempt.positions.0), u64::from(attempt.positions.1)];
    assert!(asked.contains(&pair), "{report}: {attempt:?}");
    assert_eq!(attempt.settled.as_deref(), Some("correct"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_killed_behind_the_second_digit_the_attempt_counts_once_or_was_never_made() {
    let people = people(if full() { 100 } else { 6 });
    let mut daemon = Daemon::start(&csv(&people));
    let (mut counted, mut never_made) = (0, 0);
    for (nth, person) in people.iter().enumerate() {
        // Every other call is cut off at its last entry, which would fail the call.
        let attempt = 1 + nth % 2;
        let plan = person.calls(daemon.sip, &person.wrong_pin());
        let second_key =
            |state: &Value| state["pin"]["entered"] == 2 && state["pin"]["attempt"] == attempt;
        let state = killed_when(&mut daemon, plan, person, second_key).await;
        daemon.restart();
        let disk = Disk::read(&daemon.path("records.db"));
        is_whole(&disk);
        let made: Vec<_> = disk.attempts.iter().filter(|made| made.customer == person.id).collect();
        assert!([attempt - 1, attempt].contains(&made.len()), "{state}: {made:?}");
        assert!(made.iter().all(|made| made.settled.as_deref() == Some("wrong")), "{made:?}");
        let counters = disk.accounts[&person.id];
        assert_eq!(usize::from(counters.wrong_streak), made.len());
        assert_eq!(
            usize::from(counters.failed_calls),
            usize::from(made.len() == 2),
            "the last entry fails the call"
        );
        if made.len() == attempt { counted += 1 } else { never_made += 1 }
    }
    figure(&format!(
        "P1 kills behind the second digit: {counted} counted once, {never_made} never made, 0 half"
    ));
}

/// What an agent and a supervisor were answered: a reset, the block that it lifted, and rows of the audit chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_a_reset_an_unblock_and_the_audit_rows_that_were_shown_are_kept() {
    let people = people(if full() { 20 } else { 3 });
    let mut daemon = Daemon::start(&csv(&people));
    let (agent, chief) = (daemon.token("agent", "alice"), daemon.token("supervisor", "chief"));
    for (nth, person) in people.iter().enumerate() {
        let mut desk = Watcher::connect(daemon.http, &agent).await;
        let call = |pin: &str| {
            place(Arc::new(person.calls(daemon.sip, pin)), ears(), CancellationToken::new())
        };
        let report = call(&person.pin).await;
        let passed = |state: &Value| state["authentication"] == "authenticated";
        desk.state(&report.call_id, passed).await;
        // Every other one is blocked meanwhile, by three calls at once.
        let blocked = nth % 2 == 0;
        if blocked {
            tokio::join!(
                call(&person.wrong_pin()),
                call(&person.wrong_pin()),
                call(&person.wrong_pin())
            );
            let told = Disk::read(&daemon.path("records.db"));
            assert!(told.accounts[&person.id].blocked, "{:?}", told.accounts[&person.id]);
        }
        desk.say(json!({ "type": "claim", "id": 1, "call": report.call_id })).await;
        let reset =
            json!({ "type": "reset_security", "id": 2, "call": report.call_id, "reason": "lost" });
        desk.say(reset).await;
        let answered = |text: &str| text.contains(r#""id":2"#) && text.contains(r#""type":"ok""#);
        desk.until(|seen| seen.iter().any(|seen| answered(&seen.text)).then_some(())).await;
        let (status, shown) = daemon.ask("GET", "/v1/audit?limit=1000", &chief, None);
        assert_eq!(status, 200, "{shown}");

        daemon.kill9();
        daemon.restart();
        let kept = Disk::read(&daemon.path("records.db"));
        let of_person = |what: &str| {
            let mut lines = kept.audit.iter().map(|line| &line.entry);
            lines.any(|line| {
                let theirs = line.customer.as_ref().is_some_and(|id| id.as_str() == person.id);
                line.what == what && theirs
            })
        };
        assert!(of_person("security_reset"), "told, and not kept");
        assert_eq!(of_person("account_unblocked"), blocked, "told, and not kept");
        assert_eq!(kept.accounts[&person.id], Counters::default());
        kept.head();
        let (_, again) = daemon.ask("GET", "/v1/audit?limit=1000", &chief, None);
        let (before, after) = (lines(&shown), lines(&again));
        assert_eq!(after.get(..before.len()), Some(before), "rows that were shown are there");
        assert!(!before.is_empty());
    }
}

fn lines(page: &Value) -> &[Value] {
    page["lines"].as_array().map(Vec::as_slice).unwrap_or_default()
}
