//! What can happen to a proof, and what follows from it.

use serde::Serialize;

use crate::model::time::Timestamp;
use crate::outbound::Method;
use crate::outbound::codes::Numbers;
use crate::outbound::codes::SpokenCode;

/// How the customer wants us to prove ourselves (request `prove`).
#[derive(Clone, Debug)]
pub enum Choice {
    /// By the app.
    App,
    /// By the letter: its first code, from an unused pair of this customer.
    Letter(SpokenCode),
    /// By ringing back.
    CallBack,
    /// Not at all.
    Waive,
}

impl Choice {
    /// Its method.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::App => Method::App,
            Self::Letter(_) => Method::Letter,
            Self::CallBack => Method::CallBack,
            Self::Waive => Method::Waive,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The customer chose (request `prove`).
    Chosen(Choice),
    /// The customer tapped a number in the app.
    AppTapped {
        /// Which one.
        number: u8,
    },
    /// The customer read the letter's second code; the daemon compared it.
    LetterAnswered {
        /// Whether it was the right one.
        matches: bool,
        /// Wrong letter codes of today across all calls, before this one.
        wrong_before: u32,
    },
    /// `proof` `accepted`: to the opening, that they want no proof; to the letter, that our code is theirs.
    Accepted,
    /// `proof` `declined`: they do not want to go on.
    Declined,
    /// `proof` `call_back`: they ring back.
    CallBackAsked,
    /// Our proof did not match what the customer has: somebody may be playing us (`report_bogus`).
    Mismatched {
        /// Wrong letter codes of today across all calls, before this one.
        wrong_before: u32,
    },
    /// The app's number was not tapped in time.
    Expired,
}

/// What follows, in the order it is to be carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Write it into the call's record and the audit chain.
    Record(Recorded),
    /// Mark the customer's code pair as used, before its first code is seen.
    SpendLetter,
    /// Show the three numbers in the app.
    Publish(AppNumbers),
    /// The app shows nothing of this call any more.
    Withdraw,
    /// The agent reads this now. It comes once.
    Speak(SpokenCode),
    /// Keep the contact waiting for the inbound call that quotes the reference (O07).
    Await {
        /// The reference.
        reference: SpokenCode,
        /// Until when it works.
        expires_at: Timestamp,
    },
    /// Tell the fraud team that somebody may be playing us.
    Report,
    /// Too many letter codes of today were wrong.
    Alarm {
        /// How many, this one included.
        wrong_letters: u32,
    },
}

/// What the app shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AppNumbers {
    /// In the order of the screen.
    pub numbers: Numbers,
    /// Until when one of them may be tapped.
    pub expires_at: Timestamp,
}

/// A line of the record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// The customer chose.
    Chosen(Method),
    /// The customer found our code on their letter.
    FirstCodeAgreed,
    /// The organisation is proved.
    Proved(Method),
    /// The wrong number was tapped, or the second code was wrong. `Wrong(Letter)` counts for the alarm.
    Wrong(Method),
    /// Our proof did not match. `Mismatched(Letter)` counts for the alarm.
    Mismatched(Option<Method>),
    /// The app's number was not tapped in time.
    Expired,
    /// The customer wanted no proof.
    Waived,
    /// The customer did not want to go on. Counts nothing.
    Declined,
    /// The customer rings back.
    CallBack,
}

impl Recorded {
    /// The word of record and timeline.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chosen(Method::App) => "proof chosen: app",
            Self::Chosen(Method::Letter) => "proof chosen: letter",
            Self::Chosen(Method::CallBack) => "proof chosen: call-back",
            Self::Chosen(Method::Waive) => "proof chosen: none",
            Self::FirstCodeAgreed => "customer found our code on the letter",
            Self::Proved(Method::App) => "organisation proved by app",
            Self::Proved(_) => "organisation proved by letter",
            Self::Wrong(Method::App) => "wrong number tapped in the app",
            Self::Wrong(_) => "wrong letter code",
            Self::Mismatched(_) => "customer says our proof does not match",
            Self::Expired => "number in the app expired",
            Self::Waived => "proof waived",
            Self::Declined => "customer declined",
            Self::CallBack => "customer rings back",
        }
    }

    /// Whether it counts towards the day's wrong letter codes.
    #[must_use]
    pub const fn counts_as_wrong_letter(self) -> bool {
        matches!(self, Self::Wrong(Method::Letter) | Self::Mismatched(Some(Method::Letter)))
    }
}

/// Why an event was refused; nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The profile does not ring customers.
    #[error("this queue's profile rings no customers; set outbound.enabled in it")]
    NotEnabled,
    /// An employer: nothing to prove (C08).
    #[error("an employer is asked for organisation and payroll, not for a proof")]
    NotNeeded,
    /// The profile does not offer this.
    #[error("this profile does not offer that proof; choose one of proof.methods")]
    NotOffered,
    /// Each proof is tried once a call.
    #[error("that proof was tried on this call; choose another of proof.methods")]
    Spent,
    /// It does not fit the stage.
    #[error("the proof is not at that point; its stage says what comes next")]
    NotNow,
    /// The time for it is over.
    #[error("the number has expired; choose another of proof.methods")]
    Expired,
}

impl Refused {
    /// The stable code for desktops and apps (contract §3, §6).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            _ => "not_now",
        }
    }
}

/// The `proof` of a call (contract §6).
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ProofView {
    /// `intro`, `pending`, `proved`, `waived`, `declined`, `call_back`.
    pub stage: &'static str,
    /// The method in use, or the one that led here.
    pub method: Option<&'static str>,
    /// What may be chosen now.
    pub methods: Vec<&'static str>,
    /// What the agent reads now; gone once it was used.
    pub speak: Option<SpokenCode>,
    /// The reference of a call-back.
    pub reference: Option<SpokenCode>,
    /// When the number or the reference expires, RFC 3339.
    pub expires_at: Option<String>,
}
