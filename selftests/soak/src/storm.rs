// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What all storms have in common: their processes, how these begin, and how they end.

use std::ffi::CString;
use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use cases::sys;
use mutator::Random;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, setresgid, setresuid, ForkResult, Gid, Pid, Uid};

use crate::board::{Board, Count, PATIENCE};
use crate::hold::{hold, Cgroup, Means};
use crate::stream::{self, To};

/// So many signals may be queued to a target: more than are taken in one hold of the lock.
pub(crate) const QUEUED_COUNT_MAX: u64 = 700;
/// A stop that others work against is given up after this time.
const HOLD_LIMIT: Duration = Duration::from_millis(200);

/// A storm that is on.
pub(crate) struct Storm<'a> {
    pub(crate) board: &'static Board,
    pub(crate) cgroup: &'a Cgroup,
    pub(crate) uid: Uid,
    /// Decides what happens, but for who is faster.
    pub(crate) random: Random,
    pub(crate) until: Instant,
}

/// What a storm's processes are told apart by in messages.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    what: &'static str,
}

impl Storm<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.board.is_over() || Instant::now() >= self.until
    }

    /// Has a child do this; an error of it is a fault of the storm.
    pub(crate) fn child(
        &self,
        what: &'static str,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<Child> {
        // SAFETY: This process has one thread, so the child finds no lock held by another.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Child { pid: child, what }),
            ForkResult::Child => {
                let result = die_with_parent().and_then(|()| work());
                if let Err(e) = &result {
                    self.board.fail(format_args!("{what}: {e:#}"));
                }
                exit(result.is_err().into())
            }
        }
    }

    /// As [`Self::child`], with all signals blocked, in the cgroup, and of the storm's user.
    pub(crate) fn target(
        &self,
        what: &'static str,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<Child> {
        self.child(what, || {
            sys::set_blocked(!0)?;
            self.cgroup.join()?;
            become_user(self.uid)?;
            work()
        })
    }

    /// Has a child send a stream.
    pub(crate) fn sender(&self, stream: usize, to: To) -> Result<Child> {
        self.child("sender", || stream::send(self.board, stream, to))
    }

    /// Has a child stop the target and let it go, in all ways, until the storm is over.
    pub(crate) fn disturber(&self, target: Pid, mut random: Random) -> Result<Child> {
        self.child("disturber", || {
            while !self.board.is_over() {
                self.disturb(target, &mut random)?;
            }
            Ok(())
        })
    }

    /// Stops the target for a moment.
    pub(crate) fn disturb(&self, target: Pid, random: &mut Random) -> Result<()> {
        let means = Means::any(random);
        let held = hold(self.board, target, self.cgroup, means, HOLD_LIMIT)?;
        nap(random, 4);
        drop(held);
        nap(random, 8);
        Ok(())
    }

    /// Waits for the end of children, which has to be a success.
    pub(crate) fn join(&self, children: impl IntoIterator<Item = Child>) -> Result<()> {
        for child in children {
            let deadline = Instant::now() + PATIENCE;
            loop {
                match waitpid(child.pid, Some(WaitPidFlag::WNOHANG))? {
                    WaitStatus::Exited(_, 0) => break,
                    WaitStatus::StillAlive => {}
                    status => bail!("{} ended with {status:?}", child.what),
                }
                ensure!(
                    Instant::now() < deadline,
                    "the {} {} does not end: {}",
                    child.what,
                    child.pid,
                    state(child.pid)
                );
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Ends a storm in which all that was sent has to arrive: first those who stop the target, then
    /// the senders; the target ends by itself when it has got all.
    pub(crate) fn drain(
        &self,
        disturbers: Vec<Child>,
        senders: Vec<Child>,
        target: Child,
    ) -> Result<()> {
        self.board.open_gate();
        self.board.set_over();
        self.join(disturbers)?;
        // Nobody holds it any more.
        self.cgroup.set_frozen(false)?;
        kill(target.pid, Signal::SIGCONT)?;
        self.join(senders)?;
        self.board.word(SENT_ALL).store(1, SeqCst);
        self.join([target])
    }
}

/// The word of a board that is 1 when nothing more will be sent.
pub(crate) const SENT_ALL: usize = 0;

/// The word of a board that is 1 when the target is as it has to be for the first signal.
const READY: usize = 6;

/// For a target: has the storm begin.
pub(crate) fn set_ready(board: &Board) {
    board.word(READY).store(1, SeqCst);
}

/// Waits for the target's [`set_ready`].
pub(crate) fn wait_ready(board: &Board) -> Result<()> {
    board.wait("the target is ready", || {
        board.word(READY).load(SeqCst) != 0
    })
}

/// For a target: true until all was received that will ever be sent.
pub(crate) fn goes_on(board: &Board) -> bool {
    board.word(SENT_ALL).load(SeqCst) == 0 || !stream::is_drained(board)
}

/// Waits for as long as up to so many milliseconds.
pub(crate) fn nap(random: &mut Random, limit_ms: u64) {
    std::thread::sleep(Duration::from_micros(random.below(1000 * limit_ms)));
}

/// Makes threads and joins them, and forks children and waits for them, until it is over.
pub(crate) fn make_threads_and_children(board: &Board) -> Result<()> {
    let mut round = 0u32;
    while !board.is_over() {
        let thread = std::thread::Builder::new().spawn(|| ())?;
        if round % 4 == 0 {
            fork_briefly(board)?;
        }
        ensure!(thread.join().is_ok(), "a thread panicked");
        board.add(Count::Threads, 1);
        round += 1;
    }
    Ok(())
}

/// Forks a child that exits at once.
pub(crate) fn fork_briefly(board: &Board) -> Result<()> {
    // SAFETY: The child does nothing but exit, without the C library.
    match unsafe { fork() }? {
        ForkResult::Child => exit(0),
        ForkResult::Parent { child } => {
            board.add(Count::Forks, 1);
            loop {
                match waitpid(child, None) {
                    Err(Errno::EINTR) => {}
                    other => break other.map(drop).context("waitpid of a fork"),
                }
            }
        }
    }
}

/// Ends the process without anything that it has from its parent.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: The call does not return, and runs nothing of the process.
    unsafe { libc::_exit(code) }
}

fn die_with_parent() -> Result<()> {
    // SAFETY: The call takes two numbers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    Ok(())
}

/// Gives the caller, which has one thread, the user's ids and a limit on queued signals.
pub(crate) fn become_user(uid: Uid) -> Result<()> {
    sys::set_sigpending_limit(Pid::this(), QUEUED_COUNT_MAX)?;
    let gid = Gid::from_raw(uid.as_raw());
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // The change of ids has taken it away.
    die_with_parent()
}

/// State and wait channel of each thread, for a message.
pub(crate) fn state(pid: Pid) -> impl fmt::Display {
    let mut text = String::new();
    for tid in cases::program::tids(pid).unwrap_or_default() {
        let path = format!("/proc/{pid}/task/{tid}");
        let stat = std::fs::read_to_string(format!("{path}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("?", |(_, rest)| &rest[..1]);
        let wchan = std::fs::read_to_string(format!("{path}/wchan")).unwrap_or_default();
        text += &format!("{tid} {state} {wchan}; ");
    }
    text
}

/// The program itself, for an exec.
pub(crate) fn own_path() -> CString {
    c"/proc/self/exe".to_owned()
}
