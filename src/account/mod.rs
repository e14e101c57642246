//! DECIDES about an account. Pure: flags, counters, lock-out, the deck of PIN positions.
//!
//! The counters live in records and change only through [`Account::apply`], inside the transaction
//! that stores them, so that they are right whatever crashes (X01, X02, 5.6, 5.14, 5.15).

pub mod deck;
pub mod situation;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::account::deck::Deck;
use crate::model::ids::CallId;
use crate::model::ids::FactKey;
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
    /// An additional question stood in for PIN or password; the next such call ends in a reset (C41, C44).
    #[serde(default)]
    pub compensated: bool,
    /// Questions asked in the last calls, the newest call last, at most [`Account::CALLS_KEPT`] (X34).
    #[serde(default)]
    pub asked: Vec<AskedIn>,
    /// Rises with every concluded call; seeds the draw of questions, so that a redial gets the same (5.6).
    #[serde(default)]
    pub round: u64,
    /// What was shown, spoken or printed, and when last: disclosed or asked, never both (X08).
    #[serde(default)]
    pub disclosed: BTreeMap<FactKey, Timestamp>,
}

/// The questions asked in one call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AskedIn {
    /// The call.
    pub call: CallId,
    /// Whether the call came to a verdict: until then, ringing again brings the same questions (5.6).
    #[serde(default)]
    pub concluded: bool,
    /// The questions, each once.
    pub keys: Vec<FactKey>,
}

/// What happened to an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccountEvent {
    /// A PIN was enrolled or changed.
    PinEnrolled,
    /// The customer chose a PIN of their own: it counts when the address is proven (P15, P19).
    PinChosen,
    /// The customer followed the link (P20, P25).
    PinActivated,
    /// An administrator reset the PIN, or the e-mail address changed (P14, P17).
    PinReset,
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
    /// A factor failed on an account that was compensated before: a reset comes first (C44, X04).
    ResetDemanded,
    /// Positions were given and no attempt was made.
    Abandoned,
    /// An administrator, or a passed unblock call, unblocked (C72).
    Unblocked,
    /// The call passed with an additional question in the place of PIN or password (C41). Comes after
    /// its `CallPassed`.
    CompensatedPass,
    /// The security details were reset: no PIN until a new one is enrolled (C46, C56).
    SecurityReset,
    /// Questions were put to the caller (X34).
    Asked {
        /// In which call.
        call: CallId,
        /// Which.
        keys: Vec<FactKey>,
    },
    /// The call that put questions last came to its verdict.
    Concluded,
    /// A datum was shown, spoken or printed (X08).
    Disclosed(FactKey),
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
    /// Calls whose questions are remembered (X34).
    pub const CALLS_KEPT: usize = 3;
    /// Questions of one call that are remembered.
    const KEYS_KEPT: usize = 16;
    /// Disclosed data that are remembered; a customer has fewer.
    const DISCLOSED_KEPT: usize = 64;
    /// How long a disclosed datum may not be asked (X08).
    pub const DISCLOSED_FOR: std::time::Duration = std::time::Duration::from_hours(365 * 24);
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

    /// The questions of the last calls that came to a verdict, each once.
    #[must_use]
    pub fn recently_asked(&self) -> Vec<FactKey> {
        let concluded = self.asked.iter().filter(|asked| asked.concluded);
        let keys: BTreeSet<_> = concluded.flat_map(|asked| &asked.keys).collect();
        keys.into_iter().cloned().collect()
    }

    /// The data disclosed too recently to be asked (X08).
    #[must_use]
    pub fn disclosed_lately(&self, now: Timestamp) -> Vec<FactKey> {
        let lately = |at: &Timestamp| now.since(*at) < Self::DISCLOSED_FOR;
        self.disclosed.iter().filter(|(_, at)| lately(at)).map(|(key, _)| key.clone()).collect()
    }

    /// Takes one event and says what follows from it.
    pub fn apply(
        &mut self,
        event: AccountEvent,
        rule: BlockRule,
        now: Timestamp,
    ) -> Vec<AccountFact> {
        match event {
            AccountEvent::PinEnrolled
            | AccountEvent::PinChosen
            | AccountEvent::PinActivated
            | AccountEvent::PinReset
            | AccountEvent::SecurityReset => {
                self.change_pin(&event);
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
                self.round = self.round.saturating_add(1);
                self.failed_calls = self.failed_calls.saturating_add(1);
                let newly = self.failed_calls >= rule.failed_calls && !self.blocked;
                self.blocked |= newly;
                if newly { vec![AccountFact::BecameBlocked] } else { vec![] }
            }
            AccountEvent::CallPassed { was_failed } => {
                self.pass(was_failed, rule);
                vec![]
            }
            AccountEvent::ResetDemanded => {
                let newly = !self.reset_required;
                self.reset_required = true;
                if newly { vec![AccountFact::BecameResetRequired] } else { vec![] }
            }
            AccountEvent::Abandoned => self.abandon(now),
            AccountEvent::Unblocked => {
                self.blocked = false;
                self.failed_calls = 0;
                vec![]
            }
            // The streak of wrong entries stays: only a correct PIN or a reset ends it (X02).
            AccountEvent::CompensatedPass => {
                self.compensated = true;
                vec![]
            }
            AccountEvent::Asked { call, keys } => {
                self.ask(call, keys);
                vec![]
            }
            AccountEvent::Concluded => {
                if let Some(last) = self.asked.last_mut() {
                    last.concluded = true;
                }
                vec![]
            }
            AccountEvent::Disclosed(key) => {
                self.disclose(key, now);
                vec![]
            }
        }
    }

    fn pass(&mut self, was_failed: bool, rule: BlockRule) {
        // A call that had failed was counted with its failure.
        self.round = self.round.saturating_add(u64::from(!was_failed));
        // A block that an earlier call set stays: only an unblock lifts that (C71).
        let own_block = was_failed && self.failed_calls == rule.failed_calls;
        if !self.blocked || own_block {
            self.blocked = false;
            self.failed_calls = 0;
        }
    }

    fn change_pin(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::PinEnrolled => {
                self.choose();
                self.enabled = true;
            }
            AccountEvent::PinChosen => self.choose(),
            // No/Yes does not exist (P21).
            AccountEvent::PinActivated => self.enabled = self.initialized,
            AccountEvent::PinReset => self.take_pin_away(),
            // The block is none of a reset's business: whoever resets evaluates it afterwards (X05).
            AccountEvent::SecurityReset => {
                self.compensated = false;
                self.take_pin_away();
            }
            _ => {}
        }
    }

    fn choose(&mut self) {
        self.initialized = true;
        self.enabled = false;
        self.pin_version = self.pin_version.saturating_add(1);
        self.pin_wrong_streak = 0;
        self.reset_required = false;
        self.deck = Deck::default();
    }

    fn take_pin_away(&mut self) {
        self.pin_wrong_streak = 0;
        self.reset_required = false;
        self.initialized = false;
        self.enabled = false;
        if self.pin_version > 0 {
            // A PIN that is being enrolled for the old version comes too late.
            self.pin_version = self.pin_version.saturating_add(1);
        }
        self.deck = Deck::default();
    }

    fn ask(&mut self, call: CallId, keys: Vec<FactKey>) {
        let place = self.asked.iter().position(|asked| asked.call == call);
        let mut asked = match place {
            Some(place) => self.asked.remove(place),
            None => AskedIn { call, concluded: false, keys: vec![] },
        };
        for key in keys {
            if asked.keys.len() < Self::KEYS_KEPT && !asked.keys.contains(&key) {
                asked.keys.push(key);
            }
        }
        if self.asked.len() >= Self::CALLS_KEPT {
            // Ringing again and again does not make us forget what calls with a verdict were asked.
            let oldest = self.asked.iter().position(|asked| !asked.concluded);
            self.asked.remove(oldest.unwrap_or(0));
        }
        self.asked.push(asked);
    }

    fn disclose(&mut self, key: FactKey, now: Timestamp) {
        let latest = self.disclosed.get(&key).map_or(now, |before| now.max(*before));
        self.disclosed.insert(key, latest);
        self.disclosed.retain(|_, at| now.since(*at) < Self::DISCLOSED_FOR);
        while self.disclosed.len() > Self::DISCLOSED_KEPT {
            let oldest = self.disclosed.iter().min_by_key(|(_, at)| **at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.disclosed.remove(&oldest);
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
            let _ = account.apply(event.clone(), BlockRule::default(), Timestamp(0));
        }
        account
    }

    #[test]
    fn c70_three_consecutive_failed_calls_block_and_a_pass_between_does_not() {
        assert_eq!(after(&vec![E::CallFailed; 2]).standing(), Standing::Open);
        assert_eq!(after(&vec![E::CallFailed; 3]).standing(), Standing::Blocked);
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

    /// The old PIN is void: what was counted against it goes with it.
    fn changes_pin(event: &E) -> bool {
        matches!(event, E::PinEnrolled | E::PinChosen | E::PinReset | E::SecurityReset)
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
            Just(E::PinChosen),
            Just(E::PinActivated),
            Just(E::PinReset),
            Just(E::CompensatedPass),
            Just(E::SecurityReset),
            Just(asked("call-1", &["postcode"])),
            Just(E::Disclosed(key("bank_last4"))),
        ]
    }

    fn key(text: &str) -> FactKey {
        text.parse().expect("a key")
    }

    fn asked(call: &str, keys: &[&str]) -> E {
        let keys = keys.iter().map(|text| key(text)).collect();
        E::Asked { call: call.parse().expect("an id"), keys }
    }

    #[test]
    fn c41_c46_a_compensated_pass_is_remembered_until_a_reset() {
        let pass = E::CallPassed { was_failed: true };
        let flagged =
            after(&[E::EntryWrong, E::EntryWrong, E::CallFailed, pass, E::CompensatedPass]);
        assert!(flagged.compensated);
        assert_eq!(flagged.pin_wrong_streak, 2, "x02 the streak stays");
        let mut later = flagged.clone();
        for event in [E::EntryCorrect, E::CallPassed { was_failed: false }, E::PinEnrolled] {
            let _ = later.apply(event, BlockRule::default(), Timestamp(0));
            assert!(later.compensated, "c44 only a full reset clears it");
        }
        let _ = later.apply(E::SecurityReset, BlockRule::default(), Timestamp(0));
        assert!(!later.compensated, "c46 a compensated pass is allowed once more");
    }

    #[test]
    fn c56_after_a_reset_the_old_pin_fails_at_once_and_nothing_else_is_forgotten() {
        let mut account = after(&[E::PinEnrolled, E::CallFailed, E::EntryWrong]);
        let pair = account.deck.challenge(3, Timestamp(0));
        assert!(account.deck.sticky().is_some_and(|sticky| sticky.positions == pair));
        let version = account.pin_version;
        let _ = account.apply(E::SecurityReset, BlockRule::default(), Timestamp(0));
        assert!(!account.has_pin() && account.deck.sticky().is_none());
        assert!(account.pin_version > version, "an enrolment under way comes too late");
        assert_eq!(account.failed_calls, 1, "x05 the block is evaluated for itself");
        let _ = account.apply(E::PinEnrolled, BlockRule::default(), Timestamp(0));
        assert!(account.has_pin());
    }

    #[test]
    fn x34_questions_of_the_last_three_calls_are_remembered() {
        let account = after(&[
            asked("call-1", &["postcode"]),
            E::Concluded,
            asked("call-2", &["employer"]),
            asked("call-2", &["employer", "last_contact"]),
            E::Concluded,
            asked("call-3", &["nino"]),
            E::Concluded,
            asked("call-4", &["bank_last4"]),
            E::Concluded,
        ]);
        let redialled = after(&[E::CallFailed, asked("call-1", &["postcode"])]);
        assert!(redialled.recently_asked().is_empty(), "5.6 a redial gets the same questions");
        assert_eq!(account.asked.len(), Account::CALLS_KEPT);
        let recent: Vec<_> = account.recently_asked().iter().map(ToString::to_string).collect();
        assert_eq!(recent, ["bank_last4", "employer", "last_contact", "nino"]);
    }

    #[test]
    fn x34_a_thousand_redials_do_not_wash_out_what_was_asked() {
        let mut events = vec![asked("call-1", &["postcode"]), E::Concluded];
        events.extend((2..1000).map(|n| asked(&format!("call-{n}"), &["employer"])));
        assert_eq!(after(&events).recently_asked(), [key("postcode")]);
    }

    #[test]
    fn x08_a_disclosed_datum_stays_out_of_the_pool_for_a_year() {
        let mut account = Account::default();
        let year = 365 * 86_400_000;
        let _ = account.apply(E::Disclosed(key("bank_last4")), BlockRule::default(), Timestamp(9));
        assert_eq!(account.disclosed_lately(Timestamp(year)), [key("bank_last4")]);
        assert_eq!(account.disclosed_lately(Timestamp(year + 9)), []);
        let _ = account.apply(E::Disclosed(key("bank_last4")), BlockRule::default(), Timestamp(5));
        assert_eq!(
            account.disclosed.get(&key("bank_last4")),
            Some(&Timestamp(9)),
            "5.16 never earlier"
        );
        for n in 0..200 {
            let event = E::Disclosed(key(&format!("fact_{n}")));
            let _ = account.apply(event, BlockRule::default(), Timestamp(n));
        }
        assert!(account.disclosed.len() <= 64);
    }

    proptest! {
        #[test]
        fn x02_counters_fall_only_by_the_rules(events in prop::collection::vec(any_event(), 0..200)) {
            let mut account = Account::default();
            for event in events {
                let before = account.clone();
                let _ = account.apply(event.clone(), BlockRule::default(), Timestamp(0));
                if account.failed_calls < before.failed_calls {
                    let allowed = matches!(event, E::CallPassed { .. } | E::Unblocked);
                    prop_assert!(allowed);
                }
                if account.pin_wrong_streak < before.pin_wrong_streak {
                    prop_assert!(event == E::EntryCorrect || changes_pin(&event));
                }
                if before.reset_required && !account.reset_required {
                    prop_assert!(changes_pin(&event));
                }
                prop_assert!(account.initialized || !account.enabled, "P21");
                if before.compensated && !account.compensated {
                    prop_assert_eq!(&event, &E::SecurityReset);
                }
                if before.blocked && !account.blocked {
                    let allowed = matches!(event, E::CallPassed { .. } | E::Unblocked);
                    prop_assert!(allowed);
                }
                prop_assert!(account.round >= before.round && account.round - before.round <= 1);
                prop_assert!(account.pin_version >= before.pin_version);
                prop_assert!(account.asked.len() <= Account::CALLS_KEPT);
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
