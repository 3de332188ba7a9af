// SPDX-License-Identifier: GPL-2.0

//! Checkpoint: from the signal state of a process to a record.
//!
//! The state is encoded in one hold of siglock into memory that was allocated before; where that
//! was too small, the lock is dropped and the memory grown. User memory is touched when all locks
//! are released.

use kernel::{
    prelude::*,
    signal::{
        self,
        ExecUpdateGuard,
        FrameAbi,
        QueueRef,
        Scope,
        SighandGuard,
        Target,
        ThreadRef, //
    },
    uaccess::UserSliceWriter, //
};

use crate::{
    abi,
    record::{
        self,
        encode::Writer,
        Action,
        Altstack,
        Entry,
        Header,
        Process,
        Thread,
        SS_AUTODISARM,
        SS_DISABLE, //
    },
};

/// How often a checkpoint begins anew because the target has grown or changed its leader.
const ATTEMPT_COUNT_MAX: usize = 16;

/// The first guess of a record's length: enough for most processes.
const FIRST_CAPACITY_LEN: usize = 2048;

/// Section heads are filled in by the [`Writer`].
const HEAD: abi::sigcr_section = abi::sigcr_section {
    type_: 0,
    flags: 0,
    len: 0,
};

/// Writes the record of what `pidfd` names to `out`, or only `measure`s it.
///
/// Returns the length of the record in bytes.
///
/// # Errors
///
/// In the order in which they are looked for; on each, nothing has been written.
///
/// - [`EINVAL`]: unknown flags; the target is outside the caller's pid namespace.
/// - [`EOPNOTSUPP`]: the version that is asked for, or the waiters section.
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
    if flags & abi::SIGCKPT_QUERY != 0 {
        return match flags {
            abi::SIGCKPT_QUERY => Ok(abi::SIGCR_VERSION as usize),
            _ => Err(EINVAL),
        };
    }
    if !matches!(flags >> abi::SIGCKPT_VERSION_SHIFT, 0 | abi::SIGCR_VERSION)
        || flags & abi::SIGCKPT_WAITERS != 0
    {
        return Err(EOPNOTSUPP);
    }

    let target = Target::from_pidfd(pidfd)?;
    let record = take(&target, flags & abi::SIGCKPT_LIVE != 0)?;
    if measure {
        return Ok(record.len());
    }
    if out.len() < record.len() {
        return Err(ERANGE);
    }
    out.write_slice(&record)?;
    Ok(record.len())
}

/// Takes the record of `target`.
fn take(target: &Target, live: bool) -> Result<KVVec<u8>> {
    let mut buffer = KVVec::new();
    let mut capacity_len = FIRST_CAPACITY_LEN;
    for _ in 0..ATTEMPT_COUNT_MAX {
        let task = target.task()?;
        let exec = ExecUpdateGuard::lock(&task)?;
        signal::check_attach(&task, target.scope(), &exec)?;
        signal::audit(&task);
        if buffer.len() < capacity_len {
            buffer.resize(capacity_len, 0, GFP_KERNEL_ACCOUNT)?;
        }
        // Without a sighand the task is gone, or another one has become the leader by an exec.
        let Some(sighand) = SighandGuard::lock(&task) else {
            continue;
        };
        let stable = check_state(&sighand, target.scope(), live)?;
        let mut writer = Writer::new(&mut buffer);
        let header = capture(&sighand, target.scope(), stable, &mut writer)?;
        drop(sighand);
        drop(exec);

        let needed_len = writer.written_len();
        if needed_len > abi::SIGCR_RECORD_LEN_MAX as usize {
            return Err(EOVERFLOW);
        }
        if !writer.fits() {
            // Some room for what comes meanwhile, if the target runs.
            capacity_len = needed_len.saturating_add(needed_len / 8);
            continue;
        }
        let len = writer.finish(&header);
        buffer.truncate(len);
        return in_order(buffer);
    }
    // It has changed its leader or outgrown us each time.
    Err(EAGAIN)
}

/// Puts the threads into the order of their tids.
///
/// They were encoded as the kernel lists them, in the order of their creation. That is the same
/// unless tids have wrapped around since.
fn in_order(record: KVVec<u8>) -> Result<KVVec<u8>> {
    let by_tid = |record: &[u8]| {
        record::Sections::of_encoded(record)
            .filter_map(|(_, section)| section.tid())
            .is_sorted()
    };
    if by_tid(&record) {
        return Ok(record);
    }
    // The end of a section is where the next one starts.
    let mut parts = KVVec::new();
    let mut first_off = record.len();
    let mut sections = record::Sections::of_encoded(&record).peekable();
    while let Some((off, section)) = sections.next() {
        let end_off = sections.peek().map_or(record.len(), |(off, _)| *off);
        if let Some(tid) = section.tid() {
            first_off = first_off.min(off);
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
        if thread.has_signal_in_flight() {
            return Err(EBUSY);
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

/// Encodes the state of the target, all but the header, which it returns.
fn capture(
    sighand: &SighandGuard<'_>,
    scope: Scope,
    stable: bool,
    writer: &mut Writer<'_>,
) -> Result<Header> {
    let mut flags = 0;
    if !stable {
        flags |= abi::SIGCR_RECORD_LIVE | abi::SIGCR_RECORD_UNSTABLE;
    }
    // Interrupts are off: no longer than it takes to fill a record, and for a target that runs,
    // which could queue without end, much shorter.
    let mut room_count = match stable {
        true => abi::SIGCR_RECORD_LEN_MAX / abi::SIGCR_ENTRY_LEN_VER1,
        false => abi::SIGCR_LIVE_ENTRY_COUNT_MAX,
    };
    if scope == Scope::Process {
        if sighand.is_shared() {
            flags |= abi::SIGCR_RECORD_SHARED_SIGHAND;
        }
        capture_process(sighand, writer);
        capture_actions(sighand, writer);
        capture_queue(sighand.shared_queue(), 0, &mut room_count, writer)?;
    } else {
        flags |= abi::SIGCR_RECORD_ONE_THREAD;
    }
    for thread in threads_in(sighand, scope) {
        capture_thread(thread, sighand.tid(thread), &mut room_count, writer)?;
    }
    Ok(Header {
        magic: 0,
        version: 0,
        header_len: 0,
        crc32c: 0,
        total_len: 0,
        arch: 0,
        flags,
        section_count: 0,
        thread_count: sighand.thread_count(),
        tgid: sighand.tgid(),
        reserved: [0; 5],
    })
}

fn capture_process(sighand: &SighandGuard<'_>, writer: &mut Writer<'_>) {
    let stop_signo = sighand.stop_signo();
    let mut flags = 0;
    if stop_signo.is_some() {
        flags |= abi::SIGCR_PROCESS_STOPPED;
    }
    if sighand.is_unkillable() {
        flags |= abi::SIGCR_PROCESS_UNKILLABLE;
    }
    writer.process(&Process {
        section: abi::sigcr_section { flags, ..HEAD },
        stop_signo: stop_signo.unwrap_or(0),
        reserved: 0,
        rlimit_sigpending_count: sighand.rlimit_sigpending_count(),
        start_boottime_ns: sighand.start_boottime_ns(),
    });
}

fn capture_actions(sighand: &SighandGuard<'_>, writer: &mut Writer<'_>) {
    let mut list = writer.begin_actions();
    for signo in 1..=abi::SIGCR_SIGNO_MAX {
        let Some(action) = sighand.action(signo) else {
            continue;
        };
        let action = Action {
            signo,
            abi: match action.abi {
                FrameAbi::Native => abi::SIGCR_ABI_NATIVE,
                FrameAbi::Ia32 => abi::SIGCR_ABI_IA32,
                FrameAbi::X32 => abi::SIGCR_ABI_X32,
            },
            flags: action.flags as u64,
            handler: action.handler as u64,
            restorer: action.restorer as u64,
            mask: action.mask,
        };
        if !record::is_default(&action) {
            writer.action(&mut list, &action);
        }
    }
    writer.end_actions(list);
}

fn capture_thread(
    thread: ThreadRef<'_>,
    tid: i32,
    room_count: &mut u32,
    writer: &mut Writer<'_>,
) -> Result {
    let mut flags = 0;
    if thread.is_dead() {
        flags |= abi::SIGCR_THREAD_DEAD;
    } else if thread.is_worker() {
        flags |= abi::SIGCR_THREAD_WORKER;
    } else if !thread.is_current() && !thread.is_stopped() {
        flags |= abi::SIGCR_THREAD_UNSTABLE;
    }
    let thread_section = Thread {
        section: abi::sigcr_section { flags, ..HEAD },
        tid,
        reserved: 0,
        blocked: thread.blocked() & !record::UNBLOCKABLE,
    };
    writer.thread(&thread_section);
    if record::is_listed_only(&thread_section) {
        return Ok(());
    }
    let altstack = thread.altstack();
    let mut ss_flags = 0;
    if altstack.size == 0 {
        ss_flags |= SS_DISABLE;
    }
    if altstack.autodisarm {
        ss_flags |= SS_AUTODISARM;
    }
    writer.altstack(&Altstack {
        section: HEAD,
        tid,
        ss_flags,
        sp: altstack.sp as u64,
        size: altstack.size as u64,
    });
    capture_queue(thread.queue(), tid, room_count, writer)
}

/// Encodes a queue: the one of the thread `tid`, or with 0 that of the process.
fn capture_queue(
    queue: QueueRef<'_>,
    tid: i32,
    room_count: &mut u32,
    writer: &mut Writer<'_>,
) -> Result {
    let mut list = writer.begin_queue();
    for queued in queue.entries() {
        *room_count = room_count.checked_sub(1).ok_or(EOVERFLOW)?;
        writer.entry(
            &mut list,
            &Entry {
                siginfo: queued.siginfo,
                flags: match queued.timer_id {
                    Some(_) => abi::SIGCR_ENTRY_TIMER,
                    None => 0,
                },
                timer_id: queued.timer_id.unwrap_or(0),
            },
        );
    }
    writer.end_queue(list, tid, queue.set());
    Ok(())
}
