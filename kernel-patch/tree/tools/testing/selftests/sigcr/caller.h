/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Callers with other credentials than the test's: each tries both calls on a
 * target in a process of its own.
 */
#ifndef SIGCR_CALLER_H
#define SIGCR_CALLER_H

#include "child.h"
#include <linux/capability.h>

#define TARGET_UID 4242
#define STRANGER_UID 4343
#define YAMA_SCOPE "/proc/sys/kernel/yama/ptrace_scope"

/* What a caller was told; 1 is what no call answers. */
struct answers {
	long ckpt;
	long restore;
	long forge;	/* a restore with a si_code that is the kernel's own */
};

/* A record with one signal for the process. */
static inline void record_signal(struct record *record, int tgid, int signo,
				 int si_code)
{
	siginfo_t info = queued_info(signo, 1);

	info.si_code = si_code;
	record_begin(record, tgid, 0);
	record_add_entry(record, record_add_queue(record, 0, 0), &info);
	record_seal(record);
}

static inline void try_all(int pidfd, struct answers *answers)
{
	struct record record = {};

	answers->ckpt = sigckpt(pidfd, NULL, 0, 0);
	record_signal(&record, 1, 40, SI_QUEUE);
	answers->restore = record_restore(&record, pidfd, 0);
	record_signal(&record, 1, 40, SI_KERNEL);
	answers->forge = record_restore(&record, pidfd, 0);
	if (answers->ckpt > 0)
		answers->ckpt = 0;
}

/* Tries in a child that first calls @become; a child that fails says 1. */
static inline struct answers answers_for(bool (*become)(void), int pidfd)
{
	struct answers *shared = shared_memory(sizeof(*shared)), answers;
	pid_t pid;

	*shared = (struct answers){ 1, 1, 1 };
	pid = fork();
	if (!pid) {
		if (become())
			try_all(pidfd, shared);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	answers = *shared;
	munmap(shared, sizeof(*shared));
	return answers;
}

#define EXPECT_ANSWERS(want_ckpt, want_restore, want_forge, become, pidfd) do { \
	struct answers got = answers_for(become, pidfd);		\
									\
	EXPECT_EQ(want_ckpt, got.ckpt);					\
	EXPECT_EQ(want_restore, got.restore);				\
	EXPECT_EQ(want_forge, got.forge);				\
} while (0)

/* Changes the user and keeps capability @cap, if that is not negative. */
static inline bool become_user(uid_t uid, int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {};

	if (cap >= 0) {
		data[cap / 32].permitted = 1U << cap % 32;
		data[cap / 32].effective = 1U << cap % 32;
	}
	return !prctl(PR_SET_KEEPCAPS, 1) &&
	       !syscall(SYS_setresuid, uid, uid, uid) &&
	       !syscall(SYS_capset, &header, data) &&
	       !prctl(PR_SET_DUMPABLE, 1);
}

static inline bool become_nobody_else(void)
{
	return true;
}

static inline bool become_stranger(void)
{
	return become_user(STRANGER_UID, -1);
}

static inline bool become_owner(void)
{
	return become_user(TARGET_UID, -1);
}

static inline bool become_owner_who_may_restore(void)
{
	return become_user(TARGET_UID, CAP_CHECKPOINT_RESTORE);
}

static inline bool become_owner_who_may_administer(void)
{
	return become_user(TARGET_UID, CAP_SYS_ADMIN);
}

static inline bool become_owner_who_may_trace(void)
{
	return become_user(TARGET_UID, CAP_SYS_PTRACE);
}

/* Setup: a process of a user of its own, which that user may trace. */
static inline void be_owned(struct child *child)
{
	child_check(become_user(TARGET_UID, -1));
	/* Changing the user has cleared it. */
	die_with(child->parent);
	block_all(child);
}

#endif /* SIGCR_CALLER_H */
