//! The share of bad outcomes among all, compared with a usual day (EWMA against a slow baseline).

use std::time::Duration;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;

/// How much the newest outcome weighs: about the last sixty count.
const FAST: f64 = 1.0 / 32.0;
/// How fast a usual day is learned.
const SLOW: f64 = 1.0 / 2000.0;
/// Nothing is said on fewer outcomes.
const OUTCOMES_MIN: u32 = 20;
/// What may pass for a usual day, however long it lasts: an attack must not become one.
const BASELINE: (f64, f64) = (0.05, 0.50);
/// An alarm stays for so long after the share was last too high.
const HOLD: Duration = Duration::from_mins(5);
/// After so long without any outcome nothing is known any more.
const SILENCE: Duration = Duration::from_hours(1);

/// A share that is watched. Raised above baseline + margin, cleared below half of that margin.
#[derive(Debug)]
pub(super) struct Rate {
    margin: f64,
    baseline: f64,
    share: f64,
    outcomes: u32,
    raised: Option<Timestamp>,
    over: Uptime,
    latest: Uptime,
}

impl Rate {
    /// `baseline` and `margin` in percent; a margin of 0 never raises anything.
    pub(super) fn new(baseline: u8, margin: u8) -> Self {
        let baseline = f64::from(baseline) / 100.0;
        Self {
            margin: f64::from(margin) / 100.0,
            baseline,
            share: baseline,
            outcomes: 0,
            raised: None,
            over: Uptime::default(),
            latest: Uptime::default(),
        }
    }

    /// Takes one outcome in. Whether this raised the alarm.
    pub(super) fn observe(&mut self, bad: bool, now: Now) -> bool {
        self.settle(now.up);
        let outcome = f64::from(u8::from(bad));
        self.share += FAST * (outcome - self.share);
        self.outcomes = self.outcomes.saturating_add(1);
        self.latest = now.up;
        if self.raised.is_none() {
            let learned = self.baseline + SLOW * (outcome - self.baseline);
            self.baseline = learned.clamp(BASELINE.0, BASELINE.1);
        }
        let over = self.margin > 0.0
            && self.outcomes >= OUTCOMES_MIN
            && self.share > self.baseline + self.margin;
        if over {
            self.over = now.up;
            if self.raised.is_none() {
                self.raised = Some(now.wall);
                return true;
            }
        }
        false
    }

    /// Since when the alarm stands, if it does.
    pub(super) fn raised(&mut self, now: Uptime) -> Option<Timestamp> {
        self.settle(now);
        self.raised
    }

    /// The share now, in percent.
    pub(super) fn percent(&self) -> f64 {
        (self.share * 100.0).round()
    }

    fn settle(&mut self, now: Uptime) {
        if now - self.latest >= SILENCE {
            (self.share, self.outcomes, self.raised) = (self.baseline, 0, None);
        }
        let calm = self.share < self.baseline + self.margin / 2.0;
        if self.raised.is_some() && calm && now - self.over >= HOLD {
            self.raised = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: u64) -> Now {
        Now { up: Uptime(Duration::from_secs(seconds)), wall: Timestamp(seconds * 1000) }
    }

    /// A fixed sequence that looks like chance (a multiplicative congruential generator).
    fn chance(state: &mut u64) -> f64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(*state >> 32).expect("32 bits")) / f64::from(u32::MAX)
    }

    #[test]
    fn f5_2_a_usual_day_raises_nothing_and_an_attack_in_it_does() {
        for (attack, within) in [(1.0, 40), (0.6, 100), (0.5, 150), (0.0, 0)] {
            let (mut rate, mut state) = (Rate::new(15, 25), 7);
            for nth in 0..20_000 {
                assert!(!rate.observe(chance(&mut state) < 0.12, now(nth)), "call {nth}");
            }
            let raised = (0..3000).position(|nth| {
                let share = if chance(&mut state) < attack { 0.98 } else { 0.12 };
                rate.observe(chance(&mut state) < share, now(20_000 + nth))
            });
            match within {
                0 => assert_eq!(raised, None),
                within => assert!(raised.is_some_and(|at| at < within), "{attack}: {raised:?}"),
            }
        }
    }

    #[test]
    fn f5_2_the_alarm_stays_until_it_is_calm_for_five_minutes() {
        let mut rate = Rate::new(15, 25);
        let raised = (0..100).position(|nth| rate.observe(true, now(nth)));
        assert!(raised.is_some_and(|at| at < 30), "{raised:?}");
        assert_eq!(rate.raised(now(200).up).map(|at| at.0), raised.map(|at| at as u64 * 1000));
        (0..200).for_each(|nth| assert!(!rate.observe(false, now(101 + nth))));
        assert!(rate.raised(now(302).up).is_some(), "calm, but not for long");
        assert!(rate.raised(now(600).up).is_none());
        assert!((0..100).any(|nth| rate.observe(true, now(700 + nth))), "and it comes again");
        assert!(rate.raised(now(700 + 3700).up).is_none(), "silence for an hour");
    }

    #[test]
    fn a_margin_of_nothing_never_raises() {
        let mut rate = Rate::new(15, 0);
        assert!((0..1000).all(|nth| !rate.observe(true, now(nth))));
    }
}
