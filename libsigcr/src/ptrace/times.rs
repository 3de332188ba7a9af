// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The timers of a process: what system calls run in it and /proc tell, put together with its queues.
//!
//! Timers go on while the process is held. Each is read twice, before and after the queues: what is
//! queued decides which of the two is true for the moment at which the queues were read.

use std::collections::{BTreeMap, BTreeSet};

use super::{process::Process, procfs::ListedTimer, remote::Remote, NotCaptured};
use crate::{
    action::is_ignored, stop::Failure, Action, Errno, Itimer, Itimers, Queue, QueuedSignal, SigNo,
    ThreadModel, TimerModel, TimerNotify, TimerState, Timers,
};

/// What one reading of all timers gave.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    itimers: Itimers,
    timers: BTreeMap<i32, Times>,
}

/// What one reading of a timer of timer_create(2) gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    interval_ns: u64,
    remaining_ns: u64,
    overrun_last: i64,
}

/// What to do with the switch by which timer_create(2) makes timers with the ids that are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum RestoreIds {
    /// `PR_TIMER_CREATE_RESTORE_IDS_OFF`
    Off = 0,
    /// `PR_TIMER_CREATE_RESTORE_IDS_ON`
    On = 1,
    /// `PR_TIMER_CREATE_RESTORE_IDS_GET`
    Get = 2,
}

/// `SI_TIMER`: the code of a signal that a timer has sent.
const SI_TIMER: i32 = -2;

impl Reading {
    /// Reads all timers by system calls that are run in the process.
    pub(super) fn take(
        remote: &mut Remote<'_>,
        listed: Option<&[ListedTimer]>,
    ) -> Result<Reading, Failure> {
        let mut timers = BTreeMap::new();
        for timer in listed.unwrap_or_default() {
            timers.insert(timer.timer_id, Times::take(remote, timer.timer_id)?);
        }
        let [real, virt, prof] = [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF]
            .map(|which| take_itimer(remote, which));
        let (real, virt, prof) = (real?, virt?, prof?);
        Ok(Reading {
            itimers: Itimers {
                real,
                // Only then a timer with a period does not run.
                real_expired: real.remaining_ns == 0 && real.interval_ns != 0,
                virt,
                prof,
            },
            timers,
        })
    }
}

impl Times {
    fn take(remote: &mut Remote<'_>, timer_id: i32) -> Result<Times, Failure> {
        // CAST: Ids are not negative.
        let id = timer_id as u64;
        let done = remote.call(libc::SYS_timer_gettime, [id, remote.scratch(), 0, 0, 0, 0])?;
        done.map_err(failed)?;
        let [interval_ns, remaining_ns] = two_times(remote.read_words()?, 1);
        let overrun = remote.call(libc::SYS_timer_getoverrun, [id, 0, 0, 0, 0, 0])?;
        // CAST: The call returns an int.
        let overrun_last = i64::from(overrun.map_err(failed)? as i32);
        Ok(Times {
            interval_ns,
            remaining_ns,
            overrun_last,
        })
    }
}

/// Sets the switch, or asks for it; a kernel before 6.15 does not have it.
pub(super) fn restore_ids(
    remote: &mut Remote<'_>,
    command: RestoreIds,
) -> Result<Result<u64, Errno>, Failure> {
    /// `PR_TIMER_CREATE_RESTORE_IDS` of `<linux/prctl.h>`; not every libc has it.
    const PR_TIMER_CREATE_RESTORE_IDS: u64 = 77;
    let args = [PR_TIMER_CREATE_RESTORE_IDS, command as u64, 0, 0, 0, 0];
    remote.call(libc::SYS_prctl, args)
}

fn take_itimer(remote: &mut Remote<'_>, which: libc::c_int) -> Result<Itimer, Failure> {
    // CAST: 0, 1 or 2.
    let args = [which as u64, remote.scratch(), 0, 0, 0, 0];
    remote.call(libc::SYS_getitimer, args)?.map_err(failed)?;
    let [interval_ns, remaining_ns] = two_times(remote.read_words()?, 1000);
    Ok(Itimer {
        remaining_ns,
        interval_ns,
    })
}

/// The two times of `struct itimerspec` or `struct itimerval`, whose smaller unit is `unit_ns`.
fn two_times(words: [u64; 4], unit_ns: u64) -> [u64; 2] {
    let [interval, interval_part, value, value_part] = words;
    [(interval, interval_part), (value, value_part)].map(|(seconds, part)| {
        let seconds_ns = seconds.saturating_mul(1_000_000_000);
        seconds_ns.saturating_add(part.saturating_mul(unit_ns))
    })
}

fn failed(errno: Errno) -> Failure {
    Failure::new(
        errno,
        "its timers cannot be read by system calls that are run in it; use a kernel with sigckpt(2)",
    )
}

/// Everything that timers are put together from.
pub(super) struct Sources<'a> {
    pub(super) process: &'a Process,
    pub(super) own_pid: i32,
    pub(super) listed: Option<&'a [ListedTimer]>,
    pub(super) before: &'a Reading,
    pub(super) after: &'a Reading,
    pub(super) actions: &'a [Action],
}

/// Makes the timers of a model, and marks in the queues which signals are theirs.
pub(super) fn put_together(
    sources: &Sources<'_>,
    shared: &mut Queue,
    threads: &mut [ThreadModel],
    lost: &mut Vec<NotCaptured>,
) -> (Itimers, Option<Timers>) {
    let alarm = SigNo::new(libc::SIGALRM as u32);
    let itimers = match alarm.is_some_and(|alarm| shared.set.contains(alarm)) {
        true => sources.after.itimers,
        false => sources.before.itimers,
    };
    let Some(listed) = sources.listed else {
        lost.push(NotCaptured::Timers);
        all_queues(shared, threads).for_each(drop_doubles);
        return (itimers, None);
    };
    let mut timers = Vec::new();
    for listed in listed {
        timers.extend(one_timer(sources, listed, shared, threads, lost));
    }
    all_queues(shared, threads).for_each(|queue| drop_left(queue, lost));
    lost.push(NotCaptured::NextTimerId);
    let next_timer_id = match timers.last() {
        // CAST: Ids are not negative.
        Some(last) => (last.timer_id as u32 + 1) & i32::MAX as u32,
        None => 0,
    };
    let timers = Timers {
        next_timer_id,
        timers,
    };
    (itimers, Some(timers))
}

/// Marks the signals of timers in the queue of the thread `tid`, whose record has no timers.
pub(super) fn mark(
    listed: Option<&[ListedTimer]>,
    tid: i32,
    queue: &mut Queue,
    lost: &mut Vec<NotCaptured>,
) {
    let Some(listed) = listed else {
        return lost.push(NotCaptured::Timers);
    };
    for timer in listed {
        if timer.notify == TimerNotify::ThreadId && timer.notify_id == tid {
            if mark_entry(queue, timer) {
                lost.push(NotCaptured::TimerSignal(timer.timer_id));
            }
        }
    }
    drop_left(queue, lost);
}

fn one_timer(
    sources: &Sources<'_>,
    listed: &ListedTimer,
    shared: &mut Queue,
    threads: &mut [ThreadModel],
    lost: &mut Vec<NotCaptured>,
) -> Option<TimerModel> {
    let id = listed.timer_id;
    let before = sources.before.timers.get(&id)?;
    let after = sources.after.timers.get(&id)?;
    let notify_tid = match listed.notify {
        TimerNotify::ThreadId => sources.own_tid(listed.notify_id),
        _ => 0,
    };
    let queue = match notify_tid {
        0 if listed.notify == TimerNotify::ThreadId => None,
        0 => Some(shared),
        tid => threads
            .iter_mut()
            .find(|thread| thread.tid == tid)
            .and_then(|thread| thread.pending.as_mut()),
    };
    let is_silent = listed.notify == TimerNotify::None;
    // One that expires once and runs has not expired: its signal is from before it was set anew, and
    // will be dropped when its turn comes to be taken.
    let is_stale = after.interval_ns == 0 && after.remaining_ns != 0;
    let is_pending = match queue.filter(|_| !is_silent) {
        Some(queue) if is_stale => {
            drop_entry(queue, listed);
            false
        }
        Some(queue) => mark_entry(queue, listed),
        None => false,
    };
    let (state, times) = match is_pending {
        true => {
            lost.push(NotCaptured::TimerSignal(id));
            if after.interval_ns != 0 {
                lost.push(NotCaptured::TimerOverrun(id));
            }
            (TimerState::Pending, after)
        }
        false if before.remaining_ns != 0 || before.interval_ns != 0 => (TimerState::Armed, before),
        false => (TimerState::Disarmed, before),
    };
    if state == TimerState::Armed && listed.clock_id == libc::CLOCK_REALTIME {
        lost.push(NotCaptured::TimerAbsolute(id));
    }
    if state == TimerState::Armed && times.interval_ns != 0 && sources.ignores(listed) {
        lost.push(NotCaptured::TimerIgnored(id));
    }
    let is_periodic = times.interval_ns != 0;
    Some(TimerModel {
        timer_id: id,
        clock_id: sources.clock_id(listed, lost),
        notify: listed.notify,
        signo: listed.signo,
        sigval: listed.sigval,
        notify_tid,
        state,
        interval_ns: times.interval_ns,
        remaining_ns: times.remaining_ns,
        expires_ns: None,
        overrun: match state {
            TimerState::Pending if is_periodic => 0,
            _ => -1,
        },
        overrun_last: times.overrun_last,
    })
}

impl Sources<'_> {
    /// The thread's id in its own pid namespace; 0: it is gone.
    fn own_tid(&self, tid: i32) -> i32 {
        let mut threads = self.process.threads.iter();
        threads
            .find(|thread| thread.tid == tid)
            .map_or(0, |thread| thread.own_tid)
    }

    /// The clock, with the id of the thread whose CPU time it is. A clock without an id is that of
    /// the thread that has created the timer, which is known only where there is no other.
    fn clock_id(&self, listed: &ListedTimer, lost: &mut Vec<NotCaptured>) -> i32 {
        const PER_THREAD: i32 = 4;
        const WHICH: i32 = 3;
        let clock_id = listed.clock_id;
        let has_id = clock_id >> 3 != -1;
        if clock_id >= 0 || clock_id & PER_THREAD == 0 || clock_id & WHICH == WHICH || has_id {
            return clock_id;
        }
        if self.process.threads.len() > 1 {
            lost.push(NotCaptured::TimerThread(listed.timer_id));
            return clock_id;
        }
        !self.own_pid << 3 | clock_id & (PER_THREAD | WHICH)
    }

    /// Whether the timer's signal is ignored.
    fn ignores(&self, listed: &ListedTimer) -> bool {
        let signo = SigNo::new(listed.signo);
        signo.is_some_and(|signo| is_ignored(self.actions, signo))
    }
}

/// Marks the signal of the timer; false: there is none.
fn mark_entry(queue: &mut Queue, timer: &ListedTimer) -> bool {
    let mut entries = queue.entries.iter_mut();
    let Some(entry) = entries.find(|entry| is_of(entry, timer)) else {
        return false;
    };
    entry.timer_id = Some(timer.timer_id);
    entry.clear_sys_private();
    true
}

/// Takes the signal of the timer out.
fn drop_entry(queue: &mut Queue, timer: &ListedTimer) {
    let Some(index) = queue.entries.iter().position(|entry| is_of(entry, timer)) else {
        return;
    };
    queue.entries.remove(index);
    let mut left = queue.entries.iter();
    if let (Some(signo), true) = (
        SigNo::new(timer.signo),
        left.all(|entry| entry.signo() != timer.signo),
    ) {
        queue.set.remove(signo);
    }
}

/// Whether the queued signal looks like one of the timer.
fn is_of(entry: &QueuedSignal, timer: &ListedTimer) -> bool {
    entry.timer_id.is_none()
        && entry.code() == SI_TIMER
        // The timer's id is where others have a pid.
        && entry.pid() == timer.timer_id
        && entry.signo() == timer.signo
        && entry.value() == timer.sigval
}

fn all_queues<'m>(
    shared: &'m mut Queue,
    threads: &'m mut [ThreadModel],
) -> impl Iterator<Item = &'m mut Queue> {
    let private = threads
        .iter_mut()
        .filter_map(|thread| thread.pending.as_mut());
    std::iter::once(shared).chain(private)
}

/// Takes out what timers have left that are no more, where that can be told, and names the rest.
fn drop_left(queue: &mut Queue, lost: &mut Vec<NotCaptured>) {
    drop_doubles(queue);
    let left = queue
        .entries
        .iter()
        .filter(|entry| entry.timer_id.is_none() && entry.code() == SI_TIMER);
    let signos = left.filter_map(|entry| SigNo::new(entry.signo()));
    lost.extend(signos.map(NotCaptured::LeftSignal));
}

/// Takes signals out that a timer has left which is no more, where that can be told: a signal below
/// `SIGRTMIN` is queued once, but for those of timers. What somebody has sent stays; of several left
/// by timers one does, if there is nothing else.
fn drop_doubles(queue: &mut Queue) {
    let is_plain =
        |entry: &QueuedSignal| entry.timer_id.is_none() && entry.signo() < SigNo::RTMIN.get();
    let sent = queue.entries.iter().filter(|entry| is_plain(entry));
    let mut seen: BTreeSet<u32> = sent
        .filter(|entry| entry.code() != SI_TIMER)
        .map(QueuedSignal::signo)
        .collect();
    queue
        .entries
        .retain(|entry| !is_plain(entry) || entry.code() != SI_TIMER || seen.insert(entry.signo()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_timer(signo: u32, timer_id: i32) -> QueuedSignal {
        let signo = SigNo::new(signo).unwrap();
        let mut signal = QueuedSignal::queued_by(signo, timer_id, 0, 7);
        signal.siginfo[8..12].copy_from_slice(&SI_TIMER.to_ne_bytes());
        signal
    }

    fn listed(timer_id: i32, signo: u32, tid: i32) -> ListedTimer {
        ListedTimer {
            timer_id,
            clock_id: 1,
            notify: TimerNotify::ThreadId,
            signo,
            sigval: 7,
            notify_id: tid,
        }
    }

    #[test]
    fn what_deleted_timers_have_left_goes_where_it_can_be_told() {
        let sent = QueuedSignal::sent_by(SigNo::new(10).unwrap(), 1, 0);
        let mut owned = of_timer(10, 1);
        owned.timer_id = Some(1);
        let left = [
            of_timer(10, 2),
            of_timer(12, 3),
            of_timer(12, 4),
            of_timer(40, 5),
        ];
        let mut queue = Queue::of([&[left[0], sent, owned][..], &left[1..]].concat());
        let set = queue.set;
        drop_doubles(&mut queue);
        assert_eq!(queue.entries, [sent, owned, left[1], left[3]]);
        assert_eq!(queue.set, set);
    }

    #[test]
    fn in_a_thread_only_its_own_timers_have_signals() {
        let mut queue = Queue::of([of_timer(40, 1), of_timer(41, 2), of_timer(42, 1)]);
        let timers = [listed(1, 40, 70), listed(2, 41, 71)];
        let mut lost = Vec::new();
        mark(Some(&timers), 70, &mut queue, &mut lost);
        let marks: Vec<_> = queue.entries.iter().map(|entry| entry.timer_id).collect();
        assert_eq!(marks, [Some(1), None, None]);
        let left = |signo| NotCaptured::LeftSignal(SigNo::new(signo).unwrap());
        assert_eq!(lost, [NotCaptured::TimerSignal(1), left(41), left(42)]);
        mark(None, 70, &mut queue, &mut lost);
        assert_eq!(lost[3..], [NotCaptured::Timers]);
    }

    #[test]
    fn times_are_read_in_their_units() {
        assert_eq!(two_times([1, 2, 3, 4], 1), [1_000_000_002, 3_000_000_004]);
        assert_eq!(two_times([0, 5, 1, 0], 1000), [5000, 1_000_000_000]);
        assert_eq!(two_times([u64::MAX, 0, 0, 0], 1), [u64::MAX, 0]);
    }
}
