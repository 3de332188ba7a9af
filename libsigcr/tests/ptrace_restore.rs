// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the ptrace backend restores into a real process, what it refuses, and that it says so.

#![cfg(target_arch = "x86_64")]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod ptrace_program;

use std::{fs, thread::sleep, time::Duration};

use sigcr::{
    ptrace::{self, NotRestorable, RestoreFlags},
    stop::Stopped,
    Action, ActionFlags, AltStack, AltStackFlags, Errno, Error, FrameAbi, Handler, Model, Queue,
    QueuedSignal, SigSet, TimerModel, TimerNotify, TimerState,
};

use ptrace_program::{signal, take, without_times, Target};

/// A target of two threads that waits, and its thread ids.
fn waiting(what: &str) -> (Target, Vec<i32>) {
    let mut target = Target::start(what);
    // Each has a line when it is ready.
    target.line();
    target.line();
    let tasks = fs::read_dir(format!("/proc/{}/task", target.pid())).unwrap();
    let mut tids: Vec<i32> = tasks
        .map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    tids.sort_unstable();
    (target, tids)
}

#[test]
fn what_was_taken_is_restored_into_another_process() {
    let (source, _) = waiting("state");
    let mut model = take(source.pid()).snapshot.to_model();
    drop(source);
    // The clock has not run for three periods of that one, nor will it.
    let timers = model.timers.as_mut().unwrap();
    timers.next_timer_id = 9;
    timers.timers[1].interval_ns = 1_000_000;
    timers.timers[1].remaining_ns = 600_000;
    timers.timers[1].overrun = 1000;
    timers.timers[3].clock_id = !model.tgid << 3 | 6;

    let (target, tids) = waiting("blank");
    model.remap_in_order(&tids).unwrap();
    let snapshot = model.encode().unwrap();
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    let before = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    let lost = ptrace::restore(&stopped, &snapshot, RestoreFlags::DRY_RUN).unwrap();
    assert_eq!(lost, []);
    let unchanged = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    assert_eq!(unchanged, before);
    let lost = ptrace::restore(&stopped, &snapshot, RestoreFlags::empty()).unwrap();
    assert_eq!(lost, []);
    let check = |model: &Model, restored: Model| {
        let mut wanted = model.clone();
        // What depends on the process, and what ptrace does not see.
        let mut restored = restored;
        for model in [&mut wanted, &mut restored] {
            model.process = None;
            let timers = model.timers.as_mut().unwrap();
            timers.next_timer_id = 0;
            timers.timers[1].overrun = 0;
            timers.timers[3].clock_id = 0;
            *model = without_times(model.clone());
        }
        // The signalfd of the target does not wait.
        wanted.signalfds.as_mut().unwrap()[0].nonblock = false;
        let signalfds = restored.signalfds.as_mut().unwrap();
        signalfds.retain(|signalfd| signalfd.fd == 77);
        assert_eq!(restored, wanted);
    };
    check(
        &model,
        ptrace::checkpoint(&stopped).unwrap().snapshot.to_model(),
    );
    // It replaces what is there, and what is restored stays when the process runs.
    let lost = ptrace::restore(&stopped, &snapshot, RestoreFlags::empty()).unwrap();
    assert_eq!(lost, []);
    drop(stopped);
    sleep(Duration::from_millis(20));
    check(&model, take(target.pid()).snapshot.to_model());
}

#[test]
fn what_cannot_be_restored_is_named_and_nothing_is_changed() {
    let (target, tids) = waiting("blank");
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    let before = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    let mut model = before.clone();
    let tid = tids[1];
    let rt = signal(40);
    model.actions.as_mut().unwrap().push(Action {
        signo: rt,
        handler: Handler(0x1000),
        flags: ActionFlags::empty(),
        restorer: 0,
        mask: SigSet::EMPTY,
        abi: FrameAbi::Ia32,
    });
    model
        .shared_pending
        .as_mut()
        .unwrap()
        .set
        .insert(signal(19));
    model.threads[1].pending.as_mut().unwrap().set.insert(rt);
    model.itimers.as_mut().unwrap().real.interval_ns = 5_000_000_000;
    model.itimers.as_mut().unwrap().real_expired = true;
    let timer = TimerModel {
        timer_id: 5,
        clock_id: -2,
        notify: TimerNotify::Signal,
        signo: 40,
        sigval: 1,
        notify_tid: 0,
        state: TimerState::Ignored,
        interval_ns: u64::MAX >> 2,
        remaining_ns: u64::MAX >> 3,
        expires_ns: None,
        overrun: 3,
        overrun_last: 7,
    };
    model.timers.as_mut().unwrap().timers.push(timer);
    model.signalfds.as_mut().unwrap()[1].fd = 78;
    let snapshot = model.encode().unwrap();
    let named = [
        NotRestorable::FrameAbi(rt),
        NotRestorable::Bare { tid, signo: rt },
        NotRestorable::PendingStop,
        NotRestorable::RealItimer,
        NotRestorable::TimerThread(5),
        NotRestorable::TimerOverrunLast(5),
        NotRestorable::TimerIgnored(5),
        NotRestorable::Signalfd(78),
    ];
    let error = ptrace::restore(&stopped, &snapshot, RestoreFlags::empty()).unwrap_err();
    let Error::NotRestorable(lost) = &error else {
        panic!("{error}");
    };
    assert_eq!(lost[..], named);
    let words = error.to_string();
    for one in named {
        assert!(words.contains(&one.to_string()), "{words}");
    }
    let after = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    assert_eq!(after, before);
    // What is accepted is left out.
    let lost = ptrace::restore(&stopped, &snapshot, RestoreFlags::PARTIAL).unwrap();
    assert_eq!(lost[..], named);
    let after = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    assert_eq!(after.actions.unwrap()[0].abi, FrameAbi::Native);
    assert!(after.shared_pending.unwrap().is_empty());
    assert!(after.threads[1].pending.as_ref().unwrap().is_empty());
    let itimers = after.itimers.unwrap();
    assert!(!itimers.real_expired && itimers.real.remaining_ns > 4_000_000_000);
    let timers = after.timers.unwrap().timers;
    assert_eq!(timers[0].state, TimerState::Armed);
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_nothing_is_changed() {
    let (target, tids) = waiting("blank");
    let stopped = Stopped::by_ptrace(target.pid()).unwrap();
    let before = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
    let refused = |errno: Errno, words: &str, change: &dyn Fn(&mut Model)| {
        let mut model = before.clone();
        change(&mut model);
        let snapshot = model.encode().unwrap();
        let error = ptrace::restore(&stopped, &snapshot, RestoreFlags::PARTIAL).unwrap_err();
        assert_eq!(error.to_errno(), errno, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let after = ptrace::checkpoint(&stopped).unwrap().snapshot.to_model();
        assert_eq!(after, before);
    };
    refused(Errno::ESRCH, "lacks a thread", &|model| {
        model.threads[1].tid = tids[1] + 1;
    });
    // SAFETY: The call takes a number. The least that any record may hold is 2048.
    if unsafe { libc::getauxval(51) } > 2048 {
        refused(Errno::EINVAL, "altstack", &|model| {
            model.threads[0].altstack = Some(AltStack {
                flags: AltStackFlags::empty(),
                sp: 0x1000,
                size: 2048,
            });
        });
    }
    refused(Errno::EAGAIN, "RLIMIT_SIGPENDING", &|model| {
        let limit = model.process.as_ref().unwrap().rlimit_sigpending_count;
        let signals = vec![QueuedSignal::queued_by(signal(40), 1, 0, 0); limit as usize + 1];
        model.shared_pending = Some(Queue::of(signals));
    });
    // The signal that is pending to the thread would go with the action.
    // SAFETY: The call takes three numbers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, target.pid(), tids[1], libc::SIGUSR2) };
    assert_eq!(sent, 0);
    let mut model = before.clone();
    model.threads.clear();
    model.timers = None;
    model.actions.as_mut().unwrap().push(Action {
        signo: signal(12),
        handler: Handler::IGNORE,
        flags: ActionFlags::empty(),
        restorer: 0,
        mask: SigSet::EMPTY,
        abi: FrameAbi::Native,
    });
    let snapshot = model.encode().unwrap();
    let error = ptrace::restore(&stopped, &snapshot, RestoreFlags::PARTIAL).unwrap_err();
    assert_eq!(error.to_errno(), Errno::EBUSY, "{error}");
    assert!(
        error.to_string().contains("leave the actions out"),
        "{error}"
    );
}
