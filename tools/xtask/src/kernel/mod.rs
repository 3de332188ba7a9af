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

/// Which of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    /// What a user would run.
    Product,
    /// With every checker that can find a mistake: KASAN, lockdep, UBSAN, kmemleak and more.
    Debug,
    /// With the detector of races, KCSAN, which excludes KASAN.
    Kcsan,
}

impl Flavour {
    /// Those that all guest programs are tested in.
    pub(crate) const TESTED: [Self; 2] = [Self::Product, Self::Debug];

    /// Its name in commands, folders and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Debug => "debug",
            Self::Kcsan => "kcsan",
        }
    }
}

/// How a kernel is configured: as one of the flavours, or in a variation of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    /// Its name in folders and messages.
    pub(crate) name: &'static str,
    /// What it is made from.
    pub(crate) flavour: Flavour,
    /// Symbols that it does not have.
    pub(crate) left_out: &'static [&'static str],
}

impl From<Flavour> for Variant {
    fn from(flavour: Flavour) -> Self {
        Self {
            name: flavour.name(),
            flavour,
            left_out: &[],
        }
    }
}
