// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Random signal states: what is taken is what was planned, and what is restored is what was taken.

use anyhow::Context;
use sigcr::stop::Stopped;
use sigcr::{CheckpointFlags, RestoreFlags, Snapshot};

use crate::compare::{same, same_but_for_ids, without_stops};
use crate::random::{plan, Keep};
use crate::subject::{Plan, Subject};
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    random_states_of_stopped_processes_are_taken_and_restored,
    random_states_of_processes_held_by_ptrace_are_taken_and_restored,
    a_random_state_is_replaced_by_another_random_state,
];

fn random_states_of_stopped_processes_are_taken_and_restored() -> anyhow::Result<()> {
    each_seed(30, |seed| {
        let plan = plan(seed, Keep::WhileStopped);
        let subject = Subject::stopped(&plan)?;
        let record = super::take(&subject)?;
        is_as_planned(&plan, &subject, &record)?;
        // The limit on queued signals is the user's: make room for the second process.
        drop(subject);
        let fresh = Subject::stopped(&Plan::empty(plan.threads.len()))?;
        super::put(&fresh, &record)?;
        let again = super::take(&fresh)?;
        same_but_for_ids("the restored state", &record.to_model(), &again.to_model())
    })
}

fn random_states_of_processes_held_by_ptrace_are_taken_and_restored() -> anyhow::Result<()> {
    each_seed(15, |seed| {
        let plan = plan(seed + 1000, Keep::WhileRunning);
        let subject = Subject::start(&plan)?;
        subject.send(&plan)?;
        let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
        let record = sigcr::checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())?;
        is_as_planned(&plan, &subject, &record)?;
        drop(stopped);
        drop(subject);
        let fresh = Subject::start(&Plan::empty(plan.threads.len()))?;
        let stopped = Stopped::by_ptrace(fresh.pid().as_raw())?;
        let mut model = record.to_model();
        model.remap_in_order(fresh.tids())?;
        sigcr::restore(
            stopped.pidfd().into(),
            &model.encode()?,
            RestoreFlags::empty(),
        )?;
        // It runs for a while before it is looked at.
        drop(stopped);
        fresh.stop()?;
        let again = super::take(&fresh)?;
        same_but_for_ids("the restored state", &model, &again.to_model())
    })
}

fn a_random_state_is_replaced_by_another_random_state() -> anyhow::Result<()> {
    each_seed(15, |seed| {
        let old_plan = plan(seed + 2000, Keep::WhileStopped);
        let old = Subject::stopped(&old_plan)?;
        // Another state for the same number of threads.
        let mut new_plan = plan(seed + 3000, Keep::WhileStopped);
        let threads = new_plan.threads.clone();
        let wanted_count = old_plan.threads.len();
        new_plan.threads = threads.into_iter().cycle().take(wanted_count).collect();
        let record = super::take(&Subject::stopped(&new_plan)?)?;
        super::put(&old, &record)?;
        let again = super::take(&old)?;
        same_but_for_ids("the state", &record.to_model(), &again.to_model())
    })
}

/// Runs the check for as many seeds; the error names the seed that failed.
fn each_seed(count: u64, check: fn(u64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    (0..count).try_for_each(|seed| check(seed).with_context(|| format!("seed {seed}")))
}

fn is_as_planned(plan: &Plan, subject: &Subject, record: &Snapshot) -> anyhow::Result<()> {
    let mut model = record.to_model();
    model.process = None;
    same(
        "the record",
        &plan.model(subject.tids()),
        &without_stops(&model),
    )
}
