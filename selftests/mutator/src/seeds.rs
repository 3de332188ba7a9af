// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The seeds: the golden records, and by them the names of all refusals.

use std::sync::OnceLock;

use include_dir::{include_dir, Dir};
use sigcr::record::Refusal;

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
    let files = files().into_iter().filter(|(name, _)| is_bad(name) == bad);
    files.map(|(_, bytes)| bytes).collect()
}

/// The golden records with their names, in a fixed order.
fn files() -> Vec<(String, &'static [u8])> {
    let mut files: Vec<_> = GOLDEN
        .files()
        .filter_map(|file| {
            let name = file.path().to_str()?.strip_suffix(".bin")?;
            Some((name.to_owned(), file.contents()))
        })
        .collect();
    files.sort();
    files
}

const BAD: &str = "v1-bad-";

fn is_bad(name: &str) -> bool {
    name.starts_with(BAD)
}

/// The names of all refusals, sorted: by the files that hold a record for each
/// (`libsigcr/tests/golden.rs` sees to that), whatever the decoder says of them now.
pub fn refusal_names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let bad = files().into_iter();
        let mut names: Vec<String> = bad
            .filter_map(|(name, _)| Some(name.strip_prefix(BAD)?.to_owned()))
            // The one that would take a file of 64 MiB.
            .chain([name_of(&Refusal::TooLong { len: 0 })])
            .collect();
        names.sort();
        names
    })
}

/// The name of a refusal as the files have it: `section-order`.
pub fn name_of(refusal: &Refusal) -> String {
    let mut name = String::new();
    for letter in refusal.name().trim_start_matches("Bad").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::verdict;

    #[test]
    fn every_bad_seed_is_refused_as_its_name_says() {
        assert!(good().len() > 15 && bad().len() > 40);
        for (name, bytes) in files().into_iter().filter(|(name, _)| is_bad(name)) {
            let verdict = verdict(bytes, bytes.len());
            let refusal = verdict
                .refusal()
                .unwrap_or_else(|| panic!("{name} is good"));
            assert_eq!(format!("{BAD}{}", name_of(refusal)), name);
        }
        assert_eq!(refusal_names().len(), bad().len() + 1);
    }
}
