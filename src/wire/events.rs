//! Call events over HTTP as plain values (contract §4): what a platform sends, and what it is answered.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::Error;
use serde_json::Map;
use serde_json::Value;

use crate::call::input::CallEvent;
use crate::call::input::PresentedIntent;
use crate::call::input::TransferTo;
use crate::model::auth::Authentication;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Attestation;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::IntentHandle;
use crate::model::ids::NotAName;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::ids::TrunkName;
use crate::model::time::Timestamp;
use crate::wire::directive::Directive;

/// The largest body of events, in bytes.
pub const BODY_MAX: usize = 1024 * 1024;
/// Events in one request at the most.
pub const EVENTS_MAX: usize = 1000;
/// The longest event id, number and dialled number.
const TEXT_MAX: usize = 128;

/// One event.
#[derive(Debug)]
pub struct Event {
    /// The idempotency key.
    pub id: String,
    /// Which call, in the platform's words.
    pub call: PlatformCallId,
    /// When it happened, by the platform's clock.
    pub at: Timestamp,
    /// Whose word it is.
    pub platform: PlatformName,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A call came, or is being dialled.
    Delivered(Box<Arrival>),
    /// A key was pressed.
    Key {
        /// Which.
        key: Key,
        /// The version of the directive that asked for it, when the platform says.
        asked: Option<u64>,
    },
    /// Anything else the call itself takes.
    Other(CallEvent),
}

/// Who calls, as the platform says it. Prints nothing: most of it is personal.
#[derive(Default)]
pub struct Arrival {
    /// Who dialled whom.
    pub direction: Direction,
    /// The number that the network asserts.
    pub ani: Option<String>,
    /// The number that the caller presents.
    pub cli: Option<String>,
    /// What was dialled.
    pub dnis: Option<String>,
    /// What the platform found out about the caller's right to the number.
    pub attestation: Option<Attestation>,
    /// The carrier's word for that, as it came.
    pub verstat: Option<String>,
    /// Where the call came in: a name of `[sip.trunks.*]`.
    pub trunk: Option<TrunkName>,
    /// The app's handle.
    pub intent: Option<PresentedIntent>,
    /// Whom the platform takes the caller for.
    pub customer: Option<CustomerId>,
    /// Where the call goes.
    pub queue: Option<QueueName>,
    /// When the platform can collect keys.
    pub collects: Collects,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrival({})", self.direction.word())
    }
}

/// What a request holds.
#[derive(Debug)]
pub enum Batch {
    /// One event.
    One(Result<Event, Rejected>),
    /// An array.
    Many(Vec<Result<Event, Rejected>>),
}

/// The body is neither an object nor an array of at most [`EVENTS_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoBatch {
    /// Another JSON value.
    Form,
    /// More events than one request may hold.
    TooMany,
}

/// A stable word of [`Rejected::CODES`].
pub type Code = &'static str;

/// An event that was not taken. Holds no value of it but its id.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rejected {
    /// Its place in the array, from 0.
    pub index: usize,
    /// Its id, where it has a usable one.
    pub event_id: Option<String>,
    /// A stable word.
    #[serde(deserialize_with = "code")]
    pub code: Code,
    /// What to write instead.
    pub message: String,
}

/// What came of the events.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    /// Events taken, repeats among them.
    pub accepted: usize,
    /// Accepted ones that are older, by `at`, than what their call had heard before.
    pub out_of_order: usize,
    /// The calls of the accepted events, each once.
    pub calls: Vec<CallAnswer>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

/// Where a call stands, and what its platform is to do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallAnswer {
    /// The platform's id.
    pub call_id: PlatformCallId,
    /// Ours.
    pub call: CallId,
    /// Null only while nothing was decided.
    pub class: Option<CallerClass>,
    /// How far the check has come.
    pub authentication: Authentication,
    /// What to do next.
    pub directive: Directive,
}

impl Rejected {
    /// Every code.
    pub const CODES: [Code; 4] = ["invalid_event", "unknown_type", "no_such_call", "unavailable"];
}

/// A code as another node wrote it.
fn code<'de, D: Deserializer<'de>>(from: D) -> Result<Code, D::Error> {
    let text = String::deserialize(from)?;
    let known = Rejected::CODES.into_iter().find(|code| *code == text);
    known.ok_or_else(|| D::Error::custom("no code of an event"))
}

/// Why a field or an event cannot be read.
struct Wrong(&'static str, String);

impl Batch {
    /// The events, whichever way they came.
    #[must_use]
    pub fn into_events(self) -> Vec<Result<Event, Rejected>> {
        match self {
            Self::One(event) => vec![event],
            Self::Many(events) => events,
        }
    }

    /// Reads a body.
    pub fn read(body: Value) -> Result<Self, NoBatch> {
        match body {
            Value::Array(events) if events.len() > EVENTS_MAX => Err(NoBatch::TooMany),
            Value::Array(events) => {
                let events = events.iter().enumerate();
                Ok(Self::Many(events.map(|(index, event)| read(index, event)).collect()))
            }
            event @ Value::Object(_) => Ok(Self::One(read(0, &event))),
            _ => Err(NoBatch::Form),
        }
    }
}

fn read(index: usize, event: &Value) -> Result<Event, Rejected> {
    let fields = Fields(event.as_object());
    fields.event().map_err(|Wrong(code, message)| Rejected {
        index,
        event_id: fields.text("event_id").ok().flatten().map(str::to_owned),
        code,
        message,
    })
}

/// An event's fields; errors name the field and never its value.
struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    fn event(&self) -> Result<Event, Wrong> {
        if self.0.is_none() {
            return Err(Wrong("invalid_event", "an event is a JSON object".to_owned()));
        }
        let at = Timestamp::from_rfc3339(self.needed("at")?)
            .ok_or_else(|| wrong("at", "must be an RFC 3339 time with its offset"))?;
        Ok(Event {
            id: self.needed("event_id")?.to_owned(),
            call: self.named_needed("call_id")?,
            at,
            platform: self.named_needed("platform")?,
            what: self.what()?,
        })
    }

    fn what(&self) -> Result<What, Wrong> {
        let event = match self.needed("type")? {
            "delivered" => return Ok(What::Delivered(Box::new(self.arrival()?))),
            "digit_generated" => {
                let key = one_character(self.needed("digit")?).and_then(Key::from_char);
                let key = key.ok_or_else(|| wrong("digit", "must be one of 0-9 * # A-D"))?;
                self.count("duration_ms")?;
                return Ok(What::Key { key, asked: self.count("directive")? });
            }
            "established" => CallEvent::Established,
            "held" => CallEvent::Held,
            "retrieved" => CallEvent::Retrieved,
            "interrupted" => CallEvent::LegLost,
            "resumed" => CallEvent::LegBack,
            "agent_joined" => CallEvent::AgentJoined(self.named_needed("agent")?),
            "agent_left" => CallEvent::AgentLeft(self.named_needed("agent")?),
            "transferred" => CallEvent::Transferred {
                to: self.target()?,
                warm: self.flag("warm")?.unwrap_or(false),
            },
            "connection_cleared" => CallEvent::ConnectionCleared(self.cause()?),
            _ => {
                return Err(Wrong(
                    "unknown_type",
                    "type must be delivered, established, held, retrieved, digit_generated, \
                     interrupted, resumed, agent_joined, agent_left, transferred or \
                     connection_cleared"
                        .to_owned(),
                ));
            }
        };
        Ok(What::Other(event))
    }

    fn arrival(&self) -> Result<Arrival, Wrong> {
        let direction = match self.text("direction")? {
            None | Some("inbound") => Direction::Inbound,
            Some("outbound") => Direction::Outbound,
            Some(_) => return Err(wrong("direction", "must be inbound or outbound")),
        };
        let attestation = match self.text("attestation")? {
            None => None,
            Some("A") => Some(Attestation::Full),
            Some("B") => Some(Attestation::Partial),
            Some("C") => Some(Attestation::Gateway),
            Some("diverted") => Some(Attestation::Diverted),
            Some("failed") => Some(Attestation::Failed),
            Some("none") => Some(Attestation::None),
            Some(_) => return Err(wrong("attestation", "must be A, B, C, none or failed")),
        };
        let intent = self.text("intent")?.map(|handle| {
            IntentHandle::parse(handle.trim())
                .map_or(PresentedIntent::Unreadable, PresentedIntent::Handle)
        });
        let collects = match self.text("collects")? {
            None | Some("anytime") => Collects::Anytime,
            Some("until_handed_over") => Collects::UntilHandedOver,
            Some(_) => return Err(wrong("collects", "must be anytime or until_handed_over")),
        };
        Ok(Arrival {
            direction,
            collects,
            ani: self.text("ani")?.map(str::to_owned),
            cli: self.text("cli")?.map(str::to_owned),
            dnis: self.text("dnis")?.map(str::to_owned),
            attestation,
            verstat: self.text("verstat")?.map(str::to_owned),
            trunk: self.named("trunk")?,
            intent,
            customer: self.named("customer_id")?,
            queue: self.named("queue")?,
        })
    }

    fn target(&self) -> Result<TransferTo, Wrong> {
        match (self.named("to_agent")?, self.named("to_queue")?) {
            (Some(agent), None) => Ok(TransferTo::Agent(agent)),
            (None, Some(queue)) => Ok(TransferTo::Queue(queue)),
            _ => Err(wrong("to_agent", "or to_queue must be there, one of them")),
        }
    }

    fn cause(&self) -> Result<Cause, Wrong> {
        match self.field("cause") {
            Some(Value::Number(value)) => Ok(Cause::read(&value.to_string())),
            _ => Ok(self.text("cause")?.map_or(Cause::NORMAL_UNSPECIFIED, Cause::read)),
        }
    }

    /// A field; null is the same as none.
    fn field(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Wrong> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong(name, "must be text"))?;
        // A number withheld is often sent as an empty text.
        let short = text.len() <= TEXT_MAX && !text.chars().any(char::is_control);
        if !short {
            return Err(wrong(name, "must be at most 128 bytes without control characters"));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn needed(&self, name: &'static str) -> Result<&'a str, Wrong> {
        self.text(name)?.ok_or_else(|| wrong(name, "is missing or empty"))
    }

    fn named<N: TryFrom<String, Error = NotAName>>(
        &self,
        name: &'static str,
    ) -> Result<Option<N>, Wrong> {
        let text = self.text(name)?.map(str::to_owned);
        text.map(N::try_from).transpose().map_err(|_| wrong(name, "is no usable name"))
    }

    fn named_needed<N: TryFrom<String, Error = NotAName>>(
        &self,
        name: &'static str,
    ) -> Result<N, Wrong> {
        self.named(name)?.ok_or_else(|| wrong(name, "is missing or empty"))
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, Wrong> {
        let Some(value) = self.field(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong(name, "must be true or false"))
    }

    fn count(&self, name: &'static str) -> Result<Option<u64>, Wrong> {
        let Some(value) = self.field(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| wrong(name, "must be a whole number from 0"))
    }
}

fn wrong(field: &'static str, how: &str) -> Wrong {
    Wrong("invalid_event", format!("{field} {how}"))
}

fn one_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(fields: &Value) -> Value {
        let mut event = json!({
            "event_id": "e1", "call_id": "c1", "at": "2026-11-22T10:00:00Z", "platform": "pbx",
        });
        for (name, value) in fields.as_object().expect("an object") {
            event[name] = value.clone();
        }
        event
    }

    fn one(fields: &Value) -> Result<Event, Rejected> {
        match Batch::read(event(fields)) {
            Ok(Batch::One(read)) => read,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contract_4_every_type_is_read() {
        for (fields, read) in [
            (
                json!({ "type": "delivered", "direction": "outbound" }),
                "Delivered(Arrival(outbound))",
            ),
            (json!({ "type": "delivered", "ani": null, "cli": "" }), "Delivered(Arrival(inbound))"),
            (json!({ "type": "established" }), "Other(Established)"),
            (json!({ "type": "held" }), "Other(Held)"),
            (json!({ "type": "retrieved" }), "Other(Retrieved)"),
            (json!({ "type": "interrupted" }), "Other(LegLost)"),
            (json!({ "type": "resumed" }), "Other(LegBack)"),
            (
                json!({ "type": "digit_generated", "digit": "7", "duration_ms": 90 }),
                "Key { key: Key(•), asked: None }",
            ),
            (
                json!({ "type": "digit_generated", "digit": "#", "directive": 4 }),
                "Key { key: Key(•), asked: Some(4) }",
            ),
            (
                json!({ "type": "agent_joined", "agent": "alice" }),
                r#"Other(AgentJoined(AgentId("alice")))"#,
            ),
            (
                json!({ "type": "agent_left", "agent": "alice" }),
                r#"Other(AgentLeft(AgentId("alice")))"#,
            ),
            (
                json!({ "type": "transferred", "to_agent": "bob", "warm": true }),
                r#"Other(Transferred { to: Agent(AgentId("bob")), warm: true })"#,
            ),
            (
                json!({ "type": "transferred", "to_queue": "cards" }),
                r#"Other(Transferred { to: Queue(QueueName("cards")), warm: false })"#,
            ),
            (
                json!({ "type": "connection_cleared", "cause": 17 }),
                "Other(ConnectionCleared(Cause(17)))",
            ),
            (
                json!({ "type": "connection_cleared", "cause": "normal_clearing" }),
                "Other(ConnectionCleared(Cause(16)))",
            ),
            (json!({ "type": "connection_cleared" }), "Other(ConnectionCleared(Cause(31)))"),
        ] {
            let event = one(&fields).unwrap_or_else(|rejected| panic!("{fields}: {rejected:?}"));
            assert_eq!(format!("{:?}", event.what), read, "{fields}");
        }
    }

    #[test]
    fn contract_4_what_cannot_be_read_names_the_event_and_the_field() {
        for (fields, code, named) in [
            (json!({}), "invalid_event", "type"),
            (json!({ "type": "ringing" }), "unknown_type", "type"),
            (json!({ "type": "digit_generated" }), "invalid_event", "digit"),
            (json!({ "type": "digit_generated", "digit": "42" }), "invalid_event", "digit"),
            (json!({ "type": "digit_generated", "digit": "E" }), "invalid_event", "digit"),
            (json!({ "type": "digit_generated", "digit": 4 }), "invalid_event", "digit"),
            (
                json!({ "type": "digit_generated", "digit": "4", "duration_ms": -1 }),
                "invalid_event",
                "duration_ms",
            ),
            (json!({ "type": "delivered", "direction": "up" }), "invalid_event", "direction"),
            (json!({ "type": "delivered", "attestation": "D" }), "invalid_event", "attestation"),
            (json!({ "type": "delivered", "ani": 44 }), "invalid_event", "ani"),
            (json!({ "type": "delivered", "dnis": "x".repeat(129) }), "invalid_event", "dnis"),
            (json!({ "type": "agent_joined" }), "invalid_event", "agent"),
            (json!({ "type": "transferred", "warm": true }), "invalid_event", "to_agent"),
            (
                json!({ "type": "transferred", "to_agent": "a", "to_queue": "b" }),
                "invalid_event",
                "to_agent",
            ),
            (json!({ "type": "transferred", "to_agent": "a", "warm": 1 }), "invalid_event", "warm"),
            (json!({ "type": "held", "at": "yesterday" }), "invalid_event", "at"),
            (json!({ "type": "held", "call_id": "" }), "invalid_event", "call_id"),
            (json!({ "type": "held", "platform": null }), "invalid_event", "platform"),
        ] {
            let rejected = one(&fields).expect_err("rejected");
            assert_eq!((rejected.code, rejected.event_id.as_deref()), (code, Some("e1")));
            assert!(rejected.message.starts_with(named), "{fields}: {}", rejected.message);
        }
        let nameless = one(&json!({ "type": "held", "event_id": 7 })).expect_err("rejected");
        assert_eq!((nameless.event_id, nameless.index), (None, 0));
    }

    #[test]
    fn contract_4_a_request_is_one_event_or_an_array_of_bounded_length() {
        let held = event(&json!({ "type": "held" }));
        let Ok(Batch::Many(events)) = Batch::read(json!([held, 5, held])) else { panic!("many") };
        let read: Vec<_> = events.iter().map(|read| read.as_ref().err().map(|r| r.index)).collect();
        assert_eq!(read, [None, Some(1), None]);
        let many = Value::Array(vec![held; EVENTS_MAX + 1]);
        assert_eq!(Batch::read(many).err(), Some(NoBatch::TooMany));
        assert_eq!(Batch::read(json!("held")).err(), Some(NoBatch::Form));
    }

    #[test]
    fn p11_an_event_prints_neither_numbers_nor_digits() {
        let fields = json!({
            "type": "delivered", "ani": "+442079460123", "cli": "+442079460124",
            "customer_id": "1001", "intent": "0123456789abcdef0123456789abcdef",
        });
        let shown = format!("{:?}", one(&fields).expect("an event"));
        assert!(!shown.contains("7946") && !shown.contains("1001"), "{shown}");
        assert!(!shown.contains("89abcdef"), "{shown}");
    }
}
