//! jambonz: JSON in, verbs out, by HTTP and over its WebSocket. Pure.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::call::effect::Prompt;
use crate::config::webhooks::PassingOn;
use crate::config::webhooks::Voice;
use crate::platform::claims;
use crate::platform::webhook::Asked;
use crate::platform::webhook::Connector;
use crate::platform::webhook::Hook;
use crate::platform::webhook::Said;
use crate::platform::webhook::Step;
use crate::platform::webhook::call_id;
use crate::platform::webhook::ended;
use crate::platform::webhook::link;
use crate::platform::webhook::marks;
use crate::platform::webhook::nth;
use crate::platform::webhook::number_in;
use crate::platform::webhook::one_key;
use crate::platform::webhook::phrases;
use crate::platform::webhook::put;
use crate::platform::webhook::user_to_user;
use crate::platform::webhook::words;
use crate::sip::message::NameAddr;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// The WebSocket's subprotocol.
pub const PROTOCOL: &str = "ws.jambonz.org";

/// By which way the verbs go to the platform.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// It asks, and is answered.
    Http,
    /// It may be told something that it did not ask for.
    Socket,
}

/// Seconds by which a platform that can be told waits longer than the call does: the call's own clock
/// has the word.
const SLACK: u64 = 10;

/// Reads what the platform says of a call; `None`: it names none.
#[must_use]
pub fn hook(connector: &Connector, step: Step, data: &Value, asked: Asked) -> Option<Hook> {
    let text = |name| data.get(name).and_then(Value::as_str);
    let call = call_id(text("call_sid"))?;
    let status = text("call_status").unwrap_or_default();
    let said = match (step, ended(status)) {
        (Step::Dialled, _) => Said::Over(text("dial_call_status").and_then(ended).unwrap_or(31)),
        // Whatever is asked of a caller who has hung up has no answer any more.
        (_, Some(cause)) => Said::Over(cause),
        (Step::Begin, None) => Said::Begins,
        (Step::Key, None) => one_key(text("digits")),
        (Step::Wait, None) => Said::Waits,
        (Step::Again, None) => Said::Again,
        (Step::Status, None) => Said::Nothing,
    };
    let rings = matches!(status, "trying" | "ringing");
    Some(Hook { call, arrival: arrival(connector, data), rings, asked, said })
}

fn arrival(connector: &Connector, data: &Value) -> Map<String, Value> {
    let mut fields = connector.arrival();
    let text = |name| data.get(name).and_then(Value::as_str);
    put(&mut fields, "cli", text("from").map(number_in));
    put(&mut fields, "dnis", text("to").map(number_in));
    let headers = data.get("sip").and_then(|sip| sip.get("headers")).and_then(Value::as_object);
    let header = |name: &str| {
        let mut all = headers.into_iter().flatten();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    };
    // As over SIP: what the network asserts is evidence, what the caller presents is not.
    let asserted = header("P-Asserted-Identity").and_then(|text| NameAddr::parse(text).ok());
    if let Some(identity) = &asserted {
        let user = identity.uri.user_decoded().unwrap_or_default();
        put(&mut fields, "ani", Some(number_in(&user)));
    }
    let verstat = asserted.as_ref().and_then(|identity| claims::verstat(&identity.uri));
    let verstat = verstat.or_else(|| claims::verstat(&NameAddr::parse(header("From")?).ok()?.uri));
    put(&mut fields, "verstat", verstat.as_deref());
    if ["Diversion", "History-Info"].into_iter().any(|name| header(name).is_some()) {
        put(&mut fields, "attestation", Some("diverted"));
    }
    let carried = header("X-Countersign-Intent").map(|text| Cow::Borrowed(text.trim()));
    let carried = carried.or_else(|| claims::user_to_user(header("User-to-User")?).map(Cow::Owned));
    put(&mut fields, "intent", carried.as_deref());
    fields
}

/// The verbs for where the call stands; `None`: it is over.
#[must_use]
pub fn verbs(connector: &Connector, way: Way, hook: &Hook, call: Option<&CallAnswer>) -> Value {
    let Some(answer) = call else { return json!([{ "verb": "hangup" }]) };
    let base = match way {
        Way::Http => format!("{}{}", connector.base_url, connector.path),
        Way::Socket => String::new(),
    };
    let url = |step| link(&base, step, answer, nth(hook));
    let said = phrases(answer, &hook.asked);
    let mut verbs: Vec<Value> = vec![];
    match &answer.directive.order {
        Order::Collect { within, .. } => {
            let seconds = u64::try_from(within.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            let seconds = match way {
                Way::Http => seconds.max(1),
                Way::Socket => seconds.saturating_add(SLACK),
            };
            let mut gather = json!({
                "verb": "gather", "input": ["digits"], "numDigits": 1, "dtmfBargein": true,
                "timeout": seconds, "actionHook": url(Step::Key),
            });
            if let (Some((name, what)), Some(fields)) =
                (spoken(connector, &said), gather.as_object_mut())
            {
                fields.insert(name.to_owned(), what);
            }
            verbs.push(gather);
            // Comes next where our answer got lost on the way.
            verbs.push(json!({ "verb": "redirect", "actionHook": url(Step::Again) }));
        }
        Order::Play(_) | Order::Wait => {
            verbs.extend(alone(connector, &said));
            if said.is_empty() {
                verbs.push(json!({ "verb": "pause", "length": 1 }));
            }
            verbs.push(json!({ "verb": "redirect", "actionHook": url(Step::Wait) }));
        }
        Order::Route { to, queue, .. } => {
            verbs.extend(alone(connector, &said));
            verbs.push(json!({ "verb": "tag", "data": marked(answer) }));
            verbs.push(match (connector.redirect(answer, queue), to) {
                (Some(url), _) => json!({ "verb": "redirect", "actionHook": url }),
                (None, Some(to)) => passed_on(connector, to, &url(Step::Dialled), answer),
                (None, None) => json!({ "verb": "hangup" }),
            });
        }
        Order::HangUp(cause) if hook.rings && said.is_empty() => {
            let (status, reason) =
                if cause.0 == 17 { (486, "Busy Here") } else { (603, "Decline") };
            verbs.push(json!({ "verb": "sip:decline", "status": status, "reason": reason }));
        }
        Order::HangUp(_) => {
            verbs.extend(alone(connector, &said));
            verbs.push(json!({ "verb": "hangup" }));
        }
    }
    Value::Array(verbs)
}

fn marked(answer: &CallAnswer) -> Map<String, Value> {
    marks(answer).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn passed_on(connector: &Connector, to: &str, done: &str, answer: &CallAnswer) -> Value {
    let (call, uui) = (answer.call.as_str(), user_to_user(answer));
    let number = to.strip_prefix("tel:");
    if connector.passing_on == PassingOn::Refer {
        let separator = if to.contains('?') { '&' } else { '?' };
        let uui = uui.replace(';', "%3B").replace("=hex", "%3Dhex");
        let to = format!("{to}{separator}User-to-User={uui}&X-Countersign-Call={call}");
        return json!({ "verb": "sip:refer", "referTo": to, "actionHook": done });
    }
    let target = match number {
        Some(number) => json!({ "type": "phone", "number": number }),
        None => json!({ "type": "sip", "sipUri": to }),
    };
    json!({
        "verb": "dial", "target": [target], "answerOnBridge": true, "actionHook": done,
        "headers": { "User-to-User": uui, "X-Countersign-Call": call },
    })
}

/// Phrases as a part of a verb that lets the caller key into them.
fn spoken(connector: &Connector, said: &[Prompt]) -> Option<(&'static str, Value)> {
    let (first, more) = said.split_first()?;
    Some(match connector.voice {
        Voice::Say => {
            let texts: Vec<_> = said.iter().map(|phrase| words(*phrase)).collect();
            ("say", json!({ "text": texts.join(" ") }))
        }
        Voice::Play if more.is_empty() => ("play", json!({ "url": connector.recording(*first) })),
        Voice::Play => {
            let urls: Vec<_> = said.iter().map(|phrase| connector.recording(*phrase)).collect();
            ("play", json!({ "url": urls }))
        }
    })
}

/// Phrases as a verb of their own.
fn alone(connector: &Connector, said: &[Prompt]) -> Option<Value> {
    let (name, mut what) = spoken(connector, said)?;
    what.as_object_mut()?.insert("verb".to_owned(), name.into());
    Some(what)
}

/// What the platform says over its WebSocket.
pub struct Frame {
    /// The word for it.
    pub kind: String,
    /// The id that an answer has to carry; none: no answer is wanted.
    pub msgid: Option<String>,
    /// Which of our relative URLs is meant, its query with it.
    pub hook: String,
    /// What it says of the call.
    pub data: Value,
}

/// Words that are only told.
const NO_ACK: [&str; 7] = [
    "call:status",
    "verb:status",
    "jambonz:error",
    "llm:event",
    "llm:tool-call",
    "tts:streaming-event",
    "tts:tokens-result",
];

impl Frame {
    /// Reads a text frame; `None`: it is none of jambonz's.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut frame: Value = serde_json::from_str(text).ok()?;
        let word = |name| frame.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = word("type")?;
        let msgid = word("msgid").filter(|id| id.len() <= 128 && !NO_ACK.contains(&kind.as_str()));
        let (hook, call) = (word("hook").unwrap_or_default(), word("call_sid"));
        let mut data = frame.get_mut("data").map(Value::take).unwrap_or_default();
        if !data.is_object() {
            data = json!({});
        }
        if let (Some(call), Some(fields)) = (call, data.as_object_mut()) {
            fields.insert("call_sid".to_owned(), call.into());
        }
        Some(Self { kind, msgid, hook, data })
    }

    /// What it means for a call; `None`: nothing.
    #[must_use]
    pub fn step(&self) -> Option<(Step, Asked)> {
        let (path, query) = self.hook.split_once('?').unwrap_or((&self.hook, ""));
        let step = match self.kind.as_str() {
            "session:new" | "session:redirect" => Step::Begin,
            "session:reconnect" => Step::Again,
            "call:status" => Step::Status,
            "verb:hook" => Step::read(path.trim_start_matches('/'))?,
            _ => return None,
        };
        Some((step, Asked::read(query)))
    }
}

/// The answer to a frame.
#[must_use]
pub fn ack(msgid: &str, verbs: &Value) -> String {
    json!({ "type": "ack", "msgid": msgid, "data": verbs }).to_string()
}

/// What is to be done instead of what is being done.
#[must_use]
pub fn instead(verbs: &Value) -> String {
    json!({ "type": "command", "command": "redirect", "queueCommand": false, "data": verbs })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cause::Cause;
    use crate::platform::webhook::tests::answer as stands;
    use crate::platform::webhook::tests::connector;
    use crate::platform::webhook::tests::third_digit;
    use crate::platform::webhook::tests::to_the_queue;

    fn first() -> Value {
        json!({
            "call_sid": "CA1", "direction": "inbound", "from": "+442079460001",
            "to": "+448001234", "call_status": "trying", "sip_status": 100,
            "sip": { "headers": { "Identity": "eyJ…;ppt=shaken" } },
        })
    }

    fn read(step: Step, data: &Value) -> Hook {
        hook(&connector("jambonz"), step, data, Asked::default()).expect("a hook")
    }

    fn begins(headers: &Value) -> Value {
        let mut data = first();
        data["sip"]["headers"] = headers.clone();
        let hook = read(Step::Begin, &data);
        assert_eq!((hook.call.as_str(), hook.rings, hook.said), ("CA1", true, Said::Begins));
        hook.arrival.into()
    }

    #[test]
    fn d02_x16_the_headers_of_the_invite_say_who_calls_and_from_is_no_evidence() {
        let arrival = begins(&json!({}));
        assert_eq!(
            arrival,
            json!({
                "direction": "inbound", "collects": "until_handed_over", "trunk": "office",
                "cli": "+442079460001", "dnis": "+448001234",
            })
        );
        let asserted = begins(&json!({
            "p-asserted-identity": "<sip:+442079460001;verstat=TN-Validation-Passed-A@carrier>",
        }));
        assert_eq!(
            (&asserted["ani"], &asserted["verstat"]),
            (&"+442079460001".into(), &"TN-Validation-Passed-A".into())
        );
        for header in ["Diversion", "History-Info"] {
            assert_eq!(begins(&json!({ header: "<sip:x@h>" }))["attestation"], "diverted");
        }
        let handle = "0123456789abcdef0123456789abcdef";
        let uui = crate::model::ids::hex(handle.as_bytes());
        for headers in [
            json!({ "X-Countersign-Intent": handle }),
            json!({ "User-To-User": format!("{uui};encoding=hex") }),
        ] {
            assert_eq!(begins(&headers)["intent"], handle);
        }
        assert!(hook(&connector("jambonz"), Step::Begin, &json!({}), Asked::default()).is_none());
    }

    #[test]
    fn d04_what_happens_is_read_from_step_and_status() {
        let said = |step, more: &Value| {
            let mut data = json!({ "call_sid": "CA1", "call_status": "in-progress" });
            let more = more.as_object().into_iter().flatten();
            more.for_each(|(name, value)| data[name] = value.clone());
            read(step, &data).said
        };
        let dtmf = json!({ "digits": "7", "reason": "dtmfDetected" });
        assert!(matches!(said(Step::Key, &dtmf), Said::Key(_)));
        assert_eq!(said(Step::Key, &json!({ "reason": "timeout" })), Said::Silence);
        assert_eq!(said(Step::Again, &json!({})), Said::Again);
        assert_eq!(said(Step::Status, &json!({ "call_status": "completed" })), Said::Over(16));
        assert_eq!(said(Step::Status, &json!({ "call_status": "early-media" })), Said::Nothing);
        assert_eq!(said(Step::Dialled, &json!({ "dial_call_status": "busy" })), Said::Over(17));
        assert_eq!(said(Step::Dialled, &json!({ "dial_call_status": "odd" })), Said::Over(31));
    }

    #[test]
    fn c33_a_position_is_asked_with_a_gather_of_one_digit() {
        let connector = connector("jambonz");
        let asked = stands(3, third_digit(), vec![Prompt::PinAgain]);
        let hook = read(Step::Begin, &first());
        let query = "call=01M8Y2J3K4N5P6Q7R8S9T0V1W2&v=3&n=0";
        let base = "https://ivr.example.org/v1/jambonz/main";
        let play = ["pin.again", "pin.position.3"]
            .map(|id| format!("https://ivr.example.org/v1/prompts/{id}.wav"));
        assert_eq!(
            verbs(&connector, Way::Http, &hook, Some(&asked)),
            json!([
                {
                    "verb": "gather", "input": ["digits"], "numDigits": 1, "dtmfBargein": true,
                    "timeout": 8, "actionHook": format!("{base}/key?{query}"), "play": { "url": play },
                },
                { "verb": "redirect", "actionHook": format!("{base}/again?{query}") },
            ])
        );
        let over_socket = verbs(&connector, Way::Socket, &hook, Some(&asked));
        assert_eq!(over_socket[0]["actionHook"], format!("/key?{query}"));
        assert_eq!(over_socket[0]["timeout"], 18, "the call's own clock is faster");
        let silent =
            Hook { asked: Asked { call: Some(asked.call.clone()), version: 3, nth: 0 }, ..hook };
        assert!(verbs(&connector, Way::Http, &silent, Some(&asked))[0].get("play").is_none());
        let says = Connector { voice: Voice::Say, ..connector };
        let hook = read(Step::Begin, &first());
        let said = verbs(&says, Way::Http, &hook, Some(&asked))[0]["say"]["text"].clone();
        assert_eq!(
            said,
            "That was not right. You can try once more. Using your keypad, please enter the third digit of your PIN."
        );
    }

    #[test]
    fn d02_b04_a_caller_is_passed_on_as_configured() {
        let hook = read(Step::Begin, &first());
        let route = stands(2, to_the_queue(), vec![Prompt::Thanks]);
        let call = "01M8Y2J3K4N5P6Q7R8S9T0V1W2";
        let passed = |passing_on| {
            let connector = Connector { passing_on, ..connector("jambonz") };
            let verbs = verbs(&connector, Way::Http, &hook, Some(&route));
            assert_eq!(verbs[0]["verb"], "play");
            let tag = json!({ "class": "verified_number", "authentication": "authenticated", "call": call });
            assert_eq!(verbs[1], json!({ "verb": "tag", "data": tag }));
            verbs[2].clone()
        };
        let dial = passed(PassingOn::Dial);
        assert_eq!(dial["target"], json!([{ "type": "sip", "sipUri": "sip:cards@192.0.2.20" }]));
        assert_eq!(dial["headers"]["X-Countersign-Call"], call);
        let refer = passed(PassingOn::Refer)["referTo"].to_string();
        assert!(
            refer.contains("sip:cards@192.0.2.20?User-to-User=")
                && refer.contains("%3Bencoding%3Dhex&"),
            "{refer}"
        );
        let redirect = passed(PassingOn::Redirect("https://bank.example/x".to_owned()));
        assert_eq!(
            redirect["actionHook"],
            format!(
                "https://bank.example/x?class=verified_number&authentication=authenticated&call={call}&queue=cards"
            )
        );
    }

    #[test]
    fn d02_the_other_directives_have_their_verbs() {
        let (connector, ringing) = (connector("jambonz"), read(Step::Begin, &first()));
        let later = read(Step::Key, &json!({ "call_sid": "CA1", "call_status": "in-progress" }));
        let words = |hook, call: Option<&CallAnswer>| -> Vec<String> {
            let verbs = verbs(&connector, Way::Http, hook, call);
            let all = verbs.as_array().into_iter().flatten();
            all.map(|verb| verb["verb"].as_str().expect("a verb").to_owned()).collect()
        };
        let hang_up = stands(1, Order::HangUp(Cause(17)), vec![]);
        assert_eq!(words(&ringing, Some(&hang_up)), ["sip:decline"]);
        assert_eq!(words(&later, Some(&hang_up)), ["hangup"]);
        assert_eq!(words(&later, None), ["hangup"]);
        assert_eq!(words(&later, Some(&stands(0, Order::Wait, vec![]))), ["pause", "redirect"]);
        let thanks = stands(4, Order::Play(Prompt::Thanks), vec![]);
        assert_eq!(words(&later, Some(&thanks)), ["play", "redirect"]);
    }

    #[test]
    fn d02_frames_of_the_socket_are_read_and_answered() {
        let frame = |text: &Value| Frame::read(&text.to_string()).expect("a frame");
        let new = frame(
            &json!({ "type": "session:new", "msgid": "m1", "call_sid": "CA1", "data": first() }),
        );
        assert_eq!(
            (new.msgid.as_deref(), new.step()),
            (Some("m1"), Some((Step::Begin, Asked::default())))
        );
        let key = frame(&json!({
            "type": "verb:hook", "msgid": "m2", "call_sid": "CA1", "hook": "/key?v=3&n=1", "data": { "digits": "7" },
        }));
        assert_eq!(key.step(), Some((Step::Key, Asked { version: 3, nth: 1, call: None })));
        assert!(
            matches!(read(Step::Key, &key.data).said, Said::Key(_)),
            "the call is named outside"
        );
        let back = frame(
            &json!({ "type": "session:reconnect", "msgid": "m3", "call_sid": "CA1", "data": first() }),
        );
        assert_eq!(back.step().map(|(step, _)| step), Some(Step::Again));
        let status =
            frame(&json!({ "type": "call:status", "msgid": "m4", "call_sid": "CA1", "data": {} }));
        assert_eq!(
            (status.msgid.clone(), status.step().map(|(step, _)| step)),
            (None, Some(Step::Status))
        );
        let other = frame(&json!({ "type": "dial:confirm", "msgid": "m5", "data": 7 }));
        assert_eq!((other.msgid.as_deref(), other.step()), (Some("m5"), None));
        assert!(
            Frame::read("[]").is_none()
                && Frame::read("{}").is_none()
                && Frame::read("x").is_none()
        );
        assert_eq!(ack("m1", &json!([])), r#"{"data":[],"msgid":"m1","type":"ack"}"#);
    }
}
