//! Shows this node's desktops the calls of the other nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep;
use tracing::debug;

use crate::app::nodes::Nodes;
use crate::app::nodes::directory::Other;
use crate::app::nodes::directory::said_stale;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::push::hub::Shown;
use crate::sessions::SessionsError;
use crate::sessions::shared::Change;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::Stamp;
use crate::wire::relay::Ask;
use crate::wire::relay::Sight;
use crate::wire::relay::Told;

/// An agent's own view of a call is waited for so long; then they see what watchers see.
const SIGHT_WITHIN: Duration = Duration::from_millis(500);
/// Own views that are fetched at the same time.
const SIGHTS_AT_ONCE: usize = 64;
/// The pause before the store is asked again for its changes.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Desktops that arrive at once and are looked after; the others see their next change.
const ARRIVALS: usize = 4096;

pub(super) async fn run(nodes: Arc<Nodes>) {
    let sights = Arc::new(Semaphore::new(SIGHTS_AT_ONCE));
    let mut pause = PAUSE;
    loop {
        let following = async {
            if let Ok(mut changes) = nodes.store.changes().await {
                nodes.missed.notify_one();
                pause = PAUSE;
                while let Some(change) = changes.recv().await {
                    nodes.heard(change, &sights);
                }
            }
            nodes.missed.notify_one();
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            () = following => {}
        }
    }
}

/// An agent who comes to this node sees the calls that other nodes hold for them.
pub(super) async fn run_arrivals(nodes: Arc<Nodes>) {
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
    nodes.hub.tell_arrivals(arrivals);
    loop {
        let agent = tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            agent = arrived.recv() => agent,
        };
        let Some(agent) = agent else { return };
        nodes.welcome(&agent).await;
    }
}

impl Nodes {
    fn heard(self: &Arc<Self>, change: Change, sights: &Arc<Semaphore>) {
        match change {
            Change::Missed => self.missed.notify_one(),
            Change::Gone(id) => self.gone(&id),
            Change::Call(call) if call.owner == self.own.id => {}
            Change::Call(call) => self.learn(&call, sights),
        }
    }

    /// A call of another node has this state now.
    pub(super) fn learn(self: &Arc<Self>, call: &SharedCall, sights: &Arc<Semaphore>) {
        let Some(mut other) = Other::read(call) else { return };
        let id = call.id.clone();
        {
            let mut directory = self.directory();
            let known = directory.get(&id).is_some_and(|known| known.stale);
            other.stale = known && !directory.lives(&other.owner);
            if !directory.put(&id, other.clone()) {
                return;
            }
        }
        let own_agent = other.audience.agent.as_ref().filter(|agent| self.hub.seats(agent));
        if own_agent.is_none() {
            return self.show(&id, &other, None);
        }
        let (nodes, sights) = (Arc::clone(self), Arc::clone(sights));
        self.tasks.spawn(async move {
            let Ok(_place) = sights.acquire().await else { return };
            nodes.show_own(&id, &other).await;
        });
    }

    /// Shows a call to its own agent here as its owner shows it, answers included.
    async fn show_own(&self, id: &CallId, other: &Other) {
        let sight = self.sight(id, &other.owner).await;
        self.show(id, other, sight);
    }

    fn show(&self, id: &CallId, other: &Other, sight: Option<Sight>) {
        let mut order = other.order();
        let for_owner = sight.map(|sight| {
            order.version = order.version.max(sight.version);
            said_stale(&sight.json, other.stale)
        });
        self.hub.show(Shown {
            id: id.clone(),
            platform: other.platform.call.clone(),
            order,
            audience: other.audience.clone(),
            for_owner,
            for_watchers: other.shown(),
            taken_in: Instant::now(),
        });
    }

    async fn sight(&self, id: &CallId, owner: &NodeId) -> Option<Sight> {
        match self.ask(owner, Ask::Sight(id.clone()), SIGHT_WITHIN).await {
            Ok(Told::Sight(sight)) => sight,
            Ok(_) => None,
            Err(error) => {
                debug!(call = %id, %error, "the owner's view of a call could not be had");
                None
            }
        }
    }

    async fn welcome(&self, agent: &AgentId) {
        let calls = self.directory().of_agent(agent);
        for id in calls {
            let other = self.directory().get(&id).cloned();
            if let Some(other) = other {
                self.show_own(&id, &other).await;
            }
        }
    }

    /// A call of another node is over.
    fn gone(&self, id: &CallId) {
        if self.directory().remove(id).is_some() {
            self.hub.remove(id);
        }
    }

    /// Reads the roll of a node, and puts right what was missed.
    pub(super) async fn read_roll(
        self: &Arc<Self>,
        node: &NodeId,
        sights: &Arc<Semaphore>,
    ) -> Result<HashMap<CallId, Stamp>, SessionsError> {
        let roll = self.store.roll(node).await?;
        let known = self.directory().of_owner(node);
        for (id, stamp) in &roll {
            if known.get(id).is_some_and(|known| known >= stamp) {
                continue;
            }
            let newer = self.directory().get(id).is_some_and(|other| other.stamp >= *stamp);
            if newer {
                continue;
            }
            if let Some(call) = self.store.call(id).await?.filter(|call| call.owner != self.own.id)
            {
                self.learn(&call, sights);
            }
        }
        for id in known.keys().filter(|id| !roll.contains_key(*id)) {
            // It may have changed its owner since the roll was read.
            let still = self.directory().get(id).is_some_and(|other| other.owner == *node);
            if still && self.store.call(id).await?.is_none() {
                self.gone(id);
            }
        }
        Ok(roll)
    }

    /// Says of calls whose owner is silent that they may be out of date.
    pub(super) fn mark_stale(&self, stale: impl Fn(&NodeId, bool) -> bool) {
        let changed = self.directory().mark(stale);
        for (id, other) in changed {
            let seated = other.audience.agent.as_ref().is_some_and(|agent| self.hub.seats(agent));
            if other.stale || !seated {
                self.show(&id, &other, None);
            } else if let Some(nodes) = self.this() {
                self.tasks.spawn(async move { nodes.show_own(&id, &other).await });
            }
        }
    }
}
