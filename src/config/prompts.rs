//! `[prompts]`: the recorded sentences callers hear.

use std::path::PathBuf;

use crate::config::table::Table;
use crate::config::table::complaint;

/// The recorded sentences.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prompts {
    /// Folder of a pack that replaces the built-in one.
    pub directory: Option<PathBuf>,
    /// Language of callers whose record names none.
    pub language: String,
}

pub(crate) fn read(mut table: Table<'_>) -> Prompts {
    let language = table.parsed("language", "en".to_owned(), |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let wrong = || complaint("is no language tag", "write it like en or en-GB");
        if plain && (2..=35).contains(&text.len()) { Ok(text.to_owned()) } else { Err(wrong()) }
    });
    let prompts = Prompts { directory: table.path("directory"), language };
    table.end();
    prompts
}
