// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Random processes, each from its seed: as many as there is time for, by several workers.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context};
use nix::fcntl::OFlag;
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe2, ForkResult, Pid};
use sigcr::ptrace::{self, RestoreFlags};
use sigcr::stop::Stopped;
use sigcr::{CheckpointFlags, Model};

use crate::extras::Extras;
use crate::random::plan_with_extras;
use crate::subject::{Plan, Subject};
use crate::tap::Case;
use crate::{agree, restored};

pub(super) const CASES: &[Case] = crate::cases![
    the_kernel_and_ptrace_agree_on_random_processes,
    what_ptrace_restores_the_kernel_finds,
];

/// Which processes are compared.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The seed of the first one; the next ones count up.
    pub seed: u64,
    /// At most so many.
    pub count: u64,
    /// None is begun after this time.
    pub time: Duration,
    /// By so many processes at a time.
    pub worker_count: u64,
}

static SCOPE: OnceLock<Scope> = OnceLock::new();

impl Scope {
    /// The one of this run, unless [`Scope::set`] was called: small, as one test among others.
    const USUAL: Scope = Scope {
        seed: 1,
        count: 400,
        time: Duration::from_secs(12),
        worker_count: 2,
    };

    /// Makes it the scope of this run, before the first case.
    pub fn set(self) {
        SCOPE.set(self).expect("the scope is set once");
    }

    /// The one of this run.
    pub fn get() -> Scope {
        *SCOPE.get().unwrap_or(&Self::USUAL)
    }
}

fn the_kernel_and_ptrace_agree_on_random_processes() -> anyhow::Result<()> {
    for (field, reason) in agree::EXCLUDED {
        println!("note: not compared: {field}: {reason}");
    }
    by_workers(compare)
}

fn what_ptrace_restores_the_kernel_finds() -> anyhow::Result<()> {
    by_workers(restore)
}

/// Compares both records of the process of the seed.
fn compare(seed: u64) -> anyhow::Result<Model> {
    let (plan, extras) = plan_with_extras(seed);
    let subject = Subject::start_with_extras(&plan, &extras)?;
    subject.send(&plan)?;
    if seed % 4 == 0 {
        subject.stop()?;
    }
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    let before = settled(&stopped)?;
    let taken = ptrace::checkpoint(&stopped)?;
    let after = by_kernel(&stopped)?;
    let model = taken.snapshot.to_model();
    agree::agrees(&before, &model, &taken.not_captured, &after)?;
    agree::unchanged(&before, &after)?;
    Ok(model)
}

/// Restores the kernel's record of the process of the seed into a fresh one by ptrace, and compares
/// it with the kernel's record of that one; then lets it run, and compares again.
fn restore(seed: u64) -> anyhow::Result<Model> {
    let (plan, extras) = plan_with_extras(seed);
    let subject = Subject::start_with_extras(&plan, &extras)?;
    subject.send(&plan)?;
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    let mut wanted = settled(&stopped)?;
    let begun = Instant::now();
    drop(stopped);
    // The limit on queued signals is the user's: make room for the second process.
    drop(subject);
    let blank = Extras {
        signalfds: extras.signalfds.iter().map(|mask| mask & 1).collect(),
        ..Extras::default()
    };
    let fresh = Subject::start_with_extras(&Plan::empty(plan.threads.len()), &blank)?;
    wanted.remap_in_order(fresh.tids())?;
    let stopped = Stopped::by_ptrace(fresh.pid().as_raw())?;
    let lost = ptrace::restore(&stopped, &wanted.encode()?, RestoreFlags::PARTIAL)?;
    let got = by_kernel(&stopped)?;
    restored::is_restored(&wanted, &lost, &got, begun.elapsed())?;
    drop(stopped);
    let stopped = Stopped::by_ptrace(fresh.pid().as_raw())?;
    let later = by_kernel(&stopped)?;
    restored::is_restored(&wanted, &lost, &later, begun.elapsed()).context("when it had run")?;
    Ok(wanted)
}

/// The kernel's record, when all timers have expired that should have: the machine may be busy.
fn settled(stopped: &Stopped) -> anyhow::Result<Model> {
    loop {
        let model = by_kernel(stopped)?;
        if !agree::is_overdue(&model) {
            return Ok(model);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn by_kernel(stopped: &Stopped) -> anyhow::Result<Model> {
    let snapshot = sigcr::checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())?;
    Ok(snapshot.to_model())
}

/// Makes a check for one seed; returns the model that was compared.
type Check = fn(seed: u64) -> anyhow::Result<Model>;

/// What is counted of the models that were compared.
const COUNTED: [&str; 5] = [
    "processes",
    "threads",
    "queued signals",
    "actions",
    "timers",
];

/// One count for each of [`COUNTED`].
type Counts = [u64; COUNTED.len()];

fn counts(model: &Model) -> Counts {
    let private = model
        .threads
        .iter()
        .filter_map(|thread| thread.pending.as_ref());
    let queues = model.shared_pending.iter().chain(private);
    let timers = model.timers.as_ref().map_or(0, |list| list.timers.len());
    [
        1,
        model.threads.len(),
        queues.map(|queue| queue.entries.len()).sum(),
        model.actions.as_ref().map_or(0, Vec::len),
        timers,
    ]
    .map(|count| count as u64)
}

fn add(sum: Counts, more: Counts) -> Counts {
    std::array::from_fn(|index| sum[index] + more[index])
}

/// Runs the check for the seeds of the scope; the error names the seed that failed.
fn by_workers(check: Check) -> anyhow::Result<()> {
    let scope = Scope::get();
    let begun = Instant::now();
    let workers: Vec<_> = (0..scope.worker_count)
        .map(|worker| start_worker(worker, &scope, check))
        .collect::<Result<_, _>>()?;
    let mut done = Counts::default();
    let mut failed = false;
    for (pid, mut pipe) in workers {
        let mut bytes = [0; size_of::<Counts>()];
        let read = pipe.read_exact(&mut bytes);
        let status = waitpid(pid, None)?;
        failed |= read.is_err() || status != WaitStatus::Exited(pid, 0);
        done = add(done, from_bytes(&bytes));
    }
    ensure!(!failed, "a worker has failed");
    ensure!(done[0] > 0, "there was no time for a single process");
    let told = COUNTED.iter().zip(done);
    let told: Vec<_> = told
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    println!(
        "note: compared: {}; seeds from {} on, in {:.1} s",
        told.join(", "),
        scope.seed,
        begun.elapsed().as_secs_f32()
    );
    Ok(())
}

fn from_bytes(bytes: &[u8; size_of::<Counts>()]) -> Counts {
    let mut words = bytes.chunks_exact(size_of::<u64>());
    std::array::from_fn(|_| {
        let word = words.next().and_then(|word| word.try_into().ok());
        u64::from_ne_bytes(word.unwrap_or_default())
    })
}

/// Starts a worker, which writes what it has compared to the pipe.
fn start_worker(worker: u64, scope: &Scope, check: Check) -> anyhow::Result<(Pid, File)> {
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: a case has one thread, so the child finds no lock held by another.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((child, File::from(read_end))),
        ForkResult::Child => {
            drop(read_end);
            let done = keep_to_cpu(worker).and_then(|()| work(worker, scope, check));
            let done = done.and_then(|counts| {
                let bytes = counts.map(u64::to_ne_bytes).concat();
                Ok(File::from(write_end).write_all(&bytes)?)
            });
            if let Err(error) = &done {
                eprintln!("{error:#}");
            }
            std::process::exit(i32::from(done.is_err()));
        }
    }
}

/// Keeps the worker and the processes that it starts to one CPU: they wait for each other all the
/// time, and to wake another CPU takes long where that is emulated.
fn keep_to_cpu(worker: u64) -> anyhow::Result<()> {
    let cpus = sched_getaffinity(Pid::from_raw(0))?;
    let mine = (0..CpuSet::count()).filter(|cpu| cpus.is_set(*cpu) == Ok(true));
    let mine: Vec<_> = mine.collect();
    let mut one = CpuSet::new();
    one.set(mine[worker as usize % mine.len()])?;
    Ok(sched_setaffinity(Pid::from_raw(0), &one)?)
}

fn work(worker: u64, scope: &Scope, check: Check) -> anyhow::Result<Counts> {
    let end = Instant::now() + scope.time;
    let seeds =
        (scope.seed..scope.seed + scope.count).filter(|seed| seed % scope.worker_count == worker);
    let mut done = Counts::default();
    for seed in seeds.take_while(|_| Instant::now() < end) {
        let model = check(seed).with_context(|| format!("seed {seed}"))?;
        done = add(done, counts(&model));
    }
    Ok(done)
}
