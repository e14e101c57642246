//! Genesys Cloud beside its audio (contract §8): Architect asks by data actions, keys come one by one,
//! and what becomes of a conversation goes both ways over the platform's own API.
//!
//! ```text
//!  Architect ─> api/genesys.rs ─> actions.rs ─> events of contract §4 ─> the call ─> directive
//!      ^                           (pure)                                               │
//!      '──────────── flat JSON: what to ask, of which position, under which version <───'
//!
//!  the hub ─> attributes.rs ─> client.rs ─> participants' attributes      (newest per call)
//!  channel ─> notifications.rs ─> events.rs ─> events of contract §4      (a state, told as a story)
//! ```

pub mod actions;
pub mod attributes;
pub mod client;
#[cfg(test)]
mod contracts;
pub mod events;
pub mod notifications;
pub mod oauth;
pub mod socket;
