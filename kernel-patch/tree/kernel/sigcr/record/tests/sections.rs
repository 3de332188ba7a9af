// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of the sections: which there can be, in which order, and how long they are.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_sections)
)]
mod tests {
    use super::super::*;

    /// Makes room for 8 bytes at `off` of the record in `buf`, in the section at `section_off`.
    /// Returns the new length.
    fn insert(buf: &mut [u8], len: usize, section_off: usize, off: usize) -> usize {
        buf.copy_within(off..len, off + 8);
        put(buf, off, u64::MAX);
        let section: Option<Head> = buf.get(section_off..).and_then(load);
        if let Some(section) = section {
            put(buf, section_off + LEN_OFF, section.len + 8);
        }
        put(buf, offset_of!(Header, total_len), (len + 8) as u64);
        len + 8
    }

    #[test]
    fn the_sections_of_a_thread_are_found_together() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        let record = Record::decode(&buf[..len]).ok();
        let mut threads = record.into_iter().flat_map(|record| record.threads());
        let first = threads.next();
        let second = threads.next();
        assert!(threads.next().is_none());
        assert_eq!(first.as_ref().map(|thread| thread.tid), Some(100));
        assert_eq!(second.as_ref().map(|thread| thread.tid), Some(101));
        let Some((first, second)) = first.zip(second) else {
            return;
        };
        assert_eq!(
            first.thread.map(|thread| thread.blocked),
            Some(!UNBLOCKABLE)
        );
        assert_eq!(first.altstack.map(|altstack| altstack.size), Some(0x4000));
        assert_eq!(first.pending.map(|queue| queue.set), Some(sigset_of(33)));
        assert!(second.altstack.is_none() && second.pending.is_none());
    }

    #[test]
    fn a_record_without_sections_is_a_record() {
        assert_eq!(written(|_| ()), None);
    }

    #[test]
    fn reserved_fields_that_are_not_zero_are_refused() {
        let refusal = |off| Some(Refusal::ReservedNotZero { off });
        let header = offset_of!(Header, reserved);
        assert_eq!(with(header, 1_u32), refusal(header));
        assert_eq!(with(header + 16, 1_u32), refusal(header));
        for off in [
            ACTIONS + offset_of!(abi::sigcr_actions, reserved),
            PENDING_ENTRY + offset_of!(Entry, timer_id),
        ] {
            assert_eq!(with(off, 1_u32), refusal(off));
        }
    }

    #[test]
    fn impossible_section_lengths_are_refused() {
        let refusal = |off, len| Some(Refusal::BadSectionLen { off, len });
        let with_len = |off, len: u64| with(off + LEN_OFF, len);
        assert_eq!(with_len(PROCESS, 8), refusal(PROCESS, 8));
        assert_eq!(with_len(PROCESS, 0), refusal(PROCESS, 0));
        assert_eq!(with_len(PROCESS, 44), refusal(PROCESS, 44));
        assert_eq!(with_len(SECOND, 40), refusal(SECOND, 40));
        assert_eq!(with_len(SECOND, u64::MAX), refusal(SECOND, u64::MAX));
        // Too short for any section, also for one that would be skipped.
        let unknown = faulty(|record| {
            put(record, PROCESS, 0x77_u32);
            put(record, PROCESS + LEN_OFF, 8_u64);
        });
        assert_eq!(unknown, refusal(PROCESS, 8));
        // Long enough for a section, too short for its type.
        for off in [PROCESS, ACTIONS, SHARED, THREAD, ALTSTACK, PENDING] {
            assert_eq!(with_len(off, 24), refusal(off, 24));
        }
    }

    #[test]
    fn a_section_head_that_is_cut_off_is_refused() {
        let mut buf = [0; BUF_LEN];
        let mut len = sample(&mut buf);
        len = insert(&mut buf, len, SECOND, len);
        put(&mut buf, SECOND + LEN_OFF, Thread::LEN as u64);
        seal(&mut buf[..len]);
        let refusal = Record::decode(&buf[..len]).err();
        let off = END;
        assert_eq!(refusal, Some(Refusal::BadSectionLen { off, len: 8 }));
    }

    #[test]
    fn unknown_mandatory_section_is_refused() {
        let section_type = abi::SIGCR_SECTION_MANDATORY | 0x77;
        let off = PROCESS;
        let refusal = Refusal::UnknownMandatorySection { off, section_type };
        assert_eq!(with(off, section_type), Some(refusal));
    }

    #[test]
    fn unknown_optional_section_is_skipped() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        put(&mut buf, PROCESS, 0x77_u32);
        seal(&mut buf[..len]);
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        assert!(record.process().is_none());
        assert!(record.actions().is_some());
        assert_eq!(record.threads().count(), 2);
        let first = record.sections().next();
        assert!(matches!(
            first,
            Some((PROCESS, Section::Unknown { section_type: 0x77, bytes })) if bytes.len() == 40
        ));
    }

    #[test]
    fn unknown_section_flags_are_refused() {
        for (off, flags) in [
            (PROCESS, 0x10_u32),
            (ACTIONS, 1),
            (SHARED, 1),
            (THREAD, 0x80),
            (ALTSTACK, 1),
            (PENDING, 1),
        ] {
            let refusal = Refusal::UnknownSectionFlags { off, flags };
            assert_eq!(with(off + FLAGS_OFF, flags), Some(refusal));
        }
    }

    #[test]
    fn sections_twice_or_out_of_order_are_refused() {
        let order = |off, section_type| Some(Refusal::SectionOrder { off, section_type });
        let twice = written(|writer| {
            writer.process(&process());
            writer.process(&process());
        });
        assert_eq!(twice, order(ACTIONS, abi::SIGCR_SECTION_PROCESS));
        let after_queue = written(|writer| {
            queue(writer, 0, 0, &[]);
            let list = writer.begin_actions();
            writer.end_actions(list);
        });
        assert_eq!(after_queue, order(64 + 40, abi::SIGCR_SECTION_ACTIONS));
        let late = written(|writer| {
            writer.thread(&thread(1, 0));
            writer.process(&process());
        });
        assert_eq!(late, order(64 + 32, abi::SIGCR_SECTION_PROCESS));
        let within_thread = written(|writer| {
            writer.altstack(&altstack(1));
            writer.thread(&thread(1, 0));
        });
        assert_eq!(within_thread, order(64 + 40, abi::SIGCR_SECTION_THREAD));
        let descending = written(|writer| {
            writer.thread(&thread(2, 0));
            writer.thread(&thread(1, 0));
        });
        assert_eq!(descending, order(64 + 32, abi::SIGCR_SECTION_THREAD));
        let torn = written(|writer| {
            writer.thread(&thread(1, 0));
            writer.thread(&thread(2, 0));
            writer.altstack(&altstack(1));
        });
        assert_eq!(torn, order(64 + 64, abi::SIGCR_SECTION_ALTSTACK));
    }

    #[test]
    fn a_thread_that_is_only_listed_has_no_other_section() {
        for flags in [abi::SIGCR_THREAD_WORKER, abi::SIGCR_THREAD_DEAD] {
            let refusal = written(|writer| {
                writer.thread(&thread(1, flags));
                writer.altstack(&altstack(1));
            });
            let section_type = abi::SIGCR_SECTION_ALTSTACK;
            let off = 64 + 32;
            assert_eq!(refusal, Some(Refusal::SectionOrder { off, section_type }));
            let next = written(|writer| {
                writer.thread(&thread(1, flags));
                writer.altstack(&altstack(2));
                queue(writer, 2, 0, &[]);
            });
            assert_eq!(next, None);
        }
    }

    #[test]
    fn another_count_of_sections_is_refused() {
        let refusal = |stored| Some(Refusal::SectionCountMismatch { stored, seen: 7 });
        const OFF: usize = offset_of!(Header, section_count);
        assert_eq!(with(OFF, 6_u32), refusal(6));
        assert_eq!(with(OFF, 8_u32), refusal(8));
    }

    #[test]
    fn a_record_of_one_thread_holds_nothing_else() {
        const FLAGS: u32 = abi::SIGCR_RECORD_ONE_THREAD;
        let refusal = |off| Some(Refusal::NotOneThread { off });
        let of_process = with(offset_of!(Header, flags), FLAGS);
        assert_eq!(of_process, refusal(PROCESS));
        let with_altstack_of = |tid| {
            written_with(FLAGS, |writer| {
                writer.thread(&thread(1, 0));
                writer.altstack(&altstack(tid));
            })
        };
        assert_eq!(with_altstack_of(1), None);
        assert_eq!(with_altstack_of(2), refusal(64 + 32));
    }

    #[test]
    fn impossible_tids_are_refused() {
        for (off, tid) in [
            (SHARED, 1),
            (THREAD, 0),
            (THREAD, -1),
            (ALTSTACK, 0),
            (PENDING, 0),
        ] {
            let refusal = Refusal::BadTid { off, tid };
            assert_eq!(with(off + TID_OFF, tid), Some(refusal));
        }
    }

    #[test]
    fn entries_that_do_not_fill_their_section_are_refused() {
        for (section, off, value, entry_count) in [
            (SHARED, ENTRY_COUNT_OFF, 1, 1),
            (SHARED, ENTRY_COUNT_OFF, 3, 3),
            (SHARED, ENTRY_COUNT_OFF, u32::MAX, u32::MAX),
            (SHARED, ENTRIES_OFF_OFF, 32, 2),
            (SHARED, ENTRIES_OFF_OFF, 44, 2),
            (SHARED, ENTRIES_OFF_OFF, u32::MAX - 7, 2),
            (SHARED, ENTRY_LEN_OFF, 64, 2),
            (ACTIONS, offset_of!(abi::sigcr_actions, entry_count), 3, 3),
            (ACTIONS, offset_of!(abi::sigcr_actions, entries_off), 24, 2),
        ] {
            let off = section + off;
            let refusal = Refusal::BadEntries {
                off: section,
                entry_count,
            };
            assert_eq!(with(off, value), Some(refusal));
        }
        // Two longer entries that fill the section, from inside its head.
        let overlap = faulty(|record| {
            put(record, SHARED + ENTRY_LEN_OFF, 64_u32);
            put(record, SHARED + ENTRIES_OFF_OFF, 24_u32);
        });
        let off = SHARED;
        let entry_count = 2;
        assert_eq!(overlap, Some(Refusal::BadEntries { off, entry_count }));
    }

    #[test]
    fn impossible_entry_lengths_are_refused() {
        let actions = offset_of!(abi::sigcr_actions, entry_len);
        for (section, off, entry_len) in [
            (SHARED, ENTRY_LEN_OFF, 48),
            (SHARED, ENTRY_LEN_OFF, 60),
            (SHARED, ENTRY_LEN_OFF, 0),
            (ACTIONS, actions, 32),
        ] {
            let refusal = Refusal::BadEntryLen {
                off: section,
                entry_len,
            };
            assert_eq!(with(section + off, entry_len), Some(refusal));
        }
    }

    #[test]
    fn fields_that_a_newer_writer_appended_are_skipped() {
        let mut buf = [0; BUF_LEN];
        let mut len = sample(&mut buf);
        // From the end, so that the offsets before stay as they are: behind the fixed sections and
        // behind the entry of the last queue.
        len = insert(&mut buf, len, SECOND, END);
        len = insert(&mut buf, len, PENDING, SECOND);
        put(&mut buf, PENDING + ENTRY_LEN_OFF, Entry::LEN as u32 + 8);
        // Between the head of a list and its entries.
        len = insert(&mut buf, len, SHARED, SHARED_ENTRY);
        let entries_off = abi::sigcr_pending::LEN as u32 + 8;
        put(&mut buf, SHARED + ENTRIES_OFF_OFF, entries_off);
        len = insert(&mut buf, len, PROCESS, ACTIONS);
        // Behind the header, which is no section: the length that was added to is put back.
        len = insert(&mut buf, len, PROCESS, PROCESS);
        put(&mut buf, PROCESS + 8 + LEN_OFF, Process::LEN as u64 + 8);
        put(&mut buf, PROCESS, u64::MAX);
        put(&mut buf, PROCESS + 8, abi::SIGCR_SECTION_PROCESS);
        put(
            &mut buf,
            offset_of!(Header, header_len),
            Header::LEN as u32 + 8,
        );
        seal(&mut buf[..len]);
        assert_eq!(len, END + 5 * 8);
        let record = Record::decode(&buf[..len]);
        assert_eq!(record.err(), None);
        let Ok(record) = record else { return };
        assert_eq!(record.process().map(|process| process.stop_signo), Some(19));
        let shared = record.shared_pending();
        let mut entries = shared.into_iter().flat_map(|queue| queue.entries());
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(SIGTERM));
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(40));
        assert!(entries.next().is_none());
        let thread = record.threads().next();
        let pending = thread.and_then(|thread| thread.pending);
        assert_eq!(pending.map(|queue| queue.entry_count()), Some(1));
        let last = pending.and_then(|queue| queue.entries().last());
        assert_eq!(last.map(|entry| entry.siginfo), Some(entry(33).siginfo));
        assert_eq!(record.threads().count(), 2);
    }
}
