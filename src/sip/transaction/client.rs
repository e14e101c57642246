//! Client transactions other than INVITE: our own BYE and REFER.
//!
//! ```text
//!  Trying --1xx--> Proceeding --final--> Completed --T4--> over
//!     '---- 64*T1 without a final response ----> timed out
//! ```

use crate::model::time::Uptime;
use crate::sip::transaction::LIFE;
use crate::sip::transaction::Repeat;
use crate::sip::transaction::T4;
use crate::sip::transaction::Tick;
use crate::sip::transaction::Transport;
use crate::sip::transaction::earlier;

/// A request that we sent.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    request: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Asking { repeat: Option<Repeat>, until: Uptime },
    Completed { until: Uptime },
}

/// What a response means to whoever asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a lost answer is a hanging call"]
pub enum Heard {
    /// The peer is at it.
    Provisional,
    /// The answer.
    Final,
    /// The answer once more.
    Again,
}

impl Client {
    /// Begins with the request, which the caller sends.
    #[must_use]
    pub fn new(transport: Transport, request: Vec<u8>, now: Uptime) -> Self {
        let state = State::Asking { repeat: transport.repeat(now), until: now + LIFE };
        Self { transport, request, state }
    }

    /// The request's bytes, for sending it again.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// A response has come.
    pub fn hear(&mut self, status: u16, now: Uptime) -> Heard {
        match &mut self.state {
            State::Asking { repeat, .. } if status < 200 => {
                *repeat = repeat.map(|_| Repeat::slow(now));
                Heard::Provisional
            }
            State::Asking { .. } => {
                self.state = State::Completed { until: now + self.transport.linger(T4) };
                self.request = Vec::new();
                Heard::Final
            }
            State::Completed { .. } => Heard::Again,
        }
    }

    /// When [`Self::timeout`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Uptime {
        match &self.state {
            State::Asking { repeat, until } => earlier(repeat.as_ref(), *until),
            State::Completed { until } => *until,
        }
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Uptime) -> Tick {
        match &mut self.state {
            State::Asking { until, .. } if *until <= now => Tick::TimedOut,
            State::Asking { repeat, .. } => match repeat.as_mut().map(|r| r.is_due(now)) {
                Some(true) => Tick::Resend,
                Some(false) | None => Tick::Idle,
            },
            State::Completed { until } if *until <= now => Tick::Ended,
            State::Completed { .. } => Tick::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    #[test]
    fn an_unanswered_request_is_sent_eleven_times_in_all() {
        let mut client = Client::new(Transport::Datagram, b"BYE".to_vec(), at(0));
        let mut sent = 0;
        while client.deadline() < at(32_000) {
            assert_eq!(client.timeout(client.deadline()), Tick::Resend);
            sent += 1;
        }
        assert_eq!((sent, client.timeout(at(32_000))), (10, Tick::TimedOut));
    }

    #[test]
    fn an_answer_ends_the_repeating() {
        let mut client = Client::new(Transport::Datagram, b"BYE".to_vec(), at(0));
        assert_eq!(client.hear(100, at(100)), Heard::Provisional);
        assert_eq!(client.deadline(), at(4100));
        assert_eq!(client.hear(200, at(200)), Heard::Final);
        assert_eq!(client.hear(200, at(300)), Heard::Again);
        assert_eq!(client.timeout(client.deadline()), Tick::Ended);
        assert_eq!(client.deadline(), at(5200));
    }
}
