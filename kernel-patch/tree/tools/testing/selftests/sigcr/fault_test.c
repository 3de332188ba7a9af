// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and copies that fail: each one of a call in turn, and all from some
 * point on. The call says so by its error number, and leaves no trace.
 *
 * Numbers such as (50) name the scenario in the project's list.
 */
#include "state.h"

#define SELF PIDFD_SELF_THREAD_GROUP
#define FAIL_NTH "/proc/thread-self/fail-nth"
#define MAKE_IT_FAIL "/proc/thread-self/make-it-fail"
#define FAULT_ATTRIBUTES "/sys/kernel/debug"

/* Far more than a call has of what can fail. */
#define NTH_MAX 2000
#define FAULT_COUNT_MAX 1000000
#define FAULT_COUNT_MAX_TEXT "1000000"

/*
 * The room for a record. No more than a page: the kernel would fall back on
 * vmalloc(), and without memory there, kmemleak complains of its own lack.
 */
#define ROOM_SIZE 4096

/* So many that a good part of it is taken. */
#define SHARED_COUNT 40
#define PRIVATE_COUNT 10
#define ACTION_COUNT 5
#define ALTSTACK_SIZE 65536

/* Bytes of memory that a call gets before all fails: less than a signal. */
#define MEMORY_STEP 64
#define MEMORY_MAX (256 * 1024)

enum fault {
	FAULT_SLAB,
	FAULT_PAGE,
	FAULT_COPY,
	FAULT_KIND_COUNT,
	NO_FAULT,
	FAULT_OF_NO_KIND,
};

/* The folders of the attributes that inject them. */
static const char * const fault_dirs[FAULT_KIND_COUNT] = {
	[FAULT_SLAB] = "failslab",
	[FAULT_PAGE] = "fail_page_alloc",
	[FAULT_COPY] = "fail_usercopy",
};

static const struct {
	enum fault fault;
	const char *name, *value;
} fault_settings[] = {
	{ FAULT_SLAB, "ignore-gfp-wait", "N" },
	{ FAULT_SLAB, "cache-filter", "N" },
	{ FAULT_SLAB, "verbose", "0" },
	{ FAULT_SLAB, "times", FAULT_COUNT_MAX_TEXT },
	{ FAULT_SLAB, "task-filter", "Y" },
	{ FAULT_PAGE, "ignore-gfp-wait", "N" },
	{ FAULT_PAGE, "min-order", "0" },
	{ FAULT_PAGE, "verbose", "0" },
	{ FAULT_PAGE, "times", FAULT_COUNT_MAX_TEXT },
	{ FAULT_COPY, "verbose", "0" },
	{ FAULT_COPY, "times", FAULT_COUNT_MAX_TEXT },
	{ FAULT_COPY, "task-filter", "Y" },
};

/* What came of the faults of one call. */
struct tally {
	int count[FAULT_KIND_COUNT];
	int enomem_count;
	int survived_count;
};

FIXTURE(faults)
{
	struct child child;	/* if the target is not the test itself */
	struct child target;	/* only pid and pidfd are set */
	struct state before;
	struct record record;
	struct record wanted;
	struct record again;
	struct tally tally;
	int fail_nth;
	int make_it_fail;
};

FIXTURE_VARIANT(faults)
{
	bool own;
};

FIXTURE_VARIANT_ADD(faults, own_process) { .own = true };
FIXTURE_VARIANT_ADD(faults, stopped_child) { .own = false };

static void fill(struct child *child)
{
	static __u8 memory[ALTSTACK_SIZE];
	stack_t altstack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	int i;

	block_all(child);
	child_check(!sigaltstack(&altstack, NULL));
	for (i = 0; i < ACTION_COUNT; i++) {
		struct kernel_action action = {
			.handler = 0x4000 + i,
			.mask = SET_OF(40 + i),
		};

		child_check(!sys_sigaction(40 + i, &action, NULL));
	}
}

static bool set_fault(enum fault fault, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), FAULT_ATTRIBUTES "/%s/%s",
		 fault_dirs[fault], name);
	return write_text(path, value);
}

FIXTURE_SETUP(faults)
{
	struct child *target = &self->target;
	size_t i;

	self->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (self->fail_nth < 0)
		SKIP(return, "the kernel injects no faults: no " FAIL_NTH);
	self->make_it_fail = open(MAKE_IT_FAIL, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->make_it_fail, 0);
	for (i = 0; i < ARRAY_SIZE(fault_settings); i++) {
		ASSERT_TRUE(set_fault(fault_settings[i].fault,
				      fault_settings[i].name,
				      fault_settings[i].value)) {
			TH_LOG("%s/%s", fault_dirs[fault_settings[i].fault],
			       fault_settings[i].name);
		}
	}
	if (variant->own) {
		target->pid = getpid();
		target->pidfd = SELF;
		fill(target);
	} else {
		ASSERT_TRUE(child_start(&self->child, fill, NULL));
		target->pid = self->child.pid;
		target->pidfd = self->child.pidfd;
	}
	for (i = 0; i < SHARED_COUNT; i++)
		ASSERT_EQ(0, send_shared(target->pid, 40 + i % 20, i));
	for (i = 0; i < PRIVATE_COUNT; i++)
		ASSERT_EQ(0, send_private(target->pid, target->pid, 41 + i, i));
	if (!variant->own)
		ASSERT_TRUE(child_stop(&self->child, STOP_SIGNAL));
	ASSERT_TRUE(state_take(&self->before, target));
}

FIXTURE_TEARDOWN(faults)
{
	child_end(&self->child);
	free(self->before.record.bytes);
	free(self->record.bytes);
	free(self->wanted.bytes);
	free(self->again.bytes);
	close(self->make_it_fail);
	close(self->fail_nth);
}

/* How many faults of the kind may still come: one less after each. */
static int faults_left(enum fault fault)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), FAULT_ATTRIBUTES "/%s/times",
		 fault_dirs[fault]);
	return read_text(path, text, sizeof(text)) ? atoi(text) : -1;
}

static bool arm(int fail_nth, int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	return pwrite(fail_nth, text, len, 0) == len;
}

/*
 * What the call failed by; NO_FAULT if it has no more of what can fail. To
 * read the number and to write it copies it, which may be what fails.
 */
static enum fault disarm(int fail_nth, const int *left)
{
	char text[16] = "";
	bool reached;
	int fault;

	reached = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	if (!arm(fail_nth, 0) && !arm(fail_nth, 0))
		return FAULT_OF_NO_KIND;
	if (!reached)
		return NO_FAULT;
	for (fault = 0; fault < FAULT_KIND_COUNT; fault++) {
		if (faults_left(fault) < left[fault])
			return fault;
	}
	return FAULT_OF_NO_KIND;
}

/* Has the @nth thing fail that can fail in the expression @call. */
#define WITH_FAULT(self, nth, ret, call) ({				\
	const int fail_nth = (self)->fail_nth;				\
	int left[FAULT_KIND_COUNT], kind;				\
									\
	for (kind = 0; kind < FAULT_KIND_COUNT; kind++)			\
		left[kind] = faults_left(kind);				\
	if (!arm(fail_nth, nth))					\
		abort();						\
	ret = (call);							\
	disarm(fail_nth, left);						\
})

/* Has faults of a kind come, @count at most, once it has given @space. */
static bool begin_faults(int make_it_fail, enum fault fault, int space,
			 int count)
{
	char space_text[16], count_text[16];

	snprintf(space_text, sizeof(space_text), "%d", space);
	snprintf(count_text, sizeof(count_text), "%d", count);
	return set_fault(fault, "space", space_text) &&
	       set_fault(fault, "times", count_text) &&
	       set_fault(fault, "probability", "100") &&
	       pwrite(make_it_fail, "1", 1, 0) == 1;
}

/* A copy that the call has not come to may fail here, but once only. */
static bool end_faults(int make_it_fail, enum fault fault)
{
	return (pwrite(make_it_fail, "0", 1, 0) == 1 ||
		pwrite(make_it_fail, "0", 1, 0) == 1) &&
	       set_fault(fault, "probability", "0");
}

/* The number of allocations in @call that failed, beyond the first bytes. */
#define WITH_MEMORY(self, memory, ret, call) ({				\
	const int make_it_fail = (self)->make_it_fail;			\
	int done;							\
									\
	if (!begin_faults(make_it_fail, FAULT_SLAB, memory,		\
			  FAULT_COUNT_MAX))				\
		abort();						\
	ret = (call);							\
	if (!end_faults(make_it_fail, FAULT_SLAB))			\
		abort();						\
	done = FAULT_COUNT_MAX - faults_left(FAULT_SLAB);		\
	done;								\
})

/*
 * What @call returns if the copy fails that follows on @copy_count others. A
 * copy takes one of the space, which fails when it would be used up.
 */
#define WITH_COPIES(self, copy_count, call) ({				\
	const int make_it_fail = (self)->make_it_fail;			\
	long answer;							\
									\
	if (!begin_faults(make_it_fail, FAULT_COPY, (copy_count) + 1, 1)) \
		abort();						\
	answer = (call);						\
	if (!end_faults(make_it_fail, FAULT_COPY))			\
		abort();						\
	answer;								\
})

/* "" or what is wrong with the answer to a call that had a fault. */
static const char *tally_add(struct tally *tally, enum fault fault, long ret)
{
	if (fault >= FAULT_KIND_COUNT)
		return "a fault that no attribute has injected";
	tally->count[fault]++;
	if (fault == FAULT_COPY)
		return ret == -EFAULT ? "" : "a failed copy is not EFAULT";
	if (ret == -ENOMEM)
		tally->enomem_count++;
	else if (ret >= 0)
		/* There was a way round it, or it was a checker's memory. */
		tally->survived_count++;
	else
		return "a failed allocation is neither ENOMEM nor survived";
	return "";
}

#define LOG_TALLY(seen) do {						\
	const struct tally *sums = (seen);				\
									\
	TH_LOG("failed: slab %d, pages %d, copies %d; ENOMEM %d, survived %d", \
	       sums->count[FAULT_SLAB], sums->count[FAULT_PAGE],	\
	       sums->count[FAULT_COPY], sums->enomem_count,		\
	       sums->survived_count);					\
} while (0)

static bool is_untouched(const struct record *record)
{
	size_t i;

	for (i = 0; i < RECORD_SIZE; i++) {
		if (record->bytes[i] != 0xa5)
			return false;
	}
	return true;
}

/* (50) */
TEST_F(faults, checkpoint_fails_cleanly_by_whatever_fails)
{
	struct record *record = &self->record;
	struct tally *tally = &self->tally;
	enum fault fault = FAULT_OF_NO_KIND;
	long ret;
	int nth;

	ASSERT_TRUE(record_alloc(record));
	for (nth = 1; nth <= NTH_MAX; nth++) {
		memset(record->bytes, 0xa5, RECORD_SIZE);
		record->len = self->before.record.len;
		fault = WITH_FAULT(self, nth, ret,
				   sigckpt(self->target.pidfd, record->bytes,
					   ROOM_SIZE, 0));
		if (ret == -ENOMEM)
			EXPECT_TRUE(is_untouched(record));
		if (ret >= 0) {
			ASSERT_EQ(self->before.record.len, ret);
			ASSERT_TRUE(record_equal(&self->before.record, record));
		}
		if (fault == NO_FAULT)
			break;
		ASSERT_STREQ("", tally_add(tally, fault, ret))
			TH_LOG("fault %d: %ld", nth, ret);
		ASSERT_STREQ("", state_compare(&self->before, &self->target))
			TH_LOG("fault %d: %ld", nth, ret);
	}
	EXPECT_EQ(NO_FAULT, fault);
	EXPECT_GT(ret, 0);
	/* A buffer that does not grow in the one way grows in another. */
	EXPECT_GE(tally->count[FAULT_SLAB], 1);
	LOG_TALLY(tally);
}

/* (50) */
TEST_F(faults, checkpoint_without_memory_is_enomem)
{
	struct record *record = &self->record;
	int memory, fault_count, enomem_count = 0;
	long ret = 0;

	ASSERT_TRUE(record_alloc(record));
	for (memory = 0; memory <= MEMORY_MAX; memory += MEMORY_STEP) {
		memset(record->bytes, 0xa5, RECORD_SIZE);
		fault_count = WITH_MEMORY(self, memory, ret,
					  sigckpt(self->target.pidfd,
						  record->bytes, ROOM_SIZE,
						  0));
		if (!fault_count)
			break;
		/* A checker that gets no memory does without. */
		if (ret > 0)
			continue;
		ASSERT_EQ(-ENOMEM, ret)
			TH_LOG("%d bytes", memory);
		ASSERT_TRUE(is_untouched(record));
		ASSERT_STREQ("", state_compare(&self->before, &self->target));
		enomem_count++;
	}
	EXPECT_EQ(0, fault_count);
	EXPECT_EQ(self->before.record.len, ret);
	EXPECT_GE(enomem_count, 1);
	TH_LOG("%d times ENOMEM, not with %d bytes", enomem_count, memory);
}

/* The record is copied in one go. */
TEST_F(faults, checkpoint_whose_copy_fails_is_efault)
{
	struct record *record = &self->record;

	ASSERT_TRUE(record_alloc(record));
	EXPECT_EQ(-EFAULT, WITH_COPIES(self, 0,
				       sigckpt(self->target.pidfd,
					       record->bytes, ROOM_SIZE, 0)));
	EXPECT_STREQ("", state_compare(&self->before, &self->target));
	EXPECT_EQ(self->before.record.len,
		  WITH_COPIES(self, 1, sigckpt(self->target.pidfd,
					       record->bytes, ROOM_SIZE, 0)));
	/* To measure it, nothing is. */
	EXPECT_EQ(self->before.record.len,
		  WITH_COPIES(self, 0, sigckpt(self->target.pidfd, NULL, 0,
					       0)));
}

/* A record that changes all, with as many signals, and none of the same. */
static void record_other(struct record *record, pid_t pid)
{
	struct sigcr_actions *actions;
	struct sigcr_pending *queue;
	siginfo_t info;
	int i;

	record_begin(record, pid, 0);
	actions = record_add_actions(record);
	for (i = 0; i < ACTION_COUNT; i++)
		record_add_action(record, actions, 35 + i)->handler = 0x8000;
	queue = record_add_queue(record, 0, SET_OF(SIGURG));
	for (i = 0; i < SHARED_COUNT; i++) {
		info = queued_info(36 + i % 20, 1000 + i);
		record_add_entry(record, queue, &info);
	}
	record_add_thread(record, pid, ALL_SIGNALS & ~SET_OF(SIGHUP));
	record_add_altstack(record, pid, SS_AUTODISARM, 0x10000, ALTSTACK_SIZE);
	queue = record_add_queue(record, pid, 0);
	for (i = 0; i < PRIVATE_COUNT; i++) {
		info = queued_info(37 + i, 2000 + i);
		record_add_entry(record, queue, &info);
	}
	record_seal(record);
}

/* (50) */
TEST_F(faults, restore_changes_nothing_by_whatever_fails)
{
	struct child *target = &self->target;
	struct record *record = &self->record;
	struct tally *tally = &self->tally;
	enum fault fault = FAULT_OF_NO_KIND;
	long ret;
	int nth;

	/* What a restore makes of the target, if all is well. */
	record_other(record, target->pid);
	ASSERT_EQ(0, record_restore(record, target->pidfd, 0));
	ASSERT_EQ(0, record_take(&self->wanted, target->pidfd, 0));
	ASSERT_STRNE("", state_compare(&self->before, target));
	for (nth = 1; nth <= NTH_MAX; nth++) {
		ASSERT_EQ(0, record_restore(&self->before.record,
					    target->pidfd, 0));
		ASSERT_STREQ("", state_compare(&self->before, target));
		fault = WITH_FAULT(self, nth, ret,
				   record_restore(record, target->pidfd, 0));
		if (ret) {
			ASSERT_STREQ("", state_compare(&self->before, target))
				TH_LOG("fault %d: %ld", nth, ret);
		} else {
			ASSERT_EQ(0, record_take(&self->again, target->pidfd,
						 0));
			ASSERT_TRUE(record_equal(&self->wanted, &self->again))
				TH_LOG("fault %d", nth);
		}
		if (fault == NO_FAULT)
			break;
		ASSERT_STREQ("", tally_add(tally, fault, ret))
			TH_LOG("fault %d: %ld", nth, ret);
	}
	EXPECT_EQ(NO_FAULT, fault);
	EXPECT_EQ(0, ret);
	/* Each signal is an allocation, beside those of checkers. */
	EXPECT_GT(tally->count[FAULT_SLAB], SHARED_COUNT + PRIVATE_COUNT);
	EXPECT_GE(tally->enomem_count, 1);
	EXPECT_GE(tally->count[FAULT_COPY], 1);
	LOG_TALLY(tally);
}

/* The header is copied, and then the rest. */
TEST_F(faults, restore_whose_copies_fail_is_efault)
{
	struct child *target = &self->target;
	struct record *record = &self->record;
	int copy_count;

	record_other(record, target->pid);
	for (copy_count = 0; copy_count < 2; copy_count++) {
		EXPECT_EQ(-EFAULT, WITH_COPIES(self, copy_count,
					       record_restore(record,
							      target->pidfd,
							      0)));
		EXPECT_STREQ("", state_compare(&self->before, target));
	}
	EXPECT_EQ(0, WITH_COPIES(self, copy_count,
				 record_restore(record, target->pidfd, 0)));
	EXPECT_STRNE("", state_compare(&self->before, target));
}

/* (50) */
TEST_F(faults, restore_without_memory_is_enomem)
{
	struct child *target = &self->target;
	struct record *record = &self->record;
	int memory, fault_count = 0, enomem_count = 0;
	long ret = 0;

	record_other(record, target->pid);
	for (memory = 0; memory <= MEMORY_MAX; memory += MEMORY_STEP) {
		fault_count = WITH_MEMORY(self, memory, ret,
					  record_restore(record, target->pidfd,
							 0));
		if (!ret)
			break;
		ASSERT_EQ(-ENOMEM, ret)
			TH_LOG("%d bytes", memory);
		ASSERT_GE(fault_count, 1);
		ASSERT_STREQ("", state_compare(&self->before, target));
		enomem_count++;
	}
	EXPECT_EQ(0, ret);
	EXPECT_STRNE("", state_compare(&self->before, target));
	EXPECT_GT(enomem_count, SHARED_COUNT + PRIVATE_COUNT);
	TH_LOG("%d times ENOMEM, not with %d bytes", enomem_count, memory);
}

TEST_HARNESS_MAIN
