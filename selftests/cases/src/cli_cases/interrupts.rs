// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The tool is interrupted while it works: its target runs on, with all that it had.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sigcr::Snapshot;

use super::{arg, Dir};
use crate::program::{status_field, PATIENCE};
use crate::subject::{Plan, Sent, Subject};
use crate::sys::{self, bit};
use crate::tap::Case;
use crate::tool::command;

pub(super) const CASES: &[Case] = crate::cases![
    an_interrupted_checkpoint_lets_the_target_go,
    an_interrupted_restore_has_happened_or_not_and_lets_the_target_go,
    a_killed_checkpoint_lets_the_target_go,
];

/// Enough to keep the tool at work for a while; the debug kernel takes half a millisecond and more
/// to queue one, and as long to free it.
const ENTRY_COUNT: u64 = 4_000;

fn big_plan() -> Plan {
    let mut plan = Plan::empty(4);
    for thread in &mut plan.threads {
        thread.blocked = bit(50);
    }
    plan.shared = (0..ENTRY_COUNT)
        .map(|value| Sent::Queued(50, -1, value))
        .collect();
    plan
}

fn big() -> anyhow::Result<Subject> {
    let plan = big_plan();
    let subject = Subject::start(&plan)?;
    sys::set_sigpending_limit(subject.pid(), 3 * ENTRY_COUNT)?;
    subject.send(&plan)?;
    Ok(subject)
}

fn an_interrupted_checkpoint_lets_the_target_go() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = big()?;
    let mut interrupted_count = 0;
    for (round, signal) in SIGNALS.into_iter().cycle().take(8).enumerate() {
        let file = dir.file(&format!("record-{round}"));
        let code = interrupted(
            &["checkpoint", &arg(&subject), "-o", &file],
            &subject,
            signal,
            round,
        )?;
        interrupted_count += usize::from(code != 0);
        runs(&subject)?;
        // The file is whole or not there at all.
        if let Ok(record) = Snapshot::read_from(&file) {
            let queue = record.to_model().shared_pending;
            let len = queue.map_or(0, |queue| queue.entries.len());
            ensure!(len == ENTRY_COUNT as usize, "{len} entries");
        } else {
            ensure!(
                !std::path::Path::new(&file).exists(),
                "{file} is not a record"
            );
        }
    }
    ensure!(
        interrupted_count > 0,
        "no interrupt came while the tool worked"
    );
    Ok(())
}

fn an_interrupted_restore_has_happened_or_not_and_lets_the_target_go() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    let record = {
        let subject = big()?;
        crate::tool::run_well(&["checkpoint", &arg(&subject), "-o", &file])?;
        Snapshot::read_from(&file)?.to_model()
    };
    for (round, signal) in SIGNALS.into_iter().enumerate() {
        let fresh = Subject::start(&Plan::empty(4))?;
        sys::set_sigpending_limit(fresh.pid(), 3 * ENTRY_COUNT)?;
        let args = ["restore", &arg(&fresh), &file, "--remap", "in-order"];
        interrupted(&args, &fresh, signal, round)?;
        runs(&fresh)?;
        fresh.stop()?;
        let pidfd = fresh.pidfd()?;
        let flags = sigcr::CheckpointFlags::empty();
        let now = sigcr::checkpoint(sigcr::Target::from(&pidfd), flags)?.to_model();
        let nothing = now.shared_pending == Plan::empty(4).model(&[1, 2, 3, 4]).shared_pending;
        let everything = now.shared_pending == record.shared_pending;
        let blocked = now.threads.iter().filter(|thread| {
            let state = thread.state.as_ref();
            state.is_some_and(|state| state.blocked.bits() == bit(50))
        });
        let blocked_count = blocked.count();
        ensure!(
            (nothing && blocked_count == 0) || (everything && blocked_count == 4),
            "half restored: nothing is {nothing}, everything is {everything}, {blocked_count} masks"
        );
    }
    Ok(())
}

fn a_killed_checkpoint_lets_the_target_go() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = big()?;
    for round in 0..4 {
        let file = dir.file(&format!("record-{round}"));
        let args = ["checkpoint", &arg(&subject), "-o", &file];
        interrupted(&args, &subject, Signal::SIGKILL, round)?;
        runs(&subject)?;
    }
    let pending = status_field(subject.pid(), "ShdPnd")?;
    ensure!(
        u64::from_str_radix(&pending, 16)? == bit(50),
        "ShdPnd {pending}"
    );
    Ok(())
}

const SIGNALS: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// Runs the tool, and sends it the signal some time after it has stopped the target; returns how
/// it ended.
fn interrupted(
    args: &[&str],
    target: &Subject,
    signal: Signal,
    round: usize,
) -> anyhow::Result<i32> {
    let mut child = command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    // Until the first thread stands still, or the tool was too quick for that to be seen.
    while !status_field(target.pid(), "State")?.starts_with(['t', 'T'])
        && child.try_wait()?.is_none()
    {
        ensure!(Instant::now() < deadline, "the target was never stopped");
    }
    sleep(Duration::from_micros(700 * round as u64));
    // Until it is waited for, its number is its own.
    if child.try_wait()?.is_none() {
        kill(Pid::from_raw(child.id() as i32), signal)?;
    }
    let ran = crate::tool::Ran::from_output(child.wait_with_output()?)?;
    ensure!(
        ran.code == 0 || ran.code == 128 + signal as i32,
        "ended in another way: {ran:?}"
    );
    Ok(ran.code)
}

/// Fails unless all threads of the subject are let go, soon.
fn runs(subject: &Subject) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut held = Vec::new();
        for &tid in subject.tids() {
            let tid = Pid::from_raw(tid);
            let state = status_field(tid, "State")?;
            if !state.starts_with(['S', 'R']) || status_field(tid, "TracerPid")? != "0" {
                held.push((tid, state));
            }
        }
        if held.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not let go: {held:?}");
        sleep(Duration::from_millis(2));
    }
}
