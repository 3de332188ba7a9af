// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The record of signal state: its one decoder, shared by kernel and user space.
//!
//! A record is a header and then sections; the layout of each is in
//! [`include/uapi/linux/sigcr.h`](srctree/include/uapi/linux/sigcr.h) and nowhere else: the structs
//! used here are the ones that bindgen makes from it.
//!
//! [`Record::decode`] takes bytes from anybody. It needs no allocation, has no panic path, and ends
//! in a view of a record that is well formed *and* legal (for instance: no `SIGKILL` pending), or
//! in the [`Refusal`] that says what is wrong and where. The way back is [`encode`].
//!
//! The crate that holds this module supplies `abi`, the bindgen output, and `crc32c_append()`.
//! Takes no locks; may be used in any context.

pub mod encode;
mod entry;
#[cfg(any(test, CONFIG_SIGCR_KUNIT_TEST, CONFIG_SIGCR_TEST_VERSION2))]
pub mod later;
mod refusal;
mod rules;
mod sections;
#[cfg(any(test, CONFIG_SIGCR_KUNIT_TEST))]
mod tests;
mod timer_rules;
mod wire;

use core::{
    cmp::Ordering,
    mem::{
        offset_of,
        size_of, //
    }, //
};

use crate::{
    abi,
    crc32c_append, //
};

use abi::sigcr_section as Head;
pub use abi::{
    sigcr_action as Action,
    sigcr_altstack as Altstack,
    sigcr_entry as Entry,
    sigcr_header as Header,
    sigcr_inflight as Inflight,
    sigcr_itimer as Itimer,
    sigcr_itimers as Itimers,
    sigcr_process as Process,
    sigcr_signalfd as Signalfd,
    sigcr_thread as Thread,
    sigcr_timer as Timer,
    sigcr_waiter as Waiter, //
};
pub use entry::{
    signo_in_flight,
    EntryExt,
    EntryRef, //
};
pub use refusal::{
    Refusal,
    RefusalClass, //
};
pub use sections::{
    Sections,
    Threads, //
};

pub use rules::is_listed_only;
use rules::{
    Checks,
    Known, //
};
use sections::List;
pub use timer_rules::{
    SIGEV_NONE,
    SIGEV_THREAD_ID, //
};
use wire::{
    load,
    Wire, //
};

/// A decoded record: bytes that were found to be well formed and legal.
///
/// # Invariants
///
/// `bytes` passed every check of [`Record::decode`].
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    header: Header,
    known: Known,
}

/// One section, decoded.
#[derive(Clone, Copy)]
pub enum Section<'a> {
    /// What is known of the process, informational.
    Process(Process),
    /// The action table: the actions that are not the default.
    Actions(Actions<'a>),
    /// The queue of the process.
    SharedPending(Queue<'a>),
    /// The timers of `setitimer(2)`.
    Itimers(Itimers),
    /// The timers of `timer_create(2)`.
    Timers(Timers<'a>),
    /// The signalfds.
    Signalfds(Signalfds<'a>),
    /// A thread and the signals that it blocks.
    Thread(Thread),
    /// The alternate signal stack of a thread.
    Altstack(Altstack),
    /// The queue of a thread.
    Pending(Queue<'a>),
    /// A signal of a thread that a ptracer holds.
    Inflight(Inflight),
    /// The threads that wait for children, informational.
    Waiters(Waiters<'a>),
    /// An optional section of a type that this reader does not know.
    Unknown {
        /// Section type.
        section_type: u32,
        /// Whole section.
        bytes: &'a [u8],
    },
}

/// The entries of an ACTIONS section, by ascending signo.
#[derive(Clone, Copy)]
pub struct Actions<'a> {
    list: List<'a>,
}

/// The entries of a TIMERS section, by ascending id.
#[derive(Clone, Copy)]
pub struct Timers<'a> {
    /// The id that the next timer gets if it is free.
    pub next_timer_id: u32,
    list: List<'a>,
}

/// The entries of a SIGNALFDS section, by ascending file descriptor.
#[derive(Clone, Copy)]
pub struct Signalfds<'a> {
    list: List<'a>,
}

/// The entries of a WAITERS section, by ascending tid.
#[derive(Clone, Copy)]
pub struct Waiters<'a> {
    list: List<'a>,
}

/// A queue of pending signals.
#[derive(Clone, Copy)]
pub struct Queue<'a> {
    /// Thread that owns the queue; 0: the process.
    pub tid: i32,
    /// Sigset of the pending signals; a signo without an entry is normal.
    pub set: u64,
    list: List<'a>,
}

/// What a record holds of one thread; `None` is state that a restore leaves alone.
#[derive(Clone, Copy)]
pub struct ThreadState<'a> {
    /// Thread in the target's pid namespace.
    pub tid: i32,
    /// The thread and its blocked signals.
    pub thread: Option<Thread>,
    /// Its alternate signal stack.
    pub altstack: Option<Altstack>,
    /// Its private queue.
    pub pending: Option<Queue<'a>>,
    /// A signal of it that a ptracer holds; see [`ThreadState::inflight`].
    inflight: Option<&'a [u8; Inflight::LEN]>,
}

impl ThreadState<'_> {
    /// The signal of the thread that a ptracer holds.
    pub fn inflight(&self) -> Option<Inflight> {
        load(self.inflight?)
    }
}

impl<'a> Record<'a> {
    /// Decodes `bytes`, which must be exactly one record.
    ///
    /// The checks are made in the order of the bytes: length, header, checksum, then section by
    /// section. The first that fails gives the refusal. Linear in the length.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let header = decode_header(bytes)?;
        let mut state = Checks::new(&header);
        let mut sections = Sections::new(bytes, &header);
        while let Some(found) = sections.next_found()? {
            state.section(&found)?;
        }
        // INVARIANT: Every check was made above, or is made now.
        Ok(Self {
            bytes,
            header,
            known: state.end(&header)?,
        })
    }

    /// Checks that the record holds nothing that can be read but not restored.
    ///
    /// That is a signal that a ptracer holds; an entry of a timer without the timer, and the other
    /// way around: only the timer itself can queue it. And it is `SIGCONT` beside a stop signal:
    /// sending one takes the other one away, but a timer's signal that was ignored before comes
    /// back without that.
    pub fn check_restorable(&self) -> Result<(), Refusal> {
        let mut pending = 0;
        let excluded =
            self.known.pending & sigset_of(SIGCONT) != 0 && self.known.pending & STOP_SIGNALS != 0;
        // Only if there is something to refuse, where it is.
        let sections = (excluded || self.known.has_inflight).then(|| self.sections());
        for (off, section) in sections.into_iter().flatten() {
            match section {
                Section::SharedPending(queue) | Section::Pending(queue) => pending |= queue.set,
                Section::Inflight(Inflight { tid, .. }) => {
                    return Err(Refusal::InFlight { off, tid });
                }
                _ => continue,
            }
            if pending & sigset_of(SIGCONT) != 0 && pending & STOP_SIGNALS != 0 {
                return Err(Refusal::ContinueAndStop { off });
            }
        }
        match self.known.has_timer_entry || self.known.timer_count > 0 {
            true => timer_rules::check_entries(self),
            false => Ok(()),
        }
    }

    /// The record's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The record's bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All sections with their offsets, in order.
    pub fn sections(&self) -> Sections<'a> {
        Sections::new(self.bytes, &self.header)
    }

    /// The PROCESS section.
    pub fn process(&self) -> Option<Process> {
        load(self.section_at(self.known.process_off)?)
    }

    /// The ACTIONS section.
    pub fn actions(&self) -> Option<Actions<'a>> {
        sections::actions(0, self.section_at(self.known.actions_off)?).ok()
    }

    /// The SHARED_PENDING section.
    pub fn shared_pending(&self) -> Option<Queue<'a>> {
        sections::queue(0, self.section_at(self.known.shared_pending_off)?).ok()
    }

    /// The ITIMERS section.
    pub fn itimers(&self) -> Option<Itimers> {
        load(self.section_at(self.known.itimers_off)?)
    }

    /// The TIMERS section.
    pub fn timers(&self) -> Option<Timers<'a>> {
        sections::timers(0, self.section_at(self.known.timers_off)?).ok()
    }

    /// The SIGNALFDS section.
    pub fn signalfds(&self) -> Option<Signalfds<'a>> {
        sections::signalfds(0, self.section_at(self.known.signalfds_off)?).ok()
    }

    /// The WAITERS section.
    pub fn waiters(&self) -> Option<Waiters<'a>> {
        sections::waiters(0, self.section_at(self.known.waiters_off)?).ok()
    }

    /// All queues: SHARED_PENDING, and PENDING of each thread.
    pub fn queues(&self) -> impl Iterator<Item = Queue<'a>> {
        let private = self.threads().filter_map(|thread| thread.pending);
        Iterator::chain(self.shared_pending().into_iter(), private)
    }

    /// What the record holds of each thread, by ascending tid.
    pub fn threads(&self) -> Threads<'a> {
        Threads::from(self.bytes, self.threads_off())
    }

    /// The number of entries of the longest queue.
    pub fn entry_count_max(&self) -> usize {
        self.known.entry_count_max
    }

    /// Whether a queued signal is that of a POSIX timer.
    pub fn has_timer_entry(&self) -> bool {
        self.known.has_timer_entry
    }

    /// Whether a queued signal has a code that only the kernel may use on behalf of others.
    pub fn has_reserved_code(&self) -> bool {
        self.known.has_reserved_code
    }

    /// How many threads the record has state of to restore.
    pub fn restorable_thread_count(&self) -> usize {
        self.known.restorable_thread_count
    }

    /// Whether the record holds state of the process, not only of threads, to restore.
    pub fn holds_process_state(&self) -> bool {
        let known = &self.known;
        known.actions_off
            | known.shared_pending_off
            | known.itimers_off
            | known.timers_off
            | known.signalfds_off
            != 0
    }

    /// Where the sections of the threads begin; the end of the record, if there are none.
    fn threads_off(&self) -> usize {
        match self.known.threads_off {
            0 => self.bytes.len(),
            off => off,
        }
    }

    /// The bytes of the section at `off`, if there is one.
    fn section_at(&self, off: usize) -> Option<&'a [u8]> {
        if off == 0 {
            return None;
        }
        let bytes = self.bytes.get(off..)?;
        let head = load::<Head>(bytes)?;
        // CAST: The decoder has seen that the section is inside the record.
        bytes.get(..head.len as usize)
    }
}

impl<'a> Actions<'a> {
    /// The number of actions.
    pub fn count(&self) -> usize {
        self.list.entry_count
    }

    /// The actions, by ascending signo.
    pub fn iter(&self) -> impl Iterator<Item = Action> + 'a {
        self.list.iter()
    }
}

impl<'a> Timers<'a> {
    /// The number of timers.
    pub fn count(&self) -> usize {
        self.list.entry_count
    }

    /// The timers, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = Timer> + 'a {
        self.list.iter()
    }

    /// The timer with an id.
    pub fn find(&self, timer_id: i32) -> Option<Timer> {
        let (mut low, mut high) = (0, self.list.entry_count);
        while low < high {
            let middle = low.midpoint(high);
            let timer: Timer = self.list.get(middle)?;
            match timer.timer_id.cmp(&timer_id) {
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(timer),
            }
        }
        None
    }
}

impl<'a> Signalfds<'a> {
    /// The number of signalfds.
    pub fn count(&self) -> usize {
        self.list.entry_count
    }

    /// The signalfds, by ascending file descriptor.
    pub fn iter(&self) -> impl Iterator<Item = Signalfd> + 'a {
        self.list.iter()
    }
}

impl<'a> Waiters<'a> {
    /// The number of waiters.
    pub fn count(&self) -> usize {
        self.list.entry_count
    }

    /// The waiters, by ascending tid.
    pub fn iter(&self) -> impl Iterator<Item = Waiter> + 'a {
        self.list.iter()
    }
}

impl<'a> Queue<'a> {
    /// The number of entries.
    pub fn entry_count(&self) -> usize {
        self.list.entry_count
    }

    /// The entries, in queue order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + 'a {
        self.list.iter()
    }

    /// The entries, in queue order, where they are.
    #[inline]
    pub fn entry_refs(&self) -> impl Iterator<Item = EntryRef<'a>> + 'a {
        self.list.bytes().filter_map(EntryRef::of)
    }
}

/// Whether the action is the one that a signal has when nobody has set one.
pub fn is_default(action: &Action) -> bool {
    let Action {
        signo: _,
        abi,
        flags,
        handler,
        restorer,
        mask,
    } = *action;
    u64::from(abi) | flags | handler | restorer | mask == 0
}

/// The set that holds `signo` alone; empty if that is not a signal number.
pub fn sigset_of(signo: u32) -> u64 {
    match signo {
        1..=abi::SIGCR_SIGNO_MAX => 1 << (signo - 1),
        _ => 0,
    }
}

/// `SIGKILL`, the same on every architecture that is supported.
pub const SIGKILL: u32 = 9;
/// `SIGALRM`.
pub const SIGALRM: u32 = 14;
/// `SIGCONT`.
pub const SIGCONT: u32 = 18;
/// `SIGSTOP`.
pub const SIGSTOP: u32 = 19;
/// The set of `SIGKILL` and `SIGSTOP`, which nobody can block, catch or ignore.
pub const UNBLOCKABLE: u64 = 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1);
/// The set of `SIGSTOP`, `SIGTSTP`, `SIGTTIN` and `SIGTTOU`.
pub const STOP_SIGNALS: u64 = 0xf << (SIGSTOP - 1);
/// `SS_DISABLE` of `<linux/signal.h>`.
pub const SS_DISABLE: u32 = 2;
/// `SS_AUTODISARM` of `<linux/signal.h>`.
pub const SS_AUTODISARM: u32 = 1 << 31;

/// `SFD_NONBLOCK` of `<linux/signalfd.h>`.
pub const SFD_NONBLOCK: u32 = 0o4000;
/// `SFD_CLOEXEC`.
pub const SFD_CLOEXEC: u32 = 0o2_000_000;

/// The architecture of this reader, as in `<linux/audit.h>`.
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
/// The architecture of this reader, as in `<linux/audit.h>`.
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;

/// The smallest alternate stack that any task of these architectures can have. How much a signal
/// frame really takes is known to the kernel of the machine only.
const ALTSTACK_SIZE_MIN: u64 = 2048;

/// The highest `sigcr_action.abi` of this architecture.
#[cfg(target_arch = "x86_64")]
const ABI_MAX: u32 = abi::SIGCR_ABI_X32;
/// The highest `sigcr_action.abi` of this architecture.
#[cfg(target_arch = "aarch64")]
const ABI_MAX: u32 = abi::SIGCR_ABI_NATIVE;

/// Decodes and checks the header, the checksum last.
///
/// `bytes` is the whole record: the kernel calls [`check_header`] first, with the header alone.
fn decode_header(bytes: &[u8]) -> Result<Header, Refusal> {
    let header = check_header(bytes, bytes.len())?;
    let computed = checksum(bytes);
    if header.crc32c != computed {
        return Err(Refusal::BadChecksum {
            stored: header.crc32c,
            computed,
        });
    }
    if header.arch != ARCH {
        return Err(Refusal::UnsupportedArch { arch: header.arch });
    }
    if header.flags & !abi::SIGCR_RECORD_FLAGS != 0 {
        return Err(Refusal::UnknownRecordFlags {
            flags: header.flags,
        });
    }
    if header.tgid <= 0 || header.thread_count == 0 {
        return Err(Refusal::BadProcess {
            tgid: header.tgid,
            thread_count: header.thread_count,
        });
    }
    if header.reserved.iter().fold(0, |all, word| all | word) != 0 {
        let off = offset_of!(Header, reserved);
        return Err(Refusal::ReservedNotZero { off });
    }
    Ok(header)
}

/// Checks what of the header decides how many bytes of a buffer of `len` bytes are to be read.
///
/// `bytes` is the start of that buffer, at least the header where the buffer has room for one.
pub fn check_header(bytes: &[u8], len: usize) -> Result<Header, Refusal> {
    if len > abi::SIGCR_RECORD_LEN_MAX as usize {
        return Err(Refusal::TooLong { len });
    }
    let header = load::<Header>(bytes).ok_or(Refusal::TooShort { len: bytes.len() })?;
    if header.magic == abi::SIGCR_MAGIC.swap_bytes() {
        return Err(Refusal::ForeignByteOrder);
    }
    if header.magic != abi::SIGCR_MAGIC {
        return Err(Refusal::BadMagic {
            magic: header.magic,
        });
    }
    if header.version != abi::SIGCR_VERSION {
        return Err(Refusal::UnsupportedVersion {
            version: header.version,
        });
    }
    let header_len = header.header_len as usize;
    if header.total_len != len as u64 {
        return Err(Refusal::LengthMismatch {
            total_len: header.total_len,
            len,
        });
    }
    if header_len < Header::LEN
        || header_len % 8 != 0
        || header_len > abi::SIGCR_HEADER_LEN_MAX as usize
        || header_len > len
    {
        return Err(Refusal::BadHeaderLen {
            header_len: header.header_len,
        });
    }
    Ok(header)
}

/// The CRC-32C of a record: of all its bytes, with the checksum's own field as 0.
pub fn checksum(bytes: &[u8]) -> u32 {
    const OFF: usize = offset_of!(Header, crc32c);
    // No record is that short.
    let Some((head, rest)) = bytes.split_first_chunk::<{ OFF + size_of::<u32>() }>() else {
        return 0;
    };
    let mut head = *head;
    if let Some(field) = head.get_mut(OFF..) {
        field.fill(0);
    }
    crc32c_append(crc32c_append(0, &head), rest)
}
