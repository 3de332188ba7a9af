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
/* Add the informational section on threads that wait for children. */
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
#define SIGCR_ITIMERS_LEN_VER1	64U
#define SIGCR_TIMERS_LEN_VER1	32U
#define SIGCR_TIMER_LEN_VER1	72U
#define SIGCR_SIGNALFDS_LEN_VER1 32U
#define SIGCR_SIGNALFD_LEN_VER1	16U
#define SIGCR_THREAD_LEN_VER1	32U
#define SIGCR_ALTSTACK_LEN_VER1	40U
#define SIGCR_INFLIGHT_LEN_VER1	72U
#define SIGCR_WAITERS_LEN_VER1	32U
#define SIGCR_WAITER_LEN_VER1	16U

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
 * in this order, each at most once; THREAD, ALTSTACK, PENDING and INFLIGHT
 * once per thread, a thread's sections together, threads by ascending tid.
 */
#define SIGCR_SECTION_MANDATORY	0x80000000U
#define SIGCR_SECTION_PROCESS	0x00000001U
#define SIGCR_SECTION_ACTIONS	0x80000002U
#define SIGCR_SECTION_SHARED_PENDING 0x80000003U
#define SIGCR_SECTION_ITIMERS	0x80000004U
#define SIGCR_SECTION_TIMERS	0x80000005U
#define SIGCR_SECTION_SIGNALFDS	0x80000006U
#define SIGCR_SECTION_THREAD	0x80000007U
#define SIGCR_SECTION_ALTSTACK	0x80000008U
#define SIGCR_SECTION_PENDING	0x80000009U
#define SIGCR_SECTION_INFLIGHT	0x8000000aU
#define SIGCR_SECTION_WAITERS	0x0000000bU

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
/* Its timers are created with the ids that it asks for (prctl(2)). */
#define SIGCR_PROCESS_TIMER_IDS	0x00000004U
/* It is reaped by itself when it exits (CLONE_AUTOREAP). */
#define SIGCR_PROCESS_AUTOREAP	0x00000008U
#define SIGCR_PROCESS_FLAGS	0x0000000fU

/**
 * struct sigcr_process - PROCESS: what is known of the process, informational
 * @section: head
 * @stop_signo: signal that stopped the process, 0 if none did
 * @exit_signo: signal that its parent gets when it exits, 0 if none
 * @rlimit_sigpending_count: soft RLIMIT_SIGPENDING, in queued signals
 * @start_boottime_ns: start of the process, ns since boot in the initial time
 *	namespace
 */
struct sigcr_process {
	struct sigcr_section section;
	__u32 stop_signo;
	__u32 exit_signo;
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

/* sigcr_section.flags of ITIMERS */
/*
 * The periodic real timer has expired, and its SIGALRM was not taken since: it
 * is armed again only then. Its remaining time is 0.
 */
#define SIGCR_ITIMERS_REAL_EXPIRED 0x00000001U
#define SIGCR_ITIMERS_FLAGS	0x00000001U

/**
 * struct sigcr_itimer - one interval timer, as of setitimer(2)
 * @remaining_ns: time until it expires, 0 if it does not run
 * @interval_ns: its period, 0 if it expires once
 */
struct sigcr_itimer {
	__u64 remaining_ns;
	__u64 interval_ns;
};

/**
 * struct sigcr_itimers - ITIMERS: the interval timers of the process
 * @section: head
 * @real: ITIMER_REAL
 * @virt: ITIMER_VIRTUAL, in time of the CPU that the process spends in user
 *	mode
 * @prof: ITIMER_PROF, in time of the CPU
 */
struct sigcr_itimers {
	struct sigcr_section section;
	struct sigcr_itimer real;
	struct sigcr_itimer virt;
	struct sigcr_itimer prof;
};

/**
 * struct sigcr_timers - TIMERS: the timers of timer_create(2)
 * @section: head
 * @entries_off: offset of the first entry from the start of the section
 * @entry_len: bytes of an entry
 * @entry_count: number of entries, by ascending timer_id
 * @next_timer_id: id that the next timer gets if it is free
 *
 * Restoring the section makes the process have these timers and no others.
 */
struct sigcr_timers {
	struct sigcr_section section;
	__u32 entries_off;
	__u32 entry_len;
	__u32 entry_count;
	__u32 next_timer_id;
};

/* sigcr_timer.flags; no more than one of the first three is set */
/* It runs: it expires when @remaining_ns have passed. */
#define SIGCR_TIMER_ARMED	0x00000001U
/*
 * It has expired, and a queue holds its signal as an entry with
 * SIGCR_ENTRY_TIMER. A periodic one is armed again when that is taken.
 */
#define SIGCR_TIMER_PENDING	0x00000002U
/*
 * It is periodic and has expired, and its signal is ignored: it waits for
 * another action on the signal.
 */
#define SIGCR_TIMER_IGNORED	0x00000004U
/* @expires_ns is the time at which it expires, whatever is done to the clock. */
#define SIGCR_TIMER_ABSTIME	0x00000008U
#define SIGCR_TIMER_FLAGS	0x0000000fU

/**
 * struct sigcr_timer - one timer
 * @timer_id: its id
 * @clock_id: its clock, as given to timer_create(2)
 * @notify: SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD or SIGEV_THREAD_ID
 * @signo: signal that it sends; without a meaning with SIGEV_NONE
 * @sigval: value that comes with the signal
 * @notify_tid: thread that gets the signal with SIGEV_THREAD_ID, else 0
 * @flags: SIGCR_TIMER_*
 * @interval_ns: its period, 0 if it expires once
 * @remaining_ns: time until it expires; of a periodic one that has expired,
 *	until it would expire next
 * @expires_ns: with SIGCR_TIMER_ABSTIME, expiry in the time of its clock, as
 *	of the initial time namespace; else 0
 * @overrun: expiries missed since the one whose signal waits to be taken, less
 *	one; -1 if none waits
 * @overrun_last: what timer_getoverrun(2) returns, but not limited to an int
 */
struct sigcr_timer {
	__s32 timer_id;
	__s32 clock_id;
	__u32 notify;
	__u32 signo;
	__u64 sigval;
	__s32 notify_tid;
	__u32 flags;
	__u64 interval_ns;
	__u64 remaining_ns;
	__u64 expires_ns;
	__s64 overrun;
	__s64 overrun_last;
};

/**
 * struct sigcr_signalfds - SIGNALFDS: the signalfds of the process
 * @section: head
 * @entries_off: offset of the first entry from the start of the section
 * @entry_len: bytes of an entry
 * @entry_count: number of entries, by ascending fd
 * @reserved: zero
 *
 * The section is there only if the process has one. Restoring it sets the
 * masks of signalfds that the process has under these numbers.
 */
struct sigcr_signalfds {
	struct sigcr_section section;
	__u32 entries_off;
	__u32 entry_len;
	__u32 entry_count;
	__u32 reserved;
};

/**
 * struct sigcr_signalfd - one file descriptor of a signalfd
 * @fd: file descriptor
 * @flags: SFD_NONBLOCK and SFD_CLOEXEC, informational
 * @mask: sigset that can be read from it
 */
struct sigcr_signalfd {
	__s32 fd;
	__u32 flags;
	__u64 mask;
};

/* sigcr_section.flags of THREAD */
/* The thread was running: its blocked set and altstack may be out of date. */
#define SIGCR_THREAD_UNSTABLE	0x00000001U
/* A kernel worker of the process (io_uring, vhost): listed, never restored. */
#define SIGCR_THREAD_WORKER	0x00000002U
/* The thread has exited but is not gone: listed, never restored. */
#define SIGCR_THREAD_DEAD	0x00000004U
/* The thread is ptraced. */
#define SIGCR_THREAD_TRACED	0x00000008U
/* The thread is in a ptrace stop. */
#define SIGCR_THREAD_TRACE_STOP	0x00000010U
/* The thread is in the group stop of PROCESS. */
#define SIGCR_THREAD_GROUP_STOP	0x00000020U
/* The thread is frozen by a version 2 cgroup. */
#define SIGCR_THREAD_FROZEN	0x00000040U
#define SIGCR_THREAD_FLAGS	0x0000007fU

/**
 * struct sigcr_thread - THREAD: one thread and the signals it blocks
 * @section: head
 * @tid: thread in the target's pid namespace
 * @pdeath_signo: signal that it gets when its parent dies, 0 if none
 * @blocked: effective sigset of blocked signals: in an interrupted
 *	sigsuspend(2), ppoll(2) or the like it is the one to return to
 */
struct sigcr_thread {
	struct sigcr_section section;
	__s32 tid;
	__u32 pdeath_signo;
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

/**
 * struct sigcr_inflight - INFLIGHT: a signal that a ptracer holds
 * @section: head
 * @tid: thread in the target's pid namespace
 * @reserved: zero
 * @siginfo: the kernel's siginfo, verbatim
 *
 * The thread has taken the signal out of a queue and is in the
 * signal-delivery stop for it. Only its ptracer decides what becomes of it: a
 * record with this section is read but not restored.
 */
struct sigcr_inflight {
	struct sigcr_section section;
	__s32 tid;
	__u32 reserved;
	__u8 siginfo[48];
};

/**
 * struct sigcr_waiters - WAITERS: threads that wait for children, informational
 * @section: head
 * @entries_off: offset of the first entry from the start of the section
 * @entry_len: bytes of an entry
 * @entry_count: number of entries, by ascending tid
 * @reserved: zero
 */
struct sigcr_waiters {
	struct sigcr_section section;
	__u32 entries_off;
	__u32 entry_len;
	__u32 entry_count;
	__u32 reserved;
};

/* sigcr_waiter.id_type: as idtype_t of waitid(2), a pidfd being P_PID */
#define SIGCR_WAIT_ALL		0U
#define SIGCR_WAIT_PID		1U
#define SIGCR_WAIT_PGID		2U

/**
 * struct sigcr_waiter - one thread in wait4(2), waitid(2) or the like
 * @tid: thread in the target's pid namespace
 * @id_type: SIGCR_WAIT_*
 * @id: process or process group that it waits for, in the target's pid
 *	namespace; 0 with SIGCR_WAIT_ALL
 * @options: WNOHANG, WUNTRACED, WEXITED and so on
 */
struct sigcr_waiter {
	__s32 tid;
	__u32 id_type;
	__s32 id;
	__u32 options;
};

#endif /* _UAPI_LINUX_SIGCR_H */
