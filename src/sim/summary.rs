//! Many calls in a few numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::sim::report::CallReport;

/// What came of a row of calls.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// How many calls there were.
    pub calls: usize,
    /// How many ended as the daemon intended.
    pub as_intended: usize,
    /// How many ended in which way.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// From INVITE to its final response.
    pub answer_ms: Spread,
    #[serde(skip)]
    answers: Vec<u64>,
}

/// How a quantity is spread over the calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the calls were no slower.
    pub p50: u64,
    /// 95 in a hundred were no slower.
    pub p95: u64,
    /// 99 in a hundred were no slower.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl Summary {
    /// Counts a call.
    pub fn add(&mut self, report: &CallReport, as_intended: bool) {
        self.calls += 1;
        self.as_intended += usize::from(as_intended);
        *self.outcomes.entry(report.outcome.word()).or_default() += 1;
        self.answers.extend(report.answer_ms);
    }

    /// Works out the percentiles, once all calls are counted.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.answers.sort_unstable();
        self.answer_ms = Spread::of(&self.answers);
        self
    }
}

impl Spread {
    /// Of values in rising order; all zero without any.
    fn of(sorted: &[u64]) -> Self {
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(rank).copied().unwrap_or_default()
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

/// A few lines for people.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls, {} as intended", self.calls, self.as_intended)?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {outcome:<16} {count}")?;
        }
        let Spread { p50, p95, p99, max } = self.answer_ms;
        write!(f, "  answer in ms     p50 {p50}, p95 {p95}, p99 {p99}, max {max}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::report::Outcome;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(Spread::of(&hundred), Spread { p50: 50, p95: 95, p99: 99, max: 100 });
        assert_eq!(Spread::of(&[7]), Spread { p50: 7, p95: 7, p99: 7, max: 7 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn a_summary_counts_by_outcome() {
        let mut summary = Summary::default();
        for (status, answer_ms) in [(503, 4), (403, 9)] {
            let outcome = Outcome::Rejected { status };
            summary.add(
                &CallReport { outcome, answer_ms: Some(answer_ms), ..CallReport::default() },
                false,
            );
        }
        summary.add(&CallReport::failed("no answer"), false);
        let shown = summary.finish().to_string();
        let expected = "3 calls, 0 as intended\n  failed           1\n  rejected         2\n  \
                        answer in ms     p50 4, p95 9, p99 9, max 9";
        assert_eq!(shown, expected);
    }
}
