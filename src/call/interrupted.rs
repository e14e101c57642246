//! The way to a caller's leg breaks, and comes back: nothing is counted that the caller did not do (C51).

use crate::call::Call;
use crate::call::capture::Next;
use crate::call::effect::Effect;
use crate::call::phase::ANSWER_MAX;
use crate::call::phase::LEG_LOST_MAX;
use crate::call::phase::Phase;
use crate::call::phase::Then;
use crate::model::auth::PinResult;
use crate::model::time::Now;

impl Call {
    /// What is on its way to disk goes on; where the caller would be asked, [`Self::within_reach`] waits.
    pub(crate) fn leg_lost(&mut self, phase: Phase) -> Next {
        if phase.media() != "handed_over" && phase.media() != "ended" {
            self.facts.leg_lost = true;
        }
        (phase, vec![])
    }

    /// Keys may have been lost on the way: whatever was asked is asked again, from the start.
    pub(crate) fn leg_back(&mut self, phase: Phase, now: Now) -> Next {
        self.facts.leg_lost = false;
        let then = match &phase {
            Phase::Interrupted { then, .. } => *then,
            Phase::Answering { .. } => Then::Answer,
            Phase::Identifying { .. } => Then::Identify,
            Phase::Capture { .. } => Then::AskPin,
            Phase::Closing { .. } => Then::Leave,
            _ => return (phase, vec![]),
        };
        self.facts.note(now.wall, "the caller's line is back");
        match then {
            Then::Answer => (Phase::Answering { until: now.up + ANSWER_MAX }, vec![Effect::Answer]),
            Then::Identify => Self::ask_number(self.facts.profile.capture.reprompts, now),
            Then::AskPin => {
                self.unshow_entry();
                self.ask_pin_again(now)
            }
            Then::Leave => self.hand_over(true, now),
        }
    }

    /// While the leg is out of reach nothing is asked of a caller who cannot hear it.
    pub(crate) fn within_reach(&mut self, (phase, mut effects): Next, now: Now) -> Next {
        // Whoever has been passed on is within the reach of others.
        self.facts.leg_lost &= !matches!(phase.media(), "handed_over" | "ended");
        let then = match &phase {
            _ if !self.facts.leg_lost => return (phase, effects),
            Phase::Answering { .. } => Then::Answer,
            Phase::Identifying { .. } => Then::Identify,
            Phase::Capture { .. } => Then::AskPin,
            Phase::Closing { .. } => Then::Leave,
            _ => return (phase, effects),
        };
        self.unshow_entry();
        self.facts.note(now.wall, "the caller's line is out of reach");
        effects.retain(|effect| !matches!(effect, Effect::Play(_) | Effect::Answer));
        (Phase::Interrupted { then, until: now.up + LEG_LOST_MAX }, effects)
    }

    /// The leg did not come back: the PIN could not be checked, which counts for nobody.
    pub(crate) fn leg_gone(&mut self, then: Then, now: Now) -> Next {
        self.facts.leg_lost = false;
        match then {
            Then::Leave => self.hand_over(true, now),
            Then::Answer | Then::Identify | Then::AskPin => self.cannot_check(now),
        }
    }

    /// An entry that was cut short by us shows as abandoned, and counts for nothing.
    pub(crate) fn void_entry(&mut self) {
        if let Some(shown) = self.facts.pin.as_mut().filter(|pin| pin.result.is_none()) {
            shown.result = Some(PinResult::Abandoned);
        }
    }

    /// Positions show once their prompts start, which they have to do again.
    fn unshow_entry(&mut self) {
        if let Some(shown) = self.facts.pin.as_mut().filter(|pin| pin.result.is_none()) {
            shown.positions.clear();
            shown.entered = 0;
        }
    }
}
