// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Hooks: small diffs, additions only, to files that the kernel has already.
//!
//! Since nothing is ever removed, a hunk is context with new lines in it. It applies where its
//! context is found, at the line it names or as near to it as possible, as with `git apply`.

use anyhow::{bail, Context, Result};

/// One diff, for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// The file that it changes, below the kernel's folder.
    pub(crate) target: String,
    /// Why, in words: what is written above the diff.
    pub(crate) prose: String,
    hunks: Vec<Hunk>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    /// Where it begins in the old file, counted from 0.
    start: usize,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Context(String),
    Added(String),
}

impl Hook {
    /// Reads a diff file.
    ///
    /// # Errors
    ///
    /// It is not one diff of one file, it removes or renames something, or its counts are wrong.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().peekable();
        let mut prose = String::new();
        let target = loop {
            let line = lines
                .next()
                .context("no `diff --git` line: this is no diff")?;
            match line.strip_prefix("diff --git ") {
                Some(paths) => break target_of(paths)?,
                None => prose = prose + line + "\n",
            }
        };
        let mut hunks = Vec::new();
        while let Some(line) = lines.next() {
            if line.starts_with("@@ ") {
                hunks.push(Hunk::parse(line, &mut lines)?);
            } else if line.starts_with("diff --git ") {
                bail!("more than one file: a hook changes one");
            } else if !(line.starts_with("--- a/")
                || line.starts_with("+++ b/")
                || line.starts_with("index "))
            {
                bail!("`{line}`: a hook only adds lines to a file that exists");
            }
        }
        if hunks.is_empty() {
            bail!("the diff of {target} has no hunk");
        }
        Ok(Self {
            target,
            prose,
            hunks,
        })
    }

    /// Returns how many lines it adds.
    pub(crate) fn added_count(&self) -> usize {
        let lines = self.hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(|line| matches!(line, Line::Added(_))).count()
    }

    /// Returns the file with the new lines in it.
    ///
    /// # Errors
    ///
    /// A hunk's context is not found.
    pub(crate) fn apply(&self, original: &str) -> Result<String> {
        let old: Vec<&str> = original.split_inclusive('\n').collect();
        let mut new = String::with_capacity(original.len() + 1024);
        let mut taken = 0;
        for hunk in &self.hunks {
            let at = hunk.find(&old, taken).with_context(|| {
                format!(
                    "the context of the hunk for line {} is not in {}",
                    hunk.start + 1,
                    self.target
                )
            })?;
            new.extend(old[taken..at].iter().copied());
            taken = at;
            for line in &hunk.lines {
                match line {
                    Line::Context(_) => {
                        new.push_str(old[taken]);
                        taken += 1;
                    }
                    Line::Added(text) => {
                        new.push_str(text);
                        new.push('\n');
                    }
                }
            }
        }
        new.extend(old[taken..].iter().copied());
        Ok(new)
    }
}

impl Hunk {
    /// Reads the lines behind `@@ -start,old +start,new @@`.
    fn parse<'a>(header: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Self> {
        let bad = || format!("`{header}` is no hunk header");
        let mut words = header.split(' ').skip(1);
        let (start, mut old_count) =
            range(words.next().and_then(|w| w.strip_prefix('-'))).with_context(bad)?;
        let (_, mut new_count) =
            range(words.next().and_then(|w| w.strip_prefix('+'))).with_context(bad)?;
        let mut hunk = Self {
            // A hunk without old lines names the line before it.
            start: if old_count == 0 {
                start
            } else {
                start.saturating_sub(1)
            },
            lines: Vec::new(),
        };
        while old_count > 0 || new_count > 0 {
            let line = lines
                .next()
                .with_context(|| format!("the hunk `{header}` ends early"))?;
            let counts = || format!("the hunk `{header}` has other lines than it counts");
            if line.starts_with('-') {
                bail!("`{line}`: a hook adds lines, it never removes any");
            } else if let Some(text) = line.strip_prefix('+') {
                new_count = new_count.checked_sub(1).with_context(counts)?;
                hunk.lines.push(Line::Added(text.to_owned()));
            } else {
                // Some editors strip the blank of an empty context line.
                let text = line.strip_prefix(' ').unwrap_or(line);
                if !line.is_empty() && !line.starts_with(' ') {
                    bail!("`{line}` is neither context nor an added line");
                }
                old_count = old_count.checked_sub(1).with_context(counts)?;
                new_count = new_count.checked_sub(1).with_context(counts)?;
                hunk.lines.push(Line::Context(text.to_owned()));
            }
        }
        Ok(hunk)
    }

    /// Finds where the context is, at or behind line `from`, nearest to where it should be.
    fn find(&self, old: &[&str], from: usize) -> Option<usize> {
        let context: Vec<&str> = self
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Context(text) => Some(text.as_str()),
                Line::Added(_) => None,
            })
            .collect();
        let last = old.len().checked_sub(context.len())?;
        (from..=last)
            .filter(|&at| {
                old[at..at + context.len()]
                    .iter()
                    .zip(&context)
                    .all(|(old, context)| old.strip_suffix('\n').unwrap_or(old) == *context)
            })
            .min_by_key(|at| at.abs_diff(self.start))
            // Without context any place would do, so the line number has to be right.
            .filter(|_| !context.is_empty() || self.start <= old.len())
            .map(|at| if context.is_empty() { self.start } else { at })
    }
}

fn target_of(paths: &str) -> Result<String> {
    let (old, new) = paths
        .split_once(' ')
        .with_context(|| format!("`diff --git {paths}` names no two files"))?;
    match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
        (Some(old), Some(new)) if old == new => Ok(new.to_owned()),
        _ => bail!("`diff --git {paths}`: not the same file before and after"),
    }
}

fn range(text: Option<&str>) -> Option<(usize, usize)> {
    match text?.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text?.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "one\ntwo\nthree\nfour\nfive\n";
    const DIFF: &str = "Why this is.\n\ndiff --git a/dir/f b/dir/f\nindex 1..2 100644\n\
                        --- a/dir/f\n+++ b/dir/f\n@@ -2,2 +2,3 @@ one\n two\n+new\n three\n";

    #[test]
    fn a_hook_adds_its_line_and_keeps_its_reason() {
        let hook = Hook::parse(DIFF).unwrap();
        assert_eq!(hook.target, "dir/f");
        assert_eq!(hook.prose.trim(), "Why this is.");
        let new = hook.apply(FILE).unwrap();
        assert_eq!(new, "one\ntwo\nnew\nthree\nfour\nfive\n");
    }

    #[test]
    fn a_hook_follows_its_context_when_lines_have_moved() {
        let moved = format!("zero\nzero\nzero\n{FILE}");
        let new = Hook::parse(DIFF).unwrap().apply(&moved).unwrap();
        assert!(new.contains("two\nnew\nthree\n"), "{new}");
    }

    #[test]
    fn a_hook_without_its_context_is_refused() {
        let error = Hook::parse(DIFF).unwrap().apply("one\ntwo\n3\n");
        assert!(error.unwrap_err().to_string().contains("dir/f"));
    }

    #[test]
    fn a_diff_that_removes_a_line_is_refused() {
        let removing = DIFF
            .replace("-2,2 +2,3", "-2,3 +2,3")
            .replace(" three\n", "-three\n four\n");
        let error = Hook::parse(&removing).unwrap_err().to_string();
        assert!(error.contains("never removes"), "{error}");
    }

    #[test]
    fn a_diff_that_makes_or_renames_a_file_is_refused() {
        for (line, with) in [
            ("index 1..2 100644", "new file mode 100644"),
            ("index 1..2 100644", "deleted file mode 100644"),
            ("b/dir/f\nindex", "b/dir/g\nindex"),
            ("--- a/dir/f", "--- /dev/null"),
        ] {
            assert!(Hook::parse(&DIFF.replace(line, with)).is_err(), "{with}");
        }
    }

    #[test]
    fn wrong_counts_in_a_hunk_header_are_refused() {
        assert!(Hook::parse(&DIFF.replace("+2,3", "+2,4")).is_err());
        assert!(Hook::parse(&DIFF.replace("+2,3", "+2,2")).is_err());
    }

    #[test]
    fn lines_are_added_at_the_end_of_a_file() {
        let diff = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -4,2 +4,3 @@\n four\n five\n+six\n";
        let new = Hook::parse(diff).unwrap().apply(FILE).unwrap();
        assert_eq!(new, format!("{FILE}six\n"));
    }
}
