// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The sizes of the targets, and targets of these sizes.

use cases::subject::{Plan, Sent, ThreadPlan, UNBLOCKABLE};
use cases::sys::{bit, RawAction};

/// How large the signal state of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Queued signals, shared out evenly among the process's queue and those of its threads.
    pub(crate) pending: u32,
    /// Threads.
    pub(crate) threads: u32,
    /// Actions that are not the default.
    pub(crate) actions: u32,
}

const fn size(pending: u32, threads: u32, actions: u32) -> Size {
    Size {
        pending,
        threads,
        actions,
    }
}

/// The sizes of the short run.
pub(crate) const SHORT: &[Size] = &[
    size(0, 1, 0),
    size(0, 1, 62),
    size(10, 1, 0),
    size(100, 1, 0),
    size(1_000, 1, 0),
    size(0, 8, 0),
    size(0, 64, 0),
    size(1_000, 8, 62),
];

/// The sizes of the full run.
pub(crate) const FULL: &[Size] = &[
    size(0, 1, 0),
    size(10, 1, 0),
    size(100, 1, 0),
    size(1_000, 1, 0),
    size(10_000, 1, 0),
    size(60_000, 1, 0),
    size(0, 1, 62),
    size(10, 1, 62),
    size(100, 1, 62),
    size(1_000, 1, 62),
    size(10_000, 1, 62),
    size(60_000, 1, 62),
    size(0, 8, 0),
    size(0, 64, 0),
    size(0, 512, 0),
    size(0, 8, 62),
    size(0, 64, 62),
    size(0, 512, 62),
    size(1_000, 8, 62),
    size(1_000, 64, 62),
    size(10_000, 64, 62),
    size(60_000, 512, 62),
];

impl Size {
    /// The idle process.
    pub(crate) const IDLE: Self = size(0, 1, 0);

    /// Reads the three numbers.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[pending, threads @ 1..=100_000, actions @ 0..=62]) => {
                Ok(size(pending, threads, actions))
            }
            _ => Err(
                "give it as PENDING,THREADS,ACTIONS, with a thread and at most 62 actions".into(),
            ),
        }
    }

    /// The signal state of this size.
    pub(crate) fn plan(&self) -> Plan {
        let action = RawAction {
            handler: 0x0040_1000,
            // SA_SIGINFO, SA_RESTORER, SA_RESTART.
            flags: 0x1400_0004,
            restorer: 0x0040_2000,
            mask: bit(libc::SIGUSR1 as u32),
        };
        let actions = (1..=64)
            .filter(|&signo| bit(signo) & UNBLOCKABLE == 0)
            .take(self.actions as usize)
            .map(|signo| (signo, action))
            .collect();
        let mut plan = Plan {
            actions,
            shared: Vec::new(),
            threads: vec![
                ThreadPlan {
                    blocked: !UNBLOCKABLE,
                    ..ThreadPlan::default()
                };
                self.threads as usize
            ],
        };
        let queues_count = match self.threads {
            1 => 1,
            count => count + 1,
        };
        for index in 0..self.pending {
            // Real-time signals that no C library keeps to itself.
            let signal = Sent::Queued(35 + index % 30, libc::SI_QUEUE, index.into());
            match index % queues_count {
                0 => plan.shared.push(signal),
                thread => plan.threads[thread as usize - 1].pending.push(signal),
            }
        }
        plan
    }
}
