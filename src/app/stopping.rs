//! The running daemon, and how it stops: nothing new, then what goes on elsewhere, then the rest.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::app::Running;
use crate::call::input::Input;
use crate::lifecycle;

/// How long BYEs may take on their way out after the calls have ended.
const FAREWELL: Duration = Duration::from_millis(500);

impl Running {
    /// The line that says where we listen (contract §2).
    #[must_use]
    pub fn listening(&self) -> String {
        let sip: Vec<_> = self.sip.iter().map(|address| format!("udp:{address}")).collect();
        let grpc = self.grpc.map(|address| format!(" grpc={address}")).unwrap_or_default();
        format!("listening http={} sip={}{grpc}", self.http, sip.join(","))
    }

    /// Cuts a soft stop short: every call ends now.
    #[must_use]
    pub fn cut_short(&self) -> CancellationToken {
        self.stops.calls.clone()
    }

    /// Calls that can go on without this node go on at another.
    async fn hand_off(&self) {
        let Some(nodes) = &self.nodes else { return };
        let mut calls = self.calls.all();
        // One that waits for a store or a worker is let finish.
        calls.retain(|call| call.reached().borrow().progress.settled);
        let taken = nodes.hand_off(calls.iter().map(|call| call.id().clone()).collect()).await;
        for call in calls.iter().filter(|call| taken.contains(call.id())) {
            // One that is over by now needs no word.
            let _ = call.send(Input::Disowned);
        }
        if !taken.is_empty() {
            info!(calls = taken.len(), "other nodes go on with these calls");
        }
    }

    /// Stops: no new calls, those with the machine finish within the grace period, then all end.
    pub async fn stop(self) {
        lifecycle::stopping();
        self.stops.drain.cancel();
        self.gauges.iter().for_each(|gauge| gauge.drain());
        let patience = Instant::now() + self.grace;
        let busy = || {
            let legs = self.gauges.iter().map(|gauge| gauge.legs()).sum::<usize>();
            let legs = legs + self.audiohooks.busy();
            // What a platform holds can go on at another node at once.
            let elsewhere = self.nodes.as_ref().is_some_and(|nodes| nodes.has_others());
            let asterisk = self.asterisks.as_ref().map_or(0, |asterisks| asterisks.busy());
            legs + if elsewhere { 0 } else { self.platforms.busy() + asterisk }
        };
        if busy() > 0 {
            info!(calls = busy(), grace_s = self.grace.as_secs(), "draining");
        }
        while busy() > 0 && Instant::now() < patience && !self.stops.calls.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.stops.desktops.cancel();
        self.hand_off().await;
        self.stops.calls.cancel();
        let settled = async {
            while !self.calls.is_empty() || busy() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, settled).await;
        if let Some(nodes) = &self.nodes {
            nodes.tell_everything().await;
            nodes.leave().await;
        }
        self.stops.sockets.cancel();
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
            warn!("some tasks did not end in time");
        }
        self.checkpoints.sign_last().await;
    }
}
