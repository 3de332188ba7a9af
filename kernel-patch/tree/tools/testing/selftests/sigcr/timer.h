/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Timers as a test wants them: by raw system calls, with times in nanoseconds,
 * and what is there of them in /proc.
 */
#ifndef SIGCR_TIMER_H
#define SIGCR_TIMER_H

#include "child.h"
#include <sys/time.h>

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif
#ifndef CLOCK_REALTIME_ALARM
#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#endif
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77
#define PR_TIMER_CREATE_RESTORE_IDS_OFF 0
#define PR_TIMER_CREATE_RESTORE_IDS_ON 1
#endif

#define MS 1000000ULL
#define SEC 1000000000ULL
/* Long enough that no test sees the end of it. */
#define LONG_NS (5000 * SEC)
#define TICK_NS (10 * MS)

/* CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID by pid and by tid. */
#define PROCESS_CPU_CLOCK(pid) ((clockid_t)(~(__u32)(pid) << 3 | 2))
#define THREAD_CPU_CLOCK(tid) ((clockid_t)(~(__u32)(tid) << 3 | 6))

/* Whether there is a clock that can wake the machine. */
static inline bool has_alarm_clocks(void)
{
	return !clock_getres(CLOCK_BOOTTIME_ALARM, NULL);
}

static inline __u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SEC + now.tv_nsec;
}

static inline struct timespec timespec_of(__u64 ns)
{
	return (struct timespec){ .tv_sec = ns / SEC, .tv_nsec = ns % SEC };
}

/*
 * Creates a timer; @tid is the thread to signal or 0. Returns the id or the
 * negated error number.
 */
static inline int timer_make_for(clockid_t clock, int notify, int signo,
				 __u64 value, pid_t tid)
{
	struct sigevent event = {
		.sigev_notify = notify,
		.sigev_signo = signo,
		.sigev_value.sival_ptr = (void *)value,
	};
	int timer_id = -1;
	long ret;

	event._sigev_un._tid = tid;
	ret = kernel_answer(syscall(SYS_timer_create, clock, &event,
				    &timer_id));
	return ret ? ret : timer_id;
}

static inline int timer_make(clockid_t clock, int signo, __u64 value)
{
	return timer_make_for(clock, SIGEV_SIGNAL, signo, value, 0);
}

/* @flags: 0 or TIMER_ABSTIME. */
static inline long timer_set(int timer_id, int flags, __u64 value_ns,
			     __u64 interval_ns)
{
	struct itimerspec setting = {
		.it_value = timespec_of(value_ns),
		.it_interval = timespec_of(interval_ns),
	};

	return kernel_answer(syscall(SYS_timer_settime, timer_id, flags,
				     &setting, NULL));
}

/* What is left of a timer, in ns; 0 if it does not run, ~0 if there is none. */
static inline __u64 timer_left(int timer_id)
{
	struct itimerspec setting;

	if (syscall(SYS_timer_gettime, timer_id, &setting))
		return ~0ULL;
	return setting.it_value.tv_sec * SEC + setting.it_value.tv_nsec;
}

static inline long timer_drop(int timer_id)
{
	return kernel_answer(syscall(SYS_timer_delete, timer_id));
}

static inline long timer_overrun(int timer_id)
{
	return kernel_answer(syscall(SYS_timer_getoverrun, timer_id));
}

static inline bool drop_all_timers(const struct record *record)
{
	__u32 i;

	for (i = 0; i < record->timers->entry_count; i++) {
		if (timer_drop(record_timer(record, i)->timer_id))
			return false;
	}
	return true;
}

/* Sets one of the timers of setitimer(2). */
static inline long itimer_set(int which, __u64 value_ns, __u64 interval_ns)
{
	struct itimerval setting = {
		.it_value = { value_ns / SEC, value_ns % SEC / 1000 },
		.it_interval = { interval_ns / SEC, interval_ns % SEC / 1000 },
	};

	return kernel_answer(setitimer(which, &setting, NULL));
}

static inline __u64 itimer_left(int which)
{
	struct itimerval setting;

	getitimer(which, &setting);
	return setting.it_value.tv_sec * SEC +
	       setting.it_value.tv_usec * 1000ULL;
}

static inline __u64 itimer_interval(int which)
{
	struct itimerval setting;

	getitimer(which, &setting);
	return setting.it_interval.tv_sec * SEC +
	       setting.it_interval.tv_usec * 1000ULL;
}

/* Waits until exactly the signals of @set are pending for the process. */
static inline bool await_pending(pid_t pid, __u64 set)
{
	struct proc_signals signals;

	return eventually(proc_signals(pid, &signals) &&
			  signals.shared_pending == set);
}

static inline bool await_private(pid_t tid, __u64 set)
{
	struct proc_signals signals;

	return eventually(proc_signals(tid, &signals) &&
			  signals.private_pending == set);
}

/* All timers of a process, but for their times. */
static inline bool proc_timers(pid_t pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	return read_text(path, text, size);
}

/* Uses up CPU time of the calling thread. */
static inline void burn_cpu(__u64 ns)
{
	__u64 end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

/* How many entries of @signo the queue holds. */
static inline int count_queued(const struct sigcr_pending *queue, int signo)
{
	int count = 0;
	__u32 i;

	for (i = 0; i < queue->entry_count; i++)
		count += record_siginfo(queue, i).si_signo == signo;
	return count;
}

#endif /* SIGCR_TIMER_H */
