//! A call as a desktop sees it (contract §6). It has no field that could hold a digit.

use serde::Serialize;

use crate::call::facts::QuestionKind;
use crate::call::facts::Who;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::caller::CallerClass;
use crate::model::caller::Evidence;
use crate::model::customer::Role;
use crate::model::digits::Position;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::PlatformCallId;
use crate::model::ids::QueueName;
use crate::model::party::PartyRole;
use crate::outbound::Purpose;
use crate::outbound::step::ProofView;

/// The whole current state of one call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallView {
    /// Our id.
    pub id: CallId,
    /// `sip`, `genesys` …
    pub platform: String,
    /// The platform's id.
    pub platform_call_id: PlatformCallId,
    /// Rises with every change.
    pub version: u64,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339, or null while it lives.
    pub ended_at: Option<String>,
    /// `ivr`, `handed_over` or `none`: who holds the caller's media.
    pub media: &'static str,
    /// The caller's number, masked.
    pub ani_display: Option<String>,
    /// The dialled number.
    pub dnis: String,
    /// Where the call goes.
    pub queue: QueueName,
    /// Who has it.
    pub agent: Option<AgentId>,
    /// Whom it is about, once known.
    pub customer: Option<CustomerView>,
    /// Decided once, before answer.
    pub class: Option<CallerClass>,
    /// Why.
    pub evidence: Vec<Evidence>,
    /// How far the check has come.
    pub authentication: Authentication,
    /// The profile's name.
    pub policy: String,
    /// The mark on the screen.
    pub badge: &'static str,
    /// PIN progress, once positions were asked.
    pub pin: Option<PinView>,
    /// Password step, when the profile has one.
    pub password: Option<PasswordView>,
    /// Questions, when they are due.
    pub questions: Option<QuestionsView>,
    /// Outbound proof; always null on inbound calls.
    pub proof: Option<ProofView>,
    /// Why we call; outbound calls only.
    pub purpose: Option<Purpose>,
    /// Whom the call is with.
    pub party: Option<PartyView>,
    /// What the agent should say now, to be read out.
    pub say: Option<String>,
    /// What must never be said, whatever is asked.
    pub never_say: Vec<String>,
    /// The one thing to do next.
    pub primary: Option<&'static str>,
    /// What runs out, and when.
    pub timer: Option<TimerView>,
    /// The offer of a call-back.
    pub call_back: Option<CallBackView>,
    /// A sentence to be read out once and acknowledged (C43).
    pub reminder: Option<String>,
    /// New security details have to be set up before the call is complete (C21).
    pub enrolment_required: bool,
    /// A sentence for the agent.
    pub message: Option<String>,
    /// What is allowed now.
    pub actions: Vec<&'static str>,
    /// Wrap-up notes.
    pub notes: Vec<String>,
    /// What happened, the newest last, bounded.
    pub timeline: Vec<TimelineView>,
}

/// Whom the call is with (C11–C16).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartyView {
    /// The part they play.
    pub role: PartyRole,
    /// `agent` or `record`.
    pub set_by: &'static str,
    /// Whether the client is there, where that matters.
    pub client_present: Option<bool>,
    /// Whether the client lets them go on.
    pub permission: Option<bool>,
}

/// What runs out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimerView {
    /// RFC 3339.
    pub until: String,
    /// `digit`.
    pub what: &'static str,
}

/// The offer of a call-back (C48).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallBackView {
    /// Whether it is to be offered now.
    pub offered: bool,
    /// What the caller said to it.
    pub accepted: Option<bool>,
    /// `call_back`, `case_owner` or `trace`.
    pub task: Option<&'static str>,
}

/// The customer on the screen-pop: no address, no birth date, no number (C26–C32).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerView {
    /// Identity.
    pub id: CustomerId,
    /// Name.
    pub name: String,
    /// Client or representative.
    pub role: Role,
    /// For whom a representative speaks.
    #[serde(rename = "for")]
    pub speaks_for: Option<CustomerId>,
    /// Flags.
    pub flags: Vec<String>,
}

/// PIN progress. Positions and counts, never a digit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PinView {
    /// Positions asked so far, in order; a position appears when its prompt starts.
    pub positions: Vec<Position>,
    /// Keys taken in.
    pub entered: u8,
    /// Keys needed.
    pub needed: u8,
    /// Which try this is, from 1.
    pub attempt: u8,
    /// Tries allowed.
    pub attempts_allowed: u8,
    /// Null until it is final.
    pub result: Option<PinResult>,
}

/// The password step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PasswordView {
    /// Whether it is asked for now.
    pub needed: bool,
    /// `correct`, `incorrect` or null.
    pub result: Option<&'static str>,
}

/// The question panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionsView {
    /// `check`, `transitional`, `call_back` or `employer`.
    pub kind: QuestionKind,
    /// The set of the profile.
    pub set: String,
    /// Right answers needed.
    pub required: u8,
    /// Right answers so far.
    pub correct: u8,
    /// The questions, in order.
    pub items: Vec<QuestionView>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionView {
    /// Its key.
    pub key: FactKey,
    /// Its text.
    pub text: String,
    /// How its answer may be seen: `blind`, `on_click`, `always`.
    pub reveal: &'static str,
    /// Whether the agent may only type what was said.
    pub blind: bool,
    /// Whether there is anything to compare an answer with.
    pub on_file: bool,
    /// The answer on file, only for the agent who may see it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The agent's tick.
    pub marked: Option<bool>,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineView {
    /// RFC 3339.
    pub at: String,
    /// Who did it.
    pub who: Who,
    /// A short sentence, without a digit.
    pub what: String,
}

impl CallView {
    /// The same call for those who watch but do not own it: no answers, nothing to do but claim.
    #[must_use]
    pub fn for_watchers(&self) -> Self {
        let mut view = self.clone();
        for item in view.questions.iter_mut().flat_map(|questions| &mut questions.items) {
            item.answer = None;
        }
        // A code is for the one who reads it out.
        if let Some(proof) = &mut view.proof {
            proof.speak = None;
            proof.reference = None;
        }
        view.actions.retain(|action| *action == "claim");
        view.primary = view.primary.filter(|action| *action == "claim");
        view
    }
}
