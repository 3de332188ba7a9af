/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who calls: processes and threads that become somebody else than the test is,
 * or enter a namespace or a domain.
 */
#ifndef SIGCR_CALLER_H
#define SIGCR_CALLER_H

#include "child.h"
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>

#define TARGET_UID 4242
#define STRANGER_UID 4343
#define YAMA_SCOPE "/proc/sys/kernel/yama/ptrace_scope"

#define CAP_OF(cap) (1ULL << (cap))

/* A record with one signal for the process, or with @tid for that thread. */
static inline void record_signal(struct record *record, int tid, int signo,
				 int si_code)
{
	siginfo_t info = queued_info(signo, 1);

	info.si_code = si_code;
	/* The id of the process is informational. */
	record_begin(record, 1, 0);
	record_add_entry(record, record_add_queue(record, tid, 0), &info);
	record_seal(record);
}

/* Changes the user of the calling thread, which keeps capabilities @caps. */
static inline bool become_user(uid_t uid, __u64 caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {};

	data[0].permitted = caps;
	data[0].effective = caps;
	data[1].permitted = caps >> 32;
	data[1].effective = caps >> 32;
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
	return become_user(STRANGER_UID, 0);
}

static inline bool become_stranger_who_may_restore(void)
{
	return become_user(STRANGER_UID, CAP_OF(CAP_CHECKPOINT_RESTORE));
}

static inline bool become_stranger_who_may_administer(void)
{
	return become_user(STRANGER_UID, CAP_OF(CAP_SYS_ADMIN));
}

static inline bool become_stranger_who_may_kill(void)
{
	return become_user(STRANGER_UID, CAP_OF(CAP_KILL));
}

static inline bool become_stranger_who_may_trace(void)
{
	return become_user(STRANGER_UID, CAP_OF(CAP_SYS_PTRACE));
}

static inline bool become_stranger_who_may_trace_and_restore(void)
{
	return become_user(STRANGER_UID, CAP_OF(CAP_SYS_PTRACE) |
			   CAP_OF(CAP_CHECKPOINT_RESTORE));
}

static inline bool become_owner(void)
{
	return become_user(TARGET_UID, 0);
}

static inline bool become_owner_with_raw_sockets(void)
{
	return become_user(TARGET_UID, CAP_OF(CAP_NET_RAW));
}

static inline bool become_owner_who_may_restore(void)
{
	return become_user(TARGET_UID, CAP_OF(CAP_CHECKPOINT_RESTORE));
}

static inline bool become_owner_who_may_administer(void)
{
	return become_user(TARGET_UID, CAP_OF(CAP_SYS_ADMIN));
}

static inline bool become_owner_who_may_trace(void)
{
	return become_user(TARGET_UID, CAP_OF(CAP_SYS_PTRACE));
}

static inline bool enter_user_namespace(void)
{
	return !unshare(CLONE_NEWUSER);
}

static inline bool become_owner_in_user_namespace(void)
{
	return become_owner() && enter_user_namespace();
}

static inline bool landlock_is_there(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static inline bool enter_landlock(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK,
	};
	int ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			      0);

	return ruleset >= 0 && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_landlock_restrict_self, ruleset, 0);
}

#endif /* SIGCR_CALLER_H */
