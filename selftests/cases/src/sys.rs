// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls on signals in the kernel's own terms: all 64 signals, sigsets as `u64`.
//!
//! The C library hides signals 32 and 33 and has types of its own; these tests must not.

use std::mem::size_of;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{gettid, Pid};

/// A result of a system call.
pub type Result<T> = nix::Result<T>;

/// `struct sigaction` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawAction {
    /// Address of the handler, or `SIG_DFL` (0), or `SIG_IGN` (1).
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// Address of the restorer.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}

/// The sigset with nothing but `signo` in it.
pub const fn bit(signo: u32) -> u64 {
    1 << (signo - 1)
}

/// Sets the action of `signo`, as it stands.
pub fn set_action(signo: u32, action: &RawAction) -> Result<()> {
    // SAFETY: the kernel reads one struct of the size it knows; the handler is only called when
    // the signal is delivered, which whoever chose the address has to answer for.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signo,
            std::ptr::from_ref(action),
            std::ptr::null_mut::<RawAction>(),
            size_of::<u64>(),
        )
    };
    Errno::result(ret).map(drop)
}

/// The action of `signo`.
pub fn action(signo: u32) -> Result<RawAction> {
    let mut action = RawAction::default();
    // SAFETY: the kernel writes one struct of the size it knows into a local variable.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signo,
            std::ptr::null::<RawAction>(),
            std::ptr::from_mut(&mut action),
            size_of::<u64>(),
        )
    };
    Errno::result(ret).map(|_| action)
}

/// Sets a handler that takes a siginfo, by the C library, which knows the restorer.
///
/// `flags` come on top of `SA_SIGINFO`; `mask` is blocked while the handler runs.
pub fn handle(signo: u32, handler: Handler, flags: i32, mask: u64) -> Result<()> {
    // SAFETY: all zeroes is a valid sigaction: default action, empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = flags | libc::SA_SIGINFO;
    for other in (1..=64).filter(|&other| mask & bit(other) != 0) {
        // SAFETY: the set is a local variable.
        unsafe { libc::sigaddset(&mut action.sa_mask, signal_number(other)) };
    }
    // SAFETY: both are valid; the handlers in this crate are async-signal-safe.
    let ret = unsafe { libc::sigaction(signal_number(signo), &action, std::ptr::null_mut()) };
    Errno::result(ret).map(drop)
}

/// A handler that takes a siginfo.
pub type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Makes `set` the calling thread's blocked set, signals 32 and 33 included; returns the old one.
pub fn set_blocked(set: u64) -> Result<u64> {
    let mut old = 0u64;
    // SAFETY: both sets are local variables of the size that is passed.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::from_ref(&set),
            std::ptr::from_mut(&mut old),
            size_of::<u64>(),
        )
    };
    Errno::result(ret).map(|_| old)
}

/// The calling thread's blocked set.
pub fn blocked() -> Result<u64> {
    let mut old = 0u64;
    // SAFETY: without a new set nothing is changed; the old one is a local variable.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::null::<u64>(),
            std::ptr::from_mut(&mut old),
            size_of::<u64>(),
        )
    };
    Errno::result(ret).map(|_| old)
}

/// Sets the calling thread's alternate stack: address, length in bytes, `SS_*`.
///
/// # Safety
///
/// With anything but `SS_DISABLE`, the memory must stay mapped and unused for as long as a handler
/// with `SA_ONSTACK` can run in this thread.
pub unsafe fn set_altstack(sp: u64, size: u64, ss_flags: u32) -> Result<()> {
    let stack = libc::stack_t {
        ss_sp: sp as *mut libc::c_void,
        ss_flags: ss_flags as i32,
        ss_size: size as usize,
    };
    // SAFETY: the kernel reads one struct; the caller answers for the memory.
    let ret = unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    Errno::result(ret).map(drop)
}

/// The calling thread's alternate stack: address, length in bytes, `SS_*`.
pub fn altstack() -> Result<(u64, u64, u32)> {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: without a new stack nothing is changed; the old one is a local variable.
    let ret = unsafe { libc::sigaltstack(std::ptr::null(), &mut stack) };
    Errno::result(ret)?;
    Ok((
        stack.ss_sp as u64,
        stack.ss_size as u64,
        stack.ss_flags as u32,
    ))
}

/// `SS_AUTODISARM`, which the libc crate does not have.
pub const SS_AUTODISARM: u32 = 1 << 31;

/// A siginfo as sigqueue(3) makes it, but with a code of one's choice.
pub fn siginfo(signo: u32, code: i32, value: u64) -> [u8; 128] {
    let mut info = [0; 128];
    let pid = Pid::this().as_raw();
    let uid = nix::unistd::getuid().as_raw();
    info[0..4].copy_from_slice(&signo.to_ne_bytes());
    info[8..12].copy_from_slice(&code.to_ne_bytes());
    info[16..20].copy_from_slice(&pid.to_ne_bytes());
    info[20..24].copy_from_slice(&uid.to_ne_bytes());
    info[24..32].copy_from_slice(&value.to_ne_bytes());
    info
}

/// Queues a siginfo to the process.
pub fn queue_to_process(pid: Pid, info: &[u8; 128]) -> Result<()> {
    // SAFETY: the kernel reads 128 bytes, which is the length of the array.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigqueueinfo,
            pid.as_raw(),
            signo_of(info),
            info.as_ptr(),
        )
    };
    Errno::result(ret).map(drop)
}

/// Queues a siginfo to one thread of the process.
pub fn queue_to_thread(pid: Pid, tid: Pid, info: &[u8; 128]) -> Result<()> {
    // SAFETY: the kernel reads 128 bytes, which is the length of the array.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid.as_raw(),
            tid.as_raw(),
            signo_of(info),
            info.as_ptr(),
        )
    };
    Errno::result(ret).map(drop)
}

/// kill(2), with any signal number.
pub fn kill(pid: Pid, signo: u32) -> Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal_number(signo)) }).map(drop)
}

/// tgkill(2).
pub fn tgkill(pid: Pid, tid: Pid, signo: u32) -> Result<()> {
    // SAFETY: takes three integers.
    let ret = unsafe { libc::syscall(libc::SYS_tgkill, pid.as_raw(), tid.as_raw(), signo) };
    Errno::result(ret).map(drop)
}

/// Sets how many signals may be queued to the process's user while the process is the receiver;
/// returns what it was.
pub fn set_sigpending_limit(pid: Pid, count: u64) -> Result<u64> {
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: without a new limit nothing is changed; the old one is a local variable.
    Errno::result(unsafe {
        libc::prlimit64(
            pid.as_raw(),
            libc::RLIMIT_SIGPENDING,
            std::ptr::null(),
            &mut old,
        )
    })?;
    let new = libc::rlimit64 {
        rlim_cur: count,
        rlim_max: old.rlim_max.max(count),
    };
    // SAFETY: the kernel reads one struct.
    Errno::result(unsafe {
        libc::prlimit64(
            pid.as_raw(),
            libc::RLIMIT_SIGPENDING,
            &new,
            std::ptr::null_mut(),
        )
    })?;
    Ok(old.rlim_cur)
}

/// Takes one pending signal of `set` without waiting: its number, code, pid and value.
pub fn take_pending(set: u64) -> Result<(u32, i32, i32, u64)> {
    wait_pending(set, Duration::ZERO)
}

/// Takes one pending signal of `set`, for which it waits so long: as [`take_pending`].
pub fn wait_pending(set: u64, limit: Duration) -> Result<(u32, i32, i32, u64)> {
    let mut info = [0u64; 16];
    let limit = libc::timespec {
        // A duration of seconds.
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: the set has the size that is passed, and 128 bytes have room for a siginfo.
    let signo = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            std::ptr::from_ref(&set),
            info.as_mut_ptr(),
            &limit,
            size_of::<u64>(),
        )
    })?;
    let word = |index: usize| (info[index / 2] >> (32 * (index % 2))) as i32;
    Ok((signo as u32, word(2), word(4), info[3]))
}

/// Starts the interval timer of real time, to expire once.
pub fn set_real_itimer(left: Duration) -> Result<()> {
    set_itimer(libc::ITIMER_REAL, left, Duration::ZERO)
}

/// Starts an interval timer, `ITIMER_*`.
pub fn set_itimer(which: i32, left: Duration, interval: Duration) -> Result<()> {
    let timeval = |time: Duration| libc::timeval {
        // A duration of hours.
        tv_sec: time.as_secs() as libc::time_t,
        tv_usec: time.subsec_micros().into(),
    };
    let value = libc::itimerval {
        it_interval: timeval(interval),
        it_value: timeval(left),
    };
    // SAFETY: the kernel reads one struct; the number is one of a timer or an error.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_setitimer,
            which,
            std::ptr::from_ref(&value),
            std::ptr::null_mut::<libc::itimerval>(),
        )
    })?;
    Ok(())
}

/// How a timer notifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Not at all.
    None,
    /// By a signal to the process.
    Signal,
    /// By a signal to this thread.
    Thread(i32),
    /// By what the C library calls a thread, a signal to the process for the kernel.
    Callback,
}

/// timer_create(2); returns the kernel's id of the timer.
pub fn timer_create(clock: i32, notify: Notify, signo: u32, value: u64) -> Result<i32> {
    // SAFETY: all-zero is a value of this struct of numbers.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_signo = signal_number(signo);
    event.sigev_value.sival_ptr = value as *mut libc::c_void;
    event.sigev_notify = match notify {
        Notify::None => libc::SIGEV_NONE,
        Notify::Signal => libc::SIGEV_SIGNAL,
        Notify::Callback => libc::SIGEV_THREAD,
        Notify::Thread(tid) => {
            event.sigev_notify_thread_id = tid;
            libc::SIGEV_THREAD_ID
        }
    };
    let mut id = 0;
    // SAFETY: the kernel reads one struct and writes one number into a local variable.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            clock,
            std::ptr::from_ref(&event),
            std::ptr::from_mut(&mut id),
        )
    })?;
    Ok(id)
}

/// timer_settime(2) of a timer with this kernel's id.
pub fn timer_settime(id: i32, flags: i32, left: Duration, interval: Duration) -> Result<()> {
    let timespec = |time: Duration| libc::timespec {
        // A date of this century.
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos().into(),
    };
    let value = libc::itimerspec {
        it_interval: timespec(interval),
        it_value: timespec(left),
    };
    // SAFETY: the kernel reads one struct.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_timer_settime,
            id,
            flags,
            std::ptr::from_ref(&value),
            std::ptr::null_mut::<libc::itimerspec>(),
        )
    })?;
    Ok(())
}

/// A new signalfd from which the signals of `set` can be read.
pub fn signalfd(set: u64, flags: i32) -> Result<OwnedFd> {
    // SAFETY: the set is a local variable of the size that is passed.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            std::ptr::from_ref(&set),
            size_of::<u64>(),
            flags,
        )
    };
    let fd = Errno::result(ret)? as i32;
    // SAFETY: the kernel has just made the descriptor; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The signals that are pending for the calling thread or its process.
pub fn pending() -> Result<u64> {
    let mut set = 0u64;
    // SAFETY: the set is a local variable of the size that is passed.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_rt_sigpending,
            std::ptr::from_mut(&mut set),
            size_of::<u64>(),
        )
    };
    Errno::result(ret).map(|_| set)
}

/// What is left of the interval timer of real time; 0 if it does not run.
pub fn real_itimer() -> Result<Duration> {
    // SAFETY: all-zero is a value of this struct of numbers.
    let mut value: libc::itimerval = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one struct.
    Errno::result(unsafe { libc::getitimer(libc::ITIMER_REAL, &mut value) })?;
    let left = value.it_value;
    Ok(Duration::from_secs(left.tv_sec as u64) + Duration::from_micros(left.tv_usec as u64))
}

/// The calling thread's id.
pub fn tid() -> Pid {
    gettid()
}

fn signo_of(info: &[u8; 128]) -> i32 {
    i32::from_ne_bytes([info[0], info[1], info[2], info[3]])
}

fn signal_number(signo: u32) -> i32 {
    // Signal numbers are at most 64.
    signo as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_signal_comes_back_as_it_was_sent() {
        // The thread of this test alone gets it.
        let old = set_blocked(bit(40)).unwrap();
        let (pid, value) = (Pid::this(), 0x1234_5678_9abc_def0);
        queue_to_thread(pid, tid(), &siginfo(40, -1, value)).unwrap();
        assert_eq!(take_pending(bit(40)), Ok((40, -1, pid.as_raw(), value)));
        assert_eq!(take_pending(bit(40)), Err(Errno::EAGAIN));
        set_blocked(old).unwrap();
    }

    #[test]
    fn an_action_reads_back_as_it_was_set() {
        let action_set = RawAction {
            handler: 1,
            flags: 0x1000_0000,
            restorer: 0,
            mask: bit(32) | bit(64),
        };
        let old = action(63).unwrap();
        set_action(63, &action_set).unwrap();
        assert_eq!(action(63), Ok(action_set));
        set_action(63, &old).unwrap();
    }
}
