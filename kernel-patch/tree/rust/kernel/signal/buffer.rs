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

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_buffer)]
mod tests {
    use super::*;

    /// A buffer with room for `room_len` bytes at least, and how many there is room for.
    fn buffer_of(room_len: usize) -> Result<(Buffer, usize)> {
        let mut buffer = Buffer::empty();
        buffer.make_room(room_len, GFP_KERNEL)?;
        let capacity_len = buffer.0.capacity();
        Ok((buffer, capacity_len))
    }

    #[test]
    fn bytes_are_appended_whole_or_not_at_all() -> Result {
        let (mut buffer, capacity_len) = buffer_of(10)?;
        assert!(capacity_len >= 10);
        assert!(buffer.append(&[1, 2, 3]) && buffer.append(&[]));
        let left_len = capacity_len - 3;
        let mut bytes = KVec::from_elem(7, left_len + 1, GFP_KERNEL)?;
        assert!(!buffer.append(&bytes));
        assert_eq!(*buffer.as_mut_slice(), [1, 2, 3]);
        bytes.truncate(left_len);
        assert!(buffer.append(&bytes));
        assert!(!buffer.append(&[4]) && buffer.append(&[]));
        assert_eq!(buffer.as_mut_slice().len(), capacity_len);
        assert_eq!(buffer.as_mut_slice()[..4], [1, 2, 3, 7]);
        Ok(())
    }

    #[test]
    fn without_room_nothing_is_appended() {
        let mut buffer = Buffer::empty();
        assert!(!buffer.append(&[1]) && buffer.append(&[]));
        let pairs = [(&[1_u8], [2_u8]); 3];
        assert_eq!(buffer.append_pairs(pairs.into_iter()), (3, 0));
        assert!(buffer.into_inner().is_empty());
    }

    #[test]
    fn pairs_are_appended_one_behind_the_other() -> Result {
        let (mut buffer, _) = buffer_of(16)?;
        assert!(buffer.append(&[9]));
        let pairs = [(&[1, 2, 3], [4, 5]), (&[6, 7, 8], [9, 10])];
        assert_eq!(buffer.append_pairs(pairs.into_iter()), (2, 2));
        assert_eq!(*buffer.as_mut_slice(), [9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        Ok(())
    }

    #[test]
    fn pairs_that_find_no_room_are_counted_and_leave_no_trace() -> Result {
        const PAIR_LEN: usize = 3;
        let (mut buffer, capacity_len) = buffer_of(4 * PAIR_LEN)?;
        // No whole number of pairs.
        let first_len = 1 + (capacity_len - 1) % PAIR_LEN + 1;
        for _ in 0..first_len {
            assert!(buffer.append(&[0]));
        }
        let room_count = (capacity_len - first_len) / PAIR_LEN;
        let pairs = (0..room_count + 2).map(|index| (&[1, 2], [index as u8]));
        assert_eq!(buffer.append_pairs(pairs), (room_count + 2, room_count));
        let bytes = buffer.into_inner();
        assert_eq!(bytes.len(), first_len + room_count * PAIR_LEN);
        for (index, pair) in bytes[first_len..].chunks(PAIR_LEN).enumerate() {
            assert_eq!(*pair, [1, 2, index as u8]);
        }
        Ok(())
    }

    #[test]
    fn pairs_that_fill_the_room_are_all_appended() -> Result {
        let (mut buffer, capacity_len) = buffer_of(8)?;
        let pairs = (0..capacity_len / 2).map(|_| (&[1_u8], [2_u8]));
        let all = (capacity_len / 2, capacity_len / 2);
        assert_eq!(buffer.append_pairs(pairs), all);
        Ok(())
    }

    #[test]
    fn a_buffer_that_gets_room_anew_is_empty() -> Result {
        let (mut buffer, _) = buffer_of(4)?;
        assert!(buffer.append(&[1, 2]));
        buffer.make_room(100, GFP_KERNEL)?;
        assert!(buffer.as_mut_slice().is_empty());
        assert!(buffer.append(&[3; 100]));
        Ok(())
    }
}
