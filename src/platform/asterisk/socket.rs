//! One WebSocket to an Asterisk, whoever opened it: frames in, frames out, and a sign of life.

use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::debug;
use tracing::warn;

use crate::platform::asterisk::reconcile::reconcile;
use crate::platform::asterisk::server::Server;
use crate::wire::ari::FRAME_MAX;
use crate::wire::ari::Frame;
use crate::wire::ari::What;

/// Frames that wait to be sent at the most.
const FRAMES_LEN: usize = 256;
/// How long a frame may take to leave.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How often the other side has to show that it lives, and after how long a silence it does not.
const PING_EVERY: Duration = Duration::from_secs(10);
const SILENT_MAX: Duration = Duration::from_secs(25);
/// How long the two closing frames may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// It broke, or was closed.
    Gone,
    /// Another client has the application now.
    Replaced,
    /// We stop.
    Stopped,
}

/// The limits of a WebSocket to an Asterisk.
pub(super) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX))
}

/// Whose a connection is.
pub(super) trait Whose {
    /// The server, where it is known before anything was said.
    fn known(&self) -> Option<Arc<Server>>;
    /// The server; a frame may say which Asterisk speaks.
    fn server(&self, asterisk: Option<&str>) -> Option<Arc<Server>>;
}

/// A connection of an Asterisk that is known.
impl Whose for Arc<Server> {
    fn known(&self) -> Option<Arc<Server>> {
        Some(Self::clone(self))
    }

    fn server(&self, _: Option<&str>) -> Option<Arc<Server>> {
        Some(Self::clone(self))
    }
}

/// A connection under way.
struct Connection {
    server: Arc<Server>,
    generation: u64,
}

/// Attends to a connection until it ends.
pub(super) async fn attend<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocketStream<S>,
    whose: impl Whose,
    stop: tokio_util::sync::CancellationToken,
) -> Ended {
    let (frames, mut sending) = mpsc::channel(FRAMES_LEN);
    let mut connection = whose.known().map(|server| Connection::new(server, &frames));
    let mut heard = Instant::now();
    let mut turns = interval(PING_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break Ended::Stopped,
            Some(frame) = sending.recv() => {
                if !sent(&mut ws, Message::text::<String>(frame)).await {
                    break Ended::Gone;
                }
            }
            message = ws.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if !took(&mut connection, &whose, &frames, text.as_str()) {
                            break Ended::Replaced;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        debug!(%error, "ARI connection");
                        break Ended::Gone;
                    }
                    None => break Ended::Gone,
                }
            }
            _ = turns.tick() => {
                let alive = heard.elapsed() < SILENT_MAX;
                if !alive || !sent(&mut ws, Message::Ping(vec![].into())).await {
                    break Ended::Gone;
                }
            }
        }
    };
    if let Some(Connection { server, generation }) = connection {
        server.disconnected(generation, ended.why());
    }
    let _late = timeout(CLOSING, ws.close(None)).await;
    ended
}

impl Ended {
    const fn why(self) -> &'static str {
        match self {
            Self::Gone => "the connection broke",
            Self::Replaced => "another client has taken the application",
            Self::Stopped => "we stop",
        }
    }
}

impl Connection {
    fn new(server: Arc<Server>, frames: &mpsc::Sender<String>) -> Self {
        let (generation, waiting) = server.connected(frames.clone());
        let tasks = server.shared.tasks.clone();
        tasks.spawn(reconcile(Arc::clone(&server), generation, waiting));
        Self { server, generation }
    }
}

/// Takes a frame in. `false`: the application is somebody else's now.
fn took(
    connection: &mut Option<Connection>,
    whose: &impl Whose,
    frames: &mpsc::Sender<String>,
    text: &str,
) -> bool {
    // The frame itself is never logged: it may hold a key.
    let Ok(frame) = Frame::read(text) else {
        warn!("a frame that is no ARI was passed over");
        return true;
    };
    let asterisk = match &frame {
        Frame::Event(event) => event.asterisk.as_deref(),
        Frame::Answer { asterisk, .. } => asterisk.as_deref(),
    };
    if connection.is_none() {
        *connection = whose.server(asterisk).map(|server| Connection::new(server, frames));
    }
    let Some(Connection { server, .. }) = connection else { return true };
    match frame {
        Frame::Answer { request, answer, .. } => server.link.answered(request, answer),
        Frame::Event(event) => {
            let ours = event.application.as_ref().is_none_or(|app| *app == server.app);
            match event.what {
                What::Replaced if ours => return false,
                What::Entered { .. } if !ours => {
                    warn!(asterisk = %server.name(), app = %server.app, "a channel of another application came in and is not served; asterisk.app, `apps` in ari.conf and Stasis() name one and the same");
                }
                _ if !ours => {}
                _ => server.take(event),
            }
        }
    }
    true
}

async fn sent<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut WebSocketStream<S>,
    message: Message,
) -> bool {
    matches!(timeout(WRITE_WITHIN, ws.send(message)).await, Ok(Ok(())))
}
