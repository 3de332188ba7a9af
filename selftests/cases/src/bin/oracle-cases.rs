// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The oracle: the kernel's record and ptrace's of the same processes. Prints TAP.

use std::process::ExitCode;
use std::time::Duration;

use cases::oracle_cases::Scope;
use clap::Parser;

/// Compares the kernel's records with those that are taken by ptrace
///
/// Two cases make random processes, each from a seed: the kernel's record of it and ptrace's have
/// to agree in all that both can see, and what ptrace restores has to be in the kernel's record. How
/// many were compared is told in the end, what cannot be compared and why in the beginning. A
/// failure names its seed: try that again with `--seed SEED --count 1`.
#[derive(Parser)]
struct Args {
    /// Run the cases whose name has this part
    filter: Option<String>,
    /// The seed of the first process; the next ones count up
    #[arg(long, default_value_t = Scope::get().seed)]
    seed: u64,
    /// At most so many processes for each of the two cases
    #[arg(long, default_value_t = Scope::get().count)]
    count: u64,
    /// Each of the two begins no process after this time
    #[arg(long, default_value_t = Scope::get().time.as_secs())]
    seconds: u64,
    /// How many processes are made at a time
    #[arg(long, default_value_t = Scope::get().worker_count)]
    workers: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let scope = Scope {
        seed: args.seed,
        count: args.count,
        time: Duration::from_secs(args.seconds),
        worker_count: args.workers.max(1),
    };
    scope.set();
    cases::tap::with_calls(|| cases::tap::run(&cases::oracle_cases::all(), args.filter.as_deref()))
}
