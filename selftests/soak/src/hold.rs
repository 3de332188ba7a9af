// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ways to stop a process: SIGSTOP, its cgroup's freezer, ptrace(2); and its cgroup.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mutator::Random;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sigcr::stop::Stopped;
use sigcr::{CheckpointFlags, Target};

use crate::board::{Board, Count};

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Stop,
    Freeze,
    Trace,
}

impl Means {
    pub(crate) fn any(random: &mut Random) -> Self {
        random.pick(&[Self::Stop, Self::Freeze, Self::Trace])
    }
}

/// A process that is stopped until this is dropped.
#[must_use = "the process is let go when the value is dropped"]
pub(crate) struct Held<'a> {
    means: Means,
    pid: Pid,
    cgroup: &'a Cgroup,
    _traced: Option<Stopped>,
}

/// Stops the process; `None` if that was not done within the time, or if others were faster.
pub(crate) fn hold<'a>(
    board: &Board,
    pid: Pid,
    cgroup: &'a Cgroup,
    means: Means,
    limit: Duration,
) -> Result<Option<Held<'a>>> {
    let mut held = Held {
        means,
        pid,
        cgroup,
        _traced: None,
    };
    let (count, done) = match means {
        Means::Stop => {
            // It may have died.
            let _ = kill(pid, Signal::SIGSTOP);
            (Count::Stops, within(limit, || is_stopped(pid)))
        }
        Means::Freeze => {
            cgroup.set_frozen(true)?;
            (Count::Freezes, within(limit, || cgroup.is_frozen()))
        }
        Means::Trace => {
            held._traced = Stopped::by_ptrace(pid.as_raw()).ok();
            (Count::Traces, held._traced.is_some())
        }
    };
    board.add(if done { count } else { Count::HoldsFailed }, 1);
    Ok(done.then_some(held))
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        match self.means {
            // It may have died; its cgroup stays.
            Means::Stop => drop(kill(self.pid, Signal::SIGCONT)),
            Means::Freeze => drop(self.cgroup.set_frozen(false)),
            Means::Trace => {}
        }
    }
}

fn within(limit: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    true
}

/// Whether the kernel takes the process for a stopped one.
fn is_stopped(pid: Pid) -> bool {
    let Ok(pidfd) = sigcr::open_process(pid.as_raw()) else {
        return false;
    };
    sigcr::checkpoint_len(Target::from(&pidfd), CheckpointFlags::empty()).is_ok()
}

/// A cgroup of version 2.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let dir = Path::new("/sys/fs/cgroup").join(name);
        fs::create_dir(&dir).with_context(|| format!("mkdir {}", dir.display()))?;
        Ok(Self(dir))
    }

    /// Puts the caller into it.
    pub(crate) fn join(&self) -> Result<()> {
        self.write("cgroup.procs", "0")
    }

    pub(crate) fn set_frozen(&self, frozen: bool) -> Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })
    }

    fn is_frozen(&self) -> bool {
        self.read("cgroup.events")
            .is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
    }

    /// Kills all that are in it, whatever their state.
    pub(crate) fn kill(&self) -> Result<()> {
        self.set_frozen(false)?;
        self.write("cgroup.kill", "1")
    }

    /// The path of the file that puts a process into it.
    pub(crate) fn procs_path(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.0.join(file);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Those that were killed leave it a moment after they were reaped.
        within(Duration::from_secs(10), || fs::remove_dir(&self.0).is_ok());
    }
}

/// Whether an errno only says that the process is gone.
pub(crate) fn unless_gone(result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}
