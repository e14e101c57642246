//! Shared calls in this process: nodes that share the store see each other, as tests have them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::sessions::SessionsError;
use crate::sessions::memory::MemorySessions;
use crate::sessions::shared::BODY_MAX;
use crate::sessions::shared::Change;
use crate::sessions::shared::Index;
use crate::sessions::shared::Node;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::Saved;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::SharedCalls;
use crate::sessions::shared::Stamp;
use crate::sessions::shared::Touched;

/// Claims that are remembered; beyond that the oldest is forgotten.
const CLAIMS_MAX: usize = 100_000;

/// Calls, nodes and claims, each with the time at which it ends.
#[derive(Default)]
pub(super) struct Shared {
    calls: HashMap<CallId, Until<SharedCall>>,
    nodes: BTreeMap<NodeId, Until<String>>,
    claims: HashMap<PlatformKey, Until<NodeId>>,
    /// The same, in the order they were made.
    claimed: VecDeque<(Timestamp, PlatformKey)>,
}

struct Until<T> {
    value: T,
    end: Timestamp,
}

impl Shared {
    /// A call that has not ended.
    fn call(&mut self, id: &CallId, now: Timestamp) -> Option<&mut Until<SharedCall>> {
        self.calls.get_mut(id).filter(|kept| kept.end > now)
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = &SharedCall> {
        self.calls.values().filter(move |kept| kept.end > now).map(|kept| &kept.value)
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.calls.retain(|_, kept| kept.end > now);
        self.nodes.retain(|_, kept| kept.end > now);
    }

    fn claim(&mut self, key: PlatformKey, node: NodeId, (now, end): (Timestamp, Timestamp)) {
        while self.claimed.len() >= CLAIMS_MAX
            || self.claimed.front().is_some_and(|(end, _)| *end <= now)
        {
            if let Some((end, key)) = self.claimed.pop_front()
                && self.claims.get(&key).is_some_and(|claim| claim.end == end)
            {
                self.claims.remove(&key);
            }
        }
        self.claimed.push_back((end, key.clone()));
        self.claims.insert(key, Until { value: node, end });
    }
}

#[async_trait]
impl SharedCalls for MemorySessions {
    async fn save(&self, calls: Vec<SharedCall>) -> Result<Vec<Saved>, SessionsError> {
        if let Some(call) = calls.iter().find(|call| call.body.len() > BODY_MAX) {
            let text =
                format!("the state of a call has {} bytes, which is too long", call.body.len());
            return Err(SessionsError(text));
        }
        let now = self.now();
        let end = now.after(self.times.call);
        let mut shared = self.shared();
        let mut save = |call: SharedCall| {
            if let Some(kept) = shared.call(&call.id, now) {
                if kept.value.owner != call.owner && kept.value.stamp.term >= call.stamp.term {
                    return Saved::Lost(kept.value.owner.clone());
                }
                if kept.value.owner == call.owner && kept.value.stamp >= call.stamp {
                    kept.end = end;
                    return Saved::Kept;
                }
            }
            self.listeners.tell(&Change::Call(Box::new(call.clone())));
            shared.calls.insert(call.id.clone(), Until { value: call, end });
            Saved::Kept
        };
        Ok(calls.into_iter().map(&mut save).collect())
    }

    async fn touch(
        &self,
        owner: &NodeId,
        calls: Vec<(CallId, Stamp)>,
    ) -> Result<Vec<Touched>, SessionsError> {
        let now = self.now();
        let end = now.after(self.times.call);
        let mut shared = self.shared();
        let mut touch = |(id, stamp): (CallId, Stamp)| match shared.call(&id, now) {
            Some(kept) if kept.value.owner != *owner && kept.value.stamp.term >= stamp.term => {
                Touched::Lost(kept.value.owner.clone())
            }
            Some(kept) if kept.value.owner == *owner && kept.value.stamp >= stamp => {
                kept.end = end;
                Touched::Held
            }
            _ => Touched::Missing,
        };
        Ok(calls.into_iter().map(&mut touch).collect())
    }

    async fn remove(&self, owner: &NodeId, calls: Vec<CallId>) -> Result<(), SessionsError> {
        let mut shared = self.shared();
        for id in calls {
            if shared.calls.get(&id).is_none_or(|kept| kept.value.owner == *owner) {
                shared.calls.remove(&id);
                self.listeners.tell(&Change::Gone(id));
            }
        }
        Ok(())
    }

    async fn call(&self, id: &CallId) -> Result<Option<SharedCall>, SessionsError> {
        let now = self.now();
        Ok(self.shared().call(id, now).map(|kept| kept.value.clone()))
    }

    async fn find(&self, index: &Index) -> Result<Vec<CallId>, SessionsError> {
        let now = self.now();
        let found = |call: &&SharedCall| index.leads_to(call);
        Ok(self.shared().live(now).filter(found).map(|call| call.id.clone()).collect())
    }

    async fn roll(&self, node: &NodeId) -> Result<HashMap<CallId, Stamp>, SessionsError> {
        let now = self.now();
        let shared = self.shared();
        let calls = shared.live(now).filter(|call| call.owner == *node);
        Ok(calls.map(|call| (call.id.clone(), call.stamp)).collect())
    }

    async fn adopt(
        &self,
        id: &CallId,
        from: &NodeId,
        to: &NodeId,
    ) -> Result<Option<SharedCall>, SessionsError> {
        let now = self.now();
        let mut shared = self.shared();
        let Some(kept) = shared.call(id, now).filter(|kept| kept.value.owner == *from) else {
            return Ok(None);
        };
        kept.end = now.after(self.times.call);
        kept.value.owner = to.clone();
        kept.value.stamp.term += 1;
        let call = kept.value.clone();
        shared.claim(call.platform.clone(), to.clone(), (now, now.after(self.times.claim)));
        self.listeners.tell(&Change::Call(Box::new(call.clone())));
        Ok(Some(call))
    }

    async fn claim(&self, key: &PlatformKey, node: &NodeId) -> Result<NodeId, SessionsError> {
        let now = self.now();
        let mut shared = self.shared();
        if let Some(claim) = shared.claims.get(key).filter(|claim| claim.end > now) {
            return Ok(claim.value.clone());
        }
        shared.claim(key.clone(), node.clone(), (now, now.after(self.times.claim)));
        Ok(node.clone())
    }

    async fn renew(&self, node: &Node) -> Result<Vec<Node>, SessionsError> {
        let now = self.now();
        let mut shared = self.shared();
        shared.forget_old(now);
        self.listeners.remind();
        let lease = Until { value: node.address.clone(), end: now.after(self.times.lease) };
        shared.nodes.insert(node.id.clone(), lease);
        let live = shared.nodes.iter();
        Ok(live.map(|(id, kept)| Node { id: id.clone(), address: kept.value.clone() }).collect())
    }

    async fn rolls(&self) -> Result<Vec<NodeId>, SessionsError> {
        let now = self.now();
        let shared = self.shared();
        let mut nodes: Vec<_> = shared.live(now).map(|call| call.owner.clone()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        Ok(nodes)
    }

    async fn leave(&self, node: &NodeId) -> Result<(), SessionsError> {
        self.shared().nodes.remove(node);
        Ok(())
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Change>, SessionsError> {
        Ok(self.listeners.add())
    }

    async fn probe(&self) -> Result<(), SessionsError> {
        Ok(())
    }
}
