// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Golden records with timers, signalfds, waiters, and signals that a ptracer holds.

use sigcr::{
    record::{encode::seal, Refusal},
    Itimer, Itimers, Model, Queue, QueuedSignal, SigSet, Signalfd, ThreadInfo, TimerModel,
    TimerNotify, TimerState, Timers, Waiter, WaitsFor,
};

use super::records::{idle, put, signo};

/// The records that decode, with what they decode to.
pub(crate) fn good() -> Vec<(&'static str, Model)> {
    vec![
        ("v1-timers.bin", timers()),
        ("v1-itimers.bin", itimers()),
        ("v1-signalfds.bin", signalfds()),
        ("v1-waiters.bin", waiters()),
        ("v1-stopped-and-traced.bin", stopped()),
    ]
}

/// The records that are refused, with the refusal.
pub(crate) fn bad() -> Vec<(Vec<u8>, Refusal)> {
    let timer_id = 2;
    let mut not_pending = timers();
    list(&mut not_pending).timers[1].state = TimerState::Armed;
    let mut lone = timers();
    lone.shared_pending = Some(Queue::default());
    let mut held = idle();
    held.threads[0].inflight = Some(QueuedSignal::sent_by(signo(15), 1, 0));
    vec![
        (
            encoded(&not_pending),
            Refusal::TimerEntryMismatch {
                off: SHARED + 40,
                timer_id,
            },
        ),
        (
            encoded(&lone),
            Refusal::TimerEntryCount {
                off: SHARED + 40,
                seen: 0,
                pending: 1,
            },
        ),
        (
            encoded(&held),
            Refusal::InFlight {
                off: SHARED + 40 + 32 + 40 + 40,
                tid: 1000,
            },
        ),
        (
            timer_with(40, &(1_u64 << 63).to_ne_bytes()),
            Refusal::BadTime {
                off: TIMER,
                time_ns: 1 << 63,
            },
        ),
        (
            timer_with(0, &(-1_i32).to_ne_bytes()),
            Refusal::BadId { off: TIMER, id: -1 },
        ),
        (
            timer_with(8, &3_u32.to_ne_bytes()),
            Refusal::BadNotify {
                off: TIMER,
                notify: 3,
            },
        ),
        (
            timer_with(28, &0x10_u32.to_ne_bytes()),
            Refusal::BadTimerFlags {
                off: TIMER,
                flags: 0x10,
            },
        ),
        (
            timer_with(56, &(-2_i64).to_ne_bytes()),
            Refusal::BadOverrun {
                off: TIMER,
                overrun: -2,
            },
        ),
        (
            with(&signalfds(), SHARED + 40 + 32 + 4, &1_u32.to_ne_bytes()),
            Refusal::UnknownSignalfdFlags {
                off: SHARED + 40 + 32,
                flags: 1,
            },
        ),
        (
            with(&waiters(), WAITER + 4, &3_u32.to_ne_bytes()),
            Refusal::BadWaiter {
                off: WAITER,
                id_type: 3,
            },
        ),
    ]
}

/// Where the shared queue is in each of these records.
const SHARED: usize = 64 + 40 + 32;
/// Where the first timer is in that of [`timers`].
const TIMER: usize = SHARED + 40 + 56 + 32;
/// Where the first waiter is in that of [`waiters`].
const WAITER: usize = SHARED + 40 + 32 + 40 + 40 + 32;

fn encoded(model: &Model) -> Vec<u8> {
    model.encode().expect("a record that decodes").into_bytes()
}

fn with(model: &Model, off: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = encoded(model);
    put(&mut bytes, off, value);
    seal(&mut bytes);
    bytes
}

/// The record of [`timers`] with `value` in its first timer.
fn timer_with(off: usize, value: &[u8]) -> Vec<u8> {
    with(&timers(), TIMER + off, value)
}

fn list(model: &mut Model) -> &mut Timers {
    model.timers.get_or_insert_default()
}

/// One timer in each state, with each way to notify.
fn timers() -> Model {
    let timer = |timer_id, notify, state| TimerModel {
        timer_id,
        clock_id: 1,
        notify,
        signo: 34,
        sigval: 0x7f00_dead_beef,
        notify_tid: 0,
        state,
        interval_ns: 10_000_000,
        remaining_ns: 2_500_000,
        expires_ns: None,
        overrun: -1,
        overrun_last: 0,
    };
    let mut pending = timer(2, TimerNotify::Signal, TimerState::Pending);
    pending.overrun = 41;
    pending.overrun_last = 7;
    let mut absolute = timer(5, TimerNotify::ThreadId, TimerState::Armed);
    absolute.clock_id = 0;
    absolute.notify_tid = 1000;
    absolute.expires_ns = Some(1_900_000_000_000_000_000);
    let mut disarmed = timer(6, TimerNotify::Thread, TimerState::Disarmed);
    (disarmed.interval_ns, disarmed.remaining_ns) = (0, 0);
    let mut model = idle();
    model.timers = Some(Timers {
        next_timer_id: 9,
        timers: vec![
            timer(0, TimerNotify::Signal, TimerState::Armed),
            pending,
            timer(3, TimerNotify::None, TimerState::Armed),
            timer(4, TimerNotify::Signal, TimerState::Ignored),
            absolute,
            disarmed,
        ],
    });
    let mut entry = QueuedSignal::queued_by(signo(34), 2, 0, 0x7f00_dead_beef);
    entry.siginfo[8..12].copy_from_slice(&(-2_i32).to_ne_bytes());
    entry.timer_id = Some(2);
    model.shared_pending = Some(Queue::of([entry]));
    model
}

fn itimers() -> Model {
    let itimer = |remaining_ns, interval_ns| Itimer {
        remaining_ns,
        interval_ns,
    };
    let mut model = idle();
    model.itimers = Some(Itimers {
        real: itimer(0, 1_000_000_000),
        real_expired: true,
        virt: itimer(5, 0),
        prof: itimer(4_000_000, 40_000_000),
    });
    model.shared_pending = Some(Queue::of([QueuedSignal::sent_by(signo(14), 0, 0)]));
    model
}

fn signalfds() -> Model {
    let signalfd = |fd, mask| Signalfd {
        fd,
        nonblock: fd == 3,
        cloexec: fd != 3,
        mask: SigSet::from_bits(mask),
    };
    let mut model = idle();
    model.signalfds = Some(vec![signalfd(3, 1), signalfd(70, !(1 << 8 | 1 << 18))]);
    model
}

fn waiters() -> Model {
    let waiter = |tid, waits_for| Waiter {
        tid,
        waits_for,
        options: 0x4000_0000,
    };
    let mut model = idle();
    model.waiters = Some(vec![
        waiter(1000, WaitsFor::All),
        waiter(1001, WaitsFor::Process(1234)),
        waiter(1001, WaitsFor::ProcessGroup(1000)),
    ]);
    model
}

fn stopped() -> Model {
    let mut model = idle();
    if let Some(process) = &mut model.process {
        process.stopped = true;
        process.stop_signo = Some(signo(19));
        process.exit_signo = Some(signo(17));
        process.timer_ids = true;
        process.autoreap = true;
    }
    model.threads[0].state = Some(ThreadInfo {
        pdeath_signo: Some(signo(9)),
        traced: true,
        trace_stop: true,
        group_stop: true,
        frozen: true,
        ..ThreadInfo::default()
    });
    model
}
