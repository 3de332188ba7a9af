// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The table of pending signals: what is queued, in the order of the queue, and from whom.

use std::io::{self, Write};

use sigcr::{Model, Queue, QueuedSignal, SigSet};

use super::Look;
use crate::siginfo::Siginfo;
use crate::text;

/// Equal signals in a row are one line from this number on.
const FOLD_COUNT_MIN: usize = 3;
/// The columns of a signal's number, its name and how often it is there; and of its code.
const SIGNAL_WIDTH: usize = 26;
const CODE_WIDTH: usize = 13;

pub(super) fn table(out: &mut dyn Write, model: &Model, look: &Look) -> io::Result<()> {
    let queues = || {
        let shared = model.shared_pending.iter().map(|queue| (None, queue));
        let private = model
            .threads
            .iter()
            .filter_map(|thread| Some((Some(thread.tid), thread.pending.as_ref()?)));
        shared.chain(private)
    };
    let queued_count: usize = queues().map(|(_, queue)| queue.entries.len()).sum();
    let title = look.paint.title("PENDING");
    if queues().next().is_none() {
        return writeln!(out, "{title}  not in the record");
    }
    if queues().all(|(_, queue)| queue.is_empty()) {
        return writeln!(out, "{title}  nothing");
    }
    writeln!(
        out,
        "{title}  {}, in queue order",
        text::count(queued_count, "queued signal")
    )?;
    for (tid, queue) in queues().filter(|(_, queue)| !queue.is_empty()) {
        match tid {
            None => writeln!(out, "  to the process")?,
            Some(tid) => writeln!(out, "  to thread {tid}")?,
        }
        write_queue(out, queue, look)?;
    }
    Ok(())
}

fn write_queue(out: &mut dyn Write, queue: &Queue, look: &Look) -> io::Result<()> {
    let mut rest = &queue.entries[..];
    while let Some((first, _)) = rest.split_first() {
        let run = match look.all {
            true => Run::single(first),
            false => Some(Run::start(rest))
                .filter(|run| run.count >= FOLD_COUNT_MIN)
                .unwrap_or_else(|| Run::single(first)),
        };
        write_run(out, &run, look)?;
        rest = &rest[run.count..];
    }
    let queued: SigSet = queue
        .entries
        .iter()
        .filter_map(|entry| sigcr::SigNo::new(entry.signo()))
        .collect();
    for signo in queue.set.iter().filter(|signo| !queued.contains(*signo)) {
        let note = look.paint.warning("no siginfo, only the signal's bit");
        write_line(out, signo.get(), 1, "-", &note, look)?;
    }
    Ok(())
}

/// Signals in a row that differ in nothing but, at most, values that count up by one.
struct Run {
    count: usize,
    info: Siginfo,
    timer_id: Option<i32>,
    /// Of the first and the last.
    values: Option<(u64, u64)>,
}

impl Run {
    fn single(entry: &QueuedSignal) -> Self {
        let info = Siginfo::read(&entry.siginfo);
        Self {
            count: 1,
            values: info.value().map(|value| (value, value)),
            timer_id: entry.timer_id,
            info,
        }
    }

    /// The longest run at the start of `entries`, of which there is at least one.
    fn start(entries: &[QueuedSignal]) -> Self {
        let mut run = Self::single(&entries[0]);
        // The first two say whether the values stay or count up.
        let mut step = None;
        for entry in &entries[1..] {
            let info = Siginfo::read(&entry.siginfo);
            if entry.timer_id != run.timer_id || !info.same_but_value(&run.info) {
                break;
            }
            if let (Some((_, last)), Some(value)) = (&mut run.values, info.value()) {
                let this_step = value.wrapping_sub(*last);
                if this_step > 1 || *step.get_or_insert(this_step) != this_step {
                    break;
                }
                *last = value;
            }
            run.count += 1;
        }
        run
    }
}

fn write_run(out: &mut dyn Write, run: &Run, look: &Look) -> io::Result<()> {
    let mut from = run.info.origin.to_string();
    match run.values {
        None => {}
        Some((first, last)) if first == last => {
            from.push_str(&format!(", value {}", text::value(first)));
        }
        Some((first, last)) => {
            let [first, last] = [first, last].map(text::value);
            from.push_str(&format!(", values {first}..{last}"));
        }
    }
    if run.info.errno != 0 {
        from.push_str(&format!(", errno {}", run.info.errno));
    }
    if let Some(timer_id) = run.timer_id {
        let note = format!(" (owned by timer {timer_id})");
        from.push_str(&look.paint.warning(note));
    }
    let code = run.info.code_name();
    write_line(out, run.info.signo, run.count, &code, &from, look)
}

fn write_line(
    out: &mut dyn Write,
    signo: u32,
    count: usize,
    code: &str,
    from: &str,
    look: &Look,
) -> io::Result<()> {
    let name = text::signal_name(signo);
    let times = match count {
        1 => String::new(),
        _ => format!(" x {count}"),
    };
    let used = "    ".len() + 2 + 1 + name.len() + times.len();
    writeln!(
        out,
        "    {signo:2} {}{times}{:pad$}  {code:CODE_WIDTH$} {from}",
        look.paint.signal(name),
        "",
        pad = SIGNAL_WIDTH.saturating_sub(used),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Paint;
    use sigcr::SigNo;

    fn shown(queue: &Queue, all: bool) -> Vec<String> {
        let look = Look {
            all,
            paint: Paint::PLAIN,
        };
        let mut out = Vec::new();
        write_queue(&mut out, queue, &look).unwrap();
        let text = String::from_utf8(out).unwrap();
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(squeezed).collect()
    }

    fn value(value: u64) -> QueuedSignal {
        QueuedSignal::queued_by(SigNo::new(35).unwrap(), 7, 0, value)
    }

    #[test]
    fn values_that_count_up_are_folded_and_the_queue_order_is_kept() {
        let usr1 = QueuedSignal::sent_by(SigNo::new(10).unwrap(), 7, 0);
        let queue = Queue::of([value(0), value(1), value(2), usr1, value(3)]);
        assert_eq!(
            shown(&queue, false),
            [
                "35 SIGRTMIN+3 x 3 SI_QUEUE pid 7, uid 0, values 0..2",
                "10 SIGUSR1 SI_USER pid 7, uid 0",
                "35 SIGRTMIN+3 SI_QUEUE pid 7, uid 0, value 3",
            ]
        );
    }

    #[test]
    fn equal_values_are_folded_and_a_jump_ends_the_run() {
        let queue = Queue::of([5, 5, 5, 7, 8, 9, 4].map(value));
        assert_eq!(
            shown(&queue, false),
            [
                "35 SIGRTMIN+3 x 3 SI_QUEUE pid 7, uid 0, value 5",
                "35 SIGRTMIN+3 x 3 SI_QUEUE pid 7, uid 0, values 7..9",
                "35 SIGRTMIN+3 SI_QUEUE pid 7, uid 0, value 4",
            ]
        );
    }

    #[test]
    fn values_that_count_up_by_more_than_one_are_not_folded() {
        let queue = Queue::of([0, 2, 4, 6].map(value));
        assert_eq!(shown(&queue, false).len(), 4);
    }

    #[test]
    fn nothing_is_folded_for_those_who_want_all() {
        let queue = Queue::of([1, 2, 3, 4].map(value));
        assert_eq!(shown(&queue, true).len(), 4);
        assert_eq!(shown(&queue, false).len(), 1);
    }

    #[test]
    fn signals_of_two_senders_or_two_timers_are_not_folded() {
        let mut other = value(2);
        other.set_pid(8);
        let queue = Queue::of([value(0), value(1), other, value(3)]);
        assert_eq!(shown(&queue, false).len(), 4);
        other = value(2);
        other.timer_id = Some(1);
        let queue = Queue::of([value(0), value(1), other, value(3)]);
        assert_eq!(shown(&queue, false).len(), 4);
    }

    #[test]
    fn a_bit_without_siginfo_is_told_as_such() {
        let mut queue = Queue::of([value(1)]);
        queue.set.insert(SigNo::new(15).unwrap());
        assert_eq!(
            shown(&queue, false)[1],
            "15 SIGTERM - no siginfo, only the signal's bit"
        );
    }

    #[test]
    fn an_entry_of_a_timer_is_told_as_such() {
        let mut entry = value(1);
        entry.timer_id = Some(4);
        let line = &shown(&Queue::of([entry]), false)[0];
        assert!(line.ends_with("(owned by timer 4)"), "{line}");
    }
}
