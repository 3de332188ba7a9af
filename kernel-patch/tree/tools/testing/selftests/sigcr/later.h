/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records as later kernels write them: made from today's by the test itself,
 * or by a kernel that is switched to behave like a later one; and processes to
 * take them of and to restore them onto.
 */
#ifndef SIGCR_LATER_H
#define SIGCR_LATER_H

#include "timer.h"
#include <sys/signalfd.h>

#define SWITCH "/sys/kernel/debug/sigcr/test_version2"

/* What can be written to the switch, added up; see kernel/sigcr/version2.rs. */
#define KNOW_VERSION_2 1
#define GROW_VERSION_1 2
#define ADD_MANDATORY 4

#define VERSION(n) ((__u32)(n) << SIGCKPT_VERSION_SHIFT)
/* The number of the signalfd in each child. */
#define SIGNALFD 100

#define OPTIONAL_TYPE 0x1234
#define MANDATORY_TYPE (SIGCR_SECTION_MANDATORY | OPTIONAL_TYPE)

#define FIXED(name) \
	{ SIGCR_SECTION_##name, SIGCR_##name##_LEN_VER1, 0, 0 }
#define LIST(name, head, entry, member) {				\
	SIGCR_SECTION_##name, SIGCR_##head##_LEN_VER1,			\
	SIGCR_##entry##_LEN_VER1,					\
	offsetof(struct sigcr_##member, entries_off),			\
}

/* What version 1 knows of each section; of lists, and where these are told. */
static const struct layout {
	__u32 type, len, entry_len, list_off;
} layouts[] = {
	FIXED(PROCESS),
	LIST(ACTIONS, ACTIONS, ACTION, actions),
	LIST(SHARED_PENDING, PENDING, ENTRY, pending),
	FIXED(ITIMERS),
	LIST(TIMERS, TIMERS, TIMER, timers),
	LIST(SIGNALFDS, SIGNALFDS, SIGNALFD, signalfds),
	FIXED(THREAD),
	FIXED(ALTSTACK),
	LIST(PENDING, PENDING, ENTRY, pending),
	FIXED(INFLIGHT),
	LIST(WAITERS, WAITERS, WAITER, waiters),
};

#undef LIST
#undef FIXED

/* What each list tells of itself, in this order. */
struct list {
	__u32 entries_off, entry_len, entry_count;
};

/* What a writer appends to the header, to a section and to each entry. */
struct growth {
	size_t header, section, entry;
	bool has_unknown;	/* an optional section in front of each section */
	bool has_mandatory;	/* and one at the end that must be understood */
};

static const struct growth none;

static inline const struct layout *layout_of(__u32 type)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		if (layouts[i].type == type)
			return &layouts[i];
	}
	return NULL;
}

static inline void append(struct record *record, const void *bytes, size_t len)
{
	if (record->len + len > RECORD_SIZE)
		abort();
	if (bytes)
		memcpy(record->bytes + record->len, bytes, len);
	else
		memset(record->bytes + record->len, 0xbb, len);
	record->len += len;
}

static inline void rewrite_section(struct record *to,
				   const struct layout *layout,
				   const __u8 *from,
				   const struct growth *growth)
{
	struct sigcr_section *section = (void *)(to->bytes + to->len);
	const struct list *old = (const void *)(from + layout->list_off);
	struct list *new = (void *)((__u8 *)section + layout->list_off);
	__u32 i, entry_count = layout->list_off ? old->entry_count : 0;

	append(to, from, layout->len);
	append(to, NULL, growth->section);
	for (i = 0; i < entry_count; i++) {
		append(to, from + old->entries_off + i * old->entry_len,
		       layout->entry_len);
		append(to, NULL, growth->entry);
	}
	section->len = to->bytes + to->len - (__u8 *)section;
	if (layout->list_off) {
		new->entries_off = layout->len + growth->section;
		new->entry_len = layout->entry_len + growth->entry;
	}
	((struct sigcr_header *)to->bytes)->section_count++;
}

/*
 * Writes to @to all that version 1 knows of @from, however long that is there,
 * with @growth appended. Leaves out what is not known.
 */
static inline void rewrite(struct record *to, const struct record *from,
			   const struct growth *growth)
{
	const struct sigcr_header *old = (const void *)from->bytes;
	size_t off = old->header_len;

	record_begin(to, old->tgid, old->flags);
	to->len = 0;
	append(to, old, sizeof(*old));
	append(to, NULL, growth->header);
	((struct sigcr_header *)to->bytes)->header_len = to->len;
	((struct sigcr_header *)to->bytes)->section_count = 0;
	while (off < from->len) {
		const struct sigcr_section *section =
			(const void *)(from->bytes + off);
		const struct layout *layout = layout_of(section->type);

		if (growth->has_unknown)
			record_add(to, OPTIONAL_TYPE, 24);
		if (layout)
			rewrite_section(to, layout, (const void *)section,
					growth);
		off += section->len;
	}
	if (growth->has_mandatory)
		record_add(to, MANDATORY_TYPE, 24);
	record_seal(to);
}

/* Makes version @version of one of the other: 2 has the masks the other way. */
static inline void change_version(struct record *record, __u32 version)
{
	struct sigcr_header *header = (void *)record->bytes;
	size_t off = header->header_len;

	header->version = version;
	while (off < record->len) {
		struct sigcr_thread *thread = (void *)(record->bytes + off);

		if (thread->section.type == SIGCR_SECTION_THREAD)
			thread->blocked ^= ALL_SIGNALS;
		off += thread->section.len;
	}
	record_reseal(record);
}

/*
 * "" if something was appended wherever it can be, and there are unknown
 * sections, also amidst those of a thread; or what is not so. What types of
 * sections there are goes to *@types, by number.
 */
static inline const char *check_grown(const struct record *record, __u32 *types)
{
	const struct sigcr_header *header = (const void *)record->bytes;
	size_t off = header->header_len;
	bool is_amidst = false;
	__u32 last_type = 0;

	*types = 0;
	if (header->header_len <= SIGCR_HEADER_LEN_VER1)
		return "the header is not longer";
	if (header->crc32c != record_checksum(record->bytes, record->len))
		return "wrong checksum";
	while (off < record->len) {
		const struct sigcr_section *section =
			(const void *)(record->bytes + off);
		const struct layout *layout = layout_of(section->type);
		const struct list *list = (const void *)section;

		off += section->len;
		if (!layout) {
			is_amidst |= last_type == SIGCR_SECTION_THREAD;
			continue;
		}
		list = (const void *)((const __u8 *)section + layout->list_off);
		if (section->len <= layout->len)
			return "a section is not longer";
		if (layout->list_off && (list->entries_off <= layout->len ||
					 list->entry_len <= layout->entry_len))
			return "the head of a list or its entries are not";
		last_type = section->type;
		*types |= 1U << (last_type & ~SIGCR_SECTION_MANDATORY);
	}
	return is_amidst ? "" : "no unknown section amidst those of a thread";
}

/* Two children, of which the second gets what the first has. */
struct pair {
	struct child child;	/* has some of all signal state */
	struct child fresh;	/* has timers, a signalfd and a thread */
	struct record today;	/* of the first, by the kernel as it is */
	struct record before;	/* of the second */
	struct record later;
	struct record again;
};

static inline void *stay(void *arg)
{
	struct child *child = arg;

	__atomic_store_n(&child->log->tids[1], sys_gettid(), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static inline void make_objects(struct child *child)
{
	pthread_t thread;
	sigset_t set;
	int fd;

	block_all(child);
	child_check(timer_make(CLOCK_MONOTONIC, 40, 1) == 0);
	child_check(timer_make(CLOCK_BOOTTIME, 41, 2) == 1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	fd = signalfd(-1, &set, 0);
	child_check(dup2(fd, SIGNALFD) == SIGNALFD && !close(fd));
	child->log->tids[0] = sys_gettid();
	child_check(!pthread_create(&thread, NULL, stay, child));
	child_check(eventually(child->log->tids[1]));
}

static inline void make_state(struct child *child)
{
	struct kernel_action action = {
		.handler = 0x4000,
		.mask = SET_OF(SIGUSR1),
	};
	__u64 set = ALL_SIGNALS & ~(SET_OF(SIGTRAP) | SET_OF(50));
	static __u8 memory[65536];
	stack_t altstack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	sigset_t readable;

	make_objects(child);
	child_check(!sys_sigaction(SIGUSR1, &action, NULL));
	child_check(!sys_sigaction(50, &action, NULL));
	child_check(!sigaltstack(&altstack, NULL));
	sigemptyset(&readable);
	sigaddset(&readable, SIGUSR1);
	child_check(signalfd(SIGNALFD, &readable, 0) == SIGNALFD);
	child_check(!itimer_set(ITIMER_REAL, LONG_NS, 7 * SEC));
	child_check(!timer_set(0, 0, LONG_NS, 7 * SEC));
	child_check(!timer_set(1, 0, 1 * MS, 10 * MS));
	child_check(await_pending(getpid(), SET_OF(41)));
	child_check(!sys_sigprocmask(SIG_SETMASK, &set, NULL));
}

static inline bool can_switch(void)
{
	return !access(SWITCH, F_OK);
}

static inline bool switch_to(int how)
{
	char text[4];

	snprintf(text, sizeof(text), "%d", how);
	return write_text(SWITCH, text);
}

/* Whatever becomes of the tests, the next program finds the kernel of today. */
static void __attribute__((destructor)) switch_off(void)
{
	switch_to(0);
}

static inline bool send_some(struct child *child)
{
	pid_t pid = child->pid, second = child->log->tids[1];
	bool good = true;
	int i;

	for (i = 0; i < 5; i++) {
		good &= !send_shared(pid, 42 + i, 100 + i) &&
			!send_private(pid, pid, 43 + i, 200 + i) &&
			!send_private(pid, second, 44 + i, 300 + i);
	}
	return good && !send_shared(pid, SIGTERM, 400);
}

/* "" or what went wrong. */
static inline const char *pair_start(struct pair *pair)
{
	const char *fault;

	if (can_switch() && !switch_to(0))
		return "the switch cannot be turned off";
	if (!child_start(&pair->child, make_state, NULL) ||
	    !child_start(&pair->fresh, make_objects, NULL) ||
	    !send_some(&pair->child) ||
	    !child_stop(&pair->child, STOP_SIGNAL) ||
	    !child_stop(&pair->fresh, STOP_SIGNAL))
		return "a child is not as it is to be";
	fault = record_read(&pair->today, pair->child.pidfd, 0);
	return *fault ? fault :
			record_read(&pair->before, pair->fresh.pidfd, 0);
}

static inline void pair_end(struct pair *pair)
{
	switch_off();
	child_end(&pair->child);
	child_end(&pair->fresh);
	free(pair->today.bytes);
	free(pair->before.bytes);
	free(pair->later.bytes);
	free(pair->again.bytes);
}

#endif /* SIGCR_LATER_H */
