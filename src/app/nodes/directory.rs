//! The calls of other nodes, as far as this one has heard.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::model::ids::PlatformCallId;
use crate::push::audience::Audience;
use crate::push::hub::Order;
use crate::sessions::shared::Node;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::Stamp;
use crate::wire::server;

/// One call of another node.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) owner: NodeId,
    pub(super) stamp: Stamp,
    pub(super) platform: PlatformKey,
    pub(super) audience: Audience,
    /// The version of the view, and the view as watchers see it.
    pub(super) version: u64,
    pub(super) view: Arc<str>,
    /// The owner, or the way to it, is silent: this may be out of date.
    pub(super) stale: bool,
}

/// The calls of other nodes, and those nodes.
#[derive(Debug, Default)]
pub(super) struct Directory {
    calls: HashMap<CallId, Other>,
    by_platform: HashMap<PlatformCallId, CallId>,
    nodes: HashMap<NodeId, String>,
}

impl Other {
    /// Reads a shared call; `None`: another release wrote it, and this one cannot show it.
    pub(super) fn read(call: &SharedCall) -> Option<Self> {
        let mut body: Value = serde_json::from_str(&call.body).ok()?;
        let view = body.get_mut("view")?.take();
        let version = view.get("version")?.as_u64()?;
        Some(Self {
            owner: call.owner.clone(),
            stamp: call.stamp,
            platform: call.platform.clone(),
            audience: Audience { agent: call.agent.clone(), queue: call.queue.clone() },
            version,
            view: serde_json::to_string(&view).ok()?.into(),
            stale: false,
        })
    }

    pub(super) fn order(&self) -> Order {
        Order { term: self.stamp.term, version: self.version }
    }

    /// The view for those who watch; a stale one says so.
    pub(super) fn shown(&self) -> String {
        said_stale(&self.view, self.stale)
    }
}

/// A view, and whether it may be out of date.
pub(super) fn said_stale(view: &str, stale: bool) -> String {
    if stale { server::stale_json(view) } else { view.to_owned() }
}

impl Directory {
    /// Takes a state in; `false`: a newer one is known.
    pub(super) fn put(&mut self, id: &CallId, other: Other) -> bool {
        if self.calls.get(id).is_some_and(|known| known.stamp > other.stamp) {
            return false;
        }
        self.by_platform.insert(other.platform.call.clone(), id.clone());
        self.calls.insert(id.clone(), other);
        true
    }

    pub(super) fn remove(&mut self, id: &CallId) -> Option<Other> {
        let other = self.calls.remove(id)?;
        if self.by_platform.get(&other.platform.call) == Some(id) {
            self.by_platform.remove(&other.platform.call);
        }
        Some(other)
    }

    pub(super) fn get(&self, id: &CallId) -> Option<&Other> {
        self.calls.get(id)
    }

    /// The call of this name, ours or its platform's.
    pub(super) fn find(&self, named: &str) -> Option<(&CallId, &Other)> {
        let ours = || named.parse().ok().and_then(|id: CallId| self.calls.get_key_value(&id));
        let platforms = || {
            let id = self.by_platform.get(&named.parse::<PlatformCallId>().ok()?)?;
            self.calls.get_key_value(id)
        };
        ours().or_else(platforms)
    }

    /// The calls of one agent.
    pub(super) fn of_agent(&self, agent: &AgentId) -> Vec<CallId> {
        let theirs = |other: &Other| other.audience.agent.as_ref() == Some(agent);
        self.calls.iter().filter(|(_, other)| theirs(other)).map(|(id, _)| id.clone()).collect()
    }

    /// Where each call of a node stands.
    pub(super) fn of_owner(&self, owner: &NodeId) -> HashMap<CallId, Stamp> {
        let theirs = self.calls.iter().filter(|(_, other)| other.owner == *owner);
        theirs.map(|(id, other)| (id.clone(), other.stamp)).collect()
    }

    /// The owners of all calls.
    pub(super) fn owners(&self) -> HashSet<NodeId> {
        self.calls.values().map(|other| other.owner.clone()).collect()
    }

    /// Says of calls that they may be out of date, or not any more, by owner and by what was said of
    /// them; answers those of which something else is said now.
    pub(super) fn mark(&mut self, stale: impl Fn(&NodeId, bool) -> bool) -> Vec<(CallId, Other)> {
        let mut changed = vec![];
        for (id, other) in &mut self.calls {
            let now = stale(&other.owner, other.stale);
            if other.stale != now {
                other.stale = now;
                changed.push((id.clone(), other.clone()));
            }
        }
        changed
    }

    /// Learns which nodes hold their lease, and where they are.
    pub(super) fn living(&mut self, nodes: &[Node]) {
        self.nodes = nodes.iter().map(|node| (node.id.clone(), node.address.clone())).collect();
    }

    pub(super) fn lives(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    pub(super) fn address(&self, node: &NodeId) -> Option<String> {
        self.nodes.get(node).cloned()
    }

    /// The nodes that hold their lease, but this one.
    pub(super) fn others(&self, own: &NodeId) -> Vec<NodeId> {
        self.nodes.keys().filter(|node| *node != own).cloned().collect()
    }
}
