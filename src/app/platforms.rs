//! Platforms whose media stays with them, and what arrivals from any of them mean.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::app::reception::Reception;
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::lifecycle::Stops;
use crate::platform::Entry;
use crate::platform::http::Platforms;
use crate::platform::http::Rules;

/// Platforms that report by HTTP, believed as their trunks are.
pub(super) fn platforms(
    config: &Config,
    reception: &Arc<Reception>,
    clock: Clock,
    tasks: &TaskTracker,
    stops: &Stops,
) -> Platforms {
    let entry = Arc::clone(reception) as Arc<dyn Entry>;
    Platforms::new(entry, rules(config), clock, tasks.clone(), stops.drain.clone())
}

/// What an arrival means, on all platforms but SIP.
pub(super) fn rules(config: &Config) -> Rules {
    Rules {
        trunks: config.sip.trunks.clone(),
        queues: config.queues.clone(),
        queue_uri: config.sip.queue_uri.to_string(),
        handed_over_max: config.sip.handed_over_max,
    }
}
