// SPDX-License-Identifier: GPL-2.0
/*
 * Yama's scope 3: nobody may trace anybody, until the next boot. By its name
 * this program runs last, and only in a system made to be thrown away.
 */
#include "access_run.h"

/* Such a system lives in its initramfs, or says so. */
static bool may_spoil_system(void)
{
	char mounts[4096];

	return getenv("SIGCR_TEST_MAY_SPOIL_SYSTEM") ||
	       (read_text("/proc/mounts", mounts, sizeof(mounts)) &&
		strstr(mounts, " / rootfs "));
}

/* (38) */
TEST_F(access, answers_with_yama_scope_3_are_those_of_the_table)
{
	if (!may_spoil_system())
		SKIP(return, "SIGCR_TEST_MAY_SPOIL_SYSTEM is not set");
	access_try_all(_metadata, self, YAMA_3);
}

TEST_HARNESS_MAIN
