// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel's own selftests that touch signals: which they are, and how they are built for the
//! guest.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Result};

use crate::guest::image::Image;
use crate::kernel::build::build_dir;
use crate::kernel::make::Make;
use crate::kernel::tree::Tree;
use crate::setup::tools::Tools;
use crate::util::command::{capture, logged};
use crate::util::files::read;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// The folders of the kernel's selftests whose programs are run.
pub(super) const FOLDERS: &[&str] = &[
    "breakpoints",
    "clone3",
    "coredump",
    "filesystems/epoll",
    "futex/functional",
    "mqueue",
    "perf_events",
    "pid_namespace",
    "pidfd",
    "ptrace",
    "seccomp",
    "signal",
    "syscall_user_dispatch",
    "timens",
    "timers",
    "x86",
];

/// Programs that are not run, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "breakpoints/step_after_suspend_test",
        "suspends the machine",
    ),
    ("seccomp/seccomp_benchmark", "a benchmark"),
    ("syscall_user_dispatch/sud_benchmark", "a benchmark"),
    (
        "timers/inconsistency-check",
        "only reads clocks, for minutes",
    ),
    ("timers/raw_skew", "only reads clocks, for minutes"),
    ("timers/threadtest", "only reads clocks"),
    (
        "timers/nsleep-lat",
        "measures latencies, which mean nothing in an emulated guest",
    ),
    (
        "timers/set-timer-lat",
        "measures latencies, which mean nothing in an emulated guest",
    ),
    (
        "timers/mqueue-lat",
        "measures latencies, which mean nothing in an emulated guest",
    ),
    (
        "timers/rtcpie",
        "counts interrupts of the clock chip, for minutes",
    ),
];

/// Why a program is not run, if it is not.
fn left_out(name: &str) -> Option<&'static str> {
    let found = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name);
    found.map(|(_, why)| *why)
}

/// Those that take longer than others, and how long they may.
const TIMEOUTS_SECS: &[(&str, u64)] = &[
    ("pidfd/pidfd_poll_test", 300),
    ("pidfd/pidfd_test", 300),
    ("seccomp/seccomp_bpf", 300),
    ("timers/posix_timers", 120),
];

fn timeout_secs(name: &str) -> u64 {
    let own = TIMEOUTS_SECS.iter().find(|(long, _)| *long == name);
    own.map_or(60, |(_, seconds)| *seconds)
}

/// Where the programs are in the guest.
pub(super) const IN_GUEST: &str = "upstream";

/// A program that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// Folder and name.
    pub(super) name: String,
    /// After this many seconds it is killed.
    pub(super) timeout_secs: u64,
}

/// All programs, and what is not among them.
#[derive(Debug, Default)]
pub(super) struct Tests {
    /// Those that can be run.
    pub(super) tests: Vec<Test>,
    /// Those that cannot, by name, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// Files of the guest, by path in it.
    files: Vec<(String, PathBuf)>,
}

/// Builds all programs of the folders from a tree, each statically linked.
pub(super) fn build(paths: &Paths, tools: &Tools, tree: &Tree) -> Result<Tests> {
    let out = build_dir(paths, tree, "upstream");
    let mut progress = Progress::items("building the kernel's selftests", FOLDERS.len() as u64);
    let make = Make::new(tools, &tree.dir, out.join("headers"))?;
    let log = paths.log("upstream-headers")?;
    let stamp = out.join("headers-for");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&tree.key) || tree.id.starts_with("user-")
    {
        logged(&mut make.command(&["headers"])?, &log, |_| {})?;
        fs::write(&stamp, &tree.key)?;
    }
    let mut tests = Tests::default();
    for (index, folder) in FOLDERS.iter().enumerate() {
        progress.message(folder);
        build_folder(paths, tree, &out, folder, &mut tests)?;
        progress.set(index as u64 + 1);
    }
    progress.done();
    if tests.tests.is_empty() {
        bail!("none of the kernel's selftests was built");
    }
    Ok(tests)
}

fn build_folder(
    paths: &Paths,
    tree: &Tree,
    out: &Path,
    folder: &str,
    tests: &mut Tests,
) -> Result<()> {
    let source = tree.dir.join("tools/testing/selftests").join(folder);
    let programs = out.join("static").join(folder);
    fs::create_dir_all(&programs)?;
    let make = |targets: &[&str]| {
        let mut make = std::process::Command::new("make");
        make.arg("--keep-going")
            .arg("-C")
            .arg(&source)
            .args([
                format!("OUTPUT={}", programs.display()),
                format!(
                    "KHDR_INCLUDES=-isystem {}",
                    out.join("headers/usr/include").display()
                ),
                // Not as flags, which those of x86 do not take.
                "CC=gcc -static".to_owned(),
                // Some use offsetof() and take it from a header that does not always have it.
                "USERCFLAGS=-include stddef.h".to_owned(),
                "COLLECTION=test".to_owned(),
            ])
            .args(targets)
            .env("LC_ALL", "C");
        make
    };
    let log = paths.log(&format!("upstream-{}", folder.replace('/', "-")))?;
    // What cannot be built here is found out below.
    let _ = logged(&mut make(&[]), &log, |_| {});
    let announced = announced(&capture(&mut make(&["--silent", "emit_tests"]))?);
    for name in &announced {
        let full = format!("{folder}/{name}");
        let program = programs.join(name);
        let reason = match left_out(&full) {
            Some(why) => Some(why.to_owned()),
            None if source.join(name).exists() => Some("a script".to_owned()),
            None if !program.exists() => Some(first_error(&log, name)),
            None => None,
        };
        match reason {
            Some(reason) => tests.left_out.push((full, reason)),
            None => tests.tests.push(Test {
                timeout_secs: timeout_secs(&full),
                name: full,
            }),
        }
    }
    // All that was built, helpers included.
    for entry in fs::read_dir(&programs)? {
        let path = entry?.path();
        if path.is_file() && read(&path)?.starts_with(b"\x7fELF") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            tests
                .files
                .push((format!("{IN_GUEST}/{folder}/{name}"), path.clone()));
        }
    }
    Ok(())
}

/// The names in the lines `COLLECTION:NAME` of `make emit_tests`.
fn announced(lines: &str) -> BTreeSet<String> {
    lines
        .lines()
        .filter_map(|line| Some(line.strip_prefix("test:")?.to_owned()))
        .collect()
}

/// Why a program could not be built, as far as the log tells.
fn first_error(log: &Path, name: &str) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let mut error = None;
    for line in log.lines() {
        if line.contains("error:") || line.contains("multiple definition") {
            error.get_or_insert(line);
        }
        if line.contains("***") {
            if line.contains(&format!("/{name}]")) {
                break;
            }
            error = None;
        }
    }
    match error {
        Some(error) => format!("cannot be built: {}", error.trim()),
        None => "cannot be built".to_owned(),
    }
}

impl Tests {
    /// Adds all programs to an image.
    pub(super) fn add_to(&self, image: &mut Image) -> Result<()> {
        for (path, file) in &self.files {
            image.add(path, read(file)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_reason() {
        assert_eq!(left_out("seccomp/seccomp_benchmark"), Some("a benchmark"));
        for kept in ["seccomp/seccomp_bpf", "pidfd/pidfd_test"] {
            assert_eq!(left_out(kept), None);
        }
        assert_eq!(
            announced("make: Entering\ntest:a_test\ntest:b.sh\n"),
            ["a_test".to_owned(), "b.sh".to_owned()].into()
        );
    }

    #[test]
    fn the_error_of_a_program_is_the_one_before_make_gives_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let text = "  CC a\na.c:1:1: error: first\na.c:2:1: error: second\n\
                    make: *** [lib.mk:1: /o/a] Error 1\nb.c:1:1: error: of b\n\
                    make: *** [lib.mk:1: /o/b] Error 1\n";
        fs::write(&log, text).unwrap();
        assert_eq!(
            first_error(&log, "a"),
            "cannot be built: a.c:1:1: error: first"
        );
        assert_eq!(
            first_error(&log, "b"),
            "cannot be built: b.c:1:1: error: of b"
        );
        assert_eq!(first_error(&log, "c"), "cannot be built");
    }
}
