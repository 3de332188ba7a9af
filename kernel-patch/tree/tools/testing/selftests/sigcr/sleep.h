/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Children that sleep in a system call which puts another mask in the place of
 * the thread's own, as setup() and then() of a child.
 */
#ifndef SIGCR_SLEEP_H
#define SIGCR_SLEEP_H

#include "child.h"
#include <sys/epoll.h>

/* The mask of a thread, and the one that a system call puts in its place. */
#define MASK_OUTER (SET_OF(SIGUSR2) | SET_OF(SIGHUP) | SET_OF(33) | SET_OF(64))
#define MASK_INNER (SET_OF(SIGTERM) | SET_OF(32))

static struct child *sleeping_child;

static inline void log_masks(int signo __maybe_unused,
			     siginfo_t *info __maybe_unused, void *ucontext)
{
	struct child_log *log = sleeping_child->log;
	ucontext_t *context = ucontext;

	memcpy(&log->frame_mask, &context->uc_sigmask, sizeof(__u64));
	sys_sigprocmask(SIG_SETMASK, NULL, &log->handler_mask);
}

static inline void set_outer_mask(struct child *child)
{
	struct sigaction action = {
		.sa_sigaction = log_masks,
		.sa_flags = SA_SIGINFO,
	};
	__u64 set = MASK_OUTER;

	sleeping_child = child;
	child_check(!sigaction(SIGUSR1, &action, NULL));
	child_check(!sys_sigprocmask(SIG_SETMASK, &set, NULL));
}

static inline void log_sleep(struct child *child, long ret)
{
	child->log->ret = ret;
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
}

static inline void sleep_in_sigsuspend(struct child *child)
{
	__u64 set = MASK_INNER;

	log_sleep(child, sys_sigsuspend(&set));
}

static inline void sleep_in_ppoll(struct child *child)
{
	__u64 set = MASK_INNER;

	log_sleep(child, kernel_answer(syscall(SYS_ppoll, NULL, 0, NULL, &set,
					       sizeof(set))));
}

static inline void sleep_in_pselect(struct child *child)
{
	__u64 set = MASK_INNER;
	struct {
		const __u64 *set;
		size_t len;
	} mask = { &set, sizeof(set) };

	log_sleep(child, kernel_answer(syscall(SYS_pselect6, 0, NULL, NULL,
					       NULL, NULL, &mask)));
}

static inline void sleep_in_epoll_pwait(struct child *child)
{
	__u64 set = MASK_INNER;
	struct epoll_event event;
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	log_sleep(child, kernel_answer(syscall(SYS_epoll_pwait, epfd, &event,
					       1, -1, &set, sizeof(set))));
}

/* A call that sleeps with a mask of its own. */
static const struct {
	const char *name;
	void (*sleep)(struct child *child);
	long nr;
} masked_sleeps[] = {
	{ "sigsuspend", sleep_in_sigsuspend, SYS_rt_sigsuspend },
	{ "ppoll", sleep_in_ppoll, SYS_ppoll },
	{ "pselect", sleep_in_pselect, SYS_pselect6 },
	{ "epoll_pwait", sleep_in_epoll_pwait, SYS_epoll_pwait },
};

/* Waits for signals that are blocked before, and after. */
static inline void sleep_in_sigtimedwait(struct child *child)
{
	siginfo_t info;

	log_sleep(child, sys_sigtimedwait(MASK_OUTER, &info, 600000));
}

/* Has the child begin to sleep in system call @nr, as then() does. */
static inline bool child_fall_asleep(struct child *child, long nr)
{
	return write(child->go[1], "g", 1) == 1 &&
	       eventually(sleeps_in(child->pid, child->pid, nr));
}

#endif /* SIGCR_SLEEP_H */
