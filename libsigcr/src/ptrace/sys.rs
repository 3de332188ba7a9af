// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The requests of ptrace(2) that fill in structs: queued signals, masks, rseq, system call dispatch.
//!
//! # Safety
//!
//! The module is safe to use: each request writes to a local variable of the size that it is told,
//! and those that change something change another process.
#![allow(unsafe_code)]

use std::{
    ffi::{c_long, c_uint, c_void},
    mem::{size_of, MaybeUninit},
    ptr,
};

use crate::Errno;

/// Bytes of a siginfo as the kernel gives it out.
pub(super) const SIGINFO_LEN: usize = 128;

/// How many queued signals are read by one request.
const PEEK_COUNT: usize = 32;

/// `PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG` of `<linux/ptrace.h>`; not every libc has it.
const PTRACE_GET_SUD_CONFIG: c_uint = 0x4211;

/// Reads the signals in the queue of thread `tid`, or with `shared` in that of its process, from the
/// entry with number `off` on: some, or none if there are no more.
pub(super) fn peek_siginfo(
    tid: i32,
    shared: bool,
    off: usize,
) -> Result<Vec<[u8; SIGINFO_LEN]>, Errno> {
    let args = libc::ptrace_peeksiginfo_args {
        off: off as u64,
        flags: if shared {
            libc::PTRACE_PEEKSIGINFO_SHARED
        } else {
            0
        },
        nr: PEEK_COUNT as i32,
    };
    let mut infos = [[0; SIGINFO_LEN]; PEEK_COUNT];
    let ret = request(
        libc::PTRACE_PEEKSIGINFO,
        tid,
        ptr::from_ref(&args).cast_mut().cast(),
        infos.as_mut_ptr().cast(),
    )?;
    let count = usize::try_from(ret).unwrap_or(0).min(PEEK_COUNT);
    Ok(infos[..count].to_vec())
}

/// The signals that thread `tid` blocks; in a call that has replaced its mask for a while, those that
/// it blocks afterwards.
pub(super) fn blocked(tid: i32) -> Result<u64, Errno> {
    let mut set = 0_u64;
    request(
        libc::PTRACE_GETSIGMASK,
        tid,
        ptr::without_provenance_mut(size_of::<u64>()),
        ptr::from_mut(&mut set).cast(),
    )?;
    Ok(set)
}

/// Sets the signals that thread `tid` blocks.
pub(super) fn set_blocked(tid: i32, mut set: u64) -> Result<(), Errno> {
    request(
        libc::PTRACE_SETSIGMASK,
        tid,
        ptr::without_provenance_mut(size_of::<u64>()),
        ptr::from_mut(&mut set).cast(),
    )?;
    Ok(())
}

/// The address of the restartable-sequences area of thread `tid`; 0: it has none, or the kernel
/// cannot tell.
pub(super) fn rseq_area(tid: i32) -> Result<u64, Errno> {
    /// `struct ptrace_rseq_configuration`.
    #[repr(C)]
    struct Configuration {
        abi_pointer: u64,
        abi_size: u32,
        signature: u32,
        flags: u32,
        pad: u32,
    }
    let mut configuration = MaybeUninit::<Configuration>::zeroed();
    let ret = request(
        libc::PTRACE_GET_RSEQ_CONFIGURATION,
        tid,
        ptr::without_provenance_mut(size_of::<Configuration>()),
        configuration.as_mut_ptr().cast(),
    );
    // SAFETY: It was zeroed, and any bytes are numbers.
    let configuration = unsafe { configuration.assume_init() };
    match ret {
        Ok(_) => Ok(configuration.abi_pointer),
        // A kernel before 5.13, or one without rseq(2).
        Err(Errno::EIO | Errno::EINVAL) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// Whether thread `tid` has its system calls turned into signals (`PR_SET_SYSCALL_USER_DISPATCH`).
pub(super) fn dispatches_syscalls(tid: i32) -> Result<bool, Errno> {
    // `struct ptrace_sud_config`: mode, selector, offset, length.
    let mut config = [0_u64; 4];
    let ret = request(
        PTRACE_GET_SUD_CONFIG,
        tid,
        ptr::without_provenance_mut(size_of::<[u64; 4]>()),
        config.as_mut_ptr().cast(),
    );
    match ret {
        Ok(_) => Ok(config[0] != 0),
        // A kernel before 6.4 cannot tell.
        Err(Errno::EIO | Errno::EINVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn request(
    request: c_uint,
    tid: i32,
    addr: *mut c_void,
    data: *mut c_void,
) -> Result<c_long, Errno> {
    // SAFETY: `data` points to a local variable of the functions above that is as long as the
    // request writes or reads, which for those with a size is the size in `addr`; for the queue it
    // is `PEEK_COUNT` siginfos, and `addr` points to the arguments.
    let ret = unsafe { libc::ptrace(request, tid, addr, data) };
    Errno::result(ret)
}
