// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The guest: its programs, its image, its emulator, and what came of a boot.

pub(crate) mod accel;
pub(crate) mod boot;
pub(crate) mod console;
pub(crate) mod cpio;
pub(crate) mod elf;
#[cfg(test)]
mod harness_tests;
pub(crate) mod image;
pub(crate) mod programs;
pub(crate) mod qemu;
pub(crate) mod races;
pub(crate) mod session;
pub(crate) mod terminal;
pub(crate) mod verdict;
