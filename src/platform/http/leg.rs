//! A leg whose media stays with its platform: wishes become a directive, and the call hears at once
//! what over SIP its own media would have told it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tracing::debug;

use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::view::CallView;
use crate::engine::CallHandle;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::platform::Leg;
use crate::platform::http::line::Line;
use crate::platform::http::line::Lines;
use crate::platform::http::orders::Ends;
use crate::platform::http::resume::SavedLeg;

/// What waits on its way to the call at the most.
const TOLD_LEN: usize = 32;

/// What the call is to be told.
#[derive(Debug)]
pub(super) enum Told {
    /// At once.
    Event(CallEvent),
    /// After this time, unless something else comes first.
    PromptEnds(Duration),
    /// Nothing plays any more.
    Silence,
}

/// The call's end of a leg.
pub(super) struct HttpLeg {
    line: Arc<Line>,
    lines: Arc<Lines>,
    told: mpsc::Sender<Told>,
}

impl HttpLeg {
    pub(super) fn new(line: Arc<Line>, lines: Arc<Lines>) -> (Self, mpsc::Receiver<Told>) {
        let (told, relayed) = mpsc::channel(TOLD_LEN);
        (Self { line, lines, told }, relayed)
    }

    fn tell(&self, told: Told) {
        // A lost word costs the wait until the phase's own deadline, never the call.
        if self.told.try_send(told).is_err() {
            debug!("a call hears less than its platform does");
        }
    }
}

impl Leg for HttpLeg {
    fn answer(&mut self) {
        if self.line.through(Leg::answer) {
            return;
        }
        self.tell(Told::Event(CallEvent::Established));
    }

    fn play(&mut self, prompt: Prompt) {
        if self.line.through(|leg| leg.play(prompt)) {
            return;
        }
        self.tell(match self.line.order(|orders| orders.play(prompt)) {
            Ends::Now => Told::Event(CallEvent::PromptEnded),
            Ends::After(wait) => Told::PromptEnds(wait),
        });
    }

    fn stop_playing(&mut self) {
        if self.line.through(Leg::stop_playing) {
            return;
        }
        self.tell(Told::Silence);
    }

    fn hand_over(&mut self, to: &str, answered: bool, call: &CallId) {
        self.line.order(|orders| orders.route(to, call));
        if self.line.through(|leg| leg.hand_over(to, answered, call)) {
            return;
        }
        self.tell(Told::Event(CallEvent::HandedOver(HandOver::Done)));
    }

    fn clear(&mut self, cause: Cause) {
        self.line.order(|orders| orders.hang_up(cause));
        if self.line.through(|leg| leg.clear(cause)) {
            return;
        }
        self.tell(Told::Silence);
    }

    fn shows(&mut self, view: &CallView) {
        self.line.through(|leg| leg.shows(view));
    }

    fn saved(&self) -> Value {
        let version = self.line.order(|orders| orders.directive().version);
        SavedLeg { version, events: self.line.events() }.to_value()
    }
}

impl Drop for HttpLeg {
    fn drop(&mut self) {
        self.lines.remove(&self.line);
    }
}

/// Brings to the call what its leg has to tell it, until the call lets go of the leg.
pub(super) async fn relay(call: CallHandle, mut told: mpsc::Receiver<Told>) {
    let mut ends: Option<Instant> = None;
    loop {
        let next = tokio::select! {
            biased;
            next = told.recv() => next,
            () = until(ends) => Some(Told::Event(CallEvent::PromptEnded)),
        };
        let event = match next {
            None => return,
            Some(Told::PromptEnds(wait)) => {
                ends = Some(Instant::now() + wait);
                continue;
            }
            Some(Told::Silence) => {
                ends = None;
                continue;
            }
            Some(Told::Event(event)) => event,
        };
        ends = None;
        if call.deliver(Input::Event(event)).await.is_err() {
            return;
        }
    }
}

async fn until(ends: Option<Instant>) {
    match ends {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
