//! Keeps this node's lease, notices whose is gone, and takes over the calls that were left.

use std::collections::HashSet;
use std::sync::Arc;

use metrics::counter;
use metrics::gauge;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tracing::debug;
use tracing::info;
use tracing::warn;

use crate::app::nodes::BELIEVED_AFTER;
use crate::app::nodes::Nodes;
use crate::app::nodes::TURN;
use crate::model::ids::NodeId;
use crate::sessions::SessionsError;
use crate::sessions::shared::Touched;

/// A gauge takes no larger number exactly, and no node has more of anything.
pub(super) fn count(many: usize) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX))
}

/// Own calls that are touched in one round trip.
const TOUCHED_AT_ONCE: usize = 256;
/// Own calls are touched and rolls compared every so many turns even when nothing seems to be missed.
const COMPARE_EVERY: u64 = 4;

pub(super) async fn run(nodes: Arc<Nodes>) {
    // The lease does not wait for anything that may take long.
    tokio::join!(renewing(&nodes), comparing(&nodes));
}

async fn renewing(nodes: &Arc<Nodes>) {
    let mut turns = turns();
    loop {
        tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            _ = turns.tick() => {}
        }
        let renewed = nodes.renew().await;
        nodes.note(renewed.err());
    }
}

async fn comparing(nodes: &Arc<Nodes>) {
    let sights = Arc::new(Semaphore::new(16));
    let mut turns = turns();
    let mut behind = true;
    let mut number: u64 = 0;
    loop {
        let missed = tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            () = nodes.missed.notified() => true,
            _ = turns.tick() => false,
        };
        if !nodes.answers() {
            behind = true;
            continue;
        }
        number = number.wrapping_add(1);
        let all = missed || behind || number.is_multiple_of(COMPARE_EVERY);
        let compared = tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            compared = nodes.compare(all, &sights) => compared,
        };
        behind = compared.is_err();
        if let Err(error) = compared {
            counter!("countersign_sessions_failures_total", "op" => "compare").increment(1);
            debug!(%error, "what other nodes have could not be read");
        }
    }
}

fn turns() -> Interval {
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

impl Nodes {
    async fn renew(&self) -> Result<(), SessionsError> {
        let living = self.store.renew(&self.own).await?;
        gauge!("countersign_nodes").set(count(living.len()));
        self.directory().living(&living);
        self.mark_stale(|owner, stale| stale || !living.iter().any(|node| node.id == *owner));
        Ok(())
    }

    /// Looks at what was left, and every few turns at everything.
    async fn compare(
        self: &Arc<Self>,
        all: bool,
        sights: &Arc<Semaphore>,
    ) -> Result<(), SessionsError> {
        if all {
            self.touch().await?;
            let others = self.directory().others(&self.own.id);
            for node in others {
                self.read_roll(&node, sights).await?;
            }
        }
        for node in self.lapsed().await? {
            let roll = self.read_roll(&node, sights).await?;
            if self.believes() && !roll.is_empty() {
                self.adopt_all(&node, roll.into_keys().collect()).await;
            }
        }
        if all {
            // After an outage nothing is said to be true before it was compared.
            let others = self.directory().others(&self.own.id);
            self.mark_stale(|owner, _| !others.contains(owner));
        }
        Ok(())
    }

    /// Nodes that left calls behind.
    async fn lapsed(&self) -> Result<HashSet<NodeId>, SessionsError> {
        let mut left: HashSet<_> = self.store.rolls().await?.into_iter().collect();
        let directory = self.directory();
        left.extend(directory.owners());
        left.retain(|node| *node != self.own.id && !directory.lives(node));
        Ok(left)
    }

    /// Whether the store answers.
    pub(super) fn answers(&self) -> bool {
        self.health_mut().answers_since.is_some()
    }

    /// Whether the store has answered long enough for a missing lease to mean a missing node.
    pub(super) fn believes(&self) -> bool {
        let since = self.health_mut().answers_since;
        since.is_some_and(|since| since.elapsed() >= BELIEVED_AFTER)
    }

    /// Says of all own calls that they live; those that the store has lost are told again.
    async fn touch(&self) -> Result<(), SessionsError> {
        let held = self.sharing.held();
        for some in held.chunks(TOUCHED_AT_ONCE) {
            let touched = self.store.touch(&self.own.id, some.to_vec()).await?;
            for ((id, _), touched) in some.iter().zip(touched) {
                match touched {
                    Touched::Held => {}
                    Touched::Missing => self.sharing.again(id),
                    Touched::Lost(owner) => self.disown(id, &owner),
                }
            }
        }
        Ok(())
    }

    /// Notes how the store is, and what follows for what desktops are shown.
    fn note(&self, error: Option<SessionsError>) {
        let now = self.reception().map(|reception| reception.world.clock.wall());
        let mut health = self.health_mut();
        let was = health.answers_since.is_some();
        match error {
            None if was => {}
            None => {
                info!("the session store answers again");
                health.answers_since = Some(Instant::now());
                health.why = None;
                self.missed.notify_one();
                health.since = now.unwrap_or(health.since);
            }
            Some(error) => {
                counter!("countersign_sessions_failures_total", "op" => "renew").increment(1);
                if was {
                    warn!(%error, "the session store does not answer; calls go on, other nodes' calls are shown as stale");
                    health.answers_since = None;
                    health.since = now.unwrap_or(health.since);
                }
                health.why = Some(error.to_string());
            }
        }
        let up = health.answers_since.is_some();
        drop(health);
        gauge!("countersign_sessions_up").set(if up { 1.0 } else { 0.0 });
        if !up {
            self.mark_stale(|_, _| true);
        }
    }
}
