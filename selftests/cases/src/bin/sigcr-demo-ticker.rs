// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The program with timers that the demo checkpoints, kills and brings back.

use cases::demo::ticker;
use cases::demo::worker::Role;
use clap::Parser;

/// Lets timers tick and takes their signals when it is told to; a subject of the demo.
#[derive(Parser)]
struct Args {
    /// Whether to start the timers or to wait for a restore
    #[arg(value_enum)]
    role: Role,
}

fn main() -> anyhow::Result<()> {
    ticker::run(Args::parse().role)
}
