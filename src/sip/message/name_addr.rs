//! Who is meant: `"Display name" <uri>;params`, as in From, To, Contact and P-Asserted-Identity.

use std::fmt;

use crate::sip::message::Malformed;
use crate::sip::message::Params;
use crate::sip::message::Uri;
use crate::sip::message::text;

/// A URI with a display name and parameters.
#[derive(Clone, Eq, PartialEq)]
pub struct NameAddr {
    /// The display name without quotes and escapes. Whoever writes it chooses it freely.
    pub display: Option<String>,
    /// Whom it names.
    pub uri: Uri,
    /// The parameters of the header field, not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// Reads one element. Nothing inside quotes is ever taken for an address.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim_matches(text::LWS);
        if let Some((display, rest)) = text::quoted(text) {
            let rest = rest.trim_start_matches(text::LWS).strip_prefix('<');
            return Self::parse_bracketed(Some(display), rest.ok_or(Malformed("name-addr"))?);
        }
        match text.find(['<', '"', ';']) {
            Some(at) if text.get(at..).is_some_and(|rest| rest.starts_with('<')) => {
                let (display, rest) = text.split_at(at);
                let display = display.trim_matches(text::LWS);
                // No list, no second address: `sip:vip@bank <sip:mallory@evil>` is refused.
                if display.contains([',', ':', '@', '>', '\\']) {
                    return Err(Malformed("display name"));
                }
                let display = (!display.is_empty()).then(|| display.to_owned());
                Self::parse_bracketed(display, rest.get(1..).unwrap_or_default())
            }
            _ => Self::parse_bare(text),
        }
    }

    /// The value of the `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// What follows the opening bracket.
    fn parse_bracketed(display: Option<String>, text: &str) -> Result<Self, Malformed> {
        let (uri, rest) = text.split_once('>').ok_or(Malformed("name-addr"))?;
        let uri = Uri::parse(uri.trim_matches(text::LWS))?;
        Ok(Self { display, uri, params: params_after(rest)? })
    }

    /// Without brackets, what follows a semicolon belongs to the header field, and a question mark
    /// may not stand at all (RFC 3261, section 20.10).
    fn parse_bare(text: &str) -> Result<Self, Malformed> {
        let (uri, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let uri = uri.trim_matches(text::LWS);
        if uri.contains(['?', ',']) {
            return Err(Malformed("addr-spec"));
        }
        Ok(Self { display: None, uri: Uri::parse(uri)?, params: params_after(rest)? })
    }
}

fn params_after(rest: &str) -> Result<Params, Malformed> {
    match rest.trim_matches(text::LWS) {
        "" => Ok(Params::default()),
        rest => Params::parse(rest.strip_prefix(';').ok_or(Malformed("name-addr"))?),
    }
}

/// Always with brackets, so that the URI keeps its parameters.
impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", text::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// Without the display name: it is personal data.
impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameAddr")
            .field("uri", &self.uri)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NameAddr;

    #[track_caller]
    fn reads(text: &str, display: Option<&str>, uri: &str, tag: Option<&str>) {
        let address = NameAddr::parse(text).expect("an address");
        assert_eq!(address.display.as_deref(), display);
        assert_eq!(address.uri.as_str(), uri);
        assert_eq!(address.tag(), tag);
        assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
    }

    #[test]
    fn sip_2_4_a_display_name_cannot_forge_the_caller() {
        reads(
            r#""<sip:vip@bank>" <sip:mallory@evil>;tag=1"#,
            Some("<sip:vip@bank>"),
            "sip:mallory@evil",
            Some("1"),
        );
        reads(
            r#""a\" <sip:vip@bank>" <sip:m@evil>"#,
            Some("a\" <sip:vip@bank>"),
            "sip:m@evil",
            None,
        );
        reads(r#"sip:m@evil;x="<sip:vip@bank>;tag=2";tag=3"#, None, "sip:m@evil", Some("3"));
        reads(r#"<sip:m@evil>;x="<sip:vip@bank>""#, None, "sip:m@evil", None);
    }

    #[test]
    fn sip_9_the_everyday_forms() {
        reads("Alice <sip:a@b>;tag=1", Some("Alice"), "sip:a@b", Some("1"));
        reads("caller<sip:a@b>", Some("caller"), "sip:a@b", None);
        reads("Müller & Söhne (Bern) <sip:a@b>", Some("Müller & Söhne (Bern)"), "sip:a@b", None);
        reads(r#""" < sip:a@b > ; tag = 1"#, Some(""), "sip:a@b", Some("1"));
        reads("sip:a@b;tag=1;user=phone", None, "sip:a@b", Some("1"));
        reads("tel:+442079460123;tag=9", None, "tel:+442079460123", Some("9"));
        reads("<sip:a@b;tag=uri>", None, "sip:a@b;tag=uri", None);
        reads("<sip:a@b>;tag=", None, "sip:a@b", None);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for text in [
            "",
            "<>",
            "<sip:a@b",
            r#""Mr. J. User <sip:a@b>"#,
            r#""A" "B" <sip:a@b>"#,
            r#""A" sip:a@b"#,
            r#"A"B" <sip:a@b>"#,
            "sip:vip@bank <sip:m@evil>",
            "<sip:a@b> <sip:c@d>",
            "<sip:a@b>, <sip:c@d>",
            "sip:a@b, sip:c@d",
            "Bell, Alexander <sip:a@b>",
            "sip:a@b?Route=x",
            "<sip:a@b>;x=<sip:c@d>",
            "> <sip:a@b>",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_display_name_changes_the_uri(display in any::<String>(), tag in "[a-z0-9]{1,9}") {
            let mut address = NameAddr::parse("<sip:m@evil>").unwrap();
            address.display = Some(display);
            address.params.set("tag", Some(&tag));
            prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
        }
    }
}
