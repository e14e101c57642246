//! Twilio, and Telnyx's `TeXML`, which is made like it: form fields in, `TwiML` out. Pure.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::events::BytesEnd;
use quick_xml::events::BytesStart;
use quick_xml::events::BytesText;
use quick_xml::events::Event;

use crate::call::effect::Prompt;
use crate::config::webhooks::Voice;
use crate::platform::claims;
use crate::platform::webhook::Asked;
use crate::platform::webhook::Connector;
use crate::platform::webhook::Hook;
use crate::platform::webhook::Said;
use crate::platform::webhook::Step;
use crate::platform::webhook::call_id;
use crate::platform::webhook::ended;
use crate::platform::webhook::form::Form;
use crate::platform::webhook::link;
use crate::platform::webhook::nth;
use crate::platform::webhook::number_in;
use crate::platform::webhook::one_key;
use crate::platform::webhook::phrases;
use crate::platform::webhook::put;
use crate::platform::webhook::user_to_user;
use crate::platform::webhook::words;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// Reads a request; `None`: it names no call.
#[must_use]
pub fn hook(connector: &Connector, step: Step, form: &Form, asked: Asked) -> Option<Hook> {
    let call = call_id(form.get("CallSid"))?;
    let status = form.get("CallStatus").unwrap_or_default();
    let said = match (step, ended(status)) {
        (Step::Dialled, _) => Said::Over(form.get("DialCallStatus").and_then(ended).unwrap_or(31)),
        // Whatever is asked of a caller who has hung up has no answer any more.
        (_, Some(cause)) => Said::Over(cause),
        (Step::Begin, None) => Said::Begins,
        (Step::Key, None) => one_key(form.get("Digits")),
        (Step::Wait, None) => Said::Waits,
        (Step::Again, None) => Said::Again,
        (Step::Status, None) => Said::Nothing,
    };
    Some(Hook { call, arrival: arrival(connector, form), rings: status == "ringing", asked, said })
}

/// What stands in place of a number that is withheld, spelt on a keypad: ANONYMOUS, RESTRICTED, BLOCKED,
/// UNKNOWN, UNAVAILABLE, PRIVATE.
const WITHHELD: [&str; 6] =
    ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+7748283"];

fn arrival(connector: &Connector, form: &Form) -> serde_json::Map<String, serde_json::Value> {
    let mut fields = connector.arrival();
    let from = form.get("From").map(number_in).filter(|number| !WITHHELD.contains(number));
    // The number of a call over SIP is what its caller presents; the network asserts a bare one.
    let presented = form.get("From").is_some_and(|from| from.starts_with("sip"));
    put(&mut fields, "ani", from.filter(|_| !presented));
    put(&mut fields, "cli", from);
    put(&mut fields, "dnis", form.get("To").or(form.get("Called")).map(number_in));
    put(&mut fields, "verstat", form.get("StirVerstat"));
    // Telnyx tells the level and whether it holds, apart.
    let level = form.get("ShakenStirAttestation").filter(|level| ["A", "B", "C"].contains(level));
    match form.get("ShakenStirValidated").map(str::to_ascii_lowercase).as_deref() {
        Some("true") => put(&mut fields, "attestation", level),
        Some("false") => put(&mut fields, "attestation", Some("failed")),
        _ => {}
    }
    // Whoever forwarded the call is on the line, and not who called first.
    if form.get("ForwardedFrom").is_some() {
        put(&mut fields, "attestation", Some("diverted"));
    }
    let carried = form.get("SipHeader_X-Countersign-Intent").map(Cow::Borrowed);
    let carried = carried
        .or_else(|| claims::user_to_user(form.get("SipHeader_User-to-User")?).map(Cow::Owned));
    // A parameter of the vendor's own voice SDK.
    let carried = carried.or_else(|| form.get("CountersignIntent").map(Cow::Borrowed));
    put(&mut fields, "intent", carried.as_deref());
    fields
}

/// The script for where the call stands; `None`: it is over.
#[must_use]
pub fn answer(connector: &Connector, hook: &Hook, call: Option<&CallAnswer>) -> String {
    let mut script = Script::new();
    if let Some(answer) = call {
        ordered(&mut script, connector, hook, answer);
    } else {
        script.leaf("Hangup", &[], "");
    }
    script.end()
}

fn ordered(script: &mut Script, connector: &Connector, hook: &Hook, answer: &CallAnswer) {
    let base = format!("{}{}", connector.base_url, connector.path);
    let url = |step| link(&base, step, answer, nth(hook));
    let said = phrases(answer, &hook.asked);
    match &answer.directive.order {
        Order::Collect { within, .. } => {
            let seconds = within.as_millis().div_ceil(1000).max(1).to_string();
            let action = url(Step::Key);
            let attributes = [
                ("input", "dtmf"),
                ("numDigits", "1"),
                // `#` ends a customer number, and is a key as any other.
                ("finishOnKey", ""),
                ("timeout", &seconds),
                ("actionOnEmptyResult", "true"),
                ("action", &action),
                ("method", "POST"),
            ];
            if said.is_empty() {
                script.leaf("Gather", &attributes, "");
            } else {
                script.open("Gather", &attributes);
                script.phrases(connector, &said);
                script.close("Gather");
            }
            // For those that ask nobody when no key came.
            script.leaf("Redirect", &[("method", "POST")], &action);
        }
        Order::Play(_) | Order::Wait => {
            script.phrases(connector, &said);
            if said.is_empty() {
                script.leaf("Pause", &[("length", "1")], "");
            }
            script.leaf("Redirect", &[("method", "POST")], &url(Step::Wait));
        }
        Order::Route { to, queue, .. } => {
            script.phrases(connector, &said);
            match (connector.redirect(answer, queue), to) {
                (Some(url), _) => script.leaf("Redirect", &[("method", "POST")], &url),
                (None, Some(to)) => script.dial(to, &url(Step::Dialled), answer),
                (None, None) => script.leaf("Hangup", &[], ""),
            }
        }
        Order::HangUp(cause) => {
            if hook.rings && said.is_empty() {
                let reason = if cause.0 == 17 { "busy" } else { "rejected" };
                script.leaf("Reject", &[("reason", reason)], "");
            } else {
                script.phrases(connector, &said);
                script.leaf("Hangup", &[], "");
            }
        }
    }
}

/// A script that is being written. Writing to memory cannot fail.
struct Script(Writer<Vec<u8>>);

impl Script {
    fn new() -> Self {
        let mut script = Self(Writer::new(br#"<?xml version="1.0" encoding="UTF-8"?>"#.to_vec()));
        script.open("Response", &[]);
        script
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        let _ = self.0.write_event(Event::Start(start));
    }

    fn close(&mut self, name: &str) {
        let _ = self.0.write_event(Event::End(BytesEnd::new(name)));
    }

    fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        if text.is_empty() {
            let empty = BytesStart::new(name).with_attributes(attributes.iter().copied());
            let _ = self.0.write_event(Event::Empty(empty));
            return;
        }
        self.open(name, attributes);
        let _ = self.0.write_event(Event::Text(BytesText::new(text)));
        self.close(name);
    }

    fn phrases(&mut self, connector: &Connector, said: &[Prompt]) {
        for phrase in said {
            match connector.voice {
                Voice::Play => self.leaf("Play", &[], &connector.recording(*phrase)),
                Voice::Say => self.leaf("Say", &[("language", "en-GB")], words(*phrase)),
            }
        }
    }

    fn dial(&mut self, to: &str, action: &str, answer: &CallAnswer) {
        let attributes = [("answerOnBridge", "true"), ("action", action), ("method", "POST")];
        self.open("Dial", &attributes);
        if let Some(number) = to.strip_prefix("tel:") {
            self.leaf("Number", &[], number);
        } else {
            let separator = if to.contains('?') { '&' } else { '?' };
            let (uui, call) = (user_to_user(answer), answer.call.as_str());
            let uui = uui.replace(';', "%3B").replace("=hex", "%3Dhex");
            let uri = format!("{to}{separator}User-to-User={uui}&X-Countersign-Call={call}");
            self.leaf("Sip", &[], &uri);
        }
        self.close("Dial");
    }

    fn end(mut self) -> String {
        self.close("Response");
        String::from_utf8(self.0.into_inner()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::webhooks::PassingOn;
    use crate::model::cause::Cause;
    use crate::platform::webhook::tests::answer as stands;
    use crate::platform::webhook::tests::connector;
    use crate::platform::webhook::tests::third_digit;
    use crate::platform::webhook::tests::to_the_queue;

    const FIRST: &str = "CallSid=CA1&AccountSid=AC1&From=%2B442079460001&To=%2B448001234&CallStatus=ringing&Direction=inbound";

    fn read(step: Step, body: &str) -> Option<Hook> {
        let form = Form::read(body.as_bytes()).expect("a form");
        hook(&connector("twilio"), step, &form, Asked::default())
    }

    fn begins(more: &str) -> serde_json::Value {
        let hook = read(Step::Begin, &format!("{FIRST}{more}")).expect("a hook");
        assert_eq!((hook.call.as_str(), hook.rings, hook.said), ("CA1", true, Said::Begins));
        hook.arrival.into()
    }

    fn said(step: Step, more: &str) -> Said {
        let body = format!("CallSid=CA1&{more}");
        read(step, &body).expect("a hook").said
    }

    fn script(hook: &Hook, connector: &Connector, call: &CallAnswer) -> String {
        let script = answer(connector, hook, Some(call));
        let inner = script.split_once("<Response>").expect("a response").1;
        inner.strip_suffix("</Response>").expect("its end").to_owned()
    }

    #[test]
    fn d02_the_first_request_says_who_calls() {
        let arrival = begins("&StirVerstat=TN-Validation-Passed-A&CallerName=MALLORY");
        assert_eq!(
            arrival,
            serde_json::json!({
                "direction": "inbound", "collects": "until_handed_over", "trunk": "office",
                "ani": "+442079460001", "cli": "+442079460001", "dnis": "+448001234",
                "verstat": "TN-Validation-Passed-A",
            })
        );
        let handle = "0123456789abcdef0123456789abcdef";
        let uui = crate::model::ids::hex(handle.as_bytes());
        for more in [
            format!("&SipHeader_X-Countersign-Intent={handle}"),
            format!("&SipHeader_User-to-User={uui}%3Bencoding%3Dhex"),
            format!("&CountersignIntent={handle}"),
        ] {
            assert_eq!(begins(&more)["intent"], handle, "{more}");
        }
        for (more, attestation) in [
            ("&ForwardedFrom=%2B441", "diverted"),
            ("&ShakenStirAttestation=A&ShakenStirValidated=true", "A"),
            ("&ShakenStirAttestation=A&ShakenStirValidated=false", "failed"),
            ("&ShakenStirValidated=False", "failed"),
        ] {
            assert_eq!(begins(more)["attestation"], attestation, "{more}");
        }
        assert!(begins("&ShakenStirAttestation=A").get("attestation").is_none());
        let sip = read(Step::Begin, "CallSid=CA1&From=sip%3A%2B44207%40h&To=sip%3Abank%40h");
        let arrival = sip.expect("a hook").arrival;
        assert_eq!((&arrival["cli"], &arrival["dnis"]), (&"+44207".into(), &"bank".into()));
        assert!(arrival.get("ani").is_none(), "what a caller presents is not asserted");
        assert!(read(Step::Begin, "From=1").is_none(), "no call");
    }

    #[test]
    fn d04_what_happens_is_read_from_step_and_status() {
        assert!(matches!(said(Step::Key, "Digits=7&CallStatus=in-progress"), Said::Key(_)));
        assert!(matches!(said(Step::Key, "Digits=%23"), Said::Key(_)));
        assert_eq!(said(Step::Key, "Digits=&msg=Gather+End"), Said::Silence);
        assert_eq!(said(Step::Key, "Digits=7&CallStatus=completed"), Said::Over(16));
        assert_eq!(said(Step::Wait, "CallStatus=in-progress"), Said::Waits);
        assert_eq!(said(Step::Again, "ErrorCode=11205"), Said::Again);
        assert_eq!(said(Step::Status, "CallStatus=ringing"), Said::Nothing);
        assert_eq!(said(Step::Status, "CallStatus=busy"), Said::Over(17));
        assert_eq!(said(Step::Dialled, "DialCallStatus=no-answer"), Said::Over(19));
    }

    #[test]
    fn x16_a_withheld_number_is_none() {
        for number in WITHHELD {
            let form = format!("CallSid=CA1&From=%2B{}&To=%2B448001234", &number[1..]);
            let hook = read(Step::Begin, &form).expect("a hook");
            assert!(hook.arrival.get("ani").is_none_or(serde_json::Value::is_null), "{number}");
        }
    }

    #[test]
    fn c33_a_position_is_asked_with_a_gather_of_one_digit() {
        let first = read(Step::Begin, FIRST).expect("a hook");
        let asked = stands(3, third_digit(), vec![Prompt::PinAgain]);
        let url = "https://ivr.example.org/v1/twilio/main/key?call=01M8Y2J3K4N5P6Q7R8S9T0V1W2&amp;v=3&amp;n=0";
        let redirect = format!(r#"<Redirect method="POST">{url}</Redirect>"#);
        let gather = format!(
            r#"<Gather input="dtmf" numDigits="1" finishOnKey="" timeout="8" actionOnEmptyResult="true" action="{url}" method="POST">"#
        );
        let play = |id| format!("<Play>https://ivr.example.org/v1/prompts/{id}.wav</Play>");
        let (again, third) = (play("pin.again"), play("pin.position.3"));
        assert_eq!(
            script(&first, &connector("twilio"), &asked),
            format!("{gather}{again}{third}</Gather>{redirect}")
        );
        let silent =
            Hook { asked: Asked { call: Some(asked.call.clone()), version: 3, nth: 0 }, ..first };
        let silent = script(&silent, &connector("twilio"), &asked);
        let alone = gather.replace("\"POST\">", "\"POST\"/>");
        assert_eq!(silent, format!("{alone}{redirect}"));
        let says = Connector { voice: Voice::Say, ..connector("twilio") };
        let first = read(Step::Begin, FIRST).expect("a hook");
        assert!(script(&first, &says, &asked).contains(
            r#"<Say language="en-GB">Using your keypad, please enter the third digit of your PIN.</Say>"#
        ));
    }

    #[test]
    fn d02_b04_a_caller_is_passed_on_with_the_calls_id() {
        let first = read(Step::Begin, FIRST).expect("a hook");
        let route = stands(2, to_the_queue(), vec![]);
        let dialled = "https://ivr.example.org/v1/twilio/main/dialled?call=01M8Y2J3K4N5P6Q7R8S9T0V1W2&amp;v=2&amp;n=0";
        assert_eq!(
            script(&first, &connector("twilio"), &route),
            format!(
                r#"<Dial answerOnBridge="true" action="{dialled}" method="POST"><Sip>sip:cards@192.0.2.20?User-to-User=30314d3859324a334b344e355036513752385339543056315732%3Bencoding%3Dhex&amp;X-Countersign-Call=01M8Y2J3K4N5P6Q7R8S9T0V1W2</Sip></Dial>"#
            )
        );
        let redirect = PassingOn::Redirect("https://bank.example/agent?x=1".to_owned());
        let redirecting = Connector { passing_on: redirect, ..connector("twilio") };
        assert_eq!(
            script(&first, &redirecting, &route),
            r#"<Redirect method="POST">https://bank.example/agent?x=1&amp;class=verified_number&amp;authentication=authenticated&amp;call=01M8Y2J3K4N5P6Q7R8S9T0V1W2&amp;queue=cards</Redirect>"#
        );
    }

    #[test]
    fn d02_the_other_directives_have_their_verbs() {
        let first = read(Step::Begin, FIRST).expect("a hook");
        let later = read(Step::Key, "CallSid=CA1&CallStatus=in-progress").expect("a hook");
        let twilio = connector("twilio");
        let hang_up = |cause| stands(1, Order::HangUp(Cause(cause)), vec![]);
        assert_eq!(script(&first, &twilio, &hang_up(17)), r#"<Reject reason="busy"/>"#);
        assert_eq!(script(&first, &twilio, &hang_up(21)), r#"<Reject reason="rejected"/>"#);
        assert_eq!(script(&later, &twilio, &hang_up(16)), "<Hangup/>");
        let wait = script(&first, &twilio, &stands(0, Order::Wait, vec![]));
        assert!(wait.starts_with(r#"<Pause length="1"/><Redirect method="POST">"#), "{wait}");
        let play = script(&first, &twilio, &stands(4, Order::Play(Prompt::Thanks), vec![]));
        assert!(play.starts_with("<Play>") && play.contains("/wait?"), "{play}");
        assert!(answer(&twilio, &first, None).ends_with("<Response><Hangup/></Response>"));
    }
}
