//! Web PINs: peppered and kept as a PHC string like passwords, and unlike them compared letter by
//! letter (P27, X17). Bound to their account: a verifier in another row verifies nothing.

use sha2::Digest;
use sha2::Sha256;

use crate::model::auth::Verdict;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::pin::PinError;
use crate::pin::kdf::Cost;
use crate::pin::kdf::Kdf;
use crate::pin::password;
use crate::pin::password::Said;
use crate::pin::pepper::Pepper;

/// Makes the verifier to store.
pub(super) fn hash(
    kdf: &mut Kdf,
    pepper: &Pepper,
    cost: Cost,
    account: &CustomerId,
    typed: &SecretText,
) -> Result<String, PinError> {
    password::made(kdf, pepper, cost, &said(pepper, &bound(account), typed))
}

/// Compares what was typed with a stored verifier.
pub(super) fn verify(
    kdf: &mut Kdf,
    pepper: &Pepper,
    stored: &str,
    account: &CustomerId,
    typed: &SecretText,
) -> Result<Verdict, PinError> {
    password::compared(kdf, pepper, stored, &said(pepper, &bound(account), typed))
}

fn said<'a>(pepper: &'a Pepper, bound_to: &'a [u8], typed: &'a SecretText) -> Said<'a> {
    Said { secret: &pepper.web_pin_secret, text: typed.expose().as_bytes(), bound_to }
}

fn bound(account: &CustomerId) -> [u8; 32] {
    Sha256::digest(account.as_str().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p27_x17_a_web_pin_is_compared_exactly_and_for_its_own_account() {
        let cost = Cost::new(8, 1).expect("a cost");
        let (mut kdf, pepper) = (Kdf::new(cost), Pepper::from_bytes(&[7; 32]).expect("a pepper"));
        let (ann, bob): (CustomerId, CustomerId) =
            ("ann".parse().expect("an id"), "bob".parse().expect("an id"));
        let typed = |text: &str| SecretText::new(text.into());
        let right = "Blue Kettle 9";
        let stored = hash(&mut kdf, &pepper, cost, &ann, &typed(right)).expect("a verifier");
        let mut judge = |who: &CustomerId, text: &str| {
            verify(&mut kdf, &pepper, &stored, who, &typed(text)).expect("a verdict")
        };
        assert_eq!(judge(&ann, right), Verdict::Correct);
        for wrong in ["blue kettle 9", "BLUE KETTLE 9", "Blue  Kettle 9", "Blue Kettle 9 ", ""] {
            assert_eq!(judge(&ann, wrong), Verdict::Wrong, "{wrong}");
        }
        assert_eq!(judge(&bob, right), Verdict::Wrong, "another row");
        let as_password = password::verify(&mut kdf, &pepper, &stored, &typed(right));
        assert_eq!(as_password, Ok(Verdict::Wrong), "another purpose");
    }
}
