//! Genesys Cloud's Audio Connector: `AudioHook` version 2, where Genesys connects to us and forks a caller's
//! sound and keys while its flow waits.
//!
//! ```text
//!  GET /v1/audiohook/NAME ─> signature.rs ─> nonce ─> socket.rs ⇄ session.rs (pure) ─> playing.rs (pure)
//!                              (pure)                    │  ^
//!                       arriving.rs (pure) <─ open ──────'  '── wishes <── conversation.rs <── call
//! ```

pub(crate) mod arriving;
mod conversation;
pub(crate) mod playing;
pub(crate) mod session;
pub mod signature;
mod socket;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use tracing::warn;
use zeroize::Zeroizing;

use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::engine::CallHandle;
use crate::engine::clock::Clock;
use crate::model::ids::NotAName;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::TrunkName;
use crate::platform::Entry;
use crate::platform::Refused;
use crate::platform::arrival::Rules;
use crate::platform::arrival::Translated;
use crate::platform::arrival::translate;
use crate::platform::audiohook::conversation::AudioHookLeg;
use crate::platform::audiohook::conversation::Conversation;
use crate::platform::audiohook::conversation::Conversations;
use crate::platform::audiohook::conversation::Turn;
use crate::platform::audiohook::session::Wish;
use crate::platform::audiohook::signature::Handshake;
use crate::platform::audiohook::signature::Keys;
use crate::platform::audiohook::signature::Verified;
use crate::platform::audiohook::signature::Why;
use crate::platform::http::Platforms;
use crate::rtp::prompt::PromptPack;
use crate::sessions::Sessions;
use crate::sessions::memory::MemorySessions;
use crate::sockets::accepted;
use crate::wire::audiohook::Open;

/// The platform's word for itself in records and on desktops.
pub const PLATFORM: &str = "genesys";
/// Whoever is refused hears it so long after asking, whatever the reason.
const REFUSED_AFTER: Duration = Duration::from_millis(500);
/// Refusals that wait for their time at once, of one peer and of all.
const REFUSALS_OF_PEER: usize = 32;
const REFUSALS: usize = 1024;
/// A nonce is remembered for longer than its signature is good.
const NONCE_TTL: Duration = Duration::from_secs(15);

/// One connector: whom its address is for.
pub struct Connector {
    /// `X-API-KEY`.
    pub api_key: Zeroizing<String>,
    /// The client secret; none: unsigned requests are let in.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// The profile of its calls.
    pub policy: Option<String>,
    /// Whose word its numbers are.
    pub trunk: Option<TrunkName>,
}

/// What [`AudioHooks`] is put together from.
pub struct Parts {
    /// Where calls go.
    pub entry: Arc<dyn Entry>,
    /// Calls that began by directive, in which a socket can take the word.
    pub platforms: Arc<Platforms>,
    /// What arrivals mean.
    pub rules: Rules,
    /// `[audiohook.connectors.*]`.
    pub connectors: BTreeMap<String, Connector>,
    /// Sockets at once.
    pub sessions_max: usize,
    /// Where nonces are remembered.
    pub nonces: Arc<dyn Sessions>,
    /// The phrases.
    pub prompts: Arc<PromptPack>,
    /// The clocks.
    pub clock: Clock,
    /// Where socket tasks run.
    pub tasks: TaskTracker,
    /// Cancelled when no new calls are taken.
    pub draining: CancellationToken,
    /// The hard stop.
    pub stop: CancellationToken,
}

/// All connectors.
pub struct AudioHooks {
    entry: Arc<dyn Entry>,
    platforms: Arc<Platforms>,
    rules: Rules,
    connectors: BTreeMap<String, Arc<Connector>>,
    nonces: Arc<dyn Sessions>,
    /// The same in this process: where the store does not answer, calls go on.
    own_nonces: MemorySessions,
    prompts: Arc<PromptPack>,
    platform: PlatformName,
    conversations: Arc<Conversations>,
    places: Arc<Semaphore>,
    sessions_max: usize,
    refusals: Mutex<HashMap<IpAddr, usize>>,
    /// What requests for connectors that are not there are checked with.
    nobodys_secret: Zeroizing<[u8; 32]>,
    clock: Clock,
    tasks: TaskTracker,
    draining: CancellationToken,
    stop: CancellationToken,
}

/// Why a request did not become a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoSession {
    /// A plain HTTP request, or another version of WebSocket.
    #[error("this address speaks WebSocket version 13; connect with a WebSocket client")]
    NotWebSocket,
    /// It is not the client's; which way is nobody's business.
    #[error("sign the handshake with the API key and the client secret of this connector")]
    Unauthorized,
    /// All places are taken, or too many are being refused.
    #[error("no place for another session; try again later")]
    Full,
    /// The daemon is going away.
    #[error("the daemon is going away; try another node or again later")]
    Draining,
}

impl AudioHooks {
    /// Connectors over these parts.
    pub fn new(parts: Parts) -> Result<Arc<Self>, NotAName> {
        let clock = parts.clock;
        let connectors = parts.connectors.into_iter();
        let places = parts.sessions_max.min(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            entry: parts.entry,
            platforms: parts.platforms,
            rules: parts.rules,
            connectors: connectors.map(|(name, connector)| (name, Arc::new(connector))).collect(),
            nonces: parts.nonces,
            own_nonces: MemorySessions::new(0, Arc::new(move || clock.wall())),
            prompts: parts.prompts,
            platform: PLATFORM.parse()?,
            conversations: Arc::default(),
            places: Arc::new(Semaphore::new(places)),
            sessions_max: places,
            refusals: Mutex::default(),
            nobodys_secret: Zeroizing::new(rand::random()),
            clock,
            tasks: parts.tasks,
            draining: parts.draining,
            stop: parts.stop,
        }))
    }

    /// Sessions that stand.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.sessions_max.saturating_sub(self.places.available_permits())
    }

    /// Turns a request into a session, or says why not. `peer` is where it came from.
    pub async fn upgrade(
        self: &Arc<Self>,
        connector: &str,
        peer: IpAddr,
        mut request: Request,
    ) -> Result<Response, NoSession> {
        let came = Instant::now();
        let response = accepted(request.headers(), None).ok_or(NoSession::NotWebSocket)?;
        let known = self.connectors.get(connector);
        let verified = match self.verify(known.map(|known| &**known), &request) {
            Ok(verified) => self.first_time(verified).await,
            Err(why) => Err(why),
        };
        let (who, connector) = match (verified, known) {
            (Ok(who), Some(connector)) => (who, Arc::clone(connector)),
            (Ok(_), None) => return self.refuse(Why::UnknownKey, came, peer).await,
            (Err(why), _) => return self.refuse(why, came, peer).await,
        };
        if self.draining.is_cancelled() {
            return Err(NoSession::Draining);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let Ok(place) = place else {
            counter!("countersign_shed_total", "reason" => "audiohook_sessions").increment(1);
            return Err(NoSession::Full);
        };
        let upgrade = hyper::upgrade::on(&mut request);
        self.tasks.spawn(socket::attend(Arc::clone(self), connector, upgrade, who, place));
        Ok(response)
    }

    fn verify(&self, connector: Option<&Connector>, request: &Request) -> Result<Verified, Why> {
        let headers = request.headers();
        let header = |name: &str| {
            headers.get_all(name).iter().map(axum::http::HeaderValue::as_bytes).collect()
        };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let handshake = Handshake { target, header: &header, now: self.clock.wall() };
        let keys = if let Some(Connector { api_key, secret, .. }) = connector {
            Keys {
                api_key: api_key.as_bytes(),
                secret: secret.as_ref().map(|secret| secret.as_slice()),
                known: true,
            }
        } else {
            let secret = &self.nobodys_secret[..];
            Keys { api_key: secret, secret: Some(secret), known: false }
        };
        signature::verify(&handshake, &keys)
    }

    /// A handshake is good once, at whichever node it comes first. Where the nodes' store does not
    /// answer, each node remembers for itself: callers are not turned away for it.
    async fn first_time(&self, verified: Verified) -> Result<Verified, Why> {
        let Some(nonce) = &verified.nonce else { return Ok(verified) };
        let here = self.own_nonces.once(nonce, NONCE_TTL).await.unwrap_or(false);
        let elsewhere = self.nonces.once(nonce, NONCE_TTL).await.unwrap_or_else(|error| {
            warn!(%error, "handshakes are remembered by this node alone");
            true
        });
        if here && elsewhere { Ok(verified) } else { Err(Why::Replayed) }
    }

    /// All refusals look alike, and come at the same time after the request.
    async fn refuse(&self, why: Why, came: Instant, peer: IpAddr) -> Result<Response, NoSession> {
        counter!("countersign_audiohook_refused_total", "reason" => why.word()).increment(1);
        let Some(_waiting) = Waiting::take(&self.refusals, peer) else {
            return Err(NoSession::Full);
        };
        debug!(reason = why.word(), "handshake refused");
        sleep_until(came + REFUSED_AFTER).await;
        Err(NoSession::Unauthorized)
    }

    /// A caller is there: a new call, or one that goes on. `None`: it cannot be taken.
    async fn begin(
        &self,
        open: &Open,
        connector: &Connector,
        wishes: mpsc::Sender<Wish>,
    ) -> Option<(Arc<Conversation>, Turn)> {
        let name: PlatformCallId = open.conversation.parse().ok()?;
        let conversation = self.conversations.get_or(&name);
        let _coming = conversation.coming.lock().await;
        if !conversation.belongs_to(&connector.api_key) {
            return None;
        }
        if let Some(call) = conversation.call() {
            return Some((Arc::clone(&conversation), join(&conversation, call, wishes).await));
        }
        // The word is given first: the call may want something before its handle is here.
        let turn = conversation.speaks_through(wishes);
        let leg = || {
            Box::new(AudioHookLeg {
                conversation: Arc::clone(&conversation),
                conversations: Arc::clone(&self.conversations),
                prompts: Arc::clone(&self.prompts),
            })
        };
        if self.platforms.holds_caller(&name, &self.platform) {
            let call = self.platforms.attach(&self.platform, &name, leg())?;
            conversation.begun(call.clone());
            let _ = call.deliver(Input::Event(CallEvent::LegBack)).await;
        } else if let Some(call) = self.entry.find(&self.platform, &name) {
            // The machine has done with this caller: the flow hears what came of it.
            self.conversations.remove(&conversation);
            conversation.lets_go(call);
        } else {
            let call = self.new_call(&name, open, connector, leg())?;
            conversation.begun(call);
        }
        Some((Arc::clone(&conversation), turn))
    }

    fn new_call(
        &self,
        name: &PlatformCallId,
        open: &Open,
        connector: &Connector,
        leg: Box<AudioHookLeg>,
    ) -> Option<CallHandle> {
        if self.draining.is_cancelled() {
            return None;
        }
        let arrival = arriving::arrival(open, connector.trunk.as_ref());
        let Translated { delivered, policy } =
            translate(self.platform.clone(), name.clone(), arrival, &self.rules)?;
        let policy = connector.policy.as_deref().or(policy.as_deref());
        let begun = self.entry.delivered(delivered, policy, leg);
        begun.map_err(|Refused| debug!("no further call can be taken")).ok()
    }
}

/// Another socket for a conversation that has its call.
async fn join(
    conversation: &Arc<Conversation>,
    call: &CallHandle,
    wishes: mpsc::Sender<Wish>,
) -> Turn {
    if !conversation.with_machine() {
        // The machine has done with this caller: the flow hears the same again.
        let _ = wishes.try_send(Wish::LetGo(conversation.outputs()));
        return Turn::NEVER;
    }
    let turn = conversation.speaks_through(wishes);
    let _ = call.deliver(Input::Event(CallEvent::LegBack)).await;
    turn
}

/// One refusal that waits for its time.
struct Waiting<'a> {
    all: &'a Mutex<HashMap<IpAddr, usize>>,
    peer: IpAddr,
}

impl<'a> Waiting<'a> {
    fn take(all: &'a Mutex<HashMap<IpAddr, usize>>, peer: IpAddr) -> Option<Self> {
        let mut waiting = all.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.values().sum::<usize>() >= REFUSALS {
            return None;
        }
        let of_peer = waiting.entry(peer).or_default();
        if *of_peer >= REFUSALS_OF_PEER {
            return None;
        }
        *of_peer += 1;
        Some(Self { all, peer })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_peer) = waiting.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
            if *of_peer == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}
