//! SIP calls that we terminate ourselves: sockets, timers and tasks around the pure `sip/` and `rtp/`.
//!
//! One task owns the socket and the user agent ([`listener`]); each call leg has a task of its own
//! ([`leg`]) with its media and a mailbox. `event.rs` translates, purely.

pub mod event;
pub mod leg;
pub mod listener;
pub mod media;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::queues::Queues;
use crate::config::trunks::Trunk;
use crate::engine::clock::Clock;
use crate::model::ids::TrunkName;
use crate::platform::Entry;
use crate::platform::sip::media::Ports;
use crate::rtp::prompt::PromptPack;
use crate::sip::agent::Command;
use crate::sip::agent::LegId;

/// What every leg of this platform shares.
pub struct Shared {
    /// Where calls go.
    pub entry: Arc<dyn Entry>,
    /// `[queues.*]`.
    pub queues: Queues,
    /// `sip.queue_uri`.
    pub queue_uri: String,
    /// `[sip.trunks.*]`.
    pub trunks: BTreeMap<TrunkName, Trunk>,
    /// `sip.handed_over_max`.
    pub handed_over_max: Duration,
    /// The phrases.
    pub prompts: Arc<PromptPack>,
    /// Free RTP ports.
    pub ports: Ports,
    /// What SDP says our address is.
    pub media_address: Option<IpAddr>,
    /// The clocks.
    pub clock: Clock,
    /// Whose tasks the legs are.
    pub tasks: TaskTracker,
    /// The hard stop.
    pub stop: CancellationToken,
}

/// What a leg tells the user agent.
pub(crate) type Orders = mpsc::Sender<(LegId, Command)>;
