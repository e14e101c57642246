//! `[audit]`: signed checkpoints of the audit chain.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::table::Table;

/// Where checkpoints go, and who signs them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audit {
    /// Folder of the files of checkpoints; none: beside the records, where they help little.
    pub checkpoints: Option<PathBuf>,
    /// File of the 32 secret bytes that sign; none: in the state folder.
    pub key_file: Option<PathBuf>,
    /// How often one is signed at most, where the chain grew.
    pub every: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Audit {
    let audit = Audit {
        checkpoints: table.path("checkpoints"),
        key_file: table.path("key_file"),
        every: table.seconds("every_s", 60, 1..=3_600),
    };
    table.end();
    audit
}
