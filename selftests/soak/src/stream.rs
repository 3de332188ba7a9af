// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Streams of numbered signals: who sends them, who takes them, and what a record may hold of them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use anyhow::{bail, ensure, Result};
use cases::sys;
use nix::errno::Errno;
use nix::unistd::Pid;
use sigcr::{Model, Queue};

use crate::board::{Board, Count};

/// The most streams that a storm has.
pub(crate) const STREAM_COUNT: usize = 8;
/// What real-time signals of a stream are: the number says which stream it is.
const SI_QUEUE: i32 = -1;
/// The first stream's signal; the others follow.
const SIGNO_FIRST: u32 = 40;
/// This stream may lose signals: it goes on while others pause for a restore.
pub(crate) const NOISE: usize = 7;
/// A sender waits so long for room in a full queue.
const FULL_NAP: Duration = Duration::from_micros(500);

/// Where a stream goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    Process(Pid),
    Thread(Pid, Pid),
}

/// The signal of a stream.
pub(crate) const fn signo(stream: usize) -> u32 {
    SIGNO_FIRST + stream as u32
}

/// The sigset of a stream.
pub(crate) const fn set(stream: usize) -> u64 {
    sys::bit(signo(stream))
}

/// Sends until the storm is over; the receiver must be there all the time.
pub(crate) fn send(board: &Board, stream: usize, to: To) -> Result<()> {
    while !board.is_over() {
        if stream != NOISE && !board.enter(stream) {
            std::thread::sleep(FULL_NAP);
            continue;
        }
        let number = board.sent(stream).load(SeqCst);
        let info = sys::siginfo(signo(stream), SI_QUEUE, (stream as u64) << 32 | number);
        let result = match to {
            To::Process(pid) => sys::queue_to_process(pid, &info),
            To::Thread(pid, tid) => sys::queue_to_thread(pid, tid, &info),
        };
        if result.is_ok() {
            board.sent(stream).fetch_add(1, SeqCst);
            board.add(Count::Sent, 1);
        }
        if stream != NOISE {
            board.leave(stream);
        }
        match result {
            Ok(()) => {}
            Err(Errno::EAGAIN) => {
                board.add(Count::Full, 1);
                std::thread::sleep(FULL_NAP);
            }
            Err(errno) => bail!("number {number} of stream {stream} cannot be sent: {errno}"),
        }
    }
    Ok(())
}

/// Takes a signal of any of these streams, for which it waits a moment; false if there was none.
pub(crate) fn take(board: &Board, streams: &[usize]) -> Result<bool> {
    let all = streams.iter().fold(0, |all, &stream| all | set(stream));
    match sys::wait_pending(all, Duration::from_millis(2)) {
        Ok((signo, code, _, value)) => {
            let (stream, number) = ((value >> 32) as usize, value & 0xffff_ffff);
            ensure!(
                code == SI_QUEUE && streams.contains(&stream) && signo == self::signo(stream),
                "got signal {signo}, code {code}, value {value:#x}, which nobody has sent"
            );
            let expected = receive(board, stream, number);
            ensure!(
                expected.is_none(),
                "got number {number} of stream {stream} in place of {expected:?}"
            );
            Ok(true)
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(errno) => bail!("sigtimedwait: {errno}"),
    }
}

/// Counts a signal that was received; if it is the wrong one, the number of the right one.
pub(crate) fn receive(board: &Board, stream: usize, number: u64) -> Option<u64> {
    let expected = board.received(stream).load(SeqCst);
    let wrong = match stream {
        NOISE => number < expected,
        _ => number != expected,
    };
    board.received(stream).store(number + 1, SeqCst);
    let count = match stream {
        NOISE => Count::NoiseReceived,
        _ => Count::Received,
    };
    board.add(count, 1);
    wrong.then_some(expected)
}

/// Waits, when all senders have ended, until all that was sent was received.
pub(crate) fn is_drained(board: &Board) -> bool {
    (0..STREAM_COUNT)
        .filter(|&stream| stream != NOISE)
        .all(|stream| board.received(stream).load(SeqCst) == board.sent(stream).load(SeqCst))
}

/// How far each stream is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks([u64; STREAM_COUNT]);

impl Marks {
    pub(crate) fn sent(board: &Board) -> Self {
        Self(std::array::from_fn(|stream| {
            board.sent(stream).load(SeqCst)
        }))
    }

    /// Counts a stream as sent so far, which had no sender of its own.
    pub(crate) fn raise(&mut self, stream: usize, number: u64) {
        self.0[stream] = number;
    }

    pub(crate) fn received(board: &Board) -> Self {
        Self(std::array::from_fn(|stream| {
            board.received(stream).load(SeqCst)
        }))
    }
}

/// What a record holds of each stream: numbers in the order in which they would be taken.
pub(crate) fn numbers(model: &Model) -> Result<BTreeMap<usize, Vec<u64>>> {
    let mut streams: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let mut add = |queue: &Queue| -> Result<()> {
        for entry in &queue.entries {
            let stream = entry.signo().wrapping_sub(SIGNO_FIRST) as usize;
            if stream >= STREAM_COUNT {
                continue;
            }
            let value = entry.value();
            ensure!(
                entry.code() == SI_QUEUE && value >> 32 == stream as u64,
                "an entry of signal {} has code {} and value {value:#x}",
                entry.signo(),
                entry.code()
            );
            let numbers = streams.entry(stream).or_default();
            numbers.push(value & 0xffff_ffff);
        }
        Ok(())
    };
    for thread in &model.threads {
        if let Some(entry) = thread.inflight {
            add(&Queue::of([entry]))?;
        }
        thread.pending.as_ref().map_or(Ok(()), &mut add)?;
    }
    model.shared_pending.as_ref().map_or(Ok(()), &mut add)?;
    for (stream, numbers) in &streams {
        let bad = numbers.windows(2).find(|pair| match *stream {
            NOISE => pair[1] <= pair[0],
            _ => pair[1] != pair[0] + 1,
        });
        if let Some(pair) = bad {
            bail!(
                "in the queue of stream {stream}, {} follows {}",
                pair[1],
                pair[0]
            );
        }
    }
    Ok(streams)
}

/// Whether a record of a running process is one of its states: nothing in it that had been
/// received before or was sent afterwards.
pub(crate) fn check_live(model: &Model, received_before: Marks, sent_after: Marks) -> Result<()> {
    for (stream, numbers) in numbers(model)? {
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
            continue;
        };
        ensure!(
            first >= received_before.0[stream],
            "number {first} of stream {stream} is queued and had been received"
        );
        // The sender may not have counted the last one yet.
        ensure!(
            last <= sent_after.0[stream],
            "number {last} of stream {stream} is queued and was not sent"
        );
    }
    Ok(())
}

/// Whether a record of a stopped process has all that was sent and not received, while no sender
/// sends.
pub(crate) fn check_all_there(model: &Model, board: &Board, streams: &[usize]) -> Result<()> {
    let queued = numbers(model)?;
    for &stream in streams {
        let sent = board.sent(stream).load(SeqCst);
        let received = board.received(stream).load(SeqCst);
        let numbers = queued.get(&stream).map_or(&[][..], Vec::as_slice);
        let end = numbers.last().map_or(sent, |last| last + 1);
        ensure!(
            end == sent,
            "stream {stream}: {sent} were sent, and the queue ends before {end}"
        );
        // The receiver may have been stopped before it counted what it had taken.
        let first = numbers.first().copied().unwrap_or(sent);
        ensure!(
            first == received || first == received + 1,
            "stream {stream}: {received} of {sent} were received, and the queue begins with {first}"
        );
    }
    Ok(())
}
