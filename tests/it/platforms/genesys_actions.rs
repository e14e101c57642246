//! Callers in a flow of Genesys Cloud's Architect: three data actions, key by key.

use std::cell::Cell;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::http;
use crate::harness::poll;
use crate::platforms::Breaks;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// Between two looks of a flow that waits.
const TURN: Duration = Duration::from_millis(40);

/// Architect beside a daemon.
pub(crate) struct Architect {
    address: SocketAddr,
    token: String,
    rung: Cell<u32>,
    loses: Rc<Cell<bool>>,
}

/// A caller in a flow.
pub(crate) struct InFlow {
    address: SocketAddr,
    token: String,
    conversation: String,
    /// What the flow was told last.
    pub(crate) told: Value,
    /// The version of what the caller has noticed already.
    noticed: Option<u64>,
    /// The answer to the next data action gets lost, and Architect tries again.
    loses: Rc<Cell<bool>>,
}

impl Architect {
    /// The id of the conversation that comes next.
    pub(crate) fn next_conversation(&self) -> String {
        format!("6b2f0e0a-3a54-4b7f-9d0b-{:012x}", self.rung.get())
    }

    /// A caller rings, of whom the flow knows this.
    pub(crate) fn rings_with(&self, known: &Value) -> InFlow {
        let conversation = self.next_conversation();
        self.rung.set(self.rung.get() + 1);
        let mut caller = InFlow {
            address: self.address,
            token: self.token.clone(),
            conversation,
            told: Value::Null,
            noticed: None,
            loses: Rc::clone(&self.loses),
        };
        caller.asks("classify", known);
        caller
    }
}

impl Platform for Architect {
    fn breaks() -> Breaks {
        Breaks::SendsAgain
    }

    fn settings() -> String {
        "[genesys]\ntrunk = \"office\"\n".to_owned()
    }

    fn beside(daemon: &Daemon) -> Self {
        let (rung, loses) = (Cell::new(0), Rc::default());
        Self { address: daemon.http, token: daemon.token("platform", "architect"), rung, loses }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let ani = how.ani.as_ref().map(|ani| format!("tel:{ani}")).unwrap_or_default();
        let intent = how.intent.clone().unwrap_or_default();
        let known = json!({ "ani": ani, "dnis": "tel:+448000000000", "intent": intent });
        Box::new(self.rings_with(&known))
    }

    fn line_breaks(&self, _: &mut dyn Caller) {
        self.loses.set(true);
    }
}

impl InFlow {
    /// Calls a data action; what it tells is kept.
    pub(crate) fn asks(&mut self, action: &str, fields: &Value) -> &Value {
        let mut body = fields.clone();
        body["conversationId"] = json!(self.conversation);
        if self.loses.replace(false) {
            self.loses_the_answer(action, &body);
        }
        let path = format!("/v1/genesys/{action}");
        let (status, answer) =
            http::request(self.address, "POST", &path, Some(&self.token), Some(&body));
        self.told = serde_json::from_str(&answer).unwrap_or_default();
        if status == 404 {
            self.told = json!({ "result": "done", "next": "hang_up" });
        } else {
            assert_eq!(status, 200, "{answer}");
        }
        &self.told
    }

    /// The request goes out whole, and nobody waits for what comes back.
    fn loses_the_answer(&self, action: &str, body: &Value) {
        let (body, token) = (body.to_string(), &self.token);
        let length = body.len();
        let request = format!(
            "POST /v1/genesys/{action} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.address).expect("the daemon listens");
        stream.write_all(request.as_bytes()).expect("the daemon reads");
        sleep(TURN);
    }

    /// Sends keys as the answer to what was asked last.
    pub(crate) fn keys(&mut self, digit: &str) -> &Value {
        let fields = json!({
            "version": self.told["version"], "keys": self.told["keys"], "digit": digit,
        });
        self.asks("verify-digit", &fields)
    }
}

impl Caller for InFlow {
    fn name(&self) -> String {
        self.conversation.clone()
    }

    fn notices(&mut self) -> Notices {
        poll("a flow is told something new", || {
            if self.told["result"] == "done" {
                let hung_up = self.told["next"] == "hang_up";
                return Some(if hung_up { Notices::HungUp } else { Notices::Routed });
            }
            let version = self.told["version"].as_u64();
            if self.told["result"] == "wait" || version == self.noticed {
                sleep(TURN);
                self.asks("challenge", &json!({}));
                return None;
            }
            self.noticed = version;
            let position = self.told["position"].as_u64().and_then(|at| u8::try_from(at).ok());
            Some(match position.filter(|position| *position > 0) {
                Some(position) => Notices::Position(position),
                None => Notices::CustomerNumber,
            })
        })
    }

    fn presses(&mut self, key: char) {
        self.keys(&key.to_string());
    }

    fn hangs_up(&mut self) {
        let conversation = &self.conversation;
        let event = json!({
            "event_id": format!("{conversation}/over"), "call_id": conversation,
            "at": "2026-11-22T10:00:00Z", "platform": "genesys",
            "type": "connection_cleared", "cause": 16,
        });
        let answer =
            http::request(self.address, "POST", "/v1/events", Some(&self.token), Some(&event));
        assert!([200, 404].contains(&answer.0), "{}", answer.1);
    }
}
