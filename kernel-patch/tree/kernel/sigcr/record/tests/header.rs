// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of the header: lengths, version, checksum, architecture.

#[cfg_attr(
    CONFIG_SIGCR_KUNIT_TEST,
    kernel::macros::kunit_tests(sigcr_record_header)
)]
mod tests {
    use super::super::*;

    #[test]
    fn short_buffer_is_refused_as_too_short() {
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let refusal = |bytes| Record::decode(bytes).err();
        assert_eq!(refusal(&buf[..63]), Some(Refusal::TooShort { len: 63 }));
        assert_eq!(refusal(&[]), Some(Refusal::TooShort { len: 0 }));
    }

    #[test]
    fn a_record_over_the_limit_is_refused_before_it_is_read() {
        let max = abi::SIGCR_RECORD_LEN_MAX as usize;
        let refusal = check_header(&[], max + 1).err();
        assert_eq!(refusal, Some(Refusal::TooLong { len: max + 1 }));
        let refusal = check_header(&[], max).err();
        assert_eq!(refusal, Some(Refusal::TooShort { len: 0 }));
    }

    #[test]
    fn other_first_bytes_are_refused_as_bad_magic() {
        assert_eq!(with(0, 7_u32), Some(Refusal::BadMagic { magic: 7 }));
    }

    #[test]
    fn swapped_magic_is_refused_as_foreign_byte_order() {
        let magic = abi::SIGCR_MAGIC.swap_bytes();
        assert_eq!(with(0, magic), Some(Refusal::ForeignByteOrder));
    }

    #[test]
    fn other_versions_are_refused_as_unsupported() {
        const OFF: usize = offset_of!(Header, version);
        let refusal = |version| Some(Refusal::UnsupportedVersion { version });
        assert_eq!(with(OFF, 0_u32), refusal(0));
        assert_eq!(with(OFF, 2_u32), refusal(2));
    }

    #[test]
    fn impossible_header_lengths_are_refused() {
        const OFF: usize = offset_of!(Header, header_len);
        let refusal = |header_len| Some(Refusal::BadHeaderLen { header_len });
        assert_eq!(with(OFF, 56_u32), refusal(56));
        assert_eq!(with(OFF, 68_u32), refusal(68));
        assert_eq!(with(OFF, END as u32 + 8), refusal(END as u32 + 8));
        assert_eq!(with(OFF, u32::MAX - 7), refusal(u32::MAX - 7));
    }

    #[test]
    fn header_over_its_limit_is_refused() {
        // A header alone that claims more than a header may have; the rest need not be there.
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let len = abi::SIGCR_HEADER_LEN_MAX + 8;
        put(&mut buf, offset_of!(Header, header_len), len);
        put(&mut buf, offset_of!(Header, total_len), u64::from(len));
        let refusal = check_header(&buf, len as usize).err();
        assert_eq!(refusal, Some(Refusal::BadHeaderLen { header_len: len }));
    }

    #[test]
    fn bytes_that_are_missing_or_follow_are_refused_as_length_mismatch() {
        let mut buf = [0; BUF_LEN];
        sample(&mut buf);
        let refusal = |len: usize| Record::decode(&buf[..len]).err();
        let mismatch = |len| {
            let total_len = END as u64;
            Some(Refusal::LengthMismatch { total_len, len })
        };
        assert_eq!(refusal(END - 1), mismatch(END - 1));
        assert_eq!(refusal(END + 1), mismatch(END + 1));
        assert_eq!(refusal(64), mismatch(64));
    }

    #[test]
    fn every_changed_byte_is_refused_for_its_checksum_or_before() {
        let mut buf = [0; BUF_LEN];
        let len = sample(&mut buf);
        let mut unnoticed = 0;
        let mut by_checksum = 0;
        for off in 0..len {
            buf[off] ^= 0xff;
            match Record::decode(&buf[..len]) {
                Ok(_) => unnoticed += 1,
                Err(Refusal::BadChecksum { .. }) => by_checksum += 1,
                Err(_) => {}
            }
            buf[off] ^= 0xff;
        }
        assert_eq!(unnoticed, 0);
        // All but magic, version and the two lengths, which come first.
        assert_eq!(by_checksum, len - 4 - 4 - 4 - 8);
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of the catalogue; then the field itself, which counts as zeroes.
        assert_eq!(crc32c_append(0, b"123456789"), 0xe306_9283);
        let mut bytes = [0x41; 24];
        let all = checksum(&bytes);
        put(&mut bytes, offset_of!(Header, crc32c), 0_u32);
        assert_eq!(checksum(&bytes), all);
        assert_eq!(crc32c_append(0, &bytes), all);
    }

    #[test]
    fn another_architecture_is_refused() {
        let refusal = with(offset_of!(Header, arch), !ARCH);
        assert_eq!(refusal, Some(Refusal::UnsupportedArch { arch: !ARCH }));
    }

    #[test]
    fn unknown_record_flags_are_refused() {
        let refusal = with(offset_of!(Header, flags), 0x11_u32);
        assert_eq!(refusal, Some(Refusal::UnknownRecordFlags { flags: 0x11 }));
    }

    #[test]
    fn impossible_process_is_refused() {
        let refusal = |tgid, thread_count| Some(Refusal::BadProcess { tgid, thread_count });
        assert_eq!(with(offset_of!(Header, tgid), 0_i32), refusal(0, 2));
        assert_eq!(with(offset_of!(Header, tgid), -1_i32), refusal(-1, 2));
        assert_eq!(
            with(offset_of!(Header, thread_count), 0_u32),
            refusal(100, 0)
        );
    }

    #[test]
    fn each_class_of_refusals_has_its_members() {
        let class = |refusal: Refusal| refusal.class();
        let len = 0;
        let off = 0;
        assert!(class(Refusal::TooLong { len }) == RefusalClass::TooBig);
        let (stored, computed) = (0, 1);
        let checksum = Refusal::BadChecksum { stored, computed };
        assert!(class(checksum) == RefusalClass::Checksum);
        let section_type = 0;
        let section = Refusal::UnknownMandatorySection { off, section_type };
        for unsupported in [
            Refusal::ForeignByteOrder,
            Refusal::UnsupportedVersion { version: 2 },
            Refusal::UnsupportedArch { arch: 0 },
            section,
        ] {
            assert!(class(unsupported) == RefusalClass::Unsupported);
        }
        assert!(class(Refusal::TooShort { len }) == RefusalClass::Invalid);
        assert!(class(Refusal::KillPending { off }) == RefusalClass::Invalid);
    }
}
