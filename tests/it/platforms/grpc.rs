//! A platform that speaks gRPC: one exchange for each call, and an event is sent again when the stream
//! broke before its answer was read.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::grpc::Client;
use crate::harness::grpc::Exchange;
use crate::harness::grpc::event;
use crate::harness::grpc::proto::CallEvent;
use crate::harness::grpc::proto::Directive;
use crate::harness::grpc::proto::EventAnswer;
use crate::platforms::Breaks;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// A gRPC platform.
pub(crate) struct Grpc {
    client: Client,
    rung: Cell<u32>,
    /// Calls whose streams broke.
    broken: RefCell<BTreeSet<String>>,
}

/// Somebody who rings at it.
struct Person<'a> {
    platform: &'a Grpc,
    name: String,
    exchange: Exchange<'a>,
    events: u32,
    last: CallEvent,
    /// What the call wants, and up to which version the caller has noticed it.
    wanted: Directive,
    noticed: u32,
}

impl Platform for Grpc {
    fn breaks() -> Breaks {
        Breaks::SendsAgain
    }

    fn settings() -> String {
        String::new()
    }

    fn beside(daemon: &Daemon) -> Self {
        Self { client: Client::new(daemon), rung: Cell::default(), broken: RefCell::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let nth = self.rung.replace(self.rung.get() + 1);
        let mut person = Person {
            platform: self,
            name: format!("grpc-{nth}"),
            exchange: self.client.exchange(),
            events: 0,
            last: CallEvent::default(),
            wanted: Directive::default(),
            noticed: 0,
        };
        person.reports(
            "delivered",
            &json!({
                "direction": "inbound", "ani": how.ani, "cli": how.ani, "dnis": "+448000000000",
                "trunk": "office", "intent": how.intent,
            }),
        );
        Box::new(person)
    }

    fn line_breaks(&self, caller: &mut dyn Caller) {
        self.broken.borrow_mut().insert(caller.name());
    }
}

impl Person<'_> {
    fn reports(&mut self, kind: &str, fields: &Value) {
        self.repairs();
        self.events += 1;
        let mut json = json!({
            "event_id": format!("{}-{}", self.name, self.events), "call_id": self.name,
            "at": format!("2026-11-22T10:00:{:02}Z", self.events), "platform": "pbx", "type": kind,
        });
        let more = fields.as_object().into_iter().flatten();
        more.for_each(|(name, value)| json[name] = value.clone());
        self.last = event(&json);
        let answer = self.exchange.ask(self.last.clone());
        self.hears(&answer);
    }

    /// A stream that broke is opened again, and begins with what may have got lost.
    fn repairs(&mut self) {
        if self.platform.broken.borrow_mut().remove(&self.name) {
            self.exchange = self.platform.client.exchange();
            let answer = self.exchange.ask(self.last.clone());
            self.hears(&answer);
        }
    }

    fn hears(&mut self, answer: &EventAnswer) {
        assert!(answer.rejected.is_none(), "{answer:?}");
        let wanted = answer.call.as_ref().and_then(|call| call.directive.clone());
        if let Some(wanted) = wanted.filter(|wanted| wanted.version > self.wanted.version) {
            self.wanted = wanted;
        }
    }
}

impl Caller for Person<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn notices(&mut self) -> Notices {
        self.repairs();
        loop {
            while self.wanted.version <= self.noticed {
                let told = self.exchange.next().expect("the call goes on");
                self.hears(&told);
            }
            self.noticed = self.wanted.version;
            match (self.wanted.r#do.as_str(), self.wanted.position) {
                ("collect_digit", Some(position)) => {
                    return Notices::Position(u8::try_from(position).expect("1 to 7"));
                }
                ("collect_digit", None) => return Notices::CustomerNumber,
                ("route", _) => return Notices::Routed,
                ("hang_up", _) => return Notices::HungUp,
                _ => {}
            }
        }
    }

    fn presses(&mut self, key: char) {
        let fields = json!({
            "digit": key.to_string(), "duration_ms": 80, "directive": self.wanted.version,
        });
        self.reports("digit_generated", &fields);
    }

    fn hangs_up(&mut self) {
        self.reports("connection_cleared", &json!({ "cause": 16 }));
    }
}
