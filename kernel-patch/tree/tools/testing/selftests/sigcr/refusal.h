/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of the tests of refused records: a process that tries to restore
 * them onto itself, and afterwards is found to be as it was.
 */
#ifndef SIGCR_REFUSAL_H
#define SIGCR_REFUSAL_H

#include "child.h"

#define SELF PIDFD_SELF_THREAD_GROUP

FIXTURE(self)
{
	struct record before;
	struct record record;
	struct sigcr_header *header;	/* of record */
	int tid;
};

/* The process is in a state that no record of these tests would leave. */
FIXTURE_SETUP(self)
{
	struct kernel_action action = { .handler = (__u64)SIG_IGN };
	__u64 set = SET_OF(SIGUSR1) | SET_OF(SIGCHLD) | SET_OF(40);

	ASSERT_EQ(0, sys_sigaction(SIGUSR2, &action, NULL));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, send_shared(getpid(), 40, 1));
	ASSERT_EQ(0, send_private(getpid(), getpid(), SIGUSR1, 2));
	self->tid = sys_gettid();
	ASSERT_EQ(0, record_take(&self->before, SELF, 0));
	ASSERT_STREQ("", record_parse(&self->before));
	record_begin(&self->record, getpid(), 0);
	self->header = (void *)self->record.bytes;
}

FIXTURE_TEARDOWN(self)
{
	struct record after = {};

	EXPECT_EQ(0, record_take(&after, SELF, 0));
	EXPECT_TRUE(record_equal(&self->before, &after));
	free(after.bytes);
	free(self->before.bytes);
	free(self->record.bytes);
}

/* Seals the record and tries to restore it. */
static inline long try(struct record *record, __u32 flags)
{
	record_seal(record);
	return record_restore(record, SELF, flags);
}

/* Acceptance is shown by a dry run: the record would change things. */
#define EXPECT_ACCEPTED(record) \
	EXPECT_EQ(0, try(record, SIGRESTORE_DRY_RUN))
#define EXPECT_REFUSED(error, record) \
	EXPECT_EQ(-(error), try(record, 0))

#endif /* SIGCR_REFUSAL_H */
