//! P7: a desktop that loses its line again and again, in the middle of whatever comes, and goes on from the
//! last `seq` it saw, ends with the server's state: nothing is skipped, nothing goes back, and where the
//! server cannot go on it says so with a snapshot.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign::sim::Outcome;
use countersign::sim::place;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::promises::Dice;
use crate::promises::PATIENCE;
use crate::promises::Watcher;
use crate::promises::csv;
use crate::promises::desktop_request;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::promises::percentile;
use crate::promises::states;

const CALLS: u32 = 8;
const DESKTOPS: u64 = 4;
/// A desktop may send 20 frames a second in the long run.
const PACE: Duration = Duration::from_millis(60);
/// The longest a line lasts.
const LINE_MAX_MS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_desks_resume() {
    let reconnects = if full() { 2000 } else { 250 };
    let office = Office::open().await;
    let work = office.at_work().await;
    let mut desktops = JoinSet::new();
    for seed in 0..DESKTOPS {
        let (http, token) = (office.daemon.http, office.token.clone());
        desktops.spawn(async move {
            let (mut screen, mut dice) = (Screen::default(), Dice::new(seed));
            for _ in 0..reconnects {
                screen.joins(http, &token).await;
                let long = Duration::from_millis(dice.below(LINE_MAX_MS) as u64);
                screen.watches_for(long).await;
                // The telephone rings on while the line is down.
                sleep(Duration::from_millis(dice.below(LINE_MAX_MS) as u64)).await;
            }
            screen
        });
    }
    let mut screens = desktops.join_all().await;
    drop(work);
    let server = office.shows().await;
    for screen in &mut screens {
        screen.catches_up(office.daemon.http, &office.token, &server).await;
    }
    let sum = |of: fn(&Screen) -> usize| screens.iter().map(of).sum::<usize>();
    figure(&format!(
        "P7 {} reconnects of {DESKTOPS} desktops while {} states came: {} went on from their seq, {} began with a snapshot, \
         0 out of order, 0 different from the server at the end",
        sum(|screen| screen.joined),
        sum(|screen| screen.states),
        sum(|screen| screen.joined - screen.snapshots),
        sum(|screen| screen.snapshots),
    ));
    let first_times = usize::try_from(DESKTOPS).expect("few");
    assert_eq!(sum(|screen| screen.snapshots), first_times, "who can go on is not started anew");
    assert!(sum(|screen| screen.states) > sum(|screen| screen.joined) / 2, "too little happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_who_missed_a_thousand_states_has_the_newest_at_once() {
    let missed = if full() { 1000 } else { 200 };
    let office = Office::open().await;
    let mut screen = Screen::default();
    screen.joins(office.daemon.http, &office.token).await;
    screen.watches_for(Duration::from_millis(200)).await;
    let seq = screen.seq;
    let work = office.at_work().await;
    let mut watcher = Watcher::connect(office.daemon.http, &office.token).await;
    watcher.until(|seen| (seen.len() > missed).then_some(())).await;
    drop(work);
    let server = office.shows().await;
    let began = Instant::now();
    screen.catches_up(office.daemon.http, &office.token, &server).await;
    let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
    figure(&format!(
        "P7 {missed} states missed ({} frames behind): caught up in {milliseconds:.0} ms with {} states",
        screen.seq - seq,
        screen.states,
    ));
    assert_eq!(screen.snapshots, 1, "the first and no other");
    assert!(milliseconds < 1000.0, "resume takes at most a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_a_gap_is_always_visible() {
    let mut office = Office::open().await;
    let mut screen = Screen::default();
    screen.joins(office.daemon.http, &office.token).await;
    screen.watches_for(Duration::from_millis(200)).await;
    assert_eq!(screen.calls.len(), CALLS as usize);
    // A seq that was never given out is no place to go on from.
    screen.seq += 1_000_000;
    screen.joins(office.daemon.http, &office.token).await;
    screen.watches_for(Duration::from_millis(200)).await;
    assert_eq!(screen.snapshots, 2);
    // Another life of the daemon: other epoch, and its calls are its own.
    let epoch = screen.epoch.clone();
    office.daemon.restart();
    screen.joins(office.daemon.http, &office.token).await;
    screen.watches_for(Duration::from_millis(200)).await;
    assert_ne!(screen.epoch, epoch);
    assert_eq!((screen.snapshots, screen.calls.len()), (3, 0), "nothing of the old life is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_a_line_that_is_back_shows_what_changed_meanwhile() {
    let office = Office::open().await;
    let mut screen = Screen::default();
    let mut took = vec![];
    for word in ["claim", "release"] {
        for (nth, (call, token)) in office.agents.iter().enumerate() {
            screen.joins(office.daemon.http, &office.token).await;
            screen.watches_for(Duration::from_millis(20)).await;
            let mut agent = Watcher::connect(office.daemon.http, token).await;
            agent.say(json!({ "type": word, "id": 1, "call": call })).await;
            let done = |text: &str| text.contains(r#""type":"ok""#);
            agent.until(|seen| seen.iter().any(|seen| done(&seen.text)).then_some(())).await;
            let holder = if word == "claim" { json!(format!("agent{nth}")) } else { Value::Null };
            let began = Instant::now();
            screen.joins(office.daemon.http, &office.token).await;
            screen.watches_until(|calls| calls[call]["agent"] == holder).await;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    took.sort_by(f64::total_cmp);
    figure(&format!("P7 a line back to the newest state: p50 {:.1} ms", percentile(&took, 0.5)));
    assert_eq!(screen.snapshots, 1);
}

/// A daemon with calls that are with agents, who claim and release them all day.
struct Office {
    daemon: Daemon,
    token: String,
    /// Call and token of its agent.
    agents: Vec<(String, String)>,
}

impl Office {
    async fn open() -> Self {
        let people = people(CALLS);
        let daemon = Daemon::start(&csv(&people));
        let token = daemon.token("supervisor", "watcher");
        let mut calls = JoinSet::new();
        for person in &people {
            let plan = Arc::new(person.calls(daemon.sip, &person.pin));
            calls.spawn(place(plan, ears(), CancellationToken::new()));
        }
        for report in calls.join_all().await {
            assert!(matches!(report.outcome, Outcome::Transferred { .. }), "{report}");
        }
        let mut office = Self { daemon, token, agents: vec![] };
        // Whoever called last is still on the way to the queue: such a call changes by itself.
        let began = Instant::now();
        let calls = loop {
            let calls = office.shows().await;
            if calls.values().all(|call| call["media"] == "handed_over")
                && calls.len() == people.len()
            {
                break calls;
            }
            assert!(began.elapsed() < PATIENCE, "{calls:?}");
        };
        for (nth, call) in calls.keys().enumerate() {
            let token = office.daemon.token("agent", &format!("agent{nth}"));
            office.agents.push((call.clone(), token));
        }
        office
    }

    /// States come until this is dropped.
    async fn at_work(&self) -> JoinSet<()> {
        let mut work = JoinSet::new();
        for (call, token) in &self.agents {
            let agent = Watcher::connect(self.daemon.http, token).await;
            let call = call.clone();
            work.spawn(async move {
                let mut pace = interval(PACE);
                loop {
                    for word in ["claim", "release"] {
                        pace.tick().await;
                        agent.say(json!({ "type": word, "id": 1, "call": call })).await;
                    }
                }
            });
        }
        work
    }

    /// What somebody sees who has just come.
    async fn shows(&self) -> BTreeMap<String, Value> {
        // What was asked for last is carried out.
        sleep(Duration::from_millis(200)).await;
        let mut screen = Screen::default();
        screen.joins(self.daemon.http, &self.token).await;
        screen.watches_until(|_| true).await;
        screen.calls
    }
}

type Socket = WebSocketStream<TcpStream>;

/// What a desktop keeps while lines come and go.
#[derive(Default)]
struct Screen {
    epoch: String,
    seq: u64,
    calls: BTreeMap<String, Value>,
    line: Option<Socket>,
    joined: usize,
    snapshots: usize,
    states: usize,
}

impl Screen {
    /// Drops the line it has, without a word, and takes a new one.
    async fn joins(&mut self, http: SocketAddr, token: &str) {
        drop(self.line.take());
        let stream = TcpStream::connect(http).await.expect("the daemon listens");
        let (mut socket, _) =
            client_async(desktop_request(http), stream).await.expect("the desktop connects");
        let mut hello = json!({ "type": "hello", "token": token });
        if self.joined > 0 {
            hello["resume"] = json!({ "epoch": self.epoch, "seq": self.seq });
        }
        socket.send(Message::text(hello.to_string())).await.expect("hello is sent");
        self.joined += 1;
        self.line = Some(socket);
    }

    async fn watches_for(&mut self, long: Duration) {
        let until = Instant::now() + long;
        while let Ok(()) = tokio::time::timeout_at(until, self.reads()).await {}
    }

    async fn watches_until(&mut self, fits: impl Fn(&BTreeMap<String, Value>) -> bool) {
        let seen = async {
            while self.snapshots == 0 || !fits(&self.calls) {
                self.reads().await;
            }
        };
        timeout(PATIENCE, seen).await.expect("it is shown in time");
    }

    async fn catches_up(
        &mut self,
        http: SocketAddr,
        token: &str,
        server: &BTreeMap<String, Value>,
    ) {
        self.joins(http, token).await;
        self.watches_until(|calls| calls == server).await;
        self.watches_for(Duration::from_millis(100)).await;
        assert_eq!(&self.calls, server, "nothing comes behind the newest state");
    }

    /// One frame.
    async fn reads(&mut self) {
        let line = self.line.as_mut().expect("a line");
        let message = line.next().await.expect("the daemon keeps the line").expect("a frame");
        let Message::Text(text) = message else { return };
        let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
        let seq = frame["seq"].as_u64();
        match frame["type"].as_str() {
            Some("welcome") => {
                let epoch = frame["epoch"].as_str().expect("an epoch");
                if self.epoch != epoch {
                    // Another life: what was seen before is worth nothing, and seq starts anew.
                    (self.epoch, self.seq) = (epoch.to_owned(), 0);
                }
            }
            Some("snapshot") => {
                self.snapshots += 1;
                self.seq = seq.expect("a seq");
                let call = |call: Value| (call["id"].as_str().expect("an id").to_owned(), call);
                self.calls = states(&text).into_iter().map(call).collect();
            }
            Some("call") => {
                self.rises(seq);
                let call = frame["call"].clone();
                let id = call["id"].as_str().expect("an id").to_owned();
                let known = self.calls.get(&id).and_then(|call| call["version"].as_u64());
                assert!(call["version"].as_u64() > known, "a call goes back: {known:?}, {call}");
                self.states += 1;
                self.calls.insert(id, call);
            }
            Some("call_gone") => {
                self.rises(seq);
                self.calls.remove(frame["call"].as_str().expect("an id"));
            }
            _ => {}
        }
    }

    fn rises(&mut self, seq: Option<u64>) {
        let seq = seq.expect("a seq");
        assert!(seq > self.seq, "seq {seq} behind {}", self.seq);
        self.seq = seq;
    }
}
