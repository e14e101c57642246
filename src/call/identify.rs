//! Who is it? A caller whose number names nobody keys a customer number, ended by `#`.

use crate::call::Call;
use crate::call::capture::Next;
use crate::call::effect::Claimed;
use crate::call::effect::Effect;
use crate::call::effect::Prompt;
use crate::call::facts::Who;
use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::call::input::Known;
use crate::call::phase::PROMPT_MAX;
use crate::call::phase::Phase;
use crate::call::phase::STORE_MAX;
use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::digits::SecretKeys;
use crate::model::time::Now;
use crate::model::time::Uptime;
use crate::policy::table;

impl Call {
    /// The phases from answer to a customer, known or made up.
    pub(crate) fn identifying(&mut self, phase: Phase, input: Input, now: Now) -> Next {
        use CallEvent as E;
        use Input as I;
        use Phase as P;
        match (phase, input) {
            (P::Answering { .. }, I::Event(E::Established)) => self.established(now),
            (P::Answering { .. }, I::DeadlineReached) => {
                self.hang_up(Cause::RECOVERY_ON_TIMER_EXPIRY, now)
            }

            (P::Identifying { keys, reprompts, until }, I::Event(E::DigitGenerated(key))) => {
                self.number_key(keys, reprompts, until, key, now)
            }
            (P::Identifying { keys, reprompts, .. }, I::Event(E::PromptEnded)) => {
                let until = now.up + self.facts.profile.capture.customer_number_timeout;
                (P::Identifying { keys, reprompts, until }, vec![])
            }
            (P::Identifying { keys, reprompts, .. }, I::DeadlineReached) => {
                if keys.is_empty() {
                    self.ask_number_again(reprompts, now)
                } else {
                    self.look_up_keyed(&keys, now)
                }
            }
            (P::LookingUpKeyed { .. }, I::KeyedLookedUp(Ok(known))) => {
                self.keyed_looked_up(known, now)
            }
            (P::LookingUpKeyed { .. }, I::KeyedLookedUp(Err(_)) | I::DeadlineReached) => {
                self.cannot_check(now)
            }

            (phase, _) => (phase, vec![]),
        }
    }

    fn established(&mut self, now: Now) -> Next {
        self.facts.note_of(Who::Caller, now.wall, "caller connected to the machine");
        if self.facts.customer.is_some() {
            return self.draw(now);
        }
        let reprompts = self.facts.profile.capture.reprompts;
        Self::ask_number(reprompts, now)
    }

    pub(crate) fn ask_number(reprompts: u8, now: Now) -> Next {
        let until = now.up + PROMPT_MAX;
        let phase = Phase::Identifying { keys: SecretKeys::default(), reprompts, until };
        (phase, vec![Effect::Play(Prompt::CustomerNumber)])
    }

    fn ask_number_again(&mut self, reprompts: u8, now: Now) -> Next {
        if let Some(left) = reprompts.checked_sub(1) {
            return Self::ask_number(left, now);
        }
        self.facts.note(now.wall, "no customer number was keyed");
        self.pin_over(table::Pin::Skipped, None, now)
    }

    fn number_key(
        &mut self,
        mut keys: SecretKeys,
        reprompts: u8,
        until: Uptime,
        key: Key,
        now: Now,
    ) -> Next {
        match key {
            Key::STAR => self.ask_number_again(reprompts, now),
            Key::POUND if keys.is_empty() => {
                (Phase::Identifying { keys, reprompts, until }, vec![])
            }
            Key::POUND => self.look_up_keyed(&keys, now),
            // Past the limit a key changes nothing, not even the deadline: nobody can lean on it for ever.
            _ if keys.len() == SecretKeys::LEN_MAX => {
                (Phase::Identifying { keys, reprompts, until }, vec![])
            }
            _ => {
                let first = keys.is_empty();
                keys.push(key);
                let until = now.up + self.facts.profile.capture.customer_number_timeout;
                let effects = if first { vec![Effect::StopPlaying] } else { vec![] };
                (Phase::Identifying { keys, reprompts, until }, effects)
            }
        }
    }

    fn look_up_keyed(&mut self, keys: &SecretKeys, now: Now) -> Next {
        let digit = |code: &u8| if *code < 10 { char::from(b'0' + code) } else { '?' };
        let claimed = Claimed(keys.expose().iter().map(digit).collect());
        self.facts.stranger = Some(claimed.clone());
        self.facts.keyed = true;
        self.facts.note_of(Who::Caller, now.wall, "customer number keyed");
        let effects = vec![Effect::StopPlaying, Effect::LookUpKeyed(claimed)];
        (Phase::LookingUpKeyed { until: now.up + STORE_MAX }, effects)
    }

    fn keyed_looked_up(&mut self, known: Option<Box<Known>>, now: Now) -> Next {
        if let Some(known) = known {
            self.facts.identify(*known);
        }
        self.draw(now)
    }
}
