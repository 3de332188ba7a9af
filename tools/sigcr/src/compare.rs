// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What differs between the signal state in two records, in words.

mod timers;

use std::collections::{BTreeMap, BTreeSet};

use sigcr::{Action, ActionFlags, Handler, Model, Queue, QueuedSignal, SigSet, ThreadModel};

use crate::render_text::altstack_text;
use crate::siginfo::Siginfo;
use crate::text;

/// The differences in signal state, one line each, as `what: in a -> in b`.
///
/// That is what a restore would change. The process that a record is of and how it was taken are no
/// signal state: see [`notes`].
pub(crate) fn differences(a: &Model, b: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    compare_actions(&mut lines, a.actions.as_deref(), b.actions.as_deref());
    let (queue_a, queue_b) = (a.shared_pending.as_ref(), b.shared_pending.as_ref());
    compare_queues(&mut lines, "pending to the process", queue_a, queue_b);
    timers::compare_all(&mut lines, a, b);
    let by_tid = |model: &Model| -> BTreeMap<i32, ThreadModel> {
        let threads = model.threads.iter();
        threads.map(|thread| (thread.tid, thread.clone())).collect()
    };
    let (a, b) = (by_tid(a), by_tid(b));
    let tids: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for tid in tids {
        match (a.get(tid), b.get(tid)) {
            (Some(a), Some(b)) => compare_threads(&mut lines, a, b),
            (Some(_), None) => lines.push(format!("thread {tid}: only in the first")),
            (None, _) => lines.push(format!("thread {tid}: only in the second")),
        }
    }
    lines
}

/// What else a reader of the differences may want to know.
pub(crate) fn notes(a: &Model, b: &Model) -> Vec<String> {
    let mut notes = Vec::new();
    let start = |model: &Model| {
        model
            .process
            .as_ref()
            .map(|process| process.start_boottime_ns)
    };
    if a.tgid != b.tgid {
        notes.push(format!(
            "the records are of two processes, {} and {}",
            a.tgid, b.tgid
        ));
    } else if let (Some(start_a), Some(start_b)) = (start(a), start(b)) {
        if start_a != start_b {
            notes.push("the records are of two processes with the same number".to_owned());
        }
    }
    compare(&mut notes, "record flags", (&a.flags, &b.flags), |flags| {
        let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
        match &names[..] {
            [] => "none".to_owned(),
            names => names.join(" "),
        }
    });
    if let (Some(a), Some(b)) = (&a.process, &b.process) {
        let stops = (&a.stop_signo, &b.stop_signo);
        compare(&mut notes, "stopped by", stops, |signo| {
            signo.map_or_else(|| "nothing".to_owned(), |signo| signo.to_string())
        });
        let limits = (&a.rlimit_sigpending_count, &b.rlimit_sigpending_count);
        compare(
            &mut notes,
            "limit of queued signals",
            limits,
            u64::to_string,
        );
    }
    notes
}

/// One line where `a` and `b` differ.
fn compare<T: PartialEq>(
    lines: &mut Vec<String>,
    what: &str,
    (a, b): (&T, &T),
    words: impl Fn(&T) -> String,
) {
    if a != b {
        lines.push(format!("{what}: {} -> {}", words(a), words(b)));
    }
}

const ABSENT: &str = "not in the record";

fn compare_actions(lines: &mut Vec<String>, a: Option<&[Action]>, b: Option<&[Action]>) {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        _ => {
            let words = |actions: &Option<&[Action]>| match actions {
                None => ABSENT.to_owned(),
                Some(actions) => format!("{} not the default", actions.len()),
            };
            return compare(lines, "actions", (&a, &b), words);
        }
    };
    for signo in sigcr::SigNo::all() {
        let of = |actions: &[Action]| actions.iter().find(|action| action.signo == signo).cloned();
        match (of(a), of(b)) {
            (Some(a), Some(b)) => compare_action(lines, &a, &b),
            (a, b) => compare(
                lines,
                &format!("action of {signo}"),
                (&a, &b),
                |action| match action {
                    None => "default".to_owned(),
                    Some(action) => describe_action(action),
                },
            ),
        }
    }
}

fn compare_action(lines: &mut Vec<String>, a: &Action, b: &Action) {
    let signo = a.signo;
    let what = |field: &str| format!("{field} of {signo}");
    let names = |flags: &ActionFlags| match flags.is_empty() {
        true => "none".to_owned(),
        false => text::action_flags(*flags).join(" "),
    };
    let hex = |address: &u64| format!("{address:#x}");
    compare(
        lines,
        &what("action"),
        (&a.handler, &b.handler),
        Handler::to_string,
    );
    compare(lines, &what("flags"), (&a.flags, &b.flags), names);
    compare(lines, &what("restorer"), (&a.restorer, &b.restorer), hex);
    compare(lines, &what("mask"), (&a.mask, &b.mask), |mask| {
        text::sigset(*mask)
    });
    compare(lines, &what("frame"), (&a.abi, &b.abi), |abi| {
        format!("{abi:?}")
    });
}

fn compare_threads(lines: &mut Vec<String>, a: &ThreadModel, b: &ThreadModel) {
    let tid = a.tid;
    let kind = |thread: &ThreadModel| match &thread.state {
        Some(state) if state.dead => "exited",
        Some(state) if state.worker => "a kernel worker",
        _ => "alive",
    };
    let what = format!("thread {tid}");
    compare(lines, &what, (&kind(a), &kind(b)), |kind| {
        (*kind).to_owned()
    });
    let blocked = |thread: &ThreadModel| thread.state.as_ref().map(|state| state.blocked);
    match (blocked(a), blocked(b)) {
        (Some(a), Some(b)) => {
            let [less, more] = [a.bits() & !b.bits(), b.bits() & !a.bits()];
            for (set, how) in [(less, "blocks no longer"), (more, "blocks in addition")] {
                if set != 0 {
                    let set = text::sigset(SigSet::from_bits(set));
                    lines.push(format!("thread {tid} {how}: {set}"));
                }
            }
        }
        (a, b) => compare(
            lines,
            &format!("blocked by thread {tid}"),
            (&a, &b),
            |set| set.map_or_else(|| ABSENT.to_owned(), text::sigset),
        ),
    }
    let pdeath = |thread: &ThreadModel| thread.state.as_ref().and_then(|state| state.pdeath_signo);
    let what = format!("signal of the parent's death to thread {tid}");
    compare(lines, &what, (&pdeath(a), &pdeath(b)), |signo| {
        signo.map_or_else(|| "none".to_owned(), |signo| signo.to_string())
    });
    let what = format!("held by a ptracer of thread {tid}");
    compare(lines, &what, (&a.inflight, &b.inflight), |signal| {
        signal
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), describe_entry)
    });
    let what = format!("alternate stack of thread {tid}");
    compare(lines, &what, (&a.altstack, &b.altstack), |altstack| {
        altstack
            .as_ref()
            .map_or_else(|| ABSENT.to_owned(), altstack_text)
    });
    let what = format!("pending to thread {tid}");
    compare_queues(lines, &what, a.pending.as_ref(), b.pending.as_ref());
}

fn compare_queues(lines: &mut Vec<String>, what: &str, a: Option<&Queue>, b: Option<&Queue>) {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        _ => {
            return compare(lines, what, (&a, &b), |queue| match queue {
                None => ABSENT.to_owned(),
                Some(queue) => text::count(queue.entries.len(), "queued signal"),
            });
        }
    };
    if a == b {
        return;
    }
    let line_count = lines.len();
    for signo in sigcr::SigNo::all() {
        let state = |queue: &Queue| {
            let of_signo = queue
                .entries
                .iter()
                .filter(|entry| entry.signo() == signo.get());
            (queue.set.contains(signo), of_signo.count())
        };
        let words = |(is_pending, count): &(bool, usize)| match (is_pending, count) {
            (false, _) => "not pending".to_owned(),
            (true, 0) => "pending without siginfo".to_owned(),
            (true, count) => format!("{count} queued"),
        };
        let what = format!("{what}, {signo}");
        compare(lines, &what, (&state(a), &state(b)), words);
    }
    if lines.len() == line_count {
        compare_entries(lines, what, &a.entries, &b.entries);
    }
}

/// Compares queues of the same signals, as often each.
fn compare_entries(lines: &mut Vec<String>, what: &str, a: &[QueuedSignal], b: &[QueuedSignal]) {
    let sorted = |entries: &[QueuedSignal]| {
        let mut keys: Vec<_> = entries
            .iter()
            .map(|entry| (entry.siginfo, entry.timer_id))
            .collect();
        keys.sort_unstable();
        keys
    };
    if sorted(a) == sorted(b) {
        lines.push(format!("{what}: the same signals in another order"));
        return;
    }
    let differing = || a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
    let queued = text::count(b.len(), "queued signal");
    if let Some((index, (a, b))) = differing().next() {
        let [words_a, words_b] = [a, b].map(describe_entry);
        let [words_a, words_b] = match words_a == words_b {
            // They differ in bytes that mean nothing for such a signal.
            true => [a, b].map(|entry| format!("{words_a}, siginfo {}", hex(&entry.siginfo))),
            false => [words_a, words_b],
        };
        lines.push(format!(
            "{what}: {} of {queued} differ; number {} of the queue: {words_a} -> {words_b}",
            differing().count(),
            index + 1,
        ));
    }
}

fn describe_entry(entry: &QueuedSignal) -> String {
    let info = Siginfo::read(&entry.siginfo);
    let mut words = format!(
        "{} {} from {}",
        text::signal_name(info.signo),
        info.code_name(),
        info.origin
    );
    if let Some(value) = info.value() {
        words.push_str(&format!(", value {}", text::value(value)));
    }
    if info.errno != 0 {
        words.push_str(&format!(", errno {}", info.errno));
    }
    if let Some(timer_id) = entry.timer_id {
        words.push_str(&format!(", owned by timer {timer_id}"));
    }
    words
}

fn describe_action(action: &Action) -> String {
    match action.flags.is_empty() {
        true => action.handler.to_string(),
        false => {
            let flags = text::action_flags(action.flags).join(" ");
            format!("{} ({flags})", action.handler)
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use sigcr::{AltStack, FrameAbi, RecordFlags, SigNo, ThreadInfo};

    use super::*;

    fn signo(number: u32) -> SigNo {
        SigNo::new(number).unwrap()
    }

    fn model() -> Model {
        let mut model = Model::new(7);
        model.actions = Some(vec![Action {
            signo: signo(10),
            handler: Handler(0x1000),
            flags: ActionFlags::RESTART,
            restorer: 0,
            mask: SigSet::EMPTY,
            abi: FrameAbi::Native,
        }]);
        model.shared_pending = Some(Queue::of([
            QueuedSignal::queued_by(signo(40), 3, 0, 1),
            QueuedSignal::queued_by(signo(40), 3, 0, 2),
        ]));
        model.threads = vec![ThreadModel {
            tid: 7,
            state: Some(ThreadInfo::default()),
            altstack: Some(AltStack::DISABLED),
            pending: Some(Queue::default()),
            inflight: None,
        }];
        model
    }

    /// The lines that tell what `change` does to the model.
    fn changed(change: impl FnOnce(&mut Model)) -> Vec<String> {
        let mut changed = model();
        change(&mut changed);
        differences(&model(), &changed)
    }

    #[test]
    fn a_record_does_not_differ_from_itself() {
        assert_eq!(changed(|_| {}), [""; 0]);
    }

    #[test]
    fn each_field_of_an_action_has_its_line() {
        let lines = changed(|model| {
            let action = &mut model.actions.as_mut().unwrap()[0];
            action.handler = Handler::IGNORE;
            action.flags |= ActionFlags::ONSTACK;
            action.restorer = 0x20;
            action.mask.insert(signo(1));
            action.abi = FrameAbi::Ia32;
        });
        assert_eq!(
            lines,
            [
                "action of SIGUSR1: 0x1000 -> SIG_IGN",
                "flags of SIGUSR1: SA_RESTART -> SA_ONSTACK SA_RESTART",
                "restorer of SIGUSR1: 0x0 -> 0x20",
                "mask of SIGUSR1: nothing -> SIGHUP",
                "frame of SIGUSR1: Native -> Ia32",
            ]
        );
    }

    #[test]
    fn an_action_that_became_the_default_is_told() {
        let lines = changed(|model| model.actions = Some(Vec::new()));
        assert_eq!(lines, ["action of SIGUSR1: 0x1000 (SA_RESTART) -> default"]);
    }

    #[test]
    fn a_section_that_one_record_lacks_is_told_as_such() {
        let lines = changed(|model| {
            model.actions = None;
            model.shared_pending = None;
            model.threads[0].altstack = None;
            model.threads[0].state = None;
        });
        assert_eq!(
            lines,
            [
                "actions: 1 not the default -> not in the record",
                "pending to the process: 2 queued signals -> not in the record",
                "blocked by thread 7: nothing -> not in the record",
                "alternate stack of thread 7: none -> not in the record",
            ]
        );
    }

    #[test]
    fn blocked_signals_are_told_as_more_and_less() {
        let lines = changed(|model| {
            model.threads[0]
                .state
                .as_mut()
                .unwrap()
                .blocked
                .insert(signo(12));
        });
        assert_eq!(lines, ["thread 7 blocks in addition: SIGUSR2"]);
    }

    #[test]
    fn a_queue_tells_what_is_more_what_is_less_and_what_lost_its_siginfo() {
        let lines = changed(|model| {
            let queue = model.shared_pending.as_mut().unwrap();
            queue.entries.clear();
            queue.set.insert(signo(15));
        });
        assert_eq!(
            lines,
            [
                "pending to the process, SIGTERM: not pending -> pending without siginfo",
                "pending to the process, SIGRTMIN+8: 2 queued -> pending without siginfo",
            ]
        );
    }

    #[test]
    fn the_order_of_a_queue_and_the_values_in_it_count() {
        let lines = changed(|model| model.shared_pending.as_mut().unwrap().entries.reverse());
        assert_eq!(
            lines,
            ["pending to the process: the same signals in another order"]
        );
        let lines = changed(|model| {
            model.shared_pending.as_mut().unwrap().entries[1].set_value(9);
        });
        assert_eq!(
            lines,
            [
                "pending to the process: 1 of 2 queued signals differ; number 2 of the queue: \
              SIGRTMIN+8 SI_QUEUE from pid 3, uid 0, value 2 -> \
              SIGRTMIN+8 SI_QUEUE from pid 3, uid 0, value 9"
            ]
        );
    }

    #[test]
    fn a_siginfo_that_differs_where_it_means_nothing_still_differs() {
        let lines = changed(|model| {
            model.shared_pending.as_mut().unwrap().entries[0].siginfo[47] = 1;
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("siginfo 28000000"), "{}", lines[0]);
    }

    #[test]
    fn threads_that_one_record_lacks_are_told() {
        let lines = changed(|model| model.threads[0].tid = 8);
        assert_eq!(
            lines,
            [
                "thread 7: only in the first",
                "thread 8: only in the second"
            ]
        );
    }

    #[test]
    fn another_process_is_a_note_and_no_difference() {
        let mut other = model();
        other.tgid = 8;
        other.flags = RecordFlags::LIVE;
        assert_eq!(differences(&model(), &other), [""; 0]);
        assert_eq!(
            notes(&model(), &other),
            [
                "the records are of two processes, 7 and 8",
                "record flags: none -> LIVE"
            ]
        );
    }
}
