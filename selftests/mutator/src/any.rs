// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Changes that know the structure of a record and care for no rule.

use sigcr_sys as abi;

use crate::draft::{header_fields, put, Draft, Part};
use crate::fields::{Field, Meaning, FLAGS_AT, HEADER_FLAGS_AT, LAYOUTS, TYPE_AT};
use crate::random::Random;
use crate::values::{change, Context};

/// A change of a draft. What it needs from another record it takes from that one.
pub(crate) type Change = fn(&mut Draft, &Draft, &mut Random);

/// The changes, with how often each is made in comparison with the others.
pub(crate) const CHANGES: &[(u64, Change)] = &[
    (2, header_field),
    (8, head_field),
    (8, entry_field),
    (2, duplicate_part),
    (2, drop_part),
    (2, swap_parts),
    (2, insert_unknown),
    (1, retype_part),
    (2, resize_head),
    (2, resize_entries),
    (2, duplicate_entry),
    (2, drop_entry),
    (2, swap_entries),
    (2, copy_entry_elsewhere),
    (2, splice),
    (2, retag_part),
    (1, duplicate_thread),
    (2, insert_part),
    (1, claim_one_thread),
];

fn header_field(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let context = Context::of(draft);
    let field = random.pick(header_fields());
    change(&mut draft.header, &field, &context, random);
}

/// The index of any part; `None` if there is none.
pub(crate) fn any_part(draft: &Draft, random: &mut Random) -> Option<usize> {
    match draft.parts.len() {
        0 => None,
        count => Some(random.index(count)),
    }
}

/// The index of any part that has entries.
fn any_list(draft: &Draft, random: &mut Random) -> Option<usize> {
    let lists: Vec<usize> = (0..draft.parts.len())
        .filter(|&index| draft.parts[index].entry_count() > 0)
        .collect();
    match lists.is_empty() {
        true => None,
        false => Some(random.pick(&lists)),
    }
}

fn head_field(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(index) = any_part(draft, random) else {
        return;
    };
    let context = Context::of(draft);
    let part = &mut draft.parts[index];
    let layout = part.layout();
    let fields = layout.map_or(&[][..], |layout| layout.fields);
    let flags = Field {
        off: FLAGS_AT,
        len: 4,
        meaning: Meaning::Flags(layout.map_or(0, |layout| layout.flags)),
    };
    let field = match fields.is_empty() || random.one_in(4) {
        true => flags,
        false => random.pick(fields),
    };
    change(&mut part.head, &field, &context, random);
}

fn entry_field(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(index) = any_list(draft, random) else {
        return;
    };
    let context = Context::of(draft);
    let part = &mut draft.parts[index];
    if let Some(list) = part.layout().and_then(|layout| layout.entries) {
        let entry = random.index(part.entry_count());
        let field = random.pick(list.fields);
        change(part.entry_mut(entry), &field, &context, random);
    }
}

fn duplicate_part(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_part(draft, random) {
        let part = draft.parts[index].clone();
        let place = match random.below(2) {
            0 => index,
            _ => random.index(draft.parts.len() + 1),
        };
        draft.parts.insert(place, part);
    }
}

fn drop_part(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_part(draft, random) {
        draft.parts.remove(index);
    }
}

fn swap_parts(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let (Some(a), Some(b)) = (any_part(draft, random), any_part(draft, random)) {
        draft.parts.swap(a, b);
    }
}

fn insert_unknown(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let section_type = 0x0c + random.below(0x100) as u32;
    let mandatory = random.pick(&[0, 0, abi::SIGCR_SECTION_MANDATORY]);
    let mut part = Part::empty(section_type | mandatory);
    put(&mut part.head, FLAGS_AT, 4, random.word());
    part.entries = vec![0xa5; 8 * random.index(5)];
    let place = random.index(draft.parts.len() + 1);
    draft.parts.insert(place, part);
}

fn retype_part(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_part(draft, random) {
        let other = LAYOUTS[random.index(LAYOUTS.len())].section_type;
        let mandatory = random.pick(&[0, 0, abi::SIGCR_SECTION_MANDATORY]);
        put(
            &mut draft.parts[index].head,
            TYPE_AT,
            4,
            u64::from(other ^ mandatory),
        );
    }
}

/// A number of bytes by which something becomes longer: mostly one that keeps the alignment.
fn more_len(random: &mut Random) -> usize {
    match random.below(4) {
        0 => 1 + random.index(16),
        _ => 8 * (1 + random.index(4)),
    }
}

fn resize_head(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let head = match any_part(draft, random) {
        Some(index) if !random.one_in(4) => &mut draft.parts[index].head,
        _ => &mut draft.header,
    };
    let len = match random.below(2) {
        0 => head.len() + more_len(random),
        _ => head.len().saturating_sub(more_len(random)).max(16),
    };
    head.resize(len, 0x5a);
}

fn resize_entries(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(index) = any_list(draft, random) else {
        return;
    };
    let part = &mut draft.parts[index];
    let old_len = part.entry_len;
    let entry_len = match random.below(2) {
        0 => old_len + more_len(random),
        _ => old_len.saturating_sub(more_len(random)).max(1),
    };
    let mut entries = Vec::new();
    for entry in part.entries.chunks_exact(old_len) {
        let mut entry = entry.to_vec();
        entry.resize(entry_len, 0x5a);
        entries.extend(entry);
    }
    (part.entries, part.entry_len) = (entries, entry_len);
}

fn duplicate_entry(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_list(draft, random) {
        let part = &mut draft.parts[index];
        let from = random.index(part.entry_count());
        let entry = part.entry(from).to_vec();
        part.insert_entry(random.index(part.entry_count() + 1), &entry);
    }
}

fn drop_entry(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_list(draft, random) {
        let part = &mut draft.parts[index];
        part.remove_entry(random.index(part.entry_count()));
    }
}

fn swap_entries(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_list(draft, random) {
        let part = &mut draft.parts[index];
        let from = random.index(part.entry_count());
        let entry = part.entry(from).to_vec();
        part.remove_entry(from);
        part.insert_entry(random.index(part.entry_count() + 1), &entry);
    }
}

fn copy_entry_elsewhere(draft: &mut Draft, donor: &Draft, random: &mut Random) {
    let (from_donor, of) = match random.below(3) {
        0 => (true, donor),
        _ => (false, &*draft),
    };
    let Some(from) = any_list(of, random) else {
        return;
    };
    let from = &of.parts[from];
    let entry = from.entry(random.index(from.entry_count())).to_vec();
    let alike = |part: &Part| part.layout().map(|layout| layout.entries.is_some());
    let of_same_entries: Vec<usize> = (0..draft.parts.len())
        .filter(|&index| {
            let part = &draft.parts[index];
            alike(part) == Some(true) && (from_donor || part.entry_len == entry.len())
        })
        .collect();
    if !of_same_entries.is_empty() {
        let part = &mut draft.parts[random.pick(&of_same_entries)];
        part.insert_entry(random.index(part.entry_count() + 1), &entry);
    }
}

/// Takes a section from another record: instead of the one of that type, or where its type belongs.
fn splice(draft: &mut Draft, donor: &Draft, random: &mut Random) {
    let Some(index) = any_part(donor, random) else {
        return;
    };
    let mut part = donor.parts[index].clone();
    let section_type = part.section_type();
    let tids = draft.tids();
    if part.tid().is_some() && !tids.is_empty() && !random.one_in(8) {
        part.set_tid(random.pick(&tids));
    }
    let same = |other: &&Part| other.section_type() == section_type && other.tid() == part.tid();
    let place = draft.parts.iter().position(|other| same(&other));
    match place {
        Some(place) => draft.parts[place] = part,
        None => {
            let place = place_for(draft, &part);
            draft.parts.insert(place, part);
        }
    }
}

/// Where a section belongs by the order of types and threads.
pub(crate) fn place_for(draft: &Draft, part: &Part) -> usize {
    let place = |part: &Part| {
        let number = part.section_type() & !abi::SIGCR_SECTION_MANDATORY;
        let thread = abi::SIGCR_SECTION_THREAD & !abi::SIGCR_SECTION_MANDATORY;
        match part.tid() {
            Some(tid) => (thread, tid, number),
            None => (number, 0, 0),
        }
    };
    let wanted = place(part);
    let behind = |other: &Part| place(other) > wanted;
    let parts = &draft.parts;
    parts.iter().position(behind).unwrap_or(parts.len())
}

fn retag_part(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let tids = draft.tids();
    let Some(index) = any_part(draft, random) else {
        return;
    };
    let tid = match tids.is_empty() || random.one_in(3) {
        true => random.pick(&[0, 1, u32::MAX, i32::MAX as u32]),
        false => random.pick(&tids),
    };
    draft.parts[index].set_tid(tid);
}

fn duplicate_thread(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let tids = draft.tids();
    if tids.is_empty() {
        return;
    }
    let (from, to) = (random.pick(&tids), random.pick(&tids));
    let to = to.wrapping_add(random.pick(&[0, 1, 2, u32::MAX]));
    let parts: Vec<Part> = draft
        .parts
        .iter()
        .filter(|part| part.tid() == Some(from))
        .cloned()
        .collect();
    for mut part in parts {
        part.set_tid(to);
        let place = place_for(draft, &part);
        draft.parts.insert(place, part);
    }
}

/// Inserts a section without content, mostly for a thread that is there and in its place.
fn insert_part(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let layout = &LAYOUTS[random.index(LAYOUTS.len())];
    let mut part = Part::empty(layout.section_type);
    let tids = draft.tids();
    if !tids.is_empty() {
        part.set_tid(random.pick(&tids));
    }
    let context = Context::of(draft);
    for field in layout.fields {
        let is_tid = field.meaning == Meaning::Tid;
        if !is_tid && field.meaning != Meaning::Reserved && random.one_in(2) {
            change(&mut part.head, field, &context, random);
        }
    }
    let place = match random.below(8) {
        0 => random.index(draft.parts.len() + 1),
        _ => place_for(draft, &part),
    };
    draft.parts.insert(place, part);
}

/// Says that the record is one of a single thread; now and then it is one.
fn claim_one_thread(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let flags = u64::from(abi::SIGCR_RECORD_ONE_THREAD) | random.below(8);
    put(&mut draft.header, HEADER_FLAGS_AT, 4, flags);
    let tids = draft.tids();
    if random.below(3) > 0 && !tids.is_empty() {
        let tid = random.pick(&tids);
        draft.parts.retain(|part| part.tid() == Some(tid));
    }
}
