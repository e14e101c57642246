//! Telephone numbers in E.164 form.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// A telephone number in E.164 form: `+`, then 7 to 15 digits. Logs show its end only.
#[derive(Clone, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// The text is no telephone number we can place. It is not kept: it may be personal data.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an E.164 number (+ and 7 to 15 digits)")]
pub struct NotE164;

impl PhoneNumber {
    /// Reads a number as trunks and people write it: `+44 20 7946 0123`, `00442079460123`,
    /// `442079460123`, and national forms where `country` (ISO 3166, two letters) is known.
    pub fn parse_lenient(text: &str, country: Option<&str>) -> Result<Self, NotE164> {
        let plain: String =
            text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        if let Some(international) = plain.strip_prefix("00") {
            return Self::from_str(&format!("+{international}"));
        }
        if plain.starts_with('+') {
            return Self::from_str(&plain);
        }
        if !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotE164);
        }
        if let Some(country) = country {
            let country = country.to_ascii_uppercase().parse().map_err(|_| NotE164)?;
            let parsed = phonenumber::parse(Some(country), &plain).map_err(|_| NotE164)?;
            return Self::from_str(&parsed.format().mode(phonenumber::Mode::E164).to_string());
        }
        Self::from_str(&format!("+{plain}"))
    }

    /// The whole number, `+` first. Personal data: for look-ups and records, not for logs.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// The last four digits behind dots, as a desktop shows it (C29).
    #[must_use]
    pub fn masked(&self) -> String {
        let tail = self.0.len().saturating_sub(4);
        format!("••••••{}", self.0.get(tail..).unwrap_or_default())
    }
}

impl FromStr for PhoneNumber {
    type Err = NotE164;
    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').ok_or(NotE164)?;
        let well_formed = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotE164) }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotE164;
    fn try_from(text: String) -> Result<Self, NotE164> {
        Self::from_str(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_trunks_write_them() {
        for (text, country, number) in [
            ("+442079460123", None, "+442079460123"),
            ("+44 (20) 7946-0123", None, "+442079460123"),
            ("00442079460123", None, "+442079460123"),
            ("442079460123", None, "+442079460123"),
            ("020 7946 0123", Some("GB"), "+442079460123"),
            ("2125550123", Some("us"), "+12125550123"),
        ] {
            let read = PhoneNumber::parse_lenient(text, country);
            assert_eq!(read.as_ref().map(PhoneNumber::as_e164), Ok(number), "{text}");
        }
        for wrong in ["", "anonymous", "+0123456789", "+123", "1000", "+12345678901234567"] {
            assert_eq!(PhoneNumber::parse_lenient(wrong, None), Err(NotE164), "{wrong}");
        }
    }

    #[test]
    fn c29_only_the_last_four_digits_are_shown() {
        let number = PhoneNumber::from_str("+442079460123").expect("a number");
        assert_eq!(format!("{number:?}"), "PhoneNumber(••••••0123)");
    }
}
