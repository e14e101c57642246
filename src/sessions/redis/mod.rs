//! Live state in a Redis that several nodes share: one server, a master named by Sentinels, or a
//! cluster.
//!
//! Nobody waits for it: without a connection every order fails at once, and a task of its own brings
//! the connection back. What is there ends by itself unless it is renewed. Nothing is trusted: a value
//! that reads like none of ours is missing.

mod calls;
mod fault;
mod intents;
mod link;
mod listen;
mod scripts;
mod target;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::sessions::RedisAddress;
use crate::model::time::Timestamp;
use crate::sessions::SessionsError;
use crate::sessions::listeners::Listeners;
use crate::sessions::redis::fault::Fault;
use crate::sessions::redis::link::Link;
use crate::sessions::redis::listen::Ear;
use crate::sessions::redis::scripts::Order;
use crate::sessions::redis::target::Target;
use crate::sessions::redis::text::Keys;
use crate::sessions::shared::Times;

/// How Redis is used.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// What every key begins with: [`crate::config::sessions::Sessions::prefix`].
    pub prefix: String,
    /// The root to trust for TLS instead of the system's, as PEM.
    pub ca: Option<Vec<u8>>,
    /// Intents that may be open at a time; one more is refused.
    pub intents_max: usize,
    /// How long things live.
    pub times: Times,
    /// How long somebody with a caller on the line waits for it (P5).
    pub quick: Duration,
    /// How long those wait who work behind a call's back.
    pub behind: Duration,
    /// How long making a connection may take.
    pub connecting: Duration,
}

impl RedisSettings {
    /// The usual settings for this address.
    pub fn new(address: RedisAddress, prefix: String, ca: Option<Vec<u8>>, intents: usize) -> Self {
        Self {
            address,
            prefix,
            ca,
            intents_max: intents,
            times: Times::default(),
            quick: Duration::from_millis(100),
            behind: Duration::from_secs(1),
            connecting: Duration::from_secs(2),
        }
    }
}

/// The session store in Redis.
pub struct RedisSessions {
    link: Arc<Link>,
    keys: Keys,
    channel: String,
    listeners: Arc<Listeners>,
    hears: watch::Receiver<bool>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    settings: RedisSettings,
    /// How long states, claims and leases live, in milliseconds.
    call_ms: String,
    claim_ms: String,
    lease_ms: String,
}

impl RedisSessions {
    /// Connects, or goes on trying behind the caller's back: a Redis that is not there yet is no error.
    /// An error is a certificate that does not read. The tasks end with `stop`.
    pub async fn open(
        settings: RedisSettings,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, SessionsError> {
        let (address, ca) = (settings.address.clone(), settings.ca.clone());
        let target = Target::new(address, ca, settings.connecting)
            .map_err(|error| SessionsError(format!("sessions.ca_file does not read: {error}")))?;
        let link = Arc::new(Link::new(target, settings.connecting));
        let keys = Keys::new(settings.prefix.clone());
        let listeners = Arc::<Listeners>::default();
        let hears = watch::Sender::new(false);
        let sessions = Self {
            link: Arc::clone(&link),
            channel: keys.channel(),
            keys,
            listeners: Arc::clone(&listeners),
            hears: hears.subscribe(),
            clock,
            call_ms: settings.times.call.as_millis().to_string(),
            claim_ms: settings.times.claim.as_millis().to_string(),
            lease_ms: settings.times.lease.as_millis().to_string(),
            settings,
        };
        let mut made = link.made();
        tasks.spawn(Arc::clone(&link).keep(stop.clone()));
        // The messages' connection follows the orders': it would begin again otherwise.
        let _ = timeout(sessions.settings.connecting, made.wait_for(|made| *made > 0)).await;
        let (channel, patience) = (sessions.channel.clone(), sessions.settings.connecting);
        tasks.spawn(Ear { link, channel, listeners, patience, hears }.hear(stop.clone()));
        if *made.borrow() > 0 {
            let mut hears = sessions.hears.clone();
            let _ = timeout(sessions.settings.connecting, hears.wait_for(|hears| *hears)).await;
        }
        Ok(sessions)
    }

    async fn ask(&self, order: Order) -> Result<Value, Fault> {
        self.link.ask(order, self.settings.behind).await
    }

    async fn ask_quick(&self, order: Order) -> Result<Value, Fault> {
        self.link.ask(order, self.settings.quick).await
    }

    /// Many orders; the first that fails is the answer.
    async fn ask_all(&self, orders: Vec<Order>) -> Result<Vec<Value>, Fault> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        self.link.ask_all(orders, self.settings.behind).await?.into_iter().collect()
    }

    /// Many orders; where the key has a wrong type the answer is nothing.
    async fn ask_leniently(
        &self,
        orders: Vec<Order>,
        within: Duration,
    ) -> Result<Vec<Value>, Fault> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.link.ask_all(orders, within).await?;
        answers.into_iter().map(lenient).collect()
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessions").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A key of a wrong type holds nothing of ours.
fn lenient(answer: Result<Value, Fault>) -> Result<Value, Fault> {
    match answer {
        Err(fault) if fault.wrong_type() => Ok(Value::Nil),
        answer => answer,
    }
}
