// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the calls act upon: a process or a thread, by pidfd.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::{
    error::{explain_open, Error},
    syscall,
};

/// What a call acts upon.
///
/// A pidfd is the only way to name another process: a number could meanwhile mean another one.
#[derive(Clone, Copy, Debug)]
pub enum Target<'fd> {
    /// A pidfd: of [`open_process`], the whole process; of [`open_thread`], the private state of
    /// that one thread.
    Fd(BorrowedFd<'fd>),
    /// The process that makes the call.
    OwnProcess,
    /// The private state of the thread that makes the call.
    OwnThread,
}

/// Opens a pidfd of the process `pid`.
///
/// # Errors
///
/// [`Error::Open`]: there is no such process, it is in another pid namespace, or a limit is reached.
pub fn open_process(pid: i32) -> Result<OwnedFd, Error> {
    open(pid, 0)
}

/// Opens a pidfd of the one thread `tid`, for Linux 6.9 and later.
///
/// # Errors
///
/// As [`open_process`]; `EINVAL` also where the kernel is older.
pub fn open_thread(tid: i32) -> Result<OwnedFd, Error> {
    open(tid, syscall::PIDFD_THREAD)
}

fn open(id: i32, flags: u32) -> Result<OwnedFd, Error> {
    syscall::pidfd_open(id, flags).map_err(|errno| Error::Open {
        id,
        errno,
        what: explain_open(errno),
    })
}

impl Target<'_> {
    /// The number that the calls take.
    pub(crate) fn as_raw(self) -> i32 {
        match self {
            Target::Fd(fd) => fd.as_raw_fd(),
            Target::OwnProcess => syscall::PIDFD_SELF_THREAD_GROUP,
            Target::OwnThread => syscall::PIDFD_SELF_THREAD,
        }
    }
}

impl<'fd, F: AsFd> From<&'fd F> for Target<'fd> {
    fn from(fd: &'fd F) -> Self {
        Target::Fd(fd.as_fd())
    }
}

impl<'fd> From<BorrowedFd<'fd>> for Target<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Target::Fd(fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn a_process_that_is_not_there_cannot_be_opened() {
        // The highest pid is 2^22.
        for error in [open_process(i32::MAX), open_thread(i32::MAX)].map(Result::unwrap_err) {
            assert_eq!(error.to_errno(), Errno::ESRCH);
            let words = error.to_string();
            assert!(words.starts_with("pidfd_open of 2147483647: "), "{words}");
            assert!(words.contains("there is no process"), "{words}");
        }
    }

    #[test]
    fn a_thread_has_a_pidfd_of_its_own() {
        let own = i32::try_from(std::process::id()).unwrap();
        let process = open_process(own).unwrap();
        // The test runs on a thread that is not the first: as a process it cannot be opened.
        let tid = nix::unistd::gettid().as_raw();
        assert!(open_process(tid).is_err());
        let thread = open_thread(tid).unwrap();
        assert!(Target::from(&thread).as_raw() != Target::from(&process).as_raw());
        assert!(Target::OwnThread.as_raw() < 0 && Target::OwnProcess.as_raw() < 0);
    }
}
