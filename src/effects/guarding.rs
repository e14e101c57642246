//! Stands between calls and limits: notices what each call does, asks for advice, raises alarms, and
//! lets every answer go at the same pace.

use std::fmt;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use metrics::counter;
use metrics::gauge;
use tokio::time::Instant;
use tracing::warn;

use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::Subject;
use crate::call::input::Known;
use crate::call::view::CallView;
use crate::limits::Advice;
use crate::limits::Alarm;
use crate::limits::AlarmKind;
use crate::limits::Claim;
use crate::limits::Event;
use crate::limits::Limits;
use crate::limits::Outcome;
use crate::limits::Rules;
use crate::limits::Source;
use crate::model::auth::Verdict;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::FactKey;
use crate::model::time::Now;
use crate::model::time::Uptime;

/// On the agent's screen when a caller's PIN is not accepted because of where the call comes from.
pub const PIN_NOT_ACCEPTED: &str = "pin_not_accepted";

/// The daemon's limits, shared by its calls.
pub struct Guard {
    limits: Mutex<Limits>,
    bucket: Duration,
}

impl Guard {
    /// Limits that have seen nothing. `seed` is random.
    #[must_use]
    pub fn new(rules: Rules, seed: [u8; 32]) -> Self {
        let bucket = rules.answer_bucket;
        Self { limits: Mutex::new(Limits::new(rules, seed)), bucket }
    }

    /// What a supervisor should look at now.
    pub fn alarms(&self, now: Now) -> Vec<Alarm> {
        let alarms = self.limits().alarms(now);
        for kind in AlarmKind::ALL {
            let standing = alarms.iter().any(|alarm| alarm.kind == kind);
            gauge!("countersign_alarms", "kind" => kind.word()).set(f64::from(u8::from(standing)));
        }
        alarms
    }

    /// A wrong letter code on an outbound call (§4.5).
    pub fn letter_code_wrong(&self, now: Now) {
        self.observe(now, Event::LetterCodeWrong);
    }

    /// How to treat a caller who asks for the account that `asked` names: a customer's id or what was
    /// keyed, whether or not there is such a customer.
    pub(super) fn asked(&self, source: &Source, asked: &str, now: Now) -> Advice {
        let claim = self.limits().claim(asked);
        let advice = self.observe(now, Event::Asked { source, claim });
        if let Advice::HighTrustOnly(reason) | Advice::DummyOnly(reason) = advice {
            counter!("countersign_restricted_total", "reason" => reason.word()).increment(1);
        }
        advice
    }

    /// Where a call comes from.
    pub(super) fn source(&self, caller: &Caller) -> Source {
        self.limits().source(caller)
    }

    /// Waits until what follows a key may go: at a multiple of the bucket after the key (5.3).
    pub(super) async fn pace(&self, key: Option<Instant>) {
        let Some(key) = key else { return };
        let spent = key.elapsed().as_millis();
        if let Some(full) = spent.checked_div(self.bucket.as_millis()) {
            let next = u32::try_from(full).unwrap_or(u32::MAX).saturating_add(1);
            tokio::time::sleep_until(key + self.bucket.saturating_mul(next)).await;
        }
    }

    fn observe(&self, now: Now, event: Event<'_>) -> Advice {
        let (advice, raised, alarms) = {
            let mut limits = self.limits();
            let advice = limits.observe(event, now);
            let raised = limits.take_raised();
            let alarms = if raised.is_empty() { vec![] } else { limits.alarms(now) };
            (advice, raised, alarms)
        };
        for alarm in alarms.iter().filter(|alarm| raised.contains(&alarm.kind)) {
            let kind = alarm.kind.word();
            warn!(kind, detail = alarm.detail, "alarm");
            counter!("countersign_alarms_total", "kind" => kind).increment(1);
            gauge!("countersign_alarms", "kind" => kind).set(1.0);
        }
        advice
    }

    /// A panic elsewhere leaves the counts whole enough: each is only ever a little too high.
    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// Applies advice to a customer who was found. Under `DummyOnly` there are the account's own sticky
/// positions and the same work, and no pair is right (5.1); nothing is counted against the account (5.8).
/// The answer: why only numbers of high trust count, if so.
pub(super) fn restrict(known: &mut Known, advice: Advice) -> Option<&'static str> {
    match advice {
        Advice::Normal | Advice::OverQuota => None,
        Advice::HighTrustOnly(reason) => Some(reason.word()),
        Advice::DummyOnly(reason) => {
            known.has_pin = false;
            known.flags.push(PIN_NOT_ACCEPTED.into());
            Some(reason.word())
        }
    }
}

/// What the limits have to know about one call.
#[derive(Debug, Default)]
pub(super) struct CallWatch {
    source: Option<Source>,
    claim: Option<Claim>,
    /// When the key came in whose answer is on its way.
    key: Option<Instant>,
    last_entry: bool,
    wrong: bool,
    challenged: bool,
    reported: bool,
    revealed: Option<(FactKey, Uptime)>,
    seen_by: Option<AgentId>,
}

impl CallWatch {
    /// Notices an effect before it is carried out.
    pub(super) fn notice(
        &mut self,
        effect: &Effect,
        guard: &Guard,
        call: &CallId,
        (now, taken_in): (Now, Instant),
    ) {
        match effect {
            // Whom we call ourselves does not ask for anything.
            Effect::LookUp { caller, direction: Direction::Inbound, .. } => {
                self.source = Some(guard.source(caller));
            }
            Effect::LookUpKeyed(_) => self.key = Some(taken_in),
            Effect::Draw(subject) => {
                self.challenged = true;
                self.claim = Some(claim(guard, subject));
            }
            Effect::Reserve { subject, last, .. } => {
                self.key = Some(taken_in);
                self.last_entry = *last;
                self.claim = Some(claim(guard, subject));
            }
            Effect::Settle { verdict: Some(Verdict::Correct), .. } => {
                self.report(Outcome::Passed, guard, now);
            }
            Effect::Settle { verdict: Some(Verdict::Wrong), .. } => {
                self.wrong = true;
                if self.last_entry {
                    self.report(Outcome::Failed, guard, now);
                }
            }
            // A failure of ours says nothing about the caller (C51).
            Effect::Settle { verdict: None, .. } => self.reported = true,
            Effect::RecordResult { result: CallResult::Failed, .. } => {
                self.report(Outcome::Failed, guard, now);
            }
            Effect::HandOver { .. } | Effect::Ended(_) if self.challenged => {
                let outcome = if self.wrong { Outcome::Failed } else { Outcome::Abandoned };
                self.report(outcome, guard, now);
            }
            Effect::AuditReveal { question, .. } => {
                self.revealed = Some((question.clone(), now.up));
            }
            Effect::Audit { actor, what: "question_marked", body } => {
                self.ticked(actor, &body["question"], guard, now);
            }
            Effect::Publish(view) => self.seen(view, guard, call, now),
            _ => {}
        }
    }

    /// Where the call comes from, once it was looked up.
    pub(super) fn source(&self) -> Option<Source> {
        self.source.clone()
    }

    /// When the key came in whose answer is due now; asked for once.
    pub(super) fn take_key(&mut self) -> Option<Instant> {
        self.key.take()
    }

    /// Whether the agent may look at one more answer.
    pub(super) fn may_reveal(agent: &AgentId, guard: &Guard, now: Now) -> bool {
        let advice = guard.observe(now, Event::Reveal { agent });
        advice != Advice::OverQuota
    }

    /// Once a call: what came of the check.
    fn report(&mut self, outcome: Outcome, guard: &Guard, now: Now) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        if let (Some(source), Some(claim)) = (&self.source, self.claim) {
            guard.observe(now, Event::Checked { source, claim, outcome });
        }
    }

    fn ticked(&mut self, actor: &str, question: &serde_json::Value, guard: &Guard, now: Now) {
        let looked = self.revealed.take_if(|(key, _)| *question == key.as_str());
        if let (Some((_, at)), Ok(agent)) = (looked, actor.parse()) {
            guard.observe(now, Event::Ticked { agent: &agent, after: now.up - at });
        }
    }

    fn seen(&mut self, view: &CallView, guard: &Guard, call: &CallId, now: Now) {
        let challenge = view.pin.is_some() || view.questions.is_some();
        if let (Some(agent), Some(customer), true) = (&view.agent, &view.customer, challenge)
            && self.seen_by.as_ref() != Some(agent)
        {
            self.seen_by = Some(agent.clone());
            guard.observe(now, Event::Challenged { agent, account: &customer.id, call });
        }
    }
}

fn claim(guard: &Guard, subject: &Subject) -> Claim {
    let text = match subject {
        Subject::Account(id) | Subject::Closed(id) => id.as_str(),
        Subject::Stranger(claimed) => &claimed.0,
    };
    guard.limits().claim(text)
}
