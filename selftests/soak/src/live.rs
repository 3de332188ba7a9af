// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The storm on a process that runs: each live record shows one instant of it.
//!
//! Three senders flood the target, which takes signals, makes threads and children, and has timers
//! that fire. Two others stop it and let it go. Meanwhile records are taken, and restores are
//! tried that are to change nothing.

use std::time::Duration;

use anyhow::Result;
use cases::sys::{self, Notify};
use mutator::Random;
use sigcr::{CheckpointFlags, RestoreFlags, Target};

use crate::board::Board;
use crate::calls::{checkpoint, restore, Situation};
use crate::storm::{goes_on, make_threads_and_children, nap, set_ready, wait_ready, Storm};
use crate::stream::{self, Marks, To};

/// To the process, to its first thread, and to the process again.
const STREAMS: [usize; 3] = [0, 1, 2];

pub(crate) fn run(storm: &mut Storm<'_>) -> Result<()> {
    let board = storm.board;
    let seed = storm.random.word();
    let target = storm.target("target", || be_lively(board, seed))?;
    let pidfd = sigcr::open_process(target.pid.as_raw())?;
    wait_ready(board)?;
    let mut senders = Vec::new();
    for stream in STREAMS {
        let to = match stream {
            1 => To::Thread(target.pid, target.pid),
            _ => To::Process(target.pid),
        };
        senders.push(storm.sender(stream, to)?);
    }
    let mut disturbers = Vec::new();
    for _ in 0..2 {
        let random = Random::new(storm.random.word());
        disturbers.push(storm.disturber(target.pid, random)?);
    }
    while !storm.is_over() {
        let flags = match storm.random.one_in(4) {
            true => CheckpointFlags::empty(),
            false => CheckpointFlags::LIVE,
        };
        let before = Marks::received(board);
        let taken = checkpoint(board, Target::from(&pidfd), flags, Situation::Stormy)?;
        let Some((snapshot, model)) = taken else {
            continue;
        };
        stream::check_live(&model, before, Marks::sent(board))?;
        if storm.random.one_in(4) {
            let flags = RestoreFlags::DRY_RUN;
            restore(
                board,
                Target::from(&pidfd),
                &snapshot,
                flags,
                Situation::Stormy,
            )?;
        }
        if storm.random.one_in(16) {
            nap(&mut storm.random, 5);
        }
    }
    storm.drain(disturbers, senders, target)
}

fn be_lively(board: &'static Board, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    for clock in [libc::CLOCK_MONOTONIC, libc::CLOCK_REALTIME] {
        // Nobody takes it: it stays pending and counts what it missed.
        let id = sys::timer_create(clock, Notify::Signal, 60, 7)?;
        let period = Duration::from_micros(500 + random.below(5000));
        sys::timer_settime(id, 0, period, period)?;
    }
    sys::set_real_itimer(Duration::from_secs(1000))?;
    set_ready(board);
    for _ in 0..2 {
        std::thread::Builder::new().spawn(move || {
            if let Err(e) = make_threads_and_children(board) {
                board.fail(format_args!("target, threads and children: {e:#}"));
            }
        })?;
    }
    while goes_on(board) {
        stream::take(board, &STREAMS)?;
        // Let them pile up at times.
        if random.one_in(300) {
            nap(&mut random, 10);
        }
    }
    Ok(())
}
