// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The C interface: `include/sigcr.h`, by the C library's conventions.
//!
//! Each function checks and converts its arguments, calls the safe interface, and converts back.
//! A panic does not reach the caller: it becomes the errno `ENOTRECOVERABLE`.
#![allow(unsafe_code)]

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_int, c_long, c_uint, c_void},
    os::fd::BorrowedFd,
    panic::{catch_unwind, AssertUnwindSafe},
    ptr, slice,
};

use crate::{
    abi, checkpoint_version, ptrace, status, stop::Stopped, syscall, CheckpointFlags, Errno, Error,
    Parts, Snapshot, Status, Target, RECORD_VERSION,
};

/// sigckpt(2).
///
/// # Safety
///
/// `record` points to `size` bytes that may be written, or is what the kernel is to refuse.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigckpt(
    pidfd: c_int,
    record: *mut c_void,
    size: usize,
    flags: c_uint,
) -> c_long {
    // SAFETY: The kernel writes at most `size` bytes at `record`, which by contract it may.
    unsafe { libc::syscall(abi::SIGCR_NR_SIGCKPT.into(), pidfd, record, size, flags) }
}

/// sigrestore(2).
///
/// # Safety
///
/// The handlers and stacks of a record that is restored into the caller's own process are good
/// addresses there.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigrestore(
    pidfd: c_int,
    record: *const c_void,
    size: usize,
    flags: c_uint,
) -> c_long {
    // SAFETY: The kernel only reads, and checks the addresses itself.
    unsafe { libc::syscall(abi::SIGCR_NR_SIGRESTORE.into(), pidfd, record, size, flags) }
}

/// Whether the kernel has the calls.
///
/// # Safety
///
/// `version` is null, or a number can be written there.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_status(version: *mut c_uint) -> c_int {
    let (newest, answer) = match guarded(|| Ok(status())) {
        Ok(Status::Available { version }) => (Some(version), Ok(0)),
        Ok(Status::TooOld { version }) => (Some(version), Err(Errno::EOPNOTSUPP)),
        Ok(Status::Missing) => (None, Err(Errno::ENOSYS)),
        Ok(Status::Denied(errno)) | Err(errno) => (None, Err(errno)),
    };
    if let Some(newest) = newest.filter(|_| !version.is_null()) {
        // SAFETY: It is not null, and so by contract a number can be written there.
        unsafe { version.write(newest) };
    }
    by_errno(answer)
}

/// Whether sigrestore(2) would take the record, and in words why not.
///
/// # Safety
///
/// `record` points to `size` bytes, `why` to `why_size` bytes that may be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_check(
    record: *const c_void,
    size: usize,
    why: *mut c_char,
    why_size: usize,
) -> c_int {
    // SAFETY: By contract, `record` is null or points to `size` bytes.
    let bytes = unsafe { bytes_of(record, size) };
    let answer = guarded(|| match decode_restorable(bytes?) {
        Ok(()) => Ok((String::new(), None)),
        Err((errno, words)) => Ok((words, Some(errno))),
    });
    let (words, errno) = answer.unwrap_or_else(|errno| (errno.desc().to_owned(), Some(errno)));
    // SAFETY: By contract, `why` is null or points to `why_size` bytes that may be written.
    unsafe { put_text(&words, why, why_size) };
    by_errno(errno.map_or(Ok(0), Err))
}

/// The record of the target, in new memory.
///
/// # Safety
///
/// `pidfd` is not closed by another thread meanwhile; at `record` a pointer can be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_checkpoint_alloc(
    pidfd: c_int,
    record: *mut *mut c_void,
    flags: c_uint,
) -> isize {
    let bytes = guarded(|| {
        // CAST: What is shifted out of 32 bits leaves 8.
        let version = match (flags >> abi::SIGCKPT_VERSION_SHIFT) as u8 {
            0 => RECORD_VERSION,
            version => version,
        };
        let flags = flags & !abi::SIGCKPT_VERSION_MASK;
        let flags = CheckpointFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        // SAFETY: By contract, nobody closes it while this function runs, and `target` ends before.
        let target = unsafe { target_of(pidfd) }?;
        let snapshot = checkpoint_version(target, flags, version);
        Ok(snapshot.map_err(|error| error.to_errno())?.into_bytes())
    });
    // SAFETY: By contract, `record` is null or a pointer can be written there.
    by_errno(bytes.and_then(|bytes| unsafe { hand_out(&bytes, record) }))
}

/// A copy of a record with other thread ids.
///
/// # Safety
///
/// `record` points to `size` bytes, `from` and `to` to `count` ids each; at `out` a pointer can be
/// written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_remap_alloc(
    record: *const c_void,
    size: usize,
    from: *const libc::pid_t,
    to: *const libc::pid_t,
    count: usize,
    out: *mut *mut c_void,
) -> isize {
    // SAFETY: By contract, each is null or points to as many values as the number beside it says.
    let (bytes, from, to) = unsafe {
        (
            bytes_of(record, size),
            slice_of(from, count),
            slice_of(to, count),
        )
    };
    let copy = guarded(|| {
        let mut model = decode(bytes?)?.to_model();
        let ids: BTreeMap<_, _> = from?.iter().copied().zip(to?.iter().copied()).collect();
        if ids.len() != count {
            // One thread cannot get two ids.
            return Err(Errno::EINVAL);
        }
        model.remap_tids(&ids).map_err(|_| Errno::EINVAL)?;
        model.encode().map_err(|refusal| refusal.to_errno())
    });
    // SAFETY: By contract, `out` is null or a pointer can be written there.
    by_errno(copy.and_then(|copy| unsafe { hand_out(copy.as_bytes(), out) }))
}

/// A copy of a record with only some of its parts.
///
/// # Safety
///
/// `record` points to `size` bytes; at `out` a pointer can be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_keep_alloc(
    record: *const c_void,
    size: usize,
    parts: c_uint,
    out: *mut *mut c_void,
) -> isize {
    // SAFETY: By contract, `record` is null or points to `size` bytes.
    let bytes = unsafe { bytes_of(record, size) };
    let copy = guarded(|| {
        let parts = Parts::from_bits(parts).ok_or(Errno::EINVAL)?;
        let mut model = decode(bytes?)?.to_model();
        model.keep(parts);
        model.encode().map_err(|refusal| refusal.to_errno())
    });
    // SAFETY: By contract, `out` is null or a pointer can be written there.
    by_errno(copy.and_then(|copy| unsafe { hand_out(copy.as_bytes(), out) }))
}

/// A copy of a record with the signals that ptracers hold put back into their queues.
///
/// # Safety
///
/// `record` points to `size` bytes; at `out` a pointer can be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_requeue_alloc(
    record: *const c_void,
    size: usize,
    out: *mut *mut c_void,
) -> isize {
    // SAFETY: By contract, `record` is null or points to `size` bytes.
    let bytes = unsafe { bytes_of(record, size) };
    let copy = guarded(|| {
        let mut model = decode(bytes?)?.to_model();
        model.requeue_inflight();
        model.encode().map_err(|refusal| refusal.to_errno())
    });
    // SAFETY: By contract, `out` is null or a pointer can be written there.
    by_errno(copy.and_then(|copy| unsafe { hand_out(copy.as_bytes(), out) }))
}

/// The record of a process, taken by ptrace(2) into new memory.
///
/// # Safety
///
/// At `record` a pointer can be written; `lost` points to `lost_size` bytes that may be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_ptrace_checkpoint_alloc(
    pid: libc::pid_t,
    record: *mut *mut c_void,
    lost: *mut c_char,
    lost_size: usize,
) -> isize {
    let taken = guarded(|| Ok(Stopped::by_ptrace(pid).and_then(|held| ptrace::checkpoint(&held))));
    // SAFETY: By contract, `lost` is null or points to `lost_size` bytes that may be written.
    let taken = unsafe { by_words(taken, |taken| lines(&taken.not_captured), lost, lost_size) };
    let bytes = taken.map(|taken| taken.snapshot.into_bytes());
    // SAFETY: By contract, `record` is null or a pointer can be written there.
    by_errno(bytes.and_then(|bytes| unsafe { hand_out(&bytes, record) }))
}

/// Restores a record by ptrace(2).
///
/// # Safety
///
/// `record` points to `size` bytes, `lost` to `lost_size` bytes that may be written.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_ptrace_restore(
    pid: libc::pid_t,
    record: *const c_void,
    size: usize,
    flags: c_uint,
    lost: *mut c_char,
    lost_size: usize,
) -> c_int {
    // SAFETY: By contract, `record` is null or points to `size` bytes.
    let bytes = unsafe { bytes_of(record, size) };
    let restored = guarded(|| {
        let flags = ptrace::RestoreFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        let snapshot = Snapshot::from_bytes(bytes?.to_vec()).map_err(Error::from);
        Ok(snapshot.and_then(|snapshot| {
            let held = Stopped::by_ptrace(pid)?;
            ptrace::restore(&held, &snapshot, flags)
        }))
    });
    // SAFETY: By contract, `lost` is null or points to `lost_size` bytes that may be written.
    let restored = unsafe { by_words(restored, |lost| lines(lost), lost, lost_size) };
    by_errno(restored.map(|_| 0))
}

/// Frees what the functions above made.
///
/// # Safety
///
/// `record` is null, or came from one of them and was not freed before.
#[no_mangle]
pub(crate) unsafe extern "C" fn sigcr_free(record: *mut c_void) {
    // SAFETY: It came from malloc(3) in `hand_out`, or is null, which free(3) leaves alone.
    unsafe { libc::free(record) };
}

/// The library's version.
#[no_mangle]
pub(crate) extern "C" fn sigcr_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The boundary that a panic does not cross.
fn guarded<T>(body: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Errno::ENOTRECOVERABLE))
}

/// Puts `words` of what was done, or the reason why it was not, into `lost`; an error becomes its
/// errno.
///
/// # Safety
///
/// `lost` points to `lost_size` bytes that may be written, or is null.
unsafe fn by_words<T>(
    result: Result<Result<T, Error>, Errno>,
    words: impl Fn(&T) -> String,
    lost: *mut c_char,
    lost_size: usize,
) -> Result<T, Errno> {
    let (text, result) = match result {
        Ok(Ok(done)) => (words(&done), Ok(done)),
        // That something was changed has an errno of its own.
        Ok(Err(error @ Error::BrokenOff { .. })) => (error.to_string(), Err(Errno::ECANCELED)),
        Ok(Err(error)) => (error.to_string(), Err(error.to_errno())),
        Err(errno) => (errno.desc().to_owned(), Err(errno)),
    };
    // SAFETY: By contract.
    unsafe { put_text(&text, lost, lost_size) };
    result
}

fn lines(losses: &[impl ToString]) -> String {
    let lines: Vec<_> = losses.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The one place that sets errno.
fn by_errno<T: From<i8>>(result: Result<T, Errno>) -> T {
    result.unwrap_or_else(|errno| {
        errno.set();
        T::from(-1)
    })
}

fn decode(bytes: &[u8]) -> Result<Snapshot, Errno> {
    Snapshot::from_bytes(bytes.to_vec()).map_err(|refusal| refusal.to_errno())
}

fn decode_restorable(bytes: &[u8]) -> Result<(), (Errno, String)> {
    crate::record::Record::decode(bytes)
        .and_then(|record| record.check_restorable())
        .map_err(|refusal| (refusal.to_errno(), refusal.explain(bytes)))
}

/// # Safety
///
/// Unless it is null, `start` points to `size` bytes that stay as they are for `'a`.
unsafe fn bytes_of<'a>(start: *const c_void, size: usize) -> Result<&'a [u8], Errno> {
    // SAFETY: By contract, `start` is null or points to `size` bytes, and any byte is a `u8`.
    unsafe { slice_of(start.cast(), size) }
}

/// # Safety
///
/// Unless it is null, `start` points to `count` aligned values that stay as they are for `'a`.
unsafe fn slice_of<'a, T>(start: *const T, count: usize) -> Result<&'a [T], Errno> {
    if count == 0 {
        return Ok(&[]);
    }
    let fits = count
        .checked_mul(size_of::<T>())
        .is_some_and(|len| isize::try_from(len).is_ok());
    if start.is_null() || !fits {
        return Err(Errno::EFAULT);
    }
    // SAFETY: It is not null, its length in bytes fits in an `isize`, and by contract the values are
    // there.
    Ok(unsafe { slice::from_raw_parts(start, count) })
}

/// The target that a number stands for, as for the calls.
///
/// # Safety
///
/// A descriptor stays open for `'fd`.
unsafe fn target_of<'fd>(pidfd: c_int) -> Result<Target<'fd>, Errno> {
    match pidfd {
        syscall::PIDFD_SELF_THREAD => Ok(Target::OwnThread),
        syscall::PIDFD_SELF_THREAD_GROUP => Ok(Target::OwnProcess),
        // SAFETY: It is not -1, and by contract nobody closes it for `'fd`.
        0.. => Ok(Target::Fd(unsafe { BorrowedFd::borrow_raw(pidfd) })),
        _ => Err(Errno::EBADF),
    }
}

/// Copies `bytes` into memory of malloc(3), and writes its address to `out`. Returns the length.
///
/// # Safety
///
/// `out` is null, or a pointer can be written there.
unsafe fn hand_out(bytes: &[u8], out: *mut *mut c_void) -> Result<isize, Errno> {
    let len = isize::try_from(bytes.len()).map_err(|_| Errno::EOVERFLOW)?;
    if out.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: A record is never empty.
    let copy = unsafe { libc::malloc(bytes.len()) };
    if copy.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: The new memory has that many bytes, and nobody else has it; `out` is not null, and by
    // contract a pointer can be written there.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), copy.cast(), bytes.len());
        out.write(copy);
    }
    Ok(len)
}

/// Writes `text`, as much of it as there is room for, and a null byte.
///
/// # Safety
///
/// `to` points to `size` bytes that may be written, or is null.
unsafe fn put_text(text: &str, to: *mut c_char, size: usize) {
    let Some(room) = size.checked_sub(1).filter(|_| !to.is_null()) else {
        return;
    };
    let len = text.len().min(room);
    // SAFETY: `len` is less than `size`, so that the text and the null byte find room.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, len);
        to.add(len).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_errno() {
        let answer: Result<isize, Errno> = guarded(|| panic!("on purpose"));
        assert_eq!(by_errno(answer), -1);
        assert_eq!(Errno::last(), Errno::ENOTRECOVERABLE);
    }

    #[test]
    fn the_parts_and_flags_have_the_numbers_of_the_header() {
        let header = include_str!("../include/sigcr.h");
        let parts = Parts::all();
        let parts = parts
            .iter_names()
            .map(|(name, part)| ("PART", name, part.bits()));
        let flags = ptrace::RestoreFlags::all();
        let flags = flags
            .iter_names()
            .map(|(name, flag)| ("PTRACE", name, flag.bits()));
        for (kind, name, bits) in parts.chain(flags) {
            let line = format!("#define SIGCR_{kind}_{name}");
            let line = header.lines().find(|l| l.starts_with(&line)).unwrap();
            let number = format!("{bits:#010x}U");
            assert!(line.contains(&number), "{line}");
        }
    }
}
