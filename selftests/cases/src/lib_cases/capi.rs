// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The C functions, called as a C program calls them, and by them the kernel's own refusals.

use std::ffi::{c_char, c_int, c_long, c_uint, c_void, CStr};
use std::os::fd::AsRawFd;

use anyhow::ensure;
use sigcr::Errno;

use super::{busy_plan, take};
use crate::compare::same;
use crate::subject::{Plan, Subject};
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    the_c_functions_take_and_restore_a_record,
    a_buffer_that_is_too_small_is_refused_and_not_written_to,
    the_kernel_itself_refuses_what_is_not_a_record,
    status_and_check_answer_with_a_number_and_in_words,
    a_record_in_new_memory_is_of_the_version_that_is_asked_for,
];

extern "C" {
    fn sigckpt(pidfd: c_int, record: *mut c_void, size: usize, flags: c_uint) -> c_long;
    fn sigrestore(pidfd: c_int, record: *const c_void, size: usize, flags: c_uint) -> c_long;
    fn sigcr_checkpoint_alloc(pidfd: c_int, record: *mut *mut c_void, flags: c_uint) -> isize;
    fn sigcr_free(record: *mut c_void);
    fn sigcr_status(version: *mut c_uint) -> c_int;
    fn sigcr_check(record: *const c_void, size: usize, why: *mut c_char, why_size: usize) -> c_int;
}

/// sigckpt(2) as it is, into a buffer; returns the length.
pub(crate) fn checkpoint_c(pidfd: c_int, buffer: &mut [u8], flags: u32) -> Result<usize, Errno> {
    // SAFETY: the buffer has room for as many bytes as the call is told.
    let ret = unsafe { sigckpt(pidfd, buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    Errno::result(ret).map(|len| len as usize)
}

fn restore_c(pidfd: c_int, record: &[u8], flags: u32) -> Result<(), Errno> {
    // SAFETY: the record has as many bytes as the call is told, and is only read.
    let ret = unsafe { sigrestore(pidfd, record.as_ptr().cast(), record.len(), flags) };
    Errno::result(ret).map(drop)
}

fn the_c_functions_take_and_restore_a_record() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::stopped(&plan)?;
    let pidfd = subject.pidfd()?;
    // SAFETY: without a buffer nothing is written.
    let len = unsafe { sigckpt(pidfd.as_raw_fd(), std::ptr::null_mut(), 0, 0) };
    let mut buffer = vec![0; usize::try_from(len)?];
    let written = checkpoint_c(pidfd.as_raw_fd(), &mut buffer, 0)?;
    ensure!(written == buffer.len(), "{written} of {len} bytes");
    let record = take(&subject)?;
    ensure!(record.as_bytes() == buffer, "not the record of the library");
    restore_c(pidfd.as_raw_fd(), &buffer, 0)?;
    ensure!(
        take(&subject)?.as_bytes() == buffer,
        "the restored record has changed the state"
    );
    Ok(())
}

fn a_buffer_that_is_too_small_is_refused_and_not_written_to() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let pidfd = subject.pidfd()?;
    let len = take(&subject)?.as_bytes().len();
    for size in [1, 63, 64, len - 1] {
        let mut buffer = vec![0xa5; size];
        let result = checkpoint_c(pidfd.as_raw_fd(), &mut buffer, 0);
        ensure!(result == Err(Errno::ERANGE), "{size} bytes: {result:?}");
        ensure!(
            buffer.iter().all(|&byte| byte == 0xa5),
            "{size} bytes: the buffer was written to"
        );
    }
    Ok(())
}

fn the_kernel_itself_refuses_what_is_not_a_record() -> anyhow::Result<()> {
    let record = take(&Subject::stopped(&busy_plan())?)?.into_bytes();
    let fresh = Subject::stopped(&Plan::empty(2))?;
    let pidfd = fresh.pidfd()?;
    let before = take(&fresh)?.to_model();
    let spoilt = |off: usize, value: u8| {
        let mut bytes = record.clone();
        bytes[off] = value;
        bytes
    };
    let cases: [(&str, Vec<u8>, Errno); 6] = [
        ("nothing", Vec::new(), Errno::EINVAL),
        ("a header cut short", record[..63].to_vec(), Errno::EINVAL),
        (
            "a record cut short",
            record[..record.len() - 8].to_vec(),
            Errno::EINVAL,
        ),
        ("another magic", spoilt(1, 0), Errno::EINVAL),
        ("another version", spoilt(4, 9), Errno::EOPNOTSUPP),
        (
            "a flipped byte",
            spoilt(record.len() - 1, 0x55),
            Errno::EBADMSG,
        ),
    ];
    for (what, bytes, errno) in cases {
        let result = restore_c(pidfd.as_raw_fd(), &bytes, 0);
        ensure!(result == Err(errno), "{what}: {result:?}, not {errno}");
    }
    let result = restore_c(pidfd.as_raw_fd(), &record, 1 << 31);
    ensure!(result == Err(Errno::EINVAL), "an unknown flag: {result:?}");
    let result = checkpoint_c(pidfd.as_raw_fd(), &mut [], 9 << 24);
    ensure!(
        result == Err(Errno::EOPNOTSUPP),
        "version 9 of a record: {result:?}"
    );
    same("the state", &before, &take(&fresh)?.to_model())
}

fn status_and_check_answer_with_a_number_and_in_words() -> anyhow::Result<()> {
    let mut version = 0;
    // SAFETY: the number is written to a local variable.
    Errno::result(unsafe { sigcr_status(&mut version) })?;
    ensure!(version == 1, "version {version}");

    let mut record = take(&Subject::stopped(&busy_plan())?)?.into_bytes();
    let (answer, why) = check_c(&record)?;
    ensure!(answer == Ok(()) && why.is_empty(), "{answer:?}: {why:?}");
    record[40] ^= 1;
    let (answer, why) = check_c(&record)?;
    ensure!(
        answer == Err(Errno::EBADMSG) && why.contains("checksum"),
        "{answer:?}: {why:?}"
    );
    Ok(())
}

fn a_record_in_new_memory_is_of_the_version_that_is_asked_for() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let pidfd = subject.pidfd()?;
    let take_c = |version: u32| {
        let mut record = std::ptr::null_mut();
        // SAFETY: the address of the record is written to a local variable.
        let ret = unsafe { sigcr_checkpoint_alloc(pidfd.as_raw_fd(), &mut record, version << 24) };
        Errno::result(ret).map(|len| {
            // SAFETY: the record has as many bytes as was returned.
            let bytes = unsafe { std::slice::from_raw_parts(record.cast::<u8>(), len as usize) };
            let bytes = bytes.to_vec();
            // SAFETY: it was made by the call above, and is not used any more.
            unsafe { sigcr_free(record) };
            bytes
        })
    };
    let record = take(&subject)?;
    for version in [0, 1] {
        let bytes = take_c(version)?;
        ensure!(record.as_bytes() == bytes, "{version}: another record");
    }
    let newer = take_c(2);
    ensure!(newer == Err(Errno::EOPNOTSUPP), "{newer:?}");
    Ok(())
}

fn check_c(record: &[u8]) -> anyhow::Result<(Result<(), Errno>, String)> {
    let mut why = [0u8; 200];
    let (start, size) = (record.as_ptr().cast(), record.len());
    // SAFETY: both buffers have as many bytes as the call is told.
    let ret = unsafe { sigcr_check(start, size, why.as_mut_ptr().cast(), why.len()) };
    let answer = Errno::result(ret).map(drop);
    let words = CStr::from_bytes_until_nul(&why)?.to_str()?;
    Ok((answer, words.to_owned()))
}
