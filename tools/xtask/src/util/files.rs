// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Reading and writing of files that leaves unchanged ones alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Reads a whole file; the error names it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a whole text file; the error names it.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file unless it has that content already, and says whether it had to.
///
/// The new content appears at once or not at all, and under a new inode: make sees a new time, and
/// what is linked to the old inode keeps the old content.
pub(crate) fn write_if_changed(path: &Path, content: &[u8], executable: bool) -> Result<bool> {
    let mode = if executable { 0o755 } else { 0o644 };
    if fs::read(path).is_ok_and(|old| old == content)
        && fs::symlink_metadata(path)
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o777 == mode)
    {
        return Ok(false);
    }
    let write = || -> Result<()> {
        let dir = path.parent().context("no parent folder")?;
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(dir)?;
        file.write_all(content)?;
        // The umask may have taken bits away.
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

/// Returns all files below `dir`, sorted, as paths relative to it. Links to folders are not entered.
pub(crate) fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(below) = todo.pop() {
        let here = dir.join(&below);
        let entries =
            fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", here.display()))?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a file; that it is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_keeps_its_inode_and_a_changed_one_does_not() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert!(write_if_changed(&path, b"one", false).unwrap());
        let inode = fs::metadata(&path).unwrap().ino();
        assert!(!write_if_changed(&path, b"one", false).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        let link = dir.path().join("link");
        fs::hard_link(&path, &link).unwrap();
        assert!(write_if_changed(&path, b"two", false).unwrap());
        assert_eq!(fs::read(&link).unwrap(), b"one");
        assert!(write_if_changed(&path, b"two", true).unwrap());
        assert_eq!(
            walk(dir.path()).unwrap(),
            [Path::new("a/b"), Path::new("link")]
        );
    }
}
