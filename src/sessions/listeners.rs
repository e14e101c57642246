//! Those of this process who want to hear what happens to calls.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::sessions::shared::Change;

/// Changes that may wait for a listener; beyond that it is told that it missed some.
const CHANGES_MAX: usize = 1024;

/// The listeners. Telling them never waits.
#[derive(Default)]
pub(super) struct Listeners {
    all: Mutex<Vec<Listener>>,
}

struct Listener {
    to: mpsc::Sender<Change>,
    /// It was not told everything, and does not know it yet.
    behind: bool,
}

impl Listeners {
    pub(super) fn add(&self) -> mpsc::Receiver<Change> {
        let (to, changes) = mpsc::channel(CHANGES_MAX);
        self.all().push(Listener { to, behind: false });
        changes
    }

    pub(super) fn tell(&self, change: &Change) {
        self.all().retain_mut(|listener| listener.tell(Some(change)));
    }

    /// Tells those who fell behind, and have caught up since, what they do not know.
    pub(super) fn remind(&self) {
        self.all().retain_mut(|listener| listener.tell(None));
    }

    fn all(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Says whether somebody still listens.
    fn tell(&mut self, change: Option<&Change>) -> bool {
        let missed = self.behind.then_some(&Change::Missed);
        for change in missed.into_iter().chain(change) {
            match self.to.try_send(change.clone()) {
                Ok(()) => self.behind = false,
                Err(TrySendError::Full(_)) => {
                    self.behind = true;
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        !self.to.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_falls_behind_is_told_so_at_the_end_of_what_it_has() {
        let listeners = Listeners::default();
        let mut changes = listeners.add();
        let gone = |n: usize| Change::Gone(n.to_string().parse().unwrap());
        for n in 0..CHANGES_MAX + 2 {
            listeners.tell(&gone(n));
        }
        for n in 0..CHANGES_MAX {
            assert_eq!(changes.try_recv(), Ok(gone(n)));
        }
        assert!(changes.try_recv().is_err());
        listeners.remind();
        listeners.tell(&gone(7));
        assert_eq!(changes.try_recv(), Ok(Change::Missed));
        assert_eq!(changes.try_recv(), Ok(gone(7)));
        drop(changes);
        listeners.remind();
        assert!(listeners.all().is_empty());
    }
}
