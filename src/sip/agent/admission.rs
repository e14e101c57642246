//! Who gets in: the list of trunks, the rate of new calls, and the patience with strangers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::ids::TrunkName;
use crate::model::time::Uptime;
use crate::sip::agent::AgentConfig;
use crate::sip::agent::TrunkRule;

/// Refusals that one stranger is worth in any one second.
const REFUSALS_PER_SECOND: u32 = 10;
/// Strangers remembered at a time; when more come in one second, the rest hears nothing.
const STRANGERS_MAX: usize = 1024;
const SECOND: Duration = Duration::from_secs(1);

/// What a source is to us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It may call; by which trunk, if by one.
    Served(Option<TrunkName>),
    /// It may not.
    Stranger,
}

impl Standing {
    pub(super) fn of(config: &AgentConfig, source: IpAddr) -> Self {
        let calls_from =
            |trunk: &&TrunkRule| trunk.networks.iter().any(|network| network.contains(source));
        match config.trunks.iter().find(calls_from) {
            Some(trunk) => Self::Served(Some(trunk.name.clone())),
            None if config.loopback_untrusted && source.to_canonical().is_loopback() => {
                Self::Served(None)
            }
            None => Self::Stranger,
        }
    }
}

/// A token bucket that holds one second's worth, kept as the time at which it is full again.
#[derive(Debug)]
pub(super) struct Rate {
    per_call: Duration,
    full_at: Uptime,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_call: SECOND / per_second.max(1), full_at: Uptime::default() }
    }

    /// Takes a token, if there is one.
    pub(super) fn admit(&mut self, now: Uptime) -> bool {
        let after = self.full_at.max(now) + self.per_call;
        let admitted = after - now <= SECOND;
        if admitted {
            self.full_at = after;
        }
        admitted
    }
}

/// How often strangers were answered in the current second.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    answered: HashMap<IpAddr, u32>,
    until: Uptime,
}

impl Strangers {
    /// Whether the stranger is worth another refusal.
    pub(super) fn answer(&mut self, source: IpAddr, now: Uptime) -> bool {
        if self.until <= now {
            self.forget();
            self.until = now + SECOND;
        }
        if self.answered.len() >= STRANGERS_MAX && !self.answered.contains_key(&source) {
            return false;
        }
        let answered = self.answered.entry(source).or_insert(0);
        *answered += 1;
        *answered <= REFUSALS_PER_SECOND
    }

    pub(super) fn forget(&mut self) {
        self.answered.clear();
    }

    /// When there is something to forget.
    pub(super) fn deadline(&self) -> Option<Uptime> {
        (!self.answered.is_empty()).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    #[test]
    fn a_second_holds_no_more_than_it_should() {
        let mut rate = Rate::new(10);
        let admitted = |rate: &mut Rate, now| (0..20).filter(|_| rate.admit(at(now))).count();
        assert_eq!(admitted(&mut rate, 0), 10);
        assert_eq!(admitted(&mut rate, 99), 0);
        assert_eq!(admitted(&mut rate, 100), 1);
        assert_eq!(admitted(&mut rate, 600), 5);
        assert_eq!(admitted(&mut rate, 60_000), 10);
    }

    #[test]
    fn sip_17_a_flooding_stranger_hears_nothing() {
        let mut strangers = Strangers::default();
        let scanner: IpAddr = "203.0.113.1".parse().expect("address");
        let heard = |strangers: &mut Strangers, now| {
            (0..50).filter(|_| strangers.answer(scanner, at(now))).count()
        };
        assert_eq!(heard(&mut strangers, 0), 10);
        assert_eq!(heard(&mut strangers, 999), 0);
        assert_eq!(heard(&mut strangers, 1000), 10);
        for number in 0..5000_u32 {
            strangers.answer(IpAddr::from(number.to_be_bytes()), at(1001));
        }
        assert_eq!(strangers.answered.len(), STRANGERS_MAX);
    }
}
