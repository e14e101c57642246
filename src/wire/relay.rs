//! What nodes ask one another, and answer (D06): JSON with a version.
//!
//! A question may hold a password or an answer, and it may hold a token; so it prints nothing of what it
//! carries, is read straight into [`SecretText`], and its text is wiped when dropped.

use std::fmt;
use std::io;
use std::io::Write;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::wire::desktop;
use crate::wire::desktop::Written;
use crate::wire::events::Answer;

/// The version of what nodes say to each other. Another one is not read.
pub const VERSION: u32 = 1;

/// What one node asks another.
#[derive(Clone)]
pub enum Ask {
    /// A desktop's request, to be carried out by the call's owner. Not to be sent twice.
    Request {
        /// Which call.
        call: CallId,
        /// Whose desktop; the asking node has checked the token.
        asker: Asker,
        /// What is asked.
        request: Request,
    },
    /// Platform events of calls that the other owns, as they came, in order. Their ids tell a repeat.
    Events(Vec<Value>),
    /// The call as its own agent may see it, answers included: for a desktop of that agent.
    Sight(CallId),
    /// A REST request about a call that the other owns. The other checks the token itself.
    Rest(Rest),
    /// A node that stops asks for its calls to be taken over.
    Take(Vec<CallId>),
}

/// A REST request as it came.
#[derive(Clone)]
pub struct Rest {
    /// `GET`, `POST` …
    pub method: String,
    /// From the `/` on.
    pub path_and_query: String,
    /// The `Authorization` header.
    pub authorization: Option<SecretText>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body; empty: none.
    pub body: SecretText,
}

/// What a node answers.
#[derive(Debug)]
pub enum Told {
    /// What came of a request.
    Done(Result<(), Refusal>),
    /// What came of events; the places of those not taken are places among the events of the question.
    Events(Answer),
    /// The call, if it is there.
    Sight(Option<Sight>),
    /// The answer to a REST request.
    Rest(RestTold),
    /// The calls that were taken over.
    Taken(Vec<CallId>),
    /// The call is not here, or not any more: who owns it has to be looked up again. Nothing was done.
    NotHere,
}

/// A call as its own agent may see it. Prints no more than its version.
#[derive(Clone, Eq, PartialEq)]
pub struct Sight {
    /// The call's version.
    pub version: u64,
    /// The view, as JSON.
    pub json: String,
}

/// An answer to a REST request. Prints its status alone.
#[derive(Clone, Eq, PartialEq)]
pub struct RestTold {
    /// The status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

/// Why a question or an answer could not be read. Never holds a value of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The other node speaks another version.
    #[error("the other node speaks version {0}, this one version 1; run the same release on both")]
    Version(u32),
    /// Not the JSON of a question or an answer.
    #[error("not readable at line {line}, column {column}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
    },
    /// A field is missing or not usable.
    #[error("field {0} is missing or not usable")]
    Field(&'static str),
}

impl Ask {
    /// The question as this node sends it.
    #[must_use]
    pub fn to_json(&self, from: &NodeId) -> Zeroizing<Vec<u8>> {
        let mut out = Question::new(from, self.word());
        match self {
            Self::Request { call, asker, request } => {
                out.call = Some(call);
                out.asker = Some(AskerOut {
                    agent: &asker.agent,
                    supervisor: asker.supervisor,
                    groups: &asker.groups,
                });
                out.request = Some(Written(request));
            }
            Self::Events(events) => out.events = Some(events),
            Self::Sight(call) => out.call = Some(call),
            Self::Take(calls) => out.calls = Some(calls),
            Self::Rest(rest) => {
                out.method = Some(&rest.method);
                out.path = Some(&rest.path_and_query);
                out.authorization = rest.authorization.as_ref().map(SecretText::expose);
                out.content_type = rest.content_type.as_deref();
                out.body = Some(rest.body.expose());
            }
        }
        written(&out)
    }

    /// Reads a question, and who asks.
    pub fn read(text: &[u8]) -> Result<(NodeId, Self), Unreadable> {
        let fields: QuestionIn = parsed(text)?;
        let from = fields.from.clone();
        fields.ask().map(|ask| (from, ask))
    }

    /// Its word, for logs and counters.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Events(_) => "events",
            Self::Sight(_) => "sight",
            Self::Rest(_) => "rest",
            Self::Take(_) => "take",
        }
    }

    /// Whether asking twice does no more than asking once.
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        match self {
            // Events carry ids; what is looked at stays as it is; a call is taken over once.
            Self::Events(_) | Self::Sight(_) | Self::Take(_) => true,
            Self::Rest(rest) => rest.method == "GET",
            Self::Request { .. } => false,
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { call, request, .. } => {
                write!(f, "Ask(request {} of {call})", request.word())
            }
            Self::Events(events) => write!(f, "Ask(events {})", events.len()),
            Self::Sight(call) => write!(f, "Ask(sight of {call})"),
            Self::Rest(rest) => write!(f, "Ask({rest:?})"),
            Self::Take(calls) => write!(f, "Ask(take {})", calls.len()),
        }
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: a customer's number may stand in it.
        write!(f, "Rest({})", self.method)
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sight(version {})", self.version)
    }
}

impl fmt::Debug for RestTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestTold({})", self.status)
    }
}

impl Told {
    /// The answer as this node sends it.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let mut out = AnswerOut { v: VERSION, ..AnswerOut::default() };
        match self {
            Self::Done(result) => {
                out.told = "done";
                out.refused = result.err().map(Refusal::code);
            }
            Self::Events(answer) => {
                out.told = "events";
                out.answer = Some(answer);
            }
            Self::Sight(sight) => {
                out.told = "sight";
                out.version = sight.as_ref().map(|sight| sight.version);
                out.body = sight.as_ref().map(|sight| sight.json.as_str());
            }
            Self::Rest(rest) => {
                out.told = "rest";
                out.status = Some(rest.status);
                out.content_type = rest.content_type.as_deref();
                out.body = Some(&rest.body);
            }
            Self::Taken(calls) => {
                out.told = "taken";
                out.calls = Some(calls);
            }
            Self::NotHere => out.told = "not_here",
        }
        written(&out)
    }

    /// Reads an answer.
    pub fn read(text: &[u8]) -> Result<Self, Unreadable> {
        let fields: AnswerIn = parsed(text)?;
        match fields.told.as_str() {
            "done" => match fields.refused.as_deref() {
                None => Ok(Self::Done(Ok(()))),
                Some(code) => {
                    let refusal = Refusal::from_code(code).ok_or(Unreadable::Field("refused"))?;
                    Ok(Self::Done(Err(refusal)))
                }
            },
            "events" => fields.answer.map(Self::Events).ok_or(Unreadable::Field("answer")),
            "sight" => match (fields.version, fields.body) {
                (Some(version), Some(json)) => Ok(Self::Sight(Some(Sight { version, json }))),
                (None, None) => Ok(Self::Sight(None)),
                _ => Err(Unreadable::Field("body")),
            },
            "rest" => Ok(Self::Rest(RestTold {
                status: fields.status.ok_or(Unreadable::Field("status"))?,
                content_type: fields.content_type,
                body: fields.body.ok_or(Unreadable::Field("body"))?,
            })),
            "taken" => fields.calls.map(Self::Taken).ok_or(Unreadable::Field("calls")),
            "not_here" => Ok(Self::NotHere),
            _ => Err(Unreadable::Field("told")),
        }
    }
}

// --- the shapes ---

/// Every field any question may have.
#[derive(Serialize)]
struct Question<'a> {
    v: u32,
    from: &'a NodeId,
    ask: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'a CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asker: Option<AskerOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Written<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<&'a [CallId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

impl<'a> Question<'a> {
    const fn new(from: &'a NodeId, ask: &'static str) -> Self {
        Self {
            v: VERSION,
            from,
            ask,
            call: None,
            asker: None,
            request: None,
            events: None,
            calls: None,
            method: None,
            path: None,
            authorization: None,
            content_type: None,
            body: None,
        }
    }
}

#[derive(Serialize)]
struct AskerOut<'a> {
    agent: &'a AgentId,
    supervisor: bool,
    groups: &'a [String],
}

/// The same to be read. Flat, so that a secret goes straight into [`SecretText`].
#[derive(Deserialize)]
struct QuestionIn {
    from: NodeId,
    ask: String,
    call: Option<CallId>,
    asker: Option<AskerIn>,
    request: Option<desktop::Fields>,
    events: Option<Vec<Value>>,
    calls: Option<Vec<CallId>>,
    method: Option<String>,
    path: Option<String>,
    authorization: Option<SecretText>,
    content_type: Option<String>,
    body: Option<SecretText>,
}

#[derive(Deserialize)]
struct AskerIn {
    agent: AgentId,
    supervisor: bool,
    groups: Vec<String>,
}

impl QuestionIn {
    fn ask(self) -> Result<Ask, Unreadable> {
        let missing = Unreadable::Field;
        match self.ask.as_str() {
            "request" => {
                let AskerIn { agent, supervisor, groups } = self.asker.ok_or(missing("asker"))?;
                let (_, request) = self.request.ok_or(missing("request"))?.request();
                Ok(Ask::Request {
                    call: self.call.ok_or(missing("call"))?,
                    asker: Asker { agent, supervisor, groups },
                    request: request.map_err(missing)?.ok_or(missing("type"))?,
                })
            }
            "events" => self.events.map(Ask::Events).ok_or(missing("events")),
            "sight" => self.call.map(Ask::Sight).ok_or(missing("call")),
            "rest" => Ok(Ask::Rest(Rest {
                method: self.method.ok_or(missing("method"))?,
                path_and_query: self.path.ok_or(missing("path"))?,
                authorization: self.authorization,
                content_type: self.content_type,
                body: self.body.unwrap_or_default(),
            })),
            "take" => self.calls.map(Ask::Take).ok_or(missing("calls")),
            _ => Err(missing("ask")),
        }
    }
}

/// Every field any answer may have.
#[derive(Default, Serialize)]
struct AnswerOut<'a> {
    v: u32,
    told: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<&'a [CallId]>,
}

#[derive(Deserialize)]
struct AnswerIn {
    told: String,
    refused: Option<String>,
    answer: Option<Answer>,
    version: Option<u64>,
    status: Option<u16>,
    content_type: Option<String>,
    body: Option<String>,
    calls: Option<Vec<CallId>>,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// The version is looked at first: what another one means by a field is not for us to guess.
fn parsed<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Unreadable> {
    let malformed = |error: serde_json::Error| Unreadable::Malformed {
        line: error.line(),
        column: error.column(),
    };
    let Versioned { v } = serde_json::from_slice(text).map_err(malformed)?;
    if v != VERSION {
        return Err(Unreadable::Version(v));
    }
    serde_json::from_slice(text).map_err(malformed)
}

fn written(shape: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut text = Wiped(Zeroizing::new(Vec::with_capacity(1024)));
    // Neither can our shapes fail to be written, nor can memory.
    let _ = serde_json::to_writer(&mut text, shape);
    text.0
}

/// Memory that leaves no copy behind when it grows.
struct Wiped(Zeroizing<Vec<u8>>);

impl Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
