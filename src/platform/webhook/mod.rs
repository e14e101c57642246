//! Platforms that ask by HTTP, or by a WebSocket, what to do next, and run our script until the caller is
//! passed on.
//!
//! ```text
//!  POST ─> signed.rs ─> twilio.rs / jambonz.rs ─> Hook ─> contract §4 events ─> the call
//!            (pure)            (pure)                                            │
//!   TwiML / verbs <─────────── the same <───────────────── CallAnswer <──────────┘
//! ```
//! All here is pure. Every request tells who calls, so that a call that nobody knows begins anew; what
//! was asked stands in the URL that the platform is given, so that an answer that comes twice counts once.

pub mod form;
pub mod jambonz;
pub mod signed;
pub mod twilio;

use serde_json::Map;
use serde_json::Value;

use crate::call::effect::Prompt;
use crate::config::webhooks::PassingOn;
use crate::config::webhooks::Voice;
use crate::model::call_kind::Collects;
use crate::model::digits::Key;
use crate::model::ids::CallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::ids::TrunkName;
use crate::model::ids::hex;
use crate::platform::webhook::form::Form;
use crate::platform::webhook::signed::Keys;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;
use crate::wire::percent::encoded;

/// The longest text of a vendor that goes into an event.
const TEXT_MAX: usize = 128;
/// The longest id of a call; event ids are made of it.
const CALL_MAX: usize = 96;

/// One connector, ready for requests.
#[derive(Clone)]
pub struct Connector {
    /// The word of its calls' platform: `twilio/main`.
    pub platform: PlatformName,
    /// `/v1/twilio/main`.
    pub path: String,
    /// The address by which the platform reaches us.
    pub base_url: String,
    /// Whose word its numbers are.
    pub trunk: Option<TrunkName>,
    /// The queue of its calls.
    pub queue: Option<QueueName>,
    /// How callers are passed on.
    pub passing_on: PassingOn,
    /// Who speaks the phrases.
    pub voice: Voice,
    /// What signs its requests.
    pub keys: Keys,
}

/// Which of our URLs was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The first: a caller is there.
    Begin,
    /// After a key, or after none.
    Key,
    /// Whether there is something newer.
    Wait,
    /// The way to us was broken: what was keyed may be lost.
    Again,
    /// How the call is.
    Status,
    /// The caller was passed on, and that came to an end.
    Dialled,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Begin, Self::Key, Self::Wait, Self::Again, Self::Status, Self::Dialled];

    /// The last part of the URL.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Key => "key",
            Self::Wait => "wait",
            Self::Again => "again",
            Self::Status => "status",
            Self::Dialled => "dialled",
        }
    }

    /// The step of this word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

/// What the platform was asked, as it stood in the URL that it was given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// Our id of the call.
    pub call: Option<CallId>,
    /// The version of the directive.
    pub version: u64,
    /// Keys before this one: a customer number has one directive and many keys.
    pub nth: u64,
}

impl Asked {
    /// Reads the query of a URL.
    #[must_use]
    pub fn read(query: &str) -> Self {
        let query = Form::read(query.as_bytes());
        let get = |name| query.as_ref().and_then(|query| query.get(name));
        let number = |name| get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        Self {
            call: get("call").and_then(|call| call.parse().ok()),
            version: number("v"),
            nth: number("n"),
        }
    }
}

/// What a platform says in one request.
pub struct Hook {
    /// Its id of the call.
    pub call: String,
    /// Who calls: fields of a `delivered`.
    pub arrival: Map<String, Value>,
    /// Whether the caller hears it ring.
    pub rings: bool,
    /// What it was asked before.
    pub asked: Asked,
    /// What happened.
    pub said: Said,
}

/// What happened. Prints no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// A call came.
    Begins,
    /// A key was pressed.
    Key(Key),
    /// None was.
    Silence,
    /// Nothing; what is next is asked.
    Waits,
    /// The way to us was broken.
    Again,
    /// The call came to its end, with this cause of Q.850.
    Over(u8),
    /// Something that changes nothing.
    Nothing,
}

impl Connector {
    /// What is the same in every `delivered` of this connector.
    fn arrival(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let trunk = self.trunk.as_ref().map(TrunkName::as_str);
        put(&mut fields, "trunk", trunk);
        put(&mut fields, "queue", self.queue.as_ref().map(QueueName::as_str));
        put(&mut fields, "direction", Some("inbound"));
        put(
            &mut fields,
            "collects",
            serde_json::to_value(Collects::UntilHandedOver).ok().as_ref().and_then(Value::as_str),
        );
        fields
    }

    /// Where the platform finds a recording of ours.
    fn recording(&self, phrase: Prompt) -> String {
        format!("{}/v1/prompts/{}.wav", self.base_url, phrase.id())
    }

    /// The integrator's own script, told how far the call has come; `None`: the platform dials.
    fn redirect(&self, answer: &CallAnswer, queue: &QueueName) -> Option<String> {
        let PassingOn::Redirect(url) = &self.passing_on else { return None };
        let separator = if url.contains('?') { '&' } else { '?' };
        let told = marks(answer);
        let told = told.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let told: Vec<_> = told.collect();
        Some(format!("{url}{separator}{}&queue={}", told.join("&"), encoded(queue.as_str())))
    }
}

/// What whoever goes on with the call is told of it.
fn marks(answer: &CallAnswer) -> [(&'static str, &str); 3] {
    [
        ("class", answer.class.map_or("unverified", |class| class.word())),
        ("authentication", answer.authentication.word()),
        ("call", answer.call.as_str()),
    ]
}

/// `User-to-User` of a call that is passed on, as over SIP.
fn user_to_user(answer: &CallAnswer) -> String {
    format!("{};encoding=hex", hex(answer.call.as_str().as_bytes()))
}

/// The phrases of a directive that was not heard yet, in their order.
fn phrases(answer: &CallAnswer, asked: &Asked) -> Vec<Prompt> {
    let directive = &answer.directive;
    // Nothing new: whoever was silent is not told the same again before the call itself says so. What
    // is asked again after a break is.
    if asked.call.as_ref() == Some(&answer.call) && directive.version == asked.version {
        return vec![];
    }
    let last = match directive.order {
        Order::Collect { position, .. } => {
            Some(position.map_or(Prompt::CustomerNumber, Prompt::PinPosition))
        }
        Order::Play(phrase) => Some(phrase),
        Order::Wait | Order::Route { .. } | Order::HangUp(_) => None,
    };
    directive.before.iter().copied().chain(last).collect()
}

/// Keys so far under this directive, the one of this request among them.
fn nth(hook: &Hook) -> u64 {
    hook.asked.nth.saturating_add(u64::from(matches!(hook.said, Said::Key(_))))
}

/// What the platform says where a phrase is not played from our recordings.
const fn words(phrase: Prompt) -> &'static str {
    match phrase {
        Prompt::PinPosition(position) => match position.number() {
            1 => "Using your keypad, please enter the first digit of your PIN.",
            2 => "Using your keypad, please enter the second digit of your PIN.",
            3 => "Using your keypad, please enter the third digit of your PIN.",
            4 => "Using your keypad, please enter the fourth digit of your PIN.",
            5 => "Using your keypad, please enter the fifth digit of your PIN.",
            6 => "Using your keypad, please enter the sixth digit of your PIN.",
            _ => "Using your keypad, please enter the seventh digit of your PIN.",
        },
        Prompt::PinAgain => "That was not right. You can try once more.",
        Prompt::Reprompt => "I did not hear a key. Please try again.",
        Prompt::CustomerNumber => "Please key in your customer number, then press hash.",
        Prompt::Thanks => "Thank you. I am connecting you now.",
        Prompt::Unavailable => {
            "Sorry, we cannot check your PIN at the moment. I am connecting you to an agent."
        }
        Prompt::Goodbye => "Thank you for calling. Goodbye.",
    }
}

/// Puts a vendor's text into an event, if it is one that an event may hold.
fn put(fields: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    let fits = |text: &&str| {
        !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
    };
    if let Some(text) = text.filter(fits) {
        fields.insert(name.to_owned(), text.into());
    }
}

/// A vendor's id of a call, if it can be one.
fn call_id(text: Option<&str>) -> Option<String> {
    let fits = |text: &&str| text.len() <= CALL_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    text.filter(|text| !text.is_empty()).filter(fits).map(str::to_owned)
}

/// The one key that a request tells of.
fn one_key(text: Option<&str>) -> Said {
    let mut letters = text.unwrap_or_default().chars();
    match (letters.next().and_then(Key::from_char), letters.next()) {
        (Some(key), None) => Said::Key(key),
        _ => Said::Silence,
    }
}

/// How a call ended, in the words that both vendors use; `None`: it has not.
fn ended(status: &str) -> Option<u8> {
    match status {
        "completed" | "canceled" => Some(16),
        "busy" => Some(17),
        "no-answer" => Some(19),
        "failed" => Some(41),
        _ => None,
    }
}

/// The number in what may be a SIP address: the part in front of the `@`.
fn number_in(text: &str) -> &str {
    let user = text.strip_prefix("sips:").or_else(|| text.strip_prefix("sip:")).unwrap_or(text);
    user.split(['@', ';']).next().unwrap_or_default()
}

/// One of our URLs, with what is asked now.
fn link(base: &str, step: Step, answer: &CallAnswer, nth: u64) -> String {
    let (call, version) = (answer.call.as_str(), answer.directive.version);
    format!("{base}/{}?call={}&v={version}&n={nth}", step.word(), encoded(call))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::auth::Authentication;
    use crate::model::caller::CallerClass;
    use crate::model::cause::Cause;
    use crate::model::digits::Position;
    use crate::wire::directive::Directive;
    use std::time::Duration;

    /// A connector of this vendor.
    pub(crate) fn connector(vendor: &str) -> Connector {
        Connector {
            platform: format!("{vendor}/main").parse().expect("a name"),
            path: format!("/v1/{vendor}/main"),
            base_url: "https://ivr.example.org".to_owned(),
            trunk: "office".parse().ok(),
            queue: None,
            passing_on: PassingOn::Dial,
            voice: Voice::Play,
            keys: Keys::twilio("12345").expect("a key"),
        }
    }

    /// Where a call stands.
    pub(crate) fn answer(version: u64, order: Order, before: Vec<Prompt>) -> CallAnswer {
        CallAnswer {
            call_id: "CA1".parse().expect("a name"),
            call: "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().expect("an id"),
            class: Some(CallerClass::VerifiedNumber),
            authentication: Authentication::Authenticated,
            directive: Directive { version, order, before },
        }
    }

    pub(crate) fn third_digit() -> Order {
        Order::Collect { position: Position::new(3), within: Duration::from_millis(7500) }
    }

    pub(crate) fn to_the_queue() -> Order {
        let queue = "cards".parse().expect("a name");
        let call = "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().ok();
        Order::Route { to: Some("sip:cards@192.0.2.20".to_owned()), queue, call }
    }

    #[test]
    fn x03_what_was_asked_is_read_back_from_the_url() {
        let url = link("", Step::Key, &answer(7, third_digit(), vec![]), 2);
        assert_eq!(url, "/key?call=01M8Y2J3K4N5P6Q7R8S9T0V1W2&v=7&n=2");
        let asked = Asked::read(url.split_once('?').expect("a query").1);
        let call = "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().ok();
        assert_eq!(asked, Asked { call, version: 7, nth: 2 });
        assert_eq!(Asked::read("v=x&n=-1"), Asked::default());
        for step in Step::ALL {
            assert_eq!(Step::read(step.word()), Some(step));
        }
        assert_eq!(Step::read("nothing"), None);
    }

    #[test]
    fn d04_only_one_key_is_a_key() {
        assert_eq!(one_key(Some("7")), Said::Key(Key::from_char('7').expect("a key")));
        for none in [None, Some(""), Some("77"), Some("x"), Some(" ")] {
            assert_eq!(one_key(none), Said::Silence);
        }
        assert_eq!(format!("{:?}", one_key(Some("7"))), "Key(Key(•))");
    }

    #[test]
    fn c34_nothing_is_said_twice_before_the_call_says_so() {
        let stands = answer(4, third_digit(), vec![Prompt::Reprompt]);
        let call = Some(stands.call.clone());
        let heard = |version| {
            phrases(&stands, &Asked { version, call: call.clone(), ..Asked::default() }).len()
        };
        assert_eq!((heard(0), heard(3), heard(4)), (2, 2, 0));
        let other = Asked { version: 4, ..Asked::default() };
        assert_eq!(phrases(&stands, &other).len(), 2, "of another call");
        let over = answer(0, Order::HangUp(Cause::NORMAL_CLEARING), vec![Prompt::Goodbye]);
        assert_eq!(phrases(&over, &Asked::default()), [Prompt::Goodbye]);
    }
}
