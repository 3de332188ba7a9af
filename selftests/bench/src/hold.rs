// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The longest time that interrupts are off during a call, by how late a timer's interrupt is.
//!
//! The timer expires at even intervals. What it interrupts decides when the interrupt comes: at
//! once where interrupts are on; where they are off, when they are on again. So an instruction at
//! which interrupts are late again and again ends a stretch without interrupts, and the latest one
//! there shows how long the stretch is, but for the part of it before the timer expired. With many
//! repetitions that part becomes small.

use std::collections::HashMap;

use anyhow::{bail, ensure, Context};
use nix::time::{clock_getres, ClockId};

use crate::clock::{monotonic_ns, now};
use crate::sampler::{Sample, Sampler};

/// Divides no length that a call could have, so that a call is hit at all places. The kernel's
/// minimum is 10,000.
const INTERVAL_NS: u64 = 10_007;
/// An interrupt needs less than this for all that it does.
const HANDLER_NS_MAX: u64 = 6_000;
/// Intervals of doing nothing, to learn when interrupts come that nothing delays.
const CALM_COUNT: u64 = 20;
/// The way from a program into the kernel is longer than that within the kernel, by less than this.
const ENTRY_NS_MAX: u64 = 200;
/// Interrupts that nothing delays come at the same time in their intervals, but for this.
const JITTER_NS_MAX: u64 = 40;
/// Fewer delayed interrupts say nothing of an instruction, unless they are delayed for long.
const DELAYED_COUNT_MIN: usize = 3;
/// So long are they delayed by nothing but us.
const LONG_NS: u64 = 20 * INTERVAL_NS;
/// How many instructions of the calls are sampled, and how many calls.
const CALLS_LEN_MIN: u64 = 30_000_000;
const CALLS_COUNT_MIN: u32 = 60;
/// Addresses of the kernel.
const KERNEL: u64 = 1 << 63;

/// A stretch without interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its length in instructions.
    pub(crate) instructions: u64,
    /// How many interrupts it delayed by more than half of its length.
    pub(crate) delayed_count: u32,
}

/// The kernel's own tick, which delays other interrupts, too.
#[derive(Clone, Copy, Debug)]
struct Tick {
    /// When it came once, by CLOCK_MONOTONIC.
    at_ns: u64,
    /// How long it took.
    len_ns: u64,
    interval_ns: u64,
}

/// Calls `run` often enough, and returns the longest stretch.
pub(crate) fn longest(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Stretch> {
    run()?;
    let tick = Tick::find()?;
    let mut sampler = Sampler::new(INTERVAL_NS)?;
    sampler.start()?;
    let start = now();
    while now() < start + (CALM_COUNT + 1) * INTERVAL_NS {}
    let start = now();
    let mut pause = 1;
    let mut calls_count = 0;
    while now() < start + CALLS_LEN_MIN || calls_count < CALLS_COUNT_MIN {
        // Calls of one length would meet the timer at the same few places.
        pause = next_random(pause);
        let until = now() + pause % INTERVAL_NS;
        while now() < until {}
        run()?;
        calls_count += 1;
    }
    longest_of(&sampler.stop()?, tick)?.context("no interrupt was delayed")
}

impl Tick {
    /// Waits for it: a program that does nothing but look at the clock sees the gap.
    fn find() -> anyhow::Result<Self> {
        /// Looking at the clock takes less, and a tick more.
        const GAP_NS_MIN: u64 = 1_000;
        const TRIES_COUNT: u32 = 10;
        // The clock that this is the resolution of is set by the tick.
        let interval_ns = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?.tv_nsec() as u64;
        let mut last_ns = 0;
        for _ in 0..TRIES_COUNT {
            let start_ns = monotonic_ns();
            let mut before_ns = start_ns;
            let mut after_ns = monotonic_ns();
            while after_ns - before_ns < GAP_NS_MIN && after_ns - start_ns < 2 * interval_ns {
                before_ns = after_ns;
                after_ns = monotonic_ns();
            }
            // Two of the same are no other interrupt.
            if (before_ns - last_ns).abs_diff(interval_ns) < GAP_NS_MIN {
                return Ok(Self {
                    at_ns: before_ns,
                    len_ns: after_ns - before_ns,
                    interval_ns,
                });
            }
            last_ns = before_ns;
        }
        bail!("the kernel has no tick at even intervals")
    }

    /// Whether the tick was there between the handling of one interrupt and the next.
    fn was_between(&self, before_ns: u64, time_ns: u64) -> bool {
        // It is not always as long as the one that was seen.
        let reach_ns = time_ns - before_ns + 4 * self.len_ns;
        let phase_ns = self.at_ns % self.interval_ns;
        (time_ns + self.interval_ns - phase_ns) % self.interval_ns < reach_ns
    }
}

/// The next number of Marsaglia's xorshift.
fn next_random(mut number: u64) -> u64 {
    number ^= number << 13;
    number ^= number >> 7;
    number ^= number << 17;
    number
}

/// Finds the longest stretch in what the timer has seen.
fn longest_of(samples: &[Sample], tick: Tick) -> anyhow::Result<Option<Stretch>> {
    let phase_ns = phase_ns(samples)?;
    let mut delays_ns: HashMap<u64, Vec<u64>> = HashMap::new();
    for pair in samples.windows(2) {
        let (before, sample) = (pair[0], pair[1]);
        let delay_ns = delay_ns(phase_ns, before.time_ns, sample.time_ns);
        // A tick has no part to speak of in a long delay.
        let is_disturbed = delay_ns < LONG_NS && tick.was_between(before.time_ns, sample.time_ns);
        if sample.ip >= KERNEL && !is_disturbed {
            delays_ns.entry(sample.ip).or_default().push(delay_ns);
        }
    }
    let on_time_ns = on_time_ns(&delays_ns);
    let stretches = delays_ns
        .into_values()
        .filter_map(|delays_ns| stretch(delays_ns, on_time_ns));
    Ok(stretches.max_by_key(|stretch| stretch.instructions))
}

/// The delay of interrupts that nothing delays within the kernel: their median.
fn on_time_ns(delays_ns: &HashMap<u64, Vec<u64>>) -> u64 {
    let mut on_time: Vec<u64> = delays_ns
        .values()
        .flatten()
        .copied()
        .filter(|delay_ns| *delay_ns <= ENTRY_NS_MAX)
        .collect();
    on_time.sort_unstable();
    on_time
        .get(on_time.len() / 2)
        .copied()
        .unwrap_or(ENTRY_NS_MAX)
}

/// The longest stretch that an instruction ends, if it ends any.
fn stretch(mut delays_ns: Vec<u64>, on_time_ns: u64) -> Option<Stretch> {
    delays_ns.retain(|delay_ns| *delay_ns > on_time_ns + JITTER_NS_MAX);
    delays_ns.sort_unstable();
    // A stretch delays one interrupt as likely by the first half of its length as by the second. A
    // delay that is more than twice as long as all others has another reason.
    (0..delays_ns.len()).rev().find_map(|index| {
        let longest_ns = delays_ns[index];
        let shorter_count = delays_ns.partition_point(|delay_ns| 2 * delay_ns <= longest_ns);
        let count = index + 1 - shorter_count;
        (count >= DELAYED_COUNT_MIN || longest_ns >= LONG_NS).then(|| Stretch {
            instructions: longest_ns - on_time_ns,
            delayed_count: count as u32,
        })
    })
}

/// When, in each interval, interrupts come that nothing delays, or a little before.
fn phase_ns(samples: &[Sample]) -> anyhow::Result<u64> {
    let calm: Vec<u64> = samples
        .iter()
        .take(CALM_COUNT as usize)
        .filter(|sample| sample.ip < KERNEL)
        .map(|sample| sample.time_ns % INTERVAL_NS)
        .collect();
    ensure!(calm.len() as u64 > CALM_COUNT / 2, "the timer does not run");
    // Those around the end of an interval must not be torn apart.
    let about = calm[0];
    let mut offsets: Vec<u64> = calm
        .iter()
        .map(|at| (at + INTERVAL_NS / 2 + INTERVAL_NS - about) % INTERVAL_NS)
        .collect();
    offsets.sort_unstable();
    let middle = offsets[offsets.len() / 2] + about + INTERVAL_NS - INTERVAL_NS / 2;
    Ok((middle + INTERVAL_NS - ENTRY_NS_MAX) % INTERVAL_NS)
}

/// How much later than `phase_ns` in its interval an interrupt is.
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

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Tick = Tick {
        at_ns: 2_345_678,
        len_ns: 5_000,
        interval_ns: 4_000_000,
    };

    /// What a timer sees of a program that is calm first, then in the kernel, where each of
    /// `holds` is a stretch without interrupts: its begin and its length.
    fn samples(phase_ns: u64, holds: &[(u64, u64)]) -> Vec<Sample> {
        const START_NS: u64 = 1_000 * INTERVAL_NS;
        const HANDLER_NS: u64 = 3_000;
        let end_ns = holds.last().map_or(START_NS, |(at_ns, len)| at_ns + len);
        let calm_end_ns = START_NS + CALM_COUNT * INTERVAL_NS;
        let mut samples = Vec::new();
        let mut due_ns = START_NS + phase_ns;
        while due_ns < end_ns {
            let hold = holds
                .iter()
                .find(|(at_ns, len)| (*at_ns..at_ns + len).contains(&due_ns));
            let (ip, mut time_ns) = match hold {
                _ if due_ns < calm_end_ns => (0x1000, due_ns),
                // Interrupts within the kernel have the shorter way. A loop is at the same few
                // instructions again and again.
                None => (KERNEL + 16 + due_ns % 2, due_ns - 70),
                Some((at_ns, len)) => (KERNEL + 1, at_ns + len - 70),
            };
            // The kernel's tick comes in front.
            let in_tick_ns = (time_ns - TICK.at_ns) % TICK.interval_ns;
            if in_tick_ns < TICK.len_ns && due_ns >= calm_end_ns {
                time_ns += TICK.len_ns - in_tick_ns;
            }
            samples.push(Sample { ip, time_ns });
            due_ns += (time_ns + HANDLER_NS - due_ns).div_ceil(INTERVAL_NS) * INTERVAL_NS;
        }
        samples
    }

    /// The longest stretch of `holds`.
    fn found(phase_ns: u64, holds: &[(u64, u64)]) -> Option<Stretch> {
        longest_of(&samples(phase_ns, holds), TICK).unwrap()
    }

    fn holds(len: u64) -> Vec<(u64, u64)> {
        let first_ns = 1_100 * INTERVAL_NS;
        (0..1_000)
            .map(|index| (first_ns + index * (len + 7_919), len))
            .collect()
    }

    #[test]
    fn the_length_of_a_stretch_is_found_within_5_percent() {
        // At the ends of an interval a phase may be torn apart.
        for phase_ns in [0, 3, 5_000, INTERVAL_NS - 4] {
            for len in [2_000, 9_000, 25_000, 107_000, 2_400_000] {
                let found = found(phase_ns, &holds(len)).unwrap().instructions;
                assert!(
                    (len - len / 20..=len + len / 20).contains(&found),
                    "{found} instead of {len}, phase {phase_ns}"
                );
            }
        }
    }

    #[test]
    fn ticks_alone_are_no_stretch() {
        assert_eq!(found(77, &[(9_000 * INTERVAL_NS, 0)]), None);
    }

    #[test]
    fn a_stretch_is_found_among_many_that_end_at_the_same_place() {
        let mut many = holds(300);
        for hold in many.iter_mut().step_by(9) {
            hold.1 = 2_500;
        }
        let found = found(77, &many).unwrap().instructions;
        assert!((2_300..=2_550).contains(&found), "{found}");
    }

    #[test]
    fn a_delay_that_is_not_seen_again_is_none_of_a_stretch() {
        let found = stretch(vec![130, 900, 9_000, 130, 1_100, 1_000, 170], 130).unwrap();
        assert_eq!((found.instructions, found.delayed_count), (970, 3));
        assert_eq!(stretch(vec![130, 9_000, 170, 150, 900], 130), None);
        assert_eq!(stretch(vec![], 130), None);
    }

    #[test]
    fn one_stretch_that_is_long_is_enough() {
        let found = found(77, &[(2_000 * INTERVAL_NS, 500_000)]).unwrap();
        assert_eq!(found.delayed_count, 1);
        assert!(
            (480_000..=500_000).contains(&found.instructions),
            "{found:?}"
        );
    }

    #[test]
    fn a_delay_is_that_behind_the_time_at_which_the_timer_was_due() {
        let before_ns = 500 * INTERVAL_NS + 300;
        let at = |intervals: u64, ns: u64| (500 + intervals) * INTERVAL_NS + 300 + ns;
        assert_eq!(delay_ns(300, before_ns, at(1, 0)), 0);
        assert_eq!(delay_ns(300, before_ns, at(1, 1_500)), 1_500);
        assert_eq!(delay_ns(300, before_ns, at(3, 20)), 2 * INTERVAL_NS + 20);
        // One that was so late that its handler may have ended in the next interval, and had not.
        let late_ns = at(1, INTERVAL_NS - 5_000);
        assert_eq!(delay_ns(300, late_ns, at(2, 40)), 40);
    }

    #[test]
    fn a_timer_that_does_not_run_is_no_proof() {
        assert!(longest_of(&[], TICK).is_err());
        let few = &samples(0, &[(2_000 * INTERVAL_NS, 0)])[..5];
        assert!(longest_of(few, TICK).is_err());
    }
}
