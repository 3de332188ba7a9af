// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel side, checked as its maintainers would: rustfmt, clippy, W=1, checkpatch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::kernel::build::build_dir;
use crate::kernel::make::Make;
use crate::kernel::overlay::Overlay;
use crate::kernel::{config, Flavour};
use crate::util::command::{capture, logged};
use crate::util::hash::Key;
use crate::util::progress::Progress;
use crate::verbs::Workshop;

/// What checkpatch says of every hook or file taken by itself, and does not of the series.
const NOT_OF_THE_SERIES: &str =
    "COMMIT_MESSAGE,MISSING_SIGN_OFF,FILE_PATH_CHANGES,NO_AUTHOR_SIGN_OFF,COMMIT_LOG_LONG_LINE";

/// Returns what is wrong, in words.
pub(crate) fn check(workshop: &Workshop) -> Result<Vec<String>> {
    let overlay = Overlay::read(&workshop.paths)?;
    let mut failures = Vec::new();
    failures.extend(rustfmt(workshop, &overlay));
    failures.extend(checkpatch(workshop, &overlay));
    failures.extend(compilers(workshop, &overlay)?);
    Ok(failures)
}

fn rustfmt(workshop: &Workshop, overlay: &Overlay) -> Vec<String> {
    let files: Vec<&String> = overlay
        .files
        .keys()
        .filter(|path| path.ends_with(".rs"))
        .collect();
    if files.is_empty() {
        return Vec::new();
    }
    let mut rustfmt = Command::new(workshop.tools.rust.tool("rustfmt"));
    rustfmt
        .args(["--check", "--edition", "2021", "--config-path"])
        .arg(workshop.tree.dir.join(".rustfmt.toml"))
        .args(files)
        // The paths in its messages are then those of the sources.
        .current_dir(workshop.paths.patch().join("tree"));
    capture(&mut rustfmt)
        .err()
        .map(|e| e.to_string())
        .into_iter()
        .collect()
}

fn checkpatch(workshop: &Workshop, overlay: &Overlay) -> Vec<String> {
    let patch = workshop.paths.patch();
    let c_files = overlay
        .files
        .keys()
        .filter(|path| path.ends_with(".c") || path.ends_with(".h"))
        .map(|path| (vec!["--file"], patch.join("tree").join(path)));
    let hooks = overlay
        .hooks
        .keys()
        .map(|path| (vec![], patch.join("hooks").join(path)));
    c_files
        .chain(hooks)
        .filter_map(|(args, path)| checkpatch_one(workshop, &args, &path))
        .collect()
}

fn checkpatch_one(workshop: &Workshop, args: &[&str], path: &Path) -> Option<String> {
    let mut checkpatch = Command::new("perl");
    checkpatch
        .arg(workshop.tree.dir.join("scripts/checkpatch.pl"))
        .args([
            "--no-tree",
            "--strict",
            "--terse",
            "--no-summary",
            "--show-types",
            "--quiet",
        ])
        .args(["--ignore", NOT_OF_THE_SERIES])
        .args(args)
        .arg(path);
    match capture(&mut checkpatch) {
        Ok(text) if text.trim().is_empty() => None,
        Ok(text) => Some(format!("checkpatch: {text}")),
        Err(e) => Some(e.to_string()),
    }
}

/// Compiles our objects with clippy and all extra warnings of the C compiler.
fn compilers(workshop: &Workshop, overlay: &Overlay) -> Result<Vec<String>> {
    let objects = object_folders(overlay);
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    let tree = &workshop.tree;
    let out = build_dir(&workshop.paths, tree, "lint");
    let make = Make::new(&workshop.tools, &tree.dir, out)?;
    let stamp = make.out.join(".sigcr-linted");
    let key = Key::default()
        .add(&tree.key)
        .add(config::fragments_key(&workshop.paths, Flavour::Product)?)
        .add(&workshop.tools.versions_key)
        .finish();
    if fs::read_to_string(&stamp).ok().as_deref() == Some(&key) {
        return Ok(Vec::new());
    }
    config::configure(&workshop.paths, &make, tree, Flavour::Product)?;
    let mut progress = Progress::spinner("compiling the kernel side with all warnings");
    let log = workshop.paths.log("lint-kernel")?;
    logged(&mut make.command(&["CLIPPY=1", "prepare"])?, &log, |line| {
        progress.message(line.trim())
    })?;
    // A warning comes only when something is compiled, so what is ours must be.
    for object in our_objects(&make.out, overlay)? {
        fs::remove_file(object)?;
    }
    let mut targets = vec!["CLIPPY=1", "W=1"];
    targets.extend(objects.iter().map(String::as_str));
    let mut warnings = Warnings::new(overlay);
    let result = logged(&mut make.command(&targets)?, &log, |line| {
        progress.message(line.trim());
        warnings.line(line);
    });
    progress.done();
    let mut failures = warnings.found;
    failures.extend(result.err().map(|e| format!("{e:#}")));
    if failures.is_empty() {
        fs::write(&stamp, key)?;
    }
    Ok(failures)
}

/// Returns what to make: folders that are all ours, and single objects elsewhere.
fn object_folders(overlay: &Overlay) -> Vec<String> {
    let has = |start: &str, end: &str| {
        overlay
            .files
            .keys()
            .any(|path| path.starts_with(start) && path.ends_with(end))
    };
    let mut targets = Vec::new();
    if has("rust/kernel/", ".rs") {
        targets.push("rust/kernel.o".to_owned());
    }
    if has("kernel/sigcr/", "Makefile") {
        targets.push("kernel/sigcr/".to_owned());
    }
    targets
}

/// Returns the objects of an earlier run that are made from our files.
fn our_objects(out: &Path, overlay: &Overlay) -> Result<Vec<PathBuf>> {
    let mut objects: Vec<PathBuf> = overlay
        .files
        .keys()
        .filter_map(|path| path.strip_suffix(".c").or(path.strip_suffix(".rs")))
        .map(|stem| out.join(format!("{stem}.o")))
        .collect();
    objects.push(out.join("rust/kernel.o"));
    objects.retain(|object| object.exists());
    Ok(objects)
}

/// Picks the warnings about our files out of the compilers' output.
struct Warnings {
    files: Vec<String>,
    /// The last line that announced a warning, which for Rust comes before the place.
    announced: Option<String>,
    found: Vec<String>,
}

impl Warnings {
    fn new(overlay: &Overlay) -> Self {
        Self {
            files: overlay.files.keys().cloned().collect(),
            announced: None,
            found: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let is_ours = self
            .files
            .iter()
            .any(|file| line.contains(&format!("{file}:")));
        if line.starts_with("warning: ")
            || line.starts_with("error: ")
            || line.starts_with("error[")
        {
            self.announced = Some(line.to_owned());
        } else if let (Some(place), Some(announced)) =
            (line.trim_start().strip_prefix("--> "), &self.announced)
        {
            if is_ours {
                self.found.push(format!("{place}: {announced}"));
            }
            self.announced = None;
        } else if is_ours && (line.contains(": warning: ") || line.contains(": error: ")) {
            self.found.push(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::overlay::Wanted;

    fn overlay() -> Overlay {
        let wanted = Wanted {
            content: Vec::new(),
            executable: false,
        };
        let mut overlay = Overlay::default();
        for path in ["kernel/sigcr/syscalls.c", "kernel/sigcr/record.rs"] {
            overlay.files.insert(path.to_owned(), wanted.clone());
        }
        overlay
    }

    fn warnings(output: &str) -> Vec<String> {
        let mut warnings = Warnings::new(&overlay());
        output.lines().for_each(|line| warnings.line(line));
        warnings.found
    }

    #[test]
    fn warnings_about_our_c_and_rust_files_are_found() {
        let output = "/t/kernel/sigcr/syscalls.c:10:5: warning: unused variable 'x' [-Wunused]\n\
                      warning: this `if` can be collapsed\n   --> /t/kernel/sigcr/record.rs:7:1\n";
        let found = warnings(output);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].contains("record.rs:7:1") && found[1].contains("collapsed"));
    }

    #[test]
    fn warnings_about_the_rest_of_the_kernel_are_not_ours() {
        let output = "/t/kernel/fork.c:10:5: warning: unused variable 'x'\n\
                      warning: unreachable pub\n   --> /t/rust/kernel/lib.rs:7:1\n\
                      \x20  ::: /t/kernel/sigcr/record.rs:7:1\n";
        assert!(warnings(output).is_empty());
    }

    #[test]
    fn only_what_the_overlay_has_is_made() {
        assert!(object_folders(&overlay()).is_empty());
        let mut with = overlay();
        let makefile = with.files["kernel/sigcr/record.rs"].clone();
        with.files
            .insert("kernel/sigcr/Makefile".into(), makefile.clone());
        with.files.insert("rust/kernel/signal.rs".into(), makefile);
        assert_eq!(object_folders(&with), ["rust/kernel.o", "kernel/sigcr/"]);
    }
}
