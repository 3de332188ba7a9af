// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The subjects of the random cases have the state that was planned, by the kernel's own account.
//!
//! It has a `main` of its own since a subject can only be forked by a program with one thread.

use std::process::ExitCode;

use anyhow::{ensure, Context};
use cases::program::status_field;
use cases::random::{plan, Keep};
use cases::subject::{Plan, Subject};
use nix::unistd::Pid;
use sigcr::{Handler, Model, SigSet};

fn main() -> ExitCode {
    cases::tap::run(
        cases::cases![
            planned_states_of_stopped_subjects_are_what_proc_shows,
            planned_states_of_running_subjects_are_what_proc_shows,
        ],
        None,
    )
}

fn planned_states_of_stopped_subjects_are_what_proc_shows() -> anyhow::Result<()> {
    (0..40).try_for_each(|seed| {
        let plan = plan(seed, Keep::WhileStopped);
        let subject = Subject::stopped(&plan)?;
        is_as_planned(&plan, &subject).with_context(|| format!("seed {seed}"))
    })
}

fn planned_states_of_running_subjects_are_what_proc_shows() -> anyhow::Result<()> {
    (0..40).try_for_each(|seed| {
        let plan = plan(seed, Keep::WhileRunning);
        let subject = Subject::start(&plan)?;
        subject.send(&plan)?;
        is_as_planned(&plan, &subject).with_context(|| format!("seed {seed}"))
    })
}

fn is_as_planned(plan: &Plan, subject: &Subject) -> anyhow::Result<()> {
    let model = plan.model(subject.tids());
    let queue_set = |queue: &Option<sigcr::Queue>| queue.as_ref().map_or(0, |q| q.set.bits());
    for thread in &model.threads {
        let tid = Pid::from_raw(thread.tid);
        let blocked = thread.state.as_ref().map_or(SigSet::EMPTY, |s| s.blocked);
        field(tid, "SigBlk", blocked.bits())?;
        field(tid, "SigPnd", queue_set(&thread.pending))?;
        field(tid, "ShdPnd", queue_set(&model.shared_pending))?;
    }
    field(
        subject.pid(),
        "SigIgn",
        handled(&model, |h| h == Handler::IGNORE),
    )?;
    let is_caught = |handler| handler != Handler::IGNORE && handler != Handler::DEFAULT;
    field(subject.pid(), "SigCgt", handled(&model, is_caught))
}

fn handled(model: &Model, wanted: fn(Handler) -> bool) -> u64 {
    let actions = model.actions.iter().flatten();
    actions
        .filter(|action| wanted(action.handler))
        .fold(0, |set, action| set | 1 << (action.signo.get() - 1))
}

fn field(pid: Pid, name: &str, wanted: u64) -> anyhow::Result<()> {
    let got = u64::from_str_radix(&status_field(pid, name)?, 16)?;
    ensure!(
        got == wanted,
        "{name} of {pid} is {got:#x}, not {wanted:#x}"
    );
    Ok(())
}
