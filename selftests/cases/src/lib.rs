// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Guest programs: the demo, and the end-to-end cases of the library and of the command line tool.
//!
//! Every program here is a static binary that runs as root in a guest with nothing else in it.

pub mod agree;
pub mod cli_cases;
pub mod compare;
pub mod demo;
pub mod extras;
pub mod filter;
pub mod fuzz_cases;
pub mod lib_cases;
pub mod oracle_cases;
pub mod program;
pub mod random;
pub mod restored;
pub mod subject;
pub mod sys;
pub mod tap;
pub mod tool;
