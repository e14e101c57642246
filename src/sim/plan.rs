//! What a simulated caller is to do.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::digits::Key;
use crate::model::digits::SecretText;
use crate::sip::message::Headers;
use crate::sip::message::Uri;

/// A person needs so long from hearing a prompt to pressing a key.
pub const REACTION: Duration = Duration::from_millis(150);

/// The payload type of telephone events that most telephones offer.
pub const TELEPHONE_EVENT: u8 = 101;

/// No call of ours takes longer than this.
pub const CALL_MAX: Duration = Duration::from_mins(2);

/// Header fields that the telephone writes itself; a plan cannot set them.
const OWN_HEADERS: [&str; 12] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Content-Type",
    "Content-Length",
    "Route",
    "Record-Route",
    "Require",
];

/// One call, from the dialled address to the way it ends.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// Whom to call.
    pub to: Uri,
    /// Who calls, by its own account.
    pub from: FromLine,
    /// Whether the trunk asserts the number in `P-Asserted-Identity`.
    pub assert_identity: bool,
    /// Header fields added to the INVITE.
    pub headers: Headers,
    /// The whole PIN, of which the asked positions are pressed.
    pub pin: Option<SecretText>,
    /// Keys pressed one a prompt, whatever is asked. They go before the PIN.
    pub press: Option<SecretText>,
    /// The customer number keyed when it is asked for, without the `#`.
    pub customer_number: Option<SecretText>,
    /// How keys travel.
    pub way: KeyWay,
    /// When to hang up, from the INVITE on.
    pub hangup_after: Option<Duration>,
    /// Hang up soon after so many keys were pressed.
    pub hangup_after_keys: Option<u32>,
    /// From recognising a prompt to pressing a key; zero barges in as early as can be.
    pub reaction: Duration,
    /// The payload type offered for telephone events.
    pub telephone_event: u8,
    /// What becomes of a transfer.
    pub refer_answer: ReferAnswer,
    /// The address to call from; `None`: whichever leads to the far end.
    pub local_ip: Option<IpAddr>,
}

/// Who calls, by its own account.
#[derive(Clone, Debug)]
pub enum FromLine {
    /// Withheld.
    Anonymous,
    /// A number or name; the host is ours.
    User(String),
    /// A whole URI, taken as it is.
    Address(Uri),
}

/// How keys travel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KeyWay {
    /// As RFC 4733 events; as tones where the far end takes none.
    #[default]
    Rfc4733,
    /// As SIP INFO.
    Info,
    /// As tones in the sound; no telephone events are offered.
    InBand,
    /// Each key as RFC 4733 event and as SIP INFO.
    Both,
}

/// What becomes of a transfer (REFER).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReferAnswer {
    /// It is accepted and succeeds.
    #[default]
    Transfer,
    /// It is accepted, and the target answers with this status.
    Fail(u16),
    /// It is refused with this status.
    Refuse(u16),
}

/// A plan cannot be carried out. Names the part, never its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPlan {
    /// The caller's number makes no URI.
    #[error("the calling number is neither a number nor a SIP URI")]
    From,
    /// Not `Name: value`.
    #[error("a header is written 'Name: value'")]
    Header,
    /// A header field that is not the plan's to set.
    #[error(
        "the caller writes Via, From, To, Contact and the like itself; use --from for the number"
    )]
    OwnHeader,
    /// The PIN is no seven keys.
    #[error("a PIN has seven keys of 0-9, * # A-D")]
    Pin,
    /// Something that is no key.
    #[error("keys are 0-9, * # A-D, at most 32 of them")]
    Keys,
}

impl CallPlan {
    /// A call that does nothing but listen.
    #[must_use]
    pub fn new(to: Uri, from: FromLine) -> Self {
        Self {
            to,
            from,
            assert_identity: true,
            headers: Headers::new(),
            pin: None,
            press: None,
            customer_number: None,
            way: KeyWay::default(),
            hangup_after: None,
            hangup_after_keys: None,
            reaction: REACTION,
            telephone_event: TELEPHONE_EVENT,
            refer_answer: ReferAnswer::default(),
            local_ip: None,
        }
    }

    /// Adds a header field written as `Name: value`.
    pub fn add_header(&mut self, line: &str) -> Result<(), BadPlan> {
        let (name, value) = line.split_once(':').ok_or(BadPlan::Header)?;
        let (name, value) = (name.trim(), value.trim());
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !token || value.chars().any(char::is_control) {
            return Err(BadPlan::Header);
        }
        let mut probe = Headers::new();
        probe.push(name, value);
        if OWN_HEADERS.iter().any(|own| probe.get(own).is_some()) {
            return Err(BadPlan::OwnHeader);
        }
        self.headers.push(name, value);
        Ok(())
    }

    /// Whether the plan itself ends the call.
    #[must_use]
    pub const fn hangs_up(&self) -> bool {
        self.hangup_after.is_some() || self.hangup_after_keys.is_some()
    }
}

impl FromLine {
    /// Reads `anonymous`, a number, or a SIP URI.
    pub fn parse(text: &str) -> Result<Self, BadPlan> {
        if text.eq_ignore_ascii_case("anonymous") {
            return Ok(Self::Anonymous);
        }
        if text.starts_with("sip:") || text.starts_with("sips:") || text.starts_with("tel:") {
            return Uri::parse(text).map(Self::Address).map_err(|_| BadPlan::From);
        }
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '(' | ')')).collect();
        let usable = !plain.is_empty()
            && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._*#".contains(&b));
        if usable { Ok(Self::User(plain.replace('#', "%23"))) } else { Err(BadPlan::From) }
    }

    /// The URI, with the host where the user has none of its own.
    #[must_use]
    pub fn uri(&self, host: &str) -> String {
        match self {
            Self::Anonymous => "sip:anonymous@anonymous.invalid".to_owned(),
            Self::User(user) => format!("sip:{user}@{host}"),
            Self::Address(uri) => uri.to_string(),
        }
    }
}

/// A whole PIN as a tester writes it: seven keys.
pub fn pin(text: SecretText) -> Result<SecretText, BadPlan> {
    let keys = text.expose().chars().filter_map(Key::from_char).count();
    if keys == 7 && text.expose().chars().count() == 7 { Ok(text) } else { Err(BadPlan::Pin) }
}

/// A row of keys as a tester writes it: 1 to 32 of them.
pub fn keys(text: SecretText) -> Result<SecretText, BadPlan> {
    let count = text.expose().chars().count();
    let good = text.expose().chars().all(|c| Key::from_char(c).is_some());
    if good && (1..=32).contains(&count) { Ok(text) } else { Err(BadPlan::Keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_withheld_a_number_or_a_whole_address() {
        let uri = |text| FromLine::parse(text).map(|from| from.uri("192.0.2.1"));
        assert_eq!(uri("+44 7700 900101").as_deref(), Ok("sip:+447700900101@192.0.2.1"));
        assert_eq!(
            uri("sip:+44@gw;verstat=No-TN-Validation").as_deref(),
            Ok("sip:+44@gw;verstat=No-TN-Validation")
        );
        assert_eq!(uri("Anonymous").as_deref(), Ok("sip:anonymous@anonymous.invalid"));
        for wrong in ["", "+44<7700", "a@b", "sip:"] {
            assert_eq!(uri(wrong), Err(BadPlan::From), "{wrong}");
        }
    }

    #[test]
    fn headers_are_added_but_not_those_that_steer_the_call() {
        let mut plan = CallPlan::new(Uri::parse("sip:a@b").expect("a URI"), FromLine::Anonymous);
        assert_eq!(plan.add_header("X-Countersign-Intent: 0f"), Ok(()));
        assert_eq!(plan.headers.get("x-countersign-intent"), Some("0f"));
        for (line, fault) in [
            ("Subject", BadPlan::Header),
            (": x", BadPlan::Header),
            ("A B: x", BadPlan::Header),
            ("A: x\r\nB: y", BadPlan::Header),
            ("v: x", BadPlan::OwnHeader),
            ("call-id: x", BadPlan::OwnHeader),
        ] {
            assert_eq!(plan.add_header(line), Err(fault), "{line}");
        }
    }

    #[test]
    fn p11_a_plan_prints_no_key() {
        let secret = |text: &str| SecretText::new(text.to_owned());
        let mut plan = CallPlan::new(Uri::parse("sip:a@b").expect("a URI"), FromLine::Anonymous);
        plan.pin = pin(secret("ABCDABC")).ok();
        plan.press = keys(secret("DDDD")).ok();
        assert!(plan.pin.is_some() && plan.press.is_some());
        let shown = format!("{plan:?}");
        assert!(!shown.contains("ABCD") && !shown.contains("DDDD"), "{shown}");
        assert_eq!(pin(secret("12345678")).err(), Some(BadPlan::Pin));
        assert_eq!(keys(secret("12x")).err(), Some(BadPlan::Keys));
    }
}
