//! How values look in a database: times and numbers with a sign, parts of a record as JSON.

use crate::model::customer::Customer;
use crate::model::digits::SecretText;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::AttemptId;
use crate::records::AttemptsOfCall;
use crate::records::RecordsError;
use crate::records::Settlement;

/// A database's integers have a sign, ours that are stored do not reach it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn time(stored: i64) -> Timestamp {
    Timestamp(u64::try_from(stored).unwrap_or_default())
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Writes a part of a record that is kept as JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, RecordsError> {
    serde_json::to_string(value).map_err(|error| RecordsError::Unavailable(error.to_string()))
}

/// Reads it back; the message names the record and not its contents.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    text: &str,
    record: &str,
) -> Result<T, RecordsError> {
    serde_json::from_str(text).map_err(|_| RecordsError::Corrupt(record.to_owned()))
}

pub(super) fn id<T: TryFrom<String>>(text: String) -> Result<T, RecordsError> {
    T::try_from(text).map_err(|_| RecordsError::Corrupt("id".into()))
}

/// Whether two records say the same. Secret texts have no equality of their own, on purpose.
pub(super) fn same(one: &Customer, other: &Customer) -> bool {
    fn answers(customer: &Customer) -> impl Iterator<Item = (&FactKey, &str)> {
        customer.facts.iter().map(|(key, answer)| (key, answer.expose()))
    }
    one.id == other.id
        && one.keypad_id == other.keypad_id
        && one.name == other.name
        && one.role == other.role
        && one.represents == other.represents
        && one.numbers == other.numbers
        && one.email.as_ref().map(SecretText::expose)
            == other.email.as_ref().map(SecretText::expose)
        && one.language == other.language
        && one.flags == other.flags
        && answers(one).eq(answers(other))
}

impl Settlement {
    /// The word it is kept under.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::Void => "void",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Correct, Self::Wrong, Self::Void].into_iter().find(|how| how.word() == word)
    }
}

impl AttemptsOfCall {
    /// Of the settlements of a call in their order, and of its results (failed, passed).
    pub(super) fn of(settled: &[Option<String>], results: &[(bool, bool)]) -> Option<Self> {
        if settled.is_empty() && results.is_empty() {
            return None;
        }
        let settled = settled.iter().flatten().filter_map(|word| Settlement::from_word(word));
        let counted: Vec<_> = settled.filter(|how| *how != Settlement::Void).collect();
        Some(Self {
            entries: u8::try_from(counted.len()).unwrap_or(u8::MAX),
            last: counted.last().copied(),
            call_failed: results.iter().any(|(failed, passed)| *failed && !passed),
            passed: results.iter().any(|(_, passed)| *passed),
        })
    }
}

/// Says in the log that an attempt was counted which nobody came back for.
pub(super) fn left_open(attempt: AttemptId, after: &AccountAfter) {
    tracing::warn!(attempt = attempt.0, standing = ?after.standing, "attempt without a verdict counted as wrong");
}
