// SPDX-License-Identifier: GPL-2.0
/*
 * Processes in rarer states: the parent in a vfork(2), who dumps core, workers
 * of io_uring, a queue that is longer than its limit has become.
 *
 * Numbers such as (44) name the scenario in the project's list.
 */
#include "child.h"
#include <linux/io_uring.h>
#include <sched.h>

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define CORE_STARTED "/tmp/sigcr-core-started"
#define CORE_GO_ON "/tmp/sigcr-core-go-on"
#define STACK_SIZE 65536

FIXTURE(target)
{
	struct child child;
	struct record record;
	struct record again;
	char core_pattern[256];
};

FIXTURE_SETUP(target)
{
}

FIXTURE_TEARDOWN(target)
{
	if (self->core_pattern[0]) {
		/* Lets the helper end if a test could not. */
		close(open(CORE_GO_ON, O_CREAT | O_WRONLY, 0600));
		EXPECT_TRUE(write_text(CORE_PATTERN, self->core_pattern));
	}
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

#define TAKE(record)							\
	ASSERT_STREQ("", record_read(record, self->child.pidfd, 0))

/* Uses no errno: it has the thread area of its parent, who waits. */
static int stay_until_told(void *arg)
{
	struct child_log *log = arg;

	die_with(log->tids[0]);
	__atomic_store_n(&log->tids[1], getpid(), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&log->stop_threads, __ATOMIC_SEQ_CST))
		usleep(1000);
	syscall(SYS_exit, 0);
	return 0;
}

static void wait_in_vfork(struct child *child)
{
	__u8 *stack = malloc(STACK_SIZE);

	child->log->tids[0] = getpid();
	child_check(clone(stay_until_told, stack + STACK_SIZE,
			  CLONE_VM | CLONE_VFORK | SIGCHLD, child->log) > 0);
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
	take_all(child);
}

/* (44) It sleeps where no stop signal wakes it, but counts as frozen. */
TEST_F(target, parent_in_a_vfork_that_is_frozen_is_taken_and_restored)
{
	const __u64 mask = SET_OF(40) | SET_OF(SIGCHLD);
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_all, wait_in_vfork));
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(child->log->tids[1] &&
			       proc_state(child->pid) == 'D'));
	EXPECT_EQ(-EBUSY, sigckpt(child->pidfd, NULL, 0, 0));
	ASSERT_TRUE(child_stop(child, STOP_FREEZE));
	EXPECT_TRUE(eventually(proc_state(child->pid) == 'D'));
	TAKE(&self->record);
	EXPECT_EQ(SIGCR_THREAD_FROZEN,
		  self->record.threads[0].thread->section.flags);
	EXPECT_EQ(ALL_SIGNALS, self->record.threads[0].thread->blocked);
	record_begin(&self->again, child->pid, 0);
	record_add_entry(&self->again, record_add_queue(&self->again, 0, 0),
			 &(siginfo_t){ .si_signo = 40, .si_int = 7 });
	record_add_thread(&self->again, child->pid, mask);
	record_seal(&self->again);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	TAKE(&self->again);
	EXPECT_EQ(mask, self->again.threads[0].thread->blocked);
	EXPECT_EQ(SET_OF(40), self->again.shared->set);
	ASSERT_TRUE(child_resume(child));
	child->log->stop_threads = true;
	ASSERT_TRUE(child_await_report(child));
	EXPECT_EQ(mask, child->log->mask);
	ASSERT_GE(child->log->taken_count, 1);
	EXPECT_EQ(7, child->log->taken[child->log->taken_count - 1].si_int);
}

/* What the kernel runs when a process dumps core; reads it when it is told. */
static int core_helper(void)
{
	static char buffer[65536];

	close(open(CORE_STARTED, O_CREAT | O_WRONLY, 0600));
	if (!eventually(!access(CORE_GO_ON, F_OK)))
		return KSFT_FAIL;
	while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
		;
	return KSFT_PASS;
}

static void *stay(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void dump_core(struct child *child)
{
	pthread_t thread;

	child_check(!pthread_create(&thread, NULL, stay, child));
	prctl(PR_SET_DUMPABLE, 1);
	abort();
}

/* (52) */
TEST_F(target, process_that_dumps_core_is_esrch)
{
	struct child *child = &self->child;
	char pattern[256] = "|", path[200] = "";
	int status;

	ASSERT_TRUE(child_start(child, NULL, dump_core));
	ASSERT_GOOD_SO_FAR();
	if (!read_text(CORE_PATTERN, self->core_pattern,
		       sizeof(self->core_pattern)))
		SKIP(return, "no core dumps");
	unlink(CORE_STARTED);
	unlink(CORE_GO_ON);
	ASSERT_GT(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
	strcat(pattern, path);
	strcat(pattern, " --core-helper");
	ASSERT_TRUE(write_text(CORE_PATTERN, pattern));
	record_begin(&self->record, child->pid, 0);
	record_seal(&self->record);
	ASSERT_EQ(1, write(child->go[1], "g", 1));
	ASSERT_TRUE(eventually(!access(CORE_STARTED, F_OK)));
	EXPECT_EQ(-ESRCH, sigckpt(child->pidfd, NULL, 0, 0));
	EXPECT_EQ(-ESRCH, sigckpt(child->pidfd, NULL, 0, SIGCKPT_LIVE));
	EXPECT_EQ(-ESRCH, record_restore(&self->record, child->pidfd, 0));
	/* It is not over yet, and goes on as if nobody had asked. */
	EXPECT_EQ(0, waitpid(child->pid, &status, WNOHANG));
	close(open(CORE_GO_ON, O_CREAT | O_WRONLY, 0600));
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGABRT, WTERMSIG(status));
	EXPECT_TRUE(WCOREDUMP(status));
	unlink(CORE_STARTED);
}

/* Has a worker read from a pipe in which nothing comes; 0 or an error. */
static long start_io_worker(void)
{
	struct io_uring_params params = {};
	struct io_uring_sqe *sqes;
	static char byte;
	__u32 *tail, *array;
	int ring, fds[2];
	__u8 *memory;

	if (pipe(fds))
		return -errno;
	ring = kernel_answer(syscall(SYS_io_uring_setup, 4, &params));
	if (ring < 0)
		return ring;
	memory = mmap(NULL, params.sq_off.array + 4 * sizeof(__u32),
		      PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		      IORING_OFF_SQ_RING);
	sqes = mmap(NULL, 4 * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		    ring, IORING_OFF_SQES);
	if (memory == MAP_FAILED || (void *)sqes == MAP_FAILED)
		return -errno;
	sqes[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.flags = IOSQE_ASYNC,
		.fd = fds[0],
		.addr = (__u64)&byte,
		.len = 1,
	};
	array = (__u32 *)(memory + params.sq_off.array);
	tail = (__u32 *)(memory + params.sq_off.tail);
	array[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return kernel_answer(syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL,
				     0));
}

static void have_an_io_worker(struct child *child)
{
	block_all(child);
	child->log->ret = start_io_worker();
}

static int count_workers(struct record *record)
{
	int i, count = 0;

	for (i = 0; i < record->thread_count; i++) {
		count += !!(record->threads[i].thread->section.flags &
			    SIGCR_THREAD_WORKER);
	}
	return count;
}

/* (43) */
TEST_F(target, workers_of_io_uring_are_listed_and_no_restore_is_about_them)
{
	struct child *child = &self->child;
	struct record_thread *worker = NULL;
	int i;

	ASSERT_TRUE(child_start(child, have_an_io_worker, take_all));
	ASSERT_GOOD_SO_FAR();
	if (child->log->ret < 0)
		SKIP(return, "no io_uring: %ld", child->log->ret);
	ASSERT_EQ(1, child->log->ret);
	ASSERT_TRUE(eventually(!record_take(&self->record, child->pidfd,
					    SIGCKPT_LIVE) &&
			       !*record_parse(&self->record) &&
			       count_workers(&self->record) == 1));
	/* Not every thread: the worker may not have its name yet. */
	ASSERT_TRUE(ptrace_stop_thread(child->pid));
	TAKE(&self->record);
	for (i = 0; i < self->record.thread_count; i++) {
		if (self->record.threads[i].tid != child->pid)
			worker = &self->record.threads[i];
	}
	ASSERT_NE(NULL, worker);
	EXPECT_EQ(SIGCR_THREAD_WORKER, worker->thread->section.flags);
	EXPECT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	/* Who takes it for a thread of the program is told that it is none. */
	record_begin(&self->again, child->pid, 0);
	record_add_thread(&self->again, worker->tid, 0);
	record_seal(&self->again);
	EXPECT_EQ(-EPERM, record_restore(&self->again, child->pidfd, 0));
	record_begin(&self->again, child->pid, 0);
	record_add_queue(&self->again, worker->tid, SET_OF(40));
	record_seal(&self->again);
	EXPECT_EQ(-EPERM, record_restore(&self->again, child->pidfd, 0));
	/* A signal of the process waits for one that can take it. */
	record_begin(&self->again, child->pid, 0);
	record_add_entry(&self->again, record_add_queue(&self->again, 0, 0),
			 &(siginfo_t){ .si_signo = 40, .si_int = 7 });
	record_seal(&self->again);
	EXPECT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	ASSERT_TRUE(ptrace_let_go(child->pid));
	ASSERT_TRUE(child_go(child));
	ASSERT_EQ(1, child->log->taken_count);
	EXPECT_EQ(7, child->log->taken[0].si_int);
}

static void queue_twenty_and_lower_the_limit(struct child *child)
{
	struct rlimit limit = { 5, 100 };
	int i;

	block_all(child);
	for (i = 0; i < 20; i++)
		child_check(!send_shared(getpid(), 40, i));
	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
}

/* Other tools restore the limit first and then fail for good. */
TEST_F(target, queue_longer_than_the_limit_is_eagain_until_that_is_raised)
{
	struct rlimit limit = { 100, 100 };
	struct child *child = &self->child;
	int i;

	ASSERT_TRUE(child_start(child, queue_twenty_and_lower_the_limit,
				take_all));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	TAKE(&self->record);
	EXPECT_EQ(5, self->record.process->rlimit_sigpending_count);
	EXPECT_EQ(20, self->record.shared->entry_count);
	EXPECT_EQ(-EAGAIN, record_restore(&self->record, child->pidfd, 0));
	ASSERT_EQ(0, prlimit(child->pid, RLIMIT_SIGPENDING, &limit, NULL));
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	limit.rlim_cur = 5;
	ASSERT_EQ(0, prlimit(child->pid, RLIMIT_SIGPENDING, &limit, NULL));
	TAKE(&self->again);
	EXPECT_TRUE(record_equal(&self->record, &self->again));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	ASSERT_EQ(20, child->log->taken_count);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(i, child->log->taken[i].si_int);
}

/* A siginfo of each kind that only the kernel makes, byte for byte. */
TEST_F(target, siginfo_that_the_kernel_makes_comes_back_as_it_was)
{
	static const struct {
		int signo, si_code;
	} rows[] = {
		{ SIGSEGV, SEGV_MAPERR }, { SIGBUS, BUS_ADRALN },
		{ SIGCHLD, CLD_EXITED }, { SIGIO, POLL_IN },
		{ SIGALRM, SI_KERNEL }, { SIGTRAP, TRAP_BRKPT },
		{ 40, SI_TKILL }, { 41, SI_USER },
	};
	struct child *child = &self->child;
	struct sigcr_pending *queue;
	siginfo_t info;
	size_t i, n;

	ASSERT_TRUE(child_start(child, block_all, take_all));
	ASSERT_TRUE(child_stop(child, STOP_PTRACE));
	record_begin(&self->record, child->pid, 0);
	queue = record_add_queue(&self->record, 0, 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&info, 0, sizeof(info));
		for (n = 0; n < SIGCR_SIGINFO_LEN; n++)
			((__u8 *)&info)[n] = 0x40 + n + i;
		info.si_signo = rows[i].signo;
		info.si_code = rows[i].si_code;
		record_add_entry(&self->record, queue, &info);
	}
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	TAKE(&self->again);
	ASSERT_EQ(ARRAY_SIZE(rows), self->again.shared->entry_count);
	EXPECT_EQ(0, memcmp(record_queued(queue, 0),
			    record_queued(self->again.shared, 0),
			    ARRAY_SIZE(rows) * sizeof(struct sigcr_entry)));
	ASSERT_TRUE(child_resume(child));
	ASSERT_TRUE(child_go(child));
	EXPECT_EQ(ARRAY_SIZE(rows), child->log->taken_count);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--core-helper"))
		return core_helper();
	return test_harness_run(argc, argv);
}
