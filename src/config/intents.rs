//! `[intents]`: one-time handles of the app.

use std::time::Duration;

use crate::config::table::Table;

/// One-time handles of the app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Intents {
    /// How long a handle may be used when the app names no time.
    pub ttl: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Intents {
    let intents = Intents { ttl: table.seconds("ttl_s", 120, 1..=3_600) };
    table.end();
    intents
}
