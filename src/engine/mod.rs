//! DRIVES. One task per call; reads the clock; decides nothing.

pub mod calls;
pub mod clock;

use std::future::pending;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::call::Call;
use crate::call::effect::Effect;
use crate::call::input::Input;
use crate::engine::clock::Clock;
use crate::model::time::Now;

/// How many inputs wait for a call at the most. A caller keys a few digits a second.
pub const INBOX_LEN: usize = 64;

/// When an input was taken in, on both clocks and on the runtime's own.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// For the call.
    pub now: Now,
    /// For measuring how long it took to the desktops.
    pub instant: Instant,
}

/// Carries out effects: telephony, stores, desktops. Answers come back through the call's handle.
pub trait Effects: Send + 'static {
    /// Starts the effect; must not wait for its result.
    fn start(&mut self, effect: Effect, taken: Taken, answers: &CallHandle);
}

/// A call's inbox.
#[derive(Clone, Debug)]
pub struct CallHandle {
    inbox: mpsc::Sender<(Instant, Input)>,
}

/// Why an input could not be handed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The call has more to do than it can take in.
    #[error("the call's inbox is full")]
    Full,
    /// The call is over.
    #[error("the call is over")]
    Ended,
}

impl CallHandle {
    /// Hands an input to the call without waiting.
    pub fn send(&self, input: Input) -> Result<(), SendError> {
        self.inbox.try_send((Instant::now(), input)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended,
        })
    }

    /// Hands over an input that must not be lost, and waits for room.
    pub async fn deliver(&self, input: Input) -> Result<(), SendError> {
        self.inbox.send((Instant::now(), input)).await.map_err(|_| SendError::Ended)
    }
}

/// A call's task: owns the call, its inbox and whatever carries its effects out.
pub(crate) struct CallTask<E> {
    call: Call,
    first: Vec<Effect>,
    inputs: mpsc::Receiver<(Instant, Input)>,
    answers: CallHandle,
    effects: E,
    clock: Clock,
    stop: CancellationToken,
}

impl<E: Effects> CallTask<E> {
    pub(crate) fn new(
        (call, first): (Call, Vec<Effect>),
        effects: E,
        clock: Clock,
        stop: CancellationToken,
    ) -> (Self, CallHandle) {
        let (inbox, inputs) = mpsc::channel(INBOX_LEN);
        let handle = CallHandle { inbox };
        (Self { call, first, inputs, answers: handle.clone(), effects, clock, stop }, handle)
    }

    pub(crate) async fn run(mut self) {
        let taken = self.taken(Instant::now());
        for effect in std::mem::take(&mut self.first) {
            self.effects.start(effect, taken, &self.answers);
        }
        while let Some(until) = self.call.deadline() {
            let (at, input) = tokio::select! {
                biased;
                () = self.stop.cancelled() => (Instant::now(), Input::Shutdown),
                // Before the inbox: a caller leaning on the keypad must not stop the clock.
                () = self.clock.sleep_until(until) => (Instant::now(), Input::DeadlineReached),
                received = self.inputs.recv() => match received {
                    Some(received) => received,
                    // Cannot happen while we hold a sender ourselves.
                    None => pending().await,
                },
            };
            debug!(call = %self.call.id(), ?input, "call input");
            let taken = self.taken(at);
            for effect in self.call.step(input, taken.now) {
                self.effects.start(effect, taken, &self.answers);
            }
        }
        // What still waits is answered: a desktop must not wait for a call that is over.
        self.inputs.close();
        while let Ok((at, input)) = self.inputs.try_recv() {
            let taken = self.taken(at);
            for effect in self.call.step(input, taken.now) {
                self.effects.start(effect, taken, &self.answers);
            }
        }
    }

    fn taken(&self, instant: Instant) -> Taken {
        Taken { now: self.clock.now(), instant }
    }
}
