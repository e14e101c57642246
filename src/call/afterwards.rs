//! After the check: the call-back, the way back on the same call, reports, resets (C41–C57, C65–C80).

use serde_json::json;

use crate::account::Standing;
use crate::call::Call;
use crate::call::desk::audit;
use crate::call::desk::done;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::facts::CallBackOffer;
use crate::call::facts::Facts;
use crate::call::facts::Party;
use crate::call::facts::Reminder;
use crate::call::facts::Who;
use crate::call::input::After;
use crate::call::input::Down;
use crate::call::input::Reply;
use crate::call::phase::Phase;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::call_kind::Direction;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::ids::AgentId;
use crate::model::time::Now;
use crate::outbound::Purpose;

/// Whether a call-back can be offered now: inbound, not passed, and nobody has said yes or no (C48, C51).
pub(crate) fn call_back_open(facts: &Facts) -> bool {
    let undecided = facts.call_back.is_none_or(|offer| offer.accepted.is_none());
    let over = match facts.authentication {
        Authentication::Failed
        | Authentication::ResetRequired
        | Authentication::SystemUnavailable => true,
        Authentication::NotAuthenticated
        | Authentication::PartiallyVerified
        | Authentication::InProgress
        | Authentication::Authenticated
        | Authentication::Blocked => false,
    };
    over && undecided
        && facts.direction == Direction::Inbound
        && (facts.customer.is_some() || facts.authentication == Authentication::SystemUnavailable)
        && facts.profile.call_back.is_some()
        && !facts.bogus_reported
}

impl Call {
    /// The caller takes the call-back up, or refuses it.
    pub(crate) fn offer_callback(
        &mut self,
        accepted: bool,
        asker: &Asker,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let by = asker.agent.clone();
        let rule = self.facts.profile.call_back.as_ref();
        let by_gich = rule.is_some_and(|rule| {
            rule.not_by_groups.iter().any(|group| asker.groups.contains(group))
        });
        let has_number = self.facts.customer.as_ref().is_some_and(|known| known.has_number);
        let flags = self.facts.customer.as_ref().map(|known| known.flags.as_slice());
        let transitional = self.facts.profile.is_early(flags.unwrap_or_default());
        let texts = &self.facts.profile.texts;
        let (task, message, occasion) = if accepted {
            let task = match (by_gich, has_number) {
                (true, _) => "case_owner",
                (false, false) => "trace",
                (false, true) => "call_back",
            };
            let by = by.to_string();
            let occasion = Occasion::CallBackAccepted { by, by_gich, transitional, has_number };
            (Some(task), texts.call_back_held.clone(), occasion)
        } else {
            (None, texts.end.clone(), Occasion::CallBackRefused { by: by.to_string() })
        };
        if !accepted && self.facts.authentication == Authentication::Failed {
            // C69: the outcome in the source's own words.
            self.facts.notes.push(texts.failed_outcome.clone());
        }
        self.facts.call_back = Some(CallBackOffer { accepted: Some(accepted), task });
        self.facts.message = Some(message);
        self.facts.followed_up = true;
        let word = if accepted { "call-back accepted" } else { "call-back refused" };
        self.facts.note_of(Who::Agent, now.wall, word);
        let body = json!({ "accepted": accepted, "task": task });
        vec![audit(&by, "call_back_offered", body), Effect::FollowUp(occasion), done(reply)]
    }

    /// C02, C07, C79: the call is over, whatever its check says, and one report goes out.
    pub(crate) fn report_bogus(
        &mut self,
        phase: Phase,
        details: String,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        self.facts.bogus_reported = true;
        self.facts.followed_up = true;
        self.facts.note_of(Who::Agent, now.wall, "reported as bogus");
        let failed_before = self.facts.customer.as_ref().map_or(0, |known| known.failed_calls);
        let occasion = Occasion::Bogus {
            by: by.to_string(),
            details,
            direction: self.facts.direction,
            scin: self.facts.customer.as_ref().map(|k| k.id.to_string()).unwrap_or_default(),
            consecutive_failed: failed_before.saturating_add(self.facts.call_failed.into()),
        };
        // OB-1: a proof of ours that did not match may be somebody playing us.
        let mismatch = self.proof_mismatched(by, now);
        let (phase, mut effects) = self.end_call(phase, Cause::NORMAL_CLEARING, now);
        effects.splice(0..0, mismatch);
        effects.insert(0, audit(by, "bogus_reported", json!({})));
        effects.insert(1, Effect::FollowUp(occasion));
        effects.push(done(reply));
        (phase, effects)
    }

    /// Ends the call from our side, with the leg where we have one.
    pub(crate) fn end_call(
        &mut self,
        phase: Phase,
        cause: Cause,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let held = !matches!(phase, Phase::HandedOver { .. } | Phase::WrapUp { .. });
        if held || self.facts.collects == crate::model::call_kind::Collects::Anytime {
            return self.hang_up(cause, now);
        }
        self.ended(cause, now)
    }

    /// Three additional questions: on the same outbound call after a failure (C65), or as what a
    /// call-back or an unblocking call is for (C54, C71). Nothing when there is no way back here.
    pub(crate) fn start_recovery(&mut self, now: Now) -> Vec<Effect> {
        let none = self.facts.profile.call_back.is_none();
        if none || self.facts.recovered || self.facts.recovering {
            return vec![];
        }
        if self.facts.party.as_ref().is_some_and(Party::waits_for_permission) {
            // C14: what this call may lead to, it leads to with the client's word.
            return vec![];
        }
        // X07, X30: only to a number that nobody could have taken over meanwhile.
        if self.facts.class() == CallerClass::Unverified {
            self.facts.message = Some(self.facts.profile.texts.by_letter.clone());
            self.facts.recovered = true;
            self.facts.followed_up = true;
            return vec![Effect::FollowUp(Occasion::ByLetter)];
        }
        if let Some(asked) = self.ask_way_back(now) {
            self.facts.recovering = true;
            if !self.facts.authentication.is_final() {
                self.facts.authentication = Authentication::InProgress;
            }
            return vec![asked];
        }
        self.facts.recovered = true;
        if self.facts.authentication.is_final() {
            // What was failed stays failed (C52, C69); the way back goes by letter.
            self.facts.message = Some(self.facts.profile.texts.by_letter.clone());
            self.facts.followed_up = true;
            return vec![Effect::FollowUp(Occasion::ByLetter)];
        }
        self.facts.conclude(Authentication::SystemUnavailable);
        vec![]
    }

    /// All three were right, or any was wrong (C56, C57, C67, C68).
    pub(crate) fn recovery_over(&mut self, passed: bool, by: &AgentId, now: Now) -> Vec<Effect> {
        self.facts.recovering = false;
        self.facts.recovered = true;
        let Some(customer) = self.facts.customer.as_ref().map(|known| known.id.clone()) else {
            return vec![];
        };
        let way_back = self.facts.authentication == Authentication::Failed
            || matches!(self.facts.purpose, Some(Purpose::CallBack | Purpose::Unblock));
        if passed && !way_back {
            // The questions stood in for what may not be spoken (X33): nothing had failed, nothing is reset.
            return self.pass(CallResult::Passed);
        }
        if passed {
            self.facts.note(now.wall, "the way back was passed");
            let reason = "three additional questions answered".to_owned();
            let rule = self.facts.profile.block;
            let by = by.clone();
            self.facts.resetting = true;
            return vec![Effect::ResetSecurity {
                customer,
                by,
                reason,
                recovered: true,
                rule,
                reply: None,
            }];
        }
        self.facts.note(now.wall, "the way back was not passed");
        self.facts.notes.push(self.facts.profile.texts.failed_outcome.clone());
        self.facts.followed_up = true;
        let mut effects = vec![];
        if self.facts.purpose == Some(Purpose::Unblock) {
            effects.push(Effect::FollowUp(Occasion::UnblockFailed));
        }
        if self.facts.authentication == Authentication::Failed {
            self.facts.message = Some(self.facts.profile.texts.end.clone());
        } else {
            effects.extend(self.record(CallResult::Failed));
        }
        effects
    }

    /// The reset is on disk (C46, C56): the old PIN fails from now on, new details have to be set up.
    pub(crate) fn security_reset(
        &mut self,
        reply: Option<Reply>,
        after: Result<After, Down>,
        now: Now,
    ) -> Vec<Effect> {
        let answer = |outcome| reply.map(|reply| Effect::Answered(reply, outcome));
        let Ok(after) = after else {
            // What was failed stays failed; what was not is not for the caller to answer for (C51).
            if reply.is_none() && !self.facts.authentication.is_final() {
                self.facts.conclude(Authentication::SystemUnavailable);
            }
            self.facts.resetting = false;
            return answer(Err(Refusal::Unavailable)).into_iter().collect();
        };
        self.facts.note_of(Who::Records, now.wall, "security details reset");
        self.facts.enrolment_required = true;
        self.facts.factors.compensated = false;
        if let Some(known) = &mut self.facts.customer {
            known.standing = after.standing;
            known.compensated = false;
            known.has_pin = false;
        }
        let mut effects = vec![];
        if reply.is_none() {
            // X05: success, reset, block evaluated, and the call goes on.
            self.facts.call_failed = false;
            self.facts.counted = false;
            let outcome = match after.standing {
                Standing::Blocked => Authentication::Blocked,
                Standing::Open | Standing::ResetRequired => Authentication::Authenticated,
            };
            self.facts.conclude(outcome);
            self.facts.message = Some(self.facts.profile.texts.advice.clone());
            self.facts.note(now.wall, format!("outcome: {}", outcome.word()));
            effects.push(Effect::FollowUp(Occasion::Marked(Mark::Verified)));
            self.facts.resetting = false;
            if std::mem::take(&mut self.facts.recheck_after) {
                effects.extend(self.recheck(now));
            }
        }
        effects.extend(answer(Ok(())));
        effects
    }

    /// The block is lifted on disk (C72).
    pub(crate) fn unblocked(
        &mut self,
        reply: Reply,
        after: Result<After, Down>,
        now: Now,
    ) -> Vec<Effect> {
        let Ok(after) = after else {
            return vec![Effect::Answered(reply, Err(Refusal::Unavailable))];
        };
        self.facts.note_of(Who::Records, now.wall, "unblocked");
        if let Some(known) = &mut self.facts.customer {
            known.standing = after.standing;
        }
        vec![done(reply)]
    }

    /// C43: the reminder was read out.
    pub(crate) fn acknowledge(&mut self, by: &AgentId, reply: Reply, now: Now) -> Vec<Effect> {
        self.facts.reminder = Some(Reminder::Read);
        self.facts.note_of(Who::Agent, now.wall, "reminder read out");
        vec![audit(by, "reminder_acknowledged", json!({})), done(reply)]
    }
}
