// SPDX-License-Identifier: GPL-2.0
/*
 * Round trips: a recorded state is restored onto the process itself or onto
 * another one, and is there by a fresh checkpoint, by /proc, and by what the
 * process sees when it goes on.
 *
 * Numbers such as (8) name the scenario in the project's list.
 */
#include "sleep.h"
#include "stopped.h"

#define DEEP_COUNT 1000
#define MASK_RESTORED (SET_OF(SIGHUP) | SET_OF(64))

static struct child *handler_child;
static __u8 altstack_memory[65536];

/* A second child, which gets the state of the first. */
FIXTURE(pair)
{
	struct child child;
	struct child other;
	struct record record;
	struct record again;
};

FIXTURE_VARIANT(pair)
{
	enum stop how;
};

FIXTURE_VARIANT_ADD(pair, by_ptrace) { .how = STOP_PTRACE };
FIXTURE_VARIANT_ADD(pair, by_a_stop_signal) { .how = STOP_SIGNAL };
FIXTURE_VARIANT_ADD(pair, by_the_freezer) { .how = STOP_FREEZE };

FIXTURE_SETUP(pair)
{
}

FIXTURE_TEARDOWN(pair)
{
	child_end(&self->child);
	child_end(&self->other);
	free(self->record.bytes);
	free(self->again.bytes);
}

/*
 * Restores the record of another process onto @other, which must be stopped.
 * Afterwards a fresh checkpoint of @other, in @again, says the same.
 */
static const char *give_to(const struct child *other,
			   const struct record *record, struct record *again)
{
	int pid = record->header->tgid;
	const char *fault;
	long ret;

	record_copy(again, record);
	record_rename(again, pid, other->pid);
	ret = record_restore(again, other->pidfd, 0);
	if (ret)
		return strerror(-ret);
	fault = record_read(again, other->pidfd, 0);
	if (*fault)
		return fault;
	record_rename(again, other->pid, pid);
	return record_state_equal(record, again) ? "" : "another state";
}

/* Everything at once, none of it the default. */
static void set_everything(struct child *child)
{
	stack_t altstack = {
		.ss_sp = altstack_memory,
		.ss_size = sizeof(altstack_memory),
		.ss_flags = SS_AUTODISARM,
	};
	int signo;

	for (signo = 1; signo <= 64; signo++) {
		struct kernel_action action = {
			.handler = 0x10000000 + signo * 0x100001,
			.restorer = 0x700000000000 + signo * 0x1001,
			.flags = SA_RESTORER | (signo & 1 ? SA_SIGINFO : 0) |
				 (signo & 2 ? SA_RESTART : 0),
			.mask = 0x9e3779b97f4a7c15 * signo & ALL_SIGNALS,
		};

		if (signo != SIGKILL && signo != SIGSTOP)
			child_check(!sys_sigaction(signo, &action, NULL));
	}
	child_check(!sigaltstack(&altstack, NULL));
	block_all(child);
}

/* A record that takes everything away. */
static void record_nothing(struct record *record, int tid)
{
	record_begin(record, tid, 0);
	record_add_actions(record);
	record_add_queue(record, 0, 0);
	record_add_thread(record, tid, 0);
	record_add_altstack(record, tid, SS_DISABLE, 0, 0);
	record_add_queue(record, tid, 0);
	record_seal(record);
}

/* (1) (7) (8) */
TEST_F(stopped, whole_state_comes_back_after_it_was_taken_away)
{
	struct child *child = &self->child;
	struct proc_signals before, between, after;

	ASSERT_TRUE(child_start(child, set_everything, take_all));
	ASSERT_TRUE(send_mixture(child, variant->how != STOP_SIGNAL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(proc_signals(child->pid, &before));

	record_nothing(&self->again, child->pid);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(0, self->again.actions->entry_count);
	EXPECT_EQ(0, self->again.shared->set);
	EXPECT_EQ(0, self->again.threads[0].pending->set);
	EXPECT_EQ(0, self->again.threads[0].thread->blocked);
	EXPECT_EQ(SS_DISABLE, self->again.threads[0].altstack->ss_flags);
	ASSERT_TRUE(proc_signals(child->pid, &between));
	EXPECT_EQ(0, between.private_pending | between.shared_pending |
		  between.blocked | between.caught | between.ignored);
	EXPECT_EQ(before.queued_count - self->record.shared->entry_count -
		  self->record.threads[0].pending->entry_count,
		  between.queued_count);

	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	ASSERT_TRUE(proc_signals(child->pid, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_TRUE(log_has_taken(child->log, self->record.threads[0].pending,
				  self->record.shared));
}

/* (1) */
TEST_F(stopped, restoring_what_is_there_changes_nothing)
{
	struct child *child = &self->child;
	struct proc_signals before, after;

	ASSERT_TRUE(child_start(child, set_everything, NULL));
	ASSERT_TRUE(send_mixture(child, variant->how != STOP_SIGNAL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(proc_signals(child->pid, &before));
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_TRUE(proc_signals(child->pid, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* What rt_sigaction(2) says of each signal. */
static void dump_actions(struct kernel_action *actions)
{
	int signo;

	memset(actions, 0, 64 * sizeof(*actions));
	for (signo = 1; signo <= 64; signo++)
		sys_sigaction(signo, NULL, &actions[signo - 1]);
}

/* (1) */
TEST(restoring_one_s_own_state_changes_nothing)
{
	struct kernel_action before[64], after[64];
	const int self = PIDFD_SELF_THREAD_GROUP;
	struct record record = {}, again = {};
	struct proc_signals then, now;

	dump_actions(before);
	ASSERT_TRUE(proc_signals(getpid(), &then));
	ASSERT_STREQ("", record_read(&record, self, 0));
	EXPECT_EQ(0, record.shared->set);
	ASSERT_EQ(0, record_restore(&record, self, 0));
	ASSERT_TRUE(proc_signals(getpid(), &now));
	EXPECT_EQ(0, memcmp(&then, &now, sizeof(now)));
	dump_actions(after);
	EXPECT_EQ(0, memcmp(before, after, sizeof(after)));
	ASSERT_STREQ("", record_read(&again, self, 0));
	EXPECT_TRUE(record_equal(&record, &again));
	free(record.bytes);
	free(again.bytes);
}

/* (7) (8) */
TEST_F(pair, whole_state_is_carried_over_to_another_process)
{
	struct child *other = &self->other;

	ASSERT_TRUE(child_start(&self->child, set_everything, NULL));
	ASSERT_TRUE(send_mixture(&self->child, variant->how != STOP_SIGNAL));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(other, NULL, take_all));
	ASSERT_TRUE(child_stop(other, variant->how));
	ASSERT_STREQ("", give_to(other, &self->record, &self->again));
	ASSERT_TRUE(child_resume(other));
	ASSERT_TRUE(child_go(other));
	EXPECT_TRUE(log_has_taken(other->log, self->record.threads[0].pending,
				  self->record.shared));
}

/* (9) */
TEST_F(pair, deep_queue_is_carried_over_first_in_first_out)
{
	struct child *child = &self->child, *other = &self->other;
	int i;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	for (i = 0; i < DEEP_COUNT; i++) {
		ASSERT_EQ(0, send_shared(child->pid, 34, i));
		if (i % 100 == 50)
			ASSERT_EQ(0, send_shared(child->pid, 35 + i / 100, i));
	}
	STOP_AND_TAKE(&self->record);
	/* Charged to the user until they are gone. */
	child_end(child);
	ASSERT_TRUE(child_start(other, NULL, take_all));
	ASSERT_TRUE(child_stop(other, variant->how));
	ASSERT_STREQ("", give_to(other, &self->record, &self->again));
	ASSERT_TRUE(child_resume(other));
	ASSERT_TRUE(child_go(other));
	EXPECT_EQ(DEEP_COUNT + 10, other->log->taken_count);
	for (i = 0; i < DEEP_COUNT; i++)
		ASSERT_EQ(i, other->log->taken[i].si_int);
	EXPECT_TRUE(log_has_taken(other->log, self->record.threads[0].pending,
				  self->record.shared));
}

static void log_signal(int signo __maybe_unused, siginfo_t *info,
		       void *ucontext __maybe_unused)
{
	struct child_log *log = handler_child->log;
	stack_t altstack;

	memcpy(&log->taken[log->taken_count++], info, sizeof(*info));
	sys_sigprocmask(SIG_SETMASK, NULL, &log->handler_mask);
	sigaltstack(NULL, &altstack);
	if (altstack.ss_flags == SS_ONSTACK)
		log->value++;
}

static void set_handlers(struct child *child)
{
	struct sigaction action = {
		.sa_sigaction = log_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t altstack = {
		.ss_sp = altstack_memory,
		.ss_size = sizeof(altstack_memory),
	};

	sigaddset(&action.sa_mask, SIGHUP);
	child_check(!sigaction(SIGUSR1, &action, NULL));
	sigaddset(&action.sa_mask, 40);
	child_check(!sigaction(40, &action, NULL));
	child_check(!sigaltstack(&altstack, NULL));
	block_all(child);
}

static void unblock_all(struct child *child)
{
	__u64 set = 0;

	handler_child = child;
	child_check(!sys_sigprocmask(SIG_SETMASK, &set, NULL));
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
}

/* (8) The real handler, with its siginfo, mask and stack. */
TEST_F(pair, handlers_run_in_the_other_process_as_they_would_have)
{
	struct child *child = &self->child, *other = &self->other;
	struct child_log *log;
	siginfo_t want;
	int i;

	ASSERT_TRUE(child_start(child, set_handlers, NULL));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, send_shared(child->pid, 40, 100 + i));
	ASSERT_EQ(0, send_private(child->pid, child->pid, SIGUSR1, 99));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(other, NULL, unblock_all));
	ASSERT_TRUE(child_stop(other, variant->how));
	ASSERT_STREQ("", give_to(other, &self->record, &self->again));
	ASSERT_TRUE(child_resume(other));
	ASSERT_TRUE(child_go(other));
	log = other->log;
	ASSERT_EQ(4, log->taken_count);
	EXPECT_EQ(4, log->value);
	EXPECT_EQ(0, log->mask);
	/*
	 * The frame of a later signal lies above that of an earlier one, so the
	 * three real-time ones run first, the last of them lowest.
	 */
	for (i = 0; i < 4; i++) {
		want = queued_info(log->taken[i].si_signo,
				   log->taken[i].si_int);
		EXPECT_EQ(0, memcmp(&want, &log->taken[i], sizeof(want)));
	}
	EXPECT_EQ(100 + 101 + 102 + 99, log->taken[0].si_int +
		  log->taken[1].si_int + log->taken[2].si_int +
		  log->taken[3].si_int);
}

/* (11) */
TEST_F(stopped, bit_without_an_entry_comes_back_as_a_signal_from_nobody)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_all_and_limit_queue_to_0,
				take_all));
	ASSERT_EQ(0, kill(child->pid, SIGUSR1));
	ASSERT_EQ(0, kill(child->pid, 40));
	ASSERT_EQ(0, send_shared(child->pid, SIGUSR2, 1));
	ASSERT_EQ(0, send_private(child->pid, child->pid, SIGHUP, 1));
	STOP_AND_TAKE(&self->record);
	record_nothing(&self->again, child->pid);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	/* The entry of SIGUSR1 has its room even now, as with kill(). */
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(4, child->log->taken_count);
	EXPECT_TRUE(log_has_taken(child->log, self->record.threads[0].pending,
				  self->record.shared));
}

static void ignore_usr1_and_block_all(struct child *child)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };

	child_check(!sys_sigaction(SIGUSR1, &ignore, NULL));
	block_all(child);
}

/* (15) */
TEST_F(pair, pending_signals_that_are_ignored_survive_until_they_are_unblocked)
{
	struct child *child = &self->child, *other = &self->other;
	struct proc_signals signals;

	ASSERT_TRUE(child_start(child, ignore_usr1_and_block_all, NULL));
	ASSERT_EQ(0, kill(child->pid, SIGUSR1));
	ASSERT_EQ(0, kill(child->pid, SIGCHLD));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_start(other, NULL, unblock_all));
	ASSERT_TRUE(child_stop(other, variant->how));
	ASSERT_STREQ("", give_to(other, &self->record, &self->again));
	ASSERT_TRUE(child_resume(other));
	ASSERT_TRUE(proc_signals(other->pid, &signals));
	EXPECT_EQ(SET_OF(SIGUSR1) | SET_OF(SIGCHLD),
		  signals.shared_pending & ~SET_OF(SIGCONT));
	ASSERT_TRUE(child_go(other));
	ASSERT_TRUE(proc_signals(other->pid, &signals));
	EXPECT_EQ(0, signals.shared_pending);
	EXPECT_TRUE(eventually(proc_state(other->pid) == 'S'));
}

/* (22) */
TEST_F(stopped, mask_restored_in_a_sleep_is_the_one_to_return_to)
{
	struct child *child = &self->child;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(masked_sleeps); i++) {
		TH_LOG("in %s", masked_sleeps[i].name);
		ASSERT_TRUE(child_start(child, set_outer_mask,
					masked_sleeps[i].sleep));
		ASSERT_TRUE(child_fall_asleep(child, masked_sleeps[i].nr));
		ASSERT_TRUE(child_stop(child, variant->how));
		record_begin(&self->record, child->pid, 0);
		record_add_thread(&self->record, child->pid, MASK_RESTORED);
		record_seal(&self->record);
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		TAKE(&self->again);
		EXPECT_EQ(MASK_RESTORED,
			  self->again.threads[0].thread->blocked);
		ASSERT_TRUE(child_resume(child));
		ASSERT_TRUE(child_interrupt(child, SIGUSR1));
		EXPECT_EQ(-EINTR, child->log->ret);
		EXPECT_EQ(MASK_RESTORED, child->log->mask);
		EXPECT_TRUE(eventually(child->log->frame_mask));
		EXPECT_EQ(MASK_RESTORED, child->log->frame_mask);
		child_end(child);
	}
}

/* (23) The stop ends this one, and with it what it had put aside. */
TEST_F(stopped, mask_restored_in_sigtimedwait_is_the_one_afterwards)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, set_outer_mask, sleep_in_sigtimedwait));
	ASSERT_TRUE(child_fall_asleep(child, SYS_rt_sigtimedwait));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	record_add_thread(&self->record, child->pid, MASK_RESTORED);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(-EINTR, child->log->ret);
	EXPECT_EQ(MASK_RESTORED, child->log->mask);
}

static void log_altstack(struct child *child)
{
	sigaltstack(NULL, &child->log->altstack);
}

/* (28) */
TEST_F(stopped, altstack_is_restored_as_the_process_then_sees_it)
{
	static const struct {
		__u32 ss_flags;
		__u64 sp, size;
	} rows[] = {
		{ 0, 0x10000, 65536 },
		{ SS_AUTODISARM, 0x7f0000000000, 8192 },
		{ SS_DISABLE, 0, 0 },
		{ 0, 0x20000, 65536 },
		/* Nobody has ever looked at the address. */
		{ 0, ~0ULL - 4095, 1 << 20 },
		{ SS_DISABLE | SS_AUTODISARM, 0, 0 },
	};
	struct child *child = &self->child;
	size_t i;

	ASSERT_TRUE(child_start(child, NULL, log_altstack));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_TRUE(child_stop(child, variant->how));
		record_begin(&self->record, child->pid, 0);
		record_add_altstack(&self->record, child->pid,
				    rows[i].ss_flags, rows[i].sp, rows[i].size);
		record_seal(&self->record);
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		TAKE(&self->again);
		EXPECT_EQ(rows[i].ss_flags,
			  self->again.threads[0].altstack->ss_flags);
		ASSERT_TRUE(child_resume(child));
		ASSERT_TRUE(child_go(child));
		EXPECT_EQ((int)rows[i].ss_flags, child->log->altstack.ss_flags);
		EXPECT_EQ(rows[i].sp, (__u64)child->log->altstack.ss_sp);
		EXPECT_EQ(rows[i].size, child->log->altstack.ss_size);
	}
}

static bool same(const void *a, const void *b)
{
	const struct sigcr_section *section = a;

	return !memcmp(a, b, section->len);
}

/* Each section alone changes its own part and no other. */
TEST_F(stopped, section_that_is_not_there_is_state_that_is_left_alone)
{
	struct child *child = &self->child;
	struct record *record = &self->record, *again = &self->again;
	siginfo_t info = queued_info(50, 5);
	struct record before = {};
	int tid, part;

	ASSERT_TRUE(child_start(child, set_everything, NULL));
	ASSERT_TRUE(send_mixture(child, false));
	tid = child->pid;
	ASSERT_TRUE(child_stop(child, variant->how));
	for (part = 0; part < 6; part++) {
		const struct record_thread *then, *now;

		ASSERT_STREQ("", record_read(&before, child->pidfd, 0));
		record_begin(record, tid, 0);
		switch (part) {
		case 0:
			record_add_action(record, record_add_actions(record),
					  SIGHUP)->handler = 0x4711;
			break;
		case 1:
			record_add_entry(record, record_add_queue(record, 0, 0),
					 &info);
			break;
		case 2:
			record_add_thread(record, tid, SET_OF(50));
			break;
		case 3:
			record_add_altstack(record, tid, 0, 0x10000, 65536);
			break;
		case 4:
			record_add_entry(record,
					 record_add_queue(record, tid, 0),
					 &info);
			break;
		}
		record_seal(record);
		ASSERT_EQ(0, record_restore(record, child->pidfd, 0));
		TAKE(again);
		then = &before.threads[0];
		now = &again->threads[0];
		EXPECT_EQ(part != 0, same(before.actions, again->actions));
		EXPECT_EQ(part != 1, same(before.shared, again->shared));
		EXPECT_EQ(part != 2, same(then->thread, now->thread));
		EXPECT_EQ(part != 3, same(then->altstack, now->altstack));
		EXPECT_EQ(part != 4, same(then->pending, now->pending));
	}
	EXPECT_EQ(1, again->actions->entry_count);
	EXPECT_EQ(SET_OF(50), again->shared->set);
	EXPECT_EQ(SET_OF(50), again->threads[0].pending->set);
	free(before.bytes);
}

/* PROCESS, and threads that are only listed, are for the reader. */
TEST_F(stopped, informational_sections_are_not_restored)
{
	struct child *child = &self->child;
	struct sigcr_process *process;

	ASSERT_TRUE(child_start(child, set_everything, NULL));
	STOP_AND_TAKE(&self->record);
	record_begin(&self->again, child->pid, 0);
	process = record_add(&self->again, SIGCR_SECTION_PROCESS,
			     sizeof(*process));
	process->section.flags = SIGCR_PROCESS_STOPPED;
	process->stop_signo = SIGTSTP;
	process->rlimit_sigpending_count = 1;
	process->start_boottime_ns = 1;
	record_add_thread(&self->again, child->pid, 0)->section.flags =
		SIGCR_THREAD_WORKER;
	record_add_thread(&self->again, 1 << 28, 0)->section.flags =
		SIGCR_THREAD_DEAD;
	record_seal(&self->again);
	EXPECT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

TEST_HARNESS_MAIN
