//! Passwords: normalised, peppered, kept as a PHC string.

use argon2::ARGON2ID_IDENT;
use argon2::PasswordHash;
use argon2::password_hash::phc::Output;
use argon2::password_hash::phc::ParamsString;
use argon2::password_hash::phc::Salt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::model::auth::Verdict;
use crate::model::digits::SecretText;
use crate::pin::PinError;
use crate::pin::kdf::Cost;
use crate::pin::kdf::Input;
use crate::pin::kdf::Kdf;
use crate::pin::kdf::SALT_LEN;
use crate::pin::pepper::Pepper;

const VERSION: u32 = 0x13;
const HASH_LEN: usize = 32;
/// Longer texts are cut, so that nobody can make us hash a book.
const CHARS_MAX: usize = 256;

/// Makes the verifier to store.
pub fn hash(
    kdf: &mut Kdf,
    pepper: &Pepper,
    cost: Cost,
    password: &SecretText,
) -> Result<String, PinError> {
    made(kdf, pepper, cost, &Said::password(pepper, &normalised(password.expose())))
}

/// Compares a password with a stored verifier, whose parameters are bounded before they are used.
pub fn verify(
    kdf: &mut Kdf,
    pepper: &Pepper,
    stored: &str,
    password: &SecretText,
) -> Result<Verdict, PinError> {
    compared(kdf, pepper, stored, &Said::password(pepper, &normalised(password.expose())))
}

/// What somebody said or typed, ready to be hashed: for which purpose, and for whom.
pub(super) struct Said<'a> {
    /// The argon2 secret of the purpose.
    pub(super) secret: &'a [u8; 32],
    /// The text, normalised as the purpose wants it.
    pub(super) text: &'a [u8],
    /// What else goes into the hash, at most 32 bytes.
    pub(super) bound_to: &'a [u8],
}

impl<'a> Said<'a> {
    fn password(pepper: &'a Pepper, text: &'a str) -> Self {
        Self { secret: &pepper.password_secret, text: text.as_bytes(), bound_to: &[] }
    }
}

/// A new verifier.
pub(super) fn made(
    kdf: &mut Kdf,
    pepper: &Pepper,
    cost: Cost,
    said: &Said<'_>,
) -> Result<String, PinError> {
    let salt: [u8; SALT_LEN] = rand::random();
    let hash = digest(kdf, cost, &salt, said)?;
    phc(pepper, cost, &salt, &hash).ok_or(PinError::Corrupt)
}

/// Compares with a stored verifier.
pub(super) fn compared(
    kdf: &mut Kdf,
    pepper: &Pepper,
    stored: &str,
    said: &Said<'_>,
) -> Result<Verdict, PinError> {
    let stored = Stored::parse(stored, pepper.kid()).ok_or(PinError::Corrupt)?;
    let hash = digest(kdf, stored.cost, &stored.salt, said)?;
    let equal = bool::from(stored.hash.ct_eq(&*hash));
    Ok(if equal { Verdict::Correct } else { Verdict::Wrong })
}

/// A verifier of nobody's password, for the same work where there is nothing to compare with.
pub fn dummy(pepper: &Pepper, cost: Cost) -> Result<String, PinError> {
    phc(pepper, cost, &rand::random(), &rand::random()).ok_or(PinError::Corrupt)
}

fn digest(
    kdf: &mut Kdf,
    cost: Cost,
    salt: &[u8; SALT_LEN],
    said: &Said<'_>,
) -> Result<Zeroizing<[u8; HASH_LEN]>, PinError> {
    let Said { secret, text, bound_to } = *said;
    let input = Input { secret, password: text, salt, bound_to };
    let mut hash = Zeroizing::new([0; HASH_LEN]);
    kdf.run(&input, cost, &mut *hash)?;
    Ok(hash)
}

/// A password is said aloud and typed by somebody else: case and spaces do not count.
fn normalised(text: &str) -> Zeroizing<String> {
    // Room for the worst case, so that growing leaves no copy behind.
    let mut plain = Zeroizing::new(String::with_capacity(CHARS_MAX * 16));
    let mut left = CHARS_MAX;
    for word in text.split_whitespace() {
        if !plain.is_empty() && left > 0 {
            plain.push(' ');
        }
        for letter in word.chars().take(left) {
            plain.extend(letter.to_lowercase());
            left -= 1;
        }
    }
    plain
}

fn phc(
    pepper: &Pepper,
    cost: Cost,
    salt: &[u8; SALT_LEN],
    hash: &[u8; HASH_LEN],
) -> Option<String> {
    let mut params = ParamsString::new();
    params.add_decimal("m", cost.memory_kib()).ok()?;
    params.add_decimal("t", cost.iterations()).ok()?;
    params.add_decimal("p", 1).ok()?;
    params.add_b64_bytes("keyid", pepper.kid().as_bytes()).ok()?;
    let phc = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(VERSION),
        params,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(hash).ok()?),
    };
    Some(phc.to_string())
}

struct Stored {
    cost: Cost,
    salt: [u8; SALT_LEN],
    hash: Zeroizing<[u8; HASH_LEN]>,
}

impl Stored {
    fn parse(text: &str, kid: &str) -> Option<Self> {
        let phc = PasswordHash::new(text).ok()?;
        let params = &phc.params;
        let cost = Cost::new(params.get_decimal("m")?, params.get_decimal("t")?)?;
        let mut buffer = [0; 8];
        let keyid = params.get("keyid")?.b64_decode(&mut buffer).ok()?;
        let ours = phc.algorithm == ARGON2ID_IDENT
            && phc.version == Some(VERSION)
            && params.get_decimal("p")? == 1
            && keyid == kid.as_bytes();
        let salt = (**phc.salt.as_ref()?).try_into().ok()?;
        let hash = phc.hash.as_ref()?.as_bytes().try_into().ok()?;
        ours.then_some(Self { cost, salt, hash: Zeroizing::new(hash) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::new(text.into())
    }

    #[test]
    fn c05_a_password_is_compared_as_it_is_said() {
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        let cost = Cost::new(8, 1).expect("within bounds");
        let mut kdf = Kdf::new(cost);
        let stored = hash(&mut kdf, &pepper, cost, &text("Blue  Horse ")).expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1,keyid="), "{stored}");
        assert!(!stored.to_lowercase().contains("horse"));
        for (said, verdict) in [
            ("Blue  Horse ", Verdict::Correct),
            ("blue horse", Verdict::Correct),
            ("BLUE\thorse", Verdict::Correct),
            ("bluehorse", Verdict::Wrong),
            ("", Verdict::Wrong),
        ] {
            assert_eq!(verify(&mut kdf, &pepper, &stored, &text(said)), Ok(verdict), "{said}");
        }
        assert_ne!(hash(&mut kdf, &pepper, cost, &text("Blue Horse")).expect("hashed"), stored);
    }

    #[test]
    fn stored_parameters_are_bounded_before_they_are_used() {
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        let cost = Cost::new(8, 1).expect("within bounds");
        let mut kdf = Kdf::new(cost);
        let stored = dummy(&pepper, cost).expect("made");
        assert_eq!(verify(&mut kdf, &pepper, &stored, &text("x")), Ok(Verdict::Wrong));
        let other = Pepper::from_bytes(&[8; 32]).expect("32 bytes");
        let foreign = dummy(&other, cost).expect("made");
        for harmed in [
            stored.replace("m=8", "m=4194304"),
            stored.replace("t=1", "t=99"),
            stored.replace("p=1", "p=4"),
            stored.replace("argon2id", "argon2i"),
            foreign,
            "blue horse".into(),
            String::new(),
        ] {
            assert_eq!(
                verify(&mut kdf, &pepper, &harmed, &text("x")),
                Err(PinError::Corrupt),
                "{harmed}"
            );
        }
    }

    #[test]
    fn a_very_long_password_is_cut() {
        assert_eq!(normalised(&"ß".repeat(5000)).chars().count(), CHARS_MAX);
        assert!(normalised(&"ab ".repeat(5000)).len() <= 2 * CHARS_MAX);
    }
}
