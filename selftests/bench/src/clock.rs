// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A clock that counts instructions, and the proof that it does.

use std::arch::asm;
use std::arch::x86_64::_rdtsc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, ensure};
use nix::time::{clock_getres, clock_gettime, ClockId};

/// What a repeated measurement came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    /// The median.
    pub(crate) median: u64,
    /// The smallest.
    pub(crate) min: u64,
    /// The largest.
    pub(crate) max: u64,
    /// How many there were.
    pub(crate) repetitions: u32,
}

/// Calls before the first one that counts.
const WARM_UP_COUNT: u32 = 2;
/// Repetitions: as many as fit into this many instructions, but some in any case.
const BUDGET: u64 = 10_000_000;
const REPETITIONS_MIN: u32 = 3;
const REPETITIONS_MAX: u32 = 41;
/// How often the clocks are tried.
const TRIES_COUNT: u32 = 9;

/// Counts what `run` takes; `prepare` runs before each time and is not counted.
pub(crate) fn count(
    mut prepare: impl FnMut() -> anyhow::Result<()>,
    mut run: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Count> {
    let mut once = || -> anyhow::Result<u64> {
        prepare()?;
        let start = now();
        let result = run();
        let end = now();
        result.map(|()| end - start)
    };
    let mut first = u64::MAX;
    for _ in 0..WARM_UP_COUNT {
        first = once()?;
    }
    let repetitions = (BUDGET / first.max(1)).clamp(REPETITIONS_MIN.into(), REPETITIONS_MAX.into());
    let mut counts = Vec::new();
    for _ in 0..repetitions {
        counts.push(once()?);
    }
    Ok(Count::of(counts))
}

/// Counts `run` once, without warming anything up: for what takes minutes.
pub(crate) fn count_once(run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Count> {
    let start = now();
    run()?;
    Ok(Count::of(vec![now() - start]))
}

impl Count {
    fn of(mut counts: Vec<u64>) -> Self {
        counts.sort_unstable();
        Self {
            median: counts[counts.len() / 2],
            min: counts[0],
            max: counts[counts.len() - 1],
            repetitions: counts.len() as u32,
        }
    }
}

/// The time stamp counter, which counts instructions if the emulator was asked to.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and Linux lets programs read it.
    unsafe { _rdtsc() }
}

/// Waits until the kernel has got to know its clocks, a second or two after it was booted: from then
/// on its timers are exact.
pub(crate) fn settle() -> anyhow::Result<()> {
    for _ in 0..500 {
        // The tick, before that.
        if clock_getres(ClockId::CLOCK_MONOTONIC)?.tv_nsec() == 1 {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
    bail!("the kernel has no high-resolution timers")
}

/// Makes sure that one instruction is one unit of the counter and one nanosecond of the clock.
pub(crate) fn check() -> anyhow::Result<()> {
    // Two instructions a turn, and some for reading the clocks.
    const TURNS: u64 = 200_000;
    let wanted = 2 * TURNS;
    for (name, clock) in [
        ("the time stamp counter", now as fn() -> u64),
        ("CLOCK_MONOTONIC", monotonic_ns),
    ] {
        // The least of some, as now and then an interrupt comes in between.
        let counted = (0..TRIES_COUNT)
            .map(|_| {
                let start = clock();
                turn(TURNS);
                clock() - start
            })
            .min()
            .unwrap_or(0);
        ensure!(
            counted.abs_diff(wanted) < wanted / 100,
            "{name} does not count instructions, of which {wanted} were {counted}: boot with one \
             processor and -icount shift=0,sleep=off"
        );
    }
    Ok(())
}

/// Runs a loop of two instructions.
fn turn(count: u64) {
    // SAFETY: the loop changes one register and the flags, and ends since the count is not 0.
    unsafe {
        asm!("2:", "dec {n}", "jnz 2b", n = inout(reg) count.max(1) => _, options(nomem, nostack));
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    // The clock always exists.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}
