//! Event ids that were taken already, as many as fit and for a while. Pure.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::mem;
use std::time::Duration;

use crate::model::ids::PlatformName;
use crate::model::time::Uptime;

/// Ids in one generation; two are kept. At 5,000 events a second that is three minutes and a half.
const GENERATION_MAX: usize = 1_048_576;
/// An id is remembered for this long at least, unless so many come that they fill a generation.
const REMEMBERED: Duration = Duration::from_mins(30);

/// The ids, as hashes under secret keys: a platform cannot choose two that fall together.
#[derive(Debug)]
pub(super) struct Seen {
    generation_max: usize,
    hashers: [RandomState; 2],
    young: HashSet<u128>,
    old: HashSet<u128>,
    since: Uptime,
}

impl Default for Seen {
    fn default() -> Self {
        let (hashers, young, old) = Default::default();
        Self { generation_max: GENERATION_MAX, hashers, young, old, since: Uptime::default() }
    }
}

impl Seen {
    /// Whether this event was taken.
    pub(super) fn holds(&self, platform: &PlatformName, id: &str) -> bool {
        let key = self.key(platform, id);
        self.young.contains(&key) || self.old.contains(&key)
    }

    /// Remembers that this event was taken.
    pub(super) fn add(&mut self, platform: &PlatformName, id: &str, now: Uptime) {
        if self.young.len() >= self.generation_max || now - self.since >= REMEMBERED {
            self.old = mem::take(&mut self.young);
            self.since = now;
        }
        self.young.insert(self.key(platform, id));
    }

    fn key(&self, platform: &PlatformName, id: &str) -> u128 {
        let half = |hasher: &RandomState| u128::from(hasher.hash_one((platform, id)));
        let [high, low] = &self.hashers;
        half(high) << 64 | half(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_13_an_event_id_is_remembered_for_its_platform_and_its_time() {
        let (pbx, ivr): (PlatformName, PlatformName) =
            ("pbx".parse().expect("a name"), "ivr".parse().expect("a name"));
        let mut seen = Seen::default();
        let at = |minutes| Uptime(Duration::from_mins(minutes));
        seen.add(&pbx, "e1", at(1));
        assert!(seen.holds(&pbx, "e1") && !seen.holds(&pbx, "e2") && !seen.holds(&ivr, "e1"));
        seen.add(&pbx, "e2", at(31));
        assert!(seen.holds(&pbx, "e1"), "half an hour at least");
        seen.add(&pbx, "e3", at(62));
        assert!(!seen.holds(&pbx, "e1") && seen.holds(&pbx, "e2"));
        seen.generation_max = 1000;
        for number in 0..3000 {
            seen.add(&pbx, &number.to_string(), at(62));
        }
        assert!(seen.young.len() + seen.old.len() <= 2000, "bounded");
    }
}
