// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Set-up of the host: the packages, then the tools that are in them.

pub(crate) mod apt;
mod bindgen;
mod crates;
pub(crate) mod packages;
pub(crate) mod tools;

use std::path::PathBuf;

use anyhow::Result;

use crate::kernel::base::Base;
use crate::util::paths::Paths;
use crates::Crate;
use tools::Tools;

/// Exit status when something has to be installed that could not be installed here: `EX_UNAVAILABLE`.
const STATUS_UNAVAILABLE: u8 = 69;

/// Installs what is missing and returns where the tools are.
pub(crate) fn ensure(paths: &Paths, base: &Base) -> Result<Tools> {
    packages::ensure(paths, &base.tools)?;
    let bindgen = bindgen::ensure(paths, &base.tools)?;
    Tools::find(paths, &base.tools, bindgen)
}

/// Installs what fuzzing in user space takes and returns where cargo-fuzz is.
pub(crate) fn ensure_fuzz(paths: &Paths, base: &Base) -> Result<PathBuf> {
    packages::ensure_cxx(paths)?;
    let tool = Crate {
        name: "cargo-fuzz",
        version: &base.tools.cargo_fuzz,
        program: "cargo-fuzz",
    };
    let path = tool.path(paths)?;
    if !path.is_file() {
        tool.build(paths, &[])?;
    }
    Ok(path)
}

/// Returns the exit status that belongs to an error.
pub(crate) fn status_of(e: &anyhow::Error) -> u8 {
    match e.chain().any(|cause| cause.is::<Missing>()) {
        true => STATUS_UNAVAILABLE,
        false => 1,
    }
}

/// Something that the host lacks, with the remedy.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn what_is_missing_has_a_status_of_its_own_however_deep_it_is() {
        let missing = Err::<(), _>(Missing("flex".into()))
            .context("build")
            .unwrap_err();
        assert_eq!(status_of(&missing), STATUS_UNAVAILABLE);
        assert_eq!(status_of(&anyhow::anyhow!("flex")), 1);
    }
}
