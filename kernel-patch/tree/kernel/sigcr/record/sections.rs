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
        Self::from(bytes, header.header_len as usize)
    }

    /// The sections from the one at `off` on.
    pub(super) fn from(bytes: &'a [u8], off: usize) -> Self {
        Self {
            rest: bytes.get(off..).unwrap_or(&[]),
            off,
        }
    }

    /// The next section, with the checks that finding it needs.
    pub(super) fn next_checked(&mut self) -> Result<Option<(usize, Section<'a>)>, Refusal> {
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
        let section = match head.type_ {
            abi::SIGCR_SECTION_PROCESS => Section::Process(load(bytes).ok_or(bad_len)?),
            abi::SIGCR_SECTION_ACTIONS => Section::Actions(actions(off, bytes)?),
            abi::SIGCR_SECTION_SHARED_PENDING => Section::SharedPending(queue(off, bytes)?),
            abi::SIGCR_SECTION_ITIMERS => Section::Itimers(load(bytes).ok_or(bad_len)?),
            abi::SIGCR_SECTION_TIMERS => Section::Timers(timers(off, bytes)?),
            abi::SIGCR_SECTION_SIGNALFDS => Section::Signalfds(signalfds(off, bytes)?),
            abi::SIGCR_SECTION_THREAD => Section::Thread(load(bytes).ok_or(bad_len)?),
            abi::SIGCR_SECTION_ALTSTACK => Section::Altstack(load(bytes).ok_or(bad_len)?),
            abi::SIGCR_SECTION_PENDING => Section::Pending(queue(off, bytes)?),
            abi::SIGCR_SECTION_INFLIGHT => Section::Inflight(load(bytes).ok_or(bad_len)?),
            abi::SIGCR_SECTION_WAITERS => Section::Waiters(waiters(off, bytes)?),
            section_type if section_type & abi::SIGCR_SECTION_MANDATORY != 0 => {
                return Err(Refusal::UnknownMandatorySection { off, section_type });
            }
            section_type => Section::Unknown {
                section_type,
                bytes,
            },
        };
        Ok(Some((off, section)))
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
        self.next_checked().ok().flatten()
    }
}

/// What a record holds of each thread, by ascending tid.
#[derive(Clone)]
pub struct Threads<'a> {
    sections: Sections<'a>,
    next: Option<Section<'a>>,
}

impl<'a> Threads<'a> {
    pub(super) fn new(sections: Sections<'a>) -> Self {
        Self {
            sections,
            next: None,
        }
    }

    /// The next section that belongs to a thread, if it belongs to `tid` where that is given.
    fn take(&mut self, tid: Option<i32>) -> Option<Section<'a>> {
        while self.next.is_none() {
            self.next = self.sections.next().map(|(_, section)| section);
            match self.next.as_ref()?.tid() {
                Some(_) => {}
                None => self.next = None,
            }
        }
        match tid {
            Some(_) if self.next.as_ref()?.tid() != tid => None,
            _ => self.next.take(),
        }
    }
}

impl<'a> Iterator for Threads<'a> {
    type Item = ThreadState<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut section = self.take(None);
        let tid = section.as_ref()?.tid()?;
        let mut state = ThreadState {
            tid,
            thread: None,
            altstack: None,
            pending: None,
            inflight: None,
        };
        while let Some(part) = section {
            match part {
                Section::Thread(thread) => state.thread = Some(thread),
                Section::Altstack(altstack) => state.altstack = Some(altstack),
                Section::Pending(queue) => state.pending = Some(queue),
                Section::Inflight(inflight) => state.inflight = Some(inflight),
                _ => {}
            }
            section = self.take(Some(tid));
        }
        Some(state)
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

    /// The entries: of each the prefix that this version knows.
    pub(super) fn iter<T: Wire + 'a>(&self) -> impl Iterator<Item = T> + 'a {
        self.bytes.chunks_exact(self.entry_len).filter_map(load)
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

fn actions(off: usize, bytes: &[u8]) -> Result<Actions<'_>, Refusal> {
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

fn queue(off: usize, bytes: &[u8]) -> Result<Queue<'_>, Refusal> {
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

fn timers(off: usize, bytes: &[u8]) -> Result<Timers<'_>, Refusal> {
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

fn signalfds(off: usize, bytes: &[u8]) -> Result<Signalfds<'_>, Refusal> {
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

fn waiters(off: usize, bytes: &[u8]) -> Result<Waiters<'_>, Refusal> {
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
