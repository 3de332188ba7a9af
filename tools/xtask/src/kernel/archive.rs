// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Source archives in the cache: how they get there, and how they are unpacked.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};

use crate::util::hash;
use crate::util::progress::Progress;

/// A source archive in the cache; its description is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// Names the version and where it is from; part of folder names.
    pub(crate) id: String,
    /// The `.tar.xz`.
    pub(crate) file: PathBuf,
    /// Its length; a file of another length is not used.
    pub(crate) file_len: u64,
    /// Its checksum.
    pub(crate) sha256: String,
}

impl Archive {
    /// Describes a file that has just been put into the cache.
    pub(crate) fn describe(id: &str, file: PathBuf) -> Result<Self> {
        let archive = Self {
            id: id.to_owned(),
            file_len: fs::metadata(&file)?.len(),
            sha256: hash::of_file(&file)?,
            file,
        };
        let json = serde_json::to_string_pretty(&archive)?;
        fs::write(archive.file.with_extension("json"), json)?;
        Ok(archive)
    }

    /// Returns the usable archives of a folder, the newest first.
    pub(crate) fn all_in(dir: &Path) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = fs::read_dir(dir)?
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .filter_map(|json| serde_json::from_str(&json).ok())
            .filter(|a: &Self| fs::metadata(&a.file).is_ok_and(|m| m.len() == a.file_len))
            .collect();
        found.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(found)
    }

    /// Unpacks everything into `dir`, which must not exist yet.
    pub(crate) fn unpack(&self, dir: &Path) -> Result<()> {
        if hash::of_file(&self.file)? != self.sha256 {
            fs::remove_file(&self.file)?;
            bail!(
                "{} was damaged and has been removed; try again",
                self.file.display()
            );
        }
        let partial = dir.with_extension("unpacking");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        let mut tar = self.tar(&partial, &[]).spawn().context("cannot run tar")?;
        let mut progress = Progress::bytes(&format!("unpacking {}", self.id), self.file_len);
        let mut file = File::open(&self.file)?;
        feed(&mut tar, &mut file, |done_len| progress.set(done_len))?;
        progress.done();
        fs::rename(&partial, dir)?;
        Ok(())
    }

    /// Unpacks some files again, over what is there, with the present time as theirs. Many are
    /// taken with all others: `tar` compares each name with each.
    pub(crate) fn restore(&self, dir: &Path, files: &[String]) -> Result<()> {
        const MANY_COUNT: usize = 500;
        let mut list = tempfile::NamedTempFile::new()?;
        let top = self.top_folder()?;
        for file in files {
            writeln!(list, "{top}{file}")?;
        }
        let list_path = list.path().to_string_lossy().into_owned();
        // Objects made from the wrong content are newer than the archive's times.
        let mut args = vec!["--touch".to_owned()];
        if files.len() < MANY_COUNT {
            args.push(format!("--files-from={list_path}"));
        }
        let mut tar = self.tar(dir, &args).spawn().context("cannot run tar")?;
        feed(&mut tar, &mut File::open(&self.file)?, |_| {})
    }

    fn tar(&self, dir: &Path, args: &[String]) -> Command {
        let mut tar = Command::new("tar");
        // The folder first: it holds only for names that are given behind it.
        tar.arg("--directory")
            .arg(dir)
            .args(["--extract", "--xz", "--strip-components=1"])
            .arg("--no-same-owner")
            .args(args)
            .stdin(Stdio::piped());
        tar
    }

    /// Returns the archive's single top folder, with its slash.
    fn top_folder(&self) -> Result<String> {
        let mut tar = Command::new("tar")
            .args(["--list", "--xz", "--file"])
            .arg(&self.file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut first = [0; 256];
        let len = match &mut tar.stdout {
            Some(stdout) => stdout.read(&mut first)?,
            None => 0,
        };
        // The first names are all that is wanted; decompressing the rest would take long.
        tar.kill()?;
        tar.wait()?;
        let first = String::from_utf8_lossy(&first[..len]);
        let (top, _) = first
            .split_once('/')
            .with_context(|| format!("{} is no source archive", self.file.display()))?;
        Ok(format!("{top}/"))
    }
}

/// Copies `from` into the child's input and waits for the child.
pub(crate) fn feed(
    child: &mut Child,
    from: &mut impl Read,
    mut on_done_len: impl FnMut(u64),
) -> Result<()> {
    let mut stdin = child.stdin.take().context("the child has no input")?;
    let mut bytes = vec![0; 1 << 18];
    let mut done_len = 0;
    loop {
        let len = from.read(&mut bytes)?;
        // A child that fails closes its input; its status says more than the broken pipe.
        if len == 0 || stdin.write_all(&bytes[..len]).is_err() {
            break;
        }
        done_len += len as u64;
        on_done_len(done_len);
    }
    drop(stdin);
    let status = child.wait()?;
    if !status.success() {
        bail!("unpacking failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_archive(dir: &Path) -> Archive {
        fs::create_dir_all(dir.join("linux-9/sub")).unwrap();
        fs::write(dir.join("linux-9/Makefile"), "VERSION = 9\n").unwrap();
        fs::write(dir.join("linux-9/sub/file"), "content\n").unwrap();
        let file = dir.join("linux-9.tar.xz");
        let made = Command::new("tar")
            .args(["--create", "--xz", "--directory"])
            .arg(dir)
            .arg("--file")
            .arg(&file)
            .arg("linux-9")
            .status();
        assert!(made.unwrap().success());
        Archive::describe("9-test", file).unwrap()
    }

    #[test]
    fn an_archive_is_unpacked_without_its_top_folder_and_single_files_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let archive = make_archive(dir.path());
        let tree = dir.path().join("tree");
        archive.unpack(&tree).unwrap();
        fs::write(tree.join("sub/file"), "edited\n").unwrap();
        fs::remove_file(tree.join("Makefile")).unwrap();
        let files = ["sub/file".to_owned(), "Makefile".to_owned()];
        archive.restore(&tree, &files).unwrap();
        assert_eq!(fs::read(tree.join("sub/file")).unwrap(), b"content\n");
        assert!(tree.join("Makefile").exists());
    }

    #[test]
    fn a_damaged_archive_is_not_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let archive = make_archive(dir.path());
        let mut bytes = fs::read(&archive.file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&archive.file, bytes).unwrap();
        assert!(archive.unpack(&dir.path().join("tree")).is_err());
        assert!(!dir.path().join("tree").exists());
    }

    #[test]
    fn a_truncated_archive_is_not_offered() {
        let dir = tempfile::tempdir().unwrap();
        let archive = make_archive(dir.path());
        assert_eq!(
            Archive::all_in(dir.path()).unwrap(),
            std::slice::from_ref(&archive)
        );
        fs::write(&archive.file, b"short").unwrap();
        assert!(Archive::all_in(dir.path()).unwrap().is_empty());
    }
}
