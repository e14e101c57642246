//! Asterisk's REST interface as plain values: the frames of its WebSocket, and what is asked of it.
//!
//! What is not known is passed over: every release of Asterisk adds events and fields. Frames carry keys,
//! so nothing here prints what it holds.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use serde_json::json;

use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::time::Timestamp;
use crate::wire::percent::encoded;

/// The largest frame that is read, in bytes.
pub const FRAME_MAX: usize = 256 * 1024;
/// The subprotocol of a WebSocket that Asterisk opens.
pub const SUBPROTOCOL: &str = "ari";
/// The longest name of anything.
const NAME_MAX: usize = 256;

/// One frame.
#[derive(Debug)]
pub enum Frame {
    /// Something happened.
    Event(Event),
    /// The answer to a request.
    Answer {
        /// The id of the request.
        request: u64,
        /// The answer.
        answer: Answer,
        /// Which Asterisk, where it says so.
        asterisk: Option<String>,
    },
}

/// Something happened.
#[derive(Debug)]
pub struct Event {
    /// What.
    pub what: What,
    /// When, by Asterisk's clock.
    pub at: Option<Timestamp>,
    /// In which application.
    pub application: Option<String>,
    /// In which Asterisk.
    pub asterisk: Option<String>,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// Another client has the application now.
    Replaced,
    /// A channel came in.
    Entered {
        /// The channel.
        channel: Box<Channel>,
        /// The arguments of `Stasis()`.
        args: Vec<String>,
    },
    /// Something happened to a channel that is in.
    Within {
        /// Which.
        channel: String,
        /// What.
        what: Within,
    },
    /// Something else.
    Other,
}

/// What happens to a channel.
#[derive(Debug)]
pub enum Within {
    /// It was answered.
    Up,
    /// A key was pressed, and let go again.
    Key(Key),
    /// A sound began.
    Started {
        /// Which.
        playback: String,
    },
    /// A sound came to its end.
    Finished {
        /// Which.
        playback: String,
        /// Whether it could not be played.
        failed: bool,
    },
    /// It is hung up.
    HungUp(Cause),
    /// It left the application.
    Left,
    /// It is gone.
    Gone(Cause),
}

/// A channel that came in. Prints its id alone.
#[derive(Clone, Default)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Whether it was answered already.
    pub up: bool,
    /// The caller's number.
    pub number: Option<String>,
    /// The number that was dialled.
    pub dialled: Option<String>,
    /// Variables that Asterisk sends along.
    pub variables: BTreeMap<String, String>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.id)
    }
}

/// The answer to a request. Prints its status alone.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, where it is JSON.
    pub body: Value,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}

/// What is asked of Asterisk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `GET`, `POST`, `DELETE`.
    pub method: &'static str,
    /// The path below `/ari`, without a `/` in front: `channels/1795290523.1/answer`.
    pub path: String,
    /// The query.
    pub query: Vec<(&'static str, String)>,
}

/// The text is no frame of ARI. It is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a frame that is no JSON object with a type")]
pub struct NoFrame;

impl Request {
    /// A request without a query.
    #[must_use]
    pub fn new(method: &'static str, path: &[&str]) -> Self {
        let path: Vec<_> = path.iter().map(|part| encoded(part)).collect();
        Self { method, path: path.join("/"), query: vec![] }
    }

    /// The same, with one more field of the query.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The frame that asks for it over the WebSocket.
    #[must_use]
    pub fn frame(&self, id: u64) -> String {
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let mut frame = json!({
            "type": "RESTRequest",
            "transaction_id": id.to_string(),
            "request_id": id.to_string(),
            "method": self.method,
            "uri": self.path,
        });
        if let Some(fields) = frame.as_object_mut().filter(|_| !query.is_empty()) {
            fields.insert("query_strings".to_owned(), Value::Array(query));
        }
        frame.to_string()
    }

    /// The path with its query, as HTTP writes it.
    #[must_use]
    pub fn target(&self) -> String {
        let query: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, query.join("&"))
        }
    }
}

impl Frame {
    /// Reads a frame.
    pub fn read(text: &str) -> Result<Self, NoFrame> {
        let frame: Value = serde_json::from_str(text).map_err(|_| NoFrame)?;
        let kind = frame.get("type").and_then(Value::as_str).ok_or(NoFrame)?;
        let asterisk = name(&frame, "asterisk_id");
        if kind == "RESTResponse" {
            let request = number(&frame, "request_id").ok_or(NoFrame)?;
            let status = number(&frame, "status_code").ok_or(NoFrame)?;
            let status = u16::try_from(status).map_err(|_| NoFrame)?;
            let body = frame.get("message_body").and_then(Value::as_str).unwrap_or_default();
            return Ok(Self::Answer { request, answer: Answer::new(status, body), asterisk });
        }
        let at = frame.get("timestamp").and_then(Value::as_str).and_then(timestamp);
        let what = what(kind, &frame).unwrap_or(What::Other);
        Ok(Self::Event(Event { what, at, application: name(&frame, "application"), asterisk }))
    }
}

impl Answer {
    /// An answer with this body.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, body: serde_json::from_str(body).unwrap_or_default() }
    }

    /// Whether it was done.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        let value = self.body.get("value")?.as_str()?.trim();
        let usable = self.is_good() && !value.is_empty() && value.len() <= 4096;
        usable.then(|| value.to_owned())
    }

    /// The channel that was asked for.
    #[must_use]
    pub fn channel(&self) -> Option<Channel> {
        channel(&self.body).filter(|_| self.is_good())
    }

    /// The channels of the application that was asked for.
    #[must_use]
    pub fn channels(&self) -> Option<Vec<String>> {
        let ids = self.body.get("channel_ids")?.as_array().filter(|_| self.is_good())?;
        Some(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }
}

fn what(kind: &str, frame: &Value) -> Option<What> {
    let cause = || number(frame, "cause").and_then(|cause| u16::try_from(cause).ok());
    let cause = || {
        let known = cause().filter(|cause| (1..=127).contains(cause));
        known.map_or(Cause::NORMAL_CLEARING, Cause)
    };
    let within = match kind {
        "ApplicationReplaced" => return Some(What::Replaced),
        "StasisStart" => {
            let args = frame.get("args").and_then(Value::as_array);
            let args = args.into_iter().flatten().filter_map(|arg| arg.as_str().map(str::to_owned));
            let channel = Box::new(channel(frame.get("channel")?)?);
            return Some(What::Entered { channel, args: args.collect() });
        }
        "PlaybackStarted" | "PlaybackFinished" => return playback(kind, frame.get("playback")?),
        "ChannelStateChange" => {
            channel(frame.get("channel")?).filter(|channel| channel.up).map(|_| Within::Up)?
        }
        "ChannelDtmfReceived" => {
            let mut letters = frame.get("digit")?.as_str()?.chars();
            let (Some(letter), None) = (letters.next(), letters.next()) else { return None };
            Within::Key(Key::from_char(letter)?)
        }
        // A channel that is only sent to another place of the dialplan is not hung up.
        "ChannelHangupRequest"
            if number(frame, "cause").is_none() && number(frame, "soft") == Some(2) =>
        {
            return None;
        }
        "ChannelHangupRequest" => Within::HungUp(cause()),
        "ChannelDestroyed" => Within::Gone(cause()),
        "StasisEnd" => Within::Left,
        _ => return None,
    };
    Some(What::Within { channel: name(frame.get("channel")?, "id")?, what: within })
}

fn playback(kind: &str, sound: &Value) -> Option<What> {
    let target = sound.get("target_uri")?.as_str()?.strip_prefix("channel:")?;
    let playback = name(sound, "id")?;
    let what = match kind {
        "PlaybackStarted" => Within::Started { playback },
        _ => Within::Finished {
            playback,
            failed: sound.get("state").and_then(Value::as_str) == Some("failed"),
        },
    };
    Some(What::Within { channel: target.to_owned(), what })
}

fn channel(channel: &Value) -> Option<Channel> {
    let inner = |part: &str, field: &str| channel.get(part).and_then(|part| name(part, field));
    let variables = channel.get("channelvars").and_then(Value::as_object);
    let variables = variables.into_iter().flatten().filter_map(|(name, value)| {
        let value = value.as_str().filter(|value| !value.is_empty() && value.len() <= 4096)?;
        Some((name.clone(), value.to_owned()))
    });
    Some(Channel {
        id: name(channel, "id")?,
        up: channel.get("state").and_then(Value::as_str) == Some("Up"),
        number: inner("caller", "number"),
        dialled: inner("dialplan", "exten"),
        variables: variables.collect(),
    })
}

/// A text that is not empty and not too long.
fn name(of: &Value, field: &str) -> Option<String> {
    let text = of.get(field)?.as_str()?;
    (!text.is_empty() && text.len() <= NAME_MAX).then(|| text.to_owned())
}

/// A number, also one that is written as a text.
fn number(of: &Value, field: &str) -> Option<u64> {
    let value = of.get(field)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Asterisk writes its offset without a colon: `2026-11-22T10:00:00.123+0000`.
fn timestamp(text: &str) -> Option<Timestamp> {
    let bare = text.len().checked_sub(4).filter(|at| {
        let sign = at.checked_sub(1).and_then(|sign| text.as_bytes().get(sign));
        let digits = text.get(*at..).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        digits && sign.is_some_and(|sign| b"+-".contains(sign))
    });
    match bare.and_then(|at| Some((text.get(..at + 2)?, text.get(at + 2..)?))) {
        Some((head, minutes)) => Timestamp::from_rfc3339(&format!("{head}:{minutes}")),
        None => Timestamp::from_rfc3339(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frame: &Value) -> String {
        match Frame::read(&frame.to_string()) {
            Ok(Frame::Event(event)) => format!("{:?}", event.what),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn contract_9_events_are_read_as_asterisk_writes_them() {
        let channel = json!({
            "id": "1795290523.1", "state": "Ring", "caller": { "name": "", "number": "+442079460123" },
            "dialplan": { "context": "in", "exten": "+448000000000", "priority": 1 },
        });
        let up = json!({ "id": "1795290523.1", "state": "Up" });
        let sound = json!({ "id": "p1", "target_uri": "channel:1795290523.1", "state": "failed" });
        for (frame, what) in [
            (
                json!({ "type": "StasisStart", "args": ["queue=vip"], "channel": channel }),
                r#"Entered { channel: Channel(1795290523.1), args: ["queue=vip"] }"#,
            ),
            (
                json!({ "type": "ChannelDtmfReceived", "digit": "7", "duration_ms": 90, "channel": up }),
                r#"Within { channel: "1795290523.1", what: Key(Key(•)) }"#,
            ),
            (
                json!({ "type": "ChannelStateChange", "channel": up }),
                r#"Within { channel: "1795290523.1", what: Up }"#,
            ),
            (json!({ "type": "ChannelStateChange", "channel": channel }), "Other"),
            (
                json!({ "type": "PlaybackFinished", "playback": sound }),
                r#"Within { channel: "1795290523.1", what: Finished { playback: "p1", failed: true } }"#,
            ),
            (
                json!({ "type": "ChannelHangupRequest", "cause": 17, "channel": up }),
                r#"Within { channel: "1795290523.1", what: HungUp(Cause(17)) }"#,
            ),
            (
                json!({ "type": "ChannelDestroyed", "cause": 0, "cause_txt": "?", "channel": up }),
                r#"Within { channel: "1795290523.1", what: Gone(Cause(16)) }"#,
            ),
            (json!({ "type": "ChannelHangupRequest", "soft": 2, "channel": up }), "Other"),
            (
                json!({ "type": "StasisEnd", "channel": up }),
                r#"Within { channel: "1795290523.1", what: Left }"#,
            ),
            (json!({ "type": "ApplicationReplaced", "application": "x" }), "Replaced"),
            (json!({ "type": "SomethingNew", "channel": 7 }), "Other"),
            (json!({ "type": "StasisStart", "channel": { "state": "Up" } }), "Other"),
        ] {
            assert_eq!(read(&frame), what, "{frame}");
        }
        for wrong in ["", "[]", "{}", "7", r#"{"type":7}"#, r#"{"type":"RESTResponse"}"#] {
            assert!(Frame::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contract_9_a_request_is_one_frame_and_its_answer_finds_back() {
        let request = Request::new("POST", &["channels", "pbx-1795290523.1", "continue"])
            .with("context", "agents & co");
        let frame: Value = serde_json::from_str(&request.frame(7)).expect("JSON");
        assert_eq!(frame["uri"], "channels/pbx-1795290523.1/continue");
        assert_eq!(frame["query_strings"], json!([{ "name": "context", "value": "agents & co" }]));
        assert_eq!(
            request.target(),
            "channels/pbx-1795290523.1/continue?context=agents%20%26%20co"
        );
        assert_eq!(Request::new("GET", &["channels", "a/b?c"]).target(), "channels/a%2Fb%3Fc");
        let answer = json!({
            "type": "RESTResponse", "transaction_id": "7", "request_id": "7", "status_code": 200,
            "reason_phrase": "OK", "message_body": "{\"value\":\" abc \"}", "asterisk_id": "a",
        });
        let Ok(Frame::Answer { request: 7, answer, .. }) = Frame::read(&answer.to_string()) else {
            panic!("an answer");
        };
        assert_eq!(answer.value().as_deref(), Some("abc"));
    }

    #[test]
    fn d04_the_time_of_a_key_is_read_with_an_offset_without_colon() {
        for (text, at) in [
            ("1970-01-01T01:00:01.250+0100", Some(1250)),
            ("1970-01-01T00:00:01.250+0000", Some(1250)),
            ("1970-01-01T00:00:01.250Z", Some(1250)),
            ("1970-01-01T01:00:01.250+01:00", Some(1250)),
            ("+000", None),
            ("", None),
        ] {
            assert_eq!(timestamp(text), at.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn p11_a_frame_prints_neither_keys_nor_numbers() {
        let frame = json!({
            "type": "StasisStart", "args": [],
            "channel": { "id": "c", "caller": { "number": "+442079460123" } },
        });
        assert!(!read(&frame).contains("7946"));
        assert_eq!(format!("{:?}", Answer::new(200, r#"{"value":"9081726"}"#)), "Answer(200)");
    }
}
