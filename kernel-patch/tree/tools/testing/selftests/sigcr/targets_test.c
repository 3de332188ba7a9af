// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the calls take for a target: what names it, in which states it is found
 * stopped, running, dying or gone, and what of it is then meant.
 *
 * Numbers such as (5) name the scenario in the project's list.
 */
#include "child.h"
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>

#define SELF PIDFD_SELF_THREAD_GROUP

static struct child *threads_child;

FIXTURE(target)
{
	struct child child;
	struct child tracer;
	struct record record;
	struct record again;
};

FIXTURE_SETUP(target)
{
}

FIXTURE_TEARDOWN(target)
{
	/* What it traces can be waited for by nobody else. */
	child_end(&self->tracer);
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

/*
 * What both calls say of @pidfd; 1 if they do not say the same. The record is
 * one that changes nothing.
 */
static long both(int pidfd)
{
	struct record record = {};
	long ckpt, restore;

	record_begin(&record, 1, 0);
	record_seal(&record);
	ckpt = sigckpt(pidfd, NULL, 0, 0);
	restore = record_restore(&record, pidfd, 0);
	free(record.bytes);
	if (ckpt != restore)
		fprintf(stderr, "# sigckpt %ld, sigrestore %ld\n", ckpt, restore);
	return ckpt == restore ? ckpt : 1;
}

/* (5) */
TEST_F(target, what_is_not_a_pidfd_is_ebadf)
{
	int fds[2], proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
	int file = open("/proc/self/stat", O_RDONLY), path;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_GE(proc, 0);
	ASSERT_GE(file, 0);
	path = open("/proc", O_PATH);
	EXPECT_EQ(-EBADF, both(-1));
	EXPECT_EQ(-EBADF, both(AT_FDCWD));
	EXPECT_EQ(-EBADF, both(PIDFD_SELF_THREAD_GROUP - 1));
	EXPECT_EQ(-EBADF, both(1000));
	EXPECT_EQ(-EBADF, both(fds[0]));
	EXPECT_EQ(-EBADF, both(proc));
	EXPECT_EQ(-EBADF, both(file));
	EXPECT_EQ(-EBADF, both(path));
	EXPECT_EQ(-EBADF, both(0x7fffffff));
}

/* (5) */
TEST_F(target, zombie_and_reaped_process_are_esrch)
{
	int pidfd;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(0);
	pidfd = sys_pidfd_open(pid, 0);
	ASSERT_GE(pidfd, 0);
	ASSERT_TRUE(eventually(proc_state(pid) == 'Z'));
	EXPECT_EQ(-ESRCH, both(pidfd));
	EXPECT_EQ(-ESRCH, sigckpt(pidfd, NULL, 0, SIGCKPT_LIVE));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-ESRCH, both(pidfd));
	EXPECT_EQ(-ESRCH, sigckpt(pidfd, NULL, 0, SIGCKPT_LIVE));
}

/* (24) */
TEST_F(target, running_process_is_ebusy)
{
	ASSERT_TRUE(child_start(&self->child, NULL, NULL));
	EXPECT_EQ(-EBUSY, both(self->child.pidfd));
	record_begin(&self->record, self->child.pid, 0);
	record_seal(&self->record);
	EXPECT_EQ(-EBUSY, record_restore(&self->record, self->child.pidfd,
					 SIGRESTORE_DRY_RUN));
}

TEST_F(target, process_that_was_let_go_is_ebusy_again)
{
	static const enum stop ways[] = {
		STOP_PTRACE, STOP_SIGNAL, STOP_FREEZE,
	};
	struct child *child = &self->child;
	size_t i;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		ASSERT_TRUE(child_stop(child, ways[i]));
		EXPECT_GT(sigckpt(child->pidfd, NULL, 0, 0), 0);
		ASSERT_TRUE(child_resume(child));
		ASSERT_TRUE(child_go(child));
		EXPECT_EQ(-EBUSY, both(child->pidfd));
	}
}

/* (24) */
TEST_F(target, process_frozen_by_the_old_freezer_is_ebusy)
{
	const char *root = "/tmp/sigcr-v1-freezer";
	char path[128], state[64];
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	EXPECT_EQ(-EBUSY, both(child->pidfd));
	ASSERT_GOOD_SO_FAR();
	mkdir(root, 0755);
	if (mount("none", root, "cgroup", 0, "freezer"))
		SKIP(return, "no cgroup v1 freezer: %s", strerror(errno));
	snprintf(child->cgroup, sizeof(child->cgroup), "%s/%d", root,
		 child->pid);
	ASSERT_EQ(0, mkdir(child->cgroup, 0755));
	snprintf(path, sizeof(path), "%s/tasks", child->cgroup);
	snprintf(state, sizeof(state), "%d", child->pid);
	EXPECT_TRUE(write_text(path, state));
	snprintf(path, sizeof(path), "%s/freezer.state", child->cgroup);
	EXPECT_TRUE(write_text(path, "FROZEN"));
	EXPECT_TRUE(eventually(read_text(path, state, sizeof(state)) &&
			       !strcmp(state, "FROZEN\n")));
	EXPECT_EQ(-EBUSY, both(child->pidfd));
	EXPECT_TRUE(write_text(path, "THAWED"));
	kill(child->pid, SIGKILL);
	reap(child->pid);
	EXPECT_TRUE(eventually(!rmdir(child->cgroup) || errno != EBUSY));
	child->cgroup[0] = '\0';
	EXPECT_EQ(0, umount(root));
	rmdir(root);
}

static void trace_another(struct child *child)
{
	child->log->ret = !ptrace_stop_thread(child->log->value);
}

/* (25) Whoever stopped it. */
TEST_F(target, process_stopped_by_another_tracer_is_taken)
{
	struct child *child = &self->child;
	struct child *tracer = &self->tracer;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_TRUE(child_start(tracer, NULL, trace_another));
	tracer->log->value = child->pid;
	ASSERT_TRUE(child_go(tracer));
	ASSERT_EQ(0, tracer->log->ret);
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	EXPECT_EQ(ALL_SIGNALS, self->record.threads[0].thread->blocked);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
}

/* (25) */
TEST_F(target, tracee_that_listens_in_a_group_stop_is_taken)
{
	struct child *child = &self->child;
	int status;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child->pid, NULL,
			    PTRACE_O_EXITKILL));
	ASSERT_EQ(0, kill(child->pid, SIGTSTP));
	ASSERT_EQ(0, kill(child->pid, SIGSTOP));
	/* First SIGSTOP itself, then the stop that it makes. */
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	ASSERT_EQ(SIGSTOP, WSTOPSIG(status));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, SIGSTOP));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	ASSERT_EQ(SIGSTOP | PTRACE_EVENT_STOP << 8, status >> 8);
	EXPECT_GT(sigckpt(child->pidfd, NULL, 0, 0), 0);
	ASSERT_EQ(0, ptrace(PTRACE_LISTEN, child->pid, NULL, NULL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	EXPECT_EQ(SET_OF(SIGTSTP), self->record.shared->set);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
}

/* (26) The signal is in no queue, and only the ptracer decides about it. */
TEST_F(target, signal_in_flight_is_recorded_and_a_restore_is_ebusy)
{
	struct child *child = &self->child;
	const struct sigcr_inflight *inflight;
	int status;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child->pid, NULL,
			    PTRACE_O_EXITKILL));
	ASSERT_EQ(0, kill(child->pid, SIGUSR1));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	ASSERT_EQ(SIGUSR1, status >> 8);
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	inflight = record_thread(&self->record, child->pid)->inflight;
	ASSERT_NE(NULL, inflight);
	EXPECT_EQ(SIGUSR1, ((const siginfo_t *)inflight->siginfo)->si_signo);
	EXPECT_EQ(getpid(), ((const siginfo_t *)inflight->siginfo)->si_pid);
	EXPECT_EQ(0, self->record.shared->set);
	EXPECT_EQ(-EINVAL, record_restore(&self->record, child->pidfd, 0));
	record_begin(&self->record, child->pid, 0);
	record_seal(&self->record);
	EXPECT_EQ(-EBUSY, record_restore(&self->record, child->pidfd, 0));
	/* Without it the process is as good as any. */
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, child->pid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child->pid, NULL, NULL));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_STOP << 8, status >> 8);
	EXPECT_GT(sigckpt(child->pidfd, NULL, 0, 0), 0);
}

/* The id of the thread that is not the leader. */
static pid_t second_thread(const struct record *record)
{
	int last = record->thread_count - 1;

	return last == 1 ? record->threads[1].tid : 0;
}

/* A worker can be traced, too, but does not have to be. */
static bool stop_leader_only(struct child *child)
{
	return ptrace_stop_thread(child->pid);
}

static bool stop_all(struct child *child)
{
	return child_stop(child, STOP_SIGNAL);
}

/* (43) Stopped or not: whether it is a worker is asked first. */
TEST_F(target, record_that_names_a_worker_of_the_kernel_is_eperm)
{
	static bool (* const stops[])(struct child *child) = {
		stop_leader_only,
		stop_all,
	};
	struct record *record = &self->record;
	struct child *child = &self->child;
	pid_t worker;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stops); i++) {
		ASSERT_TRUE(child_start(child, start_io_uring, NULL));
		if (child->log->ret < 0)
			SKIP(return, "no io_uring: %ld", child->log->ret);
		ASSERT_TRUE(stops[i](child));
		ASSERT_STREQ("", record_read(record, child->pidfd, 0));
		worker = second_thread(record);
		ASSERT_GT(worker, child->pid);
		record_begin(record, child->pid, 0);
		record_add_thread(record, child->pid, 0);
		record_add_thread(record, worker, 0);
		record_seal(record);
		EXPECT_EQ(-EPERM, record_restore(record, child->pidfd, 0));
		EXPECT_EQ(-EPERM, record_restore(record, child->pidfd,
						 SIGRESTORE_DRY_RUN));
		/* So is it for its queue alone. */
		record_begin(record, child->pid, 0);
		record_add_queue(record, worker, SET_OF(40));
		record_seal(record);
		EXPECT_EQ(-EPERM, record_restore(record, child->pidfd, 0));
		ASSERT_STREQ("", record_read(&self->again, child->pidfd, 0));
		EXPECT_EQ(0, self->again.threads[0].thread->blocked);
		child_end(child);
	}
}

static void exit_at_once(struct child *child __maybe_unused)
{
	_exit(0);
}

/* (27) */
TEST_F(target, process_stopped_on_its_way_out_is_esrch)
{
	struct child *child = &self->child;
	int status;

	ASSERT_TRUE(child_start(child, NULL, exit_at_once));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, child->pid, NULL,
			    PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	EXPECT_EQ(-ESRCH, both(child->pidfd));
	EXPECT_EQ(-ESRCH, sigckpt(child->pidfd, NULL, 0, SIGCKPT_LIVE));
}

static void *stay(void *arg)
{
	long index = (long)arg;
	__u64 set = SET_OF(40 + index);

	sys_sigprocmask(SIG_SETMASK, &set, NULL);
	__atomic_store_n(&threads_child->log->tids[index], sys_gettid(),
			 __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&threads_child->log->stop_threads,
				__ATOMIC_SEQ_CST))
		usleep(1000);
	return NULL;
}

static void start_two_threads(struct child *child)
{
	pthread_t thread;
	long i;

	threads_child = child;
	for (i = 1; i <= 2; i++) {
		child_check(!pthread_create(&thread, NULL, stay, (void *)i));
		child_check(eventually(child->log->tids[i]));
	}
}

static void exec_something(struct child *child __maybe_unused)
{
	execl("/proc/self/exe", "sigcr", "-l", NULL);
}

/* exec waits for the end of a thread that its tracer holds. */
TEST_F(target, process_in_the_middle_of_exec_is_eagain)
{
	struct child *child = &self->child;
	int status;
	pid_t tid;

	ASSERT_TRUE(child_start(child, start_two_threads, exec_something));
	tid = child->log->tids[1];
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL,
			    PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_EQ(tid, waitpid(tid, &status, __WALL));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	EXPECT_EQ(-EAGAIN, both(child->pidfd));
	EXPECT_EQ(-EAGAIN, sigckpt(child->pidfd, NULL, 0, SIGCKPT_LIVE));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, tid, NULL, NULL));
}

/* (6) */
TEST_F(target, thread_pidfd_means_the_private_state_of_that_thread)
{
	struct child *child = &self->child;
	struct record_thread *thread;
	int i, pidfd;

	ASSERT_TRUE(child_start(child, start_two_threads, NULL));
	child->log->tids[0] = child->pid;
	ASSERT_EQ(0, send_private(child->pid, child->log->tids[2], 42, 7));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	for (i = 0; i <= 2; i++) {
		pid_t tid = child->log->tids[i];

		pidfd = sys_pidfd_open(tid, PIDFD_THREAD);
		ASSERT_GE(pidfd, 0);
		ASSERT_STREQ("", record_read(&self->record, pidfd, 0));
		EXPECT_EQ(SIGCR_RECORD_ONE_THREAD, self->record.header->flags);
		EXPECT_EQ(3, self->record.header->thread_count);
		EXPECT_EQ(child->pid, self->record.header->tgid);
		thread = record_thread(&self->record, tid);
		ASSERT_NE(NULL, thread);
		EXPECT_EQ(i ? SET_OF(40 + i) : 0, thread->thread->blocked);
		EXPECT_EQ(i == 2 ? 1 : 0, thread->pending->entry_count);
		EXPECT_EQ(0, record_restore(&self->record, pidfd, 0));
		ASSERT_STREQ("", record_read(&self->again, pidfd, 0));
		EXPECT_TRUE(record_equal(&self->record, &self->again));
		/* Onto the process it does the same. */
		EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
		/* What belongs to the process is not the thread's. */
		record_begin(&self->again, child->pid, 0);
		record_add_actions(&self->again);
		record_seal(&self->again);
		EXPECT_EQ(-EINVAL, record_restore(&self->again, pidfd, 0));
		record_begin(&self->again, child->pid, 0);
		record_add_queue(&self->again, 0, 0);
		record_seal(&self->again);
		EXPECT_EQ(-EINVAL, record_restore(&self->again, pidfd, 0));
		/* Nor does a sibling's state belong to it. */
		record_begin(&self->again, child->pid, 0);
		record_add_thread(&self->again, child->log->tids[(i + 1) % 3],
				  0);
		record_seal(&self->again);
		EXPECT_LT(record_restore(&self->again, pidfd, 0), 0);
		close(pidfd);
	}
}

/* (25) */
TEST_F(target, stopped_thread_of_a_running_process_is_taken_but_the_process_is_ebusy)
{
	struct child *child = &self->child;
	int stopped, running;

	ASSERT_TRUE(child_start(child, start_two_threads, NULL));
	stopped = sys_pidfd_open(child->log->tids[1], PIDFD_THREAD);
	running = sys_pidfd_open(child->log->tids[2], PIDFD_THREAD);
	ASSERT_GE(stopped, 0);
	ASSERT_GE(running, 0);
	EXPECT_EQ(-EBUSY, both(stopped));
	ASSERT_TRUE(ptrace_stop_thread(child->log->tids[1]));
	EXPECT_EQ(-EBUSY, both(child->pidfd));
	EXPECT_EQ(-EBUSY, both(running));
	ASSERT_STREQ("", record_read(&self->record, stopped, 0));
	EXPECT_EQ(0, record_restore(&self->record, stopped, 0));
}

TEST_F(target, thread_that_is_gone_is_esrch)
{
	struct child *child = &self->child;
	int pidfd;

	ASSERT_TRUE(child_start(child, start_two_threads, NULL));
	pidfd = sys_pidfd_open(child->log->tids[1], PIDFD_THREAD);
	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(-EBUSY, both(pidfd));
	child->log->stop_threads = true;
	ASSERT_TRUE(eventually(kill(child->log->tids[1], 0) &&
			       errno == ESRCH));
	EXPECT_EQ(-ESRCH, both(pidfd));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	EXPECT_EQ(-ESRCH, both(pidfd));
	record_begin(&self->record, child->pid, 0);
	record_add_thread(&self->record, child->log->tids[1], 0);
	record_seal(&self->record);
	EXPECT_EQ(-ESRCH, record_restore(&self->record, child->pidfd, 0));
}

/* (6) */
TEST_F(target, self_thread_is_the_calling_thread)
{
	__u64 set = SET_OF(SIGUSR2);

	ASSERT_EQ(0, sys_sigprocmask(SIG_SETMASK, &set, NULL));
	ASSERT_STREQ("", record_read(&self->record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(SIGCR_RECORD_ONE_THREAD, self->record.header->flags);
	EXPECT_EQ(sys_gettid(), self->record.threads[0].tid);
	EXPECT_EQ(set, self->record.threads[0].thread->blocked);
	ASSERT_STREQ("", record_read(&self->again, SELF, 0));
	EXPECT_EQ(0, self->again.header->flags);
	EXPECT_EQ(set, self->again.threads[0].thread->blocked);
	record_begin(&self->record, getpid(), 0);
	record_add_actions(&self->record);
	record_seal(&self->record);
	EXPECT_EQ(-EINVAL, record_restore(&self->record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(0, record_restore(&self->record, SELF, 0));
}

/* (6) With a sibling that runs, the process is no longer stable. */
TEST_F(target, own_process_with_a_running_sibling_is_taken_live_only)
{
	struct child *log_owner = &self->child;
	struct record_thread *thread;
	pthread_t sibling;

	log_owner->log = shared_memory(sizeof(*log_owner->log));
	threads_child = log_owner;
	ASSERT_EQ(0, pthread_create(&sibling, NULL, stay, (void *)1));
	ASSERT_TRUE(eventually(log_owner->log->tids[1]));
	EXPECT_EQ(-EBUSY, sigckpt(SELF, NULL, 0, 0));
	ASSERT_STREQ("", record_read(&self->record, SELF, SIGCKPT_LIVE));
	EXPECT_EQ(SIGCR_RECORD_LIVE | SIGCR_RECORD_UNSTABLE,
		  self->record.header->flags);
	thread = record_thread(&self->record, getpid());
	ASSERT_NE(NULL, thread);
	EXPECT_EQ(0, thread->thread->section.flags);
	thread = record_thread(&self->record, log_owner->log->tids[1]);
	ASSERT_NE(NULL, thread);
	EXPECT_EQ(SIGCR_THREAD_UNSTABLE, thread->thread->section.flags);
	EXPECT_EQ(SET_OF(41), thread->thread->blocked);
	/* The calling thread alone is stable, and nobody else has to be. */
	ASSERT_STREQ("", record_read(&self->record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(SIGCR_RECORD_ONE_THREAD, self->record.header->flags);
	EXPECT_EQ(0, record_restore(&self->record, PIDFD_SELF_THREAD, 0));
	log_owner->log->stop_threads = true;
	pthread_join(sibling, NULL);
}

TEST_F(target, live_flag_makes_no_difference_to_a_stopped_process)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_TRUE(send_mixture(child, true));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, child->pidfd, SIGCKPT_LIVE));
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* Sleeps in a call that any interruption would end. */
static void sleep_in_epoll_wait(struct child *child)
{
	struct epoll_event event;
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	child->log->ret = epoll_wait(epfd, &event, 1, -1);
	child->log->wake_count++;
}

static __u64 switch_count(pid_t pid)
{
	char status[4096];
	__u64 voluntary, forced;

	if (!proc_status(pid, status, sizeof(status)) ||
	    !status_value(status, "\nvoluntary_ctxt_switches:", 10,
			  &voluntary) ||
	    !status_value(status, "\nnonvoluntary_ctxt_switches:", 10, &forced))
		return ~0ULL;
	return voluntary + forced;
}

TEST_F(target, running_process_does_not_notice_a_live_checkpoint)
{
	struct child *child = &self->child;
	__u64 before;
	int i;

	ASSERT_TRUE(child_start(child, block_all, sleep_in_epoll_wait));
	ASSERT_EQ(0, send_shared(child->pid, 40, 1));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(sleeps_in(child->pid, child->pid,
					 SYS_epoll_wait)));
	before = switch_count(child->pid);
	for (i = 0; i < 100; i++) {
		ASSERT_STREQ("", record_read(&self->record, child->pidfd,
					     SIGCKPT_LIVE));
		EXPECT_EQ(SIGCR_RECORD_LIVE | SIGCR_RECORD_UNSTABLE,
			  self->record.header->flags);
		EXPECT_EQ(SET_OF(40), self->record.shared->set);
	}
	EXPECT_TRUE(sleeps_in(child->pid, child->pid, SYS_epoll_wait));
	EXPECT_EQ(before, switch_count(child->pid));
	EXPECT_EQ(0, child->log->wake_count);
}

/* As for pidfd_send_signal(2). */
TEST_F(target, process_outside_the_caller_s_pid_namespace_is_einval)
{
	struct child *child = &self->child;
	long *ret = shared_memory(sizeof(*ret));
	pid_t pid;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	EXPECT_GT(sigckpt(child->pidfd, NULL, 0, 0), 0);
	pid = fork_with(CLONE_NEWPID);
	if (!pid) {
		*ret = both(child->pidfd);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-EINVAL, *ret);
}

TEST_HARNESS_MAIN
