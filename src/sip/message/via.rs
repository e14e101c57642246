//! Via: the way back.

use std::fmt;

use crate::sip::message::Malformed;
use crate::sip::message::Params;
use crate::sip::message::text;
use crate::sip::message::uri;

/// One element of a Via header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, or what else the sender calls it; case as written.
    pub transport: String,
    /// The sender's own idea of its address (`sent-by`), an IPv6 address without its brackets.
    pub host: String,
    /// The port of `sent-by`, if one is named.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// Reads one element: `SIP/2.0/UDP host:port;branch=…`. Blanks may surround the slashes.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed("Via");
        let (name, rest) = text.split_once('/').ok_or(bad)?;
        let (version, rest) = rest.split_once('/').ok_or(bad)?;
        if !name.trim_matches(text::LWS).eq_ignore_ascii_case("SIP")
            || version.trim_matches(text::LWS) != "2.0"
        {
            return Err(bad);
        }
        let (transport, rest) =
            rest.trim_start_matches(text::LWS).split_once(text::LWS).ok_or(bad)?;
        if !text::is_token(transport) {
            return Err(bad);
        }
        let (sent_by, params) = match rest.split_once(';') {
            Some((sent_by, params)) => (sent_by, Params::parse(params)?),
            None => (rest, Params::default()),
        };
        if params.count("branch") > 1 {
            return Err(bad);
        }
        let (host, port) = uri::host_and_port(sent_by.trim_matches(text::LWS))?;
        Ok(Self { transport: transport.to_owned(), host: host.to_owned(), port, params })
    }

    /// The transaction's name, as the sender gave it.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The address the message really came from, if a receiver noted it.
    pub fn received(&self) -> Option<&str> {
        self.params.value("received")
    }

    /// RFC 3581. `None`: not asked for. `Some(None)`: asked for. `Some(Some(port))`: noted.
    pub fn rport(&self) -> Option<Option<u16>> {
        Some(self.params.get("rport")?.and_then(|port| port.parse().ok()))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport)?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::Via;

    #[test]
    fn sip_9_a_via_with_blanks_and_upper_case() {
        let via =
            Via::parse("SIP / 2.0 / UDP  192.0.2.1 : 5070 ; BRANCH = z9hG4bK%41 ;rport").unwrap();
        assert_eq!(
            (via.transport.as_str(), via.host.as_str(), via.port),
            ("UDP", "192.0.2.1", Some(5070))
        );
        assert_eq!(
            (via.branch(), via.received(), via.rport()),
            (Some("z9hG4bK%41"), None, Some(None))
        );
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.1:5070;BRANCH=z9hG4bK%41;rport");
    }

    #[test]
    fn sip_9_a_via_with_ipv6() {
        let mut via =
            Via::parse("sip/2.0/TLS-SCTP [2001:db8::9]:5060;branch=z9hG4bK1;rport").unwrap();
        assert_eq!(via.host, "2001:db8::9");
        via.params.set("received", Some("2001:db8::8"));
        via.params.set("rport", Some("1234"));
        assert_eq!(
            via.to_string(),
            "SIP/2.0/TLS-SCTP [2001:db8::9]:5060;branch=z9hG4bK1;rport=1234;received=2001:db8::8"
        );
        assert_eq!((via.received(), via.rport()), (Some("2001:db8::8"), Some(Some(1234))));
    }

    #[test]
    fn what_has_two_readings_is_no_via() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=1",
            "SIP/2.0 UDP a;branch=1",
            "SIP/3.0/UDP a;branch=1",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP a;branch=1;branch=2",
            "SIP/2.0/UDP a b;branch=1",
            "SIP/2.0/UDP [::1;branch=1",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }
}
