//! The part somebody plays on a call (C06, C08, C11–C16).

use serde::Deserialize;
use serde::Serialize;

/// Whom the agent speaks with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartyRole {
    /// The client, on their own account.
    Client,
    /// A representative, with an id, PIN and password of their own (C06).
    Representative,
    /// An organisation for which no security is set up (C16).
    ThirdParty,
    /// An employer's payroll department: no check, no client data (C08).
    Employer,
    /// Anybody else: the client has to be there (C13).
    Other,
}

impl PartyRole {
    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Representative => "representative",
            Self::ThirdParty => "third_party",
            Self::Employer => "employer",
            Self::Other => "other",
        }
    }
}
