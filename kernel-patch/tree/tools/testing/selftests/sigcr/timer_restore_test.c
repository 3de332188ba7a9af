// SPDX-License-Identifier: GPL-2.0
/*
 * Timers of timer_create(2) that are restored onto the process itself: created
 * with their ids, set, deleted, and pending as they were.
 *
 * Numbers such as (35) name the scenario in the project's list.
 */
#include "timer.h"

#define SELF PIDFD_SELF_THREAD_GROUP
#define TIMER_SIGNALS (SET_OF(40) | SET_OF(41) | SET_OF(42))

static int handled_count;

static void count_signal(int signo __maybe_unused)
{
	__atomic_fetch_add(&handled_count, 1, __ATOMIC_SEQ_CST);
}

static int handled(void)
{
	return __atomic_load_n(&handled_count, __ATOMIC_SEQ_CST);
}

/* The timers' signals are blocked, and counted when they are not. */
FIXTURE(self)
{
	struct record record;
	struct record again;
	siginfo_t info;
};

/* Whether the timers of the record are still there when it is restored. */
FIXTURE_VARIANT(self)
{
	bool deleted;
};

FIXTURE_VARIANT_ADD(self, onto_the_timers) { .deleted = false };
FIXTURE_VARIANT_ADD(self, onto_none) { .deleted = true };

FIXTURE_SETUP(self)
{
	struct sigaction action = { .sa_handler = count_signal };
	__u64 set = TIMER_SIGNALS;
	int signo;

	for (signo = 40; signo <= 42; signo++)
		ASSERT_EQ(0, sigaction(signo, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
}

FIXTURE_TEARDOWN(self)
{
	free(self->record.bytes);
	free(self->again.bytes);
}

#define TAKE(record) ASSERT_STREQ("", record_read(record, SELF, 0))

/* Restores the record, of whose timers the variant leaves none. */
#define RESTORE() do {							\
	if (variant->deleted)						\
		ASSERT_TRUE(drop_all_timers(&self->record));		\
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));		\
} while (0)

#define EXPECT_SAME_BUT_FOR_TIMES() do {				\
	record_forget_times(&self->record);				\
	record_forget_times(&self->again);				\
	EXPECT_TRUE(record_equal(&self->record, &self->again));		\
} while (0)

/* (35) Each clock, periodic or not, and what is left goes on from there. */
TEST_F(self, armed_timers_go_on_with_what_was_left)
{
	static const clockid_t clocks[] = {
		CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI,
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
	};
	__u64 then_ns, passed_ns;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(clocks); i++) {
		ASSERT_EQ(i, timer_make(clocks[i], 40, 1000 + i));
		ASSERT_EQ(0, timer_set(i, 0, LONG_NS + i * SEC,
				       i % 2 ? 0 : LONG_NS + i));
	}
	TAKE(&self->record);
	for (i = 0; i < ARRAY_SIZE(clocks); i++)
		ASSERT_EQ(0, timer_set(i, 0, i % 3 ? 1 : 0, 0));
	/* The time in between is not counted. */
	usleep(200000);
	then_ns = now_ns(CLOCK_MONOTONIC);
	RESTORE();
	for (i = 0; i < ARRAY_SIZE(clocks); i++) {
		__u64 was_ns = record_timer(&self->record, i)->remaining_ns;

		passed_ns = now_ns(CLOCK_MONOTONIC) - then_ns;
		EXPECT_LE(timer_left(i), was_ns)
			TH_LOG("clock %d", clocks[i]);
		passed_ns = now_ns(CLOCK_MONOTONIC) - then_ns;
		EXPECT_GE(timer_left(i) + passed_ns + TICK_NS, was_ns)
			TH_LOG("clock %d", clocks[i]);
	}
	TAKE(&self->again);
	/* What the old settings had queued is void. */
	EXPECT_EQ(0, self->again.shared->set);
	EXPECT_SAME_BUT_FOR_TIMES();
}

/* (35) */
TEST_F(self, armed_timers_fire_and_go_on_firing)
{
	int i;

	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 7));
	ASSERT_EQ(0, timer_set(0, 0, 300 * MS, 0));
	ASSERT_EQ(1, timer_make(CLOCK_BOOTTIME, 41, 8));
	ASSERT_EQ(0, timer_set(1, 0, 300 * MS, 5 * MS));
	TAKE(&self->record);
	if (record_timer(&self->record, 0)->flags != SIGCR_TIMER_ARMED)
		SKIP(return, "too slow");
	RESTORE();
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
	EXPECT_EQ(SI_TIMER, self->info.si_code);
	EXPECT_EQ(7, self->info.si_int);
	EXPECT_EQ(0, self->info.si_timerid);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info,
					       PATIENCE_MS));
		EXPECT_EQ(8, self->info.si_int);
		EXPECT_EQ(1, self->info.si_timerid);
	}
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(40), &self->info, 0));
}

/* (35) */
TEST_F(self, cpu_timers_fire_when_the_cpu_time_that_was_left_is_used_up)
{
	static const clockid_t clocks[] = {
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
	};
	__u64 start_ns;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(clocks); i++) {
		ASSERT_EQ(0, timer_make(clocks[i], 40, 0));
		ASSERT_EQ(0, timer_set(0, 0, 500 * MS, 50 * MS));
		TAKE(&self->record);
		ASSERT_GT(record_timer(&self->record, 0)->remaining_ns,
			  100 * MS);
		start_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		RESTORE();
		while (sys_sigtimedwait(SET_OF(40), &self->info, 0) < 0)
			burn_cpu(1 * MS);
		EXPECT_GE(now_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns,
			  record_timer(&self->record, 0)->remaining_ns);
		while (sys_sigtimedwait(SET_OF(40), &self->info, 0) < 0)
			burn_cpu(1 * MS);
		ASSERT_EQ(0, timer_drop(0));
		record_begin(&self->again, getpid(), 0);
		record_add_timers(&self->again);
		record_seal(&self->again);
		ASSERT_EQ(0, record_restore(&self->again, SELF, 0));
	}
}

TEST_F(self, absolute_time_is_kept_to_the_nanosecond)
{
	__u64 at_ns = now_ns(CLOCK_REALTIME) + LONG_NS;

	ASSERT_EQ(0, timer_make(CLOCK_REALTIME, 40, 0));
	ASSERT_EQ(0, timer_set(0, TIMER_ABSTIME, at_ns, LONG_NS));
	TAKE(&self->record);
	ASSERT_EQ(0, timer_set(0, 0, LONG_NS, 0));
	usleep(50000);
	RESTORE();
	TAKE(&self->again);
	EXPECT_EQ(at_ns, record_timer(&self->again, 0)->expires_ns);
	EXPECT_SAME_BUT_FOR_TIMES();
}

/* A moment that went by while there was no process comes at once. */
TEST_F(self, absolute_time_that_has_passed_fires_at_once)
{
	struct sigcr_timer *timer;

	ASSERT_EQ(0, timer_make(CLOCK_REALTIME, 40, 5));
	ASSERT_EQ(0, timer_set(0, TIMER_ABSTIME,
			       now_ns(CLOCK_REALTIME) + LONG_NS, 0));
	TAKE(&self->record);
	timer = (void *)record_timer(&self->record, 0);
	timer->expires_ns = now_ns(CLOCK_REALTIME) - 1000 * SEC;
	record_reseal(&self->record);
	RESTORE();
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
	EXPECT_EQ(5, self->info.si_int);
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(40), &self->info, 50));
}

/* (35) One signal with all that was missed, then it ticks on. */
TEST_F(self, pending_periodic_timer_gives_one_signal_with_its_overrun)
{
	__u64 start_ns, passed_ns;
	__s64 overrun;

	start_ns = now_ns(CLOCK_MONOTONIC);
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 3));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 10 * MS));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(40)));
	usleep(100000);
	TAKE(&self->record);
	overrun = record_timer(&self->record, 0)->overrun;
	ASSERT_GE(overrun, 9);
	/* Taken meanwhile, it is pending again afterwards. */
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	ASSERT_GE(self->info.si_overrun, overrun);
	RESTORE();
	TAKE(&self->again);
	EXPECT_EQ(1, self->again.shared->entry_count);
	EXPECT_EQ(SIGCR_TIMER_PENDING, record_timer(&self->again, 0)->flags);
	usleep(50000);
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	passed_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
	EXPECT_EQ(3, self->info.si_int);
	EXPECT_GE(self->info.si_overrun, overrun + 4);
	EXPECT_LE(self->info.si_overrun, passed_ns / (10 * MS) + 1);
	EXPECT_EQ(self->info.si_overrun, timer_overrun(0));
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
}

/* (35) */
TEST_F(self, pending_single_timer_gives_one_signal_and_is_done)
{
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, SIGUSR1, 3));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &(__u64){ SET_OF(SIGUSR1) },
				     NULL));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 0));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(SIGUSR1)));
	TAKE(&self->record);
	RESTORE();
	TAKE(&self->again);
	EXPECT_SAME_BUT_FOR_TIMES();
	ASSERT_EQ(SIGUSR1, sys_sigtimedwait(SET_OF(SIGUSR1), &self->info, 0));
	EXPECT_EQ(SI_TIMER, self->info.si_code);
	EXPECT_EQ(0, self->info.si_overrun);
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(SIGUSR1), &self->info, 50));
	EXPECT_EQ(0, timer_left(0));
	/* It can be used as ever. */
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 0));
	ASSERT_EQ(SIGUSR1, sys_sigtimedwait(SET_OF(SIGUSR1), &self->info,
					    PATIENCE_MS));
}

/* The place in the queue is that of the record, among its like as well. */
TEST_F(self, pending_timers_keep_their_places_in_the_queue)
{
	int i;

	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 1));
	ASSERT_EQ(1, timer_make(CLOCK_MONOTONIC, 40, 3));
	ASSERT_EQ(0, send_shared(getpid(), 40, 0));
	ASSERT_EQ(0, timer_set(0, 0, 1, 0));
	ASSERT_TRUE(eventually(!timer_left(0)));
	ASSERT_EQ(0, send_shared(getpid(), 40, 2));
	ASSERT_EQ(0, timer_set(1, 0, 1, LONG_NS));
	ASSERT_TRUE(eventually(sigckpt(SELF, NULL, 0, 0) > 0 &&
			       !record_take(&self->record, SELF, 0) &&
			       !*record_parse(&self->record) &&
			       self->record.shared->entry_count == 4));
	ASSERT_EQ(0, send_shared(getpid(), 40, 4));
	TAKE(&self->record);
	for (i = 0; i <= 4; i++)
		ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	RESTORE();
	TAKE(&self->again);
	for (i = 0; i <= 4; i++) {
		ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
		EXPECT_EQ(i, self->info.si_int);
	}
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	EXPECT_SAME_BUT_FOR_TIMES();
}

/* (35) A thread's timer has its signal in the queue of that thread. */
TEST_F(self, timer_of_a_thread_signals_that_thread)
{
	struct proc_signals signals;

	ASSERT_EQ(0, timer_make_for(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 40, 1,
				    sys_gettid()));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 10 * MS));
	ASSERT_TRUE(await_private(sys_gettid(), SET_OF(40)));
	TAKE(&self->record);
	RESTORE();
	ASSERT_TRUE(proc_signals(getpid(), &signals));
	EXPECT_EQ(SET_OF(40), signals.private_pending);
	EXPECT_EQ(0, signals.shared_pending);
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	ASSERT_TRUE(await_private(sys_gettid(), SET_OF(40)));
}

/* (35) */
TEST_F(self, ignored_periodic_timer_comes_back_when_the_action_changes)
{
	struct sigaction action = { .sa_handler = SIG_IGN };
	__u64 set = SET_OF(40);

	ASSERT_EQ(0, sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	ASSERT_EQ(0, sigaction(40, &action, NULL));
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 10 * MS));
	usleep(50000);
	TAKE(&self->record);
	ASSERT_EQ(SIGCR_TIMER_IGNORED, record_timer(&self->record, 0)->flags);
	RESTORE();
	TAKE(&self->again);
	EXPECT_EQ(SIGCR_TIMER_IGNORED, record_timer(&self->again, 0)->flags);
	action.sa_handler = count_signal;
	ASSERT_EQ(0, sigaction(40, &action, NULL));
	EXPECT_TRUE(eventually(handled() >= 3));
}

/* Where it is not ignored any more, nothing would ever wake it. */
TEST_F(self, ignored_periodic_timer_goes_on_where_it_is_not_ignored)
{
	struct sigaction action = { .sa_handler = SIG_IGN };
	struct sigcr_timers *timers;
	__u64 set = SET_OF(40);

	ASSERT_EQ(0, sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	ASSERT_EQ(0, sigaction(40, &action, NULL));
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 10 * MS));
	usleep(50000);
	TAKE(&self->record);
	ASSERT_EQ(SIGCR_TIMER_IGNORED, record_timer(&self->record, 0)->flags);
	/* The timer alone, into a process with a handler. */
	record_begin(&self->again, getpid(), 0);
	timers = record_add_timers(&self->again);
	record_add_timer(&self->again, timers, record_timer(&self->record, 0));
	timers->next_timer_id = 1;
	record_seal(&self->again);
	ASSERT_EQ(0, timer_drop(0));
	action.sa_handler = count_signal;
	ASSERT_EQ(0, sigaction(40, &action, NULL));
	if (!variant->deleted) {
		/* One with the same id that is something else by now. */
		ASSERT_EQ(1, timer_make(CLOCK_MONOTONIC, 41, 0));
	}
	ASSERT_EQ(0, record_restore(&self->again, SELF, 0));
	EXPECT_TRUE(eventually(handled() >= 3));
	EXPECT_EQ(~0ULL, timer_left(1));
}

/* (35) */
TEST_F(self, silent_timers_are_restored)
{
	ASSERT_EQ(0, timer_make_for(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0));
	ASSERT_EQ(0, timer_set(0, 0, LONG_NS, 0));
	ASSERT_EQ(1, timer_make_for(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, 0, 0,
				    0));
	ASSERT_EQ(0, timer_set(1, 0, LONG_NS, LONG_NS));
	ASSERT_EQ(2, timer_make_for(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0));
	ASSERT_EQ(0, timer_set(2, 0, 1, 0));
	usleep(10000);
	TAKE(&self->record);
	ASSERT_EQ(0, timer_set(0, 0, 0, 0));
	RESTORE();
	EXPECT_GT(timer_left(0), LONG_NS / 2);
	EXPECT_LE(timer_left(0), LONG_NS);
	EXPECT_GT(timer_left(1), LONG_NS / 2);
	EXPECT_EQ(0, timer_left(2));
	TAKE(&self->again);
	EXPECT_SAME_BUT_FOR_TIMES();
}

TEST_F(self, overrun_of_the_last_signal_is_what_timer_getoverrun_says)
{
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(0, timer_set(0, 0, 1 * MS, 10 * MS));
	usleep(100000);
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
	ASSERT_GE(self->info.si_overrun, 5);
	TAKE(&self->record);
	((struct sigcr_timer *)record_timer(&self->record, 0))->overrun_last =
		4711;
	record_reseal(&self->record);
	RESTORE();
	EXPECT_EQ(4711, timer_overrun(0));
}

TEST_F(self, next_timer_gets_the_id_that_was_next)
{
	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(1, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(2, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(0, timer_drop(1));
	TAKE(&self->record);
	EXPECT_EQ(3, self->record.timers->next_timer_id);
	ASSERT_EQ(3, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(4, timer_make(CLOCK_MONOTONIC, 40, 0));
	RESTORE();
	EXPECT_EQ(~0ULL, timer_left(1));
	EXPECT_EQ(~0ULL, timer_left(3));
	EXPECT_EQ(~0ULL, timer_left(4));
	EXPECT_EQ(3, timer_make(CLOCK_MONOTONIC, 40, 0));
}

/* The signal of a timer that goes must go with it. */
TEST_F(self, timers_that_the_record_lacks_are_deleted_with_their_signals)
{
	siginfo_t info;
	int i;

	ASSERT_EQ(0, timer_make(CLOCK_MONOTONIC, 40, 0));
	TAKE(&self->record);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(i, timer_make(CLOCK_MONOTONIC, 41, 0));
		ASSERT_EQ(0, timer_set(i, 0, 1 * MS, i == 1 ? 0 : 10 * MS));
	}
	ASSERT_TRUE(await_pending(getpid(), SET_OF(41)));
	RESTORE();
	for (i = 1; i <= 3; i++)
		EXPECT_EQ(~0ULL, timer_left(i));
	EXPECT_EQ(0, timer_left(0));
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(41), &info, 50));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

TEST_F(self, alarm_clocks_are_restored_where_there_are_any)
{
	int timer_id = timer_make(CLOCK_BOOTTIME_ALARM, 40, 0);

	ASSERT_GOOD_SO_FAR();
	if (timer_id < 0)
		SKIP(return, "no alarm clock: %d", timer_id);
	ASSERT_EQ(0, timer_set(timer_id, 0, LONG_NS, LONG_NS));
	TAKE(&self->record);
	ASSERT_EQ(0, timer_set(timer_id, 0, 0, 0));
	RESTORE();
	EXPECT_GT(timer_left(timer_id), LONG_NS / 2);
	TAKE(&self->again);
	EXPECT_SAME_BUT_FOR_TIMES();
}

/* (35) One that was armed fires, one that was pending ticks on. */
TEST_F(self, alarms_fire_and_go_on_firing)
{
	__s64 overrun;
	int i;

	if (!has_alarm_clocks())
		SKIP(return, "no alarm clocks");
	ASSERT_EQ(0, timer_make(CLOCK_REALTIME_ALARM, 40, 7));
	ASSERT_EQ(1, timer_make(CLOCK_BOOTTIME_ALARM, 41, 8));
	ASSERT_EQ(2, timer_make_for(CLOCK_BOOTTIME_ALARM, SIGEV_NONE, 0, 0,
				    0));
	ASSERT_EQ(0, timer_set(1, 0, 1 * MS, 10 * MS));
	ASSERT_EQ(0, timer_set(2, 0, LONG_NS, 0));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(41)));
	usleep(100000);
	ASSERT_EQ(0, timer_set(0, 0, 500 * MS, 0));
	TAKE(&self->record);
	overrun = record_timer(&self->record, 1)->overrun;
	ASSERT_GE(overrun, 9);
	if (record_timer(&self->record, 0)->flags != SIGCR_TIMER_ARMED)
		SKIP(return, "too slow");
	ASSERT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info, 0));
	ASSERT_EQ(0, timer_set(0, 0, 0, 0));
	ASSERT_EQ(0, timer_set(2, 0, 0, 0));
	RESTORE();
	EXPECT_GT(timer_left(2), LONG_NS / 2);
	ASSERT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info, 0));
	EXPECT_EQ(8, self->info.si_int);
	EXPECT_GE(self->info.si_overrun, overrun);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info,
					       PATIENCE_MS));
		EXPECT_EQ(1, self->info.si_timerid);
	}
	ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, PATIENCE_MS));
	EXPECT_EQ(7, self->info.si_int);
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(40), &self->info, 50));
}

/* Each timer is charged for its signal, once. */
TEST_F(self, timers_are_charged_as_if_they_had_been_created)
{
	__u64 base = queued_count();
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(i, timer_make(CLOCK_MONOTONIC, 40, i));
		ASSERT_EQ(0, timer_set(i, 0, 1, i % 2 ? 0 : LONG_NS));
	}
	ASSERT_TRUE(await_pending(getpid(), SET_OF(40)));
	EXPECT_EQ(base + 5, queued_count());
	TAKE(&self->record);
	for (i = 0; i < 20; i++) {
		RESTORE();
		ASSERT_EQ(base + 5, queued_count());
	}
	ASSERT_TRUE(drop_all_timers(&self->record));
	while (sys_sigtimedwait(SET_OF(40), &self->info, 0) == 40)
		;
	EXPECT_EQ(base, queued_count());
}

/* Of which the C library makes a thread; to the kernel it is a signal. */
TEST_F(self, timer_that_is_to_start_threads_is_restored)
{
	ASSERT_EQ(0, timer_make_for(CLOCK_MONOTONIC, SIGEV_THREAD, 40, 5, 0));
	ASSERT_EQ(0, timer_set(0, 0, LONG_NS, LONG_NS));
	TAKE(&self->record);
	EXPECT_EQ(SIGEV_THREAD, record_timer(&self->record, 0)->notify);
	RESTORE();
	TAKE(&self->again);
	EXPECT_SAME_BUT_FOR_TIMES();
}

#define MANY_COUNT 400

TEST_F(self, many_timers_are_restored_with_their_signals)
{
	int i;

	for (i = 0; i < MANY_COUNT; i++) {
		ASSERT_EQ(i, timer_make(CLOCK_MONOTONIC, 40, i));
		ASSERT_EQ(0, timer_set(i, 0, i % 3 ? 1 : LONG_NS,
				       i % 3 == 2 ? LONG_NS : 0));
	}
	usleep(10000);
	TAKE(&self->record);
	EXPECT_EQ(MANY_COUNT, self->record.timers->entry_count);
	EXPECT_EQ(MANY_COUNT * 2 / 3, self->record.shared->entry_count);
	RESTORE();
	TAKE(&self->again);
	for (i = 0; i < MANY_COUNT * 2 / 3; i++) {
		ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info, 0));
		EXPECT_EQ(record_siginfo(self->record.shared, i).si_int,
			  self->info.si_int);
	}
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(40), &self->info, 0));
	EXPECT_SAME_BUT_FOR_TIMES();
}

/* One that fires at that moment has the restore begun anew. */
TEST_F(self, timers_are_restored_while_they_fire)
{
	int i, round, failure_count = 0;
	bool alarms = has_alarm_clocks();

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(i, timer_make(alarms && i % 4 == 3 ?
					CLOCK_BOOTTIME_ALARM : CLOCK_MONOTONIC,
					40, i));
		ASSERT_EQ(0, timer_set(i, 0, 1, 50000 + 1000 * i));
	}
	for (round = 0; round < 300; round++) {
		TAKE(&self->record);
		if (variant->deleted)
			ASSERT_TRUE(drop_all_timers(&self->record));
		failure_count += record_restore(&self->record, SELF, 0) != 0;
		while (sys_sigtimedwait(SET_OF(40), &self->info, 0) == 40 &&
		       self->info.si_int != round % 8)
			;
		if (failure_count && variant->deleted)
			break;
	}
	EXPECT_EQ(0, failure_count);
	/* All of them are alive. */
	for (i = 0; i < 8; i++) {
		int tries = 1000;

		do {
			ASSERT_EQ(40, sys_sigtimedwait(SET_OF(40), &self->info,
						       PATIENCE_MS));
		} while (self->info.si_int != i && --tries);
		EXPECT_NE(0, tries);
	}
}

TEST_HARNESS_MAIN
