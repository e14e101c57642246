//! One argon2id run in a buffer that is kept, bounded and wiped.

use std::time::Instant;

use argon2::Algorithm;
use argon2::Argon2;
use argon2::AssociatedData;
use argon2::Block;
use argon2::ParamsBuilder;
use argon2::Version;

use crate::pin::PinError;

/// Bytes of an argon2 salt.
pub const SALT_LEN: usize = 16;

/// Argon2id cost, with one lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cost {
    memory_kib: u32,
    iterations: u32,
}

impl Cost {
    /// The largest memory a stored record may ask for: 256 MiB.
    pub const MEMORY_KIB_MAX: u32 = 256 * 1024;
    /// The most passes a stored record may ask for.
    pub const ITERATIONS_MAX: u32 = 16;

    /// A cost within bounds. A record on disk must not make us allocate gigabytes (§3.7).
    #[must_use]
    pub const fn new(memory_kib: u32, iterations: u32) -> Option<Self> {
        let memory_fits = memory_kib >= 8 && memory_kib <= Self::MEMORY_KIB_MAX;
        let passes_fit = iterations >= 1 && iterations <= Self::ITERATIONS_MAX;
        if memory_fits && passes_fit { Some(Self { memory_kib, iterations }) } else { None }
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes.
    #[must_use]
    pub const fn iterations(self) -> u32 {
        self.iterations
    }
}

/// What one run takes in beside its cost.
pub struct Input<'a> {
    /// The peppered secret.
    pub secret: &'a [u8; 32],
    /// What is hashed.
    pub password: &'a [u8],
    /// Per record.
    pub salt: &'a [u8; SALT_LEN],
    /// Binds the hash to its owner; empty for none.
    pub bound_to: &'a [u8],
}

/// The working memory of one thread.
pub struct Kdf {
    blocks: Vec<Block>,
    kept: usize,
}

impl Kdf {
    /// Takes the memory once: allocating it for each run would double the cost (§3.8).
    #[must_use]
    pub fn new(cost: Cost) -> Self {
        let kept = cost.memory_kib as usize;
        Self { blocks: vec![Block::new(); kept], kept }
    }

    /// Fills `out` with the hash.
    pub fn run(&mut self, input: &Input<'_>, cost: Cost, out: &mut [u8]) -> Result<(), PinError> {
        #[expect(clippy::disallowed_methods, reason = "a metric of this thread; decides nothing")]
        let started = Instant::now();
        let needed = cost.memory_kib as usize;
        if self.blocks.len() < needed {
            self.blocks.resize(needed, Block::new());
        }
        let done = argon2id(input, cost, &mut self.blocks, out);
        // The crate leaves its memory as it was after the last pass.
        self.blocks.fill(Block::new());
        if self.blocks.len() > self.kept {
            self.blocks.truncate(self.kept);
            self.blocks.shrink_to_fit();
        }
        metrics::histogram!("countersign_argon2_seconds").record(started.elapsed().as_secs_f64());
        done.map_err(|_| PinError::Corrupt)
    }
}

fn argon2id(
    input: &Input<'_>,
    cost: Cost,
    blocks: &mut [Block],
    out: &mut [u8],
) -> argon2::Result<()> {
    let mut params = ParamsBuilder::new();
    params.m_cost(cost.memory_kib).t_cost(cost.iterations).p_cost(1).output_len(out.len());
    if !input.bound_to.is_empty() {
        params.data(AssociatedData::new(input.bound_to)?);
    }
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let argon2 = Argon2::new_with_secret(input.secret, algorithm, version, params.build()?)?;
    argon2.hash_password_into_with_memory(input.password, input.salt, out, blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cannot_ask_for_more_than_the_bounds() {
        assert!(Cost::new(19_456, 2).is_some());
        for (memory_kib, iterations) in
            [(0, 1), (7, 1), (262_145, 1), (8, 0), (8, 17), (u32::MAX, u32::MAX)]
        {
            assert_eq!(Cost::new(memory_kib, iterations), None);
        }
    }

    #[test]
    fn p11_the_memory_is_wiped_after_each_run_and_falls_back_to_its_size() {
        let small = Cost::new(64, 1).expect("within bounds");
        let large = Cost::new(128, 1).expect("within bounds");
        let input =
            Input { secret: &[1; 32], password: b"password", salt: &[2; 16], bound_to: b"me" };
        let mut kdf = Kdf::new(small);
        let (mut first, mut other, mut again) = ([0; 16], [0; 16], [0; 16]);
        kdf.run(&input, small, &mut first).expect("hashed");
        kdf.run(&input, large, &mut other).expect("hashed");
        kdf.run(&input, small, &mut again).expect("hashed");
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(kdf.blocks.len(), 64);
        assert!(kdf.blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }

    #[test]
    fn secret_salt_and_owner_all_change_the_hash() {
        let cost = Cost::new(8, 1).expect("within bounds");
        let mut kdf = Kdf::new(cost);
        let mut hash = |secret: u8, salt: u8, bound_to: &[u8]| {
            let mut out = [0; 16];
            let input =
                Input { secret: &[secret; 32], password: b"p", salt: &[salt; 16], bound_to };
            kdf.run(&input, cost, &mut out).expect("hashed");
            out
        };
        let all = [
            hash(1, 1, b"a"),
            hash(2, 1, b"a"),
            hash(1, 2, b"a"),
            hash(1, 1, b"b"),
            hash(1, 1, b""),
        ];
        let different: std::collections::HashSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), 5);
    }
}
