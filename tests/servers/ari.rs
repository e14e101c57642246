//! An Asterisk as far as ARI shows it, written from what a real one (22.10.1) was seen to do: the order of
//! answers and events, what is lost and what is queued while nobody is connected, and no second `StasisStart`.
#![expect(clippy::expect_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    reason = "a server of the tests: its calendar is the machine's, and it ends with its test"
)]

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::model::time::Timestamp;
use countersign::sockets;
use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Waits longer than this are in vain.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a phrase takes: shorter than a real one, so that stories are short.
const PHRASE: Duration = Duration::from_millis(150);
/// The user and password of all of them.
pub(crate) const USER: &str = "countersign";
pub(crate) const PASSWORD: &str = "an ARI password";
const APP: &str = "countersign";

/// Counts channels of all servers: an id is used once, as by Asterisks that have names of their own.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a caller hears and sees of the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// A sound began.
    Sound(String),
    /// The dialplan goes on.
    Continued,
    /// The machine hung up.
    HungUp,
}

/// An Asterisk.
pub(crate) struct Ari {
    world: Arc<World>,
    runtime: Option<Runtime>,
    /// Where its HTTP server listens.
    pub(crate) address: SocketAddr,
}

struct World {
    inner: Mutex<Inner>,
    changed: Condvar,
    outbound: bool,
    asterisk: String,
}

#[derive(Default)]
struct Inner {
    /// Where it connects to.
    to: Option<SocketAddr>,
    channels: BTreeMap<String, Channel>,
    link: Option<mpsc::UnboundedSender<String>>,
    /// Which connection that is: an older one must not end a newer one.
    links: u64,
    /// Whether nobody may connect now.
    cut: bool,
    /// Events nobody was there for; kept in outbound mode alone.
    queued: VecDeque<Value>,
    /// What was asked: `POST channels/1/answer`.
    asked: Vec<String>,
    password: String,
    refused: usize,
    /// What is asked in vain: the beginning of a request, and the status.
    fails: Vec<(String, u16)>,
}

#[derive(Clone, Default)]
struct Channel {
    up: bool,
    inside: bool,
    number: String,
    dialled: String,
    variables: BTreeMap<String, String>,
    playing: Option<(String, String)>,
    heard: Vec<Heard>,
}

impl Ari {
    /// An Asterisk that we connect to.
    pub(crate) fn inbound() -> Self {
        Self::inbound_at(Self::free_port())
    }

    /// An Asterisk that we connect to there.
    pub(crate) fn inbound_at(listener: std::net::TcpListener) -> Self {
        Self::new(None, listener)
    }

    /// A port that is nobody else's.
    pub(crate) fn free_port() -> std::net::TcpListener {
        std::net::TcpListener::bind("127.0.0.1:0").expect("a free port")
    }

    /// An Asterisk that connects to this address.
    pub(crate) fn outbound(daemon: SocketAddr) -> Self {
        let ari = Self::new(Some(daemon), Self::free_port());
        ari.connects();
        ari
    }

    /// An Asterisk that connects with this password.
    pub(crate) fn outbound_with(daemon: SocketAddr, password: &str) -> Self {
        let ari = Self::new(Some(daemon), Self::free_port());
        ari.expects(password);
        ari.connects();
        ari
    }

    fn new(outbound: Option<SocketAddr>, listener: std::net::TcpListener) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        listener.set_nonblocking(true).expect("a socket");
        let listener =
            runtime.block_on(async { TcpListener::from_std(listener) }).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let inner = Inner { to: outbound, password: PASSWORD.to_owned(), ..Inner::default() };
        let asterisk = format!("02:00:00:00:00:{:02x}", address.port() % 256);
        let (inner, outbound) = (Mutex::new(inner), outbound.is_some());
        let world = World { inner, changed: Condvar::new(), outbound, asterisk };
        let world = Arc::new(world);
        if !outbound {
            let app = Router::new().fallback(answer).with_state(Arc::clone(&world));
            runtime.spawn(async move { axum::serve(listener, app).await });
        }
        Self { world, runtime: Some(runtime), address }
    }

    /// A caller rings; the dialplan hands the channel to the application.
    pub(crate) fn rings(&self, number: Option<&str>, headers: &[(&str, &str)]) -> String {
        let id = format!("1795290523.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.rings_as(&id, number, headers);
        id
    }

    /// The same, with this id.
    pub(crate) fn rings_as(&self, id: &str, number: Option<&str>, headers: &[(&str, &str)]) {
        let variables = headers
            .iter()
            .map(|(name, value)| (format!("PJSIP_HEADER(read,{name})"), (*value).to_owned()));
        let channel = Channel {
            inside: true,
            number: number.unwrap_or_default().to_owned(),
            dialled: "+448000000000".to_owned(),
            variables: variables.collect(),
            ..Channel::default()
        };
        self.world.change(|world, inner| {
            inner.channels.insert(id.to_owned(), channel);
            let start = json!({ "type": "StasisStart", "args": [], "channel": inner.shown(id) });
            world.emit(inner, start);
        });
    }

    /// The caller presses a key.
    pub(crate) fn presses(&self, id: &str, key: char) {
        self.world.change(|world, inner| {
            let event = json!({
                "type": "ChannelDtmfReceived", "digit": key.to_string(), "duration_ms": 80,
                "channel": inner.shown(id),
            });
            if inner.channels.get(id).is_some_and(|channel| channel.inside) {
                world.emit(inner, event);
            }
        });
    }

    /// The caller hangs up.
    pub(crate) fn hangs_up(&self, id: &str) {
        self.world.change(|world, inner| {
            let shown = inner.shown(id);
            let Some(channel) = inner.channels.remove(id) else { return };
            if !channel.inside {
                return;
            }
            let request = json!({ "type": "ChannelHangupRequest", "cause": 16, "channel": shown });
            world.emit(inner, request);
            if let Some((playback, media)) = channel.playing {
                world.emit(inner, sound("PlaybackFinished", &playback, &media, id, "failed"));
            }
            world.gone(inner, &shown, 16);
        });
    }

    /// Waits for what the caller hears next, after this many things.
    #[track_caller]
    pub(crate) fn hears(&self, id: &str, after: usize) -> Heard {
        self.until(&format!("something after {after} is heard on {id}"), |inner| {
            inner.channels.get(id)?.heard.get(after).cloned()
        })
    }

    /// A variable of a channel.
    pub(crate) fn variable(&self, id: &str, name: &str) -> Option<String> {
        self.world.inner().channels.get(id)?.variables.get(name).cloned()
    }

    /// Everything that was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.world.inner().asked.clone()
    }

    /// Whether something was asked that begins so.
    pub(crate) fn was_asked(&self, start: &str) -> bool {
        self.world.inner().asked.iter().any(|asked| asked.starts_with(start))
    }

    /// Requests of WebSockets that were refused for their password.
    pub(crate) fn refused(&self) -> usize {
        self.world.inner().refused
    }

    /// Expects another password from now on.
    pub(crate) fn expects(&self, password: &str) {
        password.clone_into(&mut self.world.inner().password);
    }

    /// Answers requests that begin so with this status, and does nothing.
    pub(crate) fn fails(&self, request: &str, status: u16) {
        self.world.inner().fails.push((request.to_owned(), status));
    }

    /// The line between us breaks, and stays broken.
    pub(crate) fn line_breaks(&self) {
        let mut inner = self.world.inner();
        inner.cut = true;
        inner.link = None;
        drop(inner);
        self.world.changed.notify_all();
    }

    /// The address it connects to leads to another node.
    pub(crate) fn leads_to(&self, daemon: SocketAddr) {
        self.world.inner().to = Some(daemon);
    }

    /// The line is there again.
    pub(crate) fn line_mends(&self) {
        self.world.inner().cut = false;
        if self.world.outbound {
            self.connects();
        }
        self.connected();
    }

    /// Waits until somebody is connected.
    #[track_caller]
    pub(crate) fn connected(&self) {
        self.until("somebody is connected", |inner| inner.link.as_ref().map(|_| ()));
    }

    /// Whether somebody is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.world.inner().link.is_some()
    }

    /// Another client takes the application, and lets it go again at once.
    pub(crate) fn is_replaced(&self) {
        let mut inner = self.world.inner();
        let event = json!({ "type": "ApplicationReplaced" });
        self.world.emit(&mut inner, event);
        inner.link = None;
    }

    #[track_caller]
    fn until<T>(&self, what: &str, mut look: impl FnMut(&Inner) -> Option<T>) -> T {
        let mut found = None;
        let inner = self.world.inner();
        let waited = self.world.changed.wait_timeout_while(inner, PATIENCE, |inner| {
            found = look(inner);
            found.is_none()
        });
        let (inner, _) = waited.expect("no thread panics here");
        let asked = inner.asked.len();
        // Not while it is held: the others are to end with their own words.
        drop(inner);
        found.unwrap_or_else(|| panic!("waited in vain: {what}; {asked} things were asked"))
    }

    /// Connects, and sends what nobody was there for before anything else.
    fn connects(&self) {
        let world = Arc::clone(&self.world);
        let to = world.inner().to.expect("it connects");
        let runtime = self.runtime.as_ref().expect("it runs");
        runtime.spawn(async move {
            let password = world.inner().password.clone();
            let basic = STANDARD.encode(format!("{USER}:{password}"));
            let uri = format!("ws://{to}/v1/ari").parse().expect("a URI");
            let request = ClientRequestBuilder::new(uri)
                .with_sub_protocol("ari")
                .with_header("Authorization", format!("Basic {basic}"));
            let Ok(stream) = TcpStream::connect(to).await else { return };
            match client_async(request, stream).await {
                Ok((ws, answer)) => {
                    assert_eq!(answer.headers()["sec-websocket-protocol"], "ari");
                    talk(world, ws).await;
                }
                Err(WsError::Http(answer)) => {
                    assert_eq!(answer.status(), 401);
                    world.change(|_, inner| inner.refused += 1);
                }
                Err(error) => panic!("{error}"),
            }
        });
    }
}

impl Drop for Ari {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics here")
    }

    fn change<T>(&self, change: impl FnOnce(&Self, &mut Inner) -> T) -> T {
        let changed = change(self, &mut self.inner());
        self.changed.notify_all();
        changed
    }

    /// Inbound loses what nobody is there for; outbound keeps it.
    fn emit(&self, inner: &mut Inner, mut event: Value) {
        event["application"] = APP.into();
        event["timestamp"] = now().into();
        event["asterisk_id"] = self.asterisk.clone().into();
        match &inner.link {
            Some(link) => drop(link.send(event.to_string())),
            None if self.outbound => inner.queued.push_back(event),
            None => {}
        }
    }

    fn gone(&self, inner: &mut Inner, channel: &Value, cause: u16) {
        self.emit(inner, json!({ "type": "StasisEnd", "channel": channel }));
        let gone = json!({
            "type": "ChannelDestroyed", "cause": cause, "cause_txt": "Normal Clearing",
            "channel": channel,
        });
        self.emit(inner, gone);
    }

    /// Carries a request out. Events that come before its answer are sent here, later ones by `later`.
    fn rest(self: &Arc<Self>, method: &str, uri: &str, query: &Query) -> (u16, Value) {
        self.change(|_, inner| {
            let line = format!("{method} {uri}");
            let failing = inner.fails.iter().find(|(start, _)| line.starts_with(start.as_str()));
            let failing = failing.map(|(_, status)| *status);
            inner.asked.push(line);
            if let Some(status) = failing {
                return (status, json!({ "message": "as the story wants it" }));
            }
            let path: Vec<_> = uri.split('/').collect();
            match (method, path.as_slice()) {
                ("GET", ["asterisk", "info"]) => {
                    (200, json!({ "system": { "version": "22.10.1" } }))
                }
                ("GET", ["applications", APP]) => {
                    let inside = inner.channels.iter().filter(|(_, channel)| channel.inside);
                    let ids: Vec<_> = inside.map(|(id, _)| id.clone()).collect();
                    (200, json!({ "name": APP, "channel_ids": ids }))
                }
                ("DELETE", ["playbacks", playback]) => self.stops(inner, playback),
                (_, ["channels", id, rest @ ..]) => {
                    if !inner.channels.contains_key(*id) {
                        return (404, json!({ "message": "Channel not found" }));
                    }
                    self.channel(inner, method, id, rest, query)
                }
                _ => (404, json!({ "message": "Resource not found" })),
            }
        })
    }

    fn stops(&self, inner: &mut Inner, playback: &str) -> (u16, Value) {
        let playing = inner.channels.iter_mut().find_map(|(id, channel)| {
            let (_, media) = channel.playing.take_if(|(playing, _)| playing == playback)?;
            Some((id.clone(), media))
        });
        let Some((id, media)) = playing else {
            return (404, json!({ "message": "Playback not found" }));
        };
        self.emit(inner, sound("PlaybackFinished", playback, &media, &id, "done"));
        (204, Value::Null)
    }

    fn channel(
        self: &Arc<Self>,
        inner: &mut Inner,
        method: &str,
        id: &str,
        rest: &[&str],
        query: &Query,
    ) -> (u16, Value) {
        let named = |name: &str| query.get(name).cloned().unwrap_or_default();
        let channel = inner.channels.get_mut(id).expect("it is there");
        match (method, rest) {
            ("GET", []) => return (200, inner.shown(id)),
            ("GET", ["variable"]) => {
                return match channel.variables.get(&named("variable")) {
                    Some(value) => (200, json!({ "value": value })),
                    None => (404, json!({ "message": "Provided variable was not found" })),
                };
            }
            ("DELETE", []) => {
                let inside = std::mem::replace(&mut channel.inside, false);
                channel.heard.push(Heard::HungUp);
                let shown = inner.shown(id);
                if inside {
                    self.gone(inner, &shown, 16);
                }
                return (204, Value::Null);
            }
            _ if !channel.inside => {
                return (409, json!({ "message": "Channel not in Stasis application" }));
            }
            _ => {}
        }
        match (method, rest) {
            ("POST", ["answer"]) => {
                channel.up = true;
                // Before the answer to the request.
                let event = json!({ "type": "ChannelStateChange", "channel": inner.shown(id) });
                self.emit(inner, event);
                (204, Value::Null)
            }
            ("POST", ["variable"]) => {
                channel.variables.insert(named("variable"), named("value"));
                (204, Value::Null)
            }
            ("POST", ["play"]) => {
                let (playback, media) = (named("playbackId"), named("media"));
                let later = (Arc::clone(self), id.to_owned(), playback.clone(), media.clone());
                tokio::spawn(plays(later));
                (201, json!({ "id": playback, "media_uri": media, "state": "queued" }))
            }
            ("POST", ["continue"]) => {
                channel.inside = false;
                channel.heard.push(Heard::Continued);
                channel.variables.insert("CONTINUED_AT".to_owned(), named("context"));
                let later = (Arc::clone(self), inner.shown(id));
                tokio::spawn(async move {
                    // Behind the answer to the request.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    let (world, shown) = later;
                    let event = json!({ "type": "StasisEnd", "channel": shown });
                    world.change(|world, inner| world.emit(inner, event));
                });
                (204, Value::Null)
            }
            _ => (404, json!({ "message": "Resource not found" })),
        }
    }
}

impl Inner {
    fn shown(&self, id: &str) -> Value {
        let channel = self.channels.get(id).cloned().unwrap_or_default();
        json!({
            "id": id, "protocol_id": format!("{id}@trunk"), "name": format!("PJSIP/trunk-{id}"),
            "state": if channel.up { "Up" } else { "Ring" },
            "caller": { "name": "", "number": channel.number },
            "connected": { "name": "", "number": "" }, "accountcode": "",
            "dialplan": { "context": "in", "exten": channel.dialled, "priority": 2,
                "app_name": "Stasis", "app_data": APP },
            "creationtime": now(), "language": "en",
        })
    }
}

type Query = BTreeMap<String, String>;

async fn plays((world, id, playback, media): (Arc<World>, String, String, String)) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let begun = world.change(|world, inner| {
        let Some(channel) = inner.channels.get_mut(&id).filter(|channel| channel.inside) else {
            return false;
        };
        channel.playing = Some((playback.clone(), media.clone()));
        channel.heard.push(Heard::Sound(media.trim_start_matches("sound:").to_owned()));
        world.emit(inner, sound("PlaybackStarted", &playback, &media, &id, "playing"));
        true
    });
    if !begun {
        return;
    }
    tokio::time::sleep(PHRASE).await;
    world.change(|world, inner| {
        let channel = inner.channels.get_mut(&id);
        let ended = channel
            .and_then(|channel| channel.playing.take_if(|(playing, _)| *playing == playback));
        if ended.is_some() {
            world.emit(inner, sound("PlaybackFinished", &playback, &media, &id, "done"));
        }
    });
}

fn sound(kind: &str, playback: &str, media: &str, channel: &str, state: &str) -> Value {
    json!({
        "type": kind,
        "playback": {
            "id": playback, "media_uri": media, "target_uri": format!("channel:{channel}"),
            "language": "en", "state": state,
        },
    })
}

/// As Asterisk writes it: without a colon in the offset.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = Timestamp(u64::try_from(since.as_millis()).expect("a time"));
    now.rfc3339().replace('Z', "+0000")
}

/// The WebSocket, whoever opened it.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(world: Arc<World>, mut ws: WebSocketStream<S>) {
    let (link, mut frames) = mpsc::unbounded_channel();
    let mine = world.change(|world, inner| {
        if let Some(older) = &inner.link {
            let event =
                json!({ "type": "ApplicationReplaced", "application": APP, "timestamp": now() });
            drop(older.send(event.to_string()));
        }
        // What was queued comes before the word that the application is registered.
        inner.queued.drain(..).for_each(|event| drop(link.send(event.to_string())));
        inner.link = Some(link);
        inner.links += 1;
        if world.outbound {
            world.emit(inner, json!({ "type": "ApplicationRegistered" }));
        }
        inner.links
    });
    loop {
        tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => if ws.send(Message::text(frame)).await.is_err() { break },
                // Nobody holds the other end: the line was cut.
                None => break,
            },
            message = ws.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let request: Value = serde_json::from_str(&text).expect("JSON");
                    let answer = asked(&world, &request).to_string();
                    // Behind the events that came of it before.
                    while let Ok(frame) = frames.try_recv() {
                        if ws.send(Message::text(frame)).await.is_err() { break }
                    }
                    if ws.send(Message::text(answer)).await.is_err() { break }
                }
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    world.change(|_, inner| {
        if inner.links == mine {
            inner.link = None;
        }
    });
}

fn asked(world: &Arc<World>, request: &Value) -> Value {
    assert_eq!(request["type"], "RESTRequest", "{request}");
    let text = |name: &str| request[name].as_str().expect("a text").to_owned();
    let fields = request["query_strings"].as_array().into_iter().flatten();
    let query = fields.map(|field| {
        let part = |name: &str| field[name].as_str().expect("a text").to_owned();
        (part("name"), part("value"))
    });
    let (status, body) = world.rest(&text("method"), &text("uri"), &query.collect());
    let mut answer = json!({
        "type": "RESTResponse", "transaction_id": request["transaction_id"],
        "request_id": request["request_id"], "status_code": status, "reason_phrase": "",
        "uri": request["uri"], "application": APP, "timestamp": now(),
        "asterisk_id": world.asterisk,
    });
    if !body.is_null() {
        answer["content_type"] = "application/json".into();
        // A text, not an object.
        answer["message_body"] = body.to_string().into();
    }
    answer
}

/// HTTP: REST, and the way to the WebSocket.
async fn answer(State(world): State<Arc<World>>, mut request: Request) -> Response {
    let with = |status: u16, body: &Value| {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response
    };
    let expected =
        format!("Basic {}", STANDARD.encode(format!("{USER}:{}", world.inner().password)));
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(expected.as_str()) {
        world.change(|_, inner| inner.refused += 1);
        return with(401, &json!({ "message": "Authentication required" }));
    }
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default();
    let query = query.split('&').filter_map(|field| field.split_once('='));
    let query: Query = query.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    let Some(path) = path.strip_prefix("/ari/") else { return with(404, &Value::Null) };
    if path != "events" {
        let (status, body) = world.rest(request.method().as_str(), path, &query);
        return with(status, &body);
    }
    assert_eq!((query["app"].as_str(), query["subscribeAll"].as_str()), (APP, "false"));
    if world.inner().cut {
        return with(503, &Value::Null);
    }
    let response = sockets::accepted(request.headers(), None).expect("a WebSocket");
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.expect("upgraded"));
        talk(world, WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
    });
    response
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (vec![], text.bytes());
    while let Some(byte) = rest.next() {
        let mut hex = || char::from(rest.next().expect("two digits")).to_digit(16).expect("hex");
        let byte =
            if byte == b'%' { u8::try_from(hex() * 16 + hex()).expect("a byte") } else { byte };
        bytes.push(byte);
    }
    String::from_utf8(bytes).expect("UTF-8")
}
