// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The comparator of a restore by ptrace: what it should have given a process, and what it has.

use std::time::Duration;

use anyhow::ensure;
use sigcr::ptrace::NotRestorable;
use sigcr::{Model, QueuedSignal, SigNo, TimerModel, TimerNotify, TimerState};

use crate::compare::{same, without_stops};

/// A period below this goes by while a process is looked at.
const SHORT_NS: u64 = 60_000_000_000;

/// How exact times are that are restored by system calls run one after the other, and how much
/// CPU time may differ between two processes.
const CALLS_NS: u64 = 1_000_000_000;

/// Fails unless `got`, the kernel's record of a process, is what `wanted` said that was restored into
/// it by ptrace some time ago, but for what is `lost`.
pub fn is_restored(
    wanted: &Model,
    lost: &[NotRestorable],
    got: &Model,
    elapsed: Duration,
) -> anyhow::Result<()> {
    let wanted = expected(wanted, lost);
    times_fit(&wanted, lost, got, elapsed)?;
    same(
        "what ptrace has restored",
        &comparable(&wanted, lost),
        &comparable(got, lost),
    )
}

/// What a restore gives that has lost this.
fn expected(wanted: &Model, lost: &[NotRestorable]) -> Model {
    let mut model = wanted.clone();
    for one in lost {
        match *one {
            NotRestorable::Bare { tid, signo } => {
                let thread = model.threads.iter_mut().find(|thread| thread.tid == tid);
                if let Some(queue) = thread.and_then(|thread| thread.pending.as_mut()) {
                    queue.set.remove(signo);
                }
            }
            NotRestorable::TimerOverrunLast(id) => {
                change(&mut model, id, |timer| timer.overrun_last = 0);
            }
            // The others do not come about in what is tried here, or are found as differences.
            _ => {}
        }
    }
    model
}

fn change(model: &mut Model, timer_id: i32, how: impl Fn(&mut TimerModel)) {
    let timers = model.timers.iter_mut().flat_map(|list| &mut list.timers);
    timers
        .filter(|timer| timer.timer_id == timer_id)
        .for_each(how);
}

fn times_fit(
    wanted: &Model,
    lost: &[NotRestorable],
    got: &Model,
    elapsed: Duration,
) -> anyhow::Result<()> {
    // Durations of minutes.
    let slack_ns = elapsed.as_nanos() as u64 + CALLS_NS;
    let near = |what: &str, wanted: u64, got: u64| {
        let is_near = got + slack_ns >= wanted && wanted + CALLS_NS >= got;
        ensure!(is_near, "{what}: {got} ns left instead of {wanted}");
        Ok(())
    };
    if let Some((wanted, got)) = wanted.itimers.zip(got.itimers) {
        near(
            "ITIMER_REAL",
            wanted.real.remaining_ns,
            got.real.remaining_ns,
        )?;
        near(
            "ITIMER_VIRTUAL",
            wanted.virt.remaining_ns,
            got.virt.remaining_ns,
        )?;
        near(
            "ITIMER_PROF",
            wanted.prof.remaining_ns,
            got.prof.remaining_ns,
        )?;
    }
    let timers = |model: &Model| model.timers.clone().unwrap_or_default().timers;
    for (wanted, got) in timers(wanted).iter().zip(&timers(got)) {
        let what = format!("timer {}", wanted.timer_id);
        if !(1..SHORT_NS).contains(&wanted.interval_ns) {
            near(&what, wanted.remaining_ns, got.remaining_ns)?;
        }
        // While nobody takes its signal it misses more.
        let is_silent = wanted.notify == TimerNotify::None;
        let is_ignored = lost.contains(&NotRestorable::TimerIgnored(wanted.timer_id));
        ensure!(
            is_silent || is_ignored || got.overrun >= wanted.overrun,
            "{what}: overrun {} instead of {}",
            got.overrun,
            wanted.overrun
        );
    }
    Ok(())
}

/// The model without what belongs to one process or changes with time.
fn comparable(model: &Model, lost: &[NotRestorable]) -> Model {
    let mut model = without_stops(model);
    model.process = None;
    for one in lost {
        // While it is traced a process ignores no signal, so that the timer may be pending.
        if let NotRestorable::TimerIgnored(id) = *one {
            change(&mut model, id, |timer| {
                timer.state = TimerState::Armed;
                (timer.overrun, timer.overrun_last) = (-1, 0);
            });
            without_signal_of(&mut model, id);
        }
    }
    if let Some(itimers) = &mut model.itimers {
        for itimer in [&mut itimers.real, &mut itimers.virt, &mut itimers.prof] {
            itimer.remaining_ns = itimer.remaining_ns.min(1);
        }
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        timer.remaining_ns = timer.remaining_ns.min(1);
        let is_short = (1..SHORT_NS).contains(&timer.interval_ns);
        if timer.notify == TimerNotify::None || is_short {
            timer.overrun = timer.overrun.min(0);
        }
        if timer.notify == TimerNotify::None {
            timer.overrun = 0;
        }
    }
    model
}

/// Takes the signal of the timer out of the queues.
fn without_signal_of(model: &mut Model, timer_id: i32) {
    let private = model.threads.iter_mut();
    let private = private.filter_map(|thread| thread.pending.as_mut());
    for queue in model.shared_pending.iter_mut().chain(private) {
        let is_of = |entry: &QueuedSignal| entry.timer_id == Some(timer_id);
        let Some(index) = queue.entries.iter().position(is_of) else {
            continue;
        };
        let signo = queue.entries.remove(index).signo();
        let mut left = queue.entries.iter();
        if let (Some(signo), true) = (SigNo::new(signo), left.all(|one| one.signo() != signo)) {
            queue.set.remove(signo);
        }
    }
}

#[cfg(test)]
mod tests {
    use sigcr::{
        AltStack, AltStackFlags, Itimer, Itimers, Queue, SigSet, ThreadInfo, ThreadModel, Timers,
    };

    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn model() -> Model {
        let signo = SigNo::new(40).unwrap();
        let mut pending = Queue::of([QueuedSignal::sent_by(signo, 1, 0)]);
        pending.set.insert(SigNo::new(41).unwrap());
        let mut model = Model::new(7);
        model.actions = Some(Vec::new());
        model.itimers = Some(Itimers {
            real: Itimer {
                remaining_ns: HOUR_NS,
                interval_ns: 0,
            },
            ..Itimers::default()
        });
        model.timers = Some(Timers {
            next_timer_id: 3,
            timers: vec![TimerModel {
                timer_id: 2,
                clock_id: 1,
                notify: TimerNotify::Signal,
                signo: 40,
                sigval: 1,
                notify_tid: 0,
                state: TimerState::Armed,
                interval_ns: HOUR_NS,
                remaining_ns: HOUR_NS,
                expires_ns: None,
                overrun: -1,
                overrun_last: 4,
            }],
        });
        model.threads = vec![ThreadModel {
            tid: 7,
            state: Some(ThreadInfo::default()),
            altstack: Some(AltStack::DISABLED),
            pending: Some(pending),
            inflight: None,
        }];
        model
    }

    fn verdict(lost: &[NotRestorable], how: impl Fn(&mut Model)) -> bool {
        let mut got = model();
        how(&mut got);
        is_restored(&model(), lost, &got, Duration::from_secs(5)).is_ok()
    }

    fn timer(model: &mut Model) -> &mut TimerModel {
        &mut model.timers.as_mut().unwrap().timers[0]
    }

    #[test]
    fn time_that_has_passed_is_no_difference_and_others_are() {
        assert!(verdict(&[], |_| {}));
        assert!(verdict(&[], |model| timer(model).remaining_ns -= 4_000_000_000));
        let changes: &[fn(&mut Model)] = &[
            |m| timer(m).remaining_ns -= 7_000_000_000,
            |m| timer(m).remaining_ns += 2_000_000_000,
            |m| timer(m).overrun_last = 0,
            |m| timer(m).overrun = 3,
            |m| timer(m).state = TimerState::Ignored,
            |m| m.timers.as_mut().unwrap().next_timer_id = 4,
            |m| m.itimers.as_mut().unwrap().real.remaining_ns = 1,
            |m| m.itimers.as_mut().unwrap().real_expired = true,
            |m| m.actions = None,
            |m| m.threads[0].pending.as_mut().unwrap().entries.clear(),
            |m| m.threads[0].pending.as_mut().unwrap().set = SigSet::from_bits(1 << 39),
            |m| m.threads[0].state.as_mut().unwrap().blocked = SigSet::from_bits(1),
            |m| m.threads[0].altstack.as_mut().unwrap().flags = AltStackFlags::AUTODISARM,
        ];
        for (index, change) in changes.iter().enumerate() {
            assert!(!verdict(&[], change), "change {index} is not found");
        }
    }

    #[test]
    fn what_is_lost_is_expected_to_be_missing() {
        let lost = [
            NotRestorable::TimerOverrunLast(2),
            NotRestorable::Bare {
                tid: 7,
                signo: SigNo::new(41).unwrap(),
            },
        ];
        let without = |model: &mut Model| {
            timer(model).overrun_last = 0;
            model.threads[0].pending.as_mut().unwrap().set = SigSet::from_bits(1 << 39);
        };
        assert!(verdict(&lost, without));
        assert!(!verdict(&lost, |_| {}));
        assert!(!verdict(&[], without));
    }
}
