//! A telephony platform that reports by HTTP and does what it is told.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;

/// Counts the events of all platforms: several may speak about one call, each to another node.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A platform with its token.
pub(crate) struct Platform<'a> {
    daemon: &'a Daemon,
    token: String,
}

impl<'a> Platform<'a> {
    pub(crate) fn new(daemon: &'a Daemon) -> Self {
        Self { daemon, token: daemon.token("platform", "pbx") }
    }

    /// An event with an id of its own.
    #[expect(clippy::unused_self, reason = "it is the platform's")]
    pub(crate) fn event(&self, kind: &str, call: &str, fields: &Value) -> Value {
        event_of("pbx", kind, call, fields)
    }

    /// Sends a body as it is.
    pub(crate) fn publish(&self, body: &Value) -> (u16, Value) {
        self.daemon.ask("POST", "/v1/events", &self.token, Some(body))
    }

    /// Sends one event, and what its call is answered.
    #[track_caller]
    pub(crate) fn send(&self, kind: &str, call: &str, fields: &Value) -> Value {
        let (status, answer) = self.publish(&self.event(kind, call, fields));
        assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{kind}: {answer}");
        assert_eq!(answer["calls"][0]["call_id"], call, "{answer}");
        answer["calls"][0].clone()
    }

    /// A call from this number over the trunk `office`.
    #[track_caller]
    pub(crate) fn delivered(&self, call: &str, ani: &str) -> Value {
        let fields = json!({
            "direction": "inbound", "ani": ani, "cli": ani, "dnis": "+448000000000",
            "trunk": "office",
        });
        self.send("delivered", call, &fields)
    }

    /// Waits for a directive after this one.
    pub(crate) fn directive(&self, call: &str, after: u64, wait_s: u64) -> (u16, Value) {
        let path = format!("/v1/calls/{call}/directive?after={after}&wait_s={wait_s}");
        self.daemon.ask("GET", &path, &self.token, None)
    }

    /// Presses a key, as an answer to the directive that asked for it.
    #[track_caller]
    pub(crate) fn key(&self, call: &str, key: char) -> Value {
        self.send("digit_generated", call, &json!({ "digit": key.to_string(), "duration_ms": 80 }))
    }

    /// Keys the digits of this PIN that are asked, until something else is asked. What the caller
    /// heard, and the last answer.
    #[track_caller]
    pub(crate) fn keys_pin(&self, call: &str, answer: Value, pin: &str) -> (Vec<String>, Value) {
        let (mut heard, mut answer) = (vec![], answer);
        loop {
            let directive = &answer["directive"];
            let before = directive["before"].as_array().into_iter().flatten();
            heard.extend(
                before.chain([&directive["prompt"]]).filter_map(Value::as_str).map(str::to_owned),
            );
            let Some(position) = directive["position"].as_u64() else { return (heard, answer) };
            let at = usize::try_from(position).expect("a position") - 1;
            let key = pin.chars().nth(at).expect("a digit");
            answer = self.key(call, key);
        }
    }
}

/// An event of contract §4, with an id of its own and a later time than those before.
pub(crate) fn event_of(platform: &str, kind: &str, call: &str, fields: &Value) -> Value {
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let (minutes, seconds, ms) = (nth / 60_000 % 60, nth / 1000 % 60, nth % 1000);
    let mut event = json!({
        "event_id": format!("event-{call}-{nth}"),
        "call_id": call,
        "at": format!("2026-11-22T10:{minutes:02}:{seconds:02}.{ms:03}Z"),
        "platform": platform,
        "type": kind,
    });
    let more = fields.as_object().into_iter().flatten();
    more.for_each(|(name, value)| event[name] = value.clone());
    event
}
