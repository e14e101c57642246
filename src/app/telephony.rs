//! The SIP listeners.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::task::TaskTracker;

use crate::app::prepare::Prepared;
use crate::app::reception::Reception;
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::lifecycle::Stops;
use crate::platform::Entry;
use crate::platform::sip;
use crate::platform::sip::listener::Gauge;
use crate::platform::sip::listener::Listener;
use crate::platform::sip::media::Ports;
use crate::sip::agent::Advertised;
use crate::sip::agent::AgentConfig;
use crate::sip::agent::TrunkRule;
use crate::sip::agent::UserAgent;

/// Addresses, listeners and their gauges.
type Bound = (Vec<SocketAddr>, Vec<Listener>, Vec<Arc<Gauge>>);

pub(super) fn listeners(
    prepared: &Prepared,
    stops: &Stops,
    tasks: &TaskTracker,
    clock: Clock,
    reception: &Arc<Reception>,
) -> anyhow::Result<Bound> {
    let config = &prepared.config;
    let (mut addresses, mut listeners, mut gauges) = (vec![], vec![], vec![]);
    for address in &config.sip.listen {
        let socket =
            sip::listener::bind(*address).with_context(|| format!("sip.listen: udp:{address}"))?;
        let local = socket.local_addr()?;
        let advertised_ip: Option<IpAddr> =
            config.sip.advertise.as_ref().and_then(|advertise| advertise.host.parse().ok());
        let agent = UserAgent::new(agent_config(config, local), rand::random());
        let shared = Arc::new(sip::Shared {
            entry: Arc::clone(reception) as Arc<dyn Entry>,
            queues: config.queues.clone(),
            queue_uri: config.sip.queue_uri.to_string(),
            trunks: config.sip.trunks.clone(),
            handed_over_max: config.sip.handed_over_max,
            prompts: prepared.prompts(),
            ports: Ports::new(&config.rtp.ports, media_bind(config, local.ip())),
            media_address: config.rtp.address.or(advertised_ip),
            clock,
            tasks: tasks.clone(),
            stop: stops.sockets.clone(),
        });
        let gauge = Arc::new(Gauge::default());
        addresses.push(local);
        listeners.push(Listener::new(socket, agent, shared, Arc::clone(&gauge)));
        gauges.push(gauge);
    }
    Ok((addresses, listeners, gauges))
}

/// Media is received on the listener's address, or on all of them where peers are told another.
fn media_bind(config: &Config, local: IpAddr) -> IpAddr {
    match config.rtp.address {
        Some(told) if told != local && local.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        Some(told) if told != local => Ipv6Addr::UNSPECIFIED.into(),
        _ => local,
    }
}

fn agent_config(config: &Config, local: SocketAddr) -> AgentConfig {
    let trunks = config.sip.trunks.iter();
    AgentConfig {
        local,
        advertise: config
            .sip
            .advertise
            .as_ref()
            .map(|advertise| Advertised { host: advertise.host.clone(), port: advertise.port }),
        user_agent: concat!("Countersign/", env!("CARGO_PKG_VERSION")).into(),
        trunks: trunks
            .map(|(name, trunk)| TrunkRule {
                name: name.clone(),
                networks: trunk.addresses.clone(),
            })
            .collect(),
        loopback_untrusted: config.sip.trunks.is_empty(),
        max_legs: config.sip.max_calls,
        max_new_per_second: config.sip.max_calls_per_second,
        draining: false,
    }
}
