/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of sigckpt(2) and sigrestore(2): flags, limits and the record.
 *
 * This header is the one definition of the record's layout; everything that
 * reads or writes a record takes it from here. The meaning of each part is
 * normative in Documentation/userspace-api/sigcr.rst.
 *
 * A record is one contiguous buffer in native byte order: a struct
 * sigcr_header, then sections. Every struct starts at a multiple of 8 bytes,
 * has only fixed-width members, and has no padding that is not a named
 * reserved member. Reserved members are zero.
 *
 * A sigset is a __u64 in which bit (signo - 1) stands for signo.
 */
#ifndef _UAPI_LINUX_SIGCR_H
#define _UAPI_LINUX_SIGCR_H

#include <linux/types.h>

/*
 * The system call numbers, the same on every architecture: a hole in the
 * tables that is marked as not to be used.
 */
#define SIGCR_NR_SIGCKPT	389
#define SIGCR_NR_SIGRESTORE	390

/*
 * Flags of sigckpt(2). Bits 24 to 31 hold the record version that is asked
 * for, 0 being the newest one.
 */
/* Accept a target that runs; the record says what may be out of date. */
#define SIGCKPT_LIVE		0x00000001U
/* Reserved for the informational section on wait4(2) sleepers. */
#define SIGCKPT_WAITERS		0x00000002U
/* Return the newest record version; needs no target and no privilege. */
#define SIGCKPT_QUERY		0x00000004U
#define SIGCKPT_VERSION_SHIFT	24
#define SIGCKPT_VERSION_MASK	0xff000000U

/* Flags of sigrestore(2). */
/* Make every check, change nothing. */
#define SIGRESTORE_DRY_RUN	0x00000001U
/* Consent to change an action table that another process shares. */
#define SIGRESTORE_SHARED_SIGHAND 0x00000002U

/* "SGCR" in a little-endian record. */
#define SIGCR_MAGIC		0x52434753U
#define SIGCR_VERSION		1U

/* The longest record, in bytes, that is written or accepted. */
#define SIGCR_RECORD_LEN_MAX	(64U * 1024 * 1024)
/* The longest header, in bytes, that a newer writer may have made. */
#define SIGCR_HEADER_LEN_MAX	4096U
/* The most queued signals that are taken from a running target. */
#define SIGCR_LIVE_ENTRY_COUNT_MAX 16384U

/* The number of signals: signo is in 1..64. */
#define SIGCR_SIGNO_MAX		64U
/* Bytes of a queued signal's siginfo. */
#define SIGCR_SIGINFO_LEN	48U

/* sizeof() of each struct when it was first published. */
#define SIGCR_HEADER_LEN_VER1	64U
#define SIGCR_SECTION_LEN_VER1	16U
#define SIGCR_PROCESS_LEN_VER1	40U
#define SIGCR_ACTIONS_LEN_VER1	32U
#define SIGCR_ACTION_LEN_VER1	40U
#define SIGCR_PENDING_LEN_VER1	40U
#define SIGCR_ENTRY_LEN_VER1	56U
#define SIGCR_THREAD_LEN_VER1	32U
#define SIGCR_ALTSTACK_LEN_VER1	40U

/* sigcr_header.flags */
/* The target was running; the record shows one instant of it. */
#define SIGCR_RECORD_LIVE	0x00000001U
/* At least one thread is marked SIGCR_THREAD_UNSTABLE. */
#define SIGCR_RECORD_UNSTABLE	0x00000002U
/* Another process shares the action table. */
#define SIGCR_RECORD_SHARED_SIGHAND 0x00000004U
/* The record holds the private state of one thread only. */
#define SIGCR_RECORD_ONE_THREAD	0x00000008U
#define SIGCR_RECORD_FLAGS	0x0000000fU

/**
 * struct sigcr_header - the head of a record
 * @magic: SIGCR_MAGIC; reads byte-swapped in a record of the other byte order
 * @version: record version
 * @header_len: bytes of this header; the first section follows it
 * @crc32c: CRC-32C of the whole record, taken with this member as 0
 * @total_len: bytes of the whole record
 * @arch: AUDIT_ARCH_* of the kernel that wrote the record
 * @flags: SIGCR_RECORD_*
 * @section_count: number of sections
 * @thread_count: number of threads the process had, whatever their state
 * @tgid: process id in the target's own pid namespace
 * @reserved: zero
 */
struct sigcr_header {
	__u32 magic;
	__u32 version;
	__u32 header_len;
	__u32 crc32c;
	__u64 total_len;
	__u32 arch;
	__u32 flags;
	__u32 section_count;
	__u32 thread_count;
	__s32 tgid;
	__u32 reserved[5];
};

/*
 * Section types. A reader skips a section whose type it does not know, unless
 * SIGCR_SECTION_MANDATORY is set: then it refuses the record. Sections stand
 * in this order, each at most once; THREAD, ALTSTACK and PENDING once per
 * thread, a thread's sections together, threads by ascending tid.
 *
 * Types 4, 5, 6 and 10 are kept for interval timers, POSIX timers, signalfds
 * and wait4(2) sleepers.
 */
#define SIGCR_SECTION_MANDATORY	0x80000000U
#define SIGCR_SECTION_PROCESS	0x00000001U
#define SIGCR_SECTION_ACTIONS	0x80000002U
#define SIGCR_SECTION_SHARED_PENDING 0x80000003U
#define SIGCR_SECTION_THREAD	0x80000007U
#define SIGCR_SECTION_ALTSTACK	0x80000008U
#define SIGCR_SECTION_PENDING	0x80000009U

/**
 * struct sigcr_section - the head of every section
 * @type: SIGCR_SECTION_*
 * @flags: flags of that section type
 * @len: bytes of the section with this head, a multiple of 8
 */
struct sigcr_section {
	__u32 type;
	__u32 flags;
	__u64 len;
};

/* sigcr_section.flags of PROCESS */
/* The process is stopped by a stop signal (group stop). */
#define SIGCR_PROCESS_STOPPED	0x00000001U
/* The process is the init of its pid namespace. */
#define SIGCR_PROCESS_UNKILLABLE 0x00000002U
#define SIGCR_PROCESS_FLAGS	0x00000003U

/**
 * struct sigcr_process - PROCESS: what is known of the process, informational
 * @section: head
 * @stop_signo: signal that stopped the process, 0 if none did
 * @reserved: zero
 * @rlimit_sigpending_count: soft RLIMIT_SIGPENDING, in queued signals
 * @start_boottime_ns: start of the process, ns since boot in the initial time
 *	namespace
 */
struct sigcr_process {
	struct sigcr_section section;
	__u32 stop_signo;
	__u32 reserved;
	__u64 rlimit_sigpending_count;
	__u64 start_boottime_ns;
};

/**
 * struct sigcr_actions - ACTIONS: the actions that are not the default
 * @section: head
 * @entries_off: offset of the first entry from the start of the section
 * @entry_len: bytes of an entry
 * @entry_count: number of entries, by ascending signo
 * @reserved: zero
 *
 * An action is the default one if it is SIG_DFL with no flags, no restorer
 * and an empty mask. Restoring the section gives every signal that has no
 * entry the default action.
 */
struct sigcr_actions {
	struct sigcr_section section;
	__u32 entries_off;
	__u32 entry_len;
	__u32 entry_count;
	__u32 reserved;
};

/*
 * The SA_* flags that an action may have: those that rt_sigaction(2) stores.
 * SA_UNSUPPORTED and the kernel's own bits are not among them.
 */
#define SIGCR_ACTION_FLAGS	0xdc000807U

/* sigcr_action.abi: the kind of signal frame that the handler gets. */
#define SIGCR_ABI_NATIVE	0U
#define SIGCR_ABI_IA32		1U
#define SIGCR_ABI_X32		2U

/**
 * struct sigcr_action - one action
 * @signo: signal number
 * @abi: SIGCR_ABI_*, from the system call that set the action
 * @flags: SA_*, as in struct sigaction
 * @handler: address of the handler, or SIG_DFL (0), or SIG_IGN (1)
 * @restorer: address of the restorer
 * @mask: sigset blocked while the handler runs
 */
struct sigcr_action {
	__u32 signo;
	__u32 abi;
	__u64 flags;
	__u64 handler;
	__u64 restorer;
	__u64 mask;
};

/**
 * struct sigcr_pending - SHARED_PENDING and PENDING: a queue
 * @section: head
 * @tid: thread in the target's pid namespace; 0 in SHARED_PENDING
 * @entries_off: offset of the first entry from the start of the section
 * @entry_len: bytes of an entry
 * @entry_count: number of entries, in queue order
 * @set: sigset of pending signals
 *
 * Every entry's signo is in @set. A signo in @set without an entry is normal:
 * it is a signal whose siginfo the kernel had no room to queue.
 */
struct sigcr_pending {
	struct sigcr_section section;
	__s32 tid;
	__u32 entries_off;
	__u32 entry_len;
	__u32 entry_count;
	__u64 set;
};

/* sigcr_entry.flags */
/* The entry belongs to the POSIX timer @timer_id. */
#define SIGCR_ENTRY_TIMER	0x00000001U
#define SIGCR_ENTRY_FLAGS	0x00000001U

/**
 * struct sigcr_entry - one queued signal
 * @siginfo: the kernel's siginfo, verbatim; its ids are the receiver's view
 * @flags: SIGCR_ENTRY_*
 * @timer_id: id of the owning timer with SIGCR_ENTRY_TIMER, else 0
 */
struct sigcr_entry {
	__u8 siginfo[48];
	__u32 flags;
	__s32 timer_id;
};

/* sigcr_section.flags of THREAD */
/* The thread was running: its blocked set and altstack may be out of date. */
#define SIGCR_THREAD_UNSTABLE	0x00000001U
/* A kernel worker of the process (io_uring, vhost): listed, never restored. */
#define SIGCR_THREAD_WORKER	0x00000002U
/* The thread has exited but is not gone: listed, never restored. */
#define SIGCR_THREAD_DEAD	0x00000004U
#define SIGCR_THREAD_FLAGS	0x00000007U

/**
 * struct sigcr_thread - THREAD: one thread and the signals it blocks
 * @section: head
 * @tid: thread in the target's pid namespace
 * @reserved: zero
 * @blocked: effective sigset of blocked signals: in an interrupted
 *	sigsuspend(2), ppoll(2) or the like it is the one to return to
 */
struct sigcr_thread {
	struct sigcr_section section;
	__s32 tid;
	__u32 reserved;
	__u64 blocked;
};

/**
 * struct sigcr_altstack - ALTSTACK: a thread's alternate signal stack
 * @section: head
 * @tid: thread in the target's pid namespace
 * @ss_flags: SS_DISABLE and SS_AUTODISARM, as in stack_t
 * @sp: lowest address of the stack; 0 with SS_DISABLE
 * @size: bytes of the stack; 0 with SS_DISABLE
 */
struct sigcr_altstack {
	struct sigcr_section section;
	__s32 tid;
	__u32 ss_flags;
	__u64 sp;
	__u64 size;
};

#endif /* _UAPI_LINUX_SIGCR_H */
