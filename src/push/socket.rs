//! A desktop's WebSocket: the upgrade, and the loop that carries out what the session decides.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::request::Refusal;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::push::Desk;
use crate::push::Doorkeeper;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::push::hub::Hub;
use crate::push::hub::Joined;
use crate::push::hub::Seat;
use crate::push::session::Action;
use crate::push::session::Close;
use crate::push::session::Heard;
use crate::push::session::Session;
use crate::push::session::SessionLimits;
use crate::wire::desktop::ClientFrame;
use crate::wire::desktop::Resume;
use crate::wire::identity::Identity;
use crate::wire::server;

/// The subprotocol of contract §6.
pub const PROTOCOL: &str = "countersign.v1";

/// Limits of all desktops together and of each socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DesktopLimits {
    /// Sockets at once; one more is told 503.
    pub desktops_max: usize,
    /// The largest frame a desktop may send.
    pub frame_max: usize,
    /// How long a frame to a desktop may take to leave.
    pub write_within: Duration,
    /// How long a request of a desktop may take.
    pub answer_within: Duration,
    /// Limits of the conversation.
    pub session: SessionLimits,
}

impl Default for DesktopLimits {
    fn default() -> Self {
        Self {
            desktops_max: 20_000,
            frame_max: 16 * 1024,
            write_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(10),
            session: SessionLimits::default(),
        }
    }
}

/// What all desktop sockets share.
pub struct Desktops {
    hub: Arc<Hub>,
    doorkeeper: Arc<dyn Doorkeeper>,
    desk: Arc<dyn Desk>,
    origins: Vec<String>,
    limits: DesktopLimits,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    tasks: TaskTracker,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    started: Instant,
}

/// What [`Desktops`] is put together from.
pub struct DesktopParts {
    /// Where states come from.
    pub hub: Arc<Hub>,
    /// Checks tokens.
    pub doorkeeper: Arc<dyn Doorkeeper>,
    /// Carries requests out.
    pub desk: Arc<dyn Desk>,
    /// Origins beside our own that may open a desktop, as `https://host[:port]`.
    pub origins: Vec<String>,
    /// The limits.
    pub limits: DesktopLimits,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where socket tasks run.
    pub tasks: TaskTracker,
    /// Says that desktops are to go: `bye`, then close code 1001.
    pub stop: CancellationToken,
}

/// Why a request did not become a desktop's socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoUpgrade {
    /// A plain HTTP request, or another version of WebSocket.
    #[error("this address speaks WebSocket version 13; connect with a WebSocket client")]
    NotWebSocket,
    /// The subprotocol was not offered.
    #[error("offer the subprotocol countersign.v1")]
    NoProtocol,
    /// A page of another origin opened it.
    #[error("this origin may not open a desktop; add it to http.allowed_origins")]
    ForeignOrigin,
    /// All places are taken.
    #[error("no place for another desktop; try again later")]
    Full,
    /// The daemon is going away.
    #[error("the daemon is going away; try another node or again later")]
    Draining,
}

impl NoUpgrade {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::NoProtocol => StatusCode::BAD_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Full | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWebSocket => "websocket_required",
            Self::NoProtocol => "subprotocol_required",
            Self::ForeignOrigin => "foreign_origin",
            Self::Full => "too_many_desktops",
            Self::Draining => "draining",
        }
    }
}

impl Desktops {
    /// Desktops over these parts.
    #[must_use]
    pub fn new(parts: DesktopParts) -> Arc<Self> {
        let DesktopParts { hub, doorkeeper, desk, origins, limits, clock, tasks, stop } = parts;
        let places = Arc::new(Semaphore::new(limits.desktops_max.min(Semaphore::MAX_PERMITS)));
        let started = Instant::now();
        Arc::new(Self {
            hub,
            doorkeeper,
            desk,
            origins,
            limits,
            clock,
            tasks,
            stop,
            places,
            started,
        })
    }

    /// The hub behind them.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Turns a request into a desktop's socket, or says why not.
    pub fn upgrade(self: &Arc<Self>, mut request: Request) -> Result<Response, NoUpgrade> {
        let headers = request.headers();
        let key = websocket_key(headers).ok_or(NoUpgrade::NotWebSocket)?;
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
            .map_err(|_| NoUpgrade::NotWebSocket)?;
        if !origin_allowed(headers, request.uri().host(), &self.origins) {
            return Err(NoUpgrade::ForeignOrigin);
        }
        if !names(headers, header::SEC_WEBSOCKET_PROTOCOL, |name| name == PROTOCOL) {
            return Err(NoUpgrade::NoProtocol);
        }
        if self.stop.is_cancelled() {
            return Err(NoUpgrade::Draining);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoUpgrade::Full)?;

        let upgrade = hyper::upgrade::on(&mut request);
        self.tasks.spawn(attend(Arc::clone(self), upgrade, place));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        Ok(response)
    }

    fn now(&self) -> Now {
        Now { up: Uptime(self.started.elapsed()), wall: (self.clock)() }
    }
}

/// The client's key, if the request asks for a WebSocket of version 13.
fn websocket_key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let asks = names(headers, header::CONNECTION, |name| name.eq_ignore_ascii_case("upgrade"))
        && names(headers, header::UPGRADE, |name| name.eq_ignore_ascii_case("websocket"))
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| asks && key.len() == 24)
}

fn names(headers: &HeaderMap, list: header::HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(list);
    values
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|name| fits(name.trim()))
}

/// No Origin is no browser. A browser's must be the host it talks to, or one of the list (P13).
fn origin_allowed(headers: &HeaderMap, uri_host: Option<&str>, listed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return headers.get(header::ORIGIN).is_none();
    };
    let Ok(origin) = origin.to_str() else { return false };
    if listed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri_host);
    matches!(scheme, "http" | "https")
        && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// Waits for the upgrade, then holds the conversation. The handshake's memory is free by then.
async fn attend(desktops: Arc<Desktops>, upgrade: OnUpgrade, place: OwnedSemaphorePermit) {
    let Ok(Ok(upgraded)) = timeout(Duration::from_secs(10), upgrade).await else { return };
    let limits = desktops.limits;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(limits.frame_max))
        .max_frame_size(Some(limits.frame_max));
    let io = TokioIo::new(upgraded);
    let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let gauge = metrics::gauge!("countersign_desktops");
    gauge.increment(1.0);
    Socket::new(ws, desktops).run().await;
    gauge.decrement(1.0);
    drop(place);
}

/// Eager for each socket, so small: a desktop sends little, and larger frames grow it.
const READ_BUFFER: usize = 1024;
/// Frames sent in one go before the socket is read again.
const FRAMES_AT_ONCE: u8 = 32;
/// How long the two closing frames may take.
const CLOSING: Duration = Duration::from_secs(2);

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

struct Socket<S> {
    ws: WebSocketStream<S>,
    desktops: Arc<Desktops>,
    session: Session,
    seat: Option<Seat>,
    /// One request is carried out at a time, in order; the session bounds how many wait.
    asks: VecDeque<Action>,
    answer: Option<Answer>,
}

/// What woke the socket's task.
enum Event {
    Stop,
    Deadline,
    Message(Option<Result<Message, WsError>>),
    Answer(String),
    Woken,
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Goes {
    On,
    Closing(CloseWith),
    Gone,
}

/// How the socket is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct CloseWith {
    code: u16,
    reason: &'static str,
}

impl From<Close> for CloseWith {
    fn from(why: Close) -> Self {
        Self { code: why.code(), reason: why.reason() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    fn new(ws: WebSocketStream<S>, desktops: Arc<Desktops>) -> Self {
        let session = Session::new(desktops.limits.session, desktops.now());
        Self { ws, desktops, session, seat: None, asks: VecDeque::new(), answer: None }
    }

    async fn run(mut self) {
        let stop = self.desktops.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut clock = pin!(sleep_until(self.wake_at()));
        let end = loop {
            let wake_at = self.wake_at();
            if clock.deadline() != wake_at {
                clock.as_mut().reset(wake_at);
            }
            let event = tokio::select! {
                biased;
                () = &mut stopped => Event::Stop,
                () = &mut clock => Event::Deadline,
                message = self.ws.next() => Event::Message(message),
                answer = carried_out(&mut self.answer) => Event::Answer(answer),
                () = woken(self.seat.as_ref()) => Event::Woken,
            };
            match self.take(event).await {
                Goes::On => {}
                Goes::Closing(with) => break Some(with),
                Goes::Gone => break None,
            }
        };
        self.seat = None;
        if let Some(with) = end {
            self.close(with).await;
        }
    }

    fn wake_at(&self) -> Instant {
        let far = Duration::from_hours(24 * 365);
        self.desktops.started + self.session.deadline().map_or(far, |at| at.0.min(far))
    }

    async fn take(&mut self, event: Event) -> Goes {
        let now = self.desktops.now();
        match event {
            Event::Stop => self.say_bye().await,
            Event::Deadline => {
                let action = self.session.deadline_reached(now);
                self.act(action).await
            }
            Event::Message(None) => Goes::Gone,
            Event::Message(Some(message)) => match heard(message) {
                Ok(Some(heard)) => {
                    let action = self.session.heard(heard, now);
                    self.act(action).await
                }
                Ok(None) => Goes::On,
                Err(goes) => goes,
            },
            Event::Answer(frame) => {
                self.session.answered();
                self.answer = None;
                self.carry_on();
                self.send(frame.into()).await
            }
            Event::Woken => self.push().await,
        }
    }

    async fn act(&mut self, action: Option<Action>) -> Goes {
        match action {
            None => Goes::On,
            Some(Action::Check(token)) => {
                let answer = self.desktops.doorkeeper.admit(token.expose()).await;
                drop(token);
                let next = self.session.admitted(answer, self.desktops.now());
                Box::pin(self.act(next)).await
            }
            Some(Action::Join { identity, resume, calls }) => {
                self.join(&identity, resume, calls).await
            }
            Some(Action::Review(identity)) => self.review(&identity).await,
            Some(Action::Send(frame)) => self.send(frame.into()).await,
            Some(ask @ Action::Ask { .. }) => {
                self.asks.push_back(ask);
                self.carry_on();
                Goes::On
            }
            Some(Action::Close(why)) => Goes::Closing(why.into()),
        }
    }

    async fn join(
        &mut self,
        who: &Identity,
        resume: Option<Resume>,
        calls: Option<Vec<String>>,
    ) -> Goes {
        let view = View::new(who, calls);
        let Joined { seat, epoch, seq, snapshot } = self.desktops.hub.join(view, resume.as_ref());
        self.seat = Some(seat);
        let heartbeat = self.desktops.limits.session.heartbeat.as_secs();
        match self.send(server::welcome(who, heartbeat, &epoch, seq).into()).await {
            Goes::On => match snapshot {
                Some(snapshot) => self.send(snapshot.into()).await,
                None => Goes::On,
            },
            ended => ended,
        }
    }

    async fn review(&mut self, identity: &Identity) -> Goes {
        let snapshot = self.seat.as_ref().and_then(|seat| {
            let view = seat.view()?.renewed(identity);
            Some(seat.review(view))
        });
        match snapshot {
            Some(snapshot) => self.send(snapshot.into()).await,
            None => Goes::On,
        }
    }

    /// Starts the next request, if none is being carried out.
    fn carry_on(&mut self) {
        if self.answer.is_some() {
            return;
        }
        let view = self.seat.as_ref().and_then(Seat::view);
        let (Some(Action::Ask { id, call, request }), Some(view), Some(who)) =
            (self.asks.pop_front(), view, self.session.identity())
        else {
            return;
        };
        let (asker, desktops) = (who.asker(), Arc::clone(&self.desktops));
        self.answer = Some(Box::pin(async move {
            if desktops.hub.call(&view, &call) == Found::Hidden {
                return server::refused(&id, Refusal::NoSuchCall);
            }
            let answer = desktops.desk.request(asker, &call, request);
            match timeout(desktops.limits.answer_within, answer).await {
                Ok(Ok(())) => server::ok(&id),
                Ok(Err(refusal)) => server::refused(&id, refusal),
                Err(_) => server::refused(&id, Refusal::Unavailable),
            }
        }));
    }

    /// Sends what is due, the newest state of each call, a bounded number at a time.
    async fn push(&mut self) -> Goes {
        for _ in 0..FRAMES_AT_ONCE {
            let Some(due) = self.seat.as_ref().and_then(Seat::next) else { return Goes::On };
            match self.send(due.frame).await {
                Goes::On => {}
                ended => return ended,
            }
            if let Some(taken_in) = due.taken_in {
                metrics::histogram!("countersign_push_seconds").record(taken_in.elapsed());
            }
        }
        if let Some(seat) = &self.seat {
            seat.wake();
        }
        Goes::On
    }

    async fn send(&mut self, frame: Utf8Bytes) -> Goes {
        match timeout(self.desktops.limits.write_within, self.ws.send(Message::Text(frame))).await {
            Ok(Ok(())) => Goes::On,
            Ok(Err(_)) => Goes::Gone,
            Err(_) => Goes::Closing(Close::TooSlow.into()),
        }
    }

    async fn say_bye(&mut self) -> Goes {
        // Spread over a few seconds, so that the desktops do not all come back at once.
        let retry_ms = 500 + u64::from(rand::random::<u16>() % 4500);
        match timeout(CLOSING, self.send(server::bye("restart", retry_ms).into())).await {
            Ok(Goes::On) => Goes::Closing(Close::Drain.into()),
            Ok(ended) => ended,
            Err(_) => Goes::Gone,
        }
    }

    /// Sends the close frame and waits a little for the other side, so that it can be read.
    async fn close(mut self, with: CloseWith) {
        let frame = CloseFrame { code: with.code.into(), reason: with.reason.into() };
        let unread = with.code == Close::TooBig.code();
        let _late = timeout(CLOSING, async {
            if self.ws.close(Some(frame)).await.is_err() {
                return;
            }
            if unread {
                // What lies unread in the kernel would turn our close into a reset.
                let mut sink = vec![0; 4096];
                while self.ws.get_mut().read(&mut sink).await.is_ok_and(|read| read > 0) {}
            } else {
                while self.ws.next().await.is_some_and(|message| message.is_ok()) {}
            }
        })
        .await;
    }
}

/// What a message means to the session; an error says how the socket ends.
fn heard(message: Result<Message, WsError>) -> Result<Option<Heard>, Goes> {
    match message {
        Ok(Message::Text(text)) => Ok(Some(Heard::Text(ClientFrame::parse(text.as_str())))),
        Ok(Message::Binary(_)) => Ok(Some(Heard::Binary)),
        Ok(Message::Ping(_) | Message::Pong(_)) => Ok(Some(Heard::Beat)),
        Ok(Message::Close(_) | Message::Frame(_)) => Ok(None),
        Err(WsError::Capacity(_)) => Ok(Some(Heard::TooBig)),
        Err(WsError::Utf8(_)) => {
            Err(Goes::Closing(CloseWith { code: 1007, reason: "text that is not UTF-8" }))
        }
        Err(WsError::Protocol(_)) => {
            Err(Goes::Closing(CloseWith { code: 1002, reason: "not RFC 6455" }))
        }
        Err(_) => Err(Goes::Gone),
    }
}

async fn carried_out(answer: &mut Option<Answer>) -> String {
    match answer {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}

async fn woken(seat: Option<&Seat>) {
    match seat {
        Some(seat) => seat.woken().await,
        None => std::future::pending().await,
    }
}
