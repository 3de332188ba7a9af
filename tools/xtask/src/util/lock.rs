// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The cache's lock: two builds at once would work in the same folders.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::paths::Paths;

/// Held for as long as the cache may be changed.
pub(crate) struct Lock(#[allow(dead_code)] Flock<File>);

impl Lock {
    /// Takes the lock, after waiting for whoever has it.
    pub(crate) fn take(paths: &Paths) -> Result<Self> {
        let path = paths.cache.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                eprintln!(
                    "waiting for process {} to finish with {}",
                    holder.trim(),
                    paths.cache.display()
                );
                Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e)?
            }
            Err((_, e)) => {
                return Err(e).with_context(|| format!("cannot lock {}", path.display()))
            }
        };
        // Only a hint for whoever has to wait; the lock itself is what counts.
        fs::write(&path, format!("{}\n", std::process::id()))?;
        lock.flush()?;
        Ok(Self(lock))
    }
}
