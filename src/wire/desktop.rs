//! What a desktop sends (contract §6).
//!
//! Errors say where, not what: a frame may hold a password or a token.

use serde::Deserialize;
use serde::ser::Serialize;
use serde::ser::SerializeMap;
use serde::ser::Serializer;
use serde_json::Number;

use crate::call::input::TransferTo;
use crate::call::request::PartySaid;
use crate::call::request::ProofResult;
use crate::call::request::Request;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::QueueName;
use crate::model::party::PartyRole;
use crate::outbound::Method;

/// The number a desktop gave its request; it comes back in the answer as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(pub Number);

/// Where a desktop was when it lost its connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Resume {
    /// The `epoch` of its last welcome.
    pub epoch: String,
    /// The last `seq` it has seen.
    pub seq: u64,
}

/// The first frame.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The bearer token.
    pub token: SecretText,
    /// Where to go on, if it knows.
    pub resume: Option<Resume>,
    /// Only these calls, by our id or the platform's.
    pub calls: Option<Vec<String>>,
}

/// One request about one call.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Comes back in the answer.
    pub id: RequestId,
    /// Our id of the call, or the platform's.
    pub call: String,
    /// What is asked; `None` for a word this version cannot carry out, which is answered `not_now`.
    pub request: Option<Request>,
}

/// One frame of a desktop.
#[derive(Clone, Debug)]
pub enum ClientFrame {
    /// Says who speaks.
    Hello(Hello),
    /// A sign of life.
    Ping,
    /// A fresh token for the open socket.
    Token(SecretText),
    /// A request.
    Ask(Ask),
}

/// Why a frame could not be read. Never holds a value of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadFrame {
    /// Not a JSON object with the contract's field types.
    #[error("malformed frame at column {column}")]
    Malformed {
        /// Where.
        column: usize,
    },
    /// A request without a number to answer to, or a `type` that is no word.
    #[error("frame without a usable {0}")]
    Without(&'static str),
    /// A request that can be answered, but not carried out as it stands.
    #[error("{word}: field {field} is missing or not usable")]
    Unusable {
        /// Its number.
        id: RequestId,
        /// What was asked.
        word: &'static str,
        /// Which field.
        field: &'static str,
    },
}

/// Every field any frame may have. A flat shape, so that a secret goes straight into [`SecretText`].
#[derive(Deserialize)]
pub(super) struct Fields {
    r#type: String,
    id: Option<Number>,
    call: Option<String>,
    token: Option<SecretText>,
    resume: Option<Resume>,
    calls: Option<Vec<String>>,
    role: Option<String>,
    customer_id: Option<String>,
    value: Option<SecretText>,
    question: Option<String>,
    correct: Option<bool>,
    outcome: Option<String>,
    note: Option<String>,
    client_present: Option<bool>,
    permission: Option<bool>,
    accepted: Option<bool>,
    details: Option<String>,
    method: Option<String>,
    result: Option<String>,
    to: Option<String>,
    warm: Option<bool>,
    reason: Option<String>,
}

impl ClientFrame {
    /// More calls than this are not followed by name.
    pub const CALLS_MAX: usize = 64;
    /// The longest id of a call.
    pub const CALL_ID_MAX: usize = 128;
    /// The longest disposition.
    pub const OUTCOME_MAX: usize = 128;
    /// The longest note.
    pub const NOTE_MAX: usize = 4096;

    /// Reads one text frame.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let fields: Fields = serde_json::from_str(text)
            .map_err(|error| BadFrame::Malformed { column: error.column() })?;
        match fields.r#type.as_str() {
            "hello" => fields.hello().map(Self::Hello),
            "ping" => Ok(Self::Ping),
            "token" => fields.token.map(Self::Token).ok_or(BadFrame::Without("token")),
            _ => fields.ask().map(Self::Ask),
        }
    }
}

impl Fields {
    fn hello(self) -> Result<Hello, BadFrame> {
        let token = self.token.ok_or(BadFrame::Without("token"))?;
        let followable = self.calls.as_ref().is_none_or(|calls| {
            calls.len() <= ClientFrame::CALLS_MAX && calls.iter().all(|id| is_call_id(id))
        });
        if !followable {
            return Err(BadFrame::Without("calls"));
        }
        Ok(Hello { token, resume: self.resume, calls: self.calls })
    }

    fn ask(mut self) -> Result<Ask, BadFrame> {
        let id = self.id.take().map(RequestId).ok_or(BadFrame::Without("id"))?;
        let call = self.call.take().filter(|call| is_call_id(call));
        let Some(call) = call else {
            return Err(BadFrame::Unusable { id, word: "request", field: "call" });
        };
        let (word, read) = self.request();
        let request = read.map_err(|field| BadFrame::Unusable { id: id.clone(), word, field })?;
        Ok(Ask { id, call, request })
    }

    /// The request with its word, or the field that spoils it.
    pub(super) fn request(self) -> (&'static str, Result<Option<Request>, &'static str>) {
        let plain = |request: Request| (request.word(), Ok(Some(request)));
        match self.r#type.as_str() {
            "claim" => plain(Request::Claim),
            "release" => plain(Request::Release),
            "collect_pin" => plain(Request::CollectPin),
            "cancel_pin" => plain(Request::CancelPin),
            "finish" => plain(Request::Finish),
            "acknowledge" => plain(Request::Acknowledge),
            "offer_callback" => (
                "offer_callback",
                self.accepted
                    .map(|accepted| Some(Request::OfferCallback { accepted }))
                    .ok_or("accepted"),
            ),
            "report_bogus" => (
                "report_bogus",
                note(self.details, "details").map(|details| Some(Request::ReportBogus { details })),
            ),
            "prove" => ("prove", method(self.method).map(|method| Some(Request::Prove(method)))),
            "proof" => ("proof", proof(self.result.as_deref()).map(Some)),
            "transfer" => ("transfer", transfer(self.to, self.warm).map(Some)),
            "reset_security" => (
                "reset_security",
                note(self.reason, "reason").map(|reason| Some(Request::ResetSecurity { reason })),
            ),
            "unblock" => (
                "unblock",
                note(self.reason, "reason").map(|reason| Some(Request::Unblock { reason })),
            ),
            "set_party" => ("set_party", self.party()),
            "password" => {
                ("password", self.value.map(|value| Some(Request::Password(value))).ok_or("value"))
            }
            "reveal" => ("reveal", question(self.question).map(|key| Some(Request::Reveal(key)))),
            "mark" => ("mark", mark(self.question, self.correct).map(Some)),
            "answer" => ("answer", answer(self.question, self.value).map(Some)),
            "wrap_up" => ("wrap_up", wrap_up(self.outcome, self.note).map(Some)),
            // Words of the contract that no call can carry out yet, and words nobody knows.
            _ => ("request", Ok(None)),
        }
    }

    fn party(self) -> Result<Option<Request>, &'static str> {
        let role = match self.role.as_deref() {
            Some("client") => PartyRole::Client,
            Some("representative") => PartyRole::Representative,
            Some("third_party") => PartyRole::ThirdParty,
            Some("employer") => PartyRole::Employer,
            Some("other") => PartyRole::Other,
            Some(_) | None => return Err("role"),
        };
        let customer = self.customer_id.map(CustomerId::try_from).transpose();
        Ok(Some(Request::SetParty(PartySaid {
            role,
            customer: customer.map_err(|_| "customer_id")?,
            client_present: self.client_present,
            permission: self.permission,
        })))
    }
}

/// A request as a desktop writes it, without number and call: for another node, which reads it with
/// [`Fields::request`].
pub(super) struct Written<'a>(pub(super) &'a Request);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("type", self.0.word())?;
        match self.0 {
            Request::Claim
            | Request::Release
            | Request::CollectPin
            | Request::CancelPin
            | Request::Finish
            | Request::Acknowledge => {}
            Request::SetParty(said) => {
                map.serialize_entry("role", said.role.word())?;
                map.serialize_entry("customer_id", &said.customer)?;
                map.serialize_entry("client_present", &said.client_present)?;
                map.serialize_entry("permission", &said.permission)?;
            }
            Request::Password(value) => map.serialize_entry("value", value.expose())?,
            Request::Reveal(question) => map.serialize_entry("question", question)?,
            Request::Mark { question, correct } => {
                map.serialize_entry("question", question)?;
                map.serialize_entry("correct", correct)?;
            }
            Request::Answer { question, value } => {
                map.serialize_entry("question", question)?;
                map.serialize_entry("value", value.expose())?;
            }
            Request::OfferCallback { accepted } => map.serialize_entry("accepted", accepted)?,
            Request::ReportBogus { details } => map.serialize_entry("details", details)?,
            Request::Prove(method) => {
                map.serialize_entry("method", &method.map(Method::word))?;
            }
            Request::Proof(result) => map.serialize_entry("result", result.word())?,
            Request::Transfer { to, warm } => {
                match to {
                    TransferTo::Agent(agent) => map.serialize_entry("to", agent)?,
                    TransferTo::Queue(queue) => {
                        map.serialize_entry("to", &format_args!("queue:{queue}"))?;
                    }
                }
                map.serialize_entry("warm", warm)?;
            }
            Request::ResetSecurity { reason } | Request::Unblock { reason } => {
                map.serialize_entry("reason", reason)?;
            }
            Request::WrapUp { outcome, note } => {
                map.serialize_entry("outcome", outcome)?;
                map.serialize_entry("note", note)?;
            }
        }
        map.end()
    }
}

fn question(key: Option<String>) -> Result<FactKey, &'static str> {
    key.and_then(|key| FactKey::try_from(key).ok()).ok_or("question")
}

fn mark(key: Option<String>, correct: Option<bool>) -> Result<Request, &'static str> {
    Ok(Request::Mark { question: question(key)?, correct: correct.ok_or("correct")? })
}

fn answer(key: Option<String>, value: Option<SecretText>) -> Result<Request, &'static str> {
    Ok(Request::Answer { question: question(key)?, value: value.ok_or("value")? })
}

fn wrap_up(outcome: Option<String>, note: Option<String>) -> Result<Request, &'static str> {
    let fits = |text: &String| (1..=ClientFrame::OUTCOME_MAX).contains(&text.len());
    let outcome = outcome.filter(fits).ok_or("outcome")?;
    let short = note.as_ref().is_none_or(|note| note.len() <= ClientFrame::NOTE_MAX);
    if short { Ok(Request::WrapUp { outcome, note }) } else { Err("note") }
}

/// A free text of an agent, neither empty nor endless.
fn note(text: Option<String>, field: &'static str) -> Result<String, &'static str> {
    text.filter(|text| (1..=ClientFrame::NOTE_MAX).contains(&text.trim().len())).ok_or(field)
}

fn method(word: Option<String>) -> Result<Option<Method>, &'static str> {
    word.map(|word| Method::from_word(&word).ok_or("method")).transpose()
}

fn proof(result: Option<&str>) -> Result<Request, &'static str> {
    result.and_then(ProofResult::from_word).map(Request::Proof).ok_or("result")
}

/// `to` is an agent, or `queue:NAME`. Without `warm` nothing is carried over (X31).
fn transfer(to: Option<String>, warm: Option<bool>) -> Result<Request, &'static str> {
    let to = to.ok_or("to")?;
    let to = match to.strip_prefix("queue:") {
        Some(queue) => QueueName::try_from(queue.to_owned()).map(TransferTo::Queue),
        None => AgentId::try_from(to).map(TransferTo::Agent),
    };
    Ok(Request::Transfer { to: to.map_err(|_| "to")?, warm: warm.unwrap_or(false) })
}

fn is_call_id(text: &str) -> bool {
    (1..=ClientFrame::CALL_ID_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The word of a request frame, `not_built`, or what is wrong with it.
    fn read(frame: &str) -> String {
        match ClientFrame::parse(frame) {
            Ok(ClientFrame::Hello(hello)) => {
                format!("hello {:?} {:?}", hello.resume.map(|r| r.seq), hello.calls)
            }
            Ok(ClientFrame::Ping) => "ping".into(),
            Ok(ClientFrame::Token(_)) => "token".into(),
            Ok(ClientFrame::Ask(ask)) => {
                format!(
                    "{} {}",
                    ask.id.0,
                    ask.request.map_or("not_built", |request| request.word())
                )
            }
            Err(bad) => bad.to_string(),
        }
    }

    #[test]
    fn contract_6_every_word_is_read_or_answered() {
        for (frame, expected) in [
            (r#"{"type":"hello","token":"t"}"#, "hello None None"),
            (
                r#"{"type":"hello","token":"t","resume":{"epoch":"e","seq":4},"calls":["a"]}"#,
                r#"hello Some(4) Some(["a"])"#,
            ),
            (r#"{"type":"ping"}"#, "ping"),
            (r#"{"type":"token","token":"t"}"#, "token"),
            (r#"{"type":"claim","id":1,"call":"c"}"#, "1 claim"),
            (r#"{"type":"release","id":1,"call":"c"}"#, "1 release"),
            (r#"{"type":"collect_pin","id":1,"call":"c"}"#, "1 collect_pin"),
            (r#"{"type":"cancel_pin","id":1,"call":"c"}"#, "1 cancel_pin"),
            (r#"{"type":"set_party","id":1,"call":"c","role":"client"}"#, "1 set_party"),
            (
                r#"{"type":"set_party","id":1,"call":"c","role":"representative","customer_id":"7"}"#,
                "1 set_party",
            ),
            (r#"{"type":"set_party","id":1,"call":"c","role":"employer"}"#, "1 set_party"),
            (r#"{"type":"password","id":1,"call":"c","value":"x"}"#, "1 password"),
            (r#"{"type":"reveal","id":1,"call":"c","question":"q"}"#, "1 reveal"),
            (r#"{"type":"mark","id":1,"call":"c","question":"q","correct":false}"#, "1 mark"),
            (r#"{"type":"answer","id":1,"call":"c","question":"q","value":"x"}"#, "1 answer"),
            (r#"{"type":"finish","id":1,"call":"c"}"#, "1 finish"),
            (
                r#"{"type":"wrap_up","id":1.5,"call":"c","outcome":"done","note":"n"}"#,
                "1.5 wrap_up",
            ),
            (r#"{"type":"offer_callback","id":1,"call":"c","accepted":true}"#, "1 offer_callback"),
            (r#"{"type":"report_bogus","id":1,"call":"c","details":"d"}"#, "1 report_bogus"),
            (r#"{"type":"prove","id":1,"call":"c"}"#, "1 prove"),
            (r#"{"type":"proof","id":1,"call":"c","result":"accepted"}"#, "1 proof"),
            (r#"{"type":"transfer","id":1,"call":"c","to":"x","warm":true}"#, "1 transfer"),
            (r#"{"type":"reset_security","id":1,"call":"c","reason":"r"}"#, "1 reset_security"),
            (r#"{"type":"unblock","id":1,"call":"c","reason":"r"}"#, "1 unblock"),
            (r#"{"type":"acknowledge","id":1,"call":"c"}"#, "1 acknowledge"),
            (r#"{"type":"fly","id":1,"call":"c"}"#, "1 not_built"),
        ] {
            assert_eq!(read(frame), expected, "{frame}");
        }
    }

    #[test]
    fn a_bad_frame_says_where_and_never_what() {
        let long = format!(r#"{{"type":"claim","id":1,"call":"{}"}}"#, "x".repeat(129));
        for (frame, expected) in [
            ("", "malformed frame at column 0"),
            ("[]", "malformed frame at column"),
            (
                r#"{"type":"password","id":1,"call":"c","value":90210}"#,
                "malformed frame at column 50",
            ),
            (r#"{"type":"hello"}"#, "frame without a usable token"),
            (r#"{"type":"hello","token":"t","calls":[""]}"#, "frame without a usable calls"),
            (r#"{"type":"token"}"#, "frame without a usable token"),
            (r#"{"type":"claim","call":"c"}"#, "frame without a usable id"),
            (r#"{"type":"claim","id":1}"#, "request: field call"),
            (&long, "request: field call"),
            (r#"{"type":"password","id":1,"call":"c"}"#, "password: field value"),
            (r#"{"type":"mark","id":1,"call":"c","question":"q"}"#, "mark: field correct"),
            (r#"{"type":"answer","id":1,"call":"c","value":"90210"}"#, "answer: field question"),
            (r#"{"type":"set_party","id":1,"call":"c","role":"king"}"#, "set_party: field role"),
            (r#"{"type":"wrap_up","id":1,"call":"c"}"#, "wrap_up: field outcome"),
        ] {
            let said = read(frame);
            assert!(said.starts_with(expected), "{frame}: {said}");
            assert!(!said.contains("90210"));
        }
    }

    #[test]
    fn a_password_does_not_show_in_debug() {
        let frame =
            ClientFrame::parse(r#"{"type":"password","id":1,"call":"c","value":"opensesame"}"#);
        assert!(!format!("{frame:?}").contains("opensesame"));
    }

    proptest! {
        #[test]
        fn p10_no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = ClientFrame::parse(&text);
        }
    }
}
