// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How the program ends: its exit codes, and the failures with their messages.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

use sigcr::record::Refusal;
use sigcr::{Errno, Error, Status, RECORD_VERSION};

use crate::cli::Pid;

/// The exit codes; [`EXIT_CODES`] says the same to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done; what was asked about is good.
    Success = 0,
    /// The record is refused or does not fit the target; two records differ.
    Refused = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The kernel does not have the calls, or not new enough ones.
    Missing = 3,
    /// The user may not do that.
    Denied = 4,
    /// The target is gone, or in a state that does not allow it.
    Target = 5,
    /// A file cannot be read or written.
    Io = 6,
    /// Anything else.
    Other = 7,
}

/// The part of the help that lists the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done; check: all records are good; diff: no difference; probe: the calls are there
  1  the record is refused or does not fit the target; diff: there are differences
  2  the command line makes no sense
  3  the kernel does not have the system calls, or too old ones
  4  not permitted
  5  the target is gone, or in a state that does not allow it
  6  a file cannot be read or written; diff: or holds no good record
  7  anything else, such as not enough memory";

/// Why the program cannot do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library says why.
    Library(Error),
    /// The library says why a call upon a target fails, but knows only its pidfd.
    OfTarget(Pid, Error),
    /// The options do not fit together or not to what they are used on.
    Usage(String),
    /// The record does not fit the target.
    Misfit(String),
    /// The target cannot be looked at.
    Target(String),
    /// The kernel does not offer the calls.
    Calls(Status),
    /// The output cannot be written.
    Output(io::Error),
    /// One of two records to compare is no good: not to be mistaken for a difference.
    Incomparable(Box<Failure>),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Library(error) | Failure::OfTarget(_, error) => exit_of(error),
            Failure::Usage(_) => Exit::Usage,
            Failure::Misfit(_) => Exit::Refused,
            Failure::Target(_) => Exit::Target,
            Failure::Calls(status) => exit_of_status(*status),
            Failure::Output(_) => Exit::Io,
            Failure::Incomparable(failure) => match failure.exit() {
                Exit::Refused => Exit::Io,
                exit => exit,
            },
        }
    }

    /// Whether nobody reads the output any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// A file cannot be read or written.
    pub(crate) fn io(verb: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Failure::Library(Error::Io {
            verb,
            path: path.into(),
            source,
        })
    }
}

/// The exit code that goes with what [`sigcr::status`] found.
pub(crate) fn exit_of_status(status: Status) -> Exit {
    match status {
        Status::Available { .. } => Exit::Success,
        Status::Denied(_) => Exit::Denied,
        _ => Exit::Missing,
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Call { call, errno, .. } => exit_of_errno(call, *errno),
        Error::Open { errno, .. } => exit_of_errno(OPEN, *errno),
        Error::Stop { errno, .. } => exit_of_errno("stop", *errno),
        Error::Ptrace { errno, .. } => exit_of_errno("ptrace", *errno),
        Error::BrokenOff { errno, .. } => exit_of_errno("ptrace", *errno),
        Error::NotRestorable(_) => Exit::Refused,
        Error::Refused(_) | Error::RefusedFile { .. } => Exit::Refused,
        Error::Edit(_) => Exit::Usage,
        Error::Io { .. } => Exit::Io,
        _ => Exit::Other,
    }
}

/// What [`Error::Open`] comes from.
const OPEN: &str = "pidfd_open";

fn exit_of_errno(call: &str, errno: Errno) -> Exit {
    match (call, errno) {
        (OPEN, Errno::EINVAL | Errno::ENOENT) => Exit::Usage,
        (_, Errno::ENOSYS) => Exit::Missing,
        (_, Errno::EPERM | Errno::EACCES) => Exit::Denied,
        (_, Errno::ESRCH | Errno::EBUSY | Errno::EAGAIN) => Exit::Target,
        ("stop" | "ptrace", Errno::ETIMEDOUT) => Exit::Target,
        ("ptrace", Errno::EOPNOTSUPP) => Exit::Target,
        ("ptrace", Errno::EINVAL) => Exit::Refused,
        ("sigckpt", Errno::EOVERFLOW | Errno::ERANGE | Errno::EINVAL) => Exit::Target,
        ("sigckpt", Errno::EOPNOTSUPP) => Exit::Missing,
        ("sigrestore", Errno::EINVAL | Errno::EBADMSG | Errno::EOPNOTSUPP | Errno::E2BIG) => {
            Exit::Refused
        }
        _ => Exit::Other,
    }
}

/// The options of this program that are the remedy, where there are any.
fn hint(error: &Error) -> Option<Cow<'static, str>> {
    match error {
        Error::Call { call, errno, .. } => hint_of_errno(call, *errno).map(Cow::from),
        Error::Open { errno, .. } => hint_of_errno(OPEN, *errno).map(Cow::from),
        Error::Refused(Refusal::UnsupportedVersion { .. })
        | Error::RefusedFile {
            refusal: Refusal::UnsupportedVersion { .. },
            ..
        } => Some(Cow::from(format!(
            "`sigcr checkpoint --record-version {RECORD_VERSION}` takes a record that this program \
             can read, also on a newer kernel"
        ))),
        Error::Refused(refusal) => hint_of_refusal(refusal).map(Cow::from),
        Error::NotRestorable(_) => Some(Cow::from(
            "accept it with --partial, or leave a kind of state out with --without",
        )),
        _ => None,
    }
}

fn hint_of_errno(call: &str, errno: Errno) -> Option<&'static str> {
    match (call, errno) {
        ("sigckpt", Errno::EBUSY) => {
            Some("leave out --no-stop to have it stopped, or take it while it runs with --live")
        }
        ("sigckpt", Errno::EOPNOTSUPP) => Some(
            "`sigcr probe` tells the newest version; ask for that or an older one with \
             --record-version",
        ),
        ("sigckpt", Errno::EOVERFLOW) => Some("leave out --live to have the process stopped"),
        ("sigrestore", Errno::EBUSY) => Some(
            "leave out --no-stop to have it stopped; if it shares its actions with another process, \
             consent with --shared-sighand or use --without actions",
        ),
        ("sigrestore", Errno::EOPNOTSUPP) => Some(
            "unless it has exactly the timers of the record, leave them out with --without timers",
        ),
        ("sigrestore", Errno::ESRCH) => {
            Some("see the record's threads with `sigcr show`, and use --remap")
        }
        ("sigrestore", Errno::EINVAL | Errno::EPERM | Errno::EAGAIN) => {
            Some("leave a kind of state out with --without, and try with --dry-run")
        }
        (OPEN, Errno::EINVAL | Errno::ENOENT) => {
            Some("for one thread alone there is --thread of checkpoint and restore")
        }
        _ => None,
    }
}

/// The options that make a record restorable which can only be read.
fn hint_of_refusal(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::InFlight { .. } => {
            Some("use --requeue-in-flight, or leave the signal out with --without in-flight")
        }
        Refusal::TimerMissing { .. }
        | Refusal::TimerEntryMismatch { .. }
        | Refusal::TimerEntryCount { .. } => Some("use --without timers"),
        _ => None,
    }
}

fn with_hint(f: &mut fmt::Formatter<'_>, error: &Error) -> fmt::Result {
    write!(f, "{error}")?;
    match hint(error) {
        Some(hint) => write!(f, "\nsigcr: {hint}"),
        None => Ok(()),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Library(error) => with_hint(f, error),
            Failure::OfTarget(pid, error) => {
                write!(f, "{}: ", pid.0)?;
                with_hint(f, error)
            }
            Failure::Usage(text) | Failure::Misfit(text) | Failure::Target(text) => {
                f.write_str(text)
            }
            Failure::Calls(status) => write!(f, "{status}"),
            Failure::Output(error) => write!(f, "cannot write the output: {error}"),
            Failure::Incomparable(failure) => write!(f, "{failure}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

impl From<sigcr::EditError> for Failure {
    fn from(error: sigcr::EditError) -> Self {
        Failure::Library(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call: &'static str, errno: Errno) -> Failure {
        let what = "it failed";
        Failure::OfTarget(Pid(4711), Error::Call { call, errno, what })
    }

    fn open(errno: Errno) -> Failure {
        let what = "it failed";
        let id = 4711;
        Failure::Library(Error::Open { id, errno, what })
    }

    #[test]
    fn each_kind_of_failed_call_has_its_exit_code() {
        for (name, errno, exit) in [
            ("sigckpt", Errno::ENOSYS, Exit::Missing),
            ("sigckpt", Errno::EPERM, Exit::Denied),
            ("sigckpt", Errno::EBUSY, Exit::Target),
            ("sigckpt", Errno::EOVERFLOW, Exit::Target),
            ("sigckpt", Errno::ENOMEM, Exit::Other),
            ("sigrestore", Errno::ESRCH, Exit::Target),
            ("sigrestore", Errno::EAGAIN, Exit::Target),
            ("sigrestore", Errno::EINVAL, Exit::Refused),
            ("sigrestore", Errno::EBADMSG, Exit::Refused),
        ] {
            assert_eq!(call(name, errno).exit(), exit, "{name} {errno}");
        }
        assert_eq!(open(Errno::ESRCH).exit(), Exit::Target);
        assert_eq!(open(Errno::EINVAL).exit(), Exit::Usage);
    }

    #[test]
    fn a_busy_target_is_told_with_the_options_that_help() {
        let words = call("sigckpt", Errno::EBUSY).to_string();
        assert!(
            words.contains("--live") && words.contains("--no-stop"),
            "{words}"
        );
        let words = call("sigrestore", Errno::EBUSY).to_string();
        assert!(words.contains("--shared-sighand"), "{words}");
        let words = call("sigrestore", Errno::ESRCH).to_string();
        assert!(words.contains("--remap"), "{words}");
        let words = call("sigrestore", Errno::EOPNOTSUPP).to_string();
        assert!(words.contains("--without timers"), "{words}");
        let words = open(Errno::EINVAL).to_string();
        assert!(words.contains("--thread"), "{words}");
    }

    #[test]
    fn a_version_that_is_not_known_is_told_with_the_option_that_helps() {
        let refusal = Refusal::UnsupportedVersion { version: 7 };
        let taken = Failure::OfTarget(Pid(4711), Error::Refused(refusal));
        let of_file = Failure::Library(Error::RefusedFile {
            path: "record".into(),
            refusal,
            words: refusal.to_string(),
        });
        for failure in [taken, of_file] {
            assert_eq!(failure.exit(), Exit::Refused);
            let words = failure.to_string();
            assert!(words.contains("version is 7"), "{words}");
            assert!(words.contains("--record-version 1`"), "{words}");
        }
        let too_new = call("sigckpt", Errno::EOPNOTSUPP);
        assert_eq!(too_new.exit(), Exit::Missing);
        let words = too_new.to_string();
        assert!(
            words.contains("--record-version") && words.contains("sigcr probe"),
            "{words}"
        );
    }

    #[test]
    fn the_number_of_the_target_is_named() {
        let words = call("sigckpt", Errno::ESRCH).to_string();
        assert!(words.starts_with("4711: sigckpt: "), "{words}");
        let words = open(Errno::ESRCH).to_string();
        assert!(words.starts_with("pidfd_open of 4711: "), "{words}");
    }

    #[test]
    fn a_refused_record_is_not_mistaken_for_a_difference() {
        let refused = || Failure::Misfit(String::new());
        assert_eq!(refused().exit(), Exit::Refused);
        assert_eq!(Failure::Incomparable(Box::new(refused())).exit(), Exit::Io);
        let denied = Box::new(call("sigckpt", Errno::EPERM));
        assert_eq!(Failure::Incomparable(denied).exit(), Exit::Denied);
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        let listed = EXIT_CODES
            .lines()
            .skip(1)
            .map(|line| line.trim_start().as_bytes()[0]);
        assert!(listed.eq(b'0'..=b'7'));
        assert_eq!(Exit::Other as u8, 7);
    }
}
