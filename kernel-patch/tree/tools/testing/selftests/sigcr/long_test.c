// SPDX-License-Identifier: GPL-2.0
/*
 * Queues that are too long for one hold of siglock: the record is that of one
 * instant all the same, whatever is sent meanwhile.
 *
 * Numbers such as (48) name the scenario in the project's list.
 */
#include "stopped.h"
#include "timer.h"

/* More than twice what is read in one hold. */
#define LONG_COUNT 10000
#define THREAD_QUEUE_COUNT 3000
#define ROUND_COUNT 40
#define LONG_RECORD_SIZE (2 * 1024 * 1024)

static void allow_many(struct child *child)
{
	struct rlimit limit = { 200000, 200000 };

	block_all(child);
	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
}

static bool queue_many(struct child *child, int first, int count)
{
	int i;

	for (i = first; i < first + count; i++) {
		if (send_shared(child->pid, 40, i))
			return false;
	}
	return true;
}

/* The numbers in @queue, which must ascend from 0; -1 if they do not. */
static int count_ascending(const struct sigcr_pending *queue)
{
	__u32 i;

	for (i = 0; i < queue->entry_count; i++) {
		if (record_siginfo(queue, i).si_value.sival_int != (int)i)
			return -1;
	}
	return queue->entry_count;
}

/* Takes a record that is longer than those of the other tests. */
static const char *take_long(struct record *record, int pidfd)
{
	long len;

	free(record->bytes);
	*record = (struct record){ .bytes = malloc(LONG_RECORD_SIZE) };
	if (!record->bytes)
		return "no memory";
	len = sigckpt(pidfd, record->bytes, LONG_RECORD_SIZE, 0);
	if (len < 0)
		return strerror(-len);
	record->len = len;
	return record_parse(record);
}

/* (48) */
TEST_F(stopped, long_queues_are_recorded_whole_and_in_order)
{
	struct child *child = &self->child;
	struct record_thread *thread;
	int i;

	ASSERT_TRUE(child_start(child, allow_many, NULL));
	ASSERT_TRUE(queue_many(child, 0, LONG_COUNT));
	for (i = 0; i < THREAD_QUEUE_COUNT; i++)
		ASSERT_EQ(0, send_private(child->pid, child->pid, 41, i));
	ASSERT_TRUE(child_stop(child, variant->how));
	ASSERT_STREQ("", take_long(&self->record, child->pidfd));
	EXPECT_EQ(LONG_COUNT, count_ascending(self->record.shared));
	thread = record_thread(&self->record, child->pid);
	ASSERT_NE(NULL, thread);
	EXPECT_EQ(THREAD_QUEUE_COUNT, count_ascending(thread->pending));
	/* What was taken in parts is put back as a whole. */
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_STREQ("", take_long(&self->again, child->pidfd));
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* The least CPU time of some checkpoints, in ns. */
static __u64 least_time_of(int pidfd, void *bytes)
{
	__u64 least = ~0ULL, start, took;
	int i;

	for (i = 0; i < 10; i++) {
		start = now_ns(CLOCK_THREAD_CPUTIME_ID);
		if (sigckpt(pidfd, bytes, LONG_RECORD_SIZE, 0) < 0)
			return 0;
		took = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
		least = took < least ? took : least;
	}
	return least;
}

/* By PTRACE_PEEKSIGINFO it would take 64 times as long, not 8. */
TEST_F(stopped, time_to_record_a_queue_grows_with_its_length_only)
{
	struct child *child = &self->child;
	__u64 short_ns, long_ns;

	self->record.bytes = malloc(LONG_RECORD_SIZE);
	ASSERT_NE(NULL, self->record.bytes);
	ASSERT_TRUE(child_start(child, allow_many, NULL));
	ASSERT_TRUE(queue_many(child, 0, 2000));
	ASSERT_TRUE(child_stop(child, variant->how));
	short_ns = least_time_of(child->pidfd, self->record.bytes);
	ASSERT_TRUE(queue_many(child, 2000, 14000));
	long_ns = least_time_of(child->pidfd, self->record.bytes);
	TH_LOG("%llu us for 2000 signals, %llu us for 16000", short_ns / 1000,
	       long_ns / 1000);
	EXPECT_GT(short_ns, 0);
	EXPECT_LT(long_ns, 32 * short_ns);
}

/* A stop signal may be taken away by others; then it is one hold. */
TEST_F(stopped, long_queue_beside_a_stop_signal_is_recorded_whole)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, allow_many, NULL));
	ASSERT_TRUE(queue_many(child, 0, LONG_COUNT));
	ASSERT_TRUE(child_stop(child, variant->how));
	ASSERT_EQ(0, kill(child->pid, SIGTSTP));
	ASSERT_STREQ("", take_long(&self->record, child->pidfd));
	EXPECT_EQ(SET_OF(40) | SET_OF(SIGTSTP), self->record.shared->set);
	EXPECT_EQ(LONG_COUNT + 1, self->record.shared->entry_count);
}

static pid_t start_sender(struct child *child)
{
	pid_t sender = fork();
	int i;

	if (sender)
		return sender;
	die_with(child->parent);
	/* One to the process, then one to the thread, with the same number. */
	for (i = 0; i < LONG_COUNT; i++) {
		if (send_shared(child->pid, 40, LONG_COUNT + i) ||
		    send_private(child->pid, child->pid, 41, i))
			_exit(KSFT_FAIL);
		/* Not all of them between two records. */
		if (i % 200 == 0)
			usleep(1000);
	}
	_exit(0);
}

/* (49) Of two queues that grow in turn, none is ahead of the other. */
TEST_F(stopped, long_record_is_of_one_instant_while_signals_are_sent)
{
	struct child *child = &self->child;
	struct record_thread *thread;
	int i, shared, private, grown_count = 0, last = 0;
	pid_t sender;

	ASSERT_TRUE(child_start(child, allow_many, NULL));
	ASSERT_TRUE(queue_many(child, 0, LONG_COUNT));
	ASSERT_TRUE(child_stop(child, variant->how));
	sender = start_sender(child);
	ASSERT_LT(0, sender);
	for (i = 0; i < ROUND_COUNT ||
	     (grown_count < 2 && i < 100 * ROUND_COUNT); i++) {
		const char *fault = take_long(&self->record, child->pidfd);

		/* It has outgrown the buffer of the call each time. */
		if (!strcmp(fault, strerror(EAGAIN)))
			continue;
		ASSERT_STREQ("", fault);
		shared = count_ascending(self->record.shared) - LONG_COUNT;
		thread = record_thread(&self->record, child->pid);
		ASSERT_NE(NULL, thread);
		private = count_ascending(thread->pending);
		EXPECT_LE(last, shared);
		EXPECT_TRUE(private == shared || private == shared - 1)
			TH_LOG("%d to the process, %d to the thread", shared,
			       private);
		grown_count += shared > last;
		last = shared;
	}
	EXPECT_EQ(sender, waitpid(sender, &i, 0));
	EXPECT_EQ(0, i);
	/* Else nothing was seen of what this is about. */
	EXPECT_LT(1, grown_count);
}

TEST_HARNESS_MAIN
