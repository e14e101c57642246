//! How the backends are, for `/readyz`: probed now and then, with the time of the last change.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::api::health::Check;
use crate::api::health::Readiness;
use crate::effects::World;
use crate::engine::clock::Clock;
use crate::model::time::Timestamp;

/// Both together stay below the second within which an operator has to be told (P6).
const PROBE_MAX: Duration = Duration::from_millis(700);
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// The backends of this node.
pub struct Backends {
    world: Arc<World>,
    clock: Clock,
    sessions: Option<SessionsHealth>,
    last: Mutex<Option<Probe>>,
}

/// Says how the session store is.
pub type SessionsHealth = Box<dyn Fn() -> SessionsState + Send + Sync>;

/// How the session store is.
#[derive(Clone, Debug)]
pub struct SessionsState {
    /// Since when.
    pub since: Timestamp,
    /// Why it does not answer; `None`: it does.
    pub why: Option<String>,
}

#[derive(Clone)]
struct Probe {
    at: Instant,
    ok: bool,
    why: String,
    since: Timestamp,
}

impl Backends {
    /// Over the stores of the world.
    #[must_use]
    pub fn new(world: Arc<World>, clock: Clock, sessions: Option<SessionsHealth>) -> Self {
        Self { world, clock, sessions, last: Mutex::new(None) }
    }

    fn sessions(&self) -> Check {
        let name = "sessions".to_owned();
        let Some(sessions) = &self.sessions else {
            let effect = "embedded in this process".into();
            return Check { name, ok: true, vital: false, since: None, effect };
        };
        let SessionsState { since, why } = sessions();
        let ok = why.is_none();
        let effect = match why {
            None => "nodes see and take over one another's calls".into(),
            Some(why) => format!(
                "calls go on; calls of other nodes are shown as stale, apps cannot announce calls: {why}"
            ),
        };
        Check { name, ok, vital: false, since: Some(since), effect }
    }

    async fn records(&self) -> Probe {
        let mut last = self.last.lock().await;
        if let Some(probe) = last.as_ref().filter(|probe| probe.at.elapsed() < PROBE_EVERY) {
            return probe.clone();
        }
        let (ok, why) = match timeout(PROBE_MAX, self.world.records.probe()).await {
            Ok(Ok(())) => (true, String::new()),
            Ok(Err(error)) => (false, error.to_string()),
            Err(_) => (false, "it does not answer".to_owned()),
        };
        let since = last.as_ref().filter(|probe| probe.ok == ok).map(|probe| probe.since);
        let probe = Probe {
            at: Instant::now(),
            ok,
            why,
            since: since.unwrap_or_else(|| self.clock.wall()),
        };
        *last = Some(probe.clone());
        probe
    }
}

#[async_trait]
impl Readiness for Backends {
    async fn checks(&self) -> Vec<Check> {
        let records = self.records().await;
        let effect = if records.ok {
            "PINs are verified and counted".to_owned()
        } else {
            format!("no caller can be verified, calls go on to agents unchecked: {}", records.why)
        };
        vec![
            Check {
                name: "records".into(),
                ok: records.ok,
                vital: true,
                since: Some(records.since),
                effect,
            },
            self.sessions(),
        ]
    }
}
