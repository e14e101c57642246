//! Who wants to be woken when: one deadline for each key, the earliest first.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::hash::Hash;

use crate::model::time::Uptime;

/// Deadlines by key.
#[derive(Debug)]
pub(super) struct Agenda<K> {
    by_key: HashMap<K, Uptime>,
    by_time: BTreeSet<(Uptime, K)>,
}

impl<K: Clone + Hash + Ord> Agenda<K> {
    pub(super) fn new() -> Self {
        Self { by_key: HashMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets, moves or, with nothing, clears the key's deadline.
    pub(super) fn set(&mut self, key: K, at: Option<Uptime>) {
        let before = match at {
            Some(at) => self.by_key.insert(key.clone(), at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    /// Takes out the earliest key whose time has come.
    pub(super) fn take_due(&mut self, now: Uptime) -> Option<K> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    pub(super) fn next(&self) -> Option<Uptime> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_has_one_deadline() {
        let at = |s| Uptime(Duration::from_secs(s));
        let mut agenda = Agenda::new();
        agenda.set("a", Some(at(5)));
        agenda.set("b", Some(at(3)));
        agenda.set("a", Some(at(1)));
        agenda.set("c", Some(at(2)));
        agenda.set("c", None);
        assert_eq!((agenda.next(), agenda.take_due(at(0))), (Some(at(1)), None));
        assert_eq!(agenda.take_due(at(9)), Some("a"));
        assert_eq!(agenda.take_due(at(9)), Some("b"));
        assert_eq!((agenda.take_due(at(9)), agenda.next()), (None, None));
    }
}
