// SPDX-License-Identifier: GPL-2.0
/*
 * sigckpt(2) and sigrestore(2): the entries from C into Rust, and what only
 * the C compiler can check.
 */
#include <linux/build_bug.h>
#include <linux/sigcr.h>
#include <linux/signal.h>
#include <linux/syscalls.h>
#include <asm/unistd.h>
#include <uapi/linux/sigcr.h>

static_assert(__NR_sigckpt == SIGCR_NR_SIGCKPT);
static_assert(__NR_sigrestore == SIGCR_NR_SIGRESTORE);

static_assert(_NSIG == SIGCR_SIGNO_MAX);
static_assert(sizeof(sigset_t) == sizeof(__u64));
static_assert(sizeof(struct kernel_siginfo) == SIGCR_SIGINFO_LEN);
static_assert(sizeof_field(struct sigcr_entry, siginfo) == SIGCR_SIGINFO_LEN);
static_assert((SIGCR_ACTION_FLAGS & UAPI_SA_FLAGS) == UAPI_SA_FLAGS);

static_assert(sizeof(struct sigcr_header) == SIGCR_HEADER_LEN_VER1);
static_assert(sizeof(struct sigcr_section) == SIGCR_SECTION_LEN_VER1);
static_assert(sizeof(struct sigcr_process) == SIGCR_PROCESS_LEN_VER1);
static_assert(sizeof(struct sigcr_actions) == SIGCR_ACTIONS_LEN_VER1);
static_assert(sizeof(struct sigcr_action) == SIGCR_ACTION_LEN_VER1);
static_assert(sizeof(struct sigcr_pending) == SIGCR_PENDING_LEN_VER1);
static_assert(sizeof(struct sigcr_entry) == SIGCR_ENTRY_LEN_VER1);
static_assert(sizeof(struct sigcr_thread) == SIGCR_THREAD_LEN_VER1);
static_assert(sizeof(struct sigcr_altstack) == SIGCR_ALTSTACK_LEN_VER1);

/**
 * sys_sigckpt - Write the signal state of a process into a buffer
 *
 * @pidfd:	Process (or with PIDFD_THREAD one thread) to checkpoint.
 * @record:	Buffer for the record; NULL with @size 0 to measure it.
 * @size:	Bytes of the buffer.
 * @flags:	SIGCKPT_* and the record version that is asked for.
 *
 * The target is stopped (ptrace stop, group stop, frozen by cgroup v2) or the
 * caller itself, unless SIGCKPT_LIVE is given. It does not notice.
 *
 * Return: the length of the record in bytes, or a negative errno; nothing has
 * been written then, except that with EFAULT a part of the buffer may have
 * been. Documentation/userspace-api/sigcr.rst lists them in the order in which
 * they win.
 */
SYSCALL_DEFINE4(sigckpt, int, pidfd, void __user *, record, size_t, size,
		unsigned int, flags)
{
	return sigcr_checkpoint(pidfd, record, size, flags);
}

/**
 * sys_sigrestore - Give a process the signal state that a buffer holds
 *
 * @pidfd:	Process (or with PIDFD_THREAD one thread) to restore.
 * @record:	Record, as sigckpt(2) writes it.
 * @size:	Bytes of the record.
 * @flags:	SIGRESTORE_*.
 *
 * State that the record has no section for is left alone.
 *
 * Return: 0, or a negative errno; nothing has been changed then.
 * Documentation/userspace-api/sigcr.rst lists them in the order in which they
 * win.
 */
SYSCALL_DEFINE4(sigrestore, int, pidfd, const void __user *, record, size_t,
		size, unsigned int, flags)
{
	return sigcr_restore(pidfd, record, size, flags);
}

bool __weak sigcr_altstack_size_valid(struct task_struct *t, size_t size)
{
	return true;
}
