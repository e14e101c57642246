//! The asking half: keeps connections to other nodes, and says what is known when nobody answered.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use axum::body::Bytes;
use metrics::counter;
use reqwest::Client;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use rustls::AlertDescription;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use crate::cluster::ASK_MAX;
use crate::cluster::PATH;
use crate::cluster::TOLD_MAX;
use crate::cluster::tls::LinkTls;
use crate::cluster::tls::Loaded;
use crate::cluster::wiped;
use crate::model::ids::NodeId;
use crate::wire::relay::Ask;
use crate::wire::relay::Told;

/// Questions to one peer at a time; further ones wait for a place.
const IN_FLIGHT: usize = 64;
/// The same for REST requests, of which many wait long for a directive: they stand in nobody's way.
const REST_IN_FLIGHT: usize = 256;
/// Connections older than this are let go when their questions are answered, so that certificates are
/// looked at again.
const AGE_MAX: Duration = Duration::from_mins(10);
/// Peers whose places are remembered; beyond that those with nothing in flight are forgotten.
const PEERS_MAX: usize = 256;
/// A peer that has not taken the connection by then does not take it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Idle connections are let go before the other side does so.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept to one peer.
const IDLE_MAX: usize = 16;

/// No answer came, and what that means.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LinkError {
    /// The other node has not seen the question: it may be asked again, there or elsewhere.
    #[error("the node was not asked: {0}")]
    NotSent(&'static str),
    /// The question may have been carried out or not; nobody knows.
    #[error("the node was asked and gave no answer: {0}")]
    NoAnswer(&'static str),
    /// The other node has seen the question and has done nothing about it.
    #[error("the node would not take the question: HTTP {0}")]
    Refused(u16),
}

impl LinkError {
    /// Whether it is certain that nothing was carried out.
    #[must_use]
    pub const fn nothing_done(self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Refused(_))
    }
}

/// Asks other nodes. Cheap to clone; all clones share connections and places.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    tls: LinkTls,
    own: NodeId,
    client: Mutex<Option<Built>>,
    peers: Mutex<HashMap<String, Places>>,
}

/// A client, and what it was made of.
struct Built {
    client: Client,
    generation: u64,
    at: Instant,
}

/// The places of one peer.
struct Places {
    rest: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Places {
    fn new() -> Self {
        let (rest, others) = (Semaphore::new(REST_IN_FLIGHT), Semaphore::new(IN_FLIGHT));
        Self { rest: Arc::new(rest), others: Arc::new(others) }
    }

    fn in_use(&self) -> bool {
        self.rest.available_permits() < REST_IN_FLIGHT
            || self.others.available_permits() < IN_FLIGHT
    }
}

impl Link {
    /// How long a question may take that is about nothing slow.
    pub const WAIT: Duration = Duration::from_secs(3);

    /// A link of this node.
    #[must_use]
    pub fn new(tls: LinkTls, own: NodeId) -> Self {
        let (client, peers) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { tls, own, client, peers }))
    }

    /// Asks the node at `host:port`, and waits as long as this for a place and the answer. What may be
    /// repeated is asked once more when a connection broke.
    pub async fn ask(&self, address: &str, ask: Ask, wait: Duration) -> Result<Told, LinkError> {
        let told = self.told(address, &ask, Instant::now() + wait).await;
        let result = match &told {
            Ok(_) => "answered",
            Err(LinkError::NotSent(_)) => "not_sent",
            Err(LinkError::NoAnswer(_)) => "no_answer",
            Err(LinkError::Refused(_)) => "refused",
        };
        counter!("countersign_node_questions_total", "ask" => ask.word(), "result" => result)
            .increment(1);
        told
    }

    async fn told(&self, address: &str, ask: &Ask, until: Instant) -> Result<Told, LinkError> {
        let url = url(address).ok_or(LinkError::NotSent("its address is no host:port"))?;
        let body = wiped(ask.to_json(&self.0.own));
        if body.len() > ASK_MAX {
            return Err(LinkError::NotSent("the question is too large"));
        }
        let place = timeout_at(until, self.place(address, ask)).await;
        let _place = place.map_err(|_| LinkError::NotSent("too much is asked of it already"))?;
        let mut told = self.once(&url, body.clone(), until).await;
        if told.as_ref().is_err_and(|error| *error == BROKEN) && ask.may_be_repeated() {
            told = self.once(&url, body, until).await;
        }
        told.and_then(|told| {
            let fits = told.fits(ask);
            fits.then_some(told).ok_or(LinkError::NoAnswer("the answer is to another question"))
        })
    }

    async fn once(&self, url: &Url, body: Bytes, until: Instant) -> Result<Told, LinkError> {
        let client = timeout_at(until, self.client()).await;
        let client = client.map_err(|_| LinkError::NotSent("it took too long"))??;
        let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let exchange = async {
            let mut answer = request.send().await.map_err(|error| meaning(&error))?;
            match answer.status().as_u16() {
                200 => {}
                refused @ (400..=499 | 503) => return Err(LinkError::Refused(refused)),
                _ => return Err(LinkError::NoAnswer("it failed")),
            }
            let mut told = Zeroizing::new(Vec::new());
            while let Some(part) = answer.chunk().await.map_err(|_| BROKEN)? {
                if told.len() + part.len() > TOLD_MAX {
                    return Err(LinkError::NoAnswer("the answer is too large"));
                }
                told.extend_from_slice(&part);
            }
            Told::read(&told).map_err(|_| LinkError::NoAnswer("the answer is not readable"))
        };
        timeout_at(until, exchange).await.unwrap_or(Err(LinkError::NoAnswer("it took too long")))
    }

    /// A client with the certificates of now. Older connections end with their questions.
    async fn client(&self) -> Result<Client, LinkError> {
        let loaded = self.0.tls.current().await;
        let now = Instant::now();
        let mut built = lock(&self.0.client);
        let good = built.as_ref().filter(|built| {
            built.generation >= loaded.generation && now.duration_since(built.at) < AGE_MAX
        });
        if let Some(good) = good {
            return Ok(good.client.clone());
        }
        let client = build(&loaded).map_err(|error| {
            tracing::error!(%error, "no client for the link");
            LinkError::NotSent("the certificates cannot be used")
        })?;
        let fresh = Built { client: client.clone(), generation: loaded.generation, at: now };
        *built = Some(fresh);
        Ok(client)
    }

    async fn place(&self, address: &str, ask: &Ask) -> Option<OwnedSemaphorePermit> {
        let places = {
            let mut peers = lock(&self.0.peers);
            if peers.len() >= PEERS_MAX && !peers.contains_key(address) {
                peers.retain(|_, places| places.in_use());
            }
            let of = peers.entry(address.to_owned()).or_insert_with(Places::new);
            Arc::clone(if matches!(ask, Ask::Rest(_)) { &of.rest } else { &of.others })
        };
        places.acquire_owned().await.ok()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("own", &self.0.own).finish_non_exhaustive()
    }
}

const BROKEN: LinkError = LinkError::NoAnswer("the connection broke");

fn build(loaded: &Loaded) -> Result<Client, reqwest::Error> {
    Client::builder()
        .tls_backend_preconfigured(loaded.client.as_ref().clone())
        .https_only(true)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_MAX)
        .build()
}

/// The address of a peer, and nothing that hides in it.
fn url(address: &str) -> Option<Url> {
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let plain = !host.is_empty() && host.chars().all(plain);
    plain.then(|| Url::parse(&format!("https://{host}:{port}{PATH}")).ok())?
}

/// What an error says about the question.
fn meaning(error: &reqwest::Error) -> LinkError {
    if let Some(alert) = alert(error) {
        tracing::warn!(?alert, "another node does not accept this node's certificate");
        return LinkError::NotSent("it does not accept this node's certificate");
    }
    if error.is_connect() && error.is_timeout() {
        return LinkError::NotSent("it did not take the connection in time");
    }
    if error.is_connect() {
        return LinkError::NotSent("no connection");
    }
    BROKEN
}

/// In TLS 1.3 a client may send before it hears that its certificate was refused. Who refuses it has not
/// read what was sent.
fn alert(error: &reqwest::Error) -> Option<AlertDescription> {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = inner.or_else(|| error.downcast_ref()) {
            let about_us = matches!(
                alert,
                AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::CertificateRequired
                    | AlertDescription::UnknownCA
                    | AlertDescription::AccessDenied
                    | AlertDescription::DecryptError
            );
            return about_us.then_some(*alert);
        }
        source = error.source();
    }
    None
}

/// A panic elsewhere leaves what is locked whole: every change of it is complete in itself.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
