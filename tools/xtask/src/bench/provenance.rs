// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What figures were made with: other versions give other figures.

use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::setup::tools::Tools;
use crate::util::command::capture;

/// Versions of all that a count depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provenance {
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Compiler of the kernel's Rust code.
    pub(crate) kernel_rustc: String,
    /// Compiler of the kernel's C code.
    pub(crate) kernel_clang: String,
    /// Compiler of the library and of the bench.
    pub(crate) rustc: String,
    /// The emulator, whose processor decides which code the kernel and the C library use.
    pub(crate) qemu: String,
}

impl Provenance {
    /// The versions of this host; of the kernel the guest will tell.
    pub(crate) fn of_host(tools: &Tools) -> Result<Self> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Ok(Self {
            kernel: String::new(),
            kernel_rustc: version(&mut Command::new(tools.rust.tool("rustc")))?,
            kernel_clang: version(&mut Command::new(tools.llvm_bin.join("clang")))?,
            rustc: version(&mut Command::new(rustc))?,
            qemu: version(&mut Command::new(&tools.qemu))?,
        })
    }

    /// What is not the same here as there: name, value here, value there.
    pub(crate) fn differences<'a>(&'a self, other: &'a Self) -> Vec<(&'a str, &'a str, &'a str)> {
        self.entries()
            .into_iter()
            .zip(other.entries())
            .filter(|(here, there)| here != there)
            .map(|((name, here), (_, there))| (name, here, there))
            .collect()
    }

    /// All names and values.
    pub(crate) fn entries(&self) -> [(&str, &str); 5] {
        [
            ("kernel", &self.kernel),
            ("its Rust compiler", &self.kernel_rustc),
            ("its C compiler", &self.kernel_clang),
            ("the library's compiler", &self.rustc),
            ("emulator", &self.qemu),
        ]
    }
}

/// The first line that a program says of itself, which holds its version.
fn version(program: &mut Command) -> Result<String> {
    let text = capture(program.arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
