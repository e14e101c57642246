//! One leg: a dialog and what is going on in it.
//!
//! ```text
//!            Answer           ACK                 Bye            answered, timed out
//!  Ringing ---------> Talking ----- (the same) --------> Closing ------------------> Over
//!     | CANCEL, Reject, Redirect, too long   | BYE, no ACK
//!     '--------------------------------------'------------------------------------> Over
//! ```
//!
//! Between 200 and ACK the leg is already `Talking`: INFO, UPDATE and re-INVITE may come before the
//! ACK or together with it. Only our own BYE and REFER wait for it (RFC 3261, section 15).

use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::time::Uptime;
use crate::sip::agent::LegId;
use crate::sip::dialog::Dialog;
use crate::sip::reply::Reply;
use crate::sip::sdp::LocalMedia;
use crate::sip::sdp::MediaOffer;
use crate::sip::transaction::Key;
use crate::sip::transaction::LIFE;
use crate::sip::transaction::Repeat;

/// How long a call may ring (as Timer C of a proxy).
pub(super) const RING_MAX: Duration = Duration::from_mins(3);
/// How often 180 is repeated, so that proxies do not give up (RFC 3261, section 13.3.1.1).
pub(super) const RING_AGAIN: Duration = Duration::from_mins(1);
/// How long a transfer may take from its acceptance to its outcome.
pub(super) const REFER_MAX: Duration = Duration::from_secs(30);

pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) dialog: Dialog,
    pub(super) phase: Phase,
    /// Where the peer's latest INVITE or UPDATE came from.
    pub(super) peer: SocketAddr,
    pub(super) media: Option<LocalMedia>,
    pub(super) unacked: Vec<Unacked>,
    pub(super) info_number: Option<u32>,
    pub(super) refer: Option<Refer>,
    pub(super) after_ack: AfterAck,
}

pub(super) enum Phase {
    Ringing(Box<Ringing>),
    Talking,
    Closing,
    Over,
}

pub(super) struct Ringing {
    pub(super) reply: Reply,
    pub(super) key: Key,
    pub(super) offer: Option<MediaOffer>,
    /// When 180 is due again; never before it was sent once.
    pub(super) again: Option<Uptime>,
    pub(super) until: Uptime,
}

/// A 200 to an INVITE that waits for its ACK.
pub(super) struct Unacked {
    pub(super) number: u32,
    pub(super) key: Key,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    pub(super) repeat: Repeat,
    pub(super) until: Uptime,
    pub(super) sdp: Described,
    pub(super) invite: Which,
}

/// What the description in a 200 was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Described {
    /// An offer: the ACK brings the answer.
    Offer,
    /// An answer.
    Answer,
}

/// Whether an INVITE began the dialog or changes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    First,
    Again,
}

/// A transfer under way, or over.
pub(super) struct Refer {
    /// The number of our REFER: the `id` of its NOTIFYs.
    pub(super) number: u32,
    pub(super) state: ReferState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ReferState {
    Asked,
    Accepted { until: Uptime },
    Over,
}

/// Commands that wait for the ACK.
#[derive(Default)]
pub(super) struct AfterAck {
    pub(super) refer: Option<String>,
    pub(super) bye: Option<u16>,
}

impl Leg {
    /// Whether the 200 to the first INVITE still waits for its ACK.
    pub(super) fn unconfirmed(&self) -> bool {
        self.unacked.iter().any(|ok| ok.invite == Which::First)
    }

    /// Whether an offer of ours still waits for its answer.
    pub(super) fn offering(&self) -> bool {
        self.unacked.iter().any(|ok| ok.sdp == Described::Offer)
    }

    /// The INVITE, if it is not answered yet; whoever takes it answers it.
    pub(super) fn take_ringing(&mut self) -> Option<Ringing> {
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ringing(ringing) => Some(*ringing),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// The earliest time at which something is due.
    pub(super) fn deadline(&self) -> Option<Uptime> {
        let ringing = match &self.phase {
            Phase::Ringing(ringing) => {
                Some(ringing.again.map_or(ringing.until, |again| again.min(ringing.until)))
            }
            Phase::Talking | Phase::Closing | Phase::Over => None,
        };
        let refer = match &self.refer {
            Some(Refer { state: ReferState::Accepted { until }, .. }) => Some(*until),
            Some(_) | None => None,
        };
        let acks = self.unacked.iter().map(|ok| ok.repeat.next().min(ok.until));
        acks.chain(ringing).chain(refer).min()
    }
}

impl Unacked {
    pub(super) fn new(
        number: u32,
        key: Key,
        to: SocketAddr,
        bytes: Vec<u8>,
        now: Uptime,
        (sdp, invite): (Described, Which),
    ) -> Self {
        let repeat = Repeat::start(now);
        Self { number, key, to, bytes, repeat, until: now + LIFE, sdp, invite }
    }
}
