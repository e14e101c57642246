//! Calls as other nodes may know them, who owns them, and which nodes live.
//!
//! A node saves the state of each of its calls behind the call's back; others hear of it, show it to
//! their desktops, and take the call over when its owner's lease is gone. Losing all of this loses the
//! view from other nodes, and nothing else: owners save again what they hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::sessions::SessionsError;

/// A body may have this many bytes: one that is longer is a mistake of ours.
pub const BODY_MAX: usize = 64 * 1024;

/// How long what is stored lives when nobody renews it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// A call's state, and the ways to it. Signs of life come three times as often.
    pub call: Duration,
    /// A node's lease: three signs of life may be lost on the way, a dead node is missed soon.
    pub lease: Duration,
    /// Whose a platform's call is: events may come long after the call.
    pub claim: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            call: Duration::from_mins(1),
            lease: Duration::from_secs(6),
            claim: Duration::from_hours(4),
        }
    }
}

/// Orders the states of one call: taking it over raises the term, every change the version.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Stamp {
    /// How often the call changed its owner.
    pub term: u64,
    /// The call's own version.
    pub version: u64,
}

/// A call as its platform names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PlatformKey {
    /// The platform.
    pub platform: PlatformName,
    /// Its id of the call.
    pub call: PlatformCallId,
}

/// The state of a call, as it may leave its node: no digit, answer, code or token.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedCall {
    /// Our id.
    pub id: CallId,
    /// Which state of it.
    pub stamp: Stamp,
    /// Whose call it is.
    pub owner: NodeId,
    /// What its platform calls it.
    pub platform: PlatformKey,
    /// Who has it.
    pub agent: Option<AgentId>,
    /// Where it waits.
    pub queue: QueueName,
    /// A JSON object: what watchers see, and what another node needs to go on. Not read by the store.
    pub body: Arc<str>,
}

/// What came of saving a state.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Saved {
    /// It is there, or a newer one of the same owner is.
    Kept,
    /// Another node has taken the call over.
    Lost(NodeId),
}

/// What came of a sign of life for a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Touched {
    /// This state is there, and lives on.
    Held,
    /// It is not there, or only an older one is: it has to be saved again.
    Missing,
    /// Another node has taken the call over.
    Lost(NodeId),
}

/// A node that holds its lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Who.
    pub id: NodeId,
    /// Where other nodes reach it: `host:port`.
    pub address: String,
}

/// What happened to the calls of any node, our own included.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A call has this state now.
    Call(Box<SharedCall>),
    /// A call is over.
    Gone(CallId),
    /// Changes may have been missed: the rolls have to be read again.
    Missed,
}

/// Calls to look up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Index {
    /// Those an agent has.
    Agent(AgentId),
    /// Those of a queue.
    Queue(QueueName),
    /// The one with this platform's id.
    Platform(PlatformKey),
}

impl Index {
    /// Whether this is a way to this call.
    #[must_use]
    pub fn leads_to(&self, call: &SharedCall) -> bool {
        match self {
            Self::Agent(agent) => call.agent.as_ref() == Some(agent),
            Self::Queue(queue) => call.queue == *queue,
            Self::Platform(key) => call.platform == *key,
        }
    }
}

/// The store of shared calls. States and leases end by themselves unless they are renewed.
#[async_trait]
pub trait SharedCalls: Send + Sync + 'static {
    /// Keeps these states, each where it is newer than what is there, and tells the other nodes. One
    /// round trip for all; the answers are in the same order.
    async fn save(&self, calls: Vec<SharedCall>) -> Result<Vec<Saved>, SessionsError>;
    /// Says that these states are still true, so that they live on.
    async fn touch(
        &self,
        owner: &NodeId,
        calls: Vec<(CallId, Stamp)>,
    ) -> Result<Vec<Touched>, SessionsError>;
    /// Takes calls of this owner out that are over, and tells the other nodes.
    async fn remove(&self, owner: &NodeId, calls: Vec<CallId>) -> Result<(), SessionsError>;
    /// One call.
    async fn call(&self, id: &CallId) -> Result<Option<SharedCall>, SessionsError>;
    /// The calls that are looked for, in no order.
    async fn find(&self, index: &Index) -> Result<Vec<CallId>, SessionsError>;
    /// The calls of one node and where they stand; also of one whose lease is gone.
    async fn roll(&self, node: &NodeId) -> Result<HashMap<CallId, Stamp>, SessionsError>;
    /// Takes a call over from a node: `to` owns the next term. Of any number of nodes one succeeds.
    async fn adopt(
        &self,
        id: &CallId,
        from: &NodeId,
        to: &NodeId,
    ) -> Result<Option<SharedCall>, SessionsError>;

    /// Says that a platform's call is to be this node's, and whose it is: the first one's.
    async fn claim(&self, key: &PlatformKey, node: &NodeId) -> Result<NodeId, SessionsError>;

    /// Renews a node's lease, and says which nodes hold theirs. The rolls of others stay.
    async fn renew(&self, node: &Node) -> Result<Vec<Node>, SessionsError>;
    /// The nodes that have a roll with calls on it, whether they hold a lease or not.
    async fn rolls(&self) -> Result<Vec<NodeId>, SessionsError>;
    /// Gives the lease back.
    async fn leave(&self, node: &NodeId) -> Result<(), SessionsError>;

    /// What happens from now on. Bounded: a listener that falls behind is told [`Change::Missed`].
    async fn changes(&self) -> Result<mpsc::Receiver<Change>, SessionsError>;
    /// Whether the store answers now.
    async fn probe(&self) -> Result<(), SessionsError>;
}
