// SPDX-License-Identifier: GPL-2.0

//! The process or thread that a pidfd names.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/uapi/linux/pidfd.h`](srctree/include/uapi/linux/pidfd.h).

use crate::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::Task, //
};
use core::ptr::NonNull;

/// How much of a process is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole process.
    Process,
    /// The private state of one thread.
    Thread,
}

/// A process or a thread in the caller's pid namespace or below.
///
/// It is kept as a `struct pid`, not as a task: the task of a process changes when a thread that
/// is not the leader execs.
///
/// # Invariants
///
/// `pid` is a valid `struct pid` on which this owns a reference.
pub struct Target {
    pid: NonNull<bindings::pid>,
    scope: Scope,
}

/// `PIDFD_THREAD`: the pidfd names a thread. The same bit as `O_EXCL`.
const PIDFD_THREAD: c_uint = bindings::O_EXCL;

impl Target {
    /// Finds what `pidfd` names: an open pidfd, `PIDFD_SELF_THREAD` or `PIDFD_SELF_THREAD_GROUP`.
    ///
    /// # Errors
    ///
    /// - [`EBADF`]: not a pidfd.
    /// - [`EINVAL`]: the target is outside the caller's pid namespace and its descendants, as for
    ///   `pidfd_send_signal(2)`.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn from_pidfd(pidfd: c_int) -> Result<Self> {
        let current = Task::current_raw();
        let mut flags: c_uint = 0;
        let (pid, scope) = match pidfd {
            bindings::PIDFD_SELF_THREAD => (
                // SAFETY: `current` is valid, and it has a pid while it runs.
                unsafe { bindings::get_task_pid(current, bindings::pid_type_PIDTYPE_PID) },
                Scope::Thread,
            ),
            bindings::PIDFD_SELF_THREAD_GROUP => (
                // SAFETY: As above; its thread group has a pid, too.
                unsafe { bindings::get_task_pid(current, bindings::pid_type_PIDTYPE_TGID) },
                Scope::Process,
            ),
            _ => {
                // CAST: As `pidfd_get_task()` does; a negative number is no open file.
                // SAFETY: `flags` is valid for a write.
                let pid = unsafe { bindings::pidfd_get_pid(pidfd as c_uint, &mut flags) };
                let pid = from_err_ptr(pid)?;
                let scope = if flags & PIDFD_THREAD != 0 {
                    Scope::Thread
                } else {
                    Scope::Process
                };
                (pid, scope)
            }
        };
        // INVARIANT: All of the three functions above return a reference.
        let target = Self {
            pid: NonNull::new(pid).ok_or(ESRCH)?,
            scope,
        };
        // SAFETY: By the type invariants, the pid is valid.
        if !unsafe { bindings::sigcr_access_pidfd_pidns(target.pid.as_ptr()) } {
            return Err(EINVAL);
        }
        Ok(target)
    }

    /// How much of the process is meant.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The task behind the target as of now: the thread, or the process's leader.
    ///
    /// # Errors
    ///
    /// - [`ESRCH`]: there is none any more.
    pub fn task(&self) -> Result<ARef<Task>> {
        let pid_type = match self.scope {
            Scope::Process => bindings::pid_type_PIDTYPE_TGID,
            Scope::Thread => bindings::pid_type_PIDTYPE_PID,
        };
        // SAFETY: By the type invariants, the pid is valid.
        let task = unsafe { bindings::get_pid_task(self.pid.as_ptr(), pid_type) };
        let task = NonNull::new(task).ok_or(ESRCH)?;
        // SAFETY: `Task` is transparent to `task_struct`, and `get_pid_task()` took a reference,
        // which goes over to the `ARef`.
        Ok(unsafe { ARef::from_raw(task.cast()) })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this owns a reference on a valid pid.
        unsafe { bindings::put_pid(self.pid.as_ptr()) };
    }
}

/// Finds the thread of `process` that has the id `tid` in the pid namespace of `process`.
///
/// # Errors
///
/// - [`ESRCH`]: there is none.
pub fn find_thread(process: &Task, tid: i32) -> Result<ARef<Task>> {
    let _rcu = rcu::read_lock();
    // SAFETY: `process` is a valid task; the namespace lives as long as its pid, which RCU keeps.
    // A task without a pid is gone, and has no namespace.
    let task = unsafe {
        let ns = bindings::task_active_pid_ns(process.as_ptr());
        if ns.is_null() {
            return Err(ESRCH);
        }
        bindings::find_task_by_pid_ns(tid, ns)
    };
    let task = NonNull::new(task).ok_or(ESRCH)?;
    // SAFETY: Under RCU a task that was found is valid; `signal` is set as long as the task is.
    if unsafe { (*task.as_ptr()).signal != (*process.as_ptr()).signal } {
        return Err(ESRCH);
    }
    // SAFETY: As above; `Task` is transparent to `task_struct`.
    Ok(ARef::from(unsafe { task.cast::<Task>().as_ref() }))
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_target)]
mod tests {
    use super::{
        super::testing::this_task,
        *, //
    };

    #[test]
    fn what_is_no_pidfd_is_refused() {
        // No file is open in a kernel thread.
        for pidfd in [
            -1,
            0,
            1000,
            c_int::MIN,
            c_int::MAX,
            bindings::PIDFD_SELF_THREAD + 1,
            bindings::PIDFD_SELF_THREAD_GROUP - 1,
        ] {
            assert_eq!(Target::from_pidfd(pidfd).err(), Some(EBADF));
        }
    }

    #[test]
    fn the_caller_is_found_as_a_thread_and_as_a_process() -> Result {
        let thread = Target::from_pidfd(bindings::PIDFD_SELF_THREAD)?;
        assert!(thread.scope() == Scope::Thread);
        assert!(*thread.task()? == *this_task());
        let process = Target::from_pidfd(bindings::PIDFD_SELF_THREAD_GROUP)?;
        assert!(process.scope() == Scope::Process);
        assert!(*process.task()? == *this_task());
        Ok(())
    }

    #[test]
    fn a_thread_is_found_by_its_id_in_its_own_process_only() -> Result {
        let task = this_task();
        assert!(*find_thread(&task, task.pid())? == *task);
        // 0 and what is negative name nobody, 1 and 2 are processes of their own.
        for tid in [0, 1, 2, -1, i32::MIN, i32::MAX] {
            assert_eq!(find_thread(&task, tid).err(), Some(ESRCH));
        }
        Ok(())
    }
}
