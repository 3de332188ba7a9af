/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records that are compared, changed, or built from nothing.
 */
#ifndef SIGCR_RECORD_BUILD_H
#define SIGCR_RECORD_BUILD_H

#include "record.h"

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
	size_t off = header->header_len;

	if (header->tgid == from)
		header->tgid = to;
	while (off < record->len) {
		struct sigcr_section *section = (void *)(record->bytes + off);
		struct sigcr_timers *timers = (void *)section;
		/* The tid follows the head in each section that has one. */
		__s32 *tid = (__s32 *)(section + 1);
		__u32 i;

		if (section->type >= SIGCR_SECTION_THREAD &&
		    section->type <= SIGCR_SECTION_INFLIGHT && *tid == from)
			*tid = to;
		if (section->type != SIGCR_SECTION_TIMERS)
			timers = NULL;
		for (i = 0; timers && i < timers->entry_count; i++) {
			struct sigcr_timer *timer =
				(void *)record_entry(timers, timers->entries_off,
						     timers->entry_len, i);

			if (timer->notify_tid == from)
				timer->notify_tid = to;
		}
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

/*
 * Takes out of a record what goes on while nothing happens: the times that are
 * left, and what a periodic timer that was not taken has missed.
 */
static inline void record_forget_times(struct record *record)
{
	struct sigcr_itimers *itimers = (void *)record->itimers;
	__u32 i;

	if (itimers) {
		itimers->real.remaining_ns = !!itimers->real.remaining_ns;
		itimers->virt.remaining_ns = !!itimers->virt.remaining_ns;
		itimers->prof.remaining_ns = !!itimers->prof.remaining_ns;
	}
	for (i = 0; record->timers && i < record->timers->entry_count; i++) {
		struct sigcr_timer *timer = (void *)record_timer(record, i);

		timer->remaining_ns = !!timer->remaining_ns;
		if (timer->interval_ns)
			timer->overrun = -1;
	}
	record_reseal(record);
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

/* All that is zero means that no interval timer runs. */
static inline struct sigcr_itimers *record_add_itimers(struct record *record)
{
	return record_add(record, SIGCR_SECTION_ITIMERS,
			  sizeof(struct sigcr_itimers));
}

/*
 * Sets up the list in a section that has one, all of which begin alike; the
 * entries follow with record_add_to_list().
 */
static inline void *record_add_list(struct record *record, __u32 type,
				    size_t entry_len)
{
	struct sigcr_signalfds *list = record_add(record, type, sizeof(*list));

	list->entries_off = sizeof(*list);
	list->entry_len = entry_len;
	return list;
}

/* Appends an entry to the list, which must be the record's last section. */
static inline void *record_add_to_list(struct record *record, void *list)
{
	struct sigcr_signalfds *head = list;
	void *entry = record->bytes + record->len;

	if (record->len + head->entry_len > RECORD_SIZE)
		abort();
	head->entry_count++;
	head->section.len += head->entry_len;
	record->len += head->entry_len;
	return entry;
}

static inline struct sigcr_timers *record_add_timers(struct record *record)
{
	return record_add_list(record, SIGCR_SECTION_TIMERS,
			       sizeof(struct sigcr_timer));
}

/* Appends a copy of @timer, or a disarmed one of CLOCK_MONOTONIC. */
static inline struct sigcr_timer *record_add_timer(struct record *record,
						   struct sigcr_timers *timers,
						   const struct sigcr_timer *from)
{
	struct sigcr_timer *timer = record_add_to_list(record, timers);

	if (from) {
		memcpy(timer, from, sizeof(*timer));
		return timer;
	}
	timer->clock_id = CLOCK_MONOTONIC;
	timer->signo = SIGUSR1;
	timer->overrun = -1;
	return timer;
}

static inline struct sigcr_signalfds *
record_add_signalfds(struct record *record)
{
	return record_add_list(record, SIGCR_SECTION_SIGNALFDS,
			       sizeof(struct sigcr_signalfd));
}

static inline struct sigcr_signalfd *
record_add_signalfd(struct record *record, struct sigcr_signalfds *list, int fd,
		    __u64 mask)
{
	struct sigcr_signalfd *entry = record_add_to_list(record, list);

	entry->fd = fd;
	entry->mask = mask;
	return entry;
}

#endif /* SIGCR_RECORD_BUILD_H */
