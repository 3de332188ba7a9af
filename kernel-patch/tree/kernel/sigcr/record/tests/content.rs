// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of actions, blocked signals, queues and alternate stacks.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_content)
)]
mod tests {
    use super::super::*;

    #[test]
    fn what_is_no_signal_number_is_refused() {
        let refusal = |off, signo| Some(Refusal::BadSigno { off, signo });
        let stop = PROCESS + offset_of!(Process, stop_signo);
        assert_eq!(with(stop, 65_u32), refusal(PROCESS, 65));
        for signo in [0, 65, u32::MAX] {
            assert_eq!(with(ACTION, signo), refusal(ACTION, signo));
            assert_eq!(with(SHARED_ENTRY, signo), refusal(SHARED_ENTRY, signo));
            assert_eq!(with(PENDING_ENTRY, signo), refusal(PENDING_ENTRY, signo));
        }
        assert_eq!(with(stop, 0_u32), None);
        let exit = PROCESS + offset_of!(Process, exit_signo);
        assert_eq!(with(exit, 65_u32), refusal(PROCESS, 65));
        assert_eq!(with(exit, 0_u32), None);
        let pdeath = THREAD + offset_of!(Thread, pdeath_signo);
        assert_eq!(with(pdeath, 65_u32), refusal(THREAD, 65));
        assert_eq!(with(pdeath, 0_u32), None);
    }

    #[test]
    fn actions_twice_or_out_of_order_are_refused() {
        let off = ACTION + Action::LEN;
        let refusal = |signo| Some(Refusal::ActionOrder { off, signo });
        assert_eq!(with(off, SIGHUP), refusal(SIGHUP));
        let swapped = faulty(|record| {
            put(record, ACTION, SIGUSR1);
            put(record, off, SIGHUP);
        });
        assert_eq!(swapped, refusal(SIGHUP));
    }

    #[test]
    fn kill_and_stop_cannot_have_an_action() {
        let off = ACTION + Action::LEN;
        for signo in [SIGKILL, SIGSTOP] {
            assert_eq!(
                with(off, signo),
                Some(Refusal::ActionForbidden { off, signo })
            );
        }
    }

    #[test]
    fn action_flags_that_are_not_stored_are_refused() {
        let off = ACTION;
        // SA_UNSUPPORTED, SA_IMMUTABLE, and what an int cannot hold.
        for flags in [0x400_u64, 0x0080_0000, 1 << 32] {
            let refusal = Refusal::UnknownActionFlags { off, flags };
            assert_eq!(with(off + offset_of!(Action, flags), flags), Some(refusal));
        }
    }

    #[test]
    fn an_abi_that_the_architecture_lacks_is_refused() {
        let off = ACTION;
        let at = off + offset_of!(Action, abi);
        let abi = ABI_MAX + 1;
        assert_eq!(with(at, abi), Some(Refusal::UnknownAbi { off, abi }));
        assert_eq!(with(at, ABI_MAX), None);
    }

    #[test]
    fn kill_and_stop_cannot_be_blocked() {
        for signo in [SIGKILL, SIGSTOP] {
            let set = sigset_of(signo);
            for (off, at) in [
                (THREAD, THREAD + offset_of!(Thread, blocked)),
                (ACTION, ACTION + offset_of!(Action, mask)),
            ] {
                let refusal = Refusal::UnblockableBlocked { off, set };
                assert_eq!(with(at, set), Some(refusal));
            }
        }
    }

    #[test]
    fn kill_cannot_be_pending() {
        for off in [SHARED, PENDING] {
            let refusal = with(off + SET_OFF, sigset_of(SIGKILL));
            assert_eq!(refusal, Some(Refusal::KillPending { off }));
        }
    }

    #[test]
    fn a_signal_that_is_queued_and_not_in_the_set_is_refused() {
        let off = PENDING_ENTRY;
        let refusal = Refusal::EntryNotInSet { off, signo: 33 };
        assert_eq!(with(PENDING + SET_OFF, 0_u64), Some(refusal));
    }

    #[test]
    fn a_legacy_signal_cannot_be_queued_twice_and_a_realtime_signal_can() {
        let twice = |signo| {
            written(|writer| {
                let entries = [entry(signo), entry(signo)];
                queue(writer, 0, sigset_of(signo), &entries);
            })
        };
        let off = 64 + 40 + Entry::LEN;
        let refusal = Refusal::LegacyTwice { off, signo: 31 };
        assert_eq!(twice(31), Some(refusal));
        assert_eq!(twice(32), None);
        // Once in each of two queues is another matter.
        let in_two_queues = written(|writer| {
            queue(writer, 0, sigset_of(SIGTERM), &[entry(SIGTERM)]);
            queue(writer, 1, sigset_of(SIGTERM), &[entry(SIGTERM)]);
        });
        assert_eq!(in_two_queues, None);
    }

    #[test]
    fn a_legacy_signal_of_timers_can_be_queued_twice() {
        let mut timer = entry(SIGTERM);
        timer.flags = abi::SIGCR_ENTRY_TIMER;
        let entries = [timer, timer, entry(SIGTERM)];
        let refusal = written(|writer| queue(writer, 0, sigset_of(SIGTERM), &entries));
        assert_eq!(refusal, None);
    }

    #[test]
    fn continue_and_a_stop_signal_can_be_read_and_not_restored() {
        for stop in 19..=22 {
            let set = sigset_of(SIGCONT) | sigset_of(stop);
            let in_one_queue = not_restorable(|writer| queue(writer, 1, set, &[]));
            assert_eq!(in_one_queue, Some(Refusal::ContinueAndStop { off: 64 }));
            let in_two_queues = not_restorable(|writer| {
                queue(writer, 1, sigset_of(stop), &[]);
                queue(writer, 2, sigset_of(SIGCONT), &[]);
            });
            let off = 64 + 40;
            assert_eq!(in_two_queues, Some(Refusal::ContinueAndStop { off }));
        }
        let set = !(1 << (SIGKILL - 1) | STOP_SIGNALS);
        let others = not_restorable(|writer| queue(writer, 1, set, &[]));
        assert_eq!(others, None);
    }

    #[test]
    fn unknown_entry_flags_are_refused() {
        let off = SHARED_ENTRY;
        let refusal = with(off + offset_of!(Entry, flags), 2_u32);
        assert_eq!(refusal, Some(Refusal::UnknownEntryFlags { off, flags: 2 }));
    }

    #[test]
    fn unknown_altstack_flags_are_refused() {
        let off = ALTSTACK;
        for ss_flags in [1_u32, 4, 1 << 30] {
            let refusal = Refusal::UnknownAltstackFlags { off, ss_flags };
            let at = off + offset_of!(Altstack, ss_flags);
            assert_eq!(with(at, ss_flags), Some(refusal));
        }
    }

    #[test]
    fn an_altstack_that_cannot_be_is_refused() {
        let with_altstack = |ss_flags, sp, size| {
            let altstack = Altstack {
                ss_flags,
                sp,
                size,
                ..altstack(1)
            };
            written(|writer| writer.altstack(&altstack))
        };
        let off = Header::LEN;
        let refusal = |sp, size| Some(Refusal::BadAltstack { off, sp, size });
        let min = ALTSTACK_SIZE_MIN;
        assert_eq!(with_altstack(0, 0x1000, min), None);
        assert_eq!(with_altstack(0, 0x1000, min - 1), refusal(0x1000, min - 1));
        // sigaltstack(2) does not look at the address.
        assert_eq!(with_altstack(0, u64::MAX, min), None);
        for ss_flags in [SS_DISABLE, SS_DISABLE | SS_AUTODISARM] {
            assert_eq!(with_altstack(ss_flags, 0, 0), None);
            assert_eq!(with_altstack(ss_flags, 1, 0), refusal(1, 0));
            assert_eq!(with_altstack(ss_flags, 0, min), refusal(0, min));
        }
    }

    #[test]
    fn reserved_codes_are_those_of_the_kernel() {
        let reserved = |code: i32| {
            let mut entry = entry(SIGTERM);
            put(&mut entry.siginfo, 8, code);
            entry.has_reserved_code()
        };
        // SI_USER, SI_KERNEL, SI_TKILL; SI_QUEUE, SI_TIMER.
        assert!(reserved(0) && reserved(0x80) && reserved(entry::SI_TKILL));
        assert!(!reserved(-1) && !reserved(-2));
    }
}
