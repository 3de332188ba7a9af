// SPDX-License-Identifier: GPL-2.0
/*
 * What a record says of threads under a ptracer or in some other stop: signals
 * in flight, kinds of stop, system calls that were stopped in.
 *
 * Numbers such as (26) name the scenario in the project's list.
 */
#include "child.h"

static struct child *threads_child;

FIXTURE(tracee)
{
	struct child child;
	struct record record;
	struct record again;
};

FIXTURE_SETUP(tracee)
{
}

FIXTURE_TEARDOWN(tracee)
{
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

#define TAKE(record)							\
	ASSERT_STREQ("", record_read(record, self->child.pidfd, 0))

static bool seize(pid_t tid, long options)
{
	return !ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_EXITKILL | options);
}

/* The status that waitpid() gives for the next stop, but for its low byte. */
static int next_stop(pid_t tid)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return -1;
	return status >> 8;
}

static __u32 flags_of(struct record *record, pid_t tid)
{
	struct record_thread *thread = record_thread(record, tid);

	return thread ? thread->thread->section.flags : ~0U;
}

static void ignore_nothing(struct child *child __maybe_unused)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	child_check(!sigaction(SIGCHLD, &action, NULL));
}

static void count_signal(int signo __maybe_unused)
{
	threads_child->log->taken_count++;
}

static void handle_signal_40(struct child *child)
{
	struct sigaction action = { .sa_handler = count_signal };

	threads_child = child;
	child_check(!sigaction(40, &action, NULL));
	ignore_nothing(child);
}

/* (26) */
TEST_F(tracee, signal_in_flight_is_recorded_with_its_siginfo_and_in_no_queue)
{
	struct child *child = &self->child;
	const struct sigcr_inflight *inflight;
	siginfo_t info, held;

	ASSERT_TRUE(child_start(child, handle_signal_40, NULL));
	ASSERT_TRUE(seize(child->pid, 0));
	ASSERT_EQ(0, send_shared(child->pid, 40, 4711));
	ASSERT_EQ(40, next_stop(child->pid));
	ASSERT_EQ(0, send_shared(child->pid, 40, 4712));
	TAKE(&self->record);
	inflight = self->record.threads[0].inflight;
	ASSERT_NE(NULL, inflight);
	EXPECT_EQ(SIGCR_THREAD_TRACED | SIGCR_THREAD_TRACE_STOP,
		  flags_of(&self->record, child->pid));
	info = queued_info(40, 4711);
	EXPECT_EQ(0, memcmp(&info, inflight->siginfo, SIGCR_SIGINFO_LEN));
	ASSERT_EQ(1, self->record.shared->entry_count);
	EXPECT_EQ(4712, record_siginfo(self->record.shared, 0).si_int);
	/* A checkpoint takes nothing from the ptracer. */
	ASSERT_EQ(0, ptrace(PTRACE_GETSIGINFO, child->pid, NULL, &held));
	EXPECT_EQ(4711, held.si_int);
	/* The thread alone, and live, say the same. */
	ASSERT_STREQ("", record_read(&self->again, child->pidfd,
				     SIGCKPT_LIVE));
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	EXPECT_EQ(-EINVAL, record_restore(&self->record, child->pidfd, 0));
	record_begin(&self->again, child->pid, 0);
	record_seal(&self->again);
	EXPECT_EQ(-EBUSY, record_restore(&self->again, child->pidfd, 0));
	EXPECT_EQ(-EBUSY, record_restore(&self->again, child->pidfd,
					 SIGRESTORE_DRY_RUN));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, 40));
	ASSERT_EQ(40, next_stop(child->pid));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, 40));
	EXPECT_TRUE(eventually(child->log->taken_count == 2));
}

/* (26) What the ptracer has made of it is what would be delivered. */
TEST_F(tracee, siginfo_in_flight_is_as_the_ptracer_has_changed_it)
{
	struct child *child = &self->child;
	const struct sigcr_inflight *inflight;
	siginfo_t info;

	ASSERT_TRUE(child_start(child, handle_signal_40, NULL));
	ASSERT_TRUE(seize(child->pid, 0));
	ASSERT_EQ(0, send_shared(child->pid, 40, 1));
	ASSERT_EQ(40, next_stop(child->pid));
	info = queued_info(41, 2);
	ASSERT_EQ(0, ptrace(PTRACE_SETSIGINFO, child->pid, NULL, &info));
	TAKE(&self->record);
	inflight = self->record.threads[0].inflight;
	ASSERT_NE(NULL, inflight);
	EXPECT_EQ(0, memcmp(&info, inflight->siginfo, SIGCR_SIGINFO_LEN));
}

/* (26) What a ptracer itself has caused is no signal. */
TEST_F(tracee, stops_of_other_kinds_have_nothing_in_flight)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, handle_signal_40, NULL));
	ASSERT_TRUE(seize(child->pid, PTRACE_O_TRACESYSGOOD));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_STOP << 8, next_stop(child->pid));
	TAKE(&self->record);
	EXPECT_NULL(self->record.threads[0].inflight);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	/* A stop of a system call, into it or out of it. */
	ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, child->pid, NULL, NULL));
	ASSERT_EQ(SIGTRAP | 0x80, next_stop(child->pid));
	TAKE(&self->record);
	EXPECT_NULL(self->record.threads[0].inflight);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	/* A group stop under a ptracer. */
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, NULL));
	ASSERT_EQ(0, kill(child->pid, SIGSTOP));
	ASSERT_EQ(SIGSTOP, next_stop(child->pid));
	TAKE(&self->record);
	ASSERT_NE(NULL, self->record.threads[0].inflight);
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, SIGSTOP));
	ASSERT_EQ(SIGSTOP | PTRACE_EVENT_STOP << 8, next_stop(child->pid));
	TAKE(&self->record);
	EXPECT_NULL(self->record.threads[0].inflight);
	EXPECT_EQ(SIGCR_PROCESS_STOPPED, self->record.process->section.flags);
	EXPECT_EQ(SIGSTOP, self->record.process->stop_signo);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
}

static void sleep_in_sigsuspend(struct child *child)
{
	__u64 set = SET_OF(SIGTERM);

	child->log->ret = sys_sigsuspend(&set);
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
}

static void log_mask(struct child *child)
{
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
}

static void block_usr2(struct child *child)
{
	__u64 set = SET_OF(SIGUSR2);

	handle_signal_40(child);
	child_check(!sys_sigprocmask(SIG_SETMASK, &set, NULL));
}

/* (27) On its way out of sigsuspend(2) the mask of the sleep still counts. */
TEST_F(tracee, exit_stop_of_sigsuspend_has_the_mask_to_return_to)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_usr2, sleep_in_sigsuspend));
	ASSERT_TRUE(seize(child->pid, PTRACE_O_TRACESYSGOOD));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
					 SYS_rt_sigsuspend)));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_STOP << 8, next_stop(child->pid));
	ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, child->pid, NULL, NULL));
	/* It goes into the call again; then a signal ends it. */
	ASSERT_EQ(SIGTRAP | 0x80, next_stop(child->pid));
	ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, child->pid, NULL, NULL));
	ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
					 SYS_rt_sigsuspend)));
	ASSERT_EQ(0, send_shared(child->pid, 40, 0));
	ASSERT_EQ(SIGTRAP | 0x80, next_stop(child->pid));
	TAKE(&self->record);
	EXPECT_EQ(SET_OF(SIGUSR2), self->record.threads[0].thread->blocked);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, NULL));
	ASSERT_EQ(40, next_stop(child->pid));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, 40));
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(-EINTR, child->log->ret);
	EXPECT_EQ(SET_OF(SIGUSR2), child->log->mask);
	EXPECT_EQ(1, child->log->taken_count);
}

static void exec_itself(struct child *child)
{
	child_check(child);
	execl("/proc/self/exe", "sigcr", "-l", NULL);
}

/* (27) */
TEST_F(tracee, process_stopped_after_its_exec_is_taken)
{
	struct child *child = &self->child;
	__u32 i;

	ASSERT_TRUE(child_start(child, block_usr2, exec_itself));
	ASSERT_TRUE(seize(child->pid, PTRACE_O_TRACEEXEC));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_EXEC << 8, next_stop(child->pid));
	TAKE(&self->record);
	/* No handler survives that, but the mask does. */
	for (i = 0; i < self->record.actions->entry_count; i++)
		EXPECT_LE(record_action(&self->record, i)->handler, 1);
	EXPECT_EQ(SET_OF(SIGUSR2), self->record.threads[0].thread->blocked);
	EXPECT_NULL(self->record.threads[0].inflight);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

static void *stay(void *arg __maybe_unused)
{
	__atomic_store_n(&threads_child->log->tids[1], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void start_a_thread(struct child *child)
{
	pthread_t thread;

	handle_signal_40(child);
	child_check(!pthread_create(&thread, NULL, stay, NULL));
	child_check(eventually(child->log->tids[1]));
}

/* (25) Also where a system call is to return to another mask. */
TEST_F(tracee, mask_that_the_ptracer_sets_after_a_restore_wins)
{
	static const struct {
		void (*then)(struct child *child);
		long nr;
	} rows[] = {
		{ log_mask, SYS_read },
		{ sleep_in_sigsuspend, SYS_rt_sigsuspend },
	};
	struct child *child = &self->child;
	__u64 set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_TRUE(child_start(child, block_usr2, rows[i].then));
		ASSERT_EQ(i, write(child->go[1], "g", i));
		ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
						 rows[i].nr)));
		ASSERT_TRUE(ptrace_stop_thread(child->pid));
		record_begin(&self->record, child->pid, 0);
		record_add_thread(&self->record, child->pid, SET_OF(SIGHUP));
		record_seal(&self->record);
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		ASSERT_EQ(0, ptrace(PTRACE_GETSIGMASK, child->pid, sizeof(set),
				    &set));
		EXPECT_EQ(SET_OF(SIGHUP), set);
		set = SET_OF(SIGTERM);
		ASSERT_EQ(0, ptrace(PTRACE_SETSIGMASK, child->pid, sizeof(set),
				    &set));
		TAKE(&self->again);
		EXPECT_EQ(SET_OF(SIGTERM),
			  self->again.threads[0].thread->blocked);
		ASSERT_TRUE(ptrace_let_go(child->pid));
		ASSERT_TRUE(i ? child_interrupt(child, 40) : child_go(child));
		EXPECT_EQ(SET_OF(SIGTERM), child->log->mask);
		child_end(child);
	}
}

/* Of two threads each is in another stop, and one has a signal in flight. */
TEST_F(tracee, each_thread_says_how_it_is_stopped)
{
	struct child *child = &self->child;
	pid_t tid;

	ASSERT_TRUE(child_start(child, start_a_thread, NULL));
	tid = child->log->tids[1];
	ASSERT_TRUE(seize(tid, 0));
	ASSERT_EQ(0, send_private(child->pid, tid, 40, 5));
	ASSERT_EQ(40, next_stop(tid));
	EXPECT_EQ(-EBUSY, sigckpt(child->pidfd, NULL, 0, 0));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE));
	EXPECT_EQ(SIGCR_THREAD_UNSTABLE, flags_of(&self->record, child->pid));
	EXPECT_EQ(SIGCR_THREAD_TRACED | SIGCR_THREAD_TRACE_STOP,
		  flags_of(&self->record, tid));
	EXPECT_NE(NULL, record_thread(&self->record, tid)->inflight);
	/* The freezer takes what is stopped to be frozen as well. */
	ASSERT_TRUE(child_stop(child, STOP_FREEZE));
	TAKE(&self->record);
	EXPECT_EQ(SIGCR_THREAD_FROZEN, flags_of(&self->record, child->pid));
	EXPECT_EQ(SIGCR_THREAD_TRACED | SIGCR_THREAD_TRACE_STOP,
		  flags_of(&self->record, tid) & ~SIGCR_THREAD_FROZEN);
	ASSERT_NE(NULL, record_thread(&self->record, tid)->inflight);
	EXPECT_NULL(record_thread(&self->record, child->pid)->inflight);
}

/* A tracee that runs is one as well. */
TEST_F(tracee, running_tracee_is_marked_as_traced)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, handle_signal_40, NULL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE));
	EXPECT_EQ(SIGCR_THREAD_UNSTABLE, flags_of(&self->record, child->pid));
	ASSERT_TRUE(seize(child->pid, 0));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd,
				     SIGCKPT_LIVE));
	EXPECT_EQ(SIGCR_THREAD_UNSTABLE | SIGCR_THREAD_TRACED,
		  flags_of(&self->record, child->pid));
}

/* Other tools know two of the four signals that stop a process. */
TEST_F(tracee, group_stop_is_recorded_with_its_signal_and_kept_by_a_restore)
{
	static const int signos[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
	struct child *child = &self->child;
	int status;
	size_t i;

	/* Those but SIGSTOP do not stop a process group that is an orphan. */
	for (i = 0; i < ARRAY_SIZE(signos); i++) {
		ASSERT_TRUE(child_start(child, handle_signal_40, NULL));
		ASSERT_EQ(0, setpgid(child->pid, child->pid));
		ASSERT_EQ(0, kill(child->pid, signos[i]));
		ASSERT_EQ(child->pid, waitpid(child->pid, &status, WUNTRACED));
		ASSERT_EQ(signos[i], WSTOPSIG(status));
		TAKE(&self->record);
		EXPECT_EQ(SIGCR_PROCESS_STOPPED,
			  self->record.process->section.flags);
		EXPECT_EQ(signos[i], self->record.process->stop_signo);
		EXPECT_EQ(SIGCR_THREAD_GROUP_STOP,
			  flags_of(&self->record, child->pid));
		ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		TAKE(&self->again);
		EXPECT_TRUE(record_equal(&self->record, &self->again));
		/* The parent is not told once more. */
		EXPECT_EQ(0, waitpid(child->pid, &status,
				     WUNTRACED | WCONTINUED | WNOHANG));
		EXPECT_EQ('T', proc_state(child->pid));
		child_end(child);
	}
}

TEST_HARNESS_MAIN
