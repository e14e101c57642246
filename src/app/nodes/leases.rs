//! Keeps this node's lease, notices whose is gone, and takes over the calls that were left.

use std::collections::HashSet;
use std::sync::Arc;

use metrics::counter;
use metrics::gauge;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::interval;
use tracing::info;
use tracing::warn;

use crate::app::nodes::BELIEVED_AFTER;
use crate::app::nodes::Nodes;
use crate::app::nodes::TURN;
use crate::model::ids::NodeId;
use crate::sessions::SessionsError;
use crate::sessions::shared::Node;
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
    let sights = Arc::new(Semaphore::new(16));
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut number: u64 = 0;
    loop {
        let missed = tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            () = nodes.missed.notified() => true,
            _ = turns.tick() => false,
        };
        number = number.wrapping_add(1);
        let compare = missed || number.is_multiple_of(COMPARE_EVERY);
        let turn = nodes.turn(compare, &sights).await;
        nodes.note(turn.err());
    }
}

impl Nodes {
    async fn turn(
        self: &Arc<Self>,
        compare: bool,
        sights: &Arc<Semaphore>,
    ) -> Result<(), SessionsError> {
        let living = self.store.renew(&self.own).await?;
        gauge!("countersign_nodes").set(count(living.len()));
        self.directory().living(&living);
        let silent = |owner: &NodeId| !living.iter().any(|node| node.id == *owner);
        self.mark_stale(|owner, stale| stale || silent(owner));
        let compare = compare || !self.answers();
        if compare {
            self.touch().await?;
        }
        let lapsed = self.lapsed(&living).await?;
        // After an outage nothing is said to be true before it was compared.
        if compare {
            for node in living.iter().filter(|node| node.id != self.own.id) {
                self.read_roll(&node.id, sights).await?;
            }
        }
        for node in lapsed {
            let roll = self.read_roll(&node, sights).await?;
            if self.believes() && !roll.is_empty() {
                self.adopt_all(&node, roll.into_keys().collect()).await;
            }
        }
        self.mark_stale(|owner, _| silent(owner));
        Ok(())
    }

    /// Nodes that left calls behind.
    async fn lapsed(&self, living: &[Node]) -> Result<HashSet<NodeId>, SessionsError> {
        let mut left: HashSet<_> = self.store.rolls().await?.into_iter().collect();
        left.extend(self.directory().owners());
        left.retain(|node| *node != self.own.id && !living.iter().any(|alive| alive.id == *node));
        Ok(left)
    }

    fn answers(&self) -> bool {
        self.health_mut().answers_since.is_some()
    }

    /// Whether the store has answered long enough for a missing lease to mean a missing node.
    fn believes(&self) -> bool {
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
                health.since = now.unwrap_or(health.since);
            }
            Some(error) => {
                counter!("countersign_sessions_failures_total", "op" => "turn").increment(1);
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
