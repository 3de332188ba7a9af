// SPDX-License-Identifier: GPL-2.0 OR MIT

//! By which means a process is taken or restored: the system calls, or ptrace(2).

use clap::ValueEnum;
use serde::Serialize;
use sigcr::{ptrace, Status};

use crate::exit::Failure;

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// The system calls where there are any, else ptrace
    Auto,
    /// The system calls
    Kernel,
    /// ptrace(2) and system calls run in the process, on any kernel
    Ptrace,
}

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// The system calls.
    Kernel,
    /// ptrace(2).
    Ptrace,
}

/// What is used, and why if that needs to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) backend: Backend,
    /// What the kernel says, where it is the reason.
    because: Option<Status>,
}

/// Chooses a backend. An option that only the system calls can do is `needs_calls`.
///
/// # Errors
///
/// The calls are needed and not there, or ptrace was asked for together with `needs_calls`.
pub(crate) fn choose(choice: Choice, needs_calls: Option<&str>) -> Result<Chosen, Failure> {
    choose_by(sigcr::status(), choice, needs_calls)
}

/// As [`choose`], where the kernel has said `status`.
pub(crate) fn choose_by(
    status: Status,
    choice: Choice,
    needs_calls: Option<&str>,
) -> Result<Chosen, Failure> {
    let by = |backend, because| Ok(Chosen { backend, because });
    match (choice, needs_calls) {
        (Choice::Ptrace, Some(option)) => Err(Failure::Usage(format!(
            "{option} needs the system calls; leave it out or use --backend kernel"
        ))),
        (Choice::Ptrace, None) => by(Backend::Ptrace, None),
        _ if status.is_available() => by(Backend::Kernel, None),
        (Choice::Auto, None) if ptrace::IS_SUPPORTED => by(Backend::Ptrace, Some(status)),
        _ => Err(Failure::Calls(status)),
    }
}

impl Chosen {
    /// Says on the standard error what was chosen, if it is not what one would expect.
    pub(crate) fn tell(self) {
        if let Some(status) = self.because {
            eprintln!("sigcr: by ptrace(2), because {status}");
        }
    }
}

#[cfg(test)]
mod tests {
    use sigcr::Errno;

    use super::*;
    use crate::exit::Exit;

    const THERE: Status = Status::Available { version: 1 };

    fn backend(status: Status, choice: Choice, needs_calls: Option<&str>) -> Result<Backend, Exit> {
        choose_by(status, choice, needs_calls)
            .map(|chosen| chosen.backend)
            .map_err(|failure| failure.exit())
    }

    #[test]
    fn the_calls_are_used_where_they_are() {
        assert_eq!(backend(THERE, Choice::Auto, None), Ok(Backend::Kernel));
        assert_eq!(backend(THERE, Choice::Kernel, None), Ok(Backend::Kernel));
        assert_eq!(backend(THERE, Choice::Ptrace, None), Ok(Backend::Ptrace));
        assert_eq!(choose_by(THERE, Choice::Auto, None).unwrap().because, None);
    }

    #[test]
    fn ptrace_is_used_where_the_calls_cannot_be() {
        for (status, exit) in [
            (Status::Missing, Exit::Missing),
            (Status::Denied(Errno::EPERM), Exit::Denied),
            (Status::TooOld { version: 0 }, Exit::Missing),
        ] {
            assert_eq!(backend(status, Choice::Auto, None), Ok(Backend::Ptrace));
            assert_eq!(backend(status, Choice::Ptrace, None), Ok(Backend::Ptrace));
            assert_eq!(backend(status, Choice::Kernel, None), Err(exit));
            let because = choose_by(status, Choice::Auto, None).unwrap().because;
            assert_eq!(because, Some(status));
        }
    }

    #[test]
    fn what_only_the_calls_can_do_is_not_done_by_ptrace() {
        let live = Some("--live");
        assert_eq!(backend(THERE, Choice::Auto, live), Ok(Backend::Kernel));
        assert_eq!(
            backend(Status::Missing, Choice::Auto, live),
            Err(Exit::Missing)
        );
        let asked = choose_by(THERE, Choice::Ptrace, live).unwrap_err();
        assert_eq!(asked.exit(), Exit::Usage);
        assert!(asked.to_string().contains("--live"), "{asked}");
    }
}
