// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A draft: a record taken apart, so that its parts can be changed and put together again.

use sigcr::record::encode::seal;

use crate::fields::{
    layout_of, tid_at, Field, Layout, HEADER, HEADER_LEN, HEADER_LEN_AT, HEAD_LEN, LEN_AT,
    SECTION_COUNT_AT, TOTAL_LEN_AT, TYPE_AT,
};

/// A record as its parts. It need not be one that decodes.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The header, with what a newer writer may have appended.
    pub(crate) header: Vec<u8>,
    pub(crate) parts: Vec<Part>,
}

/// One section.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// All of the section but for its entries.
    pub(crate) head: Vec<u8>,
    /// The entries one after the other.
    pub(crate) entries: Vec<u8>,
    /// Bytes of each; not 0.
    pub(crate) entry_len: usize,
}

/// Where a draft that was written tells of lengths and counts.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    /// Offset and length of each such field.
    pub(crate) counts: Vec<(usize, usize)>,
}

impl Draft {
    /// Takes bytes apart; `None` if they are not those of a header and sections.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header_len = get(bytes, HEADER_LEN_AT, 4)? as usize;
        if header_len < HEADER_LEN {
            return None;
        }
        let (header, mut rest) = bytes.split_at_checked(header_len)?;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let len = usize::try_from(get(rest, LEN_AT, 8)?).ok()?;
            if len < HEAD_LEN {
                return None;
            }
            let (section, after) = rest.split_at_checked(len)?;
            parts.push(Part::parse(section));
            rest = after;
        }
        let header = header.to_vec();
        Some(Self { header, parts })
    }

    /// Puts the parts together: lengths, counts and offsets are those of the parts. The checksum is
    /// left to [`seal`].
    pub(crate) fn write(&self) -> Written {
        let mut written = Written {
            bytes: self.header.clone(),
            counts: vec![(HEADER_LEN_AT, 4), (TOTAL_LEN_AT, 8), (SECTION_COUNT_AT, 4)],
        };
        for part in &self.parts {
            let off = written.bytes.len();
            written.counts.push((off + LEN_AT, 8));
            let layout = part.layout().and_then(|layout| layout.entries);
            if let Some(list) = layout {
                for at in [list.off_at, list.len_at, list.count_at] {
                    written.counts.push((off + at, 4));
                }
            }
            written.bytes.extend(part.finished_head());
            written.bytes.extend(&part.entries);
        }
        let total_len = written.bytes.len() as u64;
        let bytes = &mut written.bytes;
        put(bytes, HEADER_LEN_AT, 4, self.header.len() as u64);
        put(bytes, TOTAL_LEN_AT, 8, total_len);
        put(bytes, SECTION_COUNT_AT, 4, self.parts.len() as u64);
        written
    }

    /// The record with the right checksum.
    pub(crate) fn sealed(&self) -> Vec<u8> {
        let mut bytes = self.write().bytes;
        seal(&mut bytes);
        bytes
    }

    /// The ids of the threads that have a section, each once, in the order of the record.
    pub(crate) fn tids(&self) -> Vec<u32> {
        let mut tids: Vec<u32> = self.parts.iter().filter_map(Part::tid).collect();
        tids.dedup();
        tids
    }

    /// The indices of the parts of these types.
    pub(crate) fn parts_of(&self, section_types: &[u32]) -> Vec<usize> {
        let parts = self.parts.iter().enumerate();
        parts
            .filter(|(_, part)| section_types.contains(&part.section_type()))
            .map(|(index, _)| index)
            .collect()
    }
}

impl Part {
    /// A section of this type without any content.
    pub(crate) fn empty(section_type: u32) -> Self {
        let layout = layout_of(section_type);
        let mut head = vec![0; layout.map_or(HEAD_LEN, |layout| layout.head_len)];
        put(&mut head, TYPE_AT, 4, section_type.into());
        let list = layout.and_then(|layout| layout.entries);
        Self {
            head,
            entries: Vec::new(),
            entry_len: list.map_or(8, |list| list.entry_len),
        }
    }

    fn parse(section: &[u8]) -> Self {
        let whole = Self {
            head: section.to_vec(),
            entries: Vec::new(),
            entry_len: 8,
        };
        let split = || {
            let list = whole.layout()?.entries?;
            let entries_off = get(section, list.off_at, 4)? as usize;
            let entry_len = get(section, list.len_at, 4)? as usize;
            let entry_count = get(section, list.count_at, 4)? as usize;
            let (head, entries) = section.split_at_checked(entries_off)?;
            let fits = head.len() >= list.count_at + 4
                && entry_len >= list.entry_len
                && entry_len.checked_mul(entry_count) == Some(entries.len());
            fits.then(|| Self {
                head: head.to_vec(),
                entries: entries.to_vec(),
                // That of no entry may be anything, gigabytes for one.
                entry_len: match entry_count {
                    0 => list.entry_len,
                    _ => entry_len,
                },
            })
        };
        split().unwrap_or(whole)
    }

    /// The head with its lengths and counts filled in.
    fn finished_head(&self) -> Vec<u8> {
        let mut head = self.head.clone();
        let len = head.len() + self.entries.len();
        put(&mut head, LEN_AT, 8, len as u64);
        if let Some(list) = self.layout().and_then(|layout| layout.entries) {
            let entries_off = head.len() as u64;
            put(&mut head, list.off_at, 4, entries_off);
            put(&mut head, list.len_at, 4, self.entry_len as u64);
            put(&mut head, list.count_at, 4, self.entry_count() as u64);
        }
        head
    }

    pub(crate) fn section_type(&self) -> u32 {
        // Of 4 bytes.
        get(&self.head, TYPE_AT, 4).unwrap_or(0) as u32
    }

    /// What is known of the section's type.
    pub(crate) fn layout(&self) -> Option<&'static Layout> {
        layout_of(self.section_type())
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len() / self.entry_len
    }

    /// An entry; empty beyond the last one.
    pub(crate) fn entry(&self, index: usize) -> &[u8] {
        let mut entries = self.entries.chunks_exact(self.entry_len);
        entries.nth(index).unwrap_or(&[])
    }

    pub(crate) fn entry_mut(&mut self, index: usize) -> &mut [u8] {
        let mut entries = self.entries.chunks_exact_mut(self.entry_len);
        entries.nth(index).unwrap_or(&mut [])
    }

    /// Puts an entry in front of the one that is at `index`. Bytes that it lacks are zero.
    pub(crate) fn insert_entry(&mut self, index: usize, entry: &[u8]) {
        let at = index.min(self.entry_count()) * self.entry_len;
        let mut bytes = entry.to_vec();
        bytes.resize(self.entry_len, 0);
        self.entries.splice(at..at, bytes);
    }

    pub(crate) fn remove_entry(&mut self, index: usize) {
        let at = index * self.entry_len;
        self.entries.drain(at..at + self.entry_len);
    }

    /// The thread that the section belongs to.
    pub(crate) fn tid(&self) -> Option<u32> {
        // Of 4 bytes.
        Some(get(&self.head, tid_at(self.section_type())?, 4)? as u32)
    }

    pub(crate) fn set_tid(&mut self, tid: u32) {
        if let Some(at) = tid_at(self.section_type()) {
            put(&mut self.head, at, 4, tid.into());
        }
    }
}

/// The fields of the header.
pub(crate) fn header_fields() -> &'static [Field] {
    HEADER
}

/// The number of `len` bytes at `off`; `None` beyond the end.
pub(crate) fn get(bytes: &[u8], off: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(off..off.checked_add(len)?)?;
    let mut word = [0; 8];
    word.get_mut(..len)?.copy_from_slice(bytes);
    // Records that are changed here are those of this machine, which is little-endian.
    Some(u64::from_le_bytes(word))
}

/// Writes the number of `len` bytes at `off`; nothing beyond the end.
pub(crate) fn put(bytes: &mut [u8], off: usize, len: usize, value: u64) {
    if let Some(out) = bytes.get_mut(off..off.saturating_add(len)) {
        let word = value.to_le_bytes();
        out.copy_from_slice(&word[..len.min(8)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    #[test]
    fn every_golden_record_is_the_same_after_it_was_taken_apart() {
        let seeds = seeds::good();
        for bytes in &seeds {
            let draft = Draft::parse(bytes).unwrap();
            assert!(draft.sealed() == *bytes);
        }
        // Entries are seen as such.
        let entry_count = |bytes: &&[u8]| {
            let draft = Draft::parse(bytes).unwrap();
            draft.parts.iter().map(Part::entry_count).sum::<usize>()
        };
        assert_eq!(seeds.iter().map(entry_count).max(), Some(1000));
    }
}
