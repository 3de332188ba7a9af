// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Words for the terminal: sets of signals, numbers, and lines of at most 80 columns.

use std::fmt::Display;

use sigcr::{ActionFlags, SigNo, SigSet, TimerNotify};

/// The columns that a line should fit into.
const WIDTH: usize = 80;

/// The signals of a set as words: runs of real-time signals are folded, and a set that holds more
/// than half of all signals is told by what it lacks.
pub(crate) fn sigset_words(set: SigSet) -> Vec<String> {
    if set.is_empty() {
        return vec!["nothing".to_owned()];
    }
    let lacking = SigSet::from_bits(!set.bits() & !sigcr::record::UNBLOCKABLE);
    if set.count() <= 32 {
        return listed(set);
    }
    let mut words = vec!["all".to_owned()];
    if !lacking.is_empty() {
        words.push("but".to_owned());
        words.extend(listed(lacking));
    }
    words
}

/// The same as one text.
pub(crate) fn sigset(set: SigSet) -> String {
    sigset_words(set).join(" ")
}

fn listed(set: SigSet) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = set.iter().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        let mut count = 1;
        while let Some(next) =
            rest.next_if(|next| first.is_realtime() && next.get() == last.get() + 1)
        {
            last = next;
            count += 1;
        }
        match count {
            1 => words.push(first.to_string()),
            2 => words.extend([first.to_string(), last.to_string()]),
            _ => words.push(format!("{first}..{last}")),
        }
    }
    words
}

/// The name of a signal; its number where that is none.
pub(crate) fn signal_name(signo: u32) -> String {
    SigNo::new(signo).map_or_else(|| signo.to_string(), |signo| signo.to_string())
}

/// The names of an action's flags.
pub(crate) fn action_flags(flags: ActionFlags) -> Vec<String> {
    let names = flags.iter_names();
    names.map(|(name, _)| format!("SA_{name}")).collect()
}

/// Lines of words, at most 80 columns wide where the words allow it: the first line goes on at
/// column `indent`, the following ones start there.
pub(crate) fn wrap(words: &[String], indent: usize) -> String {
    let mut text = String::new();
    let mut column = indent;
    for word in words {
        if column > indent && column + 1 + word.len() > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        }
        if column > indent {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

/// A number with its noun, which gets an `s` unless there is one of it.
pub(crate) fn count(number: usize, noun: impl Display) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A size in bytes, in KiB or MiB where that is a whole number.
pub(crate) fn size(len: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match len {
        0 => "0 bytes".to_owned(),
        _ if len % MIB == 0 => format!("{} MiB", len / MIB),
        _ if len % KIB == 0 => format!("{} KiB", len / KIB),
        _ => format!("{len} bytes"),
    }
}

/// A value that was sent along with a signal: a number, or an address where it looks like one.
pub(crate) fn value(value: u64) -> String {
    match u32::try_from(value) {
        Ok(value) => value.to_string(),
        Err(_) => format!("{value:#x}"),
    }
}

/// A time in the largest unit of which there is one, with as many digits as it has.
pub(crate) fn time(time_ns: u64) -> String {
    let (unit_ns, unit, digits) = match time_ns {
        0..=999 => return format!("{time_ns} ns"),
        1_000..=999_999 => (1_000, "us", 3),
        1_000_000..=999_999_999 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let (whole, part) = (time_ns / unit_ns, time_ns % unit_ns);
    let part = format!(".{part:0digits$}");
    format!(
        "{whole}{} {unit}",
        part.trim_end_matches('0').trim_end_matches('.')
    )
}

/// The period of a timer behind its state; nothing if it has none.
pub(crate) fn period(interval_ns: u64) -> String {
    match interval_ns {
        0 => String::new(),
        _ => format!(", every {}", time(interval_ns)),
    }
}

/// Which signal a timer sends, and to whom if that is not the process.
pub(crate) fn notification(notify: TimerNotify, signo: u32, notify_tid: i32) -> String {
    let name = signal_name(signo);
    match (notify, notify_tid) {
        (TimerNotify::None, _) => "nobody".to_owned(),
        (TimerNotify::ThreadId, 0) => format!("{name} to a thread that is gone"),
        (TimerNotify::ThreadId, tid) => format!("{name} to thread {tid}"),
        (TimerNotify::Signal | TimerNotify::Thread, _) => name,
    }
}

/// The name of a clock, by its number in `<linux/time.h>`.
pub(crate) fn clock(clock_id: i32) -> String {
    const NAMES: [&str; 12] = [
        "REALTIME",
        "MONOTONIC",
        "PROCESS_CPUTIME_ID",
        "THREAD_CPUTIME_ID",
        "MONOTONIC_RAW",
        "REALTIME_COARSE",
        "MONOTONIC_COARSE",
        "BOOTTIME",
        "REALTIME_ALARM",
        "BOOTTIME_ALARM",
        "SGI_CYCLE",
        "TAI",
    ];
    let name = usize::try_from(clock_id).ok().and_then(|id| NAMES.get(id));
    if let Some(name) = name {
        return (*name).to_owned();
    }
    // As clock_getcpuclockid(3) makes it: which CPU time, of a thread or a process, and of which.
    let (id, of_thread) = (!(clock_id >> 3), clock_id & 4 != 0);
    match (clock_id < 0 && clock_id & 3 != 3, of_thread, id) {
        (true, true, 0) => "CPU time of a thread".to_owned(),
        (true, true, tid) => format!("CPU time of thread {tid}"),
        (true, false, 0) => "CPU time".to_owned(),
        (true, false, pid) => format!("CPU time of process {pid}"),
        (false, ..) => format!("clock {clock_id}"),
    }
}

/// The name of an architecture, by its number in `<linux/audit.h>`.
pub(crate) fn arch(arch: u32) -> String {
    match arch {
        0xc000_003e => "x86-64".to_owned(),
        0xc000_00b7 => "arm64".to_owned(),
        _ => format!("architecture {arch:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(bits: u64) -> String {
        sigset(SigSet::from_bits(bits))
    }

    #[test]
    fn a_run_of_three_real_time_signals_is_folded_and_of_two_is_not() {
        assert_eq!(words(0b111 << 34), "SIGRTMIN+3..SIGRTMIN+5");
        assert_eq!(words(0b11 << 34), "SIGRTMIN+3 SIGRTMIN+4");
        assert_eq!(words(0b111 << 9), "SIGUSR1 SIGSEGV SIGUSR2");
        assert_eq!(words(0b111 << 61), "SIGRTMIN+30..SIGRTMAX");
        assert_eq!(words(0b111 << 29), "SIGPWR SIGSYS SIGRTMIN");
    }

    #[test]
    fn a_large_set_is_told_by_what_it_lacks() {
        let all = !sigcr::record::UNBLOCKABLE;
        assert_eq!(words(all), "all");
        assert_eq!(words(all & !(1 << 9)), "all but SIGUSR1");
        assert_eq!(words(0), "nothing");
    }

    #[test]
    fn lines_are_broken_before_column_80_and_indented() {
        let words = vec!["x".repeat(30); 3];
        let word = &words[0];
        assert_eq!(wrap(&words, 18), format!("{word} {word}\n{:18}{word}", ""));
        assert_eq!(wrap(&words, 19), format!("{word} {word}\n{:19}{word}", ""));
        assert_eq!(
            wrap(&words, 20),
            format!("{word}\n{0:20}{word}\n{0:20}{word}", "")
        );
        assert_eq!(wrap(&["x".repeat(100)], 2), "x".repeat(100));
    }

    #[test]
    fn a_value_that_is_no_int_looks_like_an_address() {
        assert_eq!(value(4_294_967_295), "4294967295");
        assert_eq!(value(4_294_967_296), "0x100000000");
    }

    #[test]
    fn a_time_is_told_exactly_in_the_largest_unit() {
        assert_eq!(time(999), "999 ns");
        assert_eq!(time(1_500), "1.5 us");
        assert_eq!(time(20_000_000), "20 ms");
        assert_eq!(time(3_600_000_000_001), "3600.000000001 s");
    }

    #[test]
    fn a_clock_is_told_by_its_name_or_by_whose_cpu_time_it_is() {
        assert_eq!(clock(1), "MONOTONIC");
        assert_eq!(clock(11), "TAI");
        assert_eq!(clock(-6), "CPU time");
        assert_eq!(clock((!42 << 3) | 6), "CPU time of thread 42");
        assert_eq!(clock((!42 << 3) | 2), "CPU time of process 42");
        assert_eq!(clock(12), "clock 12");
    }

    #[test]
    fn a_size_is_told_in_whole_units() {
        assert_eq!(size(8192), "8 KiB");
        assert_eq!(size(8193), "8193 bytes");
        assert_eq!(size(2 << 20), "2 MiB");
        assert_eq!(size(0), "0 bytes");
    }
}
