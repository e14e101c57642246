//! Jobs: what somebody still has to do, or what waits for its time.

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;

/// The number of a job.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// What is to be done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Ring the number held and ask three questions (C48, C52). Outbound only.
    CallBack,
    /// The person who deals with the case rings back (C50).
    CaseOwner,
    /// Find a number through CIS and CRA (C53).
    Trace,
    /// Ring the number held to lift a block (C71). Outbound only.
    Unblock,
    /// Letters are out: wait for the details, remind, close (C73–C78).
    Renewal,
    /// Collect new security details (C21).
    Enrolment,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// To be done.
    Open,
    /// Letters are out, the reminder is due later.
    Waiting,
    /// The reminder is out.
    Reminded,
    /// Done.
    Done,
    /// Tried, and failed.
    Failed,
    /// Tried, and nobody was reached.
    Unreachable,
    /// Closed for want of a response (C78).
    Closed,
}

/// What may happen to a job.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// Nobody was reached.
    Unreachable,
    /// Its time has come.
    TimeCome,
}

/// A job to open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewJob {
    /// What is to be done.
    pub kind: JobKind,
    /// How far it is from the start.
    pub state: JobState,
    /// When something is due by itself.
    pub due: Option<Timestamp>,
    /// The details.
    pub detail: Detail,
}

/// A job as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobLine {
    /// Its number.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Whose account it is about.
    pub customer: CustomerId,
    /// The call it came from.
    pub call: Option<CallId>,
    /// The profile of that call; empty until the call named it.
    pub profile: String,
    /// Since when.
    pub opened: Timestamp,
    /// When something is due by itself.
    pub due: Option<Timestamp>,
    /// The last change.
    pub changed: Timestamp,
    /// Who made it.
    pub changed_by: String,
    /// The details.
    pub detail: Detail,
}

/// What whoever does a job has to know. Holds no number and no answer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Detail {
    /// `outbound` where only a call of ours will do (C71).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Whom to ring: always the number held, never one that a caller names (C52).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `transactional` or `transitional` (C48, C55).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<String>,
    /// How many of them, all to be right (C57).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u8>,
    /// What else will do instead of the questions (C71, X25).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or: Option<String>,
    /// Where to look (C53).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// A code (C21).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::CallBack,
        Self::CaseOwner,
        Self::Trace,
        Self::Unblock,
        Self::Renewal,
        Self::Enrolment,
    ];

    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CallBack => "call_back",
            Self::CaseOwner => "case_owner",
            Self::Trace => "trace",
            Self::Unblock => "unblock",
            Self::Renewal => "renewal",
            Self::Enrolment => "enrolment",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Waiting,
        Self::Reminded,
        Self::Done,
        Self::Failed,
        Self::Unreachable,
        Self::Closed,
    ];

    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Reminded => "reminded",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether something is still to be done or to come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Waiting | Self::Reminded)
    }
}

impl JobEvent {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::TimeCome => "time_come",
        }
    }
}

impl Detail {
    /// A call to the number held, with three questions of this pool.
    #[must_use]
    pub fn call_back(transitional: bool) -> Self {
        let pool = if transitional { "transitional" } else { "transactional" };
        Self {
            direction: Some("outbound".into()),
            to: Some("number_held".into()),
            questions: Some(pool.into()),
            required: Some(3),
            ..Self::default()
        }
    }

    /// A call to the number held that lifts a block: PIN and password, or three questions (X25).
    #[must_use]
    pub fn unblock() -> Self {
        Self { or: Some("pin_and_password".into()), ..Self::call_back(false) }
    }

    /// A search for a number.
    #[must_use]
    pub fn trace() -> Self {
        Self { sources: vec!["CIS".into(), "CRA".into()], ..Self::default() }
    }
}
