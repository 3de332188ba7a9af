// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Small things that all verbs use: places, processes, progress, hashes, the lock.

pub(crate) mod command;
pub(crate) mod files;
pub(crate) mod hash;
pub(crate) mod lock;
pub(crate) mod marks;
pub(crate) mod paths;
pub(crate) mod progress;
pub(crate) mod version;
