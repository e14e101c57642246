//! The signed handshake of `AudioHook`: HTTP message signatures as the vendor's own verifier reads them
//! (draft-ietf-httpbis-message-signatures-11, the form of RFC 9421 for these components). Pure.
//!
//! Only the one spelling is read in which signers write: what could be read in two ways is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::ids::hex;
use crate::model::time::Timestamp;

/// What every signature has to cover.
const REQUIRED: [&str; 6] = [
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
];
/// The largest header that is looked at, in bytes.
const HEADER_MAX: usize = 2048;
/// Components that one signature covers at the most.
const COMPONENTS_MAX: usize = 16;
/// The shortest nonce: 128 bits in base64.
const NONCE_MIN: usize = 22;
/// How far the clocks may be apart, in seconds.
const SKEW: u64 = 3;
/// How old a signature may be, in seconds.
const AGE_MAX: u64 = 10;

/// A request as it came. `header` gives all values of a name, in their order.
pub struct Handshake<'a> {
    /// Path and query, as received.
    pub target: &'a str,
    /// All values of a header, by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Vec<&'a [u8]>,
    /// The calendar.
    pub now: Timestamp,
}

/// What a connector knows of its client.
pub struct Keys<'a> {
    /// `X-API-KEY`.
    pub api_key: &'a [u8],
    /// The client secret; none: unsigned requests are let in.
    pub secret: Option<&'a [u8]>,
    /// Whether there is such a connector. For one that is not, the same work is done with any key.
    pub known: bool,
}

/// A request that is the client's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// `Audiohook-Organization-Id`, where it was sent.
    pub organization: Option<String>,
    /// `Audiohook-Session-Id`, where it was sent.
    pub session: Option<String>,
    /// The fingerprint of the nonce, which may be used once. None: unsigned.
    pub nonce: Option<String>,
}

/// Why a request is refused. For metrics alone: whoever asked hears the same in any case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// Neither signature header is there.
    Unsigned,
    /// A header is missing, doubled, too long, cut off or spelled otherwise.
    Malformed,
    /// The signature leaves something out, or names another key or algorithm.
    Incomplete,
    /// Too old, or from the future.
    Stale,
    /// No such connector or API key.
    UnknownKey,
    /// It was made with another secret, or over another request.
    Forged,
    /// The same handshake came before.
    Replayed,
}

impl Why {
    /// For the metric.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
            Self::Stale => "stale",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
        }
    }
}

/// Says whether the request is the client's.
pub fn verify(handshake: &Handshake<'_>, keys: &Keys<'_>) -> Result<Verified, Why> {
    let api_key = one(handshake, "x-api-key")?;
    let good_key = bool::from(api_key.as_bytes().ct_eq(keys.api_key)) & keys.known;
    let verified = Verified {
        organization: optional(handshake, "audiohook-organization-id")?,
        session: optional(handshake, "audiohook-session-id")?,
        nonce: None,
    };
    let Some(secret) = keys.secret else {
        return if good_key { Ok(verified) } else { Err(Why::UnknownKey) };
    };
    let signed = ["signature-input", "signature"].map(|name| (handshake.header)(name).is_empty());
    if signed == [true, true] {
        return Err(Why::Unsigned);
    }
    let (input, signature) = (one(handshake, "signature-input")?, one(handshake, "signature")?);
    let (label, list) = input.split_once('=').ok_or(Why::Malformed)?;
    let (same_label, bytes) = signature.split_once('=').ok_or(Why::Malformed)?;
    if !is_label(label) || label != same_label {
        return Err(Why::Malformed);
    }
    let bytes = bytes.strip_prefix(':').and_then(|bytes| bytes.strip_suffix(':'));
    let bytes = STANDARD.decode(bytes.ok_or(Why::Malformed)?).map_err(|_| Why::Malformed)?;
    let covered = Covered::read(list)?;
    let base = covered.base(handshake, list)?;
    let fresh = covered.parameters.fresh(handshake.now);
    let complete = covered.is_complete(api_key);
    let genuine = mac(secret, base.as_bytes()).is_some_and(|mac| mac.verify_slice(&bytes).is_ok());
    match (fresh, complete, good_key, genuine) {
        (false, ..) => Err(Why::Stale),
        (_, false, ..) => Err(Why::Incomplete),
        (_, _, false, _) => Err(Why::UnknownKey),
        (.., false) => Err(Why::Forged),
        (true, true, true, true) => {
            let nonce = covered.parameters.nonce.map(|nonce| fingerprint(api_key, nonce));
            Ok(Verified { nonce, ..verified })
        }
    }
}

/// A nonce is remembered by this: it tells neither the nonce nor the key.
fn fingerprint(api_key: &str, nonce: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(u64::try_from(api_key.len()).unwrap_or_default().to_be_bytes());
    hash.update(api_key.as_bytes());
    hash.update(nonce.as_bytes());
    hex(&hash.finalize())
}

fn mac(secret: &[u8], base: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(base);
    Some(mac)
}

/// The one value of a header.
fn one<'a>(handshake: &Handshake<'a>, name: &str) -> Result<&'a str, Why> {
    match (handshake.header)(name).as_slice() {
        [value] => readable(value),
        _ => Err(Why::Malformed),
    }
}

fn optional(handshake: &Handshake<'_>, name: &str) -> Result<Option<String>, Why> {
    match (handshake.header)(name).as_slice() {
        [] => Ok(None),
        [value] => readable(value).map(|value| Some(value.to_owned())),
        _ => Err(Why::Malformed),
    }
}

fn readable(value: &[u8]) -> Result<&str, Why> {
    let short = value.len() <= HEADER_MAX && value.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    let text = str::from_utf8(value).map_err(|_| Why::Malformed)?;
    if short { Ok(text.trim()) } else { Err(Why::Malformed) }
}

fn is_label(text: &str) -> bool {
    let mut letters = text.bytes();
    letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'*')
        && letters.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        })
}

/// What a signature says that it covers.
struct Covered<'a> {
    components: Vec<&'a str>,
    parameters: Parameters<'a>,
}

#[derive(Default)]
struct Parameters<'a> {
    keyid: Option<&'a str>,
    nonce: Option<&'a str>,
    alg: Option<&'a str>,
    created: Option<u64>,
    expires: Option<u64>,
}

impl<'a> Covered<'a> {
    /// `("a" "b");created=1;keyid="k"`.
    fn read(list: &'a str) -> Result<Self, Why> {
        let inner = list.strip_prefix('(').ok_or(Why::Malformed)?;
        let (names, parameters) = inner.split_once(')').ok_or(Why::Malformed)?;
        let mut components: Vec<&str> = vec![];
        for name in names.split(' ') {
            let name = quoted(name).ok_or(Why::Malformed)?;
            if components.contains(&name) || components.len() == COMPONENTS_MAX {
                return Err(Why::Malformed);
            }
            components.push(name);
        }
        Ok(Self { components, parameters: Parameters::read(parameters)? })
    }

    /// What was signed: a line for each component, then the list itself.
    fn base(&self, handshake: &Handshake<'_>, list: &str) -> Result<String, Why> {
        let mut base = String::with_capacity(1024);
        for name in &self.components {
            let value = match *name {
                "@request-target" => handshake.target.to_owned(),
                "@authority" => authority(one(handshake, "host")?),
                name if name.starts_with('@') || name == "signature" => return Err(Why::Malformed),
                name => one(handshake, name)?.to_owned(),
            };
            base.extend(["\"", name, "\": ", &value, "\n"]);
        }
        base.extend(["\"@signature-params\": ", list]);
        Ok(base)
    }

    fn is_complete(&self, api_key: &str) -> bool {
        let Parameters { keyid, nonce, alg, .. } = &self.parameters;
        REQUIRED.iter().all(|name| self.components.contains(name))
            && *keyid == Some(api_key)
            && nonce.is_some_and(|nonce| nonce.len() >= NONCE_MIN)
            && alg.is_none_or(|alg| alg == "hmac-sha256")
    }
}

impl<'a> Parameters<'a> {
    fn read(text: &'a str) -> Result<Self, Why> {
        let mut read = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, after) = rest
                .strip_prefix(';')
                .and_then(|rest| rest.split_once('='))
                .ok_or(Why::Malformed)?;
            let end = match after.strip_prefix('"') {
                Some(inside) => inside.find('"').map(|end| end + 2),
                None => Some(after.find(';').unwrap_or(after.len())),
            };
            let (value, more) =
                end.and_then(|end| after.split_at_checked(end)).ok_or(Why::Malformed)?;
            rest = more;
            let new = match name {
                "keyid" => read.keyid.replace(quoted(value).ok_or(Why::Malformed)?).is_none(),
                "nonce" => read.nonce.replace(quoted(value).ok_or(Why::Malformed)?).is_none(),
                "alg" => read.alg.replace(quoted(value).ok_or(Why::Malformed)?).is_none(),
                "created" => read.created.replace(number(value).ok_or(Why::Malformed)?).is_none(),
                "expires" => read.expires.replace(number(value).ok_or(Why::Malformed)?).is_none(),
                _ => false,
            };
            if !new {
                return Err(Why::Malformed);
            }
        }
        Ok(read)
    }

    fn fresh(&self, now: Timestamp) -> bool {
        let now = now.0 / 1000;
        let Some(created) = self.created else { return false };
        created <= now + SKEW
            && created.saturating_add(AGE_MAX) >= now + SKEW
            && self.expires.is_none_or(|expires| expires >= now + SKEW)
    }
}

/// A text between quotes, without anything that would have to be escaped.
fn quoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.is_empty() && !inside.contains(['"', '\\'])).then_some(inside)
}

/// A whole number as signers write it: no sign, no zero in front.
fn number(text: &str) -> Option<u64> {
    let plain = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    let zero = text.len() > 1 && text.starts_with('0');
    if plain && !zero { text.parse().ok() } else { None }
}

/// The host in small letters, without the port that its scheme implies.
fn authority(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let plain = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80"));
    plain.unwrap_or(&host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";
    const SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";
    const TARGET: &str = "/api/v1/voicebiometrics/ws";
    const CREATED: u64 = 1_641_013_200;
    const PARAMETERS: &str = ";keyid=\"SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh\";nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\";alg=\"hmac-sha256\";created=1641013200;expires=3282026430";
    const SIGNATURE: &str = "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:";

    type Headers = Vec<(&'static str, String)>;

    fn components() -> String {
        REQUIRED.map(|name| format!("\"{name}\"")).join(" ")
    }

    fn headers() -> Headers {
        vec![
            ("host", "audiohook.example.com".into()),
            ("audiohook-organization-id", "d7934305-0972-4844-938e-9060eef73d05".into()),
            ("audiohook-session-id", "30b0e395-84d3-4570-ac13-9a62d8f514c0".into()),
            ("audiohook-correlation-id", "e160e428-53e2-487c-977d-96989bf5c99d".into()),
            ("x-api-key", KEY.into()),
            ("signature-input", format!("sig1=({}){PARAMETERS}", components())),
            ("signature", SIGNATURE.into()),
        ]
    }

    fn with(name: &'static str, value: &str) -> Headers {
        let changed = headers().into_iter().map(|(header, old)| {
            if header == name { (header, value.to_owned()) } else { (header, old) }
        });
        changed.collect()
    }

    fn without(name: &str) -> Headers {
        headers().into_iter().filter(|(header, _)| *header != name).collect()
    }

    fn doubled(name: &'static str, value: &str) -> Headers {
        let mut headers = headers();
        headers.push((name, value.to_owned()));
        headers
    }

    fn check(headers: &Headers, target: &str, now: u64) -> Result<Verified, Why> {
        let secret = STANDARD.decode(SECRET).expect("base64");
        check_with(
            headers,
            target,
            now,
            &Keys { api_key: KEY.as_bytes(), secret: Some(&secret), known: true },
        )
    }

    fn check_with(
        headers: &Headers,
        target: &str,
        now: u64,
        keys: &Keys<'_>,
    ) -> Result<Verified, Why> {
        let header = |name: &str| {
            let named = headers.iter().filter(|(header, _)| *header == name);
            named.map(|(_, value)| value.as_bytes()).collect()
        };
        verify(&Handshake { target, header: &header, now: Timestamp(now * 1000) }, keys)
    }

    /// Signs a list of components and parameters anew.
    fn signed(list: &str) -> Headers {
        let secret = STANDARD.decode(SECRET).expect("base64");
        let list = list.to_owned();
        let mut headers = with("signature-input", &format!("sig1={list}"));
        let header = |name: &str| {
            let named = headers.iter().filter(|(header, _)| *header == name);
            named.map(|(_, value)| value.as_bytes()).collect()
        };
        let handshake = Handshake { target: TARGET, header: &header, now: Timestamp(0) };
        let base = Covered::read(&list).and_then(|covered| covered.base(&handshake, &list));
        let Ok(base) = base else { return headers };
        let bytes = mac(&secret, base.as_bytes()).expect("a key").finalize().into_bytes();
        let signature = format!("sig1=:{}:", STANDARD.encode(bytes));
        headers.retain(|(header, _)| *header != "signature");
        headers.push(("signature", signature));
        headers
    }

    #[test]
    fn contract_8_the_vendors_fixed_vector_is_verified() {
        let verified = check(&headers(), TARGET, CREATED).expect("the vendor's own");
        assert_eq!(verified.session.as_deref(), Some("30b0e395-84d3-4570-ac13-9a62d8f514c0"));
        assert_eq!(verified.organization.as_deref(), Some("d7934305-0972-4844-938e-9060eef73d05"));
        let nonce = verified.nonce.expect("a nonce");
        assert!(nonce.len() == 64 && !nonce.contains("VGhp"), "a fingerprint: {nonce}");
        let shouted = with("host", "AudioHook.Example.COM:443");
        assert_eq!(check(&shouted, TARGET, CREATED).map(drop), Ok(()), "the scheme's own port");
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one line a forgery")]
    fn contract_8_what_is_not_exactly_the_clients_is_refused() {
        let all = components();
        let other = "sig1=:AAAAyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:";
        let cut = "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDu:";
        let list = |parameters: &str| signed(&format!("({all}){parameters}"));
        let named =
            |more: &str| format!(";keyid=\"{KEY}\";nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\"{more}");
        let six: Vec<_> = REQUIRED
            .iter()
            .map(|left_out| {
                let rest = REQUIRED.iter().filter(|name| *name != left_out);
                rest.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let mut cases: Vec<(Headers, Why)> = six
            .iter()
            .map(|rest| (signed(&format!("({rest}){PARAMETERS}")), Why::Incomplete))
            .collect();
        cases.extend([
            (with("signature", other), Why::Forged),
            (with("signature", cut), Why::Forged),
            (with("signature", "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8T"), Why::Malformed),
            (
                with("signature", "sig2=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"),
                Why::Malformed,
            ),
            (with("host", "other.example.com"), Why::Forged),
            (with("host", "audiohook.example.com:8443"), Why::Forged),
            (with("audiohook-session-id", "another"), Why::Forged),
            (with("x-api-key", "another"), Why::Incomplete),
            (without("signature"), Why::Malformed),
            (without("signature-input"), Why::Malformed),
            (without("host"), Why::Malformed),
            (without("audiohook-correlation-id"), Why::Malformed),
            (without("x-api-key"), Why::Malformed),
            (doubled("signature", SIGNATURE), Why::Malformed),
            (doubled("x-api-key", KEY), Why::Malformed),
            (doubled("audiohook-session-id", "another"), Why::Malformed),
            (with("signature-input", &"x".repeat(HEADER_MAX + 1)), Why::Malformed),
            (with("signature-input", &format!("sig1=({all}")), Why::Malformed),
            (with("signature-input", &format!("sig1=({all}) {PARAMETERS}")), Why::Malformed),
            (with("signature-input", &format!("sig1=({all} {all}){PARAMETERS}")), Why::Malformed),
            (
                with("signature-input", &format!("sig1=({all} \"@method\"){PARAMETERS}")),
                Why::Malformed,
            ),
            (with("signature-input", &format!("sig1=(){PARAMETERS}")), Why::Malformed),
            (list(&named(";created=1641013200;tag=\"x\"")), Why::Malformed),
            (list(&named(";created=1641013200;created=1641013200")), Why::Malformed),
            (list(&named(";created=01641013200")), Why::Malformed),
            (list(&named(";created=\"1641013200\"")), Why::Malformed),
            (list(&named("")), Why::Stale),
            (list(&named(";created=1641013200;expires=1641013201")), Why::Stale),
            (list(&named(";created=1641013200;alg=\"rsa-v1_5-sha256\"")), Why::Incomplete),
            (list(";nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\";created=1641013200"), Why::Incomplete),
            (list(&format!(";keyid=\"{KEY}\";created=1641013200")), Why::Incomplete),
            (
                list(&format!(";keyid=\"{KEY}\";nonce=\"short\";created=1641013200")),
                Why::Incomplete,
            ),
            (
                list(";keyid=\"k\";nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\";created=1641013200"),
                Why::Incomplete,
            ),
        ]);
        for (headers, why) in cases {
            assert_eq!(check(&headers, TARGET, CREATED), Err(why), "{headers:?}");
        }
        assert_eq!(check(&list(&named(";created=1641013200")), TARGET, CREATED).map(drop), Ok(()));
        assert_eq!(check(&headers(), "/api/v1/voicebiometrics/ws?x", CREATED), Err(Why::Forged));
        let mut unsigned = without("signature");
        unsigned.retain(|(name, _)| *name != "signature-input");
        assert_eq!(check(&unsigned, TARGET, CREATED), Err(Why::Unsigned));
    }

    #[test]
    fn contract_8_a_signature_is_good_for_a_few_seconds() {
        for (now, good) in [
            (CREATED - 4, false),
            (CREATED - 3, true),
            (CREATED, true),
            (CREATED + 7, true),
            (CREATED + 8, false),
        ] {
            assert_eq!(check(&headers(), TARGET, now).is_ok(), good, "{now}");
        }
    }

    #[test]
    fn contract_8_unsigned_only_where_the_connector_has_no_secret() {
        let mut unsigned = without("signature");
        unsigned.retain(|(name, _)| *name != "signature-input");
        let open = Keys { api_key: KEY.as_bytes(), secret: None, known: true };
        assert_eq!(check_with(&unsigned, TARGET, 0, &open).map(|v| v.nonce), Ok(None));
        let other = Keys { api_key: b"another", secret: None, known: true };
        assert_eq!(check_with(&unsigned, TARGET, 0, &other), Err(Why::UnknownKey));
        let nobody = Keys { api_key: KEY.as_bytes(), secret: None, known: false };
        assert_eq!(check_with(&unsigned, TARGET, 0, &nobody), Err(Why::UnknownKey));
        let secret = STANDARD.decode(SECRET).expect("base64");
        let unknown = Keys { api_key: b"random", secret: Some(&secret), known: false };
        assert_eq!(check_with(&headers(), TARGET, CREATED, &unknown), Err(Why::UnknownKey));
    }
}
