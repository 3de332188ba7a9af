// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel's make, always called in the same way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::tools::Tools;

/// How to call make for one tree and one build folder.
pub(crate) struct Make<'a> {
    /// The compilers.
    pub(crate) tools: &'a Tools,
    tree: &'a Path,
    /// The build folder.
    pub(crate) out: PathBuf,
}

impl<'a> Make<'a> {
    /// Makes the build folder if need be.
    pub(crate) fn new(tools: &'a Tools, tree: &'a Path, out: PathBuf) -> Result<Self> {
        fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
        Ok(Self { tools, tree, out })
    }

    /// Returns the command that makes `targets`.
    pub(crate) fn command(&self, targets: &[&str]) -> Result<Command> {
        let mut make = self.bare_command()?;
        let rust = |variable: &str, tool: &str| {
            format!("{variable}={}", self.tools.rust.tool(tool).display())
        };
        make.arg("-C").arg(self.tree).args([
            format!("-j{}", jobs_count()),
            format!("O={}", self.out.display()),
            "ARCH=x86_64".to_owned(),
            rust("RUSTC", "rustc"),
            rust("RUSTDOC", "rustdoc"),
            rust("RUSTFMT", "rustfmt"),
            rust("CLIPPY_DRIVER", "clippy-driver"),
            format!("BINDGEN={}", self.tools.bindgen.display()),
            // The same source gives the same image, whoever builds it and when.
            "KBUILD_BUILD_TIMESTAMP=1970-01-01".to_owned(),
            "KBUILD_BUILD_USER=sigcr".to_owned(),
            "KBUILD_BUILD_HOST=sigcr".to_owned(),
        ]);
        make.args(targets);
        Ok(make)
    }

    /// Returns a make with the compilers chosen and nothing else.
    pub(crate) fn bare_command(&self) -> Result<Command> {
        let mut make = Command::new("make");
        // LLVM's own objcopy cannot make the x32 vdso out of the 64-bit one.
        make.args(["LLVM=1", "OBJCOPY=objcopy"])
            .env("LC_ALL", "C")
            .env("PATH", self.tools.search_path()?)
            // Some build scripts are Python; the tree shall hold sources only.
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(dir) = &self.tools.ccache_dir {
            make.arg("CC=ccache clang").env("CCACHE_DIR", dir);
        }
        Ok(make)
    }
}

/// One more than there are processors, for those that wait for the disk.
fn jobs_count() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get() + 1)
}
