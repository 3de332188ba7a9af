// SPDX-License-Identifier: GPL-2.0
/*
 * Who may: users, capabilities, namespaces, security modules, filters.
 *
 * Numbers such as (37) name the scenario in the project's list.
 */
#include "caller.h"
#include <limits.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>

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

#define START_STOPPED(setup) do {					\
	ASSERT_TRUE(child_start(&self->child, setup, NULL));		\
	ASSERT_TRUE(child_stop(&self->child, STOP_SIGNAL));		\
} while (0)

/* (38) */
TEST_F(target, process_of_another_user_is_eperm)
{
	int pidfd;

	START_STOPPED(be_owned);
	pidfd = self->child.pidfd;
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_stranger, pidfd);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner, pidfd);
	EXPECT_ANSWERS(0, 0, 0, become_nobody_else, pidfd);
}

/* Who may not look is not told that there is nothing to see. */
TEST_F(target, running_process_of_another_user_is_eperm_not_ebusy)
{
	int pidfd;

	ASSERT_TRUE(child_start(&self->child, be_owned, NULL));
	pidfd = self->child.pidfd;
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_stranger, pidfd);
	EXPECT_ANSWERS(-EBUSY, -EBUSY, -EPERM, become_owner, pidfd);
}

static void be_not_dumpable(struct child *child)
{
	be_owned(child);
	child_check(!prctl(PR_SET_DUMPABLE, 0));
}

/* (38) */
TEST_F(target, process_that_is_not_dumpable_needs_cap_sys_ptrace)
{
	int pidfd;

	START_STOPPED(be_not_dumpable);
	pidfd = self->child.pidfd;
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner, pidfd);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner_who_may_restore,
		       pidfd);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner_who_may_trace, pidfd);
}

static void be_able_to_return_to_root(struct child *child)
{
	child_check(!syscall(SYS_setresuid, TARGET_UID, TARGET_UID, 0));
	child_check(!prctl(PR_SET_DUMPABLE, 1));
	die_with(child->parent);
	block_all(child);
}

/* (38) As a set-user-ID program is. */
TEST_F(target, process_with_another_saved_uid_is_eperm)
{
	START_STOPPED(be_able_to_return_to_root);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner,
		       self->child.pidfd);
	EXPECT_ANSWERS(0, 0, 0, become_nobody_else, self->child.pidfd);
}

static struct child *thread_child;

static void *stay_root(void *arg __maybe_unused)
{
	thread_child->log->tids[1] = sys_gettid();
	for (;;)
		pause();
	return NULL;
}

/* System calls change one thread only; the library changes all. */
static void be_owned_but_for_one_thread(struct child *child)
{
	pthread_t thread;

	thread_child = child;
	child_check(!pthread_create(&thread, NULL, stay_root, NULL));
	child_check(eventually(child->log->tids[1]));
	be_owned(child);
}

TEST_F(target, access_is_checked_for_each_thread_concerned)
{
	struct child *child = &self->child;
	int leader, other;

	START_STOPPED(be_owned_but_for_one_thread);
	leader = sys_pidfd_open(child->pid, PIDFD_THREAD);
	other = sys_pidfd_open(child->log->tids[1], PIDFD_THREAD);
	ASSERT_GE(leader, 0);
	ASSERT_GE(other, 0);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner, child->pidfd);
	/* The record of EXPECT_ANSWERS is one of a process. */
	EXPECT_ANSWERS(0, -EINVAL, -EINVAL, become_owner, leader);
	EXPECT_EQ(-EPERM, answers_for(become_owner, other).ckpt);
}

/* (39) */
TEST_F(target, kernel_thread_is_eperm)
{
	int pidfd = sys_pidfd_open(2, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_nobody_else, pidfd);
	EXPECT_EQ(-EPERM, sigckpt(pidfd, NULL, 0, SIGCKPT_LIVE));
}

/* (37) */
TEST_F(target, si_code_of_the_kernel_needs_cap_checkpoint_restore)
{
	START_STOPPED(be_owned);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner, self->child.pidfd);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner_who_may_trace,
		       self->child.pidfd);
	EXPECT_ANSWERS(0, 0, 0, become_owner_who_may_restore,
		       self->child.pidfd);
	EXPECT_ANSWERS(0, 0, 0, become_owner_who_may_administer,
		       self->child.pidfd);
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

	START_STOPPED(be_owned);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		record_signal(record, self->child.pid, rows[i].signo,
			      rows[i].si_code);
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

static bool become_owner_blocking_all(void)
{
	__u64 set = ALL_SIGNALS;

	return become_owner() && !sys_sigprocmask(SIG_SETMASK, &set, NULL);
}

/* (37) */
TEST_F(target, one_s_own_process_needs_no_privilege_for_any_si_code)
{
	EXPECT_ANSWERS(0, 0, 0, become_owner_blocking_all, SELF);
	ASSERT_TRUE(write_text(YAMA_SCOPE, "2"));
	EXPECT_ANSWERS(0, 0, 0, become_owner_blocking_all, SELF);
}

static bool enter_user_namespace(void)
{
	return !unshare(CLONE_NEWUSER);
}

static bool become_owner_in_user_namespace(void)
{
	return become_owner() && enter_user_namespace();
}

/* (37) Full of capabilities, but over itself only. */
TEST_F(target, capabilities_in_a_child_user_namespace_are_none_outside)
{
	START_STOPPED(be_owned);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner_in_user_namespace,
		       self->child.pidfd);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, enter_user_namespace,
		       self->child.pidfd);
}

static void be_owned_in_user_namespace(struct child *child)
{
	be_owned(child);
	child_check(enter_user_namespace());
	child_check(!prctl(PR_SET_DUMPABLE, 1));
}

/* (37) The owner of a namespace has every capability over it. */
TEST_F(target, owner_of_the_target_s_user_namespace_may_do_all)
{
	START_STOPPED(be_owned_in_user_namespace);
	EXPECT_ANSWERS(0, 0, 0, become_owner, self->child.pidfd);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_stranger,
		       self->child.pidfd);
}

static void let_anybody_trace(struct child *child)
{
	be_owned(child);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
}

/* Forks a child, stops it and asks both calls; as the owner, with @cap. */
static struct answers answers_about_own_child(int cap)
{
	struct answers *shared = shared_memory(sizeof(*shared)), answers;
	pid_t pid;

	*shared = (struct answers){ 1, 1, 1 };
	pid = fork();
	if (!pid) {
		struct child child;

		if (become_user(TARGET_UID, cap) &&
		    child_start(&child, block_all, NULL) &&
		    child_stop(&child, STOP_SIGNAL))
			try_all(child.pidfd, shared);
		child_end(&child);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	answers = *shared;
	munmap(shared, sizeof(*shared));
	return answers;
}

/* (38) */
TEST_F(target, yama_scope_1_lets_ancestors_and_declared_tracers)
{
	int pidfd;

	START_STOPPED(be_owned);
	pidfd = self->child.pidfd;
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner, pidfd);
	ASSERT_GOOD_SO_FAR();
	if (!write_text(YAMA_SCOPE, "1"))
		SKIP(return, "no Yama");
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner, pidfd);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner_who_may_trace, pidfd);
	EXPECT_EQ(0, answers_about_own_child(-1).ckpt);
	EXPECT_EQ(0, answers_about_own_child(-1).restore);
	child_end(&self->child);
	START_STOPPED(let_anybody_trace);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner, self->child.pidfd);
}

/* (38) */
TEST_F(target, yama_scope_2_lets_cap_sys_ptrace_only)
{
	int pidfd;

	START_STOPPED(let_anybody_trace);
	pidfd = self->child.pidfd;
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner, pidfd);
	ASSERT_GOOD_SO_FAR();
	if (!write_text(YAMA_SCOPE, "2"))
		SKIP(return, "no Yama");
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner, pidfd);
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, become_owner_who_may_restore,
		       pidfd);
	EXPECT_ANSWERS(0, 0, -EPERM, become_owner_who_may_trace, pidfd);
	EXPECT_EQ(-EPERM, answers_about_own_child(-1).ckpt);
	EXPECT_EQ(-EPERM, answers_about_own_child(-1).restore);
	EXPECT_EQ(0, answers_about_own_child(CAP_SYS_PTRACE).ckpt);
}

static bool enter_landlock(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK,
	};
	int ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			      0);

	return ruleset >= 0 && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_landlock_restrict_self, ruleset, 0);
}

static bool landlock_is_there(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void enter_landlock_too(struct child *child)
{
	child_check(enter_landlock());
	block_all(child);
}

/* (38) Even root, if it is in a domain that the target is not in. */
TEST_F(target, landlock_domain_confines_to_itself)
{
	START_STOPPED(block_all);
	EXPECT_ANSWERS(0, 0, 0, become_nobody_else, self->child.pidfd);
	ASSERT_GOOD_SO_FAR();
	if (!landlock_is_there())
		SKIP(return, "no Landlock");
	EXPECT_ANSWERS(-EPERM, -EPERM, -EPERM, enter_landlock,
		       self->child.pidfd);
	/* A domain below one's own is open. */
	child_end(&self->child);
	START_STOPPED(enter_landlock_too);
	EXPECT_ANSWERS(0, 0, 0, become_nobody_else, self->child.pidfd);
	ASSERT_TRUE(enter_landlock());
	EXPECT_EQ(-EPERM, sigckpt(self->child.pidfd, NULL, 0, 0));
	EXPECT_GT(sigckpt(SELF, NULL, 0, 0), 0);
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

TEST_HARNESS_MAIN
