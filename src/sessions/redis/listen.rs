//! The connection for messages: what other nodes say about calls.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::sessions::listeners::Listeners;
use crate::sessions::redis::link::Link;
use crate::sessions::redis::link::Pause;
use crate::sessions::redis::text;
use crate::sessions::shared::Change;

/// How often the other side has to show that it is there, and how long it may take to.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Hears the channel for all listeners of this process.
pub(super) struct Ear {
    pub(super) link: Arc<Link>,
    pub(super) channel: String,
    pub(super) listeners: Arc<Listeners>,
    pub(super) patience: Duration,
    /// Whether the channel is heard.
    pub(super) hears: watch::Sender<bool>,
}

impl Ear {
    /// Hears until it is told to stop.
    pub(super) async fn hear(self, stop: CancellationToken) {
        let mut pause = Pause::default();
        let mut made = self.link.made();
        loop {
            let heard = tokio::select! {
                heard = self.hear_once(&mut made, &mut pause) => heard,
                () = stop.cancelled() => None,
            };
            self.hears.send_replace(false);
            if heard.is_some() {
                tracing::info!("no longer hears other nodes through Redis: connecting again");
            }
            tokio::select! {
                () = sleep(pause.next()) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Hears until the connection ends, or orders go to another server; none: it never began.
    async fn hear_once(&self, made: &mut watch::Receiver<u64>, pause: &mut Pause) -> Option<()> {
        made.mark_unchanged();
        let (mut sink, mut messages) =
            timeout(self.patience, self.subscribe()).await.ok()??.split();
        // What happened until now was heard by nobody here.
        self.listeners.tell(&Change::Missed);
        self.hears.send_replace(true);
        let mut signs = interval(SIGN_OF_LIFE);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return Some(()) };
                    let message = std::str::from_utf8(message.get_payload_bytes());
                    if let Some(change) = message.ok().and_then(text::change) {
                        self.listeners.tell(&change);
                    }
                }
                _ = signs.tick() => {
                    self.listeners.remind();
                    let sign = timeout(SIGN_OF_LIFE, sink.ping::<redis::Value>()).await;
                    if !matches!(sign, Ok(Ok(_))) {
                        return Some(());
                    }
                    *pause = Pause::default();
                }
                changed = made.changed() => {
                    changed.ok()?;
                    return Some(());
                }
            }
        }
    }

    async fn subscribe(&self) -> Option<PubSub> {
        let mut subscription = self.link.target.listen().await.ok()?;
        subscription.subscribe(&self.channel).await.ok()?;
        Some(subscription)
    }
}
