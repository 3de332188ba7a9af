// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The tables of timers, signalfds, waiters, and of signals that ptracers hold.

use std::io::{self, Write};

use sigcr::{Itimer, Model, Signalfd, TimerModel, TimerNotify, TimerState, Waiter, WaitsFor};

use super::Look;
use crate::siginfo::Siginfo;
use crate::text;

/// Writes the tables of what there is.
pub(super) fn tables(out: &mut dyn Write, model: &Model, look: &Look) -> io::Result<()> {
    let itimers = itimer_lines(model);
    table(out, "INTERVAL TIMERS", &itimers, look)?;
    if let Some(timers) = &model.timers {
        let lines: Vec<_> = timers.timers.iter().map(timer_line).collect();
        table(out, "TIMERS", &lines, look)?;
    }
    let lines: Vec<_> = model
        .signalfds
        .iter()
        .flatten()
        .map(signalfd_line)
        .collect();
    table(out, "SIGNALFDS", &lines, look)?;
    let held: Vec<_> = model
        .threads
        .iter()
        .filter_map(|thread| {
            let info = Siginfo::read(&thread.inflight.as_ref()?.siginfo);
            Some(format!(
                "{}  {} {} from {}, taken out of its queue and held by a ptracer",
                thread.tid,
                text::signal_name(info.signo),
                info.code_name(),
                info.origin
            ))
        })
        .collect();
    table(out, "IN FLIGHT", &held, look)?;
    let lines: Vec<_> = model.waiters.iter().flatten().map(waiter_line).collect();
    table(out, "WAITERS", &lines, look)
}

fn table(out: &mut dyn Write, title: &str, lines: &[String], look: &Look) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", look.paint.title(title))?;
    for line in lines {
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

fn itimer_lines(model: &Model) -> Vec<String> {
    let Some(itimers) = &model.itimers else {
        return Vec::new();
    };
    let line = |name: &str, itimer: &Itimer, expired: bool| {
        if itimer.remaining_ns == 0 && !expired {
            return None;
        }
        let state = match expired {
            true => "expired, goes on when its SIGALRM is taken".to_owned(),
            false => format!("expires in {}", text::time(itimer.remaining_ns)),
        };
        Some(format!("{name:8} {state}{}", period(itimer.interval_ns)))
    };
    [
        line("real", &itimers.real, itimers.real_expired),
        line("virtual", &itimers.virt, false),
        line("prof", &itimers.prof, false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn timer_line(timer: &TimerModel) -> String {
    let notify = match timer.notify {
        TimerNotify::None => "nobody".to_owned(),
        TimerNotify::ThreadId if timer.notify_tid == 0 => {
            format!(
                "{} to a thread that is gone",
                text::signal_name(timer.signo)
            )
        }
        TimerNotify::ThreadId => {
            let name = text::signal_name(timer.signo);
            format!("{name} to thread {}", timer.notify_tid)
        }
        TimerNotify::Signal | TimerNotify::Thread => text::signal_name(timer.signo),
    };
    let state = match (timer.state, timer.expires_ns) {
        (TimerState::Disarmed, _) => "does not run".to_owned(),
        (TimerState::Armed, Some(expires_ns)) => {
            format!("expires at {} of its clock", text::time(expires_ns))
        }
        (TimerState::Armed, None) => format!("expires in {}", text::time(timer.remaining_ns)),
        (TimerState::Pending, _) => format!("expired{}", missed(timer)),
        (TimerState::Ignored, _) => format!("expired, its signal is ignored{}", missed(timer)),
    };
    format!(
        "{:3}  {:20} {notify}, value {}: {state}{}",
        timer.timer_id,
        text::clock(timer.clock_id),
        text::value(timer.sigval),
        period(timer.interval_ns),
    )
}

fn missed(timer: &TimerModel) -> String {
    match u64::try_from(timer.overrun) {
        Ok(0) | Err(_) => String::new(),
        Ok(count) => format!(" and {count} times more"),
    }
}

fn period(interval_ns: u64) -> String {
    match interval_ns {
        0 => String::new(),
        _ => format!(", every {}", text::time(interval_ns)),
    }
}

fn signalfd_line(signalfd: &Signalfd) -> String {
    let mut words = vec![format!("{:4} ", signalfd.fd)];
    words.extend(text::sigset_words(signalfd.mask));
    for (is_set, word) in [
        (signalfd.nonblock, "(nonblocking)"),
        (signalfd.cloexec, "(closed by an exec)"),
    ] {
        if is_set {
            words.push(word.to_owned());
        }
    }
    text::wrap(&words, 2)
}

fn waiter_line(waiter: &Waiter) -> String {
    let whom = match waiter.waits_for {
        WaitsFor::All => "any child".to_owned(),
        WaitsFor::Process(0) => "a process that is gone".to_owned(),
        WaitsFor::Process(pid) => format!("process {pid}"),
        WaitsFor::ProcessGroup(pgid) => format!("process group {pgid}"),
    };
    format!(
        "{}  waits for {whom}, options {:#x}",
        waiter.tid, waiter.options
    )
}
