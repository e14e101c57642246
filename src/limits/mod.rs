//! DECIDES who asks too often, and when to raise an alarm (facts/caller-auth §5). Pure.
//!
//! ```text
//! a caller asks for an account ─► observe(Asked)   ─► Normal | HighTrustOnly | DummyOnly
//! a check comes to its end     ─► observe(Checked) ─► shares, blocks of numbers, trunks
//! an agent looks, sees, ticks  ─► observe(…)       ─► Normal | OverQuota
//!                                  alarms(now)     ─► what a supervisor should look at
//! ```
//! Time is the steady clock's, so that nobody gains from a jump of the calendar (5.16). Telephone
//! numbers and accounts are kept as keyed fingerprints, for an hour or a day, and never shown (C52).

mod alarm;
mod rate;
mod rules;
mod tries;
mod window;

use std::time::Duration;

use sha2::Digest;
use sha2::Sha256;

pub use crate::limits::alarm::Alarm;
pub use crate::limits::alarm::AlarmKind;
use crate::limits::alarm::Occasions;
use crate::limits::rate::Rate;
pub use crate::limits::rules::Rules;
pub use crate::limits::tries::Tries;
use crate::limits::window::Fingerprint;
use crate::limits::window::Window;
use crate::model::caller::Caller;
use crate::model::caller::NumberTrust;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::TrunkName;
use crate::model::number::PhoneNumber;
use crate::model::time::Now;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Calling numbers remembered at the most.
const NUMBERS_MAX: usize = 50_000;
/// Blocks of numbers and trunks remembered at the most.
const GROUPS_MAX: usize = 10_000;
/// Agents, and agents with accounts, remembered at the most.
const AGENTS_MAX: usize = 10_000;
/// Callers who leave during the challenge on a usual day, in percent.
const ABANDONED_BASELINE: u8 = 20;

/// Where a call comes from, as far as limits go. Holds no number, only its fingerprint.
#[derive(Clone, Debug)]
pub struct Source {
    number: Option<Fingerprint>,
    prefix: Option<Fingerprint>,
    trunk: Option<(Fingerprint, TrunkName)>,
    trusted: bool,
}

/// Which account a caller asks for: the number keyed, or the customer a calling number belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim(Fingerprint);

/// How the check of a call came out, once a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The PIN was right.
    Passed,
    /// It was wrong, and nothing better came after it.
    Failed,
    /// The positions were given, and no entry was made (§3.4).
    Abandoned,
}

/// What the limits watch.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A caller asks for an account; the answer says how to treat it.
    Asked {
        /// From where.
        source: &'a Source,
        /// Which.
        claim: Claim,
    },
    /// The check of a call came out.
    Checked {
        /// From where.
        source: &'a Source,
        /// Which account.
        claim: Claim,
        /// How.
        outcome: Outcome,
    },
    /// An agent wants to look at an answer; the answer says whether.
    Reveal {
        /// Who.
        agent: &'a AgentId,
    },
    /// An agent has a call with a challenge on the screen.
    Challenged {
        /// Who.
        agent: &'a AgentId,
        /// Whose account.
        account: &'a CustomerId,
        /// In which call.
        call: &'a CallId,
    },
    /// An agent ticked an answer.
    Ticked {
        /// Who.
        agent: &'a AgentId,
        /// How long after looking at it.
        after: Duration,
    },
    /// A customer was told a code that is not in the letter, or answered with one (§4.5).
    LetterCodeWrong,
}

/// What to do with whoever the event was about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// The calling number counts only with high trust (X16, 5.2).
    HighTrustOnly(Reason),
    /// Same prompts, positions and time, but no PIN is right: as a caller nobody knows (5.1, 5.2).
    DummyOnly(Reason),
    /// Not now: the agent's quota is used up (5.7).
    OverQuota,
}

/// Why a caller is not treated as usual.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The calling number asked for too many accounts.
    Number,
    /// Too many failures of callers without a number.
    Withheld,
    /// Too many failures in this block of numbers.
    Prefix,
    /// Too many failures on this trunk.
    Trunk,
    /// Checks fail everywhere.
    FailureRate,
}

impl Reason {
    /// A stable word, for metrics and evidence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Number => "number_accounts",
            Self::Withheld => "withheld_failures",
            Self::Prefix => "prefix_failures",
            Self::Trunk => "trunk_failures",
            Self::FailureRate => "failure_rate",
        }
    }
}

/// All limits of one daemon. A restart begins anew: what must survive is counted in the records.
#[derive(Debug)]
pub struct Limits {
    rules: Rules,
    seed: [u8; 32],
    /// Accounts asked for, by calling number.
    asked: Window,
    /// Accounts failed for, by block of numbers, trunk, or the lack of a number.
    failed: Window,
    failures: Rate,
    abandoned: Rate,
    /// Looks at answers, by agent.
    reveals: Window,
    /// Calls with a challenge, by agent and account.
    challenged: Window,
    /// Wrong letter codes, under one name.
    letters: Window,
    occasions: Occasions,
    /// Makes things that are counted one by one different.
    next: Fingerprint,
    raised: Vec<AlarmKind>,
}

impl Limits {
    /// Limits that have seen nothing. `seed` is random and keys the fingerprints.
    #[must_use]
    pub fn new(rules: Rules, seed: [u8; 32]) -> Self {
        let margin = rules.failure_margin_percent;
        Self {
            asked: Window::new(HOUR, NUMBERS_MAX),
            failed: Window::new(HOUR, GROUPS_MAX),
            failures: Rate::new(rules.failure_baseline_percent, margin),
            abandoned: Rate::new(ABANDONED_BASELINE, margin),
            reveals: Window::new(HOUR, AGENTS_MAX),
            challenged: Window::new(DAY, AGENTS_MAX),
            letters: Window::new(DAY, 1),
            occasions: Occasions::default(),
            next: 0,
            raised: vec![],
            rules,
            seed,
        }
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where a caller comes from.
    #[must_use]
    pub fn source(&self, caller: &Caller) -> Source {
        let number = caller.number().map(PhoneNumber::as_e164);
        let block = |number: &str| {
            let end = usize::from(self.rules.prefix_digits) + 1;
            number.get(..end.min(number.len())).map(|block| self.print("block", block))
        };
        Source {
            number: number.map(|number| self.print("number", number)),
            prefix: number.and_then(block),
            trunk: caller.trunk.clone().map(|trunk| (self.print("trunk", trunk.as_str()), trunk)),
            trusted: caller.number_trust() == NumberTrust::High,
        }
    }

    /// What a caller asks for: a customer number as keyed, or a customer's id. The same text is the
    /// same claim, whether or not there is such an account.
    #[must_use]
    pub fn claim(&self, text: &str) -> Claim {
        Claim(self.print("claim", text))
    }

    /// Takes an event in, and says what follows for whoever it is about.
    pub fn observe(&mut self, event: Event<'_>, now: Now) -> Advice {
        match event {
            Event::Asked { source, claim } => self.asked(source, claim, now),
            Event::Checked { source, claim, outcome } => {
                self.checked(source, claim, outcome, now);
                Advice::Normal
            }
            Event::Reveal { agent } => self.reveal(agent, now),
            Event::Challenged { agent, account, call } => {
                let name = self.print("seen", &format!("{agent}\0{account}"));
                let thing = self.print("call", call.as_str());
                let most = self.rules.challenges_per_account;
                if over(self.challenged.note(name, thing, usize::from(most), now.up), most) {
                    self.alarm(AlarmKind::AgentSameAccount, agent.as_str(), now);
                }
                Advice::Normal
            }
            Event::Ticked { agent, after } => {
                if after < self.rules.fast_tick {
                    self.alarm(AlarmKind::AgentFastTick, agent.as_str(), now);
                }
                Advice::Normal
            }
            Event::LetterCodeWrong => {
                let thing = self.one();
                let most = self.rules.letter_codes_wrong;
                if over(self.letters.note(0, thing, usize::from(most), now.up), most) {
                    self.alarm(AlarmKind::LetterCodes, "", now);
                }
                Advice::Normal
            }
        }
    }

    /// What a supervisor should look at.
    pub fn alarms(&mut self, now: Now) -> Vec<Alarm> {
        let margin = self.rules.failure_margin_percent;
        let mut alarms = vec![];
        if let Some(since) = self.failures.raised(now.up) {
            let detail = format!(
                "{} of 100 checks fail, more than {margin} above a usual day; until this is over only numbers of high trust count",
                self.failures.percent()
            );
            alarms.push(Alarm { kind: AlarmKind::FailureRate, since, detail });
        }
        if let Some(since) = self.abandoned.raised(now.up) {
            let detail = format!(
                "{} of 100 callers leave when they have heard the positions, more than {margin} above a usual day",
                self.abandoned.percent()
            );
            alarms.push(Alarm { kind: AlarmKind::AbandonRate, since, detail });
        }
        alarms.extend(self.occasions.standing(now.up));
        alarms
    }

    /// The alarms raised since this was asked last, for the log.
    pub fn take_raised(&mut self) -> Vec<AlarmKind> {
        std::mem::take(&mut self.raised)
    }

    fn asked(&mut self, source: &Source, claim: Claim, now: Now) -> Advice {
        // The second lane (5.8): who has shown more than a number is not kept out by strangers.
        if source.trusted {
            return Advice::Normal;
        }
        let most = self.rules.accounts_per_number;
        if let Some(number) = source.number.filter(|_| most > 0) {
            let known = self.asked.holds(number, claim.0, now.up);
            if !known && over(self.asked.count(number, now.up), most) {
                self.alarm(AlarmKind::NumberAccounts, "", now);
                return Advice::DummyOnly(Reason::Number);
            }
            self.asked.note(number, claim.0, usize::from(most), now.up);
        }
        for (name, most, kind, reason) in self.groups(source) {
            if over(self.failed.count(name, now.up), most) {
                let subject = subject(kind, source);
                self.alarm(kind, subject, now);
                return match reason {
                    Reason::Trunk => Advice::HighTrustOnly(reason),
                    _ => Advice::DummyOnly(reason),
                };
            }
        }
        match self.failures.raised(now.up) {
            Some(_) => Advice::HighTrustOnly(Reason::FailureRate),
            None => Advice::Normal,
        }
    }

    fn checked(&mut self, source: &Source, claim: Claim, outcome: Outcome, now: Now) {
        if outcome == Outcome::Failed && !source.trusted {
            for (name, most, kind, _) in self.groups(source) {
                if over(self.failed.note(name, claim.0, usize::from(most), now.up), most) {
                    self.alarm(kind, subject(kind, source), now);
                }
            }
        }
        if self.abandoned.observe(outcome == Outcome::Abandoned, now) {
            self.raised.push(AlarmKind::AbandonRate);
        }
        // Who left without an entry says nothing about right and wrong.
        if outcome != Outcome::Abandoned && self.failures.observe(outcome == Outcome::Failed, now) {
            self.raised.push(AlarmKind::FailureRate);
        }
    }

    fn reveal(&mut self, agent: &AgentId, now: Now) -> Advice {
        let most = self.rules.reveals_per_agent;
        let name = self.print("agent", agent.as_str());
        if most > 0 && over(self.reveals.count(name, now.up), most) {
            self.alarm(AlarmKind::AgentReveals, agent.as_str(), now);
            return Advice::OverQuota;
        }
        let thing = self.one();
        self.reveals.note(name, thing, usize::from(most), now.up);
        Advice::Normal
    }

    /// What a source belongs to, with limit, alarm and reason. Those without a number are one group.
    fn groups(&self, source: &Source) -> Vec<(Fingerprint, u16, AlarmKind, Reason)> {
        let rules = &self.rules;
        let withheld = source.number.is_none().then(|| self.print("withheld", ""));
        let trunk = source.trunk.as_ref().map(|(print, _)| *print);
        [
            (withheld, rules.failures_withheld, AlarmKind::WithheldFailures, Reason::Withheld),
            (source.prefix, rules.failures_per_prefix, AlarmKind::PrefixFailures, Reason::Prefix),
            (trunk, rules.failures_per_trunk, AlarmKind::TrunkFailures, Reason::Trunk),
        ]
        .into_iter()
        .filter(|(_, most, ..)| *most > 0)
        .filter_map(|(name, most, kind, reason)| Some((name?, most, kind, reason)))
        .collect()
    }

    fn alarm(&mut self, kind: AlarmKind, subject: &str, now: Now) {
        if self.occasions.note(kind, subject, now) {
            self.raised.push(kind);
        }
    }

    fn one(&mut self) -> Fingerprint {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    fn print(&self, kind: &str, text: &str) -> Fingerprint {
        print(&self.seed, kind, text)
    }
}

fn print(seed: &[u8; 32], kind: &str, text: &str) -> Fingerprint {
    let digest = Sha256::new()
        .chain_update(seed)
        .chain_update(kind)
        .chain_update([0])
        .chain_update(text)
        .finalize();
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | Fingerprint::from(*byte))
}

/// A limit of 0 is none.
fn over(count: usize, most: u16) -> bool {
    most > 0 && count >= usize::from(most)
}

fn subject(kind: AlarmKind, source: &Source) -> &str {
    match (kind, &source.trunk) {
        (AlarmKind::TrunkFailures, Some((_, name))) => name.as_str(),
        _ => "",
    }
}

#[cfg(test)]
mod tests;
