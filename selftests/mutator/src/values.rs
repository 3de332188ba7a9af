// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Values for a field: at the limits of what it means, and beyond them.

use sigcr::record::{
    ARCH, SIGALRM, SIGCONT, SIGEV_NONE, SIGEV_THREAD_ID, SIGKILL, SIGSTOP, STOP_SIGNALS,
    UNBLOCKABLE,
};
use sigcr_sys as abi;

use crate::draft::{get, put, Draft};
use crate::fields::{Field, Meaning};
use crate::random::Random;

/// What of a record the values of its fields have to do with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) tids: Vec<u32>,
    pub(crate) timer_ids: Vec<u32>,
}

impl Context {
    pub(crate) fn of(draft: &Draft) -> Self {
        let timers = draft.parts_of(&[abi::SIGCR_SECTION_TIMERS]);
        let timer_ids = timers.into_iter().flat_map(|index| {
            let part = &draft.parts[index];
            let ids = (0..part.entry_count()).filter_map(|entry| get(part.entry(entry), 0, 4));
            // Of 4 bytes.
            ids.map(|id| id as u32).collect::<Vec<_>>()
        });
        Self {
            tids: draft.tids(),
            timer_ids: timer_ids.collect(),
        }
    }
}

/// Changes the field in `bytes`, which start with the struct that the field is in.
pub(crate) fn change(bytes: &mut [u8], field: &Field, context: &Context, random: &mut Random) {
    let Some(now) = get(bytes, field.off, field.len) else {
        return;
    };
    let word = random.word();
    let value = match random.below(10) {
        0 => word,
        1 => now ^ 1 << random.below(64),
        2 => now.wrapping_add(1),
        3 => now.wrapping_sub(1),
        4 => random.pick(&[
            0,
            1,
            u64::MAX,
            1 << 31,
            (1 << 31) - 1,
            1 << 63,
            (1 << 63) - 1,
        ]),
        _ => interesting(field.meaning, now, context, random),
    };
    put(bytes, field.off, field.len, value);
}

/// A value that means something in such a field, allowed or not.
fn interesting(meaning: Meaning, now: u64, context: &Context, random: &mut Random) -> u64 {
    let bit = |signo: u32| 1_u64 << (signo - 1);
    let word = random.word();
    match meaning {
        Meaning::Magic => abi::SIGCR_MAGIC.swap_bytes().into(),
        Meaning::Version => random.below(4) + u64::from(abi::SIGCR_VERSION) - 1,
        Meaning::Arch => u64::from(random.pick(&[ARCH, 0xc000_00b7, 0x4000_0003, 0])),
        Meaning::Flags(known) => {
            let known = u64::from(known);
            random.pick(&[known, !known, now ^ 1 << (word & 3), known & word])
        }
        Meaning::ActionFlags => {
            let known = u64::from(abi::SIGCR_ACTION_FLAGS);
            random.pick(&[known, !known, now ^ 1 << (word & 31), known & word])
        }
        Meaning::Signo => match random.below(4) {
            0 => u64::from(random.pick(&[0, SIGKILL, SIGALRM, SIGCONT, SIGSTOP, SIGSTOP + 1])),
            1 => random.pick(&[31, 32, 33, 34, 63, 64, 65]),
            _ => 1 + random.below(64),
        },
        Meaning::Code => {
            let code = random.pick(&[0_i32, -1, -2, -3, -4, -5, -6, -7, -60, 1, 2, 128, i32::MIN]);
            // CAST: The bits of a code.
            u64::from(code as u32)
        }
        Meaning::Sigset => match random.below(6) {
            0 => now | bit(SIGKILL),
            1 => now | bit(SIGSTOP),
            2 => now | bit(SIGCONT) | STOP_SIGNALS,
            3 => word & !UNBLOCKABLE,
            4 => now ^ 1 << random.below(64),
            _ => random.pick(&[0, u64::MAX, !UNBLOCKABLE]),
        },
        Meaning::Tid => match (context.tids.is_empty(), random.below(4)) {
            (false, 0..=2) => u64::from(random.pick(&context.tids)),
            _ => random.pick(&[0, 1, 2, u64::from(u32::MAX), 1 << 22, (1 << 31) - 1]),
        },
        Meaning::TimerId => match (context.timer_ids.is_empty(), random.below(2)) {
            (false, 0) => u64::from(random.pick(&context.timer_ids)),
            _ => random.pick(&[0, 1, 2, 3, u64::from(u32::MAX), (1 << 31) - 1]),
        },
        Meaning::Fd => random.pick(&[0, 3, 4, 5, 1 << 20, (1 << 31) - 1, u64::from(u32::MAX)]),
        Meaning::Time => {
            const SECOND_NS: u64 = 1_000_000_000;
            const MAX: u64 = i64::MAX as u64;
            random.pick(&[
                0,
                1,
                SECOND_NS - 1,
                3600 * SECOND_NS,
                // Where seconds since 1970 and the longest time of the kernel add up.
                MAX - 2_000_000_000 * SECOND_NS,
                MAX - 1,
                MAX,
                MAX + 1,
                u64::MAX,
            ])
        }
        Meaning::Address => random.pick(&[
            0,
            1,
            0x1000,
            0x7fff_ffff_f000,
            0x7fff_ffff_ffff,
            0x8000_0000_0000,
            0xffff_8000_0000_0000,
            u64::MAX,
        ]),
        Meaning::Size => random.pick(&[0, 2047, 2048, 2049, 1 << 13, 1 << 16, u64::MAX, 1 << 63]),
        Meaning::Clock => match (context.tids.is_empty(), random.below(2)) {
            (false, 0) => cpu_clock(random.pick(&context.tids), random),
            _ => random.below(14).wrapping_sub(2),
        },
        Meaning::Notify => {
            u64::from(random.pick(&[0, SIGEV_NONE, 2, 3, SIGEV_THREAD_ID, 5, 1 << 31]))
        }
        Meaning::Overrun => {
            let overrun = random.pick(&[-2_i64, -1, 0, 1, i64::from(i32::MAX), i64::MAX, i64::MIN]);
            // CAST: The bits of an overrun.
            overrun as u64
        }
        Meaning::FrameAbi | Meaning::WaitType => random.below(5),
        Meaning::Reserved => random.pick(&[1, 1 << 31, u64::MAX]),
        Meaning::Number => random.pick(&[0, 1, 2, word, u64::MAX]),
    }
}

/// The clock of the CPU time of a thread or process, as clock_getcpuclockid(3) makes it.
fn cpu_clock(id: u32, random: &mut Random) -> u64 {
    u64::from(!id << 3) | random.below(8)
}
