//! Where call events go, through whichever door they came: to the node that has their call.

use std::sync::Arc;

use serde_json::Value;

use crate::api::elsewhere::Others;
use crate::api::elsewhere::routed;
use crate::platform::http::Platforms;
use crate::wire::events::Answer;
use crate::wire::events::Batch;
use crate::wire::events::NoBatch;

/// Takes events of contract §4 in. Cloning shares it.
#[derive(Clone)]
pub struct Intake {
    platforms: Arc<Platforms>,
    others: Others,
}

impl Intake {
    /// An intake of this node, and of the others where there are any.
    #[must_use]
    pub fn new(platforms: Arc<Platforms>, others: Others) -> Self {
        Self { platforms, others }
    }

    /// This node's calls.
    #[must_use]
    pub fn platforms(&self) -> &Arc<Platforms> {
        &self.platforms
    }

    /// The other nodes, where there are any.
    #[must_use]
    pub fn others(&self) -> &Others {
        &self.others
    }

    /// Takes one event, a JSON object, or an array of them, in their order. `passed_on`: another node
    /// has sent them here, and they stay.
    pub async fn publish(&self, body: Value, passed_on: bool) -> Result<Answer, NoBatch> {
        match self.others.as_ref().filter(|_| !passed_on) {
            Some(others) => routed(&self.platforms, &**others, body).await,
            None => here(&self.platforms, body).await,
        }
    }
}

pub(crate) async fn here(platforms: &Platforms, body: Value) -> Result<Answer, NoBatch> {
    Ok(platforms.publish(Batch::read(body)?.into_events()).await)
}
