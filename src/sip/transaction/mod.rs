//! Transactions (RFC 3261 section 17 with RFC 6026): what is sent again, and until when.
//!
//! They hold ready bytes and deadlines, and neither sockets nor headers. Over a [`Transport::Stream`]
//! nothing is sent again and nothing lingers, so the same machines serve TCP and TLS.

mod client;
mod key;
mod server;

use std::time::Duration;

use crate::model::time::Uptime;

pub use client::Client;
pub use client::Heard;
pub use key::Key;
pub use server::Acknowledged;
pub use server::InviteServer;
pub use server::OtherServer;

/// The round trip estimate: the first wait before anything is sent again.
pub const T1: Duration = Duration::from_millis(500);
/// The longest wait between two sendings of the same message.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may linger in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J and L: after this a peer is not expected to answer or repeat any more.
pub const LIFE: Duration = Duration::from_secs(32);

/// Whether the transport delivers by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// UDP: messages get lost, double and overtake each other.
    Datagram,
    /// TCP and TLS.
    Stream,
}

/// What a transaction does when its deadline is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a lost tick is a lost packet"]
pub enum Tick {
    /// The deadline was not reached yet.
    Idle,
    /// Send the message again.
    Resend,
    /// The peer never answered; the transaction is over.
    TimedOut,
    /// The transaction is over and may be forgotten.
    Ended,
}

/// A wait that doubles up to [`T2`]: Timers E and G, and the 200 of the user agent core.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    next: Uptime,
    wait: Duration,
}

impl Repeat {
    /// Starts with a wait of [`T1`].
    #[must_use]
    pub fn start(now: Uptime) -> Self {
        Self { next: now + T1, wait: T1 }
    }

    /// Starts with a wait of [`T2`], once a provisional response has been heard.
    #[must_use]
    pub fn slow(now: Uptime) -> Self {
        Self { next: now + T2, wait: T2 }
    }

    /// When the message is to be sent again.
    #[must_use]
    pub fn next(&self) -> Uptime {
        self.next
    }

    /// Whether it is time; if so, the next wait begins.
    pub fn is_due(&mut self, now: Uptime) -> bool {
        let due = self.next <= now;
        if due {
            self.wait = (self.wait * 2).min(T2);
            self.next = now + self.wait;
        }
        due
    }
}

impl Transport {
    /// How long to wait for stragglers: not at all where there are none.
    fn linger(self, wait: Duration) -> Duration {
        match self {
            Self::Datagram => wait,
            Self::Stream => Duration::ZERO,
        }
    }

    fn repeat(self, now: Uptime) -> Option<Repeat> {
        (self == Self::Datagram).then(|| Repeat::start(now))
    }
}

/// The earlier of a repetition, if there is one, and the end.
fn earlier(repeat: Option<&Repeat>, until: Uptime) -> Uptime {
    repeat.map_or(until, |repeat| repeat.next().min(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_four_seconds() {
        let mut repeat = Repeat::start(Uptime::default());
        let mut sent_ms = Vec::new();
        for _ in 0..6 {
            let now = repeat.next();
            assert!(repeat.is_due(now));
            assert!(!repeat.is_due(now));
            sent_ms.push(now.0.as_millis());
        }
        assert_eq!(sent_ms, [500, 1500, 3500, 7500, 11_500, 15_500]);
    }
}
