/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tries the cases of the table of who may, one after the other, and prints the
 * table with what was seen.
 */
#ifndef SIGCR_ACCESS_RUN_H
#define SIGCR_ACCESS_RUN_H

#include "access_table.h"

#define PLAIN_SIGNO 40
#define RESERVED_SIGNO 41

FIXTURE(access)
{
	struct child target;
	struct child caller;
	char scope[16];
};

FIXTURE_SETUP(access)
{
	if (!read_text(YAMA_SCOPE, self->scope, sizeof(self->scope)))
		self->scope[0] = '\0';
	else if (strcmp(self->scope, "3\n"))
		ASSERT_TRUE(write_text(YAMA_SCOPE, "0"));
}

FIXTURE_TEARDOWN(access)
{
	char scope[16];

	child_end(&self->caller);
	child_end(&self->target);
	/* What is 3 stays so. */
	if (read_text(YAMA_SCOPE, scope, sizeof(scope)) &&
	    strcmp(scope, "3\n"))
		EXPECT_TRUE(write_text(YAMA_SCOPE, self->scope));
}

/* The case that is being tried; the caller has a copy of it. */
static const struct access_row *access_row;
static int access_tid;	/* of the thread whose queue is restored, or 0 */

/* Setup: becomes the caller, with what it takes for a target of its own. */
static inline void access_be_caller(struct child *child)
{
	const struct access_target *target = access_row->target;
	static struct child own;

	block_all(child);
	if (target->to == TO_SIBLING)
		start_second_thread(child, target->second_become);
	child_check(access_row->caller->become());
	die_with(child->parent);
	switch (target->to) {
	case TO_CHILD:
		child_check(child_start(&own, target->setup, NULL) &&
			    child_stop(&own, STOP_SIGNAL));
		child->log->tids[0] = own.pid;
		access_pidfd = own.pidfd;
		break;
	case TO_SIBLING:
		access_tid = child->log->tids[1];
		access_pidfd = PIDFD_SELF_THREAD_GROUP;
		break;
	case TO_SELF:
		access_pidfd = PIDFD_SELF_THREAD_GROUP;
		break;
	case TO_SELF_THREAD:
		access_tid = sys_gettid();
		access_pidfd = PIDFD_SELF_THREAD;
		break;
	default:
		break;
	}
}

static inline long access_checkpoint(void)
{
	struct record record = {};
	long ret;

	child_check(record_alloc(&record));
	memset(record.bytes, 0x5a, RECORD_SIZE);
	ret = sigckpt(access_pidfd, record.bytes, RECORD_SIZE, 0);
	/* Who may not has been told nothing. */
	if (ret < 0)
		child_check(record.bytes[0] == 0x5a &&
			    !memcmp(record.bytes, record.bytes + 1,
				    RECORD_SIZE - 1));
	free(record.bytes);
	return ret > 0 ? 0 : ret;
}

static inline long access_restore(int signo, int si_code, unsigned int flags)
{
	struct record record = {};
	long ret;

	record_signal(&record, access_tid, signo, si_code);
	ret = record_restore(&record, access_pidfd, flags);
	free(record.bytes);
	return ret;
}

/* Then: makes the next call; its answer goes to log->ret. */
static inline void access_call(struct child *child)
{
	struct child_log *log = child->log;

	switch (log->value) {
	case CHECKPOINT:
		log->ret = access_checkpoint();
		break;
	case DRY_PLAIN:
		log->ret = access_restore(PLAIN_SIGNO, SI_QUEUE,
					  SIGRESTORE_DRY_RUN);
		break;
	case DRY_RESERVED:
		log->ret = access_restore(RESERVED_SIGNO, SI_KERNEL,
					  SIGRESTORE_DRY_RUN);
		break;
	case PLAIN:
		log->ret = access_restore(PLAIN_SIGNO, SI_QUEUE, 0);
		break;
	case RESERVED:
		log->ret = access_restore(RESERVED_SIGNO, SI_KERNEL, 0);
		break;
	}
}

/* What /proc says is pending where the record's queue goes. */
static inline __u64 access_pending(const struct child *target,
				   const struct child *caller)
{
	bool private = false;
	struct proc_signals signals;
	pid_t pid = target->pid;

	switch (access_row->target->to) {
	case TO_PROCESS:
		break;
	case TO_THREAD:
		pid = target->log->tids[1];
		private = true;
		break;
	case TO_CHILD:
		pid = caller->log->tids[0];
		break;
	case TO_SELF:
		pid = caller->pid;
		break;
	case TO_SELF_THREAD:
		pid = caller->pid;
		private = true;
		break;
	case TO_SIBLING:
		pid = caller->log->tids[1];
		private = true;
		break;
	case TO_KERNEL_THREAD:
		pid = 2;
		break;
	}
	if (!proc_signals(pid, &signals))
		return ~0ULL;
	return private ? signals.private_pending : signals.shared_pending;
}

static inline bool access_start_target(struct child *child)
{
	const struct access_target *target = access_row->target;

	access_pidfd = -1;
	access_tid = 0;
	if (target->to == TO_KERNEL_THREAD) {
		access_pidfd = sys_pidfd_open(2, 0);
		return access_pidfd >= 0;
	}
	if (target->to != TO_PROCESS && target->to != TO_THREAD)
		return true;
	if (!child_start_with(child, target->flags, target->setup, NULL))
		return false;
	if (!target->runs && !child_stop(child, STOP_SIGNAL))
		return false;
	access_pidfd = child->pidfd;
	if (target->to == TO_THREAD) {
		access_tid = child->log->tids[1];
		access_pidfd = sys_pidfd_open(access_tid, PIDFD_THREAD);
	}
	return access_pidfd >= 0;
}

static inline bool access_start_caller(struct child *child)
{
	const struct access_caller *caller = access_row->caller;

	return child_start_with(child, caller->flags, access_be_caller,
				access_call) &&
	       (access_row->target->to != TO_SIBLING ||
		ptrace_stop_thread(child->log->tids[1]));
}

/* As the table in the documentation has it. */
static inline const char *access_answer_text(long answer, char *text,
					     size_t size)
{
	switch (answer) {
	case 0:
		return "yes";
	case -EPERM:
		return "`EPERM`";
	case -EBUSY:
		return "`EBUSY`";
	case -EINVAL:
		return "`EINVAL`";
	}
	snprintf(text, size, "%ld", answer);
	return text;
}

static inline void access_print(const long *seen)
{
	char want_text[16], seen_text[16];
	int i;

	printf("# | %s | %s | %s |", access_row->target->text,
	       access_row->caller->text,
	       access_module_texts[access_row->module]);
	for (i = 0; i < ACCESS_CALL_COUNT; i++) {
		long want = access_row->answers[i];

		printf(" %s", access_answer_text(seen[i], seen_text,
						 sizeof(seen_text)));
		if (seen[i] != want)
			printf(", not %s",
			       access_answer_text(want, want_text,
						  sizeof(want_text)));
		printf(" |");
	}
	printf("\n");
}

static inline void access_print_head(void)
{
	int i;

	printf("# | target | caller | module |");
	for (i = 0; i < ACCESS_CALL_COUNT; i++)
		printf(" %s |", access_call_texts[i]);
	printf("\n");
}

/*
 * Whether the kernel has the module, in the state that the rows are for. The
 * fixture has set Yama, if it is there, to 0.
 */
static inline bool access_module_is_set(enum access_module module)
{
	char scope[2] = { '0' + module - YAMA_0 };

	switch (module) {
	case NO_MODULE:
		return true;
	case LANDLOCK:
		return landlock_is_there();
	default:
		return write_text(YAMA_SCOPE, scope);
	}
}

/*
 * Tries one case. After each call it looks for what is pending at the target:
 * what the last restore that was allowed has brought, and nothing else.
 */
static inline void access_try(struct __test_metadata *_metadata,
			      struct _test_data_access *self)
{
	struct child *caller = &self->caller;
	long seen[ACCESS_CALL_COUNT];
	__u64 pending = 0;
	int i;

	ASSERT_TRUE(access_start_target(&self->target)) {
		TH_LOG("%s", access_row->target->text);
	}
	ASSERT_TRUE(access_start_caller(caller)) {
		TH_LOG("%s", access_row->caller->text);
	}
	for (i = 0; i < ACCESS_CALL_COUNT; i++) {
		caller->log->value = i;
		ASSERT_TRUE(child_go(caller));
		seen[i] = caller->log->ret;
		EXPECT_EQ(access_row->answers[i], seen[i]);
		if (!access_row->answers[i] && i == PLAIN)
			pending = SET_OF(PLAIN_SIGNO);
		if (!access_row->answers[i] && i == RESERVED)
			pending = SET_OF(RESERVED_SIGNO);
		EXPECT_EQ(pending, access_pending(&self->target, caller)) {
			TH_LOG("%s", access_call_texts[i]);
		}
	}
	access_print(seen);
	child_end(caller);
	child_end(&self->target);
	if (access_row->target->to == TO_KERNEL_THREAD ||
	    access_row->target->to == TO_THREAD)
		close(access_pidfd);
}

/* Tries all cases of @module, and prints them as a table. */
static inline void access_try_all(struct __test_metadata *_metadata,
				  struct _test_data_access *self,
				  enum access_module module)
{
	size_t i, count = 0;

	if (!access_module_is_set(module))
		SKIP(return, "no %s", access_module_texts[module]);
	access_print_head();
	for (i = 0; i < ARRAY_SIZE(access_rows); i++) {
		access_row = &access_rows[i];
		if (access_row->module != module)
			continue;
		access_try(_metadata, self);
		count++;
	}
	fflush(stdout);
	EXPECT_GT(count, 0);
}

#endif /* SIGCR_ACCESS_RUN_H */
