// SPDX-License-Identifier: GPL-2.0

//! The signal state of a process under its siglock: what it is doing, its actions, its threads.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h).

use super::{
    access::ExecUpdateGuard,
    queue::{
        QueueRef,
        SignalList, //
    },
    thread::{
        sigset,
        ThreadRef, //
    }, //
};
use crate::{
    bindings,
    container_of,
    ffi::c_ulong,
    sync::rcu,
    task::Task,
    uapi, //
};
use core::ptr::NonNull;

/// The siglock of a process, held, with interrupts off.
///
/// # Invariants
///
/// `siglock` of `sighand`, which is `task.sighand`, is held by this CPU; `flags` are the ones that
/// it was taken with.
pub struct SighandGuard<'a> {
    task: &'a Task,
    sighand: NonNull<bindings::sighand_struct>,
    flags: c_ulong,
    // Dropped after `drop()` has released the siglock; also keeps the guard on its thread.
    _rcu: rcu::Guard,
}

/// The frame that a handler gets: the ABI of the system call that set the action.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FrameAbi {
    /// The kernel's own.
    Native,
    /// i386.
    Ia32,
    /// x32.
    X32,
}

/// A thread that waits for children; its fields are described in the UAPI header.
pub use uapi::sigcr_waiter as Waiter;

/// What is to be done on a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SigAction {
    /// Address of the handler, or `SIG_DFL` or `SIG_IGN`.
    pub handler: usize,
    /// `SA_*` flags that user space knows.
    pub flags: usize,
    /// Address of the restorer.
    pub restorer: usize,
    /// Sigset blocked while the handler runs.
    pub mask: u64,
    /// Frame that the handler gets.
    pub abi: FrameAbi,
}

impl SigAction {
    /// # Safety
    ///
    /// `action` must be an action of a sighand whose siglock is held.
    #[inline]
    unsafe fn read(action: *const bindings::k_sigaction) -> Self {
        // SAFETY: By the safety requirement. Handler and restorer are addresses of user space, and
        // are read as the numbers that they are.
        let (handler, restorer, raw_flags, mask) = unsafe {
            (
                (&raw const (*action).sa.sa_handler).cast::<usize>().read(),
                (&raw const (*action).sa.sa_restorer).cast::<usize>().read(),
                (*action).sa.sa_flags,
                (*action).sa.sa_mask,
            )
        };
        Self {
            handler,
            flags: raw_flags & bindings::UAPI_SA_FLAGS as usize,
            restorer,
            mask: sigset(&mask),
            abi: FrameAbi::of_flags(raw_flags),
        }
    }
}

/// The sigset of `SIGALRM`.
pub(super) const SIGALRM: u64 = 1 << (bindings::SIGALRM - 1);

/// How many actions are looked at together; a divisor of their number.
const ACTION_GROUP_COUNT: u32 = 8;

/// Not 0 if somebody has set the action: in none of the fields has 0 another meaning.
///
/// # Safety
///
/// `action` must be an action of a sighand whose siglock is held.
#[inline(always)]
unsafe fn is_set(action: *const bindings::k_sigaction) -> usize {
    // SAFETY: By the safety requirement.
    unsafe {
        let handler = (&raw const (*action).sa.sa_handler).cast::<usize>().read();
        let restorer = (&raw const (*action).sa.sa_restorer).cast::<usize>().read();
        let [mask] = (*action).sa.sa_mask.sig;
        handler | restorer | (*action).sa.sa_flags | mask
    }
}

impl<'a> SighandGuard<'a> {
    /// Takes the siglock of `task`; [`None`] if the task is gone from its process.
    ///
    /// # Context
    ///
    /// Any. Interrupts are off until the guard is dropped; guards are dropped in the reverse order
    /// of their taking.
    pub fn lock(task: &'a Task) -> Option<Self> {
        let rcu = rcu::read_lock();
        let mut flags = 0;
        // SAFETY: The task is valid and so is `flags`.
        let sighand = unsafe { bindings::lock_task_sighand(task.as_ptr(), &mut flags) };
        // INVARIANT: `lock_task_sighand()` has taken the lock where it returns a sighand.
        Some(Self {
            task,
            sighand: NonNull::new(sighand)?,
            flags,
            _rcu: rcu,
        })
    }

    /// The flags `SIGNAL_*` of the process.
    #[inline]
    fn signal_flags(&self) -> u32 {
        // SAFETY: The task is valid and so is its `signal`; siglock protects the flags.
        unsafe { (*self.signal()).flags }
    }

    /// Whether the process is dying or dumping core.
    #[inline]
    pub fn is_dying(&self) -> bool {
        // SAFETY: As in `signal_flags()`.
        let dumping = unsafe { !(*self.signal()).core_state.is_null() };
        dumping || self.signal_flags() & bindings::SIGNAL_GROUP_EXIT != 0
    }

    /// Whether a thread of the process is in an exec that ends the other threads.
    #[inline]
    pub fn is_in_exec(&self) -> bool {
        // SAFETY: As in `signal_flags()`.
        unsafe { !(*self.signal()).group_exec_task.is_null() }
    }

    /// The signal by which the process is stopped (group stop), if it is.
    pub fn stop_signo(&self) -> Option<u32> {
        if self.signal_flags() & bindings::SIGNAL_STOP_STOPPED == 0 {
            return None;
        }
        // Each thread keeps the number; the process's code is gone once the parent has waited.
        self.threads()
            .filter(|thread| !thread.is_dead())
            .map(ThreadRef::stop_signo)
            .find(|signo| *signo != 0)
    }

    /// Whether the process is the init of its pid namespace.
    #[inline]
    pub fn is_unkillable(&self) -> bool {
        self.signal_flags() & bindings::SIGNAL_UNKILLABLE != 0
    }

    /// Whether the process is reaped by itself when it exits.
    #[inline]
    pub fn is_autoreaped(&self) -> bool {
        // SAFETY: As in `signal_flags()`; the bit is set before the process runs.
        unsafe { (*self.signal()).autoreap() != 0 }
    }

    /// The signal that the parent gets when the process exits; 0: none.
    #[inline]
    pub fn exit_signo(&self) -> u32 {
        // SAFETY: The leader of a valid task is valid under siglock. Its parent's end may change
        // the signal at any time, a single word.
        let signo = unsafe {
            let leader = (*self.task.as_ptr()).group_leader;
            (&raw const (*leader).exit_signal).read_volatile()
        };
        u32::try_from(signo).unwrap_or(0)
    }

    /// Lists the threads that wait for children, as far as there is room, and returns how many
    /// there are.
    pub fn waiters(&self, room: &mut [Waiter]) -> usize {
        let room_count = u32::try_from(room.len()).unwrap_or(u32::MAX);
        // SAFETY: The task is valid and its siglock is held; there is room for as many.
        let count = unsafe {
            let ns = bindings::task_active_pid_ns(self.task.as_ptr());
            bindings::sigcr_waiters_capture(
                self.task.as_ptr(),
                ns,
                room.as_mut_ptr().cast(),
                room_count,
            )
        };
        count as usize
    }

    /// Whether another process shares the action table.
    ///
    /// It may also say so for a moment while the process forks or a thread of it exits.
    #[inline]
    pub fn is_shared(&self) -> bool {
        // SAFETY: By the type invariants, the sighand is valid; siglock protects `nr_threads`, and
        // the count changes at any time, as a single word.
        let (count, threads) = unsafe {
            let count = &raw const (*self.sighand.as_ptr()).count.refs.counter;
            (count.read_volatile(), (*self.signal()).nr_threads)
        };
        i64::from(count) > i64::from(threads)
    }

    /// The number of threads, dead ones that are still there included.
    #[inline]
    pub fn thread_count(&self) -> u32 {
        // SAFETY: As in `signal_flags()`.
        u32::try_from(unsafe { (*self.signal()).nr_threads }).unwrap_or(0)
    }

    /// The soft limit on queued signals.
    #[inline]
    pub fn rlimit_sigpending_count(&self) -> u64 {
        rlimit_sigpending_count(self.task)
    }

    /// Start of the process, ns since boot in the initial time namespace.
    #[inline]
    pub fn start_boottime_ns(&self) -> u64 {
        // SAFETY: The leader of a valid task is valid under siglock; the time never changes.
        unsafe { (*(*self.task.as_ptr()).group_leader).start_boottime }
    }

    /// The process id, as the process itself sees it.
    #[inline]
    pub fn tgid(&self) -> i32 {
        self.id_of(self.task.as_ptr(), bindings::pid_type_PIDTYPE_TGID)
    }

    /// The id of `thread`, as the process itself sees it.
    #[inline]
    pub fn tid(&self, thread: ThreadRef<'_>) -> i32 {
        self.id_of(thread.as_ptr(), bindings::pid_type_PIDTYPE_PID)
    }

    #[inline]
    fn id_of(&self, task: *mut bindings::task_struct, pid_type: bindings::pid_type) -> i32 {
        // SAFETY: The task is valid; siglock keeps it hashed, so that it has a namespace.
        unsafe {
            let ns = bindings::task_active_pid_ns(self.task.as_ptr());
            bindings::__task_pid_nr_ns(task, pid_type, ns)
        }
    }

    /// The action on `signo`, which is 1 to 64.
    #[inline]
    pub fn action(&self, signo: u32) -> Option<SigAction> {
        let action = self.action_ptr(signo)?;
        // SAFETY: The pointer is into the action table, which siglock protects.
        Some(unsafe { SigAction::read(action) })
    }

    /// The actions that somebody has set, with their signal numbers.
    ///
    /// Most processes have set a few of the 64, so that groups of them are looked at first.
    #[inline]
    pub fn actions_that_were_set(&self) -> impl Iterator<Item = (u32, SigAction)> + '_ {
        let mut signo: u32 = 0;
        core::iter::from_fn(move || loop {
            if signo % ACTION_GROUP_COUNT == 0 {
                while !self.is_one_set_behind(signo)? {
                    signo = signo.wrapping_add(ACTION_GROUP_COUNT);
                }
            }
            signo = signo.wrapping_add(1);
            let action = self.action_ptr(signo)?;
            // SAFETY: The pointer is into the action table, which siglock protects.
            unsafe {
                if is_set(action) != 0 {
                    return Some((signo, SigAction::read(action)));
                }
            }
        })
    }

    /// Whether one of the next [`ACTION_GROUP_COUNT`] actions behind that on `signo` was set;
    /// [`None`] at the end of the table.
    #[inline]
    fn is_one_set_behind(&self, signo: u32) -> Option<bool> {
        // SAFETY: By the type invariants, the sighand is valid and locked.
        let table = unsafe { &(*self.sighand.as_ptr()).action };
        let group: &[_; ACTION_GROUP_COUNT as usize] =
            table.get(signo as usize..)?.first_chunk()?;
        let set = group.iter().fold(0, |set, action| {
            // SAFETY: As above.
            set | unsafe { is_set(action) }
        });
        Some(set != 0)
    }

    /// Sets the action on `signo`; what is pending stays pending.
    ///
    /// Siglock alone would not keep an exec from the table.
    pub fn set_action(&mut self, signo: u32, action: &SigAction, _exec: &ExecUpdateGuard<'_>) {
        let Some(slot) = self.action_ptr(signo) else {
            return;
        };
        // SAFETY: As in `action()`.
        unsafe {
            (&raw mut (*slot).sa.sa_handler)
                .cast::<usize>()
                .write(action.handler);
            (&raw mut (*slot).sa.sa_restorer)
                .cast::<usize>()
                .write(action.restorer);
            (*slot).sa.sa_flags = action.flags | action.abi.flags();
            (*slot).sa.sa_mask = bindings::sigset_t {
                sig: [action.mask as usize],
            };
        }
    }

    /// Whether the kernel is about to kill the process by a signal whose action nobody may change.
    pub fn is_doomed(&self) -> bool {
        // SAFETY: By the type invariants, the sighand is valid and locked.
        let table = unsafe { &(*self.sighand.as_ptr()).action };
        // All of them together, since there hardly ever is one.
        let flags = table
            .iter()
            .fold(0, |flags, action| flags | action.sa.sa_flags);
        flags & bindings::SA_IMMUTABLE as usize != 0
    }

    #[inline]
    fn action_ptr(&self, signo: u32) -> Option<*mut bindings::k_sigaction> {
        let index = signo.checked_sub(1)? as usize;
        // SAFETY: By the type invariants, the sighand is valid and locked.
        let table = unsafe { &mut (*self.sighand.as_ptr()).action };
        table.get_mut(index).map(|action| &raw mut *action)
    }

    /// Whether a POSIX timer of the process waits for its signal to be no longer ignored.
    #[inline]
    pub fn has_ignored_timers(&self) -> bool {
        // SAFETY: As in `signal_flags()`.
        unsafe { !(*self.signal()).ignored_posix_timers.first.is_null() }
    }

    /// Whether the process has a periodic `ITIMER_REAL` that has expired and is armed again only
    /// when its pending `SIGALRM` is taken from the shared queue.
    #[inline]
    pub fn has_expired_itimer(&self) -> bool {
        // SAFETY: As in `signal_flags()`.
        let interval_ns = unsafe { (*self.signal()).it_real_incr };
        interval_ns != 0 && self.shared_queue().set() & SIGALRM != 0
    }

    /// The threads of the process, in the order of their creation.
    pub fn threads(&self) -> impl Iterator<Item = ThreadRef<'_>> + '_ {
        task_threads(self.task, &self._rcu).filter_map(|task| {
            // SAFETY: Siglock keeps the list as it is.
            NonNull::new(task).map(|task| unsafe { ThreadRef::from_raw(task) })
        })
    }

    /// The task that the lock was taken by, as a thread.
    #[inline]
    pub fn this_thread(&self) -> ThreadRef<'_> {
        // SAFETY: A reference to a task is not null, and a task that has a sighand is in the list.
        unsafe { ThreadRef::from_raw(NonNull::new_unchecked(self.task.as_ptr())) }
    }

    /// `task` as a thread of this process; [`None`] if it is not one, or no more.
    #[inline]
    pub fn thread(&self, task: &Task) -> Option<ThreadRef<'_>> {
        // SAFETY: Both tasks are valid, and `signal` never changes. A task without a sighand has
        // left its process; siglock is held where that is set to null.
        let member = unsafe {
            (*task.as_ptr()).signal == self.signal() && !(*task.as_ptr()).sighand.is_null()
        };
        let task = NonNull::new(task.as_ptr()).filter(|_| member)?;
        // SAFETY: A task that has a sighand is in the list of its process.
        Some(unsafe { ThreadRef::from_raw(task) })
    }

    /// The queue of the process.
    #[inline]
    pub fn shared_queue(&self) -> QueueRef<'_> {
        // SAFETY: `signal` is valid; siglock is held for the lifetime of the result.
        unsafe { QueueRef::from_raw(&raw mut (*self.signal()).shared_pending) }
    }

    /// Puts the signals of `list` and the bits of `set` in the place of what is in the queue of
    /// `thread`, or with [`None`] in that of the process; what was there goes into `list`.
    ///
    /// `inherited_count` of the old signals that are charged to the account of `list` leave that
    /// charge to the new ones. Nobody is told: see [`ThreadRef::notify`] and
    /// [`Self::notify_signalfd`].
    pub fn replace_queue(
        &mut self,
        thread: Option<&Task>,
        list: &mut SignalList,
        set: u64,
        inherited_count: usize,
    ) {
        let queue = match thread {
            Some(task) => self.thread(task).map(ThreadRef::queue),
            None => Some(self.shared_queue()),
        };
        if let Some(queue) = queue {
            queue.exchange(list, set, inherited_count);
        }
    }

    /// Wakes those who wait for signals by a signalfd.
    pub fn notify_signalfd(&self) {
        // SAFETY: The task is valid and its sighand is locked, as in `send_signal_locked()`.
        unsafe { bindings::signalfd_notify(self.task.as_ptr(), 0) };
    }

    pub(super) fn task(&self) -> *mut bindings::task_struct {
        self.task.as_ptr()
    }

    pub(super) fn signal(&self) -> *mut bindings::signal_struct {
        // SAFETY: The task is valid; its `signal` never changes.
        unsafe { (*self.task.as_ptr()).signal }
    }
}

impl Drop for SighandGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the lock is held and was taken with these flags.
        unsafe { bindings::unlock_task_sighand(self.task.as_ptr(), &mut self.flags) };
    }
}

impl FrameAbi {
    /// The bits of `sa_flags` that stand for the ABI; user space never sees them.
    #[cfg(CONFIG_X86)]
    #[inline]
    fn flags(self) -> usize {
        match self {
            FrameAbi::Native => 0,
            FrameAbi::Ia32 => bindings::SA_IA32_ABI as usize,
            FrameAbi::X32 => bindings::SA_X32_ABI as usize,
        }
    }

    #[cfg(not(CONFIG_X86))]
    fn flags(self) -> usize {
        0
    }

    /// Whether the kernel can make such frames.
    pub fn is_supported(self) -> bool {
        match self {
            FrameAbi::Native => true,
            FrameAbi::Ia32 => cfg!(CONFIG_IA32_EMULATION),
            FrameAbi::X32 => cfg!(CONFIG_X86_X32_ABI),
        }
    }

    #[inline]
    fn of_flags(raw_flags: usize) -> Self {
        [FrameAbi::Ia32, FrameAbi::X32]
            .into_iter()
            .find(|abi| raw_flags & abi.flags() != 0)
            .unwrap_or(FrameAbi::Native)
    }
}

/// The number of threads of the process of `task`, as of now.
pub fn thread_count(task: &Task) -> usize {
    // SAFETY: The task is valid and so is its `signal`. The number changes at any time, as a word.
    let count = unsafe { (&raw const (*(*task.as_ptr()).signal).nr_threads).read_volatile() };
    usize::try_from(count).unwrap_or(0)
}

/// The soft limit on queued signals of the process of `task`.
pub fn rlimit_sigpending_count(task: &Task) -> u64 {
    const LIMIT: usize = bindings::RLIMIT_SIGPENDING as usize;
    // SAFETY: The task is valid and so is its `signal`. Others may change the limit meanwhile, a
    // single word.
    let limit = unsafe {
        let signal = (*task.as_ptr()).signal;
        (&raw const (*signal).rlim[LIMIT].rlim_cur).read_volatile()
    };
    limit as u64
}

/// The threads of the process of `task`; valid under the RCU read lock.
pub(super) fn task_threads<'r>(
    task: &'r Task,
    _rcu: &'r rcu::Guard,
) -> impl Iterator<Item = *mut bindings::task_struct> + 'r {
    // SAFETY: The task is valid and so is its `signal`, in which the list has its head.
    let head = unsafe { &raw mut (*(*task.as_ptr()).signal).thread_head };
    let mut node = head;
    core::iter::from_fn(move || {
        // SAFETY: `node` is the head or a thread in the list. RCU keeps a thread that leaves the
        // list meanwhile, and its link; the volatile read is `rcu_dereference()`.
        node = unsafe { (&raw const (*node).next).read_volatile() };
        if node == head {
            return None;
        }
        // SAFETY: Every node but the head is the `thread_node` of a task.
        Some(unsafe { container_of!(node, bindings::task_struct, thread_node) })
    })
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_sighand)]
mod tests {
    use super::{
        super::testing::{
            this_task,
            under_siglock, //
        },
        *, //
    };
    use crate::prelude::*;

    const SIGUSR1: u32 = bindings::SIGUSR1;

    /// What the action on SIGUSR1 is after it was set to `action`.
    fn set_and_got(action: &SigAction) -> Result<(Option<SigAction>, bool)> {
        let task = this_task();
        let exec = ExecUpdateGuard::lock(&task)?;
        under_siglock(|sighand| {
            let Some(slot) = sighand.action_ptr(SIGUSR1) else {
                return (None, false);
            };
            // SAFETY: The pointer is into the action table, which siglock protects.
            let before = unsafe { slot.read() };
            sighand.set_action(SIGUSR1, action, &exec);
            let seen = (sighand.action(SIGUSR1), sighand.is_doomed());
            // SAFETY: As above.
            unsafe { slot.write(before) };
            seen
        })
    }

    fn action(abi: FrameAbi) -> SigAction {
        SigAction {
            handler: 0x1234_5678,
            flags: bindings::UAPI_SA_FLAGS as usize,
            restorer: 0x9abc_def0,
            mask: 0x8000_0000_0000_0201,
            abi,
        }
    }

    #[test]
    fn an_action_comes_back_as_it_was_set() -> Result {
        let native = action(FrameAbi::Native);
        assert!(set_and_got(&native)? == (Some(native), false));
        #[cfg(CONFIG_X86)]
        for abi in [FrameAbi::Ia32, FrameAbi::X32] {
            let action = action(abi);
            assert!(set_and_got(&action)? == (Some(action), false));
        }
        Ok(())
    }

    #[test]
    fn an_action_that_nobody_may_change_dooms_the_process_and_is_not_told() -> Result {
        let mut fatal = action(FrameAbi::Native);
        fatal.flags |= bindings::SA_IMMUTABLE as usize;
        let told = action(FrameAbi::Native);
        assert!(set_and_got(&fatal)? == (Some(told), true));
        Ok(())
    }

    #[test]
    fn there_are_actions_on_signals_1_to_64_only() -> Result {
        let found = under_siglock(|sighand| {
            [0, 1, 64, 65, u32::MAX].map(|signo| sighand.action(signo).is_some())
        })?;
        assert_eq!(found, [false, true, true, false, false]);
        Ok(())
    }

    #[test]
    fn the_kernel_makes_the_frames_that_it_was_configured_to() {
        assert!(FrameAbi::Native.is_supported());
        assert_eq!(FrameAbi::Ia32.is_supported(), cfg!(CONFIG_IA32_EMULATION));
        assert_eq!(FrameAbi::X32.is_supported(), cfg!(CONFIG_X86_X32_ABI));
        // Their marks are not among the flags of user space.
        for abi in [FrameAbi::Native, FrameAbi::Ia32, FrameAbi::X32] {
            assert_eq!(abi.flags() & bindings::UAPI_SA_FLAGS as usize, 0);
        }
    }

    #[test]
    fn a_process_is_told_as_what_it_is() -> Result {
        let task = this_task();
        let seen = under_siglock(|sighand| {
            let ids = (sighand.tgid(), sighand.tid(sighand.this_thread()));
            let threads = sighand.threads().filter(|thread| thread.is_current());
            let counts = (threads.count(), sighand.threads().count());
            let states = [
                sighand.is_dying(),
                sighand.is_in_exec(),
                sighand.is_doomed(),
                sighand.is_shared(),
                sighand.is_unkillable(),
                sighand.stop_signo().is_some(),
                sighand.has_ignored_timers(),
            ];
            let is_member = sighand.thread(&task).is_some();
            (ids, counts, sighand.thread_count(), states, is_member)
        })?;
        assert_eq!(seen.0, (task.pid(), task.pid()));
        assert_eq!(seen.1, (1, 1));
        assert_eq!(seen.2, 1);
        assert_eq!(seen.3, [false; 7]);
        assert!(seen.4);
        assert_eq!(thread_count(&task), 1);
        Ok(())
    }
}
