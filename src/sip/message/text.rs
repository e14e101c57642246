//! The lexical ground rules: tokens, quoted strings, lists, characters we did not expect.

use std::borrow::Cow;

/// White space within a header field, once it is unfolded.
pub(crate) const LWS: [char; 2] = [' ', '\t'];

/// Whether the text is a `token` of RFC 3261, section 25.1.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The text without anything that may not stand in a `token`: what is left adds no line.
pub(crate) fn token_of(text: &str) -> String {
    text.chars().filter(|&c| u8::try_from(c).is_ok_and(is_token_byte)).collect()
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Reads digits and nothing but digits; `None` also if they do not fit.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    let digits_only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits_only { text.parse().ok() } else { None }
}

/// Reads bytes as UTF-8 or, if they are not, as Latin-1: an old switch's umlaut costs no call.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// One line of text, whatever came in: a line end would let its sender add header lines.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.replace(['\r', '\n'], " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// Takes the quoted string at the start of `text`: its content, unescaped, and what follows.
///
/// `None` if there is none or it is not closed.
pub(crate) fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut content = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((content, inner.get(at + 1..)?)),
            '\\' => content.push(chars.next()?.1),
            _ => content.push(c),
        }
    }
    None
}

/// Puts text in quotes, such that [`quoted`] reads it back.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Splits at each `separator` that stands neither in quotes nor in angle brackets; trims the parts.
pub(crate) fn split_top(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = match top_level(text, separator) {
            Some(at) => (text.get(..at), text.get(at + separator.len_utf8()..)),
            None => (Some(text), None),
        };
        rest = after;
        part.map(|part| part.trim_matches(LWS))
    })
}

/// Where the first `separator` outside quotes and angle brackets stands.
fn top_level(text: &str, separator: char) -> Option<usize> {
    let (mut in_quotes, mut in_brackets, mut escaped) = (false, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' if !in_brackets => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '<' => in_brackets = true,
            '>' => in_brackets = false,
            _ if c == separator && !in_brackets => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decode;
    use super::one_line;
    use super::quote;
    use super::quoted;
    use super::split_top;

    #[test]
    fn a_comma_in_a_name_or_a_uri_does_not_split_the_list() {
        let list = r#""Doe, \"Jo,\" J" <sip:a,b@c> , <sip:d>;x=",""#;
        let parts: Vec<_> = split_top(list, ',').collect();
        assert_eq!(parts, [r#""Doe, \"Jo,\" J" <sip:a,b@c>"#, r#"<sip:d>;x=",""#]);
    }

    #[test]
    fn what_is_not_utf_8_is_latin_1() {
        assert_eq!(decode(b"M\xFCller"), "Müller");
        assert_eq!(decode("Müller".as_bytes()), "Müller");
    }

    #[test]
    fn an_open_quote_is_no_quoted_string() {
        assert_eq!(quoted(r#""open"#), None);
        assert_eq!(quoted(r#""open\""#), None);
        assert_eq!(quoted(r#""a\"b" c"#), Some((r#"a"b"#.to_owned(), " c")));
    }

    proptest! {
        #[test]
        fn quoting_loses_nothing(text in any::<String>()) {
            let quoted_text = quote(&text);
            prop_assert_eq!(quoted(&quoted_text), Some((text, "")));
        }

        #[test]
        fn splitting_loses_no_part(text in "[a-z,\"<>\\\\ ]{0,40}") {
            let parts = split_top(&text, ',').map(str::len).sum::<usize>();
            prop_assert!(parts <= text.len());
        }

        #[test]
        fn one_line_is_one_line(text in any::<String>()) {
            prop_assert!(!one_line(&text).contains(['\r', '\n']));
        }
    }
}
