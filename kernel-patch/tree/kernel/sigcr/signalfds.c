// SPDX-License-Identifier: GPL-2.0
/*
 * The signalfds in the table of open files of a task.
 */
#include <linux/fdtable.h>
#include <linux/sched/task.h>
#include <linux/sigcr.h>

/**
 * sigcr_signalfd_find - Find a signalfd of a task
 *
 * @t:		Task.
 * @fd:		File descriptor to begin with; set to the one that was found.
 * @cloexec:	Set to whether it is closed by an exec.
 *
 * Context: Process context, not under siglock.
 * Return: the file, with a reference, or NULL if there is none any more.
 */
struct file *sigcr_signalfd_find(struct task_struct *t, unsigned int *fd,
				 bool *cloexec)
{
	struct file *file = NULL;

	task_lock(t);
	if (t->files) {
		spin_lock(&t->files->file_lock);
		file = sigcr_signalfd_next(t->files, fd, cloexec);
		spin_unlock(&t->files->file_lock);
	}
	task_unlock(t);
	return file;
}
