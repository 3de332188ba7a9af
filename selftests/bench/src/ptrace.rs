// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a user has to do today: stop every thread by ptrace(2), read queues and masks, let go.

use std::ffi::c_void;
use std::ptr;

use anyhow::{ensure, Context};
use nix::errno::Errno;

/// `PTRACE_PEEKSIGINFO` of `<linux/ptrace.h>`.
const PEEKSIGINFO: u32 = 0x4209;
/// `PTRACE_GETSIGMASK`.
const GETSIGMASK: u32 = 0x420a;
/// `PTRACE_PEEKSIGINFO_SHARED`.
const SHARED: u32 = 1;
/// How many are asked for at a time, as CRIU does.
const BATCH_COUNT: usize = 32;

/// `struct ptrace_peeksiginfo_args`.
#[repr(C)]
struct PeekArgs {
    off: u64,
    flags: u32,
    nr: i32,
}

/// A process whose threads are all in ptrace stops; let go on drop.
pub(crate) struct Held<'a> {
    tids: &'a [i32],
}

impl<'a> Held<'a> {
    /// Seizes, interrupts and waits for all threads.
    pub(crate) fn seize(tids: &'a [i32]) -> anyhow::Result<Self> {
        for &tid in tids {
            request(libc::PTRACE_SEIZE, tid, ptr::null_mut(), ptr::null_mut())
                .context("PTRACE_SEIZE")?;
        }
        let held = Self { tids };
        for &tid in tids {
            request(
                libc::PTRACE_INTERRUPT,
                tid,
                ptr::null_mut(),
                ptr::null_mut(),
            )
            .context("PTRACE_INTERRUPT")?;
            let mut status = 0;
            // SAFETY: the kernel writes one int.
            Errno::result(unsafe { libc::waitpid(tid, &mut status, libc::__WALL) })
                .context("waitpid")?;
            ensure!(
                libc::WIFSTOPPED(status) && status >> 16 == libc::PTRACE_EVENT_STOP,
                "thread {tid} is not in the stop that was asked for: status {status:#x}"
            );
        }
        Ok(held)
    }

    /// Reads all queues to their ends; returns how many signals there were.
    pub(crate) fn peek_queues(&self) -> anyhow::Result<u64> {
        let mut count = peek_queue(self.tids[0], SHARED)?;
        for &tid in self.tids {
            count += peek_queue(tid, 0)?;
        }
        Ok(count)
    }

    /// Reads the sigset that each thread blocks.
    pub(crate) fn masks(&self) -> anyhow::Result<()> {
        for &tid in self.tids {
            let mut mask = 0u64;
            let size = ptr::without_provenance_mut(size_of::<u64>());
            request(GETSIGMASK, tid, size, ptr::from_mut(&mut mask).cast())
                .context("PTRACE_GETSIGMASK")?;
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for &tid in self.tids {
            // A thread that is gone needs no letting go.
            let _ = request(libc::PTRACE_DETACH, tid, ptr::null_mut(), ptr::null_mut());
        }
    }
}

/// Stops the process, reads what ptrace(2) shows by itself, and lets it go. Actions, stacks and
/// timers are not among that: only the process can ask for them.
pub(crate) fn masks_and_queues(tids: &[i32]) -> anyhow::Result<u64> {
    let held = Held::seize(tids)?;
    held.masks()?;
    held.peek_queues()
}

fn peek_queue(tid: i32, flags: u32) -> anyhow::Result<u64> {
    let mut infos = [[0u8; 128]; BATCH_COUNT];
    let mut off = 0;
    loop {
        let mut args = PeekArgs {
            off,
            flags,
            nr: BATCH_COUNT as i32,
        };
        let count = request(
            PEEKSIGINFO,
            tid,
            ptr::from_mut(&mut args).cast(),
            infos.as_mut_ptr().cast(),
        )
        .context("PTRACE_PEEKSIGINFO")?;
        off += count as u64;
        if (count as usize) < BATCH_COUNT {
            return Ok(off);
        }
    }
}

fn request(number: u32, tid: i32, addr: *mut c_void, data: *mut c_void) -> nix::Result<i64> {
    // SAFETY: the callers give each request the addresses of what it reads and writes: PEEKSIGINFO
    // one struct and room for as many siginfos as that asks for, GETSIGMASK one sigset, the others
    // nothing.
    Errno::result(unsafe { libc::ptrace(number, tid, addr, data) })
}
