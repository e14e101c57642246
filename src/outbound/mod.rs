//! DECIDES who proves themselves first on an outbound call: protocol OB-1. Pure.
//!
//! ```text
//!          chosen: app, letter            tap, second code
//!  Intro ----------------------> Pending -----------------> Proved --> check of the customer
//!    ^                             |                          (app: nothing more to check)
//!    |  wrong, expired, mismatch   |
//!    '-----------------------------'     "go on" --> Waived --> low-risk questions, never a PIN
//!  any of them -- declined --> Declined
//!  any of them -- call-back asked --> CallBack (reference) --> an inbound call with the reference
//! ```
//!
//! Invariants, held by the random sequences in `scripts.rs`: no check of the customer before the
//! organisation has proved itself or the customer waived it (O01); a code is spoken once (O09); a
//! reference works once (O07); a waived proof never leads to a PIN prompt; the purpose is not told
//! before the customer has passed (O08).

pub mod codes;
pub mod employer;
pub mod held;
pub mod proof;
pub mod rules;
pub mod step;

use serde::Deserialize;
use serde::Serialize;

use crate::outbound::rules::NumberSignals;

/// Why we ring (C08, C48, C71). Never told before the customer has passed (O08).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An ordinary contact.
    #[default]
    Contact,
    /// The call-back that was offered after a failed check.
    CallBack,
    /// To lift a block.
    Unblock,
    /// The employer's payroll: no customer, no check.
    Employer,
}

impl Purpose {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::CallBack => "call_back",
            Self::Unblock => "unblock",
            Self::Employer => "employer",
        }
    }
}

/// A way in which the organisation proves itself; the customer chooses (O02).
///
/// There is no fixed phrase among them: who hears one can say it (O09).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The customer taps, in the app, the number that the agent reads.
    App,
    /// The code pair of the last letter: ours first, then the customer's.
    Letter,
    /// The customer rings back on a number they look up themselves.
    CallBack,
    /// The customer wants no proof.
    Waive,
}

impl Method {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Letter => "letter",
            Self::CallBack => "call_back",
            Self::Waive => "waive",
        }
    }

    /// The method of a word of the contract.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::App, Self::Letter, Self::CallBack, Self::Waive]
            .into_iter()
            .find(|method| method.word() == word)
    }
}

/// What was found out about the number before it was dialled (X07, X30; facts §4.3).
///
/// `None`: nobody could say.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BeforeDialling {
    /// Whether it has been on file for as long as the profile asks.
    pub number_age_ok: bool,
    /// Whether its SIM was swapped lately (240 h).
    pub sim_swapped: Option<bool>,
    /// Whether its calls are forwarded unconditionally.
    pub forwarded: Option<bool>,
}

impl BeforeDialling {
    /// Whether a check by telephone means anything on this number; else there is a letter.
    #[must_use]
    pub fn trusted(self, signals: NumberSignals) -> bool {
        let clear = |adverse: Option<bool>| match signals {
            NumberSignals::Required => adverse == Some(false),
            NumberSignals::IfKnown => adverse != Some(true),
        };
        self.number_age_ok && clear(self.sim_swapped) && clear(self.forwarded)
    }
}

#[cfg(test)]
mod scripts;
