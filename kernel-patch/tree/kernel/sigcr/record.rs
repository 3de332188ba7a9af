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
mod refusal;
mod rules;
mod sections;
mod timer_rules;
mod wire;

use core::{
    cmp::Ordering,
    mem::offset_of, //
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
pub use refusal::{
    Refusal,
    RefusalClass, //
};
pub use sections::{
    Sections,
    Threads, //
};

pub use rules::is_listed_only;
use rules::Checks;
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
    /// A signal of it that a ptracer holds.
    pub inflight: Option<Inflight>,
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
        while let Some((off, section)) = sections.next_checked()? {
            state.section(off, &section)?;
        }
        state.end(&header)?;
        // INVARIANT: Every check was made above.
        Ok(Self { bytes, header })
    }

    /// Checks that the record holds nothing that can be read but not restored.
    ///
    /// That is a signal that a ptracer holds; an entry of a timer without the timer, and the other
    /// way around: only the timer itself can queue it. And it is `SIGCONT` beside a stop signal:
    /// sending one takes the other one away, but a timer's signal that was ignored before comes
    /// back without that.
    pub fn check_restorable(&self) -> Result<(), Refusal> {
        let mut pending = 0;
        for (off, section) in self.sections() {
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
        timer_rules::check_entries(self)
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
        self.sections().find_map(|(_, section)| match section {
            Section::Process(process) => Some(process),
            _ => None,
        })
    }

    /// The ACTIONS section.
    pub fn actions(&self) -> Option<Actions<'a>> {
        self.sections().find_map(|(_, section)| match section {
            Section::Actions(actions) => Some(actions),
            _ => None,
        })
    }

    /// The SHARED_PENDING section.
    pub fn shared_pending(&self) -> Option<Queue<'a>> {
        self.sections().find_map(|(_, section)| match section {
            Section::SharedPending(queue) => Some(queue),
            _ => None,
        })
    }

    /// The ITIMERS section.
    pub fn itimers(&self) -> Option<Itimers> {
        self.sections().find_map(|(_, section)| match section {
            Section::Itimers(itimers) => Some(itimers),
            _ => None,
        })
    }

    /// The TIMERS section.
    pub fn timers(&self) -> Option<Timers<'a>> {
        self.sections().find_map(|(_, section)| match section {
            Section::Timers(timers) => Some(timers),
            _ => None,
        })
    }

    /// The SIGNALFDS section.
    pub fn signalfds(&self) -> Option<Signalfds<'a>> {
        self.sections().find_map(|(_, section)| match section {
            Section::Signalfds(signalfds) => Some(signalfds),
            _ => None,
        })
    }

    /// The WAITERS section.
    pub fn waiters(&self) -> Option<Waiters<'a>> {
        self.sections().find_map(|(_, section)| match section {
            Section::Waiters(waiters) => Some(waiters),
            _ => None,
        })
    }

    /// All queues: SHARED_PENDING, and PENDING of each thread.
    pub fn queues(&self) -> impl Iterator<Item = Queue<'a>> {
        self.sections().filter_map(|(_, section)| match section {
            Section::SharedPending(queue) | Section::Pending(queue) => Some(queue),
            _ => None,
        })
    }

    /// What the record holds of each thread, by ascending tid.
    pub fn threads(&self) -> Threads<'a> {
        Threads::new(self.sections())
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
}

impl EntryExt for Entry {
    fn signo(&self) -> u32 {
        word(&self.siginfo, 0)
    }

    fn code(&self) -> i32 {
        i32::from_ne_bytes(word(&self.siginfo, 8).to_ne_bytes())
    }

    fn has_reserved_code(&self) -> bool {
        self.code() >= 0 || self.code() == SI_TKILL
    }

    fn is_exempt(&self) -> bool {
        self.signo() < SIGRTMIN && self.code() >= 0
    }
}

/// What a queued signal says of itself, by its siginfo.
pub trait EntryExt {
    /// The signal number.
    fn signo(&self) -> u32;

    /// The signal code: who made the signal.
    fn code(&self) -> i32;

    /// Whether the code is one that only the kernel may use on behalf of others.
    ///
    /// Mirrors `si_code_reserved_to_kernel()` in kernel/signal.c.
    fn has_reserved_code(&self) -> bool;

    /// Whether the limit on queued signals does not hold for it.
    ///
    /// Mirrors `override_rlimit` in `__send_signal_locked()` in kernel/signal.c.
    fn is_exempt(&self) -> bool;
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

/// The native 32-bit word at `off` bytes of a siginfo; 0 beyond its end.
fn word(siginfo: &[u8], off: usize) -> u32 {
    siginfo
        .get(off..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// The number of the signal that a ptracer holds.
pub fn signo_in_flight(inflight: &Inflight) -> u32 {
    word(&inflight.siginfo, 0)
}

/// The set that holds `signo` alone; empty if that is not a signal number.
pub fn sigset_of(signo: u32) -> u64 {
    match signo {
        1..=abi::SIGCR_SIGNO_MAX => 1 << (signo - 1),
        _ => 0,
    }
}

/// `SI_TKILL` of `<asm-generic/siginfo.h>`.
const SI_TKILL: i32 = -6;
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
/// The first real-time signal; a signal below it is queued once at most.
const SIGRTMIN: u32 = 32;
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
    if header.reserved != [0; 5] {
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
    let (head, rest) = bytes.split_at(bytes.len().min(OFF));
    let crc = crc32c_append(crc32c_append(0, head), &[0; 4]);
    crc32c_append(crc, rest.get(4..).unwrap_or(&[]))
}

#[cfg_attr(CONFIG_SIGCR_KUNIT_TEST, kernel::macros::kunit_tests(sigcr_record))]
#[cfg(any(test, CONFIG_SIGCR_KUNIT_TEST))]
mod tests {
    use super::{
        encode::{
            seal,
            Writer, //
        },
        wire::Room,
        *, //
    };

    /// Room for the sample and what the tests add to it; small, as it is on the kernel's stack.
    const BUF_LEN: usize = 640;

    // Where the parts of the sample are.
    const PROCESS: usize = Header::LEN;
    const ACTIONS: usize = PROCESS + Process::LEN;
    const ACTION: usize = ACTIONS + abi::sigcr_actions::LEN;
    const SHARED: usize = ACTION + 2 * Action::LEN;
    const SHARED_ENTRY: usize = SHARED + abi::sigcr_pending::LEN;
    const THREAD: usize = SHARED_ENTRY + 2 * Entry::LEN;
    const ALTSTACK: usize = THREAD + Thread::LEN;
    const PENDING: usize = ALTSTACK + Altstack::LEN;
    const PENDING_ENTRY: usize = PENDING + abi::sigcr_pending::LEN;
    const SECOND: usize = PENDING_ENTRY + Entry::LEN;
    const END: usize = SECOND + Thread::LEN;

    // Where fields are in their structs.
    const LEN_OFF: usize = offset_of!(Head, len);
    const FLAGS_OFF: usize = offset_of!(Head, flags);
    const TID_OFF: usize = Head::LEN;
    const SET_OFF: usize = offset_of!(abi::sigcr_pending, set);
    const ENTRY_LEN_OFF: usize = offset_of!(abi::sigcr_pending, entry_len);
    const ENTRY_COUNT_OFF: usize = offset_of!(abi::sigcr_pending, entry_count);
    const ENTRIES_OFF_OFF: usize = offset_of!(abi::sigcr_pending, entries_off);

    const SIGCHLD: u32 = 17;
    const SIGHUP: u32 = 1;
    const SIGUSR1: u32 = 10;
    const SIGTERM: u32 = 15;

    fn head(flags: u32) -> Head {
        Head {
            type_: 0,
            flags,
            len: 0,
        }
    }

    fn header() -> Header {
        Header {
            magic: 0,
            version: 0,
            header_len: 0,
            crc32c: 0,
            total_len: 0,
            arch: 0,
            flags: 0,
            section_count: 0,
            thread_count: 2,
            tgid: 100,
            reserved: [0; 5],
        }
    }

    fn process() -> Process {
        Process {
            section: head(abi::SIGCR_PROCESS_STOPPED),
            stop_signo: SIGSTOP,
            exit_signo: SIGCHLD,
            rlimit_sigpending_count: 1000,
            start_boottime_ns: 5,
        }
    }

    fn action(signo: u32) -> Action {
        Action {
            signo,
            abi: abi::SIGCR_ABI_NATIVE,
            flags: abi::SIGCR_ACTION_FLAGS.into(),
            handler: 0x1000,
            restorer: 0x2000,
            mask: sigset_of(SIGTERM),
        }
    }

    fn entry(signo: u32) -> Entry {
        let mut siginfo = [0x5a; abi::SIGCR_SIGINFO_LEN as usize];
        put(&mut siginfo, 0, signo);
        Entry {
            siginfo,
            flags: 0,
            timer_id: 0,
        }
    }

    fn thread(tid: i32, flags: u32) -> Thread {
        Thread {
            section: head(flags),
            tid,
            pdeath_signo: SIGTERM,
            blocked: !UNBLOCKABLE,
        }
    }

    fn timer(timer_id: i32, flags: u32) -> Timer {
        Timer {
            timer_id,
            clock_id: 1,
            notify: 0,
            signo: SIGTERM,
            sigval: 7,
            notify_tid: 0,
            flags,
            interval_ns: 1000,
            remaining_ns: 500,
            expires_ns: 0,
            overrun: 3,
            overrun_last: -1,
        }
    }

    fn timers(writer: &mut Writer<'_>, timers: &[Timer]) {
        let mut list = writer.begin_timers();
        for timer in timers {
            writer.timer(&mut list, timer);
        }
        writer.end_timers(list, 9);
    }

    /// An entry of `timer`.
    fn timer_entry(timer: &Timer) -> Entry {
        let mut entry = entry(timer.signo);
        put(&mut entry.siginfo, 8, -2_i32);
        Entry {
            flags: abi::SIGCR_ENTRY_TIMER,
            timer_id: timer.timer_id,
            ..entry
        }
    }

    fn altstack(tid: i32) -> Altstack {
        Altstack {
            section: head(0),
            tid,
            ss_flags: SS_AUTODISARM,
            sp: 0x10000,
            size: 0x4000,
        }
    }

    fn queue(writer: &mut Writer<'_>, tid: i32, set: u64, entries: &[Entry]) {
        let mut list = writer.begin_queue();
        for entry in entries {
            writer.entry(&mut list, entry);
        }
        writer.end_queue(list, tid, set);
    }

    /// The sample: each section, with two entries in a list, and a second thread.
    fn sample(buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        writer.process(&process());
        let mut list = writer.begin_actions();
        writer.action(&mut list, &action(SIGHUP));
        writer.action(&mut list, &action(SIGUSR1));
        writer.end_actions(list);
        // One more signal is pending than is queued.
        let set = sigset_of(SIGTERM) | sigset_of(40) | sigset_of(SIGUSR1);
        queue(&mut writer, 0, set, &[entry(SIGTERM), entry(40)]);
        writer.thread(&thread(100, 0));
        writer.altstack(&altstack(100));
        queue(&mut writer, 100, sigset_of(33), &[entry(33)]);
        writer.thread(&thread(101, abi::SIGCR_THREAD_UNSTABLE));
        writer.finish(&header())
    }

    /// Why a record is refused that `write` writes.
    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Option<Refusal> {
        written_with(0, write)
    }

    /// The same with these flags in the header.
    // Never inlined, so that a test has no more than one buffer on its stack.
    #[inline(never)]
    fn written_with(flags: u32, write: impl FnOnce(&mut Writer<'_>)) -> Option<Refusal> {
        let mut buf = [0; BUF_LEN];
        let mut writer = Writer::new(&mut buf);
        write(&mut writer);
        let len = writer.finish(&Header { flags, ..header() });
        Record::decode(buf.get(..len)?).err()
    }

    /// Why a record decodes but cannot be restored that `write` writes.
    #[inline(never)]
    fn not_restorable(write: impl FnOnce(&mut Writer<'_>)) -> Option<Refusal> {
        let mut buf = [0; BUF_LEN];
        let mut writer = Writer::new(&mut buf);
        write(&mut writer);
        let len = writer.finish(&header());
        let record = Record::decode(buf.get(..len)?);
        assert!(record.is_ok());
        record.ok()?.check_restorable().err()
    }

    /// Why the sample is refused after `fault` was put into it, and the checksum made good.
    #[inline(never)]
    fn faulty(fault: impl FnOnce(&mut [u8])) -> Option<Refusal> {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        let record = buf.get_mut(..len)?;
        fault(record);
        seal(record);
        Record::decode(record).err()
    }

    /// Why the sample is refused with `value` at `off`.
    fn with<T: Wire>(off: usize, value: T) -> Option<Refusal> {
        faulty(|record| put(record, off, value))
    }

    fn put<T: Wire>(bytes: &mut [u8], off: usize, value: T) {
        if let Some(rest) = bytes.get_mut(off..) {
            value.store(&mut Room { rest });
        }
    }

    /// Makes room for 8 bytes at `off` of the record in `buf`, in the section at `section_off`.
    /// Returns the new length.
    fn insert(buf: &mut [u8], len: usize, section_off: usize, off: usize) -> usize {
        buf.copy_within(off..len, off + 8);
        put(buf, off, u64::MAX);
        let section: Option<Head> = buf.get(section_off..).and_then(load);
        if let Some(section) = section {
            put(buf, section_off + LEN_OFF, section.len + 8);
        }
        put(buf, offset_of!(Header, total_len), (len + 8) as u64);
        len + 8
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        assert_eq!(len, END);
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        let header = record.header();
        assert_eq!(header.total_len, END as u64);
        assert_eq!(header.section_count, 7);
        assert_eq!(header.thread_count, 2);
        assert_eq!(header.tgid, 100);
        assert_eq!(header.arch, ARCH);
        assert!(record.check_restorable().is_ok());
        let process = record.process();
        assert_eq!(process.map(|process| process.stop_signo), Some(SIGSTOP));
        assert_eq!(process.map(|process| process.start_boottime_ns), Some(5));
        let mut signals = record.actions().into_iter().flat_map(|list| list.iter());
        assert_eq!(signals.next().map(|action| action.signo), Some(SIGHUP));
        let second = signals.next();
        assert_eq!(second.map(|action| action.signo), Some(SIGUSR1));
        assert_eq!(second.map(|action| action.handler), Some(0x1000));
        assert_eq!(second.map(|action| action.restorer), Some(0x2000));
        assert!(signals.next().is_none());
        let shared = record.shared_pending();
        assert_eq!(shared.map(|queue| queue.entry_count()), Some(2));
        let mut entries = shared.into_iter().flat_map(|queue| queue.entries());
        let first = entries.next();
        assert_eq!(
            first.map(|first| first.siginfo),
            Some(entry(SIGTERM).siginfo)
        );
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(40));
    }

    #[test]
    fn the_sections_of_a_thread_are_found_together() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        let record = Record::decode(&buf[..len]).ok();
        let mut threads = record.into_iter().flat_map(|record| record.threads());
        let first = threads.next();
        let second = threads.next();
        assert!(threads.next().is_none());
        assert_eq!(first.as_ref().map(|thread| thread.tid), Some(100));
        assert_eq!(second.as_ref().map(|thread| thread.tid), Some(101));
        let Some((first, second)) = first.zip(second) else {
            return;
        };
        assert_eq!(
            first.thread.map(|thread| thread.blocked),
            Some(!UNBLOCKABLE)
        );
        assert_eq!(first.altstack.map(|altstack| altstack.size), Some(0x4000));
        assert_eq!(first.pending.map(|queue| queue.set), Some(sigset_of(33)));
        assert!(second.altstack.is_none() && second.pending.is_none());
    }

    #[test]
    fn a_record_without_sections_is_a_record() {
        assert_eq!(written(|_| ()), None);
    }

    #[test]
    fn short_buffer_is_refused_as_too_short() {
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let refusal = |bytes| Record::decode(bytes).err();
        assert_eq!(refusal(&buf[..63]), Some(Refusal::TooShort { len: 63 }));
        assert_eq!(refusal(&[]), Some(Refusal::TooShort { len: 0 }));
    }

    #[test]
    fn a_record_over_the_limit_is_refused_before_it_is_read() {
        let max = abi::SIGCR_RECORD_LEN_MAX as usize;
        let refusal = check_header(&[], max + 1).err();
        assert_eq!(refusal, Some(Refusal::TooLong { len: max + 1 }));
        let refusal = check_header(&[], max).err();
        assert_eq!(refusal, Some(Refusal::TooShort { len: 0 }));
    }

    #[test]
    fn other_first_bytes_are_refused_as_bad_magic() {
        assert_eq!(with(0, 7_u32), Some(Refusal::BadMagic { magic: 7 }));
    }

    #[test]
    fn swapped_magic_is_refused_as_foreign_byte_order() {
        let magic = abi::SIGCR_MAGIC.swap_bytes();
        assert_eq!(with(0, magic), Some(Refusal::ForeignByteOrder));
    }

    #[test]
    fn other_versions_are_refused_as_unsupported() {
        const OFF: usize = offset_of!(Header, version);
        let refusal = |version| Some(Refusal::UnsupportedVersion { version });
        assert_eq!(with(OFF, 0_u32), refusal(0));
        assert_eq!(with(OFF, 2_u32), refusal(2));
    }

    #[test]
    fn impossible_header_lengths_are_refused() {
        const OFF: usize = offset_of!(Header, header_len);
        let refusal = |header_len| Some(Refusal::BadHeaderLen { header_len });
        assert_eq!(with(OFF, 56_u32), refusal(56));
        assert_eq!(with(OFF, 68_u32), refusal(68));
        assert_eq!(with(OFF, END as u32 + 8), refusal(END as u32 + 8));
        assert_eq!(with(OFF, u32::MAX - 7), refusal(u32::MAX - 7));
    }

    #[test]
    fn header_over_its_limit_is_refused() {
        // A header alone that claims more than a header may have; the rest need not be there.
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let len = abi::SIGCR_HEADER_LEN_MAX + 8;
        put(&mut buf, offset_of!(Header, header_len), len);
        put(&mut buf, offset_of!(Header, total_len), u64::from(len));
        let refusal = check_header(&buf, len as usize).err();
        assert_eq!(refusal, Some(Refusal::BadHeaderLen { header_len: len }));
    }

    #[test]
    fn bytes_that_are_missing_or_follow_are_refused_as_length_mismatch() {
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let refusal = |len: usize| Record::decode(&buf[..len]).err();
        let mismatch = |len| {
            let total_len = END as u64;
            Some(Refusal::LengthMismatch { total_len, len })
        };
        assert_eq!(refusal(END - 1), mismatch(END - 1));
        assert_eq!(refusal(END + 1), mismatch(END + 1));
        assert_eq!(refusal(64), mismatch(64));
    }

    #[test]
    fn every_changed_byte_is_refused_for_its_checksum_or_before() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        let mut unnoticed = 0;
        let mut by_checksum = 0;
        for off in 0..len {
            buf[off] ^= 0xff;
            match Record::decode(&buf[..len]) {
                Ok(_) => unnoticed += 1,
                Err(Refusal::BadChecksum { .. }) => by_checksum += 1,
                Err(_) => {}
            }
            buf[off] ^= 0xff;
        }
        assert_eq!(unnoticed, 0);
        // All but magic, version and the two lengths, which come first.
        assert_eq!(by_checksum, len - 4 - 4 - 4 - 8);
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of the catalogue; then the field itself, which counts as zeroes.
        assert_eq!(crc32c_append(0, b"123456789"), 0xe306_9283);
        let mut bytes = [0x41; 24];
        let all = checksum(&bytes);
        put(&mut bytes, offset_of!(Header, crc32c), 0_u32);
        assert_eq!(checksum(&bytes), all);
        assert_eq!(crc32c_append(0, &bytes), all);
    }

    #[test]
    fn another_architecture_is_refused() {
        let refusal = with(offset_of!(Header, arch), !ARCH);
        assert_eq!(refusal, Some(Refusal::UnsupportedArch { arch: !ARCH }));
    }

    #[test]
    fn unknown_record_flags_are_refused() {
        let refusal = with(offset_of!(Header, flags), 0x11_u32);
        assert_eq!(refusal, Some(Refusal::UnknownRecordFlags { flags: 0x11 }));
    }

    #[test]
    fn impossible_process_is_refused() {
        let refusal = |tgid, thread_count| Some(Refusal::BadProcess { tgid, thread_count });
        assert_eq!(with(offset_of!(Header, tgid), 0_i32), refusal(0, 2));
        assert_eq!(with(offset_of!(Header, tgid), -1_i32), refusal(-1, 2));
        assert_eq!(
            with(offset_of!(Header, thread_count), 0_u32),
            refusal(100, 0)
        );
    }

    #[test]
    fn reserved_fields_that_are_not_zero_are_refused() {
        let refusal = |off| Some(Refusal::ReservedNotZero { off });
        let header = offset_of!(Header, reserved);
        assert_eq!(with(header, 1_u32), refusal(header));
        assert_eq!(with(header + 16, 1_u32), refusal(header));
        for off in [
            ACTIONS + offset_of!(abi::sigcr_actions, reserved),
            PENDING_ENTRY + offset_of!(Entry, timer_id),
        ] {
            assert_eq!(with(off, 1_u32), refusal(off));
        }
    }

    #[test]
    fn impossible_section_lengths_are_refused() {
        let refusal = |off, len| Some(Refusal::BadSectionLen { off, len });
        let with_len = |off, len: u64| with(off + LEN_OFF, len);
        assert_eq!(with_len(PROCESS, 8), refusal(PROCESS, 8));
        assert_eq!(with_len(PROCESS, 0), refusal(PROCESS, 0));
        assert_eq!(with_len(PROCESS, 44), refusal(PROCESS, 44));
        assert_eq!(with_len(SECOND, 40), refusal(SECOND, 40));
        assert_eq!(with_len(SECOND, u64::MAX), refusal(SECOND, u64::MAX));
        // Too short for any section, also for one that would be skipped.
        let unknown = faulty(|record| {
            put(record, PROCESS, 0x77_u32);
            put(record, PROCESS + LEN_OFF, 8_u64);
        });
        assert_eq!(unknown, refusal(PROCESS, 8));
        // Long enough for a section, too short for its type.
        for off in [PROCESS, ACTIONS, SHARED, THREAD, ALTSTACK, PENDING] {
            assert_eq!(with_len(off, 24), refusal(off, 24));
        }
    }

    #[test]
    fn a_section_head_that_is_cut_off_is_refused() {
        let mut buf = [0; BUF_LEN];
        let mut len = sample(&mut buf);
        len = insert(&mut buf, len, SECOND, len);
        put(&mut buf, SECOND + LEN_OFF, Thread::LEN as u64);
        seal(&mut buf[..len]);
        let refusal = Record::decode(&buf[..len]).err();
        let off = END;
        assert_eq!(refusal, Some(Refusal::BadSectionLen { off, len: 8 }));
    }

    #[test]
    fn unknown_mandatory_section_is_refused() {
        let section_type = abi::SIGCR_SECTION_MANDATORY | 0x77;
        let off = PROCESS;
        let refusal = Refusal::UnknownMandatorySection { off, section_type };
        assert_eq!(with(off, section_type), Some(refusal));
    }

    #[test]
    fn unknown_optional_section_is_skipped() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        put(&mut buf, PROCESS, 0x77_u32);
        seal(&mut buf[..len]);
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        assert!(record.process().is_none());
        assert!(record.actions().is_some());
        assert_eq!(record.threads().count(), 2);
        let first = record.sections().next();
        assert!(matches!(
            first,
            Some((PROCESS, Section::Unknown { section_type: 0x77, bytes })) if bytes.len() == 40
        ));
    }

    #[test]
    fn unknown_section_flags_are_refused() {
        for (off, flags) in [
            (PROCESS, 0x10_u32),
            (ACTIONS, 1),
            (SHARED, 1),
            (THREAD, 0x80),
            (ALTSTACK, 1),
            (PENDING, 1),
        ] {
            let refusal = Refusal::UnknownSectionFlags { off, flags };
            assert_eq!(with(off + FLAGS_OFF, flags), Some(refusal));
        }
    }

    #[test]
    fn sections_twice_or_out_of_order_are_refused() {
        let order = |off, section_type| Some(Refusal::SectionOrder { off, section_type });
        let twice = written(|writer| {
            writer.process(&process());
            writer.process(&process());
        });
        assert_eq!(twice, order(ACTIONS, abi::SIGCR_SECTION_PROCESS));
        let after_queue = written(|writer| {
            queue(writer, 0, 0, &[]);
            let list = writer.begin_actions();
            writer.end_actions(list);
        });
        assert_eq!(after_queue, order(64 + 40, abi::SIGCR_SECTION_ACTIONS));
        let late = written(|writer| {
            writer.thread(&thread(1, 0));
            writer.process(&process());
        });
        assert_eq!(late, order(64 + 32, abi::SIGCR_SECTION_PROCESS));
        let within_thread = written(|writer| {
            writer.altstack(&altstack(1));
            writer.thread(&thread(1, 0));
        });
        assert_eq!(within_thread, order(64 + 40, abi::SIGCR_SECTION_THREAD));
        let descending = written(|writer| {
            writer.thread(&thread(2, 0));
            writer.thread(&thread(1, 0));
        });
        assert_eq!(descending, order(64 + 32, abi::SIGCR_SECTION_THREAD));
        let torn = written(|writer| {
            writer.thread(&thread(1, 0));
            writer.thread(&thread(2, 0));
            writer.altstack(&altstack(1));
        });
        assert_eq!(torn, order(64 + 64, abi::SIGCR_SECTION_ALTSTACK));
    }

    #[test]
    fn a_thread_that_is_only_listed_has_no_other_section() {
        for flags in [abi::SIGCR_THREAD_WORKER, abi::SIGCR_THREAD_DEAD] {
            let refusal = written(|writer| {
                writer.thread(&thread(1, flags));
                writer.altstack(&altstack(1));
            });
            let section_type = abi::SIGCR_SECTION_ALTSTACK;
            let off = 64 + 32;
            assert_eq!(refusal, Some(Refusal::SectionOrder { off, section_type }));
            let next = written(|writer| {
                writer.thread(&thread(1, flags));
                writer.altstack(&altstack(2));
                queue(writer, 2, 0, &[]);
            });
            assert_eq!(next, None);
        }
    }

    #[test]
    fn another_count_of_sections_is_refused() {
        let refusal = |stored| Some(Refusal::SectionCountMismatch { stored, seen: 7 });
        const OFF: usize = offset_of!(Header, section_count);
        assert_eq!(with(OFF, 6_u32), refusal(6));
        assert_eq!(with(OFF, 8_u32), refusal(8));
    }

    #[test]
    fn a_record_of_one_thread_holds_nothing_else() {
        const FLAGS: u32 = abi::SIGCR_RECORD_ONE_THREAD;
        let refusal = |off| Some(Refusal::NotOneThread { off });
        let of_process = with(offset_of!(Header, flags), FLAGS);
        assert_eq!(of_process, refusal(PROCESS));
        let with_altstack_of = |tid| {
            written_with(FLAGS, |writer| {
                writer.thread(&thread(1, 0));
                writer.altstack(&altstack(tid));
            })
        };
        assert_eq!(with_altstack_of(1), None);
        assert_eq!(with_altstack_of(2), refusal(64 + 32));
    }

    #[test]
    fn impossible_tids_are_refused() {
        for (off, tid) in [
            (SHARED, 1),
            (THREAD, 0),
            (THREAD, -1),
            (ALTSTACK, 0),
            (PENDING, 0),
        ] {
            let refusal = Refusal::BadTid { off, tid };
            assert_eq!(with(off + TID_OFF, tid), Some(refusal));
        }
    }

    #[test]
    fn entries_that_do_not_fill_their_section_are_refused() {
        for (section, off, value, entry_count) in [
            (SHARED, ENTRY_COUNT_OFF, 1, 1),
            (SHARED, ENTRY_COUNT_OFF, 3, 3),
            (SHARED, ENTRY_COUNT_OFF, u32::MAX, u32::MAX),
            (SHARED, ENTRIES_OFF_OFF, 32, 2),
            (SHARED, ENTRIES_OFF_OFF, 44, 2),
            (SHARED, ENTRIES_OFF_OFF, u32::MAX - 7, 2),
            (SHARED, ENTRY_LEN_OFF, 64, 2),
            (ACTIONS, offset_of!(abi::sigcr_actions, entry_count), 3, 3),
            (ACTIONS, offset_of!(abi::sigcr_actions, entries_off), 24, 2),
        ] {
            let off = section + off;
            let refusal = Refusal::BadEntries {
                off: section,
                entry_count,
            };
            assert_eq!(with(off, value), Some(refusal));
        }
        // Two longer entries that fill the section, from inside its head.
        let overlap = faulty(|record| {
            put(record, SHARED + ENTRY_LEN_OFF, 64_u32);
            put(record, SHARED + ENTRIES_OFF_OFF, 24_u32);
        });
        let off = SHARED;
        let entry_count = 2;
        assert_eq!(overlap, Some(Refusal::BadEntries { off, entry_count }));
    }

    #[test]
    fn impossible_entry_lengths_are_refused() {
        let actions = offset_of!(abi::sigcr_actions, entry_len);
        for (section, off, entry_len) in [
            (SHARED, ENTRY_LEN_OFF, 48),
            (SHARED, ENTRY_LEN_OFF, 60),
            (SHARED, ENTRY_LEN_OFF, 0),
            (ACTIONS, actions, 32),
        ] {
            let refusal = Refusal::BadEntryLen {
                off: section,
                entry_len,
            };
            assert_eq!(with(section + off, entry_len), Some(refusal));
        }
    }

    #[test]
    fn what_is_no_signal_number_is_refused() {
        let refusal = |off, signo| Some(Refusal::BadSigno { off, signo });
        let stop = PROCESS + offset_of!(Process, stop_signo);
        assert_eq!(with(stop, 65_u32), refusal(PROCESS, 65));
        for signo in [0, 65, u32::MAX] {
            assert_eq!(with(ACTION, signo), refusal(ACTION, signo));
            assert_eq!(with(SHARED_ENTRY, signo), refusal(SHARED_ENTRY, signo));
            assert_eq!(with(PENDING_ENTRY, signo), refusal(PENDING_ENTRY, signo));
        }
        assert_eq!(with(stop, 0_u32), None);
        let exit = PROCESS + offset_of!(Process, exit_signo);
        assert_eq!(with(exit, 65_u32), refusal(PROCESS, 65));
        assert_eq!(with(exit, 0_u32), None);
        let pdeath = THREAD + offset_of!(Thread, pdeath_signo);
        assert_eq!(with(pdeath, 65_u32), refusal(THREAD, 65));
        assert_eq!(with(pdeath, 0_u32), None);
    }

    #[test]
    fn actions_twice_or_out_of_order_are_refused() {
        let off = ACTION + Action::LEN;
        let refusal = |signo| Some(Refusal::ActionOrder { off, signo });
        assert_eq!(with(off, SIGHUP), refusal(SIGHUP));
        let swapped = faulty(|record| {
            put(record, ACTION, SIGUSR1);
            put(record, off, SIGHUP);
        });
        assert_eq!(swapped, refusal(SIGHUP));
    }

    #[test]
    fn kill_and_stop_cannot_have_an_action() {
        let off = ACTION + Action::LEN;
        for signo in [SIGKILL, SIGSTOP] {
            assert_eq!(
                with(off, signo),
                Some(Refusal::ActionForbidden { off, signo })
            );
        }
    }

    #[test]
    fn action_flags_that_are_not_stored_are_refused() {
        let off = ACTION;
        // SA_UNSUPPORTED, SA_IMMUTABLE, and what an int cannot hold.
        for flags in [0x400_u64, 0x0080_0000, 1 << 32] {
            let refusal = Refusal::UnknownActionFlags { off, flags };
            assert_eq!(with(off + offset_of!(Action, flags), flags), Some(refusal));
        }
    }

    #[test]
    fn an_abi_that_the_architecture_lacks_is_refused() {
        let off = ACTION;
        let at = off + offset_of!(Action, abi);
        let abi = ABI_MAX + 1;
        assert_eq!(with(at, abi), Some(Refusal::UnknownAbi { off, abi }));
        assert_eq!(with(at, ABI_MAX), None);
    }

    #[test]
    fn kill_and_stop_cannot_be_blocked() {
        for signo in [SIGKILL, SIGSTOP] {
            let set = sigset_of(signo);
            for (off, at) in [
                (THREAD, THREAD + offset_of!(Thread, blocked)),
                (ACTION, ACTION + offset_of!(Action, mask)),
            ] {
                let refusal = Refusal::UnblockableBlocked { off, set };
                assert_eq!(with(at, set), Some(refusal));
            }
        }
    }

    #[test]
    fn kill_cannot_be_pending() {
        for off in [SHARED, PENDING] {
            let refusal = with(off + SET_OFF, sigset_of(SIGKILL));
            assert_eq!(refusal, Some(Refusal::KillPending { off }));
        }
    }

    #[test]
    fn a_signal_that_is_queued_and_not_in_the_set_is_refused() {
        let off = PENDING_ENTRY;
        let refusal = Refusal::EntryNotInSet { off, signo: 33 };
        assert_eq!(with(PENDING + SET_OFF, 0_u64), Some(refusal));
    }

    #[test]
    fn a_legacy_signal_cannot_be_queued_twice_and_a_realtime_signal_can() {
        let twice = |signo| {
            written(|writer| {
                let entries = [entry(signo), entry(signo)];
                queue(writer, 0, sigset_of(signo), &entries);
            })
        };
        let off = 64 + 40 + Entry::LEN;
        let refusal = Refusal::LegacyTwice { off, signo: 31 };
        assert_eq!(twice(31), Some(refusal));
        assert_eq!(twice(32), None);
        // Once in each of two queues is another matter.
        let in_two_queues = written(|writer| {
            queue(writer, 0, sigset_of(SIGTERM), &[entry(SIGTERM)]);
            queue(writer, 1, sigset_of(SIGTERM), &[entry(SIGTERM)]);
        });
        assert_eq!(in_two_queues, None);
    }

    #[test]
    fn a_legacy_signal_of_timers_can_be_queued_twice() {
        let mut timer = entry(SIGTERM);
        timer.flags = abi::SIGCR_ENTRY_TIMER;
        let entries = [timer, timer, entry(SIGTERM)];
        let refusal = written(|writer| queue(writer, 0, sigset_of(SIGTERM), &entries));
        assert_eq!(refusal, None);
    }

    #[test]
    fn continue_and_a_stop_signal_can_be_read_and_not_restored() {
        for stop in 19..=22 {
            let set = sigset_of(SIGCONT) | sigset_of(stop);
            let in_one_queue = not_restorable(|writer| queue(writer, 1, set, &[]));
            assert_eq!(in_one_queue, Some(Refusal::ContinueAndStop { off: 64 }));
            let in_two_queues = not_restorable(|writer| {
                queue(writer, 1, sigset_of(stop), &[]);
                queue(writer, 2, sigset_of(SIGCONT), &[]);
            });
            let off = 64 + 40;
            assert_eq!(in_two_queues, Some(Refusal::ContinueAndStop { off }));
        }
        let set = !(1 << (SIGKILL - 1) | STOP_SIGNALS);
        let others = not_restorable(|writer| queue(writer, 1, set, &[]));
        assert_eq!(others, None);
    }

    #[test]
    fn unknown_entry_flags_are_refused() {
        let off = SHARED_ENTRY;
        let refusal = with(off + offset_of!(Entry, flags), 2_u32);
        assert_eq!(refusal, Some(Refusal::UnknownEntryFlags { off, flags: 2 }));
    }

    #[test]
    fn a_signal_of_a_timer_can_be_read_and_not_restored() {
        for off in [SHARED_ENTRY + Entry::LEN, PENDING_ENTRY] {
            let mut buf = [0; BUF_LEN];
            let len = sample(&mut buf);
            let flags_off = off + offset_of!(Entry, flags);
            put(&mut buf, flags_off, abi::SIGCR_ENTRY_TIMER);
            put(&mut buf, off + offset_of!(Entry, timer_id), 6_i32);
            seal(&mut buf[..len]);
            let record = Record::decode(&buf[..len]);
            assert!(record.is_ok());
            let refusal = record.and_then(|record| record.check_restorable()).err();
            assert_eq!(refusal, Some(Refusal::TimerMissing { off, timer_id: 6 }));
        }
    }

    const ARMED: u32 = abi::SIGCR_TIMER_ARMED;
    const WAITS: u32 = abi::SIGCR_TIMER_PENDING;
    const IGNORED: u32 = abi::SIGCR_TIMER_IGNORED;
    const ABSTIME: u32 = abi::SIGCR_TIMER_ABSTIME;
    /// Where the first entry of a list is that stands behind the header.
    const FIRST_ENTRY: usize = 64 + 32;

    /// Why a record is refused with the sample timer after `fault`.
    fn timer_with(flags: u32, fault: impl FnOnce(&mut Timer)) -> Option<Refusal> {
        let mut one = timer(1, flags);
        fault(&mut one);
        written(|writer| timers(writer, &[one]))
    }

    #[test]
    fn timers_and_their_signals_decode_to_what_was_encoded() {
        let mut buf = [0; BUF_LEN];
        let mut writer = Writer::new(&mut buf);
        let waiting = timer(2, WAITS);
        let own = Timer {
            notify: SIGEV_THREAD_ID,
            notify_tid: 100,
            ..timer(5, WAITS)
        };
        queue(&mut writer, 0, sigset_of(SIGTERM), &[timer_entry(&waiting)]);
        timers(&mut writer, &[timer(1, ARMED), waiting, own]);
        queue(&mut writer, 100, sigset_of(SIGTERM), &[timer_entry(&own)]);
        let len = writer.finish(&header());
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        assert!(record.check_restorable().is_ok());
        let found = record.timers();
        assert_eq!(found.map(|found| found.next_timer_id), Some(9));
        assert_eq!(found.map(|found| found.count()), Some(3));
        let find = |id| found.and_then(|found| found.find(id));
        assert_eq!(find(5).map(|timer| timer.notify_tid), Some(100));
        assert_eq!(find(1).map(|timer| timer.overrun), Some(3));
        assert_eq!(find(2).map(|timer| timer.remaining_ns), Some(500));
        assert!(find(0).is_none() && find(3).is_none() && find(9).is_none());
    }

    #[test]
    fn timers_out_of_order_are_refused() {
        let refusal = |ids: [i32; 2]| {
            let [a, b] = ids.map(|id| timer(id, ARMED));
            written(|writer| timers(writer, &[a, b]))
        };
        let off = FIRST_ENTRY + Timer::LEN;
        assert_eq!(refusal([0, 1]), None);
        assert_eq!(refusal([1, 1]), Some(Refusal::BadId { off, id: 1 }));
        assert_eq!(refusal([2, 1]), Some(Refusal::BadId { off, id: 1 }));
        let off = FIRST_ENTRY;
        assert_eq!(refusal([-1, 1]), Some(Refusal::BadId { off, id: -1 }));
        let next = written(|writer| {
            let list = writer.begin_timers();
            writer.end_timers(list, 1 << 31);
        });
        let id = i32::MIN;
        assert_eq!(next, Some(Refusal::BadId { off: 64, id }));
    }

    #[test]
    fn a_timer_that_notifies_as_none_can_is_refused() {
        let off = FIRST_ENTRY;
        let with = |notify, notify_tid| {
            timer_with(ARMED, |timer| {
                timer.notify = notify;
                timer.notify_tid = notify_tid;
            })
        };
        let refusal = |notify| Some(Refusal::BadNotify { off, notify });
        for notify in [0, 1, 2, 4] {
            assert_eq!(with(notify, 0), None);
        }
        assert_eq!(with(4, 7), None);
        for notify in [3, 5, 6, u32::MAX] {
            assert_eq!(with(notify, 0), refusal(notify));
        }
        assert_eq!(with(0, 7), refusal(0));
        assert_eq!(with(4, -7), refusal(4));
        for signo in [0, 65] {
            let refused = timer_with(ARMED, |timer| timer.signo = signo);
            assert_eq!(refused, Some(Refusal::BadSigno { off, signo }));
            let silent = timer_with(ARMED, |timer| {
                timer.signo = signo;
                timer.notify = SIGEV_NONE;
            });
            assert_eq!(silent, None);
        }
    }

    #[test]
    fn a_timer_is_in_one_state() {
        let off = FIRST_ENTRY;
        let refusal = |flags| Some(Refusal::BadTimerFlags { off, flags });
        for flags in [ARMED, WAITS, IGNORED] {
            assert_eq!(timer_with(flags, |_| ()), None);
        }
        for flags in [ARMED | WAITS, ARMED | IGNORED, WAITS | IGNORED, 0x10] {
            assert_eq!(timer_with(flags, |_| ()), refusal(flags));
        }
        let one_shot = |timer: &mut Timer| (timer.interval_ns, timer.remaining_ns) = (0, 0);
        assert_eq!(timer_with(WAITS, one_shot), None);
        assert_eq!(timer_with(IGNORED, one_shot), refusal(IGNORED));
        for flags in [WAITS, IGNORED] {
            let silent = timer_with(flags, |timer| timer.notify = SIGEV_NONE);
            assert_eq!(silent, refusal(flags));
        }
        // Absolute is known of a timer of CLOCK_REALTIME that runs.
        let absolute = |flags, clock_id| {
            timer_with(flags, |timer| {
                timer.clock_id = clock_id;
                timer.expires_ns = 5;
            })
        };
        assert_eq!(absolute(ARMED | ABSTIME, 0), None);
        assert_eq!(absolute(ARMED | ABSTIME, 1), refusal(ARMED | ABSTIME));
        assert_eq!(absolute(WAITS | ABSTIME, 0), refusal(WAITS | ABSTIME));
        let time_ns = 5;
        let relative = Refusal::BadTime { off, time_ns };
        assert_eq!(absolute(ARMED, 0), Some(relative));
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let off = FIRST_ENTRY;
        let refusal = |time_ns| Some(Refusal::BadTime { off, time_ns });
        let too_long = 1 << 63;
        let interval = timer_with(ARMED, |timer| timer.interval_ns = too_long);
        assert_eq!(interval, refusal(too_long));
        let remaining = timer_with(ARMED, |timer| timer.remaining_ns = too_long);
        assert_eq!(remaining, refusal(too_long));
        let longest = timer_with(ARMED, |timer| timer.remaining_ns = too_long - 1);
        assert_eq!(longest, None);
        let expired = |timer: &mut Timer| timer.remaining_ns = 0;
        assert_eq!(timer_with(ARMED, expired), refusal(0));
        let silent = timer_with(ARMED, |timer| {
            timer.remaining_ns = 0;
            timer.notify = SIGEV_NONE;
        });
        assert_eq!(silent, None);
        assert_eq!(timer_with(WAITS, expired), refusal(0));
        assert_eq!(timer_with(0, |_| ()), refusal(500));
        let overrun = timer_with(ARMED, |timer| timer.overrun = -2);
        assert_eq!(overrun, Some(Refusal::BadOverrun { off, overrun: -2 }));
        let itimers = |flags, remaining_ns, interval_ns| {
            written(|writer| {
                let real = Itimer {
                    remaining_ns,
                    interval_ns,
                };
                writer.itimers(&Itimers {
                    section: head(flags),
                    real,
                    virt: real,
                    prof: real,
                });
            })
        };
        let expired = abi::SIGCR_ITIMERS_REAL_EXPIRED;
        assert_eq!(itimers(0, 5, 0), None);
        assert_eq!(itimers(expired, 0, 5), None);
        let off = 64;
        let refusal = |time_ns| Some(Refusal::BadTime { off, time_ns });
        assert_eq!(itimers(0, 0, too_long), refusal(too_long));
        assert_eq!(itimers(expired, 5, 5), refusal(5));
        assert_eq!(itimers(expired, 0, 0), refusal(0));
        let flags = 2;
        let unknown = Refusal::UnknownSectionFlags { off, flags };
        assert_eq!(itimers(flags, 5, 0), Some(unknown));
    }

    #[test]
    fn entries_of_timers_and_timers_that_are_pending_belong_together() {
        let waiting = timer(3, WAITS);
        let set = sigset_of(SIGTERM);
        let off = FIRST_ENTRY + 8;
        let timer_id = 3;
        let refusal = |tid, entry: Entry, timer: Timer| {
            not_restorable(|writer| {
                if tid == 0 {
                    queue(writer, 0, set | sigset_of(SIGHUP), &[entry]);
                }
                timers(writer, &[timer]);
                if tid != 0 {
                    queue(writer, tid, set, &[entry]);
                }
            })
        };
        let entry = timer_entry(&waiting);
        assert_eq!(refusal(0, entry, waiting), None);
        let mismatch = Some(Refusal::TimerEntryMismatch { off, timer_id });
        // Not pending; another signal, another code; the queue of a thread.
        assert_eq!(refusal(0, entry, timer(3, ARMED)), mismatch);
        let other = Timer {
            signo: SIGHUP,
            ..waiting
        };
        assert_eq!(refusal(0, entry, other), mismatch);
        let mut sent = entry;
        put(&mut sent.siginfo, 8, -1_i32);
        assert_eq!(refusal(0, sent, waiting), mismatch);
        let off = FIRST_ENTRY + Timer::LEN + 40;
        let elsewhere = Some(Refusal::TimerEntryMismatch { off, timer_id });
        assert_eq!(refusal(9, entry, waiting), elsewhere);
        let to_thread = Timer {
            notify: SIGEV_THREAD_ID,
            notify_tid: 9,
            ..waiting
        };
        assert_eq!(refusal(9, entry, to_thread), None);
        // One more, one fewer.
        let off = 64 + 40;
        let lone = not_restorable(|writer| {
            queue(writer, 0, set, &[]);
            timers(writer, &[waiting]);
        });
        let (seen, pending) = (0, 1);
        let count = |seen, pending| Some(Refusal::TimerEntryCount { off, seen, pending });
        assert_eq!(lone, count(seen, pending));
        let off = off + 2 * Entry::LEN;
        let twice = not_restorable(|writer| {
            queue(writer, 0, set, &[entry, entry]);
            timers(writer, &[waiting]);
        });
        let (seen, pending) = (2, 1);
        let expected = Refusal::TimerEntryCount { off, seen, pending };
        assert_eq!(twice, Some(expected));
    }

    #[test]
    fn a_signal_in_flight_can_be_read_and_not_restored() {
        let inflight = |signo| Inflight {
            section: head(0),
            tid: 7,
            reserved: 0,
            siginfo: entry(signo).siginfo,
        };
        let off = 64;
        let in_flight = Refusal::InFlight { off, tid: 7 };
        let refusal = not_restorable(|writer| writer.inflight(&inflight(SIGTERM)));
        assert_eq!(refusal, Some(in_flight));
        let signo = 65;
        let refusal = written(|writer| writer.inflight(&inflight(signo)));
        assert_eq!(refusal, Some(Refusal::BadSigno { off, signo }));
        let refusal = written(|writer| writer.inflight(&inflight(SIGKILL)));
        assert_eq!(refusal, Some(Refusal::KillPending { off }));
        let order = written(|writer| {
            writer.inflight(&inflight(SIGTERM));
            queue(writer, 7, 0, &[]);
        });
        let section_type = abi::SIGCR_SECTION_PENDING;
        let off = 64 + Inflight::LEN;
        assert_eq!(order, Some(Refusal::SectionOrder { off, section_type }));
    }

    #[test]
    fn signalfds_that_cannot_be_are_refused() {
        let refusal = |entries: [(i32, u32, u64); 2]| {
            written(|writer| {
                let mut list = writer.begin_signalfds();
                for (fd, flags, mask) in entries {
                    writer.signalfd(&mut list, &Signalfd { fd, flags, mask });
                }
                writer.end_signalfds(list);
            })
        };
        let flags = SFD_NONBLOCK | SFD_CLOEXEC;
        assert_eq!(refusal([(3, flags, !UNBLOCKABLE), (4, 0, 0)]), None);
        let off = FIRST_ENTRY + Signalfd::LEN;
        let bad_id = |id| Some(Refusal::BadId { off, id });
        assert_eq!(refusal([(3, 0, 0), (3, 0, 0)]), bad_id(3));
        assert_eq!(refusal([(3, 0, 0), (2, 0, 0)]), bad_id(2));
        let flags = 1;
        let unknown = Refusal::UnknownSignalfdFlags { off, flags };
        assert_eq!(refusal([(3, 0, 0), (4, 1, 0)]), Some(unknown));
        let set = sigset_of(SIGKILL);
        let unblockable = Refusal::UnblockableBlocked { off, set };
        assert_eq!(refusal([(3, 0, 0), (4, 0, set)]), Some(unblockable));
    }

    #[test]
    fn waiters_come_last_and_wait_for_somebody() {
        let waiters = |writer: &mut Writer<'_>, entries: &[(i32, u32, i32)]| {
            let mut list = writer.begin_waiters();
            for &(tid, id_type, id) in entries {
                let options = 4;
                let waiter = Waiter {
                    tid,
                    id_type,
                    id,
                    options,
                };
                writer.waiter(&mut list, &waiter);
            }
            writer.end_waiters(list);
        };
        let last = written(|writer| {
            writer.thread(&thread(1, 0));
            waiters(writer, &[(1, 0, 0), (1, 1, 5), (2, 2, 5)]);
        });
        assert_eq!(last, None);
        let first = written(|writer| {
            waiters(writer, &[]);
            writer.thread(&thread(1, 0));
        });
        let section_type = abi::SIGCR_SECTION_THREAD;
        let off = 64 + 32;
        assert_eq!(first, Some(Refusal::SectionOrder { off, section_type }));
        let refusal =
            |tid, id_type, id| written(|writer| waiters(writer, &[(2, 0, 0), (tid, id_type, id)]));
        let off = FIRST_ENTRY + Waiter::LEN;
        assert_eq!(refusal(1, 0, 0), Some(Refusal::BadId { off, id: 1 }));
        let bad = |id_type| Some(Refusal::BadWaiter { off, id_type });
        assert_eq!(refusal(2, 3, 0), bad(3));
        assert_eq!(refusal(2, 0, 5), bad(0));
        assert_eq!(refusal(2, 1, -5), bad(1));
    }

    #[test]
    fn unknown_altstack_flags_are_refused() {
        let off = ALTSTACK;
        for ss_flags in [1_u32, 4, 1 << 30] {
            let refusal = Refusal::UnknownAltstackFlags { off, ss_flags };
            let at = off + offset_of!(Altstack, ss_flags);
            assert_eq!(with(at, ss_flags), Some(refusal));
        }
    }

    #[test]
    fn an_altstack_that_cannot_be_is_refused() {
        let with_altstack = |ss_flags, sp, size| {
            let altstack = Altstack {
                ss_flags,
                sp,
                size,
                ..altstack(1)
            };
            written(|writer| writer.altstack(&altstack))
        };
        let off = Header::LEN;
        let refusal = |sp, size| Some(Refusal::BadAltstack { off, sp, size });
        let min = ALTSTACK_SIZE_MIN;
        assert_eq!(with_altstack(0, 0x1000, min), None);
        assert_eq!(with_altstack(0, 0x1000, min - 1), refusal(0x1000, min - 1));
        // sigaltstack(2) does not look at the address.
        assert_eq!(with_altstack(0, u64::MAX, min), None);
        for ss_flags in [SS_DISABLE, SS_DISABLE | SS_AUTODISARM] {
            assert_eq!(with_altstack(ss_flags, 0, 0), None);
            assert_eq!(with_altstack(ss_flags, 1, 0), refusal(1, 0));
            assert_eq!(with_altstack(ss_flags, 0, min), refusal(0, min));
        }
    }

    #[test]
    fn fields_that_a_newer_writer_appended_are_skipped() {
        let mut buf = [0; BUF_LEN];
        let mut len = sample(&mut buf);
        // From the end, so that the offsets before stay as they are: behind the fixed sections and
        // behind the entry of the last queue.
        len = insert(&mut buf, len, SECOND, END);
        len = insert(&mut buf, len, PENDING, SECOND);
        put(&mut buf, PENDING + ENTRY_LEN_OFF, Entry::LEN as u32 + 8);
        // Between the head of a list and its entries.
        len = insert(&mut buf, len, SHARED, SHARED_ENTRY);
        let entries_off = abi::sigcr_pending::LEN as u32 + 8;
        put(&mut buf, SHARED + ENTRIES_OFF_OFF, entries_off);
        len = insert(&mut buf, len, PROCESS, ACTIONS);
        // Behind the header, which is no section: the length that was added to is put back.
        len = insert(&mut buf, len, PROCESS, PROCESS);
        put(&mut buf, PROCESS + 8 + LEN_OFF, Process::LEN as u64 + 8);
        put(&mut buf, PROCESS, u64::MAX);
        put(&mut buf, PROCESS + 8, abi::SIGCR_SECTION_PROCESS);
        put(
            &mut buf,
            offset_of!(Header, header_len),
            Header::LEN as u32 + 8,
        );
        seal(&mut buf[..len]);
        assert_eq!(len, END + 5 * 8);
        let record = Record::decode(&buf[..len]);
        assert_eq!(record.err(), None);
        let Ok(record) = record else { return };
        assert_eq!(record.process().map(|process| process.stop_signo), Some(19));
        let shared = record.shared_pending();
        let mut entries = shared.into_iter().flat_map(|queue| queue.entries());
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(SIGTERM));
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(40));
        assert!(entries.next().is_none());
        let thread = record.threads().next();
        let pending = thread.and_then(|thread| thread.pending);
        assert_eq!(pending.map(|queue| queue.entry_count()), Some(1));
        let last = pending.and_then(|queue| queue.entries().last());
        assert_eq!(last.map(|entry| entry.siginfo), Some(entry(33).siginfo));
        assert_eq!(record.threads().count(), 2);
    }

    #[test]
    fn the_writer_measures_without_a_buffer() {
        assert_eq!(sample(&mut []), END);
    }

    #[test]
    fn the_writer_fills_a_buffer_of_the_exact_length() {
        let mut buf = [0xee; END + 1];
        assert_eq!(sample(&mut buf[..END]), END);
        assert!(Record::decode(&buf[..END]).is_ok());
        assert_eq!(buf[END], 0xee);
    }

    #[test]
    fn the_writer_says_what_does_not_fit_and_stays_in_its_buffer() {
        for room in [0, 1, Header::LEN, 95, 96, SHARED + 8, END - 1] {
            let mut buf = [0xee; BUF_LEN];
            let mut writer = Writer::new(&mut buf[..room]);
            writer.thread(&thread(1, 0));
            assert_eq!(writer.written_len(), Header::LEN + Thread::LEN);
            assert_eq!(writer.fits(), room >= Header::LEN + Thread::LEN);
            assert_eq!(sample(&mut buf[..room]), END);
            assert!(buf[room..].iter().all(|byte| *byte == 0xee));
            assert!(Record::decode(&buf[..room]).is_err());
        }
    }

    #[test]
    fn each_class_of_refusals_has_its_members() {
        let class = |refusal: Refusal| refusal.class();
        let len = 0;
        let off = 0;
        assert!(class(Refusal::TooLong { len }) == RefusalClass::TooBig);
        let (stored, computed) = (0, 1);
        let checksum = Refusal::BadChecksum { stored, computed };
        assert!(class(checksum) == RefusalClass::Checksum);
        let section_type = 0;
        let section = Refusal::UnknownMandatorySection { off, section_type };
        for unsupported in [
            Refusal::ForeignByteOrder,
            Refusal::UnsupportedVersion { version: 2 },
            Refusal::UnsupportedArch { arch: 0 },
            section,
        ] {
            assert!(class(unsupported) == RefusalClass::Unsupported);
        }
        assert!(class(Refusal::TooShort { len }) == RefusalClass::Invalid);
        assert!(class(Refusal::KillPending { off }) == RefusalClass::Invalid);
    }

    #[test]
    fn reserved_codes_are_those_of_the_kernel() {
        let reserved = |code: i32| {
            let mut entry = entry(SIGTERM);
            put(&mut entry.siginfo, 8, code);
            entry.has_reserved_code()
        };
        // SI_USER, SI_KERNEL, SI_TKILL; SI_QUEUE, SI_TIMER.
        assert!(reserved(0) && reserved(0x80) && reserved(SI_TKILL));
        assert!(!reserved(-1) && !reserved(-2));
    }
}
