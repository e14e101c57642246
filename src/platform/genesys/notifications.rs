//! The notification channel: what happens to conversations after they have left our flow.
//!
//! ```text
//!  POST channel ─> PUT topics ─> connect ─> states ─> lanes ─> events.rs ─> intake
//!       ^                          │           ^      (by conversation, in order)
//!       │  closing, silence, 23 h  │           │
//!       '──────── backoff <────────'           '── after every connection: GET each live call
//! ```
//! A channel replays nothing, so every new one begins with a look at all live calls.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::stream;
use metrics::counter;
use metrics::gauge;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::config::genesys::AgentsBy;
use crate::config::genesys::Cloud;
use crate::model::time::Timestamp;
use crate::platform::genesys::attributes::States;
use crate::platform::genesys::attributes::backoff;
use crate::platform::genesys::attributes::escaped;
use crate::platform::genesys::client::Client;
use crate::platform::genesys::client::Fault;
use crate::platform::genesys::events::Conversation;
use crate::platform::genesys::events::Known;
use crate::platform::genesys::socket;
use crate::platform::genesys::socket::Socket;

/// Conversations are told side by side, each in its own order.
const LANES: usize = 8;
/// States that wait in one lane; then the channel is read more slowly.
const LANE_LEN: usize = 64;
/// Conversations that one lane remembers; when they are more, those that are not ours any more go.
const KNOWN_MAX: usize = 4096;
/// Users whose names are remembered.
const NAMES_MAX: usize = 10_000;
/// Live calls that are looked at side by side after a new connection.
const LOOKS: usize = 4;
/// A channel lives 24 hours.
const RENEW: Duration = Duration::from_hours(23);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);

/// Where events go, and whose calls they are about.
#[async_trait]
pub trait Calls: Send + Sync + 'static {
    /// Whether any node has a call of this conversation.
    fn has(&self, conversation: &str) -> bool;
    /// Hands events of contract §4 in, in their order. `false`: they are to come again later.
    async fn publish(&self, events: Vec<Value>) -> bool;
}

/// What following conversations needs.
pub struct Parts {
    /// The API.
    pub client: Client,
    /// Topics, names, times.
    pub cloud: Cloud,
    /// The live calls of this node.
    pub states: Arc<States>,
    /// Where events go.
    pub calls: Arc<dyn Calls>,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Follows conversations.
pub struct Notifications {
    parts: Parts,
    names: Mutex<BTreeMap<String, String>>,
}

/// Why a connection ended.
enum Ended {
    /// As was said beforehand, or because its time was over: the next one is opened at once.
    Planned,
    /// Otherwise.
    Broken(String),
}

impl Notifications {
    /// Follows the conversations of these topics.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, names: Mutex::default() }
    }

    /// Follows until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let (senders, lanes): (Vec<_>, Vec<_>) =
            (0..LANES).map(|_| mpsc::channel(LANE_LEN)).unzip();
        let lanes = lanes.into_iter().map(|states| self.lane(states));
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.connections(&senders) => {}
            _ = futures_util::future::join_all(lanes) => {}
        }
        gauge!("countersign_genesys_channel_up").set(0.0);
    }

    /// One connection after the other.
    async fn connections(&self, lanes: &[mpsc::Sender<Conversation>]) {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let ended = match self.open().await {
                Ok(socket) => {
                    gauge!("countersign_genesys_channel_up").set(1.0);
                    info!("the notification channel of Genesys Cloud is open");
                    self.listen(socket, lanes).await
                }
                Err(fault) => Ended::Broken(fault.to_string()),
            };
            gauge!("countersign_genesys_channel_up").set(0.0);
            // A connection that held for a while was a good one.
            if began.elapsed() > Duration::from_mins(1) {
                failures = 0;
            }
            let wait = match ended {
                Ended::Planned if failures == 0 => Duration::ZERO,
                Ended::Planned => backoff(0),
                Ended::Broken(why) => {
                    warn!(%why, "the notification channel of Genesys Cloud broke; it is opened again");
                    counter!("countersign_genesys_channel_breaks_total").increment(1);
                    backoff(failures)
                }
            };
            failures = failures.saturating_add(1);
            sleep(wait).await;
        }
    }

    /// A channel of our own, with our topics, connected.
    async fn open(&self) -> Result<Socket, Fault> {
        let channels = "/api/v2/notifications/channels";
        let channel = self.parts.client.ask(Method::POST, channels, Some(&json!({}))).await?;
        let text = |field: &str| channel.get(field).and_then(Value::as_str);
        let (Some(id), Some(uri)) = (text("id"), text("connectUri")) else {
            return Err(Fault::Down("a channel without id and connectUri".to_owned()));
        };
        let path = format!("{channels}/{}/subscriptions", escaped(id));
        let subscribed = self.parts.client.ask(Method::PUT, &path, Some(&self.topics())).await?;
        let rejected = subscribed["entities"].as_array().into_iter().flatten();
        let rejected = rejected.filter(|topic| topic["state"] == "Rejected").count();
        if rejected > 0 {
            warn!(
                rejected,
                "Genesys Cloud does not let us follow all queues and users; see to the OAuth client's roles"
            );
        }
        let connected = timeout(CONNECT, socket::connect(uri)).await;
        connected.map_err(|_| Fault::Down("timeout".to_owned()))?
    }

    fn topics(&self) -> Value {
        let topic = |kind: &str, id: &String| json!({ "id": format!("v2.{kind}.{id}.conversations.calls") });
        let Cloud { users, queues, .. } = &self.parts.cloud;
        let queues = queues.iter().map(|id| topic("routing.queues", id));
        queues.chain(users.iter().map(|id| topic("users", id))).collect()
    }

    /// Reads one connection to its end, and looks at all live calls meanwhile.
    async fn listen(&self, mut socket: Socket, lanes: &[mpsc::Sender<Conversation>]) -> Ended {
        let silence = self.parts.cloud.silence;
        let renew = sleep(RENEW);
        let look = self.look(lanes);
        let mut ping = tokio::time::interval(silence / 3);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut heard, mut looked) = (Instant::now(), false);
        tokio::pin!(renew, look);
        loop {
            tokio::select! {
                () = &mut renew => return Ended::Planned,
                () = &mut look, if !looked => looked = true,
                _ = ping.tick() => {
                    if heard.elapsed() > silence {
                        return Ended::Broken("silence".to_owned());
                    }
                    let ping = json!({ "message": "ping" }).to_string();
                    let sent = timeout(silence, socket.send(Message::text(ping))).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return Ended::Broken("nothing can be sent".to_owned());
                    }
                }
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => {
                        heard = Instant::now();
                        if self.heard(text.as_str(), lanes).await {
                            return Ended::Planned;
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => {
                        return Ended::Broken("closed by Genesys Cloud".to_owned());
                    }
                    Some(Ok(_)) => heard = Instant::now(),
                    Some(Err(_)) => return Ended::Broken("the connection broke".to_owned()),
                },
            }
        }
    }

    /// One frame; `true`: the connection is about to be closed.
    async fn heard(&self, text: &str, lanes: &[mpsc::Sender<Conversation>]) -> bool {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return false };
        let topic = frame["topicName"].as_str().unwrap_or_default();
        if topic == "v2.system.socket_closing" {
            return true;
        }
        if topic.ends_with(".conversations.calls")
            && let Some(conversation) = Conversation::read(&frame["eventBody"])
        {
            self.into_lane(conversation, lanes).await;
        }
        false
    }

    async fn into_lane(&self, conversation: Conversation, lanes: &[mpsc::Sender<Conversation>]) {
        // Most conversations of a queue may be none of ours.
        if !self.parts.calls.has(&conversation.id) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        conversation.id.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        if let Some(lane) = lanes.get(lane) {
            // Lanes end with the daemon.
            let _ = lane.send(conversation).await;
        }
    }

    /// Nothing is replayed: how every live call stands is asked for.
    async fn look(&self, lanes: &[mpsc::Sender<Conversation>]) {
        let live = stream::iter(self.parts.states.live());
        live.for_each_concurrent(LOOKS, |named| async move {
            for tries in 0..3 {
                let path = format!("/api/v2/conversations/calls/{}", escaped(named.as_str()));
                match self.parts.client.ask(Method::GET, &path, None).await {
                    Ok(body) => {
                        if let Some(conversation) = Conversation::read(&body) {
                            self.into_lane(conversation, lanes).await;
                        }
                        return;
                    }
                    Err(Fault::NotFound | Fault::Refused(_)) => return,
                    Err(Fault::Busy(wait)) => sleep(wait).await,
                    Err(_) => sleep(backoff(tries)).await,
                }
            }
        })
        .await;
    }

    /// Tells the states of its conversations, in the order in which they came.
    async fn lane(&self, mut states: mpsc::Receiver<Conversation>) {
        let mut known: HashMap<String, Known> = HashMap::new();
        while let Some(conversation) = states.recv().await {
            let names = self.names(&conversation).await;
            let before = known.get(&conversation.id).cloned().unwrap_or_default();
            let mut after = before.clone();
            let news = conversation.news(&mut after, &names, (self.parts.clock)());
            let told = news.is_empty() || self.parts.calls.publish(news).await;
            counter!("countersign_genesys_states_total").increment(1);
            if conversation.is_over() && told {
                known.remove(&conversation.id);
            } else {
                // What was not taken is told again with the next state.
                known.insert(conversation.id, if told { after } else { before });
            }
            if known.len() > KNOWN_MAX {
                known.retain(|id, _| self.parts.calls.has(id));
            }
        }
    }

    /// What the users of a conversation are called in tokens.
    async fn names(&self, conversation: &Conversation) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for user in conversation.users() {
            let name = match self.parts.cloud.agents {
                AgentsBy::Id => Some(user.to_owned()),
                AgentsBy::Email => self.name(user, "email").await,
                AgentsBy::Username => self.name(user, "username").await,
            };
            names.extend(name.map(|name| (user.to_owned(), name)));
        }
        names
    }

    async fn name(&self, user: &str, field: &str) -> Option<String> {
        let kept = || self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = kept().get(user) {
            return Some(name.clone());
        }
        let path = format!("/api/v2/users/{}", escaped(user));
        let asked = self.parts.client.ask(Method::GET, &path, None).await;
        let found =
            asked.inspect_err(|why| warn!(%why, "a user of Genesys Cloud has no name here"));
        let name = found.ok()?.get(field)?.as_str()?.to_owned();
        let mut names = kept();
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(user.to_owned(), name.clone());
        Some(name)
    }
}
