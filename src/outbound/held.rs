//! The number that is rung: one that is held for the customer, on no other (C52, C71).

use std::time::Duration;

use crate::model::customer::NumberOnFile;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;

/// A number that may be rung.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// The number.
    pub number: PhoneNumber,
    /// Whether it has been on file long enough (X07; undated counts as old).
    pub age_ok: bool,
}

/// Why no number may be rung.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotHeld {
    /// There is none: it has to be traced (C53).
    #[error("no number is on file for this customer; have one traced first")]
    NoNumber,
    /// The one that was asked for is not on file.
    #[error("this number is not on file for the customer; ring one that is")]
    NotOnFile,
}

/// The number to ring: the one asked for, else the one that has been on file the longest.
pub fn held(
    on_file: &[NumberOnFile],
    asked: Option<&PhoneNumber>,
    age: Duration,
    now: Timestamp,
) -> Result<Held, NotHeld> {
    if on_file.is_empty() {
        return Err(NotHeld::NoNumber);
    }
    let fits = |held: &&NumberOnFile| asked.is_none_or(|asked| held.number == *asked);
    let oldest = on_file.iter().filter(fits).min_by_key(|held| held.since);
    let oldest = oldest.ok_or(NotHeld::NotOnFile)?;
    let age_ok = oldest.since.is_none_or(|since| now.since(since) >= age);
    Ok(Held { number: oldest.number.clone(), age_ok })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const DAY: u64 = 24 * 3_600_000;

    fn number(end: u8) -> PhoneNumber {
        PhoneNumber::from_str(&format!("+44207946{end:04}")).expect("a number")
    }

    fn on_file(end: u8, since_day: Option<u64>) -> NumberOnFile {
        NumberOnFile { number: number(end), since: since_day.map(|day| Timestamp(day * DAY)) }
    }

    #[test]
    fn c71_only_a_number_held_is_rung_and_c53_none_is_traced() {
        let rung = |numbers: &[NumberOnFile], asked: Option<u8>| {
            let (asked, month) = (asked.map(number), Duration::from_hours(24 * 30));
            held(numbers, asked.as_ref(), month, Timestamp(100 * DAY))
        };
        let found = |end, age_ok| Ok(Held { number: number(end), age_ok });
        let two = [on_file(1, Some(90)), on_file(2, Some(10))];
        assert_eq!(rung(&[], None), Err(NotHeld::NoNumber));
        assert_eq!(rung(&[], Some(1)), Err(NotHeld::NoNumber));
        assert_eq!(rung(&two, Some(3)), Err(NotHeld::NotOnFile));
        assert_eq!(rung(&two, None), found(2, true));
        assert_eq!(rung(&two, Some(1)), found(1, false), "changed ten days ago");
        assert_eq!(rung(&[on_file(1, Some(70))], None), found(1, true), "thirty days to the hour");
        let undated = [on_file(1, Some(10)), on_file(2, None)];
        assert_eq!(rung(&undated, None), found(2, true), "undated counts as old");
    }
}
