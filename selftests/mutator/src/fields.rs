// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The fields of a record: where each of them is, by the UAPI header, and what it means.

use std::mem::{offset_of, size_of};

use sigcr_sys as abi;

/// What a field means, and so which values are of interest in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Magic,
    Version,
    Arch,
    /// Flags, of which these are known.
    Flags(u32),
    /// Flags of an action.
    ActionFlags,
    Signo,
    /// The `si_code` of a siginfo.
    Code,
    Sigset,
    Tid,
    TimerId,
    Fd,
    /// Nanoseconds.
    Time,
    Address,
    Size,
    Clock,
    Notify,
    Overrun,
    FrameAbi,
    WaitType,
    Reserved,
    /// Any number.
    Number,
}

/// A field of 4 or 8 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) off: usize,
    pub(crate) len: usize,
    pub(crate) meaning: Meaning,
}

/// Entries that follow a section's head: where the head tells of them, and what is in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries {
    pub(crate) off_at: usize,
    pub(crate) len_at: usize,
    pub(crate) count_at: usize,
    pub(crate) entry_len: usize,
    pub(crate) fields: &'static [Field],
}

/// A type of section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) section_type: u32,
    pub(crate) head_len: usize,
    /// The fields of the head, without those of its own head and those that tell of entries.
    pub(crate) fields: &'static [Field],
    pub(crate) flags: u32,
    pub(crate) entries: Option<Entries>,
}

/// The layout of a type of section.
pub(crate) fn layout_of(section_type: u32) -> Option<&'static Layout> {
    LAYOUTS
        .iter()
        .find(|layout| layout.section_type == section_type)
}

/// Offset of a section's type, flags and length.
pub(crate) const TYPE_AT: usize = offset_of!(abi::sigcr_section, type_);
pub(crate) const FLAGS_AT: usize = offset_of!(abi::sigcr_section, flags);
pub(crate) const LEN_AT: usize = offset_of!(abi::sigcr_section, len);
/// Bytes of a section's own head.
pub(crate) const HEAD_LEN: usize = size_of::<abi::sigcr_section>();

/// Bytes of the header, and where it tells of lengths and counts.
pub(crate) const HEADER_LEN: usize = size_of::<abi::sigcr_header>();
pub(crate) const HEADER_LEN_AT: usize = offset_of!(abi::sigcr_header, header_len);
pub(crate) const TOTAL_LEN_AT: usize = offset_of!(abi::sigcr_header, total_len);
pub(crate) const SECTION_COUNT_AT: usize = offset_of!(abi::sigcr_header, section_count);
pub(crate) const HEADER_FLAGS_AT: usize = offset_of!(abi::sigcr_header, flags);

/// Fields of one struct: `fields!(struct: field Meaning, ...)`.
macro_rules! fields {
    ($name:ty: $($field:ident $meaning:expr),* $(,)?) => {{
        const fn len_of<T, F>(_: fn(&T) -> &F) -> usize {
            size_of::<F>()
        }
        const FIELDS: &[Field] = &[$(Field {
            off: offset_of!($name, $field),
            len: len_of(|value: &$name| &value.$field),
            meaning: $meaning,
        }),*];
        FIELDS
    }};
}

macro_rules! entries {
    ($head:ty, $entry:ty, $fields:expr) => {
        Some(Entries {
            off_at: offset_of!($head, entries_off),
            len_at: offset_of!($head, entry_len),
            count_at: offset_of!($head, entry_count),
            entry_len: size_of::<$entry>(),
            fields: $fields,
        })
    };
}

use Meaning::{
    ActionFlags, Address, Arch, Clock, Code, Fd, Flags, FrameAbi, Magic, Notify, Number, Overrun,
    Reserved, Signo, Sigset, Size, Tid, Time, TimerId, Version, WaitType,
};

/// The header, but for its lengths, its count of sections and its checksum.
pub(crate) const HEADER: &[Field] = {
    // An array of words; each is zero.
    const RESERVED: Field = Field {
        off: offset_of!(abi::sigcr_header, reserved) + 8,
        len: 4,
        meaning: Reserved,
    };
    const REST: &[Field] = fields!(abi::sigcr_header: magic Magic, version Version, arch Arch,
        flags Flags(abi::SIGCR_RECORD_FLAGS), thread_count Number, tgid Tid);
    &[
        REST[0], REST[1], REST[2], REST[3], REST[4], REST[5], RESERVED,
    ]
};

/// Offsets in a siginfo, as of `<asm-generic/siginfo.h>`.
pub(crate) const SIGNO_AT: usize = 0;
pub(crate) const CODE_AT: usize = 8;

/// A queued signal: of its siginfo what the kernel looks at, and some of what it does not.
const ENTRY: &[Field] = {
    const OFF: usize = offset_of!(abi::sigcr_entry, siginfo);
    const fn part(off: usize, len: usize, meaning: Meaning) -> Field {
        let off = OFF + off;
        Field { off, len, meaning }
    }
    const REST: &[Field] =
        fields!(abi::sigcr_entry: flags Flags(abi::SIGCR_ENTRY_FLAGS), timer_id TimerId);
    &[
        part(SIGNO_AT, 4, Signo),
        part(CODE_AT, 4, Code),
        part(16, 4, Tid),
        part(20, 4, Number),
        part(24, 8, Number),
        REST[0],
        REST[1],
    ]
};

const INFLIGHT: &[Field] = {
    const OFF: usize = offset_of!(abi::sigcr_inflight, siginfo);
    const SIGNAL: Field = Field {
        off: OFF + SIGNO_AT,
        len: 4,
        meaning: Signo,
    };
    const REST: &[Field] = fields!(abi::sigcr_inflight: tid Tid, reserved Reserved);
    &[REST[0], REST[1], SIGNAL]
};

const ITIMERS: &[Field] = {
    const fn time(off: usize) -> Field {
        Field {
            off: offset_of!(abi::sigcr_itimers, real) + off,
            len: 8,
            meaning: Time,
        }
    }
    &[time(0), time(8), time(16), time(24), time(32), time(40)]
};

const QUEUE_HEAD: &[Field] = fields!(abi::sigcr_pending: tid Tid, set Sigset);

/// All types of section that there are.
#[rustfmt::skip] // A table is read by columns.
pub(crate) const LAYOUTS: &[Layout] = &[
    Layout {
        section_type: abi::SIGCR_SECTION_PROCESS,
        head_len: size_of::<abi::sigcr_process>(),
        flags: abi::SIGCR_PROCESS_FLAGS,
        fields: fields!(abi::sigcr_process: stop_signo Signo, exit_signo Signo,
            rlimit_sigpending_count Number, start_boottime_ns Number),
        entries: None,
    },
    Layout {
        section_type: abi::SIGCR_SECTION_ACTIONS,
        head_len: size_of::<abi::sigcr_actions>(),
        flags: 0,
        fields: fields!(abi::sigcr_actions: reserved Reserved),
        entries: entries!(abi::sigcr_actions, abi::sigcr_action, fields!(abi::sigcr_action:
            signo Signo, abi FrameAbi, flags ActionFlags, handler Address, restorer Address,
            mask Sigset)),
    },
    Layout {
        section_type: abi::SIGCR_SECTION_SHARED_PENDING,
        head_len: size_of::<abi::sigcr_pending>(),
        flags: 0,
        fields: QUEUE_HEAD,
        entries: entries!(abi::sigcr_pending, abi::sigcr_entry, ENTRY),
    },
    Layout {
        section_type: abi::SIGCR_SECTION_ITIMERS,
        head_len: size_of::<abi::sigcr_itimers>(),
        flags: abi::SIGCR_ITIMERS_FLAGS,
        fields: ITIMERS,
        entries: None,
    },
    Layout {
        section_type: abi::SIGCR_SECTION_TIMERS,
        head_len: size_of::<abi::sigcr_timers>(),
        flags: 0,
        fields: fields!(abi::sigcr_timers: next_timer_id TimerId),
        entries: entries!(abi::sigcr_timers, abi::sigcr_timer, fields!(abi::sigcr_timer:
            timer_id TimerId, clock_id Clock, notify Notify, signo Signo, sigval Number,
            notify_tid Tid, flags Flags(abi::SIGCR_TIMER_FLAGS), interval_ns Time,
            remaining_ns Time, expires_ns Time, overrun Overrun, overrun_last Overrun)),
    },
    Layout {
        section_type: abi::SIGCR_SECTION_SIGNALFDS,
        head_len: size_of::<abi::sigcr_signalfds>(),
        flags: 0,
        fields: fields!(abi::sigcr_signalfds: reserved Reserved),
        entries: entries!(abi::sigcr_signalfds, abi::sigcr_signalfd, fields!(abi::sigcr_signalfd:
            fd Fd, flags Flags(0o2_004_000), mask Sigset)),
    },
    Layout {
        section_type: abi::SIGCR_SECTION_THREAD,
        head_len: size_of::<abi::sigcr_thread>(),
        flags: abi::SIGCR_THREAD_FLAGS,
        fields: fields!(abi::sigcr_thread: tid Tid, pdeath_signo Signo, blocked Sigset),
        entries: None,
    },
    Layout {
        section_type: abi::SIGCR_SECTION_ALTSTACK,
        head_len: size_of::<abi::sigcr_altstack>(),
        flags: 0,
        fields: fields!(abi::sigcr_altstack: tid Tid, ss_flags Flags(1 << 31 | 2), sp Address,
            size Size),
        entries: None,
    },
    Layout {
        section_type: abi::SIGCR_SECTION_PENDING,
        head_len: size_of::<abi::sigcr_pending>(),
        flags: 0,
        fields: QUEUE_HEAD,
        entries: entries!(abi::sigcr_pending, abi::sigcr_entry, ENTRY),
    },
    Layout {
        section_type: abi::SIGCR_SECTION_INFLIGHT,
        head_len: size_of::<abi::sigcr_inflight>(),
        flags: 0,
        fields: INFLIGHT,
        entries: None,
    },
    Layout {
        section_type: abi::SIGCR_SECTION_WAITERS,
        head_len: size_of::<abi::sigcr_waiters>(),
        flags: 0,
        fields: fields!(abi::sigcr_waiters: reserved Reserved),
        entries: entries!(abi::sigcr_waiters, abi::sigcr_waiter, fields!(abi::sigcr_waiter:
            tid Tid, id_type WaitType, id Tid, options Number)),
    },
];

/// Where a section has the id of its thread, if it belongs to one.
pub(crate) fn tid_at(section_type: u32) -> Option<usize> {
    match section_type {
        abi::SIGCR_SECTION_THREAD => Some(offset_of!(abi::sigcr_thread, tid)),
        abi::SIGCR_SECTION_ALTSTACK => Some(offset_of!(abi::sigcr_altstack, tid)),
        abi::SIGCR_SECTION_PENDING => Some(offset_of!(abi::sigcr_pending, tid)),
        abi::SIGCR_SECTION_INFLIGHT => Some(offset_of!(abi::sigcr_inflight, tid)),
        _ => None,
    }
}
