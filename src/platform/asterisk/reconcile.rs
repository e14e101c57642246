//! After a connection was made: which channels are there still, and which are there that nobody knows.
//!
//! What happened meanwhile is lost in inbound mode and comes late in outbound mode; in both the channels
//! stay in the application, and nobody announces them again.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::time::sleep;
use tracing::info;
use tracing::warn;

use crate::platform::asterisk::server::Mail;
use crate::platform::asterisk::server::Server;
use crate::wire::ari::Channel;
use crate::wire::ari::Request;

/// How often Asterisk is asked for its channels quickly, the pause between, and the one after that.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked whether a call of another node was taken over; a lease is shorter.
const ADOPTED_TRIES: u32 = 40;

/// Compares what waits for this connection with what Asterisk has.
pub(super) async fn reconcile(server: Arc<Server>, generation: u64, waiting: Vec<String>) {
    let Some(there) = channels(&server, generation).await else { return };
    for id in &waiting {
        let mail = if there.contains(id) { Mail::Back } else { without(&server, id).await };
        server.tell(id, mail).await;
    }
    if !waiting.is_empty() {
        let gone = waiting.iter().filter(|id| !there.contains(id)).count();
        counter!("countersign_ari_reconciled_total").increment(1);
        info!(asterisk = %server.name(), channels = waiting.len(), gone, "callers are in reach again");
    }
    for id in there.into_iter().filter(|id| !server.knows(id)) {
        let strange = stranger(Arc::clone(&server), generation, id);
        server.shared.tasks.spawn(strange);
    }
}

/// What became of a channel that is not in the application.
async fn without(server: &Server, id: &str) -> Mail {
    match server.ask(&Request::new("GET", &["channels", id])).await {
        Ok(answer) if answer.status == 404 => Mail::Gone,
        // Where Asterisk does not say, a caller who was passed on is not taken for gone.
        _ => Mail::Elsewhere,
    }
}

async fn channel(server: &Server, id: &str) -> Option<Channel> {
    server.ask(&Request::new("GET", &["channels", id])).await.ok()?.channel()
}

/// Somebody is in the application of whom nobody here knows: a call of a node that is gone is gone on
/// with by whoever takes it over, anything else is a new call.
async fn stranger(server: Arc<Server>, generation: u64, id: String) {
    for _ in 0..ADOPTED_TRIES {
        if server.knows(&id) || !server.link.is_newest(generation) {
            return;
        }
        if !(server.shared.elsewhere)(&id) {
            break;
        }
        sleep(PAUSE).await;
    }
    if (server.shared.elsewhere)(&id) {
        // Its node lives, and has it: one caller is one call.
        return;
    }
    let Some(channel) = channel(&server, &id).await else { return };
    if !server.knows(&id) {
        info!(asterisk = %server.name(), channel = %id, "a caller was with the application already");
        server.entered(channel, vec![]);
    }
}

async fn channels(server: &Server, generation: u64) -> Option<Vec<String>> {
    let request = Request::new("GET", &["applications", &server.app]);
    let mut tries = 0_u32;
    // As long as the connection stands: until then its callers wait.
    while server.link.is_newest(generation) {
        match server.ask(&request).await {
            Ok(answer) => {
                if let Some(channels) = answer.channels() {
                    return Some(channels);
                }
                // Right after connecting the application may not be registered yet.
                if answer.status != 404 {
                    warn!(asterisk = %server.name(), status = answer.status, "Asterisk does not say which channels it has");
                }
            }
            Err(error) => {
                warn!(asterisk = %server.name(), %error, "Asterisk's channels are not known");
            }
        }
        tries = tries.saturating_add(1);
        tokio::select! {
            () = server.shared.stop.cancelled() => return None,
            () = sleep(if tries < TRIES { PAUSE } else { LONG_PAUSE }) => {}
        }
    }
    None
}
