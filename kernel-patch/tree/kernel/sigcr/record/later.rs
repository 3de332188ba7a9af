// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Records as a later kernel could write them, for tests only: grown ones, and a made-up version 2.
//!
//! A *grown* record has all that a reader skips: a longer header, longer sections, longer entries,
//! and optional sections of an unknown type, also amidst those of a thread. It keeps its version.
//!
//! *Version 2* is grown, and says something in another way: the sigset of a THREAD is that of the
//! signals that are let through. Who takes it for version 1 finds nothing wrong, and errs.
//!
//! Nothing here allocates or can panic. Takes no locks; may be used in any context.

use core::mem::offset_of;

use crate::abi;

use super::{
    check_header as check_header_of_today,
    checksum,
    encode::seal,
    load,
    wire::{
        Room,
        Wire, //
    },
    Head,
    Header,
    Refusal,
    Section,
    Sections,
    Thread,
    UNBLOCKABLE, //
};

/// The made-up version.
pub const VERSION: u32 = 2;

/// The types of the sections that nobody knows.
pub const OPTIONAL: u32 = 0x0000_4c54;
/// The same as one that must be understood.
pub const MANDATORY: u32 = abi::SIGCR_SECTION_MANDATORY | OPTIONAL;

/// Bytes that are appended to the header, to the head of a section or its fixed part, and to each
/// entry of a list: different ones, so that no two can be mistaken for each other.
pub const HEADER_GROWTH: usize = 24;
/// See [`HEADER_GROWTH`].
pub const SECTION_GROWTH: usize = 16;
/// See [`HEADER_GROWTH`].
pub const ENTRY_GROWTH: usize = 8;

/// What is appended: no number that makes sense anywhere.
const FILL: u8 = 0xa5;

/// How a later kernel writes a record.
#[derive(Clone, Copy)]
pub struct Later {
    /// Record version: 1, or the made-up one.
    pub version: u32,
    /// Whether there is a section that must be understood, at the end.
    pub has_mandatory: bool,
}

impl Later {
    /// Writes to `out` what a later kernel makes of the state in `record`, which was just encoded.
    ///
    /// Returns the length; nothing is a record where that did not fit.
    pub fn write(&self, record: &[u8], out: &mut [u8]) -> usize {
        let Some(header) = load::<Header>(record) else {
            return 0;
        };
        let mut out = Out {
            buf: out,
            len: 0,
            section_count: header.section_count,
        };
        out.bytes(record.get(..Header::LEN).unwrap_or(&[]));
        out.fill(HEADER_GROWTH);
        out.unknown(OPTIONAL);
        let mut sections = Sections::of_encoded(record).peekable();
        while let Some((off, section)) = sections.next() {
            let end = sections.peek().map_or(record.len(), |(off, _)| *off);
            self.section(&section, record.get(off..end).unwrap_or(&[]), &mut out);
        }
        out.unknown(OPTIONAL);
        if self.has_mandatory {
            out.unknown(MANDATORY);
        }
        let header = Header {
            version: self.version,
            header_len: header.header_len.saturating_add(HEADER_GROWTH as u32),
            total_len: out.len as u64,
            section_count: out.section_count,
            ..header
        };
        out.put(0, &header);
        let len = out.len;
        if let Some(record) = out.buf.get_mut(..len) {
            seal(record);
        }
        len
    }

    fn section(&self, section: &Section<'_>, bytes: &[u8], out: &mut Out<'_>) {
        let off = out.len;
        match list_off(section) {
            Some(list_off) => out.list(bytes, list_off),
            None => {
                out.bytes(bytes);
                out.fill(SECTION_GROWTH);
            }
        }
        let len = out.len.saturating_sub(off) as u64;
        out.put(off.saturating_add(offset_of!(Head, len)), &len);
        if let Section::Thread(thread) = section {
            if self.version == VERSION {
                let through = in_other_words(thread.blocked);
                out.put(off.saturating_add(offset_of!(Thread, blocked)), &through);
            }
            out.unknown(OPTIONAL);
        }
    }
}

/// Where in a section with a list `entries_off` is, and `entry_len` behind it.
fn list_off(section: &Section<'_>) -> Option<usize> {
    match section {
        Section::Actions(_) => Some(offset_of!(abi::sigcr_actions, entries_off)),
        Section::SharedPending(_) | Section::Pending(_) => {
            Some(offset_of!(abi::sigcr_pending, entries_off))
        }
        Section::Timers(_) => Some(offset_of!(abi::sigcr_timers, entries_off)),
        Section::Signalfds(_) => Some(offset_of!(abi::sigcr_signalfds, entries_off)),
        Section::Waiters(_) => Some(offset_of!(abi::sigcr_waiters, entries_off)),
        Section::Process(_)
        | Section::Itimers(_)
        | Section::Thread(_)
        | Section::Altstack(_)
        | Section::Inflight(_)
        | Section::Unknown { .. } => None,
    }
}

/// Of the signals that are blocked those that are let through, and the other way around. What can
/// be in neither set is left alone, for the decoder to refuse.
fn in_other_words(set: u64) -> u64 {
    set ^ !UNBLOCKABLE
}

/// [`check_header`](super::check_header) for a reader that also knows version 2.
pub fn check_header(bytes: &[u8], len: usize) -> Result<Header, Refusal> {
    match check_header_of_today(bytes, len) {
        Err(Refusal::UnsupportedVersion { version: VERSION }) => {
            let short = Refusal::TooShort { len: bytes.len() };
            let mut head: [u8; Header::LEN] = load(bytes).ok_or(short)?;
            put(&mut head, VERSION_OFF, &abi::SIGCR_VERSION);
            check_header_of_today(&head, len)
        }
        answer => answer,
    }
}

/// Makes version 1 of a record of version 2, in place; any other one is left as it is.
///
/// What is wrong with it stays so, and is for the decoder to find: the checksum fits afterwards
/// because it was seen to fit before.
pub fn to_version_1(bytes: &mut [u8]) -> Result<(), Refusal> {
    let header = match load::<Header>(bytes) {
        Some(header) if header.version == VERSION => header,
        _ => return Ok(()),
    };
    let computed = checksum(bytes);
    if header.crc32c != computed {
        return Err(Refusal::BadChecksum {
            stored: header.crc32c,
            computed,
        });
    }
    put(bytes, VERSION_OFF, &abi::SIGCR_VERSION);
    let mut off = header.header_len as usize;
    while let Some(head) = bytes.get(off..).and_then(load::<Head>) {
        let end = usize::try_from(head.len)
            .ok()
            .and_then(|len| off.checked_add(len.max(Head::LEN)));
        // Beyond the end, or too short: the decoder says so.
        let Some(section) = end.and_then(|end| bytes.get_mut(off..end)) else {
            break;
        };
        if head.type_ == abi::SIGCR_SECTION_THREAD {
            if let Some(thread) = load::<Thread>(section) {
                let blocked = in_other_words(thread.blocked);
                put(section, offset_of!(Thread, blocked), &blocked);
            }
        }
        off = off.saturating_add(section.len());
    }
    seal(bytes);
    Ok(())
}

const VERSION_OFF: usize = offset_of!(Header, version);

fn put<T: Wire>(bytes: &mut [u8], off: usize, value: &T) {
    if let Some(rest) = bytes.get_mut(off..) {
        value.store(&mut Room { rest });
    }
}

/// A record that is being written. As for the encoder, what finds no room is only counted.
struct Out<'a> {
    buf: &'a mut [u8],
    len: usize,
    section_count: u32,
}

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buf.get_mut(self.len..end) {
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        self.len = end;
    }

    fn fill(&mut self, len: usize) {
        let end = self.len.saturating_add(len);
        if let Some(room) = self.buf.get_mut(self.len..end) {
            room.fill(FILL);
        }
        self.len = end;
    }

    /// Writes over what is there already.
    fn put<T: Wire>(&mut self, off: usize, value: &T) {
        put(self.buf, off, value);
    }

    /// Writes a section with a list, the head as well as each entry with what is appended.
    fn list(&mut self, bytes: &[u8], list_off: usize) {
        let off = self.len;
        let [entries_off, entry_len]: [u32; 2] =
            bytes.get(list_off..).and_then(load).unwrap_or([0; 2]);
        let (head, entries) = bytes
            .split_at_checked(entries_off as usize)
            .unwrap_or((bytes, &[]));
        self.bytes(head);
        self.fill(SECTION_GROWTH);
        for entry in entries.chunks(entry_len.max(1) as usize) {
            self.bytes(entry);
            self.fill(ENTRY_GROWTH);
        }
        let grown = [
            entries_off.saturating_add(SECTION_GROWTH as u32),
            entry_len.saturating_add(ENTRY_GROWTH as u32),
        ];
        self.put(off.saturating_add(list_off), &grown);
    }

    /// Writes a section that no reader knows.
    fn unknown(&mut self, section_type: u32) {
        const LEN: usize = Head::LEN + 8;
        let head = Head {
            type_: section_type,
            flags: u32::MAX,
            len: LEN as u64,
        };
        let off = self.len;
        self.fill(LEN);
        self.put(off, &head);
        self.section_count = self.section_count.saturating_add(1);
    }
}
