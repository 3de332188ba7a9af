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
    /// How many records
    #[arg(long, default_value_t = 4000)]
    inputs: u64,
    /// Only the record with this index
    #[arg(long)]
    only: Option<u64>,
    /// No new record after this time
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let status = sigcr::status();
    if !status.is_available() {
        println!("Bail out! {status}");
        return ExitCode::FAILURE;
    }
    fuzz_cases::run(&Options {
        seed: args.seed,
        inputs: args.inputs,
        only: args.only,
        limit: args.seconds.map(Duration::from_secs),
    })
}
