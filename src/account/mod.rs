//! DECIDES about an account. Pure: flags, counters, lock-out, the deck of PIN positions.
//!
//! The counters live in records and change only through [`Account::apply`], inside the transaction
//! that stores them, so that they are right whatever crashes (X01, X02, 5.6, 5.14, 5.15).

pub mod deck;

use serde::Deserialize;
use serde::Serialize;

use crate::account::deck::Deck;
use crate::model::time::Timestamp;

/// Limits of the block rule, from the policy of the call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRule {
    /// Consecutive failed calls that block (C70: 3).
    pub failed_calls: u8,
    /// Wrong PIN entries without a correct one in between that demand a reset (X02: 6).
    pub wrong_entries: u8,
}

impl Default for BlockRule {
    fn default() -> Self {
        Self { failed_calls: 3, wrong_entries: 6 }
    }
}

/// What an account may do now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing against it.
    Open,
    /// Blocked after consecutive failed calls (C70, C77).
    Blocked,
    /// The PIN may not be used until it was reset (X02).
    ResetRequired,
}

/// One account's security state.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Account {
    /// The customer changed the initial PIN (P06).
    pub initialized: bool,
    /// The customer answered the activation mail, or was enrolled by import (P20).
    pub enabled: bool,
    /// Rises whenever the PIN changes; binds tags and deck to this PIN. 0: no PIN yet.
    pub pin_version: u32,
    /// Failed calls in a row (X01).
    pub failed_calls: u8,
    /// Wrong PIN entries since the last correct one or reset (X02).
    pub pin_wrong_streak: u8,
    /// Set by the block rule, cleared by unblock.
    pub blocked: bool,
    /// Set at the limit of the streak, cleared by a reset.
    pub reset_required: bool,
    /// Which positions to ask.
    pub deck: Deck,
    /// Challenges given and not answered, the newest last, at most [`Account::ABANDONED_KEPT`] (§3.4.4).
    pub abandoned: Vec<Timestamp>,
}

/// What happened to an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountEvent {
    /// A PIN was enrolled or changed.
    PinEnrolled,
    /// A pair was right.
    EntryCorrect,
    /// A pair was wrong, or a reserved attempt never came to a verdict.
    EntryWrong,
    /// A call failed: at the last allowed wrong entry, or at the end of a failed check. Once a call.
    CallFailed,
    /// The same call passed after all: takes its own failure back, and ends the run (§4, C70).
    CallPassed {
        /// Whether this call had been marked failed.
        was_failed: bool,
    },
    /// Positions were given and no attempt was made.
    Abandoned,
    /// An administrator unblocked (C72).
    Unblocked,
}

/// What follows from an event, for audit and metrics.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountFact {
    /// This event blocked the account.
    BecameBlocked,
    /// This event demands a reset.
    BecameResetRequired,
    /// Three challenges were left unanswered within a day: a risk to look at (§3.4.4).
    FishingSuspected,
}

impl Account {
    /// How many abandoned challenges are remembered.
    pub const ABANDONED_KEPT: usize = 8;
    const FISHING_AT: usize = 3;
    const FISHING_WINDOW: std::time::Duration = std::time::Duration::from_hours(24);

    /// What the account may do now. A block outweighs a reset.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        if self.blocked {
            Standing::Blocked
        } else if self.reset_required {
            Standing::ResetRequired
        } else {
            Standing::Open
        }
    }

    /// Whether a PIN can be verified at all.
    #[must_use]
    pub const fn has_pin(&self) -> bool {
        self.pin_version > 0 && self.enabled
    }

    /// Takes one event and says what follows from it.
    pub fn apply(
        &mut self,
        event: AccountEvent,
        rule: BlockRule,
        now: Timestamp,
    ) -> Vec<AccountFact> {
        match event {
            AccountEvent::PinEnrolled => {
                self.initialized = true;
                self.enabled = true;
                self.pin_version = self.pin_version.saturating_add(1);
                self.pin_wrong_streak = 0;
                self.reset_required = false;
                self.deck = Deck::default();
                vec![]
            }
            AccountEvent::EntryCorrect => {
                self.pin_wrong_streak = 0;
                self.deck.answered();
                vec![]
            }
            AccountEvent::EntryWrong => {
                self.pin_wrong_streak = self.pin_wrong_streak.saturating_add(1);
                let newly = self.pin_wrong_streak >= rule.wrong_entries && !self.reset_required;
                self.reset_required |= newly;
                if newly { vec![AccountFact::BecameResetRequired] } else { vec![] }
            }
            AccountEvent::CallFailed => {
                self.failed_calls = self.failed_calls.saturating_add(1);
                let newly = self.failed_calls >= rule.failed_calls && !self.blocked;
                self.blocked |= newly;
                if newly { vec![AccountFact::BecameBlocked] } else { vec![] }
            }
            AccountEvent::CallPassed { was_failed } => {
                // A block that an earlier call set stays: only an unblock lifts that (C71).
                let own_block = was_failed && self.failed_calls == rule.failed_calls;
                if self.blocked && !own_block {
                    return vec![];
                }
                self.blocked = false;
                self.failed_calls = 0;
                vec![]
            }
            AccountEvent::Abandoned => self.abandon(now),
            AccountEvent::Unblocked => {
                self.blocked = false;
                self.failed_calls = 0;
                vec![]
            }
        }
    }

    fn abandon(&mut self, now: Timestamp) -> Vec<AccountFact> {
        self.abandoned.retain(|at| now.since(*at) < Self::FISHING_WINDOW);
        if self.abandoned.len() >= Self::ABANDONED_KEPT {
            self.abandoned.remove(0);
        }
        self.abandoned.push(now);
        let reached = self.abandoned.len() == Self::FISHING_AT;
        if reached { vec![AccountFact::FishingSuspected] } else { vec![] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccountEvent as E;
    use proptest::prelude::*;

    fn after(events: &[E]) -> Account {
        let mut account = Account::default();
        for event in events {
            let _ = account.apply(*event, BlockRule::default(), Timestamp(0));
        }
        account
    }

    #[test]
    fn c70_three_consecutive_failed_calls_block_and_a_pass_between_does_not() {
        assert_eq!(after(&[E::CallFailed; 2]).standing(), Standing::Open);
        assert_eq!(after(&[E::CallFailed; 3]).standing(), Standing::Blocked);
        let pass = E::CallPassed { was_failed: false };
        let broken = after(&[E::CallFailed, E::CallFailed, pass, E::CallFailed]);
        assert_eq!(broken.standing(), Standing::Open);
    }

    #[test]
    fn x02_six_wrong_entries_demand_a_reset_and_a_compensated_pass_does_not_clear_them() {
        let mut events = vec![];
        for _ in 0..3 {
            events.extend([
                E::EntryWrong,
                E::EntryWrong,
                E::CallFailed,
                E::CallPassed { was_failed: true },
            ]);
        }
        assert_eq!(after(&events).standing(), Standing::ResetRequired);
        assert_eq!(after(&[E::EntryWrong, E::EntryCorrect]).pin_wrong_streak, 0);
    }

    #[test]
    fn c70_a_pass_in_the_same_call_takes_back_the_block_of_this_call_but_of_no_other() {
        let own = after(&[
            E::CallFailed,
            E::CallFailed,
            E::CallFailed,
            E::CallPassed { was_failed: true },
        ]);
        assert_eq!(own.standing(), Standing::Open);
        let other = after(&[
            E::CallFailed,
            E::CallFailed,
            E::CallFailed,
            E::CallPassed { was_failed: false },
        ]);
        assert_eq!(other.standing(), Standing::Blocked, "c71 only an unblock lifts it");
        assert_eq!(
            after(&[E::CallFailed, E::CallFailed, E::CallFailed, E::Unblocked]).failed_calls,
            0
        );
    }

    #[test]
    fn three_unanswered_challenges_in_a_day_are_fishing_but_never_block() {
        let mut account = Account::default();
        let facts: Vec<_> = (0..20)
            .flat_map(|hour| {
                account.apply(E::Abandoned, BlockRule::default(), Timestamp(hour * 3_600_000))
            })
            .collect();
        assert_eq!(facts, [AccountFact::FishingSuspected]);
        assert_eq!(account.standing(), Standing::Open);
        assert!(account.abandoned.len() <= Account::ABANDONED_KEPT);
    }

    fn any_event() -> impl Strategy<Value = E> {
        prop_oneof![
            Just(E::EntryCorrect),
            Just(E::EntryWrong),
            Just(E::CallFailed),
            any::<bool>().prop_map(|was_failed| E::CallPassed { was_failed }),
            Just(E::Abandoned),
            Just(E::Unblocked),
            Just(E::PinEnrolled),
        ]
    }

    proptest! {
        #[test]
        fn x02_counters_fall_only_by_the_rules(events in prop::collection::vec(any_event(), 0..200)) {
            let mut account = Account::default();
            for event in events {
                let before = account.clone();
                let _ = account.apply(event, BlockRule::default(), Timestamp(0));
                if account.failed_calls < before.failed_calls {
                    let allowed = matches!(event, E::CallPassed { .. } | E::Unblocked);
                    prop_assert!(allowed);
                }
                if account.pin_wrong_streak < before.pin_wrong_streak {
                    let allowed = matches!(event, E::EntryCorrect | E::PinEnrolled);
                    prop_assert!(allowed);
                }
                if before.reset_required && !account.reset_required {
                    prop_assert_eq!(event, E::PinEnrolled);
                }
            }
        }

        #[test]
        fn x01_at_most_six_guesses_before_the_pin_is_closed(calls in prop::collection::vec(0u8..3, 0..50)) {
            // A guesser who may stop after one entry, or fail a whole call: each entry is a guess.
            let (mut account, mut guesses) = (Account::default(), 0);
            for entries in calls {
                for _ in 0..entries {
                    if account.standing() == Standing::Open {
                        guesses += 1;
                        let _ = account.apply(E::EntryWrong, BlockRule::default(), Timestamp(0));
                    }
                }
                if entries == 2 {
                    let _ = account.apply(E::CallFailed, BlockRule::default(), Timestamp(0));
                }
            }
            prop_assert!(guesses <= 6);
        }
    }
}
