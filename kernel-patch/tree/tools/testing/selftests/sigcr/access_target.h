/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whom the calls are tried on, by whom: the kinds of targets and callers that
 * the table of who may is made of.
 */
#ifndef SIGCR_ACCESS_TARGET_H
#define SIGCR_ACCESS_TARGET_H

#include "caller.h"

/* What the pidfd names, and whose queue the record holds. */
enum access_to {
	TO_PROCESS,		/* a process; its own queue */
	TO_THREAD,		/* its second thread; the queue of that */
	TO_CHILD,		/* a process that is a child of the caller */
	TO_SELF,		/* the caller's process */
	TO_SELF_THREAD,		/* the calling thread */
	TO_SIBLING,		/* the caller's process; its second thread's */
	TO_KERNEL_THREAD,
};

struct access_target {
	const char *text;
	enum access_to to;
	unsigned long flags;	/* of clone(2) */
	void (*setup)(struct child *child);
	bool (*second_become)(void);	/* of the second thread */
	bool runs;
};

struct access_caller {
	const char *text;
	unsigned long flags;	/* of clone(2) */
	bool (*become)(void);
};

/* By this argument the test program is the one that was given set-user-ID. */
#define SETUID_ARGUMENT "--report-and-wait"

/* The pidfd of the target, once it is there. */
static int access_pidfd;

struct second_thread {
	struct child *child;
	bool (*become)(void);
};

static inline void *second_thread_main(void *arg)
{
	struct second_thread *self = arg;

	child_check(self->become());
	__atomic_store_n(&self->child->log->tids[1], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

/* Starts a second thread, which becomes somebody of its own and then waits. */
static inline void start_second_thread(struct child *child,
				       bool (*become)(void))
{
	static struct second_thread second;
	pthread_t thread;

	second = (struct second_thread){ child, become };
	child_check(!pthread_create(&thread, NULL, second_thread_main,
				    &second));
	child_check(eventually(__atomic_load_n(&child->log->tids[1],
					       __ATOMIC_SEQ_CST)));
}

/* Setup: a process of a user of its own, which that user may trace. */
static inline void be_owned(struct child *child)
{
	child_check(become_owner());
	/* Changing the user has cleared it. */
	die_with(child->parent);
	block_all(child);
}

static inline void be_capable(struct child *child)
{
	child_check(become_owner_with_raw_sockets());
	die_with(child->parent);
	block_all(child);
}

/* As a program is that has been given back the rights of its user. */
static inline void be_able_to_return_to_root(struct child *child)
{
	child_check(!syscall(SYS_setresuid, TARGET_UID, TARGET_UID, 0));
	child_check(!prctl(PR_SET_DUMPABLE, 1));
	die_with(child->parent);
	block_all(child);
}

static inline void copy_program(const char *path)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	char bytes[4096];
	ssize_t len;

	child_check(from >= 0 && to >= 0);
	while ((len = read(from, bytes, sizeof(bytes))) > 0)
		child_check(write(to, bytes, len) == len);
	child_check(!len && !fchmod(to, 04755));
	close(from);
	close(to);
}

/* See setuid_main(), which goes on as the child. */
static inline void run_setuid_program(struct child *child)
{
	char path[64], ready[16];

	snprintf(path, sizeof(path), "/tmp/sigcr-setuid-%d", getpid());
	snprintf(ready, sizeof(ready), "%d", child->ready[1]);
	copy_program(path);
	block_all(child);
	child_check(become_owner());
	child_check(!fcntl(child->ready[1], F_SETFD, 0));
	execl(path, path, SETUID_ARGUMENT, ready, NULL);
	child_check(false);
}

/* What main() is in a program that run_setuid_program() has made. */
static inline int setuid_main(char **argv)
{
	struct child child = { .ready = { -1, atoi(argv[2]) } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	unlink(argv[0]);
	child_check(getuid() == TARGET_UID && geteuid() == 0);
	child_report(&child);
	for (;;)
		pause();
	return KSFT_FAIL;
}

static inline void be_not_dumpable(struct child *child)
{
	be_owned(child);
	child_check(!prctl(PR_SET_DUMPABLE, 0));
}

static inline void be_owned_but_for_one_thread(struct child *child)
{
	block_all(child);
	start_second_thread(child, become_nobody_else);
	be_owned(child);
}

static inline void own_one_thread(struct child *child)
{
	block_all(child);
	start_second_thread(child, become_owner);
}

static inline void be_owned_in_user_namespace(struct child *child)
{
	be_owned(child);
	child_check(enter_user_namespace());
	child_check(!prctl(PR_SET_DUMPABLE, 1));
}

static inline void be_owned_in_landlock(struct child *child)
{
	be_owned(child);
	child_check(enter_landlock());
}

static inline void let_anybody_trace(struct child *child)
{
	be_owned(child);
	/* Without Yama there is no such call. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
}

static inline bool join_user_namespace(void)
{
	return !setns(access_pidfd, CLONE_NEWUSER);
}

#endif /* SIGCR_ACCESS_TARGET_H */
