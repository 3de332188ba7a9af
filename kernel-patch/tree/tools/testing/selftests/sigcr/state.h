/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of a process before and after a call that is to change nothing.
 */
#ifndef SIGCR_STATE_H
#define SIGCR_STATE_H

#include "child.h"

/* All that can be seen of a stopped process from outside. */
struct state {
	struct proc_signals proc;
	struct record record;
};

static inline bool state_take(struct state *state, const struct child *child)
{
	return proc_signals(child->pid, &state->proc) &&
	       !record_take(&state->record, child->pidfd, 0);
}

/* "" or where the process differs from @before. */
static inline const char *state_compare(const struct state *before,
					const struct child *child)
{
	struct state now = {};
	const char *fault = "";

	if (!state_take(&now, child))
		fault = "no state to be had";
	else if (!record_equal(&now.record, &before->record))
		fault = "another record";
	else if (memcmp(&now.proc, &before->proc, sizeof(now.proc)))
		fault = "other signals in /proc";
	free(now.record.bytes);
	return fault;
}

#endif /* SIGCR_STATE_H */
