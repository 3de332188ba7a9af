// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Random signal states, each from its seed.

use std::time::Duration;

use mutator::Random;

use crate::extras::{Extras, TimerPlan};
use crate::subject::{Plan, Sent, ThreadPlan, UNBLOCKABLE};
use crate::sys::{bit, RawAction};

/// Whether the state has to stay as it is while the subject runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The subject runs at times: everything that is sent is blocked by every thread.
    WhileRunning,
    /// The subject is stopped before anything is sent: what has a handler may be unblocked too.
    WhileStopped,
}

/// The plan that belongs to the seed.
pub fn plan(seed: u64, keep: Keep) -> Plan {
    let mut random = Random::new(seed);
    let thread_count = |random: &mut Random| 1 + random.below(8);
    plan_by(&mut random, keep, thread_count)
}

/// The plan that belongs to the seed, of a subject with up to 32 threads but mostly fewer, and what
/// it has besides. It stays as it is while the subject runs.
pub fn plan_with_extras(seed: u64) -> (Plan, Extras) {
    let mut random = Random::new(seed);
    let plan = plan_by(&mut random, Keep::WhileRunning, |random| {
        let count_max = 1 + random.below(32);
        1 + random.below(count_max)
    });
    let extras = random_extras(&mut random, &plan);
    (plan, extras)
}

fn plan_by(random: &mut Random, keep: Keep, thread_count: fn(&mut Random) -> u64) -> Plan {
    let sendable = random.word() & !UNSENDABLE;
    let actions = random_actions(random);
    let handled = actions
        .iter()
        .filter(|(_, action)| action.handler > 1)
        .fold(0, |set, (signo, _)| set | bit(*signo));
    let must_block = match keep {
        Keep::WhileRunning => sendable,
        Keep::WhileStopped => sendable & !handled,
    };
    let shared = random_sent(random, sendable, 64, false);
    let threads = (0..thread_count(random))
        .map(|_| ThreadPlan {
            blocked: (random.word() | must_block) & !UNBLOCKABLE,
            altstack: random_altstack(random),
            pending: random_sent(random, sendable, 12, true),
        })
        .collect();
    Plan {
        actions,
        shared,
        threads,
    }
}

/// `SIGCONT` lets a stopped process run, and the other two cannot be pending.
const UNSENDABLE: u64 = UNBLOCKABLE | bit(libc::SIGCONT as u32);

/// What rt_sigaction(2) stores: see `SIGCR_ACTION_FLAGS`.
const ACTION_FLAGS: u64 = 0xdc00_0807;

fn random_actions(random: &mut Random) -> Vec<(u32, RawAction)> {
    let mut actions = Vec::new();
    for signo in (1..=64).filter(|&signo| bit(signo) & UNBLOCKABLE == 0) {
        let action = RawAction {
            handler: match random.below(4) {
                0 => 0,
                1 => 1,
                _ => random.word() >> 17 | 0x1000,
            },
            flags: random.word() & ACTION_FLAGS,
            restorer: random.word() >> 17,
            mask: random.word() & !UNBLOCKABLE,
        };
        if random.below(2) == 0 && action != RawAction::default() {
            actions.push((signo, action));
        }
    }
    actions
}

fn random_altstack(random: &mut Random) -> Option<(u64, u64, bool)> {
    if random.below(3) == 0 {
        return None;
    }
    let sp = (1 + random.below(1 << 34)) << 12;
    let size = (16 + random.below(1024)) << 10;
    Some((sp, size, random.below(2) == 0))
}

fn random_sent(random: &mut Random, from: u64, count_max: u64, private: bool) -> Vec<Sent> {
    let signos: Vec<u32> = (1..=64).filter(|&signo| from & bit(signo) != 0).collect();
    if signos.is_empty() {
        return Vec::new();
    }
    (0..random.below(count_max + 1))
        .map(|_| {
            let signo = signos[random.below(signos.len() as u64) as usize];
            // To a thread the kernel sends no real-time signal without its siginfo.
            if random.below(8) == 0 && !(private && signo >= 32) {
                return Sent::Bare(signo);
            }
            const CODES: [i32; 6] = [-1, -3, -4, -5, -60, -1000];
            let code = CODES[random.below(CODES.len() as u64) as usize];
            Sent::Queued(signo, code, random.word())
        })
        .collect()
}

fn random_extras(random: &mut Random, plan: &Plan) -> Extras {
    let masks = || plan.threads.iter().map(|thread| thread.blocked);
    // What a timer sends must not be taken: all threads block it, or none does and it is ignored.
    let quiet = masks().fold(!0, |all, mask| all & mask) & !UNSENDABLE;
    let open = !masks().fold(0, |any, mask| any | mask) & !UNSENDABLE;
    let ignored = plan
        .actions
        .iter()
        .filter(|(_, action)| action.handler == 1)
        .fold(0, |set, (signo, _)| set | bit(*signo) & open);
    let timers: Vec<_> = (0..random.below(8))
        .filter_map(|_| random_timer(random, plan.threads.len() as u64, quiet, ignored))
        .collect();
    let far = |random: &mut Random| match random.below(2) {
        0 => Duration::ZERO,
        _ => Duration::from_micros(1_000_000_000 + random.below(1 << 40)),
    };
    let mut itimers = [(); 3].map(|()| (far(random), far(random)));
    if quiet & bit(libc::SIGALRM as u32) != 0 && random.below(2) == 0 {
        itimers[0].0 = Duration::from_micros(1);
    }
    Extras {
        itimers,
        taken: match random.below(3) {
            0 => timers.iter().fold(0, |set, timer| set | bit(timer.signo)) & quiet,
            _ => 0,
        },
        timers,
        signalfds: (0..random.below(4)).map(|_| random.word()).collect(),
        pdeath_signos: plan
            .threads
            .iter()
            .map(|_| random.below(65) as u32)
            .collect(),
    }
}

fn random_timer(
    random: &mut Random,
    thread_count: u64,
    quiet: u64,
    ignored: u64,
) -> Option<TimerPlan> {
    const CLOCKS: [i32; 6] = [
        libc::CLOCK_REALTIME,
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_BOOTTIME,
        libc::CLOCK_TAI,
        libc::CLOCK_PROCESS_CPUTIME_ID,
        libc::CLOCK_THREAD_CPUTIME_ID,
    ];
    const NOTIFIES: [i32; 4] = [
        libc::SIGEV_SIGNAL,
        libc::SIGEV_NONE,
        libc::SIGEV_THREAD,
        libc::SIGEV_THREAD_ID,
    ];
    let from = if random.below(4) == 0 { ignored } else { quiet };
    let signos: Vec<u32> = (1..=64).filter(|&signo| from & bit(signo) != 0).collect();
    let signo = *signos.get(random.below(signos.len().max(1) as u64) as usize)?;
    let clock = CLOCKS[random.below(6) as usize];
    // CPU time hardly passes: a time that is over already expires at once, others never do.
    let by_cpu = clock == libc::CLOCK_PROCESS_CPUTIME_ID || clock == libc::CLOCK_THREAD_CPUTIME_ID;
    let far = |random: &mut Random| Duration::from_nanos((1 << 40) + random.below(1 << 50));
    let soon = Duration::from_nanos(1);
    let short = |random: &mut Random| match by_cpu {
        true => far(random),
        false => Duration::from_nanos(1_000_000 + random.below(1 << 24)),
    };
    let sets = match random.below(8) {
        0 => vec![],
        1 => vec![(far(random), Duration::ZERO, false)],
        2 => vec![(far(random), far(random), false)],
        // A time of the clock, beyond what any clock shows here.
        3 => vec![(Duration::from_secs(1 << 33), far(random), true)],
        4 => vec![(soon, Duration::ZERO, by_cpu)],
        5 => vec![(soon, far(random), by_cpu)],
        6 => vec![(soon, short(random), by_cpu)],
        // The signal of the first is void then.
        _ => vec![
            (soon, short(random), by_cpu),
            (far(random), Duration::ZERO, false),
        ],
    };
    Some(TimerPlan {
        clock,
        notify: NOTIFIES[random.below(4) as usize],
        thread: random.below(thread_count) as usize,
        signo,
        value: random.word(),
        sets,
        deleted: random.below(8) == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planned_model_is_a_record() {
        for seed in 0..300 {
            for keep in [Keep::WhileRunning, Keep::WhileStopped] {
                let plan = plan(seed, keep);
                let tids: Vec<i32> = (1..=plan.threads.len() as i32).collect();
                let model = plan.model(&tids);
                let snapshot = model
                    .encode()
                    .unwrap_or_else(|e| panic!("seed {seed}: {e:?}"));
                assert_eq!(snapshot.to_model(), model, "seed {seed}");
            }
        }
    }

    #[test]
    fn the_plans_cover_what_they_are_to_cover() {
        let plans: Vec<Plan> = (0..100)
            .map(|seed| plan(seed, Keep::WhileStopped))
            .collect();
        let threads = || plans.iter().flat_map(|plan| &plan.threads);
        assert!(plans.iter().any(|plan| plan.threads.len() == 1));
        assert!(plans.iter().any(|plan| plan.threads.len() == 8));
        assert!(plans.iter().any(|plan| plan.shared.is_empty()));
        assert!(plans
            .iter()
            .any(|plan| plan.shared.iter().any(|s| matches!(s, Sent::Bare(32..)))));
        assert!(threads().any(|t| t.pending.iter().any(|s| matches!(s, Sent::Bare(_)))));
        assert!(threads().any(|thread| thread.altstack.is_none()));
        assert!(threads().any(|thread| matches!(thread.altstack, Some((_, _, true)))));
        // Something is pending that nobody blocks: it has a handler.
        assert!(plans.iter().any(|plan| plan.shared.iter().any(|s| {
            let (Sent::Queued(signo, ..) | Sent::Bare(signo)) = *s;
            plan.threads.iter().all(|t| t.blocked & bit(signo) == 0)
        })));
    }
}
