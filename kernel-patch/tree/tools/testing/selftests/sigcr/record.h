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

#define RECORD_THREAD_COUNT_MAX 64
/* Room for the longest record of a test: some 2000 entries. */
#define RECORD_SIZE (256 * 1024)

/* What a record says of one thread; NULL is a section that is not there. */
struct record_thread {
	int tid;
	const struct sigcr_thread *thread;
	const struct sigcr_altstack *altstack;
	const struct sigcr_pending *pending;
	const struct sigcr_inflight *inflight;
};

/* A record in memory, and after record_parse() the places of its parts. */
struct record {
	__u8 *bytes;
	size_t len;
	const struct sigcr_header *header;
	const struct sigcr_process *process;
	const struct sigcr_actions *actions;
	const struct sigcr_pending *shared;
	const struct sigcr_itimers *itimers;
	const struct sigcr_timers *timers;
	const struct sigcr_signalfds *signalfds;
	const struct sigcr_waiters *waiters;
	__u32 last_type;	/* of the section that was filed last */
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

static inline const struct sigcr_timer *record_timer(const struct record *record,
						     __u32 index)
{
	return record_entry(record->timers, record->timers->entries_off,
			    record->timers->entry_len, index);
}

static inline const struct sigcr_timer *
record_timer_of(const struct record *record, int timer_id)
{
	__u32 i;

	for (i = 0; i < record->timers->entry_count; i++) {
		if (record_timer(record, i)->timer_id == timer_id)
			return record_timer(record, i);
	}
	return NULL;
}

static inline const struct sigcr_signalfd *
record_signalfd(const struct record *record, __u32 index)
{
	return record_entry(record->signalfds, record->signalfds->entries_off,
			    record->signalfds->entry_len, index);
}

static inline const struct sigcr_waiter *
record_waiter(const struct record *record, __u32 index)
{
	return record_entry(record->waiters, record->waiters->entries_off,
			    record->waiters->entry_len, index);
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

/* What is wrong with the frame of a list that was first published so, or NULL. */
static inline const char *check_list(const struct sigcr_section *section,
				     __u32 head_len, __u32 entry_len)
{
	/* All lists begin alike; behind them only timers have something else. */
	const struct sigcr_signalfds *list = (const void *)section;

	if (list->entries_off != head_len || list->entry_len != entry_len ||
	    section->len != head_len + (__u64)entry_len * list->entry_count)
		return "list with wrong offsets or lengths";
	return NULL;
}

static inline const char *check_itimers(const struct sigcr_itimers *itimers)
{
	if (itimers->section.len != SIGCR_ITIMERS_LEN_VER1 ||
	    itimers->section.flags & ~SIGCR_ITIMERS_FLAGS)
		return "malformed ITIMERS";
	if (itimers->section.flags && (itimers->real.remaining_ns ||
				       !itimers->real.interval_ns))
		return "expired real timer that runs or is not periodic";
	return NULL;
}

static inline const char *check_timer(const struct sigcr_timer *timer)
{
	const __u32 states = SIGCR_TIMER_ARMED | SIGCR_TIMER_PENDING |
			     SIGCR_TIMER_IGNORED;
	__u32 state = timer->flags & states;

	if (timer->flags & ~SIGCR_TIMER_FLAGS || state & (state - 1))
		return "timer in no state or in two";
	if (timer->notify != SIGEV_NONE &&
	    (timer->signo < 1 || timer->signo > SIGCR_SIGNO_MAX))
		return "timer without a signal";
	if (timer->notify_tid && timer->notify != SIGEV_THREAD_ID)
		return "thread of a timer that signals none";
	if (!state && (timer->remaining_ns || timer->interval_ns))
		return "timer that does not run but has a time";
	if (timer->flags & SIGCR_TIMER_ABSTIME ?
	    !(timer->flags & SIGCR_TIMER_ARMED) : !!timer->expires_ns)
		return "time of expiry of a timer that has none";
	if (timer->overrun < -1 || timer->overrun_last < -1)
		return "impossible overrun";
	return NULL;
}

static inline const char *check_timers(struct record *record)
{
	const char *fault = check_list(&record->timers->section,
				       SIGCR_TIMERS_LEN_VER1,
				       SIGCR_TIMER_LEN_VER1);
	int last = -1;
	__u32 i;

	for (i = 0; !fault && i < record->timers->entry_count; i++) {
		const struct sigcr_timer *timer = record_timer(record, i);

		if (timer->timer_id <= last)
			return "timers not in the order of ids";
		last = timer->timer_id;
		fault = check_timer(timer);
	}
	return fault;
}

static inline const char *check_signalfds(struct record *record)
{
	const struct sigcr_signalfds *list = record->signalfds;
	const char *fault = check_list(&list->section, SIGCR_SIGNALFDS_LEN_VER1,
				       SIGCR_SIGNALFD_LEN_VER1);
	int last = -1;
	__u32 i;

	if (!fault && (!list->entry_count || list->reserved))
		return "SIGNALFDS without any";
	for (i = 0; !fault && i < list->entry_count; i++) {
		const struct sigcr_signalfd *entry = record_signalfd(record, i);

		if (entry->fd <= last || entry->mask & ~ALL_SIGNALS)
			return "signalfds out of order, or with a wrong mask";
		last = entry->fd;
	}
	return fault;
}

static inline const char *check_waiters(struct record *record)
{
	const struct sigcr_waiters *list = record->waiters;
	const char *fault = check_list(&list->section, SIGCR_WAITERS_LEN_VER1,
				       SIGCR_WAITER_LEN_VER1);
	int last = 0;
	__u32 i;

	for (i = 0; !fault && i < list->entry_count; i++) {
		const struct sigcr_waiter *waiter = record_waiter(record, i);

		if (waiter->tid < last || waiter->id_type > SIGCR_WAIT_PGID)
			return "waiters out of order, or for what is unknown";
		last = waiter->tid;
	}
	return fault;
}

/* Files one section of a thread; what is wrong, or NULL. */
static inline const char *file_thread(struct record *record,
				      const struct sigcr_section *section)
{
	struct record_thread *thread = &record->threads[record->thread_count];
	/* The tid follows the head in each of them. */
	__s32 tid = *(const __s32 *)(section + 1);

	if (section->type == SIGCR_SECTION_THREAD) {
		if (record->thread_count == RECORD_THREAD_COUNT_MAX)
			return "more threads than a test has";
		if (section->len != SIGCR_THREAD_LEN_VER1 ||
		    section->flags & ~SIGCR_THREAD_FLAGS || tid <= 0)
			return "malformed THREAD";
		if (record->thread_count && tid <= thread[-1].tid)
			return "threads not in the order of tids";
		thread->tid = tid;
		thread->thread = (const void *)section;
		record->thread_count++;
		return NULL;
	}
	thread--;
	if (!record->thread_count || tid != thread->tid || section->flags)
		return "state of a thread out of place, or with flags";
	switch (section->type) {
	case SIGCR_SECTION_ALTSTACK:
		thread->altstack = (const void *)section;
		return section->len == SIGCR_ALTSTACK_LEN_VER1 ?
		       NULL : "malformed ALTSTACK";
	case SIGCR_SECTION_PENDING:
		thread->pending = (const void *)section;
		return check_queue(section);
	default:
		thread->inflight = (const void *)section;
		return section->len == SIGCR_INFLIGHT_LEN_VER1 &&
		       !thread->inflight->reserved ?
		       NULL : "malformed INFLIGHT";
	}
}

static inline const char *file_section(struct record *record,
				       const struct sigcr_section *section)
{
	__u32 type = section->type & ~SIGCR_SECTION_MANDATORY;
	__u32 last = record->last_type;
	bool next_thread = section->type == SIGCR_SECTION_THREAD &&
			   last < SIGCR_SECTION_WAITERS;

	if (type <= last && !next_thread)
		return "section twice or out of order";
	record->last_type = type;
	switch (section->type) {
	case SIGCR_SECTION_PROCESS:
		record->process = (const void *)section;
		return section->len == SIGCR_PROCESS_LEN_VER1 &&
		       !(section->flags & ~SIGCR_PROCESS_FLAGS) ?
		       NULL : "malformed PROCESS";
	case SIGCR_SECTION_ACTIONS:
		record->actions = (const void *)section;
		return section->flags ? "malformed ACTIONS" :
					check_actions(section);
	case SIGCR_SECTION_SHARED_PENDING:
		record->shared = (const void *)section;
		return section->flags || record->shared->tid ?
		       "malformed SHARED_PENDING" : check_queue(section);
	case SIGCR_SECTION_ITIMERS:
		record->itimers = (const void *)section;
		return check_itimers(record->itimers);
	case SIGCR_SECTION_TIMERS:
		record->timers = (const void *)section;
		return section->flags ? "malformed TIMERS" :
					check_timers(record);
	case SIGCR_SECTION_SIGNALFDS:
		record->signalfds = (const void *)section;
		return section->flags ? "malformed SIGNALFDS" :
					check_signalfds(record);
	case SIGCR_SECTION_WAITERS:
		record->waiters = (const void *)section;
		return section->flags || record->waiters->reserved ?
		       "malformed WAITERS" : check_waiters(record);
	case SIGCR_SECTION_THREAD:
	case SIGCR_SECTION_ALTSTACK:
	case SIGCR_SECTION_PENDING:
	case SIGCR_SECTION_INFLIGHT:
		return file_thread(record, section);
	default:
		return "section of an unknown type";
	}
}

/* How many entries of timers are in a queue; -1 if one has no such timer. */
static inline int count_timer_entries(const struct record *record,
				      const struct sigcr_pending *queue)
{
	int count = 0;
	__u32 i;

	for (i = 0; queue && i < queue->entry_count; i++) {
		const struct sigcr_entry *entry = record_queued(queue, i);
		const struct sigcr_timer *timer;

		if (!(entry->flags & SIGCR_ENTRY_TIMER))
			continue;
		timer = record_timer_of(record, entry->timer_id);
		if (!timer || !(timer->flags & SIGCR_TIMER_PENDING) ||
		    timer->notify_tid != queue->tid ||
		    record_siginfo(queue, i).si_code != SI_TIMER ||
		    record_siginfo(queue, i).si_signo != (int)timer->signo)
			return -1;
		count++;
	}
	return count;
}

/* Whether the signals of timers and the timers that are pending belong together. */
static inline const char *check_timer_entries(const struct record *record)
{
	int count = count_timer_entries(record, record->shared), more, i;

	for (i = 0; count >= 0 && i < record->thread_count; i++) {
		more = count_timer_entries(record, record->threads[i].pending);
		count = more < 0 ? -1 : count + more;
	}
	if (count < 0)
		return "entry of a timer that is not pending there";
	for (i = 0; i < (int)record->timers->entry_count; i++)
		count -= !!(record_timer(record, i)->flags &
			    SIGCR_TIMER_PENDING);
	return count ? "pending timers and their entries do not match" : NULL;
}

/* Whether the record is complete: every part of the kind of record it is. */
static inline const char *check_complete(const struct record *record)
{
	const __u32 listed_only = SIGCR_THREAD_WORKER | SIGCR_THREAD_DEAD;
	bool one = record->header->flags & SIGCR_RECORD_ONE_THREAD;
	bool unstable = false;
	int i;

	if (one != !record->process || one != !record->actions ||
	    one != !record->shared || one != !record->itimers ||
	    one != !record->timers ||
	    (one && (record->signalfds || record->waiters)))
		return "process-wide sections missing or out of place";
	if (!record->thread_count || (one && record->thread_count != 1))
		return "wrong number of threads for the kind of record";
	if (!one && record->header->thread_count != (__u32)record->thread_count)
		return "thread_count is not the number of threads";
	for (i = 0; i < record->thread_count; i++) {
		const struct record_thread *thread = &record->threads[i];
		__u32 flags = thread->thread->section.flags;

		unstable |= flags & SIGCR_THREAD_UNSTABLE;
		if (flags & listed_only &&
		    (thread->altstack || thread->pending || thread->inflight))
			return "state of a thread that is only listed";
		if (!(flags & listed_only) &&
		    (!thread->altstack || !thread->pending))
			return "thread without its altstack or its queue";
	}
	if (unstable != !!(record->header->flags & SIGCR_RECORD_UNSTABLE))
		return "UNSTABLE flags that contradict each other";
	return one ? NULL : check_timer_entries(record);
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

#endif /* SIGCR_RECORD_H */
