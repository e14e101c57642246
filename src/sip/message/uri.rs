//! URIs as SIP uses them: `sip:`, `sips:`, `tel:`, and any other for somebody else to understand.

use std::fmt;
use std::ops::Range;

use crate::sip::message::Malformed;
use crate::sip::message::text;
use crate::sip::message::text::decimal;

/// A URI, kept as written, so that it is echoed byte for byte (`%2B` stays `%2B`).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Uri {
    text: String,
    scheme: Scheme,
    user: Option<Range<usize>>,
    host: Range<usize>,
    port: Option<u16>,
    params: Range<usize>,
    headers: Option<Range<usize>>,
}

#[derive(Clone, Eq, Hash, PartialEq)]
enum Scheme {
    Sip,
    Sips,
    Tel,
    Other(String),
}

impl Uri {
    /// Reads a URI. Only `sip:`, `sips:` and `tel:` are taken apart.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return Err(Malformed("URI"));
        }
        let (scheme, rest) = text.split_once(':').ok_or(Malformed("URI"))?;
        let scheme = Scheme::parse(scheme).ok_or(Malformed("URI scheme"))?;
        let start = text.len() - rest.len();
        let nothing = text.len()..text.len();
        let mut uri = Self {
            text: text.to_owned(),
            scheme,
            user: None,
            host: nothing.clone(),
            port: None,
            params: nothing,
            headers: None,
        };
        match uri.scheme {
            Scheme::Sip | Scheme::Sips => uri.locate_sip(rest, start)?,
            Scheme::Tel => uri.locate_tel(rest, start)?,
            Scheme::Other(_) if rest.is_empty() => return Err(Malformed("URI")),
            Scheme::Other(_) => {}
        }
        Ok(uri)
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> &str {
        match &self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        }
    }

    /// Whether it is a `sip:` or `sips:` URI.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as written, without a password; the number of a `tel:` URI.
    pub fn user(&self) -> Option<&str> {
        self.part(self.user.as_ref()?)
    }

    /// The user part with its escapes resolved; `None` if they yield no text.
    pub fn user_decoded(&self) -> Option<String> {
        unescape(self.user()?)
    }

    /// The host, an IPv6 address without its brackets; empty unless it is a `sip:` or `sips:` URI.
    pub fn host(&self) -> &str {
        self.part(&self.host).unwrap_or_default()
    }

    /// The port, if one is named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// A URI parameter as written. `None`: not there. `Some(None)`: there without a value.
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        let params = self.part(&self.params)?.split(';').map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        });
        params.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// What follows the question mark, as written.
    pub fn headers(&self) -> Option<&str> {
        self.part(self.headers.as_ref()?)
    }

    fn part(&self, range: &Range<usize>) -> Option<&str> {
        self.text.get(range.clone())
    }

    /// `[user[:password]@]host[:port][;params][?headers]`. A user part may hold `;`, `?` and `/`,
    /// but never `@`: the first `@` ends it, and a second one would be read differently elsewhere.
    fn locate_sip(&mut self, rest: &str, start: usize) -> Result<(), Malformed> {
        let (user_info, tail) = match rest.split_once('@') {
            Some((user_info, tail)) => (Some(user_info), tail),
            None => (None, rest),
        };
        let tail_at = start + rest.len() - tail.len();
        if let Some(user_info) = user_info {
            let user = user_info.split(':').next().unwrap_or_default();
            // `sip:@host` is how some carriers withhold a number.
            self.user = (!user.is_empty()).then(|| start..start + user.len());
        }
        let host_port_len = tail.find([';', '?']).unwrap_or(tail.len());
        let (host_port, after) = tail.split_at(host_port_len);
        let (host, port) = host_and_port(host_port)?;
        self.port = port;
        let host_at = tail_at + usize::from(host_port.starts_with('['));
        self.host = host_at..host_at + host.len();
        self.locate_params(after, tail_at + host_port_len)
    }

    fn locate_tel(&mut self, rest: &str, start: usize) -> Result<(), Malformed> {
        let number_len = rest.find([';', '?']).unwrap_or(rest.len());
        if number_len == 0 {
            return Err(Malformed("telephone URI"));
        }
        self.user = Some(start..start + number_len);
        self.locate_params(rest.get(number_len..).unwrap_or_default(), start + number_len)
    }

    fn locate_params(&mut self, text: &str, at: usize) -> Result<(), Malformed> {
        let params = text.split('?').next().unwrap_or_default();
        if params.contains('@') {
            return Err(Malformed("URI parameter"));
        }
        let params_end = at + params.len();
        self.params = (at + 1).min(params_end)..params_end;
        self.headers = (params.len() < text.len()).then(|| params_end + 1..at + text.len());
        Ok(())
    }
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        let rest_is_good = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(rest_is_good) {
            return None;
        }
        Some(match text.to_ascii_lowercase().as_str() {
            "sip" => Self::Sip,
            "sips" => Self::Sips,
            "tel" => Self::Tel,
            other => Self::Other(other.to_owned()),
        })
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Scheme and host only: the user part is personal data and may hold a password.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…@{}", self.scheme(), self.host())
    }
}

/// Reads `host[:port]`, the host's brackets taken off. White space may surround the colon, as it
/// may in a Via.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, Option<u16>), Malformed> {
    let bad = Malformed("host");
    let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or(bad)?;
        let is_address = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
        if !host.contains(':') || !host.chars().all(is_address) {
            return Err(bad);
        }
        (host, rest)
    } else {
        let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
        let host = host.trim_end_matches(text::LWS);
        // The underscore is against the grammar and in many a machine's name.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(bad);
        }
        (host, rest)
    };
    match rest.trim_start_matches(text::LWS) {
        "" => Ok((host, None)),
        rest => Ok((host, Some(port(rest)?))),
    }
}

fn port(text: &str) -> Result<u16, Malformed> {
    let digits = text.strip_prefix(':').map(|port| port.trim_start_matches(text::LWS));
    let number = digits.and_then(decimal).and_then(|number| u16::try_from(number).ok());
    number.ok_or(Malformed("port"))
}

/// Resolves `%41` and its like.
fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut hex = || char::from(bytes.next()?).to_digit(16);
            let value = hex()? * 16 + hex()?;
            plain.push(u8::try_from(value).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Uri;

    fn uri(text: &str) -> Uri {
        let uri = Uri::parse(text).expect("a URI");
        assert_eq!(uri.as_str(), text);
        uri
    }

    #[test]
    fn a_full_sip_uri_comes_apart() {
        let uri = uri("SIPS:alice%2B:pass@[2001:db8::1]:5061;transport=TCP;ob?Replaces=a%40b");
        assert_eq!((uri.scheme(), uri.is_sip()), ("sips", true));
        assert_eq!((uri.user(), uri.user_decoded()), (Some("alice%2B"), Some("alice+".to_owned())));
        assert_eq!((uri.host(), uri.port()), ("2001:db8::1", Some(5061)));
        assert_eq!(uri.param("TRANSPORT"), Some(Some("TCP")));
        assert_eq!((uri.param("ob"), uri.param("lr")), (Some(None), None));
        assert_eq!(uri.headers(), Some("Replaces=a%40b"));
    }

    #[test]
    fn the_short_forms() {
        let host_only = uri("sip:sbc_1.example");
        assert_eq!(
            (host_only.user(), host_only.host(), host_only.port()),
            (None, "sbc_1.example", None)
        );
        assert_eq!(uri("sip:@carrier.example").user(), None);
        assert_eq!(uri("sip:a@b?x=y").headers(), Some("x=y"));
        assert_eq!(uri("sip:a@b;x=y").param("x"), Some(Some("y")));
    }

    #[test]
    fn sip_9_tel_and_unknown_schemes_are_accepted() {
        let tel = uri("tel:+442079460123;phone-context=example.com");
        assert_eq!((tel.user(), tel.host()), (Some("+442079460123"), ""));
        assert_eq!(tel.param("phone-context"), Some(Some("example.com")));
        let urn = uri("urn:service:sos");
        assert_eq!((urn.scheme(), urn.user(), urn.host()), ("urn", None, ""));
    }

    #[test]
    fn sip_9_a_semicolon_belongs_to_the_user_before_the_at() {
        let uri = uri("sip:0123;phone-context=+44@gw.example;user=phone");
        assert_eq!(uri.user(), Some("0123;phone-context=+44"));
        assert_eq!((uri.host(), uri.param("user")), ("gw.example", Some(Some("phone"))));
        assert_eq!(uri.param("phone-context"), None);
    }

    #[test]
    fn what_has_two_readings_is_no_uri() {
        for text in [
            "",
            "sip",
            "sip:",
            ":a@b",
            "1sip:a@b",
            "sip:vip@bank@evil",
            "sip:a@b;x=@c",
            "sip:a@b c",
            "<sip:a@b>",
            "sip:a@b:70000",
            "sip:a@b:",
            "sip:a@b:+1",
            "sip:a@[::1",
            "sip:a@[1]",
            "sip:a@",
            "sip:a@b,c",
            "tel:",
            "tel:;x",
            "urn:",
            "sip:a\u{a0}b@c",
            "sip:a@b\r\nX: y",
        ] {
            assert!(Uri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn broken_escapes_stay_raw() {
        assert_eq!(uri("sip:%7z@b").user_decoded(), None);
        assert_eq!(uri("sip:%FC@b").user_decoded(), None);
        assert_eq!(uri("sip:null-%00@b").user_decoded().as_deref(), Some("null-\0"));
    }

    #[test]
    fn debug_shows_neither_user_nor_password() {
        assert_eq!(format!("{:?}", uri("sip:alice:4711@example.com")), "sip:…@example.com");
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_text(text in "(sip|tel|x):[a:@;?=\\[\\]é%]{0,20}") {
            if let Ok(uri) = Uri::parse(&text) {
                let user = uri.user().map_or(0, str::len);
                prop_assert!(user + uri.host().len() + uri.headers().map_or(0, str::len) < text.len());
                let _ = (uri.user_decoded(), uri.param("a"));
            }
        }
    }
}
