// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The demo: shows what checkpoint and restore of signal state do, and whether they do it right.

use std::path::PathBuf;
use std::process::ExitCode;

use cases::demo::{self, Sabotage};
use clap::Parser;

/// Checkpoints three programs, kills them, and brings their signals back.
#[derive(Parser)]
struct Args {
    /// Spoil something on purpose: the demo must fail
    #[arg(long, value_enum)]
    sabotage: Option<Sabotage>,
    /// Folder for records and logs
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match demo::run(&args.dir, args.sabotage) {
        Ok(what) => {
            println!("\ndemo: PASSED: {what}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            // The verdict is one line, and the last one.
            let text = format!("{e:#}");
            let (verdict, details) = text.split_once('\n').unwrap_or((&text, ""));
            println!("\n{details}\ndemo: FAILED: {verdict}");
            ExitCode::FAILURE
        }
    }
}
