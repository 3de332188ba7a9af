// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Timers of a restore: made with their ids, set, and made to expire where their signals are pending.

use std::time::Duration;

use super::{
    plan::{clock_ns, Plan},
    remote::Remote,
    times::{self, RestoreIds},
};
use crate::{stop::Failure, Errno, Itimer, TimerModel, TimerNotify, TimerState, Timers};

/// Stops the interval timers that are restored, and gives the process the timers of the record, none
/// of which runs.
pub(super) fn make(plan: &Plan, remote: &mut Remote<'_>) -> Result<(), Failure> {
    if plan.model.itimers.is_some() {
        for which in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
            set_itimer(which, Itimer::default(), remote)?;
        }
    }
    let Some(wanted) = &plan.model.timers else {
        return Ok(());
    };
    let present = plan.present.timers.iter().flat_map(|list| &list.timers);
    for timer in present {
        match plan.makes_timers {
            true => delete(timer.timer_id, remote)?,
            false => set(timer.timer_id, 0, 0, false, remote)?,
        }
    }
    if !plan.makes_timers {
        return Ok(());
    }
    let before = restore_ids(RestoreIds::Get, remote)?;
    restore_ids(RestoreIds::On, remote)?;
    let made = make_all(wanted, remote);
    let command = match before {
        0 => RestoreIds::Off,
        _ => RestoreIds::On,
    };
    restore_ids(command, remote)?;
    made
}

fn make_all(wanted: &Timers, remote: &mut Remote<'_>) -> Result<(), Failure> {
    // The next timer gets the id behind that of the last one that was made.
    let last_id = wanted.next_timer_id.wrapping_sub(1) & i32::MAX as u32;
    // CAST: It was cut to the range of an id.
    let last_id = last_id as i32;
    let (last, others): (Vec<_>, Vec<_>) = wanted
        .timers
        .iter()
        .partition(|timer| timer.timer_id == last_id);
    for timer in others.iter().chain(&last) {
        create(timer, remote)?;
    }
    if last.is_empty() {
        let nobody = TimerModel {
            timer_id: last_id,
            clock_id: libc::CLOCK_MONOTONIC,
            notify: TimerNotify::None,
            signo: 0,
            sigval: 0,
            notify_tid: 0,
            state: TimerState::Disarmed,
            interval_ns: 0,
            remaining_ns: 0,
            expires_ns: None,
            overrun: -1,
            overrun_last: 0,
        };
        create(&nobody, remote)?;
        delete(last_id, remote)?;
    }
    Ok(())
}

fn restore_ids(command: RestoreIds, remote: &mut Remote<'_>) -> Result<u64, Failure> {
    let done = times::restore_ids(remote, command)?;
    done.map_err(|errno| Failure::new(errno, "prctl(2) run in it fails"))
}

fn create(timer: &TimerModel, remote: &mut Remote<'_>) -> Result<(), Failure> {
    let notify = match timer.notify {
        TimerNotify::Signal => libc::SIGEV_SIGNAL,
        TimerNotify::None => libc::SIGEV_NONE,
        TimerNotify::Thread => libc::SIGEV_THREAD,
        TimerNotify::ThreadId => libc::SIGEV_THREAD_ID,
    };
    // CAST: Two ints in a word each, and an id behind the event.
    let signo_and_notify = u64::from(timer.signo) | (notify as u64) << 32;
    let mut words = [0; 9];
    words[0] = timer.sigval;
    words[1] = signo_and_notify;
    words[2] = u64::from(timer.notify_tid as u32);
    words[8] = u64::from(timer.timer_id as u32);
    remote.write_words(&words)?;
    let (event, id) = (remote.scratch(), remote.scratch() + 64);
    let clock = u64::from(timer.clock_id as u32);
    let done = remote.call(libc::SYS_timer_create, [clock, event, id, 0, 0, 0])?;
    done.map_err(|errno| {
        Failure::new(
            errno,
            "a timer cannot be made in it: its id is taken, its clock is not there or not allowed, \
             or the thread that it signals is gone",
        )
    })?;
    Ok(())
}

fn delete(timer_id: i32, remote: &mut Remote<'_>) -> Result<(), Failure> {
    let id = u64::from(timer_id as u32);
    let done = remote.call(libc::SYS_timer_delete, [id, 0, 0, 0, 0, 0])?;
    done.map_err(|errno| Failure::new(errno, "timer_delete(2) run in it fails"))?;
    Ok(())
}

fn set(
    timer_id: i32,
    value_ns: u64,
    interval_ns: u64,
    absolute: bool,
    remote: &mut Remote<'_>,
) -> Result<(), Failure> {
    let time = |ns: u64| [ns / 1_000_000_000, ns % 1_000_000_000];
    remote.write_words(&[time(interval_ns), time(value_ns)].concat())?;
    let id = u64::from(timer_id as u32);
    let flags = if absolute { libc::TIMER_ABSTIME } else { 0 };
    // CAST: A flag.
    let args = [id, flags as u64, remote.scratch(), 0, 0, 0];
    let done = remote.call(libc::SYS_timer_settime, args)?;
    done.map_err(|errno| Failure::new(errno, "timer_settime(2) run in it fails"))?;
    Ok(())
}

/// The timers whose signals are pending.
pub(super) struct Timing<'p> {
    timers: Option<&'p Timers>,
}

impl<'p> Timing<'p> {
    pub(super) fn of(plan: &'p Plan) -> Self {
        Self {
            timers: plan.model.timers.as_ref(),
        }
    }

    /// Lets the timer expire: a periodic one at such a time that it has missed as many expiries as
    /// it is to have, and that what is left to the next one is right.
    pub(super) fn expire(&self, timer_id: i32, remote: &mut Remote<'_>) -> Result<(), Failure> {
        let mut timers = self.timers.iter().flat_map(|list| &list.timers);
        let timer = timers.find(|timer| timer.timer_id == timer_id);
        let timer = timer.ok_or(Failure::new(
            Errno::EINVAL,
            "a signal in the record is of a timer that the record lacks",
        ))?;
        let by_cpu = timer.clock_id < 0;
        if timer.interval_ns == 0 {
            return set(timer_id, 1, 0, by_cpu, remote);
        }
        let now_ns = clock_ns(remote, timer.clock_id)?;
        // The plan has seen to it that the clock has run as long.
        let expiry_count = u64::try_from(timer.overrun).unwrap_or(0).saturating_add(1);
        let past_ns = expiry_count.saturating_mul(timer.interval_ns);
        let first_ns = (now_ns + timer.remaining_ns).saturating_sub(past_ns);
        set(
            timer_id,
            first_ns.clamp(1, now_ns.max(1)),
            timer.interval_ns,
            true,
            remote,
        )
    }
}

/// Sets the timers whose signals are not pending, and the interval timers.
pub(super) fn set_all(plan: &Plan, remote: &mut Remote<'_>) -> Result<(), Failure> {
    for timer in plan.model.timers.iter().flat_map(|list| &list.timers) {
        if timer.state != TimerState::Armed {
            continue;
        }
        let (value_ns, absolute) = match timer.expires_ns {
            Some(expires_ns) => (expires_ns, true),
            // One that signals nobody may have expired.
            None => (timer.remaining_ns, false),
        };
        set(
            timer.timer_id,
            value_ns.max(1),
            timer.interval_ns,
            absolute,
            remote,
        )?;
    }
    let Some(itimers) = &plan.model.itimers else {
        return Ok(());
    };
    set_itimer(libc::ITIMER_VIRTUAL, itimers.virt, remote)?;
    set_itimer(libc::ITIMER_PROF, itimers.prof, remote)?;
    if !itimers.real_expired {
        return set_itimer(libc::ITIMER_REAL, itimers.real, remote);
    }
    // Its signal is pending already, so that none is queued when it expires; and then it stays so
    // until the signal is taken.
    let expires = Itimer {
        remaining_ns: 1000,
        ..itimers.real
    };
    set_itimer(libc::ITIMER_REAL, expires, remote)?;
    for _ in 0..1000 {
        let args = [libc::ITIMER_REAL as u64, remote.scratch(), 0, 0, 0, 0];
        let done = remote.call(libc::SYS_getitimer, args)?;
        done.map_err(|errno| Failure::new(errno, "getitimer(2) run in it fails"))?;
        let [_, _, seconds, us] = remote.read_words()?;
        if seconds == 0 && us == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Err(Failure::new(
        Errno::EAGAIN,
        "its interval timer does not expire",
    ))
}

fn set_itimer(which: libc::c_int, itimer: Itimer, remote: &mut Remote<'_>) -> Result<(), Failure> {
    // In microseconds: less than one is one, so that the timer runs.
    let time = |ns: u64| {
        let us = ns.div_ceil(1000);
        [us / 1_000_000, us % 1_000_000]
    };
    remote.write_words(&[time(itimer.interval_ns), time(itimer.remaining_ns)].concat())?;
    // CAST: 0, 1 or 2.
    let args = [which as u64, remote.scratch(), 0, 0, 0, 0];
    let done = remote.call(libc::SYS_setitimer, args)?;
    done.map_err(|errno| Failure::new(errno, "setitimer(2) run in it fails"))?;
    Ok(())
}
