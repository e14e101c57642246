//! The counts as `GET /v1/stats` shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::auth::Authentication;
use crate::model::caller::CallerClass;
use crate::model::time::Timestamp;
use crate::stats::Alarm;
use crate::stats::MINUTES;
use crate::stats::Minute;
use crate::stats::QUEUES_MAX;
use crate::stats::Stats;
use crate::stats::Totals;

/// Everything a supervisor watches, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// When this was counted, RFC 3339.
    pub at: String,
    /// Since when totals are counted: the start of the daemon, RFC 3339.
    pub since: String,
    /// The calls that live now.
    pub calls: Live,
    /// The checks since the start.
    pub checks: Checks,
    /// The last sixty minutes, the oldest first; minutes in which nothing happened are there too.
    pub last_hour: Vec<MinuteReport>,
    /// Accounts that became blocked since the start (C70).
    pub lockouts: u64,
    /// Desktops that are connected.
    pub desktops: usize,
    /// What to look at now.
    pub alarms: Vec<Alarm>,
}

/// The calls that live now, counted three ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Live {
    /// All that have not ended.
    pub active: u64,
    /// By class; `undecided` before the class is known.
    pub by_class: BTreeMap<&'static str, u64>,
    /// By authentication.
    pub by_authentication: BTreeMap<&'static str, u64>,
    /// By queue; those beyond sixty-four queues are counted as `(other queues)`.
    pub by_queue: BTreeMap<String, u64>,
}

/// How checks came out since the start. A check that nobody owed (B05) is in none of the rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checks {
    /// Passed.
    pub passed: u64,
    /// Calls from the app, of which nothing was asked.
    pub not_needed: u64,
    /// Failed.
    pub failed: u64,
    /// Ended with security details to be reset first.
    pub reset_required: u64,
    /// Ended with, or met, a blocked account.
    pub blocked: u64,
    /// Could not be made; nothing was counted for the account (C51).
    pub unavailable: u64,
    /// The call ended before the check did.
    pub abandoned: u64,
    /// Passed of all that were decided, 0 to 1; null before the first.
    pub pass_rate: Option<f64>,
    /// The others of all that were decided, 0 to 1; null before the first.
    pub failure_rate: Option<f64>,
    /// How long a decided check took on average, from the call's arrival; null before the first.
    pub mean_seconds: Option<f64>,
}

/// One minute.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MinuteReport {
    /// Its start, RFC 3339.
    pub at: String,
    /// Checks passed in it.
    pub passed: u64,
    /// Checks decided otherwise in it.
    pub failed: u64,
    /// Accounts that became blocked in it.
    pub lockouts: u64,
}

impl Stats {
    /// The counts now. Who is connected and what is alarming is known elsewhere.
    #[must_use]
    pub fn report(&self, desktops: usize, alarms: Vec<Alarm>, now: Timestamp) -> Report {
        Report {
            at: now.rfc3339(),
            since: self.since.rfc3339(),
            calls: self.calls(),
            checks: checks(&self.totals),
            last_hour: self.last_hour(now),
            lockouts: self.totals.lockouts,
            desktops,
            alarms,
        }
    }

    fn calls(&self) -> Live {
        let mut calls = Live::default();
        for class in CLASSES {
            calls.by_class.insert(class.word(), 0);
        }
        for authentication in STATES {
            calls.by_authentication.insert(authentication.word(), 0);
        }
        for call in self.live.values().filter(|call| !call.ended) {
            calls.active += 1;
            let class = call.class.map_or("undecided", CallerClass::word);
            *calls.by_class.entry(class).or_default() += 1;
            *calls.by_authentication.entry(call.authentication.word()).or_default() += 1;
            let named = calls.by_queue.len() < QUEUES_MAX
                || calls.by_queue.contains_key(call.queue.as_str());
            let queue = if named { call.queue.as_str() } else { "(other queues)" };
            *calls.by_queue.entry(queue.to_owned()).or_default() += 1;
        }
        calls
    }

    fn last_hour(&self, now: Timestamp) -> Vec<MinuteReport> {
        let last = (now.0 / 60_000).max(self.newest.number);
        let known = || self.earlier.iter().chain([&self.newest]);
        let numbers = (0..MINUTES).rev().map(|ago| last.saturating_sub(ago));
        numbers
            .map(|number| {
                let minute = known().find(|minute| minute.number == number).copied();
                let Minute { passed, failed, lockouts, .. } = minute.unwrap_or_default();
                let at = Timestamp(number.saturating_mul(60_000)).rfc3339();
                MinuteReport { at, passed, failed, lockouts }
            })
            .collect()
    }
}

const CLASSES: [CallerClass; 3] =
    [CallerClass::AppAuthenticated, CallerClass::VerifiedNumber, CallerClass::Unverified];

const STATES: [Authentication; 8] = [
    Authentication::NotAuthenticated,
    Authentication::PartiallyVerified,
    Authentication::InProgress,
    Authentication::Authenticated,
    Authentication::Failed,
    Authentication::ResetRequired,
    Authentication::Blocked,
    Authentication::SystemUnavailable,
];

fn checks(totals: &Totals) -> Checks {
    let others = totals.failed + totals.reset_required + totals.blocked;
    let decided = totals.passed + others;
    Checks {
        passed: totals.passed,
        not_needed: totals.not_needed,
        failed: totals.failed,
        reset_required: totals.reset_required,
        blocked: totals.blocked,
        unavailable: totals.unavailable,
        abandoned: totals.abandoned,
        pass_rate: thousandths(totals.passed, decided),
        failure_rate: thousandths(others, decided),
        mean_seconds: tenths(totals.decided_ms, decided),
    }
}

/// A share of the whole, rounded to three places.
fn thousandths(part: u64, whole: u64) -> Option<f64> {
    let share = u128::from(part) * 1000 + u128::from(whole) / 2;
    let share = share.checked_div(u128::from(whole))?;
    Some(f64::from(u32::try_from(share).unwrap_or(u32::MAX)) / 1000.0)
}

/// The average of so many milliseconds in seconds, to one place.
fn tenths(milliseconds: u64, count: u64) -> Option<f64> {
    let tenths = milliseconds.checked_div(count)? / 100;
    Some(f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0)
}
