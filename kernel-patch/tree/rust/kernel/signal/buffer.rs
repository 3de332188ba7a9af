// SPDX-License-Identifier: GPL-2.0

//! Memory that is filled from its start under siglock: neither zeroed before nor grown then.

use crate::{
    alloc::Flags,
    prelude::*, //
};
use core::ptr;

/// Bytes that are appended to, as far as there is room.
pub struct Buffer(KVVec<u8>);

impl Buffer {
    /// A buffer without room.
    pub const fn empty() -> Self {
        Self(KVVec::new())
    }

    /// Empties the buffer and sees to it that there is room for `room_len` bytes.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory. The buffer is empty.
    ///
    /// # Context
    ///
    /// What `flags` allow.
    pub fn make_room(&mut self, room_len: usize, flags: Flags) -> Result {
        self.0.clear();
        Ok(self.0.reserve(room_len, flags)?)
    }

    /// Appends `bytes`, if there is room for all of them.
    ///
    /// # Context
    ///
    /// Any.
    #[inline(always)]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let len = self.0.len();
        if self.0.capacity().wrapping_sub(len) < bytes.len() {
            return false;
        }
        // SAFETY: The capacity is never below the length, so that there is room for the bytes
        // behind the last one, as was just seen; `bytes` are not in there. They are initialised
        // then.
        unsafe {
            let end = self.0.as_mut_ptr().add(len);
            ptr::copy_nonoverlapping(bytes.as_ptr(), end, bytes.len());
            self.0.inc_len(bytes.len());
        }
        true
    }

    /// Appends `first` and `second`, if there is room for both. Each is copied from where it is to
    /// where it goes, which it would not be if they were put together before.
    ///
    /// # Context
    ///
    /// Any.
    #[inline(always)]
    pub fn append_both<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        second: &[u8; M],
    ) -> bool {
        let len = self.0.len();
        if self.0.capacity().wrapping_sub(len) < const { N + M } {
            return false;
        }
        // SAFETY: As in `append()`.
        unsafe {
            let end = self.0.as_mut_ptr().add(len);
            end.cast::<[u8; N]>().copy_from_nonoverlapping(first, 1);
            end.add(N)
                .cast::<[u8; M]>()
                .copy_from_nonoverlapping(second, 1);
            self.0.inc_len(N + M);
        }
        true
    }

    /// What was appended.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }

    /// What was appended.
    pub fn into_inner(self) -> KVVec<u8> {
        self.0
    }
}
