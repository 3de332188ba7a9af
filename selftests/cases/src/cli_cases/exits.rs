// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Exit codes and messages: each failure has its code and names a remedy.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use anyhow::ensure;
use nix::sys::wait::{waitid, Id, WaitPidFlag};
use nix::unistd::Pid;

use super::{arg, running, Dir};
use crate::program::status_field;
use crate::subject::{Plan, Subject};
use crate::tap::Case;
use crate::tool::{command, run, run_well, Ran};

pub(super) const CASES: &[Case] = crate::cases![
    a_spoilt_record_is_refused_with_code_one,
    a_senseless_command_line_has_code_two,
    another_users_process_has_code_four,
    a_process_that_is_not_there_has_code_five,
    a_running_process_that_must_not_be_stopped_has_code_five,
    a_file_that_is_not_there_has_code_six,
    a_record_for_other_threads_names_remap_as_the_remedy,
    an_output_that_nobody_reads_is_no_failure,
];

/// Fails unless the tool ended with the code and all words stand in what it wrote.
pub(super) fn ended(ran: &Ran, code: i32, words: &[&str]) -> anyhow::Result<()> {
    ensure!(ran.code == code, "the code is not {code}: {ran:?}");
    let text = format!("{}{}", ran.stdout, ran.stderr);
    for word in words {
        ensure!(text.contains(word), "no {word:?} in {text:?}");
    }
    Ok(())
}

fn a_spoilt_record_is_refused_with_code_one() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    let subject = running()?;
    run_well(&["checkpoint", &arg(&subject), "-o", &file])?;
    let mut bytes = fs::read(&file)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes)?;
    ended(&run(&["check", &file])?, 1, &["checksum", &file])?;
    ended(&run(&["show", &file])?, 1, &["checksum"])?;
    ended(&run(&["restore", &arg(&subject), &file])?, 1, &["checksum"])
}

fn a_senseless_command_line_has_code_two() -> anyhow::Result<()> {
    ended(&run(&["checkpoint"])?, 2, &["PID"])?;
    ended(&run(&["checkpoint", "-1"])?, 2, &[])?;
    ended(&run(&["no-such-verb"])?, 2, &["no-such-verb"])
}

fn another_users_process_has_code_four() -> anyhow::Result<()> {
    let subject = running()?;
    let pid = arg(&subject);
    let mut command = command(&["checkpoint", "--live", &pid, "-o", "-"]);
    let ran = Ran::from_output(command.uid(65534).gid(65534).output()?);
    // Standard output is no text when it works; then the exit code says so.
    ended(&ran?, 4, &["ptrace"])
}

fn a_process_that_is_not_there_has_code_five() -> anyhow::Result<()> {
    // Beyond the highest number that a process can have.
    let words = ["4194304", "no process"];
    for verb in ["checkpoint", "show"] {
        ended(&run(&[verb, "4194304"])?, 5, &words)?;
    }
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    ended(&run(&["restore", "4194304", &file])?, 5, &words)?;
    // A zombie can be opened, but has nothing to take.
    let mut zombie = command(&["probe"]).stdout(Stdio::null()).spawn()?;
    let pid = Pid::from_raw(zombie.id().try_into()?);
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
    let ran = run(&["checkpoint", "--live", &pid.to_string(), "-o", "-"])?;
    zombie.wait()?;
    ended(&ran, 5, &[&format!("{pid}: sigckpt"), "gone"])
}

fn a_running_process_that_must_not_be_stopped_has_code_five() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = running()?;
    let file = dir.file("record");
    let ran = run(&["checkpoint", "--no-stop", &arg(&subject), "-o", &file])?;
    ended(&ran, 5, &["--live"])?;
    ensure!(fs::metadata(&file).is_err(), "a file was written");
    Ok(())
}

fn a_file_that_is_not_there_has_code_six() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("missing");
    ended(&run(&["show", &file])?, 6, &[&file])?;
    let subject = running()?;
    let file = dir.file("no/such/folder");
    ended(
        &run(&["checkpoint", &arg(&subject), "-o", &file])?,
        6,
        &[&file],
    )
}

fn a_record_for_other_threads_names_remap_as_the_remedy() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let fresh = Subject::start(&Plan::empty(2))?;
    ended(&run(&["restore", &arg(&fresh), &file])?, 1, &["--remap"])?;
    let fewer = Subject::start(&Plan::empty(1))?;
    let ran = run(&["restore", &arg(&fewer), &file, "--remap", "in-order"])?;
    ensure!(ran.code != 0, "two threads fit into one: {ran:?}");
    for subject in [&fresh, &fewer] {
        let pending = status_field(subject.pid(), "ShdPnd")?;
        ensure!(u64::from_str_radix(&pending, 16)? == 0, "ShdPnd {pending}");
        let state = status_field(subject.pid(), "State")?;
        ensure!(state.starts_with(['S', 'R']), "the state is {state}");
    }
    Ok(())
}

fn an_output_that_nobody_reads_is_no_failure() -> anyhow::Result<()> {
    let subject = running()?;
    let mut child = command(&["show", "--all", &arg(&subject)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let ran = Ran::from_output(child.wait_with_output()?)?;
    ended(&ran, 0, &[])
}
