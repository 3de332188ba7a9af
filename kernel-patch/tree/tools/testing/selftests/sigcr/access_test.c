// SPDX-License-Identifier: GPL-2.0
/*
 * Who may: users, capabilities, namespaces, security modules, filters.
 *
 * Numbers such as (37) name the scenario in the project's list.
 */
#include "access_run.h"
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define SELF PIDFD_SELF_THREAD_GROUP

FIXTURE(target)
{
	struct child child;
	struct record record;
	char scope[16];
};

FIXTURE_SETUP(target)
{
	if (read_text(YAMA_SCOPE, self->scope, sizeof(self->scope)))
		ASSERT_TRUE(write_text(YAMA_SCOPE, "0"));
}

FIXTURE_TEARDOWN(target)
{
	child_end(&self->child);
	free(self->record.bytes);
	if (self->scope[0])
		EXPECT_TRUE(write_text(YAMA_SCOPE, self->scope));
}

/* (37) to (39) */
TEST_F(access, answers_are_those_of_the_table)
{
	access_try_all(_metadata, self, NO_MODULE);
}

/* (38) */
TEST_F(access, answers_with_landlock_are_those_of_the_table)
{
	access_try_all(_metadata, self, LANDLOCK);
}

/* (38) */
TEST_F(access, answers_with_yama_scope_0_are_those_of_the_table)
{
	access_try_all(_metadata, self, YAMA_0);
}

/* (38) */
TEST_F(access, answers_with_yama_scope_1_are_those_of_the_table)
{
	access_try_all(_metadata, self, YAMA_1);
}

/* (38) */
TEST_F(access, answers_with_yama_scope_2_are_those_of_the_table)
{
	access_try_all(_metadata, self, YAMA_2);
}

/* (39) */
TEST_F(target, kernel_thread_is_eperm_also_to_a_live_checkpoint)
{
	int pidfd = sys_pidfd_open(2, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(-EPERM, sigckpt(pidfd, NULL, 0, SIGCKPT_LIVE));
	close(pidfd);
}

/* A process of two threads, each of which becomes somebody of its own. */
struct sibling {
	bool (*become)(void);
	pid_t tid;
	int state;	/* 0, then 1: done, or -1: failed */
};

static void *become_and_wait(void *arg)
{
	struct sibling *sibling = arg;
	int state = sibling->become() ? 1 : -1;

	sibling->tid = sys_gettid();
	__atomic_store_n(&sibling->state, state, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

/*
 * Tries to restore a sibling's queue, or only its mask, when the caller and
 * the sibling have become who they are; 1 if they could not.
 */
static long restore_of_sibling(bool (*become)(void),
			       bool (*sibling_become)(void), bool queue)
{
	struct sibling sibling = { .become = sibling_become };
	struct record record = {};
	__u64 set = ALL_SIGNALS;
	pthread_t thread;

	/* The sibling inherits it; what is restored shall not kill. */
	sys_sigprocmask(SIG_SETMASK, &set, NULL);
	if (pthread_create(&thread, NULL, become_and_wait, &sibling) ||
	    !eventually(__atomic_load_n(&sibling.state, __ATOMIC_SEQ_CST)) ||
	    sibling.state != 1 || !become())
		return 1;
	record_begin(&record, getpid(), 0);
	if (queue)
		record_add_queue(&record, sibling.tid, SET_OF(40));
	else
		record_add_thread(&record, sibling.tid, 0);
	record_seal(&record);
	return record_restore(&record, SELF, 0);
}

TEST_F(target, queue_of_a_sibling_needs_equal_credentials_or_the_capability)
{
	static const struct {
		const char *what;
		bool (*become)(void);
		bool (*sibling_become)(void);
		bool queue;
		long ret;
	} rows[] = {
		{ "the same", become_nobody_else, become_nobody_else, true, 0 },
		{ "equal", become_owner, become_owner, true, 0 },
		{ "sibling of root", become_owner, become_nobody_else, true,
		  -EPERM },
		{ "sibling of a stranger", become_owner, become_stranger, true,
		  -EPERM },
		{ "sibling with a capability more", become_owner,
		  become_owner_who_may_trace, true, -EPERM },
		{ "caller who may attach", become_owner_who_may_trace,
		  become_stranger, true, -EPERM },
		{ "caller who may restore", become_owner_who_may_restore,
		  become_stranger, true, 0 },
		{ "caller who may administer", become_owner_who_may_administer,
		  become_stranger, true, 0 },
		{ "no queue", become_owner, become_stranger, false, 0 },
	};
	long *ret = shared_memory(sizeof(*ret));
	size_t i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		*ret = 1;
		pid = fork();
		if (!pid) {
			*ret = restore_of_sibling(rows[i].become,
						  rows[i].sibling_become,
						  rows[i].queue);
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(rows[i].ret, *ret)
			TH_LOG("%s", rows[i].what);
	}
}

/* The answer to @record onto @pidfd for the owner without capabilities. */
static long owner_restores(const struct record *record, int pidfd,
			   unsigned int flags)
{
	long *shared = shared_memory(sizeof(*shared)), ret;
	pid_t pid;

	*shared = 1;
	pid = fork();
	if (!pid) {
		if (become_owner())
			*shared = record_restore(record, pidfd, flags);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	ret = *shared;
	munmap(shared, sizeof(*shared));
	return ret;
}

/* (37) */
TEST_F(target, each_si_code_is_reserved_as_for_rt_sigqueueinfo)
{
	static const struct {
		int signo, si_code;
		bool reserved;
	} rows[] = {
		{ SIGSEGV, SEGV_MAPERR, true }, { 40, SI_USER, true },
		{ 40, SI_KERNEL, true }, { 40, SI_TKILL, true },
		{ 40, 0x7fffffff, true }, { SIGTRAP, TRAP_TRACE, true },
		{ 40, SI_QUEUE, false }, { 40, SI_TIMER, false },
		{ 40, SI_MESGQ, false }, { 40, SI_ASYNCIO, false },
		{ 40, SI_SIGIO, false }, { 40, -77, false },
		{ 40, INT_MIN, false },
	};
	struct record *record = &self->record;
	struct record again = {};
	size_t i;

	ASSERT_TRUE(child_start(&self->child, be_owned, NULL));
	ASSERT_TRUE(child_stop(&self->child, STOP_SIGNAL));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		record_signal(record, 0, rows[i].signo, rows[i].si_code);
		EXPECT_EQ(rows[i].reserved ? -EPERM : 0,
			  owner_restores(record, self->child.pidfd, 0))
			TH_LOG("si_code %d", rows[i].si_code);
		EXPECT_EQ(rows[i].reserved ? -EPERM : 0,
			  owner_restores(record, self->child.pidfd,
					 SIGRESTORE_DRY_RUN)) {
			TH_LOG("si_code %d, dry", rows[i].si_code);
		}
		/* In a thread's queue as well. */
		record_begin(record, self->child.pid, 0);
		record_add_entry(record, record_add_queue(record,
							  self->child.pid, 0),
				 &(siginfo_t){
					.si_signo = rows[i].signo,
					.si_code = rows[i].si_code,
				 });
		record_seal(record);
		EXPECT_EQ(rows[i].reserved ? -EPERM : 0,
			  owner_restores(record, self->child.pidfd, 0))
			TH_LOG("si_code %d, private", rows[i].si_code);
	}
	/* A bit that has no siginfo forges nothing. */
	record_begin(record, self->child.pid, 0);
	record_add_queue(record, 0, SET_OF(SIGSEGV) | SET_OF(40));
	record_seal(record);
	EXPECT_EQ(0, owner_restores(record, self->child.pidfd, 0));
	ASSERT_STREQ("", record_read(&again, self->child.pidfd, 0));
	EXPECT_EQ(SET_OF(SIGSEGV) | SET_OF(40), again.shared->set);
	free(again.bytes);
}

/* Denies system call @nr with error number @error. */
static bool deny(int nr, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* (51) */
TEST_F(target, seccomp_filter_denies_each_call_with_its_own_error)
{
	struct record *record = &self->record;

	record_begin(record, getpid(), 0);
	record_seal(record);
	EXPECT_EQ(1, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	EXPECT_EQ(0, record_restore(record, SELF, 0));
	ASSERT_TRUE(deny(SIGCR_NR_SIGCKPT, EPERM));
	EXPECT_EQ(-EPERM, sigckpt(-1, NULL, 0, SIGCKPT_QUERY));
	EXPECT_EQ(0, record_restore(record, SELF, 0));
	ASSERT_TRUE(deny(SIGCR_NR_SIGRESTORE, ENODATA));
	EXPECT_EQ(-ENODATA, record_restore(record, SELF, 0));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], SETUID_ARGUMENT))
		return setuid_main(argv);
	return test_harness_run(argc, argv);
}
