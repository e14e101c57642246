//! The check itself: from the state of the factors to the next step, and verdicts that are on disk
//! before anybody is told (P3).

use crate::account::Standing;
use crate::call::Call;
use crate::call::classify;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::facts::Asked;
use crate::call::facts::QuestionsAsked;
use crate::call::input::After;
use crate::call::input::Down;
use crate::call::input::Lookup;
use crate::call::phase::ANSWER_MAX;
use crate::call::phase::Phase;
use crate::call::phase::STORE_MAX;
use crate::model::auth::Authentication;
use crate::model::caller::CallerClass;
use crate::model::time::Now;
use crate::policy::table::Next;

impl Call {
    /// The look-up is back: class, evidence, and whether the caller must key digits.
    pub(crate) fn looked_up(&mut self, found: Lookup, now: Now) -> (Phase, Vec<Effect>) {
        let found = classify::classify(&self.facts.caller, found, &self.facts.profile, now.wall);
        self.facts.class = Some(found.class);
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
        if found.records_up && *self.next() == Next::Pin {
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
            "evidence": self.facts.evidence,
            "policy": self.facts.profile.name,
            "policy_hash": self.facts.profile.hash,
        });
        Effect::Audit { actor: "system".into(), what: "call_classified", body }
    }

    fn next(&self) -> &Next {
        self.facts.profile.next(self.facts.class(), self.facts.factors)
    }

    /// What the decision table says now, and what that needs.
    pub(crate) fn decide(&mut self, now: Now) -> Vec<Effect> {
        if self.facts.verdict.is_some() {
            return vec![];
        }
        // A block or a reset that stood before this call is not for this call to lift (C44, C77).
        if self.facts.authentication.is_final() {
            return vec![];
        }
        match self.next().clone() {
            Next::Pin => vec![],
            Next::Password => {
                self.facts.password_due = !self.facts.password_said;
                self.facts.authentication = Authentication::InProgress;
                vec![]
            }
            Next::Questions(set) => {
                self.ask_questions(&set);
                vec![]
            }
            Next::Authenticated => self.record(CallResult::Passed),
            Next::Failed => self.record(CallResult::Failed),
            Next::SystemUnavailable => {
                self.facts.conclude(Authentication::SystemUnavailable);
                self.facts.note(now.wall, "check unavailable");
                vec![]
            }
        }
    }

    fn ask_questions(&mut self, set: &str) {
        // Without a customer there is nothing to compare an answer with.
        if self.facts.customer.is_none() {
            let outcome = if self.facts.stranger.is_some() {
                Authentication::Failed
            } else {
                Authentication::NotAuthenticated
            };
            self.facts.conclude(outcome);
            return;
        }
        let Some(set) = self.facts.profile.question_set(set) else { return };
        let item = |(key, text): &(_, String)| Asked {
            key: Clone::clone(key),
            text: text.clone(),
            marked: None,
            revealed: false,
        };
        let items = set.ask.iter().map(item).collect();
        self.facts.questions =
            Some(QuestionsAsked { required: set.required, reveal: set.reveal, items });
        self.facts.authentication = Authentication::InProgress;
    }

    fn record(&mut self, result: CallResult) -> Vec<Effect> {
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
        let outcome = match (self.facts.verdict.take(), result) {
            (None | Some(CallResult::Abandoned), _) => return (phase, vec![]),
            (Some(_), Err(Down)) => Authentication::SystemUnavailable,
            (Some(_), Ok(After { standing: Standing::Blocked, .. })) => Authentication::Blocked,
            (Some(_), Ok(After { standing: Standing::ResetRequired, .. })) => {
                Authentication::ResetRequired
            }
            (Some(CallResult::Passed), Ok(_)) => Authentication::Authenticated,
            (Some(CallResult::Failed), Ok(_)) => Authentication::Failed,
        };
        self.facts.call_failed =
            outcome == Authentication::Failed || outcome == Authentication::Blocked;
        self.facts.conclude(outcome);
        self.facts.note(now.wall, format!("outcome: {}", outcome.word()));
        if matches!(phase, Phase::Deciding { .. }) {
            return self.hand_over(false, now);
        }
        (phase, self.close_books())
    }
}
