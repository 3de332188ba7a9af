// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Watches attackers, each in a process of its own: one that a record kills is followed by another.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::Context;
use mutator::property::Verdict;
use mutator::tally;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::{fork, setpgid, ForkResult, Pid};

use super::attack::{Attack, Ended};
use crate::tap;

/// An attacker that says nothing for so long hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);
/// One that runs whatever a record made of it gets so long.
const DEADLY_LIMIT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How often progress is told.
const TOLD_INTERVAL: Duration = Duration::from_secs(5);

/// An attacker that runs.
struct Watched<'a> {
    attack: &'a Attack,
    pid: Option<Pid>,
    result: Result<(), String>,
    /// The last change that was seen on the board, and when.
    seen: (Option<u64>, bool, Instant),
}

/// Runs the attacks side by side; of each the result, an error being what does not hold.
///
/// `done_before` records are told of as done already.
pub(crate) fn run(attacks: &[Attack], done_before: u64) -> anyhow::Result<Vec<Result<(), String>>> {
    let mut all = Vec::new();
    for attack in attacks {
        all.push(Watched::start(attack, None)?);
    }
    let mut told = Instant::now();
    while all.iter().any(|watched| watched.pid.is_some()) {
        for watched in &mut all {
            watched.look()?;
        }
        if told.elapsed() >= TOLD_INTERVAL {
            told = Instant::now();
            let done: u64 = attacks.iter().map(|a| a.board.counts().done).sum();
            println!("# done {}", done_before + done);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(all.into_iter().map(|watched| watched.result).collect())
}

impl<'a> Watched<'a> {
    /// Starts an attacker that begins behind the record `after`.
    fn start(attack: &'a Attack, after: Option<u64>) -> anyhow::Result<Self> {
        let mut watched = Self {
            attack,
            pid: None,
            result: Ok(()),
            seen: (after, false, Instant::now()),
        };
        watched.spawn(after)?;
        Ok(watched)
    }

    fn spawn(&mut self, after: Option<u64>) -> anyhow::Result<()> {
        self.attack.board.set_deadly(false);
        // SAFETY: This process has one thread, so the child finds no lock held by another.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Child => {
                // A group, so that a victim goes with its attacker.
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                self.attack.run_and_exit(after)
            }
            ForkResult::Parent { child } => {
                // Made on both sides: whoever comes first.
                let _ = setpgid(child, child);
                self.pid = Some(child);
                self.seen = (after, false, Instant::now());
                Ok(())
            }
        }
    }

    /// Looks whether the attacker has ended or hangs, and has the next one follow if need be.
    fn look(&mut self) -> anyhow::Result<()> {
        let Some(pid) = self.pid else {
            return Ok(());
        };
        let board = &self.attack.board;
        let now = (board.current(), board.is_deadly());
        if now != (self.seen.0, self.seen.1) {
            self.seen = (now.0, now.1, Instant::now());
        }
        let status = wait(pid)?;
        let limit = match board.is_deadly() {
            true => DEADLY_LIMIT,
            false => SILENCE_LIMIT,
        };
        let hangs = self.seen.2.elapsed() >= limit;
        if status.is_none() && !hangs {
            return Ok(());
        }
        self.end(pid, status)?;
        let deadly = board.is_deadly();
        let ended = status.and_then(|status| status.code());
        let at = board.current();
        match (Ended::from_code(ended), deadly) {
            (Some(Ended::Done), _) => self.pid = None,
            (Some(Ended::Failed), _) => {
                self.pid = None;
                self.result = Err(format!("see above; again: {}", self.again(at)));
            }
            (Some(Ended::Discarded), _) => self.spawn(at)?,
            (None, true) => {
                // It could not say so itself.
                board.count_call(tally::index_of(&Verdict::Good), None);
                board.count_deadly();
                self.spawn(at)?;
            }
            (None, false) => {
                self.pid = None;
                let how = status.map_or("hangs".to_owned(), |status| format!("{status}"));
                self.result = Err(format!("the attacker: {how}; again: {}", self.again(at)));
            }
        }
        Ok(())
    }

    /// How a record is thrown again.
    fn again(&self, index: Option<u64>) -> String {
        let index = index.map_or("none".to_owned(), |index| index.to_string());
        let seed = self.attack.options.seed;
        format!("fuzz-cases --seed {seed} --only {index}")
    }

    /// Ends the attacker and its victim.
    fn end(&self, pid: Pid, status: Option<ExitStatus>) -> anyhow::Result<()> {
        // ESRCH: nobody is left.
        let _ = killpg(pid, Signal::SIGKILL);
        let ended = status.is_some_and(|status| status.stopped_signal().is_none());
        while !ended && wait(pid)?.is_none_or(|status| status.stopped_signal().is_some()) {
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// Whether the child has ended or was stopped.
fn wait(child: Pid) -> anyhow::Result<Option<ExitStatus>> {
    tap::wait(child, libc::WNOHANG | libc::WUNTRACED)
}
