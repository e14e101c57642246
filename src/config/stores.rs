//! `[sessions]`, `[records]`: where things are kept.

use crate::config::records;
use crate::config::records::RecordsPlace;
use crate::config::table::Table;

/// Where things are kept. Live state is in memory: no other store of it is built.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stores {
    /// Durable truth.
    pub records: RecordsPlace,
}

pub(crate) fn read(root: &mut Table<'_>) -> Stores {
    let mut sessions = root.table("sessions");
    sessions.not_built("url", "a store outside the process is", "remove it or write url = \"\"");
    sessions.end();
    Stores { records: records::read(root.table("records")) }
}
