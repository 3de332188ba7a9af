/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Child processes that are brought into a known signal state, stopped in one
 * of the three ways, looked at, and let go.
 *
 * A child runs setup(), says that it is ready, waits for child_go(), runs
 * then(), says so again, and waits to be killed. It dies with the test.
 */
#ifndef SIGCR_CHILD_H
#define SIGCR_CHILD_H

#include "common.h"
#include <dirent.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LOG_COUNT_MAX 1200
#define LOG_TID_COUNT_MAX 8

/* How a child is stopped. */
enum stop {
	NOT_STOPPED,
	STOP_PTRACE,
	STOP_SIGNAL,
	STOP_FREEZE,
};

/* What a child writes for the test to read; shared memory. */
struct child_log {
	int taken_count;
	siginfo_t taken[LOG_COUNT_MAX];
	pid_t tids[LOG_TID_COUNT_MAX];
	__u64 mask;		/* the mask that the child saw, if asked for */
	__u64 frame_mask;	/* the mask in a handler's frame */
	__u64 handler_mask;	/* the mask while a handler ran */
	__u64 value;		/* whatever a test needs */
	stack_t altstack;
	long ret;
	int wake_count;
	bool stop_threads;
};

struct child {
	pid_t pid;
	pid_t parent;
	int pidfd;
	int go[2];
	int ready[2];
	enum stop stopped;
	struct child_log *log;
	void (*setup)(struct child *child);
	void (*then)(struct child *child);
	char cgroup[64];
};

/* Ends a child that finds itself in a state that the test did not want. */
#define child_check(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "# child: %s:%d: not so: %s\n",	\
			__FILE__, __LINE__, #cond);			\
		_exit(KSFT_FAIL);					\
	}								\
} while (0)

static inline void child_report(struct child *child)
{
	child_check(write(child->ready[1], "r", 1) == 1);
}

static inline void child_await_go(struct child *child)
{
	char byte;
	ssize_t len;

	do {
		len = read(child->go[0], &byte, 1);
	} while (len < 0 && errno == EINTR);
	if (len != 1)
		_exit(0);
}

/* Has the caller die with its parent; at once if that has been too fast. */
static inline void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* 0: the parent is outside the caller's pid namespace. */
	if (getppid() != parent && getppid())
		syscall(SYS_exit, 0);
}

static inline void child_main(struct child *child)
{
	die_with(child->parent);
	close(child->go[1]);
	close(child->ready[0]);
	if (child->setup)
		child->setup(child);
	child_report(child);
	for (;;) {
		child_await_go(child);
		if (child->then)
			child->then(child);
		child_report(child);
	}
}

static inline bool child_reports_within(struct child *child, int limit_ms)
{
	struct pollfd report = { .fd = child->ready[0], .events = POLLIN };
	char byte;

	return poll(&report, 1, limit_ms) == 1 &&
	       read(child->ready[0], &byte, 1) == 1;
}

static inline bool child_await_report(struct child *child)
{
	return child_reports_within(child, PATIENCE_MS);
}

/*
 * Ends the sleep of a child that is about to restart its system call. The
 * signal may come before the call does, so it is sent until the child reports.
 */
static inline bool child_interrupt(struct child *child, int signo)
{
	int tries = 100;

	while (tries--) {
		if (kill(child->pid, signo))
			return false;
		if (child_reports_within(child, PATIENCE_MS / 100))
			return true;
	}
	return false;
}

/* Has the child run then(), and waits until it has. */
static inline bool child_go(struct child *child)
{
	return write(child->go[1], "g", 1) == 1 && child_await_report(child);
}

/* Forks with clone(2)'s @flags; returns as fork(2). */
static inline pid_t fork_with(unsigned long flags)
{
	return syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

static inline bool child_start_with(struct child *child, unsigned long flags,
				    void (*setup)(struct child *child),
				    void (*then)(struct child *child))
{
	memset(child, 0, sizeof(*child));
	child->parent = getpid();
	child->setup = setup;
	child->then = then;
	child->log = shared_memory(sizeof(*child->log));
	if (!child->log || pipe2(child->go, O_CLOEXEC) ||
	    pipe2(child->ready, O_CLOEXEC))
		return false;
	child->pid = flags ? fork_with(flags) : fork();
	if (!child->pid)
		child_main(child);
	if (child->pid < 0)
		return false;
	close(child->go[0]);
	close(child->ready[1]);
	child->pidfd = sys_pidfd_open(child->pid, 0);
	return child->pidfd >= 0 && child_await_report(child);
}

static inline bool child_start(struct child *child,
			       void (*setup)(struct child *child),
			       void (*then)(struct child *child))
{
	return child_start_with(child, 0, setup, then);
}

/* Whether ptrace can handle the thread: no worker, no zombie. */
static inline bool is_traceable(pid_t tid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	return read_text(path, text, sizeof(text)) &&
	       !strstr(text, "(iou-") && !strstr(text, ") Z");
}

/* Stops thread @tid of anybody by ptrace. */
static inline bool ptrace_stop_thread(pid_t tid)
{
	int status;

	if (!is_traceable(tid))
		return true;
	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_EXITKILL) ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return false;
	return waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
}

/* Calls @act on each thread. */
static inline bool every_thread(pid_t pid, bool (*act)(pid_t tid))
{
	struct dirent *entry;
	bool good = true;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			good &= act(atoi(entry->d_name));
	}
	return dir && !closedir(dir) && good;
}

static inline bool ptrace_let_go(pid_t tid)
{
	return !is_traceable(tid) || !ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

static inline bool reap_thread(pid_t tid)
{
	/* Stopped on its way out, a tracee does not even heed SIGKILL. */
	ptrace(PTRACE_CONT, tid, NULL, NULL);
	return waitpid(tid, NULL, WNOHANG | __WALL) == tid;
}

static inline bool is_reaped(pid_t pid)
{
	pid_t got;
	int status;

	got = waitpid(pid, &status, WNOHANG | __WALL);
	if (got < 0 || (got == pid && !WIFSTOPPED(status)))
		return true;
	every_thread(pid, reap_thread);
	return false;
}

/*
 * Waits for the end of a process that was killed. Its leader cannot be waited
 * for while there are dead threads that were traced.
 */
static inline void reap(pid_t pid)
{
	if (!eventually(is_reaped(pid)))
		fprintf(stderr, "# process %d does not end\n", pid);
}

/* Makes a cgroup of its own for @pid; its path goes to @path. */
static inline bool cgroup_make(char *path, size_t size, pid_t pid)
{
	char file[128], text[16];

	snprintf(path, size, "/sys/fs/cgroup/sigcr-test-%d", pid);
	if (mkdir(path, 0755) && errno != EEXIST)
		return false;
	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	snprintf(text, sizeof(text), "%d", pid);
	return write_text(file, text);
}

static inline bool cgroup_is_frozen(const char *path)
{
	char file[128], text[256];

	snprintf(file, sizeof(file), "%s/cgroup.events", path);
	return read_text(file, text, sizeof(text)) && strstr(text, "frozen 1");
}

static inline bool cgroup_freeze(const char *path, bool freeze)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/cgroup.freeze", path);
	return write_text(file, freeze ? "1" : "0") &&
	       eventually(cgroup_is_frozen(path) == freeze);
}

static inline bool child_stop(struct child *child, enum stop how)
{
	int status;

	child->stopped = how;
	switch (how) {
	case STOP_PTRACE:
		return every_thread(child->pid, ptrace_stop_thread);
	case STOP_SIGNAL:
		return !kill(child->pid, SIGSTOP) &&
		       waitpid(child->pid, &status, WUNTRACED) == child->pid &&
		       WIFSTOPPED(status);
	case STOP_FREEZE:
		return cgroup_make(child->cgroup, sizeof(child->cgroup),
				   child->pid) &&
		       cgroup_freeze(child->cgroup, true);
	default:
		return false;
	}
}

static inline bool child_resume(struct child *child)
{
	enum stop how = child->stopped;

	child->stopped = NOT_STOPPED;
	switch (how) {
	case STOP_PTRACE:
		return every_thread(child->pid, ptrace_let_go);
	case STOP_SIGNAL:
		return !kill(child->pid, SIGCONT);
	case STOP_FREEZE:
		return cgroup_freeze(child->cgroup, false);
	default:
		return false;
	}
}

/* Kills the child and cleans up behind it; harmless on one that never was. */
static inline void child_end(struct child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		if (child->cgroup[0])
			cgroup_freeze(child->cgroup, false);
		reap(child->pid);
		close(child->pidfd);
		close(child->go[1]);
		close(child->ready[0]);
	}
	if (child->cgroup[0])
		eventually(!rmdir(child->cgroup) || errno != EBUSY);
	if (child->log)
		munmap(child->log, sizeof(*child->log));
	memset(child, 0, sizeof(*child));
}

/* Setup: everything that can be blocked is, so whatever is sent stays. */
static inline void block_all(struct child *child __maybe_unused)
{
	__u64 set = ALL_SIGNALS;

	child_check(!sys_sigprocmask(SIG_SETMASK, &set, NULL));
}

/* Setup: as above, and no room for another queued signal of the user. */
static inline void block_all_and_limit_queue_to_0(struct child *child)
{
	struct rlimit limit = {};

	block_all(child);
	child_check(!setrlimit(RLIMIT_SIGPENDING, &limit));
}

/* Setup: a thread that is a worker of the kernel; an error is logged. */
static inline void start_io_uring(struct child *child)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQPOLL,
		.sq_thread_idle = 100,
	};

	child->log->ret = kernel_answer(syscall(SYS_io_uring_setup, 4,
						&params));
}

/*
 * Then: takes every signal that is pending and logs it; not SIGCONT, by which
 * a test may have ended the stop.
 */
static inline void take_all(struct child *child)
{
	const __u64 set = ALL_SIGNALS & ~SET_OF(SIGCONT);
	struct child_log *log = child->log;

	while (log->taken_count < LOG_COUNT_MAX) {
		siginfo_t *info = &log->taken[log->taken_count];
		long signo;

		memset(info, 0, sizeof(*info));
		signo = sys_sigtimedwait(set, info, 0);
		if (signo == -EAGAIN)
			return;
		child_check(signo > 0 && signo == info->si_signo);
		log->taken_count++;
	}
}

/* Queues to the process a signal that carries @value. */
static inline long send_shared(pid_t pid, int signo, int value)
{
	siginfo_t info = queued_info(signo, value);

	return sys_sigqueueinfo(pid, signo, &info);
}

/* Queues to one thread. */
static inline long send_private(pid_t pid, pid_t tid, int signo, int value)
{
	siginfo_t info = queued_info(signo, value);

	return sys_tgsigqueueinfo(pid, tid, signo, &info);
}

/*
 * Queues to the process and to its leader a bit of everything: each signal
 * with its own value, real-time signals several deep. Without SIGCONT, which
 * would flush the stop signals, and without those where a SIGCONT is to end
 * the stop.
 */
static inline bool send_mixture(struct child *child, bool with_stop_signals)
{
	int signo, i;

	for (signo = 64; signo >= 1; signo--) {
		bool stops = signo >= SIGSTOP && signo <= SIGTTOU;

		if (signo == SIGKILL || signo == SIGSTOP || signo == SIGCONT ||
		    (stops && !with_stop_signals))
			continue;
		for (i = 0; i < (signo < 32 ? 1 : 3); i++) {
			if (send_shared(child->pid, signo, 1000 * i + signo) ||
			    send_private(child->pid, child->pid, signo,
					 -1000 * i - signo))
				return false;
		}
	}
	return true;
}

/* Whether the log goes on, from *@at, with the queue's entries of @signo. */
static inline bool log_goes_on(const struct child_log *log, int *at,
			       const struct sigcr_pending *queue, int signo)
{
	bool found = false;
	siginfo_t info;
	__u32 i;

	if (!(queue->set & SET_OF(signo)))
		return true;
	for (i = 0; i < queue->entry_count; i++) {
		info = record_siginfo(queue, i);
		if (info.si_signo != signo)
			continue;
		found = true;
		if (*at >= log->taken_count ||
		    memcmp(&log->taken[(*at)++], &info, SIGCR_SIGINFO_LEN))
			return false;
	}
	if (found)
		return true;
	/* A bit without an entry comes out as a signal from nobody. */
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	return *at < log->taken_count &&
	       !memcmp(&log->taken[(*at)++], &info, SIGCR_SIGINFO_LEN);
}

/*
 * Whether what the child took is what the queues hold: all of @queue, each
 * signal in the order of its entries, nothing else. The synchronous signals
 * come first, then by signal number; ties cannot be seen.
 */
static inline bool log_has_queue(const struct child_log *log, int *at,
				 const struct sigcr_pending *queue)
{
	const __u64 sync = SET_OF(SIGSEGV) | SET_OF(SIGBUS) | SET_OF(SIGILL) |
			   SET_OF(SIGTRAP) | SET_OF(SIGFPE) | SET_OF(SIGSYS);
	int round, signo;

	for (round = 0; round < 2; round++) {
		for (signo = 1; signo <= 64; signo++) {
			if (!!(sync & SET_OF(signo)) != !round)
				continue;
			if (!log_goes_on(log, at, queue, signo))
				return false;
		}
	}
	return true;
}

/* The private queue is taken before the shared one. */
static inline bool log_has_taken(const struct child_log *log,
				 const struct sigcr_pending *private_queue,
				 const struct sigcr_pending *shared_queue)
{
	int at = 0;

	return log_has_queue(log, &at, private_queue) &&
	       log_has_queue(log, &at, shared_queue) && at == log->taken_count;
}

#endif /* SIGCR_CHILD_H */
