//! One desktop's conversation, decided without a socket.
//!
//! ```text
//!              hello ─> Check          admitted ─> Join
//! Unidentified ───────────────> Checking ─────────────> Open ── ping, token, requests
//!      │ 5 s: 4408                 │ 4401, 4403           │ two silent periods: 4408, exp: 4401, drain: 1001
//!      '───────────────────────────┴──────────────────────┴──> Closed
//! ```

use std::time::Duration;

use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::model::digits::SecretText;
use crate::model::time::Now;
use crate::model::time::Uptime;
use crate::push::Denied;
use crate::wire::desktop::BadFrame;
use crate::wire::desktop::ClientFrame;
use crate::wire::desktop::RequestId;
use crate::wire::desktop::Resume;
use crate::wire::identity::Identity;
use crate::wire::server;

/// Limits of one conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionLimits {
    /// How long a desktop may take to say hello.
    pub hello_within: Duration,
    /// How often a desktop gives a sign of life; two silent periods end the conversation.
    pub heartbeat: Duration,
    /// Frames a second, in the long run.
    pub frames_per_second: u32,
    /// Frames at once.
    pub burst: u32,
    /// Requests that may wait for their answer.
    pub in_flight: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            hello_within: Duration::from_secs(5),
            heartbeat: Duration::from_secs(20),
            frames_per_second: 20,
            burst: 60,
            in_flight: 16,
        }
    }
}

/// What came over the socket.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A text frame.
    Text(Result<ClientFrame, BadFrame>),
    /// A WebSocket ping or pong: a sign of life, nothing more.
    Beat,
    /// A binary frame, which the protocol has not.
    Binary,
    /// A frame over the limit.
    TooBig,
}

/// What the socket has to do now.
#[derive(Clone, Debug)]
#[must_use]
pub enum Action {
    /// Ask the doorkeeper about this token, then say [`Session::admitted`].
    Check(SecretText),
    /// Take a place at the hub, send welcome and snapshot.
    Join {
        /// Who it is.
        identity: Box<Identity>,
        /// Where to go on from.
        resume: Option<Resume>,
        /// Only these calls.
        calls: Option<Vec<String>>,
    },
    /// A token was renewed and may show other calls.
    Review(Box<Identity>),
    /// Send this frame.
    Send(String),
    /// Carry this request out, then say [`Session::answered`].
    Ask {
        /// For the answer.
        id: RequestId,
        /// Which call.
        call: String,
        /// What is asked.
        request: Request,
    },
    /// Close the socket with this reason.
    Close(Close),
}

/// Why a conversation ends (close codes of contract §6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Close {
    /// Not our protocol.
    Protocol,
    /// No token, a bad one, or one that ran out.
    Unauthenticated,
    /// A good token, but not for this.
    Forbidden,
    /// No hello in time.
    NoHello,
    /// Silent for two periods.
    HeartbeatLost,
    /// The desktop does not read what it is sent.
    TooSlow,
    /// A frame over the limit.
    TooBig,
    /// Too many frames or requests.
    TooMany,
    /// We are going away.
    Drain,
    /// Tokens cannot be checked at the moment.
    TryLater,
}

impl Close {
    /// The WebSocket close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol => 4400,
            Self::Unauthenticated => 4401,
            Self::Forbidden => 4403,
            Self::NoHello | Self::HeartbeatLost | Self::TooSlow => 4408,
            Self::TooBig => 4413,
            Self::TooMany => 4429,
            Self::Drain => 1001,
            Self::TryLater => 1013,
        }
    }

    /// What to do about it, within the 123 bytes of a close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Protocol => "not a frame of countersign.v1; see the frame's type and fields",
            Self::Unauthenticated => "no valid token; sign in again and say hello with a fresh one",
            Self::Forbidden => "this token may not use this desktop",
            Self::NoHello => "no hello within five seconds",
            Self::HeartbeatLost => "no sign of life for two heartbeat periods",
            Self::TooSlow => "this desktop does not read what it is sent",
            Self::TooBig => "frame over 16 KiB",
            Self::TooMany => "too many requests; slow down",
            Self::Drain => "the daemon is going away; reconnect",
            Self::TryLater => "tokens cannot be checked at the moment; reconnect in a few seconds",
        }
    }
}

#[derive(Debug)]
enum State {
    Unidentified { until: Uptime },
    Checking { resume: Option<Resume>, calls: Option<Vec<String>>, until: Uptime },
    Open { identity: Box<Identity>, expires: Uptime, heard: Uptime, in_flight: u32 },
    Closed,
}

/// One desktop's conversation.
#[derive(Debug)]
pub struct Session {
    limits: SessionLimits,
    state: State,
    /// When the next frame would come if frames came evenly (the leaky bucket's level, as a time).
    due: Uptime,
}

impl Session {
    /// A socket was opened.
    #[must_use]
    pub fn new(limits: SessionLimits, now: Now) -> Self {
        let until = now.up + limits.hello_within;
        Self { limits, state: State::Unidentified { until }, due: now.up }
    }

    /// When to say [`Self::deadline_reached`], unless something else moves it.
    #[must_use]
    pub fn deadline(&self) -> Option<Uptime> {
        match &self.state {
            State::Unidentified { until } | State::Checking { until, .. } => Some(*until),
            State::Open { expires, heard, .. } => Some((*expires).min(*heard + self.silence())),
            State::Closed => None,
        }
    }

    /// Who has identified, if anybody.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match &self.state {
            State::Open { identity, .. } => Some(identity),
            State::Unidentified { .. } | State::Checking { .. } | State::Closed => None,
        }
    }

    /// Takes in what came over the socket.
    #[must_use]
    pub fn heard(&mut self, what: Heard, now: Now) -> Option<Action> {
        if self.too_fast(now.up) {
            return self.close(Close::TooMany);
        }
        if let State::Open { heard, .. } = &mut self.state {
            *heard = now.up;
        }
        match what {
            Heard::Beat => None,
            Heard::Binary => self.close(Close::Protocol),
            Heard::TooBig => self.close(Close::TooBig),
            Heard::Text(Ok(frame)) => self.frame(frame),
            Heard::Text(Err(bad)) => self.bad_frame(&bad),
        }
    }

    /// The doorkeeper has answered.
    #[must_use]
    pub fn admitted(&mut self, answer: Result<Identity, Denied>, now: Now) -> Option<Action> {
        let identity = match answer {
            Ok(identity) if identity.has_desktop() => Box::new(identity),
            Ok(_) => return self.close(Close::Forbidden),
            Err(Denied::Unavailable) => return self.close(Close::TryLater),
            Err(Denied::Missing | Denied::Expired | Denied::NotValid) => {
                return self.close(Close::Unauthenticated);
            }
        };
        let expiry = now.up + identity.expires_at.since(now.wall);
        match &mut self.state {
            State::Checking { resume, calls, .. } => {
                let join = Action::Join {
                    identity: identity.clone(),
                    resume: resume.take(),
                    calls: calls.take(),
                };
                self.state = State::Open { identity, expires: expiry, heard: now.up, in_flight: 0 };
                Some(join)
            }
            State::Open { identity: known, .. } if known.agent != identity.agent => {
                self.close(Close::Forbidden)
            }
            State::Open { identity: known, expires, .. } => {
                *expires = expiry;
                let same = (&known.roles, &known.queues) == (&identity.roles, &identity.queues);
                known.clone_from(&identity);
                (!same).then_some(Action::Review(identity))
            }
            State::Unidentified { .. } | State::Closed => None,
        }
    }

    /// A request got its answer.
    pub fn answered(&mut self) {
        if let State::Open { in_flight, .. } = &mut self.state {
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    /// The deadline was reached.
    #[must_use]
    pub fn deadline_reached(&mut self, now: Now) -> Option<Action> {
        let silence = self.silence();
        match &self.state {
            State::Unidentified { until } if now.up >= *until => self.close(Close::NoHello),
            State::Checking { until, .. } if now.up >= *until => self.close(Close::TryLater),
            State::Open { expires, .. } if now.up >= *expires => self.close(Close::Unauthenticated),
            State::Open { heard, .. } if now.up >= *heard + silence => {
                self.close(Close::HeartbeatLost)
            }
            State::Unidentified { .. }
            | State::Checking { .. }
            | State::Open { .. }
            | State::Closed => None,
        }
    }

    /// Ends the conversation from our side.
    #[must_use]
    pub fn close(&mut self, why: Close) -> Option<Action> {
        let was = std::mem::replace(&mut self.state, State::Closed);
        (!matches!(was, State::Closed)).then_some(Action::Close(why))
    }

    fn silence(&self) -> Duration {
        self.limits.heartbeat.saturating_mul(2)
    }

    fn frame(&mut self, frame: ClientFrame) -> Option<Action> {
        match (&mut self.state, frame) {
            (State::Unidentified { until }, ClientFrame::Hello(hello)) => {
                let (resume, calls, until) = (hello.resume, hello.calls, *until);
                self.state = State::Checking { resume, calls, until };
                Some(Action::Check(hello.token))
            }
            (State::Open { .. }, ClientFrame::Ping) => Some(Action::Send(server::PONG.to_owned())),
            (State::Open { .. }, ClientFrame::Token(token)) => Some(Action::Check(token)),
            (State::Open { in_flight, .. }, ClientFrame::Ask(ask)) => match ask.request {
                None => Some(Action::Send(server::refused(&ask.id, Refusal::NotNow))),
                Some(_) if *in_flight >= self.limits.in_flight => self.close(Close::TooMany),
                Some(request) => {
                    *in_flight += 1;
                    Some(Action::Ask { id: ask.id, call: ask.call, request })
                }
            },
            (State::Closed, _) => None,
            (State::Unidentified { .. } | State::Checking { .. } | State::Open { .. }, _) => {
                self.close(Close::Protocol)
            }
        }
    }

    fn bad_frame(&mut self, bad: &BadFrame) -> Option<Action> {
        match (bad, &self.state) {
            (BadFrame::Unusable { id, .. }, State::Open { .. }) => {
                Some(Action::Send(server::error(id, "bad_request", &bad.to_string())))
            }
            (BadFrame::Without("token"), _) => self.close(Close::Unauthenticated),
            _ => self.close(Close::Protocol),
        }
    }

    fn too_fast(&mut self, now: Uptime) -> bool {
        let apart = Duration::from_secs(1) / self.limits.frames_per_second.max(1);
        let due = self.due.max(now);
        let full = due - now > apart.saturating_mul(self.limits.burst.saturating_sub(1));
        if !full {
            self.due = due + apart;
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::wire::identity::TokenRole;

    const HELLO: &str = r#"{"type":"hello","token":"t"}"#;
    const CLAIM: &str = r#"{"type":"claim","id":1,"call":"c"}"#;

    #[test]
    fn contract_6_a_desktop_says_hello_asks_and_is_answered() {
        let mut desk = Script::new();
        desk.says(HELLO).does("check");
        desk.admitted(Ok(alice())).does("join alice");
        desk.says(r#"{"type":"ping"}"#).does(r#"send {"type":"pong"}"#);
        desk.says(CLAIM).does("ask claim of c");
        desk.says(r#"{"type":"fly","id":2,"call":"c"}"#).does_something_with(r#""code":"not_now""#);
        desk.says(r#"{"type":"mark","id":3,"call":"c"}"#)
            .does_something_with(r#""code":"bad_request""#);
        desk.hears(Heard::Beat).does("nothing");
    }

    #[test]
    fn contract_6_every_close_code_has_its_cause() {
        let silent = || {
            let mut desk = Script::new();
            desk.waits(5).does("close 4408");
        };
        silent();
        for (frame, code) in [
            (r#"{"type":"ping"}"#, 4400),
            (CLAIM, 4400),
            ("nonsense", 4400),
            (r#"{"type":"hello"}"#, 4401),
        ] {
            Script::new().says(frame).does(&format!("close {code}"));
        }
        for (answer, code) in [
            (Err(Denied::Expired), 4401),
            (Err(Denied::NotValid), 4401),
            (Err(Denied::Missing), 4401),
            (Err(Denied::Unavailable), 1013),
            (Ok(Identity { roles: vec![TokenRole::App], ..alice() }), 4403),
        ] {
            let mut desk = Script::new();
            desk.says(HELLO).does("check");
            desk.admitted(answer).does(&format!("close {code}"));
            desk.says(HELLO).does("nothing");
        }
        for (heard, code) in [
            (Heard::TooBig, 4413),
            (Heard::Binary, 4400),
            (Heard::Text(ClientFrame::parse(HELLO)), 4400),
            (Heard::Text(ClientFrame::parse("{}")), 4400),
            (Heard::Text(ClientFrame::parse(r#"{"type":"claim","call":"c"}"#)), 4400),
        ] {
            Script::open().hears(heard).does(&format!("close {code}"));
        }
    }

    #[test]
    fn two_silent_periods_end_it_and_a_ping_keeps_it() {
        let mut desk = Script::open();
        desk.waits(39).does("nothing");
        desk.says(r#"{"type":"ping"}"#).does(r#"send {"type":"pong"}"#);
        desk.waits(39).does("nothing");
        desk.waits(1).does("close 4408");
    }

    #[test]
    fn p12_an_open_socket_ends_with_its_token_and_lives_on_with_a_new_one() {
        let mut desk = Script::open();
        desk.alive_for(99).waits(1).does("close 4401");

        let mut desk = Script::open();
        desk.alive_for(90);
        desk.says(r#"{"type":"token","token":"u"}"#).does("check");
        let later = Identity { expires_at: Timestamp(1_000_000 + 200_000), ..alice() };
        desk.admitted(Ok(later)).does("nothing");
        desk.alive_for(109).waits(1).does("close 4401");
    }

    #[test]
    fn a_renewed_token_may_change_the_queues_but_not_the_agent() {
        let mut desk = Script::open();
        desk.says(r#"{"type":"token","token":"u"}"#).does("check");
        let narrowed = Identity { queues: vec!["loans".parse().unwrap()], ..alice() };
        desk.admitted(Ok(narrowed)).does("review alice");
        desk.says(r#"{"type":"token","token":"u"}"#).does("check");
        desk.admitted(Ok(Identity { agent: "bob".parse().unwrap(), ..alice() })).does("close 4403");
    }

    #[test]
    fn contract_6_too_many_frames_or_open_requests_are_4429() {
        let mut desk = Script::open();
        for _ in 0..16 {
            desk.says(CLAIM).does("ask claim of c");
        }
        desk.says(CLAIM).does("close 4429");

        let mut desk = Script::open();
        for _ in 0..59 {
            desk.hears(Heard::Beat).does("nothing");
        }
        desk.hears(Heard::Beat).does("close 4429");

        let mut desk = Script::open();
        for _ in 0..90 {
            for _ in 0..20 {
                desk.hears(Heard::Beat).does("nothing");
            }
            desk.waits(1).does("nothing");
        }
    }

    // --- the script ---

    struct Script {
        session: Session,
        now: Now,
        did: Option<Action>,
    }

    fn alice() -> Identity {
        Identity {
            agent: "alice".parse().unwrap(),
            name: None,
            roles: vec![TokenRole::Agent],
            queues: vec![],
            groups: vec![],
            expires_at: Timestamp(1_000_000 + 100_000),
        }
    }

    impl Script {
        fn new() -> Self {
            let now = Now { up: Uptime(Duration::from_secs(7)), wall: Timestamp(1_000_000) };
            Self { session: Session::new(SessionLimits::default(), now), now, did: None }
        }

        fn open() -> Self {
            let mut desk = Self::new();
            desk.says(HELLO).does("check");
            desk.admitted(Ok(alice())).does("join alice");
            desk
        }

        fn says(&mut self, frame: &str) -> &mut Self {
            self.hears(Heard::Text(ClientFrame::parse(frame)))
        }

        fn hears(&mut self, what: Heard) -> &mut Self {
            self.did = self.session.heard(what, self.now);
            self
        }

        fn admitted(&mut self, answer: Result<Identity, Denied>) -> &mut Self {
            self.did = self.session.admitted(answer, self.now);
            self
        }

        fn waits(&mut self, seconds: u64) -> &mut Self {
            self.now.up = self.now.up + Duration::from_secs(seconds);
            self.now.wall = self.now.wall.after(Duration::from_secs(seconds));
            self.did = self.session.deadline_reached(self.now);
            assert!(
                self.session.deadline().is_none_or(|at| at > self.now.up),
                "no deadline is missed"
            );
            self
        }

        fn alive_for(&mut self, seconds: u64) -> &mut Self {
            for _ in 0..seconds {
                self.hears(Heard::Beat).does("nothing");
                self.waits(1).does("nothing");
            }
            self
        }

        #[track_caller]
        fn does(&mut self, expected: &str) {
            let did = match self.did.take() {
                None => "nothing".to_owned(),
                Some(Action::Check(_)) => "check".to_owned(),
                Some(Action::Join { identity, .. }) => format!("join {}", identity.agent),
                Some(Action::Review(identity)) => format!("review {}", identity.agent),
                Some(Action::Send(frame)) => format!("send {frame}"),
                Some(Action::Ask { call, request, .. }) => {
                    format!("ask {} of {call}", request.word())
                }
                Some(Action::Close(why)) => {
                    assert!(why.reason().len() <= 123);
                    format!("close {}", why.code())
                }
            };
            assert_eq!(did, expected);
        }

        #[track_caller]
        fn does_something_with(&mut self, part: &str) {
            let Some(Action::Send(frame)) = self.did.take() else { panic!("no frame") };
            assert!(frame.contains(part), "{frame}");
        }
    }
}
