// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The verbs, one file each: what the program does, in the order in which it does it.

pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod diff;
pub(crate) mod probe;
pub(crate) mod restore;
pub(crate) mod show;
