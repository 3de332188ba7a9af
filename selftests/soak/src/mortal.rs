// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The storm on processes that fork, execute themselves, exit and are killed.
//!
//! Each has the same numbers queued, which nobody takes: whatever happens to it, its record holds
//! them all, or the calls say what is in their way. Two threads stop it, take it, and restore
//! records of this process or of an earlier one, all at the same time.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use cases::sys;
use mutator::Random;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use sigcr::{CheckpointFlags, RestoreFlags, Snapshot, Target};

use crate::board::{Board, Count};
use crate::calls::{checkpoint, restore, Situation};
use crate::hold::{hold, unless_gone, Means};
use crate::storm::{become_user, exit, fork_briefly, nap, own_path, Storm};
use crate::stream;

const STREAM: usize = 0;
const NUMBER_COUNT: u64 = 50;
const TORMENTOR_COUNT: usize = 2;
/// A stop that others work against is given up after this time.
const HOLD_LIMIT: Duration = Duration::from_millis(50);
/// What the program is told when it executes itself.
pub(crate) const FLAG: &str = "--mortal";

/// The process that there is now.
struct Mortal {
    child: Child,
    pidfd: OwnedFd,
}

impl Mortal {
    fn pid(&self) -> Pid {
        // Process ids are at most 2^22.
        Pid::from_raw(self.child.id() as i32)
    }
}

pub(crate) fn run(storm: &mut Storm<'_>) -> Result<()> {
    let seeds = [(); TORMENTOR_COUNT].map(|()| storm.random.word());
    let mortal = RwLock::new(born(storm)?);
    let storm_seen = &*storm;
    let mut random = storm.random.clone();
    let result = std::thread::scope(|scope| {
        for seed in seeds {
            let mortal = &mortal;
            scope.spawn(move || {
                if let Err(e) = torment(storm_seen, mortal, seed) {
                    storm_seen.board.fail(format_args!("tormentor: {e:#}"));
                }
            });
        }
        let result = rule(storm_seen, &mortal, &mut random);
        storm_seen.board.set_over();
        result
    });
    let last = mortal.into_inner().ok().context("a tormentor panicked")?;
    end(storm, last).and(result)
}

/// Kills the process after a while, and has another follow.
fn rule(storm: &Storm<'_>, mortal: &RwLock<Mortal>, random: &mut Random) -> Result<()> {
    while !storm.is_over() {
        nap(random, 3000);
        {
            let mortal = mortal.read().ok().context("a tormentor panicked")?;
            let signal = random.pick(&[Signal::SIGKILL, Signal::SIGKILL, Signal::SIGCONT]);
            unless_gone(kill(mortal.pid(), signal))?;
            if signal != Signal::SIGKILL {
                continue;
            }
            storm.board.add(Count::Kills, 1);
        }
        // While it dies the tormentors have at it; when the lock is had nobody uses its number.
        nap(random, 5);
        let mut mortal = mortal.write().ok().context("a tormentor panicked")?;
        let next = born(storm)?;
        end(storm, std::mem::replace(&mut *mortal, next))?;
    }
    Ok(())
}

/// Starts a process, with the numbers in its queue.
fn born(storm: &Storm<'_>) -> Result<Mortal> {
    let mut command = Command::new("/proc/self/exe");
    let (procs, uid) = (storm.cgroup.procs_path(), storm.uid);
    command
        .arg(FLAG)
        .arg(storm.board.fd().to_string())
        .arg("0")
        .stdin(Stdio::null());
    // SAFETY: Between fork and exec there is one thread, and what is called does not take locks
    // but for the allocator's, which the C library makes usable after fork.
    unsafe {
        command.pre_exec(move || {
            sys::set_blocked(!0)?;
            std::fs::write(&procs, "0")?;
            become_user(uid).map_err(std::io::Error::other)
        });
    }
    let child = command.spawn().context("cannot start the program itself")?;
    let pidfd = sigcr::open_process(child.id() as i32)?;
    let mortal = Mortal { child, pidfd };
    for number in 0..NUMBER_COUNT {
        let value = (STREAM as u64) << 32 | number;
        let info = sys::siginfo(stream::signo(STREAM), libc::SI_QUEUE, value);
        sys::queue_to_process(mortal.pid(), &info).context("the first signals")?;
    }
    Ok(mortal)
}

/// Ends a process and all that it has left behind.
fn end(storm: &Storm<'_>, mut mortal: Mortal) -> Result<()> {
    unless_gone(kill(mortal.pid(), Signal::SIGKILL))?;
    mortal.child.wait()?;
    // Children that have lost it belong to this process now.
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
    // Should the freezer have been left on, no other process would ever start.
    storm.cgroup.set_frozen(false)
}

/// Takes and restores whatever process there is, and stops it while doing so.
fn torment(storm: &Storm<'_>, mortal: &RwLock<Mortal>, seed: u64) -> Result<()> {
    let (board, mut random) = (storm.board, Random::new(seed));
    let mut old: Option<Snapshot> = None;
    while !board.is_over() {
        // A pause without the lock, for who waits to write, and for the process to get somewhere.
        nap(&mut random, 60);
        let mortal = mortal.read().ok().context("another tormentor panicked")?;
        let target = Target::Fd(mortal.pidfd.as_fd());
        let held = match random.one_in(3) {
            true => None,
            false => {
                let means = Means::any(&mut random);
                hold(board, mortal.pid(), storm.cgroup, means, HOLD_LIMIT)?
            }
        };
        for _ in 0..1 + random.below(4) {
            let flags = match random.one_in(2) && held.is_some() {
                true => CheckpointFlags::empty(),
                false => CheckpointFlags::LIVE,
            };
            let taken = checkpoint(board, target, flags, Situation::Mortal)?;
            if let Some((snapshot, model)) = taken {
                let queued = stream::numbers(&model)?;
                let numbers = queued
                    .get(&STREAM)
                    .map_or(0, |numbers| numbers.len() as u64);
                ensure!(
                    numbers == NUMBER_COUNT,
                    "{numbers} of {NUMBER_COUNT} signals are in the record"
                );
                if random.one_in(2) || old.is_none() {
                    old = Some(snapshot);
                }
            }
            if let Some(snapshot) = &old {
                let flags = match random.one_in(4) {
                    true => RestoreFlags::DRY_RUN,
                    false => RestoreFlags::empty(),
                };
                restore(board, target, snapshot, flags, Situation::Mortal)?;
            }
        }
    }
    Ok(())
}

/// Is such a process: does one thing after another, of which some do not return.
pub(crate) fn live_and_die(board_fd: i32, generation: u64) -> ! {
    let board = match Board::inherited(board_fd) {
        Ok(board) => board,
        Err(_) => exit(1),
    };
    let board: &'static Board = Box::leak(Box::new(board));
    let mut random = Random::of_item(u64::from(std::process::id()), generation);
    // Many do not live for long, and all are to execute themselves once.
    let mut choice_count = if generation == 0 { 4 } else { 16 };
    loop {
        let choice = random.below(choice_count);
        choice_count = 16;
        let result = step(board, &mut random, generation, choice);
        if let Err(e) = result {
            board.fail(format_args!("mortal process: {e:#}"));
            exit(1);
        }
    }
}

fn step(board: &'static Board, random: &mut Random, generation: u64, choice: u64) -> Result<()> {
    match choice {
        0 | 1 => {
            board.add(Count::Execs, 1);
            Err(execute(board, generation + 1))
        }
        2 | 3 => {
            board.add(Count::Execs, 1);
            board.add(Count::ThreadExecs, 1);
            // The others are ended by it.
            for _ in 0..random.below(3) {
                std::thread::Builder::new()
                    .spawn(|| std::thread::sleep(Duration::from_secs(1000)))?;
            }
            let thread = std::thread::Builder::new().spawn(move || execute(board, generation + 1));
            let error = thread?.join().ok().context("a thread panicked")?;
            Err(error)
        }
        4 if random.one_in(4) => {
            board.add(Count::Exits, 1);
            exit(0)
        }
        4 => {
            // A child that is there for a while, and may outlive its parent.
            // SAFETY: The child sleeps and exits, which needs no lock of the parent's.
            if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }? {
                std::thread::sleep(Duration::from_millis(5));
                exit(0);
            }
            board.add(Count::Forks, 1);
            Ok(())
        }
        5..=8 => {
            let threads: Vec<_> = (0..1 + random.below(4))
                .map(|_| std::thread::Builder::new().spawn(|| ()))
                .collect::<std::io::Result<_>>()?;
            for thread in threads {
                ensure!(thread.join().is_ok(), "a thread panicked");
                board.add(Count::Threads, 1);
            }
            Ok(())
        }
        9..=11 => fork_briefly(board),
        _ => {
            nap(random, 3);
            Ok(())
        }
    }
}

/// Executes the program anew; returns why that failed.
fn execute(board: &Board, generation: u64) -> anyhow::Error {
    let Ok(args) = [
        "soak-cases".to_owned(),
        FLAG.to_owned(),
        board.fd().to_string(),
        generation.to_string(),
    ]
    .into_iter()
    .map(std::ffi::CString::new)
    .collect::<Result<Vec<_>, _>>() else {
        return anyhow::anyhow!("an argument has a zero in it");
    };
    match nix::unistd::execv(&own_path(), &args) {
        Ok(never) => match never {},
        Err(errno) => anyhow::anyhow!("exec: {errno}"),
    }
}
