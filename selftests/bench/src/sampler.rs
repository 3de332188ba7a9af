// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A timer interrupt that comes at even intervals and says when it came and what it interrupted.
//!
//! It is the software event `cpu-clock` of perf_event_open(2), which every x86 kernel has: no more
//! than a high-resolution timer. The kernel writes the samples to memory that is shared with this
//! process.

use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use perf_event_open_sys::bindings::{
    perf_event_attr, perf_event_header, perf_event_mmap_page, PERF_COUNT_SW_CPU_CLOCK,
    PERF_RECORD_SAMPLE, PERF_SAMPLE_IP, PERF_SAMPLE_TIME, PERF_TYPE_SOFTWARE,
};
use perf_event_open_sys::{ioctls, perf_event_open};

/// One interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Address of the instruction that would have been next.
    pub(crate) ip: u64,
    /// CLOCK_MONOTONIC.
    pub(crate) time_ns: u64,
}

/// The timer, which belongs to the one processor: a timer of a thread would begin anew with each context switch.
pub(crate) struct Sampler {
    fd: OwnedFd,
    page: NonNull<perf_event_mmap_page>,
}

const PAGE_LEN: usize = 4096;
/// The ring's data; a power of two.
const DATA_LEN: usize = 1 << 20;
const MAP_LEN: NonZero<usize> = NonZero::new(PAGE_LEN + DATA_LEN).unwrap();

/// So that the kernel does not mute a timer that comes that often. The rate can only be set while
/// there is a limit on the time.
const LIMITS: &[(&str, &str)] = &[
    ("/proc/sys/kernel/perf_cpu_time_max_percent", "25"),
    ("/proc/sys/kernel/perf_event_max_sample_rate", "100000000"),
    ("/proc/sys/kernel/perf_cpu_time_max_percent", "0"),
];

impl Sampler {
    /// A timer for every `interval_ns`, at least 10,000. It does not run yet.
    pub(crate) fn new(interval_ns: u64) -> anyhow::Result<Self> {
        for (path, value) in LIMITS {
            std::fs::write(path, value).with_context(|| (*path).to_owned())?;
        }
        let mut attr = perf_event_attr {
            type_: PERF_TYPE_SOFTWARE,
            size: size_of::<perf_event_attr>() as u32,
            config: PERF_COUNT_SW_CPU_CLOCK.into(),
            sample_type: (PERF_SAMPLE_IP | PERF_SAMPLE_TIME).into(),
            clockid: libc::CLOCK_MONOTONIC,
            ..Default::default()
        };
        attr.__bindgen_anon_1.sample_period = interval_ns;
        attr.set_use_clockid(1);
        attr.set_disabled(1);
        // SAFETY: `attr` is complete, and its size is in it.
        let fd = Errno::result(unsafe { perf_event_open(&mut attr, -1, 0, -1, 0) })
            .context("perf_event_open")?;
        // SAFETY: the kernel has just made the descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let page = unsafe { mmap(None, MAP_LEN, prot, MapFlags::MAP_SHARED, &fd, 0) }
            .context("the ring of perf_event_open")?
            .cast();
        Ok(Self { fd, page })
    }

    /// Starts the timer.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        // SAFETY: the request takes a number.
        Errno::result(unsafe { ioctls::ENABLE(self.fd.as_raw_fd(), 0) })?;
        Ok(())
    }

    /// Stops it, and returns the samples since the last stop.
    pub(crate) fn stop(&mut self) -> anyhow::Result<Vec<Sample>> {
        // SAFETY: the request takes a number.
        Errno::result(unsafe { ioctls::DISABLE(self.fd.as_raw_fd(), 0) })?;
        // SAFETY: the page is mapped while `self` lives, and the kernel changes the head only by
        // whole, aligned writes.
        let (head, tail) = unsafe {
            let page = self.page.as_ptr();
            (
                AtomicU64::from_ptr(&raw mut (*page).data_head),
                AtomicU64::from_ptr(&raw mut (*page).data_tail),
            )
        };
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        let mut samples = Vec::new();
        while at < end {
            let word = |index: u64| self.word(at + 8 * index);
            // The header's type is its first half, its size the last quarter.
            let (kind, len) = (word(0) as u32, word(0) >> 48);
            ensure!(
                len >= size_of::<perf_event_header>() as u64,
                "the ring is garbled"
            );
            ensure!(
                kind == PERF_RECORD_SAMPLE,
                "perf_event_open lost samples or muted the timer: record of type {kind}"
            );
            samples.push(Sample {
                ip: word(1),
                time_ns: word(2),
            });
            at += len;
        }
        tail.store(end, Ordering::Release);
        Ok(samples)
    }

    fn word(&self, off: u64) -> u64 {
        let off = off as usize % DATA_LEN;
        // SAFETY: the data follow the first page; all records are multiples of 8 bytes, so that a
        // word does not cross the end. What is between tail and head the kernel leaves alone.
        unsafe { self.page.byte_add(PAGE_LEN + off).cast::<u64>().read() }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: nothing else points into the mapping.
        let _ = unsafe { munmap(self.page.cast(), MAP_LEN.get()) };
    }
}
