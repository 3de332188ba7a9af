// SPDX-License-Identifier: GPL-2.0

//! Checkpoint: from the signal state of a process to a record.
//!
//! The state is encoded in one hold of siglock into memory that was allocated before; where that
//! was too small, the lock is dropped and the memory grown. Only a long queue of a target that
//! stands still is read in several holds. User memory is touched when all locks are released.

mod aside;
mod capture;

use kernel::{
    prelude::*,
    signal::{
        self,
        Account,
        Buffer,
        ExecUpdateGuard,
        Scope,
        SighandGuard,
        Target,
        ThreadRef, //
    },
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    },
    uaccess::UserSliceWriter, //
};

use crate::{
    abi,
    record::{
        self,
        encode::{
            Sink,
            Writer, //
        }, //
    },
};

use aside::Aside;
use capture::Capture;

#[cfg(CONFIG_SIGCR_TEST_VERSION2)]
use crate::version2::{
    in_version,
    newest_version,
    room_len, //
};

/// How often a checkpoint begins anew because the target has grown or changed its leader.
const ATTEMPT_COUNT_MAX: usize = 16;

/// How often timers are looked at anew, in each of these attempts, because one was in use.
const TIMERS_ATTEMPT_COUNT_MAX: usize = 64;

/// How long a checkpoint sleeps before it looks at them anew.
const TIMERS_WAIT: Delta = Delta::from_micros(20);

/// What a record may take beside threads and signals, as a first guess: all actions, and some timers.
const FIXED_LEN: usize = 4096;

/// Bytes of a thread without signals in a record.
const THREAD_LEN: usize = (abi::SIGCR_THREAD_LEN_VER1
    + abi::SIGCR_ALTSTACK_LEN_VER1
    + abi::SIGCR_PENDING_LEN_VER1) as usize;

/// Writes the record of what `pidfd` names to `out`, or only `measure`s it.
///
/// Returns the length of the record in bytes.
///
/// # Errors
///
/// In the order in which they are looked for; on each, nothing has been written.
///
/// - [`EINVAL`]: unknown flags; the target is outside the caller's pid namespace.
/// - [`EOPNOTSUPP`]: the version that is asked for.
/// - [`EBADF`], [`ESRCH`]: no pidfd, no such process.
/// - [`EPERM`]: no right to attach to the target.
/// - [`EINTR`]: the caller is being killed.
/// - [`ESRCH`], [`EAGAIN`], [`EBUSY`]: the target is dying, in an exec, or not stopped.
/// - [`EOVERFLOW`]: more signals than are taken from a running target, or than a record holds.
/// - [`ENOMEM`]: no memory.
/// - [`ERANGE`]: the buffer is too small.
/// - [`EFAULT`]: the buffer is not all writable; a part of it may have been written.
///
/// # Context
///
/// Process context. Takes `exec_update_lock` of the target for read, then siglock.
pub(crate) fn checkpoint(
    pidfd: i32,
    mut out: UserSliceWriter,
    measure: bool,
    flags: u32,
) -> Result<usize> {
    const KNOWN: u32 =
        abi::SIGCKPT_LIVE | abi::SIGCKPT_WAITERS | abi::SIGCKPT_QUERY | abi::SIGCKPT_VERSION_MASK;
    if flags & !KNOWN != 0 {
        return Err(EINVAL);
    }
    let newest = newest_version();
    if flags & abi::SIGCKPT_QUERY != 0 {
        return match flags {
            abi::SIGCKPT_QUERY => Ok(newest as usize),
            _ => Err(EINVAL),
        };
    }
    let version = match flags >> abi::SIGCKPT_VERSION_SHIFT {
        0 => newest,
        version => version,
    };
    if version > newest {
        return Err(EOPNOTSUPP);
    }

    let target = Target::from_pidfd(pidfd)?;
    match take(&target, flags, room_len(out.len()))? {
        Taken::Record(record) => {
            let record = in_version(record, version)?;
            if measure {
                return Ok(record.len());
            }
            if out.len() < record.len() {
                return Err(ERANGE);
            }
            out.write_slice(&record)?;
            Ok(record.len())
        }
        Taken::Measured(len) if measure => Ok(len),
        Taken::Measured(_) => Err(ERANGE),
    }
}

/// The newest version of the record.
#[cfg(not(CONFIG_SIGCR_TEST_VERSION2))]
fn newest_version() -> u32 {
    abi::SIGCR_VERSION
}

/// Makes a record of `version` of one that was just encoded: there is one version only.
#[cfg(not(CONFIG_SIGCR_TEST_VERSION2))]
fn in_version(record: KVVec<u8>, _version: u32) -> Result<KVVec<u8>> {
    Ok(record)
}

/// How long a record may be that is to be of some version in the end, where there is room for
/// `room_len` bytes.
#[cfg(not(CONFIG_SIGCR_TEST_VERSION2))]
fn room_len(room_len: usize) -> usize {
    room_len
}

/// What came of a checkpoint.
enum Taken {
    /// A record.
    Record(KVVec<u8>),
    /// Only the length of one, which is more than there is room for.
    Measured(usize),
}

/// A [`Buffer`] for an encoder.
struct BufferSink<'a>(&'a mut Buffer);

impl Sink for BufferSink<'_> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> bool {
        self.0.append(bytes)
    }

    #[inline(always)]
    fn append_pairs<'p, const N: usize, const M: usize>(
        &mut self,
        pairs: impl Iterator<Item = (&'p [u8; N], [u8; M])>,
    ) -> (usize, usize) {
        self.0.append_pairs(pairs)
    }

    fn filled(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }
}

/// Takes the record of `target`, if `room_len` bytes are room enough.
fn take(target: &Target, flags: u32, room_len: usize) -> Result<Taken> {
    let with_waiters = flags & abi::SIGCKPT_WAITERS != 0;
    let mut buffer = Buffer::empty();
    let mut aside = Aside::default();
    let mut needed_len = None;
    for _ in 0..ATTEMPT_COUNT_MAX {
        let task = target.task()?;
        let exec = ExecUpdateGuard::lock(&task)?;
        signal::check_attach(&task, target.scope(), &exec)?;
        signal::audit(&task);
        let thread_count = match target.scope() {
            Scope::Process => signal::thread_count(&task),
            Scope::Thread => 1,
        };
        let queued_count = Account::of(&task)?.charged_count();
        if queued_count > capture::HOLD_ENTRY_COUNT_MAX as usize {
            // Else that would be found out after a first hold, which would have been in vain.
            aside.expect_cuts(thread_count);
        }
        let capacity_len = needed_len.unwrap_or_else(|| estimate_len(thread_count, queued_count));
        buffer.make_room(capacity_len.min(room_len), GFP_KERNEL_ACCOUNT)?;
        aside.make_room(GFP_KERNEL_ACCOUNT)?;
        if target.scope() == Scope::Process {
            aside.capture_signalfds(&task)?;
        }
        let Some((sighand, stable)) = lock_with_aside(&task, target.scope(), flags, &mut aside)?
        else {
            continue;
        };
        let mut writer = Writer::into_sink(BufferSink(&mut buffer));
        let capture = Capture::new(target.scope(), stable, &mut aside, &mut writer);
        let Some((header, is_in_order)) = capture.run(sighand, || SighandGuard::lock(&task))?
        else {
            continue;
        };
        drop(exec);
        if target.scope() == Scope::Process && with_waiters {
            aside.encode_waiters(&mut writer);
        }

        let len = writer.written_len();
        if len > abi::SIGCR_RECORD_LEN_MAX as usize {
            return Err(EOVERFLOW);
        }
        if len > room_len {
            return Ok(Taken::Measured(len));
        }
        if !writer.fits() {
            // Some room for what comes meanwhile, if the target runs.
            needed_len = Some(len.saturating_add(len / 8));
            continue;
        }
        writer.finish(&header);
        let record = buffer.into_inner();
        return Ok(Taken::Record(match is_in_order {
            true => record,
            false => in_order(record)?,
        }));
    }
    // It has changed its leader or its timers, or outgrown us, each time.
    Err(EAGAIN)
}

/// Takes the siglock of `task`, and aside what has to be taken then; also says whether nothing of the
/// target can change meanwhile. [`None`]: begin anew, as there was not enough room aside, the task is
/// gone, or timers were in use each time.
///
/// A timer that fires on another CPU is in use until that CPU gets siglock, so waiting for it under
/// siglock would be in vain. The siglock is dropped and taken again instead: that is much less than to
/// begin anew, and so done often enough for targets whose timers fire all the time.
///
/// # Errors
///
/// - What [`check_state`] finds.
/// - [`EINTR`]: the caller is being killed.
fn lock_with_aside<'a>(
    task: &'a Task,
    scope: Scope,
    flags: u32,
    aside: &mut Aside,
) -> Result<Option<(SighandGuard<'a>, bool)>> {
    let live = flags & abi::SIGCKPT_LIVE != 0;
    let with_waiters = flags & abi::SIGCKPT_WAITERS != 0;
    for _ in 0..TIMERS_ATTEMPT_COUNT_MAX {
        // Without a sighand the task is gone, or another one has become the leader by an exec.
        let Some(sighand) = SighandGuard::lock(task) else {
            return Ok(None);
        };
        let stable = check_state(&sighand, scope, live)?;
        if aside.capture(&sighand, scope, with_waiters).is_ok() {
            return Ok(Some((sighand, stable)));
        }
        drop(sighand);
        if !aside.has_room() {
            return Ok(None);
        }
        if signal::current_is_being_killed() {
            return Err(EINTR);
        }
        fsleep(TIMERS_WAIT);
    }
    Ok(None)
}

/// How long a record will be, if the target has not many timers or signalfds, and if all signals that
/// its user has queued are for it.
fn estimate_len(thread_count: usize, queued_count: usize) -> usize {
    let queued_len = queued_count.saturating_mul(abi::SIGCR_ENTRY_LEN_VER1 as usize);
    thread_count
        .saturating_mul(THREAD_LEN)
        .saturating_add(queued_len)
        .saturating_add(FIXED_LEN)
        .min(abi::SIGCR_RECORD_LEN_MAX as usize)
}

/// Puts the threads into the order of their tids.
///
/// They were encoded as the kernel lists them, in the order of their creation. That is the same
/// unless tids have wrapped around since.
fn in_order(record: KVVec<u8>) -> Result<KVVec<u8>> {
    // The end of a section is where the next one starts.
    let mut parts = KVVec::new();
    let mut first_off = record.len();
    let mut tail_off = record.len();
    let mut sections = record::Sections::of_encoded(&record).peekable();
    while let Some((off, section)) = sections.next() {
        let end_off = sections.peek().map_or(record.len(), |(off, _)| *off);
        if let Some(tid) = section.tid() {
            first_off = first_off.min(off);
            tail_off = end_off;
            parts.push((tid, off..end_off), GFP_KERNEL_ACCOUNT)?;
        }
    }
    parts.sort_unstable_by_key(|(tid, range)| (*tid, range.start));
    let mut sorted = KVVec::with_capacity(record.len(), GFP_KERNEL_ACCOUNT)?;
    let head = record.get(..first_off).ok_or(EINVAL)?;
    sorted.extend_from_slice(head, GFP_KERNEL_ACCOUNT)?;
    for (_, range) in parts.iter() {
        let part = record.get(range.clone()).ok_or(EINVAL)?;
        sorted.extend_from_slice(part, GFP_KERNEL_ACCOUNT)?;
    }
    // What follows the threads.
    let tail = record.get(tail_off..).ok_or(EINVAL)?;
    sorted.extend_from_slice(tail, GFP_KERNEL_ACCOUNT)?;
    record::encode::seal(&mut sorted);
    Ok(sorted)
}

/// Checks that the target may be looked at as it is; whether nothing of it can change meanwhile.
fn check_state(sighand: &SighandGuard<'_>, scope: Scope, live: bool) -> Result<bool> {
    if sighand.is_dying() {
        return Err(ESRCH);
    }
    if sighand.is_in_exec() {
        return Err(EAGAIN);
    }
    let mut alive = false;
    let mut stable = true;
    for thread in threads_in(sighand, scope) {
        if thread.is_dead() {
            continue;
        }
        alive = true;
        if thread.is_worker() || thread.is_current() {
            continue;
        }
        stable &= thread.is_stopped();
    }
    match (alive, stable || live) {
        (false, _) => Err(ESRCH),
        (true, false) => Err(EBUSY),
        (true, true) => Ok(stable),
    }
}

/// The threads that `scope` is about: all, or the one that the siglock was taken by.
pub(crate) fn threads_in<'g>(
    sighand: &'g SighandGuard<'_>,
    scope: Scope,
) -> impl Iterator<Item = ThreadRef<'g>> {
    let this = sighand.this_thread().key();
    sighand
        .threads()
        .filter(move |thread| scope == Scope::Process || thread.key() == this)
}
