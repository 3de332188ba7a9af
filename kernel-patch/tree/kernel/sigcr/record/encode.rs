// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The encoder of the record: sections go into a buffer one after the other, shared like `record.rs`.
//!
//! The kernel encodes under siglock, straight from its queues into memory that was allocated
//! before; so nothing here allocates or can panic, and what finds no room is counted, not written.
//! Takes no locks; may be used in any context.

use core::mem::offset_of;

use crate::abi;

use super::{
    checksum,
    wire::{
        Room,
        Wire, //
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

/// Writes a record into a buffer, section by section in their order.
///
/// Nothing is written past the end of the buffer; [`Writer::written_len`] goes on counting, so that a
/// record can be measured with an empty buffer.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
    section_count: u32,
}

/// A section with entries that is being written.
#[must_use = "the section's head is written by the end functions"]
pub struct OpenList {
    off: usize,
    entry_count: u32,
}

impl<'a> Writer<'a> {
    /// A writer that leaves room for the header at the start of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self {
            buf,
            len: Header::LEN,
            section_count: 0,
        }
    }

    /// Bytes of the record so far, whether they found room or not.
    pub fn written_len(&self) -> usize {
        self.len
    }

    /// Whether all bytes so far found room.
    pub fn fits(&self) -> bool {
        self.len <= self.buf.len()
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
            entry_count: list.entry_count,
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
            entry_count: list.entry_count,
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
            entry_count: list.entry_count,
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
            entry_count: list.entry_count,
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
        self.put_in(list, entry);
    }

    /// Ends a queue: PENDING of thread `tid`, or SHARED_PENDING where that is 0.
    pub fn end_queue(&mut self, list: OpenList, tid: i32, set: u64) {
        let section_type = match tid {
            0 => abi::SIGCR_SECTION_SHARED_PENDING,
            _ => abi::SIGCR_SECTION_PENDING,
        };
        let head = abi::sigcr_pending {
            section: self.list_head(section_type, &list),
            tid,
            entries_off: abi::SIGCR_PENDING_LEN_VER1,
            entry_len: abi::SIGCR_ENTRY_LEN_VER1,
            entry_count: list.entry_count,
            set,
        };
        self.put_at(list.off, &head);
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
        if let Some(record) = self.buf.get_mut(..len) {
            seal(record);
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
        let off = self.len;
        self.len = off.saturating_add(head_len);
        OpenList {
            off,
            entry_count: 0,
        }
    }

    fn list_head(&mut self, section_type: u32, list: &OpenList) -> Head {
        self.head(section_type, 0, self.len.saturating_sub(list.off))
    }

    fn put_in<T: Wire>(&mut self, list: &mut OpenList, value: &T) {
        list.entry_count = list.entry_count.saturating_add(1);
        self.put(value);
    }

    fn put<T: Wire>(&mut self, value: &T) {
        self.put_at(self.len, value);
        self.len = self.len.saturating_add(T::LEN);
    }

    fn put_at<T: Wire>(&mut self, off: usize, value: &T) {
        if let Some((out, _)) = self
            .buf
            .get_mut(off..)
            .and_then(|buf| buf.split_at_mut_checked(T::LEN))
        {
            value.store(&mut Room { rest: out });
        }
    }
}

/// Writes the checksum of `record` into its header.
pub fn seal(record: &mut [u8]) {
    const OFF: usize = offset_of!(Header, crc32c);
    let crc = checksum(record);
    if let Some(out) = record
        .get_mut(OFF..)
        .and_then(|rest| rest.first_chunk_mut())
    {
        *out = crc.to_ne_bytes();
    }
}
