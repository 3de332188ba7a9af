// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The backend for a kernel without the calls: the same record by ptrace(2), as far as that sees.
//!
//! ```no_run
//! use sigcr::{ptrace, stop::Stopped};
//!
//! let stopped = Stopped::by_ptrace(1234)?;
//! let taken = ptrace::checkpoint(&stopped)?;
//! for lost in &taken.not_captured {
//!     eprintln!("not captured: {lost}");
//! }
//! taken.snapshot.write_to("1234.sigcr")?;
//! # Ok::<(), sigcr::Error>(())
//! ```
//!
//! The record is an ordinary one; it can be restored by sigrestore(2) as well.
//!
//! # How
//!
//! The process is held by [`Stopped::by_ptrace`]. What ptrace(2) and /proc do not show, only the
//! process itself can ask for: so system calls are run in its threads, by an instruction that its
//! program has anyway. No code is written into it and no signal is sent; registers, masks, memory
//! and interrupted system calls are afterwards as they were. It needs about 70 such calls and 140
//! stops for a process with one thread, where sigckpt(2) needs none, and time that grows with the
//! square of the number of queued signals.
//!
//! # What is seen
//!
//! | state | how | not as sigckpt(2) has it |
//! |---|---|---|
//! | stop signal | `PTRACE_GETSIGINFO` of the stop | |
//! | signal to the parent, init or not | `/proc/PID/stat`, `status` | |
//! | start of the process | `/proc/PID/stat` | rounded down to 10 ms |
//! | whether it is reaped by itself | | [not captured](NotCaptured::Autoreap) |
//! | limit on queued signals | `/proc/PID/status` | |
//! | ids of timers are asked for | prctl(2) run in it | needs Linux 6.15 |
//! | actions | sigaction(2) run in it | [frame ABI](NotCaptured::FrameAbi), [sharing](NotCaptured::SharedSighand) not captured |
//! | queues: siginfo | `PTRACE_PEEKSIGINFO` | which signals are timers' is [found by their content](NotCaptured::TimerSignal); those that [deleted timers](NotCaptured::LeftSignal) have left are like others |
//! | queues: bits without siginfo | `/proc/PID/task/TID/status` | |
//! | interval timers | getitimer(2) run in it | rounded down to 1 us |
//! | timers: what they are | `/proc/PID/timers` | needs `CONFIG_CHECKPOINT_RESTORE`; [thread of a CPU clock](NotCaptured::TimerThread), [next id](NotCaptured::NextTimerId) not captured |
//! | timers: when they expire | timer_gettime(2) run in it | [absolute](NotCaptured::TimerAbsolute) and [ignored](NotCaptured::TimerIgnored) timers not captured as such; one that signals nobody and has expired is as one that does not run |
//! | timers: overrun | timer_getoverrun(2) run in it | of a pending signal [not captured](NotCaptured::TimerOverrun) |
//! | signalfds | `/proc/PID/fdinfo` | |
//! | blocked signals | `PTRACE_GETSIGMASK` | of a mask that is replaced for a while (sigsuspend(2)), the one to return to, as sigckpt(2) |
//! | signal of the parent's death | prctl(2) run in each thread | [not captured](NotCaptured::ParentDeath) of threads that run no code |
//! | alternate stacks | sigaltstack(2) run in each thread | |
//! | signal in the hands of a ptracer | | there is none: who is ptraced already is refused |
//! | how threads were stopped | | not recorded: they are held by this program |
//! | who waits for children | | [not captured](NotCaptured::Waiters) |
//!
//! The actions, masks, stacks and queues are read one after the other. While the process is held
//! nothing of it changes but what others send and what timers do: the queues hold some of what
//! comes meanwhile, and each entry that they hold is whole and in its place.
//!
//! # How it is restored
//!
//! [`restore()`] runs sigaltstack(2), prctl(2), signalfd(2), sigaction(2), timer_create(2),
//! sigtimedwait(2), sigqueue(3), timer_settime(2) and setitimer(2) in the threads, in this order, and
//! sets the masks by ptrace(2). Queues are emptied by taking each signal and filled by sending them:
//! a thread may send itself a signal with any siginfo, and a traced one ignores none. A signal
//! without siginfo is sent while `RLIMIT_SIGPENDING` is 0. A timer whose signal is pending is set to
//! a time that is over by as many periods as it has missed expiries; so its own signal is queued in
//! its place, once, with the right overrun, and the timer goes on when it is taken.
//!
//! What cannot be reached so is [`NotRestorable`].
//!
//! # What the process sees of it
//!
//! What it sees of [`Stopped::by_ptrace`], and one thing more: a thread that waits with a mask that
//! was replaced for a while starts that system call anew where it is one that restarts. A signal
//! that only the replaced mask lets through is then taken at the second try.
//!
//! A caller that is killed by `SIGKILL` while a system call runs in the process leaves it with wrong
//! registers: it will most likely crash.
//!
//! # Which processes
//!
//! Those of x86-64 that the caller may ptrace, unless they are ptraced already, frozen by their
//! cgroup, run 32-bit code, or have their system calls turned into signals. A process with a seccomp
//! filter needs `CAP_SYS_ADMIN`, so that the filter can be suspended meanwhile.

#[cfg(target_arch = "x86_64")]
mod apply;
#[cfg(target_arch = "x86_64")]
mod arch;
#[cfg(target_arch = "x86_64")]
mod capture;
mod loss;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod plan;
#[cfg(target_arch = "x86_64")]
mod process;
#[cfg(target_arch = "x86_64")]
mod procfs;
#[cfg(target_arch = "x86_64")]
mod remote;
#[cfg(target_arch = "x86_64")]
mod set_timers;
#[cfg(target_arch = "x86_64")]
mod sys;
#[cfg(target_arch = "x86_64")]
mod times;
mod unrestorable;

use bitflags::bitflags;

use crate::{
    stop::{task, Failure, Stopped},
    Error, Model, Snapshot,
};

#[cfg(target_arch = "x86_64")]
use capture::{run as capture, run_thread as capture_thread};

pub use loss::NotCaptured;
pub use unrestorable::NotRestorable;

/// A record that was taken by ptrace(2).
#[derive(Clone, Debug)]
pub struct Taken {
    /// The record.
    pub snapshot: Snapshot,
    /// What could not be seen, in the order of the enumeration.
    pub not_captured: Vec<NotCaptured>,
}

bitflags! {
    /// How to restore.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RestoreFlags: u32 {
        /// Make the checks that can be made, change nothing.
        const DRY_RUN = 1 << 0;
        /// Consent to what is not restorable: it is left out or comes near.
        const PARTIAL = 1 << 1;
    }
}

/// Whether the backend is there on this architecture.
pub const IS_SUPPORTED: bool = cfg!(target_arch = "x86_64");

/// Takes the record of the process that `stopped` holds by ptrace(2).
///
/// # Errors
///
/// - [`Error::Ptrace`]: `stopped` is not of [`Stopped::by_ptrace`] (`EBUSY`), the process is none that
///   system calls can be run in (`EOPNOTSUPP`, `EPERM`, `EBUSY`), is gone (`ESRCH`), or changes all
///   the time (`EAGAIN`). It is as it was before.
/// - [`Error::Refused`]: the record would be too long.
pub fn checkpoint(stopped: &Stopped) -> Result<Taken, Error> {
    taken(stopped, capture(stopped))
}

/// Takes the private state of the thread `tid` of the process that `stopped` holds by ptrace(2): what
/// sigckpt(2) takes by a pidfd of [`crate::open_thread`].
///
/// # Errors
///
/// As [`checkpoint`]; also `ESRCH` if the process does not have the thread.
pub fn checkpoint_thread(stopped: &Stopped, tid: i32) -> Result<Taken, Error> {
    taken(stopped, capture_thread(stopped, tid))
}

/// Puts `snapshot` into effect in the process that `stopped` holds by ptrace(2), as far as that can be
/// done. Returns what is not restored, which is nothing without [`RestoreFlags::PARTIAL`]. State that
/// the record does not hold is left alone; thread ids are those of the target, as for
/// [`crate::restore`].
///
/// It is not a transaction: system calls are run in the process one after the other, and the process
/// sees none of it only because it is held. What can be checked is checked before anything is
/// changed. If a call fails afterwards, what was done before is not undone.
///
/// An action table that another process shares is changed for that one as well.
///
/// # Errors
///
/// - [`Error::Refused`]: the record can be read but not restored.
/// - [`Error::NotRestorable`]: something in it cannot be restored by ptrace(2), and
///   [`RestoreFlags::PARTIAL`] does not say that this is accepted. Nothing was changed.
/// - [`Error::Ptrace`]: as of [`checkpoint`]; also that it lacks a thread of the record (`ESRCH`), has
///   a worker of the kernel there (`EPERM`), that the limit on queued signals would be exceeded
///   (`EAGAIN`), that an altstack is too small or `SIGCONT` and a stop signal would be pending
///   (`EINVAL`), or that what is left alone is in the way (`EBUSY`). Nothing was changed.
/// - [`Error::BrokenOff`]: a part of the record was restored.
pub fn restore(
    stopped: &Stopped,
    snapshot: &Snapshot,
    flags: RestoreFlags,
) -> Result<Vec<NotRestorable>, Error> {
    snapshot.record().check_restorable()?;
    put(stopped, &snapshot.to_model(), flags)
}

#[cfg(target_arch = "x86_64")]
fn put(stopped: &Stopped, model: &Model, flags: RestoreFlags) -> Result<Vec<NotRestorable>, Error> {
    let plan = plan::Plan::make(stopped, model).map_err(|failure| failed(stopped, &failure))?;
    if !plan.lost.is_empty() && !flags.contains(RestoreFlags::PARTIAL) {
        return Err(Error::NotRestorable(plan.lost));
    }
    if !flags.contains(RestoreFlags::DRY_RUN) {
        apply::run(&plan).map_err(|(step, failure)| Error::BrokenOff {
            pid: stopped.pid(),
            errno: failure.errno,
            step,
            what: failure.what,
        })?;
    }
    Ok(plan.lost)
}

#[cfg(not(target_arch = "x86_64"))]
fn put(
    stopped: &Stopped,
    _model: &Model,
    _flags: RestoreFlags,
) -> Result<Vec<NotRestorable>, Error> {
    capture(stopped).map_err(|failure| failed(stopped, &failure))?;
    Ok(Vec::new())
}

fn taken(
    stopped: &Stopped,
    captured: Result<(Model, Vec<NotCaptured>), Failure>,
) -> Result<Taken, Error> {
    let (model, not_captured) = captured.map_err(|failure| failed(stopped, &failure))?;
    Ok(Taken {
        snapshot: model.encode()?,
        not_captured,
    })
}

/// The error for a failure; whatever it is, that the process has been killed is the reason.
fn failed(stopped: &Stopped, failure: &Failure) -> Error {
    let pid = stopped.pid();
    let mut held = stopped.traced_tids().into_iter().flatten();
    let Failure { errno, what } = match held.all(|tid| task::is_traced_stop(pid, *tid)) {
        true => failure,
        false => &Failure::GONE,
    };
    Error::Ptrace {
        pid,
        errno: *errno,
        what,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn capture(_stopped: &Stopped) -> Result<(Model, Vec<NotCaptured>), Failure> {
    Err(Failure::new(
        crate::Errno::EOPNOTSUPP,
        "this is done on x86-64 only; use a kernel with sigckpt(2)",
    ))
}

#[cfg(not(target_arch = "x86_64"))]
fn capture_thread(stopped: &Stopped, _tid: i32) -> Result<(Model, Vec<NotCaptured>), Failure> {
    capture(stopped)
}
