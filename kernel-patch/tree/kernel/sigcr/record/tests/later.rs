// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of what a later kernel writes: what of it is read, skipped and refused.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_later)
)]
mod tests {
    use super::super::*;
    use crate::record::later::{
        self,
        Later,
        ENTRY_GROWTH,
        HEADER_GROWTH,
        SECTION_GROWTH, //
    };

    const GROWN: Later = Later {
        version: abi::SIGCR_VERSION,
        has_mandatory: false,
    };
    const VERSION_2: Later = Later {
        version: later::VERSION,
        has_mandatory: false,
    };

    /// Room for a grown sample.
    const GROWN_LEN: usize = 1024;
    /// Bytes of a section that nobody knows.
    const UNKNOWN: usize = Head::LEN + 8;

    /// Calls `look` with a record and its later form.
    #[inline(never)]
    fn later_form(
        how: Later,
        write: impl FnOnce(&mut [u8]) -> usize,
        look: impl FnOnce(&[u8], &mut [u8]),
    ) {
        let mut buf = [0; BUF_LEN];
        let mut out = [0; GROWN_LEN];
        let len = write(&mut buf);
        let today = buf.get(..len);
        let len = today.map_or(0, |today| how.write(today, &mut out));
        let later = out.get_mut(..len);
        assert!(today.is_some() && later.is_some());
        if let Some((today, later)) = today.zip(later) {
            look(today, later);
        }
    }

    /// The sections and lists that the sample does not have.
    fn others(buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        let times = |remaining_ns| Itimer {
            remaining_ns,
            interval_ns: 9,
        };
        writer.itimers(&Itimers {
            section: head(0),
            real: times(1),
            virt: times(2),
            prof: times(3),
        });
        let mut list = writer.begin_timers();
        for timer_id in [1, 4] {
            let timer = Timer {
                timer_id,
                clock_id: 1,
                notify: 0,
                signo: SIGTERM,
                sigval: 7,
                notify_tid: 0,
                flags: abi::SIGCR_TIMER_ARMED,
                interval_ns: 1000,
                remaining_ns: 500,
                expires_ns: 0,
                overrun: -1,
                overrun_last: 5,
            };
            writer.timer(&mut list, &timer);
        }
        writer.end_timers(list, 9);
        let mut list = writer.begin_signalfds();
        for fd in [3, 8] {
            let (flags, mask) = (SFD_CLOEXEC, sigset_of(SIGTERM));
            writer.signalfd(&mut list, &Signalfd { fd, flags, mask });
        }
        writer.end_signalfds(list);
        writer.inflight(&Inflight {
            section: head(0),
            tid: 100,
            reserved: 0,
            siginfo: entry(SIGHUP).siginfo,
        });
        let mut list = writer.begin_waiters();
        for tid in [100, 101] {
            let waiter = Waiter {
                tid,
                id_type: abi::SIGCR_WAIT_PID,
                id: 70,
                options: 4,
            };
            writer.waiter(&mut list, &waiter);
        }
        writer.end_waiters(list);
        writer.finish(&header())
    }

    /// Encodes what was read of a record.
    fn encode_again(record: &Record<'_>, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        for (_, section) in record.sections() {
            match section {
                Section::Process(process) => writer.process(&process),
                Section::Actions(actions) => {
                    let mut list = writer.begin_actions();
                    actions
                        .iter()
                        .for_each(|action| writer.action(&mut list, &action));
                    writer.end_actions(list);
                }
                Section::SharedPending(queue) | Section::Pending(queue) => {
                    let mut list = writer.begin_queue();
                    queue
                        .entries()
                        .for_each(|entry| writer.entry(&mut list, &entry));
                    writer.end_queue(list, queue.tid, queue.set);
                }
                Section::Itimers(itimers) => writer.itimers(&itimers),
                Section::Timers(timers) => {
                    let mut list = writer.begin_timers();
                    timers
                        .iter()
                        .for_each(|timer| writer.timer(&mut list, &timer));
                    writer.end_timers(list, timers.next_timer_id);
                }
                Section::Signalfds(signalfds) => {
                    let mut list = writer.begin_signalfds();
                    signalfds
                        .iter()
                        .for_each(|signalfd| writer.signalfd(&mut list, &signalfd));
                    writer.end_signalfds(list);
                }
                Section::Thread(thread) => writer.thread(&thread),
                Section::Altstack(altstack) => writer.altstack(&altstack),
                Section::Inflight(inflight) => writer.inflight(&inflight),
                Section::Waiters(waiters) => {
                    let mut list = writer.begin_waiters();
                    waiters
                        .iter()
                        .for_each(|waiter| writer.waiter(&mut list, &waiter));
                    writer.end_waiters(list);
                }
                Section::Unknown { .. } => {}
            }
        }
        writer.finish(record.header())
    }

    /// Whether all that is read of `later` is what stands in `today`, and nothing is missing.
    #[inline(never)]
    fn reads_as(later: &[u8], today: &[u8]) -> bool {
        let mut buf = [0; BUF_LEN];
        let len = match Record::decode(later) {
            Ok(record) => encode_again(&record, &mut buf),
            Err(_) => return false,
        };
        buf.get(..len) == Some(today)
    }

    fn refusal(bytes: &[u8]) -> Option<Refusal> {
        Record::decode(bytes).err()
    }

    #[test]
    fn all_that_a_later_kernel_has_appended_is_skipped() {
        // By its sections and entries, and the sections in front, behind threads and at the end.
        for (write, sections, entries, unknown) in [
            (sample as fn(&mut [u8]) -> usize, 7, 5, 4),
            (others, 5, 6, 2),
        ] {
            let growth = HEADER_GROWTH
                + sections * SECTION_GROWTH
                + entries * ENTRY_GROWTH
                + unknown * UNKNOWN;
            later_form(GROWN, write, |today, later| {
                assert_eq!(later.len(), today.len() + growth);
                assert_eq!(refusal(later), None);
                assert!(reads_as(later, today));
                let record = Record::decode(later).ok();
                let found = record.into_iter().flat_map(|record| record.sections());
                let is_unknown = |section: &_| matches!(section, Section::Unknown { .. });
                let count = found.filter(|(_, section)| is_unknown(section)).count();
                assert_eq!(count, unknown);
            });
        }
    }

    #[test]
    fn a_timer_is_found_among_longer_ones() {
        later_form(GROWN, others, |_, later| {
            let timers = Record::decode(later)
                .ok()
                .and_then(|record| record.timers());
            let find = |id| timers.and_then(|timers| timers.find(id));
            assert_eq!(find(1).map(|timer| timer.timer_id), Some(1));
            assert_eq!(find(4).map(|timer| timer.overrun_last), Some(5));
            assert!(find(0).is_none() && find(2).is_none() && find(5).is_none());
        });
    }

    #[test]
    fn a_mandatory_section_of_a_later_kernel_is_refused() {
        let how = Later {
            has_mandatory: true,
            ..GROWN
        };
        later_form(how, sample, |_, later| {
            let off = later.len() - UNKNOWN;
            let section_type = later::MANDATORY;
            let unknown = Refusal::UnknownMandatorySection { off, section_type };
            assert_eq!(refusal(later), Some(unknown));
        });
    }

    #[test]
    fn version_2_is_refused_for_its_version_before_all_else() {
        let version = later::VERSION;
        let unsupported = Some(Refusal::UnsupportedVersion { version });
        later_form(VERSION_2, sample, |_, later| {
            assert_eq!(refusal(later), unsupported);
            for off in [8, 12, 16, 24, 28, later.len() - 1] {
                put(later, off, u32::MAX);
                assert_eq!(refusal(later), unsupported);
            }
        });
    }

    #[test]
    fn version_2_is_read_by_who_knows_it() {
        for write in [sample as fn(&mut [u8]) -> usize, others] {
            later_form(VERSION_2, write, |today, later| {
                let header = later::check_header(later, later.len());
                assert_eq!(header.err(), None);
                assert_eq!(later::to_version_1(later), Ok(()));
                assert!(reads_as(later, today));
            });
        }
    }

    #[test]
    fn version_2_taken_for_version_1_is_no_malformed_record_but_another_one() {
        later_form(VERSION_2, sample, |today, later| {
            put(later, offset_of!(Header, version), 1_u32);
            seal(later);
            assert_eq!(refusal(later), None);
            assert!(!reads_as(later, today));
        });
    }

    #[test]
    fn records_of_other_versions_are_left_as_they_are() {
        later_form(GROWN, sample, |_, later| {
            for version in [1_u32, 3] {
                put(later, offset_of!(Header, version), version);
                seal(later);
                let crc = checksum(later);
                assert_eq!(later::to_version_1(later), Ok(()));
                assert_eq!(checksum(later), crc);
            }
            let unsupported = Refusal::UnsupportedVersion { version: 3 };
            let header = later::check_header(later, later.len());
            assert_eq!(header.err(), Some(unsupported));
        });
    }

    #[test]
    fn every_changed_byte_of_version_2_is_refused() {
        later_form(VERSION_2, sample, |_, later| {
            let mut unnoticed = 0;
            let mut by_checksum = 0;
            let mut copy = [0; GROWN_LEN];
            for off in 0..later.len() {
                let Some(copy) = copy.get_mut(..later.len()) else {
                    return;
                };
                copy.copy_from_slice(later);
                copy[off] ^= 0xff;
                let read = later::check_header(copy, copy.len())
                    .and_then(|_| later::to_version_1(copy))
                    .and_then(|()| Record::decode(copy).map(drop));
                match read {
                    Ok(()) => unnoticed += 1,
                    Err(Refusal::BadChecksum { .. }) => by_checksum += 1,
                    Err(_) => {}
                }
            }
            assert_eq!(unnoticed, 0);
            // As of version 1: all but magic, version and the two lengths.
            assert_eq!(by_checksum, later.len() - 4 - 4 - 4 - 8);
        });
    }

    #[test]
    fn what_is_wrong_in_version_2_is_refused_as_in_version_1() {
        let fault_at = |off: usize, value: u64| {
            let mut found = None;
            later_form(VERSION_2, sample, |_, later| {
                put(later, off, value);
                seal(later);
                assert_eq!(later::to_version_1(later), Ok(()));
                found = refusal(later);
            });
            found
        };
        // Where the first thread is: behind three sections, of which two have two entries each.
        let off = THREAD + HEADER_GROWTH + UNKNOWN + 3 * SECTION_GROWTH + 4 * ENTRY_GROWTH;
        let blocked = off + offset_of!(Thread, blocked);
        let set = UNBLOCKABLE | !sigset_of(SIGHUP);
        let unblockable = Refusal::UnblockableBlocked { off, set };
        let through = sigset_of(SIGHUP) | UNBLOCKABLE;
        assert_eq!(fault_at(blocked, through), Some(unblockable));
        for len in [0, 8, 24, 36, u64::MAX] {
            let bad_len = Refusal::BadSectionLen { off, len };
            assert_eq!(fault_at(off + LEN_OFF, len), Some(bad_len));
        }
    }

    #[test]
    fn a_later_form_is_measured_without_a_buffer_and_stays_in_a_short_one() {
        later_form(VERSION_2, sample, |today, later| {
            assert_eq!(VERSION_2.write(today, &mut []), later.len());
            let mut out = [0xee; GROWN_LEN];
            for room in [0, 1, 70, 90, 500, later.len() - 1] {
                assert_eq!(VERSION_2.write(today, &mut out[..room]), later.len());
                assert!(out[room..].iter().all(|byte| *byte == 0xee));
                out.fill(0xee);
            }
        });
    }
}
