// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The longest time that interrupts are off during a call, by how late a timer's interrupt is.
//!
//! The timer expires at even intervals. What it interrupts decides when the interrupt comes: at
//! once where interrupts are on; where they are off, when they are on again. Where this happens
//! often at the same instruction, that instruction ends a stretch without interrupts, and the
//! latest interrupt there shows how long the stretch is, but for the part of it before the timer
//! expired. With many repetitions that part becomes small.

use std::collections::HashMap;

use anyhow::{ensure, Context};

use crate::clock::now;
use crate::sampler::{Sample, Sampler};

/// No divisor of anything, so that a call is hit at all places. The kernel's minimum is 10,000.
const INTERVAL_NS: u64 = 10_007;
/// An interrupt needs less than this for all that it does.
const HANDLER_NS_MAX: u64 = 6_000;
/// Intervals of doing nothing, to learn when interrupts come that nothing delays.
const CALM_COUNT: u64 = 20;
/// A delay that is not seen so often at one instruction has another reason: the kernel's own timers.
const SEEN_COUNT_MIN: u32 = 4;
/// Instructions of the calls that are to be sampled.
const CALLS_LEN_MIN: u64 = 6_000_000;
/// Addresses of the kernel.
const KERNEL: u64 = 1 << 63;

/// A stretch without interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Address of the instruction behind it.
    pub(crate) ip: u64,
    /// Its length.
    pub(crate) instructions: u64,
    /// How often an interrupt was delayed by it.
    pub(crate) seen_count: u32,
}

/// Calls `run` often enough, and returns the longest stretch.
pub(crate) fn longest(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Stretch> {
    run()?;
    let mut sampler = Sampler::new(INTERVAL_NS)?;
    sampler.start()?;
    let start = now();
    while now() < start + CALM_COUNT * INTERVAL_NS {}
    let start = now();
    while now() < start + CALLS_LEN_MIN {
        run()?;
    }
    let samples = sampler.stop()?;
    stretches(&samples)?
        .into_iter()
        .max_by_key(|stretch| stretch.instructions)
        .context("no interrupt was delayed")
}

/// Finds the stretches in what the timer has seen.
fn stretches(samples: &[Sample]) -> anyhow::Result<Vec<Stretch>> {
    let phase_ns = phase_ns(samples)?;
    let mut longest: HashMap<u64, (u64, u32)> = HashMap::new();
    for pair in samples.windows(2) {
        let (before, sample) = (pair[0], pair[1]);
        if sample.ip < KERNEL {
            continue;
        }
        let delay_ns = delay_ns(phase_ns, before.time_ns, sample.time_ns);
        let (delay_ns_max, seen_count) = longest.entry(sample.ip).or_default();
        *delay_ns_max = delay_ns.max(*delay_ns_max);
        *seen_count += 1;
    }
    Ok(longest
        .into_iter()
        .filter(|(_, (_, seen_count))| *seen_count >= SEEN_COUNT_MIN)
        .map(|(ip, (instructions, seen_count))| Stretch {
            ip,
            instructions,
            seen_count,
        })
        .collect())
}

/// When, in each interval, an interrupt comes that nothing delays: the median of the calm ones.
fn phase_ns(samples: &[Sample]) -> anyhow::Result<u64> {
    let mut phases: Vec<u64> = samples
        .iter()
        .take_while(|sample| sample.ip < KERNEL)
        .map(|sample| sample.time_ns % INTERVAL_NS)
        .collect();
    ensure!(phases.len() >= 5, "the timer does not run");
    phases.sort_unstable();
    let phase_ns = phases[phases.len() / 2];
    Ok(phase_ns)
}

/// How late an interrupt is.
fn delay_ns(phase_ns: u64, before_ns: u64, time_ns: u64) -> u64 {
    // When its handler ends the timer is set to the next time that is not over yet. That it ends
    // late is assumed, so a delay may be taken for one that is an interval shorter, not longer.
    let set_ns = before_ns + HANDLER_NS_MAX - phase_ns;
    let due_ns = set_ns.div_ceil(INTERVAL_NS) * INTERVAL_NS + phase_ns;
    match time_ns.checked_sub(due_ns) {
        Some(delay_ns) => delay_ns,
        // It was due one interval earlier.
        None => (time_ns + INTERVAL_NS).saturating_sub(due_ns),
    }
}
