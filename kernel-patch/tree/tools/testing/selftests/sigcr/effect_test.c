// SPDX-License-Identifier: GPL-2.0
/*
 * What a restore sets off, and what it must not: wake-ups, handlers, stops and
 * ends of the process, each at its time.
 *
 * Numbers such as (16) name the scenario in the project's list.
 */
#include "stopped.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#define SELF PIDFD_SELF_THREAD_GROUP
#define LONG_WAIT_MS (10 * PATIENCE_MS)

static int handled_count;

static void count_signal(int signo __maybe_unused)
{
	__atomic_fetch_add(&handled_count, 1, __ATOMIC_SEQ_CST);
}

static int handled(void)
{
	return __atomic_load_n(&handled_count, __ATOMIC_SEQ_CST);
}

static void take_sigcont(struct child *child)
{
	child->log->ret = sys_sigtimedwait(SET_OF(SIGCONT),
					   &child->log->taken[0], PATIENCE_MS);
}

/* (16) */
TEST_F(stopped, restored_sigcont_does_not_continue_anything)
{
	struct child *child = &self->child;
	__u64 set = SET_OF(SIGCHLD);
	siginfo_t info = queued_info(SIGCONT, 77);

	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_TRUE(child_start(child, block_all, take_sigcont));
	ASSERT_TRUE(child_stop(child, variant->how));
	while (sys_sigtimedwait(set, &info, 0) == SIGCHLD)
		;
	info = queued_info(SIGCONT, 77);
	record_begin(&self->record, child->pid, 0);
	record_add_entry(&self->record, record_add_queue(&self->record, 0, 0),
			 &info);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	/* Still stopped: else this is refused. */
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(SIGCONT), self->again.shared->set);
	EXPECT_EQ(-EAGAIN, sys_sigtimedwait(set, NULL, 100));
	EXPECT_EQ(0, waitpid(child->pid, NULL, WCONTINUED | WNOHANG));
	if (variant->how == STOP_SIGNAL)
		EXPECT_EQ('T', proc_state(child->pid));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(SIGCONT, child->log->ret);
	EXPECT_EQ(77, child->log->taken[0].si_int);
}

/* (18) */
TEST_F(stopped, restored_sigstop_stops_the_process_when_it_goes_on)
{
	struct child *child = &self->child;
	int status;

	/* The signal that ends a group stop would take SIGSTOP with it. */
	ASSERT_TRUE(child_start(child, NULL, NULL));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, 0, SET_OF(SIGSTOP));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(SIGSTOP), self->again.shared->set);
	ASSERT_TRUE(child_resume(child));
	if (variant->how == STOP_SIGNAL) {
		EXPECT_TRUE(child_go(child));
		return;
	}
	ASSERT_TRUE(eventually(waitpid(child->pid, &status,
				       WUNTRACED | WNOHANG) == child->pid));
	EXPECT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(SIGSTOP, WSTOPSIG(status));
	EXPECT_EQ('T', proc_state(child->pid));
}

/* (19) */
TEST_F(stopped, restored_sigterm_ends_the_process_when_it_goes_on)
{
	struct child *child = &self->child;
	int status;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	record_add_queue(&self->record, 0, SET_OF(SIGTERM));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	/* Not before: it is alive, and stopped as it was. */
	usleep(50000);
	EXPECT_EQ(0, waitpid(child->pid, &status, WNOHANG));
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(SIGTERM), self->again.shared->set);
	ASSERT_TRUE(child_resume(child));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

/* (39) */
TEST_F(stopped, restored_sigterm_is_dropped_by_the_init_of_a_pid_namespace)
{
	struct child *child = &self->child;
	struct proc_signals signals;

	ASSERT_TRUE(child_start_with(child, CLONE_NEWPID, NULL, NULL));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, 1, 0);
	record_add_queue(&self->record, 0, SET_OF(SIGTERM));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SET_OF(SIGTERM), self->again.shared->set);
	EXPECT_TRUE(self->again.process->section.flags &
		    SIGCR_PROCESS_UNKILLABLE);
	ASSERT_TRUE(child_resume(child));
	EXPECT_TRUE(child_go(child));
	ASSERT_TRUE(proc_signals(child->pid, &signals));
	EXPECT_EQ(0, signals.shared_pending);
}

static void take_signal_40(struct child *child)
{
	int i;

	for (i = 0; i < 3; i++) {
		child->log->ret = sys_sigtimedwait(SET_OF(40),
						   &child->log->taken[i],
						   PATIENCE_MS);
	}
}

TEST_F(stopped, signal_sent_after_the_restore_queues_behind)
{
	struct child *child = &self->child;
	siginfo_t info = queued_info(40, 1);
	struct sigcr_pending *queue;
	int i;

	ASSERT_TRUE(child_start(child, block_all, take_signal_40));
	ASSERT_TRUE(child_stop(child, variant->how));
	record_begin(&self->record, child->pid, 0);
	queue = record_add_queue(&self->record, 0, 0);
	record_add_entry(&self->record, queue, &info);
	info.si_int = 2;
	record_add_entry(&self->record, queue, &info);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_EQ(0, send_shared(child->pid, 40, 3));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i + 1, child->log->taken[i].si_int);
}

/* A record of this process's own leader with a pending and open SIGUSR1. */
static void record_open_usr1(struct record *record)
{
	record_begin(record, getpid(), 0);
	record_add_thread(record, getpid(), 0);
	record_add_queue(record, getpid(), SET_OF(SIGUSR1));
	record_seal(record);
}

TEST(handlers_of_open_signals_run_before_sigrestore_returns_0)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct record record = {};
	__u64 set = ALL_SIGNALS;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_SETMASK, &set, NULL));
	record_open_usr1(&record);
	ASSERT_EQ(0, record_restore(&record, SELF, SIGRESTORE_DRY_RUN));
	EXPECT_EQ(0, handled());
	ASSERT_EQ(0, record_restore(&record, SELF, 0));
	EXPECT_EQ(1, handled());
	ASSERT_EQ(0, sys_sigprocmask(SIG_SETMASK, NULL, &set));
	EXPECT_EQ(0, set);
	/* The same onto the one thread. */
	ASSERT_EQ(0, record_restore(&record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(2, handled());
}

TEST(actions_restored_onto_oneself_are_those_of_rt_sigaction)
{
	struct kernel_action seen;
	struct sigcr_action *action;
	struct record record = {};
	int signo;

	record_begin(&record, getpid(), 0);
	action = record_add_action(&record, record_add_actions(&record), 40);
	action->handler = 0x1234;
	action->restorer = 0x5678;
	action->flags = SA_RESTORER | SA_SIGINFO | SA_NODEFER;
	action->mask = SET_OF(33) | SET_OF(SIGHUP);
	record_seal(&record);
	ASSERT_EQ(0, record_restore(&record, SELF, 0));
	for (signo = 1; signo <= 64; signo++) {
		ASSERT_EQ(0, sys_sigaction(signo, NULL, &seen));
		EXPECT_EQ(signo == 40 ? 0x1234 : 0, seen.handler);
		EXPECT_EQ(signo == 40 ? 0x5678 : 0, seen.restorer);
		EXPECT_EQ(signo == 40 ? SA_RESTORER | SA_SIGINFO | SA_NODEFER :
			  0, (__u32)seen.flags);
		EXPECT_EQ(signo == 40 ? SET_OF(33) | SET_OF(SIGHUP) : 0,
			  seen.mask);
	}
}

/* The next tick comes only when the pending one is taken. */
TEST(interval_timer_is_not_lost_with_its_pending_sigalrm)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct itimerval interval = { { 0, 10000 }, { 0, 10000 } };
	struct proc_signals signals;
	struct record record = {};
	__u64 set = SET_OF(SIGALRM);

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &interval, NULL));
	ASSERT_TRUE(eventually(proc_signals(getpid(), &signals) &&
			       signals.shared_pending == set));
	record_begin(&record, getpid(), 0);
	record_add_queue(&record, 0, 0);
	record_seal(&record);
	EXPECT_EQ(-EBUSY, record_restore(&record, SELF, 0));
	/* With it in the new queue, nothing is lost. */
	record_begin(&record, getpid(), 0);
	record_add_queue(&record, 0, set);
	record_seal(&record);
	EXPECT_EQ(0, record_restore(&record, SELF, 0));
	ASSERT_EQ(0, sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	EXPECT_TRUE(eventually(handled() >= 3));
}

static struct record altstack_same, altstack_other;
static long altstack_ret[3];
static stack_t altstack_after;

static void restore_on_altstack(int signo __maybe_unused)
{
	altstack_ret[0] = record_restore(&altstack_other, SELF, 0);
	altstack_ret[1] = record_restore(&altstack_other, SELF,
					 SIGRESTORE_DRY_RUN);
	altstack_ret[2] = record_restore(&altstack_same, SELF, 0);
	sigaltstack(NULL, &altstack_after);
}

/* (30) */
TEST(altstack_cannot_be_changed_by_who_is_on_it)
{
	struct sigaction action = {
		.sa_handler = restore_on_altstack,
		.sa_flags = SA_ONSTACK,
	};
	stack_t altstack = { .ss_size = 65536 };
	__u64 sp;

	altstack.ss_sp = malloc(altstack.ss_size);
	sp = (__u64)altstack.ss_sp;
	ASSERT_EQ(0, sigaltstack(&altstack, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	record_begin(&altstack_same, getpid(), 0);
	record_add_altstack(&altstack_same, getpid(), 0, sp, altstack.ss_size);
	record_seal(&altstack_same);
	record_begin(&altstack_other, getpid(), 0);
	record_add_altstack(&altstack_other, getpid(), 0, sp, 32768);
	record_seal(&altstack_other);
	raise(SIGUSR1);
	EXPECT_EQ(-EPERM, altstack_ret[0]);
	EXPECT_EQ(-EPERM, altstack_ret[1]);
	EXPECT_EQ(0, altstack_ret[2]);
	EXPECT_EQ(SS_ONSTACK, altstack_after.ss_flags);
	EXPECT_EQ(65536, altstack_after.ss_size);
	/* Off the stack it can be. */
	EXPECT_EQ(0, record_restore(&altstack_other, SELF, 0));
	ASSERT_EQ(0, sigaltstack(NULL, &altstack));
	EXPECT_EQ(32768, altstack.ss_size);
}

/* A sibling of the thread that restores, and what it waited for. */
struct sibling {
	void *(*wait)(void *sibling);
	pid_t tid;
	long nr;	/* of the system call that it sleeps in */
	siginfo_t info;
	struct signalfd_siginfo fd_info;
	bool done;
};

static void *wait_in_sigtimedwait(void *arg)
{
	struct sibling *sibling = arg;

	sibling->tid = sys_gettid();
	sys_sigtimedwait(SET_OF(40), &sibling->info, LONG_WAIT_MS);
	__atomic_store_n(&sibling->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_in_sigsuspend(void *arg)
{
	struct sibling *sibling = arg;
	__u64 set = ALL_SIGNALS & ~SET_OF(40);

	sibling->tid = sys_gettid();
	sys_sigsuspend(&set);
	__atomic_store_n(&sibling->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_in_epoll(void *arg)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct sibling *sibling = arg;
	int epfd = epoll_create1(0);
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, 40);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
	sibling->tid = sys_gettid();
	epoll_wait(epfd, &event, 1, LONG_WAIT_MS);
	if (read(fd, &sibling->fd_info, sizeof(sibling->fd_info)) < 0)
		memset(&sibling->fd_info, 0, sizeof(sibling->fd_info));
	__atomic_store_n(&sibling->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_in_read(void *arg)
{
	struct sibling *sibling = arg;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, 40);
	fd = signalfd(-1, &set, 0);
	sibling->tid = sys_gettid();
	if (read(fd, &sibling->fd_info, sizeof(sibling->fd_info)) < 0)
		memset(&sibling->fd_info, 0, sizeof(sibling->fd_info));
	__atomic_store_n(&sibling->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

FIXTURE(siblings)
{
	struct sibling sibling;
	struct record record;
	pthread_t thread;
};

FIXTURE_VARIANT(siblings)
{
	void *(*wait)(void *sibling);
	long nr;
};

FIXTURE_VARIANT_ADD(siblings, in_sigtimedwait)
{
	.wait = wait_in_sigtimedwait,
	.nr = SYS_rt_sigtimedwait,
};

FIXTURE_VARIANT_ADD(siblings, in_sigsuspend)
{
	.wait = wait_in_sigsuspend,
	.nr = SYS_rt_sigsuspend,
};

FIXTURE_VARIANT_ADD(siblings, in_epoll_wait_on_a_signalfd)
{
	.wait = wait_in_epoll,
	.nr = SYS_epoll_wait,
};

FIXTURE_VARIANT_ADD(siblings, in_read_of_a_signalfd)
{
	.wait = wait_in_read,
	.nr = SYS_read,
};

FIXTURE_SETUP(siblings)
{
	struct sigaction action = { .sa_handler = count_signal };
	__u64 set = ALL_SIGNALS;

	ASSERT_EQ(0, sigaction(40, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_SETMASK, &set, NULL));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, variant->wait,
				    &self->sibling));
	ASSERT_TRUE(eventually(self->sibling.tid &&
			       sleeps_in(getpid(), self->sibling.tid,
					 variant->nr)));
}

FIXTURE_TEARDOWN(siblings)
{
	free(self->record.bytes);
}

/* (31) (32) */
TEST_F(siblings, restored_shared_signal_wakes_the_sibling_that_waits_for_it)
{
	struct sibling *sibling = &self->sibling;
	siginfo_t info = queued_info(40, 4711);

	record_begin(&self->record, getpid(), 0);
	record_add_entry(&self->record, record_add_queue(&self->record, 0, 0),
			 &info);
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, SIGRESTORE_DRY_RUN));
	usleep(50000);
	ASSERT_FALSE(sibling->done);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	ASSERT_TRUE(eventually(__atomic_load_n(&sibling->done,
					       __ATOMIC_SEQ_CST)));
	if (variant->nr == SYS_rt_sigtimedwait) {
		EXPECT_EQ(0, memcmp(&info, &sibling->info, sizeof(info)));
	} else if (variant->nr == SYS_rt_sigsuspend) {
		EXPECT_EQ(1, handled());
	} else {
		EXPECT_EQ(40, sibling->fd_info.ssi_signo);
		EXPECT_EQ(SI_QUEUE, sibling->fd_info.ssi_code);
		EXPECT_EQ(4711, sibling->fd_info.ssi_int);
		EXPECT_EQ(getpid(), (pid_t)sibling->fd_info.ssi_pid);
	}
}

/* A thread that is only listed is nobody to restore. */
TEST_F(siblings, sibling_that_is_only_listed_is_left_alone)
{
	struct record *record = &self->record;
	struct sigcr_thread *thread;
	__u64 set;

	record_begin(record, getpid(), 0);
	record_add_actions(record);
	record_add_thread(record, getpid(), SET_OF(40));
	thread = record_add_thread(record, self->sibling.tid, 0);
	thread->section.flags = SIGCR_THREAD_WORKER;
	record_seal(record);
	EXPECT_EQ(0, record_restore(record, SELF, 0));
	sys_sigprocmask(SIG_SETMASK, NULL, &set);
	EXPECT_EQ(SET_OF(40), set);
	usleep(50000);
	EXPECT_FALSE(self->sibling.done);
}

TEST_F(siblings, missing_thread_is_esrch_wherever_in_the_record_it_stands)
{
	struct record *record = &self->record;
	pid_t tid = self->sibling.tid;

	record_begin(record, getpid(), 0);
	record_add_thread(record, getpid(), 0);
	record_add_thread(record, tid, 0);
	record_add_thread(record, 1 << 28, 0);
	record_seal(record);
	EXPECT_EQ(-ESRCH, record_restore(record, SELF, 0));
	/* Process 1 is no thread of this one. */
	record_begin(record, getpid(), 0);
	record_add_thread(record, 1, 0);
	record_add_thread(record, tid, 0);
	record_seal(record);
	EXPECT_EQ(-ESRCH, record_restore(record, SELF, 0));
}

TEST_HARNESS_MAIN
