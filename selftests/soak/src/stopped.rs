// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The storm on a process that is stopped again and again: what its record holds comes back.
//!
//! Senders flood the target and its threads. It is stopped in one of the three ways, the senders
//! pause, and the record has to hold all that was sent and not received. Then the queues are
//! emptied or not, the record is restored, and another record has to be like the first one. At the
//! end each signal has to have arrived once and in order. One sender never pauses: of its signals
//! some get lost between the record and the restore, but none comes twice.

use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use cases::sys;
use mutator::Random;
use nix::sys::signal::{kill, Signal};
use nix::unistd::{gettid, Pid};
use sigcr::{CheckpointFlags, Model, Queue, RestoreFlags, Snapshot, Target};

use crate::board::{Board, PATIENCE};
use crate::calls::{checkpoint, restore, Situation};
use crate::hold::{hold, Means};
use crate::storm::{goes_on, make_threads_and_children, nap, Child, Storm};
use crate::stream::{self, To, NOISE};

/// To the process, to its first thread, to one that waits, and to one that has a handler.
const STREAMS: [usize; 4] = [0, 1, 2, 3];
/// The words of the board with the ids of the two threads.
const WAITING_TID: usize = 1;
const HANDLING_TID: usize = 2;

pub(crate) fn run(storm: &mut Storm<'_>) -> Result<()> {
    let board = storm.board;
    let target = storm.target("target", || receive(board))?;
    let tid = |word: usize| Pid::from_raw(board.word(word).load(SeqCst) as i32);
    board.wait("the target has its threads", || {
        tid(WAITING_TID).as_raw() != 0 && tid(HANDLING_TID).as_raw() != 0
    })?;
    let to = [
        To::Process(target.pid),
        To::Thread(target.pid, target.pid),
        To::Thread(target.pid, tid(WAITING_TID)),
        To::Thread(target.pid, tid(HANDLING_TID)),
    ];
    let mut senders = vec![storm.sender(NOISE, To::Process(target.pid))?];
    for stream in STREAMS {
        senders.push(storm.sender(stream, to[stream])?);
    }
    let reader = reader(storm, target.pid)?;
    while !storm.is_over() {
        round(storm, target.pid)?;
        nap(&mut storm.random, 10);
    }
    storm.drain(vec![reader], senders, target)
}

/// Has a child take records all the time, also while others are restored: whatever it sees has no
/// gap.
fn reader(storm: &Storm<'_>, target: Pid) -> Result<Child> {
    let board = storm.board;
    storm.child("reader", || {
        let pidfd = sigcr::open_process(target.as_raw())?;
        while !board.is_over() {
            let live = CheckpointFlags::LIVE;
            let taken = checkpoint(board, Target::from(&pidfd), live, Situation::Stormy)?;
            if let Some((_, model)) = taken {
                stream::numbers(&model)?;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    })
}

/// Stops the target, takes it, restores it, and lets it go.
fn round(storm: &mut Storm<'_>, pid: Pid) -> Result<()> {
    let (board, random) = (storm.board, &mut storm.random);
    let means = Means::any(random);
    let held = hold(board, pid, storm.cgroup, means, PATIENCE)?;
    let Some(held) = held else {
        // Only a thread that ends at the wrong time is an excuse.
        ensure!(means == Means::Trace, "{means:?} does not stop it");
        return Ok(());
    };
    // The queues fill.
    nap(random, 6);
    board.close_gate()?;
    // What is frozen takes no notice of these, but has them pending.
    if means == Means::Freeze && random.one_in(2) {
        kill(pid, Signal::SIGSTOP)?;
    }
    let pidfd = sigcr::open_process(pid.as_raw())?;
    let (snapshot, model) = take(board, &pidfd)?;
    stream::check_all_there(&model, board, &STREAMS).context("the first record")?;
    if means == Means::Freeze && random.one_in(3) {
        kill(pid, Signal::SIGCONT)?;
    }
    for _ in 0..1 + random.below(3) {
        if random.one_in(2) {
            put(board, &pidfd, &emptied(&model)?, RestoreFlags::empty())?;
            let (_, empty) = take(board, &pidfd)?;
            let left = stream::numbers(&empty)?.into_keys().find(|&s| s != NOISE);
            ensure!(
                left.is_none(),
                "stream {left:?} is still queued after it was emptied"
            );
        }
        if random.one_in(3) {
            put(board, &pidfd, &snapshot, RestoreFlags::DRY_RUN)?;
        }
        put(board, &pidfd, &snapshot, RestoreFlags::empty())?;
    }
    let (_, after) = take(board, &pidfd)?;
    stream::check_all_there(&after, board, &STREAMS).context("the record after the restore")?;
    ensure_alike(&model, &after)?;
    if random.one_in(2) {
        board.open_gate();
        drop(held);
    } else {
        drop(held);
        nap(random, 2);
        board.open_gate();
    }
    // The restored record may have a stop signal pending.
    if means == Means::Freeze {
        kill(pid, Signal::SIGCONT)?;
    }
    Ok(())
}

/// Takes the record of the stopped target.
fn take(board: &Board, pidfd: &std::os::fd::OwnedFd) -> Result<(Snapshot, Model)> {
    for _ in 0..100 {
        let flags = CheckpointFlags::empty();
        let taken = checkpoint(board, Target::from(pidfd), flags, Situation::Stopped)?;
        if let Some(taken) = taken {
            return Ok(taken);
        }
    }
    anyhow::bail!("a checkpoint of a stopped process was EAGAIN 100 times")
}

fn put(
    board: &Board,
    pidfd: &std::os::fd::OwnedFd,
    snapshot: &Snapshot,
    flags: RestoreFlags,
) -> Result<()> {
    let target = Target::from(pidfd);
    restore(board, target, snapshot, flags, Situation::Stopped).map(drop)
}

/// The record with nothing in any queue.
fn emptied(model: &Model) -> Result<Snapshot> {
    let mut model = model.clone();
    let threads = model.threads.iter_mut().map(|thread| &mut thread.pending);
    for queue in threads.chain([&mut model.shared_pending]).flatten() {
        *queue = Queue::default();
    }
    Ok(model.encode()?)
}

/// Compares all of two records but for what changes by itself: the noise, and stop signals.
fn ensure_alike(model: &Model, after: &Model) -> Result<()> {
    let strip = |model: &Model| {
        let mut model = model.clone();
        model.shared_pending = None;
        model
    };
    let numbers = |model: &Model| -> Result<_> {
        let mut streams = stream::numbers(model)?;
        streams.remove(&NOISE);
        Ok(streams)
    };
    ensure!(
        numbers(model)? == numbers(after)? && strip(model) == strip(after),
        "the record after the restore is not like the one before"
    );
    Ok(())
}

/// The board for the handler.
static BOARD: AtomicPtr<Board> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn handler(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: The kernel passes a siginfo, and whoever set the handler set the board before, which
    // stays. A siginfo of sigqueue has a value.
    let (board, value) = unsafe { (&*BOARD.load(SeqCst), (*info).si_value().sival_ptr as u64) };
    let (stream, number) = ((value >> 32) as usize, value & 0xffff_ffff);
    if stream != STREAMS[3] {
        board.fail_in_handler(stream, number, 0);
    } else if let Some(expected) = stream::receive(board, stream, number) {
        board.fail_in_handler(stream, number, expected);
    }
}

/// Is the target: takes all that comes, in four threads, one of which has others come and go.
fn receive(board: &'static Board) -> Result<()> {
    let spawn = |what: &'static str, work: fn(&'static Board) -> Result<()>| {
        std::thread::Builder::new().spawn(move || {
            if let Err(e) = work(board) {
                board.fail(format_args!("target, {what}: {e:#}"));
            }
        })
    };
    BOARD.store(std::ptr::from_ref(board).cast_mut(), SeqCst);
    let flags = libc::SA_ONSTACK | libc::SA_RESTART;
    sys::handle(stream::signo(STREAMS[3]), handler, flags, sys::bit(61))?;
    spawn("threads and children", make_threads_and_children)?;
    spawn("waiting thread", |board| {
        let tid = gettid().as_raw() as u64;
        board.word(WAITING_TID).store(tid, SeqCst);
        while goes_on(board) {
            stream::take(board, &[STREAMS[2]])?;
        }
        Ok(())
    })?;
    spawn("handling thread", |board| {
        // The Rust runtime has given it an alternate stack.
        sys::set_blocked(!stream::set(STREAMS[3]))?;
        let tid = gettid().as_raw() as u64;
        board.word(HANDLING_TID).store(tid, SeqCst);
        while goes_on(board) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    })?;
    let mut random = Random::new(1);
    while goes_on(board) {
        stream::take(board, &[STREAMS[0], STREAMS[1], NOISE])?;
        if random.one_in(300) {
            nap(&mut random, 10);
        }
    }
    Ok(())
}
