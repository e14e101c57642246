//! A desktop that keeps every frame as it came.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::client::client;

use crate::harness::Daemon;
use crate::harness::PATIENCE;

/// How long the socket is read before requests are looked for.
const TURN: Duration = Duration::from_millis(5);
/// Quiet turns between two signs of life.
const TURNS_QUIET: u32 = 400;

/// A desktop that has said hello.
pub(crate) struct Desktop {
    frames: Arc<Frames>,
    requests: mpsc::Sender<String>,
    next: AtomicU64,
}

/// Everything that came, in order.
#[derive(Default)]
struct Frames {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    frames: Vec<Arc<Frame>>,
    closed: Option<u16>,
}

/// Read once, when it comes: a busy desktop is looked at very often.
struct Frame {
    text: String,
    json: Value,
    came: Instant,
}

impl Desktop {
    /// Signs in and waits for the snapshot.
    pub(crate) fn connect(daemon: &Daemon, token: &str) -> Self {
        let desktop = Self::open(daemon, &json!({ "type": "hello", "token": token }));
        desktop.frame("the snapshot", |frame| frame["type"] == "snapshot");
        desktop
    }

    /// An agent's desktop.
    pub(crate) fn agent(daemon: &Daemon, name: &str) -> Self {
        Self::connect(daemon, &daemon.token("agent", name))
    }

    /// Opens the socket and sends this hello.
    pub(crate) fn open(daemon: &Daemon, hello: &Value) -> Self {
        let uri = format!("ws://{}/v1/desktop", daemon.http).parse().expect("a URI");
        let stream = TcpStream::connect(daemon.http).expect("the daemon listens");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("countersign.v1");
        let (socket, _) = client(request, stream).expect("the daemon upgrades");
        socket.get_ref().set_read_timeout(Some(TURN)).expect("a socket");
        let frames = Arc::new(Frames::default());
        let (requests, requested) = mpsc::channel();
        let keeper = Arc::clone(&frames);
        thread::spawn(move || converse(socket, &keeper, &requested));
        let desktop = Self { frames, requests, next: AtomicU64::new(1) };
        desktop.send(hello);
        desktop
    }

    pub(crate) fn send(&self, frame: &Value) {
        // A closed conversation takes nothing more; whoever waits for an answer will say so.
        let _ = self.requests.send(frame.to_string());
    }

    /// Asks for something about a call; `ok`, or the error's code.
    pub(crate) fn request(&self, word: &str, call: &str, fields: &Value) -> String {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut request = json!({ "type": word, "id": id, "call": call });
        let more = fields.as_object().into_iter().flatten();
        more.for_each(|(name, value)| request[name] = value.clone());
        self.send(&request);
        let answered = |frame: &Value| {
            frame["id"] == id && ["ok", "error"].iter().any(|word| frame["type"] == *word)
        };
        let answer = self.frame(&format!("the answer to {word}"), answered);
        answer["code"].as_str().unwrap_or("ok").to_owned()
    }

    /// Every frame so far.
    pub(crate) fn frames(&self) -> Vec<Value> {
        self.seen_from(0).iter().map(|frame| frame.json.clone()).collect()
    }

    /// Everything so far as it came over the wire.
    pub(crate) fn text(&self) -> String {
        self.seen_from(0).iter().map(|frame| frame.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The newest `seq`.
    pub(crate) fn seq(&self) -> u64 {
        let frames = self.seen_from(0);
        frames.iter().filter_map(|frame| frame.json["seq"].as_u64()).max().unwrap_or_default()
    }

    /// The first frame that fits, when it has come.
    #[track_caller]
    pub(crate) fn frame(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.first(what, |frame| fits(frame).then(|| frame.clone())).0
    }

    /// Every state of a call so far.
    pub(crate) fn states_of(&self, platform_call_id: &str) -> Vec<Value> {
        let frames = self.seen_from(0);
        let calls = frames.iter().flat_map(|frame| calls_in(&frame.json));
        calls.filter(|call| call["platform_call_id"] == platform_call_id).cloned().collect()
    }

    /// The first state of a call that fits, when it has come.
    #[track_caller]
    pub(crate) fn wait_for(
        &self,
        platform_call_id: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        self.came(platform_call_id, what, fits).0
    }

    /// The same, and when it came.
    #[track_caller]
    pub(crate) fn came(
        &self,
        platform_call_id: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> (Value, Instant) {
        self.first(what, |frame| {
            let mut calls =
                calls_in(frame).filter(|call| call["platform_call_id"] == platform_call_id);
            calls.find(|call| fits(call)).cloned()
        })
    }

    /// The code with which the daemon closed, when it has.
    #[track_caller]
    pub(crate) fn closed(&self) -> u16 {
        self.until("the socket is closed", || self.frames.read().closed)
    }

    fn seen_from(&self, first: usize) -> Vec<Arc<Frame>> {
        self.frames.read().frames.iter().skip(first).cloned().collect()
    }

    /// What is looked for in the first frame that has it, and when that frame came.
    #[track_caller]
    fn first<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> (T, Instant) {
        let mut looked_at = 0;
        self.until(what, || {
            let new = self.seen_from(looked_at);
            looked_at += new.len();
            new.iter().find_map(|frame| Some((look(&frame.json)?, frame.came)))
        })
    }

    #[track_caller]
    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let turns = PATIENCE.as_millis() / 100;
        for _ in 0..turns {
            if let Some(found) = look() {
                return found;
            }
            let seen = self.frames.read();
            let count = (seen.frames.len(), seen.closed);
            let unchanged = |seen: &mut Seen| (seen.frames.len(), seen.closed) == count;
            let waited =
                self.frames.changed.wait_timeout_while(seen, Duration::from_millis(100), unchanged);
            drop(waited.expect("no thread panics here"));
        }
        let told: Vec<_> = self
            .frames()
            .iter()
            .filter(|frame| frame["type"] == "call")
            .map(|frame| told(&frame["call"]))
            .collect();
        let rest: Vec<_> = self
            .frames()
            .iter()
            .filter(|frame| frame["type"] != "call" && frame["type"] != "pong")
            .map(Value::to_string)
            .collect();
        panic!("waited in vain: {what}; came so far:\n{}\n{}", told.join("\n"), rest.join("\n"));
    }
}

impl Frames {
    fn read(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no thread panics here")
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.read());
        self.changed.notify_all();
    }
}

/// Reads and writes until either side has gone.
fn converse(mut socket: WebSocket<TcpStream>, frames: &Frames, requested: &mpsc::Receiver<String>) {
    let mut quiet = 0;
    loop {
        match requested.try_recv() {
            Ok(request) => drop(socket.send(Message::text(request))),
            Err(mpsc::TryRecvError::Disconnected) => return drop(socket.close(None)),
            Err(mpsc::TryRecvError::Empty) => {}
        }
        match socket.read() {
            Ok(Message::Text(text)) => {
                let came = Instant::now();
                let frame = Frame { text: text.to_string(), json: parsed(&text), came };
                frames.change(|seen| seen.frames.push(Arc::new(frame)));
            }
            Ok(Message::Close(with)) => {
                frames
                    .change(|seen| seen.closed = Some(with.map_or(1005, |with| with.code.into())));
            }
            Ok(_) => {}
            Err(Error::Io(_)) => quiet += 1,
            Err(_) => return,
        }
        if quiet >= TURNS_QUIET {
            quiet = 0;
            drop(socket.send(Message::text(r#"{"type":"ping"}"#)));
        }
    }
}

/// The states of calls in a frame.
fn calls_in(frame: &Value) -> impl Iterator<Item = &Value> {
    let kind = frame["type"].as_str();
    let one = (kind == Some("call")).then(|| &frame["call"]);
    let all = frame["calls"].as_array().filter(|_| kind == Some("snapshot"));
    one.into_iter().chain(all.into_iter().flatten())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("frames are JSON")
}

/// A call's progress in one line: what an agent could follow, without names and times.
pub(crate) fn told(call: &Value) -> String {
    let mut told = vec![call["class"].as_str().unwrap_or("unclassified").to_owned()];
    let pin = &call["pin"];
    if !pin.is_null() {
        let positions: Vec<_> =
            pin["positions"].as_array().into_iter().flatten().map(Value::to_string).collect();
        told.push(format!("asked {}", positions.join(" ")));
        told.push(format!("entered {}", pin["entered"]));
        if pin["attempt"] != 1 {
            told.push(format!("attempt {}", pin["attempt"]));
        }
        told.extend(pin["result"].as_str().map(str::to_owned));
    }
    told.join(", ")
}

/// The steps of a call as its desktop saw them, each once.
pub(crate) fn story(states: &[Value]) -> Vec<String> {
    let mut story: Vec<String> = states.iter().map(told).collect();
    story.dedup();
    story.retain(|step| step != "unclassified");
    story
}

/// The positions asked in the last state that knows them.
pub(crate) fn positions(states: &[Value]) -> Vec<u64> {
    let longest = states
        .iter()
        .filter_map(|call| call["pin"]["positions"].as_array())
        .max_by_key(|asked| asked.len());
    longest.into_iter().flatten().filter_map(Value::as_u64).collect()
}
