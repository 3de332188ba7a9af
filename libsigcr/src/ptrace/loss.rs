// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What ptrace(2) cannot see of a process, as values and in words.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::SigNo;

/// Something of the signal state that ptrace(2) cannot see, and that the record therefore has not,
/// or not as it was.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotCaptured {
    /// By which kind of system call the actions were set: all are recorded as native.
    FrameAbi,
    /// Whether another process shares the action table: recorded as not shared.
    SharedSighand,
    /// Whether the process is reaped by itself when it exits: recorded as not.
    Autoreap,
    /// Whether timers get the ids that the process asks for: the kernel is too old to tell.
    TimerIds,
    /// The timers of timer_create(2): the kernel does not list them. The record has no TIMERS, and
    /// the signals of timers in its queues are like those that somebody has sent.
    Timers,
    /// The id that the next timer gets: recorded as the one after the highest.
    NextTimerId,
    /// The CPU time of which thread the timer measures.
    TimerThread(i32),
    /// How many expiries the timer has missed since its signal was queued: recorded as none.
    TimerOverrun(i32),
    /// Whether the queued signal that has the timer's id, signal and value is still the timer's, or
    /// is from before the timer was set anew: recorded as the timer's.
    TimerSignal(i32),
    /// Whether the timer of `CLOCK_REALTIME` expires at a time that was given, which moves if the
    /// clock is set, or after one: recorded as the second.
    TimerAbsolute(i32),
    /// Whether the periodic timer has expired since its signal is ignored, and how often: recorded as
    /// not.
    TimerIgnored(i32),
    /// Whether a pending signal that was sent by a timer which is no more will be taken: a kernel since
    /// 6.13 drops it when its turn comes, unless somebody has sent it with such a siginfo. Recorded as
    /// one that will be taken.
    LeftSignal(SigNo),
    /// The signal that the thread gets when its parent dies: it has ended, or is a worker of the
    /// kernel.
    ParentDeath(i32),
    /// The signalfds: /proc does not show the open files of the process.
    Signalfds,
    /// The threads that wait for children, which were asked for.
    Waiters,
}

impl NotCaptured {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            NotCaptured::FrameAbi => "frame_abi",
            NotCaptured::SharedSighand => "shared_sighand",
            NotCaptured::Autoreap => "autoreap",
            NotCaptured::TimerIds => "timer_ids",
            NotCaptured::Timers => "timers",
            NotCaptured::NextTimerId => "next_timer_id",
            NotCaptured::TimerThread(_) => "timer_thread",
            NotCaptured::TimerOverrun(_) => "timer_overrun",
            NotCaptured::TimerSignal(_) => "timer_signal",
            NotCaptured::TimerAbsolute(_) => "timer_absolute",
            NotCaptured::TimerIgnored(_) => "timer_ignored",
            NotCaptured::LeftSignal(_) => "left_signal",
            NotCaptured::ParentDeath(_) => "parent_death",
            NotCaptured::Signalfds => "signalfds",
            NotCaptured::Waiters => "waiters",
        }
    }

    /// The timer that it is about.
    pub fn timer_id(self) -> Option<i32> {
        match self {
            NotCaptured::TimerThread(id)
            | NotCaptured::TimerOverrun(id)
            | NotCaptured::TimerSignal(id)
            | NotCaptured::TimerAbsolute(id)
            | NotCaptured::TimerIgnored(id) => Some(id),
            _ => None,
        }
    }

    /// The thread that it is about, by its id in the pid namespace of the process.
    pub fn tid(self) -> Option<i32> {
        match self {
            NotCaptured::ParentDeath(tid) => Some(tid),
            _ => None,
        }
    }
}

impl fmt::Display for NotCaptured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotCaptured::FrameAbi => f.write_str(
                "which kind of signal frame each handler gets: recorded as the native one",
            ),
            NotCaptured::SharedSighand => f.write_str(
                "whether another process shares the action table: recorded as not shared",
            ),
            NotCaptured::Autoreap => f.write_str(
                "whether the process is reaped by itself when it exits: recorded as not",
            ),
            NotCaptured::TimerIds => f.write_str(
                "whether timers get the ids that the process asks for: this kernel cannot tell",
            ),
            NotCaptured::Timers => f.write_str(
                "the timers of timer_create(2): this kernel does not list them; it would with \
                 CONFIG_CHECKPOINT_RESTORE",
            ),
            NotCaptured::NextTimerId => f.write_str(
                "the id that the next timer gets: recorded as the one after the highest",
            ),
            NotCaptured::TimerThread(id) => write!(
                f,
                "the thread whose CPU time timer {id} measures: it cannot be restored"
            ),
            NotCaptured::TimerOverrun(id) => write!(
                f,
                "how often timer {id} has expired since its signal is pending: recorded as once"
            ),
            NotCaptured::TimerSignal(id) => write!(
                f,
                "whether timer {id} was set anew after its pending signal: recorded as not"
            ),
            NotCaptured::TimerAbsolute(id) => write!(
                f,
                "whether timer {id} expires at a time of the clock or after a time: recorded as \
                 the second"
            ),
            NotCaptured::TimerIgnored(id) => write!(
                f,
                "whether timer {id}, whose signal is ignored, has expired: recorded as not"
            ),
            NotCaptured::LeftSignal(signo) => write!(
                f,
                "whether {signo}, which was sent by a timer that is no more, will be dropped: recorded \
                 as not"
            ),
            NotCaptured::ParentDeath(tid) => write!(
                f,
                "the signal that thread {tid} gets when its parent dies: it runs no code"
            ),
            NotCaptured::Signalfds => {
                f.write_str("the signalfds: /proc does not show the open files of the process")
            }
            NotCaptured::Waiters => f.write_str("the threads that wait for children"),
        }
    }
}

impl Serialize for NotCaptured {
    /// As an object with its name, the timer or thread that it is about or null, and the words.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = Fields {
            name: self.name(),
            timer_id: self.timer_id(),
            tid: self.tid(),
            message: self.to_string(),
        };
        fields.serialize(to)
    }
}

/// What a loss is in JSON.
#[derive(Serialize)]
pub(super) struct Fields {
    pub(super) name: &'static str,
    pub(super) timer_id: Option<i32>,
    pub(super) tid: Option<i32>,
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_name_the_timer_and_the_words() {
        let json = serde_json::to_value(NotCaptured::TimerOverrun(7)).unwrap();
        assert_eq!(json["name"], "timer_overrun");
        assert_eq!(json["timer_id"], 7);
        assert!(json["tid"].is_null());
        assert_eq!(json["message"], NotCaptured::TimerOverrun(7).to_string());
        let json = serde_json::to_value(NotCaptured::ParentDeath(9)).unwrap();
        assert_eq!(
            (&json["tid"], json["timer_id"].is_null()),
            (&9.into(), true)
        );
    }
}
