// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel: its source, the patched tree, the configuration, the build.

pub(crate) mod archive;
pub(crate) mod base;
pub(crate) mod build;
pub(crate) mod config;
pub(crate) mod hooks;
pub(crate) mod make;
pub(crate) mod overlay;
pub(crate) mod source;
mod steps;
pub(crate) mod tree;

use clap::ValueEnum;

/// Which of the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    /// What a user would run.
    Product,
    /// With every checker that can find a mistake: KASAN, lockdep, UBSAN, kmemleak and more.
    Debug,
}

impl Flavour {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Product, Self::Debug];

    /// Its name in commands, folders and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Debug => "debug",
        }
    }
}
