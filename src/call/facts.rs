//! What is known about a call, whatever phase it is in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Standing;
use crate::call::effect::CallResult;
use crate::call::effect::Claimed;
use crate::call::effect::Subject;
use crate::call::input::Delivered;
use crate::call::input::Known;
use crate::call::input::PresentedIntent;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::caller::Evidence;
use crate::model::digits::Position;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::time::Timestamp;
use crate::policy::Profile;
use crate::policy::Reveal;
use crate::policy::table;

/// One moment of the timeline.
#[derive(Debug)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What, without a digit.
    pub what: String,
}

/// PIN progress.
#[derive(Debug)]
pub struct PinShown {
    /// Asked so far in this entry.
    pub positions: Vec<Position>,
    /// Keys taken in.
    pub entered: u8,
    /// Which entry, from 1.
    pub attempt: u8,
    /// Final, or nothing.
    pub result: Option<PinResult>,
}

/// One question on the agent's panel.
#[derive(Debug)]
pub struct Asked {
    /// Its key.
    pub key: FactKey,
    /// Its text.
    pub text: String,
    /// The agent's tick.
    pub marked: Option<bool>,
    /// Whether the agent looks at the answer now.
    pub revealed: bool,
}

/// The questions that are due.
#[derive(Debug)]
pub struct QuestionsAsked {
    /// Right answers needed.
    pub required: u8,
    /// When answers may be seen.
    pub reveal: Reveal,
    /// In order.
    pub items: Vec<Asked>,
}

impl QuestionsAsked {
    /// Right answers so far.
    #[must_use]
    pub fn correct(&self) -> u8 {
        let right = self.items.iter().filter(|item| item.marked == Some(true)).count();
        u8::try_from(right).unwrap_or(u8::MAX)
    }
}

/// Everything a call knows.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is what its name says; the types carry the rules")]
pub struct Facts {
    pub id: CallId,
    pub platform: PlatformName,
    pub platform_call_id: PlatformCallId,
    pub direction: Direction,
    pub collects: Collects,
    pub caller: Caller,
    pub dnis: String,
    pub queue: QueueName,
    pub queue_uri: String,
    pub intent: Option<PresentedIntent>,
    /// Whom the platform takes the caller for.
    pub claimed_customer: Option<CustomerId>,
    pub handed_over_max: Duration,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub profile: Arc<Profile>,
    pub class: Option<CallerClass>,
    pub evidence: Vec<Evidence>,
    pub customer: Option<Known>,
    pub stranger: Option<Claimed>,
    pub authentication: Authentication,
    pub message: Option<String>,
    pub factors: table::State,
    pub pin: Option<PinShown>,
    /// An entry of this call was written down.
    pub attempt_made: bool,
    /// Entries written down so far.
    pub entries: u8,
    /// This call is marked as failed on disk.
    pub call_failed: bool,
    pub password_due: bool,
    /// The password was said and is being judged; it is not asked twice.
    pub password_said: bool,
    pub questions: Option<QuestionsAsked>,
    /// A verdict on its way to disk; nobody is told before it is there (P3).
    pub verdict: Option<CallResult>,
    pub agent: Option<AgentId>,
    pub notes: Vec<String>,
    pub timeline: VecDeque<Moment>,
    pub version: u64,
    /// Whether the outcome was counted: once a call, as soon as it is final.
    pub counted: bool,
    /// Whether the end of the call was reported.
    pub books_closed: bool,
}

impl Facts {
    const TIMELINE_MAX: usize = 64;

    /// What is known when the call is delivered.
    #[must_use]
    pub fn new(id: CallId, delivered: Delivered, profile: Arc<Profile>, now: Timestamp) -> Self {
        let mut facts = Self {
            id,
            platform: delivered.platform,
            platform_call_id: delivered.platform_call_id,
            direction: delivered.direction,
            collects: delivered.collects,
            caller: delivered.caller,
            dnis: delivered.dnis,
            queue: delivered.queue,
            queue_uri: delivered.queue_uri,
            intent: delivered.intent,
            claimed_customer: delivered.claimed_customer,
            handed_over_max: delivered.handed_over_max,
            started_at: now,
            ended_at: None,
            profile,
            class: None,
            evidence: vec![],
            customer: None,
            stranger: None,
            authentication: Authentication::NotAuthenticated,
            message: None,
            factors: table::State {
                pin: table::Pin::Pending,
                password: table::Password::Pending,
                questions: table::Questions::Pending,
            },
            pin: None,
            attempt_made: false,
            entries: 0,
            call_failed: false,
            password_due: false,
            password_said: false,
            questions: None,
            verdict: None,
            agent: None,
            notes: vec![],
            timeline: VecDeque::new(),
            version: 0,
            counted: false,
            books_closed: false,
        };
        facts.note(now, "call delivered");
        facts
    }

    /// Adds a line to the timeline; the oldest goes when it is full.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        if self.timeline.len() >= Self::TIMELINE_MAX {
            self.timeline.pop_front();
        }
        self.timeline.push_back(Moment { at, what: what.into() });
    }

    /// Takes a customer in as the one this call is about.
    pub fn identify(&mut self, known: Known) {
        match known.standing {
            Standing::Open => {}
            Standing::Blocked => self.conclude(Authentication::Blocked),
            Standing::ResetRequired => self.conclude(Authentication::ResetRequired),
        }
        self.stranger = None;
        self.customer = Some(known);
    }

    /// Sets a final state with its sentence for the agent.
    pub fn conclude(&mut self, outcome: Authentication) {
        self.authentication = outcome;
        let texts = &self.profile.texts;
        self.message = match outcome {
            Authentication::Authenticated => Some(texts.passed.clone()),
            Authentication::Failed => Some(texts.failed.clone()),
            Authentication::Blocked => Some(texts.blocked.clone()),
            Authentication::ResetRequired => Some(texts.reset_required.clone()),
            Authentication::SystemUnavailable => Some(texts.unavailable.clone()),
            Authentication::NotAuthenticated
            | Authentication::PartiallyVerified
            | Authentication::InProgress => None,
        };
    }

    /// Whose positions are asked: blocked and unknown callers are asked in the same way (5.1).
    #[must_use]
    pub fn subject(&self) -> Subject {
        match &self.customer {
            Some(known) if known.standing == Standing::Open && known.has_pin => {
                Subject::Account(known.id.clone())
            }
            Some(known) => Subject::Closed(known.id.clone()),
            None => {
                Subject::Stranger(self.stranger.clone().unwrap_or_else(|| Claimed(String::new())))
            }
        }
    }

    /// The class, once decided; before that a caller is worth nothing.
    #[must_use]
    pub fn class(&self) -> CallerClass {
        self.class.unwrap_or(CallerClass::Unverified)
    }
}
