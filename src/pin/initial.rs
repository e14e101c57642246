//! Initial PINs: drawn, sealed for one print run, and verified once at registration (P03–P06, X20).
//!
//! ```text
//! pepper ─HMAC─┬─ run key ──wraps──► key of a print run ──seals──► envelope ──► letter
//!              │                     destroyed after printing: no envelope opens any more
//!              └─ initial key ──HMAC(account, version, PIN)──► verifier ──► registration
//! ```
//!
//! The verifier is a MAC and not an argon2id tag. Argon2id for a million accounts is 4.5 core-hours of
//! work (facts/caller-auth §3.6: 96 with pair tags) for a secret that is good for registration only, for
//! at most 14 days, five tries and one use, and that no call ever accepts. Without the pepper a stolen
//! store gives nothing; with store and pepper ten million MACs find a PIN in seconds: so it is with an
//! envelope before its printing, and what is found is worth nothing once the customer has registered.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::AeadInOut;
use chacha20poly1305::KeyInit;
use chacha20poly1305::Tag;
use chacha20poly1305::XChaCha20Poly1305;
use subtle::Choice;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::model::auth::Verdict;
use crate::model::digits::VoicePin;
use crate::model::ids::CustomerId;
use crate::pin::PinError;
use crate::pin::pepper::Pepper;
use crate::pin::pepper::hmac;
use crate::pin::weak::is_weak;

const RUN_LABEL: &[u8] = b"countersign/print-run-key/v1";
const ENVELOPE_LABEL: &[u8] = b"countersign/initial-envelope/v1";
const NONCE_LEN: usize = 24;
const SEAL_LEN: usize = 16;
const KEY_LEN: usize = 32;
/// Eight in a hundred draws are weak: so many in a row never come, unless the dice are broken.
const DRAWS_MAX: usize = 100;

/// Bytes of the key of a print run as it is kept: nonce, key, seal.
pub const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + SEAL_LEN;
/// Bytes of an envelope: nonce, digits, seal.
pub const ENVELOPE_LEN: usize = NONCE_LEN + VoicePin::LEN + SEAL_LEN;
/// Bytes of a verifier.
pub const VERIFIER_LEN: usize = 32;

/// Everything about initial PINs that needs the pepper.
#[derive(Clone)]
pub struct Initials {
    pepper: Arc<Pepper>,
}

/// An initial PIN as it is kept.
#[derive(Debug)]
pub struct Drawn {
    /// [`ENVELOPE_LEN`] bytes that the print run opens.
    pub envelope: Vec<u8>,
    /// [`VERIFIER_LEN`] bytes that registration compares.
    pub verifier: Vec<u8>,
}

impl Initials {
    /// What works under this pepper.
    #[must_use]
    pub const fn new(pepper: Arc<Pepper>) -> Self {
        Self { pepper }
    }

    /// The key of a new print run, as it is kept.
    pub fn wrap_new_key(&self) -> Result<Vec<u8>, PinError> {
        let mut key = Zeroizing::new(rand::random::<[u8; KEY_LEN]>());
        seal(&self.pepper.run_key, &self.run_label(), &mut *key)
    }

    /// The print run with this key. Refused where the key was damaged or made under another pepper.
    pub fn unwrap_key(&self, wrapped: &[u8]) -> Result<PrintRun, PinError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        open(&self.pepper.run_key, &self.run_label(), wrapped, &mut *key)?;
        Ok(PrintRun { key, initials: self.clone() })
    }

    /// Judges the initial PIN that somebody shows to register. `None` for accounts that are unknown or
    /// have none that is good does the same work and is always wrong (5.1). Takes microseconds: whoever
    /// asks counts the try first.
    pub fn verify(
        &self,
        account: &CustomerId,
        kept: Option<(u32, &[u8])>,
        shown: &VoicePin,
    ) -> Verdict {
        let known = Choice::from(u8::from(kept.is_some()));
        let (version, verifier) = kept.unwrap_or((0, &[0; VERIFIER_LEN]));
        let right = verifier.ct_eq(&*self.verifier(account, version, shown));
        if bool::from(right & known) { Verdict::Correct } else { Verdict::Wrong }
    }

    fn verifier(
        &self,
        account: &CustomerId,
        version: u32,
        pin: &VoicePin,
    ) -> Zeroizing<[u8; VERIFIER_LEN]> {
        // Names hold no control characters, so the zero byte ends the name.
        let parts = [account.as_str().as_bytes(), &[0], &version.to_be_bytes(), &*pin.expose_all()];
        Zeroizing::new(hmac(&self.pepper.initial_key, &parts))
    }

    fn run_label(&self) -> Vec<u8> {
        [RUN_LABEL, self.pepper.kid().as_bytes()].concat()
    }
}

/// A print run whose key is still there: it seals and opens initial PINs.
pub struct PrintRun {
    key: Zeroizing<[u8; KEY_LEN]>,
    initials: Initials,
}

impl PrintRun {
    /// Draws an initial PIN for this version of this account, evenly among those that are not weak.
    /// Nobody sees it, and it is not kept.
    pub fn draw(&self, account: &CustomerId, version: u32) -> Result<Drawn, PinError> {
        let pin = draw_pin()?;
        let verifier = self.initials.verifier(account, version, &pin).to_vec();
        let mut digits = pin.expose_all();
        let envelope = seal(&self.key, &owner(account, version), &mut *digits)?;
        Ok(Drawn { envelope, verifier })
    }

    /// Opens the envelope of this version of this account, for its letter.
    pub fn open(
        &self,
        account: &CustomerId,
        version: u32,
        envelope: &[u8],
    ) -> Result<VoicePin, PinError> {
        let mut digits = Zeroizing::new([0; VoicePin::LEN]);
        open(&self.key, &owner(account, version), envelope, &mut *digits)?;
        let text = str::from_utf8(&*digits).map_err(|_| PinError::Corrupt)?;
        VoicePin::parse(text).map_err(|_| PinError::Corrupt)
    }
}

fn draw_pin() -> Result<VoicePin, PinError> {
    let drawn = (0..DRAWS_MAX).find_map(|_| {
        let number = Zeroizing::new(rand::random_range(0..10_000_000_u32));
        VoicePin::from_number(*number).ok().filter(|pin| !is_weak(pin))
    });
    drawn.ok_or(PinError::Corrupt)
}

/// What an envelope is bound to, so that rows moved between accounts or versions do not open.
fn owner(account: &CustomerId, version: u32) -> Vec<u8> {
    let mut owner = Vec::with_capacity(ENVELOPE_LABEL.len() + account.as_str().len() + 6);
    owner.extend_from_slice(ENVELOPE_LABEL);
    owner.push(0);
    owner.extend_from_slice(account.as_str().as_bytes());
    owner.push(0);
    owner.extend_from_slice(&version.to_be_bytes());
    owner
}

/// Nonce, ciphertext and seal. The buffer holds no plaintext any more.
fn seal(key: &[u8; KEY_LEN], bound_to: &[u8], buffer: &mut [u8]) -> Result<Vec<u8>, PinError> {
    let nonce: [u8; NONCE_LEN] = rand::random();
    let cipher = XChaCha20Poly1305::new(key.into());
    let seal = cipher.encrypt_inout_detached(&nonce.into(), bound_to, (&mut *buffer).into());
    let seal = seal.map_err(|_| PinError::Corrupt)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + buffer.len() + SEAL_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(buffer);
    sealed.extend_from_slice(&seal);
    Ok(sealed)
}

/// The plaintext of what [`seal`] made, into a buffer of its size.
fn open(
    key: &[u8; KEY_LEN],
    bound_to: &[u8],
    sealed: &[u8],
    into: &mut [u8],
) -> Result<(), PinError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(PinError::Corrupt)?;
    let (hidden, seal) = rest.split_last_chunk::<SEAL_LEN>().ok_or(PinError::Corrupt)?;
    if hidden.len() != into.len() {
        return Err(PinError::Corrupt);
    }
    into.copy_from_slice(hidden);
    let cipher = XChaCha20Poly1305::new(key.into());
    let opened =
        cipher.decrypt_inout_detached(&(*nonce).into(), bound_to, into.into(), &Tag::from(*seal));
    opened.map_err(|_| PinError::Corrupt)
}

impl fmt::Debug for Initials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Initials({})", self.pepper.kid())
    }
}

impl fmt::Debug for PrintRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrintRun(**)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initials(seed: u8) -> Initials {
        Initials::new(Arc::new(Pepper::from_bytes(&[seed; 32]).expect("32 bytes")))
    }

    fn run(initials: &Initials) -> PrintRun {
        initials.unwrap_key(&initials.wrap_new_key().expect("wrapped")).expect("opens")
    }

    fn id(text: &str) -> CustomerId {
        text.parse().expect("an id")
    }

    #[test]
    fn x20_what_the_letter_says_is_what_registration_takes_and_nothing_else() {
        let initials = initials(7);
        let run = run(&initials);
        let drawn = run.draw(&id("c-1"), 3).expect("drawn");
        let pin = run.open(&id("c-1"), 3, &drawn.envelope).expect("opens");
        let kept = |version| Some((version, drawn.verifier.as_slice()));
        assert_eq!(initials.verify(&id("c-1"), kept(3), &pin), Verdict::Correct);
        assert_eq!(initials.verify(&id("c-1"), kept(2), &pin), Verdict::Wrong, "another version");
        assert_eq!(initials.verify(&id("c-2"), kept(3), &pin), Verdict::Wrong, "another account");
        assert_eq!(initials.verify(&id("c-1"), None, &pin), Verdict::Wrong, "nobody");
        let cut = Some((3, &drawn.verifier[..31]));
        assert_eq!(initials.verify(&id("c-1"), cut, &pin), Verdict::Wrong, "cut");
        let others = (0..1_000).filter_map(|number| VoicePin::from_number(number * 9_973).ok());
        for other in others.filter(|other| *other.expose_all() != *pin.expose_all()) {
            assert_eq!(initials.verify(&id("c-1"), kept(3), &other), Verdict::Wrong);
        }
    }

    #[test]
    fn p01_an_envelope_opens_for_its_own_run_account_and_version_only() {
        let initials = initials(7);
        let (run, another) = (run(&initials), run(&initials));
        let drawn = run.draw(&id("c-1"), 1).expect("drawn");
        assert!(run.open(&id("c-1"), 1, &drawn.envelope).is_ok());
        assert!(run.open(&id("c-2"), 1, &drawn.envelope).is_err());
        assert!(run.open(&id("c-1"), 2, &drawn.envelope).is_err());
        assert!(another.open(&id("c-1"), 1, &drawn.envelope).is_err());
        for at in 0..drawn.envelope.len() {
            let mut damaged = drawn.envelope.clone();
            damaged[at] ^= 1;
            assert_eq!(run.open(&id("c-1"), 1, &damaged).err(), Some(PinError::Corrupt), "{at}");
        }
        for length in 0..drawn.envelope.len() {
            assert!(run.open(&id("c-1"), 1, &drawn.envelope[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn the_key_of_a_print_run_opens_under_its_own_pepper_only() {
        let wrapped = initials(7).wrap_new_key().expect("wrapped");
        assert_eq!(wrapped.len(), WRAPPED_LEN);
        assert!(initials(7).unwrap_key(&wrapped).is_ok());
        assert_eq!(initials(8).unwrap_key(&wrapped).err(), Some(PinError::Corrupt));
        assert_eq!(initials(7).unwrap_key(&wrapped[1..]).err(), Some(PinError::Corrupt));
        assert_eq!(initials(7).unwrap_key(&[]).err(), Some(PinError::Corrupt));
    }

    #[test]
    fn p05_initial_pins_are_even_over_all_digits_and_never_weak() {
        const DRAWS: u32 = 40_000;
        let mut counts = [[0_u32; 10]; VoicePin::LEN];
        for _ in 0..DRAWS {
            let pin = draw_pin().expect("drawn");
            assert!(!is_weak(&pin));
            assert_ne!(&*pin.expose_all(), b"1234567");
            for (place, digit) in counts.iter_mut().zip(*pin.expose_all()) {
                place[usize::from(digit - b'0')] += 1;
            }
        }
        // Chi-square with nine degrees of freedom: more than 38 comes once in 60,000 places.
        let expected = f64::from(DRAWS) / 10.0;
        for place in counts {
            let chi: f64 =
                place.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
            assert!(chi < 38.0, "{chi} {place:?}");
        }
    }

    #[test]
    fn p08_what_is_kept_for_an_account_is_small() {
        let drawn = run(&initials(7)).draw(&id("c-1"), 1).expect("drawn");
        assert_eq!((drawn.envelope.len(), drawn.verifier.len()), (ENVELOPE_LEN, VERIFIER_LEN));
        assert!(drawn.envelope.len() + drawn.verifier.len() < 100, "P08: at most 1 KiB an account");
    }

    #[test]
    fn p13_nothing_about_initial_pins_prints_one() {
        let initials = initials(7);
        let run = run(&initials);
        assert_eq!(format!("{run:?}"), "PrintRun(**)");
        assert!(format!("{initials:?}").starts_with("Initials("));
        let drawn = run.draw(&id("c-1"), 1).expect("drawn");
        let pin = run.open(&id("c-1"), 1, &drawn.envelope).expect("opens");
        let (shown, pin) = (format!("{pin:?} {drawn:?}"), *pin.expose_all());
        assert!(!shown.contains(str::from_utf8(&pin).expect("digits")), "{shown}");
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a figure of the run")]
    fn initial_pins_are_drawn_fast_enough_for_a_million_accounts() {
        let run = run(&initials(7));
        let started = tokio::time::Instant::now();
        let drawn = (0..20_000).map(|n| run.draw(&id(&format!("c-{n}")), 1));
        assert!(drawn.into_iter().all(|drawn| drawn.is_ok()));
        println!("figure: {:.0} initial PINs a second", 20_000.0 / started.elapsed().as_secs_f64());
    }
}
