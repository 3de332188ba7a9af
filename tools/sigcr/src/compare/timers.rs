// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What differs between the timers and signalfds of two records.
//!
//! Time passes between two records, which is no difference: how much of a timer is left, and that a
//! periodic one has missed more. What must not change is which timers there are, what they do, in
//! which state they are, and what they had missed.

use std::collections::{BTreeMap, BTreeSet};

use sigcr::{Itimer, Model, TimerModel, TimerState};

use super::{compare, ABSENT};
use crate::text;

/// Compares the interval timers, the POSIX timers and the signalfds.
pub(super) fn compare_all(lines: &mut Vec<String>, a: &Model, b: &Model) {
    compare_itimers(lines, a, b);
    compare_timers(lines, a, b);
    compare_signalfds(lines, a, b);
}

fn compare_itimers(lines: &mut Vec<String>, a: &Model, b: &Model) {
    let (Some(a), Some(b)) = (&a.itimers, &b.itimers) else {
        let is_there = |model: &Model| model.itimers.is_some();
        return compare(
            lines,
            "interval timers",
            (&is_there(a), &is_there(b)),
            |is_there| presence(*is_there),
        );
    };
    let state = |itimer: &Itimer, expired| (itimer.remaining_ns != 0, expired, itimer.interval_ns);
    for (name, a, b) in [
        (
            "real",
            state(&a.real, a.real_expired),
            state(&b.real, b.real_expired),
        ),
        ("virtual", state(&a.virt, false), state(&b.virt, false)),
        ("prof", state(&a.prof, false), state(&b.prof, false)),
    ] {
        let what = format!("{name} interval timer");
        compare(lines, &what, (&a, &b), |(runs, expired, interval_ns)| {
            let state = match (runs, expired) {
                (_, true) => "expired",
                (true, false) => "runs",
                (false, false) => "does not run",
            };
            format!("{state}{}", text::period(*interval_ns))
        });
    }
}

fn compare_timers(lines: &mut Vec<String>, a: &Model, b: &Model) {
    let (Some(a), Some(b)) = (&a.timers, &b.timers) else {
        let count = |model: &Model| model.timers.as_ref().map(|list| list.timers.len());
        return compare(lines, "timers", (&count(a), &count(b)), |count| {
            count.map_or_else(|| ABSENT.to_owned(), |count| text::count(count, "timer"))
        });
    };
    let next = (&a.next_timer_id, &b.next_timer_id);
    compare(lines, "id of the next timer", next, u32::to_string);
    let by_id = |timers: &[TimerModel]| -> BTreeMap<i32, TimerModel> {
        let timers = timers.iter();
        timers
            .map(|timer| (timer.timer_id, timer.clone()))
            .collect()
    };
    let (a, b) = (by_id(&a.timers), by_id(&b.timers));
    for id in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        match (a.get(id), b.get(id)) {
            (Some(a), Some(b)) => compare_timer(lines, a, b),
            (Some(_), None) => lines.push(format!("timer {id}: only in the first")),
            (None, _) => lines.push(format!("timer {id}: only in the second")),
        }
    }
}

fn compare_timer(lines: &mut Vec<String>, a: &TimerModel, b: &TimerModel) {
    let what = |field: &str| format!("{field} of timer {}", a.timer_id);
    let clocks = (&a.clock_id, &b.clock_id);
    compare(lines, &what("clock"), clocks, |id| text::clock(*id));
    let to = |timer: &TimerModel| (timer.notify, timer.signo, timer.notify_tid);
    compare(lines, &what("signal"), (&to(a), &to(b)), |to| {
        text::notification(to.0, to.1, to.2)
    });
    let values = (&a.sigval, &b.sigval);
    compare(lines, &what("value"), values, |value| text::value(*value));
    compare(lines, &what("state"), (&a.state, &b.state), |state| {
        let words = match state {
            TimerState::Disarmed => "does not run",
            TimerState::Armed => "runs",
            TimerState::Pending => "expired, its signal is queued",
            TimerState::Ignored => "expired, its signal is ignored",
        };
        words.to_owned()
    });
    let periods = (&a.interval_ns, &b.interval_ns);
    compare(lines, &what("period"), periods, |period_ns| {
        text::time(*period_ns)
    });
    let expiries = (&a.expires_ns, &b.expires_ns);
    compare(lines, &what("expiry"), expiries, |time_ns| {
        time_ns.map_or_else(
            || "relative".to_owned(),
            |time_ns| format!("at {}", text::time(time_ns)),
        )
    });
    // A periodic timer goes on missing expiries for as long as nobody takes its signal.
    let missed_more = a.interval_ns != 0 && b.overrun > a.overrun;
    if !missed_more {
        let overruns = (&a.overrun, &b.overrun);
        compare(lines, &what("overrun"), overruns, i64::to_string);
    }
    let overruns = (&a.overrun_last, &b.overrun_last);
    compare(lines, &what("last overrun"), overruns, i64::to_string);
}

/// The masks; the flags are not restored. A record has the section only if there is a signalfd.
fn compare_signalfds(lines: &mut Vec<String>, a: &Model, b: &Model) {
    let by_fd = |model: &Model| -> BTreeMap<i32, _> {
        let signalfds = model.signalfds.iter().flatten();
        signalfds
            .map(|signalfd| (signalfd.fd, signalfd.mask))
            .collect()
    };
    let (a, b) = (by_fd(a), by_fd(b));
    for fd in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let what = format!("signalfd {fd}");
        compare(lines, &what, (&a.get(fd), &b.get(fd)), |mask| {
            mask.map_or_else(|| "none".to_owned(), |mask| text::sigset(*mask))
        });
    }
}

fn presence(is_there: bool) -> String {
    match is_there {
        true => "in the record".to_owned(),
        false => ABSENT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sigcr::{Itimers, SigSet, Signalfd, TimerNotify, Timers};

    use super::*;

    fn model() -> Model {
        let mut model = Model::new(5);
        model.itimers = Some(Itimers {
            real: Itimer {
                remaining_ns: 5,
                interval_ns: 1_000_000,
            },
            ..Itimers::default()
        });
        model.timers = Some(Timers {
            next_timer_id: 4,
            timers: vec![TimerModel {
                timer_id: 3,
                clock_id: 1,
                notify: TimerNotify::Signal,
                signo: 10,
                sigval: 7,
                notify_tid: 0,
                state: TimerState::Pending,
                interval_ns: 20_000_000,
                remaining_ns: 5,
                expires_ns: None,
                overrun: 40,
                overrun_last: 2,
            }],
        });
        model.signalfds = Some(vec![Signalfd {
            fd: 8,
            nonblock: false,
            cloexec: false,
            mask: SigSet::from_bits(1),
        }]);
        model
    }

    /// The lines that tell what `change` does to the model.
    fn changed(change: impl FnOnce(&mut Model)) -> Vec<String> {
        let mut changed = model();
        change(&mut changed);
        let mut lines = Vec::new();
        compare_all(&mut lines, &model(), &changed);
        lines
    }

    fn timer_changed(change: impl FnOnce(&mut TimerModel)) -> Vec<String> {
        changed(|model| change(&mut model.timers.as_mut().unwrap().timers[0]))
    }

    #[test]
    fn time_that_passes_is_no_difference() {
        let lines = changed(|model| {
            model.itimers.as_mut().unwrap().real.remaining_ns = 4;
            let timer = &mut model.timers.as_mut().unwrap().timers[0];
            timer.remaining_ns = 4;
            timer.overrun = 41;
            model.signalfds.as_mut().unwrap()[0].nonblock = true;
        });
        assert_eq!(lines, [""; 0]);
    }

    #[test]
    fn what_a_timer_had_missed_may_not_get_lost() {
        assert_eq!(
            timer_changed(|timer| timer.overrun = 39),
            ["overrun of timer 3: 40 -> 39"]
        );
        assert_eq!(
            timer_changed(|timer| timer.overrun_last = 3),
            ["last overrun of timer 3: 2 -> 3"]
        );
    }

    #[test]
    fn each_field_of_a_timer_has_its_line() {
        let lines = timer_changed(|timer| {
            timer.clock_id = 0;
            timer.notify = TimerNotify::ThreadId;
            timer.notify_tid = 9;
            timer.sigval = 8;
            timer.state = TimerState::Armed;
            timer.interval_ns = 0;
            timer.expires_ns = Some(2_000_000_000);
        });
        assert_eq!(
            lines,
            [
                "clock of timer 3: MONOTONIC -> REALTIME",
                "signal of timer 3: SIGUSR1 -> SIGUSR1 to thread 9",
                "value of timer 3: 7 -> 8",
                "state of timer 3: expired, its signal is queued -> runs",
                "period of timer 3: 20 ms -> 0 ns",
                "expiry of timer 3: relative -> at 2 s",
            ]
        );
    }

    #[test]
    fn a_timer_that_is_gone_is_told_and_the_id_of_the_next_one() {
        let lines = changed(|model| *model.timers.as_mut().unwrap() = Timers::default());
        assert_eq!(
            lines,
            ["id of the next timer: 4 -> 0", "timer 3: only in the first"]
        );
    }

    #[test]
    fn an_interval_timer_tells_its_state_and_its_period() {
        let lines = changed(|model| {
            let itimers = model.itimers.as_mut().unwrap();
            itimers.real.remaining_ns = 0;
            itimers.real_expired = true;
            itimers.prof.interval_ns = 2;
        });
        assert_eq!(
            lines,
            [
                "real interval timer: runs, every 1 ms -> expired, every 1 ms",
                "prof interval timer: does not run -> does not run, every 2 ns",
            ]
        );
    }

    #[test]
    fn sections_that_one_record_lacks_are_told_as_such() {
        let lines = changed(|model| {
            (model.itimers, model.timers) = (None, None);
            // It is there only if the process has one.
            model.signalfds = None;
        });
        assert_eq!(
            lines,
            [
                "interval timers: in the record -> not in the record",
                "timers: 1 timer -> not in the record",
                "signalfd 8: SIGHUP -> none",
            ]
        );
    }
}
