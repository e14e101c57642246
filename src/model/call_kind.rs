//! What kind of call it is: who dialled whom, and when the platform can collect keys.

use serde::Deserialize;
use serde::Serialize;

/// Who dialled whom.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The customer called us.
    #[default]
    Inbound,
    /// We call the customer (O01).
    Outbound,
}

impl Direction {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// When the platform of a call can collect keys.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Collects {
    /// Only while we hold the caller's media ourselves (SIP).
    #[default]
    WhileHeld,
    /// While the platform, which keeps the media, runs our script: until the caller is passed on
    /// (Asterisk, webhooks).
    UntilHandedOver,
    /// Also while the caller talks to an agent: the media stays with the platform (HTTP events).
    Anytime,
}
