// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says of the queues of pending signals: order, values, siginfo
 * as the receiver has it, and bits that have none.
 *
 * Numbers such as (8) name the scenario in the project's list.
 */
#include "stopped.h"
#include <sched.h>

#define DEEP_COUNT 1000

/* (8) */
TEST_F(stopped, queues_are_recorded_in_the_order_of_sending)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queues[2];
	int signo, copy, q;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_TRUE(send_mixture(child, true));
	STOP_AND_TAKE(&self->record);
	queues[0] = self->record.shared;
	queues[1] = self->record.threads[0].pending;
	for (q = 0; q < 2; q++) {
		int sign = q ? -1 : 1;
		__u32 at = 0;

		EXPECT_EQ(ALL_SIGNALS & ~SET_OF(SIGCONT), queues[q]->set);
		for (signo = 64; signo >= 1; signo--) {
			if (!(queues[q]->set & SET_OF(signo)))
				continue;
			for (copy = 0; copy < (signo < 32 ? 1 : 3); copy++) {
				siginfo_t want = queued_info(signo, sign *
						(1000 * copy + signo));
				siginfo_t info;

				ASSERT_LT(at, queues[q]->entry_count);
				info = record_siginfo(queues[q], at++);
				EXPECT_EQ(0, memcmp(&want, &info,
						    sizeof(want))) {
					TH_LOG("signo %d copy %d", signo, copy);
				}
			}
		}
		EXPECT_EQ(queues[q]->entry_count, at);
	}
}

/* Whatever the sender put in is there, used by the layout or not. */
TEST_F(stopped, all_48_bytes_of_siginfo_are_recorded_verbatim)
{
	struct child *child = &self->child;
	siginfo_t sent, seen;
	size_t i;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	memset(&sent, 0, sizeof(sent));
	for (i = 0; i < SIGCR_SIGINFO_LEN; i++)
		((__u8 *)&sent)[i] = 0x80 + 3 * i;
	sent.si_code = -77;
	sent.si_signo = 45;
	ASSERT_EQ(0, sys_sigqueueinfo(child->pid, 45, &sent));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(1, self->record.shared->entry_count);
	seen = record_siginfo(self->record.shared, 0);
	EXPECT_EQ(0, memcmp(&sent, &seen, SIGCR_SIGINFO_LEN));
}

/* (10) */
TEST_F(stopped, legacy_signal_sent_twice_has_one_entry_the_first)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_EQ(0, send_shared(child->pid, SIGUSR1, 1));
	ASSERT_EQ(0, send_shared(child->pid, SIGUSR1, 2));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(SET_OF(SIGUSR1), self->record.shared->set);
	ASSERT_EQ(1, self->record.shared->entry_count);
	EXPECT_EQ(1, record_siginfo(self->record.shared, 0).si_int);
}

/* (9) */
TEST_F(stopped, deep_queue_is_recorded_first_in_first_out_with_others_between)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queue;
	int i;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	for (i = 0; i < DEEP_COUNT; i++) {
		ASSERT_EQ(0, send_shared(child->pid, 34, i));
		if (i % 100 == 50)
			ASSERT_EQ(0, send_shared(child->pid, 35 + i / 100, i));
	}
	STOP_AND_TAKE(&self->record);
	queue = self->record.shared;
	EXPECT_EQ(DEEP_COUNT + 10, queue->entry_count);
	for (i = 0; i < (int)queue->entry_count; i++) {
		siginfo_t info = record_siginfo(queue, i);
		/* Before the i-th entry there are so many others. */
		int other_count = (i + 49) / 101;
		bool other = i % 101 == 51;

		ASSERT_EQ(other ? 35 + i / 101 : 34, info.si_signo)
			TH_LOG("entry %d", i);
		ASSERT_EQ(i - other_count - other, info.si_int)
			TH_LOG("entry %d", i);
	}
}

/* (11) */
TEST_F(stopped, signal_without_room_is_a_bit_without_an_entry)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queue;

	ASSERT_TRUE(child_start(child, block_all_and_limit_queue_to_0, NULL));
	/* Room is always made for what kill() sends, if it is a legacy one. */
	ASSERT_EQ(0, kill(child->pid, SIGUSR1));
	ASSERT_EQ(0, kill(child->pid, 40));
	ASSERT_EQ(0, send_shared(child->pid, SIGUSR2, 1));
	ASSERT_EQ(-EAGAIN, send_shared(child->pid, 41, 1));
	ASSERT_EQ(0, send_private(child->pid, child->pid, SIGHUP, 1));
	STOP_AND_TAKE(&self->record);
	queue = self->record.shared;
	EXPECT_EQ(SET_OF(SIGUSR1) | SET_OF(SIGUSR2) | SET_OF(40), queue->set);
	ASSERT_EQ(1, queue->entry_count);
	EXPECT_EQ(SIGUSR1, record_siginfo(queue, 0).si_signo);
	EXPECT_EQ(getpid(), record_siginfo(queue, 0).si_pid);
	queue = self->record.threads[0].pending;
	EXPECT_EQ(SET_OF(SIGHUP), queue->set);
	EXPECT_EQ(0, queue->entry_count);
}

static void ignore_usr1_and_block_all(struct child *child)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };

	child_check(!sys_sigaction(SIGUSR1, &ignore, NULL));
	block_all(child);
}

/* (15) */
TEST_F(stopped, pending_signals_that_would_be_ignored_are_recorded)
{
	struct child *child = &self->child;
	const __u64 set = SET_OF(SIGUSR1) | SET_OF(SIGCHLD) | SET_OF(SIGURG) |
			  SET_OF(SIGWINCH);

	ASSERT_TRUE(child_start(child, ignore_usr1_and_block_all, NULL));
	ASSERT_EQ(0, kill(child->pid, SIGUSR1));
	ASSERT_EQ(0, kill(child->pid, SIGCHLD));
	ASSERT_EQ(0, kill(child->pid, SIGURG));
	ASSERT_EQ(0, kill(child->pid, SIGWINCH));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(set, self->record.shared->set);
	EXPECT_EQ(4, self->record.shared->entry_count);
	EXPECT_EQ((__u64)SIG_IGN,
		  record_action_of(&self->record, SIGUSR1)->handler);
}

/* A second process in the namespace sends to the first. */
static void init_gets_a_signal_from_its_child(struct child *child)
{
	pid_t pid;

	block_all(child);
	child->log->tids[0] = getpid();
	pid = fork();
	if (!pid) {
		child->log->tids[1] = getpid();
		_exit(kill(1, 40));
	}
	child_check(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

/* (46) (39) */
TEST_F(stopped, ids_are_those_of_the_target_s_pid_namespace)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queue;

	ASSERT_TRUE(child_start_with(child, CLONE_NEWPID,
				     init_gets_a_signal_from_its_child, NULL));
	ASSERT_EQ(1, child->log->tids[0]);
	ASSERT_EQ(0, kill(child->pid, 41));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(1, self->record.header->tgid);
	EXPECT_EQ(1, self->record.threads[0].tid);
	EXPECT_EQ(SIGCR_PROCESS_UNKILLABLE,
		  self->record.process->section.flags &
		  SIGCR_PROCESS_UNKILLABLE);
	queue = self->record.shared;
	/* And a SIGCHLD of the sender's end. */
	EXPECT_EQ(SET_OF(40) | SET_OF(41) | SET_OF(SIGCHLD), queue->set);
	ASSERT_EQ(3, queue->entry_count);
	EXPECT_EQ(40, record_siginfo(queue, 0).si_signo);
	EXPECT_EQ(child->log->tids[1], record_siginfo(queue, 0).si_pid);
	EXPECT_EQ(41, record_siginfo(queue, 2).si_signo);
	EXPECT_EQ(0, record_siginfo(queue, 2).si_pid);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

static void block_all_in_user_namespace(struct child *child)
{
	block_all(child);
	child_check(!unshare(CLONE_NEWUSER));
	child_check(write_text("/proc/self/setgroups", "deny"));
	child_check(write_text("/proc/self/uid_map", "0 0 1"));
	child_check(write_text("/proc/self/gid_map", "0 0 1"));
}

/* (47) */
TEST_F(stopped, uid_without_a_mapping_is_recorded_as_the_target_sees_it)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queue;
	int status;
	pid_t pid;

	ASSERT_TRUE(child_start(child, block_all_in_user_namespace, NULL));
	pid = fork();
	if (!pid) {
		/* The sender's uid is the real one; the effective one may. */
		if (syscall(SYS_setresuid, 4321, -1, -1))
			_exit(KSFT_FAIL);
		_exit(kill(child->pid, 40) ? KSFT_FAIL : KSFT_PASS);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, kill(child->pid, 41));
	STOP_AND_TAKE(&self->record);
	queue = self->record.shared;
	ASSERT_EQ(2, queue->entry_count);
	EXPECT_EQ(65534, record_siginfo(queue, 0).si_uid);
	EXPECT_EQ(0, record_siginfo(queue, 1).si_uid);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

static void let_a_timer_expire(struct child *child)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1,
	};
	struct itimerspec expiry = { .it_value.tv_nsec = 1 };
	struct proc_signals signals;
	int timer_id;

	block_all(child);
	child_check(!syscall(SYS_timer_create, CLOCK_MONOTONIC, &event,
			     &timer_id));
	child_check(!syscall(SYS_timer_settime, timer_id, 0, &expiry, NULL));
	child_check(eventually(proc_signals(getpid(), &signals) &&
			       signals.shared_pending == SET_OF(SIGUSR1)));
	child->log->value = timer_id;
}

TEST_F(stopped, signal_of_a_posix_timer_is_marked_with_the_timer_s_id)
{
	struct child *child = &self->child;
	const struct sigcr_entry *entry;

	ASSERT_TRUE(child_start(child, let_a_timer_expire, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(1, self->record.shared->entry_count);
	entry = record_queued(self->record.shared, 0);
	EXPECT_EQ(SIGCR_ENTRY_TIMER, entry->flags);
	EXPECT_EQ((int)child->log->value, entry->timer_id);
	EXPECT_EQ(SI_TIMER, record_siginfo(self->record.shared, 0).si_code);
	/* With its timer it can be restored, onto itself for instance. */
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	/* Without the timers nothing may take its place. */
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, 0, 0);
	record_seal(&self->record);
	EXPECT_EQ(-EBUSY, record_restore(&self->record, child->pidfd, 0));
	/* What leaves that queue alone is no matter. */
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, child->pid, 0);
	record_seal(&self->record);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
}

static void queue_more_than_is_taken_live(struct child *child)
{
	struct rlimit limit = { 100000, 100000 };
	__u32 i;

	block_all(child);
	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
	for (i = 0; i < SIGCR_LIVE_ENTRY_COUNT_MAX; i++)
		child_check(!send_shared(getpid(), 34 + i % 31, i));
}

/* (48) */
TEST_F(stopped, queue_beyond_the_limit_is_taken_when_stopped_but_not_live)
{
	const long entries_len = (SIGCR_LIVE_ENTRY_COUNT_MAX + 1) *
				 (long)sizeof(struct sigcr_entry);
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, queue_more_than_is_taken_live, NULL));
	/* At the limit it is taken; the buffer is then found too small. */
	EXPECT_EQ(-ERANGE, sigckpt(child->pidfd, &self->record, 1,
				   SIGCKPT_LIVE));
	ASSERT_EQ(0, send_shared(child->pid, 34, 0));
	EXPECT_EQ(-EOVERFLOW, sigckpt(child->pidfd, NULL, 0, SIGCKPT_LIVE));
	ASSERT_TRUE(child_stop(child, variant->how));
	EXPECT_GT(sigckpt(child->pidfd, NULL, 0, 0), entries_len);
	EXPECT_GT(sigckpt(child->pidfd, NULL, 0, SIGCKPT_LIVE), entries_len);
}

TEST_HARNESS_MAIN
