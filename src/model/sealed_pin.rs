//! A PIN as it is kept: tags that nobody can turn back into digits.

use serde::Deserialize;
use serde::Serialize;

/// PairVault at rest: 21 tags behind an AEAD (facts/caller-auth §3.5).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealedPin {
    /// Binds the tags to this PIN of this account.
    pub pin_version: u32,
    /// Argon2id salt.
    pub salt: Vec<u8>,
    /// Which pepper.
    pub pepper_id: String,
    /// Argon2id memory in KiB.
    pub memory_kib: u32,
    /// Argon2id passes.
    pub iterations: u32,
    /// AEAD nonce.
    pub nonce: Vec<u8>,
    /// The sealed table.
    pub table: Vec<u8>,
}
