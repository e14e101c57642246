//! How far a call's authentication has come (contract §5, X13).

use serde::Deserialize;
use serde::Serialize;

/// The state of the security check on one call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Nothing asked yet.
    NotAuthenticated,
    /// A number we know; the check is still owed (B19).
    PartiallyVerified,
    /// The check runs.
    InProgress,
    /// Passed.
    Authenticated,
    /// Not passed.
    Failed,
    /// The security details must be reset first (C44, X02).
    ResetRequired,
    /// Three failed calls in a row (C70).
    Blocked,
    /// We could not check; nothing was counted (C51).
    SystemUnavailable,
}

impl Authentication {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "not_authenticated",
            Self::PartiallyVerified => "partially_verified",
            Self::InProgress => "in_progress",
            Self::Authenticated => "authenticated",
            Self::Failed => "failed",
            Self::ResetRequired => "reset_required",
            Self::Blocked => "blocked",
            Self::SystemUnavailable => "system_unavailable",
        }
    }

    /// The mark on the agent's screen (B05, B06, B19).
    #[must_use]
    pub const fn badge(self) -> &'static str {
        match self {
            Self::Authenticated => "Authenticated",
            Self::PartiallyVerified => "partially verified",
            Self::NotAuthenticated | Self::InProgress | Self::Failed => "NOT Authenticated",
            Self::ResetRequired => "Reset required",
            Self::Blocked => "Blocked",
            Self::SystemUnavailable => "Check unavailable",
        }
    }

    /// Whether the check is over, one way or the other.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::NotAuthenticated | Self::PartiallyVerified | Self::InProgress => false,
            Self::Authenticated
            | Self::Failed
            | Self::ResetRequired
            | Self::Blocked
            | Self::SystemUnavailable => true,
        }
    }
}

/// What came of a PIN check, as the desktop shows it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PinResult {
    /// The pair was right.
    Correct,
    /// The last allowed pair was wrong.
    Incorrect,
    /// The caller left, gave up or was taken over before an attempt was made.
    Abandoned,
    /// We could not check; nothing was counted.
    Unavailable,
}

/// What the verifier says about one pair of digits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Verdict {
    /// Both digits are right.
    Correct,
    /// At least one is wrong; nobody learns which.
    Wrong,
}
