//! COUNTS what supervisors watch. Pure: states of calls go in, one report comes out.
//!
//! ```text
//!  CallView ──> observe ──> live calls (by class, authentication, queue)
//!                  └──────> a check that came to an end ──> totals, this minute's bucket
//! ```
//! Everything is bounded: calls beyond [`LIVE_MAX`] are not counted, queues beyond [`QUEUES_MAX`] are counted
//! together, and sixty minutes are kept. No number, name or account id comes in here.

mod report;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde::Serialize;

use crate::call::view::CallView;
use crate::model::auth::Authentication;
use crate::model::caller::CallerClass;
use crate::model::ids::CallId;
use crate::model::ids::QueueName;
use crate::model::time::Timestamp;
pub use crate::stats::report::Checks;
pub use crate::stats::report::Live as LiveCalls;
pub use crate::stats::report::MinuteReport;
pub use crate::stats::report::Report;

/// Live calls that are told apart at the most.
pub const LIVE_MAX: usize = 65_536;
/// Queues that are named in a report at the most.
pub const QUEUES_MAX: usize = 64;
/// Minutes that are kept.
pub const MINUTES: u64 = 60;

/// Something that a supervisor should look at now. No number, name or account in it (C52).
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Alarm {
    /// A stable word, for example `failure_rate`.
    pub kind: String,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// A sentence: what is seen, and what to do.
    pub detail: String,
}

/// The counts since the daemon started.
#[derive(Debug)]
pub struct Stats {
    since: Timestamp,
    live: HashMap<CallId, Live>,
    totals: Totals,
    newest: Minute,
    /// Minutes before it in which something happened, the oldest first.
    earlier: VecDeque<Minute>,
}

/// What is remembered of a live call.
#[derive(Clone, Debug)]
struct Live {
    class: Option<CallerClass>,
    authentication: Authentication,
    queue: QueueName,
    first_seen: Timestamp,
    ended: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    passed: u64,
    not_needed: u64,
    failed: u64,
    reset_required: u64,
    blocked: u64,
    unavailable: u64,
    abandoned: u64,
    lockouts: u64,
    /// How long decided checks took together.
    decided_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    /// Minutes since 1970.
    number: u64,
    passed: u64,
    failed: u64,
    lockouts: u64,
}

impl Stats {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self {
            since,
            live: HashMap::new(),
            totals: Totals::default(),
            newest: Minute::default(),
            earlier: VecDeque::new(),
        }
    }

    /// Takes in a call's new state. The same state twice counts once.
    pub fn observe(&mut self, call: &CallView, now: Timestamp) {
        let known = self.live.get(&call.id);
        let before = known.map_or(Authentication::NotAuthenticated, |known| known.authentication);
        let was_over = known.is_some_and(|known| known.ended);
        let first_seen = known.map_or(now, |known| known.first_seen);
        if known.is_none() && self.live.len() >= LIVE_MAX {
            return;
        }
        let over = call.ended_at.is_some();
        let authentication = call.authentication;
        if ends_a_check(before, authentication) {
            self.decided(call, now.since(first_seen).as_millis(), now);
        } else if over && !was_over && !authentication.is_final() {
            add(&mut self.totals.abandoned);
        }
        let (class, queue) = (call.class, call.queue.clone());
        let live = Live { class, authentication, queue, first_seen, ended: over };
        self.live.insert(call.id.clone(), live);
    }

    /// Nothing holds the call any more.
    pub fn gone(&mut self, call: &CallId) {
        self.live.remove(call);
    }

    /// An account became blocked (C70).
    pub fn locked_out(&mut self, now: Timestamp) {
        add(&mut self.totals.lockouts);
        add(&mut self.minute(now).lockouts);
    }

    fn decided(&mut self, call: &CallView, took_ms: u128, now: Timestamp) {
        let totals = &mut self.totals;
        match call.authentication {
            Authentication::Authenticated if nothing_was_asked(call) => {
                return add(&mut totals.not_needed);
            }
            Authentication::SystemUnavailable => return add(&mut totals.unavailable),
            Authentication::NotAuthenticated
            | Authentication::PartiallyVerified
            | Authentication::InProgress => return,
            Authentication::Authenticated => add(&mut totals.passed),
            Authentication::Failed => add(&mut totals.failed),
            Authentication::ResetRequired => add(&mut totals.reset_required),
            Authentication::Blocked => add(&mut totals.blocked),
        }
        let took = u64::try_from(took_ms).unwrap_or(u64::MAX);
        totals.decided_ms = totals.decided_ms.saturating_add(took);
        let minute = self.minute(now);
        if call.authentication == Authentication::Authenticated {
            add(&mut minute.passed);
        } else {
            add(&mut minute.failed);
        }
    }

    /// This minute's bucket. A calendar that jumps back goes on with the newest one (5.16).
    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        let number = now.0 / 60_000;
        if number > self.newest.number {
            let before = Minute { number, ..Minute::default() };
            self.earlier.push_back(std::mem::replace(&mut self.newest, before));
        }
        let newest = self.newest.number;
        while self.earlier.front().is_some_and(|oldest| oldest.number + MINUTES <= newest) {
            self.earlier.pop_front();
        }
        &mut self.newest
    }
}

/// A check ends once: what follows a failure (block, reset) is the same check, a pass after it is another.
fn ends_a_check(before: Authentication, now: Authentication) -> bool {
    let passed = [before, now].contains(&Authentication::Authenticated);
    now.is_final() && before != now && (!before.is_final() || passed)
}

/// B05: the app had proved the caller before the call; no check was passed, because none was owed.
fn nothing_was_asked(call: &CallView) -> bool {
    call.class == Some(CallerClass::AppAuthenticated)
        && call.pin.is_none()
        && call.password.is_none()
        && call.questions.is_none()
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// The counts as the carriers and the API share them. Never held across a wait.
#[derive(Debug)]
pub struct Shared(Mutex<Stats>);

impl Shared {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self(Mutex::new(Stats::new(since)))
    }

    /// See [`Stats::observe`].
    pub fn observe(&self, call: &CallView, now: Timestamp) {
        self.stats().observe(call, now);
    }

    /// See [`Stats::gone`].
    pub fn gone(&self, call: &CallId) {
        self.stats().gone(call);
    }

    /// See [`Stats::locked_out`].
    pub fn locked_out(&self, now: Timestamp) {
        self.stats().locked_out(now);
    }

    /// See [`Stats::report`].
    #[must_use]
    pub fn report(&self, desktops: usize, alarms: Vec<Alarm>, now: Timestamp) -> Report {
        self.stats().report(desktops, alarms, now)
    }

    /// A panic elsewhere leaves the counts whole: every change of them is complete in itself.
    fn stats(&self) -> MutexGuard<'_, Stats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::auth::PinResult;
    use crate::push::fixture;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_800_000_000_000);

    /// The clock after so many seconds.
    fn at(seconds: u64) -> Timestamp {
        Timestamp(START.0 + seconds * 1000)
    }

    fn call(id: &str, class: CallerClass, authentication: Authentication) -> CallView {
        let mut call = fixture::call(id, 1, None);
        call.class = Some(class);
        call.authentication = authentication;
        call
    }

    fn unverified(id: &str, authentication: Authentication) -> CallView {
        call(id, CallerClass::Unverified, authentication)
    }

    #[test]
    fn b03_live_calls_are_counted_by_class_state_and_queue_until_they_end() {
        let mut stats = Stats::new(START);
        stats.observe(&fixture::call("new", 1, None), at(0));
        let known = call("known", CallerClass::VerifiedNumber, Authentication::PartiallyVerified);
        stats.observe(&known, at(0));
        stats.observe(&known, at(1));
        let now = stats.report(3, vec![], at(2));
        assert_eq!((now.calls.active, now.desktops), (2, 3));
        assert_eq!(
            (now.calls.by_class["verified_number"], now.calls.by_class["undecided"]),
            (1, 1)
        );
        assert_eq!(now.calls.by_class["app_authenticated"], 0, "what nobody has is shown as none");
        assert_eq!(now.calls.by_authentication["partially_verified"], 1);
        assert_eq!(now.calls.by_queue["general"], 2);
        let mut ended = known;
        ended.ended_at = Some(at(3).rfc3339());
        stats.observe(&ended, at(3));
        stats.gone(&"new".parse().unwrap());
        assert_eq!(stats.report(0, vec![], at(4)).calls.active, 0);
    }

    #[test]
    fn x13_each_check_is_counted_once_by_how_it_ended() {
        let mut stats = Stats::new(START);
        for (id, states) in [
            ("a", vec![Authentication::InProgress, Authentication::Authenticated]),
            ("b", vec![Authentication::InProgress, Authentication::Failed, Authentication::Failed]),
            ("c", vec![Authentication::Failed, Authentication::Blocked]),
            ("d", vec![Authentication::Failed, Authentication::Authenticated]),
            ("e", vec![Authentication::ResetRequired]),
            ("f", vec![Authentication::SystemUnavailable]),
        ] {
            for state in states {
                stats.observe(&unverified(id, state), at(30));
            }
        }
        let checks = stats.report(0, vec![], at(31)).checks;
        assert_eq!((checks.passed, checks.failed, checks.blocked), (2, 3, 0));
        assert_eq!((checks.reset_required, checks.unavailable, checks.abandoned), (1, 1, 0));
        assert_eq!((checks.pass_rate, checks.failure_rate), (Some(0.333), Some(0.667)));
    }

    #[test]
    fn c51_what_we_could_not_check_is_in_no_rate() {
        let mut stats = Stats::new(START);
        stats.observe(&unverified("a", Authentication::SystemUnavailable), at(1));
        let checks = stats.report(0, vec![], at(1)).checks;
        assert_eq!((checks.unavailable, checks.pass_rate, checks.failure_rate), (1, None, None));
    }

    #[test]
    fn b05_a_call_from_the_app_is_no_passed_check() {
        let mut stats = Stats::new(START);
        let mut app = call("app", CallerClass::AppAuthenticated, Authentication::Authenticated);
        app.questions = None;
        stats.observe(&app, at(1));
        let checks = stats.report(0, vec![], at(1)).checks;
        assert_eq!((checks.not_needed, checks.passed, checks.pass_rate), (1, 0, None));
    }

    #[test]
    fn a_call_that_ends_undecided_is_abandoned_once() {
        let mut stats = Stats::new(START);
        let mut call = unverified("a", Authentication::InProgress);
        stats.observe(&call, at(0));
        call.ended_at = Some(at(5).rfc3339());
        stats.observe(&call, at(5));
        call.pin = Some(crate::call::view::PinView {
            positions: vec![],
            entered: 0,
            needed: 2,
            attempt: 1,
            attempts_allowed: 2,
            result: Some(PinResult::Abandoned),
        });
        stats.observe(&call, at(6));
        assert_eq!(stats.report(0, vec![], at(6)).checks.abandoned, 1);
    }

    #[test]
    fn the_last_hour_is_sixty_minutes_and_a_check_falls_out_of_it() {
        let mut stats = Stats::new(START);
        stats.observe(&unverified("a", Authentication::Failed), at(0));
        stats.observe(&unverified("b", Authentication::Authenticated), at(65));
        stats.locked_out(at(65));
        let hour = stats.report(0, vec![], at(65)).last_hour;
        assert_eq!(hour.len(), 60);
        let [.., before, now] = hour.as_slice() else { panic!("sixty minutes") };
        assert_eq!((before.passed, before.failed), (0, 1));
        assert_eq!((now.passed, now.failed, now.lockouts), (1, 0, 1));
        let later = stats.report(0, vec![], at(60 * 60 + 5));
        assert_eq!(later.last_hour.iter().map(|minute| minute.failed).sum::<u64>(), 0);
        assert_eq!((later.checks.failed, later.lockouts), (1, 1), "totals stay");
    }

    #[test]
    fn a_calendar_that_jumps_back_loses_nothing() {
        let mut stats = Stats::new(START);
        stats.observe(&unverified("a", Authentication::Failed), at(600));
        stats.observe(&unverified("b", Authentication::Failed), at(0));
        let hour = stats.report(0, vec![], at(0)).last_hour;
        assert_eq!(hour.last().map(|minute| minute.failed), Some(2));
    }

    #[test]
    fn c52_a_report_holds_no_number_and_no_name() {
        let mut stats = Stats::new(START);
        let mut call = unverified("a", Authentication::Failed);
        call.ani_display = Some("••••••0123".into());
        stats.observe(&call, at(0));
        let alarm = Alarm { kind: "failure_rate".into(), since: at(0), detail: "look".into() };
        let report = serde_json::to_string(&stats.report(0, vec![alarm], at(0))).unwrap();
        assert!(!report.contains("0123") && !report.contains("44800"), "{report}");
        assert!(report.contains(r#""since":"2027-01-15T08:00:00.000Z""#), "{report}");
    }

    proptest! {
        #[test]
        fn counting_is_bounded_whatever_comes(
            steps in proptest::collection::vec((0_u64..200_000, 0_u16..90, 0_usize..8), 1..400)
        ) {
            use Authentication as A;
            let states = [A::NotAuthenticated, A::PartiallyVerified, A::InProgress, A::Authenticated,
                A::Failed, A::ResetRequired, A::Blocked, A::SystemUnavailable];
            let mut stats = Stats::new(START);
            for (second, id, state) in steps {
                let mut call = unverified(&format!("c{id}"), states[state]);
                call.queue = format!("q{id}").parse().unwrap();
                stats.observe(&call, at(second));
                prop_assert!(stats.earlier.len() < usize::try_from(MINUTES).unwrap() + 1);
            }
            let report = stats.report(0, vec![], at(0));
            prop_assert!(report.calls.by_queue.len() <= QUEUES_MAX + 1);
            prop_assert_eq!(report.calls.by_authentication.values().sum::<u64>(), report.calls.active);
            prop_assert_eq!(report.last_hour.len(), 60);
        }
    }
}
