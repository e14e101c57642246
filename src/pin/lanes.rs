//! Threads that hash, and the two lanes of work before them: calls first, enrolment when nobody waits.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::oneshot;

use crate::pin::PinError;
use crate::pin::kdf::Cost;
use crate::pin::kdf::Kdf;

/// Who waits for the result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// A caller. Too long a queue or wait is an answer too.
    Live,
    /// An import or a new PIN. Waits as long as there are calls.
    Enrolment,
}

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Threads, and so runs at the same time.
    pub threads: usize,
    /// Live jobs that may wait.
    pub queue: usize,
    /// The longest a live job may wait before it starts.
    pub wait: Duration,
}

/// The threads. Dropping it finishes the runs that were started and answers the rest with Busy.
pub struct Lanes {
    shared: Arc<Shared>,
    enrolments: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    limits: Limits,
}

struct State {
    open: bool,
    live: VecDeque<Job>,
    enrolment: VecDeque<Job>,
}

struct Job {
    lane: Lane,
    since: Instant,
    work: Box<dyn FnOnce(&mut Kdf) + Send>,
}

impl Lanes {
    /// Starts the threads, each with its memory.
    pub fn start(limits: Limits, cost: Cost) -> io::Result<Self> {
        let state = State { open: true, live: VecDeque::new(), enrolment: VecDeque::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), limits });
        let enrolments = Arc::new(Semaphore::new(limits.threads));
        let mut lanes = Self { shared, enrolments, threads: Vec::with_capacity(limits.threads) };
        for number in 0..limits.threads {
            let shared = Arc::clone(&lanes.shared);
            let name = format!("pin-{number}");
            let thread =
                thread::Builder::new().name(name).spawn(move || work_off(&shared, cost))?;
            lanes.threads.push(thread);
        }
        Ok(lanes)
    }

    /// Runs `work` on one of the threads. Once started it runs to its end and keeps its thread,
    /// whether or not this future is still there: hanging up must not make room for more (§3.9).
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Kdf) -> Result<T, PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let permit = match lane {
            Lane::Live => None,
            Lane::Enrolment => Arc::clone(&self.enrolments).acquire_owned().await.ok(),
        };
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move |kdf: &mut Kdf| {
            if !answer.is_closed() {
                // Nobody may be listening any more by now, and that is no error.
                let _ = answer.send(work(kdf));
            }
            drop(permit);
        });
        self.shared.push(Job { lane, since: now(), work })?;
        answered.await.unwrap_or(Err(PinError::Busy))
    }

    /// How many live jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().live.len()
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.open = false;
            state.live.clear();
            state.enrolment.clear();
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) -> Result<(), PinError> {
        let mut state = self.lock();
        let full = job.lane == Lane::Live && state.live.len() >= self.limits.queue;
        if full || !state.open {
            return Err(shed());
        }
        match job.lane {
            Lane::Live => state.live.push_back(job),
            Lane::Enrolment => state.enrolment.push_back(job),
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// The next job, a live one before any other; `None` when it is time to stop.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if !state.open {
                return None;
            }
            let job = state.live.pop_front().or_else(|| state.enrolment.pop_front());
            if job.is_some() {
                return job;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work_off(shared: &Shared, cost: Cost) {
    // Without the right to it the threads run at normal priority: slower desktops, nothing worse.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    let mut kdf = Kdf::new(cost);
    while let Some(job) = shared.next() {
        if job.lane == Lane::Live && job.since.elapsed() > shared.limits.wait {
            // Dropping the job answers its requester with Busy.
            let _ = shed();
            continue;
        }
        (job.work)(&mut kdf);
    }
}

fn shed() -> PinError {
    metrics::counter!("countersign_shed_total", "reason" => "pin_queue").increment(1);
    PinError::Busy
}

#[expect(
    clippy::disallowed_methods,
    reason = "these threads have no runtime whose clock they could ask"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn lanes(threads: usize, queue: usize, wait: Duration) -> Lanes {
        let cost = Cost::new(8, 1).expect("within bounds");
        Lanes::start(Limits { threads, queue, wait }, cost).expect("threads")
    }

    /// A job that says when it started and ends when told to.
    fn held(
        started: mpsc::Sender<()>,
        end: mpsc::Receiver<()>,
    ) -> impl FnOnce(&mut Kdf) -> Result<u8, PinError> + Send {
        move |_| {
            started.send(()).expect("somebody listens");
            end.recv().expect("an end");
            Ok(1)
        }
    }

    #[tokio::test]
    async fn a_dropped_future_keeps_its_thread_until_the_hash_is_done() {
        let lanes = Arc::new(lanes(1, 8, Duration::from_mins(1)));
        let ((started, has_started), (end, ends)) = (mpsc::channel(), mpsc::channel());
        {
            let mut call = Box::pin(lanes.run(Lane::Live, held(started, ends)));
            assert!(poll_once(&mut call).await.is_none());
            has_started.recv().expect("it runs");
        } // The caller hangs up: the future is gone, the hash is not.
        let mut next = Box::pin(lanes.run(Lane::Live, |_| Ok(2)));
        assert!(poll_once(&mut next).await.is_none());
        assert_eq!(lanes.waiting(), 1, "no thread came free by hanging up");
        end.send(()).expect("it still runs");
        assert_eq!(next.await, Ok(2));
    }

    #[tokio::test]
    async fn a_full_queue_and_a_long_wait_are_busy_and_calls_come_before_enrolments() {
        let lanes = lanes(1, 2, Duration::ZERO);
        let ((started, has_started), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let mut first = Box::pin(lanes.run(Lane::Enrolment, held(started, ends)));
        assert!(poll_once(&mut first).await.is_none());
        has_started.recv().expect("it runs");
        let mut late = Box::pin(lanes.run(Lane::Live, |_| Ok(2)));
        let mut later = Box::pin(lanes.run(Lane::Live, |_| Ok(3)));
        assert!(poll_once(&mut late).await.is_none());
        assert!(poll_once(&mut later).await.is_none());
        assert_eq!(
            lanes.run(Lane::Live, |_| Ok(4)).await,
            Err(PinError::Busy),
            "the queue is full"
        );
        end.send(()).expect("it still runs");
        assert_eq!(
            (first.await, late.await, later.await),
            (Ok(1), Err(PinError::Busy), Err(PinError::Busy))
        );
        assert_eq!(lanes.run(Lane::Enrolment, |_| Ok(5)).await, Ok(5), "enrolments may wait");
    }

    #[tokio::test]
    async fn calls_overtake_enrolments() {
        let lanes = lanes(1, 8, Duration::from_mins(1));
        let ((started, has_started), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let mut first = Box::pin(lanes.run(Lane::Live, held(started, ends)));
        assert!(poll_once(&mut first).await.is_none());
        has_started.recv().expect("it runs");
        let (order, said) = mpsc::channel();
        let say = |word: &'static str| {
            let order = order.clone();
            move |_: &mut Kdf| order.send(word).map_err(|_| PinError::Busy)
        };
        let mut enrolment = Box::pin(lanes.run(Lane::Enrolment, say("enrolment")));
        let mut call = Box::pin(lanes.run(Lane::Live, say("call")));
        assert!(poll_once(&mut enrolment).await.is_none());
        assert!(poll_once(&mut call).await.is_none());
        end.send(()).expect("it still runs");
        assert_eq!((enrolment.await, call.await), (Ok(()), Ok(())));
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["call", "enrolment"]);
    }

    #[tokio::test]
    async fn stopping_finishes_what_runs_and_refuses_the_rest() {
        let lanes = lanes(2, 8, Duration::from_mins(1));
        assert_eq!(lanes.run(Lane::Live, |_| Ok(1)).await, Ok(1));
        drop(lanes);
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
