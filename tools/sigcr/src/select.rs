// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What of a record is restored, and onto which threads.

use clap::ValueEnum;
use sigcr::{EditError, Model, Parts};

use crate::cli::Remap;
use crate::exit::Failure;

/// The kinds of signal state that can be restored by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The actions of the process
    Actions,
    /// The signals queued to the process
    SharedPending,
    /// The blocked signals of each thread
    Blocked,
    /// The alternate signal stack of each thread
    Altstack,
    /// The signals queued to each thread
    Pending,
    /// The timers of setitimer(2)
    Itimers,
    /// The timers of timer_create(2), with their signals
    Timers,
    /// What can be read from signalfds
    Signalfds,
    /// The signals that ptracers held, which cannot be restored
    InFlight,
}

/// Keeps the kinds of `only` if there are any, and takes those of `without` away. Returns how many
/// signals have gone out of queues that are kept, because their timers have.
///
/// # Errors
///
/// Nothing is left to restore.
pub(crate) fn keep(model: &mut Model, only: &[Kind], without: &[Kind]) -> Result<usize, Failure> {
    let union = |kinds: &[Kind]| -> Parts { kinds.iter().map(|kind| kind.part()).collect() };
    let mut parts = match only {
        [] => Parts::all(),
        only => union(only),
    };
    parts.remove(union(without));
    model.keep(parts | Parts::TIMERS);
    let gone_count = match parts.contains(Parts::TIMERS) {
        true => 0,
        false => model.drop_timers(),
    };
    if !has_something(model) {
        return Err(Failure::Misfit(
            "the record holds nothing of what is to be restored; see what it holds with `sigcr \
             show`, and change --only or --without"
                .to_owned(),
        ));
    }
    Ok(gone_count)
}

/// Gives the record's threads the ids of the target in the way that `remap` says, and checks that
/// the target has every thread that is to be restored.
///
/// # Errors
///
/// The ids do not fit; the message names the remedy.
pub(crate) fn place(
    model: &mut Model,
    remap: Option<&Remap>,
    target: &TargetTids,
) -> Result<(), Failure> {
    model.drop_listed_only();
    let target_tids = target.as_slice();
    match remap {
        None => {}
        // A record without anything of a thread needs none.
        Some(Remap::InOrder) if model.threads.is_empty() => {}
        Some(Remap::InOrder) => model.remap_in_order(target_tids).map_err(misfit)?,
        Some(Remap::Pairs(pairs)) => model.remap_tids(&pairs.iter().copied().collect())?,
    }
    let tids: Vec<_> = model.threads.iter().map(|thread| thread.tid).collect();
    if let TargetTids::OneThread([tid]) = target {
        return model.keep_thread(*tid).map_err(|_| {
            Failure::Misfit(format!(
                "the record holds nothing of thread {tid}, but of {}; choose one with --remap \
                 OLD={tid}",
                list(&tids),
            ))
        });
    }
    let missing: Vec<_> = tids
        .into_iter()
        .filter(|tid| !target_tids.contains(tid))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Misfit(format!(
        "the record's {} not in the target, which has {}; map them with --remap in-order or \
         --remap OLD=NEW,..",
        threads_are(&missing),
        list(target_tids),
    )))
}

/// The threads of the target, by their ids in its own pid namespace.
#[derive(Debug)]
pub(crate) enum TargetTids {
    /// A whole process: its first thread first.
    Process(Vec<i32>),
    /// The one thread that is to be changed.
    OneThread([i32; 1]),
}

impl TargetTids {
    fn as_slice(&self) -> &[i32] {
        match self {
            TargetTids::Process(tids) => tids,
            TargetTids::OneThread(tid) => tid,
        }
    }
}

impl Kind {
    fn part(self) -> Parts {
        match self {
            Kind::Actions => Parts::ACTIONS,
            Kind::SharedPending => Parts::SHARED_PENDING,
            Kind::Blocked => Parts::BLOCKED,
            Kind::Altstack => Parts::ALTSTACK,
            Kind::Pending => Parts::PENDING,
            Kind::Itimers => Parts::ITIMERS,
            Kind::Timers => Parts::TIMERS,
            Kind::Signalfds => Parts::SIGNALFDS,
            Kind::InFlight => Parts::INFLIGHT,
        }
    }
}

fn has_something(model: &Model) -> bool {
    let restored = |thread: &sigcr::ThreadModel| !thread.is_listed_only();
    model.actions.is_some()
        || model.shared_pending.is_some()
        || model.itimers.is_some()
        || model.timers.is_some()
        || model.signalfds.is_some()
        || model.threads.iter().any(restored)
}

/// Ids that the user did not choose can only be wrong because the target is not like the record.
fn misfit(error: EditError) -> Failure {
    match error {
        EditError::ThreadCount {
            record_count,
            tid_count,
        } => Failure::Misfit(format!(
            "the record has state of {} and the target has {tid_count}: map them one by one with \
             --remap OLD=NEW,.., or restore what belongs to the process with --only \
             actions,shared-pending",
            crate::text::count(record_count, "thread"),
        )),
        error => error.into(),
    }
}

fn threads_are(tids: &[i32]) -> String {
    match tids {
        [tid] => format!("thread {tid} is"),
        _ => format!("threads {} are", list(tids)),
    }
}

/// The first few of the ids, as text.
fn list(tids: &[i32]) -> String {
    const SHOWN_COUNT: usize = 8;
    let shown: Vec<_> = tids.iter().take(SHOWN_COUNT).map(i32::to_string).collect();
    match tids.len() {
        0 => "none".to_owned(),
        count if count > SHOWN_COUNT => {
            format!("{} and {} more", shown.join(", "), count - SHOWN_COUNT)
        }
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use sigcr::{AltStack, Itimers, Queue, QueuedSignal, SigNo, ThreadInfo, ThreadModel, Timers};

    use super::*;
    use crate::exit::Exit;

    fn model(tids: &[i32]) -> Model {
        let mut model = Model::new(tids[0]);
        model.actions = Some(Vec::new());
        model.shared_pending = Some(Queue::default());
        model.threads = tids
            .iter()
            .map(|tid| ThreadModel {
                tid: *tid,
                state: Some(ThreadInfo::default()),
                altstack: Some(AltStack::DISABLED),
                pending: Some(Queue::default()),
                inflight: None,
            })
            .collect();
        model
    }

    fn process(tids: &[i32]) -> TargetTids {
        TargetTids::Process(tids.to_vec())
    }

    fn tids(model: &Model) -> Vec<i32> {
        model.threads.iter().map(|thread| thread.tid).collect()
    }

    #[test]
    fn only_keeps_what_it_names_and_without_takes_away_what_it_names() {
        let mut only = model(&[5]);
        keep(&mut only, &[Kind::Actions, Kind::Blocked], &[]).unwrap();
        assert!(only.actions.is_some() && only.shared_pending.is_none());
        assert!(only.threads[0].state.is_some() && only.threads[0].pending.is_none());
        let mut without = model(&[5]);
        keep(&mut without, &[], &[Kind::Altstack, Kind::SharedPending]).unwrap();
        assert!(without.actions.is_some() && without.shared_pending.is_none());
        assert!(without.threads[0].altstack.is_none() && without.threads[0].pending.is_some());
    }

    #[test]
    fn each_kind_is_kept_alone_and_the_signals_of_timers_are_counted() {
        let mut full = model(&[5]);
        full.itimers = Some(Itimers::default());
        full.timers = Some(Timers::default());
        full.signalfds = Some(Vec::new());
        let sent = QueuedSignal::sent_by(SigNo::RTMIN, 1, 0);
        let mut of_timer = sent;
        of_timer.timer_id = Some(3);
        full.shared_pending = Some(Queue::of([sent, of_timer, of_timer]));
        full.threads[0].inflight = Some(sent);
        let what_is_left = |kind| {
            let mut model = full.clone();
            assert_eq!(
                keep(&mut model, &[kind], &[]).unwrap_or(0) > 0,
                kind == Kind::SharedPending
            );
            [
                model.itimers.is_some(),
                model.timers.is_some(),
                model.signalfds.is_some(),
                model.threads.iter().any(|thread| thread.inflight.is_some()),
            ]
        };
        for (index, kind) in [Kind::Itimers, Kind::Timers, Kind::Signalfds, Kind::InFlight]
            .into_iter()
            .enumerate()
        {
            let mut expected = [false; 4];
            expected[index] = true;
            assert_eq!(what_is_left(kind), expected, "{kind:?}");
        }
        assert_eq!(what_is_left(Kind::SharedPending), [false; 4]);
        let gone_count = keep(&mut full, &[], &[Kind::Timers]).unwrap();
        assert_eq!(gone_count, 2);
        assert_eq!(full.shared_pending, Some(Queue::of([sent])));
        assert!(full.itimers.is_some() && full.timers.is_none());
    }

    #[test]
    fn a_restore_of_nothing_is_refused() {
        let mut model = model(&[5]);
        model.actions = None;
        let failure = keep(&mut model, &[Kind::Actions], &[]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        assert!(failure.to_string().contains("--only"));
    }

    #[test]
    fn threads_that_the_target_lacks_are_named_with_the_remedy() {
        let failure = place(&mut model(&[5, 6]), None, &process(&[5, 9])).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        assert_eq!(
            failure.to_string(),
            "the record's thread 6 is not in the target, which has 5, 9; map them with --remap \
             in-order or --remap OLD=NEW,.."
        );
    }

    #[test]
    fn in_order_gives_the_threads_the_ids_of_the_target() {
        let mut model = model(&[5, 6]);
        place(&mut model, Some(&Remap::InOrder), &process(&[90, 70])).unwrap();
        assert_eq!((model.tgid, tids(&model)), (90, vec![70, 90]));
    }

    #[test]
    fn threads_that_are_only_listed_need_no_thread_in_the_target() {
        let mut model = model(&[5, 6, 7]);
        model.threads[1].state.as_mut().unwrap().dead = true;
        model.threads[2].state.as_mut().unwrap().worker = true;
        let mut same = model.clone();
        place(&mut model, Some(&Remap::InOrder), &process(&[90])).unwrap();
        assert_eq!(tids(&model), [90]);
        place(&mut same, None, &process(&[5])).unwrap();
        assert_eq!(tids(&same), [5]);
    }

    #[test]
    fn another_number_of_threads_is_told_with_both_numbers() {
        let failure =
            place(&mut model(&[5, 6]), Some(&Remap::InOrder), &process(&[9])).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        let words = failure.to_string();
        assert!(words.starts_with("the record has state of 2 threads and the target has 1:"));
    }

    #[test]
    fn pairs_map_threads_and_a_pair_for_no_thread_is_refused() {
        let mut good = model(&[5, 6]);
        let remap = Remap::Pairs(vec![(5, 9), (6, 8)]);
        place(&mut good, Some(&remap), &process(&[9, 8])).unwrap();
        assert_eq!(tids(&good), [8, 9]);
        let remap = Remap::Pairs(vec![(7, 9)]);
        let failure = place(&mut model(&[5, 6]), Some(&remap), &process(&[9, 8])).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn state_of_the_process_alone_needs_no_threads() {
        let mut model = model(&[5]);
        keep(&mut model, &[Kind::Actions], &[]).unwrap();
        place(&mut model, Some(&Remap::InOrder), &process(&[9, 8])).unwrap();
        assert_eq!(tids(&model), [0; 0]);
    }

    #[test]
    fn one_thread_of_a_process_is_chosen_by_its_id_or_by_a_pair() {
        let target = TargetTids::OneThread([6]);
        let mut same = model(&[5, 6]);
        place(&mut same, None, &target).unwrap();
        assert_eq!(tids(&same), [6]);
        assert!(same.actions.is_none() && same.encode().is_ok());
        let target = TargetTids::OneThread([90]);
        let mut other = model(&[5, 6]);
        place(&mut other, Some(&Remap::Pairs(vec![(5, 90)])), &target).unwrap();
        assert_eq!(tids(&other), [90]);
        let failure = place(&mut model(&[5, 6]), None, &target).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the record holds nothing of thread 90, but of 5, 6; choose one with --remap OLD=90"
        );
    }
}
