// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The timers, signalfds and waiters of a model.

use serde::{Deserialize, Serialize};

use crate::{
    abi,
    record::{
        self,
        encode::{Sink, Writer},
    },
    SigSet,
};

/// The interval timers of a process, as of setitimer(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Itimers {
    /// `ITIMER_REAL`.
    pub real: Itimer,
    /// The periodic real timer has expired and goes on when its `SIGALRM` is taken.
    pub real_expired: bool,
    /// `ITIMER_VIRTUAL`.
    pub virt: Itimer,
    /// `ITIMER_PROF`.
    pub prof: Itimer,
}

/// One interval timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Itimer {
    /// Time until it expires, in ns; 0: it does not run.
    pub remaining_ns: u64,
    /// Its period in ns; 0: it expires once.
    pub interval_ns: u64,
}

/// The timers of timer_create(2). A restore gives the process these and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// The id that the next timer gets if it is free.
    pub next_timer_id: u32,
    /// By ascending id.
    pub timers: Vec<TimerModel>,
}

/// One timer of timer_create(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerModel {
    /// Its id.
    pub timer_id: i32,
    /// Its clock, as given to timer_create(2); negative: CPU time of a process or thread.
    pub clock_id: i32,
    /// How it notifies.
    pub notify: TimerNotify,
    /// The signal that it sends; without a meaning with [`TimerNotify::None`].
    pub signo: u32,
    /// The value that comes with the signal.
    pub sigval: u64,
    /// The thread that gets the signal with [`TimerNotify::ThreadId`]; 0: that is gone.
    pub notify_tid: i32,
    /// What it is doing.
    pub state: TimerState,
    /// Its period in ns; 0: it expires once.
    pub interval_ns: u64,
    /// Time until it expires, or would expire next, in ns.
    pub remaining_ns: u64,
    /// When it expires, if that is a time of `CLOCK_REALTIME`, in ns.
    #[serde(deserialize_with = "Option::deserialize")]
    pub expires_ns: Option<u64>,
    /// Expiries missed since the one whose signal waits to be taken; -1 if none waits.
    pub overrun: i64,
    /// What timer_getoverrun(2) returns, but not limited to an int.
    pub overrun_last: i64,
}

/// How a timer notifies, `SIGEV_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerNotify {
    /// By a signal to the process.
    Signal,
    /// Not at all.
    None,
    /// By a signal to the process; the C library starts a thread then.
    Thread,
    /// By a signal to one thread.
    ThreadId,
}

/// What a timer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerState {
    /// It does not run.
    Disarmed,
    /// It runs.
    Armed,
    /// It has expired, and a queue holds its signal.
    Pending,
    /// It has expired, and its signal is ignored: it waits for another action on it.
    Ignored,
}

/// A file descriptor of a signalfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signalfd {
    /// The file descriptor.
    pub fd: i32,
    /// A read does not wait, informational.
    pub nonblock: bool,
    /// It is closed by an exec, informational.
    pub cloexec: bool,
    /// The signals that can be read from it.
    pub mask: SigSet,
}

/// A thread in wait4(2), waitid(2) or the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// The thread.
    pub tid: i32,
    /// For whom it waits.
    pub waits_for: WaitsFor,
    /// `WNOHANG`, `WUNTRACED` and so on.
    pub options: u32,
}

/// For whom a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// For any child.
    All,
    /// For a process; 0: one that is gone.
    Process(i32),
    /// For a process group.
    ProcessGroup(i32),
}

impl Timers {
    pub(crate) fn write(&self, writer: &mut Writer<impl Sink>) {
        let mut list = writer.begin_timers();
        for timer in &self.timers {
            writer.timer(&mut list, &timer.into());
        }
        writer.end_timers(list, self.next_timer_id);
    }
}

pub(crate) fn write_signalfds(signalfds: &[Signalfd], writer: &mut Writer<impl Sink>) {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    let mut list = writer.begin_signalfds();
    for signalfd in signalfds {
        writer.signalfd(
            &mut list,
            &record::Signalfd {
                fd: signalfd.fd,
                flags: flag(signalfd.nonblock, record::SFD_NONBLOCK)
                    | flag(signalfd.cloexec, record::SFD_CLOEXEC),
                mask: signalfd.mask.bits(),
            },
        );
    }
    writer.end_signalfds(list);
}

pub(crate) fn write_waiters(waiters: &[Waiter], writer: &mut Writer<impl Sink>) {
    let mut list = writer.begin_waiters();
    for waiter in waiters {
        let (id_type, id) = match waiter.waits_for {
            WaitsFor::All => (abi::SIGCR_WAIT_ALL, 0),
            WaitsFor::Process(id) => (abi::SIGCR_WAIT_PID, id),
            WaitsFor::ProcessGroup(id) => (abi::SIGCR_WAIT_PGID, id),
        };
        writer.waiter(
            &mut list,
            &record::Waiter {
                tid: waiter.tid,
                id_type,
                id,
                options: waiter.options,
            },
        );
    }
    writer.end_waiters(list);
}

impl From<record::Itimers> for Itimers {
    fn from(itimers: record::Itimers) -> Self {
        let [real, virt, prof] = [itimers.real, itimers.virt, itimers.prof].map(|itimer| Itimer {
            remaining_ns: itimer.remaining_ns,
            interval_ns: itimer.interval_ns,
        });
        let flags = itimers.section.flags;
        Itimers {
            real,
            real_expired: flags & abi::SIGCR_ITIMERS_REAL_EXPIRED != 0,
            virt,
            prof,
        }
    }
}

impl From<&Itimers> for record::Itimers {
    fn from(itimers: &Itimers) -> Self {
        let [real, virt, prof] =
            [itimers.real, itimers.virt, itimers.prof].map(|itimer| record::Itimer {
                remaining_ns: itimer.remaining_ns,
                interval_ns: itimer.interval_ns,
            });
        let flags = match itimers.real_expired {
            true => abi::SIGCR_ITIMERS_REAL_EXPIRED,
            false => 0,
        };
        record::Itimers {
            section: crate::model::head(flags),
            real,
            virt,
            prof,
        }
    }
}

impl From<record::Timers<'_>> for Timers {
    fn from(timers: record::Timers<'_>) -> Self {
        Timers {
            next_timer_id: timers.next_timer_id,
            timers: timers.iter().map(TimerModel::from).collect(),
        }
    }
}

impl From<record::Timer> for TimerModel {
    fn from(timer: record::Timer) -> Self {
        let has = |flag| timer.flags & flag != 0;
        TimerModel {
            timer_id: timer.timer_id,
            clock_id: timer.clock_id,
            notify: match timer.notify {
                record::SIGEV_NONE => TimerNotify::None,
                record::SIGEV_THREAD_ID => TimerNotify::ThreadId,
                SIGEV_THREAD => TimerNotify::Thread,
                _ => TimerNotify::Signal,
            },
            signo: timer.signo,
            sigval: timer.sigval,
            notify_tid: timer.notify_tid,
            state: if has(abi::SIGCR_TIMER_ARMED) {
                TimerState::Armed
            } else if has(abi::SIGCR_TIMER_PENDING) {
                TimerState::Pending
            } else if has(abi::SIGCR_TIMER_IGNORED) {
                TimerState::Ignored
            } else {
                TimerState::Disarmed
            },
            interval_ns: timer.interval_ns,
            remaining_ns: timer.remaining_ns,
            expires_ns: has(abi::SIGCR_TIMER_ABSTIME).then_some(timer.expires_ns),
            overrun: timer.overrun,
            overrun_last: timer.overrun_last,
        }
    }
}

impl From<&TimerModel> for record::Timer {
    fn from(timer: &TimerModel) -> Self {
        let state = match timer.state {
            TimerState::Disarmed => 0,
            TimerState::Armed => abi::SIGCR_TIMER_ARMED,
            TimerState::Pending => abi::SIGCR_TIMER_PENDING,
            TimerState::Ignored => abi::SIGCR_TIMER_IGNORED,
        };
        let absolute = timer.expires_ns.map_or(0, |_| abi::SIGCR_TIMER_ABSTIME);
        record::Timer {
            timer_id: timer.timer_id,
            clock_id: timer.clock_id,
            notify: match timer.notify {
                TimerNotify::Signal => 0,
                TimerNotify::None => record::SIGEV_NONE,
                TimerNotify::Thread => SIGEV_THREAD,
                TimerNotify::ThreadId => record::SIGEV_THREAD_ID,
            },
            signo: timer.signo,
            sigval: timer.sigval,
            notify_tid: timer.notify_tid,
            flags: state | absolute,
            interval_ns: timer.interval_ns,
            remaining_ns: timer.remaining_ns,
            expires_ns: timer.expires_ns.unwrap_or(0),
            overrun: timer.overrun,
            overrun_last: timer.overrun_last,
        }
    }
}

impl From<record::Signalfd> for Signalfd {
    fn from(signalfd: record::Signalfd) -> Self {
        Signalfd {
            fd: signalfd.fd,
            nonblock: signalfd.flags & record::SFD_NONBLOCK != 0,
            cloexec: signalfd.flags & record::SFD_CLOEXEC != 0,
            mask: SigSet::from_bits(signalfd.mask),
        }
    }
}

impl From<record::Waiter> for Waiter {
    fn from(waiter: record::Waiter) -> Self {
        Waiter {
            tid: waiter.tid,
            waits_for: match waiter.id_type {
                abi::SIGCR_WAIT_PID => WaitsFor::Process(waiter.id),
                abi::SIGCR_WAIT_PGID => WaitsFor::ProcessGroup(waiter.id),
                _ => WaitsFor::All,
            },
            options: waiter.options,
        }
    }
}

/// `SIGEV_THREAD` of sigevent(3type).
const SIGEV_THREAD: u32 = 2;
