// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Storms on processes that are checkpointed and restored. Prints TAP; without arguments, a short
//! slice.

mod board;
mod calls;
mod hold;
mod live;
mod mortal;
mod own;
mod rounds;
mod stopped;
mod storm;
mod stream;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::rounds::Options;

/// Checkpoints and restores processes that are flooded, stopped, forked, executed and killed.
#[derive(Parser)]
struct Args {
    /// What decides what happens, but for who is faster
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long
    #[arg(long, default_value_t = 16)]
    seconds: u64,
    /// Only storms whose name holds this: live, mortal, stopped, own
    #[arg(long, value_name = "STR", default_value = "")]
    filter: String,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, board_fd, generation] = &args[..] {
        if flag == mortal::FLAG {
            let number = |text: &str| text.parse().unwrap_or(0);
            mortal::live_and_die(number(board_fd), number(generation) as u64);
        }
    }
    let args = Args::parse();
    let options = Options {
        seed: args.seed,
        limit: Duration::from_secs(args.seconds),
        filter: args.filter,
    };
    cases::tap::with_calls(|| run(&options))
}

fn run(options: &Options) -> ExitCode {
    let seconds_before = watch_for_hung_tasks("30");
    let result = rounds::run(options);
    watch_for_hung_tasks(&seconds_before);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("Bail out! {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has the kernel, if it can, complain of tasks that hang for so many seconds; returns after how
/// many it did so before.
fn watch_for_hung_tasks(seconds: &str) -> String {
    const PATH: &str = "/proc/sys/kernel/hung_task_timeout_secs";
    // A kernel without the detector has no such file.
    let before = std::fs::read_to_string(PATH).unwrap_or_default();
    let _ = std::fs::write(PATH, seconds);
    before
}
