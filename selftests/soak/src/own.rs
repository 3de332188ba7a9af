// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The storm on a process with several threads that restores itself again and again while it runs.
//!
//! Each restore brings the threads to rest while others come and go, while the process is flooded,
//! stopped and let go. Half of the restores also replace the queue of a thread that nobody sends
//! to: it holds the same numbers afterwards. Some of these storms end by SIGKILL.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use cases::sys::{self, Notify};
use mutator::Random;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{gettid, Pid};
use sigcr::{CheckpointFlags, RestoreFlags, Target};

use crate::board::{Board, Count};
use crate::calls::{checkpoint, restore, Situation};
use crate::storm::{goes_on, make_threads_and_children, nap, set_ready, wait_ready, Storm};
use crate::stream::{self, Marks, To};

/// To the process, and to its first thread.
const STREAMS: [usize; 2] = [0, 1];
/// This one is only sent once, to a thread that never takes it.
const QUIET: usize = 5;
const QUIET_COUNT: u64 = 100;
/// The word of the board with that thread's id.
const QUIET_TID: usize = 1;

pub(crate) fn run(storm: &mut Storm<'_>) -> Result<()> {
    let board = storm.board;
    let seed = storm.random.word();
    let target = storm.target("target", || restore_oneself(board, seed))?;
    let pidfd = sigcr::open_process(target.pid.as_raw())?;
    wait_ready(board)?;
    let mut senders = Vec::new();
    for (stream, to) in [
        (STREAMS[0], To::Process(target.pid)),
        (STREAMS[1], To::Thread(target.pid, target.pid)),
    ] {
        senders.push(storm.sender(stream, to)?);
    }
    let mut disturber = Random::new(storm.random.word());
    while !storm.is_over() {
        if storm.random.one_in(3) {
            storm.disturb(target.pid, &mut disturber)?;
        }
        let before = Marks::received(board);
        let live = CheckpointFlags::LIVE;
        let taken = checkpoint(board, Target::from(&pidfd), live, Situation::Stormy)?;
        if let Some((_, model)) = taken {
            let mut after = Marks::sent(board);
            after.raise(QUIET, QUIET_COUNT);
            stream::check_live(&model, before, after)?;
        }
        nap(&mut storm.random, 5);
    }
    if storm.random.one_in(3) && board.fault().is_none() {
        // In the middle of it: the senders then send to a zombie.
        kill(target.pid, Signal::SIGKILL)?;
        board.add(Count::Kills, 1);
        board.set_over();
        storm.join(senders)?;
        let status = waitpid(target.pid, None)?;
        let killed = matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _));
        ensure!(killed, "the target that was killed ended with {status:?}");
        return Ok(());
    }
    storm.drain(Vec::new(), senders, target)
}

fn restore_oneself(board: &'static Board, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let spawn = |what: &'static str, work: Box<dyn FnOnce() -> Result<()> + Send>| {
        std::thread::Builder::new().spawn(move || {
            if let Err(e) = work() {
                board.fail(format_args!("target, {what}: {e:#}"));
            }
        })
    };
    if random.one_in(2) {
        // With a timer, all threads are brought to rest. Nobody takes its signal.
        let id = sys::timer_create(libc::CLOCK_MONOTONIC, Notify::Signal, 60, 7)?;
        let period = Duration::from_millis(1 + random.below(20));
        sys::timer_settime(id, 0, period, period)?;
    }
    spawn("quiet thread", Box::new(|| be_quiet(board)))?;
    board.wait("the quiet thread has its queue", || {
        board.word(QUIET_TID).load(SeqCst) != 0
    })?;
    set_ready(board);
    for _ in 0..1 + random.below(2) {
        spawn(
            "threads and children",
            Box::new(|| make_threads_and_children(board)),
        )?;
    }
    for _ in 0..1 + random.below(2) {
        let seed = random.word();
        spawn("restorer", Box::new(move || restore_all(board, seed)))?;
    }
    while goes_on(board) {
        stream::take(board, &STREAMS)?;
    }
    Ok(())
}

/// Queues the numbers to itself, and sleeps.
fn be_quiet(board: &Board) -> Result<()> {
    for number in 0..QUIET_COUNT {
        let info = sys::siginfo(
            stream::signo(QUIET),
            libc::SI_QUEUE,
            (QUIET as u64) << 32 | number,
        );
        sys::queue_to_thread(Pid::this(), gettid(), &info)?;
    }
    board
        .word(QUIET_TID)
        .store(gettid().as_raw() as u64, SeqCst);
    while goes_on(board) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Restores the process from its own records until the storm is over.
fn restore_all(board: &Board, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let quiet_tid = board.word(QUIET_TID).load(SeqCst) as i32;
    while !board.is_over() {
        let live = CheckpointFlags::LIVE;
        let taken = checkpoint(board, Target::OwnProcess, live, Situation::Own)?;
        let Some((_, mut model)) = taken else {
            continue;
        };
        let queued = stream::numbers(&model)?;
        let quiet = queued.get(&QUIET).map_or(0, |numbers| numbers.len() as u64);
        ensure!(quiet == QUIET_COUNT, "the quiet thread has {quiet} signals");
        // What is sent between the record and the restore would get lost, and timers go with
        // their signals.
        model.shared_pending = None;
        model.timers = None;
        if random.one_in(2) {
            // The others may have ended since.
            let stay = [Pid::this().as_raw(), gettid().as_raw(), quiet_tid];
            model.threads.retain(|thread| stay.contains(&thread.tid));
        }
        for thread in &mut model.threads {
            if thread.tid != quiet_tid || random.one_in(2) {
                thread.pending = None;
            }
        }
        let snapshot = model.encode()?;
        let flags = match random.one_in(8) {
            true => RestoreFlags::DRY_RUN,
            false => RestoreFlags::empty(),
        };
        let started = Instant::now();
        restore(board, Target::OwnProcess, &snapshot, flags, Situation::Own)?;
        ensure!(
            started.elapsed() < crate::board::PATIENCE,
            "a restore took {} s",
            started.elapsed().as_secs()
        );
        nap(&mut random, 3);
    }
    Ok(())
}
