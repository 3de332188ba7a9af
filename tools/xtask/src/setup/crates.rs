// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tools that cargo builds from a crate, into the cache.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Missing;
use crate::util::command::logged;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// A tool that is a crate.
pub(crate) struct Crate<'a> {
    /// The name of the crate.
    pub(crate) name: &'a str,
    /// The version that is built.
    pub(crate) version: &'a str,
    /// The program that it has.
    pub(crate) program: &'a str,
}

impl Crate<'_> {
    /// Where the program is once it has been built.
    pub(crate) fn path(&self, paths: &Paths) -> Result<PathBuf> {
        Ok(self.root(paths)?.join("bin").join(self.program))
    }

    fn root(&self, paths: &Paths) -> Result<PathBuf> {
        paths.cache_dir(&format!("tools/{}-{}", self.program, self.version))
    }

    /// Builds it, in the environment with `envs` added.
    pub(crate) fn build(&self, paths: &Paths, envs: &[(&str, PathBuf)]) -> Result<()> {
        let Crate { name, version, .. } = self;
        let args = ["install", "--locked", name, "--version", version];
        let mut progress = Progress::spinner(&format!("building {} {version}", self.program));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(args)
            .arg("--root")
            .arg(self.root(paths)?)
            .envs(envs.iter().map(|(key, value)| (key, value)))
            // Its objects are of no further use, and the caller's folder is locked by this very run.
            .env("CARGO_TARGET_DIR", paths.cache_dir("tools/target")?)
            .current_dir(&paths.cache);
        logged(&mut command, &paths.log(self.program)?, |line| {
            progress.message(line.trim())
        })
        .map_err(|e| {
            Missing(format!(
                "{} {version} is missing and could not be built; \
                 install it with `cargo {}`\n{e:#}",
                self.program,
                args.join(" ")
            ))
        })?;
        progress.done();
        // Some hundred megabytes; that they cannot be removed harms nobody.
        let _ = std::fs::remove_dir_all(paths.cache.join("tools/target"));
        Ok(())
    }
}
