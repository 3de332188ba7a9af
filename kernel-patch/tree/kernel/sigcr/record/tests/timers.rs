// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of timers, signalfds, waiters, and signals that a ptracer holds.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_timers)
)]
mod tests {
    use super::super::*;

    fn timer(timer_id: i32, flags: u32) -> Timer {
        Timer {
            timer_id,
            clock_id: 1,
            notify: 0,
            signo: SIGTERM,
            sigval: 7,
            notify_tid: 0,
            flags,
            interval_ns: 1000,
            remaining_ns: 500,
            expires_ns: 0,
            overrun: 3,
            overrun_last: -1,
        }
    }

    fn timers(writer: &mut Writer<SliceSink<'_>>, timers: &[Timer]) {
        let mut list = writer.begin_timers();
        for timer in timers {
            writer.timer(&mut list, timer);
        }
        writer.end_timers(list, 9);
    }

    /// An entry of `timer`.
    fn timer_entry(timer: &Timer) -> Entry {
        let mut entry = entry(timer.signo);
        put(&mut entry.siginfo, 8, -2_i32);
        Entry {
            flags: abi::SIGCR_ENTRY_TIMER,
            timer_id: timer.timer_id,
            ..entry
        }
    }

    const ARMED: u32 = abi::SIGCR_TIMER_ARMED;
    const WAITS: u32 = abi::SIGCR_TIMER_PENDING;
    const IGNORED: u32 = abi::SIGCR_TIMER_IGNORED;
    const ABSTIME: u32 = abi::SIGCR_TIMER_ABSTIME;
    /// Where the first entry of a list is that stands behind the header.
    const FIRST_ENTRY: usize = 64 + 32;

    /// Why a record is refused with the sample timer after `fault`.
    fn timer_with(flags: u32, fault: impl FnOnce(&mut Timer)) -> Option<Refusal> {
        let mut one = timer(1, flags);
        fault(&mut one);
        written(|writer| timers(writer, &[one]))
    }

    #[test]
    fn a_signal_of_a_timer_can_be_read_and_not_restored() {
        for off in [SHARED_ENTRY + Entry::LEN, PENDING_ENTRY] {
            let mut buf = [0; BUF_LEN];
            let len = sample(&mut buf);
            let flags_off = off + offset_of!(Entry, flags);
            put(&mut buf, flags_off, abi::SIGCR_ENTRY_TIMER);
            put(&mut buf, off + offset_of!(Entry, timer_id), 6_i32);
            seal(&mut buf[..len]);
            let record = Record::decode(&buf[..len]);
            assert!(record.is_ok());
            let refusal = record.and_then(|record| record.check_restorable()).err();
            assert_eq!(refusal, Some(Refusal::TimerMissing { off, timer_id: 6 }));
        }
    }

    #[test]
    fn timers_and_their_signals_decode_to_what_was_encoded() {
        let mut buf = [0; BUF_LEN];
        let mut writer = Writer::new(&mut buf);
        let waiting = timer(2, WAITS);
        let own = Timer {
            notify: SIGEV_THREAD_ID,
            notify_tid: 100,
            ..timer(5, WAITS)
        };
        queue(&mut writer, 0, sigset_of(SIGTERM), &[timer_entry(&waiting)]);
        timers(&mut writer, &[timer(1, ARMED), waiting, own]);
        queue(&mut writer, 100, sigset_of(SIGTERM), &[timer_entry(&own)]);
        let len = writer.finish(&header());
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        assert!(record.check_restorable().is_ok());
        let found = record.timers();
        assert_eq!(found.map(|found| found.next_timer_id), Some(9));
        assert_eq!(found.map(|found| found.count()), Some(3));
        let find = |id| found.and_then(|found| found.find(id));
        assert_eq!(find(5).map(|timer| timer.notify_tid), Some(100));
        assert_eq!(find(1).map(|timer| timer.overrun), Some(3));
        assert_eq!(find(2).map(|timer| timer.remaining_ns), Some(500));
        assert!(find(0).is_none() && find(3).is_none() && find(9).is_none());
    }

    #[test]
    fn timers_out_of_order_are_refused() {
        let refusal = |ids: [i32; 2]| {
            let [a, b] = ids.map(|id| timer(id, ARMED));
            written(|writer| timers(writer, &[a, b]))
        };
        let off = FIRST_ENTRY + Timer::LEN;
        assert_eq!(refusal([0, 1]), None);
        assert_eq!(refusal([1, 1]), Some(Refusal::BadId { off, id: 1 }));
        assert_eq!(refusal([2, 1]), Some(Refusal::BadId { off, id: 1 }));
        let off = FIRST_ENTRY;
        assert_eq!(refusal([-1, 1]), Some(Refusal::BadId { off, id: -1 }));
        let next = written(|writer| {
            let list = writer.begin_timers();
            writer.end_timers(list, 1 << 31);
        });
        let id = i32::MIN;
        assert_eq!(next, Some(Refusal::BadId { off: 64, id }));
    }

    #[test]
    fn a_timer_that_notifies_as_none_can_is_refused() {
        let off = FIRST_ENTRY;
        let with = |notify, notify_tid| {
            timer_with(ARMED, |timer| {
                timer.notify = notify;
                timer.notify_tid = notify_tid;
            })
        };
        let refusal = |notify| Some(Refusal::BadNotify { off, notify });
        for notify in [0, 1, 2, 4] {
            assert_eq!(with(notify, 0), None);
        }
        assert_eq!(with(4, 7), None);
        for notify in [3, 5, 6, u32::MAX] {
            assert_eq!(with(notify, 0), refusal(notify));
        }
        assert_eq!(with(0, 7), refusal(0));
        assert_eq!(with(4, -7), refusal(4));
        for signo in [0, 65] {
            let refused = timer_with(ARMED, |timer| timer.signo = signo);
            assert_eq!(refused, Some(Refusal::BadSigno { off, signo }));
            let silent = timer_with(ARMED, |timer| {
                timer.signo = signo;
                timer.notify = SIGEV_NONE;
            });
            assert_eq!(silent, None);
        }
    }

    #[test]
    fn a_timer_is_in_one_state() {
        let off = FIRST_ENTRY;
        let refusal = |flags| Some(Refusal::BadTimerFlags { off, flags });
        for flags in [ARMED, WAITS, IGNORED] {
            assert_eq!(timer_with(flags, |_| ()), None);
        }
        for flags in [ARMED | WAITS, ARMED | IGNORED, WAITS | IGNORED, 0x10] {
            assert_eq!(timer_with(flags, |_| ()), refusal(flags));
        }
        let one_shot = |timer: &mut Timer| (timer.interval_ns, timer.remaining_ns) = (0, 0);
        assert_eq!(timer_with(WAITS, one_shot), None);
        assert_eq!(timer_with(IGNORED, one_shot), refusal(IGNORED));
        for flags in [WAITS, IGNORED] {
            let silent = timer_with(flags, |timer| timer.notify = SIGEV_NONE);
            assert_eq!(silent, refusal(flags));
        }
        // Absolute is known of a timer of CLOCK_REALTIME that runs.
        let absolute = |flags, clock_id| {
            timer_with(flags, |timer| {
                timer.clock_id = clock_id;
                timer.expires_ns = 5;
            })
        };
        assert_eq!(absolute(ARMED | ABSTIME, 0), None);
        assert_eq!(absolute(ARMED | ABSTIME, 1), refusal(ARMED | ABSTIME));
        assert_eq!(absolute(WAITS | ABSTIME, 0), refusal(WAITS | ABSTIME));
        let time_ns = 5;
        let relative = Refusal::BadTime { off, time_ns };
        assert_eq!(absolute(ARMED, 0), Some(relative));
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let off = FIRST_ENTRY;
        let refusal = |time_ns| Some(Refusal::BadTime { off, time_ns });
        let too_long = 1 << 63;
        let interval = timer_with(ARMED, |timer| timer.interval_ns = too_long);
        assert_eq!(interval, refusal(too_long));
        let remaining = timer_with(ARMED, |timer| timer.remaining_ns = too_long);
        assert_eq!(remaining, refusal(too_long));
        let longest = timer_with(ARMED, |timer| timer.remaining_ns = too_long - 1);
        assert_eq!(longest, None);
        let expired = |timer: &mut Timer| timer.remaining_ns = 0;
        assert_eq!(timer_with(ARMED, expired), refusal(0));
        let silent = timer_with(ARMED, |timer| {
            timer.remaining_ns = 0;
            timer.notify = SIGEV_NONE;
        });
        assert_eq!(silent, None);
        assert_eq!(timer_with(WAITS, expired), refusal(0));
        assert_eq!(timer_with(0, |_| ()), refusal(500));
        // One that does not run has neither.
        assert_eq!(timer_with(0, expired), refusal(0));
        let stopped = timer_with(0, |timer| (timer.interval_ns, timer.remaining_ns) = (0, 0));
        assert_eq!(stopped, None);
        let overrun = timer_with(ARMED, |timer| timer.overrun = -2);
        assert_eq!(overrun, Some(Refusal::BadOverrun { off, overrun: -2 }));
        let overrun = timer_with(ARMED, |timer| timer.overrun_last = -2);
        assert_eq!(overrun, Some(Refusal::BadOverrun { off, overrun: -2 }));
        let itimers = |flags, remaining_ns, interval_ns| {
            written(|writer| {
                let real = Itimer {
                    remaining_ns,
                    interval_ns,
                };
                writer.itimers(&Itimers {
                    section: head(flags),
                    real,
                    virt: real,
                    prof: real,
                });
            })
        };
        let expired = abi::SIGCR_ITIMERS_REAL_EXPIRED;
        assert_eq!(itimers(0, 5, 0), None);
        assert_eq!(itimers(expired, 0, 5), None);
        let off = 64;
        let refusal = |time_ns| Some(Refusal::BadTime { off, time_ns });
        assert_eq!(itimers(0, 0, too_long), refusal(too_long));
        assert_eq!(itimers(expired, 5, 5), refusal(5));
        assert_eq!(itimers(expired, 0, 0), refusal(0));
        let flags = 2;
        let unknown = Refusal::UnknownSectionFlags { off, flags };
        assert_eq!(itimers(flags, 5, 0), Some(unknown));
    }

    #[test]
    fn entries_of_timers_and_timers_that_are_pending_belong_together() {
        let waiting = timer(3, WAITS);
        let set = sigset_of(SIGTERM);
        let off = FIRST_ENTRY + 8;
        let timer_id = 3;
        let refusal = |tid, entry: Entry, timer: Timer| {
            not_restorable(|writer| {
                if tid == 0 {
                    queue(writer, 0, set | sigset_of(SIGHUP), &[entry]);
                }
                timers(writer, &[timer]);
                if tid != 0 {
                    queue(writer, tid, set, &[entry]);
                }
            })
        };
        let entry = timer_entry(&waiting);
        assert_eq!(refusal(0, entry, waiting), None);
        let mismatch = Some(Refusal::TimerEntryMismatch { off, timer_id });
        // Not pending; another signal, another code; the queue of a thread.
        assert_eq!(refusal(0, entry, timer(3, ARMED)), mismatch);
        let other = Timer {
            signo: SIGHUP,
            ..waiting
        };
        assert_eq!(refusal(0, entry, other), mismatch);
        let mut sent = entry;
        put(&mut sent.siginfo, 8, -1_i32);
        assert_eq!(refusal(0, sent, waiting), mismatch);
        let off = FIRST_ENTRY + Timer::LEN + 40;
        let elsewhere = Some(Refusal::TimerEntryMismatch { off, timer_id });
        assert_eq!(refusal(9, entry, waiting), elsewhere);
        let to_thread = Timer {
            notify: SIGEV_THREAD_ID,
            notify_tid: 9,
            ..waiting
        };
        assert_eq!(refusal(9, entry, to_thread), None);
        // One more, one fewer.
        let off = 64 + 40;
        let lone = not_restorable(|writer| {
            queue(writer, 0, set, &[]);
            timers(writer, &[waiting]);
        });
        let (seen, pending) = (0, 1);
        let count = |seen, pending| Some(Refusal::TimerEntryCount { off, seen, pending });
        assert_eq!(lone, count(seen, pending));
        let off = off + 2 * Entry::LEN;
        let twice = not_restorable(|writer| {
            queue(writer, 0, set, &[entry, entry]);
            timers(writer, &[waiting]);
        });
        let (seen, pending) = (2, 1);
        let expected = Refusal::TimerEntryCount { off, seen, pending };
        assert_eq!(twice, Some(expected));
    }

    #[test]
    fn a_signal_in_flight_can_be_read_and_not_restored() {
        let inflight = |signo| Inflight {
            section: head(0),
            tid: 7,
            reserved: 0,
            siginfo: entry(signo).siginfo,
        };
        let off = 64;
        let in_flight = Refusal::InFlight { off, tid: 7 };
        let refusal = not_restorable(|writer| writer.inflight(&inflight(SIGTERM)));
        assert_eq!(refusal, Some(in_flight));
        let signo = 65;
        let refusal = written(|writer| writer.inflight(&inflight(signo)));
        assert_eq!(refusal, Some(Refusal::BadSigno { off, signo }));
        let refusal = written(|writer| writer.inflight(&inflight(SIGKILL)));
        assert_eq!(refusal, Some(Refusal::KillPending { off }));
        let order = written(|writer| {
            writer.inflight(&inflight(SIGTERM));
            queue(writer, 7, 0, &[]);
        });
        let section_type = abi::SIGCR_SECTION_PENDING;
        let off = 64 + Inflight::LEN;
        assert_eq!(order, Some(Refusal::SectionOrder { off, section_type }));
    }

    #[test]
    fn signalfds_that_cannot_be_are_refused() {
        let refusal = |entries: [(i32, u32, u64); 2]| {
            written(|writer| {
                let mut list = writer.begin_signalfds();
                for (fd, flags, mask) in entries {
                    writer.signalfd(&mut list, &Signalfd { fd, flags, mask });
                }
                writer.end_signalfds(list);
            })
        };
        let flags = SFD_NONBLOCK | SFD_CLOEXEC;
        assert_eq!(refusal([(3, flags, !UNBLOCKABLE), (4, 0, 0)]), None);
        let off = FIRST_ENTRY + Signalfd::LEN;
        let bad_id = |id| Some(Refusal::BadId { off, id });
        assert_eq!(refusal([(3, 0, 0), (3, 0, 0)]), bad_id(3));
        assert_eq!(refusal([(3, 0, 0), (2, 0, 0)]), bad_id(2));
        let flags = 1;
        let unknown = Refusal::UnknownSignalfdFlags { off, flags };
        assert_eq!(refusal([(3, 0, 0), (4, 1, 0)]), Some(unknown));
        let set = sigset_of(SIGKILL);
        let unblockable = Refusal::UnblockableBlocked { off, set };
        assert_eq!(refusal([(3, 0, 0), (4, 0, set)]), Some(unblockable));
    }

    #[test]
    fn waiters_come_last_and_wait_for_somebody() {
        let waiters = |writer: &mut Writer<SliceSink<'_>>, entries: &[(i32, u32, i32)]| {
            let mut list = writer.begin_waiters();
            for &(tid, id_type, id) in entries {
                let options = 4;
                let waiter = Waiter {
                    tid,
                    id_type,
                    id,
                    options,
                };
                writer.waiter(&mut list, &waiter);
            }
            writer.end_waiters(list);
        };
        let last = written(|writer| {
            writer.thread(&thread(1, 0));
            waiters(writer, &[(1, 0, 0), (1, 1, 5), (2, 2, 5)]);
        });
        assert_eq!(last, None);
        let first = written(|writer| {
            waiters(writer, &[]);
            writer.thread(&thread(1, 0));
        });
        let section_type = abi::SIGCR_SECTION_THREAD;
        let off = 64 + 32;
        assert_eq!(first, Some(Refusal::SectionOrder { off, section_type }));
        let refusal =
            |tid, id_type, id| written(|writer| waiters(writer, &[(2, 0, 0), (tid, id_type, id)]));
        let off = FIRST_ENTRY + Waiter::LEN;
        assert_eq!(refusal(1, 0, 0), Some(Refusal::BadId { off, id: 1 }));
        let bad = |id_type| Some(Refusal::BadWaiter { off, id_type });
        assert_eq!(refusal(2, 3, 0), bad(3));
        assert_eq!(refusal(2, 0, 5), bad(0));
        assert_eq!(refusal(2, 1, -5), bad(1));
    }
}
