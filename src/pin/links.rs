//! Tokens of mailed links: the link's id and a MAC under the pepper, bound to what the link is for
//! (P25). Neither the database nor the outbox holds one, so whoever reads those can follow no link.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::model::link_purpose::LinkPurpose;
use crate::pin::pepper::Pepper;

/// Characters of a link's id.
const ID_LEN: usize = 26;
/// Bytes of the MAC that stand in a token: 160 bits.
const MAC_LEN: usize = 20;
/// No letter that is taken for another one when a link is copied by hand.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Makes and reads the tokens of mailed links.
#[derive(Clone)]
pub struct Links(Arc<Pepper>);

impl Links {
    /// Characters of a token.
    pub const TOKEN_LEN: usize = ID_LEN + MAC_LEN * 8 / 5;

    /// Those of this pepper.
    #[must_use]
    pub fn new(pepper: Arc<Pepper>) -> Self {
        Self(pepper)
    }

    /// The token of a link. The same for the same link, so a mail that goes out twice says the same.
    #[must_use]
    pub fn token(&self, id: &str, purpose: LinkPurpose) -> String {
        format!("{id}{}", self.seal(id, purpose))
    }

    /// The id in a token of ours for this purpose; nothing for any other text. Whether the link still
    /// works is for the records to say.
    #[must_use]
    pub fn read(&self, token: &str, purpose: LinkPurpose) -> Option<String> {
        let well_formed = token.len() == Self::TOKEN_LEN && token.is_ascii();
        let (id, seal) = well_formed.then(|| token.split_at_checked(ID_LEN)).flatten()?;
        let wanted = self.seal(id, purpose);
        bool::from(wanted.as_bytes().ct_eq(seal.as_bytes())).then(|| id.to_owned())
    }

    fn seal(&self, id: &str, purpose: LinkPurpose) -> String {
        let mac = self.0.link_mac(purpose.word(), id);
        let groups = mac.get(..MAC_LEN).unwrap_or_default().chunks(5);
        let letters = groups.flat_map(|five| {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            (0..8).rev().map(move |place| (bits >> (place * 5) & 31) as usize)
        });
        letters.filter_map(|letter| ALPHABET.get(letter)).map(|byte| char::from(*byte)).collect()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [LinkPurpose; 2] = [LinkPurpose::Activate, LinkPurpose::Reset];

    fn links(pepper: u8) -> Links {
        Links::new(Arc::new(Pepper::from_bytes(&[pepper; 32]).expect("32 bytes")))
    }

    #[test]
    fn p25_a_token_is_read_by_who_made_it_for_what_it_was_made() {
        let id = "01KAPXY4Z8QW3E5R7T9A2S4D6F";
        for purpose in BOTH {
            let token = links(7).token(id, purpose);
            assert!(token.len() <= 64 && token.bytes().all(|b| ALPHABET.contains(&b)), "{token}");
            assert_eq!(token, links(7).token(id, purpose), "the same when it is mailed again");
            for other in BOTH {
                let read = links(7).read(&token, other);
                assert_eq!(read.as_deref(), (other == purpose).then_some(id));
            }
            assert_eq!(links(8).read(&token, purpose), None, "another pepper");
        }
        assert_eq!(format!("{:?}", links(7)), "Links");
    }

    proptest! {
        #[test]
        fn p25_x18_a_token_with_any_letter_altered_added_or_lost_opens_nothing(
            id in "[0-9A-HJKMNP-TV-Z]{26}",
            place in 0..Links::TOKEN_LEN,
            letter in any::<char>(),
            reset in any::<bool>(),
        ) {
            let purpose = if reset { LinkPurpose::Reset } else { LinkPurpose::Activate };
            let token = links(7).token(&id, purpose);
            prop_assert_eq!(links(7).read(&token, purpose), Some(id));
            let at = |n: usize| token.chars().enumerate().filter(move |(place, _)| *place != n);
            let without: String = at(place).map(|(_, letter)| letter).collect();
            let altered: String = token
                .chars()
                .enumerate()
                .map(|(n, old)| if n == place { letter } else { old })
                .collect();
            let longer = format!("{token}{letter}");
            let lower = token.to_ascii_lowercase();
            for wrong in [&without, &altered, &longer, &lower] {
                prop_assert_eq!(links(7).read(wrong, purpose).is_some(), *wrong == token);
            }
        }

        #[test]
        fn p25_no_text_that_is_not_ours_opens_anything(text in ".{0,80}") {
            for purpose in BOTH {
                prop_assert_eq!(links(7).read(&text, purpose), None);
            }
        }
    }
}
