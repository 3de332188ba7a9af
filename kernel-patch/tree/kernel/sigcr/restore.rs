// SPDX-License-Identifier: GPL-2.0

//! Restore: from a record to the signal state of a process, all of it or nothing.
//!
//! The record is copied in once and decoded. Then a [`Plan`] is made: permissions are checked,
//! threads found, signals allocated. Then, in one hold of siglock, every condition is checked and
//! the plan carried out; from the first change on nothing can fail. What the target had before is
//! freed when the lock is released. Threads of the caller's own process that run are brought to
//! rest before that, see [`Rendezvous`], when nothing else stands in the way.
//!
//! Signals are put into the queues as they are, not sent: sending would drop ignored signals, let
//! `SIGCONT` and stop signals undo each other, and wake or kill the target.

mod actions;
mod plan;
mod queues;
mod timers;

use kernel::{
    prelude::*,
    signal::{
        self,
        ExecUpdateGuard,
        Rendezvous,
        Scope,
        SighandGuard,
        Target, //
    },
    sync::aref::ARef,
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    },
    uaccess::UserSliceReader, //
};

use crate::{
    abi,
    record::{
        Record,
        Refusal,
        RefusalClass, //
    }, //
};

use plan::Plan;

#[cfg(not(CONFIG_SIGCR_TEST_VERSION2))]
use crate::record::check_header;
#[cfg(CONFIG_SIGCR_TEST_VERSION2)]
use crate::version2::{
    check_header,
    to_version_1, //
};

/// How often a restore begins anew because the target has changed its leader, or a timer fired.
const ATTEMPT_COUNT_MAX: usize = 16;

/// How long a restore waits for what seems to be another user of the action table to be gone.
const SHARED_WAIT: Delta = Delta::from_micros(50);

/// Gives what `pidfd` names the state that the record in `reader` holds.
///
/// # Errors
///
/// In the order in which they are looked for; on each, nothing has been changed.
///
/// - [`EINVAL`]: unknown flags; no room for a header.
/// - [`E2BIG`]: longer than a record may be.
/// - [`EFAULT`]: the record cannot be read.
/// - [`EINVAL`], [`EBADMSG`], [`EOPNOTSUPP`]: the record is refused, see `Refusal`.
/// - [`EBADF`], [`EINVAL`], [`ESRCH`]: no pidfd; the target is outside the caller's pid namespace;
///   no such process.
/// - [`EINVAL`]: a record of a process for one thread.
/// - [`EPERM`]: no right to attach to the target, or to give it signals that the kernel sends.
/// - [`EOPNOTSUPP`]: an action with a frame that this kernel does not make.
/// - [`EINTR`]: the caller is being killed.
/// - [`ENOMEM`]: no memory.
/// - What [`Plan::check`] finds.
/// - [`EBUSY`]: a thread of the caller's own process does not come to rest.
/// - [`ERESTARTNOINTR`]: a signal came while the threads were waited for; user space does not see
///   it, the call begins anew.
///
/// # Context
///
/// Process context. Takes `cred_guard_mutex` of the caller's own process where it has to,
/// `exec_update_lock` of the target for read, then siglock.
pub(crate) fn restore(pidfd: i32, reader: UserSliceReader, flags: u32) -> Result {
    const KNOWN: u32 = abi::SIGRESTORE_DRY_RUN | abi::SIGRESTORE_SHARED_SIGHAND;
    if flags & !KNOWN != 0 {
        return Err(EINVAL);
    }
    let bytes = copy_in(reader)?;
    let record = Record::decode(&bytes).map_err(error_of)?;
    record.check_restorable().map_err(error_of)?;

    let target = Target::from_pidfd(pidfd)?;
    let shared_consent = flags & abi::SIGRESTORE_SHARED_SIGHAND != 0;
    let dry_run = flags & abi::SIGRESTORE_DRY_RUN != 0;
    let mut rendezvous = rendezvous_for(&record, &target.task()?)?;
    'attempts: for attempt in 1..=ATTEMPT_COUNT_MAX {
        let task = target.task()?;
        if target.scope() == Scope::Thread && record.holds_process_state() {
            return Err(EINVAL);
        }
        let exec = ExecUpdateGuard::lock(&task)?;
        signal::check_attach(&task, target.scope(), &exec)?;
        signal::audit(&task);
        if record.has_reserved_code() && !signal::may_forge(&task) {
            return Err(EPERM);
        }
        let mut plan = Plan::empty(&task, target.scope());
        plan.make(&record, &task)?;
        // Without a sighand the task is gone, or another one has become the leader by an exec.
        let Some(mut sighand) = SighandGuard::lock(&task) else {
            continue;
        };
        if !shared_consent && attempt < ATTEMPT_COUNT_MAX && plan.needs_consent(&sighand) {
            drop(sighand);
            fsleep(SHARED_WAIT);
            continue;
        }
        while !plan.check(&sighand, shared_consent, &rendezvous)? && !dry_run {
            drop(sighand);
            rendezvous.gather(|thread| plan.must_rest(thread))?;
            sighand = match SighandGuard::lock(&task) {
                Some(sighand) => sighand,
                None => continue 'attempts,
            };
        }
        let done = dry_run || plan.commit(&mut sighand, &exec, &rendezvous)?;
        // The guard goes before the plan, which frees what the target had.
        drop(sighand);
        if done {
            return Ok(());
        }
    }
    Err(EAGAIN)
}

/// The rendezvous for a restore that may have to bring siblings of the caller to rest.
fn rendezvous_for(record: &Record<'_>, task: &ARef<Task>) -> Result<Rendezvous> {
    // Nobody but the caller could make another thread.
    let has_siblings = signal::is_own_process(task) && signal::thread_count(task) > 1;
    let may_need = || record.timers().is_some() || record.restorable_thread_count() > 0;
    match has_siblings && may_need() {
        true => Rendezvous::begin(task),
        false => Ok(Rendezvous::none()),
    }
}

/// Copies the record into memory of our own, each byte once.
fn copy_in(mut reader: UserSliceReader) -> Result<KVVec<u8>> {
    let len = reader.len();
    let mut head = [0; abi::SIGCR_HEADER_LEN_VER1 as usize];
    if len > abi::SIGCR_RECORD_LEN_MAX as usize {
        return Err(E2BIG);
    }
    if len < head.len() {
        return Err(EINVAL);
    }
    reader.read_slice(&mut head)?;
    // Before memory is allocated for what only claims to be a record.
    check_header(&head, len).map_err(error_of)?;
    let mut bytes = KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?;
    bytes.extend_from_slice(&head, GFP_KERNEL_ACCOUNT)?;
    reader.read_all(&mut bytes, GFP_KERNEL_ACCOUNT)?;
    #[cfg(CONFIG_SIGCR_TEST_VERSION2)]
    to_version_1(&mut bytes).map_err(error_of)?;
    Ok(bytes)
}

fn error_of(refusal: Refusal) -> Error {
    match refusal.class() {
        RefusalClass::Invalid => EINVAL,
        RefusalClass::Checksum => EBADMSG,
        RefusalClass::Unsupported => EOPNOTSUPP,
        RefusalClass::TooBig => E2BIG,
    }
}
