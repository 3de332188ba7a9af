// SPDX-License-Identifier: GPL-2.0
/*
 * The timers of setitimer(2): recorded with what is left of them, and restored
 * so that they go on from there.
 *
 * Numbers such as (33) name the scenario in the project's list.
 */
#include "stopped.h"
#include "timer.h"

#define SELF PIDFD_SELF_THREAD_GROUP

static int handled_count;

static void count_signal(int signo __maybe_unused)
{
	__atomic_fetch_add(&handled_count, 1, __ATOMIC_SEQ_CST);
}

static int handled(void)
{
	return __atomic_load_n(&handled_count, __ATOMIC_SEQ_CST);
}

TEST_F(stopped, process_without_interval_timers_has_all_zeros)
{
	static const struct sigcr_itimer none;
	const struct sigcr_itimers *itimers;

	ASSERT_TRUE(child_start(&self->child, NULL, NULL));
	STOP_AND_TAKE(&self->record);
	itimers = self->record.itimers;
	EXPECT_EQ(0, itimers->section.flags);
	EXPECT_EQ(0, memcmp(&none, &itimers->real, sizeof(none)));
	EXPECT_EQ(0, memcmp(&none, &itimers->virt, sizeof(none)));
	EXPECT_EQ(0, memcmp(&none, &itimers->prof, sizeof(none)));
}

static void set_three_timers(struct child *child)
{
	child->log->value = now_ns(CLOCK_MONOTONIC);
	child_check(!itimer_set(ITIMER_REAL, 1000 * SEC, 7 * SEC));
	child_check(!itimer_set(ITIMER_VIRTUAL, 2000 * SEC, 8 * SEC));
	child_check(!itimer_set(ITIMER_PROF, 3000 * SEC, 0));
}

/* What is left may only have become less, by no more than has passed. */
#define EXPECT_LEFT(left_ns, set_ns, passed_ns) do {			\
	__u64 left = (left_ns), set = (set_ns);				\
									\
	EXPECT_LE(left, set);						\
	EXPECT_GE(left + (passed_ns), set);				\
} while (0)

/* (33) (34) */
TEST_F(stopped, running_timers_are_recorded_with_what_is_left_and_their_period)
{
	struct child *child = &self->child;
	const struct sigcr_itimers *itimers;
	__u64 passed_ns;

	ASSERT_TRUE(child_start(child, set_three_timers, NULL));
	STOP_AND_TAKE(&self->record);
	passed_ns = now_ns(CLOCK_MONOTONIC) - child->log->value;
	itimers = self->record.itimers;
	EXPECT_EQ(0, itimers->section.flags);
	EXPECT_LEFT(itimers->real.remaining_ns, 1000 * SEC, passed_ns);
	EXPECT_EQ(7 * SEC, itimers->real.interval_ns);
	/* The kernel sets them a tick late. */
	EXPECT_LEFT(itimers->virt.remaining_ns, 2000 * SEC + TICK_NS,
		    passed_ns + TICK_NS);
	EXPECT_EQ(8 * SEC, itimers->virt.interval_ns);
	EXPECT_LEFT(itimers->prof.remaining_ns, 3000 * SEC + TICK_NS,
		    passed_ns + TICK_NS);
	EXPECT_EQ(0, itimers->prof.interval_ns);
	/* A stopped process uses no CPU time. */
	TAKE(&self->again);
	EXPECT_EQ(0, memcmp(&itimers->virt, &self->again.itimers->virt,
			    2 * sizeof(itimers->virt)));
	EXPECT_LE(self->again.itimers->real.remaining_ns,
		  itimers->real.remaining_ns);
}

static void log_itimers(struct child *child)
{
	int which;

	for (which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		siginfo_t *info = &child->log->taken[which];

		/* As two numbers, for want of a better place. */
		info->si_int = itimer_left(which) / MS;
		info->si_errno = itimer_interval(which) / MS;
	}
}

/* (33) (34) The time between the two calls is not counted. */
TEST_F(stopped, timers_are_carried_over_to_another_process_with_what_was_left)
{
	struct child *child = &self->child, other = {};
	const struct sigcr_itimers *then, *now;
	__u64 restored_ns, passed_ns;
	siginfo_t *taken;

	ASSERT_TRUE(child_start(child, set_three_timers, NULL));
	STOP_AND_TAKE(&self->record);
	then = self->record.itimers;
	ASSERT_TRUE(child_start(&other, NULL, log_itimers));
	ASSERT_TRUE(child_stop(&other, variant->how));
	usleep(200000);
	record_copy(&self->again, &self->record);
	record_rename(&self->again, child->pid, other.pid);
	restored_ns = now_ns(CLOCK_MONOTONIC);
	ASSERT_EQ(0, record_restore(&self->again, other.pidfd,
				    SIGRESTORE_DRY_RUN));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	ASSERT_EQ(0, self->again.itimers->real.remaining_ns);
	record_copy(&self->again, &self->record);
	record_rename(&self->again, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->again, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	passed_ns = now_ns(CLOCK_MONOTONIC) - restored_ns;
	now = self->again.itimers;
	EXPECT_LEFT(now->real.remaining_ns, then->real.remaining_ns,
		    passed_ns);
	EXPECT_EQ(then->real.interval_ns, now->real.interval_ns);
	EXPECT_LEFT(now->virt.remaining_ns, then->virt.remaining_ns, TICK_NS);
	EXPECT_EQ(then->virt.interval_ns, now->virt.interval_ns);
	EXPECT_LEFT(now->prof.remaining_ns, then->prof.remaining_ns, TICK_NS);
	EXPECT_EQ(then->prof.interval_ns, now->prof.interval_ns);
	/* And it sees them so itself. */
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_go(&other));
	taken = other.log->taken;
	EXPECT_LE(taken[0].si_int, then->real.remaining_ns / MS);
	EXPECT_GT(taken[0].si_int, 900000);
	EXPECT_EQ(7000, taken[0].si_errno);
	EXPECT_GT(taken[1].si_int, 1900000);
	EXPECT_EQ(8000, taken[1].si_errno);
	EXPECT_GT(taken[2].si_int, 2900000);
	EXPECT_EQ(0, taken[2].si_errno);
	child_end(&other);
}

TEST_F(stopped, timers_of_which_nothing_remains_are_stopped)
{
	static const struct sigcr_itimers none;
	const size_t off = sizeof(none.section);
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, set_three_timers, log_itimers));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	record_add_itimers(&self->record);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(0, memcmp((__u8 *)&none + off,
			    (__u8 *)self->again.itimers + off,
			    sizeof(none) - off));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(0, child->log->taken[0].si_int);
	EXPECT_EQ(0, child->log->taken[1].si_int);
	EXPECT_EQ(0, child->log->taken[2].si_int);
}

static void let_periodic_timer_expire(struct child *child)
{
	block_all(child);
	child_check(!itimer_set(ITIMER_REAL, 1 * MS, 10 * MS));
	child_check(await_pending(getpid(), SET_OF(SIGALRM)));
}

static void take_three_alarms(struct child *child)
{
	int i;

	for (i = 0; i < 3; i++) {
		child->log->ret = sys_sigtimedwait(SET_OF(SIGALRM),
						   &child->log->taken[i],
						   PATIENCE_MS);
		if (child->log->ret != SIGALRM)
			return;
		child->log->taken_count++;
	}
}

/* (33) The next tick comes only when the pending signal is taken. */
TEST_F(stopped, expired_periodic_timer_is_marked_and_goes_on_when_it_is_taken)
{
	struct child *child = &self->child, other = {};
	int i;

	ASSERT_TRUE(child_start(child, let_periodic_timer_expire, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(SIGCR_ITIMERS_REAL_EXPIRED,
		  self->record.itimers->section.flags);
	EXPECT_EQ(0, self->record.itimers->real.remaining_ns);
	EXPECT_EQ(10 * MS, self->record.itimers->real.interval_ns);
	EXPECT_EQ(SET_OF(SIGALRM), self->record.shared->set);
	ASSERT_TRUE(child_start(&other, NULL, take_three_alarms));
	ASSERT_TRUE(child_stop(&other, variant->how));
	record_copy(&self->again, &self->record);
	record_rename(&self->again, child->pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->again, other.pidfd, 0));
	usleep(50000);
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	EXPECT_EQ(0, memcmp(self->record.itimers, self->again.itimers,
			    sizeof(*self->record.itimers)));
	EXPECT_EQ(1, count_queued(self->again.shared, SIGALRM));
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_go(&other));
	EXPECT_EQ(3, other.log->taken_count);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(SI_KERNEL, other.log->taken[i].si_code);
	child_end(&other);
}

FIXTURE(self)
{
	struct record record;
	struct record again;
};

FIXTURE_SETUP(self)
{
	struct sigaction action = { .sa_handler = count_signal };
	__u64 set = SET_OF(SIGALRM) | SET_OF(SIGVTALRM) | SET_OF(SIGPROF);

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, sigaction(SIGVTALRM, &action, NULL));
	ASSERT_EQ(0, sigaction(SIGPROF, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
}

FIXTURE_TEARDOWN(self)
{
	free(self->record.bytes);
	free(self->again.bytes);
}

/* (33) With a long period it can be seen that nothing runs meanwhile. */
TEST_F(self, expired_periodic_timer_does_not_run_before_its_signal_is_taken)
{
	siginfo_t info;

	ASSERT_EQ(0, itimer_set(ITIMER_REAL, 1 * MS, LONG_NS));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(SIGALRM)));
	ASSERT_STREQ("", record_read(&self->record, SELF, 0));
	ASSERT_EQ(SIGALRM, sys_sigtimedwait(SET_OF(SIGALRM), &info, 0));
	ASSERT_EQ(0, itimer_set(ITIMER_REAL, 0, 0));
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_EQ(0, itimer_left(ITIMER_REAL));
	EXPECT_EQ(LONG_NS, itimer_interval(ITIMER_REAL));
	usleep(20000);
	EXPECT_EQ(0, itimer_left(ITIMER_REAL));
	ASSERT_EQ(SIGALRM, sys_sigtimedwait(SET_OF(SIGALRM), &info, 0));
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(SIGALRM), &info, 0));
	EXPECT_LE(itimer_left(ITIMER_REAL), LONG_NS);
	EXPECT_GT(itimer_left(ITIMER_REAL), LONG_NS - 600 * SEC);
}

/* (33) */
TEST_F(self, one_shot_that_was_restored_fires_once)
{
	siginfo_t info;
	__u64 start_ns;

	ASSERT_EQ(0, itimer_set(ITIMER_REAL, LONG_NS, 0));
	ASSERT_STREQ("", record_read(&self->record, SELF, 0));
	ASSERT_EQ(0, itimer_set(ITIMER_REAL, 0, 0));
	((struct sigcr_itimers *)self->record.itimers)->real.remaining_ns =
		100 * MS;
	record_reseal(&self->record);
	start_ns = now_ns(CLOCK_MONOTONIC);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_EQ(SIGALRM, sys_sigtimedwait(SET_OF(SIGALRM), &info,
					    PATIENCE_MS));
	EXPECT_GE(now_ns(CLOCK_MONOTONIC) - start_ns, 100 * MS);
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(SIGALRM), &info, 300));
	EXPECT_EQ(0, itimer_left(ITIMER_REAL));
}

/* (34) */
TEST_F(self, cpu_timers_fire_when_the_cpu_time_that_was_left_is_used_up)
{
	static const struct {
		int which, signo;
	} rows[] = {
		{ ITIMER_VIRTUAL, SIGVTALRM }, { ITIMER_PROF, SIGPROF },
	};
	struct sigcr_itimers *itimers;
	__u64 set, start_ns;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		record_begin(&self->record, getpid(), 0);
		itimers = record_add_itimers(&self->record);
		(i ? &itimers->prof : &itimers->virt)->remaining_ns = 200 * MS;
		(i ? &itimers->prof : &itimers->virt)->interval_ns = 30 * MS;
		record_seal(&self->record);
		start_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
		EXPECT_LE(itimer_left(rows[i].which), 200 * MS + TICK_NS);
		set = SET_OF(rows[i].signo);
		handled_count = 0;
		ASSERT_EQ(0, sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
		while (handled() < 1)
			burn_cpu(1 * MS);
		/* The kernel counts CPU time in ticks for these. */
		EXPECT_GE(now_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns,
			  200 * MS - 2 * TICK_NS);
		while (handled() < 3)
			burn_cpu(1 * MS);
		ASSERT_EQ(0, itimer_set(rows[i].which, 0, 0));
	}
}

TEST_F(self, refused_restore_and_dry_run_leave_the_timers_running)
{
	struct sigcr_itimers *itimers;
	__u64 set = SET_OF(SIGALRM);

	ASSERT_EQ(0, sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	ASSERT_EQ(0, itimer_set(ITIMER_REAL, 10 * MS, 10 * MS));
	ASSERT_EQ(0, itimer_set(ITIMER_PROF, LONG_NS, LONG_NS));
	record_begin(&self->record, getpid(), 0);
	itimers = record_add_itimers(&self->record);
	itimers->virt.remaining_ns = LONG_NS;
	record_seal(&self->record);
	EXPECT_EQ(0, record_restore(&self->record, SELF, SIGRESTORE_DRY_RUN));
	record_add_thread(&self->record, 1 << 28, 0);
	record_seal(&self->record);
	EXPECT_EQ(-ESRCH, record_restore(&self->record, SELF, 0));
	EXPECT_EQ(10 * MS, itimer_interval(ITIMER_REAL));
	EXPECT_GT(itimer_left(ITIMER_PROF), LONG_NS / 2);
	EXPECT_EQ(LONG_NS, itimer_interval(ITIMER_PROF));
	EXPECT_EQ(0, itimer_left(ITIMER_VIRTUAL));
	handled_count = 0;
	EXPECT_TRUE(eventually(handled() >= 3));
}

/* Whoever replaces the queue must say what is to become of the timer. */
TEST_F(self, queue_of_an_expired_timer_is_replaced_only_with_the_timer)
{
	struct sigcr_itimers *itimers;
	siginfo_t info;

	ASSERT_EQ(0, itimer_set(ITIMER_REAL, 1 * MS, 10 * MS));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(SIGALRM)));
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, 0);
	record_seal(&self->record);
	EXPECT_EQ(-EBUSY, record_restore(&self->record, SELF, 0));
	/* It is to go on, without the signal. */
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, 0);
	itimers = record_add_itimers(&self->record);
	itimers->real.remaining_ns = 20 * MS;
	itimers->real.interval_ns = 20 * MS;
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_EQ(SIGALRM, sys_sigtimedwait(SET_OF(SIGALRM), &info,
					    PATIENCE_MS));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(SIGALRM)));
	/* It is to end. */
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, 0);
	record_add_itimers(&self->record);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(SET_OF(SIGALRM), &info, 100));
	EXPECT_EQ(0, itimer_left(ITIMER_REAL));
}

static void *sleep_long(void *arg __maybe_unused)
{
	for (;;)
		pause();
	return NULL;
}

/* Other than POSIX timers, these need nobody of one's own to stand still. */
TEST_F(self, timers_are_restored_beside_a_running_sibling)
{
	struct child other;
	pthread_t sibling;

	ASSERT_TRUE(child_start(&other, NULL, NULL));
	ASSERT_EQ(0, pthread_create(&sibling, NULL, sleep_long, NULL));
	record_begin(&self->record, getpid(), 0);
	record_add_itimers(&self->record)->real.remaining_ns = LONG_NS;
	record_seal(&self->record);
	EXPECT_EQ(0, record_restore(&self->record, SELF, 0));
	EXPECT_GT(itimer_left(ITIMER_REAL), LONG_NS / 2);
	/* Another process has to be stopped. */
	EXPECT_EQ(-EBUSY, record_restore(&self->record, other.pidfd, 0));
	child_end(&other);
}

TEST_HARNESS_MAIN
