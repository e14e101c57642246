//! Which PIN digits (C33, C34, X03).
//!
//! A position appears when its prompt starts; keys from then on count (barge-in), earlier ones are
//! discarded (5.10). Both digits are judged together; nobody learns which one was wrong.

use crate::account::Standing;
use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::Prompt;
use crate::call::effect::Subject;
use crate::call::facts::PinShown;
use crate::call::facts::Who;
use crate::call::input::After;
use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::call::input::Judgement;
use crate::call::input::Ticket;
use crate::call::phase::PROMPT_MAX;
use crate::call::phase::Phase;
use crate::call::phase::STORE_MAX;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::auth::Verdict;
use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::digits::Position;
use crate::model::digits::Positions;
use crate::model::digits::SecretKeys;
use crate::model::time::Now;
use crate::model::time::Uptime;
use crate::policy::table;

/// One entry of the pair, as far as it has come.
#[derive(Debug)]
pub struct Capture {
    /// What is asked, the same in every entry of the call (X03).
    pub positions: Positions,
    /// Which entry, from 1.
    pub attempt: u8,
    keys: SecretKeys,
    /// Repetitions left, for silence and for `*` alike.
    reprompts: u8,
    /// A phrase that comes before the position's own prompt plays; keys do not count yet.
    announcing: bool,
}

impl Capture {
    /// Whether a phrase comes first, and keys do not count yet.
    pub(crate) const fn announcing(&self) -> bool {
        self.announcing
    }

    fn position(&self) -> Position {
        if self.keys.is_empty() { self.positions.first() } else { self.positions.second() }
    }
}

/// The position in a word: no figure stands in a timeline, so that none can be mistaken for a key.
const fn ordinal(position: Position) -> &'static str {
    match position.number() {
        1 => "first",
        2 => "second",
        3 => "third",
        4 => "fourth",
        5 => "fifth",
        6 => "sixth",
        _ => "seventh",
    }
}

/// What a step makes of a call.
pub(crate) type Next = (Phase, Vec<Effect>);

impl Call {
    /// The phases from the draw of the positions to the hand-over.
    pub(crate) fn dialogue(&mut self, phase: Phase, input: Input, now: Now) -> Next {
        use CallEvent as E;
        use Input as I;
        use Phase as P;
        match (phase, input) {
            (P::Drawing { .. }, I::Drawn(Ok(positions))) => {
                let reprompts = self.facts.profile.capture.reprompts;
                let keys = SecretKeys::default();
                self.ask(
                    Capture {
                        positions,
                        attempt: self.facts.entries.saturating_add(1),
                        keys,
                        reprompts,
                        announcing: false,
                    },
                    now,
                )
            }
            (P::Drawing { .. }, I::Drawn(Err(_)) | I::DeadlineReached) => self.cannot_check(now),

            (P::Capture { capture, until }, I::Event(E::DigitGenerated(key))) => {
                self.pin_key(capture, until, key, now)
            }
            (P::Capture { capture, .. }, I::Event(E::PromptEnded)) if capture.announcing => {
                self.ask(Capture { announcing: false, ..capture }, now)
            }
            (P::Capture { capture, .. }, I::Event(E::PromptEnded)) => {
                let until = now.up + self.facts.profile.capture.digit_timeout;
                (P::Capture { capture, until }, vec![])
            }
            (P::Capture { capture, .. }, I::DeadlineReached) => self.silence(capture, now),

            (P::Reserving { mut capture, .. }, I::Reserved(Ok(ticket))) => {
                self.facts.attempt_made = true;
                self.facts.entries = self.facts.entries.saturating_add(1);
                let keys = std::mem::take(&mut capture.keys);
                let subject = match (ticket, self.facts.subject()) {
                    // The account was closed by another call since the look-up.
                    (Ticket::Dummy, Subject::Account(id)) => Subject::Closed(id),
                    (_, subject) => subject,
                };
                let judge = Effect::Judge { subject, positions: capture.positions, keys };
                (P::Judging { capture, ticket, until: now.up + STORE_MAX }, vec![judge])
            }
            (P::Reserving { .. }, I::Reserved(Err(_)) | I::DeadlineReached) => {
                self.cannot_check(now)
            }
            (P::Judging { capture, ticket, .. }, I::Judged(judgement)) => {
                let verdict = match judgement {
                    Judgement::Verdict(verdict) => Some(verdict),
                    Judgement::Unavailable => None,
                };
                let until = now.up + STORE_MAX;
                (P::Settling { capture, verdict, until }, vec![Effect::Settle { ticket, verdict }])
            }
            (P::Judging { ticket, .. }, I::DeadlineReached) => {
                let (phase, mut effects) = self.cannot_check(now);
                effects.insert(0, Effect::Settle { ticket, verdict: None });
                (phase, effects)
            }
            (P::Settling { capture, verdict: Some(verdict), .. }, I::Settled(Ok(after))) => {
                self.settled(capture, verdict, after, now)
            }
            (P::Settling { .. }, I::Settled(_) | I::DeadlineReached) => self.cannot_check(now),

            (P::Closing { .. }, I::Event(E::PromptEnded) | I::DeadlineReached) => {
                self.hand_over(true, now)
            }

            (phase, _) => (phase, vec![]),
        }
    }

    pub(crate) fn draw(&mut self, now: Now) -> Next {
        let subject = self.facts.subject();
        (Phase::Drawing { until: now.up + STORE_MAX }, vec![Effect::Draw(subject)])
    }

    /// Asks the position that is due.
    fn ask(&mut self, capture: Capture, now: Now) -> Next {
        let position = capture.position();
        let shown = self.facts.pin.get_or_insert_with(|| PinShown {
            positions: vec![],
            entered: 0,
            attempt: capture.attempt,
            result: None,
        });
        shown.attempt = capture.attempt;
        if !shown.positions.contains(&position) {
            shown.positions.push(position);
            self.facts.note(now.wall, format!("asked for the {} digit", ordinal(position)));
        }
        if !self.facts.authentication.is_final() {
            self.facts.authentication = Authentication::InProgress;
        }
        let until = now.up + PROMPT_MAX;
        (Phase::Capture { capture, until }, vec![Effect::Play(Prompt::PinPosition(position))])
    }

    fn pin_key(&mut self, mut capture: Capture, until: Uptime, key: Key, now: Now) -> Next {
        // Keys count once the position is shown, also during "I did not hear a key".
        let position = capture.position();
        let asked = self.facts.pin.as_ref().is_some_and(|pin| pin.positions.contains(&position));
        if !asked || key == Key::POUND {
            return (Phase::Capture { capture, until }, vec![]);
        }
        capture.announcing = false;
        if key == Key::STAR {
            return match capture.reprompts.checked_sub(1) {
                Some(left) => self.ask(Capture { reprompts: left, ..capture }, now),
                None => (Phase::Capture { capture, until }, vec![]),
            };
        }
        capture.keys.push(key);
        self.facts.note_of(Who::Caller, now.wall, "a key");
        let entered = u8::try_from(capture.keys.len()).unwrap_or(u8::MAX);
        if let Some(shown) = &mut self.facts.pin {
            shown.entered = entered;
        }
        if entered < 2 {
            return self.ask(capture, now);
        }
        self.facts.note(now.wall, format!("PIN entry {} complete", capture.attempt));
        let rules = self.facts.profile.capture;
        let reserve = Effect::Reserve {
            subject: self.facts.subject(),
            entry: capture.attempt,
            last: capture.attempt >= rules.attempts,
            positions: capture.positions,
            rule: self.facts.profile.block,
        };
        let phase = Phase::Reserving { capture, until: now.up + STORE_MAX };
        (phase, vec![Effect::StopPlaying, reserve])
    }

    fn silence(&mut self, capture: Capture, now: Now) -> Next {
        match capture.reprompts.checked_sub(1) {
            Some(left) => {
                let capture = Capture { reprompts: left, announcing: true, ..capture };
                let until = now.up + PROMPT_MAX;
                (Phase::Capture { capture, until }, vec![Effect::Play(Prompt::Reprompt)])
            }
            None => self.abandon(now),
        }
    }

    /// The caller gave up, or the agent took over: nothing was attempted, so nothing counts (§4).
    pub(crate) fn abandon(&mut self, now: Now) -> Next {
        self.facts.note(now.wall, "PIN entry abandoned");
        let record = self.record_abandoned();
        let (phase, mut effects) =
            self.pin_over(table::Pin::Skipped, Some(PinResult::Abandoned), now);
        effects.extend(record);
        (phase, effects)
    }

    /// An unanswered challenge goes to the account's own counter, once, and only without an attempt.
    pub(crate) fn record_abandoned(&self) -> Option<Effect> {
        let customer = self.facts.customer.as_ref().filter(|_| !self.facts.attempt_made)?;
        let rule = self.facts.profile.block;
        Some(Effect::RecordResult {
            customer: customer.id.clone(),
            result: CallResult::Abandoned,
            rule,
        })
    }

    fn settled(&mut self, capture: Capture, verdict: Verdict, after: After, now: Now) -> Next {
        self.facts.call_failed |= after.call_failed;
        if let Some(known) = &mut self.facts.customer {
            known.standing = after.standing;
        }
        if !self.facts.authentication.is_final() {
            match after.standing {
                Standing::ResetRequired => self.facts.conclude(Authentication::ResetRequired),
                // A block of this call's own making may still be lifted by its questions (§4).
                Standing::Blocked if !self.facts.call_failed => {
                    self.facts.conclude(Authentication::Blocked);
                }
                Standing::Blocked | Standing::Open => {}
            }
        }
        let last = capture.attempt >= self.facts.profile.capture.attempts;
        match verdict {
            Verdict::Correct => {
                self.facts.note(now.wall, "PIN correct");
                self.pin_over(table::Pin::Correct, Some(PinResult::Correct), now)
            }
            Verdict::Wrong if !last && self.facts.ended_at.is_none() => {
                self.ask_pair_again(&capture, now)
            }
            Verdict::Wrong => {
                self.facts.note(now.wall, "PIN not correct");
                // Who has no PIN at all heard the same, but for the agent no PIN was given.
                let has_pin = self.facts.customer.as_ref().is_none_or(|known| known.has_pin);
                let factor = if has_pin { table::Pin::Wrong } else { table::Pin::Skipped };
                self.pin_over(factor, Some(PinResult::Incorrect), now)
            }
        }
    }

    /// X03: both digits again, the same positions, and not a word about which one was wrong.
    fn ask_pair_again(&mut self, capture: &Capture, now: Now) -> Next {
        self.facts.note(now.wall, "PIN entry not correct, asked once more");
        let attempt = capture.attempt + 1;
        if let Some(shown) = &mut self.facts.pin {
            shown.positions.clear();
            shown.entered = 0;
            shown.attempt = attempt;
        }
        let reprompts = self.facts.profile.capture.reprompts;
        let again = Capture {
            positions: capture.positions,
            attempt,
            keys: SecretKeys::default(),
            reprompts,
            announcing: true,
        };
        let until = now.up + PROMPT_MAX;
        (Phase::Capture { capture: again, until }, vec![Effect::Play(Prompt::PinAgain)])
    }

    /// C51: a failure of ours counts nothing, and the caller goes on to an agent.
    pub(crate) fn cannot_check(&mut self, now: Now) -> Next {
        self.facts.note(now.wall, "the PIN could not be checked");
        self.pin_over(table::Pin::Unavailable, Some(PinResult::Unavailable), now)
    }

    /// The PIN step is over: what follows for the check, and on to an agent.
    pub(crate) fn pin_over(
        &mut self,
        factor: table::Pin,
        result: Option<PinResult>,
        now: Now,
    ) -> Next {
        self.facts.factors.pin = factor;
        if let Some(shown) = &mut self.facts.pin {
            shown.result = result;
        }
        let mut effects = self.decide(now);
        if self.facts.ended_at.is_some() {
            let (phase, more) = self.ended(Cause::NORMAL_CLEARING, now);
            effects.extend(more);
            return (phase, effects);
        }
        let prompt =
            if factor == table::Pin::Unavailable { Prompt::Unavailable } else { Prompt::Thanks };
        effects.push(Effect::Play(prompt));
        (Phase::Closing { until: now.up + PROMPT_MAX }, effects)
    }
}
