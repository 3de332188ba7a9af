// SPDX-License-Identifier: GPL-2.0

//! What a checkpoint takes aside before it encodes: lists that have to be sorted, or that siglock
//! does not protect.

use kernel::{
    alloc::Flags,
    prelude::*,
    signal::{
        Busy,
        Cut,
        Scope,
        SighandGuard,
        Signalfd,
        Standing,
        TimerState,
        Waiter, //
    },
    task::Task, //
};

use crate::{
    abi,
    record::encode::{
        Sink,
        Writer, //
    }, //
};

use super::threads_in;

/// The lists. Their memory is allocated before siglock is taken; what did not fit then decides how
/// much it is the next time.
#[derive(Default)]
pub(super) struct Aside {
    signalfds: KVVec<abi::sigcr_signalfd>,
    timers: KVVec<TimerState>,
    /// The order of the timers by id: id and index. Sorted instead of the timers themselves, for
    /// which the sort takes several KiB of the stack.
    timers_order: KVVec<(i32, u32)>,
    timers_needed_count: usize,
    next_timer_id: u32,
    /// [`SighandGuard::timers_seq`] when the timers were captured.
    timers_seq: u64,
    /// The queues of the threads, in the order of the threads.
    cuts: KVVec<Option<Cut>>,
    cuts_needed_count: usize,
    waiters: KVVec<Waiter>,
    waiters_needed_count: usize,
    waiters_count: usize,
}

/// `SFD_NONBLOCK`.
const SFD_NONBLOCK: u32 = 0o4000;
/// `SFD_CLOEXEC`.
const SFD_CLOEXEC: u32 = 0o2_000_000;

impl Aside {
    /// Allocates for as many as there were the last time.
    pub(super) fn make_room(&mut self, flags: Flags) -> Result {
        self.timers.clear();
        self.timers.reserve(self.timers_needed_count, flags)?;
        self.timers_order.clear();
        self.timers_order.reserve(self.timers_needed_count, flags)?;
        self.cuts.clear();
        self.cuts.reserve(self.cuts_needed_count, flags)?;
        self.waiters.clear();
        self.waiters
            .resize(self.waiters_needed_count, Waiter::default(), flags)?;
        Ok(())
    }

    /// Expects queues that are read in several holds, those of `thread_count` threads.
    pub(super) fn expect_cuts(&mut self, thread_count: usize) {
        self.cuts_needed_count = self.cuts_needed_count.max(thread_count);
    }

    /// Captures the signalfds of `task`, which siglock does not protect.
    pub(super) fn capture_signalfds(&mut self, task: &Task) -> Result {
        self.signalfds.clear();
        let mut next_fd = 0;
        while let Some(found) = Signalfd::find(task, next_fd) {
            let mut flags = 0;
            if found.is_nonblock() {
                flags |= SFD_NONBLOCK;
            }
            if found.is_cloexec {
                flags |= SFD_CLOEXEC;
            }
            let signalfd = abi::sigcr_signalfd {
                // CAST: A file descriptor is below 2^31.
                fd: found.fd as i32,
                flags,
                mask: found.mask(),
            };
            self.signalfds.push(signalfd, GFP_KERNEL_ACCOUNT)?;
            next_fd = found.fd.saturating_add(1);
        }
        Ok(())
    }

    /// Captures timers and waiters.
    ///
    /// # Errors
    ///
    /// - [`Busy`]: there is not enough room, or a timer is in use.
    ///
    /// # Context
    ///
    /// Under siglock.
    pub(super) fn capture(
        &mut self,
        sighand: &SighandGuard<'_>,
        scope: Scope,
        with_waiters: bool,
    ) -> Result<(), Busy> {
        if scope == Scope::Thread {
            return Ok(());
        }
        self.next_timer_id = sighand.next_timer_id();
        self.timers_seq = sighand.timers_seq();
        self.timers_needed_count = sighand.timers().count();
        self.timers.clear();
        self.timers_order.clear();
        for timer in sighand.timers() {
            let state = timer.capture(sighand)?;
            // CAST: No more than the limit on queued signals.
            let place = (state.timer_id, self.timers.len() as u32);
            self.timers_order
                .push_within_capacity(place)
                .map_err(|_| Busy)?;
            self.timers.push_within_capacity(state).map_err(|_| Busy)?;
        }
        // The kernel lists them in the reverse order of their creation.
        self.timers_order.sort_unstable();
        if with_waiters {
            self.waiters_count = sighand.waiters(&mut self.waiters);
            if self.waiters_count > self.waiters.len() {
                self.waiters_needed_count = self.waiters_count;
                return Err(Busy);
            }
        }
        Ok(())
    }

    /// Whether there was enough room for what the last [`Self::capture`] has found.
    pub(super) fn has_room(&self) -> bool {
        self.timers_needed_count <= self.timers.capacity()
            && self.waiters_needed_count <= self.waiters.len()
    }

    /// Whether no timer was set or deleted since they were captured in this hold of siglock, so
    /// that they fit to the queues.
    pub(super) fn is_up_to_date(&self, sighand: &SighandGuard<'_>) -> bool {
        self.timers_needed_count == 0 || self.timers_seq == sighand.timers_seq()
    }

    /// Notes where the queues of the threads end that were not begun yet; false if there is not
    /// enough room, which there will be the next time.
    ///
    /// # Context
    ///
    /// Under siglock.
    pub(super) fn cut_queues<'g>(
        &mut self,
        sighand: &'g SighandGuard<'_>,
        now: Standing<'g>,
        scope: Scope,
        begun_count: usize,
    ) -> bool {
        self.cuts_needed_count = threads_in(sighand, scope).count();
        for (index, thread) in threads_in(sighand, scope).enumerate() {
            let cut = (index >= begun_count).then(|| thread.queue().cut(now));
            if self.cuts.push_within_capacity(cut).is_err() {
                return false;
            }
        }
        true
    }

    /// The end of the queue of the thread with this index.
    pub(super) fn take_cut(&mut self, index: usize) -> Option<Cut> {
        self.cuts.get_mut(index)?.take()
    }

    /// Encodes timers and signalfds.
    pub(super) fn encode(&self, writer: &mut Writer<impl Sink>) {
        let mut list = writer.begin_timers();
        for (_, index) in self.timers_order.iter() {
            if let Some(timer) = self.timers.get(*index as usize) {
                writer.timer(&mut list, timer);
            }
        }
        writer.end_timers(list, self.next_timer_id);
        if self.signalfds.is_empty() {
            return;
        }
        let mut list = writer.begin_signalfds();
        for signalfd in self.signalfds.iter() {
            writer.signalfd(&mut list, signalfd);
        }
        writer.end_signalfds(list);
    }

    /// Encodes the waiters, which come last.
    pub(super) fn encode_waiters(&mut self, writer: &mut Writer<impl Sink>) {
        self.waiters.truncate(self.waiters_count);
        self.waiters.sort_unstable_by_key(|waiter| waiter.tid);
        let mut list = writer.begin_waiters();
        for waiter in self.waiters.iter() {
            writer.waiter(&mut list, waiter);
        }
        writer.end_waiters(list);
    }
}
