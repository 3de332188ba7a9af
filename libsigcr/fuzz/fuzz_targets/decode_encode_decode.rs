// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A record is the same after it was decoded and encoded, and can be edited.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mutator::property::check;

fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = check(bytes, bytes.len()) {
        panic!("{what}");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    sigcr_fuzz::change(data, size, max_size, seed)
});
