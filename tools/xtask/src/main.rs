// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Build automation: from nothing to a tested kernel, `cargo xtask <verb>`.

mod bench;
mod cli;
mod guest;
mod kernel;
mod lint;
mod setup;
mod tidy;
mod util;
mod verbs;

use std::env;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Verb};
use crate::util::paths::Paths;

fn main() -> ExitCode {
    clean_environment();
    match run(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::from(setup::status_of(&e))
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    let Some(verb) = cli.verb else {
        Cli::command().print_help()?;
        return Ok(0);
    };
    let paths = Paths::find()?;
    match verb {
        Verb::Demo(args) => verbs::demo::run(&paths, &args),
        Verb::Test(args) => verbs::test::run(&paths, &args),
        Verb::Bench(args) => verbs::bench::run(&paths, &args),
        Verb::Harmless(args) => verbs::harmless::run(&paths, &args),
        Verb::Fuzz(args) => verbs::fuzz::run(&paths, &args),
        Verb::Soak(args) => verbs::soak::run(&paths, &args),
        Verb::Boot(args) => verbs::boot::run(&paths, &args),
        Verb::Kernel(verb) => verbs::kernel::run(&paths, &verb),
        Verb::Lint(args) => lint::run(&paths, &args),
        Verb::Tidy => tidy::run(&paths),
        Verb::Access { check } => verbs::access::run(&paths, check),
        Verb::Bindings { check } => verbs::bindings::run(&paths, check),
    }
}

/// Removes what would reach kbuild and other compilers by accident.
fn clean_environment() {
    for name in [
        // Cargo's: the libraries of one toolchain must not be loaded by another.
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "MAKELEVEL",
        "ARCH",
        "CROSS_COMPILE",
        "KBUILD_OUTPUT",
        "KCONFIG_CONFIG",
        "LLVM",
        "CC",
        "CFLAGS",
        "LDFLAGS",
    ] {
        env::remove_var(name);
    }
}
