//! Platforms that keep the caller's media and report by HTTP: events come in, directives go back.
//!
//! ```text
//!  POST /v1/events ─> wire/events.rs ─> take() ─> the call's inbox ─> call ─> leg.rs ─> orders.rs
//!        ^                  (pure)      one turn a call                                    │ (pure)
//!        '───────────────── directive, once the call has settled <───────── line.rs <──────'
//! ```
//! An event is handed in exactly once: its id is remembered in the same breath, so a request that is
//! cut off and sent again changes nothing twice.

mod leg;
mod line;
mod orders;
pub mod resume;
mod seen;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Progress;
use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::engine::CallHandle;
use crate::engine::clock::Clock;
use crate::model::digits::Key;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::time::Timestamp;
use crate::platform::Entry;
use crate::platform::Leg;
use crate::platform::Refused;
pub use crate::platform::arrival::Rules;
use crate::platform::arrival::Translated;
use crate::platform::arrival::translate;
use crate::platform::http::leg::HttpLeg;
use crate::platform::http::leg::relay;
use crate::platform::http::line::Line;
use crate::platform::http::line::Lines;
use crate::platform::http::orders::Orders;
use crate::platform::http::seen::Seen;
use crate::wire::directive::Directive;
use crate::wire::directive::Order;
use crate::wire::events::Answer;
use crate::wire::events::Arrival;
use crate::wire::events::CallAnswer;
use crate::wire::events::Event;
use crate::wire::events::Rejected;
use crate::wire::events::What;

/// An answer waits so long for its calls to settle; stores and verifier are bounded a little below.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// Whoever follows a call looks after it this often, and this long after a look without news.
const FOLLOWED_FOR: Duration = Duration::from_mins(1);
const FOLLOWED_AGAIN: Duration = Duration::from_millis(50);
/// Platforms that wait for a directive at once; one more is answered without waiting.
const WAITING_MAX: usize = 1024;

/// All platforms that report by HTTP.
pub struct Platforms {
    entry: Arc<dyn Entry>,
    rules: Rules,
    lines: Arc<Lines>,
    seen: Mutex<Seen>,
    waiting: Semaphore,
    clock: Clock,
    tasks: TaskTracker,
    /// Cancelled when no new calls are taken.
    draining: CancellationToken,
}

/// An event that was taken.
struct Taken {
    /// Its call; `None` for a repeat about a call that is over.
    line: Option<Arc<Line>>,
    /// Its call where another adapter has the caller's leg.
    other: Option<CallHandle>,
    /// The step of the call with which it was taken.
    since: u64,
    /// Whether it is older than what the call had heard before.
    late: bool,
}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum NotTaken {
    NoSuchCall,
    Unavailable,
}

impl Platforms {
    /// Platforms whose calls go to `entry`; legs run on `tasks`, nothing new is taken once `draining`.
    #[must_use]
    pub fn new(
        entry: Arc<dyn Entry>,
        rules: Rules,
        clock: Clock,
        tasks: TaskTracker,
        draining: CancellationToken,
    ) -> Self {
        let (lines, seen) = (Arc::new(Lines::default()), Mutex::default());
        let waiting = Semaphore::new(WAITING_MAX);
        Self { entry, rules, lines, seen, waiting, clock, tasks, draining }
    }

    /// Takes events in, in their order, and says what their calls want now.
    pub async fn publish(&self, events: Vec<Result<Event, Rejected>>) -> Answer {
        let mut answer = Answer { accepted: 0, out_of_order: 0, calls: vec![], rejected: vec![] };
        let mut named: Vec<(Arc<Line>, u64)> = vec![];
        for (index, event) in events.into_iter().enumerate() {
            let event = match event {
                Ok(event) => event,
                Err(rejected) => {
                    count("rejected");
                    answer.rejected.push(rejected);
                    continue;
                }
            };
            let (event_id, event_call) = (event.id.clone(), event.call.clone());
            match self.take(event).await {
                Ok(Taken { line, other, since, late }) => {
                    answer.accepted += 1;
                    answer.out_of_order += usize::from(late);
                    answer.calls.extend(other.map(|call| elsewhere(&event_call, &call)));
                    let Some(line) = line else { continue };
                    match named.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &line)) {
                        Some((_, newest)) => *newest = since.max(*newest),
                        None => named.push((line, since)),
                    }
                }
                Err(why) => {
                    count("rejected");
                    answer.rejected.push(why.rejected(index, event_id));
                }
            }
        }
        let until = Instant::now() + SETTLED_WITHIN;
        for (line, since) in named {
            answer.calls.extend(line.settled(since, until).await);
        }
        answer
    }

    /// A call's directive as soon as it is newer than `after`, or what it is after `wait`. `named` is
    /// our id or the platform's.
    pub async fn directive(&self, named: &str, after: u64, wait: Duration) -> Option<CallAnswer> {
        let line = self.lines.find(named)?;
        let place = self.waiting.try_acquire();
        let wait = if place.is_ok() { wait } else { Duration::ZERO };
        line.newer(after, wait).await
    }

    /// As [`Self::directive`] without an end to the wait; `None` once the call is over.
    pub async fn follow(&self, named: &str, after: u64) -> Option<CallAnswer> {
        let line = self.lines.find(named)?;
        loop {
            let answer = line.newer(after, FOLLOWED_FOR).await?;
            if answer.directive.version > after {
                return Some(answer);
            }
            if line.is_over() {
                return None;
            }
            sleep(FOLLOWED_AGAIN).await;
        }
    }

    /// Whether this node has the call.
    #[must_use]
    pub fn has(&self, call: &PlatformCallId, platform: &PlatformName) -> bool {
        self.lines.get(&(call.clone(), platform.clone())).is_some_and(|line| !line.is_over())
    }

    /// Whether the caller of this call is with the machine.
    #[must_use]
    pub fn holds_caller(&self, call: &PlatformCallId, platform: &PlatformName) -> bool {
        self.lines.get(&(call.clone(), platform.clone())).is_some_and(|line| line.is_busy())
    }

    /// Calls whose callers are with the machine.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.lines.busy()
    }

    async fn take(&self, event: Event) -> Result<Taken, NotTaken> {
        let Event { id, call, at, platform, what } = event;
        let event = Named { id, key: (call, platform), at };
        match what {
            What::Delivered(arrival) => self.delivered(event, *arrival).await,
            What::Key { key, asked } => self.within(event, Within::Key(key, asked)).await,
            What::Other(other) => self.within(event, Within::Other(other)).await,
        }
    }

    /// A call comes. One that is there already stays what it is (5.13).
    async fn delivered(&self, event: Named, arrival: Arrival) -> Result<Taken, NotTaken> {
        let (call, platform) = event.key.clone();
        if self.lines.get(&event.key).is_none() && self.holds(&event) {
            count("repeated");
            return Ok(Taken { line: None, other: None, since: 0, late: false });
        }
        if let (None, Some(call)) =
            (self.lines.get(&event.key), self.entry.find(&event.key.1, &event.key.0))
        {
            return self.beside(event, call, None).await;
        }
        let Translated { delivered, policy } =
            translate(platform, call, arrival, &self.rules).ok_or(NotTaken::Unavailable)?;
        let times = self.entry.key_times(policy.as_deref());
        let (queue, uri) = (delivered.queue.clone(), delivered.queue_uri.clone());
        let new = || {
            let orders = Orders::new(delivered.direction, queue.clone(), &uri, times);
            Line::new(event.key.clone(), orders)
        };
        let line = self.lines.get_or(&event.key, new);
        let mut newest = line.turn.lock().await;
        if line.call().is_some() {
            count("repeated");
            self.remember(&event, &line);
            return Ok(Taken { line: Some(Arc::clone(&line)), other: None, since: 0, late: false });
        }
        let (leg, told) = HttpLeg::new(Arc::clone(&line), Arc::clone(&self.lines));
        // Dropping the leg takes the line away again.
        if self.draining.is_cancelled() {
            return Err(NotTaken::Unavailable);
        }
        let begun = self.entry.delivered(delivered, policy.as_deref(), Box::new(leg));
        let call = begun.map_err(|Refused| NotTaken::Unavailable)?;
        self.remember(&event, &line);
        count("taken");
        self.tasks.spawn(relay(call.clone(), told));
        self.lines.begun(&line, call);
        *newest = event.at;
        drop(newest);
        Ok(Taken { line: Some(line), other: None, since: 0, late: false })
    }

    /// Something happens in a call whose leg another adapter has. Keys come through that leg alone.
    async fn beside(
        &self,
        event: Named,
        call: CallHandle,
        what: Option<Within>,
    ) -> Result<Taken, NotTaken> {
        let told = match what {
            _ if self.holds(&event) => None,
            None | Some(Within::Key(..)) => None,
            Some(Within::Other(told)) => Some(told),
        };
        count(if told.is_some() { "taken" } else { "repeated" });
        if let Some(told) = told {
            let room = call.room().await.map_err(|_| NotTaken::NoSuchCall)?;
            self.seen().add(&event.key.1, &event.id, self.clock.up());
            // A call that ends before it takes the event in has settled for good.
            let _ = room.put(Input::Event(told)).await;
        }
        Ok(Taken { line: None, other: Some(call), since: 0, late: false })
    }

    /// Gives the word in a call of ours to another way to its caller; the call, if there is one.
    pub fn attach(
        &self,
        platform: &PlatformName,
        call: &PlatformCallId,
        leg: Box<dyn Leg>,
    ) -> Option<CallHandle> {
        let line = self.lines.get(&(call.clone(), platform.clone()))?;
        let call = line.call().filter(|call| !call.is_over())?.clone();
        line.speaks_through(Some(leg));
        Some(call)
    }

    /// Takes the word back that [`Self::attach`] gave.
    pub fn detach(&self, platform: &PlatformName, call: &PlatformCallId) {
        if let Some(line) = self.lines.get(&(call.clone(), platform.clone())) {
            line.speaks_through(None);
        }
    }

    /// Something happens in a call.
    async fn within(&self, event: Named, what: Within) -> Result<Taken, NotTaken> {
        let Some(line) = self.lines.get(&event.key) else {
            if let Some(call) = self.entry.find(&event.key.1, &event.key.0) {
                return self.beside(event, call, Some(what)).await;
            }
            let known = self.holds(&event);
            count(if known { "repeated" } else { "unknown_call" });
            let taken = Taken { line: None, other: None, since: 0, late: false };
            return known.then_some(taken).ok_or(NotTaken::NoSuchCall);
        };
        let mut newest = line.turn.lock().await;
        if self.holds(&event) {
            count("repeated");
            return Ok(Taken { line: Some(Arc::clone(&line)), other: None, since: 0, late: false });
        }
        let call = line.call().ok_or(NotTaken::NoSuchCall)?;
        let told = match what {
            Within::Key(_, asked) if !line.wants(asked) => {
                count("stale");
                self.remember(&event, &line);
                return Ok(Taken {
                    line: Some(Arc::clone(&line)),
                    other: None,
                    since: 0,
                    late: false,
                });
            }
            Within::Key(key, _) => {
                counter!("countersign_digits_total", "via" => "http").increment(1);
                CallEvent::DigitGenerated(key)
            }
            Within::Other(told) => told,
        };
        let room = call.room().await.map_err(|_| NotTaken::NoSuchCall)?;
        if let CallEvent::ConnectionCleared(cause) = &told {
            line.order(|orders| orders.hang_up(*cause));
        }
        // From here to `put` nothing waits: an event is remembered exactly when it is handed in.
        self.remember(&event, &line);
        let taken = room.put(Input::Event(told));
        let late = event.at < *newest;
        *newest = event.at.max(*newest);
        count(if late { "out_of_order" } else { "taken" });
        // A call that ends before it takes the event in has settled for good.
        let since = taken.await.unwrap_or_default();
        drop(newest);
        Ok(Taken { line: Some(line), other: None, since, late })
    }

    fn holds(&self, event: &Named) -> bool {
        self.seen().holds(&event.key.1, &event.id)
    }

    fn remember(&self, event: &Named, line: &Line) {
        self.seen().add(&event.key.1, &event.id, self.clock.up());
        line.note(&event.id);
    }

    /// A panic elsewhere leaves the ids whole: every change of them is complete in itself.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event without what happened.
struct Named {
    id: String,
    key: line::Key,
    at: Timestamp,
}

/// What happens in a call.
enum Within {
    Key(Key, Option<u64>),
    Other(CallEvent),
}

impl NotTaken {
    fn rejected(self, index: usize, event_id: String) -> Rejected {
        let (code, message) = match self {
            Self::NoSuchCall => (
                "no_such_call",
                "no live call of this platform has this call_id; a call begins with delivered",
            ),
            Self::Unavailable => {
                ("unavailable", "no further call can be taken now; send it again in a few seconds")
            }
        };
        Rejected { index, event_id: Some(event_id), code, message: message.to_owned() }
    }
}

/// What is known of a call whose orders go to another adapter.
fn elsewhere(named: &PlatformCallId, call: &CallHandle) -> CallAnswer {
    let Progress { class, authentication, .. } = call.reached().borrow().progress;
    CallAnswer {
        call_id: named.clone(),
        call: call.id().clone(),
        class,
        authentication,
        directive: Directive { version: 0, order: Order::Wait, before: vec![] },
    }
}

fn count(result: &'static str) {
    counter!("countersign_call_events_total", "result" => result).increment(1);
}
