//! Header fields: ordered lines, compared without regard to case or compactness of their names.

use std::fmt;

use crate::sip::message::text;

/// The header fields of a message, in order.
///
/// No value holds a line end, whatever was put in: header lines cannot be smuggled out.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<Header>);

#[derive(Clone, Eq, PartialEq)]
struct Header {
    name: String,
    value: String,
}

impl Headers {
    /// No header fields at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first line of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all lines of that name, in order, each as it stands.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = long_name(name);
        self.0.iter().filter(move |header| header.is(name)).map(|header| header.value.as_str())
    }

    /// The elements of a list field, over all its lines.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.elements(name).collect()
    }

    /// The elements of a list field, read as they are asked for.
    pub(crate) fn elements(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|line| text::split_top(line, ',')).filter(|part| !part.is_empty())
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: &str, value: impl AsRef<str>) {
        self.0.push(Header::new(name, value.as_ref()));
    }

    /// Adds a line before all others.
    pub fn prepend(&mut self, name: &str, value: impl AsRef<str>) {
        self.0.insert(0, Header::new(name, value.as_ref()));
    }

    /// Puts the value in the place of the first line of that name and removes the others.
    pub fn set(&mut self, name: &str, value: impl AsRef<str>) {
        let new = Header::new(name, value.as_ref());
        match self.0.iter().position(|header| header.is(&new.name)) {
            None => self.0.push(new),
            Some(first) => {
                let mut at = 0;
                self.0.retain(|header| {
                    at += 1;
                    at - 1 <= first || !header.is(&new.name)
                });
                if let Some(header) = self.0.get_mut(first) {
                    *header = new;
                }
            }
        }
    }

    /// Removes all lines of that name.
    pub fn remove(&mut self, name: &str) {
        let name = long_name(name);
        self.0.retain(|header| !header.is(name));
    }

    /// Keeps the lines whose name and value satisfy `keep`.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|header| keep(&header.name, &header.value));
    }

    /// All lines in order: name (in its long form) and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Header {
    fn new(name: &str, value: &str) -> Self {
        let name = text::token_of(long_name(name));
        Self { name, value: text::one_line(value).into_owned() }
    }

    fn is(&self, long_name: &str) -> bool {
        self.name.eq_ignore_ascii_case(long_name)
    }
}

/// Names only: values hold numbers, names and credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|header| &header.name)).finish()
    }
}

/// The long form of a compact name (IANA, SIP header fields); any other name unchanged.
fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, value);
        }
        headers
    }

    #[test]
    fn sip_9_compact_and_long_names_are_the_same_field() {
        let headers = headers(&[("v", "one"), ("VIA", "two"), ("Via", "three")]);
        assert_eq!(headers.all("V").collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(headers.get("via"), Some("one"));
    }

    #[test]
    fn a_list_runs_over_lines_and_commas() {
        let headers = headers(&[("Route", "<sip:a;lr>, <sip:b,c>"), ("Route", "<sip:d>,")]);
        assert_eq!(headers.list("route"), ["<sip:a;lr>", "<sip:b,c>", "<sip:d>"]);
    }

    #[test]
    fn set_takes_the_place_of_all_lines_of_that_name() {
        let mut headers = headers(&[("To", "1"), ("Via", "2"), ("t", "3"), ("From", "4")]);
        headers.set("to", "new");
        headers.set("Expires", "60");
        headers.remove("f");
        headers.prepend("Via", "first");
        let lines: Vec<_> = headers.iter().collect();
        assert_eq!(lines, [("Via", "first"), ("to", "new"), ("Via", "2"), ("Expires", "60")]);
    }

    #[test]
    fn no_value_brings_a_line_of_its_own() {
        let headers = headers(&[("Subject", " a\r\nX-Evil: 1\n\r\nbody\r"), ("X\r\nY: Z", "v")]);
        let lines: Vec<_> = headers.iter().collect();
        assert_eq!(lines, [("Subject", "a  X-Evil: 1   body"), ("XYZ", "v")]);
    }

    #[test]
    fn debug_shows_names_only() {
        let headers = headers(&[("Authorization", "Digest response=\"secret\"")]);
        assert_eq!(format!("{headers:?}"), "[\"Authorization\"]");
    }
}
