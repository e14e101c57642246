//! `[pin]`: what a PIN check costs, and how many wait.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::table::Table;

/// The cost of a PIN check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pin {
    /// File of the 32 secret bytes mixed into every tag; none: in the state folder.
    pub pepper_file: Option<PathBuf>,
    /// Memory of one argon2id run, in KiB.
    pub memory_kib: u32,
    /// Passes of one argon2id run.
    pub iterations: u32,
    /// Runs at a time; none: one per core.
    pub permits: Option<usize>,
    /// Checks that may wait for a run; further ones are unavailable at once.
    pub queue: usize,
    /// How long a check may wait for a run.
    pub wait: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Pin {
    let permits = table.number("permits", 0, 0..=1_024);
    let pin = Pin {
        pepper_file: table.path("pepper_file"),
        memory_kib: table.number("memory_kib", 19_456, 8..=1_048_576),
        iterations: table.number("iterations", 2, 1..=100),
        permits: (permits > 0).then_some(permits),
        queue: table.number("queue", 64, 1..=100_000),
        wait: table.millis("wait_ms", 2_000, 10..=60_000),
    };
    table.end();
    pin
}
