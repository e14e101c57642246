//! The audit chain, pure: each line's hash covers the line before it.
//!
//! ```text
//! h(n) = SHA-256(0x00 ‖ h(n-1) ‖ canonical line)        h(0) = 32 zero bytes
//! ```
//!
//! A changed, deleted or reordered line breaks the chain at the first bad place. What the chain
//! alone cannot show is a cut tail, or a chain that was computed anew: signed checkpoints do, which
//! were kept elsewhere (see `checkpoint`).
//!
//! What says who a line is about is sealed (see `subjects`). The hash covers what is kept, so that the
//! chain can be verified without any key, also when a person was erased.

use std::fmt;
use std::fmt::Write;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AuditEntry;

/// The hash of a line and all before it. Prints as 64 hexadecimal characters.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuditHash(pub [u8; 32]);

/// One line of the chain as it is read.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Chained {
    /// From 1, without gaps.
    pub number: u64,
    /// What happened. Of an erased person: without customer, and with [`erased`] for a body.
    pub entry: AuditEntry,
    /// What is kept in the place of customer and body, where the line is about somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// The chain up to here.
    pub hash: AuditHash,
}

/// What is kept of a line in the place of the person and the details.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sealed {
    /// Stands for the person: random, says nothing by itself.
    pub subject: String,
    /// Nonce and ciphertext in base64.
    pub sealed: String,
}

/// One line as it lies in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Its number.
    pub number: u64,
    /// Its JSON.
    pub text: String,
    /// Its hash.
    pub hash: AuditHash,
}

/// The end of a chain, or of a part of it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// Number of the last line; 0 for an empty chain.
    pub number: u64,
    /// Its hash.
    pub hash: AuditHash,
}

/// Where a chain is broken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the audit chain is broken at line {number}: {why}")]
pub struct Broken {
    /// The first line that does not fit.
    pub number: u64,
    /// In what way.
    pub why: &'static str,
}

/// Appends an entry to a chain that ends in `head`, as it is.
#[must_use]
pub fn append(head: Head, entry: AuditEntry) -> Chained {
    chain(head, entry, |_, _| None)
}

/// Appends an entry; `seal` says what is kept of it for this number.
pub(super) fn chain(
    head: Head,
    mut entry: AuditEntry,
    seal: impl FnOnce(u64, &AuditEntry) -> Option<Sealed>,
) -> Chained {
    spell_fractions(&mut entry.body);
    let number = head.number.saturating_add(1);
    let sealed = seal(number, &entry);
    let hash = hash(head.hash, &line(number, &entry, sealed.as_ref()));
    Chained { number, entry, sealed, hash }
}

/// Checks lines that follow `from` ([`Head::default`] for the whole chain) and says where they end.
pub fn verify(from: Head, lines: impl IntoIterator<Item = Chained>) -> Result<Head, Broken> {
    lines.into_iter().try_fold(from, |head, chained| {
        let number = head.number.saturating_add(1);
        if chained.number != number {
            return Err(Broken { number, why: "it is missing or out of order" });
        }
        if !follows(head.hash, number, &chained) {
            return Err(Broken { number, why: "it is not what was written" });
        }
        Ok(Head { number, hash: chained.hash })
    })
}

/// Whether the hash of a line is that of its contents under this number, after this hash.
pub(super) fn follows(before: AuditHash, number: u64, line: &Chained) -> bool {
    line.hash == hash_of(before, number, line)
}

/// The hash of these contents under this number, after this hash.
pub(super) fn hash_of(before: AuditHash, number: u64, line: &Chained) -> AuditHash {
    hash(before, &self::line(number, &line.entry, line.sealed.as_ref()))
}

/// The body of a line that nobody can read any more.
#[must_use]
pub fn erased() -> Value {
    json!({ "erased": true })
}

impl Stored {
    /// Reads a line without any key. `None` where it is not, byte by byte, what is written for its
    /// contents.
    #[must_use]
    pub fn read(self) -> Option<Chained> {
        let Self { number, text, hash } = self;
        let line = Chained::from_text(number, &text, hash)?;
        (line.text() == text).then_some(line)
    }
}

impl Chained {
    /// Reads what is kept, without any key.
    pub(super) fn from_text(number: u64, text: &str, hash: AuditHash) -> Option<Self> {
        if let Ok(kept) = serde_json::from_str::<SealedEntry>(text) {
            let SealedEntry { at, actor, what, call, subject, sealed } = kept;
            let entry = AuditEntry { at, actor, what, call, customer: None, body: erased() };
            return Some(Self { number, entry, sealed: Some(Sealed { subject, sealed }), hash });
        }
        let entry = serde_json::from_str(text).ok()?;
        Some(Self { number, entry, sealed: None, hash })
    }

    /// What is kept of the line, beside number and hash.
    pub(super) fn text(&self) -> String {
        let Some(Sealed { subject, sealed }) = &self.sealed else {
            return serde_json::to_string(&self.entry).unwrap_or_default();
        };
        let AuditEntry { at, actor, what, call, .. } = self.entry.clone();
        let (subject, sealed) = (subject.clone(), sealed.clone());
        let kept = SealedEntry { at, actor, what, call, subject, sealed };
        serde_json::to_string(&kept).unwrap_or_default()
    }
}

/// A line about somebody, as it is kept.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SealedEntry {
    at: Timestamp,
    actor: String,
    what: String,
    call: Option<CallId>,
    subject: String,
    sealed: String,
}

/// The one way to write a line for its hash: fixed order of fields, keys of the body sorted by
/// `serde_json`. What is sealed stands in the place of customer and body.
fn line(number: u64, entry: &AuditEntry, sealed: Option<&Sealed>) -> Vec<u8> {
    #[derive(Serialize)]
    struct SealedLine<'a> {
        number: u64,
        at: Timestamp,
        actor: &'a str,
        what: &'a str,
        call: Option<&'a CallId>,
        subject: &'a str,
        sealed: &'a str,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        number: u64,
        at: Timestamp,
        actor: &'a str,
        what: &'a str,
        call: Option<&'a CallId>,
        customer: Option<&'a CustomerId>,
        body: &'a Value,
    }
    let AuditEntry { at, actor, what, call, customer, body } = entry;
    let (at, call, customer) = (*at, call.as_ref(), customer.as_ref());
    // Strings, integers and values of JSON can always be written.
    match sealed {
        None => serde_json::to_vec(&Line { number, at, actor, what, call, customer, body }),
        Some(Sealed { subject, sealed }) => {
            serde_json::to_vec(&SealedLine { number, at, actor, what, call, subject, sealed })
        }
    }
    .unwrap_or_default()
}

/// What the sealed part of a line is bound to: everything that is in the clear.
pub(super) fn bound_to(number: u64, entry: &AuditEntry, subject: &str) -> Vec<u8> {
    line(number, entry, Some(&Sealed { subject: subject.to_owned(), sealed: String::new() }))
}

fn hash(before: AuditHash, line: &[u8]) -> AuditHash {
    let hash = Sha256::new().chain_update([0]).chain_update(before.0).chain_update(line);
    AuditHash(hash.finalize().into())
}

/// Turns fractions into text: reading one back may change its last bit, which would look like fraud.
fn spell_fractions(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(spell_fractions),
        Value::Object(fields) => fields.values_mut().for_each(spell_fractions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditHash({self})")
    }
}

impl From<AuditHash> for String {
    fn from(hash: AuditHash) -> Self {
        let mut text = Self::with_capacity(64);
        // Writing to a String cannot fail.
        let _ = write!(text, "{hash}");
        text
    }
}

impl TryFrom<String> for AuditHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "a hash has 64 hexadecimal characters";
        if text.len() != 64 || !text.is_ascii() {
            return Err(WRONG);
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            let digits = text.get(place * 2..place * 2 + 2).ok_or(WRONG)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(n: u64) -> AuditEntry {
        AuditEntry {
            at: Timestamp(n * 1000),
            actor: "system".into(),
            what: "attempt_settled".into(),
            call: None,
            customer: Some("c-1".parse().expect("an id")),
            body: json!({ "n": n, "share": 0.1 }),
        }
    }

    fn chain(len: u64) -> Vec<Chained> {
        let mut lines: Vec<Chained> = vec![];
        for n in 1..=len {
            let head = lines
                .last()
                .map_or_else(Head::default, |last| Head { number: last.number, hash: last.hash });
            lines.push(append(head, entry(n)));
        }
        lines
    }

    fn broken_at(lines: Vec<Chained>) -> Option<u64> {
        verify(Head::default(), lines).err().map(|broken| broken.number)
    }

    #[test]
    fn p16_an_honest_chain_holds_whole_and_in_parts_and_after_a_round_trip() {
        let lines = chain(20);
        let head = verify(Head::default(), lines.clone()).expect("holds");
        assert_eq!(head.number, 20);
        let half = verify(Head::default(), lines[..7].to_vec()).expect("holds");
        assert_eq!(verify(half, lines[7..].to_vec()), Ok(head));
        let text = serde_json::to_string(&lines).expect("JSON");
        let read: Vec<Chained> = serde_json::from_str(&text).expect("lines");
        assert_eq!(verify(Head::default(), read), Ok(head));
    }

    #[test]
    fn p16_a_changed_line_is_found_whatever_was_changed() {
        let changes: [fn(&mut Chained); 6] = [
            |line| line.entry.at = Timestamp(7),
            |line| line.entry.actor = "agent-1".into(),
            |line| line.entry.what = "attempt_reserved".into(),
            |line| line.entry.customer = None,
            |line| line.entry.body = json!({}),
            |line| line.hash.0[31] ^= 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut lines = chain(10);
            change(&mut lines[4]);
            assert_eq!(broken_at(lines), Some(5), "change {number}");
        }
    }

    #[test]
    fn p16_deleted_and_reordered_lines_are_found_even_when_renumbered() {
        let renumbered = |mut lines: Vec<Chained>| {
            (1..).zip(&mut lines).for_each(|(number, line)| line.number = number);
            lines
        };
        let (mut deleted, mut swapped) = (chain(10), chain(10));
        deleted.remove(4);
        swapped.swap(4, 5);
        for lines in [deleted, swapped] {
            assert_eq!(broken_at(lines.clone()), Some(5));
            assert_eq!(broken_at(renumbered(lines)), Some(5));
        }
    }

    #[test]
    fn a_cut_tail_shows_only_against_a_head_kept_elsewhere() {
        let lines = chain(10);
        let kept = verify(Head::default(), lines.clone()).expect("holds");
        let cut = verify(Head::default(), lines[..9].to_vec()).expect("holds by itself");
        assert_ne!(cut, kept);
    }

    proptest! {
        #[test]
        fn fractions_do_not_break_the_chain(number in any::<f64>()) {
            let mut fraction = entry(1);
            fraction.body = json!({ "deep": [number] });
            let line = append(Head::default(), fraction);
            let read = serde_json::from_str(&serde_json::to_string(&line).expect("JSON")).expect("a line");
            prop_assert!(verify(Head::default(), [read]).is_ok());
        }
    }
}
