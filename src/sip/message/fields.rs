//! The header fields every message is steered by, as types.

use std::fmt;

use crate::sip::message::Headers;
use crate::sip::message::Malformed;
use crate::sip::message::Method;
use crate::sip::message::NameAddr;
use crate::sip::message::Via;
use crate::sip::message::text;
use crate::sip::message::text::decimal;

/// The sequence number of a request, with its method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// Grows with every new request of a dialog.
    pub number: u32,
    /// The method of the request that is numbered or answered.
    pub method: Method,
}

impl CSeq {
    /// Reads `314159 INVITE`. The number is below 2^31 (RFC 3261, section 8.1.1.5).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed("CSeq");
        let (number, method) = text.trim_matches(text::LWS).split_once(text::LWS).ok_or(bad)?;
        let number = decimal(number).filter(|number| *number < 1 << 31).ok_or(bad)?;
        let method = Method::parse(method.trim_start_matches(text::LWS)).ok_or(bad)?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl Headers {
    /// The topmost Via element: who sent this to us.
    pub fn via_top(&self) -> Result<Via, Malformed> {
        Via::parse(self.elements("Via").next().ok_or(Malformed("Via"))?)
    }

    /// From: who sends the request, by his own account.
    pub fn from(&self) -> Result<NameAddr, Malformed> {
        self.address("From", Malformed("From"))
    }

    /// To: whom the request was meant for.
    pub fn to(&self) -> Result<NameAddr, Malformed> {
        self.address("To", Malformed("To"))
    }

    /// The first Contact. A lone `*` is none.
    pub fn contact(&self) -> Result<NameAddr, Malformed> {
        NameAddr::parse(self.elements("Contact").next().ok_or(Malformed("Contact"))?)
    }

    /// The number and method of the request.
    pub fn cseq(&self) -> Result<CSeq, Malformed> {
        CSeq::parse(self.get("CSeq").ok_or(Malformed("CSeq"))?)
    }

    /// The Call-ID, compared byte for byte.
    pub fn call_id(&self) -> Option<&str> {
        self.get("Call-ID").filter(|id| !id.is_empty())
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<String> {
        self.from().ok()?.tag().map(str::to_owned)
    }

    /// The tag of To: there once a dialog is, or may be, established.
    pub fn to_tag(&self) -> Option<String> {
        self.to().ok()?.tag().map(str::to_owned)
    }

    /// How many more hops the request may take, 0 to 255.
    pub fn max_forwards(&self) -> Option<u8> {
        self.get("Max-Forwards").and_then(decimal).and_then(|hops| u8::try_from(hops).ok())
    }

    /// Two tags in one field would make two dialogs out of one, depending on the reader.
    fn address(&self, name: &str, bad: Malformed) -> Result<NameAddr, Malformed> {
        let address = NameAddr::parse(self.get(name).ok_or(bad)?)?;
        if address.params.count("tag") > 1 { Err(bad) } else { Ok(address) }
    }
}

#[cfg(test)]
mod tests {
    use super::CSeq;
    use crate::sip::message::Headers;
    use crate::sip::message::Method;

    #[test]
    fn cseq_is_a_number_below_2_31_and_a_method() {
        assert_eq!(CSeq::parse("0009  INVITE"), Ok(CSeq { number: 9, method: Method::Invite }));
        assert_eq!(CSeq::parse("2147483647 BYE").unwrap().to_string(), "2147483647 BYE");
        for text in [
            "",
            "1",
            "INVITE",
            "2147483648 BYE",
            "36893488147419103232 BYE",
            "-1 BYE",
            "+1 BYE",
            "1 B Y",
        ] {
            assert!(CSeq::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_fields_are_found_under_their_compact_names() {
        let mut headers = Headers::new();
        headers.push("v", "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2");
        headers.push("f", "<sip:a@b>;tag=1");
        headers.push("t", "<sip:c@d>");
        headers.push("i", "x@y");
        headers.push("m", "\"a,b\" <sip:a@[::1]>, <sip:e@f>");
        assert_eq!(headers.via_top().unwrap().branch(), Some("z9hG4bK1"));
        assert_eq!((headers.from_tag().as_deref(), headers.to_tag()), (Some("1"), None));
        assert_eq!(headers.call_id(), Some("x@y"));
        assert_eq!(headers.contact().unwrap().uri.host(), "::1");
        assert!(headers.cseq().is_err());
    }

    #[test]
    fn two_tags_are_no_tag() {
        let mut headers = Headers::new();
        headers.push("From", "<sip:a@b>;tag=1;tag=2");
        assert!(headers.from().is_err());
    }
}
