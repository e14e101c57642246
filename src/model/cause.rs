//! Why a call ended: Q.850 causes, as SIP's Reason header carries them (RFC 3326).

use serde::Deserialize;
use serde::Serialize;

/// A Q.850 cause value, 1 to 127.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Cause(pub u16);

impl Cause {
    /// 16: somebody hung up.
    pub const NORMAL_CLEARING: Self = Self(16);
    /// 21: we do not take this call.
    pub const CALL_REJECTED: Self = Self(21);
    /// 31: normal, unspecified; also our own stop.
    pub const NORMAL_UNSPECIFIED: Self = Self(31);
    /// 41: something failed that may work later.
    pub const TEMPORARY_FAILURE: Self = Self(41);
    /// 102: a wait was over.
    pub const RECOVERY_ON_TIMER_EXPIRY: Self = Self(102);

    /// The word contract and timeline use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self.0 {
            16 => "normal_clearing",
            17 => "user_busy",
            18 | 19 => "no_answer",
            21 => "call_rejected",
            31 => "normal_unspecified",
            41 => "temporary_failure",
            102 => "timer_expiry",
            _ => "other",
        }
    }
}
