//! The check itself: from the state of the factors to the next step, and verdicts that are on disk
//! before anybody is told (P3).

use crate::account::Standing;
use crate::call::Call;
use crate::call::classify;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::facts::Party;
use crate::call::facts::QuestionKind;
use crate::call::facts::Reminder;
use crate::call::input::After;
use crate::call::input::Down;
use crate::call::input::Lookup;
use crate::call::phase::ANSWER_MAX;
use crate::call::phase::Phase;
use crate::call::phase::STORE_MAX;
use crate::call::transcript::Step;
use crate::follow_up::Factor;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::CallerClass;
use crate::model::time::Now;
use crate::outbound::Purpose;
use crate::outbound::proof::Proof;
use crate::policy::PartyRule;
use crate::policy::table::Next;
use crate::policy::table::Password;
use crate::policy::table::Pin;
use crate::policy::table::Questions;
use crate::policy::table::Route;
use crate::policy::table::State;

impl Call {
    /// The look-up is back: class, evidence, and whether the caller must key digits.
    pub(crate) fn looked_up(&mut self, found: Lookup, now: Now) -> (Phase, Vec<Effect>) {
        let found = classify::classify(
            self.facts.direction,
            &self.facts.caller,
            found,
            &self.facts.profile,
            now.wall,
        );
        self.facts.class = Some(found.class);
        self.facts.transcript.class = Some((found.class, found.basis));
        self.facts.evidence = found.evidence;
        self.facts.note(now.wall, format!("classified: {}", found.class.word()));
        if found.class == CallerClass::VerifiedNumber {
            self.facts.authentication = Authentication::PartiallyVerified;
        }
        if let Some(known) = found.customer {
            self.facts.identify(known);
        }
        if !found.records_up {
            self.facts.conclude(Authentication::SystemUnavailable);
        }
        let audit = self.audit_class();
        if self.facts.direction == Direction::Outbound {
            let mut effects = vec![audit];
            effects.extend(self.start_outbound(now));
            let (phase, more) = self.hand_over(false, now);
            effects.extend(more);
            return (phase, effects);
        }
        if found.records_up && self.keypad_first() {
            return (Phase::Answering { until: now.up + ANSWER_MAX }, vec![audit, Effect::Answer]);
        }
        let mut effects = vec![audit];
        effects.extend(self.decide(now));
        if self.facts.verdict.is_some() {
            return (Phase::Deciding { until: now.up + STORE_MAX }, effects);
        }
        let (phase, more) = self.hand_over(false, now);
        effects.extend(more);
        (phase, effects)
    }

    /// Whether the machine asks for PIN positions before an agent hears the caller. A case with
    /// default details is asked like any other: nobody hears from the prompts how an account stands (5.1).
    fn keypad_first(&self) -> bool {
        let start = State {
            pin: Pin::Pending,
            password: Password::Pending,
            questions: Questions::Pending,
            compensated: self.facts.factors.compensated,
        };
        let decision = self.facts.profile.decide(Route::Standard, self.facts.class(), start);
        *decision.next == Next::Pin
    }

    /// The records did not answer in time: the call goes on, unchecked.
    pub(crate) fn not_looked_up(&mut self, now: Now) -> (Phase, Vec<Effect>) {
        let nothing = Lookup {
            by_number: Err(Down),
            intent: crate::call::input::IntentFound::NotPresented,
            alarm: None,
        };
        self.looked_up(nothing, now)
    }

    fn audit_class(&self) -> Effect {
        let body = serde_json::json!({
            "class": self.facts.class().word(),
            "direction": self.facts.direction,
            "evidence": self.facts.evidence,
            "policy": self.facts.profile.name,
            "policy_hash": self.facts.profile.hash,
        });
        Effect::Audit { actor: "system".into(), what: "call_classified", body }
    }

    /// What the table says now, written into the transcript.
    fn next(&mut self) -> (Next, bool) {
        let (route, class, state) =
            (self.facts.route, self.facts.class_in_check(), self.facts.factors);
        let decision = self.facts.profile.decide(route, class, state);
        let next = decision.next.clone();
        self.facts.transcript.step(Step {
            route,
            class,
            state,
            row: decision.row,
            next: next.word().to_owned(),
            compensated: decision.compensated,
        });
        (next, decision.compensated)
    }

    /// Whether the table asks for the PIN in this state.
    pub(crate) fn pin_is_next(&self) -> bool {
        let state = State { pin: Pin::Pending, ..self.facts.factors };
        let class = self.facts.class_in_check();
        *self.facts.profile.decide(self.facts.route, class, state).next == Next::Pin
    }

    /// Whether digits of this caller can still reach us: while the machine has them, or any time on
    /// platforms that collect during a conversation; on outbound calls only as OB-1 allows (X33).
    pub(crate) fn pin_can_come(&self) -> bool {
        let entries_left = self.facts.entries < self.facts.profile.capture.attempts;
        let allowed = self.facts.proof.as_ref().is_none_or(Proof::allows_pin);
        let reachable = match (self.facts.direction, self.facts.collects) {
            (_, Collects::Anytime) => true,
            (Direction::Inbound, Collects::WhileHeld | Collects::UntilHandedOver) => {
                !self.facts.with_agent
            }
            (Direction::Outbound, Collects::WhileHeld | Collects::UntilHandedOver) => false,
        };
        entries_left && allowed && reachable && self.facts.ended_at.is_none()
    }

    fn password_may_be_asked(&self) -> bool {
        self.facts.proof.as_ref().is_none_or(Proof::allows_password)
    }

    /// What the decision table says now, and what that needs.
    pub(crate) fn decide(&mut self, now: Now) -> Vec<Effect> {
        if self.facts.verdict.is_some() || self.facts.recovering {
            return vec![];
        }
        // A block or a reset that stood before this call is not for this call to lift (C44, C77).
        if self.facts.authentication.is_final() {
            return vec![];
        }
        // O01, X32: nobody is asked anything before we have proved who we are.
        if self.facts.direction == Direction::Outbound && !self.proof_opens_check() {
            return self.by_letter();
        }
        // C11: whom nobody has named yet has no role either, where agents say it.
        let nobody = self.facts.customer.is_none() && self.facts.profile.party == PartyRule::Record;
        let settled = nobody || self.party_settled();
        if matches!(self.facts.purpose, Some(Purpose::CallBack | Purpose::Unblock)) {
            return if settled { self.start_recovery(now) } else { vec![] };
        }
        let skips = self.facts.proof.as_ref().is_some_and(Proof::skips_check);
        if settled && skips && !self.facts.rechecking {
            return self.pass(CallResult::Passed);
        }
        match self.next() {
            // C11: beyond the keypad nothing goes on before the role is set.
            (Next::Password | Next::Questions(_) | Next::Authenticated, _) if !settled => {
                if self.facts.factors.pin != Pin::Pending {
                    self.facts.authentication = Authentication::InProgress;
                }
                vec![]
            }
            (Next::Pin, _) if !self.pin_can_come() => {
                self.facts.factors.pin = Pin::Skipped;
                self.decide(now)
            }
            (Next::Pin, _) => vec![],
            // X33: where no password may be spoken, three further questions stand in for it.
            (Next::Password, _) if !self.password_may_be_asked() => self.start_recovery(now),
            (Next::Password, _) => {
                self.facts.password_due = !self.facts.password_said;
                self.facts.authentication = Authentication::InProgress;
                vec![]
            }
            (Next::Questions(set), _) => self.ask_questions(&set, now),
            (Next::Authenticated, compensated) => {
                let passed = CallResult::Passed;
                self.pass(if compensated { CallResult::PassedCompensated } else { passed })
            }
            (Next::Failed, _) => self.record(CallResult::Failed),
            (Next::ResetRequired, _) => self.record(CallResult::ResetRequired),
            (Next::SystemUnavailable, _) => {
                self.facts.conclude(Authentication::SystemUnavailable);
                self.facts.note(now.wall, "check unavailable");
                vec![]
            }
        }
    }

    fn ask_questions(&mut self, set: &str, now: Now) -> Vec<Effect> {
        // Without a customer there is nothing to compare an answer with.
        if self.facts.customer.is_none() {
            let outcome = if self.facts.stranger.is_some() {
                Authentication::Failed
            } else {
                Authentication::NotAuthenticated
            };
            self.facts.conclude(outcome);
            return vec![];
        }
        if self.facts.questions.as_ref().is_some_and(|asked| asked.set == set) {
            return vec![];
        }
        let kind = match self.facts.route {
            Route::Standard => QuestionKind::Check,
            Route::Transitional => QuestionKind::Transitional,
        };
        if let Some(asked) = self.ask_set(set, kind, now) {
            self.facts.authentication = Authentication::InProgress;
            return vec![asked];
        }
        self.facts.note(now.wall, format!("too few answers on file for {set}"));
        if self.facts.call_failed {
            return self.record(CallResult::Failed);
        }
        // Nothing to ask is our gap, not the caller's failure: it counts nothing (C51).
        self.facts.conclude(Authentication::SystemUnavailable);
        vec![]
    }

    /// C14: the client has passed; whether another person goes on is theirs to say.
    pub(crate) fn pass(&mut self, result: CallResult) -> Vec<Effect> {
        if self.facts.party.as_ref().is_some_and(Party::waits_for_permission) {
            self.facts.authentication = Authentication::InProgress;
            return vec![];
        }
        self.record(result)
    }

    /// O01, X32: nobody is asked anything before we have proved who we are.
    fn proof_opens_check(&self) -> bool {
        self.facts.proof.as_ref().is_some_and(|proof| proof.allows_check() || proof.skips_check())
    }

    /// X07, X30: we have proved ourselves, but to a number that proves nothing of theirs: we write.
    fn by_letter(&mut self) -> Vec<Effect> {
        let closed = self.facts.proof.as_ref().is_some_and(|proof| proof.say_key() == "no_check");
        if !closed || self.facts.followed_up {
            return vec![];
        }
        self.facts.followed_up = true;
        self.facts.message = Some(self.facts.profile.texts.by_letter.clone());
        vec![Effect::FollowUp(Occasion::ByLetter)]
    }

    pub(crate) fn record(&mut self, result: CallResult) -> Vec<Effect> {
        let Some(customer) = &self.facts.customer else {
            self.facts.conclude(Authentication::Failed);
            return vec![];
        };
        let effect = Effect::RecordResult {
            customer: customer.id.clone(),
            result,
            rule: self.facts.profile.block,
        };
        self.facts.verdict = Some(result);
        vec![effect]
    }

    /// The verdict is on disk, or could not be put there: now it may be told.
    pub(crate) fn result_recorded(
        &mut self,
        phase: Phase,
        result: Result<After, Down>,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let trusted = self.facts.passes_a_block();
        let Some(verdict) = self.facts.verdict.take() else { return (phase, vec![]) };
        let outcome = match (verdict, result) {
            (CallResult::Abandoned, _) => return (phase, vec![]),
            (_, Err(Down)) => Authentication::SystemUnavailable,
            (CallResult::Passed | CallResult::PassedCompensated, Ok(_)) if trusted => {
                Authentication::Authenticated
            }
            (CallResult::ResetRequired, Ok(_)) => Authentication::ResetRequired,
            (_, Ok(After { standing: Standing::Blocked, .. })) => Authentication::Blocked,
            (_, Ok(After { standing: Standing::ResetRequired, .. })) => {
                Authentication::ResetRequired
            }
            (CallResult::Passed | CallResult::PassedCompensated, Ok(_)) => {
                Authentication::Authenticated
            }
            (CallResult::Failed, Ok(_)) => Authentication::Failed,
        };
        self.facts.call_failed = matches!(
            outcome,
            Authentication::Failed | Authentication::Blocked | Authentication::ResetRequired
        );
        if verdict == CallResult::PassedCompensated && outcome == Authentication::Authenticated {
            // C44: once; a second check in the same call is that of an account that was compensated.
            self.facts.factors.compensated = true;
        }
        self.facts.conclude(outcome);
        self.facts.note(now.wall, format!("outcome: {}", outcome.word()));
        let mut effects = self.follow_outcome(outcome, verdict, now);
        if matches!(phase, Phase::Deciding { .. }) {
            let (phase, more) = self.hand_over(false, now);
            effects.extend(more);
            return (phase, effects);
        }
        if std::mem::take(&mut self.facts.recheck_after) {
            effects.extend(self.recheck(now));
        }
        effects.extend(self.close_books());
        (phase, effects)
    }

    /// What an outcome brings along: marks (B14, B16), reminder (C41, C43), enrolment (C21), the way
    /// back on an outbound call (C65).
    fn follow_outcome(
        &mut self,
        outcome: Authentication,
        verdict: CallResult,
        now: Now,
    ) -> Vec<Effect> {
        let mut effects = vec![];
        match outcome {
            Authentication::Authenticated => {
                effects.push(Effect::FollowUp(Occasion::Marked(Mark::Verified)));
                if verdict == CallResult::PassedCompensated {
                    let failed_factor = match self.facts.factors.pin {
                        Pin::Correct => Factor::Password,
                        Pin::Pending | Pin::Wrong | Pin::Skipped | Pin::Unavailable => Factor::Pin,
                    };
                    effects.push(Effect::FollowUp(Occasion::CompensatedPass { failed_factor }));
                    self.facts.reminder = Some(Reminder::Due);
                }
                self.facts.enrolment_required |= self.facts.route == Route::Transitional;
            }
            Authentication::Failed | Authentication::Blocked | Authentication::ResetRequired => {
                effects.push(Effect::FollowUp(Occasion::Marked(Mark::NotVerified)));
                let rule = self.facts.profile.call_back.as_ref();
                let same_call = rule.is_some_and(|rule| rule.outbound_same_call);
                let outbound = self.facts.direction == Direction::Outbound;
                if outbound && same_call && outcome == Authentication::Failed {
                    effects.extend(self.start_recovery(now));
                }
            }
            Authentication::NotAuthenticated
            | Authentication::PartiallyVerified
            | Authentication::InProgress
            | Authentication::SystemUnavailable => {}
        }
        effects
    }
}
