//! Time as an argument: two clocks, read in one place (`engine/`) and handed down.

use std::fmt;
use std::ops::Add;
use std::ops::Sub;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

/// Milliseconds since 1970-01-01T00:00:00Z. For people, records and tokens; it may jump.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// Time since the process started. For deadlines and waits; it never goes back (5.16).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Uptime(pub Duration);

/// What both clocks showed when an input was taken in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The steady clock.
    pub up: Uptime,
    /// The calendar.
    pub wall: Timestamp,
}

impl Timestamp {
    /// The instant `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with milliseconds, as every frame and record shows it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1000 % 60, ms % 1000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }

    /// Reads RFC 3339 as others write it: any offset, any fraction of a second (cut to milliseconds).
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (time, rest) = (rest.get(..8)?, rest.get(8..)?);
        let (hour, minute, second) = (time.get(..2)?, time.get(3..5)?, time.get(6..)?);
        if time.get(2..3) != Some(":") || time.get(5..6) != Some(":") {
            return None;
        }
        let (fraction, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
        let ms = if fraction.is_empty() { 0 } else { milliseconds(fraction.strip_prefix('.')?)? };
        // A leap second is the last one of its minute.
        let second = number(second, 60)?.min(59);
        let clock = (number(hour, 23)? * 60 + number(minute, 59)?) * 60 + second;
        let local = Self::from_date(date)?.0.checked_add(clock * 1000 + ms)?;
        let offset = match offset.split_at_checked(1)? {
            ("Z" | "z", "") => return Some(Self(local)),
            (sign, offset) => {
                let (hours, minutes) = offset.split_once(':')?;
                let ahead = (number(hours, 23)? * 60 + number(minutes, 59)?) * 60_000;
                (sign == "+", ahead)
            }
        };
        let (ahead, ms) = offset;
        if ahead { local.checked_sub(ms) } else { local.checked_add(ms) }.map(Self)
    }

    /// Midnight UTC of a calendar date written `YYYY-MM-DD`.
    #[must_use]
    pub fn from_date(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if (year.len(), month.len(), day.len()) != (4, 2, 2) {
            return None;
        }
        let (year, month, day): (u64, u64, u64) =
            (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        // Two leap days of slack around the estimate, then exact by the inverse.
        let guess = year.checked_sub(1970)? * 365 + (month.checked_sub(1)?) * 30;
        let found = (guess..guess + 120).find(|days| civil(*days) == (year, month, day));
        found.map(|days| Self(days * 86_400_000))
    }
}

/// Days since 1970-01-01 as (year, month, day), proleptic Gregorian.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// A number of two digits, up to `most`.
fn number(text: &str, most: u64) -> Option<u64> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|number| *number <= most)
}

fn milliseconds(fraction: &str) -> Option<u64> {
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let shown: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.then(|| shown.parse().ok())?
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Uptime {
    type Output = Self;
    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

impl Sub for Uptime {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_305_599_999, "2026-11-21T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp(ms).rfc3339(), text);
        }
    }

    #[test]
    fn rfc_3339_is_read_as_others_write_it() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-21T23:59:59.999Z", Some(1_795_305_599_999)),
            ("2026-11-22t00:59:59.9999+01:00", Some(1_795_305_599_999)),
            ("2026-11-21 18:59:59.999000-05:00", Some(1_795_305_599_999)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000)),
            ("2026-11-21T23:59:59", None),
            ("2026-11-21T24:00:00Z", None),
            ("2026-11-21T23:59:59.Z", None),
            ("2026-11-21T23:59:59+0100", None),
            ("2026-11-21T23:5:59Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2026-11-21", None),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
        ] {
            assert_eq!(Timestamp::from_rfc3339(text).map(|at| at.0), ms, "{text}");
        }
    }

    #[test]
    fn dates_come_back_as_written() {
        for date in ["1970-01-01", "2000-02-29", "2024-12-31", "2026-11-21", "2099-03-01"] {
            let read = Timestamp::from_date(date).map(Timestamp::rfc3339);
            assert_eq!(read.as_deref().map(|text| &text[..10]), Some(date));
        }
        for wrong in ["2026-02-30", "2026-13-01", "26-01-01", "1969-12-31", "today", "2026-00-10"] {
            assert_eq!(Timestamp::from_date(wrong), None, "{wrong}");
        }
    }
}
