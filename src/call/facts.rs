//! What is known about a call, whatever phase it is in.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::account::Standing;
use crate::call::effect::CallResult;
use crate::call::effect::Claimed;
use crate::call::effect::Subject;
use crate::call::input::Delivered;
use crate::call::input::Known;
use crate::call::input::PresentedIntent;
use crate::call::transcript::Transcript;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::caller::Evidence;
use crate::model::caller::NumberTrust;
use crate::model::customer::Role;
use crate::model::digits::Position;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::party::PartyRole;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::outbound::Purpose;
use crate::outbound::proof::Proof;
use crate::policy::Lanes;
use crate::policy::Profile;
use crate::policy::Reveal;
use crate::policy::table;

/// Who did something, for the ladder of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The one on the telephone.
    Caller,
    /// Countersign.
    Daemon,
    /// The agent, by the desktop.
    Agent,
    /// The telephony platform.
    Platform,
    /// The records.
    Records,
}

/// One moment of the timeline.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: Who,
    /// What, without a digit.
    pub what: String,
}

/// PIN progress.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Asked {
    /// Its key.
    pub key: FactKey,
    /// Its text.
    pub text: String,
    /// When its answer may be seen.
    pub reveal: Reveal,
    /// The agent's tick.
    pub marked: Option<bool>,
    /// Since when the agent looks at the answer, if they do.
    pub revealed: Option<Timestamp>,
}

/// What questions are for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// A step of the check.
    Check,
    /// The check of a case whose security details are still the default ones (C17–C22).
    Transitional,
    /// The way back after a failure (C54, C65, C71).
    CallBack,
    /// The two ticks before one speaks with an employer (C08).
    Employer,
}

/// The questions that are due.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct QuestionsAsked {
    /// What for.
    pub kind: QuestionKind,
    /// The set of the profile; empty for an employer's ticks.
    pub set: String,
    /// Right answers needed.
    pub required: u8,
    /// In order.
    pub items: Vec<Asked>,
}

impl QuestionsAsked {
    /// The questions that were answered right.
    pub fn right(&self) -> impl Iterator<Item = &FactKey> {
        self.items.iter().filter(|item| item.marked == Some(true)).map(|item| &item.key)
    }
}

/// Whom the call is with (C11).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Party {
    /// The part they play.
    pub role: PartyRole,
    /// Whether an agent said so; otherwise the record of whoever was identified did.
    pub by_agent: bool,
    /// Whether the client has to answer for them (C13).
    pub needs_client: bool,
    /// Whether the client is there.
    pub client_present: Option<bool>,
    /// Whether the client lets them go on (C14).
    pub permission: Option<bool>,
}

/// The offer of a call-back (C48–C53).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CallBackOffer {
    /// What the caller said to it.
    pub accepted: Option<bool>,
    /// What came of it: `call_back`, `case_owner` or `trace`.
    pub task: Option<&'static str>,
}

/// The reminder after a compensated pass (C43).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reminder {
    /// To be read out.
    Due,
    /// It was.
    Read,
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
    pub purpose: Option<Purpose>,
    /// Between the calendar and the monotonic clock, for deadlines that people read.
    pub clock_gap: Duration,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub profile: Arc<Profile>,
    pub class: Option<CallerClass>,
    pub evidence: Vec<Evidence>,
    pub customer: Option<Known>,
    pub stranger: Option<Claimed>,
    pub party: Option<Party>,
    pub route: table::Route,
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
    /// The way back after a failure runs, or it is what the call is for (C54, C65, C71).
    pub recovering: bool,
    /// The way back was tried; nobody gets two tries in a call.
    pub recovered: bool,
    /// The way to the leg is broken: nothing is asked.
    pub leg_lost: bool,
    /// The way back was passed and its reset is on the way to disk.
    pub resetting: bool,
    pub call_back: Option<CallBackOffer>,
    pub reminder: Option<Reminder>,
    pub enrolment_required: bool,
    pub bogus_reported: bool,
    pub proof: Option<Proof>,
    pub transcript: Transcript,
    /// A verdict on its way to disk; nobody is told before it is there (P3).
    pub verdict: Option<CallResult>,
    pub agent: Option<AgentId>,
    /// The machine has done its part: the caller is on the way to an agent, or with one.
    pub with_agent: bool,
    /// The caller keyed a customer number.
    pub keyed: bool,
    /// The agent named another customer than the call found.
    pub renamed: bool,
    /// What was answered right or wrong in this call, whoever was asked: no question twice.
    pub given: BTreeMap<(CustomerId, FactKey), bool>,
    /// Who gave the call back.
    pub released_by: Option<AgentId>,
    /// The platform says that this agent has left the call.
    pub agent_gone: bool,
    /// A blind transfer came while a verdict was on its way: a pass is owed again (X31).
    pub recheck_after: bool,
    /// The check was passed before a blind transfer and is owed again (X31).
    pub rechecking: bool,
    pub notes: Vec<String>,
    /// A caller who failed has one recorded follow-up (C04).
    pub followed_up: bool,
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
    pub fn new(id: CallId, delivered: Delivered, profile: Arc<Profile>, now: Now) -> Self {
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
            purpose: delivered.purpose,
            clock_gap: Duration::from_millis(now.wall.0).saturating_sub(now.up.0),
            started_at: now.wall,
            ended_at: None,
            transcript: Transcript::new(&profile),
            profile,
            class: None,
            evidence: vec![],
            customer: None,
            stranger: None,
            party: None,
            route: table::Route::Standard,
            authentication: Authentication::NotAuthenticated,
            message: None,
            factors: table::State {
                pin: table::Pin::Pending,
                password: table::Password::Pending,
                questions: table::Questions::Pending,
                compensated: false,
            },
            pin: None,
            attempt_made: false,
            entries: 0,
            call_failed: false,
            password_due: false,
            password_said: false,
            questions: None,
            recovering: false,
            recovered: false,
            leg_lost: false,
            resetting: false,
            call_back: None,
            reminder: None,
            enrolment_required: false,
            bogus_reported: false,
            proof: None,
            verdict: None,
            agent: delivered.agent,
            with_agent: false,
            keyed: false,
            renamed: false,
            given: BTreeMap::new(),
            released_by: None,
            recheck_after: false,
            agent_gone: false,
            rechecking: false,
            notes: vec![],
            followed_up: false,
            timeline: VecDeque::new(),
            version: 0,
            counted: false,
            books_closed: false,
        };
        facts.note_of(Who::Platform, now.wall, "call delivered");
        facts
    }

    /// Adds what the daemon did to the timeline.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        self.note_of(Who::Daemon, at, what);
    }

    /// Adds a line to the timeline; the oldest goes when it is full.
    pub fn note_of(&mut self, who: Who, at: Timestamp, what: impl Into<String>) {
        if self.timeline.len() >= Self::TIMELINE_MAX {
            self.timeline.pop_front();
        }
        self.timeline.push_back(Moment { at, who, what: what.into() });
    }

    /// Takes a customer in as the one this call is about.
    pub fn identify(&mut self, known: Known) {
        match known.standing {
            Standing::Open => {}
            // Calls that lift a block, and those of the trusted lane, go on all the same (X26, 5.8).
            Standing::Blocked | Standing::ResetRequired if self.passes_a_block() => {}
            Standing::Blocked => self.conclude(Authentication::Blocked),
            Standing::ResetRequired => self.conclude(Authentication::ResetRequired),
        }
        self.stranger = None;
        self.route = self.profile.route(&known.flags);
        self.factors.compensated = known.compensated;
        if self.party.as_ref().is_none_or(|party| !party.by_agent) {
            self.party = Some(Party {
                role: match known.role {
                    Role::Client => PartyRole::Client,
                    Role::Representative => PartyRole::Representative,
                },
                by_agent: false,
                needs_client: false,
                client_present: None,
                permission: None,
            });
        }
        self.customer = Some(known);
    }

    /// Whether a block does not end this call's check: it is made to lift the block, or it comes by
    /// the trusted lane of a profile with two lanes.
    #[must_use]
    pub fn passes_a_block(&self) -> bool {
        let recovery = matches!(self.purpose, Some(Purpose::Unblock | Purpose::CallBack));
        let class = self.class_in_check();
        let trusted = class == CallerClass::AppAuthenticated
            || self.caller.number_trust() == NumberTrust::High
                && class == CallerClass::VerifiedNumber;
        recovery || (trusted && self.profile.lanes == Lanes::Two)
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
            // C15, C16: what the agent was told last is still true.
            Authentication::NotAuthenticated
            | Authentication::PartiallyVerified
            | Authentication::InProgress => self.message.take(),
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

    /// The class the table is asked with. What the number was worth for another customer, or before a
    /// blind transfer, it is not worth now (X31).
    #[must_use]
    pub fn class_in_check(&self) -> CallerClass {
        if self.rechecking || self.renamed { CallerClass::Unverified } else { self.class() }
    }

    /// The class, once decided; before that a caller is worth nothing.
    #[must_use]
    pub fn class(&self) -> CallerClass {
        self.class.unwrap_or(CallerClass::Unverified)
    }
}
