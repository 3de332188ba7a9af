/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A process to be looked at by ptrace.
 *
 * `state`: has a signal state that the test knows, and waits. `blank`: has none. `busy`: has threads in system calls of
 * all kinds and threads that check their registers, and says at its end what went wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static atomic_uint taken, wrong;
static atomic_int ended;

static void must(int done, const char *what)
{
	if (!done) {
		perror(what);
		exit(1);
	}
}

static void action(int signo, uint64_t handler, uint64_t flags, uint64_t restorer, uint64_t mask)
{
	struct kernel_action action = { handler, flags, restorer, mask };

	must(!syscall(SYS_rt_sigaction, signo, &action, NULL, 8), "rt_sigaction");
}

static void block(uint64_t set)
{
	must(!syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8), "rt_sigprocmask");
}

static void altstack(uint64_t sp, uint64_t size, unsigned int flags)
{
	stack_t stack = { .ss_sp = (void *)sp, .ss_flags = (int)flags, .ss_size = size };

	must(!sigaltstack(&stack, NULL), "sigaltstack");
}

static void *waits(void *arg)
{
	/* From here on the C library does not set its mask. */
	puts("there");
	fflush(stdout);
	for (;;)
		pause();
	return arg;
}

/* Has two threads and two signalfds, blocks everything, and has no other signal state. */
static int blank(void)
{
	pthread_t thread;
	sigset_t set;
	int signo;

	sigemptyset(&set);
	pthread_create(&thread, NULL, waits, NULL);
	for (signo = 1; signo <= 64; signo++) {
		if (signo != SIGKILL && signo != SIGSTOP)
			action(signo, 0, 0, 0, 0);
	}
	must(dup3(signalfd(-1, &set, 0), 77, O_CLOEXEC) == 77, "signalfd");
	printf("%d\n", getpid());
	fflush(stdout);
	while (pause())
		continue;
	return 0;
}

/* A timer far from its expiry, or with `ns` one that expires then. */
static timer_t timer(int clock, struct sigevent *event, long ns, long interval_s)
{
	struct itimerspec times = { .it_interval.tv_sec = interval_s };
	timer_t id = NULL;

	must(!syscall(SYS_timer_create, clock, event, &id), "timer_create");
	times.it_value.tv_nsec = ns;
	if (!ns)
		times.it_value.tv_sec = 5000;
	must(!syscall(SYS_timer_settime, (long)(int)(intptr_t)id, 0, &times, NULL), "timer_settime");
	return id;
}

static void *second(void *arg)
{
	siginfo_t info = { .si_signo = 42, .si_code = 3 };

	block(~0ULL);
	altstack(0x700000000000, 0x10000, SS_AUTODISARM);
	must(!prctl(PR_SET_PDEATHSIG, SIGUSR2), "prctl");
	memcpy(&info._sifields, "forty-two", 10);
	must(!syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), 42, &info), "rt_tgsigqueueinfo");
	must(!syscall(SYS_tgkill, getpid(), gettid(), SIGTERM), "tgkill");
	printf("%d\n", gettid());
	fflush(stdout);
	for (;;)
		pause();
	return arg;
}

static int state(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL };
	struct itimerval real = { .it_interval.tv_usec = 250000, .it_value.tv_sec = 4000 };
	struct itimerval prof = { .it_value.tv_sec = 3000 };
	union sigval value = { .sival_ptr = (void *)0x1122334455667788 };
	sigset_t set;
	pthread_t thread;
	int signo, fd;

	block(~0ULL);
	pthread_create(&thread, NULL, second, NULL);
	/* The C library has let two of its signals through. */
	block(~0ULL);
	for (signo = 1; signo <= 64; signo++) {
		if (signo != SIGKILL && signo != SIGSTOP)
			action(signo, 0, 0, 0, 0);
	}
	action(SIGUSR1, 0x401000, SA_SIGINFO | SA_RESTART | 0x04000000, 0x402000, 0x8000000000000201);
	action(SIGPIPE, (uint64_t)SIG_IGN, 0, 0, 0);
	action(64, 0x403000, SA_NODEFER | SA_ONSTACK, 0, ~0ULL);
	altstack(0x600000000000, 0x20000, 0);

	must(!sigqueue(getpid(), 40, value), "sigqueue");
	must(!kill(getpid(), SIGUSR1), "kill");
	must(!sigqueue(getpid(), 40, (union sigval){ .sival_int = 2 }), "sigqueue");

	must(!setitimer(ITIMER_REAL, &real, NULL), "setitimer");
	must(!setitimer(ITIMER_PROF, &prof, NULL), "setitimer");
	event.sigev_signo = 45;
	event.sigev_value.sival_ptr = (void *)0xaaaa;
	timer(CLOCK_MONOTONIC, &event, 0, 7);		/* 0: runs */
	event.sigev_signo = 46;
	timer(CLOCK_REALTIME, &event, 1, 1000);		/* 1: periodic, pending */
	event.sigev_signo = SIGUSR2;
	timer(CLOCK_BOOTTIME, &event, 1, 0);		/* 2: single, pending */
	event.sigev_notify = SIGEV_NONE;
	timer(CLOCK_THREAD_CPUTIME_ID, &event, 0, 0);	/* 3: signals nobody */

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, 50);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	must(dup3(fd, 77, O_CLOEXEC) == 77 && !close(fd), "signalfd");
	usleep(20000);
	printf("%d\n", getpid());
	fflush(stdout);
	while (pause())
		continue;
	return 0;
}

static void take(int signo)
{
	(void)signo;
	atomic_fetch_add(&taken, 1);
}

static void end(int signo)
{
	(void)signo;
	atomic_store(&ended, 1);
}

static void fails(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	atomic_fetch_add(&wrong, 1);
}

/* Each sleeps for as long as it is told and not less, and sees no interrupted call. */
static void *sleeps(void *arg)
{
	struct timespec before, after, time = { .tv_nsec = 30000000 };

	while (!atomic_load(&ended)) {
		clock_gettime(CLOCK_MONOTONIC, &before);
		if (nanosleep(&time, NULL))
			fails("nanosleep");
		clock_gettime(CLOCK_MONOTONIC, &after);
		if ((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec <
		    time.tv_nsec)
			fails("nanosleep was too short");
	}
	return arg;
}

static void *reads(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (!atomic_load(&ended)) {
		if (read(fd, &byte, 1) != 1)
			fails("read");
	}
	return arg;
}

static void *writes(void *arg)
{
	int fd = *(int *)arg;

	while (!atomic_load(&ended)) {
		struct timespec time = { .tv_nsec = 7000000 };

		nanosleep(&time, NULL);
		if (write(fd, "x", 1) != 1)
			fails("write");
	}
	if (write(fd, "x", 1) != 1)
		fails("write");
	return arg;
}

static void *polls(void *arg)
{
	struct timespec time;
	sigset_t all;

	sigfillset(&all);
	while (!atomic_load(&ended)) {
		time = (struct timespec){ .tv_nsec = 10000000 };
		if (ppoll(NULL, 0, &time, &all))
			fails("ppoll");
	}
	return arg;
}

static void *short_lived(void *arg)
{
	usleep(2000);
	return arg;
}

static void *joins(void *arg)
{
	while (!atomic_load(&ended)) {
		pthread_t thread;

		/* A futex, and a new thread. */
		if (!pthread_create(&thread, NULL, short_lived, NULL))
			pthread_join(thread, NULL);
	}
	return arg;
}

/* Fills the registers, the red zone below the stack pointer, and the vector registers. */
static void *computes(void *arg)
{
	uint64_t seed = (uintptr_t)&arg;

	while (!atomic_load(&ended)) {
		uint64_t good;

		asm volatile(
			"movq %[seed], %%rbx\n\t"
			"leaq 1(%%rbx), %%rcx\n\t"
			"leaq 2(%%rbx), %%r8\n\t"
			"leaq 3(%%rbx), %%r11\n\t"
			"leaq 4(%%rbx), %%r15\n\t"
			"movq %%rbx, -8(%%rsp)\n\t"
			"movq %%r15, -120(%%rsp)\n\t"
			"movq %%rbx, %%xmm0\n\t"
			"movq %%r15, %%xmm15\n\t"
			"movq $200000, %%rdx\n\t"
			"1: decq %%rdx\n\t"
			"jnz 1b\n\t"
			"movq %%rbx, %[good]\n\t"
			"xorq %[seed], %[good]\n\t"
			"subq $1, %%rcx\n\t" "xorq %[seed], %%rcx\n\t" "orq %%rcx, %[good]\n\t"
			"subq $2, %%r8\n\t" "xorq %[seed], %%r8\n\t" "orq %%r8, %[good]\n\t"
			"subq $3, %%r11\n\t" "xorq %[seed], %%r11\n\t" "orq %%r11, %[good]\n\t"
			"subq $4, %%r15\n\t" "xorq %[seed], %%r15\n\t" "orq %%r15, %[good]\n\t"
			"movq -8(%%rsp), %%rcx\n\t" "xorq %[seed], %%rcx\n\t" "orq %%rcx, %[good]\n\t"
			"movq -120(%%rsp), %%rcx\n\t" "subq $4, %%rcx\n\t"
			"xorq %[seed], %%rcx\n\t" "orq %%rcx, %[good]\n\t"
			"movq %%xmm0, %%rcx\n\t" "xorq %[seed], %%rcx\n\t" "orq %%rcx, %[good]\n\t"
			"movq %%xmm15, %%rcx\n\t" "subq $4, %%rcx\n\t"
			"xorq %[seed], %%rcx\n\t" "orq %%rcx, %[good]\n\t"
			: [good] "=&a"(good)
			: [seed] "S"(seed)
			: "rbx", "rcx", "rdx", "r8", "r11", "r15", "xmm0", "xmm15", "memory", "cc");
		if (good)
			fails("a register has changed");
	}
	return arg;
}

static int busy(void)
{
	void *(*const work[])(void *) = { sleeps, reads, writes, polls, joins, computes };
	struct sigaction act = { .sa_handler = take, .sa_flags = SA_RESTART };
	pthread_t threads[6];
	sigset_t usual, waiting, old;
	int fds[2];
	size_t i;

	must(!pipe(fds), "pipe");
	must(!sigaction(SIGRTMIN + 1, &act, NULL), "sigaction");
	/* The threads see no signal at all: what is interrupted is interrupted by ptrace. */
	sigfillset(&usual);
	pthread_sigmask(SIG_SETMASK, &usual, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &usual);
	for (i = 0; i < 6; i++)
		must(!pthread_create(&threads[i], NULL, work[i], &fds[i == 2]), "pthread_create");
	act.sa_handler = end;
	must(!sigaction(SIGTERM, &act, NULL), "sigaction");
	puts("ready");
	fflush(stdout);
	/* Signals come through only while the mask is replaced. */
	sigfillset(&waiting);
	sigdelset(&waiting, SIGRTMIN + 1);
	sigdelset(&waiting, SIGTERM);
	while (!atomic_load(&ended))
		sigsuspend(&waiting);
	pthread_sigmask(SIG_SETMASK, NULL, &old);
	if (memcmp(&old, &usual, sizeof(uint64_t)))
		fails("the mask has changed");
	for (i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	printf("%u %u\n", atomic_load(&taken), atomic_load(&wrong));
	return 0;
}

/* Every system call that is not among the few it needs kills the process. */
static int filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	char byte;

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
	must(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
	must(write(1, "ready\n", 6) == 6, "write");
	must(read(0, &byte, 1) == 1, "read");
	must(write(1, "alive\n", 6) == 6, "write");
	_exit(0);
}

/* System calls would be turned into signals, but for a byte that lets them through. */
static int dispatched(void)
{
	static char selector;

	must(!prctl(PR_SET_SYSCALL_USER_DISPATCH, 1UL, 0UL, 0UL, &selector), "prctl");
	must(write(1, "ready\n", 6) == 6, "write");
	for (;;)
		pause();
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 1 && !strcmp(argv[1], "state"))
		return state();
	if (argc > 1 && !strcmp(argv[1], "blank"))
		return blank();
	if (argc > 1 && !strcmp(argv[1], "busy"))
		return busy();
	if (argc > 1 && !strcmp(argv[1], "dispatched"))
		return dispatched();
	if (argc > 1 && !strcmp(argv[1], "filtered"))
		return filtered();
	return 2;
}
