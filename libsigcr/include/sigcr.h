/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The C interface of libsigcr: checkpoint and restore the signal state of a process. */
/*
 * All functions follow the C library: on failure they return -1 and set errno,
 * and leave what pointers point to alone, except where it is said otherwise.
 * They are safe to call from any thread, and not from signal handlers, except
 * sigckpt() and sigrestore(), which are plain system calls.
 *
 * A record's layout is in <linux/sigcr.h> of a kernel that has the calls; that
 * header and this one can be included together.
 *
 * Link with -lsigcr, or ask pkg-config for "sigcr".
 */
#ifndef SIGCR_H
#define SIGCR_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of sigckpt(), as in <linux/sigcr.h>. */
/* Accept a target that runs; the record says what may be out of date. */
#define SIGCKPT_LIVE		0x00000001U
/* Add the informational section on threads that wait for children. */
#define SIGCKPT_WAITERS		0x00000002U
/* Return the newest record version; needs no target and no privilege. */
#define SIGCKPT_QUERY		0x00000004U
#define SIGCKPT_VERSION_SHIFT	24
#define SIGCKPT_VERSION_MASK	0xff000000U

/* Flags of sigrestore(), as in <linux/sigcr.h>. */
/* Make every check, change nothing. */
#define SIGRESTORE_DRY_RUN	0x00000001U
/* Consent to change an action table that another process shares. */
#define SIGRESTORE_SHARED_SIGHAND 0x00000002U

/* Flags of sigcr_ptrace_restore(). */
/* Make the checks that can be made, change nothing. */
#define SIGCR_PTRACE_DRY_RUN	0x00000001U
/* Leave out what ptrace(2) cannot restore, or come near to it. */
#define SIGCR_PTRACE_PARTIAL	0x00000002U

/* The parts of a record, for sigcr_keep_alloc(). */
#define SIGCR_PART_PROCESS	0x00000001U /* informational */
#define SIGCR_PART_ACTIONS	0x00000002U
#define SIGCR_PART_SHARED_PENDING 0x00000004U
#define SIGCR_PART_BLOCKED	0x00000008U
#define SIGCR_PART_ALTSTACK	0x00000010U
#define SIGCR_PART_PENDING	0x00000020U
#define SIGCR_PART_ITIMERS	0x00000040U
#define SIGCR_PART_TIMERS	0x00000080U /* with their signals */
#define SIGCR_PART_SIGNALFDS	0x00000100U
#define SIGCR_PART_INFLIGHT	0x00000200U /* see sigcr_requeue_alloc() */
#define SIGCR_PART_WAITERS	0x00000400U /* informational */

/*
 * The system calls, sigckpt(2) and sigrestore(2). The first returns the
 * record's length in bytes; with a null record and a size of 0 it returns the
 * length that is needed now. The second returns 0.
 */
long sigckpt(int pidfd, void *record, size_t size, unsigned int flags);
long sigrestore(int pidfd, const void *record, size_t size, unsigned int flags);

/*
 * Returns 0 if the kernel has the calls. Else -1 with errno ENOSYS (the kernel
 * lacks them), EOPNOTSUPP (its records are too old for this library), or what
 * a filter makes of the call, such as EPERM. *version is set to the newest
 * record version that the kernel writes, where that is known; version may be
 * null.
 */
int sigcr_status(unsigned int *version);

/*
 * Returns 0 if the bytes are a record that sigrestore() would take, as far as
 * that depends on the record alone. Else -1 with the errno that sigrestore()
 * would give: EINVAL, EBADMSG, EOPNOTSUPP or E2BIG. The reason in words, with
 * section, offset, field, value and remedy, is put into why, cut off at
 * why_size bytes and ended with a null byte; a record that is taken gives an
 * empty text. why may be null if why_size is 0.
 */
int sigcr_check(const void *record, size_t size, char *why, size_t why_size);

/*
 * Takes the record of the target into new memory: *record, to be freed with
 * sigcr_free(). Returns its length. flags are those of sigckpt() but for
 * SIGCKPT_QUERY, which gives EINVAL. Without version bits the newest version is
 * taken that this library reads, which is not always the kernel's newest one;
 * EOPNOTSUPP if the version is one that the kernel does not write, or that this
 * library does not read.
 */
ssize_t sigcr_checkpoint_alloc(int pidfd, void **record, unsigned int flags);

/*
 * Makes a copy of a record with other thread ids: each of the count ids in
 * from becomes the one at the same place in to; the process's id goes along
 * with its thread. The copy is *out, to be freed with sigcr_free(). Returns its
 * length. EINVAL if from has an id that the record lacks, or if two threads
 * would get one id; else errno as from sigcr_check().
 */
ssize_t sigcr_remap_alloc(const void *record, size_t size, const pid_t *from,
			  const pid_t *to, size_t count, void **out);

/*
 * Makes a copy of a record with only some of its parts, SIGCR_PART_*: a restore
 * leaves alone what a record does not hold. The copy is *out, to be freed with
 * sigcr_free(). Returns its length. EINVAL for unknown parts, else errno as
 * from sigcr_check().
 */
ssize_t sigcr_keep_alloc(const void *record, size_t size, unsigned int parts,
			 void **out);

/*
 * Makes a copy of a record that can be restored although ptracers held signals
 * in signal-delivery stops (SIGCR_PART_INFLIGHT): each is put in front of the
 * queue of its thread, as if it had not been taken yet. One below SIGRTMIN that
 * is queued there again already is one signal then. A record without such
 * signals is copied as it is. The copy is *out, to be freed with sigcr_free().
 * Returns its length; errno as from sigcr_check().
 */
ssize_t sigcr_requeue_alloc(const void *record, size_t size, void **out);

/*
 * What can be done on a kernel without the calls: the process is stopped by
 * ptrace(2), system calls are run in it, and it is let go again. On x86-64 only,
 * and not for the calling process, nor for one that has a tracer already.
 *
 * Both put words into lost, cut off at lost_size bytes and ended with a null
 * byte: on success what was not captured or restored, a line each, or an empty
 * text; on failure the reason. lost may be null if lost_size is 0.
 *
 * The first takes a record into new memory: *record, to be freed with
 * sigcr_free(). Returns its length. EBUSY, EOPNOTSUPP, EPERM or ESRCH if the
 * process cannot be taken so, EAGAIN if it changes all the time.
 *
 * The second restores a record, and returns 0. Without SIGCR_PTRACE_PARTIAL
 * EOPNOTSUPP if something in it cannot be restored so. What can be checked is
 * checked before anything is changed; ECANCELED if a system call fails after
 * that, and a part of the record was restored. Else errno as from sigcr_check(),
 * sigrestore() and the first.
 */
ssize_t sigcr_ptrace_checkpoint_alloc(pid_t pid, void **record, char *lost,
				      size_t lost_size);
int sigcr_ptrace_restore(pid_t pid, const void *record, size_t size,
			 unsigned int flags, char *lost, size_t lost_size);

/* Frees what the functions above made; a null pointer is left alone. */
void sigcr_free(void *record);

/* The library's version, such as "0.1.0". */
const char *sigcr_version(void);

#ifdef __cplusplus
}
#endif

#endif /* SIGCR_H */
