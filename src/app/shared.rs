//! What is opened for several nodes: the store of live state, and the way between nodes.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::app::Prepared;
use crate::app::Wall;
use crate::app::nodes;
use crate::app::nodes::Nodes;
use crate::cluster::LinkTls;
use crate::config::Config;
use crate::health::SessionsHealth;
use crate::health::SessionsState;
use crate::lifecycle::Stops;
use crate::sessions::Sessions;
use crate::sessions::memory::MemorySessions;
use crate::sessions::redis::RedisSessions;
use crate::sessions::redis::RedisSettings;
use crate::sessions::shared::SharedCalls;

/// Intents remembered at the most.
const INTENTS_MAX: usize = 100_000;

pub(super) type LiveState = (Arc<dyn Sessions>, Option<Arc<dyn SharedCalls>>);

/// The store of live state: in this process, or one that nodes share.
pub(super) async fn live_state(
    config: &Config,
    wall: &Wall,
    tasks: &TaskTracker,
    stops: &Stops,
) -> anyhow::Result<LiveState> {
    let Some(address) = config.stores.sessions.redis.clone() else {
        let embedded = MemorySessions::new(INTENTS_MAX, Arc::clone(wall));
        return Ok((Arc::new(embedded), None));
    };
    let ca = config.stores.sessions.ca_file.as_deref().map(std::fs::read).transpose();
    let ca = ca.context("sessions.ca_file")?;
    let prefix = config.stores.sessions.prefix.clone();
    let mut settings = RedisSettings::new(address, prefix, ca, INTENTS_MAX);
    settings.times.lease = nodes::LEASE;
    // A store that hangs is noticed within two turns.
    settings.behind = nodes::TURN;
    let redis = RedisSessions::open(settings, Arc::clone(wall), tasks, &stops.sockets).await;
    let redis = Arc::new(redis.context("[sessions]")?);
    Ok((Arc::clone(&redis) as Arc<dyn Sessions>, Some(redis)))
}

impl Prepared {
    /// Whether the session store answers; `None`: it is in this process.
    pub async fn reach_sessions(&self) -> Option<anyhow::Result<()>> {
        self.config.stores.sessions.redis.as_ref()?;
        let (_, wall) = super::clocks(&self.config);
        let (tasks, stops) = (TaskTracker::new(), Stops::default());
        let reached = async {
            let (_, shared) = live_state(&self.config, &wall, &tasks, &stops).await?;
            if let Some(shared) = shared {
                shared.probe().await.context("sessions.url")?;
            }
            Ok(())
        };
        let reached = reached.await;
        stops.sockets.cancel();
        Some(reached)
    }

    /// Whether the certificates of the link can be used; `None`: there is no link.
    #[must_use]
    pub fn load_certificates(&self) -> Option<anyhow::Result<()>> {
        let cluster = self.config.cluster.as_ref()?;
        Some(LinkTls::load(cluster).map(drop).context("[cluster]"))
    }
}

/// Where other nodes' questions come in, before anybody is told of it.
pub(super) async fn link(config: &Config) -> anyhow::Result<Option<Linked>> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    let tls = LinkTls::load(cluster).context("[cluster]")?;
    let named = || format!("cluster.listen: {}", cluster.listen);
    let listener = TcpListener::bind(cluster.listen).await.with_context(named)?;
    let address = cluster.address(listener.local_addr()?);
    Ok(Some(Linked { listener, tls, address }))
}

/// Our end of the link between nodes.
pub(super) struct Linked {
    pub(super) listener: TcpListener,
    pub(super) tls: LinkTls,
    pub(super) address: String,
}

/// How the session store is, where there is one outside the process.
pub(super) fn sessions_health(nodes: Option<Arc<Nodes>>) -> Option<SessionsHealth> {
    let nodes = nodes?;
    Some(Box::new(move || {
        let health = nodes.health();
        SessionsState { since: health.since, why: health.why }
    }))
}
