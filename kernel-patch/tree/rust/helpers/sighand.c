// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/kernel/signal.rs needs of inline functions and macros.
 */

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/signalfd.h>
#include <linux/user_namespace.h>

__rust_helper void rust_helper_unlock_task_sighand(struct task_struct *t,
						   unsigned long *flags)
{
	unlock_task_sighand(t, flags);
}

__rust_helper bool rust_helper_test_tsk_restore_sigmask(struct task_struct *t)
{
	/*
	 * Only the thread itself changes the bit, and not while it rests. Other
	 * bits of the word it may, such as that of the freezer.
	 */
	return data_race(test_tsk_restore_sigmask(t));
}

__rust_helper bool rust_helper_cgroup_task_frozen(struct task_struct *t)
{
	return cgroup_task_frozen(t);
}

__rust_helper void rust_helper_signalfd_notify(struct task_struct *t, int sig)
{
	signalfd_notify(t, sig);
}

__rust_helper bool rust_helper_current_on_sig_stack(void)
{
	return on_sig_stack(current_user_stack_pointer());
}

__rust_helper bool rust_helper_fatal_signal_pending(struct task_struct *t)
{
	return fatal_signal_pending(t);
}

__rust_helper void rust_helper_audit_ptrace(struct task_struct *t)
{
	audit_ptrace(t);
}

__rust_helper bool
rust_helper_task_checkpoint_restore_capable(struct task_struct *t)
{
	return checkpoint_restore_ns_capable(__task_cred(t)->user_ns);
}

__rust_helper int rust_helper_mutex_lock_interruptible(struct mutex *lock)
{
	return mutex_lock_interruptible(lock);
}

__rust_helper struct ucounts *rust_helper_get_ucounts(struct ucounts *ucounts)
{
	return get_ucounts(ucounts);
}
