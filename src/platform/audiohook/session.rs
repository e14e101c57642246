//! One `AudioHook` session: `(message | wish | time) → messages and events`. Pure.
//!
//! ```text
//!           open              disconnect                close
//!  Waiting -------> Standing ------------> Leaving ----------> Over
//!     | 5 s            | close, gone          | 10 s, gone      ^
//!     '----------------+----------------------+-----------------'
//! ```
//! `opened` is the answer to `open` before anything is looked up. Only the client closes.

use std::sync::Arc;
use std::time::Duration;

use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::model::cause::Cause;
use crate::model::time::Uptime;
use crate::platform::audiohook::playing::Due;
use crate::platform::audiohook::playing::Playing;
use crate::platform::audiohook::signature::Verified;
use crate::rtp::prompt::Prompt;
use crate::wire::audiohook::CloseReason;
use crate::wire::audiohook::Ending;
use crate::wire::audiohook::Message;
use crate::wire::audiohook::Open;
use crate::wire::audiohook::Outputs;
use crate::wire::audiohook::Said;
use crate::wire::audiohook::Tell;

/// A client opens within this.
pub(crate) const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// A client pings every 5 s; one that is silent for so long is gone.
pub(crate) const SILENT_MAX: Duration = Duration::from_secs(20);
/// A client that was asked to close does so within this.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// Nothing but `opened` goes out before the client's media stand.
const SETTLING: Duration = Duration::from_millis(100);
/// How long sound is held back after a 429 that does not say it.
const RETRY: Duration = Duration::from_secs(1);
/// `error` that says: binary frames are not played here.
const UNSUPPORTED: u64 = 415;
const TOO_MANY: u64 = 429;

/// What the call wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// → `Established`
    Answer,
    /// Plays a phrase; none: there is no such phrase. → `PromptEnded`
    Play(Option<Arc<Prompt>>),
    /// Cuts it.
    StopPlaying,
    /// The flow goes on with this. → `HandedOver`
    HandOver(Outputs),
    /// The machine has done with the caller.
    Clear(Cause, Outputs),
    /// Another socket has the conversation now, or the call is over.
    LetGo(Outputs),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Do {
    /// A message goes out.
    Send(String),
    /// Sound goes out.
    Sound(Vec<u8>),
    /// A caller is there.
    Begin(Box<Open>),
    /// The call is told.
    Tell(CallEvent),
    /// The socket can go.
    End,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Waiting,
    Standing,
    Leaving(Leave),
    Over,
}

/// Why we asked the client to close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leave {
    HandingOver,
    /// The call knows already.
    Done,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    who: Verified,
    id: String,
    /// The client's last `seq`, and ours.
    heard: u64,
    told: u64,
    /// Whether there is a call behind it.
    call: bool,
    /// When the session is over by itself.
    until: Uptime,
    /// When a client without a usable medium is sent away.
    refuse_at: Option<Uptime>,
    /// The client does not play what we send.
    deaf: bool,
    playing: Playing,
}

impl Session {
    pub(crate) fn new(who: Verified, now: Uptime) -> Self {
        Self {
            state: State::Waiting,
            who,
            id: String::new(),
            heard: 0,
            told: 0,
            call: false,
            until: now + OPEN_WITHIN,
            refuse_at: None,
            deaf: false,
            playing: Playing::default(),
        }
    }

    /// When [`Self::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Uptime {
        let playing = self.playing.deadline().filter(|_| self.state == State::Standing);
        [playing, self.refuse_at].into_iter().flatten().fold(self.until, Uptime::min)
    }

    /// A text frame came.
    pub(crate) fn text(&mut self, text: &str, now: Uptime) -> Vec<Do> {
        let Ok(message) = Message::parse(text) else { return self.fault("malformed message", now) };
        match self.state {
            State::Over => return vec![],
            State::Waiting => return self.first(message, now),
            State::Standing | State::Leaving(_) => {}
        }
        if let Some(what) = self.out_of_order(&message) {
            // From here on the client counts as it does: it still has to close.
            self.heard = self.heard.max(message.seq);
            return self.fault(what, now);
        }
        self.heard = message.seq;
        if self.state == State::Standing {
            self.until = now + SILENT_MAX;
        }
        match message.said {
            Said::Close(reason) => self.closed(reason),
            Said::Ping => vec![self.say(&Tell::Pong)],
            Said::Update => vec![self.say(&Tell::Updated)],
            _ if self.state != State::Standing => vec![],
            Said::Open(_) => self.fault("opened already", now),
            Said::Key(Some(key)) if self.call => vec![Do::Tell(CallEvent::DigitGenerated(key))],
            Said::PlaybackCompleted if self.playing.completed(now) => {
                vec![Do::Tell(CallEvent::PromptEnded)]
            }
            Said::Error { code: TOO_MANY, retry_after } => {
                self.playing.wait_until(now + retry_after.unwrap_or(RETRY));
                vec![]
            }
            Said::Error { code: UNSUPPORTED, .. } => {
                self.deaf = true;
                let cut = self.playing.cut();
                cut.then_some(Do::Tell(CallEvent::PromptEnded)).into_iter().collect()
            }
            Said::Key(_)
            | Said::PlaybackStarted
            | Said::PlaybackCompleted
            | Said::Error { .. }
            | Said::Other => vec![],
        }
    }

    /// The sequence rules: nothing is missing, nothing comes twice, nothing of another session.
    fn out_of_order(&self, message: &Message) -> Option<&'static str> {
        if message.id != self.id {
            return Some("another session's id");
        }
        if message.seq != self.heard.saturating_add(1) {
            return Some("seq out of order");
        }
        (message.serverseq > self.told).then_some("serverseq ahead of us")
    }

    fn first(&mut self, message: Message, now: Uptime) -> Vec<Do> {
        self.id.clone_from(&message.id);
        self.heard = message.seq;
        let same = |header: &Option<String>, said: &str| {
            header.as_deref().is_none_or(|header| header.eq_ignore_ascii_case(said))
        };
        let wrong = match &message.said {
            Said::Open(_) if message.seq != 1 || message.serverseq != 0 => Some("seq out of order"),
            Said::Open(_) if !same(&self.who.session, &message.id) => Some("another session's id"),
            Said::Open(open) if !same(&self.who.organization, &open.organization) => {
                Some("another organization's id")
            }
            Said::Open(_) => None,
            _ => Some("open comes first"),
        };
        let (None, Said::Open(open)) = (wrong, message.said) else {
            return self.fault(wrong.unwrap_or_default(), now);
        };
        self.state = State::Standing;
        self.until = now + SILENT_MAX;
        self.playing.wait_until(now + SETTLING);
        if open.is_probe() {
            return vec![self.say(&Tell::Opened(None))];
        }
        let opened = self.say(&Tell::Opened(open.choice()));
        if open.choice().is_none() {
            self.refuse_at = Some(now + SETTLING);
            return vec![opened];
        }
        self.call = true;
        vec![opened, Do::Begin(open)]
    }

    /// The call could not be taken: the flow goes on by its failure path.
    pub(crate) fn not_taken(&mut self, now: Uptime) -> Vec<Do> {
        self.call = false;
        let outputs = Outputs::default();
        self.leave(Leave::Done, Ending::Error, "no further call can be taken", &outputs, now)
    }

    /// The client breaks the protocol: it is asked to close, and the call waits for another way.
    fn fault(&mut self, what: &str, now: Uptime) -> Vec<Do> {
        match self.state {
            State::Over => return vec![],
            State::Leaving(leave) => return self.over(leave),
            State::Waiting | State::Standing => {}
        }
        let mut todo = vec![];
        if self.call {
            todo.push(Do::Tell(CallEvent::LegLost));
        }
        let outputs = Outputs::default();
        todo.extend(self.leave(Leave::Done, Ending::Error, what, &outputs, now));
        todo
    }

    fn leave(
        &mut self,
        leave: Leave,
        ending: Ending,
        info: &str,
        outputs: &Outputs,
        now: Uptime,
    ) -> Vec<Do> {
        self.playing.cut();
        self.refuse_at = None;
        self.state = State::Leaving(leave);
        self.until = now + CLOSE_WITHIN;
        vec![self.say(&Tell::Disconnect(ending, info, outputs))]
    }

    /// The client closes.
    fn closed(&mut self, reason: CloseReason) -> Vec<Do> {
        let closed = self.say(&Tell::Closed);
        let event = match (self.state, reason) {
            _ if !self.call => None,
            (State::Leaving(Leave::Done), _) => None,
            // Also one who left while we said goodbye.
            (_, CloseReason::End) => Some(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)),
            (State::Leaving(Leave::HandingOver), _) => Some(CallEvent::HandedOver(HandOver::Done)),
            _ => Some(CallEvent::LegLost),
        };
        self.state = State::Over;
        let told = event.map(Do::Tell);
        [closed].into_iter().chain(told).chain([Do::End]).collect()
    }

    /// The client does not close, or the socket broke.
    fn over(&mut self, leave: Leave) -> Vec<Do> {
        self.state = State::Over;
        match leave {
            Leave::HandingOver => {
                vec![Do::Tell(CallEvent::HandedOver(HandOver::Done)), Do::End]
            }
            Leave::Done => vec![Do::End],
        }
    }

    /// The socket is gone.
    pub(crate) fn gone(&mut self) -> Vec<Do> {
        match self.state {
            State::Leaving(leave) => self.over(leave),
            State::Standing if self.call => {
                self.state = State::Over;
                vec![Do::Tell(CallEvent::LegLost), Do::End]
            }
            State::Waiting | State::Standing | State::Over => {
                self.state = State::Over;
                vec![Do::End]
            }
        }
    }

    /// The call wants something.
    pub(crate) fn wish(&mut self, wish: Wish, now: Uptime) -> Vec<Do> {
        if self.state != State::Standing {
            return vec![];
        }
        match wish {
            Wish::Answer => vec![Do::Tell(CallEvent::Established)],
            Wish::Play(Some(prompt)) if !self.deaf => {
                let cut = self.cut();
                self.playing.start(prompt);
                cut
            }
            Wish::Play(_) => vec![Do::Tell(CallEvent::PromptEnded)],
            Wish::StopPlaying => self.cut(),
            Wish::HandOver(outputs) => {
                self.leave(Leave::HandingOver, Ending::Completed, "", &outputs, now)
            }
            Wish::Clear(Cause::NORMAL_CLEARING, outputs) | Wish::LetGo(outputs) => {
                self.leave(Leave::Done, Ending::Completed, "", &outputs, now)
            }
            Wish::Clear(cause, outputs) => {
                self.leave(Leave::Done, Ending::Error, cause.word(), &outputs, now)
            }
        }
    }

    /// The caller pressed a key: what the client has left of the phrase is thrown away.
    fn cut(&mut self) -> Vec<Do> {
        if self.playing.cut() { vec![self.say(&Tell::BargeIn)] } else { vec![] }
    }

    /// The time has come.
    pub(crate) fn tick(&mut self, now: Uptime) -> Vec<Do> {
        if self.until <= now {
            return self.gone();
        }
        if self.refuse_at.is_some_and(|at| at <= now) {
            let info = "offer PCMU with the channel external";
            return self.leave(Leave::Done, Ending::Error, info, &Outputs::default(), now);
        }
        if self.state != State::Standing {
            return vec![];
        }
        match self.playing.due(now) {
            Some(Due::Sound(sound)) => vec![Do::Sound(sound)],
            Some(Due::Over) => vec![Do::Tell(CallEvent::PromptEnded)],
            None => vec![],
        }
    }

    fn say(&mut self, tell: &Tell<'_>) -> Do {
        self.told += 1;
        Do::Send(tell.write(&self.id, self.told, self.heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::prompt::tests::english;
    use serde_json::Value;
    use serde_json::json;

    const NULL: &str = "00000000-0000-0000-0000-000000000000";

    /// A client that counts as its vendor's does.
    struct Client {
        session: Session,
        seq: u64,
        serverseq: u64,
        now: u64,
    }

    impl Client {
        fn new() -> Self {
            let who =
                Verified { organization: Some("o".into()), session: Some("s".into()), nonce: None };
            let session = Session::new(who, Uptime::default());
            Self { session, seq: 0, serverseq: 0, now: 0 }
        }

        fn open() -> Self {
            let mut client = Self::new();
            let told = client.says("open", &opening("c"));
            assert_eq!(told, ["opened PCMU", "begin"]);
            client
        }

        fn says(&mut self, kind: &str, parameters: &Value) -> Vec<String> {
            self.seq += 1;
            self.sends("s", kind, parameters)
        }

        fn sends(&mut self, id: &str, kind: &str, parameters: &Value) -> Vec<String> {
            let text = json!({
                "version": "2", "type": kind, "id": id, "seq": self.seq,
                "serverseq": self.serverseq, "position": "PT0S", "parameters": parameters,
            });
            let todo = self.session.text(&text.to_string(), self.at());
            self.reads(todo)
        }

        fn wish(&mut self, wish: Wish) -> Vec<String> {
            let todo = self.session.wish(wish, self.at());
            self.reads(todo)
        }

        /// What comes until this time.
        fn until(&mut self, ms: u64) -> Vec<String> {
            let mut told = vec![];
            while self.session.deadline() <= Uptime(Duration::from_millis(ms)) {
                let deadline = self.session.deadline().0.as_millis();
                self.now = self.now.max(u64::try_from(deadline).expect("short"));
                let todo = self.session.tick(self.at());
                let over = todo.iter().any(|todo| matches!(todo, Do::End));
                told.extend(self.reads(todo));
                if over {
                    return told;
                }
            }
            self.now = ms;
            told
        }

        fn at(&self) -> Uptime {
            Uptime(Duration::from_millis(self.now))
        }

        fn reads(&mut self, todo: Vec<Do>) -> Vec<String> {
            todo.into_iter().map(|todo| self.read(todo)).collect()
        }

        fn read(&mut self, todo: Do) -> String {
            let text = match todo {
                Do::Send(text) => text,
                Do::Sound(sound) => return format!("sound {}", sound.len()),
                Do::Begin(_) => return "begin".into(),
                Do::Tell(event) => return format!("{event:?}"),
                Do::End => return "end".into(),
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(message["seq"], self.serverseq + 1, "without a gap");
            assert_eq!((&message["id"], &message["clientseq"]), (&json!("s"), &json!(self.seq)));
            self.serverseq += 1;
            let parameters = &message["parameters"];
            let more = match message["type"].as_str().expect("a type") {
                "opened" => parameters["media"][0]["format"].as_str().unwrap_or("nothing"),
                "disconnect" => parameters["reason"].as_str().expect("a reason"),
                "event" => parameters["entities"][0]["type"].as_str().expect("a type"),
                _ => "",
            };
            format!("{} {more}", message["type"].as_str().expect("a type")).trim().to_owned()
        }
    }

    fn opening(conversation: &str) -> Value {
        json!({
            "organizationId": "o", "conversationId": conversation,
            "participant": { "id": "p", "ani": "+15555551234", "aniName": "", "dnis": "" },
            "media": [{ "type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000 }],
        })
    }

    fn phrase(id: &str) -> Wish {
        Wish::Play(english().get(id).cloned())
    }

    #[test]
    fn contract_8_a_whole_session_in_the_vendors_order() {
        let mut client = Client::open();
        assert_eq!(client.wish(Wish::Answer), ["Established"]);
        assert_eq!(client.says("ping", &json!({})), ["pong"]);
        assert_eq!(client.wish(phrase("pin.position.2")), [""; 0]);
        assert_eq!(client.until(99), [""; 0], "the media get a moment");
        assert_eq!(client.until(150), ["sound 3200", "sound 3200"]);
        assert_eq!(client.says("dtmf", &json!({ "digit": "4" })), ["DigitGenerated(Key(•))"]);
        assert_eq!(client.wish(phrase("thanks")), ["event barge_in"]);
        client.until(9000);
        assert_eq!(client.says("playback_completed", &json!({})), [""; 0], "it was said for it");
        let handing = client.wish(Wish::HandOver(Outputs::default()));
        assert_eq!(handing, ["disconnect completed"]);
        let closing = client.says("close", &json!({ "reason": "disconnect" }));
        assert_eq!(closing, ["closed", "HandedOver(Done)", "end"]);
        assert_eq!(client.says("ping", &json!({})), [""; 0], "nothing after closed");
    }

    #[test]
    fn contract_8_the_end_of_a_phrase_is_the_clients_word() {
        let mut client = Client::open();
        client.wish(phrase("thanks"));
        let end = english().get("thanks").expect("there").duration().as_millis();
        client.until(u64::try_from(end).expect("short") + 120);
        assert_eq!(client.says("playback_completed", &json!({})), ["PromptEnded"]);
        assert_eq!(client.says("playback_completed", &json!({})), [""; 0]);
    }

    #[test]
    fn contract_8_the_connection_probe_succeeds_and_begins_no_call() {
        let mut client = Client::new();
        let mut probe = opening(NULL);
        probe["participant"] = json!({ "id": NULL, "ani": "", "aniName": "", "dnis": "" });
        assert_eq!(client.says("open", &probe), ["opened nothing"]);
        assert_eq!(client.says("close", &json!({ "reason": "end" })), ["closed", "end"]);
    }

    #[test]
    fn a_client_without_a_usable_medium_is_answered_and_sent_away() {
        let mut client = Client::new();
        let mut linear = opening("c");
        linear["media"][0]["format"] = json!("L16");
        assert_eq!(client.says("open", &linear), ["opened nothing"]);
        assert_eq!(client.until(1000), ["disconnect error"]);
        assert_eq!(client.says("close", &json!({ "reason": "disconnect" })), ["closed", "end"]);
    }

    #[test]
    fn contract_8_whoever_breaks_the_order_is_asked_to_close_and_the_call_waits() {
        for (id, seq, serverseq) in [("s", 3, 1), ("s", 1, 1), ("s", 2, 2), ("t", 2, 1)] {
            let mut client = Client::open();
            (client.seq, client.serverseq) = (seq, serverseq);
            let text = json!({
                "version": "2", "type": "dtmf", "id": id, "seq": seq, "serverseq": serverseq,
                "parameters": { "digit": "1" },
            });
            let todo = client.session.text(&text.to_string(), client.at());
            let todo = format!("{todo:?}");
            assert!(todo.starts_with("[Tell(LegLost), Send("), "{id} {seq} {serverseq}: {todo}");
        }
        let mut early = Client::new();
        assert_eq!(early.says("ping", &json!({})), ["disconnect error"]);
        let mut other = Client::new();
        let mut foreign = opening("c");
        foreign["organizationId"] = json!("another");
        assert_eq!(other.says("open", &foreign), ["disconnect error"]);
        let mut twice = Client::open();
        let again = twice.says("open", &opening("c"));
        assert_eq!(again, ["LegLost", "disconnect error"]);
    }

    #[test]
    fn p23_however_a_session_ends_the_call_hears_it_once() {
        let close = |reason: &str| json!({ "reason": reason });
        for (leaving, reason, heard) in [
            (false, "end", "ConnectionCleared(Cause(16))"),
            (false, "error", "LegLost"),
            (false, "reconnect", "LegLost"),
            (true, "end", "ConnectionCleared(Cause(16))"),
            (true, "disconnect", "HandedOver(Done)"),
            (true, "error", "HandedOver(Done)"),
        ] {
            let mut client = Client::open();
            if leaving {
                client.wish(Wish::HandOver(Outputs::default()));
            }
            let told = client.says("close", &close(reason));
            assert_eq!(told, ["closed", heard, "end"], "{leaving} {reason}");
            let gone = client.session.gone();
            assert_eq!(client.reads(gone), ["end"]);
        }
        let mut broken = Client::open();
        let gone = broken.session.gone();
        assert_eq!(broken.reads(gone), ["LegLost", "end"]);
        let mut stuck = Client::open();
        stuck.wish(Wish::HandOver(Outputs::default()));
        assert_eq!(stuck.until(60_000), ["HandedOver(Done)", "end"]);
        let mut silent = Client::open();
        assert_eq!(silent.until(60_000), ["LegLost", "end"], "no ping, no client");
        let mut nobody = Client::new();
        assert_eq!(nobody.until(60_000), ["end"], "no open, no session");
        let mut cleared = Client::open();
        let told = cleared.wish(Wish::Clear(Cause::TEMPORARY_FAILURE, Outputs::default()));
        assert_eq!(told, ["disconnect error"]);
        assert_eq!(cleared.says("close", &close("disconnect")), ["closed", "end"]);
    }

    #[test]
    fn contract_8_errors_of_the_client_slow_us_down_or_silence_us() {
        let mut client = Client::open();
        client.wish(phrase("thanks"));
        client.says("error", &json!({ "code": 429, "message": "", "retryAfter": "PT3S" }));
        assert_eq!(client.until(2999), [""; 0]);
        assert_eq!(client.until(3001), ["sound 3200", "sound 3200"]);
        client.says("error", &json!({ "code": 415, "message": "" }));
        assert_eq!(client.wish(phrase("thanks")), ["PromptEnded"]);
        for tolerated in ["paused", "resumed", "discarded", "anything"] {
            assert_eq!(client.says(tolerated, &json!({})), [""; 0]);
        }
        assert_eq!(client.says("update", &json!({ "language": "de-DE" })), ["updated"]);
        assert_eq!(client.says("dtmf", &json!({ "digit": "x" })), [""; 0]);
    }
}
