//! The estate by state, what is stuck, and what should alarm somebody (P18–P24).

use std::sync::Mutex as SyncMutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::gauge;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::maintenance::view::ShownSituation;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::pins::Estate;

/// Numbers that are younger are not counted again.
const FRESH: Duration = Duration::from_secs(5);
/// How often they are counted for metrics, while somebody asks for those.
const EVERY: Duration = Duration::from_mins(1);
/// Accounts with the flags No/Yes from which on a vendor has to look (P24).
const IMPOSSIBLE_AT: u64 = 2;
/// Stuck activations in one answer.
pub const STUCK_MAX: usize = 200;

/// What was counted last, and whether anybody wants to know.
#[derive(Default)]
pub(super) struct Watch {
    counting: Mutex<Option<(Instant, Estate)>>,
    alarms: SyncMutex<Vec<Alert>>,
    asked: AtomicBool,
}

/// Something about the estate that a webmaster or vendor has to look at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Alert {
    /// `mail_trouble` (P23) or `impossible_flags` (P24).
    pub code: &'static str,
    /// How many accounts.
    pub count: u64,
    /// What is seen, and what to do.
    pub message: String,
    /// Since when it stands.
    #[serde(skip)]
    pub since: Timestamp,
}

/// A registration whose link was not followed.
#[derive(Debug, Serialize)]
pub struct Stuck {
    /// Whose.
    pub customer: CustomerId,
    /// Their name.
    pub name: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Which of the causes it is.
    pub situation: ShownSituation,
}

impl Desk {
    /// The estate by state, at most five seconds old.
    pub async fn estate(&self) -> Result<Estate, Refused> {
        let mut counted = self.watch.counting.lock().await;
        if let Some((at, estate)) = *counted
            && at.elapsed() < FRESH
        {
            return Ok(estate);
        }
        let now = self.now();
        let estate = self.pins.estate(now, self.stuck_before(now)).await?;
        *counted = Some((Instant::now(), estate));
        show(&estate);
        let mut alarms = self.watch.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |code| alarms.iter().find(|old| old.code == code).map_or(now, |old| old.since);
        *alarms = alerts(&estate, self.rules.stuck_alarm)
            .into_iter()
            .map(|alert| Alert { since: since(alert.code), ..alert })
            .collect();
        Ok(estate)
    }

    /// What is alarming, as counted last.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        self.watch.alarms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registrations that wait for their link the longest, each with its cause (P22).
    pub async fn stuck(&self, limit: usize) -> Result<Vec<Stuck>, Refused> {
        let now = self.now();
        let limit = limit.clamp(1, STUCK_MAX);
        let mut stuck = vec![];
        for customer in self.pins.stuck(self.stuck_before(now), limit).await? {
            let read = match self.read(&customer).await {
                Ok(read) => read,
                Err(Refused::NoSuchCustomer) => continue,
                Err(error) => return Err(error),
            };
            stuck.push(Stuck {
                situation: read.situation(&self.rules, now),
                since: read.file.registered.map(Timestamp::rfc3339),
                name: read.customer.name,
                customer,
            });
        }
        Ok(stuck)
    }

    /// Somebody asked for metrics or alarms: the estate is counted in the next minute.
    pub fn wanted(&self) {
        self.watch.asked.store(true, Ordering::Relaxed);
    }

    /// Counts the estate once a minute while somebody wants it, until `stop`.
    pub async fn keep_counting(&self, stop: CancellationToken) {
        let mut turn = interval(EVERY);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = turn.tick() => {}
            }
            if self.watch.asked.swap(false, Ordering::Relaxed)
                && let Err(error) = self.estate().await
            {
                tracing::debug!(%error, "the PIN estate could not be counted");
            }
        }
    }

    fn stuck_before(&self, now: Timestamp) -> Timestamp {
        let ms = u64::try_from(self.rules.stuck_after.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.0.saturating_sub(ms))
    }
}

/// P23, P24: from these numbers on somebody has to look.
fn alerts(estate: &Estate, stuck_alarm: u64) -> Vec<Alert> {
    let mut alerts = vec![];
    let since = Timestamp::default();
    if estate.stuck >= stuck_alarm {
        let Estate { stuck, stuck_refused, stuck_waiting, .. } = estate;
        let message = format!(
            "{stuck} customers chose a PIN and have not followed their link for too long ({stuck_waiting} mails were not taken, {stuck_refused} addresses refused): mail is probably not delivered; tell the webmaster"
        );
        alerts.push(Alert { code: "mail_trouble", count: *stuck, message, since });
    }
    if estate.no_yes_repaired >= IMPOSSIBLE_AT {
        let count = estate.no_yes_repaired;
        let message = format!(
            "{count} accounts came with the flags No/Yes, which cannot be; they were reset. Ask your vendor what changes records from outside"
        );
        alerts.push(Alert { code: "impossible_flags", count, message, since });
    }
    alerts
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 customers")]
fn show(estate: &Estate) {
    let Estate { without_initial, waiting, expired, yes_no, yes_yes, blocked, .. } = *estate;
    for (state, count) in [
        ("without_initial", without_initial),
        ("waiting", waiting),
        ("expired", expired),
        ("yes_no", yes_no),
        ("yes_yes", yes_yes),
        ("blocked", blocked),
        ("reset_required", estate.reset_required),
    ] {
        gauge!("countersign_pin_estate", "state" => state).set(count as f64);
    }
    gauge!("countersign_pin_stuck").set(estate.stuck as f64);
    gauge!("countersign_pin_impossible_flags").set(estate.no_yes_repaired as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(estate: Estate) -> Vec<&'static str> {
        alerts(&estate, 20).iter().map(|alert| alert.code).collect()
    }

    #[test]
    fn p23_many_stuck_activations_call_for_the_webmaster() {
        assert!(codes(Estate { stuck: 19, ..Estate::default() }).is_empty());
        let many = Estate { stuck: 20, stuck_waiting: 18, ..Estate::default() };
        assert_eq!(codes(many), ["mail_trouble"]);
        let told = alerts(&many, 20).remove(0);
        assert!(told.message.contains("webmaster") && told.message.contains("18 mails"));
    }

    #[test]
    fn p24_x22_the_second_account_with_impossible_flags_calls_for_the_vendor() {
        assert!(codes(Estate { no_yes_repaired: 1, ..Estate::default() }).is_empty());
        let twice = Estate { no_yes_repaired: 2, ..Estate::default() };
        assert_eq!(codes(twice), ["impossible_flags"]);
        assert!(alerts(&twice, 20).remove(0).message.contains("vendor"));
    }
}
