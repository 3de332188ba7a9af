// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `tidy`: the rules of this house that a machine can check.

mod imports;
mod layout;
mod partition;
mod scenarios;
pub(crate) mod sources;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::kernel::overlay::Overlay;
use crate::util::files::read;
use crate::util::paths::Paths;
use crate::verbs::access;

/// One place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is wrong and what would be right.
    pub(crate) what: String,
}

impl Violation {
    fn new(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            what: what.into(),
        }
    }
}

/// Runs the verb.
pub(crate) fn run(paths: &Paths) -> Result<u8> {
    let mut violations = Vec::new();
    let files = sources::list(paths)?;
    let mut texts = Vec::new();
    let mut tests = scenarios::Tests::default();
    for path in &files {
        let Ok(text) = String::from_utf8(read(&paths.root.join(path))?) else {
            // Not a text: a golden record, for one.
            continue;
        };
        tests.add(path, &text);
        texts.push((path, text));
    }
    for (path, text) in &texts {
        violations.extend(layout::check(path, text));
        violations.extend(imports::check(path, text));
    }
    let list = texts
        .iter()
        .find(|(path, _)| *path == Path::new(scenarios::LIST));
    violations.extend(scenarios::check(list.map_or("", |(_, text)| text), &tests));
    // Reading them is itself a check: a hook that removes anything is refused.
    let overlay = match Overlay::read(paths) {
        Ok(overlay) => overlay,
        Err(e) => {
            violations.push(Violation::new("kernel-patch", format!("{e:#}")));
            Overlay::default()
        }
    };
    violations.extend(partition::check_hooks(&overlay));
    violations.extend(partition::check_series(paths, &overlay)?);
    violations.extend(partition::check_links(paths)?);
    if let Some(what) = access::violation(paths)? {
        violations.push(Violation::new(access::DOCUMENT, what));
    }
    for violation in &violations {
        println!("{}: {}", violation.path.display(), violation.what);
    }
    match violations.len() {
        0 => println!("tidy: {} files, clean", files.len()),
        count => println!("tidy: {count} violations in {} files", files.len()),
    }
    Ok(u8::from(!violations.is_empty()))
}
