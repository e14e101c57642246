//! Symmetric RTP: where to send, and whose packets to believe.
//!
//! A caller behind NAT sends from another address than SDP says, so we follow the first source that
//! speaks a negotiated payload. From then on nobody else is heard: a stranger who sprays packets at our
//! ports must not press keys. Only the announced address itself outranks a stranger that was first.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::time::Uptime;

/// A source silent for longer may be replaced: the peer moved without telling us.
const SILENT_MAX: Duration = Duration::from_secs(2);

/// The far end's address as announced and as seen.
#[derive(Debug)]
pub struct Latch {
    announced: SocketAddr,
    heard: Option<Heard>,
}

#[derive(Debug)]
struct Heard {
    source: SocketAddr,
    at: Uptime,
}

impl Latch {
    /// Sends to the address of the SDP until somebody is heard.
    #[must_use]
    pub const fn new(announced: SocketAddr) -> Self {
        Self { announced, heard: None }
    }

    /// Takes note of a well-formed packet of a negotiated payload; `false` when it is a stranger's.
    #[must_use]
    pub fn admit(&mut self, source: SocketAddr, now: Uptime) -> bool {
        let known = self.heard.as_ref().is_none_or(|heard| {
            heard.source == source || source == self.announced || now - heard.at > SILENT_MAX
        });
        if known {
            self.heard = Some(Heard { source, at: now });
        }
        known
    }

    /// Where to send.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.heard.as_ref().map_or(self.announced, |heard| heard.source)
    }

    /// Takes the address of a new offer. The same address again is a session refresh: the latch holds.
    pub fn reoffer(&mut self, announced: SocketAddr) {
        if announced != self.announced {
            *self = Self::new(announced);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn ms(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    #[test]
    fn sip_11_behind_nat_we_follow_the_first_source() {
        let mut latch = Latch::new(at(1000));
        assert_eq!(latch.target(), at(1000));
        assert!(latch.admit(at(2000), ms(0)));
        assert_eq!(latch.target(), at(2000));
    }

    #[test]
    fn sip_11_a_second_source_is_a_stranger_while_the_first_talks() {
        let mut latch = Latch::new(at(1000));
        for step in 0..100 {
            assert!(latch.admit(at(2000), ms(step * 20)));
            assert!(!latch.admit(at(3000), ms(step * 20 + 1)));
        }
        assert!(!latch.admit(at(3000), ms(1980 + 2000)));
        assert!(latch.admit(at(3000), ms(1980 + 2001)), "silent for more than two seconds");
        assert_eq!(latch.target(), at(3000));
        assert!(!latch.admit(at(2000), ms(4000)));
    }

    #[test]
    fn the_announced_address_outranks_a_stranger_that_was_first() {
        let mut latch = Latch::new(at(1000));
        assert!(latch.admit(at(6666), ms(0)));
        assert!(latch.admit(at(1000), ms(10)));
        assert!(!latch.admit(at(6666), ms(20)));
        assert_eq!(latch.target(), at(1000));
    }

    #[test]
    fn a_new_offer_resets_and_a_session_refresh_does_not() {
        let mut latch = Latch::new(at(1000));
        assert!(latch.admit(at(2000), ms(0)));
        latch.reoffer(at(1000));
        assert_eq!(latch.target(), at(2000));
        assert!(!latch.admit(at(3000), ms(10)));
        latch.reoffer(at(4000));
        assert_eq!(latch.target(), at(4000));
        assert!(latch.admit(at(3000), ms(20)));
    }
}
