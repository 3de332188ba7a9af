/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test program needs: limits, waiting for a condition, the signal
 * lines of /proc, and everything else by inclusion.
 */
#ifndef SIGCR_COMMON_H
#define SIGCR_COMMON_H

#include "wrappers.h"
#include "kselftest_harness.h"
#include "record_build.h"

/* The tests also run in emulation, with every checker on. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

/* How long a condition may take to come true. */
#define PATIENCE_MS 30000

/*
 * Waits until @cond holds; is false if it never does. Sleeps between two
 * looks, as a guest may have one CPU only.
 */
#define eventually(cond) ({						\
	int left_ms = PATIENCE_MS;					\
	bool holds;							\
									\
	while (!(holds = (cond)) && left_ms-- > 0)			\
		usleep(1000);						\
	holds;								\
})

/* To stand before a SKIP(), which would make a pass of a failure. */
#define ASSERT_GOOD_SO_FAR() ASSERT_EQ(KSFT_PASS, _metadata->exit_code)

/* Memory that a test and its children share. */
static inline void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* The text of a small file in @text; false if it cannot be read. */
static inline bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	text[len < 0 ? 0 : len] = '\0';
	return len >= 0;
}

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text);
}

/* What /proc/<pid>/status says of signals. */
struct proc_signals {
	__u64 queued_count;	/* SigQ: of the whole user */
	__u64 private_pending;
	__u64 shared_pending;
	__u64 blocked;
	__u64 ignored;
	__u64 caught;
};

/* Reads the value behind @key, such as "SigQ:"; false if it is not there. */
static inline bool status_value(const char *status, const char *key, int base,
				__u64 *value)
{
	const char *at = strstr(status, key);

	if (!at)
		return false;
	*value = strtoull(at + strlen(key), NULL, base);
	return true;
}

static inline bool proc_status(pid_t pid, char *status, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return read_text(path, status, size);
}

static inline bool proc_signals(pid_t pid, struct proc_signals *signals)
{
	char status[4096];

	memset(signals, 0, sizeof(*signals));
	return proc_status(pid, status, sizeof(status)) &&
	       status_value(status, "\nSigQ:", 10, &signals->queued_count) &&
	       status_value(status, "\nSigPnd:", 16,
			    &signals->private_pending) &&
	       status_value(status, "\nShdPnd:", 16,
			    &signals->shared_pending) &&
	       status_value(status, "\nSigBlk:", 16, &signals->blocked) &&
	       status_value(status, "\nSigIgn:", 16, &signals->ignored) &&
	       status_value(status, "\nSigCgt:", 16, &signals->caught);
}

/* The letter of the "State:" line: 'R', 'S', 'T', 't', 'Z', ...; 0 if gone. */
static inline char proc_state(pid_t pid)
{
	char status[4096];
	const char *at;

	if (!proc_status(pid, status, sizeof(status)))
		return 0;
	at = strstr(status, "State:\t");
	return at ? at[strlen("State:\t")] : 0;
}

/* The SigQ number of the caller's own user. */
static inline __u64 queued_count(void)
{
	struct proc_signals signals;

	return proc_signals(getpid(), &signals) ? signals.queued_count : ~0ULL;
}

/* Whether thread @tid of @pid sleeps in system call @nr. */
static inline bool sleeps_in(pid_t pid, pid_t tid, long nr)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	/* The state follows the name in parentheses. */
	if (!strrchr(text, ')') || strrchr(text, ')')[2] != 'S')
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	return strtol(text, NULL, 10) == nr && text[0] != 'r';
}

/* A queued signal with @value, as sigqueue(3) makes it. */
static inline siginfo_t queued_info(int signo, int value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	return info;
}

#endif /* SIGCR_COMMON_H */
