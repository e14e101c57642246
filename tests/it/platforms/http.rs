//! A platform that reports by HTTP (contract §4): it collects keys by itself and does what it is told.

use std::cell::Cell;
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::http;
use crate::harness::platform;
use crate::platforms::Breaks;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// What the platform calls itself.
const NAME: &str = "pbx";

/// A platform with its token.
pub(crate) struct Http {
    to: SocketAddr,
    token: String,
    calls: Cell<u32>,
    /// Whether the last answer of the call did not arrive.
    broke: Cell<bool>,
}

/// One of its callers.
struct Leg<'a> {
    platform: &'a Http,
    name: String,
    /// The directive that was followed last.
    followed: u64,
    directive: Value,
    sent: Value,
}

impl Platform for Http {
    fn settings() -> String {
        String::new()
    }

    fn beside(daemon: &Daemon) -> Self {
        let token = daemon.token("platform", NAME);
        Self { to: daemon.http, token, calls: Cell::default(), broke: Cell::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        self.calls.set(self.calls.get() + 1);
        let name = format!("http-{}", self.calls.get());
        let fields = json!({
            "direction": "inbound", "ani": how.ani, "cli": how.ani, "dnis": "+448000000000",
            "trunk": "office", "intent": how.intent,
        });
        let (directive, sent) = (Value::Null, Value::Null);
        let mut leg = Leg { platform: self, name, followed: 0, directive, sent };
        leg.reports("delivered", &fields);
        Box::new(leg)
    }

    /// A request may have come although its answer did not: it is sent again.
    fn line_breaks(&self, _: &mut dyn Caller) {
        self.broke.set(true);
    }

    fn breaks() -> Breaks {
        Breaks::SendsAgain
    }
}

impl Leg<'_> {
    /// Sends an event, and reads what the call wants now.
    fn reports(&mut self, kind: &str, fields: &Value) {
        self.catches_up();
        self.sent = platform::event_of(NAME, kind, &self.name, fields);
        self.sends();
    }

    fn sends(&mut self) {
        let (status, answer) = self.platform.ask("POST", "/v1/events", Some(&self.sent));
        assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
        self.directive = answer["calls"][0]["directive"].clone();
    }

    /// After a break: the last event again, as often as a platform in a hurry would.
    fn catches_up(&mut self) {
        if self.platform.broke.take() {
            self.sends();
            self.sends();
        }
    }
}

impl Http {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, answer) = http::request(self.to, method, path, Some(&self.token), body);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }
}

impl Caller for Leg<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn notices(&mut self) -> Notices {
        self.catches_up();
        loop {
            let version = self.directive["version"].as_u64().expect("a version");
            if version > self.followed {
                self.followed = version;
                match self.directive["do"].as_str() {
                    Some("collect_digit") => {
                        let position = self.directive["position"].as_u64();
                        let position = position.map(|at| u8::try_from(at).expect("1 to 7"));
                        return position.map_or(Notices::CustomerNumber, Notices::Position);
                    }
                    Some("route") => return Notices::Routed,
                    Some("hang_up") => return Notices::HungUp,
                    _ => {}
                }
            }
            let path =
                format!("/v1/calls/{}/directive?after={}&wait_s=25", self.name, self.followed);
            let (status, answer) = self.platform.ask("GET", &path, None);
            assert_eq!(status, 200, "{answer}");
            self.directive = answer["directive"].clone();
        }
    }

    fn presses(&mut self, key: char) {
        let fields =
            json!({ "digit": key.to_string(), "duration_ms": 80, "directive": self.followed });
        self.reports("digit_generated", &fields);
    }

    fn hangs_up(&mut self) {
        self.reports("connection_cleared", &json!({ "cause": 16 }));
    }
}
