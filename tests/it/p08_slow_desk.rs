//! P8: a desktop that does not read delays nobody. One in a hundred stops reading; the others get every state,
//! and the ones that stopped cost little memory and are sent away with 4408.
//!
//! The load is a closed loop: eight agents claim or release their calls, and the next step begins when every
//! desktop that reads has got all eight states. A hub that waited for a slow desktop would stand still here.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use countersign::sim::Outcome;
use countersign::sim::place;
use futures_util::SinkExt;
use futures_util::StreamExt;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::interval;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::promises::PATIENCE;
use crate::promises::Watcher;
use crate::promises::csv;
use crate::promises::desktop_request;
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

const CALLS: u32 = 8;
/// Steps without a slow desktop, to compare with.
const STEPS_BEFORE: usize = 40;
/// Steps at the most until all slow desktops are gone.
const STEPS_MAX: usize = 4000;
/// What a desktop that does not read may cost.
const STALLED_KIB: u64 = 1024;
/// What else the daemon may need for a while, whoever reads.
const NOISE_KIB: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_a_slow_desk_delays_nobody() {
    let (desktops, stalled) = if full() { (2000, 20) } else { (200, 4) };
    let files = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit { current: files.maximum, maximum: files.maximum },
    )
    .expect("sockets for everybody");
    // Nobody is sent away for being silent here, only for not reading.
    let settings = format!("{OFFICE}{CHEAP_PINS}[desktop]\nheartbeat_s = 300\n");
    let people = people(CALLS);
    let daemon = Daemon::with(&settings, &csv(&people));
    let token = daemon.token("supervisor", "watcher");
    for person in &people {
        let plan = std::sync::Arc::new(person.calls(daemon.sip, &person.pin));
        let report = place(plan, ears(), CancellationToken::new()).await;
        assert!(matches!(report.outcome, Outcome::Transferred { .. }), "{report}");
    }

    let mut work = Work::begin(&daemon, desktops, &token).await;
    let mut before = vec![];
    let mut pace = interval(Duration::from_millis(50));
    for _ in 0..STEPS_BEFORE {
        pace.tick().await;
        work.step(&mut before).await;
    }
    let pid = pid_of(&daemon).expect("the daemon runs");
    let rss_before = resident_kib(pid);
    let (mut slow, unsent) = (JoinSet::new(), watch_queues(daemon.http));
    for _ in 0..stalled {
        slow.spawn(stops_reading(daemon.http, token.clone(), unsent.clone()));
    }
    let (mut during, mut rss_peak, mut codes, mut steps) = (vec![], rss_before, vec![], 0);
    while codes.len() < stalled && steps < STEPS_MAX {
        pace.tick().await;
        work.step(&mut during).await;
        steps += 1;
        rss_peak = rss_peak.max(resident_kib(pid));
        while let Some(code) = slow.try_join_next() {
            codes.push(code.expect("a desktop does not panic"));
        }
    }
    let metrics = get(daemon.http, "/metrics").await;
    let cost = (rss_peak - rss_before) / u64::try_from(stalled).unwrap_or(1);
    figure(&format!(
        "P8 {desktops} desktops, {stalled} of them not reading; {} states pushed before, {} during; push latency before {}, \
         during {}; {cost} KiB resident a slow desktop ({rss_before} to {rss_peak} KiB); {} closed with 4408; {:.0} states \
         conflated",
        before.len(),
        during.len(),
        milliseconds(&mut before),
        milliseconds(&mut during),
        codes.iter().filter(|code| **code == Some(4408)).count(),
        metric(&metrics, "countersign_desktop_conflated_total"),
    ));
    assert_eq!(work.gaps, 0, "desktops that read get every state");
    assert_eq!(
        codes,
        vec![Some(4408); stalled],
        "who does not read is sent away, and can read why"
    );
    assert!(
        rss_peak - rss_before <= STALLED_KIB * stalled as u64 + NOISE_KIB,
        "{rss_before} to {rss_peak} KiB"
    );
}

fn milliseconds(latencies: &mut [f64]) -> String {
    latencies.sort_by(f64::total_cmp);
    format!("p50 {:.1} ms p99 {:.1} ms", percentile(latencies, 0.5), percentile(latencies, 0.99))
}

/// A state that a desktop got.
struct Got {
    desktop: usize,
    call: String,
    version: u64,
    at: Instant,
}

/// Agents who change calls, and desktops that watch them do it.
struct Work {
    agents: Vec<(String, Watcher)>,
    got: mpsc::Receiver<Got>,
    /// By desktop and call.
    versions: BTreeMap<(usize, String), u64>,
    desktops: usize,
    claimed: bool,
    gaps: u64,
    _reading: JoinSet<()>,
}

impl Work {
    async fn begin(daemon: &Daemon, desktops: usize, token: &str) -> Self {
        let (tell, got) = mpsc::channel(100_000);
        let mut reading = JoinSet::new();
        let mut versions = BTreeMap::new();
        for desktop in 0..desktops {
            let socket = desktop_socket(daemon.http, token, None).await;
            let (socket, snapshot) = snapshot_of(socket).await;
            for state in states(&snapshot) {
                let id = state["id"].as_str().expect("an id").to_owned();
                versions.insert((desktop, id), state["version"].as_u64().expect("a version"));
            }
            reading.spawn(reads_everything(desktop, socket, tell.clone()));
        }
        let calls: Vec<String> = versions
            .keys()
            .filter(|(desktop, _)| *desktop == 0)
            .map(|(_, call)| call.clone())
            .collect();
        assert_eq!(calls.len(), CALLS as usize);
        let mut agents = vec![];
        for (nth, call) in calls.into_iter().enumerate() {
            let token = daemon.token("agent", &format!("agent{nth}"));
            agents.push((call, Watcher::connect(daemon.http, &token).await));
        }
        Self { agents, got, versions, desktops, claimed: false, gaps: 0, _reading: reading }
    }

    /// Every agent changes its call; done when every desktop that reads has got all of the new states.
    async fn step(&mut self, latencies: &mut Vec<f64>) {
        let word = if self.claimed { "release" } else { "claim" };
        self.claimed = !self.claimed;
        let began = Instant::now();
        for (call, agent) in &self.agents {
            agent.say(json!({ "type": word, "id": 1, "call": call })).await;
        }
        let mut missing = self.desktops * self.agents.len();
        while missing > 0 {
            let got = timeout(PATIENCE, self.got.recv())
                .await
                .expect("desktops are served")
                .expect("desktops listen");
            let newest =
                self.versions.get_mut(&(got.desktop, got.call)).expect("a call of the snapshot");
            self.gaps += u64::from(got.version != *newest + 1);
            *newest = got.version;
            latencies.push(got.at.saturating_duration_since(began).as_secs_f64() * 1000.0);
            missing -= 1;
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

/// A desktop that has said hello. A receive buffer of a few bytes closes its TCP window as soon as it stops reading.
async fn desktop_socket(http: SocketAddr, token: &str, receive_buffer: Option<usize>) -> Socket {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).expect("a socket");
    }
    socket.connect(&http.into()).expect("the daemon listens");
    socket.set_nonblocking(true).expect("a socket");
    let stream = TcpStream::from_std(socket.into()).expect("a socket");
    let (mut socket, _) =
        client_async(desktop_request(http), stream).await.expect("the desktop connects");
    let hello = json!({ "type": "hello", "token": token }).to_string();
    socket.send(Message::text(hello)).await.expect("hello is sent");
    socket
}

/// Reads up to the snapshot.
async fn snapshot_of(mut socket: Socket) -> (Socket, String) {
    loop {
        let message =
            timeout(PATIENCE, socket.next()).await.expect("a snapshot in time").expect("a frame");
        let text = message.expect("a frame").into_text().expect("text").to_string();
        if text.contains(r#""type":"snapshot""#) {
            return (socket, text);
        }
    }
}

async fn reads_everything(desktop: usize, mut socket: Socket, tell: mpsc::Sender<Got>) {
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let Message::Text(text) = message else { continue };
        let between =
            |from: &str, to: char| Some(text.split_once(from)?.1.split_once(to)?.0.to_owned());
        let call = between(r#""call":{"id":""#, '"');
        let version = between(r#""version":"#, ',').and_then(|version| version.parse().ok());
        let Some((call, version)) = call.zip(version) else { continue };
        if tell.send(Got { desktop, call, version, at }).await.is_err() {
            return;
        }
    }
}

/// A socket whose queue has not moved for so long is stuck, however slowly this machine pushes.
const QUIET: Duration = Duration::from_secs(7);

/// A desktop that stops reading until the daemon has given it up; the code it is closed with.
///
/// It can see the code only if it reads on between the daemon's decision, ten seconds after the socket was
/// full, and the end of the two seconds in which the daemon tries to say why.
async fn stops_reading(
    http: SocketAddr,
    token: String,
    mut unsent: watch::Receiver<Unsent>,
) -> Option<u16> {
    let socket = desktop_socket(http, &token, Some(2048)).await;
    let (mut socket, _) = snapshot_of(socket).await;
    let port = socket.get_ref().local_addr().expect("an address").port();
    let (mut queued, mut since) = (0, Instant::now());
    while queued == 0 || since.elapsed() < QUIET {
        unsent.changed().await.expect("somebody looks");
        let (at, now) = unsent.borrow().clone();
        let now = now.get(&port).copied().unwrap_or_default();
        if now != queued {
            (queued, since) = (now, at);
        }
    }
    sleep_until(since + Duration::from_millis(10_700)).await;
    let code = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break None,
            }
        }
    };
    // Whoever still gets states then was not given up.
    timeout(Duration::from_secs(20), code).await.unwrap_or_default()
}

/// What the kernel holds back on the daemon's side, by the port of the desktop, and when it was looked at.
type Unsent = (Instant, HashMap<u16, u64>);

/// Looks at the queues again and again, on a thread of its own: with thousands of sockets the table is long.
fn watch_queues(daemon: SocketAddr) -> watch::Receiver<Unsent> {
    let (tell, told) = watch::channel((Instant::now(), HashMap::new()));
    std::thread::spawn(move || {
        while !tell.is_closed() {
            let at = Instant::now();
            tell.send_replace((at, unsent(daemon)));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    told
}

fn unsent(daemon: SocketAddr) -> HashMap<u16, u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("procfs");
    let ours = format!(":{:04X}", daemon.port());
    let row = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote) = (fields.next()?, fields.next()?);
        let queues = fields.nth(1).filter(|_| local.ends_with(&ours))?;
        let port = u16::from_str_radix(remote.split_once(':')?.1, 16).ok()?;
        Some((port, u64::from_str_radix(queues.split_once(':')?.0, 16).ok()?))
    };
    table.lines().filter_map(row).collect()
}
