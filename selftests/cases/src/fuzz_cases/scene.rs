// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The target of an attack: with actions, masks, stacks, queues, timers and signalfds from a seed.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use anyhow::{ensure, Context};
use mutator::Random;
use nix::unistd::Pid;
use sigcr::{CheckpointFlags, Errno, Parts, RestoreFlags, Snapshot, Target};

use super::expect::is_due;
use super::state::{CpuTime, State, StatusFiles, Window};
use super::Role;
use crate::random::{plan, Keep};
use crate::subject::{Plan, Sent, Subject};
use crate::sys::{self, bit, Notify};

/// A target and what is known of it.
pub(crate) struct Scene {
    /// The victim, if the target is not the attacker itself.
    subject: Option<(Subject, OwnedFd)>,
    /// A descriptor of each thread; of the caller itself, none.
    thread_fds: Vec<OwnedFd>,
    files: StatusFiles,
    pub(crate) cpu_time: CpuTime,
    /// The record that the target had at first.
    pub(crate) pristine: Snapshot,
    /// What is now the state.
    pub(crate) state: State,
}

/// Whose state a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Process,
    /// The thread with this index, if there is one.
    Thread(usize),
}

/// The signals of the timers. All threads block them.
const OF_TIMERS: u64 = bit(12) | bit(14) | bit(26) | bit(27) | bit(40) | bit(44);
/// The signal of the timer that is ignored: nobody blocks it, and its default is to do nothing.
const IGNORED: u32 = libc::SIGURG as u32;

impl Scene {
    /// Makes the target. The caller must have one thread.
    pub(crate) fn new(role: Role, random: &mut Random) -> anyhow::Result<Self> {
        let plan = scene_plan(random);
        let mut extras = Extras::any(random);
        // Its signal is one of the kernel, which who has no privileges cannot give to others.
        extras.expired_itimer &= role.own || role.privileged;
        match role.own {
            true => Self::own(&plan, extras),
            false => Self::victim(&plan, extras),
        }
    }

    fn victim(plan: &Plan, extras: Extras) -> anyhow::Result<Self> {
        let subject = Subject::start_with(plan, || extras.set_up())?;
        subject.stop()?;
        wait_at_rest(&subject)?;
        subject.send(plan)?;
        let pidfd = subject.pidfd()?;
        let files =
            StatusFiles::open(subject.pid().as_raw(), subject.tids(), CpuTime::StandsStill)?;
        let open = |tid: &i32| sigcr::open_thread(*tid);
        let thread_fds = subject.tids().iter().map(open).collect::<Result<_, _>>()?;
        Self::complete(
            Some((subject, pidfd)),
            thread_fds,
            files,
            CpuTime::StandsStill,
        )
    }

    fn own(plan: &Plan, extras: Extras) -> anyhow::Result<Self> {
        let own = Pid::this().as_raw();
        let mut tids = vec![own];
        // While nothing is pending that the C library lets through to a new thread.
        if extras.sibling {
            tids.push(start_sibling()?);
        }
        let mut model = plan.model(&[own]);
        model.threads.truncate(1);
        model.keep(!(Parts::TIMERS | Parts::ITIMERS));
        sigcr::restore(Target::OwnProcess, &model.encode()?, RestoreFlags::empty())?;
        extras.set_up()?;
        let files = StatusFiles::open(own, &tids, CpuTime::Passes)?;
        Self::complete(None, Vec::new(), files, CpuTime::Passes)
    }

    fn complete(
        subject: Option<(Subject, OwnedFd)>,
        thread_fds: Vec<OwnedFd>,
        files: StatusFiles,
        cpu_time: CpuTime,
    ) -> anyhow::Result<Self> {
        let state = read(&subject, &files)?;
        let mut scene = Self {
            subject,
            thread_fds,
            files,
            cpu_time,
            pristine: state.record.clone(),
            state,
        };
        // The first expiry of a timer that is ignored leaves no signal to wait for.
        for _ in 0..1000 {
            if !is_due(&scene.state.model(), cpu_time) {
                break;
            }
            std::thread::sleep(SOON);
            scene.state = scene.read()?;
        }
        ensure!(
            !is_due(&scene.state.model(), cpu_time),
            "the timers of the target do not come to rest"
        );
        scene.pristine = scene.state.record.clone();
        Ok(scene)
    }

    /// The target's state now.
    pub(crate) fn read(&self) -> anyhow::Result<State> {
        read(&self.subject, &self.files)
    }

    /// sigrestore(2), with a record of any bytes.
    pub(crate) fn restore(
        &self,
        scope: Scope,
        bytes: &[u8],
        claimed_len: usize,
        flags: u32,
    ) -> Result<(), Errno> {
        assert!(claimed_len == bytes.len() || claimed_len > 64 << 20);
        // SAFETY: The kernel reads what the slice has, or nothing of what is longer than any
        // record. What it makes of this process is what the caller asked for.
        let ret = unsafe {
            libc::syscall(
                i64::from(sigcr_sys::SIGCR_NR_SIGRESTORE),
                self.raw_fd(scope),
                bytes.as_ptr(),
                claimed_len,
                flags,
            )
        };
        Errno::result(ret).map(drop)
    }

    fn raw_fd(&self, scope: Scope) -> RawFd {
        match (&self.subject, scope) {
            (None, Scope::Process) => PIDFD_SELF_THREAD_GROUP,
            (None, Scope::Thread(_)) => PIDFD_SELF_THREAD,
            (Some((_, pidfd)), Scope::Process) => pidfd.as_raw_fd(),
            (Some(_), Scope::Thread(index)) => {
                self.thread_fds[index % self.thread_fds.len()].as_raw_fd()
            }
        }
    }
}

/// `PIDFD_SELF_THREAD` and `PIDFD_SELF_THREAD_GROUP` of `<linux/pidfd.h>`.
const PIDFD_SELF_THREAD: RawFd = -10000;
const PIDFD_SELF_THREAD_GROUP: RawFd = -10001;

/// Waits until no thread of a stopped subject is on its way to where it stops: its switches are
/// counted then.
fn wait_at_rest(subject: &Subject) -> anyhow::Result<()> {
    for tid in subject.tids() {
        let path = format!("/proc/{}/task/{tid}/syscall", subject.pid());
        // The kernel waits until the thread is off its processor.
        while std::fs::read_to_string(&path)
            .with_context(|| path.clone())?
            .starts_with("running")
        {
            std::thread::sleep(SOON);
        }
    }
    Ok(())
}

/// The state of the subject, or else of the caller.
fn read(subject: &Option<(Subject, OwnedFd)>, files: &StatusFiles) -> anyhow::Result<State> {
    let (record, at) = Window::around(|| checkpoint(subject))?;
    let record = record?;
    Ok(State {
        record,
        at,
        status: files.read()?,
    })
}

fn checkpoint(subject: &Option<(Subject, OwnedFd)>) -> Result<Snapshot, sigcr::Error> {
    match subject {
        Some((_, pidfd)) => sigcr::checkpoint(pidfd.into(), CheckpointFlags::empty()),
        // It may have a sibling, which runs.
        None => sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::LIVE),
    }
}

/// Starts a thread that blocks all signals and waits for ever; returns its id.
fn start_sibling() -> anyhow::Result<i32> {
    let (sender, tid) = std::sync::mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let blocked = sys::set_blocked(!bit(IGNORED));
        let _ = sender.send(blocked.map(|_| sys::tid().as_raw()));
        drop(sender);
        loop {
            std::thread::park();
        }
    })?;
    Ok(tid.recv()??)
}

/// A state to start from: nothing that is pending can be delivered.
fn scene_plan(random: &mut Random) -> Plan {
    let mut plan = plan(random.word(), Keep::WhileRunning);
    plan.threads.truncate(1 + random.index(3));
    if !random.one_in(4) {
        plan.shared.truncate(8);
    }
    let is_ours = |signo: u32| (OF_TIMERS | bit(IGNORED)) & bit(signo) != 0;
    plan.actions.retain(|(signo, _)| !is_ours(*signo));
    let sent_by_others = |sent: &Sent| {
        let (Sent::Queued(signo, ..) | Sent::Bare(signo)) = *sent;
        !is_ours(signo)
    };
    plan.shared.retain(sent_by_others);
    for thread in &mut plan.threads {
        thread.pending.retain(sent_by_others);
        thread.blocked = (thread.blocked | OF_TIMERS) & !bit(IGNORED);
    }
    plan
}

/// What a target has that a plan does not.
#[derive(Clone, Copy, Debug)]
struct Extras {
    timers: bool,
    /// One of the timers is periodic and ignored.
    ignored_timer: bool,
    /// `ITIMER_REAL` is periodic and has expired.
    expired_itimer: bool,
    signalfds: bool,
    /// The attacker has a second thread, which runs.
    sibling: bool,
    /// The limit on queued signals, if it is a low one.
    limit_count: Option<u64>,
}

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(1);

impl Extras {
    fn any(random: &mut Random) -> Self {
        let timers = !random.one_in(4);
        Self {
            timers,
            ignored_timer: timers && random.one_in(2),
            expired_itimer: random.one_in(3),
            signalfds: random.one_in(2),
            sibling: random.one_in(4),
            // More than is queued at first, and less than a long record has.
            limit_count: random.one_in(3).then_some(200),
        }
    }

    /// Gives it to the calling process.
    fn set_up(self) -> anyhow::Result<()> {
        let blocked = sys::set_blocked(!bit(IGNORED))?;
        let mut pending = 0;
        if self.timers {
            pending |= set_timers(self.ignored_timer)?;
        }
        let (real, interval) = match self.expired_itimer {
            true => (SOON, 2 * HOUR),
            false => (2 * HOUR, HOUR),
        };
        sys::set_itimer(libc::ITIMER_REAL, real, interval)?;
        sys::set_itimer(libc::ITIMER_VIRTUAL, HOUR, Duration::ZERO)?;
        sys::set_itimer(libc::ITIMER_PROF, 2 * HOUR, HOUR)?;
        if self.expired_itimer {
            pending |= bit(libc::SIGALRM as u32);
        }
        if self.signalfds {
            // They stay open for as long as the target lives.
            std::mem::forget(sys::signalfd(bit(40) | bit(10), libc::SFD_NONBLOCK)?);
            std::mem::forget(sys::signalfd(0, 0)?);
        }
        for _ in 0..1000 {
            if sys::pending()? & pending == pending {
                break;
            }
            std::thread::sleep(SOON);
        }
        let missing = pending & !sys::pending()?;
        ensure!(missing == 0, "no signal of a timer came: {missing:#x}");
        if let Some(count) = self.limit_count {
            sys::set_sigpending_limit(Pid::this(), count)?;
        }
        sys::set_blocked(blocked | OF_TIMERS)?;
        Ok(())
    }
}

/// Makes timers in all states. Returns the signals that will be pending.
fn set_timers(with_ignored: bool) -> anyhow::Result<u64> {
    let tid = sys::tid().as_raw();
    let create = |clock, notify, signo| {
        sys::timer_create(clock, notify, signo, 0x7157 + u64::from(signo))
            .with_context(|| format!("timer_create of clock {clock}"))
    };
    let far = create(libc::CLOCK_MONOTONIC, Notify::Signal, 40)?;
    sys::timer_settime(far, 0, 2 * HOUR, HOUR)?;
    let pending = create(libc::CLOCK_MONOTONIC, Notify::Signal, 44)?;
    sys::timer_settime(pending, 0, SOON, 3 * HOUR)?;
    let pending_once = create(libc::CLOCK_BOOTTIME, Notify::Thread(tid), 12)?;
    sys::timer_settime(pending_once, 0, SOON, Duration::ZERO)?;
    let cpu = create(libc::CLOCK_PROCESS_CPUTIME_ID, Notify::Signal, 12)?;
    sys::timer_settime(cpu, 0, HOUR, HOUR)?;
    create(libc::CLOCK_BOOTTIME, Notify::None, 0)?;
    let silent = create(libc::CLOCK_MONOTONIC, Notify::None, 0)?;
    sys::timer_settime(silent, 0, 4 * HOUR, Duration::ZERO)?;
    let absolute = create(libc::CLOCK_REALTIME, Notify::Thread(tid), 40)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    sys::timer_settime(absolute, libc::TIMER_ABSTIME, now + 24 * HOUR, HOUR)?;
    if with_ignored {
        let ignored = create(libc::CLOCK_MONOTONIC, Notify::Signal, IGNORED)?;
        sys::timer_settime(ignored, 0, SOON, 3 * HOUR)?;
    }
    Ok(bit(44) | bit(12))
}
