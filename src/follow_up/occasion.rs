//! What happened in a call, as far as something follows from it.

use serde::Deserialize;
use serde::Serialize;

use crate::follow_up::item::Mark;
use crate::follow_up::rules::Rules;
use crate::model::call_kind::Direction;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;

/// One thing that happened in a call. Counted once for each call and kind, however often it is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurred {
    /// The call.
    pub call: CallId,
    /// Whose account it is about: the client, or the representative who called.
    pub customer: CustomerId,
    /// The profile of the call.
    pub profile: String,
    /// Its rules.
    pub rules: Rules,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Occasion,
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Occasion {
    /// The caller accepted a call-back (C48, C49).
    CallBackAccepted {
        /// The agent.
        by: String,
        /// Whether that agent may not call back (C50).
        by_gich: bool,
        /// Whether the case is too early for transactional questions (C55).
        transitional: bool,
        /// Whether a number is held (C53).
        has_number: bool,
    },
    /// The caller refused it (C49).
    CallBackRefused {
        /// The agent.
        by: String,
    },
    /// Somebody posed as the customer (C02, C07, C79).
    Bogus {
        /// The agent who says so.
        by: String,
        /// What the agent wrote.
        details: String,
        /// Who called whom.
        direction: Direction,
        /// The customer id claimed (inbound) or called (outbound) (C80).
        scin: String,
        /// How many calls failed in a row, this one included.
        consecutive_failed: u8,
    },
    /// This call blocked the account (C70).
    BecameBlocked,
    /// The call that was to lift the block failed its check (C73).
    UnblockFailed,
    /// Nobody was reached for it (C73).
    UnblockUnreachable,
    /// The block was lifted (C72).
    Unblocked,
    /// The telephone is no way to identify this customer: by letter (X04, X07, X30).
    ByLetter,
    /// A pass with an additional question (C41).
    CompensatedPass {
        /// What had failed.
        failed_factor: Factor,
    },
    /// The security details were reset (C46, C56).
    SecurityReset {
        /// Who did it.
        by: String,
        /// Why.
        reason: String,
    },
    /// The check came to its final result (B14, B16).
    Marked(Mark),
    /// A caller reported somebody who posed as us (OB-1, step 5).
    OrgImpersonated {
        /// What was reported.
        details: String,
    },
    /// The call ended with the other side named (C04, C15, C69).
    PartyEnded {
        /// Their role.
        role: String,
        /// The outcome.
        outcome: String,
    },
    /// The check was passed, and new security details are still to be collected (C21).
    EnrolmentDeferred {
        /// Why not now.
        code: String,
    },
    /// An employer or their payroll (C08).
    EmployerContact,
    /// A third party without security details (C09, C16).
    ThirdPartyContact,
}

/// The factor an additional question stood in for (C41).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The PIN.
    Pin,
    /// The password.
    Password,
}

impl Occasion {
    /// A stable word, for audit and for counting each kind once a call.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CallBackAccepted { .. } => "call_back_accepted",
            Self::CallBackRefused { .. } => "call_back_refused",
            Self::Bogus { .. } => "bogus_reported",
            Self::BecameBlocked => "became_blocked",
            Self::UnblockFailed => "unblock_failed",
            Self::UnblockUnreachable => "unblock_unreachable",
            Self::Unblocked => "unblocked",
            Self::ByLetter => "by_letter",
            Self::CompensatedPass { .. } => "compensated_pass",
            Self::SecurityReset { .. } => "security_reset",
            Self::Marked(_) => "marked",
            Self::OrgImpersonated { .. } => "organisation_impersonated",
            Self::PartyEnded { .. } => "party_ended",
            Self::EnrolmentDeferred { .. } => "enrolment_deferred",
            Self::EmployerContact => "employer_contact",
            Self::ThirdPartyContact => "third_party_contact",
        }
    }

    /// Who did it: an agent, or `system`.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Self::CallBackAccepted { by, .. }
            | Self::CallBackRefused { by }
            | Self::Bogus { by, .. }
            | Self::SecurityReset { by, .. } => by,
            _ => "system",
        }
    }
}
