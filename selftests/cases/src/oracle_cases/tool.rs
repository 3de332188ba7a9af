// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The tool where the calls are missing: it takes and restores by ptrace, and says so.

use std::os::unix::process::CommandExt;

use anyhow::{ensure, Context};
use nix::errno::Errno;

use crate::cli_cases::{arg, Dir};
use crate::filter::{filter, Answer};
use crate::lib_cases::busy_plan;
use crate::subject::{Plan, Subject};
use crate::tap::Case;
use crate::tool::{command, run_well, Ran};

pub(super) const CASES: &[Case] = crate::cases![
    a_kernel_without_the_calls_is_made_up_for_by_ptrace,
    a_filter_that_denies_the_calls_is_made_up_for_by_ptrace,
    by_ptrace_or_by_the_calls_a_state_is_the_same,
];

/// sigckpt(2) and sigrestore(2).
const CALLS: [i64; 2] = [389, 390];

/// Runs the tool where its calls fail so.
fn without_calls(args: &[&str], errno: Errno) -> anyhow::Result<Ran> {
    let mut command = command(args);
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(move || Ok(filter(CALLS, Answer::Fail(errno))?)) };
    Ran::from_output(command.output().context("cannot start sigcr")?)
}

fn a_kernel_without_the_calls_is_made_up_for_by_ptrace() -> anyhow::Result<()> {
    made_up_for(Errno::ENOSYS, 3, "does not have sigckpt(2)")
}

fn a_filter_that_denies_the_calls_is_made_up_for_by_ptrace() -> anyhow::Result<()> {
    made_up_for(Errno::EPERM, 4, "sigckpt(2) is denied")
}

fn made_up_for(errno: Errno, code: i32, because: &str) -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let (plan, file) = (busy_plan(), dir.file("record"));
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;

    let probed = without_calls(&["probe", "--json"], errno)?;
    ensure!(probed.code == code, "{probed:?}");
    let fields: serde_json::Value = serde_json::from_str(&probed.stdout)?;
    ensure!(fields["backend"] == "ptrace", "{fields}");
    let refused = without_calls(
        &["checkpoint", "--backend", "kernel", &arg(&subject)],
        errno,
    )?;
    ensure!(refused.code == code, "{refused:?}");

    let taken = without_calls(&["checkpoint", &arg(&subject), "-o", &file], errno)?;
    ensure!(taken.code == 0 && taken.stdout.is_empty(), "{taken:?}");
    ensure!(
        taken.stderr.contains("by ptrace(2), because") && taken.stderr.contains(because),
        "{taken:?}"
    );
    ensure!(taken.stderr.contains("not captured: "), "{taken:?}");
    // By the calls, which are there.
    let same = run_well(&["diff", &file, &arg(&subject)])?;
    ensure!(same.ends_with("no difference in signal state\n"), "{same}");
    drop(subject);

    let fresh = Subject::start(&Plan::empty(plan.threads.len()))?;
    let target = arg(&fresh);
    let restored = without_calls(&["restore", "--remap", "in-order", &target, &file], errno)?;
    ensure!(
        restored.code == 0 && restored.stdout.is_empty(),
        "{restored:?}"
    );
    ensure!(restored.stderr.contains(because), "{restored:?}");
    let same = run_well(&["diff", "--by-order", &file, &target])?;
    ensure!(same.ends_with("no difference in signal state\n"), "{same}");
    Ok(())
}

fn by_ptrace_or_by_the_calls_a_state_is_the_same() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let plan = busy_plan();
    let [by_ptrace, by_calls] = ["ptrace", "kernel"].map(|name| dir.file(name));
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    for (backend, file) in [("ptrace", &by_ptrace), ("kernel", &by_calls)] {
        run_well(&[
            "checkpoint",
            "--backend",
            backend,
            &arg(&subject),
            "-o",
            file,
        ])?;
    }
    let same = run_well(&["diff", &by_calls, &by_ptrace])?;
    ensure!(same.ends_with("no difference in signal state\n"), "{same}");
    // The one restores what the other has taken.
    for (backend, file) in [("ptrace", &by_calls), ("kernel", &by_ptrace)] {
        let fresh = Subject::start(&Plan::empty(plan.threads.len()))?;
        let target = arg(&fresh);
        run_well(&[
            "restore",
            "--backend",
            backend,
            "--remap",
            "in-order",
            &target,
            file,
        ])?;
        let same = run_well(&["diff", "--by-order", file, &target])?;
        ensure!(same.ends_with("no difference in signal state\n"), "{same}");
    }
    Ok(())
}
