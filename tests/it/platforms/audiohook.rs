//! A client of Genesys' Audio Connector: signs its handshake, counts every message, pings, plays what it is
//! sent in real time and says so, limits rates, and closes when it is asked to, as its vendor's does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::prompts;
use countersign::rtp::g711::Law;
use futures_util::SinkExt;
use futures_util::StreamExt;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

pub(crate) const API_KEY: &str = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";
pub(crate) const SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";
pub(crate) const ORGANIZATION: &str = "d7934305-0972-4844-938e-9060eef73d05";
pub(crate) const NULL_UUID: &str = "00000000-0000-0000-0000-000000000000";
const DNIS: &str = "+1-800-555-6789";
/// A whole call is over by then.
const PATIENCE: Duration = Duration::from_mins(1);

/// A UUID that nobody else has.
pub(crate) fn uuid() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("30b0e395-84d3-4570-ac13-{:012x}", (u64::from(std::process::id()) << 24) + nth)
}

/// Settings of a daemon with a connector `main`.
pub(crate) fn settings() -> String {
    format!("{OFFICE}{CHEAP_PINS}{}", connector())
}

/// The connector `main`, its secret in a file of its own.
fn connector() -> String {
    let secret = std::env::temp_dir().join(format!("audiohook-{}.secret", std::process::id()));
    std::fs::write(&secret, format!("{SECRET}\n")).expect("a temporary file");
    let secret = secret.display();
    format!(
        "[audiohook.connectors.main]\napi_key = \"{API_KEY}\"\n\
         client_secret_file = \"{secret}\"\ntrunk = \"office\"\n"
    )
}

/// A handshake; stories change what they want to be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    pub(crate) path: String,
    pub(crate) api_key: String,
    pub(crate) secret: Vec<u8>,
    pub(crate) session: String,
    pub(crate) nonce: String,
    /// Seconds from now.
    pub(crate) created: i64,
    pub(crate) signed: bool,
    /// Cuts the signature header off after so many characters.
    pub(crate) cut: Option<usize>,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        let session = uuid();
        let nonce = format!("nonce-{session}").replace('-', "");
        Self {
            path: "/v1/audiohook/main".into(),
            api_key: API_KEY.into(),
            secret: STANDARD.decode(SECRET).expect("base64"),
            nonce,
            session,
            created: 0,
            signed: true,
            cut: None,
        }
    }

    /// Connects; the status of a refusal.
    pub(crate) async fn connect(
        &self,
        to: SocketAddr,
    ) -> Result<WebSocketStream<TcpStream>, (u16, String)> {
        let correlation = uuid();
        let headers = [
            ("audiohook-organization-id", ORGANIZATION),
            ("audiohook-session-id", &self.session),
            ("audiohook-correlation-id", &correlation),
            ("x-api-key", &self.api_key),
        ];
        let uri = format!("ws://{to}{}", self.path).parse().expect("a URI");
        let mut request = ClientRequestBuilder::new(uri);
        for (name, value) in headers {
            request = request.with_header(name, value);
        }
        if self.signed {
            let (input, mut signature) = self.sign(to, &headers);
            signature.truncate(self.cut.unwrap_or(signature.len()));
            request = request.with_header("signature-input", input);
            request = request.with_header("signature", signature);
        }
        let stream = TcpStream::connect(to).await.expect("the daemon listens");
        stream.set_nodelay(true).expect("a socket");
        match client_async(request, stream).await {
            Ok((ws, _)) => Ok(ws),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
            }
            Err(error) => panic!("no answer: {error}"),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a client's calendar is the machine's")]
    fn sign(&self, to: SocketAddr, headers: &[(&str, &str)]) -> (String, String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let created = now.checked_add_signed(self.created).expect("a time");
        let authority = to.to_string();
        let first = [("@request-target", self.path.as_str()), ("@authority", &authority)];
        let lines: Vec<_> = first.iter().chain(headers).copied().collect();
        let names: Vec<_> = lines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let list = format!(
            "({});keyid=\"{}\";nonce=\"{}\";alg=\"hmac-sha256\";created={created};expires={}",
            names.join(" "),
            self.api_key,
            self.nonce,
            created + 30,
        );
        let mut base: Vec<_> =
            lines.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        base.push(format!("\"@signature-params\": {list}"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key");
        mac.update(base.join("\n").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        (format!("sig1={list}"), format!("sig1=:{signature}:"))
    }
}

/// How a session begins.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) conversation: String,
    pub(crate) participant: String,
    pub(crate) ani: String,
    pub(crate) inputs: Value,
    pub(crate) media: Value,
}

impl Opening {
    pub(crate) fn from(ani: &str) -> Self {
        let media = |format| json!({ "type": "audio", "format": format, "channels": ["external"], "rate": 8000 });
        Self {
            conversation: uuid(),
            participant: uuid(),
            ani: ani.into(),
            inputs: json!({}),
            media: json!([media("PCMU"), media("L16")]),
        }
    }

    fn parameters(&self) -> Value {
        let dnis = if self.conversation == NULL_UUID { "" } else { DNIS };
        json!({
            "organizationId": ORGANIZATION,
            "conversationId": self.conversation,
            "participant": { "id": self.participant, "ani": self.ani, "aniName": "", "dnis": dnis },
            "media": self.media,
            "language": "en-GB",
            "inputVariables": self.inputs,
            "somethingNew": { "of": "tomorrow" },
        })
    }
}

/// What a client is to do.
#[derive(Debug)]
enum Order {
    Say(&'static str, Value),
    /// A message with another `seq` than the next.
    Skip,
    /// The connection breaks, without a word.
    Break,
}

/// What a client noticed.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// The chosen media, and how long it took.
    Opened(Value, Duration),
    /// A phrase of the pack, known by its sound.
    Phrase(String),
    BargeIn,
    Pong,
    Other(String),
    /// Reason and output variables.
    Disconnect(String, Value),
    /// `closed` came.
    Closed,
    /// The connection is gone.
    Gone,
    /// The server broke a rule.
    Wrong(String),
}

/// One session of the client's.
pub(crate) struct Session {
    orders: mpsc::Sender<Order>,
    heard: mpsc::Receiver<Heard>,
    /// Ends with the session.
    _task: JoinSet<()>,
}

impl Session {
    /// Opens a session on a socket.
    pub(crate) fn open(ws: WebSocketStream<TcpStream>, session: String, opening: &Opening) -> Self {
        let (orders, ordered) = mpsc::channel(64);
        let (told, heard) = mpsc::channel(1024);
        let client = Client {
            ws,
            id: session,
            seq: 0,
            serverseq: 0,
            told,
            state: State::Opening,
            opened_at: Instant::now(),
            ping_at: None,
            pinged: None,
            pongs: 0,
            deadline: Instant::now() + Duration::from_secs(5),
            sound: vec![],
            known: false,
            sounds_until: None,
            binary: Bucket::new(30),
            text: Bucket::new(20),
        };
        let mut task = JoinSet::new();
        task.spawn(client.run(opening.parameters(), ordered));
        Self { orders, heard, _task: task }
    }

    pub(crate) async fn dial(to: SocketAddr, opening: &Opening) -> Self {
        let handshake = Handshake::new();
        let ws = handshake.connect(to).await.expect("a good handshake");
        Self::open(ws, handshake.session, opening)
    }

    pub(crate) async fn says(&self, kind: &'static str, parameters: Value) {
        // A session that is over takes nothing more; whoever waits for it will say so.
        let _ = self.orders.send(Order::Say(kind, parameters)).await;
    }

    pub(crate) async fn presses(&self, key: char) {
        self.says("dtmf", json!({ "digit": key.to_string() })).await;
    }

    pub(crate) async fn hangs_up(&self) {
        self.says("close", json!({ "reason": "end" })).await;
    }

    pub(crate) async fn skips_a_number(&self) {
        let _ = self.orders.send(Order::Skip).await;
    }

    pub(crate) async fn breaks(&self) {
        let _ = self.orders.send(Order::Break).await;
    }

    /// What comes next.
    pub(crate) async fn hears(&mut self) -> Heard {
        match timeout(PATIENCE, self.heard.recv()).await {
            Ok(Some(Heard::Wrong(what))) => panic!("the server broke a rule: {what}"),
            Ok(Some(heard)) => heard,
            Ok(None) => Heard::Gone,
            Err(elapsed) => panic!("waited in vain for the server: {elapsed}"),
        }
    }

    /// Waits for what fits; what comes before is passed over.
    pub(crate) async fn until<T>(&mut self, fits: impl Fn(&Heard) -> Option<T>) -> T {
        loop {
            let heard = self.hears().await;
            if let Some(found) = fits(&heard) {
                return found;
            }
            assert!(!matches!(heard, Heard::Gone), "the session ended without what was waited for");
        }
    }

    /// The next question: a position, `customer.number`; `None` when the session is to end.
    pub(crate) async fn asked(&mut self) -> Option<String> {
        self.until(|heard| match heard {
            Heard::Phrase(id) if id.starts_with("pin.position.") || id == "customer.number" => {
                Some(Some(id.clone()))
            }
            Heard::Disconnect(..) => Some(None),
            _ => None,
        })
        .await
    }

    /// The end that the server wants: reason and output variables.
    pub(crate) async fn ends(&mut self) -> (String, Value) {
        let end = |heard: &Heard| match heard {
            Heard::Disconnect(reason, outputs) => Some((reason.clone(), outputs.clone())),
            _ => None,
        };
        let ended = self.until(end).await;
        self.until(|heard| matches!(heard, Heard::Closed).then_some(())).await;
        ended
    }

    /// Keys the digits of this PIN that are asked, until the session is to end.
    pub(crate) async fn keys_pin(&mut self, pin: &str) -> (String, Value) {
        loop {
            let next = self.until(|heard| match heard {
                Heard::Phrase(id) => id.strip_prefix("pin.position.").map(|at| Ok(at.to_owned())),
                Heard::Disconnect(reason, outputs) => Some(Err((reason.clone(), outputs.clone()))),
                _ => None,
            });
            match next.await {
                Ok(at) => {
                    let at: usize = at.parse().expect("a position");
                    self.presses(pin.chars().nth(at - 1).expect("a digit")).await;
                }
                Err(end) => {
                    self.until(|heard| matches!(heard, Heard::Closed).then_some(())).await;
                    return end;
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    Open,
    Closing,
    Closed,
}

/// Ten a second, and so many at once.
struct Bucket {
    left: f64,
    most: f64,
    at: Instant,
}

impl Bucket {
    fn new(most: u32) -> Self {
        Self { left: most.into(), most: most.into(), at: Instant::now() }
    }

    fn takes_one(&mut self) -> bool {
        let now = Instant::now();
        self.left = (self.left + (now - self.at).as_secs_f64() * 10.0).min(self.most);
        self.at = now;
        self.left -= 1.0;
        self.left >= 0.0
    }
}

struct Client {
    ws: WebSocketStream<TcpStream>,
    id: String,
    seq: u64,
    serverseq: u64,
    told: mpsc::Sender<Heard>,
    state: State,
    opened_at: Instant,
    ping_at: Option<Instant>,
    /// The `seq` of the ping that is not answered.
    pinged: Option<u64>,
    pongs: u32,
    /// For `opened`, later for `closed`.
    deadline: Instant,
    /// What came since the last phrase began.
    sound: Vec<u8>,
    known: bool,
    sounds_until: Option<Instant>,
    binary: Bucket,
    text: Bucket,
}

impl Client {
    async fn run(mut self, opening: Value, mut ordered: mpsc::Receiver<Order>) {
        self.opened_at = Instant::now();
        self.say("open", opening).await;
        let far = Instant::now() + Duration::from_hours(1);
        let mut orders_open = true;
        while self.state != State::Closed {
            let ping_at = self.ping_at.unwrap_or(far);
            let sounds_until = self.sounds_until.unwrap_or(far);
            let deadline = if self.state == State::Open { far } else { self.deadline };
            tokio::select! {
                message = self.ws.next() => match message {
                    Some(Ok(Message::Text(text))) => self.reads(text.as_str()).await,
                    Some(Ok(Message::Binary(sound))) => self.plays(&sound).await,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
                order = ordered.recv(), if orders_open => match order {
                    Some(Order::Say(kind, parameters)) => self.obeys(kind, parameters).await,
                    Some(Order::Skip) => {
                        self.seq += 1;
                        self.say("ping", json!({})).await;
                    }
                    Some(Order::Break) => return,
                    None => orders_open = false,
                },
                () = sleep_until(ping_at) => self.pings().await,
                () = sleep_until(sounds_until) => self.silence().await,
                () = sleep_until(deadline) => self.wrong("408: no answer in time").await,
            }
        }
        let _ = self.ws.close(None).await;
        let _ = self.told.try_send(Heard::Gone);
    }

    async fn obeys(&mut self, kind: &'static str, parameters: Value) {
        if self.state == State::Closing {
            return;
        }
        self.say(kind, parameters).await;
        if kind == "close" {
            self.closing();
        }
    }

    fn closing(&mut self) {
        self.state = State::Closing;
        (self.ping_at, self.sounds_until) = (None, None);
        self.deadline = Instant::now() + Duration::from_secs(10);
    }

    async fn say(&mut self, kind: &str, parameters: Value) {
        self.seq += 1;
        let message = json!({
            "version": "2", "type": kind, "id": self.id, "seq": self.seq,
            "serverseq": self.serverseq, "position": "PT1.5S", "parameters": parameters,
        });
        // A connection that broke says so where it is read.
        let _ = self.ws.send(Message::text(message.to_string())).await;
    }

    async fn tell(&mut self, heard: Heard) {
        let _ = self.told.send(heard).await;
    }

    async fn wrong(&mut self, what: &str) {
        self.tell(Heard::Wrong(what.to_owned())).await;
        self.state = State::Closed;
    }

    async fn reads(&mut self, text: &str) {
        if !self.text.takes_one() {
            return self.wrong("429: text messages").await;
        }
        let message: Value = serde_json::from_str(text).expect("JSON");
        let kind = message["type"].as_str().expect("a type").to_owned();
        let parameters = &message["parameters"];
        if message["seq"] != self.serverseq + 1
            || message["id"] != *self.id
            || message["version"] != "2"
            || message["clientseq"].as_u64().is_none_or(|seq| seq > self.seq)
            || !parameters.is_object()
        {
            return self.wrong(&format!("500: {kind} after {}: {text}", self.serverseq)).await;
        }
        self.serverseq += 1;
        match kind.as_str() {
            "opened" if self.state == State::Opening => {
                self.state = State::Open;
                self.ping_at = Some(Instant::now() + Duration::from_secs(1));
                let took = self.opened_at.elapsed();
                self.tell(Heard::Opened(parameters["media"].clone(), took)).await;
            }
            "pong" if self.pinged.is_some() && message["clientseq"].as_u64() == self.pinged => {
                self.pinged = None;
                self.pongs += 1;
                if self.pongs == 1 {
                    self.ping_at = Some(Instant::now());
                }
                self.tell(Heard::Pong).await;
            }
            "event" if parameters["entities"][0]["type"] == "barge_in" => {
                self.sound.clear();
                self.known = false;
                self.sounds_until = None;
                self.tell(Heard::BargeIn).await;
            }
            "disconnect" => {
                let reason = parameters["reason"].as_str().expect("a reason").to_owned();
                let outputs = parameters["outputVariables"].clone();
                let texts =
                    outputs.as_object().is_some_and(|all| all.values().all(Value::is_string));
                assert!(texts, "output variables are texts: {text}");
                self.tell(Heard::Disconnect(reason, outputs)).await;
                if self.state != State::Closing {
                    self.say("close", json!({ "reason": "disconnect" })).await;
                    self.closing();
                }
            }
            "closed" if self.state == State::Closing => {
                self.state = State::Closed;
                self.tell(Heard::Closed).await;
            }
            "updated" | "pause" | "resume" => self.tell(Heard::Other(kind)).await,
            _ => self.wrong(&format!("409: {kind} in {:?}: {text}", self.state)).await,
        }
    }

    async fn pings(&mut self) {
        if self.pinged.is_some() {
            return self.wrong("408: no pong").await;
        }
        self.ping_at = Some(Instant::now() + Duration::from_secs(5));
        self.say("ping", json!({ "rtt": "PT0.01S" })).await;
        self.pinged = Some(self.seq);
    }

    async fn plays(&mut self, sound: &[u8]) {
        if !self.binary.takes_one() {
            return self.wrong("429: binary messages").await;
        }
        if self.state == State::Opening || sound.len() > 64_000 {
            return self.wrong("415: a binary message").await;
        }
        if self.state != State::Open {
            return;
        }
        let now = Instant::now();
        if self.sounds_until.is_none() {
            self.say("playback_started", json!({})).await;
        }
        let length = Duration::from_micros(sound.len() as u64 * 125);
        self.sounds_until = Some(self.sounds_until.unwrap_or(now).max(now) + length);
        self.sound.extend_from_slice(sound);
        let mut fits = pack().iter().filter(|(_, phrase)| phrase.starts_with(&self.sound));
        match (fits.next(), fits.next()) {
            (None, _) => self.wrong("sound that is no phrase of the pack").await,
            (Some((id, _)), None) if !self.known => {
                self.known = true;
                self.tell(Heard::Phrase(id.clone())).await;
            }
            _ => {}
        }
    }

    /// All that came has sounded.
    async fn silence(&mut self) {
        self.sounds_until = None;
        if pack().values().any(|phrase| *phrase == self.sound) {
            self.sound.clear();
            self.known = false;
        }
        self.say("playback_completed", json!({})).await;
    }
}

/// The sound of every phrase.
fn pack() -> &'static BTreeMap<String, Vec<u8>> {
    static PACK: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    PACK.get_or_init(|| {
        let pack = prompts::built_in("en").expect("the built-in pack");
        let sound = |phrase: &countersign::rtp::prompt::Prompt| phrase.frames(Law::Pcmu).concat();
        pack.iter().map(|phrase| (phrase.id().to_string(), sound(phrase))).collect()
    })
}

/// Genesys, connected to a daemon.
pub(crate) struct Genesys {
    http: SocketAddr,
    runtime: Runtime,
    lines: RefCell<BTreeMap<String, Line>>,
}

/// One caller's way to the daemon: it may break, and be made anew.
type Line = Rc<RefCell<(Opening, Session)>>;

/// Somebody whose call comes over the Audio Connector.
struct GenesysCaller<'a> {
    platform: &'a Genesys,
    name: String,
    line: Line,
}

impl Platform for Genesys {
    fn tells_the_end() -> bool {
        false
    }

    fn settings() -> String {
        connector()
    }

    fn beside(daemon: &Daemon) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        Self { http: daemon.http, runtime, lines: RefCell::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let mut opening = Opening::from(how.ani.as_deref().unwrap_or_default());
        if let Some(intent) = &how.intent {
            opening.inputs = json!({ "intent": intent });
        }
        let (session, name) = (self.opens(&opening), opening.conversation.clone());
        let line = Rc::new(RefCell::new((opening, session)));
        self.lines.borrow_mut().insert(name.clone(), Rc::clone(&line));
        Box::new(GenesysCaller { platform: self, name, line })
    }

    fn line_breaks(&self, caller: &mut dyn Caller) {
        let line = self.lines.borrow().get(&caller.name()).cloned().expect("a caller of ours");
        let (opening, session) = &mut *line.borrow_mut();
        self.runtime.block_on(session.breaks());
        *session = self.opens(opening);
    }
}

impl Genesys {
    fn opens(&self, opening: &Opening) -> Session {
        self.runtime.block_on(async {
            let mut session = Session::dial(self.http, opening).await;
            session.until(|heard| matches!(heard, Heard::Opened(..)).then_some(())).await;
            session
        })
    }
}

impl Caller for GenesysCaller<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn notices(&mut self) -> Notices {
        let (_, session) = &mut *self.line.borrow_mut();
        self.platform.runtime.block_on(session.until(|heard| match heard {
            Heard::Phrase(id) if id == "customer.number" => Some(Notices::CustomerNumber),
            Heard::Phrase(id) => {
                let position = id.strip_prefix("pin.position.")?;
                Some(Notices::Position(position.parse().expect("a position")))
            }
            Heard::Disconnect(reason, _) if reason == "completed" => Some(Notices::Routed),
            Heard::Disconnect(..) => Some(Notices::HungUp),
            _ => None,
        }))
    }

    fn presses(&mut self, key: char) {
        self.platform.runtime.block_on(self.line.borrow().1.presses(key));
    }

    fn hangs_up(&mut self) {
        self.platform.runtime.block_on(self.line.borrow().1.hangs_up());
    }
}
