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
pub const SIGCR_THREAD_LEN_VER1: u32 = 32;
pub const SIGCR_ALTSTACK_LEN_VER1: u32 = 40;
pub const SIGCR_RECORD_LIVE: u32 = 1;
pub const SIGCR_RECORD_UNSTABLE: u32 = 2;
pub const SIGCR_RECORD_SHARED_SIGHAND: u32 = 4;
pub const SIGCR_RECORD_ONE_THREAD: u32 = 8;
pub const SIGCR_RECORD_FLAGS: u32 = 15;
pub const SIGCR_SECTION_MANDATORY: u32 = 2147483648;
pub const SIGCR_SECTION_PROCESS: u32 = 1;
pub const SIGCR_SECTION_ACTIONS: u32 = 2147483650;
pub const SIGCR_SECTION_SHARED_PENDING: u32 = 2147483651;
pub const SIGCR_SECTION_THREAD: u32 = 2147483655;
pub const SIGCR_SECTION_ALTSTACK: u32 = 2147483656;
pub const SIGCR_SECTION_PENDING: u32 = 2147483657;
pub const SIGCR_PROCESS_STOPPED: u32 = 1;
pub const SIGCR_PROCESS_UNKILLABLE: u32 = 2;
pub const SIGCR_PROCESS_FLAGS: u32 = 3;
pub const SIGCR_ACTION_FLAGS: u32 = 3690989575;
pub const SIGCR_ABI_NATIVE: u32 = 0;
pub const SIGCR_ABI_IA32: u32 = 1;
pub const SIGCR_ABI_X32: u32 = 2;
pub const SIGCR_ENTRY_TIMER: u32 = 1;
pub const SIGCR_ENTRY_FLAGS: u32 = 1;
pub const SIGCR_THREAD_UNSTABLE: u32 = 1;
pub const SIGCR_THREAD_WORKER: u32 = 2;
pub const SIGCR_THREAD_DEAD: u32 = 4;
pub const SIGCR_THREAD_FLAGS: u32 = 7;
pub type __u8 = ::core::ffi::c_uchar;
pub type __s32 = ::core::ffi::c_int;
pub type __u32 = ::core::ffi::c_uint;
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
#[doc = " struct sigcr_process - PROCESS: what is known of the process, informational\n @section: head\n @stop_signo: signal that stopped the process, 0 if none did\n @reserved: zero\n @rlimit_sigpending_count: soft RLIMIT_SIGPENDING, in queued signals\n @start_boottime_ns: start of the process, ns since boot in the initial time\n\tnamespace"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_process {
    pub section: sigcr_section,
    pub stop_signo: __u32,
    pub reserved: __u32,
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
    ["Offset of field: sigcr_process::reserved"]
        [::core::mem::offset_of!(sigcr_process, reserved) - 20usize];
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
#[doc = " struct sigcr_thread - THREAD: one thread and the signals it blocks\n @section: head\n @tid: thread in the target's pid namespace\n @reserved: zero\n @blocked: effective sigset of blocked signals: in an interrupted\n\tsigsuspend(2), ppoll(2) or the like it is the one to return to"]
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sigcr_thread {
    pub section: sigcr_section,
    pub tid: __s32,
    pub reserved: __u32,
    pub blocked: __u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sigcr_thread"][::core::mem::size_of::<sigcr_thread>() - 32usize];
    ["Alignment of sigcr_thread"][::core::mem::align_of::<sigcr_thread>() - 8usize];
    ["Offset of field: sigcr_thread::section"]
        [::core::mem::offset_of!(sigcr_thread, section) - 0usize];
    ["Offset of field: sigcr_thread::tid"][::core::mem::offset_of!(sigcr_thread, tid) - 16usize];
    ["Offset of field: sigcr_thread::reserved"]
        [::core::mem::offset_of!(sigcr_thread, reserved) - 20usize];
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
