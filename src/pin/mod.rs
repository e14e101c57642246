//! PairVault: verifies two positions of a PIN without keeping the PIN (facts/caller-auth §3.5).
//!
//! ```text
//! pepper ─HMAC─┬─ argon2 secret ──┐
//!              ├─ table key ──────┼──► 21 pair tags, one argon2id run each, sealed as one table
//!              ├─ positions key   │
//!              │                  └──► a call: two keys → one run → constant-time compare
//!              └─ initial PINs, which no call accepts: [`initial`]
//! ```
//!
//! All hashing happens on own threads of low priority, so that a burst of PIN entries cannot delay
//! a call or a desktop, and never costs more memory than one buffer a thread (§3.9).

pub mod choice;
mod common;
pub mod initial;
pub mod kdf;
pub mod lanes;
pub mod links;
pub mod password;
pub mod pepper;
pub mod vault;
pub mod weak;
mod web_pin;
pub mod workers;

/// Why no verdict was reached. Nothing may be counted for it (C51).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PinError {
    /// Too much to do at the moment; try again later.
    #[error("the PIN workers are busy")]
    Busy,
    /// The stored secret is not ours, or was made with another pepper. A human has to look.
    #[error("the stored secret cannot be used: it is damaged or belongs to another pepper")]
    Corrupt,
}
