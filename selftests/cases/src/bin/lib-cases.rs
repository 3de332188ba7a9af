// SPDX-License-Identifier: GPL-2.0 OR MIT

//! End-to-end cases of the library. Prints TAP; an argument chooses cases by a part of their name.

use std::process::ExitCode;

fn main() -> ExitCode {
    let filter = std::env::args().nth(1);
    cases::tap::with_calls(|| cases::tap::run(&cases::lib_cases::all(), filter.as_deref()))
}
