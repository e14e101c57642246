//! What a desktop may ask of a call (contract §6), and why it may be refused.

use std::fmt;

use crate::call::input::TransferTo;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::party::PartyRole;
use crate::outbound::Method;

/// Who asks: from the token of the desktop's socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asker {
    /// The agent.
    pub agent: AgentId,
    /// Whether the token carries `supervisor`.
    pub supervisor: bool,
    /// The teams the token names (C50: `gich` may not call back themselves).
    pub groups: Vec<String>,
}

/// Whom the agent speaks with, as the agent says it (C06, C11–C16).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartySaid {
    /// The part they play.
    pub role: PartyRole,
    /// Whose account, if it is not known yet or another than the call found.
    pub customer: Option<CustomerId>,
    /// Whether the client is there and will answer (C13).
    pub client_present: Option<bool>,
    /// Whether the client lets the other person go on (C14).
    pub permission: Option<bool>,
}

/// What came of our proof on an outbound call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProofResult {
    /// The customer accepted it.
    Accepted,
    /// The customer will not go on.
    Declined,
    /// The customer rings the published number instead.
    CallBack,
}

/// One request of a desktop. Prints its word only: agents write what callers said into notes and reasons.
#[derive(Clone)]
pub enum Request {
    /// Take an unclaimed call.
    Claim,
    /// Give it back.
    Release,
    /// Ask the caller for PIN positions (again).
    CollectPin,
    /// Stop asking.
    CancelPin,
    /// Say whom one speaks with.
    SetParty(PartySaid),
    /// The password the caller said.
    Password(SecretText),
    /// Show an answer (policies with `reveal = "on_click"`).
    Reveal(FactKey),
    /// The caller's answer was right or wrong.
    Mark {
        /// Which question.
        question: FactKey,
        /// The agent's tick.
        correct: bool,
    },
    /// What the caller said, compared by the daemon.
    Answer {
        /// Which question.
        question: FactKey,
        /// The caller's words.
        value: SecretText,
    },
    /// The questions are over: decide with what was marked.
    Finish,
    /// The offer of a call-back was taken up or refused (C48, C49).
    OfferCallback {
        /// Whether the caller wants it.
        accepted: bool,
    },
    /// The agent believes that this is not the client (C02, C07, C79).
    ReportBogus {
        /// What made them think so.
        details: String,
    },
    /// Prove who we are, in the way the customer chose (OB-1).
    Prove(Option<Method>),
    /// What came of it.
    Proof(ProofResult),
    /// Pass the call on (C83, X31).
    Transfer {
        /// To whom.
        to: TransferTo,
        /// Whether the agents spoke with each other: a warm hand-on carries the check.
        warm: bool,
    },
    /// Reset the security details of a customer who has passed (C46).
    ResetSecurity {
        /// Why.
        reason: String,
    },
    /// Lift the block of a customer who has passed (C72).
    Unblock {
        /// Why.
        reason: String,
    },
    /// The reminder was read out (C43).
    Acknowledge,
    /// Close the call with a disposition.
    WrapUp {
        /// The disposition.
        outcome: String,
        /// A free note.
        note: Option<String>,
    },
}

impl ProofResult {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::CallBack => "call_back",
        }
    }

    /// The result of a word of the contract.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Accepted, Self::Declined, Self::CallBack]
            .into_iter()
            .find(|result| result.word() == word)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.word())
    }
}

impl Request {
    /// The word of the contract, as listed in a call's `actions`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::CollectPin => "collect_pin",
            Self::CancelPin => "cancel_pin",
            Self::SetParty(_) => "set_party",
            Self::Password(_) => "password",
            Self::Reveal(_) => "reveal",
            Self::Mark { .. } => "mark",
            Self::Answer { .. } => "answer",
            Self::Finish => "finish",
            Self::OfferCallback { .. } => "offer_callback",
            Self::ReportBogus { .. } => "report_bogus",
            Self::Prove(_) => "prove",
            Self::Proof(_) => "proof",
            Self::Transfer { .. } => "transfer",
            Self::ResetSecurity { .. } => "reset_security",
            Self::Unblock { .. } => "unblock",
            Self::Acknowledge => "acknowledge",
            Self::WrapUp { .. } => "wrap_up",
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The call's state does not allow it now; see `actions`.
    NotNow,
    /// Another agent has the call.
    NotYours,
    /// No such call, or not visible to this desktop.
    NoSuchCall,
    /// No such question in this call.
    NoSuchQuestion,
    /// Nothing is on file to compare an answer with.
    NothingOnFile,
    /// No customer has that id.
    NoSuchCustomer,
    /// The record belongs to somebody who plays another part.
    WrongParty,
    /// Another number than the one that was read out was tapped in the app.
    WrongNumber,
    /// This agent has looked at too many answers within the hour (5.7).
    Quota,
    /// We are too busy or a store is down; try again.
    Unavailable,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NotNow,
        Self::NotYours,
        Self::NoSuchCall,
        Self::NoSuchQuestion,
        Self::NothingOnFile,
        Self::NoSuchCustomer,
        Self::WrongParty,
        Self::WrongNumber,
        Self::Quota,
        Self::Unavailable,
    ];

    /// The refusal of a code, as another node wrote it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    /// The stable code (contract §3).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotNow => "not_now",
            Self::NotYours => "not_yours",
            Self::NoSuchCall => "no_such_call",
            Self::NoSuchQuestion => "no_such_question",
            Self::NothingOnFile => "nothing_on_file",
            Self::NoSuchCustomer => "no_such_customer",
            Self::WrongParty => "wrong_party",
            Self::WrongNumber => "wrong_number",
            Self::Quota => "quota",
            Self::Unavailable => "unavailable",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotNow => "the call does not allow this now; its actions say what it allows",
            Self::NotYours => "another agent has this call; ask them to release it",
            Self::NoSuchCall => "there is no such call, or it is not yours to see",
            Self::NoSuchQuestion => "this call asks no such question; use a key of its questions",
            Self::NothingOnFile => {
                "no answer is on file for this question; mark it as wrong, or ask another"
            }
            Self::NoSuchCustomer => "no customer has this id; ask for it again",
            Self::WrongParty => {
                "this record is not a representative's own; with the client's id the client has to be present"
            }
            Self::WrongNumber => "this was not the number that was read out",
            Self::Quota => {
                "you have looked at as many answers as an agent may within an hour; type what the caller says instead"
            }
            Self::Unavailable => "this cannot be done at the moment; try again in a few seconds",
        }
    }
}
