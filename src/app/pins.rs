//! Puts the PIN desk together: its stores, its routes, what it has to tell supervisors.

use std::sync::Arc;

use crate::api::auth::Tokens;
use crate::api::pins::PinParts;
use crate::api::stats::Alarms;
use crate::app::Around;
use crate::app::prepare::Prepared;
use crate::config::Config;
use crate::effects::guarding::Guard;
use crate::engine::clock::Clock;
use crate::limits;
use crate::maintenance;
use crate::maintenance::desk::Desk;
use crate::maintenance::generate::Generation;
use crate::pin::workers::PinWorkers;
use crate::push::Doorkeeper;
use crate::records::PinRecords;
use crate::records::Records;
use crate::stats;

/// PIN maintenance over the daemon's own stores.
pub(super) fn pin_desk(
    prepared: &Prepared,
    (records, pins): (&Arc<dyn Records>, &Arc<PinWorkers>),
    (wall, tasks, stops): Around<'_>,
) -> Arc<Desk> {
    let rules = prepared.pin_rules();
    let kept = Arc::clone(records) as Arc<dyn PinRecords>;
    let generation = Generation::new(
        Arc::clone(&kept),
        pins.initials(),
        rules.initial_ttl,
        Arc::clone(wall),
        tasks.clone(),
        stops.drain.clone(),
    );
    let parts = maintenance::desk::Parts {
        records: Arc::clone(records),
        pins: kept,
        workers: Arc::clone(pins),
        generation,
        rules,
        wall: Arc::clone(wall),
    };
    Arc::new(Desk::new(parts, rand::random()))
}

pub(super) fn pin_routes(config: &Config, tokens: &Arc<Tokens>, desk: &Arc<Desk>) -> axum::Router {
    let proxies = config.http.proxies.clone();
    crate::api::pins::routes(PinParts {
        tokens: Arc::clone(tokens) as Arc<dyn Doorkeeper>,
        desk: Arc::clone(desk),
        proxies: Arc::new(move |peer| proxies.iter().any(|proxy| proxy.contains(peer))),
    })
}

/// Told when somebody asks for metrics.
pub(super) fn counted(desk: &Arc<Desk>) -> Arc<dyn Fn() + Send + Sync> {
    let desk = Arc::clone(desk);
    Arc::new(move || desk.wanted())
}

/// What the limits and PIN maintenance have to tell supervisors.
pub(super) fn alarms(guard: Arc<Guard>, desk: Arc<Desk>, clock: Clock) -> Alarms {
    Arc::new(move |_| {
        desk.wanted();
        let alarms = guard.alarms(clock.now()).into_iter();
        let told = |alarm: limits::Alarm| stats::Alarm {
            kind: alarm.kind.word().to_owned(),
            since: alarm.since,
            detail: alarm.detail,
        };
        let of_pins = desk.alerts().into_iter().map(|alert| stats::Alarm {
            kind: alert.code.to_owned(),
            since: alert.since,
            detail: alert.message,
        });
        alarms.map(told).chain(of_pins).collect()
    })
}
