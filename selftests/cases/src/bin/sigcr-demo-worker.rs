// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The multi-threaded program that the demo checkpoints, kills and brings back.

use std::path::PathBuf;

use cases::demo::worker::{self, Role};
use clap::Parser;

/// Waits for signals and logs them; the demo's subject.
#[derive(Parser)]
struct Args {
    /// Whether to set up signal state or to wait for a restore
    #[arg(value_enum)]
    role: Role,
    /// File that the handlers append to
    log: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    worker::run(args.role, &args.log)
}
