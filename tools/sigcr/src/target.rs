// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The target: its pidfd, its threads, and keeping it stopped for as long as it takes.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use sigcr::stop::Stopped;
use sigcr::{ptrace, CheckpointFlags, RestoreFlags, Snapshot};

use crate::cli::Pid;
use crate::exit::Failure;
use crate::select::TargetTids;

/// A process, or one thread of it.
pub(crate) struct Target {
    pid: Pid,
    is_thread: bool,
    pidfd: OwnedFd,
}

impl Target {
    /// Opens it. From here on the number cannot come to mean another process.
    pub(crate) fn open(pid: Pid, is_thread: bool) -> Result<Self, Failure> {
        let pidfd = match is_thread {
            true => sigcr::open_thread(pid.0)?,
            false => sigcr::open_process(pid.0)?,
        };
        Ok(Self {
            pid,
            is_thread,
            pidfd,
        })
    }

    /// Takes its record, in that version.
    pub(crate) fn checkpoint(
        &self,
        flags: CheckpointFlags,
        version: u8,
    ) -> Result<Snapshot, Failure> {
        sigcr::checkpoint_version(sigcr::Target::from(&self.pidfd), flags, version)
            .map_err(|error| Failure::OfTarget(self.pid, error))
    }

    /// Takes its record by ptrace(2), and stops it for that.
    pub(crate) fn checkpoint_by_ptrace(&self) -> Result<ptrace::Taken, Failure> {
        let stopped = self.stop_by_ptrace()?;
        let taken = match self.is_thread {
            true => ptrace::checkpoint_thread(&stopped, self.pid.0),
            false => ptrace::checkpoint(&stopped),
        };
        Ok(taken?)
    }

    /// Gives it the state that the record holds.
    pub(crate) fn restore(&self, snapshot: &Snapshot, flags: RestoreFlags) -> Result<(), Failure> {
        sigcr::restore(sigcr::Target::from(&self.pidfd), snapshot, flags)
            .map_err(|error| Failure::OfTarget(self.pid, error))
    }

    /// Stops the process until the answer is dropped; a process that is stopped already is not
    /// touched. An interrupt of this program waits until then.
    pub(crate) fn stop(&self) -> Result<Stopped, Failure> {
        Ok(Stopped::stop(self.process()?)?)
    }

    /// Stops the process by ptrace(2) until the answer is dropped, as [`Self::stop`].
    pub(crate) fn stop_by_ptrace(&self) -> Result<Stopped, Failure> {
        Ok(Stopped::by_ptrace(self.process()?)?)
    }

    /// The process, of a thread the one that it belongs to.
    fn process(&self) -> Result<i32, Failure> {
        match self.is_thread {
            true => self.status_field("Tgid"),
            false => Ok(self.pid.0),
        }
    }

    /// The ids of the threads.
    pub(crate) fn tids(&self) -> Result<TargetTids, Failure> {
        // The target's own id in its own pid namespace.
        let own_id = self.status_field("NSpid")?;
        if self.is_thread {
            return Ok(TargetTids::OneThread([own_id]));
        }
        let dir = format!("/proc/{}/task", self.pid.0);
        let entries = fs::read_dir(&dir).map_err(|error| self.gone(&dir, &error))?;
        let mut tids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.gone(&dir, &error))?;
            // A thread that went away meanwhile is none.
            if let Ok(status) = fs::read_to_string(entry.path().join("status")) {
                tids.extend(field(&status, "NSpid"));
            }
        }
        tids.sort_by_key(|tid| (*tid != own_id, *tid));
        Ok(TargetTids::Process(tids))
    }

    fn status_field(&self, name: &str) -> Result<i32, Failure> {
        let path = format!("/proc/{}/status", self.pid.0);
        let status = fs::read_to_string(&path).map_err(|error| self.gone(&path, &error))?;
        field(&status, name).ok_or_else(|| {
            Failure::Target(format!(
                "{path} has no {name}: this needs Linux 4.1 or later"
            ))
        })
    }

    fn gone(&self, path: impl AsRef<Path>, error: &std::io::Error) -> Failure {
        Failure::Target(format!(
            "{}: {error}; process {} is gone, or /proc is not that of its pid namespace",
            path.as_ref().display(),
            self.pid.0
        ))
    }
}

/// Fails if the kernel does not offer the calls: before a target is stopped for nothing.
pub(crate) fn require_calls() -> Result<(), Failure> {
    match sigcr::status() {
        status if status.is_available() => Ok(()),
        status => Err(Failure::Calls(status)),
    }
}

/// The last number of a line of `/proc/PID/status`: of ids the one in the innermost namespace.
fn field(status: &str, name: &str) -> Option<i32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_in_the_innermost_namespace_is_taken() {
        let status = "Name:\tx\nTgid:\t40\nNSpid:\t40\t7\t1\nNSpgid:\t3\n";
        assert_eq!(field(status, "NSpid"), Some(1));
        assert_eq!(field(status, "Tgid"), Some(40));
        assert_eq!(field(status, "Pid"), None);
    }

    #[test]
    fn the_first_thread_comes_first() {
        let own = Pid(std::process::id().try_into().unwrap());
        let Ok(TargetTids::Process(tids)) = Target::open(own, false).unwrap().tids() else {
            panic!("a process has threads");
        };
        // The test harness has a thread for this test beside the first one.
        assert!(tids.len() >= 2);
        assert_eq!(tids[0], own.0);
    }
}
