//! Parameters of a header field: `;name=value`.

use std::fmt;

use crate::sip::message::Malformed;
use crate::sip::message::text;

/// The parameters behind a name-addr or a Via, in order.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Params(Vec<Param>);

#[derive(Clone, Eq, PartialEq)]
struct Param {
    name: String,
    value: Option<Value>,
}

#[derive(Clone, Eq, PartialEq)]
enum Value {
    Plain(String),
    Quoted(String),
}

impl Params {
    /// Reads `a=b;c="d"`, without the semicolon before it. One empty parameter at the end is let
    /// pass, as some gateways write it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut params = Vec::new();
        let mut parts = text::split_top(text, ';').peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() && parts.peek().is_none() {
                break;
            }
            params.push(Param::parse(part)?);
        }
        Ok(Self(params))
    }

    /// `None`: not there. `Some(None)`: there without a value. Quoted values come without quotes.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        let param = self.0.iter().find(|param| param.is(name))?;
        Some(param.value.as_ref().map(Value::as_str))
    }

    /// The parameter's value, if it has one that is not empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten().filter(|value| !value.is_empty())
    }

    /// Sets a parameter, in its old place if it was there; quotes the value if it must be.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(|value| match text::one_line(value).into_owned() {
            plain if is_plain(&plain) => Value::Plain(plain),
            other => Value::Quoted(other),
        });
        match self.0.iter_mut().find(|param| param.is(name)) {
            Some(param) => param.value = value,
            None => self.0.push(Param { name: text::token_of(name), value }),
        }
    }

    /// How often the parameter is there: twice means that two readers may read two values.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|param| param.is(name)).count()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Param {
    fn parse(part: &str) -> Result<Self, Malformed> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end_matches(text::LWS), Some(value)),
            None => (part, None),
        };
        if !text::is_token(name) {
            return Err(Malformed("parameter name"));
        }
        let value = value.map(|value| Value::parse(value.trim_matches(text::LWS))).transpose()?;
        Ok(Self { name: name.to_owned(), value })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Value {
    fn parse(text: &str) -> Result<Self, Malformed> {
        if text.starts_with('"') {
            return match text::quoted(text) {
                Some((value, "")) => Ok(Self::Quoted(value)),
                _ => Err(Malformed("quoted parameter")),
            };
        }
        // `;tag=` is what some gateways write for "none".
        if text.is_empty() || is_plain(text) {
            Ok(Self::Plain(text.to_owned()))
        } else {
            Err(Malformed("parameter value"))
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Plain(value) | Self::Quoted(value) => value,
        }
    }
}

/// Wider than `token` (tags and branches of old senders hold `=`, `@` or `:`), but without
/// anything that could end the parameter for another reader.
fn is_plain(value: &str) -> bool {
    let unsafe_char = |c: char| c.is_whitespace() || c.is_control() || "\"<>;,\\".contains(c);
    !value.is_empty() && !value.contains(unsafe_char)
}

/// Each parameter with its semicolon, ready to be appended.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Param { name, value } in &self.0 {
            match value {
                None => write!(f, ";{name}")?,
                Some(Value::Plain(value)) => write!(f, ";{name}={value}")?,
                Some(Value::Quoted(value)) => write!(f, ";{name}={}", text::quote(value))?,
            }
        }
        Ok(())
    }
}

/// Names only, as for the header fields.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|param| &param.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn sip_9_a_quoted_parameter_cannot_forge_the_tag() {
        let params = Params::parse(r#"x=";tag=forged" ; TAG = true1"#).unwrap();
        assert_eq!(params.get("tag"), Some(Some("true1")));
        assert_eq!(params.get("X"), Some(Some(";tag=forged")));
        assert_eq!(params.to_string(), r#";x=";tag=forged";TAG=true1"#);
    }

    #[test]
    fn a_parameter_may_lack_a_value() {
        let params = Params::parse("lr;rport=;").unwrap();
        assert_eq!(params.get("lr"), Some(None));
        assert_eq!(params.get("rport"), Some(Some("")));
        assert_eq!(params.value("rport"), None);
        assert_eq!(params.get("ttl"), None);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for text in [
            r#"a="open"#,
            r#"a="b"c"#,
            r#"a=b"c""#,
            "a=b c",
            "a=b,c",
            "a;;b",
            "=b",
            "a b=c",
            "a=<b>",
        ] {
            assert!(Params::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn set_replaces_and_quotes() {
        let mut params = Params::parse("rport;branch=z9hG4bK1").unwrap();
        params.set("RPORT", Some("5060"));
        params.set("text", Some("a\r\n;b"));
        assert_eq!(params.to_string(), ";rport=5060;branch=z9hG4bK1;text=\"a  ;b\"");
    }
}
