// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the fuzz targets share: the fuzzer's own changes of bytes, and ours of records.

use libfuzzer_sys::fuzzer_mutate;
use mutator::{Mutator, Random};

/// Changes the record in `data[..size]` and returns its new length: mostly by who knows what a
/// record is, else as the fuzzer does with any bytes.
pub fn change(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    thread_local! {
        static MUTATOR: Mutator = Mutator::golden();
    }
    let mut random = Random::new(seed.into());
    if random.one_in(4) {
        let size = fuzzer_mutate(data, size, max_size);
        if random.one_in(2) {
            sigcr::record::encode::seal(&mut data[..size]);
        }
        return size;
    }
    let mutant = MUTATOR.with(|mutator| mutator.mutate(&data[..size], &mut random));
    let size = mutant.bytes.len().min(max_size);
    data[..size].copy_from_slice(&mutant.bytes[..size]);
    size
}
