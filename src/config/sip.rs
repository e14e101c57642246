//! `[sip]`: where calls come in and where they are handed on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::http::address;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::config::trunks;
use crate::config::trunks::Trunk;
use crate::model::ids::TrunkName;

/// The SIP side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sip {
    /// UDP addresses to listen on, at least one; port 0: any free one.
    pub listen: Vec<SocketAddr>,
    /// What to put into Contact and SDP instead of the listener's address.
    pub advertise: Option<Advertise>,
    /// Where calls go whose dialled number no queue names.
    pub queue_uri: SipTarget,
    /// How a call is handed on.
    pub transfer: Transfer,
    /// How long a call that was handed on is kept when nobody says that it ended.
    pub handed_over_max: Duration,
    /// Calls at a time; further ones get 503.
    pub max_calls: usize,
    /// New calls a second; further ones get 503.
    pub max_calls_per_second: u32,
    /// Who may call in. Empty: this machine alone, untrusted.
    pub trunks: BTreeMap<TrunkName, Trunk>,
}

/// The host, and the port where it differs, by which peers reach us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertise {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port, if not the listener's.
    pub port: Option<u16>,
}

/// A `sip:`, `sips:` or `tel:` URI that a call can be sent to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SipTarget(String);

/// How a call is handed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transfer {
    /// REFER after answering, 302 before.
    Refer,
    /// 302 wherever that is still possible.
    Redirect,
}

impl SipTarget {
    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SipTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn read(mut table: Table<'_>) -> Sip {
    let default = vec![SocketAddr::from(([127, 0, 0, 1], 5060))];
    let written = table.has("listen");
    let listen = table.list("listen", default, listener);
    if written && listen.is_empty() {
        table.complain(
            "listen",
            "names no listener that works",
            "keep one like udp:127.0.0.1:5060",
        );
    }
    let sip = Sip {
        listen,
        advertise: table.optional("advertise", advertise),
        queue_uri: table.parsed(
            "queue_uri",
            SipTarget("sip:queue@127.0.0.1:5070".to_owned()),
            target,
        ),
        transfer: transfer(&mut table),
        handed_over_max: table.seconds("handed_over_max_seconds", 14_400, 60..=172_800),
        max_calls: table.number("max_calls", 2_000, 1..=100_000),
        max_calls_per_second: table.number("max_calls_per_second", 200, 1..=100_000),
        trunks: trunks::read(table.table("trunks")),
    };
    table.end();
    sip
}

fn transfer(table: &mut Table<'_>) -> Transfer {
    let words = [("redirect", Some(Transfer::Redirect)), ("bridge", None)];
    let word = table.word("transfer", ("refer", Some(Transfer::Refer)), &words);
    if word.is_none() {
        table.complain("transfer", "`bridge` is not built yet", "use `refer` or `redirect`");
    }
    word.unwrap_or(Transfer::Refer)
}

fn listener(text: &str) -> Result<SocketAddr, Complaint> {
    match text.split_once(':') {
        Some(("udp", rest)) => address(rest)
            .map_err(|_| complaint("is no listener", "write it like udp:127.0.0.1:5060")),
        Some((kind @ ("tcp" | "tls"), _)) => Err(complaint(
            format!("a {kind} listener is not built yet"),
            "remove it and keep the udp listener",
        )),
        _ => Err(complaint("is no listener", "write udp: before it, like udp:127.0.0.1:5060")),
    }
}

fn advertise(text: &str) -> Result<Advertise, Complaint> {
    let wrong =
        || complaint("is no host[:port]", "write it like 203.0.113.7 or sip.example.com:5060");
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Advertise { host: address.to_string(), port: None });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Advertise { host: address.ip().to_string(), port: Some(address.port()) });
    }
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
    };
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let name = host.split('.').all(label) && !host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if name { Ok(Advertise { host: host.to_owned(), port }) } else { Err(wrong()) }
}

/// Reads a URI that a call can be sent to. It goes into a header, so it holds no blank and no `<>`.
pub(crate) fn target(text: &str) -> Result<SipTarget, Complaint> {
    let wrong = || complaint("is no SIP or tel URI", "write it like sip:queue@192.0.2.10:5060");
    let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
    let known = ["sip", "sips", "tel"].contains(&scheme.to_ascii_lowercase().as_str());
    let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
    let whole = known && plain && !rest.is_empty() && !rest.ends_with('@');
    if whole { Ok(SipTarget(text.to_owned())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_built_may_listen() {
        assert_eq!(listener("udp:[::1]:0"), Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))));
        for (text, message) in [
            ("tcp:127.0.0.1:5060", "a tcp listener is not built yet"),
            ("tls:127.0.0.1:5061", "a tls listener is not built yet"),
            ("127.0.0.1:5060", "is no listener"),
            ("udp:localhost:5060", "is no listener"),
        ] {
            assert_eq!(listener(text).map_err(|wrong| wrong.message), Err(message.to_owned()));
        }
    }

    #[test]
    fn the_advertised_host_may_be_a_name_or_an_address() {
        for (text, host, port) in [
            ("203.0.113.7", "203.0.113.7", None),
            ("203.0.113.7:5062", "203.0.113.7", Some(5062)),
            ("sip.example.com", "sip.example.com", None),
            ("sip.example.com:5060", "sip.example.com", Some(5060)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:5060", "2001:db8::1", Some(5060)),
        ] {
            let read = advertise(text).map_err(|wrong| wrong.message);
            assert_eq!(read, Ok(Advertise { host: host.to_owned(), port }), "{text}");
        }
        for wrong in ["a b", "host:port", "sip:host", "300.1.1.1", "a..b", "host>\r\n"] {
            assert!(advertise(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_target_cannot_break_out_of_its_header() {
        assert!(target("sip:queue@127.0.0.1:5070;transport=udp").is_ok());
        assert!(target("tel:+442079460123").is_ok());
        for wrong in
            ["queue@host", "sip:", "http://host", "sip:a b@host", "sip:a>\r\nX: y", "sip:a@"]
        {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
