// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The board: memory that all processes of a storm share, also beyond an exec, and that outlives
//! them.

use std::ffi::CStr;
use std::fmt;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use crate::stream::STREAM_COUNT;

macro_rules! counts {
    ($($name:ident: $words:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Count { $($name,)* }

        impl Count {
            /// All, with the words for them.
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$name, $words),)*];
        }
    };
}

counts! {
    Checkpoints: "records taken",
    Entries: "queued signals in them",
    LongestQueue: "queued signals in the longest",
    Restores: "restores",
    SelfRestores: "restores of a process onto itself",
    DryRuns: "dry runs",
    CheckpointsRefused: "checkpoints refused",
    RestoresRefused: "restores refused",
    NotRestorable: "records that could not be restored",
    Sent: "numbered signals sent",
    Received: "numbered signals received, each once and in order",
    NoiseReceived: "signals received of those that may get lost",
    Full: "sends refused by a full queue",
    Forks: "forks",
    Execs: "execs",
    ThreadExecs: "execs by another thread than the first",
    Threads: "threads made and joined",
    Exits: "exits",
    Kills: "kills",
    Stops: "stops by SIGSTOP",
    Freezes: "freezes",
    Traces: "stops by ptrace",
    HoldsFailed: "stops that came too late",
}

/// Which call an errno is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Checkpoint,
    Restore,
}

const ERRNO_COUNT: usize = 160;
const FAULT_LEN_MAX: usize = 800;
/// How long anybody may take for anything; emulation is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The memory. All zero is its start.
#[repr(C)]
pub(crate) struct Shared {
    /// The descriptor of this memory, in each process that has it.
    fd: AtomicU64,
    /// 1: no new work.
    over: AtomicU64,
    /// 1: no new signal of those that must arrive.
    gate: AtomicU64,
    /// 1: a sender is about to send or has not counted yet.
    busy: [AtomicU64; STREAM_COUNT],
    /// Signals that each sender has sent, and that were received of it.
    sent: [AtomicU64; STREAM_COUNT],
    received: [AtomicU64; STREAM_COUNT],
    /// For a storm's own use: thread ids, states.
    words: [AtomicU64; 8],
    counts: [AtomicU64; Count::ALL.len()],
    errnos: [[AtomicU64; ERRNO_COUNT]; 2],
    fault_len: AtomicU64,
    fault: [AtomicU8; FAULT_LEN_MAX],
}

/// The shared memory of one storm.
///
/// # Invariants
///
/// The pointer is that of a mapping which has room for a [`Shared`] and lives as long as this.
pub(crate) struct Board {
    memory: NonNull<Shared>,
    /// Kept open for programs that are executed.
    _fd: Option<OwnedFd>,
}

// SAFETY: All there is are atomic numbers, which any thread may use.
unsafe impl Send for Board {}
// SAFETY: As above.
unsafe impl Sync for Board {}

impl Board {
    pub(crate) fn new() -> Result<Self> {
        const NAME: &CStr = c"soak-board";
        // Kept open in an exec: that is how the new program gets at it.
        let fd = memfd_create(NAME, MFdFlags::empty()).context("memfd_create")?;
        nix::unistd::ftruncate(&fd, size_of::<Shared>() as i64)?;
        let memory = map(fd.as_fd())?;
        // INVARIANT: It was mapped just now, and is unmapped when this is dropped.
        let raw = fd.as_raw_fd();
        let board = Self {
            memory,
            _fd: Some(fd),
        };
        board.shared().fd.store(raw as u64, SeqCst);
        Ok(board)
    }

    /// The board that another program has made, by the descriptor that it left open.
    pub(crate) fn inherited(fd: RawFd) -> Result<Self> {
        // SAFETY: The caller was told that number by who made it, and keeps it open.
        let memory = map(unsafe { BorrowedFd::borrow_raw(fd) })?;
        // INVARIANT: As above.
        Ok(Self { memory, _fd: None })
    }

    /// The descriptor for a program that is executed, as whoever has the board knows it.
    pub(crate) fn fd(&self) -> RawFd {
        self.shared().fd.load(SeqCst) as RawFd
    }

    fn shared(&self) -> &Shared {
        // SAFETY: By the type invariant; all-zero numbers are valid, and only ever changed as
        // atomic ones, by whatever process.
        unsafe { self.memory.as_ref() }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.shared().over.load(SeqCst) != 0 || self.has_fault()
    }

    pub(crate) fn set_over(&self) {
        self.shared().over.store(1, SeqCst);
    }

    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        &self.shared().words[index]
    }

    pub(crate) fn sent(&self, stream: usize) -> &AtomicU64 {
        &self.shared().sent[stream]
    }

    pub(crate) fn received(&self, stream: usize) -> &AtomicU64 {
        &self.shared().received[stream]
    }

    /// Waits until no sender sends, and keeps them from it until it is opened.
    pub(crate) fn close_gate(&self) -> Result<()> {
        self.shared().gate.store(1, SeqCst);
        let idle = || self.shared().busy.iter().all(|busy| busy.load(SeqCst) == 0);
        self.wait("the senders pause", idle)
    }

    pub(crate) fn open_gate(&self) {
        self.shared().gate.store(0, SeqCst);
    }

    /// For a sender: false if it may not send now. If it may, [`Self::leave`] has to follow.
    pub(crate) fn enter(&self, stream: usize) -> bool {
        self.shared().busy[stream].store(1, SeqCst);
        let open = self.shared().gate.load(SeqCst) == 0;
        if !open {
            self.leave(stream);
        }
        open
    }

    pub(crate) fn leave(&self, stream: usize) {
        self.shared().busy[stream].store(0, SeqCst);
    }

    /// Waits until something is so, or until somebody else has found a fault.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            if self.has_fault() {
                bail!("given up");
            }
            if Instant::now() > deadline {
                bail!("after {} s it is not so that {what}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    pub(crate) fn add(&self, count: Count, number: u64) {
        self.shared().counts[count as usize].fetch_add(number, SeqCst);
    }

    pub(crate) fn raise(&self, count: Count, number: u64) {
        self.shared().counts[count as usize].fetch_max(number, SeqCst);
    }

    pub(crate) fn count(&self, count: Count) -> u64 {
        self.shared().counts[count as usize].load(SeqCst)
    }

    pub(crate) fn add_errno(&self, call: Call, errno: Errno) {
        if let Some(count) = self.shared().errnos[call as usize].get(errno as i32 as usize) {
            count.fetch_add(1, SeqCst);
        }
    }

    /// The errnos that a call gave, and how often.
    pub(crate) fn errnos(&self, call: Call) -> impl Iterator<Item = (Errno, u64)> + '_ {
        let counts = self.shared().errnos[call as usize].iter().enumerate();
        counts
            .map(|(errno, count)| (Errno::from_raw(errno as i32), count.load(SeqCst)))
            .filter(|(_, count)| *count > 0)
    }

    /// Says what does not hold; the first one that does so is heard.
    pub(crate) fn fail(&self, what: fmt::Arguments<'_>) {
        let mut text = what.to_string();
        text.truncate(FAULT_LEN_MAX);
        let len = &self.shared().fault_len;
        if len.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
            return;
        }
        for (to, from) in self.shared().fault.iter().zip(text.bytes()) {
            to.store(from, SeqCst);
        }
        len.store(text.len() as u64 + 1, SeqCst);
    }

    /// As [`Self::fail`], where nothing may allocate: a number too many, too few or out of order.
    pub(crate) fn fail_in_handler(&self, stream: usize, number: u64, expected: u64) {
        self.word(7)
            .store((stream as u64) << 56 | expected << 28 | number, SeqCst);
        self.shared().fault_len.fetch_max(1, SeqCst);
    }

    fn has_fault(&self) -> bool {
        self.shared().fault_len.load(SeqCst) != 0
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let len = self.shared().fault_len.load(SeqCst).checked_sub(1)? as usize;
        if len == 0 {
            let word = self.word(7).load(SeqCst);
            return Some(format!(
                "a handler got number {} of stream {} in place of {}",
                word & 0xfff_ffff,
                word >> 56,
                word >> 28 & 0xfff_ffff
            ));
        }
        let bytes: Vec<u8> = self.shared().fault[..len.min(FAULT_LEN_MAX)]
            .iter()
            .map(|byte| byte.load(SeqCst))
            .collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Adds another board's counts.
    pub(crate) fn add_all(&self, other: &Board) {
        for &(count, _) in Count::ALL {
            match count {
                Count::LongestQueue => self.raise(count, other.count(count)),
                _ => self.add(count, other.count(count)),
            }
        }
        for call in [Call::Checkpoint, Call::Restore] {
            for (errno, number) in other.errnos(call) {
                self.shared().errnos[call as usize][errno as i32 as usize]
                    .fetch_add(number, SeqCst);
            }
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody has a reference any more.
        let _ = unsafe { munmap(self.memory.cast(), size_of::<Shared>()) };
    }
}

fn map(fd: BorrowedFd<'_>) -> Result<NonNull<Shared>> {
    // SAFETY: The kernel chooses a place where nothing else is.
    let memory = unsafe {
        mmap(
            None,
            NonZeroUsize::new(size_of::<Shared>()).unwrap_or(NonZeroUsize::MIN),
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            fd,
            0,
        )
    };
    Ok(memory.context("mmap of the board")?.cast())
}
