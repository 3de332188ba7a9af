// SPDX-License-Identifier: GPL-2.0
/*
 * Live checkpoints of processes that change all the time: under a flood of
 * signals, with threads and children that come and go, timers that fire, and
 * programs that replace each other. Each record is one instant of it.
 *
 * Numbers such as (49) name the scenario in the project's list.
 */
#include "timer.h"

#define SENDER_COUNT 3
/* The queues never hold more, so a record fits into the tests' memory. */
#define LIMIT_COUNT 1500
#define RECORD_COUNT 400
#define EXEC_COUNT 60
#define ROUND_COUNT_MAX 100000

static struct child *live_child;

FIXTURE(target)
{
	struct child child;
	struct record record;
	pid_t senders[SENDER_COUNT];
};

FIXTURE_SETUP(target)
{
}

static void end_senders(pid_t *senders)
{
	int i;

	for (i = 0; i < SENDER_COUNT; i++) {
		if (senders[i] <= 0)
			continue;
		kill(senders[i], SIGKILL);
		waitpid(senders[i], NULL, 0);
		senders[i] = 0;
	}
}

FIXTURE_TEARDOWN(target)
{
	end_senders(self->senders);
	child_end(&self->child);
	free(self->record.bytes);
}

static bool is_over(const struct child *child)
{
	return __atomic_load_n(&child->log->stop_threads, __ATOMIC_SEQ_CST);
}

/* Takes signals as they come, of the process and of the thread. */
static void *take_signals(void *arg __maybe_unused)
{
	siginfo_t info;
	int round;

	for (round = 0; round < ROUND_COUNT_MAX && !is_over(live_child);
	     round++) {
		if (sys_sigtimedwait(SET_OF(40) | SET_OF(41), &info, 1) > 0)
			__atomic_fetch_add(&live_child->log->taken_count, 1,
					   __ATOMIC_SEQ_CST);
		/* Let them pile up at times. */
		if (round % 50 == 0)
			usleep(5000);
	}
	return NULL;
}

static void *end_at_once(void *arg)
{
	return arg;
}

/* Threads and processes begin and end. */
static void *make_threads_and_children(void *arg __maybe_unused)
{
	pthread_t thread;
	int round;
	pid_t pid;

	for (round = 0; round < ROUND_COUNT_MAX && !is_over(live_child);
	     round++) {
		child_check(!pthread_create(&thread, NULL, end_at_once, NULL));
		if (round % 4 == 0) {
			pid = fork();
			if (!pid)
				_exit(0);
			child_check(waitpid(pid, NULL, 0) == pid);
		}
		child_check(!pthread_join(thread, NULL));
	}
	return NULL;
}

static void limit_the_queue(void)
{
	struct rlimit limit = { LIMIT_COUNT, LIMIT_COUNT };

	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
}

static void be_lively(struct child *child)
{
	pthread_t thread;
	int i;

	live_child = child;
	block_all(child);
	limit_the_queue();
	for (i = 0; i < 2; i++)
		child_check(!pthread_create(&thread, NULL, take_signals, NULL));
	for (i = 0; i < 2; i++)
		child_check(!pthread_create(&thread, NULL,
					    make_threads_and_children, NULL));
}

/* The leader takes its own, too, which nobody else can. */
static void be_lively_as_leader(struct child *child __maybe_unused)
{
	take_signals(NULL);
}

/* Sends numbers without end to the process and to its leader, in turns. */
static pid_t start_sender(const struct child *child, int index)
{
	pid_t parent = getpid(), pid = fork();
	long ret = 0;
	int i;

	if (pid)
		return pid;
	die_with(parent);
	for (i = 0; !ret; i++) {
		int value = index << 24 | i;

		while ((ret = send_shared(child->pid, 40, value)) == -EAGAIN)
			usleep(100);
		while (!ret && (ret = send_private(child->pid, child->pid, 41,
						   value)) == -EAGAIN)
			usleep(100);
	}
	_exit(0);
}

/* Whether the numbers of each sender ascend without a gap. */
static bool is_without_gaps(const struct sigcr_pending *queue)
{
	int last[SENDER_COUNT], sender, number;
	bool seen[SENDER_COUNT] = {};
	__u32 i;

	for (i = 0; i < queue->entry_count; i++) {
		siginfo_t info = record_siginfo(queue, i);

		if (info.si_signo != 40 && info.si_signo != 41)
			continue;
		sender = info.si_int >> 24;
		number = info.si_int & 0xffffff;
		if (sender >= SENDER_COUNT ||
		    (seen[sender] && number != last[sender] + 1))
			return false;
		seen[sender] = true;
		last[sender] = number;
	}
	return true;
}

/* (42) (49) */
TEST_F(target, each_record_of_a_flood_is_one_instant)
{
	struct child *child = &self->child;
	int i, error_count = 0, longest = 0;
	struct record_thread *leader;
	long ret;

	ASSERT_TRUE(child_start(child, be_lively, be_lively_as_leader));
	for (i = 0; i < SENDER_COUNT; i++) {
		self->senders[i] = start_sender(child, i);
		ASSERT_GT(self->senders[i], 0);
	}
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	for (i = 0; i < RECORD_COUNT; i++) {
		ret = record_take(&self->record, child->pidfd, SIGCKPT_LIVE);
		if (ret) {
			ASSERT_EQ(-EAGAIN, ret);
			error_count++;
			continue;
		}
		ASSERT_STREQ("", record_parse(&self->record));
		EXPECT_EQ(SIGCR_RECORD_LIVE | SIGCR_RECORD_UNSTABLE,
			  self->record.header->flags &
			  ~SIGCR_RECORD_SHARED_SIGHAND);
		leader = record_thread(&self->record, child->pid);
		ASSERT_NE(NULL, leader);
		ASSERT_TRUE(is_without_gaps(self->record.shared));
		ASSERT_TRUE(is_without_gaps(leader->pending));
		if ((int)self->record.shared->entry_count > longest)
			longest = self->record.shared->entry_count;
		/* Nobody but who is stopped is changed. */
		if (i % 50 == 0)
			ASSERT_EQ(-EBUSY, record_restore(&self->record,
							 child->pidfd, 0));
	}
	/* It was as lively as it was meant to be. */
	EXPECT_LT(error_count, RECORD_COUNT / 2);
	EXPECT_GT(longest, 1);
	EXPECT_GT(__atomic_load_n(&child->log->taken_count, __ATOMIC_SEQ_CST),
		  0);
	child->log->stop_threads = true;
}

/* (42) */
TEST_F(target, process_that_is_killed_in_the_flood_is_esrch_in_the_end)
{
	struct child *child = &self->child;
	int i, round;
	long ret;

	for (round = 0; round < 4; round++) {
		ASSERT_TRUE(child_start(child, be_lively, NULL));
		for (i = 0; i < SENDER_COUNT; i++)
			self->senders[i] = start_sender(child, i);
		for (i = 0; i < 5; i++) {
			ret = record_take(&self->record, child->pidfd,
					  SIGCKPT_LIVE);
			ASSERT_TRUE(!ret || ret == -EAGAIN);
		}
		ASSERT_EQ(0, kill(child->pid, SIGKILL));
		do {
			ret = record_take(&self->record, child->pidfd,
					  SIGCKPT_LIVE);
			if (!ret)
				ASSERT_STREQ("", record_parse(&self->record));
		} while (!ret || ret == -EAGAIN);
		EXPECT_EQ(-ESRCH, ret);
		/* To a zombie one can send for ever. */
		end_senders(self->senders);
		child_end(child);
	}
}

static void *take_ticks(void *arg __maybe_unused)
{
	const __u64 set = SET_OF(40) | SET_OF(41) | SET_OF(SIGALRM);
	siginfo_t info;
	int round;

	for (round = 0; round < ROUND_COUNT_MAX && !is_over(live_child);
	     round++) {
		if (sys_sigtimedwait(set, &info, 5) > 0)
			live_child->log->taken_count++;
		/* Let them pile up at times. */
		if (round % 50 == 0)
			usleep(2000);
	}
	return NULL;
}

/* Timers are set, deleted and created anew while they fire. */
static void *change_timers(void *arg __maybe_unused)
{
	int round, timer_id;

	for (round = 0; round < ROUND_COUNT_MAX && !is_over(live_child);
	     round++) {
		timer_id = timer_make(CLOCK_MONOTONIC, 41, round);
		child_check(timer_id >= 0);
		child_check(!timer_set(timer_id, 0, 1, 100000));
		usleep(round % 400);
		child_check(!timer_set(timer_id, 0, 200000, 200000));
		usleep(round % 300);
		child_check(!timer_drop(timer_id));
	}
	return NULL;
}

static void be_full_of_timers(struct child *child)
{
	pthread_t thread;
	int i;

	live_child = child;
	block_all(child);
	for (i = 0; i < 4; i++) {
		child_check(timer_make(CLOCK_MONOTONIC, 40, i) == i);
		child_check(!timer_set(i, 0, 1 * MS, 500000 + i * 100000));
	}
	child_check(!itimer_set(ITIMER_REAL, 1 * MS, 1 * MS));
	child_check(!pthread_create(&thread, NULL, take_ticks, NULL));
	child_check(!pthread_create(&thread, NULL, change_timers, NULL));
}

/*
 * Takes records, each of which has so many timers. The parser has it that
 * pending timers and their entries match.
 */
static void take_records_of_timers(struct __test_metadata *_metadata,
				   struct _test_data_target *self,
				   __u32 timer_count)
{
	int i, pending_count = 0, armed_count = 0, error_count = 0;
	struct child *child = &self->child;
	__u64 set;
	long ret;
	__u32 n;

	for (i = 0; i < RECORD_COUNT; i++) {
		ret = record_take(&self->record, child->pidfd, SIGCKPT_LIVE);
		if (ret) {
			ASSERT_EQ(-EAGAIN, ret);
			error_count++;
			continue;
		}
		ASSERT_STREQ("", record_parse(&self->record));
		ASSERT_GE(self->record.timers->entry_count, timer_count);
		for (n = 0; n < self->record.timers->entry_count; n++) {
			__u32 flags = record_timer(&self->record, n)->flags;

			pending_count += !!(flags & SIGCR_TIMER_PENDING);
			armed_count += !!(flags & SIGCR_TIMER_ARMED);
		}
		set = self->record.shared->set & SET_OF(SIGALRM);
		EXPECT_EQ(!!set, self->record.itimers->section.flags);
	}
	TH_LOG("%d of %d records, %d timers armed, %d pending",
	       RECORD_COUNT - error_count, RECORD_COUNT, armed_count,
	       pending_count);
	EXPECT_LE(error_count, RECORD_COUNT / 100);
	EXPECT_GT(pending_count, 0);
	EXPECT_GT(armed_count, 0);
	child->log->stop_threads = true;
	EXPECT_TRUE(eventually(child->log->taken_count > 0));
}

/* (49) */
TEST_F(target, timers_and_queues_of_each_record_belong_together)
{
	ASSERT_TRUE(child_start(&self->child, be_full_of_timers, NULL));
	take_records_of_timers(_metadata, self, 4);
}

#define MANY_TIMERS_COUNT 50

static void be_fired_at(struct child *child)
{
	pthread_t thread;
	int i;

	live_child = child;
	block_all(child);
	for (i = 0; i < MANY_TIMERS_COUNT; i++) {
		child_check(timer_make(CLOCK_MONOTONIC, 40, i) == i);
		child_check(!timer_set(i, 0, 1 * MS, 100000));
	}
	child_check(!pthread_create(&thread, NULL, take_ticks, NULL));
}

/* One of them fires at almost every moment. */
TEST_F(target, process_whose_timers_fire_all_the_time_is_taken)
{
	ASSERT_TRUE(child_start(&self->child, be_fired_at, NULL));
	take_records_of_timers(_metadata, self, MANY_TIMERS_COUNT);
}

/* Replaces itself @count times, each time by another thread than the leader. */
static void *exec_next(void *arg)
{
	char number[16], ready[16];
	int *args = arg;

	snprintf(number, sizeof(number), "%d", args[0]);
	snprintf(ready, sizeof(ready), "%d", args[1]);
	execl("/proc/self/exe", "sigcr", "--exec-loop", number, ready, NULL);
	_exit(KSFT_FAIL);
}

static int exec_loop(int count, int ready_fd)
{
	int args[] = { count - 1, ready_fd };
	pthread_t thread;

	if (!count) {
		if (write(ready_fd, "r", 1) != 1)
			return KSFT_FAIL;
		for (;;)
			pause();
	}
	if (pthread_create(&thread, NULL, exec_next, args))
		return KSFT_FAIL;
	for (;;)
		pause();
}

static void exec_many_times(struct child *child)
{
	child_check(!fcntl(child->ready[1], F_SETFD, 0));
	exec_loop(EXEC_COUNT, child->ready[1]);
}

/*
 * (42) The pidfd stays that of the process, though its leader changes each
 * time. What is pending and blocked is kept all the while.
 */
TEST_F(target, process_that_replaces_itself_is_taken_or_is_eagain)
{
	struct child *child = &self->child;
	int i, taken_count = 0, round = 0;
	long ret;

	ASSERT_TRUE(child_start(child, block_all, exec_many_times));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, send_shared(child->pid, 40, i));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	while (!child_reports_within(child, 0) && round++ < ROUND_COUNT_MAX) {
		ret = record_take(&self->record, child->pidfd, SIGCKPT_LIVE);
		if (ret) {
			ASSERT_EQ(-EAGAIN, ret);
			continue;
		}
		taken_count++;
		ASSERT_STREQ("", record_parse(&self->record));
		ASSERT_EQ(child->pid, self->record.header->tgid);
		ASSERT_NE(NULL, record_thread(&self->record, child->pid));
		ASSERT_EQ(100, self->record.shared->entry_count);
		ASSERT_TRUE(is_without_gaps(self->record.shared));
	}
	EXPECT_LT(round, ROUND_COUNT_MAX);
	EXPECT_GT(taken_count, 0);
}

static void sleep_in_sigtimedwait(struct child *child)
{
	siginfo_t info;

	child->log->ret = sys_sigtimedwait(SET_OF(50), &info, 600000);
}

static void sleep_in_nanosleep(struct child *child)
{
	struct timespec time = { .tv_sec = 600 };

	child->log->ret = kernel_answer(syscall(SYS_nanosleep, &time, NULL));
}

/* Other tools have these calls return early. The mask is the one to return to. */
TEST_F(target, sleep_goes_on_and_its_mask_is_not_taken_for_the_thread_s_mask)
{
	static const struct {
		void (*sleep)(struct child *child);
		long nr;
	} rows[] = {
		{ sleep_in_sigtimedwait, SYS_rt_sigtimedwait },
		{ sleep_in_nanosleep, SYS_nanosleep },
	};
	struct child *child = &self->child;
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_TRUE(child_start(child, block_all, rows[i].sleep));
		ASSERT_EQ(1, write(child->go[1], "g", 1));
		ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
						 rows[i].nr)));
		child->log->ret = 1;
		for (n = 0; n < 50; n++) {
			ASSERT_STREQ("", record_read(&self->record,
						     child->pidfd,
						     SIGCKPT_LIVE));
			EXPECT_EQ(ALL_SIGNALS,
				  self->record.threads[0].thread->blocked);
		}
		EXPECT_TRUE(sleeps_in(child->pid, child->pid, rows[i].nr));
		EXPECT_EQ(1, child->log->ret);
		child_end(child);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--exec-loop"))
		return exec_loop(atoi(argv[2]), atoi(argv[3]));
	return test_harness_run(argc, argv);
}
