//! Desktop requests wait here for what their call says.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call::input::Input;
use crate::call::input::Reply;
use crate::call::request::Refusal;
use crate::engine::CallHandle;

/// A request is answered within this time, or said to be unavailable.
const REQUEST_MAX: Duration = Duration::from_secs(8);

/// Desktop requests on their way through a call.
#[derive(Debug, Default)]
pub struct Replies {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<(), Refusal>>>>,
    next: AtomicU64,
}

impl Replies {
    /// Sends a request into a call and waits for what came of it.
    pub async fn ask(
        &self,
        call: &CallHandle,
        input: impl FnOnce(Reply) -> Input,
    ) -> Result<(), Refusal> {
        let reply = Reply(self.next.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(reply.0, answer);
        let outcome = match call.send(input(reply)) {
            Ok(()) => timeout(REQUEST_MAX, answered).await,
            Err(_) => Ok(Ok(Err(Refusal::Unavailable))),
        };
        self.waiting().remove(&reply.0);
        match outcome {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    pub(crate) fn answer(&self, reply: Reply, outcome: Result<(), Refusal>) {
        if let Some(asker) = self.waiting().remove(&reply.0) {
            // An asker who went away does not need the answer.
            let _ = asker.send(outcome);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<(), Refusal>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
