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

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_access)]
mod tests {
    use super::{
        super::testing::this_task,
        *, //
    };

    #[test]
    fn a_kernel_thread_is_no_target_not_even_its_own() -> Result {
        let task = this_task();
        let exec = ExecUpdateGuard::lock(&task)?;
        let answers =
            [Scope::Process, Scope::Thread].map(|scope| check_attach(&task, scope, &exec));
        drop(exec);
        assert_eq!(answers, [Err(EPERM), Err(EPERM)]);
        Ok(())
    }

    #[test]
    fn one_s_own_process_is_told_from_another_one() {
        let task = this_task();
        assert!(is_own_process(&task));
        let parent_is_own = {
            let _rcu = rcu::read_lock();
            // SAFETY: The task is the current one; RCU keeps its parent valid.
            unsafe { same_process((&raw const (*task.as_ptr()).real_parent).read_volatile()) }
        };
        assert!(!parent_is_own);
        assert!(may_forge(&task));
        assert!(may_write_queue(&task));
    }

    #[test]
    fn the_lock_against_exec_is_shared_and_given_back() -> Result {
        let task = this_task();
        // SAFETY: A task's `signal` is valid as long as the task is.
        let lock = unsafe { &raw mut (*(*task.as_ptr()).signal).exec_update_lock };
        // SAFETY: As above; what was taken is given back.
        let can_write = || unsafe {
            let taken = bindings::down_write_trylock(lock) != 0;
            if taken {
                bindings::up_write(lock);
            }
            taken
        };
        // SAFETY: As above.
        let can_read = || unsafe {
            let taken = bindings::down_read_trylock(lock) != 0;
            if taken {
                bindings::up_read(lock);
            }
            taken
        };
        let exec = ExecUpdateGuard::lock(&task)?;
        let while_held = can_write();
        let while_held_by_another = can_read();
        drop(exec);
        assert!(!while_held);
        assert!(while_held_by_another);
        assert!(can_write());
        Ok(())
    }

    /// Whether the credentials of this thread equal those that `change` makes of them.
    fn equal_after(change: impl FnOnce(&mut bindings::cred)) -> bool {
        let task = this_task();
        let rcu = rcu::read_lock();
        // SAFETY: Under RCU the credentials are valid, and a copy of their bytes is only compared.
        let (mine, mut copy) = unsafe {
            let mine = real_cred(task.as_ptr(), &rcu);
            (&*mine, core::mem::ManuallyDrop::new(mine.read()))
        };
        change(&mut copy);
        equal_creds(mine, &copy)
    }

    #[test]
    fn credentials_are_equal_if_no_id_no_right_and_no_namespace_differs() {
        assert!(equal_after(|_| {}));
        // What the thread may do to files at the moment is not asked.
        assert!(equal_after(|cred| cred.fsuid.val ^= 1));
        assert!(!equal_after(|cred| cred.uid.val ^= 1));
        assert!(!equal_after(|cred| cred.euid.val ^= 1));
        assert!(!equal_after(|cred| cred.suid.val ^= 1));
        assert!(!equal_after(|cred| cred.gid.val ^= 1));
        assert!(!equal_after(|cred| cred.egid.val ^= 1));
        assert!(!equal_after(|cred| cred.sgid.val ^= 1));
        assert!(!equal_after(|cred| cred.cap_permitted.val ^= 1));
        assert!(!equal_after(|cred| cred.user_ns = core::ptr::null_mut()));
    }
}
