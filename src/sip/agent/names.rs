//! Tags and branches: unlike any other, and not to be guessed by those who do not know the seed.

use sha2::Digest;
use sha2::Sha256;

/// The source of all names; a counter makes each of them new.
pub(super) struct Names {
    seed: [u8; 32],
    counter: u64,
}

impl Names {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub(super) fn tag(&mut self) -> String {
        hex(&self.fresh(b"tag"), 8)
    }

    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", hex(&self.fresh(b"branch"), 12))
    }

    /// The id of a session description; short enough for peers that read 32 bits.
    pub(super) fn session(&mut self) -> u64 {
        let bytes = self.fresh(b"session");
        bytes.iter().take(4).fold(0, |sum, byte| (sum << 8 | u64::from(*byte)) & 0x7fff_ffff)
    }

    /// The tag for a refusal that keeps no state: the same for the same request.
    pub(super) fn stateless_tag(&self, fingerprint: &str) -> String {
        hex(&self.digest(b"stateless", fingerprint.as_bytes()), 8)
    }

    fn fresh(&mut self, purpose: &[u8]) -> Vec<u8> {
        self.counter += 1;
        self.digest(purpose, &self.counter.to_be_bytes())
    }

    fn digest(&self, purpose: &[u8], text: &[u8]) -> Vec<u8> {
        let hash = Sha256::new().chain_update(self.seed).chain_update(purpose).chain_update(text);
        hash.finalize().to_vec()
    }
}

fn hex(bytes: &[u8], len: usize) -> String {
    let mut text = String::with_capacity(2 * len);
    for digit in bytes.iter().take(len).flat_map(|byte| [byte >> 4, byte & 15]) {
        text.extend(char::from_digit(u32::from(digit), 16));
    }
    text
}
