//! Events as fast as a large platform sends them, over HTTP and over gRPC, with requests that are sent twice
//! and answers that get lost: each counts once, and every call hears its own in their order.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

use crate::harness::Daemon;
use crate::harness::grpc::event;
use crate::harness::grpc::proto::CallEvent;
use crate::harness::grpc::proto::EventAnswer;
use crate::harness::grpc::proto::call_events_client::CallEventsClient;
use crate::harness::grpc::stream;
use crate::promises::Dice;
use crate::promises::cpu_seconds;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::get;
use crate::promises::metric;
use crate::promises::percentile;
use crate::promises::pid_of;
use crate::promises::resident_kib;

/// Events of one call: it comes, is answered, so much happens, it goes.
const EVENTS: u32 = 16;
/// Calls that one connection has at a time.
const CALLS: usize = 32;
const CONNECTIONS: u64 = 8;
/// What is asked of two cores.
const RATE: u32 = 5000;
/// One request in so many is sent twice; the answer of one in so many is never read.
const TWICE: usize = 20;
const LOST: usize = 100;

/// What one worker did.
#[derive(Default)]
struct Sent {
    /// Each once, however often it was sent.
    events: u32,
    digits: u32,
    requests: u32,
    /// How long each took, in milliseconds.
    took: Vec<f64>,
}

/// How much is to be done, and how fast.
#[derive(Clone)]
struct Plan {
    /// Calls that are still to begin, of all workers.
    left: Arc<AtomicU32>,
    /// The events that are due, of all workers; `None`: as fast as it goes.
    due: Option<(Instant, Arc<AtomicU32>)>,
}

impl Plan {
    fn new() -> Self {
        let (calls, due) = if full() {
            (5 * 60 * RATE / EVENTS, Some((Instant::now(), Arc::default())))
        } else {
            (300, None)
        };
        Self { left: Arc::new(AtomicU32::new(calls)), due }
    }

    /// Whether one more call is to begin.
    fn begins(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Waits until so many more events are due.
    async fn waits(&self, events: u32) {
        if let Some((began, sent)) = &self.due {
            let before = sent.fetch_add(events, Ordering::Relaxed);
            sleep_until(*began + Duration::from_secs_f64(f64::from(before) / f64::from(RATE)))
                .await;
        }
    }
}

/// A call's script: how far it has come.
struct Call {
    name: String,
    next: u32,
}

impl Call {
    /// The next event, as JSON.
    fn next(&mut self) -> Option<Value> {
        let nth = self.next;
        self.next += 1;
        let (kind, more) = match (nth, nth % 3) {
            (EVENTS.., _) => return None,
            (0, _) => ("delivered", json!({ "direction": "inbound", "dnis": "+448000000000" })),
            (1, _) => ("established", json!({})),
            (15, _) => ("connection_cleared", json!({ "cause": 16 })),
            (_, 0) => ("digit_generated", json!({ "digit": "7", "duration_ms": 80 })),
            // One that was never there: the call notes it, and nothing else comes of it.
            (_, 1) => ("agent_left", json!({ "agent": format!("s{nth}") })),
            _ => (if nth.is_multiple_of(2) { "held" } else { "retrieved" }, json!({})),
        };
        let mut event = json!({
            "event_id": format!("{}-{nth}", self.name), "call_id": self.name,
            "at": format!("2026-11-22T10:00:{nth:02}Z"), "platform": "pbx", "type": kind,
        });
        let more = more.as_object().expect("fields").clone();
        more.into_iter().for_each(|(name, value)| event[name] = value);
        Some(event)
    }

    /// What the timeline of each call says of its platform's words.
    fn told() -> Vec<String> {
        let noted = |nth: u32| match nth % 3 {
            1 => Some(format!("s{nth} left")),
            2 => Some(if nth.is_multiple_of(2) { "held" } else { "retrieved" }.to_owned()),
            _ => None,
        };
        ["call delivered".to_owned()].into_iter().chain((2..EVENTS - 1).filter_map(noted)).collect()
    }
}

/// The calls of one connection.
struct Calls {
    plan: Plan,
    worker: String,
    begun: u32,
    live: VecDeque<Call>,
}

impl Calls {
    fn new(plan: Plan, worker: String) -> Self {
        Self { plan, worker, begun: 0, live: VecDeque::new() }
    }

    /// The next event of the call whose turn it is.
    fn next(&mut self) -> Option<Value> {
        loop {
            while self.live.len() < CALLS && self.plan.begins() {
                self.begun += 1;
                let name = format!("{}-{}", self.worker, self.begun);
                self.live.push_back(Call { name, next: 0 });
            }
            let mut call = self.live.pop_front()?;
            if let Some(event) = call.next() {
                self.live.push_back(call);
                return Some(event);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_contract_4_single_events_over_http_count_once_and_in_order() {
    over_http("single events over HTTP", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_contract_4_arrays_of_events_over_http_count_once_and_in_order() {
    over_http("arrays of 20 events over HTTP", 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_contract_4_events_over_grpc_count_once_and_in_order() {
    let daemon = daemon();
    let (address, token) = (daemon.grpc.expect("gRPC"), daemon.token("platform", "pbx"));
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
    let channel = channel.connect().await.expect("the daemon listens");
    measure(daemon, "events over gRPC", |worker, plan| {
        exchange(channel.clone(), token.clone(), worker, plan)
    })
    .await;
}

async fn over_http(what: &str, batch: u32) {
    let daemon = daemon();
    let (address, token) = (daemon.http, daemon.token("platform", "pbx"));
    measure(daemon, what, |worker, plan| post(address, token.clone(), worker, plan, batch)).await;
}

fn daemon() -> Daemon {
    Daemon::with("[log]\nlevel = \"warn\"\n", "customer_id,name\n1001,Customer One\n")
}

/// Runs the workers, then holds what the daemon counted and kept against what was sent.
async fn measure<W: Future<Output = Sent> + Send + 'static>(
    mut daemon: Daemon,
    what: &str,
    worker: impl Fn(u64, Plan) -> W,
) {
    let pid = pid_of(&daemon).expect("the daemon runs");
    let (plan, cpu, began) = (Plan::new(), cpu_seconds(pid), Instant::now());
    let planned = plan.left.load(Ordering::Relaxed);
    let rss = resident_kib(pid);
    let mut workers = JoinSet::new();
    (0..CONNECTIONS).for_each(|nth| drop(workers.spawn(worker(nth, plan.clone()))));
    let mut sent = Sent::default();
    while let Some(one) = workers.join_next().await {
        let one = one.expect("a worker does not panic");
        sent.events += one.events;
        sent.digits += one.digits;
        sent.requests += one.requests;
        sent.took.extend(one.took);
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
    sent.took.sort_by(f64::total_cmp);
    let rate = f64::from(sent.events) / seconds;
    figure(&format!(
        "{what}: {} events of {planned} calls in {seconds:.1} s, {rate:.0} a second, {} requests, p50 {:.2} ms, p99 {:.2} \
         ms; {cpu:.1} CPU seconds of the daemon, {:.0} µs an event; {rss} to {} KiB resident",
        sent.events,
        sent.requests,
        percentile(&sent.took, 0.5),
        percentile(&sent.took, 0.99),
        cpu * 1e6 / f64::from(sent.events),
        resident_kib(pid),
    ));
    assert_eq!(sent.events, planned * EVENTS, "the generator sent everything");
    let metrics = get(daemon.http, "/metrics").await;
    let taken = metrics.lines().find_map(|line| {
        line.strip_prefix(r#"countersign_call_events_total{result="taken"} "#)?.parse::<u32>().ok()
    });
    assert_eq!(taken, Some(sent.events), "each was taken once");
    for odd in ["out_of_order", "stale", "unknown_call"] {
        assert!(
            !metrics.contains(&format!(r#"events_total{{result="{odd}"}}"#)),
            "{odd}: {metrics}"
        );
    }
    let digits = metric(&metrics, "countersign_digits_total");
    assert!((digits - f64::from(sent.digits)).abs() < 0.5, "{digits} of {}", sent.digits);
    daemon.stop();
    kept_in_order(&daemon, planned);
    if full() {
        assert!(rate >= 0.98 * f64::from(RATE), "{rate:.0} events a second");
    }
}

/// Every call is in the records, once, with what its platform said in its order.
fn kept_in_order(daemon: &Daemon, planned: u32) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(daemon.path("records.db"), flags).expect("the records");
    let mut views = db.prepare("SELECT view FROM calls").expect("a table of calls");
    let views = views.query_map([], |row| row.get::<_, String>(0)).expect("its rows");
    let (told, mut calls) = (Call::told(), BTreeMap::<String, u32>::new());
    for view in views {
        let view: Value = serde_json::from_str(&view.expect("a text")).expect("JSON");
        let lines = view["timeline"].as_array().into_iter().flatten();
        let lines = lines.filter(|line| line["who"] == "platform");
        let heard: Vec<_> = lines.filter_map(|line| line["what"].as_str()).collect();
        let name = view["platform_call_id"].as_str().expect("a name").to_owned();
        assert_eq!(heard, told, "{name}");
        *calls.entry(name).or_default() += 1;
    }
    assert_eq!(u32::try_from(calls.len()), Ok(planned), "every call was kept");
    assert!(calls.values().all(|count| *count == 1), "no call began twice");
}

// --- HTTP ---

/// A connection that posts its calls' events and reads its answers, mostly.
struct Posts {
    address: SocketAddr,
    token: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Posts {
    async fn connection(&mut self) -> &mut BufReader<TcpStream> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address).await.expect("the daemon listens");
            stream.set_nodelay(true).expect("a socket");
            self.connection = Some(BufReader::new(stream));
        }
        self.connection.as_mut().expect("just set")
    }

    async fn send(&mut self, body: &str) {
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        self.connection().await.write_all(head.as_bytes()).await.expect("the daemon reads");
    }

    /// The answer: how many events were accepted.
    async fn answer(&mut self) -> Value {
        let connection = self.connection().await;
        let (mut line, mut length, mut first) = (String::new(), 0, true);
        loop {
            line.clear();
            connection.read_line(&mut line).await.expect("an answer");
            assert!(!first || line.starts_with("HTTP/1.1 200"), "{line}");
            first = false;
            let lower = line.to_ascii_lowercase();
            if let Some(stated) = lower.strip_prefix("content-length:") {
                length = stated.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.expect("the whole answer");
        serde_json::from_slice(&body).expect("JSON")
    }
}

async fn post(address: SocketAddr, token: String, worker: u64, plan: Plan, batch: u32) -> Sent {
    let mut posts = Posts { address, token, connection: None };
    let (mut calls, mut dice) = (Calls::new(plan.clone(), format!("h{worker}")), Dice::new(worker));
    let mut sent = Sent::default();
    loop {
        let events: Vec<_> = (0..batch).map_while(|_| calls.next()).collect();
        let Some(first) = events.first() else { return sent };
        let count = u32::try_from(events.len()).expect("a small batch");
        let body = if batch == 1 { first.to_string() } else { json!(events).to_string() };
        plan.waits(count).await;
        sent.events += count;
        sent.digits += digits(&events);
        let began = Instant::now();
        if dice.below(LOST) == 0 {
            // Nobody knows whether it was taken: it is sent again.
            posts.send(&body).await;
            posts.connection = None;
        }
        for _ in 0..if dice.below(TWICE) == 0 { 2 } else { 1 } {
            posts.send(&body).await;
            let answer = posts.answer().await;
            assert_eq!(answer["accepted"], count, "{answer}");
            sent.requests += 1;
        }
        sent.took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
}

fn digits(events: &[Value]) -> u32 {
    let digits = events.iter().filter(|event| event["type"] == "digit_generated");
    digits.map(|_| 1).sum()
}

// --- gRPC ---

/// One exchange: the next event of a call is sent when the one before it was answered.
async fn exchange(channel: Channel, token: String, worker: u64, plan: Plan) -> Sent {
    let mut client = CallEventsClient::new(channel);
    let (mut calls, mut dice) = (Calls::new(plan.clone(), format!("g{worker}")), Dice::new(worker));
    let mut sent = Sent::default();
    let mut unanswered: Vec<(CallEvent, Instant)> = vec![];
    loop {
        let (events, queue) = mpsc::channel(2 * CALLS);
        let mut request = Request::new(stream(queue));
        let bearer = MetadataValue::try_from(format!("Bearer {token}")).expect("a header");
        request.metadata_mut().insert("authorization", bearer);
        let mut answers = client.exchange(request).await.expect("a stream").into_inner();
        for (event, _) in &unanswered {
            events.send(event.clone()).await.expect("the stream is open");
        }
        loop {
            while unanswered.len() < CALLS / 2 {
                let Some(next) = calls.next() else { break };
                plan.waits(1).await;
                let next = event(&next);
                sent.events += 1;
                sent.requests += 1;
                sent.digits += u32::from(next.r#type == "digit_generated");
                let twice = dice.below(TWICE) == 0;
                events.send(next.clone()).await.expect("the stream is open");
                if twice {
                    events.send(next.clone()).await.expect("the stream is open");
                }
                unanswered.push((next, Instant::now()));
            }
            if unanswered.is_empty() {
                return sent;
            }
            // What was sent and not answered is sent again over a new stream.
            if dice.below(20 * LOST) == 0 {
                break;
            }
            let answer: EventAnswer =
                answers.message().await.expect("the stream goes on").expect("it is open");
            assert!(answer.event_id.is_empty() || answer.accepted, "{answer:?}");
            let place = unanswered.iter().position(|(event, _)| event.event_id == answer.event_id);
            if let Some((_, began)) = place.map(|place| unanswered.remove(place)) {
                sent.took.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
}
