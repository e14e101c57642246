//! DRIVES. One task per call; reads the clock; decides nothing.

pub mod calls;
pub mod clock;

use std::future::pending;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::call::Call;
use crate::call::Progress;
use crate::call::effect::Effect;
use crate::call::input::Input;
use crate::engine::clock::Clock;
use crate::model::ids::CallId;
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

    /// The call stands here now, all effects of its step started.
    fn stepped(&mut self, _call: &Call, _taken: Taken) {}
}

/// A call's inbox, and a view of how far the call has come.
#[derive(Clone, Debug)]
pub struct CallHandle {
    id: CallId,
    inbox: mpsc::Sender<Letter>,
    reached: watch::Receiver<Reached>,
}

/// One input on its way to a call.
#[derive(Debug)]
struct Letter {
    at: Instant,
    input: Input,
    /// Who wants to know with which step it was taken in.
    taken: Option<oneshot::Sender<u64>>,
}

/// How far a call has come, and after how many steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reached {
    /// Steps taken; rises with every input and every deadline.
    pub steps: u64,
    /// Where that led, with all effects started.
    pub progress: Progress,
}

/// Room in an inbox. What is put there is taken in, whatever becomes of the one who waits for it.
#[derive(Debug)]
pub struct Room<'a>(mpsc::Permit<'a, Letter>);

impl Room<'_> {
    /// Hands the input in; the step with which it is taken comes back.
    #[must_use]
    pub fn put(self, input: Input) -> oneshot::Receiver<u64> {
        let (taken, told) = oneshot::channel();
        self.0.send(Letter { at: Instant::now(), input, taken: Some(taken) });
        told
    }
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
    /// Our id of the call.
    #[must_use]
    pub const fn id(&self) -> &CallId {
        &self.id
    }

    /// Whether the call takes nothing in any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }

    /// How far the call has come; changes with every step, and closes with the call.
    #[must_use]
    pub fn reached(&self) -> watch::Receiver<Reached> {
        self.reached.clone()
    }

    /// Waits for room in the inbox.
    pub async fn room(&self) -> Result<Room<'_>, SendError> {
        self.inbox.reserve().await.map(Room).map_err(|_| SendError::Ended)
    }

    /// Hands an input to the call without waiting.
    pub fn send(&self, input: Input) -> Result<(), SendError> {
        self.inbox.try_send(letter(input)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended,
        })
    }

    /// Hands over an input that must not be lost, and waits for room.
    pub async fn deliver(&self, input: Input) -> Result<(), SendError> {
        self.inbox.send(letter(input)).await.map_err(|_| SendError::Ended)
    }
}

fn letter(input: Input) -> Letter {
    Letter { at: Instant::now(), input, taken: None }
}

/// A call's task: owns the call, its inbox and whatever carries its effects out.
pub(crate) struct CallTask<E> {
    call: Call,
    first: Vec<Effect>,
    inputs: mpsc::Receiver<Letter>,
    reached: watch::Sender<Reached>,
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
        let (reached, following) = watch::channel(Reached { steps: 0, progress: call.progress() });
        let handle = CallHandle { id: call.id().clone(), inbox, reached: following };
        let answers = handle.clone();
        (Self { call, first, inputs, reached, answers, effects, clock, stop }, handle)
    }

    pub(crate) async fn run(mut self) {
        let taken = self.taken(Instant::now());
        for effect in std::mem::take(&mut self.first) {
            self.effects.start(effect, taken, &self.answers);
        }
        self.effects.stepped(&self.call, taken);
        while let Some(until) = self.call.deadline() {
            let letter = tokio::select! {
                biased;
                () = self.stop.cancelled() => letter(Input::Shutdown),
                // Before the inbox: a caller leaning on the keypad must not stop the clock.
                () = self.clock.sleep_until(until) => letter(Input::DeadlineReached),
                received = self.inputs.recv() => match received {
                    Some(received) => received,
                    // Cannot happen while we hold a sender ourselves.
                    None => pending().await,
                },
            };
            debug!(call = %self.call.id(), input = ?letter.input, "call input");
            self.take(letter);
        }
        // What still waits is answered: a desktop must not wait for a call that is over.
        self.inputs.close();
        while let Ok(letter) = self.inputs.try_recv() {
            self.take(letter);
        }
    }

    fn take(&mut self, letter: Letter) {
        let taken = self.taken(letter.at);
        for effect in self.call.step(letter.input, taken.now) {
            self.effects.start(effect, taken, &self.answers);
        }
        self.effects.stepped(&self.call, taken);
        let steps = self.reached.borrow().steps.saturating_add(1);
        self.reached.send_replace(Reached { steps, progress: self.call.progress() });
        if let Some(told) = letter.taken {
            // One who has stopped waiting does not need it.
            let _ = told.send(steps);
        }
    }

    fn taken(&self, instant: Instant) -> Taken {
        Taken { now: self.clock.now(), instant }
    }
}
