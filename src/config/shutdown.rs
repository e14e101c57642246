//! `[shutdown]`: how long calls may finish.

use std::time::Duration;

use crate::config::table::Table;

/// The way out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shutdown {
    /// How long calls may go on after the signal to stop.
    pub grace: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Shutdown {
    let shutdown = Shutdown { grace: table.seconds("grace_s", 20, 0..=3_600) };
    table.end();
    shutdown
}
