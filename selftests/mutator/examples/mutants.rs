// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The campaign against the decoder in user space; `cargo xtask fuzz` runs it.

use std::io::{stdout, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{bail, Context};
use clap::Parser;
use mutator::{campaign, Mutator};

/// Makes hostile records and checks what the decoder and the library do with them.
#[derive(Parser)]
struct Args {
    /// What decides all changes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many records
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// Only the record with this index, which is written to a file as well
    #[arg(long)]
    only: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(index) = args.only {
        return check_only(args.seed, index);
    }
    let deadline = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let progress = |done| {
        // Nobody who reads along is no reason to stop.
        let _ = writeln!(stdout(), "done {done}");
    };
    // A panic is told with its record, not by each thread for itself.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let tally = match campaign::run(args.seed, 0..args.inputs, deadline, progress) {
        Ok(tally) => tally,
        Err(what) => bail!("{what}"),
    };
    println!("done {}", tally.total());
    print!("{tally}");
    // A run that was cut short need not have come to all of them.
    match tally.check_reach() {
        Err(what) if tally.total() >= args.inputs.min(ENOUGH) => bail!("{what}"),
        _ => Ok(()),
    }
}

/// So many records reach every rule, whatever the seed is.
const ENOUGH: u64 = 200_000;

fn check_only(seed: u64, index: u64) -> anyhow::Result<()> {
    let mutator = Mutator::golden();
    let mutant = mutator.mutant(seed, index);
    let path = std::env::temp_dir().join(format!("record-{seed}-{index}.bin"));
    std::fs::write(&path, &mutant.bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", campaign::shown(&mutant.bytes, seed, index));
    println!("written to {}", path.display());
    match campaign::check_one(&mutator, seed, index) {
        Ok(verdict) => println!("{verdict:?}"),
        Err(what) => bail!("{what}"),
    }
    Ok(())
}
