//! What a desktop may ask of a call (contract §6), and why it may be refused.

use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;

/// Who asks: from the token of the desktop's socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asker {
    /// The agent.
    pub agent: AgentId,
    /// Whether the token carries `supervisor`.
    pub supervisor: bool,
}

/// One request of a desktop. Grows with the product; a word that is not here yet is answered `not_now`.
#[derive(Clone, Debug)]
pub enum Request {
    /// Take an unclaimed call.
    Claim,
    /// Give it back.
    Release,
    /// Ask the caller for PIN positions (again).
    CollectPin,
    /// Stop asking.
    CancelPin,
    /// Say whom one speaks with. Completed by the issue on the whole security check.
    SetParty {
        /// `client`, `representative` …
        role: Role,
        /// Whose account, if known now.
        customer: Option<CustomerId>,
    },
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
    /// Close the call with a disposition.
    WrapUp {
        /// The disposition.
        outcome: String,
        /// A free note.
        note: Option<String>,
    },
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
            Self::SetParty { .. } => "set_party",
            Self::Password(_) => "password",
            Self::Reveal(_) => "reveal",
            Self::Mark { .. } => "mark",
            Self::Answer { .. } => "answer",
            Self::Finish => "finish",
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
    /// We are too busy or a store is down; try again.
    Unavailable,
    /// The agent has looked at as many answers as an hour allows (5.7).
    Quota,
}

impl Refusal {
    /// The stable code (contract §3).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotNow => "not_now",
            Self::NotYours => "not_yours",
            Self::NoSuchCall => "no_such_call",
            Self::NoSuchQuestion => "no_such_question",
            Self::Unavailable => "unavailable",
            Self::Quota => "quota",
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
            Self::Unavailable => "this cannot be done at the moment; try again in a few seconds",
            Self::Quota => "you have looked at as many answers as an agent may within an hour",
        }
    }
}
