// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Random signal states, each from its seed.

use mutator::Random;

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
    let sendable = random.word() & !UNSENDABLE;
    let actions = random_actions(&mut random);
    let handled = actions
        .iter()
        .filter(|(_, action)| action.handler > 1)
        .fold(0, |set, (signo, _)| set | bit(*signo));
    let must_block = match keep {
        Keep::WhileRunning => sendable,
        Keep::WhileStopped => sendable & !handled,
    };
    let shared = random_sent(&mut random, sendable, 64, false);
    let threads = (0..1 + random.below(8))
        .map(|_| ThreadPlan {
            blocked: (random.word() | must_block) & !UNBLOCKABLE,
            altstack: random_altstack(&mut random),
            pending: random_sent(&mut random, sendable, 12, true),
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
