// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ledger: what was sent to the worker, what must arrive, and how the two differ.

use std::collections::BTreeMap;

use super::plan::{self, Arrival};

/// Everything that was sent and has to arrive, in the order of sending.
#[derive(Default)]
pub struct Ledger {
    sent: Vec<Arrival>,
}

impl Ledger {
    /// Notes that a signal was queued to the process (thread 0) or to a thread.
    pub fn note(&mut self, thread: u32, signo: u32, code: i32, pid: i32, value: u64) {
        self.sent.push(Arrival {
            thread,
            signo,
            code,
            pid,
            value,
            on_altstack: plan::on_altstack(signo),
        });
    }

    /// Number of signals that have to arrive.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether nothing has been sent.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// For each queue and signal, how many were sent: for a person to read.
    pub fn summary(&self) -> Vec<((u32, u32), usize)> {
        let mut counts = BTreeMap::new();
        for one in &self.sent {
            *counts.entry((one.thread, one.signo)).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// Compares with what the handlers have logged. Every difference is one line; none is success.
    ///
    /// Count, payload and that nothing came twice; then the order, which the kernel fixes: a queue
    /// gives out the lowest signal first, and the instances of one signal as they were sent.
    pub fn differences(&self, arrived: &[Arrival]) -> Vec<String> {
        let mut balance: BTreeMap<Arrival, i64> = BTreeMap::new();
        for one in &self.sent {
            *balance.entry(*one).or_insert(0) += 1;
        }
        for one in arrived {
            *balance.entry(*one).or_insert(0) -= 1;
        }
        let mut found: Vec<String> = balance
            .iter()
            .filter_map(|(one, &count)| match count {
                0 => None,
                1.. => Some(format!("missing {count} x {}", name(one))),
                _ => Some(format!("too much {} x {}", -count, name(one))),
            })
            .collect();
        if found.is_empty() {
            found.extend(self.order_differences(arrived));
        }
        found
    }

    fn order_differences(&self, arrived: &[Arrival]) -> Option<String> {
        let mut threads: Vec<u32> = self.sent.iter().map(|one| one.thread).collect();
        threads.sort_unstable();
        threads.dedup();
        threads.into_iter().find_map(|thread| {
            let mut expected: Vec<&Arrival> = self
                .sent
                .iter()
                .filter(|one| one.thread == thread)
                .collect();
            // Stable: within one signal the order of sending stays.
            expected.sort_by_key(|one| one.signo);
            let got = arrived.iter().filter(|one| one.thread == thread);
            let (place, (want, got)) = expected
                .into_iter()
                .zip(got)
                .enumerate()
                .find(|(_, (want, got))| want != got)?;
            Some(format!(
                "out of order at place {place}: {} instead of {}",
                name(got),
                name(want)
            ))
        })
    }
}

fn name(one: &Arrival) -> String {
    format!(
        "signal {} in thread {} (code {}, pid {}, value {:#x}, {} altstack)",
        one.signo,
        one.thread,
        one.code,
        one.pid,
        one.value,
        if one.on_altstack { "on" } else { "not on" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent: 41, 40, 40 to the process and 50 to thread 1; and how they arrive.
    fn scene() -> (Ledger, Vec<Arrival>) {
        let mut ledger = Ledger::default();
        ledger.note(0, 41, -1, 9, 1);
        ledger.note(0, 40, -1, 9, 2);
        ledger.note(0, 40, -1, 9, 3);
        ledger.note(1, 50, -1, 9, 4);
        let sent = &ledger.sent;
        // Threads are independent of each other.
        let arrived = vec![sent[3], sent[1], sent[2], sent[0]];
        (ledger, arrived)
    }

    #[test]
    fn what_the_kernel_would_deliver_is_accepted() {
        let (ledger, arrived) = scene();
        assert_eq!(ledger.differences(&arrived), Vec::<String>::new());
    }

    #[test]
    fn a_lost_signal_is_named() {
        let (ledger, mut arrived) = scene();
        arrived.remove(1);
        let found = ledger.differences(&arrived);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("missing 1 x signal 40 in thread 0"));
        assert!(found[0].contains("value 0x2"));
    }

    #[test]
    fn a_signal_that_comes_twice_is_named() {
        let (ledger, mut arrived) = scene();
        arrived.push(arrived[0]);
        let found = ledger.differences(&arrived);
        assert!(found[0].starts_with("too much 1 x signal 50 in thread 1"));
    }

    #[test]
    fn another_payload_thread_or_stack_is_a_difference() {
        for change in [
            (|a: &mut Arrival| a.value = 99) as fn(&mut Arrival),
            |a| a.pid = 1,
            |a| a.code = 0,
            |a| a.thread = 2,
            |a| a.on_altstack = !a.on_altstack,
        ] {
            let (ledger, mut arrived) = scene();
            change(&mut arrived[1]);
            assert_eq!(ledger.differences(&arrived).len(), 2);
        }
    }

    #[test]
    fn instances_of_one_signal_in_the_wrong_order_are_a_difference() {
        let (ledger, mut arrived) = scene();
        arrived.swap(1, 2);
        let found = ledger.differences(&arrived);
        assert!(found[0].starts_with("out of order at place 0"), "{found:?}");
    }

    #[test]
    fn a_higher_signal_before_a_lower_one_is_a_difference() {
        let (ledger, mut arrived) = scene();
        arrived.swap(1, 3);
        assert!(!ledger.differences(&arrived).is_empty());
    }
}
