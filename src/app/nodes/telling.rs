//! Tells the other nodes what became of this node's calls, many at a time, behind the calls' backs.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use metrics::gauge;
use metrics::histogram;
use tokio::time::Instant;
use tokio::time::sleep;
use tracing::warn;

use crate::app::nodes::Nodes;
use crate::app::nodes::leases::count;
use crate::call::input::Input;
use crate::effects::sharing::Word;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::sessions::SessionsError;
use crate::sessions::shared::Saved;
use crate::sessions::shared::SharedCall;

/// States told in one round trip.
const AT_ONCE: usize = 128;
/// The pause after a failure; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(nodes: Arc<Nodes>) {
    let mut pause = PAUSE;
    loop {
        tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            () = nodes.sharing.ready() => {}
        }
        if nodes.tell().await.is_ok() {
            pause = PAUSE;
            continue;
        }
        tokio::select! {
            biased;
            () = nodes.stop.cancelled() => return,
            () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
        }
    }
}

impl Nodes {
    /// Tells what waits, one portion of it. What could not be told waits on.
    async fn tell(&self) -> Result<(), SessionsError> {
        let words = self.sharing.take(AT_ONCE);
        let (mut states, mut gone) = (vec![], vec![]);
        for word in &words {
            match word {
                Word::State(call) => states.push((**call).clone()),
                Word::Gone(call) => gone.push(call.clone()),
            }
        }
        let started = Instant::now();
        let told = self.tell_all(states, gone).await;
        histogram!("countersign_store_seconds", "store" => "sessions", "op" => "save")
            .record(started.elapsed().as_secs_f64());
        gauge!("countersign_calls_untold").set(count(self.sharing.len()));
        if let Err(error) = &told {
            counter!("countersign_sessions_failures_total", "op" => "save").increment(1);
            tracing::debug!(%error, calls = words.len(), "calls could not be told to other nodes");
            self.sharing.put_back(&words);
        }
        told
    }

    async fn tell_all(
        &self,
        states: Vec<SharedCall>,
        gone: Vec<CallId>,
    ) -> Result<(), SessionsError> {
        if !states.is_empty() {
            let ids: Vec<_> = states.iter().map(|call| call.id.clone()).collect();
            let saved = self.store.save(states).await?;
            for (id, saved) in ids.iter().zip(saved) {
                if let Saved::Lost(owner) = saved {
                    self.disown(id, &owner);
                }
            }
        }
        if gone.is_empty() { Ok(()) } else { self.store.remove(&self.own.id, gone).await }
    }

    /// Everything that waits, for a node that stops; gives up at the first failure.
    pub(in crate::app) async fn tell_everything(&self) {
        while !self.sharing.is_empty() {
            if self.tell().await.is_err() {
                return;
            }
        }
    }

    /// Another node has taken the call over, rightly or not: two owners would be worse.
    pub(super) fn disown(&self, id: &CallId, owner: &NodeId) {
        let call = self.reception().and_then(|reception| reception.calls.find(id.as_str()));
        self.sharing.forget(id);
        let Some(call) = call else { return };
        warn!(call = %id, owner = %owner, "another node has taken this call over");
        counter!("countersign_calls_lost_total").increment(1);
        // One that is over by now needs no word; a full inbox is told again with the next state.
        let _ = call.send(Input::Disowned);
        self.missed.notify_one();
    }
}
