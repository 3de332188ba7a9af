// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Rules for the patch as a whole: every file belongs to one commit, hooks are where they say, the
//! shared decoder is one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Violation;
use crate::kernel::overlay::Overlay;
use crate::util::files::{read_text, walk};
use crate::util::paths::Paths;

/// A hook is a seam, not a place for logic.
const HOOK_ADDED_COUNT_MAX: usize = 30;

/// The files that user space shares with the kernel, and where the truth is.
const LINKS: [(&str, &str); 2] = [
    (
        "libsigcr/src/record.rs",
        "kernel-patch/tree/kernel/sigcr/record.rs",
    ),
    (
        "libsigcr/src/record",
        "kernel-patch/tree/kernel/sigcr/record",
    ),
];

/// Checks that each hook lies where its target is, says why it is there, and is small.
pub(crate) fn check_hooks(overlay: &Overlay) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, hook) in &overlay.hooks {
        let mut found = |what: String| {
            violations.push(Violation::new(format!("kernel-patch/hooks/{path}"), what));
        };
        let mirrored = path.strip_suffix(".patch").is_some_and(|stem| {
            stem == hook.target || stem.starts_with(&format!("{}.", hook.target))
        });
        if !mirrored {
            found(format!("a hook for {0} is called {0}.patch", hook.target));
        }
        if hook.prose.trim().is_empty() {
            found("say above the diff, in a sentence, why it is needed".to_owned());
        }
        if hook.added_count() > HOOK_ADDED_COUNT_MAX {
            found(format!(
                "adds {} lines; more than {HOOK_ADDED_COUNT_MAX} belong into a file of their own",
                hook.added_count()
            ));
        }
    }
    violations
}

/// Checks that each file of the patch is claimed by exactly one commit of the series.
pub(crate) fn check_series(paths: &Paths, overlay: &Overlay) -> Result<Vec<Violation>> {
    let dir = paths.patch().join("series");
    let mut series = BTreeMap::new();
    if dir.exists() {
        for path in walk(&dir)? {
            series.insert(
                path.to_string_lossy().into_owned(),
                read_text(&dir.join(&path))?,
            );
        }
    }
    Ok(partition(overlay, &series))
}

fn partition(overlay: &Overlay, series: &BTreeMap<String, String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut owners: BTreeMap<String, Vec<&str>> = overlay
        .files
        .keys()
        .map(|path| format!("tree/{path}"))
        .chain(overlay.hooks.keys().map(|path| format!("hooks/{path}")))
        .map(|path| (path, Vec::new()))
        .collect();
    for (commit, text) in series {
        for claim in claims(text) {
            match owners.get_mut(claim) {
                Some(owners) => owners.push(commit),
                None => violations.push(Violation::new(
                    format!("kernel-patch/series/{commit}"),
                    format!("claims {claim}, which does not exist"),
                )),
            }
        }
    }
    for (path, owners) in owners {
        let what = match owners.len() {
            1 => continue,
            0 => "no commit of kernel-patch/series claims it".to_owned(),
            _ => format!("claimed by {}", owners.join(" and ")),
        };
        violations.push(Violation::new(format!("kernel-patch/{path}"), what));
    }
    violations
}

/// Returns the paths that follow the line `---` of a commit's text.
fn claims(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip_while(|line| *line != "---")
        .skip(1)
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Checks that user space compiles the kernel's own decoder and not a copy of it.
pub(crate) fn check_links(paths: &Paths) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for (link, target) in LINKS {
        if paths.root.join(target).exists() {
            violations.extend(check_link(&paths.root, link, target));
        }
    }
    Ok(violations)
}

fn check_link(root: &Path, link: &str, target: &str) -> Option<Violation> {
    let full = root.join(link);
    let points_to = fs::read_link(&full).ok().filter(|to| to.is_relative());
    let right =
        points_to.is_some() && full.canonicalize().ok() == root.join(target).canonicalize().ok();
    (!right).then(|| {
        Violation::new(
            link,
            format!("must be a relative symbolic link to {target}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::hooks::Hook;
    use crate::kernel::overlay::Wanted;

    fn overlay(prose: &str, added_count: usize) -> Overlay {
        let added = "+x\n".repeat(added_count);
        let diff = format!(
            "{prose}\ndiff --git a/init/K b/init/K\n--- a/init/K\n+++ b/init/K\n@@ -1 +1,{} @@\n a\n{added}",
            added_count + 1
        );
        let file = Wanted {
            content: Vec::new(),
            executable: false,
        };
        Overlay {
            files: [("kernel/new.c".to_owned(), file)].into(),
            hooks: [("init/K.patch".to_owned(), Hook::parse(&diff).unwrap())].into(),
            key: String::new(),
        }
    }

    fn series(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_patch_whose_files_have_one_commit_each_is_in_order() {
        let all = series(&[
            ("1.txt", "subject\n\nbody\n---\ntree/kernel/new.c\n"),
            ("2.txt", "subject\n---\nhooks/init/K.patch\n"),
        ]);
        assert!(partition(&overlay("Why.", 1), &all).is_empty());
    }

    #[test]
    fn unclaimed_doubly_claimed_and_missing_files_are_found() {
        let all = series(&[
            ("1.txt", "s\n---\ntree/kernel/new.c\ntree/gone.c\n"),
            ("2.txt", "s\n---\ntree/kernel/new.c\n"),
        ]);
        let found: Vec<String> = partition(&overlay("Why.", 1), &all)
            .into_iter()
            .map(|violation| violation.what)
            .collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|what| what.contains("tree/gone.c")));
        assert!(found.iter().any(|what| what.contains("1.txt and 2.txt")));
        assert!(found.iter().any(|what| what.starts_with("no commit")));
    }

    #[test]
    fn a_hook_without_a_reason_or_in_the_wrong_place_or_too_big_is_found() {
        assert!(check_hooks(&overlay("Why.", 1)).is_empty());
        assert_eq!(check_hooks(&overlay("", 1)).len(), 1);
        assert_eq!(
            check_hooks(&overlay("Why.", HOOK_ADDED_COUNT_MAX + 1)).len(),
            1
        );
        let mut moved = overlay("Why.", 1);
        let hook = moved.hooks.remove("init/K.patch").unwrap();
        moved.hooks.insert("kernel/K.patch".to_owned(), hook);
        assert_eq!(check_hooks(&moved).len(), 1);
    }

    #[test]
    fn a_copy_in_place_of_the_link_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/truth.rs"), "x").unwrap();
        let check = || check_link(dir.path(), "link.rs", "a/truth.rs");
        assert!(check().is_some());
        fs::write(dir.path().join("link.rs"), "x").unwrap();
        assert!(check().is_some());
        fs::remove_file(dir.path().join("link.rs")).unwrap();
        std::os::unix::fs::symlink("a/truth.rs", dir.path().join("link.rs")).unwrap();
        assert!(check().is_none());
    }
}
