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
    words: HashMap<CallId, Word>,
    /// In the order in which they were first put here.
    order: VecDeque<CallId>,
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
        self.push(call.id.clone(), Word::State(Box::new(call)));
    }

    /// The call is over.
    pub fn gone(&self, call: CallId) {
        if self.waiting().words.len() < GONE_MAX {
            self.push(call.clone(), Word::Gone(call));
        }
    }

    /// Puts back what could not be told, unless there is newer word of the call by now.
    pub fn put_back(&self, words: Vec<Word>) {
        let mut waiting = self.waiting();
        for word in words.into_iter().rev() {
            let id = word.call().clone();
            if !waiting.words.contains_key(&id) {
                waiting.order.push_front(id.clone());
                waiting.words.insert(id, word);
            }
        }
    }

    /// Waits until there is something to tell.
    pub async fn ready(&self) {
        while self.waiting().order.is_empty() {
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
            words.extend(waiting.words.remove(&id));
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

    fn push(&self, id: CallId, word: Word) {
        let mut waiting = self.waiting();
        if waiting.words.insert(id.clone(), word).is_none() {
            waiting.order.push_back(id);
        }
        drop(waiting);
        self.wake.notify_one();
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
