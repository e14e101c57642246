//! Going on with a call of an HTTP platform that another node had (D06).

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::call::saved::Saved;
use crate::engine::CallHandle;
use crate::platform::KeyTimes;
use crate::platform::Leg;
use crate::platform::http::Platforms;
use crate::platform::http::leg::HttpLeg;
use crate::platform::http::leg::Told;
use crate::platform::http::leg::relay;
use crate::platform::http::line::Line;
use crate::platform::http::orders::Orders;

/// What another node needs to go on with a leg.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SavedLeg {
    /// The newest directive's version.
    pub version: u64,
    /// The ids of the events that were taken last: they change nothing when they come again.
    #[serde(default)]
    pub events: Vec<String>,
}

impl SavedLeg {
    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A leg that waits for its call.
pub struct Resumed {
    line: Arc<Line>,
    told: mpsc::Receiver<Told>,
}

impl Platforms {
    /// A leg for a call that another node had. The call is begun with it, then [`Self::resumed`].
    pub fn resume(&self, saved: &Saved, leg: SavedLeg, times: KeyTimes) -> (Box<dyn Leg>, Resumed) {
        let key = (saved.platform_call_id.clone(), saved.platform.clone());
        let orders = Orders::new(saved.direction, saved.queue.clone(), &saved.queue_uri, times)
            .after(leg.version);
        let line = self.lines.get_or(&key, || Line::new(key.clone(), orders));
        for event in leg.events {
            self.seen().add(&line.key().1, &event, self.clock.up());
            line.note(&event);
        }
        let (leg, told) = HttpLeg::new(Arc::clone(&line), Arc::clone(&self.lines));
        (Box::new(leg), Resumed { line, told })
    }

    /// The call has begun: its platform's events find it from now on.
    pub fn resumed(&self, resumed: Resumed, call: CallHandle) {
        self.tasks.spawn(relay(call.clone(), resumed.told));
        self.lines.begun(&resumed.line, call);
    }
}
