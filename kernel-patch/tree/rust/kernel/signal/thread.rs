// SPDX-License-Identifier: GPL-2.0

//! One thread of a process whose siglock is held: its stop state, masks, alternate stack, queue.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/sched/jobctl.h`](srctree/include/linux/sched/jobctl.h).

use super::{
    queue::QueueRef,
    SighandGuard,
    SIGINFO_LEN, //
};
use crate::{
    bindings,
    ffi::c_int,
    sync::aref::ARef,
    task::Task, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A thread of the process that a [`SighandGuard`] holds.
///
/// # Invariants
///
/// `task` is in the list of threads of the guard's process, and so valid while that is held.
#[derive(Clone, Copy)]
pub struct ThreadRef<'g> {
    task: NonNull<bindings::task_struct>,
    _guard: PhantomData<&'g SighandGuard<'g>>,
}

/// A thread that does nothing to its masks and its alternate stack while siglock is held.
///
/// # Invariants
///
/// The thread is the current one, it was found stopped under the siglock that is held, or it waits
/// in a rendezvous.
pub struct SettledThread<'g>(ThreadRef<'g>);

/// An alternate signal stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Altstack {
    /// Lowest address.
    pub sp: usize,
    /// Bytes; 0: there is none.
    pub size: usize,
    /// Whether `SS_AUTODISARM` is set.
    pub autodisarm: bool,
}

/// What tells one task from another while both are there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskKey(usize);

impl TaskKey {
    /// The key of `task`.
    #[inline]
    pub fn of(task: &Task) -> Self {
        Self(task.as_ptr().addr())
    }

    pub(super) fn of_raw(task: NonNull<bindings::task_struct>) -> Self {
        Self(task.as_ptr().addr())
    }
}

impl<'g> ThreadRef<'g> {
    /// # Safety
    ///
    /// `task` must be in the list of threads of the guard's process while that is held.
    pub(super) unsafe fn from_raw(task: NonNull<bindings::task_struct>) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            task,
            _guard: PhantomData,
        }
    }

    pub(super) fn as_ptr(self) -> *mut bindings::task_struct {
        self.task.as_ptr()
    }

    /// Whether this is the thread that runs this.
    #[inline]
    pub fn is_current(self) -> bool {
        self.task.as_ptr() == Task::current_raw()
    }

    /// What tells the thread's task from others.
    #[inline]
    pub fn key(self) -> TaskKey {
        TaskKey::of_raw(self.task)
    }

    /// Whether the thread has exited, is about to, or is being killed.
    #[inline]
    pub fn is_dead(self) -> bool {
        const SIGKILL: u64 = 1 << (bindings::SIGKILL - 1);
        // SAFETY: By the type invariants, the task is valid. `PF_EXITING` is set under siglock;
        // other flags of the word change at any time.
        let flags = unsafe { (&raw const (*self.task.as_ptr()).flags).read_volatile() };
        flags & (bindings::PF_EXITING | bindings::PF_POSTCOREDUMP) != 0
            || self.queue().set() & SIGKILL != 0
    }

    /// Whether the thread is a worker of the kernel (io_uring, vhost), which never runs the
    /// process's code.
    #[inline]
    pub fn is_worker(self) -> bool {
        // SAFETY: By the type invariants, the task is valid. The flag never changes.
        unsafe { (*self.task.as_ptr()).flags & bindings::PF_USER_WORKER != 0 }
    }

    /// Whether the thread is stopped so that it does nothing to its signal state until it has
    /// taken siglock: in a ptrace stop, a group stop, or frozen by cgroup v2.
    ///
    /// Not so the freezers of cgroup v1 and of suspend: they stop a thread inside a system call
    /// that may have replaced its mask for a while.
    #[inline]
    pub fn is_stopped(self) -> bool {
        const STOPS: usize = (bindings::JOBCTL_STOPPED | bindings::JOBCTL_TRACED) as usize;
        const FREEZE: usize = bindings::JOBCTL_TRAP_FREEZE as usize;
        // SAFETY: By the type invariants, the task is valid. Siglock protects what is read;
        // `frozen` is set only after `JOBCTL_TRAP_FREEZE` and does not outlast it while that is
        // seen under siglock.
        unsafe {
            let task = self.task.as_ptr();
            let jobctl = (*task).jobctl;
            let stopped =
                jobctl & STOPS != 0 || (jobctl & FREEZE != 0 && bindings::cgroup_task_frozen(task));
            stopped && sigset(&(*task).real_blocked) == 0
        }
    }

    /// The signal of the last group stop that the thread took part in; 0: of none.
    pub(super) fn stop_signo(self) -> u32 {
        const MASK: usize = bindings::JOBCTL_STOP_SIGMASK as usize;
        // CAST: The mask is of 16 bits.
        (self.jobctl() & MASK) as u32
    }

    /// The thread as one whose masks can be written: it is the caller, or it is stopped and holds
    /// no signal that it has taken out of its queues.
    #[inline]
    pub fn settled(self) -> Option<SettledThread<'g>> {
        let settled = self.is_current() || (self.is_stopped() && !self.has_signal_in_flight());
        // INVARIANT: It was checked above.
        settled.then_some(SettledThread(self))
    }

    /// Whether the thread has taken a signal out of its queues and a ptracer holds it there: a
    /// signal-delivery stop.
    #[inline]
    pub fn has_signal_in_flight(self) -> bool {
        self.signal_in_flight().is_some()
    }

    /// The siginfo of the signal that the thread has taken out of its queues and that a ptracer
    /// holds, in a signal-delivery stop.
    #[inline]
    pub fn signal_in_flight(self) -> Option<[u8; SIGINFO_LEN]> {
        // SAFETY: By the type invariants, the task is valid. Siglock protects `last_siginfo`,
        // which points to a siginfo on the thread's stack while it is in the stop; all bytes of
        // it are initialised, as in a queue.
        let (info, bytes) = unsafe {
            let info = (*self.task.as_ptr()).last_siginfo;
            if info.is_null() {
                return None;
            }
            (
                (*info).__bindgen_anon_1,
                info.cast::<[u8; SIGINFO_LEN]>().read(),
            )
        };
        // A stop for another reason has the code that `ptrace_do_notify()` makes: an event in the
        // high byte, or the two forms of a system call's stop.
        const SYSCALL_STOPS: [c_int; 2] = [5, 5 | 0x80];
        let event = info.si_code > 0xff && info.si_code & 0x7f == info.si_signo;
        let syscall = info.si_signo == 5 && SYSCALL_STOPS.contains(&info.si_code);
        (!event && !syscall).then_some(bytes)
    }

    /// A reference to the thread's task.
    pub(super) fn hold(self) -> ARef<Task> {
        // SAFETY: By the type invariants, the task is valid; `Task` is transparent to it.
        ARef::from(unsafe { self.task.cast::<Task>().as_ref() })
    }

    /// Whether the thread is ptraced.
    #[inline]
    pub fn is_traced(self) -> bool {
        // SAFETY: By the type invariants, the task is valid. The word changes at any time.
        unsafe { (&raw const (*self.task.as_ptr()).ptrace).read_volatile() != 0 }
    }

    /// Whether the thread is in a ptrace stop.
    #[inline]
    pub fn is_in_trace_stop(self) -> bool {
        self.jobctl() & bindings::JOBCTL_TRACED as usize != 0
    }

    /// Whether the thread is in a group stop that it entered without a ptracer.
    #[inline]
    pub fn is_in_group_stop(self) -> bool {
        self.jobctl() & bindings::JOBCTL_STOPPED as usize != 0
    }

    /// Whether the thread is frozen by a version 2 cgroup.
    #[inline]
    pub fn is_frozen(self) -> bool {
        self.jobctl() & bindings::JOBCTL_TRAP_FREEZE as usize != 0
            // SAFETY: As in `is_stopped()`.
            && unsafe { bindings::cgroup_task_frozen(self.task.as_ptr()) }
    }

    #[inline]
    fn jobctl(self) -> usize {
        // SAFETY: By the type invariants, the task is valid; siglock protects `jobctl`.
        unsafe { (*self.task.as_ptr()).jobctl }
    }

    /// The signal that the thread gets when its parent dies; 0: none.
    #[inline]
    pub fn pdeath_signo(self) -> u32 {
        // SAFETY: By the type invariants, the task is valid. The word changes at any time.
        let signo = unsafe { (&raw const (*self.task.as_ptr()).pdeath_signal).read_volatile() };
        u32::try_from(signo).unwrap_or(0)
    }

    /// The signals that the thread blocks: in a call that replaces the mask for a while
    /// (`sigsuspend(2)` and the like, `sigtimedwait(2)`) those that it blocks afterwards.
    #[inline]
    pub fn blocked(self) -> u64 {
        // SAFETY: By the type invariants, the task is valid. The masks are written by their own
        // thread; those of a thread that runs may be out of date.
        unsafe {
            let task = self.task.as_ptr();
            let real_blocked = sigset(&(*task).real_blocked);
            if real_blocked != 0 {
                real_blocked
            } else if bindings::test_tsk_restore_sigmask(task) {
                sigset(&(&raw const (*task).saved_sigmask).read_volatile())
            } else {
                sigset(&(*task).blocked)
            }
        }
    }

    /// The alternate signal stack; of a thread that runs it may be out of date.
    #[inline]
    pub fn altstack(self) -> Altstack {
        // SAFETY: By the type invariants, the task is valid. Its own thread may be writing.
        let (sp, size, flags) = unsafe {
            let task = self.task.as_ptr();
            (
                (&raw const (*task).sas_ss_sp).read_volatile(),
                (&raw const (*task).sas_ss_size).read_volatile(),
                (&raw const (*task).sas_ss_flags).read_volatile(),
            )
        };
        Altstack {
            // An exec leaves the flags behind; without a size there is no stack.
            sp: if size == 0 { 0 } else { sp },
            size,
            autodisarm: flags & bindings::SS_AUTODISARM != 0,
        }
    }

    /// Whether a stack of `size` bytes takes the largest signal frame of the thread's process.
    pub fn takes_frame(self, size: usize) -> bool {
        // SAFETY: By the type invariants, the task is valid and its siglock is held.
        unsafe { bindings::sigcr_altstack_size_valid(self.task.as_ptr(), size) }
    }

    /// The private queue.
    #[inline]
    pub fn queue(self) -> QueueRef<'g> {
        // SAFETY: By the type invariants, the task is valid; siglock is held for `'g`.
        unsafe { QueueRef::from_raw(&raw mut (*self.task.as_ptr()).pending) }
    }

    /// Lets the thread look at its queues: if there is something for it, it will before it returns
    /// to user space, and is woken from a sleep that a signal may end, but not from a stop.
    pub fn notify(self) {
        // SAFETY: By the type invariants, the task is valid and its siglock is held. State 0
        // wakes no stop.
        unsafe {
            let task = self.task.as_ptr();
            if self.is_current() {
                bindings::recalc_sigpending();
            } else if bindings::sigcr_recalc_sigpending_tsk(task) && !self.is_stopped() {
                bindings::signal_wake_up_state(task, 0);
            }
        }
    }
}

impl<'g> SettledThread<'g> {
    /// # Safety
    ///
    /// The thread must not touch its signal state for `'g`.
    pub(super) unsafe fn new(thread: ThreadRef<'g>) -> Self {
        // INVARIANT: By the safety requirement.
        Self(thread)
    }
    /// Sets the blocked signals, also those to return to from a call that replaced them.
    ///
    /// The flag that says whether there is a mask
    /// to return to stays as it is: it shares its word with others that are not under siglock.
    #[inline]
    pub fn set_blocked(&self, set: u64) {
        let set = bindings::sigset_t {
            sig: [set as usize],
        };
        // SAFETY: By the type invariants, the task is valid and does not touch its masks until it
        // has taken siglock.
        unsafe {
            let task = self.0.task.as_ptr();
            (*task).blocked = set;
            (*task).saved_sigmask = set;
        }
    }

    /// Sets the signal that the thread gets when its parent dies.
    #[inline]
    pub fn set_pdeath_signo(&self, signo: u32) {
        // SAFETY: By the type invariants, the task is valid. Its parent reads the word at any
        // time; the thread itself does not write it meanwhile.
        unsafe {
            // CAST: A signal number is small.
            (&raw mut (*self.0.task.as_ptr()).pdeath_signal).write_volatile(signo as c_int);
        }
    }

    /// Sets the alternate signal stack.
    #[inline]
    pub fn set_altstack(&self, altstack: &Altstack) {
        let mut flags = 0;
        if altstack.autodisarm {
            flags |= bindings::SS_AUTODISARM;
        }
        if altstack.size == 0 {
            flags |= bindings::SS_DISABLE;
        }
        // SAFETY: As in `set_blocked()`.
        unsafe {
            let task = self.0.task.as_ptr();
            (*task).sas_ss_sp = altstack.sp;
            (*task).sas_ss_size = altstack.size;
            (*task).sas_ss_flags = flags;
        }
    }
}

/// Whether the caller runs on its alternate signal stack.
pub fn current_is_on_altstack() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::current_on_sig_stack() }
}

pub(super) fn sigset(set: &bindings::sigset_t) -> u64 {
    let [word] = set.sig;
    word as u64
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_thread)]
mod tests {
    use super::{
        super::testing::{
            set_of,
            under_siglock, //
        },
        *, //
    };
    use crate::prelude::*;

    /// This thread, whose siglock is held.
    struct Own(*mut bindings::task_struct);

    impl Own {
        fn with<T>(&self, f: impl FnOnce(&mut bindings::task_struct) -> T) -> T {
            // SAFETY: It is this thread itself, siglock keeps others from what the tests change,
            // and there is no other reference to it while `f` runs.
            f(unsafe { &mut *self.0 })
        }
    }

    /// What `look` says of this thread. It may change masks, alternate stack, `pdeath_signal`,
    /// `jobctl`, `frozen`, `last_siginfo` and the bits of the queue.
    fn seen<T>(look: impl FnOnce(ThreadRef<'_>, &Own) -> T) -> Result<T> {
        under_siglock(|sighand| {
            let thread = sighand.this_thread();
            let own = Own(thread.as_ptr());
            let masks = own.with(|task| (task.blocked, task.real_blocked, task.saved_sigmask));
            let altstack = own.with(|task| (task.sas_ss_sp, task.sas_ss_size, task.sas_ss_flags));
            let stops = own.with(|task| (task.jobctl, task.frozen(), task.last_siginfo));
            let signals = own.with(|task| (task.pdeath_signal, task.pending.signal));
            let seen = look(thread, &own);
            own.with(|task| {
                (task.blocked, task.real_blocked, task.saved_sigmask) = masks;
                (task.sas_ss_sp, task.sas_ss_size, task.sas_ss_flags) = altstack;
                (task.jobctl, task.last_siginfo) = (stops.0, stops.2);
                task.set_frozen(stops.1);
                (task.pdeath_signal, task.pending.signal) = signals;
            });
            seen
        })
    }

    fn raw(set: u64) -> bindings::sigset_t {
        bindings::sigset_t {
            sig: [set as usize],
        }
    }

    #[test]
    fn the_mask_is_set_also_where_it_is_returned_to() -> Result {
        let set = set_of(1) | set_of(33) | set_of(64);
        let seen = seen(|thread, own| {
            let settled = thread.settled()?;
            settled.set_blocked(set);
            Some((
                thread.blocked(),
                own.with(|task| sigset(&task.saved_sigmask)),
            ))
        })?;
        assert_eq!(seen, Some((set, set)));
        Ok(())
    }

    #[test]
    fn a_thread_that_takes_signals_synchronously_blocks_what_it_did_before() -> Result {
        let seen = seen(|thread, own| {
            own.with(|task| task.blocked = raw(set_of(2)));
            let before = thread.blocked();
            own.with(|task| task.real_blocked = raw(set_of(3)));
            (before, thread.blocked())
        })?;
        assert_eq!(seen, (set_of(2), set_of(3)));
        Ok(())
    }

    #[test]
    fn an_alternate_stack_comes_back_as_it_was_set() -> Result {
        for (size, autodisarm) in [(0x4000, false), (0x4000, true)] {
            let altstack = Altstack {
                sp: 0x10000,
                size,
                autodisarm,
            };
            let seen = seen(|thread, _| {
                thread.settled()?.set_altstack(&altstack);
                Some(thread.altstack())
            })?;
            assert!(seen == Some(altstack));
        }
        Ok(())
    }

    #[test]
    fn without_a_size_there_is_no_alternate_stack() -> Result {
        let none = Altstack {
            sp: 0,
            size: 0,
            autodisarm: false,
        };
        let (flags, left_over) = seen(|thread, own| {
            if let Some(settled) = thread.settled() {
                settled.set_altstack(&none);
            }
            let flags = own.with(|task| task.sas_ss_flags);
            own.with(|task| task.sas_ss_sp = 0x10000);
            (flags, thread.altstack().sp)
        })?;
        assert_eq!(flags, bindings::SS_DISABLE);
        assert_eq!(left_over, 0);
        Ok(())
    }

    #[test]
    fn the_signal_of_the_parent_s_death_is_set() -> Result {
        let seen = seen(|thread, _| {
            thread.settled()?.set_pdeath_signo(15);
            Some(thread.pdeath_signo())
        })?;
        assert_eq!(seen, Some(15));
        Ok(())
    }

    #[test]
    fn the_three_stops_are_told_from_what_is_none() -> Result {
        const STOPPED: u32 = bindings::JOBCTL_STOPPED;
        const TRACED: u32 = bindings::JOBCTL_TRACED;
        const FREEZE: u32 = bindings::JOBCTL_TRAP_FREEZE;
        for (jobctl, frozen, taking, stopped) in [
            (0, 0, false, false),
            (STOPPED, 0, false, true),
            (TRACED, 0, false, true),
            (FREEZE, 1, false, true),
            // Asked to freeze, or about to be asked no more.
            (FREEZE, 0, false, false),
            (0, 1, false, false),
            // In a call that has replaced the mask.
            (STOPPED, 0, true, false),
            (FREEZE, 1, true, false),
        ] {
            let seen = seen(|thread, own| {
                own.with(|task| {
                    task.jobctl = jobctl as usize;
                    task.set_frozen(frozen);
                    task.real_blocked = raw(u64::from(taking));
                });
                thread.is_stopped()
            })?;
            assert_eq!(seen, stopped);
        }
        Ok(())
    }

    #[test]
    fn a_thread_with_sigkill_is_dead_and_one_with_sigterm_is_not() -> Result {
        let seen = seen(|thread, own| {
            [bindings::SIGTERM, bindings::SIGKILL].map(|signo| {
                own.with(|task| task.pending.signal = raw(set_of(signo)));
                thread.is_dead()
            })
        })?;
        assert_eq!(seen, [false, true]);
        Ok(())
    }

    #[test]
    fn a_signal_in_flight_is_told_from_the_other_stops_of_a_ptracer() -> Result {
        const SIGTRAP: c_int = 5;
        const SIGSTOP: c_int = 19;
        for (signo, si_code, in_flight) in [
            (10, 0, true),
            (10, -1, true),
            (11, 1, true),
            // A breakpoint is a signal like any other.
            (SIGTRAP, 2, true),
            (SIGSTOP, 0, true),
            // A system call, without and with `PTRACE_O_TRACESYSGOOD`.
            (SIGTRAP, SIGTRAP, false),
            (SIGTRAP, SIGTRAP | 0x80, false),
            // Events: an exec, a stop by PTRACE_INTERRUPT, a group stop.
            (SIGTRAP, SIGTRAP | 4 << 8, false),
            (SIGTRAP, SIGTRAP | 128 << 8, false),
            (SIGSTOP, SIGSTOP | 128 << 8, false),
        ] {
            let mut info: bindings::kernel_siginfo = pin_init::zeroed();
            info.__bindgen_anon_1.si_signo = signo;
            info.__bindgen_anon_1.si_code = si_code;
            let seen = seen(|thread, own| {
                let none = thread.has_signal_in_flight();
                own.with(|task| task.last_siginfo = &raw mut info);
                let bytes = thread.signal_in_flight();
                let first = bytes.and_then(|bytes| bytes.first_chunk().copied());
                (none, first.map(i32::from_ne_bytes))
            })?;
            assert_eq!(seen, (false, in_flight.then_some(signo)));
        }
        Ok(())
    }
}
