// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Whether the kernel has the calls: absent, not allowed, too old or there.

use std::fmt;

use crate::{abi, syscall, Errno};

/// Whether sigckpt(2) and sigrestore(2) can be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The kernel does not have the calls (`ENOSYS`).
    Missing,
    /// Something before the kernel's own code refuses the calls: a seccomp filter, for instance.
    Denied(Errno),
    /// The kernel writes only records that are older than those this crate reads.
    TooOld {
        /// The newest record version that the kernel writes.
        version: u32,
    },
    /// The calls are there. A kernel that also writes a newer version than this crate reads is good:
    /// it writes the older ones, too, and [`crate::RECORD_VERSION`] is what this crate asks for.
    Available {
        /// The newest record version that the kernel writes.
        version: u32,
    },
}

/// Asks the kernel whether it has the calls. Needs no privilege, and changes nothing.
pub fn status() -> Status {
    from_answer(syscall::sigckpt_len(-1, abi::SIGCKPT_QUERY))
}

fn from_answer(answer: Result<usize, Errno>) -> Status {
    match answer {
        Ok(version) => {
            let version = u32::try_from(version).unwrap_or(u32::MAX);
            if version < abi::SIGCR_VERSION {
                Status::TooOld { version }
            } else {
                Status::Available { version }
            }
        }
        Err(Errno::ENOSYS) => Status::Missing,
        Err(errno) => Status::Denied(errno),
    }
}

impl Status {
    /// Whether the calls can be used.
    pub fn is_available(self) -> bool {
        matches!(self, Status::Available { .. })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Missing => f.write_str(
                "the kernel does not have sigckpt(2): boot one that was built with CONFIG_SIGCR",
            ),
            Status::Denied(errno) => write!(
                f,
                "sigckpt(2) is denied ({errno}): allow calls {} and {} in the seccomp filter",
                abi::SIGCR_NR_SIGCKPT,
                abi::SIGCR_NR_SIGRESTORE
            ),
            Status::TooOld { version } => write!(
                f,
                "the kernel's records are of version {version}, and version {} is needed: boot a \
                 newer kernel",
                abi::SIGCR_VERSION
            ),
            Status::Available { version } if *version > abi::SIGCR_VERSION => write!(
                f,
                "sigckpt(2) is there, with records of versions up to {version}, of which version {} \
                 is used",
                abi::SIGCR_VERSION
            ),
            Status::Available { version } => {
                write!(f, "sigckpt(2) is there, with records of version {version}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_kernel_has_its_status() {
        assert_eq!(from_answer(Err(Errno::ENOSYS)), Status::Missing);
        assert_eq!(from_answer(Err(Errno::EPERM)), Status::Denied(Errno::EPERM));
        assert_eq!(from_answer(Ok(0)), Status::TooOld { version: 0 });
        assert_eq!(from_answer(Ok(1)), Status::Available { version: 1 });
        assert_eq!(from_answer(Ok(2)), Status::Available { version: 2 });
    }

    #[test]
    fn a_newer_kernel_is_good_and_the_version_that_is_used_is_told() {
        let newer = Status::Available { version: 7 };
        assert!(newer.is_available());
        let words = newer.to_string();
        assert!(
            words.contains("versions up to 7") && words.contains("version 1 is used"),
            "{words}"
        );
        let same = Status::Available { version: 1 }.to_string();
        assert!(same.ends_with("records of version 1"), "{same}");
    }

    #[test]
    fn only_a_status_of_available_says_so() {
        assert!(Status::Available { version: 1 }.is_available());
        for other in [
            Status::Missing,
            Status::Denied(Errno::EPERM),
            Status::TooOld { version: 0 },
        ] {
            assert!(!other.is_available());
            assert!(other.to_string().contains(": "), "no remedy: {other}");
        }
    }
}
