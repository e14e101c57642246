//! Why Redis did not do what it was asked, and what to do about it.

use std::time::Duration;

use redis::ErrorKind;
use redis::RedisError;

use crate::sessions::SessionsError;

/// Why an order came to nothing. Quotes no key, no value, no password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection.
    #[error("Redis cannot be reached: {0}")]
    Away(String),
    /// No answer in time.
    #[error("Redis did not answer within {} ms; look at its load and at the network", .0.as_millis())]
    Slow(Duration),
    /// It says no, by this code.
    #[error("Redis says {code}; {}", hint(code))]
    Refused {
        /// The first word of what it says.
        code: String,
    },
    /// A state that is longer than any of ours.
    #[error("the state of a call has {0} bytes, which is too long to be shared")]
    TooLong(usize),
}

impl From<Fault> for SessionsError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl Fault {
    pub(super) fn refused(code: &str) -> Self {
        Self::Refused { code: code.to_owned() }
    }

    /// What the client says about an order or about connecting.
    pub(super) fn of(error: &RedisError) -> Self {
        if let Some(code) = error.code() {
            // Before version 7 what stops a script stands behind the word ERR.
            let detail = error.detail().unwrap_or_default();
            let known = HINTS.iter().find(|(known, _)| code == "ERR" && detail.contains(known));
            return Self::refused(known.map_or(code, |(known, _)| known));
        }
        let why = match error.kind() {
            ErrorKind::AuthenticationFailed => "it does not know this user and password",
            ErrorKind::MasterNameNotFoundBySentinel => {
                "no Sentinel knows a healthy master of this name"
            }
            ErrorKind::EmptySentinelList | ErrorKind::InvalidClientConfig => {
                "the address in sessions.url does not fit what answers there"
            }
            _ if error.is_connection_refusal() => "nothing listens there",
            _ if error.is_timeout() => "no answer in time",
            _ => "the connection broke",
        };
        Self::Away(why.to_owned())
    }

    /// Whether the server would take the order from nobody: another one is the master now.
    pub(super) fn demoted(&self) -> bool {
        matches!(self, Self::Refused { code } if code == "READONLY" || code == "MASTERDOWN")
    }

    /// Whether the key holds what no order of ours left there.
    pub(super) fn wrong_type(&self) -> bool {
        matches!(self, Self::Refused { code } if code == "WRONGTYPE")
    }
}

const HINTS: &[(&str, &str)] = &[
    ("OOM", "its memory is full: raise maxmemory"),
    ("READONLY", "it is a replica: name the master, or use Sentinel"),
    ("NOAUTH", "put user and password into sessions.url"),
    ("WRONGPASS", "check user and password in sessions.url"),
    ("NOPERM", "let this user do EVALSHA, EVAL and what they call"),
    ("LOADING", "it is still reading its data"),
    ("MASTERDOWN", "its master is gone"),
    ("MISCONF", "it cannot save to its disk"),
    ("BUSY", "somebody's script holds it up"),
    ("CLUSTERDOWN", "a part of the cluster is down"),
    ("CROSSSLOT", "it is a cluster: name several of its servers in sessions.url"),
    ("MOVED", "it is a cluster: name several of its servers in sessions.url"),
];

fn hint(code: &str) -> &'static str {
    HINTS.iter().find(|(known, _)| *known == code).map_or("look at its log", |(_, hint)| *hint)
}
