// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The oracle: the kernel's record and the one that is taken by ptrace, of the same processes.

mod random_processes;
mod special;
mod tool;

pub use random_processes::Scope;

use crate::tap::Case;

/// All of them, with as much time as the scope has and the usual limit beyond it.
pub fn all() -> Vec<Case> {
    let with_limit = |case: &Case| Case {
        limit: case.limit + Scope::get().time,
        ..*case
    };
    let cases = [random_processes::CASES, special::CASES, tool::CASES].concat();
    cases.iter().map(with_limit).collect()
}
