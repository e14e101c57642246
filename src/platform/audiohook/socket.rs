//! One `AudioHook` socket: the loop that carries out what its session decides.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use metrics::counter;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::platform::audiohook::AudioHooks;
use crate::platform::audiohook::Connector;
use crate::platform::audiohook::conversation::Conversation;
use crate::platform::audiohook::conversation::Turn;
use crate::platform::audiohook::conversation::WISHES_LEN;
use crate::platform::audiohook::session::Do;
use crate::platform::audiohook::session::Session;
use crate::platform::audiohook::session::Wish;
use crate::platform::audiohook::signature::Verified;

/// The largest message: 65,535 characters, and room for those that take two bytes.
const MESSAGE_MAX: usize = 128 * 1024;
/// The caller's sound comes in frames of a few kilobytes, and is thrown away.
const READ_BUFFER: usize = 4 * 1024;
/// How long a frame may take to leave.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// The client closes the socket after `closed`; for one that does not, we do.
const FAREWELL: Duration = Duration::from_secs(2);

/// Waits for the upgrade, then holds the session.
pub(super) async fn attend(
    hooks: Arc<AudioHooks>,
    connector: Arc<Connector>,
    upgrade: OnUpgrade,
    who: Verified,
    place: OwnedSemaphorePermit,
) {
    let Ok(Ok(upgraded)) = timeout(Duration::from_secs(10), upgrade).await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let io = TokioIo::new(upgraded);
    let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let gauge = metrics::gauge!("countersign_audiohook_sessions");
    gauge.increment(1.0);
    let (sender, wished) = mpsc::channel(WISHES_LEN);
    let session = Session::new(who, hooks.clock.up());
    let socket = Socket { ws, hooks, connector, session, wishes: Some(sender), joined: None };
    socket.run(wished).await;
    gauge.decrement(1.0);
    drop(place);
}

struct Socket<S> {
    ws: WebSocketStream<S>,
    hooks: Arc<AudioHooks>,
    connector: Arc<Connector>,
    session: Session,
    /// Until the session has a conversation.
    wishes: Option<mpsc::Sender<Wish>>,
    joined: Option<(Arc<Conversation>, Turn)>,
}

/// What woke the socket's task.
enum Woken {
    Wish(Option<Wish>),
    Deadline,
    Message(Option<Result<Message, WsError>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn run(mut self, wished: mpsc::Receiver<Wish>) {
        let stop = self.hooks.stop.clone();
        let mut wished = Some(wished);
        let mut stands = true;
        while stands {
            let deadline = self.session.deadline();
            let woken = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                wish = next(&mut wished) => Woken::Wish(wish),
                () = self.hooks.clock.sleep_until(deadline) => Woken::Deadline,
                message = self.ws.next() => Woken::Message(message),
            };
            let now = self.hooks.clock.up();
            let todo = match woken {
                Woken::Wish(Some(wish)) => self.session.wish(wish, now),
                Woken::Wish(None) => {
                    wished = None;
                    let outputs = self.joined.as_ref().map(|(joined, _)| joined.outputs());
                    self.session.wish(Wish::LetGo(outputs.unwrap_or_default()), now)
                }
                Woken::Deadline => self.session.tick(now),
                Woken::Message(Some(Ok(Message::Text(text)))) => {
                    self.session.text(text.as_str(), now)
                }
                // The caller's voice is nobody's business here.
                Woken::Message(Some(Ok(Message::Close(_)) | Err(_)) | None) => self.session.gone(),
                Woken::Message(Some(Ok(_))) => vec![],
            };
            stands = self.carry_out(todo).await;
        }
        // Whatever ended the loop: a call that is still ours is not left waiting for us.
        let todo = self.session.gone();
        self.tell_all(todo).await;
        let _late = timeout(FAREWELL, async {
            while self.ws.next().await.is_some_and(|message| message.is_ok()) {}
        })
        .await;
    }

    /// Whether the session goes on.
    async fn carry_out(&mut self, todo: Vec<Do>) -> bool {
        for todo in todo {
            let sent = match todo {
                Do::Send(text) => self.send(Message::text(text)).await,
                Do::Sound(sound) => self.send(Message::binary(sound)).await,
                Do::Begin(open) => {
                    let Some(wishes) = self.wishes.take() else { continue };
                    self.joined = self.hooks.begin(&open, &self.connector, wishes).await;
                    if self.joined.is_none() {
                        let refused = self.session.not_taken(self.hooks.clock.up());
                        return Box::pin(self.carry_out(refused)).await;
                    }
                    true
                }
                Do::Tell(event) => {
                    self.tell(event).await;
                    true
                }
                Do::End => false,
            };
            if !sent {
                return false;
            }
        }
        true
    }

    async fn tell_all(&mut self, todo: Vec<Do>) {
        for todo in todo {
            if let Do::Tell(event) = todo {
                self.tell(event).await;
            }
        }
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(timeout(WRITE_WITHIN, self.ws.send(message)).await, Ok(Ok(())))
    }

    /// Brings an event to the call, as long as this socket has the word.
    async fn tell(&mut self, event: CallEvent) {
        let Some((joined, turn)) = &self.joined else { return };
        let Some(call) = joined.call().filter(|_| joined.has_the_word(*turn)) else { return };
        match event {
            CallEvent::DigitGenerated(_) => {
                counter!("countersign_digits_total", "via" => "audiohook").increment(1);
                // A key may be dropped where a call is flooded with them; its time-outs stay right.
                if call.send(Input::Event(event)).is_err() {
                    counter!("countersign_shed_total", "reason" => "call_inbox").increment(1);
                }
            }
            CallEvent::LegLost | CallEvent::HandedOver(_) | CallEvent::ConnectionCleared(_) => {
                let _coming = joined.coming.lock().await;
                if joined.falls_silent(*turn) {
                    // A call that is over does not listen any more, and that is all right.
                    let _ = call.deliver(Input::Event(event)).await;
                }
            }
            event => {
                let _ = call.deliver(Input::Event(event)).await;
            }
        }
    }
}

async fn next(wished: &mut Option<mpsc::Receiver<Wish>>) -> Option<Wish> {
    match wished {
        Some(wished) => wished.recv().await,
        None => pending().await,
    }
}
