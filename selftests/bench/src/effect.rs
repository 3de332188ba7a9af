// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the target sees of it, by its own counters: context switches, interrupted calls, stops.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, Context};
use cases::program::{status_field, stop};
use guest_init::figure::{Case, Effect, Line, Via, What};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use nix::sys::mman::{mmap_anonymous, MapFlags, ProtFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use sigcr_sys::SIGCKPT_LIVE;

use crate::{ptrace, raw, tell};

/// How often each thing is done.
const CALLS_COUNT: u64 = 200;

/// Does to a sleeping process what this program measures, and tells what the process saw.
pub(crate) fn all() -> anyhow::Result<()> {
    let sleeper = Sleeper::start()?;
    let fd = sleeper.pidfd.as_raw_fd();
    let tids = [sleeper.pid.as_raw()];
    let mut record = vec![0; 64 << 10];

    sleeper.effect(What::Sigckpt, Via::Raw, Case::Live, || {
        raw::sigckpt(fd, &mut record, SIGCKPT_LIVE).map(drop)
    })?;
    // It shows that the counters work.
    sleeper.effect(What::Sigckpt, Via::Ptrace, Case::Part, || {
        ptrace::masks_and_queues(&tids).map(drop)
    })?;
    stop(sleeper.pid)?;
    sleeper.effect(What::Sigckpt, Via::Raw, Case::Stopped, || {
        raw::sigckpt(fd, &mut record, 0).map(drop)
    })?;
    let len = raw::sigckpt(fd, &mut record, 0)?;
    sleeper.effect(What::Sigrestore, Via::Raw, Case::Stopped, || {
        raw::sigrestore(fd, &record[..len])
    })
}

/// A process in epoll_wait(2), which a stop and its end interrupt though no handler runs.
struct Sleeper {
    pid: Pid,
    pidfd: OwnedFd,
    /// How often the call was interrupted; shared with the process.
    eintrs: &'static AtomicU64,
}

impl Sleeper {
    fn start() -> anyhow::Result<Self> {
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let len = const { std::num::NonZero::new(size_of::<AtomicU64>()).unwrap() };
        // SAFETY: a new mapping, which stays for as long as this program runs.
        let memory = unsafe { mmap_anonymous(None, len, prot, MapFlags::MAP_SHARED) }?;
        // SAFETY: it is page-aligned, zeroed, large enough, and never unmapped.
        let eintrs: &'static AtomicU64 = unsafe { memory.cast().as_ref() };
        // SAFETY: this program has one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                sleep_in_epoll(eintrs);
                std::process::exit(1);
            }
            ForkResult::Parent { child } => {
                let pidfd = sigcr::open_process(child.as_raw())?;
                let sleeper = Self {
                    pid: child,
                    pidfd,
                    eintrs,
                };
                sleeper.settle()?;
                Ok(sleeper)
            }
        }
    }

    /// Gives the process the time to do all that it wants to.
    fn settle(&self) -> anyhow::Result<()> {
        for _ in 0..100 {
            let before = self.switches()?;
            sleep(Duration::from_millis(20));
            let state = status_field(self.pid, "State")?;
            if before == self.switches()? && state.starts_with(['S', 'T']) {
                return Ok(());
            }
        }
        bail!("the process does not sleep")
    }

    fn effect(
        &self,
        what: What,
        via: Via,
        case: Case,
        mut run: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.settle()?;
        let (switches, eintrs) = (self.switches()?, self.eintrs.load(Ordering::Relaxed));
        let mut stops = 0;
        for _ in 0..CALLS_COUNT {
            run()?;
            stops += u64::from(self.was_stopped()?);
        }
        self.settle()?;
        tell(&Line::Effect(Effect {
            what,
            via,
            case,
            calls: CALLS_COUNT,
            switches: self.switches()? - switches,
            eintrs: self.eintrs.load(Ordering::Relaxed) - eintrs,
            stops,
        }))
    }

    fn switches(&self) -> anyhow::Result<u64> {
        ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"]
            .iter()
            .map(|name| {
                let value = status_field(self.pid, name)?;
                value.parse::<u64>().context("a counter of switches")
            })
            .sum()
    }

    /// Whether this process, its parent, is told of a stop or a continuation.
    fn was_stopped(&self) -> anyhow::Result<bool> {
        let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
        Ok(waitpid(self.pid, Some(flags))? != WaitStatus::StillAlive)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

fn sleep_in_epoll(eintrs: &AtomicU64) {
    let Ok(epoll) = Epoll::new(EpollCreateFlags::empty()) else {
        return;
    };
    let mut events = [EpollEvent::empty()];
    while let Err(Errno::EINTR) = epoll.wait(&mut events, EpollTimeout::NONE) {
        eintrs.fetch_add(1, Ordering::Relaxed);
    }
}
