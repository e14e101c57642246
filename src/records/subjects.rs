//! Who an audit line is about, sealed under a key of that person: without the key nobody can read it,
//! and the chain, which covers what is kept, holds all the same.
//!
//! ```text
//! customer ─► subjects: subject (random), key      erase: the row goes, the lines stay
//! line:  at, actor, what, call, subject, sealed = XChaCha20-Poly1305(key; customer and body)
//!                                                 bound to number, at, actor, what, call, subject
//! ```
//! The key lies in the same store: it keeps nobody out who may read all of it. It is there to be destroyed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::AeadInOut;
use chacha20poly1305::KeyInit;
use chacha20poly1305::XChaCha20Poly1305;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use zeroize::Zeroizing;

use crate::model::ids::CustomerId;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::audit::Sealed;

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;

/// A person in the chain.
pub struct Person {
    subject: String,
    key: Zeroizing<[u8; KEY_LEN]>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// What is sealed.
#[derive(Deserialize, Serialize)]
struct Told {
    customer: CustomerId,
    body: Value,
}

impl Person {
    /// Somebody whom no line is about yet.
    pub(super) fn new() -> Self {
        let subject = format!("{:032x}", rand::random::<u128>());
        Self { subject, key: Zeroizing::new(rand::random()) }
    }

    /// As they are kept.
    pub fn stored(subject: String, key: Vec<u8>) -> Result<Self, RecordsError> {
        let key = Zeroizing::new(key);
        let corrupt = |_| RecordsError::Corrupt("key of a person's audit lines".into());
        Ok(Self { subject, key: Zeroizing::new(key.as_slice().try_into().map_err(corrupt)?) })
    }

    /// What stands for them in the chain.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Their key, to be stored and for nothing else.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..]
    }

    /// What is kept of a line about them.
    fn seal(&self, number: u64, entry: &AuditEntry) -> Result<Sealed, RecordsError> {
        let failed = |_| RecordsError::Unavailable("an audit line could not be sealed".into());
        let subject = self.subject.clone();
        let customer = entry.customer.clone().ok_or(RecordsError::NoSuch("customer"))?;
        let told = serde_json::to_vec(&Told { customer, body: entry.body.clone() });
        let mut told = Zeroizing::new(told.unwrap_or_default());
        let nonce: [u8; NONCE_LEN] = rand::random();
        let bound_to = audit::bound_to(number, entry, &subject);
        let cipher = XChaCha20Poly1305::new((&*self.key).into());
        cipher.encrypt_in_place(&nonce.into(), &bound_to, &mut *told).map_err(failed)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut told);
        Ok(Sealed { subject, sealed: STANDARD.encode(sealed) })
    }

    /// Reads a line about them. One that was tampered with is said to be unreadable.
    pub fn open(&self, line: &mut Chained) {
        match self.told(line) {
            Some(Told { customer, body }) => {
                (line.entry.customer, line.entry.body) = (Some(customer), body);
            }
            None => line.entry.body = json!({ "unreadable": true }),
        }
    }

    fn told(&self, line: &Chained) -> Option<Told> {
        let sealed = line.sealed.as_ref().filter(|sealed| sealed.subject == self.subject)?;
        let sealed = STANDARD.decode(&sealed.sealed).ok()?;
        let (nonce, told) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        let mut told = Zeroizing::new(told.to_vec());
        let bound_to = audit::bound_to(line.number, &line.entry, &self.subject);
        let cipher = XChaCha20Poly1305::new((&*self.key).into());
        cipher.decrypt_in_place(&nonce.into(), &bound_to, &mut *told).ok()?;
        serde_json::from_slice(&told).ok()
    }
}

/// Appends an entry to a chain that ends in `head`; one about somebody is sealed under their key.
pub(super) fn append(
    head: Head,
    entry: AuditEntry,
    person: Option<&Person>,
) -> Result<Chained, RecordsError> {
    let mut failed = None;
    let line = audit::chain(head, entry, |number, entry| {
        let sealed = person?.seal(number, entry);
        sealed.map_err(|error| failed = Some(error)).ok()
    });
    // Nothing is kept in the clear because it could not be sealed.
    failed.map_or(Ok(line), Err)
}

/// A line as it is kept, with the key of whom it is about, if that is still there.
pub fn read(
    number: u64,
    text: &str,
    hash: audit::AuditHash,
    key: Option<Vec<u8>>,
) -> Result<Chained, RecordsError> {
    let corrupt = || RecordsError::Corrupt(format!("audit line {number}"));
    let mut line = Chained::from_text(number, text, hash).ok_or_else(corrupt)?;
    if let Some((sealed, key)) = line.sealed.clone().zip(key) {
        Person::stored(sealed.subject, key)?.open(&mut line);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn entry() -> AuditEntry {
        AuditEntry {
            at: Timestamp(7),
            actor: "agent-1".into(),
            what: "answer_revealed".into(),
            call: Some("call-1".parse().expect("an id")),
            customer: Some("c-canary".parse().expect("an id")),
            body: json!({ "question": "postcode", "share": 0.5 }),
        }
    }

    #[test]
    fn audit_a_sealed_line_says_nothing_about_the_person_and_is_read_with_their_key() {
        let person = Person::new();
        let line = append(Head::default(), entry(), Some(&person)).expect("sealed");
        let kept = line.text();
        assert!(!kept.contains("canary") && !kept.contains("postcode"), "{kept}");
        assert!(kept.contains("call-1") && kept.contains("answer_revealed"), "{kept}");
        let key = Some(person.key().to_vec());
        assert_eq!(read(1, &kept, line.hash, key).expect("read"), line);
        let erased = read(1, &kept, line.hash, None).expect("read");
        assert_eq!((erased.entry.customer.as_ref(), &erased.entry.body), (None, &audit::erased()));
        for line in [line, erased] {
            assert!(audit::verify(Head::default(), [line]).is_ok(), "with the key and without");
        }
    }

    #[test]
    fn audit_a_sealed_part_does_not_open_in_another_line() {
        let person = Person::new();
        let line = append(Head::default(), entry(), Some(&person)).expect("sealed");
        let changes: [fn(&mut Chained); 4] = [
            |line| line.number = 2,
            |line| line.entry.actor = "agent-2".into(),
            |line| line.entry.call = None,
            |line| line.sealed.as_mut().expect("sealed").sealed.insert(0, 'A'),
        ];
        for change in changes {
            let mut line = line.clone();
            change(&mut line);
            person.open(&mut line);
            assert_eq!(line.entry.body, json!({ "unreadable": true }));
        }
    }

    #[test]
    fn audit_lines_from_before_are_read_as_they_are() {
        let line = audit::append(Head::default(), entry());
        let read = read(1, &line.text(), line.hash, None).expect("read");
        assert_eq!(read, line);
        assert!(line.text().starts_with("{\"at\":7,\"actor\":\"agent-1\""));
    }
}
