// SPDX-License-Identifier: GPL-2.0
/*
 * Records of other versions and of later kernels: what of them is read, what is
 * skipped, and what is refused. Some of them the test makes itself; others are
 * made by a kernel that can be switched to behave like a later one, as far as
 * it was built with CONFIG_SIGCR_TEST_VERSION2.
 *
 * Numbers such as (3) name the scenario in the project's list.
 */
#include "later.h"

/* For what a kernel can be shown that is not a later one. */
FIXTURE(version)
{
	struct pair pair;
};

FIXTURE_SETUP(version)
{
	ASSERT_STREQ("", pair_start(&self->pair));
}

FIXTURE_TEARDOWN(version)
{
	pair_end(&self->pair);
}

/* For what takes one that can be switched. */
FIXTURE(later)
{
	struct pair pair;
};

FIXTURE_SETUP(later)
{
	if (!can_switch())
		SKIP(return, "the kernel is none that behaves like a later one: no " SWITCH);
	ASSERT_STREQ("", pair_start(&self->pair));
}

FIXTURE_TEARDOWN(later)
{
	pair_end(&self->pair);
}

/* Makes of a record of the child one of the fresh one. */
static void give_to_fresh(struct pair *pair, struct record *record)
{
	int i;

	for (i = 1; i >= 0; i--)
		record_rename(record, pair->child.log->tids[i],
			      pair->fresh.log->tids[i]);
}

/* Whether all state in two records is equal, but for times that go on. */
static bool is_same_state(struct record *a, struct record *b)
{
	if (*record_parse(a) || *record_parse(b))
		return false;
	record_forget_times(a);
	record_forget_times(b);
	return record_state_equal(a, b);
}

/* Whether a reader of version 1 finds in @record what the child has. */
static bool is_read_as_today(struct pair *pair, const struct record *record)
{
	struct record known = {}, today = {};
	bool is_same;

	rewrite(&known, record, &none);
	record_copy(&today, &pair->today);
	is_same = is_same_state(&today, &known);
	free(known.bytes);
	free(today.bytes);
	return is_same;
}

/* Restores a record of the child onto the fresh one, which then is alike. */
static const char *restore(struct pair *pair, struct record *record)
{
	struct record now = {}, wanted = {};
	const char *fault;
	long ret;

	give_to_fresh(pair, record);
	record_copy(&wanted, &pair->today);
	give_to_fresh(pair, &wanted);
	ret = record_restore(record, pair->fresh.pidfd, SIGRESTORE_DRY_RUN);
	if (!ret)
		ret = record_restore(record, pair->fresh.pidfd, 0);
	fault = ret ? strerror(-ret) :
		record_read(&now, pair->fresh.pidfd, VERSION(1));
	if (!*fault && !is_same_state(&wanted, &now))
		fault = "another state";
	free(now.bytes);
	free(wanted.bytes);
	return fault;
}

/* Whether the restore is refused like that, and changes nothing. */
static bool is_refused(struct pair *pair, const struct record *record,
		       int error)
{
	struct record now = {};
	bool is_unchanged;

	if (record_restore(record, pair->fresh.pidfd, 0) != -error ||
	    record_restore(record, pair->fresh.pidfd,
			   SIGRESTORE_DRY_RUN) != -error)
		return false;
	is_unchanged = !record_take(&now, pair->fresh.pidfd, VERSION(1)) &&
		       record_equal(&pair->before, &now);
	free(now.bytes);
	return is_unchanged;
}

/* The tests tell states apart: the fresh child is not as it is to become. */
TEST_F(version, record_of_today_is_restored)
{
	struct pair *pair = &self->pair;
	struct record *now = &pair->again;

	record_copy(&pair->later, &pair->today);
	give_to_fresh(pair, &pair->later);
	record_copy(now, &pair->before);
	EXPECT_FALSE(is_same_state(&pair->later, now));
	record_copy(&pair->later, &pair->today);
	EXPECT_STREQ("", restore(pair, &pair->later));
}

/* (3) */
TEST_F(version, record_of_version_1_with_all_appended_is_restored)
{
	struct pair *pair = &self->pair;
	static const struct growth growths[] = {
		{ 8, 8, 8, false, false },
		{ 0, 0, 8, false, false },
		{ 0, 64, 0, true, false },
		{ 16, 8, 24, true, false },
		{ SIGCR_HEADER_LEN_MAX - SIGCR_HEADER_LEN_VER1, 1024, 128,
		  true, false },
	};
	__u32 types;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(growths); i++) {
		rewrite(&pair->later, &pair->today, &growths[i]);
		ASSERT_TRUE(is_read_as_today(pair, &pair->later));
		EXPECT_STREQ("", restore(pair, &pair->later))
			TH_LOG("row %zu", i);
		/* Back to what it was. */
		ASSERT_EQ(0, record_restore(&pair->before, pair->fresh.pidfd,
					    0));
	}
	ASSERT_STREQ("", check_grown(&pair->later, &types));
}

/* (3) */
TEST_F(version, mandatory_section_that_is_unknown_is_eopnotsupp)
{
	struct pair *pair = &self->pair;
	struct growth growth = { 16, 8, 24, true, true };

	rewrite(&pair->later, &pair->today, &growth);
	give_to_fresh(pair, &pair->later);
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	growth = none;
	growth.has_mandatory = true;
	rewrite(&pair->later, &pair->today, &growth);
	give_to_fresh(pair, &pair->later);
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
}

/* (3) Before all that could be wrong with it in the eyes of version 1. */
TEST_F(version, record_of_version_2_is_eopnotsupp_whatever_it_holds)
{
	struct pair *pair = &self->pair;
	struct sigcr_header *header;
	int version;

	rewrite(&pair->later, &pair->today, &none);
	change_version(&pair->later, 2);
	give_to_fresh(pair, &pair->later);
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	header = (void *)pair->later.bytes;
	header->crc32c ^= 1;
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	header->header_len = 1;
	header->total_len = 1;
	header->arch = 1;
	header->reserved[0] = 1;
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	for (version = 0; version < 32; version++) {
		header->version = 2U << version;
		EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	}
}

TEST_F(later, kernel_that_knows_version_2_says_so_and_writes_both)
{
	struct pair *pair = &self->pair;
	struct record *record = &pair->again;
	__u32 version;

	EXPECT_EQ(1, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	EXPECT_EQ(2, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	EXPECT_EQ(-EINVAL, sigckpt(-1, NULL, 0, SIGCKPT_QUERY | VERSION(2)));
	for (version = 0; version <= 2; version++) {
		ASSERT_EQ(0, record_take(record, pair->fresh.pidfd,
					 VERSION(version)));
		EXPECT_EQ(version ? version : 2,
			  ((struct sigcr_header *)record->bytes)->version);
	}
	for (version = 3; version < 256; version++) {
		EXPECT_EQ(-EOPNOTSUPP, record_take(record, pair->fresh.pidfd,
						   VERSION(version))) {
			TH_LOG("version %u", version);
		}
	}
	/* Who asks for version 1 gets what he always got, byte by byte. */
	ASSERT_STREQ("", record_read(record, pair->fresh.pidfd, VERSION(1)));
	EXPECT_TRUE(record_equal(&pair->before, record));
	ASSERT_STREQ("", record_read(record, pair->child.pidfd, VERSION(1)));
	EXPECT_TRUE(is_same_state(&pair->today, record));
}

/* The sections of a process without a signal in flight, by their numbers. */
#define ALL_TYPES 0xbfe

TEST_F(later, version_2_has_all_appended_and_the_same_state)
{
	struct pair *pair = &self->pair;
	struct sigcr_header *header;
	struct record *later = &pair->later;
	__u32 types;
	long len;

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	ASSERT_STREQ("", record_read(&pair->today, pair->child.pidfd,
				     VERSION(1) | SIGCKPT_WAITERS));
	ASSERT_EQ(0, record_take(later, pair->child.pidfd, SIGCKPT_WAITERS));
	header = (void *)later->bytes;
	EXPECT_EQ(2, header->version);
	EXPECT_EQ(later->len, header->total_len);
	EXPECT_STREQ("", check_grown(later, &types));
	EXPECT_EQ(ALL_TYPES, types);
	/* Taken for version 1 it is well-formed, and says something else. */
	header->version = 1;
	rewrite(&pair->again, later, &none);
	EXPECT_STREQ("", record_parse(&pair->again));
	EXPECT_FALSE(is_read_as_today(pair, later));
	change_version(later, 1);
	EXPECT_TRUE(is_read_as_today(pair, later));
	/* The call is about the longer record. */
	len = sigckpt(pair->child.pidfd, NULL, 0, SIGCKPT_WAITERS);
	EXPECT_EQ(later->len, len);
	EXPECT_GT(len, pair->today.len);
	memset(later->bytes, 0xa5, len);
	EXPECT_EQ(-ERANGE, sigckpt(pair->child.pidfd, later->bytes, len - 1,
				   SIGCKPT_WAITERS));
	EXPECT_EQ(0xa5, later->bytes[0]);
	EXPECT_EQ(len, sigckpt(pair->child.pidfd, later->bytes, len,
			       SIGCKPT_WAITERS));
}

TEST_F(later, version_2_is_restored_by_who_knows_it_and_refused_by_others)
{
	struct pair *pair = &self->pair;

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	ASSERT_EQ(0, record_take(&pair->later, pair->child.pidfd, 0));
	give_to_fresh(pair, &pair->later);
	ASSERT_TRUE(switch_to(0));
	EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP));
	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	EXPECT_STREQ("", restore(pair, &pair->later));
}

TEST_F(later, version_1_is_restored_by_who_knows_version_2)
{
	struct pair *pair = &self->pair;
	const struct growth growth = { 16, 8, 24, true, false };

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	rewrite(&pair->later, &pair->today, &none);
	EXPECT_STREQ("", restore(pair, &pair->later));
	ASSERT_EQ(0, record_restore(&pair->before, pair->fresh.pidfd, 0));
	rewrite(&pair->later, &pair->today, &growth);
	EXPECT_STREQ("", restore(pair, &pair->later));
}

TEST_F(later, later_kernel_s_record_of_version_1_is_restored_by_every_kernel)
{
	struct pair *pair = &self->pair;
	static const int readers[] = { 0, KNOW_VERSION_2 };
	__u32 types;
	size_t i;

	ASSERT_TRUE(switch_to(GROW_VERSION_1));
	EXPECT_EQ(1, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	EXPECT_EQ(-EOPNOTSUPP, record_take(&pair->later, pair->child.pidfd,
					   VERSION(2)));
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		ASSERT_TRUE(switch_to(GROW_VERSION_1));
		ASSERT_EQ(0, record_take(&pair->later, pair->child.pidfd,
					 VERSION(1)));
		ASSERT_STREQ("", check_grown(&pair->later, &types));
		EXPECT_TRUE(is_read_as_today(pair, &pair->later));
		ASSERT_TRUE(switch_to(readers[i]));
		EXPECT_STREQ("", restore(pair, &pair->later))
			TH_LOG("reader %d", readers[i]);
		ASSERT_EQ(0, record_restore(&pair->before, pair->fresh.pidfd,
					    0));
	}
}

TEST_F(later, later_kernel_s_mandatory_section_is_eopnotsupp)
{
	struct pair *pair = &self->pair;
	static const struct {
		int writer;
		__u32 version;
	} rows[] = {
		{ GROW_VERSION_1 | ADD_MANDATORY, 1 },
		{ KNOW_VERSION_2 | ADD_MANDATORY, 2 },
		{ KNOW_VERSION_2 | GROW_VERSION_1 | ADD_MANDATORY, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_TRUE(switch_to(rows[i].writer));
		ASSERT_EQ(0, record_take(&pair->later, pair->child.pidfd,
					 VERSION(rows[i].version)));
		give_to_fresh(pair, &pair->later);
		/* Whoever reads it: the section is one that nobody knows. */
		ASSERT_TRUE(switch_to(KNOW_VERSION_2));
		EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP))
			TH_LOG("row %zu", i);
		ASSERT_TRUE(switch_to(0));
		EXPECT_TRUE(is_refused(pair, &pair->later, EOPNOTSUPP))
			TH_LOG("row %zu", i);
	}
	/* Without it the same is taken. */
	ASSERT_TRUE(switch_to(GROW_VERSION_1));
	ASSERT_EQ(0, record_take(&pair->later, pair->child.pidfd, 0));
	ASSERT_TRUE(switch_to(0));
	EXPECT_STREQ("", restore(pair, &pair->later));
}

/* (3) What knows version 2 as well checks it no less. */
TEST_F(later, spoilt_record_of_version_2_is_refused_as_one_of_version_1)
{
	struct pair *pair = &self->pair;
	struct record *later = &pair->later;
	struct sigcr_header *header;
	struct sigcr_thread *thread;
	__u64 blocked;
	size_t off;

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	ASSERT_EQ(0, record_take(later, pair->child.pidfd, 0));
	give_to_fresh(pair, later);
	header = (void *)later->bytes;
	for (off = 0; off < later->len; off++) {
		int error = EBADMSG;

		if (off < 4)
			error = EINVAL;		/* magic */
		else if (off < 8)
			error = EOPNOTSUPP;	/* version */
		else if (off < 12 || (off >= 16 && off < 24))
			error = EINVAL;		/* lengths */
		later->bytes[off] ^= 0xff;
		ASSERT_EQ(-error, record_restore(later, pair->fresh.pidfd, 0))
			TH_LOG("byte %zu", off);
		later->bytes[off] ^= 0xff;
	}
	header->arch ^= 1;
	record_reseal(later);
	EXPECT_TRUE(is_refused(pair, later, EOPNOTSUPP));
	header->arch ^= 1;
	header->reserved[4] = 1;
	record_reseal(later);
	EXPECT_TRUE(is_refused(pair, later, EINVAL));
	header->reserved[4] = 0;
	thread = (void *)(later->bytes + header->header_len);
	while (thread->section.type != SIGCR_SECTION_THREAD)
		thread = (void *)((__u8 *)thread + thread->section.len);
	blocked = thread->blocked;
	thread->blocked |= SET_OF(SIGKILL);
	record_reseal(later);
	EXPECT_TRUE(is_refused(pair, later, EINVAL));
	thread->blocked = blocked;
	record_reseal(later);
	EXPECT_STREQ("", restore(pair, later));
}

/* All that is private to a thread, by a descriptor of that thread. */
TEST_F(later, version_2_of_one_thread_is_restored)
{
	struct pair *pair = &self->pair;
	struct record *later = &pair->later;
	int child_fd, fresh_fd;

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	child_fd = sys_pidfd_open(pair->child.log->tids[1], PIDFD_THREAD);
	fresh_fd = sys_pidfd_open(pair->fresh.log->tids[1], PIDFD_THREAD);
	ASSERT_GE(child_fd, 0);
	ASSERT_GE(fresh_fd, 0);
	ASSERT_EQ(0, record_take(later, child_fd, 0));
	EXPECT_EQ(2, ((struct sigcr_header *)later->bytes)->version);
	give_to_fresh(pair, later);
	ASSERT_EQ(0, record_restore(later, fresh_fd, 0));
	ASSERT_STREQ("", record_read(&pair->again, fresh_fd, VERSION(1)));
	EXPECT_EQ(5, pair->again.threads[0].pending->entry_count);
	ASSERT_STREQ("", record_read(later, child_fd, VERSION(1)));
	give_to_fresh(pair, later);
	EXPECT_TRUE(record_equal(later, &pair->again));
	close(child_fd);
	close(fresh_fd);
}

/* A signal that a ptracer holds is in a section of its own. */
TEST_F(later, version_2_of_a_signal_in_flight_is_read_and_not_restored)
{
	struct pair *pair = &self->pair;
	struct record *later = &pair->later;
	pid_t pid = pair->child.pid;
	int status;
	__u32 types;

	ASSERT_TRUE(switch_to(KNOW_VERSION_2));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_EXITKILL));
	ASSERT_EQ(0, send_shared(pid, 50, 4711));
	do {
		ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
		ASSERT_TRUE(WIFSTOPPED(status));
		/* The end of the stop is told first. */
		if (WSTOPSIG(status) != 50)
			ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, 0));
	} while (WSTOPSIG(status) != 50);
	ASSERT_STREQ("", record_read(&pair->today, pair->child.pidfd,
				     VERSION(1) | SIGCKPT_LIVE));
	ASSERT_NE(NULL, pair->today.threads[0].inflight);
	ASSERT_EQ(0, record_take(later, pair->child.pidfd, SIGCKPT_LIVE));
	EXPECT_STREQ("", check_grown(later, &types));
	EXPECT_TRUE(types & 1U << (SIGCR_SECTION_INFLIGHT & 31));
	give_to_fresh(pair, later);
	EXPECT_TRUE(is_refused(pair, later, EINVAL));
	ASSERT_EQ(0, record_take(later, pair->child.pidfd, SIGCKPT_LIVE));
	change_version(later, 1);
	EXPECT_TRUE(is_read_as_today(pair, later));
}

TEST_F(later, switch_takes_a_sum_of_what_it_knows_and_nothing_else)
{
	static const char * const bad[] = {
		"", "8", "9", "-1", "x", "12", "1 2", "01",
	};
	char text[8];
	size_t i;

	ASSERT_TRUE(switch_to(0));
	for (i = 0; i < 8; i++) {
		ASSERT_TRUE(switch_to(i));
		ASSERT_TRUE(read_text(SWITCH, text, sizeof(text)));
		EXPECT_EQ(i, atoi(text));
	}
	for (i = 1; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FALSE(write_text(SWITCH, bad[i]))
			TH_LOG("\"%s\"", bad[i]);
	}
	ASSERT_TRUE(read_text(SWITCH, text, sizeof(text)));
	EXPECT_EQ(7, atoi(text));
	ASSERT_TRUE(switch_to(0));
	EXPECT_EQ(1, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
}

TEST_HARNESS_MAIN
