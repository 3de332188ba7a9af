// SPDX-License-Identifier: GPL-2.0 OR MIT

//! First act: a worker with threads and more than a thousand queued signals is brought back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, ensure, Context};
use nix::errno::Errno;
use nix::unistd::Pid;
use sigcr::Snapshot;

use super::ledger::Ledger;
use super::plan::{self, Arrival};
use super::{tell, Sabotage};
use crate::compare::same_but_for_ids;
use crate::program::{tids, Program};
use crate::sys;

/// Runs the act in `dir`; the result is the verdict's part, an error is what went wrong.
pub fn run(dir: &Path, sabotage: Option<Sabotage>) -> anyhow::Result<String> {
    tell::heading("1. A worker with 5 threads, handlers, alternate stacks and queued signals");
    let worker = std::env::current_exe()?.with_file_name("sigcr-demo-worker");
    let record = dir.join("worker.sigcr");
    let log = dir.join("worker.log");
    if log.exists() {
        fs::remove_file(&log)?;
    }
    let first = Instance::start(&worker, "first", &log)?;
    tell::step(&format!(
        "first instance: process {}, threads {:?}; all its signals are blocked",
        first.program.pid(),
        first.tids
    ));
    tell::kernel_view(first.program.pid())?;

    let ledger = send_all(&first)?;
    tell::step(&format!("{} signals are sent to it", ledger.len()));
    for ((thread, signo), count) in ledger.summary() {
        let queue = match thread {
            0 => "process".to_owned(),
            _ => format!("thread {}", first.tids[thread as usize]),
        };
        println!("    {count:5} x signal {signo} to {queue}");
    }
    tell::kernel_view(first.program.pid())?;

    tell::step("it is stopped and checkpointed");
    first.program.stop()?;
    let first_pid = first.program.pid().to_string();
    let record_path = path_text(&record)?;
    tell::sigcr(&["checkpoint", &first_pid, "-o", record_path])?;
    println!("    the record has {} bytes", fs::metadata(&record)?.len());
    tell::sigcr(&["show", record_path])?;

    tell::step("it is killed by SIGKILL: all of its signals are lost");
    first.program.kill()?;
    let logged = Arrival::read_log(&fs::read(&log)?)?.len();
    ensure!(
        logged == 0,
        "the first instance already took {logged} signals"
    );
    println!("    none of its handlers has ever run");
    if let Some(sabotage) = sabotage {
        sabotage.apply(&record)?;
    }

    let fresh = Instance::start(&worker, "fresh", &log)?;
    let fresh_pid = fresh.program.pid().to_string();
    tell::step(&format!(
        "fresh instance: process {fresh_pid}, threads {:?}; it has set no signal state (33 is its C library)",
        fresh.tids
    ));
    tell::kernel_view(fresh.program.pid())?;
    tell::sigcr(&["show", &fresh_pid])?;

    tell::step("the record is restored onto it");
    fresh.program.stop()?;
    let restore = ["restore", &fresh_pid, record_path, "--remap", "in-order"];
    tell::sigcr(&restore)?;
    tell::kernel_view(fresh.program.pid())?;
    let again = dir.join("worker-again.sigcr");
    let again_path = path_text(&again)?;
    tell::sigcr(&["checkpoint", &fresh_pid, "-o", again_path])?;
    tell::sigcr(&["diff", "--by-order", record_path, again_path])?;
    same_but_for_tids(&record, &again)?;

    tell::step("it is let go, unblocks, and its handlers log what they get");
    fresh.program.go_on()?;
    fresh.finish()?;
    let arrived = Arrival::read_log(&fs::read(&log)?)?;
    table(&ledger, &arrived);
    let differences = ledger.differences(&arrived);
    if !differences.is_empty() {
        let first_ones = differences.iter().take(5).cloned().collect::<Vec<_>>();
        bail!(
            "worker: {} differences between what was sent and what arrived: {}",
            differences.len(),
            first_ones.join("; ")
        );
    }
    let on_stack = arrived.iter().filter(|one| one.on_altstack).count();
    println!(
        "    {} sent, {} arrived: each once, in order, with its payload; {on_stack} on an altstack",
        ledger.len(),
        arrived.len()
    );
    Ok(format!("{} signals to 5 threads", arrived.len()))
}

/// A running worker.
pub struct Instance {
    /// The process.
    pub program: Program,
    tids: Vec<i32>,
}

impl Instance {
    /// Starts the worker program in a role, and waits until its threads stand.
    pub fn start(worker: &Path, role: &str, log: &Path) -> anyhow::Result<Self> {
        let mut program = Program::start(Command::new(worker).arg(role).arg(log))?;
        let line = program.line()?;
        let told = line.strip_prefix("ready ").context("no ready line")?;
        let mut tids = vec![program.pid().as_raw()];
        for tid in told.split(' ') {
            tids.push(tid.parse()?);
        }
        ensure!(
            tids == self::tids(program.pid())?,
            "threads other than {tids:?}"
        );
        Ok(Self { program, tids })
    }

    /// Tells it to take what is pending; it has taken all and ended when this returns.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.program.tell("go")?;
        let line = self.program.line()?;
        ensure!(line == "done", "the worker said {line:?} instead of done");
        self.program.wait()
    }
}

/// Sends everything, and notes what has to arrive.
pub fn send_all(instance: &Instance) -> anyhow::Result<Ledger> {
    let pid = instance.program.pid();
    let sender = Pid::this().as_raw();
    let mut ledger = Ledger::default();
    // Legacy: the first stays, the others find the signal pending already and are merged with it.
    for value in [7, 8, 9] {
        sys::queue_to_process(pid, &sys::siginfo(plan::SHARED_LEGACY, SI_QUEUE, value))?;
    }
    ledger.note(0, plan::SHARED_LEGACY, SI_QUEUE, sender, 7);
    for index in 0..SHARED_COUNT {
        // Interleaved, and not in turn.
        let signo = plan::SHARED_SIGNOS[(index * 5 + index / 7) % plan::SHARED_SIGNOS.len()];
        let value = 0x5162_0000_0000 + index as u64;
        queue(|info| sys::queue_to_process(pid, info), signo, value)?;
        ledger.note(0, signo, SI_QUEUE, sender, value);
    }
    for (thread, &tid) in instance.tids.iter().enumerate().skip(1) {
        for index in 0..PER_THREAD_COUNT {
            let value = (thread as u64) << 32 | index;
            let to_thread = |info: &_| sys::queue_to_thread(pid, Pid::from_raw(tid), info);
            queue(to_thread, plan::THREAD_SIGNO, value)?;
            ledger.note(thread as u32, plan::THREAD_SIGNO, SI_QUEUE, sender, value);
        }
    }
    let third = Pid::from_raw(instance.tids[3]);
    sys::tgkill(pid, third, plan::THREAD_LEGACY)?;
    ledger.note(3, plan::THREAD_LEGACY, libc::SI_TKILL, sender, 0);
    // At its limit a process still gets the signal, but nothing of who sent it.
    let limit = sys::set_sigpending_limit(pid, 0)?;
    sys::kill(pid, plan::BARE_SIGNO)?;
    let refused = sys::queue_to_process(pid, &sys::siginfo(plan::SHARED_SIGNOS[0], SI_QUEUE, 0));
    ensure!(
        refused == Err(Errno::EAGAIN),
        "the limit of the queue has no effect"
    );
    sys::set_sigpending_limit(pid, limit)?;
    ledger.note(0, plan::BARE_SIGNO, libc::SI_USER, 0, 0);
    Ok(ledger)
}

const SI_QUEUE: i32 = -1;
const SHARED_COUNT: usize = 1200;
const PER_THREAD_COUNT: u64 = 30;

fn queue(
    send: impl Fn(&[u8; 128]) -> sys::Result<()>,
    signo: u32,
    value: u64,
) -> anyhow::Result<()> {
    send(&sys::siginfo(signo, SI_QUEUE, value))
        .with_context(|| format!("cannot queue signal {signo} with value {value:#x}"))
}

/// Compares two records of instances of one program; only their thread ids may differ.
pub fn same_but_for_tids(first: &Path, second: &Path) -> anyhow::Result<()> {
    let (first, second) = (Snapshot::read_from(first)?, Snapshot::read_from(second)?);
    let what = "the record of the restored instance";
    same_but_for_ids(what, &first.to_model(), &second.to_model())
}

fn table(ledger: &Ledger, arrived: &[Arrival]) {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for one in arrived {
        *counts.entry((one.thread, one.signo)).or_insert(0) += 1;
    }
    println!("    queue     signal   sent  arrived");
    for ((thread, signo), sent) in ledger.summary() {
        let queue = match thread {
            0 => "process".to_owned(),
            _ => format!("thread {thread}"),
        };
        let arrived = counts.get(&(thread, signo)).copied().unwrap_or(0);
        println!("    {queue:10} {signo:5} {sent:6} {arrived:8}");
    }
}

/// A path of the demo's own, which is always text.
pub fn path_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not text", path.display()))
}
