//! `[policy]`: which profile decides.

use std::path::PathBuf;

use crate::config::table::Table;
use crate::config::table::complaint;

/// Which profile decides. Whether it exists is checked when the profiles are loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The profile of queues that name none.
    pub default: String,
    /// Folder of further profiles, `*.toml`, beside the built-in ones.
    pub directory: Option<PathBuf>,
}

pub(crate) fn read(mut table: Table<'_>) -> Policy {
    let default = table.parsed("default", "retail".to_owned(), |text| {
        let wrong = || complaint("is empty", "write the name of a profile, like retail");
        if text.is_empty() { Err(wrong()) } else { Ok(text.to_owned()) }
    });
    let policy = Policy { default, directory: table.path("directory") };
    table.end();
    policy
}
