//! The ways out: hand-over, hang-up, wrap-up, release.

use crate::account::Standing;
use crate::call::Call;
use crate::call::effect::Effect;
use crate::call::effect::EndedCall;
use crate::call::effect::LastState;
use crate::call::effect::Prompt;
use crate::call::facts::Who;
use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::phase::HAND_OVER_MAX;
use crate::call::phase::PROMPT_MAX;
use crate::call::phase::Phase;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::cause::Cause;
use crate::model::time::Now;

impl Call {
    /// Sends the caller on to the queue.
    pub(crate) fn hand_over(&mut self, answered: bool, now: Now) -> (Phase, Vec<Effect>) {
        // Whoever talks to an agent already goes back to that agent, not to the queue.
        let talks = self.facts.with_agent && self.facts.agent.is_some();
        self.facts.with_agent = true;
        let to = if talks { String::new() } else { self.facts.queue_uri.clone() };
        self.facts.note(now.wall, format!("handing over to queue {}", self.facts.queue));
        let phase = Phase::HandingOver { answered, until: now.up + HAND_OVER_MAX };
        (phase, vec![Effect::HandOver { to, answered }])
    }

    /// `Deciding`, `HandingOver` and `Parting`: the last steps before an agent, or without one.
    pub(crate) fn on_the_way_to_an_agent(
        &mut self,
        phase: Phase,
        input: &Input,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        match (&phase, input) {
            (Phase::Deciding { .. }, Input::DeadlineReached) => {
                self.facts.verdict = None;
                self.facts.conclude(Authentication::SystemUnavailable);
                self.hand_over(false, now)
            }
            (Phase::HandingOver { .. }, Input::Event(CallEvent::HandedOver(HandOver::Done))) => {
                self.facts.note_of(Who::Platform, now.wall, "handed over");
                (Phase::HandedOver { until: now.up + self.facts.handed_over_max }, vec![])
            }
            (
                Phase::HandingOver { answered, .. },
                Input::Event(CallEvent::HandedOver(HandOver::Refused(status))),
            ) => {
                self.facts.note(now.wall, format!("hand-over refused with {status}"));
                self.not_handed_over(*answered, now)
            }
            (Phase::HandingOver { answered, .. }, Input::DeadlineReached) => {
                self.facts.note(now.wall, "hand-over did not come to an end in time");
                self.not_handed_over(*answered, now)
            }
            (
                Phase::Parting { .. },
                Input::Event(CallEvent::PromptEnded) | Input::DeadlineReached,
            ) => self.hang_up(Cause::TEMPORARY_FAILURE, now),
            _ => (phase, vec![]),
        }
    }

    fn not_handed_over(&mut self, answered: bool, now: Now) -> (Phase, Vec<Effect>) {
        if !answered {
            return self.hang_up(Cause::TEMPORARY_FAILURE, now);
        }
        let until = now.up + PROMPT_MAX;
        (Phase::Parting { until }, vec![Effect::Play(Prompt::Goodbye)])
    }

    /// Ends the leg from our side.
    pub(crate) fn hang_up(&mut self, cause: Cause, now: Now) -> (Phase, Vec<Effect>) {
        let (phase, mut effects) = self.ended(cause, now);
        effects.insert(0, Effect::Clear(cause));
        (phase, effects)
    }

    /// The leg is gone. An entry that is on disk is settled first, whoever hung up (5.14).
    pub(crate) fn cleared(&mut self, phase: Phase, cause: Cause, now: Now) -> (Phase, Vec<Effect>) {
        match phase {
            Phase::WrapUp { .. } | Phase::Released => (phase, vec![]),
            phase if phase.attempt_open() => {
                self.facts.ended_at = Some(now.wall);
                self.facts.note_of(Who::Caller, now.wall, "caller hung up");
                (phase, vec![])
            }
            Phase::Interrupted { .. } => {
                self.void_entry();
                self.ended(cause, now)
            }
            Phase::Capture { .. } => {
                let record = self.record_abandoned();
                if let Some(shown) = &mut self.facts.pin {
                    shown.result = Some(PinResult::Abandoned);
                }
                let (phase, mut effects) = self.ended(cause, now);
                effects.extend(record);
                (phase, effects)
            }
            _ => self.ended(cause, now),
        }
    }

    /// The call is over; after-call work begins.
    pub(crate) fn ended(&mut self, cause: Cause, now: Now) -> (Phase, Vec<Effect>) {
        if self.facts.ended_at.is_none() {
            self.facts.ended_at = Some(now.wall);
            self.facts.note(now.wall, format!("call ended: {}", cause.word()));
        }
        if !self.facts.authentication.is_final() && self.facts.verdict.is_none() {
            let blocked = self
                .facts
                .customer
                .as_ref()
                .is_some_and(|known| known.standing == Standing::Blocked);
            self.facts.conclude(match (self.facts.call_failed, blocked) {
                (true, true) => Authentication::Blocked,
                (true, false) => Authentication::Failed,
                (false, _) => Authentication::NotAuthenticated,
            });
        }
        let profile = &self.facts.profile;
        let wait = if self.facts.agent.is_some() { profile.wrap_up_max } else { profile.linger };
        let mut effects = self.close_books();
        if self.facts.proof.as_ref().is_some_and(|proof| proof.app_numbers().is_some()) {
            effects.push(Effect::ShowInApp(None));
        }
        (Phase::WrapUp { until: now.up + wait }, effects)
    }

    /// Reports the end of the call, once, as soon as nothing is on its way to disk.
    pub(crate) fn close_books(&mut self) -> Vec<Effect> {
        if self.facts.ended_at.is_none() || self.facts.verdict.is_some() || self.facts.books_closed
        {
            return vec![];
        }
        self.facts.books_closed = true;
        let mut effects = vec![];
        if self.facts.authentication == Authentication::Failed && !self.facts.followed_up {
            // C04: a failure never goes without a recorded follow-up.
            self.facts.followed_up = true;
            let role = self.facts.party.as_ref().map_or("unknown", |party| party.role.word());
            self.facts.notes.push(self.facts.profile.texts.failed_outcome.clone());
            effects.push(Effect::FollowUp(Occasion::PartyEnded {
                role: role.into(),
                outcome: self.facts.profile.texts.failed_outcome.clone(),
            }));
        }
        let pin = self.facts.pin.as_ref().and_then(|pin| pin.result);
        let abandoned = pin == Some(PinResult::Abandoned) && !self.facts.attempt_made;
        let outcome = if abandoned && self.facts.authentication == Authentication::NotAuthenticated
        {
            "abandoned"
        } else {
            self.facts.authentication.word()
        };
        let count = !self.facts.counted && !self.facts.authentication.is_final();
        self.facts.counted |= count;
        let (class, last) = (self.facts.class, self.last_state());
        let ended = EndedCall { class, outcome, count, pin, last };
        effects.push(Effect::Ended(Box::new(ended)));
        effects
    }

    fn last_state(&self) -> LastState {
        LastState {
            view: self.view(),
            customer: self.facts.customer.as_ref().map(|known| known.id.clone()),
            started_at: self.facts.started_at,
            ended_at: self.facts.ended_at,
            transcript: self.facts.transcript.clone(),
        }
    }

    /// Takes the call off the desktops.
    pub(crate) fn release(&mut self, now: Now) -> (Phase, Vec<Effect>) {
        if self.facts.ended_at.is_none() {
            self.facts.ended_at = Some(now.wall);
        }
        if self.facts.verdict.take().is_some() && !self.facts.authentication.is_final() {
            // Nobody ever said whether it was stored: nothing was told, and that is how it ends.
            self.facts.conclude(Authentication::SystemUnavailable);
        }
        let mut effects = self.close_books();
        effects.push(Effect::Release(Box::new(self.last_state())));
        (Phase::Released, effects)
    }

    /// A caller who was handed over or has left, and whom no agent took, makes room for one who rings.
    pub(crate) fn make_room(&mut self, phase: Phase, now: Now) -> (Phase, Vec<Effect>) {
        let idle = matches!(phase, Phase::HandedOver { .. } | Phase::WrapUp { .. });
        if !idle || self.facts.agent.is_some() || self.facts.verdict.is_some() {
            return (phase, vec![]);
        }
        let (_, mut effects) = self.ended(Cause::NORMAL_UNSPECIFIED, now);
        let (phase, released) = self.release(now);
        effects.extend(released);
        (phase, effects)
    }

    /// The daemon stops: every call ends at once and gives back what it holds.
    pub(crate) fn shut_down(&mut self, phase: Phase, now: Now) -> (Phase, Vec<Effect>) {
        let mut effects = vec![];
        if let Phase::Judging { ticket, .. } = &phase {
            effects.push(Effect::Settle { ticket: *ticket, verdict: None });
        }
        if self.facts.ended_at.is_none() && !matches!(phase, Phase::HandedOver { .. }) {
            effects.push(Effect::Clear(Cause::NORMAL_UNSPECIFIED));
        }
        let (_, ended) = self.ended(Cause::NORMAL_UNSPECIFIED, now);
        effects.extend(ended);
        let (phase, released) = self.release(now);
        effects.extend(released);
        (phase, effects)
    }
}
