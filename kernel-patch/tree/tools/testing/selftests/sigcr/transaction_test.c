// SPDX-License-Identifier: GPL-2.0
/*
 * All or nothing: a refused restore and a dry run leave no trace, neither in
 * the process nor in what its user is charged for.
 *
 * Numbers such as (12) name the scenario in the project's list.
 */
#include "state.h"
#include "stopped.h"

#define LIMIT_COUNT 50
#define CHILD_UID 4242
#define OTHER_UID 4343

static void set_some_state(struct child *child)
{
	struct kernel_action action = {
		.handler = 0x4711,
		.mask = SET_OF(SIGHUP),
	};

	child_check(!sys_sigaction(SIGUSR2, &action, NULL));
	block_all(child);
}

/* A record that would change everything, with no fault yet. */
static void record_all_new(struct record *record, int tid)
{
	struct sigcr_actions *actions;
	struct sigcr_pending *queue;
	siginfo_t info = queued_info(60, 1);

	record_begin(record, tid, 0);
	actions = record_add_actions(record);
	record_add_action(record, actions, SIGHUP)->handler = 1;
	queue = record_add_queue(record, 0, SET_OF(SIGURG));
	record_add_entry(record, queue, &info);
	record_add_thread(record, tid, SET_OF(60) | SET_OF(61));
	record_add_altstack(record, tid, SS_AUTODISARM, 0x10000, 65536);
	queue = record_add_queue(record, tid, 0);
	info.si_signo = 61;
	record_add_entry(record, queue, &info);
}

static void add_unknown_thread(struct record *record)
{
	record_add_thread(record, 1 << 28, 0);
}

static void add_pending_sigkill(struct record *record)
{
	record_add_thread(record, 1 << 28, 0);
	record_add_queue(record, 1 << 28, SET_OF(SIGKILL));
}

static void add_mandatory_section(struct record *record)
{
	record_add(record, SIGCR_SECTION_MANDATORY | 0x55, 16);
}

static void add_more_than_the_limit(struct record *record)
{
	struct sigcr_pending *queue;
	siginfo_t info = queued_info(60, 1);
	int tid, i;

	tid = ((struct sigcr_header *)record->bytes)->tgid;
	record_begin(record, tid, 0);
	record_add_actions(record);
	record_add_thread(record, tid, 0);
	queue = record_add_queue(record, tid, 0);
	for (i = 0; i < 4000; i++)
		record_add_entry(record, queue, &info);
}

/* SIGTSTP is pending for the process, which this record leaves alone. */
static void continue_a_thread_of_a_process_to_be_stopped(struct record *record)
{
	int tid = ((struct sigcr_header *)record->bytes)->tgid;

	record_begin(record, tid, 0);
	record_add_actions(record);
	record_add_thread(record, tid, 0);
	record_add_queue(record, tid, SET_OF(SIGCONT));
}

static const struct {
	const char *what;
	int error;
	void (*spoil)(struct record *record);
} refusals[] = {
	{ "unknown thread", ESRCH, add_unknown_thread },
	{ "pending SIGKILL", EINVAL, add_pending_sigkill },
	{ "unknown mandatory section", EOPNOTSUPP, add_mandatory_section },
	{ "over the limit", EAGAIN, add_more_than_the_limit },
	{ "SIGCONT beside a pending stop signal", EINVAL,
	  continue_a_thread_of_a_process_to_be_stopped },
};

static void limit_queue_to_200(struct child *child)
{
	struct rlimit limit = { 200, 200 };

	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
	set_some_state(child);
}

/* (3) (4) (12) (17) */
TEST_F(stopped, refused_restore_changes_nothing_nor_does_its_dry_run)
{
	struct child *child = &self->child;
	struct state before = {};
	size_t i;

	ASSERT_TRUE(child_start(child, limit_queue_to_200, NULL));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, send_shared(child->pid, 40 + i, i));
		ASSERT_EQ(0, send_private(child->pid, child->pid, 40 + i, i));
	}
	ASSERT_EQ(0, send_shared(child->pid, SIGTSTP, 1));
	ASSERT_TRUE(child_stop(child, variant->how));
	ASSERT_TRUE(state_take(&before, child));
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		record_all_new(&self->record, child->pid);
		refusals[i].spoil(&self->record);
		record_seal(&self->record);
		EXPECT_EQ(-refusals[i].error,
			  record_restore(&self->record, child->pidfd, 0))
			TH_LOG("%s", refusals[i].what);
		EXPECT_EQ(-refusals[i].error,
			  record_restore(&self->record, child->pidfd,
					 SIGRESTORE_DRY_RUN)) {
			TH_LOG("%s, dry", refusals[i].what);
		}
		EXPECT_STREQ("", state_compare(&before, child))
			TH_LOG("%s", refusals[i].what);
	}
	free(before.record.bytes);
}

TEST_F(stopped, dry_run_of_a_good_record_changes_nothing)
{
	struct child *child = &self->child;
	struct state before = {};

	ASSERT_TRUE(child_start(child, set_some_state, NULL));
	ASSERT_TRUE(send_mixture(child, false));
	ASSERT_TRUE(child_stop(child, variant->how));
	ASSERT_TRUE(state_take(&before, child));
	record_all_new(&self->record, child->pid);
	record_seal(&self->record);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd,
				    SIGRESTORE_DRY_RUN));
	EXPECT_STREQ("", state_compare(&before, child));
	/* The record is one that does change things. */
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	EXPECT_STRNE("", state_compare(&before, child));
	free(before.record.bytes);
}

/* A user of its own, so that nobody else's signals are counted. */
static void become_a_limited_user(struct child *child)
{
	struct rlimit limit = { LIMIT_COUNT, LIMIT_COUNT };

	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
	child_check(!syscall(SYS_setresuid, CHILD_UID, CHILD_UID, CHILD_UID));
	/* Changing the user clears it. */
	die_with(child->parent);
	block_all(child);
}

/* Adds a queue of @count real-time signals. */
static void add_queue_of(struct record *record, int tid, int count)
{
	struct sigcr_pending *queue = record_add_queue(record, tid, 0);
	int i;

	for (i = 0; i < count; i++) {
		siginfo_t info = queued_info(40 + i % 20, i);

		record_add_entry(record, queue, &info);
	}
}

/* (12) (13) */
TEST_F(stopped, limit_counts_what_the_restore_frees_and_what_it_leaves)
{
	static const struct {
		int shared_count, private_count;	/* -1: left alone */
		int error;
	} rows[] = {
		/* At first there are 30 shared and 20 private ones. */
		{ LIMIT_COUNT + 1, 0, EAGAIN },
		{ 31, 20, EAGAIN },
		{ 31, -1, EAGAIN },
		{ -1, 21, EAGAIN },
		{ 30, 20, 0 },
		{ LIMIT_COUNT, 0, 0 },
		{ 0, LIMIT_COUNT, 0 },
		{ 1, -1, EAGAIN },
		{ 25, 25, 0 },
		{ -1, 26, EAGAIN },
		{ 24, 26, 0 },
	};
	struct record *record = &self->record;
	struct child *child = &self->child;
	struct proc_signals signals;
	struct state before = {};
	size_t i;
	int n;

	ASSERT_TRUE(child_start(child, become_a_limited_user, NULL));
	for (n = 0; n < 30; n++)
		ASSERT_EQ(0, send_shared(child->pid, 45, n));
	for (n = 0; n < 20; n++)
		ASSERT_EQ(0, send_private(child->pid, child->pid, 46, n));
	ASSERT_EQ(-EAGAIN, send_shared(child->pid, 45, n));
	ASSERT_TRUE(child_stop(child, variant->how));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_TRUE(state_take(&before, child));
		record_begin(record, child->pid, 0);
		if (rows[i].shared_count >= 0)
			add_queue_of(record, 0, rows[i].shared_count);
		if (rows[i].private_count >= 0)
			add_queue_of(record, child->pid, rows[i].private_count);
		record_seal(record);
		EXPECT_EQ(-rows[i].error,
			  record_restore(record, child->pidfd, 0))
			TH_LOG("row %zu", i);
		if (rows[i].error)
			EXPECT_STREQ("", state_compare(&before, child))
				TH_LOG("row %zu", i);
		ASSERT_TRUE(proc_signals(child->pid, &signals));
		EXPECT_EQ(LIMIT_COUNT, signals.queued_count)
			TH_LOG("row %zu", i);
	}
	free(before.record.bytes);
}

/* Restores @record @count times and ends with the number of failures. */
static pid_t start_restorer(const struct record *record, int pidfd, int count,
			    unsigned int flags)
{
	pid_t pid = fork();
	int failure_count = 0;

	if (pid)
		return pid;
	while (count--)
		failure_count += record_restore(record, pidfd, flags) != 0;
	_exit(failure_count > 100 ? 100 : failure_count);
}

/*
 * Whatever is prepared is not charged before it is there: two processes that
 * share a full limit are restored at once, beside a dry run.
 */
TEST_F(stopped, restores_at_the_limit_do_not_disturb_each_other)
{
	struct child *child = &self->child, other;
	pid_t restorers[3];
	int n, status;

	ASSERT_TRUE(child_start(child, become_a_limited_user, NULL));
	ASSERT_TRUE(child_start(&other, become_a_limited_user, NULL));
	for (n = 0; n < LIMIT_COUNT / 2; n++) {
		ASSERT_EQ(0, send_shared(child->pid, 45, n));
		ASSERT_EQ(0, send_shared(other.pid, 45, n));
	}
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_stop(&other, variant->how));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	restorers[0] = start_restorer(&self->record, child->pidfd, 300, 0);
	restorers[1] = start_restorer(&self->again, other.pidfd, 300, 0);
	restorers[2] = start_restorer(&self->record, child->pidfd, 300,
				      SIGRESTORE_DRY_RUN);
	for (n = 0; n < 3; n++) {
		EXPECT_EQ(restorers[n], waitpid(restorers[n], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("restorer %d failed %d times", n,
			       WEXITSTATUS(status));
		}
	}
	child_end(&other);
}

static void become_the_other_user(struct child *child)
{
	child_check(!syscall(SYS_setresuid, OTHER_UID, OTHER_UID, OTHER_UID));
	die_with(child->parent);
}

/* (14) Who is charged is the user that the process is now. */
TEST_F(stopped, signals_are_charged_to_the_present_user)
{
	struct child *child = &self->child;
	struct proc_signals signals;
	__u64 base = queued_count();
	int i;

	ASSERT_TRUE(child_start(child, block_all, become_the_other_user));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, send_shared(child->pid, 40, i));
	EXPECT_EQ(base + 20, queued_count());
	ASSERT_TRUE(child_go(child));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(base + 20, queued_count());
	ASSERT_TRUE(proc_signals(child->pid, &signals));
	EXPECT_EQ(0, signals.queued_count);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	EXPECT_EQ(base, queued_count());
	ASSERT_TRUE(proc_signals(child->pid, &signals));
	EXPECT_EQ(20, signals.queued_count);
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	child_end(child);
	EXPECT_EQ(base, queued_count());
}

/* (20) */
TEST_F(stopped, kill_during_restores_ends_the_target_and_leaks_nothing)
{
	struct child *child = &self->child;
	__u64 base = queued_count();
	int round, status;
	pid_t killer;
	long ret;

	for (round = 0; round < 20; round++) {
		ASSERT_TRUE(child_start(child, set_some_state, NULL));
		ASSERT_TRUE(send_mixture(child, false));
		STOP_AND_TAKE(&self->record);
		killer = fork();
		if (!killer) {
			usleep(200 * round);
			_exit(kill(child->pid, SIGKILL));
		}
		ASSERT_GT(killer, 0);
		do {
			ret = record_restore(&self->record, child->pidfd, 0);
		} while (!ret);
		EXPECT_EQ(-ESRCH, ret);
		ASSERT_EQ(killer, waitpid(killer, NULL, 0));
		ASSERT_EQ(child->pid, waitpid(child->pid, &status, __WALL));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		EXPECT_EQ(-ESRCH, record_restore(&self->record, child->pidfd,
						 0));
		EXPECT_EQ(base, queued_count());
		child_end(child);
	}
}

/* All is given back at the end of a process that was restored often. */
TEST_F(stopped, many_restores_charge_once)
{
	struct child *child = &self->child;
	__u64 base = queued_count(), full;
	int i;

	ASSERT_TRUE(child_start(child, set_some_state, NULL));
	ASSERT_TRUE(send_mixture(child, false));
	full = queued_count();
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(base + self->record.shared->entry_count +
		  self->record.threads[0].pending->entry_count, full);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		ASSERT_EQ(full, queued_count());
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd,
					    SIGRESTORE_DRY_RUN));
		ASSERT_EQ(full, queued_count());
	}
	child_end(child);
	EXPECT_EQ(base, queued_count());
}

TEST_HARNESS_MAIN
