// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The two calls, counted; an errno that is not documented for the situation is a fault.

use anyhow::{bail, Result};
use nix::errno::Errno;
use sigcr::{CheckpointFlags, Error, Model, RestoreFlags, Snapshot, Target};

use crate::board::{Board, Call, Count};

/// What others do to the target meanwhile, which decides what the calls may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// It is stopped, and nobody lets it go.
    Stopped,
    /// It is stopped and let go by others, makes and ends threads, and lives.
    Stormy,
    /// And it executes programs and dies.
    Mortal,
    /// It is the caller, and others stop it and let it go.
    Own,
}

/// Takes a record; `None` if that was refused as documented.
pub(crate) fn checkpoint(
    board: &Board,
    target: Target<'_>,
    flags: CheckpointFlags,
    situation: Situation,
) -> Result<Option<(Snapshot, Model)>> {
    let error = match sigcr::checkpoint(target, flags) {
        Ok(snapshot) => {
            let model = snapshot.to_model();
            let entries = model.threads.iter().filter_map(|t| t.pending.as_ref());
            let entries = entries.chain(&model.shared_pending);
            let entries: usize = entries.map(|queue| queue.entries.len()).sum();
            board.add(Count::Checkpoints, 1);
            board.add(Count::Entries, entries as u64);
            board.raise(Count::LongestQueue, entries as u64);
            return Ok(Some((snapshot, model)));
        }
        Err(error) => error,
    };
    let Error::Call { errno, .. } = error else {
        bail!("a checkpoint gave no record: {error}");
    };
    board.add(Count::CheckpointsRefused, 1);
    board.add_errno(Call::Checkpoint, errno);
    let is_live = flags.contains(CheckpointFlags::LIVE);
    let documented = match errno {
        // An exec, or the record had to be begun anew too often.
        Errno::EAGAIN => true,
        Errno::EBUSY => !is_live && situation != Situation::Stopped,
        // The library gives up when the record goes on growing.
        Errno::ERANGE => situation != Situation::Stopped,
        Errno::ESRCH => situation == Situation::Mortal,
        _ => false,
    };
    match documented {
        true => Ok(None),
        false => bail!("a checkpoint, {situation:?}, {flags:?}: {error}"),
    }
}

/// Restores; false if that was refused as documented.
pub(crate) fn restore(
    board: &Board,
    target: Target<'_>,
    snapshot: &Snapshot,
    flags: RestoreFlags,
    situation: Situation,
) -> Result<bool> {
    let error = match sigcr::restore(target, snapshot, flags) {
        Ok(()) => {
            let count = match (flags.contains(RestoreFlags::DRY_RUN), situation) {
                (true, _) => Count::DryRuns,
                (false, Situation::Own) => Count::SelfRestores,
                (false, _) => Count::Restores,
            };
            board.add(count, 1);
            return Ok(true);
        }
        Err(error) => error,
    };
    let errno = match error {
        Error::Call { errno, .. } => errno,
        // A signal was in flight, or SIGCONT and a stop signal were pending at once.
        Error::Refused(_) if situation != Situation::Stopped => {
            board.add(Count::NotRestorable, 1);
            return Ok(false);
        }
        error => bail!("a restore, {situation:?}: {error}"),
    };
    board.add(Count::RestoresRefused, 1);
    board.add_errno(Call::Restore, errno);
    let documented = match errno {
        // It runs, or does not come to rest.
        Errno::EBUSY => situation != Situation::Stopped,
        // An exec, a timer that fires, or the limit on queued signals.
        Errno::EAGAIN => situation != Situation::Stopped,
        // A thread of the record has ended, or the process has.
        Errno::ESRCH => situation != Situation::Stopped,
        _ => false,
    };
    match documented {
        true => Ok(false),
        false => bail!("a restore, {situation:?}, {flags:?}: {error}"),
    }
}
