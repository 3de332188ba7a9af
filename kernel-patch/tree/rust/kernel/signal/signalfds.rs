// SPDX-License-Identifier: GPL-2.0

//! Signalfds of a process: open files from which signals are read.
//!
//! C header: [`include/linux/sigcr.h`](srctree/include/linux/sigcr.h).

use super::SighandGuard;
use crate::{
    bindings,
    task::Task, //
};
use core::ptr::NonNull;

/// A signalfd, with a reference on its file. Not to be dropped under siglock.
///
/// # Invariants
///
/// This owns a reference on `file`, which is a signalfd.
pub struct Signalfd {
    file: NonNull<bindings::file>,
    /// File descriptor under which it was found.
    pub fd: u32,
    /// Whether an exec closes that.
    pub is_cloexec: bool,
}

impl Signalfd {
    /// The first signalfd of `task` from descriptor `fd` on.
    ///
    /// # Context
    ///
    /// Process context, not under siglock: takes `alloc_lock` of the task.
    pub fn find(task: &Task, mut fd: u32) -> Option<Self> {
        let mut is_cloexec = false;
        // SAFETY: The task is valid, and so are the others.
        let file =
            unsafe { bindings::sigcr_signalfd_find(task.as_ptr(), &mut fd, &mut is_cloexec) };
        // INVARIANT: The function has taken a reference for us.
        Some(Self {
            file: NonNull::new(file)?,
            fd,
            is_cloexec,
        })
    }

    /// Whether a read does not wait.
    pub fn is_nonblock(&self) -> bool {
        // SAFETY: By the type invariants, the file is valid. Its flags change at any time, as a
        // word.
        let flags = unsafe { (&raw const (*self.file.as_ptr()).f_flags).read_volatile() };
        flags & bindings::O_NONBLOCK != 0
    }

    /// The sigset that can be read from it.
    pub fn mask(&self) -> u64 {
        // SAFETY: By the type invariants, the file is a signalfd. Others may set the mask, which
        // is one word, at any time.
        let [word] = unsafe {
            bindings::sigcr_signalfd_mask(self.file.as_ptr())
                .read_volatile()
                .sig
        };
        // CAST: The word has 64 bits. The kernel keeps what cannot be read.
        !(word as u64)
    }
}

impl SighandGuard<'_> {
    /// Sets the sigset that can be read from a signalfd; see [`Self::notify_signalfd`].
    pub fn set_signalfd_mask(&mut self, signalfd: &Signalfd, mask: u64) {
        let inverse = bindings::sigset_t {
            // CAST: As above.
            sig: [!mask as usize],
        };
        // SAFETY: By the type invariants, the file is a signalfd; siglock is held for writing.
        unsafe { bindings::sigcr_signalfd_mask(signalfd.file.as_ptr()).write_volatile(inverse) };
    }
}

impl Drop for Signalfd {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this owns a reference.
        unsafe { bindings::fput(self.file.as_ptr()) };
    }
}
