//! What a platform that keeps the caller's media is to do next (contract §4).

use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::ser::Serializer;

use crate::call::effect::Prompt;
use crate::model::cause::Cause;
use crate::model::digits::Position;
use crate::model::ids::CallId;
use crate::model::ids::QueueName;

/// One directive. Versions of a call rise, so that a platform knows the newer one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directive {
    /// From 1; 0 before anything was decided.
    pub version: u64,
    /// What to do.
    pub order: Order,
    /// Phrases to play first, in order.
    pub before: Vec<Prompt>,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Nothing was decided yet.
    Wait,
    /// Connect the caller to the queue; nothing (more) is asked.
    Route {
        /// The queue's URI; `None` for a call that goes where the platform dialled.
        to: Option<String>,
        /// The queue's name.
        queue: QueueName,
        /// Our id, for the agent's side.
        call: Option<CallId>,
    },
    /// Play a prompt, then send the keys that are pressed, one event each.
    Collect {
        /// Which PIN digit; `None` for a customer number, ended by `#`.
        position: Option<Position>,
        /// How long to wait for a key after the prompt.
        within: Duration,
    },
    /// Play a phrase and go on as before.
    Play(Prompt),
    /// Hang up.
    HangUp(Cause),
}

impl Serialize for Directive {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match &self.order {
            Order::Wait => map.serialize_entry("do", "wait")?,
            Order::Route { to, queue, call } => {
                map.serialize_entry("do", "route")?;
                map.serialize_entry("to", to)?;
                map.serialize_entry("queue", queue)?;
                map.serialize_entry("call", call)?;
            }
            Order::Collect { position, within } => {
                let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                let prompt = position.map_or(Prompt::CustomerNumber, Prompt::PinPosition);
                map.serialize_entry("do", "collect_digit")?;
                map.serialize_entry("position", position)?;
                map.serialize_entry("digit_timeout_ms", &within)?;
                map.serialize_entry("prompt", prompt.id())?;
            }
            Order::Play(prompt) => {
                map.serialize_entry("do", "play")?;
                map.serialize_entry("prompt", prompt.id())?;
            }
            Order::HangUp(cause) => {
                map.serialize_entry("do", "hang_up")?;
                map.serialize_entry("reason", cause.word())?;
            }
        }
        let before: Vec<_> = self.before.iter().map(|phrase| phrase.id()).collect();
        map.serialize_entry("before", &before)?;
        map.serialize_entry("version", &self.version)?;
        map.end()
    }
}

/// Every field any directive may have.
#[derive(Deserialize)]
struct Fields {
    r#do: String,
    version: u64,
    before: Vec<String>,
    to: Option<String>,
    queue: Option<QueueName>,
    call: Option<CallId>,
    position: Option<Position>,
    digit_timeout_ms: Option<u64>,
    prompt: Option<String>,
    reason: Option<String>,
}

impl Fields {
    fn order(self) -> Result<Order, &'static str> {
        match self.r#do.as_str() {
            "wait" => Ok(Order::Wait),
            "route" => {
                let queue = self.queue.ok_or("queue")?;
                Ok(Order::Route { to: self.to, queue, call: self.call })
            }
            "collect_digit" => {
                let within =
                    Duration::from_millis(self.digit_timeout_ms.ok_or("digit_timeout_ms")?);
                Ok(Order::Collect { position: self.position, within })
            }
            "play" => {
                let prompt = self.prompt.as_deref().and_then(Prompt::from_id);
                prompt.map(Order::Play).ok_or("prompt")
            }
            "hang_up" => {
                let reason = self.reason.ok_or("reason")?;
                // The word for a cause without one of its own has to come out again as it went in.
                let other = Cause::read("127");
                let cause = if reason == other.word() { other } else { Cause::read(&reason) };
                Ok(Order::HangUp(cause))
            }
            _ => Err("do"),
        }
    }
}

/// As another node wrote it.
impl<'de> Deserialize<'de> for Directive {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(from)?;
        let unusable =
            |field| D::Error::custom(format_args!("a directive without a usable {field}"));
        let before = std::mem::take(&mut fields.before);
        let before: Option<Vec<_>> = before.iter().map(|id| Prompt::from_id(id)).collect();
        let (before, version) = (before.ok_or_else(|| unusable("before"))?, fields.version);
        Ok(Self { version, order: fields.order().map_err(unusable)?, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_4_directives_are_written_as_agreed() {
        let third = Position::new(3);
        let queue: QueueName = "general".parse().expect("a name");
        let call = "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().ok();
        let within = Duration::from_secs(8);
        for (order, before, written) in [
            (Order::Wait, vec![], r#"{"do":"wait","before":[],"version":7}"#),
            (
                Order::Route { to: Some("sip:q@h".into()), queue, call },
                vec![Prompt::Thanks],
                r#"{"do":"route","to":"sip:q@h","queue":"general","call":"01M8Y2J3K4N5P6Q7R8S9T0V1W2","before":["thanks"],"version":7}"#,
            ),
            (
                Order::Collect { position: third, within },
                vec![Prompt::PinAgain],
                r#"{"do":"collect_digit","position":3,"digit_timeout_ms":8000,"prompt":"pin.position.3","before":["pin.again"],"version":7}"#,
            ),
            (
                Order::Collect { position: None, within },
                vec![],
                r#"{"do":"collect_digit","position":null,"digit_timeout_ms":8000,"prompt":"customer.number","before":[],"version":7}"#,
            ),
            (
                Order::Play(Prompt::Thanks),
                vec![],
                r#"{"do":"play","prompt":"thanks","before":[],"version":7}"#,
            ),
            (
                Order::HangUp(Cause::TEMPORARY_FAILURE),
                vec![Prompt::Goodbye],
                r#"{"do":"hang_up","reason":"temporary_failure","before":["goodbye"],"version":7}"#,
            ),
            (
                Order::HangUp(Cause(127)),
                vec![],
                r#"{"do":"hang_up","reason":"other","before":[],"version":7}"#,
            ),
        ] {
            let directive = Directive { version: 7, order, before };
            assert_eq!(serde_json::to_string(&directive).expect("JSON"), written);
            let read: Directive = serde_json::from_str(written).expect("a directive");
            assert_eq!(read, directive);
        }
    }
}
