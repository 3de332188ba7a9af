// SPDX-License-Identifier: GPL-2.0

//! CRC-32 checksums.
//!
//! C header: [`include/linux/crc32.h`](srctree/include/linux/crc32.h).

use crate::bindings;

/// The CRC-32C (Castagnoli) of `bytes`, appended to bytes whose CRC-32C is `crc`; that of no bytes
/// is 0.
///
/// ```
/// assert_eq!(kernel::crc32::crc32c(0, b"123456789"), 0xe306_9283);
/// ```
#[inline]
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    // SAFETY: The slice is valid for reads of its length.
    !unsafe { bindings::crc32c(!crc, bytes.as_ptr().cast(), bytes.len()) }
}
