//! The shapes of a profile's TOML, before anything is checked.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;
use toml::Spanned;

use crate::model::caller::NumberTrust;
use crate::model::ids::FactKey;
use crate::policy::CaptureRules;
use crate::policy::Lanes;
use crate::policy::PartyRule;
use crate::policy::questions::Question;
use crate::policy::questions::QuestionSet;
use crate::policy::questions::Reveal;
use crate::policy::questions::Secrecy;

/// A day; profiles count in days.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// What stands at the top of a profile beside its sections.
pub(super) const HEAD: &[&str] = &[
    "name",
    "number_trust",
    "number_age_days",
    "party",
    "lanes",
    "second_person_unblock",
    "never_say",
];

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) number_trust: NumberTrust,
    pub(super) number_age_days: u16,
    pub(super) party: PartyRule,
    pub(super) lanes: Lanes,
    pub(super) second_person_unblock: bool,
    pub(super) never_say: Vec<String>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            name: String::new(),
            number_trust: NumberTrust::Medium,
            number_age_days: 30,
            party: PartyRule::default(),
            lanes: Lanes::default(),
            second_person_unblock: false,
            never_say: vec![],
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCapture {
    pub(super) attempts: u8,
    pub(super) digit_timeout_ms: u32,
    pub(super) reprompts: u8,
    pub(super) customer_number_timeout_ms: u32,
}

impl Default for RawCapture {
    fn default() -> Self {
        Self {
            attempts: 2,
            digit_timeout_ms: 8_000,
            reprompts: 2,
            customer_number_timeout_ms: 20_000,
        }
    }
}

impl RawCapture {
    pub(super) fn rules(&self) -> CaptureRules {
        CaptureRules {
            attempts: self.attempts,
            digit_timeout: Duration::from_millis(self.digit_timeout_ms.into()),
            reprompts: self.reprompts,
            customer_number_timeout: Duration::from_millis(self.customer_number_timeout_ms.into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawWrapUp {
    pub(super) agent_seconds: u32,
    pub(super) linger_seconds: u32,
}

impl Default for RawWrapUp {
    fn default() -> Self {
        Self { agent_seconds: 120, linger_seconds: 30 }
    }
}

/// A catalogue entry as written; alone, a text is the whole entry.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuestion {
    pub(super) text: String,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) secrecy: Secrecy,
    #[serde(default)]
    pub(super) blind: bool,
    #[serde(default)]
    pub(super) disclosable: bool,
    pub(super) unasked_days_after_disclosure: Option<u16>,
    #[serde(default)]
    pub(super) not_when: Vec<String>,
    #[serde(default)]
    pub(super) identifies: bool,
}

impl From<&str> for RawQuestion {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

impl RawQuestion {
    pub(super) fn question(self) -> Question {
        let days = self.unasked_days_after_disclosure;
        Question {
            text: self.text,
            group: self.group,
            secrecy: self.secrecy,
            blind: self.blind,
            disclosable: self.disclosable,
            unasked_after_disclosure: days.map(|days| DAY * u32::from(days)),
            not_when: self.not_when,
            identifies: self.identifies,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSet {
    pub(super) required: u8,
    pub(super) reveal: Reveal,
    pub(super) ask: Vec<Spanned<TextOr<Ask>>>,
    pub(super) draw: Option<u8>,
    #[serde(default)]
    pub(super) one_per_group: bool,
    #[serde(default)]
    pub(super) private_required: u8,
    #[serde(default)]
    pub(super) avoid_recent: bool,
}

impl RawSet {
    pub(super) fn set(self, ask: Vec<(FactKey, String)>) -> QuestionSet {
        QuestionSet {
            required: self.required,
            reveal: self.reveal,
            ask,
            draw: self.draw,
            one_per_group: self.one_per_group,
            private_required: self.private_required,
            avoid_recent: self.avoid_recent,
        }
    }
}

/// One question of a set: a key of the catalogue, where needed with words of its own (B12).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) key: String,
    pub(super) text: Option<String>,
}

impl From<&str> for Ask {
    fn from(key: &str) -> Self {
        Self { key: key.to_owned(), text: None }
    }
}

/// A text, or a table with more to say.
pub(super) struct TextOr<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + for<'a> From<&'a str>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + for<'a> From<&'a str>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a table")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr(T::from(text)))
            }
            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(table)).map(TextOr)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}
