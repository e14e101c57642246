//! Who calls, as far as the network says so, and what that is worth.

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::TrunkName;
use crate::model::number::PhoneNumber;

/// What the network says about the caller's right to the number (facts/caller-auth §4.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// STIR/SHAKEN full attestation, checked.
    #[serde(rename = "A")]
    Full,
    /// Partial: the customer is known, the number is not theirs for certain.
    #[serde(rename = "B")]
    Partial,
    /// Gateway: somebody handed the call in.
    #[serde(rename = "C")]
    Gateway,
    /// A diverting provider signed, not the originating one.
    Diverted,
    /// A signature was there and did not hold.
    Failed,
    /// Nothing was said.
    #[default]
    None,
}

impl Attestation {
    /// The word evidence and contract use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "A",
            Self::Partial => "B",
            Self::Gateway => "C",
            Self::Diverted => "diverted",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }
}

/// How far a calling number may be believed (facts/caller-auth §4.3).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberTrust {
    /// Presented only, withheld, diverted, failed, or attested B or C.
    Low,
    /// Asserted by a trunk whose identity is trusted, with nothing against it.
    Medium,
    /// Attested A, or from our own app's registration.
    High,
}

/// The calling party of a leg.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Caller {
    /// Number asserted by the network (ANI; SIP `P-Asserted-Identity` from a trusted trunk).
    pub ani: Option<PhoneNumber>,
    /// Number the caller presents (CLI; SIP `From`). Trivially forged: a hint, never evidence.
    pub cli: Option<PhoneNumber>,
    /// Verified on the way in, never taken from a header unchecked.
    pub attestation: Attestation,
    /// Where the call came in.
    pub trunk: Option<TrunkName>,
    /// Whether the call was diverted on its way (`Diversion`, `History-Info`).
    pub diverted: bool,
}

impl Caller {
    /// The number to look up and show: asserted before presented.
    #[must_use]
    pub fn number(&self) -> Option<&PhoneNumber> {
        self.ani.as_ref().or(self.cli.as_ref())
    }

    /// How far that number may be believed: High only by attestation A on the asserted number,
    /// Medium for an asserted number with nothing against it, Low for all else (X16).
    #[must_use]
    pub fn number_trust(&self) -> NumberTrust {
        if self.ani.is_none() || self.diverted {
            return NumberTrust::Low;
        }
        match self.attestation {
            Attestation::Full => NumberTrust::High,
            Attestation::None => NumberTrust::Medium,
            Attestation::Partial
            | Attestation::Gateway
            | Attestation::Diverted
            | Attestation::Failed => NumberTrust::Low,
        }
    }
}

/// The three scenarios of B03. Decided once, before answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerClass {
    /// The app registered this call, and the number agrees (B04, X12).
    AppAuthenticated,
    /// A number on file that can be believed (B06, X16).
    VerifiedNumber,
    /// Everybody else (B11).
    Unverified,
}

impl CallerClass {
    /// All three, for tables and metrics.
    pub const ALL: [Self; 3] = [Self::AppAuthenticated, Self::VerifiedNumber, Self::Unverified];

    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AppAuthenticated => "app_authenticated",
            Self::VerifiedNumber => "verified_number",
            Self::Unverified => "unverified",
        }
    }
}

/// One reason for a class, kept with the call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// What was looked at: `intent`, `number`, `attestation`, `number_trust`, `policy` …
    pub kind: String,
    /// What came out: `redeemed`, `unknown`, `A`, `low` …
    pub result: String,
    /// A sentence for people. Holds no more of a number than its last four digits.
    pub detail: String,
}

impl Evidence {
    /// One reason.
    pub fn new(kind: &str, result: &str, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), result: result.into(), detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x16_a_number_is_worth_what_the_network_says() {
        let ani: PhoneNumber = "+442079460123".parse().expect("a number");
        let asserted =
            |attestation| Caller { ani: Some(ani.clone()), attestation, ..Caller::default() };
        for (attestation, trust) in [
            (Attestation::Full, NumberTrust::High),
            (Attestation::None, NumberTrust::Medium),
            (Attestation::Partial, NumberTrust::Low),
            (Attestation::Gateway, NumberTrust::Low),
            (Attestation::Diverted, NumberTrust::Low),
            (Attestation::Failed, NumberTrust::Low),
        ] {
            assert_eq!(asserted(attestation).number_trust(), trust, "{attestation:?}");
        }
        let presented = Caller { cli: Some(ani.clone()), ..Caller::default() };
        assert_eq!(presented.number_trust(), NumberTrust::Low, "a presented number is no evidence");
        let diverted = Caller { diverted: true, ..asserted(Attestation::Full) };
        assert_eq!(diverted.number_trust(), NumberTrust::Low);
    }
}
