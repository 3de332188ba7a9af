// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Stops a process for as long as a value lives: the state in which it can be taken and restored.
//!
//! ```no_run
//! use sigcr::{checkpoint, stop::Stopped, CheckpointFlags};
//!
//! let stopped = Stopped::stop(1234)?;
//! let snapshot = checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())?;
//! drop(stopped); // The process runs again.
//! # Ok::<(), sigcr::Error>(())
//! ```
//!
//! # Which way
//!
//! [`Stopped::stop`] leaves alone what is stopped already: by a stop signal, by a debugger, or in a
//! frozen cgroup; whoever stopped it may let it go at any time, and a call then fails with `EBUSY`.
//! Otherwise it uses ptrace(2), because then the kernel itself lets the process go
//! if the caller is killed. Only where ptrace(2) is refused, as it is for a process that a debugger
//! runs, it freezes the process's cgroup (version 2), provided that no other process is in there.
//! A caller that is killed by `SIGKILL` meanwhile leaves the cgroup frozen: write 0 to its
//! `cgroup.freeze` then.
//!
//! # What the process and others see of it
//!
//! No signal is sent, and none is lost. A system call that sleeps is interrupted and, if it is one
//! that restarts, goes on afterwards. Both is so with either way. While ptrace(2) holds the process
//! no debugger can attach.
//!
//! # Interrupts of the caller
//!
//! While the value lives, `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGQUIT` and `SIGTSTP` are blocked for the
//! calling thread, so that they act when the process has been let go. In a program with several
//! threads the others should block them too.

pub(crate) mod freezer;
mod mask;
mod ptrace;
pub(crate) mod sys;
pub(crate) mod task;

use std::{
    collections::BTreeSet,
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use crate::{open_process, Errno, Error};

use freezer::Frozen;
use mask::BlockedInterrupts;
use ptrace::Traced;

/// A process that is stopped while this value lives.
///
/// It stays on the thread that made it, which is the one that ptrace(2) lets act.
#[derive(Debug)]
#[must_use = "the process is let go when the value is dropped"]
pub struct Stopped {
    // The order matters: the process is let go first, the interrupts act last.
    hold: Hold,
    pidfd: OwnedFd,
    pid: i32,
    _interrupts: BlockedInterrupts,
    _not_send: PhantomData<*const ()>,
}

/// What keeps a process stopped.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was stopped before, and stays so afterwards.
    AlreadyStopped,
    /// By ptrace(2).
    Ptrace,
    /// By its cgroup's freezer.
    Freezer,
}

#[derive(Debug)]
enum Hold {
    Nothing,
    Traced { threads: Traced },
    Frozen { _cgroup: Frozen },
}

/// How long stopping may take; a thread in an uninterruptible sleep would take for ever.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why a process could not be stopped or held: the errno of what failed, and the remedy.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) what: &'static str,
}

impl Stopped {
    /// Stops the process `pid` in the way that suits it; see [the module](self).
    ///
    /// # Errors
    ///
    /// [`Error::Open`]: there is no such process. [`Error::Stop`]: it cannot be stopped, or not
    /// within 10 seconds; then it was let go again.
    pub fn stop(pid: i32) -> Result<Stopped, Error> {
        Self::with(pid, |deadline| {
            if task::is_stopped(pid)? || freezer::is_frozen(pid) {
                return Ok(Hold::Nothing);
            }
            match Traced::seize(pid, deadline) {
                Ok(threads) => Ok(Hold::Traced { threads }),
                Err(failure) if failure.errno == Errno::EPERM => Frozen::freeze(pid, deadline)
                    .map(|cgroup| Hold::Frozen { _cgroup: cgroup })
                    // Why the freezer cannot help is of less use than why ptrace(2) cannot.
                    .map_err(|_| failure),
                Err(failure) => Err(failure),
            }
        })
    }

    /// Stops the process `pid` by ptrace(2). While one with several threads is being stopped, another
    /// thread of the caller helps; it has ended when this returns.
    ///
    /// # Errors
    ///
    /// As [`Stopped::stop`].
    pub fn by_ptrace(pid: i32) -> Result<Stopped, Error> {
        Self::with(pid, |deadline| {
            let threads = Traced::seize(pid, deadline)?;
            Ok(Hold::Traced { threads })
        })
    }

    /// Stops the process `pid` by freezing its cgroup, where it is the only process.
    ///
    /// # Errors
    ///
    /// As [`Stopped::stop`].
    pub fn by_freezer(pid: i32) -> Result<Stopped, Error> {
        Self::with(pid, |deadline| {
            if freezer::is_frozen(pid) {
                return Ok(Hold::Nothing);
            }
            let cgroup = Frozen::freeze(pid, deadline)?;
            Ok(Hold::Frozen { _cgroup: cgroup })
        })
    }

    /// The process's pidfd, which names the process that was stopped whatever becomes of its number.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What keeps it stopped.
    pub fn how(&self) -> How {
        match self.hold {
            Hold::Nothing => How::AlreadyStopped,
            Hold::Traced { .. } => How::Ptrace,
            Hold::Frozen { .. } => How::Freezer,
        }
    }

    /// The threads that are held, if ptrace(2) holds them.
    pub(crate) fn traced_tids(&self) -> Option<&BTreeSet<i32>> {
        match &self.hold {
            Hold::Traced { threads } => Some(threads.tids()),
            _ => None,
        }
    }

    fn with(
        pid: i32,
        hold: impl FnOnce(Instant) -> Result<Hold, Failure>,
    ) -> Result<Stopped, Error> {
        let failed = |failure: Failure| Error::Stop {
            pid,
            errno: failure.errno,
            what: failure.what,
        };
        if u32::try_from(pid) == Ok(std::process::id()) {
            return Err(failed(Failure::new(
                Errno::EINVAL,
                "it is the caller; use Target::OwnProcess, which needs no stop",
            )));
        }
        let pidfd = open_process(pid)?;
        let interrupts = BlockedInterrupts::new();
        let hold = hold(Instant::now() + TIME_LIMIT).map_err(failed)?;
        // What was stopped goes by the number: was it the process of the pidfd all the time?
        if sys::has_exited(pidfd.as_fd()) {
            return Err(failed(Failure::GONE));
        }
        Ok(Stopped {
            hold,
            pidfd,
            pid,
            _interrupts: interrupts,
            _not_send: PhantomData,
        })
    }
}

impl Failure {
    pub(crate) const GONE: Failure =
        Failure::new(Errno::ESRCH, "it is gone; there is nothing to stop");
    const TOO_SLOW: Failure = Failure::new(
        Errno::ETIMEDOUT,
        "it did not stop within 10 seconds; look in /proc/PID/task for a thread in state D, or \
         accept a running target with the LIVE flag",
    );

    pub(crate) const fn new(errno: Errno, what: &'static str) -> Failure {
        Failure { errno, what }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        process::{Child, Command},
        thread::sleep,
    };

    use super::*;

    /// A child that is killed at the end of the test.
    struct Sleeper(Child);

    impl Sleeper {
        fn new() -> Self {
            Self(Command::new("sleep").arg("60").spawn().unwrap())
        }

        fn pid(&self) -> i32 {
            self.0.id().try_into().unwrap()
        }

        /// The state letter, when it has become `wanted` or after two seconds.
        fn state(&self, wanted: char) -> char {
            let mut state = '?';
            for _ in 0..200 {
                let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
                state = stat.rsplit_once(") ").unwrap().1.chars().next().unwrap();
                if state == wanted {
                    break;
                }
                sleep(Duration::from_millis(10));
            }
            state
        }

        fn signal(&self, signal: nix::sys::signal::Signal) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn a_process_is_stopped_while_the_value_lives_and_runs_afterwards() {
        let child = Sleeper::new();
        let stopped = Stopped::stop(child.pid()).unwrap();
        assert_eq!(stopped.how(), How::Ptrace);
        assert_eq!(stopped.pid(), child.pid());
        assert_eq!(child.state('t'), 't');
        drop(stopped);
        assert_eq!(child.state('S'), 'S');
    }

    #[test]
    fn a_process_that_is_stopped_already_is_left_as_it_is() {
        let child = Sleeper::new();
        child.signal(nix::sys::signal::SIGSTOP);
        assert_eq!(child.state('T'), 'T');
        let stopped = Stopped::stop(child.pid()).unwrap();
        assert_eq!(stopped.how(), How::AlreadyStopped);
        drop(stopped);
        assert_eq!(child.state('S'), 'T');
    }

    #[test]
    fn a_process_stopped_by_a_signal_stays_so_after_ptrace_held_it() {
        let child = Sleeper::new();
        child.signal(nix::sys::signal::SIGSTOP);
        assert_eq!(child.state('T'), 'T');
        drop(Stopped::by_ptrace(child.pid()).unwrap());
        assert_eq!(child.state('S'), 'T');
    }

    #[test]
    fn a_process_that_was_killed_while_it_was_held_can_still_be_waited_for() {
        let mut child = Sleeper::new();
        let stopped = Stopped::stop(child.pid()).unwrap();
        child.signal(nix::sys::signal::SIGKILL);
        assert_eq!(child.state('Z'), 'Z');
        drop(stopped);
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.0.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn the_caller_cannot_stop_itself() {
        let own = i32::try_from(std::process::id()).unwrap();
        let error = Stopped::stop(own).unwrap_err();
        assert_eq!(error.to_errno(), Errno::EINVAL);
        assert!(error.to_string().contains("OwnProcess"), "{error}");
    }

    #[test]
    fn a_process_that_is_held_already_cannot_be_held_twice() {
        let child = Sleeper::new();
        let first = Stopped::by_ptrace(child.pid()).unwrap();
        let error = Stopped::by_ptrace(child.pid()).unwrap_err();
        assert_eq!(error.to_errno(), Errno::EPERM);
        assert_eq!(
            Stopped::stop(child.pid()).unwrap().how(),
            How::AlreadyStopped
        );
        drop(first);
        assert_eq!(child.state('S'), 'S');
    }

    #[test]
    fn a_process_that_is_gone_is_no_process() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        child.wait().unwrap();
        assert_eq!(Stopped::stop(pid).unwrap_err().to_errno(), Errno::ESRCH);
    }

    #[test]
    fn a_zombie_is_gone() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid: i32 = child.id().try_into().unwrap();
        let pidfd = open_process(pid).unwrap();
        while !sys::has_exited(pidfd.as_fd()) {
            sleep(Duration::from_millis(1));
        }
        assert_eq!(Stopped::stop(pid).unwrap_err().to_errno(), Errno::ESRCH);
        assert_eq!(
            Stopped::by_ptrace(pid).unwrap_err().to_errno(),
            Errno::ESRCH
        );
        child.wait().unwrap();
    }
}
