// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Which files are ours to keep tidy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::util::command::capture;
use crate::util::files::walk;
use crate::util::paths::Paths;

/// Returns all files that are, or would be, under version control.
pub(crate) fn list(paths: &Paths) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(&paths.root).args([
        "-c",
        "core.quotepath=off",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let files: Vec<PathBuf> = match capture(&mut git) {
        Ok(text) => text.lines().map(PathBuf::from).collect(),
        // Not a clone: then everything that is here, except what is known to be made.
        Err(_) => walk(&paths.root)?
            .into_iter()
            .filter(|path| !(path.starts_with("target") || path.starts_with(".git")))
            .collect(),
    };
    Ok(files
        .into_iter()
        // Links are checked elsewhere, and what was removed is still listed until it is committed.
        .filter(|path| {
            paths
                .root
                .join(path)
                .symlink_metadata()
                .is_ok_and(|m| m.is_file())
        })
        .collect())
}

/// Is this a file that no person writes?
pub(crate) fn is_generated(path: &Path) -> bool {
    path.ends_with("rust-sys/src/bindings.rs") || path.ends_with("Cargo.lock")
}
