// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A process that ptrace(2) holds: its threads, what /proc says of it, and its queues.

use std::fs;

use super::{memory::Memory, remote::Remote, sys};
use crate::{
    queue::SIGINFO_LEN,
    stop::{freezer, task, Failure, Stopped},
    Errno, Queue, QueuedSignal, SigSet,
};

/// A process all of whose threads are held.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// By ascending own id.
    pub(super) threads: Vec<Thread>,
    memory: Memory,
    instruction: u64,
}

/// A thread of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    /// Its id here.
    pub(super) tid: i32,
    /// Its id in the pid namespace of the process.
    pub(super) own_tid: i32,
    pub(super) kind: Kind,
}

/// What can be done with a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is held.
    Held,
    /// A worker of the kernel, which never runs code of the process.
    Worker,
    /// It has ended, but is still listed.
    Dead,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    flags: u32,
    /// Signal to the parent at the end; negative or 0: none.
    pub(super) exit_signo: i32,
    /// Ticks of 10 ms since boot.
    pub(super) start_ticks: u64,
}

/// Length of a tick of /proc, ns.
pub(super) const TICK_NS: u64 = 10_000_000;

impl Process {
    /// Looks at the process that `stopped` holds.
    pub(super) fn of(stopped: &Stopped) -> Result<Process, Failure> {
        let pid = stopped.pid();
        let Some(held) = stopped.traced_tids() else {
            return Err(Failure::new(
                Errno::EBUSY,
                "it is not held by ptrace(2) of this program but was stopped by others; use \
                 Stopped::by_ptrace",
            ));
        };
        if freezer::is_frozen(pid) {
            return Err(Failure::new(
                Errno::EBUSY,
                "its cgroup is frozen, so that no system call can be run in it; thaw the cgroup first",
            ));
        }
        let mut threads = Vec::new();
        for tid in task::all_threads(pid)? {
            threads.extend(Thread::of(pid, tid, held.contains(&tid))?);
        }
        threads.sort_by_key(|thread| thread.own_tid);
        // The first thread may have ended, and has no memory then.
        let live = threads.iter().find(|thread| thread.kind == Kind::Held);
        let memory = Memory::open(pid, live.ok_or(Failure::GONE)?.tid)?;
        Ok(Process {
            pid,
            threads,
            instruction: memory.find_syscall()?,
            memory,
        })
    }

    /// The threads that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = &Thread> {
        self.threads
            .iter()
            .filter(|thread| thread.kind == Kind::Held)
    }

    /// The thread that system calls for the whole process are run in: the first one, if it lives.
    pub(super) fn carrier(&self) -> Result<&Thread, Failure> {
        self.held()
            .find(|thread| thread.tid == self.pid)
            .or(self.held().next())
            .ok_or(Failure::GONE)
    }

    /// Makes a thread ready for system calls.
    pub(super) fn remote(&self, thread: &Thread) -> Result<Remote<'_>, Failure> {
        Remote::new(self.pid, thread.tid, &self.memory, self.instruction)
    }

    /// The process id that the process itself sees.
    pub(super) fn own_pid(&self) -> Result<i32, Failure> {
        own_id(&self.status(self.pid)?).ok_or(Failure::GONE)
    }

    /// The text of a thread's status.
    pub(super) fn status(&self, tid: i32) -> Result<String, Failure> {
        task::status(self.pid, tid).ok_or(Failure::GONE)
    }

    /// Reads `/proc/PID/stat`.
    pub(super) fn stat(&self) -> Result<Stat, Failure> {
        let stat = fs::read(format!("/proc/{}/stat", self.pid));
        let stat = stat.ok().and_then(|stat| Stat::parse(&stat));
        stat.ok_or(Failure::GONE)
    }

    /// The queue of the process.
    pub(super) fn shared_queue(&self) -> Result<Queue, Failure> {
        let carrier = self.carrier()?.tid;
        self.queue(carrier, true)
    }

    /// The queue of a thread that is held.
    pub(super) fn private_queue(&self, thread: &Thread) -> Result<Queue, Failure> {
        self.queue(thread.tid, false)
    }

    /// Reads a queue: first which signals are pending, then what is queued of them. Nothing is taken
    /// out of it, so what comes in between is seen with its siginfo or not at all; and what had none
    /// at first is pending without.
    fn queue(&self, tid: i32, shared: bool) -> Result<Queue, Failure> {
        let name = if shared { "ShdPnd:" } else { "SigPnd:" };
        for _ in 0..ATTEMPT_COUNT {
            let before = self.set(tid, name)?;
            let entries = peek(tid, shared)?;
            let after = self.set(tid, name)?;
            if (before.bits() | after.bits()) & SIGKILL != 0 {
                return Err(Failure::GONE);
            }
            // SIGCONT and the stop signals take each other away.
            if before.bits() & !after.bits() != 0 {
                continue;
            }
            let mut queue = Queue::of(entries);
            queue.set = SigSet::from_bits(queue.set.bits() | before.bits());
            return Ok(queue);
        }
        Err(Failure::new(
            Errno::EAGAIN,
            "others continue and stop it all the time; try again",
        ))
    }

    fn set(&self, tid: i32, name: &str) -> Result<SigSet, Failure> {
        sigset(&self.status(tid)?, name).ok_or(Failure::GONE)
    }
}

/// The set with the signal that nobody survives.
const SIGKILL: u64 = 1 << (libc::SIGKILL - 1);

/// How often a queue is read anew.
const ATTEMPT_COUNT: u32 = 8;

fn peek(tid: i32, shared: bool) -> Result<Vec<QueuedSignal>, Failure> {
    let mut entries = Vec::new();
    loop {
        let some = sys::peek_siginfo(tid, shared, entries.len()).map_err(|errno| match errno {
            Errno::ESRCH => Failure::GONE,
            errno => Failure::new(
                errno,
                "its queues cannot be read by ptrace(2): this needs Linux 3.10 or later",
            ),
        })?;
        if some.is_empty() {
            return Ok(entries);
        }
        entries.extend(some.iter().map(|bytes| {
            let mut siginfo = [0; SIGINFO_LEN];
            siginfo.copy_from_slice(&bytes[..SIGINFO_LEN]);
            QueuedSignal::from_siginfo(siginfo)
        }));
    }
}

impl Thread {
    /// The thread `tid`; `None` if it is gone since it was listed.
    fn of(pid: i32, tid: i32, is_held: bool) -> Result<Option<Thread>, Failure> {
        let Some(status) = task::status(pid, tid) else {
            return Ok(None);
        };
        let stat = fs::read(format!("/proc/{pid}/task/{tid}/stat"));
        let Some(stat) = stat.ok().and_then(|stat| Stat::parse(&stat)) else {
            return Ok(None);
        };
        let kind = if task::is_dead(pid, tid) {
            Kind::Dead
        } else if stat.flags & PF_USER_WORKERS != 0 {
            Kind::Worker
        } else if is_held {
            Kind::Held
        } else {
            return Err(Failure::new(
                Errno::EAGAIN,
                "its threads changed while they were held; try again",
            ));
        };
        Ok(Some(Thread {
            tid,
            own_tid: own_id(&status).ok_or(Failure::new(
                Errno::EOPNOTSUPP,
                "/proc does not tell the thread's id in its own pid namespace: this needs Linux 4.1 \
                 or later",
            ))?,
            kind,
        }))
    }
}

/// `PF_IO_WORKER` and `PF_USER_WORKER`, which /proc shows as they are.
const PF_USER_WORKERS: u32 = 0x10 | 0x4000;

impl Stat {
    fn parse(stat: &[u8]) -> Option<Stat> {
        // The name of the program may hold anything, but nothing behind it is a parenthesis.
        let text = String::from_utf8_lossy(stat);
        let fields: Vec<_> = text.rsplit_once(") ")?.1.split_whitespace().collect();
        // Numbered as in proc_pid_stat(5); the first one is the state.
        let field = |number: usize| fields.get(number - 3);
        Some(Stat {
            flags: field(9)?.parse().ok()?,
            exit_signo: field(38)?.parse().ok()?,
            start_ticks: field(22)?.parse().ok()?,
        })
    }
}

/// A set of signals in a status.
pub(super) fn sigset(status: &str, name: &str) -> Option<SigSet> {
    let digits = task::field_of(status, name)?;
    u64::from_str_radix(digits, 16).ok().map(SigSet::from_bits)
}

/// The id in the innermost pid namespace.
fn own_id(status: &str) -> Option<i32> {
    let ids = task::field_of(status, "NSpid:")?;
    ids.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_stat_are_counted_from_behind_the_name() {
        let text = b"12 (a) (b) c) t 1 12 12 0 -1 4194560 85 0 0 0 0 0 0 0 20 0 1 0 4711 2 3 \
                     18446744073709551615 1 1 0 0 0 0 0 0 65536 1 0 0 10 1 0 0 0 0 0 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.flags, stat.start_ticks), (4_194_560, 4711));
        assert_eq!(stat.exit_signo, 10);
        assert_eq!(Stat::parse(b"12 (a) t 1"), None);
        assert_eq!(Stat::parse(b"12"), None);
    }

    #[test]
    fn sets_and_ids_of_a_status_are_read() {
        let status = "Name:\tx\nNSpid:\t40\t7\nSigPnd:\t0000000000000200\n";
        assert_eq!(own_id(status), Some(7));
        assert_eq!(sigset(status, "SigPnd:"), Some(SigSet::from_bits(0x200)));
        assert_eq!(sigset(status, "ShdPnd:"), None);
        assert_eq!(own_id(""), None);
    }
}
