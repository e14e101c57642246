//! What can happen to a call: events of its platform, answers to its effects, requests of desktops.

use std::collections::BTreeMap;
use std::fmt;

use crate::account::Standing;
use crate::call::request::Asker;
use crate::call::request::PartySaid;
use crate::call::request::Request;
use crate::model::auth::Verdict;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::cause::Cause;
use crate::model::customer::Role;
use crate::model::digits::Key;
use crate::model::digits::Positions;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::ids::IntentHandle;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::model::time::Timestamp;
use crate::outbound::Method;
use crate::outbound::Purpose;
use crate::outbound::codes::SpokenCode;

/// A call arrives (CSTA Delivered; SIP INVITE).
#[derive(Clone, Debug)]
pub struct Delivered {
    /// `sip`, `genesys` …
    pub platform: PlatformName,
    /// The platform's id.
    pub platform_call_id: PlatformCallId,
    /// Who dialled whom.
    pub direction: Direction,
    /// When the platform can collect keys.
    pub collects: Collects,
    /// Who calls.
    pub caller: Caller,
    /// What was dialled.
    pub dnis: String,
    /// The queue that number belongs to.
    pub queue: QueueName,
    /// Where that queue is handed over to: a SIP URI.
    pub queue_uri: String,
    /// The app's handle, if the call carried one.
    pub intent: Option<PresentedIntent>,
    /// Whom the platform takes the caller for: identifies like a keyed number, and proves nothing.
    pub claimed_customer: Option<CustomerId>,
    /// How long a handed-over call is kept open (contract §6).
    pub handed_over_max: std::time::Duration,
    /// Why we call; outbound calls only.
    pub purpose: Option<Purpose>,
    /// The agent who announced the call.
    pub agent: Option<AgentId>,
}

/// What a call carried as an intent.
#[derive(Clone, Debug)]
pub enum PresentedIntent {
    /// A handle of the right form.
    Handle(IntentHandle),
    /// Something else.
    Unreadable,
}

/// What the platform reports.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// The caller is connected to the machine (SIP ACK).
    Established,
    /// A key was pressed. Each press once, however often it was signalled.
    DigitGenerated(Key),
    /// The prompt that was playing came to its end.
    PromptEnded,
    /// The hand-over came to an end.
    HandedOver(HandOver),
    /// The platform put the caller on hold.
    Held,
    /// The caller is off hold again.
    Retrieved,
    /// An agent is on the call now.
    AgentJoined(AgentId),
    /// An agent left the call.
    AgentLeft(AgentId),
    /// The platform transferred the caller (C83, X31).
    Transferred {
        /// Where to.
        to: TransferTo,
        /// Whether the agents spoke first; a blind transfer carries no state on.
        warm: bool,
    },
    /// The way to the leg broke; whether the caller is still there is not known.
    LegLost,
    /// The leg is in hand again. Whether keys were lost is not known: an entry in progress is void.
    LegBack,
    /// The leg is gone.
    ConnectionCleared(Cause),
}

/// Where a caller was transferred to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TransferTo {
    /// One agent.
    Agent(AgentId),
    /// Whoever of a queue is free.
    Queue(QueueName),
}

/// How a hand-over ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandOver {
    /// The caller is on the way to the queue, or there.
    Done,
    /// The platform would not, or did not say in time: the status it gave.
    Refused(u16),
}

/// A store or worker could not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Down;

/// A customer as the call needs them. Prints the id only: inputs are logged at DEBUG.
#[derive(Clone)]
pub struct Known {
    /// Identity.
    pub id: CustomerId,
    /// Name for the screen-pop.
    pub name: String,
    /// Client or representative.
    pub role: Role,
    /// Flags.
    pub flags: Vec<String>,
    /// Where the account stands.
    pub standing: Standing,
    /// Whether a PIN can be checked.
    pub has_pin: bool,
    /// Whether the caller's number is on file for them, and since when.
    pub number: NumberOnFile,
    /// Answers on file, by key.
    pub answers: BTreeMap<FactKey, SecretText>,
    /// Whom a representative speaks for (C06).
    pub represents: Vec<CustomerId>,
    /// Failed calls in a row before this one (C79).
    pub failed_calls: u8,
    /// Whether any number is on file: without one nobody can be rung (C53).
    pub has_number: bool,
    /// Whether an additional question was used before and no reset followed (C41, X04).
    pub compensated: bool,
    /// Questions of the last calls (X34).
    pub recently_asked: Vec<FactKey>,
    /// What was told or shown in the last year (X08).
    pub disclosed: Vec<FactKey>,
    /// Decides which questions are drawn: the same until the account's next verdict, so that ringing
    /// again brings no better ones (5.6).
    pub seed: u64,
}

impl Known {
    /// A customer of whom nothing but the name is known.
    #[must_use]
    pub fn new(id: CustomerId, name: String) -> Self {
        Self {
            id,
            name,
            role: Role::Client,
            flags: vec![],
            standing: Standing::Open,
            has_pin: false,
            number: NumberOnFile::No,
            answers: BTreeMap::new(),
            represents: vec![],
            failed_calls: 0,
            has_number: false,
            compensated: false,
            recently_asked: vec![],
            disclosed: vec![],
            seed: 0,
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({})", self.id)
    }
}

/// The caller's number in one customer's record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NumberOnFile {
    /// It is not there.
    No,
    /// It is there, undated: counts as old.
    Undated,
    /// It is there since.
    Since(Timestamp),
}

/// Whom the calling number belongs to.
#[derive(Clone, Debug)]
pub enum NumberMatch {
    /// No number came in, or nobody has it.
    Nobody,
    /// Exactly one customer.
    One(Box<Known>),
    /// Several share it.
    Several,
}

/// What came of the intent.
#[derive(Clone, Debug)]
pub enum IntentFound {
    /// The call carried none.
    NotPresented,
    /// Redeemed just now.
    Good {
        /// Whom the app announced; `None` when that customer is gone.
        customer: Option<Box<Known>>,
        /// Whether the call comes from the announced number.
        number_agrees: bool,
        /// Whether the announced number was dialled (or none was announced).
        dnis_agrees: bool,
    },
    /// Not good, and why: `expired`, `used`, `unknown`, `unreadable`, `unavailable`.
    Refused(&'static str),
}

/// The answer to [`Effect::LookUp`](crate::call::effect::Effect::LookUp).
#[derive(Clone, Debug)]
pub struct Lookup {
    /// By number. `Err` when the records could not be read.
    pub by_number: Result<NumberMatch, Down>,
    /// By intent.
    pub intent: IntentFound,
    /// An alarm that asks for a fully attested number, in a word (5.2).
    pub alarm: Option<&'static str>,
}

/// The right to judge one entry: the reservation that is on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ticket {
    /// An attempt of a real account.
    Attempt(i64),
    /// Work of the same cost for a caller who cannot pass (5.1).
    Dummy,
}

/// What the verifier said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// It judged.
    Verdict(Verdict),
    /// It could not: busy, or the stored tags are unusable.
    Unavailable,
}

/// Where the account stands after something was stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct After {
    /// Its standing now.
    pub standing: Standing,
    /// Whether this call is marked as failed on disk.
    pub call_failed: bool,
}

/// What a step of OB-1 is made from. Blind: inputs are logged at DEBUG.
#[derive(Clone)]
pub struct Material {
    /// Random bits.
    pub random: u64,
    /// Our half of the letter's code pair, spent when it was fetched.
    pub letter: Option<SpokenCode>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(••)")
    }
}

/// Where to answer a desktop's request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reply(pub u64);

/// Everything a call can be told.
#[derive(Debug)]
pub enum Input {
    /// Answer to `LookUp`.
    LookedUp(Box<Lookup>),
    /// Answer to `LookUpKeyed`: the customer with that number, if there is one.
    KeyedLookedUp(Result<Option<Box<Known>>, Down>),
    /// Answer to `Draw`.
    Drawn(Result<Positions, Down>),
    /// Answer to `Reserve`.
    Reserved(Result<Ticket, Down>),
    /// Answer to `Judge`.
    Judged(Judgement),
    /// Answer to `Settle`.
    Settled(Result<After, Down>),
    /// Answer to `RecordResult`.
    ResultRecorded(Result<After, Down>),
    /// Answer to `JudgePassword`.
    PasswordJudged {
        /// What the verifier said.
        judgement: Judgement,
        /// Who asked.
        reply: Reply,
    },
    /// Answer to `LookUpCustomer`: whom the agent named.
    PartyLookedUp {
        /// What the agent said.
        said: PartySaid,
        /// Who asked.
        by: AgentId,
        /// Where to answer.
        reply: Reply,
        /// The record.
        found: Result<Option<Box<Known>>, Down>,
    },
    /// Answer to `ResetSecurity`.
    SecurityReset {
        /// Who waits, if it was asked for.
        reply: Option<Reply>,
        /// Where the account stands.
        after: Result<After, Down>,
    },
    /// Answer to `Unblock`.
    Unblocked {
        /// Who waits.
        reply: Reply,
        /// Where the account stands.
        after: Result<After, Down>,
    },
    /// An agent announces the outbound call that the platform reported (`POST /v1/outbound`).
    Announced {
        /// Who rings.
        agent: AgentId,
        /// Whom.
        customer: Option<CustomerId>,
        /// Why.
        purpose: Purpose,
        /// Who waits.
        reply: Reply,
    },
    /// The customer tapped a number in the app (OB-1).
    AppTapped {
        /// Which.
        number: u8,
        /// Who waits.
        reply: Reply,
    },
    /// Answer to `CompareLetter`: whether what the customer read out agrees; `None`: there is no letter.
    LetterCompared {
        /// What came out.
        agrees: Result<Option<bool>, Down>,
        /// Wrong letter codes of today across all calls, before this one.
        wrong_before: u32,
        /// Who waits.
        reply: Reply,
    },
    /// Random bits that a step of OB-1 had asked for, with what is on file for it.
    ProofMaterial {
        /// What the agent chose.
        method: Method,
        /// Who asked.
        by: AgentId,
        /// Who waits.
        reply: Reply,
        /// Random bits, and the letter's first code if one is to be spoken.
        material: Result<Material, Down>,
    },
    /// Answer to `AuditReveal`.
    Revealed {
        /// Which question.
        question: FactKey,
        /// Who asked.
        by: AgentId,
        /// Where to answer.
        reply: Reply,
        /// Whether the look is on record; `None`: the agent has had their share (5.7).
        audited: Result<Option<()>, Down>,
    },
    /// The platform reports.
    Event(CallEvent),
    /// A desktop asks.
    Request {
        /// Who.
        asker: Asker,
        /// What.
        request: Request,
        /// Where to answer.
        reply: Reply,
    },
    /// The phase's time is over.
    DeadlineReached,
    /// The node is full: a call that nobody works on any more gives its place up.
    MakeRoom,
    /// Another node goes on with the call, or is to.
    Disowned,
    /// The daemon stops.
    Shutdown,
}
