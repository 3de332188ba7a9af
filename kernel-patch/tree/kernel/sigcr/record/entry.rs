// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a queued signal says of itself: its entry in a record, and the siginfo in that.

use core::mem::offset_of;

use crate::abi;

use super::{
    wire::{
        load,
        Wire, //
    },
    Entry,
    Inflight, //
};

/// `SI_TKILL` of `<asm-generic/siginfo.h>`.
pub(super) const SI_TKILL: i32 = -6;
/// The first real-time signal; a signal below it is queued once at most.
pub(super) const SIGRTMIN: u32 = 32;

/// Bytes of a siginfo.
const SIGINFO_LEN: usize = abi::SIGCR_SIGINFO_LEN as usize;

/// An [`Entry`] whose siginfo stays where it is, since it is long.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    /// What the receiver is told.
    pub siginfo: &'a [u8; SIGINFO_LEN],
    /// `SIGCR_ENTRY_*`.
    pub flags: u32,
    /// The POSIX timer whose signal it is, or 0.
    pub timer_id: i32,
}

impl<'a> EntryRef<'a> {
    #[inline(always)]
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        const _: () = assert!(offset_of!(Entry, flags) == SIGINFO_LEN);
        const _: () = assert!(offset_of!(Entry, timer_id) == SIGINFO_LEN + u32::LEN);
        let entry: &[u8; Entry::LEN] = bytes.first_chunk()?;
        let (siginfo, rest) = entry.split_first_chunk()?;
        let (flags, timer_id) = rest.split_first_chunk()?;
        Some(Self {
            siginfo,
            flags: u32::from_ne_bytes(*flags),
            timer_id: load(timer_id)?,
        })
    }
}

impl EntryExt for Entry {
    fn siginfo(&self) -> &[u8; SIGINFO_LEN] {
        &self.siginfo
    }
}

impl EntryExt for EntryRef<'_> {
    #[inline(always)]
    fn siginfo(&self) -> &[u8; SIGINFO_LEN] {
        self.siginfo
    }
}

/// What a queued signal says of itself, by its siginfo.
pub trait EntryExt {
    /// The siginfo.
    fn siginfo(&self) -> &[u8; SIGINFO_LEN];

    /// The signal number.
    #[inline(always)]
    fn signo(&self) -> u32 {
        word(self.siginfo(), 0)
    }

    /// The signal code: who made the signal.
    #[inline(always)]
    fn code(&self) -> i32 {
        i32::from_ne_bytes(word(self.siginfo(), 8).to_ne_bytes())
    }

    /// Whether the code is one that only the kernel may use on behalf of others.
    ///
    /// Mirrors `si_code_reserved_to_kernel()` in kernel/signal.c.
    #[inline(always)]
    fn has_reserved_code(&self) -> bool {
        self.code() >= 0 || self.code() == SI_TKILL
    }

    /// Whether the limit on queued signals does not hold for it.
    ///
    /// Mirrors `override_rlimit` in `__send_signal_locked()` in kernel/signal.c.
    #[inline(always)]
    fn is_exempt(&self) -> bool {
        self.signo() < SIGRTMIN && self.code() >= 0
    }
}

/// The native 32-bit word at `off` bytes of a siginfo; 0 beyond its end.
fn word(siginfo: &[u8], off: usize) -> u32 {
    siginfo
        .get(off..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// The number of the signal that a ptracer holds.
pub fn signo_in_flight(inflight: &Inflight) -> u32 {
    word(&inflight.siginfo, 0)
}
