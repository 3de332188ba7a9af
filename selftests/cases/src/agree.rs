// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The comparator of the oracle: where the kernel's record and ptrace's differ, and what may differ.

use std::collections::BTreeSet;

use anyhow::ensure;
use sigcr::ptrace::NotCaptured;
use sigcr::{
    FrameAbi, Itimer, Itimers, Model, QueuedSignal, RecordFlags, SigNo, TimerModel, TimerNotify,
    TimerState,
};

use crate::compare::{same, without_stops};

/// The fields that are not compared, or not exactly, and why. All others must be equal.
pub const EXCLUDED: &[(&str, &str)] = &[
    ("flags SHARED_SIGHAND", "no interface but sigckpt(2) tells"),
    ("process.autoreap", "no interface but sigckpt(2) tells"),
    (
        "process.start_boottime_ns",
        "/proc tells it in units of 10 ms: compared in those",
    ),
    ("actions.abi", "sigaction(2) does not tell"),
    (
        "itimers.remaining_ns",
        "time passes, and getitimer(2) tells microseconds: between the two",
    ),
    ("timers.next_timer_id", "only a timer_create(2) would tell"),
    (
        "timers.remaining_ns",
        "time passes: between the two; with a short period only in its range",
    ),
    (
        "queues: what deleted timers have left",
        "nothing tells that it will be dropped: the signal is named, and taken out here",
    ),
    (
        "timers.overrun of a pending, ignored or silent timer",
        "only its delivery tells",
    ),
    (
        "timers.clock_id of a thread's CPU time",
        "the thread that created the timer is not told",
    ),
    (
        "timers.expires_ns",
        "timer_gettime(2) does not tell it from a relative time",
    ),
    (
        "timers.state Ignored",
        "timer_gettime(2) tells no difference from one that runs",
    ),
    (
        "timers.state of a silent timer that has expired",
        "timer_gettime(2) tells no difference",
    ),
    (
        "threads.state of stops",
        "the threads are held by the one who asks",
    ),
    (
        "threads.state.pdeath_signo of dead threads and workers",
        "they cannot be asked",
    ),
    ("waiters", "no interface but sigckpt(2) tells"),
];

/// Below this a periodic timer goes through its period while it is looked at.
const SHORT_NS: u64 = 60_000_000_000;

/// Fails unless what ptrace has taken agrees with what the kernel has written before and after it,
/// in every field that both can see. `lost` is what ptrace says that it could not see.
pub fn agrees(
    before: &Model,
    taken: &Model,
    lost: &[NotCaptured],
    after: &Model,
) -> anyhow::Result<()> {
    excused(before, taken, lost)?;
    times_fit(before, taken, after)?;
    same(
        "ptrace's record",
        &comparable(before, lost),
        &comparable(taken, lost),
    )
}

/// Fails unless two records of the kernel, taken one after the other of a process that is held, are
/// equal but for the time that has passed.
pub fn unchanged(before: &Model, after: &Model) -> anyhow::Result<()> {
    same(
        "the kernel's record after ptrace's",
        &timeless(before),
        &timeless(after),
    )
}

/// Whether a timer should have expired, but the kernel has not got round to it.
pub fn is_overdue(kernel: &Model) -> bool {
    // What the kernel tells of a time that is over.
    const OVER_NS: u64 = 1;
    let timers = kernel.timers.iter().flat_map(|list| &list.timers);
    let mut running = timers.filter(|timer| timer.state == TimerState::Armed);
    let itimers = kernel.itimers.unwrap_or_default();
    itimers.real.remaining_ns == OVER_NS || running.any(|timer| timer.remaining_ns == OVER_NS)
}

/// Fails if something is missing that ptrace does not own up to, or if it claims losses that are
/// none.
fn excused(kernel: &Model, taken: &Model, lost: &[NotCaptured]) -> anyhow::Result<()> {
    for always in [
        NotCaptured::FrameAbi,
        NotCaptured::SharedSighand,
        NotCaptured::Autoreap,
        NotCaptured::NextTimerId,
    ] {
        ensure!(
            lost.contains(&always),
            "it does not say that it lost: {always}"
        );
    }
    let Some((kernel, taken)) = kernel.timers.as_ref().zip(taken.timers.as_ref()) else {
        return Ok(());
    };
    for (kernel, taken) in kernel.timers.iter().zip(&taken.timers) {
        let id = taken.timer_id;
        let is_pending = kernel.state == TimerState::Pending;
        let is_ignored = kernel.state == TimerState::Ignored;
        let is_silent = kernel.notify == TimerNotify::None;
        for (differs, excuse) in [
            (
                kernel.overrun != taken.overrun && !is_silent && !is_ignored,
                NotCaptured::TimerOverrun(id),
            ),
            (
                kernel.clock_id != taken.clock_id,
                NotCaptured::TimerThread(id),
            ),
            (kernel.expires_ns.is_some(), NotCaptured::TimerAbsolute(id)),
            (is_ignored, NotCaptured::TimerIgnored(id)),
            (is_pending, NotCaptured::TimerSignal(id)),
        ] {
            ensure!(
                !differs || lost.contains(&excuse),
                "it does not say that it lost: {excuse}"
            );
        }
    }
    let ids: BTreeSet<_> = taken.timers.iter().map(|timer| timer.timer_id).collect();
    for one in lost {
        ensure!(
            one.timer_id().is_none_or(|id| ids.contains(&id)),
            "it says that it lost what there was not: {one}"
        );
    }
    Ok(())
}

/// Fails unless each time that is left is between those that the kernel has seen before and after.
fn times_fit(before: &Model, taken: &Model, after: &Model) -> anyhow::Result<()> {
    // What getitimer(2) cuts off.
    const MICROSECOND_NS: u64 = 999;
    let between = |what: &str, before: u64, taken: u64, after: u64, cut_ns: u64| {
        let fits = taken <= before && taken + cut_ns >= after;
        ensure!(fits, "{what}: {before} ns left, then {taken}, then {after}");
        Ok(())
    };
    if let (Some(before), Some(taken), Some(after)) = (before.itimers, taken.itimers, after.itimers)
    {
        for (name, pick) in ITIMERS {
            let left = [before, taken, after].map(|itimers| pick(&itimers).remaining_ns);
            between(name, left[0], left[1], left[2], MICROSECOND_NS)?;
        }
    }
    let timers = |model: &Model| model.timers.clone().unwrap_or_default().timers;
    let (before, taken, after) = (timers(before), timers(taken), timers(after));
    for (before, (taken, after)) in before.iter().zip(taken.iter().zip(&after)) {
        let what = format!("timer {}", taken.timer_id);
        let left = [before, taken, after].map(|timer| timer.remaining_ns);
        match taken.interval_ns {
            1..SHORT_NS => ensure!(
                (1..=taken.interval_ns).contains(&left[1]),
                "{what}: {left:?} ns left of {}",
                taken.interval_ns
            ),
            _ => between(&what, left[0], left[1], left[2], 0)?,
        }
    }
    Ok(())
}

type Pick = fn(&Itimers) -> Itimer;

const ITIMERS: [(&str, Pick); 3] = [
    ("ITIMER_REAL", |itimers| itimers.real),
    ("ITIMER_VIRTUAL", |itimers| itimers.virt),
    ("ITIMER_PROF", |itimers| itimers.prof),
];

/// The model with nothing in it that [`EXCLUDED`] lists.
fn comparable(model: &Model, lost: &[NotCaptured]) -> Model {
    let mut model = timeless(&without_stops(model));
    model.flags.remove(RecordFlags::SHARED_SIGHAND);
    model.waiters = None;
    if let Some(process) = &mut model.process {
        process.autoreap = false;
        process.start_boottime_ns /= 10_000_000;
    }
    for action in model.actions.iter_mut().flatten() {
        action.abi = FrameAbi::Native;
    }
    if let Some(timers) = &mut model.timers {
        timers.next_timer_id = 0;
        for timer in &mut timers.timers {
            *timer = comparable_timer(timer, lost);
        }
    }
    for one in lost {
        if let NotCaptured::LeftSignal(signo) = one {
            drop_left(&mut model, *signo);
        }
    }
    for thread in &mut model.threads {
        let is_listed_only = thread.is_listed_only();
        if let Some(state) = thread.state.as_mut().filter(|_| is_listed_only) {
            state.pdeath_signo = None;
        }
    }
    model
}

/// Takes this signal out of the queues where it is of a timer that is no more.
fn drop_left(model: &mut Model, signo: SigNo) {
    const SI_TIMER: i32 = -2;
    let private = model.threads.iter_mut();
    let private = private.filter_map(|thread| thread.pending.as_mut());
    for queue in model.shared_pending.iter_mut().chain(private) {
        let is_it = |entry: &QueuedSignal| entry.signo() == signo.get();
        let len = queue.entries.len();
        queue
            .entries
            .retain(|entry| !is_it(entry) || entry.timer_id.is_some() || entry.code() != SI_TIMER);
        if queue.entries.len() < len && !queue.entries.iter().any(is_it) {
            queue.set.remove(signo);
        }
    }
}

fn comparable_timer(timer: &TimerModel, lost: &[NotCaptured]) -> TimerModel {
    let id = timer.timer_id;
    let is_silent = timer.notify == TimerNotify::None;
    let mut timer = timer.clone();
    if lost.contains(&NotCaptured::TimerOverrun(id)) || is_silent {
        timer.overrun = 0;
    }
    if lost.contains(&NotCaptured::TimerThread(id)) {
        timer.clock_id = 0;
    }
    if lost.contains(&NotCaptured::TimerAbsolute(id)) {
        timer.expires_ns = None;
    }
    let is_lost = lost.contains(&NotCaptured::TimerIgnored(id));
    if is_lost && timer.state == TimerState::Ignored {
        timer.state = TimerState::Armed;
        timer.overrun = -1;
    }
    let is_over = is_silent && timer.remaining_ns == 0 && timer.interval_ns == 0;
    if is_over && timer.state == TimerState::Armed {
        timer.state = TimerState::Disarmed;
    }
    timer
}

/// The model without what changes by itself while the process is held.
fn timeless(model: &Model) -> Model {
    let mut model = model.clone();
    if let Some(itimers) = &mut model.itimers {
        for itimer in [&mut itimers.real, &mut itimers.virt, &mut itimers.prof] {
            itimer.remaining_ns = itimer.remaining_ns.min(1);
        }
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        timer.remaining_ns = timer.remaining_ns.min(1);
        timer.overrun = timer.overrun.min(0);
    }
    model
}

#[cfg(test)]
mod tests {
    use sigcr::{
        Action, ActionFlags, AltStack, Handler, ProcessInfo, Queue, SigSet, Signalfd, ThreadInfo,
        ThreadModel, Timers,
    };

    use super::*;

    fn timer(timer_id: i32, state: TimerState) -> TimerModel {
        TimerModel {
            timer_id,
            clock_id: 1,
            notify: TimerNotify::Signal,
            signo: 40,
            sigval: 5,
            notify_tid: 0,
            state,
            interval_ns: 7_000_000,
            remaining_ns: 5_000_000,
            expires_ns: None,
            overrun: -1,
            overrun_last: 3,
        }
    }

    /// A model with something of everything.
    fn model() -> Model {
        let signo = SigNo::new(40).unwrap();
        let mut owned = QueuedSignal::queued_by(signo, 1, 0, 5);
        owned.timer_id = Some(1);
        let mut model = Model::new(7);
        model.process = Some(ProcessInfo {
            exit_signo: SigNo::new(17),
            rlimit_sigpending_count: 100,
            start_boottime_ns: 123_456_789,
            ..ProcessInfo::default()
        });
        model.actions = Some(vec![Action {
            signo,
            handler: Handler(0x1000),
            flags: ActionFlags::RESTART,
            restorer: 0x2000,
            mask: SigSet::from_bits(6),
            abi: FrameAbi::Native,
        }]);
        model.shared_pending = Some(Queue::of([QueuedSignal::queued_by(signo, 3, 0, 9), owned]));
        model.itimers = Some(Itimers {
            real: Itimer {
                remaining_ns: 9_000_000,
                interval_ns: 1000,
            },
            ..Itimers::default()
        });
        model.timers = Some(Timers {
            next_timer_id: 9,
            timers: vec![timer(0, TimerState::Armed), timer(1, TimerState::Pending)],
        });
        model.signalfds = Some(vec![Signalfd {
            fd: 4,
            nonblock: true,
            cloexec: false,
            mask: SigSet::from_bits(1),
        }]);
        model.threads = vec![ThreadModel {
            tid: 7,
            state: Some(ThreadInfo {
                blocked: SigSet::from_bits(0x300),
                pdeath_signo: SigNo::new(9),
                ..ThreadInfo::default()
            }),
            altstack: Some(AltStack::DISABLED),
            pending: Some(Queue::of([QueuedSignal::sent_by(signo, 1, 0)])),
            inflight: None,
        }];
        model
    }

    fn lost() -> Vec<NotCaptured> {
        vec![
            NotCaptured::FrameAbi,
            NotCaptured::SharedSighand,
            NotCaptured::Autoreap,
            NotCaptured::NextTimerId,
            NotCaptured::TimerOverrun(1),
            NotCaptured::TimerSignal(1),
        ]
    }

    fn verdict(change: impl Fn(&mut Model)) -> anyhow::Result<()> {
        let kernel = model();
        let mut taken = model();
        change(&mut taken);
        agrees(&kernel, &taken, &lost(), &kernel)
    }

    #[test]
    fn what_both_cannot_see_alike_is_no_difference() {
        verdict(|_| {}).unwrap();
        verdict(|model| {
            let process = model.process.as_mut().unwrap();
            process.start_boottime_ns = 120_000_000;
            process.autoreap = true;
            model.flags.insert(RecordFlags::SHARED_SIGHAND);
            model.actions.as_mut().unwrap()[0].abi = FrameAbi::X32;
            let timers = model.timers.as_mut().unwrap();
            timers.next_timer_id = 2;
            timers.timers[1].overrun = 4;
            // It is periodic and fires all the time.
            timers.timers[1].remaining_ns = 1;
            model.itimers.as_mut().unwrap().real.remaining_ns -= 999;
            let state = model.threads[0].state.as_mut().unwrap();
            state.trace_stop = true;
        })
        .unwrap();
    }

    #[test]
    fn every_other_field_that_differs_is_found() {
        fn process(model: &mut Model) -> &mut ProcessInfo {
            model.process.as_mut().unwrap()
        }
        fn action(model: &mut Model) -> &mut Action {
            &mut model.actions.as_mut().unwrap()[0]
        }
        fn queue(model: &mut Model) -> &mut Queue {
            model.shared_pending.as_mut().unwrap()
        }
        fn of_id(model: &mut Model, id: usize) -> &mut TimerModel {
            &mut model.timers.as_mut().unwrap().timers[id]
        }
        fn thread(model: &mut Model) -> &mut ThreadInfo {
            model.threads[0].state.as_mut().unwrap()
        }
        let changes: &[fn(&mut Model)] = &[
            |m| m.tgid = 8,
            |m| m.thread_count = 2,
            |m| m.flags.insert(RecordFlags::LIVE),
            |m| m.process = None,
            |m| process(m).stopped = true,
            |m| process(m).unkillable = true,
            |m| process(m).timer_ids = true,
            |m| process(m).stop_signo = SigNo::new(19),
            |m| process(m).exit_signo = None,
            |m| process(m).rlimit_sigpending_count = 1,
            |m| process(m).start_boottime_ns += 10_000_000,
            |m| m.actions = None,
            |m| m.actions.as_mut().unwrap().clear(),
            |m| action(m).handler = Handler(1),
            |m| action(m).flags = ActionFlags::empty(),
            |m| action(m).restorer = 0,
            |m| action(m).mask = SigSet::EMPTY,
            |m| action(m).signo = SigNo::RTMAX,
            |m| queue(m).set.insert(SigNo::RTMAX),
            |m| queue(m).entries.swap(0, 1),
            |m| queue(m).entries[0].set_value(8),
            |m| queue(m).entries[1].timer_id = None,
            |m| queue(m).entries.truncate(1),
            |m| m.itimers = None,
            |m| m.itimers.as_mut().unwrap().real.interval_ns = 0,
            |m| m.itimers.as_mut().unwrap().real.remaining_ns = 9_000_001,
            |m| m.itimers.as_mut().unwrap().real.remaining_ns -= 1000,
            |m| m.itimers.as_mut().unwrap().real_expired = true,
            |m| m.itimers.as_mut().unwrap().prof.remaining_ns = 5,
            |m| m.timers = None,
            |m| m.timers.as_mut().unwrap().timers.truncate(1),
            |m| of_id(m, 0).clock_id = 0,
            |m| of_id(m, 0).notify = TimerNotify::Thread,
            |m| of_id(m, 0).notify_tid = 7,
            |m| of_id(m, 0).signo = 41,
            |m| of_id(m, 0).sigval = 6,
            |m| of_id(m, 0).state = TimerState::Disarmed,
            |m| of_id(m, 1).state = TimerState::Armed,
            |m| of_id(m, 0).interval_ns = 6_000_000,
            |m| of_id(m, 0).remaining_ns = 7_000_001,
            |m| of_id(m, 0).remaining_ns = 0,
            |m| of_id(m, 0).overrun = 0,
            |m| of_id(m, 0).overrun_last = 0,
            |m| m.signalfds = None,
            |m| m.signalfds.as_mut().unwrap()[0].nonblock = false,
            |m| m.signalfds.as_mut().unwrap()[0].cloexec = true,
            |m| m.signalfds.as_mut().unwrap()[0].mask = SigSet::EMPTY,
            |m| m.threads.clear(),
            |m| m.threads[0].tid = 8,
            |m| thread(m).blocked = SigSet::EMPTY,
            |m| thread(m).pdeath_signo = None,
            |m| thread(m).dead = true,
            |m| thread(m).worker = true,
            |m| thread(m).unstable = true,
            |m| m.threads[0].altstack = None,
            |m| m.threads[0].altstack.as_mut().unwrap().sp = 1,
            |m| m.threads[0].pending = None,
            |m| m.threads[0].pending.as_mut().unwrap().set = SigSet::EMPTY,
        ];
        for (index, change) in changes.iter().enumerate() {
            assert!(verdict(change).is_err(), "change {index} is not found");
        }
    }

    #[test]
    fn a_loss_that_is_not_told_or_not_there_is_found() {
        let kernel = model();
        for index in 0..lost().len() - 2 {
            let mut told = lost();
            told.remove(index);
            assert!(agrees(&kernel, &kernel, &told, &kernel).is_err(), "{index}");
        }
        let mut other = model();
        let timers = &mut other.timers.as_mut().unwrap().timers;
        timers[1].overrun = 3;
        timers[0].expires_ns = Some(5);
        let told = lost();
        assert!(agrees(&other, &kernel, &told, &other).is_err());
        let told = [&told[..], &[NotCaptured::TimerAbsolute(0)]].concat();
        agrees(&other, &kernel, &told, &other).unwrap();
        let told = [&told[..], &[NotCaptured::TimerAbsolute(5)]].concat();
        assert!(agrees(&other, &kernel, &told, &other).is_err());
    }

    #[test]
    fn what_a_deleted_timer_has_left_is_no_difference_if_it_is_told() {
        let kernel = model();
        let mut taken = model();
        let signo = SigNo::new(12).unwrap();
        let mut left = QueuedSignal::queued_by(signo, 5, 0, 0);
        left.siginfo[8..12].copy_from_slice(&(-2_i32).to_ne_bytes());
        let queue = taken.threads[0].pending.as_mut().unwrap();
        queue.entries.push(left);
        queue.set.insert(signo);
        assert!(agrees(&kernel, &taken, &lost(), &kernel).is_err());
        let told = [&lost()[..], &[NotCaptured::LeftSignal(signo)]].concat();
        agrees(&kernel, &taken, &told, &kernel).unwrap();
        // Of others with that number, none may be missing.
        taken.threads[0].pending.as_mut().unwrap().entries[0] = left;
        assert!(agrees(&kernel, &taken, &told, &kernel).is_err());
    }

    #[test]
    fn a_record_that_changed_meanwhile_is_found_and_time_that_passed_is_none() {
        let before = model();
        let mut after = model();
        let timer = &mut after.timers.as_mut().unwrap().timers[1];
        (timer.overrun, timer.remaining_ns) = (-1, 3);
        assert!(unchanged(&before, &before).is_ok());
        assert!(unchanged(&before, &after).is_ok());
        after.threads[0].state.as_mut().unwrap().blocked = SigSet::EMPTY;
        assert!(unchanged(&before, &after).is_err());
    }

    #[test]
    fn each_field_that_is_left_out_has_a_reason() {
        for (field, reason) in EXCLUDED {
            assert!(!field.is_empty() && !reason.is_empty());
        }
    }
}
