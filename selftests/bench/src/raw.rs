// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calls themselves, with nothing around them, and those that they are measured against.

use std::os::fd::{AsRawFd, BorrowedFd};

use anyhow::Context;
use nix::errno::Errno;
use sigcr_sys::{SIGCR_NR_SIGCKPT, SIGCR_NR_SIGRESTORE};

/// `PIDFD_SELF_THREAD_GROUP` of `<linux/fcntl.h>`: the calling process.
pub(crate) const OWN_PROCESS: i32 = -10001;

/// sigckpt(2); returns the length of the record.
pub(crate) fn sigckpt(pidfd: i32, record: &mut [u8], flags: u32) -> anyhow::Result<usize> {
    // SAFETY: the kernel writes at most `record.len()` bytes to where the slice is.
    let ret = unsafe {
        libc::syscall(
            i64::from(SIGCR_NR_SIGCKPT),
            pidfd,
            record.as_mut_ptr(),
            record.len(),
            flags,
        )
    };
    Ok(Errno::result(ret).context("sigckpt")? as usize)
}

/// sigrestore(2).
pub(crate) fn sigrestore(pidfd: i32, record: &[u8]) -> anyhow::Result<()> {
    // SAFETY: the kernel reads at most `record.len()` bytes from where the slice is. The records of
    // this program hold handlers only for processes in which no signal is ever delivered.
    let ret = unsafe {
        libc::syscall(
            i64::from(SIGCR_NR_SIGRESTORE),
            pidfd,
            record.as_ptr(),
            record.len(),
            0,
        )
    };
    Errno::result(ret).map(drop).context("sigrestore")
}

/// getppid(2), the smallest system call.
#[inline(always)]
pub(crate) fn getppid() {
    // SAFETY: the call takes nothing and touches no memory.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// pread(2) of all of `bytes`.
pub(crate) fn pread(file: BorrowedFd<'_>, bytes: &mut [u8]) -> anyhow::Result<()> {
    // SAFETY: the kernel writes at most `bytes.len()` bytes to where the slice is.
    let ret = unsafe { libc::pread(file.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    let len = Errno::result(ret).context("pread")?;
    anyhow::ensure!(len as usize == bytes.len(), "pread gave {len} bytes");
    Ok(())
}
