/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of the tests of a stopped child: each runs once per way in which
 * a process can be stopped.
 */
#ifndef SIGCR_STOPPED_H
#define SIGCR_STOPPED_H

#include "child.h"

FIXTURE(stopped)
{
	struct child child;
	struct record record;
	struct record again;
};

FIXTURE_VARIANT(stopped)
{
	enum stop how;
};

FIXTURE_VARIANT_ADD(stopped, by_ptrace) { .how = STOP_PTRACE };
FIXTURE_VARIANT_ADD(stopped, by_a_stop_signal) { .how = STOP_SIGNAL };
FIXTURE_VARIANT_ADD(stopped, by_the_freezer) { .how = STOP_FREEZE };

FIXTURE_SETUP(stopped)
{
}

FIXTURE_TEARDOWN(stopped)
{
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

/* The flags of a thread that was stopped in such a way. */
static inline __u32 stop_flags(enum stop how)
{
	switch (how) {
	case STOP_PTRACE:
		return SIGCR_THREAD_TRACED | SIGCR_THREAD_TRACE_STOP;
	case STOP_SIGNAL:
		return SIGCR_THREAD_GROUP_STOP;
	default:
		return SIGCR_THREAD_FROZEN;
	}
}

/* Takes a record of the child, which must be stopped, and reads it. */
#define TAKE(record)							\
	ASSERT_STREQ("", record_read(record, self->child.pidfd, 0))

/* Stops the child in the variant's way and takes a record. */
#define STOP_AND_TAKE(record) do {					\
	ASSERT_TRUE(child_stop(&self->child, variant->how));		\
	TAKE(record);							\
} while (0)

#endif /* SIGCR_STOPPED_H */
