// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for children: the sleepers on a process's wait_chldexit.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sigcr.h>
#include <linux/wait.h>
#include <uapi/linux/sigcr.h>

#include "../exit.h"

static u32 id_type_of(const struct wait_opts *wo)
{
	switch (wo->wo_type) {
	case PIDTYPE_PID:
	case PIDTYPE_TGID:
		return SIGCR_WAIT_PID;
	case PIDTYPE_PGID:
		return SIGCR_WAIT_PGID;
	default:
		return SIGCR_WAIT_ALL;
	}
}

/**
 * sigcr_waiters_capture - List the threads of a process that wait for children
 *
 * @t:		Task whose siglock is held.
 * @ns:		Pid namespace for the ids.
 * @waiters:	Room for @room_count of them.
 * @room_count:	See @waiters.
 *
 * Return: how many there are, be there room or not.
 */
unsigned int sigcr_waiters_capture(struct task_struct *t,
				   struct pid_namespace *ns,
				   struct sigcr_waiter *waiters,
				   unsigned int room_count)
{
	struct wait_queue_head *head = &t->signal->wait_chldexit;
	unsigned int count = 0;
	struct wait_opts *wo;

	spin_lock(&head->lock);
	/*
	 * Only do_wait() and io_uring's waitid wait here; both do it with the
	 * entry of a struct wait_opts, whose pid is held meanwhile.
	 */
	list_for_each_entry(wo, &head->head, child_wait.entry) {
		struct task_struct *waiter = wo->child_wait.private;

		if (count++ >= room_count)
			continue;
		waiters[count - 1] = (struct sigcr_waiter) {
			.tid = task_pid_nr_ns(waiter, ns),
			.id_type = id_type_of(wo),
			.id = wo->wo_pid ? pid_nr_ns(wo->wo_pid, ns) : 0,
			.options = wo->wo_flags,
		};
	}
	spin_unlock(&head->lock);
	return count;
}
