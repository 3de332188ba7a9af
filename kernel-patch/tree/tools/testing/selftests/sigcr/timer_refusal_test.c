// SPDX-License-Identifier: GPL-2.0
/*
 * Restores of timers that are refused: each leaves the timers, what they were
 * doing, and their signals as they were, and creates and deletes none.
 *
 * Numbers such as (36) name the scenario in the project's list.
 */
#include "timer.h"

#define SELF PIDFD_SELF_THREAD_GROUP

/* Timers of the fixture, by their ids. */
enum {
	ARMED,
	PENDING,
	IGNORED,
	OF_THREAD,
	TIMER_COUNT,
};

FIXTURE(self)
{
	struct record before;
	struct record record;	/* a copy of it to be spoilt */
	char timers[1024];
	__u64 queued_count;
	siginfo_t info;
	int tid;
};

/* The timer of the record under its id. */
#define TIMER(id) ((struct sigcr_timer *)record_timer(&self->record, id))
/* The one entry of the queue, which is of a timer. */
#define ENTRY(queue) ((struct sigcr_entry *)record_queued(queue, 0))

static void *sleep_until_told(void *arg)
{
	while (!__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
		usleep(1000);
	return NULL;
}

/* A thread whose child keeps it from going on. */
struct vforker {
	pid_t tid;
	bool *done;
	bool has_child;
};

static void *sleep_in_vfork(void *arg)
{
	struct vforker *vforker = arg;

	vforker->tid = sys_gettid();
	if (!vfork()) {
		__atomic_store_n(&vforker->has_child, true, __ATOMIC_SEQ_CST);
		sleep_until_told(vforker->done);
		_exit(0);
	}
	wait(NULL);
	return NULL;
}

FIXTURE_SETUP(self)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };
	__u64 set = SET_OF(40) | SET_OF(41) | SET_OF(43);
	bool done = true;
	pthread_t thread;

	self->tid = sys_gettid();
	/* With the first thread, the C library sets an action of its own. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_until_told, &done));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, sys_sigaction(42, &ignore, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(ARMED, timer_make(CLOCK_MONOTONIC, 40, 0));
	ASSERT_EQ(0, timer_set(ARMED, 0, LONG_NS, LONG_NS));
	ASSERT_EQ(PENDING, timer_make(CLOCK_MONOTONIC, 41, 0));
	ASSERT_EQ(0, timer_set(PENDING, 0, 1 * MS, 10 * MS));
	ASSERT_EQ(IGNORED, timer_make(CLOCK_MONOTONIC, 42, 0));
	ASSERT_EQ(0, timer_set(IGNORED, 0, 1 * MS, 10 * MS));
	ASSERT_EQ(OF_THREAD, timer_make_for(CLOCK_MONOTONIC, SIGEV_THREAD_ID,
					    43, 0, self->tid));
	ASSERT_EQ(0, timer_set(OF_THREAD, 0, 1 * MS, 0));
	ASSERT_TRUE(await_pending(getpid(), SET_OF(41)));
	ASSERT_TRUE(await_private(self->tid, SET_OF(43)));
	usleep(20000);
	ASSERT_TRUE(eventually(sigckpt(SELF, NULL, 0, 0) > 0));
	ASSERT_STREQ("", record_read(&self->before, SELF, 0));
	ASSERT_EQ(SIGCR_TIMER_IGNORED,
		  record_timer(&self->before, IGNORED)->flags);
	record_copy(&self->record, &self->before);
	ASSERT_STREQ("", record_parse(&self->record));
	record_forget_times(&self->before);
	ASSERT_TRUE(proc_timers(getpid(), self->timers, sizeof(self->timers)));
	self->queued_count = queued_count();
}

/* All is as it was, and what was running runs. */
FIXTURE_TEARDOWN(self)
{
	struct kernel_action dflt = {};
	char timers[1024] = "";

	EXPECT_STREQ("", record_read(&self->record, SELF, 0));
	record_forget_times(&self->record);
	EXPECT_TRUE(record_equal(&self->before, &self->record));
	EXPECT_TRUE(proc_timers(getpid(), timers, sizeof(timers)));
	EXPECT_STREQ(self->timers, timers);
	EXPECT_EQ(self->queued_count, queued_count());
	EXPECT_GT(timer_left(ARMED), LONG_NS / 2);
	EXPECT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info, 0));
	EXPECT_EQ(41, sys_sigtimedwait(SET_OF(41), &self->info, PATIENCE_MS));
	EXPECT_EQ(43, sys_sigtimedwait(SET_OF(43), &self->info, 0));
	EXPECT_EQ(0, sys_sigprocmask(SIG_BLOCK, &(__u64){ SET_OF(42) }, NULL));
	EXPECT_EQ(0, sys_sigaction(42, &dflt, NULL));
	EXPECT_EQ(42, sys_sigtimedwait(SET_OF(42), &self->info, PATIENCE_MS));
	free(self->before.bytes);
	free(self->record.bytes);
}

static long try(struct record *record, __u32 flags)
{
	record_seal(record);
	return record_restore(record, SELF, flags);
}

/* Really, and as a dry run before; 1 if that says something else. */
static long try_both(struct record *record)
{
	long ret = try(record, SIGRESTORE_DRY_RUN);

	return try(record, 0) == ret ? ret : 1;
}

#define EXPECT_REFUSED(error, record) EXPECT_EQ(-(error), try_both(record))

/* What was recorded is not refused, so that each test has one fault only. */
TEST_F(self, dry_run_of_what_was_recorded_changes_nothing)
{
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
}

/* (36) */
TEST_F(self, entry_that_does_not_fit_its_timer_is_einval)
{
	struct sigcr_entry *entry = ENTRY(self->record.shared);
	struct sigcr_entry good = *entry;
	siginfo_t info;

	entry->timer_id = 4711;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->timer_id = ARMED;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->timer_id = IGNORED;
	EXPECT_REFUSED(EINVAL, &self->record);
	/* Of another queue. */
	entry->timer_id = OF_THREAD;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->timer_id = -1;
	EXPECT_REFUSED(EINVAL, &self->record);
	*entry = good;
	info = record_siginfo(self->record.shared, 0);
	info.si_code = SI_QUEUE;
	memcpy(entry->siginfo, &info, SIGCR_SIGINFO_LEN);
	EXPECT_REFUSED(EINVAL, &self->record);
	info.si_code = SI_TIMER;
	info.si_signo = 40;
	memcpy(entry->siginfo, &info, SIGCR_SIGINFO_LEN);
	((struct sigcr_pending *)self->record.shared)->set |= SET_OF(40);
	EXPECT_REFUSED(EINVAL, &self->record);
	/* Not marked, it would be a forgery of the timer's signal. */
	*entry = good;
	entry->flags = 0;
	entry->timer_id = 0;
	EXPECT_REFUSED(EINVAL, &self->record);
	*entry = good;
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
}

/* (36) */
TEST_F(self, pending_timer_without_its_entry_is_einval)
{
	struct sigcr_timer good = *TIMER(ARMED);

	TIMER(ARMED)->flags = SIGCR_TIMER_PENDING;
	EXPECT_REFUSED(EINVAL, &self->record);
	*TIMER(ARMED) = good;
	TIMER(PENDING)->flags = SIGCR_TIMER_ARMED;
	EXPECT_REFUSED(EINVAL, &self->record);
	TIMER(PENDING)->flags = SIGCR_TIMER_PENDING;
	/* The thread's timer is said to be one of the process. */
	TIMER(OF_THREAD)->notify = SIGEV_SIGNAL;
	TIMER(OF_THREAD)->notify_tid = 0;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (36) The number of entries is right, but one timer has both. */
TEST_F(self, entry_of_a_timer_twice_is_einval)
{
	struct sigcr_pending *queue;
	struct sigcr_timers *timers;
	siginfo_t info;
	int i;

	memset(&info, 0, sizeof(info));
	info.si_signo = 41;
	info.si_code = SI_TIMER;
	record_begin(&self->record, getpid(), 0);
	queue = record_add_queue(&self->record, 0, 0);
	for (i = 0; i < 2; i++) {
		struct sigcr_entry *entry;

		entry = record_add_entry(&self->record, queue, &info);
		entry->flags = SIGCR_ENTRY_TIMER;
		entry->timer_id = 100;
	}
	timers = record_add_timers(&self->record);
	for (i = 0; i < 2; i++) {
		struct sigcr_timer *timer =
			record_add_timer(&self->record, timers, NULL);

		timer->timer_id = 100 + i;
		timer->signo = 41;
		timer->flags = SIGCR_TIMER_PENDING;
	}
	record_add_queue(&self->record, self->tid, 0);
	EXPECT_REFUSED(EINVAL, &self->record);
	((struct sigcr_entry *)record_queued(queue, 1))->timer_id = 101;
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
}

TEST_F(self, timer_that_was_created_otherwise_is_ebusy)
{
	struct sigcr_timer good = *TIMER(ARMED);

#define REFUSE_WITH(place, value) do {					\
	*TIMER(ARMED) = good;						\
	(place) = (value);						\
	EXPECT_REFUSED(EBUSY, &self->record);				\
} while (0)

	REFUSE_WITH(TIMER(ARMED)->clock_id, CLOCK_BOOTTIME);
	REFUSE_WITH(TIMER(ARMED)->signo, 44);
	REFUSE_WITH(TIMER(ARMED)->sigval, 1);
	REFUSE_WITH(TIMER(ARMED)->notify, SIGEV_NONE);
	REFUSE_WITH(TIMER(ARMED)->notify, SIGEV_THREAD);
#undef REFUSE_WITH
	*TIMER(ARMED) = good;
	TIMER(ARMED)->notify = SIGEV_THREAD_ID;
	TIMER(ARMED)->notify_tid = self->tid;
	EXPECT_REFUSED(EBUSY, &self->record);
	*TIMER(ARMED) = good;
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
}

/* Adds a fifth timer to the record, which would have to be created. */
static struct sigcr_timer *add_new_timer(struct record *record,
					 const struct record *before)
{
	struct sigcr_timers *timers;
	int i;

	record_begin(record, getpid(), 0);
	record_add_queue(record, 0, 0);
	timers = record_add_timers(record);
	for (i = 0; i < TIMER_COUNT; i++) {
		struct sigcr_timer *timer =
			record_add_timer(record, timers,
					 record_timer(before, i));

		timer->flags = 0;
		timer->interval_ns = 0;
		timer->remaining_ns = 0;
		timer->overrun = -1;
	}
	record_add_timer(record, timers, NULL)->timer_id = 100;
	record_add_thread(record, getpid(), 0);
	record_add_queue(record, getpid(), 0);
	return (void *)record_entry(timers, timers->entries_off,
				    timers->entry_len, TIMER_COUNT);
}

TEST_F(self, timer_that_cannot_be_created_is_refused_with_the_kernel_s_error)
{
	struct rlimit limit, none;
	struct sigcr_timer *timer;
	struct child other;

	timer = add_new_timer(&self->record, &self->before);
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
	timer->clock_id = 77;
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->clock_id = CLOCK_MONOTONIC_RAW;
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
	timer->clock_id = CLOCK_MONOTONIC;
	timer->notify = SIGEV_THREAD_ID;
	timer->notify_tid = 1;
	EXPECT_REFUSED(ESRCH, &self->record);
	timer->notify = SIGEV_SIGNAL;
	timer->notify_tid = 0;
	/* By the CPU time of another process, it says nothing about this one. */
	ASSERT_TRUE(child_start(&other, NULL, NULL));
	timer->clock_id = PROCESS_CPU_CLOCK(other.pid);
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
	child_end(&other);
	timer->clock_id = CLOCK_MONOTONIC;
	ASSERT_EQ(0, getrlimit(RLIMIT_SIGPENDING, &limit));
	none = limit;
	none.rlim_cur = 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	EXPECT_REFUSED(EAGAIN, &self->record);
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &limit));
	/* Something else is wrong, which is found when it has been created. */
	timer = add_new_timer(&self->record, &self->before);
	record_add_thread(&self->record, 1 << 28, 0);
	EXPECT_REFUSED(ESRCH, &self->record);
	EXPECT_EQ(~0ULL, timer_left(100));
}

TEST_F(self, queue_of_a_timer_is_replaced_only_with_the_timers)
{
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, 0);
	EXPECT_REFUSED(EBUSY, &self->record);
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, SET_OF(41));
	EXPECT_REFUSED(EBUSY, &self->record);
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, self->tid, 0);
	EXPECT_REFUSED(EBUSY, &self->record);
}

TEST_F(self, timers_are_set_only_with_the_queues_that_hold_their_signals)
{
	struct sigcr_timers *timers;
	int i, part;

	/* Nothing, the queue of the process, that of the thread. */
	for (part = 0; part < 3; part++) {
		record_begin(&self->record, getpid(), 0);
		if (part == 1)
			record_add_queue(&self->record, 0, 0);
		timers = record_add_timers(&self->record);
		for (i = 0; i < TIMER_COUNT; i++) {
			struct sigcr_timer *timer =
				record_add_timer(&self->record, timers,
						 record_timer(&self->before,
							      i));

			timer->flags = 0;
			timer->interval_ns = 0;
			timer->remaining_ns = 0;
			timer->overrun = -1;
		}
		if (part == 2)
			record_add_queue(&self->record, self->tid, 0);
		EXPECT_REFUSED(EBUSY, &self->record);
	}
	/* Both. */
	add_new_timer(&self->record, &self->before);
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
}

/* An ignored timer sleeps until its action changes: by sigaction(2) it does. */
TEST_F(self, actions_of_an_ignored_timer_change_only_with_the_timers)
{
	struct sigcr_actions *actions;
	__u32 i;

	record_begin(&self->record, getpid(), 0);
	actions = record_add_actions(&self->record);
	record_add_action(&self->record, actions, 42)->handler = 0x1000;
	EXPECT_REFUSED(EBUSY, &self->record);
	record_begin(&self->record, getpid(), 0);
	record_add_actions(&self->record);
	EXPECT_REFUSED(EBUSY, &self->record);
	/* What does not change is no matter. */
	record_begin(&self->record, getpid(), 0);
	actions = record_add_actions(&self->record);
	for (i = 0; i < self->before.actions->entry_count; i++) {
		const struct sigcr_action *action =
			record_action(&self->before, i);

		*record_add_action(&self->record, actions, 0) = *action;
	}
	EXPECT_EQ(0, try(&self->record, 0));
}

/* The parent of a vfork cannot be brought to rest. */
TEST_F(self, timers_are_not_set_while_a_sibling_does_not_come_to_rest)
{
	struct vforker vforker = { .done = shared_memory(sizeof(bool)) };
	bool *done = vforker.done;
	pthread_t sibling;

	ASSERT_EQ(0, pthread_create(&sibling, NULL, sleep_in_vfork, &vforker));
	ASSERT_TRUE(eventually(__atomic_load_n(&vforker.has_child,
					       __ATOMIC_SEQ_CST)));
	ASSERT_TRUE(eventually(proc_state(vforker.tid) == 'D'));
	EXPECT_EQ(-EBUSY, try(&self->record, 0));
	/* Nor deleted. */
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 0, 0);
	record_add_timers(&self->record);
	record_add_queue(&self->record, self->tid, 0);
	EXPECT_EQ(-EBUSY, try(&self->record, 0));
	/* A dry run does not bring anybody to rest. */
	EXPECT_EQ(0, try(&self->record, SIGRESTORE_DRY_RUN));
	/* What has nothing to do with timers can be restored. */
	record_begin(&self->record, getpid(), 0);
	record_add_thread(&self->record, self->tid,
			  self->before.threads[0].thread->blocked);
	EXPECT_EQ(0, try(&self->record, 0));
	__atomic_store_n(done, true, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, pthread_join(sibling, NULL));
	/* It is a thread of the process for a moment longer. */
	ASSERT_TRUE(eventually(sys_tgkill(getpid(), vforker.tid, 0)));
}

TEST(process_and_record_without_timers_need_no_standstill)
{
	struct record record = {};
	bool done = false;
	pthread_t sibling;

	ASSERT_EQ(0, pthread_create(&sibling, NULL, sleep_until_told, &done));
	record_begin(&record, getpid(), 0);
	record_add_timers(&record);
	EXPECT_EQ(0, try(&record, 0));
	__atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, pthread_join(sibling, NULL));
}

/* Timers belong to the process. */
TEST_F(self, timers_onto_a_single_thread_are_einval)
{
	record_begin(&self->record, getpid(), 0);
	record_add_timers(&self->record);
	record_seal(&self->record);
	EXPECT_EQ(-EINVAL, record_restore(&self->record, PIDFD_SELF_THREAD, 0));
	record_begin(&self->record, getpid(), 0);
	record_add_itimers(&self->record);
	record_seal(&self->record);
	EXPECT_EQ(-EINVAL, record_restore(&self->record, PIDFD_SELF_THREAD, 0));
}

TEST_HARNESS_MAIN
