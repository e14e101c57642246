//! The link between nodes (D06): one asks another directly, over mutual TLS.
//!
//! ```text
//!  Link::ask ─> place (64 in flight a peer) ─> TLS 1.3, both sides show certificates of one CA
//!               ─> POST /v1/ask ─> serve ─> Host::asked, which is not cut short ─> Told
//! ```
//! Passwords, answers and tokens go this way and never through the session store, whose word for a
//! peer's address is not trusted: who answers there has to hold a certificate for that host.

pub mod link;
pub mod server;
pub mod tls;

#[cfg(test)]
mod stories;

use async_trait::async_trait;
use axum::body::Bytes;
use zeroize::Zeroizing;

pub use crate::cluster::link::Link;
pub use crate::cluster::link::LinkError;
pub use crate::cluster::server::serve;
pub use crate::cluster::tls::LinkTls;
pub use crate::cluster::tls::TlsError;
use crate::model::ids::NodeId;
use crate::wire::events::BODY_MAX;
use crate::wire::relay::Ask;
use crate::wire::relay::Told;

/// Where questions go.
const PATH: &str = "/v1/ask";
/// The largest question: as many events as one request may bring, and what is around them.
const ASK_MAX: usize = BODY_MAX + 64 * 1024;
/// The largest answer.
const TOLD_MAX: usize = 1024 * 1024;

/// What answers other nodes.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Carries out what a node asks. It is let finish even when the other node waits no longer, for half
    /// a minute at the most.
    async fn asked(&self, from: NodeId, ask: Ask) -> Told;
}

/// A text on its way out, wiped with the last of its users.
fn wiped(text: Zeroizing<Vec<u8>>) -> Bytes {
    struct Owned(Zeroizing<Vec<u8>>);
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Owned(text))
}
