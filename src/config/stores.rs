//! `[sessions]`, `[records]`: where things are kept.

use crate::config::records;
use crate::config::records::RecordsPlace;
use crate::config::sessions;
use crate::config::sessions::Sessions;
use crate::config::table::Table;

/// Where things are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stores {
    /// Live state.
    pub sessions: Sessions,
    /// Durable truth.
    pub records: RecordsPlace,
}

pub(crate) fn read(root: &mut Table<'_>) -> Stores {
    Stores {
        sessions: sessions::read(root.table("sessions")),
        records: records::read(root.table("records")),
    }
}
