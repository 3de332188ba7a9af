// SPDX-License-Identifier: GPL-2.0 OR MIT

//! sigrestore(2): a record put into effect, wholly or not at all.

use bitflags::bitflags;

use crate::{abi, error::explain_restore, syscall, Error, Snapshot, Target};

bitflags! {
    /// How to restore.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RestoreFlags: u32 {
        /// Make every check, change nothing.
        const DRY_RUN = abi::SIGRESTORE_DRY_RUN;
        /// Consent to change an action table that another process shares.
        const SHARED_SIGHAND = abi::SIGRESTORE_SHARED_SIGHAND;
    }
}

/// Puts `snapshot` into effect in `target`. State that the record does not hold is left alone;
/// see [`crate::Model::keep`] for leaving sections out.
///
/// The record names threads by their ids in the target's pid namespace. Where the target has other
/// ids, change the record first: [`crate::Model::remap_tids`].
///
/// Other threads of the calling process that the record names are brought to rest for the call, as
/// by a stop signal.
///
/// A record restored into the calling process sets handlers by address: those of another program
/// would be called all the same.
///
/// # Errors
///
/// On an error nothing was changed.
///
/// - [`Error::Refused`]: the record can be read but not restored; the kernel was not asked.
/// - [`Error::Call`]: the kernel refuses; the message says why and what to do. The common ones are
///   `EBUSY` (another process runs, or somebody shares the action table), `ESRCH` (gone, or the
///   target lacks a thread of the record), `EPERM`, `EAGAIN` (over `RLIMIT_SIGPENDING`), `ENOSYS`.
pub fn restore(target: Target<'_>, snapshot: &Snapshot, flags: RestoreFlags) -> Result<(), Error> {
    snapshot.record().check_restorable()?;
    syscall::sigrestore(target.as_raw(), snapshot.as_bytes(), flags.bits()).map_err(|errno| {
        Error::Call {
            call: "sigrestore",
            errno,
            what: explain_restore(errno),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Queue, QueuedSignal, SigNo};

    #[test]
    fn a_signal_of_a_timer_is_refused_before_the_kernel_is_asked() {
        let mut signal = QueuedSignal::sent_by(SigNo::RTMIN, 1, 0);
        signal.timer_id = Some(5);
        let mut model = Model::new(1);
        model.shared_pending = Some(Queue::of([signal]));
        let snapshot = model.encode().unwrap();
        let error = restore(Target::OwnProcess, &snapshot, RestoreFlags::DRY_RUN).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
        assert!(error.to_string().contains("timer 5"), "{error}");
    }
}
