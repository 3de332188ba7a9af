// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The system calls of stopping: ptrace(2) with numbers only, and waitid(2).
//!
//! # Safety
//!
//! The module is safe to use: no request in it reads or writes memory of this process or another.
#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_uint, c_void},
    mem::MaybeUninit,
    os::fd::BorrowedFd,
    ptr,
};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::Errno;

/// A ptrace stop of a thread.
pub(crate) struct Stop {
    pub(crate) signo: i32,
    /// `PTRACE_EVENT_*`; 0 if the thread is about to take the signal.
    pub(crate) event: i32,
}

/// `PTRACE_SEIZE`: attach without a stop.
pub(super) fn seize(tid: i32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_SEIZE, tid, 0)
}

/// `PTRACE_INTERRUPT`: stop.
pub(super) fn interrupt(tid: i32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0)
}

/// `PTRACE_CONT`: go on, with the signal `signo` unless that is 0.
pub(super) fn cont(tid: i32, signo: i32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_CONT, tid, signo)
}

/// `PTRACE_DETACH`: let go.
pub(super) fn detach(tid: i32) -> Result<(), Errno> {
    ptrace(libc::PTRACE_DETACH, tid, 0)
}

fn ptrace(request: c_uint, tid: i32, signo: i32) -> Result<(), Errno> {
    let data = ptr::without_provenance_mut::<c_void>(usize::try_from(signo).unwrap_or(0));
    // SAFETY: The four requests above take a thread id and a number; the kernel follows no pointer.
    let ret = unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data) };
    Errno::result(ret).map(drop)
}

/// The ptrace stop of thread `tid`, if it is in one that was not reported yet. Does not wait.
pub(crate) fn take_stop(tid: i32) -> Result<Option<Stop>, Errno> {
    // Without WEXITED: an exit is left to those who wait for it, which may be another part of this
    // program.
    let info = wait_for(tid, libc::WSTOPPED)?;
    // SAFETY: Of a siginfo that waitid(2) fills in, pid and status are set; else they are 0.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(Stop {
        signo: status & 0xff,
        event: status >> 8,
    }))
}

/// Takes the exit of the dead thread `tid` as its tracer, so that it can go. Does not wait. False if
/// the thread has not ended; true also if it is none of the caller's.
pub(super) fn reap(tid: i32) -> bool {
    // Without WSTOPPED: a stop is left to who looks for it.
    let info = wait_for(tid, libc::WEXITED);
    // SAFETY: Of a siginfo that waitid(2) fills in, the pid is set; else it is 0.
    info.map_or(true, |info| unsafe { info.si_pid() } != 0)
}

/// waitid(2) for the thread `tid`, without waiting; a siginfo of zeroes if there is nothing.
fn wait_for(tid: i32, what: c_int) -> Result<libc::siginfo_t, Errno> {
    let id = libc::id_t::try_from(tid).map_err(|_| Errno::ESRCH)?;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags: c_int = what | libc::WNOHANG | libc::__WALL;
    // SAFETY: `info` is a siginfo_t that the call may write.
    Errno::result(unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags) })?;
    // SAFETY: It was zeroed, and zeroes are a valid siginfo_t.
    Ok(unsafe { info.assume_init() })
}

/// Whether the process of `pidfd` has exited.
pub(super) fn has_exited(pidfd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
    matches!(nix::poll::poll(&mut fds, PollTimeout::ZERO), Ok(1..))
}
