// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Counts in the guest what the calls cost and what they are compared with; one JSON line each.

mod clock;
mod effect;
mod figures;
mod hold;
mod ptrace;
mod raw;
mod sampler;
mod size;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use guest_init::figure::Line;

use crate::figures::Limits;
use crate::size::Size;

/// Counts instructions; the guest has to be booted with one processor and -icount shift=0,sleep=off.
#[derive(Parser)]
struct Args {
    /// Only the sizes that take less than a minute
    #[arg(long)]
    short: bool,
    /// Only targets of this size; may be given several times
    #[arg(long, value_name = "PENDING,THREADS,ACTIONS", value_parser = Size::parse)]
    size: Vec<Size>,
    /// The longest queue that PTRACE_PEEKSIGINFO is asked for; it takes quadratic time
    #[arg(long, default_value_t = 10_000)]
    peek_pending_max: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    clock::settle()?;
    clock::check()?;
    let release = "/proc/sys/kernel/osrelease";
    let release = std::fs::read_to_string(release).context(release)?;
    tell(&Line::Kernel(release.trim().to_owned()))?;
    let limits = Limits {
        peek_pending_max: args.peek_pending_max,
        with_holds: !args.short,
    };
    let sizes = match &args.size[..] {
        [] if args.short => size::SHORT,
        [] => size::FULL,
        some => some,
    };
    if args.size.is_empty() {
        effect::all()?;
    }
    for &size in sizes {
        figures::all_at(size, limits).with_context(|| format!("{size:?}"))?;
    }
    Ok(())
}

fn tell(line: &Line) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}
