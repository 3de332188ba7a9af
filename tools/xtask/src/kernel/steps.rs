// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Counting of make's steps, for an honest progress bar.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::util::files::walk;
use crate::util::progress::Progress;

/// Counts the steps of one build.
pub(crate) struct Steps {
    progress: Progress,
    memory: PathBuf,
    /// Steps that an interrupted build has done before.
    before_count: u64,
    count: u64,
    /// A build that goes on from a complete one has an unknown number of steps.
    from_nothing: bool,
}

impl Steps {
    /// Begins; `estimate` is used when this build folder has never seen a complete build.
    pub(crate) fn begin(
        what: &str,
        out: &Path,
        complete_before: bool,
        estimate: u64,
    ) -> Result<Self> {
        let memory = out.join(".sigcr-steps");
        let expected = fs::read_to_string(&memory)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(estimate);
        let before_count = if complete_before { 0 } else { done_count(out)? };
        let mut progress = if complete_before {
            Progress::spinner(what)
        } else {
            Progress::items(what, expected)
        };
        progress.set(before_count);
        Ok(Self {
            progress,
            memory,
            before_count,
            count: 0,
            from_nothing: !complete_before,
        })
    }

    /// Takes a line that make printed.
    pub(crate) fn line(&mut self, line: &str) {
        let Some(file) = step(line) else {
            return;
        };
        self.count += 1;
        self.progress.set(self.before_count + self.count);
        if self.from_nothing {
            self.progress.message(file);
        } else {
            self.progress
                .message(&format!("{} files, {file}", self.count));
        }
    }

    /// Ends a build that succeeded, and remembers its size if it was one from nothing.
    pub(crate) fn done(self) -> Result<()> {
        self.progress.done();
        if self.from_nothing && self.before_count == 0 {
            fs::write(&self.memory, format!("{}\n", self.count))?;
        }
        Ok(())
    }
}

/// Returns what a line like `  CC      init/main.o` works on.
fn step(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("  ")?;
    let (verb, rest) = rest.split_once(' ')?;
    let is_verb = verb.len() >= 2
        && verb
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_verb.then(|| rest.rsplit(' ').next().unwrap_or(rest))
}

/// Counts the steps that have left a command file.
fn done_count(out: &Path) -> Result<u64> {
    let count = walk(out)?
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .filter(|name| name.starts_with('.') && name.ends_with(".cmd"))
        .count();
    Ok(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_other_lines() {
        assert_eq!(step("  CC      init/main.o"), Some("init/main.o"));
        assert_eq!(step("  RUSTC L rust/kernel.o"), Some("rust/kernel.o"));
        assert_eq!(step("  VDSO2C  arch/x86/x.c"), Some("arch/x86/x.c"));
        for line in [
            "make[1]: Entering",
            "kernel/x.c:1: error: no",
            "  | ^~~",
            "  in file",
            "",
        ] {
            assert_eq!(step(line), None, "{line}");
        }
    }

    #[test]
    fn a_complete_build_is_remembered_and_an_interrupted_one_is_counted() {
        let out = tempfile::tempdir().unwrap();
        let mut steps = Steps::begin("x", out.path(), false, 100).unwrap();
        for line in ["  CC a.o", "make: x", "  CC b.o"] {
            steps.line(line);
        }
        steps.done().unwrap();
        let memory = out.path().join(".sigcr-steps");
        assert_eq!(fs::read_to_string(&memory).unwrap().trim(), "2");

        fs::write(out.path().join(".a.o.cmd"), "").unwrap();
        let mut steps = Steps::begin("x", out.path(), false, 100).unwrap();
        assert_eq!(steps.before_count, 1);
        steps.line("  CC b.o");
        steps.done().unwrap();
        // Half a build says nothing about the size of a whole one.
        assert_eq!(fs::read_to_string(&memory).unwrap().trim(), "2");
    }
}
