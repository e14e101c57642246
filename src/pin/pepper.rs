//! The pepper: the one secret outside the database that every stored PIN and password needs.

use std::fmt;
use std::fmt::Write;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Digest;
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

use crate::model::digits::Positions;
use crate::model::ids::CustomerId;

/// The pepper file does not hold exactly 32 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a pepper has exactly 32 bytes")]
pub struct NotAPepper;

/// Keys derived from the pepper, each for one purpose. The pepper itself is not kept.
#[derive(ZeroizeOnDrop)]
pub struct Pepper {
    #[zeroize(skip)]
    kid: String,
    pub(super) pin_secret: [u8; 32],
    pub(super) password_secret: [u8; 32],
    pub(super) web_pin_secret: [u8; 32],
    pub(super) table_key: [u8; 32],
    pub(super) run_key: [u8; 32],
    pub(super) initial_key: [u8; 32],
    positions_key: [u8; 32],
    link_key: [u8; 32],
}

impl Pepper {
    /// Bytes of a pepper.
    pub const LEN: usize = 32;

    /// Derives the keys. The caller wipes its own copy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAPepper> {
        let pepper = Zeroizing::new(<[u8; Self::LEN]>::try_from(bytes).map_err(|_| NotAPepper)?);
        let label = Sha256::new().chain_update("countersign/pepper-id/v1").chain_update(*pepper);
        let mut kid = String::with_capacity(8);
        for byte in label.finalize().iter().take(4) {
            // Writing to a String cannot fail.
            let _ = write!(kid, "{byte:02x}");
        }
        Ok(Self {
            kid,
            pin_secret: hmac(&pepper, &[b"countersign/argon2-pin/v1"]),
            password_secret: hmac(&pepper, &[b"countersign/argon2-password/v1"]),
            web_pin_secret: hmac(&pepper, &[b"countersign/argon2-web-pin/v1"]),
            table_key: hmac(&pepper, &[b"countersign/pair-table/v1"]),
            run_key: hmac(&pepper, &[b"countersign/print-run/v1"]),
            initial_key: hmac(&pepper, &[b"countersign/initial-pin/v1"]),
            positions_key: hmac(&pepper, &[b"countersign/made-up-positions/v1"]),
            link_key: hmac(&pepper, &[b"countersign/link-token/v1"]),
        })
    }

    /// Names the pepper without telling anything about it: eight hexadecimal characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The positions to ask of somebody we do not know: always the same for the same claim (§3.4.6).
    #[must_use]
    pub fn made_up_positions(&self, claimed: &str) -> Positions {
        let digest = hmac(&self.positions_key, &[claimed.as_bytes()]);
        let number = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let index = u8::try_from(number % u64::from(Positions::COUNT)).unwrap_or_default();
        Positions::from_index(index).unwrap_or(Positions::FIRST)
    }

    /// What only we can say of a mailed link (P25).
    pub(super) fn link_mac(&self, purpose: &str, id: &str) -> [u8; 32] {
        hmac(&self.link_key, &[purpose.as_bytes(), b"\0", id.as_bytes()])
    }

    /// A number for the draw of questions: fixed for an account and a round.
    pub fn question_seed(&self, account: &CustomerId, round: u64) -> u64 {
        let parts = [b"questions".as_slice(), account.as_str().as_bytes(), &round.to_be_bytes()];
        let digest = hmac(&self.positions_key, &parts);
        digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({})", self.kid)
    }
}

pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104 pads a short key with zeros to a block, so a padded key needs no fallible constructor.
    let mut block = Zeroizing::new([0_u8; 64]);
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_a_pepper_prints_only_its_name() {
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        assert_eq!(format!("{pepper:?}"), format!("Pepper({})", pepper.kid()));
        assert_eq!(pepper.kid().len(), 8);
        assert_eq!(Pepper::from_bytes(&[7; 31]).err(), Some(NotAPepper));
    }

    #[test]
    fn the_mac_is_rfc_4231_hmac_sha_256() {
        // RFC 4231 §4.3, key and data there.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let digest = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(digest[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn x03_f5_6_an_unknown_caller_is_always_asked_the_same_and_all_pairs_occur() {
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        let asked = |claimed: u32| pepper.made_up_positions(&claimed.to_string()).index();
        let redials: std::collections::HashSet<_> = (0..1000).map(|_| asked(8_888)).collect();
        assert_eq!(redials.len(), 1, "5.6: a thousand redials give one pair");
        let all: std::collections::HashSet<_> = (0..500).map(asked).collect();
        assert_eq!(all.len(), 21);
    }
}
