//! `[pin]`: what a PIN check costs, how many wait, and how PINs are maintained.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::table::Table;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

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
    /// How long an initial PIN is good (P05, facts §3.6: 14 days at the most).
    pub initial_ttl: Duration,
    /// How long a mailed link is good (P25).
    pub link_ttl: Duration,
    /// After how long a registration without its link counts as stuck (P23).
    pub stuck_after: Duration,
    /// From how many stuck registrations on the webmaster is told (P23).
    pub stuck_alarm: u64,
    /// Whether hints are kept and told for voice PINs (X19).
    pub voice_hints: bool,
    /// Whether a second person has to agree to an unblock (5.7).
    pub second_person: SecondPerson,
}

/// Who decides whether an unblock needs a second person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecondPerson {
    /// The profiles in use: one that asks for it is enough.
    Profile,
    /// Always.
    Always,
    /// Never.
    Never,
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
        initial_ttl: table.seconds_of(DAY, "initial_ttl_days", 14, 1..=14),
        link_ttl: table.seconds_of(HOUR, "link_ttl_h", 48, 1..=168),
        stuck_after: table.seconds_of(HOUR, "stuck_after_h", 24, 1..=720),
        stuck_alarm: table.number("stuck_alarm", 20, 1..=1_000_000),
        voice_hints: table.flag("voice_hints", false),
        second_person: table.word(
            "second_person",
            ("profile", SecondPerson::Profile),
            &[("always", SecondPerson::Always), ("never", SecondPerson::Never)],
        ),
    };
    table.end();
    pin
}
