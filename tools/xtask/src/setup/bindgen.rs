// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The binding generator: the host's if it is new enough, else one built into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::crates::Crate;
use super::tools;
use crate::kernel::base::ToolsBase;
use crate::util::command::capture;
use crate::util::paths::Paths;
use crate::util::version::Version;

/// Returns the path of a usable `bindgen`.
pub(crate) fn ensure(paths: &Paths, base: &ToolsBase) -> Result<PathBuf> {
    let min = Version::parse(&base.bindgen_min).context("base.toml: tools.bindgen_min")?;
    let tool = Crate {
        name: "bindgen-cli",
        version: &base.bindgen_cli,
        program: "bindgen",
    };
    let own = tool.path(paths)?;
    let here = [Some(own.clone()), tools::on_path("bindgen")];
    if let Some(usable) = here.into_iter().flatten().find(|p| is_new_enough(p, &min)) {
        return Ok(usable);
    }
    let llvm_bin = tools::find_llvm(base.llvm_min).context("libclang is missing")?;
    tool.build(paths, &[("LIBCLANG_PATH", llvm_bin.join("../lib"))])?;
    Ok(own)
}

fn is_new_enough(bindgen: &Path, min: &Version) -> bool {
    bindgen.is_file()
        && capture(Command::new(bindgen).arg("--version"))
            .is_ok_and(|text| Version::find(&text).is_some_and(|version| version >= *min))
}
