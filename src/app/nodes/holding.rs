//! Which of several nodes has what only one can have: an application of an Asterisk.
//!
//! The first to claim it has it as long as it lives. What a dead node had is claimed anew, under the next
//! number, so that it never moves away from a node that has callers with it.

use std::time::Duration;

use tokio::time::timeout;

use crate::app::nodes::Nodes;
use crate::model::ids::NodeId;
use crate::sessions::shared::PlatformKey;

/// How long the store may take.
const WITHIN: Duration = Duration::from_secs(1);
/// Dead holders that are passed over in one look; claims of the dead go by themselves after hours.
const LOOKS_MAX: u32 = 64;

/// What is known of the holder.
#[derive(Debug, Default)]
pub(in crate::app) struct Holder {
    node: Option<NodeId>,
    number: u32,
}

impl Nodes {
    /// Whether this node has it. While the store is away nothing changes hands.
    pub(in crate::app) async fn holds(&self, what: &str, holder: &mut Holder) -> bool {
        let own = &self.own.id;
        let ours = |holder: &Holder| holder.node.as_ref() == Some(own);
        if !self.answers() || !self.directory().lives(own) {
            return ours(holder);
        }
        if let Some(node) = &holder.node
            && node != own
            && (self.directory().lives(node) || !self.believes())
        {
            return false;
        }
        for _ in 0..LOOKS_MAX {
            let Ok(call) = format!("application {what} {}", holder.number).parse() else {
                return false;
            };
            let Ok(platform) = "asterisk".parse() else { return false };
            let key = PlatformKey { platform, call };
            let claimed = timeout(WITHIN, self.store.claim(&key, own)).await;
            let Ok(Ok(node)) = claimed else { return ours(holder) };
            let lives = node == *own || self.directory().lives(&node);
            holder.node = Some(node);
            // A node that has just begun is not in everybody's list yet.
            if lives || !self.believes() {
                return ours(holder);
            }
            holder.number = holder.number.saturating_add(1);
        }
        false
    }

    /// Whether another node has, or had, the call that its platform names so.
    pub(in crate::app) fn is_elsewhere(&self, named: &str) -> bool {
        self.directory().find(named).is_some()
    }
}
