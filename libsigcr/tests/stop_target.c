/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A process that is hard to stop: threads come and go, and signals are taken all the time. With an
 * argument: one that executes itself all the time, by another thread than the first.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_uint taken;
static atomic_int ended;

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

static void *short_lived(void *arg)
{
	return arg;
}

static void *makes_threads(void *arg)
{
	pthread_t thread;

	while (!atomic_load(&ended)) {
		if (!pthread_create(&thread, NULL, short_lived, NULL))
			pthread_join(thread, NULL);
	}
	return arg;
}

static void *waits(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *executes(void *arg)
{
	char **argv = arg;

	execv("/proc/self/exe", argv);
	return NULL;
}

static int execute_for_ever(char **argv)
{
	pthread_t thread;
	int i;

	if (argv[1][0] == 'f') {
		argv[1] = "again";
		puts("ready");
		fflush(stdout);
	}
	for (i = 0; i < 4; i++)
		pthread_create(&thread, NULL, waits, NULL);
	pthread_create(&thread, NULL, executes, argv);
	pthread_join(thread, NULL);
	return 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = take, .sa_flags = SA_RESTART };
	pthread_t threads[3];
	unsigned int i;

	if (argc > 1)
		return execute_for_ever(argv);
	sigaction(SIGRTMIN + 1, &action, NULL);
	action.sa_handler = end;
	sigaction(SIGTERM, &action, NULL);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, makes_threads, NULL);
	puts("ready");
	fflush(stdout);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("%u\n", atomic_load(&taken));
	return 0;
}
