// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The oracle: the kernel's record and ptrace's of the same processes. Prints TAP.

use std::process::ExitCode;
use std::time::Duration;

use cases::oracle_cases::Scope;
use clap::Parser;

/// Compares the kernel's records with those that are taken by ptrace.
#[derive(Parser)]
struct Args {
    /// Run the cases whose name has this part.
    filter: Option<String>,
    /// The seed of the first process.
    #[arg(long, default_value_t = Scope::get().seed)]
    seed: u64,
    /// At most so many processes.
    #[arg(long, default_value_t = Scope::get().count)]
    count: u64,
    /// No process is begun after so many seconds.
    #[arg(long, default_value_t = Scope::get().time.as_secs())]
    seconds: u64,
    /// So many processes at a time.
    #[arg(long, default_value_t = Scope::get().worker_count)]
    workers: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let status = sigcr::status();
    if !status.is_available() {
        println!("Bail out! {status}");
        return ExitCode::FAILURE;
    }
    let scope = Scope {
        seed: args.seed,
        count: args.count,
        time: Duration::from_secs(args.seconds),
        worker_count: args.workers.max(1),
    };
    scope.set();
    cases::tap::run(&cases::oracle_cases::all(), args.filter.as_deref())
}
