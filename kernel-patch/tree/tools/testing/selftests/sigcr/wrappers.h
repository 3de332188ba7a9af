/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Raw system calls: sigckpt(2), sigrestore(2), and those of which the C
 * library hides a part.
 *
 * Each wrapper returns what the kernel returns: a negated error number on
 * failure. The C library keeps signals 32 and 33 to itself, so whatever takes
 * a sigset goes around it.
 */
#ifndef SIGCR_WRAPPERS_H
#define SIGCR_WRAPPERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/sigcr.h>
#include <linux/types.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD -10000
#define PIDFD_SELF_THREAD_GROUP -10001
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM 0x80000000U
#endif
#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif
#ifndef SA_EXPOSE_TAGBITS
#define SA_EXPOSE_TAGBITS 0x00000800
#endif
#ifndef SA_UNSUPPORTED
#define SA_UNSUPPORTED 0x00000400
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

/* The action as rt_sigaction(2) takes it. */
struct kernel_action {
	__u64 handler;
	__u64 flags;
	__u64 restorer;
	__u64 mask;
};

/* Turns the -1 and errno of syscall(3) back into the kernel's answer. */
static inline long kernel_answer(long ret)
{
	return ret == -1 ? -errno : ret;
}

static inline long sigckpt(int pidfd, void *record, size_t size,
			   unsigned int flags)
{
	return kernel_answer(syscall(SIGCR_NR_SIGCKPT, pidfd, record, size,
				     flags));
}

static inline long sigrestore(int pidfd, const void *record, size_t size,
			      unsigned int flags)
{
	return kernel_answer(syscall(SIGCR_NR_SIGRESTORE, pidfd, record, size,
				     flags));
}

static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return kernel_answer(syscall(SYS_pidfd_open, pid, flags));
}

static inline long sys_sigaction(int signo, const struct kernel_action *act,
				 struct kernel_action *old)
{
	return kernel_answer(syscall(SYS_rt_sigaction, signo, act, old,
				     sizeof(__u64)));
}

static inline long sys_sigprocmask(int how, const __u64 *set, __u64 *old)
{
	return kernel_answer(syscall(SYS_rt_sigprocmask, how, set, old,
				     sizeof(__u64)));
}

static inline long sys_sigsuspend(const __u64 *set)
{
	return kernel_answer(syscall(SYS_rt_sigsuspend, set, sizeof(__u64)));
}

/* Takes one signal of @set; -EAGAIN after @timeout_ms. */
static inline long sys_sigtimedwait(__u64 set, siginfo_t *info, int timeout_ms)
{
	struct timespec timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000L,
	};

	return kernel_answer(syscall(SYS_rt_sigtimedwait, &set, info, &timeout,
				     sizeof(__u64)));
}

static inline long sys_sigqueueinfo(pid_t tgid, int signo,
				    const siginfo_t *info)
{
	return kernel_answer(syscall(SYS_rt_sigqueueinfo, tgid, signo, info));
}

static inline long sys_tgsigqueueinfo(pid_t tgid, pid_t tid, int signo,
				      const siginfo_t *info)
{
	return kernel_answer(syscall(SYS_rt_tgsigqueueinfo, tgid, tid, signo,
				     info));
}

static inline long sys_tgkill(pid_t tgid, pid_t tid, int signo)
{
	return kernel_answer(syscall(SYS_tgkill, tgid, tid, signo));
}

static inline pid_t sys_gettid(void)
{
	return syscall(SYS_gettid);
}

#endif /* SIGCR_WRAPPERS_H */
