//! Bulk generation: every account without a PIN and without a good initial one gets an initial PIN
//! (P03–P07), in steps that are durable each by itself.
//!
//! ```text
//! start ──► step ──► step ──► … ──► nobody is left
//!             │ kill -9, stop, records away
//!             └──► start again: who has one is passed over, the rest goes on (P04)
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use tracing::warn;

use crate::maintenance::issue;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::pin::initial::Initials;
use crate::records::PinRecords;
use crate::records::RecordsError;
use crate::records::pins::Issued;

/// Accounts looked at in one transaction: calls that need the records wait for one at most.
const STEP: usize = 2_000;
/// What the rate is taken over.
const RATE_OVER: Duration = Duration::from_secs(5);
/// How often a step is tried while the records are away, and how long is waited between.
const TRIES: u32 = 8;
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How far a generation is. Holds no customer.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// Whether it goes on.
    pub running: bool,
    /// Accounts looked at.
    pub examined: u64,
    /// Accounts there are; those that come meanwhile count when they are looked at.
    pub total: u64,
    /// Initial PINs that are new.
    pub created: u64,
    /// Accounts a second, over the last five seconds.
    pub rate: u64,
    /// Seconds until the end at this rate; `None` while there is no rate yet.
    pub seconds_left: Option<u64>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// Who began it.
    pub by: String,
    /// Why it ended early, and what to do.
    pub error: Option<String>,
}

/// A generation runs already on this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("initial PINs are being generated already: look at its progress, or stop it first")]
pub struct Runs;

/// The one bulk generation of a node. On two nodes at once it does the work once all the same.
#[derive(Clone)]
pub struct Generation {
    records: Arc<dyn PinRecords>,
    initials: Initials,
    ttl: Duration,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    tasks: TaskTracker,
    stop: CancellationToken,
    told: Arc<watch::Sender<Option<Progress>>>,
    runs: Arc<Mutex<Option<CancellationToken>>>,
}

impl Generation {
    /// A generation that may be started. Initial PINs will be good for `ttl`; it ends with `stop`.
    #[must_use]
    pub fn new(
        records: Arc<dyn PinRecords>,
        initials: Initials,
        ttl: Duration,
        wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let told = Arc::new(watch::Sender::new(None));
        Self { records, initials, ttl, wall, tasks, stop, told, runs: Arc::default() }
    }

    /// Begins, for this person. Answers at once.
    pub fn start(&self, by: &str) -> Result<Progress, Runs> {
        let mut runs = self.running();
        if runs.is_some() {
            return Err(Runs);
        }
        let stop = self.stop.child_token();
        *runs = Some(stop.clone());
        let begun = Progress {
            running: true,
            examined: 0,
            total: 0,
            created: 0,
            rate: 0,
            seconds_left: None,
            started_at: (self.wall)().rfc3339(),
            by: by.to_owned(),
            error: None,
        };
        self.told.send_replace(Some(begun.clone()));
        drop(runs);
        let (this, progress) = (self.clone(), begun.clone());
        self.tasks.spawn(async move { this.run(progress, &stop).await });
        Ok(begun)
    }

    /// Ends it after the step it is at. `false` where none runs.
    pub fn stop(&self) -> bool {
        self.running().as_ref().inspect(|stop| stop.cancel()).is_some()
    }

    /// How far it is, or how the last one ended; `None` where none was begun since the start.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.told.borrow().clone()
    }

    /// The same, to wait for changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Progress>> {
        self.told.subscribe()
    }

    async fn run(&self, mut progress: Progress, stop: &CancellationToken) {
        let ended = self.steps(&mut progress, stop).await;
        progress.running = false;
        progress.rate = 0;
        progress.seconds_left = None;
        if let Err(error) = ended {
            warn!(%error, created = progress.created, "the generation of initial PINs ended early");
            progress.error = Some(format!("{error}; start it again, and it goes on"));
        } else {
            let Progress { examined, created, .. } = progress;
            info!(examined, created, "initial PINs were generated");
        }
        // Under the lock, so that the end of one is not taken for the end of the next.
        let mut runs = self.running();
        self.told.send_replace(Some(progress));
        *runs = None;
    }

    async fn steps(
        &self,
        progress: &mut Progress,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        progress.total = self.patiently(stop, || self.records.accounts()).await?;
        let (mut after, mut pace) = (None, Pace::begin());
        loop {
            let issued = self.patiently(stop, || self.step(&progress.by, after.clone())).await?;
            progress.examined += issued.examined;
            progress.created += issued.created;
            progress.total = progress.total.max(progress.examined);
            progress.rate = pace.after(progress.examined);
            let left = progress.total - progress.examined;
            progress.seconds_left = left.checked_div(progress.rate);
            self.told.send_replace(Some(progress.clone()));
            match issued.last {
                None => return Ok(()),
                last => after = last,
            }
        }
    }

    /// One step, into the print run that is open now: another person may print while we generate.
    async fn step(&self, by: &str, after: Option<CustomerId>) -> Result<Issued, RecordsError> {
        let (records, now) = (&*self.records, (self.wall)());
        let issuing = issue::issuing(records, &self.initials, self.ttl, by, now).await?;
        records.issue_missing(issuing, after, STEP).await
    }

    /// Tries again while the records are away, or the print run was closed under our hands.
    async fn patiently<T, F>(
        &self,
        stop: &CancellationToken,
        mut work: impl FnMut() -> F,
    ) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, RecordsError>>,
    {
        let mut tries = 0;
        loop {
            if stop.is_cancelled() {
                return Err(Stopped::Asked);
            }
            let error = match work().await {
                Ok(done) => return Ok(done),
                Err(error @ (RecordsError::Unavailable(_) | RecordsError::NoSuch(_))) => error,
                Err(error) => return Err(Stopped::Failed(error)),
            };
            tries += 1;
            if tries == TRIES {
                return Err(Stopped::Failed(error));
            }
            let wait = (Duration::from_millis(50) * 2_u32.pow(tries)).min(WAIT_MAX);
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped::Asked),
                () = sleep(wait) => {}
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<CancellationToken>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

/// Why a generation ended early.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("it was stopped")]
    Asked,
    #[error(transparent)]
    Failed(RecordsError),
}

/// How much was done when, over the last seconds.
struct Pace {
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    fn begin() -> Self {
        Self { marks: VecDeque::from([(Instant::now(), 0)]) }
    }

    /// How many a second, now that so many are done.
    fn after(&mut self, done: u64) -> u64 {
        let now = Instant::now();
        self.marks.push_back((now, done));
        // One mark that is older stays, so that slow steps have a rate too.
        while self.marks.get(1).is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER) {
            self.marks.pop_front();
        }
        let Some((since, before)) = self.marks.front() else { return 0 };
        let millis = u64::try_from(now.duration_since(*since).as_millis()).unwrap_or(u64::MAX);
        (done - before).saturating_mul(1_000).checked_div(millis).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::customer::Customer;
    use crate::model::customer::Role;
    use crate::pin::pepper::Pepper;
    use crate::records::Enrolment;
    use crate::records::Records;
    use crate::records::sqlite::SqliteRecords;

    const NOW: Timestamp = Timestamp(1_795_305_600_000);

    struct Node {
        records: Arc<SqliteRecords>,
        generation: Generation,
        tasks: TaskTracker,
        stop: CancellationToken,
    }

    fn node(records: &Arc<SqliteRecords>) -> Node {
        let pepper = Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let generation = Generation::new(
            Arc::clone(records) as _,
            Initials::new(pepper),
            issue::TTL_MAX,
            Arc::new(|| NOW),
            tasks.clone(),
            stop.clone(),
        );
        Node { records: Arc::clone(records), generation, tasks, stop }
    }

    impl Node {
        async fn ends(&self) -> Progress {
            let mut watch = self.generation.watch();
            let ended = watch.wait_for(|now| now.as_ref().is_some_and(|now| !now.running));
            let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
            ended.expect("in time").expect("told").clone().expect("an end")
        }
    }

    async fn records(folder: &tempfile::TempDir, accounts: usize) -> Arc<SqliteRecords> {
        let records = SqliteRecords::open(&folder.path().join("records.db")).expect("opened");
        let customer = |nth: usize| Customer {
            id: format!("c-{nth:05}").parse().expect("an id"),
            keypad_id: None,
            name: "Somebody".to_owned(),
            role: Role::Client,
            represents: vec![],
            numbers: vec![],
            email: None,
            language: None,
            flags: vec![],
            facts: std::collections::BTreeMap::new(),
        };
        let rows = (0..accounts).map(|nth| Enrolment {
            customer: customer(nth),
            pin: None,
            password: None,
        });
        records.import(rows.collect(), NOW).await.expect("imported");
        Arc::new(records)
    }

    #[tokio::test]
    async fn p04_a_generation_ends_complete_and_another_creates_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(&records(&folder, 4_100).await);
        assert!(node.generation.progress().is_none());
        assert!(!node.generation.stop(), "none runs");
        node.generation.start("ann").expect("begun");
        assert_eq!(node.generation.start("bob").err(), Some(Runs), "one at a time");
        let ended = node.ends().await;
        assert_eq!((ended.examined, ended.total, ended.created), (4_100, 4_100, 4_100));
        assert_eq!((ended.by.as_str(), ended.error), ("ann", None));
        node.generation.start("bob").expect("begun again");
        let ended = node.ends().await;
        assert_eq!((ended.examined, ended.created), (4_100, 0));
        let estate = node.records.estate(NOW, NOW).await.expect("counted");
        assert_eq!((estate.total, estate.waiting), (4_100, 4_100), "P06: No/No");
    }

    #[tokio::test]
    async fn a_generation_that_was_stopped_goes_on_when_it_is_begun_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(&records(&folder, 4_100).await);
        let mut watch = node.generation.watch();
        node.generation.start("ann").expect("begun");
        let step = watch.wait_for(|now| now.as_ref().is_some_and(|now| now.examined > 0)).await;
        drop(step.expect("told"));
        assert!(node.generation.stop());
        let first = node.ends().await;
        assert!(first.error.is_some_and(|error| error.contains("start it again")));
        node.generation.start("ann").expect("begun again");
        let second = node.ends().await;
        assert_eq!((first.created + second.created, second.examined), (4_100, 4_100));
        node.stop.cancel();
        node.tasks.close();
        node.tasks.wait().await;
    }

    #[tokio::test]
    async fn two_nodes_that_generate_at_once_do_the_work_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = records(&folder, 6_100).await;
        let (one, two) = (node(&shared), node(&shared));
        one.generation.start("ann").expect("begun");
        two.generation.start("bob").expect("begun");
        let (first, second) = (one.ends().await, two.ends().await);
        assert_eq!(first.created + second.created, 6_100);
        assert_eq!(shared.unprinted().await.expect("read").len(), 1, "one print run");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_seconds() {
        let mut pace = Pace::begin();
        for second in 1..=10_u64 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(pace.after(second * 1_000), 1_000);
        }
        for second in 1..=7_u64 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let rate = pace.after(10_000 + second * 3_000);
            assert!(second < 6 || rate == 3_000, "{second}: {rate}");
        }
    }
}
