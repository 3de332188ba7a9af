// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The goals: how fast the calls are to be, and whether they are.

use std::fmt;

use guest_init::figure::{Case, Effect, Via, What};

use super::table::grouped;
use super::{Results, Size, Way};

/// Lengths of queues for which costs in proportion are asked for.
const LONG: [u32; 3] = [1_000, 10_000, 60_000];
/// Numbers of threads for which costs in proportion are asked for.
const MANY: [u32; 3] = [8, 64, 512];

/// Six times as many signals must not need a longer hold of the lock. That there are few interrupts
/// in a short hold makes its length inexact.
const HOLD_GROWTH_MAX: f64 = 1.25;

/// A goal, and what was found.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// What is measured, and the limit.
    pub(crate) text: String,
    /// What was found, in words.
    pub(crate) found: String,
    /// Whether it is enough; [`None`] if it was not measured.
    pub(crate) reached: Option<bool>,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.reached {
            None => "not measured",
            Some(true) => "reached",
            Some(false) => "NOT REACHED",
        };
        write!(f, "{verdict:>12}  {}: {}", self.text, self.found)
    }
}

/// Compares all goals with what was measured.
pub(crate) fn judge(results: &Results) -> Vec<Goal> {
    let raw = |what, size| results.get(Way::raw(what), size);
    let cost = |what, size| raw(what, size).map(|figure| figure.instructions);
    let ckpt = |size| cost(What::Sigckpt, size);
    let restore = |size| cost(What::Sigrestore, size);
    let pread = |size| {
        let way = Way(What::Pread, Via::Floor, Case::Stopped);
        results.get(way, size).map(|figure| figure.instructions)
    };
    let record_len = |size| raw(What::Sigckpt, size).map(|figure| figure.bytes);
    let idle = Size::pending(0);
    let long = || LONG.map(Size::pending);
    let per_signal = |size: Size| Some(slope(ckpt(idle)?, ckpt(size)?, size.pending));
    let per_thread = |size: Size| Some(slope(ckpt(idle)?, ckpt(size)?, size.threads - 1));
    let hold_growth = |what| {
        let hold = |size| cost(what, Size::pending(size));
        Some(ratio(hold(60_000)?, hold(10_000)?))
    };
    vec![
        at_most("sigckpt, idle process", 4_000, ckpt(idle)),
        at_most("sigrestore, idle process", 8_000, restore(idle)),
        at_most(
            "sigckpt, 10,000 pending",
            1_600_000,
            ckpt(Size::pending(10_000)),
        ),
        no_more_than(
            "sigckpt by pread of the record, 1,000 pending and more",
            2.0,
            largest(long().map(|size| Some(ratio(ckpt(size)?, pread(size)?)))),
        ),
        no_more_than(
            "sigrestore by sigckpt, 1,000 pending and more",
            2.5,
            largest(long().map(|size| Some(ratio(restore(size)?, ckpt(size)?)))),
        ),
        within(
            "sigckpt per signal, from 1,000 to 60,000",
            5.0,
            long().map(per_signal),
        ),
        no_more_than(
            "sigckpt per thread",
            500.0,
            largest(MANY.map(Size::threads).map(per_thread)),
        ),
        within(
            "sigckpt per thread, from 8 to 512",
            10.0,
            MANY.map(Size::threads).map(per_thread),
        ),
        no_more_than(
            "interrupts off in sigckpt, 60,000 pending by 10,000",
            HOLD_GROWTH_MAX,
            hold_growth(What::SigckptHold),
        ),
        no_more_than(
            "interrupts off in sigrestore, 60,000 pending by 10,000",
            HOLD_GROWTH_MAX,
            hold_growth(What::SigrestoreHold),
        ),
        at_most("bytes of the record, idle process", 1_023, record_len(idle)),
        no_more_than(
            "bytes of the record per signal",
            64.0,
            largest(
                long().map(|size| Some(slope(record_len(idle)?, record_len(size)?, size.pending))),
            ),
        ),
        unseen(&results.effects),
    ]
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// What each of `count` costs.
fn slope(without: u64, with: u64, count: u32) -> f64 {
    (with as f64 - without as f64) / f64::from(count)
}

/// The largest of all; [`None`] unless all are there.
fn largest<const N: usize>(numbers: [Option<f64>; N]) -> Option<f64> {
    numbers
        .into_iter()
        .try_fold(f64::MIN, |largest, number| Some(largest.max(number?)))
}

fn at_most(text: &str, limit: u64, found: Option<u64>) -> Goal {
    Goal {
        text: format!("{text}, at most {}", grouped(limit)),
        found: found.map_or("-".to_owned(), grouped),
        reached: found.map(|found| found <= limit),
    }
}

fn no_more_than(text: &str, limit: f64, found: Option<f64>) -> Goal {
    Goal {
        text: format!("{text}, at most {limit}"),
        found: found.map_or("-".to_owned(), |found| format!("{found:.2}")),
        reached: found.map(|found| found <= limit),
    }
}

/// The same at all sizes, but for so many per cent.
fn within<const N: usize>(text: &str, limit_percent: f64, found: [Option<f64>; N]) -> Goal {
    let all: Option<Vec<f64>> = found.into_iter().collect();
    let spread_percent = all.as_ref().map(|all| {
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        let most = all.iter().copied().fold(f64::MIN, f64::max);
        (most / least - 1.0) * 100.0
    });
    let words = |all: Vec<f64>| {
        let numbers: Vec<String> = all.iter().map(|number| format!("{number:.1}")).collect();
        let spread = spread_percent.unwrap_or(f64::NAN);
        format!("{}: within {spread:.1} %", numbers.join(", "))
    };
    Goal {
        text: format!("{text}, the same within {limit_percent} %"),
        found: all.map_or("-".to_owned(), words),
        // A number that is no number is no proof.
        reached: spread_percent.map(|spread| spread <= limit_percent),
    }
}

/// The target sees nothing of the calls; that its counters work is seen by what ptrace(2) does.
fn unseen(effects: &[Effect]) -> Goal {
    let sum = |via: Via| {
        let of_via = effects.iter().filter(move |effect| effect.via == via);
        of_via.fold((0, 0, 0, 0), |sum, effect| {
            (
                sum.0 + effect.calls,
                sum.1 + effect.switches,
                sum.2 + effect.eintrs,
                sum.3 + effect.stops,
            )
        })
    };
    let (calls, switches, eintrs, stops) = sum(Via::Raw);
    let ptrace = sum(Via::Ptrace);
    let is_live_too = effects
        .iter()
        .any(|effect| effect.via == Via::Raw && effect.case == Case::Live);
    let counters_work = ptrace.1 >= ptrace.0 && ptrace.2 > 0;
    Goal {
        text: "context switches, interrupted calls and stops of the target, none".to_owned(),
        found: format!(
            "{switches}, {eintrs} and {stops} in {calls} calls (by ptrace(2) {}, {} and {} in {})",
            ptrace.1, ptrace.2, ptrace.3, ptrace.0
        ),
        reached: (is_live_too && ptrace.0 > 0)
            .then_some(counters_work && (switches, eintrs, stops) == (0, 0, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tests::{figure, results};

    fn reached(results: &Results, part: &str) -> Option<bool> {
        let goals = judge(results);
        let goal = goals.iter().find(|goal| goal.text.contains(part));
        goal.unwrap_or_else(|| panic!("no goal {part}")).reached
    }

    #[test]
    fn a_figure_decides_and_a_missing_one_does_not() {
        let part = "sigckpt, idle process";
        assert_eq!(reached(&results(&[]), part), None);
        let idle = |count| figure(What::Sigckpt, Via::Raw, Size::pending(0), count);
        assert_eq!(reached(&results(&[idle(4_000)]), part), Some(true));
        assert_eq!(reached(&results(&[idle(4_001)]), part), Some(false));
    }

    #[test]
    fn costs_per_signal_have_to_be_the_same_at_all_sizes() {
        let of = |last: u64| {
            let at =
                |pending, count| figure(What::Sigckpt, Via::Raw, Size::pending(pending), count);
            let all = [
                at(0, 1_000),
                at(1_000, 101_000),
                at(10_000, 1_001_000),
                at(60_000, last),
            ];
            reached(&results(&all), "per signal, from")
        };
        assert_eq!(of(6_001_000), Some(true));
        assert_eq!(of(6_401_000), Some(false));
        let two = [figure(What::Sigckpt, Via::Raw, Size::pending(0), 1)];
        assert_eq!(reached(&results(&two), "per signal, from"), None);
    }

    #[test]
    fn the_worst_of_all_sizes_decides_and_all_have_to_be_there() {
        let at = |threads, count| figure(What::Sigckpt, Via::Raw, Size::threads(threads), count);
        let some = [at(1, 1_000), at(8, 1_700), at(64, 7_300)];
        assert_eq!(reached(&results(&some), "per thread, at most"), None);
        let of = |last| {
            let all = [&some[..], &[at(512, last)]].concat();
            reached(&results(&all), "per thread, at most")
        };
        assert_eq!(of(52_100), Some(true));
        assert_eq!(of(300_000), Some(false));
    }

    #[test]
    fn a_target_that_was_disturbed_or_counters_that_stand_still_do_not_pass() {
        let effect = |via, case, switches, eintrs| Effect {
            what: What::Sigckpt,
            via,
            case,
            calls: 10,
            switches,
            eintrs,
            stops: 0,
        };
        let of = |raw: (u64, u64), ptrace: (u64, u64)| {
            let mut results = results(&[]);
            results.effects = vec![
                effect(Via::Raw, Case::Live, raw.0, raw.1),
                effect(Via::Ptrace, Case::Live, ptrace.0, ptrace.1),
            ];
            reached(&results, "of the target")
        };
        assert_eq!(of((0, 0), (20, 10)), Some(true));
        assert_eq!(of((1, 0), (20, 10)), Some(false));
        assert_eq!(of((0, 1), (20, 10)), Some(false));
        assert_eq!(of((0, 0), (0, 0)), Some(false));
        assert_eq!(reached(&results(&[]), "of the target"), None);
    }
}
