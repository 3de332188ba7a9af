// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Records that were edited: what is left out is left alone, what is changed arrives changed.

use anyhow::ensure;
use sigcr::{AltStackFlags, Model, Parts, Queue, QueuedSignal};

use super::{busy_plan, put_model, take};
use crate::compare::same;
use crate::subject::{signal, Plan, Subject};
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    a_part_that_is_left_out_is_left_alone,
    one_thread_of_the_record_is_restored_alone,
    an_empty_action_table_makes_every_action_the_default,
    a_queue_made_by_hand_is_restored,
    an_altstack_is_disabled_by_the_record,
    threads_change_places_by_remapping,
];

/// The record of a busy subject, and a fresh subject with the ids already in it.
fn scene() -> anyhow::Result<(Model, Subject, Model)> {
    let record = take(&Subject::stopped(&busy_plan())?)?;
    let fresh = Subject::stopped(&Plan::empty(2))?;
    let mut model = record.to_model();
    model.remap_in_order(fresh.tids())?;
    let before = take(&fresh)?.to_model();
    Ok((model, fresh, before))
}

fn a_part_that_is_left_out_is_left_alone() -> anyhow::Result<()> {
    for part in [
        Parts::ACTIONS,
        Parts::SHARED_PENDING,
        Parts::BLOCKED,
        Parts::ALTSTACK,
        Parts::PENDING,
    ] {
        let (full, fresh, before) = scene()?;
        let mut model = full.clone();
        model.keep(part);
        put_model(&fresh, &model)?;
        // What is kept comes from the record, all else from before.
        let mut wanted = before;
        if part == Parts::ACTIONS {
            wanted.actions = full.actions;
        } else if part == Parts::SHARED_PENDING {
            wanted.shared_pending = full.shared_pending;
        }
        for (wanted, full) in wanted.threads.iter_mut().zip(full.threads) {
            if part == Parts::BLOCKED {
                wanted.state = full.state;
            } else if part == Parts::ALTSTACK {
                wanted.altstack = full.altstack;
            } else if part == Parts::PENDING {
                wanted.pending = full.pending;
            }
        }
        let what = format!("the state after {part:?}");
        same(&what, &wanted, &take(&fresh)?.to_model())?;
    }
    Ok(())
}

fn one_thread_of_the_record_is_restored_alone() -> anyhow::Result<()> {
    let (full, fresh, before) = scene()?;
    let mut model = full.clone();
    model.threads.remove(0);
    model.keep(Parts::BLOCKED | Parts::ALTSTACK | Parts::PENDING);
    put_model(&fresh, &model)?;
    let mut wanted = before;
    wanted.threads[1] = full.threads[1].clone();
    same("the state", &wanted, &take(&fresh)?.to_model())
}

fn an_empty_action_table_makes_every_action_the_default() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let mut model = take(&subject)?.to_model();
    ensure!(
        model.actions.as_ref().is_some_and(|list| list.len() == 3),
        "{:?}",
        model.actions
    );
    model.actions = Some(Vec::new());
    put_model(&subject, &model)?;
    same("the record", &model, &take(&subject)?.to_model())
}

fn a_queue_made_by_hand_is_restored() -> anyhow::Result<()> {
    let fresh = Subject::stopped(&Plan::empty(1))?;
    let mut model = take(&fresh)?.to_model();
    let mut queue = Queue::of([
        QueuedSignal::sent_by(signal(10), 4242, 7),
        QueuedSignal::queued_by(signal(64), 1, 0, u64::MAX),
        QueuedSignal::queued_by(signal(32), 1, 0, 0),
        QueuedSignal::sent_to_thread_by(signal(33), 5, 6),
    ]);
    queue.set.insert(signal(33));
    queue.set.insert(signal(2));
    model.shared_pending = Some(queue);
    put_model(&fresh, &model)?;
    same("the record", &model, &take(&fresh)?.to_model())
}

fn an_altstack_is_disabled_by_the_record() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let mut model = take(&subject)?.to_model();
    if let Some(altstack) = &mut model.threads[0].altstack {
        altstack.flags = AltStackFlags::DISABLE;
        (altstack.sp, altstack.size) = (0, 0);
    }
    put_model(&subject, &model)?;
    same("the record", &model, &take(&subject)?.to_model())
}

fn threads_change_places_by_remapping() -> anyhow::Result<()> {
    let subject = Subject::stopped(&busy_plan())?;
    let before = take(&subject)?.to_model();
    let tids = subject.tids();
    let mut model = before.clone();
    model.remap_tids(&[(tids[0], tids[1]), (tids[1], tids[0])].into())?;
    model.keep(Parts::BLOCKED | Parts::ALTSTACK | Parts::PENDING);
    put_model(&subject, &model)?;
    let after = take(&subject)?.to_model();
    ensure!(
        before.threads[0].pending == after.threads[1].pending
            && before.threads[1].pending == after.threads[0].pending
            && before.threads[0].altstack == after.threads[1].altstack,
        "the threads have not changed places: {:#?}",
        after.threads
    );
    Ok(())
}
