//! Genesys `AudioHook`, protocol version 2, as plain values: what a client says, and what it is told.
//!
//! Fields and types that we do not know are passed over, empty texts and null UUIDs are values like any
//! other: an integration must not stop because its platform learnt a new word.

use std::fmt;
use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::model::digits::Key;

/// The longest message of either side, in characters.
pub const TEXT_MAX: usize = 65_535;
/// The longest id that is kept.
const ID_MAX: usize = 64;
/// The id of the connection probe's conversation and participant.
const NULL_UUID: &str = "00000000-0000-0000-0000-000000000000";
/// A client that asks for a longer pause waits for itself.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Media that one `open` may offer.
const MEDIA_MAX: usize = 16;

/// A message of the client.
#[derive(Debug)]
pub struct Message {
    /// The session.
    pub id: String,
    /// Its place among the client's messages, from 1.
    pub seq: u64,
    /// How many of ours the client had by then.
    pub serverseq: u64,
    /// What it says.
    pub said: Said,
}

/// What a client says.
#[derive(Debug)]
pub enum Said {
    /// The session begins.
    Open(Box<Open>),
    /// Are you there?
    Ping,
    /// A key was pressed; none: one that no telephone has.
    Key(Option<Key>),
    /// What we sent begins to sound.
    PlaybackStarted,
    /// All that we sent has sounded.
    PlaybackCompleted,
    /// The session ends.
    Close(CloseReason),
    /// Something of ours was wrong.
    Error {
        /// As in HTTP.
        code: u64,
        /// When to go on, after a 429.
        retry_after: Option<Duration>,
    },
    /// The caller's language changed.
    Update,
    /// `paused`, `resumed`, `discarded`, and words that are new.
    Other,
}

/// Why a client closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The caller hung up, or the flow went on without us.
    End,
    /// We asked for it.
    Disconnect,
    /// Something went wrong; the caller may still be there.
    Error,
    /// It wants to begin again.
    Reconnect,
}

/// How a session begins. Prints nothing: most of it is personal.
#[derive(Clone, Default)]
pub struct Open {
    /// The organization, which the handshake names too.
    pub organization: String,
    /// The conversation.
    pub conversation: String,
    /// Which participant is heard.
    pub participant: String,
    /// The caller's number.
    pub ani: String,
    /// The dialled number.
    pub dnis: String,
    /// What is offered, as it came.
    pub media: Vec<Value>,
    /// Input variable `customer_id`.
    pub customer: Option<String>,
    /// Input variable `intent`.
    pub intent: Option<String>,
    /// Input variable `attestation`.
    pub attestation: Option<String>,
}

impl Open {
    /// Whether it only asks whether anybody is there.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.conversation == NULL_UUID || self.participant == NULL_UUID
    }

    /// The medium that prompts can be played into and keys come with: μ-law, the caller alone if that is
    /// offered.
    #[must_use]
    pub fn choice(&self) -> Option<&Value> {
        let external = |media: &&Value| {
            let channels = media.get("channels").and_then(Value::as_array);
            let named = channels.is_some_and(|channels| channels.iter().any(|c| c == "external"));
            named && media.get("format").is_some_and(|format| format == "PCMU")
        };
        let alone = |media: &&Value| {
            media.get("channels").and_then(Value::as_array).is_some_and(|all| all.len() == 1)
        };
        let mut offered = self.media.iter().filter(external);
        offered.clone().find(alone).or_else(|| offered.next())
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Open({} media)", self.media.len())
    }
}

/// A text that is no message of this protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no AudioHook message of version 2")]
pub struct Malformed;

impl Message {
    /// Reads a message.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > TEXT_MAX && text.chars().count() > TEXT_MAX {
            return Err(Malformed);
        }
        let value: Value = serde_json::from_str(text).map_err(|_| Malformed)?;
        if value.get("version").and_then(Value::as_str) != Some("2") {
            return Err(Malformed);
        }
        let id = value.get("id").and_then(Value::as_str).filter(|id| id.len() <= ID_MAX);
        let kind = value.get("type").and_then(Value::as_str).ok_or(Malformed)?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64).ok_or(Malformed);
        let nothing = Map::new();
        let parameters = value.get("parameters").and_then(Value::as_object).unwrap_or(&nothing);
        Ok(Self {
            id: id.ok_or(Malformed)?.to_owned(),
            seq: number("seq")?,
            serverseq: number("serverseq")?,
            said: said(kind, parameters),
        })
    }
}

fn said(kind: &str, parameters: &Map<String, Value>) -> Said {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    match kind {
        "open" => Said::Open(Box::new(open(parameters))),
        "ping" => Said::Ping,
        "dtmf" => Said::Key(text("digit").and_then(one_character).and_then(Key::from_char)),
        "playback_started" => Said::PlaybackStarted,
        "playback_completed" => Said::PlaybackCompleted,
        "close" => Said::Close(match text("reason") {
            Some("disconnect") => CloseReason::Disconnect,
            Some("error") => CloseReason::Error,
            Some("reconnect") => CloseReason::Reconnect,
            _ => CloseReason::End,
        }),
        "error" => Said::Error {
            code: parameters.get("code").and_then(Value::as_u64).unwrap_or_default(),
            retry_after: text("retryAfter").and_then(duration),
        },
        "update" => Said::Update,
        _ => Said::Other,
    }
}

fn open(parameters: &Map<String, Value>) -> Open {
    let text_of = |from: Option<&Value>, name: &str| {
        let text = from.and_then(|from| from.get(name)).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let own =
        |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let participant = parameters.get("participant");
    let inputs = parameters.get("inputVariables");
    let input = |name: &str| {
        let text = text_of(inputs, name).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let media = parameters.get("media").and_then(Value::as_array);
    Open {
        organization: own("organizationId"),
        conversation: own("conversationId"),
        participant: text_of(participant, "id"),
        ani: text_of(participant, "ani"),
        dnis: text_of(participant, "dnis"),
        media: media.into_iter().flatten().take(MEDIA_MAX).cloned().collect(),
        customer: input("customer_id"),
        intent: input("intent"),
        attestation: input("attestation"),
    }
}

fn one_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// `PT1.5S`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_prefix("PT")?.strip_suffix('S')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(RETRY_MAX))
}

/// What we say.
#[derive(Clone, Debug)]
pub enum Tell<'a> {
    /// Go on, with this medium or with none.
    Opened(Option<&'a Value>),
    /// Here we are.
    Pong,
    /// The language was heard.
    Updated,
    /// Stop what plays: the caller has pressed a key.
    BargeIn,
    /// We have done.
    Disconnect(Ending, &'a str, &'a Outputs),
    /// The session is over.
    Closed,
}

/// How we end a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// As it should.
    Completed,
    /// Something of ours or theirs went wrong.
    Error,
}

/// What the flow learns at the end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outputs {
    /// Our id of the call.
    pub call: String,
    /// The class, once decided.
    pub class: Option<&'static str>,
    /// How far the check has come.
    pub authentication: Option<&'static str>,
    /// Whom the call is about, once known.
    pub customer: Option<String>,
}

impl Outputs {
    fn to_value(&self) -> Value {
        let fields = [
            ("call", Some(self.call.as_str()).filter(|call| !call.is_empty())),
            ("class", self.class),
            ("authentication", self.authentication),
            ("customer_id", self.customer.as_deref()),
        ];
        let known = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?.to_owned()))));
        Value::Object(known.collect())
    }
}

impl Tell<'_> {
    /// The message, at this place among ours, after so many of the client's.
    #[must_use]
    pub fn write(&self, id: &str, seq: u64, clientseq: u64) -> String {
        let (kind, parameters) = match self {
            Self::Opened(media) => {
                let media: Vec<&Value> = media.iter().copied().collect();
                ("opened", json!({ "media": media, "startPaused": false }))
            }
            Self::Pong => ("pong", json!({})),
            Self::Updated => ("updated", json!({})),
            Self::BargeIn => ("event", json!({ "entities": [{ "type": "barge_in", "data": {} }] })),
            Self::Disconnect(ending, info, outputs) => {
                let reason = match ending {
                    Ending::Completed => "completed",
                    Ending::Error => "error",
                };
                let outputs = outputs.to_value();
                let parameters =
                    json!({ "reason": reason, "info": info, "outputVariables": outputs });
                ("disconnect", parameters)
            }
            Self::Closed => ("closed", json!({})),
        };
        json!({
            "version": "2",
            "type": kind,
            "id": id,
            "seq": seq,
            "clientseq": clientseq,
            "parameters": parameters,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, parameters: &Value) -> Message {
        let text = json!({
            "version": "2", "type": kind, "id": "s", "seq": 3, "serverseq": 1,
            "position": "PT0S", "parameters": parameters, "tomorrow": [1],
        });
        Message::parse(&text.to_string()).expect("a message")
    }

    #[test]
    fn contract_8_messages_are_read_and_unknown_words_passed_over() {
        let shown = |kind, parameters| format!("{:?}", message(kind, &parameters).said);
        assert_eq!(shown("ping", json!({ "rtt": "PT0.1S" })), "Ping");
        assert_eq!(shown("dtmf", json!({ "digit": "#" })), "Key(Some(Key(•)))");
        assert_eq!(shown("dtmf", json!({ "digit": "12" })), "Key(None)");
        assert_eq!(shown("close", json!({ "reason": "disconnect" })), "Close(Disconnect)");
        assert_eq!(shown("close", json!({ "reason": "later" })), "Close(End)");
        assert_eq!(
            shown("error", json!({ "code": 429, "message": "slow", "retryAfter": "PT2.5S" })),
            "Error { code: 429, retry_after: Some(2.5s) }"
        );
        assert_eq!(
            shown("error", json!({ "code": 429, "retryAfter": "PT1e9S" })),
            "Error { code: 429, retry_after: Some(10s) }"
        );
        for kind in ["paused", "resumed", "discarded", "sang"] {
            assert_eq!(shown(kind, json!({ "start": 1 })), "Other");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = json!({ "version": "2", "type": "ping", "id": "s", "seq": 1, "serverseq": 0 });
        assert!(Message::parse(&whole.to_string()).is_ok(), "parameters may be missing");
        for field in ["version", "type", "id", "seq", "serverseq"] {
            let mut broken = whole.clone();
            broken[field] = json!(-1);
            assert!(Message::parse(&broken.to_string()).is_err(), "{field}");
        }
        assert!(Message::parse("[").is_err());
        let mut long = whole;
        long["parameters"] = json!({ "x": "y".repeat(TEXT_MAX) });
        assert!(Message::parse(&long.to_string()).is_err());
    }

    #[test]
    fn an_open_gives_numbers_and_variables_and_prints_none_of_them() {
        let parameters = json!({
            "organizationId": "o", "conversationId": "c",
            "participant": { "id": "p", "ani": "tel:+442079460123", "aniName": "", "dnis": "" },
            "media": [], "inputVariables": { "customer_id": " 1001 ", "intent": "", "other": "x" },
        });
        let Said::Open(open) = message("open", &parameters).said else { panic!("an open") };
        assert_eq!((open.ani.as_str(), open.dnis.as_str()), ("tel:+442079460123", ""));
        assert_eq!((open.customer.as_deref(), open.intent.as_deref()), (Some("1001"), None));
        assert!(!open.is_probe());
        assert_eq!(format!("{open:?}"), "Open(0 media)");
        let Said::Open(bare) = message("open", &json!({ "media": 7 })).said else { panic!("open") };
        assert!(bare.choice().is_none());
    }

    #[test]
    fn contract_8_the_medium_is_one_that_was_offered_unchanged() {
        let media = |format: &str, channels: &[&str]| json!({ "type": "audio", "format": format, "channels": channels, "rate": 8000, "x": 1 });
        let external = media("PCMU", &["external"]);
        let both = media("PCMU", &["external", "internal"]);
        let (linear, agent) = (media("L16", &["external"]), media("PCMU", &["internal"]));
        for (offered, chosen) in [
            (vec![linear.clone(), external.clone()], Some(&external)),
            (vec![both.clone(), external.clone()], Some(&external)),
            (vec![agent.clone(), both.clone()], Some(&both)),
            (vec![linear, agent], None),
        ] {
            let open = Open { media: offered, ..Open::default() };
            assert_eq!(open.choice(), chosen);
        }
    }

    #[test]
    fn contract_8_output_variables_are_texts_and_go_with_the_disconnect() {
        let outputs = Outputs {
            call: "01J".into(),
            class: Some("verified_number"),
            authentication: Some("authenticated"),
            customer: None,
        };
        let text = Tell::Disconnect(Ending::Completed, "", &outputs).write("s", 5, 10);
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let expected = json!({
            "version": "2", "type": "disconnect", "id": "s", "seq": 5, "clientseq": 10,
            "parameters": {
                "reason": "completed", "info": "",
                "outputVariables": {
                    "call": "01J", "class": "verified_number", "authentication": "authenticated",
                },
            },
        });
        assert_eq!(told, expected);
    }
}
