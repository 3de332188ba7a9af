// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of the encoder.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_encode)
)]
mod tests {
    use super::super::*;

    #[test]
    fn a_record_decodes_to_what_was_encoded() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        assert_eq!(len, END);
        let record = Record::decode(&buf[..len]).ok();
        assert!(record.is_some());
        let Some(record) = record else { return };
        let header = record.header();
        assert_eq!(header.total_len, END as u64);
        assert_eq!(header.section_count, 7);
        assert_eq!(header.thread_count, 2);
        assert_eq!(header.tgid, 100);
        assert_eq!(header.arch, ARCH);
        assert!(record.check_restorable().is_ok());
        let process = record.process();
        assert_eq!(process.map(|process| process.stop_signo), Some(SIGSTOP));
        assert_eq!(process.map(|process| process.start_boottime_ns), Some(5));
        let mut signals = record.actions().into_iter().flat_map(|list| list.iter());
        assert_eq!(signals.next().map(|action| action.signo), Some(SIGHUP));
        let second = signals.next();
        assert_eq!(second.map(|action| action.signo), Some(SIGUSR1));
        assert_eq!(second.map(|action| action.handler), Some(0x1000));
        assert_eq!(second.map(|action| action.restorer), Some(0x2000));
        assert!(signals.next().is_none());
        let shared = record.shared_pending();
        assert_eq!(shared.map(|queue| queue.entry_count()), Some(2));
        let mut entries = shared.into_iter().flat_map(|queue| queue.entries());
        let first = entries.next();
        assert_eq!(
            first.map(|first| first.siginfo),
            Some(entry(SIGTERM).siginfo)
        );
        assert_eq!(entries.next().map(|entry| entry.signo()), Some(40));
    }

    #[test]
    fn the_writer_measures_without_a_buffer() {
        assert_eq!(sample(&mut []), END);
    }

    #[test]
    fn the_writer_fills_a_buffer_of_the_exact_length() {
        let mut buf = [0xee; END + 1];
        assert_eq!(sample(&mut buf[..END]), END);
        assert!(Record::decode(&buf[..END]).is_ok());
        assert_eq!(buf[END], 0xee);
    }

    #[test]
    fn the_writer_says_what_does_not_fit_and_stays_in_its_buffer() {
        for room in [0, 1, Header::LEN, 95, 96, SHARED + 8, END - 1] {
            let mut buf = [0xee; BUF_LEN];
            let mut writer = Writer::new(&mut buf[..room]);
            writer.thread(&thread(1, 0));
            assert_eq!(writer.written_len(), Header::LEN + Thread::LEN);
            assert_eq!(writer.fits(), room >= Header::LEN + Thread::LEN);
            assert_eq!(sample(&mut buf[..room]), END);
            assert!(buf[room..].iter().all(|byte| *byte == 0xee));
            assert!(Record::decode(&buf[..room]).is_err());
        }
    }
}
