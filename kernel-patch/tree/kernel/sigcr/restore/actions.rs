// SPDX-License-Identifier: GPL-2.0

//! The actions of a restore: those of a record against those that the target has.

use kernel::{
    prelude::*,
    signal::{
        ExecUpdateGuard,
        FrameAbi,
        SigAction,
        SighandGuard, //
    }, //
};

use crate::{
    abi,
    record::{
        self,
        Actions, //
    }, //
};

/// What the action table is to be.
pub(super) struct NewActions {
    /// The actions that are not to be the default, by ascending signo.
    actions: KVec<(u32, SigAction)>,
    /// Sigset of those that were found to change.
    changed: u64,
}

const DEFAULT_ACTION: SigAction = SigAction {
    handler: 0,
    flags: 0,
    restorer: 0,
    mask: 0,
    abi: FrameAbi::Native,
};

impl NewActions {
    /// Takes the actions of a record.
    ///
    /// # Errors
    ///
    /// - [`EOPNOTSUPP`]: an action with a frame that this kernel does not make.
    /// - [`ENOMEM`]: no memory.
    pub(super) fn new(recorded: Actions<'_>) -> Result<Self> {
        let mut actions = KVec::with_capacity(recorded.count(), GFP_KERNEL_ACCOUNT)?;
        for action in recorded.iter() {
            let signo = action.signo;
            let action = SigAction {
                handler: action.handler as usize,
                flags: action.flags as usize,
                restorer: action.restorer as usize,
                mask: action.mask,
                abi: match action.abi {
                    abi::SIGCR_ABI_IA32 => FrameAbi::Ia32,
                    abi::SIGCR_ABI_X32 => FrameAbi::X32,
                    _ => FrameAbi::Native,
                },
            };
            if !action.abi.is_supported() {
                return Err(EOPNOTSUPP);
            }
            actions.push((signo, action), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self {
            actions,
            changed: 0,
        })
    }

    /// Finds out which actions change; whether there are any.
    pub(super) fn compare(&mut self, sighand: &SighandGuard<'_>) -> bool {
        let mut same = 0;
        let mut changed = 0;
        for (signo, now) in sighand.actions_that_were_set() {
            match self.get(signo) == now {
                true => same |= record::sigset_of(signo),
                false => changed |= record::sigset_of(signo),
            }
        }
        for (signo, action) in self.actions.iter() {
            if *action != DEFAULT_ACTION {
                changed |= record::sigset_of(*signo);
            }
        }
        // Those two can never be anything but the default.
        self.changed = changed & !same & !record::UNBLOCKABLE;
        self.changed != 0
    }

    /// Sets the actions that [`Self::compare`] has found in this hold of siglock.
    pub(super) fn apply(&self, sighand: &mut SighandGuard<'_>, exec: &ExecUpdateGuard<'_>) {
        let mut changed = self.changed;
        while changed != 0 {
            let signo = changed.trailing_zeros().saturating_add(1);
            sighand.set_action(signo, &self.get(signo), exec);
            changed &= changed.wrapping_sub(1);
        }
    }

    /// What the action on `signo` is to be.
    fn get(&self, signo: u32) -> SigAction {
        self.actions
            .binary_search_by_key(&signo, |(signo, _)| *signo)
            .ok()
            .and_then(|place| self.actions.get(place))
            .map_or(DEFAULT_ACTION, |(_, action)| *action)
    }
}
