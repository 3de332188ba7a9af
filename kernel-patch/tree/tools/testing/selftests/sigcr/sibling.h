/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second thread of the test's own process, which waits in one of many ways
 * until it has handled a signal, and tells what it has seen.
 */
#ifndef SIGCR_SIBLING_H
#define SIGCR_SIBLING_H

#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include "timer.h"

/* What wakes a sibling for good. */
#define SIGNO 40
#define BLOCKED (SET_OF(SIGHUP) | SET_OF(50))

/* A thread that waits in some way until it has handled a signal. */
struct sibling {
	/* Waits once; returns the kernel's answer. */
	long (*wait)(void);
	pthread_t thread;
	pid_t tid;
	int handled_count;
	int interrupted_count;
	bool done;
	/* What the handler has seen. */
	int value;
	__u64 frame_blocked;
	void *frame;
	/* And the thread afterwards. */
	__u64 blocked;
	stack_t altstack;
};

static __thread struct sibling *this_sibling;
static __u8 altstacks[4][65536];
static int silent_pipe[2], silent_epoll;
static __u32 futex_word;

static inline void note_signal(int signo __maybe_unused, siginfo_t *info,
			       void *ucontext)
{
	struct sibling *sibling = this_sibling;

	if (!sibling)
		return;
	sibling->value = info->si_value.sival_int;
	sibling->frame = __builtin_frame_address(0);
	memcpy(&sibling->frame_blocked,
	       &((ucontext_t *)ucontext)->uc_sigmask, sizeof(__u64));
	__atomic_add_fetch(&sibling->handled_count, 1, __ATOMIC_SEQ_CST);
}

static inline long wait_spinning(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		asm volatile("");
	return 0;
}

static inline long wait_in_nanosleep(void)
{
	struct timespec time = { .tv_sec = 1000 };

	return kernel_answer(syscall(SYS_nanosleep, &time, NULL));
}

static inline long wait_in_read(void)
{
	char byte;

	return kernel_answer(read(silent_pipe[0], &byte, 1));
}

static inline long wait_in_futex(void)
{
	return kernel_answer(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0,
				     NULL, NULL, 0));
}

static inline long wait_in_pause(void)
{
	return kernel_answer(pause());
}

static inline long wait_in_ppoll(void)
{
	struct pollfd fd = { .fd = silent_pipe[0], .events = POLLIN };
	__u64 set = SET_OF(SIGUSR2);

	return kernel_answer(syscall(SYS_ppoll, &fd, 1, NULL, &set,
				     sizeof(set)));
}

static inline long wait_in_sigsuspend(void)
{
	__u64 set = SET_OF(SIGUSR2);

	return sys_sigsuspend(&set);
}

static inline long wait_in_sigtimedwait(void)
{
	siginfo_t info;

	return sys_sigtimedwait(SET_OF(41), &info, 1000 * PATIENCE_MS);
}

static inline long wait_in_epoll(void)
{
	struct epoll_event event;

	return kernel_answer(epoll_wait(silent_epoll, &event, 1, -1));
}

static inline void *live(void *arg)
{
	struct sibling *sibling = arg;
	__u64 set = ALL_SIGNALS & ~SET_OF(SIGNO);

	this_sibling = sibling;
	sys_sigprocmask(SIG_SETMASK, &set, NULL);
	__atomic_store_n(&sibling->tid, sys_gettid(), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&sibling->handled_count, __ATOMIC_SEQ_CST)) {
		if (sibling->wait() == -EINTR)
			__atomic_add_fetch(&sibling->interrupted_count, 1,
					   __ATOMIC_SEQ_CST);
	}
	sys_sigprocmask(SIG_SETMASK, NULL, &sibling->blocked);
	sigaltstack(NULL, &sibling->altstack);
	__atomic_store_n(&sibling->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static inline bool prepare(void)
{
	struct sigaction action = {
		.sa_sigaction = note_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	silent_epoll = epoll_create1(0);
	return silent_epoll >= 0 && !pipe(silent_pipe) &&
	       !sigaction(SIGNO, &action, NULL);
}

/* Starts a sibling; @nr is the system call that it sleeps in, or -1. */
static inline bool begin(struct sibling *sibling, long (*wait)(void), long nr)
{
	sibling->wait = wait;
	return !pthread_create(&sibling->thread, NULL, live, sibling) &&
	       eventually(__atomic_load_n(&sibling->tid, __ATOMIC_SEQ_CST)) &&
	       (nr < 0 || eventually(sleeps_in(getpid(), sibling->tid, nr)));
}

static inline bool is_done(struct sibling *sibling)
{
	return eventually(__atomic_load_n(&sibling->done, __ATOMIC_SEQ_CST));
}

/*
 * Ends the sibling's wait. Where its handler runs just before a system call
 * that begins anew, the call does not end: then it takes one more.
 */
static inline bool is_done_by_signal(struct sibling *sibling)
{
	return eventually(sys_tgkill(getpid(), sibling->tid, SIGNO) ||
			  __atomic_load_n(&sibling->done, __ATOMIC_SEQ_CST)) &&
	       is_done(sibling);
}

/* A sleep of a limited time goes on in a call of its own. */
static inline bool still_sleeps_in(pid_t tid, long nr)
{
	return eventually(sleeps_in(getpid(), tid, nr) ||
			  (nr == SYS_nanosleep &&
			   sleeps_in(getpid(), tid, SYS_restart_syscall)));
}

#endif /* SIGCR_SIBLING_H */
