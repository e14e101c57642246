//! What goes into the user agent and what comes out of it.

use std::fmt;
use std::net::SocketAddr;

use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;

use crate::model::ids::TrunkName;
use crate::sip::message::Headers;
use crate::sip::message::NameAddr;
use crate::sip::message::Uri;
use crate::sip::network::Network;
use crate::sip::sdp::MediaOffer;

/// Our side of one call, by a number that is never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LegId(pub u64);

/// Whom the agent serves, and how much of them.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The address our socket is bound to.
    pub local: SocketAddr,
    /// Host and port that peers are told, where it is not `local`.
    pub advertise: Option<Advertised>,
    /// What `Server` and `User-Agent` say.
    pub user_agent: String,
    /// Who may call. Everyone else is refused without state.
    pub trunks: Vec<TrunkRule>,
    /// Serves the loopback addresses too, as callers of no trunk.
    pub loopback_untrusted: bool,
    /// Calls at a time.
    pub max_legs: usize,
    /// New calls in any one second.
    pub max_new_per_second: u32,
    /// Refuses new calls and says so to OPTIONS.
    pub draining: bool,
}

/// The address that peers are told, for agents behind a NAT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertised {
    /// Host name or address.
    pub host: String,
    /// The port, where it is not the local one.
    pub port: Option<u16>,
}

/// A trunk and the networks its signalling comes from.
#[derive(Clone, Debug)]
pub struct TrunkRule {
    /// Its name in the configuration.
    pub name: TrunkName,
    /// Where it calls from.
    pub networks: Vec<Network>,
}

/// What the agent wants done, in this order.
#[derive(Debug)]
#[must_use = "a lost output is a lost packet or a lost call"]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To whom.
        to: SocketAddr,
        /// What.
        bytes: Datagram,
    },
    /// Tell the call.
    Event {
        /// Which leg.
        leg: LegId,
        /// What happened.
        event: LegEvent,
    },
    /// Count something.
    Count(Counted),
}

/// Bytes for the wire; prints its length only.
#[derive(Clone, Eq, PartialEq)]
pub struct Datagram(pub Vec<u8>);

/// Something a metric counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// A request came or went, repetitions not counted.
    Request {
        /// Its method; `OTHER` for those we do not know.
        method: &'static str,
        /// Whether it was ours.
        outbound: bool,
    },
    /// A response came or went, repetitions not counted.
    Response {
        /// Its status.
        code: u16,
        /// Whether it was ours.
        outbound: bool,
    },
    /// Something was sent again, by us or by the peer.
    Repeated,
    /// A datagram that is no SIP message we accept.
    Malformed(&'static str),
    /// A request was turned away before it became a call.
    Shed(Shed),
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shed {
    /// Its source is on no list.
    Stranger,
    /// We are about to stop.
    Draining,
    /// `max_legs` or the transaction table is full.
    Full,
    /// More than `max_new_per_second`.
    Rate,
}

impl Shed {
    /// The metric's label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Draining => "draining",
            Self::Full => "full",
            Self::Rate => "rate",
        }
    }
}

/// What happened to a leg. Exactly one of `Cancelled`, `Bye` and `Gone` ends it.
#[derive(Debug)]
pub enum LegEvent {
    /// A new call; 100 has been sent.
    Invited(Box<Invitation>),
    /// The ACK for our 200 came.
    Acknowledged {
        /// The peer's answer, where our 200 carried the offer.
        answer: Option<MediaOffer>,
    },
    /// An INFO, already answered. Each is told once, however often it comes.
    Info {
        /// Its Content-Type.
        content_type: String,
        /// Its body.
        body: InfoBody,
    },
    /// The peer changed the media; already answered.
    Reoffered {
        /// What it wants now.
        offer: MediaOffer,
        /// Whether it does not listen.
        held: bool,
    },
    /// The caller gave up before the answer; 487 has been sent.
    Cancelled,
    /// The peer takes on to transfer the call; no success yet.
    ReferAccepted,
    /// How far the transfer is; 200 and above is final.
    ReferProgress {
        /// The status the target answered.
        status: u16,
    },
    /// There is no transfer.
    ReferFailed {
        /// What the peer answered; 408 where nothing came in time.
        status: u16,
    },
    /// The peer hung up; already answered.
    Bye {
        /// The Q.850 cause, where the peer gave one.
        cause: Option<u16>,
    },
    /// The leg is over.
    Gone {
        /// Why.
        why: GoneWhy,
    },
}

/// Why a leg is over without the peer's wish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GoneWhy {
    /// We refused the call.
    Rejected,
    /// We sent the caller elsewhere (302).
    Redirected,
    /// It was never answered; 480 has been sent.
    Unanswered,
    /// Our 200 was never acknowledged; BYE has been sent.
    NoAck,
    /// The ACK brought no media that we can use; BYE has been sent.
    NoMedia,
    /// Our BYE was answered.
    ByeAnswered,
    /// Our BYE was not answered.
    ByeTimedOut,
}

/// A call that wants to be answered.
#[derive(Debug)]
pub struct Invitation {
    /// The Call-ID.
    pub call_id: String,
    /// Who calls, by the caller's own account.
    pub from: NameAddr,
    /// Whom the caller wanted.
    pub to: NameAddr,
    /// Whom the network routed it to.
    pub request_uri: Uri,
    /// Where the datagram came from.
    pub source: SocketAddr,
    /// The trunk it came by.
    pub trunk: Option<TrunkName>,
    /// P-Asserted-Identity, whether or not the trunk is trusted with it.
    pub asserted: Vec<NameAddr>,
    /// All header fields.
    pub headers: Headers,
    /// The media offered; nothing means that our 200 has to make the offer.
    pub offer: Option<MediaOffer>,
}

/// The body of an INFO: as a rule a key. It prints nothing and wipes itself.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct InfoBody(Vec<u8>);

/// What a leg is told to do. What no longer fits its state is dropped: the events have said why.
pub enum Command {
    /// 180.
    Ring,
    /// 200.
    Answer {
        /// Where we receive RTP.
        rtp: SocketAddr,
    },
    /// 302.
    Redirect {
        /// The new address.
        contact: String,
        /// Further header fields.
        headers: Vec<(String, String)>,
    },
    /// A final refusal.
    Reject {
        /// 400 to 699.
        status: u16,
        /// Seconds, for 503 and its like.
        retry_after: Option<u32>,
        /// The cause for the Reason header.
        reason_q850: Option<u16>,
    },
    /// Hands the call over.
    Refer {
        /// The Refer-To URI, with its `?headers`.
        target: String,
    },
    /// Hangs up.
    Bye {
        /// The cause for the Reason header.
        cause: u16,
    },
}

impl InfoBody {
    pub(super) fn new(body: Vec<u8>) -> Self {
        Self(body)
    }

    /// The bytes, for the parser of keys only.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for InfoBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InfoBody(•)")
    }
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datagram({} bytes)", self.0.len())
    }
}

/// Names only: targets and further headers carry tokens.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring => f.write_str("Ring"),
            Self::Answer { rtp } => write!(f, "Answer({rtp})"),
            Self::Redirect { .. } => f.write_str("Redirect(…)"),
            Self::Reject { status, .. } => write!(f, "Reject({status})"),
            Self::Refer { .. } => f.write_str("Refer(…)"),
            Self::Bye { cause } => write!(f, "Bye({cause})"),
        }
    }
}
