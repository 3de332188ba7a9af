// SPDX-License-Identifier: GPL-2.0 OR MIT

//! End-to-end cases of the command line tool. Prints TAP; an argument chooses cases by name.

use std::process::ExitCode;

fn main() -> ExitCode {
    let filter = std::env::args().nth(1);
    cases::tap::with_calls(|| cases::tap::run(&cases::cli_cases::all(), filter.as_deref()))
}
