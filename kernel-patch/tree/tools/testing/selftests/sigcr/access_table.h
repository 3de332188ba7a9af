/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may: the table of all cases, and whom it takes to try them. The table in
 * the project's documentation is made from this file.
 *
 * User A owns most targets; user B is somebody else. Neither has a capability
 * if none is named. Targets are stopped if nothing else is said.
 */
#ifndef SIGCR_ACCESS_TABLE_H
#define SIGCR_ACCESS_TABLE_H

#include "access_target.h"

/* What is tried, in this order. */
enum access_call {
	CHECKPOINT,
	DRY_PLAIN,
	DRY_RESERVED,
	PLAIN,
	RESERVED,
	ACCESS_CALL_COUNT,
};

static const char * const access_call_texts[] = {
	[CHECKPOINT] = "checkpoint",
	[DRY_PLAIN] = "dry run",
	[DRY_RESERVED] = "dry run, reserved",
	[PLAIN] = "restore",
	[RESERVED] = "restore, reserved",
};

/* The security module that decides, too. */
enum access_module {
	NO_MODULE,
	LANDLOCK,
	YAMA_0,
	YAMA_1,
	YAMA_2,
	YAMA_3,
};

static const char * const access_module_texts[] = {
	[NO_MODULE] = "",
	[LANDLOCK] = "Landlock",
	[YAMA_0] = "Yama 0",
	[YAMA_1] = "Yama 1",
	[YAMA_2] = "Yama 2",
	[YAMA_3] = "Yama 3",
};

static const struct access_target itself = {
	.text = "itself",
	.to = TO_SELF,
};

static const struct access_target own_thread = {
	.text = "the calling thread",
	.to = TO_SELF_THREAD,
};

static const struct access_target own_child = {
	.text = "child of the caller, with the caller's user",
	.to = TO_CHILD,
	.setup = block_all,
};

static const struct access_target equal_sibling = {
	.text = "queue of a sibling thread of user A",
	.to = TO_SIBLING,
	.second_become = become_owner,
};

static const struct access_target capable_sibling = {
	.text = "queue of a sibling thread of user A with CAP_NET_RAW",
	.to = TO_SIBLING,
	.second_become = become_owner_with_raw_sockets,
};

static const struct access_target strange_sibling = {
	.text = "queue of a sibling thread of user B",
	.to = TO_SIBLING,
	.second_become = become_stranger,
};

static const struct access_target sibling_of_root = {
	.text = "queue of a sibling thread of root",
	.to = TO_SIBLING,
	.second_become = become_nobody_else,
};

static const struct access_target owned = {
	.text = "process of user A",
	.setup = be_owned,
};

static const struct access_target running = {
	.text = "process of user A that runs",
	.setup = be_owned,
	.runs = true,
};

static const struct access_target of_root = {
	.text = "process of root",
	.setup = block_all,
};

static const struct access_target capable = {
	.text = "process of user A with CAP_NET_RAW",
	.setup = be_capable,
};

static const struct access_target saved_uid = {
	.text = "process of user A with the saved user id of root",
	.setup = be_able_to_return_to_root,
};

static const struct access_target setuid_program = {
	.text = "set-user-ID program of root, run by user A",
	.setup = run_setuid_program,
};

static const struct access_target not_dumpable = {
	.text = "process of user A that is not dumpable",
	.setup = be_not_dumpable,
};

static const struct access_target with_thread_of_root = {
	.text = "process of user A, one thread of it root's",
	.setup = be_owned_but_for_one_thread,
};

static const struct access_target thread_of_root = {
	.text = "thread of root in a process of user A",
	.to = TO_THREAD,
	.setup = be_owned_but_for_one_thread,
};

static const struct access_target thread_in_root = {
	.text = "thread of user A in a process of root",
	.to = TO_THREAD,
	.setup = own_one_thread,
};

static const struct access_target kernel_thread = {
	.text = "kernel thread",
	.to = TO_KERNEL_THREAD,
};

static const struct access_target pidns_init = {
	.text = "init of a pid namespace, of user A",
	.flags = CLONE_NEWPID,
	.setup = be_owned,
};

static const struct access_target in_userns = {
	.text = "process of user A in a user namespace of its own",
	.setup = be_owned_in_user_namespace,
};

static const struct access_target landlocked = {
	.text = "process of user A in a Landlock domain",
	.setup = be_owned_in_landlock,
};

static const struct access_target declared = {
	.text = "process of user A that lets anybody trace it",
	.setup = let_anybody_trace,
};

static const struct access_caller root = {
	.text = "root",
	.become = become_nobody_else,
};

static const struct access_caller user = {
	.text = "user A",
	.become = become_owner,
};

static const struct access_caller user_restore = {
	.text = "user A with CAP_CHECKPOINT_RESTORE",
	.become = become_owner_who_may_restore,
};

static const struct access_caller user_admin = {
	.text = "user A with CAP_SYS_ADMIN",
	.become = become_owner_who_may_administer,
};

static const struct access_caller user_trace = {
	.text = "user A with CAP_SYS_PTRACE",
	.become = become_owner_who_may_trace,
};

static const struct access_caller other = {
	.text = "user B",
	.become = become_stranger,
};

static const struct access_caller other_restore = {
	.text = "user B with CAP_CHECKPOINT_RESTORE",
	.become = become_stranger_who_may_restore,
};

static const struct access_caller other_admin = {
	.text = "user B with CAP_SYS_ADMIN",
	.become = become_stranger_who_may_administer,
};

static const struct access_caller other_kill = {
	.text = "user B with CAP_KILL",
	.become = become_stranger_who_may_kill,
};

static const struct access_caller other_trace = {
	.text = "user B with CAP_SYS_PTRACE",
	.become = become_stranger_who_may_trace,
};

static const struct access_caller other_both = {
	.text = "user B with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE",
	.become = become_stranger_who_may_trace_and_restore,
};

static const struct access_caller userns_root = {
	.text = "root, of a child user namespace only",
	.become = enter_user_namespace,
};

static const struct access_caller userns_user = {
	.text = "user A, root in a child user namespace",
	.become = become_owner_in_user_namespace,
};

static const struct access_caller joined = {
	.text = "root of the target's user namespace only",
	.become = join_user_namespace,
};

static const struct access_caller inside_pidns = {
	.text = "root, in a child pid namespace",
	.flags = CLONE_NEWPID,
	.become = become_nobody_else,
};

static const struct access_caller landlocked_root = {
	.text = "root, in a Landlock domain",
	.become = enter_landlock,
};

static const struct access_row {
	const struct access_target *target;
	const struct access_caller *caller;
	enum access_module module;
	long answers[ACCESS_CALL_COUNT];
} access_rows[] = {
	/* One's own process. */
	{ &itself, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &itself, &user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &itself, &userns_user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &own_thread, &user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &own_thread, &userns_user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &equal_sibling, &user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &equal_sibling, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &equal_sibling, &other, NO_MODULE,
	  { 0, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &capable_sibling, &user, NO_MODULE,
	  { 0, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &strange_sibling, &user, NO_MODULE,
	  { 0, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &strange_sibling, &user_trace, NO_MODULE,
	  { 0, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &strange_sibling, &user_restore, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &strange_sibling, &user_admin, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &sibling_of_root, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &sibling_of_root, &user, NO_MODULE,
	  { 0, -EPERM, -EPERM, -EPERM, -EPERM } },

	/* Users and capabilities. */
	{ &own_child, &user, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &owned, &user, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &user_trace, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &user_restore, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &owned, &user_admin, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &owned, &other, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &other_kill, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &other_restore, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &other_admin, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &other_trace, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &other_both, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &of_root, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &of_root, &user_restore, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &of_root, &user_trace, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },

	/* Who may not look is not told that there is nothing to see. */
	{ &running, &other, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &running, &user, NO_MODULE,
	  { -EBUSY, -EBUSY, -EPERM, -EBUSY, -EPERM } },
	{ &running, &root, NO_MODULE,
	  { -EBUSY, -EBUSY, -EBUSY, -EBUSY, -EBUSY } },

	/* What the target is. */
	{ &capable, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &capable, &user_trace, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &saved_uid, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &saved_uid, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &setuid_program, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &setuid_program, &user_restore, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &setuid_program, &user_trace, NO_MODULE,
	  { 0, 0, -EPERM, 0, -EPERM } },
	{ &setuid_program, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &not_dumpable, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &not_dumpable, &user_restore, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &not_dumpable, &user_trace, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &not_dumpable, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &with_thread_of_root, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &with_thread_of_root, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &thread_of_root, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &thread_in_root, &user, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &kernel_thread, &user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &kernel_thread, &root, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },

	/* Namespaces. */
	{ &pidns_init, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &pidns_init, &user, NO_MODULE, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &inside_pidns, NO_MODULE,
	  { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL } },
	{ &itself, &inside_pidns, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &owned, &userns_user, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &userns_root, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &in_userns, &root, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &in_userns, &joined, NO_MODULE, { 0, 0, 0, 0, 0 } },
	/* Whoever has made a namespace has every capability over it. */
	{ &in_userns, &user, NO_MODULE, { 0, 0, 0, 0, 0 } },
	{ &in_userns, &other, NO_MODULE,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },

	{ &owned, &landlocked_root, LANDLOCK,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &landlocked, &landlocked_root, LANDLOCK,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &landlocked, &root, LANDLOCK, { 0, 0, 0, 0, 0 } },
	{ &landlocked, &user, LANDLOCK, { 0, 0, -EPERM, 0, -EPERM } },
	{ &own_child, &landlocked_root, LANDLOCK, { 0, 0, 0, 0, 0 } },
	{ &itself, &landlocked_root, LANDLOCK, { 0, 0, 0, 0, 0 } },

	{ &itself, &user, YAMA_0, { 0, 0, 0, 0, 0 } },
	{ &own_child, &user, YAMA_0, { 0, 0, -EPERM, 0, -EPERM } },
	{ &declared, &user, YAMA_0, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &user, YAMA_0, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &user_restore, YAMA_0, { 0, 0, 0, 0, 0 } },
	{ &owned, &user_trace, YAMA_0, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &root, YAMA_0, { 0, 0, 0, 0, 0 } },

	{ &itself, &user, YAMA_1, { 0, 0, 0, 0, 0 } },
	{ &own_child, &user, YAMA_1, { 0, 0, -EPERM, 0, -EPERM } },
	{ &declared, &user, YAMA_1, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &user, YAMA_1,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_restore, YAMA_1,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_trace, YAMA_1, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &root, YAMA_1, { 0, 0, 0, 0, 0 } },

	{ &itself, &user, YAMA_2, { 0, 0, 0, 0, 0 } },
	{ &own_child, &user, YAMA_2,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &own_child, &user_trace, YAMA_2, { 0, 0, -EPERM, 0, -EPERM } },
	{ &declared, &user, YAMA_2,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user, YAMA_2,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_restore, YAMA_2,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_trace, YAMA_2, { 0, 0, -EPERM, 0, -EPERM } },
	{ &owned, &root, YAMA_2, { 0, 0, 0, 0, 0 } },

	{ &itself, &user, YAMA_3, { 0, 0, 0, 0, 0 } },
	{ &own_thread, &user, YAMA_3, { 0, 0, 0, 0, 0 } },
	{ &own_child, &user, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &own_child, &root, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &declared, &user, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_restore, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &user_trace, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
	{ &owned, &root, YAMA_3,
	  { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM } },
};

#endif /* SIGCR_ACCESS_TABLE_H */
