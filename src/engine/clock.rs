//! The one place where the clocks are read.

use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::time::Instant;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;

/// Both clocks. Under `tokio::time::pause` the steady one is a test's own.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    ahead: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self::start_ahead(Duration::ZERO)
    }

    /// A clock whose calendar runs ahead, for rehearsals.
    #[must_use]
    pub fn start_ahead(ahead: Duration) -> Self {
        Self { started: Instant::now(), ahead }
    }

    /// What both clocks show.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { up: Uptime(self.started.elapsed()), wall: self.wall() }
    }

    /// The steady clock.
    #[must_use]
    pub fn up(&self) -> Uptime {
        Uptime(self.started.elapsed())
    }

    /// The calendar.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).after(self.ahead)
    }

    /// Waits until the steady clock shows `until`.
    pub async fn sleep_until(&self, until: Uptime) {
        tokio::time::sleep_until(self.started + until.0).await;
    }
}
