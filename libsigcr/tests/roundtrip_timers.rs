// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Properties of encoder and decoder, on arbitrary timers, signalfds and waiters.

use proptest::{collection, option, prelude::*, sample::select, sample::Index};
use sigcr::{
    record::{encode::seal, Refusal},
    Itimer, Itimers, Model, Parts, Queue, QueuedSignal, SigNo, SigSet, Signalfd, Snapshot,
    ThreadModel, TimerModel, TimerNotify, TimerState, Timers, Waiter, WaitsFor,
};

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..=i64::MAX as u64, 1_u64..1000]
}

fn itimer() -> impl Strategy<Value = Itimer> {
    (option::of(time()), option::of(time())).prop_map(|(remaining, interval)| Itimer {
        remaining_ns: remaining.unwrap_or(0),
        interval_ns: interval.unwrap_or(0),
    })
}

fn itimers() -> impl Strategy<Value = Itimers> {
    (itimer(), itimer(), itimer()).prop_map(|(real, virt, prof)| Itimers {
        real,
        real_expired: real.remaining_ns == 0 && real.interval_ns != 0,
        virt,
        prof,
    })
}

/// Any timer that can be, but for its id.
fn timer() -> impl Strategy<Value = TimerModel> {
    use TimerState::{Armed, Disarmed, Ignored, Pending};
    let kind = (
        select(vec![
            TimerNotify::Signal,
            TimerNotify::None,
            TimerNotify::Thread,
        ]),
        option::of(1..100_i32),
        select(vec![Disarmed, Armed, Pending, Ignored]),
    );
    let times = (time(), time(), option::of(time()), any::<bool>());
    let rest = (
        -9..20_i32,
        32..=64_u32,
        any::<u64>(),
        -1..i64::MAX,
        -1..i64::MAX,
    );
    (kind, times, rest).prop_map(|((notify, tid, state), times, rest)| {
        let (interval, remaining, expires, periodic) = times;
        let (clock_id, signo, sigval, overrun, overrun_last) = rest;
        let notify = tid.map_or(notify, |_| TimerNotify::ThreadId);
        let waits = matches!(state, Pending | Ignored);
        let state = if notify == TimerNotify::None && waits {
            Armed
        } else {
            state
        };
        let periodic = periodic || state == Ignored;
        let runs = match state {
            Disarmed => false,
            Armed => true,
            Pending | Ignored => periodic,
        };
        TimerModel {
            timer_id: 0,
            clock_id,
            notify,
            signo,
            sigval,
            notify_tid: tid.unwrap_or(0),
            state,
            interval_ns: if periodic && state != Disarmed {
                interval
            } else {
                0
            },
            remaining_ns: if runs { remaining } else { 0 },
            expires_ns: expires.filter(|_| state == Armed && clock_id == 0),
            overrun,
            overrun_last,
        }
    })
}

fn timers() -> impl Strategy<Value = Timers> {
    let list = collection::btree_map(0..i32::MAX, timer(), 0..8);
    (list, 0..=i32::MAX as u32).prop_map(|(list, next_timer_id)| Timers {
        next_timer_id,
        timers: list
            .into_iter()
            .map(|(timer_id, timer)| TimerModel { timer_id, ..timer })
            .collect(),
    })
}

fn signalfds() -> impl Strategy<Value = Vec<Signalfd>> {
    let one = (any::<bool>(), any::<bool>(), any::<u64>());
    collection::btree_map(0..i32::MAX, one, 0..5).prop_map(|fds| {
        let made = fds
            .into_iter()
            .map(|(fd, (nonblock, cloexec, mask))| Signalfd {
                fd,
                nonblock,
                cloexec,
                mask: SigSet::from_bits(mask & !(1 << 8 | 1 << 18)),
            });
        made.collect()
    })
}

fn waiters() -> impl Strategy<Value = Vec<Waiter>> {
    let waits_for = prop_oneof![
        Just(WaitsFor::All),
        (0..i32::MAX).prop_map(WaitsFor::Process),
        (0..i32::MAX).prop_map(WaitsFor::ProcessGroup),
    ];
    let one = (1..i32::MAX, waits_for, any::<u32>()).prop_map(|(tid, waits_for, options)| Waiter {
        tid,
        waits_for,
        options,
    });
    collection::vec(one, 0..5).prop_map(|mut waiters| {
        waiters.sort_by_key(|waiter| waiter.tid);
        waiters
    })
}

/// The signal that a timer has queued.
fn signal_of(timer: &TimerModel) -> QueuedSignal {
    let signo = SigNo::new(timer.signo).unwrap();
    let mut signal = QueuedSignal::queued_by(signo, timer.timer_id, 0, timer.sigval);
    signal.siginfo[8..12].copy_from_slice(&(-2_i32).to_ne_bytes());
    signal.timer_id = Some(timer.timer_id);
    signal
}

/// Any model of a process whose queues hold what its timers have queued, and nothing else.
fn model() -> impl Strategy<Value = Model> {
    let parts = (
        option::of(itimers()),
        option::of(timers()),
        option::of(signalfds()),
        option::of(waiters()),
    );
    parts.prop_map(|(itimers, timers, signalfds, waiters)| {
        let mut model = Model::new(1);
        let list = timers.iter().flat_map(|timers| &timers.timers);
        let pending: Vec<_> = list
            .filter(|timer| timer.state == TimerState::Pending)
            .collect();
        let queue_of = |tid| {
            let own = pending.iter().filter(|timer| timer.notify_tid == tid);
            Queue::of(own.map(|timer| signal_of(timer)))
        };
        model.shared_pending = Some(queue_of(0));
        let mut tids: Vec<_> = pending.iter().map(|timer| timer.notify_tid).collect();
        tids.sort_unstable();
        tids.dedup();
        model.threads = tids
            .into_iter()
            .filter(|tid| *tid != 0)
            .map(|tid| ThreadModel {
                tid,
                pending: Some(queue_of(tid)),
                ..ThreadModel::default()
            })
            .collect();
        Model {
            itimers,
            timers,
            signalfds,
            waiters,
            ..model
        }
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_timers_decode_to_themselves_and_can_be_restored(model in model()) {
        let snapshot = model.encode().map_err(|refusal| {
            TestCaseError::fail(format!("{refusal}"))
        })?;
        prop_assert_eq!(snapshot.record().check_restorable(), Ok(()));
        prop_assert_eq!(&snapshot.to_model(), &model);
        let json = serde_json::to_string(&model).unwrap();
        prop_assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), model);
    }

    #[test]
    fn what_is_left_when_parts_are_left_out_can_be_restored(
        mut model in model(),
        parts in any::<u32>(),
    ) {
        let parts = Parts::from_bits_truncate(parts);
        model.keep(parts);
        let snapshot = model.encode().unwrap();
        prop_assert_eq!(snapshot.record().check_restorable(), Ok(()));
        prop_assert_eq!(model.timers.is_some(), snapshot.record().timers().is_some());
        if !parts.contains(Parts::TIMERS) {
            let queues = snapshot.to_model();
            let queues = queues.shared_pending.iter().chain(
                queues.threads.iter().filter_map(|thread| thread.pending.as_ref()),
            );
            for queue in queues {
                prop_assert!(queue.is_empty(), "{queue:?}");
            }
        }
    }

    #[test]
    fn a_signal_without_its_timer_is_not_restored(model in model(), place in any::<Index>()) {
        let mut model = model;
        let Some(timers) = model.timers.as_mut().filter(|timers| {
            timers.timers.iter().any(|timer| timer.state == TimerState::Pending)
        }) else {
            return Ok(());
        };
        let index = place.index(timers.timers.len());
        let pending = timers.timers.remove(index).state == TimerState::Pending;
        let refusal = model.encode().unwrap().record().check_restorable().err();
        prop_assert_eq!(pending, matches!(refusal, Some(Refusal::TimerMissing { .. })));
    }

    #[test]
    fn changed_timers_are_refused_or_are_others(
        model in model(),
        changes in collection::vec((any::<Index>(), any::<u32>(), any::<bool>()), 1..4),
    ) {
        let mut bytes = model.encode().unwrap().into_bytes();
        for (place, value, small) in changes {
            let off = 64 + 4 * place.index((bytes.len() - 64) / 4);
            let value = if small { value % 16 } else { value };
            bytes[off..off + 4].copy_from_slice(&value.to_ne_bytes());
        }
        seal(&mut bytes);
        match Snapshot::from_bytes(bytes.clone()) {
            Err(refusal) => prop_assert!(!refusal.explain(&bytes).is_empty()),
            Ok(snapshot) => {
                let model = snapshot.to_model();
                let again = model.encode().map_err(|refusal| {
                    TestCaseError::fail(format!("decoded, and not encoded again: {refusal}"))
                })?;
                prop_assert_eq!(again.to_model(), model);
            }
        }
    }
}
