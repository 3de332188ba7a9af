// SPDX-License-Identifier: GPL-2.0
/*
 * The threads of one's own process: a restore brings the ones that it names to
 * rest wherever they are, all of them or none, and they go on.
 */
#include <sys/ptrace.h>
#include "sibling.h"

#define SELF PIDFD_SELF_THREAD_GROUP

FIXTURE(sibling)
{
	struct sibling sibling;
	struct record record;
	struct record again;
};

FIXTURE_VARIANT(sibling)
{
	long (*wait)(void);
	long nr;
	/* Whether the call goes on after a stop; signal(7) lists those. */
	bool goes_on;
};

FIXTURE_VARIANT_ADD(sibling, spinning)
{
	.wait = wait_spinning,
	.nr = -1,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_nanosleep)
{
	.wait = wait_in_nanosleep,
	.nr = SYS_nanosleep,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_read)
{
	.wait = wait_in_read,
	.nr = SYS_read,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_futex)
{
	.wait = wait_in_futex,
	.nr = SYS_futex,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_pause)
{
	.wait = wait_in_pause,
	.nr = SYS_pause,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_ppoll)
{
	.wait = wait_in_ppoll,
	.nr = SYS_ppoll,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_sigsuspend)
{
	.wait = wait_in_sigsuspend,
	.nr = SYS_rt_sigsuspend,
	.goes_on = true,
};

FIXTURE_VARIANT_ADD(sibling, in_sigtimedwait)
{
	.wait = wait_in_sigtimedwait,
	.nr = SYS_rt_sigtimedwait,
	.goes_on = false,
};

FIXTURE_VARIANT_ADD(sibling, in_epoll)
{
	.wait = wait_in_epoll,
	.nr = SYS_epoll_wait,
	.goes_on = false,
};

FIXTURE_SETUP(sibling)
{
	ASSERT_TRUE(prepare());
	ASSERT_TRUE(begin(&self->sibling, variant->wait, variant->nr));
}

FIXTURE_TEARDOWN(sibling)
{
	free(self->record.bytes);
	free(self->again.bytes);
}

/* A record with all private state of @sibling. */
static struct sigcr_altstack *record_sibling(struct record *record,
					     const struct sibling *sibling,
					     int which, bool with_signal)
{
	siginfo_t info = queued_info(SIGNO, 4711);
	struct sigcr_altstack *altstack;
	struct sigcr_pending *queue;

	record_add_thread(record, sibling->tid, BLOCKED);
	altstack = record_add_altstack(record, sibling->tid, 0,
				       (__u64)altstacks[which],
				       sizeof(altstacks[which]));
	queue = record_add_queue(record, sibling->tid, 0);
	if (with_signal)
		record_add_entry(record, queue, &info);
	return altstack;
}

TEST_F(sibling, gets_its_mask_stack_and_queue)
{
	struct sibling *sibling = &self->sibling;
	struct record *record = &self->record;
	__u64 set;

	record_begin(record, getpid(), 0);
	record_add_thread(record, getpid(), SET_OF(SIGUSR1));
	record_sibling(record, sibling, 0, true);
	record_seal(record);
	ASSERT_EQ(0, record_restore(record, SELF, 0));
	ASSERT_TRUE(is_done(sibling));
	EXPECT_EQ(1, sibling->handled_count);
	EXPECT_EQ(4711, sibling->value);
	EXPECT_EQ(BLOCKED, sibling->frame_blocked);
	EXPECT_GE((__u8 *)sibling->frame, &altstacks[0][0]);
	EXPECT_LT((__u8 *)sibling->frame, altstacks[0] + sizeof(altstacks[0]));
	EXPECT_EQ(BLOCKED, sibling->blocked);
	EXPECT_EQ((void *)altstacks[0], sibling->altstack.ss_sp);
	sys_sigprocmask(SIG_SETMASK, NULL, &set);
	EXPECT_EQ(SET_OF(SIGUSR1), set);
}

/* As after a stop by a signal: most system calls do not notice. */
TEST_F(sibling, goes_on_with_what_it_was_doing)
{
	struct sibling *sibling = &self->sibling;
	struct record *record = &self->record;

	record_begin(record, getpid(), 0);
	record_sibling(record, sibling, 0, false);
	record_seal(record);
	ASSERT_EQ(0, record_restore(record, SELF, 0));
	if (variant->goes_on && variant->nr >= 0)
		ASSERT_TRUE(still_sleeps_in(sibling->tid, variant->nr));
	if (variant->goes_on)
		EXPECT_EQ(0, sibling->interrupted_count);
	/* A live checkpoint sees the mask for the time of a sigsuspend(2). */
	ASSERT_STREQ("", record_read(&self->again, SELF, SIGCKPT_LIVE));
	if (variant->nr != SYS_rt_sigsuspend)
		EXPECT_EQ(BLOCKED, record_thread(&self->again, sibling->tid)->
			  thread->blocked);
	ASSERT_TRUE(is_done_by_signal(sibling));
	EXPECT_EQ(BLOCKED, sibling->frame_blocked);
	EXPECT_EQ(BLOCKED, sibling->blocked);
	EXPECT_EQ((void *)altstacks[0], sibling->altstack.ss_sp);
}

/* What fails, or is only tried, does not even interrupt a call. */
TEST_F(sibling, is_left_alone_by_what_is_refused)
{
	struct sibling *sibling = &self->sibling;
	struct record *record = &self->record;

	record_begin(record, getpid(), 0);
	record_sibling(record, sibling, 0, true);
	record_seal(record);
	EXPECT_EQ(0, record_restore(record, SELF, SIGRESTORE_DRY_RUN));
	record_begin(record, getpid(), 0);
	record_sibling(record, sibling, 0, true);
	record_add_thread(record, 1 << 28, 0);
	record_seal(record);
	EXPECT_EQ(-ESRCH, record_restore(record, SELF, 0));
	record_begin(record, getpid(), 0);
	record_sibling(record, sibling, 0, true)->size = 2048;
	record_seal(record);
	if (record_restore(record, SELF, SIGRESTORE_DRY_RUN))
		EXPECT_EQ(-EINVAL, record_restore(record, SELF, 0));
	/* The state of the process needs nobody else. */
	record_begin(record, getpid(), 0);
	record_add_thread(record, getpid(), 0);
	record_seal(record);
	EXPECT_EQ(0, record_restore(record, SELF, 0));
	EXPECT_EQ(0, sibling->interrupted_count);
	EXPECT_EQ(0, sibling->handled_count);
	ASSERT_TRUE(is_done_by_signal(sibling));
	EXPECT_EQ(NULL, sibling->altstack.ss_sp);
	EXPECT_EQ(ALL_SIGNALS & ~SET_OF(SIGNO), sibling->blocked);
}

/* (6) One thread, by a pidfd of its own. */
TEST_F(sibling, is_restored_alone_by_its_own_pidfd)
{
	struct sibling *sibling = &self->sibling;
	int pidfd = sys_pidfd_open(sibling->tid, PIDFD_THREAD);
	struct record *record = &self->record;

	ASSERT_GE(pidfd, 0);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_sibling(record, sibling, 1, true);
	record_seal(record);
	ASSERT_EQ(0, record_restore(record, pidfd, 0));
	ASSERT_TRUE(is_done(sibling));
	EXPECT_EQ(4711, sibling->value);
	EXPECT_EQ(BLOCKED, sibling->blocked);
	EXPECT_EQ((void *)altstacks[1], sibling->altstack.ss_sp);
}

/* Timers are set while nobody of the process can use them. */
TEST_F(sibling, rests_while_timers_are_set)
{
	struct sibling *sibling = &self->sibling;
	int timer_id = timer_make(CLOCK_MONOTONIC, SIGUSR1, 0);
	__u64 set = SET_OF(SIGUSR1);

	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, timer_set(timer_id, 0, LONG_NS, 0));
	ASSERT_STREQ("", record_read(&self->record, SELF, SIGCKPT_LIVE));
	ASSERT_EQ(0, timer_set(timer_id, 0, 0, 0));
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_GT(timer_left(timer_id), LONG_NS / 2);
	ASSERT_TRUE(is_done_by_signal(sibling));
}

/* All of them, in all ways of waiting at once. */
TEST(whole_process_is_restored_in_one_transaction)
{
	static struct sibling siblings[4];
	static long (*const waits[])(void) = { wait_spinning, wait_in_sigsuspend,
					       wait_in_read, wait_in_epoll };
	struct record record = {};
	int round, i;

	ASSERT_TRUE(prepare());
	for (i = 0; i < 4; i++)
		ASSERT_TRUE(begin(&siblings[i], waits[i], -1));
	for (round = 0; round < 100; round++) {
		record_begin(&record, getpid(), 0);
		record_add_thread(&record, getpid(), round & 1 ? BLOCKED : 0);
		for (i = 0; i < 4; i++)
			record_sibling(&record, &siblings[i], i, round == 99);
		record_seal(&record);
		ASSERT_EQ(0, record_restore(&record, SELF, 0));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(is_done(&siblings[i]));
		EXPECT_EQ(1, siblings[i].handled_count);
		EXPECT_EQ(BLOCKED, siblings[i].blocked);
		EXPECT_EQ((void *)altstacks[i], siblings[i].altstack.ss_sp);
	}
	free(record.bytes);
}

static struct restorer {
	pthread_t thread;
	pid_t tid;
	long failed;
} restorers[4];

static void *restore_everybody(void *arg)
{
	struct restorer *restorer = arg;
	struct record record = {};
	int round, i;

	__atomic_store_n(&restorer->tid, sys_gettid(), __ATOMIC_SEQ_CST);
	for (i = 0; i < 4; i++) {
		while (!__atomic_load_n(&restorers[i].tid, __ATOMIC_SEQ_CST))
			usleep(1000);
	}
	for (round = 0; round < 50 && !restorer->failed; round++) {
		record_begin(&record, getpid(), 0);
		for (i = 0; i < 4; i++)
			record_add_thread(&record, restorers[i].tid, BLOCKED);
		record_seal(&record);
		restorer->failed = record_restore(&record, SELF, 0);
	}
	free(record.bytes);
	/* Nobody may miss a thread that has done its part. */
	__atomic_add_fetch(&futex_word, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&futex_word, __ATOMIC_SEQ_CST) < 4)
		usleep(1000);
	return NULL;
}

TEST(threads_that_restore_each_other_at_the_same_time_all_succeed)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&restorers[i].thread, NULL,
					    restore_everybody, &restorers[i]));
	for (i = 0; i < 4; i++) {
		pthread_join(restorers[i].thread, NULL);
		EXPECT_EQ(0, restorers[i].failed);
	}
}

static int vfork_pipe[2];
static int vfork_count;

static long wait_in_vfork(void)
{
	char byte;

	if (!vfork()) {
		__atomic_add_fetch(&vfork_count, 1, __ATOMIC_SEQ_CST);
		read(vfork_pipe[0], &byte, 1);
		_exit(0);
	}
	wait(NULL);
	return 0;
}

/* (44) Its parent cannot be brought to rest, and waits for somebody else. */
TEST(sibling_in_vfork_is_ebusy_and_everybody_goes_on)
{
	static struct sibling sibling, other;
	struct record record = {};
	pid_t pid;

	ASSERT_TRUE(prepare());
	ASSERT_EQ(0, pipe(vfork_pipe));
	ASSERT_TRUE(begin(&other, wait_in_read, SYS_read));
	ASSERT_TRUE(begin(&sibling, wait_in_vfork, -1));
	ASSERT_TRUE(eventually(__atomic_load_n(&vfork_count, __ATOMIC_SEQ_CST)));
	ASSERT_TRUE(eventually(proc_state(sibling.tid) == 'D'));
	record_begin(&record, getpid(), 0);
	record_add_thread(&record, getpid(), BLOCKED);
	record_sibling(&record, &other, 0, true);
	record_sibling(&record, &sibling, 1, true);
	record_seal(&record);
	EXPECT_EQ(0, record_restore(&record, SELF, SIGRESTORE_DRY_RUN));
	EXPECT_EQ(-EBUSY, record_restore(&record, SELF, 0));
	EXPECT_EQ(0, other.handled_count);
	EXPECT_EQ(0, other.interrupted_count);
	/* Where its handler came before that, the call would not end. */
	ASSERT_TRUE(still_sleeps_in(other.tid, SYS_read));
	/* Somebody else ends one vfork after the other while it is waited for. */
	pid = fork();
	ASSERT_GE(pid, 0);
	while (!pid) {
		write(vfork_pipe[1], "", 1);
		usleep(10000);
	}
	EXPECT_EQ(0, record_restore(&record, SELF, 0));
	EXPECT_TRUE(is_done(&other));
	EXPECT_EQ(4711, other.value);
	EXPECT_TRUE(is_done(&sibling));
	EXPECT_EQ(4711, sibling.value);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	free(record.bytes);
}

/* (26) Only the ptracer decides about what it holds. */
TEST(sibling_with_a_signal_in_flight_is_ebusy)
{
	static struct sibling sibling;
	int *stage = shared_memory(sizeof(*stage));
	struct record record = {};
	int status;
	pid_t pid;

	ASSERT_TRUE(prepare());
	ASSERT_TRUE(begin(&sibling, wait_in_pause, SYS_pause));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (ptrace(PTRACE_SEIZE, sibling.tid, 0, 0) ||
		    sys_tgkill(getppid(), sibling.tid, SIGNO) ||
		    waitpid(sibling.tid, &status, __WALL) != sibling.tid)
			_exit(1);
		__atomic_store_n(stage, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(stage, __ATOMIC_SEQ_CST) != 2)
			usleep(1000);
		_exit(ptrace(PTRACE_DETACH, sibling.tid, 0, SIGNO) != 0);
	}
	ASSERT_TRUE(eventually(__atomic_load_n(stage, __ATOMIC_SEQ_CST) == 1));
	record_begin(&record, getpid(), 0);
	record_sibling(&record, &sibling, 0, true);
	record_seal(&record);
	EXPECT_EQ(-EBUSY, record_restore(&record, SELF, SIGRESTORE_DRY_RUN));
	EXPECT_EQ(-EBUSY, record_restore(&record, SELF, 0));
	__atomic_store_n(stage, 2, __ATOMIC_SEQ_CST);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(is_done(&sibling));
	EXPECT_EQ(NULL, sibling.altstack.ss_sp);
	free(record.bytes);
}

static bool storm_ends;

static void *do_nothing(void *arg)
{
	return arg;
}

static void *bear_threads(void *arg)
{
	pthread_t thread;

	while (!__atomic_load_n(&storm_ends, __ATOMIC_SEQ_CST)) {
		if (!pthread_create(&thread, NULL, do_nothing, NULL))
			pthread_join(thread, NULL);
	}
	return arg;
}

/* (42) Threads come and go; all that there are have to rest for the timers. */
TEST(restore_succeeds_in_a_storm_of_threads)
{
	static struct sibling sibling;
	struct record record = {};
	pthread_t storms[2];
	int round;

	ASSERT_TRUE(prepare());
	ASSERT_TRUE(begin(&sibling, wait_in_futex, SYS_futex));
	ASSERT_LE(0, timer_make(CLOCK_MONOTONIC, SIGUSR1, 0));
	pthread_create(&storms[0], NULL, bear_threads, NULL);
	pthread_create(&storms[1], NULL, bear_threads, NULL);
	for (round = 0; round < 100; round++) {
		struct sigcr_timer *timer;

		record_begin(&record, getpid(), 0);
		timer = record_add_timer(&record, record_add_timers(&record),
					 NULL);
		timer->flags = SIGCR_TIMER_ARMED;
		timer->remaining_ns = LONG_NS + round;
		record_sibling(&record, &sibling, 0, round == 99);
		record_seal(&record);
		ASSERT_EQ(0, record_restore(&record, SELF, 0));
	}
	__atomic_store_n(&storm_ends, true, __ATOMIC_SEQ_CST);
	pthread_join(storms[0], NULL);
	pthread_join(storms[1], NULL);
	EXPECT_TRUE(is_done(&sibling));
	/* By the signal at the end. */
	EXPECT_LE(sibling.interrupted_count, 1);
	free(record.bytes);
}

static void *exec_soon(void *arg)
{
	int *delay_us = arg;

	if (*delay_us) {
		usleep(*delay_us);
		/* The harness lists its tests. */
		execl("/proc/self/exe", "rendezvous_test", "-l", NULL);
		_exit(3);
	}
	return NULL;
}

/* Restores until the process ends, or execs if @delay_us is not 0. */
static void restore_for_ever(int *count, int delay_us)
{
	static struct sibling siblings[2];
	struct record record = {};
	pthread_t thread;
	int i;

	if (!freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr) || !prepare() ||
	    !begin(&siblings[0], wait_spinning, -1) ||
	    !begin(&siblings[1], wait_in_epoll, -1) ||
	    pthread_create(&thread, NULL, exec_soon, &delay_us))
		_exit(1);
	for (;;) {
		record_begin(&record, getpid(), 0);
		for (i = 0; i < 2; i++)
			record_sibling(&record, &siblings[i], i, false);
		record_seal(&record);
		if (record_restore(&record, SELF, 0))
			_exit(2);
		__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
	}
}

/* (20) Whoever dies or execs in the middle takes nobody along. */
TEST(process_is_killed_or_execs_while_its_threads_rest)
{
	int *count = shared_memory(sizeof(*count));
	int round, status;
	pid_t pid;

	for (round = 0; round < 20; round++) {
		bool execs = round % 2;

		*count = 0;
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			restore_for_ever(count, execs ? round * 3000 : 0);
		if (execs) {
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			/* What the harness makes of a list. */
			EXPECT_EQ(KSFT_SKIP << 8, status);
			continue;
		}
		ASSERT_TRUE(eventually(__atomic_load_n(count,
						       __ATOMIC_SEQ_CST) > 3));
		usleep(round * 500);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

TEST_HARNESS_MAIN
