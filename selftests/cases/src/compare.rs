// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Comparison of models: equal but for thread ids, and if not, where they differ.

use std::fmt::Debug;

use anyhow::bail;
use sigcr::{Model, ThreadInfo};

/// The model without what must differ between two instances of one program: the ids of its
/// threads, what is known of the process, how its threads were stopped, and the time that passes.
pub fn without_ids(model: &Model) -> Model {
    let mut model = without_stops(model);
    model.process = None;
    model.tgid = 1;
    for (index, thread) in model.threads.iter_mut().enumerate() {
        thread.tid = index as i32 + 1;
    }
    let timeless = |remaining_ns: &mut u64| *remaining_ns = (*remaining_ns).min(1);
    if let Some(itimers) = &mut model.itimers {
        for itimer in [&mut itimers.real, &mut itimers.virt, &mut itimers.prof] {
            timeless(&mut itimer.remaining_ns);
        }
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        timeless(&mut timer.remaining_ns);
        timer.notify_tid = 0;
    }
    model
}

/// The model without how the threads were stopped when it was taken.
pub fn without_stops(model: &Model) -> Model {
    let mut model = model.clone();
    for state in model
        .threads
        .iter_mut()
        .filter_map(|thread| thread.state.as_mut())
    {
        *state = ThreadInfo {
            blocked: state.blocked,
            pdeath_signo: state.pdeath_signo,
            unstable: state.unstable,
            worker: state.worker,
            dead: state.dead,
            ..ThreadInfo::default()
        };
    }
    model
}

/// Fails unless both models are equal but for the ids.
pub fn same_but_for_ids(what: &str, wanted: &Model, got: &Model) -> anyhow::Result<()> {
    same(what, &without_ids(wanted), &without_ids(got))
}

/// Fails unless both are equal; the error holds the first lines in which they differ.
pub fn same<T: Debug + PartialEq>(what: &str, wanted: &T, got: &T) -> anyhow::Result<()> {
    if wanted == got {
        return Ok(());
    }
    let (wanted, got) = (format!("{wanted:#?}"), format!("{got:#?}"));
    let (wanted, got): (Vec<_>, Vec<_>) = (wanted.lines().collect(), got.lines().collect());
    let alike = wanted.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let around = alike.saturating_sub(6);
    let part = |lines: &[&str]| {
        let part: Vec<&str> = lines.iter().skip(around).take(16).copied().collect();
        part.join("\n")
    };
    bail!(
        "{what} differs from line {alike} on\nwanted:\n{}\ngot:\n{}",
        part(&wanted),
        part(&got)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{plan, Keep};

    #[test]
    fn other_ids_are_no_difference_and_another_mask_is_one() {
        let plan = plan(1, Keep::WhileRunning);
        let count = plan.threads.len() as i32;
        let model = plan.model(&(10..10 + count).collect::<Vec<_>>());
        let mut other = plan.model(&(20..20 + count).collect::<Vec<_>>());
        same_but_for_ids("it", &model, &other).unwrap();
        if let Some(state) = &mut other.threads[0].state {
            state.blocked = sigcr::SigSet::from_bits(state.blocked.bits() ^ 1);
        }
        let error = same_but_for_ids("it", &model, &other).unwrap_err();
        assert!(error.to_string().contains("blocked"), "{error}");
    }
}
