//! Outbound mode: Asterisk connects to us. Who may, how many, and how often somebody may guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use metrics::counter;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tracing::warn;
use zeroize::Zeroizing;

use crate::platform::asterisk::Asterisks;
use crate::platform::asterisk::server::Server;
use crate::platform::asterisk::socket::Whose;
use crate::platform::asterisk::socket::attend;
use crate::platform::asterisk::socket::limits;
use crate::sockets::accepted;
use crate::sockets::names;
use crate::wire::ari::SUBPROTOCOL;

/// Connections at once; Asterisk needs one each, and one more for a moment when it comes back.
const CONNECTIONS_MAX: usize = 128;
/// Wrong passwords from one address within this time.
const WRONG_MAX: u32 = 10;
const WRONG_WITHIN: Duration = Duration::from_mins(1);
/// Addresses whose wrong passwords are counted.
const SOURCES_MAX: usize = 4096;

/// Where Asterisk knocks.
pub struct Door {
    asterisks: Arc<Asterisks>,
    expected: [u8; 32],
    places: Arc<Semaphore>,
    wrong: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

/// Why a request did not become a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoEntry {
    /// Not the user, or not the password.
    #[error(
        "compare username and password in websocket_client.conf with asterisk.username and the file asterisk.password_file names"
    )]
    Unauthenticated,
    /// Too many wrong ones from there.
    #[error("too many wrong passwords from this address; try again in a minute")]
    TooMany,
    /// A plain HTTP request.
    #[error("this address speaks WebSocket version 13; let Asterisk connect (docs/asterisk.md)")]
    NotWebSocket,
    /// The subprotocol was not offered.
    #[error("offer the subprotocol ari: protocols = ari in websocket_client.conf")]
    NoProtocol,
    /// All places are taken.
    #[error("no place for another connection; try again later")]
    Full,
    /// The daemon is going away.
    #[error("the daemon is going away; try another node or again later")]
    Draining,
}

impl Door {
    /// The door of these Asterisks.
    #[must_use]
    pub fn new(asterisks: &Arc<Asterisks>) -> Arc<Self> {
        let shared = &asterisks.shared;
        let expected =
            digest(shared.settings.username.as_bytes(), shared.password.expose().as_bytes());
        Arc::new(Self {
            asterisks: Arc::clone(asterisks),
            expected,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            wrong: Mutex::default(),
        })
    }

    /// Turns a request into a connection of an Asterisk, or says why not.
    pub fn upgrade(&self, mut request: Request, peer: IpAddr) -> Result<Response, NoEntry> {
        self.admits(request.headers(), peer)?;
        let headers = request.headers();
        let response = accepted(headers, Some(SUBPROTOCOL)).ok_or(NoEntry::NotWebSocket)?;
        if !names(headers, header::SEC_WEBSOCKET_PROTOCOL, |name| name == SUBPROTOCOL) {
            return Err(NoEntry::NoProtocol);
        }
        let shared = &self.asterisks.shared;
        if shared.drain.is_cancelled() {
            return Err(NoEntry::Draining);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoEntry::Full)?;
        let upgrade = hyper::upgrade::on(&mut request);
        shared.tasks.spawn(talk(Arc::clone(&self.asterisks), upgrade, peer, place));
        Ok(response)
    }

    fn admits(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), NoEntry> {
        let now = Instant::now();
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = wrong.get(&peer).filter(|(_, since)| now - *since < WRONG_WITHIN).copied();
        if counted.is_some_and(|(count, _)| count >= WRONG_MAX) {
            return Err(NoEntry::TooMany);
        }
        if self.is_known(headers) {
            return Ok(());
        }
        counter!("countersign_shed_total", "reason" => "ari_password").increment(1);
        if wrong.len() >= SOURCES_MAX {
            wrong.retain(|_, (_, since)| now - *since < WRONG_WITHIN);
        }
        let (count, since) = counted.unwrap_or((0, now));
        if count == 0 {
            warn!(%peer, "somebody who is not our Asterisk wants to speak ARI");
        }
        if wrong.len() < SOURCES_MAX || counted.is_some() {
            wrong.insert(peer, (count + 1, since));
        }
        Err(NoEntry::Unauthenticated)
    }

    /// Compared as digests of equal length, in constant time.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|value| value.split_first_chunk::<6>());
        let decoded = given
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Basic "))
            .and_then(|(_, given)| STANDARD.decode(given.trim_ascii()).ok());
        let decoded = Zeroizing::new(decoded.unwrap_or_default());
        let at = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
        let (user, password) = decoded.split_at(at);
        let given = digest(user, password.get(1..).unwrap_or_default());
        given.ct_eq(&self.expected).into()
    }
}

fn digest(user: &[u8], password: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(user));
    hash.update(Sha256::digest(password));
    hash.finalize().into()
}

/// Which Asterisk it is shows with its first frame.
struct Outbound {
    asterisks: Arc<Asterisks>,
    peer: IpAddr,
}

impl Whose for Outbound {
    fn known(&self) -> Option<Arc<Server>> {
        None
    }

    fn server(&self, asterisk: Option<&str>) -> Option<Arc<Server>> {
        let name = asterisk.map_or_else(|| self.peer.to_string(), str::to_owned);
        let shared = &self.asterisks.shared;
        let app = shared.settings.app.clone();
        let new = || Arc::new(Server::new(name.clone(), app, Arc::clone(shared), None));
        let server = self.asterisks.server(&name, new);
        if server.is_none() {
            warn!(asterisk = %name, "there are too many Asterisks; this one is not served");
        }
        server
    }
}

async fn talk(
    asterisks: Arc<Asterisks>,
    upgrade: OnUpgrade,
    peer: IpAddr,
    place: OwnedSemaphorePermit,
) {
    let Ok(Ok(upgraded)) = timeout(Duration::from_secs(10), upgrade).await else { return };
    let io = TokioIo::new(upgraded);
    let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits())).await;
    let stop = asterisks.shared.stop.clone();
    attend(ws, Outbound { asterisks, peer }, stop).await;
    drop(place);
}
