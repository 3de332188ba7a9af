// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `kernel-patch/base.toml`: what the patch is made for.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::util::files::read_text;
use crate::util::paths::Paths;
use crate::util::version::Version;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    /// The kernel and its sources.
    pub(crate) kernel: KernelBase,
    /// Versions of tools.
    pub(crate) tools: ToolsBase,
    /// Steps of a build from nothing, by flavour.
    pub(crate) steps: std::collections::BTreeMap<String, u64>,
}

/// The kernel and its sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelBase {
    line: String,
    /// Packages that hold the source.
    pub(crate) debian: DebianBase,
    /// The release as published.
    pub(crate) upstream: UpstreamBase,
}

/// Packages that hold the source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DebianBase {
    /// Name of the package.
    pub(crate) package: String,
    /// Suites to look in after those that the host is set up with.
    pub(crate) suites: Vec<String>,
}

/// The release as published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamBase {
    /// Address of the folder.
    pub(crate) folder: String,
    /// File in it.
    pub(crate) tarball: String,
    /// Its checksum; else the published list is asked.
    pub(crate) sha256: Option<String>,
}

/// Versions of tools.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolsBase {
    rustc_min: String,
    /// Least major version of LLVM.
    pub(crate) llvm_min: u32,
    /// Least version of bindgen.
    pub(crate) bindgen_min: String,
    /// Version of bindgen that is built when there is none.
    pub(crate) bindgen_cli: String,
    /// Version of cargo-fuzz that is built.
    pub(crate) cargo_fuzz: String,
}

impl Base {
    /// Reads the file of the checkout.
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        let path = paths.patch().join("base.toml");
        toml::from_str(&read_text(&path)?).with_context(|| format!("{}", path.display()))
    }
}

impl KernelBase {
    /// The line whose updates are accepted.
    pub(crate) fn line(&self) -> Result<Version> {
        Version::parse(&self.line).context("base.toml: kernel.line is no version")
    }
}

impl ToolsBase {
    /// The oldest compiler that the kernel accepts.
    pub(crate) fn rustc_min(&self) -> Result<Version> {
        Version::parse(&self.rustc_min).context("base.toml: tools.rustc_min is no version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_this_checkout_can_be_read() {
        let text = include_str!("../../../../kernel-patch/base.toml");
        let base: Base = toml::from_str(text).unwrap();
        assert_eq!(base.kernel.line().unwrap().to_string(), "7.3");
        assert!(base.kernel.upstream.tarball.contains("7.3."));
        assert!(base.steps.contains_key("product") && base.steps.contains_key("debug"));
    }
}
