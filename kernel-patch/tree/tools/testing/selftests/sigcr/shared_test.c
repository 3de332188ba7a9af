// SPDX-License-Identifier: GPL-2.0
/*
 * An action table that two processes share (CLONE_SIGHAND without
 * CLONE_THREAD): it is marked, and changed only with consent.
 *
 * Numbers such as (40) name the scenario in the project's list.
 */
#include "stopped.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

#define SELF PIDFD_SELF_THREAD_GROUP
#define PEER_STACK_SIZE 65536

/*
 * Looks at the action of SIGUSR2 for ever. Uses no errno: it has the thread
 * area of its parent, who is stopped.
 */
static int peer_main(void *arg)
{
	struct child_log *log = arg;
	struct kernel_action seen;

	die_with(log->tids[0]);
	while (!log->stop_threads) {
		if (!sys_sigaction(SIGUSR2, NULL, &seen))
			__atomic_store_n(&log->value, seen.handler,
					 __ATOMIC_SEQ_CST);
		log->tids[1] = getpid();
		usleep(1000);
	}
	syscall(SYS_exit, 0);
	return 0;
}

static void start_peer(struct child *child)
{
	struct kernel_action action = { .handler = 0x1111 };
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };
	__u8 *stack = malloc(PEER_STACK_SIZE);

	child_check(stack);
	child->log->tids[0] = getpid();
	child_check(!sys_sigaction(SIGUSR2, &action, NULL));
	/* A peer that ends does not stay as a zombie, which still shares. */
	child_check(!sys_sigaction(SIGCHLD, &ignore, NULL));
	child_check(clone(peer_main, stack + PEER_STACK_SIZE,
			  CLONE_VM | CLONE_SIGHAND | SIGCHLD, child->log) > 0);
	child_check(eventually(child->log->tids[1] &&
			       child->log->value == 0x1111));
}

static bool peer_sees(const struct child *child, __u64 handler)
{
	return eventually(__atomic_load_n(&child->log->value,
					  __ATOMIC_SEQ_CST) == handler);
}

/* A record whose action table has another handler of SIGUSR2. */
static void record_handler(struct record *record, int tgid, __u64 handler)
{
	record_begin(record, tgid, 0);
	record_add_action(record, record_add_actions(record),
			  SIGUSR2)->handler = handler;
	record_seal(record);
}

/* (40) */
TEST_F(stopped, shared_action_table_is_marked_until_the_peer_is_gone)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, start_peer, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(SIGCR_RECORD_SHARED_SIGHAND, self->record.header->flags);
	EXPECT_EQ(1, self->record.header->thread_count);
	child->log->stop_threads = true;
	ASSERT_TRUE(eventually(!proc_state(child->log->tids[1])));
	TAKE(&self->again);
	EXPECT_EQ(0, self->again.header->flags);
	/* Then nobody has to consent. */
	record_handler(&self->record, child->pid, 0x2222);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
}

/* (40) */
TEST_F(stopped, shared_action_table_is_not_changed_without_consent)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, start_peer, NULL));
	STOP_AND_TAKE(&self->record);
	record_handler(&self->again, child->pid, 0x2222);
	EXPECT_EQ(-EBUSY, record_restore(&self->again, child->pidfd, 0));
	EXPECT_EQ(-EBUSY, record_restore(&self->again, child->pidfd,
					 SIGRESTORE_DRY_RUN));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	child->log->value = 0;
	EXPECT_TRUE(peer_sees(child, 0x1111));
}

/* (40) */
TEST_F(stopped, shared_action_table_changes_for_the_peer_with_consent)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, start_peer, NULL));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_handler(&self->record, child->pid, 0x2222);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd,
				    SIGRESTORE_SHARED_SIGHAND |
				    SIGRESTORE_DRY_RUN));
	child->log->value = 0;
	EXPECT_TRUE(peer_sees(child, 0x1111));
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd,
				    SIGRESTORE_SHARED_SIGHAND));
	EXPECT_TRUE(peer_sees(child, 0x2222));
	TAKE(&self->again);
	EXPECT_EQ(0x2222, record_action_of(&self->again, SIGUSR2)->handler);
}

/* The queues are each process's own. */
TEST_F(stopped, what_is_not_shared_needs_no_consent_and_stays_out_of_the_peer)
{
	struct child *child = &self->child;
	struct proc_signals peer;

	ASSERT_TRUE(child_start(child, start_peer, NULL));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, 0, SET_OF(40));
	record_add_thread(&self->record, child->pid, SET_OF(40));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(40), self->again.shared->set);
	ASSERT_TRUE(proc_signals(child->log->tids[1], &peer));
	EXPECT_EQ(0, peer.shared_pending | peer.private_pending | peer.blocked);
}

static int wait_to_be_killed(void *arg)
{
	die_with(*(pid_t *)arg);
	for (;;)
		pause();
	return 0;
}

/* (40) */
TEST(shared_action_table_of_the_caller_needs_consent_too)
{
	__u8 *stack = malloc(PEER_STACK_SIZE);
	struct kernel_action seen;
	struct record record = {};
	pid_t self = getpid(), pid;

	record_handler(&record, getpid(), 0x2222);
	EXPECT_EQ(0, record_restore(&record, SELF, SIGRESTORE_DRY_RUN));
	pid = clone(wait_to_be_killed, stack + PEER_STACK_SIZE,
		    CLONE_VM | CLONE_SIGHAND | SIGCHLD, &self);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(-EBUSY, record_restore(&record, SELF, 0));
	ASSERT_EQ(0, sys_sigaction(SIGUSR2, NULL, &seen));
	EXPECT_EQ(0, seen.handler);
	EXPECT_EQ(0, record_restore(&record, SELF, SIGRESTORE_SHARED_SIGHAND));
	ASSERT_EQ(0, sys_sigaction(SIGUSR2, NULL, &seen));
	EXPECT_EQ(0x2222, seen.handler);
	ASSERT_STREQ("", record_read(&record, SELF, 0));
	EXPECT_EQ(SIGCR_RECORD_SHARED_SIGHAND, record.header->flags);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* Ends by a filter, which leaves its mark in the action table. */
static int die_of_seccomp(void *arg)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};

	die_with(*(pid_t *)arg);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	syscall(SYS_getpid);
	return 0;
}

/* Else a sibling could save a process that the kernel has doomed. */
TEST(action_of_a_forced_kill_cannot_be_restored_away)
{
	struct kernel_action action = { .handler = 0x1234 };
	__u8 *stack = malloc(PEER_STACK_SIZE);
	struct record record = {};
	struct rlimit none = {};
	pid_t self = getpid(), pid;
	int status;

	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &none));
	pid = clone(die_of_seccomp, stack + PEER_STACK_SIZE,
		    CLONE_VM | CLONE_SIGHAND | SIGCHLD, &self);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGSYS, WTERMSIG(status));
	ASSERT_EQ(-EINVAL, sys_sigaction(SIGSYS, &action, NULL));
	/* The mark is the kernel's own and in no record. */
	ASSERT_STREQ("", record_read(&record, SELF, 0));
	EXPECT_NULL(record_action_of(&record, SIGSYS));
	EXPECT_EQ(-ESRCH, record_restore(&record, SELF, 0));
	record_begin(&record, self, 0);
	record_add_action(&record, record_add_actions(&record),
			  SIGSYS)->handler = 0x1234;
	record_seal(&record);
	EXPECT_EQ(-ESRCH, record_restore(&record, SELF,
					 SIGRESTORE_SHARED_SIGHAND));
	EXPECT_EQ(-EINVAL, sys_sigaction(SIGSYS, &action, NULL));
}

TEST_HARNESS_MAIN
