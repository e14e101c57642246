//! `countersign serve`: the daemon.

use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::lifecycle;

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
    let prepared = app::prepare(config)?;
    let stores = prepared.open()?;
    let running = app::start(prepared, stores).await?;
    print(&running.listening());
    lifecycle::stop_wanted(&CancellationToken::new()).await?;
    info!("stopping");
    running.stop().await;
    info!("stopped");
    Ok(0)
}
