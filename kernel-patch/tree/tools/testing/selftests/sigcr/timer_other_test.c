// SPDX-License-Identifier: GPL-2.0
/*
 * Timers of timer_create(2) that are restored onto another process: one that
 * has created the same ones, as a fresh instance of a program does.
 *
 * Numbers such as (35) name the scenario in the project's list.
 */
#include "stopped.h"
#include "timer.h"

/* The longest time that the kernel knows. */
#define NEVER		0x7fffffffffffffffULL

static struct child *timers_child;

static const clockid_t ordinary_clocks[] = {
	CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID,
	CLOCK_REALTIME,
};

static const clockid_t alarm_clocks[] = {
	CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_BOOTTIME_ALARM,
	CLOCK_REALTIME_ALARM,
};

/* Those of the timers that are made. */
static const clockid_t *clocks = ordinary_clocks;

/* Timers which are the same in each instance: armed, pending, armed, at rest. */
static void make_timers(struct child *child)
{
	int i;

	block_all(child);
	for (i = 0; i < 4; i++)
		child_check(timer_make(clocks[i], 40 + i, i + 1) == i);
}

static void make_and_set_timers(struct child *child)
{
	make_timers(child);
	child_check(!timer_set(0, 0, LONG_NS, 7 * SEC));
	child_check(!timer_set(1, 0, 1 * MS, 10 * MS));
	child_check(!timer_set(2, 0, LONG_NS, 0));
	child_check(await_pending(getpid(), SET_OF(41)));
	usleep(50000);
}

/* Takes the ticks of timer 1, and looks at the others. */
static void take_ticks(struct child *child)
{
	int i;

	for (i = 0; i < 3; i++) {
		child->log->ret = sys_sigtimedwait(SET_OF(41),
						   &child->log->taken[i],
						   PATIENCE_MS);
		if (child->log->ret != 41)
			return;
		child->log->taken_count++;
	}
	child->log->value = timer_left(0) / SEC << 32 | timer_left(2) / SEC;
	child->log->mask = timer_left(3);
}

static void set_timers_of_a_fresh_instance(struct __test_metadata *_metadata,
					   struct _test_data_stopped *self,
					   enum stop how)
{
	struct child *child = &self->child, other = {};
	__s64 overrun;

	ASSERT_TRUE(child_start(child, make_and_set_timers, NULL));
	ASSERT_TRUE(child_stop(child, how));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	overrun = record_timer(&self->record, 1)->overrun;
	ASSERT_GE(overrun, 4);
	ASSERT_TRUE(child_start(&other, make_timers, take_ticks));
	ASSERT_TRUE(child_stop(&other, how));
	record_rename(&self->record, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd,
				    SIGRESTORE_DRY_RUN));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	ASSERT_EQ(0, record_timer(&self->again, 0)->flags);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	record_forget_times(&self->record);
	record_forget_times(&self->again);
	EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_go(&other));
	ASSERT_EQ(3, other.log->taken_count);
	EXPECT_GE(other.log->taken[0].si_overrun, overrun);
	EXPECT_LT(other.log->taken[0].si_overrun, overrun + 10000);
	EXPECT_EQ(2, other.log->taken[0].si_int);
	EXPECT_EQ(1, other.log->taken[0].si_timerid);
	EXPECT_GT(other.log->value >> 32, LONG_NS / SEC / 2);
	EXPECT_GT(other.log->value & 0xffffffff, LONG_NS / SEC / 2);
	EXPECT_EQ(0, other.log->mask);
	child_end(&other);
}

/* (35) */
TEST_F(stopped, timers_of_a_fresh_instance_are_set_and_go_on)
{
	set_timers_of_a_fresh_instance(_metadata, self, variant->how);
}

/* (35) */
TEST_F(stopped, alarms_of_a_fresh_instance_are_set_and_go_on)
{
	if (!has_alarm_clocks())
		SKIP(return, "no alarm clocks");
	clocks = alarm_clocks;
	set_timers_of_a_fresh_instance(_metadata, self, variant->how);
}

/* (35) And back: what runs is set to rest, what is pending is taken away. */
TEST_F(stopped, timers_are_set_to_rest_and_their_signals_taken_away)
{
	struct child *child = &self->child, other = {};
	struct proc_signals signals;

	ASSERT_TRUE(child_start(child, make_timers, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(&other, make_and_set_timers, NULL));
	ASSERT_TRUE(child_stop(&other, variant->how));
	record_rename(&self->record, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd, 0));
	usleep(50000);
	ASSERT_TRUE(proc_signals(other.pid, &signals));
	EXPECT_EQ(0, signals.shared_pending);
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	child_end(&other);
}

static void make_three_timers(struct child *child)
{
	block_all(child);
	child_check(timer_make(CLOCK_MONOTONIC, 40, 1) == 0);
	child_check(timer_make(CLOCK_BOOTTIME, 41, 2) == 1);
	child_check(timer_make(CLOCK_PROCESS_CPUTIME_ID, 42, 3) == 2);
}

static void make_five_timers(struct child *child)
{
	make_timers(child);
	child_check(timer_make(CLOCK_MONOTONIC, 44, 5) == 4);
	child_check(!timer_set(4, 0, 1 * MS, 5 * MS));
}

static void make_another_timer(struct child *child)
{
	make_three_timers(child);
	child_check(timer_make(CLOCK_TAI, 43, 4) == 3);
}

/* A CPU clock stands still with the process: not a nanosecond is lost. */
TEST_F(stopped, time_of_a_cpu_clock_is_kept_to_the_nanosecond)
{
	static const __u64 rows[] = {
		1, 999999999, SEC, LONG_NS + 1, NEVER - SEC, NEVER - 1,
		NEVER,
	};
	struct child *child = &self->child;
	struct sigcr_timer *timer;
	size_t i;

	ASSERT_TRUE(child_start(child, make_three_timers, NULL));
	STOP_AND_TAKE(&self->record);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		TH_LOG("%llu ns", rows[i]);
		timer = (struct sigcr_timer *)record_timer(&self->record, 2);
		timer->flags = SIGCR_TIMER_ARMED;
		timer->remaining_ns = rows[i];
		record_seal(&self->record);
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		ASSERT_STREQ("", record_read(&self->again, child->pidfd, 0));
		EXPECT_EQ(rows[i], record_timer(&self->again, 2)->remaining_ns);
		EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	}
}

/* Nobody can create or delete a timer of another process. */
TEST_F(stopped, process_with_other_timers_is_refused_and_left_as_it_was)
{
	static const struct {
		const char *what;
		void (*setup)(struct child *child);
		int error;
	} rows[] = {
		{ "none", block_all, EOPNOTSUPP },
		{ "one too few", make_three_timers, EOPNOTSUPP },
		{ "one too many", make_five_timers, EOPNOTSUPP },
		{ "another one", make_another_timer, EBUSY },
	};
	struct child *child = &self->child, other = {};
	char before[1024], after[1024];
	struct record given = {};
	size_t i;

	ASSERT_TRUE(child_start(child, make_and_set_timers, NULL));
	STOP_AND_TAKE(&self->record);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		TH_LOG("%s", rows[i].what);
		ASSERT_TRUE(child_start(&other, rows[i].setup, take_all));
		ASSERT_TRUE(child_stop(&other, variant->how));
		ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
		record_forget_times(&self->again);
		ASSERT_TRUE(proc_timers(other.pid, before, sizeof(before)));
		record_copy(&given, &self->record);
		record_rename(&given, child->pid, other.pid);
		EXPECT_EQ(-rows[i].error, record_restore(&given, other.pidfd,
							 0));
		EXPECT_EQ(-rows[i].error, record_restore(&given, other.pidfd,
							 SIGRESTORE_DRY_RUN));
		ASSERT_STREQ("", record_read(&given, other.pidfd, 0));
		record_forget_times(&given);
		if (rows[i].setup != make_five_timers)
			EXPECT_TRUE(record_equal(&self->again, &given));
		ASSERT_TRUE(proc_timers(other.pid, after, sizeof(after)));
		EXPECT_STREQ(before, after);
		/* What ran, runs. */
		ASSERT_TRUE(child_resume(&other));
		usleep(20000);
		ASSERT_TRUE(child_go(&other));
		if (rows[i].setup == make_five_timers)
			EXPECT_GE(other.log->taken_count, 1);
		child_end(&other);
	}
	free(given.bytes);
}

/* Without the section, no timer is asked for, and none touched. */
TEST_F(stopped, record_without_timers_leaves_the_timers_alone)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, make_and_set_timers, take_ticks));
	STOP_AND_TAKE(&self->record);
	record_begin(&self->again, child->pid, 0);
	record_add_thread(&self->again, child->pid, ALL_SIGNALS);
	record_add_queue(&self->again, child->pid, SET_OF(50));
	record_seal(&self->again);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(50), self->again.threads[0].pending->set);
	EXPECT_EQ(SIGCR_TIMER_PENDING, record_timer(&self->again, 1)->flags);
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(3, child->log->taken_count);
}

static void *wait_for_ticks(void *arg __maybe_unused)
{
	struct child_log *log = timers_child->log;
	__u64 set = ALL_SIGNALS;

	sys_sigprocmask(SIG_SETMASK, &set, NULL);
	__atomic_store_n(&log->tids[1], sys_gettid(), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&log->stop_threads, __ATOMIC_SEQ_CST))
		usleep(1000);
	while (log->taken_count < 3) {
		if (sys_sigtimedwait(SET_OF(40),
				     &log->taken[log->taken_count],
				     PATIENCE_MS) != 40)
			break;
		log->taken_count++;
	}
	child_report(timers_child);
	for (;;)
		pause();
	return NULL;
}

static void make_a_timer_for_a_thread(struct child *child)
{
	pthread_t thread;

	timers_child = child;
	child_check(!pthread_create(&thread, NULL, wait_for_ticks, NULL));
	child_check(eventually(child->log->tids[1]));
	child_check(timer_make_for(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 40, 9,
				   child->log->tids[1]) == 0);
	child_check(timer_make(THREAD_CPU_CLOCK(child->log->tids[1]), 41, 0) ==
		    1);
}

static void set_the_timer_for_a_thread(struct child *child)
{
	make_a_timer_for_a_thread(child);
	child_check(!timer_set(0, 0, 1 * MS, 10 * MS));
	child_check(!timer_set(1, 0, LONG_NS, 0));
	child_check(await_private(child->log->tids[1], SET_OF(40)));
}

/* (35) */
TEST_F(stopped, timer_of_a_thread_is_carried_over_to_the_thread_of_the_other)
{
	struct child *child = &self->child, other = {};
	struct sigcr_timer *cpu;
	struct record_thread *thread;

	ASSERT_TRUE(child_start(child, set_the_timer_for_a_thread, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(&other, make_a_timer_for_a_thread, NULL));
	ASSERT_TRUE(child_stop(&other, variant->how));
	EXPECT_EQ(child->log->tids[1],
		  record_timer(&self->record, 0)->notify_tid);
	cpu = (void *)record_timer(&self->record, 1);
	EXPECT_EQ(THREAD_CPU_CLOCK(child->log->tids[1]), cpu->clock_id);
	cpu->clock_id = THREAD_CPU_CLOCK(other.log->tids[1]);
	record_rename(&self->record, child->pid, other.pid);
	record_rename(&self->record, child->log->tids[1], other.log->tids[1]);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	thread = record_thread(&self->again, other.log->tids[1]);
	ASSERT_NE(NULL, thread);
	EXPECT_EQ(SET_OF(40), thread->pending->set);
	EXPECT_EQ(SIGCR_TIMER_ARMED, record_timer(&self->again, 1)->flags);
	EXPECT_GT(record_timer(&self->again, 1)->remaining_ns, LONG_NS / 2);
	other.log->stop_threads = true;
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_await_report(&other));
	EXPECT_EQ(3, other.log->taken_count);
	EXPECT_EQ(9, other.log->taken[0].si_int);
	child_end(&other);
}

static void ignore_a_timer(struct child *child __maybe_unused)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };

	child_check(!sys_sigaction(40, &ignore, NULL));
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 0);
	child_check(!timer_set(0, 0, 1 * MS, 10 * MS));
	usleep(50000);
}

static void make_the_timer_only(struct child *child __maybe_unused)
{
	child_check(timer_make(CLOCK_MONOTONIC, 40, 0) == 0);
}

/* To block a signal is not to ignore it any more. */
static void end_the_ignorance(struct child *child)
{
	struct kernel_action dflt = {};

	block_all(child);
	child_check(!sys_sigaction(40, &dflt, NULL));
	child->log->ret = sys_sigtimedwait(SET_OF(40), &child->log->taken[0],
					   PATIENCE_MS);
}

/* (35) */
TEST_F(stopped, ignored_timer_is_carried_over_and_comes_back)
{
	struct child *child = &self->child, other = {};

	ASSERT_TRUE(child_start(child, ignore_a_timer, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_EQ(SIGCR_TIMER_IGNORED, record_timer(&self->record, 0)->flags);
	ASSERT_TRUE(child_start(&other, make_the_timer_only,
				end_the_ignorance));
	ASSERT_TRUE(child_stop(&other, variant->how));
	record_rename(&self->record, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	EXPECT_EQ(SIGCR_TIMER_IGNORED, record_timer(&self->again, 0)->flags);
	/* Onto itself it is taken off the list of the ignored and put back. */
	ASSERT_EQ(0, record_restore(&self->again, other.pidfd, 0));
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_go(&other));
	EXPECT_EQ(40, other.log->ret);
	EXPECT_GT(other.log->taken[0].si_overrun, 0);
	child_end(&other);
}

/* What is there already and ignored is set to rest. */
TEST_F(stopped, ignored_timer_is_set_to_rest)
{
	struct child *child = &self->child, other = {};

	ASSERT_TRUE(child_start(child, make_the_timer_only, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(&other, ignore_a_timer, end_the_ignorance));
	ASSERT_TRUE(child_stop(&other, variant->how));
	record_rename(&self->record, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->record, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	child_end(&other);
}

/* Takes its own record and gives it to itself when it is told. */
static void restore_own_timers(struct child *child)
{
	struct record record = {};
	const int self = PIDFD_SELF_THREAD_GROUP;

	if (*record_read(&record, self, 0)) {
		child->log->ret = -ENODATA;
		return;
	}
	timer_drop(0);
	timer_drop(1);
	child->log->ret = record_restore(&record, self, 0);
	child->log->value = timer_left(1);
	free(record.bytes);
}

/* In the own process siblings have to stand still, whoever stops them. */
TEST_F(stopped, own_timers_are_restored_while_the_siblings_are_stopped)
{
	struct child *child = &self->child;
	pid_t tid;

	ASSERT_TRUE(child_start(child, set_the_timer_for_a_thread,
				restore_own_timers));
	tid = child->log->tids[1];
	if (variant->how != STOP_PTRACE)
		return;
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(-ENODATA, child->log->ret);
	ASSERT_TRUE(ptrace_stop_thread(tid));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(0, child->log->ret);
	EXPECT_GT(child->log->value, LONG_NS / 2);
	EXPECT_LE(child->log->value, LONG_NS);
	ASSERT_TRUE(await_private(tid, SET_OF(40)));
	child->log->stop_threads = true;
	ASSERT_TRUE(ptrace_let_go(tid));
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(3, child->log->taken_count);
}

TEST_HARNESS_MAIN
