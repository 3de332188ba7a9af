// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program without a C library, for compat_test: it makes the two
 * calls, sends a signal, or is the target whose handler has a 32-bit frame.
 * It is built for i386 and for x32.
 *
 * The first letter of the first argument says which, numbers follow. It talks
 * to the test by its standard input and output.
 */
#include <asm/sigcontext.h>
#include <asm/unistd.h>
#include <linux/sigcr.h>
#include <linux/types.h>

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SI_QUEUE (-1)
#define SIGNO 40
#define SIGUSR2 12

#define SET_OF(signo) (1ULL << ((signo) - 1))

struct siginfo32 {
	__s32 si_signo;
	__s32 si_errno;
	__s32 si_code;
	__s32 si_pid;
	__u32 si_uid;
	__s32 si_int;
	__s32 rest[26];
};

/* What a handler is given, up to the mask to return to. */
struct context32 {
	__u32 flags;
	__u32 link;
	__u32 altstack[3];
	struct sigcontext registers;
	__u64 mask;
};

struct action32 {
	void (*handler)(int signo, struct siginfo32 *info,
			struct context32 *context);
	__u32 flags;
	void (*restorer)(void);
	__u64 mask;
};

static __u8 record[65536];

#ifdef __x86_64__

/* The registers are of 64 bits; the upper half of a pointer is 0. */
static long call(long nr, long a, long b, long c, long d)
{
	register __u64 fourth asm("r10") = (unsigned long)d;
	__u64 ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "a" ((__u64)(nr | __X32_SYSCALL_BIT)),
		       "D" ((__u64)(unsigned long)a),
		       "S" ((__u64)(unsigned long)b),
		       "d" ((__u64)(unsigned long)c), "r" (fourth)
		     : "rcx", "r11", "memory");
	return ret;
}

#else

static long call(long nr, long a, long b, long c, long d)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d)
		     : "memory");
	return ret;
}

#endif

static void write_all(const void *bytes, long len)
{
	const __u8 *at = bytes;

	while (len > 0) {
		long written = call(__NR_write, 1, (long)at, len, 0);

		if (written <= 0)
			call(__NR_exit, 1, 0, 0, 0);
		at += written;
		len -= written;
	}
}

static void write_answer(__s32 answer)
{
	write_all(&answer, sizeof(answer));
}

static void checkpoint(int pidfd, unsigned int flags)
{
	long len = call(SIGCR_NR_SIGCKPT, pidfd, (long)record, sizeof(record),
			flags);

	write_answer(len);
	if (len > 0)
		write_all(record, len);
}

static void restore(int pidfd, unsigned int flags)
{
	long len = 0, more;

	while ((more = call(__NR_read, 0, (long)(record + len),
			    sizeof(record) - len, 0)) > 0)
		len += more;
	write_answer(call(SIGCR_NR_SIGRESTORE, pidfd, (long)record, len,
			  flags));
}

static void send(int pid, int value)
{
	struct siginfo32 info = {
		.si_signo = SIGNO,
		.si_code = SI_QUEUE,
		.si_pid = 1234,
		.si_uid = 5678,
		.si_int = value,
	};

	write_answer(call(__NR_rt_sigqueueinfo, pid, SIGNO, (long)&info, 0));
}

/* Where these are is another place in each ABI's frame. */
static void handle(int signo, struct siginfo32 *info,
		   struct context32 *context)
{
	write_answer(signo);
	write_answer(info->si_int);
	write_all(&context->mask, sizeof(context->mask));
}

/* Ends a handler by the ABI's own call. */
void sigreturn32(void);
#ifdef __x86_64__
asm(".globl sigreturn32\n"
	"sigreturn32:\n"
	"	movl $0x40000201, %eax\n"	/* 513 */
	"	syscall\n");
#else
asm(".globl sigreturn32\n"
	"sigreturn32:\n"
	"	movl $173, %eax\n"
	"	int $0x80\n");
#endif

static void be_target(int with_action)
{
	struct action32 action = {
		.handler = handle,
		.flags = SA_SIGINFO | SA_RESTORER,
		.restorer = sigreturn32,
	};
	__u64 set = SET_OF(SIGNO) | SET_OF(SIGUSR2);
	__u8 byte;

	call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof(set));
	if (with_action)
		call(__NR_rt_sigaction, SIGNO, (long)&action, 0, sizeof(set));
	write_answer(0);
	/* A stop may interrupt it. */
	while (call(__NR_read, 0, (long)&byte, 1, 0) < 0)
		;
	set = SET_OF(SIGNO);
	call(__NR_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, sizeof(set));
	/* That the handler has returned. */
	write_answer(4711);
}

static int number(const char *text)
{
	int sign = *text == '-' ? -1 : 1, value = 0;

	for (text += *text == '-'; *text >= '0' && *text <= '9'; text++)
		value = 10 * value + *text - '0';
	return sign * value;
}

void start(long *stack);
void start(long *stack)
{
	char **args = (char **)(stack + 1);
	int first = stack[0] > 2 ? number(args[2]) : 0;
	int second = stack[0] > 3 ? number(args[3]) : 0;

	switch (stack[0] > 1 ? args[1][0] : 0) {
	case 'c':
		checkpoint(first, second);
		break;
	case 'r':
		restore(first, second);
		break;
	case 's':
		send(first, second);
		break;
	case 't':
		be_target(first);
		break;
	}
	call(__NR_exit, 0, 0, 0, 0);
}

/* In both ABIs what the kernel has put on the stack is of 32 bits. */
#ifdef __x86_64__
asm(".globl _start\n"
	"_start:\n"
	"	movl %esp, %edi\n"
	"	andl $-16, %esp\n"
	"	call start\n"
	"	hlt\n");
#else
asm(".globl _start\n"
	"_start:\n"
	"	movl %esp, %eax\n"
	"	andl $-16, %esp\n"
	"	subl $12, %esp\n"
	"	pushl %eax\n"
	"	call start\n"
	"	hlt\n");
#endif
