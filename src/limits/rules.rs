//! The numbers behind the limits: the section `[limits]`.

use std::time::Duration;

/// How much is too much. Wherever a limit is 0 there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Different accounts that one calling number may ask for in an hour (5.2).
    pub accounts_per_number: u16,
    /// Different accounts for which callers without a number may fail in an hour, all together.
    pub failures_withheld: u16,
    /// Different accounts for which the numbers of one block may fail in an hour.
    pub failures_per_prefix: u16,
    /// Leading digits that make a block of numbers.
    pub prefix_digits: u8,
    /// Different accounts for which the callers of one trunk may fail in an hour.
    pub failures_per_trunk: u16,
    /// Failing checks on a usual day, in percent, to start with; the daemon learns from there.
    pub failure_baseline_percent: u8,
    /// Percentage points above the usual share at which the alarm is raised.
    pub failure_margin_percent: u8,
    /// Answers that one agent may look at in an hour (5.7, X11).
    pub reveals_per_agent: u16,
    /// Challenges of one account in a day from which on an agent is worth a look (5.7).
    pub challenges_per_account: u16,
    /// A tick that comes sooner after the look at the answer was not asked of the caller (5.7).
    pub fast_tick: Duration,
    /// Wrong codes on outbound calls in a day, all customers together (§4.5).
    pub letter_codes_wrong: u16,
    /// What follows the last key comes at a multiple of this time after it, for everybody (5.3).
    pub answer_bucket: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            accounts_per_number: 3,
            failures_withheld: 50,
            failures_per_prefix: 20,
            prefix_digits: 9,
            failures_per_trunk: 500,
            failure_baseline_percent: 15,
            failure_margin_percent: 25,
            reveals_per_agent: 120,
            challenges_per_account: 3,
            fast_tick: Duration::from_secs(2),
            letter_codes_wrong: 3,
            answer_bucket: Duration::from_millis(400),
        }
    }
}
