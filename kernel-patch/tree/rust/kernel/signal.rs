// SPDX-License-Identifier: GPL-2.0

//! Signal state of tasks: who is meant, who may, the lock that freezes it, and what it holds.
//!
//! C headers: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h),
//! [`include/linux/signal_types.h`](srctree/include/linux/signal_types.h),
//! [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h).
//!
//! # Locking
//!
//! In the order in which they are taken:
//!
//! 1. `signal_struct::cred_guard_mutex` of the caller's own process: [`Rendezvous`]. May sleep.
//! 2. `signal_struct::exec_update_lock`, for read: [`ExecUpdateGuard`]. Permissions and the action
//!    table do not change under it by an exec. May sleep.
//! 3. `task_struct::alloc_lock`, inside [`check_attach`] only.
//! 4. `k_itimer::it_lock`; here it is only tried, under siglock.
//! 5. `sighand_struct::siglock`, interrupts off: [`SighandGuard`]. Queues, masks, actions, job
//!    control and the list of threads stand still under it. Nothing under it may allocate, sleep,
//!    print or panic, nor free a queued signal.
//!
//! A sigset is a `u64` here in which bit `signo - 1` stands for `signo`.

mod access;
mod buffer;
mod queue;
mod rendezvous;
mod sighand;
mod signalfds;
mod standstill;
mod target;
#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
mod testing;
mod thread;
mod timers;

pub use access::{
    audit,
    check_attach,
    current_is_being_killed,
    is_own_process,
    may_forge,
    may_write_queue,
    ExecUpdateGuard, //
};
pub use buffer::Buffer;
pub use queue::{
    Account,
    Owner,
    QueueRef,
    Queued,
    SignalList,
    SignalPool,
    Ucounts, //
};
pub use rendezvous::Rendezvous;
pub use sighand::{
    rlimit_sigpending_count,
    thread_count,
    FrameAbi,
    SigAction,
    SighandGuard,
    Waiter, //
};
pub use signalfds::Signalfd;
pub use standstill::{
    Cut,
    Standing,
    Standstill, //
};
pub use target::{
    find_thread,
    Scope,
    Target, //
};
pub use thread::{
    current_is_on_altstack,
    Altstack,
    SettledThread,
    TaskKey,
    ThreadRef, //
};
pub use timers::{
    Busy,
    Itimer,
    Itimers,
    QueueOf,
    Timer,
    TimerRef,
    TimerState, //
};

/// Bytes of a siginfo as it is queued.
pub const SIGINFO_LEN: usize = core::mem::size_of::<crate::bindings::kernel_siginfo>();
