// SPDX-License-Identifier: GPL-2.0

//! The timers of a restore: which there are to be, and how they are set as a part of the whole.
//!
//! A timer is made in three steps, so that nothing can fail once the target has changed. Before
//! siglock is taken, the timers of the record are looked up, or, in the caller's own process,
//! created. Under siglock all timers of the process are first stopped; one that is firing just
//! then lets the others run on and the restore begin anew. Then they are set, which cannot fail.
//! What must not be done under siglock comes last: timers that the record does not have are
//! deleted.

use kernel::{
    prelude::*,
    signal::{
        self,
        SighandGuard,
        Timer,
        TimerState, //
    },
    sync::aref::ARef,
    task::Task, //
};

use crate::{
    abi,
    record::{
        self,
        Timers,
        SIGEV_NONE,
        SIGEV_THREAD_ID, //
    }, //
};

/// `SIG_DFL`.
const SIG_DFL: usize = 0;
/// `SIG_IGN`.
const SIG_IGN: usize = 1;

/// The set of `SIGCHLD`, `SIGCONT`, `SIGURG` and `SIGWINCH`, whose default is to do nothing.
const IGNORED_BY_DEFAULT: u64 = 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27;

/// How often the timers are looked up anew because one was in use.
const ATTEMPT_COUNT_MAX: usize = 16;

/// All timers of the target, and what is to become of them.
pub(super) struct TimersPlan {
    timers: KVVec<TimerPlan>,
    /// The order of the timers by id: id and index.
    order: KVVec<(i32, usize)>,
    next_timer_id: u32,
    own_process: bool,
    /// References of signals that waited; dropped without siglock.
    detached: KVVec<Timer>,
    committed: bool,
}

struct TimerPlan {
    timer: Timer,
    timer_id: i32,
    /// What it is to be; [`None`]: to be deleted.
    state: Option<TimerState>,
    /// A place in a queue was left for it.
    is_placed: bool,
    /// This restore has created it.
    is_new: bool,
    was_running: bool,
    /// It was set to a time that has passed already.
    is_due: bool,
}

impl TimersPlan {
    /// Finds or creates the timers.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: timers of the target are in use each time, the limit on queued signals, or no
    ///   memory for a timer.
    /// - [`EBUSY`]: a timer of the target has the id of another one in the record.
    /// - [`EOPNOTSUPP`]: the target is another process and lacks a timer or has one too many; or a
    ///   timer runs by the CPU time of another process, or its clock has no timers.
    /// - [`EINVAL`], [`EPERM`]: there is no such clock, or no right to it.
    /// - [`ESRCH`]: the thread that a timer is to signal is not there.
    /// - [`ENOMEM`]: no memory.
    pub(super) fn new(timers: Timers<'_>, task: &ARef<Task>) -> Result<Self> {
        let own_process = signal::is_own_process(task);
        let mut found = find_all(task)?;
        // The ids with their timers: sorting the timers themselves takes several KiB of the stack.
        let mut order = KVVec::with_capacity(found.len(), GFP_KERNEL_ACCOUNT)?;
        for (index, (now, _)) in found.iter().flatten().enumerate() {
            order.push((now.timer_id, index), GFP_KERNEL_ACCOUNT)?;
        }
        order.sort_unstable();
        let mut plan = Self {
            timers: KVVec::with_capacity(
                timers.count().saturating_add(found.len()),
                GFP_KERNEL_ACCOUNT,
            )?,
            order: KVVec::new(),
            next_timer_id: timers.next_timer_id,
            own_process,
            detached: KVVec::with_capacity(
                timers.count().saturating_add(found.len()),
                GFP_KERNEL_ACCOUNT,
            )?,
            committed: false,
        };
        for state in timers.iter() {
            let here = order
                .binary_search_by_key(&state.timer_id, |(timer_id, _)| *timer_id)
                .ok()
                .and_then(|place| found.get_mut(order.get(place)?.1)?.take());
            let (timer, is_new) = match here {
                Some((now, timer)) => {
                    if !is_alike(&now, &state) {
                        return Err(EBUSY);
                    }
                    (timer, false)
                }
                None if own_process => (create(&state, task)?, true),
                None => return Err(EOPNOTSUPP),
            };
            plan.add(timer, state.timer_id, Some(state), is_new)?;
        }
        for (now, timer) in found.into_iter().flatten() {
            if !own_process {
                return Err(EOPNOTSUPP);
            }
            plan.add(timer, now.timer_id, None, false)?;
        }
        plan.sort()?;
        if plan.timers.iter().any(|plan| plan.timer.is_foreign(task)) {
            return Err(EOPNOTSUPP);
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        timer: Timer,
        timer_id: i32,
        state: Option<TimerState>,
        is_new: bool,
    ) -> Result {
        let plan = TimerPlan {
            timer,
            timer_id,
            state,
            is_placed: false,
            is_new,
            was_running: false,
            is_due: false,
        };
        Ok(self.timers.push(plan, GFP_KERNEL_ACCOUNT)?)
    }

    /// Takes notice of a place that was left in a queue for the signal of a timer.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: there is one for it already.
    pub(super) fn place(&mut self, timer_id: i32) -> Result {
        let index = self.index_of(timer_id).ok_or(EINVAL)?;
        let plan = self.timers.get_mut(index).ok_or(EINVAL)?;
        if plan.is_placed {
            return Err(EINVAL);
        }
        plan.is_placed = true;
        Ok(())
    }

    /// Whether there is nothing to do: neither the record nor the target has a timer.
    pub(super) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Whether these are all timers that the target has.
    pub(super) fn is_complete(&self, sighand: &SighandGuard<'_>) -> bool {
        sighand.timers().count() == self.timers.len()
            && sighand.timers().all(|now| {
                // The id is the same for as long as the timer lives.
                self.find(now.timer_id()).is_some_and(|timer| timer.is(now))
            })
    }

    /// Stops all timers; false, and they run as before, if one of them is firing.
    pub(super) fn quiesce(&mut self, sighand: &mut SighandGuard<'_>) -> bool {
        for plan in self.timers.iter_mut() {
            plan.was_running = false;
        }
        for plan in self.timers.iter_mut() {
            match sighand.quiesce_timer(&plan.timer) {
                Ok(was_running) => plan.was_running = was_running,
                Err(_) => {
                    self.resume(sighand);
                    return false;
                }
            }
        }
        true
    }

    /// Lets the timers run on that [`Self::quiesce`] has stopped.
    pub(super) fn resume(&self, sighand: &mut SighandGuard<'_>) {
        for plan in self.timers.iter().filter(|plan| plan.was_running) {
            sighand.resume_timer(&plan.timer);
        }
    }

    /// Takes the signals of all timers out of the queues, and sets the timers. Those that are
    /// pending then have to be put into queues.
    ///
    /// To be called when all actions are what they are to be, after [`Self::quiesce`].
    pub(super) fn apply(&mut self, sighand: &mut SighandGuard<'_>) {
        for plan in self.timers.iter_mut() {
            if let Some(reference) = sighand.detach_timer(&plan.timer) {
                // There is room for all.
                if let Err(reference) = self.detached.push_within_capacity(reference) {
                    core::mem::forget(reference);
                }
            }
            let Some(mut state) = plan.state else {
                continue;
            };
            let ignored = state.flags & abi::SIGCR_TIMER_IGNORED != 0;
            if ignored && !is_ignored(sighand, state.signo) {
                // It would wait for ever: it goes on at its next expiry.
                state.flags = abi::SIGCR_TIMER_ARMED;
            }
            plan.is_due = !sighand.apply_timer(&plan.timer, &state);
        }
        sighand.set_next_timer_id(self.next_timer_id);
        self.committed = true;
    }

    /// The timer with an id.
    pub(super) fn find(&self, timer_id: i32) -> Option<&Timer> {
        let plan = self.timers.get(self.index_of(timer_id)?)?;
        Some(&plan.timer)
    }

    fn index_of(&self, timer_id: i32) -> Option<usize> {
        let place = self
            .order
            .binary_search_by_key(&timer_id, |(timer_id, _)| *timer_id)
            .ok()?;
        self.order.get(place).map(|(_, index)| *index)
    }

    /// Makes the order in which timers are found.
    fn sort(&mut self) -> Result {
        for (index, plan) in self.timers.iter().enumerate() {
            self.order
                .push((plan.timer_id, index), GFP_KERNEL_ACCOUNT)?;
        }
        self.order.sort_unstable();
        Ok(())
    }
}

impl Drop for TimersPlan {
    /// Finishes what could not be done under siglock, or takes back what was done before it.
    fn drop(&mut self) {
        for plan in self.timers.iter() {
            let unwanted = match self.committed {
                true => plan.state.is_none(),
                false => plan.is_new,
            };
            // Only in the caller's own process is there an unwanted one.
            if unwanted && self.own_process {
                plan.timer.delete();
            }
            if self.committed && plan.is_due {
                plan.timer.expire();
            }
        }
    }
}

/// All timers of the process of `task` and what they are set to, each as [`Some`].
fn find_all(task: &ARef<Task>) -> Result<KVVec<Option<(TimerState, Timer)>>> {
    let mut found = KVVec::new();
    let mut needed_count = 0;
    for _ in 0..ATTEMPT_COUNT_MAX {
        found.clear();
        found.reserve(needed_count, GFP_KERNEL_ACCOUNT)?;
        let sighand = SighandGuard::lock(task).ok_or(ESRCH)?;
        needed_count = sighand.timers().count();
        if needed_count > found.capacity() {
            continue;
        }
        let mut complete = true;
        for timer in sighand.timers() {
            match timer.capture(&sighand) {
                Ok(state) => {
                    if let Err(entry) = found.push_within_capacity(Some((state, timer.hold()))) {
                        // There was room for all; a reference is not to be dropped here.
                        core::mem::forget(entry);
                    }
                }
                Err(_) => complete = false,
            }
        }
        drop(sighand);
        if complete {
            return Ok(found);
        }
    }
    Err(EAGAIN)
}

/// Whether a timer could have been created as the other one was: what of it never changes.
fn is_alike(now: &TimerState, state: &TimerState) -> bool {
    now.clock_id == state.clock_id
        && now.notify == state.notify
        && now.sigval == state.sigval
        && now.notify_tid == state.notify_tid
        && (now.signo == state.signo || state.notify == SIGEV_NONE)
}

fn create(state: &TimerState, process: &ARef<Task>) -> Result<Timer> {
    if state.notify != SIGEV_THREAD_ID {
        return Timer::create(state, None);
    }
    let thread = signal::find_thread(process, state.notify_tid)?;
    Timer::create(state, Some(&thread))
}

/// Whether a signal that is not blocked has no effect.
fn is_ignored(sighand: &SighandGuard<'_>, signo: u32) -> bool {
    let Some(action) = sighand.action(signo) else {
        return false;
    };
    action.handler == SIG_IGN
        || (action.handler == SIG_DFL && record::sigset_of(signo) & IGNORED_BY_DEFAULT != 0)
}
