// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The library's means of stopping: each gives the record of the running process, and lets it go.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context};
use nix::unistd::Pid;
use sigcr::stop::{How, Stopped};
use sigcr::{CheckpointFlags, Model, RestoreFlags, Snapshot, ThreadInfo};

use super::busy_plan;
use crate::compare::{same, same_but_for_ids, without_stops};
use crate::program::{status_field, PATIENCE};
use crate::subject::{Plan, Subject};
use crate::tap::{skip, Case};

pub(super) const CASES: &[Case] = crate::cases![
    what_ptrace_holds_is_taken_and_restored,
    what_the_freezer_holds_is_taken_and_restored,
    what_a_signal_holds_is_left_stopped,
    the_library_chooses_a_way_by_itself,
    a_hold_that_is_dropped_lets_the_process_run_and_changes_nothing,
    two_ways_of_stopping_give_the_same_state,
];

fn what_ptrace_holds_is_taken_and_restored() -> anyhow::Result<()> {
    taken_and_restored(How::Ptrace, |subject| {
        Ok((Stopped::by_ptrace(subject.pid().as_raw())?, None))
    })
}

fn what_the_freezer_holds_is_taken_and_restored() -> anyhow::Result<()> {
    taken_and_restored(How::Freezer, |subject| {
        let cgroup = Cgroup::of(subject)?;
        Ok((Stopped::by_freezer(subject.pid().as_raw())?, Some(cgroup)))
    })
}

/// What holds the subject, and the cgroup that was made for it.
type Held = (Stopped, Option<Cgroup>);

fn taken_and_restored(how: How, stop: fn(&Subject) -> anyhow::Result<Held>) -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    let (stopped, cgroup) = stop(&subject)?;
    ensure!(stopped.how() == how, "stopped by {:?}", stopped.how());
    let record = take(&stopped)?;
    let mut model = record.to_model();
    model.process = None;
    same(
        "the record",
        &plan.model(subject.tids()),
        &without_stops(&model),
    )?;
    drop(stopped);
    // As long as the subject is in it: leaving a frozen cgroup would let it go too.
    runs(&subject)?;
    drop(cgroup);

    let fresh = Subject::start(&Plan::empty(2))?;
    let (stopped, cgroup) = stop(&fresh)?;
    model.remap_in_order(fresh.tids())?;
    sigcr::restore(
        stopped.pidfd().into(),
        &model.encode()?,
        RestoreFlags::empty(),
    )?;
    same_but_for_ids("the restored state", &model, &take(&stopped)?.to_model())?;
    drop(stopped);
    runs(&fresh)?;
    drop(cgroup);
    // All of it is blocked, so it is still there after the process has run.
    fresh.stop()?;
    same_but_for_ids("the state later", &model, &super::take(&fresh)?.to_model())
}

fn what_a_signal_holds_is_left_stopped() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let stopped = Stopped::stop(subject.pid().as_raw())?;
    ensure!(
        stopped.how() == How::AlreadyStopped,
        "stopped by {:?}",
        stopped.how()
    );
    take(&stopped)?;
    drop(stopped);
    let state = status_field(subject.pid(), "State")?;
    ensure!(state.starts_with('T'), "the state is {state}");
    Ok(())
}

fn the_library_chooses_a_way_by_itself() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    let stopped = Stopped::stop(subject.pid().as_raw())?;
    ensure!(
        stopped.how() != How::AlreadyStopped,
        "a running process counts as stopped"
    );
    let model = take(&stopped)?.to_model();
    same_but_for_ids("the record", &plan.model(&[1, 2]), &model)?;
    drop(stopped);
    runs(&subject)
}

fn a_hold_that_is_dropped_lets_the_process_run_and_changes_nothing() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    for _ in 0..10 {
        drop(Stopped::by_ptrace(subject.pid().as_raw())?);
        runs(&subject)?;
    }
    subject.stop()?;
    let model = super::take(&subject)?.to_model();
    same_but_for_ids("the record", &plan.model(&[1, 2]), &model)
}

fn two_ways_of_stopping_give_the_same_state() -> anyhow::Result<()> {
    let plan = busy_plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    let _cgroup = Cgroup::of(&subject)?;
    let traced = take(&Stopped::by_ptrace(subject.pid().as_raw())?)?.to_model();
    let frozen = take(&Stopped::by_freezer(subject.pid().as_raw())?)?.to_model();
    let states = |model: &Model| -> Vec<ThreadInfo> {
        let threads = model.threads.iter();
        threads.filter_map(|thread| thread.state.clone()).collect()
    };
    ensure!(states(&traced)
        .iter()
        .all(|state| state.traced && state.trace_stop));
    ensure!(states(&frozen)
        .iter()
        .all(|state| state.frozen && !state.traced));
    same(
        "the record",
        &without_stops(&traced),
        &without_stops(&frozen),
    )
}

fn take(stopped: &Stopped) -> anyhow::Result<Snapshot> {
    Ok(sigcr::checkpoint(
        stopped.pidfd().into(),
        CheckpointFlags::empty(),
    )?)
}

/// Fails unless all threads of the subject run or sleep, soon.
fn runs(subject: &Subject) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut states = Vec::new();
        for &tid in subject.tids() {
            states.push(status_field(Pid::from_raw(tid), "State")?);
        }
        let traced = status_field(subject.pid(), "TracerPid")?;
        // A frozen thread sleeps too; its cgroup says that it is frozen.
        let frozen = cgroup_of(subject.pid())
            .and_then(|dir| Ok(fs::read_to_string(dir.join("cgroup.events"))?))
            .is_ok_and(|events| events.contains("frozen 1"));
        let going = states.iter().all(|state| state.starts_with(['R', 'S']));
        if going && traced == "0" && !frozen {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "not let go: {states:?}, traced by {traced}, frozen: {frozen}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A cgroup for one subject; removed when the subject is out of it.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes a cgroup and moves the subject there; a skip where there are no cgroups (version 2).
    pub(crate) fn of(subject: &Subject) -> anyhow::Result<Self> {
        let root = PathBuf::from(ROOT);
        if !root.join("cgroup.procs").exists() {
            return Err(skip("no cgroup version 2 in /sys/fs/cgroup"));
        }
        let dir = root.join(format!("case-{}", subject.pid()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let cgroup = Self(dir);
        fs::write(cgroup.0.join("cgroup.procs"), subject.pid().to_string())
            .context("cannot move the subject into its cgroup")?;
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The subject may outlive this: back to the root with it.
        if let Ok(pids) = fs::read_to_string(self.0.join("cgroup.procs")) {
            for pid in pids.lines() {
                let _ = fs::write(PathBuf::from(ROOT).join("cgroup.procs"), pid);
            }
        }
        let _ = fs::remove_dir(&self.0);
    }
}

const ROOT: &str = "/sys/fs/cgroup";

fn cgroup_of(pid: Pid) -> anyhow::Result<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("not in a cgroup of version 2")?;
    Ok(PathBuf::from(ROOT).join(path))
}
