// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr`: take, put back, look at and compare the signal state of processes.
//!
//! # Exit codes
//!
//! They are listed in [`exit::Exit`] and printed by `sigcr --help`.

mod backend;
mod cli;
mod cmd;
mod compare;
mod exit;
mod paint;
mod render_json;
mod render_proc;
mod render_text;
mod select;
mod siginfo;
mod source;
mod target;
mod text;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(&Cli::parse(), &mut out);
    let flushed = out.flush();
    let done = done.and_then(|exit| Ok(flushed.map(|()| exit)?));
    let exit = done.unwrap_or_else(|failure| {
        // Whoever reads the output has seen enough of it (`sigcr show ... | head`).
        if failure.is_broken_pipe() {
            return Exit::Success;
        }
        eprintln!("sigcr: {failure}");
        failure.exit()
    });
    ExitCode::from(exit as u8)
}

fn run(cli: &Cli, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &cli.verb {
        Verb::Checkpoint(args) => cmd::checkpoint::run(args, out),
        Verb::Restore(args) => cmd::restore::run(args, out),
        Verb::Show(args) => cmd::show::run(args, out),
        Verb::Check(args) => cmd::check::run(args, out),
        Verb::Diff(args) => cmd::diff::run(args, out),
        Verb::Probe(args) => cmd::probe::run(args, out),
    }
}
