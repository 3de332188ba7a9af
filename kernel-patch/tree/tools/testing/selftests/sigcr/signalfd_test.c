// SPDX-License-Identifier: GPL-2.0
/*
 * Signalfds: recorded by number with what can be read from them, and set again
 * by a restore, which wakes who then has something to read.
 *
 * Numbers such as (31) name the scenario in the project's list.
 */
#include "stopped.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define SELF PIDFD_SELF_THREAD_GROUP
#define HIGH_FD 1000

static sigset_t signals_of(__u64 set)
{
	sigset_t signals;

	sigemptyset(&signals);
	memcpy(&signals, &set, sizeof(set));
	return signals;
}

/* Around the C library, which keeps two signals to itself. */
static int make_signalfd(int fd, __u64 set, int flags)
{
	sigset_t signals = signals_of(set);

	return kernel_answer(syscall(SYS_signalfd4, fd, &signals,
				     sizeof(__u64), flags));
}

TEST_F(stopped, process_without_signalfd_has_no_section)
{
	ASSERT_TRUE(child_start(&self->child, NULL, NULL));
	STOP_AND_TAKE(&self->record);
	EXPECT_NULL(self->record.signalfds);
}

/* The numbers go to the log. */
static void make_signalfds(struct child *child)
{
	pid_t *fds = child->log->tids;

	block_all(child);
	fds[0] = make_signalfd(-1, SET_OF(40) | SET_OF(33), 0);
	fds[1] = make_signalfd(-1, 0, SFD_NONBLOCK);
	fds[2] = make_signalfd(-1, ~0ULL, SFD_CLOEXEC);
	child_check(fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0);
	/* One that is no longer there, and files of other kinds between. */
	child_check(!close(make_signalfd(-1, SET_OF(1), 0)));
	child_check(epoll_create1(0) >= 0);
	/* A second number for the same, in a table with holes. */
	fds[3] = dup2(fds[0], HIGH_FD);
	child_check(fds[3] == HIGH_FD);
	fds[4] = fcntl(fds[1], F_DUPFD_CLOEXEC, 100);
	child_check(fds[4] >= 100);
}

static const struct {
	int log;
	__u32 flags;
	__u64 mask;
} rows[] = {
	{ 0, 0, SET_OF(40) | SET_OF(33) },
	{ 1, SFD_NONBLOCK, 0 },
	{ 2, SFD_CLOEXEC, ALL_SIGNALS },
	{ 4, SFD_NONBLOCK | SFD_CLOEXEC, 0 },
	{ 3, 0, SET_OF(40) | SET_OF(33) },
};

TEST_F(stopped, each_signalfd_is_recorded_with_its_flags_and_mask)
{
	struct child *child = &self->child;
	size_t i;

	ASSERT_TRUE(child_start(child, make_signalfds, NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_NE(NULL, self->record.signalfds);
	ASSERT_EQ(ARRAY_SIZE(rows), self->record.signalfds->entry_count);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct sigcr_signalfd *entry =
			record_signalfd(&self->record, i);

		EXPECT_EQ(child->log->tids[rows[i].log], entry->fd);
		EXPECT_EQ(rows[i].flags, entry->flags)
			TH_LOG("entry %zu", i);
		EXPECT_EQ(rows[i].mask, entry->mask)
			TH_LOG("entry %zu", i);
	}
}

static void change_the_masks(struct child *child)
{
	pid_t *fds = child->log->tids;

	child_check(make_signalfd(fds[0], SET_OF(50), 0) == fds[0]);
	child_check(make_signalfd(fds[1], SET_OF(51), 0) == fds[1]);
	child_check(make_signalfd(fds[2], SET_OF(52), 0) == fds[2]);
}

/* The flags are not changed, and files are neither opened nor closed. */
TEST_F(stopped, masks_come_back_after_they_were_changed)
{
	struct child *child = &self->child;
	struct sigcr_signalfd *entry;

	ASSERT_TRUE(child_start(child, make_signalfds, change_the_masks));
	STOP_AND_TAKE(&self->record);
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	ASSERT_TRUE(child_stop(child, variant->how));
	TAKE(&self->again);
	ASSERT_EQ(SET_OF(50), record_signalfd(&self->again, 0)->mask);
	ASSERT_EQ(SET_OF(50), record_signalfd(&self->again, 4)->mask);
	/* SIGCONT is in the queue where it has ended the stop. */
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	entry = (void *)record_signalfd(&self->record, 1);
	entry->flags = SFD_CLOEXEC;
	record_reseal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(SFD_NONBLOCK, record_signalfd(&self->again, 1)->flags);
}

/* All of it or nothing: the first entry is good. */
TEST_F(stopped, signalfd_that_is_not_there_is_esrch_and_changes_nothing)
{
	static const int bad[] = {
		HIGH_FD - 1, HIGH_FD + 1, 1 << 20, 0x7fffffff, 0, 1,
	};
	struct child *child = &self->child;
	struct sigcr_signalfds *list;
	size_t i;
	int fd;

	ASSERT_TRUE(child_start(child, make_signalfds, NULL));
	fd = child->log->tids[2];
	STOP_AND_TAKE(&self->record);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		record_begin(&self->again, child->pid, 0);
		record_add_queue(&self->again, 0, SET_OF(60));
		list = record_add_signalfds(&self->again);
		if (bad[i] < fd)
			record_add_signalfd(&self->again, list, bad[i], 1);
		record_add_signalfd(&self->again, list, fd, SET_OF(1));
		if (bad[i] > fd)
			record_add_signalfd(&self->again, list, bad[i], 1);
		record_seal(&self->again);
		EXPECT_EQ(-ESRCH, record_restore(&self->again, child->pidfd, 0))
			TH_LOG("fd %d", bad[i]);
		EXPECT_EQ(-ESRCH, record_restore(&self->again, child->pidfd,
						 SIGRESTORE_DRY_RUN)) {
			TH_LOG("fd %d, dry", bad[i]);
		}
		TAKE(&self->again);
		EXPECT_TRUE(record_equal(&self->record, &self->again));
	}
	record_begin(&self->again, child->pid, 0);
	list = record_add_signalfds(&self->again);
	record_add_signalfd(&self->again, list, fd, SET_OF(1));
	record_seal(&self->again);
	EXPECT_EQ(0, record_restore(&self->again, child->pidfd,
				    SIGRESTORE_DRY_RUN));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* Waits for what a mask that is restored lets through. */
static void wait_in_epoll(struct child *child)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct signalfd_siginfo info;
	int epfd = epoll_create1(0), fd;

	fd = make_signalfd(-1, SET_OF(50), SFD_NONBLOCK);
	child->log->tids[0] = fd;
	child_check(!epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event));
	child->log->tids[1] = 1;
	do {
		child->log->ret = kernel_answer(epoll_wait(epfd, &event, 1,
							   -1));
	} while (child->log->ret == -EINTR);
	child->log->wake_count = read(fd, &info, sizeof(info));
	child->log->value = info.ssi_signo;
	child->log->mask = info.ssi_ptr;
}

/* (31) The stop ends the sleep, which is begun again: the mask counts. */
TEST_F(stopped, restored_mask_makes_a_pending_signal_readable)
{
	struct child *child = &self->child;
	struct sigcr_signalfds *list;

	ASSERT_TRUE(child_start(child, block_all, wait_in_epoll));
	ASSERT_EQ(0, send_shared(child->pid, 40, 4711));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(child->log->tids[1] &&
			       sleeps_in(child->pid, child->pid,
					 SYS_epoll_wait)));
	STOP_AND_TAKE(&self->record);
	record_begin(&self->again, child->pid, 0);
	list = record_add_signalfds(&self->again);
	record_add_signalfd(&self->again, list, child->log->tids[0],
			    SET_OF(40));
	record_seal(&self->again);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(1, child->log->ret);
	EXPECT_EQ(sizeof(struct signalfd_siginfo), child->log->wake_count);
	EXPECT_EQ(40, child->log->value);
	EXPECT_EQ(4711, child->log->mask & 0xffffffff);
}

/* A sibling in the same process is asleep all the time. */
struct waiter {
	int epfd;
	int fd;
	pid_t tid;
	int count;
	struct signalfd_siginfo info;
};

static void *wait_for_event(void *arg)
{
	struct waiter *waiter = arg;
	struct epoll_event event;

	__atomic_store_n(&waiter->tid, sys_gettid(), __ATOMIC_SEQ_CST);
	if (epoll_wait(waiter->epfd, &event, 1, 2 * PATIENCE_MS) == 1 &&
	    read(waiter->fd, &waiter->info, sizeof(waiter->info)) > 0)
		__atomic_store_n(&waiter->count, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

FIXTURE(sleeper)
{
	struct waiter waiter;
	struct record record;
	pthread_t thread;
};

FIXTURE_SETUP(sleeper)
{
	struct epoll_event event = { .events = EPOLLIN };
	__u64 set = ALL_SIGNALS;

	ASSERT_EQ(0, sys_sigprocmask(SIG_SETMASK, &set, NULL));
	self->waiter.epfd = epoll_create1(0);
	self->waiter.fd = make_signalfd(-1, SET_OF(50), SFD_NONBLOCK);
	ASSERT_GE(self->waiter.fd, 0);
	ASSERT_EQ(0, epoll_ctl(self->waiter.epfd, EPOLL_CTL_ADD,
			       self->waiter.fd, &event));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, wait_for_event,
				    &self->waiter));
	ASSERT_TRUE(eventually(self->waiter.tid &&
			       sleeps_in(getpid(), self->waiter.tid,
					 SYS_epoll_wait)));
}

FIXTURE_TEARDOWN(sleeper)
{
	free(self->record.bytes);
}

#define WAITER_HAS_COME() \
	eventually(__atomic_load_n(&self->waiter.count, __ATOMIC_SEQ_CST))

/* (31) By the mask alone: the signal has been there before. */
TEST_F(sleeper, restored_mask_wakes_who_polls)
{
	struct sigcr_signalfds *list;

	ASSERT_EQ(0, send_shared(getpid(), 40, 4711));
	record_begin(&self->record, getpid(), 0);
	list = record_add_signalfds(&self->record);
	record_add_signalfd(&self->record, list, self->waiter.fd, SET_OF(40));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, SIGRESTORE_DRY_RUN));
	usleep(50000);
	EXPECT_TRUE(sleeps_in(getpid(), self->waiter.tid, SYS_epoll_wait));
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	ASSERT_TRUE(WAITER_HAS_COME());
	EXPECT_EQ(40, self->waiter.info.ssi_signo);
	EXPECT_EQ(4711, self->waiter.info.ssi_int);
}

/* (31) By mask and signal at once. */
TEST_F(sleeper, restored_signal_and_mask_wake_who_polls)
{
	siginfo_t info = queued_info(41, 99);
	struct sigcr_signalfds *list;

	info.si_pid = 1234;
	info.si_uid = 5678;
	record_begin(&self->record, getpid(), 0);
	record_add_entry(&self->record, record_add_queue(&self->record, 0, 0),
			 &info);
	list = record_add_signalfds(&self->record);
	record_add_signalfd(&self->record, list, self->waiter.fd, SET_OF(41));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	ASSERT_TRUE(WAITER_HAS_COME());
	EXPECT_EQ(41, self->waiter.info.ssi_signo);
	EXPECT_EQ(SI_QUEUE, self->waiter.info.ssi_code);
	EXPECT_EQ(99, self->waiter.info.ssi_int);
	EXPECT_EQ(1234, self->waiter.info.ssi_pid);
	EXPECT_EQ(5678, self->waiter.info.ssi_uid);
}

/* A signalfd is read by whoever holds it, each his own signals. */
static void poll_an_inherited_one(struct child *child)
{
	struct pollfd poll_fd = { .fd = child->log->tids[0], .events = POLLIN };
	struct signalfd_siginfo info;

	child->log->tids[1] = 1;
	child->log->ret = kernel_answer(poll(&poll_fd, 1, 2 * PATIENCE_MS));
	if (child->log->ret == 1 &&
	    read(poll_fd.fd, &info, sizeof(info)) == sizeof(info))
		child->log->value = info.ssi_int;
}

/* What it can read is looked at when it is woken, or polls the next time. */
TEST_F(stopped, mask_of_a_shared_signalfd_changes_for_all_who_have_it)
{
	struct child *child = &self->child;
	struct sigcr_signalfds *list;
	int fd = make_signalfd(-1, SET_OF(50), SFD_NONBLOCK);

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(child_start(child, block_all, poll_an_inherited_one));
	child->log->tids[0] = fd;
	ASSERT_EQ(0, send_shared(child->pid, 40, 77));
	record_begin(&self->record, getpid(), 0);
	list = record_add_signalfds(&self->record);
	record_add_signalfd(&self->record, list, fd, SET_OF(40));
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, SELF, 0));
	ASSERT_TRUE(child_stop(child, variant->how));
	TAKE(&self->again);
	ASSERT_NE(NULL, self->again.signalfds);
	EXPECT_EQ(SET_OF(40), record_signalfd(&self->again, 0)->mask);
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(1, child->log->ret);
	EXPECT_EQ(77, child->log->value);
}

/* Files belong to the process, for sigrestore(2) at least. */
TEST(signalfds_onto_a_single_thread_are_einval)
{
	int fd = make_signalfd(-1, SET_OF(50), 0);
	struct record record = {};

	ASSERT_GE(fd, 0);
	record_begin(&record, getpid(), 0);
	record_add_signalfd(&record, record_add_signalfds(&record), fd, 0);
	record_seal(&record);
	EXPECT_EQ(-EINVAL, record_restore(&record, PIDFD_SELF_THREAD, 0));
	EXPECT_EQ(0, record_restore(&record, SELF, 0));
	ASSERT_STREQ("", record_read(&record, PIDFD_SELF_THREAD, 0));
	EXPECT_NULL(record.signalfds);
}

static void *unshare_and_open(void *arg)
{
	struct child *child = arg;

	child_check(!syscall(SYS_unshare, 0x400 /* CLONE_FILES */));
	child->log->ret = make_signalfd(-1, SET_OF(45), 0);
	child->log->tids[1] = sys_gettid();
	for (;;)
		pause();
	return NULL;
}

static void have_a_thread_with_its_own_files(struct child *child)
{
	pthread_t thread;

	child_check(!pthread_create(&thread, NULL, unshare_and_open, child));
	child_check(eventually(child->log->tids[1]));
}

/* The table of the leader is that of the process. */
TEST_F(stopped, signalfd_in_a_table_that_a_thread_has_for_itself_is_not_seen)
{
	ASSERT_TRUE(child_start(&self->child, have_a_thread_with_its_own_files,
				NULL));
	STOP_AND_TAKE(&self->record);
	ASSERT_GE(self->child.log->ret, 0);
	EXPECT_NULL(self->record.signalfds);
}

TEST_HARNESS_MAIN
