// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What /proc lists of a process: its timers of timer_create(2), and its signalfds.

use std::{fs, io};

use crate::{SigSet, Signalfd, TimerNotify};

/// One timer, as `/proc/PID/timers` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedTimer {
    pub(super) timer_id: i32,
    pub(super) clock_id: i32,
    pub(super) notify: TimerNotify,
    pub(super) signo: u32,
    pub(super) sigval: u64,
    /// Whom it signals, as seen from here: a thread, or the process.
    pub(super) notify_id: i32,
}

/// The timers of the process `pid` by ascending id; `None` if the kernel does not list them.
pub(super) fn timers(pid: i32) -> Option<Vec<ListedTimer>> {
    let text = fs::read_to_string(format!("/proc/{pid}/timers")).ok()?;
    let mut timers = parse_timers(&text)?;
    timers.sort_by_key(|timer| timer.timer_id);
    Some(timers)
}

fn parse_timers(text: &str) -> Option<Vec<ListedTimer>> {
    let lines: Vec<_> = text.lines().collect();
    lines.chunks(4).map(parse_timer).collect()
}

fn parse_timer(lines: &[&str]) -> Option<ListedTimer> {
    let [id, signal, notify, clock] = lines else {
        return None;
    };
    let (signo, sigval) = signal.strip_prefix("signal: ")?.split_once('/')?;
    let (how, whom) = notify.strip_prefix("notify: ")?.split_once('/')?;
    let (kind, notify_id) = whom.split_once('.')?;
    Some(ListedTimer {
        timer_id: id.strip_prefix("ID: ")?.parse().ok()?,
        clock_id: clock.strip_prefix("ClockID: ")?.parse().ok()?,
        notify: match (how, kind) {
            ("signal", "tid") => TimerNotify::ThreadId,
            ("signal", _) => TimerNotify::Signal,
            ("none", _) => TimerNotify::None,
            ("thread", _) => TimerNotify::Thread,
            _ => return None,
        },
        // Of a timer that signals nobody it is what its creator had in memory there.
        signo: signo.parse::<i32>().ok()? as u32,
        sigval: u64::from_str_radix(sigval.trim_start_matches("0x"), 16).ok()?,
        notify_id: notify_id.parse().ok()?,
    })
}

/// The signalfds of the process `pid` by ascending number, as its thread `tid` has them.
pub(super) fn signalfds(pid: i32, tid: i32) -> io::Result<Vec<Signalfd>> {
    let mut signalfds = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task/{tid}/fdinfo"))? {
        let entry = entry?;
        let fd = entry.file_name().to_str().and_then(|fd| fd.parse().ok());
        let info = match fs::read_to_string(entry.path()) {
            Ok(info) => info,
            // Closed by another process that shares the table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        signalfds.extend(fd.and_then(|fd| parse_signalfd(fd, &info)));
    }
    signalfds.sort_by_key(|signalfd| signalfd.fd);
    Ok(signalfds)
}

/// The signalfd of a text in fdinfo; `None` if that is another file.
fn parse_signalfd(fd: i32, info: &str) -> Option<Signalfd> {
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
    let mask = u64::from_str_radix(field("sigmask:")?.trim(), 16).ok()?;
    let flags = i32::from_str_radix(field("flags:")?.trim(), 8).ok()?;
    Some(Signalfd {
        fd,
        nonblock: flags & libc::O_NONBLOCK != 0,
        cloexec: flags & libc::O_CLOEXEC != 0,
        mask: SigSet::from_bits(mask),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timers_of_proc_are_read() {
        let text = "ID: 1\nsignal: 10/00000000deadbeef\nnotify: signal/tid.77\nClockID: -2\n\
                    ID: 0\nsignal: 0/0000000000000000\nnotify: none/pid.70\nClockID: 1\n";
        let timers = parse_timers(text).unwrap();
        let first = ListedTimer {
            timer_id: 1,
            clock_id: -2,
            notify: TimerNotify::ThreadId,
            signo: 10,
            sigval: 0xdead_beef,
            notify_id: 77,
        };
        assert_eq!(timers[0], first);
        assert_eq!(
            (timers[1].notify, timers[1].timer_id),
            (TimerNotify::None, 0)
        );
        assert_eq!(parse_timers(""), Some(Vec::new()));
        for broken in [
            "ID: 1\n",
            &text.replace("notify", "x"),
            &text.replace("none", "x"),
        ] {
            assert_eq!(parse_timers(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_signalfd_is_told_from_other_files() {
        let info = "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t9\nsigmask:\t0000000000000a00\n";
        let signalfd = parse_signalfd(5, info).unwrap();
        assert_eq!((signalfd.fd, signalfd.mask.bits()), (5, 0xa00));
        assert!(signalfd.nonblock && signalfd.cloexec);
        assert_eq!(parse_signalfd(5, "pos:\t0\nflags:\t02\n"), None);
    }
}
