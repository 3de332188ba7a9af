/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam between C and Rust of sigckpt(2) and sigrestore(2).
 */
#ifndef _LINUX_SIGCR_H
#define _LINUX_SIGCR_H

#include <linux/types.h>

struct pid;
struct sigqueue;
struct task_struct;

/* Rust for C: the bodies of the system calls, in kernel/sigcr/sigcr.rs. */
long sigcr_checkpoint(int pidfd, void __user *record, size_t size,
		      unsigned int flags);
long sigcr_restore(int pidfd, const void __user *record, size_t size,
		   unsigned int flags);

/* C for Rust: what kernel/signal.c keeps to itself. */

/* True if @pid is in the caller's pid namespace or below it. */
bool sigcr_access_pidfd_pidns(struct pid *pid);
/* A new entry that nobody is charged for; NULL without memory. May sleep. */
struct sigqueue *sigcr_sigqueue_alloc(void);
/* Frees an entry that is in no queue. */
void sigcr_sigqueue_free(struct sigqueue *q);
/* Sets TIF_SIGPENDING of @t if it has something to do. Under siglock. */
bool sigcr_recalc_sigpending_tsk(struct task_struct *t);

/*
 * C for Rust, by the architecture: true if a stack of @size bytes takes the
 * largest signal frame that @t's process may get. Under siglock.
 */
bool sigcr_altstack_size_valid(struct task_struct *t, size_t size);

#endif /* _LINUX_SIGCR_H */
