// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Measures everything at one size after the other, and writes a line for each figure.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{ensure, Context};
use cases::subject::Subject;
use cases::sys::set_sigpending_limit;
use guest_init::figure::{Case, Figure, Via, What};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::unistd::Pid;
use sigcr::{CheckpointFlags, RestoreFlags, Snapshot};

use crate::clock::{count, count_once, Count};
use crate::size::Size;
use crate::{ptrace, raw};

/// What is left out since it takes too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest queue that `PTRACE_PEEKSIGINFO` is asked for: it takes quadratic time.
    pub(crate) peek_pending_max: u32,
}

/// Room for the record of any size.
const RECORD_LEN_MAX: usize = 8 << 20;
/// Queued signals that a user may have: both those of a target and those that replace them.
const SIGPENDING_LIMIT: u64 = 1 << 20;

/// Measures all at one size.
pub(crate) fn all_at(size: Size, limits: Limits) -> anyhow::Result<()> {
    set_sigpending_limit(Pid::this(), SIGPENDING_LIMIT)?;
    let plan = size.plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    let bench = Bench { size, subject };
    // The ptrace way first, which brings its own stop.
    bench.peers(limits)?;
    bench.subject.stop()?;
    let record_len = bench.calls()?;
    bench.library()?;
    bench.floor(record_len)
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
                ensure!(found == wanted, "PEEKSIGINFO found {found} of {wanted}");
                Ok(())
            };
            match wanted {
                0..5_000 => count(|| Ok(()), run),
                _ => count_once(&mut run),
            }
        };
        let bytes = wanted * 128;
        let whole = measure(Box::new(|| ptrace::checkpoint(tids)))?;
        self.tell(What::Sigckpt, Via::Ptrace, Case::Live, whole, bytes)?;
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

    /// What nothing that writes such a record to user space can be below.
    fn floor(&self, record_len: usize) -> anyhow::Result<()> {
        let counted = count(
            || Ok(()),
            || {
                raw::getppid();
                Ok(())
            },
        )?;
        self.tell(What::Getppid, Via::Floor, Case::Stopped, counted, 0)?;
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
        println!("{}", serde_json::to_string(&figure)?);
        Ok(())
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
