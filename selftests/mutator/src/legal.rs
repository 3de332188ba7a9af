// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Changes that keep the rules: of a good record they make another good one, mostly.
//!
//! They are for what comes after the decoder: a restore that is carried out, or refused by the
//! state of its target.

mod queues;

use std::mem::offset_of;

use sigcr::record::{sigset_of, SIGCONT, SIGSTOP, SS_AUTODISARM, SS_DISABLE, UNBLOCKABLE};
use sigcr_sys as abi;

use crate::any::{any_part, place_for, Change};
use crate::draft::{get, put, Draft, Part};
use crate::fields::{FLAGS_AT, HEADER_FLAGS_AT};
use crate::random::Random;
use queues::{empty_queue, flood, is_of_timer, queue_signal, set_of, take_signal, SET_AT};

/// The changes, with how often each is made in comparison with the others.
pub(crate) const CHANGES: &[(u64, Change)] = &[
    (3, block),
    (1, signal_of_parent),
    (1, mark_thread),
    (3, set_action),
    (4, queue_signal),
    (1, flood),
    (2, take_signal),
    (1, empty_queue),
    (2, set_altstack),
    (2, set_itimers),
    (2, set_timer),
    (1, set_signalfd),
    (2, leave_out),
    (1, tell_of_process),
    (1, append),
    (1, add_unknown),
    (1, swap_threads),
    (1, keep_thread),
];

/// One of the parts of a type, to be changed.
fn one_of<'d>(draft: &'d mut Draft, types: &[u32], random: &mut Random) -> Option<&'d mut Part> {
    let parts = draft.parts_of(types);
    match parts.is_empty() {
        true => None,
        false => draft.parts.get_mut(random.pick(&parts)),
    }
}

/// Any set of signals that can be blocked: few of them, half of them, or most.
fn blockable(random: &mut Random) -> u64 {
    let (a, b) = (random.word(), random.word());
    random.pick(&[0, a & b, a, a | b, u64::MAX]) & !UNBLOCKABLE
}

fn block(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_THREAD], random) {
        let at = offset_of!(abi::sigcr_thread, blocked);
        put(&mut part.head, at, 8, blockable(random));
    }
}

fn signal_of_parent(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_THREAD], random) {
        let at = offset_of!(abi::sigcr_thread, pdeath_signo);
        put(&mut part.head, at, 4, random.below(65));
    }
}

/// Changes how a thread is said to have been stopped.
fn mark_thread(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_THREAD], random) {
        let listed_only = abi::SIGCR_THREAD_WORKER | abi::SIGCR_THREAD_DEAD;
        let flags = u64::from(abi::SIGCR_THREAD_FLAGS & !listed_only);
        put(&mut part.head, FLAGS_AT, 4, random.word() & flags);
    }
}

fn set_action(draft: &mut Draft, _: &Draft, random: &mut Random) {
    const SIGNO_OFF: usize = offset_of!(abi::sigcr_action, signo);
    let signo = 1 + random.below(64);
    // CAST: At most 64.
    let fixed = sigset_of(signo as u32) & UNBLOCKABLE != 0;
    let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_ACTIONS], random) else {
        return;
    };
    if fixed {
        return;
    }
    let signo_at = |part: &Part, index| get(part.entry(index), SIGNO_OFF, 4).unwrap_or(0);
    let place = (0..part.entry_count()).find(|&index| signo_at(part, index) >= signo);
    let place = place.unwrap_or(part.entry_count());
    if place < part.entry_count() && signo_at(part, place) == signo {
        part.remove_entry(place);
        if random.one_in(3) {
            return;
        }
    }
    let frame_abi = if random.one_in(8) { random.below(3) } else { 0 };
    let any_address = 0x1000 | random.word() >> 17;
    let handler = random.pick(&[0, 1, 0x40_1000, any_address]);
    let flags = random.word() & u64::from(abi::SIGCR_ACTION_FLAGS);
    let mut entry = [0; size_of::<abi::sigcr_action>()];
    put(&mut entry, SIGNO_OFF, 4, signo);
    put(&mut entry, offset_of!(abi::sigcr_action, abi), 4, frame_abi);
    put(&mut entry, offset_of!(abi::sigcr_action, flags), 8, flags);
    put(
        &mut entry,
        offset_of!(abi::sigcr_action, handler),
        8,
        handler,
    );
    let restorer = random.word() >> 17;
    put(
        &mut entry,
        offset_of!(abi::sigcr_action, restorer),
        8,
        restorer,
    );
    put(
        &mut entry,
        offset_of!(abi::sigcr_action, mask),
        8,
        blockable(random),
    );
    part.insert_entry(place, &entry);
}

fn set_altstack(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_ALTSTACK], random) else {
        return;
    };
    let autodisarm = if random.one_in(2) { SS_AUTODISARM } else { 0 };
    let any_address = random.word();
    let (flags, sp, size) = match random.below(3) {
        0 => (SS_DISABLE | autodisarm, 0, 0),
        _ => (
            autodisarm,
            random.pick(&[0, 0x7000_0000_0000, any_address]),
            random.pick(&[1 << 14, 1 << 16, 12345, 1 << 40, u64::MAX]),
        ),
    };
    put(
        &mut part.head,
        offset_of!(abi::sigcr_altstack, ss_flags),
        4,
        flags.into(),
    );
    put(&mut part.head, offset_of!(abi::sigcr_altstack, sp), 8, sp);
    put(
        &mut part.head,
        offset_of!(abi::sigcr_altstack, size),
        8,
        size,
    );
}

/// A time that is mostly far away, or none at all.
fn any_ns(random: &mut Random) -> u64 {
    const HOUR_NS: u64 = 3_600_000_000_000;
    if random.one_in(12) {
        return random.pick(&[1, 999, 1_000_000, 50_000_000, 1_000_000_000]);
    }
    random.pick(&[0, HOUR_NS, 24 * HOUR_NS + 1, 1 << 60, i64::MAX as u64])
}

fn set_itimers(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_ITIMERS], random) else {
        return;
    };
    let expired = random.one_in(4);
    put(&mut part.head, FLAGS_AT, 4, expired.into());
    let first = offset_of!(abi::sigcr_itimers, real);
    for at in (first..size_of::<abi::sigcr_itimers>()).step_by(8) {
        put(&mut part.head, at, 8, any_ns(random));
    }
    if expired {
        put(&mut part.head, first, 8, 0);
        put(&mut part.head, first + 8, 8, 3_600_000_000_000);
    }
}

/// Arms or disarms a timer that is not pending.
fn set_timer(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_TIMERS], random) else {
        return;
    };
    if part.entry_count() == 0 {
        let next_id = random.below(1 << 31);
        put(
            &mut part.head,
            offset_of!(abi::sigcr_timers, next_timer_id),
            4,
            next_id,
        );
        return;
    }
    let index = random.index(part.entry_count());
    let timer = part.entry_mut(index);
    let flags_at = offset_of!(abi::sigcr_timer, flags);
    if get(timer, flags_at, 4).unwrap_or(0) & u64::from(abi::SIGCR_TIMER_PENDING) != 0 {
        return;
    }
    let remaining_ns = any_ns(random);
    let (flags, interval_ns) = match remaining_ns {
        0 => (0, 0),
        _ => (abi::SIGCR_TIMER_ARMED, any_ns(random)),
    };
    for (at, len, value) in [
        (flags_at, 4, flags.into()),
        (offset_of!(abi::sigcr_timer, interval_ns), 8, interval_ns),
        (offset_of!(abi::sigcr_timer, remaining_ns), 8, remaining_ns),
        (offset_of!(abi::sigcr_timer, expires_ns), 8, 0),
        (
            offset_of!(abi::sigcr_timer, overrun_last),
            8,
            random.below(1 << 33),
        ),
    ] {
        put(timer, at, len, value);
    }
}

fn set_signalfd(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_SIGNALFDS], random) {
        if part.entry_count() > 0 {
            let index = random.index(part.entry_count());
            let at = offset_of!(abi::sigcr_signalfd, mask);
            put(part.entry_mut(index), at, 8, blockable(random));
        }
    }
}

/// Leaves a section out, but for those with the signals of timers and the timers themselves.
fn leave_out(draft: &mut Draft, _: &Draft, random: &mut Random) {
    if let Some(index) = any_part(draft, random) {
        let part = &draft.parts[index];
        let of_timers = part.section_type() == abi::SIGCR_SECTION_TIMERS;
        let mut entries = part.entries.chunks_exact(part.entry_len);
        if !of_timers && !entries.any(is_of_timer) {
            draft.parts.remove(index);
        }
    }
}

/// Changes what nobody restores: flags of the record, ids and counts, PROCESS.
fn tell_of_process(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let one_thread = u64::from(abi::SIGCR_RECORD_ONE_THREAD);
    let flags = get(&draft.header, HEADER_FLAGS_AT, 4).unwrap_or(0) & one_thread;
    put(
        &mut draft.header,
        HEADER_FLAGS_AT,
        4,
        flags | random.below(8),
    );
    let (tgid, count) = (1 + random.below(i32::MAX as u64), 1 + random.below(1 << 31));
    put(
        &mut draft.header,
        offset_of!(abi::sigcr_header, tgid),
        4,
        tgid,
    );
    put(
        &mut draft.header,
        offset_of!(abi::sigcr_header, thread_count),
        4,
        count,
    );
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_PROCESS], random) {
        put(&mut part.head, FLAGS_AT, 4, random.below(16));
        let (stop, start) = (random.below(65), random.word());
        put(
            &mut part.head,
            offset_of!(abi::sigcr_process, stop_signo),
            4,
            stop,
        );
        put(
            &mut part.head,
            offset_of!(abi::sigcr_process, start_boottime_ns),
            8,
            start,
        );
    }
}

/// Appends what a newer writer may append: to the header, to a section, or to its entries.
fn append(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let more_len = 8 * (1 + random.index(4));
    let Some(index) = any_part(draft, random) else {
        return;
    };
    let part = &mut draft.parts[index];
    match random.below(3) {
        0 => draft.header.resize(draft.header.len() + more_len, 0x77),
        1 => part.head.resize(part.head.len() + more_len, 0x77),
        _ => {
            let mut entries = Vec::new();
            for entry in part.entries.chunks_exact(part.entry_len) {
                entries.extend(entry);
                entries.resize(entries.len() + more_len, 0x77);
            }
            part.entries = entries;
            part.entry_len += more_len;
        }
    }
}

fn add_unknown(draft: &mut Draft, _: &Draft, random: &mut Random) {
    // CAST: A small number.
    let mut part = Part::empty(0x20 + random.below(0x1000) as u32);
    part.entries = vec![0x33; 8 * random.index(6)];
    let place = random.index(draft.parts.len() + 1);
    draft.parts.insert(place, part);
}

/// Gives two threads each other's state.
fn swap_threads(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let tids = draft.tids();
    if tids.len() < 2 {
        return;
    }
    let (a, b) = (random.pick(&tids), random.pick(&tids));
    let mut moved = Vec::new();
    for part in &draft.parts {
        for (from, to) in [(a, b), (b, a)] {
            if part.tid() == Some(from) {
                let mut part = part.clone();
                part.set_tid(to);
                moved.push(part);
            }
        }
    }
    if a != b {
        draft
            .parts
            .retain(|part| part.tid() != Some(a) && part.tid() != Some(b));
        for part in moved {
            let place = place_for(draft, &part);
            draft.parts.insert(place, part);
        }
    }
}

/// Makes it a record of one thread, or one of the process with one thread.
fn keep_thread(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let tids = draft.tids();
    if tids.is_empty() {
        return;
    }
    let tid = random.pick(&tids);
    let alone = random.one_in(2);
    draft
        .parts
        .retain(|part| part.tid() == Some(tid) || (part.tid().is_none() && !alone));
    if alone {
        let flags = u64::from(abi::SIGCR_RECORD_ONE_THREAD);
        put(&mut draft.header, HEADER_FLAGS_AT, 4, flags);
    }
    // A stop signal that is sent to one thread is one of all.
    if let Some(part) = one_of(draft, &[abi::SIGCR_SECTION_PENDING], random) {
        if random.one_in(4) && set_of(part) & sigset_of(SIGCONT) == 0 {
            let set = set_of(part) | sigset_of(SIGSTOP);
            put(&mut part.head, SET_AT, 8, set);
        }
    }
}
