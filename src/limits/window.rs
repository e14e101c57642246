//! Who did how many different things within a sliding window. Bounded: the longest unseen go first.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use crate::model::time::Uptime;

/// Names and things are fingerprints: nothing in here can be turned back into a number.
pub(super) type Fingerprint = u64;

/// For each name the different things of the last `span`, each with the time it was seen last.
#[derive(Debug)]
pub(super) struct Window {
    span: Duration,
    names_max: usize,
    names: HashMap<Fingerprint, VecDeque<(Uptime, Fingerprint)>>,
    /// When each name was seen, oldest first; a name seen again leaves its older places behind.
    order: VecDeque<(Uptime, Fingerprint)>,
}

impl Window {
    pub(super) fn new(span: Duration, names_max: usize) -> Self {
        Self { span, names_max, names: HashMap::new(), order: VecDeque::new() }
    }

    /// How many different things the window holds for a name.
    pub(super) fn count(&self, name: Fingerprint, now: Uptime) -> usize {
        self.names
            .get(&name)
            .map_or(0, |seen| seen.iter().filter(|at| self.fresh(at.0, now)).count())
    }

    /// Whether the window holds this thing for this name.
    pub(super) fn holds(&self, name: Fingerprint, thing: Fingerprint, now: Uptime) -> bool {
        let mut seen = self.names.get(&name).into_iter().flatten();
        seen.any(|(at, held)| *held == thing && self.fresh(*at, now))
    }

    /// Takes a thing in; of one name at most `most` are kept, the newest. How many it has now.
    pub(super) fn note(
        &mut self,
        name: Fingerprint,
        thing: Fingerprint,
        most: usize,
        now: Uptime,
    ) -> usize {
        self.make_room(name, now);
        let span = self.span;
        let seen = self.names.entry(name).or_default();
        seen.retain(|(at, held)| *held != thing && now - *at < span);
        while seen.len() >= most.max(1) {
            seen.pop_front();
        }
        seen.push_back((now, thing));
        let count = seen.len();
        self.order.push_back((now, name));
        count
    }

    /// When the oldest thing that the window holds for a name slides out.
    pub(super) fn room_at(&self, name: Fingerprint, now: Uptime) -> Option<Uptime> {
        let mut seen = self.names.get(&name)?.iter().map(|(at, _)| *at);
        seen.find(|at| self.fresh(*at, now)).map(|at| at + self.span)
    }

    fn fresh(&self, at: Uptime, now: Uptime) -> bool {
        now - at < self.span
    }

    fn make_room(&mut self, name: Fingerprint, now: Uptime) {
        let full = self.names.len() >= self.names_max && !self.names.contains_key(&name);
        let mut excess = usize::from(full);
        while let Some((at, oldest)) = self.order.front().copied() {
            let stale = !self.fresh(at, now);
            let superseded = self.last(oldest) != Some(at);
            if !stale && !superseded && excess == 0 {
                break;
            }
            self.order.pop_front();
            if !superseded {
                self.names.remove(&oldest);
                excess = excess.saturating_sub(1);
            }
        }
        // Places that were left behind go once they outweigh those that stand.
        if self.order.len() > 2 * self.names.len() + 1024 {
            let names = &self.names;
            self.order.retain(|(at, name)| {
                names.get(name).and_then(VecDeque::back).is_some_and(|(last, _)| last == at)
            });
        }
    }

    fn last(&self, name: Fingerprint) -> Option<Uptime> {
        self.names.get(&name)?.back().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPAN: Duration = Duration::from_hours(1);

    fn at(seconds: u64) -> Uptime {
        Uptime(Duration::from_secs(seconds))
    }

    #[test]
    fn different_things_count_once_and_slide_out() {
        let mut window = Window::new(SPAN, 10);
        for (second, thing) in [(0, 1), (10, 2), (20, 1), (30, 3)] {
            window.note(7, thing, 10, at(second));
        }
        assert_eq!(window.count(7, at(40)), 3);
        assert_eq!(window.count(7, at(3611)), 2, "2 was seen last at 10");
        assert!(!window.holds(7, 2, at(3611)) && window.holds(7, 1, at(3611)));
        assert_eq!(window.count(7, at(9999)), 0);
        assert_eq!(window.count(8, at(0)), 0);
    }

    proptest! {
        #[test]
        fn it_stays_small_whatever_comes(
            steps in prop::collection::vec((0u64..40, 0u64..9, 0u64..2000), 0..400)
        ) {
            let mut window = Window::new(SPAN, 8);
            let mut now = 0;
            for (name, thing, wait) in steps {
                now += wait;
                window.note(name, thing, 4, at(now));
                prop_assert!(window.names.len() <= 8);
                prop_assert!(window.names.values().all(|seen| (1..=4).contains(&seen.len())));
                prop_assert!(window.order.len() <= 2 * 8 + 1025);
                prop_assert!(window.holds(name, thing, at(now)));
            }
        }
    }
}
