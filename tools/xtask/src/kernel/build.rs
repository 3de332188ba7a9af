// SPDX-License-Identifier: GPL-2.0 OR MIT

//! From the checkout to a kernel image, doing only what has not been done before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::base::Base;
use super::make::Make;
use super::overlay::Overlay;
use super::steps::Steps;
use super::tree::{self, Tree};
use super::{config, source, Flavour};
use crate::setup::tools::Tools;
use crate::util::command::logged;
use crate::util::hash::{self, Key};
use crate::util::paths::Paths;

/// A kernel that is built.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
}

/// Finds a source on which the patch applies, and returns the patched tree.
pub(crate) fn patched_tree(paths: &Paths, base: &Base, user_tree: Option<&Path>) -> Result<Tree> {
    let overlay = Overlay::read(paths)?;
    source::first_accepted(paths, base, user_tree, |source| {
        tree::prepare(paths, base, &overlay, source)
    })
}

/// Returns the build folder of a tree and flavour.
pub(crate) fn build_dir(paths: &Paths, tree: &Tree, name: &str) -> PathBuf {
    paths
        .cache
        .join("build")
        .join(format!("{}-{name}", tree.id))
}

/// Builds one flavour.
pub(crate) fn build(
    paths: &Paths,
    base: &Base,
    tools: &Tools,
    tree: &Tree,
    flavour: Flavour,
) -> Result<Kernel> {
    let make = Make::new(tools, &tree.dir, build_dir(paths, tree, flavour.name()))?;
    let kernel = Kernel {
        image: make.out.join("arch/x86/boot/bzImage"),
    };
    let stamp = make.out.join(".sigcr-built");
    let inputs = Key::default()
        .add(&tree.key)
        .add(config::fragments_key(paths, flavour)?)
        .add(&tools.versions_key)
        .finish();
    let stamp_for_image =
        || -> Result<String> { Ok(format!("{inputs} {}\n", hash::of_file(&kernel.image)?)) };
    let old_stamp = fs::read_to_string(&stamp).ok();
    // A user's tree may have changed anywhere, and only make knows.
    let comparable = !tree.id.starts_with("user-");
    if comparable && kernel.image.exists() && old_stamp == Some(stamp_for_image()?) {
        return Ok(kernel);
    }

    config::configure(paths, &make, tree, flavour)?;
    let what = format!("building the {} kernel {}", flavour.name(), tree.version);
    let estimate = base.steps.get(flavour.name()).copied();
    let estimate = estimate.with_context(|| format!("base.toml: no steps.{}", flavour.name()))?;
    let complete_before = old_stamp.is_some() && kernel.image.exists();
    let mut steps = Steps::begin(&what, &make.out, complete_before, estimate)?;
    let log = paths.log(&format!("build-{}", flavour.name()))?;
    logged(&mut make.command(&["bzImage"])?, &log, |line| {
        steps.line(line)
    })?;
    steps.done()?;
    fs::write(&stamp, stamp_for_image()?)?;
    Ok(kernel)
}
