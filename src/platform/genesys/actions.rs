//! Data actions of Architect: flat JSON in, an event of contract §4; a directive, flat JSON out. Pure.
//!
//! A flow may ask twice: what it sends is named after its conversation and the version of the
//! directive it answers, so a repeat changes nothing and is answered with how things stand now.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::call::effect::Prompt;
use crate::model::ids::TrunkName;
use crate::model::time::Timestamp;
use crate::platform::claims;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// The name of this platform in events and calls.
pub const PLATFORM: &str = "genesys";
/// A conversation's id is a UUID; what is named after it stays within an event id.
const CONVERSATION_MAX: usize = 64;
/// Keys of one request: a customer number and its `#`.
const KEYS_MAX: usize = 32;
/// The longest text of an event, in bytes.
const TEXT_MAX: usize = 128;
/// When a flow that has to wait asks again.
const AGAIN_MS: u64 = 500;

/// A field that cannot be used. Names the field and never its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct BadInput {
    /// Which.
    pub field: &'static str,
    /// What it has to be.
    pub expected: &'static str,
}

/// A call comes to a flow. Prints nothing: most of it is personal.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Classify {
    /// `Call.ConversationId`.
    pub conversation_id: Option<String>,
    /// `Call.Ani`: a number, `tel:` or `sip:`.
    pub ani: Option<String>,
    /// `Call.CalledAddressOriginal`, likewise.
    pub dnis: Option<String>,
    /// `User-to-User` as it came: may hold the app's intent in hexadecimal.
    pub uui: Option<String>,
    /// The app's intent, where the flow has it.
    pub intent: Option<String>,
    /// Whom the flow takes the caller for: a claim, no proof.
    pub customer_id: Option<String>,
    /// A name of `[queues.*]`.
    pub queue: Option<String>,
    /// `A`, `B`, `C`, `failed` …; other words are as good as none.
    pub attestation: Option<String>,
    /// The carrier's word, as it came.
    pub verstat: Option<String>,
}

/// What is asked now?
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// `Call.ConversationId`.
    pub conversation_id: Option<String>,
}

/// The caller pressed a key, or none in time.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyDigit {
    /// `Call.ConversationId`.
    pub conversation_id: Option<String>,
    /// `version` of the answer that asked.
    pub version: Option<u64>,
    /// `keys` of that answer.
    pub keys: Option<u64>,
    /// One key; none, or empty, for silence; a whole customer number where that is asked.
    pub digit: Option<String>,
}

/// Where a conversation stands, for all three alike: flat, and every field is always there.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Our id of the call; empty while it is not known.
    pub call: String,
    /// The class.
    pub class: &'static str,
    /// How far the check has come.
    pub authentication: &'static str,
    /// Whom the call is about, where that is known: no proof of who is calling.
    pub customer_id: String,
    /// Whether the caller is to be asked (go on with the challenge).
    pub collect_pin: bool,
    /// `next` (ask), `wait` (ask us again after `timeout_ms`), `done`.
    pub result: &'static str,
    /// `pin_position`, `customer_number` or `nothing`.
    pub ask: &'static str,
    /// 1 to 7; 0 where no PIN digit is asked.
    pub position: u8,
    /// The phrase that asks, `pin.position.3`; empty where nothing is asked.
    pub prompt: String,
    /// Phrases to play first, separated by commas.
    pub say: String,
    /// How long to wait for a key, or before asking again, in milliseconds.
    pub timeout_ms: u64,
    /// To be sent back with the key.
    pub version: u64,
    /// To be sent back with the key: how many were taken under this version.
    pub keys: u64,
    /// `collect`, `wait`, `route` or `hang_up`.
    pub next: &'static str,
    /// The queue to route to; empty otherwise.
    pub queue: String,
}

impl fmt::Debug for Classify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classify(•)")
    }
}

impl fmt::Debug for VerifyDigit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyDigit(•)")
    }
}

impl Classify {
    /// The event that begins the call, over this trunk.
    pub fn event(&self, trunk: Option<&TrunkName>, at: Timestamp) -> Result<Value, BadInput> {
        let conversation = conversation(self.conversation_id.as_deref())?;
        let level = filled(self.attestation.as_deref());
        let level =
            level.filter(|level| ["A", "B", "C", "diverted", "failed", "none"].contains(level));
        let handle = filled(self.intent.as_deref()).map(str::to_owned);
        let handle = handle.or_else(|| filled(self.uui.as_deref()).map(in_uui));
        let mut event = event(conversation, "delivered", "delivered", at);
        for (field, value) in [
            ("ani", filled(self.ani.as_deref()).and_then(user_part)),
            ("dnis", filled(self.dnis.as_deref()).and_then(user_part)),
            ("customer_id", filled(self.customer_id.as_deref()).map(str::to_owned)),
            ("queue", filled(self.queue.as_deref()).map(str::to_owned)),
            ("intent", handle),
            ("attestation", level.map(str::to_owned)),
            ("verstat", filled(self.verstat.as_deref()).map(str::to_owned)),
            ("trunk", trunk.map(ToString::to_string)),
            ("direction", Some("inbound".to_owned())),
            // A flow runs until the caller is passed on; then nobody collects keys for us.
            ("collects", Some("until_handed_over".to_owned())),
        ] {
            set(&mut event, field, value.map(Value::String));
        }
        Ok(event)
    }
}

impl Challenge {
    /// An event that changes nothing after the first: its answer says what is asked.
    pub fn event(&self, at: Timestamp) -> Result<Value, BadInput> {
        let conversation = conversation(self.conversation_id.as_deref())?;
        Ok(event(conversation, "established", "established", at))
    }
}

impl VerifyDigit {
    /// The keys as events, in their order; silence is a look at how things stand.
    pub fn events(&self, at: Timestamp) -> Result<Vec<Value>, BadInput> {
        let conversation = conversation(self.conversation_id.as_deref())?;
        let pressed = self.digit.as_deref().unwrap_or_default().trim();
        if pressed.is_empty() {
            return Ok(vec![event(conversation, "established", "established", at)]);
        }
        let wrong = BadInput {
            field: "digit",
            expected: "must be one of 0-9 * # A-D, or a customer number of at most 31 digits where one is asked",
        };
        let key = |c: char| c.is_ascii_digit() || "*#ABCD".contains(c);
        if pressed.len() >= KEYS_MAX || !pressed.chars().all(key) {
            return Err(wrong);
        }
        let version = self.version.ok_or(BadInput {
            field: "version",
            expected: "must be the version of the answer that asked for this key",
        })?;
        let taken = self.keys.unwrap_or(0).min(1024);
        // Architect keeps the key that ends a number to itself.
        let whole = pressed.len() > 1 && !pressed.ends_with('#');
        let keys = pressed.chars().chain(whole.then_some('#'));
        Ok((taken..)
            .zip(keys)
            .map(|(nth, key)| {
                let what = format!("key/{version}/{nth}");
                let mut event = event(conversation, &what, "digit_generated", at);
                set(&mut event, "digit", Some(Value::String(key.to_string())));
                set(&mut event, "directive", Some(Value::from(version)));
                event
            })
            .collect())
    }

    /// How many keys this request brings the directive of its version to.
    #[must_use]
    pub fn keys_after(&self) -> u64 {
        let pressed = self.digit.as_deref().unwrap_or_default().trim().len();
        self.keys.unwrap_or(0).saturating_add(u64::try_from(pressed).unwrap_or(u64::MAX))
    }
}

impl Told {
    /// What a flow is told about a call. `before`: the version and the keys with which it came.
    #[must_use]
    pub fn of(answer: &CallAnswer, customer: Option<String>, before: Option<(u64, u64)>) -> Self {
        let directive = &answer.directive;
        let say: Vec<_> = directive.before.iter().map(|phrase| phrase.id()).collect();
        let same = before.filter(|(version, _)| *version == directive.version);
        let told = Self {
            call: answer.call.to_string(),
            class: answer.class.map_or("unverified", |class| class.word()),
            authentication: answer.authentication.word(),
            customer_id: customer.unwrap_or_default(),
            say: say.join(","),
            version: directive.version,
            keys: same.map_or(0, |(_, keys)| keys),
            ..Self::wait()
        };
        match &directive.order {
            Order::Wait => told,
            Order::Collect { position, within } => {
                let prompt = position.map_or(Prompt::CustomerNumber, Prompt::PinPosition);
                Self {
                    result: "next",
                    ask: position.map_or("customer_number", |_| "pin_position"),
                    position: position.map_or(0, crate::model::digits::Position::number),
                    prompt: prompt.id().to_owned(),
                    timeout_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
                    next: "collect",
                    ..told
                }
            }
            Order::Route { queue, .. } => Self { queue: queue.to_string(), ..told.done("route") },
            Order::Play(phrase) => {
                let say = say.into_iter().chain([phrase.id()]).collect::<Vec<_>>().join(",");
                Self { say, ..told.done("route") }
            }
            Order::HangUp(_) => told.done("hang_up"),
        }
    }

    /// Nothing is known yet, or a store is slow: the flow asks again.
    #[must_use]
    pub const fn wait() -> Self {
        Self {
            call: String::new(),
            class: "unverified",
            authentication: "not_authenticated",
            customer_id: String::new(),
            collect_pin: true,
            result: "wait",
            ask: "nothing",
            position: 0,
            prompt: String::new(),
            say: String::new(),
            timeout_ms: AGAIN_MS,
            version: 0,
            keys: 0,
            next: "wait",
            queue: String::new(),
        }
    }

    const fn done(mut self, next: &'static str) -> Self {
        (self.collect_pin, self.timeout_ms) = (false, 0);
        (self.result, self.next) = ("done", next);
        self
    }
}

fn event(conversation: &str, what: &str, kind: &str, at: Timestamp) -> Value {
    json!({
        "event_id": format!("{conversation}/{what}"),
        "call_id": conversation,
        "at": at.rfc3339(),
        "platform": PLATFORM,
        "type": kind,
    })
}

fn set(event: &mut Value, field: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (event.as_object_mut(), value) {
        fields.insert(field.to_owned(), value);
    }
}

/// A variable that a flow has not set comes as an empty text. What no event can hold is left out: a
/// caller is not turned away over it.
fn filled(text: Option<&str>) -> Option<&str> {
    let fits = |text: &&str| text.len() <= TEXT_MAX && !text.chars().any(char::is_control);
    text.map(str::trim).filter(|text| !text.is_empty()).filter(fits)
}

fn conversation(id: Option<&str>) -> Result<&str, BadInput> {
    filled(id).filter(|id| id.len() <= CONVERSATION_MAX).ok_or(BadInput {
        field: "conversationId",
        expected: "must be the conversation's id: Call.ConversationId",
    })
}

/// The number in `tel:+44…`, `sip:+44…@host` or `+44…`.
fn user_part(address: &str) -> Option<String> {
    let rest = match address.split_once(':') {
        Some((scheme, rest)) if ["tel", "sip", "sips"].contains(&scheme) => rest,
        _ => address,
    };
    let user = rest.split(['@', ';']).next().unwrap_or_default();
    Some(user.to_owned()).filter(|user| !user.is_empty())
}

/// The handle in `User-to-User`; some trunks pass it on as plain text.
fn in_uui(uui: &str) -> String {
    // A handle is hexadecimal itself: what it decodes to is none.
    let handle = claims::user_to_user(uui)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    handle.unwrap_or_else(|| uui.split(';').next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::wire::directive::Directive;
    use crate::wire::events::Batch;

    const CONVERSATION: &str = "6b2f0e0a-3a54-4b7f-9d0b-1c8f6f1b2a3c";

    fn at() -> Timestamp {
        Timestamp(1_795_305_600_000)
    }

    fn read(events: Vec<Value>) -> Vec<String> {
        let events = Batch::read(Value::Array(events)).expect("a batch").into_events();
        events.into_iter().map(|event| format!("{:?}", event.expect("readable").what)).collect()
    }

    fn pressed(digit: &str, version: Option<u64>, keys: u64) -> VerifyDigit {
        VerifyDigit {
            conversation_id: Some(CONVERSATION.into()),
            version,
            keys: Some(keys),
            digit: Some(digit.into()),
        }
    }

    #[test]
    fn contract_8_what_a_flow_knows_of_its_caller_begins_a_call() {
        let handle = "0123456789abcdef0123456789abcdef";
        let uui = crate::model::ids::hex(handle.as_bytes());
        for uui in [format!("{uui};encoding=hex"), format!("04{uui}"), handle.to_owned()] {
            let flow = json!({
                "conversationId": CONVERSATION, "ani": "tel:+442079460001", "uui": uui,
                "dnis": "sip:+448000000000@pure.example;user=phone", "attestation": "full",
                "queue": "", "customerId": null, "unknown": 7,
            });
            let flow: Classify = serde_json::from_value(flow).expect("flat JSON");
            let trunk = "office".parse().ok();
            let event = flow.event(trunk.as_ref(), at()).expect("an event");
            assert_eq!(
                (&event["ani"], &event["dnis"], &event["intent"]),
                (&json!("+442079460001"), &json!("+448000000000"), &json!(handle))
            );
            assert_eq!((&event["trunk"], &event["attestation"]), (&json!("office"), &Value::Null));
            assert_eq!(event["event_id"], format!("{CONVERSATION}/delivered"));
            assert_eq!(read(vec![event]), ["Delivered(Arrival(inbound))"]);
        }
    }

    #[test]
    fn contract_8_what_is_missing_is_named_and_what_is_too_long_is_left_out() {
        let nobody = Classify::default().event(None, at()).expect_err("no conversation");
        assert_eq!(nobody.field, "conversationId");
        let odd = Classify {
            conversation_id: Some(CONVERSATION.into()),
            queue: Some("q".repeat(200)),
            verstat: Some("a\u{7}".into()),
            ..Classify::default()
        };
        let event = odd.event(None, at()).expect("an event");
        assert_eq!((&event["queue"], &event["verstat"]), (&Value::Null, &Value::Null));
        for (digit, version, field) in
            [("12a", Some(1), "digit"), ("E", Some(1), "digit"), ("1", None, "version")]
        {
            assert_eq!(pressed(digit, version, 0).events(at()).expect_err("refused").field, field);
        }
        let long = pressed(&"1".repeat(32), Some(1), 0).events(at()).expect_err("refused");
        assert!(!long.to_string().contains("111"), "no digit is told back");
    }

    #[test]
    fn d04_a_key_is_named_after_what_asked_for_it_so_that_a_repeat_changes_nothing() {
        let ids = |digit, keys| {
            let events = pressed(digit, Some(3), keys).events(at()).expect("events");
            let id = |event: &Value| event["event_id"].as_str().map(str::to_owned);
            let ids: Vec<_> = events.iter().filter_map(id).collect();
            let tail = |id: &String| id.trim_start_matches(CONVERSATION).to_owned();
            (ids.iter().map(tail).collect::<Vec<_>>(), read(events))
        };
        let key = "Key { key: Key(•), asked: Some(3) }".to_owned();
        assert_eq!(ids("7", 0), (vec!["/key/3/0".into()], vec![key.clone()]));
        let whole = vec!["/key/3/1".into(), "/key/3/2".into(), "/key/3/3".into()];
        assert_eq!(ids("42", 1), (whole.clone(), vec![key.clone(); 3]), "# is added");
        assert_eq!(ids("42#", 1), (whole, vec![key; 3]));
        assert_eq!(ids("", 0), (vec!["/established".into()], vec!["Other(Established)".into()]));
        assert_eq!(pressed("4", Some(3), 2).keys_after(), 3);
    }

    #[test]
    fn contract_8_a_directive_is_told_flat_and_whole() {
        let told = |order: Order, before: Vec<Prompt>| {
            let answer = CallAnswer {
                call_id: CONVERSATION.parse().expect("an id"),
                call: "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().expect("an id"),
                class: None,
                authentication: crate::model::auth::Authentication::InProgress,
                directive: Directive { version: 4, order, before },
            };
            let told = Told::of(&answer, None, Some((4, 2)));
            let all = serde_json::to_value(&told).expect("JSON");
            let flat = |value: &Value| value.is_string() || value.is_u64() || value.is_boolean();
            assert!(all.as_object().expect("an object").values().all(flat), "{all}");
            assert_eq!((told.version, told.keys, told.class), (4, 2, "unverified"));
            format!(
                "{} {} {} {} {:?} {:?} {}",
                told.result,
                told.next,
                told.ask,
                told.position,
                told.prompt,
                told.say,
                told.collect_pin
            )
        };
        let within = std::time::Duration::from_secs(8);
        let position = crate::model::digits::Position::new(3);
        let queue = "general".parse().expect("a name");
        for (order, before, expected) in [
            (Order::Wait, vec![], r#"wait wait nothing 0 "" "" true"#),
            (
                Order::Collect { position, within },
                vec![Prompt::PinAgain, Prompt::Reprompt],
                r#"next collect pin_position 3 "pin.position.3" "pin.again,pin.reprompt" true"#,
            ),
            (
                Order::Collect { position: None, within },
                vec![],
                r#"next collect customer_number 0 "customer.number" "" true"#,
            ),
            (
                Order::Route { to: None, queue, call: None },
                vec![Prompt::Thanks],
                r#"done route nothing 0 "" "thanks" false"#,
            ),
            (
                Order::Play(Prompt::Thanks),
                vec![Prompt::Unavailable],
                r#"done route nothing 0 "" "unavailable,thanks" false"#,
            ),
            (
                Order::HangUp(crate::model::cause::Cause::NORMAL_CLEARING),
                vec![],
                r#"done hang_up nothing 0 "" "" false"#,
            ),
        ] {
            assert_eq!(told(order, before), expected);
        }
    }

    #[test]
    fn p11_what_a_flow_sends_prints_neither_numbers_nor_digits() {
        let flow = Classify { ani: Some("+442079460123".into()), ..Classify::default() };
        assert_eq!(
            format!("{flow:?} {:?}", pressed("7", Some(1), 0)),
            "Classify(•) VerifyDigit(•)"
        );
    }
}
