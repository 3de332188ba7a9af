// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The records that the command line is tested on.

use sigcr::{
    Action, ActionFlags, AltStack, AltStackFlags, FrameAbi, Handler, Itimer, Itimers, Model,
    ProcessInfo, Queue, QueuedSignal, RecordFlags, SigNo, SigSet, Signalfd, ThreadInfo,
    ThreadModel, TimerModel, TimerNotify, TimerState, Timers, Waiter, WaitsFor,
};

pub(crate) fn signo(name: &str) -> SigNo {
    name.parse().unwrap()
}

fn set(names: &str) -> SigSet {
    names.parse().unwrap()
}

fn thread(tid: i32, blocked: &str) -> ThreadModel {
    ThreadModel {
        tid,
        state: Some(ThreadInfo {
            blocked: set(blocked),
            ..ThreadInfo::default()
        }),
        altstack: Some(AltStack::DISABLED),
        pending: Some(Queue::default()),
        inflight: None,
    }
}

fn action(name: &str, handler: u64, flags: ActionFlags, mask: &str) -> Action {
    Action {
        signo: signo(name),
        handler: Handler(handler),
        flags,
        restorer: match flags.contains(ActionFlags::RESTORER) {
            true => 0x7f52_1c04_2520,
            false => 0,
        },
        mask: set(mask),
        abi: FrameAbi::Native,
    }
}

/// A siginfo as the kernel makes it of a fault.
fn fault(name: &str, code: i32, address: u64) -> QueuedSignal {
    let mut siginfo = [0; 48];
    siginfo[..4].copy_from_slice(&signo(name).get().to_ne_bytes());
    siginfo[8..12].copy_from_slice(&code.to_ne_bytes());
    siginfo[16..24].copy_from_slice(&address.to_ne_bytes());
    QueuedSignal::from_siginfo(siginfo)
}

/// A server with some of everything.
pub(crate) fn server() -> Model {
    let handled = ActionFlags::RESTORER | ActionFlags::RESTART | ActionFlags::SIGINFO;
    let mut shared_pending = Queue::of(
        [QueuedSignal::sent_by(signo("SIGUSR1"), 1200, 1000)]
            .into_iter()
            .chain(
                (0..1000)
                    .map(|value| QueuedSignal::queued_by(signo("SIGRTMIN+3"), 1200, 1000, value)),
            )
            .chain([QueuedSignal::queued_by(
                signo("SIGRTMAX"),
                1,
                0,
                0x7ffd_0000_1000,
            )]),
    );
    shared_pending.set.insert(signo("SIGTERM"));

    let mut threads = vec![
        thread(
            4711,
            "SIGUSR1,SIGTERM,SIGRTMIN+3,SIGRTMIN+4,SIGRTMIN+5,SIGRTMAX",
        ),
        thread(4712, ""),
        thread(4713, ""),
        thread(4714, ""),
        thread(4715, ""),
        thread(4716, ""),
        thread(4717, ""),
    ];
    threads[0].altstack = Some(AltStack {
        flags: AltStackFlags::AUTODISARM,
        sp: 0x7f52_1bff_0000,
        size: 0x4000,
    });
    threads[4].state.as_mut().unwrap().blocked =
        SigSet::from_bits(!sigcr::record::UNBLOCKABLE & !set("SIGSEGV").bits());
    threads[4].pending = Some(Queue::of([
        fault("SIGSEGV", 1, 0xdead_beef),
        QueuedSignal::sent_to_thread_by(signo("SIGUSR2"), 4711, 1000),
    ]));
    for (index, is_worker) in [(5, false), (6, true)] {
        let thread = &mut threads[index];
        let state = thread.state.as_mut().unwrap();
        (state.worker, state.dead) = (is_worker, !is_worker);
        (thread.altstack, thread.pending) = (None, None);
    }

    Model {
        thread_count: 7,
        flags: RecordFlags::empty(),
        process: Some(ProcessInfo {
            rlimit_sigpending_count: 63_432,
            start_boottime_ns: 12_345_678_901_234,
            ..ProcessInfo::default()
        }),
        actions: Some(vec![
            action("SIGHUP", 1, ActionFlags::empty(), ""),
            action("SIGUSR1", 0x55d0_c0ff_ee00, handled, "SIGUSR2,SIGALRM"),
            action(
                "SIGSEGV",
                0x55d0_c0ff_ef40,
                handled | ActionFlags::ONSTACK | ActionFlags::NODEFER | ActionFlags::RESETHAND,
                "",
            ),
            action("SIGCHLD", 0, ActionFlags::NOCLDWAIT, ""),
            action("SIGRTMIN+3", 0x55d0_c0ff_ee00, handled, ""),
        ]),
        shared_pending: Some(shared_pending),
        threads,
        ..Model::new(4711)
    }
}

/// One thread that ran while it was taken, with nothing known of its alternate stack.
pub(crate) fn live_thread() -> Model {
    let mut model = Model::new(90);
    model.thread_count = 3;
    model.flags = RecordFlags::LIVE | RecordFlags::UNSTABLE | RecordFlags::ONE_THREAD;
    let mut thread = thread(92, "SIGINT");
    thread.state.as_mut().unwrap().unstable = true;
    thread.altstack = None;
    let mut pending = Queue::of([QueuedSignal::queued_by(signo("SIGALRM"), 0, 0, 7)]);
    pending.entries[0].timer_id = Some(3);
    thread.pending = Some(pending);
    model.threads = vec![thread];
    model
}

/// An ordinary process: what `sleep` looks like.
pub(crate) fn idle(tgid: i32) -> Model {
    let mut model = Model::new(tgid);
    model.actions = Some(Vec::new());
    model.shared_pending = Some(Queue::default());
    model.threads = vec![thread(tgid, "")];
    model
}

/// A process with timers in every state, a signalfd, a waiter, and a signal that a ptracer holds.
pub(crate) fn timers() -> Model {
    let timer = |timer_id, clock_id, name, state| TimerModel {
        timer_id,
        clock_id,
        notify: TimerNotify::Signal,
        signo: signo(name).get(),
        sigval: 7,
        notify_tid: 0,
        state,
        interval_ns: 20_000_000,
        remaining_ns: 2_500_000,
        expires_ns: None,
        overrun: -1,
        overrun_last: 0,
    };
    let mut pending = timer(1, 7, "SIGUSR2", TimerState::Pending);
    (pending.overrun, pending.overrun_last) = (41, 7);
    let mut absolute = timer(2, 0, "SIGRTMIN+3", TimerState::Armed);
    absolute.expires_ns = Some(1_900_000_000_500_000_000);
    (absolute.notify, absolute.notify_tid) = (TimerNotify::ThreadId, 5);
    absolute.interval_ns = 0;
    let mut silent = timer(3, -6, "SIGHUP", TimerState::Disarmed);
    silent.notify = TimerNotify::None;
    (silent.interval_ns, silent.remaining_ns) = (0, 0);
    let mut entry = QueuedSignal::queued_by(signo("SIGUSR2"), 1, 0, 7);
    entry.siginfo[8..12].copy_from_slice(&(-2_i32).to_ne_bytes());
    entry.timer_id = Some(1);
    let mut model = idle(5);
    model.process = Some(ProcessInfo {
        timer_ids: true,
        autoreap: true,
        exit_signo: Some(signo("SIGUSR1")),
        rlimit_sigpending_count: u64::MAX,
        start_boottime_ns: 1_000_000_000,
        ..ProcessInfo::default()
    });
    model.shared_pending = Some(Queue::of([entry]));
    model.itimers = Some(Itimers {
        real: Itimer {
            remaining_ns: 0,
            interval_ns: 1_000_000_000,
        },
        real_expired: true,
        virt: Itimer::default(),
        prof: Itimer {
            remaining_ns: 1_500,
            interval_ns: 0,
        },
    });
    model.timers = Some(Timers {
        next_timer_id: 5,
        timers: vec![
            timer(0, 1, "SIGUSR1", TimerState::Armed),
            pending,
            absolute,
            silent,
            timer(4, (!5 << 3) | 6, "SIGURG", TimerState::Ignored),
        ],
    });
    model.signalfds = Some(vec![Signalfd {
        fd: 70,
        nonblock: true,
        cloexec: true,
        mask: set("SIGUSR1,SIGTERM"),
    }]);
    model.threads[0].state = Some(ThreadInfo {
        pdeath_signo: Some(signo("SIGKILL")),
        traced: true,
        trace_stop: true,
        group_stop: true,
        frozen: true,
        ..ThreadInfo::default()
    });
    model.threads[0].inflight = Some(QueuedSignal::sent_by(signo("SIGINT"), 77, 1000));
    model.waiters = Some(vec![
        Waiter {
            tid: 5,
            waits_for: WaitsFor::Process(9),
            options: 4,
        },
        Waiter {
            tid: 5,
            waits_for: WaitsFor::All,
            options: 0,
        },
    ]);
    model
}
