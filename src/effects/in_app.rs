//! What a customer's own app shows of a call we make: our agent's alias and three numbers (OB-1).

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::outbound::step::AppNumbers;

/// Calls shown at the same time; a node holds fewer outbound calls than this.
const SHOWN_MAX: usize = 10_000;

/// One call as the app shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Whose app.
    pub customer: Option<CustomerId>,
    /// Who rings.
    pub agent: Option<AgentId>,
    /// Since when.
    pub started: Timestamp,
    /// The numbers.
    pub numbers: AppNumbers,
}

/// The calls that apps show now.
#[derive(Debug, Default)]
pub struct InApp {
    shown: Mutex<HashMap<CallId, Shown>>,
}

impl InApp {
    /// Shows these numbers, or nothing any more.
    pub fn show(
        &self,
        call: &CallId,
        customer: Option<CustomerId>,
        agent: Option<AgentId>,
        numbers: Option<AppNumbers>,
        now: Timestamp,
    ) {
        let mut shown = self.shown();
        shown.retain(|_, shown| shown.numbers.expires_at > now);
        match numbers {
            Some(numbers) if shown.len() < SHOWN_MAX => {
                shown.insert(call.clone(), Shown { customer, agent, started: now, numbers });
            }
            Some(_) | None => {
                shown.remove(call);
            }
        }
    }

    /// What the app of this call shows at this time.
    #[must_use]
    pub fn of(&self, call: &CallId, now: Timestamp) -> Option<Shown> {
        self.shown().get(call).filter(|shown| shown.numbers.expires_at > now).cloned()
    }

    /// What the app of this customer shows at this time.
    #[must_use]
    pub fn with(&self, customer: &CustomerId, now: Timestamp) -> Vec<(CallId, Shown)> {
        let shown = self.shown();
        let theirs = |shown: &Shown| {
            shown.customer.as_ref() == Some(customer) && shown.numbers.expires_at > now
        };
        let calls = shown.iter().filter(|(_, shown)| theirs(shown));
        calls.map(|(call, shown)| (call.clone(), shown.clone())).collect()
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<CallId, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
