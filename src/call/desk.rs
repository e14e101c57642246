//! What desktops may ask of a call, and what comes of it.

use serde_json::json;

use crate::account::Standing;
use crate::call::Call;
use crate::call::afterwards;
use crate::call::effect::Effect;
use crate::call::facts::Facts;
use crate::call::facts::Party;
use crate::call::facts::Reminder;
use crate::call::facts::Who;
use crate::call::input::Input;
use crate::call::input::Judgement;
use crate::call::input::Reply;
use crate::call::phase::Phase;
use crate::call::questions;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::auth::Verdict;
use crate::model::call_kind::Direction;
use crate::model::cause::Cause;
use crate::model::ids::AgentId;
use crate::model::time::Now;
use crate::policy::Reveal;
use crate::policy::table;

/// What the call allows now, in the words of the contract.
#[must_use]
pub(crate) fn actions(call: &Call, phase: &Phase) -> Vec<&'static str> {
    let facts = &call.facts;
    if matches!(phase, Phase::Released) {
        return vec![];
    }
    if facts.agent.is_none() {
        return vec!["claim"];
    }
    let mut allowed = vec![];
    if facts.ended_at.is_none() {
        allowed.push("release");
        allowed.extend(while_it_lasts(call, phase));
    }
    if afterwards::call_back_open(facts) {
        allowed.push("offer_callback");
    }
    let bogus = facts.authentication != Authentication::Authenticated && !facts.bogus_reported;
    if bogus && facts.verdict.is_none() && !phase.attempt_open() {
        allowed.push("report_bogus");
    }
    if facts.reminder == Some(Reminder::Due) {
        allowed.push("acknowledge");
    }
    if matches!(phase, Phase::HandedOver { .. } | Phase::WrapUp { .. }) {
        allowed.push("wrap_up");
    }
    allowed
}

fn while_it_lasts(call: &Call, phase: &Phase) -> Vec<&'static str> {
    let facts = &call.facts;
    let mut allowed = vec![];
    let open = facts.verdict.is_none() && !facts.authentication.is_final();
    let asked = facts.party.as_ref().is_none_or(Party::is_checked);
    if matches!(phase, Phase::Capture { .. }) {
        allowed.push("cancel_pin");
    }
    if facts.with_agent && !phase.attempt_open() && party_may_be_set(facts) {
        allowed.push("set_party");
    }
    allowed.extend(call.proof_actions());
    if open && asked && may_collect(call, phase) {
        allowed.push("collect_pin");
    }
    if facts.password_due && open && asked {
        allowed.push("password");
    }
    if let Some(due) = questions::due(facts) {
        let any = |wanted: &[Reveal]| due.items.iter().any(|item| wanted.contains(&item.reveal));
        if any(&[Reveal::OnClick, Reveal::Always]) {
            allowed.push("mark");
        }
        if any(&[Reveal::Blind, Reveal::OnClick]) {
            allowed.push("answer");
        }
        if any(&[Reveal::OnClick]) {
            allowed.push("reveal");
        }
        allowed.push("finish");
    }
    if facts.authentication == Authentication::Authenticated {
        allowed.push("reset_security");
        let blocked = facts.customer.as_ref().is_some_and(|k| k.standing == Standing::Blocked);
        if blocked && facts.direction == Direction::Outbound {
            allowed.push("unblock");
        }
    }
    if matches!(phase, Phase::HandedOver { .. }) && facts.verdict.is_none() {
        allowed.push("transfer");
    }
    allowed
}

/// While the check is open; and as long as this call has counted nothing, to name another customer
/// than one who cannot be checked, or than nobody.
fn party_may_be_set(facts: &Facts) -> bool {
    let stuck = match facts.authentication {
        Authentication::NotAuthenticated
        | Authentication::PartiallyVerified
        | Authentication::InProgress => return facts.verdict.is_none(),
        Authentication::Blocked
        | Authentication::ResetRequired
        | Authentication::SystemUnavailable => !facts.call_failed && !facts.attempt_made,
        Authentication::Failed => facts.customer.is_none(),
        Authentication::Authenticated => false,
    };
    stuck && facts.verdict.is_none() && facts.direction == Direction::Inbound
}

/// PIN positions can be asked from the desktop: again while the machine says its last phrase to a
/// caller who gave none, or during a conversation where the platform still hears the keys.
fn may_collect(call: &Call, phase: &Phase) -> bool {
    let facts = &call.facts;
    let given = matches!(facts.factors.pin, table::Pin::Correct | table::Pin::Wrong);
    let last_phrase =
        matches!(phase, Phase::Closing { .. }) && facts.factors.pin == table::Pin::Skipped;
    let talking = matches!(phase, Phase::HandedOver { .. }) && call.party_settled();
    facts.customer.is_some()
        && !given
        && (last_phrase || talking)
        && call.pin_can_come()
        && call.pin_is_next()
}

/// Answers what comes in after the call is over.
pub(crate) fn too_late(input: Input) -> Vec<Effect> {
    match input {
        Input::Request { reply, .. }
        | Input::Revealed { reply, .. }
        | Input::PartyLookedUp { reply, .. }
        | Input::SecurityReset { reply: Some(reply), .. }
        | Input::Unblocked { reply, .. }
        | Input::Announced { reply, .. }
        | Input::AppTapped { reply, .. }
        | Input::LetterCompared { reply, .. }
        | Input::ProofMaterial { reply, .. }
        | Input::PasswordJudged { reply, .. } => {
            vec![Effect::Answered(reply, Err(Refusal::NoSuchCall))]
        }
        Input::Reserved(Ok(ticket)) => vec![Effect::Settle { ticket, verdict: None }],
        Input::LookedUp(_)
        | Input::KeyedLookedUp(_)
        | Input::Drawn(_)
        | Input::Reserved(Err(_))
        | Input::Judged(_)
        | Input::Settled(_)
        | Input::ResultRecorded(_)
        | Input::Disowned
        | Input::SecurityReset { reply: None, .. }
        | Input::Event(_)
        | Input::DeadlineReached
        | Input::MakeRoom
        | Input::Shutdown => vec![],
    }
}

pub(crate) fn done(reply: Reply) -> Effect {
    Effect::Answered(reply, Ok(()))
}

pub(crate) fn audit(by: &AgentId, what: &'static str, body: serde_json::Value) -> Effect {
    Effect::Audit { actor: by.to_string(), what, body }
}

impl Call {
    /// Carries a desktop's request out, or says why not.
    pub(crate) fn request(
        &mut self,
        phase: Phase,
        asker: &Asker,
        request: Request,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let listed = actions(self, &phase).contains(&request.word());
        let refusal = match &self.facts.agent {
            Some(owner) if *owner != asker.agent => Some(Refusal::NotYours),
            _ if listed => None,
            _ => Some(Refusal::NotNow),
        };
        if let Some(refusal) = refusal {
            return (phase, vec![Effect::Answered(reply, Err(refusal))]);
        }
        let by = &asker.agent;
        match request {
            Request::Claim => {
                let effects = self.claim(by, reply, now);
                let phase = match phase {
                    Phase::WrapUp { .. } => {
                        Phase::WrapUp { until: now.up + self.facts.profile.wrap_up_max }
                    }
                    phase => phase,
                };
                (phase, effects)
            }
            Request::Release => {
                self.facts.released_by = self.facts.agent.take();
                self.conceal();
                self.facts.note_of(Who::Agent, now.wall, format!("released by {by}"));
                (phase, vec![audit(by, "call_released", json!({})), done(reply)])
            }
            Request::CancelPin => {
                let (phase, mut effects) = self.abandon(now);
                effects.extend([audit(by, "pin_cancelled", json!({})), done(reply)]);
                (phase, effects)
            }
            Request::CollectPin => {
                self.facts.factors.pin = table::Pin::Pending;
                self.facts.questions = None;
                self.facts.password_due = false;
                self.facts.pin = None;
                let (phase, mut effects) = self.draw(now);
                effects.extend([audit(by, "pin_asked_again", json!({})), done(reply)]);
                (phase, effects)
            }
            Request::SetParty(said) => self.set_party(phase, said, by, reply, now),
            Request::Mark { question, correct } => {
                (phase, self.mark(&question, correct, by, reply, now))
            }
            Request::Answer { question, value } if self.is_letter_code(&question) => {
                (phase, self.letter_answered(value, reply))
            }
            Request::Answer { question, value } => {
                (phase, self.answer(&question, value.expose(), by, reply, now))
            }
            Request::Reveal(question) => (phase, self.reveal(question, by, reply)),
            Request::Finish => (phase, self.finish(by, reply, now)),
            Request::Password(said) => {
                self.facts.password_due = false;
                self.facts.password_said = true;
                let customer = self.facts.customer.as_ref().map(|known| known.id.clone());
                (phase, vec![Effect::JudgePassword { customer, said, reply }])
            }
            Request::WrapUp { outcome, note } => self.wrap_up(phase, outcome, note, by, reply, now),
            beyond => self.beyond_the_check(phase, asker, beyond, reply, now),
        }
    }

    /// What is asked about a proof of ours, after the check, or beside it.
    fn beyond_the_check(
        &mut self,
        phase: Phase,
        asker: &Asker,
        request: Request,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let by = &asker.agent;
        match request {
            Request::OfferCallback { accepted } => {
                (phase, self.offer_callback(accepted, asker, reply, now))
            }
            Request::ReportBogus { details } => self.report_bogus(phase, details, by, reply, now),
            Request::Prove(method) => (phase, self.prove(method, by, reply, now)),
            Request::Proof(result) => self.proof_result(phase, result, by, reply, now),
            Request::Transfer { to, warm } => {
                let mut effects = self.pass_on(to, warm, by.as_str(), now);
                effects.push(done(reply));
                (phase, effects)
            }
            Request::ResetSecurity { reason } => (phase, self.reset_security(reason, by, reply)),
            Request::Unblock { reason } => (phase, self.unblock(reason, by, reply)),
            Request::Acknowledge => (phase, self.acknowledge(by, reply, now)),
            // Carried out in `request`.
            Request::Claim
            | Request::Release
            | Request::CollectPin
            | Request::CancelPin
            | Request::SetParty(_)
            | Request::Password(_)
            | Request::Reveal(_)
            | Request::Mark { .. }
            | Request::Answer { .. }
            | Request::Finish
            | Request::WrapUp { .. } => {
                (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))])
            }
        }
    }

    fn reset_security(&self, reason: String, by: &AgentId, reply: Reply) -> Vec<Effect> {
        let Some(known) = &self.facts.customer else {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        };
        vec![Effect::ResetSecurity {
            customer: known.id.clone(),
            by: by.clone(),
            reason,
            recovered: false,
            rule: self.facts.profile.block,
            reply: Some(reply),
        }]
    }

    fn unblock(&self, reason: String, by: &AgentId, reply: Reply) -> Vec<Effect> {
        let Some(known) = &self.facts.customer else {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        };
        let (customer, by) = (known.id.clone(), by.clone());
        vec![Effect::Unblock { customer, by, reason, reply }]
    }

    fn claim(&mut self, by: &AgentId, reply: Reply, now: Now) -> Vec<Effect> {
        self.facts.agent = Some(by.clone());
        self.facts.note_of(Who::Agent, now.wall, format!("taken by {by}"));
        let mut effects = vec![audit(by, "call_claimed", json!({}))];
        if self.facts.released_by.take().is_some_and(|before| before != *by) {
            // X31: given back and taken by another is a blind hand-on.
            effects.extend(self.recheck(now));
        }
        effects.push(done(reply));
        effects
    }

    /// The verifier's word on the password.
    pub(crate) fn password_judged(
        &mut self,
        phase: Phase,
        judgement: Judgement,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        if self.facts.ended_at.is_some() || self.facts.authentication.is_final() {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))]);
        }
        let verdict = match judgement {
            Judgement::Verdict(verdict) => verdict,
            Judgement::Unavailable => {
                self.facts.password_due = true;
                self.facts.password_said = false;
                return (phase, vec![Effect::Answered(reply, Err(Refusal::Unavailable))]);
            }
        };
        let (factor, word) = match verdict {
            Verdict::Correct => (table::Password::Correct, "correct"),
            Verdict::Wrong => (table::Password::Wrong, "not correct"),
        };
        self.facts.factors.password = factor;
        self.facts.note(now.wall, format!("password {word}"));
        let body = json!({ "correct": factor == table::Password::Correct });
        let mut effects =
            vec![Effect::Audit { actor: "system".into(), what: "password_judged", body }];
        effects.extend(self.decide(now));
        effects.push(done(reply));
        (phase, effects)
    }

    fn wrap_up(
        &mut self,
        phase: Phase,
        outcome: String,
        note: Option<String>,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let mut effects = vec![];
        if self.facts.verdict.is_some() {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))]);
        }
        self.facts.note_of(Who::Agent, now.wall, format!("wrapped up by {by}: {outcome}"));
        // C15, C82: the outcome, and who it was.
        let role = self.facts.party.as_ref().map(|party| party.role.word());
        let body =
            json!({ "outcome": outcome, "role": role, "deferred": self.facts.enrolment_required });
        effects.push(audit(by, "call_wrapped_up", body));
        if self.facts.enrolment_required {
            // C21: not complete without new details; the disposition says why they have to wait.
            let occasion = Occasion::EnrolmentDeferred { code: outcome.clone() };
            effects.push(Effect::FollowUp(occasion));
        }
        self.facts.notes.push(outcome);
        self.facts.notes.extend(note);
        let (_, ended) = self.ended(Cause::NORMAL_CLEARING, now);
        effects.extend(ended);
        let (phase, released) = self.release(now);
        effects.extend(released);
        effects.push(done(reply));
        (phase, effects)
    }
}
