// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The verbs of the command line, and the steps that they share.

pub(crate) mod access;
pub(crate) mod bench;
pub(crate) mod bindings;
pub(crate) mod boot;
pub(crate) mod demo;
pub(crate) mod fuzz;
pub(crate) mod harmless;
pub(crate) mod kernel;
mod long;
pub(crate) mod soak;
pub(crate) mod test;

use anyhow::Result;

use crate::cli::TreeArgs;
use crate::kernel::base::Base;
use crate::kernel::build::{self, Kernel};
use crate::kernel::tree::Tree;
use crate::kernel::Flavour;
use crate::setup::{self, tools::Tools};
use crate::util::lock::Lock;
use crate::util::paths::Paths;

/// Exit status when the guest, and not a program in it, is what failed.
pub(crate) const STATUS_GUEST: u8 = 125;

/// A host on which kernels can be built.
pub(crate) struct Workshop {
    /// The places.
    pub(crate) paths: Paths,
    /// What the patch is made for.
    pub(crate) base: Base,
    /// The tools.
    pub(crate) tools: Tools,
    /// The patched tree.
    pub(crate) tree: Tree,
    /// Nobody else changes the cache.
    _lock: Lock,
}

impl Workshop {
    /// Does all set-up up to the patched tree.
    pub(crate) fn open(paths: &Paths, args: &TreeArgs) -> Result<Self> {
        let lock = Lock::take(paths)?;
        let base = Base::read(paths)?;
        let tools = setup::ensure(paths, &base)?;
        let tree = build::patched_tree(paths, &base, args.tree.as_deref())?;
        Ok(Self {
            paths: paths.clone(),
            base,
            tools,
            tree,
            _lock: lock,
        })
    }

    /// Builds a kernel.
    pub(crate) fn kernel(&self, flavour: Flavour) -> Result<Kernel> {
        build::build(&self.paths, &self.base, &self.tools, &self.tree, flavour)
    }
}
