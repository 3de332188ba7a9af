/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam between C and Rust of sigckpt(2) and sigrestore(2).
 */
#ifndef _LINUX_SIGCR_H
#define _LINUX_SIGCR_H

#include <linux/signal_types.h>
#include <linux/types.h>

struct file;
struct files_struct;
struct k_clock;
struct k_itimer;
struct pid;
struct pid_namespace;
struct sigcr_timer;
struct sigcr_waiter;
struct signal_struct;
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
bool sigcr_sigqueue_alloc(struct sigqueue **q, unsigned int count);
/* Frees an entry that is in no queue. */
void sigcr_sigqueue_free(struct sigqueue *q);
/* Sets TIF_SIGPENDING of @t if it has something to do. Under siglock. */
bool sigcr_recalc_sigpending_tsk(struct task_struct *t);

/* Of fs/signalfd.c, for kernel/sigcr/signalfds.c. */

/*
 * The first signalfd from descriptor *@fd on, with a reference, or NULL; sets
 * *@fd to its descriptor. Under file_lock of @files.
 */
struct file *sigcr_signalfd_next(struct files_struct *files, unsigned int *fd,
				 bool *cloexec);
/* The signals that @file, a signalfd, does not give. Under siglock. */
sigset_t *sigcr_signalfd_mask(struct file *file);

/* Of kernel/time/posix-timers.c, for kernel/sigcr/timers.c. */

const struct k_clock *sigcr_clockid_to_kclock(clockid_t clock);
/* A timer that is charged to the caller. */
struct k_itimer *sigcr_posix_timer_alloc(void);
/* Gives a timer the id @id, if no other of the process has it. */
bool sigcr_posix_timer_add_at(struct k_itimer *timer, unsigned int id);
/* Makes a timer with an id that is not valid go away. */
void sigcr_posix_timer_drop(struct k_itimer *timer);
/* Makes a timer of the caller's process invalid. Under its it_lock. */
void sigcr_posix_timer_delete(struct k_itimer *timer);

/* Of kernel/time/posix-cpu-timers.c, for kernel/sigcr/timers.c. */

/* The time of a CPU timer's clock; false if its task is gone. Under RCU. */
bool sigcr_cpu_timer_now(struct k_itimer *timer, u64 *now);
/* Arms a CPU timer. Under its it_lock, and siglock of its task. */
void sigcr_cpu_timer_arm(struct k_itimer *timer);

/* C for Rust: signalfds, in kernel/sigcr/signalfds.c. */

struct file *sigcr_signalfd_find(struct task_struct *t, unsigned int *fd,
				 bool *cloexec);

/* C for Rust: POSIX timers, in kernel/sigcr/timers.c. */

int sigcr_timer_capture(struct k_itimer *timer, struct pid_namespace *ns,
			struct sigcr_timer *state);
int sigcr_timer_create(const struct sigcr_timer *state, struct task_struct *t,
		       struct k_itimer **timer);
bool sigcr_timer_is_foreign(struct k_itimer *timer, struct signal_struct *sig);
int sigcr_timer_quiesce(struct k_itimer *timer, bool *was_running);
void sigcr_timer_resume(struct k_itimer *timer);
bool sigcr_timer_detach(struct k_itimer *timer);
bool sigcr_timer_apply(struct k_itimer *timer, const struct sigcr_timer *state,
		       struct signal_struct *sig);
void sigcr_timer_expire(struct k_itimer *timer);
void sigcr_timer_delete(struct k_itimer *timer);
void sigcr_timer_get(struct k_itimer *timer);
void sigcr_timer_put(struct k_itimer *timer);

/* C for Rust: interval timers, in kernel/sigcr/timers.c. */

void sigcr_real_itimer_resume(struct signal_struct *sig);
u64 sigcr_cpu_itimer_remaining(struct task_struct *t, unsigned int clock);
void sigcr_cpu_itimer_apply(struct task_struct *t, unsigned int clock,
			    u64 remaining_ns, u64 interval_ns);

/* C for Rust: who waits for children, in kernel/sigcr/waiters.c. */

unsigned int sigcr_waiters_capture(struct task_struct *t,
				   struct pid_namespace *ns,
				   struct sigcr_waiter *waiters,
				   unsigned int room_count);

/*
 * C for Rust, by the architecture: true if a stack of @size bytes takes the
 * largest signal frame that @t's process may get. Under siglock.
 */
bool sigcr_altstack_size_valid(struct task_struct *t, size_t size);

#endif /* _LINUX_SIGCR_H */
