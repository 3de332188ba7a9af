// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Any bytes are refused in words, or are a record of which all views agree.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mutator::property::check_decoder;

fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = check_decoder(bytes, bytes.len()) {
        panic!("{what}");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    sigcr_fuzz::change(data, size, max_size, seed)
});
