// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Hostile records: valid ones, changed by who knows their structure.
//!
//! A [`Mutator`] takes a record apart, changes some of its parts, and puts it together again, mostly
//! with lengths, counts and checksum that fit, so that what was changed is looked at by the rules
//! behind them; at times with one of these wrong. About half of the changes keep the rules: such a
//! record is restored, or refused by the state of the target.
//!
//! All of it is decided by a [`Random`]: the same seed makes the same records of the same ones.
//! [`property`] has what must hold of each, [`tally`] shows which rules they reach.

pub mod campaign;
pub mod property;
pub mod random;
pub mod seeds;
pub mod tally;

mod any;
mod draft;
mod fields;
mod legal;
mod values;

use sigcr::record::encode::seal;
use sigcr_sys::SIGCR_RECORD_LEN_MAX;

use any::Change;
use draft::{get, put, Draft};
pub use random::Random;

/// Makes records of records.
#[derive(Clone, Debug)]
pub struct Mutator {
    seeds: Vec<&'static [u8]>,
    bad_seeds: Vec<&'static [u8]>,
    /// What other records get sections from.
    donors: Vec<Draft>,
}

/// A record that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many bytes it is said to have: as many as it has, or more than a record can have.
    pub claimed_len: usize,
}

/// A seed over so many bytes is taken once in as many times as there are of them.
const SMALL_LEN: usize = 8192;

impl Mutator {
    /// The mutator that starts from the golden records.
    pub fn golden() -> Self {
        let seeds = seeds::good();
        let small = seeds.iter().filter(|seed| seed.len() <= SMALL_LEN);
        Self {
            donors: small.filter_map(|seed| Draft::parse(seed)).collect(),
            seeds,
            bad_seeds: seeds::bad(),
        }
    }

    /// The record `index` of a run with this seed, made of a golden one.
    pub fn mutant(&self, seed: u64, index: u64) -> Mutant {
        let mut random = Random::of_item(seed, index);
        let seeds = match random.below(16) {
            0 => &self.bad_seeds,
            _ => &self.seeds,
        };
        let mut base = random.pick(seeds);
        if base.len() > SMALL_LEN && !random.one_in(16) {
            base = random.pick(&self.bad_seeds);
        }
        self.mutate(base, &mut random)
    }

    /// Makes another record of `base`.
    pub fn mutate(&self, base: &[u8], random: &mut Random) -> Mutant {
        let bytes = match Draft::parse(base) {
            Some(draft) => self.changed(draft, random),
            None => scrambled(base.to_vec(), random),
        };
        let claimed_len = match random.one_in(500) {
            true => SIGCR_RECORD_LEN_MAX as usize + 1 + random.index(1 << 20),
            false => bytes.len(),
        };
        Mutant { bytes, claimed_len }
    }

    fn changed(&self, mut draft: Draft, random: &mut Random) -> Vec<u8> {
        let style = random.below(20);
        let changes = match style {
            0..=7 => legal::CHANGES,
            _ => any::CHANGES,
        };
        let count = match style {
            // What is spoilt afterwards need not be changed before.
            17.. => random.below(2),
            _ => 1 + random.below(3),
        };
        for _ in 0..count {
            let change = weighted(changes, random);
            let donor = &self.donors[random.index(self.donors.len())];
            change(&mut draft, donor, random);
        }
        match style {
            17 | 18 => lying(&draft, random),
            19 => scrambled(draft.sealed(), random),
            _ => draft.sealed(),
        }
    }
}

fn weighted(changes: &[(u64, Change)], random: &mut Random) -> Change {
    let total = changes.iter().map(|(weight, _)| weight).sum();
    let mut at = random.below(total);
    for (weight, change) in changes {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *change,
        }
    }
    unreachable!("the weights add up to {total}")
}

/// The record with one length or count wrong, or cut off, or lengthened.
fn lying(draft: &Draft, random: &mut Random) -> Vec<u8> {
    let written = draft.write();
    let mut bytes = written.bytes;
    match random.below(8) {
        0 => bytes.truncate(random.index(bytes.len())),
        1 => bytes.extend((0..1 + random.below(24)).map(|_| 0)),
        _ => {
            let (at, len) = random.pick(&written.counts);
            let now = get(&bytes, at, len).unwrap_or(0);
            let value = match random.below(8) {
                0 => now.wrapping_add(1),
                1 => now.wrapping_sub(1),
                2 => now.wrapping_add(8),
                3 => now.wrapping_sub(8),
                4 => now.wrapping_mul(2),
                5 => random.pick(&[0, 1, 8, 64, 4096, 4104]),
                6 => random.pick(&[u64::MAX, 1 << 31, 1 << 32, u64::MAX - 7, 1 << 63]),
                _ => random.word(),
            };
            put(&mut bytes, at, len, value);
        }
    }
    if !random.one_in(8) {
        seal(&mut bytes);
    }
    bytes
}

/// The bytes with some of them changed, whatever they mean.
fn scrambled(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..1 + random.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.index(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => put(&mut bytes, at & !3, 4, random.word()),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, 0),
            _ => drop(bytes.remove(at)),
        }
    }
    if random.one_in(2) {
        seal(&mut bytes);
    }
    bytes
}
