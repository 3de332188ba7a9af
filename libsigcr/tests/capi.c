/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A C program that uses libsigcr by its header alone: capi GOLDEN_RECORDS_DIR. */
#include <sigcr.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                      \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "%s:%d: not so: %s (errno %d: %s)\n", \
				__FILE__, __LINE__, #condition, errno,        \
				strerror(errno));                             \
			exit(1);                                              \
		}                                                             \
	} while (0)

/* The calling process: PIDFD_SELF_THREAD_GROUP of <linux/fcntl.h>. */
#define OWN_PROCESS (-10001)
/* The flags that ask for a version of the record. */
#define VERSION_OF(n) ((unsigned int)(n) << SIGCKPT_VERSION_SHIFT)

static const char *dir;

struct record {
	unsigned char bytes[65536];
	size_t size;
};

static const struct record *read_record(const char *name)
{
	static struct record record;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	CHECK(file);
	record.size = fread(record.bytes, 1, sizeof(record.bytes), file);
	CHECK(record.size > 0 && feof(file));
	fclose(file);
	return &record;
}

/* The compiler compares the header with what the library's manual promises. */
static void the_prototypes_are_those_of_the_manual(void)
{
	long (*ckpt)(int, void *, size_t, unsigned int) = sigckpt;
	long (*rest)(int, const void *, size_t, unsigned int) = sigrestore;
	int (*status)(unsigned int *) = sigcr_status;
	int (*check)(const void *, size_t, char *, size_t) = sigcr_check;
	ssize_t (*take)(int, void **, unsigned int) = sigcr_checkpoint_alloc;
	ssize_t (*remap)(const void *, size_t, const pid_t *, const pid_t *,
			 size_t, void **) = sigcr_remap_alloc;
	ssize_t (*keep)(const void *, size_t, unsigned int, void **) =
		sigcr_keep_alloc;
	ssize_t (*requeue)(const void *, size_t, void **) = sigcr_requeue_alloc;
	ssize_t (*traced_take)(pid_t, void **, char *, size_t) =
		sigcr_ptrace_checkpoint_alloc;
	int (*traced_put)(pid_t, const void *, size_t, unsigned int, char *,
			  size_t) = sigcr_ptrace_restore;
	void (*release)(void *) = sigcr_free;
	const char *(*version)(void) = sigcr_version;

	CHECK(ckpt && rest && status && check && take && remap && keep &&
	      requeue && traced_take && traced_put && release && version);
	CHECK(strcmp(version(), VERSION) == 0);
}

static void expect_refused(const char *name, int error, const char *words)
{
	const struct record *record = read_record(name);
	char why[512] = "";

	errno = 0;
	CHECK(sigcr_check(record->bytes, record->size, why, sizeof(why)) == -1);
	CHECK(errno == error);
	if (!strstr(why, words)) {
		fprintf(stderr, "%s: '%s' is not in '%s'\n", name, words, why);
		exit(1);
	}
}

static void records_are_checked_and_refusals_explained(void)
{
	const struct record *record = read_record("v1-every-section.bin");
	char why[512] = "before";

	CHECK(sigcr_check(record->bytes, record->size, why, sizeof(why)) == 0);
	CHECK(strcmp(why, "") == 0);
	CHECK(sigcr_check(record->bytes, record->size, NULL, 0) == 0);

	expect_refused("v1-bad-legacy-twice.bin", EINVAL,
		       "SIGTERM is queued twice");
	expect_refused("v1-bad-legacy-twice.bin", EINVAL, "in SHARED_PENDING");
	expect_refused("v1-bad-checksum.bin", EBADMSG, "the checksum is");
	expect_refused("v1-bad-unsupported-version.bin", EOPNOTSUPP,
		       "version is 2");
	expect_refused("v1-bad-timer-missing.bin", EINVAL, "timer 3");

	record = read_record("v1-bad-magic.bin");
	memset(why, 'x', sizeof(why));
	CHECK(sigcr_check(record->bytes, record->size, why, 8) == -1);
	CHECK(strcmp(why, "magic i") == 0 && why[8] == 'x');
	CHECK(sigcr_check(record->bytes, record->size, why, 1) == -1);
	CHECK(why[0] == '\0' && why[1] == 'a');
	errno = 0;
	CHECK(sigcr_check(NULL, 100, NULL, 0) == -1 && errno == EFAULT);
}

static void thread_ids_can_be_changed(void)
{
	static const pid_t from[] = { 1000, 1001 }, to[] = { 2001, 2000 };
	static const pid_t same[] = { 7, 7 }, unknown[] = { 1, 2 };
	static const pid_t twice[] = { 1000, 1000 };
	const struct record *record = read_record("v1-every-section.bin");
	void *copy = NULL, *back = NULL;
	ssize_t size;

	size = sigcr_remap_alloc(record->bytes, record->size, from, to, 2,
				 &copy);
	CHECK(size == (ssize_t)record->size && copy);
	CHECK(memcmp(copy, record->bytes, record->size) != 0);
	CHECK(sigcr_check(copy, (size_t)size, NULL, 0) == 0);
	size = sigcr_remap_alloc(copy, (size_t)size, to, from, 2, &back);
	CHECK(size == (ssize_t)record->size);
	CHECK(memcmp(back, record->bytes, record->size) == 0);
	sigcr_free(back);
	sigcr_free(copy);
	sigcr_free(NULL);

	copy = &copy;
	errno = 0;
	CHECK(sigcr_remap_alloc(record->bytes, record->size, from, same, 2,
				&copy) == -1);
	CHECK(errno == EINVAL);
	CHECK(sigcr_remap_alloc(record->bytes, record->size, unknown, to, 2,
				&copy) == -1);
	CHECK(errno == EINVAL);
	CHECK(sigcr_remap_alloc(record->bytes, record->size, twice, to, 2,
				&copy) == -1);
	CHECK(errno == EINVAL);
	CHECK(sigcr_remap_alloc(record->bytes, 10, from, to, 2, &copy) == -1);
	CHECK(errno == EINVAL);
	CHECK(sigcr_remap_alloc(record->bytes, record->size, NULL, to, 2,
				&copy) == -1);
	CHECK(errno == EFAULT);
	/* Nothing was written on failure. */
	CHECK(copy == &copy);
}

static void parts_can_be_left_out(void)
{
	const struct record *record = read_record("v1-every-section.bin");
	void *copy = NULL;
	ssize_t size;

	size = sigcr_keep_alloc(record->bytes, record->size,
				SIGCR_PART_ACTIONS | SIGCR_PART_ALTSTACK, &copy);
	/* The header, two actions with their head, one alternate stack. */
	CHECK(size == 64 + (32 + 2 * 40) + 40);
	CHECK(sigcr_check(copy, (size_t)size, NULL, 0) == 0);
	sigcr_free(copy);
	errno = 0;
	CHECK(sigcr_keep_alloc(record->bytes, record->size, 0x800, &copy) == -1);
	CHECK(errno == EINVAL);
	errno = 0;
	CHECK(sigcr_keep_alloc(record->bytes, record->size, 1, NULL) == -1);
	CHECK(errno == EFAULT);
}

static void a_signal_that_a_ptracer_held_goes_back_into_its_queue(void)
{
	const struct record *record = read_record("v1-bad-in-flight.bin");
	unsigned char *copy = NULL;
	void *out = NULL, *again = NULL;
	ssize_t size;

	errno = 0;
	CHECK(sigcr_check(record->bytes, record->size, NULL, 0) == -1);
	CHECK(errno == EINVAL);
	size = sigcr_requeue_alloc(record->bytes, record->size, &out);
	/* The last section was the signal; now its queue is, with an entry. */
	CHECK(size == (ssize_t)record->size - 72 + 56);
	CHECK(sigcr_check(out, (size_t)size, NULL, 0) == 0);
	copy = out;
	CHECK(memcmp(copy + size - 56, record->bytes + record->size - 48,
		     48) == 0);
	/* Then there is nothing left to do. */
	CHECK(sigcr_requeue_alloc(out, (size_t)size, &again) == size);
	CHECK(memcmp(again, out, (size_t)size) == 0);
	sigcr_free(again);
	sigcr_free(out);

	out = &out;
	errno = 0;
	CHECK(sigcr_requeue_alloc(record->bytes, 100, &out) == -1);
	CHECK(errno == EINVAL);
	errno = 0;
	CHECK(sigcr_requeue_alloc(NULL, 100, &out) == -1 && errno == EFAULT);
	CHECK(out == &out);
	errno = 0;
	CHECK(sigcr_requeue_alloc(record->bytes, record->size, NULL) == -1);
	CHECK(errno == EFAULT);
}

static void a_kernel_without_the_calls_says_so(void)
{
	const struct record *record = read_record("v1-idle-process.bin");
	unsigned int version = 77;
	void *taken = &version;

	errno = 0;
	CHECK(sigcr_status(&version) == -1 && errno == ENOSYS);
	CHECK(version == 77);
	errno = 0;
	CHECK(sigckpt(-1, NULL, 0, SIGCKPT_QUERY) == -1 && errno == ENOSYS);
	errno = 0;
	CHECK(sigrestore(OWN_PROCESS, record->bytes, record->size,
			 SIGRESTORE_DRY_RUN) == -1);
	CHECK(errno == ENOSYS);
	errno = 0;
	CHECK(sigcr_checkpoint_alloc(OWN_PROCESS, &taken, 0) == -1);
	CHECK(errno == ENOSYS && taken == &version);
	errno = 0;
	CHECK(sigcr_checkpoint_alloc(OWN_PROCESS, &taken, VERSION_OF(1)) == -1);
	CHECK(errno == ENOSYS && taken == &version);
}

static void a_kernel_with_the_calls_takes_the_own_process(void)
{
	unsigned int version = 0;
	void *taken = NULL;
	ssize_t size;

	CHECK(sigcr_status(&version) == 0 && version >= 1);
	CHECK(sigcr_status(NULL) == 0);
	size = sigcr_checkpoint_alloc(OWN_PROCESS, &taken, 0);
	CHECK(size > 0 && sigcr_check(taken, (size_t)size, NULL, 0) == 0);
	CHECK(sigrestore(OWN_PROCESS, taken, (size_t)size,
			 SIGRESTORE_DRY_RUN) == 0);
	sigcr_free(taken);
	size = sigcr_checkpoint_alloc(OWN_PROCESS, &taken, VERSION_OF(1));
	CHECK(size > 0 && sigcr_check(taken, (size_t)size, NULL, 0) == 0);
	sigcr_free(taken);
	CHECK(sigcr_checkpoint_alloc(OWN_PROCESS, &taken, VERSION_OF(255)) ==
	      -1);
	CHECK(errno == EOPNOTSUPP);
}

static void wrong_arguments_are_refused_before_the_kernel_is_asked(void)
{
	void *taken = NULL;

	errno = 0;
	CHECK(sigcr_checkpoint_alloc(OWN_PROCESS, &taken, SIGCKPT_QUERY) == -1);
	CHECK(errno == EINVAL);
	errno = 0;
	CHECK(sigcr_checkpoint_alloc(OWN_PROCESS, &taken,
				     SIGCKPT_QUERY | VERSION_OF(1)) == -1);
	CHECK(errno == EINVAL);
	errno = 0;
	CHECK(sigcr_checkpoint_alloc(-1, &taken, 0) == -1 && errno == EBADF);
}

#ifdef __x86_64__
/* Takes the signal and returns the number that was sent with it. */
static int number_of_signal(const sigset_t *set)
{
	siginfo_t info;

	/* A stop interrupts the call. */
	while (sigwaitinfo(set, &info) == -1)
		CHECK(errno == EINTR);
	return info.si_value.sival_int;
}

/* A child that is stopped, and has SIGUSR1 queued with 4711. */
static pid_t child_with_a_signal(void)
{
	union sigval value = { .sival_int = 4711 };
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		/* Else it would stay stopped, with the output open, if a check fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		kill(getpid(), SIGSTOP);
		CHECK(number_of_signal(&set) == 4711);
		kill(getpid(), SIGSTOP);
		/* The second one has been put back by a restore. */
		_exit(number_of_signal(&set) == 4711 ? 7 : 8);
	}
	CHECK(waitpid(pid, NULL, WUNTRACED) == pid);
	CHECK(sigqueue(pid, SIGUSR1, value) == 0);
	return pid;
}

static void a_process_is_taken_and_restored_by_ptrace(void)
{
	char lost[1024] = "before";
	void *taken = NULL, *again = NULL;
	pid_t pid = child_with_a_signal();
	ssize_t size;
	int status;

	size = sigcr_ptrace_checkpoint_alloc(pid, &taken, lost, sizeof(lost));
	CHECK(size > 0 && sigcr_check(taken, (size_t)size, NULL, 0) == 0);
	CHECK(strstr(lost, "frame") && !strstr(lost, "before"));
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));

	CHECK(sigcr_ptrace_restore(pid, taken, (size_t)size,
				   SIGCR_PTRACE_DRY_RUN | SIGCR_PTRACE_PARTIAL,
				   lost, sizeof(lost)) == 0);
	/* It has not got the signal: one entry fewer. */
	CHECK(sigcr_ptrace_checkpoint_alloc(pid, &again, NULL, 0) == size - 56);
	sigcr_free(again);
	errno = 0;
	CHECK(sigcr_ptrace_restore(pid, taken, (size_t)size, 4, lost,
				   sizeof(lost)) == -1);
	CHECK(errno == EINVAL);
	errno = 0;
	CHECK(sigcr_ptrace_restore(pid, taken, 10, 0, lost, sizeof(lost)) ==
	      -1);
	CHECK(errno == EINVAL && lost[0]);
	CHECK(sigcr_ptrace_restore(pid, taken, (size_t)size,
				   SIGCR_PTRACE_PARTIAL, lost,
				   sizeof(lost)) == 0);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);

	errno = 0;
	CHECK(sigcr_ptrace_checkpoint_alloc(pid, &taken, lost, sizeof(lost)) ==
	      -1);
	CHECK(errno == ESRCH && lost[0]);
	errno = 0;
	CHECK(sigcr_ptrace_restore(pid, taken, (size_t)size, 0, NULL, 0) == -1);
	CHECK(errno == ESRCH);
	sigcr_free(taken);
}
#endif

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	dir = argv[1];
	the_prototypes_are_those_of_the_manual();
	records_are_checked_and_refusals_explained();
	thread_ids_can_be_changed();
	parts_can_be_left_out();
	a_signal_that_a_ptracer_held_goes_back_into_its_queue();
	wrong_arguments_are_refused_before_the_kernel_is_asked();
#ifdef __x86_64__
	a_process_is_taken_and_restored_by_ptrace();
#endif
	if (sigckpt(-1, NULL, 0, SIGCKPT_QUERY) == -1 && errno == ENOSYS) {
		a_kernel_without_the_calls_says_so();
		puts("passed; the kernel does not have the calls");
	} else {
		a_kernel_with_the_calls_takes_the_own_process();
		puts("passed; the kernel has the calls");
	}
	return 0;
}
