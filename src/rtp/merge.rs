//! One stream of keys out of three ways: each press counted once, whatever arrives twice.
//!
//! Gateways send the same press as telephone event and as INFO, in either order. A report pairs with the
//! oldest counted press of the same key within [`SAME_PRESS`] that its own way has not reported yet; a
//! report without such a partner is a press. So a digit keyed twice in a row stays two digits, and a way
//! that takes over in mid-call is heard at once.

use std::time::Duration;

use crate::model::digits::Key;
use crate::model::time::Uptime;

/// Reports of one press by different ways come this close together.
pub const SAME_PRESS: Duration = Duration::from_millis(400);

/// Presses kept for pairing; nobody keys more in [`SAME_PRESS`].
const PRESSES_MAX: usize = 8;

/// The way a key came to us.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Via {
    /// A telephone event in RTP.
    Rfc4733,
    /// A SIP INFO request.
    Info,
    /// Tones in the sound itself.
    InBand,
}

impl Via {
    /// The name shown in metrics and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc4733 => "rfc4733",
            Self::Info => "info",
            Self::InBand => "inband",
        }
    }
}

/// What a report turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Report {
    /// A press: count it.
    Press,
    /// A press already counted, told again by another way.
    Repeated,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    key: Key,
    at: Uptime,
    by: [bool; 3],
}

/// Pairs the reports of the three ways.
#[derive(Debug, Default)]
pub struct Merge {
    presses: [Option<Press>; PRESSES_MAX],
    next: usize,
}

impl Merge {
    /// Takes one way's report of a press; a way reports each press once.
    pub fn report(&mut self, key: Key, via: Via, now: Uptime) -> Report {
        for slot in &mut self.presses {
            // What is too old to pair is forgotten: digits are not kept longer than needed.
            if slot.is_some_and(|press| now - press.at > SAME_PRESS) {
                *slot = None;
            }
        }
        let way = via as usize;
        let unpaired = |press: &&mut Press| press.key == key && press.by.get(way) == Some(&false);
        let twin = self.presses.iter_mut().flatten().filter(unpaired).min_by_key(|press| press.at);
        if let Some(twin) = twin {
            twin.mark(way);
            return Report::Repeated;
        }
        let mut press = Press { key, at: now, by: [false; 3] };
        press.mark(way);
        if let Some(slot) = self.presses.get_mut(self.next) {
            *slot = Some(press);
        }
        self.next = (self.next + 1) % PRESSES_MAX;
        Report::Press
    }
}

impl Press {
    fn mark(&mut self, way: usize) {
        if let Some(seen) = self.by.get_mut(way) {
            *seen = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays reports `(ms, key, way)` and gives the keys counted.
    fn counted(script: &[(u64, char, Via)]) -> String {
        let mut merge = Merge::default();
        let pressed = script.iter().filter(|(ms, key, via)| {
            let key = Key::from_char(*key).expect("a key");
            merge.report(key, *via, Uptime(Duration::from_millis(*ms))) == Report::Press
        });
        pressed.map(|(_, key, _)| *key).collect()
    }

    #[test]
    fn sip_3_event_and_info_of_one_press_count_once_in_either_order() {
        use Via::Info as I;
        use Via::Rfc4733 as R;
        assert_eq!(counted(&[(0, '1', R), (90, '1', I), (500, '2', R), (590, '2', I)]), "12");
        assert_eq!(counted(&[(0, '1', I), (90, '1', R), (500, '2', R), (590, '2', I)]), "12");
    }

    #[test]
    fn sip_2_the_same_digit_twice_stays_twice_though_each_is_told_twice() {
        use Via::Info as I;
        use Via::Rfc4733 as R;
        assert_eq!(counted(&[(0, '2', R), (50, '2', I), (190, '2', I), (200, '2', R)]), "22");
        assert_eq!(counted(&[(0, '2', R), (200, '2', R), (210, '2', I), (410, '2', I)]), "22");
        assert_eq!(counted(&[(0, '2', R), (150, '2', R), (300, '2', R)]), "222");
    }

    #[test]
    fn a_way_that_falls_silent_is_replaced_by_another() {
        use Via::Info as I;
        use Via::Rfc4733 as R;
        assert_eq!(
            counted(&[(0, '1', R), (10, '1', I), (600, '2', I), (1200, '3', I), (1800, '3', R)]),
            "1233"
        );
    }

    #[test]
    fn three_ways_of_one_press_count_once_and_a_late_one_is_a_new_press() {
        assert_eq!(
            counted(&[(0, '9', Via::InBand), (20, '9', Via::Rfc4733), (400, '9', Via::Info)]),
            "9"
        );
        assert_eq!(counted(&[(0, '9', Via::Rfc4733), (401, '9', Via::Info)]), "99");
    }

    #[test]
    fn p11_digits_are_blind_here_too() {
        let mut merge = Merge::default();
        let key = Key::from_char('7').expect("a key");
        assert_eq!(merge.report(key, Via::Info, Uptime::default()), Report::Press);
        assert!(!format!("{merge:?}").contains("Key(7"));
        assert_eq!(Via::Rfc4733.as_str(), "rfc4733");
    }
}
