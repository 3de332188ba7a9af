// SPDX-License-Identifier: GPL-2.0
/*
 * Malformed records: each way in which the header, a section's frame or a list
 * can be wrong is refused with its error number and changes nothing.
 *
 * Numbers such as (3) name the scenario in the project's list.
 */
#include "refusal.h"

TEST_F(self, smallest_record_is_accepted)
{
	EXPECT_ACCEPTED(&self->record);
	EXPECT_EQ(0, record_restore(&self->record, SELF, 0));
}

/* (3) */
TEST_F(self, magic_of_something_else_is_einval_and_of_the_other_byte_order_eopnotsupp)
{
	self->header->magic = SIGCR_MAGIC + 1;
	EXPECT_REFUSED(EINVAL, &self->record);
	self->header->magic = 0;
	EXPECT_REFUSED(EINVAL, &self->record);
	self->header->magic = __builtin_bswap32(SIGCR_MAGIC);
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
}

/* (3) */
TEST_F(self, other_version_is_eopnotsupp)
{
	self->header->version = 0;
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
	self->header->version = 2;
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
}

TEST_F(self, other_architecture_is_eopnotsupp)
{
	self->header->arch = RECORD_ARCH ^ 0x100;
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
	self->header->arch = 0;
	EXPECT_REFUSED(EOPNOTSUPP, &self->record);
}

/* (3) */
TEST_F(self, wrong_checksum_is_ebadmsg)
{
	int bit;

	record_seal(&self->record);
	for (bit = 0; bit < 32; bit++) {
		self->header->crc32c ^= 1U << bit;
		EXPECT_EQ(-EBADMSG, record_restore(&self->record, SELF, 0));
		self->header->crc32c ^= 1U << bit;
	}
	EXPECT_ACCEPTED(&self->record);
}

TEST_F(self, longer_header_of_a_newer_writer_is_accepted_up_to_its_limit)
{
	static const __u32 good[] = { 64, 72, 4088, SIGCR_HEADER_LEN_MAX };
	static const __u32 bad[] = {
		0, 8, 56, 63, 65, 68, 76, SIGCR_HEADER_LEN_MAX + 8, 0xfffffff8,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		self->header->header_len = good[i];
		self->record.len = good[i];
		EXPECT_ACCEPTED(&self->record)
			TH_LOG("header_len %u", good[i]);
	}
	self->record.len = SIGCR_HEADER_LEN_MAX + 64;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->header->header_len = bad[i];
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("header_len %u", bad[i]);
	}
	/* Longer than the whole record. */
	self->header->header_len = 72;
	self->record.len = 64;
	EXPECT_REFUSED(EINVAL, &self->record);
}

/* (3) */
TEST_F(self, impossible_header_is_einval)
{
	struct sigcr_header good = *self->header;
	int i;

#define REFUSE_WITH(place, value) do {					\
	*self->header = good;						\
	(place) = (value);						\
	EXPECT_REFUSED(EINVAL, &self->record)				\
		TH_LOG("%s", #place " = " #value);			\
} while (0)

	for (i = 4; i < 32; i++)
		REFUSE_WITH(self->header->flags, 1U << i);
	REFUSE_WITH(self->header->thread_count, 0);
	REFUSE_WITH(self->header->tgid, 0);
	REFUSE_WITH(self->header->tgid, -1);
	REFUSE_WITH(self->header->section_count, 1);
	for (i = 0; i < 5; i++)
		REFUSE_WITH(self->header->reserved[i], 1U << 31);
#undef REFUSE_WITH
	*self->header = good;
	EXPECT_ACCEPTED(&self->record);
}

TEST_F(self, total_len_is_the_length_that_is_passed)
{
	static const __s64 off_by[] = { -8, -1, 1, 8, 1LL << 32 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(off_by); i++) {
		self->header->total_len = self->record.len + off_by[i];
		record_reseal(&self->record);
		EXPECT_EQ(-EINVAL, record_restore(&self->record, SELF, 0))
			TH_LOG("off by %lld", off_by[i]);
	}
}

/* (3) Each truncation, with the length and the checksum made to fit. */
TEST_F(self, truncated_record_is_einval)
{
	struct record *record = &self->record;
	size_t full = self->before.len;

	memcpy(record->bytes, self->before.bytes, full);
	for (record->len = full - 1; record->len >= 64; record->len--) {
		self->header->section_count =
			self->before.header->section_count;
		EXPECT_REFUSED(EINVAL, record)
			TH_LOG("%zu of %zu bytes", record->len, full);
	}
}

/* (3) */
TEST_F(self, each_flipped_bit_is_refused)
{
	struct record *record = &self->record;
	size_t bit;
	long ret;

	record->len = self->before.len;
	memcpy(record->bytes, self->before.bytes, record->len);
	for (bit = 0; bit < 8 * record->len; bit++) {
		record->bytes[bit / 8] ^= 1 << bit % 8;
		ret = record_restore(record, SELF, 0);
		EXPECT_TRUE(ret == -EBADMSG || (bit < 8 * 64 &&
						(ret == -EINVAL ||
						 ret == -EOPNOTSUPP))) {
			TH_LOG("bit %zu: %ld", bit, ret);
		}
		record->bytes[bit / 8] ^= 1 << bit % 8;
	}
}

/* (3) Flips with the checksum made to fit: any answer of the list, no more. */
TEST_F(self, each_flipped_bit_under_a_good_checksum_has_a_known_answer)
{
	struct record *record = &self->record;
	int refused_count = 0;
	size_t bit;
	long ret;

	record->len = self->before.len;
	memcpy(record->bytes, self->before.bytes, record->len);
	for (bit = 0; bit < 8 * record->len; bit++) {
		record->bytes[bit / 8] ^= 1 << bit % 8;
		record_reseal(record);
		ret = record_restore(record, SELF, SIGRESTORE_DRY_RUN);
		refused_count += ret != 0;
		EXPECT_TRUE(ret == 0 || ret == -EINVAL || ret == -EBADMSG ||
			    ret == -EOPNOTSUPP || ret == -ESRCH) {
			TH_LOG("bit %zu: %ld", bit, ret);
		}
		record->bytes[bit / 8] ^= 1 << bit % 8;
	}
	/* Many bits are free to choose, those of the structure are not. */
	EXPECT_GT(refused_count, 1000);
}

/* (3) */
TEST_F(self, section_of_an_impossible_length_is_einval)
{
	static const __u64 bad[] = {
		0, 8, 15, 17, 20, 40, 1ULL << 32, ~7ULL, ~0ULL,
	};
	struct sigcr_section *section =
		record_add(&self->record, 0x7f, sizeof(*section));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		section->len = bad[i];
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("len %llu", bad[i]);
	}
	section->len = sizeof(*section);
	EXPECT_ACCEPTED(&self->record);
	/* Too few bytes for the head of a section. */
	self->record.len += 8;
	EXPECT_REFUSED(EINVAL, &self->record);
}

TEST_F(self, section_shorter_than_its_struct_is_einval)
{
	static const __u32 types[] = {
		SIGCR_SECTION_PROCESS, SIGCR_SECTION_ACTIONS,
		SIGCR_SECTION_SHARED_PENDING, SIGCR_SECTION_THREAD,
		SIGCR_SECTION_ALTSTACK, SIGCR_SECTION_PENDING,
		SIGCR_SECTION_ITIMERS, SIGCR_SECTION_TIMERS,
		SIGCR_SECTION_SIGNALFDS, SIGCR_SECTION_INFLIGHT,
		SIGCR_SECTION_WAITERS,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		record_begin(&self->record, getpid(), 0);
		record_add(&self->record, types[i], 24);
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("type %x", types[i]);
	}
}

TEST_F(self, unknown_section_is_skipped_and_an_unknown_mandatory_one_eopnotsupp)
{
	static const __u32 types[] = { 0, 12, 0x77, 0x7fffffff };
	/* The number of a known section, but for the top bit, is another. */
	static const __u32 others[] = { 4, 5, 6, 7, 10 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		record_begin(&self->record, getpid(), 0);
		record_add(&self->record, others[i], 48);
		EXPECT_ACCEPTED(&self->record)
			TH_LOG("type %x", others[i]);
	}

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		record_begin(&self->record, getpid(), 0);
		record_add(&self->record, types[i], 48);
		EXPECT_ACCEPTED(&self->record)
			TH_LOG("type %x", types[i]);
		record_begin(&self->record, getpid(), 0);
		record_add(&self->record,
			   SIGCR_SECTION_MANDATORY | types[i], 48);
		EXPECT_REFUSED(EOPNOTSUPP, &self->record)
			TH_LOG("type %x", types[i]);
	}
}

TEST_F(self, sections_out_of_order_or_twice_are_einval)
{
	struct record *record = &self->record;
	int tid = self->tid;

	record_add_queue(record, 0, 0);
	record_add_actions(record);
	EXPECT_REFUSED(EINVAL, record);

	record_begin(record, getpid(), 0);
	record_add_actions(record);
	record_add(record, SIGCR_SECTION_PROCESS, sizeof(struct sigcr_process));
	EXPECT_REFUSED(EINVAL, record);

	record_begin(record, getpid(), 0);
	record_add_queue(record, 0, 0);
	record_add_queue(record, 0, 0);
	EXPECT_REFUSED(EINVAL, record);

	record_begin(record, getpid(), 0);
	record_add_queue(record, tid, 0);
	record_add_thread(record, tid, 0);
	EXPECT_REFUSED(EINVAL, record);

	record_begin(record, getpid(), 0);
	record_add_thread(record, tid, 0);
	record_add_thread(record, tid, 0);
	EXPECT_REFUSED(EINVAL, record);

	/* Threads by ascending tid: refused before the second is missed. */
	record_begin(record, getpid(), 0);
	record_add_thread(record, tid + 1, 0);
	record_add_thread(record, tid, 0);
	EXPECT_REFUSED(EINVAL, record);

	record_begin(record, getpid(), 0);
	record_add_thread(record, tid, 0);
	record_add_altstack(record, tid, SS_DISABLE, 0, 0);
	record_add_queue(record, tid, 0);
	EXPECT_ACCEPTED(record);
}

TEST_F(self, flags_of_a_section_that_has_none_are_einval)
{
	static const int flag_counts[] = { 4, 0, 0, 1, 0, 0, 7, 0, 0, 0 };
	struct sigcr_section *sections[10];
	size_t i;
	int bit;

	sections[0] = record_add(&self->record, SIGCR_SECTION_PROCESS,
				 sizeof(struct sigcr_process));
	sections[1] = &record_add_actions(&self->record)->section;
	sections[2] = &record_add_queue(&self->record, 0, 0)->section;
	sections[3] = &record_add_itimers(&self->record)->section;
	sections[4] = &record_add_timers(&self->record)->section;
	sections[5] = &record_add_signalfds(&self->record)->section;
	sections[6] = &record_add_thread(&self->record, self->tid, 0)->section;
	sections[7] = &record_add_altstack(&self->record, self->tid, SS_DISABLE,
					   0, 0)->section;
	sections[8] = &record_add_queue(&self->record, self->tid, 0)->section;
	sections[9] = record_add_list(&self->record, SIGCR_SECTION_WAITERS,
				      sizeof(struct sigcr_waiter));
	EXPECT_ACCEPTED(&self->record);
	for (i = 0; i < ARRAY_SIZE(sections); i++) {
		for (bit = flag_counts[i]; bit < 32; bit++) {
			sections[i]->flags = 1U << bit;
			EXPECT_REFUSED(EINVAL, &self->record)
				TH_LOG("section %zu bit %d", i, bit);
		}
		sections[i]->flags = 0;
	}
}

TEST_F(self, impossible_tid_is_einval)
{
	struct record *record = &self->record;

	record_add_thread(record, 0, 0);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), 0);
	record_add_thread(record, -1, 0);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), 0);
	record_add_queue(record, 0, 0)->tid = self->tid;
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), 0);
	record_add_queue(record, self->tid, 0)->tid = 0;
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), 0);
	record_add_altstack(record, 0, SS_DISABLE, 0, 0);
	EXPECT_REFUSED(EINVAL, record);
}

TEST_F(self, reserved_members_must_be_zero_and_signals_be_signals)
{
	struct sigcr_process *process =
		record_add(&self->record, SIGCR_SECTION_PROCESS,
			   sizeof(*process));
	struct sigcr_actions *actions = record_add_actions(&self->record);
	struct sigcr_thread *thread =
		record_add_thread(&self->record, self->tid, 0);
	__u32 *signos[] = {
		&process->stop_signo, &process->exit_signo,
		&thread->pdeath_signo,
	};
	size_t i;

	EXPECT_ACCEPTED(&self->record);
	actions->reserved = 1;
	EXPECT_REFUSED(EINVAL, &self->record);
	actions->reserved = 0;
	for (i = 0; i < ARRAY_SIZE(signos); i++) {
		*signos[i] = 65;
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("signo %zu", i);
		*signos[i] = 0;
	}
}

/* (3) */
TEST_F(self, entries_that_do_not_fill_their_section_are_einval)
{
	static const struct {
		__u32 entries_off, entry_len, entry_count;
	} bad[] = {
		{ 40, 56, 0 }, { 40, 56, 2 }, { 40, 56, 0xffffffff },
		{ 40, 48, 1 }, { 40, 60, 1 }, { 40, 64, 1 }, { 40, 0, 1 },
		{ 40, 0xfffffff8, 1 }, { 32, 64, 1 }, { 0, 96, 1 },
		{ 36, 60, 1 }, { 48, 56, 1 }, { 96, 56, 1 }, { 104, 56, 1 },
		{ 0xfffffff8, 56, 1 },
	};
	struct sigcr_pending *queue =
		record_add_queue(&self->record, self->tid, 0);
	siginfo_t info = queued_info(SIGUSR1, 1);
	size_t i;

	record_add_entry(&self->record, queue, &info);
	EXPECT_ACCEPTED(&self->record);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		queue->entries_off = bad[i].entries_off;
		queue->entry_len = bad[i].entry_len;
		queue->entry_count = bad[i].entry_count;
		EXPECT_REFUSED(EINVAL, &self->record)
			TH_LOG("row %zu", i);
	}
}

TEST_F(self, longer_structs_and_entries_of_a_newer_writer_are_accepted)
{
	siginfo_t info = queued_info(SIGUSR1, 1);
	struct sigcr_pending *queue;
	struct sigcr_thread *thread;

	thread = record_add_thread(&self->record, self->tid, 0);
	thread->section.len += 8;
	self->record.len += 8;
	queue = record_add(&self->record, SIGCR_SECTION_PENDING,
			   sizeof(*queue) + 16 + 2 * 64);
	queue->tid = self->tid;
	queue->entries_off = sizeof(*queue) + 16;
	queue->entry_len = 64;
	queue->entry_count = 2;
	queue->set = SET_OF(SIGUSR1) | SET_OF(SIGUSR2);
	memcpy((__u8 *)queue + 56, &info, SIGCR_SIGINFO_LEN);
	info.si_signo = SIGUSR2;
	memcpy((__u8 *)queue + 56 + 64, &info, SIGCR_SIGINFO_LEN);
	EXPECT_ACCEPTED(&self->record);
}

TEST_F(self, state_beside_its_thread_in_a_record_of_one_thread_is_einval)
{
	struct record *record = &self->record;

	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_thread(record, self->tid, 0);
	EXPECT_ACCEPTED(record);
	record_add_thread(record, self->tid + 1, 0);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_queue(record, 0, 0);
	EXPECT_REFUSED(EINVAL, record);
	record_begin(record, getpid(), SIGCR_RECORD_ONE_THREAD);
	record_add_actions(record);
	EXPECT_REFUSED(EINVAL, record);
}

TEST_F(self, state_of_a_thread_that_is_only_listed_is_einval)
{
	struct record *record = &self->record;
	struct sigcr_thread *thread;
	__u32 flag;

	for (flag = SIGCR_THREAD_WORKER; flag <= SIGCR_THREAD_DEAD; flag *= 2) {
		record_begin(record, getpid(), 0);
		thread = record_add_thread(record, self->tid, 0);
		thread->section.flags = flag;
		EXPECT_ACCEPTED(record);
		record_add_queue(record, self->tid, 0);
		EXPECT_REFUSED(EINVAL, record);
	}
}

TEST_HARNESS_MAIN
