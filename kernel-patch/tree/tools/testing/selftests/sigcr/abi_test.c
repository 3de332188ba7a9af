// SPDX-License-Identifier: GPL-2.0
/*
 * The two calls as such: flags, sizes, versions, bad pointers, and which error
 * wins where there are several.
 *
 * Numbers such as (2) name the scenario in the project's list.
 */
#include "child.h"

#define SELF PIDFD_SELF_THREAD_GROUP
#define NOT_A_FD (-1)
#define UNKNOWN_FLAG 0x00000800U

FIXTURE(self)
{
	struct record before;
	struct record record;
	__u8 *page;		/* one page, behind it nothing */
	size_t page_size;
};

FIXTURE_SETUP(self)
{
	__u64 set = SET_OF(SIGUSR1) | SET_OF(40);

	self->page_size = sysconf(_SC_PAGESIZE);
	self->page = mmap(NULL, 2 * self->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	ASSERT_EQ(0, munmap(self->page + self->page_size, self->page_size));
	ASSERT_EQ(0, sys_sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, send_shared(getpid(), 40, 1));
	ASSERT_EQ(0, send_private(getpid(), getpid(), SIGUSR1, 2));
	ASSERT_EQ(0, record_take(&self->before, SELF, 0));
	ASSERT_EQ(0, record_take(&self->record, SELF, 0));
	ASSERT_STREQ("", record_parse(&self->before));
}

/* Whatever was refused has changed nothing. */
FIXTURE_TEARDOWN(self)
{
	struct record after = {};

	EXPECT_EQ(0, record_take(&after, SELF, 0));
	EXPECT_TRUE(record_equal(&self->before, &after));
	free(after.bytes);
	free(self->before.bytes);
	free(self->record.bytes);
	munmap(self->page, self->page_size);
}

/* (51) */
TEST(query_returns_version_1_whatever_the_other_arguments_are)
{
	EXPECT_EQ(1, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	EXPECT_EQ(1, sigckpt(12345, (void *)1, ~0UL, SIGCKPT_QUERY));
	EXPECT_EQ(1, sigckpt(SELF, NULL, 1, SIGCKPT_QUERY));
}

TEST(query_with_any_other_flag_bit_is_refused_with_einval)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (1U << bit == SIGCKPT_QUERY)
			continue;
		EXPECT_EQ(-EINVAL, sigckpt(SELF, NULL, 0,
					   SIGCKPT_QUERY | 1U << bit)) {
			TH_LOG("bit %d", bit);
		}
	}
}

/* (3) (51) */
TEST_F(self, unknown_flag_bits_are_refused_with_einval)
{
	int bit;

	for (bit = 3; bit < SIGCKPT_VERSION_SHIFT; bit++) {
		EXPECT_EQ(-EINVAL, sigckpt(SELF, NULL, 0, 1U << bit))
			TH_LOG("bit %d", bit);
	}
	EXPECT_EQ(-EINVAL, sigckpt(-1, NULL, 0, ~0U));
	for (bit = 2; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, record_restore(&self->record, SELF,
						  1U << bit)) {
			TH_LOG("bit %d", bit);
		}
	}
}

/* (3) */
TEST_F(self, version_1_is_the_newest_and_the_only_one)
{
	struct record *record = &self->record;
	unsigned int version;

	EXPECT_EQ(0, record_take(record, SELF, 1U << SIGCKPT_VERSION_SHIFT));
	EXPECT_TRUE(record_equal(&self->before, record));
	for (version = 2; version < 256; version++) {
		EXPECT_EQ(-EOPNOTSUPP,
			  record_take(record, SELF,
				      version << SIGCKPT_VERSION_SHIFT)) {
			TH_LOG("version %u", version);
		}
	}
}

/* (1) (2) */
TEST_F(self, needed_length_is_returned_for_null_and_is_enough)
{
	long len = sigckpt(SELF, NULL, 0, 0);

	EXPECT_EQ((long)self->before.len, len);
	EXPECT_EQ(len, sigckpt(SELF, self->record.bytes, len, 0));
	EXPECT_EQ(0, memcmp(self->record.bytes, self->before.bytes, len));
}

/* (2) */
TEST_F(self, each_size_below_the_length_is_erange_and_writes_no_byte)
{
	size_t len = self->before.len, size, i;
	__u8 *bytes = self->record.bytes;

	for (size = 0; size < len; size++) {
		memset(bytes, 0xa5, len);
		ASSERT_EQ(-ERANGE, sigckpt(SELF, bytes, size, 0))
			TH_LOG("size %zu", size);
		for (i = 0; i < len; i++)
			ASSERT_EQ(0xa5, bytes[i]);
	}
}

TEST_F(self, bytes_behind_the_record_are_left_alone)
{
	size_t len = self->before.len, i;
	__u8 *bytes = self->record.bytes;

	memset(bytes, 0xa5, RECORD_SIZE);
	ASSERT_EQ((long)len, sigckpt(SELF, bytes, RECORD_SIZE, 0));
	for (i = len; i < RECORD_SIZE; i++)
		ASSERT_EQ(0xa5, bytes[i]);
}

/* (2) (4) */
TEST_F(self, null_with_a_size_is_a_bad_pointer)
{
	EXPECT_EQ(-EFAULT, sigckpt(SELF, NULL, self->before.len, 0));
	EXPECT_EQ(-ERANGE, sigckpt(SELF, NULL, self->before.len - 1, 0));
	EXPECT_EQ(-ERANGE, sigckpt(SELF, self->page, 0, 0));
}

/* (4) */
TEST_F(self, checkpoint_into_bad_memory_is_efault)
{
	size_t len = self->before.len, i;
	__u8 *end = self->page + self->page_size;

	/* Beyond user space, unmapped, and one byte short at a page's end. */
	EXPECT_EQ(-EFAULT, sigckpt(SELF, (void *)-4096UL, len, 0));
	EXPECT_EQ(-EFAULT, sigckpt(SELF, end, len, 0));
	for (i = 1; i < len; i += 7)
		EXPECT_EQ(-EFAULT, sigckpt(SELF, end - i, len, 0));
	/* What fits exactly is no fault. */
	EXPECT_EQ((long)len, sigckpt(SELF, end - len, len, 0));
	EXPECT_EQ((long)len, sigckpt(SELF, end - len, 2 * len, 0));
	ASSERT_EQ(0, mprotect(self->page, self->page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, sigckpt(SELF, self->page, len, 0));
	ASSERT_EQ(0, mprotect(self->page, self->page_size, PROT_NONE));
	EXPECT_EQ(-EFAULT, sigckpt(SELF, self->page, len, 0));
}

/* (4) */
TEST_F(self, restore_from_bad_memory_is_efault)
{
	size_t len = self->before.len, i;
	__u8 *end = self->page + self->page_size;

	EXPECT_EQ(-EFAULT, sigrestore(SELF, NULL, len, 0));
	EXPECT_EQ(-EFAULT, sigrestore(SELF, (void *)-4096UL, len, 0));
	EXPECT_EQ(-EFAULT, sigrestore(SELF, end, len, 0));
	for (i = 1; i < len; i += 7) {
		memcpy(end - i, self->before.bytes, i);
		EXPECT_EQ(-EFAULT, sigrestore(SELF, end - i, len, 0));
	}
	memcpy(end - len, self->before.bytes, len);
	ASSERT_EQ(0, mprotect(self->page, self->page_size, PROT_NONE));
	EXPECT_EQ(-EFAULT, sigrestore(SELF, end - len, len, 0));
	/* To be read is all that a record must allow. */
	ASSERT_EQ(0, mprotect(self->page, self->page_size, PROT_READ));
	EXPECT_EQ(0, sigrestore(SELF, end - len, len, 0));
}

/* (3) */
TEST_F(self, size_must_be_the_record_s_length)
{
	size_t len = self->record.len, size;

	for (size = 0; size < len; size++) {
		EXPECT_EQ(-EINVAL, sigrestore(SELF, self->record.bytes, size,
					      0)) {
			TH_LOG("size %zu", size);
		}
	}
	for (size = len + 1; size < len + 70; size++) {
		EXPECT_EQ(-EINVAL, sigrestore(SELF, self->record.bytes, size,
					      0)) {
			TH_LOG("size %zu", size);
		}
	}
}

/* (3) */
TEST_F(self, size_over_the_limit_is_e2big_and_at_the_limit_is_not)
{
	size_t max = SIGCR_RECORD_LEN_MAX;
	void *bytes = self->record.bytes;
	__u8 *huge;

	EXPECT_EQ(-E2BIG, sigrestore(SELF, bytes, max + 1, 0));
	EXPECT_EQ(-E2BIG, sigrestore(SELF, bytes, ~0UL, 0));
	EXPECT_EQ(-E2BIG, sigrestore(SELF, bytes, 1UL << 32, 0));
	huge = mmap(NULL, max, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)huge);
	memcpy(huge, bytes, self->record.len);
	EXPECT_EQ(-EINVAL, sigrestore(SELF, huge, max, 0));
	munmap(huge, max);
}

TEST_F(self, first_fault_in_the_order_of_checks_wins_in_sigckpt)
{
	const unsigned int version_2 = 2U << SIGCKPT_VERSION_SHIFT;
	int not_a_pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (not_a_pidfd < 0)
		not_a_pidfd = STDIN_FILENO;
	/* Flags, then what is not supported, then the pidfd, then the rest. */
	EXPECT_EQ(-EINVAL, sigckpt(NOT_A_FD, NULL, 0,
				   UNKNOWN_FLAG | version_2));
	EXPECT_EQ(-EINVAL, sigckpt(NOT_A_FD, NULL, 0,
				   UNKNOWN_FLAG | SIGCKPT_QUERY));
	EXPECT_EQ(-EINVAL, sigckpt(NOT_A_FD, NULL, 0,
				   SIGCKPT_QUERY | version_2));
	EXPECT_EQ(-EOPNOTSUPP, sigckpt(NOT_A_FD, NULL, 0, version_2));
	EXPECT_EQ(-EBADF, sigckpt(NOT_A_FD, NULL, 0, SIGCKPT_WAITERS));
	EXPECT_EQ(-EBADF, sigckpt(NOT_A_FD, NULL, 1, 0));
	EXPECT_EQ(-EBADF, sigckpt(not_a_pidfd, self->page, 1, 0));
	EXPECT_EQ(-ERANGE, sigckpt(SELF, NULL, 1, 0));
}

TEST_F(self, first_fault_in_the_order_of_checks_wins_in_sigrestore)
{
	struct sigcr_header *header = (void *)self->record.bytes;
	size_t len = self->record.len;

	EXPECT_EQ(-EINVAL, sigrestore(NOT_A_FD, NULL, ~0UL, UNKNOWN_FLAG));
	EXPECT_EQ(-E2BIG, sigrestore(NOT_A_FD, NULL, ~0UL, 0));
	EXPECT_EQ(-EINVAL, sigrestore(NOT_A_FD, NULL, 0, 0));
	EXPECT_EQ(-EINVAL, sigrestore(NOT_A_FD, NULL, sizeof(*header) - 1, 0));
	EXPECT_EQ(-EFAULT, sigrestore(NOT_A_FD, NULL, sizeof(*header), 0));
	EXPECT_EQ(-EBADF, sigrestore(NOT_A_FD, header, len, 0));
	/* The record is refused in the order of its bytes, before the pidfd. */
	header->arch ^= 1;
	record_reseal(&self->record);
	EXPECT_EQ(-EOPNOTSUPP, sigrestore(NOT_A_FD, header, len, 0));
	header->crc32c ^= 1;
	EXPECT_EQ(-EBADMSG, sigrestore(NOT_A_FD, header, len, 0));
	header->total_len++;
	EXPECT_EQ(-EINVAL, sigrestore(NOT_A_FD, header, len, 0));
	header->version = 2;
	EXPECT_EQ(-EOPNOTSUPP, sigrestore(NOT_A_FD, header, len, 0));
	header->magic ^= 1;
	EXPECT_EQ(-EINVAL, sigrestore(NOT_A_FD, header, len, 0));
}

/* The state of the target is looked at after the pidfd, before the buffer. */
TEST_F(self, running_target_is_ebusy_before_the_buffer_is_looked_at)
{
	struct child child;

	ASSERT_TRUE(child_start(&child, NULL, NULL));
	EXPECT_EQ(-EBUSY, sigckpt(child.pidfd, NULL, 0, 0));
	EXPECT_EQ(-EBUSY, sigckpt(child.pidfd, self->page, 1, 0));
	EXPECT_EQ(-EBUSY, sigckpt(child.pidfd, NULL, RECORD_SIZE, 0));
	child_end(&child);
}

TEST_HARNESS_MAIN
