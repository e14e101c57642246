//! The threads that talk to SQLite: one that writes, in groups, and a few that read.
//!
//! ```text
//! jobs ─► drain what waits ─► BEGIN ─► each in a SAVEPOINT ─► COMMIT (fsync) ─► answer each
//! ```
//! One fsync pays for all jobs that came in while the last one ran, and nobody is answered before it.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::records::RecordsError;

/// Jobs that may wait for one thread.
const QUEUE: usize = 4096;
/// Jobs that share one fsync at most.
const GROUP: usize = 256;

/// Handles to the threads. Dropping it lets them finish what waits, and waits for them.
#[derive(Debug)]
pub(super) struct Threads {
    writer: Option<mpsc::Sender<Box<dyn Job>>>,
    readers: Vec<mpsc::Sender<Box<dyn Job>>>,
    next_reader: AtomicUsize,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts one thread for each connection. Of several readers the last is for what takes its time.
    pub(super) fn start(
        writer: Connection,
        readers: Vec<Connection>,
    ) -> Result<Self, RecordsError> {
        let mut running = vec![];
        let (sender, jobs) = mpsc::channel(QUEUE);
        running.push(spawn("records-write", move || write_off(&writer, jobs))?);
        let mut senders = vec![];
        for reader in readers {
            let (sender, jobs) = mpsc::channel(QUEUE);
            running.push(spawn("records-read", move || read_off(&reader, jobs))?);
            senders.push(sender);
        }
        Ok(Self {
            writer: Some(sender),
            readers: senders,
            next_reader: AtomicUsize::new(0),
            running,
        })
    }

    /// Runs `work` in a transaction. The answer comes after it is on disk; an error undoes it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        ask(self.writer.as_ref(), IfLeft::Work, work).await
    }

    /// As [`Threads::write`], but does nothing once nobody waits for the answer any more.
    pub(super) async fn write_if_awaited<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        ask(self.writer.as_ref(), IfLeft::Skip, work).await
    }

    /// Runs `work` on the writing connection outside of any transaction, after all that waits.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        ask(self.writer.as_ref(), IfLeft::WorkAlone, work).await
    }

    /// Runs `work` on a connection that can only read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let short = self.readers.len().saturating_sub(1).max(1);
        let reader = turn.checked_rem(short).and_then(|place| self.readers.get(place));
        ask(reader, IfLeft::Skip, work).await
    }

    /// As [`Threads::read`], for what looks at all accounts: no call waits behind it.
    pub(super) async fn read_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        ask(self.readers.last(), IfLeft::Skip, work).await
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.writer = None;
        self.readers.clear();
        for thread in self.running.drain(..) {
            // A thread that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

/// Work with its answer, its type forgotten.
trait Job: Send {
    /// Does the work; says whether to keep it.
    fn run(&mut self, db: &Connection) -> bool;
    /// Whether it shares no transaction.
    fn alone(&self) -> bool;
    /// Answers, with this error if the transaction around it failed.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

/// What to do when whoever asked has left before the work began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum IfLeft {
    Work,
    /// Outside of any transaction.
    WorkAlone,
    Skip,
}

struct Asked<T, F> {
    if_left: IfLeft,
    work: Option<F>,
    done: Option<Result<T, RecordsError>>,
    answer: oneshot::Sender<Result<T, RecordsError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, RecordsError> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let skip = self.if_left == IfLeft::Skip && self.answer.is_closed();
        self.done = self.work.take().filter(|_| !skip).map(|work| work(db));
        self.done.as_ref().is_some_and(Result::is_ok)
    }

    fn alone(&self) -> bool {
        self.if_left == IfLeft::WorkAlone
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let done = match (self.done, failure) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(done)), None) => Ok(done),
            (_, failure) => {
                Err(RecordsError::Unavailable(failure.unwrap_or("not done").to_owned()))
            }
        };
        // Whoever asked may have left; what was done stays done.
        let _ = self.answer.send(done);
    }
}

async fn ask<T: Send + 'static>(
    thread: Option<&mpsc::Sender<Box<dyn Job>>>,
    if_left: IfLeft,
    work: impl FnOnce(&Connection) -> Result<T, RecordsError> + Send + 'static,
) -> Result<T, RecordsError> {
    let (answer, answered) = oneshot::channel();
    let job = Box::new(Asked { if_left, work: Some(work), done: None, answer });
    let stopped = || RecordsError::Unavailable("the record store has stopped".into());
    thread.ok_or_else(stopped)?.try_send(job).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => RecordsError::Unavailable("too much waits".into()),
        mpsc::error::TrySendError::Closed(_) => stopped(),
    })?;
    answered.await.unwrap_or_else(|_| Err(stopped()))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RecordsError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| RecordsError::Unavailable(error.to_string()))
}

fn write_off(db: &Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        let full = |group: &[Box<dyn Job>]| {
            group.len() >= GROUP || group.last().is_some_and(|job| job.alone())
        };
        while let Some(job) = (!full(&group)).then(|| jobs.try_recv().ok()).flatten() {
            group.push(job);
        }
        let alone = group.pop_if(|job| job.alone());
        if !group.is_empty() {
            let failure = commit(db, &mut group).err().map(|error| error.to_string());
            for job in group {
                job.answer(failure.as_deref());
            }
        }
        if let Some(mut job) = alone {
            job.run(db);
            job.answer(None);
        }
    }
}

/// All jobs in one transaction. A job that fails is undone alone.
fn commit(db: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = group.iter_mut().try_for_each(|job| {
        db.execute_batch("SAVEPOINT job")?;
        let keep = job.run(db);
        db.execute_batch(if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })
    });
    let committed = done.and_then(|()| db.execute_batch("COMMIT"));
    if committed.is_err() && !db.is_autocommit() {
        // If this fails too, the next BEGIN will, and everybody hears of it.
        let _ = db.execute_batch("ROLLBACK");
    }
    committed
}

fn read_off(db: &Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(mut job) = jobs.blocking_recv() {
        job.run(db);
        job.answer(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::sqlite::file;
    use std::path::Path;

    fn threads(folder: &Path) -> Threads {
        let path = folder.join("records.db");
        let writer = file::writer(&path).expect("opens");
        Threads::start(writer, vec![file::reader(&path).expect("opens")]).expect("threads")
    }

    fn add(by: u32) -> impl FnOnce(&Connection) -> Result<(), RecordsError> + Send {
        move |db| {
            db.execute("UPDATE probes SET count = count + ?1", [by])?;
            if by == 13 { Err(RecordsError::NoSuch("luck")) } else { Ok(()) }
        }
    }

    async fn count(threads: &Threads) -> u32 {
        let read =
            |db: &Connection| Ok(db.query_one("SELECT count FROM probes", (), |row| row.get(0))?);
        threads.read(read).await.expect("read")
    }

    #[tokio::test]
    async fn p1_a_job_that_fails_is_undone_and_the_others_of_its_group_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let threads = threads(folder.path());
        let jobs = [1, 13, 2].map(|by| threads.write(add(by)));
        let [one, unlucky, two] = jobs;
        let (one, unlucky, two) = tokio::join!(one, unlucky, two);
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(unlucky, Err(RecordsError::NoSuch("luck"))));
        assert_eq!(count(&threads).await, 3);
    }

    #[tokio::test]
    async fn p1_what_was_answered_is_there_after_opening_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = threads(folder.path());
        first.write(add(5)).await.expect("written");
        drop(first);
        assert_eq!(count(&threads(folder.path())).await, 5);
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let threads = threads(folder.path());
        assert!(threads.read(add(1)).await.is_err());
    }

    #[tokio::test]
    async fn work_goes_on_after_the_asker_left_unless_it_is_of_no_use_then() {
        let folder = tempfile::tempdir().expect("a folder");
        let threads = threads(folder.path());
        // Keeps the thread busy until both have left.
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let mut first =
            Box::pin(threads.write(move |_| may_go.recv().map_err(|_| RecordsError::NoSuch("go"))));
        assert!(poll_once(first.as_mut()).await.is_pending());
        {
            let mut work = Box::pin(threads.write(add(7)));
            let mut skip = Box::pin(threads.write_if_awaited(add(100)));
            assert!(poll_once(work.as_mut()).await.is_pending());
            assert!(poll_once(skip.as_mut()).await.is_pending());
        }
        go.send(()).expect("it waits");
        first.await.expect("done");
        threads.write(add(1)).await.expect("written");
        assert_eq!(count(&threads).await, 8);
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
    }
}
