// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Hostile records against the system calls. Prints TAP; without arguments, a short slice.

use std::process::ExitCode;
use std::time::Duration;

use cases::fuzz_cases::{self, Options};
use clap::Parser;

/// Throws hostile records at sigrestore(2), and looks what each of them has changed.
#[derive(Parser)]
struct Args {
    /// What decides all records and all targets
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many records [default: 2000, within 40 seconds]
    #[arg(long)]
    inputs: Option<u64>,
    /// Only the record with this index
    #[arg(long)]
    only: Option<u64>,
    /// No new record after this time
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // The slice that is a test among others has to be short in a debug kernel as well.
    let seconds = match args.inputs.or(args.only) {
        Some(_) => args.seconds,
        None => args.seconds.or(Some(40)),
    };
    let options = Options {
        seed: args.seed,
        inputs: args.inputs.unwrap_or(2000),
        only: args.only,
        limit: seconds.map(Duration::from_secs),
    };
    cases::tap::with_calls(|| fuzz_cases::run(&options))
}
