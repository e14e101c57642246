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
            // Events carry ids; what is looked at stays as it is.
            Self::Events(_) | Self::Sight(_) => true,
            Self::Rest(rest) => rest.method == "GET",
            // Of a call that was taken over at the first asking, the second answer would not tell.
            Self::Request { .. } | Self::Take(_) => false,
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
    /// Whether this is an answer to that question at all.
    #[must_use]
    pub const fn fits(&self, ask: &Ask) -> bool {
        matches!(
            (self, ask),
            (Self::Done(_), Ask::Request { .. })
                | (Self::Events(_), Ask::Events(_))
                | (Self::Sight(_), Ask::Sight(_))
                | (Self::Rest(_), Ask::Rest(_))
                | (Self::Taken(_), Ask::Take(_))
                | (Self::NotHere, _)
        )
    }

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::call::effect::Prompt;
    use crate::call::input::TransferTo;
    use crate::call::request::PartySaid;
    use crate::call::request::ProofResult;
    use crate::model::auth::Authentication;
    use crate::model::caller::CallerClass;
    use crate::model::party::PartyRole;
    use crate::outbound::Method;
    use crate::wire::directive::Directive;
    use crate::wire::directive::Order;
    use crate::wire::events::CallAnswer;
    use crate::wire::events::Rejected;

    fn name<N: std::str::FromStr<Err: fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    /// Everything a request holds, secrets too.
    fn all_of(request: &Request) -> Value {
        serde_json::to_value(Written(request)).expect("JSON")
    }

    fn there_and_back(request: Request) -> Request {
        let asker = Asker { agent: name("alice"), supervisor: true, groups: vec!["gich".into()] };
        let ask = Ask::Request { call: name("c1"), asker: asker.clone(), request };
        let (from, read) = Ask::read(&ask.to_json(&name("node-1"))).expect("a question");
        assert_eq!(from.as_str(), "node-1");
        match read {
            Ask::Request { call, asker: read, request } => {
                assert_eq!((call.as_str(), read), ("c1", asker));
                request
            }
            other => panic!("{other:?}"),
        }
    }

    fn secret() -> impl Strategy<Value = SecretText> {
        ".{0,40}".prop_map(SecretText::new)
    }

    fn names<N: std::str::FromStr<Err: fmt::Debug> + fmt::Debug>() -> impl Strategy<Value = N> {
        "[^\\p{Cc}]{1,30}".prop_map(|text: String| name(&text))
    }

    fn party() -> impl Strategy<Value = Request> {
        let role = prop_oneof![
            Just(PartyRole::Client),
            Just(PartyRole::Representative),
            Just(PartyRole::ThirdParty),
            Just(PartyRole::Employer),
            Just(PartyRole::Other),
        ];
        let said = (role, prop::option::of(names()), any::<Option<bool>>(), any::<Option<bool>>());
        said.prop_map(|(role, customer, client_present, permission)| {
            Request::SetParty(PartySaid { role, customer, client_present, permission })
        })
    }

    fn transfer() -> impl Strategy<Value = Request> {
        // `queue:` before a name is how the contract tells a queue from an agent.
        let agent =
            names().prop_filter("a queue", |agent: &AgentId| !agent.as_str().starts_with("queue:"));
        let to =
            prop_oneof![agent.prop_map(TransferTo::Agent), names().prop_map(TransferTo::Queue),];
        (to, any::<bool>()).prop_map(|(to, warm)| Request::Transfer { to, warm })
    }

    fn any_request() -> impl Strategy<Value = Request> {
        let text = || "[a-z].{0,60}";
        let method = prop_oneof![
            Just(None),
            Just(Some(Method::App)),
            Just(Some(Method::Letter)),
            Just(Some(Method::CallBack)),
            Just(Some(Method::Waive)),
        ];
        let result = prop_oneof![
            Just(ProofResult::Accepted),
            Just(ProofResult::Declined),
            Just(ProofResult::CallBack),
        ];
        let plain = prop_oneof![
            Just(Request::Claim),
            Just(Request::Release),
            Just(Request::CollectPin),
            Just(Request::CancelPin),
            Just(Request::Finish),
            Just(Request::Acknowledge),
        ];
        let asked = prop_oneof![
            secret().prop_map(Request::Password),
            names().prop_map(Request::Reveal),
            (names(), any::<bool>())
                .prop_map(|(question, correct)| Request::Mark { question, correct }),
            (names(), secret()).prop_map(|(question, value)| Request::Answer { question, value }),
            any::<bool>().prop_map(|accepted| Request::OfferCallback { accepted }),
            method.prop_map(Request::Prove),
            result.prop_map(Request::Proof),
        ];
        let said = prop_oneof![
            text().prop_map(|details| Request::ReportBogus { details }),
            text().prop_map(|reason| Request::ResetSecurity { reason }),
            text().prop_map(|reason| Request::Unblock { reason }),
            (".{1,30}", prop::option::of(".{0,60}"))
                .prop_map(|(outcome, note)| Request::WrapUp { outcome, note }),
        ];
        prop_oneof![plain, asked, said, party(), transfer()]
    }

    /// Does not compile when a request is added: `any_request` has to make it, too.
    const fn made(request: &Request) -> bool {
        match request {
            Request::Claim
            | Request::Release
            | Request::CollectPin
            | Request::CancelPin
            | Request::SetParty(_)
            | Request::Password(_)
            | Request::Reveal(_)
            | Request::Mark { .. }
            | Request::Answer { .. }
            | Request::Finish
            | Request::OfferCallback { .. }
            | Request::ReportBogus { .. }
            | Request::Prove(_)
            | Request::Proof(_)
            | Request::Transfer { .. }
            | Request::ResetSecurity { .. }
            | Request::Unblock { .. }
            | Request::Acknowledge
            | Request::WrapUp { .. } => true,
        }
    }

    proptest! {
        #[test]
        fn d06_every_request_of_a_desktop_reaches_another_node_unchanged(request in any_request()) {
            prop_assert!(made(&request));
            let before = all_of(&request);
            prop_assert_eq!(all_of(&there_and_back(request)), before);
        }

        #[test]
        fn p10_no_bytes_of_another_node_make_the_reader_panic(
            text in prop::collection::vec(any::<u8>(), 0..200),
            rest in ".{0,80}",
        ) {
            let _ = (Ask::read(&text), Told::read(&text));
            let near = format!(r#"{{"v":1,"from":"n","ask":"request","told":"rest",{rest}"#);
            let _ = (Ask::read(near.as_bytes()), Told::read(near.as_bytes()));
        }
    }

    #[test]
    fn d06_the_words_are_those_of_desktops() {
        let words = [
            (Request::Claim, r#"{"type":"claim"}"#),
            (
                Request::Password(SecretText::new("x \" y".into())),
                r#"{"type":"password","value":"x \" y"}"#,
            ),
            (
                Request::Transfer { to: TransferTo::Queue(name("cards")), warm: true },
                r#"{"type":"transfer","to":"queue:cards","warm":true}"#,
            ),
            (Request::Proof(ProofResult::CallBack), r#"{"type":"proof","result":"call_back"}"#),
        ];
        for (request, written) in words {
            assert_eq!(serde_json::to_string(&Written(&request)).expect("JSON"), written);
        }
    }

    #[test]
    fn d06_the_other_questions_are_read_as_they_were_asked() {
        let body = r#"{"purpose":"contact"}"#;
        let rest = Rest {
            method: "POST".into(),
            path_and_query: "/v1/calls/c1/x?y=%20".into(),
            authorization: Some(SecretText::new("Bearer t0ken".into())),
            content_type: Some("application/json".into()),
            body: SecretText::new(body.into()),
        };
        let event = json!({ "type": "digit_generated", "digit": "4", "n": 1.5, "x": [null, "ä"] });
        for (ask, shown) in [
            (Ask::Events(vec![event.clone(), json!(7)]), "Ask(events 2)"),
            (Ask::Sight(name("c1")), "Ask(sight of c1)"),
            (Ask::Take(vec![name("c1"), name("c2")]), "Ask(take 2)"),
            (Ask::Rest(rest), "Ask(Rest(POST))"),
        ] {
            let text = ask.to_json(&name("node-1"));
            let (_, read) = Ask::read(&text).expect("a question");
            assert_eq!(format!("{read:?}"), shown);
            assert_eq!(read.to_json(&name("node-1")), text);
            match read {
                Ask::Events(events) => assert_eq!(events, [event.clone(), json!(7)]),
                Ask::Sight(call) => assert_eq!(call.as_str(), "c1"),
                Ask::Take(calls) => assert_eq!(calls, [name("c1"), name("c2")]),
                Ask::Rest(rest) => {
                    let token = rest.authorization.as_ref().map(SecretText::expose);
                    assert_eq!((token, rest.body.expose()), (Some("Bearer t0ken"), body));
                    assert_eq!(rest.path_and_query, "/v1/calls/c1/x?y=%20");
                }
                Ask::Request { .. } => panic!("no request was asked"),
            }
        }
    }

    #[test]
    fn d06_answers_are_read_as_they_were_given() {
        let results = Refusal::ALL.into_iter().map(Err).chain([Ok(())]);
        for result in results {
            let Ok(Told::Done(read)) = Told::read(&Told::Done(result).to_json()) else {
                panic!("{result:?}")
            };
            assert_eq!(read, result);
        }
        let sight = Sight { version: 7, json: r#"{"id":"c1"}"#.into() };
        for sight in [Some(sight), None] {
            let Ok(Told::Sight(read)) = Told::read(&Told::Sight(sight.clone()).to_json()) else {
                panic!("{sight:?}")
            };
            assert_eq!(read, sight);
        }
        for content_type in [Some("application/json".to_owned()), None] {
            let rest = RestTold { status: 404, content_type, body: "{}".into() };
            let Ok(Told::Rest(read)) = Told::read(&Told::Rest(rest.clone()).to_json()) else {
                panic!("{rest:?}")
            };
            assert_eq!(read, rest);
        }
        let taken = Told::read(&Told::Taken(vec![name("c1")]).to_json());
        assert!(matches!(taken, Ok(Told::Taken(calls)) if calls == [name("c1")]));
        assert!(matches!(Told::read(&Told::NotHere.to_json()), Ok(Told::NotHere)));
    }

    fn answer() -> Answer {
        let order = Order::Collect { position: None, within: Duration::from_secs(8) };
        let directive = Directive { version: 3, order, before: vec![Prompt::Reprompt] };
        let call = CallAnswer {
            call_id: name("p1"),
            call: name("c1"),
            class: Some(CallerClass::VerifiedNumber),
            authentication: Authentication::PartiallyVerified,
            directive,
        };
        let undecided = CallAnswer {
            class: None,
            directive: Directive { version: 0, order: Order::Wait, before: vec![] },
            ..call.clone()
        };
        let rejected = Rejected::CODES.into_iter().enumerate().map(|(index, code)| Rejected {
            index,
            event_id: Some("e".into()).filter(|_| index > 0),
            code,
            message: "say it again".into(),
        });
        let rejected = rejected.collect();
        Answer { accepted: 2, out_of_order: 1, calls: vec![call, undecided], rejected }
    }

    #[test]
    fn d06_what_came_of_events_is_read_as_it_was_given() {
        let Ok(Told::Events(read)) = Told::read(&Told::Events(answer()).to_json()) else {
            panic!("events")
        };
        assert_eq!(read, answer());
    }

    #[test]
    fn d06_another_version_is_said_and_not_guessed_at() {
        let future = br#"{"v":2,"from":{"id":"n"},"ask":"fly","told":7}"#;
        assert_eq!(Ask::read(future).err(), Some(Unreadable::Version(2)));
        assert!(matches!(Told::read(future), Err(Unreadable::Version(2))));
    }

    #[test]
    fn p11_what_cannot_be_read_is_not_repeated() {
        for text in [
            r#"{"v":1,"from":"n","ask":"request","call":"c","asker":{"agent":"a","supervisor":false,"groups":[]},"request":{"type":"password","value":90210}}"#,
            r#"{"v":1,"from":"n","ask":"request","call":"c","asker":{"agent":"a","supervisor":false,"groups":[]},"request":{"type":"90210"}}"#,
            r#"{"v":1,"from":"n","ask":"90210"}"#,
            r#"{"v":"90210"}"#,
            r#"{"v":1,"told":"done","refused":"90210"}"#,
            r#"{"v":1,"told":"events","answer":{"accepted":"90210"}}"#,
            "90210",
        ] {
            let (ask, told) = (Ask::read(text.as_bytes()), Told::read(text.as_bytes()));
            let (ask, told) = (ask.expect_err("unreadable"), told.expect_err("unreadable"));
            let said = format!("{ask} {ask:?} {told} {told:?}");
            assert!(!said.contains("90210"), "{said}");
        }
    }
}
