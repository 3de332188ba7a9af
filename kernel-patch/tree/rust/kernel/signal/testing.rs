// SPDX-License-Identifier: GPL-2.0

//! What the KUnit tests of the abstractions share: the thread that runs them, and signals.
//!
//! A test runs in a kernel thread that is alone in its process, takes no signals, and has a signal
//! state as every thread has. What a test changes of it, it puts back before it releases siglock.
//! A failed assertion ends the thread at once, so nothing is asserted under siglock.

use super::{
    Account,
    QueueRef,
    Queued,
    SighandGuard,
    SignalList,
    SignalPool,
    SIGINFO_LEN, //
};
use crate::{
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// A signal as the tests know it: its number, and a mark of their own.
pub(super) type Signal = (u32, u8);

/// The thread that runs this.
pub(super) fn this_task() -> ARef<Task> {
    ARef::from(&**current!())
}

/// Calls `f` with the siglock of this thread held.
pub(super) fn under_siglock<T>(f: impl FnOnce(&mut SighandGuard<'_>) -> T) -> Result<T> {
    let task = this_task();
    let mut sighand = SighandGuard::lock(&task).ok_or(ESRCH)?;
    Ok(f(&mut sighand))
}

/// A list of `signals`, to be charged to this thread's user.
pub(super) fn list_of(signals: &[Signal]) -> Result<SignalList> {
    let mut list = SignalList::new(&Account::of(&this_task())?);
    for signal in signals {
        list.push(&siginfo_of(*signal), &mut pool_of(1)?)?;
    }
    Ok(list)
}

/// A pool of `count` signals.
pub(super) fn pool_of(count: usize) -> Result<SignalPool> {
    let mut pool = SignalPool::empty();
    pool.fill(count)?;
    Ok(pool)
}

/// The signals of a queue, as far as there is room.
pub(super) fn signals_in<const N: usize>(queue: QueueRef<'_>) -> [Option<Signal>; N] {
    let mut signals = queue.entries().map(|queued| signal_of(&queued));
    core::array::from_fn(|_| signals.next())
}

/// The signal that [`siginfo_of`] has made an entry of.
pub(super) fn signal_of(queued: &Queued<'_>) -> Signal {
    (queued.signo(), queued.siginfo[SIGINFO_LEN - 1])
}

/// A siginfo with its first and its last bytes set.
pub(super) fn siginfo_of((signo, mark): Signal) -> [u8; SIGINFO_LEN] {
    let mut siginfo = [0; SIGINFO_LEN];
    siginfo[..4].copy_from_slice(&signo.to_ne_bytes());
    siginfo[SIGINFO_LEN - 1] = mark;
    siginfo
}

/// How many queued signals the user of `account` is charged with.
pub(super) fn charged_count(account: &Account) -> u64 {
    (0..1 << 20)
        .find(|limit_count| !account.is_over_limit(*limit_count, 0, 0))
        .unwrap_or(u64::MAX)
}

/// The sigset that holds `signo` alone.
pub(super) fn set_of(signo: u32) -> u64 {
    1 << (signo - 1)
}
