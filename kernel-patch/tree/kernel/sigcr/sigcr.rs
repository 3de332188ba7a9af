// SPDX-License-Identifier: GPL-2.0

//! Checkpoint and restart of signal state: the system calls sigckpt(2) and sigrestore(2).
//!
//! - `record.rs`: the record, its decoder and its encoder, shared with user space.
//! - `checkpoint.rs`: from a process to a record.
//! - `restore.rs`: from a record to a process.
//! - `version2.rs`: for tests, a kernel that knows more than this one.
//!
//! C header: [`include/linux/sigcr.h`](srctree/include/linux/sigcr.h). What the calls do and
//! refuse is normative in `Documentation/userspace-api/sigcr.rst`.

mod checkpoint;
pub mod record;
mod restore;
#[cfg(CONFIG_SIGCR_TEST_VERSION2)]
mod version2;

use kernel::{
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_void, //
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// What `record.rs` asks of its host: the structs and constants of the UAPI header.
pub mod abi {
    pub use kernel::uapi::*;
}

/// What `record.rs` asks of its host: CRC-32C of `bytes`, going on from `crc`.
fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    kernel::crc32::crc32c(crc, bytes)
}

/// The body of sigckpt(2).
///
/// # Safety
///
/// To be called as the system call, by the current task; `record` may be any address.
#[export]
pub unsafe extern "C" fn sigcr_checkpoint(
    pidfd: c_int,
    record: *mut c_void,
    size: usize,
    flags: c_uint,
) -> c_long {
    let out = UserSlice::new(UserPtr::from_ptr(record), size);
    let measure = record.is_null() && size == 0;
    match checkpoint::checkpoint(pidfd, out.writer(), measure, flags) {
        // CAST: A record's length is limited far below.
        Ok(len) => len as c_long,
        Err(error) => error_code(error),
    }
}

/// The body of sigrestore(2).
///
/// # Safety
///
/// To be called as the system call, by the current task; `record` may be any address.
#[export]
pub unsafe extern "C" fn sigcr_restore(
    pidfd: c_int,
    record: *const c_void,
    size: usize,
    flags: c_uint,
) -> c_long {
    let bytes = UserSlice::new(UserPtr::from_ptr(record.cast_mut()), size);
    match restore::restore(pidfd, bytes.reader(), flags) {
        Ok(()) => 0,
        Err(error) => error_code(error),
    }
}

fn error_code(error: Error) -> c_long {
    // CAST: An errno is a small number; `c_long` is wider.
    error.to_errno() as c_long
}
