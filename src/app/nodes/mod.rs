//! Several nodes as one (D06): who owns which call, and how the others see it and reach it.
//!
//! ```text
//!  call ─> effects/sharing ─> telling ─> store of shared calls ─> listening ─> hub, directory
//!                                             ^                        of every other node
//!  desktop, event, REST ─> asking ────────────│───────────── link ─> the owner carries it out
//!                                          leases: whose lease is gone loses its calls to adopting
//! ```
//! Each node answers for its own calls alone. The store says who owns a call and where, and shows its
//! state; a digit, a password or an answer goes from node to node directly or not at all.

mod adopting;
mod asking;
mod directory;
pub(super) mod holding;
mod leases;
mod listening;
mod telling;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::nodes::directory::Directory;
use crate::app::reception::Reception;
use crate::cluster::Link;
use crate::effects::sharing::Sharing;
use crate::model::time::Timestamp;
use crate::platform::asterisk::Asterisks;
use crate::platform::http::Platforms;
use crate::push::hub::Hub;
use crate::sessions::shared::Node;
use crate::sessions::shared::SharedCalls;

/// How often a node renews its lease and looks at the others'.
pub(super) const TURN: Duration = Duration::from_millis(500);
/// A node that does not renew its lease for so long is gone.
pub(super) const LEASE: Duration = Duration::from_millis(2500);
/// The store has to answer for so long before a lapsed lease is believed: longer than a lease, so that
/// after an outage of the store everybody has renewed theirs.
const BELIEVED_AFTER: Duration = Duration::from_secs(5);

/// This node among the others.
pub(super) struct Nodes {
    this: Weak<Self>,
    own: Node,
    store: Arc<dyn SharedCalls>,
    sharing: Arc<Sharing>,
    /// The way to other nodes; none where this one is alone.
    link: Option<Link>,
    hub: Arc<Hub>,
    directory: Mutex<Directory>,
    health: Mutex<Health>,
    reception: OnceCell<Weak<Reception>>,
    platforms: OnceCell<Weak<Platforms>>,
    asterisks: OnceCell<Weak<Asterisks>>,
    /// Answers REST requests that other nodes pass on; it names this again, so it is let go at the end.
    router: Mutex<Option<axum::Router>>,
    /// The rolls are to be read again.
    missed: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How the store is, as this node finds it.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// Since when it answers; `None`: it does not.
    answers_since: Option<Instant>,
    /// Since when it is so, for people.
    pub(super) since: Timestamp,
    /// Why it does not.
    pub(super) why: Option<String>,
}

/// What [`Nodes`] is put together from.
pub(super) struct NodesParts {
    pub(super) own: Node,
    pub(super) store: Arc<dyn SharedCalls>,
    pub(super) sharing: Arc<Sharing>,
    pub(super) link: Option<Link>,
    pub(super) hub: Arc<Hub>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Nodes {
    pub(super) fn new(parts: NodesParts, now: Timestamp) -> Arc<Self> {
        let NodesParts { own, store, sharing, link, hub, tasks, stop } = parts;
        let health = Health { answers_since: Some(Instant::now()), since: now, why: None };
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            own,
            store,
            sharing,
            link,
            hub,
            directory: Mutex::default(),
            health: Mutex::new(health),
            reception: OnceCell::new(),
            platforms: OnceCell::new(),
            asterisks: OnceCell::new(),
            router: Mutex::default(),
            missed: Notify::new(),
            tasks,
            stop,
        })
    }

    /// Begins to take part: tells, listens, keeps the lease.
    pub(super) fn begin(
        self: &Arc<Self>,
        reception: &Arc<Reception>,
        (platforms, asterisks): (&Arc<Platforms>, Option<&Arc<Asterisks>>),
        router: axum::Router,
    ) {
        // Set once, here.
        let _ = self.reception.set(Arc::downgrade(reception));
        let _ = self.platforms.set(Arc::downgrade(platforms));
        let _ = asterisks.map(|asterisks| self.asterisks.set(Arc::downgrade(asterisks)));
        *self.router.lock().unwrap_or_else(PoisonError::into_inner) = Some(router);
        self.tasks.spawn(telling::run(Arc::clone(self)));
        self.tasks.spawn(listening::run(Arc::clone(self)));
        self.tasks.spawn(listening::run_arrivals(Arc::clone(self)));
        self.tasks.spawn(leases::run(Arc::clone(self)));
    }

    /// How the store of shared calls is.
    pub(super) fn health(&self) -> Health {
        self.health_mut().clone()
    }

    fn router(&self) -> Option<axum::Router> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget_router(&self) {
        *self.router.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// This, for work that outlives a question.
    fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    fn reception(&self) -> Option<Arc<Reception>> {
        self.reception.get().and_then(Weak::upgrade)
    }

    fn platforms(&self) -> Option<Arc<Platforms>> {
        self.platforms.get().and_then(Weak::upgrade)
    }

    fn asterisks(&self) -> Option<Arc<Asterisks>> {
        self.asterisks.get().and_then(Weak::upgrade)
    }

    /// A panic elsewhere leaves the directory whole: every change of it is complete in itself.
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health_mut(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
