//! Live state in this process: enough for one node, gone with it.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::ids::IntentHandle;
use crate::model::time::Timestamp;
use crate::sessions::INTENT_REMEMBERED;
use crate::sessions::Intent;
use crate::sessions::Redeemed;
use crate::sessions::Sessions;
use crate::sessions::SessionsError;
use crate::sessions::listeners::Listeners;
use crate::sessions::memory_calls::Shared;
use crate::sessions::shared::Times;

/// The embedded session store.
pub struct MemorySessions {
    intents_max: usize,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    intents: Mutex<Intents>,
    words: Mutex<Words>,
    pub(super) times: Times,
    shared: Mutex<Shared>,
    pub(super) listeners: Listeners,
}

#[derive(Default)]
struct Intents {
    kept: HashMap<IntentHandle, Kept>,
    /// The same, in the order they may be forgotten.
    by_expiry: BTreeSet<(Timestamp, String)>,
}

/// Words that may come once, and until when they are remembered.
#[derive(Default)]
struct Words {
    kept: HashSet<String>,
    by_expiry: BTreeSet<(Timestamp, String)>,
}

/// Words remembered at the most: each is a signed handshake of the last seconds.
const WORDS_MAX: usize = 100_000;

enum Kept {
    Open(Box<Intent>),
    /// Remembered, so that a second caller is told what happened.
    Used,
}

impl MemorySessions {
    /// A store of at most `intents_max` intents; one more is refused.
    pub fn new(intents_max: usize, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self {
            intents_max,
            clock,
            intents: Mutex::default(),
            words: Mutex::default(),
            times: Times::default(),
            shared: Mutex::default(),
            listeners: Listeners::default(),
        }
    }

    /// The same with other times.
    #[must_use]
    pub fn with_times(self, times: Times) -> Self {
        Self { times, ..self }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// As with the intents.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic elsewhere leaves the map whole: every change of it is complete in itself.
    fn intents(&self) -> MutexGuard<'_, Intents> {
        self.intents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions")
            .field("intents", &self.intents().kept.len())
            .finish_non_exhaustive()
    }
}

impl Intents {
    fn forget_old(&mut self, now: Timestamp) {
        while let Some((expired, _)) = self.by_expiry.first() {
            if expired.after(INTENT_REMEMBERED) > now {
                return;
            }
            let handle =
                self.by_expiry.pop_first().and_then(|(_, text)| IntentHandle::parse(&text));
            handle.map(|handle| self.kept.remove(&handle));
        }
    }
}

#[async_trait]
impl Sessions for MemorySessions {
    async fn put_intent(&self, handle: IntentHandle, intent: Intent) -> Result<(), SessionsError> {
        let now = (self.clock)();
        let mut intents = self.intents();
        intents.forget_old(now);
        if intents.kept.len() >= self.intents_max {
            return Err(SessionsError(format!("{} intents are open", self.intents_max)));
        }
        intents.by_expiry.insert((intent.expires_at, handle.expose().to_owned()));
        intents.kept.insert(handle, Kept::Open(Box::new(intent)));
        Ok(())
    }

    async fn redeem_intent(
        &self,
        handle: &IntentHandle,
        now: Timestamp,
    ) -> Result<Redeemed, SessionsError> {
        let mut intents = self.intents();
        let Some(kept) = intents.kept.get_mut(handle) else { return Ok(Redeemed::Unknown) };
        match kept {
            Kept::Used => Ok(Redeemed::Used),
            // It stays as it is: whoever tries again is told the same.
            Kept::Open(intent) if now >= intent.expires_at => Ok(Redeemed::Expired),
            Kept::Open(_) => match std::mem::replace(kept, Kept::Used) {
                Kept::Open(intent) => Ok(Redeemed::Good(intent)),
                Kept::Used => Ok(Redeemed::Used),
            },
        }
    }

    async fn cancel_intent(&self, handle: &IntentHandle) -> Result<bool, SessionsError> {
        let mut intents = self.intents();
        let expires_at = match intents.kept.get(handle) {
            Some(Kept::Open(intent)) => intent.expires_at,
            Some(Kept::Used) | None => return Ok(false),
        };
        intents.kept.remove(handle);
        intents.by_expiry.remove(&(expires_at, handle.expose().to_owned()));
        Ok((self.clock)() < expires_at)
    }

    async fn once(&self, word: &str, ttl: Duration) -> Result<bool, SessionsError> {
        let now = (self.clock)();
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        while words.by_expiry.first().is_some_and(|(until, _)| *until <= now) {
            let old = words.by_expiry.pop_first();
            old.map(|(_, word)| words.kept.remove(&word));
        }
        if words.kept.contains(word) {
            return Ok(false);
        }
        if words.kept.len() >= WORDS_MAX {
            return Err(SessionsError(format!("{WORDS_MAX} words are remembered")));
        }
        words.by_expiry.insert((now.after(ttl), word.to_owned()));
        words.kept.insert(word.to_owned());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use super::*;

    const HANDLE: [u8; 16] = [7; 16];

    #[tokio::test]
    async fn b04_an_intent_is_good_once_then_used_then_forgotten() {
        let (store, clock) = store(10);
        store.put_intent(IntentHandle::new(HANDLE), intent(120_000)).await.unwrap();
        assert_eq!(redeem(&store, HANDLE, 1).await, "good");
        assert_eq!(redeem(&store, HANDLE, 2).await, "used");
        clock.store(120_000 + 600_000, Ordering::Relaxed);
        store.put_intent(IntentHandle::new([8; 16]), intent(9_000_000)).await.unwrap();
        assert_eq!(redeem(&store, HANDLE, 3).await, "unknown");
    }

    #[tokio::test]
    async fn b04_an_intent_expires_at_its_time_and_can_be_cancelled_once() {
        let (store, _) = store(10);
        store.put_intent(IntentHandle::new(HANDLE), intent(120_000)).await.unwrap();
        assert_eq!(redeem(&store, HANDLE, 120_000).await, "expired");
        assert_eq!(redeem(&store, HANDLE, 120_001).await, "expired");

        store.put_intent(IntentHandle::new([1; 16]), intent(120_000)).await.unwrap();
        assert!(store.cancel_intent(&IntentHandle::new([1; 16])).await.unwrap());
        assert!(!store.cancel_intent(&IntentHandle::new([1; 16])).await.unwrap());
        assert_eq!(redeem(&store, [1; 16], 1).await, "unknown");
    }

    #[tokio::test]
    async fn the_store_is_bounded_and_old_intents_make_room() {
        let (store, clock) = store(2);
        for n in 0..2 {
            store.put_intent(IntentHandle::new([n; 16]), intent(1000)).await.unwrap();
        }
        assert!(store.put_intent(IntentHandle::new([9; 16]), intent(1000)).await.is_err());
        clock.store(1000 + 600_000, Ordering::Relaxed);
        store.put_intent(IntentHandle::new([9; 16]), intent(1_000_000)).await.unwrap();
        let intents = store.intents();
        assert_eq!((intents.by_expiry.len(), intents.kept.len()), (1, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_a_hundred_redeemers_one_gets_it() {
        let (store, _) = store(10);
        let store = Arc::new(store);
        store.put_intent(IntentHandle::new(HANDLE), intent(120_000)).await.unwrap();
        let mut redeemers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let store = Arc::clone(&store);
            redeemers.spawn(async move { redeem(&store, HANDLE, 1).await });
        }
        let mut answers = redeemers.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers.iter().filter(|answer| **answer == "good").count(), 1);
        assert_eq!(answers.iter().filter(|answer| **answer == "used").count(), 99);
    }

    fn store(intents_max: usize) -> (MemorySessions, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&clock);
        let clock_of_store = Arc::new(move || Timestamp(read.load(Ordering::Relaxed)));
        (MemorySessions::new(intents_max, clock_of_store), clock)
    }

    fn intent(expires_at: u64) -> Intent {
        Intent {
            customer: "c1".parse().unwrap(),
            number: "+447700900123".parse().unwrap(),
            dnis: None,
            purpose: None,
            expires_at: Timestamp(expires_at),
        }
    }

    async fn redeem(store: &MemorySessions, handle: [u8; 16], now: u64) -> &'static str {
        match store.redeem_intent(&IntentHandle::new(handle), Timestamp(now)).await.unwrap() {
            Redeemed::Good(_) => "good",
            Redeemed::Expired => "expired",
            Redeemed::Used => "used",
            Redeemed::Unknown => "unknown",
        }
    }
}
