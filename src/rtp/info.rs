//! Keys in SIP INFO bodies: `application/dtmf-relay` and `application/dtmf`, as found in the wild.

use crate::model::digits::Key;

/// Longer bodies are no key press.
const BODY_LEN_MAX: usize = 256;

/// The key of an INFO request, by its Content-Type and body.
#[must_use]
pub fn key(content_type: &str, body: &[u8]) -> Option<Key> {
    if body.len() > BODY_LEN_MAX {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    let kind = content_type.split(';').next()?.trim();
    if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        signal(body)
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        // Some peers send the relay form under the plain type.
        signal(body).or_else(|| one(body))
    } else {
        None
    }
}

/// The first `Signal=` line. A `Duration=` may stand before or after it, or be missing.
fn signal(body: &str) -> Option<Key> {
    let value = body.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    })?;
    one(value)
}

/// One key: its character, or its RFC 4733 event number (10 is `*`, 11 is `#`).
fn one(text: &str) -> Option<Key> {
    let text = text.trim();
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Key::from_char(only),
        (Some('0'..='9'), Some('0'..='9')) => Key::from_event(text.parse().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(body: &str) -> Option<char> {
        key("application/dtmf-relay", body.as_bytes()).map(shown)
    }

    fn shown(key: Key) -> char {
        char::from(b"0123456789*#ABCD"[usize::from(key.event())])
    }

    #[test]
    fn sip_6_bodies_are_read_as_peers_write_them() {
        for (body, expected) in [
            ("Signal=5\r\nDuration=160\r\n", '5'),
            ("Signal= 1\nDuration= 250\n", '1'),
            ("Duration=160\r\nsignal = 0", '0'),
            ("Signal=10\r\nDuration=100", '*'),
            ("Signal=11", '#'),
            ("Signal=*", '*'),
            ("SIGNAL=#\r\n", '#'),
            ("Signal=a", 'A'),
            ("Signal=15", 'D'),
        ] {
            assert_eq!(relay(body), Some(expected), "{body}");
        }
    }

    #[test]
    fn sip_6_the_plain_type_holds_a_bare_digit() {
        for (body, expected) in
            [("5", '5'), (" 7\r\n", '7'), ("10", '*'), ("11", '#'), ("Signal=3", '3')]
        {
            assert_eq!(
                key("Application/DTMF; charset=utf-8", body.as_bytes()).map(shown),
                Some(expected)
            );
        }
    }

    #[test]
    fn sip_5_what_is_no_key_is_ignored() {
        for body in [
            "",
            "Signal=",
            "Signal=16",
            "Signal=123",
            "Signal=!",
            "Duration=160",
            "Signal=５",
            "Signal=-1",
        ] {
            assert_eq!(relay(body), None, "{body}");
        }
        assert_eq!(key("application/media_control+xml", b"5"), None);
        assert_eq!(key("application/dtmf", &[0xFF, 0xFE]), None);
        assert_eq!(key("application/dtmf", &[b' '; 300]), None);
    }
}
