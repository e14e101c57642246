//! One call of an HTTP platform, and the table of all of them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::call::Progress;
use crate::engine::CallHandle;
use crate::engine::Reached;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::time::Timestamp;
use crate::platform::Leg;
use crate::platform::http::orders::Orders;
use crate::wire::directive::Directive;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;

/// A call that is about to settle is waited for, even by those who do not want to wait.
const SETTLED_IN: Duration = Duration::from_secs(2);

/// Event ids that go along with a call at the most; a platform repeats what was not answered, not more.
const EVENTS_MAX: usize = 32;

/// A call as its platform names it.
pub(super) type Key = (PlatformCallId, PlatformName);

/// One call of an HTTP platform.
pub(super) struct Line {
    key: Key,
    call: OnceLock<CallHandle>,
    orders: Mutex<Orders>,
    /// The newest directive's.
    version: watch::Sender<u64>,
    /// Another way to the caller, which has the word as long as it is there.
    mouth: Mutex<Option<Box<dyn Leg>>>,
    /// The ids of the events that were taken last.
    events: Mutex<VecDeque<String>>,
    /// Held while an event is handed in: those of concurrent requests take turns, in the order in
    /// which they came. Holds the newest `at` so far.
    pub(super) turn: tokio::sync::Mutex<Timestamp>,
}

impl Line {
    pub(super) fn new(key: Key, orders: Orders) -> Arc<Self> {
        let version = watch::Sender::new(orders.directive().version);
        let turn = tokio::sync::Mutex::new(Timestamp(0));
        Arc::new(Self {
            key,
            call: OnceLock::new(),
            orders: Mutex::new(orders),
            version,
            mouth: Mutex::default(),
            events: Mutex::default(),
            turn,
        })
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// Notes an event for whoever goes on with the call.
    pub(super) fn note(&self, event: &str) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(event.to_owned());
    }

    /// The ids of the events that were taken last.
    pub(super) fn events(&self) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().cloned().collect()
    }

    pub(super) fn call(&self) -> Option<&CallHandle> {
        self.call.get()
    }

    /// Whether the call was there and has gone.
    pub(super) fn is_over(&self) -> bool {
        self.call().is_some_and(CallHandle::is_over)
    }

    pub(super) fn order<T>(&self, change: impl FnOnce(&mut Orders) -> T) -> T {
        let mut orders = self.orders();
        let done = change(&mut orders);
        // Whoever waits is woken by a new directive alone: between a phrase and what follows it there is
        // nothing to be told.
        let version = orders.directive().version;
        self.version.send_if_modified(|told| std::mem::replace(told, version) != version);
        done
    }

    /// Gives the word to another way to the caller, or takes it back.
    pub(super) fn speaks_through(&self, leg: Option<Box<dyn Leg>>) {
        *self.mouth.lock().unwrap_or_else(PoisonError::into_inner) = leg;
    }

    /// Has the other way to the caller do something, where there is one.
    pub(super) fn through(&self, what: impl FnOnce(&mut dyn Leg)) -> bool {
        let mut mouth = self.mouth.lock().unwrap_or_else(PoisonError::into_inner);
        mouth.as_deref_mut().map(what).is_some()
    }

    pub(super) fn wants(&self, asked: Option<u64>) -> bool {
        self.orders().wants(asked)
    }

    /// A panic elsewhere leaves the orders whole: every change of them is complete in itself.
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is with the machine: keys are asked, or it is not known yet.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_over()
            && matches!(self.orders().directive().order, Order::Wait | Order::Collect { .. })
    }

    /// Where the call stands once it has settled after this step, or when the time is over.
    pub(super) async fn settled(&self, since: u64, until: Instant) -> Option<CallAnswer> {
        let call = self.call()?;
        let mut reached = call.reached();
        let fits = |reached: &Reached| reached.steps >= since && reached.progress.settled;
        // Over, or too late: what is known now is the answer.
        let settled = timeout_at(until, reached.wait_for(fits)).await.is_ok();
        Some(self.answer(call, settled))
    }

    /// Where the call stands as soon as it has settled with a directive after this one, or when the
    /// time is over.
    pub(super) async fn newer(&self, after: u64, wait: Duration) -> Option<CallAnswer> {
        let call = self.call()?;
        let (until, settled_until) = (Instant::now() + wait, Instant::now() + wait.max(SETTLED_IN));
        let (mut reached, mut version) = (call.reached(), self.version.subscribe());
        loop {
            let Progress { settled, interrupted, .. } = reached.borrow_and_update().progress;
            if settled && !interrupted {
                self.order(|orders| orders.settle(call.id()));
            }
            let newer = *version.borrow_and_update() > after;
            if (settled && newer) || call.is_over() {
                return Some(self.answer(call, settled));
            }
            let changed = async {
                tokio::select! {
                    step = reached.changed() => step.is_ok(),
                    order = version.changed() => order.is_ok(),
                }
            };
            let until = if settled { until } else { settled_until };
            if !timeout_at(until, changed).await.unwrap_or(false) {
                return Some(self.answer(call, settled));
            }
        }
    }

    fn answer(&self, call: &CallHandle, settled: bool) -> CallAnswer {
        let progress = call.reached().borrow().progress;
        let directive = self.order(|orders| {
            if settled && !progress.interrupted {
                orders.settle(call.id());
                return orders.directive().clone();
            }
            // What was ordered last was carried out; what comes next is not known.
            Directive { order: Order::Wait, before: vec![], ..*orders.directive() }
        });
        CallAnswer {
            call_id: self.key.0.clone(),
            call: call.id().clone(),
            class: progress.class,
            authentication: progress.authentication,
            directive,
        }
    }
}

/// The lines of all calls that live.
#[derive(Default)]
pub(super) struct Lines(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_name: BTreeMap<Key, Arc<Line>>,
    by_id: HashMap<CallId, Arc<Line>>,
}

impl Lines {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Line>> {
        self.table().by_name.get(key).cloned()
    }

    /// The line of this name, a new one where there is none or only one that is over.
    pub(super) fn get_or(&self, key: &Key, new: impl FnOnce() -> Arc<Line>) -> Arc<Line> {
        let mut table = self.table();
        if let Some(line) = table.by_name.get(key).filter(|line| !line.is_over()) {
            return Arc::clone(line);
        }
        let line = new();
        table.by_name.insert(key.clone(), Arc::clone(&line));
        line
    }

    /// The line with this id, ours or its platform's; `None` where two platforms use the same.
    pub(super) fn find(&self, named: &str) -> Option<Arc<Line>> {
        let table = self.table();
        let ours = named.parse().ok().and_then(|id: CallId| table.by_id.get(&id).cloned());
        ours.or_else(|| {
            let name: PlatformCallId = named.parse().ok()?;
            let first = "\u{20}".parse().ok()?;
            let mut same = table.by_name.range((name.clone(), first)..);
            let (_, line) = same.next().filter(|((call, _), _)| *call == name)?;
            let another = same.next().is_some_and(|((call, _), _)| *call == name);
            (!another).then(|| Arc::clone(line))
        })
    }

    /// The line's call has begun.
    pub(super) fn begun(&self, line: &Arc<Line>, call: CallHandle) {
        let id = call.id().clone();
        // Only whoever holds the line's turn begins its call, and only once.
        let _ = line.call.set(call);
        let mut table = self.table();
        // A call that is over already has taken its line away.
        if !line.is_over() {
            table.by_name.entry(line.key.clone()).or_insert_with(|| Arc::clone(line));
            table.by_id.insert(id, Arc::clone(line));
        }
    }

    pub(super) fn remove(&self, line: &Arc<Line>) {
        let mut table = self.table();
        if table.by_name.get(&line.key).is_some_and(|listed| Arc::ptr_eq(listed, line)) {
            table.by_name.remove(&line.key);
        }
        if let Some(call) = line.call() {
            table.by_id.remove(call.id());
        }
    }

    /// Calls whose callers are with the machine.
    pub(super) fn busy(&self) -> usize {
        self.table().by_name.values().filter(|line| line.is_busy()).count()
    }

    /// A panic elsewhere leaves the table whole: every change of it is complete in itself.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
