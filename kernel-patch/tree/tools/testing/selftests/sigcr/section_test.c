// SPDX-License-Identifier: GPL-2.0
/*
 * Timers, signalfds, waiters and signals in flight that are malformed in a
 * record, or that no process could have: each is refused and changes nothing.
 *
 * Numbers such as (36) name the scenario in the project's list.
 */
#include "refusal.h"
#include <limits.h>
#include <sys/signalfd.h>

#define SEC 1000000000ULL
#define TIME_TOO_LONG 0x8000000000000000ULL

TEST_F(self, impossible_interval_timers_are_einval)
{
	struct sigcr_itimers *itimers = record_add_itimers(&self->record);
	struct sigcr_itimer *timers[] = {
		&itimers->real, &itimers->virt, &itimers->prof,
	};
	size_t i;

	EXPECT_ACCEPTED(&self->record);
	for (i = 0; i < ARRAY_SIZE(timers); i++) {
		timers[i]->remaining_ns = TIME_TOO_LONG - 1;
		timers[i]->interval_ns = TIME_TOO_LONG - 1;
		EXPECT_ACCEPTED(&self->record);
		timers[i]->remaining_ns = TIME_TOO_LONG;
		EXPECT_REFUSED(EINVAL, &self->record);
		timers[i]->remaining_ns = ~0ULL;
		EXPECT_REFUSED(EINVAL, &self->record);
		timers[i]->remaining_ns = 0;
		timers[i]->interval_ns = TIME_TOO_LONG;
		EXPECT_REFUSED(EINVAL, &self->record);
		timers[i]->interval_ns = 0;
	}
	/* What has expired has a period, and nothing remains of it. */
	itimers->section.flags = SIGCR_ITIMERS_REAL_EXPIRED;
	EXPECT_REFUSED(EINVAL, &self->record);
	itimers->real.interval_ns = SEC;
	EXPECT_ACCEPTED(&self->record);
	itimers->real.remaining_ns = SEC;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* A timer that can be restored. */
static const struct sigcr_timer good_timer = {
	.timer_id = 3,
	.clock_id = CLOCK_REALTIME,
	.signo = SIGUSR1,
	.sigval = ~0ULL,
	.flags = SIGCR_TIMER_ARMED,
	.interval_ns = SEC,
	.remaining_ns = SEC,
	.overrun = -1,
};

TEST_F(self, impossible_timer_is_einval)
{
	struct sigcr_timers *timers = record_add_timers(&self->record);
	struct sigcr_timer *timer = record_add_timer(&self->record, timers,
						     &good_timer);

#define WITH(place, value) do {						\
	*timer = good_timer;						\
	(place) = (value);						\
} while (0)
#define REFUSE_WITH(place, value) do {					\
	WITH(place, value);						\
	EXPECT_REFUSED(EINVAL, &self->record)				\
		TH_LOG("%s", #place " = " #value);			\
} while (0)

	EXPECT_ACCEPTED(&self->record);
	WITH(timer->timer_id, INT_MAX);
	EXPECT_ACCEPTED(&self->record);
	REFUSE_WITH(timer->timer_id, -1);
	REFUSE_WITH(timer->timer_id, INT_MIN);
	REFUSE_WITH(timer->notify, 3);
	REFUSE_WITH(timer->notify, 5);
	REFUSE_WITH(timer->notify, 6);
	REFUSE_WITH(timer->notify, ~0U);
	REFUSE_WITH(timer->signo, 0);
	REFUSE_WITH(timer->signo, 65);
	REFUSE_WITH(timer->notify_tid, self->tid);
	REFUSE_WITH(timer->notify_tid, -1);
	REFUSE_WITH(timer->flags, SIGCR_TIMER_ARMED | SIGCR_TIMER_PENDING);
	REFUSE_WITH(timer->flags, SIGCR_TIMER_ARMED | SIGCR_TIMER_IGNORED);
	REFUSE_WITH(timer->flags, SIGCR_TIMER_PENDING | SIGCR_TIMER_IGNORED);
	REFUSE_WITH(timer->flags, SIGCR_TIMER_ARMED | 0x10);
	REFUSE_WITH(timer->flags, SIGCR_TIMER_ARMED | 1U << 31);
	/* At rest it has no times. */
	REFUSE_WITH(timer->flags, 0);
	REFUSE_WITH(timer->remaining_ns, 0);
	REFUSE_WITH(timer->remaining_ns, TIME_TOO_LONG);
	REFUSE_WITH(timer->interval_ns, TIME_TOO_LONG);
	REFUSE_WITH(timer->overrun, -2);
	REFUSE_WITH(timer->overrun, LLONG_MIN);
	REFUSE_WITH(timer->overrun_last, -2);
	WITH(timer->overrun_last, LLONG_MAX);
	EXPECT_ACCEPTED(&self->record);
	/* Ignored: only a periodic one waits. */
	WITH(timer->flags, SIGCR_TIMER_IGNORED);
	EXPECT_ACCEPTED(&self->record);
	timer->interval_ns = 0;
	timer->remaining_ns = 0;
	EXPECT_REFUSED(EINVAL, &self->record);
	/* Who tells nobody has nothing that waits, and may name no signal. */
	WITH(timer->notify, SIGEV_NONE);
	timer->signo = 4711;
	EXPECT_ACCEPTED(&self->record);
	timer->remaining_ns = 0;
	EXPECT_ACCEPTED(&self->record);
	timer->remaining_ns = SEC;
	timer->flags = SIGCR_TIMER_IGNORED;
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->flags = SIGCR_TIMER_PENDING;
	EXPECT_REFUSED(EINVAL, &self->record);
	/* Absolute times are those of one clock, of a timer that runs. */
	REFUSE_WITH(timer->expires_ns, SEC);
	WITH(timer->flags, SIGCR_TIMER_ARMED | SIGCR_TIMER_ABSTIME);
	timer->expires_ns = SEC;
	EXPECT_ACCEPTED(&self->record);
	timer->expires_ns = TIME_TOO_LONG;
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->expires_ns = SEC;
	timer->clock_id = CLOCK_MONOTONIC;
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->clock_id = CLOCK_REALTIME;
	timer->flags = SIGCR_TIMER_ABSTIME;
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->flags = SIGCR_TIMER_IGNORED | SIGCR_TIMER_ABSTIME;
	EXPECT_REFUSED(EINVAL, &self->record);
#undef REFUSE_WITH
#undef WITH
}

TEST_F(self, timers_out_of_order_or_twice_are_einval)
{
	struct sigcr_timers *timers = record_add_timers(&self->record);
	struct sigcr_timer *first, *second;

	first = record_add_timer(&self->record, timers, &good_timer);
	second = record_add_timer(&self->record, timers, &good_timer);
	EXPECT_REFUSED(EINVAL, &self->record);
	second->timer_id = first->timer_id - 1;
	EXPECT_REFUSED(EINVAL, &self->record);
	second->timer_id = first->timer_id + 1;
	EXPECT_ACCEPTED(&self->record);
	timers->next_timer_id = 0x7fffffff;
	EXPECT_ACCEPTED(&self->record);
	timers->next_timer_id = 0x80000000;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (36) A pending timer of which no queue knows, and the other way around. */
TEST_F(self, pending_timer_and_its_entry_belong_together)
{
	struct sigcr_pending *queue;
	struct sigcr_timers *timers;
	struct sigcr_timer *timer;
	struct sigcr_entry *entry;
	siginfo_t info;

	timers = record_add_timers(&self->record);
	timer = record_add_timer(&self->record, timers, &good_timer);
	timer->flags = SIGCR_TIMER_PENDING;
	EXPECT_REFUSED(EINVAL, &self->record);
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGUSR1;
	info.si_code = SI_TIMER;
	record_begin(&self->record, getpid(), 0);
	queue = record_add_queue(&self->record, 0, 0);
	entry = record_add_entry(&self->record, queue, &info);
	entry->flags = SIGCR_ENTRY_TIMER;
	entry->timer_id = good_timer.timer_id;
	EXPECT_REFUSED(EINVAL, &self->record);
	timers = record_add_timers(&self->record);
	EXPECT_REFUSED(EINVAL, &self->record);
	timer = record_add_timer(&self->record, timers, &good_timer);
	EXPECT_REFUSED(EINVAL, &self->record);
	timer->flags = SIGCR_TIMER_PENDING;
	EXPECT_ACCEPTED(&self->record);
}

/* More than one timer may send a legacy signal, beside one from elsewhere. */
TEST_F(self, legacy_signals_of_timers_do_not_count_as_queued_twice)
{
	struct sigcr_timers *timers;
	struct sigcr_pending *queue;
	siginfo_t info;
	int i;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGUSR1;
	info.si_code = SI_USER;
	queue = record_add_queue(&self->record, 0, 0);
	record_add_entry(&self->record, queue, &info);
	info.si_code = SI_TIMER;
	for (i = 0; i < 2; i++) {
		struct sigcr_entry *entry;

		entry = record_add_entry(&self->record, queue, &info);
		entry->flags = SIGCR_ENTRY_TIMER;
		entry->timer_id = i;
	}
	timers = record_add_timers(&self->record);
	for (i = 0; i < 2; i++) {
		struct sigcr_timer *timer =
			record_add_timer(&self->record, timers, &good_timer);

		timer->timer_id = i;
		timer->flags = SIGCR_TIMER_PENDING;
	}
	EXPECT_ACCEPTED(&self->record);
}

TEST_F(self, impossible_signalfd_is_einval)
{
	struct record *record = &self->record;
	int fd = signalfd(-1, &(sigset_t){}, SFD_NONBLOCK);
	struct sigcr_signalfds *list;
	struct sigcr_signalfd *entry;

	ASSERT_GE(fd, 0);
	list = record_add_signalfds(record);
	EXPECT_ACCEPTED(record);
	entry = record_add_signalfd(record, list, fd, ALL_SIGNALS);
	entry->flags = SFD_NONBLOCK | SFD_CLOEXEC;
	EXPECT_ACCEPTED(record);
	entry->flags = 1;
	EXPECT_REFUSED(EINVAL, record);
	entry->flags = SFD_NONBLOCK | 1U << 31;
	EXPECT_REFUSED(EINVAL, record);
	entry->flags = 0;
	entry->mask = SET_OF(SIGKILL);
	EXPECT_REFUSED(EINVAL, record);
	entry->mask = SET_OF(SIGSTOP);
	EXPECT_REFUSED(EINVAL, record);
	entry->mask = 0;
	entry->fd = -1;
	EXPECT_REFUSED(EINVAL, record);
	entry->fd = fd;
	list->reserved = 1;
	EXPECT_REFUSED(EINVAL, record);
	list->reserved = 0;
	EXPECT_ACCEPTED(record);
	record_add_signalfd(record, list, fd, 0);
	EXPECT_REFUSED(EINVAL, record);
	close(fd);
}

static struct sigcr_inflight *add_inflight(struct record *record, int tid,
					   int signo)
{
	struct sigcr_inflight *inflight =
		record_add(record, SIGCR_SECTION_INFLIGHT, sizeof(*inflight));

	inflight->tid = tid;
	memcpy(inflight->siginfo, &signo, sizeof(signo));
	return inflight;
}

/* (26) It can be read, but nobody could be given it. */
TEST_F(self, signal_in_flight_is_einval)
{
	struct sigcr_thread *thread;

	add_inflight(&self->record, self->tid, SIGUSR1);
	EXPECT_REFUSED(EINVAL, &self->record);
	EXPECT_EQ(-EINVAL, try(&self->record, SIGRESTORE_DRY_RUN));
	record_begin(&self->record, getpid(), 0);
	thread = record_add_thread(&self->record, self->tid, 0);
	thread->section.flags = SIGCR_THREAD_TRACED | SIGCR_THREAD_TRACE_STOP;
	EXPECT_ACCEPTED(&self->record);
	add_inflight(&self->record, self->tid, SIGUSR1);
	EXPECT_REFUSED(EINVAL, &self->record);
}

TEST_F(self, impossible_waiters_are_einval)
{
	struct record *record = &self->record;
	struct sigcr_waiters *list;
	struct sigcr_waiter *waiter, *second;

	list = record_add_list(record, SIGCR_SECTION_WAITERS, sizeof(*waiter));
	EXPECT_ACCEPTED(record);
	waiter = record_add_to_list(record, list);
	waiter->tid = self->tid;
	EXPECT_ACCEPTED(record);
	waiter->id = 1;
	EXPECT_REFUSED(EINVAL, record);
	waiter->id_type = SIGCR_WAIT_PID;
	EXPECT_ACCEPTED(record);
	waiter->id = -1;
	EXPECT_REFUSED(EINVAL, record);
	waiter->id = 1;
	waiter->id_type = SIGCR_WAIT_PGID + 1;
	EXPECT_REFUSED(EINVAL, record);
	waiter->id_type = SIGCR_WAIT_PGID;
	waiter->tid = 0;
	EXPECT_REFUSED(EINVAL, record);
	waiter->tid = self->tid;
	second = record_add_to_list(record, list);
	second->tid = self->tid - 1;
	EXPECT_REFUSED(EINVAL, record);
	/* A thread of io_uring may wait for several. */
	second->tid = self->tid;
	EXPECT_ACCEPTED(record);
	list->reserved = 1;
	EXPECT_REFUSED(EINVAL, record);
}

/* They belong to the process, and stand before or behind the threads. */
TEST_F(self, new_sections_have_their_places)
{
	static const struct {
		__u32 first, second;
		int error;
	} rows[] = {
		{ SIGCR_SECTION_ITIMERS, SIGCR_SECTION_TIMERS, 0 },
		{ SIGCR_SECTION_TIMERS, SIGCR_SECTION_SIGNALFDS, 0 },
		{ SIGCR_SECTION_SIGNALFDS, SIGCR_SECTION_WAITERS, 0 },
		{ SIGCR_SECTION_ITIMERS, SIGCR_SECTION_ITIMERS, EINVAL },
		{ SIGCR_SECTION_TIMERS, SIGCR_SECTION_TIMERS, EINVAL },
		{ SIGCR_SECTION_SIGNALFDS, SIGCR_SECTION_SIGNALFDS, EINVAL },
		{ SIGCR_SECTION_WAITERS, SIGCR_SECTION_WAITERS, EINVAL },
		{ SIGCR_SECTION_TIMERS, SIGCR_SECTION_ITIMERS, EINVAL },
		{ SIGCR_SECTION_SIGNALFDS, SIGCR_SECTION_TIMERS, EINVAL },
		{ SIGCR_SECTION_WAITERS, SIGCR_SECTION_SIGNALFDS, EINVAL },
	};
	struct record *record = &self->record;
	size_t i;
	int part;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		record_begin(record, getpid(), 0);
		for (part = 0; part < 2; part++) {
			__u32 type = part ? rows[i].second : rows[i].first;

			if (type == SIGCR_SECTION_ITIMERS)
				record_add_itimers(record);
			else if (type == SIGCR_SECTION_TIMERS)
				record_add_timers(record);
			else if (type == SIGCR_SECTION_SIGNALFDS)
				record_add_signalfds(record);
			else
				record_add_list(record, type,
						sizeof(struct sigcr_waiter));
		}
		EXPECT_EQ(-rows[i].error, try(record, SIGRESTORE_DRY_RUN))
			TH_LOG("row %zu", i);
	}
	record_begin(record, getpid(), 0);
	record_add_thread(record, self->tid, 0);
	record_add_timers(record);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), 0);
	record_add_list(record, SIGCR_SECTION_WAITERS,
			sizeof(struct sigcr_waiter));
	record_add_thread(record, self->tid, 0);
	EXPECT_REFUSED(EINVAL, record);
}

TEST_F(self, state_of_the_process_in_a_record_of_one_thread_is_einval)
{
	struct record *record = &self->record;

	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_itimers(record);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_timers(record);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_signalfds(record);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_list(record, SIGCR_SECTION_WAITERS,
			sizeof(struct sigcr_waiter));
	EXPECT_REFUSED(EINVAL, record);
}

TEST_F(self, entries_that_do_not_fill_a_new_section_are_einval)
{
	static const __u32 types[] = {
		SIGCR_SECTION_TIMERS, SIGCR_SECTION_SIGNALFDS,
		SIGCR_SECTION_WAITERS,
	};
	static const __u32 lens[] = { 72, 16, 16 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		struct sigcr_signalfds *list;

		record_begin(&self->record, getpid(), 0);
		list = record_add_list(&self->record, types[i], lens[i]);
		EXPECT_ACCEPTED(&self->record);
		list->entry_count = 1;
		EXPECT_REFUSED(EINVAL, &self->record);
		list->entry_count = ~0U;
		EXPECT_REFUSED(EINVAL, &self->record);
		list->entry_count = 0;
		list->entry_len = lens[i] - 8;
		EXPECT_REFUSED(EINVAL, &self->record);
		list->entry_len = 0;
		EXPECT_REFUSED(EINVAL, &self->record);
		list->entry_len = lens[i];
		list->entries_off = 24;
		EXPECT_REFUSED(EINVAL, &self->record);
		list->entries_off = 40;
		EXPECT_REFUSED(EINVAL, &self->record);
	}
}

TEST_HARNESS_MAIN
