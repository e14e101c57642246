//! `[limits]`: how much is too much, and when somebody is told (5.2, 5.3, 5.7).

use crate::config::table::Table;
use crate::limits::Rules;

pub(crate) fn read(mut table: Table<'_>) -> Rules {
    let usual = Rules::default();
    let rules = Rules {
        accounts_per_number: table.number(
            "accounts_per_number",
            usual.accounts_per_number,
            0..=1_000,
        ),
        failures_withheld: table.number("failures_withheld", usual.failures_withheld, 0..=10_000),
        failures_per_prefix: table.number(
            "failures_per_prefix",
            usual.failures_per_prefix,
            0..=10_000,
        ),
        prefix_digits: table.number("prefix_digits", usual.prefix_digits, 1..=15),
        failures_per_trunk: table.number(
            "failures_per_trunk",
            usual.failures_per_trunk,
            0..=10_000,
        ),
        failure_baseline_percent: table.number(
            "failure_baseline_percent",
            usual.failure_baseline_percent,
            5..=50,
        ),
        failure_margin_percent: table.number(
            "failure_margin_percent",
            usual.failure_margin_percent,
            0..=50,
        ),
        reveals_per_agent: table.number("reveals_per_agent", usual.reveals_per_agent, 0..=10_000),
        challenges_per_account: table.number(
            "challenges_per_account",
            usual.challenges_per_account,
            0..=1_000,
        ),
        fast_tick: table.millis("fast_tick_ms", 2_000, 0..=60_000),
        letter_codes_wrong: table.number("letter_codes_wrong", usual.letter_codes_wrong, 0..=1_000),
        answer_bucket: table.millis("answer_bucket_ms", 400, 0..=800),
    };
    table.end();
    rules
}
