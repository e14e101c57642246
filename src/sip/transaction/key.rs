//! Which transaction a message belongs to (RFC 3261, sections 17.1.3 and 17.2.3).

use std::sync::Arc;

use crate::sip::message::Headers;
use crate::sip::message::Malformed;
use crate::sip::message::Method;

/// Branches that begin so are unique by themselves.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// The identity of a transaction; cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of a request that came in. ACK and CANCEL carry that of their INVITE.
    pub fn of_request(method: &Method, headers: &Headers) -> Result<Self, Malformed> {
        let method = match method {
            Method::Ack | Method::Cancel => &Method::Invite,
            other => other,
        };
        let via = headers.via_top()?;
        let host = via.host.to_ascii_lowercase();
        let port = via.port.unwrap_or(5060);
        if let Some(branch) = via.branch().filter(|branch| branch.starts_with(MAGIC_COOKIE)) {
            return Ok(Self(format!("{method}\n{branch}\n{host}\n{port}").into()));
        }
        // RFC 2543: the parts that INVITE, CANCEL and ACK have in common.
        let tag = headers.from_tag().unwrap_or_default();
        let number = headers.cseq()?.number;
        let call_id = headers.call_id().unwrap_or_default();
        Ok(Self(format!("{method}\n{call_id}\n{tag}\n{number}\n{host}\n{port}").into()))
    }

    /// The key of a request that we send.
    #[must_use]
    pub fn ours(method: &Method, branch: &str) -> Self {
        Self(format!("{method}\n{branch}").into())
    }

    /// The key of a response that came in.
    pub fn of_response(headers: &Headers) -> Result<Self, Malformed> {
        let via = headers.via_top()?;
        let branch = via.branch().ok_or(Malformed("Via"))?;
        Ok(Self::ours(&headers.cseq()?.method, branch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, via: &str, cseq: &str) -> Key {
        let mut headers = Headers::new();
        headers.push("Via", via);
        headers.push("From", "<sip:a@b>;tag=1");
        headers.push("Call-ID", "c");
        headers.push("CSeq", cseq);
        Key::of_request(&Method::parse(method).expect("method"), &headers).expect("key")
    }

    #[test]
    fn cancel_and_ack_find_their_invite() {
        let via = "SIP/2.0/UDP Host.example:5060;branch=z9hG4bK1";
        let invite = key("INVITE", via, "1 INVITE");
        assert_eq!(key("CANCEL", via, "1 CANCEL"), invite);
        assert_eq!(key("ACK", "SIP/2.0/UDP host.example;branch=z9hG4bK1", "1 ACK"), invite);
        assert_ne!(key("BYE", via, "1 BYE"), invite);
        assert_ne!(key("INVITE", "SIP/2.0/UDP other;branch=z9hG4bK1", "1 INVITE"), invite);
    }

    #[test]
    fn old_peers_without_the_cookie_are_matched_by_the_call() {
        let invite = key("INVITE", "SIP/2.0/UDP h;branch=1", "1 INVITE");
        assert_eq!(key("ACK", "SIP/2.0/UDP h;branch=2", "1 ACK"), invite);
        assert_ne!(key("INVITE", "SIP/2.0/UDP h;branch=1", "2 INVITE"), invite);
    }
}
