//! Chance that comes out the same each time: whatever a test finds can be looked at again.

/// A generator (splitmix64); equal seeds give equal numbers.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Numbers from this seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to below `count`.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % count.max(1)
    }
}
