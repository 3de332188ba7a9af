// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A campaign against the decoder: many records, each checked, on all processors.

use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::property::{check, Verdict};
use crate::tally::Tally;
use crate::{Mutant, Mutator};

/// Records that one thread makes before it takes more.
const BATCH: u64 = 4096;

/// Checks the records of a run with this seed, those with the indices of `items`; until `deadline`,
/// if there is one. `progress` is told how many are done.
///
/// # Errors
///
/// What does not hold of one of the records, or where the decoder panicked; with its index.
pub fn run(
    seed: u64,
    items: Range<u64>,
    deadline: Option<Instant>,
    progress: impl Fn(u64) + Sync,
) -> Result<Tally, String> {
    let mutator = Mutator::golden();
    let next = AtomicU64::new(items.start);
    let failed = AtomicBool::new(false);
    let work = || -> Result<Tally, String> {
        let mut tally = Tally::default();
        loop {
            let is_late = deadline.is_some_and(|at| Instant::now() >= at);
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= items.end || is_late || failed.load(Ordering::Relaxed) {
                return Ok(tally);
            }
            for index in from..items.end.min(from + BATCH) {
                let verdict = check_one(&mutator, seed, index);
                let verdict = verdict.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                tally.add(&verdict);
            }
            progress(from - items.start);
        }
    };
    let threads_count = thread::available_parallelism().map_or(1, usize::from);
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads_count).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let tally = thread
                .join()
                .map_err(|_| "a thread panicked".to_owned())??;
            sum.merge(&tally);
        }
        Ok(sum)
    })
}

/// Checks one record of a run.
///
/// # Errors
///
/// What does not hold, or that the decoder panicked; with the index and the record itself.
pub fn check_one(mutator: &Mutator, seed: u64, index: u64) -> Result<Verdict, String> {
    let Mutant { bytes, claimed_len } = mutator.mutant(seed, index);
    let checked = catch_unwind(AssertUnwindSafe(|| check(&bytes, claimed_len)));
    let what = match checked {
        Ok(Ok(verdict)) => return Ok(verdict),
        Ok(Err(what)) => what,
        Err(_) => "panicked".to_owned(),
    };
    Err(format!("{}\n{what}", shown(&bytes, seed, index)))
}

/// The record as text, from which it can be made again; and how else.
pub fn shown(bytes: &[u8], seed: u64, index: u64) -> String {
    let mut text = format!("seed {seed}, record {index}, {} bytes:", bytes.len());
    for (number, line) in bytes.chunks(32).enumerate().take(SHOWN_LINES_MAX) {
        text += &format!("\n{:6x} ", 32 * number);
        for word in line.chunks(4) {
            text.push(' ');
            word.iter().for_each(|byte| text += &format!("{byte:02x}"));
        }
    }
    text
}

const SHOWN_LINES_MAX: usize = 256;
