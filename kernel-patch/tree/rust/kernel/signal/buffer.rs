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

    /// Appends `pairs`, the parts of each one behind the other, as long as there is room. Returns how
    /// many there were, and how many of them found room.
    ///
    /// Each part is copied from where it is to where it goes, and where the next one goes is kept in
    /// a register.
    ///
    /// # Context
    ///
    /// Any.
    #[inline(always)]
    pub fn append_pairs<'p, const N: usize, const M: usize>(
        &mut self,
        mut pairs: impl Iterator<Item = (&'p [u8; N], [u8; M])>,
    ) -> (usize, usize) {
        let len = self.0.len();
        let room_count = self.0.capacity().wrapping_sub(len) / const { N + M };
        let mut left_count = room_count;
        // SAFETY: The capacity is never below the length, so that this is inside the allocation, or
        // its end.
        let mut end = unsafe { self.0.as_mut_ptr().add(len) };
        while left_count > 0 {
            let Some((first, second)) = pairs.next() else {
                break;
            };
            left_count = left_count.wrapping_sub(1);
            // SAFETY: `left_count` was not 0, so that there is room for a pair at `end`, in which
            // `first` is not.
            unsafe {
                end.cast::<[u8; N]>().copy_from_nonoverlapping(first, 1);
                end.add(N).cast::<[u8; M]>().write(second);
                end = end.add(const { N + M });
            }
        }
        let appended_count = room_count.wrapping_sub(left_count);
        // SAFETY: As many pairs were written behind the last byte, and they fit.
        unsafe { self.0.inc_len(appended_count.wrapping_mul(const { N + M })) };
        let missed_count = match left_count {
            0 => pairs.count(),
            _ => 0,
        };
        (appended_count.wrapping_add(missed_count), appended_count)
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
