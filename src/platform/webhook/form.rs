//! `application/x-www-form-urlencoded`: bodies of one vendor, queries of all. Pure.

/// Fields in one form at the most; vendors send a few dozen.
const FIELDS_MAX: usize = 512;

/// The fields in their order, decoded. Blind: one of them may be a key that was pressed.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body or a query; `None`: more fields than anybody sends, or no text.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        let mut fields = vec![];
        for part in parts {
            if fields.len() >= FIELDS_MAX {
                return None;
            }
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let mut next = || decoded(halves.next().unwrap_or_default());
            fields.push((next()?, next()?));
        }
        Some(Self(fields))
    }

    /// The first value of a field, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, further @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = further;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

fn nibble(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_and_vendors_write_it() {
        let form = Form::read(b"From=%2B4420+79&Name=M%C3%BCller&&Empty=&Bare&Odd=100%&Odd=2");
        let form = form.expect("a form");
        assert_eq!(form.get("From"), Some("+4420 79"));
        assert_eq!(form.get("Name"), Some("Müller"));
        assert_eq!((form.get("Empty"), form.get("Bare"), form.get("None")), (None, None, None));
        assert_eq!(form.get("Odd"), Some("100%"), "the first");
        assert_eq!(form.iter().count(), 6);
        assert!(Form::read(b"a=%FF").is_none(), "no text");
        assert!(Form::read(&b"a=1&".repeat(FIELDS_MAX + 1)).is_none());
    }
}
