// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit programs in a 64-bit kernel, of i386 and of x32: as callers they get
 * and give the same bytes, as targets they get their handlers' frames back.
 *
 * Numbers such as (45) name the scenario in the project's list.
 */
#include "child.h"

#define SIGNO 40

/* A 32-bit program that runs. */
struct program {
	pid_t pid;
	int pidfd;
	int in, out;	/* this side of its standard input and output */
};

FIXTURE(compat)
{
	struct child child;
	struct program program;
	struct record record;
	struct record again;
	char path[256];
};

FIXTURE_VARIANT(compat)
{
	const char *program;
	__u32 abi;
};

FIXTURE_VARIANT_ADD(compat, ia32)
{
	.program = "ia32_program",
	.abi = SIGCR_ABI_IA32,
};

FIXTURE_VARIANT_ADD(compat, x32)
{
	.program = "x32_program",
	.abi = SIGCR_ABI_X32,
};

/* Starts the program; its end of the pipes is closed by its exit. */
static bool program_start(struct program *program, const char *path,
			  const char *what, int first, int second, int keep_fd)
{
	char numbers[2][16];
	int in[2], out[2];
	pid_t parent = getpid();

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	snprintf(numbers[0], sizeof(numbers[0]), "%d", first);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", second);
	program->pid = fork();
	if (!program->pid) {
		die_with(parent);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (keep_fd >= 0)
			fcntl(keep_fd, F_SETFD, 0);
		execl(path, path, what, numbers[0], numbers[1], NULL);
		_exit(KSFT_FAIL);
	}
	close(in[0]);
	close(out[1]);
	program->in = in[1];
	program->out = out[0];
	program->pidfd = sys_pidfd_open(program->pid, 0);
	return program->pid > 0 && program->pidfd >= 0;
}

static void program_end(struct program *program)
{
	if (program->pid <= 0)
		return;
	kill(program->pid, SIGKILL);
	waitpid(program->pid, NULL, 0);
	close(program->pidfd);
	close(program->in);
	close(program->out);
	memset(program, 0, sizeof(*program));
}

/* Reads an answer; what it is if there is none is no error number. */
static int program_answer(const struct program *program)
{
	struct pollfd answer = { .fd = program->out, .events = POLLIN };
	__s32 value;

	if (poll(&answer, 1, PATIENCE_MS) != 1 ||
	    read(program->out, &value, sizeof(value)) != sizeof(value))
		return -99999;
	return value;
}

static bool program_stop(const struct program *program)
{
	int status;

	return !kill(program->pid, SIGSTOP) &&
	       waitpid(program->pid, &status, WUNTRACED) == program->pid &&
	       WIFSTOPPED(status);
}

/* One that only answers and ends. */
static int answer_of(const char *path, const char *what, int first, int second,
		     int keep_fd)
{
	struct program program = {};
	int answer = -99999;

	if (program_start(&program, path, what, first, second, keep_fd))
		answer = program_answer(&program);
	program_end(&program);
	return answer;
}

FIXTURE_SETUP(compat)
{
	char *slash;

	ASSERT_GT(readlink("/proc/self/exe", self->path,
			   sizeof(self->path) - 32), 0);
	slash = strrchr(self->path, '/');
	ASSERT_NE(NULL, slash);
	snprintf(slash + 1, 32, "%s", variant->program);
#ifndef __x86_64__
	SKIP(return, "no 32-bit programs of this kind");
#endif
	ASSERT_EQ(0, access(self->path, X_OK));
	if (answer_of(self->path, "c", -1, SIGCKPT_QUERY, -1) == -99999)
		SKIP(return, "no such programs in this kernel");
}

FIXTURE_TEARDOWN(compat)
{
	program_end(&self->program);
	child_end(&self->child);
	free(self->record.bytes);
	free(self->again.bytes);
}

/* (45) */
TEST_F(compat, calls_have_the_same_numbers_and_errors)
{
	const char *path = self->path;

	EXPECT_EQ(1, answer_of(path, "c", -1, SIGCKPT_QUERY, -1));
	EXPECT_EQ(-EINVAL, answer_of(path, "c", -1, 0x800, -1));
	EXPECT_EQ(-EBADF, answer_of(path, "c", -1, 0, -1));
	EXPECT_EQ(-EOPNOTSUPP, answer_of(path, "c", -1,
					 2 << SIGCKPT_VERSION_SHIFT, -1));
	/* Numbers below 0 are names of the caller. */
	EXPECT_GT(answer_of(path, "c", PIDFD_SELF_THREAD_GROUP, 0, -1), 0);
	EXPECT_GT(answer_of(path, "c", PIDFD_SELF_THREAD, 0, -1), 0);
}

static void have_some_state(struct child *child __maybe_unused)
{
	struct kernel_action action = {
		.handler = 0x7f1234567890,
		.restorer = 0x7f9876543210,
		.flags = SA_RESTORER | SA_SIGINFO,
		.mask = ~SET_OF(SIGKILL) & ~SET_OF(SIGSTOP),
	};

	child_check(!sys_sigaction(SIGUSR1, &action, NULL));
	block_all(child);
}

/* (45) */
TEST_F(compat, record_has_the_same_bytes_for_a_32_bit_caller)
{
	struct child *child = &self->child;
	size_t len = 0;
	ssize_t more;

	ASSERT_TRUE(child_start(child, have_some_state, NULL));
	ASSERT_TRUE(send_mixture(child, true));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	ASSERT_TRUE(program_start(&self->program, self->path, "c",
				  child->pidfd, 0, child->pidfd));
	ASSERT_EQ(self->record.len, program_answer(&self->program));
	ASSERT_TRUE(record_alloc(&self->again));
	while ((more = read(self->program.out, self->again.bytes + len,
			    RECORD_SIZE - len)) > 0)
		len += more;
	self->again.len = len;
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* (45) */
TEST_F(compat, record_is_restored_by_a_32_bit_caller)
{
	struct child *child = &self->child;

	ASSERT_TRUE(child_start(child, have_some_state, NULL));
	ASSERT_TRUE(send_mixture(child, true));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	record_begin(&self->again, child->pid, 0);
	record_add_actions(&self->again);
	record_add_queue(&self->again, 0, 0);
	record_add_thread(&self->again, child->pid, 0);
	record_add_queue(&self->again, child->pid, 0);
	record_seal(&self->again);
	ASSERT_EQ(0, record_restore(&self->again, child->pidfd, 0));
	ASSERT_TRUE(program_start(&self->program, self->path, "r",
				  child->pidfd, 0, child->pidfd));
	ASSERT_EQ(self->record.len, write(self->program.in, self->record.bytes,
					  self->record.len));
	close(self->program.in);
	self->program.in = -1;
	EXPECT_EQ(0, program_answer(&self->program));
	ASSERT_STREQ("", record_read(&self->again, child->pidfd, 0));
	EXPECT_TRUE(record_equal(&self->record, &self->again));
}

/* (45) What a 32-bit sender has queued has the layout of the kernel. */
TEST_F(compat, signal_of_a_32_bit_sender_is_recorded_in_the_kernel_s_layout)
{
	struct child *child = &self->child;
	siginfo_t info = queued_info(SIGNO, -7);

	info.si_pid = 1234;
	info.si_uid = 5678;
	/* There is no upper half of the value. */
	info.si_value.sival_ptr = (void *)(__u64)(__u32)-7;
	ASSERT_TRUE(child_start(child, have_some_state, NULL));
	ASSERT_EQ(0, answer_of(self->path, "s", child->pid, -7, -1));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	ASSERT_STREQ("", record_read(&self->record, child->pidfd, 0));
	ASSERT_EQ(1, self->record.shared->entry_count);
	EXPECT_EQ(0, memcmp(&info, record_queued(self->record.shared, 0),
			    SIGCR_SIGINFO_LEN));
}

/* (45) Only the kernel knows from which call an action came. */
TEST_F(compat, handler_of_a_32_bit_program_gets_its_frame_after_a_restore)
{
	const struct sigcr_action *action;
	struct program other = {};
	__u64 mask = 0;

	ASSERT_TRUE(program_start(&self->program, self->path, "t", 1, 0, -1));
	ASSERT_EQ(0, program_answer(&self->program));
	ASSERT_EQ(0, send_shared(self->program.pid, SIGNO, 99));
	ASSERT_TRUE(program_stop(&self->program));
	ASSERT_STREQ("", record_read(&self->record, self->program.pidfd, 0));
	EXPECT_EQ(RECORD_ARCH, self->record.header->arch);
	action = record_action_of(&self->record, SIGNO);
	ASSERT_NE(NULL, action);
	EXPECT_EQ(variant->abi, action->abi);
	EXPECT_EQ(SA_SIGINFO | SA_RESTORER, action->flags);
	EXPECT_LT(action->handler, 1ULL << 32);
	EXPECT_LT(action->restorer, 1ULL << 32);
	/* A fresh instance, which has no action yet, gets it from this one. */
	ASSERT_TRUE(program_start(&other, self->path, "t", 0, 0, -1));
	ASSERT_EQ(0, program_answer(&other));
	ASSERT_TRUE(program_stop(&other));
	record_copy(&self->again, &self->record);
	record_rename(&self->again, self->program.pid, other.pid);
	ASSERT_EQ(0, record_restore(&self->again, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, other.pidfd, 0));
	record_rename(&self->again, other.pid, self->program.pid);
	EXPECT_TRUE(record_state_equal(&self->record, &self->again));
	ASSERT_EQ(0, kill(other.pid, SIGCONT));
	ASSERT_EQ(1, write(other.in, "g", 1));
	EXPECT_EQ(SIGNO, program_answer(&other));
	EXPECT_EQ(99, program_answer(&other));
	/* The mask to return to: SIGNO is blocked no more. */
	ASSERT_EQ(sizeof(mask), read(other.out, &mask, sizeof(mask)));
	EXPECT_EQ(SET_OF(SIGUSR2), mask);
	EXPECT_EQ(4711, program_answer(&other));
	program_end(&other);
}

/* Actions of two kinds stand beside each other, as they were set. */
TEST_F(compat, kind_of_a_frame_is_restored_as_it_is_recorded)
{
	struct child *child = &self->child;
	struct sigcr_actions *actions;
	struct sigcr_action *action;
	int signo;

	ASSERT_TRUE(child_start(child, NULL, NULL));
	ASSERT_TRUE(child_stop(child, STOP_SIGNAL));
	record_begin(&self->record, child->pid, 0);
	actions = record_add_actions(&self->record);
	for (signo = 40; signo < 44; signo++) {
		action = record_add_action(&self->record, actions, signo);
		action->handler = 0x1000 + signo;
		action->abi = signo % 2 ? variant->abi : SIGCR_ABI_NATIVE;
	}
	record_seal(&self->record);
	ASSERT_EQ(0, record_restore(&self->record, child->pidfd, 0));
	ASSERT_STREQ("", record_read(&self->again, child->pidfd, 0));
	for (signo = 40; signo < 44; signo++) {
		ASSERT_NE(NULL, record_action_of(&self->again, signo));
		EXPECT_EQ(signo % 2 ? variant->abi : SIGCR_ABI_NATIVE,
			  record_action_of(&self->again, signo)->abi);
	}
}

#ifdef __x86_64__

#define X32_NR_RT_SIGACTION (0x40000000 + 512)

struct x32_action {
	__u32 handler;
	__u32 flags;
	__u32 restorer;
	__u32 mask[2];
};

/*
 * A handler that notes the value and the mask where a frame of x32 has them,
 * and the restorer. Both have to lie below 4 GiB, where they are copied to.
 */
asm(".pushsection .rodata\n"
	"x32_code:\n"
	"	movl 20(%rsi), %eax\n"
	"	movl %eax, x32_seen(%rip)\n"
	"	movq 280(%rdx), %rax\n"
	"	movq %rax, x32_seen+8(%rip)\n"
	"	ret\n"
	"x32_restorer:\n"
	"	movl $0x40000201, %eax\n"	/* 513 */
	"	syscall\n"
	"	hlt\n"
	".balign 8\n"
	"x32_seen:\n"
	"	.quad 0, 0\n"
	"x32_code_end:\n"
	".popsection\n");

#define X32_LABEL(name) ({						\
	const __u8 *at;							\
									\
	asm("lea " #name "(%%rip), %0" : "=r" (at));			\
	at;								\
})

static struct child *mixed_child;
static __u8 *low_code;

static void log_native(int signo __maybe_unused, siginfo_t *info,
		       void *ucontext)
{
	ucontext_t *context = ucontext;

	mixed_child->log->taken[0] = *info;
	memcpy(&mixed_child->log->frame_mask, &context->uc_sigmask,
	       sizeof(__u64));
}

/* The 64-bit call for SIGUSR1, that of x32 for SIGNO. */
/* What a kernel without x32 answers. */
#define NO_SUCH_CALL (-38)

static void set_actions_of_both_kinds(struct child *child)
{
	struct sigaction native = {
		.sa_sigaction = log_native,
		.sa_flags = SA_SIGINFO,
	};
	struct x32_action x32 = {
		.handler = (__u64)low_code,
		.flags = SA_SIGINFO | SA_RESTORER,
		.restorer = (__u64)low_code + (X32_LABEL(x32_restorer) - X32_LABEL(x32_code)),
		.mask = { 0, SET_OF(64) >> 32 },
	};

	block_all(child);
	child_check(!sigaction(SIGUSR1, &native, NULL));
	child->log->ret = kernel_answer(syscall(X32_NR_RT_SIGACTION, SIGNO,
						&x32, NULL, sizeof(__u64)));
}

static void let_both_handlers_run(struct child *child)
{
	__u64 set = SET_OF(SIGUSR1), seen[2];

	mixed_child = child;
	child_check(!sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	set = SET_OF(SIGNO);
	child_check(!sys_sigprocmask(SIG_UNBLOCK, &set, NULL));
	memcpy(seen, low_code + (X32_LABEL(x32_seen) - X32_LABEL(x32_code)), sizeof(seen));
	child->log->value = seen[0];
	child->log->handler_mask = seen[1];
	sys_sigprocmask(SIG_SETMASK, NULL, &child->log->mask);
}

/* (45) Each handler of one process gets the frame of the call that set it. */
TEST(handlers_of_two_kinds_in_one_process_get_their_frames_after_a_restore)
{
	struct record record = {}, again = {};
	const struct sigcr_action *action;
	struct child child, other;

	low_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)low_code);
	memcpy(low_code, X32_LABEL(x32_code), X32_LABEL(x32_code_end) - X32_LABEL(x32_code));
	ASSERT_TRUE(child_start(&child, set_actions_of_both_kinds, NULL));
	if (child.log->ret == NO_SUCH_CALL) {
		child_end(&child);
		SKIP(return, "no x32");
	}
	ASSERT_EQ(0, child.log->ret);
	ASSERT_EQ(0, send_shared(child.pid, SIGUSR1, 4711));
	ASSERT_EQ(0, send_shared(child.pid, SIGNO, 4712));
	ASSERT_TRUE(child_stop(&child, STOP_PTRACE));
	ASSERT_STREQ("", record_read(&record, child.pidfd, 0));
	action = record_action_of(&record, SIGUSR1);
	ASSERT_NE(NULL, action);
	EXPECT_EQ(SIGCR_ABI_NATIVE, action->abi);
	action = record_action_of(&record, SIGNO);
	ASSERT_NE(NULL, action);
	EXPECT_EQ(SIGCR_ABI_X32, action->abi);
	EXPECT_EQ(SA_SIGINFO | SA_RESTORER, action->flags);
	EXPECT_EQ((__u64)low_code, action->handler);
	EXPECT_EQ(SET_OF(64), action->mask);
	ASSERT_TRUE(child_start(&other, NULL, let_both_handlers_run));
	ASSERT_TRUE(child_stop(&other, STOP_PTRACE));
	record_rename(&record, child.pid, other.pid);
	ASSERT_EQ(0, record_restore(&record, other.pidfd, 0));
	ASSERT_STREQ("", record_read(&again, other.pidfd, 0));
	EXPECT_TRUE(record_state_equal(&record, &again));
	ASSERT_TRUE(child_resume(&other));
	ASSERT_TRUE(child_go(&other));
	EXPECT_EQ(4711, other.log->taken[0].si_int);
	EXPECT_EQ(ALL_SIGNALS & ~SET_OF(SIGUSR1), other.log->frame_mask);
	EXPECT_EQ(4712, other.log->value);
	EXPECT_EQ(ALL_SIGNALS & ~SET_OF(SIGUSR1) & ~SET_OF(SIGNO),
		  other.log->handler_mask);
	/* Each has come back by its own call. */
	EXPECT_EQ(ALL_SIGNALS & ~SET_OF(SIGUSR1) & ~SET_OF(SIGNO),
		  other.log->mask);
	child_end(&child);
	child_end(&other);
	free(record.bytes);
	free(again.bytes);
}

#endif /* __x86_64__ */

TEST_HARNESS_MAIN
