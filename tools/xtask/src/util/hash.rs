// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Content keys: what decides whether something in the cache is still valid.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Collects parts into one key; the length of each part counts, so parts cannot run together.
#[derive(Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// Adds a part.
    pub(crate) fn add(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Returns the key.
    pub(crate) fn finish(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Returns the SHA-256 of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the SHA-256 of a file.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut sha = Sha256::new();
        let mut bytes = vec![0; 1 << 16];
        loop {
            match file.read(&mut bytes)? {
                0 => return Ok(hex(&sha.finalize())),
                len => sha.update(&bytes[..len]),
            }
        }
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_the_key() {
        let key = |parts: [&str; 2]| Key::default().add(parts[0]).add(parts[1]).finish();
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
        assert_eq!(key(["ab", "c"]), key(["ab", "c"]));
    }

    #[test]
    fn the_hash_is_the_one_that_sha256sum_prints() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of_bytes(b""), empty);
    }
}
