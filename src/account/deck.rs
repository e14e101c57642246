//! Which two positions to ask: sticky until answered, and all 21 pairs before any repeats (§3.4).

use serde::Deserialize;
use serde::Serialize;

use crate::model::digits::Positions;
use crate::model::time::Timestamp;

/// A challenge that was given and not yet answered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sticky {
    /// The pair.
    pub positions: Positions,
    /// When it was drawn.
    pub since: Timestamp,
}

/// The state of one PIN's position draw.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Deck {
    /// Bit n set: pair n was already used in this round.
    used: u32,
    /// The pair asked now, the same on every call until it was answered.
    sticky: Option<Sticky>,
    /// The pair that was answered last; the next one differs.
    last: Option<Positions>,
}

impl Deck {
    /// A sticky pair is given up after this time (§3.4.2).
    pub const STICKY_FOR: std::time::Duration = std::time::Duration::from_hours(30 * 24);
    const FULL: u32 = (1 << Positions::COUNT) - 1;

    /// The pair to ask: the sticky one, else a fresh draw. `random` is uniform over `u64`.
    pub fn challenge(&mut self, random: u64, now: Timestamp) -> Positions {
        if let Some(sticky) =
            self.sticky.filter(|sticky| now.since(sticky.since) < Self::STICKY_FOR)
        {
            return sticky.positions;
        }
        if self.used & Self::FULL == Self::FULL {
            self.used = 0;
        }
        let free: Vec<Positions> = (0..Positions::COUNT)
            .filter(|index| self.used & (1 << index) == 0)
            .filter_map(Positions::from_index)
            .collect();
        let candidates: Vec<Positions> = free
            .iter()
            .copied()
            .filter(|pair| Some(*pair) != self.last || free.len() == 1)
            .collect();
        let place = random % candidates.len().max(1) as u64;
        let drawn = usize::try_from(place).ok().and_then(|place| candidates.get(place).copied());
        let positions = drawn.unwrap_or(Positions::FIRST);
        self.sticky = Some(Sticky { positions, since: now });
        positions
    }

    /// The pair was answered correctly: it is used up, the next call gets another.
    pub fn answered(&mut self) {
        if let Some(sticky) = self.sticky.take() {
            self.used |= 1 << sticky.positions.index();
            self.last = Some(sticky.positions);
        }
    }

    /// The challenge that is out, if any.
    #[must_use]
    pub const fn sticky(&self) -> Option<Sticky> {
        self.sticky
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn x03_redialling_a_thousand_times_gives_one_pair() {
        let mut deck = Deck::default();
        let asked: HashSet<_> =
            (0..1000).map(|n| deck.challenge(n * 7919, Timestamp(n)).index()).collect();
        assert_eq!(asked.len(), 1, "5.6: a favourable challenge cannot be fished for");
    }

    #[test]
    fn an_old_challenge_is_drawn_anew() {
        let mut deck = Deck::default();
        let first = deck.challenge(0, Timestamp(0));
        assert_eq!(deck.challenge(5, Timestamp(29 * DAY)), first);
        assert_ne!(deck.challenge(5, Timestamp(30 * DAY)), first);
    }

    proptest! {
        #[test]
        fn x03_every_pair_comes_once_before_any_repeats(seed in any::<u64>()) {
            let mut deck = Deck::default();
            let mut last = None;
            for round in 0..3_u64 {
                let mut seen = HashSet::new();
                for n in 0..21_u64 {
                    let random = seed.wrapping_mul(2 * (round * 21 + n) + 1);
                    let pair = deck.challenge(random, Timestamp(0));
                    prop_assert_ne!(Some(pair), last);
                    prop_assert!(seen.insert(pair.index()));
                    deck.answered();
                    last = Some(pair);
                }
            }
        }
    }
}
