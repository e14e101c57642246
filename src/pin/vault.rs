//! The 21 pair tags of one PIN: how one tag is made, how the table is sealed and opened.

use std::sync::Arc;

use chacha20poly1305::AeadInOut;
use chacha20poly1305::KeyInit;
use chacha20poly1305::XChaCha20Poly1305;
use sha2::Digest;
use sha2::Sha256;
use subtle::Choice;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::model::digits::Positions;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::pin::PinError;
use crate::pin::kdf::Cost;
use crate::pin::kdf::Input;
use crate::pin::kdf::Kdf;
use crate::pin::kdf::SALT_LEN;
use crate::pin::pepper::Pepper;

const LABEL: &[u8] = b"countersign/pin-pair/v1";
const TAG_LEN: usize = 16;
const SEAL_LEN: usize = 16;
const NONCE_LEN: usize = 24;

/// One pair tag.
pub type Tag = Zeroizing<[u8; TAG_LEN]>;

/// Bytes of a table in the clear.
pub const TABLE_LEN: usize = Positions::COUNT as usize * TAG_LEN;

/// Whose PIN it is and how it is hashed: everything a tag depends on beside positions and digits.
pub struct Lock {
    pepper: Arc<Pepper>,
    salt: [u8; SALT_LEN],
    cost: Cost,
    /// What a row is bound to, so that rows moved between accounts or versions do not open.
    owner: Vec<u8>,
}

impl Lock {
    /// The lock of a PIN about to be enrolled.
    #[must_use]
    pub fn new(pepper: Arc<Pepper>, account: &CustomerId, pin_version: u32, cost: Cost) -> Self {
        let owner = owner(account, pin_version, pepper.kid());
        Self { pepper, salt: rand::random(), cost, owner }
    }

    /// A lock of nobody's PIN with a table that nothing opens, for the same work where no PIN is.
    pub fn dummy(pepper: Arc<Pepper>, cost: Cost) -> Result<(Self, SealedPin), PinError> {
        let lock = Self { pepper, salt: rand::random(), cost, owner: vec![] };
        let tags: Vec<_> = (0..Positions::COUNT).map(|_| Tag::new(rand::random())).collect();
        let sealed = lock.seal(0, &tags)?;
        Ok((lock, sealed))
    }

    /// The lock of a stored PIN, if its parameters are within bounds.
    pub fn of(
        pepper: Arc<Pepper>,
        account: &CustomerId,
        sealed: &SealedPin,
    ) -> Result<Self, PinError> {
        let salt = sealed.salt.as_slice().try_into().map_err(|_| PinError::Corrupt)?;
        let cost = Cost::new(sealed.memory_kib, sealed.iterations).ok_or(PinError::Corrupt)?;
        if sealed.pepper_id != pepper.kid() {
            return Err(PinError::Corrupt);
        }
        let owner = owner(account, sealed.pin_version, &sealed.pepper_id);
        Ok(Self { pepper, salt, cost, owner })
    }

    /// One argon2id run. Keys that are no digits cost the same and match nothing.
    pub fn tag(&self, kdf: &mut Kdf, positions: Positions, keys: [u8; 2]) -> Result<Tag, PinError> {
        let places = [positions.first().number(), positions.second().number()];
        let mut password = Zeroizing::new(Vec::with_capacity(LABEL.len() + 4));
        password.extend_from_slice(LABEL);
        password.extend_from_slice(&places);
        password.extend_from_slice(&keys);
        let input = Input {
            secret: &self.pepper.pin_secret,
            password: &password,
            salt: &self.salt,
            bound_to: &Sha256::digest(&self.owner),
        };
        let mut tag = Tag::default();
        kdf.run(&input, self.cost, &mut *tag)?;
        Ok(tag)
    }

    /// Seals 21 tags in the order of [`Positions::from_index`].
    pub fn seal(&self, pin_version: u32, tags: &[Tag]) -> Result<SealedPin, PinError> {
        let mut table = Zeroizing::new(Vec::with_capacity(TABLE_LEN + SEAL_LEN));
        for tag in tags {
            table.extend_from_slice(&**tag);
        }
        if table.len() != TABLE_LEN {
            return Err(PinError::Corrupt);
        }
        let nonce: [u8; NONCE_LEN] = rand::random();
        let cipher = XChaCha20Poly1305::new((&self.pepper.table_key).into());
        let sealed = cipher.encrypt_in_place(&nonce.into(), &self.header(), &mut *table);
        sealed.map_err(|_| PinError::Corrupt)?;
        Ok(SealedPin {
            pin_version,
            salt: self.salt.to_vec(),
            pepper_id: self.pepper.kid().to_owned(),
            memory_kib: self.cost.memory_kib(),
            iterations: self.cost.iterations(),
            nonce: nonce.to_vec(),
            table: std::mem::take(&mut *table),
        })
    }

    /// Opens a table.
    pub fn open(&self, sealed: &SealedPin) -> Result<Table, PinError> {
        let nonce =
            <[u8; NONCE_LEN]>::try_from(sealed.nonce.as_slice()).map_err(|_| PinError::Corrupt)?;
        if sealed.table.len() != TABLE_LEN + SEAL_LEN {
            return Err(PinError::Corrupt);
        }
        let mut table = Zeroizing::new(sealed.table.clone());
        let cipher = XChaCha20Poly1305::new((&self.pepper.table_key).into());
        let opened = cipher.decrypt_in_place(&nonce.into(), &self.header(), &mut *table);
        opened.map_err(|_| PinError::Corrupt)?;
        Ok(Table(table))
    }

    /// What the seal authenticates beside the table: a changed salt or cost shows as damage, not as
    /// a wrong PIN that would be counted against the customer.
    fn header(&self) -> Vec<u8> {
        let mut header = self.owner.clone();
        header.extend_from_slice(&self.salt);
        header.extend_from_slice(&self.cost.memory_kib().to_be_bytes());
        header.extend_from_slice(&self.cost.iterations().to_be_bytes());
        header
    }
}

/// An opened table of tags. Wiped when dropped.
pub struct Table(Zeroizing<Vec<u8>>);

impl Table {
    /// Whether the stored tag of these positions is this one, in constant time.
    #[must_use]
    pub fn holds(&self, positions: Positions, tag: &Tag) -> Choice {
        let start = usize::from(positions.index()) * TAG_LEN;
        let stored = self.0.get(start..start + TAG_LEN).unwrap_or_default();
        stored.ct_eq(&**tag)
    }
}

fn owner(account: &CustomerId, pin_version: u32, kid: &str) -> Vec<u8> {
    // Names hold no control characters, so the zero byte ends the name.
    let mut owner = account.as_str().as_bytes().to_vec();
    owner.push(0);
    owner.extend_from_slice(&pin_version.to_be_bytes());
    owner.extend_from_slice(kid.as_bytes());
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CustomerId {
        text.parse().expect("an id")
    }

    fn sealed(pepper: &Arc<Pepper>) -> SealedPin {
        let lock =
            Lock::new(Arc::clone(pepper), &id("c-1"), 3, Cost::new(8, 1).expect("within bounds"));
        let tags: Vec<_> = (0..21).map(|n| Tag::new([n; 16])).collect();
        lock.seal(3, &tags).expect("sealed")
    }

    fn open(pepper: &Arc<Pepper>, account: &str, sealed: &SealedPin) -> Result<Table, PinError> {
        Lock::of(Arc::clone(pepper), &id(account), sealed)?.open(sealed)
    }

    #[test]
    fn a_table_opens_for_its_own_account_version_and_pepper_only() {
        let pepper = Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        let other = Arc::new(Pepper::from_bytes(&[8; 32]).expect("32 bytes"));
        let row = sealed(&pepper);
        let table = open(&pepper, "c-1", &row).expect("opens");
        let last = Positions::from_index(20).expect("a pair");
        assert!(bool::from(table.holds(last, &Tag::new([20; 16]))));
        assert!(!bool::from(table.holds(last, &Tag::new([19; 16]))));
        assert!(open(&pepper, "c-2", &row).is_err(), "rows cannot be swapped between accounts");
        assert!(open(&other, "c-1", &row).is_err());
        let older = SealedPin { pin_version: 2, ..row.clone() };
        assert!(open(&pepper, "c-1", &older).is_err());
    }

    #[test]
    fn any_damage_is_corruption_and_not_a_wrong_pin() {
        let pepper = Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        let row = sealed(&pepper);
        let damage: [fn(&mut SealedPin); 8] = [
            |row| row.salt[0] ^= 1,
            |row| row.nonce[23] ^= 1,
            |row| row.table[0] ^= 1,
            |row| row.table.truncate(351),
            |row| row.salt.push(0),
            |row| row.memory_kib = 4 * 1024 * 1024,
            |row| row.memory_kib += 1,
            |row| row.iterations = 17,
        ];
        for (number, harm) in damage.into_iter().enumerate() {
            let mut row = row.clone();
            harm(&mut row);
            assert_eq!(
                open(&pepper, "c-1", &row).err(),
                Some(PinError::Corrupt),
                "damage {number}"
            );
        }
    }

    #[test]
    fn a_tag_itself_is_bound_to_account_version_positions_and_keys() {
        let pepper = Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        let row = sealed(&pepper);
        let mut kdf = Kdf::new(Cost::new(8, 1).expect("within bounds"));
        let mut tag = |account: &str, pin_version: u32, index: u8, keys: [u8; 2]| {
            let row = SealedPin { pin_version, ..row.clone() };
            let lock = Lock::of(Arc::clone(&pepper), &id(account), &row).expect("within bounds");
            let positions = Positions::from_index(index).expect("a pair");
            *lock.tag(&mut kdf, positions, keys).expect("hashed")
        };
        let tags = [
            tag("c-1", 1, 0, [1, 2]),
            tag("c-2", 1, 0, [1, 2]),
            tag("c-1", 2, 0, [1, 2]),
            tag("c-1", 1, 1, [1, 2]),
            tag("c-1", 1, 0, [2, 1]),
        ];
        let different: std::collections::HashSet<_> = tags.into_iter().collect();
        assert_eq!(different.len(), 5);
    }

    /// After dudect (Reparaz, Balasch, Verbauwhede 2017): two classes in random order, Welch's t on their
    /// times. A comparison that stops at the first difference gives a t of hundreds here.
    #[test]
    #[expect(clippy::print_stdout, reason = "a figure of the run")]
    fn f5_3_a_right_tag_takes_as_long_as_a_wrong_one() {
        use std::hint::black_box;
        use tokio::time::Instant;
        let pepper = Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        let table = open(&pepper, "c-1", &sealed(&pepper)).expect("opens");
        let (right, mut early) = (Tag::new([0; 16]), Tag::new([0; 16]));
        early[0] = 1;
        let (mut times, mut state) = ([vec![], vec![]], 0x9e37_79b9_7f4a_7c15_u64);
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let class = usize::from(state & 1 == 1);
            let tag = if class == 1 { &right } else { &early };
            let started = Instant::now();
            for _ in 0..32 {
                black_box(table.holds(Positions::FIRST, black_box(tag)));
            }
            times[class].push(started.elapsed().as_secs_f64() * 1e9);
        }
        // What the machine did meanwhile is in the slowest tenth.
        let [wrong, right] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times.truncate(times.len() / 10 * 9);
            let count = f64::from(u32::try_from(times.len()).expect("few"));
            let mean = times.iter().sum::<f64>() / count;
            let spread = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
            (mean, spread / (count - 1.0) / count)
        });
        let t = (right.0 - wrong.0) / (right.1 + wrong.1).sqrt();
        println!(
            "figure: 32 comparisons, right {:.1} ns, wrong {:.1} ns, t = {t:.2}",
            right.0, wrong.0
        );
        assert!(t.abs() < 50.0, "{t}");
    }
}
