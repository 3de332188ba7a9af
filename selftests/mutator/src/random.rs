// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Random numbers that are the same for the same seed, in every version and on every machine.

/// SplitMix64: small, and good enough to vary a state.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to the seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers that belong to the item `index` of a run with this seed: each item can be had
    /// without those before it.
    pub fn of_item(seed: u64, index: u64) -> Self {
        let mut random = Self(seed);
        Self(random.word() ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit
    }

    /// An index into something of `len` items, which is not 0.
    pub fn index(&mut self, len: usize) -> usize {
        // A length in memory fits into 64 bits, and the result is below it.
        self.below(len as u64) as usize
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of several, which are not none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_item_gives_others() {
        let numbers = |mut random: Random| [(); 4].map(|()| random.word());
        let first = numbers(Random::of_item(1, 7));
        assert_eq!(first, numbers(Random::of_item(1, 7)));
        assert_ne!(first, numbers(Random::of_item(1, 8)));
        assert_ne!(first, numbers(Random::of_item(2, 7)));
        // The first numbers of the published algorithm.
        assert_eq!(Random::new(0).word(), 0xe220_a839_7b1d_cdaf);
    }
}
