//! Whether a request comes from the vendor that it says it comes from. Pure: the time is handed in.
//!
//! A request without a signature costs the same work as one with a wrong one.

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::ED25519;
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::model::ids::hex;
use crate::model::time::Timestamp;
use crate::platform::webhook::form::Form;

/// How far a signed time may be from ours, in seconds.
pub const AGE_MAX: u64 = 300;

/// What signs the requests of a connector; several of them while one replaces the other.
#[derive(Clone)]
pub enum Keys {
    /// Auth tokens: HMAC-SHA1 of the URL and the sorted fields.
    Twilio(Vec<hmac::Key>),
    /// Public keys: Ed25519 of `timestamp|body`.
    Telnyx(Vec<Vec<u8>>),
    /// Secrets: HMAC-SHA256 of `t.body`.
    Jambonz(Vec<hmac::Key>),
}

/// A file of keys cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadKeys {
    /// Not one line with something in it.
    #[error("holds no key; write one in a line")]
    Empty,
    /// No Ed25519 public key.
    #[error("line {0} is no public key; copy it from the account's page (44 letters of base64)")]
    NotPublic(usize),
}

/// A request as it was signed.
pub struct Signed<'a> {
    /// The URL that the vendor was given, up to the path: scheme, host, port, and a path that a proxy takes away.
    pub base_url: &'a str,
    /// Path and query as they came.
    pub path_and_query: &'a str,
    /// The header with the signature.
    pub signature: Option<&'a str>,
    /// The header with the time, where the vendor sends it beside.
    pub time: Option<&'a str>,
    /// Whether the body is JSON.
    pub json: bool,
    /// The body as it came.
    pub body: &'a [u8],
    /// Our calendar.
    pub now: Timestamp,
}

impl Keys {
    /// Twilio's auth tokens, one in a line.
    pub fn twilio(text: &str) -> Result<Self, BadKeys> {
        let keys = lines(text)?.into_iter();
        let algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        Ok(Self::Twilio(keys.map(|(_, key)| hmac::Key::new(algorithm, key.as_bytes())).collect()))
    }

    /// jambonz's webhook secrets, one in a line.
    pub fn jambonz(text: &str) -> Result<Self, BadKeys> {
        let keys = lines(text)?.into_iter();
        Ok(Self::Jambonz(
            keys.map(|(_, key)| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())).collect(),
        ))
    }

    /// Telnyx's public keys in base64, one in a line.
    pub fn telnyx(text: &str) -> Result<Self, BadKeys> {
        let read = |(line, key): (usize, &str)| {
            let bytes = STANDARD.decode(key).ok().filter(|bytes| bytes.len() == 32);
            bytes.ok_or(BadKeys::NotPublic(line))
        };
        lines(text)?.into_iter().map(read).collect::<Result<_, _>>().map(Self::Telnyx)
    }

    /// Whether one of the keys has signed this.
    #[must_use]
    pub fn signed(&self, request: &Signed<'_>) -> bool {
        match self {
            Self::Twilio(tokens) => twilio(tokens, request),
            Self::Telnyx(keys) => telnyx(keys, request),
            Self::Jambonz(secrets) => jambonz(secrets, request),
        }
    }
}

fn lines(text: &str) -> Result<Vec<(usize, &str)>, BadKeys> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let keys: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
    if keys.is_empty() { Err(BadKeys::Empty) } else { Ok(keys) }
}

/// Twilio signs the URL as it was given it, with the port or without, and the fields sorted by name; a
/// field that is there twice counts once for each of its values. With a JSON body the URL's own query
/// holds the body's hash, and there are no fields.
fn twilio(tokens: &[hmac::Key], request: &Signed<'_>) -> bool {
    let form = if request.json { Form::read(b"") } else { Form::read(request.body) };
    let Some(form) = form else { return false };
    let mut fields: Vec<_> = form.iter().collect();
    fields.sort_unstable();
    fields.dedup();
    let claimed = request.signature.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let mut good = false;
    for base in bases(request.base_url) {
        for token in tokens {
            let mut mac = hmac::Context::with_key(token);
            mac.update(base.as_bytes());
            mac.update(request.path_and_query.as_bytes());
            for (name, value) in &fields {
                mac.update(name.as_bytes());
                mac.update(value.as_bytes());
            }
            good |= bool::from(mac.sign().as_ref().ct_eq(&claimed));
        }
    }
    good && (!request.json || body_hash(request))
}

fn body_hash(request: &Signed<'_>) -> bool {
    let query = request.path_and_query.split_once('?').map_or("", |(_, query)| query);
    let query = Form::read(query.as_bytes());
    let claimed = query.as_ref().and_then(|query| query.get("bodySHA256")).unwrap_or_default();
    let found = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    found.as_bytes().ct_eq(claimed.to_ascii_lowercase().as_bytes()).into()
}

/// The address as configured, and as Twilio may have signed it: with the usual port, and without.
fn bases(base: &str) -> Vec<String> {
    let mut bases = vec![base.to_owned()];
    let Some((scheme, rest)) = base.split_once("://") else { return bases };
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if let Some(plain) = host.strip_suffix(usual) {
        bases.push(format!("{scheme}://{plain}{path}"));
    } else if !host.rsplit(']').next().unwrap_or_default().contains(':') {
        bases.push(format!("{scheme}://{host}{usual}{path}"));
    }
    bases
}

/// `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`; several `v1` may stand there.
fn jambonz(secrets: &[hmac::Key], request: &Signed<'_>) -> bool {
    let parts = request.signature.unwrap_or_default().split(',');
    let parts: Vec<_> = parts.filter_map(|part| part.trim().split_once('=')).take(8).collect();
    let time = parts.iter().find(|(name, _)| *name == "t").map_or("0", |(_, value)| value);
    let mut good = false;
    for secret in secrets {
        let mut mac = hmac::Context::with_key(secret);
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(request.body);
        let expected = hex(mac.sign().as_ref());
        for (_, claimed) in parts.iter().filter(|(name, _)| *name == "v1") {
            good |= bool::from(expected.as_bytes().ct_eq(claimed.as_bytes()));
        }
    }
    good && recent(time, request.now)
}

fn telnyx(keys: &[Vec<u8>], request: &Signed<'_>) -> bool {
    let time = request.time.unwrap_or("0");
    let claimed = request.signature.and_then(|text| STANDARD.decode(text).ok());
    let claimed = claimed.unwrap_or_else(|| vec![0; 64]);
    let message = [time.as_bytes(), b"|", request.body].concat();
    let mut good = false;
    for key in keys {
        good |= UnparsedPublicKey::new(&ED25519, key).verify(&message, &claimed).is_ok();
    }
    good && recent(time, request.now)
}

fn recent(seconds: &str, now: Timestamp) -> bool {
    seconds.parse::<u64>().is_ok_and(|then| then.abs_diff(now.0 / 1000) <= AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::Ed25519KeyPair;
    use aws_lc_rs::signature::KeyPair;

    const NOW: Timestamp = Timestamp(1_795_305_600_000);
    /// The vector of Twilio's documentation.
    const FIELDS: &[u8] = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";

    fn from_twilio<'a>(base_url: &'a str, signature: &'a str, body: &'a [u8]) -> Signed<'a> {
        Signed {
            base_url,
            path_and_query: "/myapp.php?foo=1&bar=2",
            signature: Some(signature),
            time: None,
            json: false,
            body,
            now: NOW,
        }
    }

    fn sha1(token: &str, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }

    #[test]
    fn d02_the_signature_of_twilios_documentation_is_accepted_and_nothing_else() {
        let keys = Keys::twilio("12345\n").expect("a token");
        let (base, good) = ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert!(keys.signed(&from_twilio(base, good, FIELDS)));
        let turned: Vec<_> = FIELDS.split(|byte| *byte == b'&').rev().collect();
        assert!(keys.signed(&from_twilio(base, good, &turned.join(&b'&'))), "any order");
        assert!(keys.signed(&from_twilio("https://mycompany.com:443", good, FIELDS)));
        for (base, signature, body) in [
            ("http://mycompany.com", good, FIELDS),
            ("https://mycompany.com:8443", good, FIELDS),
            (base, "", FIELDS),
            (base, "RSOYDt4T1cUTdK1PDd93/VVr8B9=", FIELDS),
            (base, good, &FIELDS[..FIELDS.len() - 1]),
        ] {
            assert!(!keys.signed(&from_twilio(base, signature, body)), "{base} {signature}");
        }
        let unsigned = Signed { signature: None, ..from_twilio(base, good, FIELDS) };
        assert!(!keys.signed(&unsigned));
        assert!(!Keys::twilio("54321").expect("a token").signed(&from_twilio(base, good, FIELDS)));
        let both = Keys::twilio("54321\n\n12345\n").expect("two tokens");
        assert!(both.signed(&from_twilio(base, good, FIELDS)), "while one replaces the other");
        assert_eq!(Keys::twilio("\n \n").err(), Some(BadKeys::Empty));
    }

    #[test]
    fn d02_twilio_signs_with_the_port_or_without_and_repeated_fields_once_a_value() {
        let keys = Keys::twilio("t").expect("a token");
        let path = "/myapp.php?foo=1&bar=2";
        for (signed, base) in [
            ("https://h:443", "https://h"),
            ("https://h", "https://h:443"),
            ("https://h:443/ivr", "https://h/ivr"),
            ("http://h:80", "http://h"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://h:8443", "https://h:8443"),
        ] {
            let signature = sha1("t", &format!("{signed}{path}A1A2B3"));
            let request = from_twilio(base, &signature, b"B=3&A=2&A=1&A=2");
            assert!(keys.signed(&request), "{signed} as {base}");
        }
        let body = br#"{"a":1}"#;
        let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        let path = format!("/v1?bodySHA256={hash}");
        let signature = sha1("t", &format!("https://h{path}"));
        let json = |body, path_and_query| Signed {
            path_and_query,
            json: true,
            ..from_twilio("https://h", &signature, body)
        };
        assert!(keys.signed(&json(body, &path)));
        assert!(!keys.signed(&json(br#"{"a":2}"#, &path)), "another body");
        assert!(!keys.signed(&json(body, "/v1")), "no hash");
    }

    #[test]
    fn d02_jambonz_signs_time_and_body_and_an_old_signature_is_none() {
        let keys = Keys::jambonz("secret").expect("a secret");
        let body = br#"{"call_sid":"c"}"#;
        let sign = |time: u64| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
            let text = [time.to_string().as_bytes(), b".", body].concat();
            format!("t={time},v1={}", hex(hmac::sign(&key, &text).as_ref()))
        };
        let seconds = NOW.0 / 1000;
        let request =
            |signature: &str, body: &[u8]| keys.signed(&from_twilio("https://h", signature, body));
        for (time, good) in [(0, true), (299, true), (301, false)] {
            assert_eq!(request(&sign(seconds - time), body), good, "{time} s ago");
            assert_eq!(request(&sign(seconds + time), body), good, "in {time} s");
        }
        let good = sign(seconds);
        let other = good.replace("v1=", "v1=00,v1=");
        assert!(request(&other, body), "one of several");
        for (signature, body) in [
            (good.clone(), b"{}".as_slice()),
            (good.replace("v1", "v0"), body),
            (good.replace("t=", "t=1"), body),
            (String::new(), body),
            ("t=,v1=".to_owned(), body),
        ] {
            assert!(!request(&signature, body), "{signature}");
        }
    }

    #[test]
    fn d02_telnyx_signs_time_and_body_with_its_own_key() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let public = STANDARD.encode(pair.public_key().as_ref());
        let keys = Keys::telnyx(&format!("{public}\n")).expect("a key");
        let time = (NOW.0 / 1000).to_string();
        let signature = STANDARD.encode(pair.sign(format!("{time}|CallSid=c").as_bytes()));
        let request =
            |time, body| Signed { time: Some(time), ..from_twilio("https://h", &signature, body) };
        assert!(keys.signed(&request(&time, b"CallSid=c")));
        assert!(!keys.signed(&request(&time, b"CallSid=d")));
        assert!(!keys.signed(&request("1", b"CallSid=c")));
        let unsigned = Signed { signature: None, ..request(&time, b"CallSid=c") };
        assert!(!keys.signed(&unsigned));
        assert_eq!(Keys::telnyx("x\nAAAA").err(), Some(BadKeys::NotPublic(1)));
    }
}
