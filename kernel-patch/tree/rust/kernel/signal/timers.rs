// SPDX-License-Identifier: GPL-2.0

//! Timers of a process: those of `timer_create(2)`, and the three of `setitimer(2)`.
//!
//! C headers: [`include/linux/posix-timers.h`](srctree/include/linux/posix-timers.h),
//! [`include/linux/sigcr.h`](srctree/include/linux/sigcr.h).
//!
//! # Locking
//!
//! `k_itimer::it_lock` is taken before siglock. What is done here under siglock only tries to take
//! it, and says so if it cannot. See kernel/sigcr/timers.c.

use super::{
    queue::{
        owner,
        Owner, //
    },
    sighand::SIGALRM,
    standstill::count_exchange,
    SighandGuard,
    TaskKey, //
};
use crate::{
    bindings,
    container_of,
    error::to_result,
    prelude::*,
    sync::rcu,
    task::Task,
    uapi, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// What there is to say of a timer; its fields are described in the UAPI header.
pub use uapi::sigcr_timer as TimerState;

/// A timer of the process that a [`SighandGuard`] holds.
///
/// # Invariants
///
/// `timer` is in the process's list of timers, and so valid while that is held.
#[derive(Clone, Copy)]
pub struct TimerRef<'g> {
    timer: NonNull<bindings::k_itimer>,
    _guard: PhantomData<&'g SighandGuard<'g>>,
}

/// A reference on a timer, which may have been deleted since. Not to be dropped under siglock.
///
/// # Invariants
///
/// This owns a reference on `timer`.
pub struct Timer(NonNull<bindings::k_itimer>);

/// Somebody uses the timer or it is firing: drop siglock, try again.
pub struct Busy;

/// An interval timer of `setitimer(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Itimer {
    /// Time until it expires, in ns; 0: it does not run.
    pub remaining_ns: u64,
    /// Its period in ns, or 0.
    pub interval_ns: u64,
}

/// The interval timers of a process.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Itimers {
    /// `ITIMER_REAL`.
    pub real: Itimer,
    /// `ITIMER_VIRTUAL`.
    pub virt: Itimer,
    /// `ITIMER_PROF`.
    pub prof: Itimer,
}

/// A queue of a process: its own, or that of one of its threads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum QueueOf {
    /// That of the process.
    Process,
    /// That of the thread with this task.
    Thread(TaskKey),
}

impl SighandGuard<'_> {
    /// The POSIX timers of the process, in no special order.
    pub fn timers(&self) -> impl Iterator<Item = TimerRef<'_>> + '_ {
        // SAFETY: `signal` is valid; siglock protects the list.
        let mut node = unsafe { (*self.signal()).posix_timers.first };
        core::iter::from_fn(move || {
            if node.is_null() {
                return None;
            }
            // SAFETY: Every node is the `list` of a timer, and siglock keeps it in the list.
            let timer = unsafe { container_of!(node, bindings::k_itimer, list) };
            // SAFETY: As above.
            node = unsafe { (*node).next };
            // INVARIANT: It is in the list.
            Some(TimerRef {
                timer: NonNull::new(timer)?,
                _guard: PhantomData,
            })
        })
    }

    /// A number that changes when a timer is set, deleted, or its signal taken.
    ///
    /// Timers are set without siglock: what is read of them and of the queues fits together if the
    /// number is the same before and after.
    pub fn timers_seq(&self) -> u64 {
        let mut sum = 0u64;
        for timer in self.timers() {
            // SAFETY: The timer is valid. Others change the number at any time, a single word.
            let seq = unsafe { (&raw const (*timer.timer.as_ptr()).it_signal_seq).read_volatile() };
            sum = sum.wrapping_add(u64::from(seq)).wrapping_add(1 << 32);
        }
        sum
    }

    /// The id that the next POSIX timer gets if it is free.
    pub fn next_timer_id(&self) -> u32 {
        // SAFETY: `signal` is valid; the counter changes at any time, as a word.
        let id =
            unsafe { (&raw const (*self.signal()).next_posix_timer_id.counter).read_volatile() };
        // CAST: The kernel takes it modulo 2^31 as well.
        id as u32 & i32::MAX as u32
    }

    /// Sets the id that the next POSIX timer gets if it is free.
    pub fn set_next_timer_id(&mut self, id: u32) {
        // SAFETY: As above.
        unsafe {
            // CAST: It is below 2^31.
            (&raw mut (*self.signal()).next_posix_timer_id.counter).write_volatile(id as i32);
        }
    }

    /// Whether the process has timers created with the ids that it asks for.
    pub fn asks_for_timer_ids(&self) -> bool {
        // SAFETY: `signal` is valid; the bit changes only by the process itself.
        unsafe { (*self.signal()).timer_create_restore_ids() != 0 }
    }

    /// The interval timers, and whether the periodic real one has expired and waits for its
    /// `SIGALRM` to be taken.
    pub fn itimers(&self) -> (Itimers, bool) {
        let cpu = |clock: u32| {
            // SAFETY: The task is valid and its siglock is held.
            let remaining_ns = unsafe { bindings::sigcr_cpu_itimer_remaining(self.task(), clock) };
            // SAFETY: As above; the clock is one of the two.
            let interval_ns = unsafe { (*self.signal()).it.get(clock as usize).map(|it| it.incr) };
            Itimer {
                remaining_ns,
                interval_ns: interval_ns.unwrap_or(0),
            }
        };
        let signal = self.signal();
        // SAFETY: `signal` is valid; siglock protects the timer and the interval. Only that the
        // timer is taken out of its queue, and that it is done, may come at any time.
        let (left_ns, queued, active, interval_ns) = unsafe {
            let timer = &raw mut (*signal).real_timer;
            (
                bindings::__hrtimer_get_remaining(timer, false),
                (&raw const (*timer).is_queued).read_volatile(),
                bindings::hrtimer_active(timer),
                (*signal).it_real_incr,
            )
        };
        // One that is firing right now waits for siglock to queue its signal, or has just done so:
        // it makes no difference if one is pending.
        let running = queued || (active && self.shared_queue().set() & SIGALRM == 0);
        let real = Itimer {
            // A running one that is overdue fires at once.
            remaining_ns: match running {
                true => u64::try_from(left_ns).unwrap_or(0).max(1),
                false => 0,
            },
            interval_ns: u64::try_from(interval_ns).unwrap_or(0),
        };
        let itimers = Itimers {
            real,
            virt: cpu(bindings::CPUCLOCK_VIRT),
            prof: cpu(bindings::CPUCLOCK_PROF),
        };
        (itimers, !running && self.has_expired_itimer())
    }

    /// Stops `ITIMER_REAL`, which remembers when it would have expired; whether it was running.
    ///
    /// # Errors
    ///
    /// - [`Busy`]: it is firing.
    pub fn stop_real_itimer(&mut self) -> Result<bool, Busy> {
        // SAFETY: `signal` is valid and its siglock held.
        match unsafe { bindings::hrtimer_try_to_cancel(&raw mut (*self.signal()).real_timer) } {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Busy),
        }
    }

    /// Lets an `ITIMER_REAL` run on that [`Self::stop_real_itimer`] has stopped.
    pub fn resume_real_itimer(&mut self) {
        // SAFETY: `signal` is valid and its siglock held; the timer is not running.
        unsafe { bindings::sigcr_real_itimer_resume(self.signal()) };
    }

    /// Sets the interval timers; the real one must have been stopped.
    pub fn set_itimers(&mut self, itimers: &Itimers) {
        let real = &itimers.real;
        // SAFETY: `signal` is valid and its siglock held; the timer is not running. The clocks are
        // the two that there are interval timers for.
        unsafe {
            let signal = self.signal();
            // CAST: The decoder has checked that times fit.
            (*signal).it_real_incr = real.interval_ns as i64;
            if real.remaining_ns != 0 {
                bindings::hrtimer_start_range_ns(
                    &raw mut (*signal).real_timer,
                    real.remaining_ns as i64,
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_REL,
                );
            }
            for (clock, itimer) in [
                (bindings::CPUCLOCK_VIRT, &itimers.virt),
                (bindings::CPUCLOCK_PROF, &itimers.prof),
            ] {
                bindings::sigcr_cpu_itimer_apply(
                    self.task(),
                    clock,
                    itimer.remaining_ns,
                    itimer.interval_ns,
                );
            }
        }
    }

    /// Stops a timer, which remembers what it was set to; whether it was running.
    ///
    /// All threads of the process but the caller must be settled.
    ///
    /// # Errors
    ///
    /// - [`Busy`]: it is firing, in use, or was deleted.
    pub fn quiesce_timer(&mut self, timer: &Timer) -> Result<bool, Busy> {
        let mut was_running = false;
        // SAFETY: The timer is valid; siglock of its process is held.
        let ret = unsafe { bindings::sigcr_timer_quiesce(timer.as_ptr(), &mut was_running) };
        match ret {
            0 => Ok(was_running),
            _ => Err(Busy),
        }
    }

    /// Lets a timer run on that [`Self::quiesce_timer`] has found running.
    pub fn resume_timer(&mut self, timer: &Timer) {
        // SAFETY: As above.
        unsafe { bindings::sigcr_timer_resume(timer.as_ptr()) };
    }

    /// Takes the signal of a quiet timer out of where it waits. If that is so, the caller owns the
    /// reference that is returned.
    pub fn detach_timer(&mut self, timer: &Timer) -> Option<Timer> {
        count_exchange();
        // SAFETY: As above.
        let detached = unsafe { bindings::sigcr_timer_detach(timer.as_ptr()) };
        // INVARIANT: The reference of the signal goes to the result.
        detached.then(|| Timer(timer.0))
    }

    /// Sets a quiet and detached timer; false if it has expired already, see [`Timer::expire`].
    ///
    /// With `SIGCR_TIMER_PENDING` its signal must then go into a queue.
    pub fn apply_timer(&mut self, timer: &Timer, state: &TimerState) -> bool {
        // SAFETY: As above; the caller's `state` is valid.
        unsafe {
            bindings::sigcr_timer_apply(timer.as_ptr(), (&raw const *state).cast(), self.signal())
        }
    }
}

impl TimerRef<'_> {
    /// What there is to say of the timer, with ids as `sighand`'s process sees them.
    ///
    /// # Errors
    ///
    /// - [`Busy`].
    pub fn capture(self, sighand: &SighandGuard<'_>) -> Result<TimerState, Busy> {
        let mut state = TimerState::default();
        // SAFETY: By the type invariants, the timer is valid; siglock of its process is held.
        let ret = unsafe {
            let ns = bindings::task_active_pid_ns(sighand.task());
            bindings::sigcr_timer_capture(self.timer.as_ptr(), ns, (&raw mut state).cast())
        };
        match ret {
            0 => Ok(state),
            _ => Err(Busy),
        }
    }

    /// Its id, which never changes.
    pub fn timer_id(self) -> i32 {
        // SAFETY: By the type invariants, the timer is valid.
        unsafe { (*self.timer.as_ptr()).it_id }
    }

    /// The queue in which the timer's signal waits to be taken: that of a thread, or of the process;
    /// [`None`] if it does not wait, or will be dropped when its turn comes.
    pub fn queued_in(self) -> Option<QueueOf> {
        let timer = self.timer.as_ptr();
        // SAFETY: By the type invariants, the timer is valid, and siglock of its process is held,
        // which protects the list and, for `owner()`, the rest.
        let waits = unsafe {
            let node = &raw mut (*timer).sigq.list;
            (*node).next != node && owner(&raw mut (*timer).sigq) != Owner::Stale
        };
        if !waits {
            return None;
        }
        // SAFETY: The timer is valid and has a pid; neither that nor its type ever changes. Siglock
        // is held, and with it RCU, which keeps a task that is found.
        let thread = unsafe {
            if (*timer).it_pid_type != bindings::pid_type_PIDTYPE_PID {
                return Some(QueueOf::Process);
            }
            bindings::pid_task(
                (*timer).__bindgen_anon_1.it_pid,
                bindings::pid_type_PIDTYPE_PID,
            )
        };
        NonNull::new(thread).map(|thread| QueueOf::Thread(TaskKey::of_raw(thread)))
    }

    /// Takes a reference.
    pub fn hold(self) -> Timer {
        // SAFETY: By the type invariants, the timer is valid.
        unsafe { bindings::sigcr_timer_get(self.timer.as_ptr()) };
        // INVARIANT: It was taken above.
        Timer(self.timer)
    }
}

impl Timer {
    /// Creates a timer of the caller's process, disarmed, that signals `thread` or the process.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: limit on queued signals, or no memory.
    /// - [`EBUSY`]: the id is taken.
    /// - [`EINVAL`], [`EOPNOTSUPP`], [`EPERM`]: no such clock, none with timers, no right to it.
    /// - [`ESRCH`]: the thread is gone.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn create(state: &TimerState, thread: Option<&Task>) -> Result<Self> {
        let task = thread.map_or(Task::current_raw(), Task::as_ptr);
        let mut timer = core::ptr::null_mut();
        // SAFETY: All pointers are valid.
        to_result(unsafe {
            bindings::sigcr_timer_create((&raw const *state).cast(), task, &mut timer)
        })?;
        // INVARIANT: The function has taken a reference for us.
        Ok(Self(NonNull::new(timer).ok_or(EINVAL)?))
    }

    /// Whether it runs by the CPU time of another process than that of `process`.
    pub fn is_foreign(&self, process: &Task) -> bool {
        let _rcu = rcu::read_lock();
        // SAFETY: Timer and task are valid, and `signal` never changes.
        unsafe { bindings::sigcr_timer_is_foreign(self.as_ptr(), (*process.as_ptr()).signal) }
    }

    /// Deletes the timer, which must be one of the caller's process.
    pub fn delete(&self) {
        // SAFETY: By the type invariants, the timer is valid.
        unsafe { bindings::sigcr_timer_delete(self.as_ptr()) };
    }

    /// Lets the timer send its signal, as [`SighandGuard::apply_timer`] has asked for.
    pub fn expire(&self) {
        // SAFETY: By the type invariants, the timer is valid.
        unsafe { bindings::sigcr_timer_expire(self.as_ptr()) };
    }

    /// Whether `other` is the same timer.
    pub fn is(&self, other: TimerRef<'_>) -> bool {
        self.0 == other.timer
    }

    /// The node by which its signal is in a queue.
    pub(super) fn sigq_list(&self) -> *mut bindings::list_head {
        // SAFETY: By the type invariants, the timer is valid.
        unsafe { &raw mut (*self.as_ptr()).sigq.list }
    }

    fn as_ptr(&self) -> *mut bindings::k_itimer {
        self.0.as_ptr()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this owns a reference.
        unsafe { bindings::sigcr_timer_put(self.as_ptr()) };
    }
}
