// SPDX-License-Identifier: GPL-2.0 OR MIT

//! sigckpt(2): the record of a process or of a thread.

use bitflags::bitflags;

use crate::{
    abi, error::explain_checkpoint, record::Refusal, syscall, Errno, Error, Snapshot, Target,
};

bitflags! {
    /// How to checkpoint.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CheckpointFlags: u32 {
        /// Accept a target that runs. The record shows one instant of it and says what may be out
        /// of date.
        const LIVE = abi::SIGCKPT_LIVE;
        /// Add the informational section on threads that wait for children.
        const WAITERS = abi::SIGCKPT_WAITERS;
    }
}

/// Bytes of the first buffer: most records fit, and then one call does. It is not zeroed, so that
/// what is not needed costs nothing.
const FIRST_LEN: usize = 64 * 1024;

/// How often a record that has grown meanwhile is asked for again.
const ATTEMPT_COUNT: u32 = 16;

/// The newest record version that this crate reads, and asks for where nobody says otherwise. Later
/// kernels, whose newest one may be newer, write it as well.
// CAST: The calls have 8 bits for it.
pub const RECORD_VERSION: u8 = abi::SIGCR_VERSION as u8;

/// Takes the record of `target`, in version [`RECORD_VERSION`]. The target does not notice.
///
/// # Errors
///
/// - [`Error::Call`]: the kernel refuses; the message says why and what to do. The common ones are
///   `EBUSY` (the target runs: stop it, see [`crate::stop`], or pass [`CheckpointFlags::LIVE`]),
///   `EPERM` (no ptrace access), `ESRCH` (gone) and `ENOSYS` (no such call, see [`crate::status`]).
/// - [`Error::Refused`]: the kernel wrote a record that the decoder does not take.
pub fn checkpoint(target: Target<'_>, flags: CheckpointFlags) -> Result<Snapshot, Error> {
    checkpoint_version(target, flags, RECORD_VERSION)
}

/// Takes the record of `target` in a version that is asked for: an older one, for a kernel or a
/// program that knows no newer one. 0 is the newest of the kernel.
///
/// # Errors
///
/// As [`checkpoint`], and besides:
///
/// - [`Error::Call`] with `EOPNOTSUPP`: the kernel does not write this version.
/// - [`Error::Refused`] with [`Refusal::UnsupportedVersion`]: the kernel does, but this crate does
///   not read it.
pub fn checkpoint_version(
    target: Target<'_>,
    flags: CheckpointFlags,
    version: u8,
) -> Result<Snapshot, Error> {
    let pidfd = target.as_raw();
    let flags = with_version(flags, version);
    let bytes = take(
        |bytes| syscall::sigckpt(pidfd, bytes, flags),
        || syscall::sigckpt_len(pidfd, flags),
    );
    Ok(Snapshot::from_bytes(bytes.map_err(failed)?)?)
}

/// Calls `read` with a buffer of enough capacity; `len` says how much that is.
fn take(
    mut read: impl FnMut(&mut Vec<u8>) -> Result<(), Errno>,
    mut len: impl FnMut() -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(FIRST_LEN);
    for _ in 0..ATTEMPT_COUNT {
        match read(&mut bytes) {
            Ok(()) => {
                bytes.shrink_to_fit();
                return Ok(bytes);
            }
            Err(Errno::ERANGE) => {
                let len = len()?;
                // A target that runs may get more signals before the next call.
                bytes = Vec::with_capacity(len.saturating_add(len / 8));
            }
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::ERANGE)
}

/// Bytes of the record that [`checkpoint`] would take now.
///
/// # Errors
///
/// As [`checkpoint`].
pub fn checkpoint_len(target: Target<'_>, flags: CheckpointFlags) -> Result<usize, Error> {
    let flags = with_version(flags, RECORD_VERSION);
    syscall::sigckpt_len(target.as_raw(), flags).map_err(failed)
}

fn with_version(flags: CheckpointFlags, version: u8) -> u32 {
    flags.bits() | u32::from(version) << abi::SIGCKPT_VERSION_SHIFT
}

fn failed(errno: Errno) -> Error {
    Error::Call {
        call: "sigckpt",
        errno,
        what: explain_checkpoint(errno),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_grows_meanwhile_is_asked_for_again() {
        // Each time the record has grown by a tenth, which is within the spare room.
        let mut needed_len = 2 * FIRST_LEN;
        let mut buf_lens = Vec::new();
        let bytes = take(
            |bytes| {
                buf_lens.push(bytes.capacity());
                let len = needed_len + needed_len / 10;
                if bytes.capacity() < len {
                    return Err(Errno::ERANGE);
                }
                bytes.resize(len, 7);
                Ok(())
            },
            || Ok(needed_len),
        );
        needed_len += needed_len / 10;
        assert_eq!(bytes, Ok(vec![7; needed_len]));
        assert_eq!(buf_lens, [FIRST_LEN, 2 * FIRST_LEN + FIRST_LEN / 4]);
    }

    #[test]
    fn a_record_that_goes_on_growing_is_given_up() {
        let mut call_count = 0;
        let bytes = take(
            |_| {
                call_count += 1;
                Err(Errno::ERANGE)
            },
            || Ok(100),
        );
        assert_eq!((bytes, call_count), (Err(Errno::ERANGE), ATTEMPT_COUNT));
    }

    #[test]
    fn another_error_ends_it_at_once() {
        let busy = take(|_| Err(Errno::EBUSY), || Ok(100));
        assert_eq!(busy, Err(Errno::EBUSY));
        let gone = take(|_| Err(Errno::ERANGE), || Err(Errno::ESRCH));
        assert_eq!(gone, Err(Errno::ESRCH));
    }

    #[test]
    fn a_kernel_without_the_call_is_said_to_lack_it() {
        if crate::status().is_available() {
            let snapshot = checkpoint(Target::OwnThread, CheckpointFlags::empty()).unwrap();
            assert_eq!(snapshot.to_model().threads.len(), 1);
            return;
        }
        let error = checkpoint(Target::OwnThread, CheckpointFlags::empty()).unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with("sigckpt: "), "{words}");
        assert_eq!(
            checkpoint_len(Target::OwnProcess, CheckpointFlags::LIVE)
                .unwrap_err()
                .to_errno(),
            error.to_errno()
        );
    }
}
