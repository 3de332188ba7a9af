// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Changes of queues that keep the rules.

use std::mem::offset_of;

use sigcr::record::{sigset_of, SIGCONT, SIGKILL, STOP_SIGNALS};
use sigcr_sys as abi;

use super::one_of;
use crate::draft::{get, put, Draft, Part};
use crate::fields::{CODE_AT, SIGNO_AT};
use crate::random::Random;

const QUEUES: &[u32] = &[
    abi::SIGCR_SECTION_SHARED_PENDING,
    abi::SIGCR_SECTION_PENDING,
];
pub(super) const SET_AT: usize = offset_of!(abi::sigcr_pending, set);
const ENTRY_FLAGS_AT: usize = offset_of!(abi::sigcr_entry, flags);

pub(super) fn set_of(part: &Part) -> u64 {
    get(&part.head, SET_AT, 8).unwrap_or(0)
}

fn signo_of(entry: &[u8]) -> u32 {
    // CAST: Of 4 bytes.
    get(entry, SIGNO_AT, 4).unwrap_or(0) as u32
}

pub(super) fn is_of_timer(entry: &[u8]) -> bool {
    get(entry, ENTRY_FLAGS_AT, 4).unwrap_or(0) & u64::from(abi::SIGCR_ENTRY_TIMER) != 0
}

/// Puts a signal into a queue, with its siginfo or without.
pub(super) fn queue_signal(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let queues = draft.parts_of(QUEUES);
    let pending = queues
        .iter()
        .fold(0, |set, &index| set | set_of(&draft.parts[index]));
    // CAST: At most 64.
    let signo = 1 + random.below(64) as u32;
    let bit = sigset_of(signo);
    let cont = sigset_of(SIGCONT);
    let clash = (bit & cont != 0 && pending & STOP_SIGNALS != 0)
        || (bit & STOP_SIGNALS != 0 && pending & cont != 0);
    let Some(part) = one_of(draft, QUEUES, random) else {
        return;
    };
    if signo == SIGKILL || clash {
        return;
    }
    let set = set_of(part) | bit;
    put(&mut part.head, SET_AT, 8, set);
    let entries = part.entries.chunks_exact(part.entry_len);
    let is_queued = entries
        .clone()
        .any(|entry| signo_of(entry) == signo && !is_of_timer(entry));
    if random.one_in(4) || (signo < 32 && is_queued) {
        return;
    }
    let code: i32 = match random.below(8) {
        // Those that only the kernel uses on behalf of others.
        0 => random.pick(&[0, -6, 1, 128]),
        _ => random.pick(&[-1, -3, -4, -5, -60, -1000]),
    };
    let mut entry = [0; size_of::<abi::sigcr_entry>()];
    for at in (0..abi::SIGCR_SIGINFO_LEN as usize).step_by(8) {
        put(&mut entry, at, 8, random.word());
    }
    put(&mut entry, SIGNO_AT, 4, signo.into());
    // CAST: The bits of a code.
    put(&mut entry, CODE_AT, 4, u64::from(code as u32));
    part.insert_entry(random.index(part.entry_count() + 1), &entry);
}

/// Makes a queue long: with many instances of a real-time signal, more than a low limit allows.
pub(super) fn flood(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, QUEUES, random) else {
        return;
    };
    // CAST: At most 64.
    let signo = 33 + random.below(32) as u32;
    let set = set_of(part) | sigset_of(signo);
    put(&mut part.head, SET_AT, 8, set);
    let mut entry = vec![0; part.entry_len];
    put(&mut entry, SIGNO_AT, 4, signo.into());
    // As from sigqueue(3).
    put(&mut entry, CODE_AT, 4, u64::from(u32::MAX));
    for value in 0..random.below(400) {
        put(&mut entry, VALUE_AT, 8, value);
        part.entries.extend(&entry);
    }
}

/// Where a siginfo has the value of sigqueue(3).
const VALUE_AT: usize = 24;

/// Takes a signal out of a queue; its bit may stay.
pub(super) fn take_signal(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, QUEUES, random) else {
        return;
    };
    if part.entry_count() == 0 {
        return;
    }
    let index = random.index(part.entry_count());
    let entry = part.entry(index);
    if is_of_timer(entry) {
        return;
    }
    let signo = signo_of(entry);
    part.remove_entry(index);
    let mut entries = part.entries.chunks_exact(part.entry_len);
    if random.one_in(2) && !entries.any(|entry| signo_of(entry) == signo) {
        let set = set_of(part) & !sigset_of(signo);
        put(&mut part.head, SET_AT, 8, set);
    }
}

pub(super) fn empty_queue(draft: &mut Draft, _: &Draft, random: &mut Random) {
    let Some(part) = one_of(draft, QUEUES, random) else {
        return;
    };
    let entries = part.entries.chunks_exact(part.entry_len);
    let kept: Vec<&[u8]> = entries.filter(|entry| is_of_timer(entry)).collect();
    let set = kept
        .iter()
        .fold(0, |set, entry| set | sigset_of(signo_of(entry)));
    part.entries = kept.concat();
    put(&mut part.head, SET_AT, 8, set);
}
