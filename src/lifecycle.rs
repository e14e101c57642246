//! Signals, systemd, and the two ways to stop: soft (no new calls, those in progress finish), then hard.

use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use tracing::warn;

/// The stops, in the order in which they come.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    /// No new calls; `/readyz` says so.
    pub drain: CancellationToken,
    /// Desktops are sent away.
    pub desktops: CancellationToken,
    /// Every call ends now.
    pub calls: CancellationToken,
    /// Sockets close.
    pub sockets: CancellationToken,
}

/// SIGTERM and SIGINT, caught from the moment this exists.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub fn catch() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn wanted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells systemd that we serve, and from then on that we live: twice in each watchdog period.
pub fn ready(tasks: &TaskTracker, stop: CancellationToken) {
    notify(sd_notify::NotifyState::Ready);
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    tasks.spawn(async move {
        let mut beat = tokio::time::interval((period / 2).max(Duration::from_millis(100)));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                // A runtime that cannot run this task any more is what the watchdog is for.
                _ = beat.tick() => notify(sd_notify::NotifyState::Watchdog),
            }
        }
    });
}

/// Tells systemd that the stop has begun.
pub fn stopping() {
    notify(sd_notify::NotifyState::Stopping);
}

fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        debug!(%error, "systemd was not told");
    }
}

/// No core dump and no debugger's look at digits (P11).
pub fn keep_memory_private() {
    use rustix::process::DumpableBehavior;
    use rustix::process::Resource;
    use rustix::process::Rlimit;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if rustix::process::setrlimit(Resource::Core, none).is_err()
        || rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err()
    {
        warn!("core dumps could not be switched off; a crash may write digits to disk");
    }
}
