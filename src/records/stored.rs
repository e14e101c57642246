//! How values look in a database: times and numbers with a sign, parts of a record as JSON.

use crate::model::time::Timestamp;
use crate::records::RecordsError;

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
