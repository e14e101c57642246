//! What can be wrong with a message, sorted by what to do about it.

use crate::sip::message::Headers;

/// A datagram that is no SIP message we accept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// A faulty request. Answer it with `status`; its topmost Via is readable.
    #[error("bad request ({status} {reason})")]
    Bad {
        /// 400, 505 or 513.
        status: u16,
        /// The fault, fit for the response's reason phrase; says where, never what.
        reason: &'static str,
        /// The header lines that could be read, for the response to copy from.
        headers: Headers,
    },
    /// Nobody can be answered: count it and forget it.
    #[error("dropped ({reason})")]
    Drop {
        /// The fault, fit for a metric's label.
        reason: &'static str,
    },
}

/// A header field or URI that does not follow the grammar, by name.
///
/// The text itself is not kept: it may be personal data.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);
