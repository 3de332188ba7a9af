// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says of the timers of timer_create(2): each clock, each way to
 * notify, each state, and the signals that they have in the queues.
 *
 * Numbers such as (35) name the scenario in the project's list.
 */
#include "stopped.h"
#include "timer.h"

#define BIG_VALUE 0x123456789abcdef0ULL

static struct child *timers_child;

TEST_F(stopped, process_without_timers_has_an_empty_list)
{
	ASSERT_TRUE(child_start(&self->child, NULL, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(0, self->record.timers->entry_count);
	EXPECT_EQ(0, self->record.timers->next_timer_id);
}

/* One timer a clock, in this order; the CPU clocks last. */
static const struct {
	clockid_t clock;
	__u64 value_ns, interval_ns;
} rows[] = {
	{ CLOCK_MONOTONIC, LONG_NS, 0 },
	{ CLOCK_MONOTONIC, LONG_NS, 3 * SEC + 7 },
	{ CLOCK_REALTIME, LONG_NS, 0 },
	{ CLOCK_BOOTTIME, LONG_NS, LONG_NS },
	{ CLOCK_TAI, LONG_NS, 0 },
	{ CLOCK_PROCESS_CPUTIME_ID, LONG_NS, 5 * SEC },
	{ CLOCK_THREAD_CPUTIME_ID, LONG_NS, 0 },
};

static void arm_each_clock(struct child *child)
{
	size_t i;

	child->log->value = now_ns(CLOCK_MONOTONIC);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		child_check(timer_make(rows[i].clock, 40 + i, BIG_VALUE + i) ==
			    (int)i);
		child_check(!timer_set(i, 0, rows[i].value_ns,
				       rows[i].interval_ns));
	}
}

/* (35) */
TEST_F(stopped, armed_timer_of_each_clock_is_recorded_with_what_is_left)
{
	struct child *child = &self->child;
	__u64 passed_ns;
	size_t i;

	ASSERT_TRUE(child_start(child, arm_each_clock, NULL));
	STOP_AND_TAKE(&self->record);
	passed_ns = now_ns(CLOCK_MONOTONIC) - child->log->value;
	ASSERT_EQ(ARRAY_SIZE(rows), self->record.timers->entry_count);
	EXPECT_EQ(ARRAY_SIZE(rows), self->record.timers->next_timer_id);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct sigcr_timer *timer = record_timer(&self->record,
							       i);
		clockid_t clock = rows[i].clock;

		TH_LOG("clock %d", clock);
		/* The kernel itself has them so: of whom the CPU time is. */
		if (clock == CLOCK_PROCESS_CPUTIME_ID)
			clock = PROCESS_CPU_CLOCK(0);
		if (clock == CLOCK_THREAD_CPUTIME_ID)
			clock = THREAD_CPU_CLOCK(child->pid);
		EXPECT_EQ((int)i, timer->timer_id);
		EXPECT_EQ(clock, timer->clock_id);
		EXPECT_EQ(SIGEV_SIGNAL, timer->notify);
		EXPECT_EQ(40 + i, timer->signo);
		EXPECT_EQ(BIG_VALUE + i, timer->sigval);
		EXPECT_EQ(0, timer->notify_tid);
		EXPECT_EQ(SIGCR_TIMER_ARMED, timer->flags);
		EXPECT_EQ(rows[i].interval_ns, timer->interval_ns);
		EXPECT_LE(timer->remaining_ns, rows[i].value_ns);
		EXPECT_GE(timer->remaining_ns + passed_ns, rows[i].value_ns);
		EXPECT_EQ(0, timer->expires_ns);
		EXPECT_EQ(-1, timer->overrun);
		EXPECT_EQ(0, timer->overrun_last);
	}
	record_forget_times(&self->record);
	TAKE(&self->again);
	record_forget_times(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* Armed by each of the two, silent, and pending. */
static void set_alarms(struct child *child)
{
	block_all(child);
	child->log->value = now_ns(CLOCK_MONOTONIC);
	child_check(timer_make(CLOCK_REALTIME_ALARM, 40, BIG_VALUE) == 0);
	child_check(!timer_set(0, 0, LONG_NS, 0));
	child_check(timer_make(CLOCK_BOOTTIME_ALARM, 41, BIG_VALUE + 1) == 1);
	child_check(!timer_set(1, 0, LONG_NS, 3 * SEC + 7));
	child_check(timer_make_for(CLOCK_BOOTTIME_ALARM, SIGEV_NONE, 0,
				   BIG_VALUE + 2, 0) == 2);
	child_check(!timer_set(2, 0, LONG_NS, 0));
	child_check(timer_make(CLOCK_BOOTTIME_ALARM, 43, BIG_VALUE + 3) == 3);
	child_check(!timer_set(3, 0, 1 * MS, 10 * MS));
	child_check(timer_make(CLOCK_REALTIME_ALARM, 44, BIG_VALUE + 4) == 4);
	child_check(await_pending(getpid(), SET_OF(43)));
	usleep(100000);
}

/* (35) */
TEST_F(stopped, alarms_are_recorded_as_timers_of_other_clocks_are)
{
	static const struct {
		clockid_t clock;
		int notify;
		__u32 flags;
		__u64 interval_ns;
	} alarms[] = {
		{ CLOCK_REALTIME_ALARM, SIGEV_SIGNAL, SIGCR_TIMER_ARMED, 0 },
		{ CLOCK_BOOTTIME_ALARM, SIGEV_SIGNAL, SIGCR_TIMER_ARMED,
		  3 * SEC + 7 },
		{ CLOCK_BOOTTIME_ALARM, SIGEV_NONE, SIGCR_TIMER_ARMED, 0 },
		{ CLOCK_BOOTTIME_ALARM, SIGEV_SIGNAL, SIGCR_TIMER_PENDING,
		  10 * MS },
		{ CLOCK_REALTIME_ALARM, SIGEV_SIGNAL, 0, 0 },
	};
	struct child *child = &self->child;
	__u64 passed_ns;
	size_t i;

	if (!has_alarm_clocks())
		SKIP(return, "no alarm clocks");
	ASSERT_TRUE(child_start(child, set_alarms, NULL));
	STOP_AND_TAKE(&self->record);
	passed_ns = now_ns(CLOCK_MONOTONIC) - child->log->value;
	ASSERT_EQ(ARRAY_SIZE(alarms), self->record.timers->entry_count);
	for (i = 0; i < ARRAY_SIZE(alarms); i++) {
		const struct sigcr_timer *timer = record_timer(&self->record,
							       i);

		TH_LOG("timer %zu", i);
		EXPECT_EQ(alarms[i].clock, timer->clock_id);
		EXPECT_EQ(alarms[i].notify, timer->notify);
		if (alarms[i].notify == SIGEV_SIGNAL)
			EXPECT_EQ(40 + i, timer->signo);
		EXPECT_EQ(BIG_VALUE + i, timer->sigval);
		EXPECT_EQ(alarms[i].flags, timer->flags);
		EXPECT_EQ(alarms[i].interval_ns, timer->interval_ns);
		EXPECT_EQ(0, timer->expires_ns);
		EXPECT_EQ(0, timer->overrun_last);
		if (timer->flags == SIGCR_TIMER_ARMED) {
			EXPECT_LE(timer->remaining_ns, LONG_NS);
			EXPECT_GE(timer->remaining_ns + passed_ns, LONG_NS);
		}
		/* So long was it left alone, at the least. */
		EXPECT_GE(timer->overrun,
			  timer->flags == SIGCR_TIMER_PENDING ? 9 : -1);
		EXPECT_LT(timer->overrun,
			  timer->flags == SIGCR_TIMER_PENDING ? 100000 : 0);
	}
	ASSERT_EQ(1, self->record.shared->entry_count);
	EXPECT_EQ(SIGCR_ENTRY_TIMER,
		  record_queued(self->record.shared, 0)->flags);
	EXPECT_EQ(3, record_queued(self->record.shared, 0)->timer_id);
}

static void arm_by_absolute_time(struct child *child)
{
	__u64 at_ns = now_ns(CLOCK_REALTIME) + LONG_NS;

	child->log->value = at_ns;
	child_check(timer_make(CLOCK_REALTIME, 40, 0) == 0);
	child_check(!timer_set(0, TIMER_ABSTIME, at_ns, 0));
	child_check(timer_make(CLOCK_REALTIME, 40, 0) == 1);
	child_check(!timer_set(1, TIMER_ABSTIME, at_ns + 1, LONG_NS));
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 2);
	child_check(!timer_set(2, TIMER_ABSTIME,
			       now_ns(CLOCK_MONOTONIC) + LONG_NS, 0));
}

/* Only there does it make a difference, if somebody sets the clock. */
TEST_F(stopped, absolute_time_of_the_real_time_clock_is_recorded)
{
	struct child *child = &self->child;
	const struct sigcr_timer *timer;
	int i;

	ASSERT_TRUE(child_start(child, arm_by_absolute_time, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(3, self->record.timers->entry_count);
	for (i = 0; i < 2; i++) {
		timer = record_timer(&self->record, i);
		EXPECT_EQ(SIGCR_TIMER_ARMED | SIGCR_TIMER_ABSTIME,
			  timer->flags);
		EXPECT_EQ(child->log->value + i, timer->expires_ns);
		EXPECT_LE(timer->remaining_ns, LONG_NS + 1);
	}
	timer = record_timer(&self->record, 2);
	EXPECT_EQ(SIGCR_TIMER_ARMED, timer->flags);
	EXPECT_EQ(0, timer->expires_ns);
}

static void make_timers_that_do_not_fire(struct child *child)
{
	/* Never set; set and stopped; fired; and one that tells nobody. */
	block_all(child);
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 0);
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 1);
	child_check(!timer_set(1, 0, LONG_NS, LONG_NS));
	child_check(!timer_set(1, 0, 0, LONG_NS));
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 2);
	child_check(!timer_set(2, 0, 1, 0));
	child_check(sys_sigtimedwait(SET_OF(40), &child->log->taken[0],
				     PATIENCE_MS) == 40);
	child_check(timer_make_for(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0) == 3);
	child_check(!timer_set(3, 0, LONG_NS, 5 * SEC));
	child_check(timer_make_for(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, 0, 0,
				   0) == 4);
	child_check(!timer_set(4, 0, LONG_NS, 5 * SEC));
}

/* (35) */
TEST_F(stopped, disarmed_timers_have_no_times_and_silent_ones_have)
{
	const struct sigcr_timer *timer;
	int i;

	ASSERT_TRUE(child_start(&self->child, make_timers_that_do_not_fire,
				NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(5, self->record.timers->entry_count);
	for (i = 0; i < 3; i++) {
		timer = record_timer(&self->record, i);
		EXPECT_EQ(0, timer->flags);
		EXPECT_EQ(0, timer->interval_ns);
		EXPECT_EQ(0, timer->remaining_ns);
	}
	for (i = 3; i < 5; i++) {
		timer = record_timer(&self->record, i);
		EXPECT_EQ(SIGEV_NONE, timer->notify);
		EXPECT_EQ(SIGCR_TIMER_ARMED, timer->flags);
		EXPECT_EQ(5 * SEC, timer->interval_ns);
		EXPECT_GT(timer->remaining_ns, LONG_NS / 2);
	}
	EXPECT_EQ(0, self->record.shared->set);
}

static void *own_thread(void *arg __maybe_unused)
{
	__atomic_store_n(&timers_child->log->tids[1], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

/* Periodic and single, for the process and for a thread; all pending. */
static void let_four_timers_expire(struct child *child)
{
	pthread_t thread;
	pid_t tid;
	int i;

	timers_child = child;
	block_all(child);
	child_check(!pthread_create(&thread, NULL, own_thread, NULL));
	child_check(eventually(child->log->tids[1]));
	tid = child->log->tids[1];
	for (i = 0; i < 4; i++) {
		child_check(timer_make_for(CLOCK_MONOTONIC, i < 2 ?
					   SIGEV_SIGNAL : SIGEV_THREAD_ID,
					   40 + i, i, i < 2 ? 0 : tid) == i);
		child_check(!timer_set(i, 0, 1 * MS, i % 2 ? 0 : 10 * MS));
	}
	child_check(await_pending(getpid(), SET_OF(40) | SET_OF(41)));
	child_check(await_private(tid, SET_OF(42) | SET_OF(43)));
}

/* (35) */
TEST_F(stopped, pending_timer_has_one_entry_in_its_queue_and_counts_what_it_missed)
{
	struct child *child = &self->child;
	const struct sigcr_pending *queue;
	struct record_thread *thread;
	__s64 overrun;
	int i;

	ASSERT_TRUE(child_start(child, let_four_timers_expire, NULL));
	usleep(100000);
	STOP_AND_TAKE(&self->record);
	thread = record_thread(&self->record, child->log->tids[1]);
	ASSERT_NE(NULL, thread);
	ASSERT_EQ(4, self->record.timers->entry_count);
	EXPECT_EQ(2, self->record.shared->entry_count);
	EXPECT_EQ(2, thread->pending->entry_count);
	for (i = 0; i < 4; i++) {
		const struct sigcr_timer *timer = record_timer(&self->record,
							       i);
		const struct sigcr_entry *entry;

		queue = i < 2 ? self->record.shared : thread->pending;
		entry = record_queued(queue, i % 2);
		EXPECT_EQ(SIGCR_TIMER_PENDING, timer->flags);
		EXPECT_EQ(i < 2 ? 0 : child->log->tids[1], timer->notify_tid);
		EXPECT_EQ(i % 2 ? 0 : 10 * MS, timer->interval_ns);
		EXPECT_LE(timer->remaining_ns, timer->interval_ns);
		EXPECT_EQ(!(i % 2), !!timer->remaining_ns);
		/* So long was it left alone, at the least. */
		EXPECT_GE(timer->overrun, i % 2 ? -1 : 9);
		EXPECT_LT(timer->overrun, i % 2 ? 0 : 100000);
		EXPECT_EQ(SIGCR_ENTRY_TIMER, entry->flags);
		EXPECT_EQ(i, entry->timer_id);
		EXPECT_EQ(40 + i, record_siginfo(queue, i % 2).si_signo);
		EXPECT_EQ(i, record_siginfo(queue, i % 2).si_int);
	}
	/* It goes on to count, in a stopped process as well. */
	overrun = record_timer(&self->record, 0)->overrun;
	usleep(50000);
	TAKE(&self->again);
	EXPECT_GE(record_timer(&self->again, 0)->overrun, overrun + 4);
	record_forget_times(&self->record);
	record_forget_times(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

static void ignore_a_timer(struct child *child __maybe_unused)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };

	child_check(!sys_sigaction(40, &ignore, NULL));
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 0);
	child_check(!timer_set(0, 0, 1 * MS, 10 * MS));
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 1);
	child_check(!timer_set(1, 0, 1 * MS, 0));
	/* By then they have fired. */
	usleep(100000);
}

/* (35) A periodic one waits for a change of the action; a single one is done. */
TEST_F(stopped, timer_whose_signal_is_ignored_is_marked)
{
	const struct sigcr_timer *timer;

	ASSERT_TRUE(child_start(&self->child, ignore_a_timer, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(2, self->record.timers->entry_count);
	timer = record_timer(&self->record, 0);
	EXPECT_EQ(SIGCR_TIMER_IGNORED, timer->flags);
	EXPECT_EQ(10 * MS, timer->interval_ns);
	EXPECT_GT(timer->remaining_ns, 0);
	EXPECT_EQ(0, record_timer(&self->record, 1)->flags);
	EXPECT_EQ(0, self->record.shared->set);
}

/* Each leaves a signal behind that will be dropped when it is to be taken. */
static void leave_stale_signals(struct child *child)
{
	int i;

	block_all(child);
	for (i = 0; i < 4; i++) {
		child_check(timer_make(CLOCK_MONOTONIC, 40 + i, i) == i);
		child_check(!timer_set(i, 0, 1 * MS, i < 2 ? 10 * MS : 0));
	}
	child_check(await_pending(getpid(), SET_OF(40) | SET_OF(41) |
				  SET_OF(42) | SET_OF(43)));
	child_check(!timer_drop(0));
	child_check(!timer_set(1, 0, LONG_NS, 10 * MS));
	child_check(!timer_drop(2));
	child_check(!timer_set(3, 0, 0, 0));
	/* Beside one of them is a signal that counts. */
	child_check(!send_shared(getpid(), 42, 4711));
}

/* (35) */
TEST_F(stopped, stale_signals_of_deleted_and_reset_timers_are_left_out)
{
	const struct sigcr_pending *queue;
	struct proc_signals signals;

	ASSERT_TRUE(child_start(&self->child, leave_stale_signals, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(2, self->record.timers->entry_count);
	EXPECT_EQ(1, record_timer(&self->record, 0)->timer_id);
	EXPECT_EQ(SIGCR_TIMER_ARMED, record_timer(&self->record, 0)->flags);
	EXPECT_EQ(3, record_timer(&self->record, 1)->timer_id);
	EXPECT_EQ(0, record_timer(&self->record, 1)->flags);
	queue = self->record.shared;
	EXPECT_EQ(SET_OF(42), queue->set);
	ASSERT_EQ(1, queue->entry_count);
	EXPECT_EQ(0, record_queued(queue, 0)->flags);
	EXPECT_EQ(4711, record_siginfo(queue, 0).si_int);
	/* Who only looks takes nothing out. */
	ASSERT_TRUE(proc_signals(self->child.pid, &signals));
	EXPECT_EQ(SET_OF(40) | SET_OF(41) | SET_OF(42) | SET_OF(43),
		  signals.shared_pending);
}

static void miss_some_and_take_it(struct child *child)
{
	block_all(child);
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 0);
	child_check(!timer_set(0, 0, 1 * MS, 5 * MS));
	usleep(100000);
	child_check(sys_sigtimedwait(SET_OF(40), &child->log->taken[0],
				     PATIENCE_MS) == 40);
	child->log->ret = timer_overrun(0);
}

TEST_F(stopped, overrun_of_the_signal_that_was_taken_last_is_recorded)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, miss_some_and_take_it, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_GE(child->log->taken[0].si_overrun, 10);
	EXPECT_EQ(child->log->taken[0].si_overrun, child->log->ret);
	EXPECT_EQ(child->log->ret,
		  record_timer(&self->record, 0)->overrun_last);
}

/* A thread that is gone cannot be named. */
static void *end_after_making_a_timer(void *arg __maybe_unused)
{
	timers_child->log->tids[1] = sys_gettid();
	timers_child->log->ret = timer_make_for(CLOCK_MONOTONIC,
						SIGEV_THREAD_ID, 40, 0,
						sys_gettid());
	return NULL;
}

static void make_a_timer_for_a_dead_thread(struct child *child)
{
	pthread_t thread;

	timers_child = child;
	child_check(!pthread_create(&thread, NULL, end_after_making_a_timer,
				    NULL));
	child_check(!pthread_join(thread, NULL));
	/* It is joined a moment before it is gone. */
	child_check(eventually(sys_tgkill(getpid(), child->log->tids[1], 0) ==
			       -ESRCH));
	child_check(child->log->ret == 0);
	child_check(!timer_set(0, 0, LONG_NS, 0));
}

TEST_F(stopped, timer_for_a_thread_that_is_gone_is_recorded_without_it)
{
	const struct sigcr_timer *timer;

	ASSERT_TRUE(child_start(&self->child, make_a_timer_for_a_dead_thread,
				NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(1, self->record.timers->entry_count);
	timer = record_timer(&self->record, 0);
	EXPECT_EQ(SIGEV_THREAD_ID, timer->notify);
	EXPECT_EQ(0, timer->notify_tid);
	EXPECT_EQ(SIGCR_TIMER_ARMED, timer->flags);
}

static void ask_for_ids(struct child *child)
{
	struct sigevent event = { .sigev_signo = 40 };
	int id = 4711;

	child->log->ret = prctl(PR_TIMER_CREATE_RESTORE_IDS,
				PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0);
	if (child->log->ret)
		return;
	child_check(!syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
	child_check(id == 4711);
	id = 17;
	child_check(!syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
}

TEST_F(stopped, ids_that_were_asked_for_are_recorded_in_order)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, ask_for_ids, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(0, child->log->ret);
	EXPECT_EQ(SIGCR_PROCESS_TIMER_IDS,
		  self->record.process->section.flags &
		  SIGCR_PROCESS_TIMER_IDS);
	ASSERT_EQ(2, self->record.timers->entry_count);
	EXPECT_EQ(17, record_timer(&self->record, 0)->timer_id);
	EXPECT_EQ(4711, record_timer(&self->record, 1)->timer_id);
	EXPECT_EQ(18, self->record.timers->next_timer_id);
}

TEST_HARNESS_MAIN
