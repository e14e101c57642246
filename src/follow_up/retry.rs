//! When to try again, and what the time is when the clock jumps.

use std::time::Duration;

use crate::model::time::Timestamp;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(15);

/// How long to wait after so many failed attempts: doubling to a quarter of an hour, half of it by
/// chance, so that many items do not come back in step. `random` is uniform over `u64`.
#[must_use]
pub fn retry_after(attempts: u32, random: u64) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(16));
    let whole = FIRST.saturating_mul(doubled).min(LONGEST);
    let half = whole / 2;
    let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(random % span)
}

/// The latest time that was seen: a clock set back does not make a due job wait again (5.16).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HighWater(pub Timestamp);

impl HighWater {
    /// A clock that falls back further than this had been wrong before, and is followed.
    pub const BELIEVED_FOR: Duration = Duration::from_hours(24);

    /// Takes what the clock shows and says what counts.
    pub fn observe(&mut self, shown: Timestamp) -> Timestamp {
        if shown > self.0 || self.0.since(shown) > Self::BELIEVED_FOR {
            self.0 = shown;
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_grow_to_a_quarter_of_an_hour_and_no_further(attempts: u32, random: u64) {
            let wait = retry_after(attempts, random);
            prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
        }
    }

    #[test]
    fn f5_16_a_clock_that_jumps_back_does_not_undo_what_was_due() {
        let mut high = HighWater::default();
        let day = 86_400_000;
        assert_eq!(high.observe(Timestamp(10 * day)), Timestamp(10 * day));
        assert_eq!(high.observe(Timestamp(10 * day - 5_000)), Timestamp(10 * day));
        assert_eq!(high.observe(Timestamp(10 * day + 1)), Timestamp(10 * day + 1));
        assert_eq!(
            high.observe(Timestamp(3 * day)),
            Timestamp(3 * day),
            "ten days was the mistake"
        );
    }
}
