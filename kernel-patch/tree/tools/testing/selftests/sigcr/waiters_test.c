// SPDX-License-Identifier: GPL-2.0
/*
 * The informational section on threads that wait for children: asked for by a
 * flag, and there for whatever way of waiting.
 */
#include "child.h"
#include <sched.h>

#define SELF PIDFD_SELF_THREAD_GROUP

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static struct child *waiting_child;

FIXTURE(target)
{
	struct child child;
	struct record record;
	struct record again;
};

FIXTURE_SETUP(target)
{
}

FIXTURE_TEARDOWN(target)
{
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

/* Ways to wait for log->tids[0], a child that lives. */
static long wait_for_any(pid_t pid __maybe_unused)
{
	return syscall(SYS_wait4, -1, NULL, 0, NULL);
}

static long wait_for_pid(pid_t pid)
{
	return syscall(SYS_wait4, pid, NULL, WUNTRACED | WCONTINUED, NULL);
}

static long wait_for_group(pid_t pid)
{
	return syscall(SYS_wait4, -pid, NULL, __WALL, NULL);
}

static long wait_for_own_group(pid_t pid __maybe_unused)
{
	return syscall(SYS_wait4, 0, NULL, 0, NULL);
}

static long waitid_for_all(pid_t pid __maybe_unused)
{
	siginfo_t info;

	return syscall(SYS_waitid, P_ALL, 0, &info, WSTOPPED | WNOWAIT, NULL);
}

static long waitid_for_pid(pid_t pid)
{
	siginfo_t info;

	return syscall(SYS_waitid, P_PID, pid, &info, WCONTINUED, NULL);
}

static long waitid_for_group(pid_t pid)
{
	siginfo_t info;

	return syscall(SYS_waitid, P_PGID, pid, &info, WEXITED, NULL);
}

static long waitid_for_pidfd(pid_t pid)
{
	siginfo_t info;

	return syscall(SYS_waitid, P_PIDFD, sys_pidfd_open(pid, 0), &info,
		       WEXITED | WNOWAIT, NULL);
}

/* What the process waits for: nothing in particular, a child, its own group. */
enum whom { ANY, CHILD, OWN };

static const struct {
	const char *what;
	long (*wait)(pid_t pid);
	long nr;
	__u32 id_type;
	enum whom id;
	__u32 options;
} rows[] = {
	{ "wait4 any", wait_for_any, SYS_wait4, SIGCR_WAIT_ALL, ANY, WEXITED },
	{ "wait4 pid", wait_for_pid, SYS_wait4, SIGCR_WAIT_PID, CHILD,
	  WEXITED | WUNTRACED | WCONTINUED },
	{ "wait4 group", wait_for_group, SYS_wait4, SIGCR_WAIT_PGID, CHILD,
	  WEXITED | __WALL },
	{ "wait4 own group", wait_for_own_group, SYS_wait4, SIGCR_WAIT_PGID,
	  OWN, WEXITED },
	{ "waitid all", waitid_for_all, SYS_waitid, SIGCR_WAIT_ALL, ANY,
	  WSTOPPED | WNOWAIT },
	{ "waitid pid", waitid_for_pid, SYS_waitid, SIGCR_WAIT_PID, CHILD,
	  WCONTINUED },
	{ "waitid group", waitid_for_group, SYS_waitid, SIGCR_WAIT_PGID, CHILD,
	  WEXITED },
	{ "waitid pidfd", waitid_for_pidfd, SYS_waitid, SIGCR_WAIT_PID, CHILD,
	  WEXITED | WNOWAIT },
};

static pid_t fork_idle(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		die_with(parent);
		for (;;)
			pause();
	}
	return pid;
}

/* One in the own group, and one in a group whose number is its pid. */
static void have_children(struct child *child)
{
	pid_t pid = fork_idle();

	child_check(pid > 0 && !setpgid(pid, pid));
	child->log->tids[0] = pid;
	child_check(fork_idle() > 0);
}

static void wait_in_the_way_of_the_log(struct child *child)
{
	rows[child->log->value].wait(child->log->tids[0]);
	child_check(!"it has ended");
}

TEST_F(target, each_way_of_waiting_is_recorded)
{
	struct child *child = &self->child;
	const struct sigcr_waiter *waiter;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const pid_t ids[] = { 0, 0, getpgrp() };
		pid_t id;

		TH_LOG("%s", rows[i].what);
		ASSERT_TRUE(child_start(child, have_children,
					wait_in_the_way_of_the_log));
		child->log->value = i;
		ASSERT_EQ(1, write(child->go[1], "g", 1));
		ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
						 rows[i].nr)));
		ASSERT_STREQ("", record_read(&self->record, child->pidfd,
					     SIGCKPT_LIVE | SIGCKPT_WAITERS));
		ASSERT_NE(NULL, self->record.waiters);
		ASSERT_EQ(1, self->record.waiters->entry_count);
		waiter = record_waiter(&self->record, 0);
		id = rows[i].id == CHILD ? child->log->tids[0] :
					   ids[rows[i].id];
		EXPECT_EQ(child->pid, waiter->tid);
		EXPECT_EQ(rows[i].id_type, waiter->id_type);
		EXPECT_EQ(id, waiter->id);
		EXPECT_EQ(rows[i].options, waiter->options);
		/* Not asked for, it is not there. */
		ASSERT_STREQ("", record_read(&self->record, child->pidfd,
					     SIGCKPT_LIVE));
		EXPECT_NULL(self->record.waiters);
		/* Nobody has been woken. */
		EXPECT_TRUE(sleeps_in(child->pid, child->pid, rows[i].nr));
		child_end(child);
	}
}

TEST_F(target, process_that_waits_for_nobody_has_a_section_without_entries)
{
	struct child *child = &self->child;
	long len;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	len = sigckpt(child->pidfd, NULL, 0, SIGCKPT_WAITERS);
	EXPECT_EQ(self->record.len + sizeof(struct sigcr_waiters), len);
	ASSERT_STREQ("", record_read(&self->again, child->pidfd,
				     SIGCKPT_WAITERS));
	ASSERT_NE(NULL, self->again.waiters);
	EXPECT_EQ(0, self->again.waiters->entry_count);
	EXPECT_EQ(len, self->again.len);
	/* A record with it can be restored: it is for people only. */
	EXPECT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, child->pidfd, 0));
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	/* And so it is of oneself. */
	ASSERT_STREQ("", record_read(&self->again, SELF, SIGCKPT_WAITERS));
	EXPECT_EQ(0, self->again.waiters->entry_count);
}

static void *wait_as_a_thread(void *arg)
{
	long index = (long)arg;

	__atomic_store_n(&waiting_child->log->tids[index], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	rows[index].wait(waiting_child->log->tids[0]);
	return NULL;
}

static void wait_in_four_threads(struct child *child)
{
	pthread_t thread;
	long i;

	waiting_child = child;
	have_children(child);
	for (i = 1; i <= 4; i++) {
		child_check(!pthread_create(&thread, NULL, wait_as_a_thread,
					    (void *)i));
		child_check(eventually(child->log->tids[i] &&
				       sleeps_in(getpid(), child->log->tids[i],
						 rows[i].nr)));
	}
}

TEST_F(target, waiting_threads_are_listed_by_their_tids)
{
	struct child *child = &self->child;
	int i;

	ASSERT_TRUE(child_start(child, wait_in_four_threads, NULL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE | SIGCKPT_WAITERS));
	ASSERT_EQ(4, self->record.waiters->entry_count);
	for (i = 1; i <= 4; i++) {
		const struct sigcr_waiter *waiter =
			record_waiter(&self->record, i - 1);

		EXPECT_EQ(child->log->tids[i], waiter->tid);
		EXPECT_EQ(rows[i].id_type, waiter->id_type);
		EXPECT_EQ(rows[i].options, waiter->options);
	}
	/* Whoever is stopped has left the call, and comes back to it. */
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_WAITERS));
	EXPECT_EQ(0, self->record.waiters->entry_count);
	ASSERT_TRUE(child_resume(child));
	for (i = 1; i <= 4; i++) {
		EXPECT_TRUE(eventually(sleeps_in(child->pid,
						 child->log->tids[i],
						 rows[i].nr)));
	}
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE | SIGCKPT_WAITERS));
	EXPECT_EQ(4, self->record.waiters->entry_count);
}

static void have_children_as_init(struct child *child)
{
	have_children(child);
	child->log->tids[1] = getpid();
}

TEST_F(target, ids_of_waiters_are_those_of_the_target_s_pid_namespace)
{
	struct child *child = &self->child;
	const struct sigcr_waiter *waiter;

	ASSERT_TRUE(child_start_with(child, CLONE_NEWPID, have_children_as_init,
				     wait_in_the_way_of_the_log));
	ASSERT_EQ(1, child->log->tids[1]);
	child->log->value = 1;
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid, SYS_wait4)));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE | SIGCKPT_WAITERS));
	ASSERT_EQ(1, self->record.waiters->entry_count);
	waiter = record_waiter(&self->record, 0);
	EXPECT_EQ(1, waiter->tid);
	EXPECT_EQ(child->log->tids[0], waiter->id);
}

/* It is of the process, so a thread has none. */
TEST_F(target, record_of_one_thread_has_no_waiters)
{
	ASSERT_STREQ("", record_read(&self->record, PIDFD_SELF_THREAD,
				     SIGCKPT_WAITERS));
	EXPECT_NULL(self->record.waiters);
	EXPECT_EQ(SIGCR_RECORD_ONE_THREAD, self->record.header->flags);
}

TEST_HARNESS_MAIN
