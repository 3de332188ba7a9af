// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The system calls, as they are: numbers and buffers in, a number or an errno out.
//!
//! # Safety
//!
//! The module is safe to use: the kernel gets slices with their own lengths, and descriptors that
//! it checks.
#![allow(unsafe_code)]

use std::{
    ffi::{c_long, c_void},
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
};

use crate::{abi, Errno};

/// `PIDFD_THREAD` of `<linux/pidfd.h>`.
pub(crate) const PIDFD_THREAD: u32 = libc::O_EXCL as u32;
/// `PIDFD_SELF_THREAD` of `<linux/fcntl.h>`: the calling thread.
pub(crate) const PIDFD_SELF_THREAD: RawFd = -10000;
/// `PIDFD_SELF_THREAD_GROUP` of `<linux/fcntl.h>`: the calling process.
pub(crate) const PIDFD_SELF_THREAD_GROUP: RawFd = -10001;

// CAST: Both are below 2^31.
const NR_SIGCKPT: c_long = abi::SIGCR_NR_SIGCKPT as c_long;
const NR_SIGRESTORE: c_long = abi::SIGCR_NR_SIGRESTORE as c_long;

/// sigckpt(2) into `record`, as far as that has capacity; what was in it is gone.
pub(crate) fn sigckpt(pidfd: RawFd, record: &mut Vec<u8>, flags: u32) -> Result<(), Errno> {
    record.clear();
    let room = record.spare_capacity_mut();
    // SAFETY: The kernel writes at most `room.len()` bytes to where the room is.
    let ret = unsafe {
        libc::syscall(
            NR_SIGCKPT,
            pidfd,
            room.as_mut_ptr().cast::<c_void>(),
            room.len(),
            flags,
        )
    };
    let len = result(ret)?;
    // SAFETY: The kernel has written as many bytes, which found room.
    unsafe { record.set_len(len) };
    Ok(())
}

/// sigckpt(2) without a buffer: the length that the record needs now.
pub(crate) fn sigckpt_len(pidfd: RawFd, flags: u32) -> Result<usize, Errno> {
    // SAFETY: The kernel writes nothing where the size is 0.
    let ret =
        unsafe { libc::syscall(NR_SIGCKPT, pidfd, ptr::null_mut::<c_void>(), 0_usize, flags) };
    result(ret)
}

/// sigrestore(2) of `record`.
///
/// What a record can change of the calling thread is a mask, an alternate stack, actions and queues;
/// that is as safe or unsafe as sigaction(2) with an address that another process supplies. See
/// [`crate::restore`] for what the caller has to know.
pub(crate) fn sigrestore(pidfd: RawFd, record: &[u8], flags: u32) -> Result<(), Errno> {
    // SAFETY: The kernel reads at most `record.len()` bytes from where the slice is.
    let ret = unsafe {
        libc::syscall(
            NR_SIGRESTORE,
            pidfd,
            record.as_ptr().cast::<c_void>(),
            record.len(),
            flags,
        )
    };
    result(ret).map(drop)
}

/// pidfd_open(2).
pub(crate) fn pidfd_open(pid: i32, flags: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: The call takes two numbers and touches no memory of the caller.
    let ret = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) };
    let fd = i32::try_from(result(ret)?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: The kernel has just made the descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The result of a call by the C library's convention: -1 stands for the thread's errno.
fn result(ret: c_long) -> Result<usize, Errno> {
    usize::try_from(ret).map_err(|_| Errno::last())
}
