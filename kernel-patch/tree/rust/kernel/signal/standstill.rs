// SPDX-License-Identifier: GPL-2.0

//! Queues that are read in several holds of siglock, because they are long.
//!
//! Interrupts are off under siglock. What is to be read of a long queue is read part by part, and
//! between the parts siglock is released. That is sound for a process that stands still: only its
//! own threads take signals out of queues. Others may append some, which are simply not read, as
//! they came after the beginning; and there are exceptions, all of which are excluded here:
//!
//! - A sender of `SIGCONT` takes stop signals out of queues, and the other way around: a process
//!   with one of these pending at the beginning is not taken to stand still.
//! - The kernel empties the queues of a process that is killed or in an exec: that is seen under
//!   siglock before anything is read.
//! - A restore exchanges queues: that is counted, see [`QueueRef::exchange`].
//!
//! Whether a thread has run in between is told by its context switches: one that has not left the
//! CPU yet does not stand still, and one that has was switched out once more.

use super::{
    queue::{
        QueueRef,
        Queued, //
    },
    SighandGuard,
    ThreadRef, //
};
use crate::{
    bindings,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::{
            smp_mb,
            Read, //
        }, //
    }, //
};
use core::marker::PhantomData;

/// Exchanges of queues by restores, of all processes.
static EXCHANGE_COUNT: Atomic<u64> = Atomic::new(0);

/// Holds of siglock; each has a number of its own.
static HOLD_COUNT: Atomic<u64> = Atomic::new(0);

/// What a process was like in the hold in which it was first seen to stand still.
#[derive(Clone, Copy)]
pub struct Standstill {
    hold: u64,
    trace: Trace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Trace {
    switch_count: u64,
    /// Sum over the masks, which a ptracer may set.
    blocked: u64,
    thread_count: u32,
    exchange_count: u64,
}

/// Proof that the process has stood still from a hold of siglock up to this one.
///
/// # Invariants
///
/// `since` is the number of the present hold, or of one since which the process has stood still.
#[derive(Clone, Copy)]
pub struct Standing<'g> {
    since: u64,
    _guard: PhantomData<&'g SighandGuard<'g>>,
}

/// A queue as it was in the hold in which its process was first seen to stand still: what was
/// appended later is not a part of it.
///
/// # Invariants
///
/// `at` and `last` were nodes of the queue, or its head, in the hold number `hold`, and are as long
/// as the process stands still from then on; `at` is not behind `last`.
pub struct Cut {
    /// The sigset of pending signals.
    pub set: u64,
    hold: u64,
    queue: *mut bindings::list_head,
    /// The node after which to go on.
    at: *mut bindings::list_head,
    last: *mut bindings::list_head,
}

// SAFETY: The pointers are used under siglock only, from whatever thread.
unsafe impl Send for Cut {}

impl SighandGuard<'_> {
    /// Whether the process stands still, and then, what tells later whether it still does.
    pub fn standstill(&self, now: Standing<'_>) -> Option<Standstill> {
        let stops = (bindings::SIGSTOP..=bindings::SIGTTOU).fold(0, |set, signo| set | bit(signo));
        let flushed = stops | bit(bindings::SIGCONT);
        let mut pending = self.shared_queue().set();
        for thread in self.threads() {
            pending |= thread.queue().set();
        }
        if pending & flushed != 0 {
            return None;
        }
        Some(Standstill {
            hold: now.since,
            trace: self.trace()?,
        })
    }

    /// Proof for what is read in this hold alone. To be called once in a hold.
    pub fn now(&self) -> Standing<'_> {
        // INVARIANT: It becomes the number of this hold.
        Standing {
            since: HOLD_COUNT.fetch_add(1, Relaxed),
            _guard: PhantomData,
        }
    }

    /// Whether the process has stood still since.
    pub fn stands(&self, before: &Standstill) -> Option<Standing<'_>> {
        // INVARIANT: No thread has run since that hold, and nobody else has touched the queues.
        (self.trace()? == before.trace).then_some(Standing {
            since: before.hold,
            _guard: PhantomData,
        })
    }

    fn trace(&self) -> Option<Trace> {
        let mut switch_count = 0u64;
        let mut blocked = 0u64;
        if self.is_dying() || self.is_in_exec() {
            return None;
        }
        for thread in self.threads() {
            // The caller is here; workers take nothing but SIGKILL and stop signals.
            if thread.is_current() || thread.is_worker() || thread.is_dead() {
                continue;
            }
            if !thread.is_stopped() {
                return None;
            }
            switch_count = switch_count.wrapping_add(off_cpu_switch_count(thread)?);
            blocked = blocked.rotate_left(1).wrapping_add(thread.blocked());
        }
        Some(Trace {
            switch_count,
            blocked,
            thread_count: self.thread_count(),
            exchange_count: EXCHANGE_COUNT.load(Relaxed),
        })
    }
}

impl Cut {
    /// Whether all that was in the queue has been read.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.at == self.last
    }
}

impl<'g> QueueRef<'g> {
    /// The queue as it is now, for reading it part by part.
    pub fn cut(self, now: Standing<'g>) -> Cut {
        let (head, last) = self.ends();
        // INVARIANT: Both are of this queue, in this hold.
        Cut {
            set: self.set(),
            hold: now.since,
            queue: head,
            at: head,
            last,
        }
    }

    /// The next signal of the queue as it was when `cut` was made; [`None`] at its end.
    #[inline]
    pub fn next_of(self, cut: &mut Cut, standing: Standing<'g>) -> Option<Queued<'g>> {
        // Else the cut is of another queue, or nobody knows what has become of it.
        let valid = cut.hold == standing.since && cut.queue == self.ends().0;
        if !valid || cut.at == cut.last {
            return None;
        }
        // SAFETY: By the invariants of `Standing` and `Cut`, both nodes are in this queue, and
        // there is one behind `at`.
        let (next, queued) = unsafe { self.entry_after(cut.at) };
        // INVARIANT: It is a node of the queue, and not behind `last`.
        cut.at = next;
        Some(queued)
    }
}

/// To be called under siglock when signals are taken out of queues by somebody else than a thread
/// that they are for.
pub(super) fn count_exchange() {
    EXCHANGE_COUNT.fetch_add(1, Relaxed);
}

/// How often the thread was switched out; [`None`] if it is on a CPU.
fn off_cpu_switch_count(thread: ThreadRef<'_>) -> Option<u64> {
    let task = thread.as_ptr();
    // SAFETY: The task is valid. Its words change at any time. A CPU clears `on_cpu` when it has
    // counted the switch.
    unsafe {
        if (&raw const (*task).on_cpu).read_volatile() != 0 {
            return None;
        }
        smp_mb(Read);
        let voluntary = (&raw const (*task).nvcsw).read_volatile();
        let involuntary = (&raw const (*task).nivcsw).read_volatile();
        Some((voluntary as u64).wrapping_add(involuntary as u64))
    }
}

fn bit(signo: u32) -> u64 {
    1 << (signo - 1)
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_standstill)]
mod tests {
    use super::{
        super::testing::*,
        *, //
    };
    use crate::prelude::*;

    /// Whether this thread's process stands still with `set` pending.
    fn stands_with(task: Option<&crate::task::Task>, set: u64) -> Result<bool> {
        let mut list = list_of(&[])?;
        under_siglock(|sighand| {
            sighand.replace_queue(task, &mut list, set, 0);
            let stands = sighand.standstill(sighand.now()).is_some();
            sighand.replace_queue(task, &mut list, 0, 0);
            stands
        })
    }

    #[test]
    fn what_senders_flush_keeps_a_process_from_standing_still() -> Result {
        let task = this_task();
        for signo in 1..=64 {
            let flushed = (bindings::SIGCONT..=bindings::SIGTTOU).contains(&signo);
            assert_eq!(stands_with(None, set_of(signo))?, !flushed);
            assert_eq!(stands_with(Some(&task), set_of(signo))?, !flushed);
        }
        Ok(())
    }

    #[test]
    fn a_process_stands_still_until_a_queue_is_exchanged() -> Result {
        let mut list = list_of(&[])?;
        let before = under_siglock(|sighand| sighand.standstill(sighand.now()))?.ok_or(EBUSY)?;
        let (still, later) = under_siglock(|sighand| {
            let still = sighand.stands(&before).is_some();
            sighand.replace_queue(None, &mut list, 0, 0);
            (still, sighand.stands(&before).is_some())
        })?;
        assert!(still);
        assert!(!later);
        Ok(())
    }

    /// Moves the one signal of `from` to the end of `to`, where a sender would put it.
    fn append(to: QueueRef<'_>, from: QueueRef<'_>) {
        let (from_head, signal) = from.ends();
        let (to_head, _) = to.ends();
        // SAFETY: Both queues are locked; `from` has the one signal, which leaves it.
        unsafe {
            bindings::INIT_LIST_HEAD(from_head);
            bindings::list_add_tail(signal, to_head);
        }
    }

    #[test]
    fn a_cut_ends_where_the_queue_ended_and_is_read_in_several_holds() -> Result {
        let task = this_task();
        let mut list = list_of(&[(40, 1), (40, 2)])?;
        let mut late = list_of(&[(40, 3)])?;
        let (before, mut cut, first) = under_siglock(|sighand| {
            sighand.replace_queue(None, &mut list, set_of(40), 0);
            sighand.replace_queue(Some(&task), &mut late, set_of(40), 0);
            let now = sighand.now();
            let queue = sighand.shared_queue();
            let mut cut = queue.cut(now);
            let first = queue.next_of(&mut cut, now);
            let first = first.map(|queued| signal_of(&queued));
            (sighand.standstill(now), cut, first)
        })?;
        let (all, unknown, rest) = under_siglock(|sighand| {
            let queue = sighand.shared_queue();
            append(queue, sighand.this_thread().queue());
            let all = signals_in::<4>(queue);
            let mut next = |standing| {
                let queued = queue.next_of(&mut cut, standing)?;
                Some(signal_of(&queued))
            };
            // Nothing is known of the time since another hold.
            let unknown = next(sighand.now());
            let standing = before.and_then(|before| sighand.stands(&before));
            let rest = standing.map(|standing| [(); 3].map(|()| next(standing)));
            sighand.replace_queue(None, &mut list, 0, 3);
            sighand.replace_queue(Some(&task), &mut late, 0, 0);
            (all, unknown, rest)
        })?;
        assert_eq!(first, Some((40, 1)));
        assert_eq!(all, [Some((40, 1)), Some((40, 2)), Some((40, 3)), None]);
        assert_eq!(unknown, None);
        assert_eq!(rest, Some([Some((40, 2)), None, None]));
        Ok(())
    }

    #[test]
    fn a_cut_is_good_for_its_own_queue_only() -> Result {
        let task = this_task();
        let mut shared = list_of(&[(40, 1)])?;
        let mut private = list_of(&[(41, 2)])?;
        let seen = under_siglock(|sighand| {
            sighand.replace_queue(None, &mut shared, set_of(40), 0);
            sighand.replace_queue(Some(&task), &mut private, set_of(41), 0);
            let now = sighand.now();
            let queue = sighand.shared_queue();
            let mut cut = queue.cut(now);
            let wrong = sighand
                .this_thread()
                .queue()
                .next_of(&mut cut, now)
                .is_some();
            let right = queue
                .next_of(&mut cut, now)
                .map(|queued| signal_of(&queued));
            sighand.replace_queue(None, &mut shared, 0, 1);
            sighand.replace_queue(Some(&task), &mut private, 0, 1);
            (wrong, right)
        })?;
        assert_eq!(seen, (false, Some((40, 1))));
        Ok(())
    }
}
