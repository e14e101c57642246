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

    /// Reads a cause as a platform writes it: a Q.850 value, or one of our words. Words of others are
    /// `normal_unspecified`: a call that ended has ended, whatever its platform calls that.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if let Some(value) = text.trim().parse().ok().filter(|value| (1..=127).contains(value)) {
            return Self(value);
        }
        let word = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        let known = [16, 17, 19, 21, 31, 41, 102].map(Self);
        known.into_iter().find(|cause| cause.word() == word).unwrap_or(Self::NORMAL_UNSPECIFIED)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_read_as_platforms_write_them() {
        for (text, cause) in [
            ("16", 16),
            ("normal_clearing", 16),
            ("User busy", 17),
            ("NO-ANSWER", 19),
            ("127", 127),
            ("128", 31),
            ("client.hangup", 31),
            ("", 31),
        ] {
            assert_eq!(Cause::read(text), Cause(cause), "{text}");
        }
    }
}
