// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The whole state of a target, and the comparison of two of them.
//!
//! A record is compared byte by byte but for the time that remains of a timer, where that goes on
//! by itself. Such a timer expires at one point, which lies in a window: what remained, counted
//! from the time before and the time after the call that read it. Two states can be the same only
//! if the windows of each timer have a point in common. The clocks are those of CPU time where a
//! timer runs by it: in a stopped target they stand still, so there the times must be equal.

use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use anyhow::{bail, ensure, Context};
use nix::time::{clock_gettime, ClockId};
use sigcr::record::Section;
use sigcr::{Itimers, Model, Snapshot, TimerModel, TimerNotify, TimerState, Timers};
use sigcr_sys::{sigcr_header, sigcr_itimers, sigcr_timer, sigcr_timers};

use crate::compare::same;

/// A window of the time at which something was read, in ns since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// A state that was read from a target.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Its record.
    pub(crate) record: Snapshot,
    /// When that was read.
    pub(crate) at: Window,
    /// Lines of `/proc/PID/status`, of each thread.
    pub(crate) status: Vec<String>,
}

/// What a state is to be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) model: Model,
    /// When the interval timers and the others were set, or read.
    pub(crate) itimers_at: Window,
    pub(crate) timers_at: Window,
}

/// Which timers go on while the target is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuTime {
    /// The target is stopped.
    StandsStill,
    /// The target reads itself.
    Passes,
}

/// The files with the state of each thread, open since they are read very often.
pub(crate) struct StatusFiles {
    files: Vec<File>,
    names: &'static [&'static str],
}

/// What a state has in `/proc`.
const OF_ALL: &[&str] = &["SigQ", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"];
/// What else a target has that does not run.
const OF_STOPPED: &[&str] = &[
    "State",
    "SigQ",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "voluntary_ctxt_switches",
    "nonvoluntary_ctxt_switches",
];

impl Window {
    /// Calls `read` and returns between which times that was.
    pub(crate) fn around<T>(read: impl FnOnce() -> T) -> anyhow::Result<(T, Self)> {
        let now = || anyhow::Ok(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        let from = now()?;
        let result = read();
        let to = now()?;
        let ns = |time: nix::sys::time::TimeSpec| {
            // The guest has not been up for centuries.
            time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
        };
        let window = Self {
            from_ns: ns(from),
            to_ns: ns(to),
        };
        Ok((result, window))
    }

    /// The window in which something ends that has `remaining_ns` left. No timer of the kernel is
    /// set to later than its longest time.
    fn after(self, remaining_ns: u64) -> (u64, u64) {
        let limit = i64::MAX as u64;
        let at = |ns: u64| ns.saturating_add(remaining_ns).min(limit);
        (at(self.from_ns), at(self.to_ns))
    }
}

impl StatusFiles {
    /// Those of the threads of a process.
    pub(crate) fn open(pid: i32, tids: &[i32], cpu_time: CpuTime) -> anyhow::Result<Self> {
        let open = |tid: &i32| {
            let path = format!("/proc/{pid}/task/{tid}/status");
            File::open(&path).with_context(|| path)
        };
        Ok(Self {
            files: tids.iter().map(open).collect::<Result<_, _>>()?,
            names: match cpu_time {
                CpuTime::StandsStill => OF_STOPPED,
                CpuTime::Passes => OF_ALL,
            },
        })
    }

    /// The lines of each thread.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for file in &self.files {
            let mut bytes = [0; 4096];
            let len = file.read_at(&mut bytes, 0).context("/proc/PID/status")?;
            let text = std::str::from_utf8(&bytes[..len])?;
            let wanted = text.lines().filter(|line| {
                let name = line.split(':').next().unwrap_or(line);
                self.names.contains(&name)
            });
            let lines: Vec<&str> = wanted.collect();
            ensure!(
                lines.len() == self.names.len(),
                "/proc/PID/status lacks some of {:?}",
                self.names
            );
            all.push(lines.join("\n"));
        }
        Ok(all)
    }
}

impl State {
    /// The record as values.
    pub(crate) fn model(&self) -> Model {
        self.record.to_model()
    }

    /// What the state has to be for as long as nobody changes it.
    pub(crate) fn expected(&self) -> Expected {
        Expected {
            model: self.model(),
            itimers_at: self.at,
            timers_at: self.at,
        }
    }
}

/// Fails unless nothing has changed: the records have the same bytes but for times that went on.
pub(crate) fn same_state(before: &State, now: &State, cpu_time: CpuTime) -> anyhow::Result<()> {
    same("/proc/PID/status", &before.status, &now.status)?;
    if before.record == now.record {
        return Ok(());
    }
    let of = |state: &State| {
        let record = state.record.record();
        let itimers = record.itimers().map(Itimers::from);
        let timers = record.timers().map(Timers::from);
        (itimers, timers.unwrap_or_default())
    };
    let (before_of, now_of) = (of(before), of(now));
    let before_times = (before_of.0, &before_of.1, before.at, before.at);
    let now_times = (now_of.0, &now_of.1, now.at, now.at);
    same_times(before_times, now_times, cpu_time)?;
    if timeless(&before.record, cpu_time) != timeless(&now.record, cpu_time) {
        same("the record", &before.model(), &now.model())?;
        bail!("the record has other bytes");
    }
    Ok(())
}

/// The bytes of a record that the kernel wrote, without its checksum, and with no time left of what
/// goes on.
fn timeless(record: &Snapshot, cpu_time: CpuTime) -> Vec<u8> {
    let mut bytes = record.as_bytes().to_vec();
    let mut clear = |off: usize, len: usize| bytes[off..off + len].fill(0);
    clear(offset_of!(sigcr_header, crc32c), 4);
    let passes = cpu_time == CpuTime::Passes;
    for (off, section) in record.record().sections() {
        match section {
            Section::Itimers(itimers) => {
                for (at, itimer, passes) in [
                    (offset_of!(sigcr_itimers, real), itimers.real, true),
                    (offset_of!(sigcr_itimers, virt), itimers.virt, passes),
                    (offset_of!(sigcr_itimers, prof), itimers.prof, passes),
                ] {
                    if passes && itimer.remaining_ns != 0 {
                        clear(off + at, 8);
                    }
                }
            }
            Section::Timers(timers) => {
                for (index, timer) in timers.iter().enumerate() {
                    let at = size_of::<sigcr_timers>() + index * size_of::<sigcr_timer>();
                    if goes_on(&timer.into(), cpu_time) {
                        clear(off + at + offset_of!(sigcr_timer, remaining_ns), 8);
                    }
                }
            }
            _ => {}
        }
    }
    bytes
}

/// Fails unless the state is what it is to be. Of that, how threads are stopped and what is known
/// of the process is not looked at.
pub(crate) fn as_expected(
    expected: &Expected,
    now: &State,
    cpu_time: CpuTime,
) -> anyhow::Result<()> {
    let now = now.expected();
    let comparable = |state: &Expected| {
        let mut model = without_times(&state.model, cpu_time);
        model.process = None;
        without_meaning(&mut model);
        model
    };
    same("the state", &comparable(expected), &comparable(&now))?;
    let none = Timers::default();
    let times = |state: &'_ Expected| (state.model.itimers, state.itimers_at, state.timers_at);
    let timers = |state: &Expected| state.model.timers.clone().unwrap_or_else(|| none.clone());
    let (a, b) = (times(expected), times(&now));
    same_times(
        (a.0, &timers(expected), a.1, a.2),
        (b.0, &timers(&now), b.1, b.2),
        cpu_time,
    )
}

/// Takes out what a record may say of timers without any effect. The entry of a timer is made by the
/// timer: of its siginfo only signal and code are the record's. And a timer that signals nobody has
/// no signal.
fn without_meaning(model: &mut Model) {
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        if timer.notify == TimerNotify::None {
            timer.signo = 0;
        }
    }
    let private = model.threads.iter_mut();
    let private = private.filter_map(|thread| thread.pending.as_mut());
    for queue in model.shared_pending.iter_mut().chain(private) {
        for entry in queue.entries.iter_mut() {
            if entry.timer_id.is_some() {
                entry.siginfo[12..].fill(0);
                entry.siginfo[4..8].fill(0);
            }
        }
    }
}

/// Whether the time that remains of a timer changes while it is looked at.
fn goes_on(timer: &TimerModel, cpu_time: CpuTime) -> bool {
    match is_cpu_clock(timer.clock_id) {
        true => cpu_time == CpuTime::Passes,
        false => timer.remaining_ns != 0 || timer.state == TimerState::Armed,
    }
}

pub(crate) fn is_cpu_clock(clock_id: i32) -> bool {
    // Those of one process or thread are negative.
    clock_id < 0
        || clock_id == libc::CLOCK_PROCESS_CPUTIME_ID
        || clock_id == libc::CLOCK_THREAD_CPUTIME_ID
}

/// The model with no time left of what goes on.
fn without_times(model: &Model, cpu_time: CpuTime) -> Model {
    let mut model = model.clone();
    let passes = cpu_time == CpuTime::Passes;
    if let Some(itimers) = &mut model.itimers {
        for (itimer, passes) in [
            (&mut itimers.real, true),
            (&mut itimers.virt, passes),
            (&mut itimers.prof, passes),
        ] {
            if passes {
                itimer.remaining_ns = itimer.remaining_ns.min(1);
            }
        }
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        if goes_on(timer, cpu_time) {
            timer.remaining_ns = timer.remaining_ns.min(1);
        }
    }
    model
}

/// The timers of a state, and when the two kinds were read or set.
type Times<'a> = (Option<Itimers>, &'a Timers, Window, Window);

/// Fails unless each timer can expire at the same time in both.
fn same_times(wanted: Times<'_>, got: Times<'_>, cpu_time: CpuTime) -> anyhow::Result<()> {
    let meet = |what: &str, wanted: (u64, u64), got: (u64, u64)| {
        ensure!(
            wanted.0 <= got.1 && got.0 <= wanted.1,
            "{what} expires within {got:?} instead of {wanted:?}, in ns since boot"
        );
        Ok(())
    };
    if let (Some(a), Some(b)) = (wanted.0, got.0) {
        let (a, b) = (a.real.remaining_ns, b.real.remaining_ns);
        if a != 0 && b != 0 {
            meet("ITIMER_REAL", wanted.2.after(a), got.2.after(b))?;
        }
    }
    for (a, b) in wanted.1.timers.iter().zip(&got.1.timers) {
        // One of an absolute time has that in its record.
        let both_run = a.remaining_ns != 0 && b.remaining_ns != 0 && a.expires_ns.is_none();
        if both_run && goes_on(a, cpu_time) && !is_cpu_clock(a.clock_id) {
            let what = format!("timer {}", a.timer_id);
            let (a, b) = (a.remaining_ns, b.remaining_ns);
            meet(&what, wanted.3.after(a), got.3.after(b))?;
        }
    }
    Ok(())
}
