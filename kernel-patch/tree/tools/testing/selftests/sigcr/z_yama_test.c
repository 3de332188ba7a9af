// SPDX-License-Identifier: GPL-2.0
/*
 * Yama's scope 3: nobody may trace anybody, until the next boot. By its name
 * this program runs last, and only in a system made to be thrown away.
 */
#include "caller.h"

#define SELF PIDFD_SELF_THREAD_GROUP

/* Such a system lives in its initramfs, or says so. */
static bool may_spoil_system(void)
{
	char mounts[4096];

	return getenv("SIGCR_TEST_MAY_SPOIL_SYSTEM") ||
	       (read_text("/proc/mounts", mounts, sizeof(mounts)) &&
		strstr(mounts, " / rootfs "));
}

FIXTURE(target)
{
	struct child child;
};

FIXTURE_SETUP(target)
{
}

FIXTURE_TEARDOWN(target)
{
	child_end(&self->child);
}

/* (38) */
TEST_F(target, yama_scope_3_lets_nobody_but_the_process_itself)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, block_all, NULL));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	EXPECT_ANSWERS(0, 0, 0, become_nobody_else, child->pidfd);
	ASSERT_GOOD_SO_FAR();
	if (!may_spoil_system())
		SKIP(return, "SIGCR_TEST_MAY_SPOIL_SYSTEM is not set");
	if (!write_text(YAMA_SCOPE, "3"))
		SKIP(return, "no Yama");
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_nobody_else,
		       child->pidfd);
	EXPECT_GT(sigckpt(SELF, NULL, 0, 0), 0);
	EXPECT_GT(sigckpt(PIDFD_SELF_THREAD, NULL, 0, 0), 0);
}

TEST_HARNESS_MAIN
