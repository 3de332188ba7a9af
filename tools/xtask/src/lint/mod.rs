// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `lint`: formatting and lints of user space, then of the kernel side with the kernel's own tools.

mod kernel_side;
mod unsafe_sites;

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::cli::TreeArgs;
use crate::util::command::{run_visibly, shown};
use crate::util::paths::Paths;
use crate::verbs::Workshop;

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &TreeArgs) -> Result<u8> {
    // Set-up first: clippy and rustfmt come with it.
    let workshop = Workshop::open(paths, args)?;
    let mut failures = Vec::new();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The fuzz targets are a workspace of their own.
    const FUZZ: &str = "libsigcr/fuzz/Cargo.toml";
    let commands: [&[&str]; 4] = [
        &["fmt", "--all", "--check"],
        &["fmt", "--manifest-path", FUZZ, "--check"],
        &[
            "clippy",
            "--quiet",
            "--manifest-path",
            FUZZ,
            "--target-dir",
            "target",
            "--no-default-features",
            "--",
            "-D",
            "warnings",
        ],
        &[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ];
    for args in commands {
        let mut command = Command::new(&cargo);
        command.args(args).current_dir(&paths.root);
        if !run_visibly(&mut command)? {
            failures.push(format!("{} failed", shown(&command)));
        }
    }
    failures.extend(kernel_side::check(&workshop)?);
    unsafe_sites::print(paths)?;
    for failure in &failures {
        println!("lint: {}", failure.trim_end());
    }
    match failures.len() {
        0 => println!("lint: clean"),
        count => println!("lint: {count} failed"),
    }
    Ok(u8::from(!failures.is_empty()))
}
