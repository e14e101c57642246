//! What a profile says about the time after a call.

use serde::Deserialize;
use serde::Serialize;

use crate::model::time::Timestamp;

/// `[follow_up]` of a profile. The defaults are S0's words.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Documents that go out when a block could not be lifted by a call (C73).
    pub letters: Vec<String>,
    /// The reminder, where an SMS is not appropriate (C75).
    pub reminder: String,
    /// The subject of the letters (C73).
    pub subject: String,
    /// Days from the letters to the reminder (C74, C85).
    pub days: u16,
    /// Days from the reminder to closing for want of a response (C78).
    pub response_days: u16,
    /// Whether a reminder may go by SMS to customers flagged [`Rules::SMS_OK`] (C74, X27).
    pub sms_allowed: bool,
    /// Where the bogus caller form is found (C81). Empty: not said.
    pub sasc_link: String,
    /// The start date that sorts a note first (C42); a display value, the flag is the truth (X29).
    pub future_date: Date,
    /// What is entered when nobody responds (C78).
    pub close: CloseValues,
    /// The outcome of a call that failed for good (C69).
    pub failed_outcome: String,
    /// Whether the owner is told when an account becomes blocked (5.8).
    pub notify_owner: bool,
}

/// The values that close a service request nobody responded to, in the order of C78.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloseValues {
    /// SR Sub Status.
    pub sub_status: String,
    /// Outcome of the activity plan.
    pub outcome: String,
    /// Resolution Code.
    pub resolution: String,
}

/// A calendar date, `YYYY-MM-DD`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(String);

impl Rules {
    /// The customer flag that permits messages by SMS.
    pub const SMS_OK: &'static str = "sms_ok";
    /// The customer flag of a case at application stage (C76).
    pub const APPLICATION_STAGE: &'static str = "application_stage";
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            letters: vec!["CMSL9800".into(), "FT9800".into()],
            reminder: "CMSL9801".into(),
            subject: "We need to update your security details".into(),
            days: 7,
            response_days: 7,
            sms_allowed: true,
            sasc_link: String::new(),
            future_date: Date("2035-01-01".into()),
            close: CloseValues::default(),
            failed_outcome: "Failed ID Security Check".into(),
            notify_owner: false,
        }
    }
}

impl Default for CloseValues {
    fn default() -> Self {
        Self {
            sub_status: "CoC Decline".into(),
            outcome: "CoC Declined".into(),
            resolution: "CoC Rejected".into(),
        }
    }
}

impl Date {
    /// As S0's screens show it: `DD/MM/YYYY`.
    #[must_use]
    pub fn day_first(&self) -> String {
        let parts: Vec<&str> = self.0.splitn(3, '-').collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/")
    }

    /// `YYYY-MM-DD`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Date {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Timestamp::from_date(&text) {
            Some(_) => Ok(Self(text)),
            None => Err("is no date; write YYYY-MM-DD"),
        }
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c42_x29_the_sorting_date_is_configured_and_shown_day_first() {
        assert_eq!(Rules::default().future_date.day_first(), "01/01/2035");
        let rules: Rules = toml::from_str("future_date = \"2045-12-31\"").expect("rules");
        assert_eq!(rules.future_date.day_first(), "31/12/2045");
        assert!(toml::from_str::<Rules>("future_date = \"soon\"").is_err());
        assert!(toml::from_str::<Rules>("letter = \"x\"").is_err(), "an unknown key is an error");
    }

    #[test]
    fn c73_c75_the_defaults_are_the_words_of_the_source() {
        let rules = Rules::default();
        assert_eq!(rules.letters, ["CMSL9800", "FT9800"]);
        assert_eq!((rules.reminder.as_str(), rules.days), ("CMSL9801", 7));
        assert_eq!(rules.subject, "We need to update your security details");
    }
}
