//! Alarms for supervisors. No alarm holds a telephone number or an account (C52): it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;

/// Subjects of alarms that are kept at the most.
const SUBJECTS_MAX: usize = 200;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AlarmKind {
    /// More checks fail than on a usual day (5.2).
    FailureRate,
    /// More callers leave after hearing the positions than on a usual day (5.1, 5.6).
    AbandonRate,
    /// A number asked for more accounts than one number may (5.2).
    NumberAccounts,
    /// Callers without a number failed for too many accounts.
    WithheldFailures,
    /// A block of numbers failed for too many accounts.
    PrefixFailures,
    /// A trunk's callers failed for too many accounts.
    TrunkFailures,
    /// An agent wanted to look at more answers than an hour allows (5.7).
    AgentReveals,
    /// An agent saw too many challenges of one account (5.7).
    AgentSameAccount,
    /// An agent ticked an answer too soon after looking at it (5.7).
    AgentFastTick,
    /// Too many wrong codes on outbound calls (§4.5).
    LetterCodes,
}

impl AlarmKind {
    /// All of them, for metrics.
    pub const ALL: [Self; 10] = [
        Self::FailureRate,
        Self::AbandonRate,
        Self::NumberAccounts,
        Self::WithheldFailures,
        Self::PrefixFailures,
        Self::TrunkFailures,
        Self::AgentReveals,
        Self::AgentSameAccount,
        Self::AgentFastTick,
        Self::LetterCodes,
    ];

    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::AbandonRate => "abandon_rate",
            Self::NumberAccounts => "number_accounts",
            Self::WithheldFailures => "withheld_failures",
            Self::PrefixFailures => "prefix_failures",
            Self::TrunkFailures => "trunk_failures",
            Self::AgentReveals => "agent_reveals",
            Self::AgentSameAccount => "agent_same_account",
            Self::AgentFastTick => "agent_fast_tick",
            Self::LetterCodes => "letter_codes",
        }
    }

    /// How long an alarm stands after the last occasion.
    const fn stands(self) -> Duration {
        match self {
            Self::AgentSameAccount | Self::AgentFastTick | Self::LetterCodes => {
                Duration::from_hours(24)
            }
            _ => Duration::from_hours(1),
        }
    }
}

/// Something a supervisor should look at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// What about.
    pub kind: AlarmKind,
    /// Since when.
    pub since: Timestamp,
    /// A sentence; it names agents and trunks, never a caller, a number or an account (C52).
    pub detail: String,
}

/// The occasions of alarms that are counted one by one.
#[derive(Debug, Default)]
pub(super) struct Occasions {
    noted: BTreeMap<(AlarmKind, String), Noted>,
}

#[derive(Debug)]
struct Noted {
    since: Timestamp,
    last: Uptime,
    count: u64,
}

impl Occasions {
    /// Counts an occasion. Whether the alarm is new.
    pub(super) fn note(&mut self, kind: AlarmKind, subject: &str, now: Now) -> bool {
        self.forget(now.up);
        let key = (kind, subject.to_owned());
        if let Some(noted) = self.noted.get_mut(&key) {
            (noted.last, noted.count) = (now.up, noted.count.saturating_add(1));
            return false;
        }
        if self.noted.len() < SUBJECTS_MAX {
            self.noted.insert(key, Noted { since: now.wall, last: now.up, count: 1 });
        }
        true
    }

    /// The alarms that stand.
    pub(super) fn standing(&mut self, now: Uptime) -> Vec<Alarm> {
        self.forget(now);
        let alarm = |((kind, subject), noted): (&(AlarmKind, String), &Noted)| Alarm {
            kind: *kind,
            since: noted.since,
            detail: sentence(*kind, subject, noted.count),
        };
        self.noted.iter().map(alarm).collect()
    }

    fn forget(&mut self, now: Uptime) {
        self.noted.retain(|(kind, _), noted| now - noted.last < kind.stands());
    }
}

fn sentence(kind: AlarmKind, subject: &str, count: u64) -> String {
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    match kind {
        // Told by their own numbers, see `Limits::alarms`.
        AlarmKind::FailureRate | AlarmKind::AbandonRate => String::new(),
        AlarmKind::NumberAccounts => format!(
            "a caller asked for more accounts than one number may, {times}; the PIN was not accepted"
        ),
        AlarmKind::WithheldFailures => format!(
            "callers without a number failed for too many accounts; the PIN was not accepted {times} since"
        ),
        AlarmKind::PrefixFailures => format!(
            "a block of numbers failed for too many accounts; the PIN was not accepted {times} since"
        ),
        AlarmKind::TrunkFailures => format!(
            "callers of trunk {subject} failed for too many accounts; {times} since a number was not enough"
        ),
        AlarmKind::AgentReveals => {
            format!("agent {subject} wanted to look at more answers than an hour allows, {times}")
        }
        AlarmKind::AgentSameAccount => {
            format!(
                "agent {subject} saw challenge after challenge of one account, {times} too often"
            )
        }
        AlarmKind::AgentFastTick => {
            format!("agent {subject} ticked an answer right after looking at it, {times}")
        }
        AlarmKind::LetterCodes => {
            format!(
                "wrong letter codes on outbound calls: {times} over the day's limit; somebody may be calling in our name"
            )
        }
    }
}
