// SPDX-License-Identifier: GPL-2.0
/*
 * What a process has from its parent and keeps towards it: the signal of its
 * exit, the signal of its parent's death, how it is reaped, whether it can be
 * killed.
 *
 * Numbers such as (39) name the scenario in the project's list.
 */
#include "stopped.h"
#include <linux/sched.h>
#include <sched.h>

#define SELF PIDFD_SELF_THREAD_GROUP

#ifndef CLONE_AUTOREAP
#define CLONE_AUTOREAP 0x400000000ULL
#endif

static struct child *threads_child;

static void set_pdeath_usr1(struct child *child __maybe_unused)
{
	child_check(!prctl(PR_SET_PDEATHSIG, SIGUSR1));
}

static void log_pdeath(struct child *child)
{
	int signo = -1;

	prctl(PR_GET_PDEATHSIG, &signo);
	child->log->value = signo;
}

TEST_F(stopped, pdeath_signal_is_recorded_and_restored)
{
	struct child *child = &self->child;
	struct sigcr_thread *thread;

	ASSERT_TRUE(child_start(child, set_pdeath_usr1, log_pdeath));
	STOP_AND_TAKE(&self->record);
	thread = (void *)self->record.threads[0].thread;
	EXPECT_EQ(SIGUSR1, thread->pdeath_signo);
	thread->pdeath_signo = SIGKILL;
	record_reseal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd,
				    SIGRESTORE_DRY_RUN));
	TAKE(&self->again);
	EXPECT_EQ(SIGUSR1, self->again.threads[0].thread->pdeath_signo);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(SIGKILL, child->log->value);
}

TEST_F(stopped, pdeath_signal_that_the_record_lacks_is_taken_away)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, set_pdeath_usr1, log_pdeath));
	ASSERT_TRUE(child_stop(child, variant->how));
	/* Without a THREAD section it is left alone. */
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, child->pid, 0);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SIGUSR1, self->again.threads[0].thread->pdeath_signo);
	record_begin(&self->record, child->pid, 0);
	record_add_thread(&self->record, child->pid, 0);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(0, child->log->value);
	/* It would not end with the test now. */
	child_end(child);
}

static void *set_own_pdeath(void *arg)
{
	long index = (long)arg;

	prctl(PR_SET_PDEATHSIG, 40 + index);
	__atomic_store_n(&threads_child->log->tids[index], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void give_each_thread_its_own(struct child *child)
{
	pthread_t thread;
	long i;

	threads_child = child;
	for (i = 1; i <= 2; i++) {
		child_check(!pthread_create(&thread, NULL, set_own_pdeath,
					    (void *)i));
		child_check(eventually(child->log->tids[i]));
	}
}

TEST_F(stopped, pdeath_signal_is_that_of_each_thread)
{
	struct child *child = &self->child;
	struct record_thread *thread;
	int i;

	ASSERT_TRUE(child_start(child, give_each_thread_its_own, NULL));
	STOP_AND_TAKE(&self->record);
	for (i = 1; i <= 2; i++) {
		thread = record_thread(&self->record, child->log->tids[i]);
		ASSERT_NE(NULL, thread);
		EXPECT_EQ(40 + i, thread->thread->pdeath_signo);
		((struct sigcr_thread *)thread->thread)->pdeath_signo = 50 + i;
	}
	record_reseal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

TEST(pdeath_signal_of_the_caller_is_restored)
{
	struct record record = {};
	int signo = -1;

	record_begin(&record, getpid(), 0);
	record_add_thread(&record, getpid(), 0)->pdeath_signo = SIGUSR2;
	record_seal(&record);
	ASSERT_EQ(0, record_restore(&record, SELF, 0));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &signo));
	EXPECT_EQ(SIGUSR2, signo);
	ASSERT_STREQ("", record_read(&record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(SIGUSR2, record.threads[0].thread->pdeath_signo);
	free(record.bytes);
}

/* What is restored does what it says. */
TEST(restored_pdeath_signal_is_sent_when_the_parent_dies)
{
	int *shared = shared_memory(2 * sizeof(*shared));
	pid_t parent;

	parent = fork();
	if (!parent) {
		struct record record = {};
		siginfo_t info;
		__u64 set = SET_OF(45);

		if (!fork()) {
			sys_sigprocmask(SIG_BLOCK, &set, NULL);
			record_begin(&record, getpid(), 0);
			record_add_thread(&record, getpid(), set)->pdeath_signo =
				45;
			record_seal(&record);
			if (record_restore(&record, SELF, 0))
				_exit(KSFT_FAIL);
			__atomic_store_n(&shared[0], 1, __ATOMIC_SEQ_CST);
			if (sys_sigtimedwait(set, &info, PATIENCE_MS) == 45)
				__atomic_store_n(&shared[1], 1,
						 __ATOMIC_SEQ_CST);
			_exit(KSFT_PASS);
		}
		eventually(__atomic_load_n(&shared[0], __ATOMIC_SEQ_CST));
		_exit(KSFT_PASS);
	}
	ASSERT_EQ(parent, waitpid(parent, NULL, 0));
	EXPECT_TRUE(eventually(__atomic_load_n(&shared[1], __ATOMIC_SEQ_CST)));
}

/* Starts a child with clone3(2) and stops it; its pid or the error number. */
static pid_t clone_stopped(__u64 flags, int exit_signo, int *pidfd)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = exit_signo,
	};
	pid_t parent = getpid();
	long pid = kernel_answer(syscall(SYS_clone3, &args, sizeof(args)));

	if (!pid) {
		die_with(parent);
		for (;;)
			pause();
	}
	if (pid < 0)
		return pid;
	*pidfd = sys_pidfd_open(pid, 0);
	kill(pid, SIGSTOP);
	if (!eventually(proc_state(pid) == 'T'))
		return -EIO;
	return pid;
}

/* Other tools make SIGCHLD of it. */
TEST(signal_of_the_exit_is_recorded)
{
	static const int signos[] = { 0, SIGCHLD, SIGUSR1, 40, 64 };
	struct record record = {};
	int pidfd, status;
	size_t i;
	pid_t pid;

	sys_sigprocmask(SIG_BLOCK, &(__u64){ ALL_SIGNALS }, NULL);
	for (i = 0; i < ARRAY_SIZE(signos); i++) {
		pid = clone_stopped(0, signos[i], &pidfd);
		ASSERT_GT(pid, 0);
		ASSERT_STREQ("", record_read(&record, pidfd, 0));
		EXPECT_EQ(signos[i], record.process->exit_signo);
		/* It is for the reader: only clone(2) can make it. */
		((struct sigcr_process *)record.process)->exit_signo = SIGHUP;
		record_reseal(&record);
		EXPECT_EQ(0, record_restore(&record, pidfd, 0));
		ASSERT_STREQ("", record_read(&record, pidfd, 0));
		EXPECT_EQ(signos[i], record.process->exit_signo);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
		close(pidfd);
	}
	free(record.bytes);
}

TEST(process_that_reaps_itself_is_marked)
{
	struct record record = {};
	int pidfd;
	pid_t pid;

	pid = clone_stopped(0, SIGCHLD, &pidfd);
	ASSERT_GT(pid, 0);
	ASSERT_STREQ("", record_read(&record, pidfd, 0));
	EXPECT_EQ(SIGCR_PROCESS_STOPPED, record.process->section.flags);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_GOOD_SO_FAR();
	pid = clone_stopped(CLONE_AUTOREAP, 0, &pidfd);
	if (pid == -EINVAL)
		SKIP(return, "no CLONE_AUTOREAP");
	ASSERT_GT(pid, 0);
	ASSERT_STREQ("", record_read(&record, pidfd, 0));
	EXPECT_EQ(SIGCR_PROCESS_STOPPED | SIGCR_PROCESS_AUTOREAP,
		  record.process->section.flags);
	EXPECT_EQ(0, record.process->exit_signo);
	EXPECT_EQ(0, record_restore(&record, pidfd, 0));
	kill(pid, SIGKILL);
	EXPECT_TRUE(eventually(!proc_state(pid)));
	EXPECT_EQ(-ESRCH, record_restore(&record, pidfd, 0));
	free(record.bytes);
}

/* (39) */
TEST_F(stopped, init_of_a_pid_namespace_is_marked_and_stays_so)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start_with(child, CLONE_NEWPID, NULL, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_EQ(SIGCR_PROCESS_UNKILLABLE, self->record.process->section.flags &
		  ~SIGCR_PROCESS_STOPPED);
	((struct sigcr_process *)self->record.process)->section.flags = 0;
	record_reseal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SIGCR_PROCESS_UNKILLABLE, self->again.process->section.flags &
		  ~SIGCR_PROCESS_STOPPED);
}

/* (39) It runs, so that nothing of it can be restored. */
TEST(init_of_the_system_is_marked)
{
	struct record record = {};
	int pidfd = sys_pidfd_open(1, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(-EBUSY, sigckpt(pidfd, NULL, 0, 0));
	ASSERT_STREQ("", record_read(&record, pidfd, SIGCKPT_LIVE));
	EXPECT_EQ(1, record.header->tgid);
	EXPECT_EQ(SIGCR_PROCESS_UNKILLABLE, record.process->section.flags);
	EXPECT_EQ(-EBUSY, record_restore(&record, pidfd, 0));
	record_begin(&record, 1, 0);
	record_add_queue(&record, 0, SET_OF(SIGTERM));
	record_seal(&record);
	EXPECT_EQ(-EBUSY, record_restore(&record, pidfd, 0));
	EXPECT_EQ(-EBUSY, record_restore(&record, pidfd, SIGRESTORE_DRY_RUN));
	free(record.bytes);
}

/* A pidfd of a thread shows the tgid and nothing of the process. */
TEST(record_of_one_thread_has_no_process_section)
{
	struct record record = {};

	ASSERT_STREQ("", record_read(&record, PIDFD_SELF_THREAD, 0));
	EXPECT_NULL(record.process);
	EXPECT_NULL(record.itimers);
	EXPECT_NULL(record.timers);
	EXPECT_NULL(record.actions);
	free(record.bytes);
}

TEST_HARNESS_MAIN
