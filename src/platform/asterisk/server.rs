//! One Asterisk: its channels that are with us, whatever becomes of its connections.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use metrics::counter;
use metrics::gauge;
use tokio::sync::mpsc;
use tracing::debug;
use tracing::info;
use tracing::warn;

use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::model::ids::PlatformCallId;
use crate::model::time::Timestamp;
use crate::platform::asterisk::Shared;
use crate::platform::asterisk::State;
use crate::platform::asterisk::leg;
use crate::platform::asterisk::link::Http;
use crate::platform::asterisk::link::Link;
use crate::platform::asterisk::link::NoAnswer;
use crate::wire::ari::Answer;
use crate::wire::ari::Channel;
use crate::wire::ari::Event;
use crate::wire::ari::Request;
use crate::wire::ari::What;
use crate::wire::ari::Within;

/// Events that wait for one channel's task at the most.
const MAIL_LEN: usize = 64;
/// Channels that left, remembered so that they are not taken for new ones.
const LEFT_MAX: usize = 1024;

/// What the task of a channel is told.
#[derive(Debug)]
pub(super) enum Mail {
    /// Something happened, and when.
    Event(Within, Option<Timestamp>),
    /// Asterisk is out of reach.
    Lost,
    /// Asterisk is in reach, and has the channel.
    Back,
    /// Asterisk is in reach, and has it no longer.
    Gone,
    /// Asterisk is in reach and has it, but not in our application.
    Elsewhere,
}

/// One Asterisk.
pub(crate) struct Server {
    name: String,
    pub(super) app: String,
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    channels: HashMap<String, mpsc::Sender<Mail>>,
    /// Channels that were with us, in the order in which they left.
    left: VecDeque<String>,
    connected: bool,
    /// Whether another node is to be connected.
    elsewhere: bool,
    since: Timestamp,
    why: String,
}

impl Server {
    pub(super) fn new(name: String, app: String, shared: Arc<Shared>, http: Option<Http>) -> Self {
        let since = shared.clock.wall();
        let table = Table { since, why: "not connected yet".into(), ..Table::default() };
        Self { name, app, shared, link: Link::new(http), table: Mutex::new(table) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> State {
        let table = self.table();
        State {
            name: self.name.clone(),
            connected: table.connected,
            elsewhere: table.elsewhere,
            since: table.since,
            why: table.why.clone(),
            channels: table.channels.len(),
        }
    }

    /// Whether it is away, with nobody of its callers with us.
    pub(super) fn is_idle(&self) -> bool {
        let table = self.table();
        !table.connected && table.channels.is_empty()
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, NoAnswer> {
        self.link.ask(request).await
    }

    /// A connection stands. Its number, and the channels that waited for it.
    pub(super) fn connected(&self, frames: mpsc::Sender<String>) -> (u64, Vec<String>) {
        let generation = self.link.connect(frames);
        let mut table = self.table();
        if !std::mem::replace(&mut table.connected, true) {
            table.since = self.shared.clock.wall();
            table.elsewhere = false;
            table.why.clear();
            gauge!("countersign_ari_connections").increment(1.0);
            info!(asterisk = %self.name, "Asterisk is connected");
        }
        // Of a connection that was replaced nobody knows what it lost.
        table.channels.values().for_each(|mailbox| drop(mailbox.try_send(Mail::Lost)));
        (generation, table.channels.keys().cloned().collect())
    }

    /// A connection has gone.
    pub(super) fn disconnected(&self, generation: u64, why: &str) {
        if !self.link.disconnect(generation) {
            return;
        }
        let mut table = self.table();
        let was = std::mem::replace(&mut table.connected, false);
        table.since = self.shared.clock.wall();
        why.clone_into(&mut table.why);
        if was {
            gauge!("countersign_ari_connections").decrement(1.0);
            counter!("countersign_ari_disconnects_total").increment(1);
            let channels = table.channels.len();
            warn!(asterisk = %self.name, channels, why, "Asterisk is out of reach; its callers wait");
        }
        table.channels.values().for_each(|mailbox| drop(mailbox.try_send(Mail::Lost)));
    }

    /// Another node is to be connected.
    pub(super) fn stands_by(&self) {
        self.table().elsewhere = true;
    }

    /// Says why there is no connection.
    pub(super) fn unreachable(&self, why: &str) {
        let mut table = self.table();
        table.elsewhere = false;
        if !table.connected && table.why != why {
            warn!(asterisk = %self.name, why, "Asterisk cannot be reached; it is tried again");
            why.clone_into(&mut table.why);
        }
    }

    /// Takes an event in.
    pub(super) fn take(self: &Arc<Self>, event: Event) {
        let Event { what, at, .. } = event;
        match what {
            What::Entered { channel, args } => self.entered(*channel, args),
            What::Within { channel, what } => self.within(&channel, what, at),
            What::Replaced | What::Other => {}
        }
    }

    /// A channel is with us. One that is there already stays what it is.
    pub(super) fn entered(self: &Arc<Self>, channel: Channel, args: Vec<String>) {
        let (mailbox, mail) = mpsc::channel(MAIL_LEN);
        {
            let mut table = self.table();
            if table.channels.contains_key(&channel.id) {
                return;
            }
            table.left.retain(|left| *left != channel.id);
            table.channels.insert(channel.id.clone(), mailbox);
        }
        let server = Arc::clone(self);
        self.shared.tasks.spawn(leg::run(server, channel, args, mail));
    }

    /// A channel that another node had.
    pub(super) fn resumed(&self, channel: &str) -> Option<mpsc::Receiver<Mail>> {
        let (mailbox, mail) = mpsc::channel(MAIL_LEN);
        let mut table = self.table();
        if table.channels.contains_key(channel) {
            return None;
        }
        table.channels.insert(channel.to_owned(), mailbox);
        Some(mail)
    }

    fn within(&self, channel: &str, what: Within, at: Option<Timestamp>) {
        let mut table = self.table();
        let Some(mailbox) = table.channels.get(channel) else {
            let ours = table.left.iter().any(|left| left == channel);
            drop(table);
            if let (true, Within::Gone(cause)) = (ours, what) {
                self.gone_afterwards(channel, CallEvent::ConnectionCleared(cause));
            }
            return;
        };
        if mailbox.try_send(Mail::Event(what, at)).is_err() {
            // Its task takes the end of its mailbox as its end.
            warn!(asterisk = %self.name, channel, "a channel's mailbox is full; the channel is given up");
            counter!("countersign_shed_total", "reason" => "leg_mailbox").increment(1);
            table.channels.remove(channel);
        }
    }

    /// Where Asterisk says so, a caller who was passed on has hung up.
    fn gone_afterwards(&self, channel: &str, event: CallEvent) {
        let id: Result<PlatformCallId, _> = channel.parse();
        let call = id.ok().and_then(|id| self.shared.entry.find(&self.shared.platform, &id));
        if let Some(call) = call
            && call.send(Input::Event(event)).is_err()
        {
            debug!(channel, "a call that is busy or over was not told of its end");
        }
    }

    /// The channel is no longer with us.
    pub(super) fn left(&self, channel: &str) {
        let mut table = self.table();
        table.channels.remove(channel);
        if table.left.len() >= LEFT_MAX {
            table.left.pop_front();
        }
        table.left.push_back(channel.to_owned());
    }

    /// Whether the channel is with us, or was.
    pub(super) fn knows(&self, channel: &str) -> bool {
        let table = self.table();
        table.channels.contains_key(channel) || table.left.iter().any(|left| left == channel)
    }

    /// Tells the task of a channel, where there is one.
    pub(super) async fn tell(&self, channel: &str, mail: Mail) {
        let mailbox = self.table().channels.get(channel).cloned();
        if let Some(mailbox) = mailbox {
            // One that has ended meanwhile needs no word.
            let _ = mailbox.send(mail).await;
        }
    }

    /// A panic elsewhere leaves the table whole: every change of it is complete in itself.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
