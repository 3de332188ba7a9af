// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The demo: three programs are checkpointed, killed, started afresh, restored, and compared.

pub mod ledger;
pub mod plan;
pub mod shell_act;
pub mod tell;
pub mod ticker;
pub mod ticker_act;
pub mod worker;
pub mod worker_act;

use std::path::Path;

use anyhow::{ensure, Context};
use sigcr::Snapshot;

/// Something that the demo must notice.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// Takes one queued signal out of the record
    DropOne,
}

impl Sabotage {
    /// Spoils the record in this file.
    pub fn apply(self, record: &Path) -> anyhow::Result<()> {
        let mut model = Snapshot::read_from(record)?.to_model();
        let queue = model.shared_pending.as_mut().context("no shared queue")?;
        match self {
            Sabotage::DropOne => drop(queue.entries.remove(500)),
        }
        model.encode()?.write_to(record)?;
        println!("    SABOTAGE: one queued signal was taken out of the record");
        Ok(())
    }
}

/// Runs the three acts; the text says what was brought back.
pub fn run(dir: &Path, sabotage: Option<Sabotage>) -> anyhow::Result<String> {
    let status = sigcr::status();
    ensure!(status.is_available(), "{status}");
    println!("{status}");
    let worker = worker_act::run(dir, sabotage)?;
    let shell = shell_act::run(dir)?;
    let ticker = ticker_act::run(dir)?;
    Ok(format!("{worker}, {shell} and {ticker} survived SIGKILL"))
}
