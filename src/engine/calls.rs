//! The calls that live on this node, by our id and by the platform's.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::call::adopt::Adoption;
use crate::call::effect::Effect;
use crate::call::input::Delivered;
use crate::call::input::Input;
use crate::engine::CallHandle;
use crate::engine::CallTask;
use crate::engine::Effects;
use crate::engine::clock::Clock;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::policy::Profile;

/// Calls asked to go for each that comes, once the table is full.
const ASKED_TO_GO: usize = 4;

/// The node's calls. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Calls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    max: usize,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A call as its platform names it.
type PlatformKey = (PlatformCallId, PlatformName);

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<CallId, CallHandle>,
    by_platform: BTreeMap<PlatformKey, CallId>,
    /// In the order in which they came, those that could not make room behind the others.
    order: VecDeque<CallId>,
}

impl Table {
    /// Asks the oldest calls to make room, those that are with a queue or have ended.
    fn make_room(&mut self) {
        for _ in 0..ASKED_TO_GO {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(call) = self.by_id.get(&oldest) {
                // One that cannot listen now is asked again on its next turn.
                let _ = call.send(Input::MakeRoom);
                self.order.push_back(oldest);
            }
        }
    }
}

/// As many calls as we take already live here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no room for another call")]
pub struct NoRoom;

impl Calls {
    /// An empty table for at most `max` calls; their tasks run on `tasks` until `stop`.
    #[must_use]
    pub fn new(max: usize, clock: Clock, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { shared: Arc::new(Shared { table: Mutex::default(), max, clock, tasks, stop }) }
    }

    /// Starts the task of a new call.
    pub fn start<E: Effects>(
        &self,
        id: &CallId,
        delivered: Delivered,
        profile: Arc<Profile>,
        effects: E,
    ) -> Result<CallHandle, NoRoom> {
        let key = (delivered.platform_call_id.clone(), delivered.platform.clone());
        let offered = Call::offered(id.clone(), delivered, profile, self.shared.clock.now());
        self.begin(offered, key, effects)
    }

    /// Starts the task of a call that another node had.
    pub fn adopt<E: Effects>(&self, adoption: Adoption, effects: E) -> Result<CallHandle, NoRoom> {
        let saved = &adoption.saved;
        let key = (saved.platform_call_id.clone(), saved.platform.clone());
        let adopted = Call::adopted(adoption, self.shared.clock.now());
        self.begin(adopted, key, effects)
    }

    fn begin<E: Effects>(
        &self,
        begun: (Call, Vec<Effect>),
        key: PlatformKey,
        effects: E,
    ) -> Result<CallHandle, NoRoom> {
        let Shared { clock, tasks, stop, max, .. } = &*self.shared;
        let id = begun.0.id().clone();
        let (task, handle) = CallTask::new(begun, effects, *clock, stop.clone());
        {
            let mut table = self.table();
            if table.by_id.len() >= *max {
                table.make_room();
            }
            if table.by_id.len() >= max.saturating_add(max / 4) {
                return Err(NoRoom);
            }
            table.order.push_back(id.clone());
            table.by_id.insert(id.clone(), handle.clone());
            table.by_platform.insert(key.clone(), id.clone());
        }
        let calls = self.clone();
        tasks.spawn(async move {
            task.run().await;
            let mut table = calls.table();
            table.by_id.remove(&id);
            if table.order.front() == Some(&id) {
                table.order.pop_front();
            }
            // Ids of calls that ended out of turn go once they outweigh the living.
            if table.order.len() > 2 * table.by_id.len() + 1024 {
                let Table { by_id, order, .. } = &mut *table;
                order.retain(|id| by_id.contains_key(id));
            }
            // The platform may have used its id again meanwhile.
            if table.by_platform.get(&key) == Some(&id) {
                table.by_platform.remove(&key);
            }
        });
        Ok(handle)
    }

    /// A call by our id or the platform's.
    #[must_use]
    pub fn find(&self, named: &str) -> Option<CallHandle> {
        let table = self.table();
        let name = named.to_owned();
        let by_id = CallId::try_from(name.clone()).ok().and_then(|id| table.by_id.get(&id));
        let by_platform = || {
            let name = PlatformCallId::try_from(name).ok()?;
            let first = PlatformName::try_from("\u{20}".to_owned()).ok()?;
            let mut same = table.by_platform.range((name.clone(), first)..);
            let (_, id) = same.next().filter(|((call, _), _)| *call == name)?;
            table.by_id.get(id)
        };
        by_id.or_else(by_platform).cloned()
    }

    /// The call that this platform names so.
    #[must_use]
    pub fn of_platform(
        &self,
        platform: &PlatformName,
        call: &PlatformCallId,
    ) -> Option<CallHandle> {
        let table = self.table();
        let id = table.by_platform.get(&(call.clone(), platform.clone()))?;
        table.by_id.get(id).cloned()
    }

    /// All calls that live here.
    #[must_use]
    pub fn all(&self) -> Vec<CallHandle> {
        self.table().by_id.values().cloned().collect()
    }

    /// How many calls live here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().by_id.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
