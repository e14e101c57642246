//! `countersign serve`: the daemon.

use tracing::info;
use tracing::warn;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::lifecycle;
use crate::lifecycle::Signals;

/// Runs until SIGTERM or SIGINT.
pub async fn run(common: &Common) -> anyhow::Result<u8> {
    lifecycle::keep_memory_private();
    let config = config_with_logs(common)?;
    for sentence in config.idle() {
        info!("{sentence}");
    }
    for sentence in config.warnings() {
        warn!("{sentence}");
    }
    let mut signals = Signals::catch()?;
    let prepared = app::prepare(config)?;
    for sentence in prepared.warnings() {
        warn!("{sentence}");
    }
    let stores = prepared.open().await?;
    let running = app::start(prepared, stores).await?;
    print(&running.listening());
    signals.wanted().await;
    info!("stopping; a second signal ends all calls at once");
    let at_once = running.cut_short();
    let stopped = running.stop();
    tokio::pin!(stopped);
    tokio::select! {
        () = &mut stopped => {}
        () = signals.wanted() => {
            at_once.cancel();
            stopped.await;
        }
    }
    info!("stopped");
    Ok(0)
}
