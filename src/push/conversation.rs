//! One desktop's socket: the loop that carries out what the session decides.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::call::request::Refusal;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::push::hub::Joined;
use crate::push::hub::Seat;
use crate::push::session::Action;
use crate::push::session::Close;
use crate::push::session::Heard;
use crate::push::session::Session;
use crate::push::socket::Desktops;
use crate::wire::desktop::ClientFrame;
use crate::wire::desktop::Resume;
use crate::wire::identity::Identity;
use crate::wire::server;

/// Waits for the upgrade, then holds the conversation. The handshake's memory is free by then.
pub(crate) async fn attend(
    desktops: Arc<Desktops>,
    upgrade: OnUpgrade,
    place: OwnedSemaphorePermit,
) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::call::request::Asker;
    use crate::call::request::Request as Asked;
    use crate::model::time::Timestamp;
    use crate::push::Denied;
    use crate::push::Desk;
    use crate::push::Doorkeeper;
    use crate::push::fixture;
    use crate::push::hub::Hub;
    use crate::push::hub::Published;
    use crate::push::session::SessionLimits;
    use crate::push::socket::DesktopLimits;
    use crate::push::socket::DesktopParts;
    use crate::push::socket::NoUpgrade;
    use crate::push::socket::PROTOCOL;
    use crate::wire::identity::TokenRole;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::HeaderValue;
    use serde_json::Value;
    use tokio::net::TcpListener;
    use tokio::net::TcpStream;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    #[tokio::test]
    async fn contract_6_a_desktop_is_welcomed_follows_calls_and_asks() {
        let house = House::new(DesktopLimits::default());
        house.publish("c1", 1, None);
        let mut alice = house.desktop("alice").await;
        assert_eq!(alice.reads().await, "welcome alice");
        assert_eq!(alice.reads().await, "snapshot c1");
        house.publish("c1", 2, Some("alice"));
        assert_eq!(alice.reads().await, "call c1 2");
        alice.says(r#"{"type":"claim","id":1,"call":"c1@trunk"}"#).await;
        assert_eq!(alice.reads().await, "ok 1");
        alice.says(r#"{"type":"finish","id":2,"call":"c1"}"#).await;
        assert_eq!(alice.reads().await, "error 2 not_now");
        house.publish("c2", 1, Some("bob"));
        alice.says(r#"{"type":"claim","id":3,"call":"c2"}"#).await;
        assert_eq!(
            alice.reads().await,
            "error 3 no_such_call",
            "another's call is not even asked for"
        );
        alice.says(r#"{"type":"transfer","id":4,"call":"c1","to":"x"}"#).await;
        assert_eq!(alice.reads().await, "error 4 not_now");
        alice.says(r#"{"type":"ping"}"#).await;
        assert_eq!(alice.reads().await, "pong");
    }

    #[tokio::test]
    async fn a_request_that_hangs_does_not_stop_the_heartbeat() {
        let limits =
            DesktopLimits { answer_within: Duration::from_millis(200), ..DesktopLimits::default() };
        let house = House::new(limits);
        let mut alice = house.welcomed("alice").await;
        alice.says(r#"{"type":"collect_pin","id":1,"call":"hangs"}"#).await;
        alice.says(r#"{"type":"ping"}"#).await;
        assert_eq!(alice.reads().await, "pong");
        assert_eq!(alice.reads().await, "error 1 unavailable");
    }

    #[tokio::test]
    async fn contract_6_sockets_close_with_the_codes_of_the_contract() {
        let session =
            SessionLimits { hello_within: Duration::from_millis(50), ..SessionLimits::default() };
        let house = House::new(DesktopLimits { session, ..DesktopLimits::default() });
        assert_eq!(house.socket().await.reads().await, "closed 4408");
        for (frame, code) in [
            (Message::text(r#"{"type":"hello","token":"nobody"}"#), 4401),
            (Message::text(r#"{"type":"hello","token":"app"}"#), 4403),
            (Message::text("hello"), 4400),
            (Message::binary(vec![1]), 4400),
            (Message::text("x".repeat(16 * 1024 + 1)), 4413),
            (Message::text("x".repeat(300 * 1024)), 4413),
        ] {
            let mut socket = house.socket().await;
            socket.ws.send(frame).await.unwrap();
            assert_eq!(socket.reads().await, format!("closed {code}"));
        }
        let mut flood = house.welcomed("alice").await;
        for _ in 0..60 {
            flood.says(r#"{"type":"claim","id":1,"call":"hangs"}"#).await;
        }
        assert_eq!(flood.reads().await, "closed 4429");
    }

    #[tokio::test]
    async fn p12_a_socket_closes_when_its_token_ends_and_not_when_it_is_renewed() {
        let house = House::new(DesktopLimits::default());
        let mut brief = house.desktop("brief").await;
        assert_eq!(
            (brief.reads().await, brief.reads().await),
            ("welcome brief".into(), "snapshot".into())
        );
        assert_eq!(brief.reads().await, "closed 4401");

        let mut brief = house.desktop("brief").await;
        assert_eq!(
            (brief.reads().await, brief.reads().await),
            ("welcome brief".into(), "snapshot".into())
        );
        brief.says(r#"{"type":"token","token":"brief renewed"}"#).await;
        let silent = timeout(Duration::from_millis(500), brief.reads()).await;
        assert!(silent.is_err(), "it stays open past the first token's end: {silent:?}");
    }

    #[tokio::test]
    async fn a_drain_says_bye_and_closes_and_the_tracker_is_empty_then() {
        let house = House::new(DesktopLimits::default());
        let mut alice = house.welcomed("alice").await;
        house.desktops.stop.cancel();
        assert_eq!(
            (alice.reads().await, alice.reads().await),
            ("bye".into(), "closed 1001".into())
        );
        house.desktops.tasks.close();
        timeout(Duration::from_secs(5), house.desktops.tasks.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn p8_a_desktop_that_does_not_read_delays_nobody_and_is_closed() {
        let limits =
            DesktopLimits { write_within: Duration::from_millis(300), ..DesktopLimits::default() };
        let house = House::new(limits);
        let stalled = house.welcomed("stalled").await;
        let mut alice = house.welcomed("alice").await;
        let mut last = 0;
        for version in 1..=300 {
            house.publish_big("c1", version);
            if version % 3 == 0 {
                let read = timeout(Duration::from_secs(2), alice.reads_call(version)).await;
                last = read.expect("the other desktop is served while one stalls");
            }
        }
        assert_eq!(last, 300);
        let stalled_task_ends = async {
            while house.desktops.tasks.len() > 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), stalled_task_ends)
            .await
            .expect("the stalled socket is given up");
        drop(stalled);
    }

    #[tokio::test]
    async fn p13_who_may_open_a_desktop() {
        let house = House::new(DesktopLimits { desktops_max: 1, ..DesktopLimits::default() });
        let base = [
            ("host", "desk.example"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "other, countersign.v1"),
        ];
        for (name, value, expected) in [
            ("x", "x", Ok(101)),
            ("origin", "https://desk.example", Ok(101)),
            ("origin", "https://crm.example", Ok(101)),
            ("origin", "https://evil.example", Err(NoUpgrade::ForeignOrigin)),
            ("origin", "https://desk.example.evil", Err(NoUpgrade::ForeignOrigin)),
            ("origin", "https://desk.example:444", Err(NoUpgrade::ForeignOrigin)),
            ("origin", "null", Err(NoUpgrade::ForeignOrigin)),
            ("origin", "file://desk.example", Err(NoUpgrade::ForeignOrigin)),
            ("sec-websocket-protocol", "graphql-ws", Err(NoUpgrade::NoProtocol)),
            ("sec-websocket-version", "8", Err(NoUpgrade::NotWebSocket)),
            ("upgrade", "h2c", Err(NoUpgrade::NotWebSocket)),
            ("sec-websocket-key", "short", Err(NoUpgrade::NotWebSocket)),
        ] {
            let mut request = Request::new(Body::empty());
            for (name, value) in base.iter().chain([&(name, value)]) {
                request.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            let answer = house.desktops.upgrade(request);
            if let Ok(response) = &answer {
                assert_eq!(
                    response.headers()["sec-websocket-accept"],
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                );
                assert_eq!(response.headers()["sec-websocket-protocol"], PROTOCOL);
            }
            assert_eq!(
                answer.map(|response| response.status().as_u16()),
                expected,
                "{name} {value}"
            );
            // No connection stands behind this request, so its task ends and gives its place back.
            while house.desktops.places.available_permits() == 0 {
                tokio::task::yield_now().await;
            }
        }
        let _taken = house.desktops.places.try_acquire().unwrap();
        let mut request = Request::new(Body::empty());
        for (name, value) in base {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(house.desktops.upgrade(request).err(), Some(NoUpgrade::Full));
    }

    #[tokio::test]
    async fn a_sockets_task_is_small() {
        let house = House::new(DesktopLimits::default());
        let (_client, server) = tokio::io::duplex(64);
        let ws = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
        let size = size_of_val(&Socket::new(ws, Arc::clone(&house.desktops)).run());
        assert!(size < 4096, "{size} bytes for each desktop");
    }

    // --- the house and its desktops ---

    struct House {
        desktops: Arc<Desktops>,
    }

    /// Tokens here are names; some of them have a meaning.
    struct Door(AtomicU64);

    struct FakeDesk;

    #[async_trait::async_trait]
    impl Doorkeeper for Door {
        async fn admit(&self, token: &str) -> Result<Identity, Denied> {
            let name = token.split(' ').next().unwrap_or_default();
            let mut who = fixture::identity(name, TokenRole::Agent, &[]);
            match token {
                "nobody" => return Err(Denied::NotValid),
                "app" => who.roles = vec![TokenRole::App],
                "brief" => who.expires_at = Timestamp(self.0.load(Ordering::Relaxed) + 200),
                _ => {}
            }
            Ok(who)
        }
    }

    #[async_trait::async_trait]
    impl Desk for FakeDesk {
        async fn request(&self, _: Asker, call: &str, request: Asked) -> Result<(), Refusal> {
            if call == "hangs" {
                std::future::pending::<()>().await;
            }
            if matches!(request, Asked::Claim) { Ok(()) } else { Err(Refusal::NotNow) }
        }
    }

    impl House {
        fn new(limits: DesktopLimits) -> Self {
            let desktops = Desktops::new(DesktopParts {
                hub: Hub::new(1, 16),
                doorkeeper: Arc::new(Door(AtomicU64::new(1_000_000))),
                desk: Arc::new(FakeDesk),
                origins: vec!["https://crm.example".into()],
                limits,
                clock: Arc::new(|| Timestamp(1_000_000)),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            });
            Self { desktops }
        }

        fn publish(&self, id: &str, version: u64, agent: Option<&str>) {
            let call = fixture::call(id, version, agent);
            self.desktops.hub.publish(Published { call, term: 0, taken_in: Instant::now() });
        }

        fn publish_big(&self, id: &str, version: u64) {
            let mut call = fixture::call(id, version, None);
            call.notes = vec!["x".repeat(200_000)];
            self.desktops.hub.publish(Published { call, term: 0, taken_in: Instant::now() });
        }

        async fn socket(&self) -> Client {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let config = WebSocketConfig::default()
                .max_message_size(Some(self.desktops.limits.frame_max))
                .max_frame_size(Some(self.desktops.limits.frame_max));
            let ws = WebSocketStream::from_raw_socket(server, Role::Server, Some(config)).await;
            self.desktops.tasks.spawn(Socket::new(ws, Arc::clone(&self.desktops)).run());
            Client { ws: WebSocketStream::from_raw_socket(client, Role::Client, None).await }
        }

        async fn desktop(&self, token: &str) -> Client {
            let mut client = self.socket().await;
            client.says(&format!(r#"{{"type":"hello","token":"{token}"}}"#)).await;
            client
        }

        async fn welcomed(&self, token: &str) -> Client {
            let mut client = self.desktop(token).await;
            assert_eq!(client.reads().await, format!("welcome {token}"));
            assert!(client.reads().await.starts_with("snapshot"));
            client
        }
    }

    struct Client {
        ws: WebSocketStream<TcpStream>,
    }

    impl Client {
        async fn says(&mut self, frame: &str) {
            self.ws.send(Message::text(frame)).await.unwrap();
        }

        /// The next frame in short.
        async fn reads(&mut self) -> String {
            let text = match self.ws.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(Some(close)))) => {
                    return format!("closed {}", u16::from(close.code));
                }
                other => return format!("{other:?}"),
            };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let word =
                |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let kind = word(&frame["type"]);
            match kind.as_str() {
                "welcome" => format!("welcome {}", word(&frame["agent"])),
                "snapshot" => {
                    let calls = frame["calls"].as_array().unwrap().iter();
                    calls.fold(kind, |said, call| said + " " + &word(&call["id"]))
                }
                "call" => {
                    format!("call {} {}", word(&frame["call"]["id"]), frame["call"]["version"])
                }
                "call_gone" => format!("gone {}", word(&frame["call"])),
                "ok" => format!("ok {}", frame["id"]),
                "error" => format!("error {} {}", frame["id"], word(&frame["code"])),
                _ => kind,
            }
        }

        /// Reads up to this version of the call.
        async fn reads_call(&mut self, wanted: u64) -> u64 {
            loop {
                let said = self.reads().await;
                let version: Option<u64> =
                    said.rsplit(' ').next().and_then(|version| version.parse().ok());
                if version.unwrap_or_else(|| panic!("{said}")) >= wanted {
                    return wanted;
                }
            }
        }
    }
}
