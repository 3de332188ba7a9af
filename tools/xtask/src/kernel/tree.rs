// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The patched tree in the cache: always what source and overlay say, and with the times of files
//! left alone where nothing changed, so that make builds only what it must.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

use super::archive::Archive;
use super::base::Base;
use super::overlay::{Overlay, Wanted};
use super::source::Source;
use crate::util::command::logged;
use crate::util::files::{self, read_text, walk, write_if_changed};
use crate::util::hash::Key;
use crate::util::paths::Paths;
use crate::util::progress::Progress;
use crate::util::version::Version;

/// A patched tree that is up to date.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The kernel's folder.
    pub(crate) dir: PathBuf,
    /// Names the base; part of folder names.
    pub(crate) id: String,
    /// Version of the base.
    pub(crate) version: Version,
    /// Changes when the base or the patch does.
    pub(crate) key: String,
    /// Changes when a Kconfig file of the patch does.
    pub(crate) kconfig_key: String,
}

/// Makes the patched tree of one source, or brings it up to date.
pub(crate) fn prepare(
    paths: &Paths,
    base: &Base,
    overlay: &Overlay,
    source: &Source,
) -> Result<Tree> {
    let id = source.id();
    let home = Home::open(paths.cache_dir(&format!("trees/{id}"))?)?;
    let wanted = match source {
        Source::Archive(archive) => {
            home.restore_base(archive)?;
            check_version(&home.linux, base)?;
            let wanted = overlay.wanted(|path| home.original(path))?;
            home.save_originals(&wanted)?;
            wanted
        }
        Source::UserTree(dir) => {
            check_version(dir, base)?;
            let wanted = overlay.wanted(|path| read_if_there(&dir.join(path)))?;
            home.copy_user_tree(paths, dir, &wanted)?;
            wanted
        }
    };
    home.write(&wanted)?;
    Ok(described(
        home.linux.clone(),
        id,
        check_version(&home.linux, base)?,
        overlay,
        &wanted,
    ))
}

/// Returns what a tree will be once the patch has been taken back from it.
pub(crate) fn plain(tree: &Tree) -> Tree {
    described(
        tree.dir.clone(),
        tree.id.clone(),
        tree.version.clone(),
        &Overlay::default(),
        &BTreeMap::new(),
    )
}

fn described(
    dir: PathBuf,
    id: String,
    version: Version,
    overlay: &Overlay,
    wanted: &BTreeMap<String, Wanted>,
) -> Tree {
    let mut key = Key::default();
    key.add(&id).add(&overlay.key);
    let mut kconfig_key = Key::default();
    for (path, wanted) in wanted {
        // Part of the key since a user's tree may change under a hook.
        key.add(path).add(&wanted.content);
        if path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("Kconfig"))
        {
            kconfig_key.add(path).add(&wanted.content);
        }
    }
    Tree {
        version,
        dir,
        id,
        key: key.finish(),
        kconfig_key: kconfig_key.finish(),
    }
}

/// Reads the version from the kernel's Makefile, and refuses one of another line.
fn check_version(dir: &Path, base: &Base) -> Result<Version> {
    let makefile = read_text(&dir.join("Makefile"))
        .with_context(|| format!("{} is no kernel tree", dir.display()))?;
    let version = version_of(&makefile)
        .with_context(|| format!("{}/Makefile names no kernel version", dir.display()))?;
    let line = base.kernel.line()?;
    if !version.is_of(&line) {
        bail!(
            "{} is Linux {version}; the patch is for {line}.y",
            dir.display()
        );
    }
    Ok(version)
}

fn version_of(makefile: &str) -> Option<Version> {
    let value = |name: &str| {
        makefile.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then_some(value.trim())
        })
    };
    let (major, minor) = (value("VERSION")?, value("PATCHLEVEL")?);
    Version::parse(&format!("{major}.{minor}.{}", value("SUBLEVEL")?))
}

/// The folder of one base.
struct Home {
    /// The tree itself.
    linux: PathBuf,
    /// Originals of the files that hooks change.
    originals: PathBuf,
    /// The files that the patch has written, one per line.
    written_list: PathBuf,
    /// The files of the archive, one per line.
    base_list: PathBuf,
    /// Its time is that of the last change made from here.
    stamp: PathBuf,
}

impl Home {
    fn open(dir: PathBuf) -> Result<Self> {
        Ok(Self {
            linux: dir.join("linux"),
            originals: dir.join("originals"),
            written_list: dir.join("written"),
            base_list: dir.join("base"),
            stamp: dir.join("stamp"),
        })
    }

    /// Unpacks the archive, or undoes what somebody else has done to the tree since.
    fn restore_base(&self, archive: &Archive) -> Result<()> {
        if !self.linux.exists() {
            for left_over in [&self.written_list, &self.base_list, &self.stamp] {
                files::remove(left_over)?;
            }
            if self.originals.exists() {
                fs::remove_dir_all(&self.originals)?;
            }
            archive.unpack(&self.linux)?;
        }
        if !self.base_list.exists() {
            write_list(&self.base_list, walk_names(&self.linux)?.iter())?;
            fs::write(&self.stamp, "")?;
            return Ok(());
        }
        let base = read_list(&self.base_list)?;
        let written = read_list(&self.written_list)?;
        let foreign = foreign_edits(&self.linux, &base, &written, ctime(&self.stamp)?)?;
        for path in &foreign.added {
            files::remove(&self.linux.join(path))?;
        }
        if !foreign.changed.is_empty() {
            eprintln!(
                "undoing foreign edits of the cached tree: {}",
                abridged(&foreign.changed)
            );
            archive.restore(&self.linux, &foreign.changed)?;
        }
        Ok(())
    }

    /// Returns a file as the base has it.
    fn original(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if let Some(saved) = read_if_there(&self.originals.join(path))? {
            return Ok(Some(saved));
        }
        if read_list(&self.written_list)?.contains(path) {
            return Ok(None);
        }
        read_if_there(&self.linux.join(path))
    }

    /// Keeps the originals of files that are about to be changed.
    fn save_originals(&self, wanted: &BTreeMap<String, Wanted>) -> Result<()> {
        for path in wanted.keys() {
            if let Some(original) = self.original(path)? {
                write_if_changed(&self.originals.join(path), &original, false)?;
            }
        }
        Ok(())
    }

    /// Brings the copy of a user's tree up to date, except for what the patch writes.
    fn copy_user_tree(
        &self,
        paths: &Paths,
        dir: &Path,
        wanted: &BTreeMap<String, Wanted>,
    ) -> Result<()> {
        let mut excluded = tempfile::NamedTempFile::new()?;
        // What a build in the tree leaves behind would make kbuild refuse a separate folder.
        let mut patterns = String::from(
            "/.git\n/.config\n/include/config\n/include/generated\n\
             /arch/*/include/generated\n*.o\n.*.cmd\n*.ko\n/vmlinux*\n",
        );
        for path in wanted.keys() {
            patterns += &format!("/{path}\n");
        }
        std::io::Write::write_all(&mut excluded, patterns.as_bytes())?;
        let mut from = dir.as_os_str().to_owned();
        from.push("/");
        fs::create_dir_all(&self.linux)?;
        let mut rsync = Command::new("rsync");
        rsync
            .args(["--archive", "--delete", "--no-owner", "--no-group"])
            .arg("--exclude-from")
            .arg(excluded.path())
            .arg(from)
            .arg(&self.linux);
        let progress = Progress::spinner(&format!("copying {}", dir.display()));
        logged(&mut rsync, &paths.log("copy")?, |_| {})?;
        progress.done();
        Ok(())
    }

    /// Writes what the patch wants, and takes back what it wanted before and no longer does.
    fn write(&self, wanted: &BTreeMap<String, Wanted>) -> Result<()> {
        let before = read_list(&self.written_list)?;
        // Written first: should this be interrupted, the next run still knows what is ours.
        write_list(&self.written_list, before.iter().chain(wanted.keys()))?;
        for path in before.iter().filter(|path| !wanted.contains_key(*path)) {
            let saved = self.originals.join(path);
            match read_if_there(&saved)? {
                Some(original) => {
                    write_if_changed(&self.linux.join(path), &original, false)?;
                    files::remove(&saved)?;
                }
                None => files::remove(&self.linux.join(path))?,
            }
        }
        for (path, wanted) in wanted {
            write_if_changed(&self.linux.join(path), &wanted.content, wanted.executable)?;
        }
        write_list(&self.written_list, wanted.keys())?;
        fs::write(&self.stamp, "")?;
        Ok(())
    }
}

/// What somebody else did to a tree.
#[derive(Debug, Default, PartialEq, Eq)]
struct Foreign {
    /// Changed or removed files.
    changed: Vec<String>,
    /// Files that neither the base nor the patch has.
    added: Vec<String>,
}

/// Finds what is not as it was when `stamp_time` was; `written` is looked after elsewhere.
fn foreign_edits(
    dir: &Path,
    base: &BTreeSet<String>,
    written: &BTreeSet<String>,
    stamp_time: (i64, i64),
) -> Result<Foreign> {
    let mut foreign = Foreign::default();
    let here = walk_names(dir)?;
    for path in &here {
        if written.contains(path) {
            continue;
        }
        if !base.contains(path) {
            foreign.added.push(path.clone());
        } else if ctime(&dir.join(path))? > stamp_time {
            foreign.changed.push(path.clone());
        }
    }
    let gone = base
        .difference(&here)
        .filter(|path| !written.contains(*path));
    foreign.changed.extend(gone.cloned());
    Ok(foreign)
}

/// The time at which a file was last changed in any way; unlike the modification time it cannot be
/// set.
/// The first few of many, and how many more there are.
fn abridged(paths: &[String]) -> String {
    const SHOWN_COUNT: usize = 5;
    let shown = paths[..paths.len().min(SHOWN_COUNT)].join(", ");
    match paths.len().saturating_sub(SHOWN_COUNT) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn ctime(path: &Path) -> Result<(i64, i64)> {
    let metadata =
        fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok((metadata.ctime(), metadata.ctime_nsec()))
}

fn walk_names(dir: &Path) -> Result<BTreeSet<String>> {
    Ok(walk(dir)?
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect())
}

fn read_list(path: &Path) -> Result<BTreeSet<String>> {
    let text = read_if_there(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn write_list<'a>(path: &Path, list: impl Iterator<Item = &'a String>) -> Result<()> {
    let text: String = list.flat_map(|line| [line, "\n"]).collect();
    write_if_changed(path, text.as_bytes(), false)?;
    Ok(())
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(content: &str) -> Wanted {
        Wanted {
            content: content.into(),
            executable: false,
        }
    }

    fn home(dir: &Path) -> Home {
        let home = Home::open(dir.to_owned()).unwrap();
        fs::create_dir_all(home.linux.join("init")).unwrap();
        fs::write(home.linux.join("init/Kconfig"), "original\n").unwrap();
        fs::write(home.linux.join("init/main.c"), "main\n").unwrap();
        write_list(&home.base_list, walk_names(&home.linux).unwrap().iter()).unwrap();
        fs::write(&home.stamp, "").unwrap();
        home
    }

    #[test]
    fn a_long_list_is_abridged() {
        let paths: Vec<String> = (1..=7).map(|n| format!("f{n}")).collect();
        assert_eq!(abridged(&paths), "f1, f2, f3, f4, f5 and 2 more");
        assert_eq!(abridged(&paths[..2]), "f1, f2");
    }

    #[test]
    fn the_version_is_read_from_the_makefile() {
        let makefile = "# SPDX\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n";
        assert_eq!(version_of(makefile).unwrap().to_string(), "7.3.4");
        assert_eq!(version_of("all:\n"), None);
    }

    #[test]
    fn a_file_that_the_patch_no_longer_wants_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path());
        let both = [("init/Kconfig", "hooked\n"), ("kernel/new.c", "new\n")]
            .map(|(path, content)| (path.to_owned(), wanted(content)));
        let both = BTreeMap::from(both);
        home.save_originals(&both).unwrap();
        home.write(&both).unwrap();
        assert_eq!(
            fs::read(home.linux.join("init/Kconfig")).unwrap(),
            b"hooked\n"
        );
        assert_eq!(
            home.original("init/Kconfig").unwrap().unwrap(),
            b"original\n"
        );
        assert_eq!(home.original("kernel/new.c").unwrap(), None);

        home.write(&BTreeMap::new()).unwrap();
        assert_eq!(
            fs::read(home.linux.join("init/Kconfig")).unwrap(),
            b"original\n"
        );
        assert!(!home.linux.join("kernel/new.c").exists());
    }

    #[test]
    fn writing_the_same_again_leaves_the_times_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path());
        let one = BTreeMap::from([("kernel/new.c".to_owned(), wanted("new\n"))]);
        home.write(&one).unwrap();
        let before = ctime(&home.linux.join("kernel/new.c")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        home.write(&one).unwrap();
        assert_eq!(ctime(&home.linux.join("kernel/new.c")).unwrap(), before);
    }

    #[test]
    fn foreign_edits_additions_and_removals_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path());
        let find = || {
            foreign_edits(
                &home.linux,
                &read_list(&home.base_list).unwrap(),
                &BTreeSet::new(),
                ctime(&home.stamp).unwrap(),
            )
            .unwrap()
        };
        assert_eq!(find(), Foreign::default());
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(home.linux.join("init/main.c"), "evil\n").unwrap();
        fs::remove_file(home.linux.join("init/Kconfig")).unwrap();
        fs::write(home.linux.join("init/stray"), "").unwrap();
        let foreign = find();
        assert_eq!(foreign.changed, ["init/main.c", "init/Kconfig"]);
        assert_eq!(foreign.added, ["init/stray"]);
    }
}
