// SPDX-License-Identifier: GPL-2.0 OR MIT

//! From the checkout to a kernel image, doing only what has not been done before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

use super::base::Base;
use super::make::Make;
use super::overlay::Overlay;
use super::steps::Steps;
use super::tree::{self, Tree};
use super::{config, source, Flavour, Variant};
use crate::setup::tools::Tools;
use crate::util::command::logged;
use crate::util::files::write_if_changed;
use crate::util::hash::{self, Key};
use crate::util::paths::Paths;

/// A kernel that is built.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
}

/// The compiler that [`instrument_rust`] puts in front of rustc.
const RUSTC_KCSAN: &str = include_str!("rustc-kcsan.sh");

/// Finds a source on which the patch applies, and returns the patched tree.
pub(crate) fn patched_tree(paths: &Paths, base: &Base, user_tree: Option<&Path>) -> Result<Tree> {
    let overlay = Overlay::read(paths)?;
    source::first_accepted(paths, base, user_tree, |source| {
        tree::prepare(paths, base, &overlay, source)
    })
}

/// Builds a variant without the patch, from the same folder: for as long as that takes, the patch is
/// taken back. So the compiler sees the same paths, and what is remembered of other builds serves.
pub(crate) fn build_plain(
    paths: &Paths,
    base: &Base,
    tools: &Tools,
    user_tree: Option<&Path>,
    patched: &Tree,
    variant: Variant,
) -> Result<Kernel> {
    let plain = tree::plain(patched);
    let state = State::of(paths, tools, &plain, variant)?;
    if state.is_built()? {
        return Ok(state.kernel);
    }
    let built = source::first_accepted(paths, base, user_tree, |source| {
        if source.id() != patched.id {
            bail!("the patched tree is of another source, {}", patched.id);
        }
        tree::prepare(paths, base, &Overlay::default(), source)
    })
    .and_then(|plain| build(paths, base, tools, &plain, variant));
    patched_tree(paths, base, user_tree)?;
    built
}

/// Returns the build folder of a tree and a variant.
pub(crate) fn build_dir(paths: &Paths, tree: &Tree, name: &str) -> PathBuf {
    paths
        .cache
        .join("build")
        .join(format!("{}-{name}", tree.id))
}

/// Builds one flavour or variant.
pub(crate) fn build(
    paths: &Paths,
    base: &Base,
    tools: &Tools,
    tree: &Tree,
    variant: impl Into<Variant>,
) -> Result<Kernel> {
    let variant = variant.into();
    let state = State::of(paths, tools, tree, variant)?;
    let old_stamp = state.old_stamp();
    if state.is_built()? {
        return Ok(state.kernel);
    }

    let make = Make::new(tools, &tree.dir, build_dir(paths, tree, variant.name))?;
    config::configure(paths, &make, tree, variant)?;
    let what = format!("building the {} kernel {}", variant.name, tree.version);
    let flavour = variant.flavour.name();
    let estimate = base.steps.get(flavour).copied();
    let estimate = estimate.with_context(|| format!("base.toml: no steps.{flavour}"))?;
    let complete_before = old_stamp.is_some() && state.kernel.image.exists();
    let mut steps = Steps::begin(&what, &make.out, complete_before, estimate)?;
    let log = paths.log(&format!("build-{}", variant.name))?;
    let mut command = make.command(&["bzImage"])?;
    if variant.flavour == Flavour::Kcsan {
        instrument_rust(&make, &mut command)?;
    }
    logged(&mut command, &log, |line| steps.line(line))?;
    steps.done()?;
    fs::write(&state.stamp, state.new_stamp()?)?;
    Ok(state.kernel)
}

/// Builds nothing but the objects in one folder of the kernel, and what they need, such as `rust`;
/// returns the build folder.
pub(crate) fn build_folder(
    paths: &Paths,
    base: &Base,
    tools: &Tools,
    tree: &Tree,
    variant: Variant,
    folder: &str,
) -> Result<PathBuf> {
    let make = Make::new(tools, &tree.dir, build_dir(paths, tree, variant.name))?;
    config::configure(paths, &make, tree, variant)?;
    let what = format!(
        "building {folder} of the {} kernel {}",
        variant.name, tree.version
    );
    let estimate = base.steps.get("folder").copied();
    let estimate = estimate.context("base.toml: no steps.folder")?;
    let stamp = make.out.join(".sigcr-built");
    let mut steps = Steps::begin(&what, &make.out, stamp.exists(), estimate)?;
    let log = paths.log(&format!("build-{}", variant.name))?;
    let target = format!("{folder}/");
    logged(&mut make.command(&[&target])?, &log, |line| {
        steps.line(line)
    })?;
    steps.done()?;
    fs::write(&stamp, "")?;
    Ok(make.out)
}

/// What a build folder has, and what it should have been made from.
struct State {
    kernel: Kernel,
    stamp: PathBuf,
    inputs: String,
    /// A user's tree may have changed anywhere, and only make knows.
    comparable: bool,
}

impl State {
    fn of(paths: &Paths, tools: &Tools, tree: &Tree, variant: Variant) -> Result<Self> {
        let out = build_dir(paths, tree, variant.name);
        let mut inputs = Key::default();
        inputs
            .add(&tree.key)
            .add(config::fragments_key(paths, variant)?)
            .add(&tools.versions_key);
        if variant.flavour == Flavour::Kcsan {
            inputs.add(RUSTC_KCSAN);
        }
        Ok(Self {
            kernel: Kernel {
                image: out.join("arch/x86/boot/bzImage"),
            },
            stamp: out.join(".sigcr-built"),
            inputs: inputs.finish(),
            comparable: !tree.id.starts_with("user-"),
        })
    }

    fn old_stamp(&self) -> Option<String> {
        fs::read_to_string(&self.stamp).ok()
    }

    fn new_stamp(&self) -> Result<String> {
        let image = hash::of_file(&self.kernel.image)?;
        Ok(format!("{} {image}\n", self.inputs))
    }

    fn is_built(&self) -> Result<bool> {
        Ok(self.comparable
            && self.kernel.image.exists()
            && self.old_stamp() == Some(self.new_stamp()?))
    }
}

/// Makes a build instrument Rust code for KCSAN.
fn instrument_rust(make: &Make<'_>, command: &mut Command) -> Result<()> {
    let wrapper = make.out.join("rustc-kcsan");
    write_if_changed(&wrapper, RUSTC_KCSAN.as_bytes(), true)?;
    // Of two assignments on make's command line the later one counts.
    command
        .arg(format!("RUSTC={}", wrapper.display()))
        .env("SIGCR_RUSTC", make.tools.rust.tool("rustc"));
    Ok(())
}
