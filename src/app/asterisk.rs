//! Puts the Asterisk adapter together: its door, its connections, its lines of `/readyz`.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::error::ApiError;
use crate::api::health::Check;
use crate::api::health::Readiness;
use crate::api::pin_public::forwarded;
use crate::api::server::Peer;
use crate::app::nodes::Nodes;
use crate::app::nodes::holding::Holder;
use crate::app::reception::Reception;
use crate::app::rules;
use crate::config::Config;
use crate::config::asterisk::Asterisk as Settings;
use crate::config::asterisk::Mode;
use crate::engine::clock::Clock;
use crate::files;
use crate::lifecycle::Stops;
use crate::model::digits::SecretText;
use crate::platform::Entry;
use crate::platform::asterisk::AsteriskParts;
use crate::platform::asterisk::Asterisks;
use crate::platform::asterisk::dial;
use crate::platform::asterisk::door::Door;
use crate::platform::asterisk::door::NoEntry;
use crate::sip::network::Network;

/// How often it is looked which node connects.
const CHOSEN_EVERY: Duration = Duration::from_millis(500);

/// The name by which calls of Asterisk go.
pub(super) const PLATFORM: &str = "asterisk";

/// The adapter as configured; none: there is no `[asterisk]`. Nothing is connected yet.
pub(super) fn asterisks(
    config: &Config,
    reception: &Arc<Reception>,
    clock: Clock,
    tasks: &TaskTracker,
    stops: &Stops,
    nodes: Option<&Arc<Nodes>>,
) -> anyhow::Result<Option<Arc<Asterisks>>> {
    let Some(settings) = config.asterisk.clone() else { return Ok(None) };
    let elsewhere = nodes.cloned();
    let (choice, chosen) = watch::channel(nodes.is_none());
    tasks.spawn(choose(nodes.cloned(), choice, settings.app.clone(), stops.sockets.clone()));
    let parts = AsteriskParts {
        password: password(&settings)?,
        settings,
        entry: Arc::clone(reception) as Arc<dyn Entry>,
        rules: rules(config),
        clock,
        tasks: tasks.clone(),
        drain: stops.drain.clone(),
        stop: stops.sockets.clone(),
        chosen,
        elsewhere: Box::new(move |channel| {
            elsewhere.as_ref().is_some_and(|nodes| nodes.is_elsewhere(channel))
        }),
    };
    Ok(Some(Asterisks::new(parts, PLATFORM.parse()?)))
}

/// Of several nodes one connects to Asterisk: a second client would take the application away from it.
async fn choose(
    nodes: Option<Arc<Nodes>>,
    choice: watch::Sender<bool>,
    app: String,
    stop: CancellationToken,
) {
    let Some(nodes) = nodes else { return stop.cancelled().await };
    let mut turns = tokio::time::interval(CHOSEN_EVERY);
    let mut holder = Holder::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = turns.tick() => {}
        }
        let chosen = nodes.holds(&app, &mut holder).await;
        choice.send_if_modified(|was| std::mem::replace(was, chosen) != chosen);
    }
}

/// Begins to connect, where it is we who connect.
pub(super) fn dial(config: &Config, asterisks: Option<&Arc<Asterisks>>) -> anyhow::Result<()> {
    if let (Some(asterisks), Some(settings)) = (asterisks, &config.asterisk)
        && let Mode::Inbound { servers, ca_file } = &settings.mode
    {
        asterisks.dial(servers, ca_file.as_deref()).context("asterisk.url")?;
    }
    Ok(())
}

/// `GET /v1/ari`, where Asterisk connects to us.
pub(super) fn routes(config: &Config, asterisks: Option<&Arc<Asterisks>>) -> Router {
    let outbound = config.asterisk.as_ref().is_some_and(|set| set.mode == Mode::Outbound);
    match asterisks.filter(|_| outbound) {
        None => Router::new(),
        Some(asterisks) => {
            let proxies = config.http.proxies.clone();
            let door = Arc::new(Knocked { door: Door::new(asterisks), proxies });
            Router::new().route("/v1/ari", get(knock)).with_state(door)
        }
    }
}

/// The door, and whose word on who stands behind them is taken.
struct Knocked {
    door: Arc<Door>,
    proxies: Vec<Network>,
}

async fn knock(State(at): State<Arc<Knocked>>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    // Wrong passwords are counted by their source: behind a proxy all have the proxy's address.
    let known = at.proxies.iter().any(|proxy| proxy.contains(peer));
    let behind = known.then(|| forwarded(request.headers())).flatten();
    match at.door.upgrade(request, behind.unwrap_or(peer)) {
        Ok(response) => response,
        Err(why) => refused(why),
    }
}

fn refused(why: NoEntry) -> Response {
    let (status, code) = match why {
        NoEntry::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        NoEntry::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        NoEntry::NotWebSocket => (StatusCode::UPGRADE_REQUIRED, "websocket_required"),
        NoEntry::NoProtocol => (StatusCode::BAD_REQUEST, "subprotocol_required"),
        NoEntry::Full => (StatusCode::SERVICE_UNAVAILABLE, "too_many_connections"),
        NoEntry::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let mut error = ApiError::new(status, code, why.to_string());
    error.retry_after = (why == NoEntry::TooMany).then_some(60);
    let mut response = error.into_response();
    if why == NoEntry::Unauthenticated {
        let basic = HeaderValue::from_static("Basic realm=\"Countersign ARI\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    }
    response
}

fn password(settings: &Settings) -> anyhow::Result<SecretText> {
    let text = files::text(&settings.password_file).context("asterisk.password_file")?;
    let password = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(
        !password.is_empty(),
        "asterisk.password_file: {} is empty; put the password of the ARI user there",
        settings.password_file.display()
    );
    Ok(SecretText::new(password.to_owned()))
}

/// Reaches the configured Asterisks, for `countersign check`; one line each.
pub async fn reach(settings: &Settings) -> Vec<(String, Result<(), String>)> {
    let password = match password(settings) {
        Ok(password) => password,
        Err(error) => return vec![("asterisk".to_owned(), Err(format!("{error:#}")))],
    };
    let Mode::Inbound { servers, ca_file } = &settings.mode else {
        return vec![("Asterisk connects to GET /v1/ari".to_owned(), Ok(()))];
    };
    let mut reached = vec![];
    for url in servers {
        let answer = dial::reach(url, settings, &password, ca_file.as_deref()).await;
        reached.push((url.authority(), answer.map_err(|error| error.to_string())));
    }
    reached
}

/// The backends, and the Asterisks beside them.
pub(super) struct WithAsterisk {
    pub(super) others: Arc<dyn Readiness>,
    pub(super) asterisks: Option<Arc<Asterisks>>,
}

#[async_trait]
impl Readiness for WithAsterisk {
    async fn checks(&self) -> Vec<Check> {
        let mut checks = self.others.checks().await;
        let Some(asterisks) = &self.asterisks else { return checks };
        let states = asterisks.states();
        if states.is_empty() {
            checks.push(Check {
                name: PLATFORM.into(),
                ok: false,
                vital: false,
                since: None,
                effect: "no Asterisk has connected to GET /v1/ari yet".into(),
            });
        }
        checks.extend(states.into_iter().map(|state| Check {
            name: format!("{PLATFORM} {}", state.name),
            ok: state.connected || state.elsewhere,
            vital: false,
            since: Some(state.since),
            effect: if state.elsewhere {
                "another node has the application; this one takes over when that is gone".to_owned()
            } else if state.connected {
                format!("its callers are checked; {} are with us", state.channels)
            } else {
                format!(
                    "its dialplan gets STASISSTATUS=FAILED and passes callers on unchecked, {} callers wait: {}",
                    state.channels, state.why
                )
            },
        }));
        checks
    }
}
