//! Server transactions: requests that came in.
//!
//! ```text
//!  INVITE        respond 3xx-6xx              ACK               T4
//!  --> Proceeding ------------> Completed ---------> Confirmed ----> over
//!          |                        '-- 64*T1 without ACK ----------> over
//!          |  respond 2xx                     64*T1
//!          '----------------------> Accepted ----------------------> over
//! ```

use std::mem;

use crate::model::time::Uptime;
use crate::sip::transaction::LIFE;
use crate::sip::transaction::Repeat;
use crate::sip::transaction::T4;
use crate::sip::transaction::Tick;
use crate::sip::transaction::Transport;
use crate::sip::transaction::earlier;

/// An INVITE that came in.
#[derive(Debug)]
pub struct InviteServer {
    transport: Transport,
    state: State,
    response: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Proceeding,
    Completed { repeat: Option<Repeat>, until: Uptime },
    Confirmed { until: Uptime },
    Accepted { until: Uptime },
}

/// Who has to know about an ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Acknowledged {
    /// The transaction itself: it was for a refusal.
    Absorbed,
    /// The dialog: it is for a 2xx.
    ForDialog,
}

impl InviteServer {
    /// Begins with a provisional response.
    #[must_use]
    pub fn new(transport: Transport, trying: Vec<u8>) -> Self {
        Self { transport, state: State::Proceeding, response: trying }
    }

    /// Takes note of the latest response, which the caller sends.
    pub fn respond(&mut self, status: u16, response: Vec<u8>, now: Uptime) {
        if !matches!(self.state, State::Proceeding) {
            return;
        }
        self.response = response;
        let until = now + LIFE;
        match status {
            ..200 => {}
            200..300 => self.state = State::Accepted { until },
            300.. => {
                self.state = State::Completed { repeat: self.transport.repeat(now), until };
            }
        }
    }

    /// What a repeated INVITE gets; empty where it is to be absorbed.
    #[must_use]
    pub fn latest(&self) -> &[u8] {
        &self.response
    }

    /// An ACK has come.
    pub fn acknowledge(&mut self, now: Uptime) -> Acknowledged {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { until: now + self.transport.linger(T4) };
                self.response = Vec::new();
                Acknowledged::Absorbed
            }
            State::Proceeding | State::Confirmed { .. } => Acknowledged::Absorbed,
            State::Accepted { .. } => Acknowledged::ForDialog,
        }
    }

    /// The dialog has seen the ACK for our 2xx: repeated INVITEs need no answer any more.
    pub fn settle(&mut self) {
        if matches!(self.state, State::Accepted { .. }) {
            self.response = Vec::new();
        }
    }

    /// When [`Self::timeout`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Uptime> {
        match &self.state {
            State::Proceeding => None,
            State::Completed { repeat, until } => Some(earlier(repeat.as_ref(), *until)),
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
        }
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Uptime) -> Tick {
        match &mut self.state {
            State::Proceeding => Tick::Idle,
            State::Completed { until, .. } if *until <= now => Tick::TimedOut,
            State::Completed { repeat, .. } => match repeat.as_mut().map(|r| r.is_due(now)) {
                Some(true) => Tick::Resend,
                Some(false) | None => Tick::Idle,
            },
            State::Confirmed { until } | State::Accepted { until } if *until <= now => Tick::Ended,
            State::Confirmed { .. } | State::Accepted { .. } => Tick::Idle,
        }
    }
}

/// Any other request that came in. We answer at once, so only the repeating is left.
#[derive(Debug)]
pub struct OtherServer {
    response: Vec<u8>,
    until: Uptime,
}

impl OtherServer {
    /// Begins with the final response, which the caller sends.
    #[must_use]
    pub fn new(transport: Transport, response: Vec<u8>, now: Uptime) -> Self {
        Self { response, until: now + transport.linger(LIFE) }
    }

    /// What a repeated request gets.
    #[must_use]
    pub fn latest(&self) -> &[u8] {
        &self.response
    }

    /// When [`Self::timeout`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Uptime> {
        Some(self.until)
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Uptime) -> Tick {
        if now < self.until {
            return Tick::Idle;
        }
        mem::take(&mut self.response);
        Tick::Ended
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    /// Runs the timers until the end; says when each message went out again.
    fn run(server: &mut InviteServer) -> (Vec<u128>, Tick, Uptime) {
        let mut sent = Vec::new();
        loop {
            let now = server.deadline().expect("a deadline");
            match server.timeout(now) {
                Tick::Resend => sent.push(now.0.as_millis()),
                Tick::Idle => {}
                end => return (sent, end, now),
            }
        }
    }

    #[test]
    fn a_refusal_is_repeated_until_32_seconds_are_over() {
        let mut server = InviteServer::new(Transport::Datagram, b"100".to_vec());
        assert_eq!(server.deadline(), None);
        server.respond(486, b"486".to_vec(), at(0));
        let (sent, end, now) = run(&mut server);
        assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!((end, now), (Tick::TimedOut, at(32_000)));
    }

    #[test]
    fn its_ack_is_absorbed_for_five_seconds() {
        let mut server = InviteServer::new(Transport::Datagram, b"100".to_vec());
        server.respond(486, b"486".to_vec(), at(0));
        assert_eq!(server.acknowledge(at(100)), Acknowledged::Absorbed);
        assert_eq!(server.acknowledge(at(200)), Acknowledged::Absorbed);
        assert_eq!(server.latest(), b"");
        assert_eq!(run(&mut server), (vec![], Tick::Ended, at(5100)));
    }

    #[test]
    fn a_200_is_the_dialogs_to_repeat() {
        let mut server = InviteServer::new(Transport::Datagram, b"100".to_vec());
        server.respond(180, b"180".to_vec(), at(0));
        assert_eq!(server.latest(), b"180");
        server.respond(200, b"200".to_vec(), at(0));
        server.respond(487, b"487".to_vec(), at(0));
        assert_eq!(server.latest(), b"200");
        assert_eq!(server.acknowledge(at(1)), Acknowledged::ForDialog);
        server.settle();
        assert_eq!(server.latest(), b"");
        assert_eq!(run(&mut server), (vec![], Tick::Ended, at(32_000)));
    }

    #[test]
    fn a_stream_repeats_nothing_and_lingers_not() {
        let mut server = InviteServer::new(Transport::Stream, Vec::new());
        server.respond(486, Vec::new(), at(0));
        assert_eq!(server.deadline(), Some(at(32_000)));
        let _ = server.acknowledge(at(7));
        assert_eq!(server.deadline(), Some(at(7)));
        assert_eq!(OtherServer::new(Transport::Stream, Vec::new(), at(9)).deadline(), Some(at(9)));
    }
}
