// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The command line tool `sigcr`, run as a user runs it.

use std::process::{Command, Output, Stdio};

use anyhow::{ensure, Context};

/// What a run of the tool gave.
#[derive(Debug)]
pub struct Ran {
    /// Exit status; 128 + signo if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The tool as a command, to be started: `sigcr` in `PATH`.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new("sigcr");
    command
        .args(args)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS");
    command
}

/// Runs the tool to its end.
pub fn run(args: &[&str]) -> anyhow::Result<Ran> {
    let output = command(args).output().context("cannot start sigcr")?;
    Ran::from_output(output)
}

/// Runs the tool, which must succeed; returns its standard output.
pub fn run_well(args: &[&str]) -> anyhow::Result<String> {
    let ran = run(args)?;
    ensure!(
        ran.code == 0,
        "`sigcr {}` ended with status {}: {}{}",
        args.join(" "),
        ran.code,
        ran.stdout,
        ran.stderr
    );
    Ok(ran.stdout)
}

impl Ran {
    /// Reads what a finished run left.
    pub fn from_output(output: Output) -> anyhow::Result<Self> {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        let code = status.code().or(status.signal().map(|signo| 128 + signo));
        Ok(Self {
            code: code.context("neither an exit status nor a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}
