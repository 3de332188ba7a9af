// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The sections of a record, found one after the other, and the entries in them.

use core::mem::offset_of;

use crate::abi;

use super::{
    rules::reserved,
    wire::{
        load,
        Wire, //
    },
    Action,
    Actions,
    Entry,
    Head,
    Header,
    Queue,
    Refusal,
    Section,
    Signalfd,
    Signalfds,
    ThreadState,
    Timer,
    Timers,
    Waiter,
    Waiters, //
};

/// The sections of a record with their offsets.
#[derive(Clone)]
pub struct Sections<'a> {
    rest: &'a [u8],
    off: usize,
}

impl<'a> Sections<'a> {
    pub(super) fn new(bytes: &'a [u8], header: &Header) -> Self {
        let off = header.header_len as usize;
        Self {
            rest: bytes.get(off..).unwrap_or(&[]),
            off,
        }
    }

    /// The next section as its bytes, with the checks that finding it needs.
    #[inline(always)]
    pub(super) fn next_found(&mut self) -> Result<Option<Found<'a>>, Refusal> {
        let off = self.off;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let bad_len = |len| Refusal::BadSectionLen { off, len };
        let head = load::<Head>(self.rest).ok_or(bad_len(self.rest.len() as u64))?;
        let bad_len = bad_len(head.len);
        let len = usize::try_from(head.len).map_err(|_| bad_len)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(bad_len)?;
        if len < Head::LEN || len % 8 != 0 {
            return Err(bad_len);
        }
        self.rest = rest;
        self.off = off.saturating_add(len);
        Ok(Some(Found { off, head, bytes }))
    }
}

/// A section that was found.
pub(super) struct Found<'a> {
    pub(super) off: usize,
    pub(super) head: Head,
    /// All of it, the head included.
    pub(super) bytes: &'a [u8],
}

impl<'a> Found<'a> {
    /// The section as a struct.
    #[inline(always)]
    pub(super) fn load<T: Wire>(&self) -> Result<T, Refusal> {
        load(self.bytes).ok_or(Refusal::BadSectionLen {
            off: self.off,
            len: self.head.len,
        })
    }

    /// What to do without the type of the section: nothing, if it is optional.
    pub(super) fn check_optional(&self) -> Result<(), Refusal> {
        let section_type = self.head.type_;
        match section_type & abi::SIGCR_SECTION_MANDATORY {
            0 => Ok(()),
            _ => Err(Refusal::UnknownMandatorySection {
                off: self.off,
                section_type,
            }),
        }
    }

    /// The section, decoded.
    fn decode(&self) -> Result<Section<'a>, Refusal> {
        let (off, bytes) = (self.off, self.bytes);
        Ok(match self.head.type_ {
            abi::SIGCR_SECTION_PROCESS => Section::Process(self.load()?),
            abi::SIGCR_SECTION_ACTIONS => Section::Actions(actions(off, bytes)?),
            abi::SIGCR_SECTION_SHARED_PENDING => Section::SharedPending(queue(off, bytes)?),
            abi::SIGCR_SECTION_ITIMERS => Section::Itimers(self.load()?),
            abi::SIGCR_SECTION_TIMERS => Section::Timers(timers(off, bytes)?),
            abi::SIGCR_SECTION_SIGNALFDS => Section::Signalfds(signalfds(off, bytes)?),
            abi::SIGCR_SECTION_THREAD => Section::Thread(self.load()?),
            abi::SIGCR_SECTION_ALTSTACK => Section::Altstack(self.load()?),
            abi::SIGCR_SECTION_PENDING => Section::Pending(queue(off, bytes)?),
            abi::SIGCR_SECTION_INFLIGHT => Section::Inflight(self.load()?),
            abi::SIGCR_SECTION_WAITERS => Section::Waiters(waiters(off, bytes)?),
            section_type => {
                self.check_optional()?;
                Section::Unknown {
                    section_type,
                    bytes,
                }
            }
        })
    }
}

impl<'a> Sections<'a> {
    /// The sections of a record that was just encoded, in whatever order they stand.
    pub fn of_encoded(bytes: &'a [u8]) -> Self {
        match load::<Header>(bytes) {
            Some(header) => Self::new(bytes, &header),
            None => Self { rest: &[], off: 0 },
        }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = (usize, Section<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // The record was decoded before: nothing can be refused here any more.
        let found = self.next_found().ok()??;
        Some((found.off, found.decode().ok()?))
    }
}

/// What a record holds of each thread, by ascending tid.
#[derive(Clone)]
pub struct Threads<'a> {
    rest: &'a [u8],
}

impl<'a> Threads<'a> {
    /// The threads of a decoded record, the first one of which begins at `off`.
    pub(super) fn from(bytes: &'a [u8], off: usize) -> Self {
        Self {
            rest: bytes.get(off..).unwrap_or(&[]),
        }
    }

    /// The next section: its type, the tid if it belongs to a thread and else 0, and its bytes.
    fn peek(&self) -> Option<(u32, i32, &'a [u8])> {
        // All sections of threads begin as this one does.
        const _: () = {
            assert!(offset_of!(abi::sigcr_thread, tid) == Head::LEN);
            assert!(offset_of!(abi::sigcr_altstack, tid) == Head::LEN);
            assert!(offset_of!(abi::sigcr_pending, tid) == Head::LEN);
            assert!(offset_of!(abi::sigcr_inflight, tid) == Head::LEN);
        };
        let head = load::<Head>(self.rest)?;
        // CAST: The decoder has seen that the section is inside the record.
        let bytes = self.rest.get(..head.len as usize)?;
        let tid = match head.type_ {
            abi::SIGCR_SECTION_THREAD..=abi::SIGCR_SECTION_INFLIGHT => {
                load(bytes.get(Head::LEN..)?)?
            }
            _ => 0,
        };
        Some((head.type_, tid, bytes))
    }
}

impl<'a> Iterator for Threads<'a> {
    type Item = ThreadState<'a>;

    // The decoder has checked all: nothing can be refused here any more.
    fn next(&mut self) -> Option<Self::Item> {
        let mut state = ThreadState {
            tid: 0,
            thread: None,
            altstack: None,
            pending: None,
            inflight: None,
        };
        while let Some((section_type, tid, bytes)) = self.peek() {
            if tid != 0 {
                if state.tid != 0 && state.tid != tid {
                    break;
                }
                state.tid = tid;
            }
            match section_type {
                abi::SIGCR_SECTION_THREAD => state.thread = load(bytes),
                abi::SIGCR_SECTION_ALTSTACK => state.altstack = load(bytes),
                abi::SIGCR_SECTION_PENDING => state.pending = queue(0, bytes).ok(),
                abi::SIGCR_SECTION_INFLIGHT => state.inflight = bytes.first_chunk(),
                _ => {}
            }
            self.rest = self.rest.get(bytes.len()..)?;
        }
        (state.tid != 0).then_some(state)
    }
}

impl Section<'_> {
    /// The thread that the section belongs to.
    pub fn tid(&self) -> Option<i32> {
        match self {
            Section::Thread(thread) => Some(thread.tid),
            Section::Altstack(altstack) => Some(altstack.tid),
            Section::Pending(queue) => Some(queue.tid),
            Section::Inflight(inflight) => Some(inflight.tid),
            _ => None,
        }
    }
}

/// The entries at the end of a section.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) section: Head,
    entries_off: usize,
    entry_len: usize,
    pub(super) entry_count: usize,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// Finds the entries, each at least `entry_len_min` bytes, in the section `bytes` at `off`,
    /// whose head is `head_len` bytes in version 1.
    fn new(
        off: usize,
        bytes: &'a [u8],
        section: Head,
        head_len: usize,
        entry_len_min: usize,
        [entries_off, entry_len, entry_count]: [u32; 3],
    ) -> Result<Self, Refusal> {
        let bad_entries = Refusal::BadEntries { off, entry_count };
        let bad_entry_len = Refusal::BadEntryLen { off, entry_len };
        let [entries_off, entry_len, entry_count] =
            [entries_off, entry_len, entry_count].map(|n| n as usize);
        if entry_len < entry_len_min || entry_len % 8 != 0 {
            return Err(bad_entry_len);
        }
        if entries_off < head_len || entries_off % 8 != 0 {
            return Err(bad_entries);
        }
        let bytes = bytes.get(entries_off..).ok_or(bad_entries)?;
        if entry_len.checked_mul(entry_count) != Some(bytes.len()) {
            return Err(bad_entries);
        }
        Ok(Self {
            section,
            entries_off,
            entry_len,
            entry_count,
            bytes,
        })
    }

    /// The entries as they are.
    #[inline(always)]
    pub(super) fn bytes(&self) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.bytes.chunks_exact(self.entry_len)
    }

    /// The entries: of each the prefix that this version knows.
    pub(super) fn iter<T: Wire + 'a>(&self) -> impl Iterator<Item = T> + 'a {
        self.bytes().filter_map(load)
    }

    /// The entry `index`.
    pub(super) fn get<T: Wire>(&self, index: usize) -> Option<T> {
        load(self.bytes.get(index.checked_mul(self.entry_len)?..)?)
    }

    /// The offset in the record of entry `index`, of a list in the section at `section_off`.
    pub(super) fn entry_off(&self, section_off: usize, index: usize) -> usize {
        index
            .saturating_mul(self.entry_len)
            .saturating_add(section_off)
            .saturating_add(self.entries_off)
    }
}

pub(super) fn actions(off: usize, bytes: &[u8]) -> Result<Actions<'_>, Refusal> {
    let len = bytes.len() as u64;
    let head: abi::sigcr_actions = load(bytes).ok_or(Refusal::BadSectionLen { off, len })?;
    reserved(off, offset_of!(abi::sigcr_actions, reserved), head.reserved)?;
    let list = List::new(
        off,
        bytes,
        head.section,
        abi::sigcr_actions::LEN,
        Action::LEN,
        [head.entries_off, head.entry_len, head.entry_count],
    )?;
    Ok(Actions { list })
}

pub(super) fn queue(off: usize, bytes: &[u8]) -> Result<Queue<'_>, Refusal> {
    let len = bytes.len() as u64;
    let head: abi::sigcr_pending = load(bytes).ok_or(Refusal::BadSectionLen { off, len })?;
    let list = List::new(
        off,
        bytes,
        head.section,
        abi::sigcr_pending::LEN,
        Entry::LEN,
        [head.entries_off, head.entry_len, head.entry_count],
    )?;
    Ok(Queue {
        tid: head.tid,
        set: head.set,
        list,
    })
}

pub(super) fn timers(off: usize, bytes: &[u8]) -> Result<Timers<'_>, Refusal> {
    let len = bytes.len() as u64;
    let head: abi::sigcr_timers = load(bytes).ok_or(Refusal::BadSectionLen { off, len })?;
    let list = List::new(
        off,
        bytes,
        head.section,
        abi::sigcr_timers::LEN,
        Timer::LEN,
        [head.entries_off, head.entry_len, head.entry_count],
    )?;
    Ok(Timers {
        next_timer_id: head.next_timer_id,
        list,
    })
}

pub(super) fn signalfds(off: usize, bytes: &[u8]) -> Result<Signalfds<'_>, Refusal> {
    let len = bytes.len() as u64;
    let head: abi::sigcr_signalfds = load(bytes).ok_or(Refusal::BadSectionLen { off, len })?;
    reserved(
        off,
        offset_of!(abi::sigcr_signalfds, reserved),
        head.reserved,
    )?;
    let list = List::new(
        off,
        bytes,
        head.section,
        abi::sigcr_signalfds::LEN,
        Signalfd::LEN,
        [head.entries_off, head.entry_len, head.entry_count],
    )?;
    Ok(Signalfds { list })
}

pub(super) fn waiters(off: usize, bytes: &[u8]) -> Result<Waiters<'_>, Refusal> {
    let len = bytes.len() as u64;
    let head: abi::sigcr_waiters = load(bytes).ok_or(Refusal::BadSectionLen { off, len })?;
    reserved(off, offset_of!(abi::sigcr_waiters, reserved), head.reserved)?;
    let list = List::new(
        off,
        bytes,
        head.section,
        abi::sigcr_waiters::LEN,
        Waiter::LEN,
        [head.entries_off, head.entry_len, head.entry_count],
    )?;
    Ok(Waiters { list })
}
