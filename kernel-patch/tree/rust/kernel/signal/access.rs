// SPDX-License-Identifier: GPL-2.0

//! Who may look at and change the signal state of a process.
//!
//! C headers: [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h),
//! [`include/linux/cred.h`](srctree/include/linux/cred.h).

use super::{
    sighand::task_threads,
    Scope, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    sync::rcu,
    task::Task, //
};
use core::ptr;

/// The read side of a process's `exec_update_lock`: no exec changes its credentials, its action
/// table or its alternate stacks meanwhile.
///
/// Nobody may touch user memory under it: a page fault that user space serves could keep the
/// process from its exec.
///
/// # Invariants
///
/// The lock of `task`'s process is held for read by this thread.
pub struct ExecUpdateGuard<'a> {
    task: &'a Task,
}

impl<'a> ExecUpdateGuard<'a> {
    /// Takes the lock.
    ///
    /// # Errors
    ///
    /// - [`EINTR`]: the caller is being killed.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn lock(task: &'a Task) -> Result<Self> {
        // SAFETY: A task's `signal` is valid as long as the task is.
        to_result(unsafe {
            bindings::down_read_killable(&raw mut (*(*task.as_ptr()).signal).exec_update_lock)
        })?;
        // INVARIANT: It was taken above.
        Ok(Self { task })
    }
}

impl Drop for ExecUpdateGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the lock is held for read; `signal` of a task never
        // changes, so it is the same lock.
        unsafe { bindings::up_read(&raw mut (*(*self.task.as_ptr()).signal).exec_update_lock) };
    }
}

/// Checks that the caller may attach to `task`, or with [`Scope::Process`] to every thread of its
/// process: threads may differ in their credentials.
///
/// Mirrors `ptrace_attach()` in kernel/ptrace.c, with `PTRACE_MODE_ATTACH_REALCREDS`.
///
/// # Errors
///
/// - [`EPERM`]: denied, or a kernel thread.
///
/// # Context
///
/// Process context, not under siglock: takes `alloc_lock` of the tasks.
pub fn check_attach(task: &Task, scope: Scope, _exec: &ExecUpdateGuard<'_>) -> Result {
    // SAFETY: The task is valid; its `PF_KTHREAD` never changes.
    if unsafe { (*task.as_ptr()).flags } & bindings::PF_KTHREAD != 0 {
        return Err(EPERM);
    }
    may_attach(task.as_ptr())?;
    if scope == Scope::Thread {
        return Ok(());
    }
    let rcu = rcu::read_lock();
    let mut allowed = real_cred(task.as_ptr(), &rcu);
    for thread in task_threads(task, &rcu) {
        // What the credentials are the same object of, is allowed by the same right.
        let cred = real_cred(thread, &rcu);
        if cred != allowed {
            may_attach(thread)?;
            allowed = cred;
        }
    }
    Ok(())
}

/// Tells the audit subsystem that the caller is about to act upon `task`.
pub fn audit(task: &Task) {
    // SAFETY: The task is valid.
    unsafe { bindings::audit_ptrace(task.as_ptr()) };
}

/// Whether `task` is a thread of the caller's process.
pub fn is_own_process(task: &Task) -> bool {
    same_process(task.as_ptr())
}

/// Whether the caller may give `task` signals that only the kernel can send: in its own process
/// always, elsewhere with `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN` in the user namespace of
/// the task.
pub fn may_forge(task: &Task) -> bool {
    same_process(task.as_ptr()) || is_capable(task)
}

/// Whether the caller may write the private queue of `thread`: by its attach right in another
/// process, in its own process with equal credentials, else with the capability of [`may_forge`].
pub fn may_write_queue(thread: &Task) -> bool {
    let rcu = rcu::read_lock();
    let mine = real_cred(Task::current_raw(), &rcu);
    let theirs = real_cred(thread.as_ptr(), &rcu);
    // SAFETY: Under RCU both credentials are valid.
    let equal = ptr::eq(mine, theirs) || unsafe { equal_creds(&*mine, &*theirs) };
    drop(rcu);
    !same_process(thread.as_ptr()) || equal || is_capable(thread)
}

/// Whether the caller is being killed, so that what takes long should end.
pub fn current_is_being_killed() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::fatal_signal_pending(Task::current_raw()) }
}

fn is_capable(task: &Task) -> bool {
    let _rcu = rcu::read_lock();
    // SAFETY: The task is valid, and RCU keeps its credentials and with them their namespace.
    unsafe { bindings::task_checkpoint_restore_capable(task.as_ptr()) }
}

fn may_attach(task: *mut bindings::task_struct) -> Result {
    // SAFETY: The callers pass a task that a reference or RCU keeps valid.
    match unsafe { bindings::ptrace_may_access(task, bindings::PTRACE_MODE_ATTACH_REALCREDS) } {
        true => Ok(()),
        false => Err(EPERM),
    }
}

fn same_process(task: *const bindings::task_struct) -> bool {
    // SAFETY: Both tasks are valid, and their `signal` never changes.
    unsafe { (*task).signal == (*Task::current_raw()).signal }
}

/// The credentials by which others act upon `task`; valid under the RCU read lock.
fn real_cred(task: *const bindings::task_struct, _rcu: &rcu::Guard) -> *const bindings::cred {
    // SAFETY: The callers pass a valid task. The volatile read is `rcu_dereference()` of a pointer
    // that another CPU may replace meanwhile.
    unsafe { (&raw const (*task).real_cred).read_volatile() }
}

fn equal_creds(a: &bindings::cred, b: &bindings::cred) -> bool {
    let uids = |cred: &bindings::cred| [cred.uid.val, cred.euid.val, cred.suid.val];
    let gids = |cred: &bindings::cred| [cred.gid.val, cred.egid.val, cred.sgid.val];
    uids(a) == uids(b)
        && gids(a) == gids(b)
        && a.cap_permitted.val == b.cap_permitted.val
        && ptr::eq(a.user_ns, b.user_ns)
}
