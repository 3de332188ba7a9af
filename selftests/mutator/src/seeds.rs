// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The seeds: the golden records, and by them the names of all refusals.

use std::sync::OnceLock;

use include_dir::{include_dir, Dir};
use sigcr::record::Refusal;

use crate::property::{verdict, Verdict};

static GOLDEN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../libsigcr/testdata");

/// The golden records that decode, in a fixed order.
pub fn good() -> Vec<&'static [u8]> {
    records(false)
}

/// The golden records that are refused, or cannot be restored, in a fixed order.
pub fn bad() -> Vec<&'static [u8]> {
    records(true)
}

fn records(bad: bool) -> Vec<&'static [u8]> {
    let mut files: Vec<_> = GOLDEN
        .files()
        .filter(|file| {
            let name = file.path().to_string_lossy();
            name.ends_with(".bin") && name.contains("-bad-") == bad
        })
        .collect();
    files.sort_by_key(|file| file.path());
    files.iter().map(|file| file.contents()).collect()
}

/// The names of all refusals, sorted. Each has its golden record (`libsigcr/tests/golden.rs` sees to
/// that), but for the one that would take 64 MiB.
pub fn refusal_names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let refused = bad()
            .into_iter()
            .filter_map(|bytes| match verdict(bytes, bytes.len()) {
                Verdict::Refused(refusal) | Verdict::NotRestorable(refusal) => Some(refusal),
                Verdict::Good => None,
            });
        let mut names: Vec<String> = refused
            .chain([Refusal::TooLong { len: 0 }])
            .map(|refusal| refusal.name())
            .collect();
        names.sort();
        names.dedup();
        names
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_there_and_name_the_refusals() {
        assert!(good().len() > 15 && bad().len() > 40);
        // A record that is refused for the reason of another one would take its name away.
        assert_eq!(refusal_names().len(), bad().len() + 1);
    }
}
