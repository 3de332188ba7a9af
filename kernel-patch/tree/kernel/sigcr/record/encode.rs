// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The encoder of the record: sections go into a buffer one after the other, shared like `record.rs`.
//!
//! The kernel encodes under siglock, straight from its queues into memory that was allocated
//! before; so nothing here allocates or can panic, and what finds no room is counted, not written.
//! Takes no locks; may be used in any context.

use core::mem::offset_of;

use crate::{
    abi,
    crc32c_append, //
};

use super::{
    wire::{
        Wire,
        WireStruct, //
    },
    Action,
    Altstack,
    Entry,
    Head,
    Header,
    Inflight,
    Itimers,
    Process,
    Signalfd,
    Thread,
    Timer,
    Waiter,
    ARCH, //
};

/// Writes a record into a sink, section by section in their order.
///
/// What finds no room is not written; [`Writer::written_len`] goes on counting, so that a record can
/// be measured with an empty buffer.
pub struct Writer<S> {
    sink: S,
    len: usize,
    fits: bool,
    section_count: u32,
}

/// Memory that is filled from its start.
pub trait Sink {
    /// Appends `bytes`; false, and nothing was appended, if there is no room for all of them.
    fn append(&mut self, bytes: &[u8]) -> bool;

    /// Appends `pairs`, the parts of each one behind the other, as long as there is room for both.
    /// Returns how many there were, and how many of them were appended.
    fn append_pairs<'p, const N: usize, const M: usize>(
        &mut self,
        pairs: impl Iterator<Item = (&'p [u8; N], [u8; M])>,
    ) -> (usize, usize);

    /// What was appended so far.
    fn filled(&mut self) -> &mut [u8];
}

/// A slice as a sink.
pub struct SliceSink<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl Sink for SliceSink<'_> {
    fn append(&mut self, bytes: &[u8]) -> bool {
        let rest = self.buf.get_mut(self.len..).unwrap_or(&mut []);
        let Some((room, _)) = rest.split_at_mut_checked(bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.len = self.len.saturating_add(bytes.len());
        true
    }

    fn append_pairs<'p, const N: usize, const M: usize>(
        &mut self,
        pairs: impl Iterator<Item = (&'p [u8; N], [u8; M])>,
    ) -> (usize, usize) {
        let (mut count, mut appended_count) = (0_usize, 0_usize);
        for (first, second) in pairs {
            let len = self.len;
            count = count.saturating_add(1);
            match self.append(first) && self.append(&second) {
                true => appended_count = appended_count.saturating_add(1),
                false => self.len = len,
            }
        }
        (count, appended_count)
    }

    fn filled(&mut self) -> &mut [u8] {
        self.buf.get_mut(..self.len).unwrap_or(&mut [])
    }
}

/// Bytes of a siginfo in a record.
const SIGINFO_LEN: usize = abi::SIGCR_SIGINFO_LEN as usize;

/// Bytes of an entry behind that.
const REST_LEN: usize = Entry::LEN - SIGINFO_LEN;

/// A section with entries that is being written.
#[must_use = "the section's head is written by the end functions"]
pub struct OpenList {
    off: usize,
    head_len: usize,
}

impl<'a> Writer<SliceSink<'a>> {
    /// A writer into `buf`, from its start.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self::into_sink(SliceSink { buf, len: 0 })
    }
}

impl<S: Sink> Writer<S> {
    /// A writer into an empty sink.
    pub fn into_sink(sink: S) -> Self {
        let mut writer = Self {
            sink,
            len: 0,
            fits: true,
            section_count: 0,
        };
        // The header comes last.
        writer.append(&[0; Header::LEN]);
        writer
    }

    /// Bytes of the record so far, whether they found room or not.
    pub fn written_len(&self) -> usize {
        self.len
    }

    /// Whether all bytes so far found room.
    pub fn fits(&self) -> bool {
        self.fits
    }

    /// Writes PROCESS; the head's type and length are filled in.
    pub fn process(&mut self, process: &Process) {
        let section = self.head(
            abi::SIGCR_SECTION_PROCESS,
            process.section.flags,
            Process::LEN,
        );
        self.put(&Process {
            section,
            ..*process
        });
    }

    /// Writes THREAD; the head's type and length are filled in.
    pub fn thread(&mut self, thread: &Thread) {
        let section = self.head(abi::SIGCR_SECTION_THREAD, thread.section.flags, Thread::LEN);
        self.put(&Thread { section, ..*thread });
    }

    /// Writes ALTSTACK; the head's type and length are filled in.
    pub fn altstack(&mut self, altstack: &Altstack) {
        let section = self.head(abi::SIGCR_SECTION_ALTSTACK, 0, Altstack::LEN);
        self.put(&Altstack {
            section,
            ..*altstack
        });
    }

    /// Writes ITIMERS; the head's type and length are filled in.
    pub fn itimers(&mut self, itimers: &Itimers) {
        let flags = itimers.section.flags;
        let section = self.head(abi::SIGCR_SECTION_ITIMERS, flags, Itimers::LEN);
        self.put(&Itimers {
            section,
            ..*itimers
        });
    }

    /// Writes INFLIGHT; the head's type and length are filled in.
    pub fn inflight(&mut self, inflight: &Inflight) {
        let section = self.head(abi::SIGCR_SECTION_INFLIGHT, 0, Inflight::LEN);
        self.put(&Inflight {
            section,
            ..*inflight
        });
    }

    /// Starts TIMERS; [`Writer::timer`] adds to it and [`Writer::end_timers`] ends it.
    pub fn begin_timers(&mut self) -> OpenList {
        self.begin(abi::sigcr_timers::LEN)
    }

    /// Writes one timer.
    pub fn timer(&mut self, list: &mut OpenList, timer: &Timer) {
        self.put_in(list, timer);
    }

    /// Ends TIMERS.
    pub fn end_timers(&mut self, list: OpenList, next_timer_id: u32) {
        let head = abi::sigcr_timers {
            section: self.list_head(abi::SIGCR_SECTION_TIMERS, &list),
            entries_off: abi::SIGCR_TIMERS_LEN_VER1,
            entry_len: abi::SIGCR_TIMER_LEN_VER1,
            entry_count: self.entry_count::<Timer>(&list),
            next_timer_id,
        };
        self.put_at(list.off, &head);
    }

    /// Starts SIGNALFDS; [`Writer::signalfd`] adds to it and [`Writer::end_signalfds`] ends it.
    pub fn begin_signalfds(&mut self) -> OpenList {
        self.begin(abi::sigcr_signalfds::LEN)
    }

    /// Writes one signalfd.
    pub fn signalfd(&mut self, list: &mut OpenList, signalfd: &Signalfd) {
        self.put_in(list, signalfd);
    }

    /// Ends SIGNALFDS.
    pub fn end_signalfds(&mut self, list: OpenList) {
        let head = abi::sigcr_signalfds {
            section: self.list_head(abi::SIGCR_SECTION_SIGNALFDS, &list),
            entries_off: abi::SIGCR_SIGNALFDS_LEN_VER1,
            entry_len: abi::SIGCR_SIGNALFD_LEN_VER1,
            entry_count: self.entry_count::<Signalfd>(&list),
            reserved: 0,
        };
        self.put_at(list.off, &head);
    }

    /// Starts WAITERS; [`Writer::waiter`] adds to it and [`Writer::end_waiters`] ends it.
    pub fn begin_waiters(&mut self) -> OpenList {
        self.begin(abi::sigcr_waiters::LEN)
    }

    /// Writes one waiter.
    pub fn waiter(&mut self, list: &mut OpenList, waiter: &Waiter) {
        self.put_in(list, waiter);
    }

    /// Ends WAITERS.
    pub fn end_waiters(&mut self, list: OpenList) {
        let head = abi::sigcr_waiters {
            section: self.list_head(abi::SIGCR_SECTION_WAITERS, &list),
            entries_off: abi::SIGCR_WAITERS_LEN_VER1,
            entry_len: abi::SIGCR_WAITER_LEN_VER1,
            entry_count: self.entry_count::<Waiter>(&list),
            reserved: 0,
        };
        self.put_at(list.off, &head);
    }

    /// Starts ACTIONS; [`Writer::action`] adds to it and [`Writer::end_actions`] ends it.
    pub fn begin_actions(&mut self) -> OpenList {
        self.begin(abi::sigcr_actions::LEN)
    }

    /// Writes one action.
    pub fn action(&mut self, list: &mut OpenList, action: &Action) {
        self.put_in(list, action);
    }

    /// Ends ACTIONS.
    pub fn end_actions(&mut self, list: OpenList) {
        let head = abi::sigcr_actions {
            section: self.list_head(abi::SIGCR_SECTION_ACTIONS, &list),
            entries_off: abi::SIGCR_ACTIONS_LEN_VER1,
            entry_len: abi::SIGCR_ACTION_LEN_VER1,
            entry_count: self.entry_count::<Action>(&list),
            reserved: 0,
        };
        self.put_at(list.off, &head);
    }

    /// Starts a queue; [`Writer::entry`] adds to it and [`Writer::end_queue`] ends it.
    pub fn begin_queue(&mut self) -> OpenList {
        self.begin(abi::sigcr_pending::LEN)
    }

    /// Writes one queued signal.
    pub fn entry(&mut self, list: &mut OpenList, entry: &Entry) {
        let rest = entry_rest(entry.flags, entry.timer_id);
        self.queued(list, core::iter::once((&entry.siginfo, rest)));
    }

    /// Writes queued signals: of each the siginfo, which is copied but once, and [`entry_rest`].
    #[inline(always)]
    pub fn queued<'s>(
        &mut self,
        _list: &mut OpenList,
        entries: impl Iterator<Item = (&'s [u8; SIGINFO_LEN], [u8; REST_LEN])>,
    ) {
        let count = match self.fits {
            true => {
                let (count, appended_count) = self.sink.append_pairs(entries);
                self.fits = appended_count == count;
                count
            }
            false => entries.count(),
        };
        // As in `append()`.
        self.len = self.len.wrapping_add(count.wrapping_mul(Entry::LEN));
    }

    /// Writes a queue without entries: PENDING of thread `tid`, or SHARED_PENDING where that is 0.
    pub fn empty_queue(&mut self, tid: i32, set: u64) {
        let section = self.queue_head(tid, abi::sigcr_pending::LEN);
        self.put(&Self::pending(section, tid, 0, set));
    }

    /// Ends a queue: PENDING of thread `tid`, or SHARED_PENDING where that is 0.
    pub fn end_queue(&mut self, list: OpenList, tid: i32, set: u64) {
        let section = self.queue_head(tid, self.len.saturating_sub(list.off));
        let entry_count = self.entry_count::<Entry>(&list);
        self.put_at(list.off, &Self::pending(section, tid, entry_count, set));
    }

    fn queue_head(&mut self, tid: i32, len: usize) -> Head {
        let section_type = match tid {
            0 => abi::SIGCR_SECTION_SHARED_PENDING,
            _ => abi::SIGCR_SECTION_PENDING,
        };
        self.head(section_type, 0, len)
    }

    fn pending(section: Head, tid: i32, entry_count: u32, set: u64) -> abi::sigcr_pending {
        abi::sigcr_pending {
            section,
            tid,
            entries_off: abi::SIGCR_PENDING_LEN_VER1,
            entry_len: abi::SIGCR_ENTRY_LEN_VER1,
            entry_count,
            set,
        }
    }

    /// Ends the record: writes the header, with its lengths, counts and version filled in, and the
    /// checksum. Returns the record's length; nothing is a record where it did not fit.
    pub fn finish(mut self, header: &Header) -> usize {
        let len = self.len;
        let header = Header {
            magic: abi::SIGCR_MAGIC,
            version: abi::SIGCR_VERSION,
            header_len: abi::SIGCR_HEADER_LEN_VER1,
            crc32c: 0,
            total_len: len as u64,
            arch: ARCH,
            section_count: self.section_count,
            reserved: [0; 5],
            ..*header
        };
        self.put_at(0, &header);
        if self.fits {
            seal(self.sink.filled());
        }
        len
    }

    fn head(&mut self, section_type: u32, flags: u32, len: usize) -> Head {
        self.section_count = self.section_count.saturating_add(1);
        Head {
            type_: section_type,
            flags,
            len: len as u64,
        }
    }

    fn begin(&mut self, head_len: usize) -> OpenList {
        const HEAD_LEN_MAX: usize = 64;
        let off = self.len;
        let zeroes = [0; HEAD_LEN_MAX];
        self.append(zeroes.get(..head_len).unwrap_or(&zeroes));
        OpenList { off, head_len }
    }

    fn list_head(&mut self, section_type: u32, list: &OpenList) -> Head {
        self.head(section_type, 0, self.len.saturating_sub(list.off))
    }

    #[inline(always)]
    fn put_in<T: WireStruct>(&mut self, _list: &mut OpenList, value: &T) {
        self.put(value);
    }

    /// How many entries of type `T` were written to a list.
    fn entry_count<T: Wire>(&self, list: &OpenList) -> u32 {
        let entries_off = list.off.saturating_add(list.head_len);
        // CAST: A record is far shorter than 2^32 entries; what is only measured is refused then.
        (self.len.saturating_sub(entries_off) / T::LEN) as u32
    }

    #[inline(always)]
    fn put<T: WireStruct>(&mut self, value: &T) {
        self.append(value.to_bytes().as_ref());
    }

    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) {
        // What comes behind something that was left out would stand in the wrong place.
        self.fits = self.fits && self.sink.append(bytes);
        // What is encoded is in memory somewhere, so that the sum of its lengths cannot wrap.
        self.len = self.len.wrapping_add(bytes.len());
    }

    fn put_at<T: WireStruct>(&mut self, off: usize, value: &T) {
        let rest = self.sink.filled().get_mut(off..).unwrap_or(&mut []);
        if let Some((out, _)) = rest.split_at_mut_checked(T::LEN) {
            out.copy_from_slice(value.to_bytes().as_ref());
        }
    }
}

/// What stands behind the siginfo of an entry.
#[inline(always)]
pub fn entry_rest(flags: u32, timer_id: i32) -> [u8; REST_LEN] {
    const _: () = assert!(offset_of!(Entry, flags) == SIGINFO_LEN);
    const _: () = assert!(offset_of!(Entry, timer_id) == SIGINFO_LEN + 4);
    // CAST: The bits of the id.
    let (first, second) = (u64::from(flags), u64::from(timer_id as u32));
    let words = match cfg!(target_endian = "little") {
        true => second << 32 | first,
        false => first << 32 | second,
    };
    words.to_ne_bytes()
}

/// A header for [`Writer::finish`], which fills in what is 0 here.
#[inline]
pub fn unfinished_header(flags: u32, thread_count: u32, tgid: i32) -> Header {
    Header {
        magic: 0,
        version: 0,
        header_len: 0,
        crc32c: 0,
        total_len: 0,
        arch: 0,
        flags,
        section_count: 0,
        thread_count,
        tgid,
        reserved: [0; 5],
    }
}

/// Writes the checksum of `record` into its header.
pub fn seal(record: &mut [u8]) {
    // With 0 in its place the sum is that of all bytes, in one go; see `checksum()`.
    put_checksum(record, 0);
    let crc = crc32c_append(0, record);
    put_checksum(record, crc);
}

fn put_checksum(record: &mut [u8], crc: u32) {
    const OFF: usize = offset_of!(Header, crc32c);
    if let Some(out) = record
        .get_mut(OFF..)
        .and_then(|rest| rest.first_chunk_mut())
    {
        *out = crc.to_ne_bytes();
    }
}
