//! States of this node's calls on their way to the other nodes (D06): each call once, at its newest.
//!
//! Calls put them here and go on; a task of the composition root takes them out, many at a time. A
//! slow store costs others their view of us, never a caller a moment (P5).

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Notify;

use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::Stamp;

/// Calls that are over and not yet told, at the most; the store forgets the others by itself.
const GONE_MAX: usize = 100_000;

/// What there is to tell about a call.
#[derive(Clone, Debug)]
pub enum Word {
    /// Its newest state.
    State(Box<SharedCall>),
    /// It is over.
    Gone(CallId),
}

/// The newest states that other nodes have not been told.
#[derive(Debug)]
pub struct Sharing {
    node: NodeId,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The newest state of each call that lives here.
    held: HashMap<CallId, SharedCall>,
    /// What is to be told of a call.
    due: HashMap<CallId, Due>,
    /// In the order in which it became due.
    order: VecDeque<CallId>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    State,
    Gone,
}

impl Waiting {
    fn due(&mut self, id: CallId, due: Due) {
        if self.due.insert(id.clone(), due).is_none() {
            self.order.push_back(id);
        }
    }
}

impl Sharing {
    /// Nothing to tell yet.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self { node, waiting: Mutex::default(), wake: Notify::new() }
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Puts a call's newest state in the place of an older one.
    pub fn put(&self, call: SharedCall) {
        let mut waiting = self.waiting();
        waiting.due(call.id.clone(), Due::State);
        waiting.held.insert(call.id.clone(), call);
        drop(waiting);
        self.wake.notify_one();
    }

    /// The call is over.
    pub fn gone(&self, call: CallId) {
        let mut waiting = self.waiting();
        waiting.held.remove(&call);
        if waiting.due.len() < GONE_MAX {
            waiting.due(call, Due::Gone);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// The call is another node's: there is nothing to tell any more.
    pub fn forget(&self, call: &CallId) {
        self.waiting().held.remove(call);
    }

    /// The call's state is to be told again.
    pub fn again(&self, call: &CallId) {
        let mut waiting = self.waiting();
        if waiting.held.contains_key(call) {
            waiting.due(call.clone(), Due::State);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Where the calls of this node stand that have nothing to tell.
    #[must_use]
    pub fn held(&self) -> Vec<(CallId, Stamp)> {
        let waiting = self.waiting();
        let told = waiting.held.iter().filter(|(id, _)| !waiting.due.contains_key(*id));
        told.map(|(id, call)| (id.clone(), call.stamp)).collect()
    }

    /// Puts back what could not be told, unless there is other word of the call by now.
    pub fn put_back(&self, words: &[Word]) {
        let mut waiting = self.waiting();
        for word in words {
            let due = if matches!(word, Word::State(_)) { Due::State } else { Due::Gone };
            if !waiting.due.contains_key(word.call()) {
                waiting.due(word.call().clone(), due);
            }
        }
    }

    /// Waits until there is something to tell.
    pub async fn ready(&self) {
        while self.is_empty() {
            self.wake.notified().await;
        }
    }

    /// Takes out at most `max`, the longest waiting first.
    #[must_use]
    pub fn take(&self, max: usize) -> Vec<Word> {
        let mut waiting = self.waiting();
        let mut words = vec![];
        while words.len() < max
            && let Some(id) = waiting.order.pop_front()
        {
            words.extend(match waiting.due.remove(&id) {
                Some(Due::Gone) => Some(Word::Gone(id)),
                // A call that was forgotten meanwhile has nothing to tell.
                Some(Due::State) => waiting.held.get(&id).cloned().map(Box::new).map(Word::State),
                None => None,
            });
        }
        words
    }

    /// How many calls have something to tell.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting().order.len()
    }

    /// Whether everything is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere leaves the words whole: every change of them is complete in itself.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Word {
    /// Which call it is about.
    #[must_use]
    pub fn call(&self) -> &CallId {
        match self {
            Self::State(call) => &call.id,
            Self::Gone(call) => call,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::shared::PlatformKey;

    fn state(id: &str, version: u64) -> SharedCall {
        SharedCall {
            id: id.parse().expect("an id"),
            stamp: Stamp { term: 0, version },
            owner: "n1".parse().expect("a name"),
            platform: PlatformKey {
                platform: "sip".parse().expect("a name"),
                call: id.parse().expect("an id"),
            },
            agent: None,
            queue: "general".parse().expect("a name"),
            body: "{}".into(),
        }
    }

    fn told(sharing: &Sharing, max: usize) -> String {
        let words = sharing.take(max).into_iter().map(|word| match word {
            Word::State(call) => format!("{}v{}", call.id, call.stamp.version),
            Word::Gone(id) => format!("-{id}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_call_is_told_once_at_its_newest_the_longest_waiting_first() {
        let sharing = Sharing::new("n1".parse().expect("a name"));
        for (id, version) in [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 3)] {
            sharing.put(state(id, version));
        }
        assert_eq!(told(&sharing, 2), "a3 b1".replace('a', "av").replace('b', "bv"));
        sharing.gone("c".parse().expect("an id"));
        assert_eq!(told(&sharing, 9), "-c");
        assert!(sharing.is_empty());
    }

    #[test]
    fn what_could_not_be_told_comes_again_at_its_newest_and_what_is_another_nodes_does_not() {
        let sharing = Sharing::new("n1".parse().expect("a name"));
        sharing.put(state("a", 1));
        sharing.put(state("b", 1));
        let words = sharing.take(9);
        sharing.put(state("a", 2));
        sharing.forget(&"b".parse().expect("an id"));
        sharing.put_back(&words);
        assert_eq!(told(&sharing, 9), "av2");
        let held: Vec<_> = sharing.held().into_iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(held, ["a"]);
        sharing.again(&"a".parse().expect("an id"));
        sharing.again(&"b".parse().expect("an id"));
        assert_eq!(told(&sharing, 9), "av2");
    }
}
