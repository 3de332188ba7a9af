// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Compiles the programs in C that tests stop and look at.

use std::path::Path;
use std::process::Command;

/// Compiles `tests/SOURCE` to `program`.
pub(crate) fn compile(source: &str, program: &Path) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let status = Command::new("cc")
        .args(["-Wall", "-Werror", "-pthread", "-o"])
        .arg(program)
        .arg(tests.join(source))
        .status()
        .unwrap();
    assert!(status.success());
}
