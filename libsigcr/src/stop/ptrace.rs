// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Stops a process by ptrace(2): every thread seized, interrupted, and none with a signal in hand.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    sys::{self, Stop},
    task, Failure,
};
use crate::Errno;

/// The threads of a process in ptrace stops; let go on drop, by the thread that seized them.
#[derive(Debug)]
pub(super) struct Traced {
    pid: i32,
    tids: BTreeSet<i32>,
}

/// How long to sleep between two looks at a thread that has not stopped yet.
const NAP: Duration = Duration::from_micros(200);

const REFUSED: &str = "ptrace(2) is refused: a debugger holds it, it is another user's, or \
                       /proc/sys/kernel/yama/ptrace_scope forbids it; end the debugger, run with \
                       CAP_SYS_PTRACE, or stop it with SIGSTOP";

const NO_THREAD: Failure = Failure::new(
    Errno::EAGAIN,
    "a thread is needed to stop a process with several, and none can be made; raise the limit on \
     processes (ulimit -u, pids.max)",
);

impl Traced {
    /// Seizes and stops all threads of the process `pid`.
    pub(super) fn seize(pid: i32, deadline: Instant) -> Result<Traced, Failure> {
        let mut traced = Traced {
            pid,
            tids: BTreeSet::new(),
        };
        // A single thread needs nobody else to reap it, which saves making one.
        if let [only] = traced.missing()?[..] {
            traced.hold(vec![only], deadline)?;
        }
        if !traced.missing()?.is_empty() {
            while_dead_are_reaped(pid, || traced.hold_all(deadline))?;
        }
        if traced.tids.is_empty() {
            return Err(Failure::GONE);
        }
        // The kernel gives the first thread's number to the one that executes a new program.
        if !task::is_stopped(pid)? {
            return Err(Failure::new(
                Errno::EAGAIN,
                "its threads changed while they were being stopped; try again",
            ));
        }
        Ok(traced)
    }

    /// The threads that are held.
    pub(super) fn tids(&self) -> &BTreeSet<i32> {
        &self.tids
    }

    /// The threads that are not held yet.
    fn missing(&self) -> Result<Vec<i32>, Failure> {
        let mut tids = task::threads(self.pid)?;
        tids.retain(|tid| !self.tids.contains(tid));
        Ok(tids)
    }

    fn hold_all(&mut self, deadline: Instant) -> Result<(), Failure> {
        // A thread that is not stopped yet can make another; one that is stopped cannot. So this
        // ends when a look finds no new one.
        loop {
            let new = self.missing()?;
            if new.is_empty() {
                return Ok(());
            }
            self.hold(new, deadline)?;
        }
    }

    /// Seizes and interrupts threads, and waits until they have stopped.
    fn hold(&mut self, mut tids: Vec<i32>, deadline: Instant) -> Result<(), Failure> {
        for &tid in &tids {
            match sys::seize(tid) {
                Ok(()) => {}
                // It has ended since it was listed.
                Err(_) if task::is_dead(self.pid, tid) => continue,
                Err(errno) => return Err(Failure::new(errno, REFUSED)),
            }
            self.tids.insert(tid);
            interrupt(tid)?;
        }
        tids.retain(|tid| self.tids.contains(tid));
        for tid in tids {
            if !wait_stopped(self.pid, tid, deadline)? {
                self.tids.remove(&tid);
                reap(self.pid, tid);
            }
        }
        Ok(())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // The first thread counts as ended only when the others have been reaped.
        let others = self.tids.iter().filter(|tid| **tid != self.pid);
        for &tid in others.chain(self.tids.get(&self.pid)) {
            let_go(self.pid, tid);
        }
    }
}

/// Calls `seize`, which seizes the threads of the process `pid`, and reaps those that die meanwhile.
///
/// A thread that executes a new program ends the others, and waits until those that are traced have
/// been reaped; until then to seize a thread does not return. So another one has to reap them.
fn while_dead_are_reaped(
    pid: i32,
    seize: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    const INTERVAL: Duration = Duration::from_millis(10);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reaper = thread::Builder::new().spawn_scoped(scope, || {
            while !over.load(Ordering::Acquire) {
                thread::park_timeout(INTERVAL);
                for tid in task::all_threads(pid).into_iter().flatten() {
                    if task::is_dead(pid, tid) {
                        reap(pid, tid);
                    }
                }
            }
        });
        let reaper = reaper.map_err(|_| NO_THREAD)?;
        let result = seize();
        over.store(true, Ordering::Release);
        reaper.thread().unpark();
        result
    })
}

/// Detaches the thread. One that is in no stop cannot be detached: it was interrupted a moment ago,
/// or has just executed a new program, and will be in one; or it was killed, and can only be reaped
/// when it has ended.
fn let_go(pid: i32, tid: i32) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let deadline = Instant::now() + PATIENCE;
    while sys::detach(tid).is_err() && !reap(pid, tid) && Instant::now() < deadline {
        // That it is gone shows at the next turn.
        let _ = sys::interrupt(tid);
        thread::sleep(NAP);
    }
}

/// Waits until the thread is stopped with no signal in hand. `false`: it has ended.
fn wait_stopped(pid: i32, tid: i32, deadline: Instant) -> Result<bool, Failure> {
    loop {
        match sys::take_stop(tid) {
            Ok(Some(Stop {
                event: libc::PTRACE_EVENT_STOP,
                ..
            })) => return Ok(true),
            Ok(Some(stop)) => {
                // About to take a signal, which is in no queue any more: it goes on with it, and
                // stops when it has taken it.
                let signo = if stop.event == 0 { stop.signo } else { 0 };
                go_on(tid, signo)?;
                interrupt(tid)?;
            }
            Ok(None) | Err(Errno::ECHILD) => {
                if task::is_dead(pid, tid) {
                    return Ok(false);
                }
                if Instant::now() > deadline {
                    return Err(Failure::TOO_SLOW);
                }
                thread::sleep(NAP);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::new(errno, REFUSED)),
        }
    }
}

fn interrupt(tid: i32) -> Result<(), Failure> {
    unless_gone(sys::interrupt(tid))
}

fn go_on(tid: i32, signo: i32) -> Result<(), Failure> {
    unless_gone(sys::cont(tid, signo))
}

/// A thread that was killed is no failure here: waiting for it shows that it has ended.
fn unless_gone(result: Result<(), Errno>) -> Result<(), Failure> {
    match result {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Failure::new(errno, REFUSED)),
    }
}

/// Lets a dead thread go; false if it is not dead. The process itself is left to its parent, if that
/// is the caller.
fn reap(pid: i32, tid: i32) -> bool {
    if tid == pid && task::parent(pid) == Some(std::process::id()) {
        return task::is_dead(pid, tid);
    }
    sys::reap(tid)
}
