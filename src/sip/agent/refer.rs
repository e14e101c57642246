//! Handing the call over: REFER, and the NOTIFYs that say how it went (RFC 3515).
//!
//! ```text
//!  Asked --2xx or NOTIFY--> Accepted --NOTIFY with a final status--> Over
//!    | refused, no answer       | no final NOTIFY in 30 s
//!    '--------------------------'----------------------------------> Over (the call stays)
//! ```

use crate::model::time::Uptime;
use crate::sip::agent::LegEvent;
use crate::sip::agent::UserAgent;
use crate::sip::agent::What;
use crate::sip::agent::inbound::Inbound;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::REFER_MAX;
use crate::sip::agent::leg::Refer;
use crate::sip::agent::leg::ReferState;
use crate::sip::message::Headers;
use crate::sip::message::Method;
use crate::sip::message::Params;

impl UserAgent {
    pub(super) fn refer(&mut self, leg: &mut Leg, target: String, now: Uptime) {
        if leg.refer.as_ref().is_some_and(|refer| refer.state != ReferState::Over) {
            return;
        }
        let mut request = leg.dialog.request(Method::Refer);
        request.headers.push("Contact", self.contact());
        request.headers.push("Refer-To", bracketed(target));
        if let Some(us) = leg.dialog.local_uri() {
            request.headers.push("Referred-By", format!("<{us}>"));
        }
        leg.refer = Some(Refer { number: leg.dialog.local_number(), state: ReferState::Asked });
        self.ask(leg, request, What::Refer, now);
    }

    /// The answer to our REFER. A NOTIFY may have come before it.
    pub(super) fn refer_answered(&mut self, leg: &mut Leg, status: u16, now: Uptime) {
        match status {
            ..300 => self.refer_accepted(leg, now),
            300.. => self.refer_over(leg, ReferState::Asked, status),
        }
    }

    /// No answer to our REFER.
    pub(super) fn refer_unanswered(&mut self, leg: &mut Leg) {
        self.refer_over(leg, ReferState::Asked, 408);
    }

    /// The outcome did not come in time.
    pub(super) fn watch_refer(&mut self, leg: &mut Leg, now: Uptime) {
        if let Some(Refer { state: state @ ReferState::Accepted { until }, .. }) = leg.refer
            && until <= now
        {
            self.refer_over(leg, state, 408);
        }
    }

    pub(super) fn take_notify(&mut self, leg: &mut Leg, inbound: &Inbound, now: Uptime) {
        let expected =
            leg.refer.as_ref().is_some_and(|refer| refer.is_told(&inbound.request.headers));
        if !expected {
            return self.reply_with(inbound, 481, now);
        }
        self.reply_with(inbound, 200, now);
        self.refer_accepted(leg, now);
        let Some(refer) = &mut leg.refer else { return };
        if let Some(status) = sipfrag_status(&inbound.request.body)
            && refer.state != ReferState::Over
        {
            if status >= 200 {
                refer.state = ReferState::Over;
            }
            self.tell(leg.id, LegEvent::ReferProgress { status });
        }
    }

    fn refer_accepted(&mut self, leg: &mut Leg, now: Uptime) {
        if let Some(refer) = &mut leg.refer
            && refer.state == ReferState::Asked
        {
            refer.state = ReferState::Accepted { until: now + REFER_MAX };
            self.tell(leg.id, LegEvent::ReferAccepted);
        }
    }

    fn refer_over(&mut self, leg: &mut Leg, before: ReferState, status: u16) {
        if let Some(refer) = &mut leg.refer
            && refer.state == before
        {
            refer.state = ReferState::Over;
            self.tell(leg.id, LegEvent::ReferFailed { status });
        }
    }
}

impl Refer {
    /// Whether a NOTIFY is about this transfer: `Event: refer`, or with our number as its `id`.
    fn is_told(&self, headers: &Headers) -> bool {
        let event = headers.get("Event").unwrap_or_default();
        let (name, params) = event.split_once(';').unwrap_or((event, ""));
        let Ok(params) = Params::parse(params) else { return false };
        let ours = params.value("id").is_none_or(|id| id.parse() == Ok(self.number));
        name.trim().eq_ignore_ascii_case("refer") && ours
    }
}

/// The status line of a `message/sipfrag` body.
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| *byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    let valid = version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&status);
    valid.then_some(status)
}

/// A URI's parameters and headers are its own only between brackets.
pub(super) fn bracketed(uri: String) -> String {
    if uri.contains('<') { uri } else { format!("<{uri}>") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::agent::Command;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::answer;

    #[test]
    fn a_fragment_begins_with_a_status_line() {
        assert_eq!(sipfrag_status(b"SIP/2.0 200 OK\r\n"), Some(200));
        assert_eq!(sipfrag_status(b"sip/2.0 100"), Some(100));
        for wrong in
            [&b""[..], b"\r\n", b"SIP/2.0", b"SIP/2.0 2000 X", b"HTTP/1.1 200 OK", b"\xff\xff"]
        {
            assert_eq!(sipfrag_status(wrong), None);
        }
    }

    #[test]
    fn sip_13_an_event_may_name_our_refer() {
        let refer = Refer { number: 3, state: ReferState::Asked };
        for (event, told) in [
            ("refer", true),
            ("REFER ; id=3", true),
            ("refer;id=4", false),
            ("dialog", false),
            ("", false),
        ] {
            let mut headers = Headers::new();
            headers.push("o", event);
            assert_eq!(refer.is_told(&headers), told, "{event}");
        }
    }

    const TARGET: &str = "sip:queue@pbx.example?User-to-User=00%3Bencoding%3Dhex";

    fn asked() -> Script {
        let mut call = Script::talking();
        call.wants(Command::Refer { target: TARGET.to_owned() }).does("REFER");
        call
    }

    fn notifies<'a>(call: &'a mut Script, event: &str, status_line: &str) -> &'a mut Script {
        call.extra = format!(
            "Event: {event}\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n"
        );
        call.requests("NOTIFY", status_line)
    }

    #[test]
    fn sip_13_accepted_is_not_yet_transferred() {
        let mut call = asked();
        let refer = call.asked();
        assert_eq!(refer.headers.get("Refer-To"), Some(format!("<{TARGET}>").as_str()));
        assert_eq!(refer.headers.get("Referred-By"), Some("<sip:ivr@198.51.100.1>"));
        call.responds(202).does("refer accepted");
        call.responds(202).does("");
        notifies(&mut call, "refer", "SIP/2.0 100 Trying\r\n").does("200 NOTIFY, refer at 100");
        notifies(&mut call, "refer;id=1", "SIP/2.0 200 OK").does("200 NOTIFY, refer at 200");
        notifies(&mut call, "refer", "SIP/2.0 200 OK").does("200 NOTIFY");
        call.waits(60).does("");
        call.wants(Command::Bye { cause: 16 }).does("BYE");
        assert_eq!(call.asked().headers.get("CSeq"), Some("2 BYE"));
        call.responds(200).does("gone ByeAnswered");
        call.is_forgotten();
    }

    #[test]
    fn sip_13_a_notify_may_overtake_the_202() {
        let mut call = asked();
        notifies(&mut call, "refer", "SIP/2.0 180 Ringing")
            .does("200 NOTIFY, refer accepted, refer at 180");
        call.responds(202).does("");
        notifies(&mut call, "refer", "SIP/2.0 486 Busy Here").does("200 NOTIFY, refer at 486");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_13_a_bye_may_overtake_the_notify() {
        let mut call = asked();
        call.responds(202).does("refer accepted");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_13_no_outcome_in_30_seconds_is_a_failure() {
        let mut call = asked();
        call.waits(1).does("0.5s REFER");
        call.responds(202).does("refer accepted");
        notifies(&mut call, "refer", "SIP/2.0 100 Trying").does("200 NOTIFY, refer at 100");
        call.waits(29).does("");
        call.waits(1).does("1s refer failed 408");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_13_a_refusal_keeps_the_call_and_allows_another_try() {
        let mut call = asked();
        call.responds(403).does("refer failed 403");
        call.wants(Command::Refer { target: "<sip:b@c>".to_owned() }).does("REFER");
        assert_eq!(call.asked().headers.get("Refer-To"), Some("<sip:b@c>"));
        call.waits(31);
        call.does(
            "0.5s REFER, 1.5s REFER, 3.5s REFER, 7.5s REFER, 11.5s REFER, 15.5s REFER, 19.5s REFER, \
             23.5s REFER, 27.5s REFER",
        );
        call.waits(1).does("0.5s REFER, 1s refer failed 408");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn a_refer_waits_for_the_ack_and_strange_notifies_find_nothing() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        call.wants(Command::Refer { target: TARGET.to_owned() }).does("");
        call.acks("").does("acknowledged, REFER");
        notifies(&mut call, "dialog", "SIP/2.0 200 OK").does("481 NOTIFY");
        notifies(&mut call, "refer;id=9", "SIP/2.0 200 OK").does("481 NOTIFY");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }
}
