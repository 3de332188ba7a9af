// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ptrace backend on real processes, on whatever kernel this is: what it sees, and what they see.

#![cfg(target_arch = "x86_64")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    ptr,
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use sigcr::{
    ptrace::{self, NotCaptured, NotRestorable, RestoreFlags, Taken},
    stop::Stopped,
    Action, ActionFlags, AltStack, AltStackFlags, Errno, Error, FrameAbi, Handler, Itimer, Model,
    Queue, QueuedSignal, SigNo, SigSet, TimerModel, TimerNotify, TimerState,
};

/// The C program, running and ready.
struct Target {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// The program, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptrace_target");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ptrace_target.c");
        let status = Command::new("cc")
            .args(["-Wall", "-Werror", "-pthread", "-o"])
            .arg(&program)
            .arg(source)
            .status()
            .unwrap();
        assert!(status.success());
        program
    })
}

impl Target {
    fn start(what: &str) -> Self {
        let mut command = Command::new(program());
        command
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    fn send(&self, signo: i32) {
        // SAFETY: The call takes two numbers.
        assert_eq!(unsafe { libc::kill(self.pid(), signo) }, 0);
    }

    /// Waits until all threads have the state letter.
    fn wait_for_state(&self, wanted: char) {
        let has_it = |dir: fs::DirEntry| {
            let stat = fs::read_to_string(dir.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with(wanted))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            if tasks.into_iter().all(|dir| has_it(dir.unwrap())) {
                return;
            }
            assert!(Instant::now() < deadline, "it is not in state {wanted}");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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

fn take(pid: i32) -> Taken {
    ptrace::checkpoint(&Stopped::by_ptrace(pid).unwrap()).unwrap()
}

fn signal(signo: u32) -> SigNo {
    SigNo::new(signo).unwrap()
}

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

fn without_times(mut model: Model) -> Model {
    if let Some(itimers) = &mut model.itimers {
        itimers.real.remaining_ns = 0;
        itimers.prof.remaining_ns = 0;
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        timer.remaining_ns = 0;
    }
    model
}

#[test]
fn what_was_taken_is_restored_into_another_process() {
    let (source, _) = waiting("state");
    let mut model = take(source.pid()).snapshot.to_model();
    drop(source);
    // The clock has not run for three periods of that one, nor will it.
    let timers = &mut model.timers.as_mut().unwrap();
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
