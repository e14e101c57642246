//! Where a call stands. Each phase holds only what it needs, and when it is over by itself.

use std::time::Duration;

use crate::call::capture::Capture;
use crate::call::input::Ticket;
use crate::model::digits::SecretKeys;
use crate::model::time::Uptime;

/// Longest wait for the records before the call is taken without them.
pub(crate) const LOOK_UP_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a store or the verifier in mid-call.
pub(crate) const STORE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the caller's ACK (RFC 3261: 64·T1).
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(33);
/// No prompt is longer.
pub(crate) const PROMPT_MAX: Duration = Duration::from_secs(15);
/// Longest wait for a transfer to come to an end.
pub(crate) const HAND_OVER_MAX: Duration = Duration::from_secs(35);

/// Longest wait for a leg that is out of reach.
pub(crate) const LEG_LOST_MAX: Duration = Duration::from_secs(30);

/// The phases, in the order of a call; see the drawing in `call/mod.rs`.
#[derive(Debug)]
pub enum Phase {
    /// Before answer: who is it?
    LookingUp {
        /// When to go on without an answer.
        until: Uptime,
    },
    /// Before answer: a verdict goes to disk before anything is told.
    Deciding {
        /// When to hand over all the same.
        until: Uptime,
    },
    /// Answered; the caller's ACK is on its way.
    Answering {
        /// When to give up.
        until: Uptime,
    },
    /// The caller keys a customer number.
    Identifying {
        /// Keyed so far.
        keys: SecretKeys,
        /// Repetitions left.
        reprompts: u8,
        /// When to repeat the prompt.
        until: Uptime,
    },
    /// The customer with that number is looked for.
    LookingUpKeyed {
        /// When to give up.
        until: Uptime,
    },
    /// The positions are on their way.
    Drawing {
        /// When to give up.
        until: Uptime,
    },
    /// The caller keys PIN digits.
    Capture {
        /// How far.
        capture: Capture,
        /// When the current prompt or wait is over.
        until: Uptime,
    },
    /// The entry goes to disk before it is judged.
    Reserving {
        /// Complete, with both keys.
        capture: Capture,
        /// When to give up.
        until: Uptime,
    },
    /// The entry is judged.
    Judging {
        /// Without its keys.
        capture: Capture,
        /// The reservation.
        ticket: Ticket,
        /// When to give up.
        until: Uptime,
    },
    /// The verdict goes to disk before anybody learns it.
    Settling {
        /// Without its keys.
        capture: Capture,
        /// What it will be.
        verdict: Option<crate::model::auth::Verdict>,
        /// When to give up.
        until: Uptime,
    },
    /// The way to the leg broke in mid-dialogue.
    Interrupted {
        /// Where to go on when it is back.
        then: Then,
        /// When to go on without the caller's keys.
        until: Uptime,
    },
    /// The last prompt plays.
    Closing {
        /// When it must be over.
        until: Uptime,
    },
    /// The platform transfers the caller.
    HandingOver {
        /// Whether the leg had media.
        answered: bool,
        /// When to give up.
        until: Uptime,
    },
    /// The transfer came to nothing; the caller hears goodbye.
    Parting {
        /// When it must be over.
        until: Uptime,
    },
    /// The caller is with the queue or an agent.
    HandedOver {
        /// When the call is taken as ended.
        until: Uptime,
    },
    /// Ended; after-call work.
    WrapUp {
        /// When nobody waits any longer.
        until: Uptime,
    },
    /// Over.
    Released,
}

/// Where a dialogue goes on after an interruption.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// The caller is answered.
    Answer,
    /// The customer number is asked for.
    Identify,
    /// The PIN digits are asked for, both of them.
    AskPin,
    /// Nothing more is asked.
    Leave,
}

impl Phase {
    /// When the phase is over by itself. A new phase has to answer this before it compiles.
    #[must_use]
    pub const fn until(&self) -> Option<Uptime> {
        match self {
            Self::LookingUp { until }
            | Self::Deciding { until }
            | Self::Answering { until }
            | Self::Identifying { until, .. }
            | Self::LookingUpKeyed { until }
            | Self::Drawing { until }
            | Self::Capture { until, .. }
            | Self::Reserving { until, .. }
            | Self::Judging { until, .. }
            | Self::Settling { until, .. }
            | Self::Interrupted { until, .. }
            | Self::Closing { until }
            | Self::HandingOver { until, .. }
            | Self::Parting { until }
            | Self::HandedOver { until }
            | Self::WrapUp { until } => Some(*until),
            Self::Released => None,
        }
    }

    /// Who holds the caller's media: `none` before answer, `ivr`, `handed_over`, `ended`.
    #[must_use]
    pub const fn media(&self) -> &'static str {
        match self {
            Self::LookingUp { .. }
            | Self::Deciding { .. }
            | Self::HandingOver { answered: false, .. } => "none",
            Self::Answering { .. }
            | Self::Identifying { .. }
            | Self::LookingUpKeyed { .. }
            | Self::Drawing { .. }
            | Self::Capture { .. }
            | Self::Reserving { .. }
            | Self::Judging { .. }
            | Self::Settling { .. }
            | Self::Interrupted { .. }
            | Self::Closing { .. }
            | Self::Parting { .. }
            | Self::HandingOver { answered: true, .. } => "ivr",
            Self::HandedOver { .. } => "handed_over",
            Self::WrapUp { .. } | Self::Released => "ended",
        }
    }

    /// Whether the call waits for the outside (the caller, an agent) and not for an answer of ours: a
    /// platform that asks what to do next is answered then.
    #[must_use]
    pub const fn settled(&self) -> bool {
        match self {
            Self::Identifying { .. }
            | Self::Interrupted { .. }
            | Self::HandedOver { .. }
            | Self::WrapUp { .. }
            | Self::Released => true,
            Self::Capture { capture, .. } => !capture.announcing(),
            Self::LookingUp { .. }
            | Self::Deciding { .. }
            | Self::Answering { .. }
            | Self::LookingUpKeyed { .. }
            | Self::Drawing { .. }
            | Self::Reserving { .. }
            | Self::Judging { .. }
            | Self::Settling { .. }
            | Self::Closing { .. }
            | Self::HandingOver { .. }
            | Self::Parting { .. } => false,
        }
    }

    /// Whether an entry is on disk and not settled: such a call must not be left before it is.
    #[must_use]
    pub const fn attempt_open(&self) -> bool {
        match self {
            Self::Reserving { .. } | Self::Judging { .. } | Self::Settling { .. } => true,
            Self::LookingUp { .. }
            | Self::Deciding { .. }
            | Self::Answering { .. }
            | Self::Identifying { .. }
            | Self::LookingUpKeyed { .. }
            | Self::Drawing { .. }
            | Self::Capture { .. }
            | Self::Interrupted { .. }
            | Self::Closing { .. }
            | Self::HandingOver { .. }
            | Self::Parting { .. }
            | Self::HandedOver { .. }
            | Self::WrapUp { .. }
            | Self::Released => false,
        }
    }
}
