//! A call as another node needs it to go on (D06): everything that was found out and decided, and how
//! far the call has come.
//!
//! Not in here: keys of a PIN entry in progress, answers, passwords, codes, the app's intent. Time is
//! what is left, never an instant: clocks of two nodes differ. The format has a number; every later
//! release reads this one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::facts::CallBackOffer;
use crate::call::facts::Facts;
use crate::call::facts::Moment;
use crate::call::facts::Party;
use crate::call::facts::PinShown;
use crate::call::facts::QuestionsAsked;
use crate::call::facts::Reminder;
use crate::call::phase::Phase;
use crate::call::phase::Then;
use crate::call::transcript::Transcript;
use crate::model::auth::Authentication;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::caller::Evidence;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::outbound::Purpose;
use crate::outbound::proof::Proof;
use crate::outbound::proof::SavedProof;
use crate::policy::table;

/// The format that this release writes.
pub const FORMAT: u32 = 1;

/// How far a call had come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedStage {
    /// Nobody knew yet who it is.
    LookingUp,
    /// The caller was to be answered, or keyed a customer number.
    Identifying,
    /// PIN positions were drawn, asked or judged.
    Pin,
    /// Before answer, with a verdict on its way to disk.
    Deciding,
    /// On the way to the queue.
    Leaving {
        /// Whether the machine had answered.
        answered: bool,
    },
    /// The caller heard goodbye.
    Parting,
    /// With the queue or an agent, for so many milliseconds more at the most.
    HandedOver {
        /// What is left.
        left_ms: u64,
    },
    /// Ended, and kept for so many milliseconds more.
    WrapUp {
        /// What is left.
        left_ms: u64,
    },
    /// Over.
    Released,
}

impl SavedStage {
    /// Whether the caller was with the machine, or on the way to or from it.
    #[must_use]
    pub const fn is_with_machine(self) -> bool {
        !matches!(self, Self::HandedOver { .. } | Self::WrapUp { .. } | Self::Released)
    }
}

/// A call that can be gone on with elsewhere.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each field is the one of the same name in `Facts`")]
pub struct Saved {
    pub format: u32,
    pub stage: SavedStage,
    pub id: CallId,
    pub platform: PlatformName,
    pub platform_call_id: PlatformCallId,
    pub direction: Direction,
    pub collects: Collects,
    pub caller: Caller,
    pub dnis: String,
    pub queue: QueueName,
    pub queue_uri: String,
    pub claimed_customer: Option<CustomerId>,
    pub handed_over_max_ms: u64,
    pub purpose: Option<Purpose>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub class: Option<CallerClass>,
    pub evidence: Vec<Evidence>,
    pub customer: Option<CustomerId>,
    pub party: Option<Party>,
    pub route: table::Route,
    pub authentication: Authentication,
    pub message: Option<String>,
    pub factors: table::State,
    pub pin: Option<PinShown>,
    pub attempt_made: bool,
    pub entries: u8,
    pub call_failed: bool,
    pub password_due: bool,
    pub password_said: bool,
    pub questions: Option<QuestionsAsked>,
    pub recovering: bool,
    pub recovered: bool,
    pub resetting: bool,
    pub call_back: Option<SavedOffer>,
    pub reminder: Option<Reminder>,
    pub enrolment_required: bool,
    pub bogus_reported: bool,
    pub proof: Option<SavedProof>,
    pub transcript: Transcript,
    pub verdict: Option<CallResult>,
    pub agent: Option<AgentId>,
    pub with_agent: bool,
    pub keyed: bool,
    pub renamed: bool,
    /// As a list: JSON has no keys of two parts.
    pub given: Vec<Given>,
    pub released_by: Option<AgentId>,
    pub agent_gone: bool,
    pub recheck_after: bool,
    pub rechecking: bool,
    pub notes: Vec<String>,
    pub followed_up: bool,
    pub timeline: Vec<Moment>,
    pub version: u64,
    pub counted: bool,
    pub books_closed: bool,
}

/// A question that was answered, and whether it was right; not how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each field is what its name says")]
pub struct Given {
    pub customer: CustomerId,
    pub question: FactKey,
    pub right: bool,
}

/// The offer of a call-back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each field is the one of the same name in `CallBackOffer`")]
pub struct SavedOffer {
    pub accepted: Option<bool>,
    pub task: Option<String>,
}

impl SavedOffer {
    fn of(offer: CallBackOffer) -> Self {
        Self { accepted: offer.accepted, task: offer.task.map(str::to_owned) }
    }

    /// The offer; a task that this release does not know is none.
    pub(crate) fn offer(&self) -> CallBackOffer {
        let known = ["call_back", "case_owner", "trace"];
        let task = self.task.as_deref();
        let task = known.into_iter().find(|word| Some(*word) == task);
        CallBackOffer { accepted: self.accepted, task }
    }
}

/// Reads the questions that were answered back.
pub(crate) fn given(list: Vec<Given>) -> BTreeMap<(CustomerId, FactKey), bool> {
    list.into_iter().map(|given| ((given.customer, given.question), given.right)).collect()
}

impl Call {
    /// The call as another node needs it.
    #[must_use]
    pub fn saved(&self, now: Now) -> Saved {
        let stage = stage(&self.phase, now.up);
        saved(&self.facts, stage)
    }
}

fn stage(phase: &Phase, now: Uptime) -> SavedStage {
    let left = |until: Uptime| millis(until - now);
    match phase {
        Phase::LookingUp { .. } => SavedStage::LookingUp,
        Phase::Answering { .. } | Phase::Identifying { .. } | Phase::LookingUpKeyed { .. } => {
            SavedStage::Identifying
        }
        Phase::Interrupted { then: Then::Answer | Then::Identify, .. } => SavedStage::Identifying,
        Phase::Interrupted { then: Then::AskPin, .. }
        | Phase::Drawing { .. }
        | Phase::Capture { .. }
        | Phase::Reserving { .. }
        | Phase::Judging { .. }
        | Phase::Settling { .. } => SavedStage::Pin,
        Phase::Deciding { .. } => SavedStage::Deciding,
        Phase::Closing { .. } | Phase::Interrupted { then: Then::Leave, .. } => {
            SavedStage::Leaving { answered: true }
        }
        Phase::HandingOver { answered, .. } => SavedStage::Leaving { answered: *answered },
        Phase::Parting { .. } => SavedStage::Parting,
        Phase::HandedOver { until } => SavedStage::HandedOver { left_ms: left(*until) },
        Phase::WrapUp { until } => SavedStage::WrapUp { left_ms: left(*until) },
        Phase::Released => SavedStage::Released,
    }
}

#[expect(clippy::too_many_lines, reason = "one line a field, so that none is forgotten")]
fn saved(facts: &Facts, stage: SavedStage) -> Saved {
    let given = facts.given.iter().map(|((customer, question), right)| Given {
        customer: customer.clone(),
        question: question.clone(),
        right: *right,
    });
    let mut pin = facts.pin.clone();
    if let Some(shown) = pin.as_mut().filter(|_| stage == SavedStage::Pin) {
        // The keys stay here: elsewhere both digits are asked again.
        shown.positions.clear();
        shown.entered = 0;
    }
    let mut questions = facts.questions.clone();
    let items = questions.iter_mut().flat_map(|questions| &mut questions.items);
    items.for_each(|item| item.revealed = None);
    Saved {
        format: FORMAT,
        stage,
        id: facts.id.clone(),
        platform: facts.platform.clone(),
        platform_call_id: facts.platform_call_id.clone(),
        direction: facts.direction,
        collects: facts.collects,
        caller: facts.caller.clone(),
        dnis: facts.dnis.clone(),
        queue: facts.queue.clone(),
        queue_uri: facts.queue_uri.clone(),
        claimed_customer: facts.claimed_customer.clone(),
        handed_over_max_ms: millis(facts.handed_over_max),
        purpose: facts.purpose,
        started_at: facts.started_at,
        ended_at: facts.ended_at,
        class: facts.class,
        evidence: facts.evidence.clone(),
        customer: facts.customer.as_ref().map(|known| known.id.clone()),
        party: facts.party.clone(),
        route: facts.route,
        authentication: facts.authentication,
        message: facts.message.clone(),
        factors: facts.factors,
        pin,
        attempt_made: facts.attempt_made,
        entries: facts.entries,
        call_failed: facts.call_failed,
        password_due: facts.password_due,
        password_said: facts.password_said,
        questions,
        recovering: facts.recovering,
        recovered: facts.recovered,
        resetting: facts.resetting,
        call_back: facts.call_back.map(SavedOffer::of),
        reminder: facts.reminder,
        enrolment_required: facts.enrolment_required,
        bogus_reported: facts.bogus_reported,
        proof: facts.proof.as_ref().map(Proof::saved),
        transcript: facts.transcript.clone(),
        verdict: facts.verdict,
        agent: facts.agent.clone(),
        with_agent: facts.with_agent,
        keyed: facts.keyed,
        renamed: facts.renamed,
        given: given.collect(),
        released_by: facts.released_by.clone(),
        agent_gone: facts.agent_gone,
        recheck_after: facts.recheck_after,
        rechecking: facts.rechecking,
        notes: facts.notes.clone(),
        followed_up: facts.followed_up,
        timeline: facts.timeline.iter().cloned().collect(),
        version: facts.version,
        counted: facts.counted,
        books_closed: facts.books_closed,
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
