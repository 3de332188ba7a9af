// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Counts in the guest what the calls cost and what they are compared with; one JSON line each.

mod clock;
mod ptrace;
mod raw;
mod run;
mod size;

use clap::Parser;

use crate::run::Limits;

/// Counts instructions; the guest has to be booted with one processor and -icount shift=0,sleep=off.
#[derive(Parser)]
struct Args {
    /// Only the sizes that take less than a minute
    #[arg(long)]
    short: bool,
    /// The longest queue that PTRACE_PEEKSIGINFO is asked for; it takes quadratic time
    #[arg(long, default_value_t = 10_000)]
    peek_pending_max: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    clock::check()?;
    let limits = Limits {
        peek_pending_max: args.peek_pending_max,
    };
    let sizes = if args.short { size::SHORT } else { size::FULL };
    for &size in sizes {
        run::all_at(size, limits)?;
    }
    Ok(())
}
