// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The binding generator: the host's if it is new enough, else one built into the cache.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{tools, Missing};
use crate::kernel::base::ToolsBase;
use crate::util::command::{capture, logged};
use crate::util::paths::Paths;
use crate::util::progress::Progress;
use crate::util::version::Version;

/// Returns the path of a usable `bindgen`.
pub(crate) fn ensure(paths: &Paths, base: &ToolsBase) -> Result<PathBuf> {
    let min = Version::parse(&base.bindgen_min).context("base.toml: tools.bindgen_min")?;
    let root = paths.cache_dir(&format!("tools/bindgen-{}", base.bindgen_cli))?;
    let own = root.join("bin/bindgen");
    let here = [Some(own.clone()), tools::on_path("bindgen")];
    if let Some(usable) = here.into_iter().flatten().find(|p| is_new_enough(p, &min)) {
        return Ok(usable);
    }
    let llvm_bin = tools::find_llvm(base.llvm_min).context("libclang is missing")?;
    let args = [
        "install",
        "--locked",
        "bindgen-cli",
        "--version",
        &base.bindgen_cli,
    ];
    let mut progress = Progress::spinner(&format!("building bindgen {}", base.bindgen_cli));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(args)
        .arg("--root")
        .arg(&root)
        .env("LIBCLANG_PATH", llvm_bin.join("../lib"))
        // Its objects are of no further use, and the caller's folder is locked by this very run.
        .env("CARGO_TARGET_DIR", paths.cache_dir("tools/target")?)
        .current_dir(&paths.cache);
    logged(&mut command, &paths.log("bindgen")?, |line| {
        progress.message(line.trim())
    })
    .map_err(|e| {
        Missing(format!(
            "bindgen {min} or newer is missing and could not be built; \
             install it with `cargo {}`\n{e:#}",
            args.join(" ")
        ))
    })?;
    progress.done();
    // Some hundred megabytes; that they cannot be removed harms nobody.
    let _ = std::fs::remove_dir_all(paths.cache.join("tools/target"));
    Ok(own)
}

fn is_new_enough(bindgen: &Path, min: &Version) -> bool {
    bindgen.is_file()
        && capture(Command::new(bindgen).arg("--version"))
            .is_ok_and(|text| Version::find(&text).is_some_and(|version| version >= *min))
}
