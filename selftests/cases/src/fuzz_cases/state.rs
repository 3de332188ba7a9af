// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The whole state of a target, and the comparison of two of them.
//!
//! A record is compared byte by byte but for the time that remains of a timer, where that goes on
//! by itself. Such a timer expires at one point, which lies in a window: what remained, counted
//! from the time before and the time after the call that read it. Two states can be the same only
//! if the windows of each timer have a point in common. The clocks are those of CPU time where a
//! timer runs by it: in a stopped target they stand still, so there the times must be equal.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{bail, ensure, Context};
use nix::time::{clock_gettime, ClockId};
use sigcr::{Model, Snapshot, TimerModel, TimerNotify, TimerState};

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
    /// Its record, as it was read.
    pub(crate) record: Snapshot,
    /// The same as values.
    pub(crate) model: Model,
    /// When it was read; of the interval timers and the others also when that was set.
    pub(crate) itimers_at: Window,
    pub(crate) timers_at: Window,
    /// Lines of `/proc/PID/status`, of each thread.
    pub(crate) status: Vec<String>,
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

/// Fails unless nothing has changed: the records have the same bytes but for times that went on.
pub(crate) fn same_state(before: &State, now: &State, cpu_time: CpuTime) -> anyhow::Result<()> {
    same("/proc/PID/status", &before.status, &now.status)?;
    same_times(before, now, cpu_time)?;
    let timeless = |state: &State| {
        let model = without_times(&state.model, cpu_time);
        Ok::<_, anyhow::Error>(model.encode().context("without times")?.into_bytes())
    };
    if before.record != now.record && timeless(before)? != timeless(now)? {
        same("the record", &before.model, &now.model)?;
        bail!("the record has other bytes");
    }
    // What the model does not hold.
    let same_len = before.record.as_bytes().len() == now.record.as_bytes().len();
    ensure!(same_len, "the record has another length");
    Ok(())
}

/// Fails unless the state is what it is to be. Of that, how threads are stopped and what is known
/// of the process is not looked at.
pub(crate) fn as_expected(expected: &State, now: &State, cpu_time: CpuTime) -> anyhow::Result<()> {
    let comparable = |state: &State| {
        let mut model = without_times(&state.model, cpu_time);
        model.process = None;
        without_meaning(&mut model);
        model
    };
    same("the state", &comparable(expected), &comparable(now))?;
    same_times(expected, now, cpu_time)
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

/// Fails unless each timer can expire at the same time in both.
fn same_times(wanted: &State, got: &State, cpu_time: CpuTime) -> anyhow::Result<()> {
    let meet = |what: &str, wanted: (u64, u64), got: (u64, u64)| {
        ensure!(
            wanted.0 <= got.1 && got.0 <= wanted.1,
            "{what} expires within {got:?} instead of {wanted:?}, in ns since boot"
        );
        Ok(())
    };
    if let (Some(a), Some(b)) = (&wanted.model.itimers, &got.model.itimers) {
        let (a, b) = (a.real.remaining_ns, b.real.remaining_ns);
        if a != 0 && b != 0 {
            let (a, b) = (wanted.itimers_at.after(a), got.itimers_at.after(b));
            meet("ITIMER_REAL", a, b)?;
        }
    }
    let timers = |state: &State| state.model.timers.clone().unwrap_or_default().timers;
    for (a, b) in timers(wanted).iter().zip(&timers(got)) {
        // One of an absolute time has that in its record.
        let both_run = a.remaining_ns != 0 && b.remaining_ns != 0 && a.expires_ns.is_none();
        if both_run && goes_on(a, cpu_time) && !is_cpu_clock(a.clock_id) {
            let what = format!("timer {}", a.timer_id);
            let (a, b) = (a.remaining_ns, b.remaining_ns);
            let (a, b) = (wanted.timers_at.after(a), got.timers_at.after(b));
            meet(&what, a, b)?;
        }
    }
    Ok(())
}
