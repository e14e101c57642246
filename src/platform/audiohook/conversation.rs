//! One conversation of Genesys: the call's leg, and the socket that has the word in it now.
//!
//! A conversation outlives its sockets: one that broke may be followed by another, and of two the newer
//! has the word.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tracing::debug;
use zeroize::Zeroizing;

use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::view::CallView;
use crate::engine::CallHandle;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::platform::Leg;
use crate::platform::audiohook::session::Wish;
use crate::rtp::prompt::PromptPack;
use crate::wire::audiohook::Outputs;

/// What a call wants of its socket, waiting at the most.
pub(super) const WISHES_LEN: usize = 32;

/// A socket's place in the order of all sockets of its conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn(u64);

impl Turn {
    /// The place of a socket that never gets the word.
    pub(super) const NEVER: Self = Self(0);
}

/// One conversation.
pub(super) struct Conversation {
    name: PlatformCallId,
    /// The API key under which it began: another integration's socket cannot take it over.
    owner: OnceLock<Zeroizing<String>>,
    call: OnceLock<CallHandle>,
    mouth: Mutex<Mouth>,
    known: Mutex<Known>,
    /// Held while sockets come and go, so that the call hears it in that order.
    pub(super) coming: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Mouth {
    turns: u64,
    wishes: Option<mpsc::Sender<Wish>>,
}

/// What desktops saw of the call last.
struct Known {
    outputs: Outputs,
    media: &'static str,
}

impl Conversation {
    fn new(name: PlatformCallId) -> Arc<Self> {
        let known = Known { outputs: Outputs::default(), media: "none" };
        Arc::new(Self {
            name,
            owner: OnceLock::new(),
            call: OnceLock::new(),
            mouth: Mutex::default(),
            known: Mutex::new(known),
            coming: tokio::sync::Mutex::default(),
        })
    }

    /// Whether this API key may speak in it; the first that does owns it.
    pub(super) fn belongs_to(&self, api_key: &Zeroizing<String>) -> bool {
        self.owner.get_or_init(|| api_key.clone()) == api_key
    }

    pub(super) fn call(&self) -> Option<&CallHandle> {
        self.call.get()
    }

    /// The call has begun. Only whoever holds [`Self::coming`] begins it, and only once.
    pub(super) fn begun(&self, call: CallHandle) {
        let id = call.id().to_string();
        let _ = self.call.set(call);
        self.known().outputs.call = id;
    }

    /// A call that wants nothing of a socket any more.
    pub(super) fn lets_go(&self, call: CallHandle) {
        let progress = call.reached().borrow().progress;
        self.begun(call);
        {
            let mut known = self.known();
            known.outputs.class = progress.class.map(crate::model::caller::CallerClass::word);
            known.outputs.authentication = Some(progress.authentication.word());
        }
        self.mouth().wishes = None;
    }

    /// Gives the word to a socket; the one before is told to go.
    pub(super) fn speaks_through(&self, wishes: mpsc::Sender<Wish>) -> Turn {
        let mut mouth = self.mouth();
        mouth.turns += 1;
        mouth.wishes = Some(wishes);
        Turn(mouth.turns)
    }

    /// Whether this socket has the word.
    pub(super) fn has_the_word(&self, turn: Turn) -> bool {
        let mouth = self.mouth();
        mouth.turns == turn.0 && mouth.wishes.is_some()
    }

    /// Takes the word from this socket; whether it had it.
    pub(super) fn falls_silent(&self, turn: Turn) -> bool {
        let mut mouth = self.mouth();
        mouth.turns == turn.0 && mouth.wishes.take().is_some()
    }

    /// What the flow learns at the end.
    pub(super) fn outputs(&self) -> Outputs {
        self.known().outputs.clone()
    }

    /// Whether the caller is still with the machine.
    pub(super) fn with_machine(&self) -> bool {
        matches!(self.known().media, "none" | "ivr")
    }

    /// Whether a socket took the wish.
    fn wish(&self, wish: Wish) -> bool {
        let mouth = self.mouth();
        let Some(wishes) = &mouth.wishes else { return false };
        if wishes.try_send(wish).is_err() {
            debug!("a wish for a socket that is gone or stuck");
        }
        true
    }

    /// A panic elsewhere leaves these whole: every change of them is complete in itself.
    fn mouth(&self) -> MutexGuard<'_, Mouth> {
        self.mouth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All conversations that have a call.
#[derive(Default)]
pub(super) struct Conversations(Mutex<HashMap<PlatformCallId, Arc<Conversation>>>);

impl Conversations {
    /// The conversation of this name, a new one where there is none or its call is over.
    pub(super) fn get_or(&self, name: &PlatformCallId) -> Arc<Conversation> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let living = |known: &&Arc<Conversation>| !known.call().is_some_and(CallHandle::is_over);
        if let Some(known) = all.get(name).filter(living) {
            return Arc::clone(known);
        }
        let new = Conversation::new(name.clone());
        all.insert(name.clone(), Arc::clone(&new));
        new
    }

    pub(super) fn remove(&self, conversation: &Arc<Conversation>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&conversation.name).is_some_and(|listed| Arc::ptr_eq(listed, conversation)) {
            all.remove(&conversation.name);
        }
    }
}

/// The call's end of a conversation.
pub(super) struct AudioHookLeg {
    pub(super) conversation: Arc<Conversation>,
    pub(super) conversations: Arc<Conversations>,
    pub(super) prompts: Arc<PromptPack>,
}

impl Leg for AudioHookLeg {
    fn answer(&mut self) {
        self.conversation.wish(Wish::Answer);
    }

    fn play(&mut self, prompt: Prompt) {
        let phrase = self.prompts.get(prompt.id()).cloned();
        if !self.conversation.wish(Wish::Play(phrase))
            && let Some(call) = self.conversation.call()
        {
            // Nobody hears it: the call need not wait for its end.
            let _ = call.send(Input::Event(CallEvent::PromptEnded));
        }
    }

    fn stop_playing(&mut self) {
        self.conversation.wish(Wish::StopPlaying);
    }

    /// Without a socket the flow goes on by its own failure path.
    fn hand_over(&mut self, _to: &str, _answered: bool, _call: &CallId) {
        let outputs = self.conversation.outputs();
        if !self.conversation.wish(Wish::HandOver(outputs))
            && let Some(call) = self.conversation.call()
        {
            // A call whose inbox is full has its own deadline for this.
            let _ = call.send(Input::Event(CallEvent::HandedOver(HandOver::Done)));
        }
    }

    fn clear(&mut self, cause: Cause) {
        let outputs = self.conversation.outputs();
        self.conversation.wish(Wish::Clear(cause, outputs));
    }

    fn shows(&mut self, view: &CallView) {
        let mut known = self.conversation.known();
        known.media = view.media;
        known.outputs = Outputs {
            call: view.id.to_string(),
            class: view.class.map(crate::model::caller::CallerClass::word),
            authentication: Some(view.authentication.word()),
            customer: view.customer.as_ref().map(|customer| customer.id.to_string()),
        };
    }
}

impl Drop for AudioHookLeg {
    fn drop(&mut self) {
        self.conversations.remove(&self.conversation);
        self.conversation.mouth().wishes = None;
    }
}
