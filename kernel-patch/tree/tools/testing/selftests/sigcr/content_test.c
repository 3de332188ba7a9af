// SPDX-License-Identifier: GPL-2.0
/*
 * Records that are well formed and yet forbidden: what no process may be given
 * is refused with its error number and changes nothing.
 *
 * Numbers such as (3) name the scenario in the project's list.
 */
#include "refusal.h"

/* The kernel's MINSIGSTKSZ; the C library's may be computed. */
#if defined(__x86_64__)
#define ALTSTACK_SIZE_MIN 2048
#elif defined(__aarch64__)
#define ALTSTACK_SIZE_MIN 5120
#endif

/* (7) */
TEST_F(self, forbidden_action_is_einval)
{
	struct sigcr_actions *actions = record_add_actions(&self->record);
	struct sigcr_action good = {
		.signo = SIGUSR1,
		.flags = SIGCR_ACTION_FLAGS,
		.handler = 0x1000,
		.restorer = 0x2000,
		.mask = ALL_SIGNALS,
	};
	struct sigcr_action *action =
		record_add_action(&self->record, actions, SIGUSR1);
	int bit;

#define REFUSE_WITH(place, value) do {					\
	*action = good;							\
	(place) = (value);						\
	EXPECT_REFUSED(EINVAL, &self->record)				\
		TH_LOG("%s", #place " = " #value);			\
} while (0)

	*action = good;
	EXPECT_ACCEPTED(&self->record);
	REFUSE_WITH(action->signo, 0);
	REFUSE_WITH(action->signo, 65);
	REFUSE_WITH(action->signo, ~0U);
	REFUSE_WITH(action->signo, SIGKILL);
	REFUSE_WITH(action->signo, SIGSTOP);
	REFUSE_WITH(action->abi, SIGCR_ABI_X32 + 1);
	REFUSE_WITH(action->mask, SET_OF(SIGKILL));
	REFUSE_WITH(action->mask, SET_OF(SIGSTOP));
	REFUSE_WITH(action->flags, SA_UNSUPPORTED);
	for (bit = 0; bit < 64; bit++) {
		if (!(SIGCR_ACTION_FLAGS & 1ULL << bit))
			REFUSE_WITH(action->flags, 1ULL << bit);
	}
#undef REFUSE_WITH
}

TEST_F(self, actions_out_of_order_or_twice_are_einval)
{
	struct sigcr_actions *actions = record_add_actions(&self->record);
	struct sigcr_action *first =
		record_add_action(&self->record, actions, SIGUSR1);
	struct sigcr_action *second =
		record_add_action(&self->record, actions, SIGUSR2);

	EXPECT_ACCEPTED(&self->record);
	second->signo = SIGUSR1;
	EXPECT_REFUSED(EINVAL, &self->record);
	first->signo = SIGUSR2;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (20) */
TEST_F(self, pending_sigkill_is_einval)
{
	siginfo_t info = queued_info(SIGKILL, 1);
	struct sigcr_pending *queue =
		record_add_queue(&self->record, 0, SET_OF(SIGKILL));

	EXPECT_REFUSED(EINVAL, &self->record);
	record_add_entry(&self->record, queue, &info);
	EXPECT_REFUSED(EINVAL, &self->record);
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, self->tid, SET_OF(SIGKILL));
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (21) */
TEST_F(self, blocked_sigkill_or_sigstop_is_einval)
{
	struct sigcr_thread *thread =
		record_add_thread(&self->record, self->tid, ALL_SIGNALS);

	EXPECT_ACCEPTED(&self->record);
	thread->blocked = SET_OF(SIGKILL);
	EXPECT_REFUSED(EINVAL, &self->record);
	thread->blocked = SET_OF(SIGSTOP);
	EXPECT_REFUSED(EINVAL, &self->record);
	thread->blocked = ~0ULL;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (10) */
TEST_F(self, legacy_signal_queued_twice_is_einval_and_a_real_time_one_is_not)
{
	struct sigcr_pending *queue =
		record_add_queue(&self->record, self->tid, 0);
	siginfo_t info = queued_info(SIGUSR1, 1);

	record_add_entry(&self->record, queue, &info);
	record_add_entry(&self->record, queue, &info);
	EXPECT_REFUSED(EINVAL, &self->record);
	info.si_signo = 31;
	record_begin(&self->record, getpid(), 0);
	queue = record_add_queue(&self->record, 0, 0);
	record_add_entry(&self->record, queue, &info);
	record_add_entry(&self->record, queue, &info);
	EXPECT_REFUSED(EINVAL, &self->record);
	info.si_signo = 32;
	record_begin(&self->record, getpid(), 0);
	queue = record_add_queue(&self->record, 0, 0);
	record_add_entry(&self->record, queue, &info);
	record_add_entry(&self->record, queue, &info);
	EXPECT_ACCEPTED(&self->record);
	/* One in each queue is normal. */
	info.si_signo = SIGUSR1;
	record_begin(&self->record, getpid(), 0);
	queue = record_add_queue(&self->record, 0, 0);
	record_add_entry(&self->record, queue, &info);
	queue = record_add_queue(&self->record, self->tid, 0);
	record_add_entry(&self->record, queue, &info);
	EXPECT_ACCEPTED(&self->record);
}

/* (17) */
TEST_F(self, sigcont_and_a_stop_signal_both_pending_are_einval)
{
	static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
	struct record *record = &self->record;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stops); i++) {
		record_begin(record, getpid(), 0);
		record_add_queue(record, 0, SET_OF(SIGCONT) | SET_OF(stops[i]));
		EXPECT_REFUSED(EINVAL, record);
		record_begin(record, getpid(), 0);
		record_add_queue(record, 0, SET_OF(SIGCONT));
		record_add_queue(record, self->tid, SET_OF(stops[i]));
		EXPECT_REFUSED(EINVAL, record);
		record_begin(record, getpid(), 0);
		record_add_queue(record, 0, SET_OF(stops[i]));
		record_add_queue(record, self->tid, SET_OF(SIGCONT));
		EXPECT_REFUSED(EINVAL, record);
	}
}

TEST_F(self, malformed_entry_is_einval)
{
	siginfo_t info = queued_info(SIGUSR1, 1);
	struct sigcr_pending *queue =
		record_add_queue(&self->record, self->tid, 0);
	struct sigcr_entry *entry =
		record_add_entry(&self->record, queue, &info);
	static const int bad[] = { 0, -1, 65, 1 << 16 };
	size_t i;

	EXPECT_ACCEPTED(&self->record);
	queue->set = SET_OF(SIGUSR2);
	EXPECT_REFUSED(EINVAL, &self->record);
	queue->set = ALL_SIGNALS & ~SET_OF(SIGCONT);
	EXPECT_ACCEPTED(&self->record);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(entry->siginfo, &bad[i], sizeof(bad[i]));
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("signo %d", bad[i]);
	}
	memcpy(entry->siginfo, &info, sizeof(info.si_signo));
	entry->timer_id = 1;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->timer_id = 0;
	entry->flags = SIGCR_ENTRY_TIMER << 1;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->flags = 1U << 31;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (36) Only a timer itself can queue its signal. */
TEST_F(self, entry_of_a_timer_is_einval)
{
	siginfo_t info = queued_info(SIGALRM, 1);
	struct sigcr_pending *queue = record_add_queue(&self->record, 0, 0);
	struct sigcr_entry *entry =
		record_add_entry(&self->record, queue, &info);

	EXPECT_ACCEPTED(&self->record);
	entry->flags = SIGCR_ENTRY_TIMER;
	EXPECT_REFUSED(EINVAL, &self->record);
	entry->timer_id = 7;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (28) */
TEST_F(self, impossible_altstack_is_einval)
{
	static const struct {
		__u32 ss_flags;
		__u64 sp, size;
	} bad[] = {
		{ SS_ONSTACK, 0x10000, 65536 },
		{ 4, 0x10000, 65536 },
		{ SS_DISABLE, 0x10000, 0 },
		{ SS_DISABLE, 0, 65536 },
		{ 0, 0x10000, ALTSTACK_SIZE_MIN - 1 },
		{ 0, 0x10000, 0 },
		{ SS_AUTODISARM, 0x10000, ALTSTACK_SIZE_MIN - 8 },
	};
	struct sigcr_altstack *altstack =
		record_add_altstack(&self->record, self->tid, 0, 0x10000,
				    65536);
	size_t i;

	EXPECT_ACCEPTED(&self->record);
	altstack->ss_flags = SS_AUTODISARM;
	EXPECT_ACCEPTED(&self->record);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		altstack->ss_flags = bad[i].ss_flags;
		altstack->sp = bad[i].sp;
		altstack->size = bad[i].size;
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("row %zu", i);
	}
	altstack->ss_flags = SS_DISABLE | SS_AUTODISARM;
	altstack->sp = 0;
	altstack->size = 0;
	EXPECT_ACCEPTED(&self->record);
}

static bool sigaltstack_takes(size_t size)
{
	static const stack_t none = { .ss_flags = SS_DISABLE };
	stack_t altstack = { .ss_sp = (void *)0x10000, .ss_size = size };

	if (!kernel_answer(sigaltstack(&altstack, NULL)))
		return !sigaltstack(&none, NULL);
	return false;
}

/*
 * With strict_sas_size, or where the process may use AMX, the frame of this
 * machine has to fit: the kernel says so itself.
 */
TEST_F(self, altstack_is_taken_if_it_is_one_that_sigaltstack_takes)
{
	struct sigcr_altstack *altstack =
		record_add_altstack(&self->record, self->tid, 0, 0x10000,
				    ALTSTACK_SIZE_MIN);
	size_t size = ALTSTACK_SIZE_MIN;

	if (sigaltstack_takes(size)) {
		EXPECT_ACCEPTED(&self->record);
	} else {
		ASSERT_EQ(ENOMEM, errno);
		EXPECT_REFUSED(EINVAL, &self->record);
		EXPECT_EQ(-EINVAL, try(&self->record, SIGRESTORE_DRY_RUN));
	}
	/* They agree to the byte. */
	while (size < 65536 && !sigaltstack_takes(size))
		size++;
	TH_LOG("the smallest is of %zu bytes", size);
	altstack->size = size;
	EXPECT_ACCEPTED(&self->record);
	altstack->size = size - 1;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* An unknown thread is not a fault of the record, and is found later. */
TEST_F(self, thread_that_the_process_lacks_is_esrch)
{
	record_add_thread(&self->record, self->tid + 1, 0);
	EXPECT_REFUSED(ESRCH, &self->record);
	record_begin(&self->record, getpid(), 0);
	record_add_queue(&self->record, 1 << 29, 0);
	EXPECT_REFUSED(ESRCH, &self->record);
}

TEST_HARNESS_MAIN
