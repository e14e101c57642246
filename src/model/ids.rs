//! Names of things: parsed at the edge, trusted inside.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::model::time::Timestamp;

/// The text is empty, too long, or holds control characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a usable name: 1 to 128 bytes without control characters")]
pub struct NotAName;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                let usable = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
                if usable { Ok(Self(text)) } else { Err(NotAName) }
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Countersign's own id of a call: 26 characters that sort by time (a ULID).
    CallId
);
name!(
    /// The platform's id of a call: SIP Call-ID, ARI channel, Genesys conversation.
    PlatformCallId
);
name!(
    /// The word a platform goes by: `sip`, `genesys` …
    PlatformName
);
name!(
    /// An agent, as the token's `sub` names them.
    AgentId
);
name!(
    /// A queue of `[queues.*]`.
    QueueName
);
name!(
    /// A customer (the SCIN where there is one).
    CustomerId
);
name!(
    /// A running daemon among several: drawn anew at every start.
    NodeId
);
name!(
    /// A trunk of `[sip.trunks.*]`.
    TrunkName
);
name!(
    /// One question of a policy's catalogue, the `KEY` of a `fact.KEY` column.
    FactKey
);

impl CallId {
    /// A new id from the clock and ten random bytes.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut bits = u128::from(now.0) << 80;
        for (shift, byte) in (0..80).step_by(8).zip(random) {
            bits |= u128::from(byte) << shift;
        }
        let letters = (0..26).rev().map(|place| (bits >> (place * 5)) & 31);
        Self(
            letters
                .filter_map(|five| ALPHABET.get(five as usize))
                .map(|b| char::from(*b))
                .collect(),
        )
    }
}

/// An app's one-time promise that its customer is about to call: 32 hexadecimal characters.
///
/// Whoever holds it may be taken for the customer, so it prints only its first four characters.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct IntentHandle(String);

impl IntentHandle {
    /// A new handle from sixteen random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(hex(&random))
    }

    /// Reads a handle as an app or a header wrote it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        well_formed.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The handle, for the app's answer and the registry's key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IntentHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntentHandle({}…)", self.0.get(..4).unwrap_or_default())
    }
}

/// Bytes as lower-case hexadecimal text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_sort_by_time_and_have_26_characters() {
        let (early, late) =
            (CallId::new(Timestamp(1), [255; 10]), CallId::new(Timestamp(2), [0; 10]));
        assert!(early < late);
        assert_eq!(late.as_str().len(), 26);
    }

    #[test]
    fn a_name_is_short_and_printable() {
        for wrong in ["", "a\r\nb", &"x".repeat(129)] {
            assert_eq!(AgentId::from_str(wrong), Err(NotAName));
        }
    }

    #[test]
    fn an_intent_shows_only_its_head() {
        let handle = IntentHandle::new([0xab; 16]);
        assert_eq!(format!("{handle:?}"), "IntentHandle(abab…)");
        assert_eq!(IntentHandle::parse(&handle.expose().to_uppercase()), Some(handle));
    }
}
