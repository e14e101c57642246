//! The connection for orders: kept up by one task, never waited for by those who ask.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisError;
use redis::RedisResult;
use redis::Value;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::sessions::redis::fault::Fault;
use crate::sessions::redis::scripts::Order;
use crate::sessions::redis::target::Line;
use crate::sessions::redis::target::Target;

/// Batches of orders that may be on their way. Beyond that an order waits as long as it would have
/// waited for its answer.
const UNDER_WAY_MAX: usize = 64;

/// After so many timeouts in a row the connection is given up: the other side may be gone without a
/// word.
const TIMEOUTS_MAX: u32 = 3;

/// The connection, and whether it is up.
pub(super) struct Link {
    pub(super) target: Target,
    state: Mutex<State>,
    under_way: Semaphore,
    broken: Notify,
    /// How often a connection was made.
    made: watch::Sender<u64>,
    patience: Duration,
}

struct State {
    line: Option<Line>,
    number: u64,
    /// Orders in a row that were not answered.
    timeouts: u32,
    /// Whether this connection has ever answered: one that has not is no reason to hurry.
    answered: bool,
    why: Fault,
}

impl Link {
    pub(super) fn new(target: Target, patience: Duration) -> Self {
        let why = Fault::Away("not connected yet".to_owned());
        let state = State { line: None, number: 0, timeouts: 0, answered: false, why };
        Self {
            target,
            state: Mutex::new(state),
            under_way: Semaphore::new(UNDER_WAY_MAX),
            broken: Notify::new(),
            made: watch::Sender::new(0),
            patience,
        }
    }

    /// How often a connection was made: each time it may be another server.
    pub(super) fn made(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// One order, answered within this time.
    pub(super) async fn ask(&self, order: Order, within: Duration) -> Result<Value, Fault> {
        let answers = self.ask_all(vec![order], within).await?;
        answers.into_iter().next().unwrap_or(Err(Fault::Slow(within)))
    }

    /// Many orders at once, answered in their order within this time.
    pub(super) async fn ask_all(
        &self,
        orders: Vec<Order>,
        within: Duration,
    ) -> Result<Vec<Result<Value, Fault>>, Fault> {
        let (line, number) = self.line()?;
        let asked = timeout(within, async {
            // Never closed, so never an error.
            let _permit = self.under_way.acquire().await;
            send_all(line, orders).await
        });
        let answers = asked.await.unwrap_or(Err(Fault::Slow(within)));
        self.note(number, &answers);
        answers
    }

    /// Keeps the connection up until it is told to stop.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut pause = Pause::default();
        loop {
            if self.state().line.is_some() {
                tokio::select! {
                    () = self.broken.notified() => {}
                    () = stop.cancelled() => return,
                }
                continue;
            }
            if std::mem::take(&mut self.state().answered) {
                pause = Pause::default();
            }
            let connected = tokio::select! {
                connected = timeout(self.patience, self.target.connect()) => connected,
                () = stop.cancelled() => return,
            };
            match connected {
                Ok(Ok(line)) => self.put(line),
                Ok(Err(error)) => self.stay_away(&Fault::of(&error)),
                Err(_) => self.stay_away(&Fault::Slow(self.patience)),
            }
            // Also after success: a server that takes everybody and keeps nobody is not stormed.
            tokio::select! {
                () = sleep(pause.next()) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn line(&self) -> Result<(Line, u64), Fault> {
        let state = self.state();
        match &state.line {
            Some(line) => Ok((line.clone(), state.number)),
            None => Err(state.why.clone()),
        }
    }

    fn put(&self, line: Line) {
        let number = {
            let mut state = self.state();
            state.number += 1;
            (state.line, state.timeouts) = (Some(line), 0);
            state.number
        };
        tracing::info!("connected to Redis");
        self.made.send_replace(number);
    }

    fn stay_away(&self, why: &Fault) {
        let mut state = self.state();
        if state.why != *why {
            tracing::warn!("{why}");
            state.why = why.clone();
        }
    }

    /// Gives the connection up if it has shown that it is none.
    fn note(&self, number: u64, answers: &Result<Vec<Result<Value, Fault>>, Fault>) {
        let mut state = self.state();
        if state.number != number || state.line.is_none() {
            return;
        }
        let Some(fault) = verdict(state.line.as_ref(), answers) else {
            (state.timeouts, state.answered) = (0, true);
            return;
        };
        if let Fault::Slow(_) = fault {
            state.timeouts += 1;
            if state.timeouts < TIMEOUTS_MAX {
                return;
            }
            state.why = Fault::Away("it stopped answering".to_owned());
        } else {
            state.why = fault;
        }
        state.line = None;
        tracing::warn!("{}", state.why);
        self.broken.notify_one();
    }

    /// A panic elsewhere leaves it whole: every change of it is complete in itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answers say about the connection; none: that it is good.
fn verdict(
    line: Option<&Line>,
    answers: &Result<Vec<Result<Value, Fault>>, Fault>,
) -> Option<Fault> {
    let answers = match answers {
        Ok(answers) => answers,
        Err(fault) => return Some(fault.clone()),
    };
    let away = |answer: &Result<Value, Fault>| match answer {
        Err(fault @ Fault::Away(_)) => Some(fault.clone()),
        _ => None,
    };
    match line {
        // It mends the connection to one of its servers by itself: one that answers is enough.
        Some(Line::Cluster(_)) if answers.iter().any(|answer| away(answer).is_none()) => None,
        Some(Line::Cluster(_)) => Some(Fault::Slow(Duration::ZERO)),
        Some(Line::One(_)) | None => answers.iter().find_map(|answer| match answer {
            Err(fault) if fault.demoted() => Some(fault.clone()),
            answer => away(answer),
        }),
    }
}

/// Sends orders; those whose script the server does not know go once more, with its text.
async fn send_all(line: Line, orders: Vec<Order>) -> Result<Vec<Result<Value, Fault>>, Fault> {
    let mut answers = send(line.clone(), &orders).await?;
    let unknown = |answer: &Result<Value, Fault>| matches!(answer, Err(Fault::Refused { code }) if code == "NOSCRIPT");
    let mut again = Vec::new();
    for (order, answer) in orders.iter().zip(&answers) {
        if unknown(answer) {
            // The first to tell the text of a script spares the others from it.
            again.extend(order.spelled_out());
        }
    }
    if !again.is_empty() {
        let mut second = send(line, &again).await?.into_iter();
        for answer in answers.iter_mut().filter(|answer| unknown(answer)) {
            if let Some(second) = second.next() {
                *answer = second;
            }
        }
    }
    Ok(answers)
}

async fn send(line: Line, orders: &[Order]) -> Result<Vec<Result<Value, Fault>>, Fault> {
    let answers: Vec<RedisResult<Value>> = match line {
        Line::One(mut line) => {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for order in orders {
                pipeline.add_command(order.command.clone());
            }
            pipeline.query_async(&mut line).await.map_err(|error: RedisError| Fault::of(&error))?
        }
        // A pipeline is for one slot; orders that are under way together are as fast.
        Line::Cluster(line) => {
            let asked = orders.iter().map(|order| {
                let mut line = line.clone();
                async move { order.command.query_async(&mut line).await }
            });
            join_all(asked).await
        }
    };
    Ok(answers.into_iter().map(|answer| answer.map_err(|error| Fault::of(&error))).collect())
}

/// Pauses that grow, up to a second, and are never quite the same.
pub(super) struct Pause {
    next: Duration,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}
