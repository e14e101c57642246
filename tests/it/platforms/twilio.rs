//! Twilio, by its rules: form fields, signed; `TwiML`, carried out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use quick_xml::events::Event;

use crate::harness::Daemon;
use crate::harness::test_file;
use crate::platforms::Caller;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::script::BASE;
use crate::platforms::script::Lines;
use crate::platforms::script::Tells;
use crate::platforms::script::Vendor;
use crate::platforms::script::Verb;
use crate::platforms::script::form;
use crate::platforms::script::post;
use crate::platforms::script::recorded;

/// The token in `tests/data/webhooks/key`.
pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// The settings of a connector.
pub(crate) fn settings() -> String {
    let key = test_file("data/webhooks/key");
    format!(
        "[webhooks.twilio.main]\nauth_token_file = \"{}\"\nbase_url = \"{BASE}\"\ntrunk = \"office\"\n",
        key.display()
    )
}

/// The signature of Twilio's documentation.
pub(crate) fn signature(token: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let fields: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{url}{fields}").as_bytes()))
}

/// Twilio beside a daemon.
pub(crate) struct Twilio {
    daemon: SocketAddr,
    lines: Lines,
    /// Every request and its answer, for the vendor's own tools to judge.
    pub(crate) record: Arc<Mutex<Vec<Asked>>>,
}

/// One request of Twilio, and what it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) signature: String,
    pub(crate) answer: String,
}

struct Account {
    daemon: SocketAddr,
    rings: Rings,
    record: Arc<Mutex<Vec<Asked>>>,
}

impl Vendor for Account {
    fn first(&self) -> String {
        format!("{BASE}/v1/twilio/main")
    }

    fn fallback(&self, _left: &[Verb]) -> String {
        format!("{BASE}/v1/twilio/main/again")
    }

    fn asks(&self, url: &str, call: &str, tells: Tells) -> Vec<Verb> {
        let status = match tells {
            Tells::Rings => "ringing",
            Tells::Ended => "completed",
            _ => "in-progress",
        };
        let key = if let Tells::Key(key) = tells { key.to_string() } else { String::new() };
        let from = self.rings.ani.as_deref().unwrap_or("+266696687");
        let mut fields = vec![
            ("CallSid", call),
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("ApiVersion", "2010-04-01"),
            ("Direction", "inbound"),
            ("From", from),
            ("Caller", from),
            ("To", "+448000000000"),
            ("Called", "+448000000000"),
            ("CallStatus", status),
        ];
        match tells {
            Tells::Key(_) => fields.push(("Digits", &key)),
            Tells::NoKey => fields.extend([("Digits", ""), ("msg", "Gather End")]),
            Tells::Failed => fields.extend([("ErrorCode", "11205"), ("ErrorUrl", BASE)]),
            Tells::Rings | Tells::GoesOn | Tells::Ended => {}
        }
        let intent = self.rings.intent.as_deref().filter(|_| tells == Tells::Rings);
        fields.extend(intent.map(|intent| ("SipHeader_X-Countersign-Intent", intent)));
        let signature = signature(TOKEN, url, &fields);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
            ("X-Twilio-Signature", signature.as_str()),
        ];
        let (code, body) = post(self.daemon, url, &headers, form(&fields).as_bytes());
        assert!(matches!(code, 200 | 204), "{url}: {code} {body}");
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (url, fields) = (url.to_owned(), fields.collect());
        let asked = Asked { url, fields, signature, answer: body.clone() };
        self.record.lock().expect("the record").push(asked);
        twiml(&body)
    }
}

/// An element of `TwiML`.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: HashMap<String, String>,
    text: String,
    children: Vec<Element>,
}

/// Reads a script as Twilio does.
pub(crate) fn twiml(text: &str) -> Vec<Verb> {
    let root = element(text);
    root.children.iter().flat_map(|response| &response.children).map(verb).collect()
}

fn element(text: &str) -> Element {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let opened = |tag: &BytesStart<'_>| {
        let attributes = tag.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).expect("a value").into_owned();
            (attribute.key.as_ref().to_owned(), value)
        });
        let (name, attributes) = (tag.name().as_ref().to_owned(), attributes.collect());
        Element { name, attributes, ..Element::default() }
    };
    loop {
        let event = reader.read_event().expect("well-formed XML");
        let last = open.last_mut().expect("the document");
        match event {
            Event::Start(tag) => open.push(opened(&tag)),
            Event::Empty(tag) => last.children.push(opened(&tag)),
            Event::Text(text) => last.text.push_str(&text.xml10_content()),
            Event::GeneralRef(entity) => {
                assert_eq!(entity.xml10_content(), "amp");
                last.text.push('&');
            }
            Event::End(_) => {
                let done = open.pop().expect("it was opened");
                open.last_mut().expect("the document").children.push(done);
            }
            Event::Eof => return open.pop().expect("the document"),
            _ => {}
        }
    }
}

fn verb(element: &Element) -> Verb {
    let attribute = |name: &str| element.attributes.get(name).cloned();
    match element.name.as_str() {
        "Play" => Verb::Phrase(recorded(&element.text)),
        "Pause" => Verb::Pause(Duration::from_secs(1)),
        "Redirect" if element.text.starts_with(BASE) => Verb::Goto(element.text.clone()),
        "Redirect" | "Dial" => Verb::Route,
        "Hangup" | "Reject" => Verb::HangUp,
        "Gather" => {
            // What Twilio takes for the end of a key's wait would otherwise swallow a hash.
            assert_eq!(attribute("finishOnKey").as_deref(), Some(""));
            assert_eq!(attribute("numDigits").as_deref(), Some("1"));
            let seconds = attribute("timeout").and_then(|seconds| seconds.parse().ok());
            Verb::Gather {
                phrases: element.children.iter().map(|play| recorded(&play.text)).collect(),
                action: attribute("action").expect("an action"),
                timeout: Duration::from_secs(seconds.expect("a timeout")),
            }
        }
        other => panic!("{other} is no verb of ours"),
    }
}

impl Platform for Twilio {
    fn settings() -> String {
        settings()
    }

    fn beside(daemon: &Daemon) -> Self {
        Self { daemon: daemon.http, lines: Lines::default(), record: Arc::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let record = Arc::clone(&self.record);
        let account = Account { daemon: self.daemon, rings: how.clone(), record };
        Box::new(self.lines.begin(Arc::new(account), &call_sid()))
    }

    fn line_breaks(&self, caller: &mut dyn Caller) {
        self.lines.break_one(&caller.name());
    }
}

/// A new call's id, as Twilio draws it.
pub(crate) fn call_sid() -> String {
    format!("CA{:032x}", rand::random::<u128>())
}
