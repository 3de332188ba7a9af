// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Measures everything at one size after the other, and writes a line for each figure.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{ensure, Context};
use cases::subject::{Sent, Subject};
use cases::sys;
use guest_init::figure::{Case, Figure, Line, Via, What};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use sigcr::stop::Stopped;
use sigcr::{CheckpointFlags, RestoreFlags, Snapshot};

use crate::clock::{count, count_once, Count};
use crate::hold::Stretch;
use crate::size::Size;
use crate::{hold, ptrace, raw, tell};

/// What is left out since it takes too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest queue that `PTRACE_PEEKSIGINFO` is asked for: it takes quadratic time.
    pub(crate) peek_pending_max: u32,
    /// Whether the stretches with interrupts off are measured.
    pub(crate) with_holds: bool,
}

/// Room for the record of any size.
const RECORD_LEN_MAX: usize = 8 << 20;
/// Queued signals that a user may have: both those of a target and those that replace them.
const SIGPENDING_LIMIT: u64 = 1 << 20;

/// Measures all at one size.
pub(crate) fn all_at(size: Size, limits: Limits) -> anyhow::Result<()> {
    sys::set_sigpending_limit(Pid::this(), SIGPENDING_LIMIT)?;
    let plan = size.plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    let bench = Bench { size, subject };
    // The ptrace way first, which brings its own stop.
    bench.peers(limits)?;
    bench.subject.stop()?;
    let record_len = bench.calls()?;
    bench.library()?;
    bench.own()?;
    bench.floor(record_len)?;
    // Actions are read in the same time whatever is in the queues.
    let is_told_already = size.actions > 0 && size.threads == 1 && size.pending > 0;
    match limits.with_holds && !is_told_already {
        true => bench.holds(),
        false => Ok(()),
    }
}

struct Bench {
    size: Size,
    subject: Subject,
}

impl Bench {
    fn peers(&self, limits: Limits) -> anyhow::Result<()> {
        self.procstatus()?;
        if self.size.pending > limits.peek_pending_max {
            return Ok(());
        }
        let tids = self.subject.tids();
        let wanted = u64::from(self.size.pending);
        let measure = |mut run: Box<dyn FnMut() -> anyhow::Result<u64> + '_>| {
            let mut run = || -> anyhow::Result<()> {
                let found = run()?;
                ensure!(
                    found == wanted,
                    "ptrace(2) found {found} of {wanted} signals"
                );
                Ok(())
            };
            match wanted {
                0..5_000 => count(|| Ok(()), run),
                _ => count_once(&mut run),
            }
        };
        let bytes = wanted * 128;
        let mut record_len = 0;
        let whole = measure(Box::new(|| {
            let stopped = Stopped::by_ptrace(self.subject.pid().as_raw())?;
            let snapshot = sigcr::ptrace::checkpoint(&stopped)?.snapshot;
            record_len = snapshot.as_bytes().len() as u64;
            Ok(pending_count(&snapshot) as u64)
        }))?;
        self.tell(What::Sigckpt, Via::Ptrace, Case::Live, whole, record_len)?;
        let part = measure(Box::new(|| ptrace::masks_and_queues(tids)))?;
        self.tell(What::Sigckpt, Via::Ptrace, Case::Part, part, bytes)?;
        let held = ptrace::Held::seize(tids)?;
        let peek = measure(Box::new(|| held.peek_queues()))?;
        self.tell(What::Peeksiginfo, Via::Ptrace, Case::Live, peek, bytes)
    }

    fn procstatus(&self) -> anyhow::Result<()> {
        let pid = self.subject.pid();
        let paths: Vec<String> = self
            .subject
            .tids()
            .iter()
            .map(|tid| format!("/proc/{pid}/task/{tid}/status"))
            .collect();
        let mut text = vec![0; 64 << 10];
        let mut len = 0;
        let counted = count(
            || Ok(()),
            || {
                len = 0;
                for path in &paths {
                    let mut file = File::open(path)?;
                    loop {
                        match file.read(&mut text)? {
                            0 => break,
                            read_len => len += read_len,
                        }
                    }
                }
                Ok(())
            },
        )?;
        self.tell(What::Procstatus, Via::Peer, Case::Live, counted, len as u64)
    }

    /// The calls alone; returns the length of the record.
    fn calls(&self) -> anyhow::Result<usize> {
        let pidfd = self.subject.pidfd()?;
        let fd = pidfd.as_raw_fd();
        let mut record = vec![1; RECORD_LEN_MAX];
        let len = raw::sigckpt(fd, &mut record, 0)?;
        let counted = count(|| Ok(()), || raw::sigckpt(fd, &mut record, 0).map(drop))?;
        self.tell(What::Sigckpt, Via::Raw, Case::Stopped, counted, len as u64)?;
        record.truncate(len);
        let snapshot = Snapshot::from_bytes(record.clone())?;
        let found = pending_count(&snapshot);
        ensure!(
            found == self.size.pending as usize,
            "the record has {found} signals"
        );

        let empty = emptied(&snapshot)?;
        let counted = count(
            || raw::sigrestore(fd, empty.as_bytes()),
            || raw::sigrestore(fd, &record),
        )?;
        self.tell(
            What::Sigrestore,
            Via::Raw,
            Case::Stopped,
            counted,
            len as u64,
        )?;
        let counted = count(|| Ok(()), || raw::sigrestore(fd, &record))?;
        self.tell(What::Sigrestore, Via::Raw, Case::Again, counted, len as u64)?;
        Ok(len)
    }

    /// The same through the library.
    fn library(&self) -> anyhow::Result<()> {
        let pidfd = self.subject.pidfd()?;
        let target = || sigcr::Target::from(&pidfd);
        let flags = CheckpointFlags::empty();
        let mut taken = sigcr::checkpoint(target(), flags)?;
        let len = taken.as_bytes().len() as u64;
        let counted = count(
            || Ok(()),
            || {
                taken = sigcr::checkpoint(target(), flags)?;
                Ok(())
            },
        )?;
        self.tell(What::Sigckpt, Via::Libsigcr, Case::Stopped, counted, len)?;
        let empty = emptied(&taken)?;
        let flags = RestoreFlags::empty();
        let counted = count(
            || Ok(sigcr::restore(target(), &empty, flags)?),
            || Ok(sigcr::restore(target(), &taken, flags)?),
        )?;
        self.tell(What::Sigrestore, Via::Libsigcr, Case::Stopped, counted, len)
    }

    /// The calls on the calling process: a child of this one, which has a state like the subject's.
    fn own(&self) -> anyhow::Result<()> {
        // A process cannot restore itself while threads of it run.
        if self.size.threads > 1 {
            return Ok(());
        }
        // SAFETY: this program has one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let result = self.own_in_child();
                if let Err(e) = &result {
                    eprintln!("the process's own state: {e:#}");
                }
                std::process::exit(i32::from(result.is_err()));
            }
            ForkResult::Parent { child } => {
                let status = waitpid(child, None)?;
                ensure!(
                    status == WaitStatus::Exited(child, 0),
                    "measuring the process's own state ended with {status:?}"
                );
                Ok(())
            }
        }
    }

    fn own_in_child(&self) -> anyhow::Result<()> {
        let plan = self.size.plan();
        // Before there are handlers, since there is no code where they are.
        sys::set_blocked(plan.threads[0].blocked)?;
        for (signo, action) in &plan.actions {
            sys::set_action(*signo, action)?;
        }
        for sent in &plan.shared {
            let Sent::Queued(signo, code, value) = *sent else {
                continue;
            };
            sys::queue_to_process(Pid::this(), &sys::siginfo(signo, code, value))?;
        }
        let mut record = vec![1; RECORD_LEN_MAX];
        let len = raw::sigckpt(raw::OWN_PROCESS, &mut record, 0)?;
        let checkpoint = count(
            || Ok(()),
            || raw::sigckpt(raw::OWN_PROCESS, &mut record, 0).map(drop),
        )?;
        record.truncate(len);
        let empty = emptied(&Snapshot::from_bytes(record.clone())?)?;
        let restore = count(
            || raw::sigrestore(raw::OWN_PROCESS, empty.as_bytes()),
            || raw::sigrestore(raw::OWN_PROCESS, &record),
        )?;
        self.tell(What::Sigckpt, Via::Raw, Case::Own, checkpoint, len as u64)?;
        self.tell(What::Sigrestore, Via::Raw, Case::Own, restore, len as u64)
    }

    /// The longest stretches with interrupts off.
    fn holds(&self) -> anyhow::Result<()> {
        let pidfd = self.subject.pidfd()?;
        let fd = pidfd.as_raw_fd();
        let mut record = vec![1; RECORD_LEN_MAX];
        let len = raw::sigckpt(fd, &mut record, 0)?;
        let stretch = hold::longest(|| raw::sigckpt(fd, &mut record, 0).map(drop))?;
        self.tell_hold(What::SigckptHold, stretch, len)?;
        record.truncate(len);
        let empty = emptied(&Snapshot::from_bytes(record.clone())?)?;
        let stretch = hold::longest(|| {
            raw::sigrestore(fd, empty.as_bytes())?;
            raw::sigrestore(fd, &record)
        })?;
        self.tell_hold(What::SigrestoreHold, stretch, len)
    }

    fn tell_hold(&self, what: What, stretch: Stretch, len: usize) -> anyhow::Result<()> {
        let count = Count {
            median: stretch.instructions,
            min: stretch.instructions,
            max: stretch.instructions,
            repetitions: stretch.delayed_count,
        };
        self.tell(what, Via::Raw, Case::Stopped, count, len as u64)
    }

    /// What nothing that writes such a record to user space can be below.
    fn floor(&self, record_len: usize) -> anyhow::Result<()> {
        if self.size == Size::IDLE {
            let counted = count(
                || Ok(()),
                || {
                    raw::getppid();
                    Ok(())
                },
            )?;
            self.tell(What::Getppid, Via::Floor, Case::Stopped, counted, 0)?;
        }
        let mut bytes = vec![1; record_len];
        let mut file = File::from(memfd_create(c"record", MFdFlags::empty())?);
        file.write_all(&bytes)?;
        let counted = count(|| Ok(()), || raw::pread(file.as_fd(), &mut bytes))?;
        self.tell(
            What::Pread,
            Via::Floor,
            Case::Stopped,
            counted,
            record_len as u64,
        )
    }

    fn tell(
        &self,
        what: What,
        via: Via,
        case: Case,
        count: Count,
        bytes: u64,
    ) -> anyhow::Result<()> {
        let figure = Figure {
            what,
            via,
            case,
            pending: self.size.pending,
            threads: self.size.threads,
            actions: self.size.actions,
            instructions: count.median,
            instructions_min: count.min,
            instructions_max: count.max,
            repetitions: count.repetitions,
            bytes,
        };
        tell(&Line::Figure(figure))
    }
}

fn pending_count(snapshot: &Snapshot) -> usize {
    let model = snapshot.to_model();
    let threads = model.threads.iter().filter_map(|t| t.pending.as_ref());
    model
        .shared_pending
        .iter()
        .chain(threads)
        .map(|queue| queue.entries.len())
        .sum()
}

/// The same state with empty queues.
fn emptied(snapshot: &Snapshot) -> anyhow::Result<Snapshot> {
    let mut model = snapshot.to_model();
    let empty = || Some(sigcr::Queue::of([]));
    model.shared_pending = empty();
    for thread in &mut model.threads {
        thread.pending = empty();
    }
    model.encode().context("a record with empty queues")
}
