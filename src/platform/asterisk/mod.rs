//! Asterisk over ARI: the dialplan hands a channel to our application, we play and collect, and the
//! dialplan goes on with what came of it in the channel's variables.
//!
//! ```text
//!  GET /v1/ari ── door.rs ──┐               one task a connection        one task a channel
//!  ws://…/events <─ dial.rs ┴─> socket.rs ── wire/ari.rs ─> server.rs ──> leg.rs ─> the call
//!                                                (pure)      │  ^          channel.rs (pure)
//!                                     WebSocket or HTTP <────┘  └── requests
//! ```
//! A server outlives its connections: a call waits while Asterisk is out of reach, and what is there when
//! it is back is compared with what was there (`reconcile.rs`).

mod channel;
pub mod dial;
pub mod door;
mod event;
mod leg;
mod link;
mod reconcile;
mod server;
mod socket;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::asterisk::Asterisk as Settings;
use crate::engine::clock::Clock;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::time::Timestamp;
use crate::platform::Entry;
use crate::platform::Leg;
use crate::platform::arrival::Rules;
use crate::platform::asterisk::leg::AriLeg;
pub use crate::platform::asterisk::leg::Resumed;
use crate::platform::asterisk::server::Server;

/// Asterisks that are served at the most.
const SERVERS_MAX: usize = 64;
/// Channels whose callers are with the machine at the most, of all Asterisks.
const CHANNELS_MAX: usize = 20_000;

/// What all Asterisks share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) password: SecretText,
    pub(crate) platform: PlatformName,
    pub(crate) entry: Arc<dyn Entry>,
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
    /// No new calls.
    pub(crate) drain: CancellationToken,
    /// The hard stop.
    pub(crate) stop: CancellationToken,
    /// One place a channel.
    pub(crate) places: Semaphore,
    /// Whether it is this node that connects, where we connect.
    pub(crate) chosen: watch::Receiver<bool>,
    pub(crate) elsewhere: Elsewhere,
}

/// Whether another node has, or had, the call of this channel.
pub type Elsewhere = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What [`Asterisks`] are put together from.
pub struct AsteriskParts {
    /// `[asterisk]`.
    pub settings: Settings,
    /// What stands in `password_file`.
    pub password: SecretText,
    /// Where calls go.
    pub entry: Arc<dyn Entry>,
    /// What an arrival means.
    pub rules: Rules,
    /// The clocks.
    pub clock: Clock,
    /// Where tasks run.
    pub tasks: TaskTracker,
    /// Cancelled when no new calls are taken.
    pub drain: CancellationToken,
    /// Cancelled when connections are to go.
    pub stop: CancellationToken,
    /// Whether it is this node that connects, where we connect: of several nodes one does.
    pub chosen: watch::Receiver<bool>,
    /// Which calls are another node's.
    pub elsewhere: Elsewhere,
}

/// All Asterisks of this daemon.
pub struct Asterisks {
    pub(crate) shared: Arc<Shared>,
    servers: Mutex<Vec<Arc<Server>>>,
}

/// How one Asterisk is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// Which: its address, or its own id.
    pub name: String,
    /// Whether its events reach us.
    pub connected: bool,
    /// Whether another node is, which is as good.
    pub elsewhere: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why it is not connected.
    pub why: String,
    /// Channels that are with us.
    pub channels: usize,
}

impl Asterisks {
    /// Those of the configuration. Nothing is connected yet.
    #[must_use]
    pub fn new(parts: AsteriskParts, platform: PlatformName) -> Arc<Self> {
        let AsteriskParts { settings, password, entry, rules, clock, tasks, .. } = parts;
        let AsteriskParts { drain, stop, chosen, elsewhere, .. } = parts;
        let places = Semaphore::new(CHANNELS_MAX);
        let shared = Shared {
            settings,
            password,
            platform,
            entry,
            rules,
            clock,
            tasks,
            drain,
            stop,
            places,
            chosen,
            elsewhere,
        };
        Arc::new(Self { shared: Arc::new(shared), servers: Mutex::default() })
    }

    /// How each is, in the order in which they came.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        self.servers().iter().map(|server| server.state()).collect()
    }

    /// Channels whose callers are with the machine.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.servers().iter().map(|server| server.state().channels).sum()
    }

    /// A leg for a call that another node had, as [`Leg::saved`] wrote it there. The call is begun with
    /// it, then [`Resumed::begun`]. `None`: that channel has a call here.
    pub fn resume(
        &self,
        channel: &PlatformCallId,
        saved: &Value,
        call: &CallId,
    ) -> Option<(Box<dyn Leg>, Resumed)> {
        let name = saved.get("asterisk").and_then(Value::as_str)?;
        let (shared, app) = (&self.shared, self.shared.settings.app.clone());
        let new = || Arc::new(Server::new(name.to_owned(), app, Arc::clone(shared), None));
        let server = self.server(name, new)?;
        let (leg, resumed): (AriLeg, _) = leg::resume(&server, channel.as_str(), call)?;
        Some((Box::new(leg), resumed))
    }

    /// The Asterisk of this name, known or new; `None`: there are too many.
    pub(crate) fn server(
        &self,
        name: &str,
        new: impl FnOnce() -> Arc<Server>,
    ) -> Option<Arc<Server>> {
        let mut servers = self.servers();
        if let Some(known) = servers.iter().find(|server| server.name() == name) {
            return Some(Arc::clone(known));
        }
        if servers.len() >= SERVERS_MAX {
            // One that is away and has nobody with us makes room.
            let idle = servers.iter().position(|server| server.is_idle())?;
            servers.remove(idle);
        }
        let server = new();
        servers.push(Arc::clone(&server));
        Some(server)
    }

    /// A panic elsewhere leaves the list whole: every change of it is complete in itself.
    fn servers(&self) -> MutexGuard<'_, Vec<Arc<Server>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
