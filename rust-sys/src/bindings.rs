// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note

//! Generated from `include/uapi/linux/sigcr.h` by `cargo xtask bindings`.

pub const SIGCR_NR_SIGCKPT: u32 = 389;
pub const SIGCR_NR_SIGRESTORE: u32 = 390;
pub const SIGCKPT_LIVE: u32 = 1;
pub const SIGCKPT_WAITERS: u32 = 2;
pub const SIGCKPT_QUERY: u32 = 4;
pub const SIGCKPT_VERSION_SHIFT: u32 = 24;
pub const SIGCKPT_VERSION_MASK: u32 = 4278190080;
pub const SIGRESTORE_DRY_RUN: u32 = 1;
pub const SIGRESTORE_SHARED_SIGHAND: u32 = 2;
pub const SIGCR_MAGIC: u32 = 1380140883;
pub const SIGCR_VERSION: u32 = 1;
pub const SIGCR_RECORD_LEN_MAX: u32 = 67108864;
pub const SIGCR_HEADER_LEN_MAX: u32 = 4096;
pub const SIGCR_LIVE_ENTRY_COUNT_MAX: u32 = 16384;
pub const SIGCR_SIGNO_MAX: u32 = 64;
pub const SIGCR_SIGINFO_LEN: u32 = 48;
pub const SIGCR_HEADER_LEN_VER1: u32 = 64;
pub const SIGCR_SECTION_LEN_VER1: u32 = 16;
pub const SIGCR_PROCESS_LEN_VER1: u32 = 40;
pub const SIGCR_ACTIONS_LEN_VER1: u32 = 32;
pub const SIGCR_ACTION_LEN_VER1: u32 = 40;
pub const SIGCR_PENDING_LEN_VER1: u32 = 40;
pub const SIGCR_ENTRY_LEN_VER1: u32 = 56;
pub const SIGCR_ITIMERS_LEN_VER1: u32 = 64;
pub const SIGCR_TIMERS_LEN_VER1: u32 = 32;
pub const SIGCR_TIMER_LEN_VER1: u32 = 72;
pub const SIGCR_SIGNALFDS_LEN_VER1: u32 = 32;
pub const SIGCR_SIGNALFD_LEN_VER1: u32 = 16;
pub const SIGCR_THREAD_LEN_VER1: u32 = 32;
pub const SIGCR_ALTSTACK_LEN_VER1: u32 = 40;
pub const SIGCR_INFLIGHT_LEN_VER1: u32 = 72;
pub const SIGCR_WAITERS_LEN_VER1: u32 = 32;
pub const SIGCR_WAITER_LEN_VER1: u32 = 16;
pub const SIGCR_RECORD_LIVE: u32 = 1;
pub const SIGCR_RECORD_UNSTABLE: u32 = 2;
pub const SIGCR_RECORD_SHARED_SIGHAND: u32 = 4;
pub const SIGCR_RECORD_ONE_THREAD: u32 = 8;
pub const SIGCR_RECORD_FLAGS: u32 = 15;
pub const SIGCR_SECTION_MANDATORY: u32 = 2147483648;
pub const SIGCR_SECTION_PROCESS: u32 = 1;
pub const SIGCR_SECTION_ACTIONS: u32 = 2147483650;
pub const SIGCR_SECTION_SHARED_PENDING: u32 = 2147483651;
pub const SIGCR_SECTION_ITIMERS: u32 = 2147483652;
pub const SIGCR_SECTION_TIMERS: u32 = 2147483653;
pub const SIGCR_SECTION_SIGNALFDS: u32 = 2147483654;
pub const SIGCR_SECTION_THREAD: u32 = 2147483655;
pub const SIGCR_SECTION_ALTSTACK: u32 = 2147483656;
pub const SIGCR_SECTION_PENDING: u32 = 2147483657;
pub const SIGCR_SECTION_INFLIGHT: u32 = 2147483658;
pub const SIGCR_SECTION_WAITERS: u32 = 11;
pub const SIGCR_PROCESS_STOPPED: u32 = 1;
pub const SIGCR_PROCESS_UNKILLABLE: u32 = 2;
pub const SIGCR_PROCESS_TIMER_IDS: u32 = 4;
pub const SIGCR_PROCESS_AUTOREAP: u32 = 8;
pub const SIGCR_PROCESS_FLAGS: u32 = 15;
pub const SIGCR_ACTION_FLAGS: u32 = 3690989575;
pub const SIGCR_ABI_NATIVE: u32 = 0;
pub const SIGCR_ABI_IA32: u32 = 1;
pub const SIGCR_ABI_X32: u32 = 2;
pub const SIGCR_ENTRY_TIMER: u32 = 1;
pub const SIGCR_ENTRY_FLAGS: u32 = 1;
pub const SIGCR_ITIMERS_REAL_EXPIRED: u32 = 1;
pub const SIGCR_ITIMERS_FLAGS: u32 = 1;
pub const SIGCR_TIMER_ARMED: u32 = 1;
pub const SIGCR_TIMER_PENDING: u32 = 2;
pub const SIGCR_TIMER_IGNORED: u32 = 4;
pub const SIGCR_TIMER_ABSTIME: u32 = 8;
pub const SIGCR_TIMER_FLAGS: u32 = 15;
pub const SIGCR_THREAD_UNSTABLE: u32 = 1;
pub const SIGCR_THREAD_WORKER: u32 = 2;
pub const SIGCR_THREAD_DEAD: u32 = 4;
pub const SIGCR_THREAD_TRACED: u32 = 8;
pub const SIGCR_THREAD_TRACE_STOP: u32 = 16;
pub const SIGCR_THREAD_GROUP_STOP: u32 = 32;
pub const SIGCR_THREAD_FROZEN: u32 = 64;
pub const SIGCR_THREAD_FLAGS: u32 = 127;
pub const SIGCR_WAIT_ALL: u32 = 0;
pub const SIGCR_WAIT_PID: u32 = 1;
pub const SIGCR_WAIT_PGID: u32 = 2;
pub type __u8 = ::core::ffi::c_uchar;
pub type __s32 = ::core::ffi::c_int;
pub type __u32 = ::core::ffi::c_uint;
pub type __s64 = ::core::ffi::c_longlong;
pub type __u64 = ::core::ffi::c_ulonglong;
#[doc = " struct sigcr_header - the head of a record\n @magic: SIGCR_MAGIC; reads byte-swapped in a record of the other byte order\n @version: record version\n @header_len: bytes of this header; the first section follows it\n @crc32c: CRC-32C of the whole record, taken with this member as 0\n @total_len: bytes of the whole record\n @arch: AUDIT_ARCH_* of the kernel that wrote the record\n @flags: SIGCR_RECORD_*\n @section_count: number of sections\n @thread_count: number of threads the process had, whatever their state\n @tgid: process id in the target's own pid namespace\n @reserved: zero"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_header {
    pub magic: __u32,
    pub version: __u32,
    pub header_len: __u32,
    pub crc32c: __u32,
    pub total_len: __u64,
    pub arch: __u32,
    pub flags: __u32,
    pub section_count: __u32,
    pub thread_count: __u32,
    pub tgid: __s32,
    pub reserved: [__u32; 5usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_header"][::core::mem::size_of::<sigcr_header>() - 64usize];
    ["Alignment of sigcr_header"][::core::mem::align_of::<sigcr_header>() - 8usize];
    ["Offset of field: sigcr_header::magic"][::core::mem::offset_of!(sigcr_header, magic) - 0usize];
    ["Offset of field: sigcr_header::version"]
        [::core::mem::offset_of!(sigcr_header, version) - 4usize];
    ["Offset of field: sigcr_header::header_len"]
        [::core::mem::offset_of!(sigcr_header, header_len) - 8usize];
    ["Offset of field: sigcr_header::crc32c"]
        [::core::mem::offset_of!(sigcr_header, crc32c) - 12usize];
    ["Offset of field: sigcr_header::total_len"]
        [::core::mem::offset_of!(sigcr_header, total_len) - 16usize];
    ["Offset of field: sigcr_header::arch"][::core::mem::offset_of!(sigcr_header, arch) - 24usize];
    ["Offset of field: sigcr_header::flags"]
        [::core::mem::offset_of!(sigcr_header, flags) - 28usize];
    ["Offset of field: sigcr_header::section_count"]
        [::core::mem::offset_of!(sigcr_header, section_count) - 32usize];
    ["Offset of field: sigcr_header::thread_count"]
        [::core::mem::offset_of!(sigcr_header, thread_count) - 36usize];
    ["Offset of field: sigcr_header::tgid"][::core::mem::offset_of!(sigcr_header, tgid) - 40usize];
    ["Offset of field: sigcr_header::reserved"]
        [::core::mem::offset_of!(sigcr_header, reserved) - 44usize];
};
#[doc = " struct sigcr_section - the head of every section\n @type: SIGCR_SECTION_*\n @flags: flags of that section type\n @len: bytes of the section with this head, a multiple of 8"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_section {
    pub type_: __u32,
    pub flags: __u32,
    pub len: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_section"][::core::mem::size_of::<sigcr_section>() - 16usize];
    ["Alignment of sigcr_section"][::core::mem::align_of::<sigcr_section>() - 8usize];
    ["Offset of field: sigcr_section::type_"]
        [::core::mem::offset_of!(sigcr_section, type_) - 0usize];
    ["Offset of field: sigcr_section::flags"]
        [::core::mem::offset_of!(sigcr_section, flags) - 4usize];
    ["Offset of field: sigcr_section::len"][::core::mem::offset_of!(sigcr_section, len) - 8usize];
};
#[doc = " struct sigcr_process - PROCESS: what is known of the process, informational\n @section: head\n @stop_signo: signal that stopped the process, 0 if none did\n @exit_signo: signal that its parent gets when it exits, 0 if none\n @rlimit_sigpending_count: soft RLIMIT_SIGPENDING, in queued signals\n @start_boottime_ns: start of the process, ns since boot in the initial time\n\tnamespace"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_process {
    pub section: sigcr_section,
    pub stop_signo: __u32,
    pub exit_signo: __u32,
    pub rlimit_sigpending_count: __u64,
    pub start_boottime_ns: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_process"][::core::mem::size_of::<sigcr_process>() - 40usize];
    ["Alignment of sigcr_process"][::core::mem::align_of::<sigcr_process>() - 8usize];
    ["Offset of field: sigcr_process::section"]
        [::core::mem::offset_of!(sigcr_process, section) - 0usize];
    ["Offset of field: sigcr_process::stop_signo"]
        [::core::mem::offset_of!(sigcr_process, stop_signo) - 16usize];
    ["Offset of field: sigcr_process::exit_signo"]
        [::core::mem::offset_of!(sigcr_process, exit_signo) - 20usize];
    ["Offset of field: sigcr_process::rlimit_sigpending_count"]
        [::core::mem::offset_of!(sigcr_process, rlimit_sigpending_count) - 24usize];
    ["Offset of field: sigcr_process::start_boottime_ns"]
        [::core::mem::offset_of!(sigcr_process, start_boottime_ns) - 32usize];
};
#[doc = " struct sigcr_actions - ACTIONS: the actions that are not the default\n @section: head\n @entries_off: offset of the first entry from the start of the section\n @entry_len: bytes of an entry\n @entry_count: number of entries, by ascending signo\n @reserved: zero\n\n An action is the default one if it is SIG_DFL with no flags, no restorer\n and an empty mask. Restoring the section gives every signal that has no\n entry the default action."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_actions {
    pub section: sigcr_section,
    pub entries_off: __u32,
    pub entry_len: __u32,
    pub entry_count: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_actions"][::core::mem::size_of::<sigcr_actions>() - 32usize];
    ["Alignment of sigcr_actions"][::core::mem::align_of::<sigcr_actions>() - 8usize];
    ["Offset of field: sigcr_actions::section"]
        [::core::mem::offset_of!(sigcr_actions, section) - 0usize];
    ["Offset of field: sigcr_actions::entries_off"]
        [::core::mem::offset_of!(sigcr_actions, entries_off) - 16usize];
    ["Offset of field: sigcr_actions::entry_len"]
        [::core::mem::offset_of!(sigcr_actions, entry_len) - 20usize];
    ["Offset of field: sigcr_actions::entry_count"]
        [::core::mem::offset_of!(sigcr_actions, entry_count) - 24usize];
    ["Offset of field: sigcr_actions::reserved"]
        [::core::mem::offset_of!(sigcr_actions, reserved) - 28usize];
};
#[doc = " struct sigcr_action - one action\n @signo: signal number\n @abi: SIGCR_ABI_*, from the system call that set the action\n @flags: SA_*, as in struct sigaction\n @handler: address of the handler, or SIG_DFL (0), or SIG_IGN (1)\n @restorer: address of the restorer\n @mask: sigset blocked while the handler runs"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_action {
    pub signo: __u32,
    pub abi: __u32,
    pub flags: __u64,
    pub handler: __u64,
    pub restorer: __u64,
    pub mask: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_action"][::core::mem::size_of::<sigcr_action>() - 40usize];
    ["Alignment of sigcr_action"][::core::mem::align_of::<sigcr_action>() - 8usize];
    ["Offset of field: sigcr_action::signo"][::core::mem::offset_of!(sigcr_action, signo) - 0usize];
    ["Offset of field: sigcr_action::abi"][::core::mem::offset_of!(sigcr_action, abi) - 4usize];
    ["Offset of field: sigcr_action::flags"][::core::mem::offset_of!(sigcr_action, flags) - 8usize];
    ["Offset of field: sigcr_action::handler"]
        [::core::mem::offset_of!(sigcr_action, handler) - 16usize];
    ["Offset of field: sigcr_action::restorer"]
        [::core::mem::offset_of!(sigcr_action, restorer) - 24usize];
    ["Offset of field: sigcr_action::mask"][::core::mem::offset_of!(sigcr_action, mask) - 32usize];
};
#[doc = " struct sigcr_pending - SHARED_PENDING and PENDING: a queue\n @section: head\n @tid: thread in the target's pid namespace; 0 in SHARED_PENDING\n @entries_off: offset of the first entry from the start of the section\n @entry_len: bytes of an entry\n @entry_count: number of entries, in queue order\n @set: sigset of pending signals\n\n Every entry's signo is in @set. A signo in @set without an entry is normal:\n it is a signal whose siginfo the kernel had no room to queue."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_pending {
    pub section: sigcr_section,
    pub tid: __s32,
    pub entries_off: __u32,
    pub entry_len: __u32,
    pub entry_count: __u32,
    pub set: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_pending"][::core::mem::size_of::<sigcr_pending>() - 40usize];
    ["Alignment of sigcr_pending"][::core::mem::align_of::<sigcr_pending>() - 8usize];
    ["Offset of field: sigcr_pending::section"]
        [::core::mem::offset_of!(sigcr_pending, section) - 0usize];
    ["Offset of field: sigcr_pending::tid"][::core::mem::offset_of!(sigcr_pending, tid) - 16usize];
    ["Offset of field: sigcr_pending::entries_off"]
        [::core::mem::offset_of!(sigcr_pending, entries_off) - 20usize];
    ["Offset of field: sigcr_pending::entry_len"]
        [::core::mem::offset_of!(sigcr_pending, entry_len) - 24usize];
    ["Offset of field: sigcr_pending::entry_count"]
        [::core::mem::offset_of!(sigcr_pending, entry_count) - 28usize];
    ["Offset of field: sigcr_pending::set"][::core::mem::offset_of!(sigcr_pending, set) - 32usize];
};
#[doc = " struct sigcr_entry - one queued signal\n @siginfo: the kernel's siginfo, verbatim; its ids are the receiver's view\n @flags: SIGCR_ENTRY_*\n @timer_id: id of the owning timer with SIGCR_ENTRY_TIMER, else 0"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_entry {
    pub siginfo: [__u8; 48usize],
    pub flags: __u32,
    pub timer_id: __s32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_entry"][::core::mem::size_of::<sigcr_entry>() - 56usize];
    ["Alignment of sigcr_entry"][::core::mem::align_of::<sigcr_entry>() - 4usize];
    ["Offset of field: sigcr_entry::siginfo"]
        [::core::mem::offset_of!(sigcr_entry, siginfo) - 0usize];
    ["Offset of field: sigcr_entry::flags"][::core::mem::offset_of!(sigcr_entry, flags) - 48usize];
    ["Offset of field: sigcr_entry::timer_id"]
        [::core::mem::offset_of!(sigcr_entry, timer_id) - 52usize];
};
#[doc = " struct sigcr_itimer - one interval timer, as of setitimer(2)\n @remaining_ns: time until it expires, 0 if it does not run\n @interval_ns: its period, 0 if it expires once"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_itimer {
    pub remaining_ns: __u64,
    pub interval_ns: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_itimer"][::core::mem::size_of::<sigcr_itimer>() - 16usize];
    ["Alignment of sigcr_itimer"][::core::mem::align_of::<sigcr_itimer>() - 8usize];
    ["Offset of field: sigcr_itimer::remaining_ns"]
        [::core::mem::offset_of!(sigcr_itimer, remaining_ns) - 0usize];
    ["Offset of field: sigcr_itimer::interval_ns"]
        [::core::mem::offset_of!(sigcr_itimer, interval_ns) - 8usize];
};
#[doc = " struct sigcr_itimers - ITIMERS: the interval timers of the process\n @section: head\n @real: ITIMER_REAL\n @virt: ITIMER_VIRTUAL, in time of the CPU that the process spends in user\n\tmode\n @prof: ITIMER_PROF, in time of the CPU"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_itimers {
    pub section: sigcr_section,
    pub real: sigcr_itimer,
    pub virt: sigcr_itimer,
    pub prof: sigcr_itimer,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_itimers"][::core::mem::size_of::<sigcr_itimers>() - 64usize];
    ["Alignment of sigcr_itimers"][::core::mem::align_of::<sigcr_itimers>() - 8usize];
    ["Offset of field: sigcr_itimers::section"]
        [::core::mem::offset_of!(sigcr_itimers, section) - 0usize];
    ["Offset of field: sigcr_itimers::real"]
        [::core::mem::offset_of!(sigcr_itimers, real) - 16usize];
    ["Offset of field: sigcr_itimers::virt"]
        [::core::mem::offset_of!(sigcr_itimers, virt) - 32usize];
    ["Offset of field: sigcr_itimers::prof"]
        [::core::mem::offset_of!(sigcr_itimers, prof) - 48usize];
};
#[doc = " struct sigcr_timers - TIMERS: the timers of timer_create(2)\n @section: head\n @entries_off: offset of the first entry from the start of the section\n @entry_len: bytes of an entry\n @entry_count: number of entries, by ascending timer_id\n @next_timer_id: id that the next timer gets if it is free\n\n Restoring the section makes the process have these timers and no others."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_timers {
    pub section: sigcr_section,
    pub entries_off: __u32,
    pub entry_len: __u32,
    pub entry_count: __u32,
    pub next_timer_id: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_timers"][::core::mem::size_of::<sigcr_timers>() - 32usize];
    ["Alignment of sigcr_timers"][::core::mem::align_of::<sigcr_timers>() - 8usize];
    ["Offset of field: sigcr_timers::section"]
        [::core::mem::offset_of!(sigcr_timers, section) - 0usize];
    ["Offset of field: sigcr_timers::entries_off"]
        [::core::mem::offset_of!(sigcr_timers, entries_off) - 16usize];
    ["Offset of field: sigcr_timers::entry_len"]
        [::core::mem::offset_of!(sigcr_timers, entry_len) - 20usize];
    ["Offset of field: sigcr_timers::entry_count"]
        [::core::mem::offset_of!(sigcr_timers, entry_count) - 24usize];
    ["Offset of field: sigcr_timers::next_timer_id"]
        [::core::mem::offset_of!(sigcr_timers, next_timer_id) - 28usize];
};
#[doc = " struct sigcr_timer - one timer\n @timer_id: its id\n @clock_id: its clock, as given to timer_create(2)\n @notify: SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD or SIGEV_THREAD_ID\n @signo: signal that it sends; without a meaning with SIGEV_NONE\n @sigval: value that comes with the signal\n @notify_tid: thread that gets the signal with SIGEV_THREAD_ID, else 0\n @flags: SIGCR_TIMER_*\n @interval_ns: its period, 0 if it expires once\n @remaining_ns: time until it expires; of a periodic one that has expired,\n\tuntil it would expire next\n @expires_ns: with SIGCR_TIMER_ABSTIME, expiry in the time of its clock, as\n\tof the initial time namespace; else 0\n @overrun: expiries missed since the one whose signal waits to be taken, less\n\tone; -1 if none waits\n @overrun_last: what timer_getoverrun(2) returns, but not limited to an int"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_timer {
    pub timer_id: __s32,
    pub clock_id: __s32,
    pub notify: __u32,
    pub signo: __u32,
    pub sigval: __u64,
    pub notify_tid: __s32,
    pub flags: __u32,
    pub interval_ns: __u64,
    pub remaining_ns: __u64,
    pub expires_ns: __u64,
    pub overrun: __s64,
    pub overrun_last: __s64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_timer"][::core::mem::size_of::<sigcr_timer>() - 72usize];
    ["Alignment of sigcr_timer"][::core::mem::align_of::<sigcr_timer>() - 8usize];
    ["Offset of field: sigcr_timer::timer_id"]
        [::core::mem::offset_of!(sigcr_timer, timer_id) - 0usize];
    ["Offset of field: sigcr_timer::clock_id"]
        [::core::mem::offset_of!(sigcr_timer, clock_id) - 4usize];
    ["Offset of field: sigcr_timer::notify"][::core::mem::offset_of!(sigcr_timer, notify) - 8usize];
    ["Offset of field: sigcr_timer::signo"][::core::mem::offset_of!(sigcr_timer, signo) - 12usize];
    ["Offset of field: sigcr_timer::sigval"]
        [::core::mem::offset_of!(sigcr_timer, sigval) - 16usize];
    ["Offset of field: sigcr_timer::notify_tid"]
        [::core::mem::offset_of!(sigcr_timer, notify_tid) - 24usize];
    ["Offset of field: sigcr_timer::flags"][::core::mem::offset_of!(sigcr_timer, flags) - 28usize];
    ["Offset of field: sigcr_timer::interval_ns"]
        [::core::mem::offset_of!(sigcr_timer, interval_ns) - 32usize];
    ["Offset of field: sigcr_timer::remaining_ns"]
        [::core::mem::offset_of!(sigcr_timer, remaining_ns) - 40usize];
    ["Offset of field: sigcr_timer::expires_ns"]
        [::core::mem::offset_of!(sigcr_timer, expires_ns) - 48usize];
    ["Offset of field: sigcr_timer::overrun"]
        [::core::mem::offset_of!(sigcr_timer, overrun) - 56usize];
    ["Offset of field: sigcr_timer::overrun_last"]
        [::core::mem::offset_of!(sigcr_timer, overrun_last) - 64usize];
};
#[doc = " struct sigcr_signalfds - SIGNALFDS: the signalfds of the process\n @section: head\n @entries_off: offset of the first entry from the start of the section\n @entry_len: bytes of an entry\n @entry_count: number of entries, by ascending fd\n @reserved: zero\n\n The section is there only if the process has one. Restoring it sets the\n masks of signalfds that the process has under these numbers."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_signalfds {
    pub section: sigcr_section,
    pub entries_off: __u32,
    pub entry_len: __u32,
    pub entry_count: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_signalfds"][::core::mem::size_of::<sigcr_signalfds>() - 32usize];
    ["Alignment of sigcr_signalfds"][::core::mem::align_of::<sigcr_signalfds>() - 8usize];
    ["Offset of field: sigcr_signalfds::section"]
        [::core::mem::offset_of!(sigcr_signalfds, section) - 0usize];
    ["Offset of field: sigcr_signalfds::entries_off"]
        [::core::mem::offset_of!(sigcr_signalfds, entries_off) - 16usize];
    ["Offset of field: sigcr_signalfds::entry_len"]
        [::core::mem::offset_of!(sigcr_signalfds, entry_len) - 20usize];
    ["Offset of field: sigcr_signalfds::entry_count"]
        [::core::mem::offset_of!(sigcr_signalfds, entry_count) - 24usize];
    ["Offset of field: sigcr_signalfds::reserved"]
        [::core::mem::offset_of!(sigcr_signalfds, reserved) - 28usize];
};
#[doc = " struct sigcr_signalfd - one file descriptor of a signalfd\n @fd: file descriptor\n @flags: SFD_NONBLOCK and SFD_CLOEXEC, informational\n @mask: sigset that can be read from it"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_signalfd {
    pub fd: __s32,
    pub flags: __u32,
    pub mask: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_signalfd"][::core::mem::size_of::<sigcr_signalfd>() - 16usize];
    ["Alignment of sigcr_signalfd"][::core::mem::align_of::<sigcr_signalfd>() - 8usize];
    ["Offset of field: sigcr_signalfd::fd"][::core::mem::offset_of!(sigcr_signalfd, fd) - 0usize];
    ["Offset of field: sigcr_signalfd::flags"]
        [::core::mem::offset_of!(sigcr_signalfd, flags) - 4usize];
    ["Offset of field: sigcr_signalfd::mask"]
        [::core::mem::offset_of!(sigcr_signalfd, mask) - 8usize];
};
#[doc = " struct sigcr_thread - THREAD: one thread and the signals it blocks\n @section: head\n @tid: thread in the target's pid namespace\n @pdeath_signo: signal that it gets when its parent dies, 0 if none\n @blocked: effective sigset of blocked signals: in an interrupted\n\tsigsuspend(2), ppoll(2) or the like it is the one to return to"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_thread {
    pub section: sigcr_section,
    pub tid: __s32,
    pub pdeath_signo: __u32,
    pub blocked: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_thread"][::core::mem::size_of::<sigcr_thread>() - 32usize];
    ["Alignment of sigcr_thread"][::core::mem::align_of::<sigcr_thread>() - 8usize];
    ["Offset of field: sigcr_thread::section"]
        [::core::mem::offset_of!(sigcr_thread, section) - 0usize];
    ["Offset of field: sigcr_thread::tid"][::core::mem::offset_of!(sigcr_thread, tid) - 16usize];
    ["Offset of field: sigcr_thread::pdeath_signo"]
        [::core::mem::offset_of!(sigcr_thread, pdeath_signo) - 20usize];
    ["Offset of field: sigcr_thread::blocked"]
        [::core::mem::offset_of!(sigcr_thread, blocked) - 24usize];
};
#[doc = " struct sigcr_altstack - ALTSTACK: a thread's alternate signal stack\n @section: head\n @tid: thread in the target's pid namespace\n @ss_flags: SS_DISABLE and SS_AUTODISARM, as in stack_t\n @sp: lowest address of the stack; 0 with SS_DISABLE\n @size: bytes of the stack; 0 with SS_DISABLE"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_altstack {
    pub section: sigcr_section,
    pub tid: __s32,
    pub ss_flags: __u32,
    pub sp: __u64,
    pub size: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_altstack"][::core::mem::size_of::<sigcr_altstack>() - 40usize];
    ["Alignment of sigcr_altstack"][::core::mem::align_of::<sigcr_altstack>() - 8usize];
    ["Offset of field: sigcr_altstack::section"]
        [::core::mem::offset_of!(sigcr_altstack, section) - 0usize];
    ["Offset of field: sigcr_altstack::tid"]
        [::core::mem::offset_of!(sigcr_altstack, tid) - 16usize];
    ["Offset of field: sigcr_altstack::ss_flags"]
        [::core::mem::offset_of!(sigcr_altstack, ss_flags) - 20usize];
    ["Offset of field: sigcr_altstack::sp"][::core::mem::offset_of!(sigcr_altstack, sp) - 24usize];
    ["Offset of field: sigcr_altstack::size"]
        [::core::mem::offset_of!(sigcr_altstack, size) - 32usize];
};
#[doc = " struct sigcr_inflight - INFLIGHT: a signal that a ptracer holds\n @section: head\n @tid: thread in the target's pid namespace\n @reserved: zero\n @siginfo: the kernel's siginfo, verbatim\n\n The thread has taken the signal out of a queue and is in the\n signal-delivery stop for it. Only its ptracer decides what becomes of it: a\n record with this section is read but not restored."]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_inflight {
    pub section: sigcr_section,
    pub tid: __s32,
    pub reserved: __u32,
    pub siginfo: [__u8; 48usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_inflight"][::core::mem::size_of::<sigcr_inflight>() - 72usize];
    ["Alignment of sigcr_inflight"][::core::mem::align_of::<sigcr_inflight>() - 8usize];
    ["Offset of field: sigcr_inflight::section"]
        [::core::mem::offset_of!(sigcr_inflight, section) - 0usize];
    ["Offset of field: sigcr_inflight::tid"]
        [::core::mem::offset_of!(sigcr_inflight, tid) - 16usize];
    ["Offset of field: sigcr_inflight::reserved"]
        [::core::mem::offset_of!(sigcr_inflight, reserved) - 20usize];
    ["Offset of field: sigcr_inflight::siginfo"]
        [::core::mem::offset_of!(sigcr_inflight, siginfo) - 24usize];
};
#[doc = " struct sigcr_waiters - WAITERS: threads that wait for children, informational\n @section: head\n @entries_off: offset of the first entry from the start of the section\n @entry_len: bytes of an entry\n @entry_count: number of entries, by ascending tid\n @reserved: zero"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_waiters {
    pub section: sigcr_section,
    pub entries_off: __u32,
    pub entry_len: __u32,
    pub entry_count: __u32,
    pub reserved: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_waiters"][::core::mem::size_of::<sigcr_waiters>() - 32usize];
    ["Alignment of sigcr_waiters"][::core::mem::align_of::<sigcr_waiters>() - 8usize];
    ["Offset of field: sigcr_waiters::section"]
        [::core::mem::offset_of!(sigcr_waiters, section) - 0usize];
    ["Offset of field: sigcr_waiters::entries_off"]
        [::core::mem::offset_of!(sigcr_waiters, entries_off) - 16usize];
    ["Offset of field: sigcr_waiters::entry_len"]
        [::core::mem::offset_of!(sigcr_waiters, entry_len) - 20usize];
    ["Offset of field: sigcr_waiters::entry_count"]
        [::core::mem::offset_of!(sigcr_waiters, entry_count) - 24usize];
    ["Offset of field: sigcr_waiters::reserved"]
        [::core::mem::offset_of!(sigcr_waiters, reserved) - 28usize];
};
#[doc = " struct sigcr_waiter - one thread in wait4(2), waitid(2) or the like\n @tid: thread in the target's pid namespace\n @id_type: SIGCR_WAIT_*\n @id: process or process group that it waits for, in the target's pid\n\tnamespace; 0 with SIGCR_WAIT_ALL\n @options: WNOHANG, WUNTRACED, WEXITED and so on"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_waiter {
    pub tid: __s32,
    pub id_type: __u32,
    pub id: __s32,
    pub options: __u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_waiter"][::core::mem::size_of::<sigcr_waiter>() - 16usize];
    ["Alignment of sigcr_waiter"][::core::mem::align_of::<sigcr_waiter>() - 4usize];
    ["Offset of field: sigcr_waiter::tid"][::core::mem::offset_of!(sigcr_waiter, tid) - 0usize];
    ["Offset of field: sigcr_waiter::id_type"]
        [::core::mem::offset_of!(sigcr_waiter, id_type) - 4usize];
    ["Offset of field: sigcr_waiter::id"][::core::mem::offset_of!(sigcr_waiter, id) - 8usize];
    ["Offset of field: sigcr_waiter::options"]
        [::core::mem::offset_of!(sigcr_waiter, options) - 12usize];
};
