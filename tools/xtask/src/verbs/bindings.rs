// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `bindings`: the raw bindings, generated from the UAPI header and committed.

use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::kernel::base::Base;
use crate::setup;
use crate::util::command::capture;
use crate::util::files::{read_text, write_if_changed};
use crate::util::lock::Lock;
use crate::util::paths::Paths;

const BINDINGS: &str = "rust-sys/src/bindings.rs";
const HEADER: &str = "kernel-patch/tree/include/uapi/linux/sigcr.h";

/// Runs the verb.
pub(crate) fn run(paths: &Paths, check: bool) -> Result<u8> {
    let fresh = generate(paths)?;
    let path = paths.root.join(BINDINGS);
    if !check {
        if write_if_changed(&path, fresh.as_bytes(), false)? {
            println!("{BINDINGS} has changed");
        }
        return Ok(0);
    }
    let committed = read_text(&path)?;
    if committed != fresh {
        bail!(
            "{BINDINGS} is not what {HEADER} gives (first difference in line {}); \
             run `cargo xtask bindings` and commit the result",
            first_difference(&committed, &fresh)
        );
    }
    Ok(0)
}

/// Returns the bindings that the header gives now.
fn generate(paths: &Paths) -> Result<String> {
    let lock = Lock::take(paths)?;
    let base = Base::read(paths)?;
    let tools = setup::ensure(paths, &base)?;
    drop(lock);
    let version = capture(Command::new(&tools.bindgen).arg("--version"))?;
    if !version.contains(&base.tools.bindgen_cli) {
        eprintln!(
            "note: made with {}, while the committed file is made with {}",
            version.trim(),
            base.tools.bindgen_cli
        );
    }
    let mut bindgen = Command::new(&tools.bindgen);
    bindgen
        .arg(paths.root.join(HEADER))
        .args([
            "--use-core",
            "--rust-target",
            "1.85",
            "--rust-edition",
            "2021",
        ])
        .args(["--allowlist-type", "sigcr_.*"])
        .args(["--allowlist-var", "(SIGCR|SIGCKPT|SIGRESTORE)_.*"])
        .args(["--default-macro-constant-type", "unsigned"])
        .args([
            "--raw-line",
            "// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note",
        ])
        .args(["--raw-line", ""])
        .args([
            "--raw-line",
            "//! Generated from `include/uapi/linux/sigcr.h` by `cargo xtask bindings`.",
        ])
        .arg("--disable-header-comment")
        .arg("--")
        // The kernel's own comments have no doxygen marks.
        .args(["-fparse-all-comments", "-I"])
        .arg(paths.patch().join("tree/include/uapi"))
        .env("LIBCLANG_PATH", tools.llvm_bin.join("../lib"))
        .env("RUSTFMT", tools.rust.tool("rustfmt"));
    capture(&mut bindgen).context("cannot generate the bindings")
}

fn first_difference(a: &str, b: &str) -> usize {
    let same = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
    same + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_counted_from_1() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), 2);
        assert_eq!(first_difference("a\n", "a\nb\n"), 2);
    }
}
