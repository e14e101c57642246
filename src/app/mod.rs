//! Composition root: the only file that knows every module. Nothing is bound before everything has
//! been checked.

mod asterisk;
mod audiohook;
mod checkpoints;
pub mod genesys;
mod grpc;
mod nodes;
mod outbound;
mod pins;
mod platforms;
mod prepare;
mod reception;
mod shared;
mod sip;
mod stopping;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::api::ApiLimits;
use crate::api::ApiState;
use crate::api::auth::TokenRules;
use crate::api::auth::Tokens;
use crate::api::elsewhere::Elsewhere;
use crate::api::elsewhere::Others;
use crate::api::health::Readiness;
use crate::api::intake::Intake;
use crate::api::keys::KeySource;
use crate::api::outbound::OutboundParts;
use crate::app::asterisk::WithAsterisk;
pub use crate::app::asterisk::reach as reach_asterisk;
use crate::app::audiohook::audiohook;
use crate::app::checkpoints::Checkpoints;
use crate::app::nodes::Nodes;
use crate::app::nodes::NodesParts;
use crate::app::outbound::OutboundCalls;
use crate::app::pins::alarms;
use crate::app::pins::counted;
use crate::app::pins::pin_desk;
use crate::app::pins::pin_routes;
use crate::app::platforms::platforms;
use crate::app::platforms::rules;
pub use crate::app::prepare::Prepared;
pub use crate::app::prepare::Stores;
pub use crate::app::prepare::prepare;
use crate::app::reception::Reception;
use crate::app::shared::Linked;
use crate::app::shared::link;
use crate::app::shared::live_state;
use crate::app::shared::sessions_health;
use crate::app::sip::listeners;
use crate::app::webhooks::webhook_routes;
use crate::cluster;
use crate::cluster::Host;
use crate::cluster::Link;
use crate::config::Config;
use crate::effects::World;
use crate::effects::guarding::Guard;
use crate::effects::in_app::InApp;
use crate::effects::replies::Replies;
use crate::effects::sharing::Sharing;
use crate::engine::calls::Calls;
use crate::engine::clock::Clock;
use crate::files;
use crate::health::Backends;
use crate::lifecycle;
use crate::lifecycle::Stops;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::outbox::Outbox;
use crate::outbox::Parts;
use crate::pin::links::Links;
use crate::platform::asterisk::Asterisks;
use crate::platform::audiohook::AudioHooks;
use crate::platform::http::Platforms;
use crate::platform::sip::listener::Gauge;
use crate::push::Desk as Desktop;
use crate::push::Doorkeeper;
use crate::push::hub::Hub;
use crate::push::session::SessionLimits;
use crate::push::socket::DesktopLimits;
use crate::push::socket::DesktopParts;
use crate::push::socket::Desktops;
use crate::records::Records;
use crate::sessions::Sessions;
use crate::sessions::shared::Node;
use crate::stats::Shared as Stats;
use crate::telemetry;
use crate::web;

/// Dropped tombstones a desktop may have missed before it gets a whole snapshot.
const TOMBSTONES: usize = 4096;

/// An entry is judged and settled within seconds; one that is open for so long was left.
const OPEN_MAX_MS: u64 = 60_000;
/// How often entries that were left are looked for, and how many are settled at once.
const SWEPT_EVERY: Duration = Duration::from_secs(20);
const SWEPT_AT_ONCE: usize = 256;

/// The calendar, handed to those who may read it.
type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The running daemon.
pub struct Running {
    /// The HTTP address.
    pub http: SocketAddr,
    /// The SIP addresses.
    pub sip: Vec<SocketAddr>,
    /// The gRPC address, where there is one.
    pub grpc: Option<SocketAddr>,
    /// Intents, for the demo's app.
    pub sessions: Arc<dyn Sessions>,
    /// The desktops' view of all calls.
    pub hub: Arc<Hub>,
    /// The clocks.
    pub clock: Clock,
    gauges: Vec<Arc<Gauge>>,
    platforms: Arc<Platforms>,
    asterisks: Option<Arc<Asterisks>>,
    audiohooks: Arc<AudioHooks>,
    nodes: Option<Arc<Nodes>>,
    calls: Calls,
    checkpoints: Arc<Checkpoints>,
    tasks: TaskTracker,
    stops: Stops,
    grace: Duration,
}

/// Starts everything.
#[expect(clippy::too_many_lines, reason = "the composition root: every part once, in order")]
pub async fn start(prepared: Prepared, stores: Stores) -> anyhow::Result<Running> {
    let metrics = telemetry::start_metrics()?;
    let config = prepared.config.clone();
    let (clock, wall) = clocks(&config);
    let (tasks, stops) = (TaskTracker::new(), Stops::default());
    let Stores { records, pins, local_key } = stores;
    let links = pins.links();
    let (sessions, shared) = live_state(&config, &wall, &tasks, &stops).await?;
    let own = NodeId::try_from(format!("{:016x}", rand::random::<u64>()))?;
    let sharing = shared.as_ref().map(|_| Arc::new(Sharing::new(own.clone())));
    let hub = Hub::new(rand::random(), TOMBSTONES);
    let counts = Arc::new(Stats::new(clock.wall()));
    let calls_max = config.sip.max_calls.saturating_mul(4);
    let calls = Calls::new(calls_max, clock, tasks.clone(), stops.calls.clone());
    let world = Arc::new(World {
        records: Arc::clone(&records),
        sessions: Arc::clone(&sessions),
        pins: Arc::clone(&pins),
        hub: Arc::clone(&hub),
        guard: Arc::new(Guard::new(config.limits.clone(), rand::random())),
        clock,
        tasks: tasks.clone(),
        replies: Replies::default(),
        in_app: InApp::default(),
        stats: Arc::clone(&counts),
        sharing: sharing.clone(),
    });
    let (http, http_address) = bind(&config).await?;
    let door = grpc::bind(&config).await?;
    let grpc_address = door.as_ref().map(|door| door.address);
    let link = link(&config).await?;
    let nodes = shared.zip(sharing).map(|(store, sharing)| {
        let address = link.as_ref().map(|link| link.address.clone()).unwrap_or_default();
        let node = Node { id: own.clone(), address };
        let link = link.as_ref().map(|link| Link::new(link.tls.clone(), own));
        let (hub, tasks, stop) = (Arc::clone(&hub), tasks.clone(), stops.sockets.clone());
        let parts = NodesParts { own: node, store, sharing, link, hub, tasks, stop };
        Nodes::new(parts, clock.wall())
    });
    let reception = Arc::new(reception(&prepared, &world, &calls, nodes.clone()));
    let outbox = outbox(&prepared, &records, &wall, links, http_address)?;
    let checkpoints = Arc::new(Checkpoints::new(&prepared, &records, &wall)?);
    let tokens = tokens(&config, &local_key, Arc::clone(&wall)).await?;
    let (sip_addresses, listeners, gauges) =
        listeners(&prepared, &stops, &tasks, clock, &reception)?;

    for listener in listeners {
        tasks.spawn(listener.run());
    }
    let platforms = Arc::new(platforms(&config, &reception, clock, &tasks, &stops));
    let asterisks =
        asterisk::asterisks(&config, &reception, clock, &tasks, &stops, nodes.as_ref())?;
    let ari = asterisk::routes(&config, asterisks.as_ref());
    let (audiohooks, hooked) = audiohook(audiohook::Around {
        prepared: &prepared,
        reception: &reception,
        platforms: &platforms,
        rules: rules(&config),
        sessions: &sessions,
        clock,
        tasks: &tasks,
        stops: &stops,
    })?;
    let desktops = desktops(&config, &hub, &tokens, &reception, (&wall, &tasks, &stops));
    let guard = Arc::clone(&world.guard);
    let elsewhere = nodes.clone().map(|nodes| nodes as Arc<dyn Elsewhere>);
    let outbound = outbound_routes(&config, &tokens, &reception, elsewhere.clone());
    let intake = Intake::new(Arc::clone(&platforms), elsewhere.clone());
    let webhooks = webhook_routes(&prepared, intake, (&wall, &tasks, &stops));
    let desk = pin_desk(&prepared, (&records, &pins), (&wall, &tasks, &stops));
    let maintenance = pin_routes(&config, &tokens, &desk);
    let given = (&platforms, &elsewhere, &tokens, &hub);
    let genesys = genesys::routes(&config, given, (&wall, &tasks, &stops))?;
    let readiness: Arc<dyn Readiness> =
        Arc::new(Backends::new(world, clock, sessions_health(nodes.clone())));
    let readiness = Arc::new(WithAsterisk { others: readiness, asterisks: asterisks.clone() });
    let state = ApiState {
        desktops,
        tokens,
        sessions: Arc::clone(&sessions),
        platforms: Arc::clone(&platforms),
        records,
        readiness,
        metrics: metrics.clone(),
        clock: wall,
        draining: stops.drain.clone(),
        limits: ApiLimits { intent_ttl: config.intents.ttl, ..ApiLimits::default() },
        stats: counts,
        alarms: alarms(guard, Arc::clone(&desk), clock),
        elsewhere,
        counted: counted(&desk),
        pages: web::pages(&config.http.frame_ancestors)
            .merge(outbound)
            .merge(maintenance)
            .merge(hooked)
            .merge(genesys)
            .merge(ari)
            .merge(webhooks),
    };
    archive(&prepared, &*state.records).await?;
    grpc::serve(door, &state, (&state.clock, &tasks, &stops))?;
    let swept = (Arc::clone(&state.records), Arc::clone(&state.clock));
    let (limits, app) = (state.limits, crate::api::router(state));
    if let Some(nodes) = &nodes {
        nodes.begin(&reception, (&platforms, asterisks.as_ref()), app.clone());
    }
    if let Some((nodes, Linked { listener, tls, .. })) = nodes.clone().zip(link) {
        let stop = stops.sockets.clone();
        let serving = cluster::serve(listener, tls, nodes as Arc<dyn Host>, tasks.clone(), stop);
        tasks.spawn(serving);
    }
    tasks.spawn(crate::api::server::serve(http, app, limits, tasks.clone(), stops.sockets.clone()));
    tasks.spawn(Arc::clone(&checkpoints).run(stops.sockets.clone()));
    tasks.spawn(background(metrics, outbox, swept, stops.sockets.clone()));
    let counting = stops.sockets.clone();
    tasks.spawn(async move { desk.keep_counting(counting).await });
    asterisk::dial(&config, asterisks.as_ref())?;
    lifecycle::ready(&tasks, stops.sockets.clone());
    Ok(Running {
        http: http_address,
        sip: sip_addresses,
        grpc: grpc_address,
        sessions,
        hub,
        clock,
        gauges,
        platforms,
        asterisks,
        audiohooks,
        nodes,
        calls,
        checkpoints,
        tasks,
        stops,
        grace: config.shutdown.grace,
    })
}

fn reception(
    prepared: &Prepared,
    world: &Arc<World>,
    calls: &Calls,
    nodes: Option<Arc<Nodes>>,
) -> Reception {
    Reception {
        nodes,
        world: Arc::clone(world),
        calls: calls.clone(),
        profiles: prepared.profiles.clone(),
        default: prepared.config.policy.default.clone(),
    }
}

async fn bind(config: &Config) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let named = || format!("http.listen: {}", config.http.listen);
    let http = TcpListener::bind(config.http.listen).await.with_context(named)?;
    let address = http.local_addr()?;
    Ok((http, address))
}

/// What a profile decides can be evaluated again, whatever becomes of its file.
async fn archive(prepared: &Prepared, records: &dyn Records) -> anyhow::Result<()> {
    for profile in prepared.profiles.values() {
        records.archive_profile(&profile.hash, &profile.name, &profile.text).await?;
    }
    Ok(())
}

fn outbound_routes(
    config: &Config,
    tokens: &Arc<Tokens>,
    reception: &Arc<Reception>,
    elsewhere: Others,
) -> axum::Router {
    crate::api::outbound::routes(OutboundParts {
        elsewhere,
        tokens: Arc::clone(tokens) as Arc<dyn Doorkeeper>,
        desk: Arc::new(OutboundCalls {
            reception: Arc::clone(reception),
            queues: config.queues.clone(),
            handed_over_max: config.sip.handed_over_max,
        }),
    })
}

fn clocks(config: &Config) -> (Clock, Wall) {
    let clock = Clock::start_ahead(config.rehearsal.clock_ahead);
    (clock, Arc::new(move || clock.wall()))
}

/// What goes on beside the calls.
async fn background(
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    outbox: Outbox,
    (records, wall): (Arc<dyn Records>, Wall),
    stop: CancellationToken,
) {
    let sweeping = sweep(records, wall, stop.clone());
    tokio::join!(upkeep(metrics, stop.clone()), outbox.run(stop), sweeping);
}

/// 5.15: an entry for which nobody came back counts as wrong, whichever node had reserved it.
async fn sweep(records: Arc<dyn Records>, wall: Wall, stop: CancellationToken) {
    let mut turn = tokio::time::interval(SWEPT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = turn.tick() => {}
        }
        let before = Timestamp(wall().0.saturating_sub(OPEN_MAX_MS));
        match records.settle_older_than(before, SWEPT_AT_ONCE).await {
            Ok(0) => {}
            Ok(settled) => warn!(settled, "PIN entries without a verdict counted as wrong"),
            Err(error) => tracing::debug!(%error, "open PIN entries could not be looked for"),
        }
    }
}

/// What follows calls goes out beside the records, unless configured otherwise.
fn outbox(
    prepared: &Prepared,
    records: &Arc<dyn Records>,
    wall: &Wall,
    links: Links,
    http: SocketAddr,
) -> anyhow::Result<Outbox> {
    let config = &prepared.config;
    let public_url = config.http.public_url.clone().unwrap_or_else(|| format!("http://{http}"));
    let parts = Parts {
        folder: prepared.paths().records.with_file_name("outbox"),
        records: Arc::clone(records),
        links,
        public_url,
        clock: Arc::clone(wall),
    };
    Outbox::new(&config.outbox, &config.iam, parts).context("[outbox], [iam]")
}

/// What tasks are given: the calendar, a tracker, the stops.
type Around<'a> = (&'a Wall, &'a TaskTracker, &'a Stops);

fn desktops(
    config: &Config,
    hub: &Arc<Hub>,
    tokens: &Arc<Tokens>,
    reception: &Arc<Reception>,
    (wall, tasks, stops): Around<'_>,
) -> Arc<Desktops> {
    Desktops::new(DesktopParts {
        hub: Arc::clone(hub),
        doorkeeper: Arc::clone(tokens) as Arc<dyn Doorkeeper>,
        desk: Arc::clone(reception) as Arc<dyn Desktop>,
        origins: config.http.allowed_origins.clone(),
        limits: DesktopLimits {
            desktops_max: config.http.max_desktops,
            session: SessionLimits {
                heartbeat: config.desktop.heartbeat,
                ..SessionLimits::default()
            },
            ..DesktopLimits::default()
        },
        clock: Arc::clone(wall),
        tasks: tasks.clone(),
        stop: stops.desktops.clone(),
    })
}

/// Histograms are kept in buckets; what was recorded has to be put there from time to time.
async fn upkeep(metrics: metrics_exporter_prometheus::PrometheusHandle, stop: CancellationToken) {
    let mut turn = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = turn.tick() => metrics.run_upkeep(),
        }
    }
}

async fn tokens(
    config: &Config,
    local_key: &files::Key,
    wall: Wall,
) -> anyhow::Result<Arc<Tokens>> {
    let auth = &config.auth;
    let url = auth.jwks_url.clone().map(KeySource::Url);
    let provider = url.or_else(|| auth.jwks_file.clone().map(KeySource::File));
    let rules = token_rules(config);
    let tokens = Tokens::new(Some(&local_key.bytes), provider, rules, wall)?;
    if let Err(error) = tokens.refresh().await {
        // Desktops with tokens of the provider are refused until it answers; everything else works.
        warn!(%error, "the identity provider's keys could not be read; they are tried again as needed");
    }
    Ok(Arc::new(tokens))
}

/// What tokens have to say beside their signature.
#[must_use]
pub fn token_rules(config: &Config) -> TokenRules {
    let auth = &config.auth;
    TokenRules { issuer: auth.issuer.clone(), audience: auth.audience.clone(), leeway: auth.leeway }
}
