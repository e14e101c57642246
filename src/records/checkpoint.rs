//! Signed checkpoints: where the audit chain stood, in the form of C2SP tlog-checkpoint, one after the
//! other in a file that lies elsewhere. With them a cut tail and a chain that was computed anew show.
//!
//! ```text
//! countersign/9f86d081884c7d65            whose key
//! 1234                                    lines of the chain
//! jGl25bVBBBW96Qi9Te4V37Fnqchz/Eu4qB9vKrRIqRg=   hash of the last (of the chain, not a Merkle root)
//! at 2026-11-22T09:00:00.000Z
//!
//! — countersign/9f86d081884c7d65 <key id and Ed25519 signature>
//! ```

use std::fmt::Write;
use std::io;
use std::io::BufRead;
use std::io::Read;

use aws_lc_rs::signature::ED25519;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::model::time::Timestamp;
use crate::records::audit::AuditHash;
use crate::records::audit::Head;

const SEED_LEN: usize = 32;
const PUBLIC_LEN: usize = 32;
const ID_LEN: usize = 4;
/// Says in a C2SP key that it is Ed25519.
const ED25519_KIND: u8 = 1;
const PRODUCT: &str = "countersign/";
/// A line of a checkpoint has not half of it.
const LINE_MAX: u64 = 1024;
/// Nor has a checkpoint half as many lines.
const LINES_MAX: usize = 16;

/// A key does not do.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Not a seed.
    #[error("the key of audit checkpoints has exactly 32 bytes")]
    Seed,
    /// Not a public key of ours.
    #[error(
        "not the public key of audit checkpoints: one line, NAME+ID+KEY, as in the .pub file beside the key"
    )]
    Public,
}

/// Where the chain stood.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Checkpoint {
    /// Whose key says so.
    pub by: String,
    /// The end of the chain.
    pub head: Head,
    /// When.
    pub at: Timestamp,
}

/// Signs checkpoints.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// Verifies checkpoints of one signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    name: String,
    id: [u8; ID_LEN],
    key: [u8; PUBLIC_LEN],
}

impl Signer {
    /// From the 32 secret bytes.
    pub fn new(seed: &[u8]) -> Result<Self, KeyError> {
        if seed.len() != SEED_LEN {
            return Err(KeyError::Seed);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Seed)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Seed)?;
        Ok(Self { pair, public: PublicKey::new(key) })
    }

    /// What others verify with.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// One checkpoint, with the empty line that ends it.
    #[must_use]
    pub fn sign(&self, head: Head, at: Timestamp) -> String {
        let PublicKey { name, id, .. } = &self.public;
        let hash = STANDARD.encode(head.hash.0);
        let text = format!("{name}\n{}\n{hash}\nat {}\n", head.number, at.rfc3339());
        let mut signature = id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n— {name} {}\n\n", STANDARD.encode(signature))
    }
}

impl PublicKey {
    fn new(key: [u8; PUBLIC_LEN]) -> Self {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let mut name = PRODUCT.to_owned();
        for byte in digest.iter().take(8) {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        let id = Sha256::new().chain_update(&name).chain_update([b'\n', ED25519_KIND]);
        let digest: [u8; 32] = id.chain_update(key).finalize().into();
        let mut id = [0; ID_LEN];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { name, id, key }
    }

    /// Its name: stands in every checkpoint, and in the names of files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part of the name that is its own.
    #[must_use]
    pub fn short(&self) -> &str {
        self.name.strip_prefix(PRODUCT).unwrap_or(&self.name)
    }

    /// As C2SP writes it: `NAME+ID+KEY`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut kinded = vec![ED25519_KIND];
        kinded.extend_from_slice(&self.key);
        let id = u32::from_be_bytes(self.id);
        format!("{}+{id:08x}+{}", self.name, STANDARD.encode(kinded))
    }

    /// Reads it back.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        // The key itself may hold a `+`; name and id do not.
        let kinded = text.trim().splitn(3, '+').nth(2).ok_or(KeyError::Public)?;
        let kinded = STANDARD.decode(kinded).map_err(|_| KeyError::Public)?;
        let key = kinded.strip_prefix(&[ED25519_KIND]).ok_or(KeyError::Public)?;
        let read = Self::new(key.try_into().map_err(|_| KeyError::Public)?);
        if read.text() == text.trim() { Ok(read) } else { Err(KeyError::Public) }
    }

    fn signed(&self, text: &str, signature: &str) -> bool {
        let signature = signature.strip_prefix("— ").and_then(|rest| rest.split_once(' '));
        let signature = signature.filter(|(name, _)| *name == self.name);
        let signature = signature.and_then(|(_, signature)| STANDARD.decode(signature).ok());
        let signature = signature.unwrap_or_default();
        let Some(signature) = signature.strip_prefix(&self.id[..]) else { return false };
        UnparsedPublicKey::new(&ED25519, self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

/// Why a part of a file is no checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// Its signature is not that of a key we know.
    #[error("it was altered, or signed with another key")]
    NotSigned,
    /// It ends in the middle, as after a loss of power.
    #[error("it is cut short")]
    CutShort,
    /// The file cannot be read on.
    #[error("it cannot be read ({0})")]
    Io(String),
}

/// One checkpoint of a file, or why it is none, with the line it begins at.
pub type Found = (usize, Result<Checkpoint, Unread>);

/// Reads the checkpoints of a file one after the other.
pub struct Notes<R> {
    from: R,
    keys: Vec<PublicKey>,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Notes<R> {
    /// Those that one of these keys has signed are good.
    pub fn new(from: R, keys: Vec<PublicKey>) -> Self {
        Self { from, keys, line: 0, ended: false }
    }

    /// The next line without its end; nothing where the file ends.
    fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = vec![];
        let read = self.from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.line += 1;
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.strip_suffix('\n').unwrap_or(&line).to_owned()))
    }

    /// Lines up to an empty one.
    fn block(&mut self) -> io::Result<Vec<String>> {
        let mut block = vec![];
        while let Some(line) = self.next_line()? {
            if line.is_empty() && !block.is_empty() {
                break;
            }
            // What is too long is no checkpoint; its beginning says that already.
            if !line.is_empty() && block.len() < LINES_MAX {
                block.push(line);
            }
        }
        Ok(block)
    }

    fn note(&mut self) -> io::Result<Option<Found>> {
        let text = self.block()?;
        let place = self.line.saturating_sub(text.len());
        if text.is_empty() {
            return Ok(None);
        }
        let signatures = if self.ended { vec![] } else { self.block()? };
        let text = text.join("\n") + "\n";
        if signatures.is_empty() {
            return Ok(Some((place, Err(Unread::CutShort))));
        }
        let signed = |key: &&PublicKey| signatures.iter().any(|by| key.signed(&text, by));
        let by = self.keys.iter().find(signed);
        let checkpoint = by.and_then(|key| read(&text, key)).ok_or(Unread::NotSigned);
        Ok(Some((place, checkpoint)))
    }
}

impl<R: BufRead> Iterator for Notes<R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if self.ended {
            return None;
        }
        self.note().unwrap_or_else(|error| {
            self.ended = true;
            Some((self.line, Err(Unread::Io(error.to_string()))))
        })
    }
}

fn read(text: &str, key: &PublicKey) -> Option<Checkpoint> {
    let mut lines = text.lines();
    let by = lines.next().filter(|name| *name == key.name)?.to_owned();
    let number = lines.next()?.parse().ok()?;
    let hash = STANDARD.decode(lines.next()?).ok()?;
    let at = Timestamp::from_rfc3339(lines.next()?.strip_prefix("at ")?)?;
    Some(Checkpoint { by, head: Head { number, hash: AuditHash(hash.try_into().ok()?) }, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_338_000_000);

    fn signer(seed: u8) -> Signer {
        Signer::new(&[seed; 32]).expect("a key")
    }

    fn head(number: u64) -> Head {
        Head { number, hash: AuditHash([number.to_le_bytes()[0]; 32]) }
    }

    fn found(text: &str, key: &PublicKey) -> Vec<Found> {
        Notes::new(text.as_bytes(), vec![key.clone()]).collect()
    }

    #[test]
    fn p16_a_checkpoint_is_read_back_by_whoever_has_the_public_key() {
        let signer = signer(7);
        let text = signer.sign(head(3), AT) + &signer.sign(head(9), AT);
        let heads: Vec<_> = found(&text, signer.public())
            .into_iter()
            .map(|(line, note)| (line, note.map(|note| (note.head, note.at))))
            .collect();
        assert_eq!(heads, [(1, Ok((head(3), AT))), (8, Ok((head(9), AT)))], "{text}");
        let public = PublicKey::from_text(&signer.public().text()).expect("a key");
        assert_eq!(&public, signer.public());
        assert_eq!(PublicKey::from_text("countersign/x+00000000+AAAA"), Err(KeyError::Public));
    }

    #[test]
    fn p16_every_changed_byte_of_a_checkpoint_and_a_wrong_key_are_found() {
        let signed = signer(7).sign(head(1234), AT);
        let key = signer(7).public().clone();
        let end = signed.trim_end().len();
        for place in 0..end {
            let mut bytes = signed.clone().into_bytes();
            bytes[place] ^= 1;
            let found: Vec<_> = Notes::new(&bytes[..], vec![key.clone()]).collect();
            assert!(found.iter().all(|(_, note)| note.is_err()), "byte {place}: {found:?}");
        }
        let other = found(&signed, signer(8).public());
        assert_eq!(other, [(1, Err(Unread::NotSigned))]);
    }

    #[test]
    fn p16_what_a_loss_of_power_cut_is_told_from_what_was_altered() {
        let (first, second) = (signer(7).sign(head(1), AT), signer(7).sign(head(2), AT));
        let cut = &first[..first.find("— ").expect("signed")];
        let torn = format!("{second}{cut}");
        let found = found(&torn, signer(7).public());
        assert!(found[0].1.is_ok());
        assert_eq!(found[1].1, Err(Unread::CutShort));
    }
}
