//! Genesys Cloud beside its audio (contract §8): Architect asks by data actions, keys come one by one,
//! and what becomes of a conversation goes both ways over the platform's own API.
//!
//! ```text
//!  Architect ─> api/genesys.rs ─> actions.rs ─> events of contract §4 ─> the call ─> directive
//!      ^                           (pure)                                               │
//!      '──────────── flat JSON: what to ask, of which position, under which version <───'
//! ```

pub mod actions;
#[cfg(test)]
mod contracts;
