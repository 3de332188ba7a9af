// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The patch as it is kept here: new files at their kernel paths, and hooks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::hooks::Hook;
use crate::util::files::{read, read_text, walk};
use crate::util::hash::Key;
use crate::util::paths::Paths;

/// A file as it shall be in the patched tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its bytes.
    pub(crate) content: Vec<u8>,
    /// Is it a script?
    pub(crate) executable: bool,
}

/// All of the patch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// New files, by path below the kernel's folder.
    pub(crate) files: BTreeMap<String, Wanted>,
    /// Diffs, by path of their patch file, in the order in which they apply.
    pub(crate) hooks: BTreeMap<String, Hook>,
    /// Changes when any of it does.
    pub(crate) key: String,
}

impl Overlay {
    /// Reads `kernel-patch/`.
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        let patch = paths.patch();
        let mut key = Key::default();
        let mut overlay = Self::default();
        for path in walk_if_there(&patch.join("tree"))? {
            let full = patch.join("tree").join(&path);
            let wanted = Wanted {
                content: read(&full)?,
                executable: full.metadata()?.permissions().mode() & 0o100 != 0,
            };
            key.add(&path)
                .add(&wanted.content)
                .add([wanted.executable.into()]);
            overlay.files.insert(path, wanted);
        }
        for path in walk_if_there(&patch.join("hooks"))? {
            let full = patch.join("hooks").join(&path);
            let text = read_text(&full)?;
            let hook = Hook::parse(&text).with_context(|| format!("{}", full.display()))?;
            key.add(&path).add(&text);
            overlay.hooks.insert(path, hook);
        }
        overlay.key = key.finish();
        Ok(overlay)
    }

    /// Returns all files that differ from the kernel's own, given how to read the latter.
    ///
    /// # Errors
    ///
    /// Names every hook that does not apply and every new file that is there already.
    pub(crate) fn wanted(
        &self,
        original: impl Fn(&str) -> Result<Option<Vec<u8>>>,
    ) -> Result<BTreeMap<String, Wanted>> {
        let mut wanted = self.files.clone();
        let mut refusals = Vec::new();
        for path in self.files.keys() {
            if original(path)?.is_some() {
                refusals.push(format!("{path}: the kernel has this file already"));
            }
        }
        for (patch, hook) in &self.hooks {
            let old = match wanted.get(&hook.target) {
                // Several hooks may add to one file.
                Some(wanted) => Some(wanted.content.clone()),
                None => original(&hook.target)?,
            };
            let applied = old
                .context("the kernel has no such file")
                .and_then(|old| String::from_utf8(old).context("not a text file"))
                .and_then(|old| hook.apply(&old));
            match applied {
                Ok(new) => {
                    let new = Wanted {
                        content: new.into_bytes(),
                        executable: hook.target.ends_with(".sh") || hook.target.ends_with(".pl"),
                    };
                    wanted.insert(hook.target.clone(), new);
                }
                Err(e) => refusals.push(format!("hooks/{patch}: {e}")),
            }
        }
        if refusals.is_empty() {
            return Ok(wanted);
        }
        anyhow::bail!("the patch does not apply:\n  {}", refusals.join("\n  "))
    }
}

fn walk_if_there(dir: &Path) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    walk(dir)?
        .into_iter()
        .map(|path| {
            path.into_os_string()
                .into_string()
                .map_err(|path| anyhow::anyhow!("{}: not UTF-8", path.to_string_lossy()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay() -> Overlay {
        let add = |name: &str| {
            let diff =
                format!("diff --git a/K b/K\n--- a/K\n+++ b/K\n@@ -1 +1,2 @@\n a\n+{name}\n");
            Hook::parse(&diff).unwrap()
        };
        let file = Wanted {
            content: b"new".to_vec(),
            executable: false,
        };
        Overlay {
            files: [("kernel/new.c".to_owned(), file)].into(),
            hooks: [
                ("K.1.patch".to_owned(), add("x")),
                ("K.2.patch".to_owned(), add("y")),
            ]
            .into(),
            key: String::new(),
        }
    }

    #[test]
    fn two_hooks_add_to_one_file() {
        let wanted = overlay()
            .wanted(|path| Ok((path == "K").then(|| b"a\n".to_vec())))
            .unwrap();
        assert_eq!(wanted["K"].content, b"a\ny\nx\n");
        assert_eq!(wanted["kernel/new.c"].content, b"new");
    }

    #[test]
    fn all_that_does_not_apply_is_named() {
        let error = overlay()
            .wanted(|path| Ok((path != "K").then(|| b"a\n".to_vec())))
            .unwrap_err()
            .to_string();
        for part in ["kernel/new.c", "K.1.patch", "K.2.patch"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
