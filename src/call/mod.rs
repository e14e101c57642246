//! DECIDES about a call. One call is a plain value: `(call, input, now) → effects`.
//!
//! ```text
//!              looked up                       ACK              customer known
//!  LookingUp ------------> Answering ---------------> Drawing ------------------> Capture
//!      |                                   |  unknown number      ^                  | both digits
//!      | no digits needed                  '--> Identifying ------'                  v
//!      v                                                          Reserving -> Judging -> Settling
//!  Deciding --> HandingOver --> HandedOver <------ HandingOver <-- Closing <-- (wrong: Capture once more)
//!                                   |
//!  any state -- hang-up, deadline --'--> WrapUp --> Released
//!  with the machine -- leg lost --> Interrupted -- leg back --> asked again from the start
//! ```
//!
//! Invariants: nothing in here reads a clock, a socket or a random number, or logs; every phase but
//! `Released` has a deadline, so no call can hang for ever; a reserved attempt is always settled,
//! whoever hangs up meanwhile.

pub mod adopt;
pub mod afterwards;
pub mod capture;
pub mod check;
pub mod classify;
pub mod desk;
pub mod effect;
pub mod facts;
pub mod identify;
pub mod input;
pub mod interrupted;
pub mod party;
pub mod passing_on;
pub mod phase;
pub mod proving;
pub mod questions;
pub mod request;
pub mod saved;
pub mod show;
pub mod transcript;
pub mod view;
pub mod wrap_up;

use std::sync::Arc;

use crate::call::effect::Effect;
use crate::call::facts::Facts;
use crate::call::input::CallEvent;
use crate::call::input::Delivered;
use crate::call::input::Input;
use crate::call::phase::Phase;
use crate::call::view::CallView;
use crate::model::auth::Authentication;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::model::time::Now;
use crate::model::time::Uptime;
use crate::policy::Profile;

/// One call.
#[derive(Debug)]
pub struct Call {
    facts: Facts,
    phase: Phase,
    shown: Option<CallView>,
}

/// How far a call has come, for those who wait for what follows from an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// The class, once decided.
    pub class: Option<CallerClass>,
    /// How far the check has come.
    pub authentication: Authentication,
    /// Whether the call waits for the outside, and for no answer of a store or worker.
    pub settled: bool,
    /// Whether the caller is out of reach: there is nothing to be ordered.
    pub interrupted: bool,
}

impl Call {
    /// A call that was just delivered, and what to do first.
    pub fn offered(
        id: CallId,
        delivered: Delivered,
        profile: Arc<Profile>,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let claimed = delivered.claimed_customer.clone();
        let facts = Facts::new(id, delivered, profile, now);
        let look_up = Effect::LookUp {
            caller: facts.caller.clone(),
            dnis: facts.dnis.clone(),
            intent: facts.intent.clone(),
            claimed,
            direction: facts.direction,
        };
        let phase = Phase::LookingUp { until: now.up + phase::LOOK_UP_MAX };
        let mut call = Self { facts, phase, shown: None };
        let effects = call.publish_then(vec![look_up]);
        (call, effects)
    }

    /// Takes one input and says what follows from it, in the order it is to be carried out.
    #[must_use = "dropping effects loses what the call decided"]
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let phase = std::mem::replace(&mut self.phase, Phase::Released);
        let next = self.advance(phase, input, now);
        let (phase, effects) = self.within_reach(next, now);
        self.phase = phase;
        let mut effects = self.publish_then(effects);
        effects.extend(self.count());
        effects
    }

    fn count(&mut self) -> Option<Effect> {
        let outcome = self.facts.authentication;
        let due = outcome.is_final() && !self.facts.counted;
        self.facts.counted |= due;
        due.then(|| Effect::Count { class: self.facts.class(), outcome: outcome.word() })
    }

    /// When the phase is over by itself; `None` only once the call is released.
    #[must_use]
    pub fn deadline(&self) -> Option<Uptime> {
        self.phase.until()
    }

    /// Our id.
    #[must_use]
    pub fn id(&self) -> &CallId {
        &self.facts.id
    }

    /// How far the call has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            class: self.facts.class,
            authentication: self.facts.authentication,
            settled: self.phase.settled() && self.facts.verdict.is_none(),
            interrupted: matches!(self.phase, Phase::Interrupted { .. }),
        }
    }

    /// The call as its agent sees it.
    #[must_use]
    pub fn view(&self) -> CallView {
        show::view(self)
    }

    fn advance(&mut self, phase: Phase, input: Input, now: Now) -> (Phase, Vec<Effect>) {
        match (phase, input) {
            (Phase::Released, input) => (Phase::Released, desk::too_late(input)),

            // Alike in every phase.
            (
                phase,
                input @ (Input::Request { .. }
                | Input::ResultRecorded(_)
                | Input::Revealed { .. }
                | Input::PasswordJudged { .. }
                | Input::PartyLookedUp { .. }
                | Input::SecurityReset { .. }
                | Input::Unblocked { .. }
                | Input::Announced { .. }
                | Input::ProofMaterial { .. }
                | Input::LetterCompared { .. }
                | Input::AppTapped { .. }),
            ) => self.beside_the_way(phase, input, now),
            (phase, Input::Event(CallEvent::ConnectionCleared(cause))) => {
                self.cleared(phase, cause, now)
            }
            (
                phase,
                Input::Event(
                    event @ (CallEvent::Held
                    | CallEvent::Retrieved
                    | CallEvent::AgentJoined(_)
                    | CallEvent::AgentLeft(_)
                    | CallEvent::Transferred { .. }),
                ),
            ) => self.platform_moves(phase, event, now),
            (phase, Input::Event(CallEvent::LegLost)) => self.leg_lost(phase),
            (phase, Input::Event(CallEvent::LegBack)) => self.leg_back(phase, now),
            (Phase::Interrupted { then, .. }, Input::DeadlineReached) => self.leg_gone(then, now),
            (phase, Input::Disowned) => self.disowned(&phase),
            (phase, Input::Shutdown) => self.shut_down(phase, now),
            (phase, Input::MakeRoom) => self.make_room(phase, now),

            // A reservation that came too late for us is nobody's guess: it must not count.
            (phase, Input::Reserved(Ok(ticket))) if !matches!(phase, Phase::Reserving { .. }) => {
                (phase, vec![Effect::Settle { ticket, verdict: None }])
            }

            // The way of the call.
            (Phase::LookingUp { .. }, Input::LookedUp(found)) => self.looked_up(*found, now),
            (Phase::LookingUp { .. }, Input::DeadlineReached) => self.not_looked_up(now),
            (
                phase
                @ (Phase::Deciding { .. } | Phase::HandingOver { .. } | Phase::Parting { .. }),
                input,
            ) => self.on_the_way_to_an_agent(phase, &input, now),
            (Phase::WrapUp { .. }, Input::DeadlineReached) => self.release(now),
            (Phase::HandedOver { .. }, Input::DeadlineReached) => {
                self.ended(Cause::RECOVERY_ON_TIMER_EXPIRY, now)
            }
            (
                phase @ (Phase::LookingUp { .. } | Phase::HandedOver { .. } | Phase::WrapUp { .. }),
                Input::LookedUp(_)
                | Input::KeyedLookedUp(_)
                | Input::Drawn(_)
                | Input::Reserved(_)
                | Input::Judged(_)
                | Input::Settled(_)
                | Input::Event(_),
            ) => (phase, vec![]),

            // The dialogue with the machine.
            (
                phase @ (Phase::Answering { .. }
                | Phase::Identifying { .. }
                | Phase::LookingUpKeyed { .. }),
                input,
            ) => self.identifying(phase, input, now),
            (phase, input) => self.dialogue(phase, input, now),
        }
    }

    /// What desktops ask and stores answer, wherever the caller is.
    fn beside_the_way(&mut self, phase: Phase, input: Input, now: Now) -> (Phase, Vec<Effect>) {
        match input {
            Input::Request { asker, request, reply } => {
                self.request(phase, &asker, request, reply, now)
            }
            Input::ResultRecorded(result) => self.result_recorded(phase, result, now),
            Input::Revealed { question, by, reply, audited } => {
                (phase, self.revealed(&question, &by, reply, audited, now))
            }
            Input::PasswordJudged { judgement, reply } => {
                self.password_judged(phase, judgement, reply, now)
            }
            Input::PartyLookedUp { said, by, reply, found } => {
                self.party_looked_up(phase, &said, &by, reply, found, now)
            }
            Input::SecurityReset { reply, after } => {
                let effects = self.security_reset(reply, after, now);
                (phase, effects)
            }
            Input::Unblocked { reply, after } => (phase, self.unblocked(reply, after, now)),
            Input::Announced { agent, customer, purpose, reply } => {
                (phase, self.announced(agent, customer.as_ref(), purpose, reply, now))
            }
            input => (phase, self.proving(input, now)),
        }
    }

    /// Puts the new state in front of the effects when it differs from what was shown last.
    fn publish_then(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let mut view = self.view();
        let unchanged = self.shown.as_ref().is_some_and(|shown| {
            view.version = shown.version;
            *shown == view
        });
        if !unchanged && self.phase.until().is_some() {
            self.facts.version += 1;
            view.version = self.facts.version;
            self.shown = Some(view.clone());
            effects.insert(0, Effect::Publish(Box::new(view)));
        }
        effects
    }
}

#[cfg(test)]
mod scripts;
