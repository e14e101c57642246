//! Text inside URLs.

use std::fmt::Write;

/// Percent-encoded (RFC 3986 §2.3), so that it stays one part of a path or one value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(encoded("a b+ü&/?"), "a%20b%2B%C3%BC%26%2F%3F");
        assert_eq!(encoded("A-._~9"), "A-._~9");
    }
}
