// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The refusals of the decoder: one for each way in which a record can be wrong.

/// Why a record was refused. `off` is the offset in bytes from the start of the record.
#[allow(
    missing_docs,
    reason = "the fields are named as in the UAPI header or are lengths"
)]
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The buffer has no room for a header.
    TooShort { len: usize },
    /// The record is longer than `SIGCR_RECORD_LEN_MAX`.
    TooLong { len: usize },
    /// The first four bytes are not those of a record.
    BadMagic { magic: u32 },
    /// The record was written with the other byte order.
    ForeignByteOrder,
    /// The record has a version that this reader does not know.
    UnsupportedVersion { version: u32 },
    /// The header's own length is impossible.
    BadHeaderLen { header_len: u32 },
    /// The header's total length is not the length of the buffer.
    LengthMismatch { total_len: u64, len: usize },
    /// The checksum does not fit the bytes.
    BadChecksum { stored: u32, computed: u32 },
    /// The record was written on another architecture.
    UnsupportedArch { arch: u32 },
    /// The header has flags that this version does not define.
    UnknownRecordFlags { flags: u32 },
    /// The header's process id or thread count is impossible.
    BadProcess { tgid: i32, thread_count: u32 },
    /// A reserved field is not zero.
    ReservedNotZero { off: usize },
    /// The section's length is too small, not a multiple of 8, or beyond the record's end.
    BadSectionLen { off: usize, len: u64 },
    /// A section that must be understood has a type that this reader does not know.
    UnknownMandatorySection { off: usize, section_type: u32 },
    /// The section has flags that its type does not define.
    UnknownSectionFlags { off: usize, flags: u32 },
    /// The section stands twice or not in the order of types and tids.
    SectionOrder { off: usize, section_type: u32 },
    /// The header counts other sections than there are.
    SectionCountMismatch { stored: u32, seen: u32 },
    /// A record of one thread holds state of the process or of a second thread.
    NotOneThread { off: usize },
    /// The section's tid is not one that it can have.
    BadTid { off: usize, tid: i32 },
    /// The entries do not fill the section exactly, or start inside its head.
    BadEntries { off: usize, entry_count: u32 },
    /// The entry length is below the one of version 1 or not a multiple of 8.
    BadEntryLen { off: usize, entry_len: u32 },
    /// Not a signal number.
    BadSigno { off: usize, signo: u32 },
    /// The actions are not in ascending order of signo.
    ActionOrder { off: usize, signo: u32 },
    /// `SIGKILL` and `SIGSTOP` cannot have an action.
    ActionForbidden { off: usize, signo: u32 },
    /// The action has flags that `rt_sigaction(2)` does not store.
    UnknownActionFlags { off: usize, flags: u64 },
    /// The action's frame is of an ABI that this architecture does not have.
    UnknownAbi { off: usize, abi: u32 },
    /// `SIGKILL` and `SIGSTOP` cannot be blocked.
    UnblockableBlocked { off: usize, set: u64 },
    /// `SIGKILL` cannot be pending.
    KillPending { off: usize },
    /// An entry's signo is not in the queue's set.
    EntryNotInSet { off: usize, signo: u32 },
    /// A legacy signal (signo below 32) is queued twice in one queue.
    LegacyTwice { off: usize, signo: u32 },
    /// `SIGCONT` and a stop signal are both pending in the process.
    ContinueAndStop { off: usize },
    /// The entry has flags that this version does not define.
    UnknownEntryFlags { off: usize, flags: u32 },
    /// The entry is marked as owned by a timer that the record does not hold.
    TimerMissing { off: usize, timer_id: i32 },
    /// The timer that the entry belongs to is not pending, or not with this signal or queue.
    TimerEntryMismatch { off: usize, timer_id: i32 },
    /// Not as many entries of timers are queued as there are timers that are pending.
    TimerEntryCount { off: usize, seen: u32, pending: u32 },
    /// A ptracer holds a signal of the thread: nobody else can decide what becomes of it.
    InFlight { off: usize, tid: i32 },
    /// A time is longer than any that the kernel can wait, or does not fit to what the timer does.
    BadTime { off: usize, time_ns: u64 },
    /// The timers, signalfds or waiters are not in ascending order, or there is no such id.
    BadId { off: usize, id: i32 },
    /// The timer has a way to notify that there is not, or a thread that does not fit to it.
    BadNotify { off: usize, notify: u32 },
    /// The timer has unknown flags, or flags that exclude each other.
    BadTimerFlags { off: usize, flags: u32 },
    /// The timer has missed less than no expiry.
    BadOverrun { off: usize, overrun: i64 },
    /// The signalfd has flags other than `SFD_NONBLOCK` and `SFD_CLOEXEC`.
    UnknownSignalfdFlags { off: usize, flags: u32 },
    /// The waiter waits for a kind of process that there is not.
    BadWaiter { off: usize, id_type: u32 },
    /// The alternate stack has flags other than `SS_DISABLE` and `SS_AUTODISARM`.
    UnknownAltstackFlags { off: usize, ss_flags: u32 },
    /// The alternate stack is disabled and has an address or a size, or is smaller than any can be.
    BadAltstack { off: usize, sp: u64, size: u64 },
}

/// The classes of refusals: one errno each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// Malformed or forbidden content: `EINVAL`.
    Invalid,
    /// The checksum does not fit: `EBADMSG`.
    Checksum,
    /// A version, an architecture or a mandatory section that is not supported: `EOPNOTSUPP`.
    Unsupported,
    /// Over the limit: `E2BIG`.
    TooBig,
}

impl Refusal {
    /// The class of the refusal, and by it the errno.
    pub fn class(&self) -> RefusalClass {
        match self {
            Refusal::TooLong { .. } => RefusalClass::TooBig,
            Refusal::BadChecksum { .. } => RefusalClass::Checksum,
            Refusal::ForeignByteOrder
            | Refusal::UnsupportedVersion { .. }
            | Refusal::UnsupportedArch { .. }
            | Refusal::UnknownMandatorySection { .. } => RefusalClass::Unsupported,
            _ => RefusalClass::Invalid,
        }
    }
}
