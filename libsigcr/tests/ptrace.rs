// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ptrace backend on real processes, on whatever kernel this is: what it sees, and what they see.

#![cfg(target_arch = "x86_64")]

mod ptrace_program;

use std::{
    fs,
    io::Write,
    ptr,
    thread::sleep,
    time::{Duration, Instant},
};

use sigcr::{
    ptrace::{self, NotCaptured},
    stop::Stopped,
    Action, ActionFlags, AltStack, AltStackFlags, Errno, FrameAbi, Handler, Itimer, Model,
    QueuedSignal, SigNo, SigSet, TimerModel, TimerNotify, TimerState,
};

use ptrace_program::{signal, take, without_times, Target};

fn uid() -> u32 {
    // SAFETY: The call takes nothing.
    unsafe { libc::getuid() }
}

#[test]
fn the_record_holds_what_the_process_has_set() {
    let mut target = Target::start("state");
    let mut tids: Vec<i32> = [target.line(), target.line()]
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    tids.sort_unstable();
    let taken = take(target.pid());
    let model = taken.snapshot.to_model();
    let pid = target.pid();
    assert_eq!(
        (model.tgid, model.thread_count, model.flags.bits()),
        (pid, 2, 0)
    );
    assert_eq!(taken.snapshot.record().check_restorable(), Ok(()));
    check_process(&model);
    check_actions(&model);
    check_queues(&model, &tids);
    check_timers(&model);
    let signalfds = model.signalfds.as_ref().unwrap();
    assert_eq!(signalfds.len(), 1);
    assert_eq!(
        (signalfds[0].fd, signalfds[0].mask.bits()),
        (77, 1 << 49 | 1)
    );
    assert!(signalfds[0].nonblock && signalfds[0].cloexec);
    assert_eq!(
        taken.not_captured,
        [
            NotCaptured::FrameAbi,
            NotCaptured::SharedSighand,
            NotCaptured::Autoreap,
            NotCaptured::NextTimerId,
            NotCaptured::TimerThread(3),
            NotCaptured::TimerOverrun(1),
            NotCaptured::TimerSignal(1),
            NotCaptured::TimerSignal(2),
        ]
    );
    // Taken again, it is the same but for the time that has passed.
    let again = take(target.pid()).snapshot.to_model();
    assert_eq!(without_times(again), without_times(model));
}

fn check_process(model: &Model) {
    let process = model.process.as_ref().unwrap();
    assert!(!process.stopped && !process.unkillable && !process.timer_ids);
    assert_eq!(
        (process.stop_signo, process.exit_signo),
        (None, SigNo::new(17))
    );
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let age = uptime - process.start_boottime_ns as f64 / 1e9;
    assert!((0.0..600.0).contains(&age), "started {age} seconds ago");
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: The kernel writes one struct.
    unsafe { libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit) };
    assert_eq!(process.rlimit_sigpending_count, limit.rlim_cur);
}

fn check_actions(model: &Model) {
    let action = |signo, handler, flags, restorer, mask| Action {
        signo: signal(signo),
        handler: Handler(handler),
        flags: ActionFlags::from_bits_retain(flags),
        restorer,
        mask: SigSet::from_bits(mask),
        abi: FrameAbi::Native,
    };
    assert_eq!(
        model.actions.as_deref().unwrap(),
        [
            action(10, 0x40_1000, 0x1400_0004, 0x40_2000, 0x8000_0000_0000_0201),
            action(13, 1, 0, 0, 0),
            action(64, 0x40_3000, 0x4800_0000, 0, !0x4_0100),
        ]
    );
}

fn check_queues(model: &Model, tids: &[i32]) {
    let (pid, uid) = (model.tgid, uid());
    let shared = model.shared_pending.as_ref().unwrap();
    let sent = &shared.entries[..3];
    assert_eq!(
        sent,
        [
            QueuedSignal::queued_by(signal(40), pid, uid, 0x1122_3344_5566_7788),
            QueuedSignal::sent_by(signal(10), pid, uid),
            QueuedSignal::queued_by(signal(40), pid, uid, 2),
        ]
    );
    let mut of_timers: Vec<_> = shared.entries[3..]
        .iter()
        .map(|entry| (entry.timer_id, entry.signo(), entry.value()))
        .collect();
    of_timers.sort_unstable();
    assert_eq!(of_timers, [(Some(1), 46, 0xaaaa), (Some(2), 12, 0xaaaa)]);
    assert_eq!(shared.set.bits(), 1 << 9 | 1 << 11 | 1 << 39 | 1 << 45);

    let [first, second] = &model.threads[..] else {
        panic!("{:?}", model.threads);
    };
    assert_eq!([first.tid, second.tid], tids);
    for thread in [first, second] {
        let state = thread.state.as_ref().unwrap();
        assert_eq!(state.blocked.bits(), !0x4_0100);
        assert!(!state.traced && !state.trace_stop && !state.dead && !state.worker);
    }
    let pdeath = |thread: &sigcr::ThreadModel| thread.state.as_ref().unwrap().pdeath_signo;
    assert_eq!(
        (pdeath(first), pdeath(second)),
        (SigNo::new(9), SigNo::new(12))
    );
    let stack = |sp, size, flags| AltStack { flags, sp, size };
    assert_eq!(
        first.altstack,
        Some(stack(0x6000_0000_0000, 0x2_0000, AltStackFlags::empty()))
    );
    assert_eq!(
        second.altstack,
        Some(stack(0x7000_0000_0000, 0x1_0000, AltStackFlags::AUTODISARM))
    );
    assert_eq!(first.pending.as_ref().unwrap().entries, []);
    let private = &second.pending.as_ref().unwrap().entries;
    assert_eq!((private[0].signo(), private[0].code()), (42, 3));
    assert_eq!(&private[0].siginfo[16..26], b"forty-two\0");
    assert_eq!(
        private[1..],
        [QueuedSignal::sent_to_thread_by(signal(15), pid, uid)]
    );
}

fn check_timers(model: &Model) {
    let itimers = model.itimers.unwrap();
    let runs = |itimer: Itimer, seconds: u64| {
        let range = (seconds - 600) * 1_000_000_000..=seconds * 1_000_000_000;
        range.contains(&itimer.remaining_ns)
    };
    assert!(runs(itimers.real, 4000) && !itimers.real_expired);
    assert_eq!(itimers.real.interval_ns, 250_000_000);
    assert!(runs(itimers.prof, 3001) && itimers.prof.interval_ns == 0);
    assert_eq!(itimers.virt, Itimer::default());

    let timers = model.timers.as_ref().unwrap();
    assert_eq!(timers.next_timer_id, 4);
    let timer = |timer_id, clock_id, signo, state, interval_s: u64| TimerModel {
        timer_id,
        clock_id,
        notify: TimerNotify::Signal,
        signo,
        sigval: 0xaaaa,
        notify_tid: 0,
        state,
        interval_ns: interval_s * 1_000_000_000,
        remaining_ns: 0,
        expires_ns: None,
        overrun: -1,
        overrun_last: 0,
    };
    let mut got = timers.timers.clone();
    let remaining: Vec<_> = got.iter().map(|timer| timer.remaining_ns).collect();
    for timer in &mut got {
        timer.remaining_ns = 0;
    }
    let mut wanted = [
        timer(0, libc::CLOCK_MONOTONIC, 45, TimerState::Armed, 7),
        timer(1, libc::CLOCK_REALTIME, 46, TimerState::Pending, 1000),
        timer(2, libc::CLOCK_BOOTTIME, 12, TimerState::Pending, 0),
        timer(3, -2, 12, TimerState::Armed, 0),
    ];
    wanted[1].overrun = 0;
    wanted[3].notify = TimerNotify::None;
    assert_eq!(got, wanted);
    let range = |seconds: u64| (seconds - 600) * 1_000_000_000..=seconds * 1_000_000_000;
    assert!(range(5000).contains(&remaining[0]), "{remaining:?}");
    assert!(range(1000).contains(&remaining[1]), "{remaining:?}");
    assert_eq!(remaining[2], 0);
    assert!(range(5000).contains(&remaining[3]), "{remaining:?}");
}

#[test]
fn a_process_does_not_notice_that_it_is_taken() {
    const SIGNO: i32 = 35;
    let mut target = Target::start("busy");
    assert_eq!(target.line(), "ready");
    let begun = Instant::now();
    let mut taken_count = 0;
    let mut sent_count = 0;
    while taken_count < 100 || begun.elapsed() < Duration::from_secs(2) {
        for _ in 0..3 {
            let value = libc::sigval {
                sival_ptr: ptr::null_mut(),
            };
            // SAFETY: The call takes numbers, and a value that only the receiver looks at.
            let done = unsafe { libc::sigqueue(target.pid(), SIGNO, value) };
            sent_count += u32::from(done == 0);
        }
        let model = take(target.pid()).snapshot.to_model();
        assert!(model.threads.len() >= 7, "{}", model.threads.len());
        taken_count += 1;
    }
    // SIGTERM would overtake them, and end the process with them pending.
    target.wait_for_empty_queue();
    target.send(libc::SIGTERM);
    assert_eq!(target.line(), format!("{sent_count} 0"));
    assert!(target.child.wait().unwrap().success());
}

#[test]
fn a_process_that_was_stopped_by_a_signal_is_stopped_afterwards_and_goes_on() {
    let mut target = Target::start("busy");
    assert_eq!(target.line(), "ready");
    target.send(libc::SIGTSTP);
    // All of it is blocked.
    sleep(Duration::from_millis(20));
    target.send(libc::SIGSTOP);
    target.wait_for_state('T');
    let model = take(target.pid()).snapshot.to_model();
    let process = model.process.as_ref().unwrap();
    assert!(process.stopped);
    assert_eq!(process.stop_signo, SigNo::new(19));
    target.wait_for_state('T');
    let model = take(target.pid()).snapshot.to_model();
    assert!(model.process.unwrap().stopped);
    target.wait_for_state('T');
    target.send(libc::SIGCONT);
    target.send(libc::SIGTERM);
    assert_eq!(target.line(), "0 0");
}

#[test]
fn a_stop_signal_that_comes_meanwhile_stops_the_process_when_it_is_let_go() {
    let mut target = Target::start("busy");
    assert_eq!(target.line(), "ready");
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    target.send(libc::SIGSTOP);
    let model = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    // It was taken by the first thread that ran, or is pending still: it is not lost.
    let pending = model.shared_pending.unwrap().set.bits() & 1 << 18 != 0;
    assert!(model.process.unwrap().stopped || pending);
    drop(stopped);
    target.wait_for_state('T');
    target.send(libc::SIGCONT);
    target.send(libc::SIGTERM);
    assert_eq!(target.line(), "0 0");
}

#[test]
fn a_filter_that_kills_is_suspended_or_the_process_is_left_alone() {
    let mut target = Target::start("filtered");
    assert_eq!(target.line(), "ready");
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    let taken = ptrace::checkpoint(&stopped);
    match taken {
        Ok(taken) => assert_eq!(taken.snapshot.to_model().threads.len(), 1),
        Err(error) => {
            assert_eq!(error.to_errno(), Errno::EPERM);
            assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
        }
    }
    drop(stopped);
    target.child.stdin.take().unwrap().write_all(b"x").unwrap();
    assert_eq!(target.line(), "alive");
    assert!(target.child.wait().unwrap().success());
}

#[test]
fn a_process_whose_system_calls_are_dispatched_is_refused() {
    let mut target = Target::start("dispatched");
    if target.line() != "ready" {
        // A kernel that does not have it.
        return;
    }
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    let error = ptrace::checkpoint(&stopped).unwrap_err();
    assert_eq!(error.to_errno(), Errno::EOPNOTSUPP);
    assert!(error.to_string().contains("USER_DISPATCH"), "{error}");
    drop(stopped);
    target.wait_for_state('S');
}

#[test]
fn a_process_that_others_have_stopped_is_refused() {
    let mut target = Target::start("state");
    target.line();
    target.line();
    target.send(libc::SIGSTOP);
    target.wait_for_state('T');
    let stopped = Stopped::stop(target.pid()).unwrap();
    let error = ptrace::checkpoint(&stopped).unwrap_err();
    assert_eq!(error.to_errno(), Errno::EBUSY);
    assert!(error.to_string().contains("by_ptrace"), "{error}");
}

#[test]
fn a_process_that_is_killed_meanwhile_is_gone() {
    for delay_us in (0..4000).step_by(100) {
        let mut target = Target::start("state");
        target.line();
        target.line();
        let stopped = Stopped::by_ptrace(target.pid()).unwrap();
        let pid = target.pid();
        let killer = std::thread::spawn(move || {
            sleep(Duration::from_micros(delay_us));
            // SAFETY: The call takes two numbers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        });
        while let Ok(taken) = ptrace::checkpoint(&stopped) {
            assert_eq!(taken.snapshot.to_model().threads.len(), 2);
        }
        let error = ptrace::checkpoint(&stopped).unwrap_err();
        assert_eq!(error.to_errno(), Errno::ESRCH, "{error}");
        killer.join().unwrap();
        drop(stopped);
        assert!(!target.child.wait().unwrap().success());
    }
}
