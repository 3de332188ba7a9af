// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A process takes and restores the state of another.

use anyhow::{ensure, Context};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use sigcr::{CheckpointFlags, RecordFlags, RestoreFlags, SigNo, Snapshot, Target};

use super::{busy_plan, put, put_model, take};
use crate::compare::{same, same_but_for_ids, without_stops};
use crate::program::status_field;
use crate::subject::{Plan, Sent, Subject};
use crate::sys::bit;
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    the_record_of_a_stopped_process_holds_all_that_was_planned,
    a_record_is_restored_onto_a_fresh_process,
    the_kernel_shows_the_restored_state_in_proc,
    a_queue_of_three_thousand_survives,
    a_full_queue_is_replaced_by_a_full_queue,
    a_restored_signal_ends_the_process_when_it_goes_on_and_not_before,
    one_thread_of_a_stopped_process_is_taken_and_restored,
    the_model_of_a_real_record_survives_json_and_encoding,
    the_target_does_not_notice_a_checkpoint,
];

fn the_record_of_a_stopped_process_holds_all_that_was_planned() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::stopped(&plan)?;
    let mut model = take(&subject)?.to_model();
    let process = model.process.take().context("no PROCESS section")?;
    ensure!(process.stopped, "not marked as stopped");
    let stop = SigNo::new(libc::SIGSTOP as u32);
    ensure!(
        process.stop_signo == stop,
        "stopped by {:?}",
        process.stop_signo
    );
    same(
        "the record",
        &plan.model(subject.tids()),
        &without_stops(&model),
    )
}

fn a_record_is_restored_onto_a_fresh_process() -> anyhow::Result<()> {
    let plan = busy_plan();
    let record = take(&Subject::stopped(&plan)?)?;
    let fresh = Subject::stopped(&Plan::empty(plan.threads.len()))?;
    let before = take(&fresh)?.to_model();
    same_but_for_ids("the fresh state", &Plan::empty(2).model(&[1, 2]), &before)?;
    put(&fresh, &record)?;
    same_but_for_ids(
        "the restored state",
        &record.to_model(),
        &take(&fresh)?.to_model(),
    )
}

fn the_kernel_shows_the_restored_state_in_proc() -> anyhow::Result<()> {
    let plan = busy_plan();
    let record = take(&Subject::stopped(&plan)?)?;
    let fresh = Subject::stopped(&Plan::empty(2))?;
    put(&fresh, &record)?;
    let second = nix::unistd::Pid::from_raw(fresh.tids()[1]);
    let blocked = plan.threads[0].blocked;
    for (pid, name, wanted) in [
        (fresh.pid(), "ShdPnd", bit(40) | bit(10) | bit(41)),
        (fresh.pid(), "SigPnd", bit(12)),
        (second, "SigPnd", bit(42) | bit(15)),
        (fresh.pid(), "SigBlk", blocked),
        (second, "SigBlk", blocked),
        (fresh.pid(), "SigIgn", bit(13)),
        (fresh.pid(), "SigCgt", bit(10) | bit(40)),
    ] {
        let got = u64::from_str_radix(&status_field(pid, name)?, 16)?;
        ensure!(got == wanted, "{name} of {pid}: {got:#x}, not {wanted:#x}");
    }
    Ok(())
}

fn a_queue_of_three_thousand_survives() -> anyhow::Result<()> {
    let mut plan = Plan::empty(1);
    plan.threads[0].blocked = bit(50) | bit(51) | bit(52);
    plan.shared = (0..3000)
        .map(|index| Sent::Queued(50 + index as u32 % 3, -1, index))
        .collect();
    let first = Subject::stopped(&plan)?;
    let record = take(&first)?;
    same_but_for_ids("the record", &plan.model(&[1]), &record.to_model())?;
    drop(first);
    let fresh = Subject::stopped(&Plan::empty(1))?;
    put(&fresh, &record)?;
    same_but_for_ids(
        "the restored queue",
        &record.to_model(),
        &take(&fresh)?.to_model(),
    )
}

fn a_full_queue_is_replaced_by_a_full_queue() -> anyhow::Result<()> {
    let mut plan = Plan::empty(1);
    plan.threads[0].blocked = bit(50);
    plan.shared = (0..100).map(|value| Sent::Queued(50, -1, value)).collect();
    let subject = Subject::stopped(&plan)?;
    let record = take(&subject)?;
    let queued = status_field(subject.pid(), "SigQ")?;
    let (count, _) = queued.split_once('/').context("SigQ has no slash")?;
    // Not one more fits in.
    crate::sys::set_sigpending_limit(subject.pid(), count.parse()?)?;
    put(&subject, &record)?;
    put(&subject, &record)?;
    let after = status_field(subject.pid(), "SigQ")?;
    ensure!(
        after.split('/').next() == Some(count),
        "SigQ was {queued} and is {after}"
    );
    same_but_for_ids("the queue", &record.to_model(), &take(&subject)?.to_model())
}

fn a_restored_signal_ends_the_process_when_it_goes_on_and_not_before() -> anyhow::Result<()> {
    let mut plan = Plan::empty(1);
    plan.threads[0].blocked = bit(15);
    plan.shared = vec![Sent::Queued(15, -1, 0)];
    let mut model = take(&Subject::stopped(&plan)?)?.to_model();
    let fresh = Subject::stopped(&Plan::empty(1))?;
    model.remap_in_order(fresh.tids())?;
    if let Some(state) = &mut model.threads[0].state {
        state.blocked = sigcr::SigSet::EMPTY;
    }
    put_model(&fresh, &model)?;
    let state = status_field(fresh.pid(), "State")?;
    ensure!(state.starts_with('T'), "the state is {state}");
    kill(fresh.pid(), Signal::SIGCONT)?;
    let status = waitpid(fresh.pid(), None)?;
    ensure!(
        status == WaitStatus::Signaled(fresh.pid(), Signal::SIGTERM, false),
        "ended by {status:?}"
    );
    Ok(())
}

fn one_thread_of_a_stopped_process_is_taken_and_restored() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::stopped(&plan)?;
    let whole = take(&subject)?.to_model();
    let pidfd = sigcr::open_thread(subject.tids()[1])?;
    let record = sigcr::checkpoint(Target::from(&pidfd), CheckpointFlags::empty())?;
    let model = record.to_model();
    ensure!(
        model.flags == RecordFlags::ONE_THREAD,
        "flags {:?}",
        model.flags
    );
    same("the thread", &whole.threads[1..].to_vec(), &model.threads)?;

    let fresh = Subject::stopped(&Plan::empty(2))?;
    let before = take(&fresh)?.to_model();
    let mut onto = model;
    onto.remap_in_order(&fresh.tids()[1..])?;
    let pidfd = sigcr::open_thread(fresh.tids()[1])?;
    sigcr::restore(Target::from(&pidfd), &onto.encode()?, RestoreFlags::empty())?;
    let mut wanted = before;
    wanted.threads[1] = onto.threads[0].clone();
    same("the process", &wanted, &take(&fresh)?.to_model())
}

fn the_model_of_a_real_record_survives_json_and_encoding() -> anyhow::Result<()> {
    let record = take(&Subject::stopped(&busy_plan())?)?;
    let model = record.to_model();
    let json = serde_json::to_string(&model)?;
    same("the model from JSON", &model, &serde_json::from_str(&json)?)?;
    let encoded = model.encode()?;
    ensure!(
        encoded.as_bytes() == record.as_bytes(),
        "the encoded model has other bytes than the kernel's record"
    );
    let path = std::env::temp_dir().join(format!("model-{}.sigcr", std::process::id()));
    record.write_to(&path)?;
    let read = Snapshot::read_from(&path)?;
    std::fs::remove_file(&path)?;
    ensure!(
        read.as_bytes() == record.as_bytes(),
        "the file has other bytes"
    );
    Ok(())
}

fn the_target_does_not_notice_a_checkpoint() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let first = take(&subject)?;
    for _ in 0..20 {
        take(&subject)?;
    }
    ensure!(
        take(&subject)?.as_bytes() == first.as_bytes(),
        "a checkpoint has changed the next one"
    );
    let state = status_field(subject.pid(), "State")?;
    ensure!(state.starts_with('T'), "the state is {state}");
    Ok(())
}
