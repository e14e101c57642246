//! What a mailed link is for.

use serde::Deserialize;
use serde::Serialize;

/// What a mailed link is for. Its token is good for this alone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// Proves the address and enables the PIN (P25).
    Activate,
    /// Lets a customer who forgot choose a new PIN (X18).
    Reset,
}

impl LinkPurpose {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Reset => "reset",
        }
    }

    /// The purpose with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Activate, Self::Reset].into_iter().find(|purpose| purpose.word() == word)
    }
}
