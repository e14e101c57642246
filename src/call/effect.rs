//! What a call wants done. Carried out in one place, `effects.rs`; answers come back as `Input`.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::account::BlockRule;
use crate::call::input::PresentedIntent;
use crate::call::input::Reply;
use crate::call::input::Ticket;
use crate::call::request::PartySaid;
use crate::call::request::Refusal;
use crate::call::transcript::Transcript;
use crate::call::view::CallView;
use crate::follow_up::Occasion;
use crate::model::auth::PinResult;
use crate::model::auth::Verdict;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::digits::Position;
use crate::model::digits::Positions;
use crate::model::digits::SecretKeys;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::outbound::Method;
use crate::outbound::step::AppNumbers;

/// A recorded phrase of the prompt pack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prompt {
    /// "… enter the third digit of your PIN."
    PinPosition(Position),
    /// "That was not right …", never which digit.
    PinAgain,
    /// "I did not hear a key."
    Reprompt,
    /// "Please key your customer number, then hash."
    CustomerNumber,
    /// "Thank you. I am connecting you now." Right, wrong, unknown and blocked callers hear the same (5.1).
    Thanks,
    /// "We cannot check your PIN at the moment …"
    Unavailable,
    /// "Goodbye."
    Goodbye,
}

impl Prompt {
    /// The phrase's id in the prompt pack and the contract.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::PinPosition(position) => match position.number() {
                1 => "pin.position.1",
                2 => "pin.position.2",
                3 => "pin.position.3",
                4 => "pin.position.4",
                5 => "pin.position.5",
                6 => "pin.position.6",
                _ => "pin.position.7",
            },
            Self::PinAgain => "pin.again",
            Self::Reprompt => "pin.reprompt",
            Self::CustomerNumber => "customer.number",
            Self::Thanks => "thanks",
            Self::Unavailable => "unavailable",
            Self::Goodbye => "goodbye",
        }
    }

    /// The phrase with this id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        let positions = (1..=7).filter_map(Position::new).map(Self::PinPosition);
        let others = [
            Self::PinAgain,
            Self::Reprompt,
            Self::CustomerNumber,
            Self::Thanks,
            Self::Unavailable,
            Self::Goodbye,
        ];
        positions.chain(others).find(|phrase| phrase.id() == id)
    }
}

/// Whose positions and tags are meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// A customer whose PIN can be checked.
    Account(CustomerId),
    /// One who cannot pass now (blocked, reset required, no PIN): sticky positions, dummy work.
    Closed(CustomerId),
    /// Nobody we know.
    Stranger(Claimed),
}

/// What a stranger keyed as customer number. Blind: it may be half of somebody's secret.
#[derive(Clone, Eq, PartialEq)]
pub struct Claimed(pub String);

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claimed(•)")
    }
}

/// How the call ended for the account.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// The check was passed.
    Passed,
    /// It was passed with an additional question in place of a factor (C41).
    PassedCompensated,
    /// The check was failed.
    Failed,
    /// A factor failed on an account that was compensated before: reset first (C44, X04).
    ResetRequired,
    /// Positions were given and no attempt was made.
    Abandoned,
}

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// Show the new state to the desktops.
    Publish(Box<CallView>),
    /// Find the customer by number and redeem the intent. → `LookedUp`
    LookUp {
        /// Who calls.
        caller: Caller,
        /// What was dialled.
        dnis: String,
        /// What the app sent along.
        intent: Option<PresentedIntent>,
        /// Whom the platform or the agent names.
        claimed: Option<CustomerId>,
        /// Which way the call goes: on an outbound call the dialled number is the customer's.
        direction: Direction,
    },
    /// Find the customer by the number keyed. → `KeyedLookedUp`
    LookUpKeyed(Claimed),
    /// Answer the call and connect the caller to the machine. → `Established`
    Answer,
    /// Play a phrase; whatever plays is cut. → `PromptEnded`
    Play(Prompt),
    /// Cut the phrase that plays.
    StopPlaying,
    /// The positions to ask. → `Drawn`
    Draw(Subject),
    /// Write an entry down before it is judged. → `Reserved`
    Reserve {
        /// Whose.
        subject: Subject,
        /// Which entry of this call, from 1.
        entry: u8,
        /// Whether a wrong verdict fails the call.
        last: bool,
        /// What was asked.
        positions: Positions,
        /// The block rule.
        rule: BlockRule,
    },
    /// Judge an entry. → `Judged`
    Judge {
        /// Whose.
        subject: Subject,
        /// What was asked.
        positions: Positions,
        /// What was keyed.
        keys: SecretKeys,
    },
    /// End a reserved entry; `None`: it could not be judged. → `Settled`
    Settle {
        /// Which.
        ticket: Ticket,
        /// How.
        verdict: Option<Verdict>,
    },
    /// Store how the call ended for the account. → `ResultRecorded` for passed and failed
    RecordResult {
        /// Whose.
        customer: CustomerId,
        /// How.
        result: CallResult,
        /// The block rule.
        rule: BlockRule,
    },
    /// Judge the password the caller said. → `PasswordJudged`
    JudgePassword {
        /// Whose; `None` for work of the same cost.
        customer: Option<CustomerId>,
        /// What was said.
        said: SecretText,
        /// Who asked.
        reply: Reply,
    },
    /// Find the customer whom the agent named. → `PartyLookedUp`
    LookUpCustomer {
        /// Who.
        customer: CustomerId,
        /// What the agent said.
        said: PartySaid,
        /// Who asked.
        by: AgentId,
        /// Where to answer.
        reply: Reply,
    },
    /// Remember which questions were asked (X34).
    Asked {
        /// Of whom.
        customer: CustomerId,
        /// Which.
        keys: Vec<FactKey>,
    },
    /// Reset the security details (C46, C56). → `SecurityReset`
    ResetSecurity {
        /// Whose.
        customer: CustomerId,
        /// Who did it.
        by: AgentId,
        /// Why.
        reason: String,
        /// Whether this call passed the way back: its own failure is taken back and a block lifted (X05).
        recovered: bool,
        /// The block rule.
        rule: BlockRule,
        /// Who waits, if it was asked for.
        reply: Option<Reply>,
    },
    /// Lift a block (C72). → `Unblocked`
    Unblock {
        /// Whose.
        customer: CustomerId,
        /// Who did it.
        by: AgentId,
        /// Why.
        reason: String,
        /// Who waits.
        reply: Reply,
    },
    /// Something follows after this call: a call-back, a letter, a report, a mark.
    FollowUp(Occasion),
    /// Get what a step of OB-1 is made from. → `ProofMaterial`
    ProofMaterial {
        /// For whom.
        customer: CustomerId,
        /// What the agent chose.
        method: Method,
        /// Who asked.
        by: AgentId,
        /// Who waits.
        reply: Reply,
    },
    /// Compare what the customer read from their letter (OB-1). → `LetterCompared`
    CompareLetter {
        /// What they read out.
        said: SecretText,
        /// Who waits.
        reply: Reply,
    },
    /// Show these numbers, or nothing any more, in the customer's app (OB-1).
    ShowInApp(Option<AppNumbers>),
    /// Put the look at an answer on record. → `Revealed`
    AuditReveal {
        /// Which question.
        question: FactKey,
        /// Who looks.
        by: AgentId,
        /// Who asked.
        reply: Reply,
    },
    /// Append to the audit chain.
    Audit {
        /// Who did it: an agent, or `system`.
        actor: String,
        /// A stable word.
        what: &'static str,
        /// Details without secrets.
        body: Value,
    },
    /// Hand the caller over to the queue. → `HandedOver`
    HandOver {
        /// Where to.
        to: String,
        /// Whether media was already flowing (REFER) or not (302).
        answered: bool,
    },
    /// Hang up.
    Clear(Cause),
    /// Answer a desktop.
    Answered(Reply, Result<(), Refusal>),
    /// The outcome is final: count it. Once a call; one that ends undecided is counted with its end.
    Count {
        /// The class.
        class: CallerClass,
        /// The word of the authentication.
        outcome: &'static str,
    },
    /// The call is over: keep its last state.
    Ended(Box<EndedCall>),
    /// Another node goes on with the call: let go of it without a word.
    Disown,
    /// Nothing holds the call any more: keep its last state, take it off the desktops.
    Release(Box<LastState>),
}

/// What is counted and kept of a call that ended.
#[derive(Debug)]
pub struct EndedCall {
    /// Its class.
    pub class: Option<CallerClass>,
    /// Its outcome: the word of its authentication, or `abandoned`.
    pub outcome: &'static str,
    /// Whether it was not counted yet.
    pub count: bool,
    /// What came of the PIN.
    pub pin: Option<PinResult>,
    /// What is kept.
    pub last: LastState,
}

/// A call as it is kept.
#[derive(Debug)]
pub struct LastState {
    /// As its agent saw it.
    pub view: CallView,
    /// Whom it was about.
    pub customer: Option<CustomerId>,
    /// When it came in.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it was decided from.
    pub transcript: Transcript,
}
