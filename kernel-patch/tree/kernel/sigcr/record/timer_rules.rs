// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The rules for timers: which there can be, and how they fit to the queues of the record.

use crate::abi;

use super::{
    Entry,
    EntryExt,
    Itimers,
    Queue,
    Record,
    Refusal,
    Section,
    Timer,
    Timers, //
};

/// The longest time that the kernel can wait, in ns.
const TIME_NS_MAX: u64 = i64::MAX as u64;

const SIGEV_SIGNAL: u32 = 0;
/// The timer signals nobody.
pub const SIGEV_NONE: u32 = 1;
const SIGEV_THREAD: u32 = 2;
/// The timer signals one thread.
pub const SIGEV_THREAD_ID: u32 = 4;

const CLOCK_REALTIME: i32 = 0;
const SI_TIMER: i32 = -2;

pub(super) fn check_itimers(off: usize, itimers: &Itimers) -> Result<(), Refusal> {
    for itimer in [itimers.real, itimers.virt, itimers.prof] {
        time(off, itimer.remaining_ns)?;
        time(off, itimer.interval_ns)?;
    }
    let expired = itimers.section.flags & abi::SIGCR_ITIMERS_REAL_EXPIRED != 0;
    if expired && (itimers.real.remaining_ns != 0 || itimers.real.interval_ns == 0) {
        let time_ns = itimers.real.remaining_ns;
        return Err(Refusal::BadTime { off, time_ns });
    }
    Ok(())
}

pub(super) fn check_timers(section_off: usize, timers: &Timers<'_>) -> Result<(), Refusal> {
    let mut last = -1;
    for (index, timer) in timers.iter().enumerate() {
        let off = timers.list.entry_off(section_off, index);
        let id = timer.timer_id;
        if id <= last {
            return Err(Refusal::BadId { off, id });
        }
        last = id;
        check_notify(off, &timer)?;
        check_state(off, &timer)?;
        for overrun in [timer.overrun, timer.overrun_last] {
            if overrun < -1 {
                return Err(Refusal::BadOverrun { off, overrun });
            }
        }
    }
    match timers.next_timer_id {
        0..=0x7fff_ffff => Ok(()),
        // CAST: It is shown as what it would be for the kernel.
        id => Err(Refusal::BadId {
            off: section_off,
            id: id as i32,
        }),
    }
}

fn check_notify(off: usize, timer: &Timer) -> Result<(), Refusal> {
    let Timer {
        notify,
        notify_tid,
        signo,
        ..
    } = *timer;
    let known = matches!(
        notify,
        SIGEV_SIGNAL | SIGEV_NONE | SIGEV_THREAD | SIGEV_THREAD_ID
    );
    // Without a tid it is that of a thread that is gone.
    if !known || notify_tid < 0 || (notify_tid != 0 && notify != SIGEV_THREAD_ID) {
        return Err(Refusal::BadNotify { off, notify });
    }
    // Who signals nobody may say anything.
    if notify != SIGEV_NONE && !(1..=abi::SIGCR_SIGNO_MAX).contains(&signo) {
        return Err(Refusal::BadSigno { off, signo });
    }
    Ok(())
}

fn check_state(off: usize, timer: &Timer) -> Result<(), Refusal> {
    const WAITS: u32 = abi::SIGCR_TIMER_PENDING | abi::SIGCR_TIMER_IGNORED;
    let flags = timer.flags;
    let has = |flag| flags & flag != 0;
    let state = flags & (abi::SIGCR_TIMER_ARMED | WAITS);
    let silent = timer.notify == SIGEV_NONE;
    let absolute = has(abi::SIGCR_TIMER_ABSTIME);
    if flags & !abi::SIGCR_TIMER_FLAGS != 0
        || state.count_ones() > 1
        || (silent && state & WAITS != 0)
        || (has(abi::SIGCR_TIMER_IGNORED) && timer.interval_ns == 0)
        || (absolute && (state != abi::SIGCR_TIMER_ARMED || timer.clock_id != CLOCK_REALTIME))
    {
        return Err(Refusal::BadTimerFlags { off, flags });
    }
    for time_ns in [timer.interval_ns, timer.remaining_ns, timer.expires_ns] {
        time(off, time_ns)?;
    }
    let time_ns = timer.remaining_ns;
    let fits = match state {
        // One that signals nobody may have expired.
        abi::SIGCR_TIMER_ARMED => time_ns != 0 || silent,
        0 => time_ns == 0 && timer.interval_ns == 0,
        _ => (time_ns != 0) == (timer.interval_ns != 0),
    };
    if !fits {
        return Err(Refusal::BadTime { off, time_ns });
    }
    match timer.expires_ns != 0 && !absolute {
        true => Err(Refusal::BadTime {
            off,
            time_ns: timer.expires_ns,
        }),
        false => Ok(()),
    }
}

fn time(off: usize, time_ns: u64) -> Result<(), Refusal> {
    match time_ns <= TIME_NS_MAX {
        true => Ok(()),
        false => Err(Refusal::BadTime { off, time_ns }),
    }
}

/// Checks that the entries of timers and the timers that are pending belong together.
///
/// That no timer has two entries while another one has none is not checked here: it takes memory.
/// `restore/timers.rs` does.
pub(super) fn check_entries(record: &Record<'_>) -> Result<(), Refusal> {
    let timers = record.timers();
    let mut seen = 0u32;
    let sections = record.has_timer_entry().then(|| record.sections());
    for (off, section) in sections.into_iter().flatten() {
        let (Section::SharedPending(queue) | Section::Pending(queue)) = section else {
            continue;
        };
        for (index, entry) in queue.entries().enumerate() {
            if entry.flags & abi::SIGCR_ENTRY_TIMER == 0 {
                continue;
            }
            let off = queue.list.entry_off(off, index);
            let timer_id = entry.timer_id;
            let timer = timers
                .and_then(|timers| timers.find(timer_id))
                .ok_or(Refusal::TimerMissing { off, timer_id })?;
            if !is_of(&entry, &queue, &timer) {
                return Err(Refusal::TimerEntryMismatch { off, timer_id });
            }
            seen = seen.saturating_add(1);
        }
    }
    let is_pending = |timer: &Timer| timer.flags & abi::SIGCR_TIMER_PENDING != 0;
    let pending = timers.map_or(0, |timers| timers.iter().filter(is_pending).count());
    match pending == seen as usize {
        true => Ok(()),
        false => Err(Refusal::TimerEntryCount {
            off: record
                .sections()
                .find_map(|(off, section)| matches!(section, Section::Timers(_)).then_some(off))
                .unwrap_or(0),
            seen,
            // CAST: Limited by the length of a record.
            pending: pending as u32,
        }),
    }
}

/// Whether the entry can be what the timer has queued there.
fn is_of(entry: &Entry, queue: &Queue<'_>, timer: &Timer) -> bool {
    let tid = match timer.notify {
        SIGEV_THREAD_ID => timer.notify_tid,
        _ => 0,
    };
    timer.flags & abi::SIGCR_TIMER_PENDING != 0
        && entry.signo() == timer.signo
        && entry.code() == SI_TIMER
        && queue.tid == tid
}
