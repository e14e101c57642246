//! The search for secrets in whatever came out of the daemon (P11).
//!
//! What counts as a hit:
//! - a PIN, a password, an answer, a token, a handle, a key file: its text anywhere, also as hexadecimal text,
//!   as base64, or as the list of numbers that a derived `Debug` makes of bytes or digits;
//! - a key of the keypad: callers press `A`–`D`, which nobody else does here. A lone letter is an ordinary
//!   word, so the hits are the shapes in which a key is written: `Signal=A`, a letter or its event code
//!   (12–15) behind a name such as `digit` or `event`, a letter in quotes, and the pairs that were pressed;
//! - a type that holds a secret and whose `Debug` shows anything but its blind form.

use std::collections::BTreeMap;

/// Whatever came out of the daemon, by the place where it came out.
pub(crate) type Outputs = BTreeMap<String, Vec<u8>>;

/// What callers press instead of a PIN, two keys an entry.
pub(crate) const PRESSED: [&str; 5] = ["ABCD", "DCBA", "BDAC", "CADB", "BADC"];

/// The ways in which bytes get into a text.
pub(crate) fn encodings(secret: &[u8]) -> [Vec<u8>; 6] {
    let joined = |write: &dyn Fn(&u8) -> String, between: &str| {
        secret.iter().map(write).collect::<Vec<_>>().join(between).into_bytes()
    };
    [
        secret.to_vec(),
        joined(&|byte| format!("{byte:02x}"), ""),
        joined(&|byte| format!("{byte:02X}"), ""),
        joined(&u8::to_string, ", "),
        // The digits of a PIN as numbers.
        joined(&|byte| char::from(*byte).to_string(), ", "),
        base64(secret).into_bytes(),
    ]
}

/// Base64 without the last, incomplete group: what surrounds the secret does not matter then.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        text.extend([18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63])));
    }
    text
}

pub(crate) fn hits(outputs: &Outputs, secrets: &[(&str, Vec<u8>)]) -> Vec<String> {
    let mut hits = vec![];
    for (name, secret) in secrets {
        for encoded in encodings(secret).iter().filter(|encoded| encoded.len() >= 7) {
            for (place, bytes) in outputs {
                if let Some(at) = find(bytes, encoded) {
                    let around = bytes
                        .get(at.saturating_sub(60)..(at + encoded.len() + 20).min(bytes.len()));
                    let around = plain(around.unwrap_or_default());
                    hits.push(format!("{name} in {place}: …{around}…"));
                }
            }
        }
    }
    hits
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        from += bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(from..)?.starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

/// Text without the colours of a terminal; bytes that are no text become blots.
pub(crate) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Where a text betrays a key that was pressed.
pub(crate) fn keys_in(text: &str) -> Vec<String> {
    let mut hits = vec![];
    for (blind, shows) in
        [("Key(", "•)"), ("SecretKeys(", "**)"), ("SecretText(", "**)"), ("VoicePin(", "**)")]
    {
        let named = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
        let seeing = text.match_indices(blind).filter(|(at, _)| named(*at));
        let seeing = seeing.filter(|(at, _)| !text[at + blind.len()..].starts_with(shows));
        hits.extend(seeing.map(|(at, _)| around(text, at)));
    }
    hits.extend(text.match_indices("Signal=").map(|(at, _)| around(text, at)));
    for name in
        ["digit", "digits", "key", "keys", "event", "code", "codes", "signal", "dtmf", "tone"]
    {
        for (at, _) in text.match_indices(name) {
            let rest = text[at + name.len()..].trim_start_matches(['"', '\\']);
            let Some(value) = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':')) else {
                continue;
            };
            let value = value.trim_start_matches([' ', '"', '\\', '\'', '[', '(']);
            let word: String = value.chars().take_while(char::is_ascii_alphanumeric).collect();
            if ["A", "B", "C", "D", "12", "13", "14", "15"].contains(&word.as_str()) {
                hits.push(around(text, at));
            }
        }
    }
    for letter in ["A", "B", "C", "D"] {
        for quoted in [format!("\"{letter}\""), format!("'{letter}'")] {
            hits.extend(text.match_indices(&quoted).map(|(at, _)| around(text, at)));
        }
    }
    let pairs = PRESSED.iter().flat_map(|letters| [&letters[..2], &letters[2..], letters]);
    let spelt = |pair: &str| pair.chars().map(|c| c.to_string()).collect::<Vec<_>>().join(", ");
    for pair in pairs.flat_map(|pair| [pair.to_owned(), spelt(pair)]) {
        let alone = |at: usize| {
            let before = text[..at].chars().next_back();
            let behind = text[at + pair.len()..].chars().next();
            ![before, behind].into_iter().flatten().any(|c| {
                c.is_alphanumeric() || matches!(c, '+' | '/') || c == '\u{fffd}' || c.is_control()
            })
        };
        hits.extend(
            text.match_indices(&pair).filter(|(at, _)| alone(*at)).map(|(at, _)| around(text, at)),
        );
    }
    hits
}

fn around(text: &str, at: usize) -> String {
    let before: Vec<char> = text[..at].chars().rev().take(60).collect();
    let before: String = before.into_iter().rev().collect();
    let behind: String = text[at..].chars().take(40).collect();
    format!("a key: …{before}{behind}…").replace('\n', " ")
}

#[test]
fn p11_the_search_finds_what_was_planted() {
    let secret = [("PIN", b"6309258".to_vec())];
    for leak in [
        "pin=6309258",
        "0x36333039323538",
        "Bytes([54, 51, 48, 57, 50, 53, 56])",
        "VoicePin([6, 3, 0, 9, 2, 5, 8])",
        "Basic NjMwOTI1OA==",
    ] {
        let outputs = Outputs::from([("log".to_owned(), leak.as_bytes().to_vec())]);
        assert!(!hits(&outputs, &secret).is_empty(), "{leak}");
    }
    for leak in [
        "INFO body Signal=A",
        "Key(12)",
        "Key('A')",
        "SecretKeys([12, 13])",
        r#"{"digit":"A"}"#,
        "digit: 'B'",
        "TelephoneEvent { event: 12, end: false }",
        "DigitGenerated { key: A }",
        "keyed AB",
        "[A, B]",
    ] {
        assert!(!keys_in(leak).is_empty(), "{leak}");
        assert!(
            !keys_in(&plain(format!("\u{1b}[3m{leak}\u{1b}[0m").as_bytes())).is_empty(),
            "{leak}"
        );
    }
    let innocent = "Key(•) FactKey(12) SecretKeys(**) SecretText(**) event: 120 ABBA key=Abc A caller pressed a key: 2 of 2";
    assert_eq!(keys_in(innocent), Vec::<String>::new());
}
