//! The events of one stream on their way in: those of a call one after the other, calls side by side.

use std::collections::HashMap;
use std::collections::VecDeque;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::api::intake::Intake;
use crate::grpc::proto::CallEvent;
use crate::grpc::words;
use crate::wire::events::Answer;
use crate::wire::events::Rejected;

/// Events of one stream that wait or are under way at the most; after that the stream is not read on.
pub(super) const LEN: usize = 1024;

/// A call as its platform names it, before anybody has looked at the names.
type Key = (String, String);

/// What came of an event.
pub(super) struct Done {
    /// Its place in the stream, from 0.
    pub(super) index: u32,
    pub(super) event_id: String,
    pub(super) answer: Answer,
    key: Key,
}

/// The events of one stream.
pub(super) struct Lanes {
    intake: Intake,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What waits behind the event of a call that is under way; a call without one is not in here.
    waiting: HashMap<Key, VecDeque<(u32, CallEvent)>>,
    len: usize,
    next: u32,
}

impl Lanes {
    pub(super) fn new(intake: Intake) -> Self {
        let (under_way, waiting) = (FuturesUnordered::new(), HashMap::new());
        Self { intake, under_way, waiting, len: 0, next: 0 }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len >= LEN
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next event of the stream.
    pub(super) fn take(&mut self, event: CallEvent) {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        self.len += 1;
        let key = (event.platform.clone(), event.call_id.clone());
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.push_back((index, event));
            return;
        }
        self.waiting.insert(key.clone(), VecDeque::new());
        self.begin(key, index, event);
    }

    /// What comes of an event next; `None`: nothing is under way. Nothing is lost when the wait is given
    /// up.
    pub(super) async fn done(&mut self) -> Option<Done> {
        let done = self.under_way.next().await?;
        self.len = self.len.saturating_sub(1);
        let next = self.waiting.get_mut(&done.key).and_then(VecDeque::pop_front);
        match next {
            Some((index, event)) => self.begin(done.key.clone(), index, event),
            None => drop(self.waiting.remove(&done.key)),
        }
        Some(done)
    }

    fn begin(&self, key: Key, index: u32, event: CallEvent) {
        let intake = self.intake.clone();
        let taken = async move {
            let event_id = event.event_id.clone();
            let answer = publish(&intake, event).await;
            Done { index, event_id, answer, key }
        };
        self.under_way.push(taken.boxed());
    }
}

/// Takes one event in, on the same way as over HTTP.
pub(super) async fn publish(intake: &Intake, event: CallEvent) -> Answer {
    let answer = intake.publish(words::event(event), false).await;
    answer.unwrap_or_else(|_| {
        let message = "the event cannot be read".to_owned();
        let rejected = Rejected { index: 0, event_id: None, code: "invalid_event", message };
        Answer { accepted: 0, out_of_order: 0, calls: vec![], rejected: vec![rejected] }
    })
}
