// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Refusals: the right errno, words that name the remedy, and nothing changed.

use anyhow::{ensure, Context};
use nix::sched::{clone, CloneFlags};
use nix::sys::ptrace;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitid, waitpid, Id, WaitPidFlag, WaitStatus};
use nix::unistd::{setresuid, Pid, Uid};
use sigcr::{
    Action, ActionFlags, CheckpointFlags, Errno, FrameAbi, Handler, Model, Queue, QueuedSignal,
    RecordFlags, RestoreFlags, SigSet, Target,
};

use super::{busy_plan, put_model, refused, take};
use crate::compare::same;
use crate::program::status_field;
use crate::subject::{signal, Plan, Sent, Subject};
use crate::sys;
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    the_status_is_available_with_version_one,
    a_running_process_is_busy_and_the_remedy_is_to_stop_it,
    a_zombie_and_a_process_that_is_gone_are_no_process,
    a_process_of_another_user_is_not_permitted,
    a_kernel_thread_is_not_permitted,
    a_descriptor_that_is_no_pidfd_is_bad,
    a_thread_that_the_target_lacks_is_named_with_remapping_as_the_remedy,
    one_thread_does_not_take_process_wide_state,
    more_than_the_limit_is_refused_and_nothing_is_changed,
    a_code_of_the_kernel_needs_a_capability,
    a_queue_that_no_process_could_have_is_refused_in_words,
    an_unknown_version_is_not_supported,
    a_record_is_of_the_version_that_is_asked_for,
    a_long_queue_of_a_running_process_overflows_and_a_stopped_one_is_taken,
    a_signal_on_its_way_under_a_debugger_is_taken_and_busy_to_restore,
    a_shared_action_table_is_changed_with_consent_only,
];

fn the_status_is_available_with_version_one() -> anyhow::Result<()> {
    let status = sigcr::status();
    ensure!(
        status == sigcr::Status::Available { version: 1 },
        "{status:?}"
    );
    Ok(())
}

fn a_running_process_is_busy_and_the_remedy_is_to_stop_it() -> anyhow::Result<()> {
    let subject = Subject::start(&busy_plan())?;
    let pidfd = subject.pidfd()?;
    let result = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::empty());
    refused(result, Errno::EBUSY, "stop it first")?;
    let record = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::LIVE)?;
    let result = sigcr::restore(Target::from(&pidfd), &record, RestoreFlags::empty());
    refused(result, Errno::EBUSY, "stop it first")
}

fn a_zombie_and_a_process_that_is_gone_are_no_process() -> anyhow::Result<()> {
    let subject = Subject::start(&Plan::empty(2))?;
    let pidfd = subject.pidfd()?;
    let record = Model::new(subject.pid().as_raw()).encode()?;
    kill(subject.pid(), Signal::SIGKILL)?;
    waitid(
        Id::Pid(subject.pid()),
        WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
    )?;
    for state in ["zombie", "gone"] {
        let result = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::LIVE);
        refused(result, Errno::ESRCH, "gone").map_err(|e| e.context(state))?;
        let result = sigcr::restore(Target::from(&pidfd), &record, RestoreFlags::empty());
        refused(result, Errno::ESRCH, "").map_err(|e| e.context(state))?;
        let _ = waitid(Id::Pid(subject.pid()), WaitPidFlag::WEXITED);
    }
    Ok(())
}

fn a_process_of_another_user_is_not_permitted() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let before = take(&subject)?;
    let pidfd = subject.pidfd()?;
    let nobody = Uid::from_raw(65534);
    setresuid(nobody, nobody, Uid::from_raw(0))?;
    let result = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::empty());
    let refused_take = refused(result, Errno::EPERM, "ptrace");
    let result = sigcr::restore(Target::from(&pidfd), &before, RestoreFlags::empty());
    let refused_put = refused(result, Errno::EPERM, "ptrace");
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
    refused_take?;
    refused_put?;
    same("the state", &before.to_model(), &take(&subject)?.to_model())
}

fn a_kernel_thread_is_not_permitted() -> anyhow::Result<()> {
    // Process 2 is kthreadd.
    let pidfd = sigcr::open_process(2)?;
    let result = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::LIVE);
    refused(result, Errno::EPERM, "")
}

fn a_descriptor_that_is_no_pidfd_is_bad() -> anyhow::Result<()> {
    let file = std::fs::File::open("/proc/self/status")?;
    let result = sigcr::checkpoint(Target::from(&file), CheckpointFlags::LIVE);
    refused(result, Errno::EBADF, "pidfd")
}

fn a_thread_that_the_target_lacks_is_named_with_remapping_as_the_remedy() -> anyhow::Result<()> {
    let record = take(&Subject::stopped(&busy_plan())?)?.to_model();
    let fresh = Subject::stopped(&Plan::empty(2))?;
    let before = take(&fresh)?.to_model();
    refused(
        put_model(&fresh, &record),
        Errno::ESRCH,
        "map the record's thread ids",
    )?;
    same("the state", &before, &take(&fresh)?.to_model())
}

fn one_thread_does_not_take_process_wide_state() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let record = take(&subject)?;
    let pidfd = sigcr::open_thread(subject.tids()[1])?;
    let result = sigcr::restore(Target::from(&pidfd), &record, RestoreFlags::empty());
    refused(result, Errno::EINVAL, "thread")
}

fn more_than_the_limit_is_refused_and_nothing_is_changed() -> anyhow::Result<()> {
    let record = take(&Subject::stopped(&busy_plan())?)?;
    let fresh = Subject::stopped(&Plan::empty(2))?;
    let before = take(&fresh)?.to_model();
    let limit = sys::set_sigpending_limit(fresh.pid(), 2)?;
    refused(
        super::put(&fresh, &record),
        Errno::EAGAIN,
        "RLIMIT_SIGPENDING",
    )?;
    sys::set_sigpending_limit(fresh.pid(), limit)?;
    same(
        "the state",
        &before.threads,
        &take(&fresh)?.to_model().threads,
    )?;
    super::put(&fresh, &record)
}

fn a_code_of_the_kernel_needs_a_capability() -> anyhow::Result<()> {
    // A process of the same user, so that nothing but the capability is missing.
    let nobody = Uid::from_raw(65534);
    setresuid(nobody, nobody, nobody)?;
    // Changing the user has made this process one that only root may look at.
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) })?;
    let subject = Subject::stopped(&Plan::empty(1))?;
    let mut model = take(&subject)?.to_model();
    let mut entry = QueuedSignal::queued_by(signal(40), 1, 0, 1);
    model.shared_pending = Some(Queue::of([entry]));
    put_model(&subject, &model)?;
    // SI_KERNEL: as if the kernel itself had sent it.
    entry.siginfo[8..12].copy_from_slice(&0x80i32.to_ne_bytes());
    ensure!(entry.has_reserved_code(), "the code is not SI_KERNEL");
    model.shared_pending = Some(Queue::of([entry]));
    let before = take(&subject)?;
    let result = put_model(&subject, &model);
    refused(result, Errno::EPERM, "CAP_CHECKPOINT_RESTORE")?;
    same("the state", &before.to_model(), &take(&subject)?.to_model())
}

fn a_queue_that_no_process_could_have_is_refused_in_words() -> anyhow::Result<()> {
    let mut model = Model::new(1);
    model.shared_pending = Some(Queue::of([
        QueuedSignal::sent_by(signal(10), 1, 0),
        QueuedSignal::sent_by(signal(10), 2, 0),
    ]));
    let Err(refusal) = model.encode() else {
        anyhow::bail!("two entries of a legacy signal are accepted");
    };
    let text = refusal.to_string();
    ensure!(
        text.contains("SIGUSR1") || text.contains("10"),
        "the words do not name the signal: {text}"
    );
    Ok(())
}

fn an_unknown_version_is_not_supported() -> anyhow::Result<()> {
    let record = take(&Subject::stopped(&Plan::empty(1))?)?;
    let mut bytes = record.into_bytes();
    bytes[4] = 9;
    let Err(refusal) = sigcr::Snapshot::from_bytes(bytes) else {
        anyhow::bail!("version 9 is accepted");
    };
    ensure!(
        refusal.to_errno() == Errno::EOPNOTSUPP && refusal.to_string().contains('9'),
        "{refusal}"
    );
    Ok(())
}

fn a_record_is_of_the_version_that_is_asked_for() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let pidfd = subject.pidfd()?;
    let take_version = |version| {
        sigcr::checkpoint_version(Target::from(&pidfd), CheckpointFlags::empty(), version)
    };
    let record = take(&subject)?;
    for version in [0, 1, sigcr::RECORD_VERSION] {
        ensure!(
            take_version(version)? == record,
            "{version}: another record"
        );
    }
    for version in [2, 128, 255] {
        refused(
            take_version(version),
            Errno::EOPNOTSUPP,
            "ask for an older one",
        )?;
    }
    Ok(())
}

fn a_long_queue_of_a_running_process_overflows_and_a_stopped_one_is_taken() -> anyhow::Result<()> {
    // SIGCR_LIVE_ENTRY_COUNT_MAX and one more.
    const COUNT: u64 = 16_384 + 1;
    let mut plan = Plan::empty(1);
    plan.threads[0].blocked = sys::bit(50);
    plan.shared = (0..COUNT)
        .map(|value| Sent::Queued(50, -1, value))
        .collect();
    let subject = Subject::start(&plan)?;
    sys::set_sigpending_limit(subject.pid(), 2 * COUNT)?;
    subject.send(&plan)?;
    let pidfd = subject.pidfd()?;
    let result = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::LIVE);
    refused(result, Errno::EOVERFLOW, "stop the target")?;
    subject.stop()?;
    let model = take(&subject)?.to_model();
    let queue = model.shared_pending.context("no SHARED_PENDING section")?;
    let values = queue.entries.iter().map(QueuedSignal::value);
    ensure!(values.eq(0..COUNT), "other entries than those sent");
    Ok(())
}

fn a_signal_on_its_way_under_a_debugger_is_taken_and_busy_to_restore() -> anyhow::Result<()> {
    let subject = Subject::start(&Plan::empty(1))?;
    let record = sigcr::checkpoint(Target::from(&subject.pidfd()?), CheckpointFlags::LIVE)?;
    ptrace::seize(subject.pid(), ptrace::Options::empty())?;
    kill(subject.pid(), Signal::SIGUSR1)?;
    let status = waitpid(subject.pid(), None)?;
    ensure!(
        status == WaitStatus::Stopped(subject.pid(), Signal::SIGUSR1),
        "{status:?}"
    );
    // The signal is in no queue any more, and not yet in a handler.
    let pidfd = subject.pidfd()?;
    let taken = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::empty())?;
    let mut model = taken.to_model();
    let held = model.threads[0].inflight.map(|signal| signal.signo());
    ensure!(held == Some(libc::SIGUSR1 as u32), "in flight: {held:?}");
    let result = sigcr::restore(Target::from(&pidfd), &taken, RestoreFlags::empty());
    refused(result, Errno::EINVAL, "queue it again")?;
    ensure!(model.requeue_inflight() == 1);
    ensure!(model.encode()?.record().check_restorable().is_ok());
    let result = sigcr::restore(Target::from(&pidfd), &record, RestoreFlags::empty());
    refused(result, Errno::EBUSY, "debugger")?;
    ptrace::detach(subject.pid(), None)?;
    Ok(())
}

fn a_shared_action_table_is_changed_with_consent_only() -> anyhow::Result<()> {
    let mut stack = vec![0; 64 * 1024];
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_SIGHAND;
    let wait = Box::new(|| loop {
        nix::unistd::pause();
    });
    // SAFETY: the child only sleeps, on a stack that lives until it has been waited for.
    let peer = unsafe { clone(wait, &mut stack, flags, Some(libc::SIGCHLD)) }?;
    let result = change_shared_actions(peer);
    kill(peer, Signal::SIGKILL)?;
    waitpid(peer, None)?;
    result
}

fn change_shared_actions(peer: Pid) -> anyhow::Result<()> {
    let mut model = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?.to_model();
    ensure!(
        model.flags.contains(RecordFlags::SHARED_SIGHAND),
        "flags {:?}",
        model.flags
    );
    model.actions = Some(vec![Action {
        signo: signal(14),
        handler: Handler::IGNORE,
        flags: ActionFlags::empty(),
        restorer: 0,
        mask: SigSet::EMPTY,
        abi: FrameAbi::Native,
    }]);
    let record = model.encode()?;
    let before = status_field(peer, "SigIgn")?;
    let result = sigcr::restore(Target::OwnProcess, &record, RestoreFlags::empty());
    refused(result, Errno::EBUSY, "SHARED_SIGHAND")?;
    same("the peer's table", &before, &status_field(peer, "SigIgn")?)?;
    sigcr::restore(Target::OwnProcess, &record, RestoreFlags::SHARED_SIGHAND)?;
    let after = status_field(peer, "SigIgn")?;
    ensure!(
        u64::from_str_radix(&after, 16)? == sys::bit(14),
        "the peer ignores {after}"
    );
    Ok(())
}
