//! What the calls of one stream want beyond the answers to its events.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::model::ids::CallId;
use crate::platform::http::Platforms;
use crate::wire::events::CallAnswer;

/// Calls of one stream that are followed at the most; further ones are told what to do when they ask.
const LEN: usize = 4096;

/// The calls that are followed.
pub(super) struct Following {
    platforms: Arc<Platforms>,
    waiting: FuturesUnordered<BoxFuture<'static, (CallId, Option<CallAnswer>)>>,
    /// The newest directive of which the stream was told.
    told: HashMap<CallId, u64>,
}

impl Following {
    pub(super) fn new(platforms: Arc<Platforms>) -> Self {
        Self { platforms, waiting: FuturesUnordered::new(), told: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The stream is told this; the call is followed from now on.
    pub(super) fn told(&mut self, answer: &CallAnswer) {
        let version = answer.directive.version;
        if let Some(told) = self.told.get_mut(&answer.call) {
            *told = version.max(*told);
        } else if self.told.len() < LEN {
            self.told.insert(answer.call.clone(), version);
            self.follow(answer.call.clone(), version);
        }
    }

    /// A call wants something that the stream was not told; `None`: nothing is followed. Nothing is lost
    /// when the wait is given up.
    pub(super) async fn next(&mut self) -> Option<CallAnswer> {
        loop {
            let (call, wanted) = self.waiting.next().await?;
            let Some(wanted) = wanted else {
                self.told.remove(&call);
                continue;
            };
            let version = wanted.directive.version;
            let Some(told) = self.told.get_mut(&call) else { continue };
            let before = std::mem::replace(told, version.max(*told));
            let after = *told;
            self.follow(call, after);
            if version > before {
                return Some(wanted);
            }
        }
    }

    fn follow(&self, call: CallId, after: u64) {
        let platforms = Arc::clone(&self.platforms);
        let newer = async move {
            let answer = platforms.follow(call.as_str(), after).await;
            (call, answer)
        };
        self.waiting.push(newer.boxed());
    }
}
