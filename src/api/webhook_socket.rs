//! jambonz's WebSocket: one call's conversation. It asks as by HTTP, and is told besides what changes
//! without its asking. When it breaks, the call asks nothing until jambonz has connected again.

use std::collections::HashMap;
use std::future::Future;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use subtle::ConstantTimeEq;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::api::error::ApiError;
use crate::api::webhooks::Doors;
use crate::api::webhooks::Login;
use crate::platform::webhook::Asked;
use crate::platform::webhook::Connector;
use crate::platform::webhook::Hook;
use crate::platform::webhook::Said;
use crate::platform::webhook::jambonz;
use crate::platform::webhook::jambonz::Frame;
use crate::platform::webhook::jambonz::PROTOCOL;
use crate::platform::webhook::jambonz::Way;
use crate::sockets::accepted;
use crate::sockets::names;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// The largest frame of jambonz; a call's first holds the headers of its INVITE.
const FRAME_MAX: usize = 64 * 1024;
/// How long a frame to jambonz may take to leave.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long a new directive is waited for in one go.
const WATCHED_FOR: Duration = Duration::from_secs(20);
/// The pause after a look that failed.
const WATCHED_AGAIN: Duration = Duration::from_secs(1);
/// How long a socket may be silent before its call has begun.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How long a socket may be silent after that: longer than a talk with an agent.
const SILENT_MAX: Duration = Duration::from_hours(4);

/// Whether the request carries the connector's name and password. The time does not tell why not.
pub(crate) fn admitted(login: Option<&Login>, headers: &HeaderMap) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.split_once(' ')).unwrap_or_default();
    let wanted = login.map_or("-", |login| login.0.as_str());
    let same = bool::from(wanted.as_bytes().ct_eq(sent.1.trim().as_bytes()));
    login.is_some() && sent.0.eq_ignore_ascii_case("basic") && same
}

/// Makes the request a WebSocket.
pub(crate) fn upgrade(
    doors: &Arc<Doors>,
    connector: Connector,
    mut request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let response = accepted(headers, Some(PROTOCOL)).ok_or_else(|| {
        let message = "this address speaks WebSocket version 13; connect with a WebSocket client";
        ApiError::new(StatusCode::UPGRADE_REQUIRED, "websocket_required", message)
    })?;
    if !names(headers, header::SEC_WEBSOCKET_PROTOCOL, |name| name == PROTOCOL) {
        let message = "offer the subprotocol ws.jambonz.org";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "subprotocol_required", message));
    }
    let place = Arc::clone(&doors.places).try_acquire_owned();
    let (Ok(place), false) = (place, doors.parts.stop.is_cancelled()) else {
        return Err(ApiError::unavailable("no place for another socket; ask another node"));
    };
    let upgraded = hyper::upgrade::on(&mut request);
    doors.parts.tasks.spawn(attend(Arc::clone(doors), connector, upgraded, place));
    Ok(response)
}

async fn attend(
    doors: Arc<Doors>,
    connector: Connector,
    upgrade: OnUpgrade,
    place: OwnedSemaphorePermit,
) {
    let Ok(Ok(upgraded)) = timeout(FIRST_WITHIN, upgrade).await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    let io = TokioIo::new(upgraded);
    let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let number = doors.sockets.number();
    Socket { ws, doors, connector, number, call: None, watch: None }.run().await;
    drop(place);
}

/// Which socket has which call. One that broke is often seen to be broken after its successor came.
#[derive(Default)]
pub(crate) struct Sockets {
    next: AtomicU64,
    newest: Mutex<HashMap<String, u64>>,
}

impl Sockets {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The call is this socket's from now on.
    fn take(&self, call: &str, socket: u64) {
        self.newest().insert(call.to_owned(), socket);
    }

    /// The socket lets go of the call; whether it was the newest.
    fn leave(&self, call: &str, socket: u64) -> bool {
        let mut newest = self.newest();
        let own = newest.get(call) == Some(&socket);
        if own {
            newest.remove(call);
        }
        own
    }

    /// A panic elsewhere leaves the table whole: every change of it is complete in itself.
    fn newest(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Watch = Pin<Box<dyn Future<Output = Option<CallAnswer>> + Send>>;

struct Socket<S> {
    ws: WebSocketStream<S>,
    doors: Arc<Doors>,
    connector: Connector,
    number: u64,
    /// What was said of the call last, with what was asked since.
    call: Option<Hook>,
    /// Waits for something newer than that.
    watch: Option<Watch>,
}

/// How the conversation ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    /// As agreed.
    Done,
    /// The way broke.
    Broken,
    /// By us, with this code: jambonz connects again unless it is 1000.
    Ours(CloseCode),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn run(mut self) {
        let ended = self.converse().await;
        self.watch = None;
        // Before we say goodbye: jambonz comes back at once.
        if let Some(call) = self.call.take()
            && self.doors.sockets.leave(&call.call, self.number)
            && ended != Ended::Done
        {
            self.doors.lost(&self.connector, &call).await;
        }
        if let Ended::Ours(code) = ended {
            let frame = CloseFrame { code, reason: "".into() };
            // Whoever does not listen any more need not be told.
            let _ = timeout(WRITE_WITHIN, self.ws.close(Some(frame))).await;
        }
    }

    async fn converse(&mut self) -> Ended {
        let stop = self.doors.parts.stop.clone();
        loop {
            let patience = if self.call.is_some() { SILENT_MAX } else { FIRST_WITHIN };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Ours(CloseCode::Away),
                message = timeout(patience, self.ws.next()) => {
                    let Ok(message) = message else { return Ended::Ours(CloseCode::Policy) };
                    if let Some(ended) = self.heard(message).await {
                        return ended;
                    }
                }
                newer = watched(&mut self.watch) => {
                    if let Some(ended) = self.changed(newer).await {
                        return ended;
                    }
                }
            }
        }
    }

    async fn heard(&mut self, message: Option<Result<Message, WsError>>) -> Option<Ended> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return None,
            Some(Ok(Message::Close(frame))) => {
                let done = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
                return Some(if done { Ended::Done } else { Ended::Broken });
            }
            Some(Ok(Message::Binary(_))) => return Some(Ended::Ours(CloseCode::Unsupported)),
            Some(Err(_)) | None => return Some(Ended::Broken),
        };
        let Some(frame) = Frame::read(&text) else { return Some(Ended::Ours(CloseCode::Protocol)) };
        drop(text);
        let step = frame.step();
        let hook = step.and_then(|(step, asked)| {
            let mut hook = jambonz::hook(&self.connector, step, &frame.data, asked)?;
            // Later messages say less of who calls.
            if let Some(first) = self.call.as_ref().filter(|first| first.call == hook.call) {
                hook.arrival.clone_from(&first.arrival);
            }
            Some(hook)
        });
        let Some(hook) = hook else {
            let nothing = serde_json::Value::Array(vec![]);
            return self.acknowledge(&frame, &nothing).await;
        };
        self.answer(&frame, hook).await
    }

    async fn answer(&mut self, frame: &Frame, hook: Hook) -> Option<Ended> {
        if hook.said == Said::Nothing {
            return self.acknowledge(frame, &serde_json::Value::Array(vec![])).await;
        }
        self.watch = None;
        self.doors.sockets.take(&hook.call, self.number);
        let Ok(call) = self.doors.told(&self.connector, &hook, None).await else {
            // Draining, or full: jambonz comes back, to this node or another.
            if self.call.is_none() {
                self.doors.sockets.leave(&hook.call, self.number);
            }
            return Some(Ended::Ours(CloseCode::Again));
        };
        let verbs = jambonz::verbs(&self.connector, Way::Socket, &hook, call.as_ref());
        if let Some(ended) = self.acknowledge(frame, &verbs).await {
            return Some(ended);
        }
        // Where jambonz had an answer to its first message, it passes over the verbs of this one.
        if hook.said == Said::Again
            && let Some(ended) = self.send(jambonz::instead(&verbs)).await
        {
            return Some(ended);
        }
        self.keep(hook, call);
        None
    }

    /// Remembers where the call stands, and waits for what comes next as long as it is asked by us.
    fn keep(&mut self, mut hook: Hook, call: Option<CallAnswer>) {
        let Some(answer) = call else {
            self.doors.sockets.leave(&hook.call, self.number);
            self.call = None;
            return;
        };
        hook.rings = false;
        hook.asked = Asked {
            call: Some(answer.call.clone()),
            version: answer.directive.version,
            nth: hook.asked.nth,
        };
        hook.said = Said::Waits;
        let watched = matches!(answer.directive.order, Order::Collect { .. });
        self.watch = watched.then(|| {
            let (doors, connector) = (Arc::clone(&self.doors), self.connector.clone());
            let asking = Hook {
                call: hook.call.clone(),
                arrival: hook.arrival.clone(),
                rings: false,
                asked: hook.asked.clone(),
                said: Said::Waits,
            };
            let found = async move {
                loop {
                    match doors.newer(&connector, &asking, WATCHED_FOR).await {
                        Ok(found) => return found,
                        // The call's node cannot be asked now; the caller has been told what to do.
                        Err(_) => sleep(WATCHED_AGAIN).await,
                    }
                }
            };
            Box::pin(found) as Watch
        });
        self.call = Some(hook);
    }

    /// The call wants something else than what jambonz was told last, or it is over.
    async fn changed(&mut self, newer: Option<CallAnswer>) -> Option<Ended> {
        self.watch = None;
        let hook = self.call.take()?;
        let same = newer.as_ref().is_some_and(|answer| {
            answer.directive.version == hook.asked.version || answer.directive.order == Order::Wait
        });
        if !same {
            let verbs = jambonz::verbs(&self.connector, Way::Socket, &hook, newer.as_ref());
            if let Some(ended) = self.send(jambonz::instead(&verbs)).await {
                self.call = Some(hook);
                return Some(ended);
            }
        }
        self.keep(hook, newer);
        None
    }

    async fn acknowledge(&mut self, frame: &Frame, verbs: &serde_json::Value) -> Option<Ended> {
        match &frame.msgid {
            Some(msgid) => self.send(jambonz::ack(msgid, verbs)).await,
            None => None,
        }
    }

    async fn send(&mut self, text: String) -> Option<Ended> {
        let sent = timeout(WRITE_WITHIN, self.ws.send(Message::text(text))).await;
        (!matches!(sent, Ok(Ok(())))).then_some(Ended::Broken)
    }
}

async fn watched(watch: &mut Option<Watch>) -> Option<CallAnswer> {
    match watch {
        Some(watch) => watch.await,
        None => pending().await,
    }
}
