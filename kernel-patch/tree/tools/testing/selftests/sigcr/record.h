/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record, read and built from the UAPI header alone: an opinion of its own
 * on the layout, sharing nothing with the kernel's decoder.
 */
#ifndef SIGCR_RECORD_H
#define SIGCR_RECORD_H

#include <linux/audit.h>
#include "wrappers.h"
#include "kselftest_harness.h"

#if defined(__x86_64__)
#define RECORD_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define RECORD_ARCH AUDIT_ARCH_AARCH64
#else
#error "no record architecture for this machine"
#endif

#define SET_OF(signo) (1ULL << ((signo) - 1))
/* All signals that a thread can block. */
#define ALL_SIGNALS (~(SET_OF(SIGKILL) | SET_OF(SIGSTOP)))

#define RECORD_THREAD_COUNT_MAX 16
/* Room for the longest record of a test: some 2000 entries. */
#define RECORD_SIZE (256 * 1024)

/* What a record says of one thread; NULL is a section that is not there. */
struct record_thread {
	int tid;
	const struct sigcr_thread *thread;
	const struct sigcr_altstack *altstack;
	const struct sigcr_pending *pending;
};

/* A record in memory, and after record_parse() the places of its parts. */
struct record {
	__u8 *bytes;
	size_t len;
	const struct sigcr_header *header;
	const struct sigcr_process *process;
	const struct sigcr_actions *actions;
	const struct sigcr_pending *shared;
	struct record_thread threads[RECORD_THREAD_COUNT_MAX];
	int thread_count;
};

/* CRC-32C (Castagnoli), bit by bit: reflected, polynomial 0x1edc6f41. */
static inline __u32 crc32c(__u32 crc, const __u8 *bytes, size_t len)
{
	int bit;

	crc = ~crc;
	while (len--) {
		crc ^= *bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* The checksum of a record, whatever stands in its checksum field. */
static inline __u32 record_checksum(const __u8 *bytes, size_t len)
{
	const size_t off = offsetof(struct sigcr_header, crc32c);
	const __u8 none[4] = {};
	__u32 crc = crc32c(0, bytes, off);

	crc = crc32c(crc, none, sizeof(none));
	return crc32c(crc, bytes + off + 4, len - off - 4);
}

/* Makes the checksum fit again after a change. */
static inline void record_reseal(struct record *record)
{
	struct sigcr_header *header = (struct sigcr_header *)record->bytes;

	header->crc32c = record_checksum(record->bytes, record->len);
}

/* The entry of a list; @head is the start of the section. */
static inline const void *record_entry(const void *head, __u32 entries_off,
				       __u32 entry_len, __u32 index)
{
	return (const __u8 *)head + entries_off + (size_t)entry_len * index;
}

static inline const struct sigcr_action *
record_action(const struct record *record, __u32 index)
{
	const struct sigcr_actions *actions = record->actions;

	return record_entry(actions, actions->entries_off, actions->entry_len,
			    index);
}

static inline const struct sigcr_action *
record_action_of(const struct record *record, __u32 signo)
{
	__u32 i;

	for (i = 0; i < record->actions->entry_count; i++) {
		if (record_action(record, i)->signo == signo)
			return record_action(record, i);
	}
	return NULL;
}

static inline const struct sigcr_entry *
record_queued(const struct sigcr_pending *queue, __u32 index)
{
	return record_entry(queue, queue->entries_off, queue->entry_len, index);
}

/* The siginfo of a queue's entry, the tail that is not recorded as zero. */
static inline siginfo_t record_siginfo(const struct sigcr_pending *queue,
				       __u32 index)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	memcpy(&info, record_queued(queue, index)->siginfo, SIGCR_SIGINFO_LEN);
	return info;
}

static inline struct record_thread *record_thread(struct record *record,
						  int tid)
{
	int i;

	for (i = 0; i < record->thread_count; i++) {
		if (record->threads[i].tid == tid)
			return &record->threads[i];
	}
	return NULL;
}

static inline bool record_alloc(struct record *record)
{
	memset(record, 0, sizeof(*record));
	record->bytes = calloc(1, RECORD_SIZE);
	return record->bytes;
}

/* What is wrong with the queue at @section, or NULL. */
static inline const char *check_queue(const struct sigcr_section *section)
{
	const struct sigcr_pending *queue = (const void *)section;
	__u64 entries_len = (__u64)queue->entry_count * queue->entry_len;
	__u32 i;

	if (queue->entries_off != SIGCR_PENDING_LEN_VER1 ||
	    queue->entry_len != SIGCR_ENTRY_LEN_VER1 ||
	    section->len != queue->entries_off + entries_len)
		return "queue with wrong offsets or lengths";
	if (queue->set & SET_OF(SIGKILL))
		return "pending SIGKILL";
	for (i = 0; i < queue->entry_count; i++) {
		const struct sigcr_entry *entry = record_queued(queue, i);
		siginfo_t info = record_siginfo(queue, i);

		if (info.si_signo < 1 || info.si_signo > 64)
			return "entry without a signal number";
		if (!(queue->set & SET_OF(info.si_signo)))
			return "entry whose signal is not in the set";
		if (entry->flags & ~SIGCR_ENTRY_FLAGS)
			return "entry with unknown flags";
		if (!entry->flags && entry->timer_id)
			return "entry with a timer id but without the flag";
	}
	return NULL;
}

static inline const char *check_actions(const struct sigcr_section *section)
{
	const struct sigcr_actions *actions = (const void *)section;
	__u64 entries_len = (__u64)actions->entry_count * actions->entry_len;
	__u32 i, last = 0;

	if (actions->entries_off != SIGCR_ACTIONS_LEN_VER1 ||
	    actions->entry_len != SIGCR_ACTION_LEN_VER1 || actions->reserved ||
	    section->len != actions->entries_off + entries_len)
		return "actions with wrong offsets or lengths";
	for (i = 0; i < actions->entry_count; i++) {
		const struct sigcr_action *action =
			record_entry(actions, actions->entries_off,
				     actions->entry_len, i);

		if (action->signo <= last || action->signo > SIGCR_SIGNO_MAX)
			return "actions not in the order of signals";
		if (action->signo == SIGKILL || action->signo == SIGSTOP)
			return "action of an uncatchable signal";
		if (action->flags & ~(__u64)SIGCR_ACTION_FLAGS)
			return "action with unknown flags";
		if (action->mask & ~ALL_SIGNALS)
			return "action that blocks an unblockable signal";
		if (!action->handler && !action->flags && !action->restorer &&
		    !action->mask)
			return "default action";
		last = action->signo;
	}
	return NULL;
}

/* Files one section of a thread; what is wrong, or NULL. */
static inline const char *file_thread(struct record *record,
				      const struct sigcr_section *section)
{
	struct record_thread *thread = &record->threads[record->thread_count];

	if (section->type == SIGCR_SECTION_THREAD) {
		const struct sigcr_thread *head = (const void *)section;

		if (record->thread_count == RECORD_THREAD_COUNT_MAX)
			return "more threads than a test has";
		if (section->len != SIGCR_THREAD_LEN_VER1 || head->reserved ||
		    section->flags & ~SIGCR_THREAD_FLAGS || head->tid <= 0)
			return "malformed THREAD";
		if (record->thread_count && head->tid <= thread[-1].tid)
			return "threads not in the order of tids";
		thread->tid = head->tid;
		thread->thread = head;
		record->thread_count++;
		return NULL;
	}
	thread--;
	if (!record->thread_count)
		return "state of a thread before any THREAD";
	if (section->flags)
		return "flags of a section that has none";
	if (section->type == SIGCR_SECTION_ALTSTACK) {
		thread->altstack = (const void *)section;
		if (section->len != SIGCR_ALTSTACK_LEN_VER1 ||
		    thread->altstack->tid != thread->tid || thread->pending)
			return "malformed ALTSTACK";
		return NULL;
	}
	thread->pending = (const void *)section;
	if (thread->pending->tid != thread->tid)
		return "malformed PENDING";
	return check_queue(section);
}

static inline const char *file_section(struct record *record,
				       const struct sigcr_section *section)
{
	switch (section->type) {
	case SIGCR_SECTION_PROCESS:
		record->process = (const void *)section;
		if (section->len != SIGCR_PROCESS_LEN_VER1 ||
		    section->flags & ~SIGCR_PROCESS_FLAGS ||
		    record->process->reserved || record->actions ||
		    record->shared || record->thread_count)
			return "malformed PROCESS";
		return NULL;
	case SIGCR_SECTION_ACTIONS:
		record->actions = (const void *)section;
		if (section->flags || record->shared || record->thread_count)
			return "malformed ACTIONS";
		return check_actions(section);
	case SIGCR_SECTION_SHARED_PENDING:
		record->shared = (const void *)section;
		if (section->flags || record->thread_count ||
		    record->shared->tid)
			return "malformed SHARED_PENDING";
		return check_queue(section);
	case SIGCR_SECTION_THREAD:
	case SIGCR_SECTION_ALTSTACK:
	case SIGCR_SECTION_PENDING:
		return file_thread(record, section);
	default:
		return "section of an unknown type";
	}
}

/* Whether the record is complete: every part of the kind of record it is. */
static inline const char *check_complete(const struct record *record)
{
	const __u32 listed_only = SIGCR_THREAD_WORKER | SIGCR_THREAD_DEAD;
	bool one = record->header->flags & SIGCR_RECORD_ONE_THREAD;
	bool unstable = false;
	int i;

	if (one != !record->process || one != !record->actions ||
	    one != !record->shared)
		return "process-wide sections missing or out of place";
	if (!record->thread_count || (one && record->thread_count != 1))
		return "wrong number of threads for the kind of record";
	if (!one && record->header->thread_count != (__u32)record->thread_count)
		return "thread_count is not the number of threads";
	for (i = 0; i < record->thread_count; i++) {
		const struct record_thread *thread = &record->threads[i];
		__u32 flags = thread->thread->section.flags;

		unstable |= flags & SIGCR_THREAD_UNSTABLE;
		if (flags & listed_only && (thread->altstack || thread->pending))
			return "state of a thread that is only listed";
		if (!(flags & listed_only) &&
		    (!thread->altstack || !thread->pending))
			return "thread without its altstack or its queue";
	}
	if (unstable != !!(record->header->flags & SIGCR_RECORD_UNSTABLE))
		return "UNSTABLE flags that contradict each other";
	return NULL;
}

/*
 * Finds the parts of the record that sigckpt(2) wrote. Is strict: whatever a
 * kernel of version 1 does not write is a fault. Returns "" or the fault.
 */
static inline const char *record_parse(struct record *record)
{
	const struct sigcr_header *header = (const void *)record->bytes;
	const __u32 none[5] = {};
	size_t off = sizeof(*header);
	__u32 section_count = 0;
	const char *fault;
	__u8 *bytes = record->bytes;
	size_t len = record->len;

	memset(record, 0, sizeof(*record));
	record->bytes = bytes;
	record->len = len;
	record->header = header;
	if (len < sizeof(*header) || header->magic != SIGCR_MAGIC ||
	    header->version != 1 || header->total_len != len ||
	    header->header_len != SIGCR_HEADER_LEN_VER1 ||
	    header->arch != RECORD_ARCH || header->tgid <= 0 ||
	    header->flags & ~SIGCR_RECORD_FLAGS || !header->thread_count ||
	    memcmp(header->reserved, none, sizeof(none)))
		return "malformed header";
	if (header->crc32c != record_checksum(bytes, len))
		return "wrong checksum";
	for (; off < len; section_count++) {
		const struct sigcr_section *section = (void *)(bytes + off);

		if (len - off < sizeof(*section) || section->len % 8 ||
		    section->len < sizeof(*section) || section->len > len - off)
			return "section of an impossible length";
		fault = file_section(record, section);
		if (fault)
			return fault;
		off += section->len;
	}
	if (section_count != header->section_count)
		return "section_count is not the number of sections";
	fault = check_complete(record);
	return fault ? fault : "";
}

/* Takes a record of @pidfd; 0 or the negated error number. */
static inline long record_take(struct record *record, int pidfd,
			       unsigned int flags)
{
	long len;

	if (!record->bytes && !record_alloc(record))
		return -ENOMEM;
	len = sigckpt(pidfd, record->bytes, RECORD_SIZE, flags);
	record->len = len < 0 ? 0 : len;
	return len < 0 ? len : 0;
}

/* Takes a record and reads it; returns "" or what went wrong. */
static inline const char *record_read(struct record *record, int pidfd,
				      unsigned int flags)
{
	long ret = record_take(record, pidfd, flags);

	return ret ? strerror(-ret) : record_parse(record);
}

static inline long record_restore(const struct record *record, int pidfd,
				  unsigned int flags)
{
	return sigrestore(pidfd, record->bytes, record->len, flags);
}

static inline bool record_equal(const struct record *a, const struct record *b)
{
	return a->len && a->len == b->len &&
	       !memcmp(a->bytes, b->bytes, a->len);
}

static inline void record_copy(struct record *to, const struct record *from)
{
	if (!to->bytes && !record_alloc(to))
		abort();
	memcpy(to->bytes, from->bytes, from->len);
	to->len = from->len;
}

/* Makes of a record of thread @from one of thread @to. */
static inline void record_rename(struct record *record, int from, int to)
{
	struct sigcr_header *header = (struct sigcr_header *)record->bytes;
	size_t off = sizeof(*header);

	if (header->tgid == from)
		header->tgid = to;
	while (off < record->len) {
		struct sigcr_section *section = (void *)(record->bytes + off);
		/* The tid follows the head in each section that has one. */
		__s32 *tid = (__s32 *)(section + 1);

		if ((section->type == SIGCR_SECTION_THREAD ||
		     section->type == SIGCR_SECTION_ALTSTACK ||
		     section->type == SIGCR_SECTION_PENDING) && *tid == from)
			*tid = to;
		off += section->len;
	}
	record_reseal(record);
}

/* Whether all is equal but what is only informational: PROCESS. */
static inline bool record_state_equal(const struct record *a,
				      const struct record *b)
{
	size_t off = sizeof(struct sigcr_header) + sizeof(struct sigcr_process);

	return a->len == b->len && a->len > off &&
	       !memcmp(a->bytes + off, b->bytes + off, a->len - off);
}

/* Starts a record without sections; record_seal() ends it. */
static inline void record_begin(struct record *record, int tgid, __u32 flags)
{
	struct sigcr_header *header;

	if (!record->bytes && !record_alloc(record))
		abort();
	memset(record->bytes, 0, RECORD_SIZE);
	header = (void *)record->bytes;
	header->magic = SIGCR_MAGIC;
	header->version = SIGCR_VERSION;
	header->header_len = sizeof(*header);
	header->arch = RECORD_ARCH;
	header->flags = flags;
	header->thread_count = 1;
	header->tgid = tgid;
	record->len = sizeof(*header);
}

static inline void record_seal(struct record *record)
{
	struct sigcr_header *header = (struct sigcr_header *)record->bytes;

	header->total_len = record->len;
	record_reseal(record);
}

/* Appends a section of @len zero bytes behind its head, and counts it. */
static inline void *record_add(struct record *record, __u32 type, size_t len)
{
	struct sigcr_header *header = (struct sigcr_header *)record->bytes;
	struct sigcr_section *section;

	if (record->len + len > RECORD_SIZE)
		abort();
	section = (void *)(record->bytes + record->len);
	section->type = type;
	section->len = len;
	record->len += len;
	header->section_count++;
	return section;
}

static inline struct sigcr_actions *record_add_actions(struct record *record)
{
	struct sigcr_actions *actions =
		record_add(record, SIGCR_SECTION_ACTIONS, sizeof(*actions));

	actions->entries_off = sizeof(*actions);
	actions->entry_len = sizeof(struct sigcr_action);
	return actions;
}

/* Appends an action to the section, which must be the record's last. */
static inline struct sigcr_action *
record_add_action(struct record *record, struct sigcr_actions *actions,
		  __u32 signo)
{
	struct sigcr_action *action = (void *)(record->bytes + record->len);

	action->signo = signo;
	actions->entry_count++;
	actions->section.len += sizeof(*action);
	record->len += sizeof(*action);
	return action;
}

/* @tid 0 makes a SHARED_PENDING. */
static inline struct sigcr_pending *record_add_queue(struct record *record,
						     int tid, __u64 set)
{
	struct sigcr_pending *queue =
		record_add(record, tid ? SIGCR_SECTION_PENDING :
			   SIGCR_SECTION_SHARED_PENDING, sizeof(*queue));

	queue->tid = tid;
	queue->entries_off = sizeof(*queue);
	queue->entry_len = sizeof(struct sigcr_entry);
	queue->set = set;
	return queue;
}

/* Appends a signal to the queue, which must be the record's last section. */
static inline struct sigcr_entry *record_add_entry(struct record *record,
						   struct sigcr_pending *queue,
						   const siginfo_t *info)
{
	struct sigcr_entry *entry = (void *)(record->bytes + record->len);

	if (record->len + sizeof(*entry) > RECORD_SIZE)
		abort();
	memcpy(entry->siginfo, info, SIGCR_SIGINFO_LEN);
	queue->set |= SET_OF(info->si_signo);
	queue->entry_count++;
	queue->section.len += sizeof(*entry);
	record->len += sizeof(*entry);
	return entry;
}

static inline struct sigcr_thread *record_add_thread(struct record *record,
						     int tid, __u64 blocked)
{
	struct sigcr_thread *thread =
		record_add(record, SIGCR_SECTION_THREAD, sizeof(*thread));

	thread->tid = tid;
	thread->blocked = blocked;
	return thread;
}

static inline struct sigcr_altstack *
record_add_altstack(struct record *record, int tid, __u32 ss_flags, __u64 sp,
		    __u64 size)
{
	struct sigcr_altstack *altstack =
		record_add(record, SIGCR_SECTION_ALTSTACK, sizeof(*altstack));

	altstack->tid = tid;
	altstack->ss_flags = ss_flags;
	altstack->sp = sp;
	altstack->size = size;
	return altstack;
}

#endif /* SIGCR_RECORD_H */
