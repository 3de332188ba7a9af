// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Stops a process by the freezer of its cgroup (version 2), where it is alone.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::Failure;
use crate::Errno;

/// A cgroup that was frozen here; thawed on drop.
#[derive(Debug)]
pub(super) struct Frozen {
    dir: PathBuf,
}

const NO_FREEZER: &str =
    "its cgroup cannot be frozen: it is in none of version 2, or in the root; \
                          put it into one of its own, or stop it with SIGSTOP";
const NOT_ALONE: &str = "its cgroup holds other processes or cgroups, which would be frozen too; \
                         put it into one of its own, or stop it with SIGSTOP";
const NOT_WRITABLE: &str = "cgroup.freeze of its cgroup cannot be written; run as the cgroup's \
                            owner, or stop it with SIGSTOP";

/// Whether the process is in a cgroup that is frozen.
pub(crate) fn is_frozen(pid: i32) -> bool {
    cgroup_dir(pid).is_some_and(|dir| is_frozen_dir(&dir).unwrap_or(false))
}

impl Frozen {
    /// Freezes the cgroup of the process `pid`, and waits until it is frozen.
    pub(super) fn freeze(pid: i32, deadline: Instant) -> Result<Frozen, Failure> {
        let no_freezer = || Failure::new(Errno::EOPNOTSUPP, NO_FREEZER);
        let dir = cgroup_dir(pid).ok_or_else(no_freezer)?;
        if !dir.join("cgroup.freeze").exists() {
            return Err(no_freezer());
        }
        if !is_alone(&dir, pid) {
            return Err(Failure::new(Errno::EBUSY, NOT_ALONE));
        }
        write_freeze(&dir, "1").map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            Failure::new(errno, NOT_WRITABLE)
        })?;
        // From here on dropping it thaws the cgroup, whatever happens.
        let frozen = Frozen { dir };
        frozen.wait(deadline)?;
        // The process may have been moved while it still ran.
        if cgroup_dir(pid).as_ref() != Some(&frozen.dir) {
            return Err(Failure::new(
                Errno::EAGAIN,
                "it was moved to another cgroup meanwhile; try again",
            ));
        }
        Ok(frozen)
    }

    fn wait(&self, deadline: Instant) -> Result<(), Failure> {
        let failed = |errno| Failure::new(errno, NO_FREEZER);
        loop {
            // Opened before it is read: poll(2) then reports every change after that.
            let events = fs::File::open(self.dir.join("cgroup.events")).map_err(|error| {
                failed(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
            })?;
            if has_frozen_line(&events).map_err(|_| failed(Errno::EIO))? {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::TOO_SLOW);
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            match nix::poll::poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // There is nobody to tell; and a cgroup that could be frozen can be thawed.
        let _ = write_freeze(&self.dir, "0");
    }
}

/// The directory of the process's cgroup of version 2.
fn cgroup_dir(pid: i32) -> Option<PathBuf> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    dir_of(&mounts, path)
}

/// The directory that shows the cgroup `path`, by the mounts of `mountinfo`.
fn dir_of(mountinfo: &str, path: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        if !filesystem.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

/// Whether the process `pid` is the only one in the cgroup and in those below it.
fn is_alone(dir: &Path, pid: i32) -> bool {
    let is_only = fs::read_to_string(dir.join("cgroup.procs"))
        .is_ok_and(|procs| procs.trim() == pid.to_string());
    let has_below = fs::read_dir(dir).map_or(true, |entries| {
        entries
            .flatten()
            .any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    });
    is_only && !has_below
}

fn is_frozen_dir(dir: &Path) -> io::Result<bool> {
    has_frozen_line(&fs::File::open(dir.join("cgroup.events"))?)
}

fn has_frozen_line(events: &fs::File) -> io::Result<bool> {
    Ok(io::read_to_string(events)?
        .lines()
        .any(|line| line == "frozen 1"))
}

fn write_freeze(dir: &Path, value: &str) -> io::Result<()> {
    // Not created if it is not there: the cgroup may be gone.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(dir.join("cgroup.freeze"))?;
    io::Write::write_all(&mut file, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{sys, How, Stopped},
        *,
    };

    #[test]
    fn the_directory_is_found_below_the_mount_that_shows_the_cgroup() {
        let mounts = "20 1 0:5 / /proc rw - proc proc rw\n\
                      41 31 0:38 /box /mnt/cg rw,relatime shared:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(dir_of(mounts, "/box/job"), Some("/mnt/cg/job".into()));
        assert_eq!(dir_of(mounts, "/boxer/job"), None);
        assert_eq!(dir_of("", "/"), None);
    }

    #[test]
    fn a_cgroup_is_held_by_one_process_if_it_lists_just_that_and_has_none_below() {
        let dir = tempfile::tempdir().unwrap();
        let procs = dir.path().join("cgroup.procs");
        assert!(!is_alone(dir.path(), 7));
        fs::write(&procs, "7\n").unwrap();
        assert!(is_alone(dir.path(), 7));
        assert!(!is_alone(dir.path(), 8));
        fs::write(&procs, "7\n8\n").unwrap();
        assert!(!is_alone(dir.path(), 7));
        fs::write(&procs, "7\n").unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        assert!(!is_alone(dir.path(), 7));
    }

    /// A cgroup with a sleeping process in it; both go at the end of the test.
    struct Cgroup {
        dir: PathBuf,
        children: Vec<std::process::Child>,
    }

    impl Cgroup {
        /// `None` where this test may not make one.
        fn new(name: &str) -> Option<Self> {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let own = dir_of(&mounts, "/")?;
            let dir = own.join(format!("sigcr-{name}-{}", std::process::id()));
            if let Err(error) = fs::create_dir(&dir) {
                eprintln!("not tested: {}: {error}", dir.display());
                return None;
            }
            let mut cgroup = Cgroup {
                dir,
                children: Vec::new(),
            };
            cgroup.add();
            Some(cgroup)
        }

        fn add(&mut self) -> i32 {
            let child = std::process::Command::new("sleep")
                .arg("60")
                .spawn()
                .unwrap();
            let pid = child.id();
            self.children.push(child);
            fs::write(self.dir.join("cgroup.procs"), pid.to_string()).unwrap();
            pid.try_into().unwrap()
        }

        fn pid(&self) -> i32 {
            self.children[0].id().try_into().unwrap()
        }

        fn is_frozen(&self) -> bool {
            is_frozen_dir(&self.dir).unwrap()
        }
    }

    impl Drop for Cgroup {
        fn drop(&mut self) {
            let _ = write_freeze(&self.dir, "0");
            for child in &mut self.children {
                let _ = child.kill();
                let _ = child.wait();
            }
            let _ = fs::remove_dir(&self.dir);
        }
    }

    #[test]
    fn a_process_is_frozen_while_the_value_lives() {
        let Some(cgroup) = Cgroup::new("alone") else {
            return;
        };
        let stopped = Stopped::by_freezer(cgroup.pid()).unwrap();
        assert_eq!(stopped.how(), How::Freezer);
        assert!(cgroup.is_frozen());
        drop(stopped);
        assert!(!cgroup.is_frozen());
    }

    #[test]
    fn a_process_that_is_frozen_already_stays_frozen() {
        let Some(cgroup) = Cgroup::new("already") else {
            return;
        };
        let first = Stopped::by_freezer(cgroup.pid()).unwrap();
        for again in [Stopped::stop, Stopped::by_freezer] {
            let again = again(cgroup.pid()).unwrap();
            assert_eq!(again.how(), How::AlreadyStopped);
            drop(again);
            assert!(cgroup.is_frozen());
        }
        drop(first);
        assert!(!cgroup.is_frozen());
    }

    #[test]
    fn others_are_not_frozen_along_with_a_process() {
        let Some(mut cgroup) = Cgroup::new("others") else {
            return;
        };
        cgroup.add();
        let error = Stopped::by_freezer(cgroup.pid()).unwrap_err();
        assert_eq!(error.to_errno(), Errno::EBUSY);
        assert!(!cgroup.is_frozen());
    }

    #[test]
    fn a_process_in_the_root_cgroup_cannot_be_frozen() {
        let Some(cgroup) = Cgroup::new("root") else {
            return;
        };
        let root = cgroup.dir.parent().unwrap();
        if root.join("cgroup.freeze").exists() {
            eprintln!("not tested: {} is not the root", root.display());
            return;
        }
        fs::write(root.join("cgroup.procs"), cgroup.pid().to_string()).unwrap();
        let error = Stopped::by_freezer(cgroup.pid()).unwrap_err();
        assert_eq!(error.to_errno(), Errno::EOPNOTSUPP);
    }

    #[test]
    fn a_process_that_a_debugger_runs_is_stopped_by_its_cgroup() {
        let Some(cgroup) = Cgroup::new("debugged") else {
            return;
        };
        // This thread is the debugger; the process goes on.
        sys::seize(cgroup.pid()).unwrap();
        let stopped = Stopped::stop(cgroup.pid()).unwrap();
        assert_eq!(stopped.how(), How::Freezer);
        assert!(cgroup.is_frozen());
        drop(stopped);
        assert!(!cgroup.is_frozen());
    }
}
