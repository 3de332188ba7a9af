// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where things are: the checkout, and the cache outside of it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The places that everything else is found from.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// All that is downloaded or built, except what cargo builds for the host.
    pub(crate) cache: PathBuf,
}

impl Paths {
    /// Finds the checkout and makes the cache folder.
    pub(crate) fn find() -> Result<Self> {
        // At run time, not when compiled: a checkout can be moved together with its target folder.
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest_dir)
            .join("../..")
            .canonicalize()
            .context("cannot find the checkout; run this as `cargo xtask`")?;
        let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
            (Some(dir), _) if !dir.is_empty() => PathBuf::from(dir),
            (_, Some(home)) if !home.is_empty() => Path::new(&home).join(".cache"),
            _ => anyhow::bail!("neither XDG_CACHE_HOME nor HOME is set: no place for the cache"),
        };
        let cache = base.join("sigcr");
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// The overlay, the hooks and their story.
    pub(crate) fn patch(&self) -> PathBuf {
        self.root.join("kernel-patch")
    }

    /// Returns a folder of the cache, made if need be.
    pub(crate) fn cache_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.cache.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }

    /// Returns the path of a log file of the cache.
    pub(crate) fn log(&self, name: &str) -> Result<PathBuf> {
        Ok(self.cache_dir("logs")?.join(format!("{name}.log")))
    }
}
