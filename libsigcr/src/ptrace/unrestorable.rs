// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What ptrace(2) cannot restore of a record, as values and in words.

use std::fmt;

use serde::{Serialize, Serializer};

use super::loss::Fields;
use crate::SigNo;

/// Something in a record that ptrace(2) cannot restore into the target, or not as it was.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotRestorable {
    /// A handler that gets another than the native signal frame: it will get the native one.
    FrameAbi(SigNo),
    /// A real-time signal that is pending to a thread without siginfo: it will not be pending.
    Bare {
        /// The thread.
        tid: i32,
        /// The signal.
        signo: SigNo,
    },
    /// A pending `SIGSTOP`, which would be taken at once: it will not be pending.
    PendingStop,
    /// A pending `SIGCONT`, while the target is stopped by a signal: sending it would continue the
    /// target. It will not be pending.
    PendingContinue,
    /// A periodic `ITIMER_REAL` that has expired, without its `SIGALRM`: it will run.
    RealItimer,
    /// The timers: the kernel cannot make timers with ids, and the target does not have just those
    /// of the record. They will be left as they are, and signals of timers in the queues will be
    /// like those that somebody has sent.
    Timers,
    /// A timer by the CPU time of a thread that the record does not name: it will measure the first
    /// thread.
    TimerThread(i32),
    /// How often a timer has expired since its signal is pending: its clock has not run that long.
    /// It will be as often as it can be.
    TimerOverrun(i32),
    /// What timer_getoverrun(2) returns until the timer's next signal is taken: it will be 0.
    TimerOverrunLast(i32),
    /// That a periodic timer has expired since its signal is ignored: it will expire when its time
    /// has come.
    TimerIgnored(i32),
    /// The mask of a signalfd that the target does not have.
    Signalfd(i32),
}

impl NotRestorable {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            NotRestorable::FrameAbi(_) => "frame_abi",
            NotRestorable::Bare { .. } => "bare",
            NotRestorable::PendingStop => "pending_stop",
            NotRestorable::PendingContinue => "pending_continue",
            NotRestorable::RealItimer => "real_itimer",
            NotRestorable::Timers => "timers",
            NotRestorable::TimerThread(_) => "timer_thread",
            NotRestorable::TimerOverrun(_) => "timer_overrun",
            NotRestorable::TimerOverrunLast(_) => "timer_overrun_last",
            NotRestorable::TimerIgnored(_) => "timer_ignored",
            NotRestorable::Signalfd(_) => "signalfd",
        }
    }
}

impl fmt::Display for NotRestorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRestorable::FrameAbi(signo) => write!(
                f,
                "the handler of {signo} gets another than the native signal frame"
            ),
            NotRestorable::Bare { tid, signo } => write!(
                f,
                "{signo} is pending to thread {tid} without siginfo, which cannot be sent"
            ),
            NotRestorable::PendingStop => {
                f.write_str("SIGSTOP is pending, which would be taken at once")
            }
            NotRestorable::PendingContinue => f.write_str(
                "SIGCONT is pending, which would continue the target, as that is stopped by a signal",
            ),
            NotRestorable::RealItimer => f.write_str(
                "the periodic interval timer of real time has expired, but its SIGALRM is not pending",
            ),
            NotRestorable::Timers => f.write_str(
                "this kernel cannot make timers with ids (Linux 6.15 can), and the target does not \
                 have those of the record",
            ),
            NotRestorable::TimerThread(id) => write!(
                f,
                "timer {id} measures the CPU time of a thread that the record does not name"
            ),
            NotRestorable::TimerOverrun(id) => write!(
                f,
                "timer {id} has expired more often than its clock makes it possible here"
            ),
            NotRestorable::TimerOverrunLast(id) => write!(
                f,
                "timer_getoverrun(2) tells of timer {id} what was missed by its last signal"
            ),
            NotRestorable::TimerIgnored(id) => write!(
                f,
                "timer {id}, whose signal is ignored, has expired: it runs to its next expiry"
            ),
            NotRestorable::Signalfd(fd) => {
                write!(f, "the target has no signalfd with the number {fd}")
            }
        }
    }
}

impl Serialize for NotRestorable {
    /// As an object with its name, the timer or thread that it is about or null, and the words.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let timer_id = match *self {
            NotRestorable::TimerThread(id)
            | NotRestorable::TimerOverrun(id)
            | NotRestorable::TimerOverrunLast(id)
            | NotRestorable::TimerIgnored(id) => Some(id),
            _ => None,
        };
        let tid = match *self {
            NotRestorable::Bare { tid, .. } => Some(tid),
            _ => None,
        };
        let fields = Fields {
            name: self.name(),
            timer_id,
            tid,
            message: self.to_string(),
        };
        fields.serialize(to)
    }
}
