// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The tables of timers, signalfds, waiters, and of signals that ptracers hold.

use std::io::{self, Write};

use sigcr::{
    Itimer, Itimers, Model, RecordFlags, Signalfd, ThreadModel, TimerModel, TimerState, Waiter,
    WaitsFor,
};

use super::Look;
use crate::siginfo::Siginfo;
use crate::text;

/// Writes the tables: of timers in any case, of the others if there is something in them.
pub(super) fn tables(out: &mut dyn Write, model: &Model, look: &Look) -> io::Result<()> {
    if !model.flags.contains(RecordFlags::ONE_THREAD) {
        let itimers = model.itimers.as_ref().map(itimer_lines);
        table_of_process(out, "INTERVAL TIMERS", "", itimers, look)?;
        let list = model.timers.as_ref();
        let next = list.map_or(0, |list| list.next_timer_id);
        let next = format!("  the next one gets id {next} if that is free");
        let timers = list.map(|list| list.timers.iter().map(timer_line).collect());
        table_of_process(out, "TIMERS", &next, timers, look)?;
    }
    let signalfds = model.signalfds.iter().flatten().map(signalfd_line);
    table(out, "SIGNALFDS", &signalfds.collect::<Vec<_>>(), look)?;
    let held = model.threads.iter().filter_map(inflight_line);
    table(out, "IN FLIGHT", &held.collect::<Vec<_>>(), look)?;
    let waiters = model.waiters.iter().flatten().map(waiter_line);
    table(out, "WAITERS", &waiters.collect::<Vec<_>>(), look)
}

/// A table of what is always in the record of a process, unless it was left out.
fn table_of_process(
    out: &mut dyn Write,
    title: &str,
    note: &str,
    lines: Option<Vec<String>>,
    look: &Look,
) -> io::Result<()> {
    let lines = match lines.as_deref() {
        None => return write_title(out, title, "  not in the record", look),
        Some([]) => return write_title(out, title, "  none", look),
        Some(lines) => lines,
    };
    write_title(out, title, note, look)?;
    write_lines(out, lines)
}

fn table(out: &mut dyn Write, title: &str, lines: &[String], look: &Look) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    write_title(out, title, "", look)?;
    write_lines(out, lines)
}

fn write_title(out: &mut dyn Write, title: &str, note: &str, look: &Look) -> io::Result<()> {
    writeln!(out, "\n{}{note}", look.paint.title(title))
}

fn write_lines(out: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    for line in lines {
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

fn itimer_lines(itimers: &Itimers) -> Vec<String> {
    let line = |name: &str, itimer: &Itimer, expired: bool| {
        let state = match (itimer.remaining_ns, expired) {
            (_, true) => "expired, goes on when its SIGALRM is taken".to_owned(),
            (0, false) if itimer.interval_ns == 0 => return None,
            (0, false) => "does not run".to_owned(),
            (remaining_ns, false) => format!("expires in {}", text::time(remaining_ns)),
        };
        let period = text::period(itimer.interval_ns);
        Some(format!("{name:8} {state}{period}"))
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
    let state = match (timer.state, timer.expires_ns) {
        (TimerState::Disarmed, _) => "does not run".to_owned(),
        (TimerState::Armed, Some(expires_ns)) => {
            format!("expires at {} of its clock", text::time(expires_ns))
        }
        (TimerState::Armed, None) => format!("expires in {}", text::time(timer.remaining_ns)),
        (TimerState::Pending, _) => format!("expired{}", missed(timer)),
        (TimerState::Ignored, _) => format!("expired, its signal is ignored{}", missed(timer)),
    };
    let mut told = format!(
        "{}, value {}: {state}{}",
        text::notification(timer.notify, timer.signo, timer.notify_tid),
        text::value(timer.sigval),
        text::period(timer.interval_ns),
    );
    if timer.overrun_last > 0 {
        told.push_str(&format!(", last overrun {}", timer.overrun_last));
    }
    let head = format!("{:3}  {:20}", timer.timer_id, text::clock(timer.clock_id));
    wrapped(&head, &told)
}

fn inflight_line(thread: &ThreadModel) -> Option<String> {
    let info = Siginfo::read(&thread.inflight.as_ref()?.siginfo);
    let told = format!(
        "{} {} from {}, taken out of its queue and held by a ptracer",
        text::signal_name(info.signo),
        info.code_name(),
        info.origin
    );
    Some(wrapped(&format!("{} ", thread.tid), &told))
}

/// A line of a table whose last column is broken between its phrases where it is too wide.
fn wrapped(head: &str, told: &str) -> String {
    let phrases = told.split_inclusive([',', ':']).map(str::trim);
    let phrases: Vec<_> = phrases.map(str::to_owned).collect();
    format!("{head} {}", text::wrap(&phrases, 2 + head.len() + 1))
}

fn missed(timer: &TimerModel) -> String {
    match u64::try_from(timer.overrun) {
        Ok(0) | Err(_) => String::new(),
        Ok(count) => format!(" and {count} times more"),
    }
}

fn signalfd_line(signalfd: &Signalfd) -> String {
    let mut words = text::sigset_words(signalfd.mask);
    for (is_set, word) in [
        (signalfd.nonblock, "(nonblocking)"),
        (signalfd.cloexec, "(closed by an exec)"),
    ] {
        if is_set {
            words.push(word.to_owned());
        }
    }
    let head = format!("{:4}  ", signalfd.fd);
    format!("{head}{}", text::wrap(&words, 2 + head.len()))
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
