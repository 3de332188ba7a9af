// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Second act: a shell that runs a script with traps, a program that knows nothing of all this.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use super::tell;
use super::worker_act::{path_text, same_but_for_tids};
use crate::program::{status_field, Program};
use crate::sys;

/// The script. `read` is where it waits; a signal interrupts that, so it is called in a loop.
const SCRIPT: &str = "\
trap 'echo got HUP' HUP
trap 'echo got USR1' USR1
trap 'echo got USR2' USR2
trap 'echo got TERM' TERM
trap '' QUIT
echo ready
while [ \"$line\" != quit ]; do
    line=
    read -r line && echo \"line: $line\"
done
echo end
";

/// Runs the act in `dir`; the result is the verdict's part, an error is what went wrong.
pub fn run(dir: &Path) -> anyhow::Result<String> {
    tell::heading("2. A program that knows nothing of this: busybox sh with traps");
    let script = dir.join("traps.sh");
    fs::write(&script, SCRIPT)?;
    for line in SCRIPT.lines() {
        println!("    | {line}");
    }
    let record = dir.join("shell.sigcr");
    let record_path = path_text(&record)?;

    let first = start(&script)?;
    let first_pid = first.pid().to_string();
    tell::step(&format!("first shell: process {first_pid}, stopped"));
    first.stop()?;
    tell::kernel_view(first.pid())?;
    tell::step("while it is stopped it is sent TERM, USR2, USR1, USR1 and HUP");
    for signo in SENT {
        sys::kill(first.pid(), signo as u32)?;
    }
    tell::kernel_view(first.pid())?;
    tell::sigcr(&["checkpoint", &first_pid, "-o", record_path])?;
    tell::sigcr(&["show", record_path])?;
    tell::step("it is killed by SIGKILL");
    let said = first.kill()?;
    ensure!(said.is_empty(), "the first shell ran a trap: {said:?}");
    println!("    it has said nothing but \"ready\"");

    let mut fresh = start(&script)?;
    let fresh_pid = fresh.pid().to_string();
    tell::step(&format!("fresh shell: process {fresh_pid}, stopped"));
    fresh.stop()?;
    tell::kernel_view(fresh.pid())?;
    let pending = status_field(fresh.pid(), "ShdPnd")?;
    ensure!(
        u64::from_str_radix(&pending, 16)? == 0,
        "something is pending in the fresh shell: {pending}"
    );
    let restore = ["restore", &fresh_pid, record_path, "--remap", "in-order"];
    tell::sigcr(&restore)?;
    tell::kernel_view(fresh.pid())?;
    let again = dir.join("shell-again.sigcr");
    let again_path = path_text(&again)?;
    tell::sigcr(&["checkpoint", &fresh_pid, "-o", again_path])?;
    tell::sigcr(&["diff", "--by-order", record_path, again_path])?;
    same_but_for_tids(&record, &again)?;

    tell::step("it is let go");
    fresh.go_on()?;
    let mut said = Vec::new();
    for _ in EXPECTED {
        said.push(fresh.line()?);
    }
    fresh.tell("quit")?;
    said.extend(fresh.remaining_lines()?);
    for line in &said {
        println!("    the shell says: {line}");
    }
    let expected: Vec<&str> = EXPECTED.into_iter().chain(["line: quit", "end"]).collect();
    ensure!(
        said == expected,
        "shell: said {said:?} instead of {expected:?}"
    );
    fresh.wait()?;
    println!("    every trap has run once, in the shell's order");
    Ok(format!("{} traps of a shell", EXPECTED.len()))
}

/// In no order that means anything; USR1 twice is one, since it is a legacy signal.
const SENT: [i32; 5] = [
    libc::SIGTERM,
    libc::SIGUSR2,
    libc::SIGUSR1,
    libc::SIGUSR1,
    libc::SIGHUP,
];

/// The shell runs its traps by ascending signal number.
const EXPECTED: [&str; 4] = ["got HUP", "got USR1", "got USR2", "got TERM"];

fn start(script: &Path) -> anyhow::Result<Program> {
    let mut shell = Program::start(Command::new("busybox").arg("sh").arg(script))?;
    let line = shell.line()?;
    ensure!(line == "ready", "the shell said {line:?} instead of ready");
    Ok(shell)
}
