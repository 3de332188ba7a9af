// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says of a stopped process: actions, masks, alternate stacks,
 * threads. The queues are in queue_test.c.
 *
 * Numbers such as (7) name the scenario in the project's list.
 */
#include "sleep.h"
#include "stopped.h"

static struct child *handler_child;

/* (1) */
TEST_F(stopped, unchanged_process_gives_the_same_bytes_twice)
{
	ASSERT_TRUE(child_start(&self->child, block_all, NULL));
	ASSERT_TRUE(send_mixture(&self->child, true));
	STOP_AND_TAKE(&self->record);
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

TEST_F(stopped, process_without_signal_state_has_an_empty_record)
{
	struct record *record = &self->record;
	struct record_thread *thread;

	ASSERT_TRUE(child_start(&self->child, NULL, NULL));
	STOP_AND_TAKE(record);
	EXPECT_EQ(self->child.pid, record->header->tgid);
	EXPECT_EQ(1, record->header->thread_count);
	EXPECT_EQ(0, record->header->flags);
	EXPECT_EQ(0, record->actions->entry_count);
	EXPECT_EQ(0, record->shared->set);
	EXPECT_EQ(0, record->shared->entry_count);
	thread = record_thread(record, self->child.pid);
	ASSERT_NE(NULL, thread);
	EXPECT_EQ(stop_flags(variant->how), thread->thread->section.flags);
	/* A child of the tests dies with them. */
	EXPECT_EQ(SIGKILL, thread->thread->pdeath_signo);
	EXPECT_EQ(0, thread->thread->blocked);
	EXPECT_EQ(SS_DISABLE, thread->altstack->ss_flags);
	EXPECT_EQ(0, thread->altstack->sp);
	EXPECT_EQ(0, thread->altstack->size);
	EXPECT_EQ(0, thread->pending->set);
	EXPECT_EQ(0, thread->pending->entry_count);
}

/* Field 22 of /proc/<pid>/stat: start of the process in clock ticks. */
static __u64 start_ticks(pid_t pid)
{
	char path[64], text[512], *at;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static void limit_queue_to_123(struct child *child __maybe_unused)
{
	struct rlimit limit = { .rlim_cur = 123, .rlim_max = 456 };

	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
}

TEST_F(stopped, process_section_says_how_it_is_stopped_limited_and_old)
{
	const struct sigcr_process *process;
	__u64 tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
	bool group_stop = variant->how == STOP_SIGNAL;

	ASSERT_TRUE(child_start(&self->child, limit_queue_to_123, NULL));
	STOP_AND_TAKE(&self->record);
	process = self->record.process;
	EXPECT_EQ(group_stop ? SIGCR_PROCESS_STOPPED : 0,
		  process->section.flags);
	EXPECT_EQ(group_stop ? SIGSTOP : 0, process->stop_signo);
	EXPECT_EQ(123, process->rlimit_sigpending_count);
	EXPECT_EQ(start_ticks(self->child.pid),
		  process->start_boottime_ns / tick_ns);
}

/* An action for each signal that can have one, no two of them alike. */
static struct kernel_action distinct_action(int signo)
{
	static const __u64 flags[] = {
		SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_EXPOSE_TAGBITS,
		SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND,
	};
	struct kernel_action action = {
		.handler = 0x10000000 + signo * 0x100001,
		.restorer = 0x700000000000 + signo * 0x1001,
		.flags = SA_RESTORER,
		.mask = 0x9e3779b97f4a7c15 * signo & ALL_SIGNALS,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((signo * 5) >> i & 1)
			action.flags |= flags[i];
	}
	return action;
}

static void set_distinct_actions(struct child *child __maybe_unused)
{
	int signo;

	for (signo = 1; signo <= 64; signo++) {
		struct kernel_action action = distinct_action(signo);

		/* What the kernel does not store is not to be seen. */
		action.flags |= SA_UNSUPPORTED | 0x00200000;
		action.mask |= SET_OF(SIGKILL) | SET_OF(SIGSTOP);
		child_check(sys_sigaction(signo, &action, NULL) ==
			    (signo == SIGKILL || signo == SIGSTOP ?
			     -EINVAL : 0));
	}
}

/* (7) */
TEST_F(stopped, each_of_the_62_actions_is_recorded_as_it_was_set)
{
	int signo;

	ASSERT_TRUE(child_start(&self->child, set_distinct_actions, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(62, self->record.actions->entry_count);
	for (signo = 1; signo <= 64; signo++) {
		struct kernel_action want = distinct_action(signo);
		const struct sigcr_action *action =
			record_action_of(&self->record, signo);

		if (signo == SIGKILL || signo == SIGSTOP)
			continue;
		ASSERT_NE(NULL, action);
		EXPECT_EQ(SIGCR_ABI_NATIVE, action->abi);
		EXPECT_EQ(want.flags, action->flags);
		EXPECT_EQ(want.handler, action->handler);
		EXPECT_EQ(want.restorer, action->restorer);
		EXPECT_EQ(want.mask, action->mask);
	}
}

static void set_almost_default_actions(struct child *child __maybe_unused)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };
	struct kernel_action flagged = { .flags = SA_NOCLDSTOP };
	struct kernel_action masked = { .mask = SET_OF(SIGHUP) };
	struct kernel_action dflt = {};

	child_check(!sys_sigaction(SIGINT, &ignore, NULL));
	child_check(!sys_sigaction(SIGCHLD, &flagged, NULL));
	child_check(!sys_sigaction(SIGUSR1, &masked, NULL));
	child_check(!sys_sigaction(SIGUSR2, &ignore, NULL));
	child_check(!sys_sigaction(SIGUSR2, &dflt, NULL));
}

TEST_F(stopped, default_action_has_no_entry_and_any_other_has)
{
	const struct sigcr_action *action;

	ASSERT_TRUE(child_start(&self->child, set_almost_default_actions,
				NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(3, self->record.actions->entry_count);
	action = record_action_of(&self->record, SIGINT);
	ASSERT_NE(NULL, action);
	EXPECT_EQ((__u64)SIG_IGN, action->handler);
	action = record_action_of(&self->record, SIGCHLD);
	ASSERT_NE(NULL, action);
	EXPECT_EQ((__u64)SIG_DFL, action->handler);
	EXPECT_EQ(SA_NOCLDSTOP, action->flags);
	action = record_action_of(&self->record, SIGUSR1);
	ASSERT_NE(NULL, action);
	EXPECT_EQ(SET_OF(SIGHUP), action->mask);
}

TEST_F(stopped, blocked_set_is_recorded_whole)
{
	ASSERT_TRUE(child_start(&self->child, block_all, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(ALL_SIGNALS, self->record.threads[0].thread->blocked);
}

/*
 * (22) The set to return to is recorded, and the checkpoint changes nothing
 * of what follows. epoll_pwait() ends with the stop, the others go on.
 */
TEST_F(stopped, mask_of_a_sleep_is_not_taken_for_the_thread_s_mask)
{
	struct child *child = &self->child;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(masked_sleeps); i++) {
		TH_LOG("in %s", masked_sleeps[i].name);
		ASSERT_TRUE(child_start(child, set_outer_mask,
					masked_sleeps[i].sleep));
		ASSERT_TRUE(child_fall_asleep(child, masked_sleeps[i].nr));
		STOP_AND_TAKE(&self->record);
		EXPECT_EQ(MASK_OUTER, self->record.threads[0].thread->blocked);
		ASSERT_TRUE(child_resume(child));
		ASSERT_TRUE(child_interrupt(child, SIGUSR1));
		EXPECT_EQ(-EINTR, child->log->ret);
		EXPECT_EQ(MASK_OUTER, child->log->mask);
		EXPECT_TRUE(eventually(child->log->frame_mask));
		EXPECT_EQ(MASK_OUTER, child->log->frame_mask);
		child_end(child);
	}
}

/* What is ignored is thrown away when it is sent, if it is not blocked. */
static void sleep_and_ignore_usr2(struct child *child)
{
	struct kernel_action ignore = { .handler = (__u64)SIG_IGN };
	__u64 set = SET_OF(SIGUSR2);

	sleep_in_sigtimedwait(child);
	child_check(!sys_sigaction(SIGUSR2, &ignore, NULL));
	child_check(!sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
}

/*
 * (23) The kernel holds the mask that the sleep has replaced in a place of its
 * own, which does not count any more afterwards.
 */
TEST_F(stopped, sigtimedwait_shows_the_original_mask_and_ends_with_eintr)
{
	struct child *child = &self->child;
	struct proc_signals signals;

	ASSERT_TRUE(child_start(child, set_outer_mask, sleep_and_ignore_usr2));
	ASSERT_TRUE(child_fall_asleep(child, SYS_rt_sigtimedwait));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(MASK_OUTER, self->record.threads[0].thread->blocked);
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(-EINTR, child->log->ret);
	EXPECT_EQ(MASK_OUTER, child->log->mask);
	ASSERT_TRUE(child_stop(child, variant->how));
	ASSERT_EQ(0, kill(child->pid, SIGUSR2));
	ASSERT_EQ(0, kill(child->pid, SIGHUP));
	ASSERT_TRUE(proc_signals(child->pid, &signals));
	signals.shared_pending &= ~SET_OF(SIGCONT);
	/* A ptracer is told of all signals. */
	EXPECT_EQ(SET_OF(SIGHUP) |
		  (variant->how == STOP_PTRACE ? SET_OF(SIGUSR2) : 0),
		  signals.shared_pending);
}

static __u8 altstack_memory[65536];

static void set_altstack(unsigned int flags)
{
	stack_t altstack = {
		.ss_sp = altstack_memory,
		.ss_size = sizeof(altstack_memory),
		.ss_flags = flags,
	};

	child_check(!sigaltstack(&altstack, NULL));
}

static void set_plain_altstack(struct child *child __maybe_unused)
{
	set_altstack(0);
}

static void set_onstack_altstack(struct child *child __maybe_unused)
{
	set_altstack(SS_ONSTACK);
}

static void set_autodisarm_altstack(struct child *child __maybe_unused)
{
	set_altstack(SS_AUTODISARM);
}

static void set_and_disable_altstack(struct child *child __maybe_unused)
{
	set_altstack(0);
	set_altstack(SS_DISABLE);
}

static void stay_in_handler(int signo __maybe_unused)
{
	child_report(handler_child);
	child_await_go(handler_child);
}

static void stay_on_altstack(struct child *child, unsigned int flags)
{
	struct sigaction action = {
		.sa_handler = stay_in_handler,
		.sa_flags = SA_ONSTACK,
	};

	set_altstack(flags);
	handler_child = child;
	child_check(!sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
}

static void stay_on_plain_altstack(struct child *child)
{
	stay_on_altstack(child, 0);
}

static void stay_on_autodisarm_altstack(struct child *child)
{
	stay_on_altstack(child, SS_AUTODISARM);
}

/* (28) */
TEST_F(stopped, altstack_is_recorded_as_the_kernel_has_it)
{
	static const struct {
		const char *what;
		void (*setup)(struct child *child);
		bool enabled;
		__u32 ss_flags;
	} rows[] = {
		{ "plain", set_plain_altstack, true, 0 },
		{ "with SS_ONSTACK", set_onstack_altstack, true, 0 },
		{ "autodisarm", set_autodisarm_altstack, true, SS_AUTODISARM },
		{ "disabled", set_and_disable_altstack, false, SS_DISABLE },
		{ "in use", stay_on_plain_altstack, true, 0 },
		/* In the handler it is disarmed; the frame has it. */
		{ "disarmed", stay_on_autodisarm_altstack, false, SS_DISABLE },
	};
	const struct sigcr_altstack *altstack;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		TH_LOG("%s", rows[i].what);
		ASSERT_TRUE(child_start(&self->child, rows[i].setup, NULL));
		STOP_AND_TAKE(&self->record);
		altstack = self->record.threads[0].altstack;
		EXPECT_EQ(rows[i].ss_flags, altstack->ss_flags);
		EXPECT_EQ(rows[i].enabled ? (__u64)altstack_memory : 0,
			  altstack->sp);
		EXPECT_EQ(rows[i].enabled ? sizeof(altstack_memory) : 0,
			  altstack->size);
		child_end(&self->child);
	}
}

/* What runs after exec: says so and waits to be killed. */
static int after_exec(int ready_fd)
{
	if (write(ready_fd, "r", 1) != 1)
		return KSFT_FAIL;
	for (;;)
		pause();
}

static void exec_itself(struct child *child)
{
	char number[16];

	set_altstack(SS_AUTODISARM);
	snprintf(number, sizeof(number), "%d", child->ready[1]);
	child_check(!fcntl(child->ready[1], F_SETFD, 0));
	execl("/proc/self/exe", "sigcr", "--after-exec", number, NULL);
	child_check(!"exec worked");
}

/* (29) exec clears address and size but leaves the flags behind. */
TEST_F(stopped, altstack_after_exec_is_disabled)
{
	const struct sigcr_altstack *altstack;

	ASSERT_TRUE(child_start(&self->child, exec_itself, NULL));
	STOP_AND_TAKE(&self->record);
	altstack = self->record.threads[0].altstack;
	EXPECT_EQ(SS_DISABLE, altstack->ss_flags & SS_DISABLE);
	EXPECT_EQ(0, altstack->sp);
	EXPECT_EQ(0, altstack->size);
	/* And such a record can be restored. */
	EXPECT_EQ(0, record_restore(&self->record, self->child.pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* A thread with a mask and an altstack that no other one has. */
static void *distinct_thread(void *arg)
{
	struct child_log *log = handler_child->log;
	long index = (long)arg;
	__u64 set = SET_OF(40 + index);
	stack_t altstack = {
		.ss_sp = altstack_memory + 8192 * index,
		.ss_size = 8192,
	};

	sigaltstack(&altstack, NULL);
	sys_sigprocmask(SIG_SETMASK, &set, NULL);
	__atomic_store_n(&log->tids[index], sys_gettid(), __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void start_threads(struct child *child)
{
	pthread_t thread;
	long i;

	handler_child = child;
	for (i = 1; i < 4; i++) {
		child_check(!pthread_create(&thread, NULL, distinct_thread,
					    (void *)i));
		child_check(eventually(child->log->tids[i]));
	}
	child->log->tids[0] = sys_gettid();
}

TEST_F(stopped, each_thread_has_its_own_state)
{
	struct child *child = &self->child;
	int i;

	ASSERT_TRUE(child_start(child, start_threads, NULL));
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, send_private(child->pid, child->log->tids[i],
					  40 + i, i));
	}
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(4, self->record.header->thread_count);
	for (i = 1; i < 4; i++) {
		struct record_thread *thread =
			record_thread(&self->record, child->log->tids[i]);

		ASSERT_NE(NULL, thread);
		EXPECT_EQ(SET_OF(40 + i), thread->thread->blocked);
		EXPECT_EQ((__u64)altstack_memory + 8192 * i,
			  thread->altstack->sp);
		EXPECT_EQ(8192, thread->altstack->size);
		EXPECT_EQ(SET_OF(40 + i), thread->pending->set);
		ASSERT_EQ(1, thread->pending->entry_count);
		EXPECT_EQ(i, record_siginfo(thread->pending, 0).si_int);
	}
}

static void *outlive_leader(void *arg __maybe_unused)
{
	struct child *child = handler_child;

	child->log->tids[1] = sys_gettid();
	if (!eventually(proc_state(getpid()) == 'Z'))
		_exit(KSFT_FAIL);
	child_report(child);
	for (;;)
		pause();
	return NULL;
}

static void end_leader(struct child *child)
{
	pthread_t thread;

	handler_child = child;
	child_check(!pthread_create(&thread, NULL, outlive_leader, NULL));
	/* The thread, not the process; and without the library's clean-up. */
	syscall(SYS_exit, 0);
}

/* (41) */
TEST_F(stopped, dead_leader_is_listed_and_the_rest_recorded)
{
	struct child *child = &self->child;
	struct record_thread *leader, *other;

	ASSERT_TRUE(child_start(child, end_leader, NULL));
	ASSERT_EQ(0, send_shared(child->pid, SIGCHLD, 0));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(2, self->record.header->thread_count);
	EXPECT_EQ(child->pid, self->record.header->tgid);
	leader = record_thread(&self->record, child->pid);
	ASSERT_NE(NULL, leader);
	EXPECT_EQ(SIGCR_THREAD_DEAD, leader->thread->section.flags);
	other = record_thread(&self->record, child->log->tids[1]);
	ASSERT_NE(NULL, other);
	EXPECT_EQ(stop_flags(variant->how), other->thread->section.flags);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* (43) */
TEST_F(stopped, io_uring_worker_is_listed_and_left_alone)
{
	struct child *child = &self->child;
	int i, worker_count = 0;

	ASSERT_TRUE(child_start(child, start_io_uring, NULL));
	STOP_AND_TAKE(&self->record);
	if (child->log->ret < 0)
		SKIP(return, "no io_uring: %ld", child->log->ret);
	EXPECT_EQ(2, self->record.header->thread_count);
	for (i = 0; i < self->record.thread_count; i++) {
		const struct record_thread *thread = &self->record.threads[i];

		worker_count += thread->tid != child->pid &&
			thread->thread->section.flags & SIGCR_THREAD_WORKER;
	}
	EXPECT_EQ(1, worker_count);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--after-exec"))
		return after_exec(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
