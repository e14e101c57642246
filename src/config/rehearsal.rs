//! `[rehearsal]`: for tests and drills, never for service.

use std::time::Duration;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// What is different in a rehearsal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rehearsal {
    /// By how much the daemon's whole calendar runs ahead.
    pub clock_ahead: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Rehearsal {
    let rehearsal = Rehearsal { clock_ahead: table.parsed("clock_ahead", Duration::ZERO, span) };
    table.end();
    rehearsal
}

/// `90s`, `15m`, `12h` or `7d`, up to ten years.
fn span(text: &str) -> Result<Duration, Complaint> {
    const LONGEST: u64 = 10 * 366 * 86_400;
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let read = || number.parse::<u64>().ok()?.checked_mul(seconds?).filter(|all| *all <= LONGEST);
    let wrong = || complaint("is no span of time", "write for example 0s, 90s, 15m, 12h or 7d");
    read().map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        assert_eq!(span("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        for wrong in ["", "7", "d", "-1d", "7w", "99999999999999999999d", "4000d", "é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
