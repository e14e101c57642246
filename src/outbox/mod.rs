//! SENDS what is due, through its sinks.
//!
//! ```text
//! clock ─► due jobs ─► records (the pure machine, one transaction) ─► items
//! items ─► each sink that takes the kind ─► delivered everywhere: done
//!                                       └─► not yet: again later, longer and longer
//! ```
//! Enqueued exactly once, delivered at least once: receivers tell repeats by the item's id.

pub mod directory;
pub mod mail;
mod mail_text;
pub mod marks;
mod smtp;
pub mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use metrics::counter;
use metrics::gauge;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing::warn;

use crate::config::outbox::Iam;
use crate::config::outbox::Outbox as Settings;
use crate::follow_up::ItemKind;
use crate::follow_up::JobEvent;
use crate::follow_up::Refused;
use crate::follow_up::retry::retry_after;
use crate::model::time::Timestamp;
use crate::outbox::directory::Directory;
use crate::outbox::mail::Mails;
use crate::outbox::marks::IamManager;
use crate::outbox::marks::Own;
use crate::outbox::webhook::Webhook;
use crate::pin::links::Links;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::follow_ups::OutboxItem;
use crate::records::follow_ups::Registry;

/// Between two looks at what is due.
const TURN: Duration = Duration::from_millis(500);
/// Jobs and items of one turn.
const BATCH: usize = 100;
/// A sink gets no further item of a turn after this time; what is left comes with the next turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// No delivery takes longer, whatever a sink's own timeout says.
const DELIVERY_MAX: Duration = Duration::from_mins(1);

/// Why a sink did not take an item.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SinkError {
    /// It cannot be reached or cannot take anything now.
    #[error("the sink is down: {0}")]
    Down(String),
    /// It does not take this item.
    #[error("the sink refused the item: {0}")]
    Refused(String),
    /// It holds something else about the same thing. Trying again does not help.
    #[error("the sink says otherwise")]
    Conflict,
}

/// Where items go.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// A stable word.
    fn name(&self) -> &'static str;
    /// Whether items of this kind go here.
    fn takes(&self, kind: ItemKind) -> bool;
    /// Brings one item there. The same item may come again.
    async fn deliver(&self, item: &OutboxItem, now: Timestamp) -> Result<(), SinkError>;
}

/// The calendar.
pub type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The runner.
pub struct Outbox {
    records: Arc<dyn Records>,
    sinks: Vec<Arc<dyn Sink>>,
    clock: Wall,
}

/// A sink cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUp {
    /// A file cannot be read, or a folder not be made.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret is too short to protect anything.
    #[error("{path}: a secret has at least 16 characters")]
    ShortSecret {
        /// Which file.
        path: PathBuf,
    },
    /// A file that is to hold a secret is empty.
    #[error("{path}: nothing stands in its first line")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A file that is to hold certificates holds none.
    #[error("{path}: no certificate in PEM form")]
    Certificate {
        /// Which file.
        path: PathBuf,
    },
    /// A client cannot be set up.
    #[error("no HTTP or TLS client: {0}")]
    Client(String),
    /// An address is none.
    #[error("{0} is no address of a service")]
    Address(&'static str),
}

/// What the sinks work with beside their settings.
pub struct Parts {
    /// Where items go when no other place is named.
    pub folder: PathBuf,
    /// The records.
    pub records: Arc<dyn Records>,
    /// What makes the tokens of mailed links.
    pub links: Links,
    /// What mailed links begin with.
    pub public_url: String,
    /// The calendar.
    pub clock: Wall,
}

type Outcome = Result<(), SinkError>;

impl Outbox {
    /// The runner with the configured sinks.
    pub fn new(settings: &Settings, iam: &Iam, parts: Parts) -> Result<Self, SetUp> {
        let Parts { folder, records, links, public_url, clock } = parts;
        let mut sinks: Vec<Arc<dyn Sink>> = vec![];
        if let Some(url) = &settings.webhook_url {
            let secret = settings.webhook_secret_file.as_deref();
            sinks.push(Arc::new(Webhook::new(url, secret, settings.timeout)?));
        }
        let folder = settings.directory.clone().unwrap_or(folder);
        if settings.webhook_url.is_none() || settings.directory.is_some() {
            sinks.push(Arc::new(Directory::new(folder.clone())?));
        }
        let mails = || Directory::new(folder);
        let mails = Mails::new(&settings.mail, mails, Arc::clone(&records), links, public_url)?;
        sinks.push(Arc::new(mails));
        sinks.push(match &iam.url {
            Some(url) => Arc::new(IamManager::new(url, iam.token_file.as_deref(), iam.timeout)?),
            None => Arc::new(Own::new(Registry::IamManager, Arc::clone(&records))),
        });
        sinks.push(Arc::new(Own::new(Registry::Bofe, Arc::clone(&records))));
        Ok(Self::with(records, sinks, clock))
    }

    /// A runner with these sinks.
    #[must_use]
    pub fn with(records: Arc<dyn Records>, sinks: Vec<Arc<dyn Sink>>, clock: Wall) -> Self {
        Self { records, sinks, clock }
    }

    /// Runs until it is stopped. A delivery that is cut short comes again.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(
            every_turn(&stop, || self.mind_jobs()),
            every_turn(&stop, || self.send_items()),
        );
    }

    /// Jobs whose time has come go on.
    pub async fn mind_jobs(&self) {
        let now = (self.clock)();
        let due = match self.records.due(now, BATCH).await {
            Ok(due) => due,
            Err(error) => return quiet(&error),
        };
        for job in due {
            match self.records.job_event(job, JobEvent::TimeCome, "system", now).await {
                Ok(after) => {
                    counter!("countersign_jobs_due_total", "kind" => after.kind.word())
                        .increment(1);
                }
                // Another node of the same records was faster.
                Err(RecordsError::NotSo(Refused::NotDue | Refused::Over)) => {}
                Err(error) => warn!(job = job.0, %error, "a due job could not go on"),
            }
        }
    }

    /// Items that wait are tried at their sinks.
    pub async fn send_items(&self) {
        let now = (self.clock)();
        match self.records.outbox_due(now, BATCH).await {
            Ok(items) => self.send(&items).await,
            Err(error) => quiet(&error),
        }
        if let Ok(counts) = self.records.outbox_counts().await {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let (pending, conflicts) = (counts.pending as f64, counts.conflicts as f64);
            gauge!("countersign_outbox_pending").set(pending);
            gauge!("countersign_outbox_conflicts").set(conflicts);
        }
    }

    async fn send(&self, items: &[OutboxItem]) {
        // Sinks work side by side, each through its items in order.
        let tried = join_all(self.sinks.iter().map(|sink| self.through(sink, items))).await;
        for (place, item) in items.iter().enumerate() {
            let outcomes = self.sinks.iter().zip(&tried).filter(|(sink, _)| sink.takes(item.kind));
            let outcomes: Vec<_> =
                outcomes.map(|(sink, tried)| (sink.name(), tried.get(&place))).collect();
            if let Err(error) = self.note(item, &outcomes).await {
                // The sinks may have it twice then; they know it by its id.
                quiet(&error);
            }
        }
    }

    /// What came of each item that this sink was to have: nothing for one it has already.
    async fn through(
        &self,
        sink: &Arc<dyn Sink>,
        items: &[OutboxItem],
    ) -> BTreeMap<usize, Outcome> {
        let until = Instant::now() + PATIENCE;
        let mut down: Option<SinkError> = None;
        let mut tried = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            let has = |name: &str| item.deliveries.iter().any(|at| at.sink == name && at.delivered);
            if !sink.takes(item.kind) || has(sink.name()) {
                continue;
            }
            let outcome = match &down {
                Some(why) => Err(why.clone()),
                None => timeout(DELIVERY_MAX, sink.deliver(item, (self.clock)()))
                    .await
                    .unwrap_or_else(|_| Err(SinkError::Down("it took too long".into()))),
            };
            if matches!(outcome, Err(SinkError::Down(_))) {
                // It does not have to be asked about each item.
                down = outcome.as_ref().err().cloned();
            } else if down.is_none() && Instant::now() > until {
                down = Some(SinkError::Down("it is slow".into()));
            }
            tried.insert(place, outcome);
        }
        tried
    }

    async fn note(
        &self,
        item: &OutboxItem,
        outcomes: &[(&'static str, Option<&Outcome>)],
    ) -> Result<(), RecordsError> {
        let (id, kind, now) = (item.id.as_str(), item.kind.word(), (self.clock)());
        let everywhere = outcomes.iter().all(|(_, outcome)| matches!(outcome, None | Some(Ok(()))));
        for (sink, outcome) in outcomes {
            let Some(outcome) = outcome else { continue };
            match outcome {
                Ok(()) => {
                    self.records.outbox_delivered(id, sink, everywhere, now).await?;
                    counter!("countersign_outbox_delivered_total", "kind" => kind, "sink" => *sink)
                        .increment(1);
                }
                Err(SinkError::Conflict) => {
                    self.records.outbox_conflict(id, sink, now).await?;
                    counter!("countersign_outbox_conflicts_total", "sink" => *sink).increment(1);
                    error!(
                        item = id,
                        kind,
                        sink,
                        alarm = "delivery_conflict",
                        "a sink says otherwise; somebody has to look"
                    );
                }
                Err(why) => {
                    let before = item.deliveries.iter().find(|at| at.sink == *sink);
                    let attempts = before.map_or(0, |at| at.attempts).saturating_add(1);
                    let wait = retry_after(attempts, rand::random());
                    self.records.outbox_failed(id, sink, now.after(wait)).await?;
                    counter!("countersign_outbox_failed_total", "kind" => kind, "sink" => *sink)
                        .increment(1);
                    if attempts.is_power_of_two() {
                        warn!(item = id, kind, sink, attempts, %why, "not delivered yet");
                    }
                }
            }
        }
        Ok(())
    }
}

async fn every_turn<F: Future<Output = ()>>(stop: &CancellationToken, work: impl Fn() -> F) {
    let mut turn = tokio::time::interval(TURN);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = turn.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = work() => {}
        }
    }
}

/// Records that are away are said elsewhere; the next turn finds them or not.
fn quiet(error: &RecordsError) {
    tracing::debug!(%error, "the outbox waits for the records");
}

/// A secret of one line.
fn secret(path: &std::path::Path) -> Result<zeroize::Zeroizing<String>, SetUp> {
    let text = std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|source| SetUp::File { path: path.to_owned(), source })?;
    let text = zeroize::Zeroizing::new(text.trim().to_owned());
    if text.len() < 16 {
        return Err(SetUp::ShortSecret { path: path.to_owned() });
    }
    Ok(text)
}

fn client(within: Duration) -> Result<reqwest::Client, SetUp> {
    let built = reqwest::Client::builder()
        .timeout(within)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    built.map_err(|error| SetUp::Client(error.to_string()))
}

/// What an answer says about a delivery.
fn verdict(status: reqwest::StatusCode) -> Result<(), SinkError> {
    match status.as_u16() {
        200..=299 => Ok(()),
        409 => Err(SinkError::Conflict),
        408 | 425 | 429 | 500..=599 => Err(SinkError::Down(format!("HTTP {status}"))),
        _ => Err(SinkError::Refused(format!("HTTP {status}"))),
    }
}

fn unreachable(error: &reqwest::Error) -> SinkError {
    // Never the address: it may hold a key.
    SinkError::Down(if error.is_timeout() { "timeout".into() } else { "no answer".into() })
}

#[cfg(test)]
mod mail_stories;
#[cfg(test)]
mod stories;
