//! Many desktops over two nodes while calls come in on both: how long an event takes to a desktop on the
//! owner's node and on the other, whether every desktop ends with the truth, and what a desktop costs.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

use futures_util::SinkExt;
use futures_util::StreamExt;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use serde_json::Value;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::cluster::Cluster;
use crate::harness::platform::Platform;
use crate::promises::Person;
use crate::promises::csv;
use crate::promises::desktop_request;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::promises::percentile;
use crate::promises::pid_of;
use crate::promises::resident_kib;

/// A desktop looks at one queue, as an agent does; every queue has its own number.
const QUEUES: usize = 50;
/// An event that brings the first key of a call: what is timed.
type Pressed = Arc<Mutex<HashMap<String, Instant>>>;
/// The newest version of each call, as a desktop saw it.
type Newest = HashMap<String, u64>;

struct Load {
    desktops: usize,
    lasts: Duration,
    /// Each call changes its state about six times.
    calls_per_second: u32,
}

/// What all desktops report to.
struct Meters {
    pressed: Pressed,
    /// From the event to the frame, in milliseconds: on the call's node, and across.
    took: [Mutex<Vec<f64>>; 2],
}

#[test]
fn load_d06_desktops_of_two_nodes_end_with_the_truth() {
    let load = if full() {
        Load { desktops: 10_000, lasts: Duration::from_mins(1), calls_per_second: 16 }
    } else {
        Load { desktops: 400, lasts: Duration::from_secs(5), calls_per_second: 8 }
    };
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("as many files as we may");
    let people = people(u32::try_from(QUEUES).expect("few"));
    let cluster = Cluster::with(2, &queues(), &csv(&people));
    let rss = || {
        let nodes = cluster.nodes.iter().map(|node| pid_of(node).expect("it runs"));
        nodes.map(resident_kib).collect::<Vec<_>>()
    };
    let before = rss();
    let runtime = Runtime::new().expect("a runtime");
    let took = [Mutex::default(), Mutex::default()];
    let meters = Arc::new(Meters { pressed: Pressed::default(), took });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut desktops = JoinSet::new();
    let tokens: Vec<String> = (0..QUEUES).map(|queue| token(&cluster, queue)).collect();
    for nth in 0..load.desktops {
        let node = nth % 2;
        let token = tokens[nth / 2 % QUEUES].clone();
        let (http, meters, stopped) =
            (cluster.nodes[node].http, Arc::clone(&meters), stopped.clone());
        desktops.spawn_on(desktop(http, token, node, meters, stopped), runtime.handle());
        if nth % 100 == 99 {
            // As a shift begins, and not as one blow.
            thread::sleep(Duration::from_millis(20));
        }
    }
    connected(&cluster, load.desktops);
    let after = rss();
    calls(&cluster, &people, &load, &meters.pressed);
    // The last states are on their way for a moment.
    thread::sleep(Duration::from_secs(2));
    let truth = truth(&cluster);
    stop.send(true).expect("desktops listen");
    let ended = runtime.block_on(desktops.join_all());
    let astray: usize = ended.iter().map(|seen| differs(seen, &truth)).sum();
    report(&load, &meters, (&before, &after));
    assert_eq!(astray, 0, "calls that a desktop saw in another state than the last");
    let came = load.lasts.as_secs() * u64::from(load.calls_per_second);
    let expected = QUEUES.min(usize::try_from(came).expect("few"));
    assert!(truth.len() >= expected, "there were calls: {}", truth.len());
}

fn queues() -> String {
    (0..QUEUES).fold(String::new(), |mut text, queue| {
        writeln!(text, "[queues.q{queue}]\nnumbers = [\"{}\"]", dialled(queue)).expect("a text");
        text
    })
}

fn dialled(queue: usize) -> String {
    format!("+4480000000{queue:02}")
}

fn token(cluster: &Cluster, queue: usize) -> String {
    let (sub, queue) = (format!("agent-{queue}"), format!("q{queue}"));
    let arguments = ["token", "--role", "agent", "--sub", &sub, "--queue", &queue];
    cluster.a().run(&arguments).trim().to_owned()
}

fn connected(cluster: &Cluster, desktops: usize) {
    let count = || {
        let of = |node: &crate::harness::Daemon| {
            crate::promises::metric(&node.metrics(), "countersign_desktops")
        };
        cluster.nodes.iter().map(of).sum::<f64>()
    };
    let wanted = f64::from(u32::try_from(desktops).expect("some thousands"));
    crate::harness::poll("all desktops are connected", || (count() >= wanted).then_some(()));
}

/// One desktop: notes versions, and when the first key of a call shows.
async fn desktop(
    http: SocketAddr,
    token: String,
    node: usize,
    meters: Arc<Meters>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Newest {
    let (mut socket, _) = connect_async(desktop_request(http)).await.expect("it connects");
    let hello = json!({ "type": "hello", "token": token }).to_string();
    socket.send(Message::text(hello)).await.expect("it is sent");
    let mut beat = interval(Duration::from_secs(10));
    let (mut newest, mut shown) = (Newest::new(), HashSet::new());
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(message)) = message else { return newest };
                let Ok(text) = message.to_text() else { continue };
                if !text.starts_with(r#"{"type":"call""#) && !text.contains(r#""type":"call","#) {
                    continue;
                }
                let frame: Value = serde_json::from_str(text).expect("frames are JSON");
                let call = &frame["call"];
                let Some(id) = call["platform_call_id"].as_str() else { continue };
                newest.insert(id.to_owned(), call["version"].as_u64().unwrap_or_default());
                if call["pin"]["entered"] == 1 && shown.insert(id.to_owned()) {
                    meters.shown(id, node);
                }
            }
            _ = beat.tick() => {
                // A socket that is lost is noticed by the next read.
                let _ = socket.send(Message::text(r#"{"type":"ping"}"#)).await;
            }
            _ = stop.changed() => return newest,
        }
    }
}

impl Meters {
    fn shown(&self, call: &str, node: usize) {
        let pressed = self.pressed.lock().expect("no thread panics here").get(call).copied();
        let Some(pressed) = pressed else { return };
        let ms = pressed.elapsed().as_secs_f64() * 1000.0;
        let owner = usize::from(call.starts_with('b'));
        let across = usize::from(owner != node);
        self.took[across].lock().expect("no thread panics here").push(ms);
    }
}

/// Calls on both nodes, at a steady pace: asked, keyed, passed, over.
fn calls(cluster: &Cluster, people: &[Person], load: &Load, pressed: &Pressed) {
    const LINES: u32 = 4;
    let ends = Instant::now() + load.lasts;
    thread::scope(|scope| {
        for line in 0..LINES {
            scope.spawn(move || {
                let owner = if line % 2 == 0 { 'a' } else { 'b' };
                let platform = Platform::new(&cluster.nodes[usize::from(owner == 'b')]);
                let pause = Duration::from_secs(1) * LINES / load.calls_per_second;
                for nth in 0.. {
                    let begun = Instant::now();
                    if begun >= ends {
                        return;
                    }
                    let queue = (nth * LINES as usize + line as usize) % QUEUES;
                    let call = format!("{owner}-{line}-{nth}");
                    one_call(&platform, &call, queue, &people[queue], pressed);
                    thread::sleep(pause.saturating_sub(begun.elapsed()));
                }
            });
        }
    });
}

fn one_call(platform: &Platform<'_>, call: &str, queue: usize, person: &Person, pressed: &Pressed) {
    let number = &person.number;
    let fields = json!({
        "direction": "inbound", "ani": number, "cli": number, "dnis": dialled(queue),
        "trunk": "office",
    });
    let begun = platform.send("delivered", call, &fields);
    pressed.lock().expect("no thread panics here").insert(call.to_owned(), Instant::now());
    let (_, last) = platform.keys_pin(call, begun, &person.pin);
    assert_eq!(last["authentication"], "authenticated", "{last}");
    platform.send("connection_cleared", call, &json!({ "cause": 16 }));
}

/// The newest version of every call that lives, from the node that has it.
fn truth(cluster: &Cluster) -> Newest {
    let mut truth = Newest::new();
    for node in &cluster.nodes {
        let token = node.token("supervisor", "sue");
        let (status, said) = node.ask("GET", "/v1/calls", &token, None);
        assert_eq!(status, 200);
        for call in said["calls"].as_array().into_iter().flatten() {
            let id = call["platform_call_id"].as_str().expect("an id").to_owned();
            let version = call["version"].as_u64().expect("a number");
            let newest = truth.entry(id).or_default();
            *newest = version.max(*newest);
        }
    }
    truth
}

fn differs(seen: &Newest, truth: &Newest) -> usize {
    // A call that has left the desktops in the meantime has no truth any more.
    let other = |(id, version): &(&String, &u64)| truth.get(*id).is_some_and(|now| now != *version);
    seen.iter().filter(other).count()
}

fn report(load: &Load, meters: &Meters, rss: (&[u64], &[u64])) {
    let mut latency = String::new();
    for (name, took) in ["on the call's node", "across nodes"].into_iter().zip(&meters.took) {
        let mut took = took.lock().expect("no thread panicked").clone();
        took.sort_by(f64::total_cmp);
        write!(
            latency,
            "; event to frame {name} p50 {:.1} ms, p99 {:.1} ms of {}",
            percentile(&took, 0.5),
            percentile(&took, 0.99),
            took.len()
        )
        .expect("a text");
    }
    let each = u64::try_from(load.desktops / 2).expect("some thousands");
    let kib: Vec<u64> = rss.0.iter().zip(rss.1).map(|(from, to)| (to - from) / each).collect();
    figure(&format!(
        "{} desktops over two nodes, {} calls/s for {:?}{latency}; {kib:?} KiB resident a desktop",
        load.desktops, load.calls_per_second, load.lasts
    ));
}
