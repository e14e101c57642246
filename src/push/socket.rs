//! The desktops' door: limits, and the upgrade of a request to a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::push::Desk;
use crate::push::Doorkeeper;
use crate::push::conversation;
use crate::push::hub::Hub;
use crate::push::session::SessionLimits;
use crate::sockets::accepted;
use crate::sockets::names;

/// The subprotocol of contract §6.
pub const PROTOCOL: &str = "countersign.v1";

/// Limits of all desktops together and of each socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DesktopLimits {
    /// Sockets at once; one more is told 503.
    pub desktops_max: usize,
    /// The largest frame a desktop may send.
    pub frame_max: usize,
    /// How long a frame to a desktop may take to leave.
    pub write_within: Duration,
    /// How long a request of a desktop may take.
    pub answer_within: Duration,
    /// Limits of the conversation.
    pub session: SessionLimits,
}

impl Default for DesktopLimits {
    fn default() -> Self {
        Self {
            desktops_max: 20_000,
            frame_max: 16 * 1024,
            write_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(10),
            session: SessionLimits::default(),
        }
    }
}

/// What all desktop sockets share.
pub struct Desktops {
    pub(crate) hub: Arc<Hub>,
    pub(crate) doorkeeper: Arc<dyn Doorkeeper>,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) origins: Vec<String>,
    pub(crate) limits: DesktopLimits,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) started: Instant,
}

/// What [`Desktops`] is put together from.
pub struct DesktopParts {
    /// Where states come from.
    pub hub: Arc<Hub>,
    /// Checks tokens.
    pub doorkeeper: Arc<dyn Doorkeeper>,
    /// Carries requests out.
    pub desk: Arc<dyn Desk>,
    /// Origins beside our own that may open a desktop, as `https://host[:port]`.
    pub origins: Vec<String>,
    /// The limits.
    pub limits: DesktopLimits,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where socket tasks run.
    pub tasks: TaskTracker,
    /// Says that desktops are to go: `bye`, then close code 1001.
    pub stop: CancellationToken,
}

/// Why a request did not become a desktop's socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoUpgrade {
    /// A plain HTTP request, or another version of WebSocket.
    #[error("this address speaks WebSocket version 13; connect with a WebSocket client")]
    NotWebSocket,
    /// The subprotocol was not offered.
    #[error("offer the subprotocol countersign.v1")]
    NoProtocol,
    /// A page of another origin opened it.
    #[error("this origin may not open a desktop; add it to http.allowed_origins")]
    ForeignOrigin,
    /// All places are taken.
    #[error("no place for another desktop; try again later")]
    Full,
    /// The daemon is going away.
    #[error("the daemon is going away; try another node or again later")]
    Draining,
}

impl NoUpgrade {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::NoProtocol => StatusCode::BAD_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Full | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWebSocket => "websocket_required",
            Self::NoProtocol => "subprotocol_required",
            Self::ForeignOrigin => "foreign_origin",
            Self::Full => "too_many_desktops",
            Self::Draining => "draining",
        }
    }
}

impl Desktops {
    /// Desktops over these parts.
    #[must_use]
    pub fn new(parts: DesktopParts) -> Arc<Self> {
        let DesktopParts { hub, doorkeeper, desk, origins, limits, clock, tasks, stop } = parts;
        let places = Arc::new(Semaphore::new(limits.desktops_max.min(Semaphore::MAX_PERMITS)));
        let started = Instant::now();
        Arc::new(Self {
            hub,
            doorkeeper,
            desk,
            origins,
            limits,
            clock,
            tasks,
            stop,
            places,
            started,
        })
    }

    /// The hub behind them.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Turns a request into a desktop's socket, or says why not.
    pub fn upgrade(self: &Arc<Self>, mut request: Request) -> Result<Response, NoUpgrade> {
        let headers = request.headers();
        let response = accepted(headers, Some(PROTOCOL)).ok_or(NoUpgrade::NotWebSocket)?;
        if !origin_allowed(headers, request.uri().host(), &self.origins) {
            return Err(NoUpgrade::ForeignOrigin);
        }
        if !names(headers, header::SEC_WEBSOCKET_PROTOCOL, |name| name == PROTOCOL) {
            return Err(NoUpgrade::NoProtocol);
        }
        if self.stop.is_cancelled() {
            return Err(NoUpgrade::Draining);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoUpgrade::Full)?;

        let upgrade = hyper::upgrade::on(&mut request);
        self.tasks.spawn(conversation::attend(Arc::clone(self), upgrade, place));
        Ok(response)
    }

    pub(crate) fn now(&self) -> Now {
        Now { up: Uptime(self.started.elapsed()), wall: (self.clock)() }
    }
}

/// No Origin is no browser. A browser's must be the host it talks to, or one of the list (P13).
fn origin_allowed(headers: &HeaderMap, uri_host: Option<&str>, listed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return headers.get(header::ORIGIN).is_none();
    };
    let Ok(origin) = origin.to_str() else { return false };
    if listed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri_host);
    matches!(scheme, "http" | "https")
        && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}
