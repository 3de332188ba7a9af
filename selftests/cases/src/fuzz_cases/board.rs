// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The board: memory that an attacker shares with who watches it, and that outlives it.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use mutator::tally::{self, Tally};
use nix::errno::Errno;
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};

/// Errnos that are counted; all that the calls can give are below.
const ERRNO_COUNT: usize = 160;
/// Verdicts of the decoder that can be counted.
const VERDICT_COUNT: usize = 128;

/// The memory. All zero is its start.
#[repr(C)]
struct Shared {
    /// The record that is being thrown, plus one.
    current: AtomicU64,
    /// 1 while the attacker may die of a record that was restored.
    deadly: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    dry_runs: AtomicU64,
    restored: AtomicU64,
    due: AtomicU64,
    deadly_count: AtomicU64,
    scenes: AtomicU64,
    /// By errno; 0 is success.
    errnos: [AtomicU64; ERRNO_COUNT],
    /// By index of `mutator::tally`.
    verdicts: [AtomicU64; VERDICT_COUNT],
}

/// The shared memory of one attacker.
///
/// # Invariants
///
/// The pointer is that of a mapping which has room for a [`Shared`] and lives as long as this.
pub(crate) struct Board(NonNull<Shared>);

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Records that were thrown.
    pub(crate) done: u64,
    /// Refused, and nothing had changed.
    pub(crate) refused: u64,
    /// Dry runs that succeeded, and nothing had changed.
    pub(crate) dry_runs: u64,
    /// Restored, and the state was what the record says.
    pub(crate) restored: u64,
    /// Of these, those with timers that could fire before it was looked at.
    pub(crate) due: u64,
    /// Restored by an attacker onto itself, with a signal that could be delivered.
    pub(crate) deadly: u64,
    /// Targets that were made.
    pub(crate) scenes: u64,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Refused,
    DryRun,
    Restored { due: bool },
}

impl Board {
    pub(crate) fn new() -> anyhow::Result<Self> {
        assert!(tally::index_count() <= VERDICT_COUNT);
        // SAFETY: The kernel chooses a place where nothing else is.
        let memory = unsafe {
            mmap_anonymous(
                None,
                NonZeroUsize::new(size_of::<Shared>()).unwrap_or(NonZeroUsize::MIN),
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        }?;
        // INVARIANT: It was mapped just now, and is unmapped when this is dropped.
        Ok(Self(memory.cast()))
    }

    fn shared(&self) -> &Shared {
        // SAFETY: By the type invariant; all-zero numbers are valid, and only ever changed as
        // atomic ones, by whatever process.
        unsafe { self.0.as_ref() }
    }

    /// The attacker begins with a record.
    pub(crate) fn begin(&self, index: u64) {
        self.shared().current.store(index + 1, Ordering::SeqCst);
    }

    /// The record that was begun last.
    pub(crate) fn current(&self) -> Option<u64> {
        self.shared().current.load(Ordering::SeqCst).checked_sub(1)
    }

    /// From now on the attacker may die, be stopped, or run wild.
    pub(crate) fn set_deadly(&self, deadly: bool) {
        let shared = self.shared();
        shared.deadly.store(deadly.into(), Ordering::SeqCst);
    }

    pub(crate) fn is_deadly(&self) -> bool {
        self.shared().deadly.load(Ordering::SeqCst) != 0
    }

    /// Counts a call.
    pub(crate) fn count_call(&self, verdict_index: usize, errno: Option<Errno>) {
        let shared = self.shared();
        let errno = errno.map_or(0, |errno| errno as i32 as usize);
        for counter in [
            shared.verdicts.get(verdict_index),
            shared.errnos.get(errno),
            Some(&shared.done),
        ] {
            counter.map(|counter| counter.fetch_add(1, Ordering::Relaxed));
        }
    }

    /// Counts how a record ended, after all was checked.
    pub(crate) fn count_outcome(&self, outcome: Outcome) {
        let shared = self.shared();
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match outcome {
            Outcome::Refused => add(&shared.refused),
            Outcome::DryRun => add(&shared.dry_runs),
            Outcome::Restored { due } => {
                add(&shared.restored);
                if due {
                    add(&shared.due);
                }
            }
        }
    }

    pub(crate) fn count_deadly(&self) {
        self.shared().deadly_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_scene(&self) {
        self.shared().scenes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        let shared = self.shared();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            done: get(&shared.done),
            refused: get(&shared.refused),
            dry_runs: get(&shared.dry_runs),
            restored: get(&shared.restored),
            due: get(&shared.due),
            deadly: get(&shared.deadly_count),
            scenes: get(&shared.scenes),
        }
    }

    /// The errnos that were seen, with how often; [`Errno::UnknownErrno`] is success.
    pub(crate) fn errnos(&self) -> impl Iterator<Item = (Errno, u64)> + '_ {
        let counters = self.shared().errnos.iter().enumerate();
        counters
            .map(|(errno, count)| (Errno::from_raw(errno as i32), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }

    /// Adds what the decoder said.
    pub(crate) fn add_to(&self, tally: &mut Tally) {
        let counters = self.shared().verdicts.iter().enumerate();
        for (index, count) in counters.take(tally::index_count()) {
            tally.add_index(index, count.load(Ordering::Relaxed));
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody has a reference any more.
        let _ = unsafe { munmap(self.0.cast(), size_of::<Shared>()) };
    }
}
