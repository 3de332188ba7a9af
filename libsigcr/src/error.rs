// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Errors: what went wrong, in words that name the remedy, and as an errno.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    ptrace::NotRestorable,
    record::{Refusal, RefusalClass},
    EditError, Errno,
};

/// What can go wrong. The message says what to do about it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refuses a call.
    #[error("{call}: {what} ({errno})")]
    Call {
        /// The system call.
        call: &'static str,
        /// Its errno.
        errno: Errno,
        /// What the errno means here, and the remedy.
        what: &'static str,
    },
    /// A process or a thread cannot be opened by its number.
    #[error("pidfd_open of {id}: {what} ({errno})")]
    Open {
        /// The number that was given.
        id: i32,
        /// The errno of pidfd_open(2).
        errno: Errno,
        /// What the errno means here, and the remedy.
        what: &'static str,
    },
    /// A record that the decoder refuses, or that cannot be restored.
    #[error("the record is refused: {0}")]
    Refused(#[source] Refusal),
    /// A file that does not hold a record which decodes.
    #[error("{path}: {words}", path = path.display())]
    RefusedFile {
        /// The file.
        path: PathBuf,
        /// The decoder's answer.
        refusal: Refusal,
        /// The same in words, with the section's name.
        words: String,
    },
    /// A change that makes no sense.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A process could not be stopped. It was let go again.
    #[error("process {pid} cannot be stopped: {what} ({errno})")]
    Stop {
        /// The process.
        pid: i32,
        /// The errno of what failed.
        errno: Errno,
        /// What failed, and the remedy.
        what: &'static str,
    },
    /// The signal state of a process cannot be reached by ptrace(2), see [`crate::ptrace`].
    #[error("process {pid} cannot be reached by ptrace(2): {what} ({errno})")]
    Ptrace {
        /// The process.
        pid: i32,
        /// The errno of what failed.
        errno: Errno,
        /// What failed, and the remedy.
        what: &'static str,
    },
    /// A record holds what ptrace(2) cannot restore. Nothing was changed.
    #[error(
        "ptrace(2) cannot restore all of the record: {}; accept that with the PARTIAL flag, or leave \
         it out",
        list(.0)
    )]
    NotRestorable(Vec<NotRestorable>),
    /// A restore by ptrace(2) broke off: what comes before `step` was restored.
    #[error(
        "process {pid}: the restore broke off at {step}, and what comes before stays as it is now: \
         {what} ({errno})"
    )]
    BrokenOff {
        /// The process.
        pid: i32,
        /// The errno of what failed.
        errno: Errno,
        /// What was being restored. The order is: altstacks, signalfds, actions, timers, queues,
        /// timers' times, masks.
        step: &'static str,
        /// What failed, and the remedy.
        what: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{path}: cannot {verb}: {source}", path = path.display())]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// The errno that says it best; the C functions set it.
    pub fn to_errno(&self) -> Errno {
        match self {
            Error::Call { errno, .. }
            | Error::Open { errno, .. }
            | Error::Stop { errno, .. }
            | Error::Ptrace { errno, .. }
            | Error::BrokenOff { errno, .. } => *errno,
            Error::NotRestorable(_) => Errno::EOPNOTSUPP,
            Error::Refused(refusal) | Error::RefusedFile { refusal, .. } => refusal.to_errno(),
            Error::Edit(_) => Errno::EINVAL,
            Error::Io { source, .. } => source.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        }
    }

    pub(crate) fn io(verb: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io {
            verb,
            path: path.to_owned(),
            source,
        }
    }
}

fn list(losses: &[NotRestorable]) -> String {
    let words: Vec<_> = losses.iter().map(ToString::to_string).collect();
    words.join("; ")
}

impl Refusal {
    /// The errno with which sigrestore(2) refuses such a record.
    pub fn to_errno(&self) -> Errno {
        match self.class() {
            RefusalClass::Invalid => Errno::EINVAL,
            RefusalClass::Checksum => Errno::EBADMSG,
            RefusalClass::Unsupported => Errno::EOPNOTSUPP,
            RefusalClass::TooBig => Errno::E2BIG,
        }
    }
}

/// What an errno of sigckpt(2) means.
pub(crate) fn explain_checkpoint(errno: Errno) -> &'static str {
    match errno {
        Errno::EAGAIN => {
            "the process is executing a new program or setting its timers just now; try again"
        }
        Errno::EBUSY => {
            "the target is not stopped; stop it first, or accept a running target with the LIVE flag"
        }
        Errno::EINVAL => {
            "a flag that this kernel does not know, or a process outside the caller's pid \
             namespace; use a flag the kernel knows, or call from a namespace that holds the process"
        }
        Errno::EOPNOTSUPP => {
            "this kernel does not write records of the version that was asked for; ask for an older \
             one (sigcr::status tells the newest that it writes), or boot a newer kernel"
        }
        Errno::EOVERFLOW => {
            "the queue of the running target or its record is too long; stop the target, or let it \
             take its signals first"
        }
        Errno::EPERM => EPERM,
        Errno::ERANGE => {
            "the record goes on growing faster than it can be read; stop the target first"
        }
        Errno::ESRCH => "the process or thread is gone or is going; there is nothing to take",
        _ => explain_common(errno),
    }
}

/// What an errno of sigrestore(2) means.
pub(crate) fn explain_restore(errno: Errno) -> &'static str {
    match errno {
        Errno::E2BIG => "the record is longer than the kernel takes; restore fewer queued signals",
        Errno::EAGAIN => {
            "the queues or timers would go over RLIMIT_SIGPENDING of the target's user, or the \
             process is executing a new program or has a timer that fires just now; raise the \
             limit, or try again"
        }
        Errno::EBADMSG => "the record was changed after it was written; take a new one",
        Errno::EBUSY => {
            "a thread of the target is not stopped, or of the own process does not come to rest, or \
             has a signal on its way under a debugger, a queue holds the signal of a timer that the \
             record lacks, a timer has the id of another one in the record, or another process \
             shares the action table; stop it first, restore the timers with the queues or \
             neither, or consent to changing the shared table with \
             the SHARED_SIGHAND flag"
        }
        Errno::EINVAL => {
            "the kernel finds the record malformed for this target: process-wide state for a \
             single thread, an altstack too small for this CPU, SIGCONT beside a stop signal, a \
             clock that is not there, a process outside the caller's pid namespace, or an unknown \
             flag; leave the section out"
        }
        Errno::EOPNOTSUPP => {
            "the target has not exactly the timers of the record, which only the own process can \
             be given, a timer measures another process, or this kernel does not know the record's \
             version, architecture or one of its sections; leave the timers or the section out, or \
             boot a newer kernel"
        }
        Errno::EPERM => {
            "no ptrace access to the target, a signal with a code that only the kernel may use, or \
             the caller runs on the altstack that would change; run as the target's user with \
             CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE, or leave the section out"
        }
        Errno::ESRCH => {
            "the process is gone or is going, or lacks a thread or a signalfd that the record names; \
             map the record's thread ids to those of the target, or leave the signalfds out"
        }
        _ => explain_common(errno),
    }
}

/// What an errno of pidfd_open(2) means.
pub(crate) fn explain_open(errno: Errno) -> &'static str {
    match errno {
        Errno::EINVAL | Errno::ENOENT => {
            "the number is that of a thread, not of a process, or this kernel cannot open a single \
             thread (Linux 6.9 can); give a process id"
        }
        Errno::EMFILE | Errno::ENFILE => "too many open files; raise RLIMIT_NOFILE",
        Errno::ESRCH => "there is no process or thread with that number; look it up again",
        _ => explain_common(errno),
    }
}

const EPERM: &str = "no ptrace access to the target; run as its user or with CAP_SYS_PTRACE, and \
                     see /proc/sys/kernel/yama/ptrace_scope";

fn explain_common(errno: Errno) -> &'static str {
    match errno {
        Errno::EBADF => "the descriptor is not a pidfd; use one of pidfd_open(2)",
        Errno::EFAULT => "the buffer is not the caller's memory; pass one that is",
        Errno::ENOMEM => "the kernel has not enough memory; free some, then try again",
        Errno::ENOSYS => {
            "the kernel does not have the call; boot one that was built with CONFIG_SIGCR"
        }
        Errno::EPERM => EPERM,
        _ => "not expected from this call; see its manual page",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNEXPECTED: &str = "not expected from this call; see its manual page";

    #[test]
    fn every_errno_of_sigckpt_is_explained_with_a_remedy() {
        for errno in [
            Errno::EAGAIN,
            Errno::EBADF,
            Errno::EBUSY,
            Errno::EFAULT,
            Errno::EINVAL,
            Errno::ENOMEM,
            Errno::ENOSYS,
            Errno::EOPNOTSUPP,
            Errno::EOVERFLOW,
            Errno::EPERM,
            Errno::ERANGE,
            Errno::ESRCH,
        ] {
            let what = explain_checkpoint(errno);
            assert!(what != UNEXPECTED && what.contains(';'), "{errno}: {what}");
        }
        assert_eq!(explain_checkpoint(Errno::EXDEV), UNEXPECTED);
    }

    #[test]
    fn every_errno_of_sigrestore_is_explained_with_a_remedy() {
        for errno in [
            Errno::E2BIG,
            Errno::EAGAIN,
            Errno::EBADF,
            Errno::EBADMSG,
            Errno::EBUSY,
            Errno::EFAULT,
            Errno::EINVAL,
            Errno::ENOMEM,
            Errno::ENOSYS,
            Errno::EOPNOTSUPP,
            Errno::EPERM,
            Errno::ESRCH,
        ] {
            let what = explain_restore(errno);
            assert!(what != UNEXPECTED && what.contains(';'), "{errno}: {what}");
        }
        assert_eq!(explain_restore(Errno::EXDEV), UNEXPECTED);
    }

    #[test]
    fn a_message_has_the_call_the_reason_and_the_errno() {
        let error = Error::Call {
            call: "sigckpt",
            errno: Errno::EBUSY,
            what: explain_checkpoint(Errno::EBUSY),
        };
        let words = error.to_string();
        assert!(words.starts_with("sigckpt: the target is not stopped"));
        assert!(
            words.ends_with("(EBUSY: Device or resource busy)"),
            "{words}"
        );
        assert_eq!(error.to_errno(), Errno::EBUSY);
    }
}
